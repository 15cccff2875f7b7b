/* SPDX-License-Identifier: MIT */
/*
 * The broker: one engine for all devices, on one connection to the store. When that breaks it is made anew,
 * and the engine sets its watches again.
 */
#include "linux_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define QUEUE_SIZE 8192u /* two messages of the largest size for each connection */
#define WATCH_PATH_SIZE 512u
#define ENGINE_ALIGNMENT 16u
#define MESSAGES_AT_ONCE 256u
#define RETRY_SECONDS 1

static void retry_later(struct blanket_linux *door)
{
    const struct itimerspec when = {.it_value = {.tv_sec = RETRY_SECONDS}};

    (void)timerfd_settime(door->timer, 0, &when, NULL);
}

/* The connection is broken; whoever processes next makes a new one. */
static void lose(struct blanket_linux *door)
{
    const struct itimerspec now = {.it_value = {.tv_nsec = 1}};

    if (!door->lost) {
        door->lost = true;
        door->stats.store_losses++;
        blanket_linux_note(door, "%s: the connection to the store broke", door->store_path);
        (void)timerfd_settime(door->timer, 0, &now, NULL);
    }
}

static int engine_send(void *context, const void *message, uint32_t size)
{
    struct blanket_linux *door = (struct blanket_linux *)context;
    int status = door->lost ? -BLANKET_ENOTCONN
                            : blanket_linux_wire_send(&door->store, message, size);

    if (status == 0) {
        if (door->store.out_size != 0) {
            blanket_linux_listen_writable(door, true);
        }
        return 0;
    }
    door->blocked = true;
    if (status != -BLANKET_EAGAIN) {
        lose(door);
    }
    return -BLANKET_EAGAIN;
}

/* From inside a call: noted only, and told by process. */
static void engine_event(void *context, uint64_t cookie, uint32_t index)
{
    struct blanket_linux *door = (struct blanket_linux *)context;
    struct linux_end *end = blanket_linux_end_find(door, cookie);
    const uint64_t one = 1;
    struct linux_port *port;

    if (!end || index >= end->port_count) {
        return;
    }
    port = &end->ports[index];
    if (!port->queued) {
        port->queued = true;
        port->next = door->pending;
        door->pending = port;
        if (write(door->wake, &one, sizeof(one)) < 0) {
            return; /* the counter is full: it's readable all the more */
        }
    }
}

static const struct blanket_store_ops engine_ops = {
    .send = engine_send,
    .event = engine_event,
};

/* Number of a port as the peer sees it. */
static int port_number(void *context, uint64_t cookie, uint32_t index, uint32_t *number)
{
    const struct linux_end *end = blanket_linux_end_find((const struct blanket_linux *)context,
                                                         cookie);

    if (!end || index >= end->port_count || end->ports[index].slot.state != BLANKET_BELOW_LIVE) {
        return -BLANKET_ENOENT;
    }
    *number = (uint32_t)end->ports[index].node.key;
    return 0;
}

static int engine_make(struct blanket_linux *door)
{
    const struct blanket_store_limits limits = {.views = door->config.devices,
                                                .connections = door->config.connections,
                                                .watches = door->config.watches,
                                                .transactions = door->config.transactions,
                                                .requests = door->config.requests,
                                                .queue_size = QUEUE_SIZE,
                                                .ports = door->config.ports,
                                                .watch_path = WATCH_PATH_SIZE};
    size_t size = blanket_store_size(&limits);

    if (size == 0) {
        blanket_linux_note(door, "a limit of the store is out of range");
        return -BLANKET_EINVAL;
    }
    size = (size + ENGINE_ALIGNMENT - 1) & ~(size_t)(ENGINE_ALIGNMENT - 1);
    door->engine_memory = aligned_alloc(ENGINE_ALIGNMENT, size);
    if (!door->engine_memory) {
        return -BLANKET_ENOMEM;
    }
    memset(door->engine_memory, 0, size);
    return blanket_store_init(door->engine_memory, &limits, &engine_ops, door, &door->engine);
}

