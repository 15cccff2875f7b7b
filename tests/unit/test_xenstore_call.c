/* SPDX-License-Identifier: MIT */
/* Every verb of the store over a store below that answers at once: what is passed on, and what isn't. */
#include "test_xenstore.h"

static void test_read(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_BACKEND, "sectors"), 0);
    caller_told(&caller, XS_READ, "2048", 4);
    assert_string_equal(fake_body(&fake, 0), BACKEND "/sectors");
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_FRONTEND, "nothing/here"), 0);
    caller_error(&caller, "ENOENT");
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_FRONTEND, ""), 0);
    caller_told(&caller, XS_READ, "", 0);
    assert_string_equal(fake_body(&fake, 0), FRONTEND);
    caller_takes_nothing(&caller);
    assert_int_equal(fake.event_count, 0);
    stop(&fake, &caller);
}

static void test_write(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_write(&caller, "feature-x", "1"), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_string_equal(fake_find(&fake, FRONTEND "/feature-x")->value, "1");
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_MKDIR, BLANKET_ROOT_FRONTEND,
                                0, "queue-0", 8),
                     0);
    caller_told(&caller, XS_MKDIR, "OK", 3);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_RM, BLANKET_ROOT_FRONTEND, 0,
                                "queue-0", 8),
                     0);
    caller_told(&caller, XS_RM, "OK", 3);
    assert_null(fake_find(&fake, FRONTEND "/queue-0"));
    stop(&fake, &caller);
}

static void test_write_numbers(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    caller_request(&caller, XS_WRITE);
    caller.items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_FRONTEND);
    caller.items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 8, 5);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, "ring-ref", 9), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_string_equal(fake_find(&fake, FRONTEND "/ring-ref")->value, "1008");
    caller_request(&caller, XS_WRITE);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_PORT, 12, 5);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_PORT, 5, "event-channel", 14),
                     0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_string_equal(fake_find(&fake, FRONTEND "/event-channel")->value, "12");
    stop(&fake, &caller);
}

static void test_directory(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_write(&caller, "x", "1"), 0);
    assert_int_equal(caller_read(&caller, XS_DIRECTORY, BLANKET_ROOT_FRONTEND, ""), 0);
    caller_told(&caller, XS_DIRECTORY, "state\0x", 8);
    assert_int_equal(caller_read(&caller, XS_DIRECTORY, BLANKET_ROOT_FRONTEND, "x"), 0);
    caller_told(&caller, XS_DIRECTORY, "", 0);
    stop(&fake, &caller);
}

static void test_permissions(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_read(&caller, XS_GET_PERMS, BLANKET_ROOT_FRONTEND, "state"), 0);
    caller_told(&caller, XS_GET_PERMS, "n0\0r1", 6);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS,
                                BLANKET_ROOT_FRONTEND, 0, "state\0r0\0b1", 12),
                     0);
    caller_told(&caller, XS_SET_PERMS, "OK", 3);
    assert_memory_equal(fake_find(&fake, FRONTEND "/state")->perms, "r7\0b0", 6);
    stop(&fake, &caller);
}

static void test_watch(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, BLANKET_ROOT_BACKEND, 9, "state"), 0);
    caller_told(&caller, XS_WATCH, "OK", 3);
    assert_int_equal(fake.events[1][3], 1);
    caller_takes(&caller, XS_WATCH_EVENT, 9, "state", 6);
    caller_takes_nothing(&caller);
    fake_set(&fake, BACKEND "/state", "4", 1);
    fake_fire(&fake, BACKEND "/state");
    assert_int_equal(fake.events[1][3], 2);
    caller_takes(&caller, XS_WATCH_EVENT, 9, "state", 6);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, BLANKET_ROOT_BACKEND, 9, "state"), 0);
    caller_told(&caller, XS_UNWATCH, "OK", 3);
    assert_int_equal(fake_watch_count(&fake), 0);
    stop(&fake, &caller);
}

