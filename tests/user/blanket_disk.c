/* SPDX-License-Identifier: MIT */
/*
 * blanket-disk: the plugin's disk without nbdkit, for tests inside an L1's dom0.
 *
 *   blanket-disk NAME read FILE [persistent|granted]    the whole disk, by requests of 1 MiB
 *   blanket-disk NAME write FILE [persistent|granted]   FILE to the disk's beginning, and flush
 *   blanket-disk NAME hold SECONDS                      connect, read all the time, and stay
 *   blanket-disk NAME latency SECONDS                   reads of 4 KiB, one at a time: median and 99 %
 *
 * -t SECONDS in front: how long to wait for the connection (120).
 */
#include <host.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART (1u << 20)

static void log_line(const char *line)
{
    fprintf(stderr, "blanket-disk: %s\n", line);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int disk_read(struct disk *disk, FILE *file, uint64_t size, uint8_t *buffer)
{
    for (uint64_t at = 0; at < size; at += PART) {
        uint32_t part = size - at < PART ? (uint32_t)(size - at) : PART;
        int error = disk_transfer(disk, BLK_READ, buffer, part, at);

        if (error != 0 || fwrite(buffer, 1, part, file) != part) {
            fprintf(stderr, "blanket-disk: reading at %llu: %s\n", (unsigned long long)at,
                    strerror(error));
            return 1;
        }
    }
    return 0;
}

static int disk_write(struct disk *disk, FILE *file, uint8_t *buffer)
{
    uint64_t at = 0;
    size_t part;

    while ((part = fread(buffer, 1, PART, file)) > 0) {
        int error = disk_transfer(disk, BLK_WRITE, buffer, (uint32_t)part, at);

        if (error != 0) {
            fprintf(stderr, "blanket-disk: writing at %llu: %s\n", (unsigned long long)at,
                    strerror(error));
            return 1;
        }
        at += part;
    }
    return disk_flush(disk) != 0;
}

static int disk_hold(struct disk *disk, const char *seconds, uint64_t size, uint8_t *buffer)
{
    double until = now() + strtod(seconds, NULL);
    uint64_t at = 0;
    int error = 0;

    puts("holding");
    fflush(stdout);
    while (now() < until && error == 0) {
        error = disk_transfer(disk, BLK_READ, buffer, PART / 4, at);
        at = at + PART / 2 <= size - PART / 4 ? at + PART / 2 : 0;
    }
    printf("held: %s\n", error != 0 ? strerror(error) : "no error");
    return error != 0;
}

static int by_size(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;

    return difference < 0 ? -1 : difference > 0;
}

static int disk_latency(struct disk *disk, const char *seconds, uint64_t size, uint8_t *buffer)
{
    static double times[100000];
    double until = now() + strtod(seconds, NULL), before;
    uint32_t count = 0;
    int error = 0;

    while ((before = now()) < until && error == 0 && count < sizeof(times) / sizeof(times[0])) {
        error = disk_transfer(disk, BLK_READ, buffer, 4096, (uint64_t)count * 4096 % size);
        times[count++] = now() - before;
    }
    qsort(times, count, sizeof(times[0]), by_size);
    printf("%u reads of 4 KiB, median %.0f us, 99 %% %.0f us, %s", count, times[count / 2] * 1e6,
           times[(uint64_t)count * 99 / 100] * 1e6, error != 0 ? strerror(error) : "no error");
    return error != 0;
}

static int work(struct disk *disk, char **arguments)
{
    uint8_t *buffer = malloc(PART);
    struct blk_frontend_info info;
    double started = now();
    uint64_t size;
    FILE *file;
    int status;

    disk_info(disk, &info);
    size = info.sectors * info.sector_size;
    if (strcmp(arguments[1], "hold") == 0) {
        status = disk_hold(disk, arguments[2], size, buffer);
        free(buffer);
        return status;
    }
    if (strcmp(arguments[1], "latency") == 0) {
        status = disk_latency(disk, arguments[2], size, buffer);
        free(buffer);
        return status;
    }
    file = fopen(arguments[2], arguments[1][0] == 'r' ? "wb" : "rb");
    if (file == NULL || buffer == NULL) {
        perror(arguments[2]);
        free(buffer);
        return 1;
    }
    status = arguments[1][0] == 'r' ? disk_read(disk, file, size, buffer)
                                    : disk_write(disk, file, buffer);
    status |= fclose(file) != 0;
    free(buffer);
    printf("%.3f s, %llu sectors, ring %u, segments %u, %s, %s", now() - started,
           (unsigned long long)info.sectors, (unsigned)info.ring_pages, (unsigned)info.segments,
           info.persistent ? "persistent" : "granted", info.flush ? "flush" : "no flush");
    return status;
}

int main(int argc, char **argv)
{
    struct disk_config config = {
        .ring_order = 4, .segments = 32, .pages = 256, .seconds = 120, .log = log_line};
    char text[DISK_FAULT_SIZE];
    const char *fault = text;
    struct blk_frontend_stats stats;
    struct disk *disk;
    int status;

    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        config.seconds = (uint32_t)strtoul(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    config.persistent = argc != 5 || strcmp(argv[4], "granted") != 0;
    if (argc < 4) {
        fprintf(stderr, "blanket-disk [-t SECONDS] NAME read|write|hold|latency ARGUMENT "
                        "[persistent|granted]\n");
        return 2;
    }
    config.host = plugin_host_make(argv[1], &fault);
    if (config.host == NULL || disk_start(&config, &disk, text) != 0) {
        printf("not connected: %s\n", fault);
        return 1;
    }
    status = work(disk, argv + 1);
    disk_close(disk);
    disk_stats(disk, &stats);
    printf(", %llu requests, %llu doorbells, %llu grants, %llu ends\n",
           (unsigned long long)stats.requests, (unsigned long long)stats.doorbells,
           (unsigned long long)stats.grants, (unsigned long long)stats.ends);
    disk_free(disk);
    plugin_host_free(config.host);
    return status;
}
