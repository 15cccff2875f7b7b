/* SPDX-License-Identifier: MIT */
/* Slots that the caller names: which are free, and the generation of each. */
#include "guest_private.h"

static void free_append(struct blanket_guest_table *table, uint32_t index)
{
    table->slots[index].state = BLANKET_GUEST_SLOT_FREE;
    if (table->free_count == 0) {
        table->first = (uint16_t)index;
    } else {
        table->slots[table->last].next = (uint16_t)index;
    }
    table->last = (uint16_t)index;
    table->free_count++;
}

void blanket_guest_table_init(struct blanket_guest_table *table, struct blanket_guest_slot *slots,
                              uint32_t count, uint32_t generation)
{
    table->slots = slots;
    table->count = count;
    table->free_count = 0;
    table->first = 0;
    table->last = 0;
    for (uint32_t i = 0; i < count; i++) {
        slots[i].generation = generation;
        slots[i].next = 0;
        free_append(table, i);
    }
}

int blanket_guest_table_take(struct blanket_guest_table *table, uint32_t *index)
{
    while (table->free_count != 0) {
        uint32_t first = table->first;
        struct blanket_guest_slot *slot = &table->slots[first];

        table->first = slot->next;
        table->free_count--;
        if (slot->generation == UINT32_MAX) {
            continue; /* worn out: no generation is newer */
        }
        slot->generation++;
        slot->state = BLANKET_GUEST_SLOT_LIVE;
        *index = first;
        return 0;
    }
    return -BLANKET_ENOSPC;
}

void blanket_guest_table_release(struct blanket_guest_table *table, uint32_t index)
{
    if (table->slots[index].state != BLANKET_GUEST_SLOT_FREE) {
        free_append(table, index);
    }
}

int blanket_guest_table_used(const struct blanket_guest_table *table, uint32_t index)
{
    return index < table->count && table->slots[index].state != BLANKET_GUEST_SLOT_FREE;
}

uint64_t blanket_guest_table_item(const struct blanket_guest_table *table, unsigned type,
                                  uint32_t index)
{
    return blanket_item_slot(type, index, table->slots[index].generation);
}

int blanket_guest_table_created(struct blanket_guest_table *table, uint32_t index, uint64_t result,
                                int again)
{
    struct blanket_guest_slot *slot = &table->slots[index];
    uint32_t value = blanket_result_value(result);
    int status = blanket_result_status(result);

    if (status == 0) {
        return 0;
    }
    if (status == -BLANKET_EIO) {
        slot->state = BLANKET_GUEST_SLOT_CLOSING;
        return 0;
    }
    if (status == -BLANKET_ESTALE && value >= slot->generation) {
        slot->generation = value;
        if (again && value != UINT32_MAX) {
            slot->generation++;
            return 1;
        }
    }
    blanket_guest_table_release(table, index);
    return 0;
}

void blanket_guest_table_destroyed(struct blanket_guest_table *table, uint32_t index,
                                   uint64_t result)
{
    if (blanket_result_status(result) == 0) {
        blanket_guest_table_release(table, index);
    }
}
