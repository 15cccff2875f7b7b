/* SPDX-License-Identifier: MIT */
/*
 * Reading and changing nodes as a request sees them: in the tree itself, or in its transaction.
 * Each change first gathers everything that can fail, then happens as a whole.
 */
#include "store_private.h"

/* Looks up one level of a path. In a transaction this is an access, which may find no room. */
enum store_error blanket_root_store_view_find(struct store_request *request,
                                              const struct store_path *path, uint32_t level,
                                              struct store_found *found)
{
    struct blanket_root_store *store = request->store;
    uint64_t hash = store->levels[level].hash;
    uint32_t size;
    const char *text = blanket_root_store_path_level(store, path, level, &size);
    enum store_error error;

    found->node = NULL;
    found->shadow = NULL;
    found->content = NULL;
    if (request->transaction == NULL) {
        found->node = blanket_root_store_tree_find(store, hash, text, size);
        found->content = found->node != NULL ? &found->node->content : NULL;
        return STORE_OK;
    }
    error = blanket_root_store_shadow_open(request, hash, text, size, &found->shadow);
    if (error == STORE_OK && found->shadow->exists) {
        found->content = &found->shadow->content;
    }
    return error;
}

/* The deepest ancestor that exists; the root always does. */
static enum store_error ancestor_find(struct store_request *request, const struct store_path *path,
                                      uint32_t *level, struct store_found *found)
{
    enum store_error error = STORE_OK;

    found->content = NULL;
    *level = path->depth;
    while (error == STORE_OK && found->content == NULL && *level > 0) {
        (*level)--;
        error = blanket_root_store_view_find(request, path, *level, found);
    }
    return error != STORE_OK || found->content != NULL ? error : STORE_EINVAL;
}

/*
 * Looks up a path and checks the access wanted. STORE_ENOENT leaves found without content. Who may
 * not do this with the nearest ancestor either, isn't told whether the node exists.
 */
enum store_error blanket_root_store_view_open(struct store_request *request,
                                              const struct store_path *path, uint32_t access,
                                              struct store_found *found)
{
    enum store_error error = blanket_root_store_view_find(request, path, path->depth, found);
    struct store_found ancestor = {0};
    uint32_t level;

    if (error != STORE_OK) {
        return error;
    }
    if (found->content != NULL) {
        uint32_t has = blanket_root_store_permission_access(request->connection,
                                                            found->content->permissions);

        return (has & access) == access ? STORE_OK : STORE_EACCES;
    }
    error = ancestor_find(request, path, &level, &ancestor);
    if (error != STORE_OK) {
        return error;
    }
    if ((blanket_root_store_permission_access(request->connection, ancestor.content->permissions) &
         access) == 0) {
        return STORE_EACCES;
    }
    return STORE_ENOENT;
}

static bool node_size_allowed(const struct store_request *request, size_t size)
{
    return blanket_root_store_domain_privileged(request->connection->domain) ||
           size <= request->store->limits.node_size;
}

static void tree_fire(struct store_request *request, const struct store_path *path,
                      const struct store_node *node,
                      const struct store_permissions *old_permissions)
{
    struct store_change change = {0};

    change.path = *path;
    change.old_permissions = old_permissions;
    change.new_permissions = node->content.permissions;
    change.parent_permissions = blanket_root_store_tree_parent_permissions(request->store, node);
    blanket_root_store_watch_fire(request->store, &change);
}

static void shadow_changed(struct store_request *request, struct store_shadow *shadow)
{
    request->store->generation++;
    shadow->content.generation = request->store->generation;
    shadow->modified = true;
    shadow->fire = true;
    shadow->fire_exact = false;
    blanket_root_store_shadow_recharge(shadow);
}

