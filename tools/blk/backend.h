/* SPDX-License-Identifier: MIT */
/*
 * A PV block backend: the other side of frontend.h, for whoever has a disk and an endpoint with a
 * backend's rights. How it maps the frontend's pages is the host's (blanket_root_map beside the
 * provider; map verbs or libxengnttab elsewhere), and so is the disk.
 *
 * Rules of use. One thread. Memory: allocated at create and when a frontend connects. The frontend is
 * not trusted: indexes, counts, sectors and references are checked; what is wrong in a request gets
 * that request BLKIF_RSP_ERROR, what is wrong with the ring ends the connection.
 */
#ifndef BLANKET_BLK_BACKEND_H
#define BLANKET_BLK_BACKEND_H

#include <blanket/guest.h>

#include <sys/uio.h>

struct blk_backend;

struct blk_disk_ops {
    /* A range within the disk, into or out of parts of memory (at most 256); all of it, or an error
     * (-BLANKET_EIO). flush may be NULL: there is none. */
    int (*read)(void *disk, uint64_t offset, const struct iovec *parts, int count);
    int (*write)(void *disk, uint64_t offset, const struct iovec *parts, int count);
    int (*flush)(void *disk);
};

struct blk_map_ops {
    /* The frontend's page, with BLANKET_ACCESS_*; until unmapped. unmap can't fail for good: what it
     * refuses is asked again. */
    int (*map)(void *context, uint32_t reference, unsigned access, void **address);
    int (*unmap)(void *context, void *address);
};

struct blk_backend_config {
    struct blanket_guest *guest;
    const struct blanket_wire_endpoint *endpoint; /* the backend's */
    const struct blk_map_ops *map;
    void *map_context;
    const struct blk_disk_ops *disk;
    void *disk_context;
    uint64_t sectors;
    uint32_t sector_size; /* 512, 1024, 2048 or 4096; above 512 only for frontends that can */
    bool read_only;
    uint32_t ring_order; /* at most: 0..4 */
    uint32_t indirect;   /* segments of an indirect request at most: 0 (none), 11..256 */
    uint32_t persistent; /* pages that stay mapped at most; 0: not offered */
    /* For the store: 0 when an event may have come, negative to give up. */
    int (*wait)(void *context);
    void *wait_context;
};

enum blk_backend_state {
    BLK_BACKEND_WAITING = 0, /* for a frontend */
    BLK_BACKEND_CONNECTED = 1,
    BLK_BACKEND_CLOSED = 2 /* a frontend was there and left, or was thrown out; it may come again */
};

struct blk_backend_stats {
    uint64_t requests, reads, writes, flushes;
    uint64_t bytes_read, bytes_written;
    uint64_t refused; /* requests that got an error for what was in them */
    uint64_t disk_errors;
    uint64_t broken_rings; /* connections that ended for a bad index */
    uint64_t doorbells;    /* events sent to the frontend */
    uint64_t maps, unmaps; /* of the frontend's pages */
    uint32_t mapped;       /* now */
};

/* Announce the disk in the store and wait for a frontend. -BLANKET_EINVAL, -BLANKET_ENOMEM, or what
 * the store gives (positive errors of it are -BLANKET_EPERM). */
int blk_backend_create(const struct blk_backend_config *config, struct blk_backend **backend);

/* Unmaps and frees all; closes the device first if a frontend is connected. */
void blk_backend_destroy(struct blk_backend *backend);

/* An event for a port of the endpoint, by index; others' are ignored. Only notes it: poll then. */
void blk_backend_event(struct blk_backend *backend, uint32_t port);

/* Serve what is there. 1: something was done. */
int blk_backend_poll(struct blk_backend *backend);

enum blk_backend_state blk_backend_state(const struct blk_backend *backend);
/* Why the last connection ended or wasn't made, for people; NULL: nothing was wrong. Static. */
const char *blk_backend_error(const struct blk_backend *backend);
void blk_backend_stats(const struct blk_backend *backend, struct blk_backend_stats *stats);

#endif
