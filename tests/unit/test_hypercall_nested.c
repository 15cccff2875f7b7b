/* SPDX-License-Identifier: MIT */
/* A below that has blanket too: two levels by frames, and frames that come back changed. */
#include "core_fixture.h"

struct fixture {
    struct core upper;
    struct core lower;
    uint32_t id;       /* of the guest at the upper level */
    uint32_t level_id; /* of the upper level at the lower one */
    uint64_t device;   /* the guest's */
    uint64_t below;    /* the upper level's */
    struct blanket_below nested;
    /* what happens to the frame on its way back */
    void (*change)(struct blanket_wire_header *header, uint8_t *after);
    int answer;    /* if not 0: instead of the lower level's */
    uint32_t size; /* of the last frame */
};

static struct fixture *current;

static int cross(struct core *core, uint32_t vcpu, void *frame, uint32_t size)
{
    struct fixture *f = current;
    uint8_t *memory = f->lower.guests[0].memory;
    int rc;

    assert_ptr_equal(core, &f->upper);
    assert_true(size >= BLANKET_HEADER_SIZE && size <= BLANKET_FRAME_SIZE_MAX);
    f->size = size;
    memcpy(memory, frame, size);
    rc = blanket_call(f->lower.level, f->level_id, vcpu < 2 ? vcpu : 1, 0);
    memcpy(frame, memory, size);
    if (f->change) {
        f->change(frame, (uint8_t *)frame + BLANKET_HEADER_SIZE);
    }
    return f->answer != 0 ? f->answer : rc;
}

static int cross_send(struct core *core, uint64_t endpoint, uint64_t port)
{
    (void)core;
    return blanket_send(current->lower.level, current->level_id, 0, endpoint, port);
}

static void init(struct fixture *f)
{
    struct blanket_mint mint;

    current = f;
    f->change = NULL;
    f->answer = 0;
    core_init(&f->lower);
    f->level_id = core_attach(&f->lower, 0);
    f->below = core_mint(&f->lower, f->level_id, 0, "vbd/1");
    core_init(&f->upper);
    f->upper.nested = cross;
    f->upper.nested_send = cross_send;
    f->id = core_attach(&f->upper, 0);
    f->nested = blanket_level_nested(f->upper.level);
    mint = core_mint_spec(&f->upper, f->id, 0, "vbd/1");
    mint.below = f->nested;
    mint.below_endpoint = f->below;
    mint.grants.below_first = 2;
    mint.grants.count = 8;
    assert_int_equal(blanket_endpoint_mint(f->upper.level, &mint, &f->device, NULL), 0);
}

static void fini(struct fixture *f)
{
    f->change = NULL;
    f->answer = 0;
    core_fini(&f->upper);
    core_check(&f->lower);
    core_fini(&f->lower);
}

static int access_one(struct fixture *f, uint32_t index, uint32_t generation)
{
    return core_access(&f->upper, f->id, f->device, index, generation, 5);
}

/* The lower level's own pages are by the upper one's numbers: let them be few. */
static void page_numbers_below(struct fixture *f)
{
    f->upper.pin_frame = 9;
}

static void a_call_goes_through_two_levels(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    page_numbers_below(&f);
    f.lower.below.value = 0x1234;
    assert_int_equal(access_one(&f, 3, 7), 0);
    assert_int_equal(core_value(&f.upper, 0), 0x1234);
    assert_true(f.lower.query.claim == 0x100); /* the guest's label: a claim, one level down */
    assert_true(f.lower.query_items[0] == grant_item(5, 1));
    assert_true(f.lower.query_items[1] == frame_item(9, RW));
    assert_true(f.lower.below.last_items[1] == frame_item(1009, RW));
    fini(&f);
}

