/* SPDX-License-Identifier: MIT */
/*
 * Everything at once: two guests of two vCPUs each call whatever they like, the worker sweeps, events
 * come, processes with pages of their own end, and administration mints, revokes, loses and rebinds, over
 * a below that refuses, is busy and loses replies. Under ThreadSanitizer this is where the orders of acl/resolve.c and hypercall/work.c
 * are tried. At the end nothing may be left of anything.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/endpoint.h>
#include <blanket/level.h>

#define GUESTS 2u
#define VCPUS 4u /* two of each guest */
#define DEVICES 3u
#define SLOTS 16u
#define FRAMES 32u
#define ROOM 8192u
#define ROUNDS 4000u
#define KINDS 3u
#define LIVES 4096u /* of a device: how often it may be minted */

struct object {
    uint32_t newest;
    uint32_t live;
    uint64_t frame;
};

struct world {
    struct blanket_level *level;
    struct blanket_below below;
    pthread_mutex_t locks[GUESTS + 1];
    pthread_mutex_t below_lock;
    struct object objects[GUESTS * DEVICES][KINDS][SLOTS];
    uint8_t memory[VCPUS][ROOM];
    uint32_t pinned[FRAMES];                  /* atomic */
    uint64_t devices[GUESTS][DEVICES];        /* atomic: handle, 0: none */
    uint32_t lives[GUESTS * DEVICES];         /* administration's: how often each was minted */
    uint32_t inside[GUESTS * DEVICES][LIVES]; /* atomic: calls below, or DRAINED */
    uint32_t stop, honest, gone;              /* atomic */
    uint32_t wrong;                           /* atomic: what may not be was seen */
};

#define DRAINED 0x80000000u

static struct world world;

static uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void wrong(const char *what)
{
    fprintf(stderr, "wrong: %s\n", what);
    __atomic_fetch_add(&world.wrong, 1, __ATOMIC_SEQ_CST);
}

/* --- the host --- */

static void *host_alloc(void *host, size_t size)
{
    (void)host;
    return calloc(1, size);
}

static void host_free(void *host, void *memory, size_t size)
{
    (void)host;
    (void)size;
    free(memory);
}

static int host_copy_from(void *host, void *guest, void *target, uint64_t address, uint32_t size)
{
    (void)host;
    (void)guest;
    memcpy(target, &world.memory[address / ROOM][address % ROOM], size);
    return 0;
}

static int host_copy_to(void *host, void *guest, uint64_t address, const void *source,
                        uint32_t size)
{
    (void)host;
    (void)guest;
    if (rand() % 64 == 0) {
        return -BLANKET_EFAULT;
    }
    memcpy(&world.memory[address / ROOM][address % ROOM], source, size);
    return 0;
}

