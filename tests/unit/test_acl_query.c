/* SPDX-License-Identifier: MIT */
/* What a guest asks about its own table. */
#include "core_fixture.h"

#define SELF core_self()

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

static struct blanket_wire_endpoint info(struct fixture *f)
{
    struct blanket_wire_endpoint got;

    assert_int_equal(f->core.reply.reply_size, sizeof(got));
    memcpy(&got, f->core.reply_payload, sizeof(got));
    return got;
}

static int events(struct fixture *f)
{
    return core_call(&f->core, f->id, BLANKET_VERB_ENDPOINT_EVENTS, SELF, NULL, 0);
}

static int lookup(struct fixture *f, const char *name, uint32_t size)
{
    return core_call_payload(&f->core, f->id, BLANKET_VERB_ENDPOINT_LOOKUP, SELF, NULL, 0, name,
                             size);
}

static void what_an_endpoint_is(void **state)
{
    struct fixture f;
    struct blanket_wire_endpoint got;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    f.core.below.busy = 1;
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), -BLANKET_EBUSY);
    f.core.below.busy = 0;
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_QUERY, f.device, NULL, 0), 0);
    assert_int_equal(f.core.reply.done, 0); /* it has no elements */
    got = info(&f);
    assert_true(got.endpoint == f.device && got.scope == 0x300);
    assert_int_equal(got.rights, BLANKET_RIGHTS_ALL);
    assert_int_equal(got.state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(got.grant_count + got.mapping_count + got.port_count, 48);
    assert_int_equal(got.grant_used, 1);
    assert_int_equal(got.mapping_used, 0);
    assert_int_equal(got.port_used, 1);
    assert_int_equal(got.closing, 1);
    assert_int_equal(got.grant_base, 500);
    assert_int_equal(got.port_base, 48);
    assert_string_equal(got.name, "vbd/1");
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_ENDPOINT_QUERY, SELF, NULL, 0), 0);
    got = info(&f);
    assert_string_equal(got.name, "self");
    assert_int_equal(got.child_count, 1);
    assert_int_equal(got.rights, (1u << BLANKET_RIGHT_QUERY) | (1u << BLANKET_RIGHT_RESET));
    core_fini(&f.core);
}

static void by_name(void **state)
{
    struct fixture f;
    char big[BLANKET_PAYLOAD_SIZE_MAX];

    (void)state;
    init(&f);
    memset(big, 'x', sizeof(big));
    assert_int_equal(lookup(&f, "vbd/1", 5), 0);
    assert_true(info(&f).endpoint == f.device);
    assert_int_equal(lookup(&f, "vbd/1", 6), 0); /* with its NUL */
    assert_int_equal(lookup(&f, "vbd/2", 5), -BLANKET_ENOENT);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_OBJECT);
    assert_int_equal(lookup(&f, "", 0), -BLANKET_ENOENT);
    assert_int_equal(lookup(&f, "", 1), -BLANKET_ENOENT);
    assert_int_equal(lookup(&f,
                            "vbd\0"
                            "1",
                            5),
                     -BLANKET_ENOENT);
    assert_int_equal(lookup(&f, big, sizeof(big)), -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(lookup(&f, "vbd/1", 5), 0); /* until it is drained */
    assert_int_equal(info(&f).state, BLANKET_ENDPOINT_DEAD);
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(lookup(&f, "vbd/1", 5), -BLANKET_ENOENT);
    core_fini(&f.core);
}

/* A frame of its own, because core_call always has room for a reply. */
static int with_room(struct fixture *f, uint16_t verb, uint16_t room)
{
    struct blanket_wire_header header;

    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = verb;
    header.endpoint = SELF;
    header.reply_max = room;
    memcpy(f->core.guests[0].memory, &header, sizeof(header));
    return blanket_call(f->core.level, f->id, 0, 0);
}

