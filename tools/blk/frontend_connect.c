/* SPDX-License-Identifier: MIT */
/* The xenbus handshake: what the backend offers, and what we choose. */
#include "frontend_private.h"

#include <stdio.h>
#include <stdlib.h>

#define TRANSACTION_TRIES 64u

void blk_frontend_fail(struct blk_frontend *frontend, const char *error)
{
    if (frontend->error == NULL) {
        frontend->error = error;
    }
    if (frontend->state != BLK_FRONTEND_CLOSED) {
        frontend->state = BLK_FRONTEND_CLOSING;
    }
    blk_frontend_requests_fail(frontend, -BLANKET_ENOTCONN);
}

/* A number of the backend's; `otherwise` if there is none. 0: the store failed. */
static int backend_number(struct blk_frontend *frontend, const char *key, uint64_t otherwise,
                          uint64_t *number)
{
    int rc = blanket_guest_store_read_number(&frontend->store, BLANKET_ROOT_BACKEND, 0, key,
                                             number);

    if (rc == BLANKET_GUEST_STORE_ENOENT) {
        *number = otherwise;
        rc = 0;
    }
    return rc == 0;
}

/* ---- pages ---- */

/* Room for `count` more pages, and the pages. What there is of them is shared_count's from now on. */
static int pages_alloc(struct blk_frontend *frontend, uint32_t count)
{
    uint32_t first = frontend->shared_count;
    struct blk_shared *shared = realloc(frontend->shared, (first + count) * sizeof(*shared));

    if (shared == NULL) {
        return -BLANKET_ENOMEM;
    }
    frontend->shared = shared;
    for (uint32_t i = first; i < first + count; i++) {
        int rc;

        shared[i].grant = BLK_GRANT_NONE;
        rc = frontend->config.page_alloc(frontend->config.context, &shared[i].page);
        if (rc != 0) {
            return rc;
        }
        frontend->shared_count++;
    }
    return 0;
}

/* Share all pages from `next` on. The backend only reads the indirect ones, but maps whatever it keeps
 * mapped with write access (io/blkif.h, note 8). */
static int pages_share(struct blk_frontend *frontend, uint32_t next)
{
    while (next < frontend->shared_count) {
        uint32_t part = 0;
        int rc;

        while (part < BLK_INDIRECT_MAX && next + part < frontend->shared_count) {
            uint32_t i = next + part;
            bool only_read = frontend->indirect && i >= frontend->info.ring_pages &&
                             i < frontend->pool_first && !frontend->info.persistent;

            frontend->access[part++].page = blk_frontend_page_item(
                frontend, only_read ? BLANKET_ACCESS_READ : 3u, frontend->shared[i].page.frame);
        }
        rc = blanket_guest_grant_access(&frontend->device, frontend->access, part);
        for (uint32_t i = 0; i < part; i++) {
            int32_t status = frontend->access[i].status;

            if (status == 0 || status == -BLANKET_EIO) {
                frontend->shared[next + i].grant = frontend->access[i].grant;
            }
            frontend->stats.grants += status == 0;
        }
        if (rc != 0) {
            return rc;
        }
        next += part;
    }
    return 0;
}

/* ---- what we choose ---- */

/* Depth, segments and pool, from what the backend offers and our quota of grants allows. */
static int shape_choose(struct blk_frontend *frontend, uint64_t indirect_max)
{
    struct blk_frontend_info *info = &frontend->info;
    uint32_t grants = frontend->device.grants.free_count; /* without the ring's */
    uint32_t depth = blk_ring_entry_count(info->ring_pages), fixed, pool = 0;

    if (frontend->config.depth != 0 && frontend->config.depth < depth) {
        depth = frontend->config.depth;
    }
    info->segments = frontend->config.segments;
    if (info->segments > BLK_SEGMENTS_MAX && info->segments > indirect_max) {
        info->segments = indirect_max > BLK_SEGMENTS_MAX ? (uint32_t)indirect_max
                                                         : BLK_SEGMENTS_MAX;
    }
    frontend->indirect = info->segments > BLK_SEGMENTS_MAX;
    /* Each request in flight has a page for its indirect segments: at least half is left for data. */
    while (frontend->indirect && depth > 1 && depth > grants / 2) {
        depth /= 2;
    }
    fixed = frontend->indirect ? depth : 0;
    if (fixed >= grants) {
        return -BLANKET_ENOSPC;
    }
    info->segments = info->segments > grants - fixed ? grants - fixed : info->segments;
    if (info->persistent) {
        uint64_t wanted = (uint64_t)depth * info->segments;

        pool = wanted > grants - fixed ? grants - fixed : (uint32_t)wanted;
    }
    info->depth = depth;
    frontend->pool_first = info->ring_pages + fixed;
    frontend->pool_free_count = pool;
    return 0;
}

