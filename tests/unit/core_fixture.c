/* SPDX-License-Identifier: MIT */
#include "core_fixture.h"

#include "verbs.h"

/* --- the host --- */

static struct core *host_of(void *host)
{
    return (struct core *)host;
}

/* What may block may not be called with a lock held. */
static struct core *free_host(void *host)
{
    struct core *core = (struct core *)host;

    assert_int_equal(core->lock_depth, 0);
    return core;
}

static int countdown(uint32_t *at)
{
    return *at != 0 && --*at == 0;
}

static void *host_alloc(void *host, size_t size)
{
    struct core *core = host_of(host);
    void *memory;

    core->allocations++;
    if (countdown(&core->alloc_fails_at)) {
        return NULL;
    }
    memory = calloc(1, size);
    assert_non_null(memory);
    core->allocated++;
    core->bytes += size;
    return memory;
}

static void host_free(void *host, void *memory, size_t size)
{
    struct core *core = host_of(host);

    assert_non_null(memory);
    assert_true(core->allocated > 0 && core->bytes >= size);
    core->allocated--;
    core->bytes -= size;
    free(memory);
}

static int host_copy_from(void *host, void *guest, void *target, uint64_t address, uint32_t size)
{
    struct core *core = free_host(host);
    const struct core_guest *from = guest;

    core->copies_from++;
    if (countdown(&core->from_fails_at) || address > CORE_MEMORY || size > CORE_MEMORY - address) {
        return -BLANKET_EFAULT;
    }
    memcpy(target, from->memory + address, size);
    return 0;
}

static int host_copy_to(void *host, void *guest, uint64_t address, const void *source,
                        uint32_t size)
{
    struct core *core = free_host(host);
    struct core_guest *to = guest;

    core->copies_to++;
    if (countdown(&core->to_fails_at) || address > CORE_MEMORY || size > CORE_MEMORY - address) {
        return -BLANKET_EFAULT;
    }
    memcpy(to->memory + address, source, size);
    return 0;
}

static int host_pin(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page)
{
    struct core *core = free_host(host);
    uint64_t frame = blanket_item_value(item);

    (void)guest;
    assert_true(use != 0);
    if (core->pin_status != 0) {
        return core->pin_status;
    }
    if (frame >= CORE_FRAMES) {
        return -BLANKET_EPERM;
    }
    core->pins++;
    core->pinned[frame]++;
    page->frame = core->pin_frame != 0 ? core->pin_frame : frame + 1000;
    page->cookie = frame + 1; /* its own, to find it by */
    return 0;
}

static void host_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use)
{
    struct core *core = host_of(host);
    uint64_t frame = page->cookie - 1;

    (void)guest;
    assert_true(use != 0);
    assert_true(frame < CORE_FRAMES && core->pinned[frame] > 0);
    core->pinned[frame]--;
    core->unpins++;
}

static void host_lock(void *host, unsigned lock)
{
    struct core *core = host_of(host);

    assert_true(lock <= core->level->limits.guests && lock <= CORE_GUESTS);
    assert_false(core->locked[lock]);
    /* Administration before one guest's, never two guests'. */
    assert_true(core->lock_depth == 0 ||
                (core->lock_depth == 1 && core->locked[core->level->limits.guests]));
    core->locked[lock] = 1;
    core->lock_depth++;
}

static void host_unlock(void *host, unsigned lock)
{
    struct core *core = host_of(host);

    assert_true(core->locked[lock]);
    core->locked[lock] = 0;
    core->lock_depth--;
}

static int host_hook(void *host, const struct blanket_query *query)
{
    struct core *core = free_host(host);

    core->hooks++;
    core->query = *query;
    assert_true(query->item_count <= BLANKET_ITEM_COUNT_MAX);
    memcpy(core->query_items, query->items, query->item_count * sizeof(uint64_t));
    if (core->hooked) {
        core->hooked(core);
    }
    return core->hook_status;
}

