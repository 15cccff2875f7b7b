/* SPDX-License-Identifier: MIT */
/*
 * The store's broker from both sides: two views whose callers say what they like, over a store that
 * answers what the bytes say. Above, each call gets an answer of blanket's, and what is received is
 * whole messages. Below, whatever callers do: messages are whole, their paths are within a root of a
 * view, no key that names a domain is asked for, and no more are outstanding than the store allows.
 *
 * Input, again and again: a byte (what), then what that needs.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <blanket/xenstore.h>
#include <xen/io/xs_wire.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VIEWS 2u
#define REQUESTS 4u
#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define SENT_MAX 64u

static const char *const roots[VIEWS][2] = {
    {"/local/domain/7/device/vbd/1", "/local/domain/0/backend/vbd/7/1"},
    {"/local/domain/7/device/vif/0", "/local/domain/0/backend/vif/7/0"},
};

struct sent {
    struct xsd_sockmsg header;
    char token[40]; /* of a WATCH */
};

struct run {
    struct blanket_store *store;
    uint64_t views[VIEWS];
    uint32_t generations[VIEWS][4]; /* of ports */
    uint8_t gone[VIEWS];
    struct sent sent[SENT_MAX]; /* not answered yet, oldest first */
    uint32_t sent_count;
    char token[40]; /* the last watch's */
    int refuse;
    const uint8_t *data;
    size_t size;
};

static void demand(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broker: %s\n", what);
        abort();
    }
}

static uint32_t take(struct run *run)
{
    if (run->size == 0) {
        return 0;
    }
    run->size--;
    return *run->data++;
}

/* --- below --- */

