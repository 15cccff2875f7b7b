/* SPDX-License-Identifier: MIT */
#include "copy.h"
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "blk/ring.h"

#define SECTORS_A_PAGE (BLK_PAGE_SIZE / IMAGE_SECTOR)
#define IDLE_MAX 1000u

struct job;

/* One request with pages of its guest's, used again and again. */
struct window {
    struct job *job;
    struct blk_request request;
    struct blk_segment *segments;
    struct iovec *parts;
    uint64_t sector; /* of the guest's disk */
    uint32_t sectors;
    bool busy;
};

/* What one guest does. */
struct job {
    struct copy *copy;
    struct world_guest *guest;
    struct window *windows;
    uint32_t window_count, busy_count;
    uint64_t next, end; /* sectors of the guest's disk */
    uint64_t done;      /* sectors that are copied */
    bool failed;
    bool flushed;
};

/* ---- windows ---- */

static bool window_make(struct window *window, struct job *job, uint32_t pages)
{
    struct blanket_sim *sim = job->guest->world->sim;

    window->job = job;
    window->segments = calloc(pages, sizeof(*window->segments));
    window->parts = calloc(pages, sizeof(*window->parts));
    if (window->segments == NULL || window->parts == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < pages; i++) {
        struct blk_page *page = &window->segments[i].page;

        if (blanket_sim_page_alloc(sim, job->guest->node, 1, &page->frame) != 0) {
            return false;
        }
        page->address = blanket_sim_page(sim, job->guest->node, page->frame);
        window->parts[i].iov_base = page->address;
    }
    return true;
}

static void window_free(struct window *window, uint32_t pages)
{
    struct world_guest *guest = window->job != NULL ? window->job->guest : NULL;

    for (uint32_t i = 0; guest != NULL && window->segments != NULL && i < pages; i++) {
        if (window->segments[i].page.address != NULL) {
            (void)blanket_sim_page_free(guest->world->sim, guest->node,
                                        window->segments[i].page.frame);
        }
    }
    free(window->segments);
    free(window->parts);
}

/* Whole pages, and what is left over at the end. Returns how many. */
static uint32_t window_shape(struct window *window)
{
    uint32_t left = window->sectors, pages = 0;

    while (left != 0) {
        uint32_t part = left < SECTORS_A_PAGE ? left : SECTORS_A_PAGE;

        window->segments[pages].first = 0;
        window->segments[pages].last = (uint16_t)(part - 1);
        window->parts[pages].iov_len = (size_t)part * IMAGE_SECTOR;
        left -= part;
        pages++;
    }
    return pages;
}

/* Byte of the whole disk, and so of the file at the other side. */
static uint64_t window_offset(const struct window *window)
{
    return (window->job->guest->first + window->sector) * IMAGE_SECTOR;
}

static void request_failed(struct job *job, const struct window *window, int status)
{
    if (!job->copy->failed) {
        command_error("run: %s: the request at sector %" PRIu64 " failed: %s", job->guest->name,
                      window->sector, command_errno_name(status));
    }
    job->copy->failed = true;
    job->failed = true;
}

static void window_done(struct blk_request *request, int status)
{
    struct window *window = request->context;
    struct job *job = window->job;

    window->busy = false;
    job->busy_count--;
    if (status != 0) {
        request_failed(job, window, status);
    } else if (request->operation == BLK_FLUSH) {
        job->flushed = true;
    } else {
        if (!job->copy->write && !image_write(job->copy->other, window_offset(window),
                                              window->parts, (int)request->segment_count)) {
            job->failed = true;
        }
        job->done += window->sectors;
    }
}

static void window_submit(struct window *window)
{
    struct job *job = window->job;
    int rc;

    window->request.done = window_done;
    window->request.context = window;
    window->busy = true;
    job->busy_count++;
    rc = blk_frontend_submit(job->guest->frontend, &window->request);
    if (rc != 0) {
        window->busy = false;
        job->busy_count--;
        request_failed(job, window, rc);
    } else {
        job->copy->requests++;
    }
}

/* ---- jobs ---- */

static void window_next(struct window *window)
{
    struct job *job = window->job;
    uint64_t most = (uint64_t)job->copy->world->config.segments * SECTORS_A_PAGE;
    uint64_t left = job->end - job->next;
    struct blk_frontend_info info;

    blk_frontend_info(job->guest->frontend, &info);
    most = info.segments * (uint64_t)SECTORS_A_PAGE < most
               ? info.segments * (uint64_t)SECTORS_A_PAGE
               : most;
    window->sector = job->next;
    window->sectors = (uint32_t)(left < most ? left : most);
    window->request.operation = job->copy->write ? BLK_WRITE : BLK_READ;
    window->request.sector = window->sector;
    window->request.segments = window->segments;
    window->request.segment_count = window_shape(window);
    job->next += window->sectors;
    if (job->copy->write && !image_read(job->copy->other, window_offset(window), window->parts,
                                        (int)window->request.segment_count)) {
        job->failed = true;
        return;
    }
    window_submit(window);
}

