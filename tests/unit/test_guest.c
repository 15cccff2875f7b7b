/* SPDX-License-Identifier: MIT */
/* The guest library over a scripted level: frames, grants, ports, endpoints; honest and hostile. */
#include "guest_fake.h"

static struct fake_guest f;

static int setup(void **state)
{
    (void)state;
    fake_guest_init(&f, 8, 4, 4);
    return 0;
}

static uint64_t page(uint64_t frame)
{
    return blanket_item(BLANKET_ITEM_FRAME, BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE, frame);
}

static int access_one(uint64_t frame, uint32_t *grant)
{
    struct blanket_guest_access element = {page(frame), 0xdead, 99};
    int rc = blanket_guest_grant_access(&f.device, &element, 1);

    assert_int_equal(rc, element.status);
    *grant = element.grant;
    return rc;
}

static int end_one(uint32_t grant)
{
    struct blanket_guest_end element = {grant, 99};
    int rc = blanket_guest_grant_end(&f.device, &element, 1);

    assert_int_equal(rc, element.status);
    return rc;
}

/* ---- init ---- */

static void test_init_checks(void **state)
{
    struct blanket_transport transport = {&f.ops, &f.fake};
    struct blanket_transport_ops ops = f.ops;
    struct blanket_below below = {NULL, NULL};
    struct blanket_guest guest;

    (void)state;
    assert_int_equal(blanket_guest_init(&guest, &transport, NULL), -BLANKET_EINVAL);
    ops.size--;
    transport.ops = &ops;
    assert_int_equal(blanket_guest_init(&guest, &transport, f.frame), -BLANKET_EINVAL);
    ops = f.ops;
    ops.call = NULL;
    assert_int_equal(blanket_guest_init(&guest, &transport, f.frame), -BLANKET_EINVAL);
    ops = f.ops;
    ops.send = NULL;
    assert_int_equal(blanket_guest_init(&guest, &transport, f.frame), -BLANKET_EINVAL);
    transport.ops = NULL;
    assert_int_equal(blanket_guest_init(&guest, &transport, f.frame), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_init_direct(&guest, &below, 0), -BLANKET_EINVAL);
}

/* ---- frames ---- */

static void test_frame_layout(void **state)
{
    struct blanket_guest_access elements[2] = {{page(0x123), 0, 0}, {page(0x456789abcull), 0, 0}};
    static const uint8_t golden[] = {
        'B', 'L', 'K', 'T',  1,    0,    0x81, 0x18, 0, 0,    0,    0, 4, 0, 0, 0,    3, 0, 0, 0, 7,
        0,   0,   0,   0x55, 0,    0,    0,    0,    0, 0,    0,    0, 0, 0, 0, 0,    0, 0, 0, 0, 0,
        0,   0,   0,   0,    0,    0,    0,    0,    0, 0,    0,    0, 0, 0, 0, 0,    0, 0, 0, 0, 0,
        0,   0,   0,   1,    0,    0,    0,    0,    5, 0x23, 0x01, 0, 0, 0, 0, 0xc0, 1, 1, 0, 1, 0,
        0,   0,   0,   5,    0xbc, 0x9a, 0x78, 0x56, 4, 0,    0xc0, 1,
    };

    (void)state;
    blanket_guest_claim(&f.guest, 0x55);
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 2), 0);
    assert_int_equal(f.fake.size, sizeof(golden));
    assert_memory_equal(&f.fake.header, golden, 64);
    assert_memory_equal(f.fake.items, golden + 64, 32);
    assert_int_equal(elements[0].grant, 0);
    assert_int_equal(elements[1].grant, 1);
    assert_int_equal(blanket_guest_grant_reference(&f.device, elements[1].grant), 1001);
}

static void test_batches(void **state)
{
    struct blanket_guest_access elements[130];
    struct blanket_guest_end ends[130];

    (void)state;
    fake_guest_init(&f, 130, 0, 0);
    for (uint32_t i = 0; i < 130; i++) {
        elements[i].page = page(i);
    }
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 130), 0);
    assert_int_equal(f.fake.calls, 3);
    assert_int_equal(f.fake.elements, 130);
    for (uint32_t i = 0; i < 130; i++) {
        assert_int_equal(elements[i].grant, i);
        ends[i].index = i;
    }
    assert_int_equal(blanket_guest_grant_end(&f.device, ends, 130), 0);
    assert_int_equal(f.fake.calls, 6);
    assert_int_equal(f.device.grants.free_count, 130);
}

