/* SPDX-License-Identifier: MIT */
/* Endpoints as administration sees them: mint, revoke, lost, rebind. */
#include "core_fixture.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint32_t other;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->other = core_attach(&f->core, 1);
}

/* Mints, or is refused without a trace. */
static int mint(struct fixture *f, const struct blanket_mint *spec, uint64_t *handle,
                uint32_t *quota)
{
    uint64_t before = blanket_level_hash(f->core.level);
    int rc;

    *handle = 0;
    *quota = 0;
    rc = blanket_endpoint_mint(f->core.level, spec, handle, quota);
    if (rc != 0) {
        assert_true(before == blanket_level_hash(f->core.level));
        assert_true(*handle == 0);
        core_check(&f->core);
    }
    return rc;
}

static void what_isnt_sound_is_refused(void **state)
{
    struct blanket_below_ops no_send;
    const struct blanket_below_ops nothing = {NULL, NULL};
    struct fixture f;
    uint64_t handle;
    uint32_t quota;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < 11; i++) {
        struct blanket_mint spec = core_mint_spec(&f.core, f.id, 0, "vbd/1");

        no_send = *spec.below.ops;
        no_send.send = NULL;
        switch (i) {
        case 0:
            spec.name = NULL;
            break;
        case 1:
            spec.below.ops = NULL;
            break;
        case 2:
            spec.below.ops = &nothing;
            break;
        case 3:
            spec.below.ops = &no_send; /* the first send would call it */
            break;
        case 4:
            spec.store.ops = &nothing;
            break;
        case 5:
            spec.rights = BLANKET_RIGHTS_ALL + 1;
            break;
        case 6:
            spec.flags = 2;
            break;
        case 7:
            spec.grants.below_first = 65536 - 15;
            break;
        case 8:
            spec.mappings.below_first = UINT32_MAX;
            break;
        case 9:
            spec.ports.below_first = 65536 - 15;
            break;
        default:
            spec.event_base = CORE_EVENTS - 15;
            break;
        }
        assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_EINVAL);
    }
    core_fini(&f.core);
}

static void what_is_taken_is_refused(void **state)
{
    struct fixture f;
    struct blanket_mint spec;
    uint64_t handle, first;
    uint32_t quota;

    (void)state;
    init(&f);
    first = core_mint(&f.core, f.id, 0, "vbd/1");
    assert_true(first == blanket_handle(1, 1));
    spec = core_mint_spec(&f.core, f.id, 1, "vbd/1");
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_EEXIST);
    spec.name = "vbd/2";
    spec.slot = 1;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_EEXIST);
    spec.slot = 0;
    spec.event_base = 15; /* the first one's last event */
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_EEXIST);
    spec.event_base = 64;
    spec.slot = 16;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_ENDPOINTS);
    spec.slot = 0;
    spec.mappings.count = 49; /* 48 are left */
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_MAPPINGS);
    spec.mappings.count = 48;
    spec.ports.count = 48; /* the control port's chunk is nobody's */
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_PORTS);
    spec.ports.count = 40;
    spec.guest = 2;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOENT);
    spec.guest = f.id;
    spec.slot = 9;
    assert_int_equal(mint(&f, &spec, &handle, &quota), 0);
    assert_true(handle == blanket_handle(9, 1));
    assert_int_equal(blanket_endpoint_mint(f.core.level, &spec, &handle, NULL), -BLANKET_EEXIST);
    core_fini(&f.core);
}

static void a_slot_without_generations_is_passed_over(void **state)
{
    struct fixture f;
    struct blanket_mint spec;
    uint64_t handle;
    uint32_t quota;

    (void)state;
    init(&f);
    core_endpoint(&f.core, f.id, 1)->generation = UINT32_MAX;
    assert_true(core_mint(&f.core, f.id, 0, "vbd/1") == blanket_handle(2, 1));
    spec = core_mint_spec(&f.core, f.id, 1, "vbd/2");
    spec.slot = 1;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ESTALE);
    for (uint32_t i = 3; i < 16; i++) {
        core_endpoint(&f.core, f.id, i)->generation = UINT32_MAX;
    }
    spec.slot = 0;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_ENDPOINTS);
    core_fini(&f.core);
}

