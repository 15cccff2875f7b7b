/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs of several guests call, send, are revoked, reset and swept at the same time, through
 * three levels; a backend maps what it is granted meanwhile. At the end nothing is left; ThreadSanitizer
 * and the simulation's own checks look on.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bed.h"

#define LEVELS 3u
#define GUESTS 3u
#define VCPUS 2u
#define ROUNDS 3000u
#define SLOTS 32u

struct shared {
    struct bed bed;
    atomic_uint stop;
    atomic_uint wrong;
    atomic_ulong granted, mapped, sent, revoked, swept;
};

struct worker {
    struct shared *shared;
    uint32_t guest, vcpu;
    uint64_t random;
    uint64_t frame;
};

static uint32_t draw(struct worker *w, uint32_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 33) % below;
}

static int call(struct worker *w, uint64_t endpoint, uint16_t verb, const uint64_t *items,
                uint32_t count, uint64_t *result)
{
    struct bed_call c;
    int status;

    memset(&c, 0, sizeof(c));
    c.endpoint = endpoint;
    c.items = items;
    c.item_count = count;
    c.element_count = count != 0;
    c.results = result;
    c.vcpu = w->vcpu;
    *result = 0;
    status = bed_call(&w->shared->bed, w->guest, verb, &c);
    return status ? status : bed_status(*result);
}

/* Answers that a caller may get while others revoke, reset and sweep. */
static void judge(struct worker *w, int status)
{
    switch (status) {
    case 0:
    case -BLANKET_EAGAIN:
    case -BLANKET_EBUSY:
    case -BLANKET_EEXIST:
    case -BLANKET_EIO:
    case -BLANKET_ENOENT:
    case -BLANKET_ENOSPC:
    case -BLANKET_ENOTCONN:
    case -BLANKET_EPERM:
    case -BLANKET_ESTALE:
        return;
    default:
        fprintf(stderr, "threads: status %d\n", status);
        atomic_fetch_add(&w->shared->wrong, 1);
    }
}

/* Each vCPU has indices of its own, and a generation that only grows. */
static void grants(struct worker *w, uint64_t endpoint, uint32_t generation)
{
    uint32_t index = w->vcpu * 4 + draw(w, 4);
    uint64_t items[2] = {bed_grant(index, generation), bed_frame(w->frame, BED_RW)}, result;
    int status = call(w, endpoint, BLANKET_VERB_GRANT_ACCESS, items, 2, &result);

    judge(w, status);
    if (status == 0) {
        atomic_fetch_add(&w->shared->granted, 1);
    }
    if (draw(w, 2)) {
        judge(w, call(w, endpoint, BLANKET_VERB_GRANT_QUERY, items, 1, &result));
    }
    judge(w, call(w, endpoint, BLANKET_VERB_GRANT_END_ACCESS, items, 1, &result));
}

static void ports(struct worker *w, uint64_t endpoint, uint32_t generation)
{
    uint32_t index = w->vcpu * 4 + draw(w, 4), i;
    uint64_t items[1] = {bed_port(index, generation)}, result;
    int status = call(w, endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, items, 1, &result);

    judge(w, status);
    if (status == 0) {
        struct blanket_below root = blanket_root_below(w->shared->bed.root);
        uint64_t peer[2] = {bed_port(index, generation),
                            bed_peer_port(blanket_result_value(result))};
        uint64_t answer = 0;
        struct blanket_call c;

        memset(&c, 0, sizeof(c));
        c.verb = BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN;
        c.endpoint = w->shared->bed.devices[w->guest].peer.endpoint;
        c.element_count = 1;
        c.element_items = 2;
        c.items = peer;
        c.results = &answer;
        (void)root.ops->call(root.context, &c);
        for (i = 0; i < 8; i++) {
            status = blanket_sim_send(w->shared->bed.sim, bed_guest(&w->shared->bed, w->guest),
                                      w->vcpu, endpoint, items[0]);
            judge(w, status);
            atomic_fetch_add(&w->shared->sent, status == 0);
            (void)root.ops->send(root.context, 0, c.endpoint, peer[0]);
            (void)blanket_sim_event_take(w->shared->bed.sim, bed_guest(&w->shared->bed, w->guest),
                                         BLANKET_CHUNK_SLOTS + index);
        }
        c.verb = BLANKET_VERB_EVTCHN_CLOSE;
        c.element_items = 1;
        (void)root.ops->call(root.context, &c);
    }
    judge(w, call(w, endpoint, BLANKET_VERB_EVTCHN_CLOSE, items, 1, &result));
}

static uint64_t derive(struct worker *w, uint32_t slot, uint32_t generation)
{
    uint64_t items[5] = {blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, generation),
                         blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_RIGHTS_ALL),
                         blanket_item(BLANKET_ITEM_COUNT, 0, 8),
                         blanket_item(BLANKET_ITEM_COUNT, 0, 0),
                         blanket_item(BLANKET_ITEM_COUNT, 0, 8)};
    uint64_t result;

    return call(w, w->shared->bed.handles[w->guest], BLANKET_VERB_ENDPOINT_DERIVE, items, 5,
                &result) == 0
               ? blanket_handle(slot, generation)
               : 0;
}

static void revoke(struct worker *w, uint32_t slot, uint32_t generation)
{
    uint64_t items[1] = {blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, generation)}, result;
    int status = call(w, w->shared->bed.handles[w->guest], BLANKET_VERB_ENDPOINT_REVOKE, items, 1,
                      &result);

    judge(w, status);
    atomic_fetch_add(&w->shared->revoked, status == 0);
}

