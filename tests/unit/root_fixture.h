/* SPDX-License-Identifier: MIT */
/*
 * A host for the provider under test: 64 pages, a table of what shows through which frame, and sinks
 * that count. Each test makes its own.
 */
#ifndef BLANKET_TEST_ROOT_FIXTURE_H
#define BLANKET_TEST_ROOT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/port/root.h>

#define FIXTURE_PAGES 64u
#define FIXTURE_PAGE_SIZE 4096u
#define FIXTURE_EVENTS 4096u
#define FIXTURE_NOT_OVERLAID UINT64_MAX

struct fixture_events {
    uint32_t count;
    uint32_t by_number[FIXTURE_EVENTS];
};

struct fixture {
    uint8_t pages[FIXTURE_PAGES][FIXTURE_PAGE_SIZE];
    uint64_t shows[FIXTURE_PAGES]; /* frame that shows here instead, or FIXTURE_NOT_OVERLAID */
    unsigned shows_access[FIXTURE_PAGES];
    int overlay_status; /* what the next overlays return, nothing done, unless 0 */
    struct fixture_events events[4];
    struct blanket_root_sink sinks[4];
    struct blanket_root *root;
    struct blanket_below below;
    struct blanket_root_end front[2];
    struct blanket_root_end back[2];
};

static inline void *fixture_page(void *host, uint64_t frame)
{
    struct fixture *f = (struct fixture *)host;

    return frame < FIXTURE_PAGES ? f->pages[frame] : NULL;
}

static inline int fixture_overlay(void *host, uint64_t frame, uint64_t source, unsigned access)
{
    struct fixture *f = (struct fixture *)host;

    if (f->overlay_status) {
        return f->overlay_status;
    }
    if (frame >= FIXTURE_PAGES || f->shows[frame] != FIXTURE_NOT_OVERLAID) {
        return -BLANKET_EBUSY;
    }
    f->shows[frame] = source;
    f->shows_access[frame] = access;
    return 0;
}

static inline void fixture_overlay_undo(void *host, uint64_t frame)
{
    struct fixture *f = (struct fixture *)host;

    assert_true(frame < FIXTURE_PAGES && f->shows[frame] != FIXTURE_NOT_OVERLAID);
    f->shows[frame] = FIXTURE_NOT_OVERLAID;
}

static inline void fixture_event(void *context, uint32_t number)
{
    struct fixture_events *events = (struct fixture_events *)context;

    assert_true(number < FIXTURE_EVENTS);
    events->count++;
    events->by_number[number]++;
}

static const struct blanket_root_host_ops fixture_ops = {fixture_page, fixture_overlay,
                                                         fixture_overlay_undo};

static const struct blanket_root_limits fixture_limits = {
    .domains = 4, .devices = 4, .grants = 64, .mappings = 64, .ports = 64};

static const struct blanket_root_device fixture_device = {.frontend_domid = 1,
                                                          .backend_domid = 2,
                                                          .type = "vbd",
                                                          .handle = 51712,
                                                          .grants = 8,
                                                          .mappings = 8,
                                                          .ports = 8,
                                                          .connections = 2,
                                                          .requests = 4,
                                                          .watches = 8,
                                                          .transactions = 2};

/* Two devices of the same two domains: siblings. Their events begin at 100, 200, 300, 400. */
static inline void fixture_init(struct fixture *f, const struct blanket_root_limits *limits,
                                enum blanket_root_scoping scoping)
{
    struct blanket_root_device device = fixture_device;
    uint32_t i;

