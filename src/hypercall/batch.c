/* SPDX-License-Identifier: MIT */
/*
 * The stages of a batch in the order in which they run:
 *
 *   prepare   guest's lock: names to slots, slots reserved or closing
 *   pin       no lock: pages, held by the reserved slots
 *   perform   no lock: one call below with the elements that are left
 *   commit    guest's lock: each slot gets what became of it
 *   notify    no lock: events that came before their port was bound
 */
#include "batch.h"

#include "check.h"
#include "forward.h"
#include "object.h"
#include "page.h"
#include "port.h"
#include "resolve.h"
#include "verbs.h"

static void refuse(struct blanket_request *request, uint32_t element, int status, uint32_t value,
                   uint8_t reason)
{
    blanket_element_refuse(request, element, status, value);
    request->context->elements[element].reason = reason;
}

/* 0 is "go on" for what only looks a slot up; here that is 1, and 0 means done. */
static int go_on(int rc)
{
    return rc != 0 ? rc : 1;
}

static int prepare_slot(struct blanket_request *request, uint32_t element, uint32_t at,
                        uint64_t item, uint32_t *value)
{
    unsigned effect = at == 0 ? blanket_verb_effect(request->verb->verb) : BLANKET_EFFECT_ACT;
    enum blanket_table_kind kind = blanket_item_type(item) == BLANKET_ITEM_GRANT
                                       ? BLANKET_TABLE_GRANTS
                                       : BLANKET_TABLE_MAPPINGS;
    uint32_t *place = &request->context->elements[element].place;

    if (effect == BLANKET_EFFECT_CREATE) {
        return go_on(blanket_object_reserve(request, element, kind, item, value));
    }
    if (effect == BLANKET_EFFECT_DESTROY) {
        return blanket_object_close(request, element, kind, item);
    }
    if (request->verb->verb == BLANKET_VERB_GRANT_QUERY &&
        blanket_grant_is_closing(request, item)) {
        *value = BLANKET_GRANT_STATE_CLOSING;
        return 0;
    }
    return go_on(blanket_object_find(request, kind, item, place));
}

static int prepare_port(struct blanket_request *request, uint32_t element, uint32_t at,
                        uint64_t item, uint32_t *value)
{
    unsigned effect = at == 0 ? blanket_verb_effect(request->verb->verb) : BLANKET_EFFECT_ACT;
    enum blanket_slot_role role = at == 0 && (request->verb->flags & BLANKET_VERB_STORE)
                                      ? BLANKET_ROLE_STORE
                                      : BLANKET_ROLE_CHANNEL;
    uint32_t *place = &request->context->elements[element].place;

    if (effect == BLANKET_EFFECT_CREATE) {
        return go_on(blanket_evtchn_reserve(request, element, item, role, value));
    }
    if (effect == BLANKET_EFFECT_DESTROY) {
        return blanket_evtchn_close(request, element, item, role);
    }
    return go_on(blanket_evtchn_find(request, item, role, place));
}

/* One element, under the lock: its items in the below's terms to `below`; pages come later. */
static void prepare(struct blanket_request *request, uint32_t element, uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, element);
    struct blanket_element *state = &request->context->elements[element];

    memset(state, 0, sizeof(*state));
    state->state = BLANKET_ELEMENT_BELOW;
    for (uint32_t at = 0; at < request->verb->item_count; at++) {
        unsigned type = blanket_item_type(items[at]);
        enum blanket_table_kind kind = BLANKET_TABLE_PORTS;
        uint32_t value = 0;
        int rc;

        below[at] = items[at];
        if (type == BLANKET_ITEM_PORT) {
            rc = prepare_port(request, element, at, items[at], &value);
        } else if (type == BLANKET_ITEM_GRANT || type == BLANKET_ITEM_MAPPING) {
            kind = type == BLANKET_ITEM_GRANT ? BLANKET_TABLE_GRANTS : BLANKET_TABLE_MAPPINGS;
            rc = prepare_slot(request, element, at, items[at], &value);
        } else {
            continue;
        }
        if (rc != 1) {
            refuse(request, element, rc, value, BLANKET_REASON_OBJECT);
            return;
        }
        below[at] = blanket_object_below(request, kind, items[at], state->place);
    }
}