static void host_trace(void *host, const struct blanket_trace *trace)
{
    struct core *core = free_host(host);

    core->traces++;
    core->trace = *trace;
}

static int host_call_below(void *host, uint32_t vcpu, void *frame, uint32_t size)
{
    struct core *core = free_host(host);

    return core->nested(core, vcpu, frame, size);
}

static int host_send_below(void *host, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct core *core = free_host(host);

    (void)vcpu;
    return core->nested_send(core, endpoint, port);
}

static void host_notify(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    struct core *core = free_host(host);

    (void)guest;
    core->notified++;
    core->notified_vcpu = vcpu;
    core->notified_port = port;
}

static void host_kick(void *host, int soon)
{
    struct core *core = free_host(host);

    core->kicks_soon += soon == 1;
    core->kicks_later += soon == 0;
    if (core->kicked) {
        core->kicked(core);
    }
}

static void host_guest_gone(void *host, void *guest)
{
    (void)free_host(host);
    ((struct core_guest *)guest)->gone++;
}

static void host_endpoint_event(void *host, void *guest, uint64_t endpoint, uint32_t events)
{
    struct core *core = free_host(host);

    (void)guest;
    core->endpoint_events++;
    core->event_endpoint = endpoint;
    core->event_bits |= events;
}

static int host_preempt(void *host)
{
    return countdown(&free_host(host)->preempt_at);
}

static uint32_t host_nospec(uint32_t index, uint32_t count)
{
    assert_true(index < count);
    return index;
}

static const struct blanket_platform_ops host_ops = {
    .size = sizeof(struct blanket_platform_ops),
    .alloc = host_alloc,
    .free = host_free,
    .copy_from_above = host_copy_from,
    .copy_to_above = host_copy_to,
    .pin = host_pin,
    .unpin = host_unpin,
    .lock = host_lock,
    .unlock = host_unlock,
    .hook = host_hook,
    .trace = host_trace,
    .call_below = host_call_below,
    .send_below = host_send_below,
    .notify_above = host_notify,
    .kick = host_kick,
    .guest_gone = host_guest_gone,
    .endpoint_event = host_endpoint_event,
    .preempt = host_preempt,
    .index_nospec = host_nospec,
};

/* --- the below --- */

static struct core_object *object_of(struct core_below *below, uint64_t endpoint, uint64_t item)
{
    unsigned type = blanket_item_type(item);
    unsigned kind = type - BLANKET_ITEM_GRANT;

    assert_true(endpoint < CORE_BELOW_ENDPOINTS);
    assert_true(type >= BLANKET_ITEM_GRANT && type <= BLANKET_ITEM_PORT);
    assert_true(blanket_item_index(item) < CORE_BELOW_SLOTS);
    return &below->objects[endpoint][kind][blanket_item_index(item)];
}

static uint64_t perform(struct core_below *below, const struct blanket_call *call,
                        const uint64_t *items)
{
    struct core_object *object = object_of(below, call->endpoint, items[0]);
    uint32_t generation = blanket_item_generation(items[0]);
    unsigned effect = blanket_verb_effect(call->verb);

    if (effect == BLANKET_EFFECT_CREATE) {
        if (object->live) {
            return blanket_result(-BLANKET_EEXIST, 0);
        }
        if (generation <= object->newest) {
            return blanket_result(-BLANKET_ESTALE, object->newest);
        }
        object->newest = generation;
        object->live = call->verb != BLANKET_VERB_GRANT_COPY;
    } else if (effect == BLANKET_EFFECT_DESTROY) {
        if (object->live && generation == object->newest) {
            if (below->busy) {
                return blanket_result(-BLANKET_EBUSY, 0);
            }
            object->live = 0;
        } else if (!object->live && generation > object->newest) {
            object->newest = generation;
        }
    } else if (!object->live || generation != object->newest) {
        return blanket_result(-BLANKET_ENOENT, 0);
    }
    return blanket_result(0, below->value);
}

