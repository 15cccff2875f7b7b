/* SPDX-License-Identifier: MIT */
#include "xenstore.h"

void blanket_xenstore_ring_init(struct store_ring *ring, uint8_t *bytes, uint32_t size)
{
    ring->bytes = bytes;
    ring->size = size;
    ring->head = 0;
    ring->used = 0;
    ring->total = 0;
}

uint32_t blanket_xenstore_ring_room(const struct store_ring *ring)
{
    return ring->size - ring->used;
}

/* Index of the byte at `offset` from the head: both below size, which is below 2^31. */
static uint32_t place(const struct store_ring *ring, uint32_t offset)
{
    uint32_t at = ring->head + offset;

    return at < ring->size ? at : at - ring->size;
}

/* How much of `size` bytes from index `at` on comes before the end of the memory. */
static uint32_t straight(const struct store_ring *ring, uint32_t at, uint32_t size)
{
    return size < ring->size - at ? size : ring->size - at;
}

void blanket_xenstore_ring_poke(struct store_ring *ring, uint32_t offset, const void *source,
                                uint32_t size)
{
    uint32_t at = place(ring, offset);
    uint32_t first = straight(ring, at, size);

    memcpy(ring->bytes + at, source, first);
    memcpy(ring->bytes, (const uint8_t *)source + first, size - first);
}

void blanket_xenstore_ring_put(struct store_ring *ring, const void *source, uint32_t size)
{
    if (size == 0) {
        return;
    }
    blanket_xenstore_ring_poke(ring, ring->used, source, size);
    ring->used += size;
    ring->total += size;
}

void blanket_xenstore_ring_peek(const struct store_ring *ring, uint32_t offset, void *target,
                                uint32_t size)
{
    uint32_t at = place(ring, offset);
    uint32_t first = straight(ring, at, size);

    memcpy(target, ring->bytes + at, first);
    memcpy((uint8_t *)target + first, ring->bytes, size - first);
}

bool blanket_xenstore_ring_equal(const struct store_ring *ring, uint32_t offset, const void *bytes,
                                 uint32_t size)
{
    uint32_t at = place(ring, offset);
    uint32_t first = straight(ring, at, size);

    return memcmp(bytes, ring->bytes + at, first) == 0 &&
           memcmp((const uint8_t *)bytes + first, ring->bytes, size - first) == 0;
}

void blanket_xenstore_ring_drop(struct store_ring *ring, uint32_t size)
{
    ring->head = place(ring, size);
    ring->used -= size;
}
