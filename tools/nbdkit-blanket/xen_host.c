/* SPDX-License-Identifier: MIT */
/* An endpoint that L1 Xen has minted for this domain, used from its user space. */
#include "host.h"

#include <blanket/port/xen.h>
#include <channels.h>
#include <pages.h>
#include <stdlib.h>
#include <time.h>
#include <transport.h>

#define DRAIN_TRIES 200u
#define DRAIN_MS 10

struct xen_host {
    struct disk_host host;
    char name[BLANKET_NAME_SIZE];
    struct xen_transport *transport;
    struct xen_channels *channels;
    struct xen_pages *pages;
    struct blanket_guest guest;
};

static void host_close(void *context)
{
    struct xen_host *host = context;

    xen_pages_close(host->pages);
    xen_channels_close(host->channels);
    xen_transport_close(host->transport);
    host->pages = NULL;
    host->channels = NULL;
    host->transport = NULL;
}

static int lookup(struct xen_host *host, struct blanket_wire_endpoint *endpoint)
{
    const struct blanket_transport down = xen_transport_guest(host->transport);
    int status = blanket_guest_init(&host->guest, &down, xen_transport_frame(host->transport));

    return status != 0 ? status : blanket_guest_lookup(&host->guest, host->name, endpoint);
}

/*
 * What another process had here before (it was killed, or couldn't close) goes. The peer may need a while
 * to let go of it; until then the endpoint can't be used.
 */
static int drain(struct xen_host *host, struct blanket_wire_endpoint *endpoint)
{
    const struct timespec pause = {.tv_nsec = DRAIN_MS * 1000000L};
    int status;

    status = blanket_guest_reset(&host->guest, endpoint->endpoint);
    for (uint32_t i = 0; i < DRAIN_TRIES && (status == 0 || status == -BLANKET_EAGAIN); i++) {
        status = blanket_guest_query(&host->guest, endpoint->endpoint, endpoint);
        if (status == 0 && endpoint->state == BLANKET_ENDPOINT_LIVE && endpoint->closing == 0) {
            return 0;
        }
        (void)nanosleep(&pause, NULL);
    }
    return status == 0 ? -BLANKET_EBUSY : status;
}

/* All ports of the endpoint, used or not: which the frontend takes is its own affair. */
static int events_bind(struct xen_host *host, const struct blanket_wire_endpoint *endpoint)
{
    int status = endpoint->port_count == 0 ? -BLANKET_ENOSPC : 0;

    for (uint32_t i = 0; status == 0 && i < endpoint->port_count && i < XEN_CHANNELS_MAX; i++) {
        status = xen_channels_bind(host->channels, host->transport, endpoint->port_base + i);
    }
    return status;
}

static int host_open(void *context, struct blanket_guest **guest,
                     struct blanket_wire_endpoint *endpoint)
{
    struct xen_host *host = context;
    uint32_t local;
    int status = xen_transport_open(&host->transport);

    if (status == 0) {
        status = xen_channels_open(&host->channels);
    }
    if (status == 0) {
        status = lookup(host, endpoint);
    }
    if (status == 0) {
        status = drain(host, endpoint);
    }
    if (status == 0) {
        status = events_bind(host, endpoint);
    }
    if (status == 0) {
        /* Xen hears of our end on the channel of the endpoint's first port: see pages.h. */
        status = xen_channels_local(host->channels, endpoint->port_base, &local);
    }
    if (status == 0) {
        status = xen_pages_open(local, &host->pages);
    }
    if (status != 0) {
        host_close(host);
        return status;
    }
    /* More than the kernel has pages for is of no use. */
    if (endpoint->grant_count > xen_pages_limit()) {
        endpoint->grant_count = xen_pages_limit();
    }
    *guest = &host->guest;
    return 0;
}

static int page_alloc(void *context, struct blk_page *page)
{
    struct xen_host *host = context;
    uint32_t reference;
    int status = xen_pages_take(host->pages, &page->address, &reference);

    page->frame = reference;
    return status;
}

static void page_free(void *context, const struct blk_page *page)
{
    struct xen_host *host = context;

    xen_pages_give(host->pages, page->address, (uint32_t)page->frame);
}

static int host_fd(void *context)
{
    const struct xen_host *host = context;

    return xen_channels_fd(host->channels);
}

static int host_take(void *context, uint32_t *port)
{
    const struct xen_host *host = context;

    return xen_channels_take(host->channels, port);
}

static const char *host_explain(int status)
{
    switch (status) {
    case -BLANKET_ENOENT:
        return "this domain has no endpoint of that name (blanketctl list), or /dev/xen/evtchn or "
               "/dev/xen/gntalloc isn't there";
    case -BLANKET_EPERM:
        return "the endpoint was revoked or isn't enough for a disk (blanketctl audit says why)";
    case -BLANKET_EBUSY:
        return "the backend still holds pages of an earlier user, or another process is one";
    case -BLANKET_ENOTCONN:
        return "the endpoint lost its device below";
    default:
        return xen_transport_explain(status);
    }
}

const struct disk_host *plugin_host_make(const char *name, const char **fault)
{
    struct xen_host *host;

    if (strlen(name) >= BLANKET_NAME_SIZE) {
        *fault = "the endpoint's name is too long";
        return NULL;
    }
    host = calloc(1, sizeof(*host));
    if (host == NULL) {
        *fault = "there is no memory";
        return NULL;
    }
    memcpy(host->name, name, strlen(name) + 1);
    host->host = (struct disk_host){.open = host_open,
                                    .close = host_close,
                                    .page_alloc = page_alloc,
                                    .page_free = page_free,
                                    .fd = host_fd,
                                    .take = host_take,
                                    .explain = host_explain,
                                    .context = host,
                                    .own_grants = true};
    return &host->host;
}

void plugin_host_free(const struct disk_host *host)
{
    if (host != NULL) {
        free(host->context);
    }
}

const char *plugin_host_check(const char *name)
{
    struct blanket_wire_endpoint endpoint;
    struct xen_host host = {.transport = NULL};
    int status;

    if (strlen(name) >= sizeof(host.name)) {
        return "the endpoint's name is too long";
    }
    memcpy(host.name, name, strlen(name) + 1);
    status = xen_transport_open(&host.transport);
    if (status != 0) {
        return xen_transport_explain(status);
    }
    status = lookup(&host, &endpoint);
    host_close(&host);
    return status != 0 ? host_explain(status) : NULL;
}
