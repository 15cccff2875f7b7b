/* SPDX-License-Identifier: MIT */
/*
 * The provider under threads: both sides bind, send, grant, map and close at the same time, while a
 * third thread adds and removes devices. For ThreadSanitizer, and for what must hold afterwards.
 */
#include "root_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROUNDS 3000u /* at least; and until the sides have met often enough */
#define ROUNDS_MAX 3000000u
#define MEETINGS 200u
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

static uint8_t pages[FIXTURE_PAGES][FIXTURE_PAGE_SIZE];
static atomic_int overlays;

static void *shared_page(void *host, uint64_t frame)
{
    (void)host;
    return frame < FIXTURE_PAGES ? pages[frame] : NULL;
}

static int shared_overlay(void *host, uint64_t frame, uint64_t source, unsigned access)
{
    (void)host;
    (void)frame;
    (void)source;
    (void)access;
    atomic_fetch_add(&overlays, 1);
    return 0;
}

static void shared_overlay_undo(void *host, uint64_t frame)
{
    (void)host;
    (void)frame;
    atomic_fetch_sub(&overlays, 1);
}

static const struct blanket_root_host_ops shared_ops = {shared_page, shared_overlay,
                                                        shared_overlay_undo};

struct run {
    struct blanket_root *root;
    struct blanket_below below;
    struct blanket_root_end front;
    struct blanket_root_end back;
    atomic_uint number;    /* the frontend's port, as published; 0: none */
    atomic_uint reference; /* the frontend's grant, as published */
    atomic_uint front_events;
    atomic_uint back_events;
    atomic_uint bound;
    atomic_uint mapped;
    atomic_bool removed; /* the spare device's sink must not be called then */
    atomic_uint late_events;
    atomic_bool stop;
    atomic_int failed_line; /* cmocka's assertions are for the main thread */
};

static void expect(struct run *run, bool holds, int line)
{
    if (!holds) {
        atomic_store(&run->failed_line, line);
    }
}

static int call(struct run *run, uint64_t endpoint, uint16_t verb, const uint64_t *items,
                uint16_t count, uint32_t *value)
{
    uint64_t result = 0;
    struct blanket_call call = {.verb = verb,
                                .element_count = 1,
                                .element_items = count,
                                .endpoint = endpoint,
                                .items = items,
                                .results = &result};
    int status = run->below.ops->call(run->below.context, &call);

    if (value) {
        *value = blanket_result_value(result);
    }
    return status ? status : blanket_result_status(result);
}

static int send(struct run *run, uint64_t endpoint, uint64_t port)
{
    return run->below.ops->send(run->below.context, 0, endpoint, port);
}

static void count_event(void *context, uint32_t number)
{
    (void)number;
    atomic_fetch_add((atomic_uint *)context, 1);
}

static bool has_met(struct run *run)
{
    return atomic_load(&run->bound) >= MEETINGS && atomic_load(&run->mapped) >= MEETINGS;
}

/* Publishes a port and a grant, sends, takes both back; statuses are what a race may give. */
static void *frontend(void *context)
{
    struct run *run = (struct run *)context;
    uint32_t generation;

    for (generation = 1; generation <= ROUNDS || (generation <= ROUNDS_MAX && !has_met(run));
         generation++) {
        uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 0, generation);
        uint64_t grant[2] = {blanket_item_slot(BLANKET_ITEM_GRANT, 0, generation),
                             blanket_item(BLANKET_ITEM_FRAME, RW, generation % 32)};
        uint32_t value = 0;
        int i;

        expect(run,
               call(run, run->front.endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, &port, 1,
                    &value) == 0,
               __LINE__);
        atomic_store(&run->number, value);
        expect(run,
               call(run, run->front.endpoint, BLANKET_VERB_GRANT_ACCESS, grant, 2, &value) == 0,
               __LINE__);
        atomic_store(&run->reference, value);
        for (i = 0; i < 8; i++) {
            int status = send(run, run->front.endpoint, port);

            expect(run, status == 0 || status == -BLANKET_ENOTCONN, __LINE__);
        }
        while (call(run, run->front.endpoint, BLANKET_VERB_GRANT_END_ACCESS, grant, 1, NULL)) {
        }
        expect(run, call(run, run->front.endpoint, BLANKET_VERB_EVTCHN_CLOSE, &port, 1, NULL) == 0,
               __LINE__);
    }
    atomic_store(&run->stop, true);
    return NULL;
}

