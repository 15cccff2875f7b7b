/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the store's broker share: a small store below (one level of truth: a table of
 * nodes), that answers at once, later, twice, or with what a test puts into its mouth; and callers.
 */
#ifndef BLANKET_TEST_XENSTORE_H
#define BLANKET_TEST_XENSTORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <blanket/xenstore.h>
#include <xen/io/xs_wire.h>

#define FAKE_NODES 256
#define FAKE_WATCHES 64
#define FAKE_SENT 256
#define FRONTEND "/local/domain/7/device/vbd/51712"
#define BACKEND "/local/domain/0/backend/vbd/7/51712"

struct fake_node {
    char path[256];
    char value[4097];
    uint32_t size;
    char perms[64]; /* strings, as on the wire */
    uint32_t perms_size;
};

struct fake_watch {
    char path[3100];
    char token[64];
};

struct fake_message {
    uint8_t bytes[16 + 4096];
    uint32_t size;
};

/* The store below, and what the engine told its embedder. */
struct fake {
    struct blanket_store *store;
    void *memory;
    struct fake_node *nodes[FAKE_NODES];
    struct fake_watch *watches[FAKE_WATCHES];
    struct fake_message
        *sent; /* those that wait for an answer, oldest first; in sync mode the last */
    uint32_t sent_count;
    uint32_t total; /* messages that were sent, ever */
    uint32_t next_transaction;
    uint32_t open_transactions;
    uint32_t transaction_ids[64];
    uint32_t events[8][64]; /* by cookie and port */
    uint32_t event_count;
    bool asynchronous;
    bool refuse; /* sends aren't taken */
    bool silent_watches;
    uint32_t part_size; /* names' bytes in an answer to DIRECTORY_PART */
    uint32_t conflict;  /* this many ENDs get EAGAIN */
};

/* One caller of a view, and the last answer it got. */
struct caller {
    struct fake *fake;
    uint64_t view;
    uint32_t port, generation;
    uint16_t reply_max;
    uint32_t req_id;
    struct blanket_call call;
    uint64_t items[8];
    uint64_t result;
    uint8_t reply[16 + 4096];
    struct xsd_sockmsg header; /* of the reply, or of the message last taken */
    char body[4097];
};

static inline struct fake_node *fake_find(struct fake *fake, const char *path)
{
    uint32_t i;

    for (i = 0; i < FAKE_NODES; i++) {
        if (fake->nodes[i] != NULL && strcmp(fake->nodes[i]->path, path) == 0) {
            return fake->nodes[i];
        }
    }
    return NULL;
}

static inline void fake_set(struct fake *fake, const char *path, const char *value, uint32_t size)
{
    struct fake_node *node = fake_find(fake, path);
    uint32_t i;

    for (i = 0; node == NULL && i < FAKE_NODES; i++) {
        if (fake->nodes[i] == NULL) {
            node = calloc(1, sizeof(*node));
            snprintf(node->path, sizeof(node->path), "%.255s", path);
            memcpy(node->perms, "n7\0r0", 6);
            node->perms_size = 6;
            fake->nodes[i] = node;
        }
    }
    assert_non_null(node);
    if (node == NULL) {
        return; /* a compiler that doesn't know that assertions end the test */
    }
    memcpy(node->value, value, size);
    node->size = size;
}

static inline bool fake_below(const char *path, const char *top)
{
    size_t size = strlen(top);

    return strncmp(path, top, size) == 0 && (path[size] == 0 || path[size] == '/' || size == 1);
}

static inline void fake_input(struct fake *fake, uint32_t type, uint32_t req_id, uint32_t tx_id,
                              const void *body, uint32_t size)
{
    struct xsd_sockmsg header = {type, req_id, tx_id, size};
    uint8_t *message = malloc(sizeof(header) + size); /* of exact size: an overrun is seen */

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    blanket_store_input(fake->store, message, (uint32_t)sizeof(header) + size);
    free(message);
}

static inline void fake_event(struct fake *fake, const char *path, const char *token)
{
    char body[4096];
    size_t size = strlen(path) + 1;

    memcpy(body, path, size);
    memcpy(body + size, token, strlen(token) + 1);
    fake_input(fake, XS_WATCH_EVENT, 0, 0, body, (uint32_t)(size + strlen(token) + 1));
}

