/* SPDX-License-Identifier: MIT */
/*
 * A store below that answers later, out of order, twice, never or with nonsense; callers that flood, and
 * callers that never receive.
 */
#include "test_xenstore.h"

static void start_async(struct fake *fake, struct caller *caller)
{
    start(fake, caller);
    fake->asynchronous = true;
}

static void asks(struct caller *caller, const char *path)
{
    assert_int_equal(caller_read(caller, XS_READ, 0, path), 0);
    assert_int_equal(blanket_result_value(caller->result), 0);
    assert_int_equal(caller->call.reply_size, 0);
}

static void test_order(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_write(&caller, "a", "1"), 0);
    assert_int_equal(caller_write(&caller, "b", "2"), 0);
    fake.asynchronous = true;
    asks(&caller, "a");
    asks(&caller, "b");
    asks(&caller, "none");
    assert_int_equal(fake.sent_count, 3);
    fake_answer(&fake, 2);
    fake_answer(&fake, 1);
    fake_answer(&fake, 0);
    assert_int_equal(fake.events[1][3], 1);
    caller_takes(&caller, XS_ERROR, 305, "ENOENT", 7);
    caller_takes(&caller, XS_READ, 304, "2", 1);
    caller_takes(&caller, XS_READ, 303, "1", 1);
    caller_takes_nothing(&caller);
    stop(&fake, &caller);
}

/* An answer that comes twice, or for nothing, or that isn't a message, is ignored. */
static void test_strays(void **state)
{
    struct fake fake;
    struct caller caller;
    struct xsd_sockmsg header;
    struct fake_message message;
    uint32_t id;

    (void)state;
    start_async(&fake, &caller);
    asks(&caller, "state");
    message = fake.sent[0];
    header = fake_header(&fake, 0);
    fake_answer(&fake, 0);
    fake_serve(&fake, &message);
    fake_serve(&fake, &message);
    caller_takes(&caller, XS_READ, 301, "1", 1);
    caller_takes_nothing(&caller);
    for (id = 0; id < 20; id++) {
        fake_input(&fake, XS_READ, header.req_id + id, 0, "x", 1);
        fake_input(&fake, XS_ERROR, id, 0, "EIO", 4);
        fake_input(&fake, XS_READ, header.req_id ^ (1u << id), 0, "x", 1);
    }
    asks(&caller, "state");
    header = fake_header(&fake, 0);
    header.type = XS_READ;
    header.len = 3; /* and the message has 2 */
    memcpy(message.bytes, &header, 16);
    blanket_store_input(fake.store, message.bytes, 18);
    header.len = 4097;
    memcpy(message.bytes, &header, 16);
    blanket_store_input(fake.store, message.bytes, 16 + 4096);
    header.len = 0xfffffff0u;
    memcpy(message.bytes, &header, 16);
    blanket_store_input(fake.store, message.bytes, 0);
    blanket_store_input(fake.store, message.bytes, 15);
    blanket_store_input(fake.store, message.bytes, 16);
    caller_takes_nothing(&caller);
    fake_answer(&fake, 0);
    caller_takes(&caller, XS_READ, 302, "1", 1);
    stop(&fake, &caller);
}

static const struct {
    uint32_t asked;
    uint32_t type;
    const char *body;
    uint32_t size;
} nonsense[] = {
    {XS_READ, XS_WRITE, "OK", 3},
    {XS_READ, XS_DIRECTORY, "", 0},
    {XS_READ, 0xffff, "", 0},
    {XS_READ, XS_ERROR, "", 0},
    {XS_READ, XS_ERROR, "ENOENT", 6},
    {XS_READ, XS_ERROR, "\0", 1},
    {XS_READ, XS_ERROR, "enoent", 7},
    {XS_READ, XS_ERROR, "E\0X", 4},
    {XS_READ, XS_ERROR, "ENO ENT", 8},
    {XS_DIRECTORY, XS_DIRECTORY, "a", 1},
    {XS_DIRECTORY, XS_DIRECTORY, "\0", 1},
    {XS_DIRECTORY, XS_DIRECTORY, "a\0\0b", 5},
    {XS_DIRECTORY, XS_DIRECTORY, "a\0b", 3},
    {XS_GET_PERMS, XS_GET_PERMS, "n0", 2},
    {XS_GET_PERMS, XS_GET_PERMS, "x0", 3},
    {XS_WRITE, XS_WRITE, "OK", 2},
    {XS_WRITE, XS_WRITE, "", 0},
    {XS_WRITE, XS_WRITE, "NO", 3},
    {XS_RM, XS_RM, "OK\0", 4},
    {XS_MKDIR, XS_READ, "OK", 3},
    {XS_SET_PERMS, XS_WRITE, "OK", 3},
    {XS_WATCH, XS_UNWATCH, "OK", 3},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "", 0},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "1", 1},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "0", 2},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "4294967296", 11},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "12x", 4},
    {XS_TRANSACTION_START, XS_TRANSACTION_START, "12345678901234567890", 21},
    {XS_READ, XS_ERROR, "E23456789012345678901234567890123", 33},
};

