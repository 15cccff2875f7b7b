/* SPDX-License-Identifier: MIT */
/*
 * What a domain of this Xen has of blanket, from the day it's attached until its last page is back.
 */
#include <xen/blanket.h>
#include <xen/sched.h>

void blanket_domain_kill(struct domain *d)
{
}

int blanket_domain_teardown(struct domain *d)
{
    return 0;
}

void blanket_domain_soft_reset(struct domain *d)
{
}

void blanket_domain_destroy(struct domain *d)
{
}

void blanket_event_from_below(unsigned int port)
{
}
