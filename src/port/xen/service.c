/* SPDX-License-Identifier: MIT */
/* The callers' half of the store's service: views come and go, STORE calls are queued and answered. */
#include "service.h"

#include "xenbus.h"

struct blanket_xen_store_view *blanket_xen_view_find(const struct blanket_xen_service *service,
                                                     uint64_t view)
{
    uint32_t index = (uint32_t)view;

    if (index >= service->view_count || service->views[index].state == BLANKET_XEN_VIEW_FREE ||
        service->views[index].generation != (uint32_t)(view >> 32)) {
        return NULL;
    }
    return &service->views[index];
}

struct blanket_xen_connection *blanket_xen_connection_find(struct blanket_xen_store_view *view,
                                                           uint64_t port)
{
    for (uint32_t i = 0; i < view->spec.connections; i++) {
        struct blanket_xen_connection *connection = &view->connections[i];

        if (connection->state != BLANKET_XEN_CONNECTION_FREE &&
            connection->index == blanket_item_index(port)) {
            return connection;
        }
    }
    return NULL;
}

void blanket_xen_connection_free(struct blanket_xen_store_view *view,
                                 struct blanket_xen_connection *connection)
{
    view->unanswered -= connection->requests;
    connection->requests = 0;
    connection->replies.head = 0;
    connection->replies.used = 0;
    connection->state = BLANKET_XEN_CONNECTION_FREE;
}

size_t blanket_xen_service_view_size(const struct blanket_xen_view *spec)
{
    return (size_t)spec->ports * sizeof(uint32_t) + BLANKET_XEN_REQUEST_BYTES +
           (size_t)spec->connections * BLANKET_XEN_REPLY_BYTES;
}

static void begin(struct blanket_xen_store_view *view, const struct blanket_xen_view *spec,
                  void *memory)
{
    uint8_t *at = memory;

    view->memory = memory;
    view->spec = *spec;
    view->newest = memory;
    at += (size_t)spec->ports * sizeof(uint32_t);
    view->requests = (struct blanket_xen_queue){ at, BLANKET_XEN_REQUEST_BYTES, 0, 0 };
    at += BLANKET_XEN_REQUEST_BYTES;
    memset(view->connections, 0, sizeof(view->connections));
    for (uint32_t i = 0; i < spec->connections; i++) {
        view->connections[i].replies =
            (struct blanket_xen_queue){ at, BLANKET_XEN_REPLY_BYTES, 0, 0 };
        at += BLANKET_XEN_REPLY_BYTES;
    }
    view->unanswered = 0;
    view->told = 0;
    view->generation++;
    view->state = BLANKET_XEN_VIEW_LIVE;
}

int blanket_xen_service_add(struct blanket_xen_service *service,
                            const struct blanket_xen_view *spec, uint64_t endpoint,
                            uint32_t event_first, void *memory, uint64_t *id)
{
    struct blanket_xen_store_view *view = NULL;

    service->ops->lock(service->context);
    for (uint32_t i = 0; i < service->view_count && !view; i++) {
        /* One whose memory isn't reaped is still somebody's. */
        if (service->views[i].state == BLANKET_XEN_VIEW_FREE && !service->views[i].memory) {
            view = &service->views[i];
            begin(view, spec, memory);
            view->endpoint = endpoint;
            view->event_first = event_first;
            *id = blanket_handle(i, view->generation);
        }
    }
    service->ops->unlock(service->context);
    if (!view) {
        return -BLANKET_ENOSPC;
    }
    service->ops->wake(service->context);
    return 0;
}

void blanket_xen_service_remove(struct blanket_xen_service *service, uint64_t id)
{
    struct blanket_xen_store_view *view;

    service->ops->lock(service->context);
    view = blanket_xen_view_find(service, id);
    if (view && (!service->present || !view->told)) {
        view->state = BLANKET_XEN_VIEW_FREE;
    } else if (view) {
        view->state = BLANKET_XEN_VIEW_GONE;
        view->told = 0;
    }
    service->ops->unlock(service->context);
    service->ops->wake(service->context);
}