/* Ids of one connection, of two: each is its own, whatever table they are kept in. */
static void test_ids(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller other;

    (void)state;
    start(&fake, &caller);
    caller_begin(&other, &fake, caller.view, 4);
    assert_int_equal(caller_connect(&other), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 33, "b"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 65535, "c"), 0);
    assert_int_equal(caller_watch(&other, XS_WATCH, 0, 1, "d"), 0);
    assert_int_equal(caller_watch(&other, XS_WATCH, 0, 16, "e"), 0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    caller_told(&caller, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 33, "b"), 0);
    caller_told(&caller, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 16, "e"), -BLANKET_ENOENT);
    assert_int_equal(caller_watch(&other, XS_UNWATCH, 0, 1, "d"), 0);
    caller_told(&other, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_watch(&other, XS_UNWATCH, 0, 16, "x"), 0);
    caller_error(&other, "ENOENT");
    assert_int_equal(caller_watch(&other, XS_UNWATCH, 0, 16, "ee"), 0);
    caller_error(&other, "ENOENT");
    /* An id is free, and its events are over, as soon as its UNWATCH was accepted. */
    assert_int_equal(caller_receive(&other), 0);
    fake_fire(&fake, FRONTEND "/e");
    fake.asynchronous = true;
    assert_int_equal(caller_watch(&other, XS_UNWATCH, 0, 16, "e"), 0);
    fake_fire(&fake, FRONTEND "/e/f");
    caller_takes_nothing(&other);
    assert_int_equal(caller_watch(&other, XS_WATCH, 0, 16, "f"), 0);
    fake_answer_all(&fake);
    fake.asynchronous = false;
    assert_int_equal(caller_receive(&other), 0);
    assert_int_equal(caller_watch(&other, XS_UNWATCH, 0, 16, "f"), 0);
    caller_told(&other, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &caller);
}

static void test_transaction(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    fake.next_transaction = 4711;
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 5, NULL), 0);
    caller_told(&caller, XS_TRANSACTION_START, "5", 2);
    assert_int_equal(caller.header.tx_id, 5);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_FRONTEND,
                                5, "a\0b", 3),
                     0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_int_equal(caller.header.tx_id, 5);
    assert_int_equal(fake_header(&fake, 0).tx_id, 4712);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 5, "T"), 0);
    caller_told(&caller, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 5, "T"), -BLANKET_ENOENT);
    fake.conflict = 1;
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 5, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 5, "T"), 0);
    caller_error(&caller, "EAGAIN");
    stop(&fake, &caller);
}

/* What each verb's items must be. */
static const struct {
    uint16_t verb;
    uint8_t types[5];
} shapes[] = {
    {BLANKET_VERB_STORE_CONNECT, {BLANKET_ITEM_PORT}},
    {BLANKET_VERB_STORE_DISCONNECT, {BLANKET_ITEM_PORT}},
    {BLANKET_VERB_STORE_RECEIVE, {BLANKET_ITEM_PORT}},
    {BLANKET_VERB_STORE_READ,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE_GRANT,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION,
      BLANKET_ITEM_GRANT}},
    {BLANKET_VERB_STORE_WRITE_PORT,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION,
      BLANKET_ITEM_PORT}},
    {BLANKET_VERB_STORE_WATCH,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_WATCH}},
    {BLANKET_VERB_STORE_TRANSACT,
     {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_TRANSACTION}},
};

