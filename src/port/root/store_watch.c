/* SPDX-License-Identifier: MIT */
/*
 * Watches: found by the hash of the path they are on, so that a change costs one probe a path
 * level, however many watches there are. An event goes only to who may read the node or list its
 * parent.
 */
#include "store_private.h"

static struct store_watch **watch_bucket(const struct blanket_root_store *store, uint64_t hash)
{
    return &store->watch_buckets[blanket_root_store_path_bucket(store, hash)];
}

static struct store_watch *watch_find(const struct store_request *request,
                                      const struct store_path *path, const char *token)
{
    uint64_t hash = request->store->levels[path->depth].hash;
    struct store_watch *watch = *watch_bucket(request->store, hash);
    size_t size = strlen(token);

    for (; watch != NULL; watch = watch->bucket_next) {
        if (watch->connection == request->connection && watch->hash == hash &&
            watch->path_size == path->size && watch->token_size == size &&
            memcmp(watch->text, path->text, path->size) == 0 &&
            memcmp(watch->text + path->size, token, size) == 0) {
            return watch;
        }
    }
    return NULL;
}

/* Last in its bucket and on its connection, so that events come in the order of the watches. */
static void watch_link(struct store_watch *watch)
{
    struct blanket_root_store_connection *connection = watch->connection;
    struct store_watch **link = watch_bucket(connection->store, watch->hash);

    while (*link != NULL) {
        link = &(*link)->bucket_next;
    }
    *link = watch;
    watch->previous = connection->watches_last;
    if (watch->previous != NULL) {
        watch->previous->next = watch;
    } else {
        connection->watches = watch;
    }
    connection->watches_last = watch;
    connection->domain->watch_count++;
    connection->domain->memory_size += watch->charge;
    connection->store->watch_count++;
}

enum store_error blanket_root_store_watch_add(struct store_request *request,
                                              const struct store_path *path, const char *token)
{
    struct blanket_root_store *store = request->store;
    struct store_domain *domain = request->connection->domain;
    size_t token_size = strlen(token);
    size_t charge = sizeof(struct store_watch) + sizeof(struct store_message) +
                    2 * (path->size + token_size);
    struct store_watch *watch;

    if (watch_find(request, path, token) != NULL) {
        return STORE_EEXIST;
    }
    if (!blanket_root_store_domain_privileged(domain) &&
        domain->watch_count >= store->limits.watch_count) {
        return STORE_E2BIG;
    }
    if (!blanket_root_store_domain_affords(request, domain, charge)) {
        return STORE_ENOMEM;
    }
    watch = blanket_root_store_arena_allocate(&store->arena,
                                              sizeof(*watch) + path->size + token_size);
    if (watch == NULL) {
        return STORE_ENOMEM;
    }
    memset(watch, 0, sizeof(*watch));
    watch->connection = request->connection;
    watch->hash = store->levels[path->depth].hash;
    watch->charge = charge;
    watch->prefix_size = path->prefix_size;
    watch->path_size = path->size;
    watch->token_size = (uint32_t)token_size;
    memcpy(watch->text, path->text, path->size);
    memcpy(watch->text + path->size, token, token_size);
    if (!blanket_root_store_output_own(watch)) {
        blanket_root_store_arena_free(&store->arena, watch);
        return STORE_ENOMEM;
    }
    watch_link(watch);
    request->new_watch = watch;
    return STORE_OK;
}

static void watch_end(struct store_watch *watch)
{
    struct blanket_root_store_connection *connection = watch->connection;
    struct store_watch **link = watch_bucket(connection->store, watch->hash);

    while (*link != watch) {
        link = &(*link)->bucket_next;
    }
    *link = watch->bucket_next;
    if (watch->previous != NULL) {
        watch->previous->next = watch->next;
    } else {
        connection->watches = watch->next;
    }
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    } else {
        connection->watches_last = watch->previous;
    }
    connection->domain->watch_count--;
    connection->domain->memory_size -= watch->charge;
    connection->store->watch_count--;
    blanket_root_store_output_forget(watch);
    blanket_root_store_arena_free(&connection->store->arena, watch);
}

enum store_error blanket_root_store_watch_remove(struct store_request *request,
                                                 const struct store_path *path, const char *token)
{
    struct store_watch *watch = watch_find(request, path, token);

    if (watch == NULL) {
        return STORE_ENOENT;
    }
    watch_end(watch);
    return STORE_OK;
}

void blanket_root_store_watch_remove_all(struct blanket_root_store_connection *connection)
{
    while (connection->watches != NULL) {
        watch_end(connection->watches);
    }
}

static bool readable(const struct store_watch *watch, const struct store_permissions *list)
{
    return list != NULL &&
           (blanket_root_store_permission_access(watch->connection, list) & STORE_ACCESS_READ) != 0;
}

/* The only place that decides who hears of a change (XSA-115). */
static bool watch_permitted(const struct store_watch *watch, const struct store_change *change)
{
    return readable(watch, change->old_permissions) || readable(watch, change->new_permissions) ||
           readable(watch, change->parent_permissions);
}

/* Fires the watches on the change's path and, unless it is exact, on those above. */
void blanket_root_store_watch_fire(struct blanket_root_store *store,
                                   const struct store_change *change)
{
    const struct store_path *path = &change->path;
    uint32_t level = change->exact || path->text[0] == '@' ? path->depth : 0;

    if (store->watch_count == 0) {
        return;
    }
    for (; level <= path->depth; level++) {
        uint64_t hash = store->levels[level].hash;
        struct store_watch *watch = *watch_bucket(store, hash);
        uint32_t size;
        const char *text = blanket_root_store_path_level(store, path, level, &size);

        for (; watch != NULL; watch = watch->bucket_next) {
            if (watch->hash == hash && watch->path_size == size &&
                memcmp(watch->text, text, size) == 0 && watch_permitted(watch, change)) {
                blanket_root_store_output_event(watch, path->text + watch->prefix_size,
                                                path->size - watch->prefix_size);
            }
        }
    }
}

/* Fires the watches on exactly a node that is about to go with one above it. */
void blanket_root_store_watch_fire_removed(struct blanket_root_store *store,
                                           const struct store_node *node)
{
    struct store_watch *watch = *watch_bucket(store, node->hash);
    struct store_change change = {0};

    for (; watch != NULL; watch = watch->bucket_next) {
        if (watch->hash == node->hash &&
            blanket_root_store_tree_find(store, watch->hash, watch->text, watch->path_size) ==
                node) {
            change.old_permissions = node->content.permissions;
            change.parent_permissions = blanket_root_store_tree_parent_permissions(store, node);
            if (watch_permitted(watch, &change)) {
                blanket_root_store_output_event(watch, watch->text + watch->prefix_size,
                                                watch->path_size - watch->prefix_size);
            }
        }
    }
}

/* index: 0 for @introduceDomain, 1 for @releaseDomain. */
void blanket_root_store_watch_fire_special(struct blanket_root_store *store, uint32_t index)
{
    const struct store_node *node = store->special[index];
    struct store_change change = {0};

    memcpy(store->path, node->name, node->name_size);
    blanket_root_store_path_load(store, store->path, node->name_size, &change.path);
    change.new_permissions = node->content.permissions;
    change.parent_permissions = blanket_root_store_tree_parent_permissions(store, node);
    change.exact = true;
    blanket_root_store_watch_fire(store, &change);
}
