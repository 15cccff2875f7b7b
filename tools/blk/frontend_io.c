/* SPDX-License-Identifier: MIT */
/* Requests: queue, slots, ring; their grants or the pool; responses. */
#include "frontend_private.h"

static uint32_t *segment_place(uint32_t *array, const struct blk_frontend *frontend, uint32_t slot)
{
    return &array[(size_t)slot * frontend->info.segments];
}

static void queue_first(struct blk_frontend *frontend, struct blk_request *request)
{
    request->next = frontend->queue;
    frontend->queue = request;
    if (request->next == NULL) {
        frontend->queue_end = &request->next;
    }
}

static struct blk_request *queue_take(struct blk_frontend *frontend)
{
    struct blk_request *request = frontend->queue;

    frontend->queue = request->next;
    if (frontend->queue == NULL) {
        frontend->queue_end = &frontend->queue;
    }
    return request;
}

static uint32_t slot_index(const struct blk_frontend *frontend, const struct blk_slot *slot)
{
    return (uint32_t)(slot - frontend->slots);
}

static void slot_finish(struct blk_frontend *frontend, struct blk_slot *slot, int status)
{
    struct blk_request *request = slot->request;

    if (slot->phase == BLK_SLOT_ENDING) {
        frontend->ending--;
    } else {
        frontend->flying--;
    }
    slot->phase = BLK_SLOT_FREE;
    slot->request = NULL;
    if (status == BLK_AGAIN) {
        queue_first(frontend, request);
    } else {
        request->done(request, status);
    }
}

/* ---- taking grants back ---- */

void blk_frontend_end_flush(struct blk_frontend *frontend)
{
    if (frontend->end_count == 0) {
        return;
    }
    (void)blanket_guest_grant_end(&frontend->device, frontend->ends, frontend->end_count);
    for (uint32_t i = 0; i < frontend->end_count; i++) {
        if (frontend->ends[i].status == 0) {
            *frontend->end_of[i] = BLK_GRANT_NONE;
            frontend->stats.ends++;
        }
    }
    frontend->end_count = 0;
}

void blk_frontend_end_add(struct blk_frontend *frontend, uint32_t *grant)
{
    if (*grant == BLK_GRANT_NONE) {
        return;
    }
    frontend->ends[frontend->end_count].index = *grant;
    frontend->end_of[frontend->end_count++] = grant;
    if (frontend->end_count == BLK_INDIRECT_MAX) {
        blk_frontend_end_flush(frontend);
    }
}

static bool slot_has_grants(const struct blk_frontend *frontend, uint32_t slot)
{
    const uint32_t *grants = segment_place(frontend->grants, frontend, slot);

    for (uint32_t i = 0; i < frontend->slots[slot].count; i++) {
        if (grants[i] != BLK_GRANT_NONE) {
            return true;
        }
    }
    return false;
}

int blk_frontend_ends(struct blk_frontend *frontend)
{
    int done = 0;

    if (frontend->ending == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < frontend->info.depth; i++) {
        struct blk_slot *slot = &frontend->slots[i];

        for (uint32_t k = 0; slot->phase == BLK_SLOT_ENDING && k < slot->count; k++) {
            blk_frontend_end_add(frontend, &segment_place(frontend->grants, frontend, i)[k]);
        }
    }
    blk_frontend_end_flush(frontend);
    for (uint32_t i = 0; i < frontend->info.depth; i++) {
        struct blk_slot *slot = &frontend->slots[i];

        if (slot->phase == BLK_SLOT_ENDING && !slot_has_grants(frontend, i)) {
            slot_finish(frontend, slot, slot->status);
            done = 1;
        }
    }
    return done;
}

/* The backend has nothing to do with the request any more. */
static void slot_end(struct blk_frontend *frontend, struct blk_slot *slot, int status)
{
    if (frontend->info.persistent) {
        const uint32_t *pool_of = segment_place(frontend->pool_of, frontend,
                                                slot_index(frontend, slot));

        for (uint32_t i = 0; i < slot->count; i++) {
            frontend->pool_free[frontend->pool_free_count++] = pool_of[i];
        }
        slot_finish(frontend, slot, status);
    } else {
        slot->phase = BLK_SLOT_ENDING;
        slot->status = status;
        frontend->flying--;
        frontend->ending++;
    }
}

