/* SPDX-License-Identifier: MIT */
/* The provider's event channels. */
#include "root_fixture.h"

#define FRONT0 0
#define BACK0 1
#define FRONT1 2
#define BACK1 3

static int setup_endpoint(void **state)
{
    static struct fixture f;

    fixture_init(&f, &fixture_limits, BLANKET_ROOT_SCOPE_ENDPOINT);
    *state = &f;
    return 0;
}

static int setup_domid(void **state)
{
    static struct fixture f;

    fixture_init(&f, &fixture_limits, BLANKET_ROOT_SCOPE_DOMID);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini((struct fixture *)*state);
    return 0;
}

static int alloc(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation,
                 uint32_t *number)
{
    return fixture_slot(f, endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_ITEM_PORT, index,
                        generation, number);
}

static int close_port(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation)
{
    return fixture_slot(f, endpoint, BLANKET_VERB_EVTCHN_CLOSE, BLANKET_ITEM_PORT, index,
                        generation, NULL);
}

static uint32_t status_of(struct fixture *f, uint64_t endpoint, uint32_t index, uint32_t generation)
{
    uint32_t value = 99;

    assert_int_equal(fixture_slot(f, endpoint, BLANKET_VERB_EVTCHN_STATUS, BLANKET_ITEM_PORT, index,
                                  generation, &value),
                     0);
    return value;
}

