/* SPDX-License-Identifier: MIT */
/* A batch, by everything that a below can answer: what the caller is told, and what is left of it. */
#include "core_fixture.h"

#include <limits.h>

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

static uint8_t grant_state(struct fixture *f, uint32_t index)
{
    return core_slot(&f->core, f->id, BLANKET_TABLE_GRANTS, f->device, index)->state;
}

static int accesses(struct fixture *f, uint32_t first, uint32_t count, uint32_t generation)
{
    uint64_t items[2 * 16];

    for (uint32_t i = 0; i < count; i++) {
        items[2 * i] = grant_item(first + i, generation);
        items[2 * i + 1] = frame_item(first + i, RW);
    }
    return core_call(&f->core, f->id, BLANKET_VERB_GRANT_ACCESS, f->device, items, 2 * count);
}

static int ends(struct fixture *f, uint32_t first, uint32_t count, uint32_t generation)
{
    uint64_t items[16];

    for (uint32_t i = 0; i < count; i++) {
        items[i] = grant_item(first + i, generation);
    }
    return core_call(&f->core, f->id, BLANKET_VERB_GRANT_END_ACCESS, f->device, items, count);
}

/* --- creates --- */

static const int refusals[] = {
    -BLANKET_EPERM,     -BLANKET_ENOENT,   -BLANKET_E2BIG,      -BLANKET_EAGAIN,   -BLANKET_ENOMEM,
    -BLANKET_EFAULT,    -BLANKET_EBUSY,    -BLANKET_EINVAL,     -BLANKET_ENOSPC,   -BLANKET_ENOSYS,
    -BLANKET_EOVERFLOW, -BLANKET_EMSGSIZE, -BLANKET_EOPNOTSUPP, -BLANKET_ENOTCONN,
};
static const int garbage[] = {1, INT_MAX, INT_MIN, -9999, -BLANKET_EIO, -BLANKET_EEXIST, -3};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Element 1 of three, then the whole call: nothing is left of what was refused. */
static void a_refused_create_leaves_nothing(void **state)
{
    struct fixture f;
    uint64_t hash;

    (void)state;
    init(&f);
    hash = blanket_level_hash(f.core.level);
    f.core.below.element = 1;
    f.core.below.element_value = BLANKET_QUOTA_GRANTS;
    for (uint32_t i = 0; i < COUNT(refusals); i++) {
        f.core.below.element_status = refusals[i];
        assert_int_equal(accesses(&f, 0, 3, i + 1), 0);
        assert_int_equal(core_status(&f.core, 0), 0);
        assert_int_equal(core_status(&f.core, 1), refusals[i]);
        assert_int_equal(core_value(&f.core, 1),
                         refusals[i] == -BLANKET_ENOSPC ? BLANKET_QUOTA_GRANTS : 0);
        assert_int_equal(core_status(&f.core, 2), 0);
        assert_int_equal(f.core.trace.status, refusals[i]);
        assert_int_equal(f.core.trace.reason, refusals[i] == -BLANKET_ENOSPC
                                                  ? BLANKET_REASON_QUOTA
                                                  : BLANKET_REASON_BELOW);
        core_check(&f.core);
        assert_int_equal(grant_state(&f, 1), BLANKET_SLOT_FREE);
        assert_int_equal(f.core.pinned[1], 0);
        f.core.below.element_status = 0;
        assert_int_equal(ends(&f, 0, 3, i + 1), 0);
        /* It was never there; now it is a tombstone, like the others. */
        core_slot(&f.core, f.id, BLANKET_TABLE_GRANTS, f.device, 1)->generation = 0;
    }
    for (uint32_t i = 0; i < COUNT(refusals); i++) {
        uint64_t before = blanket_level_hash(f.core.level);

        f.core.below.status = refusals[i];
        f.core.below.detail = BLANKET_QUOTA_GRANTS;
        assert_int_equal(accesses(&f, 0, 3, 100), 0);
        for (uint32_t element = 0; element < 3; element++) {
            assert_int_equal(core_status(&f.core, element), refusals[i]);
            assert_int_equal(core_value(&f.core, element),
                             refusals[i] == -BLANKET_ENOSPC ? BLANKET_QUOTA_GRANTS : 0);
        }
        assert_true(before == blanket_level_hash(f.core.level));
    }
    f.core.below.status = 0;
    assert_true(hash != blanket_level_hash(f.core.level));
    assert_int_equal(f.core.kicks_soon, 0);
    core_fini(&f.core);
}

