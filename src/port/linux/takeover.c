/* SPDX-License-Identifier: MIT */
/*
 * Taking over a device whose last frontend left it open, or closed it: towards the backend it is closed,
 * closed and new again, each as soon as the backend has followed. A kernel does the same at boot, after a
 * crash.
 */
#include "linux_private.h"

#include <stdio.h>
#include <time.h>
#include <xen/io/xenbus.h>

#define STEP_MS 10
#define WAIT_MS 3000

/* XenbusStateUnknown if there is none, or none that makes sense. */
static int state_read(struct blanket_linux *door, const char *directory, int *state)
{
    char path[LINUX_PATH_SIZE + 8];
    char text[8];
    int status;

    (void)snprintf(path, sizeof(path), "%s/state", directory);
    status = blanket_linux_admin_read(door, path, text, sizeof(text));
    *state = status == 0 && text[0] >= '1' && text[0] <= '8' && text[1] == 0 ? text[0] - '0'
                                                                             : XenbusStateUnknown;
    return status == -BLANKET_ENOENT ? 0 : status;
}

static bool has_followed(int wanted, int backend)
{
    switch (wanted) {
    case XenbusStateClosing:
        return backend >= XenbusStateClosing || backend == XenbusStateInitWait;
    case XenbusStateClosed:
        return backend == XenbusStateClosed || backend == XenbusStateInitWait;
    default:
        return backend == XenbusStateInitWait;
    }
}

/* Say `wanted`, and wait for the backend. One that isn't there, or not ready yet, isn't waited for. */
static int step(struct blanket_linux *door, const char *own, const char *other, int wanted)
{
    const struct timespec pause = {.tv_nsec = STEP_MS * 1000000};
    char path[LINUX_PATH_SIZE + 8];
    const char value[] = {(char)('0' + wanted), 0};
    int backend = XenbusStateUnknown;
    int waited = 0;
    int status;

    (void)snprintf(path, sizeof(path), "%s/state", own);
    status = blanket_linux_admin_write(door, path, value);
    while (status == 0) {
        status = state_read(door, other, &backend);
        if (status || has_followed(wanted, backend) || backend <= XenbusStateInitialising) {
            return status;
        }
        if (waited >= WAIT_MS) {
            pthread_mutex_lock(&door->lock);
            blanket_linux_note(door, "%.150s: its backend doesn't let go (state %d)", own, backend);
            pthread_mutex_unlock(&door->lock);
            return -BLANKET_EBUSY;
        }
        (void)nanosleep(&pause, NULL);
        waited += STEP_MS;
    }
    return status;
}

int blanket_linux_takeover(struct blanket_linux *door, const char *own, const char *other)
{
    int state;
    int status = state_read(door, own, &state);

    if (status || state <= XenbusStateInitialising) {
        return status;
    }
    if (state < XenbusStateClosed) {
        status = step(door, own, other, XenbusStateClosing);
    }
    status = status ? status : step(door, own, other, XenbusStateClosed);
    return status ? status : step(door, own, other, XenbusStateInitialising);
}
