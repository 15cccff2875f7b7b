/* SPDX-License-Identifier: MIT */
/*
 * Pages: the machine's, and the spaces of frame numbers above it. A walk reads without a lock (a page
 * table is the business of its own node); who has which frame is under sim->memory.
 */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim_private.h"

static uint8_t *page_of_machine(struct blanket_sim *sim, uint32_t machine)
{
    uint32_t page = atomic_load_explicit(&sim->machine_shows[machine], memory_order_relaxed);

    return sim->arena + (size_t)page * BLANKET_SIM_PAGE_SIZE;
}

static void shuffle(struct blanket_sim *sim, uint32_t *numbers, uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++) {
        numbers[i] = i;
    }
    for (i = count; i > 1; i--) {
        uint32_t other = (uint32_t)(sim_random(sim) % i);
        uint32_t swap = numbers[i - 1];

        numbers[i - 1] = numbers[other];
        numbers[other] = swap;
    }
}

int sim_machine_create(struct blanket_sim *sim, uint32_t pages)
{
    uint32_t i;

    sim->machine_count = pages;
    sim->machine_base = 0x100000u + (sim_random(sim) & 0xffffffu);
    sim->arena_size = (size_t)pages * BLANKET_SIM_PAGE_SIZE;
    sim->arena = mmap(NULL, sim->arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    sim->machine_shows = calloc(pages, sizeof(*sim->machine_shows));
    sim->machine_own = calloc(pages, sizeof(*sim->machine_own));
    sim->machine_frames = calloc(pages, sizeof(*sim->machine_frames));
    sim->machine_used = calloc(pages, sizeof(*sim->machine_used));
    sim->spare = calloc(pages, sizeof(*sim->spare));
    if (sim->arena == MAP_FAILED) {
        sim->arena = NULL;
    }
    if (!sim->arena || !sim->machine_shows || !sim->machine_own || !sim->machine_frames ||
        !sim->machine_used || !sim->spare) {
        return -BLANKET_ENOMEM;
    }
    shuffle(sim, sim->machine_own, pages);
    shuffle(sim, sim->spare, pages);
    sim->spare_count = pages;
    for (i = 0; i < pages; i++) {
        atomic_store_explicit(&sim->machine_shows[i], sim->machine_own[i], memory_order_relaxed);
        sim->machine_frames[i].owner = SIM_NONE;
    }
    return 0;
}

void sim_machine_destroy(struct blanket_sim *sim)
{
    if (sim->arena) {
        munmap(sim->arena, sim->arena_size);
    }
    free((void *)sim->machine_shows);
    free(sim->machine_own);
    free(sim->machine_frames);
    free(sim->machine_used);
    free(sim->spare);
}

int sim_space_create(struct sim_node *node)
{
    uint32_t i;

    node->base = 0x1000u + (sim_random(node->sim) & 0xffffffu);
    node->shows = calloc(node->count, sizeof(*node->shows));
    if (!node->shows) {
        return -BLANKET_ENOMEM;
    }
    for (i = 0; i < node->count; i++) {
        atomic_store_explicit(&node->shows[i], SIM_NONE, memory_order_relaxed);
    }
    if (node->spec.kind != BLANKET_SIM_LEVEL) {
        return 0;
    }
    node->machine = calloc(node->count, sizeof(*node->machine));
    node->frames = calloc(node->count, sizeof(*node->frames));
    node->spare = calloc(node->count, sizeof(*node->spare));
    return node->machine && node->frames && node->spare ? 0 : -BLANKET_ENOMEM;
}

void sim_space_destroy(struct sim_node *node)
{
    free((void *)node->shows);
    free((void *)node->machine);
    free(node->frames);
    free(node->spare);
}

/* Pages that nobody could have written since they were new, or poisoned, are left alone; so are all at
 * the end, when nobody is left to look. */
void sim_poison(struct blanket_sim *sim, uint32_t machine)
{
    if (sim->machine_used[machine] != SIM_PAGE_USED || sim->finished) {
        return;
    }
    sim->machine_used[machine] = SIM_PAGE_POISONED;
    memset(page_of_machine(sim, machine), BLANKET_SIM_POISON, BLANKET_SIM_PAGE_SIZE);
}

/* A frame that nobody has, of the level or (NULL) the machine, for `owner`. */
static uint32_t take_spare(struct sim_node *level, const struct sim_node *owner,
                           uint32_t owner_index)
{
    struct blanket_sim *sim = owner->sim;
    uint32_t *spare = level ? level->spare : sim->spare;
    uint32_t *count = level ? &level->spare_count : &sim->spare_count;
    uint32_t place = (uint32_t)(sim_random(sim) % *count);
    uint32_t index = spare[place];
    struct sim_frame *frame = level ? &level->frames[index] : &sim->machine_frames[index];

    spare[place] = spare[--*count];
    frame->owner = owner->index;
    frame->owner_index = owner_index;
    frame->generation++;
    frame->special = 0;
    return index;
}

/* Somebody is about to write to the page: it is zeroed. */
void sim_use(struct blanket_sim *sim, uint32_t machine)
{
    if (sim->machine_used[machine] != SIM_PAGE_NEW) {
        memset(page_of_machine(sim, machine), 0, BLANKET_SIM_PAGE_SIZE);
    }
    sim->machine_used[machine] = SIM_PAGE_USED;
}

int sim_space_fill(struct sim_node *node, uint32_t first, uint32_t count)
{
    struct blanket_sim *sim = node->sim;
    struct sim_node *parent = node->parent;
    uint32_t i;
    int result = -BLANKET_ENOSPC;

    pthread_mutex_lock(&sim->memory);
    if (count <= (parent ? parent->spare_count : sim->spare_count)) {
        for (i = first; i < first + count; i++) {
            uint32_t below = take_spare(parent, node, i);
            uint32_t machine = parent ? atomic_load_explicit(&parent->machine[below],
                                                             memory_order_relaxed)
                                      : below;

            if (!node->machine) {
                sim_use(sim, machine);
            }
            atomic_store_explicit(&node->shows[i], below, memory_order_relaxed);
            if (node->machine) {
                atomic_store_explicit(&node->machine[i], machine, memory_order_relaxed);
            }
        }
        result = 0;
    }
    pthread_mutex_unlock(&sim->memory);
    if (!result && node->spec.kind == BLANKET_SIM_LEVEL) {
        shuffle(sim, node->spare, node->count);
        node->spare_count = node->count;
    }
    return result;
}

void sim_frame_release(struct blanket_sim *sim, struct sim_node *level, uint32_t index)
{
    if (!level) {
        sim_poison(sim, index);
        sim->spare[sim->spare_count++] = index;
        return;
    }
    sim_poison(sim, atomic_load_explicit(&level->machine[index], memory_order_relaxed));
    level->spare[level->spare_count++] = index;
}

/* The node doesn't have its frame `index` any more. sim->memory is held. */
static void give_back(struct sim_node *node, uint32_t index)
{
    struct sim_node *parent = node->parent;
    uint32_t below = atomic_load_explicit(&node->shows[index], memory_order_relaxed);
    struct sim_frame *frame;

    if (below == SIM_NONE) {
        return;
    }
    atomic_store_explicit(&node->shows[index], SIM_NONE, memory_order_relaxed);
    frame = parent ? &parent->frames[below] : &node->sim->machine_frames[below];
    frame->owner = SIM_NONE;
    /* Pinned by its level: it stays as it is until that lets go (pin.c). */
    if (frame->readers + frame->writers + frame->overlays == 0) {
        sim_frame_release(node->sim, parent, below);
    }
}

void sim_space_empty(struct sim_node *node)
{
    uint32_t i;

    pthread_mutex_lock(&node->sim->memory);
    for (i = 0; i < node->count; i++) {
        give_back(node, i);
    }
    pthread_mutex_unlock(&node->sim->memory);
}

uint8_t *sim_page(struct sim_node *node, uint64_t frame)
{
    uint64_t index = frame - node->base;
    uint32_t below;

    if (index >= node->count) {
        return NULL;
    }
    below = atomic_load_explicit(&node->shows[index], memory_order_relaxed);
    if (below == SIM_NONE) {
        return NULL;
    }
    if (node->machine) {
        below = atomic_load_explicit(&node->machine[index], memory_order_relaxed);
    } else if (node->parent) {
        below = atomic_load_explicit(&node->parent->machine[below], memory_order_relaxed);
    }
    return page_of_machine(node->sim, below);
}

int sim_copy(struct sim_node *node, uint64_t address, void *target, const void *source,
             uint32_t size)
{
    uint32_t done = 0;

    if (address + size < address) {
        return -BLANKET_EFAULT;
    }
    while (done < size) {
        uint32_t offset = (uint32_t)((address + done) % BLANKET_SIM_PAGE_SIZE);
        uint32_t part = BLANKET_SIM_PAGE_SIZE - offset;
        uint8_t *page = sim_page(node, (address + done) / BLANKET_SIM_PAGE_SIZE);

        if (!page) {
            return -BLANKET_EFAULT;
        }
        part = part < size - done ? part : size - done;
        if (target) {
            memcpy((uint8_t *)target + done, page + offset, part);
        } else {
            memcpy(page + offset, (const uint8_t *)source + done, part);
        }
        done += part;
    }
    return 0;
}

/* --- public --- */

int blanket_sim_page_alloc(struct blanket_sim *sim, uint32_t guest, uint32_t count, uint64_t *frame)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);
    uint32_t start, first, run, tried;
    int error;

    if (!node || count == 0 || count > node->spec.pages) {
        return -BLANKET_EINVAL;
    }
    if (!node->running) {
        return -BLANKET_ENOTCONN;
    }
    start = (uint32_t)(sim_random(sim) % node->count);
    for (tried = 0; tried < node->count; tried++) {
        first = (start + tried) % node->count;
        for (run = 0; run < count && first + run < node->count; run++) {
            if (atomic_load_explicit(&node->shows[first + run], memory_order_relaxed) != SIM_NONE) {
                break;
            }
        }
        if (run == count) {
            error = sim_space_fill(node, first, count);
            if (!error) {
                *frame = node->base + first;
            }
            return error;
        }
    }
    return -BLANKET_ENOSPC;
}

int blanket_sim_page_free(struct blanket_sim *sim, uint32_t guest, uint64_t frame)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    if (!node || !sim_page(node, frame)) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&sim->memory);
    give_back(node, (uint32_t)(frame - node->base));
    pthread_mutex_unlock(&sim->memory);
    return 0;
}

void *blanket_sim_page(struct blanket_sim *sim, uint32_t guest, uint64_t frame)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    return node ? sim_page(node, frame) : NULL;
}

int blanket_sim_read(struct blanket_sim *sim, uint32_t guest, uint64_t address, void *target,
                     uint32_t size)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    return node ? sim_copy(node, address, target, NULL, size) : -BLANKET_EINVAL;
}

int blanket_sim_write(struct blanket_sim *sim, uint32_t guest, uint64_t address, const void *source,
                      uint32_t size)
{
    struct sim_node *node = sim_node(sim, guest, BLANKET_SIM_GUEST);

    return node ? sim_copy(node, address, NULL, source, size) : -BLANKET_EINVAL;
}
