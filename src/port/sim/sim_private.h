/* SPDX-License-Identifier: MIT */
/*
 * What the simulation knows of its machine, levels and guests.
 *
 * Frame numbers. Each node has a *space*: numbers base..base+count, each of which shows one frame of
 * what the node stands on (another node's space, or the machine), or nothing. Inside the simulation a
 * frame is its index (number - base); numbers appear in items and addresses only.
 *
 * Locks: sim->memory (who has which page; a leaf) and sim->worker. The locks that the core asks for are
 * the node's own.
 */
#ifndef BLANKET_SIM_PRIVATE_H
#define BLANKET_SIM_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <blanket/port/sim.h>

#define SIM_NONE 0xffffffffu /* no frame, no node */
#define SIM_SLACK 64u        /* frames that a level has more than its nodes need: for restarts */
#define SIM_BOUNCE_PAGES 2u  /* a frame of the ABI */
#define SIM_EVENTS 4096u     /* event numbers of a lowest level */
#define SIM_OWN_GRANTS 64u

#define SIM_PAGE_NEW 0u /* zeroed, and nobody could write it yet */
#define SIM_PAGE_USED 1u
#define SIM_PAGE_POISONED 2u

/* A frame of a level, or of the machine: who has it, and what for. */
struct sim_frame {
    uint32_t owner;                      /* node that has it; SIM_NONE */
    uint32_t owner_index;                /* its index in the owner's space */
    uint32_t generation;                 /* of owners */
    uint32_t readers, writers, overlays; /* pins by use */
    uint32_t special;
};

/* One life of a node at its parent: the core's `guest`. Freed when the core says that it's gone. */
struct sim_guest {
    struct sim_guest *next; /* of the parent's */
    struct sim_node *node;  /* NULL: its node has stopped since */
    uint32_t index;         /* of its node */
    uint32_t id;
};

struct sim_memory {
    struct sim_memory *next, *previous;
    size_t size;
    uint64_t magic;
};

struct sim_lock {
    pthread_mutex_t mutex;
    _Atomic uintptr_t owner; /* the thread that has it, 0: none */
};

struct sim_transport {
    struct sim_node *node;
    uint32_t vcpu;
};

struct sim_node {
    struct blanket_sim *sim;
    struct blanket_sim_spec spec;
    struct blanket_guest_limits limits;
    uint32_t index;
    struct sim_node *parent; /* NULL: the provider */
    int running;

    /* its space */
    uint64_t base;
    uint32_t count;
    _Atomic uint32_t *shows;   /* index -> the parent's, or the machine's */
    _Atomic uint32_t *machine; /* LEVEL: index -> the machine's, so that a walk is short */

    /* as a guest of its parent */
    struct sim_guest *guest;
    uint32_t vcpu_base;  /* its first at the parent */
    uint32_t vcpu_count; /* that it has there */
    uint32_t *bounce;    /* index of the pages of each vcpu, SIM_NONE while it has none */

    /* LEVEL */
    struct blanket_level *level;
    struct blanket_limits level_limits;
    struct sim_lock *locks; /* level_limits.guests + 1 */
    struct sim_frame *frames;
    uint32_t *spare; /* frames that nobody has */
    uint32_t spare_count;
    struct sim_guest *guests;
    struct sim_memory *memory;
    uint32_t event_next; /* lowest level: first number that isn't given away */
    _Atomic int control; /* its control port was raised */
    _Atomic int kicked;
    int waits;
    int (*hook)(void *context, const struct blanket_query *query);
    void *hook_context;
    void (*between)(void *context);
    void *between_context;
    enum blanket_sim_fault fault;
    uint32_t fault_skip, fault_count;
    uint32_t preempt_every;
    _Atomic uint32_t preempt_asked;
    _Atomic uint64_t reasons[BLANKET_REASON_COUNT];
    struct blanket_trace trace;
    int traced;

    /* GUEST */
    _Atomic uint8_t *pending; /* limits.ports */
    void (*event)(void *context, uint32_t vcpu, uint32_t port);
    void *event_context;
    uint32_t own_grants[SIM_OWN_GRANTS]; /* index in its space */
    uint32_t own_grant_count;
    struct sim_transport *transports;
};

/* A call that was held back. */
struct sim_late {
    struct sim_late *next;
    struct sim_node *node;
    struct sim_guest *life; /* of the node, when it called; NULL for a lowest level */
    struct blanket_call call;
    uint32_t vcpu, size;
    uint64_t items[BLANKET_ITEM_COUNT_MAX];
    uint8_t data[BLANKET_FRAME_SIZE_MAX]; /* payload, or the whole frame */
    uint64_t results[BLANKET_ELEMENT_COUNT_MAX];
    uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
};

