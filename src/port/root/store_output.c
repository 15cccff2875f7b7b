/* SPDX-License-Identifier: MIT */
/*
 * What goes out to a connection: replies and watch events, in order.
 *
 * A reply always has room: the connection was made with as many small ones as it may leave unread.
 * An event always has room too: each watch was made with one message on its own path, which stands
 * for any that find no memory or no place in the queue. So nothing is lost without a trace, and a
 * reader that never reads holds a bounded amount (XSA-326, XSA-416).
 */
#include "store_private.h"

_Static_assert(offsetof(struct store_message, payload) ==
                   offsetof(struct store_message, header) + sizeof(struct xsd_sockmsg),
               "a message is its header and its payload, in one piece");

static struct store_message *message_make(struct blanket_root_store *store, uint32_t capacity)
{
    struct store_message *message = blanket_root_store_arena_allocate(&store->arena,
                                                                      sizeof(*message) + capacity);

    if (message != NULL) {
        memset(message, 0, sizeof(*message));
        message->capacity = capacity;
    }
    return message;
}

/* Gives a message that is in no queue back, to the pool or to the arena. */
static void message_free(struct blanket_root_store_connection *connection,
                         struct store_message *message)
{
    connection->domain->memory_size -= message->charge;
    message->charge = 0;
    if (message->pooled) {
        message->next = connection->pool;
        connection->pool = message;
    } else {
        blanket_root_store_arena_free(&connection->store->arena, message);
    }
}

bool blanket_root_store_output_init(struct blanket_root_store_connection *connection)
{
    struct blanket_root_store *store = connection->store;

    for (uint32_t i = 0; i < store->limits.outstanding_count; i++) {
        struct store_message *message = message_make(store, STORE_REPLY_SMALL_SIZE);

        if (message == NULL) {
            return false;
        }
        message->pooled = true;
        message->next = connection->pool;
        connection->pool = message;
    }
    return true;
}

void blanket_root_store_output_push(struct blanket_root_store_connection *connection,
                                    struct store_message *message)
{
    bool was_empty = connection->first == NULL;

    message->next = NULL;
    message->previous = connection->last;
    message->queued = true;
    message->pinned = false;
    if (was_empty) {
        connection->first = message;
    } else {
        connection->last->next = message;
    }
    connection->last = message;
    if (was_empty && connection->ready != NULL) {
        connection->ready(connection->context);
    }
}

static void message_unqueue(struct blanket_root_store_connection *connection,
                            struct store_message *message)
{
    if (message->previous != NULL) {
        message->previous->next = message->next;
    } else {
        connection->first = message->next;
    }
    if (message->next != NULL) {
        message->next->previous = message->previous;
    } else {
        connection->last = message->previous;
    }
    message->queued = false;
}

/* A later event with the same bytes is no longer held back by this one. */
static void event_unhash(struct blanket_root_store *store, struct store_message *message)
{
    struct store_message **link =
        &store->event_buckets[blanket_root_store_path_bucket(store, message->key)];

    while (*link != NULL && *link != message) {
        link = &(*link)->bucket_next;
    }
    if (*link == message) {
        *link = message->bucket_next;
    }
}

/* Takes an event, not an own one, off its watch. */
static void event_orphan(struct store_message *message)
{
    if (message->watch_previous != NULL) {
        message->watch_previous->watch_next = message->watch_next;
    } else {
        message->watch->first = message->watch_next;
    }
    if (message->watch_next != NULL) {
        message->watch_next->watch_previous = message->watch_previous;
    }
    message->watch = NULL;
}

/* Takes a message out of the queue and frees it; an own event whose watch lives stays with it. */
void blanket_root_store_output_drop(struct blanket_root_store_connection *connection,
                                    struct store_message *message)
{
    message_unqueue(connection, message);
    if (!message->event) {
        connection->reply_count--;
    } else if (message->own) {
        if (message->watch != NULL) {
            message->watch->collapsed = false;
            return;
        }
    } else {
        connection->event_count--;
        if (message->watch != NULL) {
            event_unhash(connection->store, message);
            event_orphan(message);
        }
    }
    message_free(connection, message);
}

