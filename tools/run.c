/* SPDX-License-Identifier: MIT */
/* blanket run: options, files, and the order of things. */
#include "command.h"
#include "copy.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/ring.h"

struct options {
    struct world_config world;
    const char *disk;
    const char *read_to;
    const char *write_from;
    bool libxen;
    bool json;
};

static void usage(FILE *stream)
{
    fputs(
        "usage: blanket run [--levels N] --disk IMAGE --read-to FILE | --write-from FILE\n"
        "       blanket run [--levels N] --below libxen --disk vbd/51712 ...\n"
        "                   [OPTION]...\n"
        "\n"
        "Copies a disk image through N simulated levels: a PV block frontend in a guest on top,\n"
        "a backend beside the provider at the bottom, and every operation between them through\n"
        "the nested hypercall, a capability and a hook at each level.\n"
        "\n"
        "  --levels N         levels above each other, 1 to 16 (3)\n"
        "  --disk IMAGE       the disk: a file or block device of whole 512-byte sectors\n"
        "  --below libxen     the levels stand on the Xen that this machine is a domain of, and\n"
        "                     --disk names a device that its toolstack attached: the bottom is a\n"
        "                     real backend. One guest. No driver of this kernel may have the "
        "device\n"
        "  --read-to FILE     copy all of it to FILE, which appears when it is complete\n"
        "  --write-from FILE  write FILE, which isn't larger, to the disk from its start, and "
        "flush\n"
        "  --no-persistent    grant each page for its request only\n"
        "  --ring-pages N     pages of the ring: 1, 2, 4, 8 or 16 (1)\n"
        "  --segments N       pages of a request, 1 to 256 (32); above 11 they are indirect\n"
        "  --guests G         isolated guests side by side, each on its slice, 1 to 64 (1)\n"
        "  --seed S           of frame numbers and of whose turn it is; the same S, the same run "
        "(1)\n"
        "  --json             the report as JSON\n"
        "  --help             this\n"
        "\n"
        "Exits with 0 when all was copied, 1 when the job failed, 2 when an option or a file is\n"
        "wrong, with one line that says what.\n",
        stream);
}

/* ---- options ---- */

