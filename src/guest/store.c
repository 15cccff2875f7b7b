/* SPDX-License-Identifier: MIT */
/*
 * The store, asynchronous: requests go out as calls, messages come in by RECEIVE or along with the
 * reply of a call. Whatever comes in is checked, and fits a request or watch or is dropped.
 */
#include "guest_private.h"

#define REQUEST_PENDING 1u
#define REQUEST_FINISHED 2u /* poll has to make its call */
#define REQUEST_DONE 3u

#define HEADER_SIZE 16u
/* Calls of RECEIVE in one poll: a level that always has more doesn't keep its caller for ever. */
#define RECEIVE_MAX 64u

/* struct xsd_sockmsg */
struct message {
    uint32_t type, id, transaction, size;
};

int blanket_guest_store_connect(struct blanket_guest_store *store,
                                struct blanket_guest_device *device, int (*wait)(void *context),
                                void *wait_context)
{
    uint32_t value;

    memset(store, 0, sizeof(*store));
    store->device = device;
    store->wait = wait;
    store->wait_context = wait_context;
    store->finished_end = &store->finished;
    return blanket_guest_port_create(device, BLANKET_VERB_STORE_CONNECT, 0, &store->port, &value);
}

uint32_t blanket_guest_store_port(const struct blanket_guest_store *store)
{
    return store->port;
}

uint32_t blanket_guest_store_garbage(const struct blanket_guest_store *store)
{
    return store->garbage;
}

int blanket_guest_request_done(const struct blanket_guest_request *request)
{
    return request->state == REQUEST_DONE;
}

static void request_finish(struct blanket_guest_store *store, struct blanket_guest_request *request,
                           int status)
{
    request->status = status;
    request->next = NULL;
    if (request->done == NULL) {
        request->state = REQUEST_DONE;
        return;
    }
    request->state = REQUEST_FINISHED;
    *store->finished_end = request;
    store->finished_end = &request->next;
}

static void finished_call(struct blanket_guest_store *store)
{
    while (store->finished != NULL) {
        struct blanket_guest_request *request = store->finished;

        store->finished = request->next;
        if (store->finished == NULL) {
            store->finished_end = &store->finished;
        }
        request->state = REQUEST_DONE;
        request->done(request);
    }
}

/* 0: there is no old connection, any more. */
static int old_leave(struct blanket_guest_store *store)
{
    int rc = 0;

    if (store->old) {
        rc = blanket_guest_port_destroy(store->device, BLANKET_VERB_STORE_DISCONNECT,
                                        store->old_port);
        store->old = rc != 0;
    }
    return rc;
}

/* Nobody will answer any more. */
static void pending_fail(struct blanket_guest_store *store)
{
    struct blanket_guest_request *request = store->pending;

    store->pending = NULL;
    store->watches = NULL;
    while (request != NULL) {
        struct blanket_guest_request *next = request->next;

        request_finish(store, request, -BLANKET_ENOTCONN);
        request = next;
    }
    finished_call(store);
}

int blanket_guest_store_disconnect(struct blanket_guest_store *store)
{
    int rc;

    pending_fail(store);
    rc = old_leave(store);
    return rc != 0 ? rc
                   : blanket_guest_port_destroy(store->device, BLANKET_VERB_STORE_DISCONNECT,
                                                store->port);
}

int blanket_guest_store_reconnect(struct blanket_guest_store *store)
{
    uint32_t port, value;
    int rc;

    if (store->polling || old_leave(store) != 0) {
        return -BLANKET_EBUSY;
    }
    rc = blanket_guest_port_create(store->device, BLANKET_VERB_STORE_CONNECT, 0, &port, &value);
    if (rc == -BLANKET_EIO) {
        store->old_port = port; /* it may be there: it is left again */
        store->old = 1;
    }
    if (rc != 0) {
        return rc;
    }
    store->old_port = store->port;
    store->old = 1;
    store->port = port;
    pending_fail(store);
    (void)old_leave(store);
    return 0;
}

/* Take the request out of those that wait. 0: it wasn't there. */
static int pending_remove(struct blanket_guest_store *store,
                          const struct blanket_guest_request *request)
{
    struct blanket_guest_request **link = &store->pending;

    while (*link != NULL && *link != request) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        return 0;
    }
    *link = request->next;
    return 1;
}

/* ---- what comes in ---- */

static void reply_take(struct blanket_guest_store *store, struct blanket_guest_request *request,
                       const struct message *message, const uint8_t *body)
{
    int status = 0;

    (void)pending_remove(store, request);
    request->error = 0;
    request->reply_size = 0;
    if (message->type == BLANKET_GUEST_XS_ERROR) {
        request->error = blanket_guest_store_error_parse(body, message->size);
    } else {
        request->reply_size = message->size;
        if (message->size <= request->reply_max && message->size != 0) {
            memcpy(request->reply, body, message->size);
        } else if (message->size > request->reply_max && request->reply_max != 0) {
            status = -BLANKET_EOVERFLOW;
        }
    }
    request_finish(store, request, status);
}

