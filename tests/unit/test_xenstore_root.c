/* SPDX-License-Identifier: MIT */
/*
 * The broker over the provider's own xenstore, on one connection of it: two ends of a device shake
 * hands, each through its own view; a raw view serves what a client of a xenstore expects.
 */
#include "test_xenstore.h"

#include "store.h"

/* One connection of the store below; `fake` has only what the callers need of it. */
struct bench {
    struct fake fake;
    struct blanket_root_store *below;
    struct blanket_root_store_connection *connection;
    struct blanket_root_store_connection *toolstack;
    uint32_t events[4];
};

static void pass_on(struct bench *bench)
{
    uint8_t message[4112];
    size_t size = 0;

    while (blanket_root_store_receive(bench->connection, message, sizeof(message), &size) == 0 &&
           size != 0) {
        blanket_store_input(bench->fake.store, message, (uint32_t)size);
    }
}

static int bench_send(void *context, const void *message, uint32_t size)
{
    struct bench *bench = context;

    if (blanket_root_store_submit(bench->connection, message, size) != 0) {
        return -BLANKET_EAGAIN;
    }
    pass_on(bench);
    return 0;
}

static void bench_event(void *context, uint64_t cookie, uint32_t port)
{
    struct bench *bench = context;

    (void)port;
    bench->events[cookie]++;
}

static const struct blanket_store_ops bench_ops = {bench_send, bench_event};

/* What the toolstack does, beside the broker: domain 0, on a connection of its own. */
static void tool(struct bench *bench, uint32_t type, const void *body, size_t size,
                 const char *expected)
{
    struct xsd_sockmsg header = {type, 1, 0, (uint32_t)size};
    uint8_t message[4112];
    size_t used = 0;

    memcpy(message, &header, 16);
    memcpy(message + 16, body, size);
    assert_int_equal(blanket_root_store_submit(bench->toolstack, message, 16 + size), 0);
    assert_int_equal(blanket_root_store_receive(bench->toolstack, message, sizeof(message), &used),
                     0);
    message[used] = 0;
    assert_string_equal((char *)message + 16, expected);
    pass_on(bench);
}

static void tool_write(struct bench *bench, const char *path, const char *value, const char *perms,
                       size_t perms_size)
{
    char body[512];
    size_t size = strlen(path) + 1;

    memcpy(body, path, size);
    memcpy(body + size, value, strlen(value) + 1);
    tool(bench, XS_WRITE, body, size + strlen(value), "OK");
    memcpy(body + size, perms, perms_size);
    tool(bench, XS_SET_PERMS, body, size + perms_size, "OK");
}

static void bench_begin(struct bench *bench, uint16_t domid)
{
    struct blanket_root_store_limits store_limits;
    size_t size = blanket_store_size(&fake_limits);

    memset(bench, 0, sizeof(*bench));
    blanket_root_store_limits_default(&store_limits);
    store_limits.memory_size = 8u << 20;
    assert_int_equal(blanket_root_store_create(&store_limits, &bench->below), 0);
    assert_int_equal(blanket_root_store_domain_add(bench->below, 7), 0);
    assert_int_equal(blanket_root_store_connect(bench->below, 0, NULL, NULL, &bench->toolstack), 0);
    assert_int_equal(
        blanket_root_store_connect(bench->below, domid, NULL, NULL, &bench->connection), 0);
    bench->fake.memory = aligned_alloc(16, size);
    memset(bench->fake.memory, 0, size);
    assert_int_equal(
        blanket_store_init(bench->fake.memory, &fake_limits, &bench_ops, bench, &bench->fake.store),
        0);
    tool_write(bench, FRONTEND, "", "n7\0r0", 6);
    tool_write(bench, FRONTEND "/backend", BACKEND, "n7\0r0", 6);
    tool_write(bench, FRONTEND "/backend-id", "0", "n7\0r0", 6);
    tool_write(bench, FRONTEND "/state", "1", "n7\0r0", 6);
    tool_write(bench, BACKEND, "", "n0\0r7", 6);
    tool_write(bench, BACKEND "/frontend", FRONTEND, "n0\0r7", 6);
    tool_write(bench, BACKEND "/frontend-id", "7", "n0\0r7", 6);
    tool_write(bench, BACKEND "/state", "1", "n0\0r7", 6);
}

