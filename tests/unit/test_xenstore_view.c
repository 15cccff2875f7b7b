/* SPDX-License-Identifier: MIT */
/* What a view shows and what it doesn't: paths, hidden and typed keys, permissions, raw views, limits. */
#include "test_xenstore.h"

static int set_perms(struct caller *caller, const char *perms, size_t size)
{
    char payload[128] = "state";

    memcpy(payload + 6, perms, size);
    return caller_ask(caller, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, BLANKET_ROOT_FRONTEND, 0,
                      payload, 6 + size);
}

static bool legal(int byte)
{
    return byte == '-' || byte == '_' || byte == '@' || (byte >= '0' && byte <= '9') ||
           (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static void test_bytes(void **state)
{
    struct fake fake;
    struct caller caller;
    int byte;
    int place;

    (void)state;
    start(&fake, &caller);
    for (byte = 1; byte < 256; byte++) {
        for (place = 0; place < 5; place++) {
            char path[] = "ab/cd";
            uint32_t total = fake.total;

            path[place] = (char)byte;
            if (byte == '/' || place == 2) {
                continue;
            }
            if (legal(byte)) {
                assert_int_equal(caller_read(&caller, XS_READ, 0, path), 0);
                assert_string_equal(fake_body(&fake, 0) + sizeof(FRONTEND), path);
                continue;
            }
            assert_int_equal(caller_read(&caller, XS_READ, 0, path), -BLANKET_EINVAL);
            assert_int_equal(caller_write(&caller, path, ""), -BLANKET_EINVAL);
            assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, path), -BLANKET_EINVAL);
            assert_int_equal(fake.total, total);
        }
    }
    stop(&fake, &caller);
}

static void test_paths(void **state)
{
    static const char *const bad[] = {"/",    "/a",     "a/",  "a//b", "..",      "../x",
                                      "a/..", "a/../b", ".",   "//",   "a/b/",    ("/" FRONTEND),
                                      " a",   "a b",    "a\n", "a\\b", "\xc3\xa4"};
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(caller_read(&caller, XS_READ, 0, bad[i]), -BLANKET_EINVAL);
        assert_int_equal(caller_write(&caller, bad[i], "x"), -BLANKET_EINVAL);
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, bad[i]), -BLANKET_EINVAL);
    }
    assert_int_equal(fake.total, 0);
    stop(&fake, &caller);
}

static void test_hidden(void **state)
{
    static const char *const keys[] = {"backend",   "backend-id", "frontend",      "frontend-id",
                                       "backend/x", "a/frontend", "a/backend-id/b"};
    static const char *const shown[] = {"backends",     "backend-", "xbackend",
                                        "frontend-idx", "Backend",  "back/end"};
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        assert_int_equal(caller_read(&caller, XS_READ, 0, keys[i]), 0);
        caller_error(&caller, "ENOENT");
        assert_int_equal(caller_read(&caller, XS_DIRECTORY, 0, keys[i]), 0);
        caller_error(&caller, "ENOENT");
        assert_int_equal(caller_read(&caller, XS_GET_PERMS, 0, keys[i]), 0);
        caller_error(&caller, "ENOENT");
        assert_int_equal(caller_write(&caller, keys[i], "/elsewhere"), 0);
        caller_error(&caller, "EACCES");
        assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_RM, 0, 0, keys[i],
                                    strlen(keys[i]) + 1),
                         0);
        caller_error(&caller, "EACCES");
        assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, keys[i]), 0);
        caller_error(&caller, "ENOENT");
    }
    /* Nor can the directory be removed that has them. */
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_RM, 0, 0, "", 1), 0);
    caller_error(&caller, "EACCES");
    assert_int_equal(fake.total, 0);
    for (i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        assert_int_equal(caller_write(&caller, shown[i], "v"), 0);
        caller_told(&caller, XS_WRITE, "OK", 3);
    }
    stop(&fake, &caller);
}

static void test_hidden_events(void **state)
{
    struct fake fake;
    struct caller caller;

    (void)state;
    start(&fake, &caller);
    assert_int_equal(caller_watch(&caller, XS_WATCH, BLANKET_ROOT_FRONTEND, 1, ""), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "", 1);
    fake_fire(&fake, FRONTEND "/backend");
    fake_fire(&fake, FRONTEND "/backend-id");
    caller_takes_nothing(&caller);
    fake_fire(&fake, FRONTEND "/backen");
    caller_takes(&caller, XS_WATCH_EVENT, 1, "backen", 7);
    stop(&fake, &caller);
}

