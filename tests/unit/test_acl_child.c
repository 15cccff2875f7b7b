/* SPDX-License-Identifier: MIT */
/* What minting and deriving share: slots, names, windows; nothing changes when it is refused. */
#include "core_fixture.h"

#include "child.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
    struct blanket_level_guest *guest;
    struct blanket_child child;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
    f->guest = &f->core.level->guests[f->id];
    memset(&f->child, 0, sizeof(f->child));
    f->child.parent = (uint32_t)f->device;
    f->child.slot = 7;
    f->child.generation = 1;
    f->child.rights = 3;
    f->child.name = "part";
    f->child.name_size = 4;
}

/* Makes it, or is refused without a trace. */
static int make(struct fixture *f, uint32_t *quota)
{
    uint64_t before = blanket_level_hash(f->core.level);
    int rc;

    *quota = 0;
    rc = blanket_child_make(f->core.level, f->guest, &f->child, quota);
    if (rc != 0) {
        assert_true(before == blanket_level_hash(f->core.level));
        assert_int_equal(rc == -BLANKET_ENOSPC, *quota != 0);
    }
    return rc;
}

static void finish(struct fixture *f)
{
    struct blanket_endpoint *endpoint = &f->guest->endpoints[f->child.slot];

    endpoint->state = BLANKET_ENDPOINT_LIVE;
    core_check(&f->core);
    endpoint->state = BLANKET_ENDPOINT_DEAD;
    assert_int_equal(blanket_child_unmake(f->core.level, f->guest, f->child.slot), 0);
    core_check(&f->core);
}

