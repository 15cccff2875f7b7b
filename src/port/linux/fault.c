/* SPDX-License-Identifier: MIT */
/* Errors: errno to ours, and words for people that name the node and the right. */
#include "linux_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int blanket_linux_status(int error)
{
    switch (error) {
    case 0:
        return 0;
    case EPERM:
    case EACCES:
        return -BLANKET_EPERM;
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return -BLANKET_ENOENT;
    case EAGAIN:
    case EINTR:
        return -BLANKET_EAGAIN;
    case ENOMEM:
        return -BLANKET_ENOMEM;
    case EBUSY:
        return -BLANKET_EBUSY;
    case EINVAL:
        return -BLANKET_EINVAL;
    case ENOSPC:
    case EMFILE:
    case ENFILE:
        return -BLANKET_ENOSPC;
    case ENOTTY:
    case EOPNOTSUPP:
        return -BLANKET_EOPNOTSUPP;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return -BLANKET_ENOTCONN;
    default:
        return -BLANKET_EIO;
    }
}

void blanket_linux_note(struct blanket_linux *door, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(door->fault, sizeof(door->fault), format, arguments);
    va_end(arguments);
}

/* What helps against it, most often. */
static const char *advice(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
        return "this process may not open it (root, or a group that owns the node)";
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return "it isn't there (not a domain of Xen, or the kernel's module of that name isn't "
               "loaded)";
    case ECONNREFUSED:
        return "nobody listens there (xenstored isn't running)";
    default:
        return strerror(error);
    }
}

int blanket_linux_fail(struct blanket_linux *door, const char *what, int error)
{
    int status = blanket_linux_status(error);

    blanket_linux_note(door, "%s: %s", what, advice(error));
    return status ? status : -BLANKET_EIO;
}