static inline void fake_fire(struct fake *fake, const char *path)
{
    uint32_t i;

    for (i = 0; i < FAKE_WATCHES && !fake->silent_watches; i++) {
        if (fake->watches[i] != NULL && fake_below(path, fake->watches[i]->path)) {
            fake_event(fake, path, fake->watches[i]->token);
        }
    }
}

static inline uint32_t fake_names(struct fake *fake, const char *path, char *names)
{
    size_t top = strlen(path);
    uint32_t used = 0;
    uint32_t i;

    for (i = 0; i < FAKE_NODES; i++) {
        const char *at = fake->nodes[i] == NULL ? "" : fake->nodes[i]->path;

        if (fake_below(at, path) && at[top] == '/' && strchr(at + top + 1, '/') == NULL) {
            strcpy(names + used, at + top + 1);
            used += (uint32_t)strlen(at + top + 1) + 1;
        }
    }
    return used;
}

static inline void fake_remove(struct fake *fake, const char *path)
{
    uint32_t i;

    for (i = 0; i < FAKE_NODES; i++) {
        if (fake->nodes[i] != NULL && fake_below(fake->nodes[i]->path, path)) {
            free(fake->nodes[i]);
            fake->nodes[i] = NULL;
        }
    }
}

static inline struct fake_watch **fake_watch_find(struct fake *fake, const char *path,
                                                  const char *token)
{
    uint32_t i;

    for (i = 0; i < FAKE_WATCHES; i++) {
        struct fake_watch *watch = fake->watches[i];

        if (token == NULL ? watch == NULL
                          : watch != NULL && strcmp(watch->path, path) == 0 &&
                                strcmp(watch->token, token) == 0) {
            return &fake->watches[i];
        }
    }
    return NULL;
}

static inline uint32_t fake_watch_count(struct fake *fake)
{
    uint32_t count = 0;
    uint32_t i;

    for (i = 0; i < FAKE_WATCHES; i++) {
        count += fake->watches[i] != NULL;
    }
    return count;
}

static inline uint32_t *fake_transaction(struct fake *fake, uint32_t id)
{
    uint32_t i;

    for (i = 0; i < 64; i++) {
        if (fake->transaction_ids[i] == id) {
            return &fake->transaction_ids[i];
        }
    }
    return NULL;
}

static inline void fake_error(struct fake *fake, const struct xsd_sockmsg *header,
                              const char *error)
{
    fake_input(fake, XS_ERROR, header->req_id, header->tx_id, error, (uint32_t)strlen(error) + 1);
}

static inline void fake_reply(struct fake *fake, const struct xsd_sockmsg *header, const void *body,
                              uint32_t size)
{
    fake_input(fake, header->type, header->req_id, header->tx_id, body, size);
}

static inline void fake_part(struct fake *fake, const struct xsd_sockmsg *header, const char *path,
                             const char *rest)
{
    char names[8192];
    char body[4200] = "77";
    uint32_t size = fake_names(fake, path, names);
    uint32_t offset = (uint32_t)atoi(rest);
    uint32_t used = 3;

    while (offset < size && used - 3 + strlen(names + offset) + 1 <= fake->part_size) {
        strcpy(body + used, names + offset);
        used += (uint32_t)strlen(names + offset) + 1;
        offset += (uint32_t)strlen(names + offset) + 1;
    }
    if (offset >= size) {
        body[used++] = 0;
    }
    fake_reply(fake, header, body, used);
}

static inline void fake_serve_node(struct fake *fake, const struct xsd_sockmsg *header,
                                   const char *path, const char *rest, uint32_t rest_size)
{
    struct fake_node *node = fake_find(fake, path);
    char names[8192];

    if (node == NULL && header->type != XS_WRITE && header->type != XS_MKDIR &&
        header->type != XS_DIRECTORY && header->type != XS_DIRECTORY_PART) {
        fake_error(fake, header, "ENOENT");
        return;
    }
    switch (header->type) {
    case XS_READ:
        fake_reply(fake, header, node->value, node->size);
        return;
    case XS_DIRECTORY:
        fake_reply(fake, header, names, fake_names(fake, path, names));
        return;
    case XS_DIRECTORY_PART:
        fake_part(fake, header, path, rest);
        return;
    case XS_GET_PERMS:
        fake_reply(fake, header, node->perms, node->perms_size);
        return;
    case XS_SET_PERMS:
        assert_true(rest_size <= sizeof(node->perms));
        memcpy(node->perms, rest, rest_size);
        node->perms_size = rest_size;
        break;
    case XS_RM:
        fake_remove(fake, path);
        break;
    default:
        fake_set(fake, path, rest, rest_size);
        break;
    }
    fake_reply(fake, header, "OK", 3);
    fake_fire(fake, path);
}

