/* SPDX-License-Identifier: MIT */
#include "disk_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void disk_free(struct disk *disk)
{
    if (disk->kick >= 0) {
        close(disk->kick);
    }
    if (disk->leave >= 0) {
        close(disk->leave);
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
    disk_counter_add(disk->kick);
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
    disk->waiting_end = &disk->waiting;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->changed, NULL);
    snprintf(disk->fault, sizeof(disk->fault), "the backend doesn't connect");
    disk->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    disk->leave = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (disk->kick < 0 || disk->leave < 0 ||
        pthread_create(&disk->thread, NULL, disk_thread, disk) != 0) {
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

static void job_add(struct disk *disk, struct disk_job *job)
{
    job->next = disk->jobs;
    job->place = &disk->jobs;
    if (job->next != NULL) {
        job->next->place = &job->next;
    }
    disk->jobs = job;
}

static void job_remove(struct disk_job *job)
{
    *job->place = job->next;
    if (job->next != NULL) {
        job->next->place = job->place;
    }
}

static void job_wait(struct disk *disk, struct disk_job *job)
{
    while (!job->done) {
        bool closing = blk_frontend_state(disk->frontend) != BLK_FRONTEND_CONNECTED;

        if (closing) {
            disk_counter_add(disk->kick); /* that is the thread's */
        }
        if (closing || disk->watched) {
            pthread_cond_wait(&job->woken, &disk->lock);
        } else {
            disk_watch(disk, disk->leave, DISK_TICK_MS);
            disk_drive(disk);
        }
    }
}

static int job_run(struct disk *disk, struct disk_job *job)
{
    pthread_mutex_lock(&disk->lock);
    if (!disk->connected) {
        pthread_mutex_unlock(&disk->lock);
        return errno_of(-BLANKET_ENOTCONN);
    }
    pthread_cond_init(&job->woken, NULL);
    disk->asked = true;
    job_add(disk, job);
    disk_job_begin(disk, job);
    disk_drive(disk);
    job_wait(disk, job);
    job_remove(job);
    disk_watcher_call(disk);
    pthread_mutex_unlock(&disk->lock);
    pthread_cond_destroy(&job->woken);
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