/* Answers that aren't answers to what was asked: the caller is told EIO, once. */
static void test_nonsense(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start_async(&fake, &caller);
    for (i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
        if (nonsense[i].asked == XS_WATCH) {
            assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
        } else if (nonsense[i].asked == XS_TRANSACTION_START) {
            assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
        } else if (nonsense[i].asked == XS_SET_PERMS) {
            assert_int_equal(
                caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, 0, 0, "a\0n0", 5), 0);
        } else {
            assert_int_equal(caller_ask(&caller,
                                        nonsense[i].asked == XS_READ ||
                                                nonsense[i].asked == XS_DIRECTORY ||
                                                nonsense[i].asked == XS_GET_PERMS
                                            ? BLANKET_VERB_STORE_READ
                                            : BLANKET_VERB_STORE_WRITE,
                                        nonsense[i].asked, 0, 0, "a", 2),
                             0);
        }
        assert_int_equal(fake.sent_count, 1);
        fake_input(&fake, nonsense[i].type, fake_header(&fake, 0).req_id, 0, nonsense[i].body,
                   nonsense[i].size);
        caller_takes(&caller, XS_ERROR, caller.req_id, "EIO", 4);
        fake_answer_all(&fake); /* too late */
        caller_takes_nothing(&caller);
    }
    fake.transaction_ids[0] = 0; /* those whose ids never came through can't be ended */
    memset(fake.transaction_ids, 0, sizeof(fake.transaction_ids));
    fake.open_transactions = 0;
    stop(&fake, &caller);
}