static void test_interrupted_calls_go_on(void **state)
{
    struct blanket_guest_access elements[8];

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        elements[i].page = page(i);
    }
    f.fake.limit = 3;
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 8), 0);
    assert_int_equal(f.fake.calls, 3);
    assert_int_equal(f.fake.elements, 8);
    assert_int_equal(f.fake.header.item_count, 4); /* the last call: what was left */
    assert_int_equal(blanket_item_index(f.fake.items[0]), 6);
}

/* Two elements, then the level refuses the rest: each has its own outcome. */
static int serve_two_then_busy(struct fake *fake, struct blanket_wire_header *header,
                               uint64_t *items, uint8_t *payload)
{
    (void)payload;
    if (fake->elements >= 2) {
        return -BLANKET_EAGAIN;
    }
    return fake_elements(fake, header, items);
}

static void test_refused_in_the_middle(void **state)
{
    struct blanket_guest_access elements[5];

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        elements[i].page = page(i);
    }
    f.fake.serve = serve_two_then_busy;
    f.fake.limit = 2;
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 5), -BLANKET_EAGAIN);
    assert_int_equal(elements[0].status, 0);
    assert_int_equal(elements[1].status, 0);
    for (uint32_t i = 2; i < 5; i++) {
        assert_int_equal(elements[i].status, -BLANKET_EAGAIN);
    }
    assert_int_equal(f.device.grants.free_count, 6);
}

static int serve_nothing(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                         uint8_t *payload)
{
    (void)fake;
    (void)header;
    (void)items;
    (void)payload;
    return 0;
}

static void test_no_progress_is_bounded(void **state)
{
    uint32_t grant;

    (void)state;
    f.fake.serve = serve_nothing;
    assert_int_equal(access_one(1, &grant), -BLANKET_EAGAIN);
    assert_int_equal(f.fake.calls, 16);
    assert_int_equal(f.device.grants.free_count, 8);
}

/* ---- a level that lies: each of these is lost, and nothing of it reaches the caller ---- */

static int spoil_magic(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->magic ^= 1;
    return status;
}
static int spoil_version(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->version = 2;
    return status;
}
static int spoil_verb(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->verb ^= 0x20;
    return status;
}
static int spoil_endpoint(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->endpoint++;
    return status;
}
static int spoil_status(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->status = -BLANKET_EPERM;
    return status;
}
static int spoil_done(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->done = 2;
    return status;
}
static int spoil_done_far(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->done = 0xffff;
    return status;
}
static int spoil_reply_size(struct fake *fake, void *frame, int status)
{
    (void)fake;
    ((struct blanket_wire_header *)frame)->reply_size = 1;
    return status;
}
static int spoil_register_positive(struct fake *fake, void *frame, int status)
{
    (void)fake;
    (void)frame;
    (void)status;
    return 1;
}
static int spoil_register_unknown(struct fake *fake, void *frame, int status)
{
    (void)fake;
    (void)frame;
    (void)status;
    return -3;
}
static int spoil_register_smallest(struct fake *fake, void *frame, int status)
{
    (void)fake;
    (void)frame;
    (void)status;
    return INT32_MIN;
}
static int spoil_element_positive(struct fake *fake, void *frame, int status)
{
    (void)fake;
    *(uint64_t *)((uint8_t *)frame + 64) = blanket_result(5, 0);
    return status;
}
static int spoil_element_unknown(struct fake *fake, void *frame, int status)
{
    (void)fake;
    *(uint64_t *)((uint8_t *)frame + 64) = blanket_result(-111, 0);
    return status;
}
static int spoil_element_smallest(struct fake *fake, void *frame, int status)
{
    (void)fake;
    *(uint64_t *)((uint8_t *)frame + 64) = blanket_result(INT32_MIN, 0);
    return status;
}

static void test_lies_are_lost(void **state)
{
    static int (*const lies[])(struct fake *, void *, int) = {
        spoil_done_far,
        spoil_magic,
        spoil_version,
        spoil_verb,
        spoil_endpoint,
        spoil_status,
        spoil_done,
        spoil_reply_size,
        spoil_register_positive,
        spoil_register_unknown,
        spoil_register_smallest,
        spoil_element_positive,
        spoil_element_unknown,
        spoil_element_smallest,
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint32_t grant = 99;

        f.fake.spoil = lies[i];
        assert_int_equal(access_one(1, &grant), -BLANKET_EIO);
        assert_true(grant < 8);
        assert_int_equal(f.device.grants.slots[grant].state, BLANKET_GUEST_SLOT_CLOSING);
        assert_int_equal(end_one(grant), -BLANKET_EIO);
        assert_int_equal(f.device.grants.free_count, 7);
        f.fake.spoil = NULL;
        assert_int_equal(end_one(grant), 0);
        assert_int_equal(f.device.grants.free_count, 8);
    }
}

