/* SPDX-License-Identifier: MIT */
#include "tower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

static void die(const char *what, int status)
{
    fprintf(stderr, "bench: %s: %d\n", what, status);
    exit(1);
}

/* --- the host --- */

static void *host_alloc(void *host, size_t size)
{
    (void)host;
    return calloc(1, size);
}

static void host_free(void *host, void *memory, size_t size)
{
    (void)host;
    (void)size;
    free(memory);
}

/* A caller's address is a pointer: translating one is the host's cost, not the core's. */
static int host_copy_from(void *host, void *guest, void *target, uint64_t address, uint32_t size)
{
    (void)host;
    (void)guest;
    memcpy(target, (const void *)(uintptr_t)address, size);
    return 0;
}

static int host_copy_to(void *host, void *guest, uint64_t address, const void *source,
                        uint32_t size)
{
    (void)host;
    (void)guest;
    memcpy((void *)(uintptr_t)address, source, size);
    return 0;
}

static int host_pin(void *host, void *guest, uint64_t item, unsigned use,
                    struct blanket_page *page)
{
    const struct tower_level *level = host;

    (void)guest;
    (void)use;
    page->frame = blanket_item_value(item) + level->frame_offset;
    page->cookie = 0;
    return 0;
}

static void host_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use)
{
    (void)host;
    (void)guest;
    (void)page;
    (void)use;
}

/* A spinlock without contention: what a hypervisor pays at least. */
static void host_lock(void *host, unsigned lock)
{
    struct tower_level *level = host;

    while (__atomic_exchange_n(&level->locks[lock], 1, __ATOMIC_ACQUIRE) != 0) {
    }
}

static void host_unlock(void *host, unsigned lock)
{
    struct tower_level *level = host;

    __atomic_store_n(&level->locks[lock], 0, __ATOMIC_RELEASE);
}

static int host_call_below(void *host, uint32_t vcpu, void *frame, uint32_t size)
{
    const struct tower_level *level = host;

    (void)size;
    return blanket_call(level->below->level, level->below->guest, vcpu, (uintptr_t)frame);
}

static int host_send_below(void *host, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    const struct tower_level *level = host;

    return blanket_send(level->below->level, level->below->guest, vcpu, endpoint, port);
}

/* The guest is the level above, or the guest on top (NULL). */
static void host_notify(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    struct tower_level *level = host;
    struct tower_level *above = guest;

    (void)vcpu;
    (void)blanket_event_take(level->level, level->guest, port);
    if (above && above->level) {
        blanket_event(above->level, port);
    } else {
        level->tower->events++;
    }
}

static void host_kick(void *host, int soon)
{
    (void)host;
    (void)soon;
}

static void host_gone(void *host, void *guest)
{
    (void)host;
    (void)guest;
}

static int host_preempt(void *host)
{
    (void)host;
    return 0;
}

static uint32_t host_nospec(uint32_t index, uint32_t count)
{
    return index < count ? index : 0;
}

static const struct blanket_platform_ops host_ops = {
    .size = sizeof(host_ops),
    .alloc = host_alloc,
    .free = host_free,
    .copy_from_above = host_copy_from,
    .copy_to_above = host_copy_to,
    .pin = host_pin,
    .unpin = host_unpin,
    .lock = host_lock,
    .unlock = host_unlock,
    .hook = blanket_acl_allow,
    .call_below = host_call_below,
    .send_below = host_send_below,
    .notify_above = host_notify,
    .kick = host_kick,
    .guest_gone = host_gone,
    .preempt = host_preempt,
    .index_nospec = host_nospec,
};

/* --- the provider --- */

static void *machine_page(void *host, uint64_t frame)
{
    struct tower *tower = host;
    uint64_t offset = 0;

    for (uint32_t i = 0; i < tower->depth; i++) {
        offset += tower->levels[i].frame_offset;
    }
    return frame - offset < TOWER_PAGES ? tower->pages + (frame - offset) * PAGE : NULL;
}