/* Others are refused, and nothing goes below. */
static void test_items(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;
    uint32_t at;
    uint32_t type;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        uint16_t count = 0;

        for (at = 0; at < 5 && shapes[i].types[at] != 0; at++) {
            caller.items[at] = blanket_item(shapes[i].types[at], 0, 0);
            count++;
        }
        caller.items[count] = blanket_item(BLANKET_ITEM_COUNT, 0, 0);
        for (at = 0; at <= 6; at++) {
            if (at != count) {
                assert_int_equal(caller_call(&caller, shapes[i].verb, (uint16_t)at, NULL, 0),
                                 -BLANKET_EINVAL);
            }
        }
        caller.items[count] = 0;
        assert_int_equal(caller_call(&caller, shapes[i].verb, (uint16_t)(count + 1), NULL, 0),
                         -BLANKET_EINVAL);
        for (at = 0; at < count; at++) {
            uint64_t good = caller.items[at];

            for (type = 0; type < 256; type++) {
                caller.items[at] = blanket_item(type, 0, 0);
                if (type != shapes[i].types[at]) {
                    assert_int_equal(caller_call(&caller, shapes[i].verb, count, NULL, 0),
                                     -BLANKET_EINVAL);
                }
            }
            for (type = 48; type < 56; type++) { /* zero bits and access */
                caller.items[at] = good | 1ull << type;
                assert_int_equal(caller_call(&caller, shapes[i].verb, count, NULL, 0),
                                 -BLANKET_EINVAL);
            }
            caller.items[at] = good;
        }
    }
    assert_int_equal(fake.total, 0);
    stop(&fake, &caller);
}

static void test_unknown(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t verb;

    (void)state;
    start(&fake, &caller);
    for (verb = 0; verb < 65536; verb++) {
        if (verb >> 12 != BLANKET_ROOM_XENSTORE) {
            assert_int_equal(caller_call(&caller, (uint16_t)verb, 0, NULL, 0), -BLANKET_ENOSYS);
        }
    }
    assert_int_equal(caller_call(&caller, 0x3fff, 0, NULL, 0), -BLANKET_ENOSYS);
    caller.view ^= 1ull << 32;
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_EPERM);
    caller.view ^= 1ull << 32;
    caller.view += 1;
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_EPERM);
    caller.view += 1000;
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_EPERM);
    caller.view -= 1001;
    caller_request(&caller, XS_READ);
    caller.items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, 0);
    caller.items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0);
    caller.call.verb = BLANKET_VERB_STORE_READ;
    caller.call.endpoint = caller.view;
    caller.call.element_items = 4;
    for (verb = 0; verb < 65536; verb++) {
        caller.call.element_count = (uint16_t)verb;
        if (verb != 1) {
            assert_int_equal(blanket_store_call(fake.store, &caller.call), -BLANKET_EINVAL);
        }
    }
    assert_int_equal(fake.total, 0);
    stop(&fake, &caller);
}

static bool takes(const uint32_t *types, size_t count, uint32_t type)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}

/* Each verb takes its own message types and no other. */
static void test_types(void **state)
{
    static const uint32_t reads[] = {XS_READ, XS_DIRECTORY, XS_DIRECTORY_PART, XS_GET_PERMS};
    static const uint32_t writes[] = {XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS};
    struct fake fake;
    struct caller caller;
    uint32_t type;

    (void)state;
    start(&fake, &caller);
    for (type = 0; type < 70; type++) {
        uint32_t total = fake.total;

        if (!takes(reads, 4, type)) {
            assert_int_equal(caller_read(&caller, type, 0, "state"), -BLANKET_EINVAL);
        }
        if (!takes(writes, 4, type)) {
            assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, type, 0, 0, "a", 2),
                             -BLANKET_EINVAL);
        }
        if (type != XS_WRITE) {
            caller_request(&caller, type);
            caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 1, 1);
            assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, "a", 2),
                             -BLANKET_EINVAL);
        }
        if (type != XS_WATCH && type != XS_UNWATCH && type != XS_RESET_WATCHES) {
            assert_int_equal(caller_watch(&caller, type, 0, 1, "a"), -BLANKET_EINVAL);
        }
        if (type != XS_TRANSACTION_START && type != XS_TRANSACTION_END) {
            assert_int_equal(caller_transact(&caller, type, 1, NULL), -BLANKET_EINVAL);
        }
        assert_int_equal(fake.total, total);
    }
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), -BLANKET_ENOENT);
    stop(&fake, &caller);
}

