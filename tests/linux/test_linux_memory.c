/* SPDX-License-Identifier: MIT */
/* Grants, mappings, copies and event channels of the door, over a fake Xen. */
#define _GNU_SOURCE
#include "door.h"

#include <unistd.h>

#include <errno.h>

static void a_grant_shows_one_page_to_both(void **state)
{
    char *text;
    char seen[64];
    struct door d;

    (void)state;
    door_begin(&d);
    text = door_text(&d, 3);
    strcpy(text, "from us, before");
    assert_int_equal(door_access(&d, 4, 1, 3, 3), 0);
    fake_peer_read(d.end.grant_base + 4, seen, sizeof(seen));
    assert_string_equal(seen, "from us, before");
    strcpy(text, "from us");
    fake_peer_read(d.end.grant_base + 4, seen, sizeof(seen));
    assert_string_equal(seen, "from us");
    fake_peer_write(d.end.grant_base + 4, "from the peer", 14);
    assert_string_equal(text, "from the peer");
    assert_int_equal(door_end_access(&d, 4, 1), 0);
    assert_string_equal(text, "from the peer");
    strcpy(text, "ours alone");
    fake_peer_read(d.end.grant_base + 4, seen, sizeof(seen));
    assert_string_equal(seen, ""); /* the window's page, which nobody shows now */
    door_end(&d);
}

static void what_the_peer_maps_is_busy_and_harmless(void **state)
{
    struct blanket_linux_stats stats;
    const uint64_t item = blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1);
    struct door d;

    (void)state;
    door_begin(&d);
    strcpy(door_text(&d, 1), "data");
    assert_int_equal(door_access(&d, 0, 1, 1, 3), 0);
    assert_int_equal(blanket_result_status(door_call(&d, BLANKET_VERB_GRANT_QUERY, &item, 1)),
                     -BLANKET_EOPNOTSUPP);
    fake_peer_map(d.end.grant_base);
    assert_int_equal(door_end_access(&d, 0, 1), -BLANKET_EBUSY);
    assert_int_equal(door_call(&d, BLANKET_VERB_GRANT_QUERY, &item, 1),
                     blanket_result(0, BLANKET_GRANT_STATE_CLOSING));
    /* The frame is ours again already: a late write of the peer's doesn't get there. */
    fake_peer_write(d.end.grant_base, "late", 5);
    assert_string_equal(door_text(&d, 1), "data");
    assert_int_equal(door_access(&d, 0, 2, 2, 3), -BLANKET_EBUSY);
    assert_int_equal(door_access(&d, 1, 1, 1, 3), 0); /* the frame may be granted anew */
    assert_int_equal(door_end_access(&d, 0, 1), -BLANKET_EBUSY);
    blanket_linux_stats(d.linux_door, &stats);
    assert_int_equal(stats.closing, 1);
    fake_peer_unmap(d.end.grant_base);
    assert_int_equal(door_end_access(&d, 0, 1), 0);
    assert_int_equal(door_end_access(&d, 0, 1), 0);
    assert_int_equal(door_access(&d, 0, 2, 2, 3), 0);
    blanket_linux_stats(d.linux_door, &stats);
    assert_int_equal(stats.closing, 0);
    assert_int_equal(stats.grants, 2);
    door_end(&d);
}

/* The kernel gives them free in its own order. */
static void references_that_come_back_in_another_order(void **state)
{
    struct door d;
    uint32_t i;

    (void)state;
    door_begin(&d);
    for (i = 0; i < 20; i++) {
        assert_int_equal(door_access(&d, i, 1, i, 3), 0);
        fake_peer_map(d.end.grant_base + i);
    }
    for (i = 0; i < 20; i++) {
        assert_int_equal(door_end_access(&d, i, 1), -BLANKET_EBUSY);
    }
    for (i = 0; i < 20; i++) {
        fake_peer_unmap(d.end.grant_base + i);
    }
    for (i = 0; i < 20; i++) {
        assert_int_equal(door_end_access(&d, i, 1), 0);
        assert_int_equal(door_access(&d, i, 2, i, 3), 0);
    }
    door_end(&d);
}

