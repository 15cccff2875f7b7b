/* SPDX-License-Identifier: MIT */
/*
 * An L1 Xen and its domains: what there is beside the forms of docs/abi.md.
 *
 *   ADMIN   attach, mint, revoke, list, audit. Only for a domain that XSM lets (FLASK: blanket/admin).
 *   BROKER  the one domain that serves the store: L1 Xen checks and queues, the broker runs
 *           src/xenstore. The same permission.
 *   EVENT   for every attached domain: which of its own Xen event channels stands for a port.
 *
 * ADMIN and BROKER are private to one version of blanket, like Xen's domctl: an operation's number
 * includes the version, another version is -BLANKET_ENOSYS. All structures are of fixed width, without
 * padding, the same for 32- and 64-bit callers; what isn't used is zero. A call returns 0 or a negative
 * enum blanket_errno; nothing was done then, and the structure is as it was unless it says otherwise.
 *
 *   nested_op(form, operation, address of the operation's structure, 0, 0)
 *   nested_op(BLANKET_FORM_EVENT, port, 0, 0, 0)
 */
#ifndef BLANKET_PORT_XEN_H
#define BLANKET_PORT_XEN_H

#include <blanket/wire.h>

#define BLANKET_FORM_ADMIN 0x424c4b41u
#define BLANKET_FORM_BROKER 0x424c4b42u

/*
 * (form, port): the number of a Xen event channel of the caller's, at least 1; or an error. `port` is
 * in the guest's own port space (port_base + index of blanket_wire_endpoint; 0 is the control port).
 * The channel is unbound, for the caller's own domain: bind it with EVTCHNOP_bind_interdomain (remote
 * domain: one's own; IOCTL_EVTCHN_BIND_INTERDOMAIN). Asked again for the same port, the answer is the
 * same number, which can be bound again after its user has closed it or died. An event may be spurious,
 * and one comes at binding. -BLANKET_ENOENT: no such port, or the caller isn't attached.
 *
 * The channel also says when user space lets go of pages. A send on it by the domain itself means that
 * whoever had the pages which are granted at the port's endpoint by grants of the domain's own (OWN_GRANT)
 * gives them up: this Xen takes those grants down before the send returns, and keeps the pages that the
 * peer has mapped until it lets go. gntalloc sends (IOCTL_GNTALLOC_SET_UNMAP_NOTIFY) before it ends its
 * grant, also for a process that was killed. The end of a binding that was there when a page was granted
 * means the same, but is seen half a second later only, or when the domain asks for a channel: who comes
 * next asks before it grants.
 */
#define BLANKET_FORM_EVENT 0x424c4b45u

#define BLANKET_XEN_VERSION 1u
#define BLANKET_XEN_OPERATION(number) ((BLANKET_XEN_VERSION << 16) | (number))

enum blanket_xen_admin {
    BLANKET_XEN_ATTACH = BLANKET_XEN_OPERATION(1), /* struct blanket_xen_attach */
    BLANKET_XEN_DETACH = BLANKET_XEN_OPERATION(2), /* struct blanket_xen_attach, its domain */
    BLANKET_XEN_MINT = BLANKET_XEN_OPERATION(3),   /* struct blanket_xen_mint */
    BLANKET_XEN_REVOKE = BLANKET_XEN_OPERATION(4), /* struct blanket_xen_list, domain and endpoint */
    BLANKET_XEN_INFO = BLANKET_XEN_OPERATION(5),   /* struct blanket_xen_list, domain and endpoint */
    BLANKET_XEN_LIST = BLANKET_XEN_OPERATION(6),   /* struct blanket_xen_list, cursor */
    BLANKET_XEN_AUDIT = BLANKET_XEN_OPERATION(7),  /* struct blanket_xen_audit */
    BLANKET_XEN_STATS = BLANKET_XEN_OPERATION(8),  /* struct blanket_xen_stats */
    BLANKET_XEN_LOST = BLANKET_XEN_OPERATION(9),   /* struct blanket_xen_list, domain and endpoint */
    BLANKET_XEN_REBIND = BLANKET_XEN_OPERATION(10) /* struct blanket_xen_list, and peer */
};

/*
 * A domain may have endpoints from now on, and holds at most this (struct blanket_guest_limits).
 * -BLANKET_EEXIST: it is attached, or what it had before isn't swept yet; -BLANKET_ENOENT: no such
 * domain, or it is dying. Detaching: all that it has is dead at once, and swept. A domain that dies is
 * detached by itself.
 */
struct blanket_xen_attach {
    uint32_t domain; /* 0x7ff0 (DOMID_SELF): the caller */
    uint32_t endpoints;
    uint32_t grants;
    uint32_t mappings;
    uint32_t ports;
    uint32_t zero;
};