static void *backend(void *context)
{
    struct run *run = (struct run *)context;
    uint32_t generation = 1;

    while (!atomic_load(&run->stop)) {
        uint64_t bind[2] = {blanket_item_slot(BLANKET_ITEM_PORT, 1, generation),
                            blanket_item(BLANKET_ITEM_PEER_PORT, 0, atomic_load(&run->number))};
        uint64_t map[3] = {blanket_item_slot(BLANKET_ITEM_MAPPING, 1, generation),
                           blanket_item(BLANKET_ITEM_PEER_REF, RW, atomic_load(&run->reference)),
                           blanket_item(BLANKET_ITEM_FRAME, 0, 40)};
        int status = call(run, run->back.endpoint, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, bind, 2,
                          NULL);

        expect(run, status == 0 || status == -BLANKET_ENOENT, __LINE__);
        if (status == 0) {
            atomic_fetch_add(&run->bound, 1);
            status = send(run, run->back.endpoint, bind[0]);
            expect(run, status == 0 || status == -BLANKET_ENOTCONN, __LINE__);
        }
        status = call(run, run->back.endpoint, BLANKET_VERB_GRANT_MAP, map, 3, NULL);
        expect(run, status == 0 || status == -BLANKET_ENOENT, __LINE__);
        atomic_fetch_add(&run->mapped, status == 0 ? 1 : 0);
        expect(run, call(run, run->back.endpoint, BLANKET_VERB_GRANT_UNMAP, map, 1, NULL) == 0,
               __LINE__);
        expect(run, call(run, run->back.endpoint, BLANKET_VERB_EVTCHN_CLOSE, bind, 1, NULL) == 0,
               __LINE__);
        generation++;
    }
    return NULL;
}

static void *local(void *context)
{
    struct run *run = (struct run *)context;

    while (!atomic_load(&run->stop)) {
        void *address;
        struct blanket_root_stats stats;

        if (blanket_root_map(run->root, run->back.endpoint, atomic_load(&run->reference), RW,
                             &address) == 0) {
            expect(run, blanket_root_unmap(run->root, run->back.endpoint, address) == 0, __LINE__);
        }
        blanket_root_stats(run->root, &stats);
        expect(run, stats.ports <= 4 && stats.grants <= 1 && stats.mappings <= 2, __LINE__);
    }
    return NULL;
}

/* Must not be called once the device is removed: its context may be gone. */
static void spare_event(void *context, uint32_t number)
{
    struct run *run = (struct run *)context;

    (void)number;
    if (atomic_load(&run->removed)) {
        atomic_fetch_add(&run->late_events, 1);
    }
}

struct sender {
    struct run *run;
    _Atomic uint64_t endpoint;
};

static void *spare_sender(void *context)
{
    struct sender *sender = (struct sender *)context;

    while (!atomic_load(&sender->run->stop)) {
        int status = send(sender->run, atomic_load(&sender->endpoint),
                          blanket_item_slot(BLANKET_ITEM_PORT, 0, 1));

        expect(sender->run,
               status == 0 || status == -BLANKET_EPERM || status == -BLANKET_ENOTCONN ||
                   status == -BLANKET_ENOENT,
               __LINE__);
    }
    return NULL;
}

/* A second device comes and goes while somebody sends on it. */
static void *administrator(void *context)
{
    struct sender *sender = (struct sender *)context;
    struct run *run = sender->run;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_sink sink = {spare_event, run};
    uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);

    device.type = "vif";
    device.frontend_domid = 3;
    while (!atomic_load(&run->stop)) {
        struct blanket_root_end front;
        struct blanket_root_end back;
        uint64_t bind[2] = {port, 0};
        uint32_t number = 0;

        atomic_store(&run->removed, false);
        expect(run,
               blanket_root_device_add(run->root, &device, &sink, 0, &sink, 0, &front, &back) == 0,
               __LINE__);
        expect(run,
               call(run, front.endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, &port, 1, &number) == 0,
               __LINE__);
        bind[1] = blanket_item(BLANKET_ITEM_PEER_PORT, 0, number);
        expect(run,
               call(run, back.endpoint, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, bind, 2, NULL) == 0,
               __LINE__);
        atomic_store(&sender->endpoint, front.endpoint);
        expect(run, send(run, back.endpoint, port) == 0, __LINE__);
        while (blanket_root_device_remove(run->root, back.endpoint) == -BLANKET_EBUSY) {
        }
        atomic_store(&run->removed, true);
    }
    return NULL;
}

