/* SPDX-License-Identifier: MIT */
/*
 * Room 1: one element's object in a batch, from the caller's name for it to the below's, with what it
 * is charged. The same for grants, mappings and ports. The guest's lock is held in all of these.
 */
#ifndef BLANKET_BASE_OBJECT_H
#define BLANKET_BASE_OBJECT_H

#include "core.h"

enum blanket_outcome {
    BLANKET_OUTCOME_OK = 0,
    BLANKET_OUTCOME_REFUSED = 1, /* nothing was performed below */
    BLANKET_OUTCOME_UNKNOWN = 2  /* lost */
};

/* An endpoint's slots of one kind: looked up once, then kept in registers while a batch is gone through.
 * Constant while the endpoint is pinned. */
struct blanket_reach {
    struct blanket_table table;
    struct blanket_window window;
    uint32_t owner;
    enum blanket_table_kind kind;
};

static inline struct blanket_reach blanket_object_reach(const struct blanket_request *request,
                                                        enum blanket_table_kind kind)
{
    const struct blanket_reach reach = {request->guest->tables[kind],
                                        request->endpoint->windows[kind], request->endpoint_index,
                                        kind};

    return reach;
}

/* The slot that `item` names by its index, whatever it holds, and *place; NULL if it isn't one of the
 * endpoint's own. The lock isn't needed for this one. */
static inline struct blanket_slot *blanket_object_slot(const struct blanket_reach *reach,
                                                       uint64_t item, uint32_t *place)
{
    return blanket_slot_at(&reach->table, &reach->window, reach->owner, blanket_item_index(item),
                           place);
}

/*
 * The slot that `item` names: LIVE, of that generation. 0 and *place; -BLANKET_ENOENT.
 */
static inline int blanket_object_find(const struct blanket_reach *reach, uint64_t item,
                                      uint32_t *place)
{
    const struct blanket_slot *slot = blanket_object_slot(reach, item, place);

    return slot ? blanket_slot_live(slot, blanket_item_generation(item)) : -BLANKET_ENOENT;
}

/* The item that names slot `place` at the below. */
static inline uint64_t blanket_object_below(const struct blanket_reach *reach, uint64_t item,
                                            uint32_t place)
{
    const struct blanket_slot *slot = &reach->table.slots[place];

    return blanket_item_slot(blanket_item_type(item),
                             reach->window.below_first + place - reach->window.first,
                             __atomic_load_n(&slot->below_generation, __ATOMIC_RELAXED));
}

/* What a create that was refused with `status` has as its result's value: -BLANKET_ENOSPC (the slot isn't
 * the endpoint's) the quota, -BLANKET_ESTALE the generation that must be exceeded. */
uint32_t blanket_object_refusal(const struct blanket_reach *reach, uint64_t item, int status);

/* Reserve what `item` names for an element. 0, or an error. Charged by blanket_object_settle. */
static inline int blanket_object_reserve(struct blanket_request *request,
                                         const struct blanket_reach *reach,
                                         struct blanket_element *state, uint64_t item)
{
    int rc;

    if (!blanket_object_slot(reach, item, &state->place)) {
        return -BLANKET_ENOSPC;
    }
    rc = blanket_slot_reserve(&reach->table, state->place, blanket_item_generation(item),
                              &state->previous);
    if (rc == 0) {
        state->owns = BLANKET_OWNS_RESERVED;
        request->used_change++;
    }
    return rc;
}

/* LIVE -> CLOSING, charged as such by blanket_object_settle; the rest is the worker's. */
static inline void blanket_object_abandon(struct blanket_request *request,
                                          struct blanket_slot *slot)
{
    slot->state = BLANKET_SLOT_CLOSING;
    if (slot->role != BLANKET_ROLE_NONE) {
        __atomic_store_n(&slot->u.send, 0, __ATOMIC_RELAXED);
        __atomic_fetch_and(&slot->word, ~BLANKET_WORD_BOUND, __ATOMIC_SEQ_CST);
    }
    request->closing_change++;
}

/* Begin to close it. 1: go on below; 0: it isn't there, done; -BLANKET_EBUSY, -BLANKET_ENOENT. */
static inline int blanket_object_close(struct blanket_request *request,
                                       const struct blanket_reach *reach,
                                       struct blanket_element *state, uint64_t item)
{
    struct blanket_slot *slot = blanket_object_slot(reach, item, &state->place);
    int was_live, rc;

    if (!slot) {
        return -BLANKET_ENOENT;
    }
    was_live = slot->state == BLANKET_SLOT_LIVE;
    rc = blanket_slot_close(slot, blanket_item_generation(item));
    if (rc != 1) {
        return rc;
    }
    if (was_live) {
        blanket_object_abandon(request, slot);
    }
    state->owns = BLANKET_OWNS_CLOSING;
    state->previous = slot->generation; /* of what this element saw closing */
    return 1;
}

/* To FREE, from CLOSING or, when it has come and gone, RESERVED. Its page is unpinned. */
static inline void blanket_object_release(struct blanket_request *request,
                                          const struct blanket_reach *reach, uint32_t place)
{
    const struct blanket_level *level = request->level;
    struct blanket_slot *slot = &reach->table.slots[place];

    if (slot->use != 0) {
        level->ops->unpin(level->host, request->guest->host, &slot->u.page, slot->use);
    }
    request->closing_change -= slot->state == BLANKET_SLOT_CLOSING;
    request->used_change--;
    blanket_slot_free(&reach->table, place);
}

/* What was created below is there. */
static inline void blanket_object_fill(const struct blanket_reach *reach,
                                       const struct blanket_element *state)
{
    struct blanket_slot *slot = &reach->table.slots[state->place];

    slot->use = state->use;
    slot->own = state->own;
    if (state->use != 0) {
        slot->u.page = state->page;
    }
    slot->state = BLANKET_SLOT_LIVE;
}

/* What was closing is gone below: but not if the worker was faster, and somebody has used the slot since. */
static inline void blanket_object_gone(struct blanket_request *request,
                                       const struct blanket_reach *reach,
                                       const struct blanket_element *state)
{
    const struct blanket_slot *slot = &reach->table.slots[state->place];

    if (slot->state == BLANKET_SLOT_CLOSING && slot->generation == state->previous) {
        blanket_object_release(request, reach, state->place);
    }
}

/*
 * The element's slot gets what became of it. Created: LIVE, FREE or CLOSING (unknown, or the endpoint
 * is no longer live, or undone). Destroyed: FREE or still CLOSING. Pages that are let go are unpinned.
 * `live` 0: the endpoint or an ancestor isn't live. Returns the state that the slot is in now.
 */
enum blanket_slot_state blanket_object_commit(struct blanket_request *request,
                                              const struct blanket_reach *reach,
                                              const struct blanket_element *state,
                                              enum blanket_outcome outcome, int live);

/* At the end of each stage, before the lock is given back: what the elements have changed is charged to
 * the endpoint and goes to the level's counters, once for all of them. */
void blanket_object_settle(struct blanket_request *request, enum blanket_table_kind kind);

#endif