void *blanket_xen_service_reap(struct blanket_xen_service *service)
{
    void *memory = NULL;

    service->ops->lock(service->context);
    for (uint32_t i = 0; i < service->view_count && !memory; i++) {
        if (service->views[i].state == BLANKET_XEN_VIEW_FREE) {
            memory = service->views[i].memory;
            service->views[i].memory = NULL;
        }
    }
    service->ops->unlock(service->context);
    return memory;
}

void blanket_xen_service_count(struct blanket_xen_service *service, uint64_t id,
                               uint32_t *connections, uint32_t *requests)
{
    struct blanket_xen_store_view *view;

    *connections = 0;
    *requests = 0;
    service->ops->lock(service->context);
    view = blanket_xen_view_find(service, id);
    for (uint32_t i = 0; view && i < view->spec.connections; i++) {
        *connections += view->connections[i].state != BLANKET_XEN_CONNECTION_FREE;
    }
    *requests = view ? view->unanswered : 0;
    service->ops->unlock(service->context);
}

static int connect(struct blanket_xen_service *service, struct blanket_xen_store_view *view,
                   uint64_t port, uint32_t *value)
{
    uint32_t index = blanket_item_index(port), generation = blanket_item_generation(port);
    struct blanket_xen_connection *connection = blanket_xen_connection_find(view, port);

    if (generation <= view->newest[index]) {
        *value = view->newest[index];
        return -BLANKET_ESTALE;
    }
    if (connection) {
        return connection->state == BLANKET_XEN_CONNECTION_CLOSING ? -BLANKET_EBUSY
                                                                   : -BLANKET_EEXIST;
    }
    if (!service->present) {
        return -BLANKET_ENOTCONN;
    }
    for (uint32_t i = 0; i < view->spec.connections; i++) {
        connection = &view->connections[i];
        if (connection->state == BLANKET_XEN_CONNECTION_FREE) {
            connection->state = BLANKET_XEN_CONNECTION_LIVE;
            connection->index = index;
            connection->generation = generation;
            connection->told = 0;
            connection->starved = 0;
            view->newest[index] = generation;
            return 0;
        }
    }
    *value = BLANKET_QUOTA_PORTS;
    return -BLANKET_ENOSPC;
}

static int disconnect(struct blanket_xen_store_view *view, uint64_t port)
{
    uint32_t index = blanket_item_index(port), generation = blanket_item_generation(port);
    struct blanket_xen_connection *connection = blanket_xen_connection_find(view, port);

    if (!connection || connection->generation < generation) {
        view->newest[index] = generation > view->newest[index] ? generation : view->newest[index];
        return connection ? -BLANKET_ENOENT : 0;
    }
    if (connection->generation > generation) {
        return 0;
    }
    /* One that no broker ever heard of needs no good-bye. */
    if (connection->state == BLANKET_XEN_CONNECTION_LIVE && !connection->told) {
        blanket_xen_connection_free(view, connection);
        return 0;
    }
    if (connection->state != BLANKET_XEN_CONNECTION_CLOSING) {
        connection->state = BLANKET_XEN_CONNECTION_CLOSING;
        connection->told = 0;
    }
    return -BLANKET_EBUSY;
}

/* The connection that a call may use. */
static int find_live(struct blanket_xen_store_view *view, uint64_t port,
                     struct blanket_xen_connection **connection)
{
    *connection = blanket_xen_connection_find(view, port);
    if (!*connection || (*connection)->generation != blanket_item_generation(port) ||
        (*connection)->state == BLANKET_XEN_CONNECTION_CLOSING) {
        return -BLANKET_ENOENT;
    }
    return (*connection)->state == BLANKET_XEN_CONNECTION_LOST ? -BLANKET_ENOTCONN : 0;
}

/* The whole messages that fit. */
static int receive(struct blanket_xen_store_view *view, struct blanket_call *call, uint32_t *value)
{
    struct blanket_xen_connection *connection;
    int rc = find_live(view, call->items[0], &connection);

    if (rc != 0) {
        return rc;
    }
    while (connection->replies.used != 0) {
        struct xsd_sockmsg header;
        uint32_t size;

        blanket_xen_queue_peek(&connection->replies, &header, sizeof(header));
        size = (uint32_t)sizeof(header) + header.len;
        if (size > (uint32_t)call->reply_max - call->reply_size) {
            *value = 1;
            return call->reply_size == 0 ? -BLANKET_EOVERFLOW : 0;
        }
        blanket_xen_queue_peek(&connection->replies, call->reply + call->reply_size, size);
        blanket_xen_queue_drop(&connection->replies, size);
        call->reply_size = (uint16_t)(call->reply_size + size);
    }
    *value = connection->starved;
    return 0;
}

