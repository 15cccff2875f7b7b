/* SPDX-License-Identifier: MIT */
/*
 * The Xen security advisories on xenstored that apply to any xenstore, each as the attack that it
 * was.
 */
#include "test_root_store_client.h"

/* Watch events told of nodes that the watcher may not read; a guest asked who exists. */
static void test_xsa_115_events_need_read_permission(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct client *two = &fixture->two;

    assert_string_equal(xs_watch(two, "/", "root"), "OK");
    assert_string_equal(xs_watch(two, "/local/domain/1/secret", "exact"), "OK");
    client_forget_events(two);
    assert_string_equal(xs_write(one, "secret", "1"), "OK");
    assert_string_equal(xs_set_permissions(one, "secret", "n1"), "OK");
    assert_string_equal(xs_rm(one, "secret"), "OK");
    xs_begin(one);
    assert_string_equal(xs_write(one, "secret", "1"), "OK");
    assert_string_equal(xs_end(one, "T"), "OK");
    client_drain(two);
    assert_int_equal(two->event_count, 0);
    assert_string_equal(xs_set_permissions(one, "secret", "n1,r2"), "OK");
    client_drain(two);
    assert_int_equal(client_saw(two, "/local/domain/1/secret", "root"), 1);
    client_forget_events(two);
    assert_string_equal(xs_set_permissions(one, "secret", "n1"), "OK"); /* losing it is told, too */
    client_drain(two);
    assert_int_equal(client_saw(two, "/local/domain/1/secret", "exact"), 1);
    assert_string_equal(client_ask(two, XS_IS_DOMAIN_INTRODUCED, "1", NULL, 0), "EACCES");
}

/* One client kept others from getting anything done. What one may hold doesn't depend on others. */
static void test_xsa_206_transactions_of_others(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct client *two = &fixture->two;

    assert_string_equal(xs_write(one, "x", "1"), "OK");
    for (int i = 0; i < 10; i++) {
        xs_begin(one);
        assert_string_equal(xs_write(one, "x", "2"), "OK");
    }
    for (int i = 0; i < 200; i++) {
        xs_begin(two);
        assert_string_equal(xs_write(two, "y", "2"), "OK");
        assert_string_equal(xs_end(two, "T"), "OK");
    }
}

/* A new domain of a number used before had the old one's rights. */
static void test_xsa_322_rights_die_with_the_domain(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct client again;
    struct blanket_root_store_usage usage;

    assert_string_equal(xs_write(zero, "/shared", "s"), "OK");
    assert_string_equal(xs_set_permissions(zero, "/shared", "n0,b2"), "OK");
    assert_string_equal(xs_set_permissions(zero, "@releaseDomain", "n2,r2"), "OK");
    assert_string_equal(xs_write(&fixture->two, "mine", "m"), "OK");
    assert_string_equal(xs_read(&fixture->two, "/shared"), "s");
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 2), 0);
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 2, &usage), -BLANKET_ENOENT);
    assert_string_equal(xs_read(zero, "/local/domain/2"), "ENOENT");
    client_open(&again, fixture->store, 2);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 2), 0);
    assert_string_equal(xs_read(&again, "/shared"), "EACCES");
    assert_string_equal(xs_write(&again, "/shared", "t"), "EACCES");
    assert_string_equal(xs_get_permissions(&again, "@releaseDomain"), "EACCES");
    assert_string_equal(xs_get_permissions(zero, "@releaseDomain"), "n0,r2");
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 2, &usage), 0);
    assert_int_equal(usage.node_count, 0);
    blanket_root_store_disconnect(again.connection);
}

/* Nor does who had its rights through it keep them. */
static void test_xsa_322_targets_die_with_the_domain(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(xs_write(&fixture->zero, "/shared", "s"), "OK");
    assert_string_equal(xs_set_permissions(&fixture->zero, "/shared", "n0,r2"), "OK");
    assert_string_equal(client_ask(&fixture->zero, XS_SET_TARGET, "1", "2", 2), "OK");
    assert_string_equal(xs_read(&fixture->one, "/shared"), "s");
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 2), 0);
    assert_string_equal(xs_read(&fixture->one, "/shared"), "EACCES");
}

