/* SPDX-License-Identifier: MIT */
/*
 * The door as a whole: what it opens, the descriptor that all others hang on, and its one place for events.
 */
#define _DEFAULT_SOURCE
#include "linux_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DEVICES_MAX 1024u
#define SLOTS_MAX 65536u
#define EVENTS_AT_ONCE 64u
#define ROUNDS_MAX 64u
#define SOURCES 8

int blanket_linux_listen(struct blanket_linux *door, int fd, enum linux_source source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

    return epoll_ctl(door->epoll, EPOLL_CTL_ADD, fd, &event)
               ? blanket_linux_fail(door, "epoll", errno)
               : 0;
}

void blanket_linux_listen_writable(struct blanket_linux *door, bool writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u),
                                .data.u32 = LINUX_STORE};

    (void)epoll_ctl(door->epoll, EPOLL_CTL_MOD, door->store.fd, &event);
}

/* ---- create ---- */

static bool config_valid(const struct blanket_linux_config *config)
{
    return config->devices >= 1 && config->devices <= DEVICES_MAX && config->grants <= SLOTS_MAX &&
           config->mappings <= SLOTS_MAX && config->ports <= SLOTS_MAX &&
           config->connections >= 1 && config->ops && config->ops->page;
}

static struct blanket_linux *door_new(const struct blanket_linux_config *config)
{
    struct blanket_linux *door = (struct blanket_linux *)calloc(1, sizeof(*door));

    if (!door) {
        return NULL;
    }
    pthread_mutex_init(&door->lock, NULL);
    door->config = *config;
    door->config.requests = config->requests ? config->requests : 16;
    door->config.watches = config->watches ? config->watches : 64;
    door->config.transactions = config->transactions ? config->transactions : 8;
    door->process = getpid();
    door->grant_room = config->grants;
    door->mapping_room = config->mappings;
    door->port_room = config->ports;
    door->epoll = -1;
    door->wake = -1;
    door->timer = -1;
    door->store.fd = -1;
    door->admin.fd = -1;
    return door;
}

static int memory_make(struct blanket_linux *door)
{
    door->store_path = strdup(blanket_linux_wire_path(door->config.store_path));
    door->places = (struct linux_place *)calloc(door->config.devices, sizeof(*door->places));
    if (!door->store_path || !door->places ||
        blanket_linux_table_init(&door->frames, door->config.grants + door->config.mappings) ||
        blanket_linux_table_init(&door->numbers, door->config.ports)) {
        return -BLANKET_ENOMEM;
    }
    return 0;
}

static int descriptors_make(struct blanket_linux *door)
{
    int status;

    door->epoll = epoll_create1(EPOLL_CLOEXEC);
    door->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    door->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (door->epoll < 0 || door->wake < 0 || door->timer < 0) {
        return blanket_linux_fail(door, "a descriptor", errno);
    }
    status = blanket_linux_listen(door, door->wake, LINUX_WAKE);
    return status ? status : blanket_linux_listen(door, door->timer, LINUX_TIMER);
}

/* The libraries open with O_CLOEXEC by themselves. */
static int nodes_open(struct blanket_linux *door)
{
    int fd;

    if (door->config.grants != 0) {
        door->shares = xengntshr_open(NULL, 0);
        if (!door->shares) {
            return blanket_linux_fail(door, "/dev/xen/gntalloc", errno);
        }
    }
    if (door->config.mappings != 0) {
        door->mapper = xengnttab_open(NULL, 0);
        if (!door->mapper) {
            return blanket_linux_fail(door, "/dev/xen/gntdev", errno);
        }
    }
    if (door->config.ports != 0) {
        door->channels = xenevtchn_open(NULL, 0);
        if (!door->channels) {
            return blanket_linux_fail(door, "/dev/xen/evtchn", errno);
        }
        fd = xenevtchn_fd(door->channels);
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)) {
            return blanket_linux_fail(door, "/dev/xen/evtchn", errno);
        }
        return blanket_linux_listen(door, fd, LINUX_CHANNELS);
    }
    return 0;
}

/* Who we are, from the store: only it says so without a right. */
static int self_find(struct blanket_linux *door)
{
    char text[16];
    int status = blanket_linux_admin_read(door, "domid", text, sizeof(text));

    if (status == -BLANKET_ENOENT && door->admin.socket) {
        text[0] = '0'; /* xenstored's own domain, whose toolstack didn't write it */
        text[1] = 0;
        status = 0;
    }
    if (status == 0 && (strspn(text, "0123456789") != strlen(text) || text[0] == 0)) {
        status = -BLANKET_EIO;
    }
    if (status) {
        return status;
    }
    door->domid = (uint32_t)strtoul(text, NULL, 10);
    if (door->domid > LINUX_DOMID_MAX) {
        return -BLANKET_EIO;
    }
    (void)snprintf(door->home, sizeof(door->home), "/local/domain/%u", door->domid);
    return blanket_linux_admin_open(door);
}

