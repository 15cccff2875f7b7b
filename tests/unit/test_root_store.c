/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore, operation by operation, and its fixes for the advisories on xenstored.
 */
#include "test_root_store_client.h"

static void test_values(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;

    assert_string_equal(xs_write(zero, "/a/b/c", "value"), "OK");
    assert_string_equal(xs_read(zero, "/a/b/c"), "value");
    assert_string_equal(xs_read(zero, "/a/b"), "");
    assert_int_equal(zero->type, XS_READ);
    assert_int_equal(zero->size, 0);
    assert_string_equal(xs_write(zero, "/a/b/c", ""), "OK");
    assert_string_equal(xs_read(zero, "/a/b/c"), "");
    assert_string_equal(client_ask(zero, XS_WRITE, "/a/bin", "x\0y", 3), "OK");
    xs_read(zero, "/a/bin");
    assert_int_equal(zero->size, 3);
    assert_memory_equal(zero->reply, "x\0y", 3);
    assert_string_equal(xs_read(zero, "/a/none"), "ENOENT");
    assert_int_equal(zero->type, XS_ERROR);
    assert_string_equal(xs_directory(zero, "/a"), "b bin ");
    assert_string_equal(xs_directory(zero, "/a/b/c"), "");
    assert_string_equal(xs_directory(zero, "/"), "tool local a ");
}

static void test_mkdir_and_rm(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;

    assert_string_equal(xs_write(zero, "/m", "kept"), "OK");
    assert_string_equal(xs_mkdir(zero, "/m"), "OK");
    assert_string_equal(xs_read(zero, "/m"), "kept");
    assert_string_equal(xs_mkdir(zero, "/m/1/2/3"), "OK");
    assert_string_equal(xs_rm(zero, "/m/none"), "OK");
    assert_string_equal(xs_rm(zero, "/m/none/none"), "ENOENT");
    assert_string_equal(xs_rm(zero, "/m/1"), "OK");
    assert_string_equal(xs_read(zero, "/m/1/2/3"), "ENOENT");
    assert_string_equal(xs_directory(zero, "/m"), "");
    assert_string_equal(xs_rm(zero, "/"), "EINVAL");
}

static void test_relative_paths(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(xs_write(&fixture->one, "x/y", "1"), "OK");
    assert_string_equal(xs_read(&fixture->zero, "/local/domain/1/x/y"), "1");
    assert_string_equal(xs_write(&fixture->zero, "x", "0"), "OK");
    assert_string_equal(xs_read(&fixture->zero, "/local/domain/0/x"), "0");
    assert_string_equal(xs_read(&fixture->two, "/local/domain/1/x/y"), "EACCES");
}

/* Fills in a path of components of one letter, with this many bytes. */
static const char *long_path(const char *start, size_t size)
{
    static char path[8192];
    size_t at = strlen(start);

    memcpy(path, start, at);
    while (at < size) {
        path[at++] = 'p';
    }
    path[at] = '\0';
    return path;
}

static void test_path_rules(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    static const char *const bad[] = {
        "",      "//",       "/a//b",          "/a/",   "a/", "/a b", "/a.b", "/a\n", "/a%",
        "/\xc3", "@special", "@releaseDomain", "/a/./b"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_string_equal(xs_write(zero, bad[i], "v"), "EINVAL");
        assert_string_equal(xs_read(zero, bad[i]), "EINVAL");
    }
    assert_string_equal(xs_write(zero, "/aZ09-_@x", "v"), "OK");
    assert_string_equal(xs_write(zero, long_path("/", 3072), "v"), "OK");
    assert_string_equal(xs_write(zero, long_path("/", 3073), "v"), "EINVAL");
    assert_string_equal(xs_write(zero, long_path("", 2048), "v"), "OK");
    assert_string_equal(xs_write(zero, long_path("", 2049), "v"), "EINVAL");
    assert_string_equal(xs_write(&fixture->one, long_path("", 2000), "v"), "OK");
    assert_string_equal(xs_write(&fixture->one, long_path("/local/domain/1/", 2064), "v"),
                        "ENOSPC"); /* the parent would be larger than a node may be */
    assert_string_equal(xs_write(&fixture->one, long_path("/local/domain/1/", 2065), "v"),
                        "EINVAL");
    assert_string_equal(xs_read(&fixture->one, long_path("/", 2049)), "EINVAL");
}

