/* SPDX-License-Identifier: MIT */
/*
 * A stock Xen below, by its own hypercalls: grants in the grant table (version 1) that it maps for this
 * domain, event channels by EVTCHNOP. What a level stands on (include/blanket/below.h).
 *
 * All native knowledge is here, and nothing of the Xen that hosts it: hypercalls, memory and the lock
 * come through `struct blanket_xen_native_ops`, so that it runs over a fake Xen too.
 *
 * An endpoint here is a domain of the hypervisor below, a range of this domain's references and a range
 * of event numbers. The level above serialises what matters: an endpoint is removed when it's drained.
 * Locking: ops->lock around every slot; routes are atomic, they are read in interrupt context.
 */
#ifndef BLANKET_PORT_XEN_NATIVE_H
#define BLANKET_PORT_XEN_NATIVE_H

#include <blanket/below.h>
#ifdef __XEN__
#include <public/event_channel.h>
#include <public/grant_table.h>
#else
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#endif

#define BLANKET_XEN_PORTS_BELOW 4096u   /* of the 2-level ABI: what this Xen's upcall looks at */
#define BLANKET_XEN_GRANTS_RESERVED 8u  /* GNTTAB_NR_RESERVED_ENTRIES: the toolstack's */

struct blanket_xen_native_ops {
    /* EVTCHNOP_*: its structure. 0 or a negative error number of Xen's. */
    long (*event_channel)(void *context, unsigned command, void *argument);
    void (*lock)(void *context);
    void (*unlock)(void *context);
};

enum blanket_xen_native_state {
    BLANKET_XEN_NATIVE_FREE = 0,
    BLANKET_XEN_NATIVE_LIVE = 1,
    BLANKET_XEN_NATIVE_CLOSING = 2
};

struct blanket_xen_native_slot {
    uint32_t generation; /* kept when free, until the endpoint is removed */
    uint32_t port;       /* channels: at the hypervisor below */
    uint16_t owner;      /* endpoint's index + 1; 0: none */
    uint8_t state;
    uint8_t zero;
};

struct blanket_xen_native_endpoint {
    uint32_t generation; /* kept when free */
    uint32_t peer;
    uint32_t grant_first, grant_count;
    uint32_t port_first, port_count; /* event numbers */
    uint32_t used;
};

/* Filled in by its host, all memory too; zeroed otherwise. */
struct blanket_xen_native {
    const struct blanket_xen_native_ops *ops;
    void *context;
    grant_entry_v1_t *table; /* the hypervisor below reads it, and writes what it uses */
    struct blanket_xen_native_endpoint *endpoints;
    struct blanket_xen_native_slot *grants; /* grant_count */
    struct blanket_xen_native_slot *ports;  /* port_count */
    uint32_t *routes; /* BLANKET_XEN_PORTS_BELOW: event number + 1, by port below */
    uint32_t endpoint_count;
    uint32_t grant_count;
    uint32_t port_count;
};

/*
 * Room for an endpoint. *endpoint is its handle here, *grant_base what the peer calls its grant 0,
 * *event_base the number of its port 0. -BLANKET_ENOSPC (*quota: of what).
 */
int blanket_xen_native_add(struct blanket_xen_native *native, uint32_t peer, uint32_t grants,
                           uint32_t ports, uint64_t *endpoint, uint32_t *quota);
void blanket_xen_native_remove(struct blanket_xen_native *native, uint64_t endpoint);

/* Its ranges, NULL if there is none of that handle. Stays while it isn't removed. */
const struct blanket_xen_native_endpoint *blanket_xen_native_find(
    const struct blanket_xen_native *native, uint64_t endpoint);

/* As the level's below. */
struct blanket_below blanket_xen_native_below(struct blanket_xen_native *native);

/* The event number of a port below; any context. 0 and *number, or -BLANKET_ENOENT. */
int blanket_xen_native_route(const struct blanket_xen_native *native, uint32_t port,
                             uint32_t *number);

/* What the peer calls a port (an item of type PORT) of an endpoint. 0 and *number, or -BLANKET_ENOENT. */
int blanket_xen_native_port(struct blanket_xen_native *native, uint64_t endpoint, uint64_t item,
                            uint32_t *number);

/* References that belong to an endpoint. */
uint32_t blanket_xen_native_minted(const struct blanket_xen_native *native);

#endif
