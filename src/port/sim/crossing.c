/* SPDX-License-Identifier: MIT */
/*
 * Crossings: from a level, or a guest, to what it stands on; and what may go wrong on the way.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_private.h"

/* What the next crossing of the level meets. */
static enum blanket_sim_fault next_fault(struct sim_node *level)
{
    enum blanket_sim_fault fault = BLANKET_SIM_FAULT_NONE;

    if (level->fault == BLANKET_SIM_FAULT_NONE) {
        return fault;
    }
    pthread_mutex_lock(&level->sim->memory);
    if (level->fault_count > 0 && level->fault_skip > 0) {
        level->fault_skip--;
    } else if (level->fault_count > 0) {
        level->fault_count--;
        fault = level->fault;
    }
    pthread_mutex_unlock(&level->sim->memory);
    return fault;
}

/* Before any crossing: 0 or the error that it gives instead. */
static int begin(struct sim_node *level, uint32_t op)
{
    struct blanket_sim *sim = level->sim;

    sim_check_unlocked(level, "a call below");
    atomic_fetch_add_explicit(&sim->crossings, 1, memory_order_relaxed);
    if (level->between) {
        level->between(level->between_context);
    }
    return sim_fails(sim, op) ? -BLANKET_EIO : 0;
}

static void noise(struct blanket_sim *sim, void *target, size_t size)
{
    uint8_t *byte = target;
    size_t i;

    for (i = 0; i < size; i++) {
        byte[i] = (uint8_t)(sim_random(sim) >> 32);
    }
}

/* A status as a mad level gives it: often 0, so that what else it says is looked at. */
static int mad_status(struct blanket_sim *sim)
{
    static const int values[] = {0, 0, 0, 1, 7, -9999, -INT32_MAX, INT32_MAX, -BLANKET_EIO};

    return values[sim_random(sim) % (sizeof(values) / sizeof(values[0]))];
}

/* --- to a level: a frame in the caller's own memory --- */

static uint32_t reply_extent(const struct blanket_wire_header *sent,
                             const struct blanket_wire_header *reply)
{
    uint32_t extent = BLANKET_HEADER_SIZE + 8u * sent->item_count;

    extent += reply->reply_size < sent->reply_max ? reply->reply_size : sent->reply_max;
    return extent < BLANKET_FRAME_SIZE_MAX ? extent : BLANKET_FRAME_SIZE_MAX;
}

int sim_call_parent(struct sim_node *node, uint32_t vcpu, void *frame, uint32_t size)
{
    struct sim_node *parent = node->parent;
    struct blanket_wire_header sent, reply;
    uint64_t address;
    int status;

    if (vcpu >= node->vcpu_count || size > BLANKET_FRAME_SIZE_MAX) {
        sim_violation(node->sim, "node %u calls with vcpu %u of %u and %u bytes", node->index, vcpu,
                      node->vcpu_count, size);
        return -BLANKET_EIO;
    }
    if (!node->guest || !parent->level) {
        return -BLANKET_EIO;
    }
    address = (node->base + node->bounce[vcpu]) * BLANKET_SIM_PAGE_SIZE;
    memset(&sent, 0, sizeof(sent));
    memcpy(&sent, frame, size < sizeof(sent) ? size : sizeof(sent));
    (void)sim_copy(node, address, NULL, &sent, sizeof(sent));
    (void)sim_copy(node, address, NULL, frame, size);
    sim_reading_begin(node, address);
    status = blanket_call(parent->level, node->guest->id, node->vcpu_base + vcpu, address);
    sim_reading_end(node);
    (void)sim_copy(node, address, &reply, NULL, sizeof(reply));
    (void)sim_copy(node, address, frame, NULL, reply_extent(&sent, &reply));
    return status;
}

static struct sim_late *late_new(struct sim_node *level)
{
    struct sim_late *late = calloc(1, sizeof(*late));
    struct sim_late **end = &level->sim->late;

    if (!late) {
        abort();
    }
    late->node = level;
    late->life = level->guest;
    while (*end) {
        end = &(*end)->next;
    }
    *end = late;
    return late;
}