static inline void fake_serve_watch(struct fake *fake, const struct xsd_sockmsg *header,
                                    const char *path, const char *token)
{
    struct fake_watch **place = fake_watch_find(fake, path,
                                                header->type == XS_WATCH ? NULL : token);

    if (place == NULL) {
        fake_error(fake, header, header->type == XS_WATCH ? "E2BIG" : "ENOENT");
        return;
    }
    if (header->type == XS_UNWATCH) {
        free(*place);
        *place = NULL;
        fake_reply(fake, header, "OK", 3);
        return;
    }
    *place = calloc(1, sizeof(**place));
    strcpy((*place)->path, path);
    strcpy((*place)->token, token);
    fake_reply(fake, header, "OK", 3);
    fake_event(fake, path, token);
}

static inline void fake_serve_transaction(struct fake *fake, const struct xsd_sockmsg *header,
                                          const char *body)
{
    uint32_t *place = fake_transaction(fake,
                                       header->type == XS_TRANSACTION_START ? 0 : header->tx_id);
    char text[16];

    if (header->type == XS_TRANSACTION_START) {
        if (place == NULL) {
            fake_error(fake, header, "ENOSPC");
            return;
        }
        *place = ++fake->next_transaction;
        fake->open_transactions++;
        snprintf(text, sizeof(text), "%u", *place);
        fake_reply(fake, header, text, (uint32_t)strlen(text) + 1);
        return;
    }
    if (place == NULL) {
        fake_error(fake, header, "ENOENT");
        return;
    }
    *place = 0;
    fake->open_transactions--;
    if (body[0] == 'T' && fake->conflict != 0) {
        fake->conflict--;
        fake_error(fake, header, "EAGAIN");
        return;
    }
    fake_reply(fake, header, "OK", 3);
}

/* Answer one message, as xenstored would. */
static inline void fake_serve(struct fake *fake, const struct fake_message *message)
{
    struct xsd_sockmsg header;
    const char *body = (const char *)message->bytes + 16;
    char path[4100] = "";
    uint32_t path_size;

    memcpy(&header, message->bytes, sizeof(header));
    if (header.tx_id != 0 && header.type != XS_TRANSACTION_END &&
        fake_transaction(fake, header.tx_id) == NULL) {
        fake_error(fake, &header, "ENOENT");
        return;
    }
    if (header.len != 0) {
        memcpy(path, body, header.len);
    }
    path_size = (uint32_t)strlen(path);
    switch (header.type) {
    case XS_WATCH:
    case XS_UNWATCH:
        fake_serve_watch(fake, &header, path, body + path_size + 1);
        return;
    case XS_TRANSACTION_START:
    case XS_TRANSACTION_END:
        fake_serve_transaction(fake, &header, body);
        return;
    case XS_GET_DOMAIN_PATH:
        fake_reply(fake, &header, "/local/domain/7", 16);
        return;
    case XS_IS_DOMAIN_INTRODUCED:
        fake_reply(fake, &header, "T", 2);
        return;
    default:
        fake_serve_node(fake, &header, path, body + path_size + 1, header.len - path_size - 1);
        return;
    }
}

static inline int fake_send(void *context, const void *message, uint32_t size)
{
    struct fake *fake = context;
    struct fake_message *kept;
    struct xsd_sockmsg header;

    assert_in_range(size, 16, 16 + 4096);
    memcpy(&header, message, sizeof(header));
    assert_int_equal(header.len, size - 16);
    if (fake->refuse) {
        return -BLANKET_EAGAIN;
    }
    assert_true(fake->sent_count < FAKE_SENT);
    kept = &fake->sent[fake->sent_count];
    memcpy(kept->bytes, message, size);
    kept->size = size;
    fake->total++;
    if (fake->asynchronous) {
        fake->sent_count++;
    } else {
        fake_serve(fake, kept);
    }
    return 0;
}

