/* SPDX-License-Identifier: MIT */
/*
 * The store through three levels: a guest's view of its device, and what a hostile sibling, which is the
 * same domain to the provider, can't do with its own.
 */
#include "bed.h"

#include <xen/io/xs_wire.h>

#define LEVELS 3u
#define MINE "/local/domain/7/device/vbd/51712"   /* guest 0's */
#define OTHERS "/local/domain/7/device/vbd/51728" /* guest 1's */
#define BACKEND "/local/domain/0/backend/vbd/7/51712"

/* A reply, or an event. */
struct message {
    int status; /* of the call, or of its element */
    uint32_t type, id, size;
    char body[XENSTORE_PAYLOAD_MAX + 1];
};

static void opened_with(struct bed *bed, uint32_t seed)
{
    struct bed_config config = {.levels = LEVELS, .guests = 2, .store = 1};
    uint32_t guest;

    config.seed = seed;
    assert_int_equal(bed_open(bed, &config), 0);
    for (guest = 0; guest < 2; guest++) {
        assert_int_equal(
            bed_status(bed_op(bed, guest, BLANKET_VERB_STORE_CONNECT, 1, bed_port(0, 1))), 0);
    }
}

static void opened(struct bed *bed)
{
    opened_with(bed, 21);
}

static void closed(struct bed *bed)
{
    assert_int_equal(bed_close(bed), 0);
}

static void parse(struct message *message, const uint8_t *reply, uint32_t size)
{
    struct xsd_sockmsg header;

    if (size < sizeof(header)) {
        return;
    }
    memcpy(&header, reply, sizeof(header));
    message->type = header.type;
    message->id = header.req_id;
    message->size = header.len < size - sizeof(header) ? header.len
                                                       : size - (uint32_t)sizeof(header);
    memcpy(message->body, reply + sizeof(header), message->size);
}

/* The next message of guest `guest`'s connection; type 0: there is none. */
static struct message receive(struct bed *bed, uint32_t guest)
{
    uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
    uint64_t item = bed_port(0, 1), result = 0;
    struct bed_call call = {
        .items = &item, .item_count = 1, .element_count = 1, .results = &result};
    struct message message;

    memset(&message, 0, sizeof(message));
    call.endpoint = bed->handles[guest];
    call.reply = reply;
    call.reply_max = sizeof(reply);
    message.status = bed_call(bed, guest, BLANKET_VERB_STORE_RECEIVE, &call);
    if (!message.status) {
        message.status = bed_status(result);
        parse(&message, reply, call.reply_size);
    }
    return message;
}

/* A request; its reply, wherever it came. `last` is the item that follows the root (0: no root). */
static struct message ask(struct bed *bed, uint32_t guest, uint16_t verb, uint32_t type,
                          uint64_t root, uint64_t last, const void *payload, uint32_t size)
{
    uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
    uint64_t items[5] = {bed_port(0, 1),
                         blanket_item(BLANKET_ITEM_REQUEST, 0, ((uint64_t)type << 32) | 77),
                         blanket_item(BLANKET_ITEM_ROOT, 0, root),
                         blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0), last};
    uint64_t result = 0;
    struct bed_call call = {
        .items = items, .item_count = 4, .element_count = 1, .results = &result};
    struct message message;

    memset(&message, 0, sizeof(message));
    if (verb == BLANKET_VERB_STORE_WATCH) {
        items[3] = last;
    } else if (last) {
        call.item_count = 5;
    }
    call.endpoint = bed->handles[guest];
    call.payload = payload;
    call.payload_size = size;
    call.reply = reply;
    call.reply_max = sizeof(reply);
    message.status = bed_call(bed, guest, verb, &call);
    if (message.status) {
        return message;
    }
    message.status = bed_status(result);
    if (!message.status && blanket_result_value(result)) {
        parse(&message, reply, call.reply_size);
    } else if (!message.status) {
        message = receive(bed, guest);
    }
    return message;
}

static struct message read_key(struct bed *bed, uint32_t guest, uint64_t root, const char *path)
{
    return ask(bed, guest, BLANKET_VERB_STORE_READ, XS_READ, root, 0, path,
               (uint32_t)strlen(path) + 1);
}

static struct message write_key(struct bed *bed, uint32_t guest, uint64_t root, const char *path,
                                const char *value)
{
    char payload[256];
    int size = snprintf(payload, sizeof(payload), "%s%c%s", path, 0, value);

    return ask(bed, guest, BLANKET_VERB_STORE_WRITE, XS_WRITE, root, 0, payload, (uint32_t)size);
}

