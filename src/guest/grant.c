/* SPDX-License-Identifier: MIT */
/* Grants: elements of the caller's, as many to a frame as fit, each with its own outcome. */
#include "guest_private.h"

/* Elements of one kind, and what makes items of one and takes its result. */
struct batch {
    struct blanket_guest_device *device;
    void *elements;
    uint16_t verb;
    uint16_t element_items;
    /* Not NULL: slots that are free again with the result, so that fewer than elements will do. */
    const struct blanket_guest_table *reused;
    /* 0, or why this element can't be sent. `again`: it was sent before, and its slot is still taken. */
    int (*put)(const struct batch *batch, uint32_t i, uint64_t *items, int again);
    /* Notes the result. 1: worth another try, if that may be (`first`). */
    int (*take)(const struct batch *batch, uint32_t i, uint64_t result, int first);
};

/* Send those elements of which[0..count) that can be. Returns how many to send again: they are first
 * in `which` then. */
static uint32_t group_send(const struct batch *batch, uint32_t *which, uint32_t count, int first)
{
    struct blanket_guest *guest = batch->device->guest;
    uint32_t sent = 0, again = 0;

    for (uint32_t i = 0; i < count; i++) {
        int rc = batch->put(batch, which[i], &guest->items[sent * batch->element_items], !first);

        if (rc != 0) {
            batch->take(batch, which[i], blanket_result(rc, 0), -1);
        } else {
            which[sent++] = which[i];
        }
    }
    if (sent == 0) {
        return 0;
    }
    blanket_guest_run(guest, batch->device->endpoint, batch->verb, batch->element_items, sent);
    for (uint32_t i = 0; i < sent; i++) {
        if (batch->take(batch, which[i], guest->results[i], first)) {
            which[again++] = which[i];
        }
    }
    return again;
}

static void batch_send(const struct batch *batch, uint32_t count)
{
    uint32_t which[BLANKET_ELEMENT_COUNT_MAX];
    uint32_t next = 0;

    while (next < count) {
        uint32_t part = 0, limit = BLANKET_ELEMENT_COUNT_MAX;

        if (batch->reused != NULL && batch->reused->free_count < limit) {
            limit = batch->reused->free_count != 0 ? batch->reused->free_count : 1;
        }
        while (next < count && part < limit) {
            which[part++] = next++;
        }
        part = group_send(batch, which, part, 1);
        if (part != 0) {
            group_send(batch, which, part, 0);
        }
    }
}

/* ---- access ---- */

static BLANKET_CALLBACK int access_put(const struct batch *batch, uint32_t i, uint64_t *items,
                                       int again)
{
    struct blanket_guest_access *element = &((struct blanket_guest_access *)batch->elements)[i];
    struct blanket_guest_table *table = &batch->device->grants;
    int rc = again ? 0 : blanket_guest_table_take(table, &element->grant);

    if (rc == 0) {
        items[0] = blanket_guest_table_item(table, BLANKET_ITEM_GRANT, element->grant);
        items[1] = element->page;
    }
    return rc;
}

static BLANKET_CALLBACK int access_take(const struct batch *batch, uint32_t i, uint64_t result,
                                        int first)
{
    struct blanket_guest_access *element = &((struct blanket_guest_access *)batch->elements)[i];

    element->status = blanket_result_status(result);
    if (first < 0) {
        return 0;
    }
    return blanket_guest_table_created(&batch->device->grants, element->grant, result, first);
}

int blanket_guest_grant_access(struct blanket_guest_device *device,
                               struct blanket_guest_access *elements, uint32_t count)
{
    const struct batch batch = {device,     elements,   BLANKET_VERB_GRANT_ACCESS, 2, NULL,
                                access_put, access_take};
    int rc = 0;

    batch_send(&batch, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = elements[i].status;
    }
    return rc;
}

uint32_t blanket_guest_grant_reference(const struct blanket_guest_device *device, uint32_t grant)
{
    return device->grant_base + grant;
}

/* ---- end access, unmap ---- */

static struct blanket_guest_table *end_table(const struct batch *batch)
{
    return batch->verb == BLANKET_VERB_GRANT_END_ACCESS ? &batch->device->grants
                                                        : &batch->device->mappings;
}