/* Payloads that disagree with their type. */
static void test_payloads(void **state)
{
    struct fake fake;
    struct caller caller;
    const uint16_t read = BLANKET_VERB_STORE_READ;
    const uint16_t write = BLANKET_VERB_STORE_WRITE;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 0, NULL, 0), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 0, "state", 5), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 0, "state\0x", 7), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 0, "state\0", 7), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_DIRECTORY_PART, 0, 0, "a", 2), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_DIRECTORY_PART, 0, 0, "a\0x", 4),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_DIRECTORY_PART, 0, 0,
                                "a\0"
                                "1",
                                3),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_DIRECTORY_PART, 0, 0, "a\0-1", 5),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, read, XS_DIRECTORY_PART, 0, 0,
                                "a\0"
                                "4294967296",
                                13),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, write, XS_WRITE, 0, 0, "abc", 3), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, write, XS_RM, 0, 0, "abc\0", 5), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, write, XS_MKDIR, 0, 0, "abc\0x", 5), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, write, XS_SET_PERMS, 0, 0, "abc", 4), -BLANKET_EINVAL);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 1, 1);
    caller_request(&caller, XS_WRITE);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5,
                                 "ring-ref\0"
                                 "8",
                                 10),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 0, "a"), -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 65536, "a"), -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, NULL), -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_RESET_WATCHES, 0, 0, "a"), -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_RESET_WATCHES, 0, 1, NULL), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 0, NULL), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 65536, NULL), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, "x"), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), -BLANKET_EEXIST);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "X"), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "TT"), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, NULL), -BLANKET_EINVAL);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 2, "T"), -BLANKET_ENOENT);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 2, "state", 6), -BLANKET_ENOENT);
    assert_int_equal(caller_ask(&caller, read, XS_READ, 0, 65536 + 1, "state", 6), -BLANKET_EINVAL);
    assert_int_equal(fake.total, 1);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "F"), 0);
    caller.items[0] = caller_port(&caller);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_RECEIVE, 1, "x", 1), -BLANKET_EINVAL);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_CONNECT, 1, "x", 1), -BLANKET_EINVAL);
    stop(&fake, &caller);
}

/* The longest that fits, and one more. */
static void test_sizes(void **state)
{
    struct fake fake;
    struct caller caller;
    char payload[4112];
    size_t room = 4096 - sizeof(FRONTEND "/v");

    (void)state;
    start(&fake, &caller);
    memset(payload, 'x', sizeof(payload));
    memcpy(payload, "v", 2);
    assert_int_equal(
        caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 0, payload, 2 + room), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_int_equal(fake_find(&fake, FRONTEND "/v")->size, room);
    assert_int_equal(
        caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 0, payload, 2 + room + 1),
        -BLANKET_EMSGSIZE);
    memset(payload, 'x', sizeof(payload));
    payload[3072 - sizeof(FRONTEND)] = 0;
    assert_int_equal(caller_read(&caller, XS_READ, 0, payload), 0);
    caller_error(&caller, "ENOENT");
    assert_int_equal(fake_header(&fake, 0).len, 3073);
    payload[3072 - sizeof(FRONTEND)] = 'x';
    payload[3073 - sizeof(FRONTEND)] = 0;
    assert_int_equal(caller_read(&caller, XS_READ, 0, payload), -BLANKET_EINVAL);
    fake_set(&fake, FRONTEND "/v", payload, 4096);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "v"), 0);
    caller_told(&caller, XS_READ, fake_find(&fake, FRONTEND "/v")->value, 4096);
    stop(&fake, &caller);
}

