/* SPDX-License-Identifier: MIT */
/*
 * Everything that can fail, fails, at each place in turn; answers come late, twice, not at all, or are
 * noise. After each of these nothing is leaked, and no page that was given back is ever reached again.
 */
#include "cases.h"

#define LEVELS 3u
#define K_MAX 400u

/*
 * The guest gives back each page that nobody has pinned, what was late arrives, and the peer tries
 * whatever reference it might have: it finds what the granter has there, or nothing.
 */
static int provoke(struct cases *c)
{
    struct bed *bed = &c->bed;
    uint32_t i;
    int bad = 0;

    for (i = 0; i < 8; i++) {
        if (blanket_sim_page_pins(bed->sim, bed_guest(bed, 0), c->pages[0][i]) == 0) {
            bad += blanket_sim_page_free(bed->sim, bed_guest(bed, 0), c->pages[0][i]) != 0;
            c->pages[0][i] = 0;
        }
    }
    (void)blanket_sim_late(bed->sim);
    for (i = 0; i < 8; i++) {
        uint64_t frame, result;
        const uint8_t *page;
        int tries;

        if (blanket_sim_page_alloc(bed->sim, bed_guest(bed, 1), 1, &frame)) {
            return bad + 1;
        }
        for (tries = 0, result = 0; tries < 5; tries++) {
            result = bed_op(bed, 1, BLANKET_VERB_GRANT_MAP, 3, bed_mapping(8 + i, 1),
                            bed_peer_ref(bed->devices[0].end.grant_base + i, BLANKET_ACCESS_READ),
                            bed_frame(frame, 0));
            if (bed_status(result) != -BLANKET_EAGAIN) {
                break;
            }
        }
        page = blanket_sim_page(bed->sim, bed_guest(bed, 1), frame);
        if (bed_status(result) == 0 && page[0] != (uint8_t)(0x10 + i)) {
            fprintf(stderr, "reference %u shows %#x\n", i, page[0]);
            bad++;
        }
        if (bed_status(result) == 0) {
            bad += bed_status(bed_op(bed, 1, BLANKET_VERB_GRANT_UNMAP, 1, bed_mapping(8 + i, 1))) !=
                   0;
        }
    }
    return bad;
}

/* Waits for what has to wait, provokes, takes down. How much was wrong. */
static int aftermath(struct cases *c)
{
    int bad = 0, tries;

    /* The backend lets go of what it has mapped, if it still has it. */
    for (tries = 0; tries < 5; tries++) {
        if (bed_status(bed_op(&c->bed, 1, BLANKET_VERB_GRANT_UNMAP, 1, bed_mapping(0, 1))) == 0) {
            break;
        }
        (void)blanket_sim_settle(c->bed.sim);
    }
    if (blanket_sim_settle(c->bed.sim) != 0) {
        fprintf(stderr, "it doesn't settle\n");
        bad++;
    }
    bad += provoke(c);
    if (blanket_sim_settle(c->bed.sim) != 0) {
        fprintf(stderr, "it doesn't settle afterwards\n");
        bad++;
    }
    return bad + cases_close(c);
}

static int is_destroy(const struct verb_case *verb)
{
    return ((verb->verb >> 10) & 3u) == BLANKET_EFFECT_DESTROY;
}

/* 1: this answer promises that nothing was performed. */
static int is_refusal(const struct verb_case *verb, int status)
{
    return status != 0 && status != -BLANKET_EIO && !(is_destroy(verb) && status == -BLANKET_EBUSY);
}

/* --- the k-th platform call --- */

