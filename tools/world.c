/* SPDX-License-Identifier: MIT */
#include "world_host.h"
#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/ring.h"

#define PORTS 8u          /* of an end: the store's and the ring's, and room to spare */
#define GRANTS_MAX 8192u  /* of a guest */
#define GRANTS_SUM 16384u /* of all */
#define GRANTS_LIBXEN 272u /* of gntalloc's 1024; to take one and give it back are ten system calls */
#define HANDLE_FIRST 51712u /* xvda */
#define HANDLE_STEP 16u
#define DOMID 1u /* of the lowest level, as the provider sees it */

/* ---- making it ---- */

static void shape_choose(struct world *world)
{
    uint32_t pages = 1u << world->config.ring_order;
    uint32_t entries = blk_ring_entry_count(pages);
    uint32_t grants = GRANTS_SUM / world->config.guests;
    uint32_t segments = world->config.segments;

    grants = grants > GRANTS_MAX ? GRANTS_MAX : grants;
    grants = world->config.device != NULL ? GRANTS_LIBXEN : grants;
    world->depth = (grants - pages) / (segments + 1);
    world->depth = world->depth == 0 ? 1 : world->depth;
    world->depth = world->depth > entries ? entries : world->depth;
    world->grants = pages + world->depth * (segments + 1);
    world->grants = (world->grants + BLANKET_CHUNK_SLOTS - 1) & ~(BLANKET_CHUNK_SLOTS - 1);
}

static int tower_make(struct world *world)
{
    const struct world_config *config = &world->config;
    struct blanket_sim_spec *nodes = calloc(config->levels + config->guests, sizeof(*nodes));
    struct blanket_sim_spec guest;
    struct blanket_sim_config sim;
    int rc = -BLANKET_ENOMEM;

    memset(&guest, 0, sizeof(guest));
    memset(&sim, 0, sizeof(sim));
    guest.vcpus = 1;
    guest.pages = 2 * world->grants + 16; /* what it shares, and its own buffers */
    guest.label = 1;
    guest.limits.endpoints = 2;
    guest.limits.grants = world->grants;
    guest.limits.ports = PORTS + BLANKET_CHUNK_SLOTS;
    guest.limits.vcpus = 1;
    if (nodes != NULL) {
        sim.seed = config->seed;
        sim.node_count = blanket_sim_tower(config->levels, config->guests, &guest, nodes);
        sim.nodes = nodes;
        rc = blanket_sim_create(&sim, &world->sim);
    }
    free(nodes);
    return rc;
}

static int provider_make(struct world *world)
{
    const struct world_config *config = &world->config;
    const struct below_libxen_device device = {config->device, world->grants, PORTS};
    struct blanket_root_limits limits;
    int rc;

    if (config->device != NULL) {
        return below_libxen_open(&world->libxen, world->sim, &device);
    }
    memset(&limits, 0, sizeof(limits));
    limits.domains = 4;
    limits.devices = config->guests;
    limits.grants = 2 * world->grants * config->guests;
    limits.mappings = limits.grants;
    limits.ports = 2 * PORTS * config->guests;
    limits.store_size = (4u << 20) + (uint64_t)config->guests * (256u << 10);
    rc = blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, blanket_sim_host_ops(),
                             world->sim, &world->root);
    if (rc == 0) {
        blanket_sim_provider(world->sim, blanket_root_below(world->root));
    }
    return rc;
}

/* The provider's device: both ends. */
static int device_add(struct world *world, struct world_guest *guest, uint32_t handle,
                      uint32_t *event_base)
{
    struct blanket_root_sink front_sink, back_sink = {world_back_event, guest};
    struct blanket_root_device device;
    int rc;

    memset(&device, 0, sizeof(device));
    device.frontend_domid = DOMID;
    device.type = "vbd";
    device.handle = handle;
    device.grants = world->grants;
    device.mappings = world->grants;
    device.ports = PORTS;
    device.connections = 2;
    device.requests = 8;
    device.watches = 8;
    device.transactions = 2;
    snprintf(guest->name, sizeof(guest->name), "vbd/%" PRIu32, handle);
    rc = blanket_sim_events(world->sim, guest->node, PORTS, &front_sink, event_base);
    if (rc == 0) {
        rc = blanket_root_device_add(world->root, &device, &front_sink, *event_base, &back_sink, 0,
                                     &guest->front_end, &guest->back_end);
    }
    return rc;
}