void blk_frontend_requests_fail(struct blk_frontend *frontend, int status)
{
    for (uint32_t i = 0; frontend->slots != NULL && i < frontend->info.depth; i++) {
        struct blk_slot *slot = &frontend->slots[i];

        if (slot->phase == BLK_SLOT_FLYING) {
            slot_end(frontend, slot, status);
        } else if (slot->phase == BLK_SLOT_ENDING && slot->status == BLK_AGAIN) {
            slot->status = status;
        }
    }
    while (frontend->queue != NULL) {
        struct blk_request *request = queue_take(frontend);

        request->done(request, status);
    }
}

/* ---- data of persistent grants ---- */

static void slot_copy(const struct blk_frontend *frontend, const struct blk_slot *slot,
                      bool to_pool)
{
    const uint32_t *pool_of = segment_place(frontend->pool_of, frontend,
                                            slot_index(frontend, slot));
    uint32_t unit = frontend->info.sector_size;

    for (uint32_t i = 0; i < slot->count; i++) {
        const struct blk_segment *segment = &slot->request->segments[i];
        size_t offset = (size_t)segment->first * unit;
        size_t size = ((size_t)segment->last - segment->first + 1) * unit;
        uint8_t *shared = (uint8_t *)frontend->shared[pool_of[i]].page.address + offset;
        uint8_t *own = (uint8_t *)segment->page.address + offset;

        memcpy(to_pool ? shared : own, to_pool ? own : shared, size);
    }
}

/* ---- sending ---- */

static uint32_t segment_reference(const struct blk_frontend *frontend, uint32_t slot, uint32_t i)
{
    uint32_t grant;

    if (frontend->info.persistent) {
        grant = frontend->shared[segment_place(frontend->pool_of, frontend, slot)[i]].grant;
    } else {
        grant = segment_place(frontend->grants, frontend, slot)[i];
    }
    return blanket_guest_grant_reference(&frontend->device, grant);
}

static void segments_write(const struct blk_frontend *frontend, uint32_t slot,
                           struct blkif_request_segment *target)
{
    const struct blk_request *request = frontend->slots[slot].request;

    for (uint32_t i = 0; i < request->segment_count; i++) {
        struct blkif_request_segment segment;

        memset(&segment, 0, sizeof(segment));
        segment.gref = segment_reference(frontend, slot, i);
        segment.first_sect = (uint8_t)request->segments[i].first;
        segment.last_sect = (uint8_t)request->segments[i].last;
        target[i] = segment;
    }
}

static void ring_put(struct blk_frontend *frontend, uint32_t slot)
{
    const struct blk_request *request = frontend->slots[slot].request;
    struct blkif_request entry;

    memset(&entry, 0, sizeof(entry));
    if (request->segment_count > BLK_SEGMENTS_MAX) {
        struct blkif_request_indirect *indirect = (struct blkif_request_indirect *)(void *)&entry;
        const struct blk_shared *page = &frontend->shared[frontend->info.ring_pages + slot];

        segments_write(frontend, slot, page->page.address);
        indirect->operation = BLKIF_OP_INDIRECT;
        indirect->indirect_op = (uint8_t)request->operation;
        indirect->nr_segments = (uint16_t)request->segment_count;
        indirect->id = frontend->slots[slot].id;
        indirect->sector_number = request->sector;
        indirect->indirect_grefs[0] = blanket_guest_grant_reference(&frontend->device, page->grant);
    } else {
        entry.operation = (uint8_t)request->operation;
        entry.nr_segments = (uint8_t)request->segment_count;
        entry.id = frontend->slots[slot].id;
        entry.sector_number = request->sector;
        segments_write(frontend, slot, entry.seg);
    }
    blk_ring_request_write(&frontend->ring, frontend->ring.front.req_prod_pvt, &entry);
    frontend->ring.front.req_prod_pvt++;
    frontend->stats.requests++;
    frontend->stats.segments += request->segment_count;
}

/* A slot for the head of the queue, if there is room for all of it; else NULL. `reserved`: grants that
 * are spoken for and not yet taken. */
static struct blk_slot *slot_take(struct blk_frontend *frontend, uint32_t reserved)
{
    uint32_t count = frontend->queue->segment_count;
    uint32_t room = frontend->info.persistent ? frontend->pool_free_count
                                              : frontend->device.grants.free_count - reserved;
    uint32_t i = 0;

