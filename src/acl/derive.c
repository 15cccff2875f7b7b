/* SPDX-License-Identifier: MIT */
#include "derive.h"

#include "child.h"
#include "resolve.h"

void blanket_endpoint_self(struct blanket_level_guest *guest)
{
    struct blanket_endpoint *self = &guest->endpoints[BLANKET_SELF_SLOT];

    self->generation = BLANKET_SELF_GENERATION;
    self->rights = (1u << BLANKET_RIGHT_QUERY) | (1u << BLANKET_RIGHT_RESET);
    self->parent = BLANKET_OWNER_NONE;
    self->label = guest->label;
    memcpy(self->name, "self", sizeof("self"));
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        self->windows[kind].count = guest->tables[kind].count;
    }
    /* The control port's chunk is nobody's: no endpoint can name it. */
    guest->tables[BLANKET_TABLE_PORTS].chunks[0].owner = BLANKET_OWNER_NONE;
    __atomic_store_n(&self->state, BLANKET_ENDPOINT_LIVE, __ATOMIC_SEQ_CST);
}

/* All of these stay within 32 bits, or it's no call that a guest could mean. */
static int small_count(uint64_t item, uint32_t *count)
{
    uint64_t value = blanket_item_value(item);

    if (value > BLANKET_SLOT_INDEX_MAX + 1u) {
        return -BLANKET_EINVAL;
    }
    *count = (uint32_t)value;
    return 0;
}

int blanket_endpoint_derive(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    struct blanket_level_guest *guest = request->guest;
    const struct blanket_endpoint *parent = request->endpoint;
    struct blanket_endpoint *endpoint;
    struct blanket_child child;
    int rc = 0;

    memset(&child, 0, sizeof(child));
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        rc |= small_count(request->items[2 + kind], &child.counts[kind]);
    }
    if (rc != 0 || blanket_item_value(request->items[1]) > BLANKET_RIGHTS_ALL) {
        request->reason = BLANKET_REASON_MALFORMED;
        return -BLANKET_EINVAL;
    }
    child.parent = request->endpoint_index;
    child.slot = blanket_item_index(request->items[0]);
    if (child.slot < guest->endpoint_count) {
        child.slot = level->ops->index_nospec(child.slot, guest->endpoint_count);
    }
    child.generation = blanket_item_generation(request->items[0]);
    child.rights = (uint32_t)blanket_item_value(request->items[1]);
    child.name = (const char *)request->payload;
    child.name_size = request->payload_size;
    level->ops->lock(level->host, request->guest_id);
    rc = blanket_child_make(level, guest, &child, &request->detail);
    if (rc == 0) {
        endpoint = &guest->endpoints[child.slot];
        endpoint->event_base = parent->event_base;
        endpoint->grant_base = parent->grant_base +
                               (endpoint->windows[0].first - parent->windows[0].first);
        endpoint->below_endpoint = parent->below_endpoint;
        endpoint->store_endpoint = parent->store_endpoint;
        endpoint->scope = parent->scope;
        endpoint->shared = parent->shared;
        endpoint->label = parent->label;
        endpoint->below = parent->below;
        endpoint->store = parent->store;
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_LIVE, __ATOMIC_SEQ_CST);
    }
    if (rc == -BLANKET_ESTALE) {
        request->detail = guest->endpoints[child.slot].generation;
    }
    level->ops->unlock(level->host, request->guest_id);
    if (rc != 0) {
        request->reason = rc == -BLANKET_ENOSPC ? BLANKET_REASON_QUOTA : BLANKET_REASON_OBJECT;
    }
    return rc;
}

int blanket_endpoint_kill(struct blanket_endpoint *endpoint)
{
    if (endpoint->state == BLANKET_ENDPOINT_DEAD) {
        return 0;
    }
    __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_DEAD, __ATOMIC_SEQ_CST);
    endpoint->events |= BLANKET_EVENT_DEAD;
    return 1;
}

int blanket_endpoint_descends(const struct blanket_level_guest *guest, uint32_t index,
                              uint32_t ancestor)
{
    for (uint32_t step = 0; step <= BLANKET_DEPTH_MAX; step++) {
        index = guest->endpoints[index].parent;
        if (index == ancestor) {
            return 1;
        }
        if (index == BLANKET_OWNER_NONE) {
            break;
        }
    }
    return 0;
}

