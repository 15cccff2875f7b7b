/* SPDX-License-Identifier: MIT */
/*
 * Slots that their user names, by index and generation, so that a repeated or late create or destroy
 * does no harm (DESIGN law 3). A destroy leaves its generation behind, whether there was something or
 * not: a create that it has overtaken is refused.
 */
#include "root_private.h"

/* 0 and the index; -BLANKET_EINVAL for another item, -BLANKET_ENOENT outside the table. */
int blanket_root_slot_index(uint64_t item, unsigned type, uint32_t count, uint32_t *index)
{
    if (!blanket_root_item_is(item, type) || blanket_item_generation(item) == 0) {
        return -BLANKET_EINVAL;
    }
    if (blanket_item_index(item) >= count) {
        return -BLANKET_ENOENT;
    }
    *index = blanket_item_index(item);
    return 0;
}

/* 0, or the element's result. With -BLANKET_ESTALE its value is the generation to be exceeded. */
uint64_t blanket_root_slot_create(const struct root_slot *slot, uint64_t item)
{
    uint32_t generation = blanket_item_generation(item);

    if (slot->state != ROOT_FREE && generation >= slot->generation) {
        return blanket_result(slot->state == ROOT_CLOSING ? -BLANKET_EBUSY : -BLANKET_EEXIST, 0);
    }
    return generation > slot->newest ? 0 : blanket_result(-BLANKET_ESTALE, slot->newest);
}

void blanket_root_slot_fill(struct root_slot *slot, uint64_t item, unsigned access)
{
    slot->generation = blanket_item_generation(item);
    slot->newest = slot->generation;
    slot->state = ROOT_LIVE;
    slot->access = (uint8_t)access;
}

/* The very object that the item names is there, even if it is closing. */
bool blanket_root_slot_holds(const struct root_slot *slot, uint64_t item)
{
    return slot->state != ROOT_FREE && slot->generation == blanket_item_generation(item);
}

bool blanket_root_slot_retire(struct root_slot *slot, uint64_t item)
{
    if (blanket_item_generation(item) > slot->newest) {
        slot->newest = blanket_item_generation(item);
    }
    return blanket_root_slot_holds(slot, item);
}

/* What a host function returned, as a status that may be passed on: nonsense is "lost". */
int blanket_root_status(int status)
{
    switch (-(int64_t)status) {
    case 0:
    case BLANKET_EPERM:
    case BLANKET_ENOENT:
    case BLANKET_EAGAIN:
    case BLANKET_EFAULT:
    case BLANKET_EBUSY:
    case BLANKET_EINVAL:
    case BLANKET_EOPNOTSUPP:
        return status;
    default:
        return -BLANKET_EIO;
    }
}
