/* SPDX-License-Identifier: MIT */
#include "prepare.h"

#include "page.h"
#include "port.h"
#include "verbs.h"

static void refuse(struct blanket_request *request, uint32_t element, int status, uint32_t value,
                   uint8_t reason)
{
    request->batch_refused++;
    blanket_element_refuse(request, element, status, value);
    request->context->elements[element].reason = reason;
}

/* 0 is "go on" for what only looks a slot up; here that is 1, and 0 means done. */
static int go_on(int rc)
{
    return rc != 0 ? rc : 1;
}

/* What an element acts on. 1: to the below; else what the element gets at once. */
static int prepare_object(struct blanket_request *request, const struct blanket_reach *reach,
                          struct blanket_element *state, uint64_t item, uint32_t *value)
{
    uint16_t verb = request->verb->verb;
    enum blanket_slot_role role = request->verb->flags & BLANKET_VERB_STORE ? BLANKET_ROLE_STORE
                                                                            : BLANKET_ROLE_CHANNEL;
    int rc;

    if (reach->kind != BLANKET_TABLE_PORTS) {
        if (verb == BLANKET_VERB_GRANT_QUERY && blanket_grant_is_closing(reach, item)) {
            *value = BLANKET_GRANT_STATE_CLOSING;
            return 0;
        }
        return go_on(blanket_object_find(reach, item, &state->place));
    }
    if (blanket_verb_effect(verb) == BLANKET_EFFECT_CREATE) {
        rc = blanket_evtchn_reserve(request, reach, state, item, role);
        *value = blanket_object_refusal(reach, item, rc);
        return go_on(rc);
    }
    if (blanket_verb_effect(verb) == BLANKET_EFFECT_DESTROY) {
        return blanket_evtchn_close(request, reach, state, item, role);
    }
    return go_on(blanket_evtchn_find(reach, item, role, &state->place));
}

/* The slot that an element needs live beside what it acts on. 1, or what the element gets. */
static int prepare_other(const struct blanket_request *request, uint64_t item, uint64_t *below)
{
    int is_port = blanket_item_type(item) == BLANKET_ITEM_PORT;
    const struct blanket_reach reach = blanket_object_reach(
        request, is_port ? BLANKET_TABLE_PORTS : BLANKET_TABLE_GRANTS);
    uint32_t place;
    int rc = is_port ? blanket_evtchn_find(&reach, item, BLANKET_ROLE_CHANNEL, &place)
                     : blanket_object_find(&reach, item, &place);

    if (rc == 0) {
        *below = blanket_object_below(&reach, item, place);
    }
    return go_on(rc);
}

static void begin(struct blanket_element *state, uint32_t element)
{
    state->index_below = element; /* until one before it is refused */
    state->state = BLANKET_ELEMENT_BELOW;
    state->owns = BLANKET_OWNS_NOTHING;
    state->use = 0;
    state->reason = 0;
    state->bound = 0;
    state->own = 0;
}

/*
 * All elements, under the lock: their items in the below's terms to `below`; pages come later. What makes
 * and ends grants and mappings has loops of its own, because they are what comes in large batches.
 */
static void prepare_any(struct blanket_request *request, const struct blanket_reach *reach,
                        uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, 0);
    const struct blanket_verb_info *verb = request->verb;
    const uint32_t width = verb->item_count, other = verb->other;

    for (uint32_t element = 0; element < request->batch_count; element++) {
        struct blanket_element *state = &request->context->elements[element];
        uint32_t value = 0;
        int rc;

        begin(state, element);
        for (uint32_t at = 1; at < width; at++) {
            below[at] = items[at];
        }
        rc = prepare_object(request, reach, state, items[0], &value);
        if (rc == 1 && other != 0) {
            rc = prepare_other(request, items[other], &below[other]);
        }
        if (rc == 1) {
            below[0] = blanket_object_below(reach, items[0], state->place);
        } else {
            refuse(request, element, rc, value, BLANKET_REASON_OBJECT);
        }
        items += width;
        below += width;
    }
}

