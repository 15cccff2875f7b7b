/* SPDX-License-Identifier: MIT */
/* Endpoints come to be, die and drain: the guest's verbs, and routes. */
#include "core_fixture.h"

#include "derive.h"

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

static const uint32_t eight[3] = {8, 8, 8};
static const uint32_t none[3] = {0, 0, 0};

static int derive_items(struct fixture *f, const uint64_t *items)
{
    return core_call_payload(&f->core, f->id, BLANKET_VERB_ENDPOINT_DERIVE, f->device, items, 5,
                             NULL, 0);
}

static void a_child_is_part_of_its_parent(void **state)
{
    const uint64_t child = blanket_handle(4, 9);
    struct fixture f;
    struct blanket_wire_endpoint info;
    const struct blanket_endpoint *parent, *endpoint;

    (void)state;
    init(&f);
    parent = core_endpoint(&f.core, f.id, f.device);
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, eight, "part/0"), 0);
    assert_int_equal(f.core.reply.done, 1);
    assert_int_equal(core_status(&f.core, 0), 0);
    endpoint = core_endpoint(&f.core, f.id, child);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, child, &info), 0);
    assert_string_equal(info.name, "part/0");
    assert_int_equal(info.grant_count, 8);
    /* Carved from the end: its index 0 is the parent's 8. */
    assert_int_equal(info.grant_base, 508);
    assert_int_equal(info.port_base, parent->windows[BLANKET_TABLE_PORTS].first + 8);
    assert_true(info.scope == 0x300);
    assert_true(endpoint->label == parent->label);
    assert_int_equal(endpoint->event_base, parent->event_base);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 1, 3), 0);
    assert_int_equal(blanket_item_index(f.core.below.last_items[0]), 8);
    assert_true(f.core.below.last_endpoint == 0);
    /* What it has, its parent can't name. */
    assert_int_equal(core_access(&f.core, f.id, f.device, 8, 2, 3), -BLANKET_ENOSPC);
    assert_int_equal(core_end(&f.core, f.id, f.device, 8, 1), -BLANKET_ENOENT);
    assert_int_equal(core_access(&f.core, f.id, f.device, 7, 1, 4), 0);
    core_check(&f.core);
    core_fini(&f.core);
}

static void rights_only_shrink(void **state)
{
    const uint32_t less = BLANKET_RIGHTS_ALL & ~(1u << BLANKET_RIGHT_GRANT_COPY);
    struct core core;
    struct blanket_mint mint;
    struct blanket_wire_endpoint info;
    uint64_t device;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    mint = core_mint_spec(&core, id, 0, "vbd/1");
    mint.rights = less;
    assert_int_equal(blanket_endpoint_mint(core.level, &mint, &device, NULL), 0);
    assert_int_equal(core_derive(&core, id, device, blanket_handle(2, 1), none, ""), 0);
    assert_int_equal(blanket_endpoint_info(core.level, id, blanket_handle(2, 1), &info), 0);
    assert_int_equal(info.rights, less);
    core_fini(&core);
}

static void what_no_guest_could_mean_is_refused(void **state)
{
    struct fixture f;
    uint64_t items[5] = {
        blanket_item_slot(BLANKET_ITEM_ENDPOINT, 2, 1),
        blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_RIGHTS_ALL),
        blanket_item(BLANKET_ITEM_COUNT, 0, 0),
        blanket_item(BLANKET_ITEM_COUNT, 0, 0),
        blanket_item(BLANKET_ITEM_COUNT, 0, 0),
    };
    uint64_t hash;

    (void)state;
    init(&f);
    hash = blanket_level_hash(f.core.level);
    for (uint32_t i = 2; i < 5; i++) {
        items[i] = blanket_item(BLANKET_ITEM_COUNT, 0, 65537);
        assert_int_equal(derive_items(&f, items), -BLANKET_EINVAL);
        items[i] = blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_ITEM_VALUE_MASK);
        assert_int_equal(derive_items(&f, items), -BLANKET_EINVAL);
        items[i] = blanket_item(BLANKET_ITEM_COUNT, 0, 65536);
        assert_int_equal(derive_items(&f, items), -BLANKET_ENOSPC);
        assert_int_equal(f.core.trace.reason, BLANKET_REASON_QUOTA);
        items[i] = blanket_item(BLANKET_ITEM_COUNT, 0, 0);
    }
    items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_RIGHTS_ALL + 1);
    assert_int_equal(derive_items(&f, items), -BLANKET_EINVAL);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_MALFORMED);
    items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, 0);
    items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, 0xffff, 1);
    assert_int_equal(derive_items(&f, items), -BLANKET_ENOSPC);
    assert_int_equal(f.core.reply.detail, BLANKET_QUOTA_ENDPOINTS);
    assert_true(hash == blanket_level_hash(f.core.level));
    core_fini(&f.core);
}

static void a_stale_child_is_told_what_to_exceed(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, blanket_handle(2, 300)), 0);
    assert_int_equal(core_derive(&f.core, f.id, f.device, blanket_handle(2, 300), none, ""),
                     -BLANKET_ESTALE);
    assert_int_equal(f.core.reply.detail, 300);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_OBJECT);
    assert_int_equal(f.core.trace.quota, 0); /* it isn't one */
    assert_int_equal(core_derive(&f.core, f.id, f.device, blanket_handle(2, 301), none, ""), 0);
    assert_int_equal(core_derive(&f.core, f.id, f.device, blanket_handle(2, 302), none, ""),
                     -BLANKET_EEXIST);
    core_fini(&f.core);
}

