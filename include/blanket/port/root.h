/* SPDX-License-Identifier: MIT */
/*
 * root: blanket itself is the provider. Grant tables, event channels and a xenstore in memory, for a
 * VMM on bare KVM or bhyve, the simulation's lowest level, and every test. Hosted C (libc).
 *
 * A *device* is a pair of ends that are each other's peer: the frontend's and the backend's. An end is
 * served to a level above (its handle is a below endpoint for blanket_endpoint_mint), or used by code
 * beside the provider (a *local* end: a backend in this process). The numbers of an end (references,
 * ports) are scoped by endpoint, or by domid as a stock Xen scopes them (DESIGN law 0): grant index i is
 * reference grant_base + i to the peer, a port's number is the result of ALLOC_UNBOUND. 0 is never one.
 *
 * The store: each end has a broker of its own (xenstore.h), which speaks to it as the end's owner, so
 * that its view restricts it and the store's permissions and quotas do so again. Ends of one domain
 * share nothing there but the domain's quota of nodes and bytes.
 *
 * Locking: thread-safe; one lock per root, never held in a callback except where it says so.
 * Memory: allocated at create and device_add; never in a guest's call.
 */
#ifndef BLANKET_PORT_ROOT_H
#define BLANKET_PORT_ROOT_H

#include <blanket/below.h>
#include <blanket/xenstore.h>

struct blanket_root;
struct blanket_root_client; /* of the xenstore, raw */

struct blanket_root_limits {
    uint32_t domains; /* 1..32752 */
    uint32_t devices; /* 1..32767; an end of blanket_root_store_end counts as one */
    uint32_t grants;  /* of all ends: device_add carves from these */
    uint32_t mappings;
    uint32_t ports;
    uint64_t store_size; /* bytes of the xenstore's arena, at least 128 KiB; 0: no xenstore */
    /* Of each domain but 0, in the store; its ends' quotas are carved from these. 0: what xenstored
     * gives a domain (1000, 128, 10), times `devices`. Nodes are shared by a domain's ends. */
    uint32_t store_nodes;
    uint32_t store_watches;
    uint32_t store_transactions;
};

/* What root needs of the host whose memory it grants. */
struct blanket_root_host_ops {
    /* Address of the page `frame` (lowest level's frame numbers), NULL: there is none (then it can't
     * be granted). For copy, and for local ends. Valid while the page is granted or, of a copy's own
     * frame, during the call. With root's lock held. */
    void *(*page)(void *host, uint64_t frame);
    /* Make `frame` show the page `source` until undone, with `access` (READ, or READ and WRITE); 0 or
     * an error, nothing done. Must refuse a frame that shows another's page already. With root's lock
     * held. Both NULL: no backend sits behind a level, GRANT_MAP is -BLANKET_EOPNOTSUPP. */
    int (*overlay)(void *host, uint64_t frame, uint64_t source, unsigned access);
    void (*overlay_undo)(void *host, uint64_t frame);
};

enum blanket_root_scoping {
    BLANKET_ROOT_SCOPE_ENDPOINT = 0, /* a number means something to its own end's peer only */
    BLANKET_ROOT_SCOPE_DOMID = 1     /* as a stock Xen: to any backend of the peer domain */
};

struct blanket_root_device {
    uint32_t frontend_domid, backend_domid;
    const char *type; /* "vbd"; names the endpoints "vbd/51712". [a-z0-9_-]{1,20} */
    uint32_t handle;
    uint32_t grants, mappings, ports; /* of each end, 0..65536; a store connection takes a port */
    uint32_t connections, requests, watches, transactions; /* store quotas of each end; without
                                       * connections an end has no view of the store */
};

/*
 * Where the events of an end go: `number` counts from the end's event_base. Called without root's lock,
 * by whichever thread is in the provider, several at a time. It may call the provider; what it sends is
 * delivered from inside, so it had better note the event and return. Not called once device_remove
 * has returned 0.
 */
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
/* Everything ends: overlays are undone, local addresses and clients are invalid. Nobody may be in a call. */
BLANKET_API void blanket_root_destroy(struct blanket_root *root);

/* The seam: mint with this and an end's handle. */
BLANKET_API struct blanket_below blanket_root_below(struct blanket_root *root);

/*
 * A domain starts: it is introduced to the store, and has a home there (/local/domain/N, which it may
 * read, with `domid`). device_add does this for a domain that isn't there. -BLANKET_EEXIST,
 * -BLANKET_EINVAL, -BLANKET_ENOSPC.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_domain_add(struct blanket_root *root,
                                                           uint32_t domid);

/* A domain is gone, with all its nodes. -BLANKET_EBUSY while it has an end; -BLANKET_ENOENT. */
BLANKET_API int blanket_root_domain_remove(struct blanket_root *root, uint32_t domid);

