/* SPDX-License-Identifier: MIT */
#include "bed.h"

/* --- open and close --- */

static void peer_event(void *context, uint32_t number)
{
    struct bed_device *device = context;

    if (number < BED_PORTS) {
        __atomic_fetch_add(&device->peer_events[number], 1, __ATOMIC_RELAXED);
    }
}

static int device_add(struct bed *bed, uint32_t guest)
{
    const struct bed_config *config = &bed->config;
    uint32_t slots = config->slots ? config->slots : 16;
    struct blanket_root_device spec;
    struct blanket_root_sink sink, peer_sink;
    struct bed_device *device = &bed->devices[guest];
    int paired = bed_is_paired(bed, guest);
    struct bed_device *other = paired ? &bed->devices[guest + 1] : NULL;
    uint32_t peer_base = 0;
    int error;

    memset(&spec, 0, sizeof(spec));
    spec.frontend_domid = BED_DOMID;
    spec.backend_domid = paired ? BED_DOMID : 0;
    spec.type = "vbd";
    spec.handle = 51712 + 16 * guest;
    spec.grants = spec.mappings = spec.ports = slots;
    spec.connections = 4;
    spec.requests = 8;
    spec.watches = 16;
    spec.transactions = 4;
    peer_sink.event = peer_event;
    peer_sink.context = device;
    error = blanket_sim_events(bed->sim, bed_guest(bed, guest), slots, &sink, &device->event_base);
    if (!error && other) {
        error = blanket_sim_events(bed->sim, bed_guest(bed, guest + 1), slots, &peer_sink,
                                   &peer_base);
        other->event_base = peer_base;
    }
    if (!error) {
        error = blanket_root_device_add(bed->root, &spec, &sink, device->event_base, &peer_sink,
                                        peer_base, &device->end, &device->peer);
    }
    snprintf(device->name, sizeof(device->name), "vbd/%u", (unsigned)spec.handle);
    if (other) {
        other->end = device->peer;
        other->peer = device->end;
        snprintf(other->name, sizeof(other->name), "back/%u", (unsigned)spec.handle);
    }
    return error;
}

int bed_mint(struct bed *bed, uint32_t guest, uint32_t rights, const uint32_t *rights_of_node)
{
    struct blanket_sim_device device;

    memset(&device, 0, sizeof(device));
    device.name = bed->devices[guest].name;
    device.rights = rights;
    device.rights_of_node = rights_of_node;
    device.flags = bed->config.mint_flags;
    device.label = 0xd0 + guest;
    device.end = bed->devices[guest].end;
    device.event_base = bed->devices[guest].event_base;
    return blanket_sim_device(bed->sim, bed_guest(bed, guest), &device, &bed->handles[guest],
                              bed->given[guest]);
}

static int provider_call(void *context, struct blanket_call *call)
{
    struct bed *bed = context;
    struct blanket_below root = blanket_root_below(bed->root);
    int status = root.ops->call(root.context, call);

    if (bed->after) {
        bed->after(bed, call);
    }
    return status;
}

static int provider_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct bed *bed = context;
    struct blanket_below root = blanket_root_below(bed->root);

    if (bed->send_answer) {
        return bed->send_answer(bed);
    }
    return root.ops->send(root.context, vcpu, endpoint, port);
}

static const struct blanket_below_ops provider_ops = {
    .call = provider_call,
    .send = provider_send,
};

static int sim_open(struct bed *bed)
{
    const struct bed_config *config = &bed->config;
    uint32_t slots = config->slots ? config->slots : 16;
    struct blanket_sim_spec nodes[BLANKET_LEVEL_MAX + BED_GUESTS], guest;
    struct blanket_sim_config sim;

    memset(&guest, 0, sizeof(guest));
    guest.vcpus = config->vcpus ? config->vcpus : 1;
    guest.pages = 4 * slots;
    guest.label = 0xa0;
    guest.limits.endpoints = 24;
    guest.limits.grants = slots;
    guest.limits.mappings = slots;
    guest.limits.ports = slots + BLANKET_CHUNK_SLOTS;
    guest.limits.vcpus = 4;
    memset(&sim, 0, sizeof(sim));
    sim.seed = config->seed;
    sim.flags = config->sim_flags;
    sim.node_count = blanket_sim_tower(config->levels, config->guests, &guest, nodes);
    sim.nodes = nodes;
    return blanket_sim_create(&sim, &bed->sim);
}

int bed_open(struct bed *bed, const struct bed_config *config)
{
    uint32_t slots = 2 * config->guests * (config->slots ? config->slots : 16);
    const struct blanket_root_limits limits = {
        .domains = 4,
        .devices = config->guests,
        .grants = slots,
        .mappings = slots,
        .ports = slots,
        .store_size = config->store ? 1 << 20 : 0,
    };
    uint32_t i;
    int error;

    memset(bed, 0, sizeof(*bed));
    bed->config = *config;
    error = sim_open(bed);
    if (error) {
        return error;
    }
    error = blanket_root_create(&limits, config->scoping, blanket_sim_host_ops(), bed->sim,
                                &bed->root);
    if (error) {
        (void)blanket_sim_destroy(bed->sim);
        return error;
    }
    blanket_sim_provider(bed->sim, (struct blanket_below){&provider_ops, bed});
    for (i = 0; !error && i < config->guests; i += bed_is_paired(bed, i) ? 2 : 1) {
        error = device_add(bed, i);
    }
    for (i = 0; !error && i < config->guests && !config->unminted; i++) {
        error = bed_mint(bed, i, BLANKET_RIGHTS_ALL, NULL);
    }
    if (error) {
        (void)bed_close(bed);
    }
    return error;
}