static struct message watch(struct bed *bed, uint32_t guest, uint64_t root, uint32_t id,
                            const char *path)
{
    return ask(bed, guest, BLANKET_VERB_STORE_WATCH, XS_WATCH, root,
               blanket_item(BLANKET_ITEM_WATCH, 0, id), path, (uint32_t)strlen(path) + 1);
}

/* What the store really has, as domain 0 sees it. */
static struct message truth(struct bed *bed, uint32_t type, const char *path)
{
    struct blanket_root_client *client;
    uint8_t bytes[16 + XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg header = {.type = type, .req_id = 1, .len = (uint32_t)strlen(path) + 1};
    struct message message;
    uint32_t used = 0;

    memset(&message, 0, sizeof(message));
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), path, header.len);
    assert_int_equal(blanket_root_client_connect(bed->root, 0, NULL, NULL, &client), 0);
    assert_int_equal(
        blanket_root_client_submit(client, bytes, (uint32_t)sizeof(header) + header.len), 0);
    assert_int_equal(blanket_root_client_receive(client, bytes, sizeof(bytes), &used), 0);
    parse(&message, bytes, used);
    blanket_root_client_disconnect(client);
    return message;
}

static void assert_truth(struct bed *bed, const char *path, const char *value)
{
    assert_string_equal(truth(bed, XS_READ, path).body, value);
}

/* --- what works --- */

static void a_guest_reads_and_writes_its_device(void **state)
{
    struct bed bed;
    struct message message;

    (void)state;
    opened(&bed);
    message = read_key(&bed, 0, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(message.status, 0);
    assert_int_equal(message.type, XS_READ);
    assert_int_equal(message.id, 77);
    assert_string_equal(message.body, "1");
    assert_string_equal(write_key(&bed, 0, BLANKET_ROOT_FRONTEND, "feature-x", "yes").body, "OK");
    assert_truth(&bed, MINE "/feature-x", "yes");
    assert_string_equal(truth(&bed, XS_READ, OTHERS "/feature-x").body, "ENOENT");
    closed(&bed);
}

static void a_watch_tells_its_own_guest(void **state)
{
    struct bed bed;
    struct message message;
    uint32_t port;

    (void)state;
    opened(&bed);
    port = bed_query(&bed, 0, bed.handles[0]).port_base;
    assert_string_equal(watch(&bed, 0, BLANKET_ROOT_FRONTEND, 5, "state").body, "OK");
    message = receive(&bed, 0);
    assert_int_equal(message.type, XS_WATCH_EVENT);
    assert_int_equal(message.id, 5);
    assert_string_equal(message.body, "state");
    (void)blanket_sim_event_take(bed.sim, bed_guest(&bed, 0), port);
    /* The sibling writes its own state: nobody else hears of it. */
    assert_string_equal(write_key(&bed, 1, BLANKET_ROOT_FRONTEND, "state", "3").body, "OK");
    assert_int_equal(receive(&bed, 0).type, 0);
    assert_int_equal(blanket_sim_event_take(bed.sim, bed_guest(&bed, 0), port), 0);
    assert_string_equal(write_key(&bed, 0, BLANKET_ROOT_FRONTEND, "state", "3").body, "OK");
    assert_int_equal(blanket_sim_event_take(bed.sim, bed_guest(&bed, 0), port), 1);
    assert_string_equal(receive(&bed, 0).body, "state");
    closed(&bed);
}

/* A reference or a port gets into the store as an item, which each level has checked and translated. */
static void a_reference_in_the_store_is_what_the_peer_sees(void **state)
{
    struct bed bed;
    struct message message;
    char expected[16];
    uint32_t reference;
    uint8_t *address;

    (void)state;
    opened(&bed);
    reference = bed_granted(&bed, 0, 9, 1, bed_page(&bed, 0, 0x77), BED_RW);
    message = ask(&bed, 0, BLANKET_VERB_STORE_WRITE_GRANT, XS_WRITE, BLANKET_ROOT_FRONTEND,
                  bed_grant(9, 1), "ring-ref", 9);
    assert_int_equal(message.status, 0);
    assert_string_equal(message.body, "OK");
    snprintf(expected, sizeof(expected), "%u", reference);
    assert_truth(&bed, MINE "/ring-ref", expected);
    assert_int_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint,
                         (uint32_t)strtoul(truth(&bed, XS_READ, MINE "/ring-ref").body, NULL, 10),
                         BED_RW, (void **)&address),
        0);
    assert_int_equal(*address, 0x77);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    closed(&bed);
}

