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

#define WATCH_MS 500
#define PAGES_AT_ONCE 1024u /* what gntalloc has in all, if its limit wasn't raised */

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
    channel = b->channels[port].number;
    b->channels[port].number = 0;
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

/* Whoever had pages at the port's endpoint gives them up; `budget` of them at once. */
static void give_up(struct blanket_xen *x, const struct blanket_domain *b, uint32_t port,
                    uint32_t budget)
{
    if (blanket_xen_enter(x, b)) {
        (void)blanket_pages_gone(x->level, b->id, smp_processor_id(), port, budget);
    }
    blanket_xen_leave(x);
}

/* The domain's kernel sends by it, from a hypercall, before it ends grants that it gave to Xen. */
static void cf_check channel_sent(struct vcpu *v, unsigned int channel)
{
    struct blanket_xen *x = blanket_xen_get();
    const struct blanket_domain *b = v->domain->blanket;

    for (uint32_t port = 0; x && b && port < b->port_count; port++) {
        if (ACCESS_ONCE(b->channels[port].number) == channel) {
            give_up(x, b, port, PAGES_AT_ONCE);
            break;
        }
    }
}

/* A look at whether somebody has bound the channel: what changes now is seen the next time. */
static int is_bound(const struct blanket_domain *b, uint32_t port)
{
    uint32_t number = ACCESS_ONCE(b->channels[port].number);

    return number != 0 && port_is_valid(b->domain, number) &&
           ACCESS_ONCE(evtchn_from_port(b->domain, number)->state) == ECS_INTERDOMAIN;
}

/* 1: whoever has pages now had bound the channel, and has it no more; said once. */
static int binding_ended(struct blanket_domain *b, uint32_t port)
{
    uint64_t age = ACCESS_ONCE(b->own_age);

    if (is_bound(b, port)) {
        ACCESS_ONCE(b->channels[port].bound) = age;
        return 0;
    }
    return age != 0 && ACCESS_ONCE(b->channels[port].bound) == age &&
           cmpxchg(&b->channels[port].bound, age, 0) == age;
}

/* All bindings of a domain that have ended since the last look. */
static void settle(struct blanket_xen *x, struct blanket_domain *b, uint32_t budget)
{
    for (uint32_t port = 0; port < b->port_count; port++) {
        if (binding_ended(b, port)) {
            give_up(x, b, port, budget);
        }
    }
}

void blanket_xen_own_pin(struct blanket_xen *x, struct blanket_domain *b)
{
    unsigned long flags;
    uint64_t age;

    spin_lock_irqsave(&b->lock, flags);
    b->own_age += b->own_pins++ == 0;
    age = b->own_age;
    spin_unlock_irqrestore(&b->lock, flags);
    /* Who grants now may be gone before anybody looks the next time. */
    for (uint32_t port = 0; port < b->port_count; port++) {
        if (is_bound(b, port)) {
            ACCESS_ONCE(b->channels[port].bound) = age;
        }
    }
    if (atomic_inc_return(&x->own_pins) == 1) {
        set_timer(&x->watch_timer, NOW() + MILLISECS(WATCH_MS));
    }
}

void blanket_xen_own_unpin(struct blanket_xen *x, struct blanket_domain *b)
{
    unsigned long flags;

    spin_lock_irqsave(&b->lock, flags);
    b->own_pins--;
    spin_unlock_irqrestore(&b->lock, flags);
    atomic_dec(&x->own_pins);
}

void blanket_xen_watch(struct blanket_xen *x)
{
    struct domain *d;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain (d) {
        if (d->blanket) {
            settle(x, d->blanket, 0); /* the worker is told */
        }
    }
    rcu_read_unlock(&domlist_read_lock);
    if (atomic_read(&x->own_pins) != 0) {
        set_timer(&x->watch_timer, NOW() + MILLISECS(WATCH_MS));
    }
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
    other = b->channels[port].number;
    if (other == 0) {
        b->channels[port].number = channel;
        b->channels[port].bound = 0;
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
    settle(x, b, PAGES_AT_ONCE); /* before there is another user of what they had */
    channel = ACCESS_ONCE(b->channels[port].number);
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
