/* SPDX-License-Identifier: MIT */
#include "model.h"

/* --- the source --- */

static uint32_t draw_byte(struct model *model)
{
    struct model_source *source = model->source;

    if (source->at < source->size) {
        return source->data[source->at++];
    }
    source->at++;
    if (source->random) {
        source->random ^= source->random << 13;
        source->random ^= source->random >> 7;
        source->random ^= source->random << 17;
    }
    return (uint32_t)(source->random >> 32) & 0xffu;
}

uint32_t model_draw(struct model *model, uint32_t below)
{
    return draw_byte(model) % below;
}

static int is_over(const struct model *model, uint32_t steps)
{
    const struct model_source *source = model->source;

    return model->wrong || model->steps >= steps || (!source->random && source->at >= source->size);
}

void model_expect(struct model *model, const char *what, int64_t expected, int64_t got)
{
    if (expected == got) {
        return;
    }
    if (model->wrong++ == 0) {
        fprintf(stderr, "model: step %u, %s: %s is %lld, expected %lld\n", model->steps,
                model->step, what, (long long)got, (long long)expected);
    }
}

/* --- what a call finds --- */

static enum model_endpoint_state effective(const struct model_end *end, uint32_t endpoint)
{
    enum model_endpoint_state worst = MODEL_WORKS;

    while (endpoint != 0) {
        enum model_endpoint_state state = end->endpoints[endpoint].state;

        if (state == MODEL_DEAD || state == MODEL_NOTHING) {
            return MODEL_DEAD;
        }
        if (state == MODEL_RESETS) {
            worst = state;
        }
        endpoint = end->endpoints[endpoint].parent;
    }
    return worst;
}

/* 0: go on to the slots. 1: a destroy on what is gone, all done. Else the call's status. */
int model_call_status(struct model *model, uint32_t guest, uint32_t endpoint, uint32_t generation,
                      uint16_t verb)
{
    const struct model_end *end = &model->ends[guest];
    const struct model_endpoint *e = &end->endpoints[endpoint];
    int destroys = ((verb >> 10) & 3u) == BLANKET_EFFECT_DESTROY;

    if (e->state == MODEL_NOTHING || e->generation != generation) {
        return destroys && generation != 0 && generation <= e->generation ? 1 : -BLANKET_EPERM;
    }
    if (!destroys && effective(end, endpoint) == MODEL_DEAD) {
        return -BLANKET_EPERM;
    }
    if (!destroys && effective(end, endpoint) == MODEL_RESETS) {
        return -BLANKET_EAGAIN;
    }
    if (!(e->rights & (1u << ((verb >> 5) & 31u)))) {
        return -BLANKET_EPERM;
    }
    if (model->denied_verb == verb && model->denied_level == MODEL_LEVELS - 1) {
        return -BLANKET_EPERM;
    }
    return 0;
}

struct model_slot *model_slot(struct model_end *end, uint32_t endpoint, uint32_t kind,
                              uint32_t index, uint32_t *place)
{
    const struct model_endpoint *e = &end->endpoints[endpoint];

    if (index >= e->count[kind]) {
        return NULL;
    }
    *place = e->base[kind] + index;
    return end->owner[kind][*place / BLANKET_CHUNK_SLOTS] == endpoint ? &end->slots[kind][*place]
                                                                      : NULL;
}

int model_create_status(struct model_end *end, uint32_t endpoint, uint32_t kind, uint32_t index,
                        uint32_t generation, uint32_t *value)
{
    static const uint32_t quotas[MODEL_KINDS] = {BLANKET_QUOTA_GRANTS, BLANKET_QUOTA_MAPPINGS,
                                                 BLANKET_QUOTA_PORTS};
    uint32_t place;
    const struct model_slot *slot = model_slot(end, endpoint, kind, index, &place);

    *value = 0;
    if (!slot) {
        *value = quotas[kind];
        return -BLANKET_ENOSPC;
    }
    if (slot->state != MODEL_FREE) {
        return slot->state == MODEL_CLOSING ? -BLANKET_EBUSY : -BLANKET_EEXIST;
    }
    if (generation <= slot->generation) {
        *value = slot->generation;
        return -BLANKET_ESTALE;
    }
    return 0;
}

