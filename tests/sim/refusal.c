/* SPDX-License-Identifier: MIT */
/*
 * Whatever is refused leaves no trace but in the trace: not at the level that refused it, not above,
 * not below.
 */
#include "cases.h"

#define LEVELS 3u

/* --- the policy of one level says no --- */

struct policy {
    uint16_t verb;   /* denied; 0: none */
    uint32_t asked;  /* for that verb */
    uint32_t others; /* for another one */
    struct blanket_query last;
    uint64_t items[8];
};

static int policy(void *context, const struct blanket_query *query)
{
    struct policy *p = context;

    if (query->verb != p->verb) {
        p->others++;
        return 0;
    }
    p->asked++;
    p->last = *query;
    memcpy(p->items, query->items, 8u * (query->item_count < 8 ? query->item_count : 8u));
    return -BLANKET_EPERM;
}

/* A send's decision is remembered with its port, until the policy changes. */
static void policies_change(struct cases *c)
{
    uint32_t k;

    for (k = 0; k < LEVELS; k++) {
        blanket_policy_changed(blanket_sim_level(c->bed.sim, k));
    }
}

/*
 * A destroy that has begun at the guest's own level can't be refused any more: what a level below
 * doesn't allow is "busy" to those above, still pinned and charged, until it is allowed.
 */
static int answer_to_denial(const struct verb_case *verb, uint32_t k)
{
    return k < LEVELS - 1 && ((verb->verb >> 10) & 3u) == BLANKET_EFFECT_DESTROY ? -BLANKET_EBUSY
                                                                                 : -BLANKET_EPERM;
}

static void deny_one(const struct verb_case *verb, uint32_t k, uint32_t seed)
{
    int expected = answer_to_denial(verb, k), status, same;
    struct policy p = {.verb = verb->verb};
    struct cases_snapshot before, after;
    uint64_t denied, hash;
    struct cases c;

    assert_int_equal(cases_open(&c, LEVELS, seed), 0);
    assert_int_equal(blanket_sim_hook(c.bed.sim, k, policy, &p), 0);
    policies_change(&c);
    denied = blanket_sim_reasons(c.bed.sim, k, BLANKET_REASON_HOOK);
    hash = blanket_level_hash(blanket_sim_level(c.bed.sim, k));
    cases_snapshot(&c, &before);
    status = bed_status(verb->run(&c));
    cases_snapshot(&c, &after);
    if (expected == -BLANKET_EBUSY) {
        after.hash = before.hash;
    }
    same = cases_equal(&before, &after) &&
           hash == blanket_level_hash(blanket_sim_level(c.bed.sim, k));
    if (status != expected || !same || p.asked != 1 ||
        blanket_sim_reasons(c.bed.sim, k, BLANKET_REASON_HOOK) != denied + 1) {
        fail_msg("%s denied at level %u: status %d, asked %u times, %s",
                 blanket_verb_name(verb->verb), k, status, p.asked,
                 same ? "nothing changed" : "something changed");
    }
    /* With the policy's leave it goes through: the denial was the reason. */
    assert_int_equal(blanket_sim_hook(c.bed.sim, k, NULL, NULL), 0);
    policies_change(&c);
    if (expected == -BLANKET_EBUSY) {
        assert_int_equal(blanket_sim_settle(c.bed.sim), 0);
    }
    assert_int_equal(bed_status(verb->run(&c)), 0);
    assert_int_equal(cases_close(&c), 0);
}

static void a_level_that_denies_stops_everything(void **state)
{
    uint32_t i, k;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        for (k = verb_cases[i].crosses ? 0 : LEVELS - 1; k < LEVELS; k++) {
            deny_one(&verb_cases[i], k, 100 + i);
        }
    }
}

