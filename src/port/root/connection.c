/* SPDX-License-Identifier: MIT */
/*
 * STORE verbs: a connection is a port of its end, so the end's slots are checked here, and the engine
 * sees only what belongs to a live connection.
 */
#include "root_private.h"

static int connect_serve(struct blanket_root *root, struct root_end *end, struct blanket_call *call)
{
    struct root_port *port = NULL;
    uint64_t result = blanket_root_port_slot(end, call->items[0], &port);
    int status;

    if (result) {
        blanket_call_answer(call, result);
        return 0;
    }
    status = blanket_root_broker_call(end->broker, call);
    if (status == 0 && blanket_result_status(call->results[0]) == 0) {
        blanket_root_port_fill(root, port, call->items[0], BLANKET_PORT_STATE_STORE);
    }
    return status;
}

static int disconnect_serve(struct blanket_root *root, struct root_end *end,
                            struct blanket_call *call)
{
    struct root_port *port;
    uint32_t index;
    int status = blanket_below_slot_index(call->items[0], BLANKET_ITEM_PORT, end->numbers.count,
                                          &index);

    if (status) {
        blanket_call_answer(call, blanket_result(status, 0));
        return 0;
    }
    port = &end->ports[index];
    if (blanket_below_slot_holds(&port->slot, call->items[0]) &&
        port->kind != BLANKET_PORT_STATE_STORE) {
        blanket_call_answer(call,
                            blanket_result(-BLANKET_EINVAL, 0)); /* EVTCHN_CLOSE ends a channel */
        return 0;
    }
    if (!blanket_below_slot_retire(&port->slot, call->items[0])) {
        blanket_call_answer(call, blanket_result(0, 0));
        return 0;
    }
    port->slot.state = BLANKET_BELOW_CLOSING;
    status = blanket_root_broker_call(end->broker, call);
    if (status == 0 && blanket_result_status(call->results[0]) == 0) {
        blanket_root_port_free(root, port);
    }
    return status;
}

static bool is_channel(const struct root_port *port)
{
    return port->kind == BLANKET_PORT_STATE_UNBOUND || port->kind == BLANKET_PORT_STATE_INTERDOMAIN;
}

/* The grant or port whose number is to be published is the end's own and live. */
static int published_check(const struct root_end *end, const struct blanket_call *call)
{
    bool grant = call->verb == BLANKET_VERB_STORE_WRITE_GRANT;
    const struct blanket_below_slot *slot;
    uint32_t index;
    int status;

    if (!grant && call->verb != BLANKET_VERB_STORE_WRITE_PORT) {
        return 0;
    }
    status = blanket_below_slot_index(call->items[4],
                                      grant ? BLANKET_ITEM_GRANT : BLANKET_ITEM_PORT,
                                      grant ? end->references.count : end->numbers.count, &index);
    if (status) {
        return status;
    }
    slot = grant ? &end->grants[index].slot : &end->ports[index].slot;
    if (slot->state != BLANKET_BELOW_LIVE || !blanket_below_slot_holds(slot, call->items[4]) ||
        (!grant && !is_channel(&end->ports[index]))) {
        return -BLANKET_ENOENT;
    }
    return 0;
}

static int request_serve(struct root_end *end, struct blanket_call *call)
{
    const struct root_port *port;
    uint32_t index;
    int status = blanket_below_slot_index(call->items[0], BLANKET_ITEM_PORT, end->numbers.count,
                                          &index);

    if (status == 0) {
        port = &end->ports[index];
        if (port->slot.state != BLANKET_BELOW_LIVE || port->kind != BLANKET_PORT_STATE_STORE ||
            !blanket_below_slot_holds(&port->slot, call->items[0])) {
            status = -BLANKET_ENOENT;
        }
    }
    status = status ? status : published_check(end, call);
    if (status) {
        blanket_call_answer(call, blanket_result(status, 0));
        return 0;
    }
    return blanket_root_broker_call(end->broker, call);
}

/* A verb of this room, of an end that is there. -BLANKET_ENOSYS: unknown, or the end has no view. */
int blanket_root_connection_call(struct blanket_root *root, struct root_end *end,
                                 struct blanket_call *call)
{
    int status = blanket_store_call_check(call);

    if (status == -BLANKET_ENOSYS || !end->broker) {
        return -BLANKET_ENOSYS;
    }
    if (status) {
        return status;
    }
    if (end->dead && call->verb != BLANKET_VERB_STORE_DISCONNECT) {
        return -BLANKET_ENOTCONN;
    }
    switch (call->verb) {
    case BLANKET_VERB_STORE_CONNECT:
        return connect_serve(root, end, call);
    case BLANKET_VERB_STORE_DISCONNECT:
        return disconnect_serve(root, end, call);
    default:
        return request_serve(end, call);
    }
}

/* The end's view is gone: so are its connections. */
void blanket_root_connection_kill(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    for (i = 0; i < end->numbers.count; i++) {
        if (end->ports[i].slot.state != BLANKET_BELOW_FREE &&
            end->ports[i].kind == BLANKET_PORT_STATE_STORE) {
            blanket_root_port_free(root, &end->ports[i]);
        }
    }
}
