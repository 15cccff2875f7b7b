/* SPDX-License-Identifier: MIT */
/*
 * blanket in one Xen: its level, what that stands on, and what each domain has.
 *
 * Lock order: the level's own > lock > service_lock > native_lock; a domain's and the broker's are taken
 * with interrupts off, last, for a few loads and stores. None is held over a copy or the hook.
 */
#ifndef BLANKET_PORT_XEN_HOST_H
#define BLANKET_PORT_XEN_HOST_H

#include <blanket/endpoint.h>
#include <blanket/port/xen.h>
#include <xen/sched.h>
#include <xen/smp.h>
#include <xen/spinlock.h>
#include <xen/tasklet.h>
#include <xen/timer.h>

#include "native.h"
#include "service.h"
#include "xenbus.h"

#define BLANKET_XEN_DOMAINS 64u
#define BLANKET_XEN_ENDPOINTS 64u /* minted, of all domains */
#define BLANKET_XEN_EVENTS 1024u  /* ports of all endpoints */
#define BLANKET_XEN_RECORDS 256u

/* A port's event channel in its domain. */
struct blanket_channel {
    uint32_t number; /* 0: none yet */
    uint64_t bound;  /* atomic: own_age when it was seen bound, and its end not yet; 0: not seen */
};

/* A domain's: from its first attach until its last reference is gone. */
struct blanket_domain {
    struct domain *domain;
    spinlock_t lock;      /* interrupt-safe: the channels' numbers, own_pins, own_age */
    uint32_t own_pins;    /* its pages that it named by its own grants */
    uint64_t own_age;     /* how often there came to be some; an end of a channel seen before is nobody's */
    uint32_t attached;    /* atomic: the level knows it, `id` is valid; it holds a domain reference */
    uint32_t id;
    uint32_t port_count;  /* of `channels` */
    struct blanket_channel *channels; /* by port */
};

/* An endpoint that was minted, until it's drained. x->lock. */
struct blanket_xen_minted {
    struct blanket_domain *owner; /* NULL: free */
    uint64_t endpoint;            /* in the owner's table */
    uint64_t native;
    uint64_t view;
    uint32_t peer;
};

struct blanket_xen_broker_state {
    spinlock_t lock;       /* interrupt-safe */
    struct domain *domain; /* holds a reference; NULL: none */
    uint32_t channel;
    uint32_t busy;         /* atomic: the scratch is in use */
    union {
        struct blanket_xen_become become;
        struct blanket_xen_frame frame;
        struct blanket_xen_reply reply;
        struct blanket_xen_message message;
    } scratch;
};

struct blanket_xen {
    struct blanket_level *level;
    struct blanket_xen_native native;
    struct blanket_xen_service service;
    struct blanket_xen_bus bus;
    struct blanket_xen_broker_state broker;
    uint32_t bus_port;       /* event channel below of the store's ring; 0: there is none */
    uint32_t self;           /* this Xen's domain number below */
    const struct blanket_domain **calling; /* by CPU: who is in a call now; NULL: nobody */
    spinlock_t *level_locks; /* BLANKET_XEN_DOMAINS + 1 */
    spinlock_t lock;         /* minted, administration of domains */
    spinlock_t service_lock, native_lock, trace_lock;
    struct tasklet worker;
    struct timer timer;
    atomic_t own_pins;       /* of all domains */
    struct tasklet watcher;  /* while there are any: blanket_xen_watch */
    struct timer watch_timer;
    struct blanket_xen_minted minted[BLANKET_XEN_ENDPOINTS];
    uint64_t record_next;
    struct blanket_xen_record records[BLANKET_XEN_RECORDS];
    uint32_t admin_busy; /* atomic: the scratch is in use */
    union {
        struct blanket_xen_attach attach;
        struct blanket_xen_mint mint;
        struct blanket_xen_list list;
        struct blanket_xen_audit audit;
        struct blanket_xen_stats stats;
    } admin;
    struct blanket_xen_view spec;      /* scratch of a mint, as is... */
    struct blanket_wire_endpoint info; /* ...this */
    struct blanket_level_stats counts; /* scratch of STATS */
};

extern const struct blanket_platform_ops blanket_xen_platform;

/* This Xen's, NULL before its first administration: made by blanket_xen_start. */
struct blanket_xen *blanket_xen_get(void);
struct blanket_xen *blanket_xen_start(int *error);

/*
 * Around what this CPU does for a domain by its id: that is nobody else's in between (admin.c:
 * id_is_stale). Returns whether the domain is attached; leave in any case.
 */
static inline bool blanket_xen_enter(struct blanket_xen *x, const struct blanket_domain *b)
{
    ACCESS_ONCE(x->calling[smp_processor_id()]) = b;
    smp_mb();
    return ACCESS_ONCE(b->attached);
}

static inline void blanket_xen_leave(struct blanket_xen *x)
{
    smp_mb();
    ACCESS_ONCE(x->calling[smp_processor_id()]) = NULL;
}

/* One domain below is one scope; what has no peer there shares its numbers with nobody. */
static inline uint64_t blanket_xen_scope(uint32_t peer, uint64_t native)
{
    return peer == BLANKET_XEN_NO_PEER ? (1ull << 32) | (uint32_t)native : peer;
}

/* A page is named by its domain's own grant, until the unpin: who has bound the domain's channels is noted. */
void blanket_xen_own_pin(struct blanket_xen *x, struct blanket_domain *b);
void blanket_xen_own_unpin(struct blanket_xen *x, struct blanket_domain *b);

/* Which bindings of domains' channels have ended: the pages of whoever had them are given up. */
void blanket_xen_watch(struct blanket_xen *x);

/* LOST and REBIND of a domain's endpoint: include/blanket/port/xen.h. */
int blanket_xen_lost(struct blanket_xen *x, const struct domain *d, uint64_t endpoint);
int blanket_xen_rebind(struct blanket_xen *x, const struct domain *d, uint64_t endpoint,
                       uint32_t peer);

/* What the hypervisor below has: its grant table, the ring to its store. 0 or -BLANKET_E... */
int blanket_xen_below_start(struct blanket_xen *x);

/* Tell the broker that there is something; any context. */
void blanket_xen_broker_wake(struct blanket_xen *x);

/* The broker's domain is gone. */
void blanket_xen_broker_leave(struct blanket_xen *x, const struct domain *domain);

/* The forms beside the frame. Results as the hypercall's. */
long blanket_xen_admin(unsigned int operation, unsigned long address);
long blanket_xen_serve_broker(unsigned int operation, unsigned long address);
long blanket_xen_event(unsigned int port);

/* Copy between the caller's memory and ours. 0 or -BLANKET_EFAULT. */
int blanket_xen_copy_from(void *target, unsigned long address, size_t size);
int blanket_xen_copy_to(unsigned long address, const void *source, size_t size);

/* Zeroed memory of any size, and back. */
void *blanket_xen_alloc(size_t size);
void blanket_xen_free(void *memory, size_t size);

#endif