static void prepare_creates(struct blanket_request *request, const struct blanket_reach *reach,
                            uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, 0);
    const uint32_t width = request->verb->item_count, count = request->batch_count;
    struct blanket_element *state = request->context->elements;

    for (uint32_t element = 0; element < count; element++, state++) {
        int rc;

        begin(state, element);
        for (uint32_t at = 1; at < width; at++) {
            below[at] = items[at];
        }
        rc = blanket_object_reserve(request, reach, state, items[0]);
        if (rc == 0) {
            below[0] = blanket_object_below(reach, items[0], state->place);
        } else {
            refuse(request, element, rc, blanket_object_refusal(reach, items[0], rc),
                   BLANKET_REASON_OBJECT);
        }
        items += width;
        below += width;
    }
}

static void prepare_destroys(struct blanket_request *request, const struct blanket_reach *reach,
                             uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, 0);
    const uint32_t count = request->batch_count;
    struct blanket_element *state = request->context->elements;

    for (uint32_t element = 0; element < count; element++, state++) {
        int rc;

        begin(state, element);
        rc = blanket_object_close(request, reach, state, items[element]);
        if (rc == 1) {
            below[element] = blanket_object_below(reach, items[element], state->place);
        } else {
            refuse(request, element, rc, 0, BLANKET_REASON_OBJECT);
        }
    }
}

/* Pages, without the lock; what is refused here gives its slot back at commit. */
static void pin(struct blanket_request *request, uint64_t *below)
{
    const uint64_t *items = blanket_element_items(request, 0) + request->verb->page;
    const uint32_t width = request->verb->item_count, count = request->batch_count;
    struct blanket_element *state = request->context->elements;

    below += request->verb->page;
    for (uint32_t element = 0; element < count; element++, state++) {
        int rc = 0;

        if (state->state == BLANKET_ELEMENT_BELOW) {
            rc = blanket_grant_pin(request, state, *items, below);
        }
        if (rc != 0) {
            rc = blanket_errno_is_answer(rc) ? rc : -BLANKET_EINVAL; /* EIO isn't the host's */
            refuse(request, element, rc, 0, BLANKET_REASON_PAGE);
        }
        items += width;
        below += width;
    }
}

/* What is left for the below, in one piece. Returns how many elements that is. */
static uint32_t gather(struct blanket_request *request, uint64_t *below)
{
    const uint32_t width = request->verb->item_count, count = request->batch_count;
    struct blanket_element *state = request->context->elements;
    uint32_t next = 0;

    if (request->batch_refused == 0) {
        return count;
    }
    for (uint32_t element = 0; element < count; element++, state++) {
        if (state->state != BLANKET_ELEMENT_BELOW) {
            continue;
        }
        state->index_below = next;
        memmove(below + (size_t)next * width, below + (size_t)element * width,
                width * sizeof(*below));
        next++;
    }
    return next;
}

uint32_t blanket_batch_prepare(struct blanket_request *request, uint64_t *below)
{
    struct blanket_level *level = request->level;
    const struct blanket_reach reach = blanket_object_reach(request,
                                                            blanket_verb_kind(request->verb));
    unsigned effect = blanket_verb_effect(request->verb->verb);

    request->batch_refused = 0;
    level->ops->lock(level->host, request->guest_id);
    if (reach.kind == BLANKET_TABLE_PORTS || effect < BLANKET_EFFECT_CREATE) {
        prepare_any(request, &reach, below);
    } else if (effect == BLANKET_EFFECT_CREATE) {
        prepare_creates(request, &reach, below);
    } else {
        prepare_destroys(request, &reach, below);
    }
    blanket_object_settle(request, reach.kind);
    level->ops->unlock(level->host, request->guest_id);
    if (request->verb->page != 0) {
        pin(request, below);
    }
    return gather(request, below);
}
