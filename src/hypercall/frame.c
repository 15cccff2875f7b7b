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

#define ACCESS_SHIFT (BLANKET_ITEM_ACCESS_SHIFT - 48u)
#define TYPE_SHIFT (BLANKET_ITEM_TYPE_SHIFT - 48u)

/* Is the item of that type, with access bits as they must be, and zero where it has to be? */
static int is_as_expected(unsigned type, unsigned allowed, uint64_t item)
{
    /* What its head has beyond the type: only access bits may be left, and those that are allowed. */
    unsigned more = (unsigned)(item >> 48) ^ (type << TYPE_SHIFT);
    unsigned access = BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE;

    return (more & ~((allowed & access) << ACCESS_SHIFT)) == 0 &&
           (more != 0 || !(allowed & BLANKET_VERB_ACCESS_ONE));
}

/* The same item of all elements. */
static int check_items(const struct blanket_verb_info *verb, uint32_t at, const uint64_t *items,
                       uint32_t elements)
{
    const uint32_t width = verb->item_count;
    const unsigned type = verb->items[at].type, access = verb->items[at].access;
    /* How a caller may name its page instead. */
    const unsigned other = type == BLANKET_ITEM_FRAME && !(verb->flags & BLANKET_VERB_OVERLAY)
                               ? BLANKET_ITEM_OWN_GRANT
                               : type;

    for (items += at; elements > 0; elements--, items += width) {
        if (!is_as_expected(type, access, *items) && !is_as_expected(other, access, *items)) {
            return -BLANKET_EINVAL;
        }
    }
    return 0;
}

int blanket_frame_check_verb(const struct blanket_verb_info *verb, const uint64_t *items,
                             uint32_t item_count, uint32_t first, uint32_t payload_size)
{
    uint32_t elements;
    int rc = 0;

    if (payload_size != 0 && !(verb->flags & BLANKET_VERB_PAYLOAD)) {
        return -BLANKET_EINVAL;
    }
    if (verb->item_count == 0) {
        return item_count == 0 && first == 0 ? 0 : -BLANKET_EINVAL;
    }
    elements = item_count / verb->item_count;
    if (item_count != elements * verb->item_count || first >= elements ||
        (elements > 1 && !(verb->flags & BLANKET_VERB_BATCH))) {
        return -BLANKET_EINVAL;
    }
    items += (size_t)first * verb->item_count;
    elements -= first;
    for (uint32_t at = 0; at < verb->item_count && rc == 0; at++) {
        rc = check_items(verb, at, items, elements);
    }
    for (uint32_t i = 0; i < elements && rc == 0 && verb->verb == BLANKET_VERB_GRANT_COPY; i++) {
        rc = blanket_grant_check(items + (size_t)i * verb->item_count);
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
        uint32_t width = request->verb->item_count;

        memcpy(items, request->items, item_bytes);
        for (uint32_t i = request->element_first; i < request->done; i++) {
            items[i * width] = context->results[i];
        }
        memcpy(out + size + item_bytes, context->reply, request->reply_size);
        size += item_bytes + request->reply_size;
    }
    if (level->ops->copy_to_above(level->host, request->guest->host, address, out, size) != 0) {
        return -BLANKET_EFAULT;
    }
    return 0;
}
