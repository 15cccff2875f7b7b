/* SPDX-License-Identifier: MIT */
#include "world_host.h"

#define WORK_BUDGET 256u
#define LIBXEN_WAIT_MS 50 /* for a Xen below, in a turn in which nothing happens */

/* ---- the disk: a guest's slice of the image ---- */

static uint64_t slice_offset(const struct world_guest *guest)
{
    return guest->first * IMAGE_SECTOR;
}

static int slice_read(void *context, uint64_t offset, const struct iovec *parts, int count)
{
    const struct world_guest *guest = context;

    return image_read(guest->world->disk, slice_offset(guest) + offset, parts, count)
               ? 0
               : -BLANKET_EIO;
}

static int slice_write(void *context, uint64_t offset, const struct iovec *parts, int count)
{
    const struct world_guest *guest = context;

    return image_write(guest->world->disk, slice_offset(guest) + offset, parts, count)
               ? 0
               : -BLANKET_EIO;
}

static int slice_flush(void *context)
{
    const struct world_guest *guest = context;

    return image_sync(guest->world->disk) ? 0 : -BLANKET_EIO;
}

const struct blk_disk_ops world_slice_ops = {slice_read, slice_write, slice_flush};

/* ---- what frontend and backend need of their host ---- */

int world_page_alloc(void *context, struct blk_page *page)
{
    struct world_guest *guest = context;
    int rc = blanket_sim_page_alloc(guest->world->sim, guest->node, 1, &page->frame);

    if (rc == 0) {
        page->address = blanket_sim_page(guest->world->sim, guest->node, page->frame);
    }
    return rc;
}

void world_page_free(void *context, const struct blk_page *page)
{
    struct world_guest *guest = context;

    (void)blanket_sim_page_free(guest->world->sim, guest->node, page->frame);
}

static int page_map(void *context, uint32_t reference, unsigned access, void **address)
{
    struct world_guest *guest = context;

    return blanket_root_map(guest->world->root, guest->back_end.endpoint, reference, access,
                            address);
}

static int page_unmap(void *context, void *address)
{
    struct world_guest *guest = context;

    return blanket_root_unmap(guest->world->root, guest->back_end.endpoint, address);
}

const struct blk_map_ops world_map_ops = {page_map, page_unmap};

/* ---- events ---- */

/* Called from inside of whatever raised it. */
void world_front_event(void *context, uint32_t vcpu, uint32_t port)
{
    struct world_guest *guest = context;

    (void)vcpu;
    guest->pending |= 1u << (port & 31u);
}

void world_back_event(void *context, uint32_t number)
{
    struct world_guest *guest = context;

    if (guest->backend != NULL) {
        blk_backend_event(guest->backend, number);
    }
}

/* What was raised is taken, as a guest's upcall takes it, and goes to its frontend. */
static void events_take(struct world_guest *guest)
{
    for (uint32_t port = 0; guest->pending != 0 && port < 32; port++) {
        if ((guest->pending & 1u << port) == 0) {
            continue;
        }
        guest->pending &= ~(1u << port);
        if (blanket_sim_event_take(guest->world->sim, guest->node, port) == 1 &&
            guest->frontend != NULL) {
            blk_frontend_event(guest->frontend, port);
        }
    }
}

static bool backends_turn(struct world *world)
{
    bool busy = world->libxen != NULL && below_libxen_turn(world->libxen, 0);

    for (uint32_t i = 0; i < world->config.guests; i++) {
        struct world_guest *guest = &world->guests[i];

        busy |= guest->backend != NULL && blk_backend_poll(guest->backend) != 0;
    }
    return busy;
}

/* A turn of everybody but the frontend; whether it brought something. */
static bool wait_turn(struct world_guest *guest)
{
    bool busy = backends_turn(guest->world);

    busy |= blanket_sim_work(guest->world->sim, WORK_BUDGET) == 1;
    busy |= guest->pending != 0;
    events_take(guest);
    return busy;
}

/* A frontend waits for the store: everybody else goes on. Over libxen it looks for its answer now and then
 * even if no event says that it's there. */
int world_front_wait(void *context)
{
    struct world_guest *guest = context;
    struct world *world = guest->world;

    for (uint32_t i = 1; i <= WORLD_IDLE_MAX; i++) {
        if (wait_turn(guest)) {
            guest->silence = 0;
            return 0;
        }
        if (world->libxen != NULL) {
            (void)below_libxen_turn(world->libxen, LIBXEN_WAIT_MS);
            guest->silence++;
            if (i == WORLD_LOOK && guest->silence < WORLD_IDLE_MAX) {
                return 0;
            }
        }
    }
    guest->silence = 0;
    return -BLANKET_EAGAIN;
}

/* The provider's store answers at once: a backend that has to wait for it waits for ever. */
int world_back_wait(void *context)
{
    (void)context;
    return -BLANKET_EAGAIN;
}

/* xorshift64 */
static uint32_t world_random(struct world *world, uint32_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t)(world->random >> 32) % below;
}

bool world_turn(struct world *world)
{
    uint32_t count = world->config.guests;
    uint32_t first = world_random(world, count);
    bool busy = false;

    for (uint32_t i = 0; i < count; i++) {
        struct world_guest *guest = &world->guests[(first + i) % count];

        events_take(guest);
        busy |= guest->frontend != NULL && blk_frontend_poll(guest->frontend) != 0;
    }
    busy |= backends_turn(world);
    busy |= blanket_sim_work(world->sim, WORK_BUDGET) == 1;
    for (uint32_t i = 0; i < count; i++) {
        busy |= world->guests[i].pending != 0;
    }
    if (!busy && world->libxen != NULL) {
        busy = below_libxen_turn(world->libxen, LIBXEN_WAIT_MS);
    }
    return busy;
}

const char *world_error(const struct world *world)
{
    for (uint32_t i = 0; i < world->config.guests; i++) {
        const struct world_guest *guest = &world->guests[i];
        const char *error = NULL;

        if (guest->backend != NULL) {
            error = blk_backend_error(guest->backend);
        }
        if (error == NULL && guest->frontend != NULL) {
            error = blk_frontend_error(guest->frontend);
        }
        if (error != NULL) {
            return error;
        }
    }
    return NULL;
}
