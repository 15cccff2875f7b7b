/* SPDX-License-Identifier: MIT */
/* A level and its guests come and go. All memory is allocated here (and by nobody else). */
#include <blanket/level.h>

#include "derive.h"
#include "guest.h"
#include "resolve.h"

static int ops_are_complete(const struct blanket_platform_ops *ops)
{
    return ops && ops->size == sizeof(*ops) && ops->alloc && ops->free && ops->copy_from_above &&
           ops->copy_to_above && ops->pin && ops->unpin && ops->lock && ops->unlock && ops->hook &&
           !ops->call_below == !ops->send_below && ops->notify_above && ops->kick &&
           ops->guest_gone && ops->preempt && ops->index_nospec;
}

static int limits_are_sound(const struct blanket_limits *limits)
{
    return limits->vcpus >= 1 && limits->vcpus <= 4096 && limits->guests >= 1 &&
           limits->guests <= 32767 && limits->events <= (1u << 24) && limits->depth >= 1 &&
           limits->depth <= BLANKET_LEVEL_MAX;
}

static void *allocate(struct blanket_level *level, size_t count, size_t size)
{
    void *memory = level->ops->alloc(level->host, count * size);

    if (memory) {
        __atomic_fetch_add(&level->bytes, count * size, __ATOMIC_RELAXED);
    }
    return memory;
}

static void release(struct blanket_level *level, void *memory, size_t count, size_t size)
{
    if (memory) {
        level->ops->free(level->host, memory, count * size);
        __atomic_fetch_sub(&level->bytes, count * size, __ATOMIC_RELAXED);
    }
}

static void free_level(struct blanket_level *level)
{
    const struct blanket_platform_ops *ops = level->ops;

    release(level, level->guests, level->limits.guests, sizeof(*level->guests));
    release(level, level->contexts, level->limits.vcpus + 1, sizeof(*level->contexts));
    release(level, level->routes, level->limits.events, sizeof(*level->routes));
    ops->free(level->host, level, sizeof(*level));
}

int blanket_level_create(const struct blanket_platform_ops *ops, void *host,
                         const struct blanket_limits *limits, struct blanket_level **level)
{
    struct blanket_level *made;

    if (!ops_are_complete(ops) || !limits_are_sound(limits)) {
        return -BLANKET_EINVAL;
    }
    made = ops->alloc(host, sizeof(*made));
    if (!made) {
        return -BLANKET_ENOMEM;
    }
    made->ops = ops;
    made->host = host;
    made->limits = *limits;
    made->epoch = 1;
    made->bytes = sizeof(*made);
    made->guests = allocate(made, limits->guests, sizeof(*made->guests));
    made->contexts = allocate(made, limits->vcpus + 1, sizeof(*made->contexts));
    if (limits->events != 0) {
        made->routes = allocate(made, limits->events, sizeof(*made->routes));
    }
    if (!made->guests || !made->contexts || (limits->events != 0 && !made->routes)) {
        free_level(made);
        return -BLANKET_ENOMEM;
    }
    *level = made;
    return 0;
}

int blanket_level_destroy(struct blanket_level *level)
{
    for (uint32_t id = 0; id < level->limits.guests; id++) {
        if (__atomic_load_n(&level->guests[id].attached, __ATOMIC_SEQ_CST)) {
            return -BLANKET_EBUSY;
        }
    }
    free_level(level);
    return 0;
}

static void free_guest(struct blanket_level *level, struct blanket_level_guest *guest)
{
    release(level, guest->endpoints, guest->endpoint_count, sizeof(*guest->endpoints));
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        struct blanket_table *table = &guest->tables[kind];

        release(level, table->slots, table->count, sizeof(*table->slots));
        release(level, table->chunks, table->count / BLANKET_CHUNK_SLOTS, sizeof(*table->chunks));
        memset(table, 0, sizeof(*table));
    }
    guest->endpoints = NULL;
}

static int make_table(struct blanket_level *level, struct blanket_table *table, uint32_t slots)
{
    uint32_t chunks = slots / BLANKET_CHUNK_SLOTS + (slots % BLANKET_CHUNK_SLOTS != 0);

    if (chunks == 0) {
        return 0;
    }
    table->count = chunks * BLANKET_CHUNK_SLOTS;
    table->slots = allocate(level, table->count, sizeof(*table->slots));
    table->chunks = allocate(level, chunks, sizeof(*table->chunks));
    return table->slots && table->chunks ? 0 : -BLANKET_ENOMEM;
}

