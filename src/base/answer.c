/* SPDX-License-Identifier: MIT */
#include "core.h"

int blanket_errno_is_refusal(int status)
{
    switch (status) {
    case -BLANKET_EPERM:
    case -BLANKET_ENOENT:
    case -BLANKET_E2BIG:
    case -BLANKET_EAGAIN:
    case -BLANKET_ENOMEM:
    case -BLANKET_EFAULT:
    case -BLANKET_EBUSY:
    case -BLANKET_EEXIST:
    case -BLANKET_EINVAL:
    case -BLANKET_ENOSPC:
    case -BLANKET_ENOSYS:
    case -BLANKET_EOVERFLOW:
    case -BLANKET_EMSGSIZE:
    case -BLANKET_EOPNOTSUPP:
    case -BLANKET_ENOTCONN:
    case -BLANKET_ESTALE:
        return 1;
    default:
        return 0;
    }
}
