/* SPDX-License-Identifier: MIT */
/* The model: what guests ask for, and what they must be told. */
#include "model.h"

/* Mostly something that is there, from a place that is drawn on; sometimes whatever was drawn. */
static uint32_t prefer(struct model *model, const struct model_slot *slots, uint32_t index)
{
    uint32_t i;

    if (model_draw(model, 4) == 0) {
        return index;
    }
    for (i = 0; i < MODEL_SLOTS; i++) {
        if (slots[(index + i) % MODEL_SLOTS].state == MODEL_LIVE) {
            return (index + i) % MODEL_SLOTS;
        }
    }
    return index;
}

static uint32_t draw_page(struct model *model, uint32_t guest)
{
    uint32_t page = model_draw(model, MODEL_PAGES), i;

    for (i = 0; i < MODEL_PAGES && model_draw(model, 8); i++) {
        if (model->ends[guest].pages[(page + i) % MODEL_PAGES].frame) {
            return (page + i) % MODEL_PAGES;
        }
    }
    return page;
}

void model_draw_call(struct model *model, struct model_drawn *d, uint16_t verb, uint32_t kind)
{
    static const int32_t near[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0, -1};
    uint32_t which = model_draw(model, 16);
    int64_t generation;

    memset(d, 0, sizeof(*d));
    d->verb = verb;
    d->kind = kind;
    /* Only guests 0 and 1 have a peer that grants. */
    d->guest = model_draw(model, kind == 1 && model_draw(model, 4) ? 2 : MODEL_GUESTS);
    d->end = &model->ends[d->guest];
    d->endpoint = which < 10 ? 1 : which % (MODEL_HANDLES - 1) + 1;
    if (which < 15 && d->end->endpoints[d->endpoint].state == MODEL_NOTHING) {
        d->endpoint = 1;
    }
    d->endpoint_generation = d->end->endpoints[d->endpoint].generation;
    if (which == 15) {
        d->endpoint_generation += model_draw(model, 3) - 1u;
    }
    d->index = model_draw(model, 8) ? model_draw(model, 4) : model_draw(model, MODEL_SLOTS + 2);
    if (((verb >> 10) & 3u) != BLANKET_EFFECT_CREATE && d->endpoint == 1) {
        d->index = prefer(model, d->end->slots[kind], d->index);
    }
    d->slot = model_slot(d->end, d->endpoint, kind, d->index, &d->place);
    /* Creates want a newer generation than the last, the others that one. */
    generation = d->slot ? d->slot->generation : 1;
    generation += near[model_draw(model, 16)];
    if (((verb >> 10) & 3u) != BLANKET_EFFECT_CREATE) {
        generation--;
    }
    d->generation = generation < 0 ? 0 : (uint32_t)generation;
    d->status = model_call_status(model, d->guest, d->endpoint, d->endpoint_generation, verb);
    snprintf(model->step, sizeof(model->step), "guest %u, endpoint %u.%u, %s, slot %u.%u", d->guest,
             d->endpoint, d->endpoint_generation, blanket_verb_name(verb), d->index, d->generation);
}

uint64_t model_slot_item(const struct model_drawn *d)
{
    static const unsigned types[MODEL_KINDS] = {BLANKET_ITEM_GRANT, BLANKET_ITEM_MAPPING,
                                                BLANKET_ITEM_PORT};

    return blanket_item_slot(types[d->kind], d->index, d->generation);
}

/* Perform it. What is told to try again does, unless that is what is expected: levels catch up. */
static uint64_t perform(struct model *model, const struct model_drawn *d, uint32_t count,
                        const uint64_t *items)
{
    uint64_t handle = blanket_handle(d->endpoint, d->endpoint_generation);
    uint64_t result = 0;
    uint32_t tries;

    for (tries = 0; tries <= MODEL_LEVELS; tries++) {
        result = bed_op_on(&model->bed, d->guest, handle, d->verb, count, items[0], items[1],
                           items[2], items[3], items[4]);
        if (bed_status(result) != -BLANKET_EAGAIN || d->status == -BLANKET_EAGAIN) {
            break;
        }
    }
    return result;
}