#define BLANKET_XEN_MINT_SHARE 1u /* a second owner for this peer (DESIGN law 0) */
#define BLANKET_XEN_MINT_STORE 2u /* with a view of the hypervisor below's store: its two paths */
#define BLANKET_XEN_MINT_RAW 4u   /* ...the whole of it, as the hypervisor below shows it to this Xen */
#define BLANKET_XEN_PATH_SIZE 256u
#define BLANKET_XEN_DOMAIN_SELF 0x7ff0u
#define BLANKET_XEN_NO_PEER 0x7ffbu /* store only: no grants, no channels to a domain below */

/*
 * One device for one domain. Ports are needed for a connection to the store, too. Errors as of
 * blanket_endpoint_mint; -BLANKET_ENOSPC also: the hypervisor below has no room for so many grants.
 */
struct blanket_xen_mint {
    uint32_t domain;
    uint32_t slot;   /* of the domain's table; 0: the first free */
    uint32_t rights; /* bits of enum blanket_right */
    uint32_t flags;  /* BLANKET_XEN_MINT_* */
    uint32_t peer;   /* domain of the hypervisor below, or BLANKET_XEN_NO_PEER */
    uint32_t grants;
    uint32_t ports;
    uint32_t connections;  /* to the store, at once: 1..8 with a view */
    uint32_t requests;     /* of a view, that aren't answered: 1..64 */
    uint32_t watches;      /* the broker's to enforce, as are... */
    uint32_t transactions; /* ...these */
    uint32_t zero;
    char name[BLANKET_NAME_SIZE];
    char frontend[BLANKET_XEN_PATH_SIZE]; /* absolute paths in the store below; empty: none */
    char backend[BLANKET_XEN_PATH_SIZE];
    uint64_t endpoint; /* out: handle in the domain's table */
    uint64_t view;     /* out: as the broker knows it; 0: none */
};

/*
 * A minted endpoint: who holds what. LIST: `cursor` 0 begins, and is where to go on; -BLANKET_ENOENT:
 * no more. Dead ones are listed until they are drained.
 */
struct blanket_xen_list {
    uint64_t cursor;
    uint64_t endpoint;
    uint64_t view; /* out, as all that follows */
    uint32_t domain; /* in, but for LIST */
    uint32_t peer;   /* in, for REBIND */
    uint32_t grant_base; /* as the peer sees them */
    uint32_t connections; /* to the store, now */
    uint32_t requests;    /* to the store, not answered */
    uint32_t zero;
    struct blanket_wire_endpoint info;
};

/*
 * LOST: the domain or the device of the hypervisor below that a minted endpoint stands for is gone. It is
 * broken at once, with all that derives from it: its holder gets PEER_GONE, calls get -BLANKET_ENOTCONN,
 * its grants and ports are taken down (a page that the peer still maps stays pinned). Again, or for one
 * that is dead: nothing happens. -BLANKET_ENOENT: none of that handle was minted.
 *
 * REBIND: the peer of a broken one is back, as domain `peer`. The holder keeps its handles and begins anew.
 * -BLANKET_EBUSY: grants or ports of the old one are left, try later; -BLANKET_EINVAL: it isn't broken;
 * -BLANKET_EOPNOTSUPP: another peer, for an endpoint with a view of the store (its directories are the
 * old peer's: revoke it, and mint); -BLANKET_EPERM, -BLANKET_ENOSPC as of a mint.
 */

#define BLANKET_XEN_AUDIT_COUNT 32u
struct blanket_xen_record {
    uint64_t sequence;
    uint64_t time; /* ns since this Xen booted */
    uint64_t endpoint;
    uint64_t claim;
    uint32_t domain;
    int32_t status;
    uint16_t verb;
    uint8_t reason; /* enum blanket_reason */
    uint8_t right;
    uint8_t quota;
    uint8_t zero[3];
};

/* Refusals since `next` (0: the oldest that is kept); `next` is where to go on, `lost` how many were
 * overwritten before. */
struct blanket_xen_audit {
    uint64_t next;
    uint64_t lost;
    uint32_t count;
    uint32_t zero;
    struct blanket_xen_record records[BLANKET_XEN_AUDIT_COUNT];
};

struct blanket_xen_stats {
    uint64_t calls, calls_below, refused, lost, events, notifications;
    uint64_t bytes; /* of this Xen's memory that the level has */
    uint32_t grants, ports, endpoints, closing;
    uint32_t domains;       /* attached */
    uint32_t zombies;       /* of these, dying and waiting for a peer */
    uint32_t grant_room;    /* of the grant table below: in all... */
    uint32_t grant_minted;  /* ...and given to endpoints */
    uint32_t broker;        /* domain; BLANKET_XEN_NO_PEER: none */
    uint32_t zero;
};

/*
 * The broker. L1 Xen owns the ring to the store below and moves whole messages: a broker that dies in
 * the middle of one leaves no half of it there. It knows no more of a message than its size.
 *
 *   BECOME, bind the channel, then at each event: STORE_RECEIVE until ENOENT, NEXT until ENOENT.
 *
 * A view and its connections are L1 Xen's: it answers STORE_CONNECT and STORE_RECEIVE itself, the
 * latter from a bounded queue of each connection that REPLY fills. So the callers never wait for the
 * broker, and requests that it can't serve are answered as xenstore answers, by an XS_ERROR.
 */
