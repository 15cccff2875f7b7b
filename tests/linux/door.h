/* SPDX-License-Identifier: MIT */
/* A door with memory behind it, over the fake. Each test makes its own. */
#ifndef BLANKET_TEST_LINUX_DOOR_H
#define BLANKET_TEST_LINUX_DOOR_H

#include "fake.h"

#include <blanket/guest.h>
#include <blanket/port/linux.h>

#include <poll.h>
#include <sys/mman.h>

#define DOOR_PAGES 64u
#define DOOR_EVENTS 64u

struct door {
    uint8_t *memory;
    uint32_t changed;
    uint32_t events[DOOR_EVENTS];
    struct blanket_linux *linux_door;
    struct blanket_below below;
    struct blanket_linux_end end;
    struct blanket_linux_sink sink;
    uint32_t generation;
};

static inline void *door_page(void *host, uint64_t frame)
{
    struct door *d = (struct door *)host;

    return frame < DOOR_PAGES ? d->memory + frame * FAKE_PAGE : NULL;
}

static inline void door_changed(void *host)
{
    ((struct door *)host)->changed++;
}

static inline void door_event(void *context, uint32_t number)
{
    struct door *d = (struct door *)context;

    assert_true(number >= 100 && number < 100 + DOOR_EVENTS);
    d->events[number - 100]++;
}

static const struct blanket_linux_host_ops door_ops = {.page = door_page, .changed = door_changed};

static inline struct blanket_linux_config door_config(struct door *d)
{
    const struct blanket_linux_config config = {.devices = 4,
                                                .grants = 256,
                                                .mappings = 64,
                                                .ports = 64,
                                                .connections = 8,
                                                .store_path = fake_socket(),
                                                .ops = &door_ops,
                                                .host = d};

    return config;
}

static inline struct blanket_linux_device door_device(const char *name)
{
    const struct blanket_linux_device device = {.name = name,
                                                .grants = 32,
                                                .mappings = 16,
                                                .ports = 16,
                                                .connections = 2,
                                                .requests = 8,
                                                .watches = 8,
                                                .transactions = 2,
                                                .grant_notify = BLANKET_LINUX_NOTIFY_NONE,
                                                .map_notify = BLANKET_LINUX_NOTIFY_NONE};

    return device;
}

/* The fake, and memory; no door yet. */
static inline void door_prepare(struct door *d)
{
    memset(d, 0, sizeof(*d));
    d->memory = (uint8_t *)mmap(NULL, DOOR_PAGES * FAKE_PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(d->memory != MAP_FAILED);
    d->sink.event = door_event;
    d->sink.context = d;
    d->generation = 1;
    fake_begin();
}

static inline void door_open(struct door *d)
{
    const struct blanket_linux_config config = door_config(d);
    char fault[BLANKET_LINUX_FAULT_SIZE];

    assert_int_equal(blanket_linux_create(&config, &d->linux_door, fault), 0);
    d->below = blanket_linux_below(d->linux_door);
}

static inline void door_begin(struct door *d)
{
    const struct blanket_linux_device device = door_device("vbd/51712");

    door_prepare(d);
    fake_device("vbd", 51712);
    door_open(d);
    assert_int_equal(blanket_linux_device_add(d->linux_door, &device, &d->sink, 100, &d->end), 0);
}

static inline void door_end(struct door *d)
{
    blanket_linux_destroy(d->linux_door);
    assert_int_equal(fake_shared(), 0);
    assert_int_equal(fake_mapped(), 0);
    assert_int_equal(fake_ports(), 0);
    fake_end();
    munmap(d->memory, DOOR_PAGES * FAKE_PAGE);
}

/* Until something comes, at most so long; then process it. */
static inline int door_process(struct door *d, int milliseconds)
{
    struct pollfd wait = {.fd = blanket_linux_fd(d->linux_door), .events = POLLIN};

    (void)poll(&wait, 1, milliseconds);
    return blanket_linux_process(d->linux_door);
}

static inline int door_wait(void *context)
{
    (void)door_process((struct door *)context, 1000);
    return 0;
}

/* One element; its result. The call itself must be 0. */
static inline uint64_t door_call(struct door *d, uint16_t verb, const uint64_t *items,
                                 uint16_t count)
{
    uint64_t result = 0;
    struct blanket_call call = {.verb = verb,
                                .element_count = 1,
                                .element_items = count,
                                .endpoint = d->end.endpoint,
                                .items = items,
                                .results = &result};

    assert_int_equal(d->below.ops->call(d->below.context, &call), 0);
    assert_int_equal(call.done, 1);
    return result;
}

static inline int door_access(struct door *d, uint32_t index, uint32_t generation, uint64_t frame,
                              unsigned access)
{
    const uint64_t items[] = {blanket_item_slot(BLANKET_ITEM_GRANT, index, generation),
                              blanket_item(BLANKET_ITEM_FRAME, access, frame)};
    uint64_t result = door_call(d, BLANKET_VERB_GRANT_ACCESS, items, 2);

    if (blanket_result_status(result) == 0) {
        assert_int_equal(blanket_result_value(result), d->end.grant_base + index);
    }
    return blanket_result_status(result);
}

static inline int door_end_access(struct door *d, uint32_t index, uint32_t generation)
{
    const uint64_t item = blanket_item_slot(BLANKET_ITEM_GRANT, index, generation);

    return blanket_result_status(door_call(d, BLANKET_VERB_GRANT_END_ACCESS, &item, 1));
}

static inline char *door_text(struct door *d, uint64_t frame)
{
    return (char *)d->memory + frame * FAKE_PAGE;
}

#endif