/* Each level is asked about what its own caller said, in its own caller's terms. */
static void each_level_sees_its_own_callers_operation(void **state)
{
    struct cases c;
    struct policy p[LEVELS] = {{.verb = BLANKET_VERB_GRANT_ACCESS}};
    uint64_t seen[LEVELS];
    uint32_t k;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 200), 0);
    for (k = LEVELS; k-- > 0;) {
        p[k].verb = BLANKET_VERB_GRANT_ACCESS;
        assert_int_equal(blanket_sim_hook(c.bed.sim, k, policy, &p[k]), 0);
        assert_int_equal(bed_status(bed_op(&c.bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(2, 1),
                                           bed_frame(c.pages[0][2], BED_RW))),
                         -BLANKET_EPERM);
        assert_int_equal(p[k].asked, 1);
        assert_int_equal(p[k].last.item_count, 2);
        assert_int_equal(p[k].last.right, BLANKET_RIGHT_GRANT_ACCESS);
        assert_int_equal(p[k].last.endpoint_label, 0xd0);
        assert_int_equal(p[k].last.guest_label, k == LEVELS - 1 ? 0xa0 : 0x101 + k);
        assert_int_equal(p[k].last.claim, k == LEVELS - 1   ? 0xc1a1
                                          : k == LEVELS - 2 ? 0xa0
                                                            : 0x102 + k);
        assert_int_equal(blanket_item_type(p[k].items[0]), BLANKET_ITEM_GRANT);
        assert_int_equal(blanket_item_type(p[k].items[1]), BLANKET_ITEM_FRAME);
        assert_int_equal(blanket_item_access(p[k].items[1]), BED_RW);
        seen[k] = blanket_item_value(p[k].items[1]);
        assert_int_equal(blanket_sim_hook(c.bed.sim, k, NULL, NULL), 0);
    }
    assert_true(seen[2] == c.pages[0][2]);
    assert_true(seen[2] != seen[1] && seen[1] != seen[0] && seen[0] != seen[2]);
    assert_int_equal(cases_close(&c), 0);
}

/* --- a right is missing somewhere --- */

/* What a send needs before it can be refused for its right. */
static void connect_ports(struct cases *c)
{
    uint64_t result = bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(0, 1));

    assert_int_equal(bed_status(result), 0);
    result = bed_op(&c->bed, 1, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, bed_port(0, 1),
                    bed_peer_port(blanket_result_value(result)));
    assert_int_equal(bed_status(result), 0);
}

/* What doesn't create needs an object to get further down than the guest's own level. */
static int reaches(const struct verb_case *verb, uint32_t k)
{
    return k == LEVELS - 1 ||
           (verb->crosses && (((verb->verb >> 10) & 3u) == BLANKET_EFFECT_CREATE ||
                              verb->verb == BLANKET_VERB_EVTCHN_SEND));
}

static void each_verb_needs_its_right_at_each_level(void **state)
{
    uint32_t i, k, tried = 0;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        uint32_t right = (verb_cases[i].verb >> 5) & 31u;

        if (verb_cases[i].verb == BLANKET_VERB_ENDPOINT_LOOKUP ||
            verb_cases[i].verb == BLANKET_VERB_ENDPOINT_EVENTS) {
            continue; /* on the guest's own table, whose rights are fixed */
        }
        for (k = 0; k < LEVELS; k++) {
            uint32_t rights[LEVELS] = {BLANKET_RIGHTS_ALL, BLANKET_RIGHTS_ALL, BLANKET_RIGHTS_ALL};
            struct cases c;
            struct cases_snapshot before, after;
            uint64_t missing;
            int status;

            if (!reaches(&verb_cases[i], k)) {
                continue;
            }
            rights[k] &= ~(1u << right);
            assert_int_equal(cases_open_bare(&c, LEVELS, 300 + i, rights), 0);
            if (verb_cases[i].verb == BLANKET_VERB_EVTCHN_SEND) {
                connect_ports(&c);
            }
            missing = blanket_sim_reasons(c.bed.sim, k, BLANKET_REASON_RIGHT);
            cases_snapshot(&c, &before);
            status = bed_status(verb_cases[i].run(&c));
            cases_snapshot(&c, &after);
            if (status != -BLANKET_EPERM || !cases_equal(&before, &after) ||
                blanket_sim_reasons(c.bed.sim, k, BLANKET_REASON_RIGHT) != missing + 1) {
                fail_msg("%s without its right at level %u: status %d, %s",
                         blanket_verb_name(verb_cases[i].verb), k, status,
                         cases_equal(&before, &after) ? "nothing changed" : "something changed");
            }
            tried++;
            assert_int_equal(cases_close(&c), 0);
        }
    }
    assert_true(tried >= 30);
}

