/* SPDX-License-Identifier: MIT */
#include "service.h"

int blanket_xen_queue_put(struct blanket_xen_queue *queue, const void *bytes, uint32_t size)
{
    uint32_t at, first;

    if (size > queue->size - queue->used) {
        return -BLANKET_EAGAIN;
    }
    at = (queue->head + queue->used) % queue->size;
    first = size < queue->size - at ? size : queue->size - at;
    memcpy(queue->bytes + at, bytes, first);
    memcpy(queue->bytes, (const uint8_t *)bytes + first, size - first);
    queue->used += size;
    return 0;
}

/* `size` bytes are there. */
void blanket_xen_queue_peek(const struct blanket_xen_queue *queue, void *bytes, uint32_t size)
{
    uint32_t first = size < queue->size - queue->head ? size : queue->size - queue->head;

    memcpy(bytes, queue->bytes + queue->head, first);
    memcpy((uint8_t *)bytes + first, queue->bytes, size - first);
}

void blanket_xen_queue_drop(struct blanket_xen_queue *queue, uint32_t size)
{
    queue->head = (queue->head + size) % queue->size;
    queue->used -= size;
}