static void a_create_without_an_answer_is_taken_down(void **state)
{
    struct fixture f;
    struct blanket_level_stats stats;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < COUNT(garbage); i++) {
        f.core.below.element = 1;
        f.core.below.element_status = garbage[i];
        f.core.below.element_value = 5;
        f.core.kicks_soon = 0;
        assert_int_equal(accesses(&f, 0, 3, i + 1), 0);
        assert_int_equal(core_status(&f.core, 0), 0);
        assert_int_equal(core_status(&f.core, 1), -BLANKET_EIO);
        assert_int_equal(core_value(&f.core, 1), 0);
        assert_int_equal(core_status(&f.core, 2), 0);
        assert_int_equal(grant_state(&f, 1), BLANKET_SLOT_CLOSING);
        assert_int_equal(f.core.pinned[1], 1); /* the peer may have it */
        assert_int_equal(f.core.trace.reason, BLANKET_REASON_LOST);
        assert_int_equal(f.core.kicks_soon, 1);
        core_check(&f.core);
        f.core.below.element_status = 0;
        assert_int_equal(core_work(&f.core, 100), 0);
        assert_int_equal(grant_state(&f, 1), BLANKET_SLOT_FREE);
        assert_int_equal(f.core.pinned[1], 0);
        assert_int_equal(ends(&f, 0, 3, i + 1), 0);
    }
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.lost, COUNT(garbage));
    core_fini(&f.core);
}

/* The whole call's answer is nonsense, though everything was performed. */
static void a_lost_call_is_taken_down_whole(void **state)
{
    static const int answers[] = {-BLANKET_EIO, 1, -9999, INT_MIN};
    static const uint32_t claims[] = {CORE_NEVER, 4, UINT16_MAX};
    struct fixture f;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < COUNT(answers) + COUNT(claims) + 1; i++) {
        uint32_t at = i - (uint32_t)COUNT(answers);

        f.core.below.answer = i < COUNT(answers) ? answers[i] : 0;
        f.core.below.done_claimed = i >= COUNT(answers) && at < COUNT(claims) ? claims[at] : 0;
        f.core.below.reply_size = at == COUNT(claims) ? BLANKET_PAYLOAD_SIZE_MAX + 1 : 0;
        assert_int_equal(accesses(&f, 0, 3, i + 1), 0);
        for (uint32_t element = 0; element < 3; element++) {
            assert_int_equal(core_status(&f.core, element), -BLANKET_EIO);
            assert_int_equal(grant_state(&f, element), BLANKET_SLOT_CLOSING);
        }
        assert_int_equal(f.core.reply.reply_size, 0);
        f.core.below.answer = 0;
        f.core.below.done_claimed = f.core.below.reply_size = 0;
        assert_int_equal(core_work(&f.core, 100), 0);
        assert_int_equal(f.core.pins, f.core.unpins);
        core_check(&f.core);
    }
    core_fini(&f.core);
}

