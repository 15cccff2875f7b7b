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

/* The slot that `item` names by its index, whatever it holds, and *place; NULL if it isn't one of the
 * endpoint's own. The lock isn't needed for this one. */
struct blanket_slot *blanket_object_slot(const struct blanket_request *request,
                                         enum blanket_table_kind kind, uint64_t item,
                                         uint32_t *place);

/*
 * The slot that `item` names: LIVE, of that generation. 0 and *place; -BLANKET_ENOENT.
 */
int blanket_object_find(const struct blanket_request *request, enum blanket_table_kind kind,
                        uint64_t item, uint32_t *place);

/* The item that names slot `place` at the below. */
uint64_t blanket_object_below(const struct blanket_request *request, enum blanket_table_kind kind,
                              uint64_t item, uint32_t place);

/*
 * Reserve what `item` names for element `element`. 0, or an error with the result's value in *value:
 * -BLANKET_ENOSPC the quota, -BLANKET_ESTALE the generation that must be exceeded.
 */
int blanket_object_reserve(struct blanket_request *request, uint32_t element,
                           enum blanket_table_kind kind, uint64_t item, uint32_t *value);

/* Begin to close it. 1: go on below; 0: it isn't there, done; -BLANKET_EBUSY, -BLANKET_ENOENT. */
int blanket_object_close(struct blanket_request *request, uint32_t element,
                         enum blanket_table_kind kind, uint64_t item);

/*
 * The element's slot gets what became of it. Created: LIVE, FREE or CLOSING (unknown, or the endpoint
 * is no longer live, or undone). Destroyed: FREE or still CLOSING. Pages that are let go are unpinned.
 * `live` 0: the endpoint or an ancestor isn't live. Returns the state that the slot is in now.
 */
enum blanket_slot_state blanket_object_commit(struct blanket_request *request, uint32_t element,
                                              enum blanket_outcome outcome, int live);

/* LIVE -> CLOSING, charged as such; the rest is the worker's. */
void blanket_object_abandon(struct blanket_level *level, struct blanket_endpoint *endpoint,
                            struct blanket_slot *slot);

/* CLOSING -> FREE: uncharged, its page unpinned. */
void blanket_object_release(struct blanket_level *level, struct blanket_guest *guest,
                            struct blanket_endpoint *endpoint, enum blanket_table_kind kind,
                            uint32_t place);

#endif
