/* SPDX-License-Identifier: MIT */
/*
 * The model: the store's verbs. A guest has a directory of its own on the store, and sees its peer's, if that
 * one is a guest too; what it reads there is what was last written, whoever has restarted meanwhile. Two keys
 * hold numbers: of a grant and of a port, as the peer sees them.
 */
#include "model.h"

#include <xen/io/xs_wire.h>

#define CONNECTIONS 4u /* of an end: bed.c */
#define RING_REF MODEL_KEYS
#define EVENT_CHANNEL (MODEL_KEYS + 1)

static const char *const keys[MODEL_KEYS + 2] = {"k0", "k1",       "k2",
                                                 "k3", "ring-ref", "event-channel"};

/* Its own directory: the frontend's but for guest 1, which is the backend of guest 0's device. */
static uint32_t own_root(uint32_t guest)
{
    return guest == 1 ? BLANKET_ROOT_BACKEND : BLANKET_ROOT_FRONTEND;
}

static uint32_t connections(const struct model_end *end)
{
    uint32_t count = 0, i;

    for (i = 0; i < MODEL_SLOTS; i++) {
        count += end->slots[2][i].state != MODEL_FREE && end->slots[2][i].connection;
    }
    return count;
}

static uint64_t perform(struct model *model, const struct model_drawn *d, struct bed_call *call)
{
    uint64_t result = 0;
    uint32_t tries;
    int status = 0;

    call->endpoint = blanket_handle(d->endpoint, d->endpoint_generation);
    call->element_count = 1;
    call->results = &result;
    for (tries = 0; tries <= MODEL_LEVELS; tries++) {
        status = bed_call(&model->bed, d->guest, d->verb, call);
        if (status == 0) {
            status = bed_status(result);
        }
        if (status != -BLANKET_EAGAIN || d->status == -BLANKET_EAGAIN) {
            break;
        }
    }
    return blanket_result(status,
                          status == 0 || status == -BLANKET_ESTALE || status == -BLANKET_ENOSPC
                              ? blanket_result_value(result)
                              : 0);
}

/* A slot that is free, most often, with a new generation. */
static void prefer_free(struct model *model, struct model_drawn *d)
{
    uint32_t index, place, first = model_draw(model, MODEL_SLOTS);

    for (index = first; first != 0 && index < first + MODEL_SLOTS; index++) {
        struct model_slot *slot = model_slot(d->end, d->endpoint, d->kind, index % MODEL_SLOTS,
                                             &place);

        if (slot && slot->state == MODEL_FREE) {
            d->slot = slot;
            d->place = place;
            d->index = index % MODEL_SLOTS;
            d->generation = slot->generation + 1;
            return;
        }
    }
}

static void connect(struct model *model)
{
    uint64_t item;
    struct bed_call call = {.items = &item, .item_count = 1};
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_STORE_CONNECT, 2);
    prefer_free(model, &d);
    item = model_slot_item(&d);
    model_expect_create(&d);
    model_expect_denial(model, &d);
    if (d.status == 0 && connections(d.end) >= CONNECTIONS) {
        d.status = -BLANKET_ENOSPC;
        d.value = BLANKET_QUOTA_PORTS;
    }
    if (model_agree(model, &d, perform(model, &d, &call))) {
        d.slot->state = MODEL_LIVE;
        d.slot->generation = d.generation;
        d.slot->peer = MODEL_NONE;
        d.slot->pending = d.slot->masked = 0;
        d.slot->connection = 1;
    }
}

static void disconnect(struct model *model)
{
    uint64_t item;
    struct bed_call call = {.items = &item, .item_count = 1};
    struct model_drawn d;
    int there;

    model_draw_call(model, &d, BLANKET_VERB_STORE_DISCONNECT, 2);
    item = model_slot_item(&d);
    if (model_is_other(&d, 1)) {
        d.status = -BLANKET_ENOENT; /* EVTCHN_CLOSE ends it */
    }
    model_expect_destroy(&d, &there);
    if (there) {
        model_free_port(model, d.end, d.slot);
    }
    (void)model_agree(model, &d, perform(model, &d, &call));
}

/* A connection that there is, most often; whatever was drawn otherwise. */
static void prefer_connection(struct model *model, struct model_drawn *d)
{
    uint32_t index, place, first = model_draw(model, 8);

    for (index = first; first != 0 && index < first + MODEL_SLOTS; index++) {
        struct model_slot *slot = model_slot(d->end, d->endpoint, d->kind, index % MODEL_SLOTS,
                                             &place);

        if (slot && slot->state == MODEL_LIVE && slot->connection) {
            d->slot = slot;
            d->place = place;
            d->index = index % MODEL_SLOTS;
            d->generation = slot->generation;
            return;
        }
    }
}

/* The answer is the request's own, and has that body; `type` XS_ERROR: the string of an error. */
static void check_answer(struct model *model, const struct bed_call *call, uint32_t type,
                         uint32_t id, const char *body)
{
    struct xsd_sockmsg header = {0};
    char text[64] = "";

    if (call->reply_size < sizeof(header) || call->reply_size > sizeof(header) + 63) {
        model_expect(model, "the size of the answer", (int64_t)(sizeof(header) + strlen(body)),
                     call->reply_size);
        return;
    }
    memcpy(&header, call->reply, sizeof(header));
    memcpy(text, (const char *)call->reply + sizeof(header), call->reply_size - sizeof(header));
    model_expect(model, "the answer's type", type, header.type);
    model_expect(model, "the answer's id", id, header.req_id);
    model_expect(model, "the answer's size", (int64_t)(call->reply_size - sizeof(header)),
                 header.len);
    if (strcmp(text, body) != 0) {
        fprintf(stderr, "model: the store says \"%s\", expected \"%s\"\n", text, body);
        model_expect(model, "the answer", 0, 1);
    }
}