static int arrays_alloc(struct blk_frontend *frontend)
{
    size_t places = (size_t)frontend->info.depth * frontend->info.segments;
    uint32_t pool = frontend->pool_free_count;

    frontend->slots = calloc(frontend->info.depth, sizeof(*frontend->slots));
    frontend->grants = calloc(places, sizeof(*frontend->grants));
    frontend->pool_of = calloc(places, sizeof(*frontend->pool_of));
    frontend->pool_free = calloc(pool + 1, sizeof(*frontend->pool_free));
    if (frontend->slots == NULL || frontend->grants == NULL || frontend->pool_of == NULL ||
        frontend->pool_free == NULL) {
        return -BLANKET_ENOMEM;
    }
    for (uint32_t i = 0; i < pool; i++) {
        /* The first of the pool on top: of all that are free, the ones used last are used next. */
        frontend->pool_free[i] = frontend->pool_first + pool - 1 - i;
    }
    return 0;
}

/* What is needed to publish a ring. A stock backend says only this much before it's connected. */
static const char *ring_make(struct blk_frontend *frontend)
{
    uint32_t order = frontend->config.ring_order;
    uint64_t order_max;
    uint32_t number;

    if (!backend_number(frontend, "max-ring-page-order", 0, &order_max)) {
        return "the backend's features can't be read";
    }
    order = order > order_max ? (uint32_t)order_max : order;
    frontend->info.ring_pages = 1u << order;
    if (frontend->info.ring_pages >= frontend->device.grants.free_count) {
        return "the endpoint's quota of grants is too small for a ring";
    }
    if (pages_alloc(frontend, frontend->info.ring_pages) != 0) {
        return "there is no memory for the ring";
    }
    for (uint32_t i = 0; i < frontend->info.ring_pages; i++) {
        frontend->ring.pages[i] = frontend->shared[i].page.address;
    }
    blk_ring_front_init(&frontend->ring, frontend->info.ring_pages);
    if (pages_share(frontend, 0) != 0) {
        return "the ring can't be granted";
    }
    if (blanket_guest_port_alloc(&frontend->device, &frontend->port, &number) != 0) {
        return "there is no event channel for the ring";
    }
    frontend->port_bound = true;
    return NULL;
}

/* What else the backend can do: a stock one (Linux's xen-blkback) writes it when it connects. */
static const char *features_take(struct blk_frontend *frontend)
{
    uint64_t indirect_max, persistent, flush;

    if (!backend_number(frontend, "feature-max-indirect-segments", 0, &indirect_max) ||
        !backend_number(frontend, "feature-persistent", 0, &persistent) ||
        !backend_number(frontend, "feature-flush-cache", 0, &flush)) {
        return "the backend's features can't be read";
    }
    frontend->info.persistent = frontend->config.persistent && persistent != 0;
    frontend->info.flush = flush != 0;
    if (shape_choose(frontend, indirect_max) != 0) {
        return "the endpoint's quota of grants is too small for a request";
    }
    if (arrays_alloc(frontend) != 0 ||
        pages_alloc(frontend, frontend->pool_first + frontend->pool_free_count -
                                  frontend->info.ring_pages) != 0) {
        return "there is no memory for requests";
    }
    if (pages_share(frontend, frontend->info.ring_pages) != 0) {
        return "the pages of requests can't be granted";
    }
    return NULL;
}

