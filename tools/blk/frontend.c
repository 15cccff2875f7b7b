/* SPDX-License-Identifier: MIT */
#include "frontend_private.h"

#include <stdlib.h>

static void backend_changed(struct blanket_guest_watch *watch, const char *path)
{
    struct blk_frontend *frontend = watch->context;

    (void)path;
    frontend->backend_changed = true;
}

static int watch_begin(struct blk_frontend *frontend)
{
    int rc;

    frontend->watch.changed = backend_changed;
    frontend->watch.context = frontend;
    frontend->backend_changed = true;
    rc = blanket_guest_store_watch(&frontend->store, &frontend->watch, BLANKET_ROOT_BACKEND,
                                   "state");
    return rc > 0 ? -BLANKET_EPERM : rc;
}

static int store_open(struct blk_frontend *frontend)
{
    int rc = blanket_guest_store_connect(&frontend->store, &frontend->device, frontend->config.wait,
                                         frontend->config.context);

    frontend->store_connected = rc == 0 || rc == -BLANKET_EIO;
    return rc == 0 ? watch_begin(frontend) : rc;
}

int blk_frontend_create(const struct blk_frontend_config *config, struct blk_frontend **result)
{
    struct blk_frontend *frontend;
    struct blanket_wire_endpoint info;
    int rc;

    if (config->ring_order > BLK_RING_ORDER_MAX || config->segments == 0 ||
        config->segments > BLK_INDIRECT_MAX) {
        return -BLANKET_EINVAL;
    }
    if (config->endpoint != NULL) {
        info = *config->endpoint;
    } else {
        rc = blanket_guest_lookup(config->guest, config->name, &info);
        if (rc != 0) {
            return rc;
        }
    }
    frontend = calloc(1, sizeof(*frontend));
    if (frontend == NULL) {
        return -BLANKET_ENOMEM;
    }
    frontend->config = *config;
    frontend->queue_end = &frontend->queue;
    frontend->device_memory = calloc(1, blanket_guest_device_size(&info) + 1);
    rc = frontend->device_memory != NULL ? 0 : -BLANKET_ENOMEM;
    if (rc == 0) {
        rc = blanket_guest_device_init(&frontend->device, config->guest, &info,
                                       frontend->device_memory, 0);
    }
    if (rc == 0) {
        rc = store_open(frontend);
    }
    if (rc != 0) {
        if (frontend->store_connected) {
            (void)blanket_guest_store_disconnect(&frontend->store);
        }
        free(frontend->device_memory);
        free(frontend);
        return rc;
    }
    frontend->store_event = true; /* events before this returned had nobody to go to */
    *result = frontend;
    return 0;
}

void blk_frontend_destroy(struct blk_frontend *frontend)
{
    if (frontend == NULL) {
        return;
    }
    blk_frontend_requests_fail(frontend, -BLANKET_ENOTCONN);
    (void)blk_frontend_teardown(frontend);
    if (frontend->store_connected) {
        (void)blanket_guest_store_disconnect(&frontend->store);
    }
    free(frontend->shared);
    free(frontend->slots);
    free(frontend->grants);
    free(frontend->pool_of);
    free(frontend->pool_free);
    free(frontend->device_memory);
    free(frontend);
}

void blk_frontend_event(struct blk_frontend *frontend, uint32_t port)
{
    uint32_t index;

    /* The ring is looked at whenever it is polled: its event says no more than that. */
    if (blanket_guest_port_find(&frontend->device, port, &index) == 0 &&
        frontend->store_connected && index == blanket_guest_store_port(&frontend->store)) {
        frontend->store_event = true;
    }
}

void blk_frontend_look(struct blk_frontend *frontend)
{
    frontend->store_event = true;
    frontend->backend_changed = true;
}

bool blk_frontend_store_lost(struct blk_frontend *frontend, int status)
{
    /* Before there is a ring nothing is lost by beginning anew. */
    if (status == -BLANKET_ENOTCONN && frontend->published) {
        frontend->store_lost = true;
    }
    return frontend->store_lost;
}

static bool endpoint_broken(struct blk_frontend *frontend)
{
    struct blanket_wire_endpoint info;

    return blanket_guest_query(frontend->config.guest, frontend->device.endpoint, &info) == 0 &&
           info.state != BLANKET_ENDPOINT_LIVE;
}

/* A new connection, with a new watch. While nobody serves the store there is none; the next event, or look,
 * tries again. */
static void store_reopen(struct blk_frontend *frontend)
{
    int rc = blanket_guest_store_reconnect(&frontend->store);

    frontend->store_event = false;
    if (rc == 0) {
        rc = watch_begin(frontend);
    }
    frontend->store_lost = rc != 0;
    if (rc == -BLANKET_ENOSPC || (rc != 0 && endpoint_broken(frontend))) {
        frontend->store_lost = false;
        frontend->told = XenbusStateClosed; /* to nobody; a level closes what its holder leaves */
        frontend->backend_state = XenbusStateUnknown;
        blk_frontend_fail(frontend, rc == -BLANKET_ENOSPC
                                        ? "the store's connection is lost, and the quota of "
                                          "connections or ports allows no second one"
                                        : "the endpoint lost its device below");
    }
}

