/* SPDX-License-Identifier: MIT */
/*
 * `blanket run` over libxen, with a backend that behaves as Linux's xen-blkback does: one thread that looks
 * at the frontend's state when a watch fires, and may be late; that unmaps when the frontend says Closed,
 * and says Closed itself after that. Simulated: it maps the ring and serves no request.
 */
#define _GNU_SOURCE
#include "fake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#include "world.h"

#define FRONTEND "/local/domain/1/device/vbd/51712"
#define BACKEND "/local/domain/0/backend/vbd/1/51712"

static struct backend {
    pthread_t thread;
    atomic_bool stop;
    int state;        /* as it has said it */
    uint32_t late[7]; /* milliseconds between seeing a state of the frontend's and following it */
    uint32_t ring;    /* the reference of the ring's page, while `mapped` */
    uint32_t connects;
    bool mapped;
    int seen;
} backend;

static void say(int state)
{
    const char text[] = {(char)('0' + state), 0};

    fake_write(BACKEND "/state", text);
    backend.state = state;
}

static void unmap(void)
{
    if (backend.mapped) {
        fake_peer_unmap(backend.ring);
        backend.mapped = false;
    }
}

static void map_and_connect(void)
{
    unmap();
    backend.ring = (uint32_t)atoi(fake_read(FRONTEND "/ring-ref"));
    fake_peer_map(backend.ring);
    backend.mapped = true;
    backend.connects++;
    fake_write(BACKEND "/sectors", "4096");
    fake_write(BACKEND "/sector-size", "512");
    fake_write(BACKEND "/info", "0");
    say(XenbusStateConnected);
}

static void follow(int state)
{
    usleep(backend.late[state] * 1000);
    switch (state) {
    case XenbusStateInitialising:
        if (backend.state == XenbusStateClosed) {
            say(XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (backend.state != XenbusStateConnected) {
            map_and_connect();
        }
        break;
    case XenbusStateClosing:
        if (backend.state != XenbusStateClosing) {
            say(XenbusStateClosing);
        }
        break;
    case XenbusStateClosed:
        unmap();
        if (backend.state != XenbusStateClosed) {
            say(XenbusStateClosed);
        }
        break;
    default:
        break;
    }
}

static void *serve(void *unused)
{
    (void)unused;
    while (!atomic_load(&backend.stop)) {
        const char *text = fake_read(FRONTEND "/state");
        int state = text != NULL && text[0] >= '1' && text[0] <= '6' ? text[0] - '0' : 0;

        if (state != backend.seen) {
            backend.seen = state;
            follow(state);
        }
        usleep(500);
    }
    return NULL;
}

/* States of both, as they are found; and the backend begins to look. */
static void begin(int own, int other)
{
    const char text[] = {(char)('0' + own), 0};

    memset(&backend, 0, sizeof(backend));
    fake_begin();
    fake_device("vbd", 51712);
    assert_int_equal(setenv("XENSTORED_PATH", fake_socket(), 1), 0);
    fake_write(FRONTEND "/state", text);
    backend.seen = own;
    say(other);
}

static void backend_start(void)
{
    assert_int_equal(pthread_create(&backend.thread, NULL, serve, NULL), 0);
}

static void end(void)
{
    atomic_store(&backend.stop, true);
    pthread_join(backend.thread, NULL);
    unmap();
    assert_int_equal(fake_shared(), 0);
    assert_int_equal(fake_ports(), 0);
    fake_end();
}

static void connect_and_close(struct world *world)
{
    const struct world_config config = {
        .levels = 3, .guests = 1, .segments = 32, .seed = 1, .device = "vbd/51712"};

    assert_true(world_open(world, &config, NULL));
    assert_int_equal(world->guests[0].sectors, 4096);
    assert_true(world_disconnect(world));
}

/* Grants are ended after the backend has let go of them, however long that takes. */
static void nothing_is_ended_while_it_is_mapped(void **state)
{
    struct world world;

    (void)state;
    begin(XenbusStateInitialising, XenbusStateInitWait);
    backend.late[XenbusStateClosed] = 300;
    backend_start();
    connect_and_close(&world);
    assert_int_equal(backend.state, XenbusStateClosed);
    assert_int_equal(fake_deferred(), 0);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    end();
}

/* A driver let go of the device: closed at once, and the backend is late. */
static void after_a_driver_that_was_unbound(void **state)
{
    struct world world;

    (void)state;
    begin(XenbusStateClosed, XenbusStateConnected);
    backend.seen = XenbusStateConnected;
    backend.late[XenbusStateClosed] = 400;
    backend_start();
    connect_and_close(&world);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    end();
}

/* More than three seconds, as on a machine under load: it's still waited for. */
static void a_backend_that_takes_its_time(void **state)
{
    struct world world;

    (void)state;
    begin(XenbusStateClosed, XenbusStateConnected);
    backend.seen = XenbusStateConnected;
    backend.late[XenbusStateClosed] = 4000;
    backend_start();
    connect_and_close(&world);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    end();
}

/* The one before us was killed when it had published its ring; the backend, at InitWait, hadn't looked yet.
 * What it follows then is our Closing or Closed, late: that isn't taken for an answer to our ring. */
static void after_a_frontend_that_died_in_its_handshake(void **state)
{
    struct world world;

    (void)state;
    begin(XenbusStateInitialised, XenbusStateInitWait);
    backend.late[XenbusStateClosing] = 1200;
    backend.late[XenbusStateClosed] = 1200;
    backend_start();
    connect_and_close(&world);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    end();
}

/* Another driver's references lie between the free ones: a smaller window is found, and will do. */
static void references_in_pieces(void **state)
{
    struct world world;

    (void)state;
    begin(XenbusStateInitialising, XenbusStateInitWait);
    fake_fragment(1500, 300); /* runs of 299, and gntalloc's limit is 1024 pages */
    backend_start();
    connect_and_close(&world);
    assert_true(world.guests[0].front_end.grants >= 128);
    assert_true(world.guests[0].front_end.grants < 300);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_ended_while_it_is_mapped),
        cmocka_unit_test(after_a_driver_that_was_unbound),
        cmocka_unit_test(a_backend_that_takes_its_time),
        cmocka_unit_test(after_a_frontend_that_died_in_its_handshake),
        cmocka_unit_test(references_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