static int spoil_refused_unwritten(struct fake *fake, void *frame, int status)
{
    (void)fake;
    (void)status;
    memset(frame, 0, 64);
    return -BLANKET_EFAULT;
}

static void test_refusal_needs_no_frame(void **state)
{
    uint32_t grant;

    (void)state;
    f.fake.spoil = spoil_refused_unwritten;
    assert_int_equal(access_one(1, &grant), -BLANKET_EFAULT);
    assert_int_equal(f.device.grants.free_count, 8);
}

/* ---- slots ---- */

static void test_slots_run_out_and_come_back(void **state)
{
    struct blanket_guest_access elements[10];
    uint32_t grant;

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        elements[i].page = page(i);
    }
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 10), -BLANKET_ENOSPC);
    assert_int_equal(elements[7].status, 0);
    assert_int_equal(elements[8].status, -BLANKET_ENOSPC);
    assert_int_equal(f.fake.elements, 8);
    assert_int_equal(end_one(5), 0);
    assert_int_equal(access_one(1, &grant), 0);
    assert_int_equal(grant, 5);
    assert_int_equal(blanket_item_generation(f.fake.items[0]), 2);
}

static void test_quota_is_named(void **state)
{
    uint32_t grant;

    (void)state;
    f.fake.status = -BLANKET_ENOSPC;
    f.fake.value = BLANKET_QUOTA_GRANTS;
    assert_int_equal(access_one(1, &grant), -BLANKET_ENOSPC);
    assert_int_equal(blanket_guest_quota(&f.guest), BLANKET_QUOTA_GRANTS);
    f.fake.value = 77;
    assert_int_equal(access_one(1, &grant), -BLANKET_ENOSPC);
    assert_int_equal(blanket_guest_quota(&f.guest), 0);
    assert_int_equal(f.device.grants.free_count, 8);
}

static void test_oldest_slot_first(void **state)
{
    uint32_t grant;

    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(access_one(1, &grant), 0);
            assert_int_equal(grant, i);
            assert_int_equal(blanket_item_generation(f.fake.items[0]), round + 1);
            assert_int_equal(end_one(grant), 0);
        }
    }
}

static void test_busy_slot_stays_closing(void **state)
{
    uint32_t grant;

    (void)state;
    assert_int_equal(access_one(1, &grant), 0);
    f.fake.status = -BLANKET_EBUSY;
    assert_int_equal(end_one(grant), -BLANKET_EBUSY);
    f.fake.status = -BLANKET_EPERM;
    assert_int_equal(end_one(grant), -BLANKET_EPERM);
    assert_int_equal(f.device.grants.free_count, 7);
    f.fake.status = 0;
    assert_int_equal(end_one(grant), 0);
    assert_int_equal(f.device.grants.free_count, 8);
    assert_int_equal(end_one(grant), -BLANKET_EINVAL);
    assert_int_equal(end_one(8), -BLANKET_EINVAL);
    assert_int_equal(end_one(UINT32_MAX), -BLANKET_EINVAL);
}

static void test_end_twice_in_one_batch(void **state)
{
    struct blanket_guest_end ends[4] = {{0, 1}, {7, 1}, {0, 1}, {1, 1}};
    uint32_t grant;

    (void)state;
    assert_int_equal(access_one(1, &grant), 0);
    assert_int_equal(access_one(2, &grant), 0);
    assert_int_equal(blanket_guest_grant_end(&f.device, ends, 4), -BLANKET_EINVAL);
    assert_int_equal(ends[0].status, 0);
    assert_int_equal(ends[1].status, -BLANKET_EINVAL);
    assert_int_equal(ends[3].status, 0);
    assert_int_equal(f.device.grants.free_count, 8); /* not 9: slot 0 isn't in the list twice */
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(access_one(1, &grant), 0);
    }
    assert_int_equal(access_one(1, &grant), -BLANKET_ENOSPC);
}