/* A WATCH whose answer is nonsense may be set below: it's ended there, and its id is free. */
static void test_nonsense_watch(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start_async(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    fake_input(&fake, XS_WATCH, fake_header(&fake, 0).req_id, 0, "KO", 3);
    caller_takes(&caller, XS_ERROR, caller.req_id, "EIO", 4);
    assert_int_equal(fake.sent_count, 2);
    assert_int_equal(fake_header(&fake, 1).type, XS_UNWATCH);
    fake_answer(&fake, 0);
    assert_int_equal(fake_watch_count(&fake), 1);
    fake_answer(&fake, 0);
    assert_int_equal(fake_watch_count(&fake), 0);
    caller_takes_nothing(&caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_WATCH, caller.req_id, "OK", 3);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    stop(&fake, &caller);
}

/* Events that no watch could have given. */
static void test_nonsense_events(void **state)
{
    struct fake fake;
    struct caller caller;
    char token[32];
    char body[64];
    size_t size;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    strcpy(token, fake.watches[0]->token);
    assert_int_equal(strlen(token), 16);
    fake_event(&fake, FRONTEND "/b", token);
    fake_event(&fake, FRONTEND "/ab", token);
    fake_event(&fake, FRONTEND, token);
    fake_event(&fake, FRONTEND "/a/", token);
    fake_event(&fake, FRONTEND "/a//b", token);
    fake_event(&fake, FRONTEND "/a/ ", token);
    fake_event(&fake, FRONTEND "/a/backend", token);
    fake_event(&fake, "", token);
    for (i = 0; i < 16; i++) {
        char other[32];

        strcpy(other, token);
        other[i] ^= 1;
        fake_event(&fake, FRONTEND "/a", other);
        other[i] = 'X';
        fake_event(&fake, FRONTEND "/a", other);
        other[i] = 0;
        fake_event(&fake, FRONTEND "/a", other);
    }
    strcat(token, "0");
    fake_event(&fake, FRONTEND "/a", token);
    token[16] = 0;
    fake_event(&fake, FRONTEND "/a", "");
    fake_event(&fake, FRONTEND "/a", "00000001ffffffff");
    fake_event(&fake, FRONTEND "/a", "0000000200000020");
    size = sizeof(FRONTEND "/a");
    memcpy(body, FRONTEND "/a", size);
    memcpy(body + size, token, 17);
    for (i = 0; i < size + 17; i++) {
        fake_input(&fake, XS_WATCH_EVENT, 0, 0, body, i);
    }
    body[size + 16] = 'x';
    fake_input(&fake, XS_WATCH_EVENT, 0, 0, body, (uint32_t)size + 17);
    caller_takes_nothing(&caller);
    fake_event(&fake, FRONTEND "/a/b", token);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a/b", 4);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    fake_event(&fake, FRONTEND "/a", token);
    caller_takes_nothing(&caller);
    stop(&fake, &caller);
}

/* The first event comes after the answer to WATCH, even if the store below has it the other way. */
static void test_early_event(void **state)
{
    struct fake fake;
    struct caller caller;
    const char *token;

    (void)state;
    start_async(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 8, "a"), 0);
    token = fake_body(&fake, 0) + sizeof(FRONTEND "/a");
    fake.silent_watches = true;
    fake_event(&fake, FRONTEND "/a", token);
    caller_takes_nothing(&caller);
    fake_reply(&fake, &(struct xsd_sockmsg){XS_WATCH, fake_header(&fake, 0).req_id, 0, 0}, "OK", 3);
    caller_takes(&caller, XS_WATCH, 301, "OK", 3);
    assert_int_equal(blanket_result_value(caller.result), 1);
    caller_takes(&caller, XS_WATCH_EVENT, 8, "a", 2);
    caller_takes_nothing(&caller);
    fake_answer_all(&fake);
    stop(&fake, &caller);
}

static uint32_t messages(const struct caller *caller, uint32_t type)
{
    uint32_t at = 0;
    uint32_t count = 0;

    while (at < caller->call.reply_size) {
        struct xsd_sockmsg header;

        memcpy(&header, caller->reply + at, 16);
        count += header.type == type;
        at += 16 + header.len;
    }
    assert_int_equal(at, caller->call.reply_size);
    return count;
}

/* A caller that doesn't receive: repeated events once, too many become one on the watch's own path. */
static void test_coalescing(void **state)
{
    struct fake fake;
    struct caller caller;
    char path[256];
    uint32_t count = 0;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, ""), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "x"), 0);
    assert_int_equal(caller_receive(&caller), 0);
    for (i = 0; i < 1000; i++) {
        fake_fire(&fake, FRONTEND "/x/y");
    }
    assert_int_equal(caller_receive(&caller), 0);
    assert_int_equal(messages(&caller, XS_WATCH_EVENT), 2);
    for (i = 0; i < 10000; i++) {
        snprintf(path, sizeof(path), FRONTEND "/x/%u", i);
        fake_fire(&fake, path);
    }
    assert_int_equal(fake.events[1][3], 3);
    do {
        assert_int_equal(caller_receive(&caller), 0);
        count += messages(&caller, XS_WATCH_EVENT);
    } while (blanket_result_value(caller.result) != 0);
    /* It ended with the watches' own paths: that of "x" filled the queue, then that of "". */
    assert_int_equal(caller.call.reply_size >= 17 + 18, 1);
    assert_memory_equal(caller.reply + caller.call.reply_size - 17 - 2, "x", 2);
    assert_memory_equal(caller.reply + caller.call.reply_size - 1, "", 1);
    assert_in_range(count, 100, 16384 / 18 + 2);
    assert_int_equal(caller_write(&caller, "z", "1"), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    stop(&fake, &caller);
}

