/* SPDX-License-Identifier: MIT */
/*
 * User space of a domain of an L1 Xen: hypercall nested_op by libxencall; and where tools/linux-module is
 * loaded by that for a guest's forms, since an unprivileged domain's privcmd takes none.
 *
 * Rules of use. One thread at a time; a thread that calls at the same time as another has a transport of
 * its own. Privcmd gives what a domain may do to a process (usually root): there is no finer authority
 * than the domain's. Errors: 0 or -BLANKET_E*. After fork a child may only close it.
 */
#ifndef BLANKET_TOOLS_XEN_TRANSPORT_H
#define BLANKET_TOOLS_XEN_TRANSPORT_H

#include <blanket/guest.h>

struct xen_transport;

/*
 * Open privcmd and ask for blanket. -BLANKET_ENOENT: there is no Xen here; -BLANKET_EPERM: privcmd may not
 * be opened; -BLANKET_ENOSYS: this Xen has no blanket, or it's turned off; -BLANKET_ENOMEM.
 */
int xen_transport_open(struct xen_transport **transport);
/* Takes NULL. What was allocated from it is gone. */
void xen_transport_close(struct xen_transport *transport);

/* What an error of open means, for people. Static. */
const char *xen_transport_explain(int status);

/*
 * For blanket_guest_init: the way down, and the buffer that it takes frames in (memory that doesn't fault
 * in a hypercall; the transport's own, one for each transport).
 */
struct blanket_transport xen_transport_guest(struct xen_transport *transport);
void *xen_transport_frame(struct xen_transport *transport);

/*
 * An operation of the forms ADMIN and BROKER (blanket/port/xen.h) on its structure of `size` bytes, at most
 * BLANKET_FRAME_SIZE_MAX. The structure is written on 0 only.
 */
int xen_transport_operation(struct xen_transport *transport, uint32_t form, uint32_t operation,
                            void *structure, size_t size);

/* The form EVENT: the number of the channel that stands for a guest's port, at least 1; or an error. */
int xen_transport_event(struct xen_transport *transport, uint32_t port);

#endif
