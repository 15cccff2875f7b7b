/* SPDX-License-Identifier: MIT */
/* What a level tells about itself. */
#include <blanket/level.h>

#include "core.h"

static uint64_t read64(const blanket_atomic64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint32_t read32(const uint32_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void blanket_level_stats(struct blanket_level *level, struct blanket_level_stats *stats)
{
    const struct blanket_counters *counters = &level->counters;

    memset(stats, 0, sizeof(*stats));
    stats->calls = read64(&counters->calls);
    stats->calls_below = read64(&counters->calls_below);
    stats->hook_allowed = read64(&counters->hook_allowed);
    stats->hook_denied = read64(&counters->hook_denied);
    stats->refused = read64(&counters->refused);
    stats->lost = read64(&counters->lost);
    stats->events = read64(&counters->events);
    stats->events_coalesced = read64(&counters->events_coalesced);
    stats->notifications = read64(&counters->notifications);
    stats->bytes = read64(&level->bytes);
    stats->grants = read32(&counters->used[BLANKET_TABLE_GRANTS]);
    stats->mappings = read32(&counters->used[BLANKET_TABLE_MAPPINGS]);
    stats->ports = read32(&counters->used[BLANKET_TABLE_PORTS]);
    stats->endpoints = read32(&counters->endpoints);
    stats->grants_peak = read32(&counters->used_peak[BLANKET_TABLE_GRANTS]);
    stats->mappings_peak = read32(&counters->used_peak[BLANKET_TABLE_MAPPINGS]);
    stats->ports_peak = read32(&counters->used_peak[BLANKET_TABLE_PORTS]);
    stats->endpoints_peak = read32(&counters->endpoints_peak);
    stats->closing = read32(&counters->closing);
}

/* FNV-1a, a word at a time: differences matter, not adversaries. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 0x100000001b3ull;
}

static uint64_t hash_slot(uint64_t hash, const struct blanket_slot *slot)
{
    hash = mix(hash, slot->generation);
    hash = mix(hash, ((uint64_t)slot->own << 24) | ((uint64_t)slot->state << 16) |
                         ((uint64_t)slot->role << 8) | slot->use);
    /* Not: below_generation (it only ever catches up) and a port's pending events and epoch. */
    if (slot->state != BLANKET_SLOT_FREE) {
        hash = mix(hash, __atomic_load_n(&slot->word, __ATOMIC_RELAXED) & ~BLANKET_WORD_PENDING);
    }
    if (slot->use != 0) {
        hash = mix(mix(hash, slot->u.page.frame), slot->u.page.cookie);
    }
    return hash;
}

static uint64_t hash_endpoint(uint64_t hash, const struct blanket_endpoint *endpoint)
{
    hash = mix(hash, ((uint64_t)endpoint->generation << 32) | endpoint->state);
    hash = mix(hash, ((uint64_t)endpoint->rights << 32) | endpoint->events);
    hash = mix(hash, ((uint64_t)endpoint->parent << 32) | endpoint->child_count);
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        const struct blanket_window *window = &endpoint->windows[kind];

        if (endpoint->state != BLANKET_ENDPOINT_FREE) {
            hash = mix(hash, ((uint64_t)window->first << 32) | window->count);
            hash = mix(hash, ((uint64_t)window->below_first << 32) | endpoint->used[kind]);
        }
    }
    return mix(hash, endpoint->closing);
}

uint64_t blanket_level_hash(struct blanket_level *level)
{
    uint64_t hash = 0xcbf29ce484222325ull;

    level->ops->lock(level->host, blanket_lock_administration(level));
    for (uint32_t id = 0; id < level->limits.guests; id++) {
        const struct blanket_level_guest *guest = &level->guests[id];

        hash = mix(hash, guest->attached);
        if (!guest->attached) {
            continue;
        }
        level->ops->lock(level->host, id);
        for (uint32_t i = 0; i < guest->endpoint_count; i++) {
            hash = hash_endpoint(hash, &guest->endpoints[i]);
        }
        for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
            const struct blanket_table *table = &guest->tables[kind];

            for (uint32_t i = 0; i < table->count; i++) {
                hash = hash_slot(hash, &table->slots[i]);
            }
            for (uint32_t i = 0; i < table->count / BLANKET_CHUNK_SLOTS; i++) {
                hash = mix(hash, ((uint64_t)table->chunks[i].owner << 16) | table->chunks[i].used);
            }
        }
        level->ops->unlock(level->host, id);
    }
    level->ops->unlock(level->host, blanket_lock_administration(level));
    return hash;
}