/* The smallest queue has no room for events beside a reply: they still come. */
static void test_smallest_queue(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    char value[4097];

    (void)state;
    limits.queue_size = 4128;
    limits.watches = 6;
    fake_begin(&fake, &limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, ""), 0);
    caller_told(&caller, XS_WATCH, "OK", 3);
    memset(value, 'v', 4096);
    fake_set(&fake, FRONTEND "/v", value, 4096);
    fake.asynchronous = true;
    asks(&caller, "v");
    asks(&caller, "v");
    assert_int_equal(fake.sent_count, 1); /* there is room for one answer */
    fake_fire(&fake, FRONTEND "/x");
    fake_answer_all(&fake);
    assert_int_equal(fake.sent_count, 0);
    caller_takes(&caller, XS_READ, 302, value, 4096);
    assert_int_equal(fake.sent_count, 1); /* and again */
    caller_takes(&caller, XS_WATCH_EVENT, 1, "", 1);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_READ, 303, value, 4096);
    caller_takes_nothing(&caller);
    stop(&fake, &caller);
}

/* No room anywhere: "not now", and nothing else is hurt. */
static void test_full(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    struct caller other;
    char payload[4112] = "p";
    uint32_t i;
    int status = 0;

    (void)state;
    limits.queue_size = 4128;
    fake_begin(&fake, &limits);
    spec.requests = 1000;
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    spec.cookie = 2;
    caller_begin(&other, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_connect(&other), 0);
    fake.asynchronous = true;
    for (i = 0; i < 20 && status == 0; i++) {
        status = caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 0, payload, 2000);
    }
    assert_int_equal(status, -BLANKET_EAGAIN);
    assert_int_equal(i, 4 + 2 + 1); /* on their way, waiting, refused */
    /* What would be made with it isn't. */
    status = caller_watch(&caller, XS_WATCH, 0, 1, "aaaaaaaa");
    for (i = 0; i < 20 && status == 0; i++) {
        status = caller_watch(&caller, XS_WATCH, 0, 2 + i, "aaaaaaaa");
    }
    if (status == -BLANKET_ENOSPC) {
        assert_int_equal(caller.call.detail, BLANKET_QUOTA_STORE_WATCHES);
    } else {
        assert_int_equal(status, -BLANKET_EAGAIN);
    }
    caller.reply_max = 0;
    for (i = 0; i < 400 && status != 1; i++) {
        if (caller_read(&caller, XS_READ, 0, "backend") == -BLANKET_EAGAIN) {
            status = 1; /* even the answers that are known here need room */
        }
    }
    assert_int_equal(status, 1);
    caller.reply_max = 4112;
    assert_int_equal(caller_read(&other, XS_READ, 0, "state"), 0);
    assert_int_equal(blanket_result_value(other.result), 0);
    fake_answer_all(&fake);
    assert_int_equal(caller_receive(&other), 0);
    assert_int_equal(messages(&other, XS_READ), 1);
    do {
        assert_int_equal(caller_receive(&caller), 0);
        fake_answer_all(&fake);
    } while (caller.call.reply_size != 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 0, payload, 2000),
                     0);
    fake_answer_all(&fake);
    assert_int_equal(caller_disconnect(&other), 0);
    stop(&fake, &caller);
}

/* What couldn't be asked for lack of room is as it was. */
static void test_full_undone(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    char payload[4112] = "p";
    uint32_t i;
    int status = 0;

    (void)state;
    limits.queue_size = 4128;
    fake_begin(&fake, &limits);
    spec.requests = 1000;
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a", 2);
    fake.refuse = true;
    for (i = 4000; i > 0; i /= 2) {
        do {
            status = caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 0, payload, 1 + i);
        } while (status == 0);
        assert_int_equal(status, -BLANKET_EAGAIN);
    }
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), -BLANKET_EAGAIN);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), -BLANKET_EAGAIN);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 2, "a"), -BLANKET_EAGAIN);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), -BLANKET_EAGAIN);
    fake_fire(&fake, FRONTEND "/a");
    assert_int_equal(caller_receive(&caller), 0);
    assert_int_equal(caller.header.type, XS_WATCH_EVENT);
    fake.refuse = false;
    blanket_store_ready(fake.store);
    do {
        assert_int_equal(caller_receive(&caller), 0);
    } while (caller.call.reply_size != 0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
    caller_told(&caller, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&caller, XS_TRANSACTION_END, "OK", 3);
    stop(&fake, &caller);
}

