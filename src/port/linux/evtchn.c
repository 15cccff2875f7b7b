/* SPDX-License-Identifier: MIT */
/*
 * Event channels of /dev/xen/evtchn. The kernel masks a port when it hands out its event, until we say
 * that we've seen it; ports of the store's connections have no number there.
 */
#include "linux_private.h"

#include <errno.h>

/* The slot to create, checked, in *port; 0 or the element's result. */
uint64_t blanket_linux_port_slot(struct linux_end *end, uint64_t item, struct linux_port **port)
{
    uint32_t index;
    int status = blanket_below_slot_index(item, BLANKET_ITEM_PORT, end->port_count, &index);

    if (status == -BLANKET_ENOENT) {
        return blanket_result(-BLANKET_ENOSPC, BLANKET_QUOTA_PORTS);
    }
    if (status) {
        return blanket_result(status, 0);
    }
    *port = &end->ports[index];
    return blanket_below_slot_create(&(*port)->slot, item);
}

/* The very port that an item names; NULL and a status otherwise. */
static struct linux_port *port_find(struct linux_end *end, uint64_t item, int *status)
{
    uint32_t index;

    *status = blanket_below_slot_index(item, BLANKET_ITEM_PORT, end->port_count, &index);
    if (*status == 0 && blanket_below_slot_holds(&end->ports[index].slot, item)) {
        return &end->ports[index];
    }
    *status = *status ? *status : -BLANKET_ENOENT;
    return NULL;
}

static bool is_channel(const struct linux_port *port)
{
    return port->kind == BLANKET_PORT_STATE_UNBOUND || port->kind == BLANKET_PORT_STATE_INTERDOMAIN;
}

void blanket_linux_port_fill(struct linux_port *port, uint64_t item, unsigned kind)
{
    blanket_below_slot_fill(&port->slot, item, 0);
    port->kind = (uint8_t)kind;
    port->end->door->stats.ports++;
}

void blanket_linux_port_free(struct linux_port *port)
{
    struct blanket_linux *door = port->end->door;

    if (is_channel(port)) {
        (void)xenevtchn_unbind(door->channels, (evtchn_port_t)port->node.key);
        blanket_linux_table_remove(&door->numbers, &port->node);
    }
    port->kind = BLANKET_PORT_STATE_CLOSED;
    port->slot.state = BLANKET_BELOW_FREE;
    door->stats.ports--;
}

static uint64_t bound(struct linux_port *port, uint64_t item, int number, unsigned kind)
{
    struct blanket_linux *door = port->end->door;

    if (number < 0) {
        int status = blanket_linux_fail(door, "/dev/xen/evtchn", errno);

        if (status == -BLANKET_ENOSPC) {
            return blanket_result(status, BLANKET_QUOTA_PORTS);
        }
        /* The peer has no such port for us, or is no domain. */
        if (status == -BLANKET_EINVAL && kind == BLANKET_PORT_STATE_INTERDOMAIN) {
            status = -BLANKET_ENOENT;
        }
        return blanket_result(status == -BLANKET_EIO ? -BLANKET_EPERM : status, 0);
    }
    blanket_linux_port_fill(port, item, kind);
    blanket_linux_table_add(&door->numbers, &port->node, (uint64_t)number);
    return blanket_result(0, kind == BLANKET_PORT_STATE_UNBOUND ? (uint32_t)number : 0);
}

uint64_t blanket_linux_port_alloc(struct linux_end *end, const uint64_t *items)
{
    struct linux_port *port = NULL;
    uint64_t result = blanket_linux_port_slot(end, items[0], &port);

    if (result) {
        return result;
    }
    return bound(port, items[0], xenevtchn_bind_unbound_port(end->door->channels, end->peer_domid),
                 BLANKET_PORT_STATE_UNBOUND);
}

