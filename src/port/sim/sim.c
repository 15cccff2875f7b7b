/* SPDX-License-Identifier: MIT */
/*
 * The tree: made from its config, taken down, and asked what it has.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_private.h"

/* splitmix64: any thread may draw. */
uint64_t sim_random(struct blanket_sim *sim)
{
    uint64_t value = atomic_fetch_add_explicit(&sim->random, 0x9e3779b97f4a7c15ull,
                                               memory_order_relaxed);

    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

struct sim_node *sim_node(struct blanket_sim *sim, uint32_t node, enum blanket_sim_kind kind)
{
    return node < sim->node_count && sim->nodes[node].spec.kind == kind ? &sim->nodes[node] : NULL;
}

void sim_violation(struct blanket_sim *sim, const char *format, ...)
{
    char words[sizeof(sim->violation)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    fprintf(stderr, "sim: %s\n", words);
    if (atomic_fetch_add(&sim->violations, 1) == 0) {
        memcpy(sim->violation, words, sizeof(words));
    }
    if (sim->flags & BLANKET_SIM_ABORT) {
        abort();
    }
}

int sim_fails(struct blanket_sim *sim, uint32_t op)
{
    if ((sim->flags & BLANKET_SIM_UNCHECKED) && !sim->fail_ops) {
        return 0;
    }
    atomic_fetch_add_explicit(&sim->platform_calls, 1, memory_order_relaxed);
    if (!(sim->fail_ops & op) || atomic_load_explicit(&sim->fail_left, memory_order_relaxed) == 0) {
        return 0;
    }
    if (atomic_fetch_sub(&sim->fail_left, 1) != 1) {
        return 0;
    }
    atomic_store(&sim->failed, op);
    return 1;
}

/* --- create --- */

static uint32_t add(uint32_t a, uint32_t b, uint32_t most)
{
    return a > most || b > most - a ? most : a + b;
}

/* What a level asks of its parent so that its guests get what they may have. */
static void limits_of(struct blanket_sim *sim, struct sim_node *level)
{
    struct blanket_guest_limits *limits = &level->limits;
    uint32_t i;

    *limits = level->spec.limits;
    if (limits->endpoints) {
        return;
    }
    memset(limits, 0, sizeof(*limits));
    limits->endpoints = 1;
    limits->ports = BLANKET_CHUNK_SLOTS;
    limits->vcpus = level->level_limits.vcpus;
    for (i = level->index + 1; i < sim->node_count; i++) {
        const struct sim_node *guest = &sim->nodes[i];

        if (guest->parent == level) {
            limits->endpoints = add(limits->endpoints, guest->limits.endpoints, 1024);
            limits->grants = add(limits->grants, guest->limits.grants, 65536);
            limits->mappings = add(limits->mappings, guest->limits.mappings, 65536);
            limits->ports = add(limits->ports, guest->limits.ports, 65536);
        }
    }
}

/* Sizes, from the top down: a level needs what stands on it, and some of its own. */
static void measure(struct blanket_sim *sim, struct sim_node *node)
{
    uint32_t i, guests = 0, vcpus = 1, pages = 0;
    const struct sim_node *below;

    if (node->spec.kind == BLANKET_SIM_GUEST) {
        node->limits = node->spec.limits;
        node->vcpu_count = node->spec.vcpus;
        node->count = 2 * (node->spec.pages + SIM_BOUNCE_PAGES * node->vcpu_count) + 16;
        return;
    }
    for (i = node->index + 1; i < sim->node_count; i++) {
        struct sim_node *guest = &sim->nodes[i];

        if (guest->parent == node) {
            guests++;
            guest->vcpu_base = vcpus - 1;
            vcpus += guest->vcpu_count;
            pages += guest->spec.kind == BLANKET_SIM_LEVEL
                         ? guest->count
                         : guest->spec.pages + SIM_BOUNCE_PAGES * guest->vcpu_count;
        }
    }
    node->level_limits.vcpus = vcpus;
    node->level_limits.guests = 2 * guests + 4;
    node->level_limits.depth = 1;
    for (below = node->parent; below; below = below->parent) {
        node->level_limits.depth++;
    }
    limits_of(sim, node);
    node->level_limits.events = node->parent ? node->limits.ports : SIM_EVENTS;
    node->vcpu_count = vcpus + 1; /* its worker's */
    node->count = pages + SIM_BOUNCE_PAGES * node->vcpu_count + SIM_SLACK;
}

static int node_create(struct sim_node *node)
{
    uint32_t i;
    int error = sim_space_create(node);

    if (error) {
        return error;
    }
    node->bounce = calloc(node->vcpu_count, sizeof(*node->bounce));
    node->transports = calloc(node->vcpu_count, sizeof(*node->transports));
    node->pending = calloc(node->limits.ports + 1, sizeof(*node->pending));
    if (!node->bounce || !node->transports || !node->pending) {
        return -BLANKET_ENOMEM;
    }
    for (i = 0; i < node->vcpu_count; i++) {
        node->transports[i].node = node;
        node->transports[i].vcpu = i;
    }
    return 0;
}

static int spec_check(const struct blanket_sim_config *config)
{
    uint32_t i;

    if (config->node_count == 0 || config->node_count > BLANKET_SIM_NODES_MAX) {
        return -BLANKET_EINVAL;
    }
    for (i = 0; i < config->node_count; i++) {
        const struct blanket_sim_spec *spec = &config->nodes[i];
        int is_level = spec->kind == BLANKET_SIM_LEVEL;

        if (spec->parent == BLANKET_SIM_MACHINE
                ? !is_level
                : spec->parent >= i || config->nodes[spec->parent].kind != BLANKET_SIM_LEVEL) {
            return -BLANKET_EINVAL;
        }
        if (!is_level && (spec->vcpus == 0 || spec->vcpus > 64 || spec->pages > 65536 ||
                          spec->limits.ports > 65536)) {
            return -BLANKET_EINVAL;
        }
    }
    return 0;
}

static int build(struct blanket_sim *sim, const struct blanket_sim_config *config)
{
    uint32_t i, pages = SIM_SLACK;
    int error;

    for (i = 0; i < config->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];

        node->sim = sim;
        node->spec = config->nodes[i];
        node->index = i;
        node->parent = node->spec.parent == BLANKET_SIM_MACHINE ? NULL
                                                                : &sim->nodes[node->spec.parent];
    }
    sim->node_count = config->node_count;
    for (i = config->node_count; i-- > 0;) {
        measure(sim, &sim->nodes[i]);
        pages += sim->nodes[i].parent ? 0 : sim->nodes[i].count;
    }
    error = sim_machine_create(sim, pages);
    for (i = 0; !error && i < config->node_count; i++) {
        error = node_create(&sim->nodes[i]);
    }
    for (i = 0; !error && i < config->node_count; i++) {
        error = sim_node_start(&sim->nodes[i]);
    }
    return error;
}

int blanket_sim_create(const struct blanket_sim_config *config, struct blanket_sim **result)
{
    struct blanket_sim *sim;
    int error = spec_check(config);

    if (error) {
        return error;
    }
    sim = calloc(1, sizeof(*sim));
    if (!sim) {
        return -BLANKET_ENOMEM;
    }
    sim->flags = config->flags;
    atomic_store(&sim->random, config->seed);
    pthread_mutex_init(&sim->memory, NULL);
    pthread_mutex_init(&sim->worker, NULL);
    sim->nodes = calloc(config->node_count, sizeof(*sim->nodes));
    error = sim->nodes ? build(sim, config) : -BLANKET_ENOMEM;
    if (error) {
        (void)blanket_sim_destroy(sim);
        return error;
    }
    *result = sim;
    return 0;
}

uint32_t blanket_sim_tower(uint32_t levels, uint32_t guests, const struct blanket_sim_spec *guest,
                           struct blanket_sim_spec *nodes)
{
    uint32_t i;

    for (i = 0; i < levels; i++) {
        memset(&nodes[i], 0, sizeof(nodes[i]));
        nodes[i].parent = i == 0 ? BLANKET_SIM_MACHINE : i - 1;
        nodes[i].kind = BLANKET_SIM_LEVEL;
        nodes[i].label = 0x100u + i;
    }
    for (i = levels; i < levels + guests; i++) {
        nodes[i] = *guest;
        nodes[i].parent = levels - 1;
        nodes[i].kind = BLANKET_SIM_GUEST;
        nodes[i].label = guest->label + (i - levels);
    }
    return levels + guests;
}

/* --- destroy --- */

/* After its guests have gone: nothing may be left of the level. */
static void level_end(struct sim_node *node)
{
    struct blanket_sim *sim = node->sim;
    int error;

    if (!node->level) {
        return;
    }
    error = blanket_level_destroy(node->level);
    if (error) {
        sim_violation(sim, "level %u can't be destroyed (%d): something is left", node->index,
                      error);
        return;
    }
    if (node->memory) {
        sim_violation(sim, "level %u left memory behind", node->index);
    }
    if (node->guests) {
        sim_violation(sim, "level %u never said that a guest is gone", node->index);
    }
}

void blanket_sim_finish(struct blanket_sim *sim)
{
    struct blanket_sim_stats stats;
    uint32_t i;

    if (sim->finished || !sim->node_count || !sim->arena) {
        return;
    }
    sim->finished = 1;
    blanket_sim_fail(sim, 0, 0);
    for (i = sim->node_count; i-- > 0;) {
        sim->nodes[i].fault = BLANKET_SIM_FAULT_NONE;
        sim->nodes[i].between = NULL;
        if (sim->nodes[i].spec.kind == BLANKET_SIM_GUEST && sim->nodes[i].running) {
            sim_node_stop(&sim->nodes[i]);
        }
    }
    for (i = sim->node_count; i-- > 0;) {
        if (sim->nodes[i].spec.kind == BLANKET_SIM_LEVEL && sim->nodes[i].running) {
            if (blanket_sim_settle(sim) != 0) {
                sim_violation(sim, "something is held that nobody lets go of");
            }
            level_end(&sim->nodes[i]);
            sim->nodes[i].level = NULL;
            sim_node_stop(&sim->nodes[i]);
        }
    }
    blanket_sim_stats(sim, &stats);
    if (stats.pinned || stats.overlaid) {
        sim_violation(sim, "%u pages are still pinned, %u overlaid", stats.pinned, stats.overlaid);
    }
}

int blanket_sim_destroy(struct blanket_sim *sim)
{
    uint32_t i;
    int violations;

    blanket_sim_finish(sim);
    violations = (int)atomic_load(&sim->violations);
    sim_late_drop(sim, NULL);
    for (i = 0; i < sim->node_count; i++) {
        sim_space_destroy(&sim->nodes[i]);
        free(sim->nodes[i].bounce);
        free(sim->nodes[i].transports);
        free((void *)sim->nodes[i].pending);
    }
    sim_machine_destroy(sim);
    free(sim->nodes);
    pthread_mutex_destroy(&sim->memory);
    pthread_mutex_destroy(&sim->worker);
    free(sim);
    return violations;
}

/* --- settings and questions --- */

void blanket_sim_provider(struct blanket_sim *sim, struct blanket_below below)
{
    sim->provider = below;
}

struct blanket_level *blanket_sim_level(struct blanket_sim *sim, uint32_t node)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    return level ? level->level : NULL;
}

