/* SPDX-License-Identifier: MIT */
/*
 * Mapped pages of the frontend. Persistent ones are kept by reference, as many as the config says; a
 * reference that finds no room is mapped for its request only, after the hand has thrown out one that
 * wasn't used lately.
 */
#include "backend_private.h"

#include <stdlib.h>

int blk_backend_cache_init(struct blk_cache *cache, uint32_t count)
{
    uint32_t buckets = 1;

    memset(cache, 0, sizeof(*cache));
    while (buckets < count) {
        buckets *= 2;
    }
    cache->entries = calloc(count + 1, sizeof(*cache->entries));
    cache->buckets = calloc(buckets, sizeof(*cache->buckets));
    if (cache->entries == NULL || cache->buckets == NULL) {
        blk_backend_cache_fini(cache);
        return -BLANKET_ENOMEM;
    }
    cache->entry_count = count;
    cache->bucket_count = buckets;
    for (uint32_t i = 0; i < buckets; i++) {
        cache->buckets[i] = BLK_CACHE_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        cache->entries[i].next = i + 1 < count ? i + 1 : BLK_CACHE_NONE;
    }
    cache->first_free = count != 0 ? 0 : BLK_CACHE_NONE;
    return 0;
}

void blk_backend_cache_fini(struct blk_cache *cache)
{
    free(cache->entries);
    free(cache->buckets);
    memset(cache, 0, sizeof(*cache));
}

static uint32_t *bucket_of(struct blk_cache *cache, uint32_t reference)
{
    uint32_t hash = reference * 2654435761u;

    return &cache->buckets[(hash >> 8) & (cache->bucket_count - 1)];
}

static void *page_map(struct blk_backend *backend, uint32_t reference, unsigned access, int *rc)
{
    void *address = NULL;

    *rc = backend->config.map->map(backend->config.map_context, reference, access, &address);
    if (*rc == 0) {
        backend->stats.maps++;
        backend->stats.mapped++;
    }
    return address;
}

void blk_backend_page_put(struct blk_backend *backend, void *address)
{
    if (backend->config.map->unmap(backend->config.map_context, address) == 0) {
        backend->stats.unmaps++;
        backend->stats.mapped--;
    }
}

static void entry_drop(struct blk_backend *backend, uint32_t index)
{
    struct blk_cache *cache = &backend->cache;
    struct blk_cached *entry = &cache->entries[index];
    uint32_t *link = bucket_of(cache, entry->reference);

    while (*link != index) {
        link = &cache->entries[*link].next;
    }
    *link = entry->next;
    entry->live = false;
    entry->next = cache->first_free;
    cache->first_free = index;
    blk_backend_page_put(backend, entry->address);
}

void blk_backend_cache_drop(struct blk_backend *backend)
{
    for (uint32_t i = 0; i < backend->cache.entry_count; i++) {
        if (backend->cache.entries[i].live) {
            entry_drop(backend, i);
        }
    }
}

/* Make room between two requests: once around at most, past those that were used since the last time. */
static void hand_turn(struct blk_backend *backend)
{
    struct blk_cache *cache = &backend->cache;

    for (uint32_t i = 0; i < 2 * cache->entry_count && cache->first_free == BLK_CACHE_NONE; i++) {
        struct blk_cached *entry = &cache->entries[cache->hand];

        if (entry->live && !entry->used) {
            entry_drop(backend, cache->hand);
        }
        entry->used = false;
        cache->hand = (cache->hand + 1) % cache->entry_count;
    }
}

static struct blk_cached *entry_find(struct blk_cache *cache, uint32_t reference)
{
    uint32_t index = *bucket_of(cache, reference);

    while (index != BLK_CACHE_NONE && cache->entries[index].reference != reference) {
        index = cache->entries[index].next;
    }
    return index != BLK_CACHE_NONE ? &cache->entries[index] : NULL;
}

void blk_backend_cache_room(struct blk_backend *backend)
{
    if (backend->persistent && backend->cache.entry_count != 0) {
        hand_turn(backend);
    }
}

int blk_backend_page_get(struct blk_backend *backend, uint32_t reference, unsigned access,
                         void **address, bool *keep)
{
    struct blk_cache *cache = &backend->cache;
    struct blk_cached *entry;
    uint32_t index;
    int rc;

    *keep = false;
    if (!backend->persistent) {
        *address = page_map(backend, reference, access, &rc);
        return rc;
    }
    entry = entry_find(cache, reference);
    if (entry == NULL) {
        *address = page_map(backend, reference, BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE, &rc);
        if (rc != 0 || cache->first_free == BLK_CACHE_NONE) {
            return rc;
        }
        index = cache->first_free;
        entry = &cache->entries[index];
        cache->first_free = entry->next;
        entry->address = *address;
        entry->reference = reference;
        entry->live = true;
        entry->next = *bucket_of(cache, reference);
        *bucket_of(cache, reference) = index;
    }
    entry->used = true;
    *keep = true;
    *address = entry->address;
    return 0;
}
