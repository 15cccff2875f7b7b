/* SPDX-License-Identifier: MIT */
/*
 * The domains that the provider knows: numbers that own ends, and have a home in the store.
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
    uint32_t i;

    for (i = 0; i < root->limits.domains; i++) {
        struct root_domain *domain = &root->domains[i];

        if (!domain->present) {
            domain->present = true;
            domain->domid = domid;
            domain->end_count = 0;
            *made = domain;
            return 0;
        }
    }
    return -BLANKET_ENOSPC;
}

/* An end of the domain is being made: the domain is there from now on. */
int blanket_root_domain_enter(struct blanket_root *root, uint32_t domid)
{
    struct root_domain *domain = domain_find(root, domid);
    int status = domain ? 0 : domain_make(root, domid, &domain);

    if (status == 0) {
        domain->end_count++;
    }
    return status;
}

void blanket_root_domain_leave(struct blanket_root *root, uint32_t domid)
{
    struct root_domain *domain = domain_find(root, domid);

    if (domain) {
        domain->end_count--;
    }
}
