/* SPDX-License-Identifier: MIT */
/* The call below: what it is told, and what of its answer counts. */
#include "core_fixture.h"

#include "forward.h"
#include "verbs.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
    struct blanket_request request;
};

static void init(struct fixture *f, uint16_t verb)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 2, "vbd/1");
    memset(&f->request, 0, sizeof(f->request));
    f->request.level = f->core.level;
    f->request.guest = &f->core.level->guests[f->id];
    f->request.context = &f->core.level->contexts[1];
    f->request.vcpu = 1;
    f->request.endpoint_index = (uint32_t)f->device;
    f->request.endpoint = core_endpoint(&f->core, f->id, f->device);
    f->request.verb = blanket_verb_find(verb);
    f->request.reply_max = 100;
}

static int forward(struct fixture *f, struct blanket_call *call, uint32_t count)
{
    uint64_t *items = blanket_forward_items(&f->request);

    memset(call, 0, sizeof(*call));
    f->request.reply_size = 0;
    items[0] = port_item(0, 1);
    items[1] = port_item(1, 1);
    return blanket_forward(&f->request, call, count);
}

static void the_items_are_where_a_frame_has_them(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, BLANKET_VERB_EVTCHN_CLOSE);
    assert_ptr_equal((uint8_t *)blanket_forward_items(&f.request),
                     f.request.context->out + BLANKET_HEADER_SIZE);
    core_fini(&f.core);
}

static void what_it_is_told(void **state)
{
    struct fixture f;
    struct blanket_call call;

    (void)state;
    init(&f, BLANKET_VERB_EVTCHN_CLOSE);
    assert_int_equal(forward(&f, &call, 2), 0);
    assert_int_equal(call.verb, BLANKET_VERB_EVTCHN_CLOSE);
    assert_int_equal(call.element_count, 2);
    assert_int_equal(call.element_items, 1);
    assert_int_equal(call.vcpu, 1);
    assert_true(call.endpoint == 2 && call.claim == 0x100);
    assert_int_equal(call.done, 2);
    assert_int_equal(call.reply_max, 100);
    f.request.endpoint->store_endpoint = 3;
    f.request.verb = blanket_verb_find(BLANKET_VERB_STORE_DISCONNECT);
    assert_int_equal(forward(&f, &call, 1), 0);
    assert_true(call.endpoint == 3);
    core_fini(&f.core);
}

static void what_counts_of_its_answer(void **state)
{
    struct fixture f;
    struct blanket_call call;

    (void)state;
    init(&f, BLANKET_VERB_EVTCHN_CLOSE);
    f.core.below.status = -BLANKET_ENOTCONN;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_ENOTCONN);
    f.core.below.status = -12345;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_EIO);
    f.core.below.status = 1;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_EIO);
    f.core.below.status = 0;
    f.core.below.done_claimed = CORE_NEVER;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_EIO);
    f.core.below.done_claimed = 3;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_EIO);
    f.core.below.done_claimed = 1;
    assert_int_equal(forward(&f, &call, 2), 0);
    f.core.below.done_claimed = 0;
    f.core.below.reply_size = 101;
    assert_int_equal(forward(&f, &call, 2), -BLANKET_EIO);
    assert_int_equal(f.request.reply_size, 0);
    f.core.below.reply_size = 100;
    assert_int_equal(forward(&f, &call, 2), 0);
    assert_int_equal(f.request.reply_size, 100);
    f.core.below.reply_size = 0;
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_items_are_where_a_frame_has_them),
        cmocka_unit_test(what_it_is_told),
        cmocka_unit_test(what_counts_of_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
