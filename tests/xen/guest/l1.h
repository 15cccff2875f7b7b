/* SPDX-License-Identifier: MIT */
/* What the programs in L1's dom0 share: blanket's calls through privcmd, and an end where one isn't as it
 * must be. */
#ifndef BLANKET_TEST_L1_H
#define BLANKET_TEST_L1_H

#include <blanket/errno.h>
#include <blanket/port/xen.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xencall.h>

#define CALL BLANKET_HYPERCALL_DEFAULT
#define DOMID_OF_XEN 0x7ff2
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)
#define PAGE 4096u

struct l1 {
    xencall_handle *hypercalls;
    void *buffer; /* two pages that stay */
    int channels; /* /dev/xen/evtchn */
    uint64_t endpoint;
};

static inline void expect(long is, long must, const char *what)
{
    if (is != must) {
        printf("%s: %ld, expected %ld\n", what, is, must);
        exit(1);
    }
}

static inline void l1_open(struct l1 *l1)
{
    l1->hypercalls = xencall_open(NULL, 0);
    l1->buffer = l1->hypercalls ? xencall_alloc_buffer_pages(l1->hypercalls, 2) : NULL;
    l1->channels = open("/dev/xen/evtchn", O_RDWR);
    expect(l1->buffer && l1->channels >= 0, 1, "the devices");
}

/* ADMIN or BROKER: 0 or a negative error of blanket's. */
static inline int l1_operate(struct l1 *l1, unsigned form, unsigned operation, void *structure,
                             size_t size)
{
    int rc;

    memcpy(l1->buffer, structure, size);
    rc = xencall3(l1->hypercalls, CALL, form, operation, (unsigned long)l1->buffer);
    rc = rc < 0 ? -errno : rc;
    memcpy(structure, l1->buffer, size);
    return rc;
}

/* One frame of `count` elements, their items in `items`: 0 or a negative error; results in `items`. */
static inline int l1_frame(struct l1 *l1, uint16_t verb, uint64_t *items, uint16_t count)
{
    struct blanket_wire_header *header = l1->buffer;
    int rc;

    memset(header, 0, sizeof(*header));
    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->verb = verb;
    header->endpoint = l1->endpoint;
    header->item_count = count;
    memcpy(header + 1, items, count * sizeof(*items));
    rc = xencall2(l1->hypercalls, CALL, BLANKET_FORM_CALL, (unsigned long)l1->buffer);
    rc = rc < 0 ? -errno : rc;
    memcpy(items, header + 1, count * sizeof(*items));
    return rc;
}

/* One element: its status, or the call's. */
static inline int l1_one(struct l1 *l1, uint16_t verb, uint64_t first, uint64_t second,
                         uint32_t *value)
{
    uint64_t items[2] = { first, second };
    int rc = l1_frame(l1, verb, items, second ? 2 : 1);

    if (rc == 0 && value) {
        *value = blanket_result_value(items[0]);
    }
    return rc != 0 ? rc : blanket_result_status(items[0]);
}

/* This domain has endpoints, and one of `name` in this slot with L0's dom0 as its peer. */
static inline void l1_mint(struct l1 *l1, uint32_t slot, const char *name, uint32_t grants)
{
    struct blanket_xen_attach attach = {
        .domain = BLANKET_XEN_DOMAIN_SELF, .endpoints = 8, .grants = 2048, .ports = 64,
    };
    struct blanket_xen_mint mint = {
        .domain = BLANKET_XEN_DOMAIN_SELF, .slot = slot, .rights = BLANKET_RIGHTS_ALL, .peer = 0,
        .grants = grants, .ports = 8,
    };
    int rc = l1_operate(l1, BLANKET_FORM_ADMIN, BLANKET_XEN_ATTACH, &attach, sizeof(attach));

    expect(rc == 0 || rc == -BLANKET_EEXIST, 1, "attach");
    strcpy(mint.name, name);
    expect(l1_operate(l1, BLANKET_FORM_ADMIN, BLANKET_XEN_MINT, &mint, sizeof(mint)), 0, "mint");
    l1->endpoint = mint.endpoint;
}

static inline int l1_info(struct l1 *l1, struct blanket_xen_list *list)
{
    memset(list, 0, sizeof(*list));
    list->domain = BLANKET_XEN_DOMAIN_SELF;
    list->endpoint = l1->endpoint;
    return l1_operate(l1, BLANKET_FORM_ADMIN, BLANKET_XEN_INFO, list, sizeof(*list));
}

/* Bind the domain's channel for a port of its port space; returns its own number of it. */
static inline int l1_bind(struct l1 *l1, uint32_t port)
{
    struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = 0 };
    int channel = xencall2(l1->hypercalls, CALL, BLANKET_FORM_EVENT, port);
    int local;

    expect(channel > 0, 1, "a channel for the port");
    bind.remote_port = (uint32_t)channel;
    local = ioctl(l1->channels, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
    expect(local >= 0, 1, "binding a channel");
    return local;
}

/* `count` pages of gntalloc's for Xen, and their references. */
static inline char *l1_pages(int *fd, uint32_t *references, uint16_t count, uint64_t *index)
{
    struct ioctl_gntalloc_alloc_gref *alloc = calloc(1, sizeof(*alloc) + count * sizeof(uint32_t));
    char *pages;

    *fd = open("/dev/xen/gntalloc", O_RDWR);
    alloc->domid = DOMID_OF_XEN;
    alloc->flags = GNTALLOC_FLAG_WRITABLE;
    alloc->count = count;
    expect(ioctl(*fd, IOCTL_GNTALLOC_ALLOC_GREF, alloc), 0, "gntalloc");
    pages = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd,
                 (off_t)alloc->index);
    expect(pages != MAP_FAILED, 1, "mapping pages of gntalloc");
    memcpy(references, alloc->gref_ids, count * sizeof(uint32_t));
    *index = alloc->index;
    free(alloc);
    return pages;
}

#endif
