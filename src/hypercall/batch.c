/* SPDX-License-Identifier: MIT */
/*
 * The stages of a batch in the order in which they run:
 *
 *   prepare   guest's lock: names to slots, slots reserved or closing   (prepare.c)
 *   pin       no lock: pages, held by the reserved slots                (prepare.c)
 *   perform   no lock: one call below with the elements that are left
 *   commit    guest's lock: each slot gets what became of it
 *   notify    no lock: events that came before their port was bound
 */
#include "batch.h"

#include "check.h"
#include "forward.h"
#include "object.h"
#include "port.h"
#include "prepare.h"
#include "resolve.h"
#include "verbs.h"

/* The value that may go with a status from below: of ours is only what docs/abi.md gives a meaning. */
static uint32_t value_of(int status, uint32_t value)
{
    if (status == 0 || status == -BLANKET_ESTALE) {
        return value;
    }
    return status == -BLANKET_ENOSPC && value < BLANKET_QUOTA_COUNT ? value : 0;
}

/* Is it an answer at all? Our create has a generation that this level never used there before. */
static int is_answer(const struct blanket_reach *reach, const struct blanket_element *state,
                     int status, uint32_t value)
{
    if (status == -BLANKET_ESTALE) {
        return state->owns == BLANKET_OWNS_RESERVED &&
               value >= reach->table.slots[state->place].below_generation;
    }
    if (status == -BLANKET_EEXIST) {
        return 0; /* so this is our own create, which came twice: it is live below */
    }
    return blanket_errno_is_answer(status);
}

/* What an element's reply from below means. Not begun (beyond done) is refused: nothing was done. */
static enum blanket_outcome outcome_of(const struct blanket_reach *reach,
                                       const struct blanket_element *state,
                                       const struct blanket_call *call, int rc, uint64_t *result)
{
    uint32_t index = state->index_below;
    int status = rc;
    uint32_t value = call->detail;

    if (rc == 0 && index >= call->done) {
        *result = blanket_result(-BLANKET_EAGAIN, 0);
        return BLANKET_OUTCOME_REFUSED;
    }
    if (rc == 0) {
        status = blanket_result_status(call->results[index]);
        value = blanket_result_value(call->results[index]);
    }
    if (!is_answer(reach, state, status, value)) {
        *result = blanket_result(-BLANKET_EIO, 0);
        return BLANKET_OUTCOME_UNKNOWN;
    }
    *result = blanket_result(status, value_of(status, value));
    return status == 0 ? BLANKET_OUTCOME_OK : BLANKET_OUTCOME_REFUSED;
}

/* The below's slot is ahead of ours (we, or our slot's owner, are new): catch up, try again later. */
static uint64_t catch_up(const struct blanket_reach *reach, const struct blanket_element *state,
                         uint32_t newest)
{
    __atomic_store_n(&reach->table.slots[state->place].below_generation, newest, __ATOMIC_RELAXED);
    return blanket_result(-BLANKET_EAGAIN, 0);
}

/* What the caller is told of an object that is being taken down: what it created is lost; a destroy that
 * has begun here isn't refused any more, whatever the below said. */
static uint64_t closing_result(unsigned effect)
{
    return effect == BLANKET_EFFECT_CREATE ? blanket_result(-BLANKET_EIO, 0)
                                           : blanket_result(-BLANKET_EBUSY, 0);
}

/* Returns the element's result. */
static uint64_t commit_object(struct blanket_request *request, const struct blanket_reach *reach,
                              struct blanket_element *state, uint64_t result,
                              enum blanket_outcome outcome, int live)
{
    unsigned effect = blanket_verb_effect(request->verb->verb);
    enum blanket_slot_state slot_state = blanket_object_commit(request, reach, state, outcome,
                                                               live);

    if (state->state == BLANKET_ELEMENT_BELOW && blanket_result_status(result) == -BLANKET_ESTALE) {
        result = catch_up(reach, state, blanket_result_value(result));
    }
    if (slot_state == BLANKET_SLOT_CLOSING &&
        (effect == BLANKET_EFFECT_CREATE || outcome != BLANKET_OUTCOME_OK)) {
        result = closing_result(effect);
    }
    if (slot_state == BLANKET_SLOT_LIVE && state->owns == BLANKET_OWNS_RESERVED &&
        reach->kind == BLANKET_TABLE_PORTS) {
        state->bound = 1;
        state->word = blanket_evtchn_bound(request, state->place);
    }
    return result;
}

/* All elements, under the lock. Returns how many are done. */
static uint32_t commit(struct blanket_request *request, const struct blanket_reach *reach,
                       const struct blanket_call *call, int rc, int live)
{
    const uint64_t *items = blanket_element_items(request, 0);
    uint64_t *results = &request->context->results[request->batch_first];
    uint32_t done = request->batch_count;

    for (uint32_t element = 0; element < request->batch_count; element++) {
        struct blanket_element *state = &request->context->elements[element];
        enum blanket_outcome outcome = BLANKET_OUTCOME_REFUSED;
        uint64_t result = results[element];

        if (state->state == BLANKET_ELEMENT_BELOW) {
            outcome = outcome_of(reach, state, call, rc, &result);
            state->reason = outcome == BLANKET_OUTCOME_UNKNOWN ? BLANKET_REASON_LOST
                                                               : BLANKET_REASON_BELOW;
            if (rc == 0 && state->index_below >= call->done && element < done) {
                done = element;
            }
        }
        if (state->owns != BLANKET_OWNS_NOTHING) {
            result = commit_object(request, reach, state, result, outcome, live);
        }
        if (request->verb->verb == BLANKET_VERB_EVTCHN_STATUS && outcome == BLANKET_OUTCOME_OK) {
            result = blanket_result(
                0, blanket_evtchn_status(reach, items[element], blanket_result_value(result)));
        }
        results[element] = result;
    }
    return done;
}