static void revoking_by_the_guest(void **state)
{
    const uint64_t child = blanket_handle(4, 5), grandchild = blanket_handle(3, 1);
    struct fixture f;
    struct blanket_mint mint;
    uint64_t other;

    (void)state;
    init(&f);
    other = core_mint(&f.core, f.id, 1, "vbd/2");
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, eight, ""), 0);
    assert_int_equal(core_derive(&f.core, f.id, child, grandchild, none, ""), 0);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 1, 3), 0);
    /* Not its own, itself, the guest's own, beyond the table. */
    assert_int_equal(core_revoke(&f.core, f.id, other, child), -BLANKET_EPERM);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, f.device), -BLANKET_EPERM);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, core_self()), -BLANKET_EPERM);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, blanket_handle(16, 1)), -BLANKET_EPERM);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_OBJECT);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, blanket_handle(4, 6)), -BLANKET_EBUSY);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, blanket_handle(4, 4)), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_LIVE);
    f.core.notified = f.core.endpoint_events = f.core.kicks_soon = 0;
    assert_int_equal(core_revoke(&f.core, f.id, f.device, child), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(f.core.notified, 1);
    assert_int_equal(f.core.notified_port, BLANKET_PORT_CONTROL);
    assert_int_equal(f.core.endpoint_events, 1);
    assert_true(f.core.event_endpoint == child);
    assert_int_equal(f.core.event_bits, BLANKET_EVENT_DEAD);
    assert_int_equal(f.core.kicks_soon, 1);
    /* Again: it is done, and nobody is told twice. */
    assert_int_equal(core_revoke(&f.core, f.id, f.device, child), 0);
    assert_int_equal(f.core.endpoint_events, 1);
    assert_int_equal(core_access(&f.core, f.id, child, 1, 1, 3), -BLANKET_EPERM);
    assert_int_equal(core_access(&f.core, f.id, grandchild, 1, 1, 3), -BLANKET_EPERM);
    assert_int_equal(core_work(&f.core, 100), 0);
    core_check(&f.core);
    /* Its slot has another owner now: destroying what isn't there is success all the same. */
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_FREE);
    mint = core_mint_spec(&f.core, f.id, 2, "vbd/3");
    mint.slot = 4;
    assert_int_equal(blanket_endpoint_mint(f.core.level, &mint, &other, NULL), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->generation, 6);
    assert_int_equal(core_revoke(&f.core, f.id, f.device, child), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_LIVE);
    core_fini(&f.core);
}

/* The caller never heard of its child: it is revoked, and nothing else of that number is touched. */
static void a_derive_whose_reply_is_lost_leaves_nothing(void **state)
{
    const uint64_t child = blanket_handle(4, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 4, 1), 0); /* the same number, a port */
    f.core.to_fails_at = 1;
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, none, ""), -BLANKET_EIO);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(core_slot(&f.core, f.id, BLANKET_TABLE_PORTS, f.device, 4)->state,
                     BLANKET_SLOT_LIVE);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_FREE);
    core_fini(&f.core);
}

static void a_reset_empties_and_ends(void **state)
{
    const uint64_t child = blanket_handle(4, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_derive(&f.core, f.id, f.device, child, eight, ""), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 1, 2), 0);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_RESET, f.device, NULL, 0), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_RESETTING);
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 1, 3), -BLANKET_EAGAIN);
    assert_int_equal(core_access(&f.core, f.id, child, 1, 1, 3), -BLANKET_EAGAIN);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(core_endpoint(&f.core, f.id, child)->state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 3), -BLANKET_ESTALE);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 2, 3), 0);
    core_fini(&f.core);
}

/* Somebody revokes it while its reset is on its way. */
static void reset_of_what_died(struct core *core)
{
    core->hooked = NULL;
    assert_int_equal(blanket_endpoint_revoke(core->level, 0, blanket_handle(1, 1)), 0);
}

static void a_reset_doesnt_revive(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.hooked = reset_of_what_died;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_RESET, f.device, NULL, 0), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(core_work(&f.core, 100), 0);
    core_fini(&f.core);
}

static void routes_are_checked_whole(void **state)
{
    struct fixture f;

    (void)state;
    init(&f); /* it has 0..15 */
    assert_int_equal(blanket_endpoint_route_check(f.core.level, 16, CORE_EVENTS - 16), 0);
    assert_int_equal(blanket_endpoint_route_check(f.core.level, 16, CORE_EVENTS - 15),
                     -BLANKET_EINVAL);
    assert_int_equal(blanket_endpoint_route_check(f.core.level, (uint64_t)UINT32_MAX + 1, 1),
                     -BLANKET_EINVAL);
    assert_int_equal(blanket_endpoint_route_check(f.core.level, UINT64_MAX / 2, 0), 0);
    assert_int_equal(blanket_endpoint_route_check(f.core.level, 15, 1), -BLANKET_EEXIST);
    core_fini(&f.core);
}

static void without_the_hosts_event_hook(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.ops.endpoint_event = NULL;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(f.core.endpoint_events, 0);
    assert_int_equal(f.core.notified, 1);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_part_of_its_parent),
        cmocka_unit_test(rights_only_shrink),
        cmocka_unit_test(what_no_guest_could_mean_is_refused),
        cmocka_unit_test(a_stale_child_is_told_what_to_exceed),
        cmocka_unit_test(revoking_by_the_guest),
        cmocka_unit_test(a_derive_whose_reply_is_lost_leaves_nothing),
        cmocka_unit_test(a_reset_empties_and_ends),
        cmocka_unit_test(a_reset_doesnt_revive),
        cmocka_unit_test(routes_are_checked_whole),
        cmocka_unit_test(without_the_hosts_event_hook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
