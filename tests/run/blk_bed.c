/* SPDX-License-Identifier: MIT */
#include "blk_bed.h"

#include <stdio.h>
#include <xen/io/xs_wire.h>

#define FRONT_EVENTS 100u
#define BACK_EVENTS 200u
#define PORTS 8u

/* ---- the provider's host ---- */

static void *host_page(void *host, uint64_t frame)
{
    struct bed *bed = host;

    return frame < BED_PAGES ? bed->memory + (size_t)bed->frames[frame] * BLK_PAGE_SIZE : NULL;
}

static void front_event(void *context, uint32_t number)
{
    struct bed *bed = context;

    if (bed->frontend != NULL && !bed->deaf) {
        blk_frontend_event(bed->frontend, number);
    }
}

static void back_event(void *context, uint32_t number)
{
    struct bed *bed = context;

    if (bed->backend != NULL) {
        blk_backend_event(bed->backend, number - BACK_EVENTS);
    }
}

/* ---- pages of the frontend's guest ---- */

int bed_page_alloc(void *context, struct blk_page *page)
{
    struct bed *bed = context;

    for (uint32_t i = 0; i < BED_PAGES; i++) {
        if (!bed->taken[i]) {
            bed->taken[i] = 1;
            bed->pages_out++;
            page->frame = i;
            page->address = host_page(bed, i);
            memset(page->address, 0, BLK_PAGE_SIZE);
            return 0;
        }
    }
    return -BLANKET_ENOMEM;
}

void bed_page_free(void *context, const struct blk_page *page)
{
    struct bed *bed = context;

    assert_int_equal(bed->taken[page->frame], 1);
    bed->taken[page->frame] = 0;
    bed->pages_out--;
    memset(page->address, 0xdb, BLK_PAGE_SIZE);
}

/* ---- the backend's host ---- */

static int map_page(void *context, uint32_t reference, unsigned access, void **address)
{
    struct bed *bed = context;

    if (bed->map_fails != 0 && --bed->map_fails == 0) {
        return -BLANKET_EAGAIN;
    }
    return blanket_root_map(bed->root, bed->back_end.endpoint, reference, access, address);
}

static int unmap_page(void *context, void *address)
{
    struct bed *bed = context;

    return blanket_root_unmap(bed->root, bed->back_end.endpoint, address);
}

static int disk_move(struct bed *bed, uint64_t offset, const struct iovec *parts, int count,
                     bool write)
{
    if (bed->disk_error != 0) {
        return bed->disk_error;
    }
    for (int i = 0; i < count; i++) {
        assert_true(offset + parts[i].iov_len <= bed->disk_size);
        memcpy(write ? bed->disk + offset : parts[i].iov_base,
               write ? parts[i].iov_base : bed->disk + offset, parts[i].iov_len);
        offset += parts[i].iov_len;
    }
    return 0;
}

static int disk_read(void *disk, uint64_t offset, const struct iovec *parts, int count)
{
    return disk_move(disk, offset, parts, count, false);
}

static int disk_write(void *disk, uint64_t offset, const struct iovec *parts, int count)
{
    return disk_move(disk, offset, parts, count, true);
}

static int disk_flush(void *disk)
{
    struct bed *bed = disk;

    bed->flushes++;
    return bed->disk_error;
}

static const struct blk_map_ops map_ops = {map_page, unmap_page};
static const struct blk_disk_ops disk_ops = {disk_read, disk_write, disk_flush};

/* While one side waits for the store, the other goes on. */
static int wait_for_event(void *context)
{
    (void)context;
    return -BLANKET_EAGAIN; /* the provider's store answers at once: this must not be needed */
}

/* ---- the bed ---- */

static void info_init(struct blanket_wire_endpoint *info, const struct blanket_root_end *end,
                      uint32_t port_base)
{
    memset(info, 0, sizeof(*info));
    info->endpoint = end->endpoint;
    info->grant_base = end->grant_base;
    info->port_base = port_base;
    info->grant_count = end->grants;
    info->mapping_count = end->mappings;
    info->port_count = end->ports;
}

static void configs_init(struct bed *bed)
{
    bed->front = (struct blk_frontend_config){.guest = &bed->front_guest,
                                              .name = "vbd/51712",
                                              .endpoint = &bed->front_info,
                                              .page_alloc = bed_page_alloc,
                                              .page_free = bed_page_free,
                                              .wait = wait_for_event,
                                              .context = bed,
                                              .segments = 11,
                                              .persistent = true};
    bed->back = (struct blk_backend_config){.guest = &bed->back_guest,
                                            .endpoint = &bed->back_info,
                                            .map = &map_ops,
                                            .map_context = bed,
                                            .disk = &disk_ops,
                                            .disk_context = bed,
                                            .sectors = BED_SECTORS,
                                            .sector_size = 512,
                                            .ring_order = 4,
                                            .indirect = 256,
                                            .persistent = 1024,
                                            .wait = wait_for_event,
                                            .wait_context = bed};
}