/* Somebody used the slots before: the level tells how far it is, and the same slot is tried again. */
static int serve_stale(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                       uint8_t *payload)
{
    uint32_t stride = fake_element_items(header->verb);
    uint32_t known = *(uint32_t *)fake->more;

    (void)payload;
    for (uint32_t i = 0; i * stride < header->item_count; i++) {
        uint64_t *item = &items[i * stride];

        *item = blanket_item_generation(*item) > known ? blanket_result(0, 0)
                                                       : blanket_result(-BLANKET_ESTALE, known);
        header->done++;
    }
    return 0;
}

static void test_stale_generation_catches_up(void **state)
{
    struct blanket_guest_access elements[3] = {{page(1), 0, 0}, {page(2), 0, 0}, {page(3), 0, 0}};
    uint32_t known = 41, port, number;

    (void)state;
    f.fake.serve = serve_stale;
    f.fake.more = &known;
    assert_int_equal(blanket_guest_grant_access(&f.device, elements, 3), 0);
    assert_int_equal(f.fake.calls, 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(elements[i].grant, i);
        assert_int_equal(f.device.grants.slots[i].generation, 42);
    }
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    assert_int_equal(f.device.ports.slots[port].generation, 42);
    known = 1; /* just the generation that is tried first */
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    assert_int_equal(f.device.ports.slots[port].generation, 2);
    known = UINT32_MAX; /* worn out */
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), -BLANKET_ESTALE);
    assert_int_equal(f.fake.calls, 7);
}

static int serve_ever_staler(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                             uint8_t *payload)
{
    (void)fake;
    (void)payload;
    items[0] = blanket_result(-BLANKET_ESTALE, blanket_item_generation(items[0]) + 5);
    header->done = 1;
    return 0;
}

static void test_stale_for_ever_is_bounded(void **state)
{
    uint32_t grant, port, number;

    (void)state;
    f.fake.serve = serve_ever_staler;
    assert_int_equal(access_one(1, &grant), -BLANKET_ESTALE);
    assert_int_equal(f.fake.calls, 2);
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), -BLANKET_ESTALE);
    assert_int_equal(f.fake.calls, 4);
    assert_int_equal(f.device.grants.free_count, 8);
    assert_int_equal(f.device.ports.free_count, 4);
}

static void test_generations_wear_out(void **state)
{
    struct blanket_wire_endpoint info;
    uint32_t grant;

    (void)state;
    memset(&info, 0, sizeof(info));
    info.grant_count = 2;
    assert_int_equal(blanket_guest_device_init(&f.device, &f.guest, &info, f.slots, UINT32_MAX - 1),
                     0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(access_one(1, &grant), 0);
        assert_int_equal(blanket_item_generation(f.fake.items[0]), UINT32_MAX);
        assert_int_equal(end_one(grant), 0);
    }
    assert_int_equal(access_one(1, &grant), -BLANKET_ENOSPC);
    assert_int_equal(f.fake.calls, 4);
    info.grant_count = 65537;
    assert_int_equal(blanket_guest_device_init(&f.device, &f.guest, &info, f.slots, 0),
                     -BLANKET_EINVAL);
}

static void test_drained_frees_all(void **state)
{
    uint32_t grant, port, number;

    (void)state;
    assert_int_equal(access_one(1, &grant), 0);
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    f.fake.status = -BLANKET_EPERM;
    assert_int_equal(end_one(grant), -BLANKET_EPERM);
    f.fake.status = 0;
    blanket_guest_device_drained(&f.device);
    assert_int_equal(f.device.grants.free_count, 8);
    assert_int_equal(f.device.ports.free_count, 4);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(access_one(1, &grant), 0);
    }
    assert_int_equal(grant, 0); /* the last to be freed, with a newer generation */
    assert_int_equal(f.device.grants.slots[0].generation, 2);
}

/* ---- query, map, copy ---- */

static void test_grant_query(void **state)
{
    uint32_t grant, value = 9;

    (void)state;
    assert_int_equal(blanket_guest_grant_query(&f.device, 0, &value), -BLANKET_EINVAL);
    assert_int_equal(access_one(1, &grant), 0);
    f.fake.value = BLANKET_GRANT_STATE_WRITING | BLANKET_GRANT_STATE_READING;
    assert_int_equal(blanket_guest_grant_query(&f.device, grant, &value), 0);
    assert_int_equal(value, 3);
    f.fake.value = 8;
    assert_int_equal(blanket_guest_grant_query(&f.device, grant, &value), -BLANKET_EIO);
    assert_int_equal(value, 3);
}

