/* SPDX-License-Identifier: MIT */
/*
 * The level's worker: what is dead, broken, being reset or lost is swept, in bounded steps.
 *
 * It names slots as their holder would and runs the same batch (destroy below, then release), so that
 * there is one way to take an object down. An endpoint is drained when no call is in flight on it and
 * no slot and no child of it is left.
 */
#include "batch.h"
#include "derive.h"
#include "guest.h"
#include "resolve.h"
#include "verbs.h"

/* What is still to do: the larger is reported. */
enum progress {
    NOTHING = 0,
    MORE = 1,  /* now */
    WAITS = 2  /* for a peer, a call in flight, or a level below */
};

struct sweep {
    struct blanket_level *level;
    struct blanket_guest *guest;
    uint32_t guest_id;
    uint32_t index; /* of the endpoint */
    uint32_t budget;
    int more;
    int waits;
};

static uint16_t destroy_verb(uint32_t kind, uint8_t role)
{
    if (kind == BLANKET_TABLE_GRANTS) {
        return BLANKET_VERB_GRANT_END_ACCESS;
    }
    if (kind == BLANKET_TABLE_MAPPINGS) {
        return BLANKET_VERB_GRANT_UNMAP;
    }
    return role == BLANKET_ROLE_STORE ? BLANKET_VERB_STORE_DISCONNECT : BLANKET_VERB_EVTCHN_CLOSE;
}

static const uint8_t item_type[BLANKET_TABLE_COUNT] = {
    BLANKET_ITEM_GRANT,
    BLANKET_ITEM_MAPPING,
    BLANKET_ITEM_PORT,
};

/* Destroy `count` slots that are named in the worker's frame. */
static void destroy(struct sweep *sweep, uint16_t verb, uint32_t count)
{
    struct blanket_level *level = sweep->level;
    struct blanket_request request;

    memset(&request, 0, sizeof(request));
    request.level = level;
    request.guest = sweep->guest;
    request.guest_id = sweep->guest_id;
    request.vcpu = level->limits.vcpus;
    request.context = &level->contexts[request.vcpu];
    request.endpoint = &sweep->guest->endpoints[sweep->index];
    request.endpoint_index = sweep->index;
    request.handle = blanket_handle(sweep->index, request.endpoint->generation);
    request.verb = blanket_verb_find(verb);
    request.items = (const uint64_t *)(const void *)request.context->in;
    request.item_count = (uint16_t)count;
    request.element_count = (uint16_t)count;
    request.batch_count = (uint16_t)count;
    if (blanket_batch(&request) < count) {
        sweep->more = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        sweep->waits |= blanket_result_status(request.context->results[i]) != 0;
    }
}

/* Is slot `at` to be swept? `all`: LIVE ones too. Guest's lock held. */
static int wanted(const struct sweep *sweep, uint32_t kind, uint32_t at, int all)
{
    const struct blanket_table *table = &sweep->guest->tables[kind];

    return table->chunks[at / BLANKET_CHUNK_SLOTS].owner == sweep->index &&
           (table->slots[at].state == BLANKET_SLOT_CLOSING ||
            (all && table->slots[at].state == BLANKET_SLOT_LIVE));
}

/* One table of one endpoint, 64 slots of one destroy verb at a time. */
static void sweep_table(struct sweep *sweep, uint32_t kind, int all)
{
    const struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    const struct blanket_window *window = &endpoint->windows[kind];
    uint64_t *items = (uint64_t *)(void *)sweep->level->contexts[sweep->level->limits.vcpus].in;
    uint32_t index = 0;

    while (index < window->count && sweep->budget != 0) {
        uint16_t verb = 0;
        uint32_t count = 0;

        sweep->level->ops->lock(sweep->level->host, sweep->guest_id);
        for (; index < window->count && count < BLANKET_ELEMENT_COUNT_MAX && sweep->budget != 0;
             index++) {
            const struct blanket_slot *slot =
                &sweep->guest->tables[kind].slots[window->first + index];

            if (!wanted(sweep, kind, window->first + index, all)) {
                continue;
            }
            if (count != 0 && destroy_verb(kind, slot->role) != verb) {
                break;
            }
            verb = destroy_verb(kind, slot->role);
            items[count++] = blanket_item_slot(item_type[kind], index, slot->generation);
            sweep->budget--;
        }
        sweep->level->ops->unlock(sweep->level->host, sweep->guest_id);
        if (count == 0) {
            break;
        }
        destroy(sweep, verb, count);
    }
    if (index < window->count) {
        sweep->more = 1; /* the budget is used up */
    }
}

/* Children of an endpoint that is being reset: the guest's own devices are reset too, what it derived
 * from them is dead. */
