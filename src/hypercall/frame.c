/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include "page.h"
#include "verbs.h"

_Static_assert(sizeof(struct blanket_wire_header) == BLANKET_HEADER_SIZE, "header is 64 bytes");
_Static_assert(sizeof(struct blanket_wire_endpoint) == 104, "endpoint info is 104 bytes");
_Static_assert(BLANKET_HEADER_SIZE + 8 * BLANKET_ITEM_COUNT_MAX + BLANKET_PAYLOAD_SIZE_MAX <=
                   BLANKET_FRAME_SIZE_MAX,
               "the largest frame fits two pages");

/* What was copied is what is checked: the compiler may not look at the source again. */
static void copied(void)
{
    __asm__ __volatile__("" : : : "memory");
}

int blanket_frame_check(const struct blanket_wire_header *header)
{
    if (header->magic != BLANKET_WIRE_MAGIC || header->version != BLANKET_WIRE_VERSION ||
        header->flags != 0 || header->zero0 != 0 || header->zero1[0] != 0 ||
        header->zero1[1] != 0) {
        return -BLANKET_EINVAL;
    }
    if (header->item_count > BLANKET_ITEM_COUNT_MAX ||
        header->payload_size > BLANKET_PAYLOAD_SIZE_MAX ||
        header->reply_max > BLANKET_PAYLOAD_SIZE_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    return 0;
}

static int check_item(const struct blanket_verb_info *verb, uint32_t at, uint64_t item)
{
    const struct blanket_verb_item *expected = &verb->items[at];
    unsigned type = blanket_item_type(item);
    unsigned access = blanket_item_access(item);

    if ((item >> 48) & 0x3fu) {
        return -BLANKET_EINVAL;
    }
    if (type == BLANKET_ITEM_OWN_GRANT && expected->type == BLANKET_ITEM_FRAME &&
        !(verb->flags & BLANKET_VERB_OVERLAY)) {
        type = BLANKET_ITEM_FRAME;
    }
    if (type != expected->type || (access & ~(unsigned)expected->access) != 0 ||
        ((expected->access & BLANKET_VERB_ACCESS_ONE) && access == 0)) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

int blanket_frame_check_verb(const struct blanket_verb_info *verb, const uint64_t *items,
                             uint32_t item_count, uint32_t first, uint32_t payload_size)
{
    uint32_t elements = verb->item_count != 0 ? item_count / verb->item_count : 0;
    int rc = 0;

    if (payload_size != 0 && !(verb->flags & BLANKET_VERB_PAYLOAD)) {
        return -BLANKET_EINVAL;
    }
    if (verb->item_count == 0) {
        return item_count == 0 && first == 0 ? 0 : -BLANKET_EINVAL;
    }
    if (item_count % verb->item_count != 0 || first >= elements ||
        (elements > 1 && !(verb->flags & BLANKET_VERB_BATCH))) {
        return -BLANKET_EINVAL;
    }
    for (uint32_t element = first; element < elements && rc == 0; element++) {
        const uint64_t *own = items + (size_t)element * verb->item_count;

        for (uint32_t at = 0; at < verb->item_count && rc == 0; at++) {
            rc = check_item(verb, at, own[at]);
        }
        rc = rc == 0 ? blanket_grant_check(verb, own) : rc;
    }
    return rc;
}

static void fill(struct blanket_request *request, const struct blanket_wire_header *header)
{
    uint8_t *after = request->context->in + sizeof(*header);

    request->handle = header->endpoint;
    request->claim = header->claim;
    request->items = (const uint64_t *)(const void *)after;
    request->item_count = header->item_count;
    request->payload = after + (size_t)header->item_count * sizeof(uint64_t);
    request->payload_size = header->payload_size;
    request->reply_max = header->reply_max;
    request->element_first = header->done;
    request->done = header->done;
}

int blanket_frame_fetch(struct blanket_request *request, uint64_t address)
{
    struct blanket_level *level = request->level;
    uint8_t *in = request->context->in;
    const struct blanket_wire_header *header = (const struct blanket_wire_header *)(void *)in;
    uint32_t rest;
    int rc;

    request->reason = BLANKET_REASON_MALFORMED;
    rc = level->ops->copy_from_above(level->host, request->guest->host, in, address,
                                     sizeof(*header));
    copied();
    if (rc != 0) {
        return -BLANKET_EFAULT;
    }
    rc = blanket_frame_check(header);
    if (rc != 0) {
        return rc;
    }
    fill(request, header);
    rest = (uint32_t)header->item_count * (uint32_t)sizeof(uint64_t) + header->payload_size;
    if (rest != 0) {
        rc = level->ops->copy_from_above(level->host, request->guest->host, in + sizeof(*header),
                                         address + sizeof(*header), rest);
        copied();
    }
    if (rc != 0) {
        return -BLANKET_EFAULT;
    }
    request->verb = blanket_verb_find(header->verb);
    if (!request->verb) {
        request->reason = BLANKET_REASON_VERB;
        return -BLANKET_ENOSYS;
    }
    rc = blanket_frame_check_verb(request->verb, request->items, request->item_count,
                                  request->element_first, request->payload_size);
    if (rc != 0) {
        return rc;
    }
    if (request->verb->item_count != 0) {
        request->element_count = (uint16_t)(request->item_count / request->verb->item_count);
    }
    request->reason = BLANKET_REASON_ALLOWED;
    return 0;
}

int blanket_frame_reply(struct blanket_request *request, uint64_t address, int status)
{
    struct blanket_level *level = request->level;
    struct blanket_context *context = request->context;
    uint32_t size = BLANKET_HEADER_SIZE;
    uint8_t *out = context->out;
    struct blanket_wire_header *header = (struct blanket_wire_header *)(void *)out;
    uint64_t *items = (uint64_t *)(void *)(out + BLANKET_HEADER_SIZE);

    memcpy(out, context->in, BLANKET_HEADER_SIZE);
    header->status = status;
    header->detail = request->detail;
    header->done = request->done;
    header->reply_size = request->reply_size;
    if (status == 0) {
        uint32_t item_bytes = (uint32_t)request->item_count * (uint32_t)sizeof(uint64_t);

        memcpy(items, request->items, item_bytes);
        for (uint32_t i = request->element_first; i < request->done; i++) {
            items[i * request->verb->item_count] = context->results[i];
        }
        memcpy(out + size + item_bytes, context->reply, request->reply_size);
        size += item_bytes + request->reply_size;
    }
    if (level->ops->copy_to_above(level->host, request->guest->host, address, out, size) != 0) {
        return -BLANKET_EFAULT;
    }
    return 0;
}
