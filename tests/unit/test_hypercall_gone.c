/* SPDX-License-Identifier: MIT */
/* Pages whose user is going: which are taken down, by whom, and when they are unpinned. */
#include "core_fixture.h"

#define OWN_FIRST                                                                                  \
    1u /* grants OWN_FIRST.. are by the caller's own grant, the ones before by frame */

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

static int own(struct fixture *f, uint64_t device, uint32_t index, uint32_t generation)
{
    const uint64_t items[2] = {grant_item(index, generation),
                               blanket_item(BLANKET_ITEM_OWN_GRANT, RW, index)};

    return core_one(&f->core, f->id, BLANKET_VERB_GRANT_ACCESS, device, items, 2);
}

static void fill(struct fixture *f, uint64_t device, uint32_t count)
{
    for (uint32_t i = 0; i < OWN_FIRST; i++) {
        assert_int_equal(core_access(&f->core, f->id, device, i, 1, i), 0);
    }
    for (uint32_t i = OWN_FIRST; i < OWN_FIRST + count; i++) {
        assert_int_equal(own(f, device, i, 1), 0);
    }
}

/* A number in the guest's port space that is the device's. */
static uint32_t port_of(struct fixture *f, uint64_t device)
{
    return core_endpoint(&f->core, f->id, device)->windows[BLANKET_TABLE_PORTS].first + 3;
}

static uint32_t gone(struct fixture *f, uint64_t device, uint32_t budget)
{
    uint32_t count = blanket_pages_gone(f->core.level, f->id, 1, port_of(f, device), budget);

    core_check(&f->core);
    return count;
}

static uint8_t state_of(struct fixture *f, uint64_t device, uint32_t index)
{
    return core_slot(&f->core, f->id, BLANKET_TABLE_GRANTS, device, index)->state;
}

static void what_no_peer_has_is_back_at_once(void **state)
{
    struct fixture f;
    uint64_t other;

    (void)state;
    init(&f);
    other = core_mint(&f.core, f.id, 1, "vbd/2");
    fill(&f, f.device, 5);
    fill(&f, other, 2);
    f.core.kicks_soon = f.core.kicks_later = 0;
    assert_int_equal(gone(&f, f.device, 100), 5);
    assert_int_equal(f.core.unpins, 5);
    assert_int_equal(f.core.kicks_soon + f.core.kicks_later, 0);
    /* By frame, or another endpoint's: as before. */
    assert_int_equal(state_of(&f, f.device, 0), BLANKET_SLOT_LIVE);
    assert_int_equal(state_of(&f, other, OWN_FIRST), BLANKET_SLOT_LIVE);
    for (uint32_t i = OWN_FIRST; i < OWN_FIRST + 5; i++) {
        assert_int_equal(state_of(&f, f.device, i), BLANKET_SLOT_FREE);
    }
    /* Once more, and for the next user of the slots. */
    assert_int_equal(gone(&f, f.device, 100), 0);
    assert_int_equal(own(&f, f.device, OWN_FIRST, 1), -BLANKET_ESTALE);
    assert_int_equal(own(&f, f.device, OWN_FIRST, 2), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 2, 2, 9), 0);
    assert_int_equal(gone(&f, f.device, 100), 1); /* a slot remembers nothing of the one before */
    assert_int_equal(state_of(&f, f.device, 2), BLANKET_SLOT_LIVE);
    core_fini(&f.core);
}

static void what_a_peer_has_stays_pinned(void **state)
{
    struct fixture f;
    uint32_t calls;

    (void)state;
    init(&f);
    fill(&f, f.device, 5);
    f.core.below.busy = 1;
    f.core.kicks_soon = f.core.kicks_later = 0;
    assert_int_equal(gone(&f, f.device, 100), 5);
    assert_int_equal(f.core.unpins, 0);
    assert_int_equal(f.core.kicks_soon, 0);
    assert_true(f.core.kicks_later > 0);
    for (uint32_t i = OWN_FIRST; i < OWN_FIRST + 5; i++) {
        assert_int_equal(state_of(&f, f.device, i), BLANKET_SLOT_CLOSING);
    }
    /* It isn't asked again for each page's signal. */
    calls = f.core.below.calls;
    assert_int_equal(gone(&f, f.device, 100), 0);
    assert_int_equal(f.core.below.calls, calls);
    assert_int_equal(own(&f, f.device, OWN_FIRST, 2), -BLANKET_EBUSY);
    assert_int_equal(core_work(&f.core, 10), 2);
    assert_int_equal(f.core.unpins, 0);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.unpins, 5);
    assert_int_equal(state_of(&f, f.device, 0), BLANKET_SLOT_LIVE);
    core_fini(&f.core);
}

