/* SPDX-License-Identifier: MIT */
#include "native.h"

#include <blanket/port/xen.h>

/* Error numbers of Xen's public/errno.h that the hypervisor below gives and blanket doesn't have. */
#define BELOW_ESRCH 3
#define BELOW_EACCES 13

/* What a native answer means here. All of them are refusals: a hypercall isn't lost. */
static int status_of(long rc)
{
    switch (-rc) {
    case 0:
        return 0;
    case BLANKET_EPERM:
    case BELOW_EACCES:
        return -BLANKET_EPERM;
    case BLANKET_ENOSPC:
    case BLANKET_ENOMEM:
        return -BLANKET_ENOSPC;
    case BELOW_ESRCH:
        return -BLANKET_ENOTCONN;
    default:
        return -BLANKET_ENOENT;
    }
}

const struct blanket_xen_native_endpoint *blanket_xen_native_find(
    const struct blanket_xen_native *native, uint64_t endpoint)
{
    uint32_t index = (uint32_t)endpoint;

    if (index >= native->endpoint_count || !native->endpoints[index].used ||
        native->endpoints[index].generation != (uint32_t)(endpoint >> 32)) {
        return NULL;
    }
    return &native->endpoints[index];
}

/* First of `count` slots in a row that are nobody's; `limit` if there aren't. */
static uint32_t find_room(const struct blanket_xen_native_slot *slots, uint32_t first,
                          uint32_t limit, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t at = first; at < limit && count != 0; at++) {
        run = slots[at].owner == 0 ? run + 1 : 0;
        if (run == count) {
            return at + 1 - count;
        }
    }
    return count == 0 ? first : limit;
}

/* Slots of a new owner begin anew: the old one's were all drained, nothing of it can come late. */
static void give(struct blanket_xen_native_slot *slots, uint32_t first, uint32_t count,
                 uint32_t owner)
{
    for (uint32_t at = first; at < first + count; at++) {
        memset(&slots[at], 0, sizeof(slots[at]));
        slots[at].owner = (uint16_t)owner;
    }
}

static int add_locked(struct blanket_xen_native *native, struct blanket_xen_native_endpoint *wanted,
                      uint32_t *at, uint32_t *quota)
{
    struct blanket_xen_native_endpoint *endpoint;

    for (*at = 0; *at < native->endpoint_count && native->endpoints[*at].used; (*at)++) {
    }
    if (*at == native->endpoint_count) {
        *quota = BLANKET_QUOTA_ENDPOINTS;
        return -BLANKET_ENOSPC;
    }
    wanted->grant_first = find_room(native->grants, BLANKET_XEN_GRANTS_RESERVED,
                                    native->grant_count, wanted->grant_count);
    if (wanted->grant_first >= native->grant_count && wanted->grant_count != 0) {
        *quota = BLANKET_QUOTA_GRANTS;
        return -BLANKET_ENOSPC;
    }
    wanted->port_first = find_room(native->ports, 0, native->port_count, wanted->port_count);
    if (wanted->port_first >= native->port_count && wanted->port_count != 0) {
        *quota = BLANKET_QUOTA_PORTS;
        return -BLANKET_ENOSPC;
    }
    endpoint = &native->endpoints[*at];
    wanted->generation = endpoint->generation + 1;
    wanted->used = 1;
    *endpoint = *wanted;
    give(native->grants, endpoint->grant_first, endpoint->grant_count, *at + 1);
    give(native->ports, endpoint->port_first, endpoint->port_count, *at + 1);
    return 0;
}

int blanket_xen_native_add(struct blanket_xen_native *native, uint32_t peer, uint32_t grants,
                           uint32_t ports, uint64_t *endpoint, uint32_t *quota)
{
    struct blanket_xen_native_endpoint wanted;
    uint32_t at;
    int rc;

    memset(&wanted, 0, sizeof(wanted));
    wanted.peer = peer;
    wanted.grant_count = grants;
    wanted.port_count = ports;
    native->ops->lock(native->context);
    rc = add_locked(native, &wanted, &at, quota);
    native->ops->unlock(native->context);
    if (rc == 0) {
        *endpoint = blanket_handle(at, wanted.generation);
    }
    return rc;
}

