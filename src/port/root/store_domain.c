/* SPDX-License-Identifier: MIT */
/*
 * Domains: who exists, and what becomes of everything that hangs on one when it goes.
 *
 * Rights refer to the object, not to the number. A removed domain's object leaves the table at once
 * and lives, dead, until the last permission that names it is gone.
 */
#include "store_private.h"

static struct store_domain **domain_bucket(const struct blanket_root_store *store, uint16_t domid)
{
    return &store->domain_buckets[domid & ((1u << store->bucket_bits) - 1)];
}

struct store_domain *blanket_root_store_domain_find(const struct blanket_root_store *store,
                                                    uint16_t domid)
{
    struct store_domain *domain = *domain_bucket(store, domid);

    while (domain != NULL && domain->domid != domid) {
        domain = domain->bucket_next;
    }
    return domain;
}

/* A domain that no number finds: what a saved right of a domain long gone refers to. */
struct store_domain *blanket_root_store_domain_take_dead(struct blanket_root_store *store,
                                                         uint16_t domid)
{
    struct store_domain *domain = blanket_root_store_arena_allocate(&store->arena, sizeof(*domain));

    if (domain != NULL) {
        memset(domain, 0, sizeof(*domain));
        domain->domid = domid;
        domain->references = 1;
    }
    return domain;
}

/* A counted reference. NULL without room, or if the domain doesn't exist and mustn't be made. */
struct store_domain *blanket_root_store_domain_take(struct blanket_root_store *store,
                                                    uint16_t domid, bool make)
{
    struct store_domain *domain = blanket_root_store_domain_find(store, domid);

    if (domain != NULL) {
        domain->references++;
    } else if (make) {
        domain = blanket_root_store_domain_take_dead(store, domid);
        if (domain != NULL) {
            domain->alive = true;
            domain->bucket_next = *domain_bucket(store, domid);
            *domain_bucket(store, domid) = domain;
        }
    }
    return domain;
}

static void domain_hide(struct blanket_root_store *store, struct store_domain *domain)
{
    struct store_domain **link = domain_bucket(store, domain->domid);

    while (*link != domain) {
        link = &(*link)->bucket_next;
    }
    *link = domain->bucket_next;
    domain->bucket_next = NULL;
    domain->alive = false;
}

/* Frees at most a chain of targets, each freed before the next is looked at: no recursion. */
void blanket_root_store_domain_release(struct blanket_root_store *store,
                                       struct store_domain *domain)
{
    while (domain != NULL) {
        struct store_domain *target = domain->target;

        domain->references--;
        if (domain->references != 0) {
            return;
        }
        if (domain->alive) {
            domain_hide(store, domain);
        }
        blanket_root_store_arena_free(&store->arena, domain);
        domain = target;
    }
}

bool blanket_root_store_domain_privileged(const struct store_domain *domain)
{
    return domain->domid == 0;
}

/* Whether the request may charge this much more to a domain. */
bool blanket_root_store_domain_affords(const struct store_request *request,
                                       const struct store_domain *domain, size_t size)
{
    size_t limit = request->store->limits.domain_memory_size;

    if (blanket_root_store_domain_privileged(request->connection->domain) ||
        blanket_root_store_domain_privileged(domain)) {
        return true;
    }
    return domain->memory_size <= limit && size <= limit - domain->memory_size;
}

static bool domid_real(uint16_t domid)
{
    return domid != 0 && domid < STORE_DOMID_LIMIT;
}

/* Ends what the domain's connections have open; their unread output stays readable. */
static void connections_reset(struct blanket_root_store *store, const struct store_domain *domain)
{
    struct blanket_root_store_connection *connection = store->connections;

    for (; connection != NULL; connection = connection->next) {
        if (connection->domain == domain) {
            blanket_root_store_watch_remove_all(connection);
            blanket_root_store_transaction_end_all(connection);
        }
    }
}

int blanket_root_store_domain_add(struct blanket_root_store *store, uint16_t domid)
{
    struct store_domain *domain;

    if (!domid_real(domid)) {
        return -BLANKET_EINVAL;
    }
    domain = blanket_root_store_domain_find(store, domid);
    if (domain != NULL && domain->introduced) {
        domain->shut_down = false;
        connections_reset(store, domain);
        return 0;
    }
    domain = blanket_root_store_domain_take(store, domid, true);
    if (domain == NULL) {
        return -BLANKET_ENOMEM;
    }
    domain->introduced = true;
    blanket_root_store_watch_fire_special(store, 0);
    return 0;
}

/*
 * The nodes that can't be removed pass to domain 0. Lists may be shared: first all charges, then
 * them.
 */
static void owners_reset(struct blanket_root_store *store, struct store_domain *domain)
{
    struct store_node *nodes[STORE_SPECIAL_COUNT + 1];
    uint32_t count = 0;

    for (; count < STORE_SPECIAL_COUNT; count++) {
        nodes[count] = store->special[count];
    }
    nodes[count++] = store->root;
    for (uint32_t i = 0; i < count; i++) {
        blanket_root_store_tree_account(store, nodes[i], false);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct store_permission *owner = &nodes[i]->content.permissions->entries[0];

        if (owner->domain == domain) {
            owner->domain = store->domain_zero;
            store->domain_zero->references++;
            blanket_root_store_domain_release(store, domain);
            blanket_root_store_tree_touch(store, nodes[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        blanket_root_store_tree_account(store, nodes[i], true);
    }
}

/* The caller holds a reference to the domain. */
static void nodes_remove(struct blanket_root_store *store, struct store_domain *domain)
{
    struct store_node *node = blanket_root_store_tree_next(store->root, store->root);

    while (node != NULL) {
        struct store_node *next;

        if (node->content.permissions->entries[0].domain != domain) {
            node = blanket_root_store_tree_next(store->root, node);
            continue;
        }
        next = blanket_root_store_tree_after(store->root, node);
        blanket_root_store_tree_remove(store, node);
        node = next;
    }
    owners_reset(store, domain);
}

int blanket_root_store_domain_remove(struct blanket_root_store *store, uint16_t domid)
{
    struct store_domain *domain;

    if (!domid_real(domid)) {
        return -BLANKET_EINVAL;
    }
    domain = blanket_root_store_domain_find(store, domid);
    if (domain == NULL) {
        return -BLANKET_ENOENT;
    }
    domain->references++;
    connections_reset(store, domain);
    domain_hide(store, domain);
    nodes_remove(store, domain);
    if (domain->introduced) {
        domain->introduced = false;
        blanket_root_store_domain_release(store, domain);
    }
    blanket_root_store_domain_release(store, domain);
    blanket_root_store_watch_fire_special(store, 1);
    return 0;
}

int blanket_root_store_domain_shutdown(struct blanket_root_store *store, uint16_t domid)
{
    struct store_domain *domain = blanket_root_store_domain_find(store, domid);

    if (domain == NULL || !domain->introduced || !domid_real(domid)) {
        return -BLANKET_ENOENT;
    }
    if (!domain->shut_down) {
        domain->shut_down = true;
        blanket_root_store_watch_fire_special(store, 1);
    }
    return 0;
}

int blanket_root_store_domain_usage(const struct blanket_root_store *store, uint16_t domid,
                                    struct blanket_root_store_usage *usage)
{
    const struct store_domain *domain = blanket_root_store_domain_find(store, domid);

    if (domain == NULL) {
        return -BLANKET_ENOENT;
    }
    usage->memory_size = domain->memory_size;
    usage->node_count = domain->node_count;
    usage->watch_count = domain->watch_count;
    usage->transaction_count = domain->transaction_count;
    usage->introduced = domain->introduced;
    return 0;
}
