/* SPDX-License-Identifier: MIT */
/*
 * What a domain of this Xen has of blanket, from the day it's attached until its last page is back.
 *
 * A domain that dies is detached: dead at once, and the worker sweeps what it had. It isn't waited for:
 * a page that a peer below still maps is pinned, and holds the domain as any page in use does, a zombie
 * until the peer lets go.
 */
#include <xen/blanket.h>
#include <xen/event.h>
#include <xen/sched.h>
#include <xen/xmalloc.h>

#include "host.h"

static void leave(struct domain *d)
{
    struct blanket_xen *x = blanket_xen_get();
    struct blanket_domain *b = d->blanket;

    if (!x) {
        return;
    }
    blanket_xen_broker_leave(x, d);
    if (b && ACCESS_ONCE(b->attached)) {
        blanket_guest_detach(x->level, b->id);
    }
}

void blanket_domain_kill(struct domain *d)
{
    leave(d);
}

int blanket_domain_teardown(struct domain *d)
{
    return 0;
}

static void drop_channel(struct blanket_domain *b, uint32_t port)
{
    unsigned long flags;
    uint32_t channel;

    spin_lock_irqsave(&b->lock, flags);
    channel = b->channels[port];
    b->channels[port] = 0;
    spin_unlock_irqrestore(&b->lock, flags);
    if (channel != 0) {
        free_xen_event_channel(b->domain, channel);
    }
}

/* Xen leaves channels with an end of its own to their owner. The domain is attached anew, when the old
 * things are swept. */
void blanket_domain_soft_reset(struct domain *d)
{
    struct blanket_domain *b = d->blanket;

    leave(d);
    for (uint32_t port = 0; b && port < b->port_count; port++) {
        drop_channel(b, port);
    }
}

void blanket_domain_destroy(struct domain *d)
{
    struct blanket_domain *b = d->blanket;

    /* Nothing of it is left at the level: that held a reference to the domain. */
    d->blanket = NULL;
    if (b) {
        blanket_xen_free(b->channels, b->port_count * sizeof(*b->channels));
        xfree(b);
    }
}

static void cf_check channel_sent(struct vcpu *v, unsigned int port)
{
    /* The domain has nothing to tell by it. */
}

/* The channel of a port that has none yet. Returns its number, or an error of Xen's. */
static int make_channel(struct blanket_domain *b, unsigned int port)
{
    int channel = alloc_unbound_xen_event_channel(b->domain, 0, b->domain->domain_id,
                                                  channel_sent);
    unsigned long flags;
    uint32_t other;

    if (channel < 0) {
        return channel;
    }
    spin_lock_irqsave(&b->lock, flags);
    other = b->channels[port];
    if (other == 0) {
        b->channels[port] = channel;
    }
    spin_unlock_irqrestore(&b->lock, flags);
    if (other != 0) {
        free_xen_event_channel(b->domain, channel); /* another vCPU was faster */
        return other;
    }
    return channel;
}

long blanket_xen_event(unsigned int port)
{
    struct blanket_xen *x = blanket_xen_get();
    struct blanket_domain *b = current->domain->blanket;
    int channel;

    if (!x || !b || !ACCESS_ONCE(b->attached) || port >= b->port_count) {
        return -BLANKET_ENOENT;
    }
    port = blanket_xen_platform.index_nospec(port, b->port_count);
    channel = ACCESS_ONCE(b->channels[port]);
    if (channel == 0) {
        channel = make_channel(b, port);
    }
    if (channel < 0) {
        return -BLANKET_ENOSPC;
    }
    /* What came before there was a channel: binding it raises an event anyway. */
    (void)blanket_event_take(x->level, b->id, port);
    return channel;
}