static void test_malformed(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct xsd_sockmsg header = {XS_READ, 7, 0, 9};
    uint8_t bytes[16] = {0};
    static const uint32_t one_string[] = {XS_READ,
                                          XS_DIRECTORY,
                                          XS_MKDIR,
                                          XS_RM,
                                          XS_GET_PERMS,
                                          XS_GET_DOMAIN_PATH,
                                          XS_IS_DOMAIN_INTRODUCED,
                                          XS_RELEASE,
                                          XS_RESUME,
                                          XS_TRANSACTION_END};

    for (size_t i = 0; i < sizeof(one_string) / sizeof(one_string[0]); i++) {
        client_send(zero, one_string[i], "/tool", 5);
        assert_string_equal(zero->reply, "EINVAL");
        client_send(zero, one_string[i], "/tool\0x", 7);
        assert_string_equal(zero->reply, "EINVAL");
        client_send(zero, one_string[i], "", 0);
        assert_string_equal(zero->reply, "EINVAL");
    }
    client_send(zero, XS_WRITE, "/tool", 5);
    assert_string_equal(zero->reply, "EINVAL");
    client_send(zero, XS_WATCH, "/tool", 6);
    assert_string_equal(zero->reply, "EINVAL");
    client_send(zero, XS_WATCH, "/tool\0a\0b\0", 10);
    assert_string_equal(zero->reply, "EINVAL");
    client_send(zero, XS_CONTROL, "x", 1);
    assert_string_equal(zero->reply, "EINVAL");
    memcpy(bytes, &header, sizeof(header));
    assert_int_equal(blanket_root_store_submit(zero->connection, bytes, 15), -BLANKET_EINVAL);
    assert_int_equal(blanket_root_store_submit(zero->connection, bytes, 16), 0);
    assert_true(client_take(zero));
    assert_string_equal(zero->reply, "EINVAL");
    header.len = 4097;
    memcpy(bytes, &header, sizeof(header));
    assert_int_equal(blanket_root_store_submit(zero->connection, bytes, 16), 0);
    assert_true(client_take(zero));
    assert_string_equal(zero->reply, "E2BIG");
}

static void test_unknown_types_are_answered(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;
    static const uint32_t unknown[] = {
        XS_WATCH_EVENT, XS_ERROR,   XS_SET_TARGET + 1, XS_TYPE_COUNT, 23, 24, 25,
        0xffff,         0xffffffffu};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        client_send(zero, unknown[i], "/", 2);
        assert_int_equal(zero->type, XS_ERROR);
        assert_string_equal(zero->reply, "ENOSYS");
    }
}

static void test_permissions(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct client *two = &fixture->two;

    assert_string_equal(xs_write(one, "secret", "s"), "OK");
    assert_string_equal(xs_get_permissions(one, "secret"), "n1");
    assert_string_equal(xs_read(two, "/local/domain/1/secret"), "EACCES");
    assert_string_equal(xs_read(two, "/local/domain/1/none"), "EACCES");
    assert_string_equal(xs_set_permissions(one, "secret", "n1,r2"), "OK");
    assert_string_equal(xs_get_permissions(one, "secret"), "n1,r2");
    assert_string_equal(xs_read(two, "/local/domain/1/secret"), "s");
    assert_string_equal(xs_write(two, "/local/domain/1/secret", "t"), "EACCES");
    assert_string_equal(xs_set_permissions(one, "secret", "n1,w2"), "OK");
    assert_string_equal(xs_write(two, "/local/domain/1/secret", "t"), "OK");
    assert_string_equal(xs_read(two, "/local/domain/1/secret"), "EACCES");
    assert_string_equal(xs_set_permissions(one, "secret", "b1"), "OK");
    assert_string_equal(xs_read(two, "/local/domain/1/secret"), "t");
    /* Children inherit; who makes one owns it. */
    assert_string_equal(xs_write(two, "/local/domain/1/secret/two", "u"), "OK");
    assert_string_equal(xs_get_permissions(&fixture->zero, "/local/domain/1/secret/two"), "b2");
    assert_string_equal(xs_set_permissions(two, "/local/domain/1/secret", "b2"), "EACCES");
    assert_string_equal(xs_set_permissions(one, "secret", "b1,r"), "EINVAL");
    assert_string_equal(xs_set_permissions(one, "secret", "x1"), "EINVAL");
    assert_string_equal(xs_set_permissions(one, "secret", "b70000"), "EINVAL");
    client_send(one, XS_SET_PERMS, "secret", 7);
    assert_string_equal(one->reply, "EINVAL");
    assert_string_equal(xs_set_permissions(one, "secret", "b1,r2,r3,r4,r5"), "OK");
    assert_string_equal(xs_set_permissions(one, "secret", "b1,r2,r3,r4,r5,r6"), "ENOSPC");
    assert_string_equal(xs_set_permissions(&fixture->zero, "/tool", "n0,r1,r2,r3,r4,r5"), "OK");
}