/* --- what doesn't --- */

static void a_siblings_numbers_in_my_store(void **state)
{
    static const char *const typed[] = {"ring-ref",         "ring-ref0",   "event-channel",
                                        "event-channel-tx", "tx-ring-ref", "rx-ring-ref",
                                        "page-ref",         "port",        "queue-0/ring-ref"};
    struct bed bed;
    uint32_t i;

    (void)state;
    opened(&bed);
    (void)bed_granted(&bed, 0, 9, 1, bed_page(&bed, 0, 0x5e), BED_RW);
    /* As text, in a key that says what it is. */
    for (i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        assert_int_equal(write_key(&bed, 1, BLANKET_ROOT_FRONTEND, typed[i], "17").status,
                         -BLANKET_EINVAL);
    }
    /* As an item: a slot of its own only, and only one that is there. */
    assert_int_equal(ask(&bed, 1, BLANKET_VERB_STORE_WRITE_GRANT, XS_WRITE, BLANKET_ROOT_FRONTEND,
                         bed_grant(9, 1), "ring-ref", 9)
                         .status,
                     -BLANKET_ENOENT);
    assert_int_equal(ask(&bed, 1, BLANKET_VERB_STORE_WRITE_PORT, XS_WRITE, BLANKET_ROOT_FRONTEND,
                         bed_port(3, 1), "event-channel", 14)
                         .status,
                     -BLANKET_ENOENT);
    assert_int_equal(ask(&bed, 0, BLANKET_VERB_STORE_WRITE_GRANT, XS_WRITE, BLANKET_ROOT_FRONTEND,
                         bed_grant(9, 2), "ring-ref", 9)
                         .status,
                     -BLANKET_ENOENT);
    assert_string_equal(truth(&bed, XS_READ, OTHERS "/ring-ref").body, "ENOENT");
    closed(&bed);
}

static void paths_out_of_the_view(void **state)
{
    static const char *const paths[] = {"../51712/state",
                                        "..",
                                        "a/../../51712/state",
                                        "/",
                                        "//",
                                        "a//b",
                                        "a/",
                                        "./state",
                                        "a b",
                                        "state\n",
                                        "*",
                                        "\xc3\xa9"};
    struct bed bed;
    uint64_t hash;
    uint32_t i;

    (void)state;
    opened(&bed);
    hash = blanket_sim_hash(bed.sim);
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(read_key(&bed, 1, BLANKET_ROOT_FRONTEND, paths[i]).status,
                         -BLANKET_EINVAL);
        assert_int_equal(write_key(&bed, 1, BLANKET_ROOT_FRONTEND, paths[i], "x").status,
                         -BLANKET_EINVAL);
        assert_int_equal(watch(&bed, 1, BLANKET_ROOT_FRONTEND, 3, paths[i]).status,
                         -BLANKET_EINVAL);
    }
    assert_int_equal(read_key(&bed, 1, BLANKET_ROOT_FRONTEND, MINE "/state").status,
                     -BLANKET_EINVAL);
    /* Roots that it doesn't have, or has to read only. */
    assert_int_equal(read_key(&bed, 1, BLANKET_ROOT_ALL, MINE "/state").status, -BLANKET_EPERM);
    assert_int_equal(read_key(&bed, 1, BLANKET_ROOT_DATA, "x").status, -BLANKET_EPERM);
    assert_int_equal(write_key(&bed, 1, BLANKET_ROOT_BACKEND, "state", "4").status, -BLANKET_EPERM);
    assert_int_not_equal(read_key(&bed, 1, 4, "state").status, 0);
    assert_true(blanket_sim_hash(bed.sim) == hash);
    assert_truth(&bed, MINE "/state", "1");
    closed(&bed);
}