static void a_values_meaning_is_checked(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.element_status = -BLANKET_ENOSPC;
    f.core.below.element_value = BLANKET_QUOTA_COUNT;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_ENOSPC);
    assert_int_equal(core_value(&f.core, 0), 0);
    assert_int_equal(f.core.trace.quota, 0);
    f.core.below.element_value = 0x10000 + BLANKET_QUOTA_PORTS;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_ENOSPC);
    assert_int_equal(core_value(&f.core, 0), 0);
    f.core.below.element_status = 0;
    f.core.below.value = 0xdeadbeef; /* ours only passes on what goes with success */
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_true(core_value(&f.core, 0) == 0xdeadbeef);
    f.core.below.value = 0;
    core_fini(&f.core);
}

/* --- generations below --- */

static void it_catches_up_with_the_below(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.objects[0][BLANKET_TABLE_GRANTS][0].newest =
        40; /* of a former life of this level */
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EAGAIN);
    assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_FREE);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_true(f.core.below.last_items[0] == grant_item(0, 41));
    /* As far ahead as the first generation that we try. */
    f.core.below.objects[0][BLANKET_TABLE_GRANTS][1].newest = 1;
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 9, 1), -BLANKET_EAGAIN);
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 9, 1), 0);
    assert_true(f.core.below.last_items[0] == grant_item(1, 2));
    core_fini(&f.core);
}

static void nothing_is_newer_than_the_last_generation(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.objects[0][BLANKET_TABLE_GRANTS][0].newest = UINT32_MAX;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EAGAIN);
    f.core.below.calls = 0;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_ESTALE);
    assert_int_equal(core_value(&f.core, 0),
                     UINT32_MAX); /* nor than ours: the caller stops asking */
    assert_int_equal(f.core.below.calls, 0);
    f.core.below.objects[0][BLANKET_TABLE_GRANTS][0].newest = 0;
    core_fini(&f.core);
}

/* It says that ours isn't newer than one that it is newer than; or says it of something that creates
 * nothing. The caller must not be told below's numbers. */
static void a_stale_that_cant_be(void **state)
{
    const uint64_t item = grant_item(0, 9);
    struct fixture f;

    (void)state;
    init(&f);
    core_slot(&f.core, f.id, BLANKET_TABLE_GRANTS, f.device, 0)->below_generation = 7;
    f.core.below.element_status = -BLANKET_ESTALE;
    f.core.below.element_value = 7;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 9, 1), -BLANKET_EIO);
    assert_int_equal(core_value(&f.core, 0), 0);
    assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_CLOSING);
    f.core.below.element_status = 0;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 10, 1), 0);
    f.core.below.element_status = -BLANKET_ESTALE;
    f.core.below.element_value = UINT32_MAX;
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1),
                     -BLANKET_ENOENT);
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 10), -BLANKET_EBUSY);
    f.core.below.element_status = 0;
    core_fini(&f.core);
}

static void a_query_without_an_answer_is_lost(void **state)
{
    const uint64_t item = grant_item(0, 1);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    f.core.kicks_soon = f.core.kicks_later = 0;
    f.core.below.element_status = -BLANKET_ESTALE;
    f.core.below.element_value = UINT32_MAX;
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1),
                     -BLANKET_EIO);
    f.core.below.element_status = 17;
    assert_int_equal(core_one(&f.core, f.id, BLANKET_VERB_GRANT_QUERY, f.device, &item, 1),
                     -BLANKET_EIO);
    assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_LIVE);
    assert_int_equal(f.core.kicks_soon + f.core.kicks_later, 0); /* there is nothing to sweep */
    f.core.below.element_status = 0;
    core_fini(&f.core);
}

/* --- destroys --- */