/* Another driver of the domain took the reference: the slot waits until it is given back... */
/* While we look for it with some of the kernel's pages in hand, it comes back: below those. */
static void a_reference_that_comes_back_below_others(void **state)
{
    struct door d;

    (void)state;
    door_begin(&d);
    for (uint32_t depth = 8; depth <= 40; depth += 32) {
        uint32_t generation = depth;
        int status = -BLANKET_EBUSY;

        assert_int_equal(door_access(&d, 3, generation, 5, 3), 0);
        fake_peer_map(d.end.grant_base + 3);
        assert_int_equal(door_end_access(&d, 3, generation), -BLANKET_EBUSY);
        fake_peer_unmap(d.end.grant_base + 3);
        fake_bury(d.end.grant_base + 3, depth);
        for (uint32_t i = 0; i < 60 && status == -BLANKET_EBUSY; i++) {
            usleep(100000);
            status = door_end_access(&d, 3, generation);
        }
        assert_int_equal(status, 0);
        assert_int_equal(fake_shared(), 32);
    }
    door_end(&d);
}

static void a_reference_that_somebody_else_took(void **state)
{
    struct door d;
    uint32_t i;

    (void)state;
    door_begin(&d);
    assert_int_equal(door_access(&d, 7, 1, 1, 3), 0);
    fake_peer_map(d.end.grant_base + 7);
    assert_int_equal(door_end_access(&d, 7, 1), -BLANKET_EBUSY);
    fake_peer_unmap(d.end.grant_base + 7);
    assert_int_equal(fake_other_takes(), d.end.grant_base + 7);
    for (i = 0; i < 3; i++) {
        assert_int_equal(door_end_access(&d, 7, 1), -BLANKET_EBUSY);
    }
    assert_int_equal(fake_shared(), 31); /* what came instead was given back */
    door_end(&d);
}

static void what_can_not_be_granted(void **state)
{
    struct door d;
    const uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1),
                              blanket_item(BLANKET_ITEM_OWN_GRANT, 3, 5)};

    (void)state;
    door_begin(&d);
    assert_int_equal(door_access(&d, 0, 1, DOOR_PAGES, 3), -BLANKET_EPERM);
    assert_int_equal(door_access(&d, 32, 1, 1, 3), -BLANKET_ENOSPC);
    assert_int_equal(door_access(&d, 0, 0, 1, 3), -BLANKET_EINVAL);
    assert_int_equal(door_access(&d, 0, 1, 1, 0), -BLANKET_EINVAL);
    assert_int_equal(door_access(&d, 0, 1, 1, BLANKET_ACCESS_READ), -BLANKET_EOPNOTSUPP);
    assert_int_equal(blanket_result_status(door_call(&d, BLANKET_VERB_GRANT_ACCESS, items, 2)),
                     -BLANKET_EOPNOTSUPP);
    assert_int_equal(door_access(&d, 0, 1, 1, 3), 0);
    assert_int_equal(door_access(&d, 1, 1, 1, 3), -BLANKET_EBUSY);
    assert_int_equal(door_access(&d, 0, 1, 2, 3), -BLANKET_EEXIST);
    assert_int_equal(door_end_access(&d, 0, 1), 0);
    assert_int_equal(door_access(&d, 0, 1, 2, 3), -BLANKET_ESTALE);
    assert_int_equal(door_end_access(&d, 2, 9), 0); /* leaves its generation */
    assert_int_equal(door_access(&d, 2, 9, 2, 3), -BLANKET_ESTALE);
    assert_int_equal(door_access(&d, 2, 10, 2, 3), 0);
    door_end(&d);
}

