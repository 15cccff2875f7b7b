/* SPDX-License-Identifier: MIT */
/* The model: what happens to guests, levels and pages without a call. */
#include "model.h"

/* --- pages --- */

static void forget_page(struct model_end *end, uint32_t page)
{
    uint32_t kind, i;

    for (kind = 0; kind < 2; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            if (end->slots[kind][i].page == page) {
                end->slots[kind][i].page = MODEL_NONE;
            }
        }
    }
    end->pages[page].frame = 0;
    end->pages[page].overlay = MODEL_NONE;
}

static void page_come_or_go(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), page = model_draw(model, MODEL_PAGES);
    struct model_page *p = &model->ends[guest].pages[page];
    uint64_t frame = 0;
    int error;

    snprintf(model->step, sizeof(model->step), "guest %u, page %u comes or goes", guest, page);
    if (p->frame) {
        error = blanket_sim_page_free(model->bed.sim, bed_guest(&model->bed, guest), p->frame);
        forget_page(&model->ends[guest], page);
    } else {
        error = blanket_sim_page_alloc(model->bed.sim, bed_guest(&model->bed, guest), 1, &frame);
        if (error == -BLANKET_ENOSPC) {
            return; /* pages that peers have mapped are still missing */
        }
        p->frame = frame;
        p->overlay = MODEL_NONE;
        p->byte = 0;
        p->lost = 0;
    }
    model_expect(model, "the page", 0, error);
}

/* A guest writes a page of its own, or through a mapping. */
static void page_write(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), page = model_draw(model, MODEL_PAGES);
    uint8_t byte = (uint8_t)(1 + model_draw(model, 0x7f));
    struct model_end *end = &model->ends[guest];
    struct model_page *p = &end->pages[page];
    const struct model_slot *mapping;
    uint32_t theirs;
    void *now;

    snprintf(model->step, sizeof(model->step), "guest %u writes page %u", guest, page);
    if (!p->frame) {
        return;
    }
    if (p->overlay != MODEL_NONE) {
        mapping = &end->slots[1][p->overlay];
        theirs = model->ends[end->peer].slots[0][mapping->peer].page;
        if (!(mapping->access & BLANKET_ACCESS_WRITE) || theirs == MODEL_NONE) {
            return;
        }
        p = &model->ends[end->peer].pages[theirs];
        p->byte = byte;
        p = &end->pages[page];
    } else {
        p->byte = byte;
    }
    now = blanket_sim_page(model->bed.sim, bed_guest(&model->bed, guest), p->frame);
    model_expect(model, "that the page is there", 1, now != NULL);
    if (now) {
        memset(now, byte, BLANKET_SIM_PAGE_SIZE);
    }
}

/* --- local peers, of guests 2 and 3 --- */

/* A page that is granted twice has one address, and that is what unmap goes by. */
static int is_ambiguous(struct model *model, uint32_t guest, const struct model_slot *grant)
{
    const struct model_end *end = &model->ends[guest + 2];
    const void *address = NULL;
    uint32_t i;

    if (grant->state != MODEL_LIVE) {
        return 0;
    }
    if (grant->page != MODEL_NONE) {
        address = blanket_sim_page(model->bed.sim, bed_guest(&model->bed, guest),
                                   model->ends[guest].pages[grant->page].frame);
    }
    for (i = 0; address && i < MODEL_SLOTS; i++) {
        if (end->slots[1][i].state != MODEL_FREE && end->slots[1][i].address == address) {
            address = NULL;
        }
    }
    return address == NULL;
}