/* ---- what we publish ---- */

/* The order is written for one page too: keys of an earlier connection may still be there. */
static int ring_write(struct blk_frontend *frontend, uint16_t transaction)
{
    struct blanket_guest_store *store = &frontend->store;
    uint32_t pages = frontend->info.ring_pages, order = 0;
    int rc = 0;

    while (1u << order < pages) {
        order++;
    }
    for (uint32_t i = 0; i < pages && rc == 0; i++) {
        char key[24] = "ring-ref";

        if (pages > 1) {
            snprintf(key, sizeof(key), "ring-ref%u", (unsigned)i);
        }
        rc = blanket_guest_store_write_grant(store, BLANKET_ROOT_FRONTEND, transaction, key,
                                             frontend->shared[i].grant);
    }
    /* A backend that finds an order looks for ring-ref0 also when that is 0 (Linux since 5.12). */
    if (rc == 0 && pages == 1) {
        rc = blanket_guest_store_write_grant(store, BLANKET_ROOT_FRONTEND, transaction, "ring-ref0",
                                             frontend->shared[0].grant);
    }
    if (rc == 0) {
        rc = blanket_guest_store_write_number(store, BLANKET_ROOT_FRONTEND, transaction,
                                              "ring-page-order", order);
    }
    if (rc == 0) {
        rc = blanket_guest_store_write_number(store, BLANKET_ROOT_FRONTEND, transaction,
                                              "num-ring-pages", pages);
    }
    return rc;
}

static int parameters_write(struct blk_frontend *frontend, uint16_t transaction)
{
    struct blanket_guest_store *store = &frontend->store;
    const char *abi = XEN_IO_PROTO_ABI_NATIVE;
    int rc = ring_write(frontend, transaction);

    if (rc == 0) {
        rc = blanket_guest_store_write_port(store, BLANKET_ROOT_FRONTEND, transaction,
                                            "event-channel", frontend->port);
    }
    if (rc == 0) {
        rc = blanket_guest_store_write(store, BLANKET_ROOT_FRONTEND, transaction, "protocol", abi,
                                       (uint32_t)strlen(abi));
    }
    if (rc == 0) {
        rc = blanket_guest_store_write_number(store, BLANKET_ROOT_FRONTEND, transaction,
                                              "feature-persistent", frontend->config.persistent);
    }
    if (rc == 0) {
        rc = blanket_guest_store_write_number(store, BLANKET_ROOT_FRONTEND, transaction,
                                              "feature-large-sector-size", 1);
    }
    if (rc == 0) {
        rc = blanket_guest_store_write_number(store, BLANKET_ROOT_FRONTEND, transaction, "state",
                                              XenbusStateInitialised);
    }
    return rc;
}

/* All in one transaction, so that the backend never sees half of it. */
static int publish(struct blk_frontend *frontend)
{
    int rc = BLANKET_GUEST_STORE_EAGAIN;

    for (uint32_t i = 0; i < TRANSACTION_TRIES && rc == BLANKET_GUEST_STORE_EAGAIN; i++) {
        uint16_t transaction;

        rc = blanket_guest_store_begin(&frontend->store, &transaction);
        if (rc != 0) {
            break;
        }
        rc = parameters_write(frontend, transaction);
        if (rc == 0) {
            rc = blanket_guest_store_commit(&frontend->store, transaction);
        } else {
            (void)blanket_guest_store_abort(&frontend->store, transaction);
        }
    }
    return rc;
}

int blk_frontend_state_write(struct blk_frontend *frontend, enum xenbus_state state)
{
    return blanket_guest_store_write_number(&frontend->store, BLANKET_ROOT_FRONTEND, 0, "state",
                                            state);
}

/* ---- what the disk is ---- */

