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

/* What blanket_work returns. */
enum progress {
    NOTHING = 0,
    MORE = 1, /* now; said before WAITS */
    WAITS = 2 /* for a peer, a call in flight, or a level below */
};

struct sweep {
    struct blanket_level *level;
    struct blanket_level_guest *guest;
    struct blanket_sweep_place *place;
    uint32_t guest_id;
    uint32_t index; /* of the endpoint */
    uint32_t budget;
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
        sweep->place->more = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        sweep->place->waits |= blanket_result_status(request.context->results[i]) != 0;
    }
}

/* May a slot be destroyed with those of `verb`, in one call? */
static int joins(uint16_t verb, uint32_t kind, uint8_t role)
{
    return destroy_verb(kind, role) == verb &&
           (blanket_verb_find(verb)->flags & BLANKET_VERB_BATCH) != 0;
}

/*
 * Name the next slots of a table that one call can destroy, from where the pass stands: CLOSING ones, or
 * `all`. Chunks in which nothing is used are passed over as one.
 */
static uint32_t collect(struct sweep *sweep, int all, uint64_t *items, uint16_t *verb)
{
    struct blanket_sweep_place *place = sweep->place;
    uint32_t kind = place->kind;
    const struct blanket_table *table = &sweep->guest->tables[kind];
    const struct blanket_window *window = &sweep->guest->endpoints[sweep->index].windows[kind];
    uint32_t count = 0;

    sweep->level->ops->lock(sweep->level->host, sweep->guest_id);
    while (place->slot < window->count && count < BLANKET_ELEMENT_COUNT_MAX) {
        uint32_t at = window->first + place->slot;
        const struct blanket_chunk *chunk = &table->chunks[at / BLANKET_CHUNK_SLOTS];
        const struct blanket_slot *slot = &table->slots[at];

        if (chunk->owner != sweep->index || chunk->used == 0) {
            place->slot += BLANKET_CHUNK_SLOTS - at % BLANKET_CHUNK_SLOTS;
            continue;
        }
        if (slot->state == BLANKET_SLOT_CLOSING || (all && slot->state == BLANKET_SLOT_LIVE)) {
            if (sweep->budget == 0 || (count != 0 && !joins(*verb, kind, slot->role))) {
                break;
            }
            *verb = destroy_verb(kind, slot->role);
            items[count++] = blanket_item_slot(item_type[kind], place->slot, slot->generation);
            sweep->budget--;
        }
        place->slot++;
    }
    sweep->level->ops->unlock(sweep->level->host, sweep->guest_id);
    return count;
}

/* The slots of one endpoint. 0: the budget is used up, the place says where. */
static int sweep_slots(struct sweep *sweep, int all)
{
    const struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    struct blanket_sweep_place *place = sweep->place;
    uint64_t *items = (uint64_t *)(void *)sweep->level->contexts[sweep->level->limits.vcpus].in;

    while (place->kind < BLANKET_TABLE_COUNT) {
        uint16_t verb = 0;
        uint32_t count = collect(sweep, all, items, &verb);

        if (count != 0) {
            destroy(sweep, verb, count);
        } else if (place->slot < endpoint->windows[place->kind].count) {
            return 0;
        } else {
            place->kind++;
            place->slot = 0;
        }
    }
    return 1;
}

/*
 * What hangs on an endpoint that is being reset: the guest's own devices are reset too, what derives
 * from a device is dead. Returns how many that changes. Guest's lock held.
 */
static uint32_t reset_children(struct sweep *sweep)
{
    struct blanket_level_guest *guest = sweep->guest;
    uint32_t changed = 0;

    for (uint32_t i = 1; i < guest->endpoint_count; i++) {
        struct blanket_endpoint *child = &guest->endpoints[i];

        if (child->state == BLANKET_ENDPOINT_FREE) {
            continue;
        }
        if (sweep->index == BLANKET_SELF_SLOT && child->depth == 1) {
            if (child->state == BLANKET_ENDPOINT_LIVE) {
                __atomic_store_n(&child->state, BLANKET_ENDPOINT_RESETTING, __ATOMIC_SEQ_CST);
                changed++;
            }
        } else if (sweep->index == BLANKET_SELF_SLOT || child->parent == sweep->index) {
            changed += (uint32_t)blanket_endpoint_kill(child);
        }
    }
    return changed;
}

