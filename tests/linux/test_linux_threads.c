/* SPDX-License-Identifier: MIT */
/* Calls from several threads at the same time, beside the one that processes events. */
#define _GNU_SOURCE
#include "door.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3u
#define ROUNDS 60u

struct worker {
    pthread_t thread;
    struct door *door;
    uint32_t index;
    atomic_uint bad;
};

static atomic_uint finished;

/* One slot and one frame of its own, granted and ended; a port that is made, signalled and closed. */
static void *work(void *context)
{
    struct worker *w = (struct worker *)context;
    struct door *d = w->door;
    uint32_t round;

    for (round = 1; round <= ROUNDS; round++) {
        const uint64_t grant[] = {blanket_item_slot(BLANKET_ITEM_GRANT, w->index, round),
                                  blanket_item(BLANKET_ITEM_FRAME, 3, w->index)};
        const uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, w->index + 4, round);
        uint64_t result = 1;
        struct blanket_call call = {.verb = BLANKET_VERB_GRANT_ACCESS,
                                    .element_count = 1,
                                    .element_items = 2,
                                    .vcpu = w->index,
                                    .endpoint = d->end.endpoint,
                                    .items = grant,
                                    .results = &result};

        w->bad += d->below.ops->call(d->below.context, &call) || blanket_result_status(result);
        call.verb = BLANKET_VERB_EVTCHN_ALLOC_UNBOUND;
        call.items = &port;
        call.element_items = 1;
        w->bad += d->below.ops->call(d->below.context, &call) || blanket_result_status(result);
        w->bad += d->below.ops->send(d->below.context, w->index, d->end.endpoint, port) != 0;
        call.verb = BLANKET_VERB_EVTCHN_CLOSE;
        w->bad += d->below.ops->call(d->below.context, &call) || blanket_result_status(result);
        call.verb = BLANKET_VERB_GRANT_END_ACCESS;
        call.items = grant;
        /* Another thread may have the reference in its hands for a moment. */
        do {
            w->bad += d->below.ops->call(d->below.context, &call) != 0;
        } while (blanket_result_status(result) == -BLANKET_EBUSY);
        w->bad += blanket_result_status(result) != 0;
    }
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static void calls_beside_events(void **state)
{
    static struct worker workers[THREADS];
    const uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    struct blanket_linux_stats stats;
    uint64_t result;
    struct door d;
    uint32_t i;

    (void)state;
    door_begin(&d);
    result = door_call(&d, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, &port, 1);
    fake_peer_bind(blanket_result_value(result));
    for (i = 0; i < THREADS; i++) {
        workers[i].door = &d;
        workers[i].index = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    while (atomic_load(&finished) < THREADS) {
        fake_peer_notify(blanket_result_value(result));
        (void)door_process(&d, 5);
        (void)blanket_linux_fault(d.linux_door);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].bad, 0);
    }
    assert_true(d.events[0] > 0);
    blanket_linux_stats(d.linux_door, &stats);
    assert_int_equal(stats.grants, 0);
    assert_int_equal(stats.ports, 1);
    door_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_beside_events)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
