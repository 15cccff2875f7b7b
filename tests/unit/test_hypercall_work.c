/* SPDX-License-Identifier: MIT */
/* The worker: everything is swept in the end, whatever the budget, and nobody is starved. */
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

static void fill(struct fixture *f, uint64_t device, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t map[3] = {mapping_item(i, 1),
                                 blanket_item(BLANKET_ITEM_PEER_REF, BLANKET_ACCESS_READ, i),
                                 frame_item(i + 32, 0)};

        assert_int_equal(core_access(&f->core, f->id, device, i, 1, i), 0);
        assert_int_equal(core_one(&f->core, f->id, BLANKET_VERB_GRANT_MAP, device, map, 3), 0);
        assert_int_equal(
            core_port(&f->core, f->id,
                      i % 2 ? BLANKET_VERB_STORE_CONNECT : BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
                      device, i, 1),
            0);
    }
}

static void nothing_to_do(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_work(f.core.level, 0), 0);
    assert_int_equal(blanket_work(f.core.level, 10), 0);
    f.core.level->working = 1; /* another worker is at it */
    assert_int_equal(blanket_work(f.core.level, 10), 1);
    f.core.level->working = 0;
    core_fini(&f.core);
}

/* A step a call: each makes progress, though the tables are in front of what is dead. */
static void a_budget_of_one(void **state)
{
    struct fixture f;
    struct blanket_level_stats before, after;
    uint64_t last;
    int rc = 1;

    (void)state;
    init(&f);
    last = core_mint(&f.core, f.id, 1, "vbd/2");
    fill(&f, last, 1); /* alive, and of a higher slot */
    fill(&f, f.device, 5);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(blanket_work(f.core.level, 0), 1);
    for (uint32_t steps = 0; rc == 1; steps++) {
        assert_true(steps < 40);
        blanket_level_stats(f.core.level, &before);
        rc = blanket_work(f.core.level, 1);
        blanket_level_stats(f.core.level, &after);
        assert_true(before.grants + before.mappings + before.ports <=
                    after.grants + after.mappings + after.ports + 1);
        core_check(&f.core);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(after.grants + after.mappings + after.ports, 3);
    core_fini(&f.core);
}

/* What a peer holds doesn't stand in front of what nobody holds: not in its endpoint... */
static void hold_first(struct core_below *below, struct blanket_call *call)
{
    for (uint32_t i = 0; i < call->element_count; i++) {
        uint64_t item = call->items[(size_t)i * call->element_items];

        if (blanket_item_index(item) < 4 && blanket_item_type(item) == BLANKET_ITEM_GRANT) {
            below->objects[call->endpoint][0][blanket_item_index(item)].live = 1;
            call->results[i] = blanket_result(-BLANKET_EBUSY, 0);
        }
    }
}

static void who_waits_doesnt_stand_in_the_way(void **state)
{
    struct fixture f;
    struct blanket_level_stats stats;
    int rc = 1;

    (void)state;
    init(&f);
    fill(&f, f.device, 8);
    f.core.below.inside = hold_first;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    for (uint32_t steps = 0; rc == 1 && steps < 100; steps++) {
        rc = blanket_work(f.core.level, 2);
    }
    assert_int_equal(rc, 2);
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.grants, 4);
    assert_int_equal(stats.mappings + stats.ports, 0);
    assert_int_equal(stats.closing, 4);
    /* Its passes end with "waits", though each takes several calls. */
    rc = 1;
    for (uint32_t steps = 0; rc == 1 && steps < 10; steps++) {
        rc = blanket_work(f.core.level, 1);
    }
    assert_int_equal(rc, 2);
    f.core.below.inside = NULL;
    assert_int_equal(core_work(&f.core, 1), 0);
    core_fini(&f.core);
}

/* ...nor in another guest's. */
static void guests_take_turns(void **state)
{
    struct fixture f;
    uint32_t other;
    uint64_t theirs;

    (void)state;
    init(&f);
    other = core_attach(&f.core, 1);
    theirs = core_mint(&f.core, other, 1, "vbd/1");
    fill(&f, f.device, 8);
    f.core.below.inside = hold_first;
    assert_int_equal(core_alloc(&f.core, other, theirs, 0, 1), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, other, theirs), 0);
    for (uint32_t steps = 0; steps < 20; steps++) {
        (void)blanket_work(f.core.level, 1);
    }
    assert_int_equal(core_endpoint(&f.core, other, theirs)->state, BLANKET_ENDPOINT_FREE);
    f.core.below.inside = NULL;
    core_fini(&f.core);
}