static void perform_all(struct core_below *below, struct blanket_call *call)
{
    uint32_t end = below->done != 0 && below->done < call->element_count ? below->done
                                                                         : call->element_count;

    for (uint32_t i = 0; i < end; i++) {
        const uint64_t *items = call->items + (size_t)i * call->element_items;

        call->results[i] = below->element_status != 0 && i == below->element
                               ? blanket_result(below->element_status, below->element_value)
                               : perform(below, call, items);
    }
    call->done = (uint16_t)end;
}

static int below_call(void *context, struct blanket_call *call)
{
    struct core_below *below = context;

    (void)free_host(below->core);
    below->calls++;
    below->last_verb = call->verb;
    below->last_count = call->element_count;
    below->last_endpoint = call->endpoint;
    below->last_claim = call->claim;
    assert_true(call->element_count >= 1 && call->element_count <= BLANKET_ELEMENT_COUNT_MAX);
    assert_true(call->element_count == 1 ||
                (blanket_verb_find(call->verb)->flags & BLANKET_VERB_BATCH));
    memcpy(below->last_items, call->items,
           (size_t)call->element_count * call->element_items * sizeof(uint64_t));
    call->detail = below->detail;
    if (below->status != 0) {
        return below->status;
    }
    perform_all(below, call);
    if (below->reply_size != 0) {
        call->reply_size = below->reply_size;
        memset(call->reply, below->reply_byte,
               below->reply_size < call->reply_max ? below->reply_size : call->reply_max);
    }
    if (below->inside) {
        below->inside(below, call);
    }
    if (below->done_claimed != 0) {
        call->done = (uint16_t)(below->done_claimed == CORE_NEVER ? 0 : below->done_claimed);
    }
    return below->answer;
}

static int below_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct core_below *below = context;
    const struct core_object *object = object_of(below, endpoint, port);

    (void)vcpu;
    (void)free_host(below->core);
    below->sends++;
    below->last_sent = port;
    if (below->send_status != 0) {
        return below->send_status;
    }
    return object->live && object->newest == blanket_item_generation(port) ? 0 : -BLANKET_ENOENT;
}

static const struct blanket_below_ops below_ops = {
    .call = below_call,
    .send = below_send,
};

/* --- life --- */

void core_init_limits(struct core *core, const struct blanket_limits *limits)
{
    memset(core, 0, sizeof(*core));
    core->ops = host_ops;
    core->below.core = core;
    core->under.ops = &below_ops;
    core->under.context = &core->below;
    assert_int_equal(blanket_level_create(&core->ops, core, limits, &core->level), 0);
}

void core_init(struct core *core)
{
    const struct blanket_limits limits = {2, CORE_GUESTS, CORE_EVENTS, 1};

    core_init_limits(core, &limits);
}

uint32_t core_attach_limits(struct core *core, uint32_t n,
                            const struct blanket_guest_limits *limits)
{
    struct core_guest *guest = &core->guests[n];
    uint32_t id = CORE_NEVER;

    guest->core = core;
    guest->gone = 0;
    assert_int_equal(blanket_guest_attach(core->level, guest, 0x100 + n, limits, &id), 0);
    assert_true(id < CORE_GUESTS);
    guest->id = id;
    core->by_id[id] = guest;
    return id;
}

uint32_t core_attach(struct core *core, uint32_t n)
{
    const struct blanket_guest_limits limits = {16, 64, 64, 64, 2};

    return core_attach_limits(core, n, &limits);
}

struct blanket_mint core_mint_spec(struct core *core, uint32_t guest, uint32_t below,
                                   const char *name)
{
    struct blanket_mint mint;

    memset(&mint, 0, sizeof(mint));
    mint.guest = guest;
    mint.rights = BLANKET_RIGHTS_ALL;
    mint.label = 0x200 + below;
    mint.scope = 0x300 + below;
    mint.name = name;
    mint.below = core->under;
    mint.below_endpoint = below;
    mint.grants.count = 16;
    mint.mappings.count = 16;
    mint.ports.count = 16;
    mint.event_base = below * 64;
    mint.grant_base = 500;
    return mint;
}

