/* SPDX-License-Identifier: MIT */
/*
 * Shadows: what a transaction knows of the nodes it has accessed, absent ones included. All of them
 * are in one hash table; the tree isn't touched, and other clients don't notice, before the commit.
 */
#include "store_private.h"

static struct store_shadow **shadow_bucket(const struct store_transaction *transaction,
                                           uint64_t hash)
{
    const struct blanket_root_store *store = transaction->connection->store;
    uint64_t salted = (hash ^ transaction->salt) * 0x9e3779b97f4a7c15u;

    return &store->shadow_buckets[blanket_root_store_path_bucket(store, salted)];
}

struct store_shadow *blanket_root_store_shadow_find(const struct store_transaction *transaction,
                                                    uint64_t hash, const char *text, uint32_t size)
{
    struct store_shadow *shadow = *shadow_bucket(transaction, hash);

    while (shadow != NULL && (shadow->transaction != transaction || shadow->hash != hash ||
                              shadow->path_size != size || memcmp(shadow->path, text, size) != 0)) {
        shadow = shadow->bucket_next;
    }
    return shadow;
}

static size_t shadow_size(const struct store_shadow *shadow)
{
    size_t size = sizeof(*shadow) + shadow->path_size;

    size += blanket_root_store_value_size(shadow->content.value);
    if (shadow->content.permissions != NULL) {
        size += shadow->content.permissions->count * sizeof(struct store_permission);
    }
    if (shadow->old_permissions != NULL) {
        size += shadow->old_permissions->count * sizeof(struct store_permission);
    }
    if (shadow->spare != NULL) {
        size += STORE_NODE_SIZE + shadow->spare->name_size;
    }
    return size;
}

/* Brings what the transaction's domain is charged up to date. */
void blanket_root_store_shadow_recharge(struct store_shadow *shadow)
{
    struct store_transaction *transaction = shadow->transaction;
    size_t charge = shadow_size(shadow);

    transaction->connection->domain->memory_size += charge - shadow->charge;
    transaction->charge += charge - shadow->charge;
    shadow->charge = charge;
}

/* What the node looks like now is what the transaction will go on seeing. */
static void shadow_read(struct store_shadow *shadow, const struct store_node *node)
{
    shadow->content = node->content;
    shadow->exists = true;
    shadow->base_generation = node->content.generation;
    blanket_root_store_value_share(node->content.value);
    blanket_root_store_permission_share(node->content.permissions);
    shadow->old_permissions = blanket_root_store_permission_share(node->content.permissions);
}

/* The shadow of a path, made on the first access. */
enum store_error blanket_root_store_shadow_open(struct store_request *request, uint64_t hash,
                                                const char *text, uint32_t size,
                                                struct store_shadow **found)
{
    struct store_transaction *transaction = request->transaction;
    struct blanket_root_store *store = request->store;
    struct store_domain *domain = request->connection->domain;
    struct store_shadow *shadow = blanket_root_store_shadow_find(transaction, hash, text, size);
    const struct store_node *node;
    size_t charge = sizeof(*shadow) + size;

    *found = shadow;
    if (shadow != NULL) {
        return STORE_OK;
    }
    if (!blanket_root_store_domain_privileged(domain) &&
        transaction->node_count >= store->limits.transaction_node_count) {
        return STORE_ENOSPC;
    }
    node = blanket_root_store_tree_find(store, hash, text, size);
    if (node != NULL) {
        charge += blanket_root_store_content_charge(&node->content, 0);
    }
    if (!blanket_root_store_domain_affords(request, domain, charge)) {
        return STORE_ENOMEM;
    }
    shadow = blanket_root_store_arena_allocate(&store->arena, sizeof(*shadow) + size);
    if (shadow == NULL) {
        return STORE_ENOMEM;
    }
    memset(shadow, 0, sizeof(*shadow));
    shadow->transaction = transaction;
    shadow->hash = hash;
    shadow->path_size = size;
    memcpy(shadow->path, text, size);
    if (node != NULL) {
        shadow_read(shadow, node);
    }
    blanket_root_store_shadow_recharge(shadow);
    shadow->bucket_next = *shadow_bucket(transaction, hash);
    *shadow_bucket(transaction, hash) = shadow;
    if (transaction->last != NULL) {
        transaction->last->next = shadow;
    } else {
        transaction->first = shadow;
    }
    transaction->last = shadow;
    transaction->node_count++;
    *found = shadow;
    return STORE_OK;
}

static uint32_t name_size(const struct store_shadow *shadow)
{
    uint32_t size = 0;

    while (shadow->path[shadow->path_size - size - 1] != '/') {
        size++;
    }
    return size;
}

static void children_change(struct store_request *request, struct store_shadow *parent)
{
    request->store->generation++;
    parent->content.generation = request->store->generation;
    parent->modified = true;
}

