/* SPDX-License-Identifier: MIT */
#include "page.h"

#include "object.h"

#define PAGE_BYTES 4096u /* of a grant: xen/grant_table.h, whatever the caller's page size is */

static int check_span(uint64_t span)
{
    uint64_t value = blanket_item_value(span);
    uint32_t peer_offset = (uint32_t)value & 0xfffu;
    uint32_t frame_offset = (uint32_t)(value >> 12) & 0xfffu;
    uint64_t size = value >> 24;

    if (size == 0 || size > PAGE_BYTES || peer_offset + size > PAGE_BYTES ||
        frame_offset + size > PAGE_BYTES) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

int blanket_grant_check(const struct blanket_verb_info *verb, const uint64_t *items)
{
    unsigned peer, frame;

    if (verb->verb != BLANKET_VERB_GRANT_COPY) {
        return 0;
    }
    /* What is read on one side is written on the other. */
    peer = blanket_item_access(items[1]);
    frame = blanket_item_access(items[2]);
    if (!((peer == BLANKET_ACCESS_READ && frame == BLANKET_ACCESS_WRITE) ||
          (peer == BLANKET_ACCESS_WRITE && frame == BLANKET_ACCESS_READ))) {
        return -BLANKET_EINVAL;
    }
    return check_span(items[3]);
}

int blanket_grant_pin(struct blanket_request *request, uint32_t element, uint64_t item,
                      uint64_t *below)
{
    struct blanket_element *state = &request->context->elements[element];
    unsigned access = blanket_item_access(item);
    unsigned use = request->verb->flags & BLANKET_VERB_OVERLAY ? BLANKET_USE_OVERLAY : access;
    struct blanket_level *level = request->level;
    int rc = level->ops->pin(level->host, request->guest->host, item, use, &state->page);

    if (rc != 0) {
        return rc < 0 ? rc : -BLANKET_EINVAL;
    }
    state->use = (uint8_t)use;
    if (state->page.frame > BLANKET_ITEM_VALUE_MASK) {
        return -BLANKET_EINVAL;
    }
    *below = blanket_item(BLANKET_ITEM_FRAME, access, state->page.frame);
    return 0;
}

int blanket_grant_is_closing(const struct blanket_request *request, uint64_t item)
{
    const struct blanket_slot *slot;
    uint32_t place;

    slot = blanket_object_slot(request, BLANKET_TABLE_GRANTS, item, &place);
    return slot && slot->state == BLANKET_SLOT_CLOSING &&
           slot->generation == blanket_item_generation(item);
}
