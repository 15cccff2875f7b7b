/* SPDX-License-Identifier: MIT */
/* The slot machine and the carving of tables, without anything around them. */
#include "core_fixture.h"

#define SLOTS 64u

struct fixture {
    struct blanket_slot slots[SLOTS];
    struct blanket_chunk chunks[SLOTS / BLANKET_CHUNK_SLOTS];
    struct blanket_table table;
    struct blanket_window all;
};

static void init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->table.slots = f->slots;
    f->table.chunks = f->chunks;
    f->table.count = SLOTS;
    f->all.count = SLOTS;
}

static int reserve(struct fixture *f, uint32_t place, uint32_t generation)
{
    uint32_t previous = 77;

    return blanket_slot_reserve(&f->table, place, generation, &previous);
}

static void a_life(void **state)
{
    struct fixture f;
    uint32_t previous = 77;

    (void)state;
    init(&f);
    assert_int_equal(reserve(&f, 3, 0), -BLANKET_ESTALE); /* 0 is never newer */
    assert_int_equal(blanket_slot_reserve(&f.table, 3, 5, &previous), 0);
    assert_int_equal(previous, 0);
    assert_int_equal(f.slots[3].state, BLANKET_SLOT_RESERVED);
    assert_int_equal(f.slots[3].below_generation, 1);
    assert_int_equal(f.chunks[0].used, 1);
    assert_int_equal(reserve(&f, 3, 6), -BLANKET_EEXIST);
    assert_int_equal(blanket_slot_live(&f.slots[3], 5), -BLANKET_ENOENT);
    f.slots[3].state = BLANKET_SLOT_LIVE;
    assert_int_equal(blanket_slot_live(&f.slots[3], 5), 0);
    assert_int_equal(blanket_slot_live(&f.slots[3], 4), -BLANKET_ENOENT);
    assert_int_equal(reserve(&f, 3, 6), -BLANKET_EEXIST);
    assert_int_equal(blanket_slot_close(&f.slots[3], 5), 1);
    assert_int_equal(f.slots[3].state, BLANKET_SLOT_CLOSING);
    assert_int_equal(blanket_slot_close(&f.slots[3], 5), 1); /* again: one more step of sweeping */
    assert_int_equal(reserve(&f, 3, 6), -BLANKET_EBUSY);
    f.slots[3].role = BLANKET_ROLE_STORE;
    blanket_slot_free(&f.table, 3);
    assert_int_equal(f.slots[3].state, BLANKET_SLOT_FREE);
    assert_int_equal(f.slots[3].role, BLANKET_ROLE_NONE);
    assert_int_equal(f.slots[3].generation, 5);
    assert_int_equal(f.chunks[0].used, 0);
    assert_int_equal(reserve(&f, 3, 5), -BLANKET_ESTALE);
    assert_int_equal(reserve(&f, 3, 6), 0);
}

static void refused_is_as_if_never_asked(void **state)
{
    struct fixture f;
    uint32_t previous;
    struct blanket_slot before;

    (void)state;
    init(&f);
    f.slots[8].generation = 4;
    f.slots[8].below_generation = 9;
    before = f.slots[8];
    assert_int_equal(blanket_slot_reserve(&f.table, 8, UINT32_MAX, &previous), 0);
    assert_int_equal(previous, 4);
    blanket_slot_refused(&f.table, 8, previous);
    assert_memory_equal(&f.slots[8], &before, sizeof(before));
    assert_int_equal(f.chunks[1].used, 0);
}

static void a_tombstone_refuses_a_late_create(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_slot_close(&f.slots[0], 7), 0);
    assert_int_equal(f.slots[0].generation, 7);
    assert_int_equal(blanket_slot_close(&f.slots[0], 3), 0); /* it only goes up */
    assert_int_equal(f.slots[0].generation, 7);
    assert_int_equal(reserve(&f, 0, 7), -BLANKET_ESTALE);
    assert_int_equal(reserve(&f, 0, 8), 0);
    f.slots[0].state = BLANKET_SLOT_LIVE;
    assert_int_equal(blanket_slot_close(&f.slots[0], 7), 0); /* its object went long ago */
    assert_int_equal(blanket_slot_close(&f.slots[0], 9), -BLANKET_EBUSY);
    assert_int_equal(f.slots[0].state, BLANKET_SLOT_LIVE);
}

/* A refused create takes the slot's generation back: had a destroy of one in between been told
 * "done", its late create would revive what was given back. */
static void nothing_is_destroyed_while_a_create_is_under_way(void **state)
{
    struct fixture f;
    uint32_t previous;

    (void)state;
    init(&f);
    f.slots[0].generation = 1;
    assert_int_equal(blanket_slot_reserve(&f.table, 0, 5, &previous), 0);
    for (uint32_t generation = 0; generation < 8; generation++) {
        assert_int_equal(blanket_slot_close(&f.slots[0], generation), -BLANKET_EBUSY);
    }
    blanket_slot_refused(&f.table, 0, previous);
    assert_int_equal(blanket_slot_close(&f.slots[0], 3), 0);
    assert_int_equal(reserve(&f, 0, 3), -BLANKET_ESTALE);
}

