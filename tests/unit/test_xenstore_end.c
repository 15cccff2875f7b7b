/* SPDX-License-Identifier: MIT */
/*
 * Endings: connections, devices and views that go, a store below that is lost, transactions that are
 * taken away. What is left below is nothing; who waits is told.
 */
#include "test_xenstore.h"

static void begin(struct fake *fake, struct caller *caller, uint64_t cookie, uint32_t port)
{
    struct blanket_store_view_spec spec = fake_spec(cookie);

    caller_begin(caller, fake, fake_view(fake, &spec), port);
    assert_int_equal(caller_connect(caller), 0);
}

static const char *state_of(struct fake *fake, const char *path)
{
    struct fake_node *node = fake_find(fake, path);

    if (node == NULL) {
        return "none";
    }
    node->value[node->size] = 0;
    return node->value;
}

/* Leaves without a word: 5, then 6. */
static void test_close(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t total;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_write(&caller, "state", "4"), 0);
    fake.asynchronous = true;
    assert_int_equal(caller_disconnect(&caller), -BLANKET_EBUSY);
    total = fake.total;
    assert_int_equal(caller_disconnect(&caller), -BLANKET_EBUSY);
    assert_int_equal(fake.total, total);
    assert_int_equal(fake_header(&fake, 0).type, XS_READ);
    assert_memory_equal(fake_body(&fake, 0), FRONTEND "/state", sizeof(FRONTEND "/state"));
    fake_answer(&fake, 0);
    assert_int_equal(fake_header(&fake, 0).type, XS_WRITE);
    fake_answer(&fake, 0);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "5");
    /* Its port, another, and its watches aren't to be had before it's over. */
    caller.generation = 2;
    assert_int_equal(caller_connect(&caller), -BLANKET_EBUSY);
    caller.port = 4;
    assert_int_equal(caller_connect(&caller), -BLANKET_EBUSY);
    caller.port = 3;
    caller.generation = 1;
    fake_answer(&fake, 0);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "6");
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(caller_disconnect(&caller), 0);
    assert_int_equal(caller_connect(&caller), -BLANKET_ESTALE);
    caller.generation = 2;
    assert_int_equal(caller_connect(&caller), 0);
    fake.asynchronous = false;
    stop(&fake, &caller);
}

/* Which states are open; and what is not there isn't made. */
static void test_close_which(void **state)
{
    static const struct {
        const char *value;
        const char *left;
    } cases[] = {{"0", "0"}, {"1", "1"}, {"2", "6"}, {"3", "6"}, {"4", "6"},   {"5", "6"},
                 {"6", "6"}, {"7", "7"}, {"", ""},   {"x", "x"}, {"44", "44"}, {"4x", "4x"}};
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(caller_write(&caller, "state", cases[i].value), 0);
        assert_int_equal(caller_disconnect(&caller), 0);
        assert_string_equal(state_of(&fake, FRONTEND "/state"), cases[i].left);
        caller.generation++;
        assert_int_equal(caller_connect(&caller), 0);
    }
    /* Not written by this owner: not its device to close. */
    fake_set(&fake, FRONTEND "/state", "4", 1);
    assert_int_equal(caller_disconnect(&caller), 0);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "4");
    caller.generation++;
    assert_int_equal(caller_connect(&caller), 0);
    /* Removed by the toolstack meanwhile: it isn't made anew. */
    assert_int_equal(caller_write(&caller, "state", "4"), 0);
    fake_remove(&fake, FRONTEND);
    assert_int_equal(caller_disconnect(&caller), 0);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "none");
    caller.generation++;
    assert_int_equal(caller_connect(&caller), 0);
    stop(&fake, &caller);
}

/* Errors in between, and 5 already: what can be done is done. */
static void test_close_errors(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < 3; i++) {
        fake.asynchronous = false;
        assert_int_equal(caller_write(&caller, "state", "4"), 0);
        fake.asynchronous = true;
        assert_int_equal(caller_disconnect(&caller), -BLANKET_EBUSY);
        if (i >= 1) {
            fake_answer(&fake, 0);
        }
        if (i >= 2) {
            fake_answer(&fake, 0);
        }
        fake_error(&fake, &(struct xsd_sockmsg){0, fake_header(&fake, 0).req_id, 0, 0}, "EACCES");
        fake.sent_count = 0;
        assert_int_equal(caller_disconnect(&caller), 0);
        caller.generation++;
        assert_int_equal(caller_connect(&caller), 0);
    }
    stop(&fake, &caller);
}

