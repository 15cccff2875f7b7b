/* SPDX-License-Identifier: MIT */
/* The broker between an L1 Xen made of lists and the provider's own xenstore. */
#include "broker_bed.h"

static const char open_state[] = FRONTEND "/state";

static struct bed bed;

static int setup(void **state)
{
    (void)state;
    bed_init(&bed, SELF);
    bed_start(&bed);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_fini(&bed);
    return 0;
}

static void connected(void)
{
    bed_view(&bed, VIEW, 8, 4);
    bed_connect(&bed, VIEW, PORT);
    assert_int_equal(bed_run(&bed), 0);
}

static void expect(uint32_t id, uint32_t type, const char *body)
{
    const struct reply *reply = bed_reply(&bed, id);

    assert_non_null(reply);
    assert_int_equal(reply->header.type, type);
    assert_string_equal(reply->body, body);
    assert_int_equal(reply->view, VIEW);
    assert_int_equal(reply->port, PORT);
}

static void watch(uint32_t id, uint32_t name, unsigned root, const char *path)
{
    bed_call(&bed, PORT, BLANKET_VERB_STORE_WATCH, XS_WATCH, id,
             blanket_item(BLANKET_ITEM_ROOT, 0, root), blanket_item(BLANKET_ITEM_WATCH, 0, name),
             path, (uint32_t)strlen(path) + 1);
}

static uint32_t event_count(uint32_t name)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bed.reply_count; i++) {
        count += bed.replies[i].header.type == XS_WATCH_EVENT &&
                 bed.replies[i].header.req_id == name;
    }
    return count;
}

static void reads_and_writes(void **state)
{
    (void)state;
    connected();
    bed_write(&bed, 11, BLANKET_ROOT_FRONTEND, "greeting", "hello");
    bed_read(&bed, 12, BLANKET_ROOT_FRONTEND, "greeting");
    assert_int_equal(bed_run(&bed), 0);
    expect(11, XS_WRITE, "OK");
    expect(12, XS_READ, "hello");
    assert_string_equal(bed_store(&bed, FRONTEND "/greeting"), "hello");
}

static void a_request_is_held_to_its_view(void **state)
{
    (void)state;
    connected();
    bed_read(&bed, 1, BLANKET_ROOT_FRONTEND, "backend-id");
    bed_read(&bed, 2, BLANKET_ROOT_FRONTEND, "../../../domid");
    bed_read(&bed, 3, BLANKET_ROOT_ALL, "/local");
    bed_write(&bed, 4, BLANKET_ROOT_BACKEND, "state", "6");
    bed_write(&bed, 5, BLANKET_ROOT_FRONTEND, "ring-ref", "17");
    assert_int_equal(bed_run(&bed), 0);
    expect(1, XS_ERROR, "ENOENT");
    expect(2, XS_ERROR, "EINVAL");
    expect(3, XS_ERROR, "EACCES");
    expect(4, XS_ERROR, "EACCES");
    expect(5, XS_ERROR, "EINVAL");
}

/* The peer's name of a port comes with the frame, that of a grant from the view. */
static void numbers_are_the_peers(void **state)
{
    struct blanket_xen_frame *frame;

    (void)state;
    connected();
    bed_call(&bed, PORT, BLANKET_VERB_STORE_WRITE_PORT, XS_WRITE, 1,
             blanket_item(BLANKET_ITEM_ROOT, 0, 0), blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
             "event-channel", 14);
    frame = &bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX];
    frame->items[4] = blanket_item_slot(BLANKET_ITEM_PORT, 2, 1);
    frame->item_count = 5;
    frame->number = 4711;
    bed_call(&bed, PORT, BLANKET_VERB_STORE_WRITE_GRANT, XS_WRITE, 2,
             blanket_item(BLANKET_ITEM_ROOT, 0, 0), blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
             "ring-ref", 9);
    frame = &bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX];
    frame->items[4] = blanket_item_slot(BLANKET_ITEM_GRANT, 3, 1);
    frame->item_count = 5;
    assert_int_equal(bed_run(&bed), 0);
    assert_string_equal(bed_store(&bed, FRONTEND "/event-channel"), "4711");
    assert_string_equal(bed_store(&bed, FRONTEND "/ring-ref"), "1003");
}