static BLANKET_CALLBACK int end_put(const struct batch *batch, uint32_t i, uint64_t *items,
                                    int again)
{
    struct blanket_guest_end *element = &((struct blanket_guest_end *)batch->elements)[i];
    struct blanket_guest_table *table = end_table(batch);
    unsigned type = batch->verb == BLANKET_VERB_GRANT_END_ACCESS ? BLANKET_ITEM_GRANT
                                                                 : BLANKET_ITEM_MAPPING;

    (void)again;
    if (!blanket_guest_table_used(table, element->index)) {
        return -BLANKET_EINVAL;
    }
    table->slots[element->index].state = BLANKET_GUEST_SLOT_CLOSING;
    items[0] = blanket_guest_table_item(table, type, element->index);
    return 0;
}

static BLANKET_CALLBACK int end_take(const struct batch *batch, uint32_t i, uint64_t result,
                                     int first)
{
    struct blanket_guest_end *element = &((struct blanket_guest_end *)batch->elements)[i];

    element->status = blanket_result_status(result);
    if (first >= 0) {
        blanket_guest_table_destroyed(end_table(batch), element->index, result);
    }
    return 0;
}

static int end_elements(struct blanket_guest_device *device, uint16_t verb,
                        struct blanket_guest_end *elements, uint32_t count)
{
    const struct batch batch = {device, elements, verb, 1, NULL, end_put, end_take};
    int rc = 0;

    batch_send(&batch, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = elements[i].status;
    }
    return rc;
}

int blanket_guest_grant_end(struct blanket_guest_device *device, struct blanket_guest_end *elements,
                            uint32_t count)
{
    return end_elements(device, BLANKET_VERB_GRANT_END_ACCESS, elements, count);
}

int blanket_guest_grant_unmap(struct blanket_guest_device *device,
                              struct blanket_guest_end *elements, uint32_t count)
{
    return end_elements(device, BLANKET_VERB_GRANT_UNMAP, elements, count);
}

/* ---- query ---- */

int blanket_guest_grant_query(struct blanket_guest_device *device, uint32_t grant, uint32_t *state)
{
    struct blanket_guest *guest = device->guest;
    uint32_t value;
    int rc;

    if (!blanket_guest_table_used(&device->grants, grant)) {
        return -BLANKET_EINVAL;
    }
    guest->items[0] = blanket_guest_table_item(&device->grants, BLANKET_ITEM_GRANT, grant);
    blanket_guest_run(guest, device->endpoint, BLANKET_VERB_GRANT_QUERY, 1, 1);
    rc = blanket_result_status(guest->results[0]);
    value = blanket_result_value(guest->results[0]);
    if (rc != 0) {
        return rc;
    }
    if ((value & ~(BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING |
                   BLANKET_GRANT_STATE_CLOSING)) != 0) {
        return -BLANKET_EIO;
    }
    *state = value;
    return 0;
}

/* ---- map ---- */

static BLANKET_CALLBACK int map_put(const struct batch *batch, uint32_t i, uint64_t *items,
                                    int again)
{
    struct blanket_guest_map *element = &((struct blanket_guest_map *)batch->elements)[i];
    struct blanket_guest_table *table = &batch->device->mappings;
    int rc = 0;

    if (element->frame > BLANKET_ITEM_VALUE_MASK || (element->access & ~3u) != 0) {
        return -BLANKET_EINVAL;
    }
    if (!again) {
        rc = blanket_guest_table_take(table, &element->mapping);
    }
    if (rc == 0) {
        items[0] = blanket_guest_table_item(table, BLANKET_ITEM_MAPPING, element->mapping);
        items[1] = blanket_item(BLANKET_ITEM_PEER_REF, element->access, element->reference);
        items[2] = blanket_item(BLANKET_ITEM_FRAME, 0, element->frame);
    }
    return rc;
}