static void life_of_a_grant_and_a_port(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    page_numbers_below(&f);
    assert_int_equal(access_one(&f, 3, 7), 0);
    assert_int_equal(f.lower.pinned[9], 1);
    assert_true(f.lower.below.objects[0][BLANKET_TABLE_GRANTS][5].live);
    assert_int_equal(core_alloc(&f.upper, f.id, f.device, 0, 1), 0);
    assert_int_equal(blanket_send(f.upper.level, f.id, 0, f.device, port_item(0, 1)), 0);
    assert_int_equal(f.lower.below.sends, 1);
    assert_int_equal(core_end(&f.upper, f.id, f.device, 3, 7), 0);
    assert_int_equal(f.lower.pinned[9], 0);
    assert_int_equal(core_close(&f.upper, f.id, f.device, 0, 1), 0);
    fini(&f);
}

static void a_refusal_below_is_told(void **state)
{
    struct fixture f;
    uint64_t upper, lower;

    (void)state;
    init(&f);
    page_numbers_below(&f);
    upper = blanket_level_hash(f.upper.level);
    lower = blanket_level_hash(f.lower.level);
    f.lower.hook_status = -BLANKET_EPERM;
    assert_int_equal(access_one(&f, 0, 1), -BLANKET_EPERM);
    assert_int_equal(f.upper.trace.reason, BLANKET_REASON_BELOW);
    assert_int_equal(f.lower.trace.reason, BLANKET_REASON_HOOK);
    f.lower.hook_status = 0;
    f.lower.below.status = -BLANKET_ENOSPC;
    f.lower.below.detail = BLANKET_QUOTA_GRANTS;
    assert_int_equal(access_one(&f, 0, 1), -BLANKET_ENOSPC);
    assert_int_equal(core_value(&f.upper, 0), BLANKET_QUOTA_GRANTS);
    f.lower.below.status = 0;
    assert_true(upper == blanket_level_hash(f.upper.level));
    assert_true(lower == blanket_level_hash(f.lower.level));
    fini(&f);
}

/* --- what comes back is checked --- */

static void no_magic(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->magic ^= 1;
}

static void other_verb(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->verb = BLANKET_VERB_GRANT_END_ACCESS;
}

static void none_done(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->done = 0;
}

static void more_done(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->done++;
}

static void all_done(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->done = UINT16_MAX;
}

static void more_reply(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->reply_size = BLANKET_PAYLOAD_SIZE_MAX + 1;
}

static void nonsense_result(struct blanket_wire_header *header, uint8_t *after)
{
    const uint64_t result = blanket_result(INT32_MIN, 1);

    (void)header;
    memcpy(after, &result, sizeof(result));
}

static void a_frame_that_comes_back_changed_is_lost(void **state)
{
    static void (*const changes[])(struct blanket_wire_header *, uint8_t *) = {
        no_magic, other_verb, none_done, more_done, all_done, more_reply, nonsense_result,
    };
    static const int answers[] = {1, -BLANKET_EIO, -9999, INT32_MIN};
    struct fixture f;
    uint32_t generation = 0;

    (void)state;
    init(&f);
    page_numbers_below(&f);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]) + 4; i++) {
        f.change = i < sizeof(changes) / sizeof(changes[0]) ? changes[i] : NULL;
        f.answer = f.change ? 0 : answers[i - sizeof(changes) / sizeof(changes[0])];
        assert_int_equal(access_one(&f, 0, ++generation), -BLANKET_EIO);
        assert_int_equal(f.lower.pinned[9], 1);
        f.change = NULL;
        f.answer = 0;
        assert_int_equal(core_work(&f.upper, 10), 0);
        assert_int_equal(f.lower.pinned[9], 0);
        core_check(&f.upper);
        core_check(&f.lower);
    }
    fini(&f);
}

/* A quota that doesn't exist isn't told. */
static void odd_detail(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->detail = BLANKET_QUOTA_COUNT;
}

static void a_quota_that_isnt_one(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.change = odd_detail;
    f.answer = -BLANKET_ENOSPC;
    assert_int_equal(access_one(&f, 0, 1), -BLANKET_ENOSPC);
    assert_int_equal(core_value(&f.upper, 0), 0);
    fini(&f);
}

