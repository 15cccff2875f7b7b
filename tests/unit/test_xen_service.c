/* SPDX-License-Identifier: MIT */
/* The store's queues of an L1 Xen, between a caller that may do anything and a broker that may die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "service.h"
#include "xenbus.h"

#define VIEWS 3u
#define PORTS 8u
#define EVENT_FIRST 40u
#define NOT_OURS 99u

struct fake {
    struct blanket_xen_service service;
    struct blanket_xen_store_view views[VIEWS];
    struct blanket_xen_frame frame;
    struct blanket_xen_reply reply;
    uint8_t received[BLANKET_PAYLOAD_SIZE_MAX];
    uint16_t received_size;
    int locked;
    uint32_t raised, last_raised, woken, settled;
    uint32_t number;
};

static void lock(void *context)
{
    assert_int_equal(((struct fake *)context)->locked++, 0);
}

static void unlock(void *context)
{
    assert_int_equal(--((struct fake *)context)->locked, 0);
}

static void raise_event(void *context, uint32_t number)
{
    struct fake *f = context;

    assert_int_equal(f->locked, 0);
    f->raised++;
    f->last_raised = number;
}

static void wake(void *context)
{
    assert_int_equal(((struct fake *)context)->locked, 0);
    ((struct fake *)context)->woken++;
}

static void settled(void *context)
{
    ((struct fake *)context)->settled++;
}

static int port_number(void *context, uint64_t endpoint, uint64_t port, uint32_t *number)
{
    struct fake *f = context;

    assert_int_equal(endpoint, 5);
    *number = f->number;
    return blanket_item_index(port) == 2 ? 0 : -BLANKET_ENOENT;
}

static int setup(void **state)
{
    static const struct blanket_xen_service_ops ops = { lock, unlock, raise_event,
                                                        wake, settled, port_number };
    static struct fake f;

    memset(&f, 0, sizeof(f));
    f.service = (struct blanket_xen_service){
        .ops = &ops, .context = &f, .views = f.views, .view_count = VIEWS,
    };
    *state = &f;
    return 0;
}

static void free_views(struct fake *f)
{
    void *memory;

    while ((memory = blanket_xen_service_reap(&f->service)) != NULL) {
        free(memory);
    }
}

static int teardown(void **state)
{
    struct fake *f = *state;

    blanket_xen_service_broker(&f->service, 0);
    for (uint32_t i = 0; i < VIEWS; i++) {
        if (f->views[i].state == BLANKET_XEN_VIEW_LIVE) {
            blanket_xen_service_remove(&f->service, blanket_handle(i, f->views[i].generation));
        }
    }
    free_views(f);
    for (uint32_t i = 0; i < VIEWS; i++) {
        assert_null(f->views[i].memory);
    }
    return 0;
}

static uint64_t add(struct fake *f, uint32_t connections, uint32_t requests)
{
    struct blanket_xen_view spec = { .ports = PORTS, .connections = connections,
                                     .requests = requests, .frontend = "/a/path" };
    uint64_t view = 0;
    void *memory = calloc(1, blanket_xen_service_view_size(&spec));

    assert_int_equal(blanket_xen_service_add(&f->service, &spec, 5, EVENT_FIRST, memory, &view), 0);
    return view;
}

static uint64_t port(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
}

static int ask(struct fake *f, uint64_t view, uint16_t verb, uint64_t first, uint32_t *value)
{
    struct blanket_below below = blanket_xen_service_below(&f->service);
    uint64_t items[5] = { first, 0, 0, 0, port(2, 1) }, result = 0;
    struct blanket_call call;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.element_count = 1;
    call.element_items = verb == BLANKET_VERB_STORE_WRITE_PORT ? 5
                         : verb == BLANKET_VERB_STORE_READ     ? 4
                                                               : 1;
    call.endpoint = view;
    call.items = items;
    call.results = &result;
    call.payload = (const uint8_t *)"path";
    call.payload_size = verb == BLANKET_VERB_STORE_READ ? 5 : 0;
    call.reply = f->received;
    call.reply_max = sizeof(f->received);
    assert_int_equal(below.ops->call(below.context, &call), 0);
    assert_int_equal(call.done, 1);
    f->received_size = call.reply_size;
    if (value) {
        *value = blanket_result_value(result);
    }
    return blanket_result_status(result);
}

static void expect_frame(struct fake *f, uint16_t kind)
{
    assert_int_equal(blanket_xen_service_next(&f->service, &f->frame), 0);
    assert_int_equal(f->frame.kind, kind);
}

static int answer(struct fake *f, uint64_t view, uint64_t to, uint32_t type, uint32_t body)
{
    struct xsd_sockmsg header = { .type = type, .len = body };

    memset(&f->reply, 'x', sizeof(f->reply));
    f->reply.view = view;
    f->reply.port = to;
    f->reply.size = (uint32_t)sizeof(header) + body;
    memcpy(f->reply.message, &header, sizeof(header));
    return blanket_xen_service_reply(&f->service, &f->reply);
}

static void test_conversation(void **state)
{
    struct fake *f = *state;
    uint64_t view = add(f, 2, 4);
    uint32_t value = NOT_OURS;

    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 1), NULL),
                     -BLANKET_ENOTCONN);
    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(1, 1), &value), 0);
    assert_int_equal(value, 0);
    expect_frame(f, BLANKET_XEN_FRAME_VIEW);
    assert_int_equal(f->frame.payload_size, sizeof(struct blanket_xen_view));
    expect_frame(f, BLANKET_XEN_FRAME_CONNECT);
    assert_int_equal(f->frame.items[0], port(1, 1));
    expect_frame(f, BLANKET_XEN_FRAME_CALL);
    assert_int_equal(f->frame.view, view);
    assert_int_equal(f->frame.verb, BLANKET_VERB_STORE_READ);
    assert_int_equal(f->frame.item_count, 4);
    assert_string_equal((const char *)f->frame.payload, "path");
    assert_int_equal(blanket_xen_service_next(&f->service, &f->frame), -BLANKET_ENOENT);
    assert_int_equal(answer(f, view, port(1, 1), XS_READ, 3), 0);
    assert_int_equal(f->last_raised, EVENT_FIRST + 1);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_RECEIVE, port(1, 1), &value), 0);
    assert_int_equal(f->received_size, sizeof(struct xsd_sockmsg) + 3);
    assert_int_equal(value, 0);

    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(1, 1), NULL),
                     -BLANKET_EBUSY);
    assert_int_equal(answer(f, view, port(1, 1), XS_READ, 3), -BLANKET_ENOENT);
    expect_frame(f, BLANKET_XEN_FRAME_DISCONNECT);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 2), NULL), -BLANKET_EBUSY);
    assert_int_equal(blanket_xen_service_closed(&f->service, view, port(1, 2)), -BLANKET_ENOENT);
    assert_int_equal(blanket_xen_service_closed(&f->service, view, port(1, 1)), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(1, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 1), &value),
                     -BLANKET_ESTALE);
    assert_int_equal(value, 1);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 2), NULL), 0);
}

static void test_bounds(void **state)
{
    struct fake *f = *state;
    uint64_t view = add(f, 1, 2), other = add(f, 1, 2);
    uint32_t value = 0;

    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(0, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(1, 1), &value),
                     -BLANKET_ENOSPC);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(PORTS, 1), NULL),
                     -BLANKET_EINVAL);
    assert_int_equal(ask(f, other, BLANKET_VERB_STORE_READ, port(0, 1), NULL), -BLANKET_ENOENT);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), &value), -BLANKET_ENOSPC);
    assert_int_equal(value, BLANKET_QUOTA_STORE_REQUESTS);
    /* A watch's event answers nothing; a reply does. */
    assert_int_equal(answer(f, view, port(0, 1), XS_WATCH_EVENT, 4), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), -BLANKET_ENOSPC);
    assert_int_equal(answer(f, view, port(0, 1), XS_READ, 4), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    /* Two of the largest don't fit beside what is there; the caller's RECEIVE wakes the broker. */
    assert_int_equal(answer(f, view, port(0, 1), XS_READ, 4096), 0);
    assert_int_equal(answer(f, view, port(0, 1), XS_READ, 4096), 0);
    assert_int_equal(answer(f, view, port(0, 1), XS_WATCH_EVENT, 4096), -BLANKET_EAGAIN);
    f->woken = 0;
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_RECEIVE, port(0, 1), &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(f->woken, 1);
    f->reply.size--;
    assert_int_equal(blanket_xen_service_reply(&f->service, &f->reply), -BLANKET_EINVAL);
}