/* Calls on the device, and on an endpoint that the guest's other vCPU revokes at the same time. */
static void *vcpu_run(void *context)
{
    struct worker *w = context;
    uint64_t device = w->shared->bed.handles[w->guest], child;
    uint32_t round;

    for (round = 1; round <= ROUNDS; round++) {
        uint32_t slot = 3, generation = 1 + round / 16;

        child = blanket_handle(slot, generation);
        switch (draw(w, 10)) {
        case 0:
        case 1:
        case 2:
            (void)derive(w, slot, generation);
            break;
        case 3:
            revoke(w, slot, generation);
            break;
        case 8:
        case 9:
            grants(w, child, round);
            break;
        case 4:
            ports(w, child, round);
            break;
        case 5:
            ports(w, device, round);
            break;
        default:
            grants(w, device, round);
            break;
        }
    }
    return NULL;
}

/* The backend maps whatever it is granted, and lets go. */
static void *backend_run(void *context)
{
    struct worker *w = context;
    struct bed *bed = &w->shared->bed;
    uint64_t end = bed->devices[w->guest].peer.endpoint;
    void *address;

    while (!atomic_load(&w->shared->stop)) {
        uint32_t reference = bed->devices[w->guest].end.grant_base + draw(w, SLOTS);

        if (blanket_root_map(bed->root, end, reference, BLANKET_ACCESS_READ, &address) == 0) {
            if (*(volatile uint8_t *)address != 0x40 + w->guest) {
                fprintf(stderr, "threads: guest %u's page shows %#x\n", w->guest,
                        *(uint8_t *)address);
                atomic_fetch_add(&w->shared->wrong, 1);
            }
            atomic_fetch_add(&w->shared->mapped, 1);
            (void)blanket_root_unmap(bed->root, end, address);
        }
    }
    return NULL;
}

static void *sweeper_run(void *context)
{
    struct worker *w = context;
    uint32_t level;

    while (!atomic_load(&w->shared->stop)) {
        (void)blanket_sim_work(w->shared->bed.sim, 1 + draw(w, 40));
        atomic_fetch_add(&w->shared->swept, 1);
        level = draw(w, LEVELS);
        if (draw(w, 8) == 0) {
            blanket_policy_changed(blanket_sim_level(w->shared->bed.sim, level));
        }
        if (draw(w, 16) == 0) {
            struct blanket_level_stats stats;

            blanket_level_stats(blanket_sim_level(w->shared->bed.sim, level), &stats);
            (void)blanket_level_hash(blanket_sim_level(w->shared->bed.sim, level));
        }
    }
    return NULL;
}

static void many_vcpus_at_once(void **state)
{
    static const struct bed_config config = {
        .levels = LEVELS, .guests = GUESTS, .vcpus = VCPUS, .slots = SLOTS, .seed = 3};
    struct worker vcpus[GUESTS][VCPUS], backends[GUESTS], sweeper;
    pthread_t vcpu_threads[GUESTS][VCPUS], backend_threads[GUESTS], sweeper_thread;
    struct shared *shared = calloc(1, sizeof(*shared));
    uint32_t guest, vcpu;

    (void)state;
    assert_non_null(shared);
    assert_int_equal(bed_open(&shared->bed, &config), 0);
    for (guest = 0; guest < GUESTS; guest++) {
        uint64_t frame = bed_page(&shared->bed, guest, (int)(0x40 + guest));

        backends[guest] = (struct worker){shared, guest, 0, 77 + guest, 0};
        assert_int_equal(
            pthread_create(&backend_threads[guest], NULL, backend_run, &backends[guest]), 0);
        for (vcpu = 0; vcpu < VCPUS; vcpu++) {
            vcpus[guest][vcpu] = (struct worker){shared, guest, vcpu, 7 + 10 * guest + vcpu, frame};
            assert_int_equal(
                pthread_create(&vcpu_threads[guest][vcpu], NULL, vcpu_run, &vcpus[guest][vcpu]), 0);
        }
    }
    sweeper = (struct worker){shared, 0, 0, 99, 0};
    assert_int_equal(pthread_create(&sweeper_thread, NULL, sweeper_run, &sweeper), 0);
    for (guest = 0; guest < GUESTS; guest++) {
        for (vcpu = 0; vcpu < VCPUS; vcpu++) {
            pthread_join(vcpu_threads[guest][vcpu], NULL);
        }
    }
    atomic_store(&shared->stop, 1);
    pthread_join(sweeper_thread, NULL);
    for (guest = 0; guest < GUESTS; guest++) {
        pthread_join(backend_threads[guest], NULL);
    }
    print_message(
        "%lu grants, %lu of them mapped, %lu sends, %lu revocations, %lu rounds of work\n",
        atomic_load(&shared->granted), atomic_load(&shared->mapped), atomic_load(&shared->sent),
        atomic_load(&shared->revoked), atomic_load(&shared->swept));
    assert_int_equal(atomic_load(&shared->wrong), 0);
    assert_true(atomic_load(&shared->granted) > 100);
    assert_true(atomic_load(&shared->revoked) > 10);
    assert_int_equal(blanket_sim_settle(shared->bed.sim), 0);
    assert_int_equal(bed_close(&shared->bed), 0);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_vcpus_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