/* A caller that doesn't receive keeps its order, and what it was told once isn't told again. */
static void messages_wait_for_their_receiver(void **state)
{
    (void)state;
    connected();
    watch(1, 3, BLANKET_ROOT_BACKEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(event_count(3), 1);
    bed.reply_refused = 150;
    bed_store_write(&bed, BACKEND "/state", "2");
    bed_read(&bed, 2, BLANKET_ROOT_BACKEND, "state");
    bed_read(&bed, 3, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.reply_refused, 0);
    expect(2, XS_READ, "2");
    expect(3, XS_READ, "1");
    assert_int_equal(event_count(3), 2);
    assert_int_equal(bed.reply_count, 5);
    assert_int_equal(bed.replies[2].header.type, XS_WATCH_EVENT);
    assert_int_equal(bed.replies[3].header.req_id, 2);
    assert_int_equal(bed.replies[4].header.req_id, 3);
}

static void the_store_below_may_be_full(void **state)
{
    (void)state;
    connected();
    bed.sends_refused = 37;
    bed_write(&bed, 1, BLANKET_ROOT_FRONTEND, "a", "1");
    bed_write(&bed, 2, BLANKET_ROOT_FRONTEND, "b", "2");
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.sends_refused, 0);
    expect(2, XS_WRITE, "OK");
    assert_string_equal(bed_store(&bed, FRONTEND "/b"), "2");
}

/* L0 lets its client have 20 requests open. */
static void the_quota_of_the_store_below_holds(void **state)
{
    uint32_t before;

    (void)state;
    connected();
    for (uint64_t view = VIEW + 1; view < VIEW + 5; view++) {
        bed_view(&bed, view, 8, 4);
        bed_connect(&bed, view, PORT);
    }
    assert_int_equal(bed_run(&bed), 0);
    before = bed.store_sent;
    bed.store_holds = true;
    for (uint32_t i = 0; i < 40; i++) {
        bed_read(&bed, 100 + i, BLANKET_ROOT_FRONTEND, "state");
        bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX].view = VIEW + i % 5;
    }
    assert_int_equal(bed_run(&bed), 0);
    assert_true(bed.store_sent - before > 10);
    assert_true(bed.store_sent - before <= 20);
    bed.store_holds = false;
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.store_sent - before, 40);
    for (uint32_t i = 0; i < 40; i++) {
        assert_non_null(bed_reply(&bed, 100 + i));
        assert_string_equal(bed_reply(&bed, 100 + i)->body, "1");
    }
}

static void a_view_that_does_not_fit_is_told_so(void **state)
{
    (void)state;
    bed_view(&bed, VIEW, 8, 129);
    bed_connect(&bed, VIEW, PORT);
    bed_read(&bed, 9, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    expect(9, XS_ERROR, "ENOSPC");
    assert_non_null(strstr(bed.log, FRONTEND));
    bed_frame(&bed, BLANKET_XEN_FRAME_VIEW_GONE, VIEW);
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.closed_count, 1);
}

static void disconnecting_closes_the_device(void **state)
{
    struct blanket_xen_frame *frame;

    (void)state;
    connected();
    bed_write(&bed, 1, BLANKET_ROOT_FRONTEND, "state", "4");
    assert_int_equal(bed_run(&bed), 0);
    bed.store_holds = true;
    frame = bed_frame(&bed, BLANKET_XEN_FRAME_DISCONNECT, VIEW);
    frame->items[0] = PORT;
    frame->item_count = 1;
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.closed_count, 0);
    bed.store_holds = false;
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.closed_count, 1);
    assert_int_equal(bed.closed_view[0], VIEW);
    assert_int_equal(bed.closed_port[0], PORT);
    assert_string_equal(bed_store(&bed, open_state), "6");
    bed_connect(&bed, VIEW, blanket_item_slot(BLANKET_ITEM_PORT, 1, 2));
    assert_int_equal(bed_run(&bed), 0);
    bed_read(&bed, 7, BLANKET_ROOT_FRONTEND, "state");
    bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX].items[0] = blanket_item_slot(
        BLANKET_ITEM_PORT, 1, 2);
    assert_int_equal(bed_run(&bed), 0);
    assert_string_equal(bed_reply(&bed, 7)->body, "6");
}

