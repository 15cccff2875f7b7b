/* SPDX-License-Identifier: MIT */
#include "resolve.h"

struct blanket_level_guest *blanket_guest_find(struct blanket_level *level, uint32_t id)
{
    struct blanket_level_guest *guest;

    if (id >= level->limits.guests) {
        return NULL;
    }
    guest = &level->guests[level->ops->index_nospec(id, level->limits.guests)];
    return __atomic_load_n(&guest->attached, __ATOMIC_ACQUIRE) ? guest : NULL;
}

struct blanket_level_guest *blanket_guest_hold(struct blanket_level *level, uint32_t id)
{
    struct blanket_level_guest *guest;

    if (id >= level->limits.guests) {
        return NULL;
    }
    guest = &level->guests[id];
    /* The count first, then the look: the worker looks at them in the other order. */
    __atomic_fetch_add(&guest->holds, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&guest->attached, __ATOMIC_SEQ_CST)) {
        blanket_guest_release(guest);
        return NULL;
    }
    return guest;
}

void blanket_guest_release(struct blanket_level_guest *guest)
{
    __atomic_fetch_sub(&guest->holds, 1, __ATOMIC_SEQ_CST);
}

void blanket_guest_kick(struct blanket_level *level, struct blanket_level_guest *guest, int soon)
{
    __atomic_store_n(&guest->work, 1, __ATOMIC_SEQ_CST);
    level->ops->kick(level->host, soon);
}

uint32_t blanket_endpoint_effective(const struct blanket_level_guest *guest,
                                    const struct blanket_endpoint *endpoint)
{
    uint32_t worst = BLANKET_ENDPOINT_LIVE;
    uint16_t parent;

    for (uint32_t step = 0; step <= BLANKET_DEPTH_MAX; step++) {
        uint32_t state = __atomic_load_n(&endpoint->state, __ATOMIC_SEQ_CST);

        if (state != BLANKET_ENDPOINT_LIVE) {
            if (state == BLANKET_ENDPOINT_FREE || state == BLANKET_ENDPOINT_DEAD) {
                return BLANKET_ENDPOINT_DEAD;
            }
            if (state == BLANKET_ENDPOINT_BROKEN || worst == BLANKET_ENDPOINT_LIVE) {
                worst = state;
            }
        }
        parent = __atomic_load_n(&endpoint->parent, __ATOMIC_RELAXED);
        if (parent == BLANKET_OWNER_NONE) {
            break;
        }
        endpoint = &guest->endpoints[parent];
    }
    return worst;
}

static int refuse(struct blanket_request *request, uint8_t reason, int status)
{
    request->reason = reason;
    return status;
}

/* What a handle that isn't the slot's current one gets. */
static int refuse_other(struct blanket_request *request, const struct blanket_endpoint *endpoint,
                        uint32_t generation, int destroying)
{
    uint32_t last = __atomic_load_n(&endpoint->generation, __ATOMIC_SEQ_CST);

    if (destroying && generation <= last && generation != 0) {
        return BLANKET_PIN_GONE;
    }
    return refuse(request, generation <= last ? BLANKET_REASON_STALE : BLANKET_REASON_SLOT,
                  -BLANKET_EPERM);
}

static int refuse_state(struct blanket_request *request, uint32_t state)
{
    if (state == BLANKET_ENDPOINT_BROKEN) {
        return refuse(request, BLANKET_REASON_BROKEN, -BLANKET_ENOTCONN);
    }
    if (state == BLANKET_ENDPOINT_RESETTING) {
        return refuse(request, BLANKET_REASON_BROKEN, -BLANKET_EAGAIN);
    }
    return refuse(request, BLANKET_REASON_DEAD, -BLANKET_EPERM);
}

static int is_current(const struct blanket_endpoint *endpoint, uint32_t generation)
{
    return __atomic_load_n(&endpoint->state, __ATOMIC_SEQ_CST) != BLANKET_ENDPOINT_FREE &&
           __atomic_load_n(&endpoint->generation, __ATOMIC_SEQ_CST) == generation;
}

int blanket_endpoint_pin(struct blanket_request *request)
{
    struct blanket_level_guest *guest = request->guest;
    uint32_t slot = (uint32_t)request->handle;
    uint32_t generation = (uint32_t)(request->handle >> 32);
    int destroying = ((request->verb->verb >> 10) & 3u) == BLANKET_EFFECT_DESTROY;
    struct blanket_endpoint *endpoint;
    uint32_t state;

    if (slot >= guest->endpoint_count) {
        return refuse(request, BLANKET_REASON_SLOT, -BLANKET_EPERM);
    }
    slot = request->level->ops->index_nospec(slot, guest->endpoint_count);
    endpoint = &guest->endpoints[slot];
    /* Before the count goes up, so that calls that will be refused can neither keep a slot from
     * draining nor kick the worker each time. */
    if (!is_current(endpoint, generation)) {
        return refuse_other(request, endpoint, generation, destroying);
    }
    state = blanket_endpoint_effective(guest, endpoint);
    if (state != BLANKET_ENDPOINT_LIVE && !destroying) {
        return refuse_state(request, state);
    }
    /* And after: the worker that drains looks at the count once more when the slot is FREE already. */
    __atomic_fetch_add(&endpoint->inflight, 1, __ATOMIC_SEQ_CST);
    if (!is_current(endpoint, generation)) {
        blanket_endpoint_unpin(request->level, guest, endpoint);
        return refuse_other(request, endpoint, generation, destroying);
    }
    state = blanket_endpoint_effective(guest, endpoint);
    if (state != BLANKET_ENDPOINT_LIVE && !destroying) {
        blanket_endpoint_unpin(request->level, guest, endpoint);
        return refuse_state(request, state);
    }
    request->endpoint = endpoint;
    request->endpoint_index = slot;
    return 0;
}

void blanket_endpoint_unpin(struct blanket_level *level, struct blanket_level_guest *guest,
                            struct blanket_endpoint *endpoint)
{
    uint32_t left = __atomic_sub_fetch(&endpoint->inflight, 1, __ATOMIC_SEQ_CST);

    if (left == 0 && blanket_endpoint_effective(guest, endpoint) != BLANKET_ENDPOINT_LIVE) {
        blanket_guest_kick(level, guest, 1);
    }
}
