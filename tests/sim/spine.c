/* SPDX-License-Identifier: MIT */
/*
 * Three levels, each with its own memory: what a guest on top gets, seen from its peer beside the
 * provider.
 */
#include "bed.h"

static const struct bed_config three = {.levels = 3, .guests = 2, .seed = 7};

static void opened(struct bed *bed, const struct bed_config *config)
{
    assert_int_equal(bed_open(bed, config), 0);
}

static void closed(struct bed *bed)
{
    assert_int_equal(bed_close(bed), 0);
}

/* --- grants --- */

static void a_granted_page_is_the_peers(void **state)
{
    struct bed bed;
    uint64_t frame;
    uint32_t reference;
    void *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0x11);
    reference = bed_granted(&bed, 0, 3, 1, frame, BED_RW);
    assert_int_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address), 0);
    assert_int_equal(*(uint8_t *)address, 0x11);
    memset(address, 0x22, BLANKET_SIM_PAGE_SIZE);
    assert_true(bed_page_is(&bed, 0, frame, 0x22));
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(3, 1))),
                     0);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 0);
    assert_int_not_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address), 0);
    closed(&bed);
}

static void a_read_only_grant_cannot_be_written(void **state)
{
    struct bed bed;
    uint32_t reference;
    void *address;

    (void)state;
    opened(&bed, &three);
    reference = bed_granted(&bed, 0, 0, 1, bed_page(&bed, 0, 1), BLANKET_ACCESS_READ);
    assert_int_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address),
        -BLANKET_EPERM);
    assert_int_equal(blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference,
                                      BLANKET_ACCESS_READ, &address),
                     0);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    closed(&bed);
}

static void a_page_that_a_peer_maps_stays(void **state)
{
    struct bed bed;
    uint64_t frame, machine, result;
    uint32_t reference, i;
    uint8_t *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0x33);
    reference = bed_granted(&bed, 0, 0, 5, frame, BED_RW);
    assert_int_equal(blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW,
                                      (void **)&address),
                     0);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(0, 5));
    assert_int_equal(bed_status(result), -BLANKET_EBUSY);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_QUERY, 1, bed_grant(0, 5));
    assert_int_equal(bed_status(result), 0);
    assert_true(blanket_result_value(result) & BLANKET_GRANT_STATE_CLOSING);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 6),
                    bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_EBUSY);
    assert_int_equal(blanket_sim_page_machine(bed.sim, bed_guest(&bed, 0), frame, &machine), 0);
    /* The guest gives the page back: whoever has a mapping still finds what was there. */
    assert_int_equal(blanket_sim_page_free(bed.sim, bed_guest(&bed, 0), frame), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 2);
    for (i = 0; i < BLANKET_SIM_PAGE_SIZE; i++) {
        assert_int_equal(address[i], 0x33);
    }
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(address[0], BLANKET_SIM_POISON);
    assert_int_equal(bed_query(&bed, 0, bed.handles[0]).grant_used, 0);
    frame = bed_page(&bed, 0, 0x44);
    (void)bed_granted(&bed, 0, 0, 6, frame, BED_RW);
    closed(&bed);
}