/* Keep all windows busy; at the end of a write, once all is acknowledged, flush. true: it's finished. */
static bool job_turn(const struct copy *copy, struct job *job)
{
    for (uint32_t i = 0; i < job->window_count && job->next < job->end && !job->failed; i++) {
        if (!job->windows[i].busy) {
            window_next(&job->windows[i]);
        }
    }
    if (job->failed || job->next < job->end || job->busy_count != 0) {
        return job->failed && job->busy_count == 0;
    }
    if (copy->write && !job->flushed && job->end != 0) {
        struct window *window = &job->windows[0];

        memset(&window->request, 0, sizeof(window->request));
        window->request.operation = BLK_FLUSH;
        window_submit(window);
        return false;
    }
    return true;
}

static void job_free(struct job *job)
{
    for (uint32_t i = 0; job->windows != NULL && i < job->window_count; i++) {
        window_free(&job->windows[i], job->copy->world->config.segments);
    }
    free(job->windows);
}

static bool job_make(struct job *job, struct copy *copy, struct world_guest *guest)
{
    uint64_t total = copy->bytes / IMAGE_SECTOR;
    struct blk_frontend_info info;

    blk_frontend_info(guest->frontend, &info);
    job->copy = copy;
    job->guest = guest;
    job->window_count = info.depth;
    if (total > guest->first) {
        job->end = total - guest->first < guest->sectors ? total - guest->first : guest->sectors;
    }
    job->windows = calloc(job->window_count, sizeof(*job->windows));
    if (job->windows == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < job->window_count; i++) {
        if (!window_make(&job->windows[i], job, copy->world->config.segments)) {
            return false;
        }
    }
    return true;
}

/* ---- all of them ---- */

static bool jobs_run(struct copy *copy, struct job *jobs)
{
    struct progress progress;
    uint32_t finished = 0, idle = 0;
    uint64_t done = 0;
    bool failed = false;

    progress_begin(&progress, copy->write ? "writing" : "reading", copy->bytes);
    while (finished < copy->world->config.guests && idle < IDLE_MAX && !command_interrupted()) {
        finished = 0;
        done = 0;
        for (uint32_t i = 0; i < copy->world->config.guests; i++) {
            finished += job_turn(copy, &jobs[i]);
            done += jobs[i].done * IMAGE_SECTOR;
            failed |= jobs[i].failed;
        }
        idle = world_turn(copy->world) ? 0 : idle + 1;
        progress_show(&progress, done);
    }
    progress_end(&progress);
    if (command_interrupted()) {
        command_error("run: interrupted");
        return false;
    }
    if (!failed && (idle == IDLE_MAX || done != copy->bytes)) {
        command_error("run: no answer comes any more, %" PRIu64 " of %" PRIu64 " bytes are copied",
                      done, copy->bytes);
        failed = true;
    }
    return !failed;
}

/*
 * Requests that are still out there use the windows: until they have come back. Those that won't come back
 * end with their frontend, which tells each of them so.
 */
static void jobs_wait(const struct copy *copy, const struct job *jobs)
{
    for (uint32_t idle = 0; idle < IDLE_MAX; idle++) {
        uint32_t busy = 0;

        for (uint32_t i = 0; i < copy->world->config.guests; i++) {
            busy += jobs[i].busy_count;
        }
        if (busy == 0) {
            return;
        }
        if (world_turn(copy->world)) {
            idle = 0;
        }
    }
    for (uint32_t i = 0; i < copy->world->config.guests; i++) {
        if (jobs[i].busy_count != 0) {
            blk_frontend_destroy(jobs[i].guest->frontend);
            jobs[i].guest->frontend = NULL;
        }
    }
}

bool copy_run(struct copy *copy)
{
    uint32_t count = copy->world->config.guests;
    struct job *jobs = calloc(count, sizeof(*jobs));
    bool good = jobs != NULL;
    uint64_t start;

    for (uint32_t i = 0; good && i < count; i++) {
        good = job_make(&jobs[i], copy, &copy->world->guests[i]);
    }
    if (!good) {
        command_error("run: there is no memory for the guests' buffers");
    }
    start = progress_clock();
    good = good && jobs_run(copy, jobs);
    copy->nanoseconds = progress_clock() - start;
    if (jobs != NULL) {
        jobs_wait(copy, jobs);
        for (uint32_t i = 0; i < count; i++) {
            if (jobs[i].copy != NULL) {
                job_free(&jobs[i]);
            }
        }
    }
    free(jobs);
    return good;
}
