/* SPDX-License-Identifier: MIT */
/*
 * STORE verbs: a connection is a port of its end, so the end's slots are checked here, and the engine sees
 * only what belongs to a live connection.
 */
#include "linux_private.h"

static int answer(struct blanket_call *call, uint64_t result)
{
    blanket_call_answer(call, result);
    return 0;
}

static int connect_serve(struct linux_end *end, struct blanket_call *call)
{
    struct linux_port *port = NULL;
    uint64_t result = blanket_linux_port_slot(end, call->items[0], &port);
    int status;

    if (result) {
        return answer(call, result);
    }
    status = blanket_linux_broker_call(end, call);
    if (status == 0 && blanket_result_status(call->results[0]) == 0) {
        blanket_linux_port_fill(port, call->items[0], BLANKET_PORT_STATE_STORE);
    }
    return status;
}

static int disconnect_serve(struct linux_end *end, struct blanket_call *call)
{
    struct linux_port *port;
    uint32_t index;
    int status = blanket_below_slot_index(call->items[0], BLANKET_ITEM_PORT, end->port_count,
                                          &index);

    if (status) {
        return answer(call, blanket_result(status, 0));
    }
    port = &end->ports[index];
    if (blanket_below_slot_holds(&port->slot, call->items[0]) &&
        port->kind != BLANKET_PORT_STATE_STORE) {
        return answer(call, blanket_result(-BLANKET_EINVAL, 0)); /* EVTCHN_CLOSE ends a channel */
    }
    if (!blanket_below_slot_retire(&port->slot, call->items[0])) {
        return answer(call, blanket_result(0, 0));
    }
    port->slot.state = BLANKET_BELOW_CLOSING;
    status = blanket_linux_broker_call(end, call);
    if (status == 0 && blanket_result_status(call->results[0]) == 0) {
        blanket_linux_port_free(port);
    }
    return status;
}

/* The grant or port whose number is to be published is the end's own and live. */
static int published_check(const struct linux_end *end, const struct blanket_call *call)
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
                                      grant ? end->grant_count : end->port_count, &index);
    if (status) {
        return status;
    }
    slot = grant ? &end->grants[index].slot : &end->ports[index].slot;
    if (slot->state != BLANKET_BELOW_LIVE || !blanket_below_slot_holds(slot, call->items[4]) ||
        (!grant && end->ports[index].kind == BLANKET_PORT_STATE_STORE)) {
        return -BLANKET_ENOENT;
    }
    return 0;
}

static int request_serve(struct linux_end *end, struct blanket_call *call)
{
    uint32_t index;
    int status = blanket_below_slot_index(call->items[0], BLANKET_ITEM_PORT, end->port_count,
                                          &index);

    if (status == 0) {
        const struct linux_port *port = &end->ports[index];

        if (port->slot.state != BLANKET_BELOW_LIVE || port->kind != BLANKET_PORT_STATE_STORE ||
            !blanket_below_slot_holds(&port->slot, call->items[0])) {
            status = -BLANKET_ENOENT;
        }
    }
    status = status ? status : published_check(end, call);
    return status ? answer(call, blanket_result(status, 0)) : blanket_linux_broker_call(end, call);
}

/* A verb of this room. -BLANKET_ENOSYS: unknown, or the end has no view. */
int blanket_linux_connection_call(struct linux_end *end, struct blanket_call *call)
{
    int status = blanket_store_call_check(call);

    if (status == -BLANKET_ENOSYS || !end->view) {
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
        return connect_serve(end, call);
    case BLANKET_VERB_STORE_DISCONNECT:
        return disconnect_serve(end, call);
    default:
        return request_serve(end, call);
    }
}