static void what_is_wrong_is_refused(void **state)
{
    struct fixture f;
    uint32_t quota;

    (void)state;
    init(&f);
    f.child.slot = 16;
    assert_int_equal(make(&f, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_ENDPOINTS);
    f.child.slot = (uint32_t)f.device;
    assert_int_equal(make(&f, &quota), -BLANKET_EEXIST);
    f.child.slot = 0;
    assert_int_equal(make(&f, &quota), -BLANKET_EEXIST);
    f.child.slot = 7;
    f.child.name = "vbd/1";
    f.child.name_size = 5;
    assert_int_equal(make(&f, &quota), -BLANKET_EEXIST);
    f.child.name = "with space";
    f.child.name_size = 10;
    assert_int_equal(make(&f, &quota), -BLANKET_EINVAL);
    f.child.name = "\x7f";
    f.child.name_size = 1;
    assert_int_equal(make(&f, &quota), -BLANKET_EINVAL);
    f.child.name = "0123456789abcdef0123456789abcdef";
    f.child.name_size = 32;
    assert_int_equal(make(&f, &quota), -BLANKET_EINVAL);
    f.child.name_size = 31;
    f.child.generation = 0;
    assert_int_equal(make(&f, &quota), -BLANKET_ESTALE);
    f.guest->endpoints[7].generation = 5;
    f.child.generation = 5;
    assert_int_equal(make(&f, &quota), -BLANKET_ESTALE);
    f.child.generation = 6;
    assert_int_equal(make(&f, &quota), 0);
    finish(&f);
    core_fini(&f.core);
}

static void each_quota_is_named_and_given_back(void **state)
{
    static const uint32_t names[3] = {BLANKET_QUOTA_GRANTS, BLANKET_QUOTA_MAPPINGS,
                                      BLANKET_QUOTA_PORTS};
    struct fixture f;
    uint32_t quota;

    (void)state;
    init(&f);
    for (uint32_t kind = 0; kind < 3; kind++) {
        for (uint32_t i = 0; i < 3; i++) {
            f.child.counts[i] = i == kind ? 17 : 8;
        }
        assert_int_equal(make(&f, &quota), -BLANKET_ENOSPC);
        assert_int_equal(quota, names[kind]);
    }
    for (uint32_t i = 0; i < 3; i++) {
        f.child.counts[i] = 9;
    }
    assert_int_equal(make(&f, &quota), 0);
    assert_int_equal(f.guest->endpoints[7].windows[0].below_first, 0);
    assert_int_equal(f.guest->endpoints[7].rights, 3);
    assert_int_equal(f.guest->endpoints[7].depth, 2);
    finish(&f);
    /* All of it went back. */
    for (uint32_t i = 0; i < 3; i++) {
        f.child.counts[i] = 16;
    }
    f.child.generation = 2;
    assert_int_equal(make(&f, &quota), 0);
    finish(&f);
    core_fini(&f.core);
}

static void eight_below_each_other(void **state)
{
    const uint32_t counts[3] = {0, 0, 0};
    struct core core;
    uint64_t parent;
    uint32_t id;

    (void)state;
    core_init(&core);
    id = core_attach(&core, 0);
    parent = core_mint(&core, id, 0, "vbd/1");
    for (uint32_t depth = 2; depth <= 8; depth++) {
        const uint64_t child = blanket_handle(depth, 1);

        assert_int_equal(core_derive(&core, id, parent, child, counts, ""), 0);
        assert_int_equal(core_endpoint(&core, id, child)->depth, depth);
        parent = child;
    }
    assert_int_equal(core_derive(&core, id, parent, blanket_handle(9, 1), counts, ""),
                     -BLANKET_ENOSPC);
    assert_int_equal(core.reply.detail, BLANKET_QUOTA_DEPTH);
    assert_int_equal(core.trace.quota, BLANKET_QUOTA_DEPTH);
    /* Revoking is one store, of the first: the ninth step up finds it. */
    assert_int_equal(
        blanket_endpoint_effective(&core.level->guests[id], core_endpoint(&core, id, parent)),
        BLANKET_ENDPOINT_LIVE);
    assert_int_equal(blanket_endpoint_revoke(core.level, id, blanket_handle(1, 1)), 0);
    assert_int_equal(core_call(&core, id, BLANKET_VERB_ENDPOINT_QUERY, parent, NULL, 0),
                     -BLANKET_EPERM);
    assert_int_equal(core_work(&core, 100), 0);
    for (uint32_t i = 1; i < 16; i++) {
        assert_int_equal(core.level->guests[id].endpoints[i].state, BLANKET_ENDPOINT_FREE);
        assert_int_equal(core.level->guests[id].endpoints[i].events,
                         i <= 8 ? BLANKET_EVENT_DEAD | BLANKET_EVENT_DRAINED : 0);
    }
    core_fini(&core);
}

static void a_dead_slot_isnt_free(void **state)
{
    struct fixture f;
    uint32_t quota;

    (void)state;
    init(&f);
    assert_int_equal(make(&f, &quota), 0);
    f.guest->endpoints[7].state = BLANKET_ENDPOINT_DEAD;
    f.child.generation = 2;
    assert_int_equal(make(&f, &quota), -BLANKET_EBUSY);
    assert_int_equal(blanket_child_unmake(f.core.level, f.guest, 7), 0);
    core_fini(&f.core);
}

static void names_are_found(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_child_find(f.guest, "self", 4), 0);
    assert_int_equal(blanket_child_find(f.guest, "vbd/1", 5), (uint32_t)f.device);
    assert_int_equal(blanket_child_find(f.guest, "vbd/1", 4), BLANKET_OWNER_NONE);
    assert_int_equal(blanket_child_find(f.guest, "vbd/2", 5), BLANKET_OWNER_NONE);
    assert_int_equal(blanket_child_find(f.guest, "", 0), BLANKET_OWNER_NONE);
    assert_int_equal(blanket_child_find(f.guest, "0123456789abcdef0123456789abcdef", 32),
                     BLANKET_OWNER_NONE);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(each_quota_is_named_and_given_back),
        cmocka_unit_test(eight_below_each_other),
        cmocka_unit_test(a_dead_slot_isnt_free),
        cmocka_unit_test(names_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
