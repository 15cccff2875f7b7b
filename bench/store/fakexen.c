/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD for the distribution's xenstored and oxenstored: a hypervisor in which only domain 0 is there
 * and nothing ever happens, so that they start on any machine and serve their sockets.
 *
 * FAKEXEN_DIR is a directory for the page of domain 0's ring.
 */
#define _GNU_SOURCE
/* With it, open and setrlimit here would become open64 and setrlimit64: not what is called. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PAGE_SIZE 4096
#define PORT 1

/* The addresses of these stand for handles that nobody looks into. */
static char hypervisor, grants;
static int channels = -1;

typedef int open_function(const char *path, int flags, ...);

/* Files of a dom0's kernel: the ring's page, and its port as text. -2: it's neither. */
static int special_open(open_function *real, const char *path)
{
    const char *directory = getenv("FAKEXEN_DIR");
    char ring[256];
    int fd;

    if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
        snprintf(ring, sizeof(ring), "%s/ring", directory != NULL ? directory : ".");
        fd = real(ring, O_RDWR | O_CREAT, 0600);
        return fd < 0 || ftruncate(fd, PAGE_SIZE) == 0 ? fd : -1;
    }
    if (strcmp(path, "/proc/xen/xsd_port") == 0) {
        fd = memfd_create("port", 0);
        return fd < 0 || (write(fd, "1\n", 2) == 2 && lseek(fd, 0, SEEK_SET) == 0) ? fd : -1;
    }
    return -2;
}

int open(const char *path, int flags, ...)
{
    open_function *real = (open_function *)(uintptr_t)dlsym(RTLD_NEXT, "open");
    int fd = special_open(real, path);
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fd != -2 ? fd : real(path, flags, mode);
}

/* oxenstored raises its limit of descriptors, and ends where it may not. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    (void)resource;
    (void)limit;
    return 0;
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    (void)resource;
    (void)limit;
    return 0;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *other, unsigned flags)
{
    (void)logger;
    (void)other;
    (void)flags;
    return (xc_interface *)(void *)&hypervisor;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
    (void)xch;
    if (first != 0 || max == 0) {
        return 0;
    }
    memset(info, 0, sizeof(*info));
    return 1;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xengnttab_handle *)(void *)&grants;
}

int xengnttab_close(xengnttab_handle *handle)
{
    (void)handle;
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t count)
{
    (void)handle;
    (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *handle, uint32_t domid, uint32_t reference,
                              int access)
{
    void *page = mmap(NULL, PAGE_SIZE, access, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)handle;
    (void)domid;
    (void)reference;
    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(xengnttab_handle *handle, void *address, uint32_t count)
{
    (void)handle;
    return munmap(address, (size_t)count * PAGE_SIZE);
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    channels = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* never readable: no event ever comes */
    return channels < 0 ? NULL : (xenevtchn_handle *)(void *)&channels;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    (void)handle;
    return close(channels);
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    (void)handle;
    return channels;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned int virq)
{
    (void)handle;
    return (xenevtchn_port_or_error_t)(PORT + 1 + virq);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid,
                                                     evtchn_port_t port)
{
    (void)handle;
    (void)domid;
    return (xenevtchn_port_or_error_t)port;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    (void)handle;
    return -1;
}
