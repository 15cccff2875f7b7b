/* SPDX-License-Identifier: MIT */
/*
 * This Xen's level, made at the first administration, and what it finds at the hypervisor below: a grant
 * table to map, a ring to the store.
 */
#include <asm/guest.h>
#include <asm/guest/xen-hcall.h>
#include <public/arch-x86/cpuid.h>
#include <public/grant_table.h>
#include <public/hvm/params.h>
#include <public/memory.h>
#include <xen/blanket.h>
#include <xen/cpumask.h>
#include <xen/event.h>
#include <xen/vmap.h>

#include "host.h"

#define TABLE_FRAMES_MAX 32u
#define WORK_BUDGET 64u
#define WAIT_MS 20

/* The one of this image, and whether somebody is making it. */
static struct blanket_xen *blanket_this_xen;
static unsigned long blanket_starting;

struct blanket_xen *blanket_xen_get(void)
{
    return __atomic_load_n(&blanket_this_xen, __ATOMIC_ACQUIRE);
}

static long cf_check native_event_channel(void *context, unsigned command, void *argument)
{
    return xen_hypercall_event_channel_op(command, argument);
}

static void cf_check native_lock(void *context)
{
    spin_lock(&((struct blanket_xen *)context)->native_lock);
}

static void cf_check native_unlock(void *context)
{
    spin_unlock(&((struct blanket_xen *)context)->native_lock);
}

static const struct blanket_xen_native_ops native_ops = {
    .event_channel = native_event_channel,
    .lock = native_lock,
    .unlock = native_unlock,
};

static void cf_check service_lock(void *context)
{
    spin_lock(&((struct blanket_xen *)context)->service_lock);
}

static void cf_check service_unlock(void *context)
{
    spin_unlock(&((struct blanket_xen *)context)->service_lock);
}

static void cf_check service_raise(void *context, uint32_t number)
{
    blanket_event(((struct blanket_xen *)context)->level, number);
}

static void cf_check service_wake(void *context)
{
    blanket_xen_broker_wake(context);
}

static void cf_check service_settled(void *context)
{
    tasklet_schedule(&((struct blanket_xen *)context)->worker);
}

static int cf_check service_port_number(void *context, uint64_t endpoint, uint64_t port,
                                        uint32_t *number)
{
    return blanket_xen_native_port(&((struct blanket_xen *)context)->native, endpoint, port,
                                   number);
}

static const struct blanket_xen_service_ops service_ops = {
    .lock = service_lock,
    .unlock = service_unlock,
    .raise = service_raise,
    .wake = service_wake,
    .settled = service_settled,
    .port_number = service_port_number,
};

static void cf_check work(void *data)
{
    struct blanket_xen *x = data;
    int more = blanket_work(x->level, WORK_BUDGET);
    void *memory;

    /* Views' memory is always more than a page. */
    while ((memory = blanket_xen_service_reap(&x->service)) != NULL) {
        vfree(memory);
    }
    if (more == 1) {
        tasklet_schedule(&x->worker);
    } else if (more == 2) {
        set_timer(&x->timer, NOW() + MILLISECS(WAIT_MS));
    }
}

static void cf_check work_later(void *data)
{
    tasklet_schedule(&((struct blanket_xen *)data)->worker);
}

static void cf_check watch(void *data)
{
    blanket_xen_watch(data);
}

static void cf_check watch_later(void *data)
{
    tasklet_schedule(&((struct blanket_xen *)data)->watcher);
}

/* Map the frames of the grant table below that it has room for. Returns how many. */
static unsigned int map_table(struct blanket_xen *x)
{
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    mfn_t frames[TABLE_FRAMES_MAX];
    unsigned int count, limit;

    if (xen_hypercall_grant_table_op(GNTTABOP_query_size, &size, 1) || size.status != GNTST_okay) {
        return 0;
    }
    limit = min(size.max_nr_frames, TABLE_FRAMES_MAX);
    for (count = 0; count < limit; count++) {
        struct xen_add_to_physmap place = {
            .domid = DOMID_SELF,
            .idx = count,
            .space = XENMAPSPACE_grant_table,
        };

        if (xg_alloc_unused_page(&frames[count])) {
            break;
        }
        place.gpfn = mfn_x(frames[count]);
        if (xen_hypercall_memory_op(XENMEM_add_to_physmap, &place)) {
            xg_free_unused_page(frames[count]);
            break;
        }
    }
    x->native.table = count ? vmap(frames, count) : NULL;
    return x->native.table ? count : 0;
}

static void find_store(struct blanket_xen *x)
{
    uint64_t frame = 0, port = 0;
    mfn_t mfn;

    if (xen_hypercall_hvm_get_param(HVM_PARAM_STORE_PFN, &frame) || !frame ||
        xen_hypercall_hvm_get_param(HVM_PARAM_STORE_EVTCHN, &port) || !port ||
        port >= BLANKET_XEN_PORTS_BELOW) {
        return;
    }
    mfn = _mfn(frame);
    x->bus.ring = vmap(&mfn, 1);
    if (x->bus.ring) {
        x->bus_port = port;
    }
}

