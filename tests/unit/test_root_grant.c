/* SPDX-License-Identifier: MIT */
/* The provider's grants, mappings and copies. */
#include "root_fixture.h"

#define READ BLANKET_ACCESS_READ
#define WRITE BLANKET_ACCESS_WRITE
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

static int setup_endpoint(void **state)
{
    static struct fixture f;

    fixture_init(&f, &fixture_limits, BLANKET_ROOT_SCOPE_ENDPOINT);
    *state = &f;
    return 0;
}

static int setup_domid(void **state)
{
    static struct fixture f;

    fixture_init(&f, &fixture_limits, BLANKET_ROOT_SCOPE_DOMID);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini((struct fixture *)*state);
    return 0;
}

static int end_access(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation)
{
    return fixture_slot(f, endpoint, BLANKET_VERB_GRANT_END_ACCESS, BLANKET_ITEM_GRANT, index,
                        generation, NULL);
}

static int query(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation,
                 uint32_t *value)
{
    return fixture_slot(f, endpoint, BLANKET_VERB_GRANT_QUERY, BLANKET_ITEM_GRANT, index,
                        generation, value);
}

static int unmap(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation)
{
    return fixture_slot(f, endpoint, BLANKET_VERB_GRANT_UNMAP, BLANKET_ITEM_MAPPING, index,
                        generation, NULL);
}

static uint32_t grant_count(struct fixture *f)
{
    struct blanket_root_stats stats;

    blanket_root_stats(f->root, &stats);
    return stats.grants;
}

static void test_grant_map_unmap_end(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t value;

    assert_int_equal(fixture_grant(f, front, 3, 1, 5, RW, &reference), 0);
    assert_int_equal(reference, f->front[0].grant_base + 3);
    assert_int_equal(query(f, front, 3, 1, &value), 0);
    assert_int_equal(value, 0);

    assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), 0);
    assert_int_equal(f->shows[40], 5);
    assert_int_equal(f->shows_access[40], RW);
    assert_int_equal(query(f, front, 3, 1, &value), 0);
    assert_int_equal(value, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING);

    assert_int_equal(unmap(f, back, 0, 1), 0);
    assert_true(f->shows[40] == FIXTURE_NOT_OVERLAID);
    assert_int_equal(query(f, front, 3, 1, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(end_access(f, front, 3, 1), 0);
    assert_int_equal(query(f, front, 3, 1, &value), -BLANKET_ENOENT);
    assert_int_equal(fixture_map(f, back, 0, 2, reference, READ, 40), -BLANKET_ENOENT);
    assert_int_equal(grant_count(f), 0);
}

static void test_peers_are_mutual(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint32_t reference;

    assert_int_equal(fixture_grant(f, f->back[0].endpoint, 0, 1, 6, READ, &reference), 0);
    assert_int_equal(fixture_map(f, f->front[0].endpoint, 0, 1, reference, READ, 41), 0);
    assert_int_equal(f->shows[41], 6);
    /* Nobody maps his own. */
    assert_int_equal(fixture_map(f, f->back[0].endpoint, 0, 1, reference, READ, 42),
                     -BLANKET_ENOENT);
}

static void test_access_is_kept(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t value;

    assert_int_equal(fixture_grant(f, front, 0, 1, 5, READ, &reference), 0);
    assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), -BLANKET_EPERM);
    assert_true(f->shows[40] == FIXTURE_NOT_OVERLAID);
    assert_int_equal(fixture_map(f, back, 0, 1, reference, READ, 40), 0);
    assert_int_equal(query(f, front, 0, 1, &value), 0);
    assert_int_equal(value, BLANKET_GRANT_STATE_READING);
    assert_int_equal(fixture_map(f, back, 1, 1, reference, WRITE, 41), -BLANKET_EINVAL);
    assert_int_equal(fixture_map(f, back, 1, 1, reference, 0, 41), -BLANKET_EINVAL);
}