enum option_code {
    OPTION_LEVELS = 256,
    OPTION_DISK,
    OPTION_BELOW,
    OPTION_READ_TO,
    OPTION_WRITE_FROM,
    OPTION_NO_PERSISTENT,
    OPTION_RING_PAGES,
    OPTION_SEGMENTS,
    OPTION_GUESTS,
    OPTION_SEED,
    OPTION_JSON,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"levels", required_argument, NULL, OPTION_LEVELS},
    {"disk", required_argument, NULL, OPTION_DISK},
    {"below", required_argument, NULL, OPTION_BELOW},
    {"read-to", required_argument, NULL, OPTION_READ_TO},
    {"write-from", required_argument, NULL, OPTION_WRITE_FROM},
    {"no-persistent", no_argument, NULL, OPTION_NO_PERSISTENT},
    {"ring-pages", required_argument, NULL, OPTION_RING_PAGES},
    {"segments", required_argument, NULL, OPTION_SEGMENTS},
    {"guests", required_argument, NULL, OPTION_GUESTS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* A number of an option; false (said) if it isn't one, or out of range. */
static bool number_take(const char *option, uint64_t min, uint64_t max, uint64_t *number)
{
    if (command_number(optarg, min, max, number)) {
        return true;
    }
    command_error("run: --%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", option,
                  min, max, optarg);
    return false;
}

static bool small_take(const char *option, uint32_t min, uint32_t max, uint32_t *number)
{
    uint64_t value;

    if (!number_take(option, min, max, &value)) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static bool ring_take(uint32_t *order)
{
    uint64_t pages;

    if (command_number(optarg, 1, BLK_RING_PAGES_MAX, &pages) && (pages & (pages - 1)) == 0) {
        *order = 0;
        while (1u << *order < pages) {
            ++*order;
        }
        return true;
    }
    command_error("run: --ring-pages takes 1, 2, 4, 8 or 16, not \"%s\"", optarg);
    return false;
}

static bool option_take(struct options *options, int code)
{
    switch (code) {
    case OPTION_LEVELS:
        return small_take("levels", 1, BLANKET_LEVEL_MAX, &options->world.levels);
    case OPTION_DISK:
        options->disk = optarg;
        return true;
    case OPTION_BELOW:
        options->libxen = strcmp(optarg, "libxen") == 0;
        if (!options->libxen) {
            command_error("run: --below takes libxen, not \"%s\"", optarg);
        }
        return options->libxen;
    case OPTION_READ_TO:
        options->read_to = optarg;
        return true;
    case OPTION_WRITE_FROM:
        options->write_from = optarg;
        return true;
    case OPTION_NO_PERSISTENT:
        options->world.persistent = false;
        return true;
    case OPTION_RING_PAGES:
        return ring_take(&options->world.ring_order);
    case OPTION_SEGMENTS:
        return small_take("segments", 1, BLK_INDIRECT_MAX, &options->world.segments);
    case OPTION_GUESTS:
        return small_take("guests", 1, WORLD_GUESTS_MAX, &options->world.guests);
    case OPTION_SEED:
        return number_take("seed", 0, INT64_MAX, &options->world.seed);
    case OPTION_JSON:
        options->json = true;
        return true;
    default:
        return false;
    }
}

static bool options_check(const struct options *options, int argc, char **argv)
{
    if (optind < argc) {
        command_error("run: \"%s\" belongs to no option (blanket run --help)", argv[optind]);
    } else if (options->disk == NULL) {
        command_error("run: --disk IMAGE is missing (blanket run --help)");
    } else if ((options->read_to == NULL) == (options->write_from == NULL)) {
        command_error("run: it takes one of --read-to FILE and --write-from FILE");
    } else if (options->libxen && options->world.guests != 1) {
        command_error("run: over libxen there is one guest, with one device");
    } else {
        return true;
    }
    return false;
}

/* -1: go on; else the program's exit. */
static int options_parse(struct options *options, int argc, char **argv)
{
    int code;

    memset(options, 0, sizeof(*options));
    options->world.levels = 3;
    options->world.guests = 1;
    options->world.segments = 32;
    options->world.persistent = true;
    options->world.seed = 1;
    opterr = 0;
    optind = 1;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code == OPTION_HELP) {
            usage(stdout);
            return COMMAND_DONE;
        }
        if (code == '?' || code == ':') {
            command_error(code == '?' ? "run: there is no option \"%s\" (blanket run --help)"
                                      : "run: %s takes a value (blanket run --help)",
                          argv[optind - 1]);
            return COMMAND_USAGE;
        }
        if (!option_take(options, code)) {
            return COMMAND_USAGE;
        }
    }
    return options_check(options, argc, argv) ? -1 : COMMAND_USAGE;
}

/* ---- files ---- */

struct files {
    struct image disk;
    struct image source;  /* --write-from */
    struct target target; /* --read-to */
    bool target_open;
};

static bool source_fits(const struct files *files, const struct options *options)
{
    if (files->source.size > files->disk.size) {
        command_error("%s: its %" PRIu64 " bytes are too few: %s has %" PRIu64, options->disk,
                      files->disk.size, options->write_from, files->source.size);
        return false;
    }
    return true;
}

static bool source_open(struct files *files, const struct options *options)
{
    if (!image_open(&files->source, options->write_from, false)) {
        return false;
    }
    if (options->libxen) {
        return true; /* how large the disk is its backend will say */
    }
    if (image_same(&files->source, &files->disk)) {
        command_error("%s: the disk can't be its own copy", options->write_from);
        return false;
    }
    return source_fits(files, options);
}

