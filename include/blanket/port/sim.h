/* SPDX-License-Identifier: MIT */
/*
 * sim: a tree of levels in one process, each with its own context and its own memory. Hosted C.
 *
 * The *machine* at the bottom owns the pages. Each level that stands on the provider, and each guest
 * of a level (a level that nests, or a guest on top), sees other numbers for its frames, permuted by
 * the seed: no identity map anywhere. A page that is freed is poisoned, or, while somebody has it
 * pinned, kept and poisoned when it is let go. A call to the level below is a function call of
 * blanket_call, with the frame in the calling level's own memory; an event goes up by blanket_event.
 *
 * The simulation checks the core as it goes: lock order, no lock held over a hook, a copy, a pin or a
 * call below, every unpin for a pin, no provider's access to a page that isn't pinned. What it finds is
 * a *violation*: printed, counted, and with BLANKET_SIM_ABORT the end of the program.
 *
 * Nodes are numbered by their place in the config. Functions that take a node return -BLANKET_EINVAL
 * for one that isn't of the right kind, and -BLANKET_ENOTCONN for one that is stopped.
 *
 * Locking: calls of different (node, vcpu) may run at the same time, and work beside them, and pages
 * and events of different guests; create, destroy, device, restart and the fault settings may not run
 * beside anything. Memory: the caller owns nothing but the sim.
 */
#ifndef BLANKET_PORT_SIM_H
#define BLANKET_PORT_SIM_H

#include <blanket/endpoint.h>
#include <blanket/guest.h>
#include <blanket/port/root.h>

struct blanket_sim;

#define BLANKET_SIM_NODES_MAX 128u
#define BLANKET_SIM_MACHINE 0xffffffffu /* parent of a level that stands on the provider */
#define BLANKET_SIM_PAGE_SIZE 4096u
#define BLANKET_SIM_POISON 0xdbu /* each byte of a page that nobody has */

enum blanket_sim_kind {
    BLANKET_SIM_LEVEL = 0, /* a hypervisor with blanket: has guests */
    BLANKET_SIM_GUEST = 1  /* a guest on top: makes calls */
};

struct blanket_sim_spec {
    uint32_t
        parent; /* the level that it stands on: a smaller node number, or BLANKET_SIM_MACHINE */
    enum blanket_sim_kind kind;
    uint32_t vcpus; /* GUEST: 1.. (a level has those of its guests, and some of its own) */
    uint32_t pages; /* GUEST: pages that it may have at a time */
    uint64_t label;
    struct blanket_guest_limits
        limits; /* at its parent; LEVEL: endpoints 0 is what its guests need */
};

#define BLANKET_SIM_ABORT 1u     /* a violation ends the program */
#define BLANKET_SIM_UNCHECKED 2u /* no checks (benchmarks) */
#define BLANKET_SIM_NO_KICK 4u   /* kicks are counted only: the test calls the workers itself */

struct blanket_sim_config {
    uint64_t seed;
    uint32_t flags; /* BLANKET_SIM_* */
    uint32_t node_count;
    const struct blanket_sim_spec *nodes;
};

/* One device of the provider, for one guest on top. */
struct blanket_sim_device {
    const char *name; /* "vbd/51712": the same at every level */
    uint32_t rights;  /* of every level; see blanket_sim_device_rights for one level's */
    uint32_t flags;   /* BLANKET_MINT_* */
    uint64_t label;
    struct blanket_root_end end; /* at the provider */
    uint32_t event_base;         /* as blanket_sim_events gave it */
    /* NULL, or the rights that level `node` mints with instead. */
    const uint32_t *rights_of_node;
};

BLANKET_EXTERN_C_BEGIN

/* --- the tree --- */

/* Make the machine, the levels and the guests. -BLANKET_EINVAL, -BLANKET_ENOMEM. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_create(const struct blanket_sim_config *config,
                                                      struct blanket_sim **sim);

/*
 * Take everything down: guests are detached from the top down, workers run until nothing is left. What
 * can't be drained, and memory that a level doesn't free, are violations. The provider must still be
 * there; the machine's pages still are afterwards, so that it can be destroyed before the sim.
 */