/* May commit_smooth do it? All went below, all came back well, and it is of grants or mappings. */
static int is_smooth(const struct blanket_request *request, const struct blanket_reach *reach,
                     const struct blanket_call *call, int rc)
{
    const unsigned effect = blanket_verb_effect(request->verb->verb);
    const uint32_t count = request->batch_count;
    uint32_t bad = 0;

    if (rc != 0 || call->element_count != count || call->done != count ||
        reach->kind == BLANKET_TABLE_PORTS || (request->verb->flags & BLANKET_VERB_SPENT) ||
        (effect != BLANKET_EFFECT_CREATE && effect != BLANKET_EFFECT_DESTROY)) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        bad |= (uint32_t)blanket_result_status(call->results[i]);
    }
    return bad == 0;
}

/* What commit comes to when nothing went wrong anywhere; the endpoint is live. */
static void commit_smooth(struct blanket_request *request, const struct blanket_reach *reach,
                          const struct blanket_call *call)
{
    const uint32_t count = request->batch_count;
    const struct blanket_element *state = request->context->elements;

    memcpy(&request->context->results[request->batch_first], call->results,
           count * sizeof(*call->results));
    if (state->owns == BLANKET_OWNS_RESERVED) {
        for (uint32_t i = 0; i < count; i++) {
            blanket_object_fill(reach, &state[i]);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            blanket_object_gone(request, reach, &state[i]);
        }
    }
}

static uint8_t reason_of(const struct blanket_element *state, int status)
{
    return status == -BLANKET_ENOSPC ? (uint8_t)BLANKET_REASON_QUOTA : state->reason;
}

#define KICK_SOON 1u
#define KICK_LATER 2u

/* What the worker has to do with an element. A destroy that was lost may be lost again: no hurry, or
 * the worker would kick itself. */
static unsigned kick_of(const struct blanket_element *state, int status)
{
    if (status != 0 && state->owns == BLANKET_OWNS_CLOSING) {
        return KICK_LATER;
    }
    return status == -BLANKET_EIO && state->owns == BLANKET_OWNS_RESERVED ? KICK_SOON : 0;
}

/* After the lock: events that came first, the worker, the trace. */
static void aftermath(struct blanket_request *request, uint32_t done)
{
    struct blanket_level *level = request->level;
    unsigned kicks = 0;

    for (uint32_t element = 0; element < request->batch_count; element++) {
        const struct blanket_element *state = &request->context->elements[element];
        uint64_t result = request->context->results[request->batch_first + element];
        int status = blanket_result_status(result);

        kicks |= kick_of(state, status);
        if (element >= done) {
            continue; /* not begun, though perhaps closing by now */
        }
        if (state->bound && (state->word & BLANKET_WORD_PENDING)) {
            blanket_port_notify(level, request->guest, state->place,
                                state->word | BLANKET_WORD_BOUND);
        }
        if (status != 0 && state->reason == BLANKET_REASON_LOST) {
            blanket_count(&level->counters.lost);
        }
        if (status != 0) {
            blanket_acl_trace(request, status, reason_of(state, status),
                              status == -BLANKET_ENOSPC ? blanket_result_value(result) : 0);
        }
    }
    if (kicks != 0 && request->vcpu == level->limits.vcpus) {
        level->ops->kick(level->host, 0); /* the worker itself, which has noted what waits */
    } else if (kicks != 0) {
        blanket_guest_kick(level, request->guest, (kicks & KICK_SOON) != 0);
    }
}

uint32_t blanket_batch(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    const struct blanket_reach reach = blanket_object_reach(request,
                                                            blanket_verb_kind(request->verb));
    uint32_t count = blanket_batch_prepare(request, blanket_forward_items(request));
    uint32_t done = request->batch_count;
    struct blanket_call call;
    int live, smooth, rc = 0;

    memset(&call, 0, sizeof(call));
    if (count != 0) {
        rc = blanket_forward(request, &call, count);
    }
    level->ops->lock(level->host, request->guest_id);
    live = blanket_endpoint_effective(request->guest, request->endpoint) == BLANKET_ENDPOINT_LIVE;
    smooth = live && is_smooth(request, &reach, &call, rc);
    if (smooth) {
        commit_smooth(request, &reach, &call);
    } else {
        done = commit(request, &reach, &call, rc, live);
    }
    blanket_object_settle(request, reach.kind);
    level->ops->unlock(level->host, request->guest_id);
    if (!smooth) {
        aftermath(request, done);
    }
    return done;
}

void blanket_batch_undo(struct blanket_request *request, uint32_t first, uint32_t end)
{
    struct blanket_level *level = request->level;
    const struct blanket_reach reach = blanket_object_reach(request,
                                                            blanket_verb_kind(request->verb));

    level->ops->lock(level->host, request->guest_id);
    for (uint32_t i = first; i < end; i++) {
        uint64_t item = request->items[i * request->verb->item_count];
        uint32_t place;

        if (blanket_result_status(request->context->results[i]) == 0 &&
            blanket_object_find(&reach, item, &place) == 0) {
            blanket_object_abandon(request, &reach.table.slots[place]);
        }
    }
    blanket_object_settle(request, reach.kind);
    level->ops->unlock(level->host, request->guest_id);
    blanket_guest_kick(level, request->guest, 1);
}
