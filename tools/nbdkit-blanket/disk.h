/* SPDX-License-Identifier: MIT */
/*
 * A disk behind the PV block frontend, for programs with threads that block: any number of them ask it for
 * transfers. Who asks drives the frontend himself, and one of those that wait watches for the events of all:
 * a transfer changes no thread. A thread of the disk's own connects, closes, and watches while nobody asks.
 *
 * When the connection ends (the device was detached, its endpoint revoked, the backend lied) all that is
 * asked fails with EIO until the thread has connected anew, which it tries once a second; a disk of
 * another size or sector size isn't taken then.
 */
#ifndef BLANKET_NBDKIT_DISK_H
#define BLANKET_NBDKIT_DISK_H

#include <frontend.h>

struct disk;

/* Where the endpoint and its pages are. One thread at a time calls it, but a descriptor may be waited for
 * meanwhile. */
struct disk_host {
    /* The endpoint, with nothing left in it of anybody before us. 0 or -BLANKET_E*. */
    int (*open)(void *context, struct blanket_guest **guest,
                struct blanket_wire_endpoint *endpoint);
    /* What open got, and all pages. */
    void (*close)(void *context);
    int (*page_alloc)(void *context, struct blk_page *page);
    void (*page_free)(void *context, const struct blk_page *page);
    /* Readable when take may have something: 1 and the guest's port, or 0. */
    int (*fd)(void *context);
    int (*take)(void *context, uint32_t *port);
    /* What an error of open means, for people. Static. */
    const char *(*explain)(int status);
    void *context;
    bool own_grants; /* pages are named by own grants */
};

struct disk_config {
    const struct disk_host *host;
    uint32_t ring_order, segments, depth; /* as struct blk_frontend_config */
    uint32_t pages;   /* at most, for data in flight when grants aren't persistent */
    uint32_t seconds; /* to wait for the first connection */
    bool persistent;
    void (*log)(const char *line); /* from any thread */
};

#define DISK_FAULT_SIZE 160u

/* Connect. Not 0: `fault` says for people why (DISK_FAULT_SIZE bytes). */
int disk_start(const struct disk_config *config, struct disk **disk, char *fault);

/* Close, after what is in flight. Nobody else may be in a call, then or later. */
void disk_close(struct disk *disk);
/* After disk_close. */
void disk_free(struct disk *disk);

/* Of the first connection, and not changed by later ones. */
void disk_info(struct disk *disk, struct blk_frontend_info *info);
/* Of connections that ended. */
void disk_stats(struct disk *disk, struct blk_frontend_stats *stats);

/* Blocks. Offset and size are bytes, of whole sectors. 0, or an error of errno.h. */
int disk_transfer(struct disk *disk, enum blk_operation operation, void *buffer, uint32_t size,
                  uint64_t offset);
/* Everything that was written before is on the backend's disk. EOPNOTSUPP: it has no cache to flush. */
int disk_flush(struct disk *disk);

#endif
