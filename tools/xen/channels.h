/* SPDX-License-Identifier: MIT */
/*
 * A guest's ports as events of /dev/xen/evtchn: the kernel's stock driver, one channel for each port.
 *
 * Rules of use. One thread at a time. Errors: 0 or -BLANKET_E*. A binding lasts until close, or until the
 * process ends in any way; then another may bind the same port.
 */
#ifndef BLANKET_TOOLS_XEN_CHANNELS_H
#define BLANKET_TOOLS_XEN_CHANNELS_H

#include "transport.h"

#define XEN_CHANNELS_MAX 64u

struct xen_channels;

/* -BLANKET_ENOENT, -BLANKET_EPERM: of /dev/xen/evtchn; -BLANKET_ENOMEM. */
int xen_channels_open(struct xen_channels **channels);
void xen_channels_close(struct xen_channels *channels);

/* For poll: readable when an event may have come. */
int xen_channels_fd(const struct xen_channels *channels);

/*
 * Hear of `port` (in the guest's port space) from now on; bound already is success. What Xen says of the
 * port; -BLANKET_ENOSPC: more than XEN_CHANNELS_MAX, or the kernel has no channel left; -BLANKET_EBUSY:
 * another process has it.
 */
int xen_channels_bind(struct xen_channels *channels, struct xen_transport *transport,
                      uint32_t port);

/* As bind, of a channel of this domain that Xen has named: `port` is what take will call it. */
int xen_channels_bind_number(struct xen_channels *channels, uint32_t number, uint32_t port);

/* This domain's own number of the channel that stands for `port`. -BLANKET_ENOENT: it isn't bound. */
int xen_channels_local(const struct xen_channels *channels, uint32_t port, uint32_t *local);

/* 1 and the port of the next event; 0: there is none. Never blocks. It may be one of nothing. */
int xen_channels_take(struct xen_channels *channels, uint32_t *port);

#endif
