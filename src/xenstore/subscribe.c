/* SPDX-License-Identifier: MIT */
/* STORE_WATCH and STORE_TRANSACT: what lasts longer than its request. */
#include "demand.h"

/* The path of a WATCH or UNWATCH as it is below, with its NUL, in the body. */
static int take_watch_path(struct blanket_store *store, struct store_demand *demand)
{
    int status;

    if (!demand->root->raw) {
        status = blanket_xenstore_demand_take_path(store, demand);
        return status == 0 && demand->rest_size != 0 ? -BLANKET_EINVAL : status;
    }
    status = blanket_xenstore_demand_take_raw(store, demand);
    if (status == 0 &&
        (demand->job.size < 2 ||
         blanket_xenstore_path_size(blanket_xenstore_demand_body(store), demand->job.size) + 1 !=
             demand->job.size)) {
        return -BLANKET_EINVAL;
    }
    return status;
}

static int serve_watch_add(struct blanket_store *store, struct store_demand *demand, uint32_t id)
{
    struct store_watch *watch;
    uint32_t size = demand->job.size - 1;
    int status;

    if (!demand->root->raw && blanket_xenstore_demand_hides(demand)) {
        return blanket_xenstore_demand_answer(store, demand, "ENOENT");
    }
    if (size > store->limits.watch_path) {
        return blanket_xenstore_demand_answer(store, demand, "EINVAL");
    }
    status = blanket_xenstore_watch_make(store, demand->connection, id, &watch, &demand->value);
    if (status != 0) {
        return status;
    }
    memcpy(watch->path, blanket_xenstore_demand_body(store), size + 1);
    watch->path_size = size;
    watch->prefix = demand->root->raw ? 0 : demand->root->size + 1;
    watch->raw = (uint8_t)demand->job.raw;
    demand->job.watch = watch;
    demand->job.watch_generation = watch->generation;
    demand->job.size = blanket_xenstore_watch_compose(store, watch);
    status = blanket_xenstore_demand_submit(store, demand);
    if (status != 0) {
        blanket_xenstore_watch_free(store, watch);
    }
    return status;
}

static int serve_watch_remove(struct blanket_store *store, struct store_demand *demand, uint32_t id)
{
    struct store_watch *watch = blanket_xenstore_name_find(&store->watch_names, demand->connection,
                                                           id);
    int status;

    if (watch == NULL) {
        return -BLANKET_ENOENT;
    }
    if (watch->path_size + 1 != demand->job.size ||
        memcmp(watch->path, blanket_xenstore_demand_body(store), watch->path_size) != 0) {
        return blanket_xenstore_demand_answer(store, demand, "ENOENT");
    }
    demand->job.watch = watch;
    demand->job.watch_generation = watch->generation;
    demand->job.size = blanket_xenstore_watch_compose(store, watch);
    /* From now on its id is free and its events are dropped: when the answer comes, none follows. */
    blanket_xenstore_name_remove(&store->watch_names, &watch->name);
    watch->dropped = 1;
    status = blanket_xenstore_demand_submit(store, demand);
    if (status != 0) {
        watch->dropped = 0;
        blanket_xenstore_name_add(&store->watch_names, &watch->name, demand->connection, id);
    } else if (watch->generation == demand->job.watch_generation) {
        blanket_xenstore_list_remove(&watch->pending);
    }
    return status;
}

int blanket_xenstore_serve_watch(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t type = demand->job.type;
    uint32_t id;
    int status = blanket_xenstore_demand_take_root(demand, BLANKET_RIGHT_STORE_WATCH);

    if (status != 0) {
        return status;
    }
    if (!blanket_xenstore_demand_id(demand->call->items[3], &id)) {
        return -BLANKET_EINVAL;
    }
    if (type == XS_RESET_WATCHES) {
        if (id != 0 || demand->call->payload_size != 0) {
            return -BLANKET_EINVAL;
        }
        status = blanket_xenstore_demand_answer(store, demand, "OK");
        if (status == 0) { /* xenstore's docs: "all watches and transactions of the caller" */
            blanket_xenstore_transaction_end_all(store, demand->connection);
            blanket_xenstore_watch_end_all(store, demand->connection);
        }
        return status;
    }
    if (id == 0 || (type != XS_WATCH && type != XS_UNWATCH)) {
        return -BLANKET_EINVAL;
    }
    status = take_watch_path(store, demand);
    if (status != 0) {
        return status;
    }
    return type == XS_WATCH ? serve_watch_add(store, demand, id)
                            : serve_watch_remove(store, demand, id);
}

static int serve_start(struct blanket_store *store, struct store_demand *demand, uint32_t id)
{
    struct store_transaction *transaction;
    int status = blanket_xenstore_transaction_make(store, demand->connection, id, &transaction,
                                                   &demand->value);

    if (status != 0) {
        return status;
    }
    demand->job.transaction = transaction;
    demand->job.transaction_generation = transaction->generation;
    demand->job.tx_id = id;
    demand->job.size = 1;
    blanket_xenstore_demand_body(store)[0] = 0;
    status = blanket_xenstore_demand_submit(store, demand);
    if (status != 0) {
        blanket_xenstore_transaction_free(store, transaction);
    }
    return status;
}

static int serve_end(struct blanket_store *store, struct store_demand *demand)
{
    struct store_transaction *transaction = demand->job.transaction;
    uint32_t id = demand->job.tx_id;
    int status;

    if (demand->call->payload_size != 2 || demand->call->payload[1] != 0 ||
        (demand->call->payload[0] != 'T' && demand->call->payload[0] != 'F')) {
        return -BLANKET_EINVAL;
    }
    memcpy(blanket_xenstore_demand_body(store), demand->call->payload, 2);
    demand->job.size = 2;
    blanket_xenstore_name_remove(&store->transaction_names, &transaction->name);
    status = blanket_xenstore_demand_submit(store, demand);
    if (status != 0) {
        blanket_xenstore_name_add(&store->transaction_names, &transaction->name, demand->connection,
                                  id);
    }
    return status;
}

int blanket_xenstore_serve_transact(struct blanket_store *store, struct store_demand *demand)
{
    uint32_t id;
    int status;

    if (!blanket_xenstore_demand_id(demand->call->items[2], &id) || id == 0) {
        return -BLANKET_EINVAL;
    }
    if (demand->job.type == XS_TRANSACTION_START) {
        return demand->call->payload_size == 0 ? serve_start(store, demand, id) : -BLANKET_EINVAL;
    }
    if (demand->job.type != XS_TRANSACTION_END) {
        return -BLANKET_EINVAL;
    }
    status = blanket_xenstore_demand_take_transaction(store, demand, demand->call->items[2]);
    return status == 0 ? serve_end(store, demand) : status;
}
