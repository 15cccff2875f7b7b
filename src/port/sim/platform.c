/* SPDX-License-Identifier: MIT */
/*
 * What the simulation gives the core of each level. `host` is the level's node.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_private.h"

#define MEMORY_MAGIC 0x6d656d6f72792121ull

/* --- memory of a level: a list, so that a crash can drop it and a leak is seen --- */

static void *sim_alloc(void *host, size_t size)
{
    struct sim_node *level = host;
    struct sim_memory *memory;

    if (sim_fails(level->sim, BLANKET_SIM_OP_ALLOC)) {
        return NULL;
    }
    memory = calloc(1, sizeof(*memory) + size);
    if (!memory) {
        return NULL;
    }
    memory->size = size;
    memory->magic = MEMORY_MAGIC;
    pthread_mutex_lock(&level->sim->memory);
    memory->next = level->memory;
    if (memory->next) {
        memory->next->previous = memory;
    }
    level->memory = memory;
    pthread_mutex_unlock(&level->sim->memory);
    atomic_fetch_add(&level->sim->level_bytes, size);
    return memory + 1;
}

static void memory_unlink(struct sim_node *level, struct sim_memory *memory)
{
    if (memory->next) {
        memory->next->previous = memory->previous;
    }
    if (memory->previous) {
        memory->previous->next = memory->next;
    } else {
        level->memory = memory->next;
    }
    atomic_fetch_sub(&level->sim->level_bytes, memory->size);
}

static void sim_free(void *host, void *pointer, size_t size)
{
    struct sim_node *level = host;
    struct sim_memory *memory;

    if (!pointer) {
        return;
    }
    memory = (struct sim_memory *)pointer - 1;
    if (memory->magic != MEMORY_MAGIC || memory->size != size) {
        sim_violation(level->sim, "level %u frees %zu bytes that it didn't allocate so",
                      level->index, size);
        return;
    }
    pthread_mutex_lock(&level->sim->memory);
    memory_unlink(level, memory);
    pthread_mutex_unlock(&level->sim->memory);
    memset(pointer, BLANKET_SIM_POISON, size);
    memory->magic = 0;
    free(memory);
}

void sim_memory_drop(struct sim_node *level)
{
    struct sim_memory *memory = level->memory;

    level->memory = NULL;
    while (memory) {
        struct sim_memory *next = memory->next;

        atomic_fetch_sub(&level->sim->level_bytes, memory->size);
        free(memory);
        memory = next;
    }
}

/* --- locks --- */

static uintptr_t myself(void)
{
    return (uintptr_t)pthread_self();
}

static int is_mine(struct sim_lock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == myself();
}

void sim_check_unlocked(struct sim_node *level, const char *what)
{
    uint32_t i;

    if (level->sim->flags & BLANKET_SIM_UNCHECKED) {
        return;
    }
    for (i = 0; i <= level->level_limits.guests; i++) {
        if (is_mine(&level->locks[i])) {
            sim_violation(level->sim, "level %u holds lock %u over %s", level->index, i, what);
        }
    }
}

static void sim_lock(void *host, unsigned lock)
{
    struct sim_node *level = host;
    uint32_t guests = level->level_limits.guests;
    uint32_t i;

    if (lock > guests) {
        sim_violation(level->sim, "level %u takes lock %u of %u", level->index, lock, guests);
        abort();
    }
    if (!(level->sim->flags & BLANKET_SIM_UNCHECKED)) {
        /* Administration goes before a guest's, and one guest's excludes every other. */
        for (i = 0; i < guests; i++) {
            if (is_mine(&level->locks[i])) {
                sim_violation(level->sim, "level %u takes lock %u while it has guest lock %u",
                              level->index, lock, i);
            }
        }
        if (is_mine(&level->locks[lock])) {
            sim_violation(level->sim, "level %u takes lock %u twice", level->index, lock);
            abort();
        }
    }
    pthread_mutex_lock(&level->locks[lock].mutex);
    atomic_store_explicit(&level->locks[lock].owner, myself(), memory_order_relaxed);
}

static void sim_unlock(void *host, unsigned lock)
{
    struct sim_node *level = host;

    if (lock > level->level_limits.guests || !is_mine(&level->locks[lock])) {
        sim_violation(level->sim, "level %u lets go of lock %u, which it hasn't", level->index,
                      lock);
        abort();
    }
    atomic_store_explicit(&level->locks[lock].owner, 0, memory_order_relaxed);
    pthread_mutex_unlock(&level->locks[lock].mutex);
}

