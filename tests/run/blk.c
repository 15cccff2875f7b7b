/* SPDX-License-Identifier: MIT */
/* The block frontend and backend over the provider alone: what they do, and what they don't put up with. */
#include "blk_bed.h"

#include <stdio.h>

static struct bed bed;

static int setup(void **state)
{
    (void)state;
    bed_init(&bed, 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_fini(&bed);
    return 0;
}

/* Reads all, compares with the disk; writes all anew, compares again. */
static void check_disk(void)
{
    uint32_t sectors = (uint32_t)bed.frontend->info.sectors;
    uint32_t chunk = 1024u * 512u / bed.frontend->info.sector_size;
    uint8_t *data = malloc(1024 * 512), *model = malloc(bed.disk_size);

    for (uint32_t at = 0; at < sectors; at += chunk) {
        size_t offset = (size_t)at * bed.frontend->info.sector_size;

        memset(data, 0xee, 1024 * 512);
        assert_int_equal(bed_transfer(&bed, BLK_READ, at, data, chunk), 0);
        assert_memory_equal(data, bed.disk + offset, 1024 * 512);
        for (uint32_t i = 0; i < 1024 * 512; i++) {
            data[i] = (uint8_t)(data[i] ^ (i * 7 + at));
        }
        memcpy(model + offset, data, 1024 * 512);
        assert_int_equal(bed_transfer(&bed, BLK_WRITE, at, data, chunk), 0);
    }
    assert_memory_equal(model, bed.disk, bed.disk_size);
    free(data);
    free(model);
}

static void test_shapes(void **state)
{
    static const struct {
        uint32_t order, segments;
        bool persistent;
    } shapes[] = {
        {0, 11, true},  {0, 11, false}, {0, 1, true},   {0, 1, false},
        {1, 11, false}, {2, 11, true},  {4, 11, true},  {4, 5, false},
        {0, 32, true},  {0, 32, false}, {3, 256, true}, {1, 256, false},
    };

    (void)state;
    bed_backend(&bed);
    for (uint32_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct blk_frontend_stats stats;
        struct blk_backend_stats back;

        bed.front.ring_order = shapes[i].order;
        bed.front.segments = shapes[i].segments;
        bed.front.persistent = shapes[i].persistent;
        bed.front.depth = shapes[i].segments > 11 ? 8 : 0;
        bed_frontend(&bed);
        bed_run(&bed);
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CONNECTED);
        assert_int_equal(bed.frontend->info.ring_pages, 1u << shapes[i].order);
        assert_int_equal(bed.frontend->info.segments, shapes[i].segments);
        assert_int_equal(bed.frontend->info.persistent, shapes[i].persistent);
        check_disk();
        blk_frontend_stats(bed.frontend, &stats);
        blk_backend_stats(bed.backend, &back);
        assert_int_equal(stats.bad_responses, 0);
        assert_int_equal(back.refused, 0);
        if (!shapes[i].persistent) {
            assert_true(stats.grants > stats.segments);
            assert_true(back.mapped <= 16);
        } else {
            assert_true(stats.grants <= 1024);
        }
        bed_frontend_close(&bed);
        blk_backend_stats(bed.backend, &back);
        assert_int_equal(back.mapped, 0);
        /* As a toolstack that starts the frontend's domain again. */
        bed_write(&bed, 0, "state", "1");
        bed_run(&bed);
        assert_int_equal(blk_backend_state(bed.backend), BLK_BACKEND_WAITING);
    }
}

static void test_store_says_it(void **state)
{
    char expected[32];

    (void)state;
    bed.front.ring_order = 2;
    bed_connect(&bed);
    assert_string_equal(bed_read(&bed, 0, "state"), "4");
    assert_string_equal(bed_read(&bed, 1, "state"), "4");
    assert_string_equal(bed_read(&bed, 1, "sectors"), "8192");
    assert_string_equal(bed_read(&bed, 1, "sector-size"), "512");
    assert_string_equal(bed_read(&bed, 1, "feature-persistent"), "1");
    assert_string_equal(bed_read(&bed, 1, "feature-flush-cache"), "1");
    assert_string_equal(bed_read(&bed, 0, "protocol"), XEN_IO_PROTO_ABI_NATIVE);
    assert_string_equal(bed_read(&bed, 0, "ring-page-order"), "2");
    assert_string_equal(bed_read(&bed, 0, "ring-ref"), "");
    for (unsigned i = 0; i < 4; i++) {
        char key[16];

        snprintf(key, sizeof(key), "ring-ref%u", i);
        snprintf(expected, sizeof(expected), "%u",
                 (unsigned)(bed.front_end.grant_base + bed.frontend->shared[i].grant));
        assert_string_equal(bed_read(&bed, 0, key), expected);
    }
    bed_frontend_close(&bed);
    assert_string_equal(bed_read(&bed, 0, "state"), "6");
    assert_string_equal(bed_read(&bed, 1, "state"), "6");
}

