/* SPDX-License-Identifier: MIT */
/* The native `xen` below, over a fake Xen: its grant table in memory, its event channels in an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/port/xen.h>

#include "native.h"

#define GRANTS 64u
#define PORTS 32u
#define ENDPOINTS 3u
#define FAKE_PORTS 16u
#define PEER 5u
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

struct fake {
    struct blanket_xen_native native;
    grant_entry_v1_t table[GRANTS];
    struct blanket_xen_native_endpoint endpoints[ENDPOINTS];
    struct blanket_xen_native_slot grants[GRANTS], ports[PORTS];
    uint32_t routes[BLANKET_XEN_PORTS_BELOW];
    int locked;
    /* The fake hypervisor's. */
    uint8_t open[FAKE_PORTS];   /* EVTCHNSTAT_* */
    uint16_t remote[FAKE_PORTS];
    uint8_t unmasked[FAKE_PORTS];
    uint32_t sent[FAKE_PORTS];
    uint32_t first_port; /* the number of its port 0 */
    long refuses;        /* if not 0: of every operation but close */
};

static long allocate(struct fake *f, domid_t remote, uint8_t state, uint32_t *port)
{
    for (uint32_t i = 1; i < FAKE_PORTS; i++) {
        if (f->open[i] == EVTCHNSTAT_closed) {
            f->open[i] = state;
            f->remote[i] = remote;
            f->unmasked[i] = 0;
            *port = f->first_port + i;
            return 0;
        }
    }
    return -BLANKET_ENOSPC;
}

static long on_port(struct fake *f, unsigned command, uint32_t port, uint32_t *status)
{
    port -= f->first_port;
    if (port >= FAKE_PORTS || (f->open[port] == EVTCHNSTAT_closed && command != EVTCHNOP_unmask)) {
        return -BLANKET_EINVAL;
    }
    if (command == EVTCHNOP_close) {
        f->open[port] = EVTCHNSTAT_closed;
    } else if (command == EVTCHNOP_send) {
        f->sent[port]++;
    } else if (command == EVTCHNOP_unmask) {
        /* An event must find its way at once: the route is there before the mask goes. */
        assert_int_not_equal(f->routes[f->first_port + port], 0);
        f->unmasked[port] = 1;
    } else {
        *status = f->open[port];
    }
    return 0;
}

static long event_channel(void *context, unsigned command, void *argument)
{
    struct fake *f = context;

    assert_true(f->locked);
    if (f->refuses != 0 && command != EVTCHNOP_close) {
        return f->refuses;
    }
    if (command == EVTCHNOP_alloc_unbound) {
        struct evtchn_alloc_unbound *alloc = argument;

        assert_int_equal(alloc->dom, DOMID_SELF);
        return allocate(f, alloc->remote_dom, EVTCHNSTAT_unbound, &alloc->port);
    }
    if (command == EVTCHNOP_bind_interdomain) {
        struct evtchn_bind_interdomain *bind = argument;

        return bind->remote_port == 77 ? allocate(f, bind->remote_dom, EVTCHNSTAT_interdomain,
                                                  &bind->local_port)
                                       : -BLANKET_EINVAL;
    }
    if (command == EVTCHNOP_status) {
        struct evtchn_status *status = argument;

        return on_port(f, command, status->port, &status->status);
    }
    /* close, send and unmask all begin with the port, and have nothing else */
    return on_port(f, command, *(evtchn_port_t *)argument, NULL);
}

static void lock(void *context)
{
    struct fake *f = context;

    assert_int_equal(f->locked++, 0);
}

static void unlock(void *context)
{
    struct fake *f = context;

    assert_int_equal(--f->locked, 0);
}

static int setup(void **state)
{
    static const struct blanket_xen_native_ops ops = { event_channel, lock, unlock };
    static struct fake f;

    memset(&f, 0, sizeof(f));
    f.native = (struct blanket_xen_native){
        .ops = &ops, .context = &f, .table = f.table, .endpoints = f.endpoints,
        .grants = f.grants, .ports = f.ports, .routes = f.routes,
        .endpoint_count = ENDPOINTS, .grant_count = GRANTS, .port_count = PORTS,
    };
    *state = &f;
    return 0;
}

/* One element; the result's status, *value. */
static int ask(struct fake *f, uint64_t endpoint, uint16_t verb, uint64_t first, uint64_t second,
               uint32_t *value)
{
    struct blanket_below below = blanket_xen_native_below(&f->native);
    uint64_t items[2] = { first, second }, result = 0;
    struct blanket_call call;
    int rc;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.element_count = 1;
    call.element_items = second != 0 ? 2 : 1;
    call.endpoint = endpoint;
    call.items = items;
    call.results = &result;
    rc = below.ops->call(below.context, &call);
    assert_int_equal(f->locked, 0);
    if (rc != 0) {
        return rc;
    }
    assert_int_equal(call.done, 1);
    if (value) {
        *value = blanket_result_value(result);
    }
    return blanket_result_status(result);
}

