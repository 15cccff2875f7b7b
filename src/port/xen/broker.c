/* SPDX-License-Identifier: MIT */
/* The broker's half of the store's service: what it is told, and what it answers. */
#include "service.h"

#include "xenbus.h"

/*
 * A connection of the broker that is gone. 1: its caller is to be told, also when there is a broker again
 * to connect to. One that its caller had left is the next broker's to take leave of: nobody else could close
 * the device.
 */
static int lose(struct blanket_xen_store_view *view, struct blanket_xen_connection *connection)
{
    int closing;

    if (connection->state == BLANKET_XEN_CONNECTION_FREE) {
        return 0;
    }
    closing = connection->state == BLANKET_XEN_CONNECTION_CLOSING;
    blanket_xen_connection_free(view, connection);
    connection->state = closing ? BLANKET_XEN_CONNECTION_CLOSING : BLANKET_XEN_CONNECTION_LOST;
    connection->told = 0;
    view->spec.flags |= BLANKET_XEN_VIEW_USED;
    return !closing;
}

void blanket_xen_service_broker(struct blanket_xen_service *service, uint32_t present)
{
    for (uint32_t i = 0; i < service->view_count; i++) {
        struct blanket_xen_store_view *view = &service->views[i];
        uint32_t events[BLANKET_XEN_CONNECTIONS];
        uint32_t count = 0;

        service->ops->lock(service->context);
        service->present = present;
        if (view->state != BLANKET_XEN_VIEW_FREE) {
            for (uint32_t c = 0; c < view->spec.connections; c++) {
                if (lose(view, &view->connections[c])) {
                    events[count++] = view->event_first + view->connections[c].index;
                }
            }
            view->requests.head = 0;
            view->requests.used = 0;
            view->told = 0;
            if (view->state == BLANKET_XEN_VIEW_GONE) {
                view->state = BLANKET_XEN_VIEW_FREE;
            }
        }
        service->ops->unlock(service->context);
        while (count != 0) {
            service->ops->raise(service->context, events[--count]);
        }
    }
    service->ops->settled(service->context);
}

static void frame_begin(struct blanket_xen_frame *frame, uint64_t view, uint16_t kind)
{
    memset(frame, 0, offsetof(struct blanket_xen_frame, payload));
    frame->view = view;
    frame->kind = kind;
}

/* A connection whose state the broker doesn't know. */
static int next_connection(struct blanket_xen_store_view *view, struct blanket_xen_frame *frame,
                           uint64_t id, uint8_t state, uint16_t kind)
{
    for (uint32_t i = 0; i < view->spec.connections; i++) {
        struct blanket_xen_connection *connection = &view->connections[i];

        if (connection->state == state && !connection->told) {
            connection->told = 1;
            frame_begin(frame, id, kind);
            frame->item_count = 1;
            frame->items[0] = blanket_item_slot(BLANKET_ITEM_PORT, connection->index,
                                                connection->generation);
            return 0;
        }
    }
    return -BLANKET_ENOENT;
}

static int next_request(struct blanket_xen_store_view *view, struct blanket_xen_frame *frame,
                        uint64_t id)
{
    struct blanket_xen_request request;
    uint32_t items;

    if (view->requests.used == 0) {
        return -BLANKET_ENOENT;
    }
    blanket_xen_queue_peek(&view->requests, &request, sizeof(request));
    blanket_xen_queue_drop(&view->requests, sizeof(request));
    frame_begin(frame, id, BLANKET_XEN_FRAME_CALL);
    frame->verb = request.verb;
    frame->number = request.number;
    frame->item_count = request.item_count;
    frame->payload_size = request.payload_size;
    items = request.item_count * (uint32_t)sizeof(uint64_t);
    blanket_xen_queue_peek(&view->requests, frame->items, items);
    blanket_xen_queue_drop(&view->requests, items);
    blanket_xen_queue_peek(&view->requests, frame->payload, request.payload_size);
    blanket_xen_queue_drop(&view->requests, request.payload_size);
    return 0;
}