static void test_flush(void **state)
{
    (void)state;
    bed_connect(&bed);
    assert_int_equal(bed_flush(&bed), 0);
    assert_int_equal(bed.flushes, 1);
    bed.disk_error = -BLANKET_EIO;
    assert_int_equal(bed_flush(&bed), -BLANKET_EIO);
}

static void test_disk_errors(void **state)
{
    uint8_t data[4096];
    struct blk_backend_stats stats;

    (void)state;
    bed_connect(&bed);
    bed.disk_error = -BLANKET_EIO;
    assert_int_equal(bed_transfer(&bed, BLK_READ, 0, data, 8), -BLANKET_EIO);
    assert_int_equal(bed_transfer(&bed, BLK_WRITE, 0, data, 8), -BLANKET_EIO);
    bed.disk_error = 0;
    assert_int_equal(bed_transfer(&bed, BLK_READ, 0, data, 8), 0);
    blk_backend_stats(bed.backend, &stats);
    assert_int_equal(stats.disk_errors, 2);
}

static void test_read_only(void **state)
{
    static uint8_t data[4096];
    struct blk_request request = {.operation = BLK_WRITE, .segment_count = 1};
    struct blk_segment segment = {{data, 0}, 0, 0};

    (void)state;
    bed.back.read_only = true;
    bed_connect(&bed);
    request.segments = &segment;
    assert_true(bed.frontend->info.read_only);
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EOPNOTSUPP);
    bed.frontend->info.read_only = false; /* a frontend that doesn't care */
    assert_int_equal(bed_transfer(&bed, BLK_WRITE, 0, data, 8), -BLANKET_EIO);
    assert_int_equal(bed.backend->stats.refused, 1);
    assert_int_equal(bed_transfer(&bed, BLK_READ, 0, data, 8), 0);
}

static void test_large_sectors(void **state)
{
    (void)state;
    bed.back.sector_size = 4096;
    bed.back.sectors = BED_SECTORS / 8;
    bed_connect(&bed);
    assert_int_equal(bed.frontend->info.sector_size, 4096);
    assert_int_equal(bed.frontend->info.sectors, BED_SECTORS / 8);
    check_disk();
}

static void test_submit_checks(void **state)
{
    static uint8_t data[4096];
    struct blk_segment segments[12];
    struct blk_request request = {.segments = segments, .segment_count = 1};

    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        segments[i] = (struct blk_segment){{data, 0}, 0, 7};
    }
    bed_backend(&bed);
    bed_frontend(&bed);
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_ENOTCONN);
    bed_run(&bed);
    request.segment_count = 0;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    request.segment_count = 12;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    request.segment_count = 1;
    request.sector = BED_SECTORS - 7;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    request.sector = UINT64_MAX;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    request.sector = 0;
    segments[0].last = 8;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    segments[0].first = 3;
    segments[0].last = 2;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    request.operation = (enum blk_operation)5;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EOPNOTSUPP);
    request.operation = BLK_FLUSH;
    assert_int_equal(blk_frontend_submit(bed.frontend, &request), -BLANKET_EINVAL);
    assert_int_equal(bed.frontend->stats.requests, 0);
}

/* Fewer pages stay mapped than the frontend uses: some are let go, all data are right. */
static void test_small_cache(void **state)
{
    (void)state;
    bed.back.persistent = 20;
    bed_connect(&bed);
    assert_true(bed.frontend->info.persistent);
    check_disk();
    assert_true(bed.backend->stats.mapped <= 21);
    assert_true(bed.backend->stats.unmaps > 100);
}