/* A request, in its own directory or (`root`) another. 1: it was done, and its answer is in `call`. */
static int ask(struct model *model, struct model_drawn *d, struct bed_call *call, uint32_t type,
               uint32_t root, uint64_t number)
{
    uint64_t items[5] = {
        model_slot_item(d),
        blanket_item(BLANKET_ITEM_REQUEST, 0, ((uint64_t)type << 32) | (model->steps & 0xffffu)),
        blanket_item(BLANKET_ITEM_ROOT, 0, root), blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
        number};
    static uint8_t reply[256];

    model_expect_live(d);
    if (d->status == 0 && !d->slot->connection) {
        d->status = -BLANKET_ENOENT;
    }
    model_expect_denial(model, d);
    d->value = 1; /* the answer comes along */
    call->items = items;
    call->item_count = number ? 5 : 4;
    call->reply = reply;
    call->reply_max = sizeof(reply);
    return model_agree(model, d, perform(model, d, call));
}

static void read_key(struct model *model)
{
    uint32_t key = model_draw(model, MODEL_KEYS + 2), mine = model_draw(model, 2), root, i;
    static const struct model_store none;
    const struct model_store *store = &none;
    struct bed_call call = {0};
    struct model_drawn d;
    const char *value;

    model_draw_call(model, &d, BLANKET_VERB_STORE_READ, 2);
    prefer_connection(model, &d);
    root = own_root(d.guest) ^ (mine ? 0 : BLANKET_ROOT_FRONTEND ^ BLANKET_ROOT_BACKEND);
    if (mine || d.end->peer < MODEL_GUESTS) {
        store = &model->stores[mine ? d.guest : d.end->peer];
    }
    for (i = model_draw(model, MODEL_KEYS + 2); i != 0 && !store->values[key][0]; i--) {
        key = (key + 1) % (MODEL_KEYS + 2);
    }
    value = store->values[key];
    call.payload = keys[key];
    call.payload_size = (uint32_t)strlen(keys[key]) + 1;
    if (ask(model, &d, &call, XS_READ, root, 0)) {
        check_answer(model, &call, value[0] ? XS_READ : XS_ERROR, model->steps & 0xffffu,
                     value[0] ? value : "ENOENT");
    }
}

static void write_key(struct model *model)
{
    uint32_t key = model_draw(model, MODEL_KEYS), remove = model_draw(model, 8) == 0;
    const char text[2] = {(char)('a' + model_draw(model, 26)), '\0'};
    char payload[32];
    uint32_t size = (uint32_t)snprintf(payload, sizeof(payload), "%s%c%s", keys[key], 0, text);
    struct bed_call call = {.payload = payload, .payload_size = remove ? size - 1 : size};
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_STORE_WRITE, 2);
    prefer_connection(model, &d);
    /* Removing what isn't there is done already, says the store. */
    if (ask(model, &d, &call, remove ? XS_RM : XS_WRITE, own_root(d.guest), 0)) {
        snprintf(model->stores[d.guest].values[key], sizeof(model->stores[0].values[0]), "%s",
                 remove ? "" : text);
        check_answer(model, &call, remove ? XS_RM : XS_WRITE, model->steps & 0xffffu, "OK");
    }
}

/* A grant's or a port's number, as the peer sees it, into the key that is for it. */
static void publish(struct model *model)
{
    uint32_t of_port = model_draw(model, 2), index = model_draw(model, 4), place;
    uint32_t key = of_port ? EVENT_CHANNEL : RING_REF, number = 0;
    struct bed_call call = {.payload = keys[key], .payload_size = (uint32_t)strlen(keys[key]) + 1};
    const struct model_slot *slot;
    uint32_t generation = 1;
    struct model_drawn d;

    model_draw_call(model, &d,
                    of_port ? BLANKET_VERB_STORE_WRITE_PORT : BLANKET_VERB_STORE_WRITE_GRANT, 2);
    prefer_connection(model, &d);
    if (of_port && !d.end->port_first) {
        return; /* what its ports are called isn't known yet */
    }
    slot = model_slot(d.end, d.endpoint, of_port ? 2 : 0, index, &place);
    if (slot) {
        generation = slot->generation - (model_draw(model, 8) == 0);
    }
    model_expect_live(&d);
    if (d.status == 0 && (!slot || slot->state != MODEL_LIVE || slot->generation != generation ||
                          slot->connection)) {
        d.status = -BLANKET_ENOENT;
    }
    if (slot) {
        number = of_port ? d.end->port_first + place
                         : model->bed.devices[d.guest].end.grant_base + place;
    }
    if (ask(model, &d, &call, XS_WRITE, own_root(d.guest),
            blanket_item_slot(of_port ? BLANKET_ITEM_PORT : BLANKET_ITEM_GRANT, index,
                              generation))) {
        snprintf(model->stores[d.guest].values[key], sizeof(model->stores[0].values[0]), "%u",
                 number);
        check_answer(model, &call, XS_WRITE, model->steps & 0xffffu, "OK");
    }
}

void model_store(struct model *model)
{
    uint32_t what = model_draw(model, 32);

    if (what < 12) {
        connect(model);
    } else if (what < 13) {
        disconnect(model);
    } else if (what < 20) {
        read_key(model);
    } else if (what < 26) {
        write_key(model);
    } else {
        publish(model);
    }
}