static int fail_one(uint32_t i, uint64_t k, uint32_t *failed)
{
    const struct verb_case *verb = &verb_cases[i];
    struct cases_snapshot before, after;
    struct cases c;
    int bad = 0, status, again;

    if (cases_open(&c, LEVELS, 1000 + i)) {
        return 1;
    }
    cases_snapshot(&c, &before);
    blanket_sim_fail(c.bed.sim, BLANKET_SIM_OP_ALL, k);
    status = bed_status(verb->run(&c));
    *failed = blanket_sim_failed(c.bed.sim);
    blanket_sim_fail(c.bed.sim, 0, 0);
    cases_snapshot(&c, &after);
    if (is_refusal(verb, status)) {
        again = bed_status(verb->run(&c));
        if (!cases_equal(&before, &after) || again != 0) {
            fprintf(stderr, "refused with %d, %s, and then %d\n", status,
                    cases_equal(&before, &after) ? "unchanged" : "changed", again);
            bad++;
        }
    } else if (status == 0 && *failed) {
        fprintf(stderr, "nobody noticed\n");
        bad++;
    }
    bad += aftermath(&c);
    if (bad) {
        fprintf(stderr, "^ %s, the %u-th platform call (op %#x) fails: status %d\n",
                blanket_verb_name(verb->verb), (unsigned)k, *failed, status);
    }
    return bad;
}

static void each_platform_call_fails_in_its_turn(void **state)
{
    uint32_t i, total = 0, seen = 0;
    int bad = 0;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        uint32_t failed = 1;
        uint64_t k;

        for (k = 1; failed && k < K_MAX; k++) {
            bad += fail_one(i, k, &failed);
            total += failed != 0;
            seen |= failed;
        }
        assert_true(k < K_MAX);
    }
    assert_int_equal(bad, 0);
    assert_true(total > 100);
    assert_int_equal(seen, BLANKET_SIM_OP_ALL & ~BLANKET_SIM_OP_ALLOC);
}

/* Administration: levels, guests and endpoints are made, or they aren't. */
static void each_allocation_fails_in_its_turn(void **state)
{
    uint32_t node;

    (void)state;
    for (node = 0; node < LEVELS + 1; node++) {
        int error = -1;
        uint64_t k;

        for (k = 1; error && k < K_MAX; k++) {
            struct cases c;

            assert_int_equal(cases_open_bare(&c, LEVELS, 1100 + node, NULL), 0);
            assert_int_equal(blanket_sim_stop(c.bed.sim, node), 0);
            assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
            blanket_sim_fail(c.bed.sim, BLANKET_SIM_OP_ALLOC, k);
            error = blanket_sim_start(c.bed.sim, node);
            if (!error) {
                error = bed_mint(&c.bed, 0, BLANKET_RIGHTS_ALL, NULL);
            }
            if (!error && node < LEVELS) {
                error = bed_mint(&c.bed, 1, BLANKET_RIGHTS_ALL, NULL);
            }
            assert_int_equal(error, blanket_sim_failed(c.bed.sim) ? -BLANKET_ENOMEM : 0);
            blanket_sim_fail(c.bed.sim, 0, 0);
            if (error) {
                assert_int_equal(blanket_sim_stop(c.bed.sim, node), 0);
                assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
                assert_int_equal(blanket_sim_start(c.bed.sim, node), 0);
                assert_int_equal(bed_mint(&c.bed, 0, BLANKET_RIGHTS_ALL, NULL), 0);
            }
            assert_int_equal(cases_close(&c), 0);
        }
        assert_true(k > 2 && k < K_MAX);
    }
}

/* --- answers --- */

static const char *const fault_names[] = {"none",    "refused", "request lost", "reply lost",
                                          "garbage", "late",    "twice"};

static int break_one(uint32_t i, uint32_t node, enum blanket_sim_fault fault, uint32_t seed)
{
    const struct verb_case *verb = &verb_cases[i];
    struct cases_snapshot before, after;
    struct cases c;
    int bad = 0, status;

    if (cases_open(&c, LEVELS, seed)) {
        return 1;
    }
    cases_snapshot(&c, &before);
    if (blanket_sim_fault(c.bed.sim, node, fault, 0, 1)) {
        return 1;
    }
    status = bed_status(verb->run(&c));
    (void)blanket_sim_fault(c.bed.sim, node, BLANKET_SIM_FAULT_NONE, 0, 0);
    cases_snapshot(&c, &after);
    if (fault == BLANKET_SIM_FAULT_REFUSE) {
        bad += status != (is_destroy(verb) ? -BLANKET_EBUSY : -BLANKET_EAGAIN);
        bad += !is_destroy(verb) && !cases_equal(&before, &after);
    } else if (fault != BLANKET_SIM_FAULT_GARBAGE && fault != BLANKET_SIM_FAULT_DUPLICATE) {
        bad += status != (is_destroy(verb) ? -BLANKET_EBUSY : -BLANKET_EIO);
    }
    bad += aftermath(&c);
    if (bad) {
        fprintf(stderr, "^ %s, %s at level %u: status %d\n", blanket_verb_name(verb->verb),
                fault_names[fault], node, status);
    }
    return bad;
}

