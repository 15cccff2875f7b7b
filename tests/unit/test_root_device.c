/* SPDX-License-Identifier: MIT */
/* The provider as a whole: limits, devices coming and going, calls that make no sense. */
#include "root_fixture.h"

#define READ BLANKET_ACCESS_READ
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

static int setup(void **state)
{
    static struct fixture f;

    fixture_init(&f, &fixture_limits, BLANKET_ROOT_SCOPE_ENDPOINT);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini((struct fixture *)*state);
    return 0;
}

static int add(struct fixture *f, const struct blanket_root_device *device,
               struct blanket_root_end *front, struct blanket_root_end *back)
{
    return blanket_root_device_add(f->root, device, NULL, 0, NULL, 0, front, back);
}

static void test_create_limits(void **state)
{
    static const struct blanket_root_host_ops no_page = {NULL, NULL, NULL};
    static const struct blanket_root_host_ops half = {fixture_page, fixture_overlay, NULL};
    struct blanket_root_limits limits = fixture_limits;
    struct blanket_root *root;

    (void)state;
    assert_int_equal(blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &no_page, NULL, &root),
                     -BLANKET_EINVAL);
    assert_int_equal(blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &half, NULL, &root),
                     -BLANKET_EINVAL);
    assert_int_equal(
        blanket_root_create(&limits, (enum blanket_root_scoping)7, &fixture_ops, NULL, &root),
        -BLANKET_EINVAL);
    limits.domains = 0;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &fixture_ops, NULL, &root),
        -BLANKET_EINVAL);
    limits.domains = 1;
    limits.devices = UINT32_MAX;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &fixture_ops, NULL, &root),
        -BLANKET_EINVAL);
    blanket_root_destroy(NULL);
}

static void test_device_invalid(void **state)
{
    const char *types[] = {"", "v/bd", "Vbd", "..", "v bd", "vbd\n", "abcdefghijklmnopqrstu"};
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device device = fixture_device;
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        device.type = types[i];
        assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EINVAL);
    }
    device.type = NULL;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EINVAL);
    device = fixture_device;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EEXIST);
    device.backend_domid = 3;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EEXIST);
    device.frontend_domid = 0x7ff0;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EINVAL);
    device = fixture_device;
    device.handle = 1;
    device.grants = 65537;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_EINVAL);
    device = fixture_device;
    device.handle = 1;
    assert_int_equal(blanket_root_device_add(f->root, &device, &f->sinks[0], UINT32_MAX - 3, NULL,
                                             0, NULL, NULL),
                     -BLANKET_EINVAL);
    /* Nothing of all that is left. */
    assert_int_equal(add(f, &device, NULL, NULL), 0);
}

/* Quotas are carved from the limits and come back. */
static void test_device_quotas(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_end front;
    struct blanket_root_end back;

    device.type = "vif";
    device.grants = 17; /* 64 - 4 * 8 = 32 are left, two ends */
    assert_int_equal(add(f, &device, &front, &back), -BLANKET_ENOSPC);
    device.grants = 16;
    device.mappings = 17;
    assert_int_equal(add(f, &device, &front, &back), -BLANKET_ENOSPC);
    device.mappings = 16;
    device.ports = 17;
    assert_int_equal(add(f, &device, &front, &back), -BLANKET_ENOSPC);
    device.ports = 16;
    assert_int_equal(add(f, &device, &front, &back), 0);
    device.handle++;
    device.grants = 1;
    assert_int_equal(add(f, &device, &front, &back), -BLANKET_ENOSPC);
    assert_int_equal(blanket_root_device_remove(f->root, f->front[1].endpoint), 0);
    assert_int_equal(blanket_root_device_remove(f->root, f->front[1].endpoint), -BLANKET_ENOENT);
    device.grants = 8;
    device.mappings = 8;
    device.ports = 8;
    assert_int_equal(add(f, &device, &front, &back), 0);
    /* The place is used again, under another name. */
    assert_true(front.endpoint != f->front[1].endpoint);
    assert_int_equal((uint32_t)front.endpoint, (uint32_t)f->front[1].endpoint);
    assert_int_equal(fixture_grant(f, f->front[1].endpoint, 0, 1, 1, RW, NULL), -BLANKET_EPERM);
}