/* Makes an absent shadow an empty node below a parent that exists. Nothing here can fail. */
void blanket_root_store_shadow_create(struct store_request *request, struct store_shadow *parent,
                                      struct store_permissions *permissions,
                                      struct store_shadow *shadow)
{
    memset(&shadow->content, 0, sizeof(shadow->content));
    shadow->content.permissions = blanket_root_store_permission_share(permissions);
    request->store->generation++;
    shadow->content.generation = request->store->generation;
    shadow->exists = true;
    shadow->modified = true;
    shadow->added = true;
    shadow->parent = parent;
    shadow->added_previous = parent->added_last;
    shadow->added_next = NULL;
    if (parent->added_last != NULL) {
        parent->added_last->added_next = shadow;
    } else {
        parent->added_first = shadow;
    }
    parent->added_last = shadow;
    parent->content.children_size += name_size(shadow) + 1;
    children_change(request, parent);
    blanket_root_store_shadow_recharge(shadow);
    if (permissions->entries[0].domain == request->connection->domain) {
        request->transaction->owned++;
    }
}

/*
 * Whether the transaction knows that a child of a node in the tree isn't, or isn't there any more.
 */
bool blanket_root_store_shadow_hides(const struct store_transaction *transaction, uint64_t hash,
                                     const char *text, uint32_t size)
{
    const struct store_shadow *shadow = blanket_root_store_shadow_find(transaction, hash, text,
                                                                       size);

    return shadow != NULL && (!shadow->exists || shadow->detached || shadow->added);
}

/* Writes the path of a child of the shadow's node; the text has room for any path. */
uint32_t blanket_root_store_shadow_join(const struct store_shadow *shadow,
                                        const struct store_node *child, char *text)
{
    uint32_t size = shadow->path_size;

    memcpy(text, shadow->path, size);
    if (size > 1) {
        text[size++] = '/';
    }
    memcpy(text + size, child->name, child->name_size);
    return size + child->name_size;
}

static void work_append(struct store_shadow **last, struct store_shadow *shadow)
{
    shadow->work_previous = *last;
    shadow->work_next = NULL;
    (*last)->work_next = shadow;
    *last = shadow;
}

/* Opens the shadows of all children that the transaction sees and appends them to the work. */
static enum store_error work_extend(struct store_request *request, struct store_shadow *shadow,
                                    struct store_shadow **last)
{
    struct store_node *node = NULL;
    struct store_shadow *child;
    char text[XENSTORE_ABS_PATH_MAX + 1];

    if (shadow->base_generation != 0 && !shadow->detached) {
        node = blanket_root_store_tree_find(request->store, shadow->hash, shadow->path,
                                            shadow->path_size);
        node = node != NULL ? store_node_first(node) : NULL;
    }
    for (; node != NULL; node = store_node_next(node)) {
        uint32_t size = blanket_root_store_shadow_join(shadow, node, text);
        enum store_error error;

        if (blanket_root_store_shadow_hides(request->transaction, node->hash, text, size)) {
            continue;
        }
        error = blanket_root_store_shadow_open(request, node->hash, text, size, &child);
        if (error != STORE_OK) {
            return error;
        }
        work_append(last, child);
    }
    for (child = shadow->added_first; child != NULL; child = child->added_next) {
        work_append(last, child);
    }
    return STORE_OK;
}

static void added_unlink(struct store_shadow *shadow)
{
    struct store_shadow *parent = shadow->parent;

    if (shadow->added_previous != NULL) {
        shadow->added_previous->added_next = shadow->added_next;
    } else {
        parent->added_first = shadow->added_next;
    }
    if (shadow->added_next != NULL) {
        shadow->added_next->added_previous = shadow->added_previous;
    } else {
        parent->added_last = shadow->added_previous;
    }
    shadow->added = false;
    shadow->parent = NULL;
}

static void shadow_delete(struct store_request *request, struct store_shadow *shadow, bool exact)
{
    if (shadow->content.permissions->entries[0].domain == request->connection->domain) {
        request->transaction->owned--;
    }
    if (shadow->added) {
        added_unlink(shadow);
    }
    if (shadow->base_generation != 0) {
        shadow->detached = true;
    }
    blanket_root_store_value_drop(request->store, shadow->content.value);
    blanket_root_store_permission_drop(request->store, shadow->content.permissions);
    memset(&shadow->content, 0, sizeof(shadow->content));
    shadow->exists = false;
    shadow->modified = true;
    if (!shadow->fire) {
        shadow->fire = true;
        shadow->fire_exact = exact;
    } else if (!exact) {
        shadow->fire_exact = false;
    }
    blanket_root_store_shadow_recharge(shadow);
}

/*
 * Removes a subtree from the transaction's view: first a list of all of it, parents first, which
 * may find no room and has then changed nothing; then, backwards, the removal.
 */
enum store_error blanket_root_store_shadow_remove(struct store_request *request,
                                                  struct store_shadow *top,
                                                  struct store_shadow *parent)
{
    struct store_shadow *last = top;
    struct store_shadow *shadow;
    uint32_t size = name_size(top) + 1;

    top->work_previous = NULL;
    top->work_next = NULL;
    for (shadow = top; shadow != NULL; shadow = shadow->work_next) {
        enum store_error error = work_extend(request, shadow, &last);

        if (error != STORE_OK) {
            return error;
        }
    }
    for (shadow = last; shadow != NULL; shadow = shadow->work_previous) {
        shadow_delete(request, shadow, shadow != top);
    }
    if (parent->content.children_size >= size) {
        parent->content.children_size -= size;
    }
    children_change(request, parent);
    return STORE_OK;
}