uint64_t core_mint(struct core *core, uint32_t guest, uint32_t below, const char *name)
{
    struct blanket_mint mint = core_mint_spec(core, guest, below, name);
    uint64_t handle = 0;
    uint32_t quota = CORE_NEVER;

    assert_int_equal(blanket_endpoint_mint(core->level, &mint, &handle, &quota), 0);
    assert_int_equal(quota, BLANKET_QUOTA_NONE);
    assert_true(handle != 0);
    return handle;
}

int core_work(struct core *core, uint32_t budget)
{
    int rc = 1;

    for (uint32_t i = 0; i < 10000 && rc == 1; i++) {
        rc = blanket_work(core->level, budget);
    }
    assert_int_not_equal(rc, 1);
    return rc;
}

void core_fini(struct core *core)
{
    uint32_t attached = 0;

    core_check(core);
    for (uint32_t id = 0; id < core->level->limits.guests; id++) {
        attached += core->level->guests[id].attached;
        blanket_guest_detach(core->level, id);
    }
    if (attached != 0) {
        assert_int_equal(blanket_level_destroy(core->level), -BLANKET_EBUSY);
    }
    assert_int_equal(core_work(core, 64), 0);
    assert_int_equal(blanket_level_destroy(core->level), 0);
    assert_int_equal(core->allocated, 0);
    assert_int_equal(core->bytes, 0);
    assert_int_equal(core->pins, core->unpins);
    assert_int_equal(core->lock_depth, 0);
    for (uint32_t i = 0; i < CORE_BELOW_ENDPOINTS; i++) {
        for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
            for (uint32_t slot = 0; slot < CORE_BELOW_SLOTS; slot++) {
                assert_false(core->below.objects[i][kind][slot].live);
            }
        }
    }
}

/* --- what must hold whenever no call is under way --- */

struct recount {
    uint32_t used[BLANKET_TABLE_COUNT];
    uint32_t closing;
    uint32_t endpoints;
    uint32_t pinned;
};

static void recount_slot(const struct blanket_slot *slot, uint32_t *used, uint32_t *closing,
                         struct recount *all)
{
    assert_int_not_equal(slot->state, BLANKET_SLOT_RESERVED);
    if (slot->state == BLANKET_SLOT_FREE) {
        assert_int_equal(slot->use, 0);
        assert_int_equal(slot->role, BLANKET_ROLE_NONE);
        assert_true(slot->u.send == 0);
        return;
    }
    (*used)++;
    *closing += slot->state == BLANKET_SLOT_CLOSING;
    all->pinned += slot->use != 0;
}

static void recount_endpoint(struct blanket_level_guest *guest, uint32_t index, struct recount *all)
{
    const struct blanket_endpoint *endpoint = &guest->endpoints[index];
    uint32_t used[BLANKET_TABLE_COUNT] = {0};
    uint32_t closing = 0, children = 0;

    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        const struct blanket_table *table = &guest->tables[kind];

        for (uint32_t chunk = 0; chunk < table->count / BLANKET_CHUNK_SLOTS; chunk++) {
            uint32_t before = used[kind];

            if (table->chunks[chunk].owner != index) {
                continue;
            }
            for (uint32_t i = 0; i < BLANKET_CHUNK_SLOTS; i++) {
                recount_slot(&table->slots[chunk * BLANKET_CHUNK_SLOTS + i], &used[kind], &closing,
                             all);
            }
            assert_int_equal(table->chunks[chunk].used, used[kind] - before);
        }
        assert_int_equal(endpoint->used[kind], used[kind]);
        all->used[kind] += used[kind];
    }
    for (uint32_t i = 1; i < guest->endpoint_count; i++) {
        children += guest->endpoints[i].state != BLANKET_ENDPOINT_FREE &&
                    guest->endpoints[i].parent == index;
    }
    assert_int_equal(endpoint->closing, closing);
    assert_int_equal(endpoint->child_count, children);
    assert_int_equal(endpoint->inflight, 0);
    all->closing += closing;
    all->endpoints += index != BLANKET_SELF_SLOT;
}