static void local_map(struct model *model)
{
    uint32_t guest = 2 + model_draw(model, 2), index = model_draw(model, 4), i;
    uint32_t access = model_draw(model, 2) ? BED_RW : BLANKET_ACCESS_READ;
    struct model_end *end = &model->ends[guest + 2];
    const struct model_slot *grant = &model->ends[guest].slots[0][index];
    int expected = 0, error;
    void *address = NULL;

    snprintf(model->step, sizeof(model->step), "the peer of guest %u maps its grant %u", guest,
             index);
    if (grant->state != MODEL_LIVE) {
        expected = -BLANKET_ENOENT;
    } else if (access & ~grant->access) {
        expected = -BLANKET_EPERM;
    }
    for (i = 0; i < MODEL_SLOTS && end->slots[1][i].state != MODEL_FREE; i++) {
    }
    if (i == MODEL_SLOTS || is_ambiguous(model, guest, grant)) {
        return;
    }
    error = blanket_root_map(model->bed.root, model->bed.devices[guest].peer.endpoint,
                             model->bed.devices[guest].end.grant_base + index, access, &address);
    model_expect(model, "the status", expected, error);
    if (!error) {
        end->slots[1][i].state = MODEL_LIVE;
        end->slots[1][i].peer = index;
        end->slots[1][i].access = access;
        end->slots[1][i].address = address;
    }
}

static void local_unmap(struct model *model)
{
    uint32_t guest = 2 + model_draw(model, 2), i = model_draw(model, 6);
    struct model_slot *mapping = &model->ends[guest + 2].slots[1][i];

    snprintf(model->step, sizeof(model->step), "the peer of guest %u unmaps %u", guest, i);
    if (mapping->state == MODEL_FREE) {
        return;
    }
    model_expect(model, "the status", 0,
                 blanket_root_unmap(model->bed.root, model->bed.devices[guest].peer.endpoint,
                                    mapping->address));
    mapping->state = MODEL_FREE;
}

static void local_port_new(struct model *model, uint32_t guest, uint32_t index)
{
    struct model_end *end = &model->ends[guest + 2], *peer = &model->ends[guest];
    struct model_slot *port = &end->slots[2][index];
    uint32_t theirs = model_draw(model, 4), bind = model_draw(model, 2);
    int expected = 0;
    uint64_t result;

    if (bind) {
        if (!peer->port_first || !model_is_unbound(&peer->slots[2][theirs])) {
            expected = -BLANKET_ENOENT;
        }
        result = bed_peer_op(
            &model->bed, guest, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2,
            bed_port(index, port->generation + 1),
            bed_peer_port((peer->port_first ? peer->port_first : 0x10000) + theirs));
    } else {
        result = bed_peer_op(&model->bed, guest, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1,
                             bed_port(index, port->generation + 1));
        end->port_first = blanket_result_value(result) - index;
    }
    model_expect(model, "the status", expected, bed_status(result));
    if (bed_status(result)) {
        return;
    }
    port->generation++;
    port->state = MODEL_LIVE;
    port->peer = bind ? theirs : MODEL_NONE;
    if (bind) {
        peer->slots[2][theirs].peer = index;
    }
}

static void local_port(struct model *model)
{
    uint32_t guest = 2 + model_draw(model, 2), index = model_draw(model, 4);
    struct model_end *end = &model->ends[guest + 2];
    struct model_slot *port = &end->slots[2][index];
    uint64_t item = bed_port(index, port->generation);
    int expected = 0, status;

    snprintf(model->step, sizeof(model->step), "the peer of guest %u, port %u", guest, index);
    if (port->state == MODEL_FREE) {
        local_port_new(model, guest, index);
        return;
    }
    if (model_draw(model, 3)) {
        expected = port->peer == MODEL_NONE ? -BLANKET_ENOTCONN : 0;
        status = bed_status(bed_peer_op(&model->bed, guest, BLANKET_VERB_EVTCHN_SEND, 1, item));
        if (!expected) {
            model_raise(&model->ends[guest], port->peer);
        }
    } else {
        status = bed_status(bed_peer_op(&model->bed, guest, BLANKET_VERB_EVTCHN_CLOSE, 1, item));
        model_free_port(model, end, port);
    }
    model_expect(model, "the status", expected, status);
}

/* --- events --- */