int blanket_sim_guest_id(struct blanket_sim *sim, uint32_t node, uint32_t *id)
{
    if (node >= sim->node_count || !sim->nodes[node].parent) {
        return -BLANKET_EINVAL;
    }
    if (!sim->nodes[node].guest) {
        return -BLANKET_ENOTCONN;
    }
    *id = sim->nodes[node].guest->id;
    return 0;
}

int blanket_sim_below(struct blanket_sim *sim, uint32_t node, struct blanket_below *below)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level) {
        return -BLANKET_EINVAL;
    }
    if (!level->level) {
        return -BLANKET_ENOTCONN;
    }
    *below = sim_below(level);
    return 0;
}

void blanket_sim_fail(struct blanket_sim *sim, uint32_t ops, uint64_t k)
{
    sim->fail_ops = ops;
    atomic_store(&sim->failed, 0);
    atomic_store(&sim->fail_left, k);
}

uint32_t blanket_sim_failed(struct blanket_sim *sim)
{
    return atomic_load(&sim->failed);
}

int blanket_sim_preempt(struct blanket_sim *sim, uint32_t node, uint32_t n)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level) {
        return -BLANKET_EINVAL;
    }
    level->preempt_every = n;
    atomic_store(&level->preempt_asked, 0);
    return 0;
}

