/* SPDX-License-Identifier: MIT */
#include "image.h"
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- images ---- */

/* The size of an open regular file or block device; false (said) for anything else. */
static bool image_measure(struct image *image)
{
    struct stat status;
    off_t end;

    if (fstat(image->file, &status) != 0) {
        command_error("%s: %s", image->path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
        command_error("%s: neither a file nor a block device", image->path);
        return false;
    }
    end = lseek(image->file, 0, SEEK_END);
    if (end < 0) {
        command_error("%s: %s", image->path, strerror(errno));
        return false;
    }
    image->size = (uint64_t)end;
    image->device = status.st_dev;
    image->inode = status.st_ino;
    return true;
}

bool image_open(struct image *image, const char *path, bool writable)
{
    image->path = path;
    image->failed = false;
    /* NONBLOCK: opening a FIFO that nobody writes would wait for ever; it means nothing for a file. */
    image->file = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (image->file < 0) {
        command_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (image_measure(image)) {
        if (image->size != 0 && image->size % IMAGE_SECTOR == 0) {
            return true;
        }
        if (image->size == 0) {
            command_error("%s: it is empty", path);
        } else {
            command_error("%s: its %" PRIu64 " bytes are not a multiple of the sector size (%u)",
                          path, image->size, IMAGE_SECTOR);
        }
    }
    image_close(image);
    return false;
}

void image_close(struct image *image)
{
    if (image->file >= 0) {
        close(image->file);
    }
    image->file = -1;
}

bool image_same(const struct image *one, const struct image *other)
{
    return one->device == other->device && one->inode == other->inode;
}

static uint64_t parts_size(const struct iovec *parts, int count)
{
    uint64_t size = 0;

    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

/* What is left of the parts after `done` bytes. Returns how many parts are used up. */
static int parts_skip(struct iovec *parts, int count, size_t done)
{
    int used = 0;

    while (used < count && done >= parts[used].iov_len) {
        done -= parts[used++].iov_len;
    }
    if (used < count) {
        parts[used].iov_base = (char *)parts[used].iov_base + done;
        parts[used].iov_len -= done;
    }
    return used;
}

static bool image_move(struct image *image, uint64_t offset, const struct iovec *given, int count,
                       bool write)
{
    struct iovec copy[256], *parts = copy;
    uint64_t left = parts_size(given, count);

    memcpy(copy, given, (size_t)count * sizeof(*copy));
    while (left != 0) {
        ssize_t moved = write ? pwritev(image->file, parts, count, (off_t)offset)
                              : preadv(image->file, parts, count, (off_t)offset);
        int used;

        if (moved < 0 && errno == EINTR) {
            continue;
        }
        if (moved <= 0) {
            if (!image->failed) {
                command_error("%s: %s at byte %" PRIu64, image->path,
                              moved < 0 ? strerror(errno) : "it ends", offset);
            }
            image->failed = true;
            return false;
        }
        used = parts_skip(parts, count, (size_t)moved);
        parts += used;
        count -= used;
        offset += (uint64_t)moved;
        left -= (uint64_t)moved;
    }
    return true;
}

bool image_read(struct image *image, uint64_t offset, const struct iovec *parts, int count)
{
    return image_move(image, offset, parts, count, false);
}

bool image_write(struct image *image, uint64_t offset, const struct iovec *parts, int count)
{
    return image_move(image, offset, parts, count, true);
}

bool image_sync(struct image *image)
{
    /* What can't be synchronised (a device like /dev/null) has nothing to lose. */
    if (fdatasync(image->file) != 0 && errno != EINVAL && errno != EROFS) {
        if (!image->failed) {
            command_error("%s: %s", image->path, strerror(errno));
        }
        image->failed = true;
        return false;
    }
    return true;
}

/* ---- targets ---- */

/* In place: it must be there, large enough, and another one than the source. */
static bool target_device(struct target *target, const char *path, uint64_t size,
                          const struct image *source)
{
    if (!image_open(&target->image, path, true)) {
        return false;
    }
    if (image_same(&target->image, source)) {
        command_error("%s: the disk can't be its own copy", path);
    } else if (target->image.size < size) {
        command_error("%s: its %" PRIu64 " bytes are too few: the disk has %" PRIu64, path,
                      target->image.size, size);
    } else {
        return true;
    }
    image_close(&target->image);
    return false;
}

/* The file that `path` names in the end, if it is a link; else itself. Freed by the caller. */
static char *path_resolve(const char *path)
{
    char *resolved = realpath(path, NULL);

    return resolved != NULL || errno != ENOENT ? resolved : strdup(path);
}

/* A new file beside it, with the mode that the file has or would get. */
static bool temporary_make(struct target *target, mode_t mode)
{
    size_t size = strlen(target->path) + sizeof(".XXXXXX");

    target->temporary = malloc(size);
    if (target->temporary == NULL) {
        command_error("%s: %s", target->path, strerror(ENOMEM));
        return false;
    }
    snprintf(target->temporary, size, "%s.XXXXXX", target->path);
    target->image.file = mkostemp(target->temporary, O_CLOEXEC);
    if (target->image.file < 0) {
        command_error("%s: %s", target->path, strerror(errno));
        free(target->temporary);
        target->temporary = NULL;
        return false;
    }
    if (fchmod(target->image.file, mode) != 0) {
        command_error("%s: %s", target->path, strerror(errno));
        return false;
    }
    return true;
}

bool target_open(struct target *target, const char *path, uint64_t size, const struct image *source)
{
    struct stat status;
    mode_t mask = umask(0), mode = 0666 & ~mask;

    umask(mask);
    memset(target, 0, sizeof(*target));
    target->image.path = path;
    target->image.file = -1;
    if (stat(path, &status) == 0) {
        if (S_ISBLK(status.st_mode)) {
            return target_device(target, path, size, source);
        }
        if (!S_ISREG(status.st_mode)) {
            command_error("%s: neither a file nor a block device", path);
            return false;
        }
        if (status.st_dev == source->device && status.st_ino == source->inode) {
            command_error("%s: the disk can't be its own copy", path);
            return false;
        }
        if (access(path, W_OK) != 0) {
            command_error("%s: %s", path, strerror(errno));
            return false;
        }
        mode = status.st_mode & 0777;
    }
    target->path = path_resolve(path);
    if (target->path == NULL) {
        command_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (!temporary_make(target, mode)) {
        target_abandon(target);
        return false;
    }
    if (ftruncate(target->image.file, (off_t)size) != 0) {
        command_error("%s: %s", path, strerror(errno));
        target_abandon(target);
        return false;
    }
    return true;
}

bool target_commit(struct target *target)
{
    bool good = image_sync(&target->image);

    if (good && target->temporary != NULL && rename(target->temporary, target->path) != 0) {
        command_error("%s: %s", target->path, strerror(errno));
        good = false;
    }
    if (good) {
        free(target->temporary);
        target->temporary = NULL;
    }
    target_abandon(target);
    return good;
}

void target_abandon(struct target *target)
{
    if (target->temporary != NULL) {
        unlink(target->temporary);
        free(target->temporary);
        target->temporary = NULL;
    }
    image_close(&target->image);
    free(target->path);
    target->path = NULL;
}
