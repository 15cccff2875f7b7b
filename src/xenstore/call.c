/* SPDX-License-Identifier: MIT */
/* The verbs: what a call asks is checked and put into the store's terms. */
#include "xenstore.h"

#define ITEMS_MAX 5u

/* A call as far as it's understood. Its body grows in store->message. */
struct demand {
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

static uint8_t *body_of(struct blanket_store *store)
{
    return store->message + STORE_HEADER_SIZE;
}

/* Types of a verb's items; 0 ends them. */
static const uint8_t *shape(uint16_t verb)
{
    static const uint8_t shapes[][ITEMS_MAX + 1] = {
        {BLANKET_ITEM_PORT},
        {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION},
        {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION,
         BLANKET_ITEM_GRANT},
        {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_TRANSACTION,
         BLANKET_ITEM_PORT},
        {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_ROOT, BLANKET_ITEM_WATCH},
        {BLANKET_ITEM_PORT, BLANKET_ITEM_REQUEST, BLANKET_ITEM_TRANSACTION},
    };

    switch (verb) {
    case BLANKET_VERB_STORE_CONNECT:
    case BLANKET_VERB_STORE_DISCONNECT:
    case BLANKET_VERB_STORE_RECEIVE:
        return shapes[0];
    case BLANKET_VERB_STORE_READ:
    case BLANKET_VERB_STORE_WRITE:
        return shapes[1];
    case BLANKET_VERB_STORE_WRITE_GRANT:
        return shapes[2];
    case BLANKET_VERB_STORE_WRITE_PORT:
        return shapes[3];
    case BLANKET_VERB_STORE_WATCH:
        return shapes[4];
    case BLANKET_VERB_STORE_TRANSACT:
        return shapes[5];
    default:
        return NULL;
    }
}

static bool shape_fits(const uint8_t *types, const struct blanket_call *call)
{
    uint32_t i;

    if (call->element_count != 1) {
        return false;
    }
    for (i = 0; i < call->element_items && i < ITEMS_MAX; i++) {
        uint64_t item = call->items[i];

        if (types[i] == 0 || blanket_item_type(item) != types[i] ||
            blanket_item(types[i], 0, blanket_item_value(item)) != item) {
            return false;
        }
    }
    return i == call->element_items && types[i] == 0;
}

/* An id within a connection: 0..65535. */
static bool id_of(uint64_t item, uint32_t *id)
{
    *id = (uint32_t)blanket_item_value(item);
    return blanket_item_value(item) <= 0xffffu;
}

/* PORT and REQUEST: the first items of all that asks the store. */
static int begin(struct demand *demand)
{
    uint64_t request = blanket_item_value(demand->call->items[1]);

    demand->job.req_id = (uint32_t)request;
    demand->job.type = (uint32_t)(request >> 32);
    demand->job.raw = (demand->view->flags & BLANKET_STORE_VIEW_RAW) != 0;
    return blanket_xenstore_connection_find(demand->view, demand->call->items[0],
                                            &demand->connection);
}

/* ROOT: one that the view has, with the verb's right. */
static int take_root(struct demand *demand, enum blanket_right right)
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
static int take_transaction(struct blanket_store *store, struct demand *demand, uint64_t item)
{
    uint32_t id;

    if (!id_of(item, &id)) {
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
static int take_path(struct blanket_store *store, struct demand *demand)
{
    const struct store_root *root = demand->root;
    uint8_t *body = body_of(store);
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
static int take_raw(struct blanket_store *store, struct demand *demand)
{
    if (demand->call->payload_size > STORE_BODY_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    demand->job.size = demand->call->payload_size;
    if (demand->job.size != 0) {
        memcpy(body_of(store), demand->call->payload, demand->job.size);
    }
    return 0;
}

static int append(struct blanket_store *store, struct demand *demand, const uint8_t *bytes,
                  uint32_t size)
{
    if (size > STORE_BODY_MAX - demand->job.size) {
        return -BLANKET_EMSGSIZE;
    }
    memcpy(body_of(store) + demand->job.size, bytes, size);
    demand->job.size += size;
    return 0;
}

static int submit(struct blanket_store *store, struct demand *demand)
{
    return blanket_xenstore_request_submit(store, demand->connection, &demand->job, demand->call,
                                           &demand->value);
}

/* Answered here, as the store would. */
static int answer(struct blanket_store *store, struct demand *demand, const char *text)
{
    int status = blanket_xenstore_request_answer(store, demand->connection, &demand->job,
                                                 demand->call, text);

    demand->value = demand->call->reply_size != 0;
    return status;
}

static bool hides(const struct demand *demand)
{
    return demand->job.raw == 0 && blanket_xenstore_path_hidden(demand->path, demand->path_size);
}

/* The offset of a DIRECTORY_PART: "123" NUL. */
static int take_offset(struct blanket_store *store, struct demand *demand)
{
    uint32_t size = blanket_xenstore_path_size(demand->rest, demand->rest_size);

    if (size + 1 != demand->rest_size ||
        !blanket_xenstore_number_parse(demand->rest, size, &demand->job.skip)) {
        return -BLANKET_EINVAL;
    }
    return demand->job.raw == 0 ? 0 : append(store, demand, demand->rest, demand->rest_size);
}

static int serve_read(struct blanket_store *store, struct demand *demand)
{
    uint32_t type = demand->job.type;
    bool of_path = type == XS_READ || type == XS_DIRECTORY || type == XS_DIRECTORY_PART ||
                   type == XS_GET_PERMS;
    int status = take_root(demand, BLANKET_RIGHT_STORE_READ);

    if (status == 0) {
        status = take_transaction(store, demand, demand->call->items[3]);
    }
    if (status != 0) {
        return status;
    }
    if (demand->root->raw) {
        if (!of_path && type != XS_GET_DOMAIN_PATH && type != XS_IS_DOMAIN_INTRODUCED) {
            return -BLANKET_EINVAL;
        }
        status = take_raw(store, demand);
        return status == 0 ? submit(store, demand) : status;
    }
    if (!of_path) {
        return -BLANKET_EINVAL;
    }
    status = take_path(store, demand);
    if (status == 0 && type == XS_DIRECTORY_PART) {
        status = take_offset(store, demand);
    } else if (status == 0 && demand->rest_size != 0) {
        status = -BLANKET_EINVAL;
    }
    if (status != 0) {
        return status;
    }
    return hides(demand) ? answer(store, demand, "ENOENT") : submit(store, demand);
}

/* After the path of a WRITE, SET_PERMS, MKDIR or RM: the rest, in the store's terms. */
static int take_rest(struct blanket_store *store, struct demand *demand)
{
    uint32_t room = STORE_BODY_MAX - demand->job.size;

    switch (demand->job.type) {
    case XS_WRITE:
        if (demand->job.raw == 0 && blanket_xenstore_path_typed(demand->path, demand->path_size)) {
            return -BLANKET_EINVAL;
        }
        return append(store, demand, demand->rest, demand->rest_size);
    case XS_SET_PERMS:
        if (demand->job.raw != 0) {
            return append(store, demand, demand->rest, demand->rest_size);
        }
        if (!blanket_xenstore_permission_below(demand->view, demand->rest, demand->rest_size,
                                               body_of(store) + demand->job.size, &room)) {
            return -BLANKET_EINVAL;
        }
        demand->job.size += room;
        return 0;
    default:
        return demand->rest_size == 0 ? 0 : -BLANKET_EINVAL;
    }
}

/* What is known of the device's `state` when its last connection goes. */
static void note_state(struct demand *demand)
{
    uint32_t index = (uint32_t)blanket_item_value(demand->call->items[2]);

    if (demand->job.raw == 0 && demand->job.type == XS_WRITE && index <= BLANKET_ROOT_BACKEND &&
        demand->path_size == 5 && memcmp(demand->path, "state", 5) == 0) {
        demand->view->touched |= (uint8_t)(1u << index);
    }
}

/* ROOT, TRANSACTION and path of what writes; the path not if the root is raw. */
static int begin_write(struct blanket_store *store, struct demand *demand)
{
    int status = take_root(demand, BLANKET_RIGHT_STORE_WRITE);

    if (status == 0) {
        status = take_transaction(store, demand, demand->call->items[3]);
    }
    if (status != 0 || demand->root->raw) {
        return status;
    }
    return take_path(store, demand);
}

static int finish_write(struct blanket_store *store, struct demand *demand)
{
    int status;

    /* A hidden key isn't the owner's to make; nor is the directory that has them, to remove. */
    if (!demand->root->raw &&
        (hides(demand) ||
         (demand->job.raw == 0 && demand->job.type == XS_RM && demand->path_size == 0))) {
        return answer(store, demand, "EACCES");
    }
    status = submit(store, demand);
    if (status == 0 && !demand->root->raw) {
        note_state(demand);
    }
    return status;
}

static int serve_write(struct blanket_store *store, struct demand *demand)
{
    uint32_t type = demand->job.type;
    int status;

    if (type != XS_WRITE && type != XS_MKDIR && type != XS_RM && type != XS_SET_PERMS) {
        return -BLANKET_EINVAL;
    }
    status = begin_write(store, demand);
    if (status == 0) {
        status = demand->root->raw ? take_raw(store, demand) : take_rest(store, demand);
    }
    return status == 0 ? finish_write(store, demand) : status;
}

/* The number that the peer sees for a slot of the endpoint's. */
static int number_of(struct blanket_store *store, const struct demand *demand, uint32_t *number)
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

static int serve_write_number(struct blanket_store *store, struct demand *demand)
{
    uint8_t digits[10];
    uint32_t number = 0;
    int status;

    if (demand->job.type != XS_WRITE) {
        return -BLANKET_EINVAL;
    }
    status = begin_write(store, demand);
    if (status == 0 && demand->root->raw) {
        status = take_raw(store, demand); /* a path that the store judges; then the number */
        demand->path_size = blanket_xenstore_path_size(body_of(store), demand->job.size);
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
        status = append(store, demand, digits, blanket_xenstore_number_print(number, digits));
    }
    return status == 0 ? finish_write(store, demand) : status;
}

/* The path of a WATCH or UNWATCH as it is below, with its NUL, in the body. */
static int take_watch_path(struct blanket_store *store, struct demand *demand)
{
    int status;

    if (!demand->root->raw) {
        status = take_path(store, demand);
        return status == 0 && demand->rest_size != 0 ? -BLANKET_EINVAL : status;
    }
    status = take_raw(store, demand);
    if (status == 0 &&
        (demand->job.size < 2 ||
         blanket_xenstore_path_size(body_of(store), demand->job.size) + 1 != demand->job.size)) {
        return -BLANKET_EINVAL;
    }
    return status;
}

static int serve_watch_add(struct blanket_store *store, struct demand *demand, uint32_t id)
{
    struct store_watch *watch;
    uint32_t size = demand->job.size - 1;
    int status;

    if (!demand->root->raw && hides(demand)) {
        return answer(store, demand, "ENOENT");
    }
    if (size > store->limits.watch_path) {
        return answer(store, demand, "EINVAL");
    }
    status = blanket_xenstore_watch_make(store, demand->connection, id, &watch, &demand->value);
    if (status != 0) {
        return status;
    }
    memcpy(watch->path, body_of(store), size + 1);
    watch->path_size = size;
    watch->prefix = demand->root->raw ? 0 : demand->root->size + 1;
    watch->raw = (uint8_t)demand->job.raw;
    demand->job.watch = watch;
    demand->job.watch_generation = watch->generation;
    demand->job.size = blanket_xenstore_watch_compose(store, watch);
    status = submit(store, demand);
    if (status != 0) {
        blanket_xenstore_watch_free(store, watch);
    }
    return status;
}

static int serve_watch_remove(struct blanket_store *store, struct demand *demand, uint32_t id)
{
    struct store_watch *watch = blanket_xenstore_name_find(&store->watch_names, demand->connection,
                                                           id);
    int status;

    if (watch == NULL) {
        return -BLANKET_ENOENT;
    }
    if (watch->path_size + 1 != demand->job.size ||
        memcmp(watch->path, body_of(store), watch->path_size) != 0) {
        return answer(store, demand, "ENOENT");
    }
    demand->job.watch = watch;
    demand->job.watch_generation = watch->generation;
    demand->job.size = blanket_xenstore_watch_compose(store, watch);
    /* From now on its id is free and its events are dropped: when the answer comes, none follows. */
    blanket_xenstore_name_remove(&store->watch_names, &watch->name);
    watch->dropped = 1;
    status = submit(store, demand);
    if (status != 0) {
        watch->dropped = 0;
        blanket_xenstore_name_add(&store->watch_names, &watch->name, demand->connection, id);
    } else if (watch->generation == demand->job.watch_generation) {
        blanket_xenstore_list_remove(&watch->pending);
    }
    return status;
}

static int serve_watch(struct blanket_store *store, struct demand *demand)
{
    uint32_t type = demand->job.type;
    uint32_t id;
    int status = take_root(demand, BLANKET_RIGHT_STORE_WATCH);

    if (status != 0) {
        return status;
    }
    if (!id_of(demand->call->items[3], &id)) {
        return -BLANKET_EINVAL;
    }
    if (type == XS_RESET_WATCHES) {
        if (id != 0 || demand->call->payload_size != 0) {
            return -BLANKET_EINVAL;
        }
        status = answer(store, demand, "OK");
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

static int serve_start(struct blanket_store *store, struct demand *demand, uint32_t id)
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
    body_of(store)[0] = 0;
    status = submit(store, demand);
    if (status != 0) {
        blanket_xenstore_transaction_free(store, transaction);
    }
    return status;
}

static int serve_end(struct blanket_store *store, struct demand *demand)
{
    struct store_transaction *transaction = demand->job.transaction;
    uint32_t id = demand->job.tx_id;
    int status;

    if (demand->call->payload_size != 2 || demand->call->payload[1] != 0 ||
        (demand->call->payload[0] != 'T' && demand->call->payload[0] != 'F')) {
        return -BLANKET_EINVAL;
    }
    status = take_raw(store, demand);
    if (status != 0) {
        return status;
    }
    blanket_xenstore_name_remove(&store->transaction_names, &transaction->name);
    status = submit(store, demand);
    if (status != 0) {
        blanket_xenstore_name_add(&store->transaction_names, &transaction->name, demand->connection,
                                  id);
    }
    return status;
}

static int serve_transact(struct blanket_store *store, struct demand *demand)
{
    uint32_t id;
    int status;

    if (!id_of(demand->call->items[2], &id) || id == 0) {
        return -BLANKET_EINVAL;
    }
    if (demand->job.type == XS_TRANSACTION_START) {
        return demand->call->payload_size == 0 ? serve_start(store, demand, id) : -BLANKET_EINVAL;
    }
    if (demand->job.type != XS_TRANSACTION_END) {
        return -BLANKET_EINVAL;
    }
    status = take_transaction(store, demand, demand->call->items[2]);
    return status == 0 ? serve_end(store, demand) : status;
}

static int serve(struct blanket_store *store, struct demand *demand)
{
    uint64_t port = demand->call->items[0];
    int status;

    if (demand->call->verb == BLANKET_VERB_STORE_CONNECT ||
        demand->call->verb == BLANKET_VERB_STORE_DISCONNECT) {
        if (demand->call->payload_size != 0) {
            return -BLANKET_EINVAL;
        }
        return demand->call->verb == BLANKET_VERB_STORE_CONNECT
                   ? blanket_xenstore_connection_open(store, demand->view, port, &demand->value)
                   : blanket_xenstore_connection_close(store, demand->view, port);
    }
    if (demand->call->verb == BLANKET_VERB_STORE_RECEIVE) {
        if (demand->call->payload_size != 0) {
            return -BLANKET_EINVAL;
        }
        status = blanket_xenstore_connection_find(demand->view, port, &demand->connection);
        return status != 0 ? status
                           : blanket_xenstore_connection_receive(store, demand->connection,
                                                                 demand->call, &demand->value);
    }
    status = begin(demand);
    if (status != 0) {
        return status;
    }
    switch (demand->call->verb) {
    case BLANKET_VERB_STORE_READ:
        return serve_read(store, demand);
    case BLANKET_VERB_STORE_WRITE:
        return serve_write(store, demand);
    case BLANKET_VERB_STORE_WATCH:
        return serve_watch(store, demand);
    case BLANKET_VERB_STORE_TRANSACT:
        return serve_transact(store, demand);
    default:
        return serve_write_number(store, demand);
    }
}

int blanket_store_call(struct blanket_store *store, struct blanket_call *call)
{
    const uint8_t *types = shape(call->verb);
    struct demand demand;
    int status;

    call->done = 0;
    call->detail = 0;
    call->reply_size = 0;
    if (types == NULL) {
        return -BLANKET_ENOSYS;
    }
    memset(&demand, 0, sizeof(demand));
    demand.call = call;
    demand.view = blanket_xenstore_view_find(store, call->endpoint);
    if (demand.view == NULL || demand.view->state != STORE_VIEW_LIVE) {
        return -BLANKET_EPERM;
    }
    if (!shape_fits(types, call)) {
        return -BLANKET_EINVAL;
    }
    store->tick++;
    status = serve(store, &demand);
    if (status == -BLANKET_ENOSPC) {
        call->detail = demand.value;
    } else if (status != 0) {
        demand.value = 0;
    }
    if (store->ready_count != 0 || !blanket_xenstore_list_empty(&store->starved)) {
        blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    }
    call->results[0] = blanket_result(status, demand.value);
    call->done = 1;
    return 0;
}