static void test_typed(void **state)
{
    static const char *const typed[] = {"ring-ref",
                                        "ring-ref0",
                                        "ring-ref15",
                                        "event-channel",
                                        "event-channel-tx",
                                        "tx-ring-ref",
                                        "queue-0/ring-ref",
                                        "rx-ring-ref",
                                        "page-ref",
                                        "port",
                                        "queue-1/event-channel-rx"};
    static const char *const plain[] = {
        "ring-refs", "ring-ref-x", "ports", "ring-page-order", "port/x", "xport", "event-channels"};
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(typed) / sizeof(*typed); i++) {
        assert_int_equal(caller_write(&caller, typed[i], "8"), -BLANKET_EINVAL);
        assert_int_equal(fake.total, i);
        caller_request(&caller, XS_WRITE);
        caller.items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, 0);
        caller.items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0);
        caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, i, 1);
        assert_int_equal(
            caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, typed[i], strlen(typed[i]) + 1),
            0);
        caller_told(&caller, XS_WRITE, "OK", 3);
    }
    for (i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        assert_int_equal(caller_write(&caller, plain[i], "8"), 0);
        caller_told(&caller, XS_WRITE, "OK", 3);
    }
    stop(&fake, &caller);
}

static int port_number(void *context, uint64_t cookie, uint32_t index, uint32_t *number)
{
    assert_non_null(context);
    assert_int_equal(cookie, 2);
    if (index == 9) {
        return -BLANKET_ENOENT;
    }
    *number = 4294967295u - index;
    return 0;
}

static void test_port_numbers(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(2);
    struct fake fake;
    struct caller caller;

    (void)state;
    spec.port_number = port_number;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    caller_request(&caller, XS_WRITE);
    caller.items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, 0);
    caller.items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_PORT, 5, "port", 5), 0);
    assert_memory_equal(fake_find(&fake, FRONTEND "/port")->value, "4294967295", 11);
    caller_request(&caller, XS_WRITE);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_PORT, 9, 1);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_PORT, 5, "port", 5),
                     -BLANKET_ENOENT);
    caller_request(&caller, XS_WRITE);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_PORT, 1, 1);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_PORT, 5, "backend-id", 11), 0);
    caller_error(&caller, "EACCES");
    stop(&fake, &caller);
}

static void test_permissions_given(void **state)
{
    static const struct {
        const char *given;
        size_t size;
        const char *below;
        size_t below_size;
    } good[] = {
        {"n0", 3, "n7", 3},
        {"r0\0w1", 6, "r7\0w0", 6},
        {"b0\0r0\0n1", 9, "b7\0r7\0n0", 9},
    };
    static const struct {
        const char *given;
        size_t size;
    } bad[] = {
        {"", 0},        {"", 1},       {"n0", 2},       {"n0\0r1", 5}, {"n1", 3},
        {"n2", 3},      {"n0\0r2", 6}, {"x0", 3},       {"n", 2},      {"n00", 4},
        {"n-1", 4},     {"n0\0", 4},   {"n0\0\0r1", 7}, {"n7", 3},     {"n4294967296", 12},
        {"n0\0r0x", 7}, {"N0", 3},     {"n 0", 4},
    };
    struct fake fake;
    struct caller caller;
    uint32_t i;

    (void)state;
    start(&fake, &caller);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(set_perms(&caller, bad[i].given, bad[i].size), -BLANKET_EINVAL);
        assert_int_equal(fake.total, 0);
    }
    for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(set_perms(&caller, good[i].given, good[i].size), 0);
        caller_told(&caller, XS_SET_PERMS, "OK", 3);
        assert_int_equal(fake_find(&fake, FRONTEND "/state")->perms_size, good[i].below_size);
        assert_memory_equal(fake_find(&fake, FRONTEND "/state")->perms, good[i].below,
                            good[i].below_size);
        assert_int_equal(caller_read(&caller, XS_GET_PERMS, 0, "state"), 0);
        caller_told(&caller, XS_GET_PERMS, good[i].given, good[i].size);
    }
    stop(&fake, &caller);
}