static const struct blanket_root_host_ops machine_ops = { .page = machine_page };

static void device_event(void *context, uint32_t number)
{
    struct tower *tower = context;

    if (tower->depth != 0) {
        blanket_event(tower->levels[0].level, number);
    } else {
        tower->events++;
    }
}

static void peer_event(void *context, uint32_t number)
{
    (void)context;
    (void)number;
}

static void open_root(struct tower *tower)
{
    const struct blanket_root_limits limits = {
        .domains = 4,
        .devices = 2,
        .grants = 4 * TOWER_SLOTS,
        .mappings = 4 * TOWER_SLOTS,
        .ports = 4 * TOWER_SLOTS,
        .store_size = 8u << 20,
    };
    const struct blanket_root_device device = {
        .frontend_domid = 1,
        .backend_domid = 2,
        .type = "vbd",
        .handle = 51712,
        .grants = TOWER_SLOTS,
        .mappings = TOWER_SLOTS,
        .ports = TOWER_SLOTS,
        .connections = 1,
        .requests = 4,
        .watches = 4,
        .transactions = 2,
    };
    const struct blanket_root_sink sink = { device_event, tower };
    const struct blanket_root_sink other = { peer_event, tower };
    int rc = blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &machine_ops, tower,
                                 &tower->root);

    if (rc == 0) {
        rc = blanket_root_domain_add(tower->root, 1);
    }
    if (rc == 0) {
        rc = blanket_root_domain_add(tower->root, 2);
    }
    if (rc == 0) {
        rc = blanket_root_device_add(tower->root, &device, &sink, 0, &other, 0, &tower->end,
                                     &tower->peer);
    }
    if (rc != 0) {
        die("the provider", rc);
    }
}

/* --- the levels --- */

static void fill_mint(struct tower *tower, struct tower_level *level, struct blanket_mint *mint)
{
    struct blanket_wire_endpoint info;

    memset(mint, 0, sizeof(*mint));
    mint->guest = level->guest;
    mint->rights = BLANKET_RIGHTS_ALL;
    mint->name = "vbd/51712";
    mint->grants.count = TOWER_SLOTS;
    mint->mappings.count = TOWER_SLOTS;
    mint->ports.count = TOWER_SLOTS;
    if (!level->below) {
        mint->below = blanket_root_below(tower->root);
        mint->below_endpoint = tower->end.endpoint;
        mint->scope = tower->end.scope;
        mint->grant_base = tower->end.grant_base;
        return;
    }
    mint->below = blanket_level_nested(level->level);
    if (blanket_below_lookup(&mint->below, 0, mint->name, &info) != 0) {
        die("lookup", -1);
    }
    mint->below_endpoint = info.endpoint;
    mint->scope = info.scope;
    mint->event_base = info.port_base;
    mint->grant_base = info.grant_base;
}

void tower_open(struct tower *tower, uint32_t depth)
{
    const struct blanket_guest_limits guest = { 4, TOWER_SLOTS, TOWER_SLOTS,
                                                TOWER_SLOTS + BLANKET_CHUNK_SLOTS, 1 };

    memset(tower, 0, sizeof(*tower));
    tower->depth = depth;
    tower->pages = calloc(TOWER_PAGES, PAGE);
    if (!tower->pages) {
        die("memory", -BLANKET_ENOMEM);
    }
    open_root(tower);
    for (uint32_t i = 0; i < depth; i++) {
        /* Below, a level's worker is one more vCPU. */
        const struct blanket_limits limits = { depth - i, 1, 2 * TOWER_SLOTS, i + 1 };
        struct tower_level *level = &tower->levels[i];
        struct blanket_mint mint;
        int rc;

        level->tower = tower;
        level->below = i != 0 ? &tower->levels[i - 1] : NULL;
        level->frame_offset = 1000 + 37 * i;
        rc = blanket_level_create(&host_ops, level, &limits, &level->level);
        if (rc == 0) {
            rc = blanket_guest_attach(level->level, i + 1 < depth ? level + 1 : NULL, i, &guest,
                                      &level->guest);
        }
        if (rc == 0) {
            fill_mint(tower, level, &mint);
            rc = blanket_endpoint_mint(level->level, &mint, &level->handle, NULL);
        }
        if (rc != 0) {
            die("a level", rc);
        }
    }
}