/* false (said): what was opened is to be closed all the same. */
static bool files_open(struct files *files, const struct options *options)
{
    bool write = options->write_from != NULL;

    memset(files, 0, sizeof(*files));
    files->disk.file = -1;
    files->source.file = -1;
    if (options->libxen) {
        return !write || source_open(files, options);
    }
    if (!image_open(&files->disk, options->disk, write)) {
        return false;
    }
    if (files->disk.size / IMAGE_SECTOR < options->world.guests) {
        command_error("%s: it has fewer sectors than there are guests", options->disk);
        return false;
    }
    if (write) {
        return source_open(files, options);
    }
    files->target_open = target_open(&files->target, options->read_to, files->disk.size,
                                     &files->disk);
    return files->target_open;
}

/* A disk whose backend has said how large it is. */
static bool files_size(struct files *files, const struct options *options,
                       const struct world *world)
{
    files->disk.size = world->guests[0].sectors * IMAGE_SECTOR;
    if (options->write_from != NULL) {
        return source_fits(files, options);
    }
    files->target_open = target_open(&files->target, options->read_to, files->disk.size,
                                     &files->disk);
    return files->target_open;
}

static void files_close(struct files *files)
{
    if (files->target_open) {
        target_abandon(&files->target);
    }
    image_close(&files->source);
    image_close(&files->disk);
}

/* ---- the job ---- */

static bool job_run(const struct options *options, struct files *files, struct report *report)
{
    struct world world;
    struct copy copy;
    bool good;

    memset(&copy, 0, sizeof(copy));
    if (!world_open(&world, &options->world, &files->disk)) {
        return false;
    }
    if (options->libxen && !files_size(files, options, &world)) {
        (void)world_disconnect(&world);
        world_close(&world);
        return false;
    }
    report->disk_bytes = files->disk.size;
    copy.world = &world;
    copy.write = options->write_from != NULL;
    copy.other = copy.write ? &files->source : &files->target.image;
    copy.bytes = copy.write ? files->source.size : files->disk.size;
    report->provider = world.provider;
    report_take(report, &world, REPORT_BEFORE);
    good = copy_run(&copy);
    report_take(report, &world, REPORT_AFTER);
    good = world_disconnect(&world) && good;
    report_take(report, &world, REPORT_END);
    world_close(&world);
    if (good && world.violations != 0) {
        command_error("run: the copy is complete, but the simulation counts %" PRIu32
                      " violations of its rules",
                      world.violations);
        good = false;
    }
    report->requests = copy.requests;
    report->bytes = copy.bytes;
    report->nanoseconds = copy.nanoseconds;
    return good;
}

int command_run(int argc, char **argv)
{
    struct options options;
    struct files files;
    struct report *report;
    int code = options_parse(&options, argc, argv);
    bool good;

    if (code >= 0) {
        return code;
    }
    report = calloc(1, sizeof(*report));
    if (report == NULL) {
        command_error("run: %s", strerror(ENOMEM));
        return COMMAND_FAILED;
    }
    command_signals();
    options.world.read_only = options.write_from == NULL;
    options.world.device = options.libxen ? options.disk : NULL;
    report->disk = options.disk;
    report->other = options.write_from != NULL ? options.write_from : options.read_to;
    report->write = options.write_from != NULL;
    report->config = options.world;
    if (!files_open(&files, &options)) {
        files_close(&files);
        free(report);
        return COMMAND_USAGE;
    }
    good = job_run(&options, &files, report);
    if (good && files.target_open) {
        files.target_open = false;
        good = target_commit(&files.target);
    }
    files_close(&files);
    if (good && !(options.json ? report_print_json(report) : report_print(report))) {
        command_error("run: the copy is complete, but its report can't be written: %s",
                      strerror(errno));
        good = false;
    }
    free(report);
    return good ? COMMAND_DONE : COMMAND_FAILED;
}
