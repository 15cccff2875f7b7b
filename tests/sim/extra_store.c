/* SPDX-License-Identifier: MIT */
/*
 * The store's verbs at each level: a policy that says no, a right that isn't there, and bytes that change
 * once they were read; and each call to a host that fails. What is refused isn't heard of further down, and
 * changes nothing anywhere.
 */
#include "bed.h"

#include <xen/io/xs_wire.h>

#define LEVELS 3u
#define CONNECTION bed_port(0, 1)
#define PAYLOAD(text) text, sizeof(text)

struct store_case {
    uint16_t verb;
    uint32_t type; /* of the request; XS_ERROR: the verb has none */
    uint64_t port; /* first item: index and generation, an item of type PORT but for its type */
    const char *payload;
    uint32_t size;
};

static const struct store_case cases[] = {
    {BLANKET_VERB_STORE_CONNECT, XS_ERROR, 1u << 16 | 2, "", 0},
    {BLANKET_VERB_STORE_DISCONNECT, XS_ERROR, 1u << 16, "", 0},
    {BLANKET_VERB_STORE_RECEIVE, XS_ERROR, 1u << 16, "", 0},
    {BLANKET_VERB_STORE_READ, XS_READ, 1u << 16, PAYLOAD("state")},
    {BLANKET_VERB_STORE_WRITE, XS_WRITE, 1u << 16, PAYLOAD("key\0value")},
    {BLANKET_VERB_STORE_WRITE_GRANT, XS_WRITE, 1u << 16, PAYLOAD("ring-ref")},
    {BLANKET_VERB_STORE_WRITE_PORT, XS_WRITE, 1u << 16, PAYLOAD("event-channel")},
    {BLANKET_VERB_STORE_WATCH, XS_WATCH, 1u << 16, PAYLOAD("state")},
    {BLANKET_VERB_STORE_TRANSACT, XS_TRANSACTION_START, 1u << 16, "", 0},
};
#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

struct everything {
    uint64_t hash;
    struct blanket_root_stats root;
};

static void look(struct bed *bed, struct everything *all)
{
    memset(all, 0, sizeof(*all));
    all->hash = blanket_sim_hash(bed->sim);
    blanket_root_stats(bed->root, &all->root);
}

/* Its status; 0 only if the store did it, too. */
static int run(struct bed *bed, const struct store_case *one)
{
    uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
    uint64_t items[5] = {blanket_item(BLANKET_ITEM_PORT, 0, one->port),
                         blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)one->type << 32 | 77)};
    uint64_t result = 0;
    struct bed_call call = {.items = items, .element_count = 1, .results = &result};
    struct xsd_sockmsg header = {.type = XS_ERROR};
    uint32_t count = one->type == XS_ERROR ? 1 : 2;
    int status;

    if (one->type != XS_ERROR && one->verb != BLANKET_VERB_STORE_TRANSACT) {
        items[count++] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_FRONTEND);
    }
    if (one->verb == BLANKET_VERB_STORE_WATCH) {
        items[count++] = blanket_item(BLANKET_ITEM_WATCH, 0, 5);
    } else if (one->type != XS_ERROR) {
        items[count++] = blanket_item(BLANKET_ITEM_TRANSACTION, 0,
                                      one->verb == BLANKET_VERB_STORE_TRANSACT);
    }
    if (one->verb == BLANKET_VERB_STORE_WRITE_GRANT) {
        items[count++] = bed_grant(0, 1);
    } else if (one->verb == BLANKET_VERB_STORE_WRITE_PORT) {
        items[count++] = bed_port(1, 1);
    }
    call.endpoint = bed->handles[0];
    call.item_count = count;
    call.payload = one->payload;
    call.payload_size = one->size;
    call.reply = reply;
    call.reply_max = sizeof(reply);
    status = bed_call(bed, 0, one->verb, &call);
    status = status ? status : blanket_result_status(result);
    if (status || one->type == XS_ERROR) {
        return status;
    }
    if (call.reply_size >= sizeof(header)) {
        memcpy(&header, reply, sizeof(header));
    }
    return header.type == one->type && header.req_id == 77 ? 0 : 1;
}