/* The size of a path was checked before the prefix of a relative one was in front of it. */
static void test_xsa_323_path_size_with_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct blanket_root_store_limits limits;
    struct blanket_root_store *store;
    struct client one;
    char path[3073];

    (void)fixture;
    blanket_root_store_limits_default(&limits);
    limits.memory_size = 1 << 20;
    limits.path_relative_size = 3072;
    assert_int_equal(blanket_root_store_create(&limits, &store), 0);
    client_open(&one, store, 1);
    memset(path, 'p', sizeof(path));
    path[3072] = '\0';
    assert_string_equal(xs_read(&one, path), "EINVAL");
    path[3072 - 16] = '\0'; /* "/local/domain/1/" has 16 bytes */
    assert_string_equal(xs_read(&one, path), "EACCES");
    path[3072 - 16] = 'p';
    path[3072 - 15] = '\0';
    assert_string_equal(xs_read(&one, path), "EINVAL");
    blanket_root_store_disconnect(one.connection);
    blanket_root_store_destroy(store);
}

/* An event larger than a message may be was a crash; here it is one on the watch's own path. */
static void test_xsa_324_event_too_long(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    static char token[3000];
    static char path[2100] = "/long";

    memset(token, 't', sizeof(token) - 1);
    memset(path + 5, 'p', 2000);
    memcpy(path + 5, "/", 1);
    assert_string_equal(xs_watch(zero, "/long", token), "OK");
    client_forget_events(zero);
    assert_string_equal(xs_write(zero, path, "v"), "OK");
    client_drain(zero);
    assert_int_equal(zero->event_count, 1);
    assert_int_equal(client_saw(zero, "/long", token), 1);
}

/* A client that doesn't read its replies, or its events, made xenstored hold ever more. */
static void test_xsa_326_reader_that_does_not_read(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_totals before;
    struct blanket_root_store_totals after;
    struct xsd_sockmsg header = {XS_READ, 1, 0, 2};
    uint8_t bytes[sizeof(header) + 2];
    char path[64];
    int replies = 0;

    assert_string_equal(xs_watch(one, "w", "t"), "OK");
    client_forget_events(one);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), "x", 2);
    while (blanket_root_store_submit(one->connection, bytes, sizeof(bytes)) == 0) {
        replies++;
    }
    assert_int_equal(replies, 20);
    assert_int_equal(blanket_root_store_submit(one->connection, bytes, sizeof(bytes)),
                     -BLANKET_EAGAIN);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "/local/domain/1/w/%d", i);
        assert_string_equal(xs_write(&fixture->zero, path, ""), "OK");
        assert_string_equal(xs_rm(&fixture->zero, path), "OK");
        if (i == 1500) {
            blanket_root_store_totals_read(fixture->store, &before);
        }
    }
    blanket_root_store_totals_read(fixture->store, &after);
    assert_int_equal(before.memory_used, after.memory_used);
    client_drain(one);
    assert_int_equal(one->event_count, 1); /* all became one, on the watch's own path */
    assert_int_equal(client_saw(one, "w", "t"), 1);
    assert_string_equal(xs_write(&fixture->zero, "/local/domain/1/w/new", ""), "OK");
    client_drain(one);
    assert_int_equal(client_saw(one, "w/new", "t"), 1);
}

/* Resetting watches left the names of their paths behind. */
static void test_xsa_330_reset_frees_all(void **state)
{
    struct fixture *fixture = *state;
    struct blanket_root_store_totals before;
    struct blanket_root_store_totals after;
    char path[64];

    client_drain(&fixture->one);
    blanket_root_store_totals_read(fixture->store, &before);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(path, sizeof(path), "deep/%d/%d", round, i);
            assert_string_equal(xs_watch(&fixture->one, path, "t"), "OK");
        }
        client_send(&fixture->one, XS_RESET_WATCHES, "", 1);
    }
    blanket_root_store_totals_read(fixture->store, &after);
    assert_int_equal(before.memory_used, after.memory_used);
}

/* A guest gave its nodes to others, out of its own quota and into theirs. */
static void test_xsa_352_no_giving_away(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;

    assert_string_equal(xs_write(one, "x", ""), "OK");
    assert_string_equal(xs_set_permissions(one, "x", "n2"), "EPERM");
    assert_string_equal(xs_set_permissions(one, "x", "n0"), "EPERM");
    assert_string_equal(xs_set_permissions(one, "x", "n9"), "ENOENT"); /* there is no domain 9 */
    assert_string_equal(xs_get_permissions(one, "x"), "n1");
    xs_begin(one);
    assert_string_equal(xs_set_permissions(one, "x", "n2"), "EPERM");
    assert_string_equal(xs_end(one, "T"), "OK");
}

