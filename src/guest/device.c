/* SPDX-License-Identifier: MIT */
/* Endpoints, and a device: an endpoint with its slots. */
#include "guest_private.h"

#define KNOWN_EVENTS (BLANKET_EVENT_DEAD | BLANKET_EVENT_DRAINED | BLANKET_EVENT_PEER_GONE)
#define SLOT_COUNT_MAX 65536u

static int info_check(const struct blanket_wire_endpoint *info)
{
    uint32_t end = 0;

    while (end < BLANKET_NAME_SIZE && info->name[end] != '\0') {
        end++;
    }
    if (end == BLANKET_NAME_SIZE || (info->rights & ~BLANKET_RIGHTS_ALL) != 0 ||
        info->state > BLANKET_ENDPOINT_RESETTING || (info->events & ~KNOWN_EVENTS) != 0 ||
        info->zero != 0) {
        return -BLANKET_EIO;
    }
    if (info->grant_count > SLOT_COUNT_MAX || info->mapping_count > SLOT_COUNT_MAX ||
        info->port_count > SLOT_COUNT_MAX) {
        return -BLANKET_EIO;
    }
    return 0;
}

/* One call without items, whose reply is an endpoint. */
static int info_call(struct blanket_guest *guest, uint16_t verb, uint64_t endpoint,
                     const char *name, struct blanket_wire_endpoint *info)
{
    struct blanket_wire_endpoint reply;
    struct blanket_call call;
    uint32_t size = 0;
    int rc;

    while (name != NULL && name[size] != '\0' && size < BLANKET_NAME_SIZE) {
        size++;
    }
    if (size == BLANKET_NAME_SIZE) {
        return -BLANKET_EINVAL;
    }
    memset(&call, 0, sizeof(call));
    memset(&reply, 0, sizeof(reply));
    call.verb = verb;
    call.endpoint = endpoint;
    call.element_count = 1;
    call.results = guest->results;
    call.items = guest->items;
    call.payload = (const uint8_t *)name;
    call.payload_size = (uint16_t)size;
    call.reply = (uint8_t *)&reply;
    call.reply_max = (uint16_t)sizeof(reply);
    rc = blanket_guest_call(guest, &call);
    if (rc == 0) {
        rc = call.reply_size == sizeof(reply) ? info_check(&reply) : -BLANKET_EIO;
    }
    if (rc == 0) {
        *info = reply;
    }
    return rc;
}

int blanket_guest_query(struct blanket_guest *guest, uint64_t endpoint,
                        struct blanket_wire_endpoint *info)
{
    return info_call(guest, BLANKET_VERB_ENDPOINT_QUERY, endpoint, NULL, info);
}

int blanket_guest_lookup(struct blanket_guest *guest, const char *name,
                         struct blanket_wire_endpoint *info)
{
    return info_call(guest, BLANKET_VERB_ENDPOINT_LOOKUP, BLANKET_GUEST_SELF, name, info);
}

int blanket_guest_events(struct blanket_guest *guest, struct blanket_wire_endpoint *info)
{
    return info_call(guest, BLANKET_VERB_ENDPOINT_EVENTS, BLANKET_GUEST_SELF, NULL, info);
}

int blanket_guest_derive(struct blanket_guest *guest, uint64_t parent,
                         const struct blanket_guest_derive *derive, uint64_t *endpoint)
{
    struct blanket_call call;
    uint32_t size = 0;
    int rc;

    while (derive->name != NULL && size < BLANKET_NAME_SIZE && derive->name[size] != '\0') {
        size++;
    }
    if (size == BLANKET_NAME_SIZE || derive->slot > BLANKET_SLOT_INDEX_MAX) {
        return -BLANKET_EINVAL;
    }
    memset(&call, 0, sizeof(call));
    guest->items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, derive->slot, derive->generation);
    guest->items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, derive->rights);
    guest->items[2] = blanket_item(BLANKET_ITEM_COUNT, 0, derive->grants);
    guest->items[3] = blanket_item(BLANKET_ITEM_COUNT, 0, derive->mappings);
    guest->items[4] = blanket_item(BLANKET_ITEM_COUNT, 0, derive->ports);
    call.verb = BLANKET_VERB_ENDPOINT_DERIVE;
    call.endpoint = parent;
    call.element_count = 1;
    call.element_items = 5;
    call.items = guest->items;
    call.results = guest->results;
    call.payload = (const uint8_t *)derive->name;
    call.payload_size = (uint16_t)size;
    rc = blanket_guest_call(guest, &call);
    if (rc == 0) {
        rc = blanket_result_status(guest->results[0]);
    }
    if (rc == 0) {
        *endpoint = blanket_handle(derive->slot, derive->generation);
    }
    return rc;
}

int blanket_guest_revoke(struct blanket_guest *guest, uint64_t parent, uint64_t endpoint)
{
    uint32_t slot = (uint32_t)endpoint;

    if (slot > BLANKET_SLOT_INDEX_MAX) {
        return -BLANKET_EINVAL;
    }
    guest->items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, (uint32_t)(endpoint >> 32));
    blanket_guest_run(guest, parent, BLANKET_VERB_ENDPOINT_REVOKE, 1, 1);
    return blanket_result_status(guest->results[0]);
}

int blanket_guest_reset(struct blanket_guest *guest, uint64_t endpoint)
{
    struct blanket_call call;

    memset(&call, 0, sizeof(call));
    call.verb = BLANKET_VERB_ENDPOINT_RESET;
    call.endpoint = endpoint;
    call.element_count = 1;
    call.items = guest->items;
    call.results = guest->results;
    return blanket_guest_call(guest, &call);
}

size_t blanket_guest_device_size(const struct blanket_wire_endpoint *info)
{
    return ((size_t)info->grant_count + info->mapping_count + info->port_count) *
           sizeof(struct blanket_guest_slot);
}

int blanket_guest_device_init(struct blanket_guest_device *device, struct blanket_guest *guest,
                              const struct blanket_wire_endpoint *info, void *memory,
                              uint32_t generation)
{
    struct blanket_guest_slot *slots = (struct blanket_guest_slot *)memory;

    if (info->grant_count > SLOT_COUNT_MAX || info->mapping_count > SLOT_COUNT_MAX ||
        info->port_count > SLOT_COUNT_MAX) {
        return -BLANKET_EINVAL;
    }
    device->guest = guest;
    device->endpoint = info->endpoint;
    device->grant_base = info->grant_base;
    device->port_base = info->port_base;
    blanket_guest_table_init(&device->grants, slots, info->grant_count, generation);
    slots += info->grant_count;
    blanket_guest_table_init(&device->mappings, slots, info->mapping_count, generation);
    slots += info->mapping_count;
    blanket_guest_table_init(&device->ports, slots, info->port_count, generation);
    return 0;
}

static void table_drained(struct blanket_guest_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        blanket_guest_table_release(table, i);
    }
}

void blanket_guest_device_drained(struct blanket_guest_device *device)
{
    table_drained(&device->grants);
    table_drained(&device->mappings);
    table_drained(&device->ports);
}
