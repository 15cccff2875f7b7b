/* SPDX-License-Identifier: MIT */
/*
 * Each item of each verb, with each type and mode and each zero bit, at one level and through three: what
 * isn't that verb's is refused as a whole, alone and behind a good element, and nothing has changed. The
 * table says once more what docs/abi.md says, so that a slip in the code's own one shows.
 */
#include "cases.h"

#define MODE(access) (1u << (access))
#define NONE MODE(0)
#define SOME (MODE(BLANKET_ACCESS_READ) | MODE(BLANKET_ACCESS_WRITE) | MODE(BED_RW))
#define OWN 0x10u /* or by the caller's own grant */
#define ITEMS_MAX 5u

struct shape_item {
    uint8_t type;
    uint8_t modes; /* bits of what it may have, the others of the call being as `make` gives them */
};

struct shape {
    uint16_t verb;
    uint8_t guest; /* who calls: 0 has granted, 1 has mapped */
    uint8_t batch;
    int good; /* what the call gives as it should be */
    struct shape_item items[ITEMS_MAX];
};

#define GRANT                                                                                      \
    {                                                                                              \
        BLANKET_ITEM_GRANT, NONE                                                                   \
    }
#define MAPPING                                                                                    \
    {                                                                                              \
        BLANKET_ITEM_MAPPING, NONE                                                                 \
    }
#define PORT                                                                                       \
    {                                                                                              \
        BLANKET_ITEM_PORT, NONE                                                                    \
    }
#define COUNT                                                                                      \
    {                                                                                              \
        BLANKET_ITEM_COUNT, NONE                                                                   \
    }
#define ENDPOINT                                                                                   \
    {                                                                                              \
        BLANKET_ITEM_ENDPOINT, NONE                                                                \
    }
#define REQUEST                                                                                    \
    {                                                                                              \
        BLANKET_ITEM_REQUEST, NONE                                                                 \
    }
#define ROOT                                                                                       \
    {                                                                                              \
        BLANKET_ITEM_ROOT, NONE                                                                    \
    }
#define TRANSACTION                                                                                \
    {                                                                                              \
        BLANKET_ITEM_TRANSACTION, NONE                                                             \
    }