/* Returns 1 if both say that it was done. */
int model_agree(struct model *model, const struct model_drawn *d, uint64_t result)
{
    model_expect(model, "the status", d->status, bed_status(result));
    if (d->status == bed_status(result) &&
        (d->status == 0 || d->status == -BLANKET_ENOSPC || d->status == -BLANKET_ESTALE)) {
        model_expect(model, "the value", d->value, blanket_result_value(result));
    }
    return d->status == 0 && bed_status(result) == 0;
}

/* Expected of a create, before its pages and what it is about are looked at. */
void model_expect_create(struct model_drawn *d)
{
    if (d->status == 0) {
        d->status = model_create_status(d->end, d->endpoint, d->kind, d->index, d->generation,
                                        &d->value);
    }
}

/* A level below the guest's own says no. */
void model_expect_denial(struct model *model, struct model_drawn *d)
{
    if (d->status == 0 && model->denied_verb == d->verb && model->denied_level < MODEL_LEVELS - 1) {
        d->status = -BLANKET_EPERM;
    }
}

static void expect_page(struct model_drawn *d, uint32_t page, int overlay)
{
    if (d->status) {
        return;
    }
    if (!d->end->pages[page].frame) {
        d->status = -BLANKET_EPERM;
    } else if (d->end->pages[page].overlay != MODEL_NONE ||
               (overlay && model_is_pinned(d->end, page))) {
        d->status = -BLANKET_EBUSY;
    }
}

static uint64_t frame_of(const struct model_drawn *d, uint32_t page)
{
    return d->end->pages[page].frame ? d->end->pages[page].frame : 1;
}

/* --- grants --- */

static void grant_access(struct model *model)
{
    uint32_t page, access = 3 - model_draw(model, 8) % 3;
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_ACCESS, 0);
    page = draw_page(model, d.guest);
    model_expect_create(&d);
    expect_page(&d, page, 0);
    model_expect_denial(model, &d);
    if (d.status == 0) {
        d.value = model->bed.devices[d.guest].end.grant_base + d.place;
    }
    items[0] = model_slot_item(&d);
    items[1] = bed_frame(frame_of(&d, page), access);
    result = perform(model, &d, 2, items);
    if (model_agree(model, &d, result)) {
        d.slot->state = MODEL_LIVE;
        d.slot->generation = d.generation;
        d.slot->page = page;
        d.slot->access = access;
    }
}

/* The port is there, and of the other kind: a connection where a channel is asked for, or a channel. */
int model_is_other(const struct model_drawn *d, int connection)
{
    return d->status == 0 && d->slot && d->slot->state != MODEL_FREE &&
           d->slot->connection != connection;
}

/* What a destroy of its slot answers; 0 with *there set: this very object is to go. */
void model_expect_destroy(struct model_drawn *d, int *there)
{
    *there = 0;
    if (d->status) {
        d->status = d->status == 1 ? 0 : d->status;
        return;
    }
    if (!d->slot) {
        d->status = -BLANKET_ENOENT;
    } else if (d->slot->state == MODEL_FREE) {
        d->slot->generation = d->generation > d->slot->generation ? d->generation
                                                                  : d->slot->generation;
    } else if (d->generation > d->slot->generation) {
        d->status = -BLANKET_EBUSY;
    } else if (d->generation == d->slot->generation) {
        *there = 1;
    }
}

