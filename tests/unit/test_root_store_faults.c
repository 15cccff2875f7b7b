/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore without room, with random bytes, and through its saved stream.
 *
 * Running out: the same requests with the arena filled up to each of many sizes, so that every
 * allocation is the one that fails in one of them. A request that fails must have changed nothing.
 */
#include "test_root_store_client.h"

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A stream of the nodes alone, without the store's generation and the checksum over it. */
static bool same_nodes(const struct tape *one, const struct tape *other)
{
    return one->size == other->size &&
           memcmp(one->bytes + 24, other->bytes + 24, one->size - 24 - 8) == 0;
}

struct step {
    uint32_t type;
    const char *body; /* of `size` bytes */
    uint32_t size;
    bool transaction; /* in the one that is open */
};

#define STEP(type, body, transaction)                                                              \
    {                                                                                              \
        type, body, sizeof(body), transaction                                                      \
    }

static const struct step steps[] = {
    STEP(XS_WATCH, "/\0root", false),
    STEP(XS_WATCH, "/s\0below", false),
    STEP(XS_WRITE, "/s/a/b/c\0the value of a node, longer than a small one", false),
    STEP(XS_WRITE, "/s/a/b/d\0x", false),
    STEP(XS_WRITE, "/s/a/b/d\0yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", false),
    STEP(XS_SET_PERMS, "/s/a\0n1\0r2\0r700", false),
    STEP(XS_MKDIR, "/s/m/n/o/p", false),
    STEP(XS_READ, "/s/a/b/c", false),
    STEP(XS_TRANSACTION_START, "", false),
    STEP(XS_WRITE, "/s/a/b/d\0in a transaction", true),
    STEP(XS_WRITE, "/s/t/u/v\0made in a transaction", true),
    STEP(XS_RM, "/s/m", true),
    STEP(XS_SET_PERMS, "/s/a/b\0n1\0b2", true),
    STEP(XS_DIRECTORY, "/s", true),
    STEP(XS_TRANSACTION_END, "T", true),
    STEP(XS_RM, "/s/a", false),
    STEP(XS_UNWATCH, "/s\0below", false),
    STEP(XS_RM, "/s", false),
};

static bool error_is(const struct client *client, const char *name)
{
    return client->type == XS_ERROR && strcmp(client->reply, name) == 0;
}

/* Performs all steps. Returns how many found no room; checks that those did nothing. */
static uint32_t steps_perform(struct client *client)
{
    uint32_t failures = 0;
    uint32_t transaction = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct blanket_root_store_totals before;
        struct blanket_root_store_totals after;
        struct tape old_nodes;
        struct tape new_nodes;

        client_drain(client);
        old_nodes = tape_of(client->store);
        blanket_root_store_totals_read(client->store, &before);
        client->tx = steps[i].transaction ? transaction : 0;
        client_send(client, steps[i].type, steps[i].body, steps[i].size);
        if (steps[i].type == XS_TRANSACTION_START && client->type == XS_TRANSACTION_START) {
            transaction = (uint32_t)strtoul(client->reply, NULL, 10);
        }
        new_nodes = tape_of(client->store);
        blanket_root_store_totals_read(client->store, &after);
        if (client->type == XS_ERROR) {
            failures += error_is(client, "ENOMEM");
            assert_true(same_nodes(&old_nodes, &new_nodes));
            /* In a transaction, what was accessed before it failed is remembered until its end. */
            assert_true(client->tx != 0 || after.memory_used == before.memory_used);
        }
        assert_true(blanket_root_store_check(client->store));
        free(old_nodes.bytes);
        free(new_nodes.bytes);
    }
    client->tx = 0;
    return failures;
}

/* Fills the store until less than about `room` bytes are left in one piece. */
static void fill(struct client *client, uint32_t room)
{
    static char value[4096];
    char path[32];
    uint32_t size = 4000;

    memset(value, 'f', sizeof(value));
    for (uint32_t i = 0; size > room && size > 0; i++) {
        snprintf(path, sizeof(path), "/fill/%u", i);
        client_ask(client, XS_WRITE, path, value, size);
        if (client->type == XS_ERROR) {
            size = size > 512 ? size - 512 : size - 16;
            i--;
        }
    }
}

