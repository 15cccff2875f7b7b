/* SPDX-License-Identifier: MIT */
/*
 * A level: blanket at one hypervisor. What an embedder calls: level create, guest attach, call, work,
 * guest detach; and blanket_event for events from below.
 *
 * Locking: calls of different vcpu indices may run at the same time; one vcpu index is used by one
 * call at a time. Memory: allocated in create, attach and mint only, through the platform.
 */
#ifndef BLANKET_LEVEL_H
#define BLANKET_LEVEL_H

#include <blanket/platform.h>

struct blanket_level;

/* Every limit is explicit. Slots are rounded up to chunks of BLANKET_CHUNK_SLOTS. */
#define BLANKET_CHUNK_SLOTS 8u
struct blanket_limits {
    uint32_t vcpus;    /* 1..4096: calls at the same time, plus none: work has a buffer of its own */
    uint32_t guests;   /* 1..32767 */
    uint32_t events;   /* event numbers that the belows may raise: 0..events-1 */
    uint32_t depth;    /* this level's height above the lowest, 1..BLANKET_LEVEL_MAX */
};

/* What a guest may hold in all; carved among its endpoints. */
struct blanket_guest_limits {
    uint32_t endpoints; /* 1..1024, the guest's own (slot 0) included */
    uint32_t grants;    /* slots: 0..65536 */
    uint32_t mappings;
    uint32_t ports;     /* the first chunk is the control port's */
    uint32_t vcpus;     /* upper bound for BIND_VCPU, at least 1 */
};

BLANKET_EXTERN_C_BEGIN

/*
 * Make a level. ops and host are kept and must outlive it. -BLANKET_EINVAL: a limit is out of range,
 * a member of ops is missing or its size is another version's. -BLANKET_ENOMEM.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_level_create(const struct blanket_platform_ops *ops,
                                                        void *host,
                                                        const struct blanket_limits *limits,
                                                        struct blanket_level **level);

/* Free a level. -BLANKET_EBUSY while a guest of it isn't gone; the level is then unchanged. */
BLANKET_API int blanket_level_destroy(struct blanket_level *level);

/*
 * A guest starts. `guest` is the host's cookie, `label` is for the hook, the trace and the claim that
 * the level below sees. Its own endpoint (slot 0, generation 1) holds all of its quotas and no rights
 * but QUERY and RESET. A restarted guest is attached anew: a new incarnation, another id.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_attach(struct blanket_level *level, void *guest,
                                                        uint64_t label,
                                                        const struct blanket_guest_limits *limits,
                                                        uint32_t *id);

/*
 * A guest is gone (or restarts): dead at once; drained by blanket_work, which then calls the
 * platform's guest_gone. Idempotent. No call of the guest may be under way or come later: its host
 * has stopped its vCPUs.
 */
BLANKET_API void blanket_guest_detach(struct blanket_level *level, uint32_t id);

/*
 * The pages that a guest named by grants of its own (items of type OWN_GRANT) are given up by whoever had
 * them, who is about to take those grants back: a process whose end the guest's kernel has signalled.
 * Grants of this kind of one endpoint are taken down, of the one that has `port` (in the guest's port
 * space; the control port is nobody's): CLOSING from now on, each pinned until the peer has let go of it.
 * At most `budget` of them are ended within this call, so that what no peer has mapped is unpinned when
 * it returns; the rest is blanket_work's. Grants that were named by frame stay.
 *
 * Returns how many were taken down now; 0 if there is none, no such port or no such guest. Steps: bounded
 * by the endpoint's quota of grants. `vcpu` as for blanket_call, and not used with budget 0. Idempotent.
 * Not in interrupt context.
 */
BLANKET_API uint32_t blanket_pages_gone(struct blanket_level *level, uint32_t id, uint32_t vcpu,
                                        uint32_t port, uint32_t budget);

/*
 * The hypercall's call form: a frame of guest `id` at `address`, on behalf of vcpu index `vcpu`
 * (0..limits.vcpus-1). Returns the status, which the host puts into the caller's register. 0 with
 * fewer elements done than asked: call again, which goes on from there.
 */
BLANKET_API int blanket_call(struct blanket_level *level, uint32_t id, uint32_t vcpu,
                             uint64_t address);

/* The send form. `port` is an item of type PORT. */
BLANKET_API int blanket_send(struct blanket_level *level, uint32_t id, uint32_t vcpu,
                             uint64_t endpoint, uint64_t port);

/*
 * The whole hypercall: its form and the four arguments after that (docs/abi.md; what isn't used is
 * zero). Unknown forms are -BLANKET_ENOSYS. What a port's entry calls.
 */
BLANKET_API int blanket_hypercall(struct blanket_level *level, uint32_t id, uint32_t vcpu,
                                  uint64_t form, const uint64_t arguments[BLANKET_ARGUMENT_COUNT]);

/*
 * The level's own worker: sweep what is dead or lost, at most `budget` slots and ends of endpoints. Returns 1 if there is
 * more that can be done now, 2 if what is left waits for a peer, 0 if nothing is left. One at a time.
 */
BLANKET_API int blanket_work(struct blanket_level *level, uint32_t budget);

/*
 * An event from below: `number` as given at mint (event_base + index). Safe in interrupt context, may
 * run beside everything else; a number that belongs to nobody is ignored (events may be spurious).
 */
BLANKET_API void blanket_event(struct blanket_level *level, uint32_t number);

/*
 * The host took a guest's pending port for it (put it into the guest's own pending bits): further
 * events notify again. 1 if it was pending. Safe in interrupt context.
 */
BLANKET_API int blanket_event_take(struct blanket_level *level, uint32_t id, uint32_t port);

/* The policy changed: decisions that ports remember are asked for again at their next send. */
BLANKET_API void blanket_policy_changed(struct blanket_level *level);

/* A level below that has blanket too, reached by the platform's call_below and send_below. */
BLANKET_API struct blanket_below blanket_level_nested(struct blanket_level *level);

/* Counters since create; what is live now and was at most; bytes that the level allocated. */
struct blanket_level_stats {
    uint64_t calls;          /* frames and sends that came in */
    uint64_t calls_below;    /* crossings to a below */
    uint64_t hook_allowed;
    uint64_t hook_denied;
    uint64_t refused;        /* calls and elements that were refused, for whatever reason */
    uint64_t lost;           /* elements whose reply from below didn't come */
    uint64_t events;         /* from below */
    uint64_t events_coalesced;
    uint64_t notifications;  /* to guests */
    uint64_t bytes;
    uint32_t grants, mappings, ports, endpoints;         /* not FREE now */
    uint32_t grants_peak, mappings_peak, ports_peak, endpoints_peak;
    uint32_t closing;        /* slots that wait to be swept */
    uint32_t zero;
};
BLANKET_API void blanket_level_stats(struct blanket_level *level, struct blanket_level_stats *stats);

/*
 * A hash over everything a call may change and a refusal may not (slots, endpoints, quotas; not
 * counters). For tests: equal before and after a refused call. Takes the locks it needs.
 */
BLANKET_API uint64_t blanket_level_hash(struct blanket_level *level);

BLANKET_EXTERN_C_END

#endif