static void end_access(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;
    int there;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_END_ACCESS, 0);
    items[0] = model_slot_item(&d);
    model_expect_destroy(&d, &there);
    if (there) {
        d.status = model_readers(model, d.guest, d.place, BED_RW) ? -BLANKET_EBUSY : 0;
        d.slot->state = d.status ? MODEL_CLOSING : MODEL_FREE;
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

/* The slot is live, of that generation; else -BLANKET_ENOENT. */
void model_expect_live(struct model_drawn *d)
{
    if (d->status == 0 &&
        (!d->slot || d->slot->state != MODEL_LIVE || d->slot->generation != d->generation)) {
        d->status = -BLANKET_ENOENT;
    }
}

/* ...and a channel, if it is a port: not a connection to the store. */
static void expect_channel(struct model_drawn *d)
{
    model_expect_live(d);
    if (d->status == 0 && d->slot->connection) {
        d->status = -BLANKET_ENOENT;
    }
}

static void grant_query(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_QUERY, 0);
    items[0] = model_slot_item(&d);
    if (d.status == 0 && d.slot && d.slot->state == MODEL_CLOSING &&
        d.slot->generation == d.generation) {
        d.value = BLANKET_GRANT_STATE_CLOSING;
    } else {
        model_expect_live(&d);
        model_expect_denial(model, &d);
        if (d.status == 0) {
            d.value |= model_readers(model, d.guest, d.place, BLANKET_ACCESS_READ)
                           ? BLANKET_GRANT_STATE_READING
                           : 0;
            d.value |= model_readers(model, d.guest, d.place, BLANKET_ACCESS_WRITE)
                           ? BLANKET_GRANT_STATE_WRITING
                           : 0;
        }
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

/* The peer's grant that a reference names; NULL and -BLANKET_ENOENT or _EPERM. */
static struct model_slot *expect_reference(struct model *model, struct model_drawn *d,
                                           uint32_t index, uint32_t access)
{
    struct model_slot *grant = index < MODEL_SLOTS ? &model->ends[d->end->peer].slots[0][index]
                                                   : NULL;

    if (d->status) {
        return NULL;
    }
    if (!grant || grant->state != MODEL_LIVE) {
        d->status = -BLANKET_ENOENT;
    } else if (access & ~grant->access) {
        d->status = -BLANKET_EPERM;
    }
    return d->status ? NULL : grant;
}

static void map(struct model *model)
{
    uint32_t page, access = model_draw(model, 8) ? 1 + 2 * model_draw(model, 2) : 2;
    uint32_t index = model_draw(model, 4);
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_MAP, 1);
    page = draw_page(model, d.guest);
    index = prefer(model, model->ends[d.end->peer].slots[0], index);
    model_expect_create(&d);
    expect_page(&d, page, 1);
    model_expect_denial(model, &d);
    if (d.status == 0 && access == BLANKET_ACCESS_WRITE) {
        d.status = -BLANKET_EINVAL;
    }
    (void)expect_reference(model, &d, index, access);
    items[0] = model_slot_item(&d);
    items[1] = bed_peer_ref(model->bed.devices[d.guest].peer.grant_base + index, access);
    items[2] = bed_frame(frame_of(&d, page), 0);
    result = perform(model, &d, 3, items);
    if (model_agree(model, &d, result)) {
        d.slot->state = MODEL_LIVE;
        d.slot->generation = d.generation;
        d.slot->page = page;
        d.slot->access = access;
        d.slot->peer = index;
        d.end->pages[page].overlay = d.place;
    }
}

static void unmap(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;
    int there;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_UNMAP, 1);
    items[0] = model_slot_item(&d);
    model_expect_destroy(&d, &there);
    if (there) {
        model_free_mapping(d.end, d.slot);
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

static void copy(struct model *model)
{
    uint32_t page, to_peer = model_draw(model, 2);
    uint32_t index = model_draw(model, 4);
    uint32_t theirs = to_peer ? BLANKET_ACCESS_WRITE : BLANKET_ACCESS_READ;
    uint64_t items[5] = {0}, result;
    struct model_slot *grant;
    struct model_page *other;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_GRANT_COPY, 1);
    page = draw_page(model, d.guest);
    index = prefer(model, model->ends[d.end->peer].slots[0], index);
    model_expect_create(&d);
    expect_page(&d, page, 0);
    model_expect_denial(model, &d);
    grant = expect_reference(model, &d, index, theirs);
    items[0] = model_slot_item(&d);
    items[1] = bed_peer_ref(model->bed.devices[d.guest].peer.grant_base + index, theirs);
    items[2] = bed_frame(frame_of(&d, page), theirs ^ BED_RW);
    items[3] = blanket_item(BLANKET_ITEM_SPAN, 0, 4096ull << 24);
    result = perform(model, &d, 4, items);
    if (!model_agree(model, &d, result)) {
        return;
    }
    d.slot->generation = d.generation;
    other = grant->page == MODEL_NONE ? NULL : &model->ends[d.end->peer].pages[grant->page];
    if (to_peer && other) {
        other->byte = d.end->pages[page].byte;
    } else if (!to_peer) {
        d.end->pages[page].lost = other == NULL;
        d.end->pages[page].byte = other ? other->byte : 1;
    }
}

/* --- ports --- */

static void new_port(struct model_drawn *d, uint32_t peer)
{
    d->slot->state = MODEL_LIVE;
    d->slot->generation = d->generation;
    d->slot->peer = peer;
    d->slot->pending = d->slot->masked = d->slot->connection = 0;
}

static void alloc_unbound(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 2);
    model_expect_create(&d);
    model_expect_denial(model, &d);
    items[0] = model_slot_item(&d);
    result = perform(model, &d, 1, items);
    if (d.status == 0) {
        d.value = d.end->port_first ? d.end->port_first + d.place : blanket_result_value(result);
    }
    if (model_agree(model, &d, result)) {
        d.end->port_first = d.value - d.place;
        new_port(&d, MODEL_NONE);
    }
}

