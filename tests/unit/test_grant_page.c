/* SPDX-License-Identifier: MIT */
/* Pages that a call names: a copy's directions and span, pins and what the host gives for them. */
#include "core_fixture.h"

#include "page.h"
#include "verbs.h"

#define READ BLANKET_ACCESS_READ
#define WRITE BLANKET_ACCESS_WRITE

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

static uint64_t span(uint64_t peer, uint64_t frame, uint64_t size)
{
    return blanket_item(BLANKET_ITEM_SPAN, 0, peer | frame << 12 | size << 24);
}

static int check(unsigned peer, unsigned frame, uint64_t item)
{
    const uint64_t items[4] = {mapping_item(0, 1), blanket_item(BLANKET_ITEM_PEER_REF, peer, 9),
                               frame_item(3, frame), item};

    return blanket_grant_check(items);
}

static void a_copy_has_one_direction(void **state)
{
    (void)state;
    for (unsigned peer = 0; peer < 4; peer++) {
        for (unsigned frame = 0; frame < 4; frame++) {
            int fits = (peer == READ && frame == WRITE) || (peer == WRITE && frame == READ);

            assert_int_equal(check(peer, frame, span(0, 0, 1)), fits ? 0 : -BLANKET_EINVAL);
        }
    }
}

static void a_span_stays_within_both_pages(void **state)
{
    (void)state;
    assert_int_equal(check(READ, WRITE, span(0, 0, 4096)), 0);
    assert_int_equal(check(READ, WRITE, span(4095, 0, 1)), 0);
    assert_int_equal(check(READ, WRITE, span(0, 4095, 1)), 0);
    assert_int_equal(check(READ, WRITE, span(0, 0, 0)), -BLANKET_EINVAL);
    assert_int_equal(check(READ, WRITE, span(0, 0, 4097)), -BLANKET_EINVAL);
    assert_int_equal(check(READ, WRITE, span(4095, 0, 2)), -BLANKET_EINVAL);
    assert_int_equal(check(READ, WRITE, span(0, 4095, 2)), -BLANKET_EINVAL);
    assert_int_equal(check(READ, WRITE, span(1, 0, 4096)), -BLANKET_EINVAL);
    assert_int_equal(check(READ, WRITE, span(4095, 4095, (1u << 24) - 1)), -BLANKET_EINVAL);
}

static int copy(struct fixture *f, uint32_t generation)
{
    const uint64_t items[4] = {mapping_item(0, generation),
                               blanket_item(BLANKET_ITEM_PEER_REF, READ, 9), frame_item(3, WRITE),
                               span(0, 0, 512)};

    return core_one(&f->core, f->id, BLANKET_VERB_GRANT_COPY, f->device, items, 4);
}

static void a_copy_leaves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(copy(&f, 1), 0);
    assert_true(f.core.below.last_items[2] == blanket_item(BLANKET_ITEM_FRAME, WRITE, 1003));
    assert_true(f.core.below.last_items[3] == span(0, 0, 512));
    assert_int_equal(f.core.pins, 1);
    core_check(&f.core);
    assert_int_equal(copy(&f, 1), -BLANKET_ESTALE);
    assert_int_equal(core_value(&f.core, 0), 1);
    /* Lost: nobody knows whether the peer's page is still written to ours. */
    f.core.below.answer = -BLANKET_EIO;
    assert_int_equal(copy(&f, 2), -BLANKET_EIO);
    assert_int_equal(f.core.pinned[3], 1);
    f.core.below.answer = 0;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.below.last_verb, BLANKET_VERB_GRANT_UNMAP);
    assert_int_equal(f.core.pinned[3], 0);
    core_fini(&f.core);
}

/* What the host says of a page is told; what it can't mean isn't. */
static void pages_that_arent_pinned(void **state)
{
    static const int statuses[][2] = {
        {-BLANKET_EPERM, -BLANKET_EPERM},   {-BLANKET_EBUSY, -BLANKET_EBUSY},
        {-BLANKET_EINVAL, -BLANKET_EINVAL}, {-BLANKET_ESTALE, -BLANKET_ESTALE},
        {-BLANKET_EIO, -BLANKET_EINVAL},    {5, -BLANKET_EINVAL},
        {-99999, -BLANKET_EINVAL},
    };
    struct fixture f;
    uint64_t hash;

    (void)state;
    init(&f);
    hash = blanket_level_hash(f.core.level);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        f.core.pin_status = statuses[i][0];
        assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), statuses[i][1]);
        assert_int_equal(f.core.trace.reason, BLANKET_REASON_PAGE);
        assert_true(hash == blanket_level_hash(f.core.level));
        assert_int_equal(f.core.kicks_soon + f.core.kicks_later, 0);
    }
    f.core.pin_status = 0;
    f.core.pin_frame = BLANKET_ITEM_VALUE_MASK + 1; /* no item could name it */
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EINVAL);
    assert_int_equal(f.core.pins, 1);
    assert_int_equal(f.core.unpins, 1);
    f.core.pin_frame = BLANKET_ITEM_VALUE_MASK;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_int_equal(f.core.below.calls, 1);
    core_fini(&f.core);
}

static void each_page_by_its_use(void **state)
{
    const uint64_t map[3] = {mapping_item(0, 1), blanket_item(BLANKET_ITEM_PEER_REF, READ, 9),
                             frame_item(4, 0)};
    const uint64_t own[2] = {grant_item(0, 1), blanket_item(BLANKET_ITEM_OWN_GRANT, READ, 6)};
    struct fixture f;
    const struct blanket_slot *slot;

    (void)state;
    init(&f);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_MAP, f.device, map, 3), 0);
    slot = core_slot(&f.core, f.id, BLANKET_TABLE_MAPPINGS, f.device, 0);
    assert_int_equal(slot->use, BLANKET_USE_OVERLAY);
    assert_true(f.core.below.last_items[2] == frame_item(1004, 0));
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, own, 2), 0);
    slot = core_slot(&f.core, f.id, BLANKET_TABLE_GRANTS, f.device, 0);
    assert_int_equal(slot->use, BLANKET_USE_READ);
    assert_true(f.core.below.last_items[1] == frame_item(1006, READ)); /* a frame, at this level */
    core_fini(&f.core);
}

static void a_grant_that_closes_says_so(void **state)
{
    const uint64_t item = grant_item(0, 1), next = grant_item(0, 2);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    f.core.below.value = BLANKET_GRANT_STATE_READING;
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1), 0);
    assert_int_equal(core_value(&f.core, 0), BLANKET_GRANT_STATE_READING);
    f.core.below.busy = 1;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), -BLANKET_EBUSY);
    f.core.below.calls = 0;
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1), 0);
    assert_int_equal(core_value(&f.core, 0), BLANKET_GRANT_STATE_CLOSING);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &next, 1),
                     -BLANKET_ENOENT);
    assert_int_equal(f.core.below.calls, 0);
    f.core.below.busy = 0;
    f.core.below.value = 0;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1),
                     -BLANKET_ENOENT);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1), 0);
    core_fini(&f.core);
}

static void a_query_beyond_the_quota(void **state)
{
    const uint64_t item = grant_item(16, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1),
                     -BLANKET_ENOENT);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_one_direction),
        cmocka_unit_test(a_span_stays_within_both_pages),
        cmocka_unit_test(a_copy_leaves_nothing),
        cmocka_unit_test(pages_that_arent_pinned),
        cmocka_unit_test(each_page_by_its_use),
        cmocka_unit_test(a_grant_that_closes_says_so),
        cmocka_unit_test(a_query_beyond_the_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
