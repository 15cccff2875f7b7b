/* SPDX-License-Identifier: MIT */
#include "channels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <xenevtchn.h>

struct channel {
    uint32_t port, local;
};

struct xen_channels {
    xenevtchn_handle *handle;
    struct channel channels[XEN_CHANNELS_MAX];
    uint32_t count;
};

int xen_channels_open(struct xen_channels **result)
{
    struct xen_channels *channels = calloc(1, sizeof(*channels));

    if (channels == NULL) {
        return -BLANKET_ENOMEM;
    }
    errno = ENOENT;
    channels->handle = xenevtchn_open(NULL, 0);
    if (channels->handle == NULL) {
        int status = errno == EACCES || errno == EPERM ? -BLANKET_EPERM : -BLANKET_ENOENT;

        free(channels);
        return status;
    }
    /* A read of it blocks when there is nothing: who wants to wait polls. */
    if (fcntl(xen_channels_fd(channels), F_SETFL, O_NONBLOCK) != 0) {
        xen_channels_close(channels);
        return -BLANKET_EIO;
    }
    *result = channels;
    return 0;
}

void xen_channels_close(struct xen_channels *channels)
{
    if (channels != NULL) {
        (void)xenevtchn_close(channels->handle);
        free(channels);
    }
}

int xen_channels_fd(const struct xen_channels *channels)
{
    return xenevtchn_fd(channels->handle);
}

int xen_channels_local(const struct xen_channels *channels, uint32_t port, uint32_t *local)
{
    for (uint32_t i = 0; i < channels->count; i++) {
        if (channels->channels[i].port == port) {
            *local = channels->channels[i].local;
            return 0;
        }
    }
    return -BLANKET_ENOENT;
}

int xen_channels_bind_number(struct xen_channels *channels, uint32_t number, uint32_t port)
{
    uint32_t known;
    int local;

    if (xen_channels_local(channels, port, &known) == 0) {
        return 0;
    }
    if (channels->count == XEN_CHANNELS_MAX) {
        return -BLANKET_ENOSPC;
    }
    /* Its other end is Xen's, and Xen made it for this very domain: the remote domain is ourselves. */
    local = xenevtchn_bind_interdomain(channels->handle, DOMID_SELF, number);
    if (local < 0) {
        return errno == ENOSPC ? -BLANKET_ENOSPC
               : errno == EPERM || errno == EACCES
                   ? -BLANKET_EPERM
                   : -BLANKET_EBUSY; /* EINVAL: it isn't unbound any more */
    }
    channels->channels[channels->count++] = (struct channel){port, (uint32_t)local};
    return 0;
}

int xen_channels_bind(struct xen_channels *channels, struct xen_transport *transport, uint32_t port)
{
    uint32_t known;
    int number;

    if (xen_channels_local(channels, port, &known) == 0) {
        return 0;
    }
    number = xen_transport_event(transport, port);
    return number < 0 ? number : xen_channels_bind_number(channels, (uint32_t)number, port);
}

int xen_channels_take(struct xen_channels *channels, uint32_t *port)
{
    int local;

    while ((local = xenevtchn_pending(channels->handle)) >= 0) {
        /* Before anybody is told: an event from now on is a new one. */
        (void)xenevtchn_unmask(channels->handle, (evtchn_port_t)local);
        for (uint32_t i = 0; i < channels->count; i++) {
            if (channels->channels[i].local == (uint32_t)local) {
                *port = channels->channels[i].port;
                return 1;
            }
        }
    }
    return 0;
}