/* Once it has begun, it is done or busy. */
static void a_destroy_that_has_begun_isnt_refused(void **state)
{
    struct fixture f;
    uint32_t generation = 0;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < COUNT(refusals) + COUNT(garbage); i++) {
        int said = i < COUNT(refusals) ? refusals[i] : garbage[i - COUNT(refusals)];

        generation++;
        assert_int_equal(core_access(&f.core, f.id, f.device, 0, generation, 1), 0);
        f.core.kicks_soon = f.core.kicks_later = 0;
        f.core.below.element_status = said;
        assert_int_equal(core_end(&f.core, f.id, f.device, 0, generation), -BLANKET_EBUSY);
        assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_CLOSING);
        assert_int_equal(f.core.pinned[1], 1);
        assert_int_equal(f.core.kicks_soon, 0);
        assert_int_equal(f.core.kicks_later, 1);
        core_check(&f.core);
        /* Asked again, and by the worker: one step each, none of them in a hurry. */
        assert_int_equal(core_end(&f.core, f.id, f.device, 0, generation), -BLANKET_EBUSY);
        assert_int_equal(core_work(&f.core, 10), 2);
        assert_int_equal(f.core.kicks_soon, 0);
        assert_int_equal(core_access(&f.core, f.id, f.device, 0, generation + 1, 1),
                         -BLANKET_EBUSY);
        f.core.below.element_status = 0;
        assert_int_equal(core_end(&f.core, f.id, f.device, 0, generation), 0);
        assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_FREE);
        assert_int_equal(core_end(&f.core, f.id, f.device, 0, generation), 0);
        assert_int_equal(f.core.pinned[1], 0);
    }
    core_fini(&f.core);
}

static void the_worker_sweeps_it_in_the_end(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(accesses(&f, 0, 16, 1), 0);
    f.core.below.busy = 1;
    assert_int_equal(ends(&f, 0, 16, 1), 0);
    assert_int_equal(f.core.kicks_later, 1); /* once, for all of them */
    assert_int_equal(core_work(&f.core, 10), 2);
    f.core.below.busy = 0;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.pins, f.core.unpins);
    core_fini(&f.core);
}

/* The worker destroyed it, and somebody made it anew, while our own destroy was below. */
static void sweep_and_make(struct core_below *below, struct blanket_call *call)
{
    struct core *core = below->core;

    (void)call;
    below->inside = NULL;
    assert_int_equal(core_work(core, 10), 0);
    assert_int_equal(core->level->guests[0].endpoints[1].used[0], 0);
}

static void the_worker_is_faster(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    f.core.below.busy = 1;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), -BLANKET_EBUSY);
    f.core.below.busy = 0;
    f.core.below.inside = sweep_and_make;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(f.core.unpins, 1);
    core_fini(&f.core);
}

/* --- several at once --- */

static void one_slot_twice_in_a_batch(void **state)
{
    const uint64_t items[6] = {grant_item(0, 1),  frame_item(1, RW), grant_item(0, 2),
                               frame_item(2, RW), grant_item(0, 1),  frame_item(3, RW)};
    const uint64_t twice[2] = {grant_item(0, 1), grant_item(0, 1)};
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 6), 0);
    assert_int_equal(core_status(&f.core, 0), 0);
    assert_int_equal(core_status(&f.core, 1), -BLANKET_EEXIST);
    assert_int_equal(core_status(&f.core, 2), -BLANKET_EEXIST);
    assert_int_equal(f.core.below.last_count, 1);
    core_check(&f.core);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_END_ACCESS, f.device, twice, 2),
                     0);
    assert_int_equal(core_status(&f.core, 0), 0);
    assert_int_equal(core_status(&f.core, 1), 0);
    assert_int_equal(f.core.unpins, 1);
    core_check(&f.core);
    core_fini(&f.core);
}