/* Ended while mapped: invisible, busy, and gone when the peer lets go and the owner asks again. */
static void test_busy(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t value;

    assert_int_equal(fixture_grant(f, front, 0, 1, 5, RW, &reference), 0);
    assert_int_equal(fixture_map(f, back, 0, 1, reference, READ, 40), 0);
    assert_int_equal(fixture_map(f, back, 1, 1, reference, READ, 41), 0);
    assert_int_equal(end_access(f, front, 0, 1), -BLANKET_EBUSY);
    assert_int_equal(query(f, front, 0, 1, &value), 0);
    assert_int_equal(value, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_CLOSING);
    assert_int_equal(fixture_map(f, back, 2, 1, reference, READ, 42), -BLANKET_ENOENT);
    assert_int_equal(fixture_grant(f, front, 0, 2, 6, RW, NULL), -BLANKET_EBUSY);
    assert_int_equal(unmap(f, back, 0, 1), 0);
    assert_int_equal(end_access(f, front, 0, 1), -BLANKET_EBUSY);
    assert_int_equal(unmap(f, back, 1, 1), 0);
    assert_int_equal(end_access(f, front, 0, 1), 0);
    assert_int_equal(end_access(f, front, 0, 1), 0);
    assert_int_equal(fixture_grant(f, front, 0, 2, 6, RW, NULL), 0);
}

static void test_generations(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint32_t value;

    assert_int_equal(fixture_grant(f, front, 0, 5, 1, RW, NULL), 0);
    assert_int_equal(fixture_grant(f, front, 0, 5, 1, RW, NULL), -BLANKET_EEXIST);
    assert_int_equal(fixture_grant(f, front, 0, 6, 1, RW, NULL), -BLANKET_EEXIST);
    assert_int_equal(fixture_grant(f, front, 0, 4, 1, RW, NULL), -BLANKET_ESTALE);
    /* A late destroy of an older one touches nothing. */
    assert_int_equal(end_access(f, front, 0, 4), 0);
    assert_int_equal(query(f, front, 0, 5, &value), 0);
    assert_int_equal(query(f, front, 0, 4, &value), -BLANKET_ENOENT);
    /* Nor does one of a newer one, but that one may not come any more. */
    assert_int_equal(end_access(f, front, 0, 9), 0);
    assert_int_equal(query(f, front, 0, 5, &value), 0);
    assert_int_equal(end_access(f, front, 0, 5), 0);
    assert_int_equal(fixture_grant(f, front, 0, 5, 1, RW, NULL), -BLANKET_ESTALE);
    assert_int_equal(fixture_grant(f, front, 0, 9, 1, RW, &value), -BLANKET_ESTALE);
    assert_int_equal(value, 9); /* what has to be exceeded */
    assert_int_equal(fixture_grant(f, front, 0, 10, 1, RW, NULL), 0);
    assert_int_equal(end_access(f, front, 0, 10), 0);
    assert_int_equal(fixture_grant(f, front, 0, UINT32_MAX, 1, RW, NULL), 0);
    assert_int_equal(end_access(f, front, 0, UINT32_MAX), 0);
    assert_int_equal(fixture_grant(f, front, 0, UINT32_MAX, 1, RW, NULL), -BLANKET_ESTALE);
}

/* The destroy overtakes the create: a tombstone refuses it. The same for mappings. */
static void test_tombstone(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;

    assert_int_equal(end_access(f, front, 1, 3), 0);
    assert_int_equal(fixture_grant(f, front, 1, 3, 1, RW, NULL), -BLANKET_ESTALE);
    assert_int_equal(fixture_grant(f, front, 1, 4, 1, RW, &reference), 0);
    assert_int_equal(unmap(f, back, 0, 7), 0);
    assert_int_equal(fixture_map(f, back, 0, 7, reference, READ, 40), -BLANKET_ESTALE);
    assert_true(f->shows[40] == FIXTURE_NOT_OVERLAID);
    assert_int_equal(fixture_map(f, back, 0, 8, reference, READ, 40), 0);
    assert_int_equal(fixture_map(f, back, 0, 8, reference, READ, 41), -BLANKET_EEXIST);
    assert_int_equal(fixture_map(f, back, 0, 9, reference, READ, 41), -BLANKET_EEXIST);
    assert_int_equal(unmap(f, back, 0, 7), 0);
    assert_int_equal(f->shows[40], 1);
    assert_int_equal(unmap(f, back, 0, 8), 0);
    assert_true(f->shows[40] == FIXTURE_NOT_OVERLAID);
}

