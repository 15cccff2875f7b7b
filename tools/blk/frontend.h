/* SPDX-License-Identifier: MIT */
/*
 * A PV block frontend on the guest library: Xen's blkif, with the xenbus handshake, rings of several
 * pages, persistent grants and grants for each request, indirect segments, flush. It knows nothing of
 * where it runs: the host gives it pages, a way to wait, and its events.
 *
 * Rules of use. One thread; `done` callbacks come from blk_frontend_poll only and may submit. Memory:
 * allocated at create and when it connects. Errors: 0 or -BLANKET_E*. The backend is not trusted: what
 * it says in ring and store is checked, and a lie ends the connection; but data that it was given to
 * write are what it wrote.
 */
#ifndef BLANKET_BLK_FRONTEND_H
#define BLANKET_BLK_FRONTEND_H

#include <blanket/guest.h>

struct blk_frontend;

/* One page of the guest's: where the driver sees it, and what the guest calls it: a frame number, or
 * with own_grants the guest's own grant reference. */
struct blk_page {
    void *address;
    uint64_t frame;
};

struct blk_frontend_config {
    struct blanket_guest *guest;
    const char *name; /* of the endpoint: "vbd/51712" */
    /* NULL: it is looked up by that name; else this is it (a caller beside the provider) */
    const struct blanket_wire_endpoint *endpoint;
    /* Zeroed pages of the guest for ring and pool; 0 or an error. At connect and close only. */
    int (*page_alloc)(void *context, struct blk_page *page);
    void (*page_free)(void *context, const struct blk_page *page);
    /* For the store: 0 when an event may have come, negative to give up. */
    int (*wait)(void *context);
    /* How many more responses have to come before the caller has something to do: an event for the first of
     * them would only cost. NULL, and while requests wait for the ring: one. */
    uint32_t (*wanted)(void *context);
    void *context;
    uint32_t ring_order; /* pages of the ring, as a power of two, if the backend can: 0..4 */
    uint32_t segments;   /* pages of a request, if the backend can: 1..256, above 11 indirect */
    uint32_t depth;      /* requests in flight at most; 0: as many as the ring takes */
    bool persistent;     /* grant pages of the driver's own once, and copy, if the backend can */
    bool own_grants;     /* pages are named by the guest's own grants (user space of a PV domain) */
};

enum blk_frontend_state {
    BLK_FRONTEND_STARTING = 0,
    BLK_FRONTEND_CONNECTED = 1,
    BLK_FRONTEND_CLOSING = 2,
    BLK_FRONTEND_CLOSED = 3 /* by blk_frontend_close, or since something failed: _error says what */
};

enum blk_operation {
    BLK_READ = 0,
    BLK_WRITE = 1,
    BLK_FLUSH = 3
};

/* Part of a page: sectors first..last of it, in the disk's sector size. */
struct blk_segment {
    struct blk_page page;
    uint16_t first, last;
};

/* The caller's until `done`, with its segments and their pages. */
struct blk_request {
    enum blk_operation operation;
    uint32_t segment_count; /* 0 for a flush */
    uint64_t sector;
    const struct blk_segment *segments;
    void (*done)(struct blk_request *request, int status); /* 0, EIO, EOPNOTSUPP, ENOTCONN */
    void *context;
    struct blk_request *next; /* private, from here on */
    uint32_t tries;
};

struct blk_frontend_info {
    uint64_t sectors;
    uint32_t sector_size;
    uint32_t ring_pages;
    uint32_t segments; /* of a request at most */
    uint32_t depth;    /* requests in flight at most */
    bool persistent, flush, read_only;
};

struct blk_frontend_stats {
    uint64_t requests, segments;
    uint64_t doorbells;     /* events sent to the backend */
    uint64_t grants, ends;  /* pages granted and taken back */
    uint64_t bad_responses; /* each of which ended the connection */
};

/*
 * Find the endpoint and begin the handshake. The guest must stay until destroy.
 * -BLANKET_EINVAL, -BLANKET_ENOMEM, what the lookup gives.
 */
int blk_frontend_create(const struct blk_frontend_config *config, struct blk_frontend **frontend);

/* Frees it. Before it is CLOSED this leaves grants behind, whose pages aren't given back. */
void blk_frontend_destroy(struct blk_frontend *frontend);

/* An upcall for a port (the number that it names); others' are ignored. Only notes it: poll then. */
void blk_frontend_event(struct blk_frontend *frontend, uint32_t port);

/* As if each event had come, the watch's too: for a host whose events may be lost, now and then. Poll then. */
void blk_frontend_look(struct blk_frontend *frontend);

/* Do what can be done now: handshake, requests that wait, responses. 1: something was done. */
int blk_frontend_poll(struct blk_frontend *frontend);

enum blk_frontend_state blk_frontend_state(const struct blk_frontend *frontend);
/* Why it closed, for people; NULL: it wasn't for an error. Static. */
const char *blk_frontend_error(const struct blk_frontend *frontend);
void blk_frontend_info(const struct blk_frontend *frontend, struct blk_frontend_info *info);
void blk_frontend_stats(const struct blk_frontend *frontend, struct blk_frontend_stats *stats);
/* The same, added to what is in stats. */
void blk_frontend_stats_add(const struct blk_frontend *frontend, struct blk_frontend_stats *stats);
/* What it waits for while it is STARTING or CLOSING, for people. Static: XenbusState* as a word. */
const char *blk_frontend_backend(const struct blk_frontend *frontend);
/* Pages of its own that the backend may still use. */
uint32_t blk_frontend_pages(const struct blk_frontend *frontend);

/*
 * Queue a request; poll sends it. -BLANKET_ENOTCONN: not connected. -BLANKET_EINVAL: beyond the disk,
 * a segment beyond its page, too many of them. -BLANKET_EOPNOTSUPP: the backend has no such operation,
 * or takes no writes.
 */
int blk_frontend_submit(struct blk_frontend *frontend, struct blk_request *request);

/* Begin to close: after what is in flight. Poll until CLOSED. */
void blk_frontend_close(struct blk_frontend *frontend);

#endif
