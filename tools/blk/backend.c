/* SPDX-License-Identifier: MIT */
#include "backend_private.h"

#include <stdlib.h>

#define REQUESTS_A_POLL 256u /* then others have their turn */

static void frontend_changed(struct blanket_guest_watch *watch, const char *path)
{
    struct blk_backend *backend = watch->context;

    (void)path;
    backend->frontend_changed = true;
}

static int config_check(const struct blk_backend_config *config)
{
    uint32_t size = config->sector_size;

    if (size < 512 || size > BLK_PAGE_SIZE || (size & (size - 1)) != 0 || config->sectors == 0 ||
        config->sectors > INT64_MAX / size || config->ring_order > BLK_RING_ORDER_MAX ||
        (config->indirect != 0 && config->indirect < BLK_SEGMENTS_MAX) ||
        config->indirect > BLK_INDIRECT_MAX) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

static int store_open(struct blk_backend *backend)
{
    int rc = blanket_guest_store_connect(&backend->store, &backend->device, backend->config.wait,
                                         backend->config.wait_context);

    backend->store_connected = rc == 0 || rc == -BLANKET_EIO;
    if (rc == 0) {
        rc = blk_backend_announce(backend);
    }
    if (rc == 0) {
        backend->watch.changed = frontend_changed;
        backend->watch.context = backend;
        rc = blanket_guest_store_watch(&backend->store, &backend->watch, BLANKET_ROOT_FRONTEND,
                                       "state");
    }
    return rc > 0 ? -BLANKET_EPERM : rc;
}

int blk_backend_create(const struct blk_backend_config *config, struct blk_backend **result)
{
    struct blk_backend *backend;
    int rc = config_check(config);

    if (rc != 0) {
        return rc;
    }
    backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        return -BLANKET_ENOMEM;
    }
    backend->config = *config;
    backend->unit = config->sector_size;
    backend->device_memory = calloc(1, blanket_guest_device_size(config->endpoint) + 1);
    rc = backend->device_memory != NULL ? 0 : -BLANKET_ENOMEM;
    if (rc == 0) {
        rc = blk_backend_cache_init(&backend->cache, config->persistent);
    }
    if (rc == 0) {
        rc = blanket_guest_device_init(&backend->device, config->guest, config->endpoint,
                                       backend->device_memory, 0);
    }
    if (rc == 0) {
        rc = store_open(backend);
    }
    if (rc != 0) {
        blk_backend_destroy(backend);
        return rc;
    }
    backend->store_event = true; /* events before this returned had nobody to go to */
    *result = backend;
    return 0;
}

void blk_backend_destroy(struct blk_backend *backend)
{
    if (backend == NULL) {
        return;
    }
    if (backend->cache.entries != NULL) {
        blk_backend_disconnect(backend);
        blk_backend_cache_fini(&backend->cache);
    }
    if (backend->store_connected) {
        (void)blanket_guest_store_disconnect(&backend->store);
    }
    free(backend->device_memory);
    free(backend);
}

void blk_backend_event(struct blk_backend *backend, uint32_t port)
{
    if (backend->store_connected && port == blanket_guest_store_port(&backend->store)) {
        backend->store_event = true;
    } else if (backend->port_bound && port == backend->port) {
        backend->ring_event = true;
    }
}

int blk_backend_poll(struct blk_backend *backend)
{
    int done = 0;

    if (backend->store_event) {
        backend->store_event = false; /* before: what comes meanwhile isn't lost */
        /* What can't be read now is there to be read at the next poll. */
        backend->store_event |= blanket_guest_store_poll(&backend->store) != 0;
        done = 1;
    }
    if (backend->frontend_changed) {
        backend->frontend_changed = false;
        blk_backend_step(backend);
        done = 1;
    }
    if (backend->ring_event && backend->state == BLK_BACKEND_CONNECTED) {
        backend->ring_event = false;
        backend->ring_event |= blk_backend_serve(backend, REQUESTS_A_POLL) != 0;
        done = 1;
    }
    return done;
}

enum blk_backend_state blk_backend_state(const struct blk_backend *backend)
{
    return backend->state;
}

const char *blk_backend_error(const struct blk_backend *backend)
{
    return backend->error;
}

void blk_backend_stats(const struct blk_backend *backend, struct blk_backend_stats *stats)
{
    *stats = backend->stats;
}
