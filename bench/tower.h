/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks stand on: levels above each other with the cheapest host that is still one (other
 * frame numbers at each level, a lock, a copy of each frame), so that what is measured is the core.
 * The simulation (port/sim.h) checks everything it can and would be measured instead.
 */
#ifndef BLANKET_BENCH_TOWER_H
#define BLANKET_BENCH_TOWER_H

#include <blanket/endpoint.h>
#include <blanket/port/root.h>

#define TOWER_LEVELS 16u
#define TOWER_SLOTS 128u /* of each table of the device */
#define TOWER_PAGES 256u

struct tower;

/* One level, as its host sees it. */
struct tower_level {
    struct tower *tower;
    struct blanket_level *level;
    struct tower_level *below; /* NULL: the provider */
    uint32_t guest;            /* id of what stands on it */
    uint64_t handle;           /* that it minted for it */
    uint64_t frame_offset;     /* its frame number of a caller's frame f is f + this */
    uint32_t locks[2];
};

struct tower {
    struct blanket_root *root;
    struct blanket_root_end end;  /* the device's: what the lowest level stands on */
    struct blanket_root_end peer; /* its backend's */
    uint32_t depth;
    struct tower_level levels[TOWER_LEVELS];
    uint64_t events; /* that reached the guest on top */
    uint8_t *pages;
};

/* Levels 1..depth (0: the provider alone). Ends the program if it can't. */
void tower_open(struct tower *tower, uint32_t depth);
void tower_close(struct tower *tower);

/* A call of the guest on top, or with depth 0 of the provider's: `items` of `elements` elements, whose
 * results go to `results`. The status. */
int tower_call(struct tower *tower, uint16_t verb, const uint64_t *items, uint32_t elements,
               uint32_t element_items, uint64_t *results);
/* The same of one element, with a payload, and the reply's size in *reply_size. */
int tower_store(struct tower *tower, uint16_t verb, const uint64_t *items, uint32_t element_items,
                const char *payload, uint32_t payload_size, uint64_t *result,
                uint32_t *reply_size);
int tower_send(struct tower *tower, uint64_t port);

#endif