static uint64_t add(struct fake *f, uint32_t peer, uint32_t grants, uint32_t ports)
{
    uint64_t endpoint = 0;
    uint32_t quota = 0;

    assert_int_equal(blanket_xen_native_add(&f->native, peer, grants, ports, &endpoint, &quota), 0);
    return endpoint;
}

static uint64_t grant(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);
}

static uint64_t port(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
}

static uint64_t frame(uint64_t number, unsigned access)
{
    return blanket_item(BLANKET_ITEM_FRAME, access, number);
}

static void test_grant(void **state)
{
    struct fake *f = *state;
    uint64_t e = add(f, PEER, 8, 0);
    uint32_t base = blanket_xen_native_find(&f->native, e)->grant_first, value = 0;
    grant_entry_v1_t *entry = &f->table[base + 3];

    assert_true(base >= BLANKET_XEN_GRANTS_RESERVED);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(3, 1), frame(0x1234, RW), NULL), 0);
    assert_int_equal(entry->flags, GTF_permit_access);
    assert_int_equal(entry->domid, PEER);
    assert_int_equal(entry->frame, 0x1234);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(3, 2), frame(1, RW), NULL),
                     -BLANKET_EEXIST);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(8, 1), frame(1, RW), &value),
                     -BLANKET_ENOSPC);
    assert_int_equal(value, BLANKET_QUOTA_GRANTS);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(4, 1), frame(1ull << 32, RW), NULL),
                     -BLANKET_EINVAL);
    assert_int_equal(f->table[base + 4].flags, 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(4, 1),
                         frame(9, BLANKET_ACCESS_READ), NULL),
                     0);
    assert_int_equal(f->table[base + 4].flags, GTF_permit_access | GTF_readonly);

    /* While the peer has it mapped, the entry stays as it is. */
    entry->flags |= GTF_reading | GTF_writing;
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_QUERY, grant(3, 1), 0, &value), 0);
    assert_int_equal(value, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_END_ACCESS, grant(3, 1), 0, NULL),
                     -BLANKET_EBUSY);
    assert_int_equal(entry->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(3, 2), frame(1, RW), NULL),
                     -BLANKET_EBUSY);
    entry->flags = GTF_permit_access;
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_END_ACCESS, grant(3, 1), 0, NULL), 0);
    assert_int_equal(entry->flags, 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_END_ACCESS, grant(3, 1), 0, NULL), 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(3, 1), frame(1, RW), &value),
                     -BLANKET_ESTALE);
    assert_int_equal(value, 1);
}

static void test_tombstone(void **state)
{
    struct fake *f = *state;
    uint64_t e = add(f, PEER, 8, 8);

    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_END_ACCESS, grant(0, 7), 0, NULL), 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_ACCESS, grant(0, 7), frame(1, RW), NULL),
                     -BLANKET_ESTALE);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_CLOSE, port(0, 7), 0, NULL), 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port(0, 6), 0, NULL),
                     -BLANKET_ESTALE);
}

static void test_channel(void **state)
{
    struct fake *f = *state;
    uint64_t other = add(f, 9, 0, 8), e = add(f, PEER, 0, 8);
    struct blanket_below below = blanket_xen_native_below(&f->native);
    uint32_t first = blanket_xen_native_find(&f->native, e)->port_first, below_port = 0, number = 0;

    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port(2, 1), 0, &below_port), 0);
    assert_int_equal(f->remote[below_port], PEER);
    assert_int_equal(f->unmasked[below_port], 1);
    assert_int_equal(blanket_xen_native_route(&f->native, below_port, &number), 0);
    assert_int_equal(number, first + 2);
    assert_int_equal(blanket_xen_native_port(&f->native, e, port(2, 1), &number), 0);
    assert_int_equal(number, below_port);
    assert_int_equal(blanket_xen_native_port(&f->native, e, port(2, 2), &number), -BLANKET_ENOENT);
    assert_int_equal(blanket_xen_native_port(&f->native, other, port(2, 1), &number),
                     -BLANKET_ENOENT);
    assert_int_equal(below.ops->send(below.context, 0, e, port(2, 1)), 0);
    assert_int_equal(below.ops->send(below.context, 0, e, port(2, 2)), -BLANKET_ENOENT);
    assert_int_equal(below.ops->send(below.context, 0, other, port(2, 1)), -BLANKET_ENOENT);
    assert_int_equal(f->sent[below_port], 1);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_STATUS, port(2, 1), 0, &number), 0);
    assert_int_equal(number, BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_CLOSE, port(2, 1), 0, NULL), 0);
    assert_int_equal(f->open[below_port], EVTCHNSTAT_closed);
    assert_int_equal(blanket_xen_native_route(&f->native, below_port, &number), -BLANKET_ENOENT);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_CLOSE, port(2, 1), 0, NULL), 0);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, port(3, 1),
                         blanket_item(BLANKET_ITEM_PEER_PORT, 0, 78), NULL),
                     -BLANKET_ENOENT);
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, port(3, 1),
                         blanket_item(BLANKET_ITEM_PEER_PORT, 0, 77), NULL),
                     0);
}