/* What a level has read of the frame of one call. */
struct sim_reading {
    struct sim_reading *outer;
    struct sim_node *node;
    uint64_t address;
    uint8_t state[BLANKET_FRAME_SIZE_MAX]; /* 1: read and flipped, 2: written since */
};

struct blanket_sim {
    uint32_t flags;
    int finished;
    uint32_t node_count;
    struct sim_node *nodes;
    struct blanket_below provider;
    _Atomic uint64_t random;

    /* the machine */
    uint8_t *arena;
    size_t arena_size;
    uint64_t machine_base;
    uint32_t machine_count;
    _Atomic uint32_t *machine_shows; /* index -> page of the arena */
    uint32_t *machine_own;           /* the same when it isn't overlaid */
    struct sim_frame *machine_frames;
    uint8_t *machine_used; /* SIM_PAGE_* */
    uint32_t *spare;
    uint32_t spare_count;
    pthread_mutex_t memory;
    pthread_mutex_t worker;

    _Atomic uint64_t platform_calls;
    _Atomic uint64_t fail_left; /* 0: none fails */
    uint32_t fail_ops;
    _Atomic uint32_t failed;
    struct sim_late *late;
    struct sim_reading *reading;
    int read_once;
    uint64_t bytes_read;

    _Atomic uint64_t crossings, kicks, violations, provider_pages, level_bytes;
    _Atomic uint32_t overlaid;
    char violation[256];
};

/* sim.c */
uint64_t sim_random(struct blanket_sim *sim);
struct sim_node *sim_node(struct blanket_sim *sim, uint32_t node, enum blanket_sim_kind kind);
void sim_violation(struct blanket_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* 1: this call of the platform is to fail. */
int sim_fails(struct blanket_sim *sim, uint32_t op);

/* memory.c: 0, or -BLANKET_ENOMEM. */
int sim_machine_create(struct blanket_sim *sim, uint32_t pages);
void sim_machine_destroy(struct blanket_sim *sim);
int sim_space_create(struct sim_node *node);
void sim_space_destroy(struct sim_node *node);
/* `count` frames of the node's space that follow each other get pages. -BLANKET_ENOSPC. */
int sim_space_fill(struct sim_node *node, uint32_t first, uint32_t count);
/* All pages go back to what the node stands on. */
void sim_space_empty(struct sim_node *node);
/* The page that the node's frame shows; NULL. */
uint8_t *sim_page(struct sim_node *node, uint64_t frame);
int sim_copy(struct sim_node *node, uint64_t address, void *target, const void *source,
             uint32_t size);

/* pin.c */
int sim_pin(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page);
void sim_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use);
/* Violation unless all levels between the provider and the owner have the machine's frame pinned. */
void sim_pin_check(struct blanket_sim *sim, uint32_t machine);
/* Nobody has the frame any more: poison it and put it with the spare ones. sim->memory is held. */
void sim_frame_release(struct blanket_sim *sim, struct sim_node *level, uint32_t index);
void sim_poison(struct blanket_sim *sim, uint32_t machine);
void sim_use(struct blanket_sim *sim, uint32_t machine);

/* platform.c */
extern const struct blanket_platform_ops sim_platform;
void sim_memory_drop(struct sim_node *level);
/* The core promises to hold no lock over `what`. */
void sim_check_unlocked(struct sim_node *level, const char *what);

/* crossing.c */
int sim_call_below(void *host, uint32_t vcpu, void *frame, uint32_t size);
int sim_send_below(void *host, uint32_t vcpu, uint64_t endpoint, uint64_t port);
int sim_call_parent(struct sim_node *node, uint32_t vcpu, void *frame, uint32_t size);
struct blanket_below sim_below(struct sim_node *level);
void sim_late_drop(struct blanket_sim *sim, const struct sim_node *node);

/* reading.c: around a call of `node` with a frame at `address`. */
void sim_reading_begin(struct sim_node *node, uint64_t address);
void sim_reading_end(struct sim_node *node);
void sim_reading_read(struct sim_node *node, uint64_t address, uint32_t size);
void sim_reading_written(struct sim_node *node, uint64_t address, uint32_t size);

/* work.c */
void sim_event(struct sim_node *node, uint32_t vcpu, uint32_t port);

/* life.c */
int sim_node_start(struct sim_node *node);
void sim_node_stop(struct sim_node *node);
void sim_guest_forget(struct sim_node *level, struct sim_guest *guest);

#endif
