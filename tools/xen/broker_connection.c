/* SPDX-License-Identifier: MIT */
/* Connections of a view: what the engine has for them goes up, message by message. */
#include "broker_private.h"

#include <stdlib.h>
#include <xen/io/xs_wire.h>

#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))

struct broker_connection *broker_connection_find(const struct broker_view *view, uint64_t port)
{
    uint32_t index = blanket_item_index(port);

    if (index >= view->port_count || view->connections[index] == NULL ||
        view->connections[index]->port != port) {
        return NULL;
    }
    return view->connections[index];
}

/* A verb of the engine about a connection alone; its status, whoever said it. */
static int engine_call(struct broker *broker, const struct broker_view *view, uint16_t verb,
                       uint64_t port, struct blanket_call *call)
{
    uint64_t result = 0;
    int status;

    call->verb = verb;
    call->element_count = 1;
    call->element_items = 1;
    call->endpoint = view->engine;
    call->items = &port;
    call->results = &result;
    status = blanket_store_call(broker->engine, call);
    return status != 0 ? status : blanket_result_status(result);
}

void broker_connection_queue(struct broker *broker, struct broker_connection *connection)
{
    if (!connection->queued) {
        connection->queued = true;
        connection->next = broker->work;
        broker->work = connection;
    }
}

void broker_connection_open(struct broker *broker, struct broker_view *view, uint64_t port)
{
    struct blanket_call call = {0};
    uint32_t index = blanket_item_index(port);
    struct broker_connection *connection;
    int status;

    if (index < view->port_count && view->connections[index] != NULL) {
        connection = view->connections[index];
        if (connection->closing && !connection->tell) {
            connection->after = port; /* L1 Xen had it gone before us */
            return;
        }
    }
    if (index >= view->port_count || view->connections[index] != NULL) {
        broker->stats.nonsense++;
        return;
    }
    connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        broker_log(broker, "no memory for a connection");
        return;
    }
    connection->view = view;
    connection->port = port;
    status = view->error != 0 ? 0
                              : engine_call(broker, view, BLANKET_VERB_STORE_CONNECT, port, &call);
    if (status != 0) {
        broker_log_error(broker, "a connection is refused", status);
        free(connection);
        return;
    }
    view->connections[index] = connection;
    broker->stats.connections++;
}

void broker_connection_free(struct broker *broker, struct broker_connection *connection)
{
    struct broker_connection **place = &broker->work;

    while (connection->queued && *place != connection) {
        place = &(*place)->next;
    }
    if (connection->queued) {
        *place = connection->next;
    }
    connection->view->connections[blanket_item_index(connection->port)] = NULL;
    free(connection);
    broker->stats.connections--;
}

void broker_connection_close(struct broker *broker, struct broker_view *view, uint64_t port)
{
    struct broker_connection *connection = broker_connection_find(view, port);

    if (connection == NULL) {
        /* The broker before us had it: it is one of ours for as long as it takes to close the device. */
        broker_connection_open(broker, view, port);
        connection = broker_connection_find(view, port);
    }
    if (connection == NULL) {
        (void)broker_closed(broker, view->name, port);
        return;
    }
    connection->closing = true;
    connection->tell = true;
    broker_connection_queue(broker, connection);
}

/* ---- up ---- */

static int reply_send(struct broker *broker, uint64_t view, uint64_t port, const void *message,
                      uint32_t size)
{
    int status;

    broker->reply.view = view;
    broker->reply.port = port;
    broker->reply.size = size;
    broker->reply.zero = 0;
    memcpy(broker->reply.message, message, size);
    status = broker->ops->operation(broker->context, BLANKET_XEN_REPLY, &broker->reply,
                                    sizeof(broker->reply));
    broker->stats.messages_above += status == 0;
    return status;
}

int broker_refusal_send(struct broker *broker, uint64_t view, uint64_t port,
                        const struct broker_refusal *refusal)
{
    struct xsd_sockmsg header = {.type = XS_ERROR,
                                 .req_id = refusal->req_id,
                                 .tx_id = refusal->tx_id,
                                 .len = (uint32_t)strlen(refusal->text) + 1};
    uint8_t message[HEADER_SIZE + 16u];

    memcpy(message, &header, HEADER_SIZE);
    memcpy(message + HEADER_SIZE, refusal->text, header.len);
    return reply_send(broker, view, port, message, HEADER_SIZE + header.len);
}

