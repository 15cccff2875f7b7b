/* SPDX-License-Identifier: MIT */
/*
 * nbdkit plugin: a disk of the hypervisor below, as a network block device of this domain.
 *
 *   nbdkit blanket vbd/51712
 *   nbd-client -u SOCKET /dev/nbd0
 */
#define NBDKIT_API_VERSION 2
#include "host.h"
#include "memory.h"

#include <errno.h>
#include <nbdkit-plugin.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static struct {
    char *endpoint;
    const struct disk_host *host;
    struct disk *disk;
    struct disk_config config;
} plugin = {
    .config = {.ring_order = 4, .segments = 32, .pages = 512, .seconds = 30, .persistent = true}};

static void log_line(const char *line)
{
    nbdkit_error("%s: %s", plugin.endpoint, line);
}

static int number(const char *key, const char *value, uint32_t least, uint32_t most, uint32_t *to)
{
    unsigned parsed;

    if (nbdkit_parse_unsigned(key, value, &parsed) != 0) {
        return -1;
    }
    if (parsed < least || parsed > most) {
        nbdkit_error("%s is from %u to %u", key, (unsigned)least, (unsigned)most);
        return -1;
    }
    *to = parsed;
    return 0;
}

static int plugin_config(const char *key, const char *value)
{
    struct disk_config *config = &plugin.config;
    int truth;

    if (strcmp(key, "endpoint") == 0) {
        free(plugin.endpoint);
        plugin.endpoint = strdup(value);
        return plugin.endpoint != NULL ? 0 : -1;
    }
    if (strcmp(key, "ring-order") == 0) {
        return number(key, value, 0, 4, &config->ring_order);
    }
    if (strcmp(key, "segments") == 0) {
        return number(key, value, 1, 256, &config->segments);
    }
    if (strcmp(key, "depth") == 0) {
        return number(key, value, 1, 512, &config->depth);
    }
    if (strcmp(key, "pages") == 0) {
        return number(key, value, 1, 65536, &config->pages);
    }
    if (strcmp(key, "timeout") == 0) {
        return number(key, value, 1, 3600, &config->seconds);
    }
    if (strcmp(key, "persistent") == 0) {
        truth = nbdkit_parse_bool(value);
        config->persistent = truth == 1;
        return truth < 0 ? -1 : 0;
    }
    nbdkit_error("there is no parameter \"%s\"", key);
    return -1;
}

static int plugin_config_complete(void)
{
    if (plugin.endpoint == NULL) {
        nbdkit_error("which endpoint? (as: nbdkit blanket vbd/51712)");
        return -1;
    }
    return 0;
}

#define CONFIG_HELP                                                                                \
    "[endpoint=]NAME    (required) the endpoint: blanketctl list\n"                                \
    "ring-order=0..4    pages of the ring, as a power of two (4)\n"                                \
    "segments=1..256    pages of a request; above 11 by indirect segments (32)\n"                  \
    "depth=N            requests in flight (what the ring takes)\n"                                \
    "persistent=BOOL    keep pages mapped by the backend, and copy (true)\n"                       \
    "pages=N            for data in flight if not (512)\n"                                         \
    "timeout=SECONDS    for the first connection (30)"

/* Still in front of whoever started us: what is missing can be said. */
static int plugin_get_ready(void)
{
    const char *fault = plugin_host_check(plugin.endpoint);

    if (fault != NULL) {
        nbdkit_error("%s: %s", plugin.endpoint, fault);
        return -1;
    }
    return 0;
}

/*
 * This domain may write its own dirty pages, and swap, to a disk that hangs on us: we must not wait for
 * memory that only such a write can free. Threads that are made from now on inherit both.
 */
static void memory_prepare(void)
{
    int error = memory_lock();

    if (error != 0) {
        nbdkit_error("memory can't be locked (%s): swapping to this disk may block for ever",
                     strerror(error));
    }
    if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) {
        nbdkit_error("we can't be an I/O flusher (%s): writing to this disk may block for ever",
                     strerror(errno));
    }
}