void blanket_root_store_output_fini(struct blanket_root_store_connection *connection)
{
    while (connection->first != NULL) {
        blanket_root_store_output_drop(connection, connection->first);
    }
    while (connection->pool != NULL) {
        struct store_message *message = connection->pool;

        connection->pool = message->next;
        blanket_root_store_arena_free(&connection->store->arena, message);
    }
}

/* Room for a reply's payload, at most 4096 bytes; NULL if neither memory nor quota have it. */
uint8_t *blanket_root_store_output_reserve(struct store_request *request, uint32_t size)
{
    struct blanket_root_store_connection *connection = request->connection;
    struct store_message *message = request->reply;

    if (size > message->capacity) {
        size_t charge = sizeof(*message) + size;

        if (!blanket_root_store_domain_affords(request, connection->domain, charge)) {
            return NULL;
        }
        message = message_make(request->store, size);
        if (message == NULL) {
            return NULL;
        }
        message->charge = charge;
        connection->domain->memory_size += charge;
        message_free(connection, request->reply);
        request->reply = message;
    }
    message->size = size;
    return message->payload;
}

/* Queues the request's reply, whose payload is in place. header: the request's, to echo from. */
void blanket_root_store_output_reply(struct store_request *request, uint32_t type,
                                     const struct xsd_sockmsg *header)
{
    struct store_message *message = request->reply;

    message->header.type = type;
    message->header.req_id = header->req_id;
    message->header.tx_id = header->tx_id;
    message->header.len = message->size;
    message->size += (uint32_t)sizeof(message->header);
    request->connection->reply_count++;
    blanket_root_store_output_push(request->connection, message);
}

static void event_fill(struct store_message *message, const struct store_watch *watch,
                       const char *path, uint32_t size)
{
    uint32_t length = size + watch->token_size + 2;

    message->event = true;
    message->watch = NULL;
    message->header.type = XS_WATCH_EVENT;
    message->header.req_id = 0;
    message->header.tx_id = 0;
    message->header.len = length;
    message->size = (uint32_t)sizeof(message->header) + length;
    memcpy(message->payload, path, size);
    message->payload[size] = 0;
    memcpy(message->payload + size + 1, watch->text + watch->path_size, watch->token_size);
    message->payload[length - 1] = 0;
}

/* The event on the watch's own path: never needs memory once the watch exists. */
void blanket_root_store_watch_fire_own(struct store_watch *watch)
{
    if (watch->own->queued) {
        watch->own->again = watch->own->pinned;
    } else {
        blanket_root_store_output_push(watch->connection, watch->own);
    }
}

/* One event on the watch's own path in place of all that wait. */
static void events_collapse(struct store_watch *watch)
{
    struct store_message *message = watch->first;

    while (message != NULL) {
        struct store_message *next = message->watch_next;

        if (!message->pinned) {
            blanket_root_store_output_drop(watch->connection, message);
        }
        message = next;
    }
    blanket_root_store_watch_fire_own(watch);
    watch->collapsed = true;
}

static bool event_pending(const struct blanket_root_store *store, const struct store_watch *watch,
                          uint64_t key, const char *path, uint32_t size)
{
    const struct store_message *message =
        store->event_buckets[blanket_root_store_path_bucket(store, key)];

    for (; message != NULL; message = message->bucket_next) {
        if (message->key == key && message->watch == watch &&
            message->header.len == size + watch->token_size + 2 &&
            memcmp(message->payload, path, size) == 0) {
            return true;
        }
    }
    return false;
}

/* An event of its own, or NULL when memory, quota, queue or message size don't have the room. */
static struct store_message *event_make(struct store_watch *watch, uint32_t size)
{
    struct blanket_root_store_connection *connection = watch->connection;
    const struct blanket_root_store_limits *limits = &connection->store->limits;
    struct store_domain *domain = connection->domain;
    uint32_t length = size + watch->token_size + 2;
    size_t charge = sizeof(struct store_message) + length;
    struct store_message *message;

