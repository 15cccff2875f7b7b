/* SPDX-License-Identifier: MIT */
/*
 * Ends: the tables that one side of a device has, carved from the provider's limits, and the numbers
 * under which its peer knows what is in them.
 */
#include "root_private.h"

struct root_end *blanket_root_end_find(const struct blanket_root *root, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;

    if (slot >= root->place_count || !root->places[slot].end ||
        root->places[slot].end->handle != handle) {
        return NULL;
    }
    return root->places[slot].end;
}

static struct root_window *window_of(struct root_end *end, bool of_ports)
{
    return of_ports ? &end->numbers : &end->references;
}

/* The lowest window that none of the same owner's overlaps: only needed where a domid scopes them. */
static int window_place(struct blanket_root *root, struct root_end *end, uint32_t first,
                        bool of_ports)
{
    struct root_window *window = window_of(end, of_ports);
    uint32_t i = 0;

    window->first = first;
    while (root->scoping == BLANKET_ROOT_SCOPE_DOMID && i < root->place_count) {
        struct root_end *other = root->places[i++].end;
        const struct root_window *taken = other ? window_of(other, of_ports) : NULL;

        if (taken && other != end && other->owner_domid == end->owner_domid &&
            window->first < taken->first + taken->count &&
            taken->first < window->first + window->count) {
            window->first = taken->first + taken->count;
            i = 0;
        }
        if (window->first > ROOT_NUMBER_MAX - window->count) {
            return -BLANKET_ENOSPC;
        }
    }
    return 0;
}

static int place_take(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    for (i = 0; i < root->place_count; i++) {
        if (!root->places[i].end && root->places[i].generation < UINT32_MAX) {
            root->places[i].end = end;
            root->places[i].generation++;
            end->handle = blanket_handle(i, root->places[i].generation);
            return 0;
        }
    }
    return -BLANKET_ENOSPC;
}

static uint32_t bits_for(uint32_t count)
{
    uint32_t bits = 0;

    while (bits < 16 && 1u << bits < count) {
        bits++;
    }
    return bits;
}

static bool tables_allocate(struct blanket_root *root, struct root_end *end)
{
    end->grants = (struct root_grant *)blanket_root_allocate(root, end->references.count,
                                                             sizeof(*end->grants));
    end->mappings = (struct root_mapping *)blanket_root_allocate(root, end->mapping_count,
                                                                 sizeof(*end->mappings));
    end->buckets = (uint32_t *)blanket_root_allocate(root, (size_t)1 << end->bucket_bits,
                                                     sizeof(*end->buckets));
    end->ports = (struct root_port *)blanket_root_allocate(root, end->numbers.count,
                                                           sizeof(*end->ports));
    return end->grants && end->mappings && end->buckets && end->ports;
}

/*
 * Tables, numbers and a place for an end whose device, peer and domids are set. On error nothing is
 * held.
 */
int blanket_root_end_init(struct blanket_root *root, struct root_end *end,
                          const struct blanket_root_device *quotas)
{
    uint32_t i;
    int status;

    if (quotas->grants > root->grant_room || quotas->mappings > root->mapping_room ||
        quotas->ports > root->port_room) {
        return -BLANKET_ENOSPC;
    }
    root->grant_room -= quotas->grants;
    root->mapping_room -= quotas->mappings;
    root->port_room -= quotas->ports;
    end->references.count = quotas->grants;
    end->mapping_count = quotas->mappings;
    end->numbers.count = quotas->ports;
    end->bucket_bits = bits_for(quotas->mappings);
    atomic_init(&end->in_flight, 0);

    status = place_take(root, end);
    status = status ? status : window_place(root, end, ROOT_REFERENCE_FIRST, false);
    status = status ? status : window_place(root, end, ROOT_PORT_FIRST, true);
    if (status == 0 && !tables_allocate(root, end)) {
        status = -BLANKET_ENOMEM;
    }
    if (status) {
        blanket_root_end_fini(root, end);
        return status;
    }
    for (i = 0; i < end->numbers.count; i++) {
        end->ports[i].end = end;
    }
    blanket_root_mapping_init(end);
    return 0;
}

void blanket_root_end_fini(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    for (i = 0; end->ports && i < end->numbers.count; i++) {
        blanket_root_notice_cancel(root, &end->ports[i].notice);
    }
    blanket_root_release(root, end->grants, end->references.count, sizeof(*end->grants));
    blanket_root_release(root, end->mappings, end->mapping_count, sizeof(*end->mappings));
    blanket_root_release(root, end->buckets, (size_t)1 << end->bucket_bits, sizeof(*end->buckets));
    blanket_root_release(root, end->ports, end->numbers.count, sizeof(*end->ports));
    root->grant_room += end->references.count;
    root->mapping_room += end->mapping_count;
    root->port_room += end->numbers.count;
    if (end->handle) {
        root->places[(uint32_t)end->handle].end = NULL;
    }
    end->handle = 0;
}

int blanket_root_end_listen(struct root_end *end, const struct blanket_root_sink *sink,
                            uint32_t event_base)
{
    if (end->numbers.count > UINT32_MAX - event_base) {
        return -BLANKET_EINVAL;
    }
    if (sink) {
        end->sink = *sink;
    }
    end->event_base = event_base;
    return 0;
}

/* No new objects, no events; what nobody else holds is gone, but for connections to the store. */
void blanket_root_end_kill(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    end->dead = true;
    for (i = 0; i < end->numbers.count; i++) {
        if (end->ports[i].slot.state != BLANKET_BELOW_FREE &&
            end->ports[i].kind != BLANKET_PORT_STATE_STORE) {
            blanket_root_port_free(root, &end->ports[i]);
        }
    }
    for (i = 0; i < end->references.count; i++) {
        blanket_root_grant_kill(root, &end->grants[i]);
    }
}

/* Nothing hangs on a dead end any more: none of its slots, no peer's mapping, no running sink. */
bool blanket_root_end_idle(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    for (i = 0; i < end->references.count; i++) {
        blanket_root_grant_kill(root, &end->grants[i]);
        if (end->grants[i].slot.state != BLANKET_BELOW_FREE) {
            return false;
        }
    }
    for (i = 0; i < end->mapping_count; i++) {
        if (end->mappings[i].slot.state != BLANKET_BELOW_FREE) {
            return false;
        }
    }
    for (i = 0; i < end->numbers.count; i++) {
        if (end->ports[i].slot.state != BLANKET_BELOW_FREE) {
            return false;
        }
    }
    return atomic_load(&end->in_flight) == 0;
}
