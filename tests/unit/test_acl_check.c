/* SPDX-License-Identifier: MIT */
/* The choke point: right, then hook; and what the trace is told. */
#include "core_fixture.h"

#include "check.h"
#include "verbs.h"

static void the_two_hooks_to_start_from(void **state)
{
    (void)state;
    assert_int_equal(blanket_acl_deny(NULL, NULL), -BLANKET_EPERM);
    assert_int_equal(blanket_acl_allow(NULL, NULL), 0);
}

static void the_hook_sees_the_operation(void **state)
{
    struct core core;
    uint32_t id;
    uint64_t device;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    device = core_mint(&core, id, 1, "vbd/51712");
    assert_int_equal(core_access(&core, id, device, 3, 1, 5), 0);
    assert_int_equal(core.hooks, 1);
    assert_ptr_equal(core.query.guest, &core.guests[0]);
    assert_true(core.query.guest_label == 0x100);
    assert_true(core.query.endpoint_label == 0x201);
    assert_string_equal(core.query.endpoint_name, "vbd/51712");
    assert_true(core.query.endpoint == device);
    assert_true(core.query.claim == 0x77);
    assert_int_equal(core.query.rights, BLANKET_RIGHTS_ALL);
    assert_int_equal(core.query.item_count, 2);
    assert_true(core.query_items[0] == grant_item(3, 1));
    assert_true(core.query_items[1] == frame_item(5, RW));
    assert_int_equal(core.query.verb, BLANKET_VERB_GRANT_ACCESS);
    assert_int_equal(core.query.right, BLANKET_RIGHT_GRANT_ACCESS);
    assert_int_equal(core.query.rebind, 0);
    assert_int_equal(core.query.payload_size, 0);
    core_fini(&core);
}

/* Elements that are done stand in a continued call as results, or as what the caller made of them. */
static void a_continued_call_shows_the_hook_only_what_is_left(void **state)
{
    const uint64_t items[6] = {
        UINT64_MAX,       UINT64_MAX, /* unchecked */
        grant_item(1, 1), frame_item(5, RW), grant_item(2, 1), frame_item(6, BLANKET_ACCESS_READ),
    };
    struct core core;
    uint32_t id;
    uint64_t device;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    device = core_mint(&core, id, 0, "vbd/1");
    assert_int_equal(core_call_from(&core, id, BLANKET_VERB_GRANT_ACCESS, device, items, 6, 1), 0);
    assert_int_equal(core.reply.done, 3);
    assert_int_equal(core.query.item_count, 4);
    assert_memory_equal(core.query_items, items + 2, 4 * sizeof(uint64_t));
    core_fini(&core);
}

static const uint16_t verbs[] = {
    BLANKET_VERB_ENDPOINT_QUERY,       BLANKET_VERB_ENDPOINT_LOOKUP,
    BLANKET_VERB_ENDPOINT_EVENTS,      BLANKET_VERB_ENDPOINT_DERIVE,
    BLANKET_VERB_ENDPOINT_REVOKE,      BLANKET_VERB_ENDPOINT_RESET,
    BLANKET_VERB_GRANT_ACCESS,         BLANKET_VERB_GRANT_END_ACCESS,
    BLANKET_VERB_GRANT_QUERY,          BLANKET_VERB_GRANT_MAP,
    BLANKET_VERB_GRANT_UNMAP,          BLANKET_VERB_GRANT_COPY,
    BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN,
    BLANKET_VERB_EVTCHN_CLOSE,         BLANKET_VERB_EVTCHN_BIND_VCPU,
    BLANKET_VERB_EVTCHN_MASK,          BLANKET_VERB_EVTCHN_UNMASK,
    BLANKET_VERB_EVTCHN_STATUS,        BLANKET_VERB_EVTCHN_SEND,
    BLANKET_VERB_STORE_CONNECT,        BLANKET_VERB_STORE_DISCONNECT,
    BLANKET_VERB_STORE_RECEIVE,        BLANKET_VERB_STORE_READ,
    BLANKET_VERB_STORE_WRITE,          BLANKET_VERB_STORE_WRITE_GRANT,
    BLANKET_VERB_STORE_WRITE_PORT,     BLANKET_VERB_STORE_WATCH,
    BLANKET_VERB_STORE_TRANSACT,
};

