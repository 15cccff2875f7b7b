/* SPDX-License-Identifier: MIT */
#include "core.h"

static void count(uint32_t *used, uint32_t *peak, int change)
{
    uint32_t now = __atomic_add_fetch(used, (uint32_t)change, __ATOMIC_RELAXED);
    uint32_t seen = __atomic_load_n(peak, __ATOMIC_RELAXED);

    /* A peak that loses this race by one call is good enough for a report. */
    if (change > 0 && now > seen) {
        __atomic_store_n(peak, now, __ATOMIC_RELAXED);
    }
}

void blanket_count_used(struct blanket_level *level, enum blanket_table_kind kind, int change)
{
    count(&level->counters.used[kind], &level->counters.used_peak[kind], change);
}

void blanket_count_endpoints(struct blanket_level *level, int change)
{
    count(&level->counters.endpoints, &level->counters.endpoints_peak, change);
}
