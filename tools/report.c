/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MIB 1048576.0

static void devices_take(struct report *report, const struct world *world)
{
    memset(&report->frontends, 0, sizeof(report->frontends));
    memset(&report->backends, 0, sizeof(report->backends));
    for (uint32_t i = 0; i < world->config.guests; i++) {
        struct blk_backend_stats back;

        memset(&back, 0, sizeof(back));
        if (world->guests[i].frontend == NULL) {
            continue; /* the job failed: nothing will be printed */
        }
        blk_frontend_stats_add(world->guests[i].frontend, &report->frontends);
        if (world->guests[i].backend != NULL) {
            blk_backend_stats(world->guests[i].backend, &back);
        }
        report->backends.requests += back.requests;
        report->backends.doorbells += back.doorbells;
        report->backends.maps += back.maps;
        report->backends.unmaps += back.unmaps;
        report->backends.flushes += back.flushes;
    }
    if (world->guests[0].frontend != NULL) {
        blk_frontend_info(world->guests[0].frontend, &report->device);
    }
}

void report_take(struct report *report, const struct world *world, enum report_time when)
{
    for (uint32_t i = 0; i < world->config.levels; i++) {
        struct report_level *level = &report->levels[i];
        struct blanket_level_stats *stats = when == REPORT_BEFORE  ? &level->before
                                            : when == REPORT_AFTER ? &level->after
                                                                   : &level->end;

        blanket_level_stats(blanket_sim_level(world->sim, i), stats);
    }
    if (when == REPORT_AFTER) {
        devices_take(report, world);
    }
}

static double crossings(const struct report_level *level)
{
    return (double)(level->after.calls_below - level->before.calls_below);
}

static double per_mib(const struct report *report, const struct report_level *level)
{
    return crossings(level) / ((double)report->bytes / MIB);
}

static double per_request(const struct report *report, const struct report_level *level)
{
    return crossings(level) / (double)report->requests;
}

static double seconds(const struct report *report)
{
    return report->nanoseconds != 0 ? (double)report->nanoseconds / 1e9 : 1e-9;
}

/* ---- for people ---- */

#define RESOURCE_SIZE 36u

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void head_print(const struct report *report)
{
    const struct world_config *config = &report->config;
    const struct blk_frontend_info *device = &report->device;

    printf("%s %s %s\n", report->disk, report->write ? "written from" : "read to", report->other);
    printf("%.1f MiB through %" PRIu32 " level%s, for %" PRIu32 " guest%s, seed %" PRIu64 "\n",
           (double)report->bytes / MIB, config->levels, plural(config->levels), config->guests,
           plural(config->guests), config->seed);
    printf("%" PRIu64 " requests of at most %" PRIu32 " KiB, at most %" PRIu32
           " in flight; ring of %" PRIu32 " page%s; %s\n",
           report->requests, device->segments * 4, device->depth, device->ring_pages,
           plural(device->ring_pages),
           device->persistent ? "persistent grants" : "a grant for each page of each request");
    if (config->device != NULL) {
        printf("%" PRIu64 " doorbells to the backend; %" PRIu64 " pages granted\n",
               report->frontends.doorbells, report->frontends.grants);
    } else {
        printf("%" PRIu64 " doorbells to the backend, %" PRIu64 " to the guests; %" PRIu64
               " pages granted, %" PRIu64 " mapped\n",
               report->frontends.doorbells, report->backends.doorbells, report->frontends.grants,
               report->backends.maps);
    }
    printf("%.3f s, %.1f MiB/s: simulated levels in one process%s, no figure of any hypervisor\n\n",
           seconds(report), (double)report->bytes / MIB / seconds(report),
           config->device != NULL ? " over a real Xen's backend" : "");
}

static const char *resource(char *text, uint32_t live, uint32_t peak, uint32_t left)
{
    snprintf(text, RESOURCE_SIZE, "%" PRIu32 " %" PRIu32 " %" PRIu32, live, peak, left);
    return text;
}

static void level_print(const struct report *report, uint32_t index)
{
    const struct report_level *level = &report->levels[index];
    const struct blanket_level_stats *end = &level->end, *after = &level->after;
    char grants[RESOURCE_SIZE], ports[RESOURCE_SIZE], endpoints[RESOURCE_SIZE];

    printf("%5" PRIu32 " %8" PRIu64 " %9" PRIu64 " %8.2f %9.3f %8" PRIu64 " %6" PRIu64
           "  %-15s %-9s %-9s %9" PRIu64 "\n",
           index + 1, end->calls, end->calls_below, per_mib(report, level),
           per_request(report, level), end->hook_allowed, end->hook_denied,
           resource(grants, after->grants, end->grants_peak, end->grants),
           resource(ports, after->ports, end->ports_peak, end->ports),
           resource(endpoints, after->endpoints, end->endpoints_peak, end->endpoints), end->bytes);
}

