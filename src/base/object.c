/* SPDX-License-Identifier: MIT */
#include "object.h"

_Static_assert(sizeof(struct blanket_endpoint) <= 256, "an endpoint is at most 256 bytes");

uint32_t blanket_object_refusal(const struct blanket_reach *reach, uint64_t item, int status)
{
    static const uint8_t quota[BLANKET_TABLE_COUNT] = {
        BLANKET_QUOTA_GRANTS,
        BLANKET_QUOTA_MAPPINGS,
        BLANKET_QUOTA_PORTS,
    };
    uint32_t place;

    if (status == -BLANKET_ENOSPC) {
        return quota[reach->kind];
    }
    return status == -BLANKET_ESTALE ? blanket_slot_newest(blanket_object_slot(reach, item, &place))
                                     : 0;
}

/* A create that the below refused: as if it had never been asked for. */
static void refuse_created(struct blanket_request *request, const struct blanket_reach *reach,
                           const struct blanket_element *state)
{
    if (state->use != 0) {
        request->level->ops->unpin(request->level->host, request->guest->host, &state->page,
                                   state->use);
    }
    blanket_slot_refused(&reach->table, state->place, state->previous);
    request->used_change--;
}

static void commit_created(struct blanket_request *request, const struct blanket_reach *reach,
                           const struct blanket_element *state, enum blanket_outcome outcome,
                           int live)
{
    if (outcome == BLANKET_OUTCOME_REFUSED) {
        refuse_created(request, reach, state);
        return;
    }
    blanket_object_fill(reach, state);
    if (outcome == BLANKET_OUTCOME_OK && (request->verb->flags & BLANKET_VERB_SPENT)) {
        blanket_object_release(request, reach, state->place);
    } else if (outcome != BLANKET_OUTCOME_OK || !live) {
        blanket_object_abandon(request, &reach->table.slots[state->place]);
    }
}

enum blanket_slot_state blanket_object_commit(struct blanket_request *request,
                                              const struct blanket_reach *reach,
                                              const struct blanket_element *state,
                                              enum blanket_outcome outcome, int live)
{
    if (state->owns == BLANKET_OWNS_RESERVED) {
        commit_created(request, reach, state, outcome, live);
    } else if (outcome == BLANKET_OUTCOME_OK) {
        blanket_object_gone(request, reach, state);
    }
    return (enum blanket_slot_state)reach->table.slots[state->place].state;
}

void blanket_object_settle(struct blanket_request *request, enum blanket_table_kind kind)
{
    struct blanket_endpoint *endpoint = request->endpoint;

    if (request->used_change != 0) {
        endpoint->used[kind] += (uint32_t)request->used_change;
        blanket_count_used(request->level, kind, request->used_change);
        request->used_change = 0;
    }
    if (request->closing_change != 0) {
        endpoint->closing += (uint32_t)request->closing_change;
        __atomic_fetch_add(&request->level->counters.closing, (uint32_t)request->closing_change,
                           __ATOMIC_RELAXED);
        request->closing_change = 0;
    }
}
