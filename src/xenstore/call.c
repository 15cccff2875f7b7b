/* SPDX-License-Identifier: MIT */
/* The verbs: a call is checked for its shape and goes to who serves it. */
#include "demand.h"

#define ITEMS_MAX 5u

#define PORT BLANKET_ITEM_PORT
#define REQUEST BLANKET_ITEM_REQUEST
#define ROOT BLANKET_ITEM_ROOT
#define TRANSACTION BLANKET_ITEM_TRANSACTION

struct store_verb {
    uint16_t verb;
    bool has_payload;
    uint8_t types[ITEMS_MAX]; /* of its items; 0 ends them */
};

static const struct store_verb verbs[] = {
    {BLANKET_VERB_STORE_CONNECT, false, {PORT}},
    {BLANKET_VERB_STORE_DISCONNECT, false, {PORT}},
    {BLANKET_VERB_STORE_RECEIVE, false, {PORT}},
    {BLANKET_VERB_STORE_READ, true, {PORT, REQUEST, ROOT, TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE, true, {PORT, REQUEST, ROOT, TRANSACTION}},
    {BLANKET_VERB_STORE_WRITE_GRANT, true, {PORT, REQUEST, ROOT, TRANSACTION, BLANKET_ITEM_GRANT}},
    {BLANKET_VERB_STORE_WRITE_PORT, true, {PORT, REQUEST, ROOT, TRANSACTION, PORT}},
    {BLANKET_VERB_STORE_WATCH, true, {PORT, REQUEST, ROOT, BLANKET_ITEM_WATCH}},
    {BLANKET_VERB_STORE_TRANSACT, true, {PORT, REQUEST, TRANSACTION}},
};

static const struct store_verb *verb_find(uint16_t number)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].verb == number) {
            return &verbs[i];
        }
    }
    return NULL;
}

static bool items_fit(const uint8_t *types, const struct blanket_call *call)
{
    uint32_t i;

    for (i = 0; i < call->element_items && i < ITEMS_MAX; i++) {
        uint64_t item = call->items[i];

        if (types[i] == 0 || item != blanket_item(types[i], 0, blanket_item_value(item))) {
            return false;
        }
    }
    return i == call->element_items && (i == ITEMS_MAX || types[i] == 0);
}

int blanket_store_call_check(const struct blanket_call *call)
{
    const struct store_verb *verb = verb_find(call->verb);

    if (verb == NULL) {
        return -BLANKET_ENOSYS;
    }
    if (call->element_count != 1 || call->items == NULL || call->results == NULL ||
        (call->payload_size != 0 && (!verb->has_payload || call->payload == NULL)) ||
        call->payload_size > BLANKET_PAYLOAD_SIZE_MAX ||
        (call->reply_max != 0 && call->reply == NULL) || !items_fit(verb->types, call)) {
        return -BLANKET_EINVAL;
    }
    return 0;
}

static int serve(struct blanket_store *store, struct store_demand *demand)
{
    uint64_t port = demand->call->items[0];
    int status;

    if (demand->call->verb == BLANKET_VERB_STORE_CONNECT ||
        demand->call->verb == BLANKET_VERB_STORE_DISCONNECT) {
        return demand->call->verb == BLANKET_VERB_STORE_CONNECT
                   ? blanket_xenstore_connection_open(store, demand->view, port, &demand->value)
                   : blanket_xenstore_connection_close(store, demand->view, port);
    }
    if (demand->call->verb == BLANKET_VERB_STORE_RECEIVE) {
        status = blanket_xenstore_connection_find(demand->view, port, &demand->connection);
        return status != 0 ? status
                           : blanket_xenstore_connection_receive(store, demand->connection,
                                                                 demand->call, &demand->value);
    }
    status = blanket_xenstore_demand_begin(demand);
    if (status != 0) {
        return status;
    }
    switch (demand->call->verb) {
    case BLANKET_VERB_STORE_READ:
        return blanket_xenstore_serve_read(store, demand);
    case BLANKET_VERB_STORE_WRITE:
        return blanket_xenstore_serve_write(store, demand);
    case BLANKET_VERB_STORE_WATCH:
        return blanket_xenstore_serve_watch(store, demand);
    case BLANKET_VERB_STORE_TRANSACT:
        return blanket_xenstore_serve_transact(store, demand);
    default:
        return blanket_xenstore_serve_write_number(store, demand);
    }
}

int blanket_store_call(struct blanket_store *store, struct blanket_call *call)
{
    int shape = blanket_store_call_check(call);
    struct store_demand demand;
    int status;

    call->done = 0;
    call->detail = 0;
    call->reply_size = 0;
    if (shape == -BLANKET_ENOSYS) {
        return shape;
    }
    memset(&demand, 0, sizeof(demand));
    demand.call = call;
    demand.view = blanket_xenstore_view_find(store, call->endpoint);
    if (demand.view == NULL || demand.view->state != STORE_VIEW_LIVE) {
        return -BLANKET_EPERM;
    }
    if (shape != 0) {
        return shape;
    }
    store->tick++;
    status = serve(store, &demand);
    if (status != 0 && status != -BLANKET_ESTALE && status != -BLANKET_ENOSPC) {
        demand.value = 0;
    }
    if (store->ready_count != 0 || !blanket_xenstore_list_empty(&store->starved)) {
        blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    }
    blanket_call_answer(call, blanket_result(status, demand.value));
    return 0;
}