bool report_print(const struct report *report)
{
    head_print(report);
    printf("%5s %8s %9s %18s %15s  %-15s %-9s %-9s %9s\n", "", "", "crossings", "of them, copying",
           "the hook said", "grants", "ports", "endpoints", "bytes of");
    printf("%5s %8s %9s %8s %9s %8s %6s  %-15s %-9s %-9s %9s\n", "level", "calls", "below", "a MiB",
           "a request", "yes", "no", "live peak left", "l p l", "l p l", "memory");
    for (uint32_t i = 0; i < report->config.levels; i++) {
        level_print(report, i);
    }
    printf("\nLevel 1 stands on %s.",
           report->config.device != NULL ? "a stock Xen, by its libraries" : "the provider");
    printf(" Live: when all was copied; left: once the devices were closed.\n");
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---- as JSON ---- */

static json_t *resource_json(uint32_t live, uint32_t peak, uint32_t left)
{
    return json_pack("{s:I,s:I,s:I}", "live", (json_int_t)live, "peak", (json_int_t)peak, "left",
                     (json_int_t)left);
}

static json_t *level_json(const struct report *report, uint32_t index)
{
    const struct report_level *level = &report->levels[index];
    const struct blanket_level_stats *end = &level->end, *after = &level->after;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
        "level", (json_int_t)index + 1, "calls", (json_int_t)end->calls, "crossings_below",
        (json_int_t)end->calls_below, "crossings_while_copying", (json_int_t)crossings(level),
        "crossings_per_mib", per_mib(report, level), "crossings_per_request",
        per_request(report, level), "hook_allowed", (json_int_t)end->hook_allowed, "hook_denied",
        (json_int_t)end->hook_denied, "refused", (json_int_t)end->refused, "lost",
        (json_int_t)end->lost, "events", (json_int_t)end->events, "notifications",
        (json_int_t)end->notifications, "bytes", (json_int_t)end->bytes, "grants",
        resource_json(after->grants, end->grants_peak, end->grants), "mappings",
        resource_json(after->mappings, end->mappings_peak, end->mappings), "ports",
        resource_json(after->ports, end->ports_peak, end->ports), "endpoints",
        resource_json(after->endpoints, end->endpoints_peak, end->endpoints));
}

static json_t *device_json(const struct report *report)
{
    return json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "persistent",
        (int)report->device.persistent, "ring_pages", (json_int_t)report->device.ring_pages,
        "segments", (json_int_t)report->device.segments, "depth", (json_int_t)report->device.depth,
        "requests", (json_int_t)report->frontends.requests, "doorbells_to_backend",
        (json_int_t)report->frontends.doorbells, "doorbells_to_guests",
        (json_int_t)report->backends.doorbells, "grants", (json_int_t)report->frontends.grants,
        "maps", (json_int_t)report->backends.maps, "flushes", (json_int_t)report->backends.flushes);
}

bool report_print_json(const struct report *report)
{
    json_t *levels = json_array();
    json_t *whole;
    bool good;

    for (uint32_t i = 0; i < report->config.levels; i++) {
        json_array_append_new(levels, level_json(report, i));
    }
    whole = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:{s:f, s:s}, s:o, s:{s:I, s:I, s:I, s:I, "
        "s:I, s:I}, s:o}",
        "job", report->write ? "write" : "read", "disk", report->disk, "other", report->other,
        "disk_bytes", (json_int_t)report->disk_bytes, "bytes", (json_int_t)report->bytes,
        "requests", (json_int_t)report->requests, "guests", (json_int_t)report->config.guests,
        "seed", (json_int_t)report->config.seed, "seconds", seconds(report), "throughput",
        "mib_per_second", (double)report->bytes / MIB / seconds(report), "of",
        report->config.device != NULL
            ? "simulated levels and a frontend in one process, over a real Xen's backend"
            : "simulated levels, provider, frontends and backends in one process",
        "device", device_json(report), "provider", "grants", (json_int_t)report->provider.grants,
        "mappings", (json_int_t)report->provider.mappings, "ports",
        (json_int_t)report->provider.ports, "nodes", (json_int_t)report->provider.nodes, "watches",
        (json_int_t)report->provider.watches, "bytes", (json_int_t)report->provider.bytes, "levels",
        levels);
    good = whole != NULL && json_dumpf(whole, stdout, JSON_INDENT(2)) == 0 &&
           putchar('\n') == '\n' && fflush(stdout) == 0;
    json_decref(whole);
    return good;
}
