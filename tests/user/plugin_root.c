/* SPDX-License-Identifier: MIT */
/* The plugin on the provider instead of Xen: its "endpoint" is the path of a file. */
#include "root_host.h"

#include <host.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct disk_host *plugin_host_make(const char *name, const char **fault)
{
    struct root_host *host = calloc(1, sizeof(*host));

    *fault = "the file can't be served";
    if (host == NULL) {
        return NULL;
    }
    host->persistent = 1024;
    host->indirect = 256;
    host->ring_order = 4;
    host->grants = 1024;
    host->read_only = getenv("TEST_READ_ONLY") != NULL;
    if (root_host_start(host, name) != 0) {
        free(host);
        return NULL;
    }
    return &host->host;
}

void plugin_host_free(const struct disk_host *disk)
{
    struct root_host *host;

    if (disk != NULL) {
        host = disk->context;
        /* What the test counts, where it can read it. */
        fprintf(stderr, "flushes %u, pages left %u\n", atomic_load(&host->flushes),
                host->pages_out);
        root_host_stop(host);
        free(host);
    }
}

const char *plugin_host_check(const char *name)
{
    return access(name, R_OK) == 0 ? NULL : "there is no such file";
}
