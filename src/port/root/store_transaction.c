/* SPDX-License-Identifier: MIT */
/*
 * Transactions: starting one costs nothing; committing one checks that every node it accessed is as
 * it was at the first access, and then does everything it did, or nothing.
 */
#include "store_private.h"

struct store_transaction *blanket_root_store_transaction_find(
    const struct blanket_root_store_connection *connection, uint32_t id)
{
    struct store_transaction *transaction = connection->transactions;

    while (transaction != NULL && transaction->id != id) {
        transaction = transaction->next;
    }
    return transaction;
}

enum store_error blanket_root_store_transaction_start(struct store_request *request,
                                                      struct store_transaction **started)
{
    struct blanket_root_store *store = request->store;
    struct blanket_root_store_connection *connection = request->connection;
    struct store_domain *domain = connection->domain;
    struct store_transaction *transaction;

    if (!blanket_root_store_domain_privileged(domain) &&
        domain->transaction_count >= store->limits.transaction_count) {
        return STORE_ENOSPC;
    }
    if (!blanket_root_store_domain_affords(request, domain, sizeof(*transaction))) {
        return STORE_ENOMEM;
    }
    transaction = blanket_root_store_arena_allocate(&store->arena, sizeof(*transaction));
    if (transaction == NULL) {
        return STORE_ENOMEM;
    }
    memset(transaction, 0, sizeof(*transaction));
    do {
        transaction->id = connection->next_transaction_id++;
    } while (transaction->id == 0 ||
             blanket_root_store_transaction_find(connection, transaction->id) != NULL);
    transaction->connection = connection;
    transaction->salt = (uint64_t)(uintptr_t)transaction * 0x9fb21c651e98df25u;
    transaction->next = connection->transactions;
    connection->transactions = transaction;
    domain->transaction_count++;
    domain->memory_size += sizeof(*transaction);
    *started = transaction;
    return STORE_OK;
}

static void shadow_unhash(struct store_transaction *transaction, struct store_shadow *shadow)
{
    struct blanket_root_store *store = transaction->connection->store;
    uint64_t salted = (shadow->hash ^ transaction->salt) * 0x9e3779b97f4a7c15u;
    struct store_shadow **link =
        &store->shadow_buckets[blanket_root_store_path_bucket(store, salted)];

    while (*link != shadow) {
        link = &(*link)->bucket_next;
    }
    *link = shadow->bucket_next;
}

void blanket_root_store_transaction_end(struct store_transaction *transaction)
{
    struct blanket_root_store_connection *connection = transaction->connection;
    struct blanket_root_store *store = connection->store;
    struct store_transaction **link = &connection->transactions;

    while (*link != transaction) {
        link = &(*link)->next;
    }
    *link = transaction->next;
    while (transaction->first != NULL) {
        struct store_shadow *shadow = transaction->first;

        transaction->first = shadow->next;
        shadow_unhash(transaction, shadow);
        blanket_root_store_value_drop(store, shadow->content.value);
        blanket_root_store_permission_drop(store, shadow->content.permissions);
        blanket_root_store_permission_drop(store, shadow->old_permissions);
        blanket_root_store_tree_discard(store, shadow->spare);
        blanket_root_store_arena_free(&store->arena, shadow);
    }
    connection->domain->transaction_count--;
    connection->domain->memory_size -= transaction->charge + sizeof(*transaction);
    blanket_root_store_arena_free(&store->arena, transaction);
}

/* Doing it again does nothing (XSA-484). */
void blanket_root_store_transaction_end_all(struct blanket_root_store_connection *connection)
{
    while (connection->transactions != NULL) {
        blanket_root_store_transaction_end(connection->transactions);
    }
}

/*
 * Finds each shadow's node in the tree; false if one isn't what the transaction saw, or would
 * belong to a domain that was removed meanwhile.
 */
static bool commit_verify(struct blanket_root_store *store, struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        uint64_t generation;

        shadow->node = blanket_root_store_tree_find(store, shadow->hash, shadow->path,
                                                    shadow->path_size);
        generation = shadow->node != NULL ? shadow->node->content.generation : 0;
        if (generation != shadow->base_generation) {
            return false;
        }
        if (shadow->exists && !shadow->content.permissions->entries[0].domain->alive) {
            return false;
        }
    }
    return true;
}

/* Adds up, owner by owner, what the commit would change. */
static void pending_add(struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        const struct store_node *node = shadow->node;
        struct store_domain *owner;

        if (!shadow->modified) {
            continue;
        }
        if (node != NULL) {
            owner = node->content.permissions->entries[0].domain;
            owner->pending_nodes--;
            owner->pending_memory -= (int64_t)blanket_root_store_content_charge(&node->content,
                                                                                node->name_size);
        }
        if (shadow->exists) {
            uint16_t name_size = node != NULL ? node->name_size : shadow->spare->name_size;

            owner = shadow->content.permissions->entries[0].domain;
            owner->pending_nodes++;
            owner->pending_memory += (int64_t)blanket_root_store_content_charge(&shadow->content,
                                                                                name_size);
        }
    }
}

