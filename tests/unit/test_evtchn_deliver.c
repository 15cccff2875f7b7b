/* SPDX-License-Identifier: MIT */
/* Events come up: by a number of the below's to a port of a guest's, or to nobody. */
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
    f->device = core_mint(&f->core, f->id, 1, "vbd/1"); /* events 64..79, its ports 48..63 */
}

static void to_the_port_that_it_is_for(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 3, 1), 0);
    blanket_event(f.core.level, 67);
    assert_int_equal(f.core.notified, 1);
    assert_int_equal(f.core.notified_port, 51);
    blanket_event(f.core.level, 67);
    assert_int_equal(f.core.notified, 1);
    assert_int_equal(blanket_event_take(f.core.level, f.id, 51), 1);
    assert_int_equal(blanket_event_take(f.core.level, f.id, 51), 0);
    blanket_event(f.core.level, 67);
    assert_int_equal(f.core.notified, 2);
    core_fini(&f.core);
}

static void what_is_nobodys_is_ignored(void **state)
{
    struct fixture f;
    struct blanket_level_stats stats;

    (void)state;
    init(&f);
    blanket_event(f.core.level, CORE_EVENTS);
    blanket_event(f.core.level, UINT32_MAX);
    blanket_event(f.core.level, 63);
    blanket_event(f.core.level, 80);
    blanket_event(f.core.level, 64); /* its window, nothing bound: latched */
    assert_int_equal(f.core.notified, 0);
    assert_int_equal(blanket_event_take(f.core.level, f.id, 64), 0);
    assert_int_equal(blanket_event_take(f.core.level, f.id, UINT32_MAX), 0);
    assert_int_equal(blanket_event_take(f.core.level, 2, 0), 0);
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.events, 5);
    core_fini(&f.core);
}

static void routes_end_with_the_endpoint(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 0);
    for (uint32_t i = 0; i < CORE_EVENTS; i++) {
        assert_true(f.core.level->routes[i] == 0);
    }
    f.core.notified = 0;
    blanket_event(f.core.level, 64);
    assert_int_equal(f.core.notified, 0);
    core_fini(&f.core);
}

static void a_guest_that_is_gone(void **state)
{
    struct fixture f;
    uint64_t route;

    (void)state;
    init(&f);
    route = f.core.level->routes[64];
    blanket_guest_detach(f.core.level, f.id);
    assert_int_equal(core_work(&f.core, 100), 0);
    f.core.level->routes[64] = route; /* as if it had been read just before */
    f.core.notified = 0;
    blanket_event(f.core.level, 64);
    assert_int_equal(f.core.notified, 0);
    assert_int_equal(f.core.level->guests[f.id].holds, 0);
    f.core.level->routes[64] = 0;
    core_fini(&f.core);
}

/* Of a derived endpoint's ports, the parent's routes lead to it. */
static void a_childs_port(void **state)
{
    const uint32_t counts[3] = {0, 0, 8};
    const uint64_t child = blanket_handle(2, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, counts, ""), 0);
    assert_int_equal(core_alloc(&f.core, f.id, child, 1, 1), 0);
    blanket_event(f.core.level, 64 + 9);
    assert_int_equal(f.core.notified_port, 48 + 9);
    core_fini(&f.core);
}

static void a_level_without_events(void **state)
{
    const struct blanket_limits limits = {1, 1, 0, 1};
    struct core core;

    (void)state;
    core_init_limits(&core, &limits);
    blanket_event(core.level, 0);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_the_port_that_it_is_for),
        cmocka_unit_test(what_is_nobodys_is_ignored),
        cmocka_unit_test(routes_end_with_the_endpoint),
        cmocka_unit_test(a_guest_that_is_gone),
        cmocka_unit_test(a_childs_port),
        cmocka_unit_test(a_level_without_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