static void bind_interdomain(struct model *model)
{
    uint32_t index = model_draw(model, 4);
    uint64_t items[5] = {0}, result;
    struct model_end *peer;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2);
    model_expect_create(&d);
    model_expect_denial(model, &d);
    peer = &model->ends[d.end->peer];
    index = prefer(model, peer->slots[2], index);
    if (d.status == 0 && (!peer->port_first || !model_is_unbound(&peer->slots[2][index]))) {
        d.status = -BLANKET_ENOENT;
    }
    items[0] = model_slot_item(&d);
    items[1] = bed_peer_port((peer->port_first ? peer->port_first : 0x10000) + index);
    result = perform(model, &d, 2, items);
    if (model_agree(model, &d, result)) {
        new_port(&d, index);
        peer->slots[2][index].peer = d.place;
        model_raise(d.end, d.place);
    }
}

static void close_port(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;
    int there;

    model_draw_call(model, &d, BLANKET_VERB_EVTCHN_CLOSE, 2);
    items[0] = model_slot_item(&d);
    if (model_is_other(&d, 0)) {
        d.status = -BLANKET_ENOENT; /* STORE_DISCONNECT ends it */
    }
    model_expect_destroy(&d, &there);
    if (there) {
        model_free_port(model, d.end, d.slot);
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

static void send(struct model *model)
{
    uint32_t by_frame = model_draw(model, 2);
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_EVTCHN_SEND, 2);
    items[0] = model_slot_item(&d);
    expect_channel(&d);
    model_expect_denial(model, &d);
    if (d.status == 0 && d.slot->peer == MODEL_NONE) {
        d.status = -BLANKET_ENOTCONN;
    }
    if (by_frame) {
        result = perform(model, &d, 1, items);
    } else {
        result = blanket_result(blanket_sim_send(model->bed.sim, bed_guest(&model->bed, d.guest), 0,
                                                 blanket_handle(d.endpoint, d.endpoint_generation),
                                                 items[0]),
                                0);
        /* It looks the port up first: of two reasons to refuse, the caller gets the other one. */
        if (!d.slot && d.status == -BLANKET_EPERM && bed_status(result) == -BLANKET_ENOENT) {
            d.status = -BLANKET_ENOENT;
        }
    }
    if (model_agree(model, &d, result)) {
        model_raise(&model->ends[d.end->peer], d.slot->peer);
    }
}

static void mask_or_unmask(struct model *model)
{
    uint16_t verb = model_draw(model, 2) ? BLANKET_VERB_EVTCHN_MASK : BLANKET_VERB_EVTCHN_UNMASK;
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, verb, 2);
    items[0] = model_slot_item(&d);
    model_expect_live(&d);
    result = perform(model, &d, 1, items);
    if (!model_agree(model, &d, result)) {
        return;
    }
    if (verb == BLANKET_VERB_EVTCHN_UNMASK && d.slot->masked && d.slot->pending) {
        d.end->told[d.place] = 1;
    }
    d.slot->masked = verb == BLANKET_VERB_EVTCHN_MASK;
}

