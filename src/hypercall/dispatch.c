/* SPDX-License-Identifier: MIT */
/*
 * The hall: the page to read. One call goes from the top to the bottom of blanket_call:
 *
 *   fetch, check   hypercall/frame.c    a private copy, each byte read once
 *   pin            acl/resolve.c        the endpoint, then every ancestor
 *   hook           acl/check.c          the mandatory right, then the policy
 *   here           acl/, evtchn/        verbs that this level serves, or
 *   batch          hypercall/batch.c    prepare (prepare.c), perform below (forward.c), commit
 *   reply          hypercall/frame.c    what can't be told is taken down
 *   unpin          acl/resolve.c
 */
#include "batch.h"
#include "check.h"
#include "derive.h"
#include "frame.h"
#include "port.h"
#include "query.h"
#include "resolve.h"
#include "verbs.h"

/* Verbs of a whole call that this level serves. */
static int serve_here(struct blanket_request *request)
{
    switch (request->verb->verb) {
    case BLANKET_VERB_ENDPOINT_QUERY:
        return blanket_endpoint_query(request);
    case BLANKET_VERB_ENDPOINT_LOOKUP:
        return blanket_endpoint_lookup(request);
    case BLANKET_VERB_ENDPOINT_EVENTS:
        return blanket_endpoint_events(request);
    case BLANKET_VERB_ENDPOINT_DERIVE:
        return blanket_endpoint_derive(request);
    case BLANKET_VERB_ENDPOINT_REVOKE:
        return blanket_endpoint_revoke_child(request);
    default:
        return blanket_endpoint_reset(request);
    }
}

/* The same for a batch of ports. */
static uint32_t ports_here(struct blanket_request *request)
{
    for (uint32_t i = 0; i < request->batch_count; i++) {
        int rc = blanket_evtchn_here(request, blanket_element_items(request, i));

        request->context->results[request->batch_first + i] = blanket_result(rc, 0);
        if (rc != 0) {
            blanket_acl_trace(request, rc, BLANKET_REASON_OBJECT, 0);
        }
    }
    return request->batch_count;
}

static int serve_batches(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    uint16_t next = request->element_first;

    do {
        uint32_t left = (uint32_t)request->element_count - next;
        uint32_t done;

        request->batch_first = next;
        request->batch_count = (uint16_t)(left < BLANKET_ELEMENT_COUNT_MAX
                                              ? left
                                              : BLANKET_ELEMENT_COUNT_MAX);
        done = request->verb->flags & BLANKET_VERB_HERE ? ports_here(request)
                                                        : blanket_batch(request);
        next = (uint16_t)(next + done);
        request->done = next;
        if (done < request->batch_count) {
            break; /* the below stopped here, after one at least: our caller goes on from there */
        }
    } while (next < request->element_count && !level->ops->preempt(level->host));
    return 0;
}

static int serve(struct blanket_request *request)
{
    int rc = blanket_acl_check(request, 0);

    if (rc != 0) {
        return rc;
    }
    if (request->verb->item_count != 0 && request->verb->verb >> 12 != BLANKET_ROOM_ENDPOINT) {
        return serve_batches(request);
    }
    rc = serve_here(request);
    if (rc == 0 && request->element_count != 0) {
        request->context->results[0] = blanket_result(0, 0);
        request->done = 1;
    }
    return rc;
}

/* A destroy on an endpoint of which nothing is left: all of it is done. */
static int serve_gone(struct blanket_request *request)
{
    for (uint32_t i = request->element_first; i < request->element_count; i++) {
        request->context->results[i] = blanket_result(0, 0);
    }
    request->done = request->element_count;
    return 0;
}

/* What the call made, or took, is as if nobody had asked for it. */
static void undo(struct blanket_request *request)
{
    if (request->verb->verb == BLANKET_VERB_ENDPOINT_DERIVE) {
        (void)blanket_endpoint_revoke_child(request);
    } else if (request->verb->verb == BLANKET_VERB_ENDPOINT_EVENTS) {
        blanket_endpoint_events_undo(request);
    } else if (blanket_verb_effect(request->verb->verb) == BLANKET_EFFECT_CREATE) {
        blanket_batch_undo(request, request->element_first, request->done);
    }
}