static void test_grant_bad_input(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t slot = blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1);
    uint64_t frame = blanket_item(BLANKET_ITEM_FRAME, RW, 1);
    const uint64_t bad[][2] = {
        {blanket_item_slot(BLANKET_ITEM_MAPPING, 0, 1), frame},
        {blanket_item_slot(BLANKET_ITEM_GRANT, 0, 0), frame},
        {slot | 1ull << BLANKET_ITEM_ACCESS_SHIFT, frame},
        {slot | 1ull << 48, frame},
        {slot, blanket_item(BLANKET_ITEM_FRAME, 0, 1)},
        {slot, blanket_item(BLANKET_ITEM_PEER_REF, RW, 1)},
        {slot, frame | 1ull << 53},
        {slot, 0},
        {0, frame},
    };
    uint64_t own[2] = {slot, blanket_item(BLANKET_ITEM_OWN_GRANT, RW, 1)};
    uint32_t value;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fixture_call(f, front, BLANKET_VERB_GRANT_ACCESS, bad[i], 2, NULL),
                         -BLANKET_EINVAL);
    }
    assert_int_equal(fixture_call(f, front, BLANKET_VERB_GRANT_ACCESS, own, 2, NULL),
                     -BLANKET_EOPNOTSUPP);
    assert_int_equal(fixture_grant(f, front, 0, 1, FIXTURE_PAGES, RW, NULL), -BLANKET_EPERM);
    assert_int_equal(fixture_grant(f, front, 8, 1, 1, RW, &value), -BLANKET_ENOSPC);
    assert_int_equal(value, BLANKET_QUOTA_GRANTS);
    assert_int_equal(end_access(f, front, 8, 1), -BLANKET_ENOENT);
    assert_int_equal(query(f, front, 0xffff, 1, &value), -BLANKET_ENOENT);
    assert_int_equal(grant_count(f), 0);
    /* None of it has used up the generation. */
    assert_int_equal(fixture_grant(f, front, 0, 1, 1, RW, NULL), 0);
}

static void test_map_bad_input(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t back = f->back[0].endpoint;
    uint64_t slot = blanket_item_slot(BLANKET_ITEM_MAPPING, 0, 1);
    uint64_t frame = blanket_item(BLANKET_ITEM_FRAME, 0, 40);
    uint64_t peer;
    uint32_t reference;
    uint32_t value;
    size_t i;

    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, RW, &reference), 0);
    peer = blanket_item(BLANKET_ITEM_PEER_REF, RW, reference);
    {
        const uint64_t bad[][3] = {
            {blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1), peer, frame},
            {blanket_item_slot(BLANKET_ITEM_MAPPING, 0, 0), peer, frame},
            {slot, blanket_item(BLANKET_ITEM_PEER_PORT, 0, reference), frame},
            {slot, peer | 1ull << 48, frame},
            {slot, peer, blanket_item(BLANKET_ITEM_FRAME, READ, 40)},
            {slot, peer, blanket_item(BLANKET_ITEM_OWN_GRANT, 0, 40)},
        };
        for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            assert_int_equal(fixture_call(f, back, BLANKET_VERB_GRANT_MAP, bad[i], 3, NULL),
                             -BLANKET_EINVAL);
        }
    }
    {
        uint64_t items[3] = {blanket_item_slot(BLANKET_ITEM_MAPPING, 8, 1), peer, frame};

        assert_int_equal(fixture_call(f, back, BLANKET_VERB_GRANT_MAP, items, 3, &value),
                         -BLANKET_ENOSPC);
        assert_int_equal(value, BLANKET_QUOTA_MAPPINGS);
    }
    assert_int_equal(fixture_map(f, back, 0, 1, reference + 1, RW, 40), -BLANKET_ENOENT);
    assert_int_equal(fixture_map(f, back, 0, 1, reference - 1, RW, 40), -BLANKET_ENOENT);
    assert_int_equal(fixture_map(f, back, 0, 1, 0, RW, 40), -BLANKET_ENOENT);
    assert_int_equal(fixture_map(f, back, 0, 1, UINT32_MAX, RW, 40), -BLANKET_ENOENT);
    /* A reference of more than 32 bits isn't cut down to one that exists. */
    {
        uint64_t items[3] = {slot, blanket_item(BLANKET_ITEM_PEER_REF, RW, 1ull << 32 | reference),
                             frame};

        assert_int_equal(fixture_call(f, back, BLANKET_VERB_GRANT_MAP, items, 3, NULL),
                         -BLANKET_ENOENT);
    }
    assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), 0);
}