int bed_close(struct bed *bed)
{
    struct blanket_root_stats stats;
    uint32_t guest, i;
    int bad = 0;

    for (guest = 0; guest < bed->config.guests; guest++) {
        for (i = 0; i < BED_PORTS; i++) {
            if (bed->devices[guest].peer_ports[i]) {
                (void)bed_peer_op(bed, guest, BLANKET_VERB_EVTCHN_CLOSE, 1,
                                  bed_port(i, bed->devices[guest].peer_ports[i]));
            }
        }
    }
    blanket_sim_finish(bed->sim);
    blanket_root_stats(bed->root, &stats);
    if (stats.grants || stats.mappings || stats.ports) {
        fprintf(stderr, "left at the provider: %u grants, %u mappings, %u ports\n", stats.grants,
                stats.mappings, stats.ports);
        bad++;
    }
    blanket_root_destroy(bed->root);
    return bad + blanket_sim_destroy(bed->sim);
}

/* --- calls --- */

int bed_call(struct bed *bed, uint32_t guest, uint16_t verb, struct bed_call *call)
{
    static _Thread_local uint64_t words[BLANKET_FRAME_SIZE_MAX / 8];
    uint8_t *frame = (uint8_t *)words;
    struct blanket_wire_header header;
    uint32_t size = BLANKET_HEADER_SIZE + 8 * call->item_count + call->payload_size;
    uint32_t step = call->element_count ? call->item_count / call->element_count : 0;
    uint32_t i, rounds;
    int status;

    memset(&header, 0, sizeof(header));
    header.magic = BLANKET_WIRE_MAGIC;
    header.version = BLANKET_WIRE_VERSION;
    header.verb = verb;
    header.item_count = (uint16_t)call->item_count;
    header.payload_size = (uint16_t)call->payload_size;
    header.reply_max = (uint16_t)call->reply_max;
    header.endpoint = call->endpoint;
    header.claim = 0xc1a1;
    memset(words, 0, sizeof(words));
    memcpy(frame, &header, sizeof(header));
    if (call->item_count) {
        memcpy(frame + BLANKET_HEADER_SIZE, call->items, 8 * (size_t)call->item_count);
    }
    if (call->payload_size) {
        memcpy(frame + BLANKET_HEADER_SIZE + 8 * call->item_count, call->payload,
               call->payload_size);
    }
    for (rounds = 0; rounds < 300; rounds++) {
        status = blanket_sim_call(bed->sim, bed_guest(bed, guest), call->vcpu, frame, size);
        memcpy(&header, frame, sizeof(header));
        if (status || header.done >= call->element_count) {
            break;
        }
    }
    call->detail = header.detail;
    for (i = 0; !status && call->results && i < call->element_count && i < header.done; i++) {
        call->results[i] = words[BLANKET_HEADER_SIZE / 8 + i * step];
    }
    call->reply_size = header.reply_size < call->reply_max ? header.reply_size : call->reply_max;
    if (!status && call->reply_size) {
        memcpy(call->reply, frame + BLANKET_HEADER_SIZE + 8 * call->item_count, call->reply_size);
    }
    return status;
}

static uint64_t op(struct bed *bed, uint32_t guest, uint64_t endpoint, uint16_t verb,
                   uint32_t count, va_list arguments)
{
    uint64_t items[8], result = blanket_result(-BLANKET_EIO, 0xdead);
    struct bed_call call;
    uint32_t i;
    int status;

    for (i = 0; i < count; i++) {
        items[i] = va_arg(arguments, uint64_t);
    }
    memset(&call, 0, sizeof(call));
    call.endpoint = endpoint;
    call.items = items;
    call.item_count = count;
    call.element_count = count ? 1 : 0;
    call.results = &result;
    status = bed_call(bed, guest, verb, &call);
    if (status) {
        return blanket_result(status, call.detail);
    }
    return count ? result : 0;
}

uint64_t bed_op(struct bed *bed, uint32_t guest, uint16_t verb, uint32_t count, ...)
{
    va_list arguments;
    uint64_t result;

    va_start(arguments, count);
    result = op(bed, guest, bed->handles[guest], verb, count, arguments);
    va_end(arguments);
    return result;
}

uint64_t bed_op_on(struct bed *bed, uint32_t guest, uint64_t endpoint, uint16_t verb,
                   uint32_t count, ...)
{
    va_list arguments;
    uint64_t result;

    va_start(arguments, count);
    result = op(bed, guest, endpoint, verb, count, arguments);
    va_end(arguments);
    return result;
}

uint64_t bed_peer_op(struct bed *bed, uint32_t guest, uint16_t verb, uint32_t count, ...)
{
    struct blanket_below below = blanket_root_below(bed->root);
    uint64_t items[8], result = 0;
    struct blanket_call call;
    va_list arguments;
    uint32_t i;
    int status;

    va_start(arguments, count);
    for (i = 0; i < count; i++) {
        items[i] = va_arg(arguments, uint64_t);
    }
    va_end(arguments);
    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.endpoint = bed->devices[guest].peer.endpoint;
    call.element_count = 1;
    call.element_items = (uint16_t)count;
    call.items = items;
    call.results = &result;
    status = below.ops->call(below.context, &call);
    return status ? blanket_result(status, 0) : result;
}
