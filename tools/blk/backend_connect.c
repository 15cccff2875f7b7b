/* SPDX-License-Identifier: MIT */
/* The xenbus handshake, the backend's half. */
#include "backend_private.h"

#include <stdio.h>

#define TRANSACTION_TRIES 64u
#define FRONTEND BLANKET_ROOT_FRONTEND
#define BACKEND BLANKET_ROOT_BACKEND

/* Keys and numbers that are written together; a NULL key is left out. */
struct pair {
    const char *key;
    uint64_t number;
};

static int pairs_write(struct blk_backend *backend, uint16_t transaction, const struct pair *pairs,
                       uint32_t count)
{
    int rc = 0;

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        if (pairs[i].key != NULL) {
            rc = blanket_guest_store_write_number(&backend->store, BACKEND, transaction,
                                                  pairs[i].key, pairs[i].number);
        }
    }
    return rc;
}

/* In one transaction, so that the frontend never sees half of it. */
static int pairs_publish(struct blk_backend *backend, const struct pair *pairs, uint32_t count)
{
    int rc = BLANKET_GUEST_STORE_EAGAIN;

    for (uint32_t i = 0; i < TRANSACTION_TRIES && rc == BLANKET_GUEST_STORE_EAGAIN; i++) {
        uint16_t transaction;

        rc = blanket_guest_store_begin(&backend->store, &transaction);
        if (rc != 0) {
            break;
        }
        rc = pairs_write(backend, transaction, pairs, count);
        if (rc == 0) {
            rc = blanket_guest_store_commit(&backend->store, transaction);
        } else {
            (void)blanket_guest_store_abort(&backend->store, transaction);
        }
    }
    return rc;
}

static int state_write(struct blk_backend *backend, enum xenbus_state state)
{
    return blanket_guest_store_write_number(&backend->store, BACKEND, 0, "state", state);
}