/* What stands below, its frontend's end minted at each level on the way up. */
static int device_make(struct world *world, struct world_guest *guest, uint32_t handle)
{
    struct blanket_sim_device minted;
    uint64_t endpoint;
    int rc;

    memset(&minted, 0, sizeof(minted));
    if (world->libxen == NULL) {
        rc = device_add(world, guest, handle, &minted.event_base);
    } else {
        rc = below_libxen_attach(world->libxen, guest->node, &guest->front_end, &minted.event_base);
        snprintf(guest->name, sizeof(guest->name), "%s", world->config.device);
    }
    if (rc != 0) {
        return rc;
    }
    minted.name = guest->name;
    minted.rights = BLANKET_RIGHTS_ALL;
    minted.end = guest->front_end;
    minted.end.mappings = 0; /* a frontend maps nothing */
    rc = blanket_sim_device(world->sim, guest->node, &minted, &endpoint, NULL);
    return rc != 0 ? rc
                   : blanket_sim_event_handler(world->sim, guest->node, world_front_event, guest);
}

static int backend_make(struct world *world, struct world_guest *guest)
{
    struct blanket_below below = blanket_root_below(world->root);
    struct blk_backend_config config;
    int rc = blanket_guest_init_direct(&guest->back, &below, 0);

    memset(&guest->back_info, 0, sizeof(guest->back_info));
    guest->back_info.endpoint = guest->back_end.endpoint;
    guest->back_info.grant_base = guest->back_end.grant_base;
    guest->back_info.mapping_count = guest->back_end.mappings;
    guest->back_info.port_count = guest->back_end.ports;
    memset(&config, 0, sizeof(config));
    config.guest = &guest->back;
    config.endpoint = &guest->back_info;
    config.map = &world_map_ops;
    config.map_context = guest;
    config.disk = &world_slice_ops;
    config.disk_context = guest;
    config.sectors = guest->sectors;
    config.sector_size = IMAGE_SECTOR;
    config.read_only = world->config.read_only;
    config.ring_order = BLK_RING_ORDER_MAX;
    config.indirect = BLK_INDIRECT_MAX;
    config.persistent = world->grants;
    config.wait = world_back_wait;
    return rc != 0 ? rc : blk_backend_create(&config, &guest->backend);
}

static int frontend_make(struct world *world, struct world_guest *guest)
{
    struct blk_frontend_config config;
    struct blanket_transport transport;
    int rc = blanket_sim_transport(world->sim, guest->node, 0, &transport);

    if (rc == 0) {
        rc = blanket_guest_init(&guest->front, &transport, guest->frame);
    }
    memset(&config, 0, sizeof(config));
    config.guest = &guest->front;
    config.name = guest->name;
    config.page_alloc = world_page_alloc;
    config.page_free = world_page_free;
    config.wait = world_front_wait;
    config.context = guest;
    config.ring_order = world->config.ring_order;
    config.segments = world->config.segments;
    config.depth = world->depth;
    config.persistent = world->config.persistent;
    return rc != 0 ? rc : blk_frontend_create(&config, &guest->frontend);
}

/* Its slice: an equal share of whole pages, and the last guest has the rest too. */
static void slice_choose(struct world *world, uint32_t index)
{
    struct world_guest *guest = &world->guests[index];
    uint64_t sectors, share;

    if (world->config.device != NULL) {
        return; /* its backend will say */
    }
    sectors = world->disk->size / IMAGE_SECTOR;
    share = sectors / world->config.guests;
    share = share >= 8 ? share & ~7ull : share;
    guest->first = share * index;
    guest->sectors = index + 1 < world->config.guests ? share : sectors - guest->first;
}

/* Why something below didn't work, in the best words that there are. */
static const char *reason(const struct world *world, int rc)
{
    const char *fault = world->libxen != NULL ? below_libxen_fault(world->libxen) : "";

    return fault[0] != 0 ? fault : command_errno_name(rc);
}

static bool guests_make(struct world *world)
{
    for (uint32_t i = 0; i < world->config.guests; i++) {
        struct world_guest *guest = &world->guests[i];
        int rc;

        guest->world = world;
        guest->node = world->config.levels + i;
        slice_choose(world, i);
        rc = device_make(world, guest, HANDLE_FIRST + HANDLE_STEP * i);
        if (rc == 0 && world->libxen == NULL) {
            rc = backend_make(world, guest);
        }
        if (rc == 0) {
            rc = frontend_make(world, guest);
        }
        if (rc != 0) {
            command_error("run: guest %" PRIu32 " gets no device: %s", i, reason(world, rc));
            return false;
        }
    }
    return true;
}

static bool all_are(const struct world *world, enum blk_frontend_state state)
{
    for (uint32_t i = 0; i < world->config.guests; i++) {
        if (world->guests[i].frontend != NULL &&
            blk_frontend_state(world->guests[i].frontend) != state) {
            return false;
        }
    }
    return true;
}

