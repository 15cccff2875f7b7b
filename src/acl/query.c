/* SPDX-License-Identifier: MIT */
#include "query.h"

#include "child.h"
#include "derive.h"

static int describe(struct blanket_request *request, uint32_t index)
{
    struct blanket_wire_endpoint info;

    blanket_endpoint_describe(request->guest, index, &info);
    memcpy(request->context->reply, &info, sizeof(info));
    request->reply_size = (uint16_t)sizeof(info);
    return 0;
}

static int no_room(struct blanket_request *request)
{
    if (request->reply_max >= sizeof(struct blanket_wire_endpoint)) {
        return 0;
    }
    request->reason = BLANKET_REASON_MALFORMED;
    return -BLANKET_EOVERFLOW;
}

int blanket_endpoint_query(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    int rc = no_room(request);

    if (rc != 0) {
        return rc;
    }
    level->ops->lock(level->host, request->guest_id);
    rc = describe(request, request->endpoint_index);
    level->ops->unlock(level->host, request->guest_id);
    return rc;
}

int blanket_endpoint_lookup(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    uint32_t size = request->payload_size;
    uint32_t index;
    int rc = no_room(request);

    if (rc != 0) {
        return rc;
    }
    if (size > 0 && request->payload[size - 1] == '\0') {
        size--;
    }
    level->ops->lock(level->host, request->guest_id);
    index = blanket_child_find(request->guest, (const char *)request->payload, size);
    rc = index == BLANKET_OWNER_NONE ? -BLANKET_ENOENT : describe(request, index);
    level->ops->unlock(level->host, request->guest_id);
    request->reason = rc != 0 ? BLANKET_REASON_OBJECT : request->reason;
    return rc;
}

int blanket_endpoint_events(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    struct blanket_level_guest *guest = request->guest;
    int rc = no_room(request);

    if (rc != 0) {
        return rc;
    }
    rc = -BLANKET_ENOENT;
    /* Before looking: what comes from now on raises the control port again. */
    (void)__atomic_fetch_and(&guest->tables[BLANKET_TABLE_PORTS].slots[BLANKET_PORT_CONTROL].word,
                             ~BLANKET_WORD_PENDING, __ATOMIC_SEQ_CST);
    level->ops->lock(level->host, request->guest_id);
    for (uint32_t step = 0; step < guest->endpoint_count; step++) {
        uint32_t index = (guest->event_next + step) % guest->endpoint_count;

        if (guest->endpoints[index].events != 0) {
            rc = describe(request, index);
            guest->endpoints[index].events = 0;
            guest->event_next = index + 1;
            break;
        }
    }
    level->ops->unlock(level->host, request->guest_id);
    request->reason = rc != 0 ? BLANKET_REASON_OBJECT : request->reason;
    return rc;
}

void blanket_endpoint_events_undo(struct blanket_request *request)
{
    struct blanket_level *level = request->level;
    struct blanket_endpoint *endpoint;
    struct blanket_wire_endpoint info;

    memcpy(&info, request->context->reply, sizeof(info));
    endpoint = &request->guest->endpoints[(uint32_t)info.endpoint];
    level->ops->lock(level->host, request->guest_id);
    if (endpoint->generation == (uint32_t)(info.endpoint >> 32)) {
        endpoint->events |= info.events;
    }
    level->ops->unlock(level->host, request->guest_id);
    blanket_port_raise(level, request->guest, BLANKET_PORT_CONTROL);
}
