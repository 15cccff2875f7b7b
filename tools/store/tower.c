/* SPDX-License-Identifier: MIT */
#include "tower.h"

#include <string.h>

#define ENDPOINT_NAME "store"
#define DISCONNECT_STEPS 64u

/* Nothing is granted here. */
static void *no_page(void *host, uint64_t frame)
{
    (void)host;
    (void)frame;
    return NULL;
}

static const struct blanket_root_host_ops no_host = {.page = no_page};

static void tell(struct tower *tower, uint32_t number)
{
    uint32_t connection = number - tower->port_base;

    if (number >= tower->port_base && connection < tower->config.quotas.connections) {
        tower->config.event(tower->config.context, connection);
    }
}

/* Without a level: from the provider. */
static void sink_event(void *context, uint32_t number)
{
    tell((struct tower *)context, number);
}

/* From the highest level. */
static void guest_event(void *context, uint32_t vcpu, uint32_t port)
{
    struct tower *tower = (struct tower *)context;

    (void)vcpu;
    if (port == BLANKET_PORT_CONTROL) {
        (void)blanket_sim_event_take(tower->sim, tower->node, port);
        return;
    }
    tell(tower, port);
}

static int root_make(struct tower *tower, const struct blanket_root_host_ops *ops)
{
    const struct blanket_root_limits limits = {
        .domains = 64,
        .devices = 1,
        .ports = tower->config.quotas.connections,
        .store_size = tower->config.memory,
        .store_watches = tower->config.quotas.watches,
        .store_transactions = tower->config.quotas.transactions,
    };

    return blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, ops, tower->sim, &tower->root);
}

static int sim_make(struct tower *tower)
{
    struct blanket_sim_spec nodes[BLANKET_LEVEL_MAX + 1];
    struct blanket_sim_spec guest;
    struct blanket_sim_config config;

    memset(&guest, 0, sizeof(guest));
    guest.vcpus = 1;
    guest.pages = 1;
    guest.limits.endpoints = 2;
    guest.limits.ports = 2 * BLANKET_CHUNK_SLOTS + tower->config.quotas.connections;
    guest.limits.vcpus = 1;
    memset(&config, 0, sizeof(config));
    config.seed = 1;
    config.flags = tower->config.checked ? 0 : BLANKET_SIM_UNCHECKED;
    config.node_count = blanket_sim_tower(tower->config.levels, 1, &guest, nodes);
    config.nodes = nodes;
    tower->node = tower->config.levels;
    return blanket_sim_create(&config, &tower->sim);
}

int tower_create(const struct tower_config *config, struct tower *tower)
{
    int status = 0;

    memset(tower, 0, sizeof(*tower));
    tower->config = *config;
    if (config->levels != 0) {
        status = sim_make(tower);
    }
    if (status == 0) {
        status = root_make(tower, config->levels != 0 ? blanket_sim_host_ops() : &no_host);
    }
    if (status != 0) {
        (void)tower_destroy(tower);
    }
    return status;
}

static int raise_direct(struct tower *tower)
{
    const struct blanket_root_sink sink = {sink_event, tower};
    const struct blanket_below below = blanket_root_below(tower->root);
    struct blanket_root_end end;
    int status = blanket_root_store_end_sized(tower->root, tower->config.domid,
                                              &tower->config.quotas, &sink, 0, &end);

    if (status == 0) {
        tower->endpoint = end.endpoint;
        status = blanket_guest_init_direct(&tower->guest, &below, 0);
    }
    return status;
}

static int device_mint(struct tower *tower, struct blanket_sim_device *device)
{
    struct blanket_root_sink sink;
    uint64_t handle;
    int status;

    blanket_sim_provider(tower->sim, blanket_root_below(tower->root));
    status = blanket_sim_events(tower->sim, tower->node, tower->config.quotas.connections, &sink,
                                &device->event_base);
    if (status == 0) {
        status = blanket_root_store_end_sized(tower->root, tower->config.domid,
                                              &tower->config.quotas, &sink, device->event_base,
                                              &device->end);
    }
    if (status == 0) {
        status = blanket_sim_device(tower->sim, tower->node, device, &handle, NULL);
    }
    return status;
}