/* Refused here, by the host, and good ones: those that go below close ranks, results find their way. */
static void a_mixed_batch(void **state)
{
    const uint64_t items[10] = {
        grant_item(16, 1), frame_item(0, RW), /* beyond the quota */
        grant_item(1, 1),  frame_item(1, RW),
        grant_item(2, 1),  frame_item(CORE_FRAMES, RW), /* not its page */
        grant_item(3, 0),  frame_item(3, RW),           /* no generation */
        grant_item(4, 1),  frame_item(4, RW),
    };
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.element = 1;
    f.core.below.element_status = -BLANKET_EPERM;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 10), 0);
    assert_int_equal(f.core.reply.done, 5);
    assert_int_equal(core_status(&f.core, 0), -BLANKET_ENOSPC);
    assert_int_equal(core_value(&f.core, 0), BLANKET_QUOTA_GRANTS);
    assert_int_equal(core_status(&f.core, 1), 0);
    assert_int_equal(core_status(&f.core, 2), -BLANKET_EPERM);
    assert_int_equal(core_status(&f.core, 3), -BLANKET_ESTALE);
    assert_int_equal(core_value(&f.core, 3), 0);
    assert_int_equal(core_status(&f.core, 4), -BLANKET_EPERM);
    assert_int_equal(f.core.below.last_count, 2);
    assert_true(f.core.below.last_items[2] == grant_item(4, 1));
    assert_int_equal(f.core.traces, 4);
    core_check(&f.core);
    f.core.below.calls = 0;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2), 0);
    assert_int_equal(f.core.below.calls, 0); /* with nothing to do below, nobody is asked */
    core_fini(&f.core);
}

static void the_below_stops_early(void **state)
{
    uint64_t items[2 * 6];
    struct fixture f;
    uint32_t done = 0;

    (void)state;
    init(&f);
    for (uint32_t i = 0; i < 6; i++) {
        items[2 * i] = grant_item(i == 3 ? 16 : i, 1); /* one of them is refused here */
        items[2 * i + 1] = frame_item(i, RW);
    }
    f.core.below.done = 2;
    for (uint32_t round = 0; round < 3 && done < 6; round++) {
        assert_int_equal(
            core_call_from(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 12, done), 0);
        assert_true(f.core.reply.done > done);
        done = f.core.reply.done;
        core_check(&f.core);
        memcpy(items, f.core.guests[0].memory + BLANKET_HEADER_SIZE, sizeof(items));
    }
    assert_int_equal(done, 6);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(core_status(&f.core, i), i == 3 ? -BLANKET_ENOSPC : 0);
    }
    /* Destroys that weren't begun are closing already: the worker is told, should nobody go on. */
    f.core.kicks_later = 0;
    assert_int_equal(ends(&f, 0, 3, 1), 0);
    assert_int_equal(f.core.reply.done, 2);
    assert_int_equal(grant_state(&f, 2), BLANKET_SLOT_CLOSING);
    assert_int_equal(f.core.kicks_later, 1);
    f.core.below.done = 1;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(grant_state(&f, 2), BLANKET_SLOT_FREE);
    f.core.below.done = 0;
    core_fini(&f.core);
}

/* --- the endpoint dies while the below is busy --- */

static void revoke_inside(struct core_below *below, struct blanket_call *call)
{
    (void)call;
    below->inside = NULL;
    assert_int_equal(blanket_endpoint_revoke(below->core->level, 0, blanket_handle(1, 1)), 0);
    /* The worker waits for who is in flight. */
    assert_int_equal(blanket_work(below->core->level, 100), 2);
}

static void a_create_into_a_dead_endpoint_is_swept(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.below.inside = revoke_inside;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EIO);
    assert_int_equal(grant_state(&f, 0), BLANKET_SLOT_CLOSING);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.pins, f.core.unpins);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_FREE);
    core_fini(&f.core);
}

/* --- the reply can't be given --- */