static void test_watches(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct client *one = &fixture->one;

    assert_string_equal(xs_watch(one, "dev", "tok"), "OK");
    assert_int_equal(client_saw(one, "dev", "tok"), 1);
    assert_string_equal(xs_watch(one, "dev", "tok"), "EEXIST");
    assert_string_equal(xs_watch(one, "dev", "other"), "OK");
    client_forget_events(one);
    assert_string_equal(xs_write(one, "dev/a/b", "1"), "OK");
    assert_int_equal(client_saw(one, "dev/a/b", "tok"), 1);
    assert_int_equal(client_saw(one, "dev/a/b", "other"), 1);
    assert_int_equal(one->event_count, 2);
    assert_string_equal(xs_unwatch(one, "dev", "other"), "OK");
    assert_string_equal(xs_unwatch(one, "dev", "other"), "ENOENT");
    client_forget_events(one);
    assert_string_equal(xs_mkdir(one, "dev/a/b"), "OK");
    assert_int_equal(one->event_count, 0);
    assert_string_equal(xs_write(one, "device", "not below dev"), "OK");
    assert_int_equal(one->event_count, 0);
    /* A watch on what goes with something above it hears of its own path. */
    assert_string_equal(xs_watch(one, "/local/domain/1/dev/a/b", "deep"), "OK");
    client_forget_events(one);
    assert_string_equal(xs_rm(one, "dev/a"), "OK");
    assert_int_equal(client_saw(one, "dev/a", "tok"), 1);
    assert_int_equal(client_saw(one, "/local/domain/1/dev/a/b", "deep"), 1);
    assert_int_equal(one->event_count, 2);
    /* The root sees all; RESET_WATCHES ends all. */
    assert_string_equal(xs_watch(zero, "/", "root"), "OK");
    client_forget_events(zero);
    assert_string_equal(xs_write(one, "q", "1"), "OK");
    client_drain(zero);
    assert_int_equal(client_saw(zero, "/local/domain/1/q", "root"), 1);
    client_send(zero, XS_RESET_WATCHES, "", 1);
    assert_string_equal(zero->reply, "OK");
    client_forget_events(zero);
    assert_string_equal(xs_write(one, "q", "2"), "OK");
    client_drain(zero);
    assert_int_equal(zero->event_count, 0);
}

static void test_ready_fires_once_per_emptiness(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;

    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_drain(one);
    one->ready_count = 0;
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w/a", "1"), "OK");
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w/b", "1"), "OK");
    assert_int_equal(one->ready_count, 1);
    client_drain(one);
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w/b", "1"), "OK");
    assert_int_equal(one->ready_count, 2);
}