static void test_few_grants(void **state)
{
    (void)state;
    bed_fini(&bed);
    bed_init(&bed, 7); /* one for the ring, six for data */
    bed_connect(&bed);
    assert_int_equal(bed.frontend->info.segments, 6);
    check_disk();
    bed_frontend_close(&bed);
    bed_write(&bed, 0, "state", "1");
    bed_run(&bed);
    bed.front.persistent = false;
    bed_frontend(&bed);
    bed_run(&bed);
    check_disk();
    bed_fini(&bed);
    bed_init(&bed, 1);
    bed_backend(&bed);
    bed_frontend(&bed);
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    assert_non_null(strstr(blk_frontend_error(bed.frontend), "quota of grants"));
}

static void test_map_failures(void **state)
{
    static uint8_t data[11 * 4096];

    (void)state;
    bed.front.persistent = false;
    bed_connect(&bed);
    for (uint32_t i = 1; i < 11; i++) {
        bed.map_fails = i; /* those before it are unmapped again */
        assert_int_equal(bed_transfer(&bed, BLK_READ, 0, data, 88), -BLANKET_EIO);
        assert_int_equal(bed.backend->stats.mapped, 1);
    }
    assert_int_equal(bed_transfer(&bed, BLK_READ, 0, data, 88), 0);
}

/* ---- a frontend that lies: that request fails, or the connection; the backend serves on ---- */

/* Puts an entry on the ring by hand and gives what comes back; id 99. */
static struct blkif_response exchange(const void *entry)
{
    struct blk_ring *ring = &bed.frontend->ring;
    struct blkif_response response;

    memset(&response, 0x55, sizeof(response));
    blk_ring_request_write(ring, ring->front.req_prod_pvt++, entry);
    RING_PUSH_REQUESTS(&ring->front);
    bed.backend->ring_event = true;
    while (blk_backend_poll(bed.backend)) {
        continue;
    }
    assert_int_equal(ring->front.sring->rsp_prod, ring->front.rsp_cons + 1);
    blk_ring_response_read(ring, ring->front.rsp_cons++, &response);
    assert_int_equal(response.id, 99);
    return response;
}

static struct blkif_request good_request(void)
{
    struct blkif_request request;

    memset(&request, 0, sizeof(request));
    request.id = 99;
    request.nr_segments = 1;
    request.sector_number = 8;
    request.seg[0].gref = bed.front_end.grant_base +
                          bed.frontend->shared[bed.frontend->pool_first].grant;
    request.seg[0].last_sect = 7;
    return request;
}

static void test_bad_requests(void **state)
{
    (void)state;
    bed_connect(&bed);
    for (uint32_t bad = 0; bad < 14; bad++) {
        struct blkif_request request = good_request();
        int16_t expected = BLKIF_RSP_ERROR;

        switch (bad) {
        case 0:
            request.nr_segments = 0;
            break;
        case 1:
            request.nr_segments = 12;
            break;
        case 2:
            request.nr_segments = 255;
            break;
        case 3:
            request.seg[0].first_sect = 8;
            break;
        case 4:
            request.seg[0].last_sect = 8;
            break;
        case 5:
            request.seg[0].last_sect = 255;
            break;
        case 6:
            request.sector_number = BED_SECTORS - 7;
            break;
        case 7:
            request.sector_number = UINT64_MAX - 3;
            break;
        case 8:
            request.seg[0].gref = 0xdeadbeef;
            break;
        case 9:
            request.seg[0].gref = bed.front_end.grant_base + 1023; /* not granted */
            break;
        case 10:
            request.operation = BLKIF_OP_FLUSH_DISKCACHE;
            break;
        case 11:
            request.operation = BLKIF_OP_WRITE_BARRIER;
            expected = BLKIF_RSP_EOPNOTSUPP;
            break;
        case 12:
            request.operation = BLKIF_OP_DISCARD;
            expected = BLKIF_RSP_EOPNOTSUPP;
            break;
        default:
            request.operation = 200;
            expected = BLKIF_RSP_EOPNOTSUPP;
            break;
        }
        assert_int_equal(exchange(&request).status, expected);
    }
    assert_int_equal(bed.backend->stats.refused, 11);
    {
        struct blkif_request request = good_request();

        assert_int_equal(exchange(&request).status, BLKIF_RSP_OKAY);
    }
    check_disk();
}

