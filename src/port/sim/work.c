/* SPDX-License-Identifier: MIT */
/*
 * What happens without a guest's call: events on their way up, and the levels' workers.
 */
#include <string.h>

#include "sim_private.h"

#define ROUNDS_MAX 100000u

/* --- events --- */

void sim_event(struct sim_node *node, uint32_t vcpu, uint32_t port)
{
    struct sim_node *parent = node->parent;

    if (port >= node->limits.ports) {
        sim_violation(node->sim, "port %u of node %u is raised: it has %u", port, node->index,
                      node->limits.ports);
        return;
    }
    if (node->spec.kind == BLANKET_SIM_GUEST) {
        atomic_store(&node->pending[port], 1);
        if (node->event) {
            node->event(node->event_context, vcpu, port);
        }
        return;
    }
    (void)blanket_event_take(parent->level, node->guest->id, port);
    if (port == BLANKET_PORT_CONTROL) {
        atomic_store(&node->control, 1);
    } else if (node->level) {
        blanket_event(node->level, port);
    }
}

int blanket_sim_event_take(struct blanket_sim *sim, uint32_t guest, uint32_t port)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || port >= node->limits.ports) {
        return -BLANKET_EINVAL;
    }
    if (!node->guest) {
        return -BLANKET_ENOTCONN;
    }
    if (!atomic_exchange(&node->pending[port], 0)) {
        return 0;
    }
    (void)blanket_event_take(node->parent->level, node->guest->id, port);
    return 1;
}

int blanket_sim_event_handler(struct blanket_sim *sim, uint32_t guest,
                              void (*event)(void *context, uint32_t vcpu, uint32_t port),
                              void *context)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node) {
        return -BLANKET_EINVAL;
    }
    node->event = event;
    node->event_context = context;
    return 0;
}

static void provider_event(void *context, uint32_t number)
{
    struct sim_node *level = context;

    if (level->level) {
        blanket_event(level->level, number);
    }
}

int blanket_sim_events(struct blanket_sim *sim, uint32_t guest, uint32_t count,
                       struct blanket_root_sink *sink, uint32_t *event_base)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node) {
        return -BLANKET_EINVAL;
    }
    while (node->parent) {
        node = node->parent;
    }
    if (count > SIM_EVENTS - node->event_next) {
        return -BLANKET_ENOSPC;
    }
    sink->event = provider_event;
    sink->context = node;
    *event_base = node->event_next;
    node->event_next += count;
    return 0;
}

/* --- workers --- */

/* What the level below did to this level's endpoints; those on them are told. */
static void take_control(struct sim_node *node)
{
    struct blanket_below below = sim_below(node);
    struct blanket_wire_endpoint info;
    struct blanket_call call;
    uint32_t round;

    for (round = 0; round <= node->limits.endpoints; round++) {
        memset(&call, 0, sizeof(call));
        memset(&info, 0, sizeof(info));
        call.verb = BLANKET_VERB_ENDPOINT_EVENTS;
        call.endpoint = blanket_handle(0, 1);
        call.vcpu = node->level_limits.vcpus - 1;
        call.reply = (uint8_t *)&info;
        call.reply_max = sizeof(info);
        if (below.ops->call(below.context, &call) || call.reply_size != sizeof(info)) {
            return;
        }
        if (info.events & (BLANKET_EVENT_DEAD | BLANKET_EVENT_PEER_GONE)) {
            blanket_endpoint_lost(node->level, &below, info.endpoint);
        }
    }
    atomic_store(&node->control, 1);
}

static int work_node(struct sim_node *node, uint32_t budget)
{
    int result;

    if (node->parent && atomic_exchange(&node->control, 0)) {
        take_control(node);
    }
    if (!atomic_exchange(&node->kicked, 0) && !node->waits) {
        return 0;
    }
    result = blanket_work(node->level, budget);
    if (result < 0 || result > 2) {
        sim_violation(node->sim, "the worker of level %u says %d", node->index, result);
    }
    if (result == 1) {
        atomic_store(&node->kicked, 1);
    }
    node->waits = result == 2;
    return result;
}