static void a_wider_grant_is_the_hosts_choice(void **state)
{
    struct blanket_linux_device device = door_device("vbd/51712");
    struct door d;

    (void)state;
    door_prepare(&d);
    fake_device("vbd", 51712);
    door_open(&d);
    device.flags = BLANKET_LINUX_GRANT_WIDER;
    device.grant_notify = 4095;
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end), 0);
    assert_int_equal(door_access(&d, 0, 1, 1, BLANKET_ACCESS_READ), 0);
    door_end(&d);
}

/* A device that goes leaves the host's memory as the guests see it. */
static void removing_gives_all_pages_back(void **state)
{
    struct door d;
    uint32_t i;

    (void)state;
    door_begin(&d);
    fake_peer_grant(3, "the peer's");
    for (i = 0; i < 8; i++) {
        (void)snprintf(door_text(&d, i), 32, "page %u", i);
        assert_int_equal(door_access(&d, i, 1, i, 3), 0);
    }
    fake_peer_map(d.end.grant_base);
    assert_int_equal(blanket_linux_device_remove(d.linux_door, d.end.endpoint), 0);
    assert_int_equal(fake_shared(), 1); /* the one that is still mapped is the kernel's to free */
    fake_peer_unmap(d.end.grant_base);
    for (i = 0; i < 8; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "page %u", i);
        assert_string_equal(door_text(&d, i), text);
    }
    door_end(&d);
}

static int door_map(struct door *d, uint32_t index, uint32_t generation, uint32_t reference,
                    unsigned access, uint64_t frame)
{
    const uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_MAPPING, index, generation),
                              blanket_item(BLANKET_ITEM_PEER_REF, access, reference),
                              blanket_item(BLANKET_ITEM_FRAME, 0, frame)};

    return blanket_result_status(door_call(d, BLANKET_VERB_GRANT_MAP, items, 3));
}

static int door_unmap(struct door *d, uint32_t index, uint32_t generation)
{
    const uint64_t item = blanket_item_slot(BLANKET_ITEM_MAPPING, index, generation);

    return blanket_result_status(door_call(d, BLANKET_VERB_GRANT_UNMAP, &item, 1));
}

static void a_mapping_takes_the_frames_place(void **state)
{
    char seen[32];
    struct door d;

    (void)state;
    door_begin(&d);
    fake_peer_grant(3, "the peer's");
    assert_int_equal(door_map(&d, 0, 1, 3, 3, 9), 0);
    assert_string_equal(door_text(&d, 9), "the peer's");
    strcpy(door_text(&d, 9), "ours");
    fake_peer_page(3, seen, sizeof(seen));
    assert_string_equal(seen, "ours");
    assert_int_equal(door_map(&d, 1, 1, 3, 3, 9), -BLANKET_EBUSY);
    assert_int_equal(door_access(&d, 0, 1, 9, 3), -BLANKET_EBUSY);
    assert_int_equal(door_unmap(&d, 0, 1), 0);
    assert_int_equal(fake_mapped(), 0);
    strcpy(door_text(&d, 9), "private"); /* memory again */
    fake_peer_page(3, seen, sizeof(seen));
    assert_string_equal(seen, "ours");
    assert_int_equal(door_unmap(&d, 0, 1), 0);
    assert_int_equal(door_map(&d, 0, 1, 3, 3, 9), -BLANKET_ESTALE);
    door_end(&d);
}

/* gntdev may take what was at the address and then refuse. */
static void a_map_that_is_refused_leaves_the_page(void **state)
{
    struct door d;

    (void)state;
    door_begin(&d);
    strcpy(door_text(&d, 9), "precious");
    assert_int_equal(door_map(&d, 0, 1, 5, 3, 9), -BLANKET_ENOENT);
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "reference 5 of domain 0"));
    assert_string_equal(door_text(&d, 9), "precious");
    assert_int_equal(door_map(&d, 0, 1, 5, BLANKET_ACCESS_WRITE, 9), -BLANKET_EINVAL);
    assert_int_equal(door_map(&d, 0, 1, 5, 3, DOOR_PAGES), -BLANKET_EPERM);
    assert_int_equal(door_map(&d, 16, 1, 5, 3, 9), -BLANKET_ENOSPC);
    fake_peer_grant(5, "now");
    assert_int_equal(door_map(&d, 0, 1, 5, 3, 9), 0);
    assert_int_equal(blanket_linux_device_remove(d.linux_door, d.end.endpoint), 0);
    assert_int_equal(fake_mapped(), 0);
    strcpy(door_text(&d, 9), "memory");
    door_end(&d);
}