static void test_bad_indirect_requests(void **state)
{
    struct blkif_request_segment *table;
    struct blkif_request plain;
    uint32_t page_grant;

    (void)state;
    bed.front.segments = 64;
    bed.front.depth = 4;
    bed_connect(&bed);
    table = bed.frontend->shared[bed.frontend->info.ring_pages].page.address;
    page_grant = bed.front_end.grant_base +
                 bed.frontend->shared[bed.frontend->info.ring_pages].grant;
    for (uint32_t bad = 0; bad < 7; bad++) {
        union {
            struct blkif_request plain;
            struct blkif_request_indirect indirect;
        } entry;
        int16_t status;

        memset(&entry, 0, sizeof(entry));
        entry.indirect.operation = BLKIF_OP_INDIRECT;
        entry.indirect.indirect_op = BLKIF_OP_READ;
        entry.indirect.nr_segments = 20;
        entry.indirect.id = 99;
        entry.indirect.indirect_grefs[0] = page_grant;
        for (uint32_t i = 0; i < 512; i++) {
            table[i] = good_request().seg[0];
        }
        switch (bad) {
        case 0:
            entry.indirect.nr_segments = 0;
            break;
        case 1:
            entry.indirect.nr_segments = 257;
            break;
        case 2:
            entry.indirect.nr_segments = 65535;
            break;
        case 3:
            entry.indirect.indirect_op = BLKIF_OP_FLUSH_DISKCACHE;
            break;
        case 4:
            entry.indirect.indirect_grefs[0] = 12345;
            break;
        case 5:
            table[1].last_sect = 9;
            break;
        default:
            break;
        }
        status = exchange(&entry).status;
        assert_int_equal(status, bad == 6 ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
    }
    plain = good_request(); /* its 12th segment would be what an indirect one left behind */
    plain.nr_segments = 12;
    for (uint32_t i = 0; i < 11; i++) {
        plain.seg[i] = plain.seg[0];
    }
    assert_int_equal(exchange(&plain).status, BLKIF_RSP_ERROR);
    check_disk();
}

static void test_broken_ring(void **state)
{
    (void)state;
    bed_connect(&bed);
    bed.frontend->ring.front.sring->req_prod = bed.frontend->ring.front.req_prod_pvt + 33;
    bed.backend->ring_event = true;
    bed_run(&bed);
    assert_int_equal(bed.backend->stats.broken_rings, 1);
    assert_int_equal(bed.backend->stats.mapped, 0);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    assert_non_null(strstr(blk_backend_error(bed.backend), "index"));
    blk_frontend_destroy(bed.frontend);
    bed.frontend = NULL;
    bed_write(&bed, 0, "state", "1"); /* and the next one is served */
    bed_run(&bed);
    bed_frontend(&bed);
    bed_run(&bed);
    check_disk();
}

/* A ring that is scribbled over for a while with anything: nothing but errors, and no harm. */
static void test_noise(void **state)
{
    uint64_t random = 88172645463325252ull;
    uint8_t *before = malloc(bed.disk_size);

    (void)state;
    bed.back.read_only = true; /* so that the disk must be the same afterwards */
    bed_connect(&bed);
    memcpy(before, bed.disk, bed.disk_size);
    for (uint32_t round = 0; round < 2000 && bed.backend->state == BLK_BACKEND_CONNECTED; round++) {
        struct blkif_request entry;

        for (uint32_t i = 0; i < sizeof(entry) / 8; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            memcpy((uint8_t *)&entry + (size_t)i * 8, &random, 8);
        }
        entry.operation &= 7;
        entry.id = 99;
        ((struct blkif_request_indirect *)(void *)&entry)->id =
            entry.operation == BLKIF_OP_INDIRECT
                ? 99
                : ((struct blkif_request_indirect *)(void *)&entry)->id;
        if (random & 256) {
            entry.seg[0].gref = bed.front_end.grant_base + (entry.seg[0].gref & 1023);
            entry.sector_number &= 16383;
            entry.nr_segments &= 15;
        }
        (void)exchange(&entry);
    }
    assert_int_equal(bed.backend->state, BLK_BACKEND_CONNECTED);
    assert_memory_equal(before, bed.disk, bed.disk_size);
    free(before);
}

/* ---- a backend that lies: the connection ends, each request is told, nothing is touched ---- */

struct told {
    uint32_t count;
    int status;
};

static void note_told(struct blk_request *request, int status)
{
    struct told *told = request->context;

    told->count++;
    told->status = status;
}

/* What the backend answers a read of the first slot with: nine ways to be wrong. */
static struct blkif_response bad_response(uint32_t bad)
{
    struct blkif_response response;

    memset(&response, 0, sizeof(response));
    response.id = bed.frontend->slots[0].id;
    response.operation = BLKIF_OP_READ;
    switch (bad) {
    case 0:
        response.id++;
        break;
    case 1:
        response.id = 65535;
        break;
    case 2:
        response.id += 1 << 16;
        break;
    case 3:
        response.id = 0;
        break;
    case 4:
        response.operation = BLKIF_OP_WRITE;
        break;
    case 5:
        response.operation = BLKIF_OP_INDIRECT;
        break;
    case 6:
        response.status = 1;
        break;
    case 7:
        response.status = -3;
        break;
    default: /* this one is right, and there is one more than there were requests */
        break;
    }
    return response;
}

static void test_bad_responses(void **state)
{
    (void)state;
    for (uint32_t bad = 0; bad < 9; bad++) {
        struct told told = {0, 99};
        struct blk_segment segment = {.last = 7};
        struct blk_request request = {.operation = BLK_READ,
                                      .segments = &segment,
                                      .segment_count = 1,
                                      .done = note_told,
                                      .context = &told};
        struct blkif_response response;

        bed.front.persistent = bad & 1;
        bed_connect(&bed);
        assert_int_equal(bed_page_alloc(&bed, &segment.page), 0);
        memset(segment.page.address, 0x11, 4096);
        assert_int_equal(blk_frontend_submit(bed.frontend, &request), 0);
        (void)blk_frontend_poll(bed.frontend);
        bed.backend->ring_event = false; /* it is we who answer */
        response = bad_response(bad);
        blk_ring_response_write(&bed.frontend->ring, 0, &response);
        bed.frontend->ring.front.sring->rsp_prod = bad == 8 ? 2 : 1;
        bed_run(&bed);
        assert_int_equal(bed.frontend->stats.bad_responses, 1);
        assert_int_equal(told.count, 1);
        assert_int_equal(told.status, -BLANKET_ENOTCONN);
        assert_int_equal(((uint8_t *)segment.page.address)[0], 0x11);
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
        blk_frontend_destroy(bed.frontend);
        bed.frontend = NULL;
        bed_page_free(&bed, &segment.page);
        blk_backend_destroy(bed.backend);
        bed.backend = NULL;
        bed_write(&bed, 0, "state", "1");
        bed_write(&bed, 1, "state", "1");
    }
}

/* A request of one page, which tells `told`. */
static void request_make(struct blk_request *request, struct blk_segment *segment, struct told *told)
{
    assert_int_equal(bed_page_alloc(&bed, &segment->page), 0);
    request->segments = segment;
    request->segment_count = 1;
    request->done = note_told;
    request->context = told;
}

/* The true answer to one of two requests, twice: the second fits none. */
static void test_answer_twice(void **state)
{
    struct told told = {0, 99};
    struct blk_segment segments[2] = {{.last = 7}, {.last = 7}};
    struct blk_request requests[2];
    struct blkif_response response;

    (void)state;
    memset(requests, 0, sizeof(requests));
    bed_connect(&bed);
    for (uint32_t i = 0; i < 2; i++) {
        request_make(&requests[i], &segments[i], &told);
        assert_int_equal(blk_frontend_submit(bed.frontend, &requests[i]), 0);
    }
    (void)blk_frontend_poll(bed.frontend);
    bed.backend->ring_event = false; /* it is we who answer */
    response = bad_response(8);
    blk_ring_response_write(&bed.frontend->ring, 0, &response);
    blk_ring_response_write(&bed.frontend->ring, 1, &response);
    bed.frontend->ring.front.sring->rsp_prod = 2;
    (void)blk_frontend_poll(bed.frontend);
    assert_int_equal(bed.frontend->stats.bad_responses, 1);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.status, -BLANKET_ENOTCONN);
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
    bed_page_free(&bed, &segments[0].page);
    bed_page_free(&bed, &segments[1].page);
}

