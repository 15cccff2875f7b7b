/* SPDX-License-Identifier: MIT */
/* From a handle to an endpoint that is pinned, or the right refusal. */
#include "core_fixture.h"

#include "child.h"
#include "derive.h"
#include "verbs.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
    struct blanket_request request;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
    memset(&f->request, 0, sizeof(f->request));
    f->request.level = f->core.level;
    f->request.guest = &f->core.level->guests[f->id];
    f->request.guest_id = f->id;
}

static int pin(struct fixture *f, uint16_t verb, uint64_t handle)
{
    f->request.verb = blanket_verb_find(verb);
    f->request.handle = handle;
    f->request.reason = 0;
    return blanket_endpoint_pin(&f->request);
}

static void unpin(struct fixture *f)
{
    blanket_endpoint_unpin(f->core.level, f->request.guest, f->request.endpoint);
}

static void what_a_handle_can_be(void **state)
{
    struct fixture f;
    const uint16_t act = BLANKET_VERB_GRANT_QUERY, destroy = BLANKET_VERB_GRANT_UNMAP;
    uint32_t slot;

    (void)state;
    init(&f);
    slot = (uint32_t)f.device;
    assert_int_equal(pin(&f, act, f.device), 0);
    assert_int_equal(f.request.endpoint->inflight, 1);
    assert_int_equal(f.request.endpoint_index, slot);
    unpin(&f);
    assert_int_equal(f.core.kicks_soon, 0);
    assert_int_equal(pin(&f, act, blanket_handle(16, 1)), -BLANKET_EPERM);
    assert_int_equal(f.request.reason, BLANKET_REASON_SLOT);
    assert_int_equal(pin(&f, destroy, blanket_handle(UINT32_MAX, 1)), -BLANKET_EPERM);
    assert_int_equal(pin(&f, act, blanket_handle(slot, 2)), -BLANKET_EPERM);
    assert_int_equal(f.request.reason, BLANKET_REASON_SLOT);
    assert_int_equal(pin(&f, act, blanket_handle(slot, 0)), -BLANKET_EPERM);
    assert_int_equal(f.request.reason, BLANKET_REASON_STALE);
    assert_int_equal(pin(&f, destroy, blanket_handle(slot, 0)), -BLANKET_EPERM);
    assert_int_equal(pin(&f, destroy, blanket_handle(slot, 2)), -BLANKET_EPERM);
    assert_int_equal(pin(&f, destroy, blanket_handle(5, 1)), -BLANKET_EPERM); /* never was */
    core_fini(&f.core);
}

static void what_is_gone_is_destroyed_already(void **state)
{
    struct fixture f;
    uint64_t next;

    (void)state;
    init(&f);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_UNMAP, f.device), BLANKET_PIN_GONE);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, f.device), -BLANKET_EPERM);
    assert_int_equal(f.request.reason, BLANKET_REASON_STALE);
    next = core_mint(&f.core, f.id, 0, "vbd/1");
    assert_true(next == f.device + ((uint64_t)1 << 32));
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_UNMAP, f.device), BLANKET_PIN_GONE);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, f.device), -BLANKET_EPERM);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, next), 0);
    unpin(&f);
    core_fini(&f.core);
}

/* Each state, of the endpoint and of each ancestor: who gets in, who is told what. */
static void the_worst_of_all_ancestors_counts(void **state)
{
    static const struct {
        uint32_t state;
        int status;
        uint8_t reason;
    } cases[] = {
        {BLANKET_ENDPOINT_BROKEN, -BLANKET_ENOTCONN, BLANKET_REASON_BROKEN},
        {BLANKET_ENDPOINT_RESETTING, -BLANKET_EAGAIN, BLANKET_REASON_BROKEN},
        {BLANKET_ENDPOINT_DEAD, -BLANKET_EPERM, BLANKET_REASON_DEAD},
    };
    const uint32_t counts[3] = {0, 0, 0};
    struct fixture f;
    uint64_t chain[3];

    (void)state;
    init(&f);
    chain[0] = core_self();
    chain[1] = f.device;
    chain[2] = blanket_handle(9, 4);
    assert_int_equal(core_derive(&f.core, f.id, f.device, chain[2], counts, ""), 0);
    for (uint32_t at = 0; at < 3; at++) {
        for (uint32_t i = 0; i < 3; i++) {
            struct blanket_endpoint *endpoint = core_endpoint(&f.core, f.id, chain[at]);

            endpoint->state = cases[i].state;
            f.core.kicks_soon = 0;
            assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, chain[2]), cases[i].status);
            assert_int_equal(f.request.reason, cases[i].reason);
            assert_int_equal(f.core.kicks_soon, 0); /* nobody can kick by being refused */
            assert_int_equal(pin(&f, BLANKET_VERB_GRANT_UNMAP, chain[2]), 0);
            unpin(&f);
            assert_int_equal(f.core.kicks_soon, 1); /* the last one out */
            endpoint->state = BLANKET_ENDPOINT_LIVE;
        }
    }
    core_endpoint(&f.core, f.id, chain[2])->state = BLANKET_ENDPOINT_RESETTING;
    core_endpoint(&f.core, f.id, chain[1])->state = BLANKET_ENDPOINT_BROKEN;
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, chain[2]), -BLANKET_ENOTCONN);
    core_endpoint(&f.core, f.id, chain[2])->state = BLANKET_ENDPOINT_BROKEN;
    core_endpoint(&f.core, f.id, chain[1])->state = BLANKET_ENDPOINT_RESETTING;
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, chain[2]), -BLANKET_ENOTCONN);
    core_endpoint(&f.core, f.id, chain[2])->state = BLANKET_ENDPOINT_LIVE;
    core_endpoint(&f.core, f.id, chain[1])->state = BLANKET_ENDPOINT_LIVE;
    core_fini(&f.core);
}