static void a_batch_has_a_status_each(void **state)
{
    struct bed bed;
    uint64_t items[2 * 100], results[100];
    struct bed_call call = {.items = items, .results = results};
    uint64_t frame;
    uint32_t i, j;

    (void)state;
    opened(&bed, &(struct bed_config){.levels = 3, .guests = 1, .seed = 8, .slots = 128});
    frame = bed_page(&bed, 0, 0x55);
    for (i = 0; i < 100; i++) {
        items[2 * i] = bed_grant(i, i == 50 ? 0 : 1);
        items[2 * i + 1] = bed_frame(i == 20 ? 1 : frame, BLANKET_ACCESS_READ);
    }
    items[2 * 30] = bed_grant(128, 1); /* beyond the endpoint's table */
    items[2 * 40] = bed_grant(39, 1);  /* again */
    call.endpoint = bed.handles[0];
    call.item_count = 200;
    call.element_count = 100;
    assert_int_equal(bed_call(&bed, 0, BLANKET_VERB_GRANT_ACCESS, &call), 0);
    for (i = 0; i < 100; i++) {
        int status = bed_status(results[i]);

        if (i == 20) {
            assert_int_equal(status, -BLANKET_EPERM);
        } else if (i == 30) {
            assert_int_equal(status, -BLANKET_ENOSPC);
            assert_int_equal(blanket_result_value(results[i]), BLANKET_QUOTA_GRANTS);
        } else if (i == 40) {
            assert_int_equal(status, -BLANKET_EEXIST);
        } else if (i == 50) {
            assert_int_equal(status, -BLANKET_ESTALE);
        } else {
            assert_int_equal(status, 0);
        }
    }
    assert_int_equal(bed_query(&bed, 0, bed.handles[0]).grant_used, 96);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 96);
    for (i = j = 0; i < 100; i++) {
        items[j++] = bed_grant(i, 1);
    }
    call.item_count = call.element_count = 100;
    assert_int_equal(bed_call(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, &call), 0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(bed_status(results[i]), 0);
    }
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 0);
    closed(&bed);
}

/* Generations: what was destroyed can't be created again by what comes late. */
static void a_tombstone_refuses_the_late(void **state)
{
    struct bed bed;
    uint64_t frame, result;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0x66);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(2, 9));
    assert_int_equal(bed_status(result), 0);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(2, 9),
                    bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_ESTALE);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(2, 8),
                    bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_ESTALE);
    (void)bed_granted(&bed, 0, 2, 10, frame, BED_RW);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(2, 10),
                    bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_EEXIST);
    /* A destroy of an older life is done, and touches nothing. */
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(2, 9));
    assert_int_equal(bed_status(result), 0);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 1);
    closed(&bed);
}

static void pages_are_checked_by_their_type(void **state)
{
    struct bed bed;
    uint64_t frame, result;
    uint32_t own, reference;
    void *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0x77);
    assert_int_equal(blanket_sim_page_special(bed.sim, bed_guest(&bed, 0), frame, 1), 0);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 1),
                    bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_EBUSY);
    /* Naming its own grant reference, as user space in a PV dom0 does. */
    assert_int_equal(blanket_sim_page_special(bed.sim, bed_guest(&bed, 0), frame, 0), 0);
    assert_int_equal(blanket_sim_own_grant(bed.sim, bed_guest(&bed, 0), frame, &own), 0);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 2),
                    blanket_item(BLANKET_ITEM_OWN_GRANT, BLANKET_ACCESS_READ, own));
    assert_int_equal(bed_status(result), 0);
    reference = bed.devices[0].end.grant_base;
    assert_int_equal(blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference,
                                      BLANKET_ACCESS_READ, &address),
                     0);
    assert_int_equal(*(uint8_t *)address, 0x77);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    closed(&bed);
}

