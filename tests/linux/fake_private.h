/* SPDX-License-Identifier: MIT */
/* What the two halves of the fake share. */
#ifndef BLANKET_TEST_LINUX_FAKE_PRIVATE_H
#define BLANKET_TEST_LINUX_FAKE_PRIVATE_H

#include <stdint.h>

void fake_xen_begin(void);
void fake_xen_end(void);

/* Instead of the port's own, which speak to /dev/xen/gntdev. */
int blanket_linux_gntdev_map(int fd, uint32_t domid, uint32_t reference, int protection,
                             void *address, uint64_t *offset);
int blanket_linux_gntdev_notify(int fd, uint64_t offset, uint32_t byte);
int blanket_linux_gntdev_forget(int fd, uint64_t offset);

#endif