/* Only the last connection closes the device. */
static void test_close_last(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller other;

    (void)state;
    start(&fake, &caller);
    caller_begin(&other, &fake, caller.view, 5);
    assert_int_equal(caller_connect(&other), 0);
    assert_int_equal(caller_write(&caller, "state", "4"), 0);
    assert_int_equal(caller_disconnect(&caller), 0);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "4");
    fake.asynchronous = true;
    assert_int_equal(caller_disconnect(&other), -BLANKET_EBUSY);
    fake_answer_all(&fake);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "6");
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &caller);
}

/* A backend's view, and one whose owner wrote both. */
static void test_close_backend(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;

    (void)state;
    fake_begin(&fake, &fake_limits);
    spec.roots[BLANKET_ROOT_BACKEND].rights = FAKE_RIGHTS_ALL;
    spec.roots[BLANKET_ROOT_DATA].path = "/data";
    spec.roots[BLANKET_ROOT_DATA].rights = FAKE_RIGHTS_ALL;
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_BACKEND,
                                0,
                                "state\0"
                                "4",
                                7),
                     0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_DATA, 0,
                                "state\0"
                                "4",
                                7),
                     0);
    fake_set(&fake, FRONTEND "/state", "4", 1);
    assert_int_equal(caller_disconnect(&caller), 0);
    assert_string_equal(state_of(&fake, BACKEND "/state"), "6");
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "4");
    assert_string_equal(state_of(&fake, "/data/state"), "4");
    caller.generation = 2;
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_BACKEND,
                                0,
                                "state\0"
                                "4",
                                7),
                     0);
    assert_int_equal(caller_write(&caller, "state", "3"), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, caller.view), 0);
    assert_string_equal(state_of(&fake, BACKEND "/state"), "6");
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "6");
    fake_end(&fake);
}

/* What a connection had ends with it, whatever it was waiting for. */
static void test_disconnect(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < 6; i++) {
        caller.generation = i + 1;
        assert_int_equal(i == 0 ? 0 : caller_connect(&caller), 0);
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
        assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
        fake.asynchronous = true;
        fake.refuse = i == 5;
        if (i != 4) {
            assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "b"), 0);
            assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), 0);
            assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
            assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), 0);
            assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 2, "b"), 0);
        }
        if (i >= 1) {
            assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                        "\0"
                                        "0",
                                        3),
                             0);
        }
        if (i == 2) {
            fake_answer(&fake, 0);
        }
        if (i == 3) {
            fake_answer(&fake, 3);
        }
        assert_int_equal(caller_disconnect(&caller), -BLANKET_EBUSY);
        assert_int_equal(caller_receive(&caller), -BLANKET_ENOENT);
        fake.refuse = false;
        blanket_store_ready(fake.store);
        while (fake.sent_count != 0) {
            fake_answer(&fake, i % 2 == 0 ? 0 : fake.sent_count - 1);
        }
        assert_int_equal(fake_watch_count(&fake), 0);
        assert_int_equal(fake.open_transactions, 0);
        assert_int_equal(caller_disconnect(&caller), 0);
        fake.asynchronous = false;
    }
    /* Its quotas are whole again. */
    caller.generation = 7;
    assert_int_equal(caller_connect(&caller), 0);
    for (i = 1; i <= 6; i++) {
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, i, "a"), 0);
    }
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), 0);
    stop(&fake, &caller);
}

