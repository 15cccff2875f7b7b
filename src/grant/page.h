/* SPDX-License-Identifier: MIT */
/* Room 3, grants: the pages that a call names. */
#ifndef BLANKET_GRANT_PAGE_H
#define BLANKET_GRANT_PAGE_H

#include "object.h"

/* Is a copy's element consistent beyond its items' own types: its two directions, and its span, within a
 * page at both ends? 0, -BLANKET_EINVAL. Pure. */
int blanket_grant_check(const uint64_t *items);

/*
 * Pin the page that `item` (FRAME or OWN_GRANT) names, for what the verb makes of it; its number at this
 * level goes to *below as a FRAME item. The element holds the pin until it is committed. No lock is
 * held: the element's slot is RESERVED and so nobody else's. Errors of the platform's pin;
 * -BLANKET_EINVAL if it gave a number that doesn't fit an item.
 */
static inline int blanket_grant_pin(const struct blanket_request *request,
                                    struct blanket_element *state, uint64_t item, uint64_t *below)
{
    const struct blanket_level *level = request->level;
    unsigned access = blanket_item_access(item);
    unsigned use = request->verb->flags & BLANKET_VERB_OVERLAY ? BLANKET_USE_OVERLAY : access;
    int rc = level->ops->pin(level->host, request->guest->host, item, use, &state->page);

    if (rc != 0) {
        return rc < 0 ? rc : -BLANKET_EINVAL;
    }
    state->use = (uint8_t)use;
    state->own = blanket_item_type(item) == BLANKET_ITEM_OWN_GRANT;
    if (state->page.frame > BLANKET_ITEM_VALUE_MASK) {
        return -BLANKET_EINVAL;
    }
    *below = blanket_item(BLANKET_ITEM_FRAME, access, state->page.frame);
    return 0;
}

/* What a GRANT_QUERY of a slot that is being taken down says without asking below: 1 if it is. */
static inline int blanket_grant_is_closing(const struct blanket_reach *reach, uint64_t item)
{
    const struct blanket_slot *slot;
    uint32_t place;

    slot = blanket_object_slot(reach, item, &place);
    return slot && slot->state == BLANKET_SLOT_CLOSING &&
           slot->generation == blanket_item_generation(item);
}

#endif