static void test_refused_below(void **state)
{
    struct fake *f = *state;
    uint64_t e = add(f, PEER, 0, 8);
    static const struct {
        long native;
        int status;
    } answers[] = { { -1, -BLANKET_EPERM },
                    { -13, -BLANKET_EPERM },
                    { -3, -BLANKET_ENOTCONN },
                    { -28, -BLANKET_ENOSPC },
                    { -22, -BLANKET_ENOENT } };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        f->refuses = answers[i].native;
        assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port(0, 1), 0, NULL),
                         answers[i].status);
        assert_int_equal(f->ports[0].generation, 0); /* nothing was done */
    }
    f->refuses = 0;
    f->first_port = BLANKET_XEN_PORTS_BELOW; /* more than this Xen's upcall looks at */
    assert_int_equal(ask(f, e, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port(0, 1), 0, NULL),
                     -BLANKET_ENOSPC);
    for (uint32_t i = 0; i < FAKE_PORTS; i++) {
        assert_int_equal(f->open[i], EVTCHNSTAT_closed);
    }
}

static void test_rooms(void **state)
{
    struct fake *f = *state;
    uint64_t a = add(f, PEER, 24, 8), b = add(f, 6, 32, 8), c;
    uint32_t quota = 0;

    assert_int_equal(blanket_xen_native_minted(&f->native), 56);
    assert_int_equal(blanket_xen_native_add(&f->native, 7, 8, 8, &c, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_GRANTS);
    assert_int_equal(blanket_xen_native_add(&f->native, 7, 0, 24, &c, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_PORTS);
    blanket_xen_native_remove(&f->native, a);
    c = add(f, 7, 16, 16);
    assert_int_equal(blanket_xen_native_find(&f->native, c)->grant_first,
                     BLANKET_XEN_GRANTS_RESERVED);
    assert_true(c != a);
    assert_null(blanket_xen_native_find(&f->native, a));
    assert_int_equal(ask(f, a, BLANKET_VERB_GRANT_ACCESS, grant(0, 1), frame(1, RW), NULL),
                     -BLANKET_EPERM);
    assert_int_equal(ask(f, b, BLANKET_VERB_GRANT_ACCESS, grant(0, 1), frame(1, RW), NULL), 0);
    add(f, 8, 0, 0);
    assert_int_equal(blanket_xen_native_add(&f->native, 9, 0, 0, &c, &quota), -BLANKET_ENOSPC);
    assert_int_equal(quota, BLANKET_QUOTA_ENDPOINTS);
}

static void test_not_served(void **state)
{
    struct fake *f = *state;
    uint64_t e = add(f, PEER, 8, 8), alone = add(f, BLANKET_XEN_NO_PEER, 8, 8);
    uint64_t mapping = blanket_item_slot(BLANKET_ITEM_MAPPING, 0, 1);

    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_MAP, mapping, 0, NULL), -BLANKET_EOPNOTSUPP);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_UNMAP, mapping, 0, NULL), -BLANKET_EOPNOTSUPP);
    assert_int_equal(ask(f, e, BLANKET_VERB_GRANT_COPY, mapping, 0, NULL), -BLANKET_EOPNOTSUPP);
    assert_int_equal(ask(f, e, BLANKET_VERB_STORE_CONNECT, port(0, 1), 0, NULL), -BLANKET_ENOSYS);
    assert_int_equal(ask(f, alone, BLANKET_VERB_GRANT_ACCESS, grant(0, 1), frame(1, RW), NULL),
                     -BLANKET_EOPNOTSUPP);
    assert_int_equal(ask(f, alone, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port(0, 1), 0, NULL),
                     -BLANKET_EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_grant, setup),
        cmocka_unit_test_setup(test_tombstone, setup),
        cmocka_unit_test_setup(test_channel, setup),
        cmocka_unit_test_setup(test_refused_below, setup),
        cmocka_unit_test_setup(test_rooms, setup),
        cmocka_unit_test_setup(test_not_served, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
