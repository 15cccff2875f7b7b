/* SPDX-License-Identifier: MIT */
/*
 * Feeds each file of the directories named on the command line to a fuzz target: so that every build,
 * with any compiler, goes through what the fuzzers once found worth keeping.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact-sized copy, so that a sanitizer sees one byte too far. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int result = -1;

    if (!file) {
        perror(path);
        return -1;
    }
    if (fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
    }
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        data = malloc(size > 0 ? (size_t)size : 1);
    }
    if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
        LLVMFuzzerTestOneInput(data, (size_t)size);
        result = 0;
    } else {
        perror(path);
    }
    free(data);
    fclose(file);
    return result;
}

/* How many inputs were replayed, or -1. */
static long replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    char name[4096];
    long count = 0;

    if (!directory) {
        perror(path);
        return -1;
    }
    while (count >= 0 && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        count = replay_file(name) ? -1 : count + 1;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    long total = 0;
    int i;

    for (i = 1; i < argc; i++) {
        long count = replay_directory(argv[i]);

        if (count < 0) {
            return 1;
        }
        total += count;
    }
    if (total == 0) {
        fprintf(stderr, "the corpus is empty: nothing was replayed\n");
        return 1;
    }
    printf("%ld inputs replayed\n", total);
    return 0;
}