static void keys_that_say_who_is_where(void **state)
{
    static const char *const hidden[] = {"backend", "backend-id", "frontend", "frontend-id",
                                         "a/backend"};
    struct bed bed;
    uint32_t i;

    (void)state;
    opened(&bed);
    for (i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        assert_string_equal(read_key(&bed, 1, BLANKET_ROOT_FRONTEND, hidden[i]).body, "ENOENT");
        assert_string_equal(write_key(&bed, 1, BLANKET_ROOT_FRONTEND, hidden[i], MINE).body,
                            "EACCES");
        assert_string_equal(watch(&bed, 1, BLANKET_ROOT_FRONTEND, 3, hidden[i]).body, "ENOENT");
    }
    assert_truth(&bed, OTHERS "/backend-id", "0");
    assert_truth(&bed, MINE "/backend", BACKEND);
    /* Nor can it hand a node to somebody else. */
    assert_int_equal(ask(&bed, 1, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, BLANKET_ROOT_FRONTEND, 0,
                         "state\0n9", 9)
                         .status,
                     -BLANKET_EINVAL);
    assert_int_equal(ask(&bed, 1, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, BLANKET_ROOT_FRONTEND, 0,
                         "state\0n0\0w2", 12)
                         .status,
                     -BLANKET_EINVAL);
    closed(&bed);
}

/* A connection, a request type and an id that aren't there, or aren't this verb's. */
static void wrong_types_and_ids(void **state)
{
    struct bed bed;
    uint32_t type, accepted = 0;

    (void)state;
    opened(&bed);
    for (type = 0; type < 64; type++) {
        struct message message = ask(&bed, 1, BLANKET_VERB_STORE_READ, type, BLANKET_ROOT_FRONTEND,
                                     0, "state", 6);

        if (type == XS_READ || type == XS_DIRECTORY || type == XS_GET_PERMS ||
            type == XS_DIRECTORY_PART) {
            accepted += message.status == 0;
        } else {
            assert_int_equal(message.status, -BLANKET_EINVAL);
        }
        if (type != XS_WRITE && type != XS_MKDIR && type != XS_RM && type != XS_SET_PERMS) {
            assert_int_equal(
                ask(&bed, 1, BLANKET_VERB_STORE_WRITE, type, BLANKET_ROOT_FRONTEND, 0, "state", 6)
                    .status,
                -BLANKET_EINVAL);
        }
    }
    assert_true(accepted >= 3);
    assert_int_equal(bed_status(bed_op(&bed, 1, BLANKET_VERB_STORE_RECEIVE, 1, bed_port(1, 1))),
                     -BLANKET_ENOENT);
    assert_int_equal(bed_status(bed_op(&bed, 1, BLANKET_VERB_STORE_RECEIVE, 1, bed_port(0, 2))),
                     -BLANKET_ENOENT);
    /* A connection isn't a channel. */
    assert_int_equal(bed_status(bed_op(&bed, 1, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))),
                     -BLANKET_ENOENT);
    assert_int_equal(bed_status(bed_op(&bed, 1, BLANKET_VERB_EVTCHN_CLOSE, 1, bed_port(0, 1))),
                     -BLANKET_ENOENT);
    assert_string_equal(read_key(&bed, 1, BLANKET_ROOT_FRONTEND, "state").body, "1");
    closed(&bed);
}

/* The hostile guest takes all that it may have and reads nothing: its sibling has what it had. */
static void a_flood_of_watches_and_requests(void **state)
{
    struct bed bed;
    char path[32];
    uint32_t i, refused = 0;

    (void)state;
    opened(&bed);
    for (i = 1; i < 200; i++) {
        snprintf(path, sizeof(path), "w%u", i);
        refused += watch(&bed, 1, BLANKET_ROOT_FRONTEND, i, path).status == -BLANKET_ENOSPC;
    }
    assert_true(refused >= 200 - 20);
    for (i = 0; i < 2000; i++) {
        (void)bed_op(&bed, 1, BLANKET_VERB_STORE_CONNECT, 1, bed_port(1 + i % 8, 1 + i));
        snprintf(path, sizeof(path), "w%u", i % 16);
        (void)ask(&bed, 1, BLANKET_VERB_STORE_WRITE, XS_MKDIR, BLANKET_ROOT_FRONTEND, 0, path,
                  (uint32_t)strlen(path) + 1);
    }
    assert_string_equal(watch(&bed, 0, BLANKET_ROOT_FRONTEND, 1, "state").body, "OK");
    assert_int_equal(receive(&bed, 0).type, XS_WATCH_EVENT);
    assert_string_equal(write_key(&bed, 0, BLANKET_ROOT_FRONTEND, "mine", "1").body, "OK");
    assert_string_equal(read_key(&bed, 0, BLANKET_ROOT_FRONTEND, "mine").body, "1");
    closed(&bed);
}

