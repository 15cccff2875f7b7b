/* SPDX-License-Identifier: MIT */
/* A port's word: pending, masked, bound, and whom it tells. */
#include "core_fixture.h"

static uint32_t *word_of(struct core *core, uint32_t guest, uint32_t place)
{
    return &core->level->guests[guest].tables[BLANKET_TABLE_PORTS].slots[place].word;
}

static void a_bound_port_notifies_once(void **state)
{
    struct core core;
    struct blanket_level_stats stats;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    *word_of(&core, id, 9) = BLANKET_WORD_BOUND | (3u << BLANKET_WORD_VCPU_SHIFT);
    blanket_port_raise(core.level, &core.level->guests[id], 9);
    assert_int_equal(core.notified, 1);
    assert_int_equal(core.notified_vcpu, 3);
    assert_int_equal(core.notified_port, 9);
    blanket_port_raise(core.level, &core.level->guests[id], 9);
    assert_int_equal(core.notified, 1); /* it knows */
    blanket_level_stats(core.level, &stats);
    assert_int_equal(stats.notifications, 1);
    assert_int_equal(stats.events_coalesced, 1);
    *word_of(&core, id, 9) &= ~BLANKET_WORD_PENDING;
    blanket_port_raise(core.level, &core.level->guests[id], 9);
    assert_int_equal(core.notified, 2);
    *word_of(&core, id, 9) = 0;
    core_fini(&core);
}

static void what_isnt_bound_or_is_masked_latches(void **state)
{
    struct core core;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    blanket_port_raise(core.level, &core.level->guests[id], 10);
    assert_int_equal(*word_of(&core, id, 10), BLANKET_WORD_PENDING);
    *word_of(&core, id, 11) = BLANKET_WORD_BOUND | BLANKET_WORD_MASKED;
    blanket_port_raise(core.level, &core.level->guests[id], 11);
    assert_true(*word_of(&core, id, 11) & BLANKET_WORD_PENDING);
    assert_int_equal(core.notified, 0);
    *word_of(&core, id, 10) = *word_of(&core, id, 11) = 0;
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_port_notifies_once),
        cmocka_unit_test(what_isnt_bound_or_is_masked_latches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
