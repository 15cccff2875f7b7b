/* SPDX-License-Identifier: MIT */
/* A below that encodes each call as a frame for a transport. */
#include "guest_private.h"

static uint8_t *items_at(void *frame)
{
    return (uint8_t *)frame + BLANKET_HEADER_SIZE;
}

/* Returns the bytes of the frame. The sizes were checked by blanket_guest_call. */
static uint32_t frame_encode(void *frame, const struct blanket_call *call)
{
    uint32_t item_count = (uint32_t)call->element_count * call->element_items;
    struct blanket_wire_header header;

    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = call->verb;
    header.item_count = (uint16_t)item_count;
    header.payload_size = call->payload_size;
    header.endpoint = call->endpoint;
    header.claim = call->claim;
    header.reply_max = call->reply_max;
    memcpy(frame, &header, sizeof(header));
    if (item_count != 0) {
        memcpy(items_at(frame), call->items, item_count * sizeof(uint64_t));
    }
    if (call->payload_size != 0) {
        memcpy(items_at(frame) + item_count * sizeof(uint64_t), call->payload, call->payload_size);
    }
    return BLANKET_HEADER_SIZE + item_count * (uint32_t)sizeof(uint64_t) + call->payload_size;
}

/*
 * Take the reply out. Each byte is read once: the level may go on writing. What is said to be done is
 * checked here as far as reading it needs; blanket_guest_call checks the rest.
 */
static int frame_decode(const void *frame, int status, struct blanket_call *call)
{
    const uint8_t *items = (const uint8_t *)frame + BLANKET_HEADER_SIZE;
    uint32_t stride = (uint32_t)call->element_items * (uint32_t)sizeof(uint64_t);
    struct blanket_wire_header header;

    memcpy(&header, frame, sizeof(header));
    __asm__ __volatile__("" ::: "memory");
    if (header.magic != BLANKET_WIRE_MAGIC || header.version != BLANKET_WIRE_VERSION ||
        header.verb != call->verb || header.endpoint != call->endpoint || header.status != status) {
        /* The register is what counts for a refusal: a level that can't read a frame can't write it. */
        return status != 0 ? status : -BLANKET_EIO;
    }
    call->detail = header.detail;
    if (status != 0) {
        return status;
    }
    if (header.done > call->element_count || header.reply_size > call->reply_max) {
        return -BLANKET_EIO;
    }
    call->done = header.done;
    call->reply_size = header.reply_size;
    for (uint32_t i = 0; i < header.done && stride != 0; i++) {
        memcpy(&call->results[i], items + i * stride, sizeof(uint64_t));
    }
    if (header.reply_size != 0) {
        memcpy(call->reply, items + call->element_count * stride, header.reply_size);
    }
    return 0;
}

static BLANKET_CALLBACK int frame_call(void *context, struct blanket_call *call)
{
    struct blanket_guest *guest = (struct blanket_guest *)context;
    uint32_t size = frame_encode(guest->frame, call);
    int status = guest->transport.ops->call(guest->transport.context, guest->frame, size);

    return frame_decode(guest->frame, status, call);
}

static BLANKET_CALLBACK int frame_send(void *context, uint32_t vcpu, uint64_t endpoint,
                                       uint64_t port)
{
    struct blanket_guest *guest = (struct blanket_guest *)context;

    (void)vcpu;
    return guest->transport.ops->send(guest->transport.context, endpoint, port);
}

static const struct blanket_below_ops frame_ops = {
    .call = frame_call,
    .send = frame_send,
};

struct blanket_below blanket_guest_frame_below(struct blanket_guest *guest)
{
    struct blanket_below below;

    below.ops = &frame_ops;
    below.context = guest;
    return below;
}
