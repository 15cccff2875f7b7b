/* SPDX-License-Identifier: MIT */
/*
 * The domains that the provider knows: numbers that own ends, with a home and quotas in the store.
 */
#include "root_private.h"

static struct root_domain *domain_find(const struct blanket_root *root, uint32_t domid)
{
    uint32_t i;

    for (i = 0; i < root->limits.domains; i++) {
        if (root->domains[i].present && root->domains[i].domid == domid) {
            return &root->domains[i];
        }
    }
    return NULL;
}

static int domain_make(struct blanket_root *root, uint32_t domid, struct root_domain **made)
{
    uint32_t i = 0;
    int status;

    while (i < root->limits.domains && root->domains[i].present) {
        i++;
    }
    if (i == root->limits.domains) {
        return -BLANKET_ENOSPC;
    }
    status = blanket_root_toolstack_home_make(root, domid);
    if (status) {
        return status;
    }
    memset(&root->domains[i], 0, sizeof(root->domains[i]));
    root->domains[i].present = true;
    root->domains[i].domid = domid;
    *made = &root->domains[i];
    return 0;
}

static bool share_take(const struct blanket_root *root, struct root_domain *domain,
                       const struct root_share *share)
{
    if (domain->domid == 0) {
        return true; /* the store doesn't count domain 0 */
    }
    if (share->watches > root->share_limit.watches - domain->carved.watches ||
        share->transactions > root->share_limit.transactions - domain->carved.transactions) {
        return false;
    }
    domain->carved.watches += share->watches;
    domain->carved.transactions += share->transactions;
    return true;
}

/* An end of the domain is being made: the domain is there from now on, with room for the end. */
int blanket_root_domain_enter(struct blanket_root *root, struct root_end *end)
{
    struct root_domain *domain = domain_find(root, end->owner_domid);
    int status = domain ? 0 : domain_make(root, end->owner_domid, &domain);

    if (status == 0 && root->store && !share_take(root, domain, &end->store_share)) {
        status = -BLANKET_ENOSPC;
    }
    if (status == 0) {
        domain->end_count++;
    }
    return status;
}

void blanket_root_domain_leave(struct blanket_root *root, const struct root_end *end)
{
    struct root_domain *domain = domain_find(root, end->owner_domid);

    if (!domain) {
        return;
    }
    domain->end_count--;
    if (root->store && domain->domid != 0) {
        domain->carved.watches -= end->store_share.watches;
        domain->carved.transactions -= end->store_share.transactions;
    }
}

int blanket_root_domain_add(struct blanket_root *root, uint32_t domid)
{
    struct root_domain *domain;
    int status;

    if (domid > ROOT_DOMID_MAX) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&root->lock);
    domain = domain_find(root, domid);
    status = domain ? -BLANKET_EEXIST : domain_make(root, domid, &domain);
    blanket_root_unlock(root);
    return status;
}

int blanket_root_domain_remove(struct blanket_root *root, uint32_t domid)
{
    struct root_domain *domain;
    int status = -BLANKET_ENOENT;

    pthread_mutex_lock(&root->lock);
    domain = domain_find(root, domid);
    if (domain && domain->end_count != 0) {
        status = -BLANKET_EBUSY;
    } else if (domain) {
        blanket_root_toolstack_home_remove(root, domid);
        domain->present = false;
        status = 0;
    }
    blanket_root_unlock(root);
    return status;
}
