/* SPDX-License-Identifier: MIT */
/*
 * The client that measures a xenstore, by libxenstore: the same program for whoever serves the socket that
 * XENSTORED_PATH names.
 *
 * client fill LEAVES            makes /bench/A/B/C with as many leaves, ten in each directory
 * client run CLIENTS LEAVES COUNT ROW...
 *                               as many processes, each COUNT times (and a tenth before that, unmeasured)
 *                               what the row is; prints the row's name and all times in ns, a line a row
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

#define CLIENTS_MAX 200
#define PATH_SIZE 96
#define DIRECTORY_SIZE 64
#define TRIES_MAX 1000 /* of a transaction, that others get in the way of */

struct worker {
    struct xs_handle *store;
    uint32_t index; /* of this client... */
    uint32_t clients;
    uint32_t leaves; /* ...whose are those that are `index` modulo `clients` */
    uint64_t random;
    char path[PATH_SIZE];
    char directory[DIRECTORY_SIZE];
};

/* What both sides of a fork share. */
struct shared {
    volatile uint32_t ready;
    volatile uint32_t go;
    volatile uint32_t failed;
    uint64_t times[];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void leaf_path(uint32_t leaf, char path[PATH_SIZE], char directory[DIRECTORY_SIZE])
{
    snprintf(directory, DIRECTORY_SIZE, "/bench/%u/%u", (unsigned)(leaf / 1000),
             (unsigned)(leaf / 10 % 100));
    snprintf(path, PATH_SIZE, "%s/%u", directory, (unsigned)(leaf % 10));
}

/* Any of the worker's own leaves. */
static void leaf_choose(struct worker *worker)
{
    uint32_t own = worker->leaves / worker->clients;

    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    leaf_path((uint32_t)(worker->random >> 33) % own * worker->clients + worker->index,
              worker->path, worker->directory);
}

static bool row_read(struct worker *worker)
{
    unsigned size;
    void *value = xs_read(worker->store, XBT_NULL, worker->path, &size);

    free(value);
    return value != NULL;
}

static bool row_write(struct worker *worker)
{
    return xs_write(worker->store, XBT_NULL, worker->path, "another value...", 16);
}

static bool row_directory(struct worker *worker)
{
    unsigned count = 0;
    char **names = xs_directory(worker->store, XBT_NULL, worker->directory, &count);

    free(names);
    return count == 10;
}

static bool row_empty(struct worker *worker)
{
    xs_transaction_t transaction = xs_transaction_start(worker->store);

    return transaction != XBT_NULL && xs_transaction_end(worker->store, transaction, false);
}

static bool row_modify(struct worker *worker)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        xs_transaction_t transaction = xs_transaction_start(worker->store);
        unsigned size;
        void *value = xs_read(worker->store, transaction, worker->path, &size);
        bool done = value != NULL &&
                    xs_write(worker->store, transaction, worker->path, value, size);

        free(value);
        if (!done) {
            return false;
        }
        if (xs_transaction_end(worker->store, transaction, false)) {
            return true;
        }
    }
    return false;
}

/* A write, until its own watch tells of it. */
static bool row_watch(struct worker *worker)
{
    char path[PATH_SIZE];
    char **event;
    unsigned count;
    bool done;

    snprintf(path, sizeof(path), "/bench-watch/%u", (unsigned)worker->index);
    if (!xs_write(worker->store, XBT_NULL, path, "x", 1)) {
        return false;
    }
    event = xs_read_watch(worker->store, &count);
    done = event != NULL && strcmp(event[XS_WATCH_PATH], path) == 0;
    free(event);
    return done;
}

/* Sets the watch and takes its first event. */
static bool watch_begin(struct worker *worker)
{
    char path[PATH_SIZE];
    char **event;
    unsigned count;

    snprintf(path, sizeof(path), "/bench-watch/%u", (unsigned)worker->index);
    if (!xs_write(worker->store, XBT_NULL, path, "x", 1) ||
        !xs_watch(worker->store, path, "token")) {
        return false;
    }
    event = xs_read_watch(worker->store, &count);
    free(event);
    return event != NULL;
}

static const struct row {
    const char *name;
    bool (*run)(struct worker *worker);
    bool (*begin)(struct worker *worker);
} rows[] = {
    {"read", row_read, NULL},   {"write", row_write, NULL},   {"directory", row_directory, NULL},
    {"empty", row_empty, NULL}, {"modify", row_modify, NULL}, {"watch", row_watch, watch_begin},
};

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    fprintf(stderr, "there is no row \"%s\"\n", name);
    exit(1);
}

static void work(struct worker *worker, const struct row *row, struct shared *shared,
                 uint32_t count)
{
    uint64_t *times = shared->times + (size_t)worker->index * count;
    uint32_t warm = count / 10;

    worker->store = xs_open(0);
    if (worker->store == NULL || (row->begin != NULL && !row->begin(worker))) {
        shared->failed = 1;
    }
    __atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (!shared->go) {
        usleep(100);
    }
    for (uint32_t i = 0; i < warm + count && !shared->failed; i++) {
        uint64_t start;

        leaf_choose(worker);
        start = now();
        if (!row->run(worker)) {
            fprintf(stderr, "%s failed at %s\n", row->name, worker->path);
            shared->failed = 1;
        }
        if (i >= warm) {
            times[i - warm] = now() - start;
        }
    }
    if (worker->store != NULL) {
        xs_close(worker->store);
    }
}

static void run_row(const struct row *row, uint32_t clients, uint32_t leaves, uint32_t count)
{
    size_t size = sizeof(struct shared) + sizeof(uint64_t) * clients * count;
    struct shared *shared = (struct shared *)mmap(NULL, size, PROT_READ | PROT_WRITE,
                                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED) {
        die("mmap");
    }
    for (uint32_t i = 0; i < clients; i++) {
        pid_t child = fork();

        if (child < 0) {
            die("fork");
        }
        if (child == 0) {
            struct worker worker = {
                .index = i, .clients = clients, .leaves = leaves, .random = i + 1};

            work(&worker, row, shared, count);
            _exit(0);
        }
    }
    while (shared->ready < clients) {
        usleep(100);
    }
    shared->go = 1;
    while (wait(NULL) > 0) {
    }
    if (shared->failed) {
        exit(1);
    }
    fputs(row->name, stdout);
    for (size_t i = 0; i < (size_t)clients * count; i++) {
        printf(" %llu", (unsigned long long)shared->times[i]);
    }
    putchar('\n');
    fflush(stdout);
    munmap(shared, size);
}

static void fill(uint32_t leaves)
{
    struct xs_handle *store = xs_open(0);
    char path[PATH_SIZE], directory[DIRECTORY_SIZE];

    if (store == NULL) {
        die("xs_open");
    }
    for (uint32_t leaf = 0; leaf < leaves; leaf++) {
        leaf_path(leaf, path, directory);
        if (!xs_write(store, XBT_NULL, path, "a value: 16 byte", 16)) {
            die(path);
        }
    }
    xs_close(store);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        fill((uint32_t)atoi(argv[2]));
        return 0;
    }
    if (argc < 6 || strcmp(argv[1], "run") != 0 || atoi(argv[2]) < 1 ||
        atoi(argv[2]) > CLIENTS_MAX) {
        fprintf(stderr, "usage: %s fill LEAVES | run CLIENTS LEAVES COUNT ROW...\n", argv[0]);
        return 2;
    }
    for (int i = 5; i < argc; i++) {
        run_row(row_find(argv[i]), (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]),
                (uint32_t)atoi(argv[4]));
    }
    return 0;
}