/* Pages of one element; what is refused here gives its slot back at commit. */
static void pin(struct blanket_request *request, uint32_t element, uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, element);

    for (uint32_t at = 0; at < request->verb->item_count; at++) {
        unsigned type = blanket_item_type(items[at]);
        int rc;

        if (type != BLANKET_ITEM_FRAME && type != BLANKET_ITEM_OWN_GRANT) {
            continue;
        }
        rc = blanket_grant_pin(request, element, items[at], &below[at]);
        if (rc != 0) {
            rc = blanket_errno_is_answer(rc) ? rc : -BLANKET_EINVAL; /* EIO isn't the host's */
            refuse(request, element, rc, 0, BLANKET_REASON_PAGE);
            return;
        }
    }
}

/* The value that may go with a status from below: of ours is only what docs/abi.md gives a meaning. */
static uint32_t value_of(int status, uint32_t value)
{
    if (status == 0 || status == -BLANKET_ESTALE) {
        return value;
    }
    return status == -BLANKET_ENOSPC && value < BLANKET_QUOTA_COUNT ? value : 0;
}

/* Is it an answer at all? Our create has a generation that this level never used there before. */
static int is_answer(const struct blanket_request *request, const struct blanket_element *state,
                     int status, uint32_t value)
{
    const struct blanket_table *table = &request->guest->tables[state->table];

    if (status == -BLANKET_ESTALE) {
        return state->owns == BLANKET_OWNS_RESERVED &&
               value >= table->slots[state->place].below_generation;
    }
    if (status == -BLANKET_EEXIST) {
        return 0; /* so this is our own create, which came twice: it is live below */
    }
    return blanket_errno_is_answer(status);
}

/* What an element's reply from below means. Not begun (beyond done) is refused: nothing was done. */
static enum blanket_outcome outcome_of(struct blanket_request *request, uint32_t element,
                                       const struct blanket_call *call, int rc, uint64_t *result)
{
    const struct blanket_element *state = &request->context->elements[element];
    uint32_t index = state->index_below;
    int status = rc;
    uint32_t value = call->detail;

    if (rc == 0 && index >= call->done) {
        *result = blanket_result(-BLANKET_EAGAIN, 0);
        return BLANKET_OUTCOME_REFUSED;
    }
    if (rc == 0) {
        status = blanket_result_status(request->context->results_below[index]);
        value = blanket_result_value(request->context->results_below[index]);
    }
    if (!is_answer(request, state, status, value)) {
        *result = blanket_result(-BLANKET_EIO, 0);
        return BLANKET_OUTCOME_UNKNOWN;
    }
    *result = blanket_result(status, value_of(status, value));
    return status == 0 ? BLANKET_OUTCOME_OK : BLANKET_OUTCOME_REFUSED;
}

/* The below's slot is ahead of ours (we, or our slot's owner, are new): catch up, try again later. */
static uint64_t catch_up(struct blanket_request *request, uint32_t element, uint32_t newest)
{
    const struct blanket_element *state = &request->context->elements[element];
    struct blanket_slot *slot = &request->guest->tables[state->table].slots[state->place];

    __atomic_store_n(&slot->below_generation, newest, __ATOMIC_RELAXED);
    return blanket_result(-BLANKET_EAGAIN, 0);
}

/* What the caller is told of an object that is being taken down: what it created is lost; a destroy that
 * has begun here isn't refused any more, whatever the below said. */
static uint64_t closing_result(unsigned effect)
{
    return effect == BLANKET_EFFECT_CREATE ? blanket_result(-BLANKET_EIO, 0)
                                           : blanket_result(-BLANKET_EBUSY, 0);
}

static void commit_one(struct blanket_request *request, uint32_t element, uint64_t result,
                       enum blanket_outcome outcome, int live)
{
    struct blanket_element *state = &request->context->elements[element];
    unsigned effect = blanket_verb_effect(request->verb->verb);
    enum blanket_slot_state slot_state;

