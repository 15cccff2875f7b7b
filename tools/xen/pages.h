/* SPDX-License-Identifier: MIT */
/*
 * Pages that user space of a PV dom0 can have forwarded to the hypervisor below L1 Xen: the kernel's
 * gntalloc allocates them and grants them to DOMID_XEN, which no domain can map, and L1 Xen pins each
 * through that grant as long as the peer below may have it mapped. So a page survives this process.
 *
 * When the process ends in any way, the kernel sends an event on `channel` for each page before it takes
 * its grant back: what tells L1 Xen to let go of it.
 *
 * Rules of use. One thread at a time. Errors: 0 or -BLANKET_E*.
 */
#ifndef BLANKET_TOOLS_XEN_PAGES_H
#define BLANKET_TOOLS_XEN_PAGES_H

#include <blanket/errno.h>
#include <blanket/env.h>

#define XEN_PAGE_SIZE 4096u

struct xen_pages;

/* Pages that gntalloc gives to all of this domain's processes; UINT32_MAX: it doesn't say. */
uint32_t xen_pages_limit(void);

/* `channel`: this domain's own number of a bound event channel (xen_channels_local). -BLANKET_ENOENT,
 * -BLANKET_EPERM: of /dev/xen/gntalloc; -BLANKET_ENOMEM. */
int xen_pages_open(uint32_t channel, struct xen_pages **pages);

/* Everything is unmapped; what the peer below still has stays pinned by L1 Xen. Takes NULL. */
void xen_pages_close(struct xen_pages *pages);

/* A zeroed page and its reference (an item of type OWN_GRANT). -BLANKET_ENOSPC: gntalloc gives no more (its
 * parameter `limit`). */
int xen_pages_take(struct xen_pages *pages, void **address, uint32_t *reference);

/* For another take, or until close. It may not be granted to anybody any more. */
void xen_pages_give(struct xen_pages *pages, void *address, uint32_t reference);

#endif
