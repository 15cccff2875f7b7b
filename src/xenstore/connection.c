/* SPDX-License-Identifier: MIT */
/* Connections: a port of a view that is bound to the store. */
#include "xenstore.h"

/* 0; -BLANKET_EINVAL: the view has no such port. */
static int port_find(struct store_view *view, uint64_t item, struct store_port **port)
{
    uint32_t index = blanket_item_index(item);

    if (index >= view->port_count || blanket_item_generation(item) == 0) {
        return -BLANKET_EINVAL;
    }
    *port = &view->ports[index];
    return 0;
}

int blanket_xenstore_connection_find(struct store_view *view, uint64_t item,
                                     struct store_connection **connection)
{
    struct store_port *port;

    if (port_find(view, item, &port) != 0 || port->connection == NULL ||
        port->connection->state != STORE_CONNECTION_LIVE ||
        port->generation != blanket_item_generation(item)) {
        return -BLANKET_ENOENT;
    }
    *connection = port->connection;
    return 0;
}

static void connection_begin(struct store_connection *connection, struct store_view *view,
                             uint32_t port)
{
    connection->view = view;
    connection->port = port;
    connection->state = STORE_CONNECTION_LIVE;
    connection->reserved = 0;
    connection->waiting_count = 0;
    connection->signalled = 0;
    connection->stepping = 0;
    blanket_xenstore_ring_drop(&connection->queue, connection->queue.used);
    blanket_xenstore_ring_drop(&connection->waiting, connection->waiting.used);
    blanket_xenstore_list_push(&view->connections, &connection->of_view, connection);
    view->connection_count++;
    view->live_count++;
}

int blanket_xenstore_connection_open(struct blanket_store *store, struct store_view *view,
                                     uint64_t item, uint32_t *value)
{
    uint32_t generation = blanket_item_generation(item);
    struct store_connection *connection = store->free_connection;
    struct store_port *port;

    if (port_find(view, item, &port) != 0) {
        return -BLANKET_EINVAL;
    }
    if (generation <= port->generation) {
        *value = port->generation; /* with ESTALE: what has to be exceeded */
        return port->connection != NULL && generation == port->generation ? -BLANKET_EEXIST
                                                                          : -BLANKET_ESTALE;
    }
    if (port->connection != NULL) {
        return port->connection->state == STORE_CONNECTION_LIVE ? -BLANKET_EEXIST : -BLANKET_EBUSY;
    }
    if (view->close_step != STORE_CLOSE_NONE) {
        return -BLANKET_EBUSY; /* what comes next must not mix with 5 and 6 of what was before */
    }
    if (view->connection_count >= view->connection_max || connection == NULL) {
        *value = BLANKET_QUOTA_PORTS;
        return -BLANKET_ENOSPC;
    }
    store->free_connection = connection->next_free;
    connection_begin(connection, view, blanket_item_index(item));
    port->connection = connection;
    port->generation = generation;
    return 0;
}

void blanket_xenstore_connection_end(struct blanket_store *store,
                                     struct store_connection *connection)
{
    struct store_view *view = connection->view;

    if (connection->state != STORE_CONNECTION_LIVE) {
        return;
    }
    connection->state = STORE_CONNECTION_CLOSING;
    view->live_count--;
    /* What wasn't sent won't be; the one that is being answered in steps is counted when it is. */
    view->request_count -= connection->waiting_count - connection->stepping;
    connection->waiting_count = 0;
    blanket_xenstore_list_remove(&connection->run);
    blanket_xenstore_list_remove(&connection->starved);
    blanket_xenstore_transaction_end_all(store, connection);
    blanket_xenstore_watch_end_all(store, connection);
}

static void connection_free(struct blanket_store *store, struct store_connection *connection)
{
    struct store_view *view = connection->view;

    view->ports[connection->port].connection = NULL; /* its generation stays: a tombstone */
    blanket_xenstore_list_remove(&connection->of_view);
    view->connection_count--;
    connection->state = STORE_CONNECTION_FREE;
    connection->next_free = store->free_connection;
    store->free_connection = connection;
}

void blanket_xenstore_connection_settle(struct blanket_store *store,
                                        struct store_connection *connection)
{
    struct store_view *view = connection->view;

    if (connection->state != STORE_CONNECTION_CLOSING || connection->busy != 0) {
        return;
    }
    if (view->close_step != STORE_CLOSE_NONE ||
        (view->live_count == 0 && blanket_xenstore_close_begin(store, view))) {
        return; /* until the device is closed */
    }
    connection_free(store, connection);
}

