/* SPDX-License-Identifier: MIT */
/*
 * What the simulation's tests stand on: a provider, a tower of levels, guests with a device each, and
 * the backend's ends, either beside the provider or in another guest.
 */
#ifndef BLANKET_TEST_BED_H
#define BLANKET_TEST_BED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/port/root.h>
#include <blanket/port/sim.h>

#define BED_GUESTS 8u
#define BED_PORTS 64u
#define BED_DOMID 7u /* of the one domain that everything above the provider is in */

struct bed_config {
    uint32_t levels;
    uint32_t guests;
    enum blanket_root_scoping scoping;
    uint32_t mint_flags;
    uint32_t
        pairs; /* of the first 2 * pairs guests, an even one has the frontend of a device and the
                     * next one its backend */
    uint32_t seed;
    uint32_t sim_flags;
    uint32_t vcpus;    /* of each guest; 0: 1 */
    uint32_t slots;    /* grants, mappings and ports of each end; 0: 16 */
    uint32_t store;    /* 1: with a xenstore */
    uint32_t unminted; /* 1: the devices are there, the guests have no endpoints */
};

/* One guest's device. */
struct bed_device {
    struct blanket_root_end end;  /* the guest's */
    struct blanket_root_end peer; /* the other one's: local unless the bed is of pairs */
    uint32_t event_base;
    uint32_t peer_events[BED_PORTS]; /* of a local peer, by port index */
    uint32_t peer_ports[BED_PORTS];  /* generations of those that bed_connect made */
    char name[BLANKET_NAME_SIZE];
};

struct bed {
    struct bed_config config;
    struct blanket_root *root;
    struct blanket_sim *sim;
    struct bed_device devices[BED_GUESTS];
    uint64_t handles[BED_GUESTS];                  /* each guest's endpoint */
    uint64_t given[BED_GUESTS][BLANKET_LEVEL_MAX]; /* that each level gave on the way to it */
    /* NULL, or: the provider has served a call, and no level knows of it yet. */
    void (*after)(struct bed *bed, struct blanket_call *call);
    int32_t (*send_answer)(struct bed *bed); /* NULL, or what the provider says to a send */
    void *after_context;
};

/* 0, or an error; then nothing is left. */
int bed_open(struct bed *bed, const struct bed_config *config);
/* Violations, and 1 for each count of the provider that isn't back to 0. */
int bed_close(struct bed *bed);
/* Mint guest `guest`'s device all the way up (again). */
int bed_mint(struct bed *bed, uint32_t guest, uint32_t rights, const uint32_t *rights_of_node);

static inline int bed_is_paired(const struct bed *bed, uint32_t guest)
{
    return guest < 2 * bed->config.pairs;
}

/* Node numbers. */
static inline uint32_t bed_guest(const struct bed *bed, uint32_t guest)
{
    return bed->config.levels + guest;
}

static inline uint32_t bed_top(const struct bed *bed)
{
    return bed->config.levels - 1;
}

/*
 * A call with items (elements one after the other) and a payload; `results` gets those of `elements`
 * elements, or is NULL. Returns the status. A call that was interrupted is continued.
 */
struct bed_call {
    uint64_t endpoint;
    const uint64_t *items;
    uint32_t item_count;
    uint32_t element_count;
    uint64_t *results;
    const void *payload;
    uint32_t payload_size;
    void *reply;
    uint32_t reply_max;
    uint32_t reply_size;
    uint32_t detail;
    uint32_t vcpu;
};
int bed_call(struct bed *bed, uint32_t guest, uint16_t verb, struct bed_call *call);

/* One element on the guest's own device: its result (status and value); a refused call's status. */
uint64_t bed_op(struct bed *bed, uint32_t guest, uint16_t verb, uint32_t count, ...);
/* The same on any endpoint. */
uint64_t bed_op_on(struct bed *bed, uint32_t guest, uint64_t endpoint, uint16_t verb,
                   uint32_t count, ...);
/* The same by the local peer of the guest's device, at the provider. */
uint64_t bed_peer_op(struct bed *bed, uint32_t guest, uint16_t verb, uint32_t count, ...);

static inline int bed_status(uint64_t result)
{
    return blanket_result_status(result);
}

