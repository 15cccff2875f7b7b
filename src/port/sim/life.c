/* SPDX-License-Identifier: MIT */
/*
 * Nodes start and stop. A stop is a crash: the node's own memory goes without another word, and only
 * what it stands on is told.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_private.h"

/* --- a level's locks --- */

static int locks_create(struct sim_node *node)
{
    uint32_t i;

    node->locks = calloc(node->level_limits.guests + 1, sizeof(*node->locks));
    if (!node->locks) {
        return -BLANKET_ENOMEM;
    }
    for (i = 0; i <= node->level_limits.guests; i++) {
        pthread_mutex_init(&node->locks[i].mutex, NULL);
    }
    return 0;
}

static void locks_destroy(struct sim_node *node)
{
    uint32_t i;

    if (!node->locks) {
        return;
    }
    for (i = 0; i <= node->level_limits.guests; i++) {
        pthread_mutex_destroy(&node->locks[i].mutex);
    }
    free(node->locks);
    node->locks = NULL;
}

/* --- a node as a guest of its parent --- */

static int attach(struct sim_node *node)
{
    struct sim_guest *guest = calloc(1, sizeof(*guest));
    int error;

    if (!guest) {
        return -BLANKET_ENOMEM;
    }
    guest->node = node;
    guest->index = node->index;
    error = blanket_guest_attach(node->parent->level, guest, node->spec.label, &node->limits,
                                 &guest->id);
    if (error) {
        free(guest);
        return error;
    }
    guest->next = node->parent->guests;
    node->parent->guests = guest;
    node->guest = guest;
    return 0;
}

static void detach(struct sim_node *node)
{
    struct sim_guest *guest = node->guest;

    if (!guest) {
        return;
    }
    guest->node = NULL;
    node->guest = NULL;
    blanket_guest_detach(node->parent->level, guest->id);
}

void sim_guest_forget(struct sim_node *level, struct sim_guest *guest)
{
    struct sim_guest **link = &level->guests;

    while (*link && *link != guest) {
        link = &(*link)->next;
    }
    if (!*link) {
        sim_violation(level->sim, "level %u says twice that a guest is gone", level->index);
        return;
    }
    *link = guest->next;
    if (guest->node) {
        sim_violation(level->sim, "level %u says that a running guest is gone", level->index);
        guest->node->guest = NULL;
    }
    free(guest);
}

/* --- start --- */

/* Pages for the node's own frames, one pair for each vCPU. */
static int bounce_create(struct sim_node *node)
{
    uint32_t i, first;
    int error = 0;

    for (i = 0; !error && i < node->vcpu_count; i++) {
        first = SIM_BOUNCE_PAGES * i;
        node->bounce[i] = first;
        if (node->spec.kind == BLANKET_SIM_GUEST) {
            error = sim_space_fill(node, first, SIM_BOUNCE_PAGES);
        }
    }
    return error;
}

/* A level has all its frames from the start; those of its own frames aren't for its guests. */
static void reserve_bounce(struct sim_node *node)
{
    uint32_t reserved = SIM_BOUNCE_PAGES * node->vcpu_count;
    uint32_t i, kept = 0;

    for (i = 0; i < reserved; i++) {
        sim_use(node->sim, atomic_load_explicit(&node->machine[i], memory_order_relaxed));
    }
    for (i = 0; i < node->count; i++) {
        node->frames[i].owner = SIM_NONE;
        node->frames[i].readers = node->frames[i].writers = node->frames[i].overlays = 0;
        if (node->spare[i] >= reserved) {
            node->spare[kept++] = node->spare[i];
        }
    }
    node->spare_count = kept;
}

static int level_start(struct sim_node *node)
{
    int error = locks_create(node);

    if (!error) {
        error = sim_space_fill(node, 0, node->count);
    }
    if (!error) {
        error = bounce_create(node);
    }
    if (!error) {
        reserve_bounce(node);
        atomic_store(&node->kicked, 0);
        atomic_store(&node->control, 0);
        node->waits = 0;
        error = blanket_level_create(&sim_platform, node, &node->level_limits, &node->level);
    }
    if (!error && node->parent) {
        error = attach(node);
    }
    return error;
}

static int guest_start(struct sim_node *node)
{
    uint32_t i;
    int error = bounce_create(node);

    for (i = 0; i < node->limits.ports; i++) {
        atomic_store(&node->pending[i], 0);
    }
    node->own_grant_count = 0;
    return error ? error : attach(node);
}

int sim_node_start(struct sim_node *node)
{
    int error = node->spec.kind == BLANKET_SIM_LEVEL ? level_start(node) : guest_start(node);

    if (error) {
        sim_node_stop(node);
        return error;
    }
    node->running = 1;
    return 0;
}

/* --- stop --- */

static void level_drop(struct sim_node *node)
{
    while (node->guests) {
        struct sim_guest *guest = node->guests;

        node->guests = guest->next;
        if (guest->node) {
            guest->node->guest = NULL;
        }
        free(guest);
    }
    node->level = NULL;
    sim_memory_drop(node);
    locks_destroy(node);
}

void sim_node_stop(struct sim_node *node)
{
    node->running = 0;
    sim_late_drop(node->sim, node);
    if (node->spec.kind == BLANKET_SIM_LEVEL) {
        level_drop(node);
    }
    detach(node);
    sim_space_empty(node);
}

/* 1 if `node` stands on `base`, through others or not, or is it. */
static int stands_on(const struct sim_node *node, const struct sim_node *base)
{
    while (node && node != base) {
        node = node->parent;
    }
    return node != NULL;
}

int blanket_sim_stop(struct blanket_sim *sim, uint32_t node)
{
    uint32_t i;

    if (node >= sim->node_count) {
        return -BLANKET_EINVAL;
    }
    /* From the top: who stands on what has crashed is dropped with it, not detached from it. */
    for (i = sim->node_count; i-- > node;) {
        if (sim->nodes[i].running && stands_on(&sim->nodes[i], &sim->nodes[node])) {
            if (i != node) {
                sim->nodes[i].guest->node = NULL;
                sim->nodes[i].guest = NULL;
            }
            sim_node_stop(&sim->nodes[i]);
        }
    }
    return 0;
}

int blanket_sim_start(struct blanket_sim *sim, uint32_t node)
{
    uint32_t i;
    int error = 0;

    if (node >= sim->node_count || sim->nodes[node].running) {
        return -BLANKET_EINVAL;
    }
    if (sim->nodes[node].parent && !sim->nodes[node].parent->running) {
        return -BLANKET_ENOTCONN;
    }
    for (i = node; !error && i < sim->node_count; i++) {
        if (stands_on(&sim->nodes[i], &sim->nodes[node])) {
            error = sim_node_start(&sim->nodes[i]);
        }
    }
    return error;
}
