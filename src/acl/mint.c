/* SPDX-License-Identifier: MIT */
/* Endpoints as administration sees them (include/blanket/endpoint.h). */
#include "check.h"
#include "child.h"
#include "derive.h"
#include "resolve.h"

static uint32_t name_size(const char *name)
{
    uint32_t size = 0;

    while (size < BLANKET_NAME_SIZE && name[size] != '\0') {
        size++;
    }
    return size;
}

/* Law 0: owners of endpoints to one native peer are one trust group. Does any guest but `own` have one
 * of this scope? Administration's lock held, no guest's. */
static int second_owner(struct blanket_level *level, uint32_t own, uint64_t scope)
{
    int found = 0;

    for (uint32_t id = 0; id < level->limits.guests && !found; id++) {
        struct blanket_level_guest *guest = id != own ? blanket_guest_hold(level, id) : NULL;

        if (!guest) {
            continue;
        }
        level->ops->lock(level->host, id);
        for (uint32_t i = 1; i < guest->endpoint_count; i++) {
            found |= guest->endpoints[i].state != BLANKET_ENDPOINT_FREE &&
                     guest->endpoints[i].scope == scope;
        }
        level->ops->unlock(level->host, id);
        blanket_guest_release(guest);
    }
    return found;
}

static uint32_t free_slot(const struct blanket_level_guest *guest)
{
    for (uint32_t i = 1; i < guest->endpoint_count; i++) {
        if (guest->endpoints[i].state == BLANKET_ENDPOINT_FREE &&
            guest->endpoints[i].generation != UINT32_MAX) {
            return i;
        }
    }
    return guest->endpoint_count;
}

static void fill_minted(struct blanket_endpoint *endpoint, const struct blanket_mint *mint)
{
    endpoint->event_base = mint->event_base;
    endpoint->grant_base = mint->grant_base + mint->grants.below_first;
    endpoint->below_endpoint = mint->below_endpoint;
    endpoint->store_endpoint = mint->store.ops ? mint->store_endpoint : mint->below_endpoint;
    endpoint->scope = mint->scope;
    endpoint->label = mint->label;
    endpoint->shared = (mint->flags & BLANKET_MINT_SHARE_SCOPE) != 0;
    endpoint->below = mint->below;
    endpoint->store = mint->store.ops ? mint->store : mint->below;
}

/* Guest's and administration's lock held. */
static int mint_locked(struct blanket_level *level, struct blanket_level_guest *guest,
                       const struct blanket_mint *mint, uint64_t *handle, uint32_t *quota)
{
    const struct blanket_mint_window *const windows[BLANKET_TABLE_COUNT] = {
        &mint->grants,
        &mint->mappings,
        &mint->ports,
    };
    struct blanket_endpoint *endpoint;
    struct blanket_child child;
    uint32_t self = guest->endpoints[BLANKET_SELF_SLOT].state;
    int rc;

    if (self != BLANKET_ENDPOINT_LIVE && self != BLANKET_ENDPOINT_RESETTING) {
        return -BLANKET_ENOENT;
    }
    rc = blanket_endpoint_route_check(level, (uint64_t)mint->event_base + mint->ports.below_first,
                                      mint->ports.count);
    if (rc != 0) {
        return rc;
    }
    memset(&child, 0, sizeof(child));
    child.parent = BLANKET_SELF_SLOT;
    child.slot = mint->slot != 0 ? mint->slot : free_slot(guest);
    if (child.slot < guest->endpoint_count) {
        child.generation = guest->endpoints[child.slot].generation + 1;
    }
    child.rights = mint->rights;
    child.minted = 1;
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        child.counts[kind] = windows[kind]->count;
        child.below_first[kind] = windows[kind]->below_first;
    }
    child.name = mint->name;
    child.name_size = name_size(mint->name);
    rc = blanket_child_make(level, guest, &child, quota);
    if (rc != 0) {
        return rc;
    }
    endpoint = &guest->endpoints[child.slot];
    fill_minted(endpoint, mint);
    blanket_endpoint_route(level, mint->guest, endpoint, 1);
    __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_LIVE, __ATOMIC_SEQ_CST);
    *handle = blanket_handle(child.slot, child.generation);
    return 0;
}

static int mint_is_sound(const struct blanket_mint *mint)
{
    const uint64_t slots = BLANKET_SLOT_INDEX_MAX + 1u;

    return mint->name && mint->below.ops && mint->below.ops->call && mint->below.ops->send &&
           (!mint->store.ops || mint->store.ops->call) && mint->rights <= BLANKET_RIGHTS_ALL &&
           mint->flags <= BLANKET_MINT_SHARE_SCOPE &&
           (uint64_t)mint->grants.below_first + mint->grants.count <= slots &&
           (uint64_t)mint->mappings.below_first + mint->mappings.count <= slots &&
           (uint64_t)mint->ports.below_first + mint->ports.count <= slots;
}

