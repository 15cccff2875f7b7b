/* SPDX-License-Identifier: MIT */
/*
 * The tree: nodes found by the hash of their whole path, with one probe at any depth; the candidate
 * is then verified name by name up to the root.
 */
#include "store_private.h"

_Static_assert(STORE_NODE_SIZE + 2 + sizeof(uint32_t) <= 64,
               "a node with a short name has a block of 64 bytes");

/* A value whose bytes aren't there yet. */
struct store_value *blanket_root_store_value_room(struct blanket_root_store *store, uint32_t size)
{
    struct store_value *value = blanket_root_store_arena_allocate(&store->arena,
                                                                  sizeof(*value) + size);

    if (value != NULL) {
        value->references = 1;
        value->slack = (blanket_root_store_arena_size(value) - sizeof(*value) - size) & 63u;
    }
    return value;
}

struct store_value *blanket_root_store_value_make(struct blanket_root_store *store,
                                                  const void *bytes, uint32_t size)
{
    struct store_value *value = blanket_root_store_value_room(store, size);

    if (value != NULL) {
        memcpy(value->bytes, bytes, size);
    }
    return value;
}

struct store_value *blanket_root_store_value_share(struct store_value *value)
{
    if (value != NULL) {
        value->references++;
    }
    return value;
}

void blanket_root_store_value_drop(struct blanket_root_store *store, struct store_value *value)
{
    if (value == NULL) {
        return;
    }
    value->references--;
    if (value->references == 0) {
        blanket_root_store_arena_free(&store->arena, value);
    }
}

uint32_t blanket_root_store_value_size(const struct store_value *value)
{
    return value != NULL
               ? (uint32_t)(blanket_root_store_arena_size(value) - sizeof(*value) - value->slack)
               : 0;
}

/* A node's size as xenstored counts it for its quota. */
uint32_t blanket_root_store_content_size(const struct store_content *content)
{
    return STORE_NODE_FIXED_SIZE + content->permissions->count * STORE_PERMISSION_SIZE +
           blanket_root_store_value_size(content->value) + content->children_size;
}

/*
 * What a node costs its owner: as if nothing in it were shared, so that every charge has its
 * inverse.
 */
size_t blanket_root_store_content_charge(const struct store_content *content, size_t name_size)
{
    return STORE_NODE_SIZE + name_size + blanket_root_store_value_size(content->value) +
           content->permissions->count * sizeof(struct store_permission);
}

static bool node_is(const struct blanket_root_store *store, const struct store_node *node,
                    const char *text, uint32_t size)
{
    while (node->parent != 0) {
        uint32_t name_size = node->name_size;

        if (size <= name_size || text[size - name_size - 1] != '/' ||
            memcmp(text + size - name_size, node->name, name_size) != 0) {
            return false;
        }
        size -= name_size + 1;
        node = store_node_parent(node);
    }
    return node == store->root && size == 0;
}

struct store_node *blanket_root_store_tree_find(const struct blanket_root_store *store,
                                                uint64_t hash, const char *text, uint32_t size)
{
    struct store_node *node;

    if (text[0] == '@') {
        for (uint32_t i = 0; i < STORE_SPECIAL_COUNT; i++) {
            node = store->special[i];
            if (node->name_size == size && memcmp(node->name, text, size) == 0) {
                return node;
            }
        }
        return NULL;
    }
    if (size == 1) {
        return store->root;
    }
    node = store->node_buckets[blanket_root_store_path_bucket(store, hash)];
    while (node != NULL && (node->hash != hash || !node_is(store, node, text, size))) {
        node = store_node_at(node, node->bucket_next);
    }
    return node;
}

struct store_node *blanket_root_store_tree_child(const struct blanket_root_store *store,
                                                 const struct store_node *parent, const char *name,
                                                 uint16_t size)
{
    uint64_t hash = blanket_root_store_path_hash(parent->hash, name, size);
    struct store_node *node = store->node_buckets[blanket_root_store_path_bucket(store, hash)];

    while (node != NULL && (node->hash != hash || store_node_parent(node) != parent ||
                            node->name_size != size || memcmp(node->name, name, size) != 0)) {
        node = store_node_at(node, node->bucket_next);
    }
    return node;
}

/* A node with a name and nothing else, in no tree yet. */
struct store_node *blanket_root_store_tree_make(struct blanket_root_store *store, const char *name,
                                                uint32_t size)
{
    struct store_node *node = blanket_root_store_arena_allocate(&store->arena,
                                                                STORE_NODE_SIZE + size);

    if (node != NULL) {
        memset(node, 0, STORE_NODE_SIZE);
        node->name_size = (uint16_t)size;
        memcpy(node->name, name, size);
    }
    return node;
}

/* Frees a node that is in no tree. Accepts NULL. */
void blanket_root_store_tree_discard(struct blanket_root_store *store, struct store_node *node)
{
    if (node != NULL) {
        blanket_root_store_value_drop(store, node->content.value);
        blanket_root_store_permission_drop(store, node->content.permissions);
        blanket_root_store_arena_free(&store->arena, node);
    }
}

/* Charges a node to its owner, or takes the charge back. */
void blanket_root_store_tree_account(struct blanket_root_store *store,
                                     const struct store_node *node, bool add)
{
    struct store_domain *owner = node->content.permissions->entries[0].domain;
    size_t charge = blanket_root_store_content_charge(&node->content, node->name_size);

    if (add) {
        owner->node_count++;
        owner->memory_size += charge;
        store->node_count++;
    } else {
        owner->node_count--;
        owner->memory_size -= charge;
        store->node_count--;
    }
}

void blanket_root_store_tree_touch(struct blanket_root_store *store, struct store_node *node)
{
    store->generation++;
    node->content.generation = store->generation;
}