/* Longer numbers below than above: the list may outgrow the message. */
static void test_permissions_grow(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    char list[4096];
    uint32_t i;

    (void)state;
    spec.self_domid = 4294967295u;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    for (i = 0; i < 1000; i++) {
        memcpy(list + 3 * i, "n0", 3);
    }
    fake.asynchronous = true;
    for (i = 1; i < 1000; i++) {
        char payload[4112] = "p";
        int status;

        memcpy(payload + 2, list, 3 * i);
        status = caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, 0, 0, payload,
                            2 + 3 * i);
        if (status != 0) {
            assert_int_equal(status, -BLANKET_EINVAL);
            assert_int_equal(i, (4096 - sizeof(FRONTEND "/p")) / 12 + 1);
            break;
        }
        assert_int_equal(fake_header(&fake, 0).len, sizeof(FRONTEND "/p") + 12 * i);
        fake.sent_count = 0;
        blanket_store_lost(fake.store);
        assert_int_equal(caller_receive(&caller), 0);
    }
    assert_true(i < 1000);
    fake.asynchronous = false;
    stop(&fake, &caller);
}

static void test_permissions_shown(void **state)
{
    struct fake fake;
    struct caller caller;
    struct fake_node *node;

    (void)state;
    start(&fake, &caller);
    node = fake_find(&fake, FRONTEND "/state");
    memcpy(node->perms, "n5\0r7\0w32751", 13);
    node->perms_size = 13;
    assert_int_equal(caller_read(&caller, XS_GET_PERMS, 0, "state"), 0);
    caller_told(&caller, XS_GET_PERMS, "n2\0r0\0w2", 9); /* whoever they are: not told */
    memcpy(node->perms, "n7\0r", 5);
    node->perms_size = 5;
    assert_int_equal(caller_read(&caller, XS_GET_PERMS, 0, "state"), 0);
    caller_error(&caller, "EIO");
    stop(&fake, &caller);
}

static void test_raw(void **state)
{
    struct blanket_store_view_spec spec = fake_raw_spec(3);
    struct fake fake;
    struct caller caller;
    const unsigned all = BLANKET_ROOT_ALL;
    char path[4097] = "x";

    (void)state;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_read(&caller, XS_READ, all, FRONTEND "/backend"), 0);
    caller_told(&caller, XS_READ, BACKEND, sizeof(BACKEND) - 1);
    assert_int_equal(caller_read(&caller, XS_DIRECTORY, all, FRONTEND), 0);
    caller_told(&caller, XS_DIRECTORY, "backend\0backend-id\0state", 25);
    assert_int_equal(caller_read(&caller, XS_GET_PERMS, all, FRONTEND), 0);
    caller_told(&caller, XS_GET_PERMS, "n7\0r0", 6);
    assert_int_equal(caller_read(&caller, XS_GET_DOMAIN_PATH, all, "7"), 0);
    caller_told(&caller, XS_GET_DOMAIN_PATH, "/local/domain/7", 16);
    assert_int_equal(caller_read(&caller, XS_IS_DOMAIN_INTRODUCED, all, "7"), 0);
    caller_told(&caller, XS_IS_DOMAIN_INTRODUCED, "T", 2);
    assert_int_equal(caller_read(&caller, XS_CONTROL, all, "7"), -BLANKET_EINVAL);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, all, 0, path, 4097),
                     -BLANKET_EMSGSIZE);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, all, 0, path, 4097),
                     -BLANKET_EMSGSIZE);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_READ, all, 0, NULL, 0), 0);
    caller_error(&caller, "ENOENT");
    /* Also what is no path: the store's own answer. */
    assert_int_equal(caller_read(&caller, XS_READ, all, "//.."), 0);
    caller_error(&caller, "ENOENT");
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, all, 0,
                                FRONTEND "/ring-ref\0"
                                         "5",
                                sizeof(FRONTEND) + 10),
                     0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_WRITE, XS_SET_PERMS, all, 0,
                                FRONTEND "\0b7\0r5", sizeof(FRONTEND) + 6),
                     0);
    assert_memory_equal(fake_find(&fake, FRONTEND)->perms, "b7\0r5", 6);
    caller.items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 3, 1);
    caller_request(&caller, XS_WRITE);
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, FRONTEND "/x",
                                 sizeof(FRONTEND "/x")),
                     0);
    assert_string_equal(fake_find(&fake, FRONTEND "/x")->value, "1003");
    assert_int_equal(caller_call(&caller, BLANKET_VERB_STORE_WRITE_GRANT, 5, "a\0b", 4),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "state"), -BLANKET_EPERM);
    stop(&fake, &caller);
}