static void generations_run_out(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.slots[0].generation = UINT32_MAX - 1;
    assert_int_equal(blanket_slot_newest(&f.slots[0]), UINT32_MAX - 1);
    assert_int_equal(reserve(&f, 0, UINT32_MAX), 0);
    f.slots[0].state = BLANKET_SLOT_CLOSING;
    blanket_slot_free(&f.table, 0);
    assert_int_equal(reserve(&f, 0, UINT32_MAX), -BLANKET_ESTALE);
    assert_int_equal(reserve(&f, 0, 0), -BLANKET_ESTALE); /* it doesn't wrap */
    /* Ours at the below have run out: no generation of the caller's helps. */
    f.slots[1].below_generation = UINT32_MAX;
    assert_int_equal(reserve(&f, 1, 1), -BLANKET_ESTALE);
    assert_int_equal(blanket_slot_newest(&f.slots[1]), UINT32_MAX);
    f.slots[2].below_generation = UINT32_MAX - 1;
    assert_int_equal(reserve(&f, 2, 1), 0);
    assert_int_equal(f.slots[2].below_generation, UINT32_MAX);
}

static void a_window_and_its_owner(void **state)
{
    struct fixture f;
    struct blanket_window window = {16, 20, 0};
    uint32_t place = 99;

    (void)state;
    init(&f);
    f.chunks[2].owner = f.chunks[3].owner = f.chunks[4].owner = 6;
    assert_ptr_equal(blanket_slot_at(&f.table, &window, 6, 0, &place), &f.slots[16]);
    assert_int_equal(place, 16);
    assert_ptr_equal(blanket_slot_at(&f.table, &window, 6, 19, &place), &f.slots[35]);
    assert_null(blanket_slot_at(&f.table, &window, 6, 20, &place)); /* owned, but not granted */
    assert_null(blanket_slot_at(&f.table, &window, 6, UINT32_MAX, &place));
    assert_null(blanket_slot_at(&f.table, &window, 5, 0, &place));
    f.chunks[3].owner = 7; /* a child has it */
    assert_null(blanket_slot_at(&f.table, &window, 6, 8, &place));
    assert_int_equal(place, 35);
}

static uint32_t owned_by(const struct fixture *f, uint32_t owner)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SLOTS / BLANKET_CHUNK_SLOTS; i++) {
        count += f->chunks[i].owner == owner;
    }
    return count;
}

static void carving_takes_whole_free_runs_from_the_end(void **state)
{
    struct fixture f;
    struct blanket_window window = {0, 0, 0};
    uint32_t place = 99;

    (void)state;
    init(&f);
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 1, 0, &place), 0);
    assert_int_equal(place, 0);
    assert_int_equal(owned_by(&f, 0), 8);
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 1, 9, &place), 0); /* two chunks */
    assert_int_equal(place, 48);
    assert_int_equal(owned_by(&f, 1), 2);
    f.chunks[4].used = 1; /* chunks 0-3 and 5 are left */
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 2, 16, &place), 0);
    assert_int_equal(place, 16);
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 3, 17, &place), -BLANKET_ENOSPC);
    assert_int_equal(owned_by(&f, 3), 0);
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 3, 8, &place), 0);
    assert_int_equal(place, 40);
    window.first = 16;
    window.count = 16;
    blanket_table_return(&f.table, &window, 2, 0);
    assert_int_equal(owned_by(&f, 2), 0);
    window.first = 0;
    window.count = 0;
    blanket_table_return(&f.table, &window, 0, 9);
    assert_int_equal(owned_by(&f, 9), 0);
    assert_int_equal(blanket_table_carve(&f.table, &f.all, 0, 4, UINT32_MAX, &place),
                     -BLANKET_ENOSPC);
}

static void a_partial_chunk_isnt_carved(void **state)
{
    struct fixture f;
    const struct blanket_window five = {8, 5, 0};
    const struct blanket_window thirteen = {8, 13, 0};
    uint32_t place;

    (void)state;
    init(&f);
    f.chunks[1].owner = f.chunks[2].owner = 4;
    assert_int_equal(blanket_table_carve(&f.table, &five, 4, 5, 1, &place), -BLANKET_ENOSPC);
    assert_int_equal(blanket_table_carve(&f.table, &thirteen, 4, 5, 9, &place), -BLANKET_ENOSPC);
    assert_int_equal(blanket_table_carve(&f.table, &thirteen, 4, 5, 3, &place), 0);
    assert_int_equal(place, 8);
    assert_int_equal(f.chunks[2].owner, 4);
    blanket_table_return(&f.table, &thirteen, 4, 0); /* rounded up; not what 5 has */
    assert_int_equal(f.chunks[2].owner, 0);
    assert_int_equal(f.chunks[1].owner, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(refused_is_as_if_never_asked),
        cmocka_unit_test(a_tombstone_refuses_a_late_create),
        cmocka_unit_test(nothing_is_destroyed_while_a_create_is_under_way),
        cmocka_unit_test(generations_run_out),
        cmocka_unit_test(a_window_and_its_owner),
        cmocka_unit_test(carving_takes_whole_free_runs_from_the_end),
        cmocka_unit_test(a_partial_chunk_isnt_carved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
