/* SPDX-License-Identifier: MIT */
/* A level of few lines behind a transport: each test scripts what it answers. */
#ifndef GUEST_FAKE_H
#define GUEST_FAKE_H

#include <blanket/guest.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

struct fake {
    /* Serves a frame in place. Its return value is the register; NULL: every element gets status 0. */
    int (*serve)(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                 uint8_t *payload);
    int (*spoil)(struct fake *fake, void *frame, int status); /* after that: what a liar does */
    int send_status;
    uint32_t calls, sends, elements;
    uint64_t last_endpoint, last_port;
    struct blanket_wire_header header; /* of the last call, as it came */
    uint64_t items[BLANKET_ITEM_COUNT_MAX];
    uint8_t payload[BLANKET_PAYLOAD_SIZE_MAX];
    uint32_t size;
    uint32_t limit; /* elements that are done a call; 0: all */
    int32_t status; /* of elements */
    uint32_t value; /* of elements' results */
    void *more;     /* a test's own */
};

static inline uint32_t fake_element_items(uint16_t verb)
{
    switch (verb) {
    case BLANKET_VERB_GRANT_ACCESS:
    case BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN:
    case BLANKET_VERB_EVTCHN_BIND_VCPU:
        return 2;
    case BLANKET_VERB_GRANT_MAP:
    case BLANKET_VERB_STORE_TRANSACT:
        return 3;
    case BLANKET_VERB_GRANT_COPY:
    case BLANKET_VERB_STORE_READ:
    case BLANKET_VERB_STORE_WRITE:
    case BLANKET_VERB_STORE_WATCH:
        return 4;
    case BLANKET_VERB_STORE_WRITE_GRANT:
    case BLANKET_VERB_STORE_WRITE_PORT:
    case BLANKET_VERB_ENDPOINT_DERIVE:
        return 5;
    case BLANKET_VERB_ENDPOINT_QUERY:
    case BLANKET_VERB_ENDPOINT_LOOKUP:
    case BLANKET_VERB_ENDPOINT_EVENTS:
    case BLANKET_VERB_ENDPOINT_RESET:
        return 0;
    default:
        return 1;
    }
}

static inline int fake_elements(struct fake *fake, struct blanket_wire_header *header,
                                uint64_t *items)
{
    uint32_t stride = fake_element_items(header->verb);
    uint32_t count = stride != 0 ? header->item_count / stride : 0;
    uint32_t end = fake->limit != 0 && header->done + fake->limit < count
                       ? header->done + fake->limit
                       : count;

    for (uint32_t i = header->done; i < end; i++) {
        items[i * stride] = blanket_result(fake->status, fake->value);
        fake->elements++;
    }
    header->done = (uint16_t)end;
    return 0;
}

static inline int fake_call(void *context, void *frame, uint32_t size)
{
    struct fake *fake = context;
    struct blanket_wire_header *header = frame;
    uint64_t *items = (uint64_t *)((uint8_t *)frame + BLANKET_HEADER_SIZE);
    uint8_t *payload = (uint8_t *)(items + header->item_count);
    int status;

    fake->calls++;
    fake->size = size;
    fake->header = *header;
    assert_int_equal(header->magic, BLANKET_WIRE_MAGIC);
    assert_int_equal(header->version, BLANKET_WIRE_VERSION);
    assert_int_equal(size, BLANKET_HEADER_SIZE + header->item_count * 8 + header->payload_size);
    memcpy(fake->items, items, header->item_count * 8);
    memcpy(fake->payload, payload, header->payload_size);
    status = fake->serve != NULL ? fake->serve(fake, header, items, payload)
                                 : fake_elements(fake, header, items);
    header->status = status;
    return fake->spoil != NULL ? fake->spoil(fake, frame, status) : status;
}

static inline int fake_send(void *context, uint64_t endpoint, uint64_t port)
{
    struct fake *fake = context;

    fake->sends++;
    fake->last_endpoint = endpoint;
    fake->last_port = port;
    return fake->send_status;
}

/* A guest with one device: 8 grants, 4 mappings, 4 ports, unless told otherwise. */
#define FAKE_ENDPOINT blanket_handle(3, 7)
struct fake_guest {
    struct fake fake;
    struct blanket_transport_ops ops;
    struct blanket_guest guest;
    struct blanket_guest_device device;
    uint64_t slots[512];
    uint64_t frame[BLANKET_FRAME_SIZE_MAX / 8];
};

static inline void fake_guest_init(struct fake_guest *f, uint32_t grants, uint32_t mappings,
                                   uint32_t ports)
{
    struct blanket_transport transport;
    struct blanket_wire_endpoint info;

    memset(f, 0, sizeof(*f));
    f->ops.size = sizeof(f->ops);
    f->ops.call = fake_call;
    f->ops.send = fake_send;
    transport.ops = &f->ops;
    transport.context = &f->fake;
    assert_int_equal(blanket_guest_init(&f->guest, &transport, f->frame), 0);
    memset(&info, 0, sizeof(info));
    info.endpoint = FAKE_ENDPOINT;
    info.grant_base = 1000;
    info.port_base = 64;
    info.grant_count = grants;
    info.mapping_count = mappings;
    info.port_count = ports;
    assert_true(blanket_guest_device_size(&info) <= sizeof(f->slots));
    assert_int_equal(blanket_guest_device_init(&f->device, &f->guest, &info, f->slots, 0), 0);
}

#endif