int blanket_sim_work(struct blanket_sim *sim, uint32_t budget)
{
    uint32_t i;
    int now = 0, waits = 0;

    pthread_mutex_lock(&sim->worker);
    for (i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].level && sim->nodes[i].running) {
            int result = work_node(&sim->nodes[i], budget);

            now |= result == 1;
            waits |= result == 2;
        }
    }
    for (i = 0; i < sim->node_count; i++) {
        now |= atomic_load(&sim->nodes[i].kicked) && !sim->nodes[i].waits;
        now |= atomic_load(&sim->nodes[i].control);
    }
    pthread_mutex_unlock(&sim->worker);
    return now ? 1 : waits ? 2 : 0;
}

/* What is left everywhere: it doesn't change any more when all of it waits. */
static uint64_t left(struct blanket_sim *sim)
{
    struct blanket_level_stats stats;
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].level) {
            blanket_level_stats(sim->nodes[i].level, &stats);
            sum += stats.closing + stats.endpoints + stats.grants + stats.mappings + stats.ports;
        }
    }
    return sum;
}

int blanket_sim_settle(struct blanket_sim *sim)
{
    uint64_t before, after = left(sim);
    uint32_t round, still = 0;
    int result = 0;

    for (round = 0; round < ROUNDS_MAX; round++) {
        before = after;
        result = blanket_sim_work(sim, 16);
        after = left(sim);
        still = before == after && result == 2 ? still + 1 : 0;
        if (result == 0 || still > sim->node_count + 1) {
            return result;
        }
    }
    sim_violation(sim, "the workers don't come to an end");
    return result;
}

/* --- what guests do --- */

/* 0: the guest runs; else the error to give. */
static int guest_of(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu, struct sim_node **node)
{
    *node = sim_node(sim, guest, BLANKET_SIM_GUEST);
    if (!*node || vcpu >= (*node)->vcpu_count) {
        return -BLANKET_EINVAL;
    }
    return (*node)->running ? 0 : -BLANKET_ENOTCONN;
}

int blanket_sim_call_at(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu, uint64_t address)
{
    struct sim_node *node;
    int status = guest_of(sim, guest, vcpu, &node);

    if (status) {
        return status;
    }
    sim_reading_begin(node, address);
    status = blanket_call(node->parent->level, node->guest->id, node->vcpu_base + vcpu, address);
    sim_reading_end(node);
    return status;
}

int blanket_sim_call(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu, void *frame,
                     uint32_t size)
{
    struct sim_node *node;
    int status = guest_of(sim, guest, vcpu, &node);

    if (status) {
        return status;
    }
    return size > BLANKET_FRAME_SIZE_MAX ? -BLANKET_EINVAL
                                         : sim_call_parent(node, vcpu, frame, size);
}

int blanket_sim_send(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu, uint64_t endpoint,
                     uint64_t port)
{
    struct sim_node *node;
    int status = guest_of(sim, guest, vcpu, &node);

    if (status) {
        return status;
    }
    return blanket_send(node->parent->level, node->guest->id, node->vcpu_base + vcpu, endpoint,
                        port);
}

int blanket_sim_hypercall(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu, uint64_t form,
                          const uint64_t arguments[BLANKET_ARGUMENT_COUNT])
{
    struct sim_node *node;
    int status = guest_of(sim, guest, vcpu, &node);

    if (status) {
        return status;
    }
    if (form == BLANKET_FORM_CALL) {
        sim_reading_begin(node, arguments[0]);
    }
    status = blanket_hypercall(node->parent->level, node->guest->id, node->vcpu_base + vcpu, form,
                               arguments);
    sim_reading_end(node);
    return status;
}

static int transport_call(void *context, void *frame, uint32_t size)
{
    struct sim_transport *transport = context;

    return blanket_sim_call(transport->node->sim, transport->node->index, transport->vcpu, frame,
                            size);
}

static int transport_send(void *context, uint64_t endpoint, uint64_t port)
{
    struct sim_transport *transport = context;

    return blanket_sim_send(transport->node->sim, transport->node->index, transport->vcpu, endpoint,
                            port);
}

int blanket_sim_transport(struct blanket_sim *sim, uint32_t guest, uint32_t vcpu,
                          struct blanket_transport *transport)
{
    static const struct blanket_transport_ops ops = {
        .size = sizeof(ops),
        .call = transport_call,
        .send = transport_send,
    };
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || vcpu >= node->vcpu_count) {
        return -BLANKET_EINVAL;
    }
    transport->ops = &ops;
    transport->context = &node->transports[vcpu];
    return 0;
}
