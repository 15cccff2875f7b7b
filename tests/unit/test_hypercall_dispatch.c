/* SPDX-License-Identifier: MIT */
/* The hall: forms, who may call, batches and preemption, what is gone, the vCPU's buffer. */
#include "core_fixture.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
}

static int hypercall(struct fixture *f, uint64_t form, uint64_t a, uint64_t b, uint64_t c,
                     uint64_t d)
{
    const uint64_t arguments[BLANKET_ARGUMENT_COUNT] = {a, b, c, d};

    return blanket_hypercall(f->core.level, f->id, 0, form, arguments);
}

static void the_query_form(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(hypercall(&f, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 0),
                     BLANKET_SIGNATURE);
    assert_int_equal(hypercall(&f, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC + 1, 0, 0, 0),
                     -BLANKET_ENOSYS);
    assert_int_equal(hypercall(&f, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 1),
                     -BLANKET_ENOSYS);
    assert_int_equal(
        hypercall(&f, (uint64_t)1 << 32 | BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 0),
        -BLANKET_ENOSYS);
    assert_int_equal(hypercall(&f, 0, 0, 0, 0, 0), -BLANKET_ENOSYS);
    assert_int_equal(f.core.copies_from, 0);
    core_fini(&f.core);
}

static void the_call_form(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(hypercall(&f, BLANKET_FORM_CALL, 0, 1, 0, 0), -BLANKET_EINVAL);
    assert_int_equal(hypercall(&f, BLANKET_FORM_CALL, 0, 0, 0, 1), -BLANKET_EINVAL);
    assert_int_equal(f.core.copies_from, 0);
    assert_int_equal(hypercall(&f, BLANKET_FORM_CALL, CORE_MEMORY, 0, 0, 0), -BLANKET_EFAULT);
    core_fini(&f.core);
}

static void the_send_form(void **state)
{
    const uint64_t high = (uint64_t)1 << 32;
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 3, 1), 0);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1, 1, 3, 1), 0);
    assert_int_equal(f.core.below.sends, 1);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1 + high, 1, 3, 1), -BLANKET_EINVAL);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1, 1 + high, 3, 1), -BLANKET_EINVAL);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1, 1, 3 + 0x10000, 1), -BLANKET_EINVAL);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1, 1, 3, 1 + high), -BLANKET_EINVAL);
    assert_int_equal(hypercall(&f, BLANKET_FORM_SEND, 1, 2, 3, 1), -BLANKET_EPERM);
    assert_int_equal(f.core.below.sends, 1);
    core_fini(&f.core);
}

static void who_calls(void **state)
{
    struct fixture f;
    struct blanket_level_stats stats;

    (void)state;
    init(&f);
    assert_int_equal(blanket_call(f.core.level, 1, 0, 0), -BLANKET_EPERM);
    assert_int_equal(blanket_call(f.core.level, UINT32_MAX, 0, 0), -BLANKET_EPERM);
    assert_int_equal(blanket_call(f.core.level, f.id, 2, 0), -BLANKET_EPERM); /* the worker's */
    assert_int_equal(blanket_call(f.core.level, f.id, UINT32_MAX, 0), -BLANKET_EPERM);
    assert_int_equal(f.core.copies_from, 0);
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.calls, 4);
    core_fini(&f.core);
}

/* A host that calls in again on the same vCPU, from inside. */
static void call_again(struct core *core)
{
    core->hooked = NULL;
    assert_int_equal(blanket_call(core->level, 0, 0, 0), -BLANKET_EBUSY);
    assert_int_equal(blanket_call(core->level, 0, 1, CORE_MEMORY), -BLANKET_EFAULT);
}

static void a_vcpus_buffer_is_used_once(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.hooked = call_again;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_int_equal(core_access(&f.core, f.id, f.device, 1, 1, 1), 0); /* it is free again */
    core_fini(&f.core);
}

/* --- batches --- */

#define MANY 128u

static void init_many(struct fixture *f, uint64_t *items)
{
    const struct blanket_guest_limits limits = {2, MANY, 0, 0, 1};
    struct blanket_mint mint;

    core_init(&f->core);
    f->id = core_attach_limits(&f->core, 0, &limits);
    mint = core_mint_spec(&f->core, f->id, 0, "vbd/1");
    mint.grants.count = MANY;
    mint.mappings.count = mint.ports.count = 0;
    assert_int_equal(blanket_endpoint_mint(f->core.level, &mint, &f->device, NULL), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        items[2 * i] = grant_item(i, 1);
        items[2 * i + 1] = frame_item(i % CORE_FRAMES, RW);
    }
}

static void as_many_as_a_frame_takes(void **state)
{
    uint64_t items[2 * MANY + 2];
    struct fixture f;

    (void)state;
    init_many(&f, items);
    items[2 * MANY] = grant_item(0, 2);
    items[2 * MANY + 1] = frame_item(0, RW);
    assert_int_equal(
        core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2 * MANY + 2),
        -BLANKET_EMSGSIZE);
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2 * MANY),
                     0);
    assert_int_equal(f.core.reply.done, MANY);
    assert_int_equal(f.core.below.calls, 2); /* 64 at once */
    assert_int_equal(f.core.hooks, 1);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(core_status(&f.core, i), 0);
    }
    core_check(&f.core);
    for (uint32_t i = 0; i < MANY; i++) {
        items[i] = items[2 * i];
    }
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_END_ACCESS, f.device, items, MANY),
                     0);
    assert_int_equal(f.core.pins, f.core.unpins);
    core_fini(&f.core);
}