static void a_dying_guest_gets_none_a_resetting_one_does(void **state)
{
    struct fixture f;
    struct blanket_mint spec;
    uint64_t handle;
    uint32_t quota;

    (void)state;
    init(&f);
    spec = core_mint_spec(&f.core, f.id, 0, "vbd/1");
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_RESET, core_self(), NULL, 0),
                     0);
    assert_int_equal(mint(&f, &spec, &handle, &quota), 0);
    assert_int_equal(core_access(&f.core, f.id, handle, 0, 1, 1), -BLANKET_EAGAIN);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_access(&f.core, f.id, handle, 0, 1, 1), 0);
    blanket_guest_detach(f.core.level, f.id);
    spec.name = "vbd/2";
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_ENOENT);
    core_fini(&f.core);
}

static void a_second_owner_only_by_policy(void **state)
{
    struct fixture f;
    struct blanket_mint spec;
    uint64_t handle, first;
    uint32_t quota;

    (void)state;
    init(&f);
    first = core_mint(&f.core, f.id, 0, "vbd/1");
    spec = core_mint_spec(&f.core, f.id, 0, "vbd/2"); /* the same owner: no question */
    spec.event_base = 128;
    spec.ports.count = spec.grants.count = spec.mappings.count = 8;
    assert_int_equal(mint(&f, &spec, &handle, &quota), 0);
    spec.guest = f.other;
    spec.event_base = 64;
    assert_int_equal(mint(&f, &spec, &handle, &quota), -BLANKET_EPERM);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_SCOPE);
    assert_ptr_equal(f.core.trace.guest, &f.core.guests[1]);
    assert_int_equal(f.core.trace.status, -BLANKET_EPERM);
    spec.flags = BLANKET_MINT_SHARE_SCOPE;
    assert_int_equal(mint(&f, &spec, &handle, &quota), 0);
    spec.flags = 0;
    spec.scope = 0x999;
    spec.name = "vbd/3";
    spec.event_base = 96;
    assert_int_equal(mint(&f, &spec, &handle, &quota), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, first), 0);
    core_fini(&f.core);
}

static void revoking_by_administration(void **state)
{
    struct fixture f;
    struct blanket_wire_endpoint info;
    uint64_t device;

    (void)state;
    init(&f);
    device = core_mint(&f.core, f.id, 0, "vbd/1");
    assert_int_equal(core_access(&f.core, f.id, device, 0, 1, 1), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, 2, device), -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, core_self()), -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, blanket_handle(16, 1)),
                     -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, blanket_handle(5, 0)),
                     -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, blanket_handle(1, 2)),
                     -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_info(f.core.level, 2, device, &info), -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, blanket_handle(1, 2), &info),
                     -BLANKET_ENOENT);
    f.core.below.busy = 1; /* the peer holds its page */
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, device), 0);
    assert_int_equal(f.core.endpoint_events, 1);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, device), 0);
    assert_int_equal(f.core.endpoint_events, 1); /* told once */
    assert_int_equal(core_work(&f.core, 100), 2);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, device, &info), 0);
    assert_int_equal(info.state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(info.closing, 1);
    assert_int_equal(info.grant_used, 1);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.event_bits, BLANKET_EVENT_DEAD | BLANKET_EVENT_DRAINED);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, device, &info), -BLANKET_ENOENT);
    core_fini(&f.core);
}

/* --- lost and rebound --- */

static void lose(struct fixture *f, uint64_t below_endpoint)
{
    blanket_endpoint_lost(f->core.level, &f->core.under, below_endpoint);
}

