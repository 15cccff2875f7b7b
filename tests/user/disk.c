/* SPDX-License-Identifier: MIT */
/* The plugin's disk, over the provider: many threads at once, and backends that go and come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "root_host.h"

#ifdef __SANITIZE_THREAD__
/* Two machines share the ring and the pages that it names, ordered by fences, which ThreadSanitizer
 * doesn't know. What isn't shared memory of the two is checked. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race_top:blk_frontend_responses\nrace_top:blk_frontend_send\n"
           "race_top:blk_backend_serve\nrace:blk_ring_\nrace:ring_put\nrace:segments_write\n"
           "race:slot_copy\nrace:file_read\nrace:file_write\nrace_top:disk_part_copy\n";
}
#endif

#define SIZE (4u << 20)
#define THREADS 4u
#define PART (SIZE / THREADS)

static char path[] = "/var/tmp/blanket-disk-XXXXXX";
static uint8_t *image;
static struct root_host host;
static struct disk *disk;
static uint32_t log_lines;

static void log_line(const char *line)
{
    (void)line;
    log_lines++;
}

/* With the host as it's set up. */
static void begin_on_host(void)
{
    struct disk_config config = {.host = &host.host,
                                 .ring_order = 4,
                                 .segments = 32,
                                 .pages = 64,
                                 .seconds = 20,
                                 .persistent = true,
                                 .log = log_line};
    char fault[DISK_FAULT_SIZE];
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (uint32_t i = 0; i < SIZE; i++) {
        image[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    assert_int_equal(fwrite(image, 1, SIZE, file), SIZE);
    fclose(file);
    log_lines = 0;
    assert_int_equal(root_host_start(&host, path), 0);
    assert_int_equal(disk_start(&config, &disk, fault), 0);
}

static void begin(bool persistent, uint32_t indirect, uint32_t ring_order, uint32_t grants)
{
    memset(&host, 0, sizeof(host));
    host.persistent = persistent ? 1024 : 0;
    host.indirect = indirect;
    host.ring_order = ring_order;
    host.grants = grants;
    begin_on_host();
}

static void end(void)
{
    disk_close(disk);
    disk_free(disk);
    root_host_stop(&host);
    assert_int_equal(host.pages_out, 0);
}

static void file_holds_the_image(void)
{
    uint8_t *bytes = malloc(SIZE);
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, SIZE, file), SIZE);
    fclose(file);
    assert_memory_equal(bytes, image, SIZE);
    free(bytes);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A part of the disk is one thread's: it knows what it holds. cmocka's checks are for its own thread. */
static void *worker(void *context)
{
    uint32_t index = (uint32_t)(uintptr_t)context, seed = index + 7, bad = 0;
    uint8_t *buffer = malloc(PART + 1);

    for (uint32_t i = 0; i < 60; i++) {
        uint32_t sectors = 1 + next_random(&seed) % (i % 10 == 0 ? 600 : 40);
        uint32_t first = next_random(&seed) % (PART / 512 - sectors);
        uint64_t offset = (uint64_t)index * PART + first * 512;
        uint8_t *data = buffer + (i & 1); /* not aligned to anything */

        if (next_random(&seed) % 2 == 0) {
            for (uint32_t k = 0; k < sectors * 512; k++) {
                data[k] = (uint8_t)(k * 31 + seed);
            }
            memcpy(image + offset, data, sectors * 512);
            bad += disk_transfer(disk, BLK_WRITE, data, sectors * 512, offset) != 0;
        } else {
            bad += disk_transfer(disk, BLK_READ, data, sectors * 512, offset) != 0;
            bad += memcmp(data, image + offset, sectors * 512) != 0;
        }
        if (i % 20 == 19) {
            bad += disk_flush(disk) != 0;
        }
    }
    free(buffer);
    return (void *)(uintptr_t)bad;
}

static void all_at_once(void)
{
    pthread_t threads[THREADS];

    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *bad;

        pthread_join(threads[i], &bad);
        assert_int_equal((uintptr_t)bad, 0);
    }
    file_holds_the_image();
}

static void persistent_and_indirect(void **state)
{
    struct blk_frontend_info info;
    struct blk_frontend_stats stats;

    (void)state;
    begin(true, 256, 4, 1024);
    disk_info(disk, &info);
    assert_true(info.persistent && info.flush);
    assert_int_equal(info.ring_pages, 16);
    assert_int_equal(info.segments, 32);
    assert_int_equal(info.sectors, SIZE / 512);
    all_at_once();
    assert_int_equal(atomic_load(&host.flushes), THREADS * 3);
    disk_close(disk);
    assert_int_equal(log_lines, 0); /* a good-bye that takes a while is no fault */
    disk_stats(disk, &stats);
    /* Granted once, and as many as there are: not for each request. */
    assert_true(stats.grants <= 1024);
    assert_int_equal(stats.grants, stats.ends);
    assert_true(stats.requests >= THREADS * 60);
    disk_free(disk);
    root_host_stop(&host);
    assert_int_equal(host.pages_out, 0);
}

/* A plain old backend: one page of ring, eleven segments, each request with its own grants. Fewer pages
 * for data than requests want. */
