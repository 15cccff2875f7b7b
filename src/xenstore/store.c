/* SPDX-License-Identifier: MIT */
/* The engine as a whole: its memory, and what comes from the store below. */
#include "xenstore.h"

#define PUMP_ALL 0xffffffffu

/* Offsets of the tables in the engine's memory. */
struct layout {
    uint64_t views, connections, ports, watches, transactions, requests;
    uint64_t watch_buckets, transaction_buckets, paths, rings;
    uint64_t size;
};

uint32_t blanket_xenstore_ports_default(uint32_t views, uint32_t connections)
{
    return 64u * views + 4u * connections;
}

/* What a limit of 0 means is filled in. */
static bool limits_take(const struct blanket_store_limits *given,
                        struct blanket_store_limits *taken)
{
    *taken = *given;
    if (given->views < 1 || given->views > 4096 || given->connections < 1 ||
        given->connections > 0xffffu || given->watches > 0x10000u ||
        given->transactions > 0x10000u || given->requests < 1 ||
        given->requests > (1u << STORE_REQUEST_BITS) ||
        given->queue_size < STORE_MESSAGE_MAX + STORE_HEADER_SIZE ||
        given->queue_size > (1u << 20)) {
        return false;
    }
    if (taken->ports == 0) {
        taken->ports = blanket_xenstore_ports_default(given->views, given->connections);
    }
    if (taken->watch_path == 0) {
        taken->watch_path = STORE_PATH_MAX;
    }
    return taken->ports <= (1u << 28) && taken->watch_path >= STORE_ROOT_SIZE &&
           taken->watch_path <= STORE_PATH_MAX;
}

/* A power of two, at least count. */
static uint32_t buckets_for(uint32_t count)
{
    uint32_t size = 1;

    while (size < count) {
        size *= 2;
    }
    return size;
}

static uint64_t reserve(struct layout *layout, uint64_t count, uint64_t size)
{
    uint64_t at = layout->size;

    layout->size += (count * size + 15u) & ~(uint64_t)15u;
    return at;
}

static uint32_t waiting_size(const struct blanket_store_limits *limits)
{
    return limits->queue_size + (uint32_t)sizeof(struct store_job);
}

static void layout_make(const struct blanket_store_limits *limits, struct layout *layout)
{
    uint64_t transactions = (uint64_t)limits->transactions + limits->views;

    layout->size = 0;
    reserve(layout, 1, sizeof(struct blanket_store));
    layout->views = reserve(layout, limits->views, sizeof(struct store_view));
    layout->connections = reserve(layout, limits->connections, sizeof(struct store_connection));
    layout->ports = reserve(layout, limits->ports, sizeof(struct store_port));
    layout->watches = reserve(layout, limits->watches, sizeof(struct store_watch));
    layout->transactions = reserve(layout, transactions, sizeof(struct store_transaction));
    layout->requests = reserve(layout, limits->requests, sizeof(struct store_request));
    layout->watch_buckets = reserve(layout, buckets_for(limits->watches),
                                    sizeof(struct store_name *));
    layout->transaction_buckets = reserve(layout, buckets_for((uint32_t)transactions),
                                          sizeof(struct store_name *));
    layout->paths = reserve(layout, limits->watches, limits->watch_path + 1);
    layout->rings = reserve(layout, limits->connections,
                            (uint64_t)limits->queue_size + waiting_size(limits));
}

size_t blanket_store_size(const struct blanket_store_limits *limits)
{
    struct blanket_store_limits taken;
    struct layout layout;

    if (!limits_take(limits, &taken)) {
        return 0;
    }
    layout_make(&taken, &layout);
    return layout.size <= SIZE_MAX / 2 ? (size_t)layout.size : 0;
}

static void connections_init(struct blanket_store *store, uint8_t *rings)
{
    uint32_t i;

    for (i = store->limits.connections; i-- > 0;) {
        struct store_connection *connection = &store->connections[i];
        uint8_t *bytes = rings +
                         (size_t)i * (store->limits.queue_size + waiting_size(&store->limits));

        connection->index = i;
        blanket_xenstore_list_init(&connection->watches);
        blanket_xenstore_list_init(&connection->transactions);
        blanket_xenstore_list_init(&connection->pending);
        blanket_xenstore_ring_init(&connection->queue, bytes, store->limits.queue_size);
        blanket_xenstore_ring_init(&connection->waiting, bytes + store->limits.queue_size,
                                   waiting_size(&store->limits));
        connection->next_free = store->free_connection;
        store->free_connection = connection;
    }
}

static void objects_init(struct blanket_store *store, uint8_t *paths)
{
    uint32_t i;

    blanket_xenstore_list_init(&store->free_watches);
    for (i = 0; i < store->limits.watches; i++) {
        struct store_watch *watch = &store->watches[i];

        watch->index = i;
        watch->generation = 1;
        watch->path = paths + (size_t)i * (store->limits.watch_path + 1);
        watch->name.owner = watch;
        blanket_xenstore_list_push(&store->free_watches, &watch->chore, watch);
    }
    blanket_xenstore_list_init(&store->free_transactions);
    for (i = 0; i < store->transaction_slots; i++) {
        struct store_transaction *transaction = &store->transactions[i];

        transaction->name.owner = transaction;
        blanket_xenstore_list_push(&store->free_transactions, &transaction->chore, transaction);
    }
    for (i = store->limits.requests; i-- > 0;) {
        struct store_request *request = &store->requests[i];

        request->index = i;
        request->generation = 1;
        request->next_free = store->free_request;
        store->free_request = request;
    }
    store->free_count = store->limits.requests;
}

