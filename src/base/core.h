/* SPDX-License-Identifier: MIT */
/*
 * Room 1: the nouns that the rooms share: a level, its guests, their endpoints, and the request that
 * one call is. Data only; who may change what, and under which lock, is said at each field.
 */
#ifndef BLANKET_BASE_CORE_H
#define BLANKET_BASE_CORE_H

#include "slot.h"

#define BLANKET_DEPTH_MAX 8u           /* derivations above each other, the guest's own not counted */
#define BLANKET_ENDPOINTS_MAX 1024u    /* of one guest: what LOOKUP and EVENTS may have to look through */
#define BLANKET_SELF_SLOT 0u           /* the guest's own endpoint */
#define BLANKET_SELF_GENERATION 1u

/* Guest's lock, unless it says otherwise. */
struct blanket_endpoint {
    uint32_t state;      /* enum blanket_endpoint_state; atomic: revoking is this one store */
    uint32_t generation; /* atomic; kept when FREE */
    uint32_t inflight;   /* atomic: calls between pin and unpin */
    uint32_t events;     /* BLANKET_EVENT_* not taken yet */
    uint32_t rights;     /* constant while not FREE, as all that follows but `used`... */
    uint16_t parent;     /* atomic; in the guest's table; BLANKET_OWNER_NONE for its own */
    uint16_t child_count;
    uint8_t depth;
    uint8_t shared; /* minted into a scope that other guests may have too */
    uint8_t zero[2];
    uint32_t event_base;
    uint32_t grant_base; /* reference that the peer sees for index 0 of this endpoint */
    uint32_t used[BLANKET_TABLE_COUNT]; /* slots that aren't FREE */
    uint32_t closing;                   /* ...and of these, CLOSING */
    struct blanket_window windows[BLANKET_TABLE_COUNT];
    uint64_t below_endpoint;
    uint64_t store_endpoint;
    uint64_t scope;
    uint64_t label;
    struct blanket_below below;
    struct blanket_below store;
    char name[BLANKET_NAME_SIZE];
};

/* Where a pass of the worker stopped for want of budget, and what it had found by then. */
struct blanket_sweep_place {
    uint32_t endpoint; /* endpoints below this index are left; 0: the pass is complete */
    uint32_t kind;     /* of the last of these: enum blanket_table_kind; COUNT: its slots are done */
    uint32_t slot;     /* index in that table's window */
    uint8_t more;      /* another pass is worth while at once */
    uint8_t waits;     /* something waits for a peer, a call in flight or a level below */
    uint8_t zero[2];
};

/* A guest as its level has it; what a guest itself has is struct blanket_guest, of blanket/guest.h. */
struct blanket_level_guest {
    void *host;           /* the host's cookie; NULL-able: `attached` says if it is one */
    uint64_t label;
    uint32_t attached;    /* atomic: 0 when its tables are gone or not there yet */
    uint32_t holds;       /* atomic: others than itself that use it: events, administration */
    uint32_t endpoint_count;
    uint32_t vcpu_count;
    uint32_t work;        /* atomic: 1 when there may be something to sweep */
    uint32_t event_next;  /* guest's lock: where EVENTS looks first, for fairness */
    struct blanket_sweep_place sweep; /* worker's: where its pass over this guest goes on */
    struct blanket_endpoint *endpoints;
    struct blanket_table tables[BLANKET_TABLE_COUNT];
};

/* Where an element of a batch stands. */
enum blanket_element_state {
    BLANKET_ELEMENT_DONE = 0,   /* it has its result: refused, or nothing to do below */
    BLANKET_ELEMENT_BELOW = 1   /* its translated items go below */
};

/* The slot that an element creates or destroys, and its page. */
struct blanket_element {
    uint8_t state;          /* enum blanket_element_state */
    uint8_t owns;           /* 1: `place` is RESERVED by this call, 2: CLOSING, to be swept by it */
    uint8_t use;            /* BLANKET_USE_* of `page`; 0: none is pinned by this element */
    uint8_t reason;         /* enum blanket_reason, if it was refused here */
    uint8_t bound;          /* 1: a port that this element made live, its word then being... */
    uint8_t own;            /* 1: `page` was named by the caller's own grant */
    uint8_t zero[2];
    uint32_t word;          /* ...this */
    uint32_t place;         /* in the table */
    uint32_t previous;      /* generation before the reservation; of what is closing */
    uint32_t index_below;
    struct blanket_page page;
};
#define BLANKET_OWNS_NOTHING 0u
#define BLANKET_OWNS_RESERVED 1u
#define BLANKET_OWNS_CLOSING 2u

/* Memory of one call: a vCPU's, made with the level, because a hypervisor's stack is small. */
struct blanket_context {
    uint32_t busy; /* atomic */
    uint32_t zero;
    struct blanket_element elements[BLANKET_ELEMENT_COUNT_MAX];
    uint64_t results[BLANKET_ITEM_COUNT_MAX]; /* of the whole call */
    uint64_t results_below[BLANKET_ELEMENT_COUNT_MAX];
    uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
    uint8_t in[BLANKET_FRAME_SIZE_MAX] __attribute__((aligned(8)));  /* the caller's frame, once */
    uint8_t out[BLANKET_FRAME_SIZE_MAX] __attribute__((aligned(8))); /* ours to a below that nests */
};