static void test_special_watches(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct client *two = &fixture->two;

    assert_string_equal(xs_watch(zero, "@introduceDomain", "in"), "OK");
    assert_string_equal(xs_watch(zero, "@releaseDomain", "out"), "OK");
    assert_string_equal(xs_watch(zero, "/", "root"), "OK");
    assert_string_equal(xs_watch(two, "@releaseDomain", "out"), "OK");
    client_forget_events(zero);
    client_forget_events(two);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 9), 0);
    client_drain(zero);
    assert_int_equal(client_saw(zero, "@introduceDomain", "in"), 1);
    assert_int_equal(zero->event_count, 1);
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 9), 0);
    client_drain(zero);
    client_drain(two);
    assert_int_equal(client_saw(zero, "@releaseDomain", "out"), 1);
    assert_int_equal(two->event_count, 0); /* not allowed to know */
    assert_string_equal(xs_set_permissions(zero, "@releaseDomain", "n0,r2"), "OK");
    assert_string_equal(xs_get_permissions(zero, "@releaseDomain"), "n0,r2");
    assert_string_equal(xs_get_permissions(two, "@releaseDomain"), "n0,r2");
    assert_string_equal(xs_get_permissions(two, "@introduceDomain"), "EACCES");
    assert_string_equal(xs_get_permissions(zero, "@other"), "ENOENT");
    client_forget_events(two);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 9), 0);
    assert_int_equal(blanket_root_store_domain_shutdown(fixture->store, 9), 0);
    client_drain(two);
    assert_int_equal(client_saw(two, "@releaseDomain", "out"), 1);
    assert_int_equal(blanket_root_store_domain_shutdown(fixture->store, 9), 0);
    client_drain(two);
    assert_int_equal(two->event_count, 1);
    client_ask(zero, XS_RESUME, "9", NULL, 0);
    assert_string_equal(zero->reply, "OK");
    assert_int_equal(blanket_root_store_domain_shutdown(fixture->store, 9), 0);
    client_drain(two);
    assert_int_equal(two->event_count, 2);
}

static void test_domain_requests(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    static const uint32_t privileged[] = {XS_CONTROL, XS_INTRODUCE, XS_RELEASE, XS_RESUME,
                                          XS_SET_TARGET};

    assert_string_equal(client_ask(zero, XS_GET_DOMAIN_PATH, "007", NULL, 0), "/local/domain/7");
    assert_string_equal(client_ask(zero, XS_GET_DOMAIN_PATH, "70000", NULL, 0), "EINVAL");
    assert_string_equal(client_ask(zero, XS_IS_DOMAIN_INTRODUCED, "0", NULL, 0), "T");
    assert_string_equal(client_ask(zero, XS_IS_DOMAIN_INTRODUCED, "7", NULL, 0), "F");
    assert_string_equal(client_ask(zero, XS_IS_DOMAIN_INTRODUCED, "32752", NULL, 0), "T");
    assert_string_equal(client_ask(zero, XS_INTRODUCE, "7",
                                   "1\0"
                                   "2",
                                   4),
                        "OK");
    assert_string_equal(client_ask(zero, XS_INTRODUCE, "7",
                                   "1\0"
                                   "0",
                                   4),
                        "EINVAL");
    assert_string_equal(client_ask(zero, XS_INTRODUCE, "0",
                                   "1\0"
                                   "2",
                                   4),
                        "EINVAL");
    assert_string_equal(client_ask(zero, XS_IS_DOMAIN_INTRODUCED, "7", NULL, 0), "T");
    assert_string_equal(client_ask(zero, XS_RELEASE, "7", NULL, 0), "OK");
    assert_string_equal(client_ask(zero, XS_RELEASE, "7", NULL, 0), "ENOENT");
    assert_string_equal(client_ask(zero, XS_RELEASE, "0", NULL, 0), "EINVAL");
    assert_string_equal(client_ask(zero, XS_RESUME, "7", NULL, 0), "ENOENT");
    assert_string_equal(client_ask(zero, XS_CONTROL, "help", NULL, 0), "check\nhelp\n");
    assert_string_equal(client_ask(zero, XS_CONTROL, "check", NULL, 0), "OK");
    assert_string_equal(client_ask(zero, XS_CONTROL, "log", NULL, 0), "EINVAL");
    for (size_t i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
        assert_string_equal(client_ask(&fixture->one, privileged[i], "2", NULL, 0), "EACCES");
    }
    /* A target's rights are the domain's too. */
    assert_string_equal(xs_write(&fixture->two, "own", "2"), "OK");
    assert_string_equal(xs_read(&fixture->one, "/local/domain/2/own"), "EACCES");
    assert_string_equal(client_ask(zero, XS_SET_TARGET, "1", "2", 2), "OK");
    assert_string_equal(xs_read(&fixture->one, "/local/domain/2/own"), "2");
    assert_string_equal(client_ask(zero, XS_SET_TARGET, "1", "77", 3), "ENOENT");
}

