/* SPDX-License-Identifier: MIT */
#include "state.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(void *context, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, (FILE *)context) == size ? 0 : -BLANKET_EIO;
}

static int get(void *context, void *bytes, size_t size)
{
    return fread(bytes, 1, size, (FILE *)context) == size ? 0 : -BLANKET_EINVAL;
}

static bool write_to(struct blanket_root *root, const char *path)
{
    mode_t mask = umask(077);
    FILE *file = fopen(path, "wb");
    int status;

    (void)umask(mask);
    if (file == NULL) {
        say("can't write %s: %s", path, strerror(errno));
        return false;
    }
    status = blanket_root_store_state_save(root, put, file);
    if (fflush(file) != 0 || fsync(fileno(file)) != 0) {
        status = -BLANKET_EIO;
    }
    if (fclose(file) != 0 || status != 0) {
        say("can't write %s: %s", path, say_status(status ? status : -BLANKET_EIO));
        (void)unlink(path);
        return false;
    }
    return true;
}

bool state_save(struct blanket_root *root, const char *path)
{
    size_t size = strlen(path) + sizeof(".new");
    char *beside = (char *)malloc(size);
    bool saved = false;

    if (beside == NULL) {
        say("no memory");
        return false;
    }
    (void)snprintf(beside, size, "%s.new", path);
    if (write_to(root, beside)) {
        saved = rename(beside, path) == 0;
        if (!saved) {
            say("can't rename %s to %s: %s", beside, path, strerror(errno));
            (void)unlink(beside);
        }
    }
    free(beside);
    return saved;
}

bool state_restore(struct blanket_root *root, const char *path)
{
    FILE *file = fopen(path, "rb");
    int status;

    if (file == NULL) {
        if (errno == ENOENT) {
            return true;
        }
        say("can't read %s: %s", path, strerror(errno));
        return false;
    }
    status = blanket_root_store_state_restore(root, get, file);
    if (status == -BLANKET_EINVAL) {
        say("%s isn't a state of this store, or not a whole one", path);
    } else if (status == -BLANKET_ENOMEM) {
        say("%s doesn't fit: give the store more memory (--memory)", path);
    } else if (status != 0) {
        say("can't restore %s: %s", path, say_status(status));
    }
    (void)fclose(file);
    return status == 0;
}