/* Every verb with every set of rights that lacks just its own one is refused; with its own one alone it
 * isn't refused for a right. */
static void one_right_is_as_good_as_all(void **state)
{
    uint32_t i;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        uint32_t right = (verb_cases[i].verb >> 5) & 31u;
        uint32_t rights[LEVELS] = {1u << right, 1u << right, 1u << right};
        struct cases c;

        assert_int_equal(cases_open_bare(&c, LEVELS, 400 + i, rights), 0);
        (void)verb_cases[i].run(&c);
        assert_int_equal(blanket_sim_reasons(c.bed.sim, LEVELS - 1, BLANKET_REASON_RIGHT), 0);
        assert_int_equal(cases_close(&c), 0);
    }
}

/* --- frames that are wrong --- */

struct wrong {
    const char *what;
    uint32_t offset, size; /* of the header's field */
    uint64_t value;
    int status;
};

static const struct wrong wrongs[] = {
    {"magic", 0, 4, 0, -BLANKET_EINVAL},
    {"version", 4, 2, 2, -BLANKET_EINVAL},
    {"verb", 6, 2, 0, -BLANKET_ENOSYS},
    {"verb", 6, 2, 0xffff, -BLANKET_ENOSYS},
    {"verb of another right", 6, 2, BLANKET_VERB_GRANT_ACCESS + 32, -BLANKET_ENOSYS},
    {"verb of another effect", 6, 2, BLANKET_VERB_GRANT_ACCESS ^ 0xc00, -BLANKET_ENOSYS},
    {"flags", 8, 4, 1, -BLANKET_EINVAL},
    {"flags", 8, 4, 0x80000000u, -BLANKET_EINVAL},
    {"no items", 12, 2, 0, -BLANKET_EINVAL},
    {"an item too few", 12, 2, 1, -BLANKET_EINVAL},
    {"an item too many", 12, 2, 3, -BLANKET_EINVAL},
    {"items over the limit", 12, 2, 257, -BLANKET_EMSGSIZE},
    {"items over the limit", 12, 2, 65535, -BLANKET_EMSGSIZE},
    {"a payload where there is none", 14, 2, 1, -BLANKET_EINVAL},
    {"payload over the limit", 14, 2, 4113, -BLANKET_EMSGSIZE},
    {"payload over the limit", 14, 2, 65535, -BLANKET_EMSGSIZE},
    {"no such endpoint", 16, 8, 0x100000017ull, -BLANKET_EPERM},
    {"endpoint beyond all tables", 16, 8, 0x1ffffffffull, -BLANKET_EPERM},
    {"endpoint of another generation", 16, 8, 0x7700000001ull, -BLANKET_EPERM},
    {"its own table", 16, 8, 0x100000000ull, -BLANKET_EPERM},
    {"done beyond the elements", 32, 2, 2, -BLANKET_EINVAL},
    {"reply over the limit", 34, 2, 4113, -BLANKET_EMSGSIZE},
    {"zero field", 38, 2, 1, -BLANKET_EINVAL},
    {"zero field", 48, 8, 1, -BLANKET_EINVAL},
    {"zero field", 56, 8, 0x8000000000000000ull, -BLANKET_EINVAL},
};

static int raw_call(struct cases *c, const struct wrong *wrong, uint64_t first, uint64_t second)
{
    static _Thread_local uint64_t words[BLANKET_FRAME_SIZE_MAX / 8];
    struct blanket_wire_header header;

    memset(words, 0, sizeof(words));
    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = BLANKET_VERB_GRANT_ACCESS;
    header.item_count = 2;
    header.endpoint = c->bed.handles[0];
    memcpy(words, &header, sizeof(header));
    words[8] = first;
    words[9] = second;
    if (wrong) {
        memcpy((uint8_t *)words + wrong->offset, &wrong->value, wrong->size);
    }
    return blanket_sim_call(c->bed.sim, bed_guest(&c->bed, 0), 0, words, BLANKET_HEADER_SIZE + 16);
}