/* There is no store here: what gets as far as to ask for one is well-formed, unless a slot isn't there. */
static const struct shape shapes[] = {
    {BLANKET_VERB_ENDPOINT_QUERY, 0, 0, -BLANKET_EOVERFLOW, {{0, 0}}},
    {BLANKET_VERB_ENDPOINT_LOOKUP, 0, 0, -BLANKET_EOVERFLOW, {{0, 0}}},
    {BLANKET_VERB_ENDPOINT_EVENTS, 0, 0, -BLANKET_EOVERFLOW, {{0, 0}}},
    {BLANKET_VERB_ENDPOINT_DERIVE, 0, 0, 0, {ENDPOINT, COUNT, COUNT, COUNT, COUNT}},
    {BLANKET_VERB_ENDPOINT_REVOKE, 0, 0, 0, {ENDPOINT}},
    {BLANKET_VERB_ENDPOINT_RESET, 0, 0, 0, {{0, 0}}},
    {BLANKET_VERB_GRANT_ACCESS, 0, 1, 0, {GRANT, {BLANKET_ITEM_FRAME, SOME | OWN}}},
    {BLANKET_VERB_GRANT_END_ACCESS, 0, 1, 0, {GRANT}},
    {BLANKET_VERB_GRANT_QUERY, 0, 1, 0, {GRANT}},
    {BLANKET_VERB_GRANT_MAP,
     1,
     1,
     0,
     {MAPPING, {BLANKET_ITEM_PEER_REF, SOME}, {BLANKET_ITEM_FRAME, NONE}}},
    {BLANKET_VERB_GRANT_UNMAP, 1, 1, 0, {MAPPING}},
    /* From the peer, so that its side is read and ours is written. */
    {BLANKET_VERB_GRANT_COPY,
     1,
     1,
     0,
     {MAPPING,
      {BLANKET_ITEM_PEER_REF, MODE(BLANKET_ACCESS_READ)},
      {BLANKET_ITEM_FRAME, MODE(BLANKET_ACCESS_WRITE) | OWN},
      {BLANKET_ITEM_SPAN, NONE}}},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 0, 1, 0, {PORT}},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 1, 1, 0, {PORT, {BLANKET_ITEM_PEER_PORT, NONE}}},
    {BLANKET_VERB_EVTCHN_CLOSE, 0, 1, 0, {PORT}},
    {BLANKET_VERB_EVTCHN_BIND_VCPU, 0, 1, 0, {PORT, COUNT}},
    {BLANKET_VERB_EVTCHN_MASK, 0, 1, 0, {PORT}},
    {BLANKET_VERB_EVTCHN_UNMASK, 0, 1, 0, {PORT}},
    {BLANKET_VERB_EVTCHN_STATUS, 0, 1, 0, {PORT}},
    {BLANKET_VERB_EVTCHN_SEND, 0, 1, 0, {PORT}},
    {BLANKET_VERB_STORE_CONNECT, 0, 0, -BLANKET_ENOSYS, {PORT}},
    {BLANKET_VERB_STORE_DISCONNECT, 0, 0, 0, {PORT}},
    {BLANKET_VERB_STORE_RECEIVE, 0, 0, -BLANKET_ENOENT, {PORT}},
    {BLANKET_VERB_STORE_READ, 0, 0, -BLANKET_ENOENT, {PORT, REQUEST, ROOT, TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE, 0, 0, -BLANKET_ENOENT, {PORT, REQUEST, ROOT, TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE_GRANT,
     0,
     0,
     -BLANKET_ENOENT,
     {PORT, REQUEST, ROOT, TRANSACTION, GRANT}},
    {BLANKET_VERB_STORE_WRITE_PORT,
     0,
     0,
     -BLANKET_ENOENT,
     {PORT, REQUEST, ROOT, TRANSACTION, PORT}},
    {BLANKET_VERB_STORE_WATCH,
     0,
     0,
     -BLANKET_ENOENT,
     {PORT, REQUEST, ROOT, {BLANKET_ITEM_WATCH, NONE}}},
    {BLANKET_VERB_STORE_TRANSACT, 0, 0, -BLANKET_ENOENT, {PORT, REQUEST, TRANSACTION}},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static uint32_t count_of(const struct shape *shape)
{
    uint32_t count = 0;

    while (count < ITEMS_MAX && shape->items[count].type != 0) {
        count++;
    }
    return count;
}

/* Does the verb create a slot (which is to be free), or does it act on one of those that are there? */
static uint32_t slot_of(const struct shape *shape)
{
    switch (shape->verb) {
    case BLANKET_VERB_GRANT_ACCESS:
    case BLANKET_VERB_EVTCHN_ALLOC_UNBOUND:
        return 2;
    case BLANKET_VERB_GRANT_MAP:
    case BLANKET_VERB_GRANT_COPY:
    case BLANKET_VERB_GRANT_END_ACCESS:
    case BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN:
        return 1;
    case BLANKET_VERB_STORE_CONNECT:
    case BLANKET_VERB_STORE_DISCONNECT:
        return 3;
    default:
        return shape->verb >> 12 == BLANKET_ROOM_XENSTORE ? 3 : 0;
    }
}

/* One good element. */
static void make(const struct cases *c, const struct shape *shape, uint64_t *items)
{
    uint32_t slot = slot_of(shape), at;

    for (at = 0; at < count_of(shape); at++) {
        unsigned type = shape->items[at].type;

        switch (type) {
        case BLANKET_ITEM_ENDPOINT:
            items[at] = blanket_item_slot(type,
                                          shape->verb == BLANKET_VERB_ENDPOINT_DERIVE ? 7u : 5u, 1);
            break;
        case BLANKET_ITEM_GRANT:
        case BLANKET_ITEM_MAPPING:
        case BLANKET_ITEM_PORT:
            items[at] = blanket_item_slot(type, at == 0 ? slot : 0, 1);
            break;
        case BLANKET_ITEM_PEER_REF:
            items[at] = blanket_item(type, BLANKET_ACCESS_READ, c->references[1]);
            break;
        case BLANKET_ITEM_PEER_PORT:
            items[at] = blanket_item(type, 0, c->numbers[1]);
            break;
        case BLANKET_ITEM_FRAME:
            items[at] = blanket_item(type,
                                     shape->items[at].modes & NONE ? 0u : BLANKET_ACCESS_WRITE,
                                     c->pages[shape->guest][shape->guest ? 1 : 2]);
            break;
        case BLANKET_ITEM_SPAN:
            items[at] = blanket_item(type, 0, 4096ull << 24);
            break;
        default:
            items[at] = blanket_item(type, 0, 0);
            break;
        }
    }
}

/* Elements [good,] items, without a payload: the call's status, or its last element's. */
static int call(struct cases *c, const struct shape *shape, const uint64_t *good,
                const uint64_t *items)
{
    static _Thread_local uint64_t words[BLANKET_FRAME_SIZE_MAX / 8];
    struct blanket_wire_header header;
    uint32_t width = count_of(shape), count = 0;
    int status;

    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = shape->verb;
    header.endpoint = shape->verb == BLANKET_VERB_ENDPOINT_LOOKUP ||
                              shape->verb == BLANKET_VERB_ENDPOINT_EVENTS
                          ? blanket_handle(0, 1)
                          : c->bed.handles[shape->guest];
    if (good) {
        memcpy(words + BLANKET_HEADER_SIZE / 8, good, width * sizeof(*words));
        count += width;
    }
    memcpy(words + BLANKET_HEADER_SIZE / 8 + count, items, width * sizeof(*words));
    count += width;
    header.item_count = (uint16_t)count;
    memcpy(words, &header, sizeof(header));
    status = blanket_sim_call(c->bed.sim, bed_guest(&c->bed, shape->guest), 0, words,
                              BLANKET_HEADER_SIZE + count * 8);
    return status || width == 0 ? status
                                : bed_status(words[BLANKET_HEADER_SIZE / 8 + count - width]);
}

static int may_be(const struct shape_item *item, unsigned type, unsigned access)
{
    return (type == item->type || (type == BLANKET_ITEM_OWN_GRANT && (item->modes & OWN))) &&
           (item->modes & MODE(access));
}

/* One item of a good element, with another head. Returns how many calls were refused. */
static uint32_t try_heads(struct cases *c, const struct shape *shape, const uint64_t *good,
                          uint32_t at)
{
    uint64_t items[ITEMS_MAX];
    uint32_t tried = 0, head, second;

    memcpy(items, good, sizeof(items));
    /* Type and access, then each of the zero bits. */
    for (head = 0; head < 1024 + 6; head++) {
        if (head >= 1024) {
            items[at] = good[at] | 1ull << (48 + head - 1024);
        } else if (may_be(&shape->items[at], head >> 2, head & 3u)) {
            continue;
        } else {
            items[at] = blanket_item(head >> 2, head & 3u, blanket_item_value(good[at]));
        }
        for (second = 0; second <= shape->batch; second++) {
            int status = call(c, shape, second ? good : NULL, items);

            if (status != -BLANKET_EINVAL) {
                fail_msg("%s, item %u as %#llx: %d", blanket_verb_name(shape->verb), at,
                         (unsigned long long)items[at], status);
            }
            tried++;
        }
    }
    return tried;
}

static void try_verb(const struct shape *shape, uint32_t levels, uint32_t seed, uint32_t *tried)
{
    struct cases_snapshot before, after;
    uint64_t good[ITEMS_MAX] = {0};
    uint64_t more[2 * ITEMS_MAX] = {0};
    struct shape wider = *shape;
    struct cases c;
    uint32_t at;

    assert_int_equal(cases_open(&c, levels, seed), 0);
    make(&c, shape, good);
    cases_snapshot(&c, &before);
    for (at = 0; at < count_of(shape); at++) {
        *tried += try_heads(&c, shape, good, at);
    }
    /* One item more than an element has, and one less. */
    if (count_of(shape) < ITEMS_MAX) {
        memcpy(more, good, sizeof(good));
        wider.items[count_of(shape)] = count_of(shape) != 0
                                           ? shape->items[0]
                                           : (struct shape_item){BLANKET_ITEM_COUNT, NONE};
        more[count_of(shape)] = good[0];
        if (!shape->batch || count_of(shape) > 1) {
            assert_int_equal(call(&c, &wider, NULL, more), -BLANKET_EINVAL);
        }
    }
    if (count_of(shape) != 0) {
        wider = *shape;
        wider.items[count_of(shape) - 1].type = 0;
        assert_int_equal(call(&c, &wider, NULL, good), -BLANKET_EINVAL);
    }
    cases_snapshot(&c, &after);
    if (!cases_equal(&before, &after)) {
        fail_msg("%s: something changed", blanket_verb_name(shape->verb));
    }
    /* As it should be it isn't refused for that: the head was the reason. */
    at = (uint32_t)call(&c, shape, NULL, good);
    if ((int)at != shape->good) {
        fail_msg("%s as it should be: %d, not %d", blanket_verb_name(shape->verb), (int)at,
                 shape->good);
    }
    assert_int_equal(cases_close(&c), 0);
}

static void at(uint32_t levels)
{
    uint32_t i, tried = 0;

    for (i = 0; i < SHAPES; i++) {
        try_verb(&shapes[i], levels, 700 + i, &tried);
    }
    /* No verb is forgotten: each number that has a name is in the table. */
    for (i = 0; i <= UINT16_MAX; i++) {
        uint32_t known = 0, k;

        for (k = 0; k < SHAPES; k++) {
            known += shapes[k].verb == i;
        }
        assert_int_equal(known, strcmp(blanket_verb_name((uint16_t)i), "?") != 0);
    }
    assert_true(tried > 1000 * 50);
}

static void at_one_level(void **state)
{
    (void)state;
    at(1);
}

static void through_three_levels(void **state)
{
    (void)state;
    at(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_one_level),
        cmocka_unit_test(through_three_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
