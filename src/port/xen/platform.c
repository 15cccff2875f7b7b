/* SPDX-License-Identifier: MIT */
/* What this Xen gives the core: include/blanket/platform.h has each one's contract. */
#include <asm/p2m.h>
#include <public/grant_table.h>
#include <xen/blanket.h>
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/mm.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/vmap.h>
#include <xen/xmalloc.h>
#include <xsm/xsm.h>

#include "host.h"

/* Bits of a page's cookie: it was named by the domain's own grant, its reference, only read. */
#define COOKIE_GRANT ((uint64_t)1 << 63)
#define COOKIE_READONLY ((uint64_t)1 << 62)

#define POLL_MS 20

void *blanket_xen_alloc(size_t size)
{
    return size > PAGE_SIZE ? vzalloc(size) : _xzalloc(size, sizeof(uint64_t));
}

void blanket_xen_free(void *memory, size_t size)
{
    if (size > PAGE_SIZE) {
        vfree(memory);
    } else {
        xfree(memory);
    }
}

static void *cf_check host_alloc(void *host, size_t size)
{
    return blanket_xen_alloc(size);
}

static void cf_check host_free(void *host, void *memory, size_t size)
{
    blanket_xen_free(memory, size);
}

int blanket_xen_copy_from(void *target, unsigned long address, size_t size)
{
    return raw_copy_from_guest(target, (void *)address, size) ? -BLANKET_EFAULT : 0;
}

int blanket_xen_copy_to(unsigned long address, const void *source, size_t size)
{
    return raw_copy_to_guest((void *)address, source, size) ? -BLANKET_EFAULT : 0;
}

static int cf_check host_copy_from(void *host, void *guest, void *target, uint64_t address,
                                   uint32_t size)
{
    const struct blanket_domain *b = guest;

    return current->domain == b->domain ? blanket_xen_copy_from(target, address, size)
                                        : -BLANKET_EFAULT;
}

static int cf_check host_copy_to(void *host, void *guest, uint64_t address, const void *source,
                                 uint32_t size)
{
    const struct blanket_domain *b = guest;

    return current->domain == b->domain ? blanket_xen_copy_to(address, source, size)
                                        : -BLANKET_EFAULT;
}

/* A reference to the page that the item names. 0 and *found, *cookie. */
static int find_page(struct blanket_xen *x, struct domain *d, uint64_t item, unsigned use,
                     struct page_info **found, uint64_t *cookie)
{
    uint64_t value = blanket_item_value(item);
    bool readonly = !(use & BLANKET_USE_WRITE);
    p2m_type_t type;

    *cookie = 0;
    if (blanket_item_type(item) == BLANKET_ITEM_OWN_GRANT) {
        if (value > UINT32_MAX ||
            blanket_grant_acquire(d, value, readonly, found) != GNTST_okay) {
            return -BLANKET_EPERM;
        }
        *cookie = COOKIE_GRANT | (readonly ? COOKIE_READONLY : 0) | value;
        blanket_xen_own_pin(x, d->blanket);
        return 0;
    }
    *found = get_page_from_gfn(d, value, &type, P2M_ALLOC);
    if (!*found) {
        return -BLANKET_EPERM;
    }
    if (type != p2m_ram_rw || page_get_owner(*found) != d) {
        put_page(*found);
        return -BLANKET_EPERM;
    }
    return 0;
}

/* The end of a pin by the domain's own grant, in this order: a page is the domain's again last. */
static void let_go(struct blanket_xen *x, struct domain *d, uint64_t cookie)
{
    if (cookie & COOKIE_GRANT) {
        blanket_grant_release(d, (uint32_t)cookie, cookie & COOKIE_READONLY);
        blanket_xen_own_unpin(x, d->blanket);
    }
}

static int cf_check host_pin(void *host, void *guest, uint64_t item, unsigned use,
                             struct blanket_page *page)
{
    struct domain *d = ((struct blanket_domain *)guest)->domain;
    struct page_info *found;
    int rc;

    if (use & BLANKET_USE_OVERLAY) {
        return -BLANKET_EOPNOTSUPP; /* nothing below maps yet */
    }
    rc = find_page(host, d, item, use, &found, &page->cookie);
    if (rc != 0) {
        return rc;
    }
    page->frame = mfn_x(page_to_mfn(found));
    /* Xen's own pages that the domain may see (its shared info) have it as their owner, too. Read-only
     * uses take the type as well: a page table isn't to be seen below either. */
    rc = is_xen_heap_page(found) ? -BLANKET_EPERM : 0;
    if (rc == 0 && !get_page_type(found, PGT_writable_page)) {
        rc = -BLANKET_EBUSY;
    }
    if (rc != 0) {
        let_go(host, d, page->cookie);
        put_page(found);
    }
    return rc;
}