/* States 5 and 6, in this order: a peer that watches sees both. */
static void a_dead_endpoint_closes_its_device(void **state)
{
    (void)state;
    connected();
    bed_write(&bed, 1, BLANKET_ROOT_FRONTEND, "state", "4");
    watch(2, 1, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    bed_frame(&bed, BLANKET_XEN_FRAME_VIEW_GONE, VIEW);
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.closed_count, 1);
    assert_int_equal(bed.closed_view[0], VIEW);
    assert_int_equal(bed.closed_port[0], 0);
    assert_string_equal(bed_store(&bed, open_state), "6");
    bed_view(&bed, VIEW, 8, 4);
    bed_connect(&bed, VIEW, PORT);
    bed_read(&bed, 5, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    expect(5, XS_READ, "6");
}

/* What an earlier broker left: watches, a transaction, answers on their way. */
static void a_restart_starts_clean(void **state)
{
    uint32_t before;

    (void)state;
    connected();
    watch(1, 1, BLANKET_ROOT_BACKEND, "state");
    bed_call(&bed, PORT, BLANKET_VERB_STORE_TRANSACT, XS_TRANSACTION_START, 2,
             blanket_item(BLANKET_ITEM_TRANSACTION, 0, 9), 0, "", 1);
    bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX].payload_size = 0;
    assert_int_equal(bed_run(&bed), 0);
    expect(2, XS_TRANSACTION_START, "9");
    bed.store_holds = true;
    bed_read(&bed, 3, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);

    bed_start(&bed);
    bed.store_holds = false;
    bed_store_write(&bed, BACKEND "/state", "2");
    bed.reply_count = 0;
    connected();
    before = bed.store_got;
    bed_store_write(&bed, BACKEND "/state", "3");
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed.reply_count, 0);
    assert_int_equal(bed.store_got, before); /* the watch is gone at the store, not just here */
    bed_read(&bed, 4, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    expect(4, XS_READ, "1");
}

/* A caller left while there was no broker: the device that it had open is closed by the next one. */
static void what_was_left_between_brokers_is_closed(void **state)
{
    struct blanket_xen_frame *frame;
    struct blanket_xen_view view;

    (void)state;
    connected();
    bed_write(&bed, 1, BLANKET_ROOT_FRONTEND, "state", "4");
    assert_int_equal(bed_run(&bed), 0);
    for (uint32_t used = 0; used < 2; used++) {
        bed_start(&bed);
        bed.closed_count = 0;
        bed_view(&bed, VIEW, 8, 4);
        frame = &bed.frames[(bed.frame_first + bed.frame_count - 1) % FRAMES_MAX];
        memcpy(&view, frame->payload, sizeof(view));
        view.flags = used ? BLANKET_XEN_VIEW_USED : 0;
        memcpy(frame->payload, &view, sizeof(view));
        frame = bed_frame(&bed, BLANKET_XEN_FRAME_DISCONNECT, VIEW);
        frame->items[0] = PORT;
        frame->item_count = 1;
        assert_int_equal(bed_run(&bed), 0);
        assert_int_equal(bed.closed_count, 1);
        assert_int_equal(bed.closed_port[0], PORT);
        assert_string_equal(bed_store(&bed, open_state), used ? "6" : "4");
    }
}

static void who_we_are_is_asked_if_unsaid(void **state)
{
    (void)state;
    bed.self = 0x7ff4;
    bed_start(&bed);
    assert_int_equal(bed_run(&bed), 0);
    assert_non_null(strstr(bed.log, "as domain 5 "));
}

static void a_broken_store_ends_it(void **state)
{
    (void)state;
    connected();
    bed.receive_status = -BLANKET_EIO;
    assert_int_equal(bed_run(&bed), -BLANKET_EIO);
}

static void another_broker_is_told(void **state)
{
    static const struct broker_ops none = {NULL, NULL};
    const struct broker_limits nothing = {.views = 0};
    struct broker *broker;

    (void)state;
    (void)none;
    bed.become_status = -BLANKET_EBUSY;
    assert_int_equal(broker_start(bed.broker, &bed.channel), -BLANKET_EBUSY);
    assert_int_equal(broker_create(&nothing, &none, NULL, &broker), -BLANKET_EINVAL);
}

