/* SPDX-License-Identifier: MIT */
/*
 * linux: a stock Xen below, from user space on Linux, by libxengnttab, libxenevtchn, libxencall and
 * xenstore's wire protocol. For a VMM, a driver domain or a tool whose machine is a domain of Xen.
 *
 * Pages. User space can't name a page of its own to Xen: /dev/xen/gntalloc grants pages that the kernel
 * allocates, under references that the kernel chooses. So each device has a *window* of such pages with
 * references that follow each other, made when the device is added. GRANT_ACCESS of a frame copies the
 * frame's content to a page of the window and puts that page in the frame's place, at the same address;
 * GRANT_END_ACCESS puts a page of the caller's own back, with what the peer wrote. From then on the peer
 * can't reach the frame, whatever it still maps. The host's memory must be private anonymous memory in
 * pages of 4096 bytes, or the host gives `back`. Nobody may write a page while it is being granted or
 * ended. docs/embedding.md says what follows from that.
 *
 * A grant whose page the peer still maps when it is ended stays CLOSING: the kernel gives its reference
 * free when the peer has let go (it looks once a second, at ten of them), and only then may the slot be used again. Linux
 * doesn't tell user space more: GRANT_QUERY is -BLANKET_EOPNOTSUPP.
 *
 * Event loop: one file descriptor that is readable when there is something to process; blanket_linux_process
 * never blocks, and is the only place where events and callbacks come from. Threads: calls of the below
 * from any, at the same time; everything else here by one thread at a time. Memory: allocated at create,
 * device_add and scan.
 *
 * Processes. Nothing is inherited over exec. A child after fork has none of the granted pages; all it may
 * do is blanket_linux_destroy, which then closes descriptors and changes nothing else. When the process
 * ends in any way the kernel takes everything back, pages only as soon as the peer has let go.
 */
#ifndef BLANKET_PORT_LINUX_H
#define BLANKET_PORT_LINUX_H

#include <blanket/below.h>
#include <blanket/xenstore.h>

struct blanket_linux;

#define BLANKET_LINUX_FAULT_SIZE 192u

struct blanket_linux_host_ops {
    /* Address of the page `frame` (what FRAME items name), aligned to it; NULL: there is none. Stable
     * from GRANT_ACCESS or GRANT_MAP until that is undone or the device removed. A lock is held. */
    void *(*page)(void *host, uint64_t frame);
    /* Map the frame's own memory at `address` (MAP_FIXED, 4096 bytes); 0 or an error. Optional: for
     * memory that isn't private and anonymous. A lock is held. */
    int (*back)(void *host, uint64_t frame, void *address);
    /* Optional: devices of this domain may have come or gone (blanket_linux_scan). From process. */
    void (*changed)(void *host);
};

/* Limits of all devices; what isn't needed is 0, and its device node isn't opened then. */
struct blanket_linux_config {
    uint32_t devices; /* 1..1024 */
    uint32_t grants;  /* 0..65536 each */
    uint32_t mappings;
    uint32_t ports;
    /* Of the store. Requests, watches and transactions are this domain's, shared with everybody in it:
     * C xenstored gives a domain 20, 128 and 10. 0: 16, 64, 8. */
    uint32_t connections; /* at least 1 */
    uint32_t requests, watches, transactions;
    /* Socket or device; NULL: $XENSTORED_PATH, /run/xenstored/socket, /dev/xen/xenbus. */
    const char *store_path;
    const struct blanket_linux_host_ops *ops;
    void *host;
};

/* The page of a grant for reading may also be written by the peer: gntalloc's windows are of one kind.
 * Without it GRANT_ACCESS with BLANKET_ACCESS_READ only is -BLANKET_EOPNOTSUPP. */
#define BLANKET_LINUX_GRANT_WIDER 1u
/* The backend's end: this domain's directory backend/TYPE/frontend_domid/HANDLE. */
#define BLANKET_LINUX_BACKEND 2u

#define BLANKET_LINUX_NOTIFY_NONE 0xffffffffu

struct blanket_linux_device {
    const char *name;                                      /* class and handle: "vbd/51712" */
    uint32_t flags;                                        /* BLANKET_LINUX_* */
    uint32_t frontend_domid;                               /* with BLANKET_LINUX_BACKEND */
    uint32_t grants, mappings, ports;                      /* carved from the limits */
    uint32_t connections, requests, watches, transactions; /* likewise */
    /* Byte 0..4095 that is set to 0 in each page when its grant, or its mapping, ends however that
     * happens: what a peer looks at to see that the other side died. NOTIFY_NONE: none. */
    uint32_t grant_notify, map_notify;
};

struct blanket_linux_sink {
    void (*event)(void *context,
                  uint32_t number); /* `number` counts from the device's event_base */
    void *context;
};

