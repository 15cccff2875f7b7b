/* SPDX-License-Identifier: MIT */
#include "slot.h"

_Static_assert(sizeof(struct blanket_slot) == 32, "a slot is 32 bytes, of 32-bit code too");

struct blanket_slot *blanket_slot_at(const struct blanket_table *table,
                                     const struct blanket_window *window, uint32_t owner,
                                     uint32_t index, uint32_t *place)
{
    uint32_t at;

    if (index >= window->count) {
        return NULL;
    }
    at = window->first + index;
    if (__atomic_load_n(&table->chunks[at / BLANKET_CHUNK_SLOTS].owner, __ATOMIC_RELAXED) !=
        owner) {
        return NULL;
    }
    *place = at;
    return &table->slots[at];
}

void blanket_slot_free(struct blanket_table *table, uint32_t place)
{
    struct blanket_slot *slot = &table->slots[place];

    slot->state = BLANKET_SLOT_FREE;
    slot->role = BLANKET_ROLE_NONE;
    slot->use = 0;
    __atomic_store_n(&slot->u.send, 0, __ATOMIC_RELAXED); /* page.frame's place, too */
    slot->u.page.cookie = 0;
    table->chunks[place / BLANKET_CHUNK_SLOTS].used--;
}

int blanket_slot_reserve(struct blanket_table *table, uint32_t place, uint32_t generation,
                         uint32_t *previous)
{
    struct blanket_slot *slot = &table->slots[place];

    if (slot->state == BLANKET_SLOT_CLOSING) {
        return -BLANKET_EBUSY;
    }
    if (slot->state != BLANKET_SLOT_FREE) {
        return -BLANKET_EEXIST;
    }
    /* Generations that have run out retire the slot, here or below. */
    if (generation <= slot->generation || slot->below_generation == UINT32_MAX) {
        return -BLANKET_ESTALE;
    }
    *previous = slot->generation;
    slot->generation = generation;
    __atomic_store_n(&slot->below_generation, slot->below_generation + 1, __ATOMIC_RELAXED);
    slot->state = BLANKET_SLOT_RESERVED;
    table->chunks[place / BLANKET_CHUNK_SLOTS].used++;
    return 0;
}

uint32_t blanket_slot_newest(const struct blanket_slot *slot)
{
    return slot->below_generation == UINT32_MAX ? UINT32_MAX : slot->generation;
}

void blanket_slot_refused(struct blanket_table *table, uint32_t place, uint32_t previous)
{
    struct blanket_slot *slot = &table->slots[place];

    slot->generation = previous;
    __atomic_store_n(&slot->below_generation, slot->below_generation - 1, __ATOMIC_RELAXED);
    blanket_slot_free(table, place);
}

int blanket_slot_close(struct blanket_slot *slot, uint32_t generation)
{
    if (slot->state == BLANKET_SLOT_FREE) {
        if (generation > slot->generation) {
            slot->generation = generation;
        }
        return 0;
    }
    /* A create that is refused gives the slot its old generation back, and with it would lose the
     * tombstone of one in between: whatever is destroyed meanwhile has to be asked for again. */
    if (slot->state == BLANKET_SLOT_RESERVED || generation > slot->generation) {
        return -BLANKET_EBUSY;
    }
    if (generation < slot->generation) {
        return 0;
    }
    slot->state = BLANKET_SLOT_CLOSING;
    return 1;
}

int blanket_slot_live(const struct blanket_slot *slot, uint32_t generation)
{
    return slot->state == BLANKET_SLOT_LIVE && slot->generation == generation ? 0 : -BLANKET_ENOENT;
}

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