/* A backend in another guest, on top of the same levels: map, unmap and copy. */
static void a_guest_maps_what_another_granted(void **state)
{
    struct bed bed;
    uint64_t frame, target, result;
    uint32_t reference;

    (void)state;
    opened(&bed, &(struct bed_config){.levels = 3, .guests = 2, .pairs = 1, .seed = 9});
    frame = bed_page(&bed, 0, 0x88);
    target = bed_page(&bed, 1, 0x99);
    reference = bed_granted(&bed, 0, 4, 1, frame, BED_RW);
    result = bed_op(&bed, 1, BLANKET_VERB_GRANT_MAP, 3, bed_mapping(2, 1),
                    bed_peer_ref(reference, BED_RW), bed_frame(target, 0));
    assert_int_equal(bed_status(result), 0);
    assert_true(bed_page_is(&bed, 1, target, 0x88));
    memset(blanket_sim_page(bed.sim, bed_guest(&bed, 1), target), 0xaa, BLANKET_SIM_PAGE_SIZE);
    assert_true(bed_page_is(&bed, 0, frame, 0xaa));
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_QUERY, 1, bed_grant(4, 1));
    assert_int_equal(bed_status(result), 0);
    assert_int_equal(blanket_result_value(result) & 3u,
                     BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING);
    /* An overlaid frame isn't the guest's own page: it can't be granted on. */
    result = bed_op(&bed, 1, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 1),
                    bed_frame(target, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_EBUSY);
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(4, 1));
    assert_int_equal(bed_status(result), -BLANKET_EBUSY);
    result = bed_op(&bed, 1, BLANKET_VERB_GRANT_UNMAP, 1, bed_mapping(2, 1));
    assert_int_equal(bed_status(result), 0);
    assert_true(bed_page_is(&bed, 1, target, BLANKET_SIM_POISON));
    result = bed_op(&bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(4, 1));
    assert_int_equal(bed_status(result), 0);
    closed(&bed);
}

static void a_guest_copies_both_ways(void **state)
{
    struct bed bed;
    uint64_t frame, mine, result;
    uint32_t reference;
    uint8_t *page;

    (void)state;
    opened(&bed, &(struct bed_config){.levels = 3, .guests = 2, .pairs = 1, .seed = 10});
    frame = bed_page(&bed, 0, 0xb1);
    mine = bed_page(&bed, 1, 0xb2);
    reference = bed_granted(&bed, 0, 0, 1, frame, BED_RW);
    result = bed_op(&bed, 1, BLANKET_VERB_GRANT_COPY, 4, bed_mapping(0, 1),
                    bed_peer_ref(reference, BLANKET_ACCESS_READ),
                    bed_frame(mine, BLANKET_ACCESS_WRITE),
                    blanket_item(BLANKET_ITEM_SPAN, 0, 100u | (200ull << 12) | (300ull << 24)));
    assert_int_equal(bed_status(result), 0);
    page = blanket_sim_page(bed.sim, bed_guest(&bed, 1), mine);
    assert_int_equal(page[199], 0xb2);
    assert_int_equal(page[200], 0xb1);
    assert_int_equal(page[499], 0xb1);
    assert_int_equal(page[500], 0xb2);
    result = bed_op(&bed, 1, BLANKET_VERB_GRANT_COPY, 4, bed_mapping(0, 2),
                    bed_peer_ref(reference, BLANKET_ACCESS_WRITE),
                    bed_frame(mine, BLANKET_ACCESS_READ),
                    blanket_item(BLANKET_ITEM_SPAN, 0, 0u | (0ull << 12) | (10ull << 24)));
    assert_int_equal(bed_status(result), 0);
    page = blanket_sim_page(bed.sim, bed_guest(&bed, 0), frame);
    assert_int_equal(page[9], 0xb2);
    assert_int_equal(page[10], 0xb1);
    assert_int_equal(bed_query(&bed, 1, bed.handles[1]).mapping_used, 0);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 1), mine), 0);
    closed(&bed);
}

/* --- events --- */

static uint32_t port_of(struct bed *bed, uint32_t guest, uint32_t index)
{
    return bed_query(bed, guest, bed->handles[guest]).port_base + index;
}

static int taken(struct bed *bed, uint32_t guest, uint32_t port)
{
    return blanket_sim_event_take(bed->sim, bed_guest(bed, guest), port);
}

