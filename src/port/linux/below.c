/* SPDX-License-Identifier: MIT */
/*
 * The seam to the level above: one table of the verbs that reach this door. The level has checked and
 * translated what comes; it is checked again.
 */
#include "linux_private.h"

#define VERB_DEAD 1u /* served on a dead end too: asks, or takes down */

struct linux_verb {
    uint16_t verb;
    uint8_t item_count; /* of one element */
    uint8_t flags;
    uint64_t (*serve)(struct linux_end *end, const uint64_t *items);
};

static const struct linux_verb verbs[] = {
    {BLANKET_VERB_GRANT_ACCESS, 2, 0, blanket_linux_grant_access},
    {BLANKET_VERB_GRANT_END_ACCESS, 1, VERB_DEAD, blanket_linux_grant_end},
    {BLANKET_VERB_GRANT_QUERY, 1, VERB_DEAD, blanket_linux_grant_query},
    {BLANKET_VERB_GRANT_MAP, 3, 0, blanket_linux_mapping_map},
    {BLANKET_VERB_GRANT_UNMAP, 1, VERB_DEAD, blanket_linux_mapping_unmap},
    {BLANKET_VERB_GRANT_COPY, 4, 0, blanket_linux_mapping_copy},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, 0, blanket_linux_port_alloc},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, 0, blanket_linux_port_bind},
    {BLANKET_VERB_EVTCHN_CLOSE, 1, VERB_DEAD, blanket_linux_port_close},
    {BLANKET_VERB_EVTCHN_STATUS, 1, VERB_DEAD, blanket_linux_port_status},
    {BLANKET_VERB_EVTCHN_SEND, 1, 0, blanket_linux_port_send},
};

static const struct linux_verb *verb_find(uint16_t number)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].verb == number) {
            return &verbs[i];
        }
    }
    return NULL;
}

static bool shape_valid(const struct linux_verb *verb, const struct blanket_call *call)
{
    return call->element_items == verb->item_count && call->items && call->results &&
           call->element_count != 0 && call->element_count <= BLANKET_ELEMENT_COUNT_MAX &&
           call->payload_size == 0;
}

static void elements_serve(struct linux_end *end, const struct linux_verb *verb,
                           struct blanket_call *call)
{
    uint16_t i;

    for (i = 0; i < call->element_count; i++) {
        call->results[i] = verb->serve(end, &call->items[(size_t)i * verb->item_count]);
        if (blanket_result_status(call->results[i]) == -BLANKET_ENOSPC) {
            call->detail = blanket_result_value(call->results[i]);
        }
    }
    call->done = call->element_count;
}

static int serve(struct linux_end *end, struct blanket_call *call)
{
    const struct linux_verb *verb = verb_find(call->verb);

    if (call->verb >> 12 == BLANKET_ROOM_XENSTORE) {
        return blanket_linux_connection_call(end, call);
    }
    if (!verb) {
        return -BLANKET_ENOSYS;
    }
    if (!shape_valid(verb, call)) {
        return -BLANKET_EINVAL;
    }
    if (end->dead && !(verb->flags & VERB_DEAD)) {
        return -BLANKET_ENOTCONN;
    }
    elements_serve(end, verb, call);
    return 0;
}

static int door_call(void *context, struct blanket_call *call)
{
    struct blanket_linux *door = (struct blanket_linux *)context;
    struct linux_end *end;
    int status;

    call->done = 0;
    call->detail = 0;
    call->reply_size = 0;
    pthread_mutex_lock(&door->lock);
    end = blanket_linux_end_find(door, call->endpoint);
    status = end ? serve(end, call) : -BLANKET_EPERM;
    pthread_mutex_unlock(&door->lock);
    return status;
}

static int door_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct blanket_linux *door = (struct blanket_linux *)context;
    struct linux_end *end;
    int status = -BLANKET_EPERM;

    (void)vcpu;
    pthread_mutex_lock(&door->lock);
    end = blanket_linux_end_find(door, endpoint);
    if (end && end->dead) {
        status = -BLANKET_ENOTCONN;
    } else if (end) {
        status = blanket_result_status(blanket_linux_port_send(end, &port));
    }
    pthread_mutex_unlock(&door->lock);
    return status;
}

static const struct blanket_below_ops door_ops = {
    .call = door_call,
    .send = door_send,
};

struct blanket_below blanket_linux_below(struct blanket_linux *door)
{
    struct blanket_below below = {.ops = &door_ops, .context = door};

    return below;
}
