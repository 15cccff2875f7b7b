/* SPDX-License-Identifier: MIT */
/*
 * The seam to the level above: one table of the verbs that reach a provider. The level has checked and
 * translated what comes; it is checked again.
 */
#include "root_private.h"

#define VERB_BATCH 1u
#define VERB_DEAD 2u /* served on a dead end too: asks, or takes down */

struct root_verb {
    uint16_t verb;
    uint8_t item_count; /* of one element */
    uint8_t flags;
    uint64_t (*serve)(struct blanket_root *root, struct root_end *end, const uint64_t *items);
};

static const struct root_verb verbs[] = {
    {BLANKET_VERB_GRANT_ACCESS, 2, VERB_BATCH, blanket_root_grant_access},
    {BLANKET_VERB_GRANT_END_ACCESS, 1, VERB_BATCH | VERB_DEAD, blanket_root_grant_end_access},
    {BLANKET_VERB_GRANT_QUERY, 1, VERB_BATCH | VERB_DEAD, blanket_root_grant_query},
    {BLANKET_VERB_GRANT_MAP, 3, VERB_BATCH, blanket_root_mapping_map},
    {BLANKET_VERB_GRANT_UNMAP, 1, VERB_BATCH | VERB_DEAD, blanket_root_mapping_unmap},
    {BLANKET_VERB_GRANT_COPY, 4, VERB_BATCH, blanket_root_mapping_copy},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, VERB_BATCH, blanket_root_port_alloc},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, VERB_BATCH, blanket_root_port_bind},
    {BLANKET_VERB_EVTCHN_CLOSE, 1, VERB_BATCH | VERB_DEAD, blanket_root_port_close},
    {BLANKET_VERB_EVTCHN_STATUS, 1, VERB_BATCH | VERB_DEAD, blanket_root_port_status},
    {BLANKET_VERB_EVTCHN_SEND, 1, VERB_BATCH, blanket_root_port_send},
};

static const struct root_verb *verb_find(uint16_t number)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].verb == number) {
            return &verbs[i];
        }
    }
    return NULL;
}

static int shape_check(const struct root_verb *verb, const struct blanket_call *call)
{
    if (call->element_items != verb->item_count || !call->items || !call->results ||
        call->element_count == 0 || call->element_count > BLANKET_ELEMENT_COUNT_MAX ||
        (!(verb->flags & VERB_BATCH) && call->element_count != 1) || call->payload_size != 0) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

/* -BLANKET_ENOSPC of an element names its quota in the call too. */
static void elements_serve(struct blanket_root *root, struct root_end *end,
                           const struct root_verb *verb, struct blanket_call *call)
{
    uint16_t i;

    for (i = 0; i < call->element_count; i++) {
        const uint64_t *items = &call->items[(size_t)i * verb->item_count];

        call->results[i] = verb->serve(root, end, items);
        if (blanket_result_status(call->results[i]) == -BLANKET_ENOSPC) {
            call->detail = blanket_result_value(call->results[i]);
        }
    }
    call->done = call->element_count;
}

/* What a host function returned, as a status that may be passed on: nonsense is "lost". */
int blanket_root_status(int status)
{
    switch (-(int64_t)status) {
    case 0:
    case BLANKET_EPERM:
    case BLANKET_ENOENT:
    case BLANKET_EAGAIN:
    case BLANKET_EFAULT:
    case BLANKET_EBUSY:
    case BLANKET_EINVAL:
    case BLANKET_EOPNOTSUPP:
        return status;
    default:
        return -BLANKET_EIO;
    }
}

static int store_call(struct blanket_root *root, struct blanket_call *call)
{
    struct root_end *end;
    int status;

    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, call->endpoint);
    status = end ? blanket_root_connection_call(root, end, call) : -BLANKET_EPERM;
    blanket_root_unlock(root);
    return status;
}

static int root_call(void *context, struct blanket_call *call)
{
    struct blanket_root *root = (struct blanket_root *)context;
    const struct root_verb *verb = verb_find(call->verb);
    struct root_end *end;
    int status;

    call->done = 0;
    call->detail = 0;
    call->reply_size = 0;
    if (call->verb >> 12 == BLANKET_ROOM_XENSTORE) {
        return store_call(root, call);
    }
    if (!verb) {
        return -BLANKET_ENOSYS;
    }
    status = shape_check(verb, call);
    if (status) {
        return status;
    }
    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, call->endpoint);
    if (!end) {
        status = -BLANKET_EPERM;
    } else if (end->dead && !(verb->flags & VERB_DEAD)) {
        status = -BLANKET_ENOTCONN;
    } else {
        elements_serve(root, end, verb, call);
    }
    blanket_root_unlock(root);
    return status;
}

static int root_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct blanket_root *root = (struct blanket_root *)context;
    struct root_end *end;
    int status = -BLANKET_EPERM;

    (void)vcpu;
    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, endpoint);
    if (end && end->dead) {
        status = -BLANKET_ENOTCONN;
    } else if (end) {
        status = blanket_result_status(blanket_root_port_send(root, end, &port));
    }
    blanket_root_unlock(root);
    return status;
}

static const struct blanket_below_ops root_ops = {
    .call = root_call,
    .send = root_send,
};

struct blanket_below blanket_root_below(struct blanket_root *root)
{
    struct blanket_below below = {.ops = &root_ops, .context = root};

    return below;
}