static void events_go_both_ways(void **state)
{
    struct bed bed;
    uint32_t port;

    (void)state;
    opened(&bed, &three);
    bed_connect(&bed, 0, 2, 1);
    port = port_of(&bed, 0, 2);
    (void)taken(&bed, 0, port);
    assert_int_equal(
        blanket_sim_send(bed.sim, bed_guest(&bed, 0), 0, bed.handles[0], bed_port(2, 1)), 0);
    assert_true(bed.devices[0].peer_events[2] > 0);
    assert_int_equal(bed_status(bed_peer_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(2, 1))),
                     0);
    assert_int_equal(taken(&bed, 0, port), 1);
    assert_int_equal(taken(&bed, 0, port), 0);
    /* And by frame. */
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(2, 1))), 0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(2, 2))),
                     -BLANKET_ENOENT);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_CLOSE, 1, bed_port(2, 1))), 0);
    assert_int_not_equal(
        blanket_sim_send(bed.sim, bed_guest(&bed, 0), 0, bed.handles[0], bed_port(2, 1)), 0);
    closed(&bed);
}

static void count_event(void *context, uint32_t vcpu, uint32_t port)
{
    uint32_t *counts = context;

    if (port < BED_PORTS && vcpu < 8) {
        counts[port]++;
        counts[BED_PORTS + vcpu]++;
    }
}

static void events_coalesce_until_they_are_taken(void **state)
{
    struct bed bed;
    uint32_t counts[BED_PORTS + 8] = {0}, port, i;

    (void)state;
    opened(&bed, &three);
    bed_connect(&bed, 0, 0, 1);
    port = port_of(&bed, 0, 0);
    (void)taken(&bed, 0, port);
    assert_int_equal(blanket_sim_event_handler(bed.sim, bed_guest(&bed, 0), count_event, counts),
                     0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(
            bed_status(bed_peer_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))), 0);
    }
    assert_int_equal(counts[port], 1);
    assert_int_equal(taken(&bed, 0, port), 1);
    assert_int_equal(bed_status(bed_peer_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))),
                     0);
    assert_int_equal(counts[port], 2);
    closed(&bed);
}

static void a_masked_port_is_silent(void **state)
{
    struct bed bed;
    uint32_t counts[BED_PORTS + 8] = {0}, port;
    uint64_t result;

    (void)state;
    opened(&bed, &three);
    bed_connect(&bed, 0, 0, 1);
    port = port_of(&bed, 0, 0);
    (void)taken(&bed, 0, port);
    assert_int_equal(blanket_sim_event_handler(bed.sim, bed_guest(&bed, 0), count_event, counts),
                     0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_MASK, 1, bed_port(0, 1))), 0);
    assert_int_equal(bed_status(bed_peer_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))),
                     0);
    assert_int_equal(counts[port], 0);
    result = bed_op(&bed, 0, BLANKET_VERB_EVTCHN_STATUS, 1, bed_port(0, 1));
    assert_int_equal(bed_status(result), 0);
    assert_int_equal(blanket_result_value(result), BLANKET_PORT_STATE_INTERDOMAIN |
                                                       BLANKET_PORT_STATE_PENDING |
                                                       BLANKET_PORT_STATE_MASKED);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_UNMASK, 1, bed_port(0, 1))), 0);
    assert_int_equal(counts[port], 1);
    /* To another vCPU. */
    assert_int_equal(taken(&bed, 0, port), 1);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_BIND_VCPU, 2, bed_port(0, 1),
                                       blanket_item(BLANKET_ITEM_COUNT, 0, 3))),
                     0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_EVTCHN_BIND_VCPU, 2, bed_port(0, 1),
                                       blanket_item(BLANKET_ITEM_COUNT, 0, 4))),
                     -BLANKET_EINVAL);
    assert_int_equal(bed_status(bed_peer_op(&bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))),
                     0);
    assert_int_equal(counts[BED_PORTS + 3], 1);
    closed(&bed);
}

/* The peer binds and sends before any level has heard that the port is there: the event latches. */
static void peer_is_fast(struct bed *bed, struct blanket_call *call)
{
    uint32_t number = blanket_result_value(call->results[0]);

    if (call->verb != BLANKET_VERB_EVTCHN_ALLOC_UNBOUND) {
        return;
    }
    (void)bed_peer_op(bed, 0, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, bed_port(6, 1),
                      bed_peer_port(number));
    (void)bed_peer_op(bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(6, 1));
    bed->devices[0].peer_ports[6] = 1;
}

