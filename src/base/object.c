/* SPDX-License-Identifier: MIT */
#include "object.h"

_Static_assert(sizeof(struct blanket_endpoint) <= 256, "an endpoint is at most 256 bytes");

static const uint8_t kind_quota[BLANKET_TABLE_COUNT] = {
    BLANKET_QUOTA_GRANTS,
    BLANKET_QUOTA_MAPPINGS,
    BLANKET_QUOTA_PORTS,
};

struct blanket_slot *blanket_object_slot(const struct blanket_request *request,
                                         enum blanket_table_kind kind, uint64_t item,
                                         uint32_t *place)
{
    const struct blanket_endpoint *endpoint = request->endpoint;
    uint32_t index = blanket_item_index(item);

    if (index >= endpoint->windows[kind].count) {
        return NULL;
    }
    index = request->level->ops->index_nospec(index, endpoint->windows[kind].count);
    return blanket_slot_at(&request->guest->tables[kind], &endpoint->windows[kind],
                           request->endpoint_index, index, place);
}

int blanket_object_find(const struct blanket_request *request, enum blanket_table_kind kind,
                        uint64_t item, uint32_t *place)
{
    const struct blanket_slot *slot = blanket_object_slot(request, kind, item, place);

    return slot ? blanket_slot_live(slot, blanket_item_generation(item)) : -BLANKET_ENOENT;
}

uint64_t blanket_object_below(const struct blanket_request *request, enum blanket_table_kind kind,
                              uint64_t item, uint32_t place)
{
    const struct blanket_window *window = &request->endpoint->windows[kind];
    const struct blanket_slot *slot = &request->guest->tables[kind].slots[place];

    return blanket_item_slot(blanket_item_type(item), window->below_first + place - window->first,
                             __atomic_load_n(&slot->below_generation, __ATOMIC_RELAXED));
}

int blanket_object_reserve(struct blanket_request *request, uint32_t element,
                           enum blanket_table_kind kind, uint64_t item, uint32_t *value)
{
    struct blanket_element *state = &request->context->elements[element];
    struct blanket_table *table = &request->guest->tables[kind];
    struct blanket_slot *slot;
    uint32_t place;
    int rc;

    slot = blanket_object_slot(request, kind, item, &place);
    if (!slot) {
        *value = kind_quota[kind];
        return -BLANKET_ENOSPC;
    }
    rc = blanket_slot_reserve(table, place, blanket_item_generation(item), &state->previous);
    if (rc != 0) {
        *value = rc == -BLANKET_ESTALE ? blanket_slot_newest(slot) : 0;
        return rc;
    }
    state->table = (uint8_t)kind;
    state->owns = BLANKET_OWNS_RESERVED;
    state->place = place;
    request->endpoint->used[kind]++;
    blanket_count_used(request->level, kind, 1);
    return 0;
}

void blanket_object_abandon(struct blanket_level *level, struct blanket_endpoint *endpoint,
                            struct blanket_slot *slot)
{
    slot->state = BLANKET_SLOT_CLOSING;
    if (slot->role != BLANKET_ROLE_NONE) {
        __atomic_store_n(&slot->u.send, 0, __ATOMIC_RELAXED);
        __atomic_fetch_and(&slot->word, ~BLANKET_WORD_BOUND, __ATOMIC_SEQ_CST);
    }
    endpoint->closing++;
    __atomic_fetch_add(&level->counters.closing, 1, __ATOMIC_RELAXED);
}

int blanket_object_close(struct blanket_request *request, uint32_t element,
                         enum blanket_table_kind kind, uint64_t item)
{
    struct blanket_element *state = &request->context->elements[element];
    struct blanket_slot *slot;
    uint32_t place;
    int was_live, rc;

    slot = blanket_object_slot(request, kind, item, &place);
    if (!slot) {
        return -BLANKET_ENOENT;
    }
    was_live = slot->state == BLANKET_SLOT_LIVE;
    rc = blanket_slot_close(slot, blanket_item_generation(item));
    if (rc != 1) {
        return rc;
    }
    if (was_live) {
        blanket_object_abandon(request->level, request->endpoint, slot);
    }
    state->table = (uint8_t)kind;
    state->owns = BLANKET_OWNS_CLOSING;
    state->place = place;
    state->previous = slot->generation; /* of what this element saw closing */
    return 1;
}

static void uncharge(struct blanket_level *level, struct blanket_endpoint *endpoint,
                     enum blanket_table_kind kind)
{
    endpoint->used[kind]--;
    blanket_count_used(level, kind, -1);
}

void blanket_object_release(struct blanket_level *level, struct blanket_guest *guest,
                            struct blanket_endpoint *endpoint, enum blanket_table_kind kind,
                            uint32_t place)
{
    struct blanket_slot *slot = &guest->tables[kind].slots[place];

    if (slot->use != 0) {
        level->ops->unpin(level->host, guest->host, &slot->u.page, slot->use);
    }
    if (slot->state == BLANKET_SLOT_CLOSING) {
        endpoint->closing--;
        __atomic_fetch_sub(&level->counters.closing, 1, __ATOMIC_RELAXED);
    }
    blanket_slot_free(&guest->tables[kind], place);
    uncharge(level, endpoint, kind);
}

/* A create that the below refused: as if it had never been asked for. */
static void refuse_created(struct blanket_request *request, struct blanket_element *state)
{
    enum blanket_table_kind kind = (enum blanket_table_kind)state->table;

    if (state->use != 0) {
        request->level->ops->unpin(request->level->host, request->guest->host, &state->page,
                                   state->use);
    }
    blanket_slot_refused(&request->guest->tables[kind], state->place, state->previous);
    uncharge(request->level, request->endpoint, kind);
}

static void commit_created(struct blanket_request *request, struct blanket_element *state,
                           enum blanket_outcome outcome, int live)
{
    enum blanket_table_kind kind = (enum blanket_table_kind)state->table;
    struct blanket_slot *slot = &request->guest->tables[kind].slots[state->place];

    if (outcome == BLANKET_OUTCOME_REFUSED) {
        refuse_created(request, state);
        return;
    }
    slot->use = state->use;
    if (state->use != 0) {
        slot->u.page = state->page;
    }
    if (outcome == BLANKET_OUTCOME_OK && (request->verb->flags & BLANKET_VERB_SPENT)) {
        blanket_object_release(request->level, request->guest, request->endpoint, kind,
                               state->place);
    } else if (outcome == BLANKET_OUTCOME_OK && live) {
        slot->state = BLANKET_SLOT_LIVE;
    } else {
        blanket_object_abandon(request->level, request->endpoint, slot);
    }
}

enum blanket_slot_state blanket_object_commit(struct blanket_request *request, uint32_t element,
                                              enum blanket_outcome outcome, int live)
{
    struct blanket_element *state = &request->context->elements[element];
    enum blanket_table_kind kind = (enum blanket_table_kind)state->table;
    struct blanket_slot *slot = &request->guest->tables[kind].slots[state->place];

    if (state->owns == BLANKET_OWNS_RESERVED) {
        commit_created(request, state, outcome, live);
    } else if (outcome == BLANKET_OUTCOME_OK && slot->state == BLANKET_SLOT_CLOSING &&
               slot->generation == state->previous) {
        /* Not if the worker was faster, and somebody has used the slot since. */
        blanket_object_release(request->level, request->guest, request->endpoint, kind,
                               state->place);
    }
    return (enum blanket_slot_state)slot->state;
}