BLANKET_API void blanket_sim_finish(struct blanket_sim *sim);

/* Free the sim, after blanket_sim_finish if that wasn't called. Returns how many violations there were. */
BLANKET_API int blanket_sim_destroy(struct blanket_sim *sim);

/*
 * A straight tower: `levels` (1..16) above each other, `guests` beside each other on the last. Fills
 * nodes[0..levels+guests) (levels first), each guest as `guest` says (parent and kind are set).
 */
BLANKET_API uint32_t blanket_sim_tower(uint32_t levels, uint32_t guests,
                                       const struct blanket_sim_spec *guest,
                                       struct blanket_sim_spec *nodes);

/* What the lowest levels stand on; to be set before the first device. */
BLANKET_API void blanket_sim_provider(struct blanket_sim *sim, struct blanket_below below);

/* For blanket_root_create: root's frames are the machine's; the sim is the `host`. */
BLANKET_API const struct blanket_root_host_ops *blanket_sim_host_ops(void);

/* NULL if it isn't one, or is stopped. */
BLANKET_API struct blanket_level *blanket_sim_level(struct blanket_sim *sim, uint32_t node);

/* The node's id as a guest of its parent level. -BLANKET_EINVAL for a lowest level. */
BLANKET_API int blanket_sim_guest_id(struct blanket_sim *sim, uint32_t node, uint32_t *id);

/* What the level `node` stands on, as its mints use it (fault modes and frame numbers included). */
BLANKET_API int blanket_sim_below(struct blanket_sim *sim, uint32_t node,
                                  struct blanket_below *below);

/* --- devices --- */

/* `count` event numbers of the lowest level that `guest` stands on (through others), for a device. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_events(struct blanket_sim *sim, uint32_t guest,
                                                      uint32_t count,
                                                      struct blanket_root_sink *sink,
                                                      uint32_t *event_base);

/*
 * Mint the device at each level between the provider and `guest`, from the bottom up: each looks it up
 * at the one below by its name. *handle is the guest's; handles[level node], if not NULL, that which
 * each level gave to what stands on it. On an error what was minted is revoked again.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_device(struct blanket_sim *sim, uint32_t guest,
                                                      const struct blanket_sim_device *device,
                                                      uint64_t *handle, uint64_t *handles);

/* --- a guest's memory --- */

/* `count` pages whose frame numbers follow each other; each is zeroed. -BLANKET_ENOSPC. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_page_alloc(struct blanket_sim *sim, uint32_t guest,
                                                          uint32_t count, uint64_t *frame);
/* Give one page back to the level (ballooning). */
BLANKET_API int blanket_sim_page_free(struct blanket_sim *sim, uint32_t guest, uint64_t frame);
/* What the frame shows now (another page while it is overlaid); NULL: nothing. */
BLANKET_API void *blanket_sim_page(struct blanket_sim *sim, uint32_t guest, uint64_t frame);
/* 1: a page table; it can't be granted for writing or overlaid. */
BLANKET_API int blanket_sim_page_special(struct blanket_sim *sim, uint32_t guest, uint64_t frame,
                                         int special);
/* A grant reference of the guest's own at its hypervisor, for items of type OWN_GRANT. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_own_grant(struct blanket_sim *sim, uint32_t guest,
                                                         uint64_t frame, uint32_t *reference);
/* The guest's memory by physical address (frame * 4096). 0 or -BLANKET_EFAULT. */
BLANKET_API int blanket_sim_read(struct blanket_sim *sim, uint32_t guest, uint64_t address,
                                 void *target, uint32_t size);
BLANKET_API int blanket_sim_write(struct blanket_sim *sim, uint32_t guest, uint64_t address,
                                  const void *source, uint32_t size);
