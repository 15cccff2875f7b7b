/* SPDX-License-Identifier: MIT */
/*
 * The provider as a whole: its limits, its memory, its lock.
 */
/* For getentropy. */
#define _DEFAULT_SOURCE

#include "root_private.h"

#include <stdlib.h>
#include <unistd.h>

#define DEVICE_COUNT_MAX 0x7fffu
#define TABLE_COUNT_MAX 0x4000000u

/* Zeroed memory, counted; administration only. A table of nothing is still a place. */
void *blanket_root_allocate(struct blanket_root *root, size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (memory) {
        root->bytes += (count ? count : 1) * size;
    }
    return memory;
}

void blanket_root_release(struct blanket_root *root, void *memory, size_t count, size_t size)
{
    if (memory) {
        root->bytes -= (count ? count : 1) * size;
    }
    free(memory);
}

static bool limits_valid(const struct blanket_root_limits *limits)
{
    return limits->domains >= 1 && limits->domains <= ROOT_DOMID_MAX + 1 && limits->devices >= 1 &&
           limits->devices <= DEVICE_COUNT_MAX && limits->grants <= TABLE_COUNT_MAX &&
           limits->mappings <= TABLE_COUNT_MAX && limits->ports <= TABLE_COUNT_MAX;
}

/* A quota of each domain: as given, or what xenstored has for each device that there may be. */
static uint32_t domain_quota(uint32_t given, uint32_t one, uint32_t devices)
{
    return given ? given : one * devices;
}

static size_t domain_memory(const struct blanket_root_store_limits *store, uint32_t devices)
{
    return store->domain_memory_size < store->memory_size / devices
               ? store->domain_memory_size * devices
               : store->memory_size;
}

static int store_open(struct blanket_root *root)
{
    const struct blanket_root_limits *limits = &root->limits;
    struct blanket_root_store_limits store;
    int status;

    if (limits->store_size == 0) {
        return 0;
    }
    if (limits->store_size > SIZE_MAX / 2) {
        return -BLANKET_EINVAL;
    }
    blanket_root_store_limits_default(&store);
    store.memory_size = (size_t)limits->store_size;
    store.node_count = domain_quota(limits->store_nodes, store.node_count, limits->devices);
    store.watch_count = domain_quota(limits->store_watches, store.watch_count, limits->devices);
    store.transaction_count = domain_quota(limits->store_transactions, store.transaction_count,
                                           limits->devices);
    store.domain_memory_size = domain_memory(&store, limits->devices);
    if (getentropy(&store.hash_seed, sizeof(store.hash_seed))) {
        return -BLANKET_ENOMEM;
    }
    root->share_limit.watches = store.watch_count;
    root->share_limit.transactions = store.transaction_count;
    status = blanket_root_store_create(&store, &root->store);
    if (status == 0) {
        root->bytes += store.memory_size;
        status = blanket_root_store_connect(root->store, 0, NULL, NULL, &root->admin);
    }
    return status;
}

static void root_free(struct blanket_root *root)
{
    blanket_root_store_disconnect(root->admin);
    blanket_root_store_destroy(root->store);
    blanket_root_release(root, root->places, root->place_count, sizeof(*root->places));
    blanket_root_release(root, root->domains, root->limits.domains, sizeof(*root->domains));
    free(root);
}

static int locks_init(struct blanket_root *root)
{
    if (pthread_mutex_init(&root->lock, NULL)) {
        return -BLANKET_ENOMEM;
    }
    if (pthread_cond_init(&root->idle, NULL)) {
        pthread_mutex_destroy(&root->lock);
        return -BLANKET_ENOMEM;
    }
    return 0;
}

int blanket_root_create(const struct blanket_root_limits *limits, enum blanket_root_scoping scoping,
                        const struct blanket_root_host_ops *ops, void *host,
                        struct blanket_root **result)
{
    struct blanket_root *root;
    int status = -BLANKET_ENOMEM;

    if (!limits_valid(limits) || !ops || !ops->page || !ops->overlay != !ops->overlay_undo ||
        (scoping != BLANKET_ROOT_SCOPE_ENDPOINT && scoping != BLANKET_ROOT_SCOPE_DOMID)) {
        return -BLANKET_EINVAL;
    }
    root = (struct blanket_root *)calloc(1, sizeof(*root));
    if (!root) {
        return -BLANKET_ENOMEM;
    }
    root->bytes = sizeof(*root);
    root->limits = *limits;
    root->scoping = scoping;
    root->ops = *ops;
    root->host = host;
    root->grant_room = limits->grants;
    root->mapping_room = limits->mappings;
    root->port_room = limits->ports;
    root->place_count = 2 * limits->devices;
    atomic_init(&root->waiters, 0);
    root->places = (struct root_place *)blanket_root_allocate(root, root->place_count,
                                                              sizeof(*root->places));
    root->domains = (struct root_domain *)blanket_root_allocate(root, limits->domains,
                                                                sizeof(*root->domains));
    if (root->places && root->domains) {
        status = store_open(root);
        status = status ? status : locks_init(root);
    }
    if (status) {
        root_free(root);
        return status;
    }
    *result = root;
    return 0;
}

void blanket_root_destroy(struct blanket_root *root)
{
    if (!root) {
        return;
    }
    blanket_root_client_end_all(root);
    blanket_root_device_destroy_all(root);
    pthread_cond_destroy(&root->idle);
    pthread_mutex_destroy(&root->lock);
    root_free(root);
}

/* Of all domains that the provider knows. */
static void usage_add(const struct blanket_root *root, struct blanket_root_stats *stats)
{
    struct blanket_root_store_totals totals;
    struct blanket_root_store_usage usage;
    uint32_t i;

    blanket_root_store_totals_read(root->store, &totals);
    stats->nodes = (uint32_t)totals.node_count;
    for (i = 0; i < root->limits.domains; i++) {
        if (root->domains[i].present &&
            blanket_root_store_domain_usage(root->store, (uint16_t)root->domains[i].domid,
                                            &usage) == 0) {
            stats->watches += usage.watch_count;
            stats->transactions += usage.transaction_count;
        }
    }
}

void blanket_root_stats(struct blanket_root *root, struct blanket_root_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    pthread_mutex_lock(&root->lock);
    stats->grants = root->grant_count;
    stats->mappings = root->mapping_count;
    stats->ports = root->port_count;
    stats->bytes = root->bytes;
    if (root->store) {
        usage_add(root, stats);
    }
    pthread_mutex_unlock(&root->lock);
}
