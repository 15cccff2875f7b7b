/* SPDX-License-Identifier: MIT */
/*
 * Call errors: blanket's own enum, with the numbers of Xen's public interface (xen/errno.h).
 *
 * The numbers of a host's <errno.h> differ (FreeBSD swaps EAGAIN and EDEADLK), so ports translate by
 * table at the door and nothing else in blanket knows errno. A call returns 0 or one of these,
 * negated. Grant statuses (GNTST_*) and xenstore error strings are other spaces; they're never mixed.
 */
#ifndef BLANKET_ERRNO_H
#define BLANKET_ERRNO_H

enum blanket_errno {
    BLANKET_EPERM = 1,       /* the endpoint is missing, foreign, stale, dead or too weak, or the hook said no */
    BLANKET_ENOENT = 2,      /* no such object in the endpoint's own tables */
    BLANKET_EIO = 5,         /* lost: the level below gave no usable answer; the object is being taken down */
    BLANKET_E2BIG = 7,       /* more elements, items or levels than the limit */
    BLANKET_EAGAIN = 11,     /* nothing was done; the same call may go through later */
    BLANKET_ENOMEM = 12,     /* administration only: no memory to create with */
    BLANKET_EFAULT = 14,     /* the caller's memory can't be read or written there */
    BLANKET_EBUSY = 16,      /* the object is in use (mapped by a peer, or being taken down) */
    BLANKET_EEXIST = 17,     /* the slot to create holds this or another live object */
    BLANKET_EINVAL = 22,     /* a field has a value that its verb doesn't allow */
    BLANKET_ENOSPC = 28,     /* a quota of the endpoint is used up */
    BLANKET_ENOSYS = 38,     /* unknown verb, or this level has nothing that serves it */
    BLANKET_EOVERFLOW = 75,  /* a reply doesn't fit the room the caller gave */
    BLANKET_EMSGSIZE = 90,   /* a frame or payload is larger than the limit */
    BLANKET_EOPNOTSUPP = 95, /* known, but not what this endpoint's server does */
    BLANKET_ENOTCONN = 107,  /* the peer is gone, or the endpoint is broken until rebound */
    BLANKET_ESTALE = 110     /* a generation that isn't newer than the slot's */
};

#endif
