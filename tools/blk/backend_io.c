/* SPDX-License-Identifier: MIT */
/* The ring: requests are copied out, checked, performed, answered. */
#include "backend_private.h"

/* Why a request isn't performed. Its number of segments is known to be at most BLK_INDIRECT_MAX. */
static int work_check(struct blk_backend *backend)
{
    struct blk_work *work = &backend->work;
    uint32_t per_page = BLK_PAGE_SIZE / backend->unit;
    uint64_t disk = backend->config.sectors * (backend->config.sector_size / backend->unit);
    uint64_t sectors = 0, first = work->offset;

    for (uint32_t i = 0; i < work->count; i++) {
        const struct blkif_request_segment *segment = &work->segments[i];

        if (segment->first_sect > segment->last_sect || segment->last_sect >= per_page) {
            return BLKIF_RSP_ERROR;
        }
        sectors += (uint64_t)segment->last_sect - segment->first_sect + 1;
    }
    if (work->count == 0 || sectors > disk || first > disk - sectors) {
        return BLKIF_RSP_ERROR;
    }
    work->offset = first * backend->unit;
    return BLKIF_RSP_OKAY;
}

static void work_unmap(struct blk_backend *backend, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (backend->work.mapped[i] != NULL) {
            blk_backend_page_put(backend, backend->work.mapped[i]);
        }
    }
}

/* All segments mapped, or none. */
static int work_map(struct blk_backend *backend, unsigned access)
{
    struct blk_work *work = &backend->work;

    for (uint32_t i = 0; i < work->count; i++) {
        const struct blkif_request_segment *segment = &work->segments[i];
        void *address;
        bool keep;

        if (blk_backend_page_get(backend, segment->gref, access, &address, &keep) != 0) {
            work_unmap(backend, i);
            return BLKIF_RSP_ERROR;
        }
        work->mapped[i] = keep ? NULL : address;
        work->parts[i].iov_base = (uint8_t *)address + (size_t)segment->first_sect * backend->unit;
        work->parts[i].iov_len = ((size_t)segment->last_sect - segment->first_sect + 1) *
                                 backend->unit;
    }
    return BLKIF_RSP_OKAY;
}

static void bytes_count(struct blk_backend *backend, bool write)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < backend->work.count; i++) {
        bytes += backend->work.parts[i].iov_len;
    }
    if (write) {
        backend->stats.writes++;
        backend->stats.bytes_written += bytes;
    } else {
        backend->stats.reads++;
        backend->stats.bytes_read += bytes;
    }
}

/* Read or write; work->offset is the first sector. */
static int work_transfer(struct blk_backend *backend, bool write)
{
    const struct blk_disk_ops *disk = backend->config.disk;
    struct blk_work *work = &backend->work;
    int status = work_check(backend);
    int rc;

    if (status == BLKIF_RSP_OKAY && write && backend->config.read_only) {
        status = BLKIF_RSP_ERROR;
    }
    if (status == BLKIF_RSP_OKAY) {
        status = work_map(backend,
                          write ? BLANKET_ACCESS_READ : BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE);
    }
    if (status != BLKIF_RSP_OKAY) {
        backend->stats.refused++;
        return status;
    }
    rc = write ? disk->write(backend->config.disk_context, work->offset, work->parts,
                             (int)work->count)
               : disk->read(backend->config.disk_context, work->offset, work->parts,
                            (int)work->count);
    if (rc == 0) {
        bytes_count(backend, write);
    } else {
        backend->stats.disk_errors++;
    }
    work_unmap(backend, work->count);
    return rc == 0 ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
}