int blk_backend_announce(struct blk_backend *backend)
{
    const struct blk_backend_config *config = &backend->config;
    const struct pair pairs[] = {
        {"max-ring-page-order", config->ring_order},
        {"max-ring-pages", 1u << config->ring_order},
        {"feature-persistent", config->persistent != 0},
        {"feature-flush-cache", config->disk->flush != NULL},
        {config->indirect != 0 ? "feature-max-indirect-segments" : NULL, config->indirect},
        {"state", XenbusStateInitWait},
    };

    return pairs_publish(backend, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

/* ---- what the frontend says ---- */

/* A number of the frontend's up to `max`; `otherwise` if there is none. 0: it isn't one. */
static int frontend_number(struct blk_backend *backend, const char *key, uint64_t otherwise,
                           uint64_t max, uint64_t *number)
{
    int rc = blanket_guest_store_read_number(&backend->store, FRONTEND, 0, key, number);

    if (rc == BLANKET_GUEST_STORE_ENOENT) {
        *number = otherwise;
        rc = 0;
    }
    return rc == 0 && *number <= max;
}

/* No protocol at all means the machine's own. */
static bool protocol_known(struct blk_backend *backend)
{
    char protocol[32];
    uint32_t size;
    int rc = blanket_guest_store_read(&backend->store, FRONTEND, 0, "protocol", protocol,
                                      sizeof(protocol), &size);

    return rc == BLANKET_GUEST_STORE_ENOENT ||
           (rc == 0 && strcmp(protocol, XEN_IO_PROTO_ABI_NATIVE) == 0);
}

/* The ring's pages; ring-ref for one, unless the frontend gave an order and so ring-ref0. */
static const char *ring_map(struct blk_backend *backend)
{
    uint64_t order, pages, reference;
    bool plain;

    if (!frontend_number(backend, "ring-page-order", 0, backend->config.ring_order, &order) ||
        !frontend_number(backend, "num-ring-pages", (uint64_t)1 << order,
                         (uint64_t)1 << backend->config.ring_order, &pages)) {
        return "the frontend's ring is larger than what was offered";
    }
    if (pages == 0 || (pages & (pages - 1)) != 0 || (order != 0 && pages != (uint64_t)1 << order)) {
        return "the frontend's ring has an impossible size";
    }
    plain = pages == 1 && frontend_number(backend, "ring-ref", UINT64_MAX, UINT32_MAX, &reference);
    for (uint32_t i = 0; i < pages; i++) {
        void *address;
        char key[24];

        snprintf(key, sizeof(key), "ring-ref%u", (unsigned)i);
        if (!plain && !frontend_number(backend, key, UINT64_MAX, UINT32_MAX, &reference)) {
            return "the frontend published no reference for its ring";
        }
        if (backend->config.map->map(backend->config.map_context, (uint32_t)reference,
                                     BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE, &address) != 0) {
            return "the frontend's ring can't be mapped";
        }
        backend->stats.maps++;
        backend->stats.mapped++;
        backend->ring.pages[backend->ring_pages++] = address;
    }
    blk_ring_back_init(&backend->ring, (uint32_t)pages);
    return NULL;
}

static const char *parameters_take(struct blk_backend *backend)
{
    uint64_t persistent, large, channel;
    const char *error;

    if (!protocol_known(backend)) {
        return "the frontend speaks another machine's protocol";
    }
    if (!frontend_number(backend, "feature-persistent", 0, UINT32_MAX, &persistent) ||
        !frontend_number(backend, "feature-large-sector-size", 0, UINT32_MAX, &large) ||
        !frontend_number(backend, "event-channel", UINT64_MAX, UINT32_MAX, &channel)) {
        return "the frontend's parameters can't be read";
    }
    backend->persistent = persistent != 0 && backend->config.persistent != 0;
    backend->unit = large != 0 ? backend->config.sector_size : 512;
    error = ring_map(backend);
    if (error != NULL) {
        return error;
    }
    if (blanket_guest_port_bind(&backend->device, (uint32_t)channel, &backend->port) != 0) {
        return "the frontend's event channel can't be bound";
    }
    backend->port_bound = true;
    return NULL;
}

static void connect(struct blk_backend *backend)
{
    const struct blk_backend_config *config = &backend->config;
    const char *error = parameters_take(backend);

    if (error == NULL) {
        const struct pair pairs[] = {
            {"sectors", config->sectors * (config->sector_size / backend->unit)},
            {"sector-size", backend->unit},
            {"physical-sector-size", config->sector_size},
            {"info", config->read_only ? VDISK_READONLY : 0},
            {"state", XenbusStateConnected},
        };

        if (pairs_publish(backend, pairs, sizeof(pairs) / sizeof(pairs[0])) != 0) {
            error = "the disk can't be published";
        }
    }
    if (error != NULL) {
        blk_backend_fail(backend, error);
        return;
    }
    backend->error = NULL;
    backend->state = BLK_BACKEND_CONNECTED;
    backend->ring_event = true; /* requests may be there already */
}

void blk_backend_disconnect(struct blk_backend *backend)
{
    if (backend->port_bound) {
        backend->port_bound = blanket_guest_port_close(&backend->device, backend->port) != 0;
    }
    blk_backend_cache_drop(backend);
    while (backend->ring_pages != 0) {
        blk_backend_page_put(backend, backend->ring.pages[--backend->ring_pages]);
    }
    backend->persistent = false;
    backend->doorbell = false;
    backend->state = BLK_BACKEND_CLOSED;
}

void blk_backend_fail(struct blk_backend *backend, const char *error)
{
    backend->error = error;
    blk_backend_disconnect(backend);
    (void)state_write(backend, XenbusStateClosing);
}

void blk_backend_step(struct blk_backend *backend)
{
    uint64_t state;

    if (!frontend_number(backend, "state", XenbusStateUnknown, UINT32_MAX, &state)) {
        state = XenbusStateUnknown;
    }
    switch (state) {
    case XenbusStateInitialising:
        if (backend->state == BLK_BACKEND_CONNECTED) {
            blk_backend_disconnect(backend); /* it died and starts again */
        }
        if (backend->state == BLK_BACKEND_CLOSED && blk_backend_announce(backend) == 0) {
            backend->state = BLK_BACKEND_WAITING;
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (backend->state == BLK_BACKEND_WAITING) {
            connect(backend);
        }
        break;
    case XenbusStateClosing:
        blk_backend_disconnect(backend);
        (void)state_write(backend, XenbusStateClosing);
        break;
    default: /* Closed, or its directory is gone */
        blk_backend_disconnect(backend);
        (void)state_write(backend, XenbusStateClosed);
        break;
    }
}
