/* SPDX-License-Identifier: MIT */
/* One frame of L1 Xen's: checked, and to whom it belongs. */
#include "broker_private.h"

/* The body of an XS_ERROR for a call error: the store's words. EAGAIN is "again" in the store's, too, but
 * of a transaction; so that is EBUSY. */
static const char *words(int status)
{
    switch (status) {
    case -BLANKET_EPERM:
        return "EACCES";
    case -BLANKET_ENOENT:
        return "ENOENT";
    case -BLANKET_EINVAL:
        return "EINVAL";
    case -BLANKET_EMSGSIZE:
    case -BLANKET_E2BIG:
        return "E2BIG";
    case -BLANKET_ENOSPC:
        return "ENOSPC";
    case -BLANKET_ENOMEM:
        return "ENOMEM";
    case -BLANKET_EAGAIN:
    case -BLANKET_EBUSY:
        return "EBUSY";
    case -BLANKET_EEXIST:
        return "EEXIST";
    default:
        return "EIO";
    }
}

int broker_closed(struct broker *broker, uint64_t view, uint64_t port)
{
    broker->reply.view = view;
    broker->reply.port = port;
    broker->reply.size = 0;
    broker->reply.zero = 0;
    return broker->ops->operation(broker->context, BLANKET_XEN_CLOSED, &broker->reply,
                                  sizeof(broker->reply));
}

/* Who is to be told of a request that is refused. */
static struct broker_refusal refusal_of(const struct blanket_xen_frame *frame, int status)
{
    struct broker_refusal refusal = {.text = words(status)};

    for (uint32_t i = 0; i < frame->item_count; i++) {
        uint64_t item = frame->items[i];

        if (blanket_item_type(item) == BLANKET_ITEM_REQUEST) {
            refusal.req_id = (uint32_t)blanket_item_value(item);
        } else if (blanket_item_type(item) == BLANKET_ITEM_TRANSACTION &&
                   frame->verb != BLANKET_VERB_STORE_TRANSACT) {
            refusal.tx_id = (uint32_t)blanket_item_value(item);
        }
    }
    return refusal;
}

/* What only FRAME_CONNECT, FRAME_DISCONNECT and the broker itself may say to the engine. */
static bool verb_ok(uint16_t verb)
{
    return (verb & 0xf000u) == BLANKET_ROOM_XENSTORE << 12 && verb != BLANKET_VERB_STORE_CONNECT &&
           verb != BLANKET_VERB_STORE_DISCONNECT && verb != BLANKET_VERB_STORE_RECEIVE;
}

/* Nobody here waits for what its caller does wait for. */
static void refuse_unknown(struct broker *broker)
{
    const struct blanket_xen_frame *frame = &broker->frame;
    struct broker_refusal refusal = refusal_of(frame, -BLANKET_EIO);

    (void)broker_refusal_send(broker, frame->view, frame->items[0], &refusal);
}

static void call_serve(struct broker *broker, const struct broker_view *view)
{
    const struct blanket_xen_frame *frame = &broker->frame;
    struct broker_connection *connection;
    uint64_t result = 0;
    struct blanket_call call = {.verb = frame->verb,
                                .element_count = 1,
                                .element_items = frame->item_count,
                                .endpoint = view->engine,
                                .items = frame->items,
                                .results = &result,
                                .payload = frame->payload,
                                .payload_size = frame->payload_size};
    int status;

    connection = frame->item_count == 0 ? NULL : broker_connection_find(view, frame->items[0]);
    if (connection == NULL || connection->closing) {
        broker->stats.nonsense++;
        refuse_unknown(broker);
        return;
    }
    broker->number = frame->number;
    status = view->error != 0        ? view->error
             : !verb_ok(frame->verb) ? -BLANKET_EINVAL
                                     : blanket_store_call(broker->engine, &call);
    if (status == 0) {
        status = blanket_result_status(result);
    }
    if (status != 0) {
        struct broker_refusal refusal = refusal_of(frame, status);

        broker_connection_refuse(broker, connection, &refusal);
    }
}

static bool well_formed(const struct blanket_xen_frame *frame)
{
    return frame->item_count <= BLANKET_XEN_FRAME_ITEMS &&
           frame->payload_size <= sizeof(frame->payload);
}

void broker_frame_serve(struct broker *broker)
{
    const struct blanket_xen_frame *frame = &broker->frame;
    struct broker_view *view;

    if (!well_formed(frame)) {
        broker->stats.nonsense++;
        return;
    }
    if (frame->kind == BLANKET_XEN_FRAME_VIEW) {
        broker_view_add(broker);
        return;
    }
    view = broker_view_find(broker, frame->view);
    if (view == NULL || view->gone) {
        /* L1 Xen waits for these two; there is nothing to wait for. */
        if (view == NULL && frame->kind == BLANKET_XEN_FRAME_DISCONNECT) {
            (void)broker_closed(broker, frame->view, frame->items[0]);
        } else if (view == NULL && frame->kind == BLANKET_XEN_FRAME_VIEW_GONE) {
            (void)broker_closed(broker, frame->view, 0);
        } else if (frame->kind == BLANKET_XEN_FRAME_CALL) {
            refuse_unknown(broker);
        }
        broker->stats.nonsense++;
        return;
    }
    switch (frame->kind) {
    case BLANKET_XEN_FRAME_CALL:
        call_serve(broker, view);
        break;
    case BLANKET_XEN_FRAME_CONNECT:
        broker_connection_open(broker, view, frame->items[0]);
        break;
    case BLANKET_XEN_FRAME_DISCONNECT:
        broker_connection_close(broker, view, frame->items[0]);
        break;
    case BLANKET_XEN_FRAME_VIEW_GONE:
        broker_view_gone(broker, view);
        break;
    default:
        broker->stats.nonsense++;
        break;
    }
}
