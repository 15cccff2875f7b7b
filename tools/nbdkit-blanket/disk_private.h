/* SPDX-License-Identifier: MIT */
/* What the files of the disk share. */
#ifndef BLANKET_NBDKIT_DISK_PRIVATE_H
#define BLANKET_NBDKIT_DISK_PRIVATE_H

#include "disk.h"

#include <pthread.h>

#define DISK_PAGE_SIZE 4096u
#define DISK_TICK_MS 1000 /* what a lost event costs */

/* What one caller waits for. */
struct disk_job {
    struct disk_job *next, **place; /* of all that are asked for; what points to it */
    enum blk_operation operation;
    uint8_t *buffer;
    uint64_t offset;
    uint32_t size;
    uint32_t left; /* parts that aren't done */
    int status;    /* -BLANKET_E*, of the first that failed */
    bool done;
    pthread_cond_t woken; /* it is done, or its caller is to watch */
};

/* One request of it to the backend. */
struct disk_part {
    struct blk_request request;
    struct disk_part *next;   /* of those that wait for pages; of those that the frontend has */
    struct disk_part **place; /* the latter: what points to it */
    struct disk *disk;
    struct disk_job *job;
    uint8_t *data;
    uint32_t size;
    bool bounced; /* its segments' pages are the disk's */
    struct blk_segment segments[];
};

struct disk {
    struct disk_config config;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    bool stop, connected, gave_up;
    struct blk_frontend_info info;
    struct blk_frontend_stats stats; /* of connections that ended */
    char fault[DISK_FAULT_SIZE];
    /* What is watched by one at a time: without the lock it waits for the host's events. */
    bool watched;
    bool asked; /* there was a job since the thread looked */
    int kick;   /* eventfd: the thread is to look */
    int leave;  /* eventfd: a caller that watches is to leave */
    struct disk_job *jobs;
    /* The thread's alone, without the lock, while it isn't connected. */
    struct blk_frontend *frontend;
    uint32_t store_silence; /* milliseconds that the store has been waited for in vain */
    struct blk_frontend_info now;
    struct blk_page *pages; /* free ones, for data when grants aren't persistent */
    uint32_t page_count, page_total;
    struct disk_part *waiting, **waiting_end;
    struct disk_part *flying;
    uint32_t parts; /* alive */
};

/* disk_events.c. Have whoever waits for an eventfd go on. */
void disk_counter_add(int counter);
/* Until the host has an event, or somebody adds to the counter, or the time is over: false. Without the lock, or
 * with it while nobody else may have it. */
bool disk_events_wait(struct disk *disk, int counter, int milliseconds);
/* What the host has, for the frontend. */
void disk_events_take(struct disk *disk);
/* disk_events_wait for all that wait, and what came of it. With the lock, which is free meanwhile. */
void disk_watch(struct disk *disk, int counter, int milliseconds);
/* With the lock: if nobody watches, one of those that wait for a job is to. */
void disk_watcher_call(struct disk *disk);
/* All that can be done now. With the lock, once it's connected. */
void disk_drive(struct disk *disk);
/* For struct blk_frontend_config. */
uint32_t disk_responses_wanted(void *context);
int disk_wait_for_store(void *context);

/* disk_thread.c: what the thread does. */
void *disk_thread(void *context);

/* disk_part.c, with the lock. Ask the backend for a job, in parts, or fail it. */
void disk_job_begin(struct disk *disk, struct disk_job *job);
/* A part more is done. */
void disk_job_settle(struct disk_job *job, int status);
/* Parts that wait for pages: those for which there are some. */
void disk_parts_retry(struct disk *disk);
void disk_parts_fail(struct disk *disk, int status);
/* The frontend is gone, and the peer has kept pages of these: they fail, and the pages aren't used again. */
void disk_parts_abandon(struct disk *disk, int status);
int disk_pages_make(struct disk *disk);
void disk_pages_free(struct disk *disk);

#endif
