/* SPDX-License-Identifier: MIT */
/* What the files of the frontend share. */
#ifndef BLANKET_BLK_FRONTEND_PRIVATE_H
#define BLANKET_BLK_FRONTEND_PRIVATE_H

#include "frontend.h"
#include "ring.h"

#define BLK_GRANT_NONE UINT32_MAX

/* A page of the driver's own that is shared as long as the connection lasts. */
struct blk_shared {
    struct blk_page page;
    uint32_t grant; /* BLK_GRANT_NONE: not shared (any more) */
};

enum blk_slot_phase {
    BLK_SLOT_FREE = 0,
    BLK_SLOT_FLYING = 1, /* on the ring */
    BLK_SLOT_ENDING = 2  /* its grants are being taken back; then it is done, or queued again */
};

/* A request in flight. Its segments are places segments * slot.. of grants and pool_of. */
struct blk_slot {
    struct blk_request *request;
    uint64_t id; /* slot, and a sequence number above it: a response that is repeated doesn't fit */
    int status;  /* ENDING: what it will be told; BLK_AGAIN: nothing, it is queued again */
    uint32_t count;
    uint32_t phase;
};
#define BLK_AGAIN 1
#define BLK_TRIES_MAX 16u /* of a request whose pages can't be granted */

struct blk_frontend {
    struct blk_frontend_config config;
    struct blanket_guest_device device;
    void *device_memory;
    struct blanket_guest_store store;
    struct blanket_guest_watch watch;
    enum blk_frontend_state state;
    const char *error;
    struct blk_frontend_info info;
    struct blk_frontend_stats stats;
    bool store_connected;
    bool store_lost; /* by a broker that went: connect anew, the device is as it was */
    bool store_event, backend_changed, doorbell;
    bool leaving; /* the store: it isn't asked any more, and may not have answered that yet */
    enum xenbus_state told; /* Closing or Closed: our state in the store, at the end */
    uint32_t tell_failures;
    uint32_t backend_state;
    bool published; /* our state in the store is Initialised */

    struct blk_ring ring;
    struct blk_shared *shared; /* ring, then one indirect page a slot if there are, then the pool */
    uint32_t shared_count, pool_first;
    uint32_t port;
    bool port_bound;

    struct blk_slot *slots;
    uint32_t *grants;  /* not persistent: of each segment of each slot */
    uint32_t *pool_of; /* persistent: its page in the pool */
    uint32_t *pool_free;
    uint32_t pool_free_count;
    uint32_t flying, ending; /* slots */
    uint32_t sequence;
    bool indirect;
    struct blk_request *queue, **queue_end;

    struct blanket_guest_access access[BLK_INDIRECT_MAX];
    struct blanket_guest_end ends[BLK_INDIRECT_MAX];
    uint32_t *end_of[BLK_INDIRECT_MAX]; /* where ends[i] came from */
    uint32_t end_count;
};

/* The item that names a page, with what the backend may do with it. */
uint64_t blk_frontend_page_item(const struct blk_frontend *frontend, unsigned access,
                                uint64_t frame);

/* A call to the store said that its connection is lost. False: it said something else. */
bool blk_frontend_store_lost(struct blk_frontend *frontend, int status);

/* frontend_connect.c: what the backend's state asks for. 1: something was done. */
int blk_frontend_step(struct blk_frontend *frontend);
/* Begin to close because of an error; `error` is static. Requests get -BLANKET_ENOTCONN. */
void blk_frontend_fail(struct blk_frontend *frontend, const char *error);
int blk_frontend_state_write(struct blk_frontend *frontend, enum xenbus_state state);

/* frontend_close.c: the way back. 1: something was done. */
int blk_frontend_closing_step(struct blk_frontend *frontend);
/* Take down what can be. 1: all is gone. */
int blk_frontend_teardown(struct blk_frontend *frontend);

/* frontend_io.c */
int blk_frontend_responses(struct blk_frontend *frontend);
/* Requests are flying: have the backend send an event when enough responses are there. 1: some are. */
int blk_frontend_arm(struct blk_frontend *frontend);
int blk_frontend_send(struct blk_frontend *frontend);
/* Take back the grants of slots that are ending, and finish those that have none left. */
int blk_frontend_ends(struct blk_frontend *frontend);
/* All that is queued or flying is done, or ends, with `status`. */
void blk_frontend_requests_fail(struct blk_frontend *frontend, int status);
/* Take one grant back, batched; blk_frontend_end_flush sends what is left. */
void blk_frontend_end_add(struct blk_frontend *frontend, uint32_t *grant);
void blk_frontend_end_flush(struct blk_frontend *frontend);

#endif
