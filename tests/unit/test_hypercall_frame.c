/* SPDX-License-Identifier: MIT */
/* The frame: read once, checked in every field, and replied to. */
#include "core_fixture.h"

#include "frame.h"
#include "verbs.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
    struct blanket_wire_header header;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
    memset(&f->header, 0, sizeof(f->header));
    f->header.magic = BLANKET_WIRE_MAGIC;
    f->header.version = BLANKET_WIRE_VERSION;
    f->header.verb = BLANKET_VERB_ENDPOINT_QUERY;
    f->header.endpoint = f->device;
    f->header.reply_max = sizeof(struct blanket_wire_endpoint);
}

/* The call; whatever it says, nothing may have changed. */
static int refused(struct fixture *f, const struct blanket_wire_header *header,
                   const uint64_t *items)
{
    uint64_t before = blanket_level_hash(f->core.level);
    uint32_t traces = f->core.traces;
    int rc;

    memcpy(f->core.guests[0].memory, header, sizeof(*header));
    assert_null(items);
    rc = blanket_call(f->core.level, f->id, 0, 0);
    assert_true(before == blanket_level_hash(f->core.level));
    assert_int_equal(f->core.below.calls, 0);
    assert_int_equal(f->core.traces - traces, rc != 0);
    return rc;
}

static void a_header_agrees_with_itself(void **state)
{
    struct fixture f;
    struct blanket_wire_header h;

    (void)state;
    init(&f);
    assert_int_equal(blanket_frame_check(&f.header), 0);
    h = f.header, h.magic ^= 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_MALFORMED);
    assert_int_equal(f.core.trace.verb, 0);
    h = f.header, h.version = 2;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.flags = 1u << 31;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.zero0 = 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.zero1[0] = 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.zero1[1] = 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.payload_size = BLANKET_PAYLOAD_SIZE_MAX + 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EMSGSIZE);
    h = f.header, h.reply_max = BLANKET_PAYLOAD_SIZE_MAX + 1;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EMSGSIZE);
    h = f.header, h.item_count = BLANKET_ITEM_COUNT_MAX + 1;
    assert_int_equal(blanket_frame_check(&h), -BLANKET_EMSGSIZE);
    h = f.header, h.done = 1; /* it has no elements */
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.payload_size = 1; /* nor a payload */
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_EINVAL);
    h = f.header, h.verb = 0;
    assert_int_equal(refused(&f, &h, NULL), -BLANKET_ENOSYS);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_VERB);
    assert_int_equal(refused(&f, &f.header, NULL), 0);
    core_fini(&f.core);
}

/* Reply fields may hold what an earlier reply left there. */
static void what_a_reply_left_is_ignored(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.header.reply_size = 77;
    f.header.status = -1;
    f.header.detail = 9;
    assert_int_equal(refused(&f, &f.header, NULL), 0);
    memcpy(&f.header, f.core.guests[0].memory, sizeof(f.header));
    assert_int_equal(f.header.status, 0);
    assert_int_equal(f.header.detail, 0);
    assert_int_equal(f.header.reply_size, sizeof(struct blanket_wire_endpoint));
    core_fini(&f.core);
}

static int check(uint16_t verb, const uint64_t *items, uint32_t count, uint32_t first)
{
    return blanket_frame_check_verb(blanket_verb_find(verb), items, count, first, 0);
}

static void items_and_their_number(void **state)
{
    const uint64_t four[4] = {grant_item(0, 1), frame_item(1, RW), grant_item(1, 1),
                              frame_item(1, RW)};
    const uint64_t ports[2] = {port_item(0, 1), port_item(1, 1)};

    (void)state;
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 4, 0), 0);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 4, 1), 0);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 4, 2), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 4, UINT16_MAX), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 3, 0), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, four, 0, 0), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_STORE_CONNECT, ports, 1, 0), 0);
    assert_int_equal(check(BLANKET_VERB_STORE_CONNECT, ports, 2, 0),
                     -BLANKET_EINVAL); /* no batch */
    assert_int_equal(check(BLANKET_VERB_ENDPOINT_QUERY, ports, 1, 0), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_ENDPOINT_QUERY, ports, 0, 0), 0);
    assert_int_equal(
        blanket_frame_check_verb(blanket_verb_find(BLANKET_VERB_ENDPOINT_LOOKUP), NULL, 0, 0, 9),
        0);
    assert_int_equal(
        blanket_frame_check_verb(blanket_verb_find(BLANKET_VERB_STORE_CONNECT), ports, 1, 0, 9),
        -BLANKET_EINVAL);
}

/* Elements before the first are results, or anything: what counts is what is done now. */
static void what_is_done_isnt_checked_again(void **state)
{
    const uint64_t items[4] = {UINT64_MAX, UINT64_MAX, grant_item(1, 1), frame_item(1, RW)};

    (void)state;
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, items, 4, 0), -BLANKET_EINVAL);
    assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, items, 4, 1), 0);
}