void blanket_xen_native_remove(struct blanket_xen_native *native, uint64_t handle)
{
    struct blanket_xen_native_endpoint *endpoint;

    native->ops->lock(native->context);
    if (blanket_xen_native_find(native, handle)) {
        endpoint = &native->endpoints[(uint32_t)handle];
        give(native->grants, endpoint->grant_first, endpoint->grant_count, 0);
        give(native->ports, endpoint->port_first, endpoint->port_count, 0);
        endpoint->used = 0;
    }
    native->ops->unlock(native->context);
}

uint32_t blanket_xen_native_minted(const struct blanket_xen_native *native)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < native->endpoint_count; at++) {
        count += native->endpoints[at].used ? native->endpoints[at].grant_count : 0;
    }
    return count;
}

/* May this generation be created in the slot? 0, or a refusal with *value. */
static int may_create(const struct blanket_xen_native_slot *slot, uint32_t generation,
                      uint32_t *value)
{
    if (slot->state == BLANKET_XEN_NATIVE_CLOSING) {
        return -BLANKET_EBUSY;
    }
    if (slot->state == BLANKET_XEN_NATIVE_LIVE) {
        return -BLANKET_EEXIST;
    }
    if (generation <= slot->generation) {
        *value = slot->generation;
        return -BLANKET_ESTALE;
    }
    return 0;
}

/* 1: this is what is to be destroyed; otherwise the answer: it isn't there (tombstone left), or not yet. */
static int may_destroy(struct blanket_xen_native_slot *slot, uint32_t generation)
{
    if (slot->generation > generation) {
        return 0;
    }
    if (slot->state == BLANKET_XEN_NATIVE_FREE) {
        slot->generation = generation;
        return 0;
    }
    return slot->generation == generation ? 1 : -BLANKET_EBUSY;
}

static int grant_access(struct blanket_xen_native *native, uint32_t peer, uint32_t ref,
                        const uint64_t *items, uint32_t *value)
{
    struct blanket_xen_native_slot *slot = &native->grants[ref];
    grant_entry_v1_t *entry = &native->table[ref];
    uint64_t frame = blanket_item_value(items[1]);
    int rc = may_create(slot, blanket_item_generation(items[0]), value);

    if (rc != 0) {
        return rc;
    }
    if (frame > UINT32_MAX || blanket_item_type(items[1]) != BLANKET_ITEM_FRAME) {
        return -BLANKET_EINVAL;
    }
    slot->generation = blanket_item_generation(items[0]);
    slot->state = BLANKET_XEN_NATIVE_LIVE;
    entry->frame = (uint32_t)frame;
    entry->domid = (domid_t)peer;
    /* The entry is the peer's to use from this store on: all of it comes before. */
    __atomic_store_n(&entry->flags,
                     (uint16_t)(blanket_item_access(items[1]) & BLANKET_ACCESS_WRITE
                                    ? GTF_permit_access
                                    : GTF_permit_access | GTF_readonly),
                     __ATOMIC_RELEASE);
    return 0;
}

