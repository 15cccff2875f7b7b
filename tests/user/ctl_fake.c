/* SPDX-License-Identifier: MIT */
/*
 * An L1 Xen for blanketctl's tests, in place of Xen's libraries: two endpoints, a few refusals. What is
 * minted shows in the answer only: the next run begins anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <blanket/acl.h>
#include <blanket/errno.h>
#include <blanket/port/xen.h>
#include <xencall.h>
#include <xenevtchn.h>

static int handle;

static const struct blanket_xen_list entries[] = {
    {.endpoint = 0x300000001,
     .domain = 3,
     .peer = 0,
     .grant_base = 64,
     .connections = 1,
     .info = {.state = BLANKET_ENDPOINT_LIVE,
              .rights = BLANKET_RIGHTS_ALL,
              .grant_count = 512,
              .grant_used = 33,
              .port_count = 4,
              .port_used = 2,
              .name = "vbd/51712"}},
    {.endpoint = 0x100000002,
     .domain = 4,
     .peer = BLANKET_XEN_NO_PEER,
     .info = {.state = BLANKET_ENDPOINT_DEAD,
              .rights = 1u << BLANKET_RIGHT_QUERY | 1u << BLANKET_RIGHT_STORE_READ,
              .closing = 2,
              .name = "a\"\\\n\x1b[b"}},
};

static int admin_list(struct blanket_xen_list *list)
{
    uint64_t at = list->cursor;

    if (at >= sizeof(entries) / sizeof(entries[0])) {
        return -BLANKET_ENOENT;
    }
    *list = entries[at];
    list->cursor = at + 1;
    return 0;
}

static int admin_info(struct blanket_xen_list *list, const char *done)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (entries[i].domain == list->domain && entries[i].endpoint == list->endpoint) {
            if (done != NULL) {
                fprintf(stderr, "%s %s\n", done, entries[i].info.name);
            }
            *list = entries[i];
            return 0;
        }
    }
    return -BLANKET_ENOENT;
}

/* The first is drained and may come back with its own peer only; the second isn't broken. */
static int admin_rebind(const struct blanket_xen_list *list)
{
    fprintf(stderr, "rebind to %x\n", list->peer);
    if (list->endpoint != entries[0].endpoint) {
        return -BLANKET_EINVAL;
    }
    return list->peer == 0   ? 0
           : list->peer == 1 ? -BLANKET_EBUSY
           : list->peer == 2 ? -BLANKET_EPERM
                             : -BLANKET_EOPNOTSUPP;
}

static int admin_mint(struct blanket_xen_mint *mint)
{
    fprintf(stderr, "mint domain %u rights %x flags %u peer %x grants %u ports %u connections %u\n",
            mint->domain, mint->rights, mint->flags, mint->peer, mint->grants, mint->ports,
            mint->connections);
    if (mint->domain == 9) {
        return -BLANKET_ENOENT;
    }
    if (mint->grants > 1000) {
        return -BLANKET_ENOSPC;
    }
    if (mint->peer == 0 && (mint->flags & BLANKET_XEN_MINT_SHARE) == 0) {
        return -BLANKET_EPERM;
    }
    mint->endpoint = 0x700000005;
    return 0;
}

static int admin_audit(struct blanket_xen_audit *audit)
{
    audit->count = 0;
    audit->lost = audit->next == 0 ? 7 : 0;
    for (uint64_t at = audit->next < 7 ? 7 : audit->next; at < 50 && audit->count < 32; at++) {
        audit->records[audit->count] = (struct blanket_xen_record){
            .sequence = at,
            .time = at * 1000000,
            .endpoint = 0x300000001,
            .domain = 3,
            .status = -BLANKET_EPERM,
            .verb = BLANKET_VERB_GRANT_ACCESS,
            .reason = BLANKET_REASON_RIGHT,
            .right = BLANKET_RIGHT_GRANT_ACCESS};
        audit->count++;
        audit->next = at + 1;
    }
    return 0;
}

static int admin(uint64_t operation, void *structure)
{
    struct blanket_xen_stats *stats = structure;

    switch (operation) {
    case BLANKET_XEN_ATTACH:
        return ((struct blanket_xen_attach *)structure)->domain == 9 ? -BLANKET_ENOENT : 0;
    case BLANKET_XEN_DETACH:
        return -BLANKET_ENOENT;
    case BLANKET_XEN_MINT:
        return admin_mint(structure);
    case BLANKET_XEN_REVOKE:
        return admin_info(structure, "revoked");
    case BLANKET_XEN_LOST:
        return admin_info(structure, "lost");
    case BLANKET_XEN_INFO:
        return admin_info(structure, NULL);
    case BLANKET_XEN_REBIND:
        return admin_rebind(structure);
    case BLANKET_XEN_LIST:
        return admin_list(structure);
    case BLANKET_XEN_AUDIT:
        return admin_audit(structure);
    case BLANKET_XEN_STATS:
        stats->grant_room = 12345;
        stats->broker = BLANKET_XEN_NO_PEER;
        return 0;
    default:
        return -BLANKET_ENOSYS;
    }
}

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    errno = EACCES;
    return getenv("FAKE_DENIED") != NULL ? NULL : (xencall_handle *)(void *)&handle;
}

int xencall_close(xencall_handle *calls)
{
    (void)calls;
    return 0;
}

void *xencall_alloc_buffer_pages(xencall_handle *calls, size_t pages)
{
    (void)calls;
    return calloc(pages, 4096);
}

void xencall_free_buffer_pages(xencall_handle *calls, void *buffer, size_t pages)
{
    (void)calls;
    (void)pages;
    free(buffer);
}

int xencall5(xencall_handle *calls, unsigned operation, uint64_t a, uint64_t b, uint64_t c,
             uint64_t d, uint64_t e)
{
    static int busy = 2; /* somebody else's operation is under way */
    int status;

    (void)calls;
    (void)operation;
    (void)d;
    (void)e;
    if (a == BLANKET_FORM_QUERY) {
        return BLANKET_SIGNATURE;
    }
    status = a != BLANKET_FORM_ADMIN ? -BLANKET_EPERM
             : busy-- > 0            ? -BLANKET_EAGAIN
                                     : admin(b, (void *)(uintptr_t)c);
    errno = -status;
    return status == 0 ? 0 : -1;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    errno = ENOENT;
    return NULL;
}

int xenevtchn_close(xenevtchn_handle *events)
{
    (void)events;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *events)
{
    (void)events;
    return -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *events, uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)events;
    (void)domid;
    (void)remote;
    return -1;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *events)
{
    (void)events;
    return -1;
}

int xenevtchn_unmask(xenevtchn_handle *events, evtchn_port_t port)
{
    (void)events;
    (void)port;
    return 0;
}
