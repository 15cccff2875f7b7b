/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* preadv, pwritev */
#include "root_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PORTS 4u
#define FRONT_BASE 100u
#define PAGE 4096u

static void *host_page(void *context, uint64_t frame)
{
    struct root_host *host = context;

    return frame < ROOT_HOST_PAGES ? host->memory + frame * PAGE : NULL;
}

static void signal_fd(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0) {
        return;
    }
}

static void front_event(void *context, uint32_t number)
{
    struct root_host *host = context;

    if (!atomic_load(&host->deaf)) {
        atomic_fetch_or(&host->front_events, 1u << (number - FRONT_BASE));
        signal_fd(host->front_fd);
    }
}

static void back_event(void *context, uint32_t number)
{
    struct root_host *host = context;

    atomic_fetch_or(&host->back_events, 1u << number);
    signal_fd(host->back_fd);
}

/* ---- the frontend's side: a disk host ---- */

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

/* Real stores answer later: no reply comes along with its request, an event says that it's there; and a
 * broker has to take leave of the store below before a connection is gone. */
static int late_call(void *context, struct blanket_call *call)
{
    struct root_host *host = context;
    struct blanket_below below = blanket_root_below(host->root);
    struct blanket_call inner = *call;
    int status;

    if (call->verb == BLANKET_VERB_STORE_DISCONNECT) {
        host->leaving = host->leaving_port == call->items[0] ? (host->leaving + 1) % 4 : 1;
        host->leaving_port = call->items[0];
    }
    if (host->leaving != 0 && host->leaving_port == call->items[0]) {
        bool asked = call->verb == BLANKET_VERB_STORE_DISCONNECT;

        call->results[0] = blanket_result(asked ? -BLANKET_EBUSY : -BLANKET_ENOENT, 0);
        call->done = 1;
        return 0;
    }
    if (call->verb == BLANKET_VERB_STORE_RECEIVE && atomic_exchange(&host->lose, false)) {
        host->lost = call->items[0];
    }
    if (call->verb >> 12 == BLANKET_ROOM_XENSTORE && call->verb != BLANKET_VERB_STORE_DISCONNECT &&
        call->items[0] == host->lost) {
        call->results[0] = blanket_result(-BLANKET_ENOTCONN, 0);
        call->done = 1;
        return 0;
    }
    if (call->verb >> 12 == BLANKET_ROOM_XENSTORE && call->verb != BLANKET_VERB_STORE_RECEIVE) {
        inner.reply_max = 0;
    }
    status = below.ops->call(below.context, &inner);
    call->done = inner.done;
    call->detail = inner.detail;
    call->reply_size = inner.reply_size;
    return status;
}

static int late_send(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port)
{
    struct root_host *host = context;
    struct blanket_below below = blanket_root_below(host->root);

    return below.ops->send(below.context, vcpu, endpoint, port);
}

static const struct blanket_below_ops late_ops = {.call = late_call, .send = late_send};

static int front_open(void *context, struct blanket_guest **guest,
                      struct blanket_wire_endpoint *endpoint)
{
    struct root_host *host = context;
    const struct blanket_below below = {&late_ops, host};

    info_init(endpoint, &host->front_end, FRONT_BASE);
    *guest = &host->front_guest;
    atomic_fetch_add(&host->opened, 1);
    return blanket_guest_init_direct(&host->front_guest, &below, 0);
}

static void front_close(void *context)
{
    (void)context;
}

static int front_page_alloc(void *context, struct blk_page *page)
{
    struct root_host *host = context;

    for (uint32_t i = 0; i < ROOT_HOST_PAGES; i++) {
        if (!host->taken[i]) {
            host->taken[i] = 1;
            host->pages_out++;
            page->frame = i;
            page->address = host_page(host, i);
            memset(page->address, 0, PAGE);
            return 0;
        }
    }
    return -BLANKET_ENOSPC;
}

static void front_page_free(void *context, const struct blk_page *page)
{
    struct root_host *host = context;

    if (!host->taken[page->frame]) {
        abort(); /* given back twice */
    }
    host->taken[page->frame] = 0;
    host->pages_out--;
    memset(page->address, 0xdb, PAGE);
}

static int front_fd(void *context)
{
    const struct root_host *host = context;

    return host->front_fd;
}

static int front_take(void *context, uint32_t *port)
{
    struct root_host *host = context;
    unsigned events = atomic_load(&host->front_events);
    uint64_t count;

    if (events == 0) {
        /* Read, then look again: an event between the two leaves it readable. */
        if (read(host->front_fd, &count, sizeof(count)) < 0) {
            return 0;
        }
        events = atomic_load(&host->front_events);
        if (events == 0) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < PORTS; i++) {
        if ((events & 1u << i) != 0) {
            atomic_fetch_and(&host->front_events, ~(1u << i));
            *port = FRONT_BASE + i;
            return 1;
        }
    }
    return 0;
}

static const char *front_explain(int status)
{
    (void)status;
    return "the provider refuses";
}

/* ---- the backend's side ---- */

static int map_page(void *context, uint32_t reference, unsigned access, void **address)
{
    struct root_host *host = context;

    return blanket_root_map(host->root, host->back_end.endpoint, reference, access, address);
}

static int unmap_page(void *context, void *address)
{
    struct root_host *host = context;

    return blanket_root_unmap(host->root, host->back_end.endpoint, address);
}

static int moved(ssize_t done, const struct iovec *parts, int count)
{
    size_t wanted = 0;

    for (int i = 0; i < count; i++) {
        wanted += parts[i].iov_len;
    }
    return done == (ssize_t)wanted ? 0 : -EIO;
}