/* Replaces the value of a node that exists. */
enum store_error blanket_root_store_view_write(struct store_request *request,
                                               const struct store_path *path,
                                               const struct store_found *found, const void *bytes,
                                               uint32_t size)
{
    struct blanket_root_store *store = request->store;
    struct store_content *content = found->node != NULL ? &found->node->content
                                                        : &found->shadow->content;
    struct store_domain *payer = found->node != NULL ? content->permissions->entries[0].domain
                                                     : request->connection->domain;
    uint32_t old_size = blanket_root_store_value_size(content->value);
    struct store_value *value = content->value;

    if (!node_size_allowed(request, blanket_root_store_content_size(content) - old_size + size)) {
        return STORE_ENOSPC;
    }
    if (size > old_size && !blanket_root_store_domain_affords(request, payer, size - old_size)) {
        return STORE_ENOMEM;
    }
    if (value != NULL && value->references == 1 && size == old_size) {
        memcpy(value->bytes, bytes, size);
    } else {
        value = size != 0 ? blanket_root_store_value_make(store, bytes, size) : NULL;
        if (size != 0 && value == NULL) {
            return STORE_ENOMEM;
        }
        blanket_root_store_value_drop(store, content->value);
        content->value = value;
        payer->memory_size += found->node != NULL ? (size_t)size - old_size : 0;
    }
    if (found->node == NULL) {
        shadow_changed(request, found->shadow);
        return STORE_OK;
    }
    blanket_root_store_tree_touch(store, found->node);
    tree_fire(request, path, found->node, NULL);
    return STORE_OK;
}

/* Where a level's own name starts in the path. */
static uint32_t name_start(const struct blanket_root_store *store, uint32_t level)
{
    return level == 1 ? 1 : store->levels[level - 1].end + 1;
}

/* Whether the quotas allow the nodes from `level` + 1 down, the last with a value of this size. */
static enum store_error create_allowed(struct store_request *request, const struct store_path *path,
                                       uint32_t level, const struct store_content *parent,
                                       uint32_t value_size)
{
    const struct blanket_root_store *store = request->store;
    const struct store_domain *domain = request->connection->domain;
    size_t own = STORE_NODE_FIXED_SIZE + parent->permissions->count * STORE_PERMISSION_SIZE;
    size_t charge = value_size;
    int64_t count = (int64_t)domain->node_count + path->depth - level;

    if (blanket_root_store_domain_privileged(domain)) {
        return STORE_OK;
    }
    if (request->transaction != NULL) {
        count += request->transaction->owned;
    }
    if (count > (int64_t)store->limits.node_count) {
        return STORE_ENOSPC;
    }
    for (uint32_t i = level + 1; i <= path->depth; i++) {
        uint32_t name_size = store->levels[i].end - name_start(store, i);
        size_t above = i == level + 1 ? blanket_root_store_content_size(parent) : own;

        if (!node_size_allowed(request, above + name_size + 1)) {
            return STORE_ENOSPC;
        }
        charge += STORE_NODE_SIZE + name_size +
                  parent->permissions->count * sizeof(struct store_permission);
    }
    if (!node_size_allowed(request, own + value_size)) {
        return STORE_ENOSPC;
    }
    return blanket_root_store_domain_affords(request, domain, charge) ? STORE_OK : STORE_ENOMEM;
}

/* Makes the missing nodes, chained by `next` from the top down; NULL without room for all. */
static struct store_node *chain_make(struct store_request *request, const struct store_path *path,
                                     uint32_t level)
{
    struct blanket_root_store *store = request->store;
    struct store_node *first = NULL;

    for (uint32_t i = path->depth; i > level; i--) {
        uint32_t start = name_start(store, i);
        struct store_node *node = blanket_root_store_tree_make(store, path->text + start,
                                                               store->levels[i].end - start);

        if (node == NULL) {
            while (first != NULL) {
                node = store_node_next(first);
                blanket_root_store_tree_discard(store, first);
                first = node;
            }
            return NULL;
        }
        node->hash = store->levels[i].hash;
        node->next = store_link_to(node, first);
        first = node;
    }
    return first;
}

/* Creates in the tree. Takes over the value, not the permissions. */
static enum store_error tree_create(struct store_request *request, const struct store_path *path,
                                    struct store_node *parent, uint32_t level,
                                    struct store_permissions *permissions,
                                    struct store_value *value)
{
    struct blanket_root_store *store = request->store;
    struct store_node *node = chain_make(request, path, level);

    if (node == NULL) {
        return STORE_ENOMEM;
    }
    blanket_root_store_tree_touch(store, parent);
    while (node != NULL) {
        struct store_node *next = store_node_next(node);

        node->content.permissions = blanket_root_store_permission_share(permissions);
        if (next == NULL) {
            node->content.value = value;
        }
        blanket_root_store_tree_link(store, parent, node);
        blanket_root_store_tree_touch(store, node);
        parent = node;
        node = next;
    }
    tree_fire(request, path, parent, NULL);
    return STORE_OK;
}

/* Creates in a transaction. Takes over the value, not the permissions. */
static enum store_error transaction_create(struct store_request *request,
                                           const struct store_path *path,
                                           struct store_shadow *parent, uint32_t level,
                                           struct store_permissions *permissions,
                                           struct store_value *value)
{
    const struct store_level *levels = request->store->levels;

