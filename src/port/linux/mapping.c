/* SPDX-License-Identifier: MIT */
/*
 * Mappings: the peer's page takes the place of the caller's frame, by gntdev. And copies.
 */
#define _DEFAULT_SOURCE
#include "linux_private.h"

#include <errno.h>
#include <sys/mman.h>

#define ACCESS_BOTH (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

/* The slot to create, checked, in *mapping; 0 or the element's result. */
static uint64_t slot_for(struct linux_end *end, uint64_t item, struct linux_mapping **mapping)
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

static bool items_valid(const uint64_t *items)
{
    unsigned access = blanket_item_access(items[1]);

    return items[1] == blanket_item(BLANKET_ITEM_PEER_REF, access, blanket_item_value(items[1])) &&
           (access == BLANKET_ACCESS_READ || access == ACCESS_BOTH) &&
           blanket_item_value(items[1]) <= UINT32_MAX &&
           blanket_below_item_is(items[2], BLANKET_ITEM_FRAME);
}

/* gntdev says EINVAL for whatever Xen refused: mostly, that there is no such grant. */
static int refused(int error)
{
    switch (error) {
    case EINVAL:
    case EFAULT:
        return -BLANKET_ENOENT;
    case ENOMEM:
    case ENOSPC:
    case EAGAIN:
        return -BLANKET_EAGAIN;
    default:
        return -BLANKET_EPERM;
    }
}

static int page_map(struct linux_end *end, struct linux_mapping *mapping, uint64_t reference,
                    uint64_t frame)
{
    struct blanket_linux *door = end->door;
    int protection = blanket_item_access(reference) & BLANKET_ACCESS_WRITE ? PROT_READ | PROT_WRITE
                                                                           : PROT_READ;
    int fd = xengnttab_fd(door->mapper);

    /* A map that fails may have taken what was there. */
    memcpy(door->bounce, mapping->place, LINUX_PAGE_SIZE);
    if (blanket_linux_gntdev_map(fd, end->peer_domid, (uint32_t)blanket_item_value(reference),
                                 protection, mapping->place, &mapping->offset)) {
        int error = errno;

        blanket_linux_note(door, "/dev/xen/gntdev: reference %llu of domain %u: %s",
                           (unsigned long long)blanket_item_value(reference), end->peer_domid,
                           strerror(error));
        return blanket_linux_place_restore(door, frame, mapping->place, door->bounce)
                   ? -BLANKET_EIO
                   : refused(error);
    }
    if (end->map_notify != BLANKET_LINUX_NOTIFY_NONE) {
        (void)blanket_linux_gntdev_notify(fd, mapping->offset, end->map_notify);
    }
    return 0;
}

uint64_t blanket_linux_mapping_map(struct linux_end *end, const uint64_t *items)
{
    struct blanket_linux *door = end->door;
    uint64_t frame = blanket_item_value(items[2]);
    struct linux_mapping *mapping = NULL;
    uint64_t result = slot_for(end, items[0], &mapping);
    int status;

    if (result) {
        return result;
    }
    if (!items_valid(items)) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    if (blanket_linux_table_find(&door->frames, frame)) {
        return blanket_result(-BLANKET_EBUSY, 0);
    }
    mapping->place = blanket_linux_place_find(door, frame);
    status = mapping->place ? page_map(end, mapping, items[1], frame) : -BLANKET_EPERM;
    if (status) {
        return blanket_result(status, 0);
    }
    blanket_linux_table_add(&door->frames, &mapping->node, frame);
    blanket_below_slot_fill(&mapping->slot, items[0], 0);
    door->stats.mappings++;
    return blanket_result(0, 0);
}

/* -BLANKET_EAGAIN: nothing was done. */
static int page_unmap(struct linux_end *end, struct linux_mapping *mapping)
{
    struct blanket_linux *door = end->door;
    int status = blanket_linux_place_restore(door, mapping->node.key, mapping->place, NULL);

    if (status) {
        return status;
    }
    (void)blanket_linux_gntdev_forget(xengnttab_fd(door->mapper), mapping->offset);
    blanket_linux_table_remove(&door->frames, &mapping->node);
    mapping->slot.state = BLANKET_BELOW_FREE;
    door->stats.mappings--;
    return 0;
}

