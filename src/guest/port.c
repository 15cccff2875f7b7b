/* SPDX-License-Identifier: MIT */
/* Event channels. */
#include "guest_private.h"

int blanket_guest_port_create(struct blanket_guest_device *device, uint16_t verb, uint64_t item,
                              uint32_t *port, uint32_t *value)
{
    struct blanket_guest *guest = device->guest;
    struct blanket_guest_table *table = &device->ports;
    uint32_t index;
    int again, rc;

    rc = blanket_guest_table_take(table, &index);
    if (rc != 0) {
        return rc;
    }
    for (int first = 1; first >= 0; first--) {
        guest->items[0] = blanket_guest_table_item(table, BLANKET_ITEM_PORT, index);
        guest->items[1] = item;
        blanket_guest_run(guest, device->endpoint, verb, item != 0 ? 2 : 1, 1);
        again = blanket_guest_table_created(table, index, guest->results[0], first);
        if (!again) {
            break;
        }
    }
    rc = blanket_result_status(guest->results[0]);
    if (rc == 0 || rc == -BLANKET_EIO) {
        *port = index;
        *value = blanket_result_value(guest->results[0]);
    }
    return rc;
}

int blanket_guest_port_destroy(struct blanket_guest_device *device, uint16_t verb, uint32_t port)
{
    struct blanket_guest *guest = device->guest;
    struct blanket_guest_table *table = &device->ports;

    if (!blanket_guest_table_used(table, port)) {
        return -BLANKET_EINVAL;
    }
    table->slots[port].state = BLANKET_GUEST_SLOT_CLOSING;
    guest->items[0] = blanket_guest_table_item(table, BLANKET_ITEM_PORT, port);
    blanket_guest_run(guest, device->endpoint, verb, 1, 1);
    blanket_guest_table_destroyed(table, port, guest->results[0]);
    return blanket_result_status(guest->results[0]);
}

int blanket_guest_port_alloc(struct blanket_guest_device *device, uint32_t *port, uint32_t *number)
{
    return blanket_guest_port_create(device, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 0, port, number);
}

int blanket_guest_port_bind(struct blanket_guest_device *device, uint32_t peer_port, uint32_t *port)
{
    uint64_t item = blanket_item(BLANKET_ITEM_PEER_PORT, 0, peer_port);
    uint32_t value;

    return blanket_guest_port_create(device, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, item, port,
                                     &value);
}

int blanket_guest_port_close(struct blanket_guest_device *device, uint32_t port)
{
    return blanket_guest_port_destroy(device, BLANKET_VERB_EVTCHN_CLOSE, port);
}

int blanket_guest_port_send(struct blanket_guest_device *device, uint32_t port)
{
    struct blanket_guest *guest = device->guest;

    if (!blanket_guest_table_used(&device->ports, port)) {
        return -BLANKET_EINVAL;
    }
    return blanket_guest_status_check(
        guest->below.ops->send(guest->below.context, guest->vcpu, device->endpoint,
                               blanket_guest_table_item(&device->ports, BLANKET_ITEM_PORT, port)));
}

/* One element about a port, with up to one more item. */
static int port_act(struct blanket_guest_device *device, uint16_t verb, uint32_t port,
                    uint64_t item)
{
    struct blanket_guest *guest = device->guest;

    if (!blanket_guest_table_used(&device->ports, port)) {
        return -BLANKET_EINVAL;
    }
    guest->items[0] = blanket_guest_table_item(&device->ports, BLANKET_ITEM_PORT, port);
    guest->items[1] = item;
    blanket_guest_run(guest, device->endpoint, verb, item != 0 ? 2 : 1, 1);
    return blanket_result_status(guest->results[0]);
}

int blanket_guest_port_mask(struct blanket_guest_device *device, uint32_t port)
{
    return port_act(device, BLANKET_VERB_EVTCHN_MASK, port, 0);
}

int blanket_guest_port_unmask(struct blanket_guest_device *device, uint32_t port)
{
    return port_act(device, BLANKET_VERB_EVTCHN_UNMASK, port, 0);
}

int blanket_guest_port_vcpu(struct blanket_guest_device *device, uint32_t port, uint32_t vcpu)
{
    return port_act(device, BLANKET_VERB_EVTCHN_BIND_VCPU, port,
                    blanket_item(BLANKET_ITEM_COUNT, 0, vcpu));
}

int blanket_guest_port_status(struct blanket_guest_device *device, uint32_t port, uint32_t *state)
{
    const uint32_t known = BLANKET_PORT_STATE_MASK | BLANKET_PORT_STATE_PENDING |
                           BLANKET_PORT_STATE_MASKED;
    int rc = port_act(device, BLANKET_VERB_EVTCHN_STATUS, port, 0);
    uint32_t value;

    if (rc != 0) {
        return rc;
    }
    value = blanket_result_value(device->guest->results[0]);
    if ((value & ~known) != 0 || (value & BLANKET_PORT_STATE_MASK) > BLANKET_PORT_STATE_STORE) {
        return -BLANKET_EIO;
    }
    *state = value;
    return 0;
}

uint32_t blanket_guest_port_number(const struct blanket_guest_device *device, uint32_t port)
{
    return device->port_base + port;
}

int blanket_guest_port_find(const struct blanket_guest_device *device, uint32_t number,
                            uint32_t *port)
{
    uint32_t index = number - device->port_base; /* a number below the base is a huge index */

    if (!blanket_guest_table_used(&device->ports, index)) {
        return -BLANKET_ENOENT;
    }
    *port = index;
    return 0;
}
