/* SPDX-License-Identifier: MIT */
/* Where the plugin's disk is: one file that is linked with it says so. */
#ifndef BLANKET_NBDKIT_HOST_H
#define BLANKET_NBDKIT_HOST_H

#include "disk.h"

/* One endpoint of this domain, by its name ("vbd/51712"). `fault` gets a line for people on NULL. */
const struct disk_host *plugin_host_make(const char *name, const char **fault);
void plugin_host_free(const struct disk_host *host);

/* Before the program goes into the background: NULL, or what is missing. Leaves nothing open. */
const char *plugin_host_check(const char *name);

#endif