static void reset_children(struct sweep *sweep)
{
    struct blanket_guest *guest = sweep->guest;

    for (uint32_t i = 1; i < guest->endpoint_count; i++) {
        struct blanket_endpoint *child = &guest->endpoints[i];
        uint32_t live = BLANKET_ENDPOINT_LIVE;

        if (child->state == BLANKET_ENDPOINT_FREE || child->parent != sweep->index) {
            continue;
        }
        if (sweep->index == BLANKET_SELF_SLOT) {
            (void)__atomic_compare_exchange_n(&child->state, &live, BLANKET_ENDPOINT_RESETTING, 0,
                                              __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        } else if (child->state != BLANKET_ENDPOINT_DEAD) {
            blanket_endpoint_kill(child);
        }
    }
    sweep->more = 1;
}

/* Nothing in flight, no slot, no child: what is next for it? Guest's lock held. Its events, if any,
 * are to be announced. */
static uint32_t finish(struct sweep *sweep, uint32_t state)
{
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    uint32_t resetting = BLANKET_ENDPOINT_RESETTING;

    if (state == BLANKET_ENDPOINT_DEAD) {
        blanket_endpoint_drain(sweep->level, sweep->guest, sweep->index);
        return BLANKET_EVENT_DRAINED;
    }
    if (endpoint->state == BLANKET_ENDPOINT_RESETTING) {
        (void)__atomic_compare_exchange_n(&endpoint->state, &resetting, BLANKET_ENDPOINT_LIVE, 0,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static int is_empty(const struct blanket_endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST) == 0 &&
           endpoint->used[BLANKET_TABLE_GRANTS] == 0 &&
           endpoint->used[BLANKET_TABLE_MAPPINGS] == 0 &&
           endpoint->used[BLANKET_TABLE_PORTS] == 0;
}

/* Its ports' routes go before its slots may be another's: administration's lock, then the guest's. */
static uint32_t finish_locked(struct sweep *sweep, uint32_t state)
{
    struct blanket_level *level = sweep->level;
    uint32_t administration = blanket_lock_administration(level);
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    uint32_t events = 0;
    int empty;

    level->ops->lock(level->host, administration);
    level->ops->lock(level->host, sweep->guest_id);
    empty = is_empty(endpoint);
    if (empty && endpoint->child_count == 0) {
        if (state == BLANKET_ENDPOINT_DEAD && endpoint->depth == 1) {
            (void)blanket_endpoint_route(level, sweep->guest_id, endpoint, 0);
        }
        events = finish(sweep, state);
    } else if (empty && sweep->index == BLANKET_SELF_SLOT &&
               endpoint->state == BLANKET_ENDPOINT_RESETTING) {
        reset_children(sweep);
        (void)finish(sweep, BLANKET_ENDPOINT_RESETTING);
    } else if (endpoint->state == BLANKET_ENDPOINT_RESETTING) {
        reset_children(sweep);
    }
    level->ops->unlock(level->host, sweep->guest_id);
    level->ops->unlock(level->host, administration);
    if (!empty || (endpoint->child_count != 0 && state == BLANKET_ENDPOINT_DEAD)) {
        sweep->waits = 1;
    }
    return events;
}

static void sweep_endpoint(struct sweep *sweep)
{
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    uint32_t state = __atomic_load_n(&endpoint->state, __ATOMIC_SEQ_CST);
    uint64_t handle;
    uint32_t events;
    int all;

    if (state == BLANKET_ENDPOINT_FREE) {
        return;
    }
    sweep->budget--;
    handle = blanket_handle(sweep->index, endpoint->generation);
    state = blanket_endpoint_effective(sweep->guest, endpoint);
    all = state != BLANKET_ENDPOINT_LIVE;
    if (all && __atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST) != 0) {
        sweep->waits = 1; /* the last one out kicks us */
        return;
    }
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        if (sweep->index != BLANKET_SELF_SLOT && (all || endpoint->closing != 0)) {
            sweep_table(sweep, kind, all);
        }
    }
    if (!all) {
        return;
    }
    events = finish_locked(sweep, state);
    if (events != 0 && sweep->index != BLANKET_SELF_SLOT) {
        sweep->more = 1; /* its parent may be next */
        blanket_endpoint_announce(sweep->level, sweep->guest, handle, events);
    }
}

/* Returns 1 if the guest is gone. */
static int sweep_guest(struct sweep *sweep)
{
    struct blanket_guest *guest = sweep->guest;
    uint32_t index = guest->endpoint_count;

    __atomic_store_n(&guest->work, 0, __ATOMIC_SEQ_CST);
    /* Children have no lower slots than... nothing is promised: from the end it is merely likelier
     * that a child comes before its parent. */
    while (index > 0 && sweep->budget != 0) {
        sweep->index = --index;
        sweep_endpoint(sweep);
    }
    sweep->more |= index > 0;
    if (guest->endpoints[BLANKET_SELF_SLOT].state == BLANKET_ENDPOINT_FREE) {
        if (blanket_guest_end(sweep->level, sweep->guest_id) == 0) {
            return 1;
        }
        sweep->waits = 1;
    }
    if (sweep->more || sweep->waits) {
        __atomic_store_n(&guest->work, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

int blanket_work(struct blanket_level *level, uint32_t budget)
{
    struct sweep sweep;
    int progress = NOTHING;

    if (__atomic_exchange_n(&level->working, 1, __ATOMIC_ACQUIRE) != 0) {
        return MORE;
    }
    for (uint32_t step = 0; step < level->limits.guests; step++) {
        uint32_t id = (level->work_guest + step) % level->limits.guests;
        struct blanket_guest *guest = &level->guests[id];

        if (!__atomic_load_n(&guest->attached, __ATOMIC_SEQ_CST) ||
            !__atomic_load_n(&guest->work, __ATOMIC_SEQ_CST)) {
            continue;
        }
        if (budget == 0) {
            progress = MORE;
            level->work_guest = id; /* it is the first next time */
            break;
        }
        memset(&sweep, 0, sizeof(sweep));
        sweep.level = level;
        sweep.guest = guest;
        sweep.guest_id = id;
        sweep.budget = budget;
        if (!sweep_guest(&sweep) && (sweep.more || sweep.waits)) {
            progress = progress == MORE || sweep.more ? MORE : WAITS;
        }
        budget = sweep.budget;
    }
    __atomic_store_n(&level->working, 0, __ATOMIC_RELEASE);
    return progress;
}