static void cf_check host_unpin(void *host, void *guest, const struct blanket_page *page,
                                unsigned use)
{
    struct domain *d = ((struct blanket_domain *)guest)->domain;
    struct page_info *pinned = mfn_to_page(_mfn(page->frame));

    put_page_type(pinned);
    let_go(host, d, page->cookie);
    put_page(pinned);
}

static void cf_check host_lock(void *host, unsigned lock)
{
    spin_lock(&((struct blanket_xen *)host)->level_locks[lock]);
}

static void cf_check host_unlock(void *host, unsigned lock)
{
    spin_unlock(&((struct blanket_xen *)host)->level_locks[lock]);
}

static int cf_check host_hook(void *host, const struct blanket_query *query)
{
    const struct blanket_domain *b = query->guest;

    return xsm_blanket_op(XSM_OTHER, b->domain, 1u << query->right, false);
}

static void cf_check host_trace(void *host, const struct blanket_trace *trace)
{
    struct blanket_xen *x = host;
    const struct blanket_domain *b = trace->guest;
    struct blanket_xen_record *record;
    s_time_t now = NOW();

    spin_lock(&x->trace_lock);
    record = &x->records[x->record_next % BLANKET_XEN_RECORDS];
    memset(record, 0, sizeof(*record));
    record->sequence = x->record_next++;
    record->time = now;
    record->endpoint = trace->endpoint;
    record->claim = trace->claim;
    record->domain = b ? b->domain->domain_id : DOMID_INVALID;
    record->status = trace->status;
    record->verb = trace->verb;
    record->reason = trace->reason;
    record->right = trace->right;
    record->quota = trace->quota;
    spin_unlock(&x->trace_lock);
}

static void cf_check host_notify(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    struct blanket_xen *x = host;
    struct blanket_domain *b = guest;
    uint32_t channel = 0;
    unsigned long flags;

    spin_lock_irqsave(&b->lock, flags);
    if (port < b->port_count) {
        channel = b->channels[port].number;
    }
    spin_unlock_irqrestore(&b->lock, flags);
    /* Without a channel it stays pending, for BLANKET_FORM_EVENT to find. */
    if (channel != 0) {
        /* Taken first: what comes in between notifies again. */
        (void)blanket_event_take(x->level, b->id, port);
        notify_via_xen_event_channel(b->domain, channel);
    }
}

static void cf_check host_kick(void *host, int soon)
{
    struct blanket_xen *x = host;

    if (soon) {
        tasklet_schedule(&x->worker);
    } else {
        set_timer(&x->timer, NOW() + MILLISECS(POLL_MS));
    }
}

static void cf_check host_guest_gone(void *host, void *guest)
{
    struct blanket_domain *b = guest;

    smp_wmb();
    ACCESS_ONCE(b->attached) = 0;
    put_domain(b->domain); /* may be the last one: b is gone with it */
}

static void cf_check host_endpoint_event(void *host, void *guest, uint64_t endpoint,
                                         uint32_t events)
{
    struct blanket_xen *x = host;
    struct blanket_xen_minted gone = { 0 };

    if (!(events & BLANKET_EVENT_DRAINED)) {
        return;
    }
    spin_lock(&x->lock);
    for (unsigned int i = 0; i < BLANKET_XEN_ENDPOINTS; i++) {
        if (x->minted[i].owner == guest && x->minted[i].endpoint == endpoint) {
            gone = x->minted[i];
            x->minted[i].owner = NULL;
        }
    }
    spin_unlock(&x->lock);
    if (gone.owner) {
        blanket_xen_native_remove(&x->native, gone.native);
    }
    if (gone.owner && gone.view != 0) {
        blanket_xen_service_remove(&x->service, gone.view);
        tasklet_schedule(&x->worker);
    }
}

static int cf_check host_preempt(void *host)
{
    return general_preempt_check();
}

static uint32_t cf_check host_index_nospec(uint32_t index, uint32_t count)
{
    return array_index_nospec(index, count);
}

const struct blanket_platform_ops blanket_xen_platform = {
    .size = sizeof(blanket_xen_platform),
    .alloc = host_alloc,
    .free = host_free,
    .copy_from_above = host_copy_from,
    .copy_to_above = host_copy_to,
    .pin = host_pin,
    .unpin = host_unpin,
    .lock = host_lock,
    .unlock = host_unlock,
    .hook = host_hook,
    .trace = host_trace,
    .notify_above = host_notify,
    .kick = host_kick,
    .guest_gone = host_guest_gone,
    .endpoint_event = host_endpoint_event,
    .preempt = host_preempt,
    .index_nospec = host_index_nospec,
};