/* --- payloads and replies --- */

static void data_passes_through(void **state)
{
    const uint64_t items[4] = {
        port_item(0, 1),
        blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)11 << 32),
        blanket_item(BLANKET_ITEM_ROOT, 0, 0),
        blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
    };
    char data[BLANKET_PAYLOAD_SIZE_MAX];
    struct fixture f;

    (void)state;
    init(&f);
    memset(data, 'd', sizeof(data));
    assert_int_equal(core_port(&f.upper, f.id, BLANKET_VERB_STORE_CONNECT, f.device, 0, 1), 0);
    f.lower.below.reply_size = 4000;
    f.lower.below.reply_byte = 0x44;
    assert_int_equal(core_call_payload(&f.upper, f.id, BLANKET_VERB_STORE_WRITE, f.device, items, 4,
                                       data, sizeof(data)),
                     0);
    assert_int_equal(core_status(&f.upper, 0), 0);
    assert_int_equal(f.upper.reply.reply_size, 4000);
    assert_int_equal(f.upper.reply_payload[3999], 0x44);
    assert_int_equal(f.size, BLANKET_HEADER_SIZE + 32 + BLANKET_PAYLOAD_SIZE_MAX);
    assert_int_equal(f.lower.guests[0].memory[BLANKET_HEADER_SIZE + 32 + 4111], 'd');
    f.lower.below.reply_size = 0;
    fini(&f);
}

/* --- lookup: the level's own question --- */

static int lookup(struct fixture *f, const char *name, struct blanket_wire_endpoint *info)
{
    memset(info, 0xaa, sizeof(*info));
    return blanket_below_lookup(&f->nested, 1, name, info);
}

static void unterminated(struct blanket_wire_header *header, uint8_t *after)
{
    (void)header;
    memset(after + offsetof(struct blanket_wire_endpoint, name), 'x', BLANKET_NAME_SIZE);
}

static void short_reply(struct blanket_wire_header *header, uint8_t *after)
{
    (void)after;
    header->reply_size--;
}

static void a_level_looks_up_its_own(void **state)
{
    struct fixture f;
    struct blanket_wire_endpoint info;

    (void)state;
    init(&f);
    assert_int_equal(lookup(&f, "vbd/1", &info), 0);
    assert_true(info.endpoint == f.below);
    assert_string_equal(info.name, "vbd/1");
    assert_int_equal(info.grant_count, 16);
    assert_int_equal(lookup(&f, "vbd/2", &info), -BLANKET_ENOENT);
    assert_int_equal(lookup(&f, "0123456789abcdef0123456789abcdef0123", &info), -BLANKET_ENOENT);
    f.change = short_reply;
    assert_int_equal(lookup(&f, "vbd/1", &info), -BLANKET_EIO);
    f.change = unterminated; /* who prints it would read on */
    assert_int_equal(lookup(&f, "vbd/1", &info), -BLANKET_EIO);
    f.change = NULL;
    f.answer = 12;
    assert_int_equal(lookup(&f, "vbd/1", &info), -BLANKET_EIO);
    f.answer = -777;
    assert_int_equal(lookup(&f, "vbd/1", &info), -BLANKET_EIO);
    f.answer = 0;
    assert_int_equal(blanket_below_lookup(&f.nested, 3, "vbd/1", &info), -BLANKET_EINVAL);
    assert_int_equal(blanket_below_lookup(&f.nested, 2, "vbd/1", &info), 0); /* the worker's */
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_through_two_levels),
        cmocka_unit_test(life_of_a_grant_and_a_port),
        cmocka_unit_test(a_refusal_below_is_told),
        cmocka_unit_test(a_frame_that_comes_back_changed_is_lost),
        cmocka_unit_test(a_quota_that_isnt_one),
        cmocka_unit_test(data_passes_through),
        cmocka_unit_test(a_level_looks_up_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