static void test_nonsense_raw(void **state)
{
    static const struct {
        uint32_t type;
        const char *body;
        uint32_t size;
    } bad[] = {{XS_DIRECTORY, "a", 1},
               {XS_GET_PERMS, "n0", 2},
               {XS_GET_PERMS, "", 0},
               {XS_DIRECTORY_PART, "", 0},
               {XS_DIRECTORY_PART, "7", 1},
               {XS_GET_DOMAIN_PATH, "/local", 6},
               {XS_IS_DOMAIN_INTRODUCED, "T", 1},
               {XS_IS_DOMAIN_INTRODUCED, "", 0},
               {XS_IS_DOMAIN_INTRODUCED, "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT", 33}};
    struct blanket_store_view_spec spec = fake_raw_spec(3);
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    fake.asynchronous = true;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(caller_read(&caller, bad[i].type, BLANKET_ROOT_ALL, "/"), 0);
        fake_input(&fake, bad[i].type, fake_header(&fake, 0).req_id, 0, bad[i].body, bad[i].size);
        fake.sent_count = 0;
        caller_takes(&caller, XS_ERROR, caller.req_id, "EIO", 4);
    }
    assert_int_equal(caller_read(&caller, XS_DIRECTORY, BLANKET_ROOT_ALL, "/"), 0);
    fake_input(&fake, XS_DIRECTORY, fake_header(&fake, 0).req_id, 0, "", 0);
    fake.sent_count = 0;
    caller_takes(&caller, XS_DIRECTORY, caller.req_id, "", 0);
    stop(&fake, &caller);
}

static void test_quotas(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start_async(&fake, &caller);
    for (i = 0; i < 8; i++) {
        asks(&caller, "state");
    }
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_ENOSPC);
    assert_int_equal(caller.call.detail, BLANKET_QUOTA_STORE_REQUESTS);
    assert_int_equal(blanket_result_value(caller.result), BLANKET_QUOTA_STORE_REQUESTS);
    fake_answer_all(&fake);
    fake.asynchronous = false;
    assert_int_equal(caller_receive(&caller), 0);
    for (i = 1; i <= 6; i++) {
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, i, "state"), 0);
    }
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 3, "state"), -BLANKET_EEXIST);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 7, "state"), -BLANKET_ENOSPC);
    assert_int_equal(caller.call.detail, BLANKET_QUOTA_STORE_WATCHES);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 3, "state"), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 7, "state"), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 2, NULL), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 3, NULL), -BLANKET_ENOSPC);
    assert_int_equal(caller.call.detail, BLANKET_QUOTA_STORE_TRANSACTIONS);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 2, "F"), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 3, NULL), 0);
    caller_told(&caller, XS_TRANSACTION_START, "3", 2);
    stop(&fake, &caller);
}

/* The store below refuses: what it had no room for isn't there, and the ids are free. */
static void test_refused_below(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start_async(&fake, &caller);
    for (i = 0; i < 20; i++) {
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
        fake_error(&fake, &(struct xsd_sockmsg){0, fake_header(&fake, 0).req_id, 0, 0}, "E2BIG");
        fake.sent_count = 0;
        caller_takes(&caller, XS_ERROR, caller.req_id, "E2BIG", 6);
        assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
        assert_int_equal(fake.sent_count, 1);
        /* In a pipeline behind it: its transaction never was. */
        assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "a", 2), 0);
        assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), 0);
        assert_int_equal(fake.sent_count, 1);
        fake_error(&fake, &(struct xsd_sockmsg){0, fake_header(&fake, 0).req_id, 0, 0}, "ENOSPC");
        fake.sent_count = 0;
        caller_takes(&caller, XS_ERROR, caller.req_id - 2, "ENOSPC", 7);
        caller_takes(&caller, XS_ERROR, caller.req_id - 1, "ENOENT", 7);
        caller_takes(&caller, XS_ERROR, caller.req_id, "ENOENT", 7);
    }
    stop(&fake, &caller);
}

/* Requests behind a START that isn't answered go when it is, in its transaction. */
static void test_pipeline(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start_async(&fake, &caller);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 9, NULL), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, 0, 9, "a\0b", 3), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 9, "T"), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 9, "T"), -BLANKET_ENOENT);
    assert_int_equal(fake.sent_count, 1);
    fake.next_transaction = 76;
    fake_answer(&fake, 0);
    assert_int_equal(fake.sent_count, 2);
    assert_int_equal(fake_header(&fake, 0).tx_id, 77);
    assert_int_equal(fake_header(&fake, 1).tx_id, 77);
    assert_int_equal(fake_header(&fake, 1).type, XS_TRANSACTION_END);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_TRANSACTION_START, 301, "9", 2);
    caller_takes(&caller, XS_WRITE, 302, "OK", 3);
    assert_int_equal(caller.header.tx_id, 9);
    caller_takes(&caller, XS_TRANSACTION_END, 303, "OK", 3);
    stop(&fake, &caller);
}

