/* SPDX-License-Identifier: MIT */
/*
 * For a boot with FLASK.
 *
 *   blanket-flask mint DOMID   in L1's dom0: an endpoint (slot 1, generation 1) for a guest, all rights
 *   blanket-flask use          in the guest: what it's told when it uses that, and when it administers
 *   blanket-flask audit        in L1's dom0: what the policy denied, as L1 Xen's trace has it
 *
 * Prints one line; errors of blanket's calls by their names.
 */
#define _GNU_SOURCE /* strerrorname_np */
#include <blanket/port/xen.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>

#define CALL BLANKET_HYPERCALL_DEFAULT
#define REASON_HOOK 8u /* enum blanket_reason */

static xencall_handle *hypercalls;
static void *buffer; /* two pages that stay */

static const char *said(int rc)
{
    return rc >= 0 ? "ok" : strerrorname_np(errno);
}

static int admin(unsigned operation, void *structure, size_t size)
{
    int rc;

    memcpy(buffer, structure, size);
    rc = xencall3(hypercalls, CALL, BLANKET_FORM_ADMIN, operation, (unsigned long)buffer);
    memcpy(structure, buffer, size);
    return rc;
}

static int mint(uint32_t domain)
{
    struct blanket_xen_attach attach = { .domain = domain, .endpoints = 4, .grants = 8, .ports = 32 };
    struct blanket_xen_mint mint = {
        .domain = domain, .slot = 1, .rights = BLANKET_RIGHTS_ALL, .flags = BLANKET_XEN_MINT_SHARE,
        .peer = 0, .ports = 8, .name = "flask/0",
    };
    const char *attached = said(admin(BLANKET_XEN_ATTACH, &attach, sizeof(attach)));

    printf("attach %s, mint %s", attached, said(admin(BLANKET_XEN_MINT, &mint, sizeof(mint))));
    printf(", endpoint %u.%u\n", (unsigned)mint.endpoint, (unsigned)(mint.endpoint >> 32));
    return 0;
}

/* A call about the endpoint's port 0, generation 1. */
static int call(uint16_t verb, int *status)
{
    struct blanket_wire_header *header = buffer;
    uint64_t *items = (uint64_t *)(header + 1);
    int rc;

    memset(header, 0, sizeof(*header));
    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->verb = verb;
    header->endpoint = blanket_handle(1, 1);
    header->item_count = 1;
    items[0] = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    rc = xencall2(hypercalls, CALL, BLANKET_FORM_CALL, (unsigned long)buffer);
    *status = rc == 0 ? blanket_result_status(items[0]) : 0;
    return rc;
}

static int use(void)
{
    struct blanket_xen_stats stats;
    int status;

    memset(&stats, 0, sizeof(stats));
    printf("alloc-unbound %s", said(call(BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, &status)));
    printf(" %d", status);
    printf(", status %s", said(call(BLANKET_VERB_EVTCHN_STATUS, &status)));
    printf(" %d", status);
    printf(", admin %s\n", said(admin(BLANKET_XEN_STATS, &stats, sizeof(stats))));
    return 0;
}

static int audit(void)
{
    static struct blanket_xen_audit records;

    if (admin(BLANKET_XEN_AUDIT, &records, sizeof(records)) != 0) {
        printf("audit: %s\n", said(-1));
        return 1;
    }
    for (uint32_t i = 0; i < records.count; i++) {
        const struct blanket_xen_record *record = &records.records[i];

        if (record->reason == REASON_HOOK) {
            printf("domain %u verb %#x status %d, ", record->domain, record->verb, record->status);
        }
    }
    puts("end");
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    hypercalls = xencall_open(NULL, 0);
    buffer = hypercalls ? xencall_alloc_buffer_pages(hypercalls, 2) : NULL;
    if (!buffer) {
        perror("xencall");
        return 1;
    }
    if (strcmp(command, "mint") == 0 && argc == 3) {
        return mint((uint32_t)atoi(argv[2]));
    }
    return strcmp(command, "audit") == 0 ? audit() : use();
}