static int call_frame(struct blanket_request *request, uint64_t address)
{
    int pinned = 0;
    int rc = blanket_frame_fetch(request, address);

    if (rc != 0) {
        blanket_acl_trace(request, rc, request->reason, 0);
        return rc;
    }
    rc = blanket_endpoint_pin(request);
    if (rc == BLANKET_PIN_GONE) {
        rc = serve_gone(request);
    } else if (rc == 0) {
        pinned = 1;
        rc = serve(request);
    }
    if (rc != 0) {
        blanket_acl_trace(request, rc, request->reason,
                          rc == -BLANKET_ENOSPC ? request->detail : 0);
    }
    if (blanket_frame_reply(request, address, rc) != 0 && rc == 0) {
        rc = -BLANKET_EIO; /* performed, and nobody knows: what came to be goes */
        if (pinned) {
            undo(request);
        }
    }
    if (pinned) {
        blanket_endpoint_unpin(request->level, request->guest, request->endpoint);
    }
    return rc;
}

static int begin(struct blanket_request *request, struct blanket_level *level, uint32_t id,
                 uint32_t vcpu)
{
    memset(request, 0, sizeof(*request));
    blanket_count(&level->counters.calls);
    request->level = level;
    request->guest = blanket_guest_find(level, id);
    request->guest_id = id;
    request->vcpu = vcpu;
    if (!request->guest || vcpu >= level->limits.vcpus) {
        return -BLANKET_EPERM;
    }
    request->vcpu = level->ops->index_nospec(vcpu, level->limits.vcpus);
    request->context = &level->contexts[request->vcpu];
    return 0;
}

int blanket_call(struct blanket_level *level, uint32_t id, uint32_t vcpu, uint64_t address)
{
    struct blanket_request request;
    int rc = begin(&request, level, id, vcpu);

    if (rc != 0) {
        return rc;
    }
    if (__atomic_exchange_n(&request.context->busy, 1, __ATOMIC_ACQUIRE) != 0) {
        return -BLANKET_EBUSY;
    }
    rc = call_frame(&request, address);
    __atomic_store_n(&request.context->busy, 0, __ATOMIC_RELEASE);
    return rc;
}

int blanket_send(struct blanket_level *level, uint32_t id, uint32_t vcpu, uint64_t endpoint,
                 uint64_t port)
{
    struct blanket_request request;
    int rc = begin(&request, level, id, vcpu);

    if (rc != 0) {
        return rc;
    }
    request.verb = blanket_verb_find(BLANKET_VERB_EVTCHN_SEND);
    request.handle = endpoint;
    request.items = &port;
    request.item_count = 1;
    request.reason = BLANKET_REASON_MALFORMED;
    rc = blanket_frame_check_verb(request.verb, &port, 1, 0, 0);
    if (rc == 0) {
        rc = blanket_endpoint_pin(&request);
    }
    if (rc == 0) {
        rc = blanket_evtchn_send(&request, port);
        blanket_endpoint_unpin(level, request.guest, request.endpoint);
    }
    if (rc != 0) {
        blanket_acl_trace(&request, rc, request.reason, 0);
    }
    return rc;
}

/* All of them zero from `first` on. */
static int are_unused(const uint64_t *arguments, uint32_t first)
{
    for (uint32_t i = first; i < BLANKET_ARGUMENT_COUNT; i++) {
        if (arguments[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static int hypercall_send(struct blanket_level *level, uint32_t id, uint32_t vcpu,
                          const uint64_t *arguments)
{
    /* Slot, generation, index, generation: 32 bits each, 16 for the index. */
    if ((arguments[0] | arguments[1] | arguments[3]) > UINT32_MAX ||
        arguments[2] > BLANKET_SLOT_INDEX_MAX) {
        return -BLANKET_EINVAL;
    }
    return blanket_send(
        level, id, vcpu, blanket_handle((uint32_t)arguments[0], (uint32_t)arguments[1]),
        blanket_item_slot(BLANKET_ITEM_PORT, (uint32_t)arguments[2], (uint32_t)arguments[3]));
}

int blanket_hypercall(struct blanket_level *level, uint32_t id, uint32_t vcpu, uint64_t form,
                      const uint64_t arguments[BLANKET_ARGUMENT_COUNT])
{
    if (form == BLANKET_FORM_CALL) {
        return are_unused(arguments, 1) ? blanket_call(level, id, vcpu, arguments[0])
                                        : -BLANKET_EINVAL;
    }
    if (form == BLANKET_FORM_SEND) {
        return hypercall_send(level, id, vcpu, arguments);
    }
    if (form == BLANKET_FORM_QUERY && arguments[0] == BLANKET_QUERY_MAGIC &&
        are_unused(arguments, 1)) {
        return BLANKET_SIGNATURE;
    }
    return -BLANKET_ENOSYS;
}