static void event_take(struct blanket_guest_store *store, const struct message *message,
                       const uint8_t *body)
{
    struct blanket_guest_watch *watch = store->watches;

    while (watch != NULL && watch->id != message->id) {
        watch = watch->next;
    }
    if (watch == NULL || message->size == 0 || body[message->size - 1] != '\0') {
        store->garbage++;
        return;
    }
    watch->changed(watch, (const char *)body);
}

static int reply_fits(const struct message *message, const struct blanket_guest_request *request)
{
    if (message->id != request->id) {
        return 0;
    }
    if (message->transaction != request->transaction &&
        (message->transaction != 0 || request->type != BLANKET_GUEST_XS_TRANSACTION_START)) {
        return 0;
    }
    return message->type == request->type || message->type == BLANKET_GUEST_XS_ERROR;
}

static void message_take(struct blanket_guest_store *store, const struct message *message,
                         const uint8_t *body)
{
    struct blanket_guest_request *request = store->pending;

    if (message->type == BLANKET_GUEST_XS_WATCH_EVENT) {
        event_take(store, message, body);
        return;
    }
    while (request != NULL && request->id != message->id) {
        request = request->next;
    }
    if (request == NULL || !reply_fits(message, request)) {
        store->garbage++;
        return;
    }
    reply_take(store, request, message, body);
}

/* Whole messages, one after the other. */
static void messages_take(struct blanket_guest_store *store, const uint8_t *bytes, uint32_t size)
{
    while (size != 0) {
        struct message message;

        if (size < HEADER_SIZE) {
            store->garbage++;
            return;
        }
        memcpy(&message, bytes, HEADER_SIZE);
        if (message.size > size - HEADER_SIZE) {
            store->garbage++;
            return;
        }
        message_take(store, &message, bytes + HEADER_SIZE);
        bytes += HEADER_SIZE + message.size;
        size -= HEADER_SIZE + message.size;
    }
}

/* One RECEIVE into store->message. 1: more wait; *size bytes came. */
static int receive(struct blanket_guest_store *store, uint32_t *size)
{
    struct blanket_guest_device *device = store->device;
    struct blanket_guest *guest = device->guest;
    struct blanket_call call;
    int rc;

    if (!blanket_guest_table_used(&device->ports, store->port)) {
        return -BLANKET_ENOTCONN;
    }
    memset(&call, 0, sizeof(call));
    guest->items[0] = blanket_guest_table_item(&device->ports, BLANKET_ITEM_PORT, store->port);
    call.verb = BLANKET_VERB_STORE_RECEIVE;
    call.endpoint = device->endpoint;
    call.items = guest->items;
    call.results = guest->results;
    call.element_count = 1;
    call.element_items = 1;
    call.reply = store->message;
    call.reply_max = BLANKET_PAYLOAD_SIZE_MAX;
    rc = blanket_guest_call(guest, &call);
    if (rc == 0) {
        rc = blanket_result_status(guest->results[0]);
    }
    if (rc != 0) {
        return rc;
    }
    *size = call.reply_size;
    return blanket_result_value(guest->results[0]) == 1;
}

int blanket_guest_store_poll(struct blanket_guest_store *store)
{
    int more = 1;

    if (store->polling) {
        return 0;
    }
    store->polling = 1;
    (void)old_leave(store);
    finished_call(store);
    for (uint32_t i = 0; more == 1 && i < RECEIVE_MAX; i++) {
        uint32_t size = 0;

        more = receive(store, &size);
        if (more >= 0) {
            messages_take(store, store->message, size);
            finished_call(store);
        }
    }
    store->polling = 0;
    return more;
}

/* ---- what goes out ---- */