static void each_answer_is_broken_in_its_turn(void **state)
{
    uint32_t i, node, round;
    int fault, bad = 0;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        if (!verb_cases[i].crosses || verb_cases[i].run == verb_cases[verb_case_count - 1].run) {
            continue; /* the send form has no answer but a status */
        }
        for (node = 0; node < LEVELS; node++) {
            for (fault = BLANKET_SIM_FAULT_REFUSE; fault <= BLANKET_SIM_FAULT_DUPLICATE; fault++) {
                uint32_t rounds = fault == BLANKET_SIM_FAULT_GARBAGE ? 12 : 1;

                for (round = 0; round < rounds; round++) {
                    bad += break_one(i, node, (enum blanket_sim_fault)fault,
                                     1200 + 100 * round + i);
                }
            }
        }
    }
    assert_int_equal(bad, 0);
}

/*
 * The case that tombstones are for: the create is late, the level takes the object down, the guest gives
 * the page back, somebody else gets it; and then the create arrives.
 */
static void a_late_create_revives_nothing(void **state)
{
    uint32_t node;

    (void)state;
    for (node = 0; node < LEVELS; node++) {
        struct cases c;
        struct blanket_sim_stats stats;
        struct blanket_root_stats before, after;
        uint64_t result, stolen;

        assert_int_equal(cases_open(&c, LEVELS, 1500 + node), 0);
        assert_int_equal(blanket_sim_fault(c.bed.sim, node, BLANKET_SIM_FAULT_LATE, 0, 1), 0);
        result = bed_op(&c.bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(3, 4),
                        bed_frame(c.pages[0][3], BED_RW));
        assert_int_equal(bed_status(result), -BLANKET_EIO);
        blanket_sim_stats(c.bed.sim, &stats);
        assert_int_equal(stats.late, 1);
        /* Not known to be gone yet: still pinned. */
        assert_int_equal(blanket_sim_page_pins(c.bed.sim, bed_guest(&c.bed, 0), c.pages[0][3]), 1);
        assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
        assert_int_equal(blanket_sim_page_pins(c.bed.sim, bed_guest(&c.bed, 0), c.pages[0][3]), 0);
        assert_int_equal(blanket_sim_page_free(c.bed.sim, bed_guest(&c.bed, 0), c.pages[0][3]), 0);
        stolen = bed_page(&c.bed, 1, 0x5e);
        blanket_root_stats(c.bed.root, &before);
        assert_int_equal(blanket_sim_late(c.bed.sim), 1);
        blanket_root_stats(c.bed.root, &after);
        assert_int_equal(before.grants, after.grants);
        result = bed_op(&c.bed, 1, BLANKET_VERB_GRANT_MAP, 3, bed_mapping(3, 1),
                        bed_peer_ref(c.bed.devices[0].end.grant_base + 3, BED_RW),
                        bed_frame(c.pages[1][3], 0));
        assert_int_equal(bed_status(result), -BLANKET_ENOENT);
        assert_true(bed_page_is(&c.bed, 1, stolen, 0x5e));
        /* And the guest's own name is spent, too. */
        result = bed_op(&c.bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(3, 4),
                        bed_frame(c.pages[0][4], BED_RW));
        assert_int_equal(bed_status(result), -BLANKET_ESTALE);
        (void)bed_granted(&c.bed, 0, 3, 5, c.pages[0][4], BED_RW);
        assert_int_equal(cases_close(&c), 0);
    }
}