/* RESET_WATCHES ends all of the connection's and nobody else's. */
static void test_reset(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller other;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    begin(&fake, &other, 2, 3);
    for (i = 1; i <= 4; i++) {
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, i, "a"), 0);
        assert_int_equal(caller_watch(&other, XS_WATCH, 0, i, "a"), 0);
    }
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_receive(&other), 0);
    fake.asynchronous = true;
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 5, "b"), 0);
    /* Some that aren't sent: behind a START that waits. */
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, 0, 2, "a", 2), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 6, "c"), 0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 5, "b"), 0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 6, "c"), 0);
    assert_int_equal(caller_watch(&caller, XS_RESET_WATCHES, 0, 0, NULL), 0);
    caller_told(&caller, XS_RESET_WATCHES, "OK", 3);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 2, "a"), -BLANKET_ENOENT);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), -BLANKET_ENOENT);
    fake_answer_all(&fake);
    assert_int_equal(fake_watch_count(&fake), 4);
    assert_int_equal(fake.open_transactions, 1);
    assert_int_equal(caller_receive(&caller), 0);
    /* Answers to all that were asked: WATCH, START, READ, WATCH, three UNWATCH; no events. */
    for (i = 0; i < 7; i++) {
        struct xsd_sockmsg header;
        static const uint32_t types[] = {XS_WATCH,   XS_TRANSACTION_START, XS_ERROR,  XS_WATCH,
                                         XS_UNWATCH, XS_UNWATCH,           XS_UNWATCH};
        uint32_t at = 0;
        uint32_t k;

        for (k = 0; k <= i; k++) {
            memcpy(&header, caller.reply + at, 16);
            at += 16 + header.len;
        }
        assert_int_equal(header.type, types[i]);
        assert_true(i < 6 || at == caller.call.reply_size);
    }
    fake_fire(&fake, FRONTEND "/a");
    caller_takes_nothing(&caller);
    assert_int_equal(caller_receive(&other), 0);
    assert_int_equal(other.header.type, XS_WATCH_EVENT);
    fake.asynchronous = false;
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &caller);
}

static void test_view_remove(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller second;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    caller_begin(&second, &fake, caller.view, 5);
    assert_int_equal(caller_connect(&second), 0);
    for (i = 1; i <= 3; i++) {
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, i, "a"), 0);
        assert_int_equal(caller_watch(&second, XS_WATCH, 0, i, "a"), 0);
    }
    assert_int_equal(caller_transact(&second, XS_TRANSACTION_START, 9, NULL), 0);
    assert_int_equal(caller_write(&second, "state", "4"), 0);
    fake.asynchronous = true;
    assert_int_equal(caller_write(&second, "x", "4"), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, caller.view), -BLANKET_EBUSY);
    assert_int_equal(caller_receive(&caller), -BLANKET_EPERM);
    assert_int_equal(caller_disconnect(&caller), -BLANKET_EPERM);
    for (i = 0; fake.sent_count != 0; i++) {
        assert_int_equal(blanket_store_view_remove(fake.store, caller.view), -BLANKET_EBUSY);
        fake_answer(&fake, fake.sent_count - 1);
    }
    assert_int_equal(i, 1 + 6 + 1 + 3);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "6");
    assert_int_equal(fake_watch_count(&fake), 0);
    assert_int_equal(fake.open_transactions, 0);
    assert_int_equal(blanket_store_view_remove(fake.store, caller.view), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, caller.view), 0);
    fake_end(&fake);
}

/* Very many things to end, over a store that answers at once: in bounded steps. */
static void test_view_remove_steps(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    uint32_t i;
    int status = 0;

    (void)state;
    limits.watches = 1000;
    spec.watches = 1000;
    fake_begin(&fake, &limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    fake.asynchronous = true;
    for (i = 1; i <= 1000; i++) {
        struct xsd_sockmsg header;

        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, i, "a"), 0);
        header = fake_header(&fake, 0);
        fake.sent_count = 0;
        fake_reply(&fake, &header, "OK", 3);
        assert_int_equal(caller_receive(&caller), 0);
    }
    fake.asynchronous = false; /* UNWATCH will be told ENOENT, and that is as good */
    fake.total = 0;
    for (i = 0; i < 20; i++) {
        uint32_t total = fake.total;

        status = blanket_store_view_remove(fake.store, caller.view);
        assert_true(fake.total - total <= 128);
        if (status == 0) {
            break;
        }
        assert_int_equal(status, -BLANKET_EBUSY);
    }
    assert_int_equal(status, 0);
    assert_int_equal(fake.total, 1000);
    fake_end(&fake);
}