static void port_status(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_EVTCHN_STATUS, 2);
    items[0] = model_slot_item(&d);
    expect_channel(&d);
    model_expect_denial(model, &d);
    if (d.status == 0) {
        d.value = d.slot->peer == MODEL_NONE ? BLANKET_PORT_STATE_UNBOUND
                                             : BLANKET_PORT_STATE_INTERDOMAIN;
        d.value |= d.slot->pending ? BLANKET_PORT_STATE_PENDING : 0;
        d.value |= d.slot->masked ? BLANKET_PORT_STATE_MASKED : 0;
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

/* --- endpoints --- */

/* Chunks that the parent can give, from the end; 0 and the base. */
static int carve(const struct model_end *end, uint32_t parent, uint32_t kind, uint32_t count,
                 uint32_t *base)
{
    const struct model_endpoint *e = &end->endpoints[parent];
    uint32_t need = (count + BLANKET_CHUNK_SLOTS - 1) / BLANKET_CHUNK_SLOTS, run = 0, chunk, i;

    *base = 0;
    if (need == 0) {
        return 0;
    }
    for (chunk = (e->base[kind] + e->count[kind]) / BLANKET_CHUNK_SLOTS;
         chunk-- > e->base[kind] / BLANKET_CHUNK_SLOTS;) {
        int is_free = end->owner[kind][chunk] == parent;

        for (i = 0; i < BLANKET_CHUNK_SLOTS; i++) {
            is_free &= end->slots[kind][chunk * BLANKET_CHUNK_SLOTS + i].state == MODEL_FREE;
        }
        run = is_free ? run + 1 : 0;
        if (run == need) {
            *base = chunk * BLANKET_CHUNK_SLOTS;
            return 0;
        }
    }
    return -1;
}

static void expect_derive(struct model_drawn *d, uint32_t target, struct model_endpoint *child)
{
    static const uint32_t quotas[MODEL_KINDS] = {BLANKET_QUOTA_GRANTS, BLANKET_QUOTA_MAPPINGS,
                                                 BLANKET_QUOTA_PORTS};
    const struct model_endpoint *now;
    uint32_t kind;

    if (d->status) {
        return;
    }
    if (target >= MODEL_HANDLES) {
        d->status = -BLANKET_ENOSPC;
        d->value = BLANKET_QUOTA_ENDPOINTS;
        return;
    }
    now = &d->end->endpoints[target];
    if (now->state != MODEL_NOTHING) {
        d->status = now->state == MODEL_DEAD ? -BLANKET_EBUSY : -BLANKET_EEXIST;
        return;
    }
    if (child->generation <= now->generation) {
        d->status = -BLANKET_ESTALE;
        d->value = now->generation;
        return;
    }
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        if (carve(d->end, d->endpoint, kind, child->count[kind], &child->base[kind])) {
            d->status = -BLANKET_ENOSPC;
            d->value = quotas[kind];
            return;
        }
    }
}