static int host_pin(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page)
{
    (void)host;
    (void)guest;
    (void)use;
    page->frame = blanket_item_value(item) % FRAMES;
    page->cookie = 0;
    __atomic_fetch_add(&world.pinned[page->frame], 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void host_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use)
{
    (void)host;
    (void)guest;
    (void)use;
    if (__atomic_fetch_sub(&world.pinned[page->frame], 1, __ATOMIC_SEQ_CST) == 0) {
        wrong("unpinned what isn't pinned");
    }
}

static void host_lock(void *host, unsigned lock)
{
    (void)host;
    (void)pthread_mutex_lock(&world.locks[lock]);
}

static void host_unlock(void *host, unsigned lock)
{
    (void)host;
    (void)pthread_mutex_unlock(&world.locks[lock]);
}

static int host_hook(void *host, const struct blanket_query *query)
{
    (void)host;
    if (query->endpoint_name[0] == '\0') {
        wrong(
            "the hook sees an endpoint without a name"); /* all of these have one while they live */
    }
    return 0;
}

static void host_notify(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    (void)host;
    (void)guest;
    if (vcpu >= 2 || port >= 128) {
        wrong("a notification of nobody's port");
    }
}

static void host_kick(void *host, int soon)
{
    (void)host;
    (void)soon;
}

static void host_guest_gone(void *host, void *guest)
{
    (void)host;
    (void)guest;
    __atomic_fetch_add(&world.gone, 1, __ATOMIC_SEQ_CST);
}

static int host_preempt(void *host)
{
    (void)host;
    return 0;
}

static uint32_t host_nospec(uint32_t index, uint32_t count)
{
    if (index >= count) {
        wrong("an index that wasn't checked");
    }
    return index;
}

/* Nothing may hang on what is drained: no call below is under way, and none comes. */
static void host_endpoint_event(void *host, void *guest, uint64_t endpoint, uint32_t events)
{
    const uint32_t *number = guest;
    uint32_t slot = (uint32_t)endpoint;

    (void)host;
    if ((events & BLANKET_EVENT_DRAINED) && slot <= DEVICES &&
        __atomic_fetch_or(&world.inside[*number * DEVICES + slot - 1][endpoint >> 32], DRAINED,
                          __ATOMIC_SEQ_CST) != 0) {
        wrong("drained while a call is below");
    }
}

static const struct blanket_platform_ops host_ops = {
    .size = sizeof(struct blanket_platform_ops),
    .alloc = host_alloc,
    .free = host_free,
    .copy_from_above = host_copy_from,
    .copy_to_above = host_copy_to,
    .pin = host_pin,
    .unpin = host_unpin,
    .lock = host_lock,
    .unlock = host_unlock,
    .hook = host_hook,
    .notify_above = host_notify,
    .kick = host_kick,
    .guest_gone = host_guest_gone,
    .endpoint_event = host_endpoint_event,
    .preempt = host_preempt,
    .index_nospec = host_nospec,
};

/* --- the below: by the contract, but for what it loses --- */

static int create(struct object *object, const struct blanket_call *call, const uint64_t *items,
                  uint32_t *value)
{
    if (object->live) {
        return -BLANKET_EBUSY;
    }
    if (blanket_item_generation(items[0]) <= object->newest) {
        *value = object->newest;
        return -BLANKET_ESTALE;
    }
    object->newest = blanket_item_generation(items[0]);
    object->live = 1;
    object->frame = FRAMES;
    if (call->verb == BLANKET_VERB_GRANT_ACCESS) {
        object->frame = blanket_item_value(items[1]);
    }
    return 0;
}

static int destroy(struct object *object, uint32_t generation, uint32_t chance)
{
    if (object->live && generation == object->newest) {
        if (chance % 4 == 0) {
            return -BLANKET_EBUSY;
        }
        if (object->frame < FRAMES &&
            __atomic_load_n(&world.pinned[object->frame], __ATOMIC_SEQ_CST) == 0) {
            wrong("a page that the peer has isn't pinned");
        }
        object->live = 0;
    } else if (!object->live && generation > object->newest) {
        object->newest = generation;
    }
    return 0;
}

static void perform(struct blanket_call *call, uint32_t chance)
{
    (void)pthread_mutex_lock(&world.below_lock);
    for (uint32_t i = 0; i < call->element_count; i++) {
        const uint64_t *items = call->items + (size_t)i * call->element_items;
        uint32_t kind = blanket_item_type(items[0]) - BLANKET_ITEM_GRANT;
        struct object *object =
            &world.objects[call->endpoint & 0xff][kind][blanket_item_index(items[0])];
        unsigned effect = (call->verb >> 10) & 3u;
        uint32_t value = 0;
        int status = 0;

        if (effect == BLANKET_EFFECT_CREATE) {
            status = create(object, call, items, &value);
        } else if (effect == BLANKET_EFFECT_DESTROY) {
            status = destroy(object, blanket_item_generation(items[0]), chance);
        }
        call->results[i] = blanket_result(status, value);
    }
    call->done = call->element_count;
    (void)pthread_mutex_unlock(&world.below_lock);
}

static int below_call(void *context, struct blanket_call *call)
{
    uint32_t *inside = &world.inside[call->endpoint & 0xff][call->endpoint >> 8];
    uint32_t chance = __atomic_load_n(&world.honest, __ATOMIC_SEQ_CST) ? 1 : (uint32_t)rand();

    (void)context;
    if (chance % 32 == 0) {
        return chance % 64 ? -BLANKET_EIO : -BLANKET_EPERM; /* lost on the way there; refused */
    }
    if (__atomic_fetch_add(inside, 1, __ATOMIC_SEQ_CST) & DRAINED) {
        wrong("a call on what is drained");
    }
    /* Some take so long that an endpoint could drain meanwhile. */
    for (uint32_t i = 0; i < (chance % 16 == 3 ? 1000 : chance % 8); i++) {
        sched_yield();
    }
    perform(call, chance);
    sched_yield();
    __atomic_fetch_sub(inside, 1, __ATOMIC_SEQ_CST);
    return chance % 32 == 1 && chance != 1 ? -BLANKET_EIO : 0; /* lost on the way back */
}

static int below_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    (void)context;
    (void)vcpu;
    (void)endpoint;
    return blanket_item_index(port) < SLOTS ? 0 : -BLANKET_ENOENT;
}