static void test_every_allocation_fails_once(void **state)
{
    uint32_t failing_runs = 0;
    uint32_t failures = 0;

    (void)state;
    for (uint32_t gap = 0; gap < 12000; gap += gap < 6000 ? 16 : 256) {
        struct blanket_root_store_limits limits;
        struct blanket_root_store_totals before;
        struct blanket_root_store_totals after;
        struct blanket_root_store *store;
        struct client client;
        uint32_t failed;

        blanket_root_store_limits_default(&limits);
        limits.memory_size = 128 * 1024;
        limits.outstanding_count = 4;
        assert_int_equal(blanket_root_store_create(&limits, &store), 0);
        client_open(&client, store, 0);
        /* Pieces, side by side, of `gap` bytes in all, that will be all there is, or nearly. */
        for (uint32_t rest = gap; rest > 0; rest -= rest < 3000 ? rest : 3000) {
            char path[32];

            snprintf(path, sizeof(path), "/gap/%u", rest);
            assert_string_equal(
                client_ask(&client, XS_WRITE, path, client.events, rest < 3000 ? rest : 3000),
                "OK");
        }
        assert_string_equal(xs_mkdir(&client, "/gap"), "OK");
        fill(&client, 0);
        assert_string_equal(xs_rm(&client, "/gap"), "OK");
        client_drain(&client);
        blanket_root_store_totals_read(store, &before);
        failed = steps_perform(&client);
        failing_runs += failed != 0;
        failures += failed;
        client_send(&client, XS_RESET_WATCHES, "", 1);
        client_send(&client, XS_RM, "/s", 3);
        client_drain(&client);
        blanket_root_store_totals_read(store, &after);
        assert_int_equal(before.memory_used, after.memory_used);
        assert_int_equal(before.node_count, after.node_count);
        blanket_root_store_disconnect(client.connection);
        assert_true(blanket_root_store_check(store));
        blanket_root_store_destroy(store);
    }
    print_message("%u runs without room, %u failures\n", failing_runs, failures);
    assert_true(failing_runs > 20);
    assert_true(failing_runs < 375); /* with the larger gaps, all of it fits */
    assert_true(failures > 100);
}

/* Arenas of every small size: made or refused, and usable if made. */
static void test_every_small_size(void **state)
{
    uint32_t made = 0;

    (void)state;
    for (size_t size = 100 * 1024; size < 200 * 1024; size += 1008) {
        struct blanket_root_store_limits limits;
        struct blanket_root_store *store = NULL;
        struct blanket_root_store_connection *connections[200];
        uint32_t count = 0;

        blanket_root_store_limits_default(&limits);
        limits.memory_size = size;
        if (blanket_root_store_create(&limits, &store) != 0) {
            assert_null(store);
            assert_true(size < 128 * 1024);
            continue;
        }
        made++;
        while (count < 200 && blanket_root_store_connect(store, (uint16_t)count, NULL, NULL,
                                                         &connections[count]) == 0) {
            count++;
        }
        assert_true(count > 0 && count < 200);
        assert_true(blanket_root_store_check(store));
        while (count > 0) {
            count--;
            blanket_root_store_disconnect(connections[count]);
        }
        assert_true(blanket_root_store_check(store));
        blanket_root_store_destroy(store);
    }
    assert_true(made > 50);
}

/* Watch events that find no memory become one on the watch's own path. */
static void test_events_without_room(void **state)
{
    struct blanket_root_store_limits limits;
    struct blanket_root_store *store;
    struct client writer;
    struct client reader;

    (void)state;
    blanket_root_store_limits_default(&limits);
    limits.memory_size = 128 * 1024;
    assert_int_equal(blanket_root_store_create(&limits, &store), 0);
    client_open(&writer, store, 0);
    client_open(&reader, store, 0);
    assert_string_equal(xs_write(&writer, "/w/a", "1"), "OK");
    assert_string_equal(xs_watch(&reader, "/w", "t"), "OK");
    client_forget_events(&reader);
    fill(&writer, 0);
    assert_string_equal(xs_write(&writer, "/w/a", "2"), "OK");
    client_drain(&reader);
    assert_int_equal(reader.event_count, 1);
    assert_int_equal(client_saw(&reader, "/w", "t"), 1);
    assert_true(blanket_root_store_check(store));
    blanket_root_store_disconnect(writer.connection);
    blanket_root_store_disconnect(reader.connection);
    blanket_root_store_destroy(store);
}

/* Bodies of random bytes that look like requests often enough to get past the first check. */
static size_t random_body(uint64_t *seed, char *body)
{
    static const char *const words[] = {"/",
                                        "/a",
                                        "/a/b",
                                        "a",
                                        "b/c",
                                        "/local/domain/1",
                                        "@releaseDomain",
                                        "T",
                                        "F",
                                        "n0",
                                        "b1",
                                        "r2",
                                        "0",
                                        "1",
                                        "5",
                                        "token",
                                        "//",
                                        "/local/domain/1/a",
                                        "99999999999",
                                        "/tool/xenstored"};
    size_t size = 0;
    uint64_t parts = random_next(seed) % 5;

    for (uint64_t i = 0; i < parts; i++) {
        const char *word = words[random_next(seed) % (sizeof(words) / sizeof(words[0]))];

        memcpy(body + size, word, strlen(word) + 1);
        size += strlen(word) + (random_next(seed) % 8 != 0);
    }
    if (random_next(seed) % 4 == 0) {
        uint64_t bytes = random_next(seed) % 300;

        for (uint64_t i = 0; i < bytes; i++) {
            body[size++] = (char)random_next(seed);
        }
    }
    return size;
}