/* Queue a call for the broker: the frame's head without padding, items, payload. */
static int submit(struct blanket_xen_service *service, struct blanket_xen_store_view *view,
                  const struct blanket_call *call, uint32_t *value)
{
    struct blanket_xen_request request = {
        .verb = call->verb,
        .item_count = (uint8_t)call->element_items,
        .payload_size = call->payload_size,
    };
    struct blanket_xen_connection *connection;
    uint32_t items = call->element_items * (uint32_t)sizeof(uint64_t);
    int rc = find_live(view, call->items[0], &connection);

    if (rc == 0 && call->verb == BLANKET_VERB_STORE_WRITE_PORT) {
        rc = service->ops->port_number(service->context, view->endpoint, call->items[4],
                                       &request.number);
    }
    if (rc != 0) {
        return rc;
    }
    if (view->unanswered >= view->spec.requests ||
        sizeof(request) + items + call->payload_size > view->requests.size - view->requests.used) {
        *value = BLANKET_QUOTA_STORE_REQUESTS;
        return -BLANKET_ENOSPC;
    }
    (void)blanket_xen_queue_put(&view->requests, &request, sizeof(request));
    (void)blanket_xen_queue_put(&view->requests, call->items, items);
    (void)blanket_xen_queue_put(&view->requests, call->payload, call->payload_size);
    connection->requests++;
    view->unanswered++;
    return 0;
}

static int serve(struct blanket_xen_service *service, struct blanket_xen_store_view *view,
                 struct blanket_call *call, uint32_t *value)
{
    switch (call->verb) {
    case BLANKET_VERB_STORE_CONNECT:
        return connect(service, view, call->items[0], value);
    case BLANKET_VERB_STORE_DISCONNECT:
        return disconnect(view, call->items[0]);
    case BLANKET_VERB_STORE_RECEIVE:
        return receive(view, call, value);
    default:
        return submit(service, view, call, value);
    }
}

/* 1: the items of the call name a port of the view's, as each STORE verb's first does. */
static int is_sound(const struct blanket_xen_store_view *view, const struct blanket_call *call)
{
    return call->element_count == 1 && call->element_items >= 1 &&
           call->element_items <= BLANKET_XEN_FRAME_ITEMS &&
           call->payload_size <= BLANKET_PAYLOAD_SIZE_MAX &&
           blanket_item_type(call->items[0]) == BLANKET_ITEM_PORT &&
           blanket_item_index(call->items[0]) < view->spec.ports;
}

static int BLANKET_CALLBACK service_call(void *context, struct blanket_call *call)
{
    struct blanket_xen_service *service = context;
    struct blanket_xen_store_view *view;
    uint32_t value = 0;
    int rc = -BLANKET_EPERM;

    if (call->verb >> 12 != BLANKET_ROOM_XENSTORE) {
        return -BLANKET_ENOSYS;
    }
    call->reply_size = 0;
    service->ops->lock(service->context);
    view = blanket_xen_view_find(service, call->endpoint);
    if (view && view->state == BLANKET_XEN_VIEW_LIVE) {
        rc = is_sound(view, call) ? serve(service, view, call, &value) : -BLANKET_EINVAL;
    }
    service->ops->unlock(service->context);
    /* RECEIVE too: the broker may have waited for the room. */
    service->ops->wake(service->context);
    call->results[0] = blanket_result(rc, value);
    call->done = 1;
    return 0;
}

static int BLANKET_CALLBACK service_send(void *context, uint32_t vcpu, uint64_t endpoint,
                                         uint64_t port)
{
    (void)context;
    (void)vcpu;
    (void)endpoint;
    (void)port;
    return -BLANKET_EOPNOTSUPP;
}

struct blanket_below blanket_xen_service_below(struct blanket_xen_service *service)
{
    static const struct blanket_below_ops ops = { .call = service_call, .send = service_send };

    return (struct blanket_below){ .ops = &ops, .context = service };
}