static const char *disk_read(struct blk_frontend *frontend)
{
    struct blk_frontend_info *info = &frontend->info;
    uint64_t sectors, size, flags;

    if (!backend_number(frontend, "sectors", 0, &sectors) ||
        !backend_number(frontend, "sector-size", 512, &size) ||
        !backend_number(frontend, "info", 0, &flags)) {
        return "the backend's disk can't be read";
    }
    if (size < 512 || size > BLK_PAGE_SIZE || (size & (size - 1)) != 0) {
        return "the backend's sector size is none";
    }
    if (sectors == 0 || sectors > UINT64_MAX / size) {
        return "the backend's disk has an impossible size";
    }
    info->sectors = sectors;
    info->sector_size = (uint32_t)size;
    info->read_only = (flags & VDISK_READONLY) != 0;
    return NULL;
}

/* ---- the steps ---- */

static void start(struct blk_frontend *frontend)
{
    const char *error = ring_make(frontend);

    if (error == NULL && publish(frontend) != 0) {
        error = "the ring can't be published";
    }
    if (error != NULL) {
        blk_frontend_fail(frontend, error);
        return;
    }
    frontend->published = true;
}

static void connect(struct blk_frontend *frontend)
{
    const char *error = disk_read(frontend);

    if (error == NULL) {
        error = features_take(frontend);
    }
    if (error == NULL && blk_frontend_state_write(frontend, XenbusStateConnected) != 0) {
        error = "our state can't be written";
    }
    if (error != NULL) {
        blk_frontend_fail(frontend, error);
        return;
    }
    frontend->state = BLK_FRONTEND_CONNECTED;
}

/* The backend's state; what isn't there or isn't a number is Unknown. */
static void backend_state_read(struct blk_frontend *frontend)
{
    uint64_t state = 0;
    int rc;

    if (!frontend->store_connected || frontend->leaving || frontend->store_lost) {
        return;
    }
    rc = blanket_guest_store_read_number(&frontend->store, BLANKET_ROOT_BACKEND, 0, "state",
                                         &state);
    if (rc != 0 && blk_frontend_store_lost(frontend, rc)) {
        frontend->store_event = true;
        return;
    }
    state = rc == 0 ? state : (uint64_t)XenbusStateUnknown;
    frontend->backend_state = state <= XenbusStateReconfigured ? (uint32_t)state
                                                               : (uint32_t)XenbusStateUnknown;
}

/* Before we're connected. A backend that is still busy with the one before us (Connected, Closing) is
 * waited for. */
static void starting_step(struct blk_frontend *frontend)
{
    switch (frontend->backend_state) {
    case XenbusStateInitWait:
        if (!frontend->published) {
            start(frontend);
        }
        break;
    case XenbusStateInitialised:
        break;
    case XenbusStateConnected:
        if (frontend->published) {
            connect(frontend);
        }
        break;
    case XenbusStateClosed:
        /* It closed with the one before us, and waits for somebody who begins anew. */
        if (!frontend->published) {
            (void)blk_frontend_state_write(frontend, XenbusStateInitialising);
            break;
        }
        blk_frontend_fail(frontend, "the backend went away instead of connecting");
        break;
    case XenbusStateClosing:
        /* It waits for the Closed of the one before us, which it may never have seen: two writes can be one
         * event. */
        if (!frontend->published) {
            (void)blk_frontend_state_write(frontend, XenbusStateClosed);
            break;
        }
        blk_frontend_fail(frontend, "the backend closed instead of connecting");
        break;
    default:
        if (frontend->published) {
            blk_frontend_fail(frontend, "the backend went away instead of connecting");
        }
        break;
    }
}

int blk_frontend_step(struct blk_frontend *frontend)
{
    if (frontend->backend_changed) {
        frontend->backend_changed = false;
        backend_state_read(frontend);
    }
    if (frontend->state == BLK_FRONTEND_STARTING) {
        starting_step(frontend);
        return 1;
    }
    if (frontend->state == BLK_FRONTEND_CONNECTED &&
        frontend->backend_state != XenbusStateConnected) {
        blk_frontend_fail(frontend, "the backend closed the device");
    }
    return frontend->state == BLK_FRONTEND_CLOSING ? blk_frontend_closing_step(frontend) : 0;
}
