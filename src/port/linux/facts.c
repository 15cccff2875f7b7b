/* SPDX-License-Identifier: MIT */
/* What this domain is: from sysfs, which says it to everybody, and from Xen where the process may ask. */
#include "linux_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <xen/grant_table.h>
#include <xen/xen.h>

/* The first line of a small file; empty: it can't be read. */
static void line_read(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");

    line[0] = 0;
    if (file) {
        if (!fgets(line, size, file)) {
            line[0] = 0;
        }
        (void)fclose(file);
    }
    line[strcspn(line, "\n")] = 0;
}

static uint32_t number_read(const char *path)
{
    char line[24];
    char *end;
    unsigned long number;

    line_read(path, line, sizeof(line));
    number = strtoul(line, &end, 10);
    return end == line || *end || number >= LINUX_UNKNOWN ? LINUX_UNKNOWN : (uint32_t)number;
}

static void grants_ask(struct blanket_linux *door, struct blanket_linux_facts *facts)
{
    struct gnttab_query_size *ask;

    if (!door->calls) {
        return;
    }
    ask = (struct gnttab_query_size *)xencall_alloc_buffer(door->calls, sizeof(*ask));
    if (!ask) {
        return;
    }
    memset(ask, 0, sizeof(*ask));
    ask->dom = DOMID_SELF;
    if (xencall3(door->calls, __HYPERVISOR_grant_table_op, GNTTABOP_query_size,
                 (uint64_t)(uintptr_t)ask, 1) == 0 &&
        ask->status == GNTST_okay) {
        facts->grant_frames = ask->nr_frames;
        facts->grant_frames_max = ask->max_nr_frames;
    }
    xencall_free_buffer(door->calls, ask);
}

void blanket_linux_facts(struct blanket_linux *door, struct blanket_linux_facts *facts)
{
    facts->domid = door->domid;
    facts->version_major = number_read("/sys/hypervisor/version/major");
    facts->version_minor = number_read("/sys/hypervisor/version/minor");
    facts->gntalloc_pages = number_read("/sys/module/xen_gntalloc/parameters/limit");
    facts->grant_frames = LINUX_UNKNOWN;
    facts->grant_frames_max = LINUX_UNKNOWN;
    line_read("/sys/hypervisor/guest_type", facts->type, sizeof(facts->type));
    grants_ask(door, facts);
}
