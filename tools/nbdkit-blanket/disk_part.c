/* SPDX-License-Identifier: MIT */
/* Transfers in parts that the ring takes, with their pages. */
#include "disk_private.h"

#include <stdlib.h>

/* ---- pages for data, where the backend doesn't keep ours mapped ---- */

int disk_pages_make(struct disk *disk)
{
    const struct disk_host *host = disk->config.host;
    uint32_t wanted = disk->now.depth * disk->now.segments;

    wanted = wanted < disk->config.pages ? wanted : disk->config.pages;
    wanted = wanted < disk->now.segments ? disk->now.segments : wanted;
    disk->pages = calloc(wanted, sizeof(*disk->pages));
    if (disk->pages == NULL) {
        return -BLANKET_ENOMEM;
    }
    while (disk->page_total < wanted) {
        int status = host->page_alloc(host->context, &disk->pages[disk->page_total]);

        if (status != 0) {
            /* Fewer will do, if a whole request has room. */
            return disk->page_total >= disk->now.segments ? 0 : status;
        }
        disk->page_total++;
        disk->page_count++;
    }
    return 0;
}

void disk_pages_free(struct disk *disk)
{
    const struct disk_host *host = disk->config.host;

    while (disk->page_count > 0) {
        host->page_free(host->context, &disk->pages[--disk->page_count]);
    }
    free(disk->pages);
    disk->pages = NULL;
    disk->page_total = 0;
}

/* ---- parts ---- */

static uint32_t segment_size(const struct disk_part *part, uint32_t i)
{
    uint32_t rest = part->size - i * DISK_PAGE_SIZE;

    return rest < DISK_PAGE_SIZE ? rest : DISK_PAGE_SIZE;
}

static void part_finish(struct disk_part *part, int status)
{
    struct disk *disk = part->disk;
    struct disk_job *job = part->job;

    for (uint32_t i = 0; part->bounced && i < part->request.segment_count; i++) {
        const struct blk_page *page = &part->segments[i].page;

        if (status == 0 && part->request.operation == BLK_READ) {
            memcpy(part->data + (size_t)i * DISK_PAGE_SIZE, page->address, segment_size(part, i));
        }
        disk->pages[disk->page_count++] = *page;
    }
    disk->parts--;
    free(part);
    disk_job_settle(job, status);
}

static void flying_add(struct disk *disk, struct disk_part *part)
{
    part->next = disk->flying;
    part->place = &disk->flying;
    if (part->next != NULL) {
        part->next->place = &part->next;
    }
    disk->flying = part;
}

static void flying_remove(struct disk_part *part)
{
    *part->place = part->next;
    if (part->next != NULL) {
        part->next->place = part->place;
    }
}

static void part_done(struct blk_request *request, int status)
{
    flying_remove(request->context);
    part_finish(request->context, status);
}

void disk_parts_abandon(struct disk *disk, int status)
{
    while (disk->flying != NULL) {
        struct disk_part *part = disk->flying;

        flying_remove(part);
        part->bounced = false;
        part_finish(part, status);
    }
}

/* Give it pages. False: there aren't enough now. With persistent grants the frontend copies, and the data
 * are where they are. */
static bool part_pages(struct disk *disk, struct disk_part *part)
{
    uint32_t count = part->request.segment_count;

    part->bounced = !disk->now.persistent;
    if (part->bounced && count > disk->page_count) {
        part->bounced = false;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct blk_segment *segment = &part->segments[i];
        uint8_t *data = part->data + (size_t)i * DISK_PAGE_SIZE;
        uint32_t size = segment_size(part, i);

        segment->first = 0;
        segment->last = (uint16_t)(size / disk->now.sector_size - 1);
        if (!part->bounced) {
            segment->page.address = data;
            continue;
        }
        segment->page = disk->pages[--disk->page_count];
        if (part->request.operation == BLK_WRITE) {
            memcpy(segment->page.address, data, size);
        }
    }
    return true;
}

/* True: it is on its way, or failed. False: it waits for pages. */
static bool part_submit(struct disk *disk, struct disk_part *part)
{
    int status;

    if (!part_pages(disk, part)) {
        return false;
    }
    status = blk_frontend_submit(disk->frontend, &part->request);
    if (status == 0) {
        flying_add(disk, part);
    } else {
        part_finish(part, status);
    }
    return true;
}

void disk_parts_retry(struct disk *disk)
{
    while (disk->waiting != NULL && disk->frontend != NULL) {
        struct disk_part *part = disk->waiting;
        struct disk_part *next = part->next;

        if (!part_submit(disk, part)) {
            return;
        }
        disk->waiting = next;
        if (next == NULL) {
            disk->waiting_end = &disk->waiting;
        }
    }
}

void disk_parts_fail(struct disk *disk, int status)
{
    while (disk->waiting != NULL) {
        struct disk_part *part = disk->waiting;

        disk->waiting = part->next;
        part_finish(part, status);
    }
    disk->waiting_end = &disk->waiting;
}

static struct disk_part *part_make(struct disk *disk, struct disk_job *job, uint32_t at,
                                   uint32_t size)
{
    uint32_t count = (size + DISK_PAGE_SIZE - 1) / DISK_PAGE_SIZE;
    struct disk_part *part = calloc(1, sizeof(*part) + count * sizeof(part->segments[0]));

    if (part == NULL) {
        return NULL;
    }
    part->disk = disk;
    part->job = job;
    part->data = job->buffer ? job->buffer + at : NULL; /* a flush has none */
    part->size = size;
    part->request.operation = job->operation;
    part->request.segment_count = count;
    part->request.segments = part->segments;
    part->request.sector = (job->offset + at) / disk->now.sector_size;
    part->request.done = part_done;
    part->request.context = part;
    disk->parts++;
    return part;
}

/* ---- jobs ---- */

void disk_job_settle(struct disk_job *job, int status)
{
    if (job->status == 0) {
        job->status = status;
    }
    if (--job->left == 0) {
        job->done = true;
        pthread_cond_signal(&job->woken);
    }
}

void disk_job_begin(struct disk *disk, struct disk_job *job)
{
    uint32_t step = disk->now.segments * DISK_PAGE_SIZE;
    uint32_t at = 0;
    int status = disk->frontend == NULL || !disk->connected ? -BLANKET_ENOTCONN : 0;

    job->left = 1; /* for us: parts may be done before all are made */
    do {
        uint32_t size = job->size - at < step ? job->size - at : step;
        struct disk_part *part = status != 0 ? NULL : part_make(disk, job, at, size);

        if (part == NULL) {
            status = status != 0 ? status : -BLANKET_ENOMEM;
            break;
        }
        job->left++;
        if (disk->waiting != NULL || !part_submit(disk, part)) {
            *disk->waiting_end = part;
            disk->waiting_end = &part->next;
        }
        at += size;
    } while (at < job->size);
    disk_job_settle(job, status);
}