/* With a connection, a grant and a channel; those whose verbs somebody isn't allowed are left out. */
static void opened(struct bed *bed, uint32_t seed, const uint32_t *rights)
{
    const struct bed_config config = {
        .levels = LEVELS, .guests = 1, .store = 1, .seed = seed, .unminted = 1};
    uint64_t frame;

    assert_int_equal(bed_open(bed, &config), 0);
    assert_int_equal(bed_mint(bed, 0, BLANKET_RIGHTS_ALL, rights), 0);
    frame = bed_page(bed, 0, 1);
    (void)bed_granted(bed, 0, 0, 1, frame, BED_RW);
    assert_int_equal(
        bed_status(bed_op(bed, 0, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(1, 1))), 0);
    (void)bed_op(bed, 0, BLANKET_VERB_STORE_CONNECT, 1, CONNECTION);
}

struct policy {
    uint16_t verb; /* denied */
    uint32_t asked;
};

static int policy(void *context, const struct blanket_query *query)
{
    struct policy *p = context;

    if (query->verb != p->verb) {
        return 0;
    }
    p->asked++;
    return -BLANKET_EPERM;
}

static void deny_one(const struct store_case *one, uint32_t k)
{
    /* A destroy that has begun isn't refused any more: it waits for those below. */
    int waits = one->verb == BLANKET_VERB_STORE_DISCONNECT && k < LEVELS - 1;
    struct policy p = {.verb = one->verb};
    struct everything before, after;
    struct bed bed;
    int status;

    opened(&bed, 700 + k, NULL);
    assert_int_equal(blanket_sim_hook(bed.sim, k, policy, &p), 0);
    look(&bed, &before);
    status = run(&bed, one);
    look(&bed, &after);
    if (status != (waits ? -BLANKET_EBUSY : -BLANKET_EPERM) || p.asked != 1 ||
        memcmp(&before.root, &after.root, sizeof(before.root)) != 0 ||
        (!waits && before.hash != after.hash)) {
        fail_msg("%s denied at level %u: status %d, asked %u times, %s",
                 blanket_verb_name(one->verb), k, status, p.asked,
                 before.hash == after.hash ? "levels unchanged" : "a level changed");
    }
    assert_int_equal(blanket_sim_hook(bed.sim, k, NULL, NULL), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(run(&bed, one), 0);
    assert_int_equal(bed_close(&bed), 0);
}

static void a_level_that_denies_the_store(void **state)
{
    uint32_t i, k;

    (void)state;
    for (i = 0; i < CASE_COUNT; i++) {
        for (k = 0; k < LEVELS; k++) {
            deny_one(&cases[i], k);
        }
    }
}

/* Whoever may not connect can't get as far as to receive or to disconnect, but at the guest's own level. */
static int reaches(const struct store_case *one, uint32_t k)
{
    return k == LEVELS - 1 ||
           (one->verb != BLANKET_VERB_STORE_DISCONNECT && one->verb != BLANKET_VERB_STORE_RECEIVE);
}

static void each_store_verb_needs_its_right_at_each_level(void **state)
{
    uint32_t i, k, tried = 0;

    (void)state;
    for (i = 0; i < CASE_COUNT; i++) {
        for (k = 0; k < LEVELS; k++) {
            uint32_t rights[LEVELS] = {BLANKET_RIGHTS_ALL, BLANKET_RIGHTS_ALL, BLANKET_RIGHTS_ALL};
            struct everything before, after;
            struct bed bed;
            uint64_t missing;
            int status;

            if (!reaches(&cases[i], k)) {
                continue;
            }
            rights[k] &= ~(1u << ((cases[i].verb >> 5) & 31u));
            opened(&bed, 800 + i, rights);
            missing = blanket_sim_reasons(bed.sim, k, BLANKET_REASON_RIGHT);
            look(&bed, &before);
            status = run(&bed, &cases[i]);
            look(&bed, &after);
            if (status != -BLANKET_EPERM || memcmp(&before, &after, sizeof(before)) != 0 ||
                blanket_sim_reasons(bed.sim, k, BLANKET_REASON_RIGHT) != missing + 1) {
                fail_msg("%s without its right at level %u: status %d, %s",
                         blanket_verb_name(cases[i].verb), k, status,
                         memcmp(&before, &after, sizeof(before)) ? "something changed"
                                                                 : "nothing changed");
            }
            tried++;
            assert_int_equal(bed_close(&bed), 0);
        }
    }
    assert_int_equal(tried, CASE_COUNT * LEVELS - 2 * (LEVELS - 1));
}

/* Items and payload are what they were when the level above was asked, whatever the caller does then. */
static void a_callers_byte_is_read_once(void **state)
{
    uint32_t i;

    (void)state;
    for (i = 0; i < CASE_COUNT; i++) {
        struct bed bed;
        uint64_t bytes;
        int status;

        opened(&bed, 900 + i, NULL);
        blanket_sim_read_once(bed.sim, 1);
        status = run(&bed, &cases[i]);
        bytes = blanket_sim_bytes_read(bed.sim);
        blanket_sim_read_once(bed.sim, 0);
        if (status != 0 || bytes < BLANKET_HEADER_SIZE + 8 + cases[i].size) {
            fail_msg("%s, its bytes flipped when they were read: %d, %u bytes read",
                     blanket_verb_name(cases[i].verb), status, (unsigned)bytes);
        }
        assert_int_equal(bed_close(&bed), 0);
    }
}

/* Refusals promise that nothing was performed. */
static int is_refusal(const struct store_case *one, int status)
{
    return status < 0 && status != -BLANKET_EIO &&
           !(status == -BLANKET_EBUSY && one->verb == BLANKET_VERB_STORE_DISCONNECT);
}

/* The k-th call to any host fails. *failed: 0 if there are fewer. */
static void fail_one(const struct store_case *one, uint64_t k, uint32_t *failed)
{
    struct everything before, after;
    struct bed bed;
    int status, again = 0;

    opened(&bed, 1000, NULL);
    look(&bed, &before);
    blanket_sim_fail(bed.sim, BLANKET_SIM_OP_ALL, k);
    status = run(&bed, one);
    *failed = blanket_sim_failed(bed.sim);
    blanket_sim_fail(bed.sim, 0, 0);
    look(&bed, &after);
    if (is_refusal(one, status)) {
        again = run(&bed, one);
    } else {
        after = before;
    }
    if (memcmp(&before, &after, sizeof(before)) != 0 || again != 0 || (*failed && status == 0)) {
        fail_msg("%s, the %u-th platform call fails (%#x): status %d, %s, and then %d",
                 blanket_verb_name(one->verb), (unsigned)k, (unsigned)*failed, status,
                 memcmp(&before, &after, sizeof(before)) ? "something changed" : "nothing changed",
                 again);
    }
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(bed_close(&bed), 0);
}

static void each_platform_call_fails_in_its_turn(void **state)
{
    uint32_t i, total = 0;

    (void)state;
    for (i = 0; i < CASE_COUNT; i++) {
        uint32_t failed = 1;
        uint64_t k;

        for (k = 1; failed && k < 200; k++) {
            fail_one(&cases[i], k, &failed);
            total += failed != 0;
        }
        assert_int_equal(failed, 0);
    }
    assert_true(total > 10 * CASE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_that_denies_the_store),
        cmocka_unit_test(each_store_verb_needs_its_right_at_each_level),
        cmocka_unit_test(a_callers_byte_is_read_once),
        cmocka_unit_test(each_platform_call_fails_in_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