static int grant_end_access(struct blanket_xen_native *native, uint32_t ref, uint64_t item)
{
    struct blanket_xen_native_slot *slot = &native->grants[ref];
    grant_entry_v1_t *entry = &native->table[ref];
    int rc = may_destroy(slot, blanket_item_generation(item));
    uint16_t flags;

    if (rc != 1) {
        return rc;
    }
    flags = __atomic_load_n(&entry->flags, __ATOMIC_SEQ_CST);
    /* The peer may begin to use it in between, and only then does this fail: it's busy then. */
    if ((flags & (GTF_reading | GTF_writing)) != 0 ||
        !__atomic_compare_exchange_n(&entry->flags, &flags, 0, 0, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        slot->state = BLANKET_XEN_NATIVE_CLOSING;
        return -BLANKET_EBUSY;
    }
    slot->state = BLANKET_XEN_NATIVE_FREE;
    return 0;
}

static int grant_query(const struct blanket_xen_native *native, uint32_t ref, uint64_t item,
                       uint32_t *value)
{
    const struct blanket_xen_native_slot *slot = &native->grants[ref];
    uint16_t flags = __atomic_load_n(&native->table[ref].flags, __ATOMIC_SEQ_CST);

    if (slot->state == BLANKET_XEN_NATIVE_FREE ||
        slot->generation != blanket_item_generation(item)) {
        return -BLANKET_ENOENT;
    }
    *value = (flags & GTF_reading ? BLANKET_GRANT_STATE_READING : 0) |
             (flags & GTF_writing ? BLANKET_GRANT_STATE_WRITING : 0) |
             (slot->state == BLANKET_XEN_NATIVE_CLOSING ? BLANKET_GRANT_STATE_CLOSING : 0);
    return 0;
}

/* The channel is there: its events are the slot's from now on. */
static int channel_bound(struct blanket_xen_native *native, uint32_t number, uint32_t port,
                         uint32_t generation)
{
    struct evtchn_unmask unmask = { .port = port };
    struct evtchn_close close = { .port = port };

    if (port >= BLANKET_XEN_PORTS_BELOW) {
        (void)native->ops->event_channel(native->context, EVTCHNOP_close, &close);
        return -BLANKET_ENOSPC;
    }
    native->ports[number].generation = generation;
    native->ports[number].state = BLANKET_XEN_NATIVE_LIVE;
    native->ports[number].port = port;
    __atomic_store_n(&native->routes[port], number + 1, __ATOMIC_SEQ_CST);
    /* After the route: this raises what is pending already. All ports are masked when Xen boots. */
    (void)native->ops->event_channel(native->context, EVTCHNOP_unmask, &unmask);
    return 0;
}

static int channel_alloc(struct blanket_xen_native *native, uint32_t peer, uint32_t number,
                         const uint64_t *items, uint32_t *value)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = (domid_t)peer };
    uint32_t generation = blanket_item_generation(items[0]);
    int rc = may_create(&native->ports[number], generation, value);

    if (rc == 0) {
        rc = status_of(native->ops->event_channel(native->context, EVTCHNOP_alloc_unbound, &alloc));
    }
    if (rc == 0) {
        rc = channel_bound(native, number, alloc.port, generation);
        *value = alloc.port;
    }
    return rc;
}

static int channel_bind(struct blanket_xen_native *native, uint32_t peer, uint32_t number,
                        const uint64_t *items, uint32_t *value)
{
    uint64_t remote = blanket_item_value(items[1]);
    struct evtchn_bind_interdomain bind = {
        .remote_dom = (domid_t)peer,
        .remote_port = (evtchn_port_t)remote,
    };
    uint32_t generation = blanket_item_generation(items[0]);
    int rc = may_create(&native->ports[number], generation, value);

    if (rc == 0 && remote > UINT32_MAX) {
        return -BLANKET_EINVAL;
    }
    if (rc == 0) {
        rc = status_of(native->ops->event_channel(native->context, EVTCHNOP_bind_interdomain,
                                                  &bind));
    }
    return rc == 0 ? channel_bound(native, number, bind.local_port, generation) : rc;
}

static int channel_close(struct blanket_xen_native *native, uint32_t number, uint64_t item)
{
    struct blanket_xen_native_slot *slot = &native->ports[number];
    struct evtchn_close close = { .port = slot->port };
    int rc = may_destroy(slot, blanket_item_generation(item));

    if (rc == 1) {
        /* The number may be another's as soon as it's closed. What the hypervisor below says to the
         * close of a port that it gave us is all the same: we have it no more. */
        __atomic_store_n(&native->routes[slot->port], 0, __ATOMIC_SEQ_CST);
        (void)native->ops->event_channel(native->context, EVTCHNOP_close, &close);
        slot->state = BLANKET_XEN_NATIVE_FREE;
        rc = 0;
    }
    return rc;
}

