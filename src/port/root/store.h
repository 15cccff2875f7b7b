/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore: a whole xenstored in memory, for clients that speak xen/io/xs_wire.h.
 *
 * Rules of use. Caller: one thread at a time per store (the host locks); nothing here blocks.
 * Memory: one block, allocated by create and freed by destroy; no call in between allocates from
 * the host. What a client can make the store hold is charged to its domain and bounded by struct
 * blanket_root_store_limits. Errors: 0 or -BLANKET_E*, outputs untouched on error. Errors of the
 * xenstore protocol are strings in replies and never appear as return values.
 *
 * Domain 0 is privileged: exempt from quotas, allowed everything, bounded by the store's memory.
 * The store has no hypervisor to ask which domains exist. A domain exists from the first of:
 * domain_add, a connection of its own, a permission that domain 0 gave it; and until
 * domain_remove.
 *
 * Beyond xenstored: a reply is always possible, since each connection owns the room for it; a watch
 * whose reader is slow gets one event on its own path in place of those that didn't fit. A
 * transaction keeps the values and permissions that it read first; the child list of a node that
 * somebody else has changed meanwhile (such a transaction can't commit) shows the present one.
 */
#ifndef BLANKET_ROOT_STORE_H
#define BLANKET_ROOT_STORE_H

#include <blanket/env.h>
#include <blanket/errno.h>

BLANKET_EXTERN_C_BEGIN

struct blanket_root_store;
struct blanket_root_store_connection;

/*
 * All per domain unless said otherwise; domain 0 is exempt except where the text says "everyone".
 */
struct blanket_root_store_limits {
    size_t memory_size;        /* bytes of the store's only block; everyone; at least 128 KiB */
    uint64_t hash_seed;        /* unpredictable to clients, so that they can't build collisions */
    size_t domain_memory_size; /* bytes charged for nodes, transactions, watches and output */
    uint32_t node_count;       /* nodes owned */
    uint32_t node_size;        /* bytes of a node: 16 + 8 a permission + value + child names */
    uint32_t node_permission_count; /* permissions of a node, the owner's included */
    uint32_t watch_count;
    uint32_t watch_event_count; /* events queued per connection before they collapse; everyone */
    uint32_t transaction_count; /* open at once */
    uint32_t transaction_node_count; /* nodes accessed in one transaction */
    uint32_t outstanding_count;      /* unread replies per connection; everyone; at least 1 */
    uint32_t path_absolute_size;     /* bytes of a whole path; everyone; at most 3072 */
    uint32_t path_relative_size;     /* bytes below /local/domain/N of a path */
};

/* What a domain holds now, in the units of the limits. */
struct blanket_root_store_usage {
    size_t memory_size;
    uint32_t node_count;
    uint32_t watch_count;
    uint32_t transaction_count;
    bool introduced;
};

/* What the whole store holds now. */
struct blanket_root_store_totals {
    size_t memory_size;
    size_t memory_used;
    uint64_t node_count;
    uint64_t generation;
};

/*
 * Called when a connection's output stops being empty, from inside whichever call queued it: it
 * must not call the store, only note that the connection wants to be read.
 */
typedef void (*blanket_root_store_ready_fn)(void *context);

/* A stream of bytes, out and in. Returns 0, or a -BLANKET_E that ends the call with that error. */
typedef int (*blanket_root_store_write_fn)(void *context, const void *bytes, size_t size);
typedef int (*blanket_root_store_read_fn)(void *context, void *bytes, size_t size);

/* xenstored's defaults, in 64 MiB. The seed is fixed: a host sets an unpredictable one. */
void blanket_root_store_limits_default(struct blanket_root_store_limits *limits);

/*
 * Creates a store with the nodes that xenstored starts with. -BLANKET_EINVAL for impossible limits,
 * -BLANKET_ENOMEM without memory. The caller owns the store.
 */
BLANKET_MUST_CHECK int blanket_root_store_create(const struct blanket_root_store_limits *limits,
                                                 struct blanket_root_store **store);

/* Ends every connection too; no ready function is called. Accepts NULL. */
void blanket_root_store_destroy(struct blanket_root_store *store);

/*
 * Opens a connection that speaks for a domain (0 to 0x7fef). ready may be NULL. -BLANKET_EINVAL for
 * another domid, -BLANKET_ENOMEM without room. The caller owns the connection.
 */
BLANKET_MUST_CHECK int blanket_root_store_connect(
    struct blanket_root_store *store, uint16_t domid, blanket_root_store_ready_fn ready,
    void *context, struct blanket_root_store_connection **connection);

/* Ends its transactions, watches and unread output. Accepts NULL. */
void blanket_root_store_disconnect(struct blanket_root_store_connection *connection);

/*
 * Performs one request: a struct xsd_sockmsg and its body, in memory that doesn't change during the
 * call. Any bytes get a reply, with these exceptions, in which nothing was done: -BLANKET_EAGAIN
 * while outstanding_count replies are unread; -BLANKET_EINVAL for less than a header;
 * -BLANKET_ENOTCONN once the domain was removed.
 */
BLANKET_MUST_CHECK int blanket_root_store_submit(struct blanket_root_store_connection *connection,
                                                 const void *message, size_t size);

/*
 * Takes the next whole message out; used = 0 when there is none. -BLANKET_EOVERFLOW when it doesn't
 * fit (16 + 4096 bytes always do); it stays queued.
 */
BLANKET_MUST_CHECK int blanket_root_store_receive(struct blanket_root_store_connection *connection,
                                                  void *buffer, size_t size, size_t *used);

/*
 * The next message in place, without taking it; 0 bytes when there is none. It stays as it is, and
 * the next one, until consumed or disconnected: whatever the store does meanwhile.
 */
const void *blanket_root_store_peek(struct blanket_root_store_connection *connection, size_t *size);

/* Drops the message that was peeked. Does nothing when there is none. */
void blanket_root_store_consume(struct blanket_root_store_connection *connection);

/*
 * Introduces a domain (1 to 0x7fef), as XS_INTRODUCE does; introducing it again resets its
 * connections. Fires @introduceDomain the first time. -BLANKET_EINVAL, -BLANKET_ENOMEM.
 */
BLANKET_MUST_CHECK int blanket_root_store_domain_add(struct blanket_root_store *store,
                                                     uint16_t domid);

/*
 * Removes a domain: its nodes, with all below them, its watches and transactions, and every right
 * that it had, so that a later domain of that number inherits nothing. Its connections stay until
 * disconnected but accept nothing more. Fires @releaseDomain. -BLANKET_EINVAL, -BLANKET_ENOENT.
 */
int blanket_root_store_domain_remove(struct blanket_root_store *store, uint16_t domid);

/* Says that a domain has shut down: fires @releaseDomain once, until XS_RESUME. -BLANKET_ENOENT. */
int blanket_root_store_domain_shutdown(struct blanket_root_store *store, uint16_t domid);

/* What a domain holds; -BLANKET_ENOENT if it doesn't exist. */
BLANKET_MUST_CHECK int blanket_root_store_domain_usage(const struct blanket_root_store *store,
                                                       uint16_t domid,
                                                       struct blanket_root_store_usage *usage);

void blanket_root_store_totals_read(const struct blanket_root_store *store,
                                    struct blanket_root_store_totals *totals);

/*
 * Writes all nodes: values, permissions, generations, order of children. Not connections, watches,
 * transactions, or which domains are introduced: clients reconnect and the host introduces again.
 */
BLANKET_MUST_CHECK int blanket_root_store_save(const struct blanket_root_store *store,
                                               blanket_root_store_write_fn write, void *context);

/*
 * Replaces all nodes by those of a saved stream, from a source that needn't be trusted to be well
 * formed (its rights are taken as they stand). Both trees must fit at once. Open transactions end
 * in EAGAIN and every watch fires on its own path. -BLANKET_EINVAL for a stream that isn't one,
 * -BLANKET_ENOMEM without room, the reader's error; the store is then as before.
 */
BLANKET_MUST_CHECK int blanket_root_store_restore(struct blanket_root_store *store,
                                                  blanket_root_store_read_fn read, void *context);

/*
 * Walks everything and checks it against itself. True when it holds; false is a bug of the store.
 */
bool blanket_root_store_check(const struct blanket_root_store *store);

BLANKET_EXTERN_C_END

#endif
