/* SPDX-License-Identifier: MIT */
/*
 * Room 1: slots with generations, the state machine of every object that a caller names (grants,
 * mappings, ports), and tables of them in chunks that one endpoint owns at a time.
 *
 *   FREE -> RESERVED -> LIVE -> CLOSING -> FREE        (DESIGN section 6; models/op.pml)
 *
 * A FREE slot keeps its generation: a create that isn't newer is refused, so a late one can't revive
 * what was given back. All functions here need the guest's lock; only its owner, the call that made
 * it so, moves a RESERVED slot.
 */
#ifndef BLANKET_BASE_SLOT_H
#define BLANKET_BASE_SLOT_H

#include <blanket/errno.h>
#include <blanket/level.h>

/* What is atomic and has 64 bits: a 32-bit compiler calls a library of its own for less alignment. */
typedef uint64_t blanket_atomic64_t __attribute__((aligned(8)));

enum blanket_slot_state {
    BLANKET_SLOT_FREE = 0,
    BLANKET_SLOT_RESERVED = 1,
    BLANKET_SLOT_LIVE = 2,
    BLANKET_SLOT_CLOSING = 3
};

/* What a port is bound to. */
enum blanket_slot_role {
    BLANKET_ROLE_NONE = 0,
    BLANKET_ROLE_CHANNEL = 1,
    BLANKET_ROLE_STORE = 2
};

/* Bits of a port's word. It is changed atomically, without the lock: by events and by its owner. */
#define BLANKET_WORD_PENDING 1u
#define BLANKET_WORD_MASKED 2u
#define BLANKET_WORD_BOUND 4u
#define BLANKET_WORD_VCPU_SHIFT 16

struct blanket_slot {
    uint32_t generation;       /* the caller's; of the current or the last object */
    uint32_t below_generation; /* ours at the below, for the same object; atomic: read by sends */
    uint8_t state;             /* enum blanket_slot_state */
    uint8_t role;              /* ports: enum blanket_slot_role */
    uint8_t use; /* grants, mappings: BLANKET_USE_* of the pin; 0: no page is pinned */
    uint8_t own; /* grants: 1: the page was named by the caller's own grant */
    uint32_t word; /* ports: BLANKET_WORD_*; vCPU to notify << BLANKET_WORD_VCPU_SHIFT */
    union {
        struct blanket_page page; /* grants, mappings */
        blanket_atomic64_t send; /* ports: generation << 32 | epoch of the policy that allowed send */
    } u;
};

/* Which table of a guest. The order is that of the quotas and of the items' types. */
enum blanket_table_kind {
    BLANKET_TABLE_GRANTS = 0,
    BLANKET_TABLE_MAPPINGS = 1,
    BLANKET_TABLE_PORTS = 2,
    BLANKET_TABLE_COUNT = 3
};

#define BLANKET_OWNER_NONE 0xffffu

/* A chunk of BLANKET_CHUNK_SLOTS slots: one owner, and how many of them aren't FREE. */
struct blanket_chunk {
    uint16_t owner; /* index of an endpoint in the guest's table; atomic: read by sends */
    uint16_t used;
};

struct blanket_table {
    struct blanket_slot *slots;
    struct blanket_chunk *chunks;
    uint32_t count; /* slots; a multiple of BLANKET_CHUNK_SLOTS */
};

/* The part of a guest's table that an endpoint may name: its index i is slot first + i here, if the
 * chunk is its own (a child may have it), and below_first + i at the below. */
struct blanket_window {
    uint32_t first;
    uint32_t count;
    uint32_t below_first;
};

/* `index` where it is below `count`, else 0, by arithmetic: a processor that guesses a bounds check wrong
 * goes on with 0. Per slot, where a call of the host's index_nospec would cost more than the rest. */
static inline uint32_t blanket_slot_clamp(uint32_t index, uint32_t count)
{
    uint32_t mask = (uint32_t)(((uint64_t)index - count) >> 32);

    __asm__("" : "+r"(mask)); /* or the compiler may see the check before it, and leave the mask out */
    return index & mask;
}

