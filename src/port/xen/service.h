/* SPDX-License-Identifier: MIT */
/*
 * The store's service in an L1 Xen: authorised STORE calls wait here for the broker, its messages wait
 * here for the callers. It reads no message but its header (struct xsd_sockmsg: type and size).
 *
 *   caller's hypercall -> requests (a view's) -> NEXT: the broker -> REPLY -> replies (a connection's)
 *     -> the caller's STORE_RECEIVE
 *
 * Bounded: a view has a fixed number of connections and of requests without an answer. A caller never
 * waits for the broker, only DISCONNECT is busy until it answers (DESIGN law 5).
 *
 * Locking: ops->lock around everything; ops->raise and ops->wake are called without it. Freestanding.
 */
#ifndef BLANKET_PORT_XEN_SERVICE_H
#define BLANKET_PORT_XEN_SERVICE_H

#include <blanket/below.h>
#include <blanket/port/xen.h>

#define BLANKET_XEN_CONNECTIONS 8u
#define BLANKET_XEN_REQUEST_BYTES 16384u
#define BLANKET_XEN_REPLY_BYTES 8448u /* two whole messages */

struct blanket_xen_service_ops {
    void (*lock)(void *context);
    void (*unlock)(void *context);
    void (*raise)(void *context, uint32_t number); /* event number of a caller's port */
    void (*wake)(void *context);                   /* there is something for the broker */
    void (*settled)(void *context);                /* what was busy may not be any more */
    /* What the peer calls this port. 0 or -BLANKET_ENOENT. */
    int (*port_number)(void *context, uint64_t endpoint, uint64_t port, uint32_t *number);
};

/* Bytes, first in, first out. */
struct blanket_xen_queue {
    uint8_t *bytes;
    uint32_t size, head, used;
};

enum blanket_xen_connection_state {
    BLANKET_XEN_CONNECTION_FREE = 0,
    BLANKET_XEN_CONNECTION_LIVE = 1,
    BLANKET_XEN_CONNECTION_LOST = 2, /* with its broker; the caller is to connect anew */
    BLANKET_XEN_CONNECTION_CLOSING = 3
};

struct blanket_xen_connection {
    struct blanket_xen_queue replies;
    uint32_t index; /* of the port */
    uint32_t generation;
    uint32_t requests; /* without an answer */
    uint8_t state;
    uint8_t told;      /* the broker knows of its state */
    uint8_t starved;   /* the broker had something that didn't fit */
    uint8_t zero;
};

enum blanket_xen_view_state {
    BLANKET_XEN_VIEW_FREE = 0,
    BLANKET_XEN_VIEW_LIVE = 1,
    BLANKET_XEN_VIEW_GONE = 2
};

struct blanket_xen_store_view {
    uint8_t *memory;      /* the queues' and `newest`; its host's */
    uint32_t *newest;     /* per port index: the last generation that was connected, or a tombstone */
    struct blanket_xen_queue requests;
    uint32_t generation;  /* kept when free */
    uint32_t event_first; /* event number of port index 0 */
    uint64_t endpoint;    /* its channels, at the native below */
    uint32_t unanswered;
    uint8_t state;
    uint8_t told;
    uint8_t zero[2];
    struct blanket_xen_connection connections[BLANKET_XEN_CONNECTIONS];
    struct blanket_xen_view spec;
};

/* Filled in by its host; zeroed otherwise. */
struct blanket_xen_service {
    const struct blanket_xen_service_ops *ops;
    void *context;
    struct blanket_xen_store_view *views;
    uint32_t view_count;
    uint32_t next;    /* view that NEXT asks first */
    uint32_t present; /* there is a broker */
    uint32_t zero;
};

/* Bytes of memory for a view. */
size_t blanket_xen_service_view_size(const struct blanket_xen_view *spec);

/*
 * A view. memory is of that size, zeroed; the host frees it when `view_memory` gives it back.
 * -BLANKET_ENOSPC: no more views.
 */
int blanket_xen_service_add(struct blanket_xen_service *service,
                            const struct blanket_xen_view *spec, uint64_t endpoint,
                            uint32_t event_first, void *memory, uint64_t *view);

/* No call names it any more; the broker is told. */
void blanket_xen_service_remove(struct blanket_xen_service *service, uint64_t view);

/* Memory of a view that is gone, to be freed: NULL if there is none. */
void *blanket_xen_service_reap(struct blanket_xen_service *service);

/* Connections and requests of a view now. */
void blanket_xen_service_count(struct blanket_xen_service *service, uint64_t view,
                               uint32_t *connections, uint32_t *requests);

struct blanket_below blanket_xen_service_below(struct blanket_xen_service *service);

/* The broker is gone (present 0), or a new one is there. */
void blanket_xen_service_broker(struct blanket_xen_service *service, uint32_t present);

/* The broker's operations, with structures in memory of the host's. Contracts in port/xen.h. */
int blanket_xen_service_next(struct blanket_xen_service *service, struct blanket_xen_frame *frame);
int blanket_xen_service_reply(struct blanket_xen_service *service,
                              const struct blanket_xen_reply *reply);
int blanket_xen_service_closed(struct blanket_xen_service *service, uint64_t view, uint64_t port);

/* For both halves of the service. */
struct blanket_xen_store_view *blanket_xen_view_find(const struct blanket_xen_service *service,
                                                     uint64_t view);
struct blanket_xen_connection *blanket_xen_connection_find(struct blanket_xen_store_view *view,
                                                           uint64_t port);
void blanket_xen_connection_free(struct blanket_xen_store_view *view,
                                 struct blanket_xen_connection *connection);
int blanket_xen_queue_put(struct blanket_xen_queue *queue, const void *bytes, uint32_t size);
void blanket_xen_queue_peek(const struct blanket_xen_queue *queue, void *bytes, uint32_t size);
void blanket_xen_queue_drop(struct blanket_xen_queue *queue, uint32_t size);

#endif