/* A level below that never answers again: what is above can still be told to go, and waits. */
static void a_level_below_that_is_mute_holds_and_gives_back(void **state)
{
    uint32_t node;

    (void)state;
    for (node = 0; node < LEVELS; node++) {
        struct cases c;

        assert_int_equal(cases_open(&c, LEVELS, 1600 + node), 0);
        assert_int_equal(
            blanket_sim_fault(c.bed.sim, node, BLANKET_SIM_FAULT_LOSE_REQUEST, 0, UINT32_MAX), 0);
        assert_int_equal(blanket_sim_stop(c.bed.sim, bed_guest(&c.bed, 0)), 0);
        (void)blanket_sim_work(c.bed.sim, 1000);
        (void)blanket_sim_work(c.bed.sim, 1000);
        /* Its pages are as they were: the backend's guest has one mapped. */
        assert_true(bed_page_is(&c.bed, 1, c.pages[1][0], 0x10));
        assert_int_equal(blanket_sim_fault(c.bed.sim, node, BLANKET_SIM_FAULT_NONE, 0, 0), 0);
        assert_int_equal(
            bed_status(bed_op(&c.bed, 1, BLANKET_VERB_GRANT_UNMAP, 1, bed_mapping(0, 1))), 0);
        assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
        assert_int_equal(cases_close(&c), 0);
    }
}

/* A batch of which the below did a part, and its answer is lost: each element is somewhere. */
static void a_lost_batch_is_taken_down_whole(void **state)
{
    uint32_t node;

    (void)state;
    for (node = 0; node < LEVELS; node++) {
        struct cases c;
        uint64_t items[12], results[6];
        struct bed_call call = {
            .items = items, .results = results, .item_count = 12, .element_count = 6};
        struct blanket_wire_endpoint info;
        uint32_t i;

        assert_int_equal(cases_open(&c, LEVELS, 1700 + node), 0);
        info = bed_query(&c.bed, 0, c.bed.handles[0]);
        for (i = 0; i < 6; i++) {
            items[2 * i] = bed_grant(2 + i, 1);
            items[2 * i + 1] = bed_frame(c.pages[0][2 + i], BED_RW);
        }
        call.endpoint = c.bed.handles[0];
        assert_int_equal(blanket_sim_fault(c.bed.sim, node, BLANKET_SIM_FAULT_LOSE_REPLY, 0, 1), 0);
        assert_int_equal(bed_call(&c.bed, 0, BLANKET_VERB_GRANT_ACCESS, &call), 0);
        for (i = 0; i < 6; i++) {
            assert_int_equal(bed_status(results[i]), -BLANKET_EIO);
        }
        assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
        assert_int_equal(bed_query(&c.bed, 0, c.bed.handles[0]).grant_used, info.grant_used);
        assert_int_equal(aftermath(&c), 0);
    }
}

/* What a level below says to a send is checked like any reply. */
static int32_t send_answer(struct bed *bed)
{
    return *(int32_t *)bed->after_context;
}

static void a_send_that_answers_nonsense(void **state)
{
    static const int32_t answers[] = {1, 7, -9999, INT32_MAX, -INT32_MAX, -BLANKET_EIO};
    struct cases c;
    uint32_t i;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 1800), 0);
    c.bed.send_answer = send_answer;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int32_t answer = answers[i];

        c.bed.after_context = &answer;
        assert_int_equal(
            blanket_sim_send(c.bed.sim, bed_guest(&c.bed, 0), 0, c.bed.handles[0], bed_port(0, 1)),
            -BLANKET_EIO);
    }
    c.bed.send_answer = NULL;
    assert_int_equal(
        blanket_sim_send(c.bed.sim, bed_guest(&c.bed, 0), 0, c.bed.handles[0], bed_port(0, 1)), 0);
    assert_int_equal(cases_close(&c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_platform_call_fails_in_its_turn),
        cmocka_unit_test(each_allocation_fails_in_its_turn),
        cmocka_unit_test(each_answer_is_broken_in_its_turn),
        cmocka_unit_test(a_late_create_revives_nothing),
        cmocka_unit_test(a_level_below_that_is_mute_holds_and_gives_back),
        cmocka_unit_test(a_lost_batch_is_taken_down_whole),
        cmocka_unit_test(a_send_that_answers_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
