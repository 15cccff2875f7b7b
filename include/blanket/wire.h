/* SPDX-License-Identifier: MIT */
/*
 * The wire: one hypercall, one frame. Facts only; docs/abi.md explains each verb.
 *
 * A frame is a header, then items of 64 bits, then a payload. Authority is in the header and items,
 * data is in the payload: each level checks and translates the former and never reads the latter.
 * All fields are little-endian and of fixed width; there is no padding; a field or bit without a
 * meaning must be zero. 32- and 64-bit callers use the same layout.
 */
#ifndef BLANKET_WIRE_H
#define BLANKET_WIRE_H

#include <blanket/env.h>

/* Hypercall nested_op: 43 to 47 are free in Xen 4.17 to 4.21 (public/xen.h); a host may choose. */
#define BLANKET_HYPERCALL_DEFAULT 43u

/* First argument of the hypercall: which form. Old Xen-Blanket trees used 43 for something else. */
#define BLANKET_FORM_QUERY 0x424c4b51u /* (form, magic, 0): signature; touches no memory */
#define BLANKET_FORM_CALL 0x424c4b43u  /* (form, address of the frame): status */
/* (form, endpoint slot, endpoint generation, port index, port generation): status. A 32-bit caller's
 * registers hold no handle. */
#define BLANKET_FORM_SEND 0x424c4b53u

#define BLANKET_ARGUMENT_COUNT 4u /* after the form */

#define BLANKET_QUERY_MAGIC 0x626c616eu /* second argument of the query form */
#define BLANKET_SIGNATURE 0x6b657431    /* its answer, positive in 31 bits; anything else is "absent" */

#define BLANKET_WIRE_MAGIC 0x544b4c42u /* "BLKT" */
#define BLANKET_WIRE_VERSION 1u

#define BLANKET_FRAME_SIZE_MAX 8192u   /* two pages */
#define BLANKET_HEADER_SIZE 64u
#define BLANKET_PAYLOAD_SIZE_MAX 4112u /* a whole xenstore message: 16 + 4096 (xen/io/xs_wire.h) */
#define BLANKET_ITEM_COUNT_MAX 256u    /* 64 + 256 * 8 + 4112 fits two pages */
#define BLANKET_ELEMENT_COUNT_MAX 64u  /* elements of a batch that are in flight at once */
#define BLANKET_NAME_SIZE 32u          /* an endpoint's name with its NUL */
#define BLANKET_LEVEL_MAX 16u          /* levels above each other */

/* Offset 0 of a frame. */
struct blanket_wire_header {
    uint32_t magic;
    uint16_t version;
    uint16_t verb;
    uint32_t flags;          /* none are defined: zero */
    uint16_t item_count;     /* items that follow the header */
    uint16_t payload_size;   /* bytes of payload that follow the items */
    uint64_t endpoint;       /* handle: generation << 32 | slot of the caller's own table */
    uint64_t claim;          /* what the caller says of its own caller: attribution, never authority */
    uint16_t done;           /* call: element to begin with; reply: elements whose result is there */
    uint16_t reply_max;      /* call: bytes of payload that a reply may have */
    uint16_t reply_size;     /* reply: bytes of payload */
    uint16_t zero0;
    int32_t status;          /* reply: 0 or -BLANKET_E*; the register has it too */
    uint32_t detail;         /* reply: with -BLANKET_ENOSPC the quota (enum blanket_quota) */
    uint64_t zero1[2];
};

/*
 * An item: type in bits 56-63, access in 54-55, zero in 48-53, value in 0-47. A slot that is named by
 * its owner is index (bits 0-15) and generation (bits 16-47) in its table.
 */
#define BLANKET_ITEM_TYPE_SHIFT 56
#define BLANKET_ITEM_ACCESS_SHIFT 54
#define BLANKET_ITEM_VALUE_MASK (((uint64_t)1 << 48) - 1)
#define BLANKET_SLOT_INDEX_MAX 0xffffu

