/* SPDX-License-Identifier: MIT */
/* Simulated levels on the door: what a guest on top grants, publishes and signals gets to the fake Xen. */
#define _GNU_SOURCE
#include "door.h"

#include <blanket/port/sim.h>

#define FRONTEND "/local/domain/1/device/vbd/51712"
#define PORTS 8u
#define GRANTS 32u

struct tower {
    struct door door; /* its memory isn't used: the sim's is */
    struct blanket_linux_host_ops ops;
    struct blanket_sim *sim;
    uint32_t node;
    struct blanket_root_sink front;
    struct blanket_guest guest;
    struct blanket_guest_device device;
    struct blanket_guest_store store;
    uint64_t frame[BLANKET_FRAME_SIZE_MAX / 8];
    uint8_t slots[4096];
    uint32_t events[PORTS + BLANKET_CHUNK_SLOTS];
};

static void guest_event(void *context, uint32_t vcpu, uint32_t port)
{
    struct tower *t = (struct tower *)context;

    (void)vcpu;
    assert_true(port < sizeof(t->events) / sizeof(t->events[0]));
    t->events[port]++;
}

static void sim_make(struct tower *t, uint32_t levels)
{
    struct blanket_sim_spec nodes[BLANKET_LEVEL_MAX + 1];
    struct blanket_sim_spec guest = {
        .vcpus = 1,
        .pages = 64,
        .limits = {
            .endpoints = 2, .grants = GRANTS, .ports = PORTS + BLANKET_CHUNK_SLOTS, .vcpus = 1}};
    struct blanket_sim_config config = {.seed = levels, .nodes = nodes};

    config.node_count = blanket_sim_tower(levels, 1, &guest, nodes);
    assert_int_equal(blanket_sim_create(&config, &t->sim), 0);
    t->node = levels;
}

static void device_make(struct tower *t)
{
    struct blanket_linux_device device = door_device("vbd/51712");
    struct blanket_linux_config config = door_config(&t->door);
    struct blanket_sim_device minted = {.name = "vbd/51712", .rights = BLANKET_RIGHTS_ALL};
    struct blanket_linux_sink sink;
    uint64_t handle;

    t->ops.page = blanket_sim_host_ops()->page;
    config.ops = &t->ops;
    config.host = t->sim;
    assert_int_equal(blanket_linux_create(&config, &t->door.linux_door, NULL), 0);
    blanket_sim_provider(t->sim, blanket_linux_below(t->door.linux_door));
    assert_int_equal(blanket_sim_events(t->sim, t->node, PORTS, &t->front, &minted.event_base), 0);
    sink.event = t->front.event;
    sink.context = t->front.context;
    device.grants = GRANTS;
    device.ports = PORTS;
    device.mappings = 0;
    assert_int_equal(blanket_linux_device_add(t->door.linux_door, &device, &sink, minted.event_base,
                                              &t->door.end),
                     0);
    minted.end.endpoint = t->door.end.endpoint;
    minted.end.scope = t->door.end.scope;
    minted.end.grant_base = t->door.end.grant_base;
    minted.end.grants = t->door.end.grants;
    minted.end.ports = t->door.end.ports;
    assert_int_equal(blanket_sim_device(t->sim, t->node, &minted, &handle, NULL), 0);
    assert_int_equal(blanket_sim_event_handler(t->sim, t->node, guest_event, t), 0);
}

static int tower_wait(void *context)
{
    struct tower *t = (struct tower *)context;
    uint32_t port;

    (void)door_process(&t->door, 1000);
    (void)blanket_sim_settle(t->sim);
    for (port = 0; port < sizeof(t->events) / sizeof(t->events[0]); port++) {
        (void)blanket_sim_event_take(t->sim, t->node, port);
    }
    return 0;
}

static void tower_begin(struct tower *t, uint32_t levels)
{
    struct blanket_transport transport;
    struct blanket_wire_endpoint info;

    memset(t, 0, sizeof(*t));
    door_prepare(&t->door);
    fake_device("vbd", 51712);
    sim_make(t, levels);
    device_make(t);
    assert_int_equal(blanket_sim_transport(t->sim, t->node, 0, &transport), 0);
    assert_int_equal(blanket_guest_init(&t->guest, &transport, t->frame), 0);
    assert_int_equal(blanket_guest_lookup(&t->guest, "vbd/51712", &info), 0);
    assert_true(blanket_guest_device_size(&info) <= sizeof(t->slots));
    assert_int_equal(blanket_guest_device_init(&t->device, &t->guest, &info, t->slots, 0), 0);
    assert_int_equal(blanket_guest_store_connect(&t->store, &t->device, tower_wait, t), 0);
}

