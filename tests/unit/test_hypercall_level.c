/* SPDX-License-Identifier: MIT */
/* A level and its guests come and go. */
#include "core_fixture.h"

#include "guest.h"

/* Takes member `i` away; 1 if that is none that a host must have. */
static int take_away(struct blanket_platform_ops *ops, uint32_t i)
{
    switch (i) {
    case 0:
        ops->size--;
        break;
    case 1:
        ops->alloc = NULL;
        break;
    case 2:
        ops->free = NULL;
        break;
    case 3:
        ops->copy_from_above = NULL;
        break;
    case 4:
        ops->copy_to_above = NULL;
        break;
    case 5:
        ops->pin = NULL;
        break;
    case 6:
        ops->unpin = NULL;
        break;
    case 7:
        ops->lock = NULL;
        break;
    case 8:
        ops->unlock = NULL;
        break;
    case 9:
        ops->hook = NULL;
        break;
    case 10:
        ops->call_below = NULL; /* without the other */
        break;
    case 11:
        ops->send_below = NULL;
        break;
    case 12:
        ops->notify_above = NULL;
        break;
    case 13:
        ops->kick = NULL;
        break;
    case 14:
        ops->guest_gone = NULL;
        break;
    case 15:
        ops->preempt = NULL;
        break;
    case 16:
        ops->index_nospec = NULL;
        break;
    case 17:
        ops->trace = NULL;
        ops->endpoint_event = NULL;
        return 1;
    default:
        ops->call_below = NULL;
        ops->send_below = NULL;
        return 1;
    }
    return 0;
}

static void an_incomplete_host_is_refused(void **state)
{
    const struct blanket_limits limits = {1, 1, 1, 1};
    struct blanket_level *level = NULL;
    struct core core;

    (void)state;
    core_init(&core);
    assert_int_equal(blanket_level_create(NULL, NULL, &limits, &level), -BLANKET_EINVAL);
    for (uint32_t i = 0; i < 19; i++) {
        struct blanket_platform_ops ops = core.ops;
        int optional = take_away(&ops, i);

        assert_int_equal(blanket_level_create(&ops, &core, &limits, &level),
                         optional ? 0 : -BLANKET_EINVAL);
        if (optional) {
            assert_int_equal(blanket_level_destroy(level), 0);
        }
    }
    core_fini(&core);
}

static void limits_have_limits(void **state)
{
    static const struct blanket_limits wrong[] = {
        {0, 1, 1, 1},
        {4097, 1, 1, 1},
        {1, 0, 1, 1},
        {1, 32768, 1, 1},
        {1, 1, (1u << 24) + 1, 1},
        {1, 1, 1, 0},
        {1, 1, 1, BLANKET_LEVEL_MAX + 1},
    };
    const struct blanket_limits least = {1, 1, 0, 1};
    struct blanket_level *level = NULL;
    struct core core;
    uint32_t allocations;

    (void)state;
    core_init(&core);
    allocations = core.allocations;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(blanket_level_create(&core.ops, &core, &wrong[i], &level),
                         -BLANKET_EINVAL);
    }
    assert_int_equal(core.allocations, allocations);
    assert_null(level);
    assert_int_equal(blanket_level_create(&core.ops, &core, &least, &level), 0);
    assert_int_equal(blanket_level_destroy(level), 0);
    core_fini(&core);
}

static void every_allocation_may_fail(void **state)
{
    const struct blanket_limits limits = {1, 1, 8, 1};
    const struct blanket_guest_limits guest = {2, 8, 8, 8, 1};
    struct blanket_level *level = NULL;
    struct core core;
    uint32_t id = 77, failures = 0;
    size_t bytes;

    (void)state;
    core_init(&core);
    bytes = core.bytes;
    for (uint32_t at = 1;; at++) {
        int rc;

        core.alloc_fails_at = at;
        rc = blanket_level_create(&core.ops, &core, &limits, &level);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, -BLANKET_ENOMEM);
        assert_int_equal(core.bytes, bytes);
        failures++;
    }
    assert_int_equal(failures, 4);
    core.alloc_fails_at = 0;
    assert_int_equal(blanket_level_destroy(level), 0);
    failures = 0;
    for (uint32_t at = 1;; at++) {
        int rc;

        core.alloc_fails_at = at;
        rc = blanket_guest_attach(core.level, &core.guests[0], 1, &guest, &id);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, -BLANKET_ENOMEM);
        assert_int_equal(core.bytes, bytes);
        assert_int_equal(id, 77);
        failures++;
    }
    assert_int_equal(failures, 7);
    core.alloc_fails_at = 0;
    core_fini(&core);
}