static void verbs_by_what_was_bound(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    fill(&f, f.device, 2); /* a channel and a store's port beside each other */
    f.core.below.calls = 0;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(blanket_work(f.core.level, 100), 1);
    assert_int_equal(f.core.below.calls, 4);
    assert_int_equal(f.core.below.last_verb, BLANKET_VERB_STORE_DISCONNECT);
    assert_int_equal(core_work(&f.core, 100), 0);
    core_fini(&f.core);
}

/* A store is disconnected port by port: the verb takes one. */
static void connections_one_by_one(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(core_port(&f.core, f.id, BLANKET_VERB_STORE_CONNECT, f.device, i, 1), 0);
    }
    f.core.below.calls = 0;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.below.calls, 3);
    core_fini(&f.core);
}

static void more_slots_than_one_call_takes(void **state)
{
    const struct blanket_guest_limits limits = {2, 128, 0, 0, 1};
    struct core core;
    struct blanket_mint mint;
    uint64_t items[256], device;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach_limits(&core, 0, &limits);
    mint = core_mint_spec(&core, id, 0, "vbd/1");
    mint.grants.count = 128;
    mint.mappings.count = mint.ports.count = 0;
    assert_int_equal(blanket_endpoint_mint(core.level, &mint, &device, NULL), 0);
    for (uint32_t i = 0; i < 128; i++) {
        items[2 * i] = grant_item(i, 1);
        items[2 * i + 1] = frame_item(i % CORE_FRAMES, RW);
    }
    assert_int_equal(core_call(&core, id, BLANKET_VERB_GRANT_ACCESS, device, items, 256), 0);
    core.below.calls = 0;
    assert_int_equal(blanket_endpoint_revoke(core.level, id, device), 0);
    assert_int_equal(core_work(&core, 1000), 0);
    assert_int_equal(core.below.calls, 2);
    assert_int_equal(core.pins, core.unpins);
    core_fini(&core);
}

/* A destroy that is lost each time: the worker neither gives up nor hurries. */
static void a_below_that_never_answers(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    fill(&f, f.device, 3);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    f.core.kicks_soon = 0;
    f.core.below.status = -BLANKET_EIO;
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(core_work(&f.core, 100), 2);
    }
    assert_int_equal(f.core.kicks_soon, 0);
    assert_true(f.core.kicks_later > 0);
    assert_int_equal(f.core.pins - f.core.unpins, 6);
    f.core.below.status = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    core_fini(&f.core);
}

/* Only what is lost or closing is swept of a live endpoint. */
static void the_living_are_left_alone(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    fill(&f, f.device, 3);
    f.core.below.busy = 1;
    assert_int_equal(core_end(&f.core, f.id, f.device, 1, 1), -BLANKET_EBUSY);
    assert_int_equal(core_work(&f.core, 100), 2);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->used[0], 2);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->used[2], 3);
    core_fini(&f.core);
}

/* --- resets --- */

static int reset(struct fixture *f, uint64_t handle)
{
    return core_call(&f->core, f->id, BLANKET_VERB_ENDPOINT_RESET, handle, NULL, 0);
}

/* While a peer holds a page, or a child can't drain, the host isn't told "more" for ever. */
static void a_reset_that_waits(void **state)
{
    const uint32_t eight[3] = {8, 8, 8};
    const uint64_t child = blanket_handle(5, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, eight, ""), 0);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 1, 1), 0);
    f.core.below.busy = 1;
    assert_int_equal(reset(&f, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 2);
    assert_int_equal(core_work(&f.core, 100), 2);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_RESETTING);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EAGAIN);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    f.core.below.busy = 1; /* and now its own slot */
    assert_int_equal(reset(&f, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 2);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    core_fini(&f.core);
}