static inline void fake_signal(void *context, uint64_t cookie, uint32_t port)
{
    struct fake *fake = context;

    fake->event_count++;
    if (cookie < 8 && port < 64) {
        fake->events[cookie][port]++;
    }
}

/* Answer the message at `index` of those that wait. */
static inline void fake_answer(struct fake *fake, uint32_t index)
{
    struct fake_message message;

    assert_true(index < fake->sent_count);
    message = fake->sent[index];
    fake->sent_count--;
    memmove(&fake->sent[index], &fake->sent[index + 1],
            (fake->sent_count - index) * sizeof(message));
    fake_serve(fake, &message);
}

static inline void fake_answer_all(struct fake *fake)
{
    while (fake->sent_count != 0) {
        fake_answer(fake, 0);
    }
}

static inline struct xsd_sockmsg fake_header(struct fake *fake, uint32_t index)
{
    struct xsd_sockmsg header;

    assert_true(index < fake->sent_count || !fake->asynchronous);
    memcpy(&header, fake->sent[index].bytes, sizeof(header));
    return header;
}

static inline const char *fake_body(struct fake *fake, uint32_t index)
{
    return (const char *)fake->sent[index].bytes + 16;
}

static const struct blanket_store_ops fake_ops = {fake_send, fake_signal};
static const struct blanket_store_limits fake_limits = {.views = 4,
                                                        .connections = 16,
                                                        .watches = 32,
                                                        .transactions = 4,
                                                        .requests = 8,
                                                        .queue_size = 16384};

static inline void fake_begin(struct fake *fake, const struct blanket_store_limits *limits)
{
    size_t size = blanket_store_size(limits);

    memset(fake, 0, sizeof(*fake));
    assert_true(size != 0);
    fake->memory = aligned_alloc(16, size);
    memset(fake->memory, 0, size);
    fake->sent = malloc(FAKE_SENT * sizeof(*fake->sent));
    fake->part_size = 4000;
    assert_int_equal(blanket_store_init(fake->memory, limits, &fake_ops, fake, &fake->store), 0);
    fake_set(fake, FRONTEND, "", 0);
    fake_set(fake, FRONTEND "/backend", BACKEND, sizeof(BACKEND) - 1);
    fake_set(fake, FRONTEND "/backend-id", "0", 1);
    fake_set(fake, FRONTEND "/state", "1", 1);
    fake_set(fake, BACKEND, "", 0);
    fake_set(fake, BACKEND "/frontend", FRONTEND, sizeof(FRONTEND) - 1);
    fake_set(fake, BACKEND "/frontend-id", "7", 1);
    fake_set(fake, BACKEND "/state", "2", 1);
    fake_set(fake, BACKEND "/sectors", "2048", 4);
}

static inline void fake_end(struct fake *fake)
{
    uint32_t i;

    for (i = 0; i < FAKE_WATCHES; i++) {
        free(fake->watches[i]);
    }
    for (i = 0; i < FAKE_NODES; i++) {
        free(fake->nodes[i]);
    }
    free(fake->sent);
    free(fake->memory);
}

#define FAKE_RIGHTS_ALL                                                                            \
    ((1u << BLANKET_RIGHT_STORE_READ) | (1u << BLANKET_RIGHT_STORE_WRITE) |                        \
     (1u << BLANKET_RIGHT_STORE_WATCH))
#define FAKE_RIGHTS_READ ((1u << BLANKET_RIGHT_STORE_READ) | (1u << BLANKET_RIGHT_STORE_WATCH))

