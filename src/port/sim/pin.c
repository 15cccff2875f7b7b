/* SPDX-License-Identifier: MIT */
/*
 * Pins: what keeps a page where it is while somebody below uses it. And what the provider sees of the
 * machine's pages: it may only touch what every level above has pinned.
 */
#include <string.h>

#include "sim_private.h"

static uint32_t pins(const struct sim_frame *frame)
{
    return frame->readers + frame->writers + frame->overlays;
}

/* The index, in the space of the guest's level, of the frame that an item names. SIM_NONE. */
static uint32_t find(const struct sim_node *node, uint64_t item)
{
    uint64_t value = blanket_item_value(item);

    if (blanket_item_type(item) == BLANKET_ITEM_OWN_GRANT) {
        if (value >= node->own_grant_count) {
            return SIM_NONE;
        }
        value = node->own_grants[value];
    } else {
        value -= node->base;
    }
    if (value >= node->count) {
        return SIM_NONE;
    }
    return atomic_load_explicit(&node->shows[value], memory_order_relaxed);
}

static int pin_locked(struct sim_frame *frame, unsigned use)
{
    if (frame->special && (use & (BLANKET_USE_WRITE | BLANKET_USE_OVERLAY))) {
        return -BLANKET_EBUSY;
    }
    if (frame->overlays || ((use & BLANKET_USE_OVERLAY) && pins(frame))) {
        return -BLANKET_EBUSY;
    }
    if (use & BLANKET_USE_OVERLAY) {
        frame->overlays++;
    } else if (use & BLANKET_USE_WRITE) {
        frame->writers++;
    } else {
        frame->readers++;
    }
    return 0;
}

int sim_pin(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page)
{
    struct sim_node *level = host;
    struct blanket_sim *sim = level->sim;
    struct sim_node *node = ((struct sim_guest *)guest)->node;
    struct sim_frame *frame;
    uint32_t index;
    int error = -BLANKET_EPERM;

    if (sim_fails(sim, BLANKET_SIM_OP_PIN)) {
        return -BLANKET_EBUSY;
    }
    if (!use || (use & ~7u) || ((use & BLANKET_USE_OVERLAY) && use != BLANKET_USE_OVERLAY)) {
        sim_violation(sim, "level %u pins for use %#x", level->index, use);
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&sim->memory);
    index = node ? find(node, item) : SIM_NONE;
    if (index != SIM_NONE) {
        frame = &level->frames[index];
        error = pin_locked(frame, use);
        page->frame = level->base + index;
        page->cookie = index | ((uint64_t)frame->generation << 32);
    }
    pthread_mutex_unlock(&sim->memory);
    return error;
}

void sim_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use)
{
    struct sim_node *level = host;
    struct blanket_sim *sim = level->sim;
    uint32_t index = (uint32_t)page->cookie;
    struct sim_frame *frame;
    uint32_t *count;

    (void)guest;
    pthread_mutex_lock(&sim->memory);
    if (index >= level->count || page->frame != level->base + index ||
        level->frames[index].generation != (uint32_t)(page->cookie >> 32)) {
        sim_violation(sim, "level %u unpins a page that it wasn't given", level->index);
        goto out;
    }
    frame = &level->frames[index];
    count = use & BLANKET_USE_OVERLAY ? &frame->overlays
            : use & BLANKET_USE_WRITE ? &frame->writers
                                      : &frame->readers;
    if (*count == 0) {
        sim_violation(sim, "level %u unpins a page once too often, use %#x", level->index, use);
        goto out;
    }
    --*count;
    if (pins(frame) == 0 && frame->owner == SIM_NONE) {
        sim_frame_release(sim, level, index);
    }
out:
    pthread_mutex_unlock(&sim->memory);
}

/* sim->memory is held. */
static void check_locked(struct blanket_sim *sim, uint32_t machine)
{
    struct sim_frame *frame = &sim->machine_frames[machine];

    while (frame->owner != SIM_NONE) {
        struct sim_node *node = &sim->nodes[frame->owner];

        if (node->spec.kind != BLANKET_SIM_LEVEL || !node->running) {
            return;
        }
        frame = &node->frames[frame->owner_index];
        if (pins(frame) == 0) {
            sim_violation(sim, "the provider touches a page that level %u hasn't pinned",
                          node->index);
            return;
        }
    }
}