/* The items of a request. Returns how many; 0: the request isn't one. */
static uint32_t request_items(struct blanket_guest_store *store,
                              const struct blanket_guest_request *request, uint64_t *items)
{
    struct blanket_guest_device *device = store->device;
    uint64_t transaction = blanket_item(BLANKET_ITEM_TRANSACTION, 0, request->transaction);
    uint64_t root = blanket_item(BLANKET_ITEM_ROOT, 0, request->root);

    items[0] = blanket_guest_table_item(&device->ports, BLANKET_ITEM_PORT, store->port);
    items[1] = blanket_item(BLANKET_ITEM_REQUEST, 0,
                            ((uint64_t)(request->type & 0xffffu) << 32) | request->id);
    items[2] = root;
    items[3] = transaction;
    switch (request->verb) {
    case BLANKET_VERB_STORE_READ:
    case BLANKET_VERB_STORE_WRITE:
        return 4;
    case BLANKET_VERB_STORE_WRITE_GRANT:
        if (!blanket_guest_table_used(&device->grants, request->index)) {
            return 0;
        }
        items[4] = blanket_guest_table_item(&device->grants, BLANKET_ITEM_GRANT, request->index);
        return 5;
    case BLANKET_VERB_STORE_WRITE_PORT:
        if (!blanket_guest_table_used(&device->ports, request->index)) {
            return 0;
        }
        items[4] = blanket_guest_table_item(&device->ports, BLANKET_ITEM_PORT, request->index);
        return 5;
    case BLANKET_VERB_STORE_WATCH:
        items[3] = blanket_item(BLANKET_ITEM_WATCH, 0, request->watch);
        return 4;
    case BLANKET_VERB_STORE_TRANSACT:
        items[2] = transaction;
        return 3;
    default:
        return 0;
    }
}

/* The level says that the reply came along: that, and nothing else, has to be there. */
static int reply_along(struct blanket_guest_store *store, struct blanket_guest_request *request,
                       const uint8_t *bytes, uint32_t size)
{
    struct message message;

    if (size < HEADER_SIZE) {
        return -BLANKET_EIO;
    }
    memcpy(&message, bytes, HEADER_SIZE);
    if (message.size != size - HEADER_SIZE || !reply_fits(&message, request)) {
        return -BLANKET_EIO;
    }
    reply_take(store, request, &message, bytes + HEADER_SIZE);
    return 0;
}

/* Issue it. `pending` already has the request, since its reply may come along. */
static int request_send(struct blanket_guest_store *store, struct blanket_guest_request *request,
                        uint32_t item_count)
{
    struct blanket_guest *guest = store->device->guest;
    struct blanket_call call;
    int rc;

    memset(&call, 0, sizeof(call));
    call.verb = request->verb;
    call.endpoint = store->device->endpoint;
    call.items = guest->items;
    call.results = guest->results;
    call.element_count = 1;
    call.element_items = (uint16_t)item_count;
    call.payload = (const uint8_t *)request->payload;
    call.payload_size = (uint16_t)request->payload_size;
    /* In a callback of poll `message` is in use; else `scratch` may be the payload. */
    call.reply = store->polling ? store->scratch : store->message;
    call.reply_max = BLANKET_PAYLOAD_SIZE_MAX;
    rc = blanket_guest_call(guest, &call);
    if (rc == 0) {
        rc = blanket_result_status(guest->results[0]);
    }
    if (rc == 0 && blanket_result_value(guest->results[0]) == 1) {
        rc = reply_along(store, request, call.reply, call.reply_size);
    }
    return rc;
}

int blanket_guest_store_submit(struct blanket_guest_store *store,
                               struct blanket_guest_request *request)
{
    uint32_t item_count;
    int rc;

    if (!blanket_guest_table_used(&store->device->ports, store->port)) {
        return -BLANKET_ENOTCONN;
    }
    if (request->payload_size > BLANKET_GUEST_STORE_BODY_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    request->id = ++store->next_request;
    item_count = request_items(store, request, store->device->guest->items);
    if (item_count == 0) {
        return -BLANKET_EINVAL;
    }
    request->status = 0;
    request->error = 0;
    request->reply_size = 0;
    request->state = REQUEST_PENDING;
    request->next = store->pending;
    store->pending = request;
    rc = request_send(store, request, item_count);
    if (rc != 0) {
        (void)pending_remove(store, request);
        request->state = 0;
    }
    return rc;
}

int blanket_guest_store_run(struct blanket_guest_store *store,
                            struct blanket_guest_request *request)
{
    int rc;

    if (store->polling) {
        return -BLANKET_EBUSY;
    }
    request->done = NULL;
    for (;;) {
        rc = blanket_guest_store_submit(store, request);
        if ((rc != -BLANKET_EAGAIN && rc != -BLANKET_ENOSPC) || store->wait == NULL) {
            break;
        }
        rc = blanket_guest_store_poll(store);
        if (rc == 0) {
            rc = store->wait(store->wait_context);
        }
        if (rc < 0) {
            break;
        }
    }
    while (rc >= 0 && request->state != REQUEST_DONE) {
        rc = blanket_guest_store_poll(store);
        if (rc == 0 && request->state != REQUEST_DONE) {
            rc = store->wait != NULL ? store->wait(store->wait_context) : -BLANKET_EAGAIN;
        }
    }
    if (rc < 0) {
        (void)pending_remove(store, request);
        return rc;
    }
    return request->status != 0 ? request->status : request->error;
}