/* The permissions of the root were not checked for all operations. */
static void test_xsa_353_root_is_a_node(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;

    assert_string_equal(xs_read(one, "/"), "EACCES");
    assert_string_equal(xs_directory(one, "/"), "EACCES");
    assert_string_equal(xs_write(one, "/", "x"), "EACCES");
    assert_string_equal(xs_get_permissions(one, "/"), "EACCES");
    assert_string_equal(xs_set_permissions(one, "/", "b1"), "EACCES");
    assert_string_equal(xs_rm(one, "/"), "EACCES");
    assert_string_equal(xs_mkdir(one, "/new"), "EACCES");
    assert_string_equal(xs_rm(&fixture->zero, "/"), "EINVAL");
    assert_string_equal(xs_set_permissions(&fixture->zero, "/", "r0"), "OK");
    assert_string_equal(xs_directory(one, "/"), "tool local ");
    assert_string_equal(xs_write(one, "/", "x"), "EACCES");
}

/*
 * Undoing a creation that failed half way freed what wasn't to be freed (414, 421), uncounted
 * (415).
 */
static void test_xsa_414_415_421_failed_creation_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_usage before;
    struct blanket_root_store_usage after;
    static char value[2048];
    static char path[2001];

    memset(value, 'v', sizeof(value) - 1);
    for (size_t i = 0; i < sizeof(path) - 1; i++) {
        path[i] = i % 2 == 0 ? 'p' : '/';
    }
    path[sizeof(path) - 2] = 'p'; /* 1000 components: one node more than there may be */
    client_drain(one);
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &before), 0);
    for (int i = 0; i < 10; i++) {
        assert_string_equal(xs_write(one, "a/b/c/d", value), "ENOSPC");
        assert_string_equal(xs_write(one, path, ""), "ENOSPC");
        xs_begin(one);
        assert_string_equal(xs_write(one, "ok", ""), "OK");
        assert_string_equal(xs_write(one, "a/b/c/d", value), "ENOSPC");
        assert_string_equal(xs_end(one, "T"), "ENOMEM");
        xs_begin(one);
        assert_string_equal(xs_write(one, path, ""), "ENOSPC");
        assert_string_equal(xs_end(one, "T"), "ENOMEM");
    }
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &after), 0);
    assert_int_equal(before.memory_size, after.memory_size);
    assert_int_equal(before.node_count, after.node_count);
    assert_string_equal(xs_read(one, "a"), "ENOENT");
    assert_string_equal(xs_directory(&fixture->zero, "/local/domain/1"), "");
}

/* A large reply that isn't read is charged, and what it's charged comes back. */
static void test_xsa_416_unread_replies_are_charged(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_usage before;
    struct blanket_root_store_usage held;
    struct blanket_root_store_usage after;
    static char value[1900];
    struct xsd_sockmsg header = {XS_READ, 1, 0, 4};
    uint8_t bytes[sizeof(header) + 4];

    memset(value, 'v', sizeof(value) - 1);
    assert_string_equal(xs_write(one, "big", value), "OK");
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), "big", 4);
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &before), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(blanket_root_store_submit(one->connection, bytes, sizeof(bytes)), 0);
    }
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &held), 0);
    assert_true(held.memory_size >= before.memory_size + 20 * (sizeof(value) - 1));
    client_drain(one);
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &after), 0);
    assert_int_equal(before.memory_size, after.memory_size);
}

/* A domain named before it existed had the rights when it came. */
static void test_xsa_417_rights_for_a_domain_to_come(void **state)
{
    struct fixture *fixture = *state;
    struct client nine;

    assert_string_equal(xs_write(&fixture->one, "x", "1"), "OK");
    assert_string_equal(xs_set_permissions(&fixture->one, "x", "n1,b9"), "OK");
    assert_string_equal(xs_get_permissions(&fixture->one, "x"), "n1,b9");
    client_open(&nine, fixture->store, 9);
    assert_string_equal(xs_read(&nine, "/local/domain/1/x"), "EACCES");
    assert_string_equal(xs_set_permissions(&fixture->one, "x", "n1,b9"), "OK");
    assert_string_equal(xs_read(&nine, "/local/domain/1/x"), "1");
    blanket_root_store_disconnect(nine.connection);
    /* Domain 0's word that there is a domain is taken. */
    assert_string_equal(xs_set_permissions(&fixture->zero, "/tool", "n0,r10"), "OK");
    client_open(&nine, fixture->store, 10);
    assert_string_equal(xs_read(&nine, "/tool"), "");
    assert_int_equal(nine.type, XS_READ);
    blanket_root_store_disconnect(nine.connection);
}