static void test_directory_part(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;
    static char whole[1 << 16];
    static char expected[1 << 16];
    uint32_t size = 0;
    uint32_t expected_size = 0;
    char name[64];
    char generation[32];

    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "/d/n%d", i);
        assert_string_equal(xs_write(zero, name, ""), "OK");
        memcpy(expected + expected_size, name + 3, strlen(name) - 2);
        expected_size += (uint32_t)strlen(name) - 2;
    }
    assert_string_equal(xs_directory(zero, "/d"), "E2BIG");
    generation[0] = '\0';
    for (;;) {
        char offset[16];
        uint32_t start;

        snprintf(offset, sizeof(offset), "%u", size);
        client_ask(zero, XS_DIRECTORY_PART, "/d", offset, strlen(offset) + 1);
        assert_int_equal(zero->type, XS_DIRECTORY_PART);
        assert_true(generation[0] == '\0' || strcmp(generation, zero->reply) == 0);
        snprintf(generation, sizeof(generation), "%.20s", zero->reply);
        start = (uint32_t)strlen(zero->reply) + 1;
        memcpy(whole + size, zero->reply + start, zero->size - start);
        size += zero->size - start;
        if (zero->reply[zero->size - 1] == '\0' && zero->reply[zero->size - 2] == '\0') {
            size--;
            break;
        }
    }
    assert_int_equal(size, expected_size);
    assert_memory_equal(whole, expected, size);
    client_ask(zero, XS_DIRECTORY_PART, "/d", "1", 2); /* from inside a name */
    assert_memory_equal(zero->reply + strlen(zero->reply) + 1, expected + 1, 100);
    client_ask(zero, XS_DIRECTORY_PART, "/d", "99999", 6);
    assert_int_equal(zero->size, strlen(zero->reply) + 2);
    assert_string_equal(client_ask(zero, XS_DIRECTORY_PART, "/d", "x", 2), "EINVAL");
    assert_string_equal(client_ask(zero, XS_DIRECTORY_PART, "/d", NULL, 0), "EINVAL");
    assert_string_equal(client_ask(zero, XS_DIRECTORY_PART, "/none", "0", 2), "ENOENT");
    client_ask(zero, XS_DIRECTORY_PART, "/d/n0", "0", 2);
    assert_int_equal(zero->size, strlen(zero->reply) + 2);
}

static void test_peek_stays(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    size_t size;
    const uint8_t *bytes;
    uint8_t copy[256];

    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_forget_events(one);
    assert_null(blanket_root_store_peek(one->connection, &size));
    assert_int_equal(size, 0);
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w", "1"), "OK");
    bytes = blanket_root_store_peek(one->connection, &size);
    assert_non_null(bytes);
    memcpy(copy, bytes, size);
    /*
     * A change after the peek is one more event; the end of the watch doesn't pull this one away.
     */
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w", "2"), "OK");
    blanket_root_store_consume(one->connection);
    bytes = blanket_root_store_peek(one->connection, &size);
    assert_non_null(bytes);
    assert_memory_equal(bytes, copy, size);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 1), 0); /* drops watches */
    assert_ptr_equal(blanket_root_store_peek(one->connection, &size), bytes);
    assert_memory_equal(bytes, copy, size);
    blanket_root_store_consume(one->connection);
    assert_null(blanket_root_store_peek(one->connection, &size));
    blanket_root_store_consume(one->connection);
}

/* A listing that goes on after the list has changed: its place in it may be gone. */
static void test_directory_part_of_changed_list(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;
    char name[64];
    char offset[16];
    uint32_t size;

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "/d/n%d", i);
        assert_string_equal(xs_write(zero, name, ""), "OK");
    }
    client_ask(zero, XS_DIRECTORY_PART, "/d", "0", 2);
    size = zero->size - (uint32_t)strlen(zero->reply) - 1;
    for (int i = 500; i < 2000; i++) {
        snprintf(name, sizeof(name), "/d/n%d", i);
        assert_string_equal(xs_rm(zero, name), "OK");
    }
    snprintf(offset, sizeof(offset), "%u", size);
    client_ask(zero, XS_DIRECTORY_PART, "/d", offset, strlen(offset) + 1);
    assert_int_equal(zero->size, strlen(zero->reply) + 2);
    assert_string_equal(zero->reply + strlen(zero->reply) + 1, "");
}

