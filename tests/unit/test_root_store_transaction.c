/* SPDX-License-Identifier: MIT */
/*
 * Transactions of the provider's xenstore: private views, conflicts by node, all or nothing.
 */
#include "test_root_store_client.h"

static void test_private_until_committed(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct client *one = &fixture->one;

    assert_string_equal(xs_set_permissions(zero, "/tool", "r0"), "OK");
    assert_string_equal(xs_watch(one, "/tool", "w"), "OK");
    client_forget_events(one);
    xs_begin(zero);
    assert_int_not_equal(zero->tx, 0);
    assert_string_equal(xs_write(zero, "/tool/a/b", "1"), "OK");
    assert_string_equal(xs_write(zero, "/tool/c", "2"), "OK");
    assert_string_equal(xs_rm(zero, "/tool/c"), "OK");
    assert_string_equal(xs_rm(zero, "/tool/xenstored"), "OK");
    assert_string_equal(xs_read(zero, "/tool/a/b"), "1");
    assert_string_equal(xs_directory(zero, "/tool"), "a ");
    assert_string_equal(xs_directory(one, "/tool"), "xenstored ");
    assert_string_equal(xs_read(one, "/tool/a/b"), "ENOENT");
    client_drain(one);
    assert_int_equal(one->event_count, 0);
    assert_string_equal(xs_end(zero, "T"), "OK");
    assert_string_equal(xs_directory(one, "/tool"), "a ");
    assert_string_equal(xs_read(one, "/tool/a/b"), "1");
    client_drain(one);
    assert_int_equal(client_saw(one, "/tool/a/b", "w"), 1);
    assert_int_equal(client_saw(one, "/tool/xenstored", "w"), 1);
    assert_int_equal(one->event_count, 2); /* nothing of what was made and removed */
}

static void test_aborted_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;
    struct tape before = tape_of(fixture->store);
    struct tape after;

    xs_begin(zero);
    assert_string_equal(xs_write(zero, "/x/y/z", "1"), "OK");
    assert_string_equal(xs_rm(zero, "/tool"), "OK");
    assert_string_equal(xs_set_permissions(zero, "/local", "n1"), "OK");
    assert_string_equal(xs_end(zero, "F"), "OK");
    assert_string_equal(xs_read(zero, "/x"), "ENOENT");
    after = tape_of(fixture->store);
    /* All but the generation that was counted on, and the checksum over it. */
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.bytes + 24, after.bytes + 24, before.size - 24 - 8);
    free(before.bytes);
    free(after.bytes);
}

/* What one client does in a transaction and another outside it; and whether that conflicts. */
static void conflict(struct fixture *fixture, uint32_t inside, const char *inside_path,
                     uint32_t outside, const char *outside_path, const char *verdict)
{
    struct client *zero = &fixture->zero;
    struct client other;

    xs_rm(zero, "/c");
    assert_string_equal(xs_write(zero, "/c/a/x", "0"), "OK");
    assert_string_equal(xs_write(zero, "/c/b/x", "0"), "OK");
    client_open(&other, fixture->store, 0);
    xs_begin(zero);
    client_ask(zero, inside, inside_path, "n0", inside == XS_SET_PERMS ? 3u : 0u);
    client_ask(&other, outside, outside_path, "r0", outside == XS_SET_PERMS ? 3u : 0u);
    assert_int_equal(other.type, outside);
    assert_string_equal(xs_end(zero, "T"), verdict);
    blanket_root_store_disconnect(other.connection);
}

static void test_conflicts_are_by_node(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t inside[] = {XS_READ, XS_WRITE, XS_DIRECTORY, XS_GET_PERMS, XS_SET_PERMS};

    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        conflict(fixture, inside[i], "/c/a", XS_WRITE, "/c/a", "EAGAIN");
        conflict(fixture, inside[i], "/c/a", XS_SET_PERMS, "/c/a", "EAGAIN");
        conflict(fixture, inside[i], "/c/a", XS_RM, "/c/a", "EAGAIN");
        conflict(fixture, inside[i], "/c/a", XS_MKDIR, "/c/a/new", "EAGAIN");
        conflict(fixture, inside[i], "/c/a", XS_RM, "/c/a/x", "EAGAIN");
        conflict(fixture, inside[i], "/c/a", XS_WRITE, "/c/b", "OK");
        conflict(fixture, inside[i], "/c/a", XS_WRITE, "/c/a/x", "OK");
        conflict(fixture, inside[i], "/c/a", XS_RM, "/c/b", "OK");
        conflict(fixture, inside[i], "/c/a", XS_WRITE, "/c", "OK");
        conflict(fixture, inside[i], "/c/a", XS_MKDIR, "/c/new", "OK");
    }
    conflict(fixture, XS_READ, "/c/none", XS_WRITE, "/c/none", "EAGAIN");
    conflict(fixture, XS_RM, "/c/a", XS_WRITE, "/c/a/x", "EAGAIN");
    conflict(fixture, XS_RM, "/c/a", XS_MKDIR, "/c/new", "EAGAIN");
    conflict(fixture, XS_RM, "/c/a", XS_WRITE, "/c/b/x", "OK");
    conflict(fixture, XS_WRITE, "/c/a/y", XS_WRITE, "/c/a/z", "EAGAIN"); /* both change the list */
    conflict(fixture, XS_WRITE, "/c/a/y", XS_WRITE, "/c/b/z", "OK");
    conflict(fixture, XS_MKDIR, "/c/a/y/z", XS_WRITE, "/c/a/y", "EAGAIN");
}