static void an_event_before_the_commit_is_not_lost(void **state)
{
    struct bed bed;
    uint32_t counts[BED_PORTS + 8] = {0}, port;
    uint64_t result;

    (void)state;
    opened(&bed, &three);
    port = port_of(&bed, 0, 6);
    assert_int_equal(blanket_sim_event_handler(bed.sim, bed_guest(&bed, 0), count_event, counts),
                     0);
    bed.after = peer_is_fast;
    result = bed_op(&bed, 0, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(6, 1));
    assert_int_equal(bed_status(result), 0);
    assert_int_equal(counts[port], 1);
    assert_int_equal(taken(&bed, 0, port), 1);
    /* With an answer that is lost there is no port, and nobody is told of one. */
    bed.after = NULL;
    closed(&bed);
}

/* --- endpoints --- */

static uint64_t derive(struct bed *bed, uint32_t guest, uint64_t parent, uint32_t slot,
                       uint32_t generation, uint32_t rights, uint32_t grants, uint32_t ports)
{
    return bed_op_on(
        bed, guest, parent, BLANKET_VERB_ENDPOINT_DERIVE, 5,
        blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, generation),
        blanket_item(BLANKET_ITEM_COUNT, 0, rights), blanket_item(BLANKET_ITEM_COUNT, 0, grants),
        blanket_item(BLANKET_ITEM_COUNT, 0, 0), blanket_item(BLANKET_ITEM_COUNT, 0, ports));
}

static void what_is_derived_shrinks_and_comes_back(void **state)
{
    struct bed bed;
    struct blanket_wire_endpoint info;
    uint64_t child, frame, result;
    uint32_t reference;
    void *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0xc1);
    result = derive(&bed, 0, bed.handles[0], 5, 1,
                    (1u << BLANKET_RIGHT_QUERY) | (1u << BLANKET_RIGHT_GRANT_ACCESS), 8, 0);
    assert_int_equal(bed_status(result), 0);
    child = blanket_handle(5, 1);
    info = bed_query(&bed, 0, child);
    assert_int_equal(info.grant_count, 8);
    assert_int_equal(info.rights, (1u << BLANKET_RIGHT_QUERY) | (1u << BLANKET_RIGHT_GRANT_ACCESS));
    assert_int_equal(info.state, BLANKET_ENDPOINT_LIVE);
    result = bed_op_on(&bed, 0, child, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 1),
                       bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), 0);
    reference = info.grant_base;
    assert_int_equal(blanket_result_value(result), reference);
    assert_int_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address), 0);
    assert_int_equal(*(uint8_t *)address, 0xc1);
    /* What it has no right to. */
    result = bed_op_on(&bed, 0, child, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(0, 1));
    assert_int_equal(bed_status(result), -BLANKET_EPERM);
    /* Dead when revoke returns; drained when the peer lets go. */
    result = bed_op(&bed, 0, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                    blanket_item_slot(BLANKET_ITEM_ENDPOINT, 5, 1));
    assert_int_equal(bed_status(result), 0);
    result = bed_op_on(&bed, 0, child, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(1, 1),
                       bed_frame(frame, BED_RW));
    assert_int_equal(bed_status(result), -BLANKET_EPERM);
    assert_int_equal(blanket_sim_settle(bed.sim), 2);
    assert_int_equal(bed_query(&bed, 0, bed.handles[0]).child_count, 1);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    info = bed_query(&bed, 0, bed.handles[0]);
    assert_int_equal(info.child_count, 0);
    assert_int_equal(info.grant_used, 0);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 0);
    /* The slot can be used again, with a newer generation. */
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 5, 1, 1, 8, 0)), -BLANKET_ESTALE);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 5, 2, 1, 16, 0)), 0);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 6, 1, 1, 8, 0)), -BLANKET_ENOSPC);
    closed(&bed);
}