int blanket_linux_create(const struct blanket_linux_config *config, struct blanket_linux **made,
                         char *fault)
{
    struct blanket_linux *door;
    int status;

    if (fault) {
        fault[0] = 0;
    }
    if (!config_valid(config)) {
        return -BLANKET_EINVAL;
    }
    door = door_new(config);
    if (!door) {
        return -BLANKET_ENOMEM;
    }
    status = memory_make(door);
    status = status ? status : descriptors_make(door);
    status = status ? status : nodes_open(door);
    status = status ? status : blanket_linux_broker_init(door);
    status = status ? status : self_find(door);
    if (status) {
        if (fault) {
            memcpy(fault, door->fault, BLANKET_LINUX_FAULT_SIZE);
        }
        blanket_linux_destroy(door);
        return status;
    }
    door->calls = xencall_open(NULL, 0); /* without, less is known */
    *made = door;
    return 0;
}

static void close_one(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void blanket_linux_destroy(struct blanket_linux *door)
{
    uint32_t i;

    if (!door) {
        return;
    }
    for (i = 0; door->places && i < door->config.devices; i++) {
        if (door->places[i].end) {
            /* A child has none of the pages, and its channels are its parent's. */
            if (door->process == getpid()) {
                blanket_linux_end_kill(door->places[i].end);
            }
            blanket_linux_end_free(door->places[i].end);
        }
    }
    blanket_linux_admin_close(door);
    blanket_linux_broker_fini(door);
    if (door->calls) {
        (void)xencall_close(door->calls);
    }
    if (door->channels) {
        (void)xenevtchn_close(door->channels);
    }
    if (door->mapper) {
        (void)xengnttab_close(door->mapper);
    }
    if (door->shares) {
        (void)xengntshr_close(door->shares);
    }
    close_one(door->timer);
    close_one(door->wake);
    close_one(door->epoll);
    blanket_linux_table_fini(&door->numbers);
    blanket_linux_table_fini(&door->frames);
    free(door->places);
    free(door->store_path);
    pthread_mutex_destroy(&door->lock);
    free(door);
}

/* ---- the event loop ---- */

struct told {
    struct blanket_linux_sink sink;
    uint32_t number;
};

static bool told_prepare(const struct linux_port *port, struct told *told)
{
    const struct linux_end *end = port->end;

    if (port->slot.state == BLANKET_BELOW_FREE || end->dead || !end->sink.event) {
        return false;
    }
    told->sink = end->sink;
    told->number = end->event_base + (uint32_t)(port - end->ports);
    return true;
}

/* What has come, at most `room` of it: first the store's, then the channels'. */
static uint32_t collect(struct blanket_linux *door, struct told *told, uint32_t room)
{
    struct linux_port *port;
    uint32_t count = 0;

    while (count < room && door->pending) {
        port = door->pending;
        door->pending = port->next;
        port->queued = false;
        count += told_prepare(port, &told[count]) ? 1 : 0;
    }
    while (count < room && (door->ready & LINUX_CHANNELS) && blanket_linux_port_take(door, &port)) {
        count += port && told_prepare(port, &told[count]) ? 1 : 0;
    }
    return count;
}

/* Tell the sinks, without the lock: they may call the below. */
static void deliver(struct blanket_linux *door)
{
    struct told told[EVENTS_AT_ONCE];
    uint32_t count = EVENTS_AT_ONCE;
    uint32_t rounds = 0;
    uint32_t i;

    while (count == EVENTS_AT_ONCE && rounds++ < ROUNDS_MAX) {
        pthread_mutex_lock(&door->lock);
        count = collect(door, told, EVENTS_AT_ONCE);
        pthread_mutex_unlock(&door->lock);
        for (i = 0; i < count; i++) {
            told[i].sink.event(told[i].sink.context, told[i].number);
        }
    }
}

/* Each source is asked only if it has something: a system call less for each of the others. */
static uint32_t sources_ready(const struct blanket_linux *door)
{
    struct epoll_event events[SOURCES];
    int count = epoll_wait(door->epoll, events, SOURCES, 0);
    uint32_t ready = 0;
    int i;

    for (i = 0; i < count; i++) {
        ready |= events[i].data.u32;
    }
    return ready;
}

int blanket_linux_process(struct blanket_linux *door)
{
    const uint64_t one = 1;
    uint64_t wakes;
    bool more;
    int status;

    door->ready = sources_ready(door);
    pthread_mutex_lock(&door->lock);
    if (door->ready & LINUX_WAKE) {
        (void)!read(door->wake, &wakes, sizeof(wakes));
    }
    status = blanket_linux_broker_process(door);
    pthread_mutex_unlock(&door->lock);

    deliver(door);
    pthread_mutex_lock(&door->lock);
    more = door->pending != NULL;
    pthread_mutex_unlock(&door->lock);
    if (more) {
        (void)!write(door->wake, &one, sizeof(one));
    }
    if ((door->ready & LINUX_ADMIN) || door->admin.fd < 0) {
        blanket_linux_admin_process(door);
    }
    if (door->changed) {
        door->changed = false;
        if (door->config.ops->changed) {
            door->config.ops->changed(door->config.host);
        }
    }
    return status;
}

/* ---- what there is to know ---- */

int blanket_linux_fd(const struct blanket_linux *door)
{
    return door->epoll;
}

const char *blanket_linux_fault(struct blanket_linux *door)
{
    pthread_mutex_lock(&door->lock);
    memcpy(door->fault_shown, door->fault, sizeof(door->fault));
    pthread_mutex_unlock(&door->lock);
    return door->fault_shown;
}

void blanket_linux_stats(struct blanket_linux *door, struct blanket_linux_stats *stats)
{
    pthread_mutex_lock(&door->lock);
    *stats = door->stats;
    pthread_mutex_unlock(&door->lock);
}
