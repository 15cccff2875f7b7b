/* SPDX-License-Identifier: MIT */
/*
 * For who serves a below: slots that the level above names, by index and generation, so that a repeated or
 * late create or destroy does no harm (what blanket_below_ops.call asks for). A destroy leaves its generation
 * behind, whether there was something or not: a create that it has overtaken is refused. What stands in the
 * slot, and the lock, are the server's.
 */
#ifndef BLANKET_BELOW_SLOT_H
#define BLANKET_BELOW_SLOT_H

#include <blanket/errno.h>
#include <blanket/wire.h>

enum blanket_below_state {
    BLANKET_BELOW_FREE = 0,
    BLANKET_BELOW_LIVE = 1,
    BLANKET_BELOW_CLOSING = 2 /* ended, and not gone yet: a peer or somebody further below has it */
};

struct blanket_below_slot {
    uint32_t generation; /* of what is there now */
    uint32_t newest;     /* ever created or destroyed: only a newer one may come */
    uint8_t state;       /* enum blanket_below_state */
    uint8_t access;      /* BLANKET_ACCESS_* that it was made with; the server's own to use */
};

/* The item is of that type, with no access and zero bits. */
static inline int blanket_below_item_is(uint64_t item, unsigned type)
{
    return item == blanket_item(type, 0, blanket_item_value(item));
}

/* 0 and the index; -BLANKET_EINVAL for another item, -BLANKET_ENOENT outside a table of `count` slots. */
static inline int blanket_below_slot_index(uint64_t item, unsigned type, uint32_t count,
                                           uint32_t *index)
{
    if (!blanket_below_item_is(item, type) || blanket_item_generation(item) == 0) {
        return -BLANKET_EINVAL;
    }
    if (blanket_item_index(item) >= count) {
        return -BLANKET_ENOENT;
    }
    *index = blanket_item_index(item);
    return 0;
}

/* May the item be created? 0, or the element's result. With -BLANKET_ESTALE its value is the generation to
 * be exceeded. */
static inline uint64_t blanket_below_slot_create(const struct blanket_below_slot *slot,
                                                 uint64_t item)
{
    uint32_t generation = blanket_item_generation(item);

    if (slot->state != BLANKET_BELOW_FREE && generation >= slot->generation) {
        return blanket_result(
            slot->state == BLANKET_BELOW_CLOSING ? -BLANKET_EBUSY : -BLANKET_EEXIST, 0);
    }
    return generation > slot->newest ? 0 : blanket_result(-BLANKET_ESTALE, slot->newest);
}

/* It is there now. */
static inline void blanket_below_slot_fill(struct blanket_below_slot *slot, uint64_t item,
                                           unsigned access)
{
    slot->generation = blanket_item_generation(item);
    slot->newest = slot->generation;
    slot->state = BLANKET_BELOW_LIVE;
    slot->access = (uint8_t)access;
}

/* The very object that the item names is there, even if it is closing. */
static inline int blanket_below_slot_holds(const struct blanket_below_slot *slot, uint64_t item)
{
    return slot->state != BLANKET_BELOW_FREE && slot->generation == blanket_item_generation(item);
}

/* The item is to go: no create that isn't newer may come. 1 if it is there, and has to be taken down. */
static inline int blanket_below_slot_retire(struct blanket_below_slot *slot, uint64_t item)
{
    if (blanket_item_generation(item) > slot->newest) {
        slot->newest = blanket_item_generation(item);
    }
    return blanket_below_slot_holds(slot, item);
}

#endif