static void lose(struct fake *fake)
{
    uint32_t i;

    fake->sent_count = 0;
    for (i = 0; i < FAKE_WATCHES; i++) {
        free(fake->watches[i]);
        fake->watches[i] = NULL;
    }
    memset(fake->transaction_ids, 0, sizeof(fake->transaction_ids));
    fake->open_transactions = 0;
    blanket_store_lost(fake->store);
}

static void test_lost(void **state)
{
    struct fake fake;
    struct caller caller;
    struct fake_message late;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), 0);
    fake.asynchronous = true;
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "b"), 0);
    late = fake.sent[0];
    lose(&fake);
    caller_takes(&caller, XS_ERROR, caller.req_id - 1, "EIO", 4);
    caller_takes(&caller, XS_ERROR, caller.req_id, "EIO", 4);
    fake_serve(&fake, &late);
    caller_takes_nothing(&caller);
    /* The watch is set again and fires once. */
    assert_int_equal(fake.sent_count, 1);
    assert_int_equal(fake_header(&fake, 0).type, XS_WATCH);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    caller_takes_nothing(&caller);
    fake_fire(&fake, FRONTEND "/a/b");
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a/b", 4);
    fake.asynchronous = false;
    /* Its transactions can still be used, and can't be committed. */
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_GET_PERMS, 0, 1, "state", 6),
                     0);
    caller_told(&caller, XS_GET_PERMS, "n0\0r1", 6);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY, 0, 1, "", 1), 0);
    caller_told(&caller, XS_DIRECTORY, "state", 6);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 1,
                                "\0"
                                "0",
                                3),
                     0);
    assert_int_equal(caller_receive(&caller), 0);
    assert_int_equal(caller.header.type, XS_DIRECTORY_PART);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "state", 6), 0);
    caller_told(&caller, XS_READ, "1", 1);
    assert_int_equal(caller.header.tx_id, 1);
    assert_int_equal(fake_header(&fake, 0).tx_id, 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 1, "q\0v", 3), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_string_equal(state_of(&fake, FRONTEND "/q"), "none");
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), 0);
    caller_error(&caller, "EAGAIN");
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 2, "F"), 0);
    caller_told(&caller, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 2, "F"), -BLANKET_ENOENT);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "b"), 0);
    caller_told(&caller, XS_WATCH, "OK", 3);
    stop(&fake, &caller);
}

/* Lost, again, before what it undid is done; and while things end. */
static void test_lost_again(void **state)
{
    struct fake fake;
    struct caller caller;
    struct caller other;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    begin(&fake, &other, 2, 3);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "a"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 3, "a"), 0);
    assert_int_equal(caller_watch(&other, XS_WATCH, 0, 1, "a"), 0);
    assert_int_equal(caller_receive(&caller), 0);
    assert_int_equal(caller_write(&other, "state", "4"), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    fake.asynchronous = true;
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "0",
                                3),
                     0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_disconnect(&other), -BLANKET_EBUSY);
    lose(&fake);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    lose(&fake);
    fake.refuse = true;
    lose(&fake);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 2, "a"), 0);
    assert_int_equal(fake.sent_count, 0);
    fake.refuse = false;
    blanket_store_ready(fake.store);
    assert_int_equal(caller_disconnect(&other), -BLANKET_EBUSY);
    fake_answer_all(&fake);
    assert_string_equal(state_of(&fake, FRONTEND "/state"), "6");
    assert_int_equal(caller_disconnect(&other), 0);
    assert_int_equal(fake_watch_count(&fake), 1);
    i = 0;
    do {
        uint32_t at = 0;

        assert_int_equal(caller_receive(&caller), 0);
        fake_answer_all(&fake);
        while (at < caller.call.reply_size) {
            struct xsd_sockmsg header;

            memcpy(&header, caller.reply + at, 16);
            at += 16 + header.len;
            i += header.type != XS_WATCH_EVENT;
            assert_true(header.type != XS_WATCH_EVENT || header.req_id == 3);
        }
    } while (caller.call.reply_size != 0);
    assert_int_equal(i,
                     4); /* START never went: it waited behind DIRECTORY_PART, and was answered */
    stop(&fake, &caller);
}