/* Removing a tree went as deep into the stack as the tree. */
static void test_xsa_418_deepest_tree(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    static char path[3073];

    for (size_t i = 0; i < sizeof(path) - 1; i++) {
        path[i] = i % 2 == 0 ? '/' : 'p';
    }
    assert_string_equal(xs_write(zero, path, "deep"), "OK");
    assert_string_equal(xs_read(zero, path), "deep");
    assert_string_equal(xs_watch(zero, path, "t"), "OK");
    client_forget_events(zero);
    xs_begin(zero);
    assert_string_equal(xs_rm(zero, "/p"), "OK");
    assert_string_equal(xs_end(zero, "F"), "OK");
    assert_string_equal(xs_rm(zero, "/p"), "OK");
    client_drain(zero);
    assert_int_equal(client_saw(zero, path, "t"), 1);
    assert_string_equal(xs_read(zero, path), "ENOENT");
}

/*
 * A dead guest's nodes went to domain 0, which has no quota: so they stayed, for ever more of
 * them.
 */
static void test_xsa_419_orphans_are_removed(void **state)
{
    struct fixture *fixture = *state;
    struct blanket_root_store_totals before;
    struct blanket_root_store_totals after;
    char path[64];

    assert_string_equal(xs_mkdir(&fixture->one, "open"), "OK");
    assert_string_equal(xs_set_permissions(&fixture->one, "open", "b1"), "OK");
    blanket_root_store_totals_read(fixture->store, &before);
    for (int round = 0; round < 20; round++) {
        struct client client;

        client_open(&client, fixture->store, 5);
        assert_int_equal(blanket_root_store_domain_add(fixture->store, 5), 0);
        for (int i = 0; i < 50; i++) {
            snprintf(path, sizeof(path), "/local/domain/1/open/%d", i);
            assert_string_equal(xs_write(&client, path, "orphan"), "OK");
        }
        blanket_root_store_disconnect(client.connection);
        assert_int_equal(blanket_root_store_domain_remove(fixture->store, 5), 0);
        assert_true(blanket_root_store_check(fixture->store));
    }
    blanket_root_store_totals_read(fixture->store, &after);
    assert_int_equal(before.node_count, after.node_count);
    assert_int_equal(before.memory_used, after.memory_used);
}

/* A length that is negative for some, or larger than what came, was taken in again and again. */
static void test_xsa_420_lengths(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t lengths[] = {0xffffffffu, 0x80000000u, 0x7fffffffu, 4097, 1, 17};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct xsd_sockmsg header = {XS_READ, 1, 0, lengths[i]};

        fixture->one.type = XS_INVALID;
        assert_int_equal(
            blanket_root_store_submit(fixture->one.connection, &header, sizeof(header)), 0);
        client_drain(&fixture->one);
        assert_int_equal(fixture->one.type, XS_ERROR);
        assert_string_equal(fixture->one.reply, lengths[i] > 4096 ? "E2BIG" : "EINVAL");
    }
}

/* Every error has a name, so that none is looked up in vain (481). */
static void test_xsa_481_errors_have_names(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t type = 0; type < 64; type++) {
        for (uint32_t size = 0; size < 8; size++) {
            client_send(&fixture->one, type, "\0\0\0\0\0\0\0", size);
            assert_true(fixture->one.size > 0 || fixture->one.type != XS_ERROR);
            assert_true(fixture->one.type != XS_ERROR || fixture->one.reply[0] == 'E');
        }
    }
}

/* What a domain had been counted for stayed, when it was gone. */
static void test_xsa_483_counts_end_with_the_domain(void **state)
{
    struct fixture *fixture = *state;
    struct blanket_root_store_usage usage;
    struct client again;

    for (int i = 0; i < 10; i++) {
        xs_begin(&fixture->two);
    }
    fixture->two.tx = 0;
    assert_string_equal(xs_watch(&fixture->two, "w", "t"), "OK");
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 2), 0);
    client_open(&again, fixture->store, 2);
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 2, &usage), 0);
    assert_int_equal(usage.memory_size, 0);
    assert_int_equal(usage.transaction_count, 0);
    assert_int_equal(usage.watch_count, 0);
    blanket_root_store_disconnect(again.connection);
}

/* Ending all transactions from within one, and again. */
static void test_xsa_484_reset_within_a_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;

    for (int i = 0; i < 3; i++) {
        xs_begin(one);
        assert_string_equal(xs_write(one, "x", "1"), "OK");
        client_send(one, XS_RESET_WATCHES, "", 1);
        assert_string_equal(one->reply, "OK");
        assert_string_equal(xs_end(one, "T"), "ENOENT");
    }
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 1), 0);
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 1), -BLANKET_ENOENT);
    assert_int_equal(blanket_root_store_submit(one->connection, "0123456789abcdef", 16),
                     -BLANKET_ENOTCONN);
}