/* Whoever derives from what was derived can't get back what that lacks. */
static void rights_never_grow(void **state)
{
    const uint32_t some = (1u << BLANKET_RIGHT_QUERY) | (1u << BLANKET_RIGHT_DERIVE) |
                          (1u << BLANKET_RIGHT_EVTCHN_BIND);
    struct bed bed;
    uint64_t frame;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 1);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 3, 1, some, 8, 8)), 0);
    assert_int_equal(
        bed_status(derive(&bed, 0, blanket_handle(3, 1), 4, 1, BLANKET_RIGHTS_ALL, 8, 8)), 0);
    assert_int_equal(bed_query(&bed, 0, blanket_handle(4, 1)).rights, some);
    assert_int_equal(bed_status(bed_op_on(&bed, 0, blanket_handle(4, 1),
                                          BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(0, 1))),
                     0);
    assert_int_equal(bed_status(bed_op_on(&bed, 0, blanket_handle(4, 1), BLANKET_VERB_GRANT_ACCESS,
                                          2, bed_grant(0, 1), bed_frame(frame, BED_RW))),
                     -BLANKET_EPERM);
    closed(&bed);
}

/* Each of 3 levels revokes in its turn: whoever is above loses the endpoint, siblings don't notice. */
static void each_level_can_revoke(void **state)
{
    uint32_t k;

    (void)state;
    for (k = 0; k < 3; k++) {
        struct bed bed;
        uint64_t frame, result;
        uint32_t id;

        opened(&bed, &three);
        frame = bed_page(&bed, 0, 0xd1);
        (void)bed_granted(&bed, 0, 0, 1, frame, BED_RW);
        bed_connect(&bed, 1, 0, 1);
        bed_connect(&bed, 0, 0, 1);
        assert_int_equal(blanket_sim_guest_id(bed.sim, k == 2 ? bed_guest(&bed, 0) : k + 1, &id),
                         0);
        assert_int_equal(
            blanket_endpoint_revoke(blanket_sim_level(bed.sim, k), id, bed.given[0][k]), 0);
        result = bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(1, 1),
                        bed_frame(frame, BED_RW));
        assert_int_not_equal(bed_status(result), 0);
        assert_int_not_equal(
            blanket_sim_send(bed.sim, bed_guest(&bed, 0), 0, bed.handles[0], bed_port(0, 1)), 0);
        assert_int_equal(blanket_sim_settle(bed.sim), 0);
        assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 0);
        assert_int_equal(taken(&bed, 0, BLANKET_PORT_CONTROL), 1);
        assert_int_equal(
            blanket_sim_send(bed.sim, bed_guest(&bed, 1), 0, bed.handles[1], bed_port(0, 1)), 0);
        (void)bed_granted(&bed, 1, 0, 1, bed_page(&bed, 1, 1), BED_RW);
        closed(&bed);
    }
}

static void endpoints_are_found_by_name_and_tell_their_events(void **state)
{
    struct bed bed;
    struct blanket_wire_endpoint info;
    struct bed_call call = {.reply = &info, .reply_max = sizeof(info)};
    uint32_t seen = 0;

    (void)state;
    opened(&bed, &three);
    call.endpoint = blanket_handle(0, 1);
    call.payload = "vbd/51712";
    call.payload_size = 9;
    assert_int_equal(bed_call(&bed, 0, BLANKET_VERB_ENDPOINT_LOOKUP, &call), 0);
    assert_true(info.endpoint == bed.handles[0]);
    assert_string_equal(info.name, "vbd/51712");
    call.payload = "vbd/51728"; /* the other guest's */
    assert_int_equal(bed_call(&bed, 0, BLANKET_VERB_ENDPOINT_LOOKUP, &call), -BLANKET_ENOENT);
    call.payload_size = 0;
    assert_int_equal(bed_call(&bed, 0, BLANKET_VERB_ENDPOINT_EVENTS, &call), -BLANKET_ENOENT);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 3, 1, 1, 0, 0)), 0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                                       blanket_item_slot(BLANKET_ITEM_ENDPOINT, 3, 1))),
                     0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(taken(&bed, 0, BLANKET_PORT_CONTROL), 1);
    while (bed_call(&bed, 0, BLANKET_VERB_ENDPOINT_EVENTS, &call) == 0) {
        assert_true(info.endpoint == blanket_handle(3, 1));
        seen |= info.events;
    }
    assert_int_equal(seen, BLANKET_EVENT_DEAD | BLANKET_EVENT_DRAINED);
    closed(&bed);
}