static int make_guest(struct blanket_level *level, struct blanket_level_guest *guest, void *host,
                      uint64_t label, const struct blanket_guest_limits *limits)
{
    const uint32_t slots[BLANKET_TABLE_COUNT] = {
        limits->grants,
        limits->mappings,
        limits->ports > BLANKET_CHUNK_SLOTS ? limits->ports : BLANKET_CHUNK_SLOTS,
    };
    int rc = 0;

    guest->host = host;
    guest->label = label;
    guest->endpoint_count = limits->endpoints;
    guest->vcpu_count = limits->vcpus;
    guest->work = 0;
    guest->event_next = 0;
    memset(&guest->sweep, 0, sizeof(guest->sweep));
    guest->endpoints = allocate(level, limits->endpoints, sizeof(*guest->endpoints));
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        rc |= make_table(level, &guest->tables[kind], slots[kind]);
    }
    if (rc != 0 || !guest->endpoints) {
        free_guest(level, guest);
        return -BLANKET_ENOMEM;
    }
    blanket_endpoint_self(guest);
    guest->tables[BLANKET_TABLE_PORTS].slots[BLANKET_PORT_CONTROL].word = BLANKET_WORD_BOUND;
    return 0;
}

int blanket_guest_attach(struct blanket_level *level, void *host, uint64_t label,
                         const struct blanket_guest_limits *limits, uint32_t *id)
{
    uint32_t administration = blanket_lock_administration(level);
    const uint32_t slots = BLANKET_SLOT_INDEX_MAX + 1u;
    struct blanket_level_guest *guest = NULL;
    int rc = -BLANKET_ENOSPC;

    if (limits->endpoints < 1 || limits->endpoints > BLANKET_ENDPOINTS_MAX ||
        limits->grants > slots || limits->mappings > slots || limits->ports > slots ||
        limits->vcpus < 1 || limits->vcpus >= slots) {
        return -BLANKET_EINVAL;
    }
    level->ops->lock(level->host, administration);
    for (uint32_t i = 0; i < level->limits.guests && !guest; i++) {
        if (!level->guests[i].attached) {
            guest = &level->guests[i];
            rc = make_guest(level, guest, host, label, limits);
        }
    }
    if (rc == 0) {
        *id = (uint32_t)(guest - level->guests);
        __atomic_store_n(&guest->attached, 1, __ATOMIC_SEQ_CST);
    }
    level->ops->unlock(level->host, administration);
    return rc;
}

void blanket_guest_detach(struct blanket_level *level, uint32_t id)
{
    struct blanket_level_guest *guest = blanket_guest_hold(level, id);

    if (!guest) {
        return;
    }
    level->ops->lock(level->host, id);
    if (guest->endpoints[BLANKET_SELF_SLOT].state != BLANKET_ENDPOINT_FREE) {
        blanket_endpoint_kill(&guest->endpoints[BLANKET_SELF_SLOT]);
    }
    level->ops->unlock(level->host, id);
    blanket_guest_kick(level, guest, 1);
    blanket_guest_release(guest);
}

int blanket_guest_end(struct blanket_level *level, uint32_t id)
{
    uint32_t administration = blanket_lock_administration(level);
    struct blanket_level_guest *guest = &level->guests[id];
    void *host = guest->host;

    level->ops->lock(level->host, administration);
    __atomic_store_n(&guest->attached, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&guest->holds, __ATOMIC_SEQ_CST) != 0) {
        /* Somebody looked before us: it may still be at the tables. */
        __atomic_store_n(&guest->attached, 1, __ATOMIC_SEQ_CST);
        level->ops->unlock(level->host, administration);
        return -BLANKET_EBUSY;
    }
    free_guest(level, guest);
    level->ops->unlock(level->host, administration);
    level->ops->guest_gone(level->host, host);
    return 0;
}

void blanket_policy_changed(struct blanket_level *level)
{
    __atomic_fetch_add(&level->epoch, 1, __ATOMIC_SEQ_CST);
}