/* What waits unread: the same event once; as many as the limit; then one for all. */
static void test_unread_events(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    char path[64];

    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_forget_events(one);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w/same", "x"), "OK");
    }
    client_drain(one);
    assert_int_equal(one->event_count, 1);
    client_forget_events(one);
    for (int i = 0; i < 1024; i++) {
        snprintf(path, sizeof(path), "/local/domain/1/w/%d", i);
        assert_string_equal(xs_write(&fixture->zero, path, ""), "OK");
    }
    client_drain(one);
    assert_int_equal(one->event_count, 1024);
    client_forget_events(one);
    for (int i = 0; i < 1025; i++) {
        snprintf(path, sizeof(path), "/local/domain/1/w/%d", i);
        assert_string_equal(xs_write(&fixture->zero, path, ""), "OK");
    }
    client_drain(one);
    assert_int_equal(one->event_count, 1);
    assert_int_equal(client_saw(one, "w", "t"), 1);
}

/* A watch that ends, or collapses, while one of its events is being sent. */
static void test_peeked_event_outlives(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct client *zero = &fixture->zero;
    const uint8_t *bytes;
    uint8_t copy[256];
    char path[64];
    size_t size;

    /* On its own path, with one more due: none comes once the watch is gone. */
    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_forget_events(one);
    assert_string_equal(xs_write(zero, "/local/domain/1/w", "1"), "OK");
    bytes = blanket_root_store_peek(one->connection, &size);
    assert_non_null(bytes);
    memcpy(copy, bytes, size);
    assert_string_equal(xs_write(zero, "/local/domain/1/w", "2"), "OK");
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 1), 0); /* drops watches */
    assert_memory_equal(bytes, copy, size);
    blanket_root_store_consume(one->connection);
    assert_null(blanket_root_store_peek(one->connection, &size));
    /* Below it: the event stays when the others become one, and when the watch ends. */
    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_forget_events(one);
    assert_string_equal(xs_write(zero, "/local/domain/1/w/sent", "1"), "OK");
    bytes = blanket_root_store_peek(one->connection, &size);
    assert_non_null(bytes);
    memcpy(copy, bytes, size);
    for (int i = 0; i < 1025; i++) {
        snprintf(path, sizeof(path), "/local/domain/1/w/%d", i);
        assert_string_equal(xs_write(zero, path, ""), "OK");
    }
    assert_memory_equal(bytes, copy, size);
    assert_true(blanket_root_store_check(fixture->store));
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 1), 0);
    assert_memory_equal(bytes, copy, size);
    client_drain(one);
    assert_int_equal(one->event_count, 1);
    assert_int_equal(client_saw(one, "w/sent", "t"), 1);
}

static void test_receive_overflow(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;
    struct xsd_sockmsg header = {XS_READ, 1, 0, 6};
    uint8_t bytes[64];
    size_t used = 5;

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), "/tool", 6);
    assert_int_equal(blanket_root_store_submit(zero->connection, bytes, sizeof(header) + 6), 0);
    assert_int_equal(blanket_root_store_receive(zero->connection, bytes, 8, &used),
                     -BLANKET_EOVERFLOW);
    assert_int_equal(used, 5);
    assert_int_equal(blanket_root_store_receive(zero->connection, bytes, sizeof(bytes), &used), 0);
    assert_int_equal(used, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_mkdir_and_rm, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_relative_paths, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_path_rules, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_malformed, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_unknown_types_are_answered, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_permissions, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_watches, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_ready_fires_once_per_emptiness, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_special_watches, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_domain_requests, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_directory_part, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_peek_stays, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_directory_part_of_changed_list, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_unread_events, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_peeked_event_outlives, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_receive_overflow, fixture_open, fixture_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
