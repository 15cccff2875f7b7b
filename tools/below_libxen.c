/* SPDX-License-Identifier: MIT */
#include "below_libxen.h"

#include <blanket/port/linux.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define GRANTS_MIN 64u
#define CLOSE_TURNS 200 /* of 10 ms, for the store's answers at the end */

struct below_libxen {
    struct blanket_sim *sim;
    struct blanket_linux *door;
    struct blanket_linux_host_ops ops;
    struct below_libxen_device device;
    struct blanket_root_sink front;
    struct blanket_linux_end end;
    bool attached;
    char fault[BLANKET_LINUX_FAULT_SIZE]; /* of create */
};

/* The sim looks for the page itself, and that each level has pinned it. */
static struct blanket_linux_host_ops host_ops(void)
{
    const struct blanket_linux_host_ops ops = {.page = blanket_sim_host_ops()->page};

    return ops;
}

int below_libxen_open(struct below_libxen **made, struct blanket_sim *sim,
                      const struct below_libxen_device *device)
{
    struct blanket_linux_config config = {.devices = 1,
                                          .grants = device->grants,
                                          .ports = device->ports,
                                          .connections = 2,
                                          .host = sim};
    struct below_libxen *below = calloc(1, sizeof(*below));
    int rc;

    *made = below;
    if (below == NULL) {
        return -BLANKET_ENOMEM;
    }
    below->sim = sim;
    below->device = *device;
    below->ops = host_ops();
    config.ops = &below->ops;
    rc = blanket_linux_create(&config, &below->door, below->fault);
    if (rc == 0) {
        blanket_sim_provider(sim, blanket_linux_below(below->door));
    }
    return rc;
}

const char *below_libxen_fault(struct below_libxen *below)
{
    return below->door != NULL ? blanket_linux_fault(below->door) : below->fault;
}

/* A window needs references that follow each other. What a driver of this domain has let go of comes back to
 * the kernel bit by bit as its backend unmaps it, and until then there are holes: a smaller window fits
 * between them, and the frontend makes do with it. */
static int device_add(struct below_libxen *below, struct blanket_linux_device *device,
                      const struct blanket_linux_sink *sink, uint32_t event_base)
{
    int rc;

    for (;;) {
        rc = blanket_linux_device_add(below->door, device, sink, event_base, &below->end);
        if (rc != -BLANKET_ENOSPC || device->grants / 2 < GRANTS_MIN) {
            return rc;
        }
        device->grants = device->grants / 2 & ~(BLANKET_CHUNK_SLOTS - 1);
    }
}

int below_libxen_attach(struct below_libxen *below, uint32_t guest, struct blanket_root_end *end,
                        uint32_t *event_base)
{
    /* Drivers grant pages to be read only; here the backend could write them too. */
    struct blanket_linux_device device = {.name = below->device.name,
                                          .flags = BLANKET_LINUX_GRANT_WIDER,
                                          .grants = below->device.grants,
                                          .ports = below->device.ports,
                                          .connections = 2,
                                          .requests = 8,
                                          .watches = 8,
                                          .transactions = 2,
                                          .grant_notify = BLANKET_LINUX_NOTIFY_NONE,
                                          .map_notify = BLANKET_LINUX_NOTIFY_NONE};
    struct blanket_linux_sink sink;
    int rc = blanket_sim_events(below->sim, guest, below->device.ports, &below->front, event_base);

    sink.event = below->front.event;
    sink.context = below->front.context;
    if (rc == 0) {
        rc = device_add(below, &device, &sink, *event_base);
    }
    if (rc != 0) {
        return rc;
    }
    below->attached = true;
    memset(end, 0, sizeof(*end));
    end->endpoint = below->end.endpoint;
    end->scope = below->end.scope;
    end->grant_base = below->end.grant_base;
    end->grants = below->end.grants;
    end->ports = below->end.ports;
    return 0;
}

bool below_libxen_turn(struct below_libxen *below, int milliseconds)
{
    struct pollfd wait = {.fd = blanket_linux_fd(below->door), .events = POLLIN};

    if (poll(&wait, 1, milliseconds) <= 0) {
        return false;
    }
    (void)blanket_linux_process(below->door);
    return true;
}

uint32_t below_libxen_close(struct below_libxen *below)
{
    struct blanket_linux_stats stats;
    uint32_t left;

    if (below == NULL || below->door == NULL) {
        free(below);
        return 0;
    }
    blanket_linux_stats(below->door, &stats);
    left = stats.grants + stats.ports;
    for (int i = 0; below->attached && i < CLOSE_TURNS; i++) {
        below->attached = blanket_linux_device_remove(below->door, below->end.endpoint) ==
                          -BLANKET_EBUSY;
        if (below->attached) {
            (void)below_libxen_turn(below, 10);
        }
    }
    blanket_linux_destroy(below->door);
    free(below);
    return left;
}
