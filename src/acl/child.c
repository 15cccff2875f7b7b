/* SPDX-License-Identifier: MIT */
#include "child.h"

static const uint8_t table_quota[BLANKET_TABLE_COUNT] = {
    BLANKET_QUOTA_GRANTS,
    BLANKET_QUOTA_MAPPINGS,
    BLANKET_QUOTA_PORTS,
};

uint32_t blanket_child_find(const struct blanket_level_guest *guest, const char *name,
                            uint32_t size)
{
    if (size == 0 || size >= BLANKET_NAME_SIZE) {
        return BLANKET_OWNER_NONE;
    }
    for (uint32_t i = 0; i < guest->endpoint_count; i++) {
        const struct blanket_endpoint *endpoint = &guest->endpoints[i];

        if (endpoint->state != BLANKET_ENDPOINT_FREE && endpoint->name[size] == '\0' &&
            memcmp(endpoint->name, name, size) == 0) {
            return i;
        }
    }
    return BLANKET_OWNER_NONE;
}

static int check_name(const char *name, uint32_t size)
{
    if (size >= BLANKET_NAME_SIZE) {
        return -BLANKET_EINVAL;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            return -BLANKET_EINVAL;
        }
    }
    return 0;
}

static int check_child(const struct blanket_level_guest *guest, const struct blanket_child *child,
                       uint32_t *quota)
{
    const struct blanket_endpoint *endpoint;

    if (child->slot >= guest->endpoint_count) {
        *quota = BLANKET_QUOTA_ENDPOINTS;
        return -BLANKET_ENOSPC;
    }
    endpoint = &guest->endpoints[child->slot];
    if (endpoint->state == BLANKET_ENDPOINT_DEAD) {
        return -BLANKET_EBUSY;
    }
    if (endpoint->state != BLANKET_ENDPOINT_FREE ||
        blanket_child_find(guest, child->name, child->name_size) != BLANKET_OWNER_NONE) {
        return -BLANKET_EEXIST;
    }
    if (child->generation <= endpoint->generation) {
        return -BLANKET_ESTALE;
    }
    if (guest->endpoints[child->parent].depth >= BLANKET_DEPTH_MAX) {
        *quota = BLANKET_QUOTA_DEPTH;
        return -BLANKET_ENOSPC;
    }
    return check_name(child->name, child->name_size);
}

static int carve_windows(struct blanket_level_guest *guest, const struct blanket_child *child,
                         uint32_t *quota)
{
    const struct blanket_endpoint *parent = &guest->endpoints[child->parent];
    struct blanket_endpoint *endpoint = &guest->endpoints[child->slot];

    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        const struct blanket_window *from = &parent->windows[kind];
        struct blanket_window *window = &endpoint->windows[kind];

        if (blanket_table_carve(&guest->tables[kind], from, child->parent, child->slot,
                                child->counts[kind], &window->first) != 0) {
            *quota = table_quota[kind];
            while (kind-- > 0) {
                blanket_table_return(&guest->tables[kind], &endpoint->windows[kind], child->slot,
                                     child->parent);
            }
            return -BLANKET_ENOSPC;
        }
        window->count = child->counts[kind];
        window->below_first = child->minted ? child->below_first[kind]
                                            : from->below_first + (window->first - from->first);
    }
    return 0;
}

int blanket_child_make(struct blanket_level *level, struct blanket_level_guest *guest,
                       const struct blanket_child *child, uint32_t *quota)
{
    struct blanket_endpoint *parent = &guest->endpoints[child->parent];
    struct blanket_endpoint *endpoint;
    int rc = check_child(guest, child, quota);

    if (rc != 0) {
        return rc;
    }
    rc = carve_windows(guest, child, quota);
    if (rc != 0) {
        return rc;
    }
    endpoint = &guest->endpoints[child->slot];
    __atomic_store_n(&endpoint->generation, child->generation, __ATOMIC_SEQ_CST);
    endpoint->events = 0;
    endpoint->rights = child->minted ? child->rights : child->rights & parent->rights;
    __atomic_store_n(&endpoint->parent, (uint16_t)child->parent, __ATOMIC_RELAXED);
    endpoint->child_count = 0;
    endpoint->depth = (uint8_t)(parent->depth + 1);
    endpoint->closing = 0;
    memset(endpoint->used, 0, sizeof(endpoint->used));
    memset(endpoint->name, 0, sizeof(endpoint->name));
    memcpy(endpoint->name, child->name, child->name_size);
    parent->child_count++;
    blanket_count_endpoints(level, 1);
    return 0;
}

int blanket_child_unmake(struct blanket_level *level, struct blanket_level_guest *guest,
                         uint32_t index)
{
    struct blanket_endpoint *endpoint = &guest->endpoints[index];

    /* Who pins counts first and looks then; so FREE first, and the count once more. */
    __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_FREE, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&endpoint->inflight, __ATOMIC_SEQ_CST) != 0) {
        __atomic_store_n(&endpoint->state, BLANKET_ENDPOINT_DEAD, __ATOMIC_SEQ_CST);
        return -BLANKET_EBUSY;
    }
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        blanket_table_return(&guest->tables[kind], &endpoint->windows[kind], index,
                             endpoint->parent);
    }
    guest->endpoints[endpoint->parent].child_count--;
    memset(endpoint->name, 0, sizeof(endpoint->name));
    blanket_count_endpoints(level, -1);
    return 0;
}