/* Mappings of the grant that have one of the `access` bits. */
uint32_t model_readers(const struct model *model, uint32_t end, uint32_t grant, uint32_t access)
{
    const struct model_end *peer = &model->ends[model->ends[end].peer];
    uint32_t i, count = 0;

    for (i = 0; i < MODEL_SLOTS; i++) {
        const struct model_slot *mapping = &peer->slots[1][i];

        count += mapping->state != MODEL_FREE && mapping->peer == grant &&
                 (mapping->access & access);
    }
    return count;
}

int model_is_pinned(const struct model_end *end, uint32_t page)
{
    uint32_t i;

    for (i = 0; i < MODEL_SLOTS; i++) {
        if ((end->slots[0][i].state != MODEL_FREE && end->slots[0][i].page == page) ||
            (end->slots[1][i].state != MODEL_FREE && end->slots[1][i].page == page)) {
            return 1;
        }
    }
    return 0;
}

/* --- sweeping: what nobody holds any more is gone --- */

/* An event on a port: pending; its guest is told unless it knows, or has masked it. */
void model_raise(struct model_end *end, uint32_t index)
{
    struct model_slot *port = &end->slots[2][index];

    if (end->local || port->state != MODEL_LIVE || port->pending) {
        return;
    }
    port->pending = 1;
    end->told[index] |= !port->masked;
}

void model_free_port(struct model *model, struct model_end *end, struct model_slot *port)
{
    if (port->peer != MODEL_NONE) {
        struct model_end *peer = &model->ends[end->peer];

        peer->slots[2][port->peer].peer = MODEL_NONE;
        model_raise(peer, port->peer);
    }
    port->peer = MODEL_NONE;
    port->connection = 0;
    port->state = MODEL_FREE;
}

void model_free_mapping(struct model_end *end, struct model_slot *mapping)
{
    if (!end->local && mapping->page != MODEL_NONE) {
        end->pages[mapping->page].overlay = MODEL_NONE;
        end->pages[mapping->page].lost = 1;
    }
    mapping->page = MODEL_NONE;
    mapping->state = MODEL_FREE;
}

static int sweep_end(struct model *model, uint32_t number)
{
    struct model_end *end = &model->ends[number];
    uint32_t kind, i;
    int changed = 0;

    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            struct model_slot *slot = &end->slots[kind][i];
            uint32_t owner = end->owner[kind][i / BLANKET_CHUNK_SLOTS];

            if (slot->state == MODEL_LIVE && !end->local && effective(end, owner) != MODEL_WORKS) {
                slot->state = MODEL_CLOSING;
                changed = 1;
            }
            if (slot->state != MODEL_CLOSING ||
                (kind == 0 && model_readers(model, number, i, 3u))) {
                continue;
            }
            if (kind == 1) {
                model_free_mapping(end, slot);
            } else if (kind == 2) {
                model_free_port(model, end, slot);
            } else {
                slot->state = MODEL_FREE;
            }
            changed = 1;
        }
    }
    return changed;
}

/* 1 if no slot and no child of the endpoint is left. */
static int is_empty(const struct model_end *end, uint32_t endpoint)
{
    uint32_t kind, i;

    for (i = 1; i < MODEL_HANDLES; i++) {
        if (end->endpoints[i].state != MODEL_NOTHING && end->endpoints[i].parent == endpoint) {
            return 0;
        }
    }
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            if (end->owner[kind][i / BLANKET_CHUNK_SLOTS] == endpoint &&
                end->slots[kind][i].state != MODEL_FREE) {
                return 0;
            }
        }
    }
    return 1;
}

static int sweep_endpoints(struct model_end *end)
{
    uint32_t kind, i, chunk;
    int changed = 0;

    for (i = 1; i < MODEL_HANDLES; i++) {
        struct model_endpoint *e = &end->endpoints[i];
        uint32_t parent = e->parent;

        if (e->state == MODEL_NOTHING || e->state == MODEL_DEAD) {
            /* below */
        } else if (effective(end, i) == MODEL_DEAD ||
                   (parent != 0 && end->endpoints[parent].state == MODEL_RESETS)) {
            e->state = MODEL_DEAD;
            changed = 1;
        }
        if (e->state == MODEL_RESETS && is_empty(end, i)) {
            e->state = MODEL_WORKS;
            changed = 1;
        }
        if (e->state != MODEL_DEAD || !is_empty(end, i)) {
            continue;
        }
        for (kind = 0; kind < MODEL_KINDS; kind++) {
            for (chunk = 0; chunk < MODEL_CHUNKS; chunk++) {
                if (end->owner[kind][chunk] == i) {
                    end->owner[kind][chunk] = parent;
                }
            }
        }
        e->state = MODEL_NOTHING;
        changed = 1;
    }
    return changed;
}