/* The frame goes in again as the reply left it, and is authorised anew. */
static void preempted_it_goes_on(void **state)
{
    uint64_t items[2 * MANY];
    struct fixture f;

    (void)state;
    init_many(&f, items);
    f.core.preempt_at = 1;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2 * MANY),
                     0);
    assert_int_equal(f.core.reply.done, 64);
    core_check(&f.core);
    assert_int_equal(blanket_call(f.core.level, f.id, 0, 0), 0);
    memcpy(&f.core.reply, f.core.guests[0].memory, sizeof(f.core.reply));
    assert_int_equal(f.core.reply.done, MANY);
    assert_int_equal(f.core.hooks, 2);
    assert_int_equal(f.core.pins, MANY);
    /* All of it is done: there is nothing to go on with. */
    assert_int_equal(blanket_call(f.core.level, f.id, 0, 0), -BLANKET_EINVAL);
    core_fini(&f.core);
}

static void revoke_it(struct core *core)
{
    if (core->hooks == 2) {
        (void)blanket_endpoint_revoke(core->level, 0, blanket_handle(1, 1));
    }
}

static void a_continuation_finds_the_world_changed(void **state)
{
    uint64_t items[2 * MANY];
    struct fixture f;

    (void)state;
    init_many(&f, items);
    f.core.preempt_at = 1;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2 * MANY),
                     0);
    f.core.hooked = revoke_it;
    assert_int_equal(blanket_call(f.core.level, f.id, 0, 0), 0);
    f.core.hooked = NULL;
    memcpy(&f.core.reply, f.core.guests[0].memory, sizeof(f.core.reply));
    assert_int_equal(f.core.reply.done, MANY);
    memcpy(items, f.core.guests[0].memory + BLANKET_HEADER_SIZE, sizeof(items));
    assert_int_equal(blanket_result_status(items[2 * 63]), 0);
    assert_int_equal(blanket_result_status(items[2 * 64]), -BLANKET_EIO);
    assert_int_equal(core_work(&f.core, 1000), 0);
    assert_int_equal(f.core.pins, f.core.unpins);
    core_fini(&f.core);
}

/* The reply of the second part is lost: what the first part made was told, and stays. */
static void only_what_wasnt_told_is_undone(void **state)
{
    uint64_t items[2 * MANY];
    struct fixture f;

    (void)state;
    init_many(&f, items);
    f.core.preempt_at = 1;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_ACCESS, f.device, items, 2 * MANY),
                     0);
    f.core.to_fails_at = 1;
    assert_int_equal(blanket_call(f.core.level, f.id, 0, 0), -BLANKET_EIO);
    assert_int_equal(core_work(&f.core, 1000), 0);
    assert_int_equal(f.core.pins - f.core.unpins, 64);
    core_check(&f.core);
    core_fini(&f.core);
}

/* --- what is gone --- */

static void destroying_on_what_is_drained(void **state)
{
    const uint64_t items[3] = {grant_item(0, 1), grant_item(1, 1), grant_item(2, 1)};
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), 0);
    assert_int_equal(blanket_endpoint_revoke(f.core.level, f.id, f.device), 0);
    /* Dead, not drained: the holder's own destroy is served. */
    assert_int_equal(core_end(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(f.core.below.last_verb, BLANKET_VERB_GRANT_END_ACCESS);
    assert_int_equal(core_work(&f.core, 100), 0);
    f.core.hooks = 0;
    assert_int_equal(
        core_call_from(&f.core, f.id, BLANKET_VERB_GRANT_END_ACCESS, f.device, items, 3, 1), 0);
    assert_int_equal(f.core.reply.done, 3);
    assert_int_equal(core_status(&f.core, 1), 0);
    assert_int_equal(core_status(&f.core, 2), 0);
    assert_int_equal(f.core.hooks, 0);
    f.core.to_fails_at = 1;
    assert_int_equal(core_call(&f.core, f.id, BLANKET_VERB_GRANT_END_ACCESS, f.device, items, 3),
                     -BLANKET_EIO);
    core_fini(&f.core);
}

static void a_refusal_whose_reply_is_lost_stays_a_refusal(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.core.to_fails_at = 1;
    f.core.hook_status = -BLANKET_EPERM;
    assert_int_equal(core_access(&f.core, f.id, f.device, 0, 1, 1), -BLANKET_EPERM);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_form),
        cmocka_unit_test(the_call_form),
        cmocka_unit_test(the_send_form),
        cmocka_unit_test(who_calls),
        cmocka_unit_test(a_vcpus_buffer_is_used_once),
        cmocka_unit_test(as_many_as_a_frame_takes),
        cmocka_unit_test(preempted_it_goes_on),
        cmocka_unit_test(a_continuation_finds_the_world_changed),
        cmocka_unit_test(only_what_wasnt_told_is_undone),
        cmocka_unit_test(destroying_on_what_is_drained),
        cmocka_unit_test(a_refusal_whose_reply_is_lost_stays_a_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