/* The worker does what is beyond the budget, or all, where there is no vCPU to do it on. */
static void what_is_beyond_the_budget(void **state)
{
    static const uint32_t budgets[] = {0, 1, 3, 5};
    struct fixture f;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        init(&f);
        fill(&f, f.device, 5);
        f.core.kicks_soon = 0;
        assert_int_equal(gone(&f, f.device, budgets[i]), 5);
        assert_int_equal(f.core.unpins, budgets[i]);
        assert_int_equal(f.core.kicks_soon != 0, budgets[i] < 5);
        assert_int_equal(own(&f, f.device, OWN_FIRST + 4, 2), budgets[i] < 5 ? -BLANKET_EBUSY : 0);
        assert_int_equal(core_work(&f.core, 10), 0);
        assert_int_equal(f.core.unpins, 5);
        core_fini(&f.core);
    }
    init(&f);
    fill(&f, f.device, 2);
    f.core.level->contexts[1].busy = 1; /* a call is under way on it */
    assert_int_equal(gone(&f, f.device, 10), 2);
    f.core.level->contexts[1].busy = 0;
    assert_int_equal(f.core.unpins, 0);
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.unpins, 2);
    core_fini(&f.core);
    init(&f);
    fill(&f, f.device, 2);
    assert_int_equal(blanket_pages_gone(f.core.level, f.id, 77, port_of(&f, f.device), 10), 2);
    assert_int_equal(f.core.unpins, 0); /* there is no such vCPU */
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.unpins, 2);
    core_fini(&f.core);
}

static void more_than_one_call_takes(void **state)
{
    const struct blanket_guest_limits limits = {
        .endpoints = 2, .grants = 128, .mappings = 8, .ports = 32, .vcpus = 1};
    struct fixture f;
    struct blanket_mint mint;
    uint32_t quota;

    (void)state;
    for (uint32_t budget = 63; budget <= 128; budget += 65) {
        core_init(&f.core);
        f.id = core_attach_limits(&f.core, 0, &limits);
        mint = core_mint_spec(&f.core, f.id, 0, "vbd/1");
        mint.grants.count = 128;
        mint.mappings.count = 0;
        assert_int_equal(blanket_endpoint_mint(f.core.level, &mint, &f.device, &quota), 0);
        for (uint32_t i = 0; i < 128; i++) {
            const uint64_t items[2] = {grant_item(i, 1),
                                       blanket_item(BLANKET_ITEM_OWN_GRANT, RW, i % CORE_FRAMES)};

            assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2),
                             0);
        }
        assert_int_equal(gone(&f, f.device, budget), 128);
        assert_int_equal(f.core.unpins, budget);
        assert_int_equal(core_work(&f.core, 1000), 0);
        assert_int_equal(f.core.unpins, 128);
        core_fini(&f.core);
    }
}

/* Below it stops in the middle: the rest is closing, and comes with the worker. */
static void a_below_that_stops(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    fill(&f, f.device, 5);
    f.core.below.done = 2;
    assert_int_equal(gone(&f, f.device, 100), 5);
    assert_int_equal(f.core.unpins, 2);
    assert_int_equal(own(&f, f.device, OWN_FIRST + 4, 2), -BLANKET_EBUSY);
    f.core.below.done = 0;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.unpins, 5);
    core_fini(&f.core);
}

static void ports_of_nobody(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    fill(&f, f.device, 2);
    assert_int_equal(blanket_pages_gone(f.core.level, f.id, 0, 0, 10), 0); /* the control port */
    assert_int_equal(blanket_pages_gone(f.core.level, f.id, 0, 1u << 20, 10), 0);
    assert_int_equal(blanket_pages_gone(f.core.level, f.id, 0, UINT32_MAX, 10), 0);
    assert_int_equal(blanket_pages_gone(f.core.level, f.id + 1, 0, port_of(&f, f.device), 10), 0);
    assert_int_equal(blanket_pages_gone(f.core.level, UINT32_MAX, 0, 8, 10), 0);
    assert_int_equal(state_of(&f, f.device, OWN_FIRST), BLANKET_SLOT_LIVE);
    core_check(&f.core);
    core_fini(&f.core);
}

/* A part of the device has its own ports and its own pages. */
static void what_derives_has_its_own(void **state)
{
    const uint32_t counts[3] = {8, 0, 8};
    const uint64_t child = blanket_handle(5, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, counts, "part"), 0);
    fill(&f, f.device, 2);
    fill(&f, child, 2);
    assert_int_equal(gone(&f, child, 10), 2);
    assert_int_equal(state_of(&f, f.device, OWN_FIRST), BLANKET_SLOT_LIVE);
    assert_int_equal(state_of(&f, child, OWN_FIRST), BLANKET_SLOT_FREE);
    core_fini(&f.core);
}

/* Revoked, lost or being reset: its pages go at once all the same. */
static void what_is_no_longer_live(void **state)
{
    struct fixture f;

    (void)state;
    for (int how = 0; how < 3; how++) {
        const uint64_t self = core_self();

        init(&f);
        fill(&f, f.device, 3);
        if (how == 0) {
            assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
        } else if (how == 1) {
            blanket_endpoint_lost(f.core.level, &f.core.under, 0);
        } else {
            assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_RESET, self, NULL, 0),
                             0);
        }
        assert_int_equal(gone(&f, f.device, 10), 3);
        assert_int_equal(f.core.unpins, 3);
        assert_int_equal(core_work(&f.core, 10), 0);
        assert_int_equal(f.core.unpins, 3 + OWN_FIRST);
        assert_int_equal(gone(&f, f.device, 10), 0);
        core_fini(&f.core);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_peer_has_is_back_at_once),
        cmocka_unit_test(what_a_peer_has_stays_pinned),
        cmocka_unit_test(what_is_beyond_the_budget),
        cmocka_unit_test(more_than_one_call_takes),
        cmocka_unit_test(a_below_that_stops),
        cmocka_unit_test(ports_of_nobody),
        cmocka_unit_test(what_derives_has_its_own),
        cmocka_unit_test(what_is_no_longer_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