/* What makes no sense has no effect, and those who wait are answered. */
static void nonsense_is_answered(void **state)
{
    struct broker_stats stats;

    (void)state;
    connected();
    bed_read(&bed, 1, BLANKET_ROOT_FRONTEND, "state");
    bed.frames[bed.frame_first].view = 99;
    bed_read(&bed, 2, BLANKET_ROOT_FRONTEND, "state");
    bed.frames[(bed.frame_first + 1) % FRAMES_MAX].items[0]++;
    bed_frame(&bed, BLANKET_XEN_FRAME_DISCONNECT, 98)->items[0] = PORT;
    bed_frame(&bed, BLANKET_XEN_FRAME_VIEW_GONE, 97);
    bed_frame(&bed, 77, VIEW);
    bed_frame(&bed, BLANKET_XEN_FRAME_CALL, VIEW)->item_count = 6;
    bed_frame(&bed, BLANKET_XEN_FRAME_CALL, VIEW)->payload_size = 5000;
    bed_frame(&bed, BLANKET_XEN_FRAME_VIEW, VIEW + 9)->payload_size = 3;
    bed_view(&bed, VIEW, 8, 4);
    assert_int_equal(bed_run(&bed), 0);
    assert_string_equal(bed_reply(&bed, 1)->body, "EIO");
    assert_string_equal(bed_reply(&bed, 2)->body, "EIO");
    assert_int_equal(bed.closed_count, 2);
    broker_stats(bed.broker, &stats);
    assert_int_equal(stats.views, 1);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.nonsense, 9);
    /* A call may not do what L1 Xen's own frames do. */
    bed_call(&bed, PORT, BLANKET_VERB_STORE_DISCONNECT, 0, 6, 0, 0, "", 0);
    bed_read(&bed, 7, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    expect(6, XS_ERROR, "EINVAL");
    expect(7, XS_READ, "1");
}

static void random_frame(void)
{
    static const uint16_t verbs[] = {BLANKET_VERB_STORE_READ,    BLANKET_VERB_STORE_WRITE,
                                     BLANKET_VERB_STORE_WATCH,   BLANKET_VERB_STORE_WRITE_GRANT,
                                     BLANKET_VERB_STORE_RECEIVE, BLANKET_VERB_STORE_TRANSACT};
    struct blanket_xen_frame *frame = bed_frame(&bed, bed_random(&bed) % 7,
                                                VIEW + bed_random(&bed) % 3);

    frame->verb = verbs[bed_random(&bed) % 6];
    frame->item_count = (uint16_t)(bed_random(&bed) % 7);
    frame->items[0] = blanket_item_slot(BLANKET_ITEM_PORT, bed_random(&bed) % 6,
                                        1 + bed_random(&bed) % 3);
    for (uint32_t i = 1; i < BLANKET_XEN_FRAME_ITEMS; i++) {
        frame->items[i] = blanket_item(bed_random(&bed) % 15, 0, bed_random(&bed) % 20);
    }
    frame->items[1] |= (uint64_t)(bed_random(&bed) % 24) << 32;
    frame->payload_size = (uint16_t)(bed_random(&bed) % 64);
    for (uint32_t i = 0; i < frame->payload_size; i++) {
        frame->payload[i] = (uint8_t)(bed_random(&bed) % 3 == 0 ? 0 : 'a' + bed_random(&bed) % 4);
    }
    if (frame->kind == BLANKET_XEN_FRAME_VIEW && bed_random(&bed) % 2 == 0) {
        bed.frame_count--;
        bed_view(&bed, VIEW + bed_random(&bed) % 3, bed_random(&bed) % 70, bed_random(&bed) % 60);
    }
}

/* Both sides are hostile at once; afterwards, and over a new store, it still serves. */
static void both_sides_may_be_hostile(void **state)
{
    struct broker_stats stats;

    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        bed.random = seed;
        for (uint32_t i = 0; i < 300; i++) {
            for (uint32_t k = bed_random(&bed) % 8; k > 0; k--) {
                random_frame();
            }
            bed.reply_refused = bed_random(&bed) % 8 == 0 ? bed_random(&bed) % 9 : 0;
            bed.sends_refused = bed_random(&bed) % 8 == 0 ? bed_random(&bed) % 9 : 0;
            bed.store_holds = bed_random(&bed) % 4 == 0;
            assert_true(broker_process(bed.broker) >= 0);
        }
        broker_stats(bed.broker, &stats);
        assert_true(stats.views <= 8 && stats.connections <= 16);
    }
    bed.random = 0;
    bed.store_holds = false;
    bed.reply_refused = 0;
    bed.sends_refused = 0;
    assert_true(bed_run(&bed) >= 0);
    bed_start(&bed);
    connected();
    bed.reply_count = 0;
    bed_read(&bed, 4, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(bed_run(&bed), 0);
    assert_int_equal(bed_reply(&bed, 4)->header.type, XS_READ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_and_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_is_held_to_its_view, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_are_the_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_wait_for_their_receiver, setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_below_may_be_full, setup, teardown),
        cmocka_unit_test_setup_teardown(the_quota_of_the_store_below_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_that_does_not_fit_is_told_so, setup, teardown),
        cmocka_unit_test_setup_teardown(disconnecting_closes_the_device, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_endpoint_closes_its_device, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_left_between_brokers_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_starts_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(who_we_are_is_asked_if_unsaid, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_store_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(another_broker_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(both_sides_may_be_hostile, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
