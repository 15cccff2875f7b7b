/* SPDX-License-Identifier: MIT */
/*
 * Grants: a page of the window takes the place of the caller's frame, and leaves it again with what the
 * peer wrote. What the peer still maps then is a page that no frame shows any more.
 */
#define _GNU_SOURCE /* mremap */
#include "linux_private.h"

#include <errno.h>
#include <sys/mman.h>

/* The slot of an item, in *grant; 0 or the element's result. */
static uint64_t grant_find(struct linux_end *end, uint64_t item, struct linux_grant **grant)
{
    uint32_t index;
    int status = blanket_below_slot_index(item, BLANKET_ITEM_GRANT, end->grant_count, &index);

    if (status) {
        return blanket_result(status, 0);
    }
    *grant = &end->grants[index];
    return 0;
}

static int access_check(const struct linux_end *end, uint64_t item)
{
    unsigned access = blanket_item_access(item);

    if (blanket_item_type(item) == BLANKET_ITEM_OWN_GRANT) {
        return -BLANKET_EOPNOTSUPP; /* who has one already has no use for this */
    }
    if (access == 0 || item != blanket_item(BLANKET_ITEM_FRAME, access, blanket_item_value(item))) {
        return -BLANKET_EINVAL;
    }
    if (!(access & BLANKET_ACCESS_WRITE) && !(end->flags & BLANKET_LINUX_GRANT_WIDER)) {
        return -BLANKET_EOPNOTSUPP;
    }
    return 0;
}

/* The window's page goes to the frame's address, in one step for whoever looks there. */
static int page_place(struct blanket_linux *door, struct linux_grant *grant, uint64_t frame,
                      uint8_t *place)
{
    memcpy(grant->page, place, LINUX_PAGE_SIZE);
    if (mremap(grant->page, LINUX_PAGE_SIZE, LINUX_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
               place) == MAP_FAILED) {
        blanket_linux_note(door, "frame %llu can't be replaced: %s (is it memory in 4 KiB pages?)",
                           (unsigned long long)frame, strerror(errno));
        return -BLANKET_EOPNOTSUPP;
    }
    grant->page = NULL;
    grant->place = place;
    return 0;
}

uint64_t blanket_linux_grant_access(struct linux_end *end, const uint64_t *items)
{
    struct blanket_linux *door = end->door;
    uint64_t frame = blanket_item_value(items[1]);
    struct linux_grant *grant = NULL;
    uint64_t result = grant_find(end, items[0], &grant);
    uint8_t *place;
    int status;

    if (blanket_result_status(result) == -BLANKET_ENOENT) {
        return blanket_result(-BLANKET_ENOSPC, BLANKET_QUOTA_GRANTS);
    }
    result = result ? result : blanket_below_slot_create(&grant->slot, items[0]);
    if (result) {
        return result;
    }
    status = access_check(end, items[1]);
    if (status) {
        return blanket_result(status, 0);
    }
    if (blanket_linux_table_find(&door->frames, frame)) {
        return blanket_result(-BLANKET_EBUSY, 0); /* a page has one reference at a time here */
    }
    place = blanket_linux_place_find(door, frame);
    status = place ? page_place(door, grant, frame, place) : -BLANKET_EPERM;
    if (status) {
        return blanket_result(status, 0);
    }
    blanket_linux_table_add(&door->frames, &grant->node, frame);
    blanket_below_slot_fill(&grant->slot, items[0], 0);
    door->stats.grants++;
    return blanket_result(0, end->grant_base + (uint32_t)(grant - end->grants));
}

/* The frame is the caller's own page again. That page of the window is the kernel's to free. */
static int page_leave(struct linux_end *end, struct linux_grant *grant)
{
    struct blanket_linux *door = end->door;
    int status;

    memcpy(door->bounce, grant->place, LINUX_PAGE_SIZE);
    status = blanket_linux_place_restore(door, grant->node.key, grant->place, door->bounce);
    if (status == 0) {
        blanket_linux_table_remove(&door->frames, &grant->node);
        grant->place = NULL;
        grant->slot.state = BLANKET_BELOW_CLOSING;
        door->stats.closing++;
    }
    return status;
}

uint64_t blanket_linux_grant_end(struct linux_end *end, const uint64_t *items)
{
    struct blanket_linux *door = end->door;
    struct linux_grant *grant = NULL;
    uint64_t result = grant_find(end, items[0], &grant);
    int status = 0;

    if (result || !blanket_below_slot_retire(&grant->slot, items[0])) {
        return result;
    }
    if (grant->slot.state == BLANKET_BELOW_LIVE) {
        status = page_leave(end, grant);
    }
    /* A dead end makes no more grants: it needn't know when the reference is free. */
    if (status == 0 && !end->dead) {
        status = blanket_linux_window_renew(door, end, (uint32_t)(grant - end->grants));
    }
    if (status == 0) {
        grant->slot.state = BLANKET_BELOW_FREE;
        door->stats.closing--;
        door->stats.grants--;
    }
    return blanket_result(status, 0);
}

/* Linux says nothing of a page that is granted; of one that was ended, that the peer still has it. */
uint64_t blanket_linux_grant_query(struct linux_end *end, const uint64_t *items)
{
    struct linux_grant *grant = NULL;
    uint64_t result = grant_find(end, items[0], &grant);

    if (result) {
        return result;
    }
    if (!blanket_below_slot_holds(&grant->slot, items[0])) {
        return blanket_result(-BLANKET_ENOENT, 0);
    }
    if (grant->slot.state == BLANKET_BELOW_LIVE) {
        return blanket_result(-BLANKET_EOPNOTSUPP, 0);
    }
    return blanket_result(0, BLANKET_GRANT_STATE_CLOSING);
}

void blanket_linux_grant_kill(struct linux_end *end, struct linux_grant *grant)
{
    if (grant->slot.state == BLANKET_BELOW_LIVE && page_leave(end, grant)) {
        return;
    }
    if (grant->slot.state == BLANKET_BELOW_CLOSING) {
        grant->slot.state = BLANKET_BELOW_FREE;
        end->door->stats.closing--;
        end->door->stats.grants--;
    }
}
