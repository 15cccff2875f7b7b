/* SPDX-License-Identifier: MIT */
#include "demand.h"

uint8_t *blanket_xenstore_demand_body(struct blanket_store *store)
{
    return store->message + STORE_HEADER_SIZE;
}

/* An id within a connection: 0..65535. */
bool blanket_xenstore_demand_id(uint64_t item, uint32_t *id)
{
    *id = (uint32_t)blanket_item_value(item);
    return blanket_item_value(item) <= 0xffffu;
}

/* PORT and REQUEST: the first items of all that asks the store. */
int blanket_xenstore_demand_begin(struct store_demand *demand)
{
    uint64_t request = blanket_item_value(demand->call->items[1]);

    demand->job.req_id = (uint32_t)request;
    demand->job.type = (uint32_t)(request >> 32);
    demand->job.raw = (demand->view->flags & BLANKET_STORE_VIEW_RAW) != 0;
    return blanket_xenstore_connection_find(demand->view, demand->call->items[0],
                                            &demand->connection);
}

/* ROOT: one that the view has, with the verb's right. */
int blanket_xenstore_demand_take_root(struct store_demand *demand, enum blanket_right right)
{
    uint64_t index = blanket_item_value(demand->call->items[2]);

    if (index >= BLANKET_ROOT_COUNT) {
        return -BLANKET_EINVAL;
    }
    demand->root = &demand->view->roots[index];
    if (!demand->root->present || (demand->root->rights & (1u << right)) == 0) {
        return -BLANKET_EPERM;
    }
    return 0;
}

/* TRANSACTION: none, or one of this connection. */
int blanket_xenstore_demand_take_transaction(struct blanket_store *store,
                                             struct store_demand *demand, uint64_t item)
{
    uint32_t id;

    if (!blanket_xenstore_demand_id(item, &id)) {
        return -BLANKET_EINVAL;
    }
    if (id == 0) {
        return 0;
    }
    demand->job.transaction = blanket_xenstore_name_find(&store->transaction_names,
                                                         demand->connection, id);
    if (demand->job.transaction == NULL) {
        return -BLANKET_ENOENT;
    }
    demand->job.transaction_generation = demand->job.transaction->generation;
    demand->job.tx_id = id;
    return 0;
}

/* The payload's path, checked; then root and path go into the body, with a NUL. */
int blanket_xenstore_demand_take_path(struct blanket_store *store, struct store_demand *demand)
{
    const struct store_root *root = demand->root;
    uint8_t *body = blanket_xenstore_demand_body(store);
    uint32_t size = blanket_xenstore_path_size(demand->call->payload, demand->call->payload_size);
    uint32_t used = root->size;

    if (size == demand->call->payload_size || size > STORE_PATH_MAX ||
        !blanket_xenstore_path_legal(demand->call->payload, size)) {
        return -BLANKET_EINVAL;
    }
    demand->path = demand->call->payload;
    demand->path_size = size;
    demand->rest = demand->call->payload + size + 1;
    demand->rest_size = demand->call->payload_size - size - 1;
    memcpy(body, root->path, root->size);
    if (size != 0 || root->size == 0) {
        body[used++] = '/';
    }
    memcpy(body + used, demand->path, size);
    used += size;
    if (used > STORE_PATH_MAX) {
        return -BLANKET_EINVAL;
    }
    body[used] = 0;
    demand->job.size = used + 1;
    return 0;
}

/* The payload goes below as it is: the store judges it. */
int blanket_xenstore_demand_take_raw(struct blanket_store *store, struct store_demand *demand)
{
    if (demand->call->payload_size > STORE_BODY_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    demand->job.size = demand->call->payload_size;
    if (demand->job.size != 0) {
        memcpy(blanket_xenstore_demand_body(store), demand->call->payload, demand->job.size);
    }
    return 0;
}

int blanket_xenstore_demand_append(struct blanket_store *store, struct store_demand *demand,
                                   const uint8_t *bytes, uint32_t size)
{
    if (size > STORE_BODY_MAX - demand->job.size) {
        return -BLANKET_EMSGSIZE;
    }
    memcpy(blanket_xenstore_demand_body(store) + demand->job.size, bytes, size);
    demand->job.size += size;
    return 0;
}

int blanket_xenstore_demand_submit(struct blanket_store *store, struct store_demand *demand)
{
    return blanket_xenstore_request_submit(store, demand->connection, &demand->job, demand->call,
                                           &demand->value);
}

/* Answered here, as the store would. */
int blanket_xenstore_demand_answer(struct blanket_store *store, struct store_demand *demand,
                                   const char *text)
{
    int status = blanket_xenstore_request_answer(store, demand->connection, &demand->job,
                                                 demand->call, text);

    demand->value = demand->call->reply_size != 0;
    return status;
}

bool blanket_xenstore_demand_hides(const struct store_demand *demand)
{
    return demand->job.raw == 0 && blanket_xenstore_path_hidden(demand->path, demand->path_size);
}
