/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 100000000u

uint64_t progress_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
    progress->what = what;
    progress->total = total;
    progress->next = 0;
    progress->shown = false;
    progress->terminal = isatty(STDERR_FILENO) == 1;
}

void progress_show(struct progress *progress, uint64_t done)
{
    uint64_t now;

    if (!progress->terminal) {
        return;
    }
    now = progress_clock();
    if (now < progress->next) {
        return;
    }
    progress->next = now + PERIOD;
    progress->shown = true;
    fprintf(stderr, "\r%s: %3" PRIu64 " %%, %" PRIu64 " of %" PRIu64 " MiB ", progress->what,
            progress->total != 0 ? done * 100 / progress->total : 100, done >> 20,
            progress->total >> 20);
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
    }
    progress->shown = false;
}