    memset(f, 0, sizeof(*f));
    for (i = 0; i < FIXTURE_PAGES; i++) {
        memset(f->pages[i], (int)i, FIXTURE_PAGE_SIZE);
        f->shows[i] = FIXTURE_NOT_OVERLAID;
    }
    for (i = 0; i < 4; i++) {
        f->sinks[i].event = fixture_event;
        f->sinks[i].context = &f->events[i];
    }
    assert_int_equal(blanket_root_create(limits, scoping, &fixture_ops, f, &f->root), 0);
    f->below = blanket_root_below(f->root);
    for (i = 0; i < 2; i++) {
        assert_int_equal(blanket_root_device_add(f->root, &device, &f->sinks[2 * i], 100 + 200 * i,
                                                 &f->sinks[2 * i + 1], 200 + 200 * i, &f->front[i],
                                                 &f->back[i]),
                         0);
        device.handle += 16;
    }
}

static inline void fixture_fini(struct fixture *f)
{
    uint32_t i;

    blanket_root_destroy(f->root);
    for (i = 0; i < FIXTURE_PAGES; i++) {
        assert_true(f->shows[i] == FIXTURE_NOT_OVERLAID);
    }
}

/* One call of `count` elements; the results are checked to be there. Returns the call's status. */
static inline int fixture_batch(struct fixture *f, uint64_t endpoint, uint16_t verb,
                                const uint64_t *items, uint16_t per_element, uint16_t count,
                                uint64_t *results)
{
    struct blanket_call call = {.verb = verb,
                                .element_count = count,
                                .element_items = per_element,
                                .done = 77,
                                .endpoint = endpoint,
                                .items = items,
                                .results = results};
    int status = f->below.ops->call(f->below.context, &call);

    assert_int_equal(call.done, status ? 0 : count);
    return status;
}

/* One element: its status; its value in *value if that isn't NULL. A refused call counts as its own. */
static inline int fixture_call(struct fixture *f, uint64_t endpoint, uint16_t verb,
                               const uint64_t *items, uint16_t count, uint32_t *value)
{
    uint64_t result = 0;
    int status = fixture_batch(f, endpoint, verb, items, count, 1, &result);

    if (value) {
        *value = blanket_result_value(result);
    }
    return status ? status : blanket_result_status(result);
}

static inline int fixture_grant(struct fixture *f, uint64_t endpoint, uint32_t index,
                                uint32_t generation, uint64_t frame, unsigned access,
                                uint32_t *reference)
{
    uint64_t items[2] = {blanket_item_slot(BLANKET_ITEM_GRANT, index, generation),
                         blanket_item(BLANKET_ITEM_FRAME, access, frame)};

    return fixture_call(f, endpoint, BLANKET_VERB_GRANT_ACCESS, items, 2, reference);
}

static inline int fixture_map(struct fixture *f, uint64_t endpoint, uint32_t index,
                              uint32_t generation, uint32_t reference, unsigned access,
                              uint64_t frame)
{
    uint64_t items[3] = {blanket_item_slot(BLANKET_ITEM_MAPPING, index, generation),
                         blanket_item(BLANKET_ITEM_PEER_REF, access, reference),
                         blanket_item(BLANKET_ITEM_FRAME, 0, frame)};

    return fixture_call(f, endpoint, BLANKET_VERB_GRANT_MAP, items, 3, NULL);
}

/* A verb whose only item is a slot. */
static inline int fixture_slot(struct fixture *f, uint64_t endpoint, uint16_t verb, unsigned type,
                               uint32_t index, uint32_t generation, uint32_t *value)
{
    uint64_t item = blanket_item_slot(type, index, generation);

    return fixture_call(f, endpoint, verb, &item, 1, value);
}

static inline int fixture_bind(struct fixture *f, uint64_t endpoint, uint32_t index,
                               uint32_t generation, uint32_t number)
{
    uint64_t items[2] = {blanket_item_slot(BLANKET_ITEM_PORT, index, generation),
                         blanket_item(BLANKET_ITEM_PEER_PORT, 0, number)};

    return fixture_call(f, endpoint, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, items, 2, NULL);
}

static inline int fixture_send(struct fixture *f, uint64_t endpoint, uint32_t index,
                               uint32_t generation)
{
    return f->below.ops->send(f->below.context, 0, endpoint,
                              blanket_item_slot(BLANKET_ITEM_PORT, index, generation));
}

#endif