void model_sweep(struct model *model)
{
    uint32_t i;
    int changed;

    do {
        changed = 0;
        for (i = 0; i < MODEL_ENDS; i++) {
            changed |= sweep_end(model, i);
            changed |= sweep_endpoints(&model->ends[i]);
        }
    } while (changed);
}

/* --- what must hold at any time --- */

/* What is seen through a mapping: the granter's page, which stays what it was when it's given back. */
static void check_mapping(struct model *model, const struct model_end *end,
                          const struct model_slot *mapping, const uint8_t *now)
{
    const struct model_end *peer = &model->ends[end->peer];
    uint32_t page = peer->slots[0][mapping->peer].page;

    model_expect(model, "that a mapping shows something", 1, now != NULL);
    if (!now) {
        return;
    }
    model_expect(model, "that a mapping shows a page that was given back", 0,
                 now[0] == BLANKET_SIM_POISON || now[4095] == BLANKET_SIM_POISON);
    if (page != MODEL_NONE && !peer->pages[page].lost) {
        model_expect(model, "the first byte of a mapped page", peer->pages[page].byte, now[0]);
        model_expect(model, "the last byte of a mapped page", peer->pages[page].byte, now[4095]);
    }
}

static void check_pages(struct model *model, uint32_t guest)
{
    struct model_end *end = &model->ends[guest];
    uint32_t i;

    for (i = 0; i < MODEL_PAGES; i++) {
        struct model_page *page = &end->pages[i];
        uint8_t *now;

        if (!page->frame) {
            continue;
        }
        now = blanket_sim_page(model->bed.sim, bed_guest(&model->bed, guest), page->frame);
        if (page->overlay != MODEL_NONE) {
            check_mapping(model, end, &end->slots[1][page->overlay], now);
        } else if (page->lost) {
            memset(now, page->byte, BLANKET_SIM_PAGE_SIZE);
            page->lost = 0;
        } else {
            model_expect(model, "a page's first byte", page->byte, now ? now[0] : -1);
            model_expect(model, "a page's last byte", page->byte, now ? now[4095] : -1);
        }
    }
}

static void check_local(struct model *model, uint32_t number)
{
    const struct model_end *end = &model->ends[number];
    uint32_t i;

    for (i = 0; i < MODEL_SLOTS; i++) {
        if (end->slots[1][i].state != MODEL_FREE) {
            check_mapping(model, end, &end->slots[1][i], end->slots[1][i].address);
        }
    }
}

static void check_uses(struct model *model, uint32_t guest)
{
    struct model_end *end = &model->ends[guest];
    struct blanket_wire_endpoint info;
    uint32_t kind, i, used[MODEL_KINDS] = {0, 0, 0}, id;

    if (end->gone || end->endpoints[1].state == MODEL_NOTHING) {
        return;
    }
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            used[kind] += end->owner[kind][i / BLANKET_CHUNK_SLOTS] == 1 &&
                          end->slots[kind][i].state != MODEL_FREE;
        }
    }
    if (blanket_sim_guest_id(model->bed.sim, bed_guest(&model->bed, guest), &id) ||
        blanket_endpoint_info(blanket_sim_level(model->bed.sim, MODEL_LEVELS - 1), id,
                              model->bed.handles[guest], &info)) {
        model_expect(model, "the device", 0, -1);
        return;
    }
    model_expect(model, "grants in use", used[0], info.grant_used);
    model_expect(model, "mappings in use", used[1], info.mapping_used);
    model_expect(model, "ports in use", used[2], info.port_used);
}

static void check_all(struct model *model)
{
    struct blanket_sim_stats stats;
    uint32_t guest;

    for (guest = 0; guest < MODEL_GUESTS; guest++) {
        check_pages(model, guest);
        check_uses(model, guest);
    }
    check_local(model, 4);
    check_local(model, 5);
    blanket_sim_stats(model->bed.sim, &stats);
    model_expect(model, "the number of violations", 0, (int64_t)stats.violations);
}

/* --- run --- */

static int deny(void *context, const struct blanket_query *query)
{
    const struct model *model = context;

    return model->denied_verb == query->verb ? -BLANKET_EPERM : 0;
}