static void guests_have_limits(void **state)
{
    static const struct blanket_guest_limits wrong[] = {
        {0, 1, 1, 1, 1},     {BLANKET_ENDPOINTS_MAX + 1, 1, 1, 1, 1},
        {1, 65537, 1, 1, 1}, {1, 1, 65537, 1, 1},
        {1, 1, 1, 65537, 1}, {1, 1, 1, 1, 0},
        {1, 1, 1, 1, 65536},
    };
    const struct blanket_guest_limits least = {1, 0, 0, 0, 1};
    const struct blanket_guest_limits odd = {2, 1, 9, 65535, 65535};
    struct core core;
    uint32_t id = 77;

    (void)state;
    core_init(&core);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(blanket_guest_attach(core.level, &core.guests[0], 1, &wrong[i], &id),
                         -BLANKET_EINVAL);
    }
    assert_int_equal(id, 77);
    id = core_attach_limits(&core, 0, &least);
    assert_int_equal(core.level->guests[id].tables[BLANKET_TABLE_PORTS].count, BLANKET_CHUNK_SLOTS);
    assert_int_equal(core.level->guests[id].tables[BLANKET_TABLE_GRANTS].count, 0);
    id = core_attach_limits(&core, 1, &odd);
    assert_int_equal(core.level->guests[id].tables[BLANKET_TABLE_GRANTS].count, 8);
    assert_int_equal(core.level->guests[id].tables[BLANKET_TABLE_MAPPINGS].count, 16);
    assert_int_equal(core.level->guests[id].tables[BLANKET_TABLE_PORTS].count, 65536);
    (void)core_attach(&core, 2);
    assert_int_equal(blanket_guest_attach(core.level, &core.guests[0], 1, &least, &id),
                     -BLANKET_ENOSPC);
    core_fini(&core);
}

static void a_guest_ends_and_comes_again(void **state)
{
    struct core core;
    uint32_t id, again;
    uint64_t device;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    device = core_mint(&core, id, 0, "vbd/1");
    assert_int_equal(core_access(&core, id, device, 0, 1, 1), 0);
    assert_int_equal(core_alloc(&core, id, device, 0, 1), 0);
    assert_int_equal(blanket_level_destroy(core.level), -BLANKET_EBUSY);
    core.below.busy = 1;
    blanket_guest_detach(core.level, id);
    blanket_guest_detach(core.level, id);
    assert_int_equal(core_work(&core, 100), 2);
    assert_int_equal(core.guests[0].gone, 0);
    assert_int_equal(core.pins - core.unpins, 1); /* the peer has it still */
    again = core_attach(&core, 1);                /* another incarnation beside it */
    assert_int_not_equal(again, id);
    core.below.busy = 0;
    assert_int_equal(core_work(&core, 100), 0);
    assert_int_equal(core.guests[0].gone, 1);
    blanket_guest_detach(core.level, id); /* nobody's now */
    assert_int_equal(core_attach(&core, 0), id);
    device = core_mint(&core, id, 0, "vbd/1");
    /* Tables are new, the below isn't: it catches up. */
    assert_int_equal(core_access(&core, id, device, 0, 1, 1), -BLANKET_EAGAIN);
    assert_int_equal(core_access(&core, id, device, 0, 1, 1), 0);
    core_fini(&core);
}

/* Somebody is at the tables when the worker would free them. */
static void who_holds_a_guest_keeps_it(void **state)
{
    struct core core;
    struct blanket_level_guest *guest;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    guest = blanket_guest_hold(core.level, id);
    assert_int_equal(blanket_guest_end(core.level, id), -BLANKET_EBUSY);
    assert_int_equal(guest->attached, 1);
    assert_non_null(guest->endpoints);
    blanket_guest_release(guest);
    core_fini(&core);
}

static void detaching_nobody(void **state)
{
    struct core core;

    (void)state;
    core_init(&core);
    blanket_guest_detach(core.level, 0);
    blanket_guest_detach(core.level, UINT32_MAX);
    assert_int_equal(core.kicks_soon, 0);
    core_fini(&core);
}

static void a_detached_guest_is_refused(void **state)
{
    struct core core;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    blanket_guest_detach(core.level, id);
    assert_int_equal(core_call(&core, id, BLANKET_VERB_ENDPOINT_QUERY, core_self(), NULL, 0),
                     -BLANKET_EPERM);
    assert_int_equal(core.trace.reason, BLANKET_REASON_DEAD);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_incomplete_host_is_refused),
        cmocka_unit_test(limits_have_limits),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(guests_have_limits),
        cmocka_unit_test(a_guest_ends_and_comes_again),
        cmocka_unit_test(who_holds_a_guest_keeps_it),
        cmocka_unit_test(detaching_nobody),
        cmocka_unit_test(a_detached_guest_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