static void test_map(void **state)
{
    struct blanket_guest_map maps[2] = {{0x77, 1234, BLANKET_ACCESS_READ, 0, 9},
                                        {0x78, 5678, 3, 0, 9}};
    struct blanket_guest_end ends[2] = {{0, 9}, {1, 9}};

    (void)state;
    assert_int_equal(blanket_guest_grant_map(&f.device, maps, 2), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_GRANT_MAP);
    assert_int_equal(f.fake.items[0], blanket_item_slot(BLANKET_ITEM_MAPPING, 0, 1));
    assert_int_equal(f.fake.items[1], blanket_item(BLANKET_ITEM_PEER_REF, 1, 1234));
    assert_int_equal(f.fake.items[2], blanket_item(BLANKET_ITEM_FRAME, 0, 0x77));
    assert_int_equal(f.fake.items[4], blanket_item(BLANKET_ITEM_PEER_REF, 3, 5678));
    assert_int_equal(blanket_guest_grant_unmap(&f.device, ends, 2), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_GRANT_UNMAP);
    assert_int_equal(f.device.mappings.free_count, 4);
    maps[0].access = 4;
    maps[1].frame = BLANKET_ITEM_VALUE_MASK + 1;
    assert_int_equal(blanket_guest_grant_map(&f.device, maps, 2), -BLANKET_EINVAL);
    assert_int_equal(maps[1].status, -BLANKET_EINVAL);
    assert_int_equal(f.fake.calls, 2);
}

static void copies_init(struct blanket_guest_copy *copies, uint32_t count)
{
    memset(copies, 0, count * sizeof(*copies));
    for (uint32_t i = 0; i < count; i++) {
        copies[i].page = page(i);
        copies[i].reference = 100 + i;
        copies[i].length = 4096;
    }
}

static void test_copy(void **state)
{
    struct blanket_guest_copy copies[9];

    (void)state;
    copies_init(copies, 9);
    copies[8].to_peer = 1;
    copies[8].peer_offset = 0x101;
    copies[8].offset = 0x202;
    copies[8].length = 0x303;
    assert_int_equal(blanket_guest_grant_copy(&f.device, copies, 9), 0);
    assert_int_equal(f.fake.calls, 3); /* four mapping slots, each free again after its frame */
    assert_int_equal(f.fake.items[1], blanket_item(BLANKET_ITEM_PEER_REF, 2, 108));
    assert_int_equal(f.fake.items[2], blanket_item(BLANKET_ITEM_FRAME, 1, 8));
    assert_int_equal(f.fake.items[3], blanket_item(BLANKET_ITEM_SPAN, 0, 0x303202101ull));
    assert_int_equal(f.device.mappings.free_count, 4);
    copies_init(copies, 3);
    copies[0].length = 0;
    copies[1].offset = 1;
    copies[2].peer_offset = 1;
    assert_int_equal(blanket_guest_grant_copy(&f.device, copies, 3), -BLANKET_EINVAL);
    assert_int_equal(copies[1].status, -BLANKET_EINVAL);
    assert_int_equal(copies[2].status, -BLANKET_EINVAL);
    assert_int_equal(f.fake.calls, 3);
}

static void test_lost_copies_are_swept(void **state)
{
    struct blanket_guest_copy copies[4];

    (void)state;
    copies_init(copies, 4);
    f.fake.spoil = spoil_register_unknown;
    assert_int_equal(blanket_guest_grant_copy(&f.device, copies, 4), -BLANKET_EIO);
    assert_int_equal(f.device.mappings.free_count, 0);
    assert_int_equal(blanket_guest_grant_copy(&f.device, copies, 4), -BLANKET_ENOSPC);
    f.fake.spoil = NULL;
    assert_int_equal(blanket_guest_grant_copy(&f.device, copies, 4), 0);
    assert_int_equal(f.device.mappings.free_count, 4);
}

/* ---- ports ---- */