/* Items. */
static inline uint64_t bed_frame(uint64_t frame, unsigned access)
{
    return blanket_item(BLANKET_ITEM_FRAME, access, frame);
}

static inline uint64_t bed_grant(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);
}

static inline uint64_t bed_mapping(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_MAPPING, index, generation);
}

static inline uint64_t bed_port(uint32_t index, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, index, generation);
}

static inline uint64_t bed_peer_ref(uint32_t reference, unsigned access)
{
    return blanket_item(BLANKET_ITEM_PEER_REF, access, reference);
}

static inline uint64_t bed_peer_port(uint32_t number)
{
    return blanket_item(BLANKET_ITEM_PEER_PORT, 0, number);
}

#define BED_RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

/* What follows fails the test that it is called in: it is here because an assertion ends a function of
 * its own file only, with the small cmocka. */

/* A page of the guest, filled with `byte`: its frame. The test fails if there is none. */
static inline uint64_t bed_page(struct bed *bed, uint32_t guest, int byte)
{
    uint64_t frame = 0;

    assert_int_equal(blanket_sim_page_alloc(bed->sim, bed_guest(bed, guest), 1, &frame), 0);
    memset(blanket_sim_page(bed->sim, bed_guest(bed, guest), frame), byte, BLANKET_SIM_PAGE_SIZE);
    return frame;
}

/* 1 if all of the page that the frame shows is `byte`. */
static inline int bed_page_is(struct bed *bed, uint32_t guest, uint64_t frame, int byte)
{
    const uint8_t *page = blanket_sim_page(bed->sim, bed_guest(bed, guest), frame);
    uint32_t i;

    for (i = 0; page && i < BLANKET_SIM_PAGE_SIZE; i++) {
        if (page[i] != (uint8_t)byte) {
            return 0;
        }
    }
    return page != NULL;
}

/*
 * A create on the guest's device, tried again while a level on the way is catching up with the slots
 * of the one below (after a restart: -BLANKET_EAGAIN, once a level).
 */
static inline uint64_t bed_create(struct bed *bed, uint32_t guest, uint16_t verb, uint64_t slot,
                                  uint64_t other)
{
    uint64_t result = blanket_result(-BLANKET_EAGAIN, 0);
    uint32_t i;

    for (i = 0; bed_status(result) == -BLANKET_EAGAIN && i <= bed->config.levels; i++) {
        result = bed_op(bed, guest, verb, other ? 2 : 1, slot, other);
    }
    return result;
}

/* The frame, granted at `index` of the guest's device: the reference that the peer sees. */
static inline uint32_t bed_granted(struct bed *bed, uint32_t guest, uint32_t index,
                                   uint32_t generation, uint64_t frame, unsigned access)
{
    uint64_t result = bed_create(bed, guest, BLANKET_VERB_GRANT_ACCESS,
                                 bed_grant(index, generation), bed_frame(frame, access));

    assert_int_equal(bed_status(result), 0);
    assert_int_equal(blanket_result_value(result), bed->devices[guest].end.grant_base + index);
    return blanket_result_value(result);
}

/* An unbound port that the local peer binds to, at the same index. */
static inline void bed_connect(struct bed *bed, uint32_t guest, uint32_t index, uint32_t generation)
{
    uint64_t result = bed_create(bed, guest, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
                                 bed_port(index, generation), 0);

    assert_int_equal(bed_status(result), 0);
    bed->devices[guest].peer_ports[index] = generation;
    result = bed_peer_op(bed, guest, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2,
                         bed_port(index, generation), bed_peer_port(blanket_result_value(result)));
    assert_int_equal(bed_status(result), 0);
}

/* The guest's endpoint as it is now. */
static inline struct blanket_wire_endpoint bed_query(struct bed *bed, uint32_t guest,
                                                     uint64_t endpoint)
{
    struct blanket_wire_endpoint info;
    struct bed_call call;

    memset(&info, 0, sizeof(info));
    memset(&call, 0, sizeof(call));
    call.endpoint = endpoint;
    call.reply = &info;
    call.reply_max = sizeof(info);
    assert_int_equal(bed_call(bed, guest, BLANKET_VERB_ENDPOINT_QUERY, &call), 0);
    assert_int_equal(call.reply_size, sizeof(info));
    return info;
}

#endif
