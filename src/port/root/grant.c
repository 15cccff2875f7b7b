/* SPDX-License-Identifier: MIT */
/*
 * Grants: what an end lets its peer do with its pages. A grant that is still mapped when its owner ends
 * it becomes invisible and stays until the peer lets go.
 */
#include "root_private.h"

static bool is_access(unsigned access)
{
    return access != 0 && (access & ~(BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)) == 0;
}

/* The page that a FRAME item names, for `access` bits of the item; 0 or a status. */
static int page_check(const struct blanket_root *root, uint64_t item, unsigned access)
{
    if (blanket_item_type(item) == BLANKET_ITEM_OWN_GRANT) {
        return -BLANKET_EOPNOTSUPP; /* there is no hypervisor below whose grants these could be */
    }
    if (item != blanket_item(BLANKET_ITEM_FRAME, access, blanket_item_value(item))) {
        return -BLANKET_EINVAL;
    }
    return root->ops.page(root->host, blanket_item_value(item)) ? 0 : -BLANKET_EPERM;
}

uint64_t blanket_root_grant_access(struct blanket_root *root, struct root_end *end,
                                   const uint64_t *items)
{
    unsigned access = blanket_item_access(items[1]);
    struct root_grant *grant;
    uint64_t result;
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_GRANT, end->references.count,
                                          &index);

    if (status == -BLANKET_ENOENT) {
        return blanket_result(-BLANKET_ENOSPC, BLANKET_QUOTA_GRANTS);
    }
    if (status) {
        return blanket_result(status, 0);
    }
    grant = &end->grants[index];
    result = blanket_below_slot_create(&grant->slot, items[0]);
    if (result) {
        return result;
    }
    status = is_access(access) ? page_check(root, items[1], access) : -BLANKET_EINVAL;
    if (status) {
        return blanket_result(status, 0);
    }
    blanket_below_slot_fill(&grant->slot, items[0], access);
    grant->frame = blanket_item_value(items[1]);
    grant->readers = 0;
    grant->writers = 0;
    root->grant_count++;
    return blanket_result(0, end->references.first + index);
}

/* -BLANKET_EBUSY while the peer holds it: nobody new can get at it, and it is asked for again. */
static int grant_end(struct blanket_root *root, struct root_grant *grant)
{
    if (grant->readers != 0 || grant->writers != 0) {
        grant->slot.state = BLANKET_BELOW_CLOSING;
        return -BLANKET_EBUSY;
    }
    grant->slot.state = BLANKET_BELOW_FREE;
    grant->frame = 0;
    root->grant_count--;
    return 0;
}

uint64_t blanket_root_grant_end_access(struct blanket_root *root, struct root_end *end,
                                       const uint64_t *items)
{
    uint32_t index;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_GRANT, end->references.count,
                                          &index);

    if (status == 0 && blanket_below_slot_retire(&end->grants[index].slot, items[0])) {
        status = grant_end(root, &end->grants[index]);
    }
    return blanket_result(status, 0);
}

uint64_t blanket_root_grant_query(struct blanket_root *root, struct root_end *end,
                                  const uint64_t *items)
{
    const struct root_grant *grant;
    uint32_t index;
    uint32_t value = 0;
    int status = blanket_below_slot_index(items[0], BLANKET_ITEM_GRANT, end->references.count,
                                          &index);

    (void)root;
    if (status) {
        return blanket_result(status, 0);
    }
    grant = &end->grants[index];
    if (!blanket_below_slot_holds(&grant->slot, items[0])) {
        return blanket_result(-BLANKET_ENOENT, 0);
    }
    value |= grant->readers != 0 ? BLANKET_GRANT_STATE_READING : 0;
    value |= grant->writers != 0 ? BLANKET_GRANT_STATE_WRITING : 0;
    value |= grant->slot.state == BLANKET_BELOW_CLOSING ? BLANKET_GRANT_STATE_CLOSING : 0;
    return blanket_result(0, value);
}

static struct root_grant *grant_at(const struct root_end *granter, uint64_t reference)
{
    struct root_grant *grant;

    if (granter->dead || reference < granter->references.first ||
        reference - granter->references.first >= granter->references.count) {
        return NULL;
    }
    grant = &granter->grants[reference - granter->references.first];
    return grant->slot.state == BLANKET_BELOW_LIVE ? grant : NULL;
}

/* What the peer of `end` published as `reference`, NULL: nothing. */
struct root_grant *blanket_root_grant_resolve(const struct blanket_root *root,
                                              const struct root_end *end, uint64_t reference)
{
    struct root_grant *grant = end->peer ? grant_at(end->peer, reference) : NULL;
    uint32_t i;

    if (grant || !end->peer || root->scoping == BLANKET_ROOT_SCOPE_ENDPOINT) {
        return grant;
    }
    for (i = 0; i < root->place_count && !grant; i++) {
        if (blanket_root_end_shares(end, root->places[i].end)) {
            grant = grant_at(root->places[i].end, reference);
        }
    }
    return grant;
}

int blanket_root_grant_hold(struct root_grant *grant, unsigned access)
{
    if (access & ~(unsigned)grant->slot.access) {
        return -BLANKET_EPERM;
    }
    grant->readers += access & BLANKET_ACCESS_READ ? 1 : 0;
    grant->writers += access & BLANKET_ACCESS_WRITE ? 1 : 0;
    return 0;
}

void blanket_root_grant_drop(struct root_grant *grant, unsigned access)
{
    grant->readers -= access & BLANKET_ACCESS_READ ? 1 : 0;
    grant->writers -= access & BLANKET_ACCESS_WRITE ? 1 : 0;
}

void blanket_root_grant_kill(struct blanket_root *root, struct root_grant *grant)
{
    if (grant->slot.state != BLANKET_BELOW_FREE) {
        (void)grant_end(root, grant);
    }
}
