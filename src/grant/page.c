/* SPDX-License-Identifier: MIT */
#include "page.h"

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

int blanket_grant_check(const uint64_t *items)
{
    /* What is read on one side is written on the other. */
    unsigned peer = blanket_item_access(items[1]);
    unsigned frame = blanket_item_access(items[2]);

    if (!((peer == BLANKET_ACCESS_READ && frame == BLANKET_ACCESS_WRITE) ||
          (peer == BLANKET_ACCESS_WRITE && frame == BLANKET_ACCESS_READ))) {
        return -BLANKET_EINVAL;
    }
    return check_span(items[3]);
}