static void two_in_flight_kick_once(void **state)
{
    struct fixture f;
    struct blanket_endpoint *endpoint;

    (void)state;
    init(&f);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, f.device), 0);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_QUERY, f.device), 0);
    endpoint = f.request.endpoint;
    assert_int_equal(endpoint->inflight, 2);
    endpoint->state = BLANKET_ENDPOINT_BROKEN;
    unpin(&f);
    assert_int_equal(f.core.kicks_soon, 0);
    unpin(&f);
    assert_int_equal(f.core.kicks_soon, 1);
    assert_int_equal(f.request.guest->work, 1);
    endpoint->state = BLANKET_ENDPOINT_LIVE;
    core_fini(&f.core);
}

/*
 * A call that came between the worker's look at the count and its store of FREE (models/revoke.pml,
 * BUG_NOMARK): the worker looks once more and leaves the endpoint dead.
 */
static void who_pins_at_the_last_moment_keeps_the_endpoint(void **state)
{
    struct fixture f;
    struct blanket_endpoint *endpoint;
    const uint32_t events = BLANKET_EVENT_DEAD;

    (void)state;
    init(&f);
    endpoint = core_endpoint(&f.core, f.id, f.device);
    assert_int_equal(blanket_endpoint_kill(endpoint), 1);
    assert_int_equal(pin(&f, BLANKET_VERB_GRANT_UNMAP, f.device), 0);
    assert_int_equal(blanket_endpoint_drain(f.core.level, f.request.guest, (uint32_t)f.device),
                     -BLANKET_EBUSY);
    assert_int_equal(endpoint->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(endpoint->events, events);
    assert_string_equal(endpoint->name, "vbd/1");
    unpin(&f);
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(endpoint->state, BLANKET_ENDPOINT_FREE);
    core_fini(&f.core);
}

static void guests_are_found_and_held(void **state)
{
    struct core core;
    uint32_t id;

    (void)state;
    core_init(&core);
    assert_null(blanket_guest_find(core.level, 0));
    assert_null(blanket_guest_find(core.level, CORE_GUESTS));
    assert_null(blanket_guest_hold(core.level, 0));
    assert_int_equal(core.level->guests[0].holds, 0);
    assert_null(blanket_guest_hold(core.level, CORE_GUESTS));
    assert_null(blanket_guest_hold(core.level, UINT32_MAX));
    id = core_attach(&core, 0);
    assert_ptr_equal(blanket_guest_find(core.level, id), &core.level->guests[id]);
    assert_ptr_equal(blanket_guest_hold(core.level, id), &core.level->guests[id]);
    /* Somebody is at its tables: it stays, detached or not. */
    blanket_guest_detach(core.level, id);
    assert_int_equal(core_work(&core, 10), 2);
    assert_int_equal(core.guests[0].gone, 0);
    blanket_guest_release(&core.level->guests[id]);
    assert_int_equal(core_work(&core, 10), 0);
    assert_int_equal(core.guests[0].gone, 1);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_handle_can_be),
        cmocka_unit_test(what_is_gone_is_destroyed_already),
        cmocka_unit_test(the_worst_of_all_ancestors_counts),
        cmocka_unit_test(two_in_flight_kick_once),
        cmocka_unit_test(who_pins_at_the_last_moment_keeps_the_endpoint),
        cmocka_unit_test(guests_are_found_and_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