static void take(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), index = model_draw(model, 4);
    struct model_end *end = &model->ends[guest];
    int got = blanket_sim_event_take(model->bed.sim, bed_guest(&model->bed, guest),
                                     BLANKET_CHUNK_SLOTS + index);

    snprintf(model->step, sizeof(model->step), "guest %u looks at port %u", guest, index);
    model_expect(model, "whether it is told of an event", end->told[index], got);
    if (got == 1) {
        end->slots[2][index].pending = 0;
    }
    end->told[index] = 0;
}

/* --- policy, revocation, restarts --- */

static void change_policy(struct model *model)
{
    static const uint16_t verbs[] = {
        0,
        0,
        0,
        BLANKET_VERB_GRANT_ACCESS,
        BLANKET_VERB_GRANT_MAP,
        BLANKET_VERB_GRANT_COPY,
        BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
        BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN,
        BLANKET_VERB_EVTCHN_SEND,
        BLANKET_VERB_EVTCHN_STATUS,
        BLANKET_VERB_GRANT_QUERY,
        BLANKET_VERB_STORE_CONNECT,
        BLANKET_VERB_STORE_READ,
        BLANKET_VERB_STORE_WRITE,
    };
    uint32_t level = model_draw(model, MODEL_LEVELS);
    uint32_t verb = model_draw(model, sizeof(verbs) / sizeof(verbs[0]));

    snprintf(model->step, sizeof(model->step), "level %u changes its policy", level);
    model_deny(model, level, model->denied_verb ? 0 : verbs[verb]);
}

/* Everything of the guest's life ends; what its peer has mapped goes on. */
static void life_ends(struct model *model, uint32_t guest)
{
    struct model_end *end = &model->ends[guest];
    uint32_t i, kind;

    for (i = 0; i < MODEL_PAGES; i++) {
        forget_page(end, i);
    }
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            if (end->slots[kind][i].state == MODEL_LIVE) {
                end->slots[kind][i].state = MODEL_CLOSING;
            }
        }
    }
    for (i = 1; i < MODEL_HANDLES; i++) {
        memset(&end->endpoints[i], 0, sizeof(end->endpoints[i]));
    }
    end->gone = 1;
}

static void restart_guest(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS);
    int error = blanket_sim_stop(model->bed.sim, bed_guest(&model->bed, guest));

    snprintf(model->step, sizeof(model->step), "guest %u restarts", guest);
    if (!error) {
        error = blanket_sim_start(model->bed.sim, bed_guest(&model->bed, guest));
    }
    model_expect(model, "the restart", 0, error);
    life_ends(model, guest);
    memset(model->ends[guest].told, 0, sizeof(model->ends[guest].told));
}

static void crash_level(struct model *model)
{
    uint32_t level = 1 + model_draw(model, MODEL_LEVELS - 1), guest;
    int error = blanket_sim_stop(model->bed.sim, level);

    snprintf(model->step, sizeof(model->step), "level %u crashes", level);
    if (!error) {
        error = blanket_sim_start(model->bed.sim, level);
    }
    model_expect(model, "the restart", 0, error);
    for (guest = 0; guest < MODEL_GUESTS; guest++) {
        life_ends(model, guest);
    }
    (void)blanket_sim_settle(model->bed.sim);
    model_sweep(model);
    for (guest = 0; guest < MODEL_GUESTS; guest++) {
        memset(model->ends[guest].told, 0, sizeof(model->ends[guest].told));
    }
    model->crashed = 1;
}

static int has_remains(const struct model *model, uint32_t guest)
{
    uint32_t kind, i;

    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            if (model->ends[guest].slots[kind][i].state != MODEL_FREE) {
                return 1;
            }
        }
    }
    return 0;
}

/* A guest that has no device, if there is one. */
static uint32_t who_is_without(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), i;

    for (i = 0; i < MODEL_GUESTS; i++) {
        uint32_t other = (guest + i) % MODEL_GUESTS;

        if (model->ends[other].gone || model->ends[other].endpoints[1].state == MODEL_NOTHING) {
            return other;
        }
    }
    return guest;
}

