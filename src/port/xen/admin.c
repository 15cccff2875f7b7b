/* SPDX-License-Identifier: MIT */
/* The ADMIN form: include/blanket/port/xen.h. One operation at a time. */
#include <xen/blanket.h>
#include <xen/sched.h>
#include <xen/xmalloc.h>
#include <xsm/xsm.h>

#include "host.h"

#define DOMAIN_SLOTS_MAX 65536u

static uint32_t round_up(uint32_t slots)
{
    return ROUNDUP(slots, BLANKET_CHUNK_SLOTS);
}

/* A domain's, made at its first attach. NULL: no memory. */
static struct blanket_domain *make_domain(struct domain *d, uint32_t ports)
{
    struct blanket_domain *b = xzalloc(struct blanket_domain);

    if (!b) {
        return NULL;
    }
    spin_lock_init(&b->lock);
    b->domain = d;
    b->port_count = ports;
    b->channels = blanket_xen_alloc(ports * sizeof(*b->channels));
    if (!b->channels) {
        xfree(b);
        return NULL;
    }
    smp_wmb(); /* whole before others see it */
    d->blanket = b;
    return b;
}

/* Is a call under way of the domain that had this id before? It was detached, and may not know yet. */
static int id_is_stale(const struct blanket_xen *x, const struct blanket_domain *b)
{
    unsigned int cpu;

    smp_mb();
    for_each_online_cpu (cpu) {
        const struct blanket_domain *caller = ACCESS_ONCE(x->calling[cpu]);

        if (caller && caller != b && caller->id == b->id) {
            return 1;
        }
    }
    return 0;
}

static int attach(struct blanket_xen *x, struct domain *d, const struct blanket_xen_attach *wanted)
{
    uint32_t ports = max(round_up(wanted->ports), BLANKET_CHUNK_SLOTS);
    const struct blanket_guest_limits limits = {
        .endpoints = wanted->endpoints,
        .grants = wanted->grants,
        .mappings = wanted->mappings,
        .ports = ports,
        .vcpus = d->max_vcpus,
    };
    struct blanket_domain *b = d->blanket;
    int rc;

    if (ports > BLANKET_XEN_EVENTS || wanted->grants > DOMAIN_SLOTS_MAX || wanted->zero != 0) {
        return -BLANKET_EINVAL;
    }
    if (b && ACCESS_ONCE(b->attached)) {
        return -BLANKET_EEXIST;
    }
    if (!b) {
        b = make_domain(d, ports);
    }
    if (!b || b->port_count < ports) {
        return b ? -BLANKET_ENOSPC : -BLANKET_ENOMEM; /* no more ports than the first time */
    }
    if (d->is_dying || !get_domain(d)) {
        return -BLANKET_ENOENT;
    }
    rc = blanket_guest_attach(x->level, b, d->domain_id, &limits, &b->id);
    if (rc != 0) {
        put_domain(d);
        return rc;
    }
    smp_wmb();
    ACCESS_ONCE(b->attached) = 1;
    smp_mb();
    rc = d->is_dying ? -BLANKET_ENOENT : id_is_stale(x, b) ? -BLANKET_EAGAIN : 0;
    if (rc != 0) {
        blanket_guest_detach(x->level, b->id); /* its death may have come before it could see us */
    }
    return rc;
}

static int detach(struct blanket_xen *x, struct domain *d)
{
    struct blanket_domain *b = d->blanket;

    if (!b || !ACCESS_ONCE(b->attached)) {
        return -BLANKET_ENOENT;
    }
    blanket_guest_detach(x->level, b->id);
    return 0;
}

static int is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static int mint_is_sound(const struct blanket_xen_mint *mint)
{
    const uint32_t flags = BLANKET_XEN_MINT_SHARE | BLANKET_XEN_MINT_STORE | BLANKET_XEN_MINT_RAW;

    if (mint->flags & ~flags || mint->zero != 0 || mint->peer > BLANKET_XEN_NO_PEER ||
        mint->grants > DOMAIN_SLOTS_MAX || mint->ports > BLANKET_XEN_EVENTS ||
        !is_text(mint->name, sizeof(mint->name)) ||
        !is_text(mint->frontend, sizeof(mint->frontend)) ||
        !is_text(mint->backend, sizeof(mint->backend))) {
        return 0;
    }
    return !(mint->flags & (BLANKET_XEN_MINT_STORE | BLANKET_XEN_MINT_RAW)) ||
           (mint->connections >= 1 && mint->connections <= BLANKET_XEN_CONNECTIONS &&
            mint->requests >= 1 && mint->requests <= 64 && mint->ports >= 1);
}

