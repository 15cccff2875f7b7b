/* SPDX-License-Identifier: MIT */
/* The end of a connection: who lets go first, a store that doesn't take our word, and an event that is lost. */
#include "blk_bed.h"

static struct bed bed;

static int setup(void **state)
{
    (void)state;
    bed_init(&bed, 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_fini(&bed);
    return 0;
}

/* Poll the frontend alone, as long as it does anything. */
static void front_run(void)
{
    for (uint32_t i = 0; blk_frontend_poll(bed.frontend); i++) {
        assert_true(i < 1000);
    }
}

static uint32_t grants_ending(void)
{
    const struct blanket_guest_table *table = &bed.frontend->device.grants;
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->count; i++) {
        count += table->slots[i].state == BLANKET_GUEST_SLOT_CLOSING;
    }
    return count;
}

/* A stock backend unmaps between our Closed and its own: not one grant is ended before that. */
static void test_backend_lets_go_first(void **state)
{
    uint32_t pages;

    (void)state;
    bed_connect(&bed);
    pages = blk_frontend_pages(bed.frontend);
    assert_true(pages > 32);
    blk_frontend_close(bed.frontend);
    front_run();
    assert_string_equal(bed_read(&bed, 0, "state"), "5");
    bed_write(&bed, 1, "state", "5");
    front_run();
    assert_string_equal(bed_read(&bed, 0, "state"), "6");
    for (uint32_t i = 0; i < 10; i++) {
        blk_frontend_look(bed.frontend);
        front_run();
    }
    assert_int_equal(blk_frontend_pages(bed.frontend), pages);
    assert_int_equal(grants_ending(), 0);
    assert_string_equal(blk_frontend_backend(bed.frontend), "Closing");
    bed_run(&bed); /* the backend, at last: it unmaps, and is Closed */
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    assert_int_equal(blk_frontend_pages(bed.frontend), 0);
    bed_frontend_close(&bed);
}

/* The watch of the backend's state fires, and nobody is told. */
static void test_lost_event(void **state)
{
    (void)state;
    bed_connect(&bed);
    blk_frontend_close(bed.frontend);
    front_run();
    bed.deaf = true;
    (void)blk_backend_poll(bed.backend);
    assert_string_equal(bed_read(&bed, 1, "state"), "5");
    front_run();
    assert_string_equal(bed_read(&bed, 0, "state"), "5");
    blk_frontend_look(bed.frontend);
    front_run();
    assert_string_equal(bed_read(&bed, 0, "state"), "6");
    (void)blk_backend_poll(bed.backend);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSING);
    blk_frontend_look(bed.frontend);
    front_run();
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    bed.deaf = false;
    bed_frontend_close(&bed);
}

/* Even an event that nobody saw and whose message was dropped: the state is read, not believed. */
static void test_lost_watch(void **state)
{
    (void)state;
    bed_connect(&bed);
    blk_frontend_close(bed.frontend);
    front_run();
    (void)blk_backend_poll(bed.backend);
    (void)blanket_guest_store_poll(&bed.frontend->store);
    bed.frontend->backend_changed = false; /* as if its message had never come */
    bed.frontend->store_event = false;
    front_run();
    assert_string_equal(bed_read(&bed, 0, "state"), "5");
    blk_frontend_look(bed.frontend);
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    bed_frontend_close(&bed);
}

/* ---- a store that doesn't take it ---- */

static const struct blanket_below_ops *real_ops;
static uint32_t writes_to_fail, writes_failed;

static int failing_call(void *context, struct blanket_call *call)
{
    if (call->verb == BLANKET_VERB_STORE_WRITE && writes_failed < writes_to_fail) {
        writes_failed++;
        return -BLANKET_EPERM;
    }
    return real_ops->call(context, call);
}

static void test_state_is_said_again(void **state)
{
    static struct blanket_below_ops ops;

    (void)state;
    for (uint32_t failures = 1; failures < 12; failures += 2) {
        bed_connect(&bed);
        real_ops = bed.front_guest.below.ops;
        ops = *real_ops;
        ops.call = failing_call;
        bed.front_guest.below.ops = &ops;
        writes_to_fail = failures;
        writes_failed = 0;
        blk_frontend_close(bed.frontend);
        front_run();
        /* Four failures, and it goes on without having said it; else it has said it. */
        assert_string_equal(bed_read(&bed, 0, "state"), failures < 4 ? "5" : "4");
        assert_int_equal(writes_failed, failures < 4 ? failures : 4);
        if (failures >= 4) {
            bed_write(&bed, 0, "state", "5"); /* the toolstack closes it instead */
        }
        bed_run(&bed);
        bed.front_guest.below.ops = real_ops;
        if (failures >= 4) {
            bed_write(&bed, 0, "state", "6");
            bed_run(&bed);
        }
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
        bed_frontend_close(&bed);
        blk_backend_destroy(bed.backend);
        bed.backend = NULL;
        bed_write(&bed, 0, "state", "1");
        bed_write(&bed, 1, "state", "1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backend_lets_go_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state_is_said_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
