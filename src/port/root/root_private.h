/* SPDX-License-Identifier: MIT */
/*
 * The provider's insides. Everything here is protected by root->lock unless it says otherwise, and is
 * called with it held.
 *
 * Numbers: an end's grant index i is reference grant_base + i to its peer, its port index i is port
 * port_base + i. Scoped by endpoint, only the end's own peer may resolve them; scoped by domid, each
 * end whose owner and peer domain are this one's, crosswise: the windows of one domain's ends are
 * disjoint then.
 */
#ifndef BLANKET_ROOT_PRIVATE_H
#define BLANKET_ROOT_PRIVATE_H

#include <blanket/below_slot.h>
#include <blanket/port/root.h>

#include "store.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROOT_PAGE_SIZE 4096u
#define ROOT_DOMID_MAX 0x7fefu
#define ROOT_REFERENCE_FIRST 8u /* Xen's own are below; frontends take 0 for "none" */
#define ROOT_PORT_FIRST 1u      /* 0 is "none" */
#define ROOT_NUMBER_MAX 0x7fffffffu
#define ROOT_NONE UINT32_MAX
#define ROOT_PATH_SIZE 96u /* of a device's directory in the store, with its NUL */

struct root_grant {
    struct blanket_below_slot slot;
    uint32_t readers; /* mappings that read, that write: what the peer holds */
    uint32_t writers;
    uint64_t frame;
};

struct root_mapping {
    struct blanket_below_slot slot;
    uint32_t next; /* index of the next free or of the next local one in its bucket, ROOT_NONE */
    struct root_grant *grant;
    uint64_t frame; /* overlaid */
    void *address;  /* given to local code */
    uint8_t local;  /* by code beside the provider */
    uint8_t listed; /* in the list of free ones (which may hold others too) */
};

/* Somebody to be told, once, outside the lock. */
struct root_notice {
    struct root_notice *next;
    uint8_t queued;
    uint8_t client; /* it's in a blanket_root_client, not in a root_port */
};

struct root_port {
    struct root_notice notice;
    struct root_end *end;
    struct root_port *peer; /* while INTERDOMAIN */
    struct blanket_below_slot slot;
    uint8_t kind; /* BLANKET_PORT_STATE_*, CLOSED while FREE */
};

/* Numbers first .. first + count - 1 of an end, as its peer sees them. */
struct root_window {
    uint32_t first;
    uint32_t count;
};

/* Quotas of a domain in the store: what of them is carved to ends. */
struct root_share {
    uint32_t watches;
    uint32_t transactions;
};

/* A view of the store for one end: an engine of its own (see broker.c). */
struct root_broker {
    struct blanket_root *root;
    struct root_end *end;
    struct root_broker *next; /* in the list of those whose connection has something to read */
    struct blanket_root_store_connection *raw;
    struct blanket_store *engine;
    uint64_t view;
    void *memory;
    size_t size;
    bool queued;
    bool blocked; /* the store didn't take a message: the engine waits to be told */
    bool inputting; /* the loop of input_all is running: it takes what comes meanwhile */
    bool lost;    /* the connection is dead: a new one is due */
};

/* A raw client of the store. */
struct blanket_root_client {
    struct root_notice notice;
    struct blanket_root *root;
    struct blanket_root_client *next;
    struct blanket_root_store_connection *raw;
    void (*ready)(void *context);
    void *context;
    atomic_uint in_flight; /* calls of ready */
};

struct root_end {
    struct root_end *peer; /* NULL: a store end */
    struct root_device *device;
    uint64_t handle;
    uint32_t owner_domid;
    uint32_t peer_domid;
    bool dead;
    struct root_window references;
    struct root_window numbers; /* of ports */
    uint32_t mapping_count;
    uint32_t mapping_free; /* first of the list, ROOT_NONE */
    uint32_t bucket_bits;
    uint32_t event_base;
    struct root_share store_share; /* what its view may take of its domain's quotas in the store */
    struct blanket_root_sink sink;
    atomic_uint in_flight; /* calls of the sink; raised under the lock, lowered without */
    struct root_grant *grants;
    struct root_mapping *mappings;
    struct root_port *ports;
    uint32_t *buckets;          /* local mappings by address */
    struct root_broker *broker; /* NULL: no view of the store */
};

struct root_device {
    char type[BLANKET_NAME_SIZE];
    uint32_t handle;
    bool dead;
    bool withdrawn;          /* its directories are gone from the store */
    uint32_t end_count;      /* 2; 1: a store end */
    struct root_end ends[2]; /* frontend, backend */
};

struct root_domain {
    uint32_t domid;
    uint32_t end_count;
    struct root_share carved; /* to its ends; domain 0 has no quotas */
    bool present;
};

/* A place for an end; its generation outlives it. */
struct root_place {
    struct root_end *end;
    uint32_t generation;
};

struct blanket_root {
    pthread_mutex_t lock;
    pthread_cond_t idle; /* a listener that somebody waits for has none in flight */
    atomic_uint waiters;
    struct blanket_root_limits limits;
    enum blanket_root_scoping scoping;
    struct blanket_root_host_ops ops;
    void *host;
    struct root_place *places;
    uint32_t place_count;
    struct root_domain *domains;
    uint32_t device_count;
    uint32_t grant_room; /* not carved to ends yet */
    uint32_t mapping_room;
    uint32_t port_room;
    uint32_t grant_count; /* in use */
    uint32_t mapping_count;
    uint32_t port_count;
    uint64_t bytes;
    struct blanket_root_store *store;            /* NULL: none */
    struct blanket_root_store_connection *admin; /* as domain 0, for the toolstack's part */
    struct root_share share_limit;               /* of a domain */
    struct root_broker *brokers;                 /* whose connection has something to read */
    struct blanket_root_client *clients;
    struct root_notice *notice_first;
    struct root_notice *notice_last;
    uint32_t notice_count;
};