static void test_bind_and_send(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t number;

    assert_int_equal(alloc(f, front, 2, 1, &number), 0);
    assert_true(number != 0);
    assert_int_equal(status_of(f, front, 2, 1), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(fixture_send(f, front, 2, 1), -BLANKET_ENOTCONN);

    assert_int_equal(fixture_bind(f, back, 5, 1, number), 0);
    assert_int_equal(status_of(f, front, 2, 1), BLANKET_PORT_STATE_INTERDOMAIN);
    assert_int_equal(status_of(f, back, 5, 1), BLANKET_PORT_STATE_INTERDOMAIN);
    /* The binder is told to look, for what the other side may have sent before. */
    assert_int_equal(f->events[BACK0].by_number[205], 1);
    assert_int_equal(f->events[FRONT0].count, 0);

    assert_int_equal(fixture_send(f, front, 2, 1), 0);
    assert_int_equal(f->events[BACK0].by_number[205], 2);
    assert_int_equal(fixture_send(f, back, 5, 1), 0);
    assert_int_equal(f->events[FRONT0].by_number[102], 1);
    assert_int_equal(f->events[BACK0].count, 2);
    assert_int_equal(f->events[FRONT0].count, 1);
    assert_int_equal(f->events[FRONT1].count + f->events[BACK1].count, 0);
    /* Bound once. */
    assert_int_equal(fixture_bind(f, back, 6, 1, number), -BLANKET_ENOENT);
}

static void test_send_batch(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t items[4];
    uint64_t results[4];
    uint32_t number;
    uint32_t i;

    for (i = 0; i < 4; i++) {
        assert_int_equal(alloc(f, f->front[0].endpoint, i, 1, &number), 0);
        assert_int_equal(fixture_bind(f, f->back[0].endpoint, 7 - i, 1, number), 0);
        items[i] = blanket_item_slot(BLANKET_ITEM_PORT, i, 1);
    }
    items[2] = blanket_item_slot(BLANKET_ITEM_PORT, 2, 2);
    assert_int_equal(
        fixture_batch(f, f->front[0].endpoint, BLANKET_VERB_EVTCHN_SEND, items, 1, 4, results), 0);
    assert_int_equal(blanket_result_status(results[0]), 0);
    assert_int_equal(blanket_result_status(results[2]), -BLANKET_ENOENT);
    assert_int_equal(f->events[BACK0].by_number[207], 2);
    assert_int_equal(f->events[BACK0].by_number[205], 1);
    assert_int_equal(f->events[BACK0].by_number[204], 2);
}

/* More events in one call than are told at a time. */
static void test_many_events(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_end front;
    struct blanket_root_end back;
    uint64_t items[40];
    uint64_t results[40];
    uint32_t number;
    uint32_t i;

    device.type = "vif";
    device.ports = 16;
    assert_int_equal(blanket_root_device_remove(f->root, f->front[1].endpoint), 0);
    assert_int_equal(blanket_root_device_add(f->root, &device, &f->sinks[FRONT1], 300,
                                             &f->sinks[BACK1], 1000, &front, &back),
                     0);
    for (i = 0; i < 16; i++) {
        assert_int_equal(alloc(f, front.endpoint, i, 1, &number), 0);
        assert_int_equal(fixture_bind(f, back.endpoint, i, 1, number), 0);
    }
    for (i = 0; i < 40; i++) {
        items[i] = blanket_item_slot(BLANKET_ITEM_PORT, i % 16, 1);
    }
    memset(&f->events[BACK1], 0, sizeof(f->events[BACK1]));
    assert_int_equal(
        fixture_batch(f, front.endpoint, BLANKET_VERB_EVTCHN_SEND, items, 1, 40, results), 0);
    for (i = 0; i < 16; i++) {
        assert_int_equal(f->events[BACK1].by_number[1000 + i], 1);
    }
}

static void test_close(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t number;

    assert_int_equal(alloc(f, front, 0, 1, &number), 0);
    assert_int_equal(fixture_bind(f, back, 0, 1, number), 0);
    assert_int_equal(close_port(f, back, 0, 1), 0);
    assert_int_equal(close_port(f, back, 0, 1), 0);
    /* The other side is unbound again, and knows. */
    assert_int_equal(f->events[FRONT0].by_number[100], 1);
    assert_int_equal(status_of(f, back, 0, 1), BLANKET_PORT_STATE_CLOSED);
    assert_int_equal(status_of(f, front, 0, 1), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(fixture_send(f, front, 0, 1), -BLANKET_ENOTCONN);
    assert_int_equal(fixture_send(f, back, 0, 1), -BLANKET_ENOENT);
    /* It can be bound again, by the same number. */
    assert_int_equal(fixture_bind(f, back, 0, 2, number), 0);
    assert_int_equal(fixture_send(f, front, 0, 1), 0);
    assert_int_equal(close_port(f, front, 0, 1), 0);
    assert_int_equal(status_of(f, back, 0, 2), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(fixture_bind(f, back, 1, 1, number), -BLANKET_ENOENT);
    assert_int_equal(close_port(f, back, 0, 2), 0);
}

static void test_generations(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t number;

    assert_int_equal(alloc(f, front, 0, 2, &number), 0);
    assert_int_equal(alloc(f, front, 0, 2, NULL), -BLANKET_EEXIST);
    assert_int_equal(alloc(f, front, 0, 3, NULL), -BLANKET_EEXIST);
    assert_int_equal(alloc(f, front, 0, 1, NULL), -BLANKET_ESTALE);
    assert_int_equal(close_port(f, front, 0, 1), 0);
    assert_int_equal(status_of(f, front, 0, 2), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(status_of(f, front, 0, 1), BLANKET_PORT_STATE_CLOSED);
    assert_int_equal(close_port(f, back, 0, 5), 0);
    assert_int_equal(fixture_bind(f, back, 0, 5, number), -BLANKET_ESTALE);
    assert_int_equal(status_of(f, front, 0, 2), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(fixture_bind(f, back, 0, 6, number), 0);
    assert_int_equal(fixture_bind(f, back, 0, 7, number), -BLANKET_EEXIST);
    assert_int_equal(fixture_send(f, back, 0, 5), -BLANKET_ENOENT);
}

static void test_bad_input(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    uint64_t items[2];
    uint32_t number;
    uint32_t value;

    assert_int_equal(alloc(f, front, 0, 1, &number), 0);
    assert_int_equal(alloc(f, front, 8, 1, &value), -BLANKET_ENOSPC);
    assert_int_equal(value, BLANKET_QUOTA_PORTS);
    assert_int_equal(alloc(f, front, 1, 0, NULL), -BLANKET_EINVAL);
    assert_int_equal(fixture_bind(f, back, 8, 1, number), -BLANKET_ENOSPC);
    assert_int_equal(fixture_bind(f, back, 0, 1, 0), -BLANKET_ENOENT);
    assert_int_equal(fixture_bind(f, back, 0, 1, number + 1), -BLANKET_ENOENT);
    assert_int_equal(fixture_bind(f, back, 0, 1, UINT32_MAX), -BLANKET_ENOENT);
    items[0] = port;
    items[1] = blanket_item(BLANKET_ITEM_PEER_PORT, 0, 1ull << 32 | number);
    assert_int_equal(fixture_call(f, back, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2, NULL),
                     -BLANKET_ENOENT);
    items[1] = blanket_item(BLANKET_ITEM_PEER_REF, 0, number);
    assert_int_equal(fixture_call(f, back, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2, NULL),
                     -BLANKET_EINVAL);
    items[1] = blanket_item(BLANKET_ITEM_PEER_PORT, 1, number);
    assert_int_equal(fixture_call(f, back, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2, NULL),
                     -BLANKET_EINVAL);
    assert_int_equal(close_port(f, back, 8, 1), -BLANKET_ENOENT);
    assert_int_equal(
        fixture_slot(f, back, BLANKET_VERB_EVTCHN_STATUS, BLANKET_ITEM_PORT, 8, 1, NULL),
        -BLANKET_ENOENT);
    assert_int_equal(
        fixture_slot(f, back, BLANKET_VERB_EVTCHN_STATUS, BLANKET_ITEM_GRANT, 0, 1, NULL),
        -BLANKET_EINVAL);
    assert_int_equal(fixture_send(f, front, 8, 1), -BLANKET_ENOENT);
    assert_int_equal(f->below.ops->send(f->below.context, 0, front, 0), -BLANKET_EINVAL);
    assert_int_equal(f->below.ops->send(f->below.context, 0, 0, port), -BLANKET_EPERM);
    /* None of it used anything up. */
    assert_int_equal(fixture_bind(f, back, 0, 1, number), 0);
}

static void test_siblings_isolated(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint32_t number;
    uint32_t i;

    assert_int_equal(alloc(f, f->front[0].endpoint, 0, 1, &number), 0);
    for (i = 0; i < 64; i++) {
        assert_int_equal(fixture_bind(f, f->back[1].endpoint, 0, 1, i), -BLANKET_ENOENT);
    }
    assert_int_equal(alloc(f, f->front[1].endpoint, 0, 1, &i), 0);
    assert_int_equal(i, number);
    assert_int_equal(fixture_bind(f, f->back[1].endpoint, 0, 1, number), 0);
    assert_int_equal(fixture_send(f, f->back[1].endpoint, 0, 1), 0);
    assert_int_equal(f->events[FRONT1].by_number[300], 1);
    assert_int_equal(f->events[FRONT0].count, 0);
}

static void test_siblings_shared(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint32_t number;

    assert_int_equal(alloc(f, f->front[0].endpoint, 0, 1, &number), 0);
    assert_int_equal(fixture_bind(f, f->back[1].endpoint, 0, 1, number), 0);
    assert_int_equal(fixture_send(f, f->back[1].endpoint, 0, 1), 0);
    assert_int_equal(f->events[FRONT0].by_number[100], 1);
    assert_int_equal(fixture_bind(f, f->back[0].endpoint, 0, 1, number), -BLANKET_ENOENT);
    /* Removing the stolen port's device leaves the thief unbound, not dangling. */
    assert_int_equal(blanket_root_device_remove(f->root, f->front[0].endpoint), 0);
    assert_int_equal(status_of(f, f->back[1].endpoint, 0, 1), BLANKET_PORT_STATE_UNBOUND);
    assert_int_equal(fixture_send(f, f->back[1].endpoint, 0, 1), -BLANKET_ENOTCONN);
}

/* What a sink may do: call back in, as the lock isn't held. */
struct answering {
    struct fixture *f;
    uint32_t count;
};

static void answer(void *context, uint32_t number)
{
    struct answering *answering = (struct answering *)context;

    assert_int_equal(number, 10);
    if (answering->count++ < 3) {
        assert_int_equal(fixture_send(answering->f, answering->f->back[0].endpoint, 0, 1), 0);
    }
}

static void test_sink_calls_back(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct answering answering = {f, 0};
    struct blanket_root_sink sink = {answer, &answering};
    uint32_t number;

    assert_int_equal(blanket_root_device_remove(f->root, f->back[0].endpoint), 0);
    assert_int_equal(blanket_root_device_add(f->root, &fixture_device, NULL, 0, &sink, 10,
                                             &f->front[0], &f->back[0]),
                     0);
    assert_int_equal(alloc(f, f->front[0].endpoint, 0, 1, &number), 0);
    answering.count =
        3; /* the event of binding itself isn't answered: nothing is bound yet above */
    assert_int_equal(fixture_bind(f, f->back[0].endpoint, 0, 1, number), 0);
    answering.count = 0;
    assert_int_equal(fixture_send(f, f->front[0].endpoint, 0, 1), 0);
    assert_int_equal(answering.count, 1);
}

#define both(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_endpoint, teardown),                               \
        cmocka_unit_test_setup_teardown(test, setup_domid, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        both(test_bind_and_send),
        both(test_send_batch),
        both(test_many_events),
        both(test_close),
        both(test_generations),
        both(test_bad_input),
        cmocka_unit_test_setup_teardown(test_siblings_isolated, setup_endpoint, teardown),
        cmocka_unit_test_setup_teardown(test_siblings_shared, setup_domid, teardown),
        both(test_sink_calls_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