void sim_pin_check(struct blanket_sim *sim, uint32_t machine)
{
    if (sim->flags & BLANKET_SIM_UNCHECKED) {
        return;
    }
    pthread_mutex_lock(&sim->memory);
    check_locked(sim, machine);
    pthread_mutex_unlock(&sim->memory);
}

/* --- what the provider asks for: root's lock is held --- */

static void *provider_page(void *host, uint64_t frame)
{
    struct blanket_sim *sim = host;
    uint64_t machine = frame - sim->machine_base;
    uint32_t page;

    if (machine >= sim->machine_count) {
        return NULL;
    }
    atomic_fetch_add_explicit(&sim->provider_pages, 1, memory_order_relaxed);
    sim_pin_check(sim, (uint32_t)machine);
    page = atomic_load_explicit(&sim->machine_shows[machine], memory_order_relaxed);
    return sim->arena + (size_t)page * BLANKET_SIM_PAGE_SIZE;
}

static int provider_overlay(void *host, uint64_t frame, uint64_t source, unsigned access)
{
    struct blanket_sim *sim = host;
    uint64_t target = frame - sim->machine_base;
    uint64_t from = source - sim->machine_base;

    (void)access; /* the simulation's guests have no page protection to lose */
    if (target >= sim->machine_count || from >= sim->machine_count) {
        return -BLANKET_EFAULT;
    }
    if (sim_fails(sim, BLANKET_SIM_OP_OVERLAY)) {
        return -BLANKET_ENOSPC;
    }
    sim_pin_check(sim, (uint32_t)target);
    sim_pin_check(sim, (uint32_t)from);
    if (sim->machine_shows[target] != sim->machine_own[target]) {
        sim_violation(sim, "the provider overlays a frame twice");
        return -BLANKET_EBUSY;
    }
    atomic_store(&sim->machine_shows[target], atomic_load(&sim->machine_shows[from]));
    atomic_fetch_add(&sim->overlaid, 1);
    return 0;
}

static void provider_overlay_undo(void *host, uint64_t frame)
{
    struct blanket_sim *sim = host;
    uint64_t target = frame - sim->machine_base;

    if (target >= sim->machine_count || sim->machine_shows[target] == sim->machine_own[target]) {
        sim_violation(sim, "the provider undoes an overlay that isn't there");
        return;
    }
    sim_pin_check(sim, (uint32_t)target);
    atomic_store(&sim->machine_shows[target], sim->machine_own[target]);
    sim_poison(sim, (uint32_t)target); /* what was there before is lost, as a host may lose it */
    atomic_fetch_sub(&sim->overlaid, 1);
}

const struct blanket_root_host_ops *blanket_sim_host_ops(void)
{
    static const struct blanket_root_host_ops ops = {
        .page = provider_page,
        .overlay = provider_overlay,
        .overlay_undo = provider_overlay_undo,
    };

    return &ops;
}

/* --- public --- */

int blanket_sim_page_special(struct blanket_sim *sim, uint32_t guest, uint64_t frame, int special)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || !sim_page(node, frame)) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&sim->memory);
    node->parent->frames[node->shows[frame - node->base]].special = special != 0;
    pthread_mutex_unlock(&sim->memory);
    return 0;
}

int blanket_sim_own_grant(struct blanket_sim *sim, uint32_t guest, uint64_t frame,
                          uint32_t *reference)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || !sim_page(node, frame)) {
        return -BLANKET_EINVAL;
    }
    if (node->own_grant_count == SIM_OWN_GRANTS) {
        return -BLANKET_ENOSPC;
    }
    *reference = node->own_grant_count;
    node->own_grants[node->own_grant_count++] = (uint32_t)(frame - node->base);
    return 0;
}

int blanket_sim_page_pins(struct blanket_sim *sim, uint32_t guest, uint64_t frame)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);
    int count;

    if (!node || !sim_page(node, frame)) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&sim->memory);
    count = (int)pins(&node->parent->frames[node->shows[frame - node->base]]);
    pthread_mutex_unlock(&sim->memory);
    return count;
}

int blanket_sim_page_machine(struct blanket_sim *sim, uint32_t guest, uint64_t frame,
                             uint64_t *machine)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || !sim_page(node, frame)) {
        return -BLANKET_EINVAL;
    }
    *machine = sim->machine_base + node->parent->machine[node->shows[frame - node->base]];
    return 0;
}