static void test_limit_of_devices_and_domains(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_end back;
    struct blanket_root_end front;
    uint32_t i;

    device.grants = 0;
    device.mappings = 0;
    device.ports = 0;
    device.type = "vkbd";
    device.frontend_domid = 3;
    device.backend_domid = 4;
    assert_int_equal(add(f, &device, &front, &back), 0);
    device.frontend_domid = 5;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_ENOSPC); /* a fifth domain */
    device.frontend_domid = 2;
    assert_int_equal(add(f, &device, NULL, NULL), 0);
    device.frontend_domid = 1;
    assert_int_equal(add(f, &device, NULL, NULL), -BLANKET_ENOSPC); /* a fifth device */
    /* Tables of no slots. */
    assert_int_equal(fixture_grant(f, front.endpoint, 0, 1, 1, RW, NULL), -BLANKET_ENOSPC);
    assert_int_equal(blanket_root_unmap(f->root, back.endpoint, f->pages[0]), -BLANKET_ENOENT);
    for (i = 0; i < 8; i++) {
        assert_int_equal(fixture_map(f, back.endpoint, 0, 1, i, RW, 1), -BLANKET_ENOSPC);
    }
}

static void test_remove_while_mapped(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint32_t reference;
    uint32_t number;
    uint32_t value;
    void *address;
    struct blanket_root_stats stats;

    assert_int_equal(fixture_grant(f, front, 0, 1, 5, RW, &reference), 0);
    assert_int_equal(fixture_grant(f, front, 1, 1, 6, RW, NULL), 0);
    assert_int_equal(fixture_map(f, back, 0, 1, reference, RW, 40), 0);
    assert_int_equal(blanket_root_map(f->root, back, reference, READ, &address), 0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_ITEM_PORT, 0, 1, &number),
        0);
    assert_int_equal(fixture_bind(f, back, 0, 1, number), 0);
    memset(f->events, 0, sizeof(f->events));

    assert_int_equal(blanket_root_device_remove(f->root, back), -BLANKET_EBUSY);
    /* Dead: nothing new, no events; what is mapped stays where it is. */
    assert_int_equal(f->events[0].count + f->events[1].count, 0);
    assert_int_equal(f->shows[40], 5);
    assert_int_equal(fixture_grant(f, front, 2, 1, 7, RW, NULL), -BLANKET_ENOTCONN);
    assert_int_equal(fixture_map(f, back, 1, 1, reference, RW, 41), -BLANKET_ENOTCONN);
    assert_int_equal(blanket_root_map(f->root, back, reference, READ, &address), -BLANKET_ENOTCONN);
    assert_int_equal(fixture_send(f, front, 0, 1), -BLANKET_ENOTCONN);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_GRANT_QUERY, BLANKET_ITEM_GRANT, 0, 1, &value), 0);
    assert_int_equal(value, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING |
                                BLANKET_GRANT_STATE_CLOSING);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_GRANT_END_ACCESS, BLANKET_ITEM_GRANT, 1, 1, NULL), 0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_CLOSE, BLANKET_ITEM_PORT, 0, 1, NULL), 0);
    /* The peer lets go, one after the other. */
    assert_int_equal(
        fixture_slot(f, back, BLANKET_VERB_GRANT_UNMAP, BLANKET_ITEM_MAPPING, 0, 1, NULL), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), -BLANKET_EBUSY);
    assert_int_equal(blanket_root_unmap(f->root, back, f->pages[5]), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), -BLANKET_ENOENT);
    blanket_root_stats(f->root, &stats);
    assert_int_equal(stats.grants + stats.mappings + stats.ports, 0);
    /* The same device may come again. */
    assert_int_equal(add(f, &fixture_device, &f->front[0], &f->back[0]), 0);
}