static void reset_drops_all_that_hangs_on_an_endpoint(void **state)
{
    struct bed bed;
    uint64_t frame;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 1);
    (void)bed_granted(&bed, 0, 0, 1, frame, BED_RW);
    bed_connect(&bed, 0, 0, 1);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 3, 1, BLANKET_RIGHTS_ALL, 8, 0)),
                     0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_ENDPOINT_RESET, 0)), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, 0), frame), 0);
    assert_int_equal(bed_query(&bed, 0, bed.handles[0]).child_count, 0);
    (void)bed_granted(&bed, 0, 0, 2, frame, BED_RW);
    closed(&bed);
}

/* What a peer holds keeps the endpoint from working again, and the host isn't kept busy by it. */
static void a_reset_waits_for_a_peer(void **state)
{
    struct bed bed;
    uint64_t frame;
    void *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 1);
    assert_int_equal(blanket_root_map(bed.root, bed.devices[0].peer.endpoint,
                                      bed_granted(&bed, 0, 0, 1, frame, BED_RW), BED_RW, &address),
                     0);
    assert_int_equal(bed_status(derive(&bed, 0, bed.handles[0], 3, 1, BLANKET_RIGHTS_ALL, 8, 0)),
                     0);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_ENDPOINT_RESET, 0)), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 2);
    assert_int_equal(bed_status(bed_op(&bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(1, 1),
                                       bed_frame(frame, BED_RW))),
                     -BLANKET_EAGAIN);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    (void)bed_granted(&bed, 0, 0, 2, frame, BED_RW);
    closed(&bed);
}

/* --- guests and levels come and go --- */

static void a_restarted_guest_begins_anew(void **state)
{
    struct bed bed;
    uint64_t frame, old;
    uint32_t reference;
    void *address;

    (void)state;
    opened(&bed, &three);
    frame = bed_page(&bed, 0, 0xe1);
    reference = bed_granted(&bed, 0, 0, 7, frame, BED_RW);
    bed_connect(&bed, 0, 0, 7);
    old = bed.handles[0];
    assert_int_equal(
        blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address), 0);
    assert_int_equal(blanket_sim_stop(bed.sim, bed_guest(&bed, 0)), 0);
    assert_int_equal(blanket_sim_start(bed.sim, bed_guest(&bed, 0)), 0);
    assert_int_equal(
        bed_status(bed_op_on(&bed, 0, old, BLANKET_VERB_GRANT_QUERY, 1, bed_grant(0, 7))),
        -BLANKET_EPERM);
    /* What the peer still maps keeps the old life's remains. */
    assert_int_equal(blanket_sim_settle(bed.sim), 2);
    assert_int_equal(bed_mint(&bed, 0, BLANKET_RIGHTS_ALL, NULL), -BLANKET_EBUSY);
    assert_int_equal(*(uint8_t *)address, 0xe1);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(bed_mint(&bed, 0, BLANKET_RIGHTS_ALL, NULL), 0);
    frame = bed_page(&bed, 0, 0xe2);
    (void)bed_granted(&bed, 0, 0, 1, frame, BED_RW);
    closed(&bed);
}

