/* SPDX-License-Identifier: MIT */
/* A caller: its way down, and the check of every reply. */
#include "guest_private.h"

/* An interrupted call that got nowhere may be called again this often before the caller is asked. */
#define NO_PROGRESS_MAX 16u

int blanket_guest_init(struct blanket_guest *guest, const struct blanket_transport *transport,
                       void *frame)
{
    if (transport->ops == NULL || transport->ops->size != sizeof(struct blanket_transport_ops) ||
        transport->ops->call == NULL || transport->ops->send == NULL || frame == NULL) {
        return -BLANKET_EINVAL;
    }
    memset(guest, 0, sizeof(*guest));
    guest->transport = *transport;
    guest->frame = frame;
    guest->below = blanket_guest_frame_below(guest);
    return 0;
}

int blanket_guest_init_direct(struct blanket_guest *guest, const struct blanket_below *below,
                              uint32_t vcpu)
{
    if (below->ops == NULL || below->ops->call == NULL || below->ops->send == NULL) {
        return -BLANKET_EINVAL;
    }
    memset(guest, 0, sizeof(*guest));
    guest->below = *below;
    guest->vcpu = vcpu;
    return 0;
}

void blanket_guest_claim(struct blanket_guest *guest, uint64_t claim)
{
    guest->claim = claim;
}

uint32_t blanket_guest_quota(const struct blanket_guest *guest)
{
    return guest->quota;
}

int blanket_guest_status_check(int64_t status)
{
    switch (-status) {
    case 0:
    case BLANKET_EPERM:
    case BLANKET_ENOENT:
    case BLANKET_E2BIG:
    case BLANKET_EAGAIN:
    case BLANKET_ENOMEM:
    case BLANKET_EFAULT:
    case BLANKET_EBUSY:
    case BLANKET_EEXIST:
    case BLANKET_EINVAL:
    case BLANKET_ENOSPC:
    case BLANKET_ENOSYS:
    case BLANKET_EOVERFLOW:
    case BLANKET_EMSGSIZE:
    case BLANKET_EOPNOTSUPP:
    case BLANKET_ENOTCONN:
    case BLANKET_ESTALE:
        return (int)status;
    default:
        return -BLANKET_EIO;
    }
}

static void quota_note(struct blanket_guest *guest, int status, uint32_t quota)
{
    if (status == -BLANKET_ENOSPC) {
        guest->quota = quota < BLANKET_QUOTA_COUNT ? quota : 0;
    }
}

/* The elements that are left, once. 0: results[0..done) of `part` may be used. */
static int call_part(struct blanket_guest *guest, struct blanket_call *part)
{
    int status;

    part->vcpu = guest->vcpu;
    part->claim = guest->claim;
    part->done = 0;
    part->detail = 0;
    part->reply_size = 0;
    status = blanket_guest_status_check(guest->below.ops->call(guest->below.context, part));
    if (status != 0) {
        quota_note(guest, status, part->detail);
        return status;
    }
    if (part->done > part->element_count || part->reply_size > part->reply_max) {
        return -BLANKET_EIO;
    }
    for (uint32_t i = 0; i < part->done && part->element_items != 0; i++) {
        uint64_t result = part->results[i];

        status = blanket_guest_status_check(blanket_result_status(result));
        part->results[i] = blanket_result(status, blanket_result_value(result));
        quota_note(guest, status, blanket_result_value(result));
    }
    return 0;
}

int blanket_guest_call(struct blanket_guest *guest, struct blanket_call *call)
{
    uint32_t idle = 0;
    int status;

    call->done = 0;
    call->reply_size = 0;
    if (call->element_count == 0 || call->element_count > BLANKET_ELEMENT_COUNT_MAX ||
        (uint32_t)call->element_count * call->element_items > BLANKET_ITEM_COUNT_MAX) {
        return -BLANKET_E2BIG;
    }
    if (call->payload_size > BLANKET_PAYLOAD_SIZE_MAX ||
        call->reply_max > BLANKET_PAYLOAD_SIZE_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    for (;;) {
        struct blanket_call part = *call;

        part.items += (uint32_t)call->done * call->element_items;
        part.results += call->done;
        part.element_count = (uint16_t)(call->element_count - call->done);
        status = call_part(guest, &part);
        call->detail = part.detail;
        if (status != 0) {
            return status;
        }
        call->reply_size = part.reply_size;
        if (call->element_items == 0) { /* nothing to count */
            call->done = 1;
            return 0;
        }
        call->done = (uint16_t)(call->done + part.done);
        if (call->done == call->element_count) {
            return 0;
        }
        idle = part.done == 0 ? idle + 1 : 0;
        if (idle == NO_PROGRESS_MAX) {
            return -BLANKET_EAGAIN;
        }
    }
}

void blanket_guest_run(struct blanket_guest *guest, uint64_t endpoint, uint16_t verb,
                       uint32_t element_items, uint32_t count)
{
    struct blanket_call call;
    int status;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.endpoint = endpoint;
    call.items = guest->items;
    call.results = guest->results;
    call.element_items = (uint16_t)element_items;
    call.element_count = (uint16_t)count;
    status = blanket_guest_call(guest, &call);
    for (uint32_t i = call.done; i < count; i++) {
        guest->results[i] = blanket_result(status, 0);
    }
}