static void wrong_headers_are_refused(void **state)
{
    struct cases c;
    struct cases_snapshot before, after;
    uint32_t i;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 500), 0);
    cases_snapshot(&c, &before);
    for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        int status = raw_call(&c, &wrongs[i], bed_grant(2, 1), bed_frame(c.pages[0][2], BED_RW));

        cases_snapshot(&c, &after);
        if (status != wrongs[i].status || !cases_equal(&before, &after)) {
            fail_msg("%s (%#llx): %d", wrongs[i].what, (unsigned long long)wrongs[i].value, status);
        }
    }
    assert_int_equal(raw_call(&c, NULL, bed_grant(2, 1), bed_frame(c.pages[0][2], BED_RW)), 0);
    assert_int_equal(cases_close(&c), 0);
}

static void wrong_items_are_refused(void **state)
{
    struct cases c;
    struct cases_snapshot before, after;
    uint64_t good[2];
    uint32_t type, bit, i;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 501), 0);
    good[0] = bed_grant(2, 1);
    good[1] = bed_frame(c.pages[0][2], BED_RW);
    cases_snapshot(&c, &before);
    for (i = 0; i < 2; i++) {
        for (type = 0; type < 256; type++) {
            uint64_t items[2] = {good[0], good[1]};
            int status;

            if (type == blanket_item_type(good[i]) || (i == 1 && type == BLANKET_ITEM_OWN_GRANT)) {
                continue;
            }
            items[i] = (items[i] & ~(0xffull << 56)) | ((uint64_t)type << 56);
            status = raw_call(&c, NULL, items[0], items[1]);
            assert_int_equal(status, -BLANKET_EINVAL);
        }
        for (bit = 48; bit < 54; bit++) {
            uint64_t items[2] = {good[0], good[1]};

            items[i] |= 1ull << bit;
            assert_int_equal(raw_call(&c, NULL, items[0], items[1]), -BLANKET_EINVAL);
        }
    }
    /* Modes: a slot has none, a frame that is granted has at least one. */
    assert_int_equal(raw_call(&c, NULL, good[0] | (1ull << 54), good[1]), -BLANKET_EINVAL);
    assert_int_equal(raw_call(&c, NULL, good[0] | (2ull << 54), good[1]), -BLANKET_EINVAL);
    assert_int_equal(raw_call(&c, NULL, good[0], bed_frame(c.pages[0][2], 0)), -BLANKET_EINVAL);
    cases_snapshot(&c, &after);
    assert_true(cases_equal(&before, &after));
    assert_int_equal(cases_close(&c), 0);
}

static void frames_that_are_not_there_are_refused(void **state)
{
    struct cases c;
    struct cases_snapshot before, after;
    struct blanket_wire_header header;
    uint32_t guest;
    uint64_t frame;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 502), 0);
    guest = bed_guest(&c.bed, 0);
    cases_snapshot(&c, &before);
    assert_int_equal(blanket_sim_call_at(c.bed.sim, guest, 0, 0), -BLANKET_EFAULT);
    assert_int_equal(blanket_sim_call_at(c.bed.sim, guest, 0, UINT64_MAX), -BLANKET_EFAULT);
    assert_int_equal(blanket_sim_call_at(c.bed.sim, guest, 0, UINT64_MAX - 63), -BLANKET_EFAULT);
    /* The header is at the very end of the guest's memory: items and reply have no room. */
    frame = 0;
    assert_int_equal(blanket_sim_page_alloc(c.bed.sim, guest, 1, &frame), 0);
    while (blanket_sim_page(c.bed.sim, guest, frame + 1)) {
        frame++;
    }
    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = BLANKET_VERB_GRANT_ACCESS;
    header.item_count = 2;
    header.endpoint = c.bed.handles[0];
    assert_int_equal(blanket_sim_write(c.bed.sim, guest, frame * 4096 + 4032, &header, 64), 0);
    assert_int_equal(blanket_sim_call_at(c.bed.sim, guest, 0, frame * 4096 + 4032),
                     -BLANKET_EFAULT);
    assert_int_equal(blanket_sim_call_at(c.bed.sim, guest, 0, frame * 4096 + 4040),
                     -BLANKET_EFAULT);
    header.item_count = 0;
    header.verb = BLANKET_VERB_ENDPOINT_QUERY;
    header.reply_max = sizeof(struct blanket_wire_endpoint);
    assert_int_equal(blanket_sim_write(c.bed.sim, guest, frame * 4096 + 4032, &header, 64), 0);
    assert_int_not_equal(blanket_sim_call_at(c.bed.sim, guest, 0, frame * 4096 + 4032), 0);
    cases_snapshot(&c, &after);
    assert_true(cases_equal(&before, &after));
    assert_int_equal(cases_close(&c), 0);
}

