/* SPDX-License-Identifier: MIT */
/*
 * A host that embeds blanket, and its guest's first hypercalls. docs/embedding.md walks through it.
 * The host is this process; its guest's memory is an array, and a frame number counts the array's pages.
 *     cc embed.c -o embed $(pkg-config --cflags --libs blanket)
 */
#include <blanket/endpoint.h>
#include <blanket/guest.h>
#include <blanket/port/root.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096u
#define PAGES 16u

struct host {
    _Alignas(4096) uint8_t memory[PAGES * PAGE];
    uint32_t pins[PAGES];
    struct blanket_level *level;
    uint32_t guest; /* its id at the level */
};

/* ---- what the host gives ---- */
static void *host_alloc(void *host, size_t size)
{
    (void)host;
    return calloc(1, size);
}
static void host_free(void *host, void *memory, size_t size)
{
    (void)host, (void)size;
    free(memory);
}
static void *at(void *guest, uint64_t address, uint32_t size)
{
    bool inside = address <= PAGES * PAGE && size <= PAGES * PAGE - address;
    return inside ? ((struct host *)guest)->memory + address : NULL;
}
static int host_read(void *host, void *guest, void *target, uint64_t address, uint32_t size)
{
    (void)host;
    return at(guest, address, size) ? (memcpy(target, at(guest, address, size), size), 0)
                                    : -BLANKET_EFAULT;
}
static int host_write(void *host, void *guest, uint64_t address, const void *source, uint32_t size)
{
    (void)host;
    return at(guest, address, size) ? (memcpy(at(guest, address, size), source, size), 0)
                                    : -BLANKET_EFAULT;
}
/* The page has to stay the guest's until unpin. Here nobody takes one away: counting is enough. */
static int host_pin(void *host, void *guest, uint64_t item, unsigned use, struct blanket_page *page)
{
    (void)host, (void)use;
    page->frame = blanket_item_value(item);
    if (blanket_item_type(item) != BLANKET_ITEM_FRAME || page->frame >= PAGES) {
        return -BLANKET_EPERM;
    }
    ((struct host *)guest)->pins[page->frame]++;
    return 0;
}
static void host_unpin(void *host, void *guest, const struct blanket_page *page, unsigned use)
{
    (void)host, (void)use;
    ((struct host *)guest)->pins[page->frame]--;
}
static void host_lock(void *host, unsigned lock)
{
    (void)host, (void)lock; /* one thread: there is nothing to lock */
}
static void host_notify(void *host, void *guest, uint32_t vcpu, uint32_t port)
{
    (void)host, (void)guest, (void)vcpu, (void)port; /* a VMM: inject the guest's upcall */
}
static void host_kick(void *host, int soon)
{
    (void)host, (void)soon; /* a VMM: wake the thread that calls blanket_work */
}
static void host_gone(void *host, void *guest)
{
    (void)host, (void)guest;
    printf("host: nothing of the guest is left\n");
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
static const struct blanket_platform_ops platform = {.size = sizeof(platform),
                                                     .alloc = host_alloc,
                                                     .free = host_free,
                                                     .copy_from_above = host_read,
                                                     .copy_to_above = host_write,
                                                     .pin = host_pin,
                                                     .unpin = host_unpin,
                                                     .lock = host_lock,
                                                     .unlock = host_lock,
                                                     .hook = blanket_acl_allow,
                                                     .notify_above = host_notify,
                                                     .kick = host_kick,
                                                     .guest_gone = host_gone,
                                                     .preempt = host_preempt,
                                                     .index_nospec = host_nospec};

/* ---- the guest: its hypercall instruction, and a driver ---- */
static int guest_call(void *context, void *frame, uint32_t size)
{
    struct host *h = context;
    (void)size; /* the frame says so itself */
    return blanket_call(h->level, h->guest, 0, (uint64_t)((uint8_t *)frame - h->memory));
}
static int guest_send(void *context, uint64_t endpoint, uint64_t port)
{
    struct host *h = context;
    return blanket_send(h->level, h->guest, 0, endpoint, port);
}
static const struct blanket_transport_ops hypercall = {sizeof(hypercall), guest_call, guest_send};

/* Share page 4 with the backend, let it read and write there, and take the page back. */
static int guest_run(struct host *h, struct blanket_root *root, uint64_t backend)
{
    struct blanket_transport transport = {&hypercall, h};
    struct blanket_guest_access access = {.page = blanket_item(BLANKET_ITEM_FRAME, 3, 4)};
    struct blanket_guest_end end = {0};
    struct blanket_wire_endpoint info;
    struct blanket_guest_device device;
    static struct blanket_guest guest;
    static uint8_t slots[4096];
    char *shared = (char *)h->memory + 4 * PAGE;
    void *seen;

    if (blanket_guest_init(&guest, &transport, h->memory) || /* the frame: pages 0 and 1 */
        blanket_guest_lookup(&guest, "vbd/51712", &info) ||
        blanket_guest_device_size(&info) > sizeof(slots) ||
        blanket_guest_device_init(&device, &guest, &info, slots, 0)) {
        return 1;
    }
    strcpy(shared, "hello from the guest");
    if (blanket_guest_grant_access(&device, &access, 1) ||
        blanket_root_map(root, backend, blanket_guest_grant_reference(&device, access.grant), 3,
                         &seen)) {
        return 1;
    }
    printf("backend: reads \"%s\"\n", (char *)seen);
    strcpy(seen, "hello from the backend");
    end.index = access.grant;
    printf("guest: back while it is mapped? %d\n", blanket_guest_grant_end(&device, &end, 1));
    (void)blanket_root_unmap(root, backend, seen);
    printf("guest: and now? %d\n", blanket_guest_grant_end(&device, &end, 1));
    printf("guest: reads \"%s\"\n", shared);
    return end.status != 0;
}

/* ---- the host's life ---- */
static void *machine_page(void *host, uint64_t frame)
{
    return frame < PAGES ? ((struct host *)host)->memory + frame * PAGE : NULL;
}

int main(void)
{
    static struct host h;
    const struct blanket_root_host_ops machine = {.page = machine_page};
    const struct blanket_root_limits all = {
        .domains = 2, .devices = 1, .grants = 64, .mappings = 2};
    const struct blanket_root_device disk = {
        .frontend_domid = 1, .type = "vbd", .handle = 51712, .grants = 32, .mappings = 1};
    const struct blanket_limits limits = {.vcpus = 1, .guests = 1, .events = 1, .depth = 1};
    const struct blanket_guest_limits quota = {4, .grants = 32, .ports = 8, .vcpus = 1};
    struct blanket_mint mint = {
        .name = "vbd/51712", .rights = BLANKET_RIGHTS_ALL, .grants = {32, 0}};
    struct blanket_root_end front, back;
    struct blanket_root *root;
    uint64_t handle;

    if (blanket_root_create(&all, BLANKET_ROOT_SCOPE_ENDPOINT, &machine, &h, &root) ||
        blanket_root_device_add(root, &disk, NULL, 0, NULL, 0, &front, &back) ||
        blanket_level_create(&platform, &h, &limits, &h.level) ||
        blanket_guest_attach(h.level, &h, 1, &quota, &h.guest)) {
        return 1;
    }
    mint.guest = h.guest;
    mint.below = blanket_root_below(root);
    mint.below_endpoint = front.endpoint;
    mint.scope = front.scope;
    mint.grant_base = front.grant_base;
    if (blanket_endpoint_mint(h.level, &mint, &handle, NULL) ||
        guest_run(&h, root, back.endpoint)) {
        return 1;
    }
    blanket_guest_detach(h.level, h.guest);
    while (blanket_work(h.level, 64) == 1) {
    }
    return blanket_level_destroy(h.level) ? 1 : (blanket_root_destroy(root), 0);
}