void core_check(struct core *core)
{
    struct recount all;
    struct blanket_level_stats stats;

    memset(&all, 0, sizeof(all));
    assert_int_equal(core->lock_depth, 0);
    for (uint32_t id = 0; id < core->level->limits.guests; id++) {
        struct blanket_level_guest *guest = &core->level->guests[id];

        assert_int_equal(guest->holds, 0);
        for (uint32_t i = 0; guest->attached && i < guest->endpoint_count; i++) {
            if (guest->endpoints[i].state != BLANKET_ENDPOINT_FREE) {
                recount_endpoint(guest, i, &all);
            }
        }
    }
    blanket_level_stats(core->level, &stats);
    assert_int_equal(stats.grants, all.used[BLANKET_TABLE_GRANTS]);
    assert_int_equal(stats.mappings, all.used[BLANKET_TABLE_MAPPINGS]);
    assert_int_equal(stats.ports, all.used[BLANKET_TABLE_PORTS]);
    assert_int_equal(stats.closing, all.closing);
    assert_int_equal(stats.endpoints, all.endpoints);
    assert_true(stats.grants_peak >= stats.grants && stats.endpoints_peak >= stats.endpoints);
    assert_int_equal(stats.bytes, core->bytes);
    assert_int_equal(core->pins - core->unpins, all.pinned);
}

/* --- calls --- */

static void take_reply(struct core *core, struct core_guest *guest, uint16_t verb, uint32_t count,
                       int rc)
{
    const struct blanket_verb_info *info = blanket_verb_find(verb);
    const uint8_t *after = guest->memory + BLANKET_HEADER_SIZE;

    memcpy(&core->reply, guest->memory, sizeof(core->reply));
    if (rc != 0) {
        return;
    }
    for (uint32_t i = 0; info && i < core->reply.done; i++) {
        memcpy(&core->results[i], after + (size_t)i * info->item_count * sizeof(uint64_t),
               sizeof(uint64_t));
    }
    memcpy(core->reply_payload, after + (size_t)count * sizeof(uint64_t), core->reply.reply_size);
}

static int call(struct core *core, uint32_t guest, struct blanket_wire_header *header,
                const uint64_t *items, const void *payload)
{
    struct core_guest *own = core->by_id[guest];
    uint8_t *after = own->memory + BLANKET_HEADER_SIZE;
    const uint64_t arguments[BLANKET_ARGUMENT_COUNT] = {0};
    uint32_t count = header->item_count;
    int rc;

    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->reply_max = BLANKET_PAYLOAD_SIZE_MAX;
    header->claim = 0x77;
    memcpy(own->memory, header, sizeof(*header));
    if (count != 0) {
        memcpy(after, items, count * sizeof(uint64_t));
    }
    if (header->payload_size != 0) {
        memcpy(after + count * sizeof(uint64_t), payload, header->payload_size);
    }
    memset(core->results, 0x5a, sizeof(core->results));
    rc = blanket_hypercall(core->level, guest, 0, BLANKET_FORM_CALL, arguments);
    take_reply(core, own, header->verb, count, rc);
    return rc;
}

int core_call_from(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
                   const uint64_t *items, uint32_t count, uint32_t first)
{
    struct blanket_wire_header header;

    memset(&header, 0, sizeof(header));
    header.verb = verb;
    header.endpoint = endpoint;
    header.item_count = (uint16_t)count;
    header.done = (uint16_t)first;
    return call(core, guest, &header, items, NULL);
}