/* The guest's device is minted, as its endpoint 1 of that generation. */
void model_minted(struct model_end *end, uint32_t generation)
{
    const struct model_endpoint device = {MODEL_WORKS, generation,
                                          0,           BLANKET_RIGHTS_ALL,
                                          {0, 0, 0},   {MODEL_SLOTS, MODEL_SLOTS, MODEL_SLOTS}};
    uint32_t kind;

    end->endpoints[1] = device;
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        end->owner[kind][0] = end->owner[kind][1] = 1;
    }
}

/* The end's tables are new: no slot has been used. */
void model_fresh(struct model_end *end)
{
    static const struct model_endpoint self = {.state = MODEL_WORKS,
                                               .generation = 1,
                                               .rights = (1u << BLANKET_RIGHT_QUERY) |
                                                         (1u << BLANKET_RIGHT_RESET)};
    uint32_t kind, slot;

    memset(end->endpoints, 0, sizeof(end->endpoints));
    end->endpoints[0] = self;
    memset(end->told, 0, sizeof(end->told));
    memset(end->slots, 0, sizeof(end->slots));
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        for (slot = 0; slot < MODEL_SLOTS; slot++) {
            end->slots[kind][slot].peer = end->slots[kind][slot].page = MODEL_NONE;
        }
    }
}

static int open_model(struct model *model, struct model_source *source, uint32_t seed)
{
    struct bed_config config = {.levels = MODEL_LEVELS,
                                .guests = MODEL_GUESTS,
                                .pairs = 1,
                                .slots = MODEL_SLOTS,
                                .store = 1};
    uint32_t i, page;

    memset(model, 0, sizeof(*model));
    model->source = source;
    config.seed = seed;
    if (bed_open(&model->bed, &config)) {
        return -1;
    }
    for (i = 0; i < MODEL_ENDS; i++) {
        struct model_end *end = &model->ends[i];

        end->local = i >= MODEL_GUESTS;
        end->peer = i < 2 ? i ^ 1u : end->local ? i - 2 : i + 2;
        model_fresh(end);
        model_minted(end, 1);
        for (page = 0; page < MODEL_PAGES; page++) {
            end->pages[page].overlay = MODEL_NONE;
            if (!end->local && page < MODEL_PAGES - 2 &&
                blanket_sim_page_alloc(model->bed.sim, bed_guest(&model->bed, i), 1,
                                       &end->pages[page].frame)) {
                model->wrong++;
            }
        }
    }
    model->denied_level = MODEL_LEVELS;
    return 0;
}

/* The policy of one level denies one verb, or nothing. */
void model_deny(struct model *model, uint32_t level, uint16_t verb)
{
    uint32_t i;

    model->denied_level = level;
    model->denied_verb = verb;
    for (i = 0; i < MODEL_LEVELS; i++) {
        (void)blanket_sim_hook(model->bed.sim, i, i == level ? deny : NULL, model);
        blanket_policy_changed(blanket_sim_level(model->bed.sim, i));
    }
}

static void let_go(struct model *model)
{
    uint32_t end, i;

    model_deny(model, MODEL_LEVELS, 0);
    for (end = MODEL_GUESTS; end < MODEL_ENDS; end++) {
        for (i = 0; i < MODEL_SLOTS; i++) {
            if (model->ends[end].slots[1][i].state != MODEL_FREE) {
                (void)blanket_root_unmap(model->bed.root, model->bed.devices[end - 2].peer.endpoint,
                                         model->ends[end].slots[1][i].address);
            }
            if (model->ends[end].slots[2][i].state != MODEL_FREE) {
                (void)bed_peer_op(&model->bed, end - 2, BLANKET_VERB_EVTCHN_CLOSE, 1,
                                  bed_port(i, model->ends[end].slots[2][i].generation));
            }
        }
    }
}

int model_run(struct model_source *source, uint32_t seed, uint32_t steps)
{
    struct model *model = malloc(sizeof(*model));
    int wrong;

    if (!model || open_model(model, source, seed)) {
        free(model);
        return 1;
    }
    while (!is_over(model, steps)) {
        model_step(model);
        (void)blanket_sim_settle(model->bed.sim);
        model_sweep(model);
        check_all(model);
        model->steps++;
    }
    let_go(model);
    wrong = model->wrong;
    wrong += bed_close(&model->bed);
    free(model);
    return wrong;
}