/* A restart: its devices are emptied and stay, what it derived from them is dead. */
static void a_guest_resets_itself(void **state)
{
    const uint32_t none[3] = {0, 0, 0};
    const uint64_t child = blanket_handle(5, 1), grandchild = blanket_handle(6, 1);
    const uint64_t orphan = blanket_handle(7, 1);
    struct fixture f;
    uint64_t lost, dead;

    (void)state;
    init(&f);
    lost = core_mint(&f.core, f.id, 1, "vbd/2");
    dead = core_mint(&f.core, f.id, 2, "vbd/3");
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, none, ""), 0);
    assert_int_equal(core_derive(&f.core, f.id, child, grandchild, none, ""), 0);
    assert_int_equal(core_derive(&f.core, f.id, lost, orphan, none, ""), 0);
    fill(&f, f.device, 2);
    fill(&f, dead, 1);
    blanket_endpoint_lost(f.core.level, &f.core.under, 1);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, dead), 0);
    assert_int_equal(reset(&f, core_self()), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 5, 1, 1), -BLANKET_EAGAIN);
    f.core.below.busy = 1;
    assert_int_equal(core_work(&f.core, 100), 2);
    /* Its own endpoint serves again: it may ask about the others. */
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_QUERY, core_self(), NULL, 0),
                     0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_RESETTING);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(core_endpoint(&f.core, f.id, lost)->state, BLANKET_ENDPOINT_BROKEN);
    assert_int_equal(core_endpoint(&f.core, f.id, dead)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(core_endpoint(&f.core, f.id, grandchild)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(core_endpoint(&f.core, f.id, orphan)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(f.core.pins, f.core.unpins);
    core_fini(&f.core);
}

/* --- who is in flight --- */

static void work_and_revoke(struct core_below *below, struct blanket_call *call)
{
    struct core *core = below->core;

    (void)call;
    below->inside = NULL;
    assert_int_equal(core_call(core, 0, BLANKET_VERB_ENDPOINT_QUERY, blanket_handle(1, 1), NULL, 0),
                     -BLANKET_EBUSY); /* this vCPU is here */
    blanket_guest_detach(core->level, 0);
    assert_int_equal(core_work(core, 100), 2);
    assert_int_equal(core->guests[0].gone, 0);
}

static void a_call_in_flight_keeps_its_endpoint(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.inside = work_and_revoke;
    f.core.kicks_soon = 0;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EIO);
    assert_true(f.core.kicks_soon >= 2); /* what it made; and as the last one out */
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.guests[0].gone, 1);
    core_fini(&f.core);
}

static void more_while_it_works(struct core *core)
{
    core->kicked = NULL;
    blanket_guest_kick(core->level, &core->level->guests[0], 1);
}

/* A kick from inside a pass isn't lost: there is work afterwards. */
static void kicks_during_a_pass(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    f.core.kicked = more_while_it_works;
    (void)blanket_work(f.core.level, 100);
    assert_int_equal(f.core.level->guests[f.id].work, 1);
    assert_int_equal(core_work(&f.core, 100), 0);
    core_fini(&f.core);
}

/* Nor one that comes while a pass waits for budget, behind what it has seen already. */
static void kicks_behind_a_pass(void **state)
{
    struct fixture f;
    uint64_t last;

    (void)state;
    init(&f);
    last = core_mint(&f.core, f.id, 1, "vbd/2");
    fill(&f, f.device, 4);
    fill(&f, last, 4);
    f.core.below.busy = 1;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 2);
    assert_int_equal(blanket_work(f.core.level, 1), 1); /* it is at the device, and waits for it */
    f.core.below.busy = 0;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, last), 0);
    assert_int_equal(core_work(&f.core, 1), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, last)->state, BLANKET_ENDPOINT_FREE);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(a_budget_of_one),
        cmocka_unit_test(who_waits_doesnt_stand_in_the_way),
        cmocka_unit_test(guests_take_turns),
        cmocka_unit_test(verbs_by_what_was_bound),
        cmocka_unit_test(connections_one_by_one),
        cmocka_unit_test(more_slots_than_one_call_takes),
        cmocka_unit_test(a_below_that_never_answers),
        cmocka_unit_test(the_living_are_left_alone),
        cmocka_unit_test(a_reset_that_waits),
        cmocka_unit_test(a_guest_resets_itself),
        cmocka_unit_test(a_call_in_flight_keeps_its_endpoint),
        cmocka_unit_test(kicks_during_a_pass),
        cmocka_unit_test(kicks_behind_a_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