/* A watch that can't be set again tells its owner to look. */
static void test_lost_unset(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    fake.asynchronous = true;
    lose(&fake);
    fake_error(&fake, &(struct xsd_sockmsg){0, fake_header(&fake, 0).req_id, 0, 0}, "EACCES");
    fake.sent_count = 0;
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    fake.asynchronous = false;
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    caller_error(&caller, "ENOENT");
    /* Ended while it is being set again. */
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    fake.asynchronous = true;
    lose(&fake);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    assert_int_equal(fake.sent_count, 1); /* it waits: no store could take them for one another */
    fake_answer(&fake, 0);
    assert_int_equal(fake.sent_count, 1);
    fake_answer(&fake, 0);
    caller_takes(&caller, XS_UNWATCH, caller.req_id, "OK", 3);
    caller_takes_nothing(&caller);
    stop(&fake, &caller);
}

/* More views than the store below has transactions: a START waits for one. */
static void test_transactions_shared(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct fake fake;
    struct caller callers[3];
    uint32_t i;

    (void)state;
    limits.transactions = 2;
    fake_begin(&fake, &limits);
    for (i = 0; i < 3; i++) {
        struct blanket_store_view_spec spec = fake_spec(1 + i);

        spec.transactions = 1;
        caller_begin(&callers[i], &fake, fake_view(&fake, &spec), 3);
        assert_int_equal(caller_connect(&callers[i]), 0);
        assert_int_equal(caller_transact(&callers[i], XS_TRANSACTION_START, 1, NULL), 0);
        assert_int_equal(blanket_result_value(callers[i].result), i < 2);
    }
    assert_int_equal(caller_receive(&callers[2]), 0);
    assert_int_equal(callers[2].call.reply_size, 0);
    assert_int_equal(caller_transact(&callers[0], XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&callers[0], XS_TRANSACTION_END, "OK", 3);
    caller_takes(&callers[2], XS_TRANSACTION_START, callers[2].req_id, "1", 2);
    assert_int_equal(fake.open_transactions, 2);
    assert_int_equal(caller_transact(&callers[1], XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&callers[1], XS_TRANSACTION_END, "OK", 3);
    for (i = 0; i < 2; i++) {
        assert_int_equal(caller_disconnect(&callers[i]), 0);
    }
    stop(&fake, &callers[2]);
}

/* One view has them all: one is taken for who has none, and can't be committed. */
static void test_transactions_taken(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct fake fake;
    struct caller greedy;
    struct caller other;

    (void)state;
    limits.transactions = 2;
    fake_begin(&fake, &limits);
    begin(&fake, &greedy, 1, 3);
    begin(&fake, &other, 2, 3);
    assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_START, 2, NULL), 0);
    assert_int_equal(caller_ask(&greedy, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 1, "a\0b", 3), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_receive(&other), 0);
    assert_int_equal(other.header.type, XS_TRANSACTION_START);
    assert_int_equal(fake.open_transactions, 2);
    /* The one that was used last is left. */
    assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_END, 2, "T"), 0);
    caller_error(&greedy, "EAGAIN");
    assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&greedy, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&other, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_disconnect(&greedy), 0);
    stop(&fake, &other);
}