static void test_destroy_with_everything(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint32_t reference;
    uint32_t number;
    void *address;

    assert_int_equal(fixture_grant(f, f->front[0].endpoint, 0, 1, 5, RW, &reference), 0);
    assert_int_equal(fixture_map(f, f->back[0].endpoint, 0, 1, reference, RW, 40), 0);
    assert_int_equal(blanket_root_map(f->root, f->back[0].endpoint, reference, RW, &address), 0);
    assert_int_equal(fixture_slot(f, f->front[0].endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
                                  BLANKET_ITEM_PORT, 0, 1, &number),
                     0);
    assert_int_equal(fixture_bind(f, f->back[0].endpoint, 0, 1, number), 0);
    /* The teardown destroys, and looks for overlays that were left; ASan for the rest. */
}

static void test_call_shapes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t items[2] = {blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1),
                         blanket_item(BLANKET_ITEM_FRAME, RW, 1)};
    uint64_t result = 0;
    uint8_t byte = 0;
    const struct blanket_call good = {.verb = BLANKET_VERB_GRANT_ACCESS,
                                      .element_count = 1,
                                      .element_items = 2,
                                      .endpoint = f->front[0].endpoint,
                                      .items = items,
                                      .results = &result,
                                      .payload = &byte,
                                      .detail = 9,
                                      .reply_size = 9};
    struct blanket_call call = good;

    call.element_items = 1;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.element_count = 0;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.element_count = BLANKET_ELEMENT_COUNT_MAX + 1;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.payload_size = 1;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.items = NULL;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.results = NULL;
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
    call = good;
    call.endpoint += 1ull << 32; /* another generation */
    assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EPERM);
    call = good;
    assert_int_equal(f->below.ops->call(f->below.context, &call), 0);
    assert_int_equal(call.done, 1);
    assert_int_equal(call.detail, 0);
    assert_int_equal(call.reply_size, 0);
}

/* Every number that isn't a provider's verb gets the one answer. */
static void test_unknown_verbs(void **state)
{
    static const uint16_t known[] = {
        BLANKET_VERB_GRANT_ACCESS,         BLANKET_VERB_GRANT_END_ACCESS,
        BLANKET_VERB_GRANT_QUERY,          BLANKET_VERB_GRANT_MAP,
        BLANKET_VERB_GRANT_UNMAP,          BLANKET_VERB_GRANT_COPY,
        BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN,
        BLANKET_VERB_EVTCHN_CLOSE,         BLANKET_VERB_EVTCHN_STATUS,
        BLANKET_VERB_EVTCHN_SEND};
    struct fixture *f = (struct fixture *)*state;
    uint64_t item = 0;
    uint64_t result;
    uint32_t verb;
    size_t answered = 0;

    for (verb = 0; verb <= UINT16_MAX; verb++) {
        struct blanket_call call = {.verb = (uint16_t)verb,
                                    .element_count = 1,
                                    .element_items = 9,
                                    .endpoint = f->front[0].endpoint,
                                    .items = &item,
                                    .results = &result};
        int status = f->below.ops->call(f->below.context, &call);
        size_t i = 0;

        while (i < sizeof(known) / sizeof(known[0]) && known[i] != verb) {
            i++;
        }
        if (i < sizeof(known) / sizeof(known[0])) {
            assert_int_equal(status, -BLANKET_EINVAL);
            answered++;
        } else {
            assert_int_equal(status, -BLANKET_ENOSYS);
        }
    }
    assert_int_equal(answered, sizeof(known) / sizeof(known[0]));
}

static void test_stats_bytes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_end front;
    struct blanket_root_stats before;
    struct blanket_root_stats during;
    struct blanket_root_stats after;

    device.type = "vif";
    blanket_root_stats(f->root, &before);
    assert_int_equal(add(f, &device, &front, NULL), 0);
    blanket_root_stats(f->root, &during);
    assert_true(during.bytes >= before.bytes + 2 * (8 * 32 + 8 * 32 + 8 * 32));
    assert_int_equal(blanket_root_device_remove(f->root, front.endpoint), 0);
    blanket_root_stats(f->root, &after);
    assert_int_equal(after.bytes, before.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_limits),
        cmocka_unit_test_setup_teardown(test_device_invalid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_quotas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_of_devices_and_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_while_mapped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroy_with_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_verbs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats_bytes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