int blanket_endpoint_mint(struct blanket_level *level, const struct blanket_mint *mint,
                          uint64_t *handle, uint32_t *quota)
{
    uint32_t administration = blanket_lock_administration(level);
    uint32_t which = BLANKET_QUOTA_NONE;
    struct blanket_level_guest *guest;
    int second, rc;

    if (!mint_is_sound(mint)) {
        return -BLANKET_EINVAL;
    }
    guest = blanket_guest_hold(level, mint->guest);
    if (!guest) {
        return -BLANKET_ENOENT;
    }
    level->ops->lock(level->host, administration);
    second = !(mint->flags & BLANKET_MINT_SHARE_SCOPE) &&
             second_owner(level, mint->guest, mint->scope);
    rc = -BLANKET_EPERM;
    if (!second) {
        level->ops->lock(level->host, mint->guest);
        rc = mint_locked(level, guest, mint, handle, &which);
        level->ops->unlock(level->host, mint->guest);
    }
    level->ops->unlock(level->host, administration);
    if (second) {
        blanket_acl_trace_scope(level, guest, 0);
    }
    blanket_guest_release(guest);
    if (quota) {
        *quota = which;
    }
    return rc;
}

/* The endpoint that `handle` names now, NULL. Guest's lock held. */
static struct blanket_endpoint *current(const struct blanket_level_guest *guest, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;

    if (slot >= guest->endpoint_count || guest->endpoints[slot].state == BLANKET_ENDPOINT_FREE ||
        guest->endpoints[slot].generation != (uint32_t)(handle >> 32)) {
        return NULL;
    }
    return &guest->endpoints[slot];
}

int blanket_endpoint_revoke(struct blanket_level *level, uint32_t guest_id, uint64_t handle)
{
    struct blanket_level_guest *guest = blanket_guest_hold(level, guest_id);
    struct blanket_endpoint *endpoint;
    int killed = 0;

    if (!guest) {
        return -BLANKET_ENOENT;
    }
    level->ops->lock(level->host, guest_id);
    endpoint = (uint32_t)handle == BLANKET_SELF_SLOT ? NULL : current(guest, handle);
    if (endpoint) {
        killed = blanket_endpoint_kill(endpoint);
    }
    level->ops->unlock(level->host, guest_id);
    if (killed) {
        blanket_endpoint_announce(level, guest, handle, BLANKET_EVENT_DEAD);
    }
    blanket_guest_release(guest);
    return endpoint ? 0 : -BLANKET_ENOENT;
}

int blanket_endpoint_info(struct blanket_level *level, uint32_t guest_id, uint64_t handle,
                          struct blanket_wire_endpoint *info)
{
    struct blanket_level_guest *guest = blanket_guest_hold(level, guest_id);
    int rc = -BLANKET_ENOENT;

    if (!guest) {
        return rc;
    }
    level->ops->lock(level->host, guest_id);
    if (current(guest, handle)) {
        blanket_endpoint_describe(guest, (uint32_t)handle, info);
        rc = 0;
    }
    level->ops->unlock(level->host, guest_id);
    blanket_guest_release(guest);
    return rc;
}

static int is_same(const struct blanket_below *one, const struct blanket_below *other)
{
    return one->ops == other->ops && one->context == other->context;
}

/* One guest's endpoint `index` if it stands on what was lost: broken. Returns its handle, 0. */
static uint64_t break_one(struct blanket_level *level, uint32_t id, uint32_t index,
                          const struct blanket_below *below, uint64_t below_endpoint)
{
    struct blanket_endpoint *endpoint = &level->guests[id].endpoints[index];
    uint64_t handle = 0;

    level->ops->lock(level->host, id);
    if ((endpoint->state == BLANKET_ENDPOINT_LIVE ||
         endpoint->state == BLANKET_ENDPOINT_RESETTING) &&
        is_same(&endpoint->below, below) && endpoint->below_endpoint == below_endpoint) {
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_BROKEN, __ATOMIC_SEQ_CST);
        endpoint->events |= BLANKET_EVENT_PEER_GONE;
        handle = blanket_handle(index, endpoint->generation);
    }
    level->ops->unlock(level->host, id);
    return handle;
}