/* In the order in which the broker can understand it: view, connect, calls, disconnect. */
static int next_of(struct blanket_xen_store_view *view, struct blanket_xen_frame *frame, uint64_t id)
{
    if (view->state == BLANKET_XEN_VIEW_GONE) {
        if (view->told) {
            return -BLANKET_ENOENT;
        }
        view->told = 1;
        frame_begin(frame, id, BLANKET_XEN_FRAME_VIEW_GONE);
        return 0;
    }
    if (!view->told) {
        view->told = 1;
        frame_begin(frame, id, BLANKET_XEN_FRAME_VIEW);
        frame->payload_size = sizeof(view->spec);
        memcpy(frame->payload, &view->spec, sizeof(view->spec));
        return 0;
    }
    if (next_connection(view, frame, id, BLANKET_XEN_CONNECTION_LIVE,
                        BLANKET_XEN_FRAME_CONNECT) == 0 ||
        next_request(view, frame, id) == 0) {
        return 0;
    }
    return next_connection(view, frame, id, BLANKET_XEN_CONNECTION_CLOSING,
                           BLANKET_XEN_FRAME_DISCONNECT);
}

int blanket_xen_service_next(struct blanket_xen_service *service, struct blanket_xen_frame *frame)
{
    int rc = -BLANKET_ENOENT;

    service->ops->lock(service->context);
    /* Each view in its turn: one that floods waits for the others. */
    for (uint32_t step = 0; step < service->view_count && rc != 0; step++) {
        uint32_t at = service->next;
        struct blanket_xen_store_view *view = &service->views[at];

        service->next = (at + 1) % service->view_count;
        if (view->state != BLANKET_XEN_VIEW_FREE) {
            rc = next_of(view, frame, blanket_handle(at, view->generation));
        }
    }
    service->ops->unlock(service->context);
    return rc;
}

static int reply_locked(struct blanket_xen_service *service, const struct blanket_xen_reply *reply,
                        uint32_t type, uint32_t *event)
{
    struct blanket_xen_store_view *view = blanket_xen_view_find(service, reply->view);
    struct blanket_xen_connection *connection;

    connection = view ? blanket_xen_connection_find(view, reply->port) : NULL;
    if (!connection || connection->generation != blanket_item_generation(reply->port) ||
        connection->state != BLANKET_XEN_CONNECTION_LIVE) {
        return -BLANKET_ENOENT;
    }
    if (blanket_xen_queue_put(&connection->replies, reply->message, reply->size) != 0) {
        connection->starved = 1;
        return -BLANKET_EAGAIN;
    }
    connection->starved = 0;
    if (type != XS_WATCH_EVENT && connection->requests != 0) {
        connection->requests--;
        view->unanswered--;
    }
    *event = view->event_first + connection->index;
    return 0;
}

int blanket_xen_service_reply(struct blanket_xen_service *service,
                              const struct blanket_xen_reply *reply)
{
    struct xsd_sockmsg header;
    uint32_t event = 0;
    int rc;

    if (reply->size < sizeof(header) || reply->size > sizeof(reply->message)) {
        return -BLANKET_EINVAL;
    }
    memcpy(&header, reply->message, sizeof(header));
    if (header.len != reply->size - sizeof(header)) {
        return -BLANKET_EINVAL;
    }
    service->ops->lock(service->context);
    rc = reply_locked(service, reply, header.type, &event);
    service->ops->unlock(service->context);
    if (rc == 0) {
        service->ops->raise(service->context, event);
    }
    return rc;
}

int blanket_xen_service_closed(struct blanket_xen_service *service, uint64_t id, uint64_t port)
{
    struct blanket_xen_store_view *view;
    struct blanket_xen_connection *connection;
    int rc = -BLANKET_ENOENT;

    service->ops->lock(service->context);
    view = blanket_xen_view_find(service, id);
    connection = view && port != 0 ? blanket_xen_connection_find(view, port) : NULL;
    if (view && port == 0 && view->state == BLANKET_XEN_VIEW_GONE) {
        view->state = BLANKET_XEN_VIEW_FREE;
        rc = 0;
    } else if (connection && connection->state == BLANKET_XEN_CONNECTION_CLOSING &&
               connection->generation == blanket_item_generation(port)) {
        blanket_xen_connection_free(view, connection);
        rc = 0;
    }
    service->ops->unlock(service->context);
    if (rc == 0) {
        service->ops->settled(service->context);
    }
    return rc;
}