/* Scoped by domid, what `other` has is for `end` as well as for its own peer. `other` may be NULL. */
static inline bool blanket_root_end_shares(const struct root_end *end, const struct root_end *other)
{
    return other && other->peer && other->owner_domid == end->peer_domid &&
           other->peer_domid == end->owner_domid;
}

/* root.c */
void *blanket_root_allocate(struct blanket_root *root, size_t count, size_t size);
void blanket_root_release(struct blanket_root *root, void *memory, size_t count, size_t size);


/* below.c */
int blanket_root_status(int status);

/* end.c */
struct root_end *blanket_root_end_find(const struct blanket_root *root, uint64_t handle);
int blanket_root_end_init(struct blanket_root *root, struct root_end *end,
                          const struct blanket_root_device *quotas);
void blanket_root_end_fini(struct blanket_root *root, struct root_end *end);
void blanket_root_end_kill(struct blanket_root *root, struct root_end *end);
bool blanket_root_end_idle(struct blanket_root *root, struct root_end *end);
int blanket_root_end_listen(struct root_end *end, const struct blanket_root_sink *sink,
                            uint32_t event_base);

/* device.c */
void blanket_root_device_destroy_all(struct blanket_root *root);

/* domain.c */
int blanket_root_domain_enter(struct blanket_root *root, struct root_end *end);
void blanket_root_domain_leave(struct blanket_root *root, const struct root_end *end);

/* grant.c. Those that take items serve one element and return its result. */
uint64_t blanket_root_grant_access(struct blanket_root *root, struct root_end *end,
                                   const uint64_t *items);
uint64_t blanket_root_grant_end_access(struct blanket_root *root, struct root_end *end,
                                       const uint64_t *items);
uint64_t blanket_root_grant_query(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items);
struct root_grant *blanket_root_grant_resolve(const struct blanket_root *root,
                                              const struct root_end *end, uint64_t reference);
int blanket_root_grant_hold(struct root_grant *grant, unsigned access);
void blanket_root_grant_drop(struct root_grant *grant, unsigned access);
void blanket_root_grant_kill(struct blanket_root *root, struct root_grant *grant);

/* mapping.c */
void blanket_root_mapping_init(struct root_end *end);
uint64_t blanket_root_mapping_map(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items);
uint64_t blanket_root_mapping_unmap(struct blanket_root *root, struct root_end *end,
                                    const uint64_t *items);
uint64_t blanket_root_mapping_copy(struct blanket_root *root, struct root_end *end,
                                   const uint64_t *items);
void blanket_root_mapping_undo(struct blanket_root *root, struct root_end *end,
                               struct root_mapping *mapping);

/* evtchn.c */
uint64_t blanket_root_port_alloc(struct blanket_root *root, struct root_end *end,
                                 const uint64_t *items);
uint64_t blanket_root_port_bind(struct blanket_root *root, struct root_end *end,
                                const uint64_t *items);
uint64_t blanket_root_port_close(struct blanket_root *root, struct root_end *end,
                                 const uint64_t *items);
uint64_t blanket_root_port_status(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items);
uint64_t blanket_root_port_send(struct blanket_root *root, struct root_end *end,
                                const uint64_t *items);
uint64_t blanket_root_port_slot(struct root_end *end, uint64_t item, struct root_port **port);
void blanket_root_port_fill(struct blanket_root *root, struct root_port *port, uint64_t item,
                            unsigned kind);
void blanket_root_port_free(struct blanket_root *root, struct root_port *port);

/* broker.c */
int blanket_root_broker_open(struct blanket_root *root, struct root_end *end,
                             const struct blanket_root_device *quotas,
                             const struct blanket_store_root_spec *roots, uint32_t flags);
bool blanket_root_broker_leave(struct blanket_root *root, struct root_end *end);
void blanket_root_broker_close(struct blanket_root *root, struct root_end *end);
int blanket_root_broker_call(struct root_broker *broker, struct blanket_call *call);
void blanket_root_broker_pump(struct blanket_root *root);

/* connection.c: STORE verbs */
int blanket_root_connection_call(struct blanket_root *root, struct root_end *end,
                                 struct blanket_call *call);
void blanket_root_connection_kill(struct blanket_root *root, struct root_end *end);

/* toolstack.c */
int blanket_root_toolstack_home_make(struct blanket_root *root, uint32_t domid);
void blanket_root_toolstack_home_remove(struct blanket_root *root, uint32_t domid);
int blanket_root_toolstack_device_make(struct blanket_root *root, const struct root_device *device);
void blanket_root_toolstack_device_remove(struct blanket_root *root,
                                          const struct root_device *device);
void blanket_root_toolstack_device_path(const struct root_device *device, bool backend,
                                        char path[ROOT_PATH_SIZE]);

/* client.c */
void blanket_root_client_end_all(struct blanket_root *root);

/* notice.c */
void blanket_root_notice_post(struct blanket_root *root, struct root_notice *notice);
void blanket_root_notice_cancel(struct blanket_root *root, struct root_notice *notice);
void blanket_root_unlock(struct blanket_root *root);

#endif
