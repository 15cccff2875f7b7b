/* SPDX-License-Identifier: MIT */
/*
 * A device for a guest on top: minted at each level on the way, each on what the level below gave.
 */
#include <string.h>

#include "sim_private.h"

/* The levels under `guest`, lowest first; *heir is who each mints for. */
static uint32_t path_of(struct sim_node *guest, struct sim_node **levels, struct sim_node **heirs)
{
    struct sim_node *node;
    uint32_t depth = 0, i;

    for (node = guest->parent; node; node = node->parent) {
        depth++;
    }
    node = guest;
    for (i = depth; i-- > 0; node = node->parent) {
        levels[i] = node->parent;
        heirs[i] = node;
    }
    return depth;
}

/* An earlier life of the node still holds things below: what it holds must not be minted again. */
static int has_remains(const struct sim_node *heir)
{
    const struct sim_guest *guest;

    for (guest = heir->parent->guests; guest; guest = guest->next) {
        if (!guest->node && guest->index == heir->index) {
            return 1;
        }
    }
    return 0;
}

/* What the level's own endpoint below is. Its lowest one's is the provider's end. */
static int find_below(struct sim_node *level, const struct blanket_sim_device *device,
                      struct blanket_mint *mint)
{
    struct blanket_wire_endpoint info;
    int error;

    mint->below = sim_below(level);
    if (!level->parent) {
        mint->below_endpoint = device->end.endpoint;
        mint->scope = device->end.scope;
        mint->grant_base = device->end.grant_base;
        mint->event_base = device->event_base;
        mint->grants.count = device->end.grants;
        mint->mappings.count = device->end.mappings;
        mint->ports.count = device->end.ports;
        return 0;
    }
    error = blanket_below_lookup(&mint->below, level->level_limits.vcpus - 1, device->name, &info);
    if (error) {
        return error;
    }
    mint->below_endpoint = info.endpoint;
    mint->scope = info.scope;
    mint->grant_base = info.grant_base;
    mint->event_base = info.port_base;
    mint->grants.count = info.grant_count;
    mint->mappings.count = info.mapping_count;
    mint->ports.count = info.port_count;
    return 0;
}

/* 1 and the handle if the level has minted this device for its heir already. */
static int is_minted(struct sim_node *level, const struct sim_node *heir, const char *name,
                     uint64_t *handle)
{
    struct blanket_wire_endpoint info;
    struct blanket_below up;

    if (heir->spec.kind != BLANKET_SIM_LEVEL) {
        return 0;
    }
    up = blanket_level_nested(heir->level);
    if (blanket_below_lookup(&up, heir->level_limits.vcpus - 1, name, &info)) {
        return 0;
    }
    (void)level;
    *handle = info.endpoint;
    return info.state == BLANKET_ENDPOINT_LIVE;
}

static int mint_at(struct sim_node *level, const struct sim_node *heir,
                   const struct blanket_sim_device *device, uint64_t *handle)
{
    struct blanket_mint mint;
    int error;

    memset(&mint, 0, sizeof(mint));
    error = find_below(level, device, &mint);
    if (error) {
        return error;
    }
    mint.guest = heir->guest->id;
    mint.rights = device->rights_of_node ? device->rights_of_node[level->index] : device->rights;
    mint.flags = device->flags;
    mint.label = device->label;
    mint.name = device->name;
    return blanket_endpoint_mint(level->level, &mint, handle, NULL);
}

int blanket_sim_device(struct blanket_sim *sim, uint32_t guest,
                       const struct blanket_sim_device *device, uint64_t *handle, uint64_t *handles)
{
    struct sim_node *levels[BLANKET_LEVEL_MAX], *heirs[BLANKET_LEVEL_MAX];
    uint64_t given[BLANKET_LEVEL_MAX] = {0};
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);
    uint32_t depth, i, first = 0;
    int error = 0;

    if (!node || !device->name || !sim->provider.ops) {
        return -BLANKET_EINVAL;
    }
    if (!node->running) {
        return -BLANKET_ENOTCONN;
    }
    depth = path_of(node, levels, heirs);
    for (i = 0; !error && i < depth; i++) {
        if (first == i && is_minted(levels[i], heirs[i], device->name, &given[i])) {
            first = i + 1;
        } else if (has_remains(heirs[i])) {
            error = -BLANKET_EBUSY;
        } else {
            error = mint_at(levels[i], heirs[i], device, &given[i]);
        }
    }
    if (error) {
        for (depth = i - 1; depth-- > first;) {
            (void)blanket_endpoint_revoke(levels[depth]->level, heirs[depth]->guest->id,
                                          given[depth]);
        }
        return error;
    }
    for (i = 0; handles && i < depth; i++) {
        handles[levels[i]->index] = given[i];
    }
    *handle = given[depth - 1];
    return 0;
}