static void test_value_stays_as_first_read(void **state)
{
    struct fixture *fixture = *state;
    struct client other;

    client_open(&other, fixture->store, 0);
    assert_string_equal(xs_write(&other, "/v", "old"), "OK");
    xs_begin(&fixture->zero);
    assert_string_equal(xs_read(&fixture->zero, "/v"), "old");
    assert_string_equal(xs_write(&other, "/v", "new"), "OK");
    assert_string_equal(xs_read(&fixture->zero, "/v"), "old");
    assert_string_equal(xs_rm(&other, "/v"), "OK");
    assert_string_equal(xs_read(&fixture->zero, "/v"), "old");
    assert_string_equal(xs_end(&fixture->zero, "T"), "EAGAIN");
    blanket_root_store_disconnect(other.connection);
}

static void test_removed_and_made_again(void **state)
{
    struct client *zero = &((struct fixture *)*state)->zero;

    assert_string_equal(xs_write(zero, "/r/a/deep/er", "1"), "OK");
    assert_string_equal(xs_write(zero, "/r/b", "1"), "OK");
    xs_begin(zero);
    assert_string_equal(xs_rm(zero, "/r/a"), "OK");
    assert_string_equal(xs_write(zero, "/r/a/new", "2"), "OK");
    assert_string_equal(xs_directory(zero, "/r"), "b a ");
    assert_string_equal(xs_directory(zero, "/r/a"), "new ");
    assert_string_equal(xs_read(zero, "/r/a/deep"), "ENOENT");
    assert_string_equal(xs_end(zero, "T"), "OK");
    assert_string_equal(xs_directory(zero, "/r"), "b a ");
    assert_string_equal(xs_directory(zero, "/r/a"), "new ");
    assert_string_equal(xs_read(zero, "/r/a/new"), "2");
    assert_string_equal(xs_read(zero, "/r/a/deep/er"), "ENOENT");
}

static void test_protocol(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    uint32_t id;

    xs_begin(one);
    id = one->tx;
    client_send(one, XS_TRANSACTION_START, "", 1);
    assert_string_equal(one->reply, "EBUSY");
    one->tx = id + 1;
    assert_string_equal(xs_read(one, "x"), "ENOENT");
    assert_string_equal(xs_watch(one, "x", "t"), "OK"); /* the id is ignored here */
    fixture->zero.tx = id;
    assert_string_equal(xs_end(&fixture->zero, "T"), "ENOENT"); /* ids are a connection's own */
    one->tx = id;
    client_send(one, XS_TRANSACTION_END, "X", 2);
    assert_string_equal(one->reply, "EINVAL");
    assert_string_equal(xs_end(one, "T"), "OK");
    one->tx = id;
    assert_string_equal(xs_end(one, "T"), "ENOENT");
    one->tx = 0;
    assert_string_equal(xs_end(one, "T"), "ENOENT");
    for (int i = 0; i < 10; i++) {
        xs_begin(one);
        assert_int_equal(one->type, XS_TRANSACTION_START);
    }
    assert_string_equal(xs_begin(one), "ENOSPC");
    client_send(one, XS_RESET_WATCHES, "", 1);
    xs_begin(one);
    assert_int_equal(one->type, XS_TRANSACTION_START);
    for (int i = 0; i < 100; i++) {
        xs_begin(&fixture->zero);
        assert_int_equal(fixture->zero.type, XS_TRANSACTION_START);
    }
    fixture->zero.tx = 0;
}

static void test_node_quota(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_usage usage;
    char path[32];

    xs_begin(one);
    for (int i = 0; i < 1100; i++) {
        snprintf(path, sizeof(path), "d%d/n%d", i / 50, i);
        if (strcmp(xs_write(one, path, "v"), "OK") != 0) {
            break;
        }
    }
    assert_string_equal(one->reply, "ENOSPC");
    assert_string_equal(xs_end(one, "T"), "ENOMEM");
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &usage), 0);
    assert_int_equal(usage.node_count, 1);
}

