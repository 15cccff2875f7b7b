/* SPDX-License-Identifier: MIT */
/*
 * Event channels: unbound ports, pairs of ports, events between them. When one side closes, the other is
 * unbound again, as in Xen, and gets an event, so that it looks.
 */
#include "root_private.h"

/* The slot to create, checked, in *port; 0 or the element's result. */
uint64_t blanket_root_port_slot(struct root_end *end, uint64_t item, struct root_port **port)
{
    uint32_t index;
    int status = blanket_below_slot_index(item, BLANKET_ITEM_PORT, end->numbers.count, &index);

    if (status == -BLANKET_ENOENT) {
        return blanket_result(-BLANKET_ENOSPC, BLANKET_QUOTA_PORTS);
    }
    if (status) {
        return blanket_result(status, 0);
    }
    *port = &end->ports[index];
    return blanket_below_slot_create(&(*port)->slot, item);
}

/* The very port that an item names, live; NULL and a status otherwise. */
static struct root_port *port_find(struct root_end *end, uint64_t item, int *status)
{
    uint32_t index;

    *status = blanket_below_slot_index(item, BLANKET_ITEM_PORT, end->numbers.count, &index);
    if (*status == 0 && blanket_below_slot_holds(&end->ports[index].slot, item)) {
        return &end->ports[index];
    }
    *status = *status ? *status : -BLANKET_ENOENT;
    return NULL;
}

void blanket_root_port_fill(struct blanket_root *root, struct root_port *port, uint64_t item,
                            unsigned kind)
{
    blanket_below_slot_fill(&port->slot, item, 0);
    port->kind = (uint8_t)kind;
    root->port_count++;
}

uint64_t blanket_root_port_alloc(struct blanket_root *root, struct root_end *end,
                                 const uint64_t *items)
{
    struct root_port *port = NULL;
    uint64_t result = blanket_root_port_slot(end, items[0], &port);

    if (result == 0 && !end->peer) {
        result = blanket_result(-BLANKET_EOPNOTSUPP, 0);
    }
    if (result == 0) {
        blanket_root_port_fill(root, port, items[0], BLANKET_PORT_STATE_UNBOUND);
        result = blanket_result(0, end->numbers.first + blanket_item_index(items[0]));
    }
    return result;
}

static struct root_port *unbound_at(const struct root_end *end, uint64_t number)
{
    struct root_port *port;

    if (end->dead || number < end->numbers.first ||
        number - end->numbers.first >= end->numbers.count) {
        return NULL;
    }
    port = &end->ports[number - end->numbers.first];
    return port->kind == BLANKET_PORT_STATE_UNBOUND ? port : NULL;
}

/* The peer's unbound port that it published as `number`, NULL: none. */
static struct root_port *port_resolve(const struct blanket_root *root, const struct root_end *end,
                                      uint64_t number)
{
    struct root_port *port = end->peer ? unbound_at(end->peer, number) : NULL;
    uint32_t i;

    if (port || !end->peer || root->scoping == BLANKET_ROOT_SCOPE_ENDPOINT) {
        return port;
    }
    for (i = 0; i < root->place_count && !port; i++) {
        if (blanket_root_end_shares(end, root->places[i].end)) {
            port = unbound_at(root->places[i].end, number);
        }
    }
    return port;
}

uint64_t blanket_root_port_bind(struct blanket_root *root, struct root_end *end,
                                const uint64_t *items)
{
    struct root_port *port = NULL;
    struct root_port *peer;
    uint64_t result = blanket_root_port_slot(end, items[0], &port);

    if (result) {
        return result;
    }
    if (!blanket_below_item_is(items[1], BLANKET_ITEM_PEER_PORT)) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    peer = port_resolve(root, end, blanket_item_value(items[1]));
    if (!peer) {
        return blanket_result(-BLANKET_ENOENT, 0);
    }
    blanket_root_port_fill(root, port, items[0], BLANKET_PORT_STATE_INTERDOMAIN);
    port->peer = peer;
    peer->peer = port;
    peer->kind = BLANKET_PORT_STATE_INTERDOMAIN;
    /* The peer may have had something to say before anybody listened: as Xen, let the binder look. */
    blanket_root_notice_post(root, &port->notice);
    return blanket_result(0, 0);
}

void blanket_root_port_free(struct blanket_root *root, struct root_port *port)
{
    struct root_port *peer = port->peer;

    if (peer) {
        peer->kind = BLANKET_PORT_STATE_UNBOUND;
        peer->peer = NULL;
        blanket_root_notice_post(root, &peer->notice);
    }
    port->peer = NULL;
    port->kind = BLANKET_PORT_STATE_CLOSED;
    port->slot.state = BLANKET_BELOW_FREE;
    root->port_count--;
}

uint64_t blanket_root_port_close(struct blanket_root *root, struct root_end *end,
                                 const uint64_t *items)
{
    struct root_port *port;
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_PORT, end->numbers.count, &index);

    if (status) {
        return blanket_result(status, 0);
    }
    port = &end->ports[index];
    if (blanket_below_slot_holds(&port->slot, items[0]) && port->kind == BLANKET_PORT_STATE_STORE) {
        return blanket_result(-BLANKET_EINVAL, 0); /* STORE_DISCONNECT ends a connection */
    }
    if (blanket_below_slot_retire(&port->slot, items[0])) {
        blanket_root_port_free(root, port);
    }
    return blanket_result(0, 0);
}

uint64_t blanket_root_port_status(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items)
{
    int status;
    const struct root_port *port = port_find(end, items[0], &status);

    (void)root;
    if (!port && status == -BLANKET_ENOENT && blanket_item_index(items[0]) < end->numbers.count) {
        return blanket_result(0, BLANKET_PORT_STATE_CLOSED);
    }
    return port ? blanket_result(0, port->kind) : blanket_result(status, 0);
}

uint64_t blanket_root_port_send(struct blanket_root *root, struct root_end *end,
                                const uint64_t *items)
{
    int status;
    const struct root_port *port = port_find(end, items[0], &status);

    if (!port) {
        return blanket_result(status, 0);
    }
    switch (port->kind) {
    case BLANKET_PORT_STATE_INTERDOMAIN:
        blanket_root_notice_post(root, &port->peer->notice);
        return blanket_result(0, 0);
    case BLANKET_PORT_STATE_UNBOUND:
        return blanket_result(-BLANKET_ENOTCONN, 0);
    default:
        return blanket_result(-BLANKET_EINVAL, 0);
    }
}