/* The frame comes back as noise of one kind or another. */
static int garble_frame(struct blanket_sim *sim, uint8_t *frame)
{
    struct blanket_wire_header header;
    uint32_t kind = (uint32_t)(sim_random(sim) % 4);

    memcpy(&header, frame, sizeof(header));
    if (kind == 0) {
        noise(sim, frame, BLANKET_FRAME_SIZE_MAX);
        return mad_status(sim);
    }
    if (kind == 1 || kind == 3) {
        noise(sim, frame + BLANKET_HEADER_SIZE, 8u * (size_t)(header.item_count & 0xffu));
    }
    if (kind >= 2) {
        header.done = (uint16_t)sim_random(sim);
        header.reply_size = (uint16_t)sim_random(sim);
        header.status = mad_status(sim);
        memcpy(frame, &header, sizeof(header));
    }
    return kind == 1 ? 0 : mad_status(sim);
}

int sim_call_below(void *host, uint32_t vcpu, void *frame, uint32_t size)
{
    struct sim_node *level = host;
    enum blanket_sim_fault fault;
    struct sim_late *late;
    uint8_t *copy;
    int status = begin(level, BLANKET_SIM_OP_CALL);

    if (status) {
        return status;
    }
    fault = next_fault(level);
    switch (fault) {
    case BLANKET_SIM_FAULT_NONE:
        return sim_call_parent(level, vcpu, frame, size);
    case BLANKET_SIM_FAULT_REFUSE:
        return -BLANKET_EAGAIN;
    case BLANKET_SIM_FAULT_LOSE_REQUEST:
        return -BLANKET_EIO;
    case BLANKET_SIM_FAULT_LATE:
        late = late_new(level);
        late->vcpu = vcpu;
        late->size = size;
        memcpy(late->data, frame, size);
        return -BLANKET_EIO;
    case BLANKET_SIM_FAULT_GARBAGE:
        (void)sim_call_parent(level, vcpu, frame, size);
        return garble_frame(level->sim, frame);
    case BLANKET_SIM_FAULT_LOSE_REPLY:
    case BLANKET_SIM_FAULT_DUPLICATE:
        break;
    }
    copy = malloc(BLANKET_FRAME_SIZE_MAX);
    if (!copy) {
        return -BLANKET_EIO;
    }
    memcpy(copy, frame, size);
    (void)sim_call_parent(level, vcpu, copy, size);
    free(copy);
    if (fault == BLANKET_SIM_FAULT_DUPLICATE) {
        return sim_call_parent(level, vcpu, frame, size);
    }
    return -BLANKET_EIO;
}

int sim_send_below(void *host, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct sim_node *level = host;
    struct sim_node *parent = level->parent;
    int status = begin(level, BLANKET_SIM_OP_SEND);

    if (status) {
        return status;
    }
    if (!parent || !level->guest || !parent->level || vcpu >= level->vcpu_count) {
        return -BLANKET_EIO;
    }
    return blanket_send(parent->level, level->guest->id, level->vcpu_base + vcpu, endpoint, port);
}

/* --- to the provider: the level's frame numbers become the machine's --- */

static int call_provider(struct sim_node *level, struct blanket_call *call)
{
    struct blanket_sim *sim = level->sim;
    const uint64_t *items = call->items;
    uint64_t machine[BLANKET_ITEM_COUNT_MAX];
    uint32_t count = (uint32_t)call->element_count * call->element_items;
    uint32_t i;
    int status;

    if (count > BLANKET_ITEM_COUNT_MAX || call->element_count > BLANKET_ELEMENT_COUNT_MAX) {
        sim_violation(sim, "level %u calls the provider with %u items", level->index, count);
        return -BLANKET_E2BIG;
    }
    for (i = 0; i < count; i++) {
        machine[i] = items[i];
        if (blanket_item_type(items[i]) == BLANKET_ITEM_FRAME) {
            uint64_t index = blanket_item_value(items[i]) - level->base;

            if (index >= level->count) {
                sim_violation(sim, "level %u names a frame that it hasn't", level->index);
                return -BLANKET_EFAULT;
            }
            machine[i] = blanket_item(BLANKET_ITEM_FRAME, blanket_item_access(items[i]),
                                      sim->machine_base + level->machine[index]);
        }
    }
    call->items = machine;
    status = sim->provider.ops->call(sim->provider.context, call);
    call->items = items;
    return status;
}

static void hold_back(struct sim_node *level, const struct blanket_call *call)
{
    struct sim_late *late = late_new(level);

    late->call = *call;
    memcpy(late->items, call->items,
           8u * (size_t)call->element_count * (size_t)call->element_items);
    if (call->payload_size) {
        memcpy(late->data, call->payload, call->payload_size);
    }
}

