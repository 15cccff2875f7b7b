/* SPDX-License-Identifier: MIT */
/* What a frame's address shows: the host's own memory, or for a while another page. */
#define _DEFAULT_SOURCE
#include "linux_private.h"

#include <errno.h>
#include <sys/mman.h>

/* Where a frame that shows the host's own memory is; NULL: there is no such frame. */
uint8_t *blanket_linux_place_find(struct blanket_linux *door, uint64_t frame)
{
    uint8_t *place = (uint8_t *)door->config.ops->page(door->config.host, frame);

    return (uintptr_t)place % LINUX_PAGE_SIZE == 0 ? place : NULL;
}

/*
 * The host's own memory again, with `content` (NULL: undefined). The address is mapped anew and not moved
 * back, so that the kernel can join it with what is beside it.
 */
int blanket_linux_place_restore(struct blanket_linux *door, uint64_t frame, uint8_t *place,
                                const uint8_t *content)
{
    if (door->config.ops->back) {
        if (door->config.ops->back(door->config.host, frame, place)) {
            blanket_linux_note(door, "the host can't map frame %llu again",
                               (unsigned long long)frame);
            return -BLANKET_EAGAIN;
        }
    } else if (mmap(place, LINUX_PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        blanket_linux_note(door, "memory for frame %llu: %s", (unsigned long long)frame,
                           strerror(errno));
        return -BLANKET_EAGAIN;
    }
    if (content) {
        memcpy(place, content, LINUX_PAGE_SIZE);
    }
    return 0;
}