static void test_rights(void **state)
{
    struct fake fake;
    struct caller caller;
    unsigned root;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(
        caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_BACKEND, 0, "a\0b", 3),
        -BLANKET_EPERM);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 1, 1);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, "a", 2),
                     -BLANKET_EPERM);
    for (root = BLANKET_ROOT_DATA; root <= BLANKET_ROOT_ALL; root++) {
        assert_int_equal(caller_read(&caller, XS_READ, root, "state"), -BLANKET_EPERM);
        assert_int_equal(caller_watch(&caller, XS_WATCH, root, 1, "state"), -BLANKET_EPERM);
    }
    assert_int_equal(caller_read(&caller, XS_READ, 4, "state"), -BLANKET_EINVAL);
    assert_int_equal(caller_read(&caller, XS_READ, 0x7fffffff, "state"), -BLANKET_EINVAL);
    assert_int_equal(fake.total, 0);
    stop(&fake, &caller);
}

static void test_connections(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller other;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_connect(&caller), -BLANKET_EEXIST);
    caller.generation = 2;
    assert_int_equal(caller_connect(&caller), -BLANKET_EEXIST);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_ENOENT);
    assert_int_equal(caller_disconnect(&caller), -BLANKET_ENOENT);
    caller.generation = 0;
    assert_int_equal(caller_connect(&caller), -BLANKET_EINVAL);
    assert_int_equal(caller_disconnect(&caller), -BLANKET_EINVAL);
    caller.generation = 1;
    caller_begin(&other, &fake, caller.view, 4);
    assert_int_equal(caller_receive(&other), -BLANKET_ENOENT);
    assert_int_equal(caller_disconnect(&other), 0); /* not there: its generation is used up */
    assert_int_equal(caller_connect(&other), -BLANKET_ESTALE);
    assert_int_equal(blanket_result_value(other.result), 1); /* what it must exceed */
    other.generation = 2;
    assert_int_equal(caller_connect(&other), 0);
    other.generation = 1;
    assert_int_equal(caller_disconnect(&other), 0); /* long gone */
    other.port = 5;
    assert_int_equal(caller_connect(&other), 0);
    other.port = 6;
    assert_int_equal(caller_connect(&other), -BLANKET_ENOSPC);
    assert_int_equal(other.call.detail, BLANKET_QUOTA_PORTS);
    assert_int_equal(blanket_result_value(other.result), BLANKET_QUOTA_PORTS);
    other.port = 5;
    assert_int_equal(caller_disconnect(&other), 0);
    assert_int_equal(caller_connect(&other), -BLANKET_ESTALE);
    other.port = 64 + 4 * 3; /* past the view's ports */
    assert_int_equal(caller_connect(&other), -BLANKET_EINVAL);
    other.port = 0xffff;
    assert_int_equal(caller_connect(&other), -BLANKET_EINVAL);
    other.port = 4;
    other.generation = 2;
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &caller);
}

/* An answer that the call has no room for is there to receive. */
static void test_room(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    caller.reply_max = 16 + 3;
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_BACKEND, "sectors"), 0);
    assert_int_equal(blanket_result_value(caller.result), 0);
    assert_int_equal(caller.call.reply_size, 0);
    assert_int_equal(fake.events[1][3], 1);
    assert_int_equal(caller_receive(&caller), -BLANKET_EOVERFLOW);
    caller.reply_max = 0;
    assert_int_equal(caller_receive(&caller), -BLANKET_EOVERFLOW);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "backend"), 0); /* answered here, same way */
    caller.reply_max = 4112;
    assert_int_equal(caller_write(&caller, "x", "y"), 0); /* overtakes */
    caller_told(&caller, XS_WRITE, "OK", 3);
    caller_takes(&caller, XS_READ, 301, "2048", 4);
    assert_int_equal(blanket_result_value(caller.result), 1);
    caller_takes(&caller, XS_ERROR, 302, "ENOENT", 7);
    assert_int_equal(blanket_result_value(caller.result), 0);
    assert_int_equal(fake.events[1][3], 1);
    stop(&fake, &caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),          cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_numbers), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_permissions),   cmocka_unit_test(test_watch),
        cmocka_unit_test(test_ids),           cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_items),         cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_types),         cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_rights),
        cmocka_unit_test(test_connections),   cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