    while (i < frontend->info.depth && frontend->slots[i].phase != BLK_SLOT_FREE) {
        i++;
    }
    /* A free slot means a free ring entry: there are no more slots than entries. */
    if (i == frontend->info.depth || count > room) {
        return NULL;
    }
    frontend->slots[i].request = queue_take(frontend);
    frontend->slots[i].phase = BLK_SLOT_FLYING;
    frontend->slots[i].count = count;
    frontend->slots[i].id = (uint64_t)++frontend->sequence << 16 | i;
    frontend->flying++;
    return &frontend->slots[i];
}

static void persistent_send(struct blk_frontend *frontend, struct blk_slot *slot)
{
    uint32_t index = slot_index(frontend, slot);

    for (uint32_t i = 0; i < slot->count; i++) {
        segment_place(frontend->pool_of, frontend,
                      index)[i] = frontend->pool_free[--frontend->pool_free_count];
    }
    if (slot->request->operation == BLK_WRITE) {
        slot_copy(frontend, slot, true);
    }
    ring_put(frontend, index);
}

uint64_t blk_frontend_page_item(const struct blk_frontend *frontend, unsigned access,
                                uint64_t frame)
{
    unsigned type = frontend->config.own_grants ? BLANKET_ITEM_OWN_GRANT : BLANKET_ITEM_FRAME;

    return blanket_item(type, access, frame);
}

/* Which pages a slot needs granted: after those of the slots before it. */
static uint32_t access_add(struct blk_frontend *frontend, const struct blk_slot *slot,
                           uint32_t count)
{
    unsigned access = slot->request->operation == BLK_WRITE
                          ? BLANKET_ACCESS_READ
                          : BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE;

    for (uint32_t i = 0; i < slot->count; i++) {
        frontend->access[count++].page = blk_frontend_page_item(
            frontend, access, slot->request->segments[i].page.frame);
    }
    return count;
}

/* Its grants are access[first..]: on to the ring, or what there is of them is taken back. */
static void granted_send(struct blk_frontend *frontend, struct blk_slot *slot, uint32_t first)
{
    uint32_t index = slot_index(frontend, slot);
    uint32_t *grants = segment_place(frontend->grants, frontend, index);
    bool good = true;

    for (uint32_t i = 0; i < slot->count; i++) {
        const struct blanket_guest_access *access = &frontend->access[first + i];

        grants[i] = access->status == 0 || access->status == -BLANKET_EIO ? access->grant
                                                                          : BLK_GRANT_NONE;
        good = good && access->status == 0;
        frontend->stats.grants += access->status == 0;
    }
    if (good) {
        ring_put(frontend, index);
    } else {
        slot_end(frontend, slot, ++slot->request->tries < BLK_TRIES_MAX ? BLK_AGAIN : -BLANKET_EIO);
    }
}

/* Not persistent: as many requests as one batch of grants serves. 1: there may be more. */
static int batch_send(struct blk_frontend *frontend)
{
    struct blk_slot *slots[BLK_INDIRECT_MAX];
    uint32_t slot_count = 0, count = 0, first = 0;

    while (frontend->queue != NULL && slot_count < BLK_INDIRECT_MAX &&
           count + frontend->queue->segment_count <= BLK_INDIRECT_MAX) {
        struct blk_slot *slot = slot_take(frontend, count);

        if (slot == NULL) {
            break;
        }
        slots[slot_count++] = slot;
        count = access_add(frontend, slot, count);
    }
    if (slot_count == 0) {
        return 0;
    }
    if (count != 0) {
        (void)blanket_guest_grant_access(&frontend->device, frontend->access, count);
    }
    for (uint32_t i = 0; i < slot_count; i++) {
        granted_send(frontend, slots[i], first);
        first += slots[i]->count;
    }
    return frontend->ending == 0;
}

static void doorbell_send(struct blk_frontend *frontend)
{
    int rc;

    if (!frontend->doorbell) {
        return;
    }
    rc = blanket_guest_port_send(&frontend->device, frontend->port);
    frontend->doorbell = rc == -BLANKET_EAGAIN || rc == -BLANKET_EIO;
    frontend->stats.doorbells += rc == 0;
    if (rc != 0 && !frontend->doorbell) {
        blk_frontend_fail(frontend, "the backend's event channel is gone");
    }
}