static void run_all(enum blanket_root_scoping scoping)
{
    static struct run run;
    struct sender sender = {.run = &run};
    struct blanket_root_sink front_sink = {count_event, &run.front_events};
    struct blanket_root_sink back_sink = {count_event, &run.back_events};
    struct blanket_root_stats stats;
    void *(*const bodies[])(void *) = {frontend, backend, local, administrator, spare_sender};
    pthread_t threads[5];
    size_t i;

    memset(&run, 0, sizeof(run));
    assert_int_equal(blanket_root_create(&fixture_limits, scoping, &shared_ops, NULL, &run.root),
                     0);
    run.below = blanket_root_below(run.root);
    assert_int_equal(blanket_root_device_add(run.root, &fixture_device, &front_sink, 0, &back_sink,
                                             0, &run.front, &run.back),
                     0);
    for (i = 0; i < 5; i++) {
        void *context = i < 3 ? (void *)&run : (void *)&sender;

        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], context), 0);
    }
    for (i = 0; i < 5; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    blanket_root_stats(run.root, &stats);
    assert_int_equal(stats.grants + stats.mappings + stats.ports, 0);
    assert_int_equal(atomic_load(&overlays), 0);
    assert_int_equal(atomic_load(&run.failed_line), 0);
    assert_int_equal(atomic_load(&run.late_events), 0);
    assert_true(has_met(&run));
    assert_true(atomic_load(&run.front_events) > 0 && atomic_load(&run.back_events) > 0);
    print_message("bound %u times, mapped %u times, %u and %u events\n", atomic_load(&run.bound),
                  atomic_load(&run.mapped), atomic_load(&run.front_events),
                  atomic_load(&run.back_events));
    blanket_root_destroy(run.root);
}

static void test_threads_endpoint(void **state)
{
    (void)state;
    run_all(BLANKET_ROOT_SCOPE_ENDPOINT);
}

static void test_threads_domid(void **state)
{
    (void)state;
    run_all(BLANKET_ROOT_SCOPE_DOMID);
}

/* The store from four sides: both ends' views, a raw client, and devices that come and go. */
struct store_run {
    struct run run;
    atomic_uint ready;
    atomic_uint done;
};

#define STORE_ROUNDS 300u
#define CLIENT_ROUNDS 30u /* at least, however fast the views are */

static int store_call(struct run *run, uint64_t endpoint, uint16_t verb, const uint64_t *items,
                      uint16_t count, const char *payload, uint16_t size)
{
    uint8_t reply[16 + 4096];
    uint64_t result = 0;
    struct blanket_call call = {.verb = verb,
                                .element_count = 1,
                                .element_items = count,
                                .endpoint = endpoint,
                                .items = items,
                                .results = &result,
                                .payload = (const uint8_t *)payload,
                                .payload_size = size,
                                .reply = reply,
                                .reply_max = sizeof(reply)};
    int status = run->below.ops->call(run->below.context, &call);

    return status ? status : blanket_result_status(result);
}