static const struct blanket_below_ops below_ops = {
    .call = below_call,
    .send = below_send,
};

/* --- who does what --- */

static void mint(uint32_t guest, uint32_t device)
{
    uint32_t number = guest * DEVICES + device;
    struct blanket_mint spec;
    char name[2] = {(char)('a' + device), '\0'};
    uint64_t handle = 0;

    if (world.lives[number] + 1 == LIVES) {
        return;
    }
    memset(&spec, 0, sizeof(spec));
    spec.guest = guest;
    spec.slot = device + 1;
    spec.rights = BLANKET_RIGHTS_ALL;
    spec.scope = number;
    spec.name = name;
    spec.below = world.below;
    spec.below_endpoint = number | (uint64_t)(world.lives[number] + 1) << 8;
    spec.grants.count = spec.mappings.count = spec.ports.count = SLOTS;
    spec.event_base = number * SLOTS;
    if (blanket_endpoint_mint(world.level, &spec, &handle, NULL) == 0) {
        if (handle >> 32 != ++world.lives[number]) {
            wrong("a generation that isn't the next");
        }
        __atomic_store_n(&world.devices[guest][device], handle, __ATOMIC_SEQ_CST);
    }
}

static void *administrate(void *context)
{
    uint64_t seed = 99;

    (void)context;
    while (!__atomic_load_n(&world.stop, __ATOMIC_SEQ_CST)) {
        uint32_t guest = random_next(&seed) % GUESTS, device = random_next(&seed) % DEVICES;
        uint64_t handle = __atomic_load_n(&world.devices[guest][device], __ATOMIC_SEQ_CST);
        uint32_t number = guest * DEVICES + device;
        struct blanket_level_stats stats;

        /* The guests need time in between to get anywhere. */
        for (uint32_t i = 0; i < 20; i++) {
            sched_yield();
        }
        switch (random_next(&seed) % 24) {
        case 0:
            (void)blanket_endpoint_revoke(world.level, guest, handle);
            break;
        case 1:
            blanket_endpoint_lost(world.level, &world.below, number | (handle >> 32) << 8);
            break;
        case 2:
            blanket_policy_changed(world.level);
            blanket_level_stats(world.level, &stats);
            (void)blanket_level_hash(world.level);
            break;
        case 3:
        case 4:
        case 5:
            (void)blanket_endpoint_rebind(world.level, guest, handle, number | (handle >> 32) << 8,
                                          number, number * SLOTS, 0);
            break;
        default:
            mint(guest, device);
            break;
        }
        sched_yield();
    }
    return NULL;
}

static void *work(void *context)
{
    uint64_t seed = 7;

    (void)context;
    while (!__atomic_load_n(&world.stop, __ATOMIC_SEQ_CST)) {
        (void)blanket_work(world.level, random_next(&seed) % 20);
    }
    return NULL;
}

static void *raise_events(void *context)
{
    uint64_t seed = 5;

    (void)context;
    while (!__atomic_load_n(&world.stop, __ATOMIC_SEQ_CST)) {
        blanket_event(world.level, random_next(&seed) % (GUESTS * DEVICES * SLOTS));
        (void)blanket_event_take(world.level, random_next(&seed) % GUESTS, random_next(&seed) % 64);
        sched_yield();
    }
    return NULL;
}

static const uint16_t verbs[] = {
    BLANKET_VERB_GRANT_ACCESS,     BLANKET_VERB_GRANT_END_ACCESS,     BLANKET_VERB_GRANT_ACCESS,
    BLANKET_VERB_GRANT_END_ACCESS, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_VERB_EVTCHN_CLOSE,
    BLANKET_VERB_GRANT_QUERY,      BLANKET_VERB_EVTCHN_MASK,          BLANKET_VERB_EVTCHN_UNMASK,
    BLANKET_VERB_EVTCHN_BIND_VCPU, BLANKET_VERB_EVTCHN_STATUS,        BLANKET_VERB_ENDPOINT_DERIVE,
    BLANKET_VERB_ENDPOINT_REVOKE,  BLANKET_VERB_ENDPOINT_QUERY,       BLANKET_VERB_ENDPOINT_EVENTS,
    BLANKET_VERB_ENDPOINT_RESET,
};

