/* SPDX-License-Identifier: MIT */
/* The job of `blanket run`: each guest copies its slice of the disk out, or in. */
#ifndef BLANKET_COPY_H
#define BLANKET_COPY_H

#include "progress.h"
#include "world.h"

struct copy {
    struct world *world;
    struct image *other; /* where the disk's bytes go to, or come from */
    bool write;          /* to the disk */
    uint64_t bytes;      /* that are to be copied, from the disk's first on */
    /* Afterwards. */
    bool failed; /* a request, which was said */
    uint64_t requests;
    uint64_t nanoseconds;
};

/* All of it, and a flush if the disk was written. false (said): not all. */
bool copy_run(struct copy *copy);

#endif