static void a_level_that_crashes_leaves_nothing(void **state)
{
    uint32_t k;

    (void)state;
    for (k = 1; k < 3; k++) {
        struct bed bed;
        uint64_t frame;
        uint32_t reference;
        uint8_t *address;

        opened(&bed, &three);
        frame = bed_page(&bed, 0, 0xe5);
        reference = bed_granted(&bed, 0, 0, 1, frame, BED_RW);
        bed_connect(&bed, 0, 0, 1);
        assert_int_equal(blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW,
                                          (void **)&address),
                         0);
        assert_int_equal(blanket_sim_stop(bed.sim, k), 0);
        assert_int_equal(blanket_sim_settle(bed.sim), 2);
        assert_int_equal(address[0], 0xe5);
        assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
        assert_int_equal(blanket_sim_settle(bed.sim), 0);
        assert_int_equal(address[0], BLANKET_SIM_POISON);
        assert_int_equal(blanket_sim_start(bed.sim, k), 0);
        assert_int_equal(bed_mint(&bed, 0, BLANKET_RIGHTS_ALL, NULL), 0);
        assert_int_equal(bed_mint(&bed, 1, BLANKET_RIGHTS_ALL, NULL), 0);
        (void)bed_granted(&bed, 0, 0, 1, bed_page(&bed, 0, 1), BED_RW);
        closed(&bed);
    }
}

/* One level, sixteen levels. */
static void any_depth(void **state)
{
    uint32_t levels;

    (void)state;
    for (levels = 1; levels <= BLANKET_LEVEL_MAX; levels++) {
        struct bed bed;
        struct blanket_sim_stats before, after;
        uint64_t frame;
        uint32_t reference;
        void *address;

        opened(&bed, &(struct bed_config){.levels = levels, .guests = 1, .seed = levels});
        frame = bed_page(&bed, 0, 0xf1);
        blanket_sim_stats(bed.sim, &before);
        reference = bed_granted(&bed, 0, 0, 1, frame, BED_RW);
        blanket_sim_stats(bed.sim, &after);
        assert_int_equal(after.crossings - before.crossings, levels);
        assert_int_equal(
            blanket_root_map(bed.root, bed.devices[0].peer.endpoint, reference, BED_RW, &address),
            0);
        assert_int_equal(*(uint8_t *)address, 0xf1);
        assert_int_equal(blanket_root_unmap(bed.root, bed.devices[0].peer.endpoint, address), 0);
        closed(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_granted_page_is_the_peers),
        cmocka_unit_test(a_read_only_grant_cannot_be_written),
        cmocka_unit_test(a_page_that_a_peer_maps_stays),
        cmocka_unit_test(a_batch_has_a_status_each),
        cmocka_unit_test(a_tombstone_refuses_the_late),
        cmocka_unit_test(pages_are_checked_by_their_type),
        cmocka_unit_test(a_guest_maps_what_another_granted),
        cmocka_unit_test(a_guest_copies_both_ways),
        cmocka_unit_test(events_go_both_ways),
        cmocka_unit_test(events_coalesce_until_they_are_taken),
        cmocka_unit_test(a_masked_port_is_silent),
        cmocka_unit_test(an_event_before_the_commit_is_not_lost),
        cmocka_unit_test(what_is_derived_shrinks_and_comes_back),
        cmocka_unit_test(rights_never_grow),
        cmocka_unit_test(each_level_can_revoke),
        cmocka_unit_test(endpoints_are_found_by_name_and_tell_their_events),
        cmocka_unit_test(reset_drops_all_that_hangs_on_an_endpoint),
        cmocka_unit_test(a_reset_waits_for_a_peer),
        cmocka_unit_test(a_restarted_guest_begins_anew),
        cmocka_unit_test(a_level_that_crashes_leaves_nothing),
        cmocka_unit_test(any_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