static int is_hidden(const char *component, size_t size)
{
    static const char *const hidden[] = {"backend", "backend-id", "frontend", "frontend-id"};
    size_t i;

    for (i = 0; i < 4; i++) {
        if (strlen(hidden[i]) == size && memcmp(hidden[i], component, size) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Within a root of a view, and none of the keys below it is hidden. */
static int path_is_allowed(const char *path)
{
    uint32_t view, root;

    for (view = 0; view < VIEWS; view++) {
        for (root = 0; root < 2; root++) {
            size_t size = strlen(roots[view][root]);
            const char *rest = path + size;

            if (strncmp(path, roots[view][root], size) != 0 || (*rest && *rest != '/')) {
                continue;
            }
            while (*rest) {
                size_t part = strcspn(++rest, "/");

                if (part == 0 || is_hidden(rest, part) || strcmp(rest, "..") == 0 ||
                    strncmp(rest, "../", 3) == 0) {
                    return 0;
                }
                rest += part;
            }
            return 1;
        }
    }
    return 0;
}

static int has_path(uint32_t type)
{
    return type == XS_READ || type == XS_WRITE || type == XS_MKDIR || type == XS_RM ||
           type == XS_DIRECTORY || type == XS_DIRECTORY_PART || type == XS_GET_PERMS ||
           type == XS_SET_PERMS || type == XS_WATCH || type == XS_UNWATCH;
}

static int store_send(void *context, const void *message, uint32_t size)
{
    struct run *run = context;
    const char *body = (const char *)message + sizeof(struct xsd_sockmsg);
    struct xsd_sockmsg header;
    struct sent *sent;
    size_t path;

    demand(size >= sizeof(header) && size <= MESSAGE_MAX, "a message of another size is sent");
    memcpy(&header, message, sizeof(header));
    demand(header.len == size - sizeof(header), "a message says another length");
    if (run->refuse) {
        return -BLANKET_EAGAIN;
    }
    if (has_path(header.type)) {
        path = strnlen(body, header.len);
        demand(path < header.len, "a path without an end");
        demand(path_is_allowed(body), "a path outside the views, or a hidden key");
    }
    demand(run->sent_count < REQUESTS, "more requests are outstanding than the store allows");
    sent = &run->sent[run->sent_count++];
    memset(sent, 0, sizeof(*sent));
    sent->header = header;
    if (header.type == XS_WATCH) {
        path = strlen(body) + 1;
        demand(path < header.len, "a watch without a token");
        snprintf(sent->token, sizeof(sent->token), "%.*s", (int)(header.len - path), body + path);
        memcpy(run->token, sent->token, sizeof(run->token));
    }
    return 0;
}

static void store_event(void *context, uint64_t cookie, uint32_t port)
{
    (void)context;
    demand(cookie < VIEWS && port < 64, "an event for nobody");
}

static uint32_t body_from(struct run *run, uint8_t *body)
{
    uint32_t size = take(run), i;

    size = size > run->size ? (uint32_t)run->size : size;
    for (i = 0; i < size; i++) {
        body[i] = (uint8_t)take(run);
    }
    return size;
}

static void input(struct run *run, const struct xsd_sockmsg *header, const uint8_t *body,
                  uint32_t size)
{
    uint8_t *message = malloc(sizeof(*header) + size); /* of exact size: one byte too far is seen */

    demand(message != NULL, "no memory");
    memcpy(message, header, sizeof(*header));
    memcpy(message + sizeof(*header), body, size);
    blanket_store_input(run->store, message, (uint32_t)sizeof(*header) + size);
    free(message);
}

/* The oldest request (or another) is answered, as it should be or not. */
static void answer(struct run *run)
{
    uint8_t body[256] = "OK";
    uint32_t how = take(run), which, size = 3;
    struct xsd_sockmsg header;

    if (run->sent_count == 0) {
        return;
    }
    which = how >> 4 < run->sent_count ? how >> 4 : 0;
    header = run->sent[which].header;
    memmove(&run->sent[which], &run->sent[which + 1],
            (run->sent_count - which - 1) * sizeof(run->sent[0]));
    run->sent_count--;
    switch (how & 7u) {
    case 0:
    case 1:
        if (header.type == XS_TRANSACTION_START) {
            size = (uint32_t)snprintf((char *)body, sizeof(body), "%u", 1 + take(run)) + 1;
        }
        break;
    case 2:
        header.type = XS_ERROR;
        size = (uint32_t)snprintf((char *)body, sizeof(body), "%s",
                                  how & 8u ? "EAGAIN" : "ENOENT") +
               1;
        break;
    case 3:
        header.type = take(run);
        size = body_from(run, body);
        break;
    default:
        size = body_from(run, body);
        break;
    }
    header.len = size;
    if ((how & 15u) == 15u) {
        header.len = take(run) << (take(run) % 24u);
    }
    input(run, &header, body, size);
}

/* Nobody asked. */
static void say_something(struct run *run)
{
    uint8_t body[256 + 40];
    uint32_t how = take(run), size;
    struct xsd_sockmsg header;

    memset(&header, 0, sizeof(header));
    if (how & 1u) {
        header.type = XS_WATCH_EVENT;
        size = (uint32_t)snprintf((char *)body, sizeof(body), "%s/%s%c%s",
                                  roots[how >> 7][(how >> 6) & 1u], how & 2u ? "state" : "backend",
                                  0, run->token) +
               1;
        header.len = size;
    } else {
        header.type = take(run);
        header.req_id = take(run) | take(run) << 8 | take(run) << 16;
        header.tx_id = take(run);
        size = body_from(run, body);
        header.len = how & 2u ? size : take(run) << (how >> 3);
    }
    input(run, &header, body, size);
}

/* --- above --- */

/* What is received: whole messages, one after the other. */
static void check_reply(const uint8_t *reply, uint32_t size)
{
    struct xsd_sockmsg header;

    while (size) {
        demand(size >= sizeof(header), "a part of a header is received");
        memcpy(&header, reply, sizeof(header));
        demand(header.len <= XENSTORE_PAYLOAD_MAX && header.len <= size - sizeof(header),
               "a part of a message is received");
        reply += sizeof(header) + header.len;
        size -= (uint32_t)sizeof(header) + header.len;
    }
}

static int call_store(struct run *run, uint32_t view, uint16_t verb, const uint64_t *items,
                      uint32_t count, const uint8_t *payload, uint32_t size)
{
    static uint8_t reply[MESSAGE_MAX];
    uint64_t result = blanket_result(-9999, 0);
    struct blanket_call call;
    int status;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.element_count = 1;
    call.element_items = (uint16_t)count;
    call.endpoint = run->views[view];
    call.items = items;
    call.results = &result;
    call.payload = payload;
    call.payload_size = (uint16_t)size;
    call.reply = reply;
    call.reply_max = take(run) & 1u ? sizeof(reply) : (uint16_t)take(run);
    status = blanket_store_call(run->store, &call);
    demand(status <= 0 && status > -200, "a call's status isn't one");
    demand(call.reply_size <= call.reply_max, "a reply is longer than its room");
    check_reply(reply, call.reply_size);
    if (status == 0) {
        status = blanket_result_status(result);
        demand(call.done == 1 && status <= 0 && status > -200, "a result isn't one");
    }
    return status;
}

static uint64_t request_item(uint32_t type, uint32_t id)
{
    return blanket_item(BLANKET_ITEM_REQUEST, 0, ((uint64_t)type << 32) | id);
}

static void call_above(struct run *run)
{
    static const uint16_t verbs[] = {
        BLANKET_VERB_STORE_CONNECT,    BLANKET_VERB_STORE_DISCONNECT,
        BLANKET_VERB_STORE_RECEIVE,    BLANKET_VERB_STORE_READ,
        BLANKET_VERB_STORE_WRITE,      BLANKET_VERB_STORE_WRITE_GRANT,
        BLANKET_VERB_STORE_WRITE_PORT, BLANKET_VERB_STORE_WATCH,
        BLANKET_VERB_STORE_TRANSACT,
    };
    static const uint8_t item_counts[] = {1, 1, 1, 4, 4, 5, 5, 4, 3};
    static const unsigned last[] = {BLANKET_ITEM_TRANSACTION, BLANKET_ITEM_WATCH};
    uint32_t how = take(run), index = take(run) & 3u, which = how % 9u, view = how >> 7;
    uint32_t type = take(run), id = take(run), more = take(run);
    uint8_t payload[256];
    uint32_t size = which >= 3 ? body_from(run, payload) : 0;
    uint64_t items[5];

    if (run->gone[view]) {
        return;
    }
    if (which == 0) {
        run->generations[view][index] += 1 + (more & 1u);
    }
    items[0] = blanket_item_slot(BLANKET_ITEM_PORT, index, run->generations[view][index]);
    items[1] = request_item(type % 30, id);
    items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, more & 3u);
    items[3] = blanket_item(last[verbs[which] == BLANKET_VERB_STORE_WATCH], 0, (more >> 2) & 7u);
    items[4] = verbs[which] == BLANKET_VERB_STORE_WRITE_PORT
                   ? blanket_item_slot(BLANKET_ITEM_PORT, more >> 4, 1)
                   : blanket_item_slot(BLANKET_ITEM_GRANT, more >> 4, 1);
    if (verbs[which] == BLANKET_VERB_STORE_TRANSACT) {
        items[2] = items[3];
    }
    (void)call_store(run, view, verbs[which], items, item_counts[which], payload, size);
}

/* --- what happens --- */

static void step(struct run *run)
{
    uint32_t op = take(run), view = op >> 7;

    switch (op & 15u) {
    case 0:
    case 1:
    case 2:
    case 3:
        answer(run);
        break;
    case 4:
        say_something(run);
        break;
    case 5:
        run->refuse = (int)(op >> 4) & 1;
        blanket_store_ready(run->store);
        break;
    case 6:
        if (op >> 4 == 1) {
            run->sent_count = 0;
            blanket_store_lost(run->store);
        }
        break;
    case 7:
        if ((op >> 4 & 7u) == 1 && !run->gone[view]) {
            run->gone[view] = blanket_store_view_remove(run->store, run->views[view]) == 0;
        }
        break;
    default:
        call_above(run);
        break;
    }
}

static void open_run(struct run *run, void **memory)
{
    static const struct blanket_store_limits limits = {.views = VIEWS,
                                                       .connections = 6,
                                                       .watches = 6,
                                                       .transactions = 3,
                                                       .requests = REQUESTS,
                                                       .queue_size = 4128};
    static const struct blanket_store_ops ops = {.send = store_send, .event = store_event};
    const uint32_t rights = (1u << BLANKET_RIGHT_STORE_READ) | (1u << BLANKET_RIGHT_STORE_WRITE) |
                            (1u << BLANKET_RIGHT_STORE_WATCH);
    uint32_t i;

    if (posix_memalign(memory, 16, blanket_store_size(&limits))) {
        abort();
    }
    memset(*memory, 0, blanket_store_size(&limits));
    demand(blanket_store_init(*memory, &limits, &ops, run, &run->store) == 0, "there is no engine");
    for (i = 0; i < VIEWS; i++) {
        struct blanket_store_view_spec spec = {.cookie = i,
                                               .self_domid = 7,
                                               .connections = 3,
                                               .requests = 4,
                                               .watches = 3,
                                               .transactions = 2,
                                               .grant_base = 8 + 100 * i};

        spec.roots[BLANKET_ROOT_FRONTEND].path = roots[i][0];
        spec.roots[BLANKET_ROOT_FRONTEND].rights = rights;
        spec.roots[BLANKET_ROOT_BACKEND].path = roots[i][1];
        spec.roots[BLANKET_ROOT_BACKEND].rights = rights & ~(1u << BLANKET_RIGHT_STORE_WRITE);
        demand(blanket_store_view_add(run->store, &spec, &run->views[i]) == 0, "there is no view");
    }
}

/* The views go, and a store that answers everything lets them. */
static void close_run(struct run *run)
{
    static const uint8_t ok[] = "OK";
    uint32_t view, rounds;

    /* Requests whose answers were nonsense are outstanding for ever: a new connection ends them. */
    run->refuse = 0;
    run->sent_count = 0;
    blanket_store_lost(run->store);
    blanket_store_ready(run->store);
    for (view = 0; view < VIEWS; view++) {
        for (rounds = 0; !run->gone[view] && rounds < 1000; rounds++) {
            run->gone[view] = blanket_store_view_remove(run->store, run->views[view]) == 0;
            while (run->sent_count) {
                struct xsd_sockmsg header = run->sent[0].header;
                uint8_t body[8] = "1";
                uint32_t size = header.type == XS_TRANSACTION_START ? 2 : sizeof(ok);

                memmove(&run->sent[0], &run->sent[1], --run->sent_count * sizeof(run->sent[0]));
                if (header.type != XS_TRANSACTION_START) {
                    memcpy(body, ok, sizeof(ok));
                }
                header.len = size;
                input(run, &header, body, size);
            }
        }
        demand(run->gone[view], "a view never goes");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run;
    void *memory;

    memset(&run, 0, sizeof(run));
    run.data = data;
    run.size = size;
    open_run(&run, &memory);
    while (run.size) {
        step(&run);
    }
    close_run(&run);
    free(memory);
    return 0;
}
