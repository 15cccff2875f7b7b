/* SPDX-License-Identifier: MIT */
/* What a level tells of itself, and the hash that a refusal may not change. */
#include "core_fixture.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
}

static void everything_is_counted(void **state)
{
    struct fixture f;
    struct blanket_level_stats stats;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 1, 2), 0);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(core_end(&f.core, f.id, f.device, 1, 1), 0);
    assert_int_equal(blanket_send(f.core.level, f.id, 0, f.device, port_item(0, 1)), 0);
    blanket_event(f.core.level, 0);
    blanket_event(f.core.level, 0);
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.calls, 5);
    assert_int_equal(stats.calls_below, 5);
    assert_int_equal(stats.hook_allowed, 5);
    assert_int_equal(stats.hook_denied + stats.refused + stats.lost, 0);
    assert_int_equal(stats.events, 2);
    assert_int_equal(stats.events_coalesced, 1);
    assert_int_equal(stats.notifications, 1);
    assert_int_equal(stats.grants, 1);
    assert_int_equal(stats.grants_peak, 2);
    assert_int_equal(stats.ports, 1);
    assert_int_equal(stats.endpoints, 1);
    assert_int_equal(stats.bytes, f.core.bytes);
    assert_int_equal(stats.zero, 0);
    core_fini(&f.core);
}

/* Whatever a call may change is in it. */
static void the_hash_sees_every_change(void **state)
{
    const uint64_t bind[2] = {port_item(0, 1), blanket_item(BLANKET_ITEM_COUNT, 0, 1)};
    const uint32_t counts[3] = {8, 0, 0};
    struct fixture f;
    uint64_t seen[16];
    uint32_t count = 0;

    (void)state;
    init(&f);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_EVTCHN_BIND_VCPU, f.device, bind, 2), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_port(&f.core, f.id, BLANKET_VERB_EVTCHN_MASK, f.device, 0, 1), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_end(&f.core, f.id, f.device, 5, 9), 0); /* a tombstone */
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_derive(&f.core, f.id, f.device, blanket_handle(3, 1), counts, ""), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, blanket_handle(3, 1)), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    assert_int_equal(core_work(&f.core, 100), 0);
    seen[count++] = blanket_level_hash(f.core.level);
    f.core.below.busy = 1;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), -BLANKET_EBUSY);
    f.core.below.busy = 0;
    seen[count++] = blanket_level_hash(f.core.level);
    (void)core_attach(&f.core, 1);
    seen[count++] = blanket_level_hash(f.core.level);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            assert_true(seen[i] != seen[j]);
        }
    }
    /* Events, queries and what a send remembers aren't state that a refusal could leave behind. */
    assert_int_equal(blanket_send(f.core.level, f.id, 0, f.device, port_item(0, 1)), 0);
    blanket_event(f.core.level, 0);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_QUERY, f.device, NULL, 0), 0);
    assert_true(seen[count - 1] == blanket_level_hash(f.core.level));
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_counted),
        cmocka_unit_test(the_hash_sees_every_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