static int door_copy(struct door *d, uint32_t generation, uint32_t reference, unsigned access,
                     uint64_t span)
{
    const uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_MAPPING, 2, generation),
                              blanket_item(BLANKET_ITEM_PEER_REF, access, reference),
                              blanket_item(BLANKET_ITEM_FRAME, access ^ 3u, 6),
                              blanket_item(BLANKET_ITEM_SPAN, 0, span)};

    return blanket_result_status(door_call(d, BLANKET_VERB_GRANT_COPY, items, 4));
}

static void copies_go_both_ways(void **state)
{
    char seen[32];
    struct door d;

    (void)state;
    door_begin(&d);
    fake_peer_grant(2, "0123456789");
    assert_int_equal(door_copy(&d, 1, 2, BLANKET_ACCESS_READ, 4 | 100u << 12 | 3u << 24), 0);
    assert_memory_equal(door_text(&d, 6) + 100, "456", 3);
    memcpy(door_text(&d, 6), "abc", 3);
    assert_int_equal(door_copy(&d, 2, 2, BLANKET_ACCESS_WRITE, 1 | 3u << 24), 0);
    fake_peer_page(2, seen, sizeof(seen));
    assert_string_equal(seen, "0abc456789");
    assert_int_equal(door_copy(&d, 2, 2, BLANKET_ACCESS_READ, 3u << 24), -BLANKET_ESTALE);
    assert_int_equal(door_copy(&d, 3, 4, BLANKET_ACCESS_READ, 3u << 24), -BLANKET_ENOENT);
    assert_int_equal(door_copy(&d, 3, 2, BLANKET_ACCESS_READ, 4095u | 2u << 24), -BLANKET_EINVAL);
    assert_int_equal(door_copy(&d, 3, 2, BLANKET_ACCESS_READ, 0), -BLANKET_EINVAL);
    assert_int_equal(door_copy(&d, 3, 2, 3, 3u << 24), -BLANKET_EINVAL);
    door_end(&d);
}

static uint64_t door_port(struct door *d, uint16_t verb, uint32_t index, uint32_t generation)
{
    const uint64_t item = blanket_item_slot(BLANKET_ITEM_PORT, index, generation);

    return door_call(d, verb, &item, 1);
}

static void events_go_both_ways(void **state)
{
    const uint64_t slot = blanket_item_slot(BLANKET_ITEM_PORT, 3, 1);
    uint64_t result;
    uint32_t number;
    struct door d;
    int i;

    (void)state;
    door_begin(&d);
    result = door_port(&d, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 3, 1);
    assert_int_equal(blanket_result_status(result), 0);
    number = blanket_result_value(result);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_STATUS, 3, 1),
                     blanket_result(0, BLANKET_PORT_STATE_UNBOUND));
    fake_peer_bind(number);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_STATUS, 3, 1),
                     blanket_result(0, BLANKET_PORT_STATE_INTERDOMAIN));
    for (i = 0; i < 3; i++) { /* masked by the kernel until we've seen it, and again */
        fake_peer_notify(number);
        assert_int_equal(door_process(&d, 1000), 0);
        assert_int_equal(d.events[3], i + 1);
    }
    assert_int_equal(d.below.ops->send(d.below.context, 0, d.end.endpoint, slot), 0);
    assert_int_equal(fake_notified(number), 1);
    assert_int_equal(d.below.ops->send(d.below.context, 0, d.end.endpoint + 1, slot),
                     -BLANKET_EPERM);
    assert_int_equal(blanket_result_status(door_port(&d, BLANKET_VERB_EVTCHN_SEND, 2, 1)),
                     -BLANKET_ENOENT);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_CLOSE, 3, 1), 0);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_CLOSE, 3, 1), 0);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_STATUS, 3, 1),
                     blanket_result(0, BLANKET_PORT_STATE_CLOSED));
    door_end(&d);
}