/* ---- events ---- */

static uint32_t responses_wanted;

static uint32_t wanted(void *context)
{
    (void)context;
    return responses_wanted;
}

/* The backend sends an event when as many responses are there as the caller waits for: no more than can come,
 * and the first if more requests wait for the ring. */
static void test_event_when_wanted(void **state)
{
    struct told told = {0, 99};
    struct blk_segment segments[4] = {{.last = 7}, {.last = 7}, {.last = 7}, {.last = 7}};
    struct blk_request requests[4];
    static const struct {
        uint32_t wanted, event;
    } cases[] = {{2, 1}, {2, 2}, {100, 3}, {100, 1}}; /* the fourth finds no room */

    (void)state;
    memset(requests, 0, sizeof(requests));
    bed.front.wanted = wanted;
    bed.front.depth = 3;
    bed_connect(&bed);
    for (uint32_t i = 0; i < 4; i++) {
        request_make(&requests[i], &segments[i], &told);
        responses_wanted = cases[i].wanted;
        assert_int_equal(blk_frontend_submit(bed.frontend, &requests[i]), 0);
        while (blk_frontend_poll(bed.frontend) > 0) {
            continue;
        }
        assert_int_equal(bed.frontend->ring.front.sring->rsp_event, cases[i].event);
    }
    bed_run(&bed);
    assert_int_equal(told.count, 4);
    assert_int_equal(told.status, 0);
    for (uint32_t i = 0; i < 4; i++) {
        bed_page_free(&bed, &segments[i].page);
    }
}