static int mint_view(struct blanket_xen *x, const struct blanket_xen_mint *mint,
                     struct blanket_xen_minted *made,
                     const struct blanket_xen_native_endpoint *native)
{
    struct blanket_xen_view *spec = &x->spec;
    void *memory;
    int rc;

    memset(spec, 0, sizeof(*spec));
    spec->flags = mint->flags & BLANKET_XEN_MINT_RAW;
    spec->peer = mint->peer;
    spec->grant_base = native->grant_first;
    spec->ports = native->port_count;
    spec->connections = mint->connections;
    spec->requests = mint->requests;
    spec->watches = mint->watches;
    spec->transactions = mint->transactions;
    memcpy(spec->frontend, mint->frontend, sizeof(spec->frontend));
    memcpy(spec->backend, mint->backend, sizeof(spec->backend));
    memory = blanket_xen_alloc(blanket_xen_service_view_size(spec));
    if (!memory) {
        return -BLANKET_ENOMEM;
    }
    rc = blanket_xen_service_add(&x->service, spec, made->native, native->port_first, memory,
                                 &made->view);
    if (rc != 0) {
        blanket_xen_free(memory, blanket_xen_service_view_size(spec));
    }
    return rc;
}

static int mint_endpoint(struct blanket_xen *x, const struct blanket_xen_mint *mint,
                         struct blanket_xen_minted *made,
                         const struct blanket_xen_native_endpoint *native)
{
    struct blanket_mint wanted = {
        .guest = made->owner->id,
        .slot = mint->slot,
        .rights = mint->rights,
        .flags = mint->flags & BLANKET_XEN_MINT_SHARE ? BLANKET_MINT_SHARE_SCOPE : 0,
        .label = mint->peer,
        .scope = blanket_xen_scope(mint->peer, made->native),
        .name = mint->name,
        .below = blanket_xen_native_below(&x->native),
        .below_endpoint = made->native,
        .grants = { .count = native->grant_count },
        .ports = { .count = native->port_count },
        .event_base = native->port_first,
        .grant_base = native->grant_first,
    };
    uint32_t quota;

    if (made->view != 0) {
        wanted.store = blanket_xen_service_below(&x->service);
        wanted.store_endpoint = made->view;
    }
    return blanket_endpoint_mint(x->level, &wanted, &made->endpoint, &quota);
}

static void unmake(struct blanket_xen *x, struct blanket_xen_minted *made)
{
    if (made->view != 0) {
        blanket_xen_service_remove(&x->service, made->view);
        tasklet_schedule(&x->worker);
    }
    blanket_xen_native_remove(&x->native, made->native);
}

/*
 * Remember what was minted: there are as many places as endpoints below, so there is one. If its owner
 * was quicker to lose it, nothing is left to be remembered.
 */
static int remember(struct blanket_xen *x, const struct blanket_xen_minted *made)
{
    struct blanket_xen_minted *place = NULL;
    int gone;

    spin_lock(&x->lock);
    for (unsigned int i = 0; i < BLANKET_XEN_ENDPOINTS && !place; i++) {
        if (!x->minted[i].owner) {
            place = &x->minted[i];
            *place = *made;
        }
    }
    spin_unlock(&x->lock);
    gone = blanket_endpoint_info(x->level, made->owner->id, made->endpoint, &x->info) != 0;
    spin_lock(&x->lock);
    gone = gone && place && place->owner == made->owner && place->endpoint == made->endpoint;
    if (gone) {
        place->owner = NULL;
    }
    spin_unlock(&x->lock);
    return gone ? -BLANKET_ENOENT : 0;
}

