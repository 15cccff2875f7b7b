/* SPDX-License-Identifier: MIT */
#include "forward.h"

uint64_t *blanket_forward_items(struct blanket_request *request)
{
    return (uint64_t *)(void *)(request->context->out + BLANKET_HEADER_SIZE);
}

int blanket_forward(struct blanket_request *request, struct blanket_call *call, uint32_t count)
{
    const struct blanket_endpoint *endpoint = request->endpoint;
    int to_store = (request->verb->flags & BLANKET_VERB_STORE) != 0;
    const struct blanket_below *below = to_store ? &endpoint->store : &endpoint->below;
    int rc;

    call->verb = request->verb->verb;
    call->element_count = (uint16_t)count;
    call->element_items = request->verb->item_count;
    call->vcpu = request->vcpu;
    call->endpoint = to_store ? endpoint->store_endpoint : endpoint->below_endpoint;
    call->claim = request->guest->label;
    call->items = blanket_forward_items(request);
    call->results = request->context->results_below;
    call->payload = request->payload;
    call->payload_size = request->payload_size;
    call->reply = request->context->reply;
    call->reply_max = request->reply_max;
    blanket_count(&request->level->counters.calls_below);
    rc = below->ops->call(below->context, call);
    if (rc < 0) {
        return blanket_errno_is_answer(rc) ? rc : -BLANKET_EIO;
    }
    if (rc > 0 || call->done == 0 || call->done > count || call->reply_size > request->reply_max) {
        return -BLANKET_EIO;
    }
    request->reply_size = call->reply_size;
    return 0;
}