static void neither(void **state)
{
    struct blk_frontend_info info;

    (void)state;
    begin(false, 0, 0, 256);
    disk_info(disk, &info);
    assert_false(info.persistent);
    assert_int_equal(info.segments, 11);
    assert_int_equal(info.ring_pages, 1);
    all_at_once();
    end();
}

/* Fewer grants than the largest ring has entries: fewer requests in flight, and it works. */
static void a_small_quota(void **state)
{
    struct blk_frontend_info info;

    (void)state;
    begin(true, 256, 4, 64);
    disk_info(disk, &info);
    assert_int_equal(info.ring_pages, 16);
    assert_int_equal(info.depth, 16);
    all_at_once();
    end();
}

static void what_is_wrong_is_refused(void **state)
{
    uint8_t buffer[1024];

    (void)state;
    begin(true, 0, 0, 256);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 512, 100), EINVAL);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 100, 512), EINVAL);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 512, SIZE), EINVAL);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 1024, SIZE - 512), EINVAL);
    atomic_store(&host.disk_error, -EIO);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 512, 0), EIO);
    assert_int_equal(disk_flush(disk), EIO);
    atomic_store(&host.disk_error, 0);
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, 512, 0), 0);
    assert_memory_equal(buffer, image, 512);
    end();
}

/* The backend leaves: errors and no hang; it comes back: it works again. */
static void the_backend_may_go_and_come(void **state)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000000};
    uint8_t buffer[8192];
    int error = 0;

    (void)state;
    begin(true, 256, 2, 1024);
    for (uint32_t round = 0; round < 2; round++) {
        atomic_store(&host.away, true);
        atomic_store(&host.renew, true);
        error = 0;
        for (uint32_t i = 0; i < 200 && error == 0; i++) {
            error = disk_transfer(disk, BLK_READ, buffer, sizeof(buffer), 4096);
            (void)nanosleep(&pause, NULL);
        }
        assert_int_equal(error, EIO);
        assert_int_equal(disk_flush(disk), EIO);
        atomic_store(&host.away, false);
        for (uint32_t i = 0; i < 200 && error != 0; i++) {
            error = disk_transfer(disk, BLK_READ, buffer, sizeof(buffer), 4096);
            (void)nanosleep(&pause, NULL);
        }
        assert_int_equal(error, 0);
        assert_memory_equal(buffer, image + 4096, sizeof(buffer));
    }
    assert_true(atomic_load(&host.opened) >= 3);
    end();
}

/* The store's broker dies, and another comes: no request fails, and the backend's end is still noticed. */
static void another_broker_is_no_end(void **state)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000000};
    uint8_t buffer[8192];
    int error = 0;

    (void)state;
    begin(true, 256, 2, 1024);
    for (uint32_t round = 0; round < 3; round++) {
        root_host_lose_store(&host);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(disk_transfer(disk, BLK_READ, buffer, sizeof(buffer), i * 4096), 0);
            assert_memory_equal(buffer, image + i * 4096, sizeof(buffer));
        }
        for (uint32_t i = 0; i < 100 && atomic_load(&host.lose); i++) {
            (void)nanosleep(&pause, NULL);
        }
        assert_false(atomic_load(&host.lose)); /* it was noticed */
    }
    assert_int_equal(atomic_load(&host.opened), 1);
    assert_int_equal(log_lines, 0);
    atomic_store(&host.away, true);
    atomic_store(&host.renew, true);
    for (uint32_t i = 0; i < 200 && error == 0; i++) {
        error = disk_transfer(disk, BLK_READ, buffer, sizeof(buffer), 4096);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(error, EIO);
    end();
}

/* Nobody serves the device: told in time, with nothing left behind. */
static void no_backend_is_told(void **state)
{
    struct disk_config config = {.host = &host.host,
                                 .segments = 11,
                                 .pages = 64,
                                 .seconds = 1,
                                 .persistent = true,
                                 .log = log_line};
    char fault[DISK_FAULT_SIZE];

    (void)state;
    memset(&host, 0, sizeof(host));
    host.grants = 256;
    atomic_store(&host.away, true);
    assert_int_equal(root_host_start(&host, path), 0);
    assert_int_equal(disk_start(&config, &disk, fault), -BLANKET_ENOTCONN);
    assert_string_equal(fault, "the backend doesn't connect");
    root_host_stop(&host);
    assert_int_equal(host.pages_out, 0);
}

/* Events that are lost cost a while each, and nothing else. */
static void lost_events_cost_time_only(void **state)
{
    uint8_t buffer[8192];

    (void)state;
    memset(&host, 0, sizeof(host));
    host.persistent = 1024;
    host.grants = 256;
    atomic_store(&host.deaf, true);
    begin_on_host();
    assert_int_equal(disk_transfer(disk, BLK_READ, buffer, sizeof(buffer), 4096), 0);
    assert_memory_equal(buffer, image + 4096, sizeof(buffer));
    end();
}

static int setup(void **state)
{
    int file = mkstemp(path);

    (void)state;
    image = malloc(SIZE);
    if (file < 0 || image == NULL) {
        return -1;
    }
    close(file);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(image);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(persistent_and_indirect),
        cmocka_unit_test(neither),
        cmocka_unit_test(a_small_quota),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(the_backend_may_go_and_come),
        cmocka_unit_test(another_broker_is_no_end),
        cmocka_unit_test(no_backend_is_told),
        cmocka_unit_test(lost_events_cost_time_only),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