static int garble_call(struct blanket_sim *sim, struct blanket_call *call)
{
    uint32_t kind = (uint32_t)(sim_random(sim) % 3);

    if (kind != 1 && call->element_items) {
        noise(sim, call->results, 8u * (size_t)call->element_count);
    }
    if (kind != 0) {
        call->done = (uint16_t)sim_random(sim);
        call->reply_size = (uint16_t)sim_random(sim);
        call->detail = (uint32_t)sim_random(sim);
    }
    if (call->reply_max) {
        noise(sim, call->reply, call->reply_max);
    }
    return kind == 0 ? 0 : mad_status(sim);
}

static int provider_call(void *context, struct blanket_call *call)
{
    struct sim_node *level = context;
    struct blanket_call copy;
    int status = begin(level, BLANKET_SIM_OP_CALL);
    enum blanket_sim_fault fault;

    if (status) {
        return status;
    }
    fault = next_fault(level);
    switch (fault) {
    case BLANKET_SIM_FAULT_NONE:
        break;
    case BLANKET_SIM_FAULT_REFUSE:
        return -BLANKET_EAGAIN;
    case BLANKET_SIM_FAULT_LOSE_REQUEST:
        return -BLANKET_EIO;
    case BLANKET_SIM_FAULT_LATE:
        hold_back(level, call);
        return -BLANKET_EIO;
    case BLANKET_SIM_FAULT_GARBAGE:
        (void)call_provider(level, call);
        return garble_call(level->sim, call);
    case BLANKET_SIM_FAULT_LOSE_REPLY:
    case BLANKET_SIM_FAULT_DUPLICATE:
        copy = *call;
        (void)call_provider(level, &copy);
        if (fault == BLANKET_SIM_FAULT_LOSE_REPLY) {
            return -BLANKET_EIO;
        }
        break;
    }
    return call_provider(level, call);
}

static int provider_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct sim_node *level = context;
    struct blanket_sim *sim = level->sim;
    int status = begin(level, BLANKET_SIM_OP_SEND);

    return status ? status : sim->provider.ops->send(sim->provider.context, vcpu, endpoint, port);
}

struct blanket_below sim_below(struct sim_node *level)
{
    static const struct blanket_below_ops ops = {.call = provider_call, .send = provider_send};
    struct blanket_below below = {&ops, level};

    return level->parent ? blanket_level_nested(level->level) : below;
}

/* --- late --- */

static void perform_late(struct sim_late *late)
{
    struct sim_node *level = late->node;

    if (!level->running || late->life != level->guest) {
        return;
    }
    if (level->parent) {
        (void)sim_call_parent(level, late->vcpu, late->data, late->size);
        return;
    }
    late->call.items = late->items;
    late->call.payload = late->data;
    late->call.results = late->results;
    late->call.reply = late->reply;
    (void)call_provider(level, &late->call);
}

uint32_t blanket_sim_late(struct blanket_sim *sim)
{
    uint32_t count = 0;

    while (sim->late) {
        struct sim_late *late = sim->late;

        sim->late = late->next;
        perform_late(late);
        free(late);
        count++;
    }
    return count;
}

void sim_late_drop(struct blanket_sim *sim, const struct sim_node *node)
{
    struct sim_late **link = &sim->late;

    while (*link) {
        struct sim_late *late = *link;

        if (!node || late->node == node) {
            *link = late->next;
            free(late);
        } else {
            link = &late->next;
        }
    }
}

int blanket_sim_fault(struct blanket_sim *sim, uint32_t node, enum blanket_sim_fault fault,
                      uint32_t skip, uint32_t count)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level || (unsigned)fault > BLANKET_SIM_FAULT_DUPLICATE) {
        return -BLANKET_EINVAL;
    }
    level->fault = fault;
    level->fault_skip = skip;
    level->fault_count = count;
    return 0;
}

int blanket_sim_between(struct blanket_sim *sim, uint32_t node, void (*between)(void *context),
                        void *context)
{
    struct sim_node *level = sim_node(sim, node, BLANKET_SIM_LEVEL);

    if (!level) {
        return -BLANKET_EINVAL;
    }
    level->between = between;
    level->between_context = context;
    return 0;
}