/* The host's overlay fails: nothing is held, and what it says can't be mistaken for success. */
static void test_overlay_fails(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    const int answers[][2] = {{-BLANKET_EBUSY, -BLANKET_EBUSY},
                              {-BLANKET_EPERM, -BLANKET_EPERM},
                              {1, -BLANKET_EIO},
                              {-4242, -BLANKET_EIO},
                              {INT32_MIN, -BLANKET_EIO}};
    uint32_t reference;
    uint32_t value;
    size_t i;

    assert_int_equal(fixture_grant(f, front, 0, 1, 5, RW, &reference), 0);
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        f->overlay_status = answers[i][0];
        assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), answers[i][1]);
        assert_int_equal(query(f, front, 0, 1, &value), 0);
        assert_int_equal(value, 0);
    }
    f->overlay_status = 0;
    assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), 0);
}

static int copy(struct fixture *f, uint64_t endpoint, uint32_t generation, uint64_t peer,
                uint64_t own, uint64_t span)
{
    uint64_t items[4] = {blanket_item_slot(BLANKET_ITEM_MAPPING, 2, generation), peer, own, span};

    return fixture_call(f, endpoint, BLANKET_VERB_GRANT_COPY, items, 4, NULL);
}

static uint64_t span(uint64_t peer_offset, uint64_t own_offset, uint64_t size)
{
    return blanket_item(BLANKET_ITEM_SPAN, 0, peer_offset | own_offset << 12 | size << 24);
}

static void test_copy(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t back = f->back[0].endpoint;
    uint64_t from_peer;
    uint64_t to_peer;
    uint64_t own_source = blanket_item(BLANKET_ITEM_FRAME, READ, 40);
    uint64_t own_target = blanket_item(BLANKET_ITEM_FRAME, WRITE, 40);
    uint32_t reference;

    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, RW, &reference), 0);
    from_peer = blanket_item(BLANKET_ITEM_PEER_REF, READ, reference);
    to_peer = blanket_item(BLANKET_ITEM_PEER_REF, WRITE, reference);

    assert_int_equal(copy(f, back, 1, from_peer, own_target, span(10, 20, 3)), 0);
    assert_int_equal(f->pages[40][19], 40);
    assert_int_equal(f->pages[40][20], 5);
    assert_int_equal(f->pages[40][22], 5);
    assert_int_equal(f->pages[40][23], 40);
    /* The slot is free again, but its generation is spent. */
    assert_int_equal(copy(f, back, 1, to_peer, own_source, span(0, 0, 1)), -BLANKET_ESTALE);
    assert_int_equal(f->pages[5][0], 5);
    assert_int_equal(copy(f, back, 2, to_peer, own_source, span(4095, 0, 1)), 0);
    assert_int_equal(f->pages[5][4095], 40);
    assert_int_equal(f->pages[5][4094], 5);
    assert_int_equal(copy(f, back, 3, from_peer, own_target, span(0, 0, 4096)), 0);
    assert_memory_equal(f->pages[5], f->pages[40], FIXTURE_PAGE_SIZE);
    assert_int_equal(copy(f, back, 4, from_peer, own_target, span(7, 9, 0)), 0);

    /* Bounds: each side within its page. */
    assert_int_equal(copy(f, back, 5, from_peer, own_target, span(1, 0, 4096)), -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, from_peer, own_target, span(0, 1, 4096)), -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, from_peer, own_target, span(0, 0, 4097)), -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, from_peer, own_target, span(0, 0, 0xffffff)),
                     -BLANKET_EINVAL);
    /* Directions that aren't one. */
    assert_int_equal(copy(f, back, 5, from_peer, own_source, span(0, 0, 1)), -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, to_peer, own_target, span(0, 0, 1)), -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, from_peer | to_peer, own_target, span(0, 0, 1)),
                     -BLANKET_EINVAL);
    assert_int_equal(copy(f, back, 5, from_peer, from_peer, span(0, 0, 1)), -BLANKET_EINVAL);
    assert_int_equal(
        copy(f, back, 5, from_peer, own_target, blanket_item(BLANKET_ITEM_COUNT, 0, 1 << 24)),
        -BLANKET_EINVAL);
    assert_int_equal(
        copy(f, back, 5, from_peer, blanket_item(BLANKET_ITEM_OWN_GRANT, WRITE, 1), span(0, 0, 1)),
        -BLANKET_EOPNOTSUPP);
    assert_int_equal(copy(f, back, 5, from_peer,
                          blanket_item(BLANKET_ITEM_FRAME, WRITE, FIXTURE_PAGES), span(0, 0, 1)),
                     -BLANKET_EPERM);
    assert_int_equal(copy(f, back, 5, from_peer + 1, own_target, span(0, 0, 1)), -BLANKET_ENOENT);
    assert_int_equal(copy(f, back, 5, from_peer, own_target, span(0, 0, 1)), 0);
}