static BLANKET_CALLBACK int map_take(const struct batch *batch, uint32_t i, uint64_t result,
                                     int first)
{
    struct blanket_guest_map *element = &((struct blanket_guest_map *)batch->elements)[i];

    element->status = blanket_result_status(result);
    if (first < 0) {
        return 0;
    }
    return blanket_guest_table_created(&batch->device->mappings, element->mapping, result, first);
}

int blanket_guest_grant_map(struct blanket_guest_device *device, struct blanket_guest_map *elements,
                            uint32_t count)
{
    const struct batch batch = {device,  elements, BLANKET_VERB_GRANT_MAP, 3, NULL,
                                map_put, map_take};
    int rc = 0;

    batch_send(&batch, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = elements[i].status;
    }
    return rc;
}

/* ---- copy ---- */

/* End the mappings that lost copies may have left: nobody else knows of them. */
static void copy_sweep(struct blanket_guest_device *device)
{
    struct blanket_guest_table *table = &device->mappings;

    for (uint32_t i = 0; i < table->count; i++) {
        struct blanket_guest_end end = {i, 0};

        if (table->slots[i].state == BLANKET_GUEST_SLOT_LOST_COPY &&
            end_elements(device, BLANKET_VERB_GRANT_UNMAP, &end, 1) != 0) {
            table->slots[i].state = BLANKET_GUEST_SLOT_LOST_COPY;
        }
    }
}

static BLANKET_CALLBACK int copy_put(const struct batch *batch, uint32_t i, uint64_t *items,
                                     int again)
{
    struct blanket_guest_copy *element = &((struct blanket_guest_copy *)batch->elements)[i];
    struct blanket_guest_table *table = &batch->device->mappings;
    unsigned peer = element->to_peer ? BLANKET_ACCESS_WRITE : BLANKET_ACCESS_READ;
    unsigned own = element->to_peer ? BLANKET_ACCESS_READ : BLANKET_ACCESS_WRITE;
    uint64_t access_bits = (uint64_t)3 << BLANKET_ITEM_ACCESS_SHIFT;
    int rc = 0;

    if (element->length == 0 || (uint32_t)element->offset + element->length > 4096 ||
        (uint32_t)element->peer_offset + element->length > 4096) {
        return -BLANKET_EINVAL;
    }
    if (!again) {
        rc = blanket_guest_table_take(table, &element->mapping);
    }
    if (rc == 0) {
        items[0] = blanket_guest_table_item(table, BLANKET_ITEM_MAPPING, element->mapping);
        items[1] = blanket_item(BLANKET_ITEM_PEER_REF, peer, element->reference);
        items[2] = (element->page & ~access_bits) | ((uint64_t)own << BLANKET_ITEM_ACCESS_SHIFT);
        items[3] = blanket_item(BLANKET_ITEM_SPAN, 0,
                                element->peer_offset | ((uint64_t)element->offset << 12) |
                                    ((uint64_t)element->length << 24));
    }
    return rc;
}

static BLANKET_CALLBACK int copy_take(const struct batch *batch, uint32_t i, uint64_t result,
                                      int first)
{
    struct blanket_guest_copy *element = &((struct blanket_guest_copy *)batch->elements)[i];
    struct blanket_guest_table *table = &batch->device->mappings;
    int again = 0;

    element->status = blanket_result_status(result);
    if (first < 0) {
        return 0;
    }
    if (element->status == 0) {
        blanket_guest_table_release(table, element->mapping);
    } else {
        again = blanket_guest_table_created(table, element->mapping, result, first);
    }
    if (element->status == -BLANKET_EIO) {
        table->slots[element->mapping].state = BLANKET_GUEST_SLOT_LOST_COPY;
    }
    return again;
}

int blanket_guest_grant_copy(struct blanket_guest_device *device,
                             struct blanket_guest_copy *elements, uint32_t count)
{
    const struct batch batch = {device,   elements, BLANKET_VERB_GRANT_COPY, 4, &device->mappings,
                                copy_put, copy_take};
    int rc = 0;

    if (device->mappings.free_count < count &&
        device->mappings.free_count < BLANKET_ELEMENT_COUNT_MAX) {
        copy_sweep(device);
    }
    batch_send(&batch, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = elements[i].status;
    }
    return rc;
}
