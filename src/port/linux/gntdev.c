/* SPDX-License-Identifier: MIT */
/*
 * /dev/xen/gntdev by hand. libxengnttab maps where the kernel likes, and what it mapped can't be moved in
 * a PV domain (the kernel takes a move for an unmap), while a frame has its place.
 */
#define _DEFAULT_SOURCE
#include "linux_private.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/gntdev.h>

int blanket_linux_gntdev_map(int fd, uint32_t domid, uint32_t reference, int protection,
                             void *address, uint64_t *offset)
{
    struct ioctl_gntdev_map_grant_ref map = {.count = 1,
                                             .refs = {{.domid = domid, .ref = reference}}};
    int error;

    if (ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &map)) {
        return -1;
    }
    if (mmap(address, LINUX_PAGE_SIZE, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)map.index) !=
        MAP_FAILED) {
        (void)madvise(address, LINUX_PAGE_SIZE, MADV_DONTFORK);
        *offset = map.index;
        return 0;
    }
    error = errno;
    (void)blanket_linux_gntdev_forget(fd, map.index);
    errno = error;
    return -1;
}

int blanket_linux_gntdev_notify(int fd, uint64_t offset, uint32_t byte)
{
    struct ioctl_gntdev_unmap_notify notify = {.index = offset + byte,
                                               .action = UNMAP_NOTIFY_CLEAR_BYTE};

    return ioctl(fd, IOCTL_GNTDEV_SET_UNMAP_NOTIFY, &notify);
}

int blanket_linux_gntdev_forget(int fd, uint64_t offset)
{
    struct ioctl_gntdev_unmap_grant_ref unmap = {.index = offset, .count = 1};

    return ioctl(fd, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap);
}
