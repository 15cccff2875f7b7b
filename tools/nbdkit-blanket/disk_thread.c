/* SPDX-License-Identifier: MIT */
/* The disk's own thread: connects, closes, and watches while nobody asks for anything. */
#include "disk_private.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS 50  /* so long after the last transfer the thread watches again */
#define BUSY_MS 10 /* what the peer still holds is asked for this often */
#define CLOSE_SECONDS 15
#define RETRY_MS 1000

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The thread: until it's kicked, or the time is over. */
static void nap(struct disk *disk, int milliseconds)
{
    struct pollfd ready = {.fd = disk->kick, .events = POLLIN};
    uint64_t added;

    if (poll(&ready, 1, milliseconds) > 0 && read(disk->kick, &added, sizeof(added)) < 0) {
        return;
    }
}

/* The frontend has one context for all that it asks of us. */
static int page_alloc(void *context, struct blk_page *page)
{
    const struct disk *disk = context;

    return disk->config.host->page_alloc(disk->config.host->context, page);
}

static void page_free(void *context, const struct blk_page *page)
{
    const struct disk *disk = context;

    disk->config.host->page_free(disk->config.host->context, page);
}

/* ---- connecting ---- */

static void fault_set(struct disk *disk, const char *text)
{
    pthread_mutex_lock(&disk->lock);
    snprintf(disk->fault, sizeof(disk->fault), "%s", text);
    pthread_mutex_unlock(&disk->lock);
}

static int connect_begin(struct disk *disk)
{
    const struct disk_host *host = disk->config.host;
    struct blk_frontend_config config = {.page_alloc = page_alloc,
                                         .page_free = page_free,
                                         .wait = disk_wait_for_store,
                                         .wanted = disk_responses_wanted,
                                         .ring_order = disk->config.ring_order,
                                         .segments = disk->config.segments,
                                         .depth = disk->config.depth,
                                         .persistent = disk->config.persistent,
                                         .own_grants = host->own_grants};
    struct blanket_wire_endpoint endpoint;
    int status = host->open(host->context, &config.guest, &endpoint);

    if (status != 0) {
        fault_set(disk, host->explain(status));
        return status;
    }
    disk->store_silence = 0;
    config.endpoint = &endpoint;
    config.context = disk;
    status = blk_frontend_create(&config, &disk->frontend);
    if (status != 0) {
        disk->frontend = NULL;
        host->close(host->context);
        fault_set(disk, "the store doesn't let us in");
    }
    return status;
}

/* It is connected: is it the disk that we are? */
static int connect_end(struct disk *disk)
{
    bool first = disk->info.sectors == 0;
    int status = 0;

    blk_frontend_info(disk->frontend, &disk->now);
    if (!first && (disk->now.sectors != disk->info.sectors ||
                   disk->now.sector_size != disk->info.sector_size ||
                   disk->now.read_only != disk->info.read_only)) {
        fault_set(disk, "the disk isn't the same as before");
        return -BLANKET_EIO;
    }
    if (!disk->now.persistent) {
        status = disk_pages_make(disk);
        if (status != 0) {
            fault_set(disk, "there are no pages for data (gntalloc's parameter `limit`?)");
            return status;
        }
    }
    pthread_mutex_lock(&disk->lock);
    disk->info = disk->now;
    disk->connected = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
    if (!first) {
        disk->config.log("connected again");
    }
    return 0;
}

/* The connection is over; what hangs on it, too. With the lock. */
static void connection_drop(struct disk *disk)
{
    const char *error = blk_frontend_error(disk->frontend);
    const struct disk_host *host = disk->config.host;
    bool was = disk->connected;

    disk->connected = false;
    while (disk->watched) { /* by a caller, who has the host's descriptor */
        disk_counter_add(disk->leave);
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    if (error != NULL) {
        snprintf(disk->fault, sizeof(disk->fault), "%s", error);
        if (was) {
            disk->config.log(error);
        }
    }
    disk_parts_fail(disk, -BLANKET_ENOTCONN);
    blk_frontend_stats_add(disk->frontend, &disk->stats);
    blk_frontend_destroy(disk->frontend);
    disk->frontend = NULL;
    disk_parts_abandon(disk, -BLANKET_ENOTCONN);
    disk_pages_free(disk);
    host->close(host->context);
}

/* ---- the thread ---- */

static bool stopping(struct disk *disk)
{
    bool stop;

    pthread_mutex_lock(&disk->lock);
    stop = disk->stop;
    pthread_mutex_unlock(&disk->lock);
    return stop;
}

/* Until it is connected, or closing. Nobody else has the frontend yet. */
static void connection_start(struct disk *disk)
{
    disk_drive(disk);
    while (blk_frontend_state(disk->frontend) == BLK_FRONTEND_STARTING) {
        if (!disk_events_wait(disk, disk->kick, DISK_TICK_MS)) {
            blk_frontend_look(disk->frontend);
        }
        disk_events_take(disk);
        if (stopping(disk)) {
            blk_frontend_close(disk->frontend);
        }
        disk_drive(disk);
    }
    if (blk_frontend_state(disk->frontend) == BLK_FRONTEND_CONNECTED && connect_end(disk) != 0) {
        blk_frontend_close(disk->frontend);
    }
}

/* While there are transfers, who asks for them watches. */
static void thread_wait(struct disk *disk, bool closing)
{
    bool idle = !disk->asked && !disk->watched;
    int milliseconds = closing ? BUSY_MS : idle ? DISK_TICK_MS : NAP_MS;

    disk->asked = false;
    if (idle) {
        disk_watch(disk, disk->kick, milliseconds);
        return;
    }
    disk_watcher_call(disk);
    pthread_mutex_unlock(&disk->lock);
    nap(disk, milliseconds);
    pthread_mutex_lock(&disk->lock);
}

/* One connection, from its beginning to its end. */
static void connection_run(struct disk *disk)
{
    int64_t deadline = INT64_MAX;

    connection_start(disk);
    pthread_mutex_lock(&disk->lock);
    while (blk_frontend_state(disk->frontend) != BLK_FRONTEND_CLOSED && now_ms() < deadline) {
        enum blk_frontend_state state;

        if (disk->stop && disk->parts == 0) {
            blk_frontend_close(disk->frontend);
        }
        disk_drive(disk);
        state = blk_frontend_state(disk->frontend);
        if (state == BLK_FRONTEND_CLOSING && deadline == INT64_MAX) {
            deadline = now_ms() + CLOSE_SECONDS * 1000;
        }
        if (state != BLK_FRONTEND_CLOSED) {
            thread_wait(disk, state == BLK_FRONTEND_CLOSING);
        }
    }
    connection_drop(disk);
    pthread_mutex_unlock(&disk->lock);
}

void *disk_thread(void *context)
{
    struct disk *disk = context;
    int64_t until = now_ms() + (int64_t)disk->config.seconds * 1000;

    while (!stopping(disk)) {
        int64_t retry = now_ms() + RETRY_MS, now;

        if (connect_begin(disk) == 0) {
            connection_run(disk);
        }
        if (disk->info.sectors == 0 && now_ms() >= until) {
            break;
        }
        while (!stopping(disk) && (now = now_ms()) < retry) {
            nap(disk, (int)(retry - now));
        }
    }
    pthread_mutex_lock(&disk->lock);
    disk->gave_up = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}