enum blanket_xen_broker {
    BLANKET_XEN_BECOME = BLANKET_XEN_OPERATION(1),        /* struct blanket_xen_become */
    BLANKET_XEN_NEXT = BLANKET_XEN_OPERATION(2),          /* struct blanket_xen_frame, out */
    BLANKET_XEN_REPLY = BLANKET_XEN_OPERATION(3),         /* struct blanket_xen_reply */
    BLANKET_XEN_CLOSED = BLANKET_XEN_OPERATION(4),        /* struct blanket_xen_reply, no message */
    BLANKET_XEN_STORE_SEND = BLANKET_XEN_OPERATION(5),    /* struct blanket_xen_message */
    BLANKET_XEN_STORE_RECEIVE = BLANKET_XEN_OPERATION(6)  /* struct blanket_xen_message, out */
};

/*
 * The caller is the broker from now on, as a new one (also if it was it before): all connections of
 * callers are lost (they get an event, and -BLANKET_ENOTCONN until they connect anew), and every view
 * comes again by NEXT, and every DISCONNECT that isn't answered. -BLANKET_EBUSY: a domain that lives is it. -BLANKET_ENOSYS: there is no store
 * below.
 */
struct blanket_xen_become {
    uint32_t channel; /* out: unbound event channel of the caller's own domain: something to do */
    uint32_t self;    /* out: this Xen's domain number at the hypervisor below; 0x7ff4: unknown */
};

enum blanket_xen_frame_kind {
    BLANKET_XEN_FRAME_CALL = 1, /* an authorised call, not CONNECT, DISCONNECT or RECEIVE */
    BLANKET_XEN_FRAME_CONNECT = 2,
    /* To be answered by CLOSED, when the store has answered. It may be of a connection that the broker
     * before had: of that, the device is left to close (BLANKET_XEN_VIEW_USED). */
    BLANKET_XEN_FRAME_DISCONNECT = 3,
    BLANKET_XEN_FRAME_VIEW = 4,       /* a view; comes before all that is about it */
    BLANKET_XEN_FRAME_VIEW_GONE = 5   /* to be answered by CLOSED (port 0), when it is removed */
};

#define BLANKET_XEN_FRAME_ITEMS 5u
#define BLANKET_XEN_VIEW_USED 8u /* it had connections at a broker before */

/* Payload of FRAME_VIEW. */
struct blanket_xen_view {
    uint32_t flags; /* BLANKET_XEN_MINT_RAW, BLANKET_XEN_VIEW_USED */
    uint32_t peer;
    uint32_t grant_base;
    uint32_t ports; /* indexes below that */
    uint32_t connections;
    uint32_t requests;
    uint32_t watches;
    uint32_t transactions;
    char frontend[BLANKET_XEN_PATH_SIZE];
    char backend[BLANKET_XEN_PATH_SIZE];
};

/* What a caller asks, in the terms of blanket_store_call: `view` is struct blanket_call's endpoint. Only
 * payload_size bytes of the payload are written. NEXT's -BLANKET_ENOENT: nothing now, an event comes. */
struct blanket_xen_frame {
    uint64_t view;
    uint16_t kind; /* enum blanket_xen_frame_kind */
    uint16_t verb;
    uint16_t item_count;
    uint16_t payload_size;
    uint32_t number; /* STORE_WRITE_PORT: the port's number as the peer sees it */
    uint32_t zero;
    uint64_t items[BLANKET_XEN_FRAME_ITEMS]; /* CONNECT, DISCONNECT: the port */
    uint8_t payload[BLANKET_PAYLOAD_SIZE_MAX];
};

/*
 * One whole xenstore message for a connection. Answers one request, unless its type is XS_WATCH_EVENT.
 * -BLANKET_EAGAIN: the caller has to receive first, an event comes then. -BLANKET_ENOENT: the connection
 * is gone, forget it. -BLANKET_EINVAL: not one whole message.
 */
struct blanket_xen_reply {
    uint64_t view;
    uint64_t port; /* item of type PORT */
    uint32_t size;
    uint32_t zero;
    uint8_t message[BLANKET_PAYLOAD_SIZE_MAX];
};

/*
 * SEND: one whole message for the store below. -BLANKET_EAGAIN: the one before isn't taken yet, an event
 * comes then. RECEIVE: the next one that is whole; -BLANKET_ENOENT: none, an event comes;
 * -BLANKET_EIO: what the store below sent isn't a message; the connection to it can't be used again.
 */
struct blanket_xen_message {
    uint32_t size;
    uint32_t zero;
    uint8_t message[BLANKET_PAYLOAD_SIZE_MAX];
};

#endif
