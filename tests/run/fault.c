/* SPDX-License-Identifier: MIT */
/*
 * A disk is copied while a level's calls to what it stands on go wrong: refused, lost on the way there or
 * back, answered with noise, performed late or twice. Whatever the guest library and the frontend are
 * told, the copy is equal, or the job says that it failed; nothing is left, and no rule is broken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "copy.h"

#define LEVELS 3u
#define GUESTS 2u
#define SECTORS 6007u

static const char disk_path[] = "fault-disk.tmp", out_path[] = "fault-out.tmp";

struct fault {
    uint32_t level;
    enum blanket_sim_fault kind;
    uint32_t skip, count;
    bool persistent, write;
};

static void file_make(const char *path, uint32_t seed)
{
    static uint8_t bytes[SECTORS * IMAGE_SECTOR];
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)((i + seed) * 2654435761u >> 11);
    }
    assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
    assert_int_equal(fclose(file), 0);
}

static bool files_equal(struct image *one, struct image *other)
{
    static uint8_t bytes[2][SECTORS * IMAGE_SECTOR];
    struct iovec part = {bytes[0], sizeof(bytes[0])};

    assert_true(image_read(one, 0, &part, 1));
    part.iov_base = bytes[1];
    assert_true(image_read(other, 0, &part, 1));
    return memcmp(bytes[0], bytes[1], sizeof(bytes[0])) == 0;
}

/* What the level above the fault saw of it: elements that were lost or refused. */
static uint64_t harm(struct world *world, const struct fault *fault)
{
    struct blanket_level_stats stats;

    blanket_level_stats(blanket_sim_level(world->sim, fault->level), &stats);
    return stats.lost + stats.refused;
}

/* Copies with that fault. true: it says that it did. *harmed grows by what the level noticed. */
static bool job(const struct fault *fault, uint64_t *harmed)
{
    const struct world_config config = {.levels = LEVELS,
                                        .guests = GUESTS,
                                        .segments = 1,
                                        .persistent = fault->persistent,
                                        .seed = 3};
    struct image disk, other;
    struct world world;
    struct copy copy;
    bool good;

    file_make(disk_path, 1);
    file_make(out_path, 2);
    assert_true(image_open(&disk, disk_path, true));
    assert_true(image_open(&other, out_path, true));
    assert_true(world_open(&world, &config, &disk));
    memset(&copy, 0, sizeof(copy));
    copy.world = &world;
    copy.other = &other;
    copy.write = fault->write;
    copy.bytes = disk.size;
    *harmed -= harm(&world, fault);
    assert_int_equal(
        blanket_sim_fault(world.sim, fault->level, fault->kind, fault->skip, fault->count), 0);
    good = copy_run(&copy);
    *harmed += harm(&world, fault);
    assert_int_equal(blanket_sim_fault(world.sim, fault->level, BLANKET_SIM_FAULT_NONE, 0, 0), 0);
    (void)blanket_sim_late(world.sim);
    if (good) {
        assert_true(files_equal(&disk, &other));
    }
    assert_true(world_disconnect(&world));
    world_close(&world);
    assert_int_equal(world.violations, 0);
    image_close(&disk);
    image_close(&other);
    return good;
}

/* A fault now and then costs a repetition, not the job. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    for (int kind = BLANKET_SIM_FAULT_REFUSE; kind <= BLANKET_SIM_FAULT_DUPLICATE; kind++) {
        for (uint32_t level = 0; level < LEVELS; level++) {
            uint64_t harmed = 0;

            for (uint32_t skip = 0; skip < 12; skip++) {
                const struct fault fault = {.level = level,
                                            .kind = (enum blanket_sim_fault)kind,
                                            .skip = skip,
                                            .count = 1,
                                            .write = skip & 1};

                assert_true(job(&fault, &harmed));
            }
            assert_true(harmed > 0 || kind == BLANKET_SIM_FAULT_DUPLICATE);
        }
    }
}

/* Several in a row, in the middle of everything: whatever comes out, it is said. */
static void test_a_bad_stretch(void **state)
{
    uint32_t good = 0, failed = 0;
    uint64_t harmed = 0;

    (void)state;
    for (int kind = BLANKET_SIM_FAULT_REFUSE; kind <= BLANKET_SIM_FAULT_DUPLICATE; kind++) {
        for (uint32_t level = 0; level < LEVELS; level++) {
            for (uint32_t count = 3; count <= 48; count += 15) {
                const struct fault fault = {.level = level,
                                            .kind = (enum blanket_sim_fault)kind,
                                            .skip = 4,
                                            .count = count,
                                            .write = count & 1};

                if (job(&fault, &harmed)) {
                    good++;
                } else {
                    failed++;
                }
            }
        }
    }
    printf("of %u jobs %u failed and said so; %u elements were lost or refused\n",
           (unsigned)(good + failed), (unsigned)failed, (unsigned)harmed);
    assert_true(harmed > 500);
    assert_true(good > 0);
}

/* With persistent grants nothing but doorbells crosses, which these faults don't touch. */
static void test_persistent(void **state)
{
    const struct fault fault = {
        .kind = BLANKET_SIM_FAULT_LOSE_REQUEST, .count = 1000, .persistent = true};

    uint64_t harmed = 0;

    (void)state;
    assert_true(job(&fault, &harmed));
    assert_int_equal(harmed, 0);
}

static int teardown(void **state)
{
    (void)state;
    unlink(disk_path);
    unlink(out_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_one_at_a_time, teardown),
        cmocka_unit_test_teardown(test_a_bad_stretch, teardown),
        cmocka_unit_test_teardown(test_persistent, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
