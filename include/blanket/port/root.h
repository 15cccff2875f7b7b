/* SPDX-License-Identifier: MIT */
/*
 * root: blanket itself is the provider. Grant tables, event channels and a xenstore in memory, for a
 * VMM on bare KVM or bhyve, the simulation's lowest level, and every test. Hosted C (libc).
 *
 * A *device* is a pair of ends that are each other's peer: the frontend's and the backend's. An end is
 * served to a level above (its handle is a below endpoint for blanket_endpoint_mint), or used by code
 * beside the provider (a *local* end: a backend in this process). The numbers of an end (references,
 * ports) are scoped by endpoint, or by domid as a stock Xen scopes them (DESIGN law 0).
 *
 * Locking: thread-safe; one lock per root, never held in a callback except where it says so.
 * Memory: allocated at create and device_add; never in a guest's call.
 */
#ifndef BLANKET_PORT_ROOT_H
#define BLANKET_PORT_ROOT_H

#include <blanket/below.h>
#include <blanket/xenstore.h>

struct blanket_root;
struct blanket_root_connection; /* raw client of the xenstore */

struct blanket_root_limits {
    uint32_t domains;
    uint32_t devices;
    uint32_t grants;   /* of all ends */
    uint32_t mappings;
    uint32_t ports;
    uint64_t store_size; /* bytes of the xenstore's arena */
};

/* What root needs of the host whose memory it grants. */
struct blanket_root_host_ops {
    /* Address of the page `frame` (lowest level's frame numbers), NULL: there is none. For copy, and
     * for local ends. Valid while the page is granted. Called with root's lock held. */
    void *(*page)(void *host, uint64_t frame);
    /* Make `frame` show the page `source` until undone (overlay), with `access`; 0 or an error. With
     * root's lock held. */
    int (*overlay)(void *host, uint64_t frame, uint64_t source, unsigned access);
    void (*overlay_undo)(void *host, uint64_t frame);
};

enum blanket_root_scoping {
    BLANKET_ROOT_SCOPE_ENDPOINT = 0, /* a number means something to its own end's peer only */
    BLANKET_ROOT_SCOPE_DOMID = 1     /* as a stock Xen: to any backend of the peer domain */
};

struct blanket_root_device {
    uint32_t frontend_domid, backend_domid;
    const char *type;                 /* "vbd"; names the endpoints "vbd/51712" */
    uint32_t handle;
    uint32_t grants, mappings, ports; /* of each end */
    uint32_t connections, requests, watches, transactions; /* store quotas of each end */
};

/* Where the events of an end go: `number` counts from the end's event_base. Not with root's lock. */
struct blanket_root_sink {
    void (*event)(void *context, uint32_t number);
    void *context;
};

/* What a mint on an end needs. */
struct blanket_root_end {
    uint64_t endpoint;
    uint64_t scope;
    uint32_t grant_base;
    uint32_t grants, mappings, ports;
};

BLANKET_EXTERN_C_BEGIN

BLANKET_API BLANKET_MUST_CHECK int blanket_root_create(const struct blanket_root_limits *limits,
                                                       enum blanket_root_scoping scoping,
                                                       const struct blanket_root_host_ops *ops,
                                                       void *host, struct blanket_root **root);
/* All ends must be closed by their levels; local mappings end. */
BLANKET_API void blanket_root_destroy(struct blanket_root *root);

/* The seam: mint with this and an end's handle. */
BLANKET_API struct blanket_below blanket_root_below(struct blanket_root *root);

/*
 * Add a device: writes both directories to the store as a toolstack does (frontend: backend,
 * backend-id, handle, state 1; backend: frontend, frontend-id, online, state 1; permissions), makes
 * both ends. Each end's events go to its sink, numbered from event_base.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_device_add(
    struct blanket_root *root, const struct blanket_root_device *device,
    const struct blanket_root_sink *frontend_sink, uint32_t frontend_event_base,
    const struct blanket_root_sink *backend_sink, uint32_t backend_event_base,
    struct blanket_root_end *frontend, struct blanket_root_end *backend);

/* Remove a device: both ends dead, what the peer maps stays until it unmaps (-BLANKET_EBUSY: again). */
BLANKET_API int blanket_root_device_remove(struct blanket_root *root, uint64_t frontend);

/* A local backend's map of one granted page: its address. As libxengnttab's map_grant_ref. */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_map(struct blanket_root *root, uint64_t end,
                                                    uint32_t reference, unsigned access,
                                                    void **address);
BLANKET_API int blanket_root_unmap(struct blanket_root *root, uint64_t end, void *address);

/* A raw xenstore client: a domain's toolstack, xenbus, or a socket. See src/port/root/store.h. */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_connect(
    struct blanket_root *root, uint32_t domid, void (*ready)(void *context), void *context,
    struct blanket_root_connection **connection);
BLANKET_API void blanket_root_store_disconnect(struct blanket_root_connection *connection);
BLANKET_API int blanket_root_store_submit(struct blanket_root_connection *connection,
                                          const void *message, uint32_t size);
BLANKET_API int blanket_root_store_receive(struct blanket_root_connection *connection, void *buffer,
                                           uint32_t size, uint32_t *used);

/* An end that sees the whole store and has nothing else (for `blanket store`). */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_end(struct blanket_root *root, uint32_t domid,
                                                          uint32_t connections,
                                                          const struct blanket_root_sink *sink,
                                                          uint32_t event_base,
                                                          struct blanket_root_end *end);

struct blanket_root_stats {
    uint32_t grants, mappings, ports;
    uint32_t nodes, watches, transactions;
    uint64_t bytes;
};
BLANKET_API void blanket_root_stats(struct blanket_root *root, struct blanket_root_stats *stats);

BLANKET_EXTERN_C_END

#endif