/* Quotas, each with xenstored's error, and each only for who isn't domain 0. */
static void test_quotas(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct client *zero = &fixture->zero;
    static char value[2100];
    char path[32];

    memset(value, 'v', sizeof(value) - 1);
    value[2048 - 16 - 8] = '\0';
    assert_string_equal(xs_write(one, "fits", value), "OK");
    value[2048 - 16 - 8] = 'v';
    value[2048 - 16 - 8 + 1] = '\0';
    assert_string_equal(xs_write(one, "not", value), "ENOSPC");
    assert_string_equal(xs_write(one, "fits", value), "ENOSPC");
    assert_string_equal(xs_write(zero, "/fits", value), "OK");
    for (int i = 0; i < 128; i++) {
        snprintf(path, sizeof(path), "%d", i);
        assert_string_equal(xs_watch(one, "w", path), "OK");
        assert_string_equal(xs_watch(zero, "/w", path), "OK");
    }
    assert_string_equal(xs_watch(one, "w", "more"), "E2BIG");
    assert_string_equal(xs_watch(zero, "/w", "more"), "OK");
    for (int i = 0; i < 998; i++) {
        snprintf(path, sizeof(path), "d%d/n%d", i % 31, i);
        if (strcmp(xs_write(one, path, ""), "OK") != 0) {
            break;
        }
    }
    assert_string_equal(one->reply, "ENOSPC");
    assert_string_equal(xs_rm(one, "d1/n1"), "OK");
    assert_string_equal(xs_write(one, "d1/n1", ""), "OK");
    assert_string_equal(xs_write(one, "d1/n2", ""), "ENOSPC");
    assert_string_equal(xs_write(zero, "/local/domain/1/d1/zero", ""), "OK");
}

/* The memory quota, of many values that are each within the size of a node. */
static void test_memory_quota(void **state)
{
    struct blanket_root_store_limits limits;
    struct blanket_root_store *store;
    struct client zero;
    struct client one;
    struct blanket_root_store_usage usage;
    static char value[1001];
    char path[32];
    int i;

    (void)state;
    blanket_root_store_limits_default(&limits);
    limits.memory_size = 1 << 20;
    limits.domain_memory_size = 100 * 1000;
    assert_int_equal(blanket_root_store_create(&limits, &store), 0);
    client_open(&zero, store, 0);
    client_open(&one, store, 1);
    assert_string_equal(xs_mkdir(&zero, "/local/domain/1"), "OK");
    assert_string_equal(xs_set_permissions(&zero, "/local/domain/1", "n1"), "OK");
    memset(value, 'v', sizeof(value) - 1);
    for (i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "%d", i);
        if (strcmp(xs_write(&one, path, value), "OK") != 0) {
            break;
        }
    }
    assert_string_equal(one.reply, "ENOMEM");
    assert_in_range(i, 70, 100);
    assert_int_equal(blanket_root_store_domain_usage(store, 1, &usage), 0);
    assert_true(usage.memory_size <= limits.domain_memory_size);
    assert_string_equal(xs_write(&zero, "/zero", value), "OK");
    assert_string_equal(xs_rm(&one, "0"), "OK");
    assert_string_equal(xs_rm(&one, "1"), "OK");
    assert_string_equal(xs_write(&one, "1", value), "OK");
    assert_true(blanket_root_store_check(store));
    blanket_root_store_disconnect(one.connection);
    blanket_root_store_disconnect(zero.connection);
    blanket_root_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
        TEST(test_xsa_115_events_need_read_permission),
        TEST(test_xsa_206_transactions_of_others),
        TEST(test_xsa_322_rights_die_with_the_domain),
        TEST(test_xsa_322_targets_die_with_the_domain),
        TEST(test_xsa_323_path_size_with_prefix),
        TEST(test_xsa_324_event_too_long),
        TEST(test_xsa_326_reader_that_does_not_read),
        TEST(test_xsa_330_reset_frees_all),
        TEST(test_xsa_352_no_giving_away),
        TEST(test_xsa_353_root_is_a_node),
        TEST(test_xsa_414_415_421_failed_creation_leaves_nothing),
        TEST(test_xsa_416_unread_replies_are_charged),
        TEST(test_xsa_417_rights_for_a_domain_to_come),
        TEST(test_xsa_418_deepest_tree),
        TEST(test_xsa_419_orphans_are_removed),
        TEST(test_xsa_420_lengths),
        TEST(test_xsa_481_errors_have_names),
        TEST(test_xsa_483_counts_end_with_the_domain),
        TEST(test_xsa_484_reset_within_a_transaction),
        TEST(test_quotas),
        TEST(test_memory_quota),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