/* Each view has its share and doesn't let go: one that isn't used for long is taken. */
static void test_transactions_idle(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct fake fake;
    struct caller idle;
    struct caller busy;
    struct caller other;
    uint32_t i;

    (void)state;
    limits.transactions = 2;
    fake_begin(&fake, &limits);
    begin(&fake, &idle, 1, 3);
    begin(&fake, &busy, 2, 3);
    begin(&fake, &other, 3, 3);
    assert_int_equal(caller_transact(&idle, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&busy, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(caller_ask(&busy, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "state", 6), 0);
    }
    caller_takes_nothing(&other);
    for (i = 0; i < 100; i++) {
        assert_int_equal(caller_ask(&busy, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "state", 6), 0);
    }
    caller_takes(&other, XS_TRANSACTION_START, other.req_id, "1", 2);
    assert_int_equal(caller_transact(&busy, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&busy, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_transact(&idle, XS_TRANSACTION_END, 1, "T"), 0);
    caller_error(&idle, "EAGAIN");
    assert_int_equal(caller_disconnect(&idle), 0);
    assert_int_equal(caller_disconnect(&busy), 0);
    stop(&fake, &other);
}

/* Waiting for a slot isn't using it: what has just got one keeps it. */
static void test_transactions_new(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct fake fake;
    struct caller holder;
    struct caller other;
    struct caller third;
    uint32_t i;

    (void)state;
    limits.transactions = 1;
    limits.views = 8; /* quotas of all may sum up to one more for each */
    fake_begin(&fake, &limits);
    begin(&fake, &holder, 1, 3);
    begin(&fake, &other, 2, 3);
    begin(&fake, &third, 3, 3);
    assert_int_equal(caller_transact(&holder, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    for (i = 0; i < 300; i++) {
        assert_int_equal(caller_ask(&holder, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "state", 6),
                         0);
    }
    assert_int_equal(caller_transact(&holder, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&holder, XS_TRANSACTION_END, "OK", 3);
    caller_takes(&other, XS_TRANSACTION_START, other.req_id, "1", 2);
    assert_int_equal(caller_transact(&third, XS_TRANSACTION_START, 1, NULL), 0);
    caller_takes_nothing(&third);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&other, XS_TRANSACTION_END, "OK", 3);
    caller_takes(&third, XS_TRANSACTION_START, third.req_id, "1", 2);
    assert_int_equal(caller_disconnect(&holder), 0);
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &third);
}

/* Taken, and given up by its owner before, while and after the store below ends it. */
static void test_taken_and_ended(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct fake fake;
    struct caller greedy;
    struct caller other;
    uint32_t i;

    (void)state;
    limits.transactions = 2;
    fake_begin(&fake, &limits);
    for (i = 0; i < 4; i++) {
        begin(&fake, &greedy, 1, 3);
        begin(&fake, &other, 2, 3);
        assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_START, 1, NULL), 0);
        assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_START, 2, NULL), 0);
        fake.asynchronous = true;
        assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
        assert_int_equal(fake.sent_count, 1);
        assert_int_equal(fake_header(&fake, 0).type, XS_TRANSACTION_END);
        if (i == 0) {
            assert_int_equal(caller_transact(&greedy, XS_TRANSACTION_END, 1, "T"), 0);
            caller_error(&greedy, "EAGAIN");
        } else if (i == 1) {
            assert_int_equal(caller_disconnect(&greedy), -BLANKET_EBUSY);
        } else if (i == 2) {
            assert_int_equal(caller_disconnect(&other), 0);
        } else {
            lose(&fake);
        }
        fake_answer_all(&fake);
        if (i == 1 || i == 0) {
            caller_takes(&other, XS_TRANSACTION_START, other.req_id, "1", 2);
        }
        fake.asynchronous = false;
        assert_int_equal(blanket_store_view_remove(fake.store, greedy.view), 0);
        assert_int_equal(blanket_store_view_remove(fake.store, other.view), 0);
        assert_int_equal(fake.open_transactions, 0);
    }
    fake_end(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_which),
        cmocka_unit_test(test_close_errors),
        cmocka_unit_test(test_close_last),
        cmocka_unit_test(test_close_backend),
        cmocka_unit_test(test_disconnect),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_view_remove),
        cmocka_unit_test(test_view_remove_steps),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_again),
        cmocka_unit_test(test_lost_unset),
        cmocka_unit_test(test_transactions_shared),
        cmocka_unit_test(test_transactions_taken),
        cmocka_unit_test(test_transactions_idle),
        cmocka_unit_test(test_transactions_new),
        cmocka_unit_test(test_taken_and_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