static void tower_end(struct tower *t)
{
    int i;

    for (i = 0; i < 200 && blanket_guest_store_disconnect(&t->store) != 0; i++) {
        (void)tower_wait(t);
    }
    blanket_sim_finish(t->sim);
    blanket_linux_destroy(t->door.linux_door);
    assert_int_equal(blanket_sim_destroy(t->sim), 0);
    assert_int_equal(fake_shared(), 0);
    assert_int_equal(fake_ports(), 0);
    fake_end();
    munmap(t->door.memory, DOOR_PAGES * FAKE_PAGE);
}

static void share_and_take_back(struct tower *t)
{
    struct blanket_guest_access access = {.page = 0};
    struct blanket_guest_end end = {0};
    char seen[32];
    uint64_t frame;
    char *page;

    assert_int_equal(blanket_sim_page_alloc(t->sim, t->node, 1, &frame), 0);
    page = (char *)blanket_sim_page(t->sim, t->node, frame);
    strcpy(page, "from the top");
    access.page = blanket_item(BLANKET_ITEM_FRAME, 3, frame);
    assert_int_equal(blanket_guest_grant_access(&t->device, &access, 1), 0);
    fake_peer_read(blanket_guest_grant_reference(&t->device, access.grant), seen, sizeof(seen));
    assert_string_equal(seen, "from the top");
    fake_peer_write(blanket_guest_grant_reference(&t->device, access.grant), "from below", 11);
    assert_string_equal(page, "from below");
    fake_peer_map(blanket_guest_grant_reference(&t->device, access.grant));
    end.index = access.grant;
    assert_int_equal(blanket_guest_grant_end(&t->device, &end, 1), -BLANKET_EBUSY);
    fake_peer_unmap(blanket_guest_grant_reference(&t->device, access.grant));
    assert_int_equal(blanket_guest_grant_end(&t->device, &end, 1), 0);
    assert_string_equal(page, "from below");
    assert_int_equal(blanket_sim_page_free(t->sim, t->node, frame), 0);
}

static void connect_and_signal(struct tower *t)
{
    uint32_t port, number;
    uint32_t upcall;
    char text[16];

    assert_int_equal(blanket_guest_port_alloc(&t->device, &port, &number), 0);
    assert_int_equal(
        blanket_guest_store_write_port(&t->store, BLANKET_ROOT_FRONTEND, 0, "event-channel", port),
        0);
    (void)snprintf(text, sizeof(text), "%u", number);
    assert_string_equal(fake_read(FRONTEND "/event-channel"), text);
    fake_peer_bind(number);
    upcall = blanket_guest_port_number(&t->device, port);
    t->events[upcall] = 0;
    fake_peer_notify(number);
    (void)door_process(&t->door, 1000);
    assert_int_equal(t->events[upcall], 1);
    assert_int_equal(blanket_guest_port_send(&t->device, port), 0);
    assert_int_equal(fake_notified(number), 1);
    assert_int_equal(blanket_guest_port_close(&t->device, port), 0);
}

static void through_levels(uint32_t levels)
{
    static struct tower t;

    tower_begin(&t, levels);
    share_and_take_back(&t);
    connect_and_signal(&t);
    tower_end(&t);
}

static void through_one_level(void **state)
{
    (void)state;
    through_levels(1);
}

static void through_three_levels(void **state)
{
    (void)state;
    through_levels(3);
}

static void through_eight_levels(void **state)
{
    (void)state;
    through_levels(8);
}

/* The guest's level goes with a grant that the peer maps: nobody but the kernel keeps that page. */
static void a_guest_that_dies(void **state)
{
    static struct tower t;
    struct blanket_guest_access access = {.page = 0};
    uint64_t frame;
    uint32_t reference;
    int i;

    (void)state;
    tower_begin(&t, 3);
    assert_int_equal(blanket_sim_page_alloc(t.sim, t.node, 1, &frame), 0);
    access.page = blanket_item(BLANKET_ITEM_FRAME, 3, frame);
    assert_int_equal(blanket_guest_grant_access(&t.device, &access, 1), 0);
    reference = blanket_guest_grant_reference(&t.device, access.grant);
    fake_peer_map(reference);
    assert_int_equal(blanket_sim_stop(t.sim, t.node), 0);
    assert_int_equal(blanket_sim_settle(t.sim), 2); /* it waits for the peer */
    fake_peer_unmap(reference);
    for (i = 0; i < 200 && blanket_sim_settle(t.sim) != 0; i++) {
        (void)door_process(&t.door, 10);
    }
    assert_int_equal(blanket_sim_settle(t.sim), 0);
    blanket_sim_finish(t.sim);
    blanket_linux_destroy(t.door.linux_door);
    assert_int_equal(blanket_sim_destroy(t.sim), 0);
    assert_int_equal(fake_shared(), 0);
    fake_end();
    munmap(t.door.memory, DOOR_PAGES * FAKE_PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_one_level),
        cmocka_unit_test(through_three_levels),
        cmocka_unit_test(through_eight_levels),
        cmocka_unit_test(a_guest_that_dies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