static void test_node_quota_at_commit(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_usage usage;
    uint32_t id;
    char path[32];

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "p%d", i);
        assert_string_equal(xs_write(one, path, ""), "OK");
    }
    xs_begin(one);
    for (int i = 0; i < 400; i++) {
        snprintf(path, sizeof(path), "p0/%d", i);
        assert_string_equal(xs_write(one, path, ""), "OK");
    }
    id = one->tx;
    one->tx = 0;
    for (int i = 0; i < 800; i++) {
        snprintf(path, sizeof(path), "p%d/%d", 1 + i / 400, i);
        assert_string_equal(xs_write(one, path, ""), "OK");
    }
    one->tx = id;
    assert_string_equal(xs_end(one, "T"), "ENOSPC");
    assert_string_equal(xs_directory(one, "p0"), "");
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &usage), 0);
    assert_int_equal(usage.node_count, 804);
    assert_int_equal(usage.transaction_count, 0);
}

/* The quota within a transaction: what it removed makes room for what it creates, to the last. */
static void test_node_quota_is_exact(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    struct blanket_root_store_usage usage;
    char path[32];
    uint32_t count = 1; /* /local/domain/1 itself */

    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "d%d", i);
        assert_string_equal(xs_write(one, path, ""), "OK");
        count++;
    }
    for (int i = 0; count < 990; i++) {
        snprintf(path, sizeof(path), "d%d/%d", i % 20, i);
        assert_string_equal(xs_write(one, path, ""), "OK");
        count++;
    }
    xs_begin(one);
    assert_string_equal(xs_rm(one, "d0/0"), "OK");
    for (; count < 1001; count++) {
        snprintf(path, sizeof(path), "d1/t%u", count);
        assert_string_equal(xs_write(one, path, ""), "OK");
    }
    assert_string_equal(xs_end(one, "T"), "OK");
    assert_int_equal(blanket_root_store_domain_usage(fixture->store, 1, &usage), 0);
    assert_int_equal(usage.node_count, 1000);
    assert_string_equal(xs_write(one, "d1/more", ""), "ENOSPC");
    xs_begin(one);
    assert_string_equal(xs_write(one, "d1/more", ""), "ENOSPC");
    xs_end(one, "F");
    xs_begin(one);
    assert_string_equal(xs_rm(one, "d2/2"), "OK");
    assert_string_equal(xs_write(one, "d1/more", ""), "OK");
    assert_string_equal(xs_write(one, "d1/most", ""), "ENOSPC");
    xs_end(one, "F");
    assert_string_equal(xs_rm(one, "d2/2"), "OK");
    assert_string_equal(xs_write(one, "d1/more", ""), "OK");
    assert_string_equal(xs_write(one, "d1/most", ""), "ENOSPC");
}

/* A node for a domain that is removed before the commit would belong to nobody. */
static void test_owner_gone_before_commit(void **state)
{
    struct fixture *fixture = *state;
    struct client *zero = &fixture->zero;

    xs_begin(zero);
    assert_string_equal(xs_write(zero, "/for/two", "1"), "OK");
    assert_string_equal(xs_set_permissions(zero, "/for/two", "n2"), "OK");
    assert_int_equal(blanket_root_store_domain_remove(fixture->store, 2), 0);
    assert_string_equal(xs_end(zero, "T"), "EAGAIN");
    assert_string_equal(xs_read(zero, "/for"), "ENOENT");
}

static void test_accessed_node_quota(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = &fixture->one;
    char path[32];
    int i;

    assert_string_equal(xs_write(one, "x", "1"), "OK");
    xs_begin(one);
    assert_string_equal(xs_write(one, "x", "2"), "OK");
    for (i = 0; i < 2000; i++) {
        snprintf(path, sizeof(path), "none%d", i);
        if (strcmp(xs_read(one, path), "ENOENT") != 0) {
            break;
        }
    }
    assert_string_equal(one->reply, "ENOSPC");
    assert_int_equal(i, 1024 - 2);
    assert_string_equal(xs_end(one, "T"), "ENOMEM");
    assert_string_equal(xs_read(one, "x"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_private_until_committed, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_aborted_leaves_nothing, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_conflicts_are_by_node, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_value_stays_as_first_read, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_removed_and_made_again, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_protocol, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_node_quota, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_node_quota_at_commit, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_node_quota_is_exact, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_owner_gone_before_commit, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_accessed_node_quota, fixture_open, fixture_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