static void test_raw_watches(void **state)
{
    struct blanket_store_view_spec spec = fake_raw_spec(3);
    struct fake fake;
    struct caller caller;
    const unsigned all = BLANKET_ROOT_ALL;
    char path[3080];

    (void)state;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 1, "@releaseDomain"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "@releaseDomain", 15);
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 2, "/"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 2, "/", 2);
    fake_fire(&fake, FRONTEND "/backend-id");
    caller_takes(&caller, XS_WATCH_EVENT, 2, FRONTEND "/backend-id", sizeof(FRONTEND) + 11);
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 3, "relative/path"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 3, "relative/path", 14);
    memset(path, 'p', sizeof(path));
    path[3073] = 0;
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 4, path), 0);
    caller_error(&caller, "EINVAL");
    path[3072] = 0;
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 4, path), 0);
    caller_told(&caller, XS_WATCH, "OK", 3);
    caller_takes(&caller, XS_WATCH_EVENT, 4, path, 3073);
    path[0] = 'q';
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 5, path), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 5, path, 3073);
    fake_fire(&fake, path);
    caller_takes(&caller, XS_WATCH_EVENT, 5, path, 3073);
    path[0] = 'p';
    fake_fire(&fake, path);
    caller_takes(&caller, XS_WATCH_EVENT, 4, path, 3073);
    assert_int_equal(caller_watch(&caller, XS_WATCH, all, 5, ""), -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, all, 1, "@introduceDomain"), 0);
    caller_error(&caller, "ENOENT");
    assert_int_equal(caller_watch(&caller, XS_UNWATCH, all, 1, "@releaseDomain"), 0);
    caller_told(&caller, XS_UNWATCH, "OK", 3);
    assert_int_equal(caller_watch(&caller, XS_RESET_WATCHES, all, 0, NULL), 0);
    caller_told(&caller, XS_RESET_WATCHES, "OK", 3);
    assert_int_equal(fake_watch_count(&fake), 0);
    stop(&fake, &caller);
}

/* An administrative view of a part of the store: relative paths, but nothing is hidden or renamed. */
static void test_raw_part(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;

    (void)state;
    spec.flags = BLANKET_STORE_VIEW_RAW;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "backend"), 0);
    caller_told(&caller, XS_READ, BACKEND, sizeof(BACKEND) - 1);
    assert_int_equal(caller_read(&caller, XS_READ, 0, "/backend"), -BLANKET_EINVAL);
    assert_int_equal(caller_write(&caller, "ring-ref", "8"), 0);
    caller_told(&caller, XS_WRITE, "OK", 3);
    assert_int_equal(set_perms(&caller, "b5", 3), 0);
    assert_memory_equal(fake_find(&fake, FRONTEND "/state")->perms, "b5", 3);
    assert_int_equal(caller_ask(&caller, BLANKET_VERB_STORE_READ, XS_DIRECTORY_PART, 0, 0,
                                "\0"
                                "0",
                                3),
                     0);
    caller_told(&caller, XS_DIRECTORY_PART, "77\0backend\0backend-id\0state\0ring-ref\0", 38);
    assert_int_equal(caller_watch(&caller, XS_WATCH, 0, 1, "backend"), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "backend", 8);
    assert_int_equal(caller_write(&caller, "state", "4"), 0);
    stop(&fake, &caller);
}

/* A view of the whole store that isn't raw: relative to the root of it. */
static void test_whole(void **state)
{
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;

    (void)state;
    spec.roots[BLANKET_ROOT_ALL].path = "/";
    spec.roots[BLANKET_ROOT_ALL].rights = FAKE_RIGHTS_ALL;
    fake_begin(&fake, &fake_limits);
    caller_begin(&caller, &fake, fake_view(&fake, &spec), 1);
    assert_int_equal(caller_connect(&caller), 0);
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_ALL, ""), 0);
    assert_string_equal(fake_body(&fake, 0), "/");
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_ALL, FRONTEND "/state"),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_read(&caller, XS_READ, BLANKET_ROOT_ALL, &FRONTEND[1]), 0);
    caller_told(&caller, XS_READ, "", 0);
    assert_int_equal(caller_read(&caller, XS_GET_DOMAIN_PATH, BLANKET_ROOT_ALL, "7"),
                     -BLANKET_EINVAL);
    assert_int_equal(caller_watch(&caller, XS_WATCH, BLANKET_ROOT_ALL, 1, ""), 0);
    caller_takes(&caller, XS_WATCH_EVENT, 1, "", 1);
    fake_fire(&fake, "/a/b");
    caller_takes(&caller, XS_WATCH_EVENT, 1, "a/b", 4);
    stop(&fake, &caller);
}

