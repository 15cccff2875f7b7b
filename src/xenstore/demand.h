/* SPDX-License-Identifier: MIT */
/*
 * A call while it is being understood: what it names is looked up and checked, and the request's body
 * grows in the store's terms in store->message.
 */
#ifndef BLANKET_XENSTORE_DEMAND_H
#define BLANKET_XENSTORE_DEMAND_H

#include "xenstore.h"

/* A call as far as it's understood. Its body grows in store->message. */
struct store_demand {
    struct store_view *view;
    struct store_connection *connection;
    struct store_root *root;
    struct blanket_call *call;
    const uint8_t *path; /* relative to the root */
    uint32_t path_size;
    const uint8_t *rest; /* of the payload, after the path's NUL */
    uint32_t rest_size;
    uint32_t value; /* out: the result's value */
    struct store_job job;
};

/* Where the body grows. */
uint8_t *blanket_xenstore_demand_body(struct blanket_store *store);
/* An id within a connection: 0..65535. */
bool blanket_xenstore_demand_id(uint64_t item, uint32_t *id);
/* PORT and REQUEST: the first items of all that asks the store. */
int blanket_xenstore_demand_begin(struct store_demand *demand);
/* ROOT: one that the view has, with the verb's right. */
int blanket_xenstore_demand_take_root(struct store_demand *demand, enum blanket_right right);
/* TRANSACTION: none, or one of this connection. */
int blanket_xenstore_demand_take_transaction(struct blanket_store *store,
                                             struct store_demand *demand, uint64_t item);
/* The payload's path, checked; then root and path go into the body, with a NUL. */
int blanket_xenstore_demand_take_path(struct blanket_store *store, struct store_demand *demand);
/* The payload goes below as it is: the store judges it. */
int blanket_xenstore_demand_take_raw(struct blanket_store *store, struct store_demand *demand);
int blanket_xenstore_demand_append(struct blanket_store *store, struct store_demand *demand,
                                   const uint8_t *bytes, uint32_t size);
int blanket_xenstore_demand_submit(struct blanket_store *store, struct store_demand *demand);
/* Answered here, as the store would. */
int blanket_xenstore_demand_answer(struct blanket_store *store, struct store_demand *demand,
                                   const char *text);
/* The path has a key that the view doesn't show. */
bool blanket_xenstore_demand_hides(const struct store_demand *demand);

/* node.c, subscribe.c: the verbs */
int blanket_xenstore_serve_read(struct blanket_store *store, struct store_demand *demand);
int blanket_xenstore_serve_write(struct blanket_store *store, struct store_demand *demand);
int blanket_xenstore_serve_write_number(struct blanket_store *store, struct store_demand *demand);
int blanket_xenstore_serve_watch(struct blanket_store *store, struct store_demand *demand);
int blanket_xenstore_serve_transact(struct blanket_store *store, struct store_demand *demand);

#endif