static void test_copy_access(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t back = f->back[0].endpoint;
    uint64_t own_source = blanket_item(BLANKET_ITEM_FRAME, READ, 40);
    uint64_t own_target = blanket_item(BLANKET_ITEM_FRAME, WRITE, 40);
    uint32_t can_read;
    uint32_t can_write;

    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, READ, &can_read), 0);
    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 1, 1, 6, WRITE, &can_write), 0);
    assert_int_equal(copy(f, back, 1, blanket_item(BLANKET_ITEM_PEER_REF, WRITE, can_read),
                          own_source, span(0, 0, 8)),
                     -BLANKET_EPERM);
    assert_int_equal(copy(f, back, 1, blanket_item(BLANKET_ITEM_PEER_REF, READ, can_write),
                          own_target, span(0, 0, 8)),
                     -BLANKET_EPERM);
    assert_int_equal(f->pages[5][0], 5);
    assert_int_equal(f->pages[40][0], 40);
    assert_int_equal(copy(f, back, 1, blanket_item(BLANKET_ITEM_PEER_REF, WRITE, can_write),
                          own_source, span(0, 0, 8)),
                     0);
    assert_int_equal(f->pages[6][7], 40);
}

/* Granter and copier may mean one page: bytes move as if through a third place. */
static void test_copy_overlap(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t i;

    for (i = 0; i < 256; i++) {
        f->pages[5][i] = (uint8_t)i;
    }
    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, RW, &reference), 0);
    assert_int_equal(copy(f, back, 1, blanket_item(BLANKET_ITEM_PEER_REF, READ, reference),
                          blanket_item(BLANKET_ITEM_FRAME, WRITE, 5), span(0, 1, 200)),
                     0);
    for (i = 0; i < 200; i++) {
        assert_int_equal(f->pages[5][i + 1], i);
    }
    assert_int_equal(copy(f, back, 2, blanket_item(BLANKET_ITEM_PEER_REF, WRITE, reference),
                          blanket_item(BLANKET_ITEM_FRAME, READ, 5), span(0, 1, 200)),
                     0);
    for (i = 0; i < 200; i++) {
        assert_int_equal(f->pages[5][i], i);
    }
}

static void test_batch(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t items[6] = {
        blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1), blanket_item(BLANKET_ITEM_FRAME, RW, 5),
        blanket_item_slot(BLANKET_ITEM_GRANT, 9, 1), blanket_item(BLANKET_ITEM_FRAME, RW, 6),
        blanket_item_slot(BLANKET_ITEM_GRANT, 2, 1), blanket_item(BLANKET_ITEM_FRAME, RW, 7)};
    uint64_t results[3];

    assert_int_equal(
        fixture_batch(f, f->front[0].endpoint, BLANKET_VERB_GRANT_ACCESS, items, 2, 3, results), 0);
    assert_int_equal(blanket_result_status(results[0]), 0);
    assert_int_equal(blanket_result_status(results[1]), -BLANKET_ENOSPC);
    assert_int_equal(blanket_result_status(results[2]), 0);
    assert_int_equal(blanket_result_value(results[2]), f->front[0].grant_base + 2);
    assert_int_equal(grant_count(f), 2);
}