static void test_limits(void **state)
{
    struct blanket_store_limits limits;
    struct blanket_store *store = NULL;
    uint8_t memory[16];

    (void)state;
    limits = fake_limits;
    limits.views = 0;
    assert_int_equal(blanket_store_size(&limits), 0);
    assert_int_equal(blanket_store_init(memory, &limits, &fake_ops, NULL, &store), -BLANKET_EINVAL);
    limits.views = 4097;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.connections = 0;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits.connections = 65536;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.watches = 65537;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.transactions = 65537;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.requests = 0;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits.requests = 4097;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.queue_size = 4127;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits.queue_size = (1u << 20) + 1;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.watch_path = 255;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits.watch_path = 3073;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.ports = (1u << 28) + 1;
    assert_int_equal(blanket_store_size(&limits), 0);
    limits = fake_limits;
    limits.watches = 0;
    limits.transactions = 0;
    limits.connections = 1;
    limits.views = 1;
    limits.requests = 1;
    assert_true(blanket_store_size(&limits) != 0);
    assert_null(store);
}

static void test_view_specs(void **state)
{
    static const char *const bad[] = {"", "a", "/a/", "//", "/a//b", "/a b", "/..", "a/b"};
    struct blanket_store_view_spec spec = fake_spec(1);
    char longest[258] = "/";
    struct fake fake;
    uint64_t view = 77;
    uint32_t i;

    (void)state;
    fake_begin(&fake, &fake_limits);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        spec.roots[BLANKET_ROOT_DATA].path = bad[i];
        assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    }
    memset(longest + 1, 'x', 256);
    spec.roots[BLANKET_ROOT_DATA].path = longest;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    longest[255] = 0;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, view), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, view), 0);
    view = 77;
    spec = fake_spec(1);
    spec.flags = 4;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    spec = fake_spec(1);
    spec.roots[0].rights = 1u << BLANKET_RIGHT_GRANT_MAP;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    spec = fake_raw_spec(1);
    spec.roots[BLANKET_ROOT_ALL].path = "/local";
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    spec = fake_spec(1);
    spec.ports = 65537;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_EINVAL);
    spec = fake_spec(1);
    spec.connections = fake_limits.connections + 1;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_ENOSPC);
    spec = fake_spec(1);
    spec.watches = fake_limits.watches + 1;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_ENOSPC);
    spec = fake_spec(1);
    spec.transactions = fake_limits.transactions + fake_limits.views + 1;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_ENOSPC);
    assert_int_equal(view, 77);
    fake_end(&fake);
}

/* Views come and go: handles don't come again, windows of ports are found again. */
static void test_views(void **state)
{
    struct blanket_store_limits limits = fake_limits;
    struct blanket_store_view_spec spec = fake_spec(1);
    struct fake fake;
    struct caller caller;
    uint64_t views[4];
    uint64_t view;
    uint32_t i;

    (void)state;
    limits.ports = 40;
    fake_begin(&fake, &limits);
    spec.ports = 10;
    for (i = 0; i < 4; i++) {
        views[i] = fake_view(&fake, &spec);
    }
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_ENOSPC);
    assert_int_equal(blanket_store_view_remove(fake.store, views[1]), 0);
    spec.ports = 11;
    assert_int_equal(blanket_store_view_add(fake.store, &spec, &view), -BLANKET_ENOSPC);
    assert_int_equal(blanket_store_view_remove(fake.store, views[2]), 0);
    view = fake_view(&fake, &spec);
    assert_true(view != views[1] && view != views[2]);
    caller_begin(&caller, &fake, views[1], 0);
    assert_int_equal(caller_connect(&caller), -BLANKET_EPERM);
    caller.view = view;
    caller.port = 10;
    assert_int_equal(caller_connect(&caller), 0);
    caller.port = 11;
    assert_int_equal(caller_connect(&caller), -BLANKET_EINVAL);
    spec.ports = 9;
    views[2] = fake_view(&fake, &spec);
    assert_int_equal(blanket_store_view_remove(fake.store, view), 0);
    assert_int_equal(blanket_store_view_remove(fake.store, views[2]), 0);
    /* Tombstones were of that endpoint: a new one begins anew. */
    spec.ports = 11;
    caller.view = fake_view(&fake, &spec);
    caller.port = 10;
    assert_int_equal(caller_connect(&caller), 0);
    fake_end(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_hidden_events),
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_port_numbers),
        cmocka_unit_test(test_permissions_given),
        cmocka_unit_test(test_permissions_grow),
        cmocka_unit_test(test_permissions_shown),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_watches),
        cmocka_unit_test(test_raw_part),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_view_specs),
        cmocka_unit_test(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