static void test_ports(void **state)
{
    uint32_t port = 99, other = 99, number = 0, found = 99;

    (void)state;
    f.fake.value = 4711;
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    assert_int_equal(number, 4711);
    assert_int_equal(f.fake.header.item_count, 1);
    assert_int_equal(blanket_guest_port_bind(&f.device, 12, &other), 0);
    assert_int_equal(f.fake.items[1], blanket_item(BLANKET_ITEM_PEER_PORT, 0, 12));
    assert_int_equal(other, 1);
    assert_int_equal(blanket_guest_port_send(&f.device, other), 0);
    assert_int_equal(f.fake.last_endpoint, FAKE_ENDPOINT);
    assert_int_equal(f.fake.last_port, blanket_item_slot(BLANKET_ITEM_PORT, 1, 1));
    f.fake.send_status = -BLANKET_ENOTCONN;
    assert_int_equal(blanket_guest_port_send(&f.device, other), -BLANKET_ENOTCONN);
    f.fake.send_status = 7;
    assert_int_equal(blanket_guest_port_send(&f.device, other), -BLANKET_EIO);
    assert_int_equal(blanket_guest_port_send(&f.device, 2), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_port_mask(&f.device, other), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_EVTCHN_MASK);
    assert_int_equal(blanket_guest_port_unmask(&f.device, other), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_EVTCHN_UNMASK);
    assert_int_equal(blanket_guest_port_vcpu(&f.device, other, 0), 0);
    assert_int_equal(f.fake.items[1], blanket_item(BLANKET_ITEM_COUNT, 0, 0));
    assert_int_equal(blanket_guest_port_number(&f.device, other), 65);
    assert_int_equal(blanket_guest_port_find(&f.device, 65, &found), 0);
    assert_int_equal(found, 1);
    assert_int_equal(blanket_guest_port_find(&f.device, 63, &found), -BLANKET_ENOENT);
    assert_int_equal(blanket_guest_port_find(&f.device, 66, &found), -BLANKET_ENOENT);
    assert_int_equal(blanket_guest_port_find(&f.device, 70, &found), -BLANKET_ENOENT);
    assert_int_equal(blanket_guest_port_close(&f.device, port), 0);
    assert_int_equal(blanket_guest_port_close(&f.device, port), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_port_mask(&f.device, port), -BLANKET_EINVAL);
    f.fake.status = -BLANKET_ENOENT;
    assert_int_equal(blanket_guest_port_bind(&f.device, 12, &other), -BLANKET_ENOENT);
    assert_int_equal(f.device.ports.free_count, 3);
}

static void test_port_status(void **state)
{
    uint32_t port, number, value = 0;

    (void)state;
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    f.fake.value = BLANKET_PORT_STATE_UNBOUND | BLANKET_PORT_STATE_MASKED;
    assert_int_equal(blanket_guest_port_status(&f.device, port, &value), 0);
    assert_int_equal(value, 0x201);
    f.fake.value = 4;
    assert_int_equal(blanket_guest_port_status(&f.device, port, &value), -BLANKET_EIO);
    f.fake.value = 0x401;
    assert_int_equal(blanket_guest_port_status(&f.device, port, &value), -BLANKET_EIO);
    f.fake.status = -BLANKET_ENOENT;
    assert_int_equal(blanket_guest_port_status(&f.device, port, &value), -BLANKET_ENOENT);
    assert_int_equal(value, 0x201);
}

static void test_lost_port(void **state)
{
    uint32_t port = 99, number = 99;

    (void)state;
    f.fake.spoil = spoil_element_unknown;
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), -BLANKET_EIO);
    assert_int_equal(port, 0);
    f.fake.spoil = NULL;
    assert_int_equal(blanket_guest_port_close(&f.device, port), 0);
    assert_int_equal(f.device.ports.free_count, 4);
}

/* ---- endpoints ---- */

static int serve_info(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                      uint8_t *payload)
{
    (void)items;
    memcpy(payload, fake->more, sizeof(struct blanket_wire_endpoint));
    header->reply_size = sizeof(struct blanket_wire_endpoint);
    return 0;
}

static void test_lookup(void **state)
{
    struct blanket_wire_endpoint info, got;
    char longest[BLANKET_NAME_SIZE + 1];

    (void)state;
    memset(&info, 0, sizeof(info));
    memcpy(info.name, "vbd/51712", 10);
    info.endpoint = FAKE_ENDPOINT;
    info.rights = BLANKET_RIGHTS_ALL;
    info.state = BLANKET_ENDPOINT_LIVE;
    f.fake.more = &info;
    f.fake.serve = serve_info;
    assert_int_equal(blanket_guest_lookup(&f.guest, "vbd/51712", &got), 0);
    assert_memory_equal(&info, &got, sizeof(got));
    assert_int_equal(f.fake.header.endpoint, BLANKET_GUEST_SELF);
    assert_int_equal(f.fake.header.payload_size, 9);
    assert_memory_equal(f.fake.payload, "vbd/51712", 9);
    memset(longest, 'x', sizeof(longest));
    longest[BLANKET_NAME_SIZE] = '\0';
    assert_int_equal(blanket_guest_lookup(&f.guest, longest, &got), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_query(&f.guest, FAKE_ENDPOINT, &got), 0);
    assert_int_equal(f.fake.header.endpoint, FAKE_ENDPOINT);
    info.events = BLANKET_EVENT_DRAINED;
    assert_int_equal(blanket_guest_events(&f.guest, &got), 0);
    assert_int_equal(got.events, BLANKET_EVENT_DRAINED);
}