/*
 * Add a device: writes both directories to the store as a toolstack does (frontend,
 * /local/domain/F/device/TYPE/HANDLE: backend, backend-id, handle, virtual-device, state 1; backend,
 * /local/domain/B/backend/TYPE/F/HANDLE: frontend, frontend-id, handle, online 1, state 1; each owned
 * by its end's domain and readable by the other's), makes both ends. Each end's events go to its sink
 * (NULL: nowhere), numbered from event_base. frontend and backend may be NULL.
 *
 * -BLANKET_EINVAL; -BLANKET_EEXIST: the frontend's domain has a device of this type and handle;
 * -BLANKET_ENOSPC: a limit, or the store is full; -BLANKET_ENOMEM. Nothing is left then but the
 * domains' homes.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_device_add(
    struct blanket_root *root, const struct blanket_root_device *device,
    const struct blanket_root_sink *frontend_sink, uint32_t frontend_event_base,
    const struct blanket_root_sink *backend_sink, uint32_t backend_event_base,
    struct blanket_root_end *frontend, struct blanket_root_end *backend);

/*
 * Remove a device, or the end of blanket_root_store_end: both ends are dead at once (calls that make or
 * send get -BLANKET_ENOTCONN, those that ask or take down go on), their ports and grants are gone, their
 * directories are closed and removed. What is still mapped stays until it is unmapped: -BLANKET_EBUSY
 * until then, and while a sink runs; call again. 0: handles and memory are gone; a level that still has
 * an endpoint there must be told (blanket_endpoint_lost). -BLANKET_ENOENT: there is no such end.
 */
BLANKET_API int blanket_root_device_remove(struct blanket_root *root, uint64_t frontend);

/*
 * A local backend's map of one granted page: its address. As libxengnttab's map_grant_ref. Takes one of
 * the end's mappings. access: READ, or READ and WRITE. -BLANKET_ENOENT: the peer granted no such thing;
 * -BLANKET_EPERM: not with that access, or no such end; -BLANKET_ENOSPC; -BLANKET_ENOTCONN: dead.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_map(struct blanket_root *root, uint64_t end,
                                                    uint32_t reference, unsigned access,
                                                    void **address);
/* Ends the newest of the end's maps of that page. -BLANKET_ENOENT: it has none. */
BLANKET_API int blanket_root_unmap(struct blanket_root *root, uint64_t end, void *address);

/*
 * A raw xenstore client, which speaks for a domain (0 may do everything): a toolstack, xenbus, a socket.
 * `ready` (NULL: the client polls) is called without root's lock when there is something to receive
 * after there was nothing; it notes that and returns. -BLANKET_ENOSYS: there is no store;
 * -BLANKET_EINVAL; -BLANKET_ENOMEM.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_client_connect(struct blanket_root *root,
                                                               uint32_t domid,
                                                               void (*ready)(void *context),
                                                               void *context,
                                                               struct blanket_root_client **client);

/* Its watches and transactions end. Waits for a running `ready`, so not from inside it. Takes NULL. */
BLANKET_API void blanket_root_client_disconnect(struct blanket_root_client *client);

/*
 * Perform one request: a struct xsd_sockmsg and its body. Any bytes get a reply, but: -BLANKET_EAGAIN:
 * too many replies wait to be received; -BLANKET_EINVAL: less than a header; -BLANKET_ENOTCONN: the
 * domain was removed.
 */
BLANKET_API int blanket_root_client_submit(struct blanket_root_client *client, const void *message,
                                           uint32_t size);

/* Take the next whole message; *used 0: none. -BLANKET_EOVERFLOW: it's larger than `size`, and waits. */
BLANKET_API int blanket_root_client_receive(struct blanket_root_client *client, void *buffer,
                                            uint32_t size, uint32_t *used);

/*
 * An end that sees the whole store (ROOT_ALL), as `domid` may, and has nothing else but ports for its
 * connections. Its quotas are what xenstored gives a domain. Errors as device_add; -BLANKET_ENOSYS:
 * there is no store.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_end(struct blanket_root *root, uint32_t domid,
                                                          uint32_t connections,
                                                          const struct blanket_root_sink *sink,
                                                          uint32_t event_base,
                                                          struct blanket_root_end *end);

/* Quotas of a store end, of all its connections together; see struct blanket_store_limits. */
struct blanket_root_store_quotas {
    uint32_t connections; /* 1..65535; each is a port */
    uint32_t requests;
    uint32_t watches;
    uint32_t transactions;
};

/* The same with other quotas; a domain's own in the store (limits.store_*) bound them, but not domain 0's. */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_end_sized(
    struct blanket_root *root, uint32_t domid, const struct blanket_root_store_quotas *quotas,
    const struct blanket_root_sink *sink, uint32_t event_base, struct blanket_root_end *end);

/*
 * Write what the store keeps over a restart: all nodes with their values and permissions. Not
 * connections, watches, transactions, or which domains there are. `write` returns 0 or an error, which
 * ends the save; it is called with root's lock held. -BLANKET_ENOSYS: there is no store.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_state_save(
    struct blanket_root *root, int (*write)(void *context, const void *bytes, size_t size),
    void *context);

/*
 * Replace all nodes by saved ones; of a new root, before its first device. The stream is checked, but
 * what it says about rights is believed. Open transactions end with EAGAIN, watches fire. `read` fills
 * all `size` bytes and returns 0, or an error; with root's lock held. -BLANKET_EINVAL: it isn't a state;
 * -BLANKET_ENOMEM: it doesn't fit; -BLANKET_ENOSYS. The store is then as it was.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_root_store_state_restore(
    struct blanket_root *root, int (*read)(void *context, void *bytes, size_t size), void *context);

struct blanket_root_stats {
    uint32_t grants, mappings, ports; /* not free now */
    uint32_t nodes, watches,
        transactions; /* of the store; the last two of domains that were added */
    uint64_t bytes;   /* allocated */
};
BLANKET_API void blanket_root_stats(struct blanket_root *root, struct blanket_root_stats *stats);

BLANKET_EXTERN_C_END

#endif
