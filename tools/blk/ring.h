/* SPDX-License-Identifier: MIT */
/*
 * A blkif ring whose pages lie anywhere: a page of a guest and a page that a backend mapped have
 * addresses of their own. The header and its macros are Xen's (io/ring.h, io/blkif.h); the entries,
 * which may cross from one page to the next, are copied here.
 *
 * Both sides treat the other's half as hostile: indexes are read once and checked, entries are copied
 * out before anything in them is looked at.
 */
#ifndef BLANKET_BLK_RING_H
#define BLANKET_BLK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Before the public headers, which otherwise offer an interface of twenty years ago. */
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/xen.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>

#define BLK_PAGE_SIZE 4096u
#define BLK_RING_ORDER_MAX 4u /* as Linux: 16 pages */
#define BLK_RING_PAGES_MAX (1u << BLK_RING_ORDER_MAX)
#define BLK_INDIRECT_MAX 256u /* segments of an indirect request; one page could name 512 */
#define BLK_SEGMENTS_MAX BLKIF_MAX_SEGMENTS_PER_REQUEST

struct blk_ring {
    uint8_t *pages[BLK_RING_PAGES_MAX];
    uint32_t page_count;
    struct blkif_front_ring front; /* a ring uses one of the two; sring is page 0 */
    struct blkif_back_ring back;
};

/* Take the pages in; `front` also clears the shared header. page_count is a power of two. */
void blk_ring_front_init(struct blk_ring *ring, uint32_t page_count);
void blk_ring_back_init(struct blk_ring *ring, uint32_t page_count);

/* Entries of a ring of so many pages. */
uint32_t blk_ring_entry_count(uint32_t page_count);

/* Copy a request or response at a free-running index out of or into the ring. */
void blk_ring_request_read(const struct blk_ring *ring, RING_IDX index,
                           struct blkif_request *request);
void blk_ring_request_write(const struct blk_ring *ring, RING_IDX index,
                            const struct blkif_request *request);
void blk_ring_response_read(const struct blk_ring *ring, RING_IDX index,
                            struct blkif_response *response);
void blk_ring_response_write(const struct blk_ring *ring, RING_IDX index,
                             const struct blkif_response *response);

#endif
