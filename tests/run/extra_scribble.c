/* SPDX-License-Identifier: MIT */
/*
 * Two guests copy their slices of one disk; the second writes noise all over its own memory meanwhile:
 * rings, frames, and the pages of its requests. The first one's slice is copied as if it were alone, no
 * byte of it is another's, and nothing is left of either.
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
#define HONEST 0u
#define HOSTILE 1u
#define SECTORS 4096u

static const char disk_path[] = "scribble-disk.tmp", other_path[] = "scribble-other.tmp";

#define AROUND 4096u /* a guest has fewer pages */

struct noise {
    struct world *world;
    uint64_t random;
    uint64_t somewhere; /* a frame of the hostile guest's */
    uint64_t frames[AROUND];
    uint32_t count, written;
};

static uint32_t draw(struct noise *noise, uint32_t below)
{
    noise->random ^= noise->random << 13;
    noise->random ^= noise->random >> 7;
    noise->random ^= noise->random << 17;
    return (uint32_t)(noise->random >> 32) % below;
}

static uint8_t *page_of(const struct noise *noise, uint64_t frame)
{
    return blanket_sim_page(noise->world->sim, noise->world->guests[HOSTILE].node, frame);
}

/* All that the guest has by now. */
static void frames_find(struct noise *noise)
{
    uint64_t first = noise->somewhere > AROUND ? noise->somewhere - AROUND : 0;

    for (uint64_t frame = first; frame < noise->somewhere + AROUND; frame++) {
        if (noise->count < AROUND && page_of(noise, frame) != NULL) {
            noise->frames[noise->count++] = frame;
        }
    }
}

/* At a crossing, whoever makes it: some words, small or wild, often where a ring has its indices. */
static void scribble(void *context)
{
    struct noise *noise = context;

    if (noise->count == 0) {
        frames_find(noise);
    }
    for (uint32_t i = 0; i < 4 && noise->count != 0; i++) {
        uint8_t *page = page_of(noise, noise->frames[draw(noise, noise->count)]);
        uint32_t at = draw(noise, 2) ? draw(noise, 16) : draw(noise, 1024);
        uint32_t word = draw(noise, 2) ? draw(noise, 64) : draw(noise, UINT32_MAX);

        if (page != NULL) {
            memcpy(page + 4u * at, &word, sizeof(word));
            noise->written++;
        }
    }
}

/* A frame of its own, which says where its memory is. */
static uint64_t frame_of(struct world *world)
{
    uint32_t node = world->guests[HOSTILE].node;
    uint64_t frame = 0;

    assert_int_equal(blanket_sim_page_alloc(world->sim, node, 1, &frame), 0);
    assert_int_equal(blanket_sim_page_free(world->sim, node, frame), 0);
    return frame;
}

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

static void slices_equal(struct image *one, struct image *other, const struct world_guest *guest)
{
    static uint8_t bytes[2][SECTORS * IMAGE_SECTOR];
    struct iovec part = {bytes[0], guest->sectors * IMAGE_SECTOR};

    assert_true(image_read(one, guest->first * IMAGE_SECTOR, &part, 1));
    part.iov_base = bytes[1];
    assert_true(image_read(other, guest->first * IMAGE_SECTOR, &part, 1));
    assert_memory_equal(bytes[0], bytes[1], guest->sectors * IMAGE_SECTOR);
}

/* true: the job says that it copied all, noise and all. */
static bool job(uint32_t seed, bool write)
{
    const struct world_config config = {
        .levels = LEVELS, .guests = 2, .segments = 1, .ring_order = seed & 1, .seed = seed};
    struct noise noise = {.random = seed * 0x9e3779b97f4a7c15u};
    struct image disk, other;
    struct world world;
    struct copy copy;
    bool good;

    file_make(disk_path, 1);
    file_make(other_path, 2);
    assert_true(image_open(&disk, disk_path, true));
    assert_true(image_open(&other, other_path, true));
    assert_true(world_open(&world, &config, &disk));
    assert_true(world.guests[HONEST].sectors < SECTORS);
    memset(&copy, 0, sizeof(copy));
    copy.world = &world;
    copy.other = &other;
    copy.write = write;
    copy.bytes = disk.size;
    noise.world = &world;
    noise.somewhere = frame_of(&world);
    for (uint32_t level = 0; level < LEVELS; level++) {
        assert_int_equal(blanket_sim_between(world.sim, level, scribble, &noise), 0);
    }
    good = copy_run(&copy);
    assert_true(noise.written > 100);
    slices_equal(&disk, &other, &world.guests[HONEST]);
    for (uint32_t level = 0; level < LEVELS; level++) {
        assert_int_equal(blanket_sim_between(world.sim, level, NULL, NULL), 0);
    }
    (void)world_disconnect(&world);
    world_close(&world);
    assert_int_equal(world.violations, 0);
    image_close(&disk);
    image_close(&other);
    return good;
}

static void test_a_guest_that_scribbles(void **state)
{
    uint32_t failed = 0;

    (void)state;
    for (uint32_t seed = 1; seed <= 64; seed++) {
        failed += !job(seed, seed % 3 == 0);
    }
    assert_true(failed > 0); /* or the noise does no harm, and shows nothing */
}

static int teardown(void **state)
{
    (void)state;
    unlink(disk_path);
    unlink(other_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_guest_that_scribbles, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