static void test_random_bytes(void **state)
{
    uint64_t seed = 0x1234567;
    uint64_t answered = 0;
    struct blanket_root_store *store = store_open();
    struct client clients[3];

    (void)state;
    for (uint16_t i = 0; i < 3; i++) {
        client_open(&clients[i], store, i);
    }
    for (int round = 0; round < 60000; round++) {
        struct client *client = &clients[random_next(&seed) % 3];
        char body[1024];
        size_t size = random_body(&seed, body);
        uint8_t *bytes = malloc(sizeof(struct xsd_sockmsg) + size); /* the exact size, for ASan */
        struct xsd_sockmsg header = {(uint32_t)(random_next(&seed) % 24), (uint32_t)round,
                                     (uint32_t)(random_next(&seed) % 4 * (random_next(&seed) % 2)),
                                     (uint32_t)size};

        assert_non_null(bytes);
        if (random_next(&seed) % 50 == 0) {
            header.len = (uint32_t)random_next(&seed);
        }
        memcpy(bytes, &header, sizeof(header));
        memcpy(bytes + sizeof(header), body, size);
        client->type = XS_INVALID;
        client->events_size = 0;
        client_drain(client);
        if (blanket_root_store_submit(client->connection, bytes, sizeof(header) + size) == 0) {
            client->events_size = 0;
            client_drain(client);
            assert_int_not_equal(client->type, XS_INVALID);
            answered++;
        }
        free(bytes);
        if (round % 1000 == 0) {
            assert_true(blanket_root_store_check(store));
        }
        if (round % 5000 == 4999) { /* the two may have been released over the wire */
            blanket_root_store_disconnect(clients[1].connection);
            blanket_root_store_disconnect(clients[2].connection);
            client_open(&clients[1], store, 1);
            client_open(&clients[2], store, 2);
        }
    }
    assert_true(answered > 30000);
    for (uint16_t i = 0; i < 3; i++) {
        blanket_root_store_disconnect(clients[i].connection);
    }
    assert_true(blanket_root_store_check(store));
    blanket_root_store_destroy(store);
}

static void populate(struct client *zero, struct client *one)
{
    char path[64];

    assert_string_equal(xs_mkdir(zero, "/local/domain/1"), "OK");
    assert_string_equal(xs_set_permissions(zero, "/local/domain/1", "n1,r2"), "OK");
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "d%d/e/f%d", i % 3, i);
        assert_string_equal(client_ask(one, XS_WRITE, path, "bin\0ary", (size_t)i % 8), "OK");
    }
    assert_string_equal(xs_set_permissions(one, "d1", "b1,r77"), "OK"); /* 77 isn't there */
    assert_string_equal(xs_set_permissions(zero, "@releaseDomain", "r0,n1"), "OK");
}

static void test_save_and_restore(void **state)
{
    struct blanket_root_store *store = store_open();
    struct blanket_root_store *other = store_open();
    struct client zero;
    struct client one;
    struct client reader;
    struct tape tape;
    struct tape again;

    (void)state;
    client_open(&zero, store, 0);
    client_open(&one, store, 1);
    populate(&zero, &one);
    tape = tape_of(store);
    client_open(&reader, other, 0);
    assert_string_equal(xs_write(&reader, "/old", "1"), "OK");
    assert_string_equal(xs_watch(&reader, "/x", "t"), "OK");
    xs_begin(&reader);
    assert_string_equal(xs_write(&reader, "/old", "2"), "OK");
    client_forget_events(&reader);
    assert_int_equal(blanket_root_store_restore(other, tape_read, &tape), 0);
    assert_true(blanket_root_store_check(other));
    again = tape_of(other);
    assert_int_equal(tape.size, again.size);
    assert_memory_equal(tape.bytes, again.bytes, tape.size);
    assert_string_equal(xs_end(&reader, "T"), "EAGAIN");
    assert_int_equal(client_saw(&reader, "/x", "t"), 1);
    assert_string_equal(xs_read(&reader, "/old"), "ENOENT");
    assert_string_equal(xs_read(&reader, "/local/domain/1/d1/e/f7"), "bin");
    assert_int_equal(reader.size, 7);
    assert_string_equal(xs_get_permissions(&reader, "/local/domain/1/d1"), "b1,r77");
    free(tape.bytes);
    free(again.bytes);
    blanket_root_store_disconnect(zero.connection);
    blanket_root_store_disconnect(one.connection);
    blanket_root_store_disconnect(reader.connection);
    blanket_root_store_destroy(store);
    blanket_root_store_destroy(other);
}