static int raise_levels(struct tower *tower)
{
    struct blanket_sim_device device;
    struct blanket_transport transport;
    struct blanket_wire_endpoint info;
    int status;

    memset(&device, 0, sizeof(device));
    device.name = ENDPOINT_NAME;
    device.rights = BLANKET_RIGHTS_ALL;
    status = device_mint(tower, &device);
    if (status == 0) {
        status = blanket_sim_transport(tower->sim, tower->node, 0, &transport);
    }
    if (status == 0) {
        status = blanket_guest_init(&tower->guest, &transport, tower->frame);
    }
    if (status == 0) {
        status = blanket_guest_lookup(&tower->guest, ENDPOINT_NAME, &info);
    }
    if (status == 0) {
        tower->endpoint = info.endpoint;
        tower->port_base = info.port_base;
        status = blanket_sim_event_handler(tower->sim, tower->node, guest_event, tower);
    }
    return status;
}

int tower_raise(struct tower *tower)
{
    return tower->sim == NULL ? raise_direct(tower) : raise_levels(tower);
}

int tower_destroy(struct tower *tower)
{
    int violations = 0;

    if (tower->sim != NULL) {
        (void)blanket_sim_event_handler(tower->sim, tower->node, NULL, NULL);
        if (tower->root != NULL) {
            blanket_sim_finish(tower->sim);
        }
    }
    blanket_root_destroy(tower->root);
    if (tower->sim != NULL) {
        violations = blanket_sim_destroy(tower->sim);
    }
    tower->root = NULL;
    tower->sim = NULL;
    return violations;
}

int tower_call(struct tower *tower, struct tower_call *asked)
{
    struct blanket_call call;
    uint64_t result = 0;
    int status;

    memset(&call, 0, sizeof(call));
    call.verb = asked->verb;
    call.element_count = 1;
    call.element_items = asked->item_count;
    call.endpoint = tower->endpoint;
    call.items = asked->items;
    call.results = &result;
    call.payload = asked->payload;
    call.payload_size = (uint16_t)asked->payload_size;
    call.reply = asked->reply;
    call.reply_max = (uint16_t)asked->reply_max;
    status = blanket_guest_call(&tower->guest, &call);
    asked->reply_size = call.reply_size;
    asked->value = blanket_result_value(result);
    return status != 0 ? status : blanket_result_status(result);
}

uint64_t tower_port(uint32_t connection, uint32_t generation)
{
    return blanket_item_slot(BLANKET_ITEM_PORT, connection, generation);
}

static int port_call(struct tower *tower, uint16_t verb, uint64_t port)
{
    struct tower_call call;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.item_count = 1;
    call.items[0] = port;
    return tower_call(tower, &call);
}

int tower_connect(struct tower *tower, uint64_t port)
{
    return port_call(tower, BLANKET_VERB_STORE_CONNECT, port);
}

int tower_disconnect(struct tower *tower, uint64_t port)
{
    int status = port_call(tower, BLANKET_VERB_STORE_DISCONNECT, port);

    /* Each call ends some of what many watches and transactions are. */
    for (uint32_t i = 0; status == -BLANKET_EBUSY && i < DISCONNECT_STEPS; i++) {
        if (tower->sim != NULL) {
            (void)blanket_sim_settle(tower->sim);
        }
        status = port_call(tower, BLANKET_VERB_STORE_DISCONNECT, port);
    }
    return status;
}

void tower_event_take(struct tower *tower, uint32_t connection)
{
    if (tower->sim != NULL) {
        (void)blanket_sim_event_take(tower->sim, tower->node, tower->port_base + connection);
    }
}