int blanket_xenstore_connection_close(struct blanket_store *store, struct store_view *view,
                                      uint64_t item)
{
    uint32_t generation = blanket_item_generation(item);
    struct store_connection *connection;
    struct store_port *port;

    if (port_find(view, item, &port) != 0) {
        return -BLANKET_EINVAL;
    }
    if (port->generation > generation) {
        return 0; /* that one is gone already */
    }
    if (port->connection == NULL) {
        port->generation = generation; /* a late STORE_CONNECT of this generation is refused */
        return 0;
    }
    if (port->generation < generation) {
        return -BLANKET_ENOENT; /* there is an older one: not what the caller means */
    }
    connection = port->connection;
    blanket_xenstore_connection_end(store, connection);
    blanket_xenstore_connection_settle(store, connection);
    blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    return port->connection != NULL && port->generation == generation ? -BLANKET_EBUSY : 0;
}

void blanket_xenstore_connection_wake(struct blanket_store *store,
                                      struct store_connection *connection)
{
    if (connection->waiting_count == 0 || connection->stepping ||
        connection->state != STORE_CONNECTION_LIVE) {
        return;
    }
    if (connection->run.next == NULL) {
        blanket_xenstore_list_push(&connection->view->run, &connection->run, connection);
    }
    blanket_xenstore_view_wake(store, connection->view);
}

void blanket_xenstore_connection_signal(struct blanket_store *store,
                                        struct store_connection *connection)
{
    if (!connection->signalled) {
        connection->signalled = 1;
        store->ops->event(store->context, connection->view->cookie, connection->port);
    }
}

/* An event in the queue whose watch has ended since. */
static bool outdated(const struct blanket_store *store, const struct xsd_sockmsg *header)
{
    const struct store_watch *watch;

    if (header->type != XS_WATCH_EVENT) {
        return false;
    }
    watch = &store->watches[header->tx_id & 0xffffu];
    return blanket_xenstore_watch_reference(watch) != header->tx_id || watch->dropped ||
           watch->state == STORE_WATCH_FREE;
}

/* The whole messages that fit; false: there is one more, and it doesn't. */
static bool take_queue(struct blanket_store *store, struct store_ring *queue,
                       struct blanket_call *call)
{
    struct xsd_sockmsg header;

    while (queue->used != 0) {
        uint32_t size;

        blanket_xenstore_ring_peek(queue, 0, &header, sizeof(header));
        size = STORE_HEADER_SIZE + header.len;
        if (!outdated(store, &header)) {
            if (size > (uint32_t)call->reply_max - call->reply_size) {
                return false;
            }
            if (header.type == XS_WATCH_EVENT) {
                header.tx_id = 0;
            }
            memcpy(call->reply + call->reply_size, &header, sizeof(header));
            blanket_xenstore_ring_peek(queue, STORE_HEADER_SIZE,
                                       call->reply + call->reply_size + STORE_HEADER_SIZE,
                                       header.len);
            call->reply_size = (uint16_t)(call->reply_size + size);
        }
        blanket_xenstore_ring_drop(queue, size);
    }
    return true;
}

/* Events that the queue had no room for. */
static bool take_pending(struct store_connection *connection, struct blanket_call *call)
{
    struct store_watch *watch = blanket_xenstore_list_first(&connection->pending);
    struct xsd_sockmsg header;

    while (watch != NULL) {
        uint32_t skip = watch->prefix < watch->path_size ? watch->prefix : watch->path_size;

        header.type = XS_WATCH_EVENT;
        header.req_id = watch->id;
        header.tx_id = 0;
        header.len = watch->path_size - skip + 1;
        if (STORE_HEADER_SIZE + header.len > (uint32_t)call->reply_max - call->reply_size) {
            return false;
        }
        memcpy(call->reply + call->reply_size, &header, sizeof(header));
        memcpy(call->reply + call->reply_size + STORE_HEADER_SIZE, watch->path + skip, header.len);
        call->reply_size = (uint16_t)(call->reply_size + STORE_HEADER_SIZE + header.len);
        blanket_xenstore_list_remove(&watch->pending);
        watch = blanket_xenstore_list_first(&connection->pending);
    }
    return true;
}

int blanket_xenstore_connection_receive(struct blanket_store *store,
                                        struct store_connection *connection,
                                        struct blanket_call *call, uint32_t *value)
{
    bool all = take_queue(store, &connection->queue, call) && take_pending(connection, call);

    if (!all && call->reply_size == 0) {
        return -BLANKET_EOVERFLOW;
    }
    connection->signalled = 0;
    blanket_xenstore_connection_wake(store, connection); /* there is room again */
    blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    *value = connection->queue.used != 0 || !blanket_xenstore_list_empty(&connection->pending);
    return 0;
}
