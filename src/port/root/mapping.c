/* SPDX-License-Identifier: MIT */
/*
 * Mappings: what an end holds of its peer's grants. By verb, a page of the end's owner shows the
 * peer's (the host overlays it); or by address, for code beside the provider; or just for one copy.
 *
 * The list of free mappings serves local code only, which doesn't name slots. A slot that a level took
 * by its name stays in the list and is dropped when its turn comes: FREE implies listed.
 */
#include "root_private.h"

static uint32_t bucket_of(const struct root_end *end, const void *address)
{
    uint64_t page = (uint64_t)(uintptr_t)address / ROOT_PAGE_SIZE;

    return end->bucket_bits == 0
               ? 0
               : (uint32_t)((page * 0x9e3779b97f4a7c15u) >> (64 - end->bucket_bits));
}

static void list_free(struct root_end *end, struct root_mapping *mapping)
{
    if (!mapping->listed) {
        mapping->listed = 1;
        mapping->next = end->mapping_free;
        end->mapping_free = (uint32_t)(mapping - end->mappings);
    }
}

/* All of the end's mappings are free: zeroed memory, put in order. */
void blanket_root_mapping_init(struct root_end *end)
{
    uint32_t i;

    end->mapping_free = ROOT_NONE;
    for (i = end->mapping_count; i > 0; i--) {
        list_free(end, &end->mappings[i - 1]);
    }
    for (i = 0; i < (end->mapping_count ? 1u << end->bucket_bits : 0); i++) {
        end->buckets[i] = ROOT_NONE;
    }
}

/* The slot to create, checked, in *mapping; 0 or the element's result. */
static uint64_t slot_for(struct root_end *end, uint64_t item, struct root_mapping **mapping)
{
    uint32_t index;
    int status = blanket_below_slot_index(item, BLANKET_ITEM_MAPPING, end->mapping_count, &index);

    if (status == -BLANKET_ENOENT) {
        return blanket_result(-BLANKET_ENOSPC, BLANKET_QUOTA_MAPPINGS);
    }
    if (status) {
        return blanket_result(status, 0);
    }
    *mapping = &end->mappings[index];
    return blanket_below_slot_create(&(*mapping)->slot, item);
}

/* What is mapped can be read; a page that can only be written doesn't exist, but for copies. */
static bool is_map_access(unsigned access)
{
    return access == BLANKET_ACCESS_READ || access == (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE);
}

uint64_t blanket_root_mapping_map(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items)
{
    unsigned access = blanket_item_access(items[1]);
    uint64_t reference = blanket_item_value(items[1]);
    struct root_mapping *mapping = NULL;
    struct root_grant *grant;
    uint64_t result = slot_for(end, items[0], &mapping);
    int status;

    if (result) {
        return result;
    }
    if (items[1] != blanket_item(BLANKET_ITEM_PEER_REF, access, reference) ||
        !is_map_access(access) || !blanket_below_item_is(items[2], BLANKET_ITEM_FRAME)) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    if (!root->ops.overlay) {
        return blanket_result(-BLANKET_EOPNOTSUPP, 0);
    }
    grant = blanket_root_grant_resolve(root, end, reference);
    status = grant ? blanket_root_grant_hold(grant, access) : -BLANKET_ENOENT;
    if (status) {
        return blanket_result(status, 0);
    }
    mapping->frame = blanket_item_value(items[2]);
    status = blanket_root_status(
        root->ops.overlay(root->host, mapping->frame, grant->frame, access));
    if (status) {
        blanket_root_grant_drop(grant, access);
        return blanket_result(status, 0);
    }
    blanket_below_slot_fill(&mapping->slot, items[0], access);
    mapping->grant = grant;
    root->mapping_count++;
    return blanket_result(0, 0);
}

static void bucket_remove(struct root_end *end, const struct root_mapping *mapping)
{
    uint32_t index = (uint32_t)(mapping - end->mappings);
    uint32_t *link = &end->buckets[bucket_of(end, mapping->address)];

    while (*link != index) {
        link = &end->mappings[*link].next;
    }
    *link = mapping->next;
}

void blanket_root_mapping_undo(struct blanket_root *root, struct root_end *end,
                               struct root_mapping *mapping)
{
    if (mapping->local) {
        bucket_remove(end, mapping);
        mapping->local = 0;
        mapping->address = NULL;
    } else {
        root->ops.overlay_undo(root->host, mapping->frame);
    }
    blanket_root_grant_drop(mapping->grant, mapping->slot.access);
    mapping->grant = NULL;
    mapping->slot.state = BLANKET_BELOW_FREE;
    list_free(end, mapping);
    root->mapping_count--;
}

uint64_t blanket_root_mapping_unmap(struct blanket_root *root, struct root_end *end,
                                    const uint64_t *items)
{
    struct root_mapping *mapping;
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_MAPPING, end->mapping_count,
                                          &index);

    if (status) {
        return blanket_result(status, 0);
    }
    mapping = &end->mappings[index];
    if (blanket_below_slot_retire(&mapping->slot, items[0])) {
        if (mapping->local) {
            return blanket_result(-BLANKET_EINVAL,
                                  0); /* the code that has its address lets go of it */
        }
        blanket_root_mapping_undo(root, end, mapping);
    }
    return blanket_result(0, 0);
}