static int form(struct cases *c, uint64_t form, uint64_t first, uint64_t second, uint64_t third,
                uint64_t fourth)
{
    const uint64_t arguments[BLANKET_ARGUMENT_COUNT] = {first, second, third, fourth};

    return blanket_sim_hypercall(c->bed.sim, bed_guest(&c->bed, 0), 0, form, arguments);
}

static void the_other_forms(void **state)
{
    struct cases c;
    uint64_t handle;

    (void)state;
    assert_int_equal(cases_open(&c, LEVELS, 503), 0);
    handle = c.bed.handles[0];
    assert_int_equal(form(&c, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 0), BLANKET_SIGNATURE);
    assert_int_equal(form(&c, BLANKET_FORM_QUERY, 1, 0, 0, 0), -BLANKET_ENOSYS);
    assert_int_equal(form(&c, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 1), -BLANKET_ENOSYS);
    assert_int_equal(form(&c, 0, 0, 0, 0, 0), -BLANKET_ENOSYS);
    assert_int_equal(form(&c, 1ull << 32 | BLANKET_FORM_SEND, 0, 0, 0, 0), -BLANKET_ENOSYS);
    assert_int_equal(form(&c, BLANKET_FORM_SEND, (uint32_t)handle, handle >> 32, 0, 1), 0);
    assert_int_equal(form(&c, BLANKET_FORM_SEND, handle, 0, 0, 1), -BLANKET_EINVAL);
    assert_int_equal(form(&c, BLANKET_FORM_SEND, (uint32_t)handle, handle >> 32, 0x10000, 1),
                     -BLANKET_EINVAL);
    assert_int_equal(form(&c, BLANKET_FORM_CALL, 0, 1, 0, 0), -BLANKET_EINVAL);
    assert_int_equal(cases_close(&c), 0);
}

/* --- each byte is read once, and flipped after that --- */

static void a_callers_byte_is_read_once(void **state)
{
    uint32_t i;

    (void)state;
    for (i = 0; i < verb_case_count; i++) {
        struct cases c;
        uint64_t result, bytes;

        assert_int_equal(cases_open(&c, LEVELS, 600 + i), 0);
        blanket_sim_read_once(c.bed.sim, 1);
        result = verb_cases[i].run(&c);
        bytes = blanket_sim_bytes_read(c.bed.sim);
        if (bed_status(result) != 0) {
            fail_msg("%s, its bytes flipped when they were read: %d",
                     blanket_verb_name(verb_cases[i].verb), bed_status(result));
        }
        assert_true(bytes >= BLANKET_HEADER_SIZE || i == verb_case_count - 1);
        blanket_sim_read_once(c.bed.sim, 0);
        assert_int_equal(cases_close(&c), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_that_denies_stops_everything),
        cmocka_unit_test(each_level_sees_its_own_callers_operation),
        cmocka_unit_test(each_verb_needs_its_right_at_each_level),
        cmocka_unit_test(one_right_is_as_good_as_all),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(wrong_items_are_refused),
        cmocka_unit_test(frames_that_are_not_there_are_refused),
        cmocka_unit_test(the_other_forms),
        cmocka_unit_test(a_callers_byte_is_read_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