/* A flood of one view: another's request is among the next few, whatever waits before it. */
static void test_fairness(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller flood[3];
    struct caller other;
    uint32_t i;

    (void)state;
    fake_begin(&fake, &fake_limits);
    spec.requests = 100;
    fake.asynchronous = true;
    caller_begin(&flood[0], &fake, fake_view(&fake, &spec), 1);
    caller_begin(&flood[1], &fake, flood[0].view, 2);
    caller_begin(&flood[2], &fake, flood[0].view, 3);
    spec.cookie = 2;
    caller_begin(&other, &fake, fake_view(&fake, &spec), 9);
    for (i = 0; i < 3; i++) {
        assert_int_equal(caller_connect(&flood[i]), 0);
    }
    assert_int_equal(caller_connect(&other), 0);
    for (i = 0; i < 90; i++) {
        assert_int_equal(caller_write(&flood[i % 3], "f", "1"), 0);
    }
    assert_int_equal(fake.sent_count, 4); /* half of what the store below takes */
    assert_int_equal(caller_write(&flood[0], "f", "1"), 0);
    assert_int_equal(caller_write(&other, "o", "1"), 0);
    assert_int_equal(fake.sent_count, 5); /* at once: there was a slot left */
    assert_memory_equal(fake_body(&fake, 4), FRONTEND "/o", sizeof(FRONTEND "/o"));
    assert_int_equal(caller_write(&other, "o", "1"), 0);
    assert_int_equal(caller_write(&other, "o", "1"), 0);
    assert_int_equal(caller_write(&other, "o", "1"), 0);
    /* From now on they take turns. */
    for (i = 0; i < 3; i++) {
        fake_answer(&fake, 0);
        fake_answer(&fake, 0);
    }
    fake_answer_all(&fake);
    caller_takes(&other, XS_WRITE, 901, "OK", 3);
    for (i = 0; i < 3; i++) {
        uint32_t count = 0;

        do {
            assert_int_equal(caller_receive(&flood[i]), 0);
            count += messages(&flood[i], XS_WRITE);
        } while (flood[i].call.reply_size != 0);
        assert_int_equal(count, i == 0 ? 31 : 30);
        assert_int_equal(caller_disconnect(&flood[i]), 0);
    }
    stop(&fake, &other);
}

/* The same with all slots taken: whoever is new is served after one turn of each other. */
static void test_turns(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller callers[4];
    uint32_t served[4] = {0, 0, 0, 0};
    uint32_t i;
    uint32_t at;

    (void)state;
    limits.requests = 1;
    fake_begin(&fake, &limits);
    spec.requests = 100;
    spec.watches = 1;
    fake.asynchronous = true;
    for (i = 0; i < 4; i++) {
        caller_begin(&callers[i], &fake, fake_view(&fake, &spec), 1 + i);
        assert_int_equal(caller_connect(&callers[i]), 0);
    }
    for (i = 0; i < 60; i++) {
        char name[2] = {(char)('a' + i % 3), 0};

        assert_int_equal(caller_write(&callers[i % 3], name, ""), 0);
    }
    assert_int_equal(caller_write(&callers[3], "d", ""), 0);
    for (i = 0; i < 61; i++) {
        assert_int_equal(fake.sent_count, 1);
        at = (uint32_t)(fake_body(&fake, 0)[sizeof(FRONTEND)] - 'a');
        served[at]++;
        if (served[3] == 0) {
            assert_true(i < 5);
        }
        if (i > 8) {
            assert_true(served[0] + 1 >= served[1] && served[1] + 1 >= served[2] &&
                        served[2] + 1 >= served[0]);
        }
        fake_answer(&fake, 0);
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(served[i], i == 3 ? 1 : 20);
    }
    for (i = 0; i < 3; i++) {
        assert_int_equal(caller_disconnect(&callers[i]), 0);
    }
    stop(&fake, &callers[3]);
}