static void siblings_join(struct store_node *before, struct store_node *after)
{
    before->next = store_link_to(before, after);
    after->previous = store_link_to(after, before);
}

/* Puts a node last among its parent's children. */
void blanket_root_store_tree_append(struct store_node *parent, struct store_node *node)
{
    struct store_node *first = store_node_first(parent);

    node->parent = store_link_to(node, parent);
    node->next = 0;
    node->previous = 0;
    if (first != NULL) {
        siblings_join(store_node_before(first), node);
        first->previous = store_link_to(first, node);
    } else {
        parent->first = store_link_to(parent, node);
    }
    parent->content.children_size += node->name_size + 1u;
}

/* The inverse, leaving node->parent as it was. */
void blanket_root_store_tree_detach(struct store_node *node)
{
    struct store_node *parent = store_node_parent(node);
    struct store_node *first = store_node_first(parent);
    struct store_node *before = store_node_before(node);
    struct store_node *next = store_node_next(node);

    if (first == node) {
        parent->first = store_link_to(parent, next);
        if (next != NULL) {
            next->previous = store_link_to(next, before); /* the last; 0 if that's itself */
        }
    } else if (next != NULL) {
        siblings_join(before, next);
    } else {
        before->next = 0;
        first->previous = store_link_to(first, before);
    }
    node->previous = 0;
    node->next = 0;
    parent->content.children_size -= node->name_size + 1u;
}

/* Makes a node, whose hash is set, part of the tree: findable, last of its siblings, charged. */
void blanket_root_store_tree_link(struct blanket_root_store *store, struct store_node *parent,
                                  struct store_node *node)
{
    struct store_node **bucket =
        &store->node_buckets[blanket_root_store_path_bucket(store, node->hash)];

    node->bucket_next = store_link_to(node, *bucket);
    *bucket = node;
    blanket_root_store_tree_append(parent, node);
    blanket_root_store_tree_account(store, node, true);
}

/* The inverse; the node itself lives on. */
void blanket_root_store_tree_unlink(struct blanket_root_store *store, struct store_node *node)
{
    struct store_node **bucket =
        &store->node_buckets[blanket_root_store_path_bucket(store, node->hash)];
    struct store_node *next = store_node_at(node, node->bucket_next);
    struct store_node *before = *bucket;

    if (before == node) {
        *bucket = next;
    } else {
        while (store_node_at(before, before->bucket_next) != node) {
            before = store_node_at(before, before->bucket_next);
        }
        before->bucket_next = store_link_to(before, next);
    }
    blanket_root_store_tree_account(store, node, false);
    blanket_root_store_tree_detach(node);
}

/* The node after this one and all below it, within a subtree; NULL at the end. */
struct store_node *blanket_root_store_tree_after(const struct store_node *top,
                                                 const struct store_node *node)
{
    while (node != top) {
        if (node->next != 0) {
            return store_node_next(node);
        }
        node = store_node_parent(node);
    }
    return NULL;
}

/* The next node of a subtree, parents first. */
struct store_node *blanket_root_store_tree_next(const struct store_node *top,
                                                const struct store_node *node)
{
    return node->first != 0 ? store_node_first(node) : blanket_root_store_tree_after(top, node);
}

/* Frees all below a node, leaf by leaf. fire: tell those who watch exactly what goes. */
static void subtree_free(struct blanket_root_store *store, struct store_node *top, bool fire)
{
    struct store_node *node = top;

    for (;;) {
        struct store_node *parent;

        while (node->first != 0) {
            node = store_node_first(node);
        }
        if (node == top) {
            return;
        }
        parent = store_node_parent(node);
        if (fire) {
            blanket_root_store_watch_fire_removed(store, node);
        }
        blanket_root_store_tree_unlink(store, node);
        blanket_root_store_tree_discard(store, node);
        node = parent;
    }
}

/* Who may list a node's parent. The special nodes count as root's, as do their names. */
const struct store_permissions *blanket_root_store_tree_parent_permissions(
    const struct blanket_root_store *store, const struct store_node *node)
{
    const struct store_node *parent = node->parent != 0 ? store_node_parent(node) : store->root;

    return parent->content.permissions;
}

/*
 * Removes a node that isn't the root and all below it, without recursion (XSA-418) and without
 * needing memory. Watches below fire exactly on what goes, children first; then those on the node
 * and above.
 */
void blanket_root_store_tree_remove(struct blanket_root_store *store, struct store_node *node)
{
    struct store_node *parent = store_node_parent(node);
    struct store_change change = {0};
    const struct store_node *walk = node;
    uint32_t at = 0;
    uint32_t size;

    subtree_free(store, node, store->watch_count != 0);
    if (store->watch_count != 0) {
        for (; walk->parent != 0; walk = store_node_parent(walk)) {
            at += walk->name_size + 1u;
        }
        size = at;
        for (walk = node; walk->parent != 0; walk = store_node_parent(walk)) {
            at -= walk->name_size + 1u;
            store->path[at] = '/';
            memcpy(store->path + at + 1, walk->name, walk->name_size);
        }
        blanket_root_store_path_load(store, store->path, size, &change.path);
        change.old_permissions = node->content.permissions;
        change.parent_permissions = parent->content.permissions;
        blanket_root_store_watch_fire(store, &change);
    }
    blanket_root_store_tree_unlink(store, node);
    blanket_root_store_tree_discard(store, node);
    blanket_root_store_tree_touch(store, parent);
}

/* Frees a whole tree, silently. */
void blanket_root_store_tree_drop(struct blanket_root_store *store, struct store_node *root)
{
    subtree_free(store, root, false);
    blanket_root_store_tree_account(store, root, false);
    blanket_root_store_tree_discard(store, root);
}
