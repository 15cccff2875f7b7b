/* SPDX-License-Identifier: MIT */
#include "xenbus.h"

#define RING XENSTORE_RING_SIZE

/* Out: up to the end of the message, or of the room. */
static int push(struct blanket_xen_bus *bus)
{
    struct xenstore_domain_interface *ring = bus->ring;
    uint32_t producer = ring->req_prod;
    uint32_t used = producer - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
    uint32_t moved = 0;

    if (used > RING) {
        bus->broken = 1;
        return 0;
    }
    while (bus->out_at < bus->out_size && used + moved < RING) {
        ring->req[(producer + moved) % RING] = (char)bus->out[bus->out_at++];
        moved++;
    }
    __atomic_store_n(&ring->req_prod, producer + moved, __ATOMIC_SEQ_CST);
    return moved != 0;
}

/* How much belongs to the message that is coming: its header, then all of it. 0: nonsense. */
static uint32_t wanted(const struct blanket_xen_bus *bus)
{
    struct xsd_sockmsg header;

    if (bus->in_size < sizeof(header)) {
        return sizeof(header);
    }
    memcpy(&header, bus->in, sizeof(header));
    return header.len > BLANKET_XEN_MESSAGE_MAX - sizeof(header)
               ? 0
               : (uint32_t)sizeof(header) + header.len;
}

/* In: never more than one message. */
static int pull(struct blanket_xen_bus *bus)
{
    struct xenstore_domain_interface *ring = bus->ring;
    uint32_t consumer = ring->rsp_cons;
    uint32_t there = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - consumer;
    uint32_t moved = 0, want = wanted(bus);

    if (there > RING) {
        bus->broken = 1;
        return 0;
    }
    while (moved < there && bus->in_size < want) {
        bus->in[bus->in_size++] = (uint8_t)ring->rsp[(consumer + moved) % RING];
        moved++;
        want = wanted(bus);
    }
    bus->broken |= want == 0;
    __atomic_store_n(&ring->rsp_cons, consumer + moved, __ATOMIC_SEQ_CST);
    return moved != 0;
}

int blanket_xen_bus_move(struct blanket_xen_bus *bus)
{
    int told = 0;

    if (!bus->broken) {
        told = push(bus);
    }
    if (!bus->broken) {
        told |= pull(bus);
    }
    return told;
}

int blanket_xen_bus_send(struct blanket_xen_bus *bus, const void *message, uint32_t size)
{
    struct xsd_sockmsg header;

    if (size < sizeof(header) || size > BLANKET_XEN_MESSAGE_MAX) {
        return -BLANKET_EINVAL;
    }
    memcpy(&header, message, sizeof(header));
    if (header.len != size - sizeof(header)) {
        return -BLANKET_EINVAL;
    }
    if (bus->broken) {
        return -BLANKET_EIO;
    }
    if (bus->out_at < bus->out_size) {
        return -BLANKET_EAGAIN;
    }
    memcpy(bus->out, message, size);
    bus->out_at = 0;
    bus->out_size = size;
    return 0;
}

int blanket_xen_bus_receive(struct blanket_xen_bus *bus, void *message, uint32_t *size)
{
    if (bus->in_size < sizeof(struct xsd_sockmsg) || bus->in_size < wanted(bus)) {
        return bus->broken ? -BLANKET_EIO : -BLANKET_ENOENT;
    }
    if (bus->broken) {
        return -BLANKET_EIO;
    }
    memcpy(message, bus->in, bus->in_size);
    *size = bus->in_size;
    bus->in_size = 0;
    return 0;
}