/* The store below takes nothing for a while. */
static void test_blocked(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    fake.refuse = true;
    asks(&caller, "state");
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 4, "state"), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 4, NULL), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, 0, 4, "state", 6), 0);
    assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 4, "T"), 0);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "0",
                                3),
                     0);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 4, "state"), 0);
    assert_int_equal(caller_receive(&caller), 0);
    assert_int_equal(caller.call.reply_size, 0);
    blanket_store_ready(fake.store);
    assert_int_equal(fake.total, 0);
    fake.refuse = false;
    blanket_store_ready(fake.store);
    caller_takes(&caller, XS_READ, 301, "1", 1);
    caller_takes(&caller, XS_WATCH, 302, "OK", 3);
    caller_takes(&caller, XS_TRANSACTION_START, 303, "4", 2);
    caller_takes(&caller, XS_READ, 304, "1", 1);
    caller_takes(&caller, XS_TRANSACTION_END, 305, "OK", 3);
    caller_takes(&caller, XS_DIRECTORY_PART, 306, "77\0state\0", 10);
    caller_takes(&caller, XS_UNWATCH, 307, "OK", 3);
    caller_takes_nothing(&caller);
    stop(&fake, &caller);
}

/* Blocked in the middle: one of each kind is given back, and goes later. */
static void test_blocked_each(void **state)
{
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < 5; i++) {
        fake.refuse = true;
        if (i == 0) {
            assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "a"), 0);
        } else if (i == 1) {
            assert_int_equal(caller_transact(&caller, XS_TRANSACTION_START, 1, NULL), 0);
        } else if (i == 2) {
            assert_int_equal(caller_transact(&caller, XS_TRANSACTION_END, 1, "T"), 0);
        } else if (i == 3) {
            assert_int_equal(caller_watch(&caller, XS_UNWATCH, 0, 1, "a"), 0);
        } else {
            assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                        "\0"
                                        "0",
                                        3),
                             0);
        }
        assert_int_equal(caller.call.reply_size, 0);
        blanket_store_ready(fake.store);
        blanket_store_ready(fake.store);
        assert_int_equal(caller_receive(&caller), 0);
        assert_int_equal(caller.call.reply_size, 0);
        fake.refuse = false;
        blanket_store_ready(fake.store);
        assert_int_equal(caller_receive(&caller), 0);
        assert_int_equal(caller.header.req_id, caller.req_id);
        assert_int_not_equal(caller.header.type, XS_ERROR);
    }
    stop(&fake, &caller);
}

/* All of a long directory, in parts, as libxenstore asks for it. */
static void list_in_parts(struct caller *caller, char *names, uint32_t *size)
{
    char payload[32] = "";

    *size = 0;
    for (;;) {
        uint32_t head;
        uint32_t part;

        snprintf(payload + 1, 16, "%u", *size);
        assert_int_equal(caller_ask(caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                    payload, 2 + strlen(payload + 1)),
                         0);
        fake_answer_all(caller->fake);
        assert_int_equal(caller_receive(caller), 0);
        assert_int_equal(caller->header.type, XS_DIRECTORY_PART);
        assert_string_equal(caller->body, "77");
        head = 3;
        part = caller->header.len - head;
        assert_true(part != 0);
        if (caller->body[head + part - 1] == 0 &&
            (part == 1 || caller->body[head + part - 2] == 0)) {
            memcpy(names + *size, caller->body + head, part - 1);
            *size += part - 1;
            return;
        }
        memcpy(names + *size, caller->body + head, part);
        *size += part;
    }
}

