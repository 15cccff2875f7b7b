/* SPDX-License-Identifier: MIT */
/*
 * Files that a job reads and writes: disk images, sources and targets. What is wrong with one is said
 * in one line (command_error) by the function that finds it, which then returns false.
 */
#ifndef BLANKET_IMAGE_H
#define BLANKET_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define IMAGE_SECTOR 512u

struct image {
    const char *path;
    int file;
    uint64_t size;
    dev_t device;
    ino_t inode;
    bool failed; /* it couldn't be read or written, which was said: once is enough */
};

/* A disk image or a source: a regular file or block device of whole sectors, and not empty. */
bool image_open(struct image *image, const char *path, bool writable);
void image_close(struct image *image);
bool image_same(const struct image *one, const struct image *other);

/* All bytes, or false (said). Parts are used up. */
bool image_read(struct image *image, uint64_t offset, const struct iovec *parts, int count);
bool image_write(struct image *image, uint64_t offset, const struct iovec *parts, int count);
bool image_sync(struct image *image);

/*
 * A target. A regular file is written under another name beside it, which becomes the file's when all
 * is there: nobody ever sees a part of it, and what was there before stays until then. A device is
 * written as it is, if it is large enough.
 */
struct target {
    struct image image;
    char *path; /* what it will be called; NULL: a device, which is written in place */
    char *temporary;
};

/* `size` bytes will be written; `source` is what they come from, which the target may not be. */
bool target_open(struct target *target, const char *path, uint64_t size,
                 const struct image *source);
/* All is written: it takes its name. false (said): it doesn't, and the other file is removed. */
bool target_commit(struct target *target);
/* It failed: the other file is removed. */
void target_abandon(struct target *target);

#endif
