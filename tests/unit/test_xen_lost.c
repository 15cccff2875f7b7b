/* SPDX-License-Identifier: MIT */
/*
 * A level on the native `xen` below whose peer goes and comes back: as the same domain, on the same
 * references and events, or as another one, on others (src/port/xen/lost.c does the same in Xen).
 */
#include "core_fixture.h"

#include <blanket/port/xen.h>

#include "native.h"

#define GRANTS 64u
#define PORTS 32u
#define PEER 5u

struct fixture {
    struct core core;
    struct blanket_xen_native native;
    grant_entry_v1_t table[GRANTS];
    struct blanket_xen_native_endpoint endpoints[2];
    struct blanket_xen_native_slot grants[GRANTS], ports[PORTS];
    uint32_t routes[BLANKET_XEN_PORTS_BELOW];
    uint32_t next, closed; /* event channels of the hypervisor below */
    uint32_t id;
    uint64_t at, device;
    const struct blanket_xen_native_endpoint *place;
};

static long event_channel(void *context, unsigned command, void *argument)
{
    struct fixture *f = context;

    if (command == EVTCHNOP_alloc_unbound) {
        ((struct evtchn_alloc_unbound *)argument)->port = ++f->next;
    } else if (command == EVTCHNOP_close) {
        f->closed++;
    }
    return 0;
}

static void no_lock(void *context)
{
    (void)context;
}

static uint64_t add(struct fixture *f, uint32_t peer)
{
    uint64_t endpoint = 0;
    uint32_t quota = 0;

    assert_int_equal(blanket_xen_native_add(&f->native, peer, 16, 8, &endpoint, &quota), 0);
    return endpoint;
}

static void init(struct fixture *f)
{
    static const struct blanket_xen_native_ops ops = {event_channel, no_lock, no_lock};
    struct blanket_mint mint;
    uint32_t quota;

    memset(f, 0, sizeof(*f));
    core_init(&f->core);
    f->native = (struct blanket_xen_native){.ops = &ops,
                                            .context = f,
                                            .table = f->table,
                                            .endpoints = f->endpoints,
                                            .grants = f->grants,
                                            .ports = f->ports,
                                            .routes = f->routes,
                                            .endpoint_count = 2,
                                            .grant_count = GRANTS,
                                            .port_count = PORTS};
    f->core.under = blanket_xen_native_below(&f->native);
    f->id = core_attach(&f->core, 0);
    f->at = add(f, PEER);
    f->place = blanket_xen_native_find(&f->native, f->at);
    mint = core_mint_spec(&f->core, f->id, 0, "vbd/1");
    mint.below_endpoint = f->at;
    mint.mappings.count = 0;
    mint.ports.count = 8;
    mint.scope = PEER;
    mint.event_base = f->place->port_first;
    mint.grant_base = f->place->grant_first;
    assert_int_equal(blanket_endpoint_mint(f->core.level, &mint, &f->device, &quota), 0);
}

static grant_entry_v1_t *entry(struct fixture *f, uint32_t index)
{
    return &f->table[f->place->grant_first + index];
}

static void use(struct fixture *f, uint32_t generation, uint32_t peer)
{
    assert_int_equal(core_access(&f->core, f->id, f->device, 0, generation, 3), 0);
    assert_int_equal(core_access(&f->core, f->id, f->device, 1, generation, 4), 0);
    assert_int_equal(core_alloc(&f->core, f->id, f->device, 0, generation), 0);
    assert_int_equal(entry(f, 0)->flags, GTF_permit_access);
    assert_int_equal(entry(f, 0)->domid, peer);
    assert_int_equal(f->native.routes[f->next], f->place->port_first + 1);
}

/* The peer had page 0 mapped when it went. */
static void lose(struct fixture *f)
{
    entry(f, 0)->flags |= GTF_reading | GTF_writing;
    blanket_endpoint_lost(f->core.level, &f->core.under, f->at);
    assert_int_equal(f->core.event_bits, BLANKET_EVENT_PEER_GONE);
    assert_int_equal(f->core.event_endpoint, f->device);
    assert_int_equal(core_access(&f->core, f->id, f->device, 2, 9, 5), -BLANKET_ENOTCONN);
    assert_int_equal(core_work(&f->core, 10), 2);
    assert_int_equal(f->core.unpins, 1);
    assert_int_equal(entry(f, 1)->flags, 0);
    assert_int_not_equal(entry(f, 0)->flags, 0);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->native.routes[f->next], 0);
}

static int rebind(struct fixture *f, uint64_t at, uint32_t peer)
{
    const struct blanket_xen_native_endpoint *place = blanket_xen_native_find(&f->native, at);

    return blanket_endpoint_rebind(f->core.level, f->id, f->device, at, peer, place->port_first,
                                   place->grant_first);
}

static void the_same_peer_comes_back(void **state)
{
    static struct fixture f;

    (void)state;
    init(&f);
    use(&f, 1, PEER);
    lose(&f);
    assert_int_equal(rebind(&f, f.at, PEER), -BLANKET_EBUSY);
    entry(&f, 0)->flags = GTF_permit_access; /* its domain is gone for good */
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(f.core.unpins, 2);
    assert_int_equal(rebind(&f, f.at, PEER), 0);
    assert_int_equal(rebind(&f, f.at, PEER), -BLANKET_EINVAL);
    /* What its user had is gone, and its next generation goes through. */
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 3), -BLANKET_ESTALE);
    use(&f, 2, PEER);
    core_fini(&f.core);
    assert_int_equal(entry(&f, 0)->flags, 0);
}

static void another_peer_comes_instead(void **state)
{
    static struct fixture f;
    uint64_t other;

    (void)state;
    init(&f);
    use(&f, 1, PEER);
    lose(&f);
    other = add(&f, PEER + 1);
    assert_int_equal(rebind(&f, other, PEER + 1), -BLANKET_EBUSY);
    entry(&f, 0)->flags = GTF_permit_access;
    assert_int_equal(core_work(&f.core, 10), 0);
    assert_int_equal(rebind(&f, other, PEER + 1), 0);
    blanket_xen_native_remove(&f.native, f.at);
    f.at = other;
    f.place = blanket_xen_native_find(&f.native, other);
    use(&f, 2, PEER + 1);
    core_fini(&f.core);
    assert_int_equal(entry(&f, 0)->flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_peer_comes_back),
        cmocka_unit_test(another_peer_comes_instead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
