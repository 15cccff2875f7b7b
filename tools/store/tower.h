/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore, the levels above it, and the guest on top: its endpoint is the whole store,
 * each of its connections a client's. Used by one thread.
 */
#ifndef BLANKET_STORE_TOWER_H
#define BLANKET_STORE_TOWER_H

#include <blanket/guest.h>
#include <blanket/port/root.h>
#include <blanket/port/sim.h>

#define TOWER_MESSAGE_MAX 4112u /* struct xsd_sockmsg and 4096 bytes */

struct tower_config {
    uint32_t levels; /* 0..16 */
    uint32_t domid;  /* that the store takes the guest on top for */
    struct blanket_root_store_quotas quotas;
    uint64_t memory; /* bytes of the store */
    bool checked;    /* the simulation checks the levels as they go */
    /* There is something to receive on a connection. From inside tower_call. */
    void (*event)(void *context, uint32_t connection);
    void *context;
};

struct tower {
    struct tower_config config;
    struct blanket_root *root;
    struct blanket_sim *sim; /* NULL: no level between */
    uint32_t node;           /* of the guest on top */
    struct blanket_guest guest;
    uint64_t endpoint;
    uint32_t port_base; /* number of the port of connection 0, as events name it */
    uint8_t frame[BLANKET_FRAME_SIZE_MAX] __attribute__((aligned(8)));
};

/* A call of the guest on top: items[0] is the connection's port. */
struct tower_call {
    uint16_t verb;
    uint16_t item_count;
    uint64_t items[4];
    const uint8_t *payload;
    uint32_t payload_size;
    uint8_t *reply; /* room for reply_max bytes */
    uint32_t reply_max;
    uint32_t reply_size; /* out */
    uint32_t value;      /* out: the result's */
};

/* The provider alone, so that a state can be restored into it. 0 or -BLANKET_E*. */
int tower_create(const struct tower_config *config, struct tower *tower);
/* Levels and endpoint on top of it. */
int tower_raise(struct tower *tower);
/* Takes everything down. Violations that a checked simulation has found. */
int tower_destroy(struct tower *tower);

/* 0 or the first error, the call's or its result's. */
int tower_call(struct tower *tower, struct tower_call *call);

/* PORT item of a connection's life. */
uint64_t tower_port(uint32_t connection, uint32_t generation);
int tower_connect(struct tower *tower, uint64_t port);
/* -BLANKET_EBUSY: not all of it is ended yet; call again, later. */
int tower_disconnect(struct tower *tower, uint64_t port);
/* From now on events of the connection are told again; before what they told of is received. */
void tower_event_take(struct tower *tower, uint32_t connection);

#endif