/* The generation that this vCPU used last for a slot: mostly it means what it made. */
static uint32_t made[VCPUS][8][2][SLOTS + 1];

static uint32_t generation_of(uint32_t vcpu, uint64_t handle, uint16_t verb, uint32_t chance,
                              uint32_t newest)
{
    uint32_t *last =
        &made[vcpu][handle % 8][verb >> 12 == BLANKET_ROOM_EVTCHN][chance % (SLOTS + 1)];

    if (((verb >> 10) & 3u) == BLANKET_EFFECT_CREATE) {
        *last = newest;
    }
    return chance % 61 == 0 ? newest : *last;
}

/* Atomic: generations of the children that were made last. */
static uint32_t derived[GUESTS][4];

/* The items of one element. Returns how many. */
static uint32_t fill(uint64_t *items, uint16_t verb, uint32_t chance, uint32_t generation)
{
    uint32_t index = chance % (SLOTS + 1);

    switch (verb) {
    case BLANKET_VERB_GRANT_ACCESS:
        items[1] = blanket_item(chance & 64 ? BLANKET_ITEM_OWN_GRANT : BLANKET_ITEM_FRAME,
                                1 + chance % 3, chance % FRAMES);
        items[0] = blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);
        return 2;
    case BLANKET_VERB_GRANT_END_ACCESS:
    case BLANKET_VERB_GRANT_QUERY:
        items[0] = blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);
        return 1;
    case BLANKET_VERB_ENDPOINT_DERIVE:
        items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, 4 + chance % 4, generation);
        for (uint32_t i = 1; i < 5; i++) {
            items[i] = blanket_item(BLANKET_ITEM_COUNT, 0, i == 1 ? BLANKET_RIGHTS_ALL : 8);
        }
        return 5;
    case BLANKET_VERB_ENDPOINT_REVOKE:
        generation = __atomic_load_n(&derived[chance / 4 % GUESTS][chance % 4], __ATOMIC_SEQ_CST);
        items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, 4 + chance % 4, generation);
        return 1;
    case BLANKET_VERB_ENDPOINT_QUERY:
    case BLANKET_VERB_ENDPOINT_EVENTS:
    case BLANKET_VERB_ENDPOINT_RESET:
        return 0;
    default:
        items[0] = blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
        items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, chance % 3);
        return verb == BLANKET_VERB_EVTCHN_BIND_VCPU ? 2 : 1;
    }
}

static int call(uint32_t vcpu, uint64_t handle, uint32_t chance, uint32_t generation)
{
    struct blanket_wire_header header;
    uint64_t items[BLANKET_ITEM_COUNT_MAX];
    int rc;

    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = verbs[chance % (sizeof(verbs) / sizeof(verbs[0]))];
    /* Resets are rare, or there would be nothing else. */
    header.verb = header.verb == BLANKET_VERB_ENDPOINT_RESET && chance % 257
                      ? BLANKET_VERB_GRANT_ACCESS
                      : header.verb;
    header.endpoint = handle;
    header.reply_max = sizeof(struct blanket_wire_endpoint);
    if (header.verb >> 12 != BLANKET_ROOM_ENDPOINT) {
        generation = generation_of(vcpu, handle, header.verb, chance >> 4, generation);
    }
    header.item_count = (uint16_t)fill(items, header.verb, chance >> 4, generation);
    if (header.verb == BLANKET_VERB_ENDPOINT_DERIVE) {
        header.payload_size = 1;
        memset(&world.memory[vcpu][sizeof(header) + 40], 'A' + (int)(chance >> 4) % 16, 1);
    }
    memcpy(world.memory[vcpu], &header, sizeof(header));
    memcpy(world.memory[vcpu] + sizeof(header), items, header.item_count * sizeof(uint64_t));
    rc = blanket_call(world.level, vcpu / 2, vcpu, (uint64_t)vcpu * ROOM);
    if (rc == 0 && header.verb == BLANKET_VERB_ENDPOINT_DERIVE) {
        __atomic_store_n(&derived[vcpu / 2][(chance >> 4) % 4], generation, __ATOMIC_SEQ_CST);
    }
    return rc;
}