/* The same stream again: the same generations, but not the same nodes. */
static void test_restore_under_a_transaction(void **state)
{
    struct blanket_root_store *store = store_open();
    struct client zero;
    struct tape tape;

    (void)state;
    client_open(&zero, store, 0);
    assert_string_equal(xs_write(&zero, "/x", "1"), "OK");
    tape = tape_of(store);
    xs_begin(&zero);
    assert_string_equal(xs_write(&zero, "/x", "2"), "OK");
    assert_int_equal(blanket_root_store_restore(store, tape_read, &tape), 0);
    assert_string_equal(xs_end(&zero, "T"), "EAGAIN");
    assert_string_equal(xs_read(&zero, "/x"), "1");
    free(tape.bytes);
    blanket_root_store_disconnect(zero.connection);
    blanket_root_store_destroy(store);
}

/* The checksum that a forger would put there. */
static void tape_seal(struct tape *tape)
{
    uint64_t sum = 0;

    for (size_t i = 0; i + 8 < tape->size; i++) {
        sum = (sum ^ tape->bytes[i]) * 0x100000001b3u;
    }
    for (size_t i = 0; i < 8; i++) {
        tape->bytes[tape->size - 8 + i] = (uint8_t)(sum >> (8 * i));
    }
}

static void restore_hostile(struct blanket_root_store *store, struct tape *tape, uint32_t *accepted)
{
    struct blanket_root_store_totals before;
    struct blanket_root_store_totals after;
    struct tape nodes = tape_of(store);
    struct tape now;

    blanket_root_store_totals_read(store, &before);
    tape->at = 0;
    if (blanket_root_store_restore(store, tape_read, tape) == 0) {
        (*accepted)++;
        assert_true(blanket_root_store_check(store));
    } else {
        blanket_root_store_totals_read(store, &after);
        now = tape_of(store);
        assert_int_equal(nodes.size, now.size);
        assert_memory_equal(nodes.bytes, now.bytes, nodes.size);
        assert_int_equal(before.memory_used, after.memory_used);
        assert_int_equal(before.node_count, after.node_count);
        free(now.bytes);
    }
    free(nodes.bytes);
}

static void test_restore_of_hostile_bytes(void **state)
{
    struct blanket_root_store *store = store_open();
    struct client zero;
    struct client one;
    struct tape tape;
    uint64_t seed = 99;
    uint32_t accepted = 0;
    uint32_t rounds = 0;

    (void)state;
    client_open(&zero, store, 0);
    client_open(&one, store, 1);
    populate(&zero, &one);
    tape = tape_of(store);
    for (size_t size = 0; size < tape.size; size++) { /* cut short */
        struct tape part = tape;

        part.size = size;
        restore_hostile(store, &part, &accepted);
    }
    assert_int_equal(accepted, 0);
    for (size_t i = 0; i < tape.size; i++) { /* damaged, unnoticed by who made it */
        tape.bytes[i] ^= (uint8_t)(1u << (i % 8));
        restore_hostile(store, &tape, &accepted);
        tape.bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
    assert_int_equal(accepted, 0);
    for (; rounds < 4000; rounds++) { /* forged: the checksum is right */
        struct tape forged = tape;
        uint64_t changes = 1 + random_next(&seed) % 3;

        forged.bytes = malloc(tape.size);
        assert_non_null(forged.bytes);
        memcpy(forged.bytes, tape.bytes, tape.size);
        for (uint64_t i = 0; i < changes; i++) {
            forged.bytes[random_next(&seed) % tape.size] = (uint8_t)random_next(&seed);
        }
        tape_seal(&forged);
        restore_hostile(store, &forged, &accepted);
        free(forged.bytes);
    }
    assert_in_range(accepted, 1, rounds - 1);
    assert_true(blanket_root_store_check(store));
    free(tape.bytes);
    blanket_root_store_disconnect(zero.connection);
    blanket_root_store_disconnect(one.connection);
    blanket_root_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_every_small_size),
        cmocka_unit_test(test_events_without_room),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_save_and_restore),
        cmocka_unit_test(test_restore_under_a_transaction),
        cmocka_unit_test(test_restore_of_hostile_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
