/* SPDX-License-Identifier: MIT */
#include "disk_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000   /* what a lost event costs */
#define BUSY_MS 10     /* what the peer still holds is asked for this often */
#define STORE_MS 10000 /* a store that doesn't answer for so long is none */
#define CLOSE_SECONDS 15
#define RETRY_MS 1000

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- events ---- */

static void events_take(struct disk *disk)
{
    const struct disk_host *host = disk->config.host;
    uint32_t port;

    while (host->take(host->context, &port) > 0) {
        if (disk->frontend != NULL) { /* else it is being made, and will look for itself */
            blk_frontend_event(disk->frontend, port);
        }
    }
}

/* Until an event comes, or a caller, or the time is over. */
static void wait_for(struct disk *disk, int milliseconds)
{
    struct pollfd ready[2] = {{.fd = disk->kick, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    uint64_t count;

    if (disk->open) {
        ready[1].fd = disk->config.host->fd(disk->config.host->context);
    }
    if (poll(ready, 2, milliseconds) == 0 && disk->frontend != NULL) {
        blk_frontend_look(disk->frontend);
    }
    if ((ready[0].revents & POLLIN) != 0 && read(disk->kick, &count, sizeof(count)) < 0) {
        return; /* somebody else's read: there is no somebody else */
    }
    if (disk->open) {
        events_take(disk);
    }
}

/* For the frontend's questions to the store, which it asks one after the other. An answer whose event was
 * lost is found at the next tick. */
static int wait_for_store(void *context)
{
    struct disk *disk = context;
    struct pollfd ready = {.fd = disk->config.host->fd(disk->config.host->context),
                           .events = POLLIN};

    if (poll(&ready, 1, TICK_MS) <= 0) {
        disk->store_silence += TICK_MS;
        return disk->store_silence < STORE_MS ? 0 : -BLANKET_EAGAIN;
    }
    disk->store_silence = 0;
    events_take(disk);
    return 0;
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
                                         .wait = wait_for_store,
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
    disk->open = true;
    disk->store_silence = 0;
    config.endpoint = &endpoint;
    config.context = disk;
    status = blk_frontend_create(&config, &disk->frontend);
    if (status != 0) {
        disk->frontend = NULL;
        disk->open = false;
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

/* The connection is over; what hangs on it, too. */
static void connection_drop(struct disk *disk)
{
    struct blk_frontend_stats stats;
    const char *error = blk_frontend_error(disk->frontend);
    const struct disk_host *host = disk->config.host;
    bool was;

    pthread_mutex_lock(&disk->lock);
    was = disk->connected;
    disk->connected = false;
    pthread_mutex_unlock(&disk->lock);
    if (error != NULL) {
        fault_set(disk, error);
        if (was) {
            disk->config.log(error);
        }
    }
    disk_parts_fail(disk, -BLANKET_ENOTCONN);
    blk_frontend_stats(disk->frontend, &stats);
    blk_frontend_destroy(disk->frontend);
    disk->frontend = NULL;
    disk_parts_abandon(disk, -BLANKET_ENOTCONN);
    disk_pages_free(disk);
    host->close(host->context);
    disk->open = false;
    pthread_mutex_lock(&disk->lock);
    disk->stats.requests += stats.requests;
    disk->stats.segments += stats.segments;
    disk->stats.doorbells += stats.doorbells;
    disk->stats.grants += stats.grants;
    disk->stats.ends += stats.ends;
    disk->stats.bad_responses += stats.bad_responses;
    pthread_mutex_unlock(&disk->lock);
}

/* ---- the thread ---- */

/* True: it is to stop. */
static bool jobs_take(struct disk *disk)
{
    struct disk_job *job;
    bool stop;

    pthread_mutex_lock(&disk->lock);
    job = disk->jobs;
    disk->jobs = NULL;
    disk->jobs_end = &disk->jobs;
    stop = disk->stop;
    pthread_mutex_unlock(&disk->lock);
    while (job != NULL) {
        struct disk_job *next = job->next; /* its own memory goes when it's done */

        disk_job_begin(disk, job);
        job = next;
    }
    return stop;
}

/* All that can be done now. */
static void drive(struct disk *disk)
{
    do {
        disk_parts_retry(disk);
    } while (blk_frontend_poll(disk->frontend) > 0);
    if (blk_frontend_state(disk->frontend) == BLK_FRONTEND_CONNECTED && !disk->connected &&
        connect_end(disk) != 0) {
        blk_frontend_close(disk->frontend);
    }
}

/* One connection, from its beginning to its end. True: the disk is to stop. */
static bool connection_run(struct disk *disk)
{
    int64_t deadline = INT64_MAX;
    bool stop = false;

    while (blk_frontend_state(disk->frontend) != BLK_FRONTEND_CLOSED && now_ms() < deadline) {
        enum blk_frontend_state state;

        stop = jobs_take(disk);
        if (stop && disk->parts == 0) {
            blk_frontend_close(disk->frontend);
        }
        drive(disk);
        state = blk_frontend_state(disk->frontend);
        if (state == BLK_FRONTEND_CLOSING && deadline == INT64_MAX) {
            deadline = now_ms() + CLOSE_SECONDS * 1000;
        }
        if (state != BLK_FRONTEND_CLOSED) {
            wait_for(disk, state == BLK_FRONTEND_CLOSING ? BUSY_MS : TICK_MS);
        }
    }
    connection_drop(disk);
    return stop;
}

static void *thread_main(void *context)
{
    struct disk *disk = context;
    int64_t until = now_ms() + (int64_t)disk->config.seconds * 1000;

    for (;;) {
        int64_t retry = now_ms() + RETRY_MS;

        if (connect_begin(disk) == 0 && connection_run(disk)) {
            break;
        }
        if (disk->info.sectors == 0 && now_ms() >= until) {
            break;
        }
        while (!jobs_take(disk) && now_ms() < retry) {
            wait_for(disk, (int)(retry - now_ms() > 0 ? retry - now_ms() : 0));
        }
        if (jobs_take(disk)) {
            break;
        }
    }
    pthread_mutex_lock(&disk->lock);
    disk->gave_up = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
    (void)jobs_take(disk);
    return NULL;
}

/* ---- for everybody ---- */

static void kick(struct disk *disk)
{
    const uint64_t one = 1;

    if (write(disk->kick, &one, sizeof(one)) < 0) {
        return; /* the counter is full: it's readable all the more */
    }
}

void disk_free(struct disk *disk)
{
    if (disk->kick >= 0) {
        close(disk->kick);
    }
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

void disk_close(struct disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->stop = true;
    pthread_mutex_unlock(&disk->lock);
    kick(disk);
    pthread_join(disk->thread, NULL);
}

/* 0; not connected in time. */
static int first_connection(struct disk *disk)
{
    struct timespec deadline;
    bool connected;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += (time_t)disk->config.seconds;
    pthread_mutex_lock(&disk->lock);
    while (!disk->connected && !disk->gave_up && rc == 0) {
        rc = pthread_cond_timedwait(&disk->changed, &disk->lock, &deadline);
    }
    connected = disk->connected;
    pthread_mutex_unlock(&disk->lock);
    return connected ? 0 : -BLANKET_ENOTCONN;
}

int disk_start(const struct disk_config *config, struct disk **result, char *fault)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    snprintf(fault, DISK_FAULT_SIZE, "there is no memory");
    if (disk == NULL) {
        return -BLANKET_ENOMEM;
    }
    disk->config = *config;
    disk->jobs_end = &disk->jobs;
    disk->waiting_end = &disk->waiting;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->changed, NULL);
    snprintf(disk->fault, sizeof(disk->fault), "the backend doesn't connect");
    disk->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (disk->kick < 0 || pthread_create(&disk->thread, NULL, thread_main, disk) != 0) {
        disk_free(disk);
        return -BLANKET_ENOMEM;
    }
    if (first_connection(disk) != 0) {
        disk_close(disk);
        memcpy(fault, disk->fault, DISK_FAULT_SIZE);
        disk_free(disk);
        return -BLANKET_ENOTCONN;
    }
    *result = disk;
    return 0;
}

void disk_info(struct disk *disk, struct blk_frontend_info *info)
{
    pthread_mutex_lock(&disk->lock);
    *info = disk->info;
    pthread_mutex_unlock(&disk->lock);
}

void disk_stats(struct disk *disk, struct blk_frontend_stats *stats)
{
    pthread_mutex_lock(&disk->lock);
    *stats = disk->stats;
    pthread_mutex_unlock(&disk->lock);
}

static int errno_of(int status)
{
    switch (status) {
    case 0:
        return 0;
    case -BLANKET_EINVAL:
        return EINVAL;
    case -BLANKET_EOPNOTSUPP:
        return EOPNOTSUPP;
    case -BLANKET_ENOMEM:
        return ENOMEM;
    default:
        return EIO;
    }
}

static int job_run(struct disk *disk, struct disk_job *job)
{
    pthread_mutex_lock(&disk->lock);
    if (disk->gave_up) {
        job->status = -BLANKET_ENOTCONN;
        job->done = true;
    } else {
        *disk->jobs_end = job;
        disk->jobs_end = &job->next;
    }
    pthread_mutex_unlock(&disk->lock);
    kick(disk);
    pthread_mutex_lock(&disk->lock);
    while (!job->done) {
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return errno_of(job->status);
}

int disk_transfer(struct disk *disk, enum blk_operation operation, void *buffer, uint32_t size,
                  uint64_t offset)
{
    struct disk_job job = {
        .operation = operation, .buffer = buffer, .offset = offset, .size = size};
    struct blk_frontend_info info;

    disk_info(disk, &info);
    if (size == 0 || (size | offset) % info.sector_size != 0) {
        return size == 0 ? 0 : EINVAL;
    }
    return job_run(disk, &job);
}

int disk_flush(struct disk *disk)
{
    struct disk_job job = {.operation = BLK_FLUSH};

    return job_run(disk, &job);
}