uint64_t blanket_linux_mapping_unmap(struct linux_end *end, const uint64_t *items)
{
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_MAPPING, end->mapping_count,
                                          &index);

    if (status == 0 && blanket_below_slot_retire(&end->mappings[index].slot, items[0])) {
        status = page_unmap(end, &end->mappings[index]);
    }
    return blanket_result(status, 0);
}

void blanket_linux_mapping_undo(struct linux_end *end, struct linux_mapping *mapping)
{
    if (mapping->slot.state != BLANKET_BELOW_FREE) {
        (void)page_unmap(end, mapping);
    }
}

static bool is_span(uint64_t item)
{
    uint64_t value = blanket_item_value(item);
    uint64_t size = value >> 24;

    return blanket_below_item_is(item, BLANKET_ITEM_SPAN) && size != 0 &&
           (value & (LINUX_PAGE_SIZE - 1)) + size <= LINUX_PAGE_SIZE &&
           ((value >> 12) & (LINUX_PAGE_SIZE - 1)) + size <= LINUX_PAGE_SIZE;
}

static int copy_status(int status)
{
    switch (status) {
    case GNTST_okay:
        return 0;
    case GNTST_bad_gntref:
        return -BLANKET_ENOENT;
    case GNTST_permission_denied:
        return -BLANKET_EPERM;
    case GNTST_bad_domain:
        return -BLANKET_ENOTCONN;
    case GNTST_eagain:
        return -BLANKET_EAGAIN;
    default:
        return -BLANKET_EIO;
    }
}

static int copy_span(struct linux_end *end, uint64_t reference, uint8_t *place, uint64_t span)
{
    struct xengnttab_grant_copy_segment segment = {.len = (uint16_t)(span >> 24)};
    bool to_peer = blanket_item_access(reference) == BLANKET_ACCESS_WRITE;
    union xengnttab_copy_ptr *peer = to_peer ? &segment.dest : &segment.source;
    union xengnttab_copy_ptr *own = to_peer ? &segment.source : &segment.dest;

    segment.flags = to_peer ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    peer->foreign.ref = (uint32_t)blanket_item_value(reference);
    peer->foreign.domid = (uint16_t)end->peer_domid;
    peer->foreign.offset = (uint16_t)(span & (LINUX_PAGE_SIZE - 1));
    own->virt = place + ((span >> 12) & (LINUX_PAGE_SIZE - 1));
    if (xengnttab_grant_copy(end->door->mapper, 1, &segment)) {
        return errno == ENOTTY || errno == EOPNOTSUPP ? -BLANKET_EOPNOTSUPP : -BLANKET_EIO;
    }
    return copy_status(segment.status);
}

uint64_t blanket_linux_mapping_copy(struct linux_end *end, const uint64_t *items)
{
    unsigned access = blanket_item_access(items[1]);
    uint64_t frame = blanket_item_value(items[2]);
    struct linux_mapping *mapping = NULL;
    uint64_t result = slot_for(end, items[0], &mapping);
    uint8_t *place;
    int status;

    if (result) {
        return result;
    }
    if (blanket_item_type(items[2]) == BLANKET_ITEM_OWN_GRANT) {
        return blanket_result(-BLANKET_EOPNOTSUPP, 0);
    }
    if ((access != BLANKET_ACCESS_READ && access != BLANKET_ACCESS_WRITE) || !is_span(items[3]) ||
        items[1] != blanket_item(BLANKET_ITEM_PEER_REF, access, blanket_item_value(items[1])) ||
        blanket_item_value(items[1]) > UINT32_MAX ||
        items[2] != blanket_item(BLANKET_ITEM_FRAME, access ^ ACCESS_BOTH, frame)) {
        return blanket_result(-BLANKET_EINVAL, 0);
    }
    place = blanket_linux_place_find(end->door, frame);
    status = place ? copy_span(end, items[1], place, blanket_item_value(items[3])) : -BLANKET_EPERM;
    if (status == 0) {
        (void)blanket_below_slot_retire(&mapping->slot, items[0]);
    }
    return blanket_result(status, 0);
}
