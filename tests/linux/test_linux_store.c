/* SPDX-License-Identifier: MIT */
/* The store through the door: an xenstored on a socket, which goes away and comes back. */
#define _GNU_SOURCE
#include "door.h"

#include <unistd.h>
#include <xen/io/xs_wire.h>

#define FRONTEND "/local/domain/1/device/vbd/51712"
#define BACKEND "/local/domain/0/backend/vbd/1/51712"

/* A driver on the door itself, without levels. */
struct driver {
    struct door door;
    struct blanket_guest guest;
    struct blanket_guest_device device;
    struct blanket_guest_store store;
    uint8_t slots[4096];
    uint32_t changes;
};

static void driver_begin(struct driver *d)
{
    struct blanket_wire_endpoint info;

    memset(d, 0, sizeof(*d));
    door_begin(&d->door);
    memset(&info, 0, sizeof(info));
    info.endpoint = d->door.end.endpoint;
    info.grant_base = d->door.end.grant_base;
    info.grant_count = d->door.end.grants;
    info.mapping_count = d->door.end.mappings;
    info.port_count = d->door.end.ports;
    assert_true(blanket_guest_device_size(&info) <= sizeof(d->slots));
    assert_int_equal(blanket_guest_init_direct(&d->guest, &d->door.below, 0), 0);
    assert_int_equal(blanket_guest_device_init(&d->device, &d->guest, &info, d->slots, 0), 0);
    assert_int_equal(blanket_guest_store_connect(&d->store, &d->device, door_wait, &d->door), 0);
}

static void changed(struct blanket_guest_watch *watch, const char *path)
{
    struct driver *d = (struct driver *)watch->context;

    (void)path;
    d->changes++;
}

/* Until the watch has fired so often; no more than two seconds. */
static void wait_changes(struct driver *d, uint32_t changes)
{
    int i;

    for (i = 0; i < 200 && d->changes < changes; i++) {
        (void)door_process(&d->door, 10);
        (void)blanket_guest_store_poll(&d->store);
    }
    assert_true(d->changes >= changes);
}