void bed_init(struct bed *bed, uint32_t grants)
{
    static const struct blanket_root_host_ops host_ops = {.page = host_page};
    const struct blanket_root_limits limits = {.domains = 4,
                                               .devices = 2,
                                               .grants = 2 * grants,
                                               .mappings = 8192,
                                               .ports = 64,
                                               .store_size = 1 << 20};
    const struct blanket_root_device device = {.frontend_domid = 1,
                                               .backend_domid = 0,
                                               .type = "vbd",
                                               .handle = 51712,
                                               .grants = grants,
                                               .mappings = 4096,
                                               .ports = PORTS,
                                               .connections = 1,
                                               .requests = 4,
                                               .watches = 4,
                                               .transactions = 2};
    const struct blanket_root_sink front_sink = {front_event, bed}, back_sink = {back_event, bed};
    struct blanket_below below;

    memset(bed, 0, sizeof(*bed));
    bed->memory = aligned_alloc(BLK_PAGE_SIZE, (size_t)BED_PAGES * BLK_PAGE_SIZE);
    bed->disk_size = (uint64_t)BED_SECTORS * 512;
    bed->disk = malloc(bed->disk_size);
    assert_non_null(bed->memory);
    assert_non_null(bed->disk);
    for (uint32_t i = 0; i < BED_PAGES; i++) {
        bed->frames[i] = (uint16_t)((i * 1103u + 77u) % BED_PAGES);
    }
    for (uint64_t i = 0; i < bed->disk_size; i++) {
        bed->disk[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &host_ops, bed, &bed->root), 0);
    assert_int_equal(blanket_root_device_add(bed->root, &device, &front_sink, FRONT_EVENTS,
                                             &back_sink, BACK_EVENTS, &bed->front_end,
                                             &bed->back_end),
                     0);
    below = blanket_root_below(bed->root);
    assert_int_equal(blanket_guest_init_direct(&bed->front_guest, &below, 0), 0);
    assert_int_equal(blanket_guest_init_direct(&bed->back_guest, &below, 1), 0);
    info_init(&bed->front_info, &bed->front_end, FRONT_EVENTS);
    info_init(&bed->back_info, &bed->back_end, BACK_EVENTS);
    assert_int_equal(blanket_root_client_connect(bed->root, 0, NULL, NULL, &bed->toolstack), 0);
    configs_init(bed);
}

void bed_backend(struct bed *bed)
{
    assert_int_equal(blk_backend_create(&bed->back, &bed->backend), 0);
}

void bed_frontend(struct bed *bed)
{
    assert_int_equal(blk_frontend_create(&bed->front, &bed->frontend), 0);
}

void bed_run(struct bed *bed)
{
    int busy = 1;

    for (uint32_t i = 0; busy; i++) {
        busy = bed->frontend != NULL && blk_frontend_poll(bed->frontend);
        busy |= bed->backend != NULL && blk_backend_poll(bed->backend);
        assert_true(i < 100000);
    }
}

void bed_connect(struct bed *bed)
{
    bed_backend(bed);
    bed_frontend(bed);
    bed_run(bed);
    assert_int_equal(blk_frontend_state(bed->frontend), BLK_FRONTEND_CONNECTED);
    assert_int_equal(blk_backend_state(bed->backend), BLK_BACKEND_CONNECTED);
}

void bed_frontend_close(struct bed *bed)
{
    blk_frontend_close(bed->frontend);
    bed_run(bed);
    assert_int_equal(blk_frontend_state(bed->frontend), BLK_FRONTEND_CLOSED);
    blk_frontend_destroy(bed->frontend);
    bed->frontend = NULL;
    assert_int_equal(bed->pages_out, 0);
}

void bed_fini(struct bed *bed)
{
    struct blanket_root_stats stats;
    int rc = -BLANKET_EBUSY;

    if (bed->frontend != NULL) {
        bed_frontend_close(bed);
    }
    blk_backend_destroy(bed->backend);
    bed->backend = NULL;
    blanket_root_stats(bed->root, &stats);
    assert_int_equal(stats.grants, 0);
    assert_int_equal(stats.mappings, 0);
    assert_int_equal(stats.ports, 0);
    assert_int_equal(stats.transactions, 0);
    blanket_root_client_disconnect(bed->toolstack);
    for (uint32_t i = 0; i < 16 && rc == -BLANKET_EBUSY; i++) {
        rc = blanket_root_device_remove(bed->root, bed->front_end.endpoint);
    }
    assert_int_equal(rc, 0);
    blanket_root_destroy(bed->root);
    free(bed->memory);
    free(bed->disk);
}

/* ---- transfers ---- */

struct transfer {
    uint32_t left;
    int status;
};

static void transfer_done(struct blk_request *request, int status)
{
    struct transfer *transfer = request->context;

    transfer->left--;
    if (transfer->status == 0) {
        transfer->status = status;
    }
}