int blanket_endpoint_revoke_child(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    struct blanket_level_guest *guest = request->guest;
    uint32_t slot = blanket_item_index(request->items[0]);
    uint32_t generation = blanket_item_generation(request->items[0]);
    struct blanket_endpoint *endpoint;
    int rc = -BLANKET_EPERM;
    int killed = 0;

    if (slot >= guest->endpoint_count) {
        request->reason = BLANKET_REASON_OBJECT;
        return rc;
    }
    slot = level->ops->index_nospec(slot, guest->endpoint_count);
    endpoint = &guest->endpoints[slot];
    level->ops->lock(level->host, request->guest_id);
    if (generation < endpoint->generation) {
        rc = 0; /* destroying what isn't there is success... */
    } else if (endpoint->state == BLANKET_ENDPOINT_FREE) {
        __atomic_store_n(&endpoint->generation, generation, __ATOMIC_SEQ_CST);
        rc = 0; /* ...and leaves a tombstone */
    } else if (blanket_endpoint_descends(guest, slot, request->endpoint_index)) {
        if (generation == endpoint->generation) {
            killed = blanket_endpoint_kill(endpoint);
        }
        rc = generation > endpoint->generation ? -BLANKET_EBUSY : 0;
    }
    level->ops->unlock(level->host, request->guest_id);
    if (killed) {
        blanket_endpoint_announce(level, guest, blanket_handle(slot, generation),
                                  BLANKET_EVENT_DEAD);
    }
    request->reason = rc != 0 ? BLANKET_REASON_OBJECT : request->reason;
    return rc;
}

int blanket_endpoint_reset(struct blanket_request *request)
{
    struct blanket_level *level = request->level;

    level->ops->lock(level->host, request->guest_id);
    /* Else somebody else's reset, its loss or its revocation came first: all of them empty it. */
    if (request->endpoint->state == BLANKET_ENDPOINT_LIVE) {
        __atomic_store_n(&request->endpoint->state, BLANKET_ENDPOINT_RESETTING, __ATOMIC_SEQ_CST);
    }
    level->ops->unlock(level->host, request->guest_id);
    blanket_guest_kick(level, request->guest, 1);
    return 0;
}

int blanket_endpoint_drain(struct blanket_level *level, struct blanket_level_guest *guest,
                           uint32_t index)
{
    struct blanket_endpoint *endpoint = &guest->endpoints[index];

    if (index == BLANKET_SELF_SLOT) {
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_FREE, __ATOMIC_SEQ_CST);
        return 0;
    }
    if (blanket_child_unmake(level, guest, index) != 0) {
        return -BLANKET_EBUSY;
    }
    endpoint->events |= BLANKET_EVENT_DRAINED;
    return 0;
}

void blanket_endpoint_announce(struct blanket_level *level, struct blanket_level_guest *guest,
                               uint64_t handle, uint32_t events)
{
    blanket_port_raise(level, guest, BLANKET_PORT_CONTROL);
    if (level->ops->endpoint_event) {
        level->ops->endpoint_event(level->host, guest->host, handle, events);
    }
    blanket_guest_kick(level, guest, 1);
}

int blanket_endpoint_route_check(const struct blanket_level *level, uint64_t first, uint32_t count)
{
    if (count != 0 && first + count > level->limits.events) {
        return -BLANKET_EINVAL;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (__atomic_load_n(&level->routes[first + i], __ATOMIC_SEQ_CST) != 0) {
            return -BLANKET_EEXIST;
        }
    }
    return 0;
}

void blanket_endpoint_route(struct blanket_level *level, uint32_t guest_id,
                            const struct blanket_endpoint *endpoint, int on)
{
    const struct blanket_window *ports = &endpoint->windows[BLANKET_TABLE_PORTS];
    uint64_t first = (uint64_t)endpoint->event_base + ports->below_first;

    for (uint32_t i = 0; i < ports->count; i++) {
        uint64_t route = (((uint64_t)guest_id << 32) | (ports->first + i)) + 1;

        __atomic_store_n(&level->routes[first + i], on ? route : 0, __ATOMIC_SEQ_CST);
    }
}

void blanket_endpoint_describe(const struct blanket_level_guest *guest, uint32_t index,
                               struct blanket_wire_endpoint *info)
{
    const struct blanket_endpoint *endpoint = &guest->endpoints[index];

    memset(info, 0, sizeof(*info));
    info->endpoint = blanket_handle(index, endpoint->generation);
    info->scope = endpoint->scope;
    info->rights = endpoint->rights;
    info->state = endpoint->state == BLANKET_ENDPOINT_FREE
                      ? (uint32_t)BLANKET_ENDPOINT_FREE
                      : blanket_endpoint_effective(guest, endpoint);
    info->events = endpoint->events;
    info->grant_base = endpoint->grant_base;
    info->port_base = endpoint->windows[BLANKET_TABLE_PORTS].first;
    info->grant_count = endpoint->windows[BLANKET_TABLE_GRANTS].count;
    info->mapping_count = endpoint->windows[BLANKET_TABLE_MAPPINGS].count;
    info->port_count = endpoint->windows[BLANKET_TABLE_PORTS].count;
    info->grant_used = endpoint->used[BLANKET_TABLE_GRANTS];
    info->mapping_used = endpoint->used[BLANKET_TABLE_MAPPINGS];
    info->port_used = endpoint->used[BLANKET_TABLE_PORTS];
    info->closing = endpoint->closing;
    info->child_count = endpoint->child_count;
    memcpy(info->name, endpoint->name, sizeof(info->name));
}