static void bench_end(struct bench *bench)
{
    assert_true(blanket_root_store_check(bench->below));
    blanket_root_store_disconnect(bench->connection);
    blanket_root_store_disconnect(bench->toolstack);
    blanket_root_store_destroy(bench->below);
    free(bench->fake.memory);
}

static void open_view(struct bench *bench, struct caller *caller,
                      const struct blanket_store_view_spec *spec)
{
    caller_begin(caller, &bench->fake, fake_view(&bench->fake, spec), 2);
    assert_int_equal(caller_connect(caller), 0);
}

static void reads(struct caller *caller, unsigned root, const char *path, const char *value)
{
    assert_int_equal(caller_read(caller, XS_READ, root, path), 0);
    caller_told(caller, XS_READ, value, strlen(value));
}

static void writes(struct caller *caller, unsigned root, uint32_t transaction, const char *path,
                   const char *value)
{
    char payload[256];
    size_t size = strlen(path) + 1;

    memcpy(payload, path, size);
    memcpy(payload + size, value, strlen(value));
    assert_int_equal(caller_ask(caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, root, transaction,
                                payload, size + strlen(value)),
                     0);
    caller_told(caller, XS_WRITE, "OK", 3);
}

static void drain(struct caller *caller)
{
    do {
        assert_int_equal(caller_receive(caller), 0);
    } while (caller->call.reply_size != 0);
}

/* Frontend and backend through the same broker: neither sees a domid or a path. */
static void test_handshake(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct bench bench;
    struct caller front;
    struct caller back;

    (void)state;
    bench_begin(&bench, 0);
    open_view(&bench, &front, &spec);
    spec = fake_spec(2);
    spec.roots[BLANKET_ROOT_FRONTEND].rights = FAKE_RIGHTS_READ;
    spec.roots[BLANKET_ROOT_BACKEND].rights = FAKE_RIGHTS_ALL;
    spec.self_domid = 0;
    spec.peer_domid = 7;
    open_view(&bench, &back, &spec);
    assert_int_equal(caller_watch(&front, XS_WATCH, BLANKET_ROOT_BACKEND, 1, "state"), 0);
    assert_int_equal(caller_watch(&back, XS_WATCH, BLANKET_ROOT_FRONTEND, 1, "state"), 0);
    caller_takes(&front, XS_WATCH_EVENT, 1, "state", 6);
    caller_takes(&back, XS_WATCH_EVENT, 1, "state", 6);
    writes(&back, BLANKET_ROOT_BACKEND, 0, "state", "2");
    caller_takes(&front, XS_WATCH_EVENT, 1, "state", 6);
    reads(&front, BLANKET_ROOT_BACKEND, "state", "2");

    assert_int_equal(caller_transact(&front, XS_TRANSACTION_START, 1, NULL), 0);
    caller_told(&front, XS_TRANSACTION_START, "1", 2);
    caller_request(&front, XS_WRITE);
    front.items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_FRONTEND);
    front.items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, 1);
    front.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 8, 1);
    assert_int_equal(caller_call(&front, BLANKET_VERB_STORE_WRITE_GRANT, 5, "ring-ref", 9), 0);
    caller_told(&front, XS_WRITE, "OK", 3);
    writes(&front, BLANKET_ROOT_FRONTEND, 1, "state", "3");
    assert_int_equal(caller_receive(&back), 0);
    assert_int_equal(back.call.reply_size, 0); /* not before it's committed */
    assert_int_equal(caller_transact(&front, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&front, XS_TRANSACTION_END, "OK", 3);
    caller_takes(&back, XS_WATCH_EVENT, 1, "state", 6);
    reads(&back, BLANKET_ROOT_FRONTEND, "state", "3");
    reads(&back, BLANKET_ROOT_FRONTEND, "ring-ref", "1008");
    writes(&back, BLANKET_ROOT_BACKEND, 0, "sectors", "2048");
    writes(&back, BLANKET_ROOT_BACKEND, 0, "state", "4");
    caller_takes(&front, XS_WATCH_EVENT, 1, "state", 6);
    writes(&front, BLANKET_ROOT_FRONTEND, 0, "state", "4");
    assert_int_equal(caller_read(&front, XS_DIRECTORY, BLANKET_ROOT_BACKEND, ""), 0);
    caller_told(&front, XS_DIRECTORY, "state\0sectors", 14);
    assert_int_equal(caller_read(&front, XS_GET_PERMS, BLANKET_ROOT_BACKEND, "state"), 0);
    caller_told(&front, XS_GET_PERMS, "n1\0r0", 6);
    assert_int_equal(caller_read(&back, XS_GET_PERMS, BLANKET_ROOT_BACKEND, "state"), 0);
    caller_told(&back, XS_GET_PERMS, "n0\0r1", 6);

    /* The frontend's endpoint dies: its peer sees it closing. */
    drain(&back);
    assert_int_equal(blanket_store_view_remove(bench.fake.store, front.view), 0);
    reads(&back, BLANKET_ROOT_FRONTEND, "state", "6");
    caller_takes(&back, XS_WATCH_EVENT, 1, "state", 6);
    assert_int_equal(caller_disconnect(&back), 0);
    tool(&bench, XS_READ, BACKEND "/state", sizeof(BACKEND "/state"), "6");
    bench_end(&bench);
}

