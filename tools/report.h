/* SPDX-License-Identifier: MIT */
/* What `blanket run` tells afterwards, for people and as JSON. */
#ifndef BLANKET_REPORT_H
#define BLANKET_REPORT_H

#include "copy.h"

struct report_level {
    struct blanket_level_stats before; /* when the devices had connected */
    struct blanket_level_stats after;  /* when all was copied */
    struct blanket_level_stats end;    /* when the devices were closed */
};

struct report {
    const char *disk, *other;
    bool write;
    uint64_t disk_bytes, bytes, requests, nanoseconds;
    struct world_config config;
    struct blk_frontend_info device;     /* of the first guest: all are alike */
    struct blk_frontend_stats frontends; /* sums of all guests, from create to close */
    struct blk_backend_stats backends;
    struct blanket_root_stats provider; /* when the devices had connected */
    struct report_level levels[BLANKET_LEVEL_MAX];
};

enum report_time {
    REPORT_BEFORE,
    REPORT_AFTER,
    REPORT_END
};

/* The levels' counters now; the devices' too, AFTER. */
void report_take(struct report *report, const struct world *world, enum report_time when);

/* false: standard output took it not, or there was no memory. */
bool report_print(const struct report *report);
bool report_print_json(const struct report *report);

#endif
