/* SPDX-License-Identifier: MIT */
/*
 * The door's own requests to the store, on a connection of their own: who we are, what devices there are,
 * and a watch on these. One request at a time, and not for ever.
 */
#include "linux_private.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <xen/io/xs_wire.h>

#define ANSWER_MS 10000
#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))
#define BODY_MAX 4096u

/* Fault texts are protected by the lock, which isn't held while we wait for the store. */
static int complain(struct blanket_linux *door, int status, const char *text)
{
    pthread_mutex_lock(&door->lock);
    blanket_linux_note(door, "%s: %s", door->store_path, text);
    pthread_mutex_unlock(&door->lock);
    return status;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void blanket_linux_admin_close(struct blanket_linux *door)
{
    blanket_linux_wire_close(&door->admin);
    door->watching = false;
}

/* Wait until the connection can be read (or written); false: it's too late. */
static bool wait_for(const struct linux_wire *wire, int64_t until, bool writable)
{
    struct pollfd wait = {.fd = wire->fd, .events = (short)(writable ? POLLOUT : POLLIN)};
    int64_t left = until - now_ms();

    return left > 0 && poll(&wait, 1, (int)left) >= 0;
}

static int send_whole(struct blanket_linux *door, const uint8_t *message, uint32_t size,
                      int64_t until)
{
    int status = blanket_linux_wire_send(&door->admin, message, size);

    while (status == 0 && door->admin.out_size != 0) {
        if (!wait_for(&door->admin, until, true)) {
            return -BLANKET_EIO;
        }
        status = blanket_linux_wire_flush(&door->admin);
        status = status == -BLANKET_EAGAIN ? 0 : status;
    }
    return status;
}

/* The message that answers the request, valid until the next is taken. */
static int take_answer(struct blanket_linux *door, const uint8_t **answer, uint32_t *size,
                       int64_t until)
{
    struct xsd_sockmsg header;

    for (;;) {
        int status = blanket_linux_wire_receive(&door->admin, answer, size);

        if (status < 0) {
            return status;
        }
        if (status == 0 && !wait_for(&door->admin, until, false)) {
            return -BLANKET_EIO;
        }
        if (status == 0) {
            continue;
        }
        memcpy(&header, *answer, HEADER_SIZE);
        if (header.type == XS_WATCH_EVENT) {
            door->changed = true;
        } else if (header.req_id == door->admin_request) {
            return 0;
        }
    }
}

static int error_of(const uint8_t *body, uint32_t size)
{
    if (size >= 6 && memcmp(body, "ENOENT", 6) == 0) {
        return -BLANKET_ENOENT;
    }
    if (size >= 6 && memcmp(body, "EACCES", 6) == 0) {
        return -BLANKET_EPERM;
    }
    return -BLANKET_EIO;
}

/* One request; its answer's body in *body, valid until the next. */
static int request(struct blanket_linux *door, uint32_t type, const char *body, uint32_t size,
                   const uint8_t **answer, uint32_t *answer_size)
{
    uint8_t message[HEADER_SIZE + 2 * LINUX_PATH_SIZE];
    struct xsd_sockmsg header = {.type = type, .req_id = ++door->admin_request, .len = size};
    int64_t until = now_ms() + ANSWER_MS;
    int status;

    if (size > sizeof(message) - HEADER_SIZE) {
        return -BLANKET_EINVAL;
    }
    memcpy(message, &header, HEADER_SIZE);
    memcpy(message + HEADER_SIZE, body, size);
    status = send_whole(door, message, HEADER_SIZE + size, until);
    status = status ? status : take_answer(door, answer, answer_size, until);
    if (status) {
        blanket_linux_admin_close(door);
        return complain(door, status == -BLANKET_EIO ? status : -BLANKET_ENOTCONN,
                        status == -BLANKET_EIO ? "the store doesn't answer"
                                               : "the connection to the store broke");
    }
    memcpy(&header, *answer, HEADER_SIZE);
    *answer += HEADER_SIZE;
    *answer_size -= HEADER_SIZE;
    if (header.type == XS_ERROR) {
        return error_of(*answer, *answer_size);
    }
    return header.type == type ? 0
                               : complain(door, -BLANKET_EIO, "the store answers something else");
}

int blanket_linux_admin_open(struct blanket_linux *door)
{
    char body[LINUX_PATH_SIZE + 32];
    const uint8_t *answer;
    uint32_t size;
    int used;
    int status;

    if (door->admin.fd < 0) {
        int error = -blanket_linux_wire_open(&door->admin, door->store_path);

        if (error) {
            pthread_mutex_lock(&door->lock);
            (void)blanket_linux_fail(door, door->store_path, error);
            pthread_mutex_unlock(&door->lock);
            return -BLANKET_ENOTCONN; /* never ENOENT, which is said of a node of the store */
        }
        status = blanket_linux_listen(door, door->admin.fd, LINUX_ADMIN);
        if (status) {
            return status;
        }
    }
    if (door->watching || door->home[0] == 0) {
        return 0;
    }
    used = snprintf(body, sizeof(body), "%s/device%cdevices", door->home, 0);
    status = request(door, XS_WATCH, body, (uint32_t)used + 1, &answer, &size);
    door->watching = status == 0;
    /* Without it nobody is told of hot-plug; scan works all the same. */
    return status == -BLANKET_ENOTCONN ? status : 0;
}

static int ask(struct blanket_linux *door, uint32_t type, const char *path, char *into,
               uint32_t size_max, uint32_t *size)
{
    const uint8_t *answer;
    int status = blanket_linux_admin_open(door);

    status = status ? status : request(door, type, path, (uint32_t)strlen(path) + 1, &answer, size);
    if (status == 0 && *size >= size_max) {
        status = complain(door, -BLANKET_EIO, "an answer is too long");
    }
    if (status == 0) {
        memcpy(into, answer, *size);
        into[*size] = 0;
    }
    return status;
}

int blanket_linux_admin_read(struct blanket_linux *door, const char *path, char *value,
                             uint32_t size_max)
{
    uint32_t size;
    int status = ask(door, XS_READ, path, value, size_max, &size);

    return status == 0 && memchr(value, 0, size) ? -BLANKET_EIO : status;
}

int blanket_linux_admin_list(struct blanket_linux *door, const char *path, char *names,
                             uint32_t size_max, uint32_t *size)
{
    return ask(door, XS_DIRECTORY, path, names, size_max, size);
}

int blanket_linux_admin_write(struct blanket_linux *door, const char *path, const char *value)
{
    char body[2 * LINUX_PATH_SIZE];
    const uint8_t *answer;
    uint32_t size;
    int used = snprintf(body, sizeof(body), "%s%c%s", path, 0, value);
    int status = blanket_linux_admin_open(door);

    if (used < 0 || (size_t)used >= sizeof(body)) {
        return -BLANKET_EINVAL;
    }
    return status ? status : request(door, XS_WRITE, body, (uint32_t)used, &answer, &size);
}

int blanket_linux_admin_remove(struct blanket_linux *door, const char *path)
{
    const uint8_t *answer;
    uint32_t size;
    int status = blanket_linux_admin_open(door);

    return status ? status : request(door, XS_RM, path, (uint32_t)strlen(path) + 1, &answer, &size);
}

/* Events of the watch; a connection that broke is made anew when it's needed, or with the engine's. */
void blanket_linux_admin_process(struct blanket_linux *door)
{
    const uint8_t *message;
    uint32_t size;
    int status = 1;

    while (door->admin.fd >= 0 && status > 0) {
        status = blanket_linux_wire_receive(&door->admin, &message, &size);
        if (status > 0) {
            door->changed = true;
        }
    }
    if (status < 0) {
        blanket_linux_admin_close(door);
        door->changed = true; /* who knows what was missed */
    }
    if (door->admin.fd < 0 && !door->lost) {
        (void)blanket_linux_admin_open(door);
    }
}