/* Scoped by endpoint: what a sibling granted to the same domain doesn't exist, whatever the number. */
static void test_siblings_isolated(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint32_t number;
    void *address;

    assert_int_equal(f->front[0].grant_base, f->front[1].grant_base);
    assert_true(f->front[0].scope != f->front[1].scope);
    assert_true(f->front[0].scope != f->back[0].scope);
    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 4, 1, 5, RW, NULL), 0);
    for (number = 0; number < 64; number++) {
        assert_int_equal(fixture_map(f, f->back[1].endpoint, 0, 1, number, READ, 40),
                         -BLANKET_ENOENT);
        assert_int_equal(blanket_root_map(f->root, f->back[1].endpoint, number, READ, &address),
                         -BLANKET_ENOENT);
        assert_int_equal(copy(f, f->back[1].endpoint, 1,
                              blanket_item(BLANKET_ITEM_PEER_REF, READ, number),
                              blanket_item(BLANKET_ITEM_FRAME, WRITE, 40), span(0, 0, 1)),
                         -BLANKET_ENOENT);
    }
    /* With the same number granted by both, each backend end gets its own. */
    assert_int_equal(fixture_grant(f, f->front[1].endpoint, 4, 1, 6, RW, &number), 0);
    assert_int_equal(fixture_map(f, f->back[1].endpoint, 0, 1, number, READ, 40), 0);
    assert_int_equal(f->shows[40], 6);
    assert_int_equal(fixture_map(f, f->back[0].endpoint, 0, 1, number, READ, 41), 0);
    assert_int_equal(f->shows[41], 5);
}

/* Scoped by domid, as a stock Xen: the attack that DESIGN law 0 is about works. */
static void test_siblings_shared(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device other = fixture_device;
    struct blanket_root_end front;
    struct blanket_root_end back;
    uint32_t reference;
    void *address;

    assert_int_equal(f->front[0].scope, f->front[1].scope);
    assert_true(f->front[0].scope != f->back[0].scope);
    assert_true(f->front[0].grant_base + f->front[0].grants <= f->front[1].grant_base ||
                f->front[1].grant_base + f->front[1].grants <= f->front[0].grant_base);
    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 4, 1, 5, RW, &reference), 0);
    assert_int_equal(fixture_map(f, f->back[1].endpoint, 0, 1, reference, RW, 40), 0);
    assert_int_equal(f->shows[40], 5);
    assert_int_equal(blanket_root_map(f->root, f->back[1].endpoint, reference, RW, &address), 0);
    assert_ptr_equal(address, f->pages[5]);

    /* But only for the peer's domain. */
    other.backend_domid = 3;
    other.type = "vif";
    assert_int_equal(blanket_root_device_add(f->root, &other, NULL, 0, NULL, 0, &front, &back), 0);
    assert_true(front.scope != f->front[0].scope);
    assert_true(front.grant_base >= f->front[1].grant_base + f->front[1].grants);
    assert_int_equal(fixture_map(f, back.endpoint, 0, 1, reference, RW, 41), -BLANKET_ENOENT);
    assert_int_equal(fixture_map(f, f->front[1].endpoint, 0, 1, reference, RW, 41),
                     -BLANKET_ENOENT);
}