static enum store_error pending_check(const struct store_transaction *transaction,
                                      const struct store_domain *owner)
{
    const struct store_domain *domain = transaction->connection->domain;
    const struct blanket_root_store_limits *limits = &transaction->connection->store->limits;
    int64_t memory = (int64_t)owner->memory_size + owner->pending_memory;

    if (blanket_root_store_domain_privileged(domain) ||
        blanket_root_store_domain_privileged(owner)) {
        return STORE_OK;
    }
    if (owner->pending_nodes > 0 &&
        owner->node_count + owner->pending_nodes > (int64_t)limits->node_count) {
        return STORE_ENOSPC;
    }
    if (owner == domain) {
        memory -= (int64_t)transaction->charge;
    }
    if (owner->pending_memory > 0 && memory > (int64_t)limits->domain_memory_size) {
        return STORE_ENOMEM;
    }
    return STORE_OK;
}

/* Whether all owners may have what the commit would give them; leaves nothing behind (XSA-421). */
static enum store_error commit_afford(struct store_transaction *transaction)
{
    enum store_error error = STORE_OK;
    struct store_shadow *shadow;
    struct store_domain *owner;

    pending_add(transaction);
    for (shadow = transaction->first; shadow != NULL && error == STORE_OK; shadow = shadow->next) {
        if (shadow->modified && shadow->exists) {
            error = pending_check(transaction, shadow->content.permissions->entries[0].domain);
        }
    }
    for (shadow = transaction->first; shadow != NULL; shadow = shadow->next) {
        if (shadow->exists) {
            owner = shadow->content.permissions->entries[0].domain;
            owner->pending_nodes = 0;
            owner->pending_memory = 0;
        }
        if (shadow->node != NULL) {
            owner = shadow->node->content.permissions->entries[0].domain;
            owner->pending_nodes = 0;
            owner->pending_memory = 0;
        }
    }
    return error;
}

/* Takes what was removed, or removed and made again, out of its parents' lists. */
static void commit_detach(struct blanket_root_store *store, struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        if (shadow->node == NULL) {
            continue;
        }
        if (!shadow->exists) {
            blanket_root_store_tree_unlink(store, shadow->node);
        } else if (shadow->detached) {
            blanket_root_store_tree_detach(shadow->node);
        }
    }
}

/* Moves what the transaction made of each node into the node. */
static void commit_contents(struct blanket_root_store *store, struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        struct store_node *node = shadow->node;

        if (!shadow->modified || !shadow->exists) {
            continue;
        }
        if (node == NULL) {
            node = shadow->spare;
            shadow->spare = NULL;
            shadow->node = node;
            node->hash = shadow->hash;
            shadow->base_generation = 0;
        } else {
            blanket_root_store_tree_account(store, node, false);
            blanket_root_store_value_drop(store, node->content.value);
            blanket_root_store_permission_drop(store, node->content.permissions);
        }
        node->content.value = shadow->content.value;
        node->content.permissions = shadow->content.permissions;
        shadow->content.value = NULL;
        shadow->content.permissions = NULL;
        blanket_root_store_tree_touch(store, node);
        if (shadow->base_generation != 0) {
            blanket_root_store_tree_account(store, node, true);
        }
    }
}

/* Puts what is new where it belongs, and frees what is gone. */
static void commit_attach(struct blanket_root_store *store, struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        struct store_shadow *child = shadow->added_first;

        for (; child != NULL; child = child->added_next) {
            if (child->base_generation != 0) {
                blanket_root_store_tree_append(shadow->node, child->node);
            } else {
                blanket_root_store_tree_link(store, shadow->node, child->node);
            }
        }
        if (!shadow->exists && shadow->node != NULL) {
            blanket_root_store_tree_discard(store, shadow->node);
            shadow->node = NULL;
        }
    }
}

static void commit_fire(struct blanket_root_store *store, struct store_transaction *transaction)
{
    struct store_shadow *shadow = transaction->first;

    for (; shadow != NULL; shadow = shadow->next) {
        struct store_change change = {0};
        const struct store_node *parent;
        const char *text;
        uint32_t size;

        if (!shadow->fire || (shadow->node == NULL && shadow->old_permissions == NULL)) {
            continue;
        }
        blanket_root_store_path_load(store, shadow->path, shadow->path_size, &change.path);
        text = blanket_root_store_path_level(
            store, &change.path, change.path.depth > 0 ? change.path.depth - 1 : 0, &size);
        parent = blanket_root_store_tree_find(
            store, store->levels[change.path.depth > 0 ? change.path.depth - 1 : 0].hash, text,
            size);
        change.old_permissions = shadow->old_permissions;
        change.new_permissions = shadow->node != NULL ? shadow->node->content.permissions : NULL;
        change.parent_permissions = parent != NULL ? parent->content.permissions : NULL;
        change.exact = shadow->fire_exact;
        blanket_root_store_watch_fire(store, &change);
    }
}

/* Commits, or fails and leaves nothing; the caller ends the transaction in any case. */
enum store_error blanket_root_store_transaction_commit(struct store_request *request,
                                                       struct store_transaction *transaction)
{
    struct blanket_root_store *store = request->store;
    enum store_error error;

    if (transaction->failed) {
        return STORE_ENOMEM;
    }
    if (transaction->stale || !commit_verify(store, transaction)) {
        return STORE_EAGAIN;
    }
    error = commit_afford(transaction);
    if (error != STORE_OK) {
        return error;
    }
    commit_detach(store, transaction);
    commit_contents(store, transaction);
    commit_attach(store, transaction);
    commit_fire(store, transaction);
    return STORE_OK;
}