static void test_broker_dies(void **state)
{
    struct fake *f = *state;
    uint64_t view = add(f, 2, 4), gone = add(f, 1, 1);
    struct blanket_xen_view spec;

    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(0, 1), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(3, 1), NULL), 0);
    while (blanket_xen_service_next(&f->service, &f->frame) == 0) {
    }
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(3, 1), NULL),
                     -BLANKET_EBUSY);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    blanket_xen_service_remove(&f->service, gone);
    assert_null(blanket_xen_service_reap(&f->service)); /* the broker still has it */
    f->raised = 0;
    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(f->raised, 1);
    assert_int_equal(f->last_raised, EVENT_FIRST);
    free_views(f);
    assert_null(f->views[1].memory);
    /* What was closing is the new one's to close, what was open is lost, and says so until it's connected
     * anew. */
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(3, 1), NULL),
                     -BLANKET_EBUSY);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_RECEIVE, port(0, 1), NULL), -BLANKET_ENOTCONN);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_READ, port(0, 1), NULL), -BLANKET_ENOTCONN);
    assert_int_equal(answer(f, view, port(0, 1), XS_READ, 1), -BLANKET_ENOENT);
    expect_frame(f, BLANKET_XEN_FRAME_VIEW);
    memcpy(&spec, f->frame.payload, sizeof(spec));
    assert_int_equal(spec.flags, BLANKET_XEN_VIEW_USED);
    expect_frame(f, BLANKET_XEN_FRAME_DISCONNECT);
    assert_int_equal(f->frame.items[0], port(3, 1));
    assert_int_equal(blanket_xen_service_next(&f->service, &f->frame), -BLANKET_ENOENT);
    assert_int_equal(blanket_xen_service_closed(&f->service, view, port(3, 1)), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(3, 1), NULL), 0);
    /* A caller that goes on connects first: so the device isn't left. What it had is taken leave of. */
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(3, 2), NULL), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(0, 1), NULL),
                     -BLANKET_EBUSY);
    expect_frame(f, BLANKET_XEN_FRAME_CONNECT);
    expect_frame(f, BLANKET_XEN_FRAME_DISCONNECT);
    /* Without a broker it has to wait for one; one that comes is told of by an event. */
    blanket_xen_service_broker(&f->service, 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_DISCONNECT, port(0, 1), NULL),
                     -BLANKET_EBUSY);
    f->raised = 0;
    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(f->raised, 1);
    assert_int_equal(f->last_raised, EVENT_FIRST + 3);
    expect_frame(f, BLANKET_XEN_FRAME_VIEW);
    expect_frame(f, BLANKET_XEN_FRAME_DISCONNECT);
    assert_int_equal(blanket_xen_service_closed(&f->service, view, port(0, 1)), 0);
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_CONNECT, port(0, 2), NULL), 0);
    f->number = 17;
    assert_int_equal(ask(f, view, BLANKET_VERB_STORE_WRITE_PORT, port(0, 2), NULL), 0);
    expect_frame(f, BLANKET_XEN_FRAME_CONNECT);
    expect_frame(f, BLANKET_XEN_FRAME_CALL);
    assert_int_equal(f->frame.number, 17);
}