/* How often its level has the page pinned; the machine's number for it. -BLANKET_EINVAL. */
BLANKET_API int blanket_sim_page_pins(struct blanket_sim *sim, uint32_t guest, uint64_t frame);
BLANKET_API int blanket_sim_page_machine(struct blanket_sim *sim, uint32_t guest, uint64_t frame,
                                         uint64_t *machine);

/* --- what a guest does --- */

/* The hypercall with a frame that is in the guest's memory already. */
BLANKET_API int blanket_sim_call_at(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu,
                                    uint64_t address);
/*
 * The hypercall with a frame of `size` valid bytes and room for BLANKET_FRAME_SIZE_MAX: it is copied to
 * pages of the guest that are kept for this vcpu, and what was replied is copied back.
 */
BLANKET_API int blanket_sim_call(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu,
                                 void *frame, uint32_t size);
/* For blanket_guest_init: the calls of one vcpu of the guest. Valid as long as the sim. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_transport(struct blanket_sim *sim, uint32_t guest,
                                                         uint32_t vcpu,
                                                         struct blanket_transport *transport);
BLANKET_API int blanket_sim_send(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu,
                                 uint64_t endpoint, uint64_t port);
BLANKET_API int blanket_sim_hypercall(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu,
                                      uint64_t form,
                                      const uint64_t arguments[BLANKET_ARGUMENT_COUNT]);

/* 1 if the port is pending; it isn't afterwards, and its next event notifies again. */
BLANKET_API int blanket_sim_event_take(struct blanket_sim *sim, uint32_t guest, uint32_t port);
/* Called when a port of the guest becomes pending; from the context of an event: it may not block. */
BLANKET_API int blanket_sim_event_handler(struct blanket_sim *sim, uint32_t guest,
                                          void (*event)(void *context, uint32_t vcpu,
                                                        uint32_t port),
                                          void *context);

/* --- levels' own work, and restarts --- */

/*
 * The workers of the levels that were kicked or wait, once, lowest first, each with `budget`; before
 * that each level whose control port was raised asks what happened to its endpoints below. 1 if
 * something is left that can be done now, 2 if what is left waits for a peer, 0 if nothing is left.
 */
BLANKET_API int blanket_sim_work(struct blanket_sim *sim, uint32_t budget);
/* The same until nothing can be done now: 0 or 2. */
BLANKET_API int blanket_sim_settle(struct blanket_sim *sim);

/*
 * A node goes, as if it crashed: what stands on it too, a level's memory without another word. Its
 * parent is told (guest detach); its pages are given back, poisoned when nobody has them pinned.
 */
BLANKET_API int blanket_sim_stop(struct blanket_sim *sim, uint32_t node);
/* A stopped node, and all that stood on it, starts anew, without devices. */
BLANKET_API BLANKET_MUST_CHECK int blanket_sim_start(struct blanket_sim *sim, uint32_t node);

/* --- policy and trace --- */

/* Of a level: NULL is blanket_acl_allow. */
BLANKET_API int blanket_sim_hook(struct blanket_sim *sim, uint32_t node,
                                 int (*hook)(void *context, const struct blanket_query *query),
                                 void *context);
/* Decisions of a level that weren't "allowed": how many of that reason since create. */
BLANKET_API uint64_t blanket_sim_reasons(struct blanket_sim *sim, uint32_t node,
                                         enum blanket_reason reason);
/* The last one. -BLANKET_ENOENT: there was none. */
BLANKET_API int blanket_sim_trace(struct blanket_sim *sim, uint32_t node,
                                  struct blanket_trace *trace);

/* --- faults --- */

/* Platform calls of levels that may fail, as bits (and the provider's overlay of a frame). */
#define BLANKET_SIM_OP_ALLOC 1u
#define BLANKET_SIM_OP_COPY_FROM 2u
#define BLANKET_SIM_OP_COPY_TO 4u
#define BLANKET_SIM_OP_PIN 8u
#define BLANKET_SIM_OP_HOOK 16u
#define BLANKET_SIM_OP_CALL 32u
#define BLANKET_SIM_OP_SEND 64u
#define BLANKET_SIM_OP_OVERLAY 128u
#define BLANKET_SIM_OP_ALL 255u

