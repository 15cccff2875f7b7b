/* SPDX-License-Identifier: MIT */
/*
 * In L0's dom0, the peer of blanket-probe: maps the page, reads it, writes it, notifies, waits for an
 * event and lets go. Arguments: domain, grant reference, port. Prints what it read.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntdev.h>

int main(int argc, char **argv)
{
    struct ioctl_gntdev_map_grant_ref map = { .count = 1 };
    struct ioctl_evtchn_bind_interdomain bind = { 0 };
    struct ioctl_evtchn_notify notify = { 0 };
    int grants = open("/dev/xen/gntdev", O_RDWR), channels = open("/dev/xen/evtchn", O_RDWR);
    struct pollfd fd = { .fd = channels, .events = POLLIN };
    uint32_t port = 0;
    char *page;
    int bound;

    if (argc != 4) {
        return 2;
    }
    map.refs[0].domid = bind.remote_domain = (uint32_t)atoi(argv[1]);
    map.refs[0].ref = (uint32_t)atoi(argv[2]);
    bind.remote_port = (uint32_t)atoi(argv[3]);
    if (ioctl(grants, IOCTL_GNTDEV_MAP_GRANT_REF, &map) != 0) {
        perror("map");
        return 1;
    }
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, grants, (off_t)map.index);
    if (page == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    printf("%.32s\n", page);
    bound = ioctl(channels, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
    if (bound < 0) {
        perror("bind");
        return 1;
    }
    /* Binding raises an event of its own: it's taken before the other side can answer. */
    if (poll(&fd, 1, 1000) == 1 && read(channels, &port, sizeof(port)) == sizeof(port)) {
        (void)!write(channels, &port, sizeof(port));
    }
    strcpy(page, "from L0");
    notify.port = (uint32_t)bound;
    if (ioctl(channels, IOCTL_EVTCHN_NOTIFY, &notify) != 0) {
        perror("notify");
        return 1;
    }
    if (poll(&fd, 1, 20000) != 1) {
        puts("no event");
        return 1;
    }
    return munmap(page, 4096) != 0;
}