/* What a mint on the device needs. */
struct blanket_linux_end {
    uint64_t endpoint;
    uint64_t scope; /* of the peer domain: all devices of one peer share it (DESIGN law 0) */
    uint32_t grant_base;
    uint32_t grants, mappings, ports;
    uint32_t peer_domid;
};

/* What this domain is. 0xffffffff where the process may not know, or nothing says it. */
struct blanket_linux_facts {
    uint32_t domid;
    uint32_t version_major, version_minor;   /* of Xen */
    uint32_t grant_frames, grant_frames_max; /* of the domain's grant table; 512 references each */
    uint32_t gntalloc_pages; /* that gntalloc gives in all (its parameter `limit`) */
    char type[8];            /* "PV", "PVH", "HVM"; empty: unknown */
};

BLANKET_EXTERN_C_BEGIN

/*
 * Opens what the config needs and connects to the store. `fault` (NULL, or BLANKET_LINUX_FAULT_SIZE
 * bytes) says for people what is missing: the node, the right, or the module. -BLANKET_ENOENT: a node or
 * the store isn't there; -BLANKET_EPERM: it may not be opened; -BLANKET_ENOTCONN: the store doesn't
 * listen; -BLANKET_EIO: something answers, but not as it should; -BLANKET_EINVAL, -BLANKET_ENOMEM.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_linux_create(const struct blanket_linux_config *config,
                                                        struct blanket_linux **made, char *fault);

/* Everything ends at once, without a word to the peers: remove devices first. Takes NULL. */
BLANKET_API void blanket_linux_destroy(struct blanket_linux *door);

/* The seam: mint with this and a device's endpoint. */
BLANKET_API struct blanket_below blanket_linux_below(struct blanket_linux *door);

/* For poll, select or epoll: readable when blanket_linux_process has something to do. */
BLANKET_API int blanket_linux_fd(const struct blanket_linux *door);

/*
 * Take what has come, and tell the sinks. 0; -BLANKET_ENOTCONN: the store is away, and is tried again
 * once a second (blanket_linux_fault says why); all else goes on.
 */
BLANKET_API int blanket_linux_process(struct blanket_linux *door);

/* Why the last call here or of the below failed, for people; "" if none did. Valid until the next. */
BLANKET_API const char *blanket_linux_fault(struct blanket_linux *door);

/* What is known; needs no right but to read. */
BLANKET_API void blanket_linux_facts(struct blanket_linux *door, struct blanket_linux_facts *facts);

/*
 * The frontends' devices that the toolstack gave this domain, by name, in no order. `visit` returns
 * nonzero to stop, which scan returns then. 0; -BLANKET_ENOTCONN, -BLANKET_EIO. Blocks for answers of the
 * store, ten seconds at most for each.
 */
BLANKET_API int blanket_linux_scan(struct blanket_linux *door,
                                   int (*visit)(void *context, const char *name), void *context);

/*
 * Use a device: its directories and its peer are read in the store, its pages are allocated and its
 * events go to `sink`, numbered from event_base. Blocks as scan does; and if a frontend before left the
 * device open, or closed, until the backend has let go of that one (10 s a step).
 * -BLANKET_ENOENT: the toolstack gave this domain no such device; -BLANKET_EEXIST: it's in use here;
 * -BLANKET_ENOSPC: a limit, or gntalloc has no more pages or no references that follow each other;
 * -BLANKET_EBUSY: the backend doesn't let go; -BLANKET_EPERM, -BLANKET_EINVAL, -BLANKET_ENOMEM,
 * -BLANKET_ENOTCONN, -BLANKET_EIO.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_linux_device_add(
    struct blanket_linux *door, const struct blanket_linux_device *device,
    const struct blanket_linux_sink *sink, uint32_t event_base, struct blanket_linux_end *end);

/*
 * Stop using it: dead at once (creates and sends get -BLANKET_ENOTCONN), its frames are the host's
 * again with their content, its mappings are gone, its directory is closed (state 5, then 6) if a
 * connection had opened it. -BLANKET_EBUSY until the store has answered that: process, and call again.
 * 0: the handle is gone; a level that still has an endpoint there must be told (blanket_endpoint_lost).
 * Not beside the sink. -BLANKET_ENOENT.
 */
BLANKET_API int blanket_linux_device_remove(struct blanket_linux *door, uint64_t endpoint);

struct blanket_linux_stats {
    uint32_t grants, mappings, ports; /* not free now */
    uint32_t closing;                 /* grants whose page the peer still maps */
    uint32_t store_losses;            /* times that the store went away */
    uint64_t shares;                  /* pages that gntalloc gave, since create */
    uint64_t events, events_unknown;  /* from /dev/xen/evtchn */
};
BLANKET_API void blanket_linux_stats(struct blanket_linux *door, struct blanket_linux_stats *stats);

BLANKET_EXTERN_C_END

#endif
