/* SPDX-License-Identifier: MIT */
/*
 * What one level adds: time of an operation through 1, 2, 3 and 8 levels, against the provider alone in
 * the same run. Medians of BATCHES batches; nothing is asserted. --once OPERATION DEPTH COUNT does just
 * that, for callgrind.
 */
#include "tower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xen/io/xs_wire.h>

#define BATCHES 41

static uint32_t generation = 1;

/* Of this thread: what other processes take away is not the core's. */
static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void check(const char *what, int status)
{
    if (status != 0) {
        fprintf(stderr, "bench: %s: %d\n", what, status);
        exit(1);
    }
}

static void op_send(struct tower *tower)
{
    check("send", tower_send(tower, blanket_item_slot(BLANKET_ITEM_PORT, 1, 1)));
}

/* Access and end of `count` pages: both, because a slot has to be free again. */
static void pages(struct tower *tower, uint32_t count)
{
    uint64_t items[2 * BLANKET_ELEMENT_COUNT_MAX], results[BLANKET_ELEMENT_COUNT_MAX];

    generation++;
    for (uint32_t i = 0; i < count; i++) {
        items[2 * i] = blanket_item_slot(BLANKET_ITEM_GRANT, i, generation);
        items[2 * i + 1] = blanket_item(BLANKET_ITEM_FRAME, BLANKET_ACCESS_READ, i);
    }
    check("access", tower_call(tower, BLANKET_VERB_GRANT_ACCESS, items, count, 2, results));
    check("access", blanket_result_status(results[count - 1]));
    for (uint32_t i = 0; i < count; i++) {
        items[i] = blanket_item_slot(BLANKET_ITEM_GRANT, i, generation);
    }
    check("end", tower_call(tower, BLANKET_VERB_GRANT_END_ACCESS, items, count, 1, results));
    check("end", blanket_result_status(results[count - 1]));
}

static void op_page(struct tower *tower)
{
    pages(tower, 1);
}

static void op_pages(struct tower *tower)
{
    pages(tower, 64);
}

static void op_read(struct tower *tower)
{
    const uint64_t items[] = {
        blanket_item_slot(BLANKET_ITEM_PORT, 0, 1),
        blanket_item(BLANKET_ITEM_REQUEST, 0, ((uint64_t)XS_READ << 32) | 1u),
        blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_FRONTEND),
        blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
    };
    uint64_t result = 0;
    uint32_t size = 0;

    check("read", tower_store(tower, BLANKET_VERB_STORE_READ, items, 4, "state", sizeof("state"),
                              &result, &size));
    check("read", blanket_result_status(result));
    if (size != sizeof(struct xsd_sockmsg) + 1) {
        check("read: not the value's size", (int)size);
    }
}