static int store_take(struct blk_frontend *frontend)
{
    int rc;

    if (!frontend->store_event || frontend->leaving) {
        return 0;
    }
    if (frontend->store_lost) {
        store_reopen(frontend);
        return !frontend->store_lost;
    }
    if (!frontend->store_connected) {
        return 0;
    }
    frontend->store_event = false; /* before: what comes meanwhile isn't lost */
    rc = blanket_guest_store_poll(&frontend->store);
    frontend->store_event |= rc == 1 || rc == -BLANKET_EAGAIN; /* there is more, or it is busy */
    if (rc < 0 && rc != -BLANKET_EAGAIN && blk_frontend_store_lost(frontend, rc)) {
        frontend->store_event = true; /* try at once */
    } else if (rc < 0 && rc != -BLANKET_EAGAIN) {
        blk_frontend_fail(frontend, "the store doesn't answer any more");
    }
    return 1;
}

int blk_frontend_poll(struct blk_frontend *frontend)
{
    int done = store_take(frontend);

    if (frontend->backend_changed && frontend->state != BLK_FRONTEND_CLOSED) {
        done |= blk_frontend_step(frontend);
    }
    if (frontend->port_bound && frontend->error == NULL) {
        done |= blk_frontend_responses(frontend);
    }
    done |= blk_frontend_ends(frontend);
    if (frontend->state == BLK_FRONTEND_CONNECTED || frontend->state == BLK_FRONTEND_CLOSING) {
        done |= blk_frontend_send(frontend);
    }
    if (frontend->state == BLK_FRONTEND_CLOSING) {
        done |= blk_frontend_step(frontend);
    }
    if (done == 0 && frontend->flying != 0) {
        done = blk_frontend_arm(frontend);
    }
    return done;
}

enum blk_frontend_state blk_frontend_state(const struct blk_frontend *frontend)
{
    return frontend->state;
}

const char *blk_frontend_error(const struct blk_frontend *frontend)
{
    return frontend->error;
}

void blk_frontend_info(const struct blk_frontend *frontend, struct blk_frontend_info *info)
{
    *info = frontend->info;
}

void blk_frontend_stats(const struct blk_frontend *frontend, struct blk_frontend_stats *stats)
{
    *stats = frontend->stats;
}

void blk_frontend_stats_add(const struct blk_frontend *frontend, struct blk_frontend_stats *stats)
{
    stats->requests += frontend->stats.requests;
    stats->segments += frontend->stats.segments;
    stats->doorbells += frontend->stats.doorbells;
    stats->grants += frontend->stats.grants;
    stats->ends += frontend->stats.ends;
    stats->bad_responses += frontend->stats.bad_responses;
}

const char *blk_frontend_backend(const struct blk_frontend *frontend)
{
    static const char *const names[] = {"Unknown",     "Initialising",  "InitWait",
                                        "Initialised", "Connected",     "Closing",
                                        "Closed",      "Reconfiguring", "Reconfigured"};

    return names[frontend->backend_state];
}

uint32_t blk_frontend_pages(const struct blk_frontend *frontend)
{
    uint32_t pages = 0;

    for (uint32_t i = 0; i < frontend->shared_count; i++) {
        pages += frontend->shared[i].grant != BLK_GRANT_NONE;
    }
    return pages;
}

/* Sectors of a request, all segments within their pages; 0 if one isn't. */
static uint64_t request_sectors(const struct blk_frontend *frontend,
                                const struct blk_request *request)
{
    uint32_t per_page = BLK_PAGE_SIZE / frontend->info.sector_size;
    uint64_t sectors = 0;

    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct blk_segment *segment = &request->segments[i];

        if (segment->first > segment->last || segment->last >= per_page) {
            return 0;
        }
        sectors += (uint64_t)segment->last - segment->first + 1;
    }
    return sectors;
}

static int request_check(const struct blk_frontend *frontend, const struct blk_request *request)
{
    const struct blk_frontend_info *info = &frontend->info;
    uint64_t sectors;

    if (request->operation == BLK_FLUSH) {
        return !info->flush                  ? -BLANKET_EOPNOTSUPP
               : request->segment_count != 0 ? -BLANKET_EINVAL
                                             : 0;
    }
    if (request->operation != BLK_READ && request->operation != BLK_WRITE) {
        return -BLANKET_EOPNOTSUPP;
    }
    if (request->operation == BLK_WRITE && info->read_only) {
        return -BLANKET_EOPNOTSUPP;
    }
    if (request->segment_count == 0 || request->segment_count > info->segments) {
        return -BLANKET_EINVAL;
    }
    sectors = request_sectors(frontend, request);
    if (sectors == 0 || sectors > info->sectors || request->sector > info->sectors - sectors) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

int blk_frontend_submit(struct blk_frontend *frontend, struct blk_request *request)
{
    int rc;

    if (frontend->state != BLK_FRONTEND_CONNECTED) {
        return -BLANKET_ENOTCONN;
    }
    rc = request_check(frontend, request);
    if (rc != 0) {
        return rc;
    }
    request->next = NULL;
    request->tries = 0;
    *frontend->queue_end = request;
    frontend->queue_end = &request->next;
    return 0;
}

void blk_frontend_close(struct blk_frontend *frontend)
{
    if (frontend->state == BLK_FRONTEND_STARTING || frontend->state == BLK_FRONTEND_CONNECTED) {
        frontend->state = BLK_FRONTEND_CLOSING;
    }
}