/* Move the bytes of a SPAN, both sides within their page; the two may be one page. */
static int copy_span(struct blanket_root *root, uint64_t peer_frame, uint64_t own_frame,
                     uint64_t span, bool to_peer)
{
    uint64_t peer_offset = span & (ROOT_PAGE_SIZE - 1);
    uint64_t own_offset = (span >> 12) & (ROOT_PAGE_SIZE - 1);
    uint64_t size = span >> 24;
    uint8_t *peer = (uint8_t *)root->ops.page(root->host, peer_frame);
    uint8_t *own = (uint8_t *)root->ops.page(root->host, own_frame);

    if (!peer || !own) {
        return -BLANKET_EPERM;
    }
    if (to_peer) {
        memmove(peer + peer_offset, own + own_offset, (size_t)size);
    } else {
        memmove(own + own_offset, peer + peer_offset, (size_t)size);
    }
    return 0;
}

static bool is_span(uint64_t item)
{
    uint64_t value = blanket_item_value(item);
    uint64_t size = value >> 24;

    return blanket_below_item_is(item, BLANKET_ITEM_SPAN) &&
           (value & (ROOT_PAGE_SIZE - 1)) + size <= ROOT_PAGE_SIZE &&
           ((value >> 12) & (ROOT_PAGE_SIZE - 1)) + size <= ROOT_PAGE_SIZE;
}

uint64_t blanket_root_mapping_copy(struct blanket_root *root, struct root_end *end,
                                   const uint64_t *items)
{
    unsigned access = blanket_item_access(items[1]);
    unsigned reverse = access == BLANKET_ACCESS_READ ? BLANKET_ACCESS_WRITE : BLANKET_ACCESS_READ;
    uint64_t reference = blanket_item_value(items[1]);
    struct root_mapping *mapping = NULL;
    const struct root_grant *grant;
    uint64_t result = slot_for(end, items[0], &mapping);
    int status;

    if (result) {
        return result;
    }
    if (blanket_item_type(items[2]) == BLANKET_ITEM_OWN_GRANT) {
        return blanket_result(-BLANKET_EOPNOTSUPP, 0);
    }
    if ((access != BLANKET_ACCESS_READ && access != BLANKET_ACCESS_WRITE) || !is_span(items[3]) ||
        items[1] != blanket_item(BLANKET_ITEM_PEER_REF, access, reference) ||
        items[2] != blanket_item(BLANKET_ITEM_FRAME, reverse, blanket_item_value(items[2]))) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    grant = blanket_root_grant_resolve(root, end, reference);
    if (!grant) {
        return blanket_result(-BLANKET_ENOENT, 0);
    }
    if (access & ~(unsigned)grant->slot.access) {
        return blanket_result(-BLANKET_EPERM, 0);
    }
    status = copy_span(root, grant->frame, blanket_item_value(items[2]),
                       blanket_item_value(items[3]), access == BLANKET_ACCESS_WRITE);
    if (status == 0) {
        (void)blanket_below_slot_retire(&mapping->slot, items[0]);
    }
    return blanket_result(status, 0);
}

/* A free mapping that may still have a newer generation, NULL: none. It leaves the list. */
static struct root_mapping *take_free(struct root_end *end)
{
    while (end->mapping_free != ROOT_NONE) {
        struct root_mapping *mapping = &end->mappings[end->mapping_free];

        end->mapping_free = mapping->next;
        mapping->listed = 0;
        if (mapping->slot.state == BLANKET_BELOW_FREE && mapping->slot.newest < UINT32_MAX) {
            return mapping;
        }
    }
    return NULL;
}

static int map_local(struct blanket_root *root, struct root_end *end, struct root_grant *grant,
                     unsigned access, void **address)
{
    struct root_mapping *mapping;
    uint32_t *bucket;
    void *page = root->ops.page(root->host, grant->frame);

    if (!page) {
        return -BLANKET_EFAULT;
    }
    if (access & ~(unsigned)grant->slot.access) {
        return -BLANKET_EPERM;
    }
    mapping = take_free(end);
    if (!mapping) {
        return -BLANKET_ENOSPC;
    }
    (void)blanket_root_grant_hold(grant, access);
    blanket_below_slot_fill(&mapping->slot,
                            blanket_item_slot(BLANKET_ITEM_MAPPING, 0, mapping->slot.newest + 1),
                            access);
    mapping->local = 1;
    mapping->grant = grant;
    mapping->address = page;
    bucket = &end->buckets[bucket_of(end, page)];
    mapping->next = *bucket;
    *bucket = (uint32_t)(mapping - end->mappings);
    root->mapping_count++;
    *address = page;
    return 0;
}

int blanket_root_map(struct blanket_root *root, uint64_t handle, uint32_t reference,
                     unsigned access, void **address)
{
    struct root_end *end;
    struct root_grant *grant;
    int status = -BLANKET_EPERM;

    if (!is_map_access(access)) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, handle);
    if (end && end->dead) {
        status = -BLANKET_ENOTCONN;
    } else if (end) {
        grant = blanket_root_grant_resolve(root, end, reference);
        status = grant ? map_local(root, end, grant, access, address) : -BLANKET_ENOENT;
    }
    pthread_mutex_unlock(&root->lock);
    return status;
}

static struct root_mapping *local_find(const struct root_end *end, const void *address)
{
    uint32_t index;

    if (end->mapping_count == 0) {
        return NULL;
    }
    index = end->buckets[bucket_of(end, address)];
    while (index != ROOT_NONE && end->mappings[index].address != address) {
        index = end->mappings[index].next;
    }
    return index == ROOT_NONE ? NULL : &end->mappings[index];
}

int blanket_root_unmap(struct blanket_root *root, uint64_t handle, void *address)
{
    struct root_end *end;
    struct root_mapping *mapping;
    int status = -BLANKET_EPERM;

    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, handle);
    if (end) {
        mapping = local_find(end, address);
        status = mapping ? 0 : -BLANKET_ENOENT;
        if (mapping) {
            blanket_root_mapping_undo(root, end, mapping);
        }
    }
    pthread_mutex_unlock(&root->lock);
    return status;
}