/* The k-th (1..) call from now on among `ops` fails; 0: none. */
BLANKET_API void blanket_sim_fail(struct blanket_sim *sim, uint32_t ops, uint64_t k);
/* Which op failed so since blanket_sim_fail; 0: none did. */
BLANKET_API uint32_t blanket_sim_failed(struct blanket_sim *sim);

enum blanket_sim_fault {
    BLANKET_SIM_FAULT_NONE = 0,
    BLANKET_SIM_FAULT_REFUSE = 1, /* the crossing gives -BLANKET_EAGAIN, nothing is performed */
    BLANKET_SIM_FAULT_LOSE_REQUEST = 2, /* not performed, -BLANKET_EIO */
    BLANKET_SIM_FAULT_LOSE_REPLY = 3,   /* performed, -BLANKET_EIO */
    BLANKET_SIM_FAULT_GARBAGE = 4,      /* performed, the reply is noise */
    BLANKET_SIM_FAULT_LATE = 5,         /* -BLANKET_EIO; performed by blanket_sim_late */
    BLANKET_SIM_FAULT_DUPLICATE = 6     /* performed twice, the second reply counts */
};
/*
 * What happens to `count` crossings from level `node` to what it stands on (sends don't count), after
 * `skip` that go well.
 */
BLANKET_API int blanket_sim_fault(struct blanket_sim *sim, uint32_t node,
                                  enum blanket_sim_fault fault, uint32_t skip, uint32_t count);
/* Perform what is late, oldest first. How many that were. */
BLANKET_API uint32_t blanket_sim_late(struct blanket_sim *sim);

/* Every n-th question of a level whether to return to its host is answered yes; 0: none. */
BLANKET_API int blanket_sim_preempt(struct blanket_sim *sim, uint32_t node, uint32_t n);

/*
 * Before each call of level `node` to what it stands on: a scheduling point, where a test may do
 * anything that another vcpu could do meanwhile.
 */
BLANKET_API int blanket_sim_between(struct blanket_sim *sim, uint32_t node,
                                    void (*between)(void *context), void *context);

/*
 * Read once: from now on each byte that a level reads of a caller's memory is counted for the duration
 * of the call and flipped right after it was read (and flipped back when the call has ended, unless the
 * level wrote it). A byte that is read twice is a violation. Calls must come one at a time.
 */
BLANKET_API void blanket_sim_read_once(struct blanket_sim *sim, int on);
/* Bytes that were read so. */
BLANKET_API uint64_t blanket_sim_bytes_read(struct blanket_sim *sim);

/* --- what there is --- */

struct blanket_sim_stats {
    uint64_t crossings; /* calls and sends from all levels to what they stand on */
    uint64_t kicks;
    uint64_t violations;
    uint64_t platform_calls; /* that may fail (BLANKET_SIM_OP_*); not counted with SIM_UNCHECKED */
    uint64_t provider_pages; /* times that the provider asked for a page */
    uint32_t pinned;         /* pages that some level has pinned, each level counted */
    uint32_t overlaid;       /* frames of the machine that show another page */
    uint32_t late;           /* crossings that wait for blanket_sim_late */
    uint64_t level_bytes;    /* memory that levels have now */
};
BLANKET_API void blanket_sim_stats(struct blanket_sim *sim, struct blanket_sim_stats *stats);

/* Violations so far; the first one's words (empty if there is none). */
BLANKET_API uint64_t blanket_sim_violations(struct blanket_sim *sim);
BLANKET_API const char *blanket_sim_violation(struct blanket_sim *sim);

/* blanket_level_hash of all levels, in one. */
BLANKET_API uint64_t blanket_sim_hash(struct blanket_sim *sim);

BLANKET_EXTERN_C_END

#endif