/* What guests that aren't in `state` wait for; the first is said. */
static void wait_tell(const struct world *world, const char *what, enum blk_frontend_state state)
{
    const char *error = world_error(world);

    for (uint32_t i = 0; i < world->config.guests; i++) {
        const struct blk_frontend *frontend = world->guests[i].frontend;

        if (frontend != NULL && blk_frontend_state(frontend) != state) {
            command_error("run: a device doesn't %s: %s (its backend is %s, with %" PRIu32
                          " pages of ours)",
                          what, error != NULL ? error : "no answer", blk_frontend_backend(frontend),
                          blk_frontend_pages(frontend));
            return;
        }
    }
}

/* How far all are, as a number that changes when one gets on. */
static uint64_t progress_made(const struct world *world)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < world->config.guests; i++) {
        const struct blk_frontend *frontend = world->guests[i].frontend;

        if (frontend != NULL) {
            sum = sum * 31 + (uint64_t)blk_frontend_state(frontend);
            sum = sum * 31 + (uint64_t)(uintptr_t)blk_frontend_backend(frontend);
            sum = sum * 31 + blk_frontend_pages(frontend);
        }
    }
    return sum;
}

static void all_look(struct world *world)
{
    for (uint32_t i = 0; i < world->config.guests; i++) {
        if (world->guests[i].frontend != NULL) {
            blk_frontend_look(world->guests[i].frontend);
        }
    }
}

/* Over libxen an event may get lost, and looking is something that happens too: there it's how far they
 * are that has to change. */
static bool turn_until(struct world *world, enum blk_frontend_state state)
{
    uint64_t now, before = progress_made(world);
    uint32_t idle = 0, turns = 0;

    while (!all_are(world, state) && idle < WORLD_IDLE_MAX) {
        bool busy = world_turn(world);

        if (world->libxen != NULL && !busy && ++turns % WORLD_LOOK == 0) {
            all_look(world);
        }
        now = progress_made(world);
        if (now != before || (busy && world->libxen == NULL)) {
            idle = 0;
        } else if (!busy) {
            idle++;
        }
        before = now;
    }
    return all_are(world, state);
}

bool world_open(struct world *world, const struct world_config *config, struct image *disk)
{
    int rc;

    memset(world, 0, sizeof(*world));
    world->config = *config;
    world->disk = disk;
    world->random = config->seed * 0x9e3779b97f4a7c15u + 1; /* never 0 for its generator */
    world->random = world->random != 0 ? world->random : 1;
    shape_choose(world);
    world->guests = calloc(config->guests, sizeof(*world->guests));
    rc = world->guests != NULL ? tower_make(world) : -BLANKET_ENOMEM;
    if (rc == 0) {
        rc = provider_make(world);
    }
    if (rc != 0) {
        command_error("run: the levels can't be made: %s", reason(world, rc));
        world_close(world);
        return false;
    }
    if (!guests_make(world)) {
        world_close(world);
        return false;
    }
    if (!turn_until(world, BLK_FRONTEND_CONNECTED)) {
        wait_tell(world, "connect", BLK_FRONTEND_CONNECTED);
        world_close(world);
        return false;
    }
    if (world->root != NULL) {
        blanket_root_stats(world->root, &world->provider);
    } else {
        struct blk_frontend_info info;

        blk_frontend_info(world->guests[0].frontend, &info);
        world->guests[0].sectors = info.sectors * (info.sector_size / IMAGE_SECTOR);
    }
    return true;
}

/* ---- taking it down ---- */

bool world_disconnect(struct world *world)
{
    for (uint32_t i = 0; i < world->config.guests; i++) {
        if (world->guests[i].frontend != NULL) {
            blk_frontend_close(world->guests[i].frontend);
        }
    }
    if (!turn_until(world, BLK_FRONTEND_CLOSED)) {
        wait_tell(world, "close", BLK_FRONTEND_CLOSED);
        return false;
    }
    (void)blanket_sim_settle(world->sim);
    return true;
}

void world_close(struct world *world)
{
    struct blanket_root_stats stats;

    for (uint32_t i = 0; world->guests != NULL && i < world->config.guests; i++) {
        blk_frontend_destroy(world->guests[i].frontend);
        blk_backend_destroy(world->guests[i].backend);
        world->guests[i].frontend = NULL;
        world->guests[i].backend = NULL;
    }
    if (world->libxen != NULL) {
        blanket_sim_finish(world->sim);
        world->violations += below_libxen_close(world->libxen);
        world->libxen = NULL;
    }
    if (world->root != NULL) {
        blanket_sim_finish(world->sim);
        blanket_root_stats(world->root, &stats);
        world->violations += stats.grants + stats.mappings + stats.ports;
        blanket_root_destroy(world->root);
        world->root = NULL;
    }
    if (world->sim != NULL) {
        world->violations += (uint32_t)blanket_sim_destroy(world->sim);
        world->sim = NULL;
    }
    free(world->guests);
    world->guests = NULL;
}
