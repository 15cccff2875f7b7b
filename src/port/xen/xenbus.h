/* SPDX-License-Identifier: MIT */
/*
 * The ring to the store of the hypervisor below, in whole messages. What is there is the other side's
 * to change at any time: indexes are read once, a size is checked before it is believed.
 *
 * Locking: its host serialises.
 */
#ifndef BLANKET_PORT_XEN_XENBUS_H
#define BLANKET_PORT_XEN_XENBUS_H

#include <blanket/env.h>
#include <blanket/errno.h>
#ifdef __XEN__
#include <xen/errno.h>
#include <public/io/xs_wire.h>
#else
#include <errno.h>
#include <xen/io/xs_wire.h>
#endif

#define BLANKET_XEN_MESSAGE_MAX 4112u

/* A queued call: items and payload follow it. */
struct blanket_xen_request {
    uint16_t verb;
    uint16_t payload_size;
    uint32_t number;
    uint8_t item_count;
    uint8_t zero[3];
};

struct blanket_xen_bus {
    struct xenstore_domain_interface *ring;
    uint32_t out_size, out_at; /* of the message that is on its way out */
    uint32_t in_size;          /* bytes of the next message that are here */
    uint32_t broken;           /* what came isn't messages */
    uint8_t out[BLANKET_XEN_MESSAGE_MAX] __attribute__((aligned(8)));
    uint8_t in[BLANKET_XEN_MESSAGE_MAX] __attribute__((aligned(8)));
};

/* Move what can be moved now, in both directions. 1: the other side has to be told. */
int blanket_xen_bus_move(struct blanket_xen_bus *bus);

/* Take one whole message to be sent. -BLANKET_EAGAIN: one is on its way; -BLANKET_EINVAL. */
int blanket_xen_bus_send(struct blanket_xen_bus *bus, const void *message, uint32_t size);

/* The next whole message, to `message` (BLANKET_XEN_MESSAGE_MAX), *size. -BLANKET_ENOENT, -BLANKET_EIO. */
int blanket_xen_bus_receive(struct blanket_xen_bus *bus, void *message, uint32_t *size);

#endif