/* Transactions conflict by node, and so do two callers of one connection below. */
static void test_conflict(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct bench bench;
    struct caller front;
    struct caller other;

    (void)state;
    bench_begin(&bench, 7);
    open_view(&bench, &front, &spec);
    caller_begin(&other, &bench.fake, front.view, 3);
    assert_int_equal(caller_connect(&other), 0);
    writes(&front, 0, 0, "counter", "1");
    assert_int_equal(caller_transact(&front, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_START, 1, NULL), 0);
    assert_int_equal(caller_ask(&front, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "counter", 8), 0);
    caller_told(&front, XS_READ, "1", 1);
    assert_int_equal(caller_ask(&other, BLANKET_VERB_STORE_READ, XS_READ, 0, 1, "counter", 8), 0);
    caller_told(&other, XS_READ, "1", 1);
    writes(&front, 0, 1, "counter", "2");
    writes(&other, 0, 1, "counter", "2");
    assert_int_equal(caller_transact(&front, XS_TRANSACTION_END, 1, "T"), 0);
    caller_told(&front, XS_TRANSACTION_END, "OK", 3);
    assert_int_equal(caller_transact(&other, XS_TRANSACTION_END, 1, "T"), 0);
    caller_error(&other, "EAGAIN");
    /* The store's own permissions hold beside the view's rights. */
    assert_int_equal(
        caller_ask(&front, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, 0, 0, "counter\0n0\0r1", 14), 0);
    caller_told(&front, XS_SET_PERMS, "OK", 3);
    tool(&bench, XS_GET_PERMS, FRONTEND "/counter", sizeof(FRONTEND "/counter"), "n7");
    assert_int_equal(caller_disconnect(&other), 0);
    assert_int_equal(caller_disconnect(&front), 0);
    bench_end(&bench);
}

