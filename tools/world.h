/* SPDX-License-Identifier: MIT */
/*
 * The world of `blanket run`: a provider with a disk, levels above it, guests on top, each with a PV
 * block device that ends in a backend beside the provider. All in this process, one thread.
 */
#ifndef BLANKET_WORLD_H
#define BLANKET_WORLD_H

#include <blanket/guest.h>
#include <blanket/level.h>
#include <blanket/port/root.h>
#include <blanket/port/sim.h>

#include "below_libxen.h"
#include "blk/backend.h"
#include "blk/frontend.h"
#include "image.h"

#define WORLD_GUESTS_MAX 64u

struct world_config {
    uint32_t levels;     /* 1..16 */
    uint32_t guests;     /* 1..WORLD_GUESTS_MAX */
    uint32_t ring_order; /* 0..4 */
    uint32_t segments;   /* 1..256 */
    bool persistent;
    bool read_only;
    uint64_t seed;
    const char *device; /* "vbd/51712" of a Xen below; NULL: the provider, with a disk */
};

struct world;

struct world_guest {
    struct world *world;
    uint32_t node;           /* in the simulation */
    uint32_t pending;        /* ports that were raised, as bits; above 31 there are none */
    uint32_t silence;        /* turns over libxen that it has waited for the store in vain */
    uint64_t first, sectors; /* its slice of the disk */
    struct blanket_guest front, back; /* the callers of the two ends */
    struct blanket_root_end front_end, back_end;
    struct blanket_wire_endpoint back_info;
    struct blk_frontend *frontend;
    struct blk_backend *backend;
    char name[BLANKET_NAME_SIZE];
    uint64_t frame[BLANKET_FRAME_SIZE_MAX / sizeof(uint64_t)];
};

struct world {
    struct world_config config;
    struct image *disk;
    struct blanket_sim *sim;
    struct blanket_root *root;   /* NULL: over a Xen */
    struct below_libxen *libxen; /* NULL: over the provider */
    struct world_guest *guests;
    uint32_t depth;      /* requests in flight of a guest */
    uint32_t grants;     /* of a guest */
    uint64_t random;     /* whose turn it is */
    uint32_t violations; /* once closed: of the simulation's checks, and what was left somewhere */
    struct blanket_root_stats provider; /* once connected */
};

/*
 * Make it all, and connect each guest's device. Over a Xen there is one guest, and `disk` isn't used: the
 * guest's sectors are what the device has. false (said): nothing is left.
 */
bool world_open(struct world *world, const struct world_config *config, struct image *disk);

/* One turn of everybody, in an order that depends on the seed. false: nobody had anything to do. */
bool world_turn(struct world *world);

/* An error of a device (static), if there is one: no more of it will work. */
const char *world_error(const struct world *world);

/* Close all devices and wait until nothing is left of them. false (said): something is. */
bool world_disconnect(struct world *world);

/* Take it down. world->violations tells what was wrong on the way. */
void world_close(struct world *world);

#endif
