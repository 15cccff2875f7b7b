/* SPDX-License-Identifier: MIT */
/*
 * xenstore's protocol on a descriptor that doesn't block: xenstored's socket, or the kernel's device, which
 * takes and gives the same bytes.
 */
#define _GNU_SOURCE /* secure_getenv */
#include "linux_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))

/* Where the store is: what is wanted, or the first of the usual places that is there. */
const char *blanket_linux_wire_path(const char *wanted)
{
    static const char *const places[] = {"/run/xenstored/socket", "/var/run/xenstored/socket",
                                         "/dev/xen/xenbus", "/proc/xen/xenbus"};
    const char *given = wanted ? wanted : secure_getenv("XENSTORED_PATH");
    size_t i;

    if (given) {
        return given;
    }
    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], F_OK) == 0) {
            return places[i];
        }
    }
    return "/dev/xen/xenbus";
}

static int socket_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;
    int error;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* errno, negated; 0. */
int blanket_linux_wire_open(struct linux_wire *wire, const char *path)
{
    struct stat node;

    wire->out_size = 0;
    wire->out_done = 0;
    wire->in_size = 0;
    wire->in_whole = false;
    wire->fd = -1;
    if (stat(path, &node)) {
        return -errno;
    }
    wire->socket = S_ISSOCK(node.st_mode);
    if (!wire->socket && !S_ISCHR(node.st_mode)) {
        return -ENXIO;
    }
    wire->fd = wire->socket ? socket_open(path) : open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return wire->fd < 0 ? -errno : 0;
}

void blanket_linux_wire_close(struct linux_wire *wire)
{
    if (wire->fd >= 0) {
        close(wire->fd);
        wire->fd = -1;
    }
}

/* Bytes written, 0 if there is no room; -1: broken. */
static ssize_t put(const struct linux_wire *wire, const uint8_t *bytes, size_t size)
{
    ssize_t done;

    do {
        done = wire->socket ? send(wire->fd, bytes, size, MSG_NOSIGNAL)
                            : write(wire->fd, bytes, size);
    } while (done < 0 && errno == EINTR);
    return done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : done;
}

int blanket_linux_wire_flush(struct linux_wire *wire)
{
    while (wire->out_done < wire->out_size) {
        ssize_t done = put(wire, wire->out + wire->out_done, wire->out_size - wire->out_done);

        if (done < 0) {
            return -BLANKET_ENOTCONN;
        }
        if (done == 0) {
            return -BLANKET_EAGAIN;
        }
        wire->out_done += (uint32_t)done;
    }
    wire->out_size = 0;
    wire->out_done = 0;
    return 0;
}

/* 0: it is sent, or will be by flush. -BLANKET_EAGAIN: an earlier one isn't all sent. */
int blanket_linux_wire_send(struct linux_wire *wire, const void *message, uint32_t size)
{
    int status = wire->fd < 0 ? -BLANKET_ENOTCONN : blanket_linux_wire_flush(wire);

    if (status) {
        return status;
    }
    if (size > sizeof(wire->out)) {
        return -BLANKET_EINVAL;
    }
    memcpy(wire->out, message, size);
    wire->out_size = size;
    status = blanket_linux_wire_flush(wire);
    return status == -BLANKET_EAGAIN ? 0 : status;
}

/* Until `wanted` bytes are there: 1; 0: not yet; or broken. */
static int take_until(struct linux_wire *wire, uint32_t wanted)
{
    while (wire->in_size < wanted) {
        ssize_t got = read(wire->fd, wire->in + wire->in_size, wanted - wire->in_size);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return 0;
        }
        if (got <= 0) {
            return -BLANKET_ENOTCONN;
        }
        wire->in_size += (uint32_t)got;
    }
    return 1;
}

int blanket_linux_wire_receive(struct linux_wire *wire, const uint8_t **message, uint32_t *size)
{
    struct xsd_sockmsg header;
    int status;

    if (wire->fd < 0) {
        return -BLANKET_ENOTCONN;
    }
    if (wire->in_whole) {
        wire->in_whole = false;
        wire->in_size = 0;
    }
    status = take_until(wire, HEADER_SIZE);
    if (status <= 0) {
        return status;
    }
    memcpy(&header, wire->in, HEADER_SIZE);
    if (header.len > LINUX_MESSAGE_MAX - HEADER_SIZE) {
        return -BLANKET_ENOTCONN; /* not xenstore's protocol: nothing after this can be understood */
    }
    status = take_until(wire, HEADER_SIZE + header.len);
    if (status > 0) {
        wire->in_whole = true;
        *message = wire->in;
        *size = wire->in_size;
    }
    return status;
}
