/* SPDX-License-Identifier: MIT */
/*
 * What a host (a hypervisor, a VMM, a simulation) gives the core: one const table of functions.
 *
 * `host` is the pointer given at blanket_level_create, `guest` the one given at blanket_guest_attach;
 * the core never looks into them. `guest` must stay valid until guest_gone was called for it. No lock
 * of the core is held in any of these but alloc, free and unpin. What comes back is checked.
 */
#ifndef BLANKET_PLATFORM_H
#define BLANKET_PLATFORM_H

#include <blanket/acl.h>
#include <blanket/below.h>

/* What a pinned page is for: bits. */
#define BLANKET_USE_READ BLANKET_ACCESS_READ   /* the peer reads it */
#define BLANKET_USE_WRITE BLANKET_ACCESS_WRITE /* the peer writes it */
#define BLANKET_USE_OVERLAY 4u /* the peer's page replaces it until unmapped; its content is lost */

struct blanket_page {
    uint64_t frame;  /* this level's own number for the page: what the level below calls "caller's
                      * frame". At most BLANKET_ITEM_VALUE_MASK. */
    uint64_t cookie; /* the host's own; the core only keeps it */
};

struct blanket_platform_ops {
    uint32_t size; /* sizeof(struct blanket_platform_ops), checked at create */

    /* Administration only (create, attach, mint). Zeroed memory, aligned to 8, or NULL. */
    void *(*alloc)(void *host, size_t size);
    void (*free)(void *host, void *memory, size_t size);

    /*
     * Caller's memory. Address as the guest gave it (linear for PV, physical for a nested level: the
     * host knows its callers). 0 or -BLANKET_EFAULT. May fault and block; each byte is copied once.
     */
    int (*copy_from_above)(void *host, void *guest, void *target, uint64_t address, uint32_t size);
    int (*copy_to_above)(void *host, void *guest, uint64_t address, const void *source, uint32_t size);

    /*
     * Pin the page that `item` names (type FRAME or OWN_GRANT) for `use`, whatever the guest does
     * with it afterwards (ballooning, exit), with the type that `use` needs: never a page-table page,
     * never one of the hypervisor's own. 0, -BLANKET_EPERM (not the guest's), -BLANKET_EBUSY (in
     * conflicting use), -BLANKET_EINVAL. unpin can't fail; it gets what pin gave; the guest's lock
     * is held, so that a slot is never free while its page is still pinned.
     */
    int (*pin)(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page);
    void (*unpin)(void *host, void *guest, const struct blanket_page *page, unsigned use);

    /*
     * Locks 0..limits.guests: a guest's slots, and (the last) the level's administration. The core
     * takes administration before one guest's, never two guests'. Not from interrupt context.
     */
    void (*lock)(void *host, unsigned lock);
    void (*unlock)(void *host, unsigned lock);

    /* The policy: 0 allows, anything else denies. Must not call back into the level. */
    int (*hook)(void *host, const struct blanket_query *query);

    /* Optional (NULL): every decision that isn't "allowed", at the level that took it. */
    void (*trace)(void *host, const struct blanket_trace *trace);

    /*
     * For blanket_level_nested only (else NULL): issue the nested hypercall to the level below. The
     * frame is in this level's memory and holds the reply afterwards. Results as blanket_below_ops.
     */
    int (*call_below)(void *host, uint32_t vcpu, void *frame, uint32_t size);
    int (*send_below)(void *host, uint32_t vcpu, uint64_t endpoint, uint64_t port);

    /*
     * Tell a guest's vCPU that its port (number in the guest's own port space) is pending. Called
     * from the context of blanket_event, perhaps an interrupt, and from calls; never blocks. The host
     * keeps its own pending bit and may call blanket_event_take when the guest has taken it.
     */
    void (*notify_above)(void *host, void *guest, uint32_t vcpu, uint32_t port);

    /* Please call blanket_work soon (soon = 1) or after a pause (0: a peer holds something). */
    void (*kick)(void *host, int soon);

    /* Nothing of this guest is left: its cookie may be freed. From blanket_work. */
    void (*guest_gone)(void *host, void *guest);

    /* Optional (NULL): something happened to an endpoint of this guest (BLANKET_EVENT_*); its holder
     * is told by its control port. For the host's toolstack, which may have revoked it. */
    void (*endpoint_event)(void *host, void *guest, uint64_t endpoint, uint32_t events);

    /* Nonzero: return to the host now; the caller goes on from the element that is next. */
    int (*preempt)(void *host);

    /* index if index < count, else 0, without speculating past it. The core checked it already. For guests,
     * vCPUs, endpoints and events; slots are clamped by the core's own arithmetic, without a branch. */
    uint32_t (*index_nospec)(uint32_t index, uint32_t count);
};

#endif
