/* SPDX-License-Identifier: MIT */
#include "check.h"

int blanket_acl_deny(void *host, const struct blanket_query *query)
{
    (void)host;
    (void)query;
    return -BLANKET_EPERM;
}

int blanket_acl_allow(void *host, const struct blanket_query *query)
{
    (void)host;
    (void)query;
    return 0;
}

int blanket_acl_check(struct blanket_request *request, int rebind)
{
    struct blanket_level *level = request->level;
    const struct blanket_endpoint *endpoint = request->endpoint;
    uint8_t right = blanket_verb_right(request->verb->verb);
    /* What is done already stands there as results: nobody checked those. */
    uint16_t skipped = (uint16_t)(request->element_first * request->verb->item_count);
    struct blanket_query query;

    if (!(endpoint->rights & (1u << right))) {
        request->reason = BLANKET_REASON_RIGHT;
        return -BLANKET_EPERM;
    }
    query.guest = request->guest->host;
    query.guest_label = request->guest->label;
    query.endpoint_label = endpoint->label;
    query.endpoint_name = endpoint->name;
    query.endpoint = request->handle;
    query.claim = request->claim;
    query.items = request->items + skipped;
    query.rights = endpoint->rights;
    query.item_count = (uint16_t)(request->item_count - skipped);
    query.verb = request->verb->verb;
    query.payload_size = request->payload_size;
    query.right = right;
    query.rebind = (uint8_t)rebind;
    if (level->ops->hook(level->host, &query) != 0) {
        blanket_count(&level->counters.hook_denied);
        request->reason = BLANKET_REASON_HOOK;
        return -BLANKET_EPERM;
    }
    blanket_count(&level->counters.hook_allowed);
    return 0;
}

void blanket_acl_trace(const struct blanket_request *request, int status, uint8_t reason,
                       uint32_t quota)
{
    struct blanket_level *level = request->level;
    struct blanket_trace trace;

    blanket_count(&level->counters.refused);
    if (!level->ops->trace) {
        return;
    }
    memset(&trace, 0, sizeof(trace));
    trace.guest = request->guest->host;
    trace.guest_label = request->guest->label;
    trace.endpoint = request->handle;
    trace.claim = request->claim;
    trace.status = status;
    trace.verb = request->verb ? request->verb->verb : 0;
    trace.reason = reason;
    trace.right = blanket_verb_right(trace.verb);
    trace.quota = (uint8_t)quota;
    level->ops->trace(level->host, &trace);
}

void blanket_acl_trace_scope(struct blanket_level *level, const struct blanket_level_guest *guest,
                             uint64_t endpoint)
{
    struct blanket_trace trace;

    if (!level->ops->trace) {
        return;
    }
    memset(&trace, 0, sizeof(trace));
    trace.guest = guest->host;
    trace.guest_label = guest->label;
    trace.endpoint = endpoint;
    trace.status = -BLANKET_EPERM;
    trace.reason = BLANKET_REASON_SCOPE;
    level->ops->trace(level->host, &trace);
}
