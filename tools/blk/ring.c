/* SPDX-License-Identifier: MIT */
#include "ring.h"

#define ENTRY_SIZE sizeof(union blkif_sring_entry)
#define ENTRIES_OFFSET offsetof(struct blkif_sring, ring)

_Static_assert(sizeof(struct blkif_request_indirect) <= sizeof(struct blkif_request), "one entry");

uint32_t blk_ring_entry_count(uint32_t page_count)
{
    return __RD32((uint32_t)((page_count * BLK_PAGE_SIZE - ENTRIES_OFFSET) / ENTRY_SIZE));
}

void blk_ring_front_init(struct blk_ring *ring, uint32_t page_count)
{
    struct blkif_sring *shared = (struct blkif_sring *)(void *)ring->pages[0];

    SHARED_RING_INIT(shared);
    ring->page_count = page_count;
    memset(&ring->front, 0, sizeof(ring->front));
    ring->front.nr_ents = blk_ring_entry_count(page_count);
    ring->front.sring = shared;
}

void blk_ring_back_init(struct blk_ring *ring, uint32_t page_count)
{
    ring->page_count = page_count;
    memset(&ring->back, 0, sizeof(ring->back));
    ring->back.nr_ents = blk_ring_entry_count(page_count);
    ring->back.sring = (struct blkif_sring *)(void *)ring->pages[0];
}

/* Offset of an entry; the mask keeps it within the pages whatever the index. */
static size_t entry_offset(const struct blk_ring *ring, RING_IDX index)
{
    return ENTRIES_OFFSET + (index & (blk_ring_entry_count(ring->page_count) - 1)) * ENTRY_SIZE;
}

static void copy_out(const struct blk_ring *ring, size_t offset, void *target, size_t size)
{
    uint8_t *bytes = target;

    while (size != 0) {
        size_t at = offset % BLK_PAGE_SIZE;
        size_t part = size < BLK_PAGE_SIZE - at ? size : BLK_PAGE_SIZE - at;

        memcpy(bytes, ring->pages[offset / BLK_PAGE_SIZE] + at, part);
        bytes += part;
        offset += part;
        size -= part;
    }
    /* The copy is what is looked at from here on: the compiler may not go back to the page. */
    __asm__ __volatile__("" ::: "memory");
}

static void copy_in(const struct blk_ring *ring, size_t offset, const void *source, size_t size)
{
    const uint8_t *bytes = source;

    while (size != 0) {
        size_t at = offset % BLK_PAGE_SIZE;
        size_t part = size < BLK_PAGE_SIZE - at ? size : BLK_PAGE_SIZE - at;

        memcpy(ring->pages[offset / BLK_PAGE_SIZE] + at, bytes, part);
        bytes += part;
        offset += part;
        size -= part;
    }
}

void blk_ring_request_read(const struct blk_ring *ring, RING_IDX index,
                           struct blkif_request *request)
{
    copy_out(ring, entry_offset(ring, index), request, sizeof(*request));
}

void blk_ring_request_write(const struct blk_ring *ring, RING_IDX index,
                            const struct blkif_request *request)
{
    copy_in(ring, entry_offset(ring, index), request, sizeof(*request));
}

void blk_ring_response_read(const struct blk_ring *ring, RING_IDX index,
                            struct blkif_response *response)
{
    copy_out(ring, entry_offset(ring, index), response, sizeof(*response));
}

void blk_ring_response_write(const struct blk_ring *ring, RING_IDX index,
                             const struct blkif_response *response)
{
    copy_in(ring, entry_offset(ring, index), response, sizeof(*response));
}