static int plugin_after_fork(void)
{
    char text[DISK_FAULT_SIZE];
    const char *fault = text;

    memory_prepare();
    plugin.config.log = log_line;
    plugin.host = plugin_host_make(plugin.endpoint, &fault);
    plugin.config.host = plugin.host;
    if (plugin.host == NULL || disk_start(&plugin.config, &plugin.disk, text) != 0) {
        nbdkit_error("%s: %s", plugin.endpoint, fault);
        return -1;
    }
    return 0;
}

static void plugin_cleanup(void)
{
    struct blk_frontend_stats stats;

    if (plugin.disk == NULL) {
        return;
    }
    disk_close(plugin.disk);
    disk_stats(plugin.disk, &stats);
    nbdkit_debug("%s: %llu requests, %llu pages, %llu doorbells, %llu grants, %llu ends",
                 plugin.endpoint, (unsigned long long)stats.requests,
                 (unsigned long long)stats.segments, (unsigned long long)stats.doorbells,
                 (unsigned long long)stats.grants, (unsigned long long)stats.ends);
    disk_free(plugin.disk);
    plugin.disk = NULL;
}

static void plugin_unload(void)
{
    plugin_host_free(plugin.host);
    free(plugin.endpoint);
}

static void *plugin_open(int readonly)
{
    (void)readonly;
    return plugin.disk;
}

static void info_get(struct blk_frontend_info *info)
{
    disk_info(plugin.disk, info);
}

static int64_t plugin_get_size(void *handle)
{
    struct blk_frontend_info info;

    (void)handle;
    info_get(&info);
    return (int64_t)(info.sectors * info.sector_size);
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    struct blk_frontend_info info;

    (void)handle;
    info_get(&info);
    *minimum = info.sector_size;
    *preferred = 4096;
    *maximum = 32u << 20;
    return 0;
}

static int plugin_can_write(void *handle)
{
    struct blk_frontend_info info;

    (void)handle;
    info_get(&info);
    return !info.read_only;
}

static int plugin_can_flush(void *handle)
{
    struct blk_frontend_info info;

    (void)handle;
    info_get(&info);
    return info.flush;
}

/* blkif has no FUA: nbdkit flushes after such a write, to the bottom. */
static int plugin_can_fua(void *handle)
{
    return plugin_can_flush(handle) ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE;
}

/* All connections are one frontend's: what one has flushed is flushed for all. */
static int plugin_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

static int finish(int error)
{
    if (error != 0) {
        nbdkit_set_error(error);
        errno = error;
        return -1;
    }
    return 0;
}

static int plugin_pread(void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
    (void)flags;
    return finish(disk_transfer(handle, BLK_READ, buffer, count, offset));
}

static int plugin_pwrite(void *handle, const void *buffer, uint32_t count, uint64_t offset,
                         uint32_t flags)
{
    const union {
        const void *given;
        void *taken;
    } data = {.given = buffer}; /* a write's is only read */

    (void)flags;
    return finish(disk_transfer(handle, BLK_WRITE, data.taken, count, offset));
}

static int plugin_flush(void *handle, uint32_t flags)
{
    (void)flags;
    return finish(disk_flush(handle));
}

static struct nbdkit_plugin registered = {
    .name = "blanket",
    .longname = "blanket: a disk of the hypervisor below",
    .version = BLANKET_VERSION,
    .description = "PV block frontend over an endpoint of blanket",
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = CONFIG_HELP,
    .magic_config_key = "endpoint",
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .cleanup = plugin_cleanup,
    .unload = plugin_unload,
    .open = plugin_open,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .can_write = plugin_can_write,
    .can_flush = plugin_can_flush,
    .can_fua = plugin_can_fua,
    .can_multi_conn = plugin_can_multi_conn,
    .pread = plugin_pread,
    .pwrite = plugin_pwrite,
    .flush = plugin_flush,
    .errno_is_preserved = 1,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(registered)