static void a_reply_that_is_lost_undoes_creates(void **state)
{
    const uint64_t map[3] = {mapping_item(0, 1),
                             blanket_item(BLANKET_ITEM_PEER_REF, BLANKET_ACCESS_READ, 9),
                             frame_item(5, 0)};
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 1, 9), 0); /* it isn't this call's */
    f.core.below.element = 0;
    f.core.below.element_status = -BLANKET_EPERM;
    f.core.to_fails_at = 1;
    f.core.kicks_soon = 0;
    assert_int_equal(accesses(&f, 1, 3, 1), -BLANKET_EIO); /* exists, refused below, made */
    assert_int_equal(f.core.kicks_soon, 1);
    assert_int_equal(grant_state(&f, 1), BLANKET_SLOT_LIVE);
    assert_int_equal(grant_state(&f, 2), BLANKET_SLOT_FREE);
    assert_int_equal(grant_state(&f, 3), BLANKET_SLOT_CLOSING);
    f.core.below.element_status = 0;
    f.core.to_fails_at = 1;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_MAP, f.device, map, 3),
                     -BLANKET_EIO);
    f.core.to_fails_at = 1;
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), -BLANKET_EIO);
    assert_int_equal(core_slot(&f.core, f.id, BLANKET_TABLE_PORTS, f.device, 0)->state,
                     BLANKET_SLOT_CLOSING);
    core_check(&f.core);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.pins - f.core.unpins, 1);
    /* What creates nothing has nothing to undo. */
    f.core.to_fails_at = 1;
    f.core.kicks_soon = 0;
    assert_int_equal(core_end(&f.core, f.id, f.device, 1, 1), -BLANKET_EIO);
    assert_int_equal(grant_state(&f, 1), BLANKET_SLOT_FREE);
    assert_int_equal(f.core.kicks_soon, 0);
    core_fini(&f.core);
}

static void store_verbs_go_to_the_store(void **state)
{
    const uint64_t items[5] = {
        port_item(0, 1),
        blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)11 << 32),
        blanket_item(BLANKET_ITEM_ROOT, 0, 0),
        blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
        grant_item(2, 3),
    };
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_port(&f.core, f.id, BLANKET_VERB_STORE_CONNECT, f.device, 0, 1), 0);
    assert_int_equal(core_call_payload(&f.core, f.id, BLANKET_VERB_STORE_WRITE_GRANT, f.device,
                                       items, 5, "ring-ref", 9),
                     0);
    assert_int_equal(core_status(&f.core, 0), -BLANKET_ENOENT); /* no such grant */
    assert_int_equal(core_access(&f.core, f.id, f.device, 2, 3, 1), 0);
    f.core.below.reply_size = 7;
    f.core.below.reply_byte = 0x33;
    assert_int_equal(core_call_payload(&f.core, f.id, BLANKET_VERB_STORE_WRITE_GRANT, f.device,
                                       items, 5, "ring-ref", 9),
                     0);
    assert_int_equal(core_status(&f.core, 0), 0);
    assert_true(f.core.below.last_items[4] == grant_item(2, 1)); /* in the below's terms */
    assert_true(f.core.below.last_claim == 0x100);
    assert_int_equal(f.core.reply.reply_size, 7);
    assert_int_equal(f.core.reply_payload[6], 0x33);
    f.core.below.reply_size = 0;
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_create_leaves_nothing),
        cmocka_unit_test(a_create_without_an_answer_is_taken_down),
        cmocka_unit_test(a_lost_call_is_taken_down_whole),
        cmocka_unit_test(a_values_meaning_is_checked),
        cmocka_unit_test(it_catches_up_with_the_below),
        cmocka_unit_test(nothing_is_newer_than_the_last_generation),
        cmocka_unit_test(a_stale_that_cant_be),
        cmocka_unit_test(a_query_without_an_answer_is_lost),
        cmocka_unit_test(a_destroy_that_has_begun_isnt_refused),
        cmocka_unit_test(the_worker_sweeps_it_in_the_end),
        cmocka_unit_test(the_worker_is_faster),
        cmocka_unit_test(one_slot_twice_in_a_batch),
        cmocka_unit_test(a_mixed_batch),
        cmocka_unit_test(the_below_stops_early),
        cmocka_unit_test(a_create_into_a_dead_endpoint_is_swept),
        cmocka_unit_test(a_reply_that_is_lost_undoes_creates),
        cmocka_unit_test(store_verbs_go_to_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
