/* SPDX-License-Identifier: MIT */
/*
 * Pages that user space named by its own grants, and whose user is going: taken down at once as far as the
 * peer allows, because the guest's kernel is about to free them. It runs the same batch as the worker and
 * the holder do, which both may be at the same slots: whoever is first releases a slot.
 */
#include "batch.h"
#include "object.h"
#include "resolve.h"
#include "verbs.h"

/* The endpoint that has a port: a handle, 0 if it is nobody's. */
static uint64_t find_endpoint(struct blanket_level *level, const struct blanket_level_guest *guest,
                              uint32_t id, uint32_t port)
{
    const struct blanket_table *ports = &guest->tables[BLANKET_TABLE_PORTS];
    uint64_t handle = 0;
    uint32_t owner;

    level->ops->lock(level->host, id);
    owner = port < ports->count ? ports->chunks[port / BLANKET_CHUNK_SLOTS].owner
                                : BLANKET_OWNER_NONE;
    if (owner < guest->endpoint_count) {
        handle = blanket_handle(owner, guest->endpoints[owner].generation);
    }
    level->ops->unlock(level->host, id);
    return handle;
}

/*
 * Take down the next LIVE grants of this kind, from *next in the endpoint's window: at most `most`, which
 * are named in `items` if that isn't NULL. Returns how many; fewer than `most`: there are no more.
 */
static uint32_t take_down(struct blanket_request *request, uint32_t *next, uint64_t *items,
                          uint32_t most)
{
    struct blanket_level *level = request->level;
    const struct blanket_table *table = &request->guest->tables[BLANKET_TABLE_GRANTS];
    const struct blanket_window *window = &request->endpoint->windows[BLANKET_TABLE_GRANTS];
    uint32_t count = 0;

    level->ops->lock(level->host, request->guest_id);
    while (*next < window->count && count < most) {
        uint32_t at = window->first + *next;
        const struct blanket_chunk *chunk = &table->chunks[at / BLANKET_CHUNK_SLOTS];
        struct blanket_slot *slot = &table->slots[at];

        if (chunk->owner != request->endpoint_index || chunk->used == 0) {
            *next += BLANKET_CHUNK_SLOTS - at % BLANKET_CHUNK_SLOTS;
            continue;
        }
        if (slot->state == BLANKET_SLOT_LIVE && slot->own) {
            blanket_object_abandon(request, slot);
            if (items) {
                items[count] = blanket_item_slot(BLANKET_ITEM_GRANT, *next, slot->generation);
            }
            count++;
        }
        (*next)++;
    }
    blanket_object_settle(request, BLANKET_TABLE_GRANTS);
    level->ops->unlock(level->host, request->guest_id);
    return count;
}

/* At most `budget` of them, ended below too. Returns how many. */
static uint32_t end_some(struct blanket_request *request, uint32_t *next, uint32_t budget)
{
    uint64_t *items = (uint64_t *)(void *)request->context->in;
    uint32_t ended = 0, count;

    do {
        uint32_t most = budget - ended;

        most = most < BLANKET_ELEMENT_COUNT_MAX ? most : BLANKET_ELEMENT_COUNT_MAX;
        count = take_down(request, next, items, most);
        if (count != 0) {
            request->items = items;
            request->item_count = (uint16_t)count;
            request->element_count = (uint16_t)count;
            request->batch_first = 0;
            request->batch_count = (uint16_t)count;
            /* What it doesn't finish is CLOSING, and its aftermath kicks the worker. */
            (void)blanket_batch(request);
        }
        ended += count;
    } while (count == BLANKET_ELEMENT_COUNT_MAX && ended < budget);
    return ended;
}

static uint32_t gone(struct blanket_request *request, uint32_t budget)
{
    uint32_t next = 0, count = 0, rest;

    if (budget != 0 && request->vcpu < request->level->limits.vcpus) {
        request->context = &request->level->contexts[request->vcpu];
        if (__atomic_exchange_n(&request->context->busy, 1, __ATOMIC_ACQUIRE) == 0) {
            count = end_some(request, &next, budget);
            __atomic_store_n(&request->context->busy, 0, __ATOMIC_RELEASE);
        }
    }
    rest = take_down(request, &next, NULL, UINT32_MAX);
    if (rest != 0) {
        blanket_guest_kick(request->level, request->guest, 1);
    }
    return count + rest;
}

uint32_t blanket_pages_gone(struct blanket_level *level, uint32_t id, uint32_t vcpu, uint32_t port,
                            uint32_t budget)
{
    struct blanket_level_guest *guest = blanket_guest_hold(level, id);
    struct blanket_request request;
    uint32_t count = 0;

    if (!guest) {
        return 0;
    }
    memset(&request, 0, sizeof(request));
    request.level = level;
    request.guest = guest;
    request.guest_id = id;
    request.vcpu = vcpu;
    request.verb = blanket_verb_find(BLANKET_VERB_GRANT_END_ACCESS);
    request.handle = find_endpoint(level, guest, id, port);
    if (request.handle != 0 && blanket_endpoint_pin(&request) == 0) {
        count = gone(&request, budget);
        blanket_endpoint_unpin(level, guest, request.endpoint);
    }
    blanket_guest_release(guest);
    return count;
}
