/* SPDX-License-Identifier: MIT */
/*
 * The store and its connections: made from one block of memory, with room for what must not fail.
 */
#include "store_private.h"

#include <stdlib.h>

enum {
    MEMORY_MIN = 128 * 1024,
    BUCKET_BITS_MIN = 4,
    BUCKET_BITS_MAX = 20
};

void blanket_root_store_limits_default(struct blanket_root_store_limits *limits)
{
    memset(limits, 0, sizeof(*limits));
    limits->memory_size = (size_t)64 << 20;
    limits->hash_seed = 0x243f6a8885a308d3u;
    limits->domain_memory_size = 2560 * 1024;
    limits->node_count = 1000;
    limits->node_size = 2048;
    limits->node_permission_count = 5;
    limits->watch_count = 128;
    limits->watch_event_count = 1024;
    limits->transaction_count = 10;
    limits->transaction_node_count = 1024;
    limits->outstanding_count = 20;
    limits->path_absolute_size = XENSTORE_ABS_PATH_MAX;
    limits->path_relative_size = XENSTORE_REL_PATH_MAX;
}

static void *table_make(struct blanket_root_store *store)
{
    size_t size = sizeof(void *) << store->bucket_bits;
    void *table = blanket_root_store_arena_allocate(&store->arena, size);

    if (table != NULL) {
        memset(table, 0, size);
    }
    return table;
}

/* Hash tables as large as the memory can fill: a bucket for each KiB. */
static bool tables_make(struct blanket_root_store *store)
{
    store->bucket_bits = BUCKET_BITS_MIN;
    while (store->bucket_bits < BUCKET_BITS_MAX &&
           ((size_t)1024 << (store->bucket_bits + 1)) <= store->limits.memory_size) {
        store->bucket_bits++;
    }
    store->node_buckets = table_make(store);
    store->shadow_buckets = table_make(store);
    store->watch_buckets = table_make(store);
    store->event_buckets = table_make(store);
    store->domain_buckets = table_make(store);
    return store->node_buckets != NULL && store->shadow_buckets != NULL &&
           store->watch_buckets != NULL && store->event_buckets != NULL &&
           store->domain_buckets != NULL;
}

static struct store_node *first_node(struct blanket_root_store *store, struct store_node *parent,
                                     const char *name, struct store_permissions *permissions)
{
    uint32_t size = (uint32_t)strlen(name);
    struct store_node *node = blanket_root_store_tree_make(store, name, size);

    if (node == NULL) {
        return NULL;
    }
    node->content.permissions = blanket_root_store_permission_share(permissions);
    if (parent != NULL) {
        node->hash = blanket_root_store_path_hash(parent->hash, name, size);
        blanket_root_store_tree_link(store, parent, node);
    } else {
        node->hash = store->limits.hash_seed;
        blanket_root_store_tree_account(store, node, true);
    }
    blanket_root_store_tree_touch(store, node);
    return node;
}

/* What xenstored starts with: all of it domain 0's alone. */
static bool first_nodes(struct blanket_root_store *store, struct store_permissions *permissions)
{
    struct store_node *tool;

    store->special[0] = first_node(store, NULL, "@introduceDomain", permissions);
    store->special[1] = first_node(store, NULL, "@releaseDomain", permissions);
    store->root = first_node(store, NULL, "", permissions);
    if (store->special[0] == NULL || store->special[1] == NULL || store->root == NULL) {
        return false;
    }
    tool = first_node(store, store->root, "tool", permissions);
    return tool != NULL && first_node(store, tool, "xenstored", permissions) != NULL;
}

static bool store_fill(struct blanket_root_store *store)
{
    struct store_permissions *permissions;
    bool made;

    if (!tables_make(store)) {
        return false;
    }
    store->domain_zero = blanket_root_store_domain_take(store, 0, true);
    permissions = blanket_root_store_permission_make(store, 1);
    if (store->domain_zero == NULL || permissions == NULL) {
        return false;
    }
    store->domain_zero->introduced = true;
    store->domain_zero->references++;
    permissions->entries[0].domain = store->domain_zero;
    made = first_nodes(store, permissions);
    blanket_root_store_permission_drop(store, permissions);
    return made;
}

int blanket_root_store_create(const struct blanket_root_store_limits *limits,
                              struct blanket_root_store **store)
{
    struct blanket_root_store *made;

    if (limits->memory_size < MEMORY_MIN || limits->outstanding_count == 0 ||
        limits->path_absolute_size == 0 || limits->path_absolute_size > XENSTORE_ABS_PATH_MAX) {
        return -BLANKET_EINVAL;
    }
    made = malloc(limits->memory_size);
    if (made == NULL) {
        return -BLANKET_ENOMEM;
    }
    memset(made, 0, sizeof(*made));
    made->limits = *limits;
    blanket_root_store_arena_init(&made->arena, made + 1, limits->memory_size - sizeof(*made));
    if (!store_fill(made)) {
        free(made);
        return -BLANKET_ENOMEM;
    }
    *store = made;
    return 0;
}

void blanket_root_store_destroy(struct blanket_root_store *store)
{
    if (store == NULL) {
        return;
    }
    blanket_root_store_arena_fini(&store->arena, (uint8_t *)store + store->limits.memory_size);
    free(store);
}

static void connection_free(struct blanket_root_store_connection *connection)
{
    struct blanket_root_store *store = connection->store;

    blanket_root_store_output_fini(connection);
    blanket_root_store_domain_release(store, connection->domain);
    blanket_root_store_arena_free(&store->arena, connection);
}

int blanket_root_store_connect(struct blanket_root_store *store, uint16_t domid,
                               blanket_root_store_ready_fn ready, void *context,
                               struct blanket_root_store_connection **connection)
{
    struct blanket_root_store_connection *made;

    if (domid >= STORE_DOMID_LIMIT) {
        return -BLANKET_EINVAL;
    }
    made = blanket_root_store_arena_allocate(&store->arena, sizeof(*made));
    if (made == NULL) {
        return -BLANKET_ENOMEM;
    }
    memset(made, 0, sizeof(*made));
    made->store = store;
    made->domain = blanket_root_store_domain_take(store, domid, true);
    if (made->domain == NULL) {
        blanket_root_store_arena_free(&store->arena, made);
        return -BLANKET_ENOMEM;
    }
    if (!blanket_root_store_output_init(made)) {
        connection_free(made);
        return -BLANKET_ENOMEM;
    }
    made->ready = ready;
    made->context = context;
    made->next_transaction_id = 1;
    made->next = store->connections;
    if (made->next != NULL) {
        made->next->previous = made;
    }
    store->connections = made;
    *connection = made;
    return 0;
}

void blanket_root_store_disconnect(struct blanket_root_store_connection *connection)
{
    if (connection == NULL) {
        return;
    }
    connection->ready = NULL;
    blanket_root_store_transaction_end_all(connection);
    blanket_root_store_watch_remove_all(connection);
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        connection->store->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    connection_free(connection);
}

void blanket_root_store_totals_read(const struct blanket_root_store *store,
                                    struct blanket_root_store_totals *totals)
{
    totals->memory_size = store->limits.memory_size;
    totals->memory_used = store->limits.memory_size - blanket_root_store_arena_room(&store->arena);
    totals->node_count = store->node_count;
    totals->generation = store->generation;
}