    for (uint32_t i = level + 1; i <= path->depth; i++) {
        struct store_shadow *shadow = NULL;
        enum store_error error = blanket_root_store_shadow_open(request, levels[i].hash, path->text,
                                                                levels[i].end, &shadow);
        uint32_t start = name_start(request->store, i);

        if (error != STORE_OK) {
            return error;
        }
        if (shadow->spare == NULL) {
            shadow->spare = blanket_root_store_tree_make(request->store, path->text + start,
                                                         levels[i].end - start);
        }
        if (shadow->spare == NULL) {
            return STORE_ENOMEM;
        }
    }
    for (uint32_t i = level + 1; i <= path->depth; i++) {
        struct store_shadow *shadow = blanket_root_store_shadow_find(
            request->transaction, levels[i].hash, path->text, levels[i].end);

        blanket_root_store_shadow_create(request, parent, permissions, shadow);
        parent = shadow;
    }
    parent->content.value = value;
    shadow_changed(request, parent);
    return STORE_OK;
}

/* Creates a node that doesn't exist, and the parents that it lacks. */
enum store_error blanket_root_store_view_create(struct store_request *request,
                                                const struct store_path *path, const void *bytes,
                                                uint32_t size)
{
    struct blanket_root_store *store = request->store;
    struct store_permissions *permissions = NULL;
    struct store_value *value = NULL;
    struct store_found parent = {0};
    enum store_error error;
    uint32_t level;

    error = ancestor_find(request, path, &level, &parent);
    if (error == STORE_OK) {
        error = create_allowed(request, path, level, parent.content, size);
    }
    if (error != STORE_OK) {
        return error;
    }
    permissions = blanket_root_store_permission_inherit(request, parent.content->permissions);
    value = size != 0 ? blanket_root_store_value_make(store, bytes, size) : NULL;
    if (permissions == NULL || (size != 0 && value == NULL)) {
        error = STORE_ENOMEM;
    } else if (parent.node != NULL) {
        error = tree_create(request, path, parent.node, level, permissions, value);
    } else {
        error = transaction_create(request, path, parent.shadow, level, permissions, value);
    }
    if (error != STORE_OK) {
        blanket_root_store_value_drop(store, value);
    }
    blanket_root_store_permission_drop(store, permissions);
    return error;
}

/* Removes a node that exists and isn't the root, with all below it. */
enum store_error blanket_root_store_view_remove(struct store_request *request,
                                                const struct store_path *path,
                                                const struct store_found *found)
{
    struct store_found parent = {0};
    enum store_error error;

    if (found->node != NULL) {
        blanket_root_store_tree_remove(request->store, found->node);
        return STORE_OK;
    }
    error = blanket_root_store_view_find(request, path, path->depth - 1, &parent);
    if (error != STORE_OK) {
        return error;
    }
    if (parent.content == NULL) {
        return STORE_EINVAL;
    }
    return blanket_root_store_shadow_remove(request, found->shadow, parent.shadow);
}

/* Replaces a node's permissions; takes over the list when it succeeds. */
enum store_error blanket_root_store_view_permit(struct store_request *request,
                                                const struct store_path *path,
                                                const struct store_found *found,
                                                struct store_permissions *list)
{
    struct blanket_root_store *store = request->store;
    const struct store_content *content = found->content;
    struct store_permissions *old = content->permissions;
    size_t old_size = old->count * sizeof(struct store_permission);
    size_t size = list->count * sizeof(struct store_permission);

    if (!node_size_allowed(request, blanket_root_store_content_size(content) -
                                        old->count * STORE_PERMISSION_SIZE +
                                        list->count * STORE_PERMISSION_SIZE)) {
        return STORE_ENOSPC;
    }
    if (size > old_size &&
        !blanket_root_store_domain_affords(request, request->connection->domain, size - old_size)) {
        return STORE_ENOMEM;
    }
    if (found->node == NULL) {
        found->shadow->content.permissions = list;
        blanket_root_store_permission_drop(store, old);
        shadow_changed(request, found->shadow);
        return STORE_OK;
    }
    blanket_root_store_tree_account(store, found->node, false);
    found->node->content.permissions = list;
    blanket_root_store_tree_account(store, found->node, true);
    blanket_root_store_tree_touch(store, found->node);
    tree_fire(request, path, found->node, old);
    blanket_root_store_permission_drop(store, old);
    return STORE_OK;
}