static int is_live(const struct blanket_xen_native_slot *slot, uint64_t item)
{
    return slot->state == BLANKET_XEN_NATIVE_LIVE &&
           slot->generation == blanket_item_generation(item);
}

static int channel_send(struct blanket_xen_native *native, uint32_t number, uint64_t item)
{
    struct evtchn_send send = { .port = native->ports[number].port };

    if (!is_live(&native->ports[number], item)) {
        return -BLANKET_ENOENT;
    }
    return status_of(native->ops->event_channel(native->context, EVTCHNOP_send, &send));
}

static int channel_status(struct blanket_xen_native *native, uint32_t number, uint64_t item,
                          uint32_t *value)
{
    struct evtchn_status status = { .dom = DOMID_SELF, .port = native->ports[number].port };
    int rc;

    if (!is_live(&native->ports[number], item)) {
        return -BLANKET_ENOENT;
    }
    rc = status_of(native->ops->event_channel(native->context, EVTCHNOP_status, &status));
    if (rc == 0) {
        *value = status.status == EVTCHNSTAT_unbound       ? BLANKET_PORT_STATE_UNBOUND
                 : status.status == EVTCHNSTAT_interdomain ? BLANKET_PORT_STATE_INTERDOMAIN
                                                           : BLANKET_PORT_STATE_CLOSED;
    }
    return rc;
}

static int grant_element(struct blanket_xen_native *native,
                         const struct blanket_xen_native_endpoint *endpoint, uint16_t verb,
                         const uint64_t *items, uint32_t *value)
{
    uint32_t ref = endpoint->grant_first + blanket_item_index(items[0]);

    if (blanket_item_index(items[0]) >= endpoint->grant_count) {
        *value = BLANKET_QUOTA_GRANTS;
        return -BLANKET_ENOSPC;
    }
    switch (verb) {
    case BLANKET_VERB_GRANT_ACCESS:
        return grant_access(native, endpoint->peer, ref, items, value);
    case BLANKET_VERB_GRANT_END_ACCESS:
        return grant_end_access(native, ref, items[0]);
    default:
        return grant_query(native, ref, items[0], value);
    }
}

static int channel_element(struct blanket_xen_native *native,
                           const struct blanket_xen_native_endpoint *endpoint, uint16_t verb,
                           const uint64_t *items, uint32_t *value)
{
    uint32_t number = endpoint->port_first + blanket_item_index(items[0]);

    if (blanket_item_index(items[0]) >= endpoint->port_count) {
        *value = BLANKET_QUOTA_PORTS;
        return -BLANKET_ENOSPC;
    }
    switch (verb) {
    case BLANKET_VERB_EVTCHN_ALLOC_UNBOUND:
        return channel_alloc(native, endpoint->peer, number, items, value);
    case BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN:
        return channel_bind(native, endpoint->peer, number, items, value);
    case BLANKET_VERB_EVTCHN_CLOSE:
        return channel_close(native, number, items[0]);
    case BLANKET_VERB_EVTCHN_SEND:
        return channel_send(native, number, items[0]);
    default:
        return channel_status(native, number, items[0], value);
    }
}

static int element(struct blanket_xen_native *native,
                   const struct blanket_xen_native_endpoint *endpoint, uint16_t verb,
                   const uint64_t *items, uint32_t *value)
{
    unsigned effect = (verb >> 10) & 3u;

    if (effect == BLANKET_EFFECT_CREATE && endpoint->peer == BLANKET_XEN_NO_PEER) {
        return -BLANKET_EOPNOTSUPP;
    }
    return blanket_item_type(items[0]) == BLANKET_ITEM_GRANT
               ? grant_element(native, endpoint, verb, items, value)
               : channel_element(native, endpoint, verb, items, value);
}

