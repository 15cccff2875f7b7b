/* SPDX-License-Identifier: MIT */
/*
 * Read once: a caller's byte that a level has read is flipped at once, as a hostile caller's other vCPU
 * might, and a second read of it during the same call is a violation. So is a read outside the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_private.h"

#define READ 1u
#define WRITTEN 2u

static struct sim_reading *find(struct sim_node *node, uint64_t address)
{
    struct sim_reading *reading;

    for (reading = node->sim->reading; reading; reading = reading->outer) {
        if (reading->node == node && address - reading->address < sizeof(reading->state)) {
            return reading;
        }
    }
    return NULL;
}

static void flip(struct sim_node *node, uint64_t address)
{
    uint8_t byte = 0;

    if (sim_copy(node, address, &byte, NULL, 1) == 0) {
        byte = (uint8_t)~byte;
        (void)sim_copy(node, address, NULL, &byte, 1);
    }
}

void sim_reading_begin(struct sim_node *node, uint64_t address)
{
    struct sim_reading *reading;

    if (!node->sim->read_once) {
        return;
    }
    reading = calloc(1, sizeof(*reading));
    if (!reading) {
        abort();
    }
    reading->node = node;
    reading->address = address;
    reading->outer = node->sim->reading;
    node->sim->reading = reading;
}

void sim_reading_end(struct sim_node *node)
{
    struct sim_reading *reading = node->sim->reading;
    uint32_t i;

    if (!reading || reading->node != node) {
        return;
    }
    for (i = 0; i < sizeof(reading->state); i++) {
        if (reading->state[i] == READ) {
            flip(node, reading->address + i);
        }
    }
    node->sim->reading = reading->outer;
    free(reading);
}

void sim_reading_read(struct sim_node *node, uint64_t address, uint32_t size)
{
    struct sim_reading *reading = find(node, address);
    uint32_t i, offset;

    if (!reading || address - reading->address + size > sizeof(reading->state)) {
        sim_violation(node->sim, "%u bytes outside the frame of node %u are read", size,
                      node->index);
        return;
    }
    offset = (uint32_t)(address - reading->address);
    for (i = offset; i < offset + size; i++) {
        if (reading->state[i]) {
            sim_violation(node->sim, "byte %u of a frame of node %u is read twice", i, node->index);
        }
        reading->state[i] = READ;
        flip(node, reading->address + i);
    }
    node->sim->bytes_read += size;
}

void sim_reading_written(struct sim_node *node, uint64_t address, uint32_t size)
{
    struct sim_reading *reading = find(node, address);
    uint64_t offset = reading ? address - reading->address : 0;

    if (!reading || offset + size > sizeof(reading->state)) {
        sim_violation(node->sim, "%u bytes outside the frame of node %u are written", size,
                      node->index);
        return;
    }
    memset(reading->state + offset, WRITTEN, size);
}

void blanket_sim_read_once(struct blanket_sim *sim, int on)
{
    sim->read_once = on;
}

uint64_t blanket_sim_bytes_read(struct blanket_sim *sim)
{
    return sim->bytes_read;
}