static void derive(struct model *model)
{
    static const uint32_t counts[8] = {0, 0, 0, 0, 8, 8, 5, 16};
    uint32_t target = model_draw(model, MODEL_HANDLES + 1), kind, chunk;
    struct model_endpoint child;
    uint64_t items[5], result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_ENDPOINT_DERIVE, 0);
    memset(&child, 0, sizeof(child));
    child.state = MODEL_WORKS;
    child.parent = d.endpoint;
    child.generation = target < MODEL_HANDLES ? d.end->endpoints[target].generation : 0;
    child.generation += model_draw(model, 4) != 0;
    child.rights = model_draw(model, 2) ? BLANKET_RIGHTS_ALL : model_draw(model, 256) << 4 | 0xf;
    child.rights &= BLANKET_RIGHTS_ALL;
    items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, target < MODEL_HANDLES ? target : 24,
                                 child.generation);
    items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, child.rights);
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        child.count[kind] = counts[model_draw(model, 8)];
        items[2 + kind] = blanket_item(BLANKET_ITEM_COUNT, 0, child.count[kind]);
    }
    expect_derive(&d, target, &child);
    result = perform(model, &d, 5, items);
    if (!model_agree(model, &d, result)) {
        return;
    }
    child.rights &= d.end->endpoints[d.endpoint].rights;
    d.end->endpoints[target] = child;
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (chunk = 0; chunk * BLANKET_CHUNK_SLOTS < child.count[kind]; chunk++) {
            d.end->owner[kind][child.base[kind] / BLANKET_CHUNK_SLOTS + chunk] = target;
        }
    }
}

static int descends(const struct model_end *end, uint32_t endpoint, uint32_t from)
{
    while (endpoint != 0) {
        endpoint = end->endpoints[endpoint].parent;
        if (endpoint == from) {
            return 1;
        }
    }
    return 0;
}

static void revoke(struct model *model)
{
    uint32_t target = model_draw(model, MODEL_HANDLES), generation;
    struct model_endpoint *e;
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_ENDPOINT_REVOKE, 0);
    e = &d.end->endpoints[target];
    generation = e->generation + (model_draw(model, 4) == 0) - (model_draw(model, 8) == 0);
    items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, target, generation);
    generation = blanket_item_generation(items[0]);
    snprintf(model->step, sizeof(model->step), "guest %u, endpoint %u.%u revokes %u.%u (%u.%u)",
             d.guest, d.endpoint, d.endpoint_generation, target, generation, e->state,
             e->generation);
    if (d.status) {
        d.status = d.status == 1 ? 0 : d.status;
    } else if (generation < e->generation) {
        d.status = 0; /* it went long ago */
    } else if (e->state == MODEL_NOTHING) {
        e->generation = generation;
    } else if (!descends(d.end, target, d.endpoint)) {
        d.status = -BLANKET_EPERM;
    } else if (generation > e->generation) {
        d.status = -BLANKET_EBUSY;
    } else if (generation == e->generation) {
        e->state = MODEL_DEAD;
    }
    result = perform(model, &d, 1, items);
    (void)model_agree(model, &d, result);
}

static void reset(struct model *model)
{
    uint64_t items[5] = {0}, result;
    struct model_drawn d;

    model_draw_call(model, &d, BLANKET_VERB_ENDPOINT_RESET, 0);
    if (model_draw(model, 4) == 0) {
        d.endpoint = 0;
        d.endpoint_generation = 1;
        d.status = 0;
    }
    result = perform(model, &d, 0, items);
    if (!model_agree(model, &d, result)) {
        return;
    }
    if (d.endpoint == 0) {
        d.endpoint = 1; /* the guest's own devices are reset */
    }
    if (d.end->endpoints[d.endpoint].state == MODEL_WORKS) {
        d.end->endpoints[d.endpoint].state = MODEL_RESETS;
    }
}

/* --- one step --- */

void model_step(struct model *model)
{
    static const struct {
        void (*call)(struct model *model);
        uint32_t weight;
    } calls[] = {
        {grant_access, 26}, {end_access, 14}, {grant_query, 8},     {map, 22},
        {unmap, 14},        {copy, 14},       {alloc_unbound, 18},  {bind_interdomain, 16},
        {close_port, 8},    {send, 20},       {mask_or_unmask, 10}, {port_status, 8},
        {derive, 8},        {revoke, 3},      {reset, 1},           {model_store, 60},
    };
    uint32_t op = model_draw(model, 256), i;

    if (model_world(model, op)) {
        return;
    }
    op = model_draw(model, 190 + 60);
    for (i = 0; op >= calls[i].weight; i++) {
        op -= calls[i].weight;
    }
    calls[i].call(model);
}
