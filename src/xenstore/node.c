/* SPDX-License-Identifier: MIT */
/* STORE_READ, STORE_WRITE and those that write a number: all that is about one node. */
#include "demand.h"

/* The offset of a DIRECTORY_PART: "123" NUL. */
static int take_offset(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t size = blanket_xenstore_path_size(demand->rest, demand->rest_size);

    if (size + 1 != demand->rest_size ||
        !blanket_xenstore_number_parse(demand->rest, size, &demand->job.skip)) {
        return -BLANKET_EINVAL;
    }
    return demand->job.raw == 0
               ? 0
               : blanket_xenstore_demand_append(store, demand, demand->rest, demand->rest_size);
}

int blanket_xenstore_serve_read(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t type = demand->job.type;
    bool of_path = type == XS_READ || type == XS_DIRECTORY || type == XS_DIRECTORY_PART ||
                   type == XS_GET_PERMS;
    int status = blanket_xenstore_demand_take_root(demand, BLANKET_RIGHT_STORE_READ);

    if (status == 0) {
        status = blanket_xenstore_demand_take_transaction(store, demand, demand->call->items[3]);
    }
    if (status != 0) {
        return status;
    }
    if (demand->root->raw) {
        if (!of_path && type != XS_GET_DOMAIN_PATH && type != XS_IS_DOMAIN_INTRODUCED) {
            return -BLANKET_EINVAL;
        }
        status = blanket_xenstore_demand_take_raw(store, demand);
        return status == 0 ? blanket_xenstore_demand_submit(store, demand) : status;
    }
    if (!of_path) {
        return -BLANKET_EINVAL;
    }
    status = blanket_xenstore_demand_take_path(store, demand);
    if (status == 0 && type == XS_DIRECTORY_PART) {
        status = take_offset(store, demand);
    } else if (status == 0 && demand->rest_size != 0) {
        status = -BLANKET_EINVAL;
    }
    if (status != 0) {
        return status;
    }
    return blanket_xenstore_demand_hides(demand)
               ? blanket_xenstore_demand_answer(store, demand, "ENOENT")
               : blanket_xenstore_demand_submit(store, demand);
}

/* After the path of a WRITE, SET_PERMS, MKDIR or RM: the rest, in the store's terms. */
static int take_rest(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t room = STORE_BODY_MAX - demand->job.size;

    switch (demand->job.type) {
    case XS_WRITE:
        if (demand->job.raw == 0 && blanket_xenstore_path_typed(demand->path, demand->path_size)) {
            return -BLANKET_EINVAL;
        }
        return blanket_xenstore_demand_append(store, demand, demand->rest, demand->rest_size);
    case XS_SET_PERMS:
        if (demand->job.raw != 0) {
            return blanket_xenstore_demand_append(store, demand, demand->rest, demand->rest_size);
        }
        if (!blanket_xenstore_permission_below(
                demand->view, demand->rest, demand->rest_size,
                blanket_xenstore_demand_body(store) + demand->job.size, &room)) {
            return -BLANKET_EINVAL;
        }
        demand->job.size += room;
        return 0;
    default:
        return demand->rest_size == 0 ? 0 : -BLANKET_EINVAL;
    }
}

/* What is known of the device's `state` when its last connection goes. */
static void note_state(struct store_demand *demand)
{
    uint32_t index = (uint32_t)blanket_item_value(demand->call->items[2]);

    if (demand->job.raw == 0 && demand->job.type == XS_WRITE && index <= BLANKET_ROOT_BACKEND &&
        demand->path_size == 5 && memcmp(demand->path, "state", 5) == 0) {
        demand->view->touched |= (uint8_t)(1u << index);
    }
}

/* ROOT, TRANSACTION and path of what writes; the path not if the root is raw. */
static int begin_write(struct blanket_store *store, struct store_demand *demand)
{
    int status = blanket_xenstore_demand_take_root(demand, BLANKET_RIGHT_STORE_WRITE);

    if (status == 0) {
        status = blanket_xenstore_demand_take_transaction(store, demand, demand->call->items[3]);
    }
    if (status != 0 || demand->root->raw) {
        return status;
    }
    return blanket_xenstore_demand_take_path(store, demand);
}

static int finish_write(struct blanket_store *store, struct store_demand *demand)
{
    int status;

    /* A hidden key isn't the owner's to make; nor is the directory that has them, to remove. */
    if (!demand->root->raw &&
        (blanket_xenstore_demand_hides(demand) ||
         (demand->job.raw == 0 && demand->job.type == XS_RM && demand->path_size == 0))) {
        return blanket_xenstore_demand_answer(store, demand, "EACCES");
    }
    status = blanket_xenstore_demand_submit(store, demand);
    if (status == 0 && !demand->root->raw) {
        note_state(demand);
    }
    return status;
}

int blanket_xenstore_serve_write(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t type = demand->job.type;
    int status;

    if (type != XS_WRITE && type != XS_MKDIR && type != XS_RM && type != XS_SET_PERMS) {
        return -BLANKET_EINVAL;
    }
    status = begin_write(store, demand);
    if (status == 0) {
        status = demand->root->raw ? blanket_xenstore_demand_take_raw(store, demand)
                                   : take_rest(store, demand);
    }
    return status == 0 ? finish_write(store, demand) : status;
}

/* The number that the peer sees for a slot of the endpoint's. */
static int number_of(struct blanket_store *store, const struct store_demand *demand,
                     uint32_t *number)
{
    uint32_t index = blanket_item_index(demand->call->items[4]);

    if (demand->call->verb == BLANKET_VERB_STORE_WRITE_GRANT) {
        *number = demand->view->grant_base + index;
        return 0;
    }
    *number = index;
    if (demand->view->port_number == NULL) {
        return 0;
    }
    return demand->view->port_number(store->context, demand->view->cookie, index, number);
}

int blanket_xenstore_serve_write_number(struct blanket_store *store, struct store_demand *demand)
{
    uint8_t digits[10];
    uint32_t number = 0;
    int status;

    if (demand->job.type != XS_WRITE) {
        return -BLANKET_EINVAL;
    }
    status = begin_write(store, demand);
    if (status == 0 && demand->root->raw) {
        status = blanket_xenstore_demand_take_raw(
            store, demand); /* a path that the store judges; then the number */
        demand->path_size = blanket_xenstore_path_size(blanket_xenstore_demand_body(store),
                                                       demand->job.size);
        if (status == 0 && demand->path_size + 1 != demand->job.size) {
            status = -BLANKET_EINVAL;
        }
    } else if (status == 0 && demand->rest_size != 0) {
        status = -BLANKET_EINVAL;
    }
    if (status == 0) {
        status = number_of(store, demand, &number);
    }
    if (status == 0) {
        status = blanket_xenstore_demand_append(store, demand, digits,
                                                blanket_xenstore_number_print(number, digits));
    }
    return status == 0 ? finish_write(store, demand) : status;
}