static void a_view_of_the_real_store(void **state)
{
    static struct driver d;
    uint64_t number;
    uint32_t size;
    char value[64];

    (void)state;
    driver_begin(&d);
    assert_int_equal(blanket_guest_store_read(&d.store, BLANKET_ROOT_FRONTEND, 0, "virtual-device",
                                              value, sizeof(value), &size),
                     0);
    assert_string_equal(value, "51712");
    assert_int_equal(blanket_guest_store_read(&d.store, BLANKET_ROOT_FRONTEND, 0, "backend", value,
                                              sizeof(value), &size),
                     BLANKET_GUEST_STORE_ENOENT);
    assert_int_equal(
        blanket_guest_store_read_number(&d.store, BLANKET_ROOT_BACKEND, 0, "state", &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(
        blanket_guest_store_write(&d.store, BLANKET_ROOT_FRONTEND, 0, "protocol", "x86", 3), 0);
    assert_string_equal(fake_read(FRONTEND "/protocol"), "x86");
    assert_int_equal(
        blanket_guest_store_write(&d.store, BLANKET_ROOT_BACKEND, 0, "state", "4", 1) != 0, 1);
    assert_int_equal(blanket_guest_store_disconnect(&d.store), 0);
    door_end(&d.door);
}

static void numbers_are_those_of_xen(void **state)
{
    static struct driver d;
    struct blanket_guest_access access = {.page = blanket_item(BLANKET_ITEM_FRAME, 3, 7)};
    uint16_t transaction;
    uint32_t port, number;
    char text[16];

    (void)state;
    driver_begin(&d);
    assert_int_equal(blanket_guest_grant_access(&d.device, &access, 1), 0);
    assert_int_equal(blanket_guest_port_alloc(&d.device, &port, &number), 0);
    assert_int_equal(blanket_guest_store_begin(&d.store, &transaction), 0);
    assert_int_equal(blanket_guest_store_write_grant(&d.store, BLANKET_ROOT_FRONTEND, transaction,
                                                     "ring-ref", access.grant),
                     0);
    assert_int_equal(blanket_guest_store_write_port(&d.store, BLANKET_ROOT_FRONTEND, transaction,
                                                    "event-channel", port),
                     0);
    assert_null(fake_read(FRONTEND "/ring-ref"));
    assert_int_equal(blanket_guest_store_commit(&d.store, transaction), 0);
    (void)snprintf(text, sizeof(text), "%u", d.door.end.grant_base + access.grant);
    assert_string_equal(fake_read(FRONTEND "/ring-ref"), text);
    (void)snprintf(text, sizeof(text), "%u", number);
    assert_string_equal(fake_read(FRONTEND "/event-channel"), text);
    fake_peer_bind(number);
    fake_peer_notify(number);
    (void)door_process(&d.door, 1000);
    assert_int_equal(d.door.events[port], 1);
    door_end(&d.door);
}

static void watches_fire(void **state)
{
    static struct driver d;
    struct blanket_guest_watch watch = {.changed = changed, .context = &d};

    (void)state;
    driver_begin(&d);
    assert_int_equal(blanket_guest_store_watch(&d.store, &watch, BLANKET_ROOT_BACKEND, "state"), 0);
    wait_changes(&d, 1);
    fake_write(BACKEND "/state", "2");
    wait_changes(&d, 2);
    assert_int_equal(blanket_guest_store_unwatch(&d.store, &watch, "state"), 0);
    door_end(&d.door);
}

/* A request that was out is answered EIO, a watch is set again and fires, and all goes on. */
static void xenstored_restarts(void **state)
{
    static struct driver d;
    struct blanket_guest_watch watch = {.changed = changed, .context = &d};
    struct blanket_linux_stats stats;
    uint64_t number;
    uint32_t before;
    int i;

    (void)state;
    driver_begin(&d);
    assert_int_equal(blanket_guest_store_watch(&d.store, &watch, BLANKET_ROOT_BACKEND, "state"), 0);
    wait_changes(&d, 1);
    fake_store_stop();
    for (i = 0; i < 200 && door_process(&d.door, 10) == 0; i++) {
    }
    assert_int_equal(blanket_linux_process(d.door.linux_door), -BLANKET_ENOTCONN);
    assert_true(strlen(blanket_linux_fault(d.door.linux_door)) > 0);
    fake_write(BACKEND "/state", "2");
    before = d.changes;
    fake_store_start();
    wait_changes(&d, before + 1);
    assert_int_equal(blanket_linux_process(d.door.linux_door), 0);
    assert_int_equal(
        blanket_guest_store_read_number(&d.store, BLANKET_ROOT_BACKEND, 0, "state", &number), 0);
    assert_int_equal(number, 2);
    fake_write(BACKEND "/state", "3");
    before = d.changes;
    wait_changes(&d, before + 1);
    blanket_linux_stats(d.door.linux_door, &stats);
    assert_int_equal(stats.store_losses, 1);
    door_end(&d.door);
}

/* Grants and channels don't need the store; scan says that it is away, and works again after. */
static int never(void *context, const char *name)
{
    (void)context, (void)name;
    return 0;
}

static void without_the_store_the_rest_goes_on(void **state)
{
    static struct driver d;
    struct blanket_guest_access access = {.page = blanket_item(BLANKET_ITEM_FRAME, 3, 7)};
    int i;

    (void)state;
    driver_begin(&d);
    fake_store_stop();
    for (i = 0; i < 200 && door_process(&d.door, 10) == 0; i++) {
    }
    assert_int_equal(blanket_guest_grant_access(&d.device, &access, 1), 0);
    assert_int_equal(blanket_linux_scan(d.door.linux_door, never, NULL), -BLANKET_ENOTCONN);
    assert_non_null(strstr(blanket_linux_fault(d.door.linux_door), fake_socket()));
    fake_store_start();
    assert_int_equal(blanket_linux_scan(d.door.linux_door, never, NULL), 0);
    door_end(&d.door);
}

/* A device that goes is closed towards its backend, if it was open. */
static void removing_closes_the_device(void **state)
{
    static struct driver d;
    int rc = -BLANKET_EBUSY;
    int i;

    (void)state;
    driver_begin(&d);
    assert_int_equal(blanket_guest_store_write(&d.store, BLANKET_ROOT_FRONTEND, 0, "state", "4", 1),
                     0);
    for (i = 0; i < 200 && rc == -BLANKET_EBUSY; i++) {
        rc = blanket_linux_device_remove(d.door.linux_door, d.door.end.endpoint);
        (void)door_process(&d.door, 10);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(fake_read(FRONTEND "/state"), "6");
    door_end(&d.door);
}

/* What isn't the end's own can't be published. */
static void only_what_is_live_is_published(void **state)
{
    uint8_t payload[] = "ring-ref";
    uint64_t results[1];
    uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_PORT, 0, 1),
                        blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)XS_WRITE << 32 | 9),
                        blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_FRONTEND),
                        blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
                        blanket_item_slot(BLANKET_ITEM_GRANT, 5, 1)};
    struct blanket_call call = {.element_count = 1, .items = items, .results = results};
    struct door d;

    (void)state;
    door_begin(&d);
    assert_int_equal(door_call(&d, BLANKET_VERB_STORE_CONNECT, items, 1), 0);
    call.verb = BLANKET_VERB_STORE_WRITE_GRANT;
    call.element_items = 5;
    call.endpoint = d.end.endpoint;
    call.payload = payload;
    call.payload_size = sizeof(payload);
    assert_int_equal(d.below.ops->call(d.below.context, &call), 0);
    assert_int_equal(blanket_result_status(results[0]), -BLANKET_ENOENT);
    /* A connection's port is none that a peer could bind to. */
    call.verb = BLANKET_VERB_STORE_WRITE_PORT;
    items[4] = items[0];
    assert_int_equal(d.below.ops->call(d.below.context, &call), 0);
    assert_int_equal(blanket_result_status(results[0]), -BLANKET_ENOENT);
    assert_int_equal(blanket_result_status(door_call(&d, BLANKET_VERB_EVTCHN_CLOSE, items, 1)),
                     -BLANKET_EINVAL);
    assert_int_equal(door_call(&d, BLANKET_VERB_EVTCHN_STATUS, items, 1),
                     blanket_result(0, BLANKET_PORT_STATE_STORE));
    door_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_of_the_real_store),
        cmocka_unit_test(numbers_are_those_of_xen),
        cmocka_unit_test(watches_fire),
        cmocka_unit_test(xenstored_restarts),
        cmocka_unit_test(without_the_store_the_rest_goes_on),
        cmocka_unit_test(removing_closes_the_device),
        cmocka_unit_test(only_what_is_live_is_published),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
