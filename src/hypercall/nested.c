/* SPDX-License-Identifier: MIT */
/* A below that has blanket too: the call becomes a frame, and the platform issues the hypercall. */
#include <blanket/endpoint.h>

#include "core.h"

static uint32_t encode(const struct blanket_call *call, uint8_t *frame)
{
    struct blanket_wire_header *header = (struct blanket_wire_header *)(void *)frame;
    uint32_t count = (uint32_t)call->element_count * call->element_items;
    uint32_t items = count * (uint32_t)sizeof(uint64_t);
    uint32_t data = call->payload_size > call->reply_max ? call->payload_size : call->reply_max;

    memset(header, 0, sizeof(*header));
    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->verb = call->verb;
    header->item_count = (uint16_t)count;
    header->payload_size = call->payload_size;
    header->endpoint = call->endpoint;
    header->claim = call->claim;
    header->reply_max = call->reply_max;
    if (call->items != (uint64_t *)(void *)(frame + BLANKET_HEADER_SIZE) && items != 0) {
        memcpy(frame + BLANKET_HEADER_SIZE, call->items, items);
    }
    if (call->payload_size != 0) {
        memcpy(frame + BLANKET_HEADER_SIZE + items, call->payload, call->payload_size);
    }
    return BLANKET_HEADER_SIZE + items + data;
}

/* The reply is checked like a request: from a copy of its header. */
static int decode(struct blanket_call *call, const uint8_t *frame)
{
    const uint64_t *items = (const uint64_t *)(const void *)(frame + BLANKET_HEADER_SIZE);
    uint32_t count = (uint32_t)call->element_count * call->element_items;
    struct blanket_wire_header header;

    memcpy(&header, frame, sizeof(header));
    __asm__ __volatile__("" : : : "memory");
    if (header.magic != BLANKET_WIRE_MAGIC || header.verb != call->verb ||
        header.done > call->element_count || header.reply_size > call->reply_max) {
        return -BLANKET_EIO;
    }
    call->done = header.done;
    for (uint32_t i = 0; i < header.done; i++) {
        call->results[i] = items[i * call->element_items];
    }
    call->reply_size = header.reply_size;
    if (header.reply_size != 0) {
        memcpy(call->reply, items + count, header.reply_size);
    }
    return 0;
}

static int BLANKET_CALLBACK nested_call(void *context, struct blanket_call *call)
{
    struct blanket_level *level = context;
    struct blanket_wire_header *header;
    uint8_t *frame;
    uint32_t size;
    int rc;

    if (call->vcpu > level->limits.vcpus) {
        return -BLANKET_EINVAL;
    }
    frame = level->contexts[call->vcpu].out;
    size = encode(call, frame);
    rc = level->ops->call_below(level->host, call->vcpu, frame, size);
    if (rc < 0) {
        header = (struct blanket_wire_header *)(void *)frame;
        call->detail = header->detail < BLANKET_QUOTA_COUNT ? header->detail : 0;
        return rc;
    }
    return rc == 0 ? decode(call, frame) : -BLANKET_EIO;
}

static int BLANKET_CALLBACK nested_send(void *context, uint32_t vcpu, uint64_t endpoint,
                                        uint64_t port)
{
    struct blanket_level *level = context;

    return level->ops->send_below(level->host, vcpu, endpoint, port);
}

static const struct blanket_below_ops nested_ops = {
    .call = nested_call,
    .send = nested_send,
};

struct blanket_below blanket_level_nested(struct blanket_level *level)
{
    struct blanket_below below = {&nested_ops, level};

    return below;
}

int blanket_below_lookup(const struct blanket_below *below, uint32_t vcpu, const char *name,
                         struct blanket_wire_endpoint *info)
{
    struct blanket_call call;
    uint16_t size = 0;
    int rc;

    while (size < BLANKET_NAME_SIZE && name[size] != '\0') {
        size++;
    }
    memset(&call, 0, sizeof(call));
    call.verb = BLANKET_VERB_ENDPOINT_LOOKUP;
    call.vcpu = vcpu;
    call.endpoint = blanket_handle(BLANKET_SELF_SLOT, BLANKET_SELF_GENERATION);
    call.payload = (const uint8_t *)name;
    call.payload_size = size;
    call.reply = (uint8_t *)info;
    call.reply_max = (uint16_t)sizeof(*info);
    rc = below->ops->call(below->context, &call);
    if (!blanket_errno_is_answer(rc) ||
        (rc == 0 && (call.reply_size != sizeof(*info) || info->name[sizeof(info->name) - 1]))) {
        rc = -BLANKET_EIO;
    }
    return rc;
}
