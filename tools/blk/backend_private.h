/* SPDX-License-Identifier: MIT */
/* What the files of the backend share. */
#ifndef BLANKET_BLK_BACKEND_PRIVATE_H
#define BLANKET_BLK_BACKEND_PRIVATE_H

#include "backend.h"
#include "ring.h"

#define BLK_CACHE_NONE UINT32_MAX

/* A page that stays mapped. `used` is set by each use and cleared as the hand passes. */
struct blk_cached {
    void *address;
    uint32_t reference;
    uint32_t next; /* of its bucket, or of the free ones */
    bool live, used;
};

/* Pages of persistent grants, by reference. */
struct blk_cache {
    struct blk_cached *entries;
    uint32_t *buckets;
    uint32_t entry_count, bucket_count, first_free, hand;
};

/* One request, copied out of the ring and checked. */
struct blk_work {
    uint64_t id;
    uint64_t offset; /* bytes */
    uint32_t count;
    uint8_t operation; /* as the response names it */
    struct blkif_request_segment segments[BLK_INDIRECT_MAX];
    struct iovec parts[BLK_INDIRECT_MAX];
    void *mapped[BLK_INDIRECT_MAX]; /* to be unmapped afterwards; NULL: it stays */
};

struct blk_backend {
    struct blk_backend_config config;
    struct blanket_guest_device device;
    void *device_memory;
    struct blanket_guest_store store;
    struct blanket_guest_watch watch;
    enum blk_backend_state state;
    const char *error;
    struct blk_backend_stats stats;
    bool store_connected;
    bool store_event, ring_event, frontend_changed;
    bool doorbell;   /* one is owed */
    bool persistent; /* as agreed with this frontend */
    uint32_t unit;   /* bytes of a sector, for this frontend */
    struct blk_ring ring;
    uint32_t ring_pages; /* mapped */
    uint32_t port;
    bool port_bound;
    struct blk_cache cache;
    struct blk_work work;
};

/* backend_connect.c */
int blk_backend_announce(struct blk_backend *backend);
void blk_backend_step(struct blk_backend *backend);
/* Throw the frontend out: `error` is static. */
void blk_backend_fail(struct blk_backend *backend, const char *error);
void blk_backend_disconnect(struct blk_backend *backend);

/* backend_map.c */
int blk_backend_cache_init(struct blk_cache *cache, uint32_t count);
void blk_backend_cache_fini(struct blk_cache *cache);
/* All pages of the cache are unmapped. */
void blk_backend_cache_drop(struct blk_backend *backend);
/* Between requests: if the cache is full, let go of one page that wasn't used lately. */
void blk_backend_cache_room(struct blk_backend *backend);
/* The page of a reference. *keep: the cache has it until the request is done and longer; else
 * blk_backend_page_put it. */
int blk_backend_page_get(struct blk_backend *backend, uint32_t reference, unsigned access,
                         void **address, bool *keep);
void blk_backend_page_put(struct blk_backend *backend, void *address);

/* backend_io.c: serve the ring; at most so many requests. 1: there is more. */
int blk_backend_serve(struct blk_backend *backend, uint32_t budget);

#endif