static void without_room_nothing_is_taken(void **state)
{
    const uint16_t size = sizeof(struct blanket_wire_endpoint);
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(with_room(&f, BLANKET_VERB_ENDPOINT_QUERY, size - 1), -BLANKET_EOVERFLOW);
    assert_int_equal(with_room(&f, BLANKET_VERB_ENDPOINT_LOOKUP, 0), -BLANKET_EOVERFLOW);
    assert_int_equal(with_room(&f, BLANKET_VERB_ENDPOINT_EVENTS, size - 1), -BLANKET_EOVERFLOW);
    assert_int_equal(with_room(&f, BLANKET_VERB_ENDPOINT_EVENTS, size), 0);
    core_fini(&f.core);
}

static void events_are_taken_in_turn(void **state)
{
    struct fixture f;
    uint64_t second;

    (void)state;
    init(&f);
    second = core_mint(&f.core, f.id, 1, "vbd/2");
    assert_int_equal(events(&f), -BLANKET_ENOENT);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    blanket_endpoint_lost(f.core.level, &f.core.under, 1);
    assert_int_equal(f.core.notified, 1); /* both in one notification */
    assert_int_equal(events(&f), 0);
    assert_true(info(&f).endpoint == f.device);
    assert_int_equal(info(&f).events, BLANKET_EVENT_DEAD);
    /* It has another event now, and still it is the other's turn. */
    assert_int_equal(core_work(&f.core, 100), 0);
    assert_int_equal(f.core.notified, 2); /* asking lets the control port notify again */
    assert_int_equal(events(&f), 0);
    assert_true(info(&f).endpoint == second);
    assert_int_equal(info(&f).events, BLANKET_EVENT_PEER_GONE);
    assert_int_equal(info(&f).state, BLANKET_ENDPOINT_BROKEN);
    assert_int_equal(events(&f), 0);
    assert_true(info(&f).endpoint == f.device);
    assert_int_equal(info(&f).events, BLANKET_EVENT_DRAINED);
    assert_int_equal(info(&f).state, BLANKET_ENDPOINT_FREE);
    assert_int_equal(events(&f), -BLANKET_ENOENT);
    core_fini(&f.core);
}

/* Each event is told, or is there again. */
static void events_that_couldnt_be_told_come_again(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    f.core.to_fails_at = 1;
    assert_int_equal(events(&f), -BLANKET_EIO);
    assert_int_equal(f.core.notified, 2);
    assert_int_equal(events(&f), 0);
    assert_int_equal(info(&f).events, BLANKET_EVENT_DEAD);
    assert_int_equal(events(&f), -BLANKET_ENOENT);
    core_fini(&f.core);
}

/* While the reply is copied the slot gets another owner: it isn't told of the
 * other's past. */
static int copy_and_mint(void *host, void *guest, uint64_t address, const void *source,
                         uint32_t size)
{
    struct core *core = host;

    (void)guest;
    (void)address;
    (void)source;
    (void)size;
    (void)core_mint(core, 0, 0, "vbd/9");
    return -BLANKET_EFAULT;
}

static void events_of_a_former_life_are_forgotten(void **state)
{
    struct fixture f;
    int (*copy_to)(void *, void *, uint64_t, const void *, uint32_t);

    (void)state;
    init(&f);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    assert_int_equal(core_work(&f.core, 100), 0);
    copy_to = f.core.ops.copy_to_above;
    f.core.ops.copy_to_above = copy_and_mint;
    assert_int_equal(events(&f), -BLANKET_EIO);
    f.core.ops.copy_to_above = copy_to;
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->state, BLANKET_ENDPOINT_LIVE);
    assert_int_equal(core_endpoint(&f.core, f.id, f.device)->events, 0);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_endpoint_is),
        cmocka_unit_test(by_name),
        cmocka_unit_test(without_room_nothing_is_taken),
        cmocka_unit_test(events_are_taken_in_turn),
        cmocka_unit_test(events_that_couldnt_be_told_come_again),
        cmocka_unit_test(events_of_a_former_life_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