static int mint(struct blanket_xen *x, struct domain *d, struct blanket_xen_mint *wanted)
{
    struct blanket_xen_minted made = { .owner = d->blanket, .peer = wanted->peer };
    uint32_t quota;
    int rc;

    if (!mint_is_sound(wanted)) {
        return -BLANKET_EINVAL;
    }
    if (!made.owner || !ACCESS_ONCE(made.owner->attached)) {
        return -BLANKET_ENOENT;
    }
    rc = blanket_xen_native_add(&x->native, wanted->peer, round_up(wanted->grants),
                                round_up(wanted->ports), &made.native, &quota);
    if (rc != 0) {
        return rc;
    }
    if (wanted->flags & (BLANKET_XEN_MINT_STORE | BLANKET_XEN_MINT_RAW)) {
        rc = mint_view(x, wanted, &made, blanket_xen_native_find(&x->native, made.native));
    }
    if (rc == 0) {
        rc = mint_endpoint(x, wanted, &made, blanket_xen_native_find(&x->native, made.native));
    }
    if (rc == 0) {
        rc = remember(x, &made);
    }
    if (rc != 0) {
        unmake(x, &made);
        return rc;
    }
    wanted->endpoint = made.endpoint;
    wanted->view = made.view;
    return 0;
}

static void describe(struct blanket_xen *x, const struct blanket_xen_minted *minted,
                     struct blanket_xen_list *list)
{
    const struct blanket_xen_native_endpoint *native;

    native = blanket_xen_native_find(&x->native, minted->native);
    list->domain = minted->owner->domain->domain_id;
    list->endpoint = minted->endpoint;
    list->view = minted->view;
    list->peer = minted->peer;
    list->grant_base = native ? native->grant_first : 0;
    blanket_xen_service_count(&x->service, minted->view, &list->connections, &list->requests);
}

/* What is minted at or after `cursor`, of one endpoint if `domain` isn't NULL. */
static int list(struct blanket_xen *x, const struct domain *domain, struct blanket_xen_list *list)
{
    uint64_t at = domain ? 0 : list->cursor;

    for (; at < BLANKET_XEN_ENDPOINTS; at++) {
        struct blanket_xen_minted minted;

        spin_lock(&x->lock);
        minted = x->minted[at];
        spin_unlock(&x->lock);
        if (!minted.owner ||
            (domain && (minted.owner->domain != domain || minted.endpoint != list->endpoint))) {
            continue;
        }
        if (blanket_endpoint_info(x->level, minted.owner->id, minted.endpoint, &list->info) == 0) {
            describe(x, &minted, list);
            list->cursor = at + 1;
            return 0;
        }
    }
    return -BLANKET_ENOENT;
}

static void audit(struct blanket_xen *x, struct blanket_xen_audit *audit)
{
    uint64_t oldest;

    spin_lock(&x->trace_lock);
    oldest = x->record_next > BLANKET_XEN_RECORDS ? x->record_next - BLANKET_XEN_RECORDS : 0;
    audit->lost = audit->next < oldest ? oldest - audit->next : 0;
    audit->next = max(audit->next, oldest);
    audit->count = 0;
    while (audit->next < x->record_next && audit->count < BLANKET_XEN_AUDIT_COUNT) {
        audit->records[audit->count++] = x->records[audit->next++ % BLANKET_XEN_RECORDS];
    }
    spin_unlock(&x->trace_lock);
}

static void stats(struct blanket_xen *x, struct blanket_xen_stats *stats)
{
    const struct blanket_level_stats *counts = &x->counts;
    const struct domain *d;

    blanket_level_stats(x->level, &x->counts);
    memset(stats, 0, sizeof(*stats));
    stats->calls = counts->calls;
    stats->calls_below = counts->calls_below;
    stats->refused = counts->refused;
    stats->lost = counts->lost;
    stats->events = counts->events;
    stats->notifications = counts->notifications;
    stats->bytes = counts->bytes;
    stats->grants = counts->grants;
    stats->ports = counts->ports;
    stats->endpoints = counts->endpoints;
    stats->closing = counts->closing;
    stats->grant_room = x->native.grant_count;
    stats->grant_minted = blanket_xen_native_minted(&x->native);
    stats->broker = BLANKET_XEN_NO_PEER;
    if (ACCESS_ONCE(x->broker.domain)) {
        stats->broker = x->broker.domain->domain_id;
    }
    rcu_read_lock(&domlist_read_lock);
    for_each_domain (d) {
        if (d->blanket && ACCESS_ONCE(d->blanket->attached)) {
            stats->domains++;
            stats->zombies += d->is_dying != DOMDYING_alive;
        }
    }
    rcu_read_unlock(&domlist_read_lock);
}