/* A toolstack through the broker: whole directories in parts, special watches, its own errors. */
static void test_raw(void **state)
{
    struct blanket_store_view_spec spec = fake_raw_spec(3);
    struct bench bench;
    struct caller caller;
    char path[64];
    uint32_t offset = 0;
    uint32_t names = 0;
    uint32_t i;

    (void)state;
    bench_begin(&bench, 0);
    open_view(&bench, &caller, &spec);
    for (i = 0; i < 900; i++) {
        snprintf(path, sizeof(path), "/many/name-%u", i);
        writes(&caller, BLANKET_ROOT_ALL, 0, path, "v");
    }
    assert_int_equal(caller_read(&caller, XS_DIRECTORY, BLANKET_ROOT_ALL, "/many"), 0);
    caller_error(&caller, "E2BIG");
    for (;;) {
        char payload[32];
        uint32_t head;
        uint32_t size;

        size = (uint32_t)snprintf(payload, sizeof(payload), "/many%c%u", 0, offset) + 1;
        assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART,
                                    BLANKET_ROOT_ALL, 0, payload, size),
                         0);
        assert_int_equal(caller.header.type, XS_DIRECTORY_PART);
        head = (uint32_t)strlen(caller.body) + 1;
        for (i = head; i < caller.header.len; i++) {
            names += caller.body[i] == 0;
        }
        if (caller.body[caller.header.len - 2] == 0) {
            names--;
            break;
        }
        offset += caller.header.len - head;
    }
    assert_int_equal(names, 900);
    assert_int_equal(caller_watch(&caller, XS_WATCH, BLANKET_ROOT_ALL, 1, "@introduceDomain"), 0);
    caller_told(&caller, XS_WATCH, "OK", 3);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "@introduceDomain", 17);
    assert_int_equal(blanket_root_store_domain_add(bench.below, 9), 0);
    pass_on(&bench);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "@introduceDomain", 17);
    assert_int_equal(caller_read(&caller, XS_GET_DOMAIN_PATH, BLANKET_ROOT_ALL, "9"), 0);
    caller_told(&caller, XS_GET_DOMAIN_PATH, "/local/domain/9", 16);
    assert_int_equal(caller_read(&caller, XS_IS_DOMAIN_INTRODUCED, BLANKET_ROOT_ALL, "9"), 0);
    caller_told(&caller, XS_IS_DOMAIN_INTRODUCED, "T", 2);
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_ALL, "/a//b"), 0);
    caller_error(&caller, "EINVAL");
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_ALL, "/nothing"), 0);
    caller_error(&caller, "ENOENT");
    assert_int_equal(
        caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_RM, BLANKET_ROOT_ALL, 0, "/many", 6), 0);
    caller_told(&caller, XS_RM, "OK", 3);
    assert_int_equal(caller_disconnect(&caller), 0);
    bench_end(&bench);
}

/* The same directory through a view, with keys in it that the view doesn't show. */
static void test_parts(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct bench bench;
    struct caller caller;
    char path[96];
    char expected[9000];
    uint32_t used = 6;
    uint32_t offset = 0;
    uint32_t i;

    (void)state;
    bench_begin(&bench, 0);
    open_view(&bench, &caller, &spec);
    memcpy(expected, "state", 6);
    for (i = 0; i < 800; i++) {
        snprintf(path, sizeof(path), "name-%u", i);
        writes(&caller, 0, 0, path, "v");
        memcpy(expected + used, path, strlen(path) + 1);
        used += (uint32_t)strlen(path) + 1;
        if (i == 500) {
            tool_write(&bench, FRONTEND "/frontend-id", "7", "n7\0r0", 6);
        }
    }
    for (;;) {
        char payload[32];
        uint32_t size = (uint32_t)snprintf(payload, sizeof(payload), "%c%u", 0, offset) + 1;
        uint32_t head;
        uint32_t last;

        assert_int_equal(
            caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0, payload, size),
            0);
        assert_int_equal(caller_receive(&caller), 0);
        assert_int_equal(caller.header.type, XS_DIRECTORY_PART);
        head = (uint32_t)strlen(caller.body) + 1;
        last = caller.body[caller.header.len - 2] == 0;
        assert_true(offset + caller.header.len - head - last <= used);
        assert_memory_equal(caller.body + head, expected + offset, caller.header.len - head - last);
        offset += caller.header.len - head - last;
        if (last) {
            break;
        }
    }
    assert_int_equal(offset, used);
    assert_int_equal(caller_disconnect(&caller), 0);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