enum blanket_item_type {
    BLANKET_ITEM_NONE = 0,
    BLANKET_ITEM_FRAME = 1,       /* caller's frame number (gfn; for PV callers its mfn) */
    BLANKET_ITEM_OWN_GRANT = 2,   /* caller's own grant reference at its hypervisor, names its page */
    BLANKET_ITEM_PEER_REF = 3,    /* grant reference as the endpoint's peer published it */
    BLANKET_ITEM_PEER_PORT = 4,   /* event channel as the endpoint's peer published it */
    BLANKET_ITEM_GRANT = 5,       /* slot of the endpoint's grant table */
    BLANKET_ITEM_MAPPING = 6,     /* slot of the endpoint's table of mappings */
    BLANKET_ITEM_PORT = 7,        /* slot of the endpoint's table of ports */
    BLANKET_ITEM_ENDPOINT = 8,    /* slot of the caller's table of endpoints (index, generation) */
    BLANKET_ITEM_ROOT = 9,        /* root of the endpoint's store view (enum blanket_store_root) */
    BLANKET_ITEM_TRANSACTION = 10, /* id that the caller chose within a connection; 0 is none */
    BLANKET_ITEM_WATCH = 11,      /* id that the caller chose within a connection */
    BLANKET_ITEM_REQUEST = 12,    /* xenstore message type << 32 | request id */
    BLANKET_ITEM_COUNT = 13,      /* a plain number */
    BLANKET_ITEM_SPAN = 14        /* copy: peer offset | frame offset << 12 | length << 24, bytes */
};

/* Access bits of FRAME, OWN_GRANT and PEER_REF items. Zero elsewhere. */
#define BLANKET_ACCESS_READ 1u
#define BLANKET_ACCESS_WRITE 2u

/*
 * In a reply the first item of each element that is done is its result: status (int32) in the low
 * half, a value in the high half.
 */

/* Roots of a store view. A path in a payload is relative to one of them. */
enum blanket_store_root {
    BLANKET_ROOT_FRONTEND = 0,
    BLANKET_ROOT_BACKEND = 1,
    BLANKET_ROOT_DATA = 2,
    BLANKET_ROOT_ALL = 3, /* the whole store as one caller of it: an administrative view */
    BLANKET_ROOT_COUNT = 4
};

/* Rights of an endpoint: bit numbers. They only shrink. */
enum blanket_right {
    BLANKET_RIGHT_QUERY = 0,
    BLANKET_RIGHT_DERIVE = 1,
    BLANKET_RIGHT_REVOKE = 2,
    BLANKET_RIGHT_RESET = 3,
    BLANKET_RIGHT_GRANT_ACCESS = 4,
    BLANKET_RIGHT_GRANT_MAP = 5,
    BLANKET_RIGHT_GRANT_COPY = 6,
    BLANKET_RIGHT_EVTCHN_BIND = 7,
    BLANKET_RIGHT_EVTCHN_SEND = 8,
    BLANKET_RIGHT_STORE_CONNECT = 9,
    BLANKET_RIGHT_STORE_READ = 10,
    BLANKET_RIGHT_STORE_WRITE = 11,
    BLANKET_RIGHT_STORE_WATCH = 12,
    BLANKET_RIGHT_STORE_TRANSACT = 13,
    BLANKET_RIGHT_COUNT = 14
};
#define BLANKET_RIGHTS_ALL ((1u << BLANKET_RIGHT_COUNT) - 1u)

/* Quotas, as named in `detail` and in results with -BLANKET_ENOSPC. */
enum blanket_quota {
    BLANKET_QUOTA_NONE = 0,
    BLANKET_QUOTA_ENDPOINTS = 1,
    BLANKET_QUOTA_DEPTH = 2, /* derivations above each other at one level */
    BLANKET_QUOTA_GRANTS = 3,
    BLANKET_QUOTA_MAPPINGS = 4,
    BLANKET_QUOTA_PORTS = 5,
    BLANKET_QUOTA_STORE_REQUESTS = 6,
    BLANKET_QUOTA_STORE_TRANSACTIONS = 7,
    BLANKET_QUOTA_STORE_WATCHES = 8,
    BLANKET_QUOTA_COUNT = 9
};