/* 0, or why a whole call isn't served. */
static int check_verb(uint16_t verb)
{
    switch (verb) {
    case BLANKET_VERB_GRANT_ACCESS:
    case BLANKET_VERB_GRANT_END_ACCESS:
    case BLANKET_VERB_GRANT_QUERY:
    case BLANKET_VERB_EVTCHN_ALLOC_UNBOUND:
    case BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN:
    case BLANKET_VERB_EVTCHN_CLOSE:
    case BLANKET_VERB_EVTCHN_SEND:
    case BLANKET_VERB_EVTCHN_STATUS:
        return 0;
    case BLANKET_VERB_GRANT_MAP:
    case BLANKET_VERB_GRANT_UNMAP:
    case BLANKET_VERB_GRANT_COPY:
        return -BLANKET_EOPNOTSUPP; /* the peer's pages: their frames would come from here */
    default:
        return -BLANKET_ENOSYS;
    }
}

static int BLANKET_CALLBACK native_call(void *context, struct blanket_call *call)
{
    struct blanket_xen_native *native = context;
    const struct blanket_xen_native_endpoint *endpoint;
    int rc = check_verb(call->verb);

    endpoint = blanket_xen_native_find(native, call->endpoint);
    if (rc != 0 || !endpoint) {
        return rc != 0 ? rc : -BLANKET_EPERM;
    }
    for (call->done = 0; call->done < call->element_count; call->done++) {
        uint32_t value = 0;
        int status;

        native->ops->lock(native->context);
        status = element(native, endpoint, call->verb,
                         call->items + (uint32_t)call->done * call->element_items, &value);
        native->ops->unlock(native->context);
        call->results[call->done] = blanket_result(status, value);
    }
    return 0;
}

static int BLANKET_CALLBACK native_send(void *context, uint32_t vcpu, uint64_t handle,
                                        uint64_t port)
{
    struct blanket_xen_native *native = context;
    const struct blanket_xen_native_endpoint *endpoint = blanket_xen_native_find(native, handle);
    int rc = -BLANKET_ENOENT;

    (void)vcpu;
    if (endpoint && blanket_item_index(port) < endpoint->port_count) {
        native->ops->lock(native->context);
        rc = channel_send(native, endpoint->port_first + blanket_item_index(port), port);
        native->ops->unlock(native->context);
    }
    return rc;
}

struct blanket_below blanket_xen_native_below(struct blanket_xen_native *native)
{
    static const struct blanket_below_ops ops = { .call = native_call, .send = native_send };

    return (struct blanket_below){ .ops = &ops, .context = native };
}

int blanket_xen_native_route(const struct blanket_xen_native *native, uint32_t port,
                             uint32_t *number)
{
    uint32_t route = port < BLANKET_XEN_PORTS_BELOW
                         ? __atomic_load_n(&native->routes[port], __ATOMIC_SEQ_CST)
                         : 0;

    *number = route - 1;
    return route != 0 ? 0 : -BLANKET_ENOENT;
}

int blanket_xen_native_port(struct blanket_xen_native *native, uint64_t handle, uint64_t item,
                            uint32_t *number)
{
    const struct blanket_xen_native_endpoint *endpoint = blanket_xen_native_find(native, handle);
    const struct blanket_xen_native_slot *slot;
    int rc = -BLANKET_ENOENT;

    if (!endpoint || blanket_item_index(item) >= endpoint->port_count) {
        return rc;
    }
    native->ops->lock(native->context);
    slot = &native->ports[endpoint->port_first + blanket_item_index(item)];
    if (is_live(slot, item)) {
        *number = slot->port;
        rc = 0;
    }
    native->ops->unlock(native->context);
    return rc;
}
