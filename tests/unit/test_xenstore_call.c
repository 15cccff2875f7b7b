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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),          cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_numbers), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_permissions),   cmocka_unit_test(test_watch),
        cmocka_unit_test(test_transaction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