void broker_connection_refuse(struct broker *broker, struct broker_connection *connection,
                              const struct broker_refusal *refusal)
{
    broker->stats.refused++;
    if (connection->refusal_count == BROKER_REFUSALS_MAX) {
        broker->stats.nonsense++; /* more than L1 Xen lets be open */
        return;
    }
    connection->refusals[(connection->refusal_first + connection->refusal_count++) %
                         BROKER_REFUSALS_MAX] = *refusal;
    broker_connection_queue(broker, connection);
}

/* 0: all are told; else as reply_send. */
static int refusals_deliver(struct broker *broker, struct broker_connection *connection)
{
    int status = 0;

    while (status == 0 && connection->refusal_count != 0) {
        status = broker_refusal_send(broker, connection->view->name, connection->port,
                                     &connection->refusals[connection->refusal_first]);
        if (status != -BLANKET_EAGAIN) {
            connection->refusal_first = (connection->refusal_first + 1) % BROKER_REFUSALS_MAX;
            connection->refusal_count--;
        }
    }
    return status;
}

/* What is held, message by message. What L1 Xen finds no message is dropped: it would stay for ever. */
static int held_deliver(struct broker *broker, struct broker_connection *connection)
{
    while (connection->held_at < connection->held_size) {
        const uint8_t *message = connection->held + connection->held_at;
        uint32_t left = connection->held_size - connection->held_at;
        struct xsd_sockmsg header;
        int status;

        if (left < HEADER_SIZE) {
            break;
        }
        memcpy(&header, message, HEADER_SIZE);
        if (header.len > left - HEADER_SIZE) {
            break;
        }
        status = reply_send(broker, connection->view->name, connection->port, message,
                            HEADER_SIZE + header.len);
        if (status == -BLANKET_EAGAIN || status == -BLANKET_ENOENT) {
            return status;
        }
        connection->held_at += HEADER_SIZE + header.len;
        broker->stats.nonsense += status != 0;
    }
    connection->held_at = 0;
    connection->held_size = 0;
    return 0;
}

/* 0: there is nothing left; -BLANKET_EAGAIN: its caller has to receive first; -BLANKET_ENOENT: gone. */
static int deliver(struct broker *broker, struct broker_connection *connection)
{
    int status = refusals_deliver(broker, connection);

    if (status == -BLANKET_EAGAIN || status == -BLANKET_ENOENT) {
        return status;
    }
    for (;;) {
        struct blanket_call call = {.reply = connection->held,
                                    .reply_max = BLANKET_PAYLOAD_SIZE_MAX};

        status = held_deliver(broker, connection);
        if (status != 0 || connection->view->error != 0) {
            return status;
        }
        status = engine_call(broker, connection->view, BLANKET_VERB_STORE_RECEIVE, connection->port,
                             &call);
        if (status != 0 || call.reply_size == 0) {
            return 0;
        }
        connection->held_size = call.reply_size;
    }
}

/* True: it's gone here, and L1 Xen knows. */
static bool close_step(struct broker *broker, struct broker_connection *connection)
{
    struct broker_view *view = connection->view;
    uint64_t after = connection->after;
    struct blanket_call call = {0};

    if (connection->view->error == 0 &&
        engine_call(broker, connection->view, BLANKET_VERB_STORE_DISCONNECT, connection->port,
                    &call) == -BLANKET_EBUSY) {
        return false;
    }
    if (connection->tell &&
        broker_closed(broker, connection->view->name, connection->port) == -BLANKET_EAGAIN) {
        return false;
    }
    broker_connection_free(broker, connection);
    if (after != 0) {
        broker_connection_open(broker, view, after);
    }
    return true;
}

void broker_connection_work(struct broker *broker)
{
    struct broker_connection *connection = broker->work;

    /* What the engine signals meanwhile goes to the new list, and is done at once, too. */
    broker->work = NULL;
    while (connection != NULL) {
        struct broker_connection *next = connection->next;

        connection->queued = false;
        if (!connection->closing) {
            int status = deliver(broker, connection);

            connection->closing = status == -BLANKET_ENOENT;
            if (status == -BLANKET_EAGAIN) {
                broker_connection_queue(broker, connection);
            }
        }
        if (connection->closing && !close_step(broker, connection)) {
            broker_connection_queue(broker, connection);
        }
        connection = next;
    }
}