static void test_turns(void **state)
{
    struct fake *f = *state;
    uint64_t flood = add(f, 1, 8), other = add(f, 1, 8);

    blanket_xen_service_broker(&f->service, 1);
    assert_int_equal(ask(f, flood, BLANKET_VERB_STORE_CONNECT, port(0, 1), NULL), 0);
    assert_int_equal(ask(f, other, BLANKET_VERB_STORE_CONNECT, port(0, 1), NULL), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ask(f, flood, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    }
    assert_int_equal(ask(f, other, BLANKET_VERB_STORE_READ, port(0, 1), NULL), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(blanket_xen_service_next(&f->service, &f->frame), 0);
    }
    assert_int_equal(blanket_xen_service_next(&f->service, &f->frame), 0);
    assert_int_equal(f->frame.view, other);
    assert_int_equal(f->frame.kind, BLANKET_XEN_FRAME_CALL);
}

static void test_bus(void **state)
{
    static struct xenstore_domain_interface ring;
    static struct blanket_xen_bus bus;
    static uint8_t message[BLANKET_XEN_MESSAGE_MAX];
    struct xsd_sockmsg header = { .type = XS_READ, .len = 3000 };
    uint32_t size = 0, taken = 0;

    (void)state;
    memset(&ring, 0, sizeof(ring));
    memset(&bus, 0, sizeof(bus));
    bus.ring = &ring;
    memcpy(message, &header, sizeof(header));
    assert_int_equal(blanket_xen_bus_send(&bus, message, 3015), -BLANKET_EINVAL);
    assert_int_equal(blanket_xen_bus_send(&bus, message, 3016), 0);
    assert_int_equal(blanket_xen_bus_send(&bus, message, 3016), -BLANKET_EAGAIN);
    /* The ring is smaller than the message: it goes as the other side takes it. */
    while (blanket_xen_bus_move(&bus)) {
        assert_true(ring.req_prod - ring.req_cons <= XENSTORE_RING_SIZE);
        taken += ring.req_prod - ring.req_cons;
        ring.req_cons = ring.req_prod;
    }
    assert_int_equal(taken, 3016);
    header.len = 4;
    memcpy(ring.rsp, &header, sizeof(header));
    memcpy(ring.rsp + 16, "body", 4);
    ring.rsp_prod = 18;
    assert_int_equal(blanket_xen_bus_move(&bus), 1);
    assert_int_equal(blanket_xen_bus_receive(&bus, message, &size), -BLANKET_ENOENT);
    ring.rsp_prod = 20;
    assert_int_equal(blanket_xen_bus_move(&bus), 1);
    assert_int_equal(blanket_xen_bus_receive(&bus, message, &size), 0);
    assert_int_equal(size, 20);
    assert_memory_equal(message + 16, "body", 4);
    header.len = 5000;
    memcpy(ring.rsp + 20, &header, sizeof(header));
    ring.rsp_prod = 36;
    assert_int_equal(blanket_xen_bus_move(&bus), 1);
    assert_int_equal(blanket_xen_bus_receive(&bus, message, &size), -BLANKET_EIO);
    assert_int_equal(blanket_xen_bus_move(&bus), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_conversation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broker_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test(test_bus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