int core_call(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
              const uint64_t *items, uint32_t count)
{
    return core_call_from(core, guest, verb, endpoint, items, count, 0);
}

int core_call_payload(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
                      const uint64_t *items, uint32_t count, const void *payload,
                      uint32_t payload_size)
{
    struct blanket_wire_header header;

    memset(&header, 0, sizeof(header));
    header.verb = verb;
    header.endpoint = endpoint;
    header.item_count = (uint16_t)count;
    header.payload_size = (uint16_t)payload_size;
    return call(core, guest, &header, items, payload);
}

int core_status(const struct core *core, uint32_t element)
{
    return blanket_result_status(core->results[element]);
}

uint32_t core_value(const struct core *core, uint32_t element)
{
    return blanket_result_value(core->results[element]);
}

int core_one(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint,
             const uint64_t *items, uint32_t count)
{
    int rc = core_call(core, guest, verb, endpoint, items, count);

    if (rc == 0) {
        assert_int_equal(core->reply.done, 1);
    }
    return rc != 0 ? rc : core_status(core, 0);
}

int core_access(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
                uint32_t generation, uint32_t frame)
{
    const uint64_t items[2] = {grant_item(index, generation), frame_item(frame, RW)};

    return core_one(core, guest, BLANKET_VERB_GRANT_ACCESS, endpoint, items, 2);
}

int core_end(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
             uint32_t generation)
{
    const uint64_t item = grant_item(index, generation);

    return core_one(core, guest, BLANKET_VERB_GRANT_END_ACCESS, endpoint, &item, 1);
}

int core_port(struct core *core, uint32_t guest, uint16_t verb, uint64_t endpoint, uint32_t index,
              uint32_t generation)
{
    const uint64_t item = port_item(index, generation);

    return core_one(core, guest, verb, endpoint, &item, 1);
}

int core_alloc(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
               uint32_t generation)
{
    return core_port(core, guest, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, endpoint, index, generation);
}

int core_close(struct core *core, uint32_t guest, uint64_t endpoint, uint32_t index,
               uint32_t generation)
{
    return core_port(core, guest, BLANKET_VERB_EVTCHN_CLOSE, endpoint, index, generation);
}

int core_derive(struct core *core, uint32_t guest, uint64_t endpoint, uint64_t child,
                const uint32_t counts[3], const char *name)
{
    const uint64_t items[5] = {
        blanket_item_slot(BLANKET_ITEM_ENDPOINT, (uint32_t)child, (uint32_t)(child >> 32)),
        blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_RIGHTS_ALL),
        blanket_item(BLANKET_ITEM_COUNT, 0, counts[0]),
        blanket_item(BLANKET_ITEM_COUNT, 0, counts[1]),
        blanket_item(BLANKET_ITEM_COUNT, 0, counts[2]),
    };

    return core_call_payload(core, guest, BLANKET_VERB_ENDPOINT_DERIVE, endpoint, items, 5, name,
                             (uint32_t)strlen(name));
}

int core_revoke(struct core *core, uint32_t guest, uint64_t endpoint, uint64_t child)
{
    const uint64_t item = blanket_item_slot(BLANKET_ITEM_ENDPOINT, (uint32_t)child,
                                            (uint32_t)(child >> 32));

    return core_call(core, guest, BLANKET_VERB_ENDPOINT_REVOKE, endpoint, &item, 1);
}

struct blanket_endpoint *core_endpoint(struct core *core, uint32_t guest, uint64_t handle)
{
    return &core->level->guests[guest].endpoints[(uint32_t)handle];
}

struct blanket_slot *core_slot(struct core *core, uint32_t guest, enum blanket_table_kind kind,
                               uint64_t endpoint, uint32_t index)
{
    const struct blanket_window *window = &core_endpoint(core, guest, endpoint)->windows[kind];

    return &core->level->guests[guest].tables[kind].slots[window->first + index];
}
