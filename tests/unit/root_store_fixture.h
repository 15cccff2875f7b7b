/* SPDX-License-Identifier: MIT */
/* The provider's store under test, from both sides: views by verbs, and raw clients. */
#ifndef BLANKET_TEST_ROOT_STORE_FIXTURE_H
#define BLANKET_TEST_ROOT_STORE_FIXTURE_H

#include "root_fixture.h"

#include <stdio.h>
#include <xen/io/xs_wire.h>

#define REPLY_SIZE (16u + 4096u)

static const struct blanket_root_limits store_limits = {
    .domains = 4, .devices = 4, .grants = 64, .mappings = 64, .ports = 64, .store_size = 1 << 20};

/* One STORE verb and its reply. */
struct asked {
    int status;     /* of the call, or of its element */
    uint32_t value; /* of the result */
    uint32_t type;  /* of the first message of the reply, 0: there is none */
    uint32_t req_id;
    uint32_t size;             /* of its body */
    char body[REPLY_SIZE + 1]; /* with a NUL behind */
    uint32_t total;            /* bytes of the whole reply */
    uint8_t bytes[REPLY_SIZE];
};

static inline void asked_take(struct asked *asked, const uint8_t *reply, uint32_t size)
{
    struct xsd_sockmsg header;

    asked->total = size;
    memcpy(asked->bytes, reply, size);
    if (size < sizeof(header)) {
        return;
    }
    memcpy(&header, reply, sizeof(header));
    assert_true(header.len <= size - sizeof(header));
    asked->type = header.type;
    asked->req_id = header.req_id;
    asked->size = header.len;
    memcpy(asked->body, reply + sizeof(header), header.len);
    asked->body[header.len] = 0;
}

static inline struct asked ask(struct fixture *f, uint64_t endpoint, uint16_t verb,
                               const uint64_t *items, uint16_t count, const void *payload,
                               uint32_t size)
{
    uint8_t reply[REPLY_SIZE];
    uint64_t result = 0;
    struct asked asked;
    struct blanket_call call = {.verb = verb,
                                .element_count = 1,
                                .element_items = count,
                                .endpoint = endpoint,
                                .items = items,
                                .results = &result,
                                .payload = (const uint8_t *)payload,
                                .payload_size = (uint16_t)size,
                                .reply = reply,
                                .reply_max = sizeof(reply)};

    memset(&asked, 0, sizeof(asked));
    asked.status = f->below.ops->call(f->below.context, &call);
    assert_int_equal(call.done, asked.status ? 0 : 1);
    if (asked.status == 0) {
        asked.status = blanket_result_status(result);
        asked.value = blanket_result_value(result);
        asked_take(&asked, reply, call.reply_size);
    }
    return asked;
}

static inline uint64_t port_item(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
}

static inline uint64_t request_item(uint32_t type, uint32_t id)
{
    return blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)type << 32 | id);
}

static inline int store_connect(struct fixture *f, uint64_t endpoint, uint64_t port)
{
    return fixture_call(f, endpoint, BLANKET_VERB_STORE_CONNECT, &port, 1, NULL);
}

static inline int store_disconnect(struct fixture *f, uint64_t endpoint, uint64_t port)
{
    return fixture_call(f, endpoint, BLANKET_VERB_STORE_DISCONNECT, &port, 1, NULL);
}

static inline struct asked store_receive(struct fixture *f, uint64_t endpoint, uint64_t port)
{
    return ask(f, endpoint, BLANKET_VERB_STORE_RECEIVE, &port, 1, NULL, 0);
}

static inline struct asked store_read(struct fixture *f, uint64_t endpoint, uint64_t port,
                                      uint32_t type, enum blanket_store_root root, const char *path)
{
    const uint64_t items[4] = {port, request_item(type, 7),
                               blanket_item(BLANKET_ITEM_ROOT, 0, root),
                               blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0)};

    return ask(f, endpoint, BLANKET_VERB_STORE_READ, items, 4, path, (uint32_t)strlen(path) + 1);
}

static inline struct asked store_write(struct fixture *f, uint64_t endpoint, uint64_t port,
                                       enum blanket_store_root root, const char *path,
                                       const char *value)
{
    const uint64_t items[4] = {port, request_item(XS_WRITE, 8),
                               blanket_item(BLANKET_ITEM_ROOT, 0, root),
                               blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0)};
    char payload[4096];
    size_t size = strlen(path) + 1;

    memcpy(payload, path, size);
    memcpy(payload + size, value, strlen(value));
    return ask(f, endpoint, BLANKET_VERB_STORE_WRITE, items, 4, payload,
               (uint32_t)(size + strlen(value)));
}

static inline struct asked store_watch(struct fixture *f, uint64_t endpoint, uint64_t port,
                                       enum blanket_store_root root, uint32_t id, const char *path)
{
    const uint64_t items[4] = {port, request_item(XS_WATCH, 9),
                               blanket_item(BLANKET_ITEM_ROOT, 0, root),
                               blanket_item(BLANKET_ITEM_WATCH, 0, id)};

    return ask(f, endpoint, BLANKET_VERB_STORE_WATCH, items, 4, path, (uint32_t)strlen(path) + 1);
}

/* Publish a grant (XS key takes its reference) or a port: the slot is `item`. */
static inline struct asked store_publish(struct fixture *f, uint64_t endpoint, uint64_t port,
                                         enum blanket_store_root root, const char *path,
                                         uint64_t item)
{
    const uint64_t items[5] = {port, request_item(XS_WRITE, 10),
                               blanket_item(BLANKET_ITEM_ROOT, 0, root),
                               blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0), item};
    bool grant = blanket_item_type(item) == BLANKET_ITEM_GRANT;

    return ask(f, endpoint, grant ? BLANKET_VERB_STORE_WRITE_GRANT : BLANKET_VERB_STORE_WRITE_PORT,
               items, 5, path, (uint32_t)strlen(path) + 1);
}

/* A raw client's request; events that come before the reply are dropped. */
static inline struct asked raw(struct blanket_root_client *client, uint32_t type, const void *body,
                               uint32_t size)
{
    uint8_t message[REPLY_SIZE];
    struct xsd_sockmsg header = {.type = type, .req_id = 5, .len = size};
    struct asked asked;
    uint32_t used = 0;

    memset(&asked, 0, sizeof(asked));
    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    assert_int_equal(blanket_root_client_submit(client, message, sizeof(header) + size), 0);
    do {
        assert_int_equal(blanket_root_client_receive(client, message, sizeof(message), &used), 0);
        assert_true(used != 0);
        asked_take(&asked, message, used);
    } while (asked.type == XS_WATCH_EVENT);
    return asked;
}

static inline struct asked raw_text(struct blanket_root_client *client, uint32_t type,
                                    const char *text)
{
    return raw(client, type, text, (uint32_t)strlen(text) + 1);
}

static inline struct asked raw_write(struct blanket_root_client *client, const char *path,
                                     const char *value)
{
    char body[512];
    size_t size = strlen(path) + 1;

    memcpy(body, path, size);
    memcpy(body + size, value, strlen(value));
    return raw(client, XS_WRITE, body, (uint32_t)(size + strlen(value)));
}

/* What a node holds, as the client sees it: the value, or the error's name. */
static inline void assert_node(struct blanket_root_client *client, const char *path,
                               const char *value)
{
    struct asked asked = raw_text(client, XS_READ, path);

    assert_string_equal(asked.body, value);
}

#endif
