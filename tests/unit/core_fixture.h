/* SPDX-License-Identifier: MIT */
/*
 * A host and a below for the core under test. The host counts and checks (locks, pins, memory, kicks),
 * the below keeps objects by the contract of blanket/below.h and lies where a test tells it to.
 * core_check recounts what the core keeps; core_fini takes everything down and finds what is left.
 */
#ifndef BLANKET_TEST_CORE_FIXTURE_H
#define BLANKET_TEST_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/endpoint.h>
#include <blanket/guest.h> /* a file may know both sides: their structs have different names */
#include <blanket/level.h>

#include "core.h"
#include "resolve.h"

#define CORE_FRAMES 64u
#define CORE_GUESTS 3u
#define CORE_EVENTS 256u
#define CORE_BELOW_ENDPOINTS 4u
#define CORE_BELOW_SLOTS 128u
#define CORE_MEMORY 16384u
#define CORE_NEVER UINT32_MAX

#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

struct core;

/* The host's cookie of a guest. */
struct core_guest {
    struct core *core;
    uint32_t id;
    uint32_t gone;
    uint8_t memory[CORE_MEMORY]; /* what a frame's address is an offset in */
};

struct core_object {
    uint32_t newest; /* generation */
    uint8_t live;
};

/* What serves endpoints 0..CORE_BELOW_ENDPOINTS-1. */
struct core_below {
    struct core *core;
    struct core_object objects[CORE_BELOW_ENDPOINTS][BLANKET_TABLE_COUNT][CORE_BELOW_SLOTS];
    uint32_t calls, sends;
    /* How it lies; all zero: by the contract. */
    int status;         /* if not 0: of every call, nothing performed */
    int answer;         /* if not 0: of every call that was performed all the same */
    uint32_t element;   /* element_status is of this element... */
    int element_status; /* ...if it isn't 0; nothing performed for it */
    uint32_t element_value;
    uint32_t done;         /* if not 0: the call stops there */
    uint32_t done_claimed; /* if not 0: what it says, whatever was done; CORE_NEVER: 0 */
    uint32_t busy;         /* destroys: -BLANKET_EBUSY */
    uint32_t detail;
    int send_status;
    uint32_t value; /* of each success */
    uint16_t reply_size;
    uint8_t reply_byte;
    /* Before it answers: the caller is in here, without locks. */
    void (*inside)(struct core_below *below, struct blanket_call *call);
    uint32_t last_count; /* elements of the last call */
    uint16_t last_verb;
    uint64_t last_items[BLANKET_ITEM_COUNT_MAX];
    uint64_t last_endpoint;
    uint64_t last_claim;
    uint64_t last_sent;
};

struct core {
    struct blanket_level *level;
    struct blanket_platform_ops ops;
    struct blanket_below under; /* what endpoints stand on: `below` */
    struct core_below below;
    struct core_guest guests[CORE_GUESTS];
    struct core_guest *by_id[CORE_GUESTS];
    uint32_t scripted_slots; /* a below that isn't `below`: its objects aren't looked at */
    /* the host */
    uint32_t allocations, alloc_fails_at, allocated; /* the n-th from now, 1..; 0: none */
    size_t bytes;
    uint32_t copies_from, from_fails_at;
    uint32_t copies_to, to_fails_at;
    uint32_t pins, unpins, pinned[CORE_FRAMES];
    int pin_status;
    uint64_t pin_frame; /* if not 0: given instead */
    uint8_t locked[CORE_GUESTS + 1];
    uint32_t lock_depth;
    int hook_status;
    uint32_t hooks;
    struct blanket_query query;
    uint64_t query_items[BLANKET_ITEM_COUNT_MAX];
    void (*hooked)(struct core *core);
    uint32_t traces;
    struct blanket_trace trace;
    uint32_t notified, notified_vcpu, notified_port;
    uint32_t kicks_soon, kicks_later;
    void (*kicked)(struct core *core);
    uint32_t endpoint_events;
    uint64_t event_endpoint;
    uint32_t event_bits;
    uint32_t preempt_at; /* the n-th question from now, 1..; 0: never */
    int (*nested)(struct core *core, uint32_t vcpu, void *frame, uint32_t size);
    int (*nested_send)(struct core *core, uint64_t endpoint, uint64_t port);
    /* of the last core_call */
    struct blanket_wire_header reply;
    uint64_t results[BLANKET_ITEM_COUNT_MAX]; /* one of each element */
    uint8_t reply_payload[BLANKET_PAYLOAD_SIZE_MAX];
};

/* A level with 2 vCPUs, room for 3 guests and CORE_EVENTS events. */
void core_init(struct core *core);
void core_init_limits(struct core *core, const struct blanket_limits *limits);

/* Detach all, work until nothing is left, destroy; nothing may be left of anything. */
void core_fini(struct core *core);

/* Counters equal a recount, no lock is held, nothing is in flight or RESERVED, pins fit the slots. */
void core_check(struct core *core);

/* Attach guest n (0..): 8 endpoints, 64 slots of each kind, 2 vCPUs; returns its id. */
uint32_t core_attach(struct core *core, uint32_t n);
uint32_t core_attach_limits(struct core *core, uint32_t n,
                            const struct blanket_guest_limits *limits);

/* All rights, 16 of each kind from 0 on, on endpoint `below` of the below, events from 64 * below on. */
struct blanket_mint core_mint_spec(struct core *core, uint32_t guest, uint32_t below,
                                   const char *name);
uint64_t core_mint(struct core *core, uint32_t guest, uint32_t below, const char *name);

/* A frame at address 0, and the call. `first`: header's `done`. The reply goes to core->reply and on. */
int core_call_from(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
                   const uint64_t *items, uint32_t count, uint32_t first);
int core_call(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
              const uint64_t *items, uint32_t count);
int core_call_payload(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
                      const uint64_t *items, uint32_t count, const void *payload,
                      uint32_t payload_size);

/* Status of element 0, or of the call if that isn't 0. */
int core_one(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
             const uint64_t *items, uint32_t count);
int core_status(const struct core *core, uint32_t element);
uint32_t core_value(const struct core *core, uint32_t element);

/* One element each. */
int core_access(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
                uint32_t generation, uint32_t frame);
int core_end(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
             uint32_t generation);
int core_alloc(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
               uint32_t generation);
int core_close(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
               uint32_t generation);
int core_port(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint, uint32_t index,
              uint32_t generation);
int core_derive(struct core *core, uint32_t guest, uint64_t endpoint, uint64_t child,
                const uint32_t counts[3], const char *name);
int core_revoke(struct core *core, uint32_t guest, uint64_t endpoint, uint64_t child);

static inline uint64_t grant_item(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);
}

static inline uint64_t mapping_item(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_MAPPING, index, generation);
}

static inline uint64_t port_item(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
}

static inline uint64_t frame_item(uint32_t frame, unsigned access)
{
    return blanket_item(BLANKET_ITEM_FRAME, access, frame);
}

static inline uint64_t core_self(void)
{
    return blanket_handle(BLANKET_SELF_SLOT, BLANKET_SELF_GENERATION);
}

/* Work of budget `budget` until it says 0 or 2, at most 10000 times; returns that. */
int core_work(struct core *core, uint32_t budget);

struct blanket_slot *core_slot(struct core *core, uint32_t guest, enum blanket_table_kind kind,
                               uint64_t endpoint, uint32_t index);
struct blanket_endpoint *core_endpoint(struct core *core, uint32_t guest, uint64_t handle);

#endif