static int is_empty(const struct blanket_endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST) == 0 &&
           endpoint->used[BLANKET_TABLE_GRANTS] == 0 &&
           endpoint->used[BLANKET_TABLE_MAPPINGS] == 0 && endpoint->used[BLANKET_TABLE_PORTS] == 0;
}

/* One that is being reset: its children, then itself. Guest's lock held. */
static void finish_reset(struct sweep *sweep, int empty)
{
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];

    if (reset_children(sweep) != 0) {
        sweep->place->more = 1;
    }
    /* The guest's own needn't wait for its devices: they are marked themselves now. */
    if (empty && (endpoint->child_count == 0 || sweep->index == BLANKET_SELF_SLOT)) {
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_LIVE, __ATOMIC_SEQ_CST);
    } else {
        sweep->place->waits = 1;
    }
}

/* One that is dead: 1 if it is drained. Administration's and the guest's lock held. */
static int finish_dead(struct sweep *sweep, int empty)
{
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];

    if (!empty || endpoint->child_count != 0 ||
        blanket_endpoint_drain(sweep->level, sweep->guest, sweep->index) != 0) {
        sweep->place->waits = 1;
        return 0;
    }
    /* Its routes go before anybody else may have its slots: both locks are held. */
    if (endpoint->depth == 1) {
        blanket_endpoint_route(sweep->level, sweep->guest_id, endpoint, 0);
    }
    return 1;
}

/* Its slots are swept: what is next for it? Returns 1 if it is drained. */
static int finish(struct sweep *sweep)
{
    struct blanket_level *level = sweep->level;
    uint32_t administration = blanket_lock_administration(level);
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    int drained = 0;
    int empty;

    level->ops->lock(level->host, administration);
    level->ops->lock(level->host, sweep->guest_id);
    empty = is_empty(endpoint);
    if (endpoint->state == BLANKET_ENDPOINT_DEAD) {
        drained = finish_dead(sweep, empty);
    } else if (endpoint->state == BLANKET_ENDPOINT_RESETTING) {
        finish_reset(sweep, empty);
    } else if (!empty) {
        sweep->place->waits = 1;
    }
    level->ops->unlock(level->host, sweep->guest_id);
    level->ops->unlock(level->host, administration);
    return drained;
}

/* Its effective state if there is something to do for it, FREE if not. What stands on something dead
 * is marked itself, and its holder is told. */
static uint32_t examine(struct sweep *sweep)
{
    struct blanket_level *level = sweep->level;
    struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    uint32_t state = BLANKET_ENDPOINT_FREE;
    uint64_t handle = 0;
    int killed = 0;

    level->ops->lock(level->host, sweep->guest_id);
    if (endpoint->state != BLANKET_ENDPOINT_FREE) {
        state = blanket_endpoint_effective(sweep->guest, endpoint);
        handle = blanket_handle(sweep->index, endpoint->generation);
        killed = state == BLANKET_ENDPOINT_DEAD && blanket_endpoint_kill(endpoint);
        if (state == BLANKET_ENDPOINT_LIVE && endpoint->closing == 0) {
            state = BLANKET_ENDPOINT_FREE;
        }
    }
    level->ops->unlock(level->host, sweep->guest_id);
    if (killed) {
        blanket_endpoint_announce(level, sweep->guest, handle, BLANKET_EVENT_DEAD);
    }
    return state;
}

