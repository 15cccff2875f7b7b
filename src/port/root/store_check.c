/* SPDX-License-Identifier: MIT */
/*
 * The store checked against itself: every count recounted, every link followed both ways.
 */
#include "store_private.h"

struct tally {
    uint64_t nodes;
    bool good;
};

static void node_check(const struct blanket_root_store *store, const struct store_node *node,
                       struct tally *tally)
{
    const struct store_node *child = store_node_first(node);
    const struct store_node *previous = NULL;
    uint32_t children_size = 0;

    for (; child != NULL; child = store_node_next(child)) {
        tally->good = tally->good && store_node_parent(child) == node &&
                      (previous == NULL || store_node_before(child) == previous) &&
                      blanket_root_store_tree_child(store, node, child->name, child->name_size) ==
                          child;
        children_size += child->name_size + 1u;
        previous = child;
    }
    tally->good = tally->good &&
                  (previous == NULL || store_node_before(store_node_first(node)) == previous) &&
                  node->content.permissions != NULL &&
                  node->content.children_size == children_size &&
                  node->content.permissions->references > 0 &&
                  node->content.permissions->entries[0].domain->alive &&
                  node->content.generation != 0 && node->content.generation <= store->generation;
    tally->nodes++;
}

/* What one domain is charged, recounted. */
struct recount {
    size_t memory;
    uint32_t nodes;
    uint32_t watches;
    uint32_t transactions;
};

static void recount_node(const struct store_node *node, const struct store_domain *domain,
                         struct recount *recount)
{
    if (node->content.permissions->entries[0].domain == domain) {
        recount->nodes++;
        recount->memory += blanket_root_store_content_charge(&node->content, node->name_size);
    }
}

static void recount_connection(const struct blanket_root_store_connection *connection,
                               struct recount *recount)
{
    const struct store_watch *watch = connection->watches;
    const struct store_transaction *transaction = connection->transactions;
    const struct store_message *message = connection->first;

    for (; watch != NULL; watch = watch->next) {
        recount->watches++;
        recount->memory += watch->charge;
    }
    for (; transaction != NULL; transaction = transaction->next) {
        const struct store_shadow *shadow = transaction->first;

        recount->transactions++;
        recount->memory += sizeof(*transaction);
        for (; shadow != NULL; shadow = shadow->next) {
            recount->memory += shadow->charge;
        }
    }
    for (; message != NULL; message = message->next) {
        recount->memory += message->charge;
    }
}

static bool domain_check(const struct blanket_root_store *store, const struct store_domain *domain)
{
    const struct blanket_root_store_connection *connection = store->connections;
    const struct store_node *node = store->root;
    struct recount recount = {0};

    for (; node != NULL; node = blanket_root_store_tree_next(store->root, node)) {
        recount_node(node, domain, &recount);
    }
    for (uint32_t i = 0; i < STORE_SPECIAL_COUNT; i++) {
        recount_node(store->special[i], domain, &recount);
    }
    for (; connection != NULL; connection = connection->next) {
        if (connection->domain == domain) {
            recount_connection(connection, &recount);
        }
    }
    return domain->alive && domain->references > 0 && domain->pending_nodes == 0 &&
           domain->pending_memory == 0 && domain->node_count == recount.nodes &&
           domain->memory_size == recount.memory && domain->watch_count == recount.watches &&
           domain->transaction_count == recount.transactions;
}

static bool connection_check(const struct blanket_root_store_connection *connection)
{
    const struct blanket_root_store_limits *limits = &connection->store->limits;
    const struct store_message *message = connection->first;
    const struct store_message *previous = NULL;
    uint32_t replies = 0;
    uint32_t events = 0;

    for (; message != NULL; message = message->next) {
        if (message->previous != previous || !message->queued ||
            message->size != sizeof(message->header) + message->header.len) {
            return false;
        }
        replies += !message->event;
        events += message->event && !message->own;
        previous = message;
    }
    return previous == connection->last && replies == connection->reply_count &&
           events == connection->event_count && replies <= limits->outstanding_count &&
           events <= limits->watch_event_count;
}

bool blanket_root_store_check(const struct blanket_root_store *store)
{
    const struct blanket_root_store_connection *connection = store->connections;
    const struct store_node *node = store->root;
    struct tally tally = {0, true};

    for (; node != NULL; node = blanket_root_store_tree_next(store->root, node)) {
        node_check(store, node, &tally);
    }
    for (uint32_t i = 0; i < STORE_SPECIAL_COUNT; i++) {
        node_check(store, store->special[i], &tally);
    }
    if (!tally.good || tally.nodes != store->node_count ||
        !blanket_root_store_arena_check(&store->arena)) {
        return false;
    }
    for (uint32_t i = 0; i < 1u << store->bucket_bits; i++) {
        const struct store_domain *domain = store->domain_buckets[i];

        for (; domain != NULL; domain = domain->bucket_next) {
            if (!domain_check(store, domain)) {
                return false;
            }
        }
    }
    for (; connection != NULL; connection = connection->next) {
        if (!connection_check(connection)) {
            return false;
        }
    }
    return true;
}