/* One request's worth of it: pages of the guest, the data of a write in them. */
static struct blk_request *request_make(struct bed *bed, enum blk_operation operation,
                                        uint64_t sector, const uint8_t *data, uint32_t pages)
{
    struct blk_request *request = calloc(1, sizeof(*request));
    struct blk_segment *segments = calloc(pages, sizeof(*segments));
    uint32_t per_page = BLK_PAGE_SIZE / bed->frontend->info.sector_size;

    for (uint32_t i = 0; i < pages; i++) {
        assert_int_equal(bed_page_alloc(bed, &segments[i].page), 0);
        if (operation == BLK_WRITE) {
            memcpy(segments[i].page.address, data + (size_t)i * BLK_PAGE_SIZE, BLK_PAGE_SIZE);
        }
        segments[i].last = (uint16_t)(per_page - 1);
    }
    request->operation = operation;
    request->sector = sector;
    request->segments = segments;
    request->segment_count = pages;
    request->done = transfer_done;
    return request;
}

static void request_free(struct bed *bed, struct blk_request *request, uint8_t *data)
{
    for (uint32_t i = 0; i < request->segment_count; i++) {
        if (request->operation == BLK_READ) {
            memcpy(data + (size_t)i * BLK_PAGE_SIZE, request->segments[i].page.address,
                   BLK_PAGE_SIZE);
        }
        bed_page_free(bed, &request->segments[i].page);
    }
    free((void *)request->segments);
    free(request);
}

int bed_transfer(struct bed *bed, enum blk_operation operation, uint64_t sector, void *data,
                 uint32_t sectors)
{
    struct blk_request *requests[128];
    struct transfer transfer = {0, 0};
    uint32_t unit = bed->frontend->info.sector_size, per_page = BLK_PAGE_SIZE / unit;
    uint32_t pages = sectors / per_page, count = 0, first = 0;

    assert_int_equal(sectors % per_page, 0);
    while (first < pages && count < 128) {
        uint32_t part = pages - first < bed->frontend->info.segments ? pages - first
                                                                     : bed->frontend->info.segments;
        struct blk_request *request = request_make(
            bed, operation, sector + (uint64_t)first * per_page,
            (uint8_t *)data + (size_t)first * BLK_PAGE_SIZE, part);

        request->context = &transfer;
        requests[count] = request;
        transfer.left++;
        assert_int_equal(blk_frontend_submit(bed->frontend, request), 0);
        first += part;
        count++;
    }
    assert_int_equal(first, pages);
    bed_run(bed);
    assert_int_equal(transfer.left, 0);
    first = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = requests[i]->segment_count;

        request_free(bed, requests[i], (uint8_t *)data + (size_t)first * BLK_PAGE_SIZE);
        first += part;
    }
    return transfer.status;
}

int bed_flush(struct bed *bed)
{
    struct transfer transfer = {1, 0};
    struct blk_request request = {
        .operation = BLK_FLUSH, .done = transfer_done, .context = &transfer};
    int rc = blk_frontend_submit(bed->frontend, &request);

    if (rc != 0) {
        return rc;
    }
    bed_run(bed);
    assert_int_equal(transfer.left, 0);
    return transfer.status;
}

/* ---- the toolstack ---- */

static char reply_body[4112];

static uint32_t store_ask(struct bed *bed, uint32_t type, const char *body, uint32_t size,
                          uint32_t *reply_type)
{
    uint8_t message[16 + 512];
    struct xsd_sockmsg header = {type, ++bed->next_id, 0, size};
    uint8_t reply[4112];
    uint32_t used = 0;

    memcpy(message, &header, 16);
    memcpy(message + 16, body, size);
    assert_int_equal(blanket_root_client_submit(bed->toolstack, message, 16 + size), 0);
    assert_int_equal(blanket_root_client_receive(bed->toolstack, reply, sizeof(reply), &used), 0);
    assert_true(used >= 16);
    memcpy(&header, reply, 16);
    memcpy(reply_body, reply + 16, header.len);
    reply_body[header.len] = '\0';
    *reply_type = header.type;
    return header.len;
}

static uint32_t path_make(char *path, size_t size, int side, const char *key)
{
    return (uint32_t)snprintf(path, size, "%s/%s",
                              side == 0 ? "/local/domain/1/device/vbd/51712"
                                        : "/local/domain/0/backend/vbd/1/51712",
                              key) +
           1;
}

void bed_write(struct bed *bed, int side, const char *key, const char *value)
{
    char body[256];
    uint32_t size = path_make(body, sizeof(body), side, key), type;

    memcpy(body + size, value, strlen(value));
    store_ask(bed, XS_WRITE, body, size + (uint32_t)strlen(value), &type);
    assert_int_equal(type, XS_WRITE);
}

void bed_remove(struct bed *bed, int side, const char *key)
{
    char body[256];
    uint32_t type;

    store_ask(bed, XS_RM, body, path_make(body, sizeof(body), side, key), &type);
    assert_true(type == XS_RM || strcmp(reply_body, "ENOENT") == 0);
}

const char *bed_read(struct bed *bed, int side, const char *key)
{
    char body[256];
    uint32_t type;

    store_ask(bed, XS_READ, body, path_make(body, sizeof(body), side, key), &type);
    if (type != XS_READ) {
        assert_string_equal(reply_body, "ENOENT");
        return "";
    }
    return reply_body;
}