/* ---- a handshake that lies ---- */

static void test_frontend_parameters(void **state)
{
    static const struct {
        const char *key, *value, *error;
    } bad[] = {
        {"ring-ref", "", "no reference"},
        {"ring-ref", "x", "no reference"},
        {"ring-ref", "4294967296", "no reference"},
        {"ring-ref", "77777", "can't be mapped"},
        {"event-channel", "", "can't be bound"},
        {"event-channel", "99999", "can't be bound"},
        {"event-channel", "x", "can't be read"},
        {"protocol", "vax-abi", "protocol"},
        {"ring-page-order", "5", "larger"},
        {"ring-page-order", "1", "impossible"},
        {"num-ring-pages", "2", "no reference"},
        {"num-ring-pages", "3", "impossible"},
        {"num-ring-pages", "0", "impossible"},
        {"num-ring-pages", "32", "larger"},
        {"feature-persistent", "maybe", "can't be read"},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bed_backend(&bed);
        bed_frontend(&bed);
        (void)blk_frontend_poll(bed.frontend); /* it has published; now the lie */
        assert_true(bed.frontend->published);
        if (strcmp(bad[i].key, "ring-ref") == 0) {
            bed_remove(&bed, 0, "ring-ref0"); /* the same page's other name */
        }
        if (bad[i].value[0] == '\0') {
            bed_remove(&bed, 0, bad[i].key);
            if (strcmp(bad[i].key, "event-channel") == 0) {
                bed_write(&bed, 0, bad[i].key, "0");
            }
        } else {
            bed_write(&bed, 0, bad[i].key, bad[i].value);
        }
        bed_run(&bed);
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
        assert_non_null(blk_backend_error(bed.backend));
        assert_non_null(strstr(blk_backend_error(bed.backend), bad[i].error));
        assert_int_equal(bed.backend->stats.mapped, 0);
        blk_frontend_destroy(bed.frontend);
        bed.frontend = NULL;
        blk_backend_destroy(bed.backend);
        bed.backend = NULL;
        bed_remove(&bed, 0, "ring-page-order");
        bed_remove(&bed, 0, "num-ring-pages");
        bed_write(&bed, 0, "state", "1");
        bed_write(&bed, 1, "state", "1");
    }
}