static int file_read(void *context, uint64_t offset, const struct iovec *parts, int count)
{
    struct root_host *host = context;
    int error = atomic_load(&host->disk_error);

    return error ? error : moved(preadv(host->file, parts, count, (off_t)offset), parts, count);
}

static int file_write(void *context, uint64_t offset, const struct iovec *parts, int count)
{
    struct root_host *host = context;
    int error = atomic_load(&host->disk_error);

    return error ? error : moved(pwritev(host->file, parts, count, (off_t)offset), parts, count);
}

static int file_flush(void *context)
{
    struct root_host *host = context;

    atomic_fetch_add(&host->flushes, 1);
    return atomic_load(&host->disk_error);
}

static const struct blk_map_ops map_ops = {map_page, unmap_page};
static const struct blk_disk_ops disk_ops = {file_read, file_write, file_flush};

static int back_wait(void *context)
{
    (void)context;
    return -BLANKET_EAGAIN; /* the provider's store answers at once */
}

static int backend_begin(struct root_host *host)
{
    struct blanket_below below = blanket_root_below(host->root);
    const struct blk_backend_config config = {.guest = &host->back_guest,
                                              .endpoint = &host->back_info,
                                              .map = &map_ops,
                                              .map_context = host,
                                              .disk = &disk_ops,
                                              .disk_context = host,
                                              .sectors = host->size / 512,
                                              .sector_size = 512,
                                              .read_only = host->read_only,
                                              .ring_order = host->ring_order,
                                              .indirect = host->indirect,
                                              .persistent = host->persistent,
                                              .wait = back_wait};

    info_init(&host->back_info, &host->back_end, 0);
    if (blanket_guest_init_direct(&host->back_guest, &below, 1) != 0) {
        return -1;
    }
    return blk_backend_create(&config, &host->backend);
}

static void *back_thread(void *context)
{
    struct root_host *host = context;

    while (!atomic_load(&host->stop)) {
        struct pollfd ready = {.fd = host->back_fd, .events = POLLIN};
        unsigned events;
        uint64_t count;

        if (atomic_exchange(&host->renew, false)) {
            blk_backend_destroy(host->backend);
            host->backend = NULL;
        }
        if (host->backend == NULL && !atomic_load(&host->away) && backend_begin(host) != 0) {
            host->backend = NULL;
        }
        (void)poll(&ready, 1, 20);
        if ((ready.revents & POLLIN) != 0 && read(host->back_fd, &count, sizeof(count)) < 0) {
            continue;
        }
        events = atomic_exchange(&host->back_events, 0);
        for (uint32_t i = 0; i < PORTS && host->backend != NULL; i++) {
            if ((events & 1u << i) != 0) {
                blk_backend_event(host->backend, i);
            }
        }
        while (host->backend != NULL && blk_backend_poll(host->backend) > 0) {
            continue;
        }
    }
    blk_backend_destroy(host->backend);
    return NULL;
}

/* ---- both ---- */

static int root_make(struct root_host *host)
{
    static const struct blanket_root_host_ops ops = {.page = host_page};
    const struct blanket_root_limits limits = {.domains = 4,
                                               .devices = 2,
                                               .grants = 2 * host->grants,
                                               .mappings = 8192,
                                               .ports = 64,
                                               .store_size = 1 << 20};
    const struct blanket_root_device device = {.frontend_domid = 1,
                                               .backend_domid = 0,
                                               .type = "vbd",
                                               .handle = 51712,
                                               .grants = host->grants,
                                               .mappings = 4096,
                                               .ports = PORTS,
                                               .connections = 2,
                                               .requests = 4,
                                               .watches = 4,
                                               .transactions = 2};
    const struct blanket_root_sink front = {front_event, host}, back = {back_event, host};
    int status = blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &ops, host, &host->root);

    if (status == 0) {
        status = blanket_root_device_add(host->root, &device, &front, FRONT_BASE, &back, 0,
                                         &host->front_end, &host->back_end);
    }
    return status;
}

int root_host_start(struct root_host *host, const char *path)
{
    struct stat file;

    host->host = (struct disk_host){.open = front_open,
                                    .close = front_close,
                                    .page_alloc = front_page_alloc,
                                    .page_free = front_page_free,
                                    .fd = front_fd,
                                    .take = front_take,
                                    .explain = front_explain,
                                    .context = host};
    host->file = open(path, host->read_only ? O_RDONLY : O_RDWR);
    host->front_fd = eventfd(0, EFD_NONBLOCK);
    host->back_fd = eventfd(0, EFD_NONBLOCK);
    host->memory = aligned_alloc(PAGE, (size_t)ROOT_HOST_PAGES * PAGE);
    if (host->file < 0 || fstat(host->file, &file) != 0 || host->memory == NULL) {
        return -1;
    }
    host->size = (uint64_t)file.st_size;
    if (root_make(host) != 0) {
        return -1;
    }
    return pthread_create(&host->thread, NULL, back_thread, host) == 0 ? 0 : -1;
}

void root_host_lose_store(struct root_host *host)
{
    atomic_store(&host->lose, true);
    for (uint32_t i = 0; i < PORTS; i++) {
        front_event(host, FRONT_BASE + i);
    }
}

void root_host_stop(struct root_host *host)
{
    atomic_store(&host->stop, true);
    signal_fd(host->back_fd);
    pthread_join(host->thread, NULL);
    blanket_root_destroy(host->root);
    close(host->file);
    close(host->front_fd);
    close(host->back_fd);
    free(host->memory);
}
