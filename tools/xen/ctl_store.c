/* SPDX-License-Identifier: MIT */
/*
 * What the store below says of a device: asked through the broker, by an endpoint that may read the store
 * as this Xen may, and lives as long as the question.
 */
#include "channels.h"
#include "ctl.h"

#include <poll.h>
#include <stdlib.h>

#define NAME "blanketctl"
#define TICK_MS 1000    /* what a lost event costs */
#define ANSWER_MS 10000 /* a store that is silent for so long is none */
#define PATH_SIZE 300u

struct question {
    struct ctl *ctl;
    struct xen_channels *channels;
    struct blanket_guest guest;
    struct blanket_guest_device device;
    struct blanket_guest_store store;
    uint64_t endpoint;
    void *memory;
    uint32_t silence; /* milliseconds without an event */
    bool minted, connected;
};

static int wait_for_store(void *context)
{
    struct question *question = context;
    struct pollfd ready = {.fd = xen_channels_fd(question->channels), .events = POLLIN};
    uint32_t port;

    if (poll(&ready, 1, TICK_MS) <= 0) {
        question->silence += TICK_MS;
        return question->silence < ANSWER_MS ? 0 : -BLANKET_EAGAIN;
    }
    question->silence = 0;
    while (xen_channels_take(question->channels, &port) > 0) {
        continue;
    }
    return 0;
}

/* An endpoint of our own domain's for it. 0, or the exit status. */
static int endpoint_mint(struct question *question)
{
    struct blanket_xen_attach attach = {.domain = BLANKET_XEN_DOMAIN_SELF,
                                        .endpoints = 64,
                                        .grants = 4096,
                                        .mappings = 256,
                                        .ports = 256};
    struct blanket_xen_mint mint = {.domain = BLANKET_XEN_DOMAIN_SELF,
                                    .rights = 1u << BLANKET_RIGHT_QUERY |
                                              1u << BLANKET_RIGHT_STORE_CONNECT |
                                              1u << BLANKET_RIGHT_STORE_READ,
                                    .flags = BLANKET_XEN_MINT_STORE | BLANKET_XEN_MINT_RAW,
                                    .peer = BLANKET_XEN_NO_PEER,
                                    .ports = 1,
                                    .connections = 1,
                                    .requests = 4,
                                    .name = NAME};
    int status = ctl_admin(question->ctl, BLANKET_XEN_ATTACH, &attach, sizeof(attach));

    if (status != 0 && status != -BLANKET_EEXIST) {
        return ctl_fail("attaching this domain", status);
    }
    status = ctl_admin(question->ctl, BLANKET_XEN_MINT, &mint, sizeof(mint));
    if (status != 0) {
        return ctl_fail("making an endpoint to read the store below with", status);
    }
    question->endpoint = mint.endpoint;
    question->minted = true;
    return 0;
}

static int store_connect(struct question *question)
{
    const struct blanket_transport down = xen_transport_guest(question->ctl->transport);
    struct blanket_wire_endpoint info;
    int status = blanket_guest_init(&question->guest, &down,
                                    xen_transport_frame(question->ctl->transport));

    if (status == 0) {
        status = blanket_guest_query(&question->guest, question->endpoint, &info);
    }
    if (status == 0) {
        question->memory = calloc(1, blanket_guest_device_size(&info) + 1);
        status = question->memory == NULL ? -BLANKET_ENOMEM : 0;
    }
    if (status == 0) {
        status = blanket_guest_device_init(&question->device, &question->guest, &info,
                                           question->memory, 0);
    }
    if (status == 0) {
        status = xen_channels_open(&question->channels);
    }
    if (status == 0) {
        status = xen_channels_bind(question->channels, question->ctl->transport, info.port_base);
    }
    if (status == 0) {
        status = blanket_guest_store_connect(&question->store, &question->device, wait_for_store,
                                             question);
        question->connected = status == 0;
    }
    if (status == -BLANKET_ENOTCONN || status == -BLANKET_EAGAIN) {
        return ctl_complain("the store below", "nobody serves it: does blanketd run?");
    }
    return status == 0 ? 0 : ctl_fail("connecting to the store below", status);
}

static int value_read(struct question *question, const char *path, char *value, uint32_t size)
{
    uint32_t used;
    int status = blanket_guest_store_read(&question->store, BLANKET_ROOT_ALL, 0, path, value, size,
                                          &used);

    if (status == 0 && used == 0) {
        status = BLANKET_GUEST_STORE_ENOENT;
    }
    if (status > 0) {
        return ctl_complain(path, blanket_guest_store_error_name(status));
    }
    return status == 0 ? 0
           : status == -BLANKET_EAGAIN
               ? ctl_complain(path, "the store below doesn't answer: does blanketd run?")
               : ctl_fail(path, status);
}

/* Both directories name each other. Our own is relative: which domain we are, the store knows. */
static int device_read(struct question *question, const char *name, struct ctl_device *device)
{
    char path[PATH_SIZE], number[16];
    char *end;
    unsigned long peer;
    int status;

    (void)snprintf(path, sizeof(path), "device/%s/backend", name);
    status = value_read(question, path, device->backend, sizeof(device->backend));
    if (status == 0) {
        (void)snprintf(path, sizeof(path), "device/%s/backend-id", name);
        status = value_read(question, path, number, sizeof(number));
    }
    if (status == 0) {
        (void)snprintf(path, sizeof(path), "%s/frontend", device->backend);
        status = value_read(question, path, device->frontend, sizeof(device->frontend));
    }
    if (status != 0) {
        return status;
    }
    peer = strtoul(number, &end, 10);
    if (*end != 0 || peer >= BLANKET_XEN_DOMAIN_SELF) {
        return ctl_complain(path, "names no domain");
    }
    device->peer = (uint32_t)peer;
    return 0;
}

int ctl_device_read(struct ctl *ctl, const char *name, struct ctl_device *device)
{
    struct question *question = calloc(1, sizeof(*question));
    int status;

    if (question == NULL) {
        return ctl_fail("the store below", -BLANKET_ENOMEM);
    }
    question->ctl = ctl;
    memset(device, 0, sizeof(*device));
    status = endpoint_mint(question);
    if (status == 0) {
        status = store_connect(question);
    }
    if (status == 0) {
        status = device_read(question, name, device);
    }
    if (question->connected) {
        (void)blanket_guest_store_disconnect(&question->store);
    }
    if (question->minted) {
        struct blanket_xen_list gone = {.domain = BLANKET_XEN_DOMAIN_SELF,
                                        .endpoint = question->endpoint};

        (void)ctl_admin(ctl, BLANKET_XEN_REVOKE, &gone, sizeof(gone));
    }
    xen_channels_close(question->channels);
    free(question->memory);
    free(question);
    return status;
}
