/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the store share: requests as bytes, replies as bytes, one line a request.
 */
#ifndef TEST_ROOT_STORE_CLIENT_H
#define TEST_ROOT_STORE_CLIENT_H

#include "../../src/port/root/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/io/xs_wire.h>

struct client {
    struct blanket_root_store *store;
    struct blanket_root_store_connection *connection;
    uint32_t ready_count;
    uint32_t tx;   /* of the requests to come */
    uint32_t type; /* of the last reply */
    uint32_t size;
    char reply[XENSTORE_PAYLOAD_MAX + 1]; /* of the last reply, NUL after it */
    uint32_t event_count; /* events seen since last cleared, their payloads one after the other */
    char events[1 << 16];
    uint32_t events_size;
};

static inline void client_ready(void *context)
{
    ((struct client *)context)->ready_count++;
}

static inline void client_open(struct client *client, struct blanket_root_store *store,
                               uint16_t domid)
{
    memset(client, 0, sizeof(*client));
    client->store = store;
    assert_int_equal(
        blanket_root_store_connect(store, domid, client_ready, client, &client->connection), 0);
}

/* Takes one message; false when there is none. An event is recorded, a reply stored. */
static inline bool client_take(struct client *client)
{
    uint8_t bytes[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg header;
    size_t used = 1;

    assert_int_equal(blanket_root_store_receive(client->connection, bytes, sizeof(bytes), &used),
                     0);
    if (used == 0) {
        return false;
    }
    assert_true(used >= sizeof(header));
    memcpy(&header, bytes, sizeof(header));
    assert_int_equal(used, sizeof(header) + header.len);
    if (header.type == XS_WATCH_EVENT) {
        assert_int_equal(header.req_id, 0);
        assert_int_equal(header.tx_id, 0);
        assert_true(client->events_size + header.len <= sizeof(client->events));
        memcpy(client->events + client->events_size, bytes + sizeof(header), header.len);
        client->events_size += header.len;
        client->event_count++;
        return true;
    }
    client->type = header.type;
    client->size = header.len;
    memcpy(client->reply, bytes + sizeof(header), header.len);
    client->reply[header.len] = '\0';
    return true;
}

static inline void client_drain(struct client *client)
{
    while (client_take(client)) {
    }
}

static inline void client_forget_events(struct client *client)
{
    client_drain(client);
    client->event_count = 0;
    client->events_size = 0;
}

/* Sends a request and takes everything that comes back. */
static inline void client_send(struct client *client, uint32_t type, const void *body, size_t size)
{
    uint8_t *bytes = malloc(sizeof(struct xsd_sockmsg) + size);
    struct xsd_sockmsg header = {type, 0x1234u + type, client->tx, (uint32_t)size};

    assert_non_null(bytes);
    memcpy(bytes, &header, sizeof(header));
    if (size != 0) {
        memcpy(bytes + sizeof(header), body, size);
    }
    client->type = XS_INVALID;
    client_drain(client);
    assert_int_equal(blanket_root_store_submit(client->connection, bytes, sizeof(header) + size),
                     0);
    free(bytes);
    client_drain(client);
    assert_int_not_equal(client->type, XS_INVALID);
}

/* A path and its NUL, then any more text. Returns "OK" or the error's name, or what was read. */
static inline const char *client_ask(struct client *client, uint32_t type, const char *path,
                                     const void *more, size_t more_size)
{
    static char body[8192];
    size_t size = strlen(path) + 1;

    assert_true(size + more_size <= sizeof(body));
    memcpy(body, path, size);
    if (more_size != 0) {
        memcpy(body + size, more, more_size);
    }
    client_send(client, type, body, size + more_size);
    return client->reply;
}

static inline const char *xs_write(struct client *client, const char *path, const char *value)
{
    return client_ask(client, XS_WRITE, path, value, strlen(value));
}

static inline const char *xs_read(struct client *client, const char *path)
{
    return client_ask(client, XS_READ, path, NULL, 0);
}

static inline const char *xs_mkdir(struct client *client, const char *path)
{
    return client_ask(client, XS_MKDIR, path, NULL, 0);
}

static inline const char *xs_rm(struct client *client, const char *path)
{
    return client_ask(client, XS_RM, path, NULL, 0);
}

/* The names with a space after each. */
static inline const char *xs_directory(struct client *client, const char *path)
{
    client_ask(client, XS_DIRECTORY, path, NULL, 0);
    if (client->type == XS_DIRECTORY) {
        for (uint32_t i = 0; i < client->size; i++) {
            if (client->reply[i] == '\0') {
                client->reply[i] = ' ';
            }
        }
    }
    return client->reply;
}

static inline const char *xs_watch(struct client *client, const char *path, const char *token)
{
    return client_ask(client, XS_WATCH, path, token, strlen(token) + 1);
}

static inline const char *xs_unwatch(struct client *client, const char *path, const char *token)
{
    return client_ask(client, XS_UNWATCH, path, token, strlen(token) + 1);
}

/* permissions: entries with a comma after each but the last, "n0,r1". */
static inline const char *xs_set_permissions(struct client *client, const char *path,
                                             const char *permissions)
{
    char text[4096];
    size_t size = strlen(permissions) + 1;

    assert_true(size <= sizeof(text));
    memcpy(text, permissions, size);
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(text[i] == ',' ? '\0' : text[i]);
    }
    return client_ask(client, XS_SET_PERMS, path, text, size);
}

