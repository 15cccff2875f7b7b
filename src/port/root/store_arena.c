/* SPDX-License-Identifier: MIT */
/*
 * The store's only memory: a two-level segregated fit in one block. Allocating and freeing take a
 * fixed number of steps; neighbours that are free are joined at once.
 */
#include "store_private.h"

#if defined(__SANITIZE_ADDRESS__)
#define STORE_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STORE_POISON 1
#endif
#endif
#ifdef STORE_POISON
#include <sanitizer/asan_interface.h>
#endif

enum {
    UNIT = 8,
    HEADER = 4,
    FOOTER = 4,    /* of a free block */
    UNITS_MIN = 3, /* room for the links of a free block, and its footer */
    COLUMN_BITS = 3
};

#define USED 0x80000000u
#define BEFORE_FREE 0x40000000u /* the block before it in memory is free */
#define FLAGS (USED | BEFORE_FREE)

/* Free memory is poisoned under AddressSanitizer, which couldn't see into the arena otherwise. */
static void memory_close(void *memory, size_t size)
{
#ifdef STORE_POISON
    ASAN_POISON_MEMORY_REGION(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

static void memory_open(void *memory, size_t size)
{
#ifdef STORE_POISON
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

static uint32_t block_units(const struct store_block *block)
{
    return block->head & ~FLAGS;
}

static bool block_used(const struct store_block *block)
{
    return (block->head & USED) != 0;
}

static struct store_block *block_after(const struct store_block *block)
{
    return (struct store_block *)((uint8_t *)block + (size_t)block_units(block) * UNIT);
}

/* Only if that one is free. */
static struct store_block *block_before(const struct store_block *block)
{
    const uint32_t *footer = (const uint32_t *)((const uint8_t *)block - FOOTER);

    return (struct store_block *)((uint8_t *)block - (size_t)*footer * UNIT);
}

/* A free block of so many units, after one that is used; the one after it is told. */
static void block_make_free(struct store_block *block, uint32_t units)
{
    struct store_block *after;
    uint32_t *footer;

    block->head = units;
    after = block_after(block);
    footer = (uint32_t *)((uint8_t *)after - FOOTER);
    memory_open(footer, FOOTER);
    *footer = units;
    after->head |= BEFORE_FREE;
}

static void block_close(struct store_block *block)
{
    memory_close(block + 1, (size_t)block_units(block) * UNIT - sizeof(*block) - FOOTER);
}

/* Row: the power of two; column: an eighth of it. Below 8 units, exact sizes share row 0. */
static void class_of(uint32_t units, uint32_t *row, uint32_t *column)
{
    uint32_t top;

    if (units < STORE_ARENA_COLUMNS) {
        *row = 0;
        *column = units;
        return;
    }
    top = 31u - (uint32_t)__builtin_clz(units);
    *row = top - COLUMN_BITS + 1;
    *column = (units >> (top - COLUMN_BITS)) & (STORE_ARENA_COLUMNS - 1);
}

static void block_insert(struct store_arena *arena, struct store_block *block)
{
    uint32_t row;
    uint32_t column;

    class_of(block_units(block), &row, &column);
    block->previous = NULL;
    block->next = arena->free[row][column];
    if (block->next != NULL) {
        block->next->previous = block;
    }
    arena->free[row][column] = block;
    arena->row_map |= 1u << row;
    arena->column_map[row] = (uint8_t)(arena->column_map[row] | (1u << column));
}

static void block_remove(struct store_arena *arena, struct store_block *block)
{
    uint32_t row;
    uint32_t column;

    class_of(block_units(block), &row, &column);
    if (block->next != NULL) {
        block->next->previous = block->previous;
    }
    if (block->previous != NULL) {
        block->previous->next = block->next;
        return;
    }
    arena->free[row][column] = block->next;
    if (block->next == NULL) {
        arena->column_map[row] = (uint8_t)(arena->column_map[row] & ~(1u << column));
        if (arena->column_map[row] == 0) {
            arena->row_map &= ~(1u << row);
        }
    }
}

/* The first free block of a class in which every block has this many units. */
static struct store_block *block_search(const struct store_arena *arena, uint32_t units)
{
    uint32_t row;
    uint32_t column;
    uint32_t columns;
    uint32_t rows;

    if (units >= STORE_ARENA_COLUMNS) {
        units += (1u << (31u - (uint32_t)__builtin_clz(units) - COLUMN_BITS)) - 1;
    }
    class_of(units, &row, &column);
    if (row >= STORE_ARENA_ROWS) {
        return NULL;
    }
    columns = arena->column_map[row] & (0xffu << column);
    if (columns == 0) {
        rows = row + 1 < 32 ? arena->row_map & (~0u << (row + 1)) : 0;
        if (rows == 0) {
            return NULL;
        }
        row = (uint32_t)__builtin_ctz(rows);
        columns = arena->column_map[row];
    }
    column = (uint32_t)__builtin_ctz(columns);
    return arena->free[row][column];
}

/* The first block starts 4 past a multiple of 8, so that what is handed out is aligned to 8. */
void blanket_root_store_arena_init(struct store_arena *arena, void *memory, size_t size)
{
    size_t skip = (2 * UNIT - HEADER - (uintptr_t)memory % UNIT) % UNIT;
    size_t units = (size - skip) / UNIT;
    struct store_block *block = (struct store_block *)((uint8_t *)memory + skip);

    memset(arena, 0, sizeof(*arena));
    if (units > (1u << 29)) {
        units = 1u << 29;
    }
    arena->first = block;
    arena->size = (units - 1) * UNIT;
    /* The end: a header alone. */
    ((struct store_block *)((uint8_t *)block + arena->size))->head = USED;
    block_make_free(block, (uint32_t)units - 1);
    block_insert(arena, block);
    block_close(block);
}

/* Before the memory goes back to its host, whose it is to poison. */
void blanket_root_store_arena_fini(struct store_arena *arena, const void *end)
{
    memory_open(arena->first, (size_t)((uintptr_t)end - (uintptr_t)arena->first));
}

/* Bytes not in use, in however many pieces. */
size_t blanket_root_store_arena_room(const struct store_arena *arena)
{
    return arena->size - arena->used;
}

/* Gives the end of a used block back when what is left over can stand alone. */
static void block_split(struct store_arena *arena, struct store_block *block, uint32_t units)
{
    uint32_t rest = block_units(block) - units;
    struct store_block *tail;

    if (rest < UNITS_MIN) {
        block_after(block)->head &= ~BEFORE_FREE;
        return;
    }
    block->head = units | (block->head & FLAGS);
    tail = block_after(block);
    memory_open(tail, sizeof(*tail));
    block_make_free(tail, rest);
    block_insert(arena, tail);
}

void *blanket_root_store_arena_allocate(struct store_arena *arena, size_t size)
{
    struct store_block *block;
    uint32_t units;

    if (size > INT32_MAX) {
        return NULL;
    }
    units = (uint32_t)((size + HEADER + UNIT - 1) / UNIT);
    if (units < UNITS_MIN) {
        units = UNITS_MIN;
    }
    block = block_search(arena, units);
    if (block == NULL) {
        return NULL;
    }
    block_remove(arena, block);
    block->head |= USED;
    block_split(arena, block, units);
    arena->used += (size_t)block_units(block) * UNIT;
    memory_close((uint8_t *)block + HEADER, (size_t)block_units(block) * UNIT - HEADER);
    memory_open((uint8_t *)block + HEADER, size);
    return (uint8_t *)block + HEADER;
}

void blanket_root_store_arena_free(struct store_arena *arena, void *memory)
{
    struct store_block *block;
    struct store_block *other;
    uint32_t units;

    if (memory == NULL) {
        return;
    }
    block = (struct store_block *)((uint8_t *)memory - HEADER);
    units = block_units(block);
    arena->used -= (size_t)units * UNIT;
    memory_open(memory, (size_t)units * UNIT - HEADER);
    other = block_after(block);
    if (!block_used(other)) {
        block_remove(arena, other);
        units += block_units(other);
    }
    if ((block->head & BEFORE_FREE) != 0) {
        block = block_before(block);
        block_remove(arena, block);
        units += block_units(block);
    }
    block_make_free(block, units);
    block_insert(arena, block);
    block_close(block);
}

size_t blanket_root_store_arena_size(const void *memory)
{
    const struct store_block *block = (const struct store_block *)((const uint8_t *)memory -
                                                                   HEADER);

    return (size_t)block_units(block) * UNIT - HEADER;
}

bool blanket_root_store_arena_check(const struct store_arena *arena)
{
    const struct store_block *block = arena->first;
    bool was_free = false;
    size_t used = 0;

    for (;;) {
        bool is_free = !block_used(block);

        if (was_free != ((block->head & BEFORE_FREE) != 0) || (is_free && was_free)) {
            return false;
        }
        if (block_units(block) == 0) {
            return used == arena->used;
        }
        if (is_free && block_before(block_after(block)) != block) {
            return false;
        }
        used += is_free ? 0 : (size_t)block_units(block) * UNIT;
        was_free = is_free;
        block = block_after(block);
    }
}