static int connect_store(struct blanket_linux *door)
{
    int error = -blanket_linux_wire_open(&door->store, door->store_path);

    if (error) {
        return blanket_linux_fail(door, door->store_path, error);
    }
    return blanket_linux_listen(door, door->store.fd, LINUX_STORE);
}

int blanket_linux_broker_init(struct blanket_linux *door)
{
    int status = engine_make(door);

    return status ? status : connect_store(door);
}

void blanket_linux_broker_fini(struct blanket_linux *door)
{
    blanket_linux_wire_close(&door->store);
    free(door->engine_memory);
}

int blanket_linux_broker_view(struct linux_end *end, const struct blanket_linux_device *device,
                              const char *own, const char *other)
{
    const uint32_t look = 1u << BLANKET_RIGHT_STORE_READ | 1u << BLANKET_RIGHT_STORE_WATCH;
    const uint32_t all = look | 1u << BLANKET_RIGHT_STORE_WRITE;
    bool backend = device->flags & BLANKET_LINUX_BACKEND;
    struct blanket_store_view_spec spec = {.cookie = end->handle,
                                           .self_domid = end->door->domid,
                                           .peer_domid = end->peer_domid,
                                           .grant_base = end->grant_base,
                                           .connections = device->connections,
                                           .requests = device->requests,
                                           .watches = device->watches,
                                           .transactions = device->transactions,
                                           .ports = device->ports,
                                           .port_number = port_number};

    spec.roots[BLANKET_ROOT_FRONTEND].path = backend ? other : own;
    spec.roots[BLANKET_ROOT_FRONTEND].rights = backend ? look : all;
    spec.roots[BLANKET_ROOT_BACKEND].path = backend ? own : other;
    spec.roots[BLANKET_ROOT_BACKEND].rights = backend ? all : look;
    return blanket_store_view_add(end->door->engine, &spec, &end->view);
}

/* Hand a call to the engine, by the name that it knows the end by. */
int blanket_linux_broker_call(struct linux_end *end, struct blanket_call *call)
{
    struct blanket_call inner = *call;
    int status;

    inner.endpoint = end->view;
    status = blanket_store_call(end->door->engine, &inner);
    call->done = inner.done;
    call->detail = inner.detail;
    call->reply_size = inner.reply_size;
    return status;
}

static int reconnect(struct blanket_linux *door)
{
    int status;

    blanket_linux_wire_close(&door->store);
    status = connect_store(door);
    if (status) {
        retry_later(door);
        return -BLANKET_ENOTCONN;
    }
    door->lost = false;
    blanket_store_lost(door->engine);
    return 0;
}

static void receive_all(struct blanket_linux *door)
{
    const uint8_t *message;
    uint32_t count = 0;
    uint32_t size;
    int status = 1;

    while (count++ < MESSAGES_AT_ONCE && status > 0) {
        status = blanket_linux_wire_receive(&door->store, &message, &size);
        if (status > 0) {
            blanket_store_input(door->engine, message, size);
        }
        if (door->lost) {
            return; /* the engine has sent from inside, and that broke it */
        }
    }
    if (status < 0) {
        lose(door);
    }
}

int blanket_linux_broker_process(struct blanket_linux *door)
{
    uint64_t ticks;
    bool due = (door->ready & LINUX_TIMER) &&
               read(door->timer, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks);

    if (!door->engine) {
        return 0;
    }
    if (door->lost) {
        if (!due || reconnect(door)) {
            return -BLANKET_ENOTCONN;
        }
    }
    if (door->ready & LINUX_STORE) {
        receive_all(door);
    }
    if (!door->lost && door->store.out_size != 0) {
        int status = blanket_linux_wire_flush(&door->store);

        if (status == 0) {
            blanket_linux_listen_writable(door, false);
        } else if (status != -BLANKET_EAGAIN) {
            lose(door);
        }
    }
    if (!door->lost && door->blocked && door->store.out_size == 0) {
        door->blocked = false;
        blanket_store_ready(door->engine);
    }
    return door->lost ? -BLANKET_ENOTCONN : 0;
}