static void every_type_access_and_zero_bit(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned access = 0; access < 4; access++) {
            const uint64_t item = blanket_item(type, access, 5);
            const uint64_t grant[2] = {item, frame_item(1, RW)};
            const uint64_t page[2] = {grant_item(0, 1), item};
            const uint64_t overlaid[3] = {mapping_item(0, 1),
                                          blanket_item(BLANKET_ITEM_PEER_REF, RW, 1), item};
            const uint64_t peer[3] = {mapping_item(0, 1), item, frame_item(1, 0)};
            int is_page = type == BLANKET_ITEM_FRAME || type == BLANKET_ITEM_OWN_GRANT;

            assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, grant, 2, 0) == 0,
                             type == BLANKET_ITEM_GRANT && access == 0);
            assert_int_equal(check(BLANKET_VERB_GRANT_ACCESS, page, 2, 0) == 0,
                             is_page && access != 0);
            assert_int_equal(check(BLANKET_VERB_GRANT_MAP, overlaid, 3, 0) == 0,
                             type == BLANKET_ITEM_FRAME && access == 0);
            assert_int_equal(check(BLANKET_VERB_GRANT_MAP, peer, 3, 0) == 0,
                             type == BLANKET_ITEM_PEER_REF && access != 0);
        }
    }
    for (unsigned bit = 48; bit < 54; bit++) {
        const uint64_t item = port_item(0, 1) | (uint64_t)1 << bit;

        assert_int_equal(check(BLANKET_VERB_EVTCHN_CLOSE, &item, 1, 0), -BLANKET_EINVAL);
    }
}

/* A copy's own check is part of it. */
static void a_copy_that_contradicts_itself(void **state)
{
    const uint64_t items[4] = {mapping_item(0, 1), blanket_item(BLANKET_ITEM_PEER_REF, RW, 1),
                               frame_item(1, RW), blanket_item(BLANKET_ITEM_SPAN, 0, 1 << 24)};

    (void)state;
    assert_int_equal(check(BLANKET_VERB_GRANT_COPY, items, 4, 0), -BLANKET_EINVAL);
}

static void memory_that_cant_be_read(void **state)
{
    const uint64_t item = port_item(0, 1);
    struct fixture f;

    (void)state;
    init(&f);
    for (uint32_t at = 1; at <= 2; at++) {
        f.core.from_fails_at = at;
        assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_EVTCHN_CLOSE, f.device, &item, 1),
                         -BLANKET_EFAULT);
        assert_int_equal(f.core.trace.reason, BLANKET_REASON_MALFORMED);
    }
    /* A frame that ends with the caller's memory, and one that goes beyond. */
    f.header.verb = BLANKET_VERB_EVTCHN_CLOSE;
    f.header.item_count = 1;
    memcpy(f.core.guests[0].memory + CORE_MEMORY - 72, &f.header, sizeof(f.header));
    memcpy(f.core.guests[0].memory + CORE_MEMORY - 8, &item, sizeof(item));
    assert_int_equal(blanket_call(f.core.level, f.id, 0, CORE_MEMORY - 72), 0);
    memcpy(f.core.guests[0].memory + CORE_MEMORY - 71, &f.header, sizeof(f.header));
    assert_int_equal(blanket_call(f.core.level, f.id, 0, CORE_MEMORY - 71), -BLANKET_EFAULT);
    assert_int_equal(blanket_call(f.core.level, f.id, 0, UINT64_MAX), -BLANKET_EFAULT);
    core_fini(&f.core);
}

/* The caller changes each byte as soon as it was read: nothing is read twice. */
static uint64_t read_until;

static int copy_and_flip(void *host, void *guest, void *target, uint64_t address, uint32_t size)
{
    struct core_guest *from = guest;

    (void)host;
    assert_true(address ==
                read_until); /* header first, then just what it announces, no byte twice */
    memcpy(target, from->memory + address, size);
    for (uint32_t i = 0; i < size; i++) {
        from->memory[address + i] ^= 0xff;
    }
    read_until = address + size;
    return 0;
}

static void each_byte_is_read_once(void **state)
{
    const uint64_t items[2] = {grant_item(3, 4), frame_item(5, RW)};
    struct fixture f;

    (void)state;
    init(&f);
    f.core.ops.copy_from_above = copy_and_flip;
    read_until = 0;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2), 0);
    assert_true(read_until == BLANKET_HEADER_SIZE + 2 * sizeof(uint64_t));
    assert_int_equal(core_status(&f.core, 0), 0);
    assert_int_equal(f.core.reply.verb, BLANKET_VERB_GRANT_ACCESS);
    assert_true(f.core.below.last_items[0] == grant_item(3, 1));
    core_fini(&f.core);
}

static void the_reply_is_the_frame_with_results(void **state)
{
    const uint64_t items[4] = {grant_item(0, 1), frame_item(5, RW), grant_item(1, 1),
                               frame_item(6, RW)};
    const uint8_t *after;
    struct fixture f;
    uint64_t got[4];

    (void)state;
    init(&f);
    f.core.below.done = 1;
    f.core.below.value = 0xabcd;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 4), 0);
    after = f.core.guests[0].memory + BLANKET_HEADER_SIZE;
    memcpy(got, after, sizeof(got));
    assert_true(got[0] == blanket_result(0, 0xabcd));
    assert_true(got[1] == items[1] && got[2] == items[2] && got[3] == items[3]);
    assert_true(f.core.reply.endpoint == f.device && f.core.reply.claim == 0x77);
    assert_int_equal(f.core.reply.item_count, 4);
    f.core.below.done = f.core.below.value = 0;
    /* A refusal writes the header only. */
    f.core.hook_status = 1;
    memset(f.core.guests[0].memory, 0, BLANKET_HEADER_SIZE);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 4),
                     -BLANKET_EPERM);
    assert_int_equal(f.core.reply.status, -BLANKET_EPERM);
    assert_memory_equal(after, items, sizeof(items));
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_agrees_with_itself),
        cmocka_unit_test(what_a_reply_left_is_ignored),
        cmocka_unit_test(items_and_their_number),
        cmocka_unit_test(what_is_done_isnt_checked_again),
        cmocka_unit_test(every_type_access_and_zero_bit),
        cmocka_unit_test(a_copy_that_contradicts_itself),
        cmocka_unit_test(memory_that_cant_be_read),
        cmocka_unit_test(each_byte_is_read_once),
        cmocka_unit_test(the_reply_is_the_frame_with_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
