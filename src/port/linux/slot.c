/* SPDX-License-Identifier: MIT */
/*
 * Slots that the level above names, by index and generation, so that a repeated or late create or destroy
 * does no harm (DESIGN law 3). A destroy leaves its generation behind, whether there was something or not.
 */
#include "linux_private.h"

/* 0 and the index; -BLANKET_EINVAL for another item, -BLANKET_ENOENT outside the table. */
int blanket_linux_slot_index(uint64_t item, unsigned type, uint32_t count, uint32_t *index)
{
    if (!blanket_linux_item_is(item, type) || blanket_item_generation(item) == 0) {
        return -BLANKET_EINVAL;
    }
    if (blanket_item_index(item) >= count) {
        return -BLANKET_ENOENT;
    }
    *index = blanket_item_index(item);
    return 0;
}

/* 0, or the element's result. With -BLANKET_ESTALE its value is the generation to be exceeded. */
uint64_t blanket_linux_slot_create(const struct linux_slot *slot, uint64_t item)
{
    uint32_t generation = blanket_item_generation(item);

    if (slot->state != LINUX_FREE && generation >= slot->generation) {
        return blanket_result(slot->state == LINUX_CLOSING ? -BLANKET_EBUSY : -BLANKET_EEXIST, 0);
    }
    return generation > slot->newest ? 0 : blanket_result(-BLANKET_ESTALE, slot->newest);
}

void blanket_linux_slot_fill(struct linux_slot *slot, uint64_t item)
{
    slot->generation = blanket_item_generation(item);
    slot->newest = slot->generation;
    slot->state = LINUX_LIVE;
}

/* The very object that the item names is there, even if it is closing. */
bool blanket_linux_slot_holds(const struct linux_slot *slot, uint64_t item)
{
    return slot->state != LINUX_FREE && slot->generation == blanket_item_generation(item);
}

bool blanket_linux_slot_retire(struct linux_slot *slot, uint64_t item)
{
    if (blanket_item_generation(item) > slot->newest) {
        slot->newest = blanket_item_generation(item);
    }
    return blanket_linux_slot_holds(slot, item);
}