static void a_port_of_the_peers_is_bound(void **state)
{
    uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_PORT, 0, 1),
                        blanket_item(BLANKET_ITEM_PEER_PORT, 0, 6)};
    struct door d;

    (void)state;
    door_begin(&d);
    assert_int_equal(
        blanket_result_status(door_call(&d, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2)),
        -BLANKET_ENOENT);
    items[1] = blanket_item(BLANKET_ITEM_PEER_PORT, 0, fake_peer_port());
    assert_int_equal(door_call(&d, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2), 0);
    assert_int_equal(
        blanket_result_status(door_call(&d, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2)),
        -BLANKET_EEXIST);
    assert_int_equal(door_port(&d, BLANKET_VERB_EVTCHN_SEND, 0, 1), 0);
    door_end(&d);
}

/* What a process may not ask isn't guessed. */
static void a_status_that_may_not_be_asked(void **state)
{
    struct door d;

    (void)state;
    door_prepare(&d);
    fake_open_error("privcmd", EACCES);
    fake_device("vbd", 51712);
    door_open(&d);
    {
        const struct blanket_linux_device device = door_device("vbd/51712");

        assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end), 0);
    }
    (void)door_port(&d, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 3, 1);
    assert_int_equal(blanket_result_status(door_port(&d, BLANKET_VERB_EVTCHN_STATUS, 3, 1)),
                     -BLANKET_EOPNOTSUPP);
    door_end(&d);
}

static void malformed_calls_are_refused(void **state)
{
    uint64_t results[2];
    uint64_t items[4] = {0};
    struct blanket_call call = {.verb = BLANKET_VERB_GRANT_ACCESS,
                                .element_count = 1,
                                .element_items = 3,
                                .items = items,
                                .results = results};
    struct door d;

    (void)state;
    door_begin(&d);
    call.endpoint = d.end.endpoint;
    assert_int_equal(d.below.ops->call(d.below.context, &call), -BLANKET_EINVAL);
    call.element_items = 2;
    call.element_count = 0;
    assert_int_equal(d.below.ops->call(d.below.context, &call), -BLANKET_EINVAL);
    call.element_count = 1;
    call.verb = BLANKET_VERB_ENDPOINT_QUERY;
    assert_int_equal(d.below.ops->call(d.below.context, &call), -BLANKET_ENOSYS);
    call.verb = BLANKET_VERB_STORE_READ;
    assert_int_equal(d.below.ops->call(d.below.context, &call), -BLANKET_EINVAL);
    call.verb = BLANKET_VERB_GRANT_ACCESS;
    call.endpoint++;
    assert_int_equal(d.below.ops->call(d.below.context, &call), -BLANKET_EPERM);
    door_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_shows_one_page_to_both),
        cmocka_unit_test(what_the_peer_maps_is_busy_and_harmless),
        cmocka_unit_test(references_that_come_back_in_another_order),
        cmocka_unit_test(a_reference_that_comes_back_below_others),
        cmocka_unit_test(a_reference_that_somebody_else_took),
        cmocka_unit_test(what_can_not_be_granted),
        cmocka_unit_test(a_wider_grant_is_the_hosts_choice),
        cmocka_unit_test(removing_gives_all_pages_back),
        cmocka_unit_test(a_mapping_takes_the_frames_place),
        cmocka_unit_test(a_map_that_is_refused_leaves_the_page),
        cmocka_unit_test(copies_go_both_ways),
        cmocka_unit_test(events_go_both_ways),
        cmocka_unit_test(a_port_of_the_peers_is_bound),
        cmocka_unit_test(a_status_that_may_not_be_asked),
        cmocka_unit_test(malformed_calls_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
