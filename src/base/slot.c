/* SPDX-License-Identifier: MIT */
#include "slot.h"

_Static_assert(sizeof(struct blanket_slot) == 32, "a slot is 32 bytes, of 32-bit code too");

int blanket_table_carve(struct blanket_table *table, const struct blanket_window *from_window,
                        uint32_t from, uint32_t to, uint32_t count, uint32_t *place)
{
    uint32_t need = count / BLANKET_CHUNK_SLOTS + (count % BLANKET_CHUNK_SLOTS != 0);
    uint32_t first = from_window->first / BLANKET_CHUNK_SLOTS;
    uint32_t end = (from_window->first + from_window->count) / BLANKET_CHUNK_SLOTS;
    uint32_t run = 0;

    *place = 0;
    if (need == 0) {
        return 0;
    }
    for (uint32_t chunk = end; chunk > first; chunk--) {
        const struct blanket_chunk *candidate = &table->chunks[chunk - 1];

        run = candidate->owner == from && candidate->used == 0 ? run + 1 : 0;
        if (run == need) {
            *place = (chunk - 1) * BLANKET_CHUNK_SLOTS;
            break;
        }
    }
    if (run < need) {
        return -BLANKET_ENOSPC;
    }
    for (uint32_t i = 0; i < need; i++) {
        __atomic_store_n(&table->chunks[*place / BLANKET_CHUNK_SLOTS + i].owner, (uint16_t)to,
                         __ATOMIC_RELAXED);
    }
    return 0;
}

void blanket_table_return(struct blanket_table *table, const struct blanket_window *window,
                          uint32_t from, uint32_t to)
{
    uint32_t end = window->first + window->count;

    for (uint32_t at = window->first; at < end; at += BLANKET_CHUNK_SLOTS) {
        struct blanket_chunk *chunk = &table->chunks[at / BLANKET_CHUNK_SLOTS];

        if (chunk->owner == from) {
            __atomic_store_n(&chunk->owner, (uint16_t)to, __ATOMIC_RELAXED);
        }
    }
}
