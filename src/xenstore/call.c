/* SPDX-License-Identifier: MIT */
/* The verbs: a call is checked for its shape and goes to who serves it. */
#include "demand.h"

#define ITEMS_MAX 5u

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

static int serve(struct blanket_store *store, struct store_demand *demand)
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
    const uint8_t *types = shape(call->verb);
    struct store_demand demand;
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
    } else if (status != 0 && status != -BLANKET_ESTALE) {
        demand.value = 0;
    }
    if (store->ready_count != 0 || !blanket_xenstore_list_empty(&store->starved)) {
        blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    }
    call->results[0] = blanket_result(status, demand.value);
    call->done = 1;
    return 0;
}
