/* SPDX-License-Identifier: MIT */
/* How far a job is, on one line of a terminal; nothing if standard error isn't one. */
#ifndef BLANKET_PROGRESS_H
#define BLANKET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;
    uint64_t total; /* bytes */
    uint64_t next;  /* nanoseconds: not before */
    bool terminal, shown;
};

void progress_begin(struct progress *progress, const char *what, uint64_t total);
void progress_show(struct progress *progress, uint64_t done);
/* The line is wiped. */
void progress_end(struct progress *progress);

/* Nanoseconds of a clock that only goes forward. */
uint64_t progress_clock(void);

#endif