static const struct operation {
    const char *name;
    void (*run)(struct tower *tower);
    uint32_t count;    /* in a batch */
    uint32_t elements; /* that one of it does */
    const char *aim;
} operations[] = {
    { "send", op_send, 2000, 1, "60" },
    { "access + end, 1 page", op_page, 1000, 1, "300" },
    { "access + end, each of 64", op_pages, 50, 64, "20" },
    { "store read", op_read, 1000, 1, "" },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* A port that the backend is bound to, and a connection to the store. */
static void prepare(struct tower *tower)
{
    struct blanket_below root = blanket_root_below(tower->root);
    uint64_t item = blanket_item_slot(BLANKET_ITEM_PORT, 1, 1);
    uint64_t result = 0, items[2];
    struct blanket_call call;

    check("alloc", tower_call(tower, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, &item, 1, 1, &result));
    items[0] = item;
    items[1] = blanket_item(BLANKET_ITEM_PEER_PORT, 0, blanket_result_value(result));
    memset(&call, 0, sizeof(call));
    call.verb = BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN;
    call.endpoint = tower->peer.endpoint;
    call.element_count = 1;
    call.element_items = 2;
    call.items = items;
    call.results = &result;
    check("bind", root.ops->call(root.context, &call));
    check("bind", blanket_result_status(result));
    item = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    check("connect", tower_call(tower, BLANKET_VERB_STORE_CONNECT, &item, 1, 1, &result));
    check("connect", blanket_result_status(result));
    generation = 1;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median_ns(struct tower *tower, const struct operation *operation)
{
    double samples[BATCHES];

    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        uint64_t start = now_ns();

        for (uint32_t i = 0; i < operation->count; i++) {
            operation->run(tower);
        }
        samples[batch] = (double)(now_ns() - start) / operation->count / operation->elements;
    }
    qsort(samples, BATCHES, sizeof(samples[0]), compare);
    return samples[BATCHES / 2];
}

/* From what one guest more costs: nothing else can be seen from outside. */
static uint64_t guest_bytes(uint32_t endpoints, uint32_t grants, uint32_t ports)
{
    const struct blanket_guest_limits limits = { endpoints, grants, 0, ports, 1 };
    struct blanket_level_stats before, after;
    struct tower tower;
    uint32_t id;

    tower_open(&tower, 1);
    blanket_guest_detach(tower.levels[0].level, tower.levels[0].guest);
    while (blanket_work(tower.levels[0].level, 1000) != 0) {
    }
    blanket_level_stats(tower.levels[0].level, &before);
    check("attach", blanket_guest_attach(tower.levels[0].level, NULL, 0, &limits, &id));
    blanket_level_stats(tower.levels[0].level, &after);
    tower.levels[0].guest = id;
    tower_close(&tower);
    return after.bytes - before.bytes;
}

static void print_table(int json)
{
    static const uint32_t depths[] = { 0, 1, 2, 3, 8 };
    double times[OPERATIONS][5];

    for (uint32_t d = 0; d < 5; d++) {
        struct tower tower;

        tower_open(&tower, depths[d]);
        prepare(&tower);
        for (uint32_t o = 0; o < OPERATIONS; o++) {
            (void)median_ns(&tower, &operations[o]); /* warm */
            times[o][d] = median_ns(&tower, &operations[o]);
        }
        tower_close(&tower);
    }
    if (!json) {
        printf("%-26s %9s %9s %9s %9s %9s   a level adds  aim\n", "nanoseconds (median)",
               "provider", "1 level", "2", "3", "8");
    }
    for (uint32_t o = 0; o < OPERATIONS; o++) {
        double added = (times[o][4] - times[o][1]) / 7;

        printf(json ? "{\"operation\": \"%s\", \"ns\": [%.1f, %.1f, %.1f, %.1f, %.1f], "
                      "\"depths\": [0, 1, 2, 3, 8], \"level_adds\": %.1f, \"aim\": \"%s\"}\n"
                    : "%-26s %9.1f %9.1f %9.1f %9.1f %9.1f   %12.1f  %s\n",
               operations[o].name, times[o][0], times[o][1], times[o][2], times[o][3], times[o][4],
               added, operations[o].aim);
    }
    printf(json ? "{\"bytes\": {\"grant_slot\": %.1f, \"port_slot\": %.1f, \"endpoint\": %.1f}}\n"
                : "\nbytes: a grant's slot %.1f, a port's %.1f (aim 32), an endpoint %.1f (aim 256)\n",
           (double)(guest_bytes(1, 8 + 8000, 8) - guest_bytes(1, 8, 8)) / 8000,
           (double)(guest_bytes(1, 8, 8 + 8000) - guest_bytes(1, 8, 8)) / 8000,
           (double)(guest_bytes(1001, 8, 8) - guest_bytes(1, 8, 8)) / 1000);
}

static int run_once(const char *name, const char *depth, const char *count)
{
    struct tower tower;

    for (uint32_t o = 0; o < OPERATIONS; o++) {
        if (strcmp(operations[o].name, name) == 0) {
            tower_open(&tower, (uint32_t)atoi(depth));
            prepare(&tower);
            for (int i = 0; i < atoi(count); i++) {
                operations[o].run(&tower);
            }
            tower_close(&tower);
            return 0;
        }
    }
    fprintf(stderr, "bench: no operation \"%s\"\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--once") == 0) {
        return run_once(argv[2], argv[3], argv[4]);
    }
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
        fprintf(stderr, "usage: levels [--json | --once OPERATION DEPTH COUNT]\n");
        return 2;
    }
    print_table(argc == 2);
    return 0;
}