static inline struct blanket_store_view_spec fake_spec(uint64_t cookie)
{
    struct blanket_store_view_spec spec;

    memset(&spec, 0, sizeof(spec));
    spec.roots[BLANKET_ROOT_FRONTEND].path = FRONTEND;
    spec.roots[BLANKET_ROOT_FRONTEND].rights = FAKE_RIGHTS_ALL;
    spec.roots[BLANKET_ROOT_BACKEND].path = BACKEND;
    spec.roots[BLANKET_ROOT_BACKEND].rights = FAKE_RIGHTS_READ;
    spec.cookie = cookie;
    spec.self_domid = 7;
    spec.peer_domid = 0;
    spec.grant_base = 1000;
    spec.connections = 3;
    spec.requests = 8;
    spec.watches = 6;
    spec.transactions = 2;
    return spec;
}

/* A view that is the store's whole, for administration. */
static inline struct blanket_store_view_spec fake_raw_spec(uint64_t cookie)
{
    struct blanket_store_view_spec spec = fake_spec(cookie);

    memset(spec.roots, 0, sizeof(spec.roots));
    spec.roots[BLANKET_ROOT_ALL].path = "/";
    spec.roots[BLANKET_ROOT_ALL].rights = FAKE_RIGHTS_ALL;
    spec.flags = BLANKET_STORE_VIEW_RAW;
    return spec;
}

static inline int caller_call(struct caller *caller, uint16_t verb, uint16_t item_count,
                              const void *payload, size_t size)
{
    struct blanket_call *call = &caller->call;
    uint8_t *copy = malloc(size + 1); /* of exact size, but for an empty one */
    uint8_t *reply = malloc(caller->reply_max + 1u);
    int status;

    if (size != 0) {
        memcpy(copy, payload, size);
        copy = realloc(copy, size);
    }
    memset(call, 0, sizeof(*call));
    call->verb = verb;
    call->element_count = 1;
    call->element_items = item_count;
    call->endpoint = caller->view;
    call->items = caller->items;
    call->results = &caller->result;
    call->payload = size == 0 ? NULL : copy;
    call->payload_size = (uint16_t)size;
    call->reply = caller->reply_max == 0 ? NULL : reply;
    call->reply_max = caller->reply_max;
    caller->result = 0x5555555555555555ull;
    status = blanket_store_call(caller->fake->store, call);
    memcpy(caller->reply, reply, call->reply_size);
    memset(&caller->header, 0, sizeof(caller->header));
    memset(caller->body, 0, sizeof(caller->body));
    if (call->reply_size >= 16) {
        memcpy(&caller->header, caller->reply, 16);
        memcpy(caller->body, caller->reply + 16,
               caller->header.len <= 4096 ? caller->header.len : 4096);
    }
    free(copy);
    free(reply);
    if (status == 0) {
        assert_int_equal(call->done, 1);
        status = blanket_result_status(caller->result);
    } else {
        assert_int_equal(call->done, 0);
    }
    return status;
}

static inline uint64_t caller_port(const struct caller *caller)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, caller->port, caller->generation);
}

static inline int caller_connect(struct caller *caller)
{
    caller->items[0] = caller_port(caller);
    return caller_call(caller, BLANKET_VERB_STORE_CONNECT, 1, NULL, 0);
}

static inline int caller_disconnect(struct caller *caller)
{
    caller->items[0] = caller_port(caller);
    return caller_call(caller, BLANKET_VERB_STORE_DISCONNECT, 1, NULL, 0);
}

/* header and body are of the first message, all are in reply[0..call.reply_size). */
static inline int caller_receive(struct caller *caller)
{
    caller->items[0] = caller_port(caller);
    return caller_call(caller, BLANKET_VERB_STORE_RECEIVE, 1, NULL, 0);
}

static inline void caller_request(struct caller *caller, uint32_t type)
{
    caller->items[0] = caller_port(caller);
    caller->items[1] = blanket_item(BLANKET_ITEM_REQUEST, 0,
                                    (uint64_t)type << 32 | ++caller->req_id);
}

static inline int caller_ask(struct caller *caller, uint16_t verb, uint32_t type, unsigned root,
                             uint32_t transaction, const void *payload, size_t size)
{
    caller_request(caller, type);
    caller->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, root);
    caller->items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, transaction);
    return caller_call(caller, verb, 4, payload, size);
}

static inline int caller_read(struct caller *caller, uint32_t type, unsigned root, const char *path)
{
    return caller_ask(caller, BLANKET_VERB_STORE_READ, type, root, 0, path, strlen(path) + 1);
}

