/* SPDX-License-Identifier: MIT */
/* Waiting: one watches for the events of all. */
#include "disk_private.h"

#include <poll.h>
#include <unistd.h>

#define STORE_MS 10000 /* a store that doesn't answer for so long is none */

void disk_events_take(struct disk *disk)
{
    const struct disk_host *host = disk->config.host;
    uint32_t port;

    while (host->take(host->context, &port) > 0) {
        if (disk->frontend != NULL) { /* else it is being made, and will look for itself */
            blk_frontend_event(disk->frontend, port);
        }
    }
}

void disk_counter_add(int counter)
{
    const uint64_t one = 1;

    if (write(counter, &one, sizeof(one)) < 0) {
        return; /* it is full: readable all the more */
    }
}

/* Until the host has an event, or somebody adds to the counter, or the time is over. Without the lock. */
bool disk_events_wait(struct disk *disk, int counter, int milliseconds)
{
    struct pollfd ready[2] = {
        {.fd = counter, .events = POLLIN},
        {.fd = disk->config.host->fd(disk->config.host->context), .events = POLLIN}};
    int count = poll(ready, 2, milliseconds);
    uint64_t added;

    if (count > 0 && ready[0].revents != 0 && read(counter, &added, sizeof(added)) < 0) {
        return true; /* somebody else has read it */
    }
    return count != 0;
}

/* The same, for all that wait, and what came of it. The lock is free meanwhile. */
void disk_watch(struct disk *disk, int counter, int milliseconds)
{
    bool any;

    disk->watched = true;
    pthread_mutex_unlock(&disk->lock);
    any = disk_events_wait(disk, counter, milliseconds);
    pthread_mutex_lock(&disk->lock);
    disk->watched = false;
    if (!disk->connected) {
        pthread_cond_broadcast(&disk->changed); /* see connection_drop */
    }
    if (!any) {
        blk_frontend_look(disk->frontend);
    }
    disk_events_take(disk);
}

/* Of those that wait, one watches. */
void disk_watcher_call(struct disk *disk)
{
    if (!disk->watched && disk->jobs != NULL) {
        pthread_cond_signal(&disk->jobs->woken);
    }
}

/* No job can be done before so many responses more. */
uint32_t disk_responses_wanted(void *context)
{
    const struct disk *disk = context;
    uint32_t least = UINT32_MAX;

    for (const struct disk_job *job = disk->jobs; job != NULL; job = job->next) {
        if (!job->done && job->left < least) {
            least = job->left;
        }
    }
    return disk->waiting != NULL || least == UINT32_MAX ? 1 : least;
}

/* For the frontend's questions to the store, which it asks one after the other. An answer whose event was
 * lost is found at the next tick. */
int disk_wait_for_store(void *context)
{
    struct disk *disk = context;
    struct pollfd ready = {.fd = disk->config.host->fd(disk->config.host->context),
                           .events = POLLIN};

    if (poll(&ready, 1, DISK_TICK_MS) <= 0) {
        disk->store_silence += DISK_TICK_MS;
        return disk->store_silence < STORE_MS ? 0 : -BLANKET_EAGAIN;
    }
    disk->store_silence = 0;
    disk_events_take(disk);
    return 0;
}

/* All that can be done now. */
void disk_drive(struct disk *disk)
{
    do {
        disk_parts_retry(disk);
    } while (blk_frontend_poll(disk->frontend) > 0);
}