/* One end: connects, watches the other's state, writes its own, takes what comes, disconnects. */
static void use_view(struct run *run, uint64_t endpoint, bool backend)
{
    enum blanket_store_root own = backend ? BLANKET_ROOT_BACKEND : BLANKET_ROOT_FRONTEND;
    enum blanket_store_root peer = backend ? BLANKET_ROOT_FRONTEND : BLANKET_ROOT_BACKEND;
    uint32_t generation;

    for (generation = 1; generation <= STORE_ROUNDS; generation++) {
        uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 7, generation);
        const uint64_t watch[4] = {port, blanket_item(BLANKET_ITEM_REQUEST, 0, 4ull << 32 | 1),
                                   blanket_item(BLANKET_ITEM_ROOT, 0, peer),
                                   blanket_item(BLANKET_ITEM_WATCH, 0, 1)};
        const uint64_t write[4] = {port, blanket_item(BLANKET_ITEM_REQUEST, 0, 11ull << 32 | 2),
                                   blanket_item(BLANKET_ITEM_ROOT, 0, own),
                                   blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0)};

        expect(run, store_call(run, endpoint, BLANKET_VERB_STORE_CONNECT, &port, 1, NULL, 0) == 0,
               __LINE__);
        expect(run, store_call(run, endpoint, BLANKET_VERB_STORE_WATCH, watch, 4, "state", 6) == 0,
               __LINE__);
        expect(run,
               store_call(run, endpoint, BLANKET_VERB_STORE_WRITE, write, 4, "state\0004", 7) == 0,
               __LINE__);
        expect(run, store_call(run, endpoint, BLANKET_VERB_STORE_RECEIVE, &port, 1, NULL, 0) == 0,
               __LINE__);
        expect(run,
               store_call(run, endpoint, BLANKET_VERB_STORE_DISCONNECT, &port, 1, NULL, 0) == 0,
               __LINE__);
    }
}

static void *front_view(void *context)
{
    struct store_run *store = (struct store_run *)context;

    use_view(&store->run, store->run.front.endpoint, false);
    atomic_fetch_add(&store->done, 1);
    return NULL;
}

static void *back_view(void *context)
{
    struct store_run *store = (struct store_run *)context;

    use_view(&store->run, store->run.back.endpoint, true);
    atomic_fetch_add(&store->done, 1);
    return NULL;
}

static void count_ready(void *context)
{
    atomic_fetch_add((atomic_uint *)context, 1);
}

/* A raw client that watches everything comes and goes; its `ready` never runs after disconnect. */
static void *raw_client(void *context)
{
    static const char request[] = "/local\0token";
    struct store_run *store = (struct store_run *)context;
    uint32_t header[4] = {4, 1, 0, sizeof(request)};
    uint8_t message[16 + 4096];
    uint32_t round;

    for (round = 0; round < CLIENT_ROUNDS || atomic_load(&store->done) < 2; round++) {
        struct blanket_root_client *client;
        atomic_uint *ready = (atomic_uint *)calloc(1, sizeof(*ready));
        uint32_t used = 1;
        int i;

        expect(&store->run, ready != NULL, __LINE__);
        expect(&store->run,
               blanket_root_client_connect(store->run.root, 0, count_ready, ready, &client) == 0,
               __LINE__);
        memcpy(message, header, sizeof(header));
        memcpy(message + sizeof(header), request, sizeof(request));
        expect(&store->run, blanket_root_client_submit(client, message, 16 + sizeof(request)) == 0,
               __LINE__);
        for (i = 0; i < 20; i++) {
            expect(&store->run,
                   blanket_root_client_receive(client, message, sizeof(message), &used) == 0,
                   __LINE__);
        }
        blanket_root_client_disconnect(client);
        atomic_fetch_add(&store->ready, atomic_load(ready));
        free(ready); /* ASan and TSan see a late call */
    }
    return NULL;
}

static void *store_administrator(void *context)
{
    struct store_run *store = (struct store_run *)context;
    struct blanket_root_device device = fixture_device;
    uint32_t round;

    device.type = "vif";
    device.frontend_domid = 3;
    for (round = 0; round < CLIENT_ROUNDS || atomic_load(&store->done) < 2; round++) {
        struct blanket_root_end front;
        struct blanket_root_stats stats;

        expect(&store->run,
               blanket_root_device_add(store->run.root, &device, NULL, 0, NULL, 0, &front, NULL) ==
                   0,
               __LINE__);
        blanket_root_stats(store->run.root, &stats);
        while (blanket_root_device_remove(store->run.root, front.endpoint) == -BLANKET_EBUSY) {
        }
        expect(&store->run, blanket_root_domain_remove(store->run.root, 3) == 0, __LINE__);
    }
    return NULL;
}