int blanket_sim_hook(struct blanket_sim *sim, uint32_t node,
                     int (*hook)(void *context, const struct blanket_query *query), void *context)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level) {
        return -BLANKET_EINVAL;
    }
    level->hook = hook;
    level->hook_context = context;
    return 0;
}

uint64_t blanket_sim_reasons(struct blanket_sim *sim, uint32_t node, enum blanket_reason reason)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    return level && (unsigned)reason < BLANKET_REASON_COUNT ? atomic_load(&level->reasons[reason])
                                                            : 0;
}

int blanket_sim_trace(struct blanket_sim *sim, uint32_t node, struct blanket_trace *trace)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level) {
        return -BLANKET_EINVAL;
    }
    if (!level->traced) {
        return -BLANKET_ENOENT;
    }
    *trace = level->trace;
    return 0;
}

uint64_t blanket_sim_violations(struct blanket_sim *sim)
{
    return atomic_load(&sim->violations);
}

const char *blanket_sim_violation(struct blanket_sim *sim)
{
    return sim->violation;
}

void blanket_sim_stats(struct blanket_sim *sim, struct blanket_sim_stats *stats)
{
    struct sim_late *late;
    uint32_t i, j;

    memset(stats, 0, sizeof(*stats));
    stats->crossings = atomic_load(&sim->crossings);
    stats->kicks = atomic_load(&sim->kicks);
    stats->violations = atomic_load(&sim->violations);
    stats->platform_calls = atomic_load(&sim->platform_calls);
    stats->provider_pages = atomic_load(&sim->provider_pages);
    stats->level_bytes = atomic_load(&sim->level_bytes);
    stats->overlaid = atomic_load(&sim->overlaid);
    pthread_mutex_lock(&sim->memory);
    for (late = sim->late; late; late = late->next) {
        stats->late++;
    }
    for (i = 0; i < sim->node_count; i++) {
        for (j = 0; sim->nodes[i].frames && j < sim->nodes[i].count; j++) {
            const struct sim_frame *frame = &sim->nodes[i].frames[j];

            stats->pinned += frame->readers + frame->writers + frame->overlays > 0;
        }
    }
    pthread_mutex_unlock(&sim->memory);
}

uint64_t blanket_sim_hash(struct blanket_sim *sim)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    uint32_t i;

    for (i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].level) {
            hash = (hash ^ blanket_level_hash(sim->nodes[i].level)) * 0x100000001b3ull;
        }
    }
    return hash;
}