static void views_init(struct blanket_store *store)
{
    uint32_t i;

    blanket_xenstore_list_init(&store->ready);
    blanket_xenstore_list_init(&store->starved);
    for (i = 0; i < store->limits.views; i++) {
        struct store_view *view = &store->views[i];

        view->index = i;
        blanket_xenstore_list_init(&view->run);
        blanket_xenstore_list_init(&view->connections);
        blanket_xenstore_list_init(&view->watch_chores);
        blanket_xenstore_list_init(&view->transaction_chores);
    }
}

int blanket_store_init(void *memory, const struct blanket_store_limits *limits,
                       const struct blanket_store_ops *ops, void *context,
                       struct blanket_store **made)
{
    struct blanket_store *store = memory;
    uint8_t *bytes = memory;
    struct layout layout;

    if (blanket_store_size(limits) == 0 || ops->send == NULL || ops->event == NULL) {
        return -BLANKET_EINVAL;
    }
    (void)limits_take(limits, &store->limits); /* they were fine a moment ago */
    layout_make(&store->limits, &layout);
    store->ops = ops;
    store->context = context;
    store->views = (struct store_view *)(void *)(bytes + layout.views);
    store->connections = (struct store_connection *)(void *)(bytes + layout.connections);
    store->ports = (struct store_port *)(void *)(bytes + layout.ports);
    store->watches = (struct store_watch *)(void *)(bytes + layout.watches);
    store->transactions = (struct store_transaction *)(void *)(bytes + layout.transactions);
    store->requests = (struct store_request *)(void *)(bytes + layout.requests);
    store->watch_names.buckets = (struct store_name **)(void *)(bytes + layout.watch_buckets);
    store->watch_names.mask = buckets_for(store->limits.watches) - 1;
    store->transaction_names.buckets = (struct store_name **)(void *)(bytes +
                                                                      layout.transaction_buckets);
    store->transaction_slots = store->limits.transactions + store->limits.views;
    store->transaction_names.mask = buckets_for(store->transaction_slots) - 1;
    views_init(store);
    connections_init(store, bytes + layout.rings);
    objects_init(store, bytes + layout.paths);
    *made = store;
    return 0;
}

void blanket_store_input(struct blanket_store *store, const void *message, uint32_t size)
{
    const uint8_t *body = (const uint8_t *)message + STORE_HEADER_SIZE;
    struct xsd_sockmsg header;
    struct store_request *request;

    if (size < STORE_HEADER_SIZE || size > STORE_MESSAGE_MAX) {
        return;
    }
    memcpy(&header, message, sizeof(header));
    if (header.len != size - STORE_HEADER_SIZE) {
        return;
    }
    store->tick++;
    if (header.type == XS_WATCH_EVENT) {
        blanket_xenstore_watch_input(store, body, header.len);
        return;
    }
    request = blanket_xenstore_request_find(store, header.req_id);
    if (request != NULL) {
        blanket_xenstore_reply_input(store, request, header.type, body, header.len);
        blanket_xenstore_pump(store, PUMP_ALL);
    }
}

void blanket_store_ready(struct blanket_store *store)
{
    store->blocked = 0;
    blanket_xenstore_pump(store, PUMP_ALL);
}

/* Requests: whoever waits is told; what the engine did of its own accord is done, or done again. */
static void lose_requests(struct blanket_store *store)
{
    uint32_t i;

    for (i = 0; i < store->limits.requests; i++) {
        struct store_request *request = &store->requests[i];

        if (request->purpose == STORE_PURPOSE_CLOSE) {
            request->view->close_busy = 0;
            blanket_xenstore_view_wake(store, request->view);
            blanket_xenstore_request_free(store, request);
        } else if (request->purpose == STORE_PURPOSE_RENEW) {
            request->job.watch->state = STORE_WATCH_LIVE; /* and renewed with the others */
            blanket_xenstore_request_free(store, request);
        } else if (request->purpose != STORE_PURPOSE_FREE) {
            blanket_xenstore_reply_input(store, request, XS_ERROR, (const uint8_t *)"EIO", 4);
        }
    }
}

static void lose_watches(struct blanket_store *store)
{
    uint32_t i;

    for (i = 0; i < store->limits.watches; i++) {
        struct store_watch *watch = &store->watches[i];
        struct store_connection *connection = watch->connection;

        if (watch->state == STORE_WATCH_ENDING ||
            (watch->state == STORE_WATCH_LIVE && watch->orphan)) {
            blanket_xenstore_watch_free(store, watch);
            blanket_xenstore_connection_settle(store, connection);
        } else if (watch->state == STORE_WATCH_LIVE) {
            watch->state = STORE_WATCH_RENEW;
            blanket_xenstore_list_push(&connection->view->watch_chores, &watch->chore, watch);
            blanket_xenstore_view_wake(store, connection->view);
        }
    }
}

static void lose_transactions(struct blanket_store *store)
{
    uint32_t i;

    for (i = 0; i < store->transaction_slots; i++) {
        struct store_transaction *transaction = &store->transactions[i];
        struct store_connection *connection = transaction->connection;

        if (transaction->state == STORE_TRANSACTION_FREE || !transaction->below) {
            continue;
        }
        blanket_xenstore_list_remove(&transaction->chore);
        if (transaction->state == STORE_TRANSACTION_LIVE) {
            transaction->state = STORE_TRANSACTION_DOOMED;
        }
        blanket_xenstore_transaction_closed(store, transaction);
        blanket_xenstore_connection_settle(store, connection);
    }
}

void blanket_store_lost(struct blanket_store *store)
{
    store->blocked = 0;
    lose_requests(store);
    lose_transactions(store);
    lose_watches(store);
    blanket_xenstore_pump(store, PUMP_ALL);
}