/* The slot that `owner` names by `index`, NULL if it isn't its own. *place is its place in `table`. */
static inline struct blanket_slot *blanket_slot_at(const struct blanket_table *table,
                                                   const struct blanket_window *window,
                                                   uint32_t owner, uint32_t index,
                                                   uint32_t *place)
{
    uint32_t at;

    if (index >= window->count) {
        return NULL;
    }
    at = window->first + blanket_slot_clamp(index, window->count);
    if (__atomic_load_n(&table->chunks[at / BLANKET_CHUNK_SLOTS].owner, __ATOMIC_RELAXED) !=
        owner) {
        return NULL;
    }
    *place = at;
    return &table->slots[at];
}

/* To FREE, keeping the generation: from CLOSING when nothing is left here and below, from RESERVED
 * when the object has come and gone (a copy). */
static inline void blanket_slot_free(const struct blanket_table *table, uint32_t place)
{
    struct blanket_slot *slot = &table->slots[place];

    slot->state = BLANKET_SLOT_FREE;
    slot->role = BLANKET_ROLE_NONE;
    slot->use = 0;
    slot->own = 0;
    __atomic_store_n(&slot->u.send, 0, __ATOMIC_RELAXED); /* page.frame's place, too */
    slot->u.page.cookie = 0;
    table->chunks[place / BLANKET_CHUNK_SLOTS].used--;
}

/*
 * Begin to create: FREE -> RESERVED with a newer `generation`; the one before goes to *previous, for
 * blanket_slot_refused. -BLANKET_ESTALE, -BLANKET_EEXIST, -BLANKET_EBUSY (CLOSING).
 */
static inline int blanket_slot_reserve(const struct blanket_table *table, uint32_t place,
                                       uint32_t generation, uint32_t *previous)
{
    struct blanket_slot *slot = &table->slots[place];

    if (slot->state != BLANKET_SLOT_FREE) {
        return slot->state == BLANKET_SLOT_CLOSING ? -BLANKET_EBUSY : -BLANKET_EEXIST;
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

/* RESERVED -> FREE, as if the create had never been asked for. */
static inline void blanket_slot_refused(const struct blanket_table *table, uint32_t place,
                                        uint32_t previous)
{
    struct blanket_slot *slot = &table->slots[place];

    slot->generation = previous;
    __atomic_store_n(&slot->below_generation, slot->below_generation - 1, __ATOMIC_RELAXED);
    blanket_slot_free(table, place);
}

/* What a create must exceed: UINT32_MAX if the slot has no generation left, here or below. */
static inline uint32_t blanket_slot_newest(const struct blanket_slot *slot)
{
    return slot->below_generation == UINT32_MAX ? UINT32_MAX : slot->generation;
}

/*
 * Begin to destroy `generation`. 1: the slot is CLOSING now, go on below. 0: it isn't there (any
 * more), which is success; a free slot takes the generation as a tombstone. -BLANKET_EBUSY: a
 * create is under way, or a newer generation was asked for than lives there.
 */
static inline int blanket_slot_close(struct blanket_slot *slot, uint32_t generation)
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

/* The slot is LIVE with that generation: 0, else -BLANKET_ENOENT. */
static inline int blanket_slot_live(const struct blanket_slot *slot, uint32_t generation)
{
    return slot->state == BLANKET_SLOT_LIVE && slot->generation == generation ? 0 : -BLANKET_ENOENT;
}

/* Give `count` slots of `from`'s chunks (rounded up) that are wholly free to `to`, from the end; *place
 * is that of the first. -BLANKET_ENOSPC. `count` 0: place 0, nothing changes. Generations stay: the
 * new owner is told them by -BLANKET_ESTALE, and the old one's late creates stay refused. */
int blanket_table_carve(struct blanket_table *table, const struct blanket_window *from_window,
                        uint32_t from, uint32_t to, uint32_t count, uint32_t *place);

/* Give all chunks of `from` in its window to `to`. They must be free. */
void blanket_table_return(struct blanket_table *table, const struct blanket_window *window,
                          uint32_t from, uint32_t to);

#endif