static void mint_again(struct model *model)
{
    uint32_t guest = who_is_without(model), i;
    struct model_end *end = &model->ends[guest];
    uint64_t old = model->bed.handles[guest];
    int expected = 0, error;

    snprintf(model->step, sizeof(model->step), "guest %u's device is minted again", guest);
    for (i = 0; i < MODEL_GUESTS; i++) {
        if ((i == guest ? end->gone : model->crashed) && has_remains(model, i)) {
            expected = -BLANKET_EBUSY;
        }
    }
    if (!end->gone && end->endpoints[1].state != MODEL_NOTHING) {
        expected = -BLANKET_EEXIST;
    }
    error = bed_mint(&model->bed, guest, BLANKET_RIGHTS_ALL, NULL);
    model_expect(model, "the status", expected, error);
    if (error) {
        model->bed.handles[guest] = old;
        return;
    }
    if (end->gone) {
        model_fresh(end);
    }
    model_expect(model, "the slot", 1, (int64_t)(uint32_t)model->bed.handles[guest]);
    model_minted(end, (uint32_t)(model->bed.handles[guest] >> 32));
    end->gone = 0;
    model->crashed = 0;
}

static void revoke_device(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), id = 0;
    struct model_end *end = &model->ends[guest];
    int expected = end->gone || end->endpoints[1].state == MODEL_NOTHING ? -BLANKET_ENOENT : 0;

    snprintf(model->step, sizeof(model->step), "guest %u's device is revoked", guest);
    (void)blanket_sim_guest_id(model->bed.sim, bed_guest(&model->bed, guest), &id);
    model_expect(model, "the status", expected,
                 blanket_endpoint_revoke(blanket_sim_level(model->bed.sim, MODEL_LEVELS - 1), id,
                                         model->bed.handles[guest]));
    if (!expected) {
        end->endpoints[1].state = MODEL_DEAD;
    }
}

/* --- a frame that is nothing but noise --- */

static void noise(struct model *model)
{
    uint32_t guest = model_draw(model, MODEL_GUESTS), size = model_draw(model, 160), i;
    uint8_t frame[BLANKET_FRAME_SIZE_MAX] = {0};
    struct blanket_wire_header header = {.magic = BLANKET_WIRE_MAGIC,
                                         .version = BLANKET_WIRE_VERSION};
    uint64_t hash = blanket_sim_hash(model->bed.sim);
    int status;

    snprintf(model->step, sizeof(model->step), "guest %u calls with noise", guest);
    memcpy(frame, &header, sizeof(header));
    for (i = 8 * model_draw(model, 2); i < size; i++) {
        frame[i] = (uint8_t)model_draw(model, 256);
    }
    frame[22] = 0xff; /* of an endpoint that nobody has: whatever it says must be refused */
    status = blanket_sim_call(model->bed.sim, bed_guest(&model->bed, guest), 0, frame,
                              size > 64 ? size : 64);
    if (status == 0) {
        /* A destroy on what is gone, or of no elements, is done. */
        memcpy(&header, frame, sizeof(header));
        model_expect(model, "the effect of a verb that succeeds", BLANKET_EFFECT_DESTROY,
                     (header.verb >> 10) & 3u);
    }
    model_expect(model, "whether anything changed", 0, hash != blanket_sim_hash(model->bed.sim));
}

/* How likely each is, of 256 steps; the rest are calls. */
static const struct {
    void (*happen)(struct model *model);
    uint32_t weight;
} happenings[] = {
    {page_come_or_go, 6}, {page_write, 10},   {local_map, 14},    {local_unmap, 8},
    {local_port, 14},     {take, 16},         {change_policy, 3}, {mint_again, 14},
    {restart_guest, 1},   {revoke_device, 1}, {noise, 3},         {crash_level, 1},
};

int model_world(struct model *model, uint32_t op)
{
    uint32_t i;

    for (i = 0; i < sizeof(happenings) / sizeof(happenings[0]); i++) {
        if (op < happenings[i].weight) {
            happenings[i].happen(model);
            return 1;
        }
        op -= happenings[i].weight;
    }
    return 0;
}