/* How much of the scratch an operation has; 0: there is no such operation. */
static size_t size_of(unsigned int operation)
{
    switch (operation) {
    case BLANKET_XEN_ATTACH:
    case BLANKET_XEN_DETACH:
        return sizeof(struct blanket_xen_attach);
    case BLANKET_XEN_MINT:
        return sizeof(struct blanket_xen_mint);
    case BLANKET_XEN_REVOKE:
    case BLANKET_XEN_INFO:
    case BLANKET_XEN_LIST:
    case BLANKET_XEN_LOST:
    case BLANKET_XEN_REBIND:
        return sizeof(struct blanket_xen_list);
    case BLANKET_XEN_AUDIT:
        return sizeof(struct blanket_xen_audit);
    case BLANKET_XEN_STATS:
        return sizeof(struct blanket_xen_stats);
    default:
        return 0;
    }
}

static int serve_domain(struct blanket_xen *x, struct domain *d, unsigned int operation)
{
    struct blanket_domain *b = d->blanket;

    switch (operation) {
    case BLANKET_XEN_ATTACH:
        return attach(x, d, &x->admin.attach);
    case BLANKET_XEN_DETACH:
        return detach(x, d);
    case BLANKET_XEN_MINT:
        return mint(x, d, &x->admin.mint);
    case BLANKET_XEN_INFO:
        return list(x, d, &x->admin.list);
    case BLANKET_XEN_LOST:
        return blanket_xen_lost(x, d, x->admin.list.endpoint);
    case BLANKET_XEN_REBIND:
        return blanket_xen_rebind(x, d, x->admin.list.endpoint, x->admin.list.peer);
    default:
        return b && ACCESS_ONCE(b->attached)
                   ? blanket_endpoint_revoke(x->level, b->id, x->admin.list.endpoint)
                   : -BLANKET_ENOENT;
    }
}

static int serve(struct blanket_xen *x, unsigned int operation)
{
    uint32_t id;
    struct domain *d;
    int rc;

    switch (operation) {
    case BLANKET_XEN_LIST:
        return list(x, NULL, &x->admin.list);
    case BLANKET_XEN_AUDIT:
        audit(x, &x->admin.audit);
        return 0;
    case BLANKET_XEN_STATS:
        stats(x, &x->admin.stats);
        return 0;
    case BLANKET_XEN_REVOKE:
    case BLANKET_XEN_INFO:
    case BLANKET_XEN_LOST:
    case BLANKET_XEN_REBIND:
        id = x->admin.list.domain;
        break;
    default:
        id = x->admin.attach.domain; /* a mint begins with it, too */
    }
    d = id <= DOMID_SELF ? rcu_lock_domain_by_any_id(id) : NULL;
    if (!d) {
        return -BLANKET_ENOENT;
    }
    rc = serve_domain(x, d, operation);
    rcu_unlock_domain(d);
    return rc;
}

long blanket_xen_admin(unsigned int operation, unsigned long address)
{
    size_t size = size_of(operation);
    struct blanket_xen *x;
    int rc;

    if (xsm_blanket_op(XSM_OTHER, current->domain, 0, true)) {
        return -BLANKET_EPERM;
    }
    if (size == 0) {
        return -BLANKET_ENOSYS;
    }
    x = blanket_xen_start(&rc);
    if (!x) {
        return rc;
    }
    if (xchg(&x->admin_busy, 1) != 0) {
        return -BLANKET_EAGAIN;
    }
    rc = blanket_xen_copy_from(&x->admin, address, size);
    if (rc == 0) {
        rc = serve(x, operation);
    }
    if (rc == 0) {
        rc = blanket_xen_copy_to(address, &x->admin, size);
    }
    smp_mb();
    ACCESS_ONCE(x->admin_busy) = 0;
    return rc;
}