static void what_is_lost_is_broken_until_rebound(void **state)
{
    struct fixture f;
    struct blanket_below elsewhere;
    struct blanket_wire_endpoint info;
    uint64_t device, apart;

    (void)state;
    init(&f);
    device = core_mint(&f.core, f.id, 0, "vbd/1");
    apart = core_mint(&f.core, f.other, 1, "vbd/2");
    assert_int_equal(core_access(&f.core, f.id, device, 0, 1, 1), 0);
    elsewhere = f.core.under;
    elsewhere.context = &f;
    blanket_endpoint_lost(f.core.level, &elsewhere, 0);
    elsewhere = f.core.under;
    elsewhere.ops = NULL;
    blanket_endpoint_lost(f.core.level, &elsewhere, 0);
    lose(&f, 3);
    assert_int_equal(f.core.endpoint_events, 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x300, 0, 900),
                     -BLANKET_EINVAL);
    lose(&f, 0);
    assert_int_equal(f.core.event_bits, BLANKET_EVENT_PEER_GONE);
    assert_int_equal(core_access(&f.core, f.id, device, 1, 1, 1), -BLANKET_ENOTCONN);
    assert_int_equal(core_access(&f.core, f.other, apart, 0, 1, 1), 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x300, 0, 900),
                     -BLANKET_EBUSY);
    f.core.below.busy = 1;
    assert_int_equal(core_work(&f.core, 100), 2);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, 2, device, 2, 0x300, 0, 900),
                     -BLANKET_ENOENT);
    assert_int_equal(
        blanket_endpoint_rebind(f.core.level, f.id, blanket_handle(1, 7), 2, 0x300, 0, 900),
        -BLANKET_ENOENT);
    /* Events that don't fit, or are another's: as it was, its old events still routed. */
    assert_int_equal(
        blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x300, CORE_EVENTS, 900),
        -BLANKET_EINVAL);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x300, 64, 900),
                     -BLANKET_EEXIST);
    assert_true(f.core.level->routes[15] != 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x305, 8, 900), 0);
    assert_true(f.core.level->routes[7] == 0 && f.core.level->routes[8] != 0 &&
                f.core.level->routes[23] != 0);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, device, &info), 0);
    assert_int_equal(info.state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(info.grant_base, 900);
    assert_true(info.scope == 0x305);
    assert_int_equal(core_access(&f.core, f.id, device, 0, 2, 1), 0);
    assert_true(f.core.below.last_endpoint == 2);
    assert_true(core_endpoint(&f.core, f.id, device)->store_endpoint == 2);
    core_fini(&f.core);
}

/* A reset that is on its way doesn't hide the loss. */
static void what_is_being_reset_is_lost_too(void **state)
{
    struct fixture f;
    uint64_t device;

    (void)state;
    init(&f);
    device = core_mint(&f.core, f.id, 0, "vbd/1");
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_RESET, device, NULL, 0), 0);
    lose(&f, 0);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(core_access(&f.core, f.id, device, 0, 1, 1), -BLANKET_ENOTCONN);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 0, 0x300, 0, 500), 0);
    assert_int_equal(core_access(&f.core, f.id, device, 0, 1, 1), 0);
    core_fini(&f.core);
}