static inline const char *xs_get_permissions(struct client *client, const char *path)
{
    client_ask(client, XS_GET_PERMS, path, NULL, 0);
    if (client->type == XS_GET_PERMS) {
        for (uint32_t i = 0; i + 1 < client->size; i++) {
            if (client->reply[i] == '\0') {
                client->reply[i] = ',';
            }
        }
    }
    return client->reply;
}

static inline const char *xs_begin(struct client *client)
{
    client->tx = 0;
    client_send(client, XS_TRANSACTION_START, "", 1);
    if (client->type == XS_TRANSACTION_START) {
        client->tx = (uint32_t)strtoul(client->reply, NULL, 10);
    }
    return client->reply;
}

static inline const char *xs_end(struct client *client, const char *verdict)
{
    client_send(client, XS_TRANSACTION_END, verdict, strlen(verdict) + 1);
    client->tx = 0;
    return client->reply;
}

/* Whether an event on this path and token was seen since they were last forgotten; how often. */
static inline uint32_t client_saw(const struct client *client, const char *path, const char *token)
{
    uint32_t count = 0;
    uint32_t at = 0;

    while (at < client->events_size) {
        const char *event = client->events + at;
        const char *event_token = event + strlen(event) + 1;

        count += strcmp(event, path) == 0 && strcmp(event_token, token) == 0;
        at += (uint32_t)(strlen(event) + strlen(event_token) + 2);
    }
    return count;
}

static inline struct blanket_root_store *store_open(void)
{
    struct blanket_root_store_limits limits;
    struct blanket_root_store *store = NULL;

    blanket_root_store_limits_default(&limits);
    limits.memory_size = (size_t)4 << 20;
    assert_int_equal(blanket_root_store_create(&limits, &store), 0);
    return store;
}

struct fixture {
    struct blanket_root_store *store;
    struct client zero; /* domain 0 */
    struct client one;  /* domain 1, with /local/domain/1 its own */
    struct client two;
};

static inline int fixture_open(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->store = store_open();
    client_open(&fixture->zero, fixture->store, 0);
    client_open(&fixture->one, fixture->store, 1);
    client_open(&fixture->two, fixture->store, 2);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 1), 0);
    assert_int_equal(blanket_root_store_domain_add(fixture->store, 2), 0);
    assert_string_equal(xs_mkdir(&fixture->zero, "/local/domain/1"), "OK");
    assert_string_equal(xs_set_permissions(&fixture->zero, "/local/domain/1", "n1"), "OK");
    assert_string_equal(xs_mkdir(&fixture->zero, "/local/domain/2"), "OK");
    assert_string_equal(xs_set_permissions(&fixture->zero, "/local/domain/2", "n2"), "OK");
    *state = fixture;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *fixture = *state;

    assert_true(blanket_root_store_check(fixture->store));
    blanket_root_store_disconnect(fixture->zero.connection);
    blanket_root_store_disconnect(fixture->one.connection);
    blanket_root_store_disconnect(fixture->two.connection);
    assert_true(blanket_root_store_check(fixture->store));
    blanket_root_store_destroy(fixture->store);
    free(fixture);
    return 0;
}

/* A growing buffer as a stream. */
struct tape {
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t at;
};

static inline int tape_write(void *context, const void *bytes, size_t size)
{
    struct tape *tape = context;

    if (tape->size + size > tape->room) {
        tape->room = 2 * (tape->size + size);
        tape->bytes = realloc(tape->bytes, tape->room);
        assert_non_null(tape->bytes);
    }
    memcpy(tape->bytes + tape->size, bytes, size);
    tape->size += size;
    return 0;
}

static inline int tape_read(void *context, void *bytes, size_t size)
{
    struct tape *tape = context;

    if (size > tape->size - tape->at) {
        return -BLANKET_EINVAL;
    }
    memcpy(bytes, tape->bytes + tape->at, size);
    tape->at += size;
    return 0;
}

static inline struct tape tape_of(const struct blanket_root_store *store)
{
    struct tape tape = {0};

    assert_int_equal(blanket_root_store_save(store, tape_write, &tape), 0);
    return tape;
}

#endif