int blanket_xen_below_start(struct blanket_xen *x)
{
    uint32_t eax, ebx, ecx, edx;
    unsigned int frames = map_table(x);

    if (frames == 0) {
        return -BLANKET_ENOSYS;
    }
    x->native.ops = &native_ops;
    x->native.context = x;
    x->native.grant_count = frames * (PAGE_SIZE / sizeof(grant_entry_v1_t));
    x->native.port_count = BLANKET_XEN_EVENTS;
    x->native.endpoint_count = BLANKET_XEN_ENDPOINTS;
    x->native.grants = blanket_xen_alloc(x->native.grant_count * sizeof(*x->native.grants));
    x->native.ports = blanket_xen_alloc(x->native.port_count * sizeof(*x->native.ports));
    x->native.endpoints = blanket_xen_alloc(x->native.endpoint_count *
                                            sizeof(*x->native.endpoints));
    x->native.routes = blanket_xen_alloc(BLANKET_XEN_PORTS_BELOW * sizeof(*x->native.routes));
    if (!x->native.grants || !x->native.ports || !x->native.endpoints || !x->native.routes) {
        return -BLANKET_ENOMEM;
    }
    cpuid(xen_cpuid_base + 4, &eax, &ebx, &ecx, &edx);
    x->self = (eax & XEN_HVM_CPUID_DOMID_PRESENT) ? ecx : DOMID_INVALID;
    find_store(x);
    return 0;
}

static int start_level(struct blanket_xen *x)
{
    const struct blanket_limits limits = {
        .vcpus = nr_cpu_ids,
        .guests = BLANKET_XEN_DOMAINS,
        .events = BLANKET_XEN_EVENTS,
        .depth = 1,
    };
    unsigned int i;

    spin_lock_init(&x->lock);
    spin_lock_init(&x->service_lock);
    spin_lock_init(&x->native_lock);
    spin_lock_init(&x->trace_lock);
    spin_lock_init(&x->broker.lock);
    tasklet_init(&x->worker, work, x);
    init_timer(&x->timer, work_later, x, 0);
    tasklet_init(&x->watcher, watch, x);
    init_timer(&x->watch_timer, watch_later, x, 0);
    x->level_locks = blanket_xen_alloc((BLANKET_XEN_DOMAINS + 1) * sizeof(*x->level_locks));
    x->calling = blanket_xen_alloc(nr_cpu_ids * sizeof(*x->calling));
    x->service.ops = &service_ops;
    x->service.context = x;
    x->service.view_count = BLANKET_XEN_ENDPOINTS;
    x->service.views = blanket_xen_alloc(BLANKET_XEN_ENDPOINTS * sizeof(*x->service.views));
    if (!x->level_locks || !x->calling || !x->service.views) {
        return -BLANKET_ENOMEM;
    }
    for (i = 0; i <= BLANKET_XEN_DOMAINS; i++) {
        spin_lock_init(&x->level_locks[i]);
    }
    return blanket_level_create(&blanket_xen_platform, x, &limits, &x->level);
}

struct blanket_xen *blanket_xen_start(int *error)
{
    struct blanket_xen *x = blanket_xen_get();

    if (x) {
        return x;
    }
    if (!xen_guest || test_and_set_bit(0, &blanket_starting)) {
        *error = xen_guest ? -BLANKET_EAGAIN : -BLANKET_ENOSYS;
        return NULL;
    }
    /* A half of one stays, and "starting" with it: what failed for want of memory or of anything to
     * stand on isn't tried again. */
    x = blanket_xen_alloc(sizeof(*x));
    *error = x ? blanket_xen_below_start(x) : -BLANKET_ENOMEM;
    if (*error == 0) {
        *error = start_level(x);
    }
    if (*error != 0) {
        printk(XENLOG_WARNING "blanket: can't start: %d\n", *error);
        return NULL;
    }
    printk(XENLOG_INFO "blanket: %u grants, %s store at the hypervisor below\n",
           x->native.grant_count, x->bus_port ? "a" : "no");
    __atomic_store_n(&blanket_this_xen, x, __ATOMIC_RELEASE);
    if (x->bus_port) {
        (void)xen_hypercall_evtchn_unmask(x->bus_port);
    }
    return x;
}

void blanket_event_from_below(unsigned int port)
{
    struct blanket_xen *x = blanket_xen_get();
    uint32_t number;

    if (!x) {
        return;
    }
    if (port == x->bus_port) {
        blanket_xen_broker_wake(x);
    } else if (blanket_xen_native_route(&x->native, port, &number) == 0) {
        blanket_event(x->level, number);
    }
}