    if (state->state == BLANKET_ELEMENT_BELOW) {
        state->reason = outcome == BLANKET_OUTCOME_UNKNOWN ? BLANKET_REASON_LOST
                                                           : BLANKET_REASON_BELOW;
    }
    if (state->owns != BLANKET_OWNS_NOTHING) {
        slot_state = blanket_object_commit(request, element, outcome, live);
        if (state->state == BLANKET_ELEMENT_BELOW &&
            blanket_result_status(result) == -BLANKET_ESTALE) {
            result = catch_up(request, element, blanket_result_value(result));
        }
        if (slot_state == BLANKET_SLOT_CLOSING &&
            (effect == BLANKET_EFFECT_CREATE || outcome != BLANKET_OUTCOME_OK)) {
            result = closing_result(effect);
        }
        if (slot_state == BLANKET_SLOT_LIVE && state->owns == BLANKET_OWNS_RESERVED &&
            state->table == BLANKET_TABLE_PORTS) {
            state->bound = 1;
            state->word = blanket_evtchn_bound(request, state->place);
        }
    }
    if (request->verb->verb == BLANKET_VERB_EVTCHN_STATUS && outcome == BLANKET_OUTCOME_OK) {
        result = blanket_result(0, blanket_evtchn_status(request,
                                                         *blanket_element_items(request, element),
                                                         blanket_result_value(result)));
    }
    request->context->results[request->batch_first + element] = result;
}

/* All elements, under the lock. Returns how many are done. */
static uint32_t commit(struct blanket_request *request, const struct blanket_call *call, int rc)
{
    int live = blanket_endpoint_effective(request->guest, request->endpoint) ==
               BLANKET_ENDPOINT_LIVE;
    uint32_t done = request->batch_count;

    for (uint32_t element = 0; element < request->batch_count; element++) {
        struct blanket_element *state = &request->context->elements[element];
        uint64_t result = request->context->results[request->batch_first + element];
        enum blanket_outcome outcome = BLANKET_OUTCOME_REFUSED;

        if (state->state == BLANKET_ELEMENT_BELOW) {
            outcome = outcome_of(request, element, call, rc, &result);
            if (rc == 0 && state->index_below >= call->done && element < done) {
                done = element;
            }
        }
        commit_one(request, element, result, outcome, live);
    }
    return done;
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
    uint32_t width = request->verb->item_count;
    uint64_t *below = blanket_forward_items(request);
    struct blanket_call call;
    uint32_t count = 0, done;
    int rc = 0;

    level->ops->lock(level->host, request->guest_id);
    for (uint32_t element = 0; element < request->batch_count; element++) {
        prepare(request, element, below + (size_t)element * width);
    }
    level->ops->unlock(level->host, request->guest_id);
    for (uint32_t element = 0; element < request->batch_count; element++) {
        struct blanket_element *state = &request->context->elements[element];

        if (state->state == BLANKET_ELEMENT_BELOW) {
            pin(request, element, below + (size_t)element * width);
        }
        if (state->state == BLANKET_ELEMENT_BELOW) {
            state->index_below = count;
            memmove(below + (size_t)count * width, below + (size_t)element * width,
                    width * sizeof(*below));
            count++;
        }
    }
    memset(&call, 0, sizeof(call));
    if (count != 0) {
        rc = blanket_forward(request, &call, count);
    }
    level->ops->lock(level->host, request->guest_id);
    done = commit(request, &call, rc);
    level->ops->unlock(level->host, request->guest_id);
    aftermath(request, done);
    return done;
}

void blanket_batch_undo(struct blanket_request *request, uint32_t first, uint32_t end)
{
    struct blanket_level *level = request->level;

    level->ops->lock(level->host, request->guest_id);
    for (uint32_t i = first; i < end; i++) {
        uint64_t item = request->items[i * request->verb->item_count];
        unsigned type = blanket_item_type(item);
        enum blanket_table_kind kind = type == BLANKET_ITEM_GRANT     ? BLANKET_TABLE_GRANTS
                                       : type == BLANKET_ITEM_MAPPING ? BLANKET_TABLE_MAPPINGS
                                                                      : BLANKET_TABLE_PORTS;
        uint32_t place;

        if (blanket_result_status(request->context->results[i]) == 0 &&
            blanket_object_find(request, kind, item, &place) == 0) {
            blanket_object_abandon(level, request->endpoint,
                                   &request->guest->tables[kind].slots[place]);
        }
    }
    level->ops->unlock(level->host, request->guest_id);
    blanket_guest_kick(level, request->guest, 1);
}