static void test_backend_properties(void **state)
{
    static const struct {
        const char *key, *value, *error;
    } bad[] = {
        {"sectors", "0", "impossible size"},    {"sectors", "36028797018963968", "impossible size"},
        {"sectors", "-1", "can't be read"},     {"sector-size", "511", "sector size"},
        {"sector-size", "0", "sector size"},    {"sector-size", "8192", "sector size"},
        {"sector-size", "1536", "sector size"},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bed_backend(&bed);
        bed_frontend(&bed);
        (void)blk_frontend_poll(bed.frontend);
        while (blk_backend_poll(bed.backend)) {
            continue;
        }
        assert_int_equal(blk_backend_state(bed.backend), BLK_BACKEND_CONNECTED);
        bed_write(&bed, 1, bad[i].key, bad[i].value);
        bed_run(&bed);
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
        assert_non_null(strstr(blk_frontend_error(bed.frontend), bad[i].error));
        blk_frontend_destroy(bed.frontend);
        bed.frontend = NULL;
        blk_backend_destroy(bed.backend);
        bed.backend = NULL;
        bed_write(&bed, 0, "state", "1");
        bed_write(&bed, 1, "state", "1");
    }
}

/* The one before us left in a hurry: the backend is Closing, and waits for a Closed that it never saw. */
static void test_backend_waits_for_closed(void **state)
{
    (void)state;
    bed_write(&bed, 0, "state", "1");
    bed_write(&bed, 1, "state", "5");
    bed_frontend(&bed);
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_STARTING);
    assert_string_equal(bed_read(&bed, 0, "state"), "6");
    bed_write(&bed, 1, "state", "6");
    bed_run(&bed);
    assert_string_equal(bed_read(&bed, 0, "state"), "1");
    bed_backend(&bed);
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CONNECTED);
    check_disk();
    bed_frontend_close(&bed);
}

/* A stock backend (Linux's) says what it can do when it connects, and not before. */
static void test_features_come_late(void **state)
{
    static const char *const keys[] = {"feature-persistent", "feature-flush-cache",
                                       "feature-max-indirect-segments"};
    static const char *const values[] = {"1", "1", "64"};

    (void)state;
    bed.front.segments = 32;
    bed.front.persistent = true;
    bed.front.depth = 8;
    bed_backend(&bed);
    for (uint32_t i = 0; i < 3; i++) {
        bed_write(&bed, 1, keys[i], "0");
    }
    bed_frontend(&bed);
    (void)blk_frontend_poll(bed.frontend);
    assert_string_equal(bed_read(&bed, 0, "state"), "3");
    assert_string_equal(bed_read(&bed, 0, "feature-persistent"), "1");
    for (uint32_t i = 0; i < 3; i++) {
        bed_write(&bed, 1, keys[i], values[i]);
    }
    bed_run(&bed);
    assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CONNECTED);
    assert_true(bed.frontend->info.persistent);
    assert_true(bed.frontend->info.flush);
    assert_int_equal(bed.frontend->info.segments, 32);
    check_disk();
    bed_frontend_close(&bed);
}

/* The backend goes away with requests in flight: each is told, and pages are the frontend's again. */
static void test_backend_leaves(void **state)
{
    (void)state;
    for (uint32_t persistent = 0; persistent < 2; persistent++) {
        struct told told = {0, 99};
        struct blk_segment segments[11];
        struct blk_request request = {.operation = BLK_READ,
                                      .segments = segments,
                                      .segment_count = 11,
                                      .done = note_told,
                                      .context = &told};

        bed.front.persistent = persistent != 0;
        bed_connect(&bed);
        for (uint32_t i = 0; i < 11; i++) {
            segments[i].first = 0;
            segments[i].last = 7;
            assert_int_equal(bed_page_alloc(&bed, &segments[i].page), 0);
        }
        assert_int_equal(blk_frontend_submit(bed.frontend, &request), 0);
        (void)blk_frontend_poll(bed.frontend);
        blk_backend_destroy(bed.backend);
        bed.backend = NULL;
        bed_write(&bed, 1, "state", "6");
        bed_run(&bed);
        assert_int_equal(told.count, 1);
        assert_int_equal(told.status, -BLANKET_ENOTCONN);
        assert_int_equal(blk_frontend_state(bed.frontend), BLK_FRONTEND_CLOSED);
        blk_frontend_destroy(bed.frontend);
        bed.frontend = NULL;
        for (uint32_t i = 0; i < 11; i++) {
            bed_page_free(&bed, &segments[i].page);
        }
        bed_write(&bed, 0, "state", "1");
        bed_write(&bed, 1, "state", "1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_says_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_sectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submit_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_grants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_indirect_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_noise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_responses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_event_when_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frontend_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backend_properties, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backend_waits_for_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features_come_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backend_leaves, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
