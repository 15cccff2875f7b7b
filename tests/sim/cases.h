/* SPDX-License-Identifier: MIT */
/*
 * Each verb once, on a bed where it succeeds: a frontend in guest 0, its backend in guest 1, both on top
 * of the same levels. What a test does with them is refuse, interrupt or break them.
 */
#ifndef BLANKET_TEST_CASES_H
#define BLANKET_TEST_CASES_H

#include "bed.h"

struct cases {
    struct bed bed;
    uint64_t pages[2][8]; /* frames of guests 0 and 1 */
    uint32_t references[2];
    uint32_t numbers[2]; /* of guest 0's ports 0 and 1 */
    uint64_t child;      /* guest 0's, derived */
};

struct verb_case {
    uint16_t verb;
    uint8_t guest;
    uint8_t crosses; /* 1: every level down to the provider sees it, 0: the guest's own serves it */
    uint64_t (*run)(struct cases *cases);
};

extern const struct verb_case verb_cases[];
extern const uint32_t verb_case_count;

/* 0 or an error. `seed` chooses the frame numbers. */
int cases_open(struct cases *cases, uint32_t levels, uint32_t seed);
/* The same without a single object, the endpoints minted with those rights at each level. */
int cases_open_bare(struct cases *cases, uint32_t levels, uint32_t seed,
                    const uint32_t *rights_of_node);
/* What bed_close says. */
int cases_close(struct cases *cases);

/* All that a refused call may not change: levels, pins, and what the provider has. */
struct cases_snapshot {
    uint64_t hash;
    struct blanket_root_stats root;
    uint32_t pinned, overlaid;
    uint64_t content; /* what guest 1's first page shows */
};
void cases_snapshot(struct cases *cases, struct cases_snapshot *snapshot);
int cases_equal(const struct cases_snapshot *a, const struct cases_snapshot *b);

#endif