static void test_local_map(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t references[8];
    uint32_t value;
    uint32_t round;
    uint32_t i;
    void *addresses[8];
    void *address;

    for (i = 0; i < 8; i++) {
        assert_int_equal(fixture_grant(f, front, i, 1, 10 + i, RW, &references[i]), 0);
    }
    assert_int_equal(blanket_root_map(f->root, back, references[0], WRITE, &address),
                     -BLANKET_EINVAL);
    assert_int_equal(blanket_root_map(f->root, back, references[7] + 1, READ, &address),
                     -BLANKET_ENOENT);
    assert_int_equal(blanket_root_map(f->root, back ^ 1ull << 40, references[0], READ, &address),
                     -BLANKET_EPERM);
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 8; i++) {
            assert_int_equal(blanket_root_map(f->root, back, references[i], RW, &addresses[i]), 0);
            assert_ptr_equal(addresses[i], f->pages[10 + i]);
        }
        assert_int_equal(blanket_root_map(f->root, back, references[0], READ, &address),
                         -BLANKET_ENOSPC);
        assert_int_equal(fixture_map(f, back, 3, 100, references[0], READ, 40), -BLANKET_EEXIST);
        assert_int_equal(query(f, front, 2, 1, &value), 0);
        assert_int_equal(value, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING);
        for (i = 0; i < 8; i++) {
            assert_int_equal(blanket_root_unmap(f->root, back, addresses[(i * 3) % 8]), 0);
        }
        assert_int_equal(blanket_root_unmap(f->root, back, addresses[0]), -BLANKET_ENOENT);
    }
    for (i = 0; i < 8; i++) {
        assert_int_equal(end_access(f, front, i, 1), 0);
    }
}

/* Local code and a level on one end: neither takes the other's slots, none gets lost. */
static void test_local_map_beside_level(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t round;
    uint32_t count;
    uint32_t i;
    void *address;

    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, READ, &reference), 0);
    for (round = 1; round < 6; round++) {
        assert_int_equal(fixture_map(f, back, round, 1000 + round, reference, READ, 40), 0);
        count = 0;
        while (blanket_root_map(f->root, back, reference, READ, &address) == 0) {
            count++;
        }
        assert_int_equal(count, 7);
        /* By name the level can't end what local code has the address of. */
        assert_int_equal(unmap(f, back, (round + 1) % 8, 1), round == 1 ? -BLANKET_EINVAL : 0);
        assert_int_equal(unmap(f, back, round, 1000 + round), 0);
        assert_int_equal(blanket_root_map(f->root, back, reference, READ, &address), 0);
        for (i = 0; i < 8; i++) {
            assert_int_equal(blanket_root_unmap(f->root, back, address), 0);
        }
    }
    assert_int_equal(end_access(f, f->front[0].endpoint, 0, 1), 0);
}

static void test_no_overlay(void **state)
{
    static const struct blanket_root_host_ops no_overlay = {fixture_page, NULL, NULL};
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root *root = f->root;
    uint32_t reference;
    void *address;

    assert_int_equal(
        blanket_root_create(&fixture_limits, BLANKET_ROOT_SCOPE_ENDPOINT, &no_overlay, f, &f->root),
        0);
    f->below = blanket_root_below(f->root);
    assert_int_equal(blanket_root_device_add(f->root, &fixture_device, NULL, 0, NULL, 0,
                                             &f->front[0], &f->back[0]),
                     0);
    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, READ, &reference), 0);
    assert_int_equal(fixture_map(f, f->back[0].endpoint, 0, 1, reference, READ, 40),
                     -BLANKET_EOPNOTSUPP);
    assert_int_equal(blanket_root_map(f->root, f->back[0].endpoint, reference, READ, &address), 0);
    blanket_root_destroy(f->root);
    f->root = root;
}

#define both(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_endpoint, teardown),                               \
        cmocka_unit_test_setup_teardown(test, setup_domid, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        both(test_grant_map_unmap_end),
        both(test_peers_are_mutual),
        both(test_access_is_kept),
        both(test_busy),
        both(test_generations),
        both(test_tombstone),
        both(test_grant_bad_input),
        both(test_map_bad_input),
        both(test_overlay_fails),
        both(test_copy),
        both(test_copy_access),
        both(test_copy_overlap),
        both(test_batch),
        cmocka_unit_test_setup_teardown(test_siblings_isolated, setup_endpoint, teardown),
        cmocka_unit_test_setup_teardown(test_siblings_shared, setup_domid, teardown),
        both(test_local_map),
        both(test_local_map_beside_level),
        both(test_no_overlay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