int blk_frontend_send(struct blk_frontend *frontend)
{
    RING_IDX before;
    int more = 1;

    if (!frontend->port_bound || frontend->slots == NULL) {
        return 0;
    }
    before = frontend->ring.front.req_prod_pvt;
    if (frontend->info.persistent) {
        struct blk_slot *slot = NULL;

        while (frontend->queue != NULL && (slot = slot_take(frontend, 0)) != NULL) {
            persistent_send(frontend, slot);
        }
    } else {
        while (frontend->queue != NULL && more) {
            more = batch_send(frontend);
        }
    }
    if (frontend->ring.front.req_prod_pvt != before) {
        int notify;

        RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&frontend->ring.front, notify);
        frontend->doorbell |= notify != 0;
        (void)blk_frontend_arm(frontend); /* before it knows: poll looks for responses again */
    }
    doorbell_send(frontend);
    return frontend->ring.front.req_prod_pvt != before;
}

/* ---- responses ---- */

/* The slot that a response is for; NULL: it is a lie. */
static struct blk_slot *response_slot(const struct blk_frontend *frontend,
                                      const struct blkif_response *response)
{
    uint32_t index = (uint32_t)(response->id & 0xffff);
    struct blk_slot *slot;

    if (index >= frontend->info.depth) {
        return NULL;
    }
    slot = &frontend->slots[index];
    if (slot->phase != BLK_SLOT_FLYING || slot->id != response->id ||
        (response->status != BLKIF_RSP_OKAY && response->status != BLKIF_RSP_ERROR &&
         response->status != BLKIF_RSP_EOPNOTSUPP)) {
        return NULL;
    }
    if (response->operation != (uint8_t)slot->request->operation &&
        (response->operation != BLKIF_OP_INDIRECT || slot->count <= BLK_SEGMENTS_MAX)) {
        return NULL;
    }
    return slot;
}

static int response_status(const struct blkif_response *response)
{
    switch (response->status) {
    case BLKIF_RSP_OKAY:
        return 0;
    case BLKIF_RSP_EOPNOTSUPP:
        return -BLANKET_EOPNOTSUPP;
    default:
        return -BLANKET_EIO;
    }
}

/* 0, or it was a lie and the connection ends. */
static int response_take(struct blk_frontend *frontend, const struct blkif_response *response)
{
    struct blk_slot *slot = response_slot(frontend, response);
    int status;

    if (slot == NULL) {
        frontend->stats.bad_responses++;
        blk_frontend_fail(frontend, "the backend sent a response that fits no request");
        return -BLANKET_EIO;
    }
    status = response_status(response);
    if (status == 0 && frontend->info.persistent && slot->request->operation == BLK_READ) {
        slot_copy(frontend, slot, false);
    }
    slot_end(frontend, slot, status);
    return 0;
}

int blk_frontend_responses(struct blk_frontend *frontend)
{
    struct blkif_front_ring *front = &frontend->ring.front;
    RING_IDX end = *(volatile RING_IDX *)&front->sring->rsp_prod;
    int done = 0;

    xen_rmb();
    if (end - front->rsp_cons > front->req_prod_pvt - front->rsp_cons) {
        frontend->stats.bad_responses++;
        blk_frontend_fail(frontend, "the backend's ring index is beyond the requests");
    }
    while (front->rsp_cons != end && frontend->error == NULL) {
        struct blkif_response response;

        blk_ring_response_read(&frontend->ring, front->rsp_cons, &response);
        front->rsp_cons++;
        done = 1;
        (void)response_take(frontend, &response);
    }
    return done;
}

int blk_frontend_arm(struct blk_frontend *frontend)
{
    struct blkif_front_ring *front = &frontend->ring.front;
    uint32_t wanted = 1;

    if (frontend->config.wanted != NULL && frontend->queue == NULL) {
        wanted = frontend->config.wanted(frontend->config.context);
    }
    wanted = wanted < frontend->flying ? wanted : frontend->flying;
    front->sring->rsp_event = front->rsp_cons + wanted;
    xen_mb(); /* as in io/ring.h's RING_FINAL_CHECK_FOR_RESPONSES */
    return RING_HAS_UNCONSUMED_RESPONSES(front) != 0;
}