/* Running counts; atomic, relaxed. */
struct blanket_counters {
    blanket_atomic64_t calls, calls_below, hook_allowed, hook_denied, refused, lost;
    blanket_atomic64_t events, events_coalesced, notifications;
    uint32_t used[BLANKET_TABLE_COUNT], used_peak[BLANKET_TABLE_COUNT];
    uint32_t endpoints, endpoints_peak, closing, zero;
};

struct blanket_level {
    const struct blanket_platform_ops *ops;
    void *host;
    struct blanket_limits limits;
    uint32_t epoch;        /* atomic: of the policy */
    uint32_t working;      /* atomic: one worker at a time */
    uint32_t work_guest;   /* worker's: where it goes on */
    uint32_t zero;
    blanket_atomic64_t bytes;
    struct blanket_level_guest *guests; /* limits.guests */
    struct blanket_context *contexts;   /* limits.vcpus, then the worker's */
    /* Event number -> (guest id << 32 | place in its ports) + 1; 0: nobody. */
    blanket_atomic64_t *routes;
    struct blanket_counters counters;
};

/* What a verb is: one row of the hall's table. */
struct blanket_verb_item {
    uint8_t type;   /* enum blanket_item_type */
    uint8_t access; /* mask of access bits that are allowed; BLANKET_VERB_ACCESS_ONE: at least one */
};
#define BLANKET_VERB_ITEMS_MAX 5u
#define BLANKET_VERB_ACCESS_ONE 4u

#define BLANKET_VERB_BATCH 1u   /* takes many elements */
#define BLANKET_VERB_PAYLOAD 2u /* may have a payload */
#define BLANKET_VERB_HERE 4u    /* served by the caller's own level */
#define BLANKET_VERB_STORE 8u   /* goes to what serves xenstore */
#define BLANKET_VERB_SPENT 16u  /* a create whose object is gone when it is done (copy) */
#define BLANKET_VERB_OVERLAY 32u /* its FRAME is overlaid by the peer's page */

struct blanket_verb_info {
    uint16_t verb;
    uint8_t flags;
    uint8_t item_count; /* of one element */
    uint8_t page;       /* which of its items is a page; 0: none (item 0 never is) */
    uint8_t other;      /* which is a slot that must be live, beside item 0; 0: none */
    struct blanket_verb_item items[BLANKET_VERB_ITEMS_MAX];
};

/* One call: filled from top to bottom by the stages of hypercall/dispatch.c. */
struct blanket_request {
    struct blanket_level *level;
    struct blanket_level_guest *guest;
    struct blanket_context *context;
    uint32_t guest_id;
    uint32_t vcpu;
    /* fetched and checked */
    uint64_t handle;
    uint64_t claim;
    const struct blanket_verb_info *verb;
    const uint64_t *items;   /* all, in private memory */
    const uint8_t *payload;
    uint16_t item_count;
    uint16_t payload_size;
    uint16_t element_count;  /* of the whole call */
    uint16_t element_first;  /* where this call begins */
    uint16_t reply_max;
    /* resolved */
    struct blanket_endpoint *endpoint; /* pinned */
    uint32_t endpoint_index;
    /* the batch under way: elements[0..batch_count) are the call's element_first + done... */
    uint16_t batch_first;
    uint16_t batch_count;
    uint32_t batch_refused; /* of these, elements that don't go below */
    int32_t used_change;    /* what its elements changed so far, for the level's counters: once a stage */
    int32_t closing_change;
    /* reply */
    uint16_t done;
    uint16_t reply_size;
    int32_t status;
    uint32_t detail;
    uint8_t reason; /* enum blanket_reason, for the trace */
    uint8_t zero[7];
};

/* Lock number of the level's administration; a guest's is its id. */
static inline uint32_t blanket_lock_administration(const struct blanket_level *level)
{
    return level->limits.guests;
}

static inline const uint64_t *blanket_element_items(const struct blanket_request *request,
                                                    uint32_t element)
{
    return request->items +
           ((uint32_t)request->batch_first + element) * (uint32_t)request->verb->item_count;
}

/* Refuse one element of the batch: its result, and nothing below. */
static inline void blanket_element_refuse(struct blanket_request *request, uint32_t element,
                                          int status, uint32_t value)
{
    request->context->elements[element].state = BLANKET_ELEMENT_DONE;
    request->context->results[request->batch_first + element] = blanket_result(status, value);
}

/* Is it one of enum blanket_errno but EIO, negated? */
int blanket_errno_is_refusal(int status);

/* A status that a host or a below may give: 0 or a refusal. What isn't one is no answer: lost. */
static inline int blanket_errno_is_answer(int status)
{
    return status == 0 || blanket_errno_is_refusal(status);
}

static inline void blanket_count(blanket_atomic64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* An event on a port of a guest: pending, and the guest's vCPU is told unless it knows, the port is
 * masked, or nothing is bound to it yet. Any context, no lock. */
void blanket_port_raise(struct blanket_level *level, struct blanket_level_guest *guest,
                        uint32_t place);

/* Tell the guest's vCPU if the port's `word` allows it. */
void blanket_port_notify(struct blanket_level *level, struct blanket_level_guest *guest,
                         uint32_t place, uint32_t word);

/* The level's live count of a kind of slot went up or down: by as much as a batch changed it. */
void blanket_count_used(struct blanket_level *level, enum blanket_table_kind kind, int change);

/* The same for endpoints. */
void blanket_count_endpoints(struct blanket_level *level, int change);

#endif