static void test_parts(void **state)
{
    struct fake fake;
    struct caller caller;
    char path[256];
    char expected[8192];
    char names[8192];
    uint32_t size;
    uint32_t used = 6; /* "state" */
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    memcpy(expected, "state", 6);
    for (i = 0; i < 100; i++) {
        if (i == 30) {
            fake_set(&fake, FRONTEND "/frontend", "", 0);
        }
        if (i == 70) {
            fake_set(&fake, FRONTEND "/frontend-id", "", 0);
        }
        snprintf(path, sizeof(path), FRONTEND "/name-%u", i);
        fake_set(&fake, path, "", 0);
        strcpy(expected + used, path + sizeof(FRONTEND));
        used += (uint32_t)strlen(path + sizeof(FRONTEND)) + 1;
    }
    fake.asynchronous = true;
    for (i = 12; i < 2000; i += i < 60 ? 1 : 97) {
        fake.part_size = i; /* at least one name fits; sometimes a hidden one is alone */
        list_in_parts(&caller, names, &size);
        assert_int_equal(size, used);
        assert_memory_equal(names, expected, used);
    }
    /* Behind the end: an empty list's end. In the middle of a name: the rest of it. */
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "99999",
                                7),
                     0);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_DIRECTORY_PART, caller.req_id, "77\0", 4);
    fake.part_size = 18;
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "2",
                                3),
                     0);
    fake_answer_all(&fake);
    caller_takes(&caller, XS_DIRECTORY_PART, caller.req_id, "77\0ate", 7);
    stop(&fake, &caller);
}

/* Other requests of the connection wait for the parts; nonsense and a mad store end it. */
static void test_parts_nonsense(void **state)
{
    static const struct {
        const char *body;
        uint32_t size;
    } bad[] = {{"", 0},   {"77", 3},          {"77\0a", 4},
               {"77", 2}, {"77\0a\0\0\0", 7}, {"\0\0a\0b\0\0c", 8}};
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start_async(&fake, &caller);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                    "\0"
                                    "1000",
                                    6),
                         0);
        asks(&caller, "state");
        assert_int_equal(fake.sent_count, 1);
        fake_input(&fake, XS_DIRECTORY_PART, fake_header(&fake, 0).req_id, 0, bad[i].body,
                   bad[i].size);
        assert_int_equal(fake.sent_count, 2);
        fake.sent[0] = fake.sent[1];
        fake.sent_count = 1;
        caller_takes(&caller, XS_ERROR, caller.req_id - 1, "EIO", 4);
        fake_answer_all(&fake);
        caller_takes(&caller, XS_READ, caller.req_id, "1", 1);
    }
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "4294967295",
                                12),
                     0);
    for (i = 0; fake.sent_count != 0; i++) {
        struct xsd_sockmsg header = fake_header(&fake, 0);
        char body[4096] = "77";

        memset(body + 3, 'n', sizeof(body) - 4);
        body[sizeof(body) - 1] = 0;
        fake.sent_count = 0;
        fake_reply(&fake, &header, body, sizeof(body));
        assert_true(i < 70000);
    }
    caller_takes(&caller, XS_ERROR, caller.req_id, "EIO", 4);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "none\0"
                                "0",
                                7),
                     0);
    fake_error(&fake, &(struct xsd_sockmsg){0, fake_header(&fake, 0).req_id, 0, 0}, "ENOENT");
    fake.sent_count = 0;
    caller_takes(&caller, XS_ERROR, caller.req_id, "ENOENT", 7);
    stop(&fake, &caller);
}

/* A request id comes again after 2^20 uses of its slot, not before, and is never 0. */
static void test_request_ids(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    uint32_t first;
    uint32_t i;

    (void)state;
    limits.requests = 1;
    fake_begin(&fake, &limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 3);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "x"), 0);
    first = fake_header(&fake, 0).req_id;
    for (i = 1; i < (1u << 20) - 1; i++) {
        uint64_t items[4] = {caller.items[0], caller.items[1], caller.items[2], caller.items[3]};
        struct blanket_call call = caller.call;

        call.items = items;
        call.payload = (const uint8_t *)"x";
        call.payload_size = 2;
        call.reply = caller.reply;
        assert_int_equal(blanket_store_call(fake.store, &call), 0);
        if (fake_header(&fake, 0).req_id == first || fake_header(&fake, 0).req_id == 0) {
            break;
        }
    }
    assert_int_equal(i, (1u << 20) - 1);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "x"), 0);
    assert_int_equal(fake_header(&fake, 0).req_id, first);
    stop(&fake, &caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_strays),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_nonsense_watch),
        cmocka_unit_test(test_nonsense_events),
        cmocka_unit_test(test_early_event),
        cmocka_unit_test(test_coalescing),
        cmocka_unit_test(test_smallest_queue),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_full_undone),
        cmocka_unit_test(test_nonsense_raw),
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_refused_below),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_blocked_each),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_parts_nonsense),
        cmocka_unit_test(test_request_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