static inline int caller_write(struct caller *caller, const char *path, const char *value)
{
    char payload[8192];
    size_t size = strlen(path) + 1;

    memcpy(payload, path, size);
    memcpy(payload + size, value, strlen(value));
    return caller_ask(caller, BLANKET_VERB_STORE_WRITE, XS_WRITE, BLANKET_ROOT_FRONTEND, 0, payload,
                      size + strlen(value));
}

static inline int caller_watch(struct caller *caller, uint32_t type, unsigned root, uint32_t id,
                               const char *path)
{
    caller_request(caller, type);
    caller->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, root);
    caller->items[3] = blanket_item(BLANKET_ITEM_WATCH, 0, id);
    return caller_call(caller, BLANKET_VERB_STORE_WATCH, 4, path,
                       path == NULL ? 0 : strlen(path) + 1);
}

static inline int caller_transact(struct caller *caller, uint32_t type, uint32_t id,
                                  const char *text)
{
    caller_request(caller, type);
    caller->items[2] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, id);
    return caller_call(caller, BLANKET_VERB_STORE_TRANSACT, 3, text,
                       text == NULL ? 0 : strlen(text) + 1);
}

/* The answer came along, and is this. */
static inline void caller_told(struct caller *caller, uint32_t type, const void *body, size_t size)
{
    assert_int_equal(blanket_result_value(caller->result), 1);
    assert_int_equal(caller->header.type, type);
    assert_int_equal(caller->header.req_id, caller->req_id);
    assert_int_equal(caller->header.len, size);
    assert_memory_equal(caller->body, body, size);
}

static inline void caller_error(struct caller *caller, const char *error)
{
    caller_told(caller, XS_ERROR, error, strlen(error) + 1);
}

/* One message is there to receive, and is this; RECEIVE says whether there are more. */
static inline void caller_takes(struct caller *caller, uint32_t type, uint32_t id, const void *body,
                                size_t size)
{
    uint16_t room = caller->reply_max;

    caller->reply_max = (uint16_t)(16 + size);
    assert_int_equal(caller_receive(caller), 0);
    caller->reply_max = room;
    assert_int_equal(caller->call.reply_size, 16 + size);
    assert_int_equal(caller->header.type, type);
    assert_int_equal(caller->header.req_id, id);
    assert_int_equal(caller->header.len, size);
    assert_memory_equal(caller->body, body, size);
}

static inline void caller_takes_nothing(struct caller *caller)
{
    assert_int_equal(caller_receive(caller), 0);
    assert_int_equal(caller->call.reply_size, 0);
    assert_int_equal(blanket_result_value(caller->result), 0);
}

static inline void caller_begin(struct caller *caller, struct fake *fake, uint64_t view,
                                uint32_t port)
{
    memset(caller, 0, sizeof(*caller));
    caller->fake = fake;
    caller->view = view;
    caller->port = port;
    caller->generation = 1;
    caller->reply_max = 16 + 4096;
    caller->req_id = 100 * port;
}

static inline uint64_t fake_view(struct fake *fake, const struct blanket_store_view_spec *spec)
{
    uint64_t view = 0;

    assert_int_equal(blanket_store_view_add(fake->store, spec, &view), 0);
    return view;
}

/* A store, one view of a frontend, one connection of it. */
static inline void start(struct fake *fake, struct caller *caller)
{
    struct blanket_store_view_spec spec = fake_spec(1);

    fake_begin(fake, &fake_limits);
    caller_begin(caller, fake, fake_view(fake, &spec), 3);
    assert_int_equal(caller_connect(caller), 0);
}

/* Everything ends, and nothing is left of it below. */
static inline void stop(struct fake *fake, struct caller *caller)
{
    int status = caller_disconnect(caller);

    fake->refuse = false;
    blanket_store_ready(fake->store);
    fake_answer_all(fake);
    assert_true(status == 0 || status == -BLANKET_EBUSY);
    assert_int_equal(caller_disconnect(caller), 0);
    assert_int_equal(blanket_store_view_remove(fake->store, caller->view), 0);
    assert_int_equal(fake_watch_count(fake), 0);
    assert_int_equal(fake->open_transactions, 0);
    fake_end(fake);
}

#endif