static void test_info_is_checked(void **state)
{
    struct blanket_wire_endpoint info, got, good;

    (void)state;
    memset(&good, 0, sizeof(good));
    f.fake.more = &info;
    f.fake.serve = serve_info;
    for (uint32_t i = 0; i < 8; i++) {
        info = good;
        info.rights = i == 0 ? BLANKET_RIGHTS_ALL + 1 : 0;
        info.state = i == 1 ? 5 : 0;
        info.events = i == 2 ? 8 : 0;
        info.zero = i == 3;
        info.grant_count = i == 4 ? 65537 : 0;
        info.mapping_count = i == 5 ? 65537 : 0;
        info.port_count = i == 6 ? 65537 : 0;
        if (i == 7) {
            memset(info.name, 'x', sizeof(info.name));
        }
        assert_int_equal(blanket_guest_query(&f.guest, FAKE_ENDPOINT, &got), -BLANKET_EIO);
    }
    f.fake.serve = NULL; /* no payload at all */
    assert_int_equal(blanket_guest_query(&f.guest, FAKE_ENDPOINT, &got), -BLANKET_EIO);
}

static void test_derive_and_revoke(void **state)
{
    const struct blanket_guest_derive derive = {4, 9, 0x30, 8, 0, 2, "child"};
    struct blanket_guest_derive bad = derive;
    uint64_t endpoint = 0;

    (void)state;
    assert_int_equal(blanket_guest_derive(&f.guest, FAKE_ENDPOINT, &derive, &endpoint), 0);
    assert_int_equal(endpoint, blanket_handle(4, 9));
    assert_int_equal(f.fake.items[0], blanket_item_slot(BLANKET_ITEM_ENDPOINT, 4, 9));
    assert_int_equal(f.fake.items[4], blanket_item(BLANKET_ITEM_COUNT, 0, 2));
    assert_memory_equal(f.fake.payload, "child", 5);
    assert_int_equal(blanket_guest_revoke(&f.guest, FAKE_ENDPOINT, endpoint), 0);
    assert_int_equal(f.fake.items[0], blanket_item_slot(BLANKET_ITEM_ENDPOINT, 4, 9));
    assert_int_equal(blanket_guest_revoke(&f.guest, FAKE_ENDPOINT, 65536), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_reset(&f.guest, BLANKET_GUEST_SELF), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_ENDPOINT_RESET);
    bad.slot = 65536;
    assert_int_equal(blanket_guest_derive(&f.guest, FAKE_ENDPOINT, &bad, &endpoint),
                     -BLANKET_EINVAL);
    bad = derive;
    bad.name = "a name of exactly thirty-two b..";
    assert_int_equal(blanket_guest_derive(&f.guest, FAKE_ENDPOINT, &bad, &endpoint),
                     -BLANKET_EINVAL);
    f.fake.status = -BLANKET_EEXIST;
    endpoint = 1;
    assert_int_equal(blanket_guest_derive(&f.guest, FAKE_ENDPOINT, &derive, &endpoint),
                     -BLANKET_EEXIST);
    assert_int_equal(endpoint, 1);
}

/* ---- raw calls, and a below without frames ---- */

static void test_call_limits(void **state)
{
    uint64_t items[256] = {0}, results[64];
    struct blanket_call call;

    (void)state;
    memset(&call, 0, sizeof(call));
    call.items = items;
    call.results = results;
    assert_int_equal(blanket_guest_call(&f.guest, &call), -BLANKET_E2BIG);
    call.element_count = 65;
    assert_int_equal(blanket_guest_call(&f.guest, &call), -BLANKET_E2BIG);
    call.element_count = 64;
    call.element_items = 5;
    assert_int_equal(blanket_guest_call(&f.guest, &call), -BLANKET_E2BIG);
    call.element_count = 1;
    call.payload_size = BLANKET_PAYLOAD_SIZE_MAX + 1;
    assert_int_equal(blanket_guest_call(&f.guest, &call), -BLANKET_EMSGSIZE);
    call.payload_size = 0;
    call.reply_max = BLANKET_PAYLOAD_SIZE_MAX + 1;
    assert_int_equal(blanket_guest_call(&f.guest, &call), -BLANKET_EMSGSIZE);
    assert_int_equal(f.fake.calls, 0);
}