static void *be_guest(void *context)
{
    uint32_t vcpu = *(const uint32_t *)context;
    uint64_t seed = vcpu + 1;
    uint32_t done = 0;

    for (uint32_t round = 1; done < ROUNDS && round < 20 * ROUNDS; round++) {
        uint32_t chance = random_next(&seed);
        uint64_t handle = __atomic_load_n(&world.devices[vcpu / 2][chance % DEVICES],
                                          __ATOMIC_SEQ_CST);

        if (chance % 7 == 0) {
            /* A child; an old handle; the guest's own. */
            handle = blanket_handle(
                4 + chance / 7 % 4,
                __atomic_load_n(&derived[vcpu / 2][chance / 7 % 4], __ATOMIC_SEQ_CST));
        } else if (chance % 97 == 0) {
            handle -= (uint64_t)1 << 32;
        } else if (chance % 53 == 0) {
            handle = blanket_handle(0, 1);
        }
        if (chance % 29 == 0) {
            /* A process of the guest ends, on this vCPU, or the host sees that one has. */
            (void)blanket_pages_gone(world.level, vcpu / 2, vcpu, random_next(&seed) % 72,
                                     chance / 29 % 3 * 8);
        } else if (chance % 5 == 0) {
            uint32_t index = random_next(&seed) % SLOTS;

            (void)blanket_send(
                world.level, vcpu / 2, vcpu, handle,
                blanket_item_slot(BLANKET_ITEM_PORT, index, made[vcpu][handle % 8][1][index]));
        } else if (call(vcpu, handle, random_next(&seed), round) == 0) {
            done++;
        } else {
            sched_yield(); /* dead, broken or being reset: others have to do something */
        }
    }
    return NULL;
}

/* --- beginning and end --- */

static void nothing_is_left(void)
{
    int rc = 1;

    __atomic_store_n(&world.honest, 1, __ATOMIC_SEQ_CST);
    for (uint32_t id = 0; id < GUESTS; id++) {
        blanket_guest_detach(world.level, id);
    }
    for (uint32_t i = 0; i < 100000 && rc != 0; i++) {
        rc = blanket_work(world.level, 64);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(world.gone, GUESTS);
    assert_int_equal(blanket_level_destroy(world.level), 0);
    assert_int_equal(world.wrong, 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        assert_int_equal(world.pinned[i], 0);
    }
    for (uint32_t i = 0; i < GUESTS * DEVICES * KINDS * SLOTS; i++) {
        assert_int_equal((&world.objects[0][0][0])[i].live, 0);
    }
}

static void all_at_once(void **state)
{
    const struct blanket_limits limits = {VCPUS, GUESTS, GUESTS * DEVICES * SLOTS, 1};
    const struct blanket_guest_limits guest = {8, 64, 64, 72, 2};
    void *(*const others[])(void *) = {administrate, work, raise_events};
    pthread_t threads[VCPUS + 3];
    struct blanket_level_stats stats;
    uint32_t numbers[VCPUS + 3], id;

    (void)state;
    world.below.ops = &below_ops;
    (void)pthread_mutex_init(&world.below_lock, NULL);
    for (uint32_t i = 0; i <= GUESTS; i++) {
        (void)pthread_mutex_init(&world.locks[i], NULL);
    }
    assert_int_equal(blanket_level_create(&host_ops, &world, &limits, &world.level), 0);
    for (uint32_t i = 0; i < VCPUS + 3; i++) {
        numbers[i] = i;
    }
    for (uint32_t i = 0; i < GUESTS; i++) {
        assert_int_equal(blanket_guest_attach(world.level, &numbers[i], i, &guest, &id), 0);
        for (uint32_t device = 0; device < DEVICES; device++) {
            mint(id, device);
            assert_true(world.devices[id][device] != 0);
        }
    }
    for (uint32_t i = 0; i < VCPUS + 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < VCPUS ? be_guest : others[i - VCPUS],
                                        &numbers[i]),
                         0);
    }
    for (uint32_t i = 0; i < VCPUS + 3; i++) {
        if (i == VCPUS) {
            __atomic_store_n(&world.stop, 1, __ATOMIC_SEQ_CST);
        }
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    blanket_level_stats(world.level, &stats);
    /* It did get somewhere. */
    assert_true(stats.calls_below > 100 && stats.notifications > 0);
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