void tower_close(struct tower *tower)
{
    for (uint32_t i = tower->depth; i > 0; i--) {
        struct tower_level *level = &tower->levels[i - 1];

        blanket_guest_detach(level->level, level->guest);
        /* A store connection waits for the store's answers, which take another round. */
        for (int round = 0; round < 100 && blanket_work(level->level, 1000) != 0; round++) {
        }
        if (blanket_level_destroy(level->level) != 0) {
            die("a level has something left", -BLANKET_EBUSY);
        }
        level->level = NULL;
    }
    blanket_root_destroy(tower->root);
    free(tower->pages);
}

/* --- calls --- */

static int direct(struct tower *tower, struct blanket_call *call)
{
    struct blanket_below root = blanket_root_below(tower->root);

    call->endpoint = tower->end.endpoint;
    return root.ops->call(root.context, call);
}

static int framed(struct tower *tower, struct blanket_call *call)
{
    static uint64_t frame[BLANKET_FRAME_SIZE_MAX / 8];
    struct tower_level *top = &tower->levels[tower->depth - 1];
    struct blanket_wire_header *header = (struct blanket_wire_header *)(void *)frame;
    uint64_t *items = frame + BLANKET_HEADER_SIZE / 8;
    uint32_t count = (uint32_t)call->element_count * call->element_items;
    int rc;

    memset(header, 0, sizeof(*header));
    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->verb = call->verb;
    header->item_count = (uint16_t)count;
    header->payload_size = call->payload_size;
    header->reply_max = call->reply_max;
    header->endpoint = top->handle;
    memcpy(items, call->items, count * sizeof(*items));
    if (call->payload_size != 0) {
        memcpy(items + count, call->payload, call->payload_size);
    }
    rc = blanket_call(top->level, top->guest, 0, (uintptr_t)frame);
    for (uint32_t i = 0; rc == 0 && i < header->done; i++) {
        call->results[i] = items[i * call->element_items];
    }
    call->reply_size = header->reply_size;
    return rc;
}

int tower_call(struct tower *tower, uint16_t verb, const uint64_t *items, uint32_t elements,
               uint32_t element_items, uint64_t *results)
{
    struct blanket_call call;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.items = items;
    call.element_count = (uint16_t)elements;
    call.element_items = (uint16_t)element_items;
    call.results = results;
    return tower->depth != 0 ? framed(tower, &call) : direct(tower, &call);
}

int tower_store(struct tower *tower, uint16_t verb, const uint64_t *items, uint32_t element_items,
                const char *payload, uint32_t payload_size, uint64_t *result,
                uint32_t *reply_size)
{
    static uint8_t reply[BLANKET_PAYLOAD_SIZE_MAX];
    struct blanket_call call;
    int rc;

    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.items = items;
    call.element_count = 1;
    call.element_items = (uint16_t)element_items;
    call.results = result;
    call.payload = (const uint8_t *)payload;
    call.payload_size = (uint16_t)payload_size;
    call.reply = reply;
    call.reply_max = 256;
    rc = tower->depth != 0 ? framed(tower, &call) : direct(tower, &call);
    *reply_size = call.reply_size;
    return rc;
}

int tower_send(struct tower *tower, uint64_t port)
{
    const struct tower_level *top;
    struct blanket_below root;

    if (tower->depth != 0) {
        top = &tower->levels[tower->depth - 1];
        return blanket_send(top->level, top->guest, 0, top->handle, port);
    }
    root = blanket_root_below(tower->root);
    return root.ops->send(root.context, 0, tower->end.endpoint, port);
}
