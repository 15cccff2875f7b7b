/* SPDX-License-Identifier: MIT */
/*
 * /dev/xen/blanket: the nested hypercall for user space of a Linux domain of an L1 Xen, by the driver of
 * tools/linux-module. Where privcmd lets a process issue hypercalls (a dom0) it isn't needed; Linux since
 * 2026 lets none of an unprivileged domain (XSA-482).
 *
 * It gives the domain's authority to whoever may open it (mode 0600). Forms: QUERY, CALL, SEND and EVENT,
 * no others (BLANKET_FORM_ADMIN and _BROKER are privcmd's).
 */
#ifndef BLANKET_PORT_XEN_LINUX_H
#define BLANKET_PORT_XEN_LINUX_H

#include <blanket/env.h>

#define BLANKET_LINUX_DEVICE "/dev/xen/blanket"

/*
 * One hypercall. A frame (CALL) is BLANKET_FRAME_SIZE_MAX bytes at arguments[0]; the driver copies it in
 * and out. The ioctl fails with EINVAL (another form), EFAULT, EINTR (nothing was done); else it is 0 and
 * `result` is the hypercall's.
 */
struct blanket_linux_hypercall {
    uint32_t form; /* BLANKET_FORM_* */
    uint32_t zero;
    uint64_t arguments[4];
    int64_t result; /* out */
};

#define BLANKET_LINUX_HYPERCALL 0xc030422bu /* _IOWR('B', 43, struct blanket_linux_hypercall) */

#endif