    if (length > XENSTORE_PAYLOAD_MAX || connection->event_count >= limits->watch_event_count) {
        return NULL;
    }
    if (!blanket_root_store_domain_privileged(domain) &&
        domain->memory_size + charge > limits->domain_memory_size) {
        return NULL;
    }
    message = message_make(connection->store, length);
    if (message != NULL) {
        message->charge = charge;
        domain->memory_size += charge;
    }
    return message;
}

/* Queues a watch's event on a path as the watcher sees it. */
void blanket_root_store_output_event(struct store_watch *watch, const char *path, uint32_t size)
{
    struct blanket_root_store *store = watch->connection->store;
    struct store_message *message;
    struct store_message **bucket;
    uint64_t key;

    if (watch->collapsed && !watch->own->pinned) {
        return;
    }
    if (size == watch->path_size - watch->prefix_size) {
        blanket_root_store_watch_fire_own(watch);
        return;
    }
    key = blanket_root_store_path_hash((uintptr_t)watch, path, size);
    if (event_pending(store, watch, key, path, size)) {
        return;
    }
    message = event_make(watch, size);
    if (message == NULL) {
        events_collapse(watch);
        return;
    }
    event_fill(message, watch, path, size);
    message->watch = watch;
    message->watch_next = watch->first;
    if (watch->first != NULL) {
        watch->first->watch_previous = message;
    }
    watch->first = message;
    message->key = key;
    bucket = &store->event_buckets[blanket_root_store_path_bucket(store, key)];
    message->bucket_next = *bucket;
    *bucket = message;
    watch->connection->event_count++;
    blanket_root_store_output_push(watch->connection, message);
}

/* Makes the watch's own event; false without room. */
bool blanket_root_store_output_own(struct store_watch *watch)
{
    uint32_t size = watch->path_size - watch->prefix_size;

    watch->own = message_make(watch->connection->store, size + watch->token_size + 2);
    if (watch->own == NULL) {
        return false;
    }
    event_fill(watch->own, watch, watch->text + watch->prefix_size, size);
    watch->own->watch = watch;
    watch->own->own = true;
    return true;
}

/* Drops a watch's events; one that was peeked stays until it's consumed. */
void blanket_root_store_output_forget(struct store_watch *watch)
{
    struct blanket_root_store_connection *connection = watch->connection;

    while (watch->first != NULL) {
        struct store_message *message = watch->first;

        if (message->pinned) {
            event_unhash(connection->store, message);
            event_orphan(message);
        } else {
            blanket_root_store_output_drop(connection, message);
        }
    }
    watch->own->watch = NULL;
    watch->own->again = false;
    if (!watch->own->queued) {
        message_free(connection, watch->own);
    } else if (!watch->own->pinned) {
        blanket_root_store_output_drop(connection, watch->own);
    }
}

const void *blanket_root_store_peek(struct blanket_root_store_connection *connection, size_t *size)
{
    struct store_message *message = connection->first;

    if (message == NULL) {
        *size = 0;
        return NULL;
    }
    if (!message->pinned) {
        message->pinned = true;
        if (message->event && !message->own) {
            event_unhash(connection->store, message);
        }
    }
    *size = message->size;
    return &message->header;
}

void blanket_root_store_consume(struct blanket_root_store_connection *connection)
{
    struct store_message *message = connection->first;

    if (message == NULL) {
        return;
    }
    if (message->own && message->again) {
        message->again = false;
        message_unqueue(connection, message);
        blanket_root_store_output_push(connection, message);
        return;
    }
    blanket_root_store_output_drop(connection, message);
}

int blanket_root_store_receive(struct blanket_root_store_connection *connection, void *buffer,
                               size_t size, size_t *used)
{
    const struct store_message *message = connection->first;

    if (message == NULL) {
        *used = 0;
        return 0;
    }
    if (message->size > size) {
        return -BLANKET_EOVERFLOW;
    }
    memcpy(buffer, &message->header, message->size);
    *used = message->size;
    blanket_root_store_consume(connection);
    return 0;
}
