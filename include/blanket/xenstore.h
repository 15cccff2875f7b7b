/* SPDX-License-Identifier: MIT */
/*
 * The store's broker: serves the STORE verbs of many endpoints over one connection to a xenstore.
 *
 * One engine, freestanding, wherever the last level has a xenstore below it: in a broker domain (L1
 * Xen), in the process (user-space L1), over the provider's own store (root). Each endpoint sees a
 * view: up to four roots, each with its own rights; keys that name domains or paths elsewhere are
 * hidden, permissions name "self" and "peer". Request, transaction and watch ids are the caller's own
 * within a connection (a port); the engine multiplexes them on the xenstore below and gives each view
 * a fair share of what that one allows (20 outstanding requests, 10 transactions, 128 watches).
 *
 * Locking: one engine is entered by one thread at a time; the embedder serialises blanket_store_*.
 * Callbacks are made from inside these and must not call back in. Memory: the caller's, at init.
 */
#ifndef BLANKET_XENSTORE_H
#define BLANKET_XENSTORE_H

#include <blanket/below.h>

struct blanket_store;

struct blanket_store_limits {
    uint32_t views;        /* endpoints: 1..4096 */
    uint32_t connections;  /* of all views: 1..65535 */
    uint32_t watches;      /* of all views, at the store below: 0..65536 */
    uint32_t transactions; /* of all views, open at the store below at once: 0..65536 */
    uint32_t requests;     /* outstanding at the store below: 1..4096 */
    uint32_t queue_size;   /* bytes of replies and events kept for each connection, and as many of
                            * requests that wait: 4128 (4112 + 16) to 2^20 */
    uint32_t ports;        /* port indexes of all views; 0: 64 for each view, and 4 a connection */
    uint32_t watch_path;   /* bytes of a watch's path below, 256..3072; 0: 3072 */
};

/* What the engine needs of its embedder. */
struct blanket_store_ops {
    /*
     * Send one whole xenstore message (struct xsd_sockmsg and body) to the store below. 0; or
     * -BLANKET_EAGAIN: not now, blanket_store_ready will be called. The reply comes later, or from
     * inside, by blanket_store_input (the one exception to "must not call back in").
     */
    int (*send)(void *context, const void *message, uint32_t size);
    /* There is something to RECEIVE on this port of the endpoint (`cookie` is the view's). */
    void (*event)(void *context, uint64_t cookie, uint32_t port_index);
};

/* Rights within one root: bits of enum blanket_right (STORE_READ, STORE_WRITE, STORE_WATCH). */
struct blanket_store_root_spec {
    /* Absolute, at most 255 bytes, without trailing slash ("/" is the whole store); NULL: the view
     * doesn't have this root. Copied. */
    const char *path;
    uint32_t rights;
};

/* Administrative: keys of every name, permissions as they are; in its ROOT_ALL, whose path is "/",
 * paths are the store's own, special watches too, and the store judges them. */
#define BLANKET_STORE_VIEW_RAW 1u

/* It was in use at a server before this one: its device may be open, and is closed when the last connection
 * goes, as if it had been opened here. */
#define BLANKET_STORE_VIEW_USED 2u

struct blanket_store_view_spec {
    struct blanket_store_root_spec roots[BLANKET_ROOT_COUNT];
    uint64_t cookie; /* for ops->event */
    uint32_t flags;
    uint32_t self_domid;  /* at the store below: what permissions call the view's owner... */
    uint32_t peer_domid;  /* ...and its peer. The caller sees neither. */
    uint32_t grant_base;  /* reference that the peer sees for grant index 0 (STORE_WRITE_GRANT) */
    uint32_t connections; /* quotas of this view */
    uint32_t requests;    /* not answered yet: those that wait, too */
    uint32_t watches;
    uint32_t transactions;
    uint32_t ports; /* it may name port indexes 0..ports-1; 0: 64, and 4 a connection */
    /* Port number as the peer sees it for port index i (STORE_WRITE_PORT); NULL: i itself. */
    int (*port_number)(void *context, uint64_t cookie, uint32_t index, uint32_t *number);
};

BLANKET_EXTERN_C_BEGIN

/* Bytes that an engine of these limits needs; 0 if one is out of range. */
BLANKET_API size_t blanket_store_size(const struct blanket_store_limits *limits);

/* Make an engine in `memory` (zeroed, of that size, aligned to 16, the caller's). -BLANKET_EINVAL. */
BLANKET_API BLANKET_MUST_CHECK int blanket_store_init(void *memory,
                                                      const struct blanket_store_limits *limits,
                                                      const struct blanket_store_ops *ops,
                                                      void *context, struct blanket_store **store);

/*
 * *view names it in calls. -BLANKET_EINVAL: a path isn't legal, a right isn't the store's.
 * -BLANKET_ENOSPC: no view left, or the quotas of all views would sum up to more than the limits
 * (connections, watches, ports) or, of transactions, than limits.transactions + limits.views: more
 * than the store below allows, for they are short; see docs/xenstore.md.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_store_view_add(
    struct blanket_store *store, const struct blanket_store_view_spec *spec, uint64_t *view);

/*
 * The view's endpoint died: its device is closed towards the peer (frontend `state` 5, then 6, if it
 * had one), its watches and transactions end below. -BLANKET_EBUSY until the store below has answered
 * it all; call again. 0: gone.
 */
BLANKET_API int blanket_store_view_remove(struct blanket_store *store, uint64_t view);

/*
 * Is the call of a STORE verb's shape: one element, of that verb's items in their order, each with no access
 * and zero bits; a payload only where the verb has one; memory for all that it announces? 0; -BLANKET_ENOSYS:
 * no STORE verb; -BLANKET_EINVAL. Pure: for whoever serves STORE verbs, before it looks at an item. A call of
 * another shape is refused as a whole: an element's result is about what its items name.
 */
BLANKET_API int blanket_store_call_check(const struct blanket_call *call);

/* Serve one STORE verb: call->endpoint is the view. Results as blanket_below_ops.call; what
 * blanket_store_call_check says is the call's. */
BLANKET_API int blanket_store_call(struct blanket_store *store, struct blanket_call *call);

/* A whole message came from the store below: checked like a request; nonsense is ignored. */
BLANKET_API void blanket_store_input(struct blanket_store *store, const void *message,
                                     uint32_t size);

/* The store below can take messages again: what waits is sent. */
BLANKET_API void blanket_store_ready(struct blanket_store *store);

/*
 * The connection to the store below was lost and made anew: transactions end (callers get EAGAIN at
 * their end), outstanding requests are answered EIO, watches are set again and fire once.
 */
BLANKET_API void blanket_store_lost(struct blanket_store *store);

BLANKET_EXTERN_C_END

#endif