static void test_threads_store(void **state)
{
    static struct store_run store;
    struct blanket_root_limits limits = fixture_limits;
    struct blanket_root_sink front_sink = {count_event, &store.run.front_events};
    struct blanket_root_sink back_sink = {count_event, &store.run.back_events};
    void *(*const bodies[])(void *) = {front_view, back_view, raw_client, store_administrator};
    struct blanket_root_stats stats;
    pthread_t threads[4];
    size_t i;

    (void)state;
    memset(&store, 0, sizeof(store));
    limits.store_size = 1 << 20;
    assert_int_equal(blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &shared_ops, NULL,
                                         &store.run.root),
                     0);
    store.run.below = blanket_root_below(store.run.root);
    assert_int_equal(blanket_root_device_add(store.run.root, &fixture_device, &front_sink, 0,
                                             &back_sink, 0, &store.run.front, &store.run.back),
                     0);
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], &store), 0);
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&store.run.failed_line), 0);
    assert_true(atomic_load(&store.run.front_events) >= STORE_ROUNDS);
    assert_true(atomic_load(&store.run.back_events) >= STORE_ROUNDS);
    assert_true(atomic_load(&store.ready) > 0);
    blanket_root_stats(store.run.root, &stats);
    assert_int_equal(stats.ports, 0);
    assert_int_equal(stats.watches, 0);
    blanket_root_destroy(store.run.root);
}

/* A client is disconnected while its `ready` runs: that waits until it has returned. */
struct leaving {
    struct blanket_root_client *writer;
    atomic_bool armed;
    atomic_bool inside;
    atomic_bool returned; /* the disconnect */
    atomic_bool early;    /* it did while ready ran */
};

static void slow_ready(void *context)
{
    struct leaving *leaving = (struct leaving *)context;
    int i;

    if (!atomic_load(&leaving->armed)) {
        return;
    }
    atomic_store(&leaving->inside, true);
    for (i = 0; i < 20000 && !atomic_load(&leaving->returned); i++) {
        sched_yield();
    }
    if (atomic_load(&leaving->returned)) {
        atomic_store(&leaving->early, true);
    }
}

static int submit(struct blanket_root_client *client, uint32_t type, const void *body,
                  uint32_t size)
{
    uint8_t message[64];
    const uint32_t header[4] = {type, 1, 0, size};

    memcpy(message, header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    return blanket_root_client_submit(client, message, 16 + size);
}

static void *write_node(void *context)
{
    struct leaving *leaving = (struct leaving *)context;

    return submit(leaving->writer, 11, "/tool/x\0001", 9) == 0 ? NULL : context;
}

static void test_threads_client_leaves(void **state)
{
    static struct leaving leaving;
    struct blanket_root_limits limits = fixture_limits;
    struct blanket_root_client *watcher;
    struct blanket_root *root;
    uint8_t message[16 + 4096];
    pthread_t thread;
    uint32_t used;
    void *failed;

    (void)state;
    memset(&leaving, 0, sizeof(leaving));
    limits.store_size = 1 << 20;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &shared_ops, NULL, &root), 0);
    assert_int_equal(blanket_root_client_connect(root, 0, NULL, NULL, &leaving.writer), 0);
    assert_int_equal(blanket_root_client_connect(root, 0, slow_ready, &leaving, &watcher), 0);
    assert_int_equal(submit(watcher, 4, "/tool\0t", 8), 0);
    do {
        assert_int_equal(blanket_root_client_receive(watcher, message, sizeof(message), &used), 0);
    } while (used != 0);
    atomic_store(&leaving.armed, true);
    assert_int_equal(pthread_create(&thread, NULL, write_node, &leaving), 0);
    while (!atomic_load(&leaving.inside)) {
        sched_yield();
    }
    blanket_root_client_disconnect(watcher);
    atomic_store(&leaving.returned, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_false(atomic_load(&leaving.early));
    blanket_root_client_disconnect(leaving.writer);
    blanket_root_destroy(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_endpoint),
        cmocka_unit_test(test_threads_domid),
        cmocka_unit_test(test_threads_store),
        cmocka_unit_test(test_threads_client_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