static void every_verb_needs_its_right_and_the_hook(void **state)
{
    struct core core;
    uint32_t id;
    uint64_t hash;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct blanket_verb_info *info = blanket_verb_find(verbs[i]);
        struct blanket_mint mint = core_mint_spec(&core, id, 0, "vbd/1");
        uint64_t items[BLANKET_VERB_ITEMS_MAX], device;
        uint8_t right = blanket_verb_right(verbs[i]);

        assert_non_null(info);
        for (uint32_t at = 0; at < info->item_count; at++) {
            items[at] = blanket_item(info->items[at].type, info->items[at].access & 3u, 0);
        }
        if (verbs[i] == BLANKET_VERB_GRANT_COPY) {
            items[1] = blanket_item(BLANKET_ITEM_PEER_REF, BLANKET_ACCESS_READ, 0);
            items[2] = frame_item(0, BLANKET_ACCESS_WRITE);
            items[3] = blanket_item(BLANKET_ITEM_SPAN, 0, (uint64_t)1 << 24);
        }
        mint.rights = BLANKET_RIGHTS_ALL & ~(1u << right);
        assert_int_equal(blanket_endpoint_mint(core.level, &mint, &device, NULL), 0);
        hash = blanket_level_hash(core.level);
        core.hooks = 0;
        assert_int_equal(core_call(&core, id, verbs[i], device, items, info->item_count),
                         -BLANKET_EPERM);
        assert_int_equal(core.hooks, 0);
        assert_int_equal(core.trace.reason, BLANKET_REASON_RIGHT);
        assert_int_equal(core.trace.right, right);
        assert_int_equal(core.trace.verb, verbs[i]);
        assert_int_equal(blanket_endpoint_revoke(core.level, id, device), 0);
        assert_true(hash != blanket_level_hash(core.level));
        assert_int_equal(core_work(&core, 100), 0);
        /* With the right, and a policy that says no (in any number but 0). */
        mint.rights = BLANKET_RIGHTS_ALL;
        assert_int_equal(blanket_endpoint_mint(core.level, &mint, &device, NULL), 0);
        hash = blanket_level_hash(core.level);
        core.hook_status = i % 2 ? 1 : -BLANKET_EPERM;
        assert_int_equal(core_call(&core, id, verbs[i], device, items, info->item_count),
                         -BLANKET_EPERM);
        core.hook_status = 0;
        assert_int_equal(core.hooks, 1);
        assert_int_equal(core.trace.reason, BLANKET_REASON_HOOK);
        assert_true(hash == blanket_level_hash(core.level));
        assert_int_equal(blanket_endpoint_revoke(core.level, id, device), 0);
        assert_int_equal(core_work(&core, 100), 0);
    }
    assert_int_equal(core.below.calls, 0);
    core_fini(&core);
}

static void the_trace_is_optional_and_exact(void **state)
{
    struct core core;
    struct blanket_level_stats stats;
    uint32_t id;
    uint64_t device;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    device = core_mint(&core, id, 0, "vbd/1");
    assert_int_equal(core_access(&core, id, device, 16, 1, 5), -BLANKET_ENOSPC);
    assert_int_equal(core.traces, 1);
    assert_ptr_equal(core.trace.guest, &core.guests[0]);
    assert_true(core.trace.endpoint == device && core.trace.claim == 0x77);
    assert_int_equal(core.trace.status, -BLANKET_ENOSPC);
    assert_int_equal(core.trace.reason, BLANKET_REASON_QUOTA);
    assert_int_equal(core.trace.quota, BLANKET_QUOTA_GRANTS);
    core.ops.trace = NULL;
    assert_int_equal(core_access(&core, id, device, 16, 1, 5), -BLANKET_ENOSPC);
    blanket_acl_trace_scope(core.level, &core.level->guests[id], device);
    assert_int_equal(core.traces, 1);
    blanket_level_stats(core.level, &stats);
    assert_int_equal(stats.refused, 2);
    assert_int_equal(stats.hook_allowed, 2);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_hooks_to_start_from),
        cmocka_unit_test(the_hook_sees_the_operation),
        cmocka_unit_test(a_continued_call_shows_the_hook_only_what_is_left),
        cmocka_unit_test(every_verb_needs_its_right_and_the_hook),
        cmocka_unit_test(the_trace_is_optional_and_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