/* 0: the budget is used up, the place says where. */
static int sweep_endpoint(struct sweep *sweep)
{
    const struct blanket_endpoint *endpoint = &sweep->guest->endpoints[sweep->index];
    uint32_t state = examine(sweep);
    uint64_t handle;

    if (state == BLANKET_ENDPOINT_FREE) {
        return 1;
    }
    if (state != BLANKET_ENDPOINT_LIVE &&
        __atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST) != 0) {
        sweep->place->waits = 1; /* the last one out kicks us */
        return 1;
    }
    if (!sweep_slots(sweep, state != BLANKET_ENDPOINT_LIVE)) {
        return 0;
    }
    if (state == BLANKET_ENDPOINT_LIVE) {
        return 1;
    }
    if (sweep->budget == 0) {
        return 0;
    }
    sweep->budget--;
    handle = blanket_handle(sweep->index, endpoint->generation);
    if (finish(sweep) && sweep->index != BLANKET_SELF_SLOT) {
        sweep->place->more = 1; /* its parent may be next */
        blanket_endpoint_announce(sweep->level, sweep->guest, handle, BLANKET_EVENT_DRAINED);
    }
    return 1;
}

/* A pass over one guest, or the rest of one. */
static enum progress sweep_guest(struct sweep *sweep)
{
    struct blanket_level_guest *guest = sweep->guest;
    struct blanket_sweep_place *place = &guest->sweep;
    uint32_t kicked;

    if (place->endpoint == 0) {
        /* Before looking: what comes from now on is for another pass. */
        __atomic_store_n(&guest->work, 0, __ATOMIC_SEQ_CST);
        memset(place, 0, sizeof(*place));
        place->endpoint = guest->endpoint_count;
    }
    sweep->place = place;
    /* From the end it is merely likelier that a child comes before its parent. */
    for (; place->endpoint > 0; place->endpoint--) {
        sweep->index = place->endpoint - 1;
        if (!sweep_endpoint(sweep)) {
            return MORE;
        }
        place->kind = 0;
        place->slot = 0;
    }
    if (__atomic_load_n(&guest->endpoints[BLANKET_SELF_SLOT].state, __ATOMIC_SEQ_CST) ==
        BLANKET_ENDPOINT_FREE) {
        if (blanket_guest_end(sweep->level, sweep->guest_id) == 0) {
            return NOTHING;
        }
        place->waits = 1;
    }
    kicked = __atomic_load_n(&guest->work, __ATOMIC_SEQ_CST);
    if (place->more || place->waits) {
        __atomic_store_n(&guest->work, 1, __ATOMIC_SEQ_CST);
    }
    if (place->more || kicked) {
        return MORE;
    }
    return place->waits ? WAITS : NOTHING;
}

static int has_work(const struct blanket_level_guest *guest)
{
    return __atomic_load_n(&guest->attached, __ATOMIC_SEQ_CST) &&
           (guest->sweep.endpoint != 0 || __atomic_load_n(&guest->work, __ATOMIC_SEQ_CST));
}

int blanket_work(struct blanket_level *level, uint32_t budget)
{
    struct sweep sweep;
    int progress = NOTHING;

    if (__atomic_exchange_n(&level->working, 1, __ATOMIC_ACQUIRE) != 0) {
        return MORE;
    }
    memset(&sweep, 0, sizeof(sweep));
    sweep.level = level;
    sweep.budget = budget;
    for (uint32_t step = 0; step < level->limits.guests; step++) {
        uint32_t id = (level->work_guest + step) % level->limits.guests;
        enum progress here;

        if (!has_work(&level->guests[id])) {
            continue;
        }
        if (sweep.budget == 0) {
            progress = MORE;
            level->work_guest = id; /* it is the first next time */
            break;
        }
        sweep.guest = &level->guests[id];
        sweep.guest_id = id;
        here = sweep_guest(&sweep);
        if (progress != MORE && here != NOTHING) {
            progress = (int)here;
        }
    }
    __atomic_store_n(&level->working, 0, __ATOMIC_RELEASE);
    return progress;
}