struct below_fake {
    struct blanket_call call;
    uint64_t items[8];
    uint32_t sends, too_many, reply;
};

static int below_call(void *context, struct blanket_call *call)
{
    struct below_fake *below = context;

    below->call = *call;
    memcpy(below->items, call->items, (size_t)call->element_count * call->element_items * 8);
    for (uint32_t i = 0; i < call->element_count; i++) {
        call->results[i] = blanket_result(0, 5);
    }
    call->done = (uint16_t)(call->element_count + below->too_many);
    call->reply_size = (uint16_t)below->reply;
    return 0;
}

static int below_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct below_fake *below = context;

    below->sends += vcpu == 3 && endpoint == FAKE_ENDPOINT &&
                    port == blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    return 0;
}

static void test_direct(void **state)
{
    static const struct blanket_below_ops ops = {below_call, below_send};
    struct below_fake fake = {0};
    struct blanket_below below = {&ops, &fake};
    uint32_t port, number, grant;

    (void)state;
    assert_int_equal(blanket_guest_init_direct(&f.guest, &below, 3), 0);
    assert_int_equal(access_one(0x123, &grant), 0);
    assert_int_equal(fake.call.vcpu, 3);
    assert_int_equal(fake.call.endpoint, FAKE_ENDPOINT);
    assert_int_equal(fake.items[1], page(0x123));
    assert_int_equal(blanket_guest_port_alloc(&f.device, &port, &number), 0);
    assert_int_equal(number, 5);
    assert_int_equal(blanket_guest_port_send(&f.device, port), 0);
    assert_int_equal(fake.sends, 1);
    fake.too_many = 1;
    assert_int_equal(access_one(0x124, &grant), -BLANKET_EIO);
    fake.too_many = 0;
    fake.reply = 1;
    assert_int_equal(access_one(0x125, &grant), -BLANKET_EIO);
    assert_int_equal(f.fake.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init_checks, setup),
        cmocka_unit_test_setup(test_frame_layout, setup),
        cmocka_unit_test_setup(test_batches, setup),
        cmocka_unit_test_setup(test_interrupted_calls_go_on, setup),
        cmocka_unit_test_setup(test_refused_in_the_middle, setup),
        cmocka_unit_test_setup(test_no_progress_is_bounded, setup),
        cmocka_unit_test_setup(test_lies_are_lost, setup),
        cmocka_unit_test_setup(test_refusal_needs_no_frame, setup),
        cmocka_unit_test_setup(test_slots_run_out_and_come_back, setup),
        cmocka_unit_test_setup(test_quota_is_named, setup),
        cmocka_unit_test_setup(test_oldest_slot_first, setup),
        cmocka_unit_test_setup(test_busy_slot_stays_closing, setup),
        cmocka_unit_test_setup(test_end_twice_in_one_batch, setup),
        cmocka_unit_test_setup(test_stale_generation_catches_up, setup),
        cmocka_unit_test_setup(test_stale_for_ever_is_bounded, setup),
        cmocka_unit_test_setup(test_generations_wear_out, setup),
        cmocka_unit_test_setup(test_drained_frees_all, setup),
        cmocka_unit_test_setup(test_grant_query, setup),
        cmocka_unit_test_setup(test_map, setup),
        cmocka_unit_test_setup(test_copy, setup),
        cmocka_unit_test_setup(test_lost_copies_are_swept, setup),
        cmocka_unit_test_setup(test_ports, setup),
        cmocka_unit_test_setup(test_port_status, setup),
        cmocka_unit_test_setup(test_lost_port, setup),
        cmocka_unit_test_setup(test_lookup, setup),
        cmocka_unit_test_setup(test_info_is_checked, setup),
        cmocka_unit_test_setup(test_derive_and_revoke, setup),
        cmocka_unit_test_setup(test_call_limits, setup),
        cmocka_unit_test_setup(test_direct, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
