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
#define WAIT_MS 10000 /* for a backend to follow: as long as libxl waits for one */
#define SETTLE_MS                                                                                  \
    2000 /* for one that is at InitWait, where it has nothing to follow, or hasn't looked yet */
#define KEYS_SIZE 4097u /* of one directory */

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

/* A backend at InitWait may have followed long ago, may have been there all the time, or may be about to
 * follow what we say now; only the last may be taken for the answer to what we say next. */
static bool has_followed(int wanted, int backend, int waited)
{
    switch (wanted) {
    case XenbusStateClosing:
        return backend >= XenbusStateClosing ||
               (backend == XenbusStateInitWait && waited >= SETTLE_MS);
    case XenbusStateClosed:
        return backend == XenbusStateClosed ||
               (backend == XenbusStateInitWait && waited >= SETTLE_MS);
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
        if (status || has_followed(wanted, backend, waited) || backend <= XenbusStateInitialising) {
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

/* What a frontend publishes: what another one left would be read as ours. */
static bool is_published(const char *key)
{
    static const char *const beginnings[] = {"ring-",    "num-ring-",   "tx-ring-", "rx-ring-",
                                             "page-ref", "event-",      "port",     "protocol",
                                             "feature-", "multi-queue", "queue-",   "request-"};
    size_t i;

    for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (strncmp(key, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int clean(struct blanket_linux *door, const char *own)
{
    char keys[KEYS_SIZE];
    const char *key = keys;
    uint32_t size = 0;
    int status = blanket_linux_admin_list(door, own, keys, sizeof(keys), &size);

    while (status == 0 && key < keys + size) {
        if (is_published(key)) {
            char path[LINUX_PATH_SIZE + KEYS_SIZE];

            (void)snprintf(path, sizeof(path), "%s/%s", own, key);
            status = blanket_linux_admin_remove(door, path);
            status = status == -BLANKET_ENOENT ? 0 : status;
        }
        key += strlen(key) + 1;
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
    status = status ? status : clean(door, own);
    return status ? status : step(door, own, other, XenbusStateInitialising);
}
