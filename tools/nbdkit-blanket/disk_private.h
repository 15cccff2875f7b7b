/* SPDX-License-Identifier: MIT */
/* What the files of the disk share. */
#ifndef BLANKET_NBDKIT_DISK_PRIVATE_H
#define BLANKET_NBDKIT_DISK_PRIVATE_H

#include "disk.h"

#include <pthread.h>
#include <stdatomic.h>

#define DISK_PAGE_SIZE 4096u

/* What one caller waits for. */
struct disk_job {
    struct disk_job *next;
    enum blk_operation operation;
    uint8_t *buffer;
    uint64_t offset;
    uint32_t size;
    uint32_t left; /* parts that aren't done; the thread's */
    int status;    /* -BLANKET_E*, of the first that failed */
    bool done;     /* under the disk's lock */
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
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int kick; /* eventfd: there are jobs, or it is to stop */
    /* Under the lock. */
    struct disk_job *jobs, **jobs_end;
    bool stop, connected, gave_up;
    struct blk_frontend_info info;
    struct blk_frontend_stats stats; /* of connections that ended */
    char fault[DISK_FAULT_SIZE];
    /* The thread's. */
    struct blk_frontend *frontend;
    bool open; /* the host is */
    uint32_t store_silence; /* milliseconds that the store has been waited for in vain */
    struct blk_frontend_info now;
    struct blk_page *pages; /* free ones, for data when grants aren't persistent */
    uint32_t page_count, page_total;
    struct disk_part *waiting, **waiting_end;
    struct disk_part *flying;
    uint32_t parts; /* alive */
};

/* disk_part.c: the thread's. Ask the backend for a job, in parts, or fail it. */
void disk_job_begin(struct disk *disk, struct disk_job *job);
/* A part more is done. */
void disk_job_settle(struct disk *disk, struct disk_job *job, int status);
/* Parts that wait for pages: those for which there are some. */
void disk_parts_retry(struct disk *disk);
void disk_parts_fail(struct disk *disk, int status);
/* The frontend is gone, and the peer has kept pages of these: they fail, and the pages aren't used again. */
void disk_parts_abandon(struct disk *disk, int status);
int disk_pages_make(struct disk *disk);
void disk_pages_free(struct disk *disk);

#endif