/* --- restarts --- */

/* A guest that is gone has closed its device: the level says so to the peer. */
static void a_guest_that_goes_closes_its_device(void **state)
{
    struct bed bed;

    (void)state;
    opened(&bed);
    assert_string_equal(write_key(&bed, 0, BLANKET_ROOT_FRONTEND, "state", "4").body, "OK");
    assert_string_equal(watch(&bed, 0, BLANKET_ROOT_FRONTEND, 9, "state").body, "OK");
    assert_int_equal(blanket_sim_stop(bed.sim, bed_guest(&bed, 0)), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_truth(&bed, MINE "/state", "6");
    assert_truth(&bed, OTHERS "/state", "1");
    /* Its next life connects anew; nothing of the old one's comes. */
    assert_int_equal(blanket_sim_start(bed.sim, bed_guest(&bed, 0)), 0);
    assert_int_equal(bed_mint(&bed, 0, BLANKET_RIGHTS_ALL, NULL), 0);
    assert_int_equal(bed_status(bed_create(&bed, 0, BLANKET_VERB_STORE_CONNECT, bed_port(0, 1), 0)),
                     0);
    assert_string_equal(write_key(&bed, 0, BLANKET_ROOT_FRONTEND, "state", "1").body, "OK");
    assert_int_equal(receive(&bed, 0).type, 0);
    closed(&bed);
}

/* One verb of the store, by guest 1. */
static void any_verb(struct bed *bed, uint32_t which)
{
    switch (which) {
    case 0:
        (void)bed_op(bed, 1, BLANKET_VERB_STORE_CONNECT, 1, bed_port(2, 1));
        break;
    case 1:
        (void)bed_op(bed, 1, BLANKET_VERB_STORE_DISCONNECT, 1, bed_port(0, 1));
        break;
    case 2:
        (void)write_key(bed, 1, BLANKET_ROOT_FRONTEND, "key", "value");
        break;
    case 3:
        (void)watch(bed, 1, BLANKET_ROOT_FRONTEND, 2, "state");
        break;
    default:
        (void)receive(bed, 1);
        break;
    }
}

static void break_one(uint32_t node, enum blanket_sim_fault fault, uint32_t which, uint32_t seed)
{
    struct bed bed;
    uint32_t i;

    opened_with(&bed, seed);
    assert_int_equal(blanket_sim_fault(bed.sim, node, fault, 0, 1), 0);
    any_verb(&bed, which);
    (void)blanket_sim_fault(bed.sim, node, BLANKET_SIM_FAULT_NONE, 0, 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    (void)blanket_sim_late(bed.sim);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_string_equal(read_key(&bed, 0, BLANKET_ROOT_FRONTEND, "state").body, "1");
    for (i = 0; which != 1 && i < 4 && receive(&bed, 1).type; i++) {
    }
    if (which != 1) {
        assert_string_equal(read_key(&bed, 1, BLANKET_ROOT_FRONTEND, "state").body, "1");
    }
    closed(&bed);
}

/* Late, lost, doubled and garbled answers to each verb of the store: the connection works, or is gone. */
static void broken_answers(void **state)
{
    uint32_t node, which, round;
    int fault;

    (void)state;
    for (node = 0; node < LEVELS; node++) {
        for (fault = BLANKET_SIM_FAULT_REFUSE; fault <= BLANKET_SIM_FAULT_DUPLICATE; fault++) {
            for (which = 0; which < 5; which++) {
                uint32_t rounds = fault == BLANKET_SIM_FAULT_GARBAGE ? 20 : 1;

                for (round = 0; round < rounds; round++) {
                    break_one(node, (enum blanket_sim_fault)fault, which, 1 + round);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_reads_and_writes_its_device),
        cmocka_unit_test(a_watch_tells_its_own_guest),
        cmocka_unit_test(a_reference_in_the_store_is_what_the_peer_sees),
        cmocka_unit_test(a_siblings_numbers_in_my_store),
        cmocka_unit_test(paths_out_of_the_view),
        cmocka_unit_test(keys_that_say_who_is_where),
        cmocka_unit_test(wrong_types_and_ids),
        cmocka_unit_test(a_flood_of_watches_and_requests),
        cmocka_unit_test(a_guest_that_goes_closes_its_device),
        cmocka_unit_test(broken_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