void blanket_endpoint_lost(struct blanket_level *level, const struct blanket_below *below,
                           uint64_t below_endpoint)
{
    for (uint32_t id = 0; id < level->limits.guests; id++) {
        struct blanket_level_guest *guest = blanket_guest_hold(level, id);

        if (!guest) {
            continue;
        }
        for (uint32_t i = 1; i < guest->endpoint_count; i++) {
            uint64_t handle = break_one(level, id, i, below, below_endpoint);

            if (handle != 0) {
                blanket_endpoint_announce(level, guest, handle, BLANKET_EVENT_PEER_GONE);
            }
        }
        blanket_guest_release(guest);
    }
}

struct rebinding {
    uint64_t below_endpoint;
    uint64_t scope;
    uint32_t event_base;
    uint32_t grant_base; /* of the below's grant index 0 */
};

static int is_at(const struct blanket_level_guest *guest, uint32_t index, uint32_t top)
{
    return guest->endpoints[index].state != BLANKET_ENDPOINT_FREE &&
           (index == top || blanket_endpoint_descends(guest, index, top));
}

/* Nothing of the old one is left, of what derives from it neither. Guest's lock held. */
static int is_empty(const struct blanket_level_guest *guest, uint32_t top)
{
    uint32_t left = 0;

    for (uint32_t i = 1; i < guest->endpoint_count; i++) {
        const struct blanket_endpoint *endpoint = &guest->endpoints[i];

        if (is_at(guest, i, top)) {
            left |= endpoint->used[BLANKET_TABLE_GRANTS] | endpoint->used[BLANKET_TABLE_MAPPINGS] |
                    endpoint->used[BLANKET_TABLE_PORTS] |
                    __atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST);
        }
    }
    return left == 0;
}

static void rebind_one(struct blanket_endpoint *endpoint, const struct rebinding *to)
{
    if (is_same(&endpoint->store, &endpoint->below)) {
        endpoint->store_endpoint = to->below_endpoint;
    }
    endpoint->below_endpoint = to->below_endpoint;
    endpoint->scope = to->scope;
    endpoint->event_base = to->event_base;
    endpoint->grant_base = to->grant_base + endpoint->windows[BLANKET_TABLE_GRANTS].below_first;
    if (endpoint->state == BLANKET_ENDPOINT_BROKEN) {
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_LIVE, __ATOMIC_SEQ_CST);
    }
}

/* Both locks held. What derives from it goes along: the guest keeps all of its handles. */
static int rebind_locked(struct blanket_level *level, uint32_t guest_id, uint32_t index,
                         const struct rebinding *to)
{
    struct blanket_level_guest *guest = &level->guests[guest_id];
    struct blanket_endpoint *endpoint = &guest->endpoints[index];
    const struct blanket_window *ports = &endpoint->windows[BLANKET_TABLE_PORTS];
    int rc;

    if (endpoint->state != BLANKET_ENDPOINT_BROKEN || endpoint->depth != 1) {
        return -BLANKET_EINVAL;
    }
    if (!is_empty(guest, index)) {
        return -BLANKET_EBUSY;
    }
    blanket_endpoint_route(level, guest_id, endpoint, 0);
    rc = blanket_endpoint_route_check(level, (uint64_t)to->event_base + ports->below_first,
                                      ports->count);
    for (uint32_t i = 1; rc == 0 && i < guest->endpoint_count; i++) {
        if (is_at(guest, i, index)) {
            rebind_one(&guest->endpoints[i], to);
        }
    }
    blanket_endpoint_route(level, guest_id, endpoint, 1);
    return rc;
}

int blanket_endpoint_rebind(struct blanket_level *level, uint32_t guest_id, uint64_t handle,
                            uint64_t below_endpoint, uint64_t scope, uint32_t event_base,
                            uint32_t grant_base)
{
    const struct rebinding to = {below_endpoint, scope, event_base, grant_base};
    uint32_t administration = blanket_lock_administration(level);
    struct blanket_level_guest *guest = blanket_guest_hold(level, guest_id);
    const struct blanket_endpoint *endpoint;
    int rc = -BLANKET_ENOENT;
    int second;

    if (!guest) {
        return rc;
    }
    level->ops->lock(level->host, administration);
    second = second_owner(level, guest_id, scope);
    level->ops->lock(level->host, guest_id);
    endpoint = current(guest, handle);
    if (endpoint) {
        second = second && !endpoint->shared;
        rc = second ? -BLANKET_EPERM : rebind_locked(level, guest_id, (uint32_t)handle, &to);
    }
    level->ops->unlock(level->host, guest_id);
    level->ops->unlock(level->host, administration);
    if (endpoint && second) {
        blanket_acl_trace_scope(level, guest, handle);
    }
    blanket_guest_release(guest);
    return rc;
}