static void what_derives_from_it_goes_along(void **state)
{
    const uint32_t eight[3] = {8, 8, 8};
    const uint64_t child = blanket_handle(7, 1), dead = blanket_handle(6, 1);
    const uint32_t none[3] = {0, 0, 0};
    struct fixture f;
    struct blanket_wire_endpoint info;
    struct blanket_mint spec;
    uint64_t device;
    uint32_t quota;

    (void)state;
    init(&f);
    spec = core_mint_spec(&f.core, f.id, 0, "vbd/1");
    spec.slot = 9; /* so that its children are in lower slots */
    assert_int_equal(mint(&f, &spec, &device, &quota), 0);
    assert_int_equal(core_derive(&f.core, f.id, device, child, eight, "part"), 0);
    assert_int_equal(core_derive(&f.core, f.id, child, dead, none, ""), 0);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 1, 1), 0);
    lose(&f, 0);
    assert_int_equal(core_access(&f.core, f.id, child, 1, 1, 1), -BLANKET_ENOTCONN);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, child, 1, 0x301, 0, 900),
                     -BLANKET_EINVAL);
    f.core.below.busy = 1;
    assert_int_equal(core_work(&f.core, 100), 2);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 1, 0x301, 0, 900),
                     -BLANKET_EBUSY);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 100), 0);
    core_endpoint(&f.core, f.id, child)->inflight = 1;
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 1, 0x301, 0, 900),
                     -BLANKET_EBUSY);
    core_endpoint(&f.core, f.id, child)->inflight = 0;
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, dead), 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 1, 0x301, 64, 900), 0);
    assert_int_equal(core_endpoint(&f.core, f.id, dead)->state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(blanket_endpoint_info(f.core.level, f.id, child, &info), 0);
    assert_int_equal(info.state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(info.grant_base, 908);
    assert_true(info.scope == 0x301);
    assert_int_equal(core_access(&f.core, f.id, child, 0, 2, 1), 0);
    assert_true(f.core.below.last_endpoint == 1);
    core_fini(&f.core);
}

/* Law 0 holds for a rebind as for a mint. */
static void rebinding_into_anothers_scope(void **state)
{
    struct fixture f;
    struct blanket_mint spec;
    uint64_t device, shared;
    uint32_t quota;

    (void)state;
    init(&f);
    device = core_mint(&f.core, f.id, 0, "vbd/1");
    (void)core_mint(&f.core, f.other, 1, "vbd/2"); /* scope 0x301 */
    spec = core_mint_spec(&f.core, f.id, 2, "vbd/3");
    spec.flags = BLANKET_MINT_SHARE_SCOPE;
    assert_int_equal(mint(&f, &spec, &shared, &quota), 0);
    lose(&f, 0);
    lose(&f, 2);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 1, 0x301, 0, 500),
                     -BLANKET_EPERM);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_SCOPE);
    assert_true(f.core.trace.endpoint == device);
    assert_int_equal(core_access(&f.core, f.id, device, 0, 1, 1), -BLANKET_ENOTCONN);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, shared, 3, 0x301, 128, 500), 0);
    core_fini(&f.core);
}

static void a_store_of_its_own_stays(void **state)
{
    struct fixture f;
    struct blanket_below_ops same_ops;
    struct blanket_mint spec;
    const uint64_t item = port_item(0, 1);
    uint64_t device;
    uint32_t quota;

    (void)state;
    init(&f);
    spec = core_mint_spec(&f.core, f.id, 0, "vbd/1");
    same_ops = *spec.below.ops;
    spec.store.ops = &same_ops; /* another service, though its context is the same */
    spec.store.context = spec.below.context;
    spec.store_endpoint = 3;
    assert_int_equal(mint(&f, &spec, &device, &quota), 0);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_STORE_CONNECT, device, &item, 1), 0);
    assert_true(f.core.below.last_endpoint == 3);
    assert_int_equal(core_alloc(&f.core, f.id, device, 1, 1), 0);
    assert_true(f.core.below.last_endpoint == 0);
    lose(&f, 0);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(blanket_endpoint_rebind(f.core.level, f.id, device, 2, 0x300, 0, 500), 0);
    assert_true(core_endpoint(&f.core, f.id, device)->store_endpoint == 3);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_isnt_sound_is_refused),
        cmocka_unit_test(what_is_taken_is_refused),
        cmocka_unit_test(a_slot_without_generations_is_passed_over),
        cmocka_unit_test(a_dying_guest_gets_none_a_resetting_one_does),
        cmocka_unit_test(a_second_owner_only_by_policy),
        cmocka_unit_test(revoking_by_administration),
        cmocka_unit_test(what_is_lost_is_broken_until_rebound),
        cmocka_unit_test(what_is_being_reset_is_lost_too),
        cmocka_unit_test(what_derives_from_it_goes_along),
        cmocka_unit_test(rebinding_into_anothers_scope),
        cmocka_unit_test(a_store_of_its_own_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