/* A verb's number: room in bits 12-15, effect in 10-11, right in 5-9, id in 0-4. */
enum blanket_room {
    BLANKET_ROOM_ENDPOINT = 0,
    BLANKET_ROOM_GRANT = 1,
    BLANKET_ROOM_EVTCHN = 2,
    BLANKET_ROOM_XENSTORE = 3
};
enum blanket_effect {
    BLANKET_EFFECT_QUERY = 0,
    BLANKET_EFFECT_ACT = 1,
    BLANKET_EFFECT_CREATE = 2,
    BLANKET_EFFECT_DESTROY = 3
};
#define BLANKET_VERB(room, effect, right, id)                                                      \
    ((BLANKET_ROOM_##room << 12) | (BLANKET_EFFECT_##effect << 10) | (BLANKET_RIGHT_##right << 5) | (id))

enum blanket_verb {
    BLANKET_VERB_ENDPOINT_QUERY = BLANKET_VERB(ENDPOINT, QUERY, QUERY, 1),
    BLANKET_VERB_ENDPOINT_LOOKUP = BLANKET_VERB(ENDPOINT, QUERY, QUERY, 2),
    BLANKET_VERB_ENDPOINT_EVENTS = BLANKET_VERB(ENDPOINT, ACT, QUERY, 3),
    BLANKET_VERB_ENDPOINT_DERIVE = BLANKET_VERB(ENDPOINT, CREATE, DERIVE, 4),
    BLANKET_VERB_ENDPOINT_REVOKE = BLANKET_VERB(ENDPOINT, DESTROY, REVOKE, 5),
    BLANKET_VERB_ENDPOINT_RESET = BLANKET_VERB(ENDPOINT, ACT, RESET, 6),

    BLANKET_VERB_GRANT_ACCESS = BLANKET_VERB(GRANT, CREATE, GRANT_ACCESS, 1),
    BLANKET_VERB_GRANT_END_ACCESS = BLANKET_VERB(GRANT, DESTROY, GRANT_ACCESS, 2),
    BLANKET_VERB_GRANT_QUERY = BLANKET_VERB(GRANT, QUERY, GRANT_ACCESS, 3),
    BLANKET_VERB_GRANT_MAP = BLANKET_VERB(GRANT, CREATE, GRANT_MAP, 4),
    BLANKET_VERB_GRANT_UNMAP = BLANKET_VERB(GRANT, DESTROY, GRANT_MAP, 5),
    BLANKET_VERB_GRANT_COPY = BLANKET_VERB(GRANT, CREATE, GRANT_COPY, 6),

    BLANKET_VERB_EVTCHN_ALLOC_UNBOUND = BLANKET_VERB(EVTCHN, CREATE, EVTCHN_BIND, 1),
    BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN = BLANKET_VERB(EVTCHN, CREATE, EVTCHN_BIND, 2),
    BLANKET_VERB_EVTCHN_CLOSE = BLANKET_VERB(EVTCHN, DESTROY, EVTCHN_BIND, 3),
    BLANKET_VERB_EVTCHN_BIND_VCPU = BLANKET_VERB(EVTCHN, ACT, EVTCHN_BIND, 4),
    BLANKET_VERB_EVTCHN_MASK = BLANKET_VERB(EVTCHN, ACT, EVTCHN_BIND, 5),
    BLANKET_VERB_EVTCHN_UNMASK = BLANKET_VERB(EVTCHN, ACT, EVTCHN_BIND, 6),
    BLANKET_VERB_EVTCHN_STATUS = BLANKET_VERB(EVTCHN, QUERY, EVTCHN_BIND, 7),
    BLANKET_VERB_EVTCHN_SEND = BLANKET_VERB(EVTCHN, ACT, EVTCHN_SEND, 8),

    BLANKET_VERB_STORE_CONNECT = BLANKET_VERB(XENSTORE, CREATE, STORE_CONNECT, 1),
    BLANKET_VERB_STORE_DISCONNECT = BLANKET_VERB(XENSTORE, DESTROY, STORE_CONNECT, 2),
    BLANKET_VERB_STORE_RECEIVE = BLANKET_VERB(XENSTORE, ACT, STORE_CONNECT, 3),
    BLANKET_VERB_STORE_READ = BLANKET_VERB(XENSTORE, QUERY, STORE_READ, 4),
    BLANKET_VERB_STORE_WRITE = BLANKET_VERB(XENSTORE, ACT, STORE_WRITE, 5),
    BLANKET_VERB_STORE_WRITE_GRANT = BLANKET_VERB(XENSTORE, ACT, STORE_WRITE, 6),
    BLANKET_VERB_STORE_WRITE_PORT = BLANKET_VERB(XENSTORE, ACT, STORE_WRITE, 7),
    BLANKET_VERB_STORE_WATCH = BLANKET_VERB(XENSTORE, ACT, STORE_WATCH, 8),
    BLANKET_VERB_STORE_TRANSACT = BLANKET_VERB(XENSTORE, ACT, STORE_TRANSACT, 9)
};

/* Value of a GRANT_QUERY result: what the peer does with the page now (GTF_reading, GTF_writing). */
#define BLANKET_GRANT_STATE_READING 1u
#define BLANKET_GRANT_STATE_WRITING 2u
#define BLANKET_GRANT_STATE_CLOSING 4u

/* Value of an EVTCHN_STATUS result (evtchn_status.status of xen/event_channel.h, and two bits). */
#define BLANKET_PORT_STATE_CLOSED 0u
#define BLANKET_PORT_STATE_UNBOUND 1u
#define BLANKET_PORT_STATE_INTERDOMAIN 2u
#define BLANKET_PORT_STATE_STORE 3u
#define BLANKET_PORT_STATE_MASK 0xffu
#define BLANKET_PORT_STATE_PENDING 0x100u
#define BLANKET_PORT_STATE_MASKED 0x200u

/* Bits of an ENDPOINT_EVENTS reply. */
#define BLANKET_EVENT_DEAD 1u      /* revoked: no call on it will succeed again */
#define BLANKET_EVENT_DRAINED 2u   /* nothing of it is left: what it held may be used again */
#define BLANKET_EVENT_PEER_GONE 4u /* the level below lost it: broken until rebound */

/* Guest port 0 is the control port of every guest: "ask ENDPOINT_EVENTS". */
#define BLANKET_PORT_CONTROL 0u

/* Reply payload of ENDPOINT_QUERY and ENDPOINT_LOOKUP, and of each ENDPOINT_EVENTS. */
struct blanket_wire_endpoint {
    uint64_t endpoint;        /* handle */
    uint64_t scope;           /* endpoints of one scope share their peer's number space (DESIGN law 0) */
    uint32_t rights;          /* effective at this level */
    uint32_t state;           /* enum blanket_endpoint_state */
    uint32_t events;          /* BLANKET_EVENT_* (EVENTS: those now taken) */
    uint32_t grant_base;      /* reference that the peer sees for grant index 0 */
    uint32_t port_base;       /* this guest's port number of port index 0, as events name it */
    uint32_t grant_count;     /* quotas, and what is in use or being taken down of each */
    uint32_t mapping_count;
    uint32_t port_count;
    uint32_t grant_used;
    uint32_t mapping_used;
    uint32_t port_used;
    uint32_t closing;         /* slots that wait for the level below or its peer */
    uint32_t child_count;
    uint32_t zero;
    char name[BLANKET_NAME_SIZE];
};

enum blanket_endpoint_state {
    BLANKET_ENDPOINT_FREE = 0,
    BLANKET_ENDPOINT_LIVE = 1,
    BLANKET_ENDPOINT_BROKEN = 2, /* the level below lost it; -BLANKET_ENOTCONN until rebound */
    BLANKET_ENDPOINT_DEAD = 3,   /* revoked, not yet drained */
    BLANKET_ENDPOINT_RESETTING = 4 /* being emptied; -BLANKET_EAGAIN until it is live again */
};

static inline uint64_t blanket_item(unsigned type, unsigned access, uint64_t value)
{
    return ((uint64_t)type << BLANKET_ITEM_TYPE_SHIFT) |
           ((uint64_t)access << BLANKET_ITEM_ACCESS_SHIFT) | value;
}

static inline uint64_t blanket_item_slot(unsigned type, uint32_t index, uint32_t generation)
{
    return blanket_item(type, 0, ((uint64_t)generation << 16) | index);
}

static inline unsigned blanket_item_type(uint64_t item)
{
    return (unsigned)(item >> BLANKET_ITEM_TYPE_SHIFT);
}

static inline unsigned blanket_item_access(uint64_t item)
{
    return (unsigned)(item >> BLANKET_ITEM_ACCESS_SHIFT) & 3u;
}

static inline uint64_t blanket_item_value(uint64_t item)
{
    return item & BLANKET_ITEM_VALUE_MASK;
}

static inline uint32_t blanket_item_index(uint64_t item)
{
    return (uint32_t)item & BLANKET_SLOT_INDEX_MAX;
}

static inline uint32_t blanket_item_generation(uint64_t item)
{
    return (uint32_t)(item >> 16);
}

static inline uint64_t blanket_result(int32_t status, uint32_t value)
{
    return ((uint64_t)value << 32) | (uint32_t)status;
}

static inline int32_t blanket_result_status(uint64_t result)
{
    return (int32_t)(uint32_t)result;
}

static inline uint32_t blanket_result_value(uint64_t result)
{
    return (uint32_t)(result >> 32);
}

static inline uint64_t blanket_handle(uint32_t slot, uint32_t generation)
{
    return ((uint64_t)generation << 32) | slot;
}

#endif