/* --- callers' memory --- */

static int sim_copy_from_above(void *host, void *guest, void *target, uint64_t address,
                               uint32_t size)
{
    struct sim_node *level = host;
    struct sim_node *node = ((struct sim_guest *)guest)->node;
    int error;

    sim_check_unlocked(level, "a copy from above");
    if (sim_fails(level->sim, BLANKET_SIM_OP_COPY_FROM) || !node) {
        return -BLANKET_EFAULT;
    }
    error = sim_copy(node, address, target, NULL, size);
    if (!error && level->sim->read_once) {
        sim_reading_read(node, address, size);
    }
    return error;
}

static int sim_copy_to_above(void *host, void *guest, uint64_t address, const void *source,
                             uint32_t size)
{
    struct sim_node *level = host;
    struct sim_node *node = ((struct sim_guest *)guest)->node;
    int error;

    sim_check_unlocked(level, "a copy to above");
    if (sim_fails(level->sim, BLANKET_SIM_OP_COPY_TO) || !node) {
        return -BLANKET_EFAULT;
    }
    error = sim_copy(node, address, NULL, source, size);
    if (!error && level->sim->read_once) {
        sim_reading_written(node, address, size);
    }
    return error;
}

static int checked_pin(void *host, void *guest, uint64_t item, unsigned use,
                       struct blanket_page *page)
{
    sim_check_unlocked(host, "a pin");
    return sim_pin(host, guest, item, use, page);
}

/* --- policy --- */

static int sim_hook(void *host, const struct blanket_query *query)
{
    struct sim_node *level = host;

    sim_check_unlocked(level, "the hook");
    if (sim_fails(level->sim, BLANKET_SIM_OP_HOOK)) {
        return -BLANKET_EPERM;
    }
    return level->hook ? level->hook(level->hook_context, query) : blanket_acl_allow(NULL, query);
}

static void sim_trace(void *host, const struct blanket_trace *trace)
{
    struct sim_node *level = host;

    if (trace->reason >= BLANKET_REASON_COUNT) {
        sim_violation(level->sim, "level %u traces reason %u", level->index, trace->reason);
        return;
    }
    atomic_fetch_add(&level->reasons[trace->reason], 1);
    pthread_mutex_lock(&level->sim->memory);
    level->trace = *trace;
    level->traced = 1;
    pthread_mutex_unlock(&level->sim->memory);
}

/* --- upwards, and the host's own --- */

static void sim_notify_above(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    struct sim_node *level = host;
    struct sim_guest *life = guest;

    sim_check_unlocked(level, "a notification");
    if (life->node && life->node->guest == life) {
        sim_event(life->node, vcpu, port);
    }
}

static void sim_kick(void *host, int soon)
{
    struct sim_node *level = host;

    (void)soon;
    atomic_fetch_add_explicit(&level->sim->kicks, 1, memory_order_relaxed);
    atomic_store(&level->kicked, 1);
}

static void sim_guest_gone(void *host, void *guest)
{
    sim_guest_forget(host, guest);
}

static int sim_preempt(void *host)
{
    struct sim_node *level = host;

    if (level->preempt_every == 0) {
        return 0;
    }
    return (atomic_fetch_add(&level->preempt_asked, 1) + 1) % level->preempt_every == 0;
}

static uint32_t sim_index_nospec(uint32_t index, uint32_t count)
{
    return index < count ? index : 0;
}

const struct blanket_platform_ops sim_platform = {
    .size = sizeof(struct blanket_platform_ops),
    .alloc = sim_alloc,
    .free = sim_free,
    .copy_from_above = sim_copy_from_above,
    .copy_to_above = sim_copy_to_above,
    .pin = checked_pin,
    .unpin = sim_unpin,
    .lock = sim_lock,
    .unlock = sim_unlock,
    .hook = sim_hook,
    .trace = sim_trace,
    .call_below = sim_call_below,
    .send_below = sim_send_below,
    .notify_above = sim_notify_above,
    .kick = sim_kick,
    .guest_gone = sim_guest_gone,
    .preempt = sim_preempt,
    .index_nospec = sim_index_nospec,
};