static int work_flush(struct blk_backend *backend)
{
    if (backend->config.disk->flush == NULL) {
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (backend->work.count != 0) {
        backend->stats.refused++;
        return BLKIF_RSP_ERROR;
    }
    backend->stats.flushes++;
    if (backend->config.disk->flush(backend->config.disk_context) != 0) {
        backend->stats.disk_errors++;
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

/* The segments of an indirect request, out of its page. 0: it has none that could be. */
static int indirect_take(struct blk_backend *backend, const struct blkif_request_indirect *indirect)
{
    struct blk_work *work = &backend->work;
    void *page;
    bool keep;

    if (indirect->nr_segments == 0 || indirect->nr_segments > backend->config.indirect ||
        (indirect->indirect_op != BLKIF_OP_READ && indirect->indirect_op != BLKIF_OP_WRITE)) {
        return 0;
    }
    if (blk_backend_page_get(backend, indirect->indirect_grefs[0], BLANKET_ACCESS_READ, &page,
                             &keep) != 0) {
        return 0;
    }
    memcpy(work->segments, page, indirect->nr_segments * sizeof(work->segments[0]));
    __asm__ __volatile__("" ::: "memory");
    work->count = indirect->nr_segments;
    work->offset = indirect->sector_number;
    if (!keep) {
        blk_backend_page_put(backend, page);
    }
    return 1;
}

/* Performs one request. Its answer. */
static int request_serve(struct blk_backend *backend, const struct blkif_request *request)
{
    const struct blkif_request_indirect *indirect =
        (const struct blkif_request_indirect *)(const void *)request;
    struct blk_work *work = &backend->work;

    work->id = request->id;
    work->operation = request->operation;
    work->count = request->nr_segments;
    work->offset = request->sector_number;
    switch (request->operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        if (work->count > BLK_SEGMENTS_MAX) {
            backend->stats.refused++;
            return BLKIF_RSP_ERROR;
        }
        memcpy(work->segments, request->seg, sizeof(request->seg));
        return work_transfer(backend, request->operation == BLKIF_OP_WRITE);
    case BLKIF_OP_FLUSH_DISKCACHE:
        return work_flush(backend);
    case BLKIF_OP_INDIRECT:
        work->id = indirect->id;
        work->operation = indirect->indirect_op; /* as Linux answers, and its frontend demands */
        if (backend->config.indirect == 0) {
            return BLKIF_RSP_EOPNOTSUPP;
        }
        if (!indirect_take(backend, indirect)) {
            backend->stats.refused++;
            return BLKIF_RSP_ERROR;
        }
        return work_transfer(backend, indirect->indirect_op == BLKIF_OP_WRITE);
    default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
}

static void respond(struct blk_backend *backend, int status)
{
    struct blkif_response response;

    memset(&response, 0, sizeof(response));
    response.id = backend->work.id;
    response.operation = backend->work.operation;
    response.status = (int16_t)status;
    blk_ring_response_write(&backend->ring, backend->ring.back.rsp_prod_pvt, &response);
    backend->ring.back.rsp_prod_pvt++;
    backend->stats.requests++;
}

static void doorbell_send(struct blk_backend *backend)
{
    int rc;

    if (!backend->doorbell) {
        return;
    }
    rc = blanket_guest_port_send(&backend->device, backend->port);
    backend->doorbell = rc == -BLANKET_EAGAIN || rc == -BLANKET_EIO;
    backend->stats.doorbells += rc == 0;
}

int blk_backend_serve(struct blk_backend *backend, uint32_t budget)
{
    struct blkif_back_ring *back = &backend->ring.back;
    unsigned more = 1;

    while (more && budget != 0) {
        RING_IDX end = *(volatile RING_IDX *)&back->sring->req_prod;
        int notify;

        xen_rmb();
        if (RING_REQUEST_PROD_OVERFLOW(back, end)) {
            backend->stats.broken_rings++;
            blk_backend_fail(backend, "the frontend's ring index is beyond the ring");
            return 1;
        }
        while (back->req_cons != end && budget != 0) {
            struct blkif_request request;

            blk_backend_cache_room(backend);
            blk_ring_request_read(&backend->ring, back->req_cons, &request);
            back->req_cons++;
            respond(backend, request_serve(backend, &request));
            budget--;
        }
        RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(back, notify);
        backend->doorbell |= notify != 0;
        RING_FINAL_CHECK_FOR_REQUESTS(back, more);
    }
    doorbell_send(backend);
    return more != 0 || backend->doorbell;
}