uint64_t blanket_linux_port_bind(struct linux_end *end, const uint64_t *items)
{
    struct linux_port *port = NULL;
    uint64_t result = blanket_linux_port_slot(end, items[0], &port);
    uint64_t number = blanket_item_value(items[1]);

    if (result) {
        return result;
    }
    if (!blanket_below_item_is(items[1], BLANKET_ITEM_PEER_PORT) || number > INT32_MAX) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    return bound(
        port, items[0],
        xenevtchn_bind_interdomain(end->door->channels, end->peer_domid, (evtchn_port_t)number),
        BLANKET_PORT_STATE_INTERDOMAIN);
}

uint64_t blanket_linux_port_close(struct linux_end *end, const uint64_t *items)
{
    struct linux_port *port;
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_PORT, end->port_count, &index);

    if (status) {
        return blanket_result(status, 0);
    }
    port = &end->ports[index];
    if (blanket_below_slot_holds(&port->slot, items[0]) && !is_channel(port)) {
        return blanket_result(-BLANKET_EINVAL, 0); /* STORE_DISCONNECT ends a connection */
    }
    if (blanket_below_slot_retire(&port->slot, items[0])) {
        blanket_linux_port_free(port);
    }
    return blanket_result(0, 0);
}

/* What Xen says of a channel; a status if the process may not ask. */
static int channel_ask(struct blanket_linux *door, uint32_t number, uint32_t *state)
{
    struct evtchn_status *ask;
    int status = -BLANKET_EOPNOTSUPP;

    if (!door->calls) {
        return status;
    }
    ask = (struct evtchn_status *)xencall_alloc_buffer(door->calls, sizeof(*ask));
    if (!ask) {
        return -BLANKET_EAGAIN;
    }
    memset(ask, 0, sizeof(*ask));
    ask->dom = DOMID_SELF;
    ask->port = number;
    if (xencall2(door->calls, __HYPERVISOR_event_channel_op, EVTCHNOP_status,
                 (uint64_t)(uintptr_t)ask) == 0 &&
        ask->status <= EVTCHNSTAT_interdomain) {
        *state = ask->status; /* the same numbers as BLANKET_PORT_STATE_* */
        status = 0;
    }
    xencall_free_buffer(door->calls, ask);
    return status;
}

uint64_t blanket_linux_port_status(struct linux_end *end, const uint64_t *items)
{
    int status;
    const struct linux_port *port = port_find(end, items[0], &status);
    uint32_t state;

    if (!port && status == -BLANKET_ENOENT && blanket_item_index(items[0]) < end->port_count) {
        return blanket_result(0, BLANKET_PORT_STATE_CLOSED);
    }
    if (!port) {
        return blanket_result(status, 0);
    }
    state = port->kind;
    status = is_channel(port) ? channel_ask(end->door, (uint32_t)port->node.key, &state) : 0;
    return blanket_result(status, status ? 0 : state);
}

/* Xen drops the event of a port that nobody has bound to, and says nothing. */
uint64_t blanket_linux_port_send(struct linux_end *end, const uint64_t *items)
{
    int status;
    const struct linux_port *port = port_find(end, items[0], &status);

    if (!port) {
        return blanket_result(status, 0);
    }
    if (!is_channel(port)) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    if (xenevtchn_notify(end->door->channels, (evtchn_port_t)port->node.key)) {
        return blanket_result(-BLANKET_ENOTCONN, 0);
    }
    return blanket_result(0, 0);
}

int blanket_linux_port_take(struct blanket_linux *door, struct linux_port **port)
{
    struct linux_node *node;
    int number = xenevtchn_pending(door->channels);

    if (number < 0) {
        return 0;
    }
    /* Before anybody is told: an event from now on is a new one. */
    (void)xenevtchn_unmask(door->channels, (evtchn_port_t)number);
    node = blanket_linux_table_find(&door->numbers, (uint64_t)number);
    *port = node ? (struct linux_port *)node : NULL;
    door->stats.events++;
    door->stats.events_unknown += node ? 0 : 1;
    return 1;
}
