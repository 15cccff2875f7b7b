/* SPDX-License-Identifier: MIT */
/* The drivers: gntalloc, gntdev, evtchn, privcmd. */
#define _GNU_SOURCE
#include "fake.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "fake_private.h"

#define PORTS 64u
#define PEER_GRANTS 16u
#define FIRST_REFERENCE 8u
#define NODES 4u

struct reference {
    bool used;     /* granted by gntalloc, or somebody else's */
    bool other;    /* somebody else's */
    bool placed;   /* seen in our address space: it was handed out completely */
    bool peer;     /* the peer maps it */
    bool deferred; /* ended while the peer mapped it */
};

struct port {
    bool used, bound, pending, masked;
    uint32_t notified;
};

static struct {
    pthread_mutex_t lock;
    int pages, peer_pages; /* memfd */
    int opened[NODES];     /* errno */
    struct reference references[FAKE_REFERENCES];
    uint32_t free[FAKE_REFERENCES];
    uint32_t free_count; /* the last is the next */
    uint32_t shared, limit, deferred;
    bool peer_granted[PEER_GRANTS], peer_mapped[PEER_GRANTS];
    struct port ports[PORTS];
    int event;
} xen;

static const char *const nodes[NODES] = {"gntalloc", "gntdev", "evtchn", "privcmd"};

void fake_xen_begin(void)
{
    uint32_t i;

    memset(&xen, 0, sizeof(xen));
    pthread_mutex_init(&xen.lock, NULL);
    xen.pages = memfd_create("fake-gntalloc", MFD_CLOEXEC);
    xen.peer_pages = memfd_create("fake-gntdev", MFD_CLOEXEC);
    assert_true(xen.pages >= 0 && xen.peer_pages >= 0);
    assert_int_equal(ftruncate(xen.pages, (off_t)FAKE_REFERENCES * FAKE_PAGE), 0);
    assert_int_equal(ftruncate(xen.peer_pages, (off_t)PEER_GRANTS * FAKE_PAGE), 0);
    for (i = FAKE_REFERENCES; i-- > FIRST_REFERENCE;) {
        xen.free[xen.free_count++] = i;
    }
    xen.limit = 1024;
    xen.event = eventfd(0, EFD_CLOEXEC);
}

void fake_xen_end(void)
{
    close(xen.pages);
    close(xen.peer_pages);
    close(xen.event);
    pthread_mutex_destroy(&xen.lock);
}

/* ---- gntalloc ---- */

/* What our address space doesn't show any more is ended, unless the peer maps it. The lock is held. */
static void references_sweep(void)
{
    static bool there[FAKE_REFERENCES];
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    uint32_t i;

    assert_non_null(maps);
    memset(there, 0, sizeof(there));
    while (fgets(line, sizeof(line), maps)) {
        unsigned long start, end, offset;

        if (strstr(line, "memfd:fake-gntalloc") &&
            sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3) {
            for (; start < end; start += FAKE_PAGE, offset += FAKE_PAGE) {
                there[offset / FAKE_PAGE] = true;
            }
        }
    }
    fclose(maps);
    for (i = 0; i < FAKE_REFERENCES; i++) {
        struct reference *reference = &xen.references[i];

        if (reference->used && !reference->other && reference->placed && !there[i] &&
            reference->peer && !reference->deferred) {
            reference->deferred = true;
            xen.deferred++;
        }
        if (reference->used && !reference->other && reference->placed && !there[i] &&
            !reference->peer) {
            memset(reference, 0, sizeof(*reference));
            xen.free[xen.free_count++] = i;
            xen.shared--;
        }
    }
}

void fake_tick(void)
{
    pthread_mutex_lock(&xen.lock);
    references_sweep();
    pthread_mutex_unlock(&xen.lock);
}

uint32_t fake_shared(void)
{
    fake_tick();
    return xen.shared;
}

uint32_t fake_deferred(void)
{
    fake_tick();
    return xen.deferred;
}

void fake_bury(uint32_t reference, uint32_t depth)
{
    uint32_t top;

    fake_tick();
    top = xen.free_count - 1;
    assert_int_equal(xen.free[top], reference);
    memmove(&xen.free[top - depth + 1], &xen.free[top - depth], depth * sizeof(xen.free[0]));
    xen.free[top - depth] = reference;
}

void fake_limit(uint32_t pages)
{
    xen.limit = pages;
}

uint32_t fake_other_takes(void)
{
    uint32_t reference;

    pthread_mutex_lock(&xen.lock);
    references_sweep();
    reference = xen.free[--xen.free_count];
    xen.references[reference].used = true;
    xen.references[reference].other = true;
    pthread_mutex_unlock(&xen.lock);
    return reference;
}

void fake_fragment(uint32_t count, uint32_t nth)
{
    uint32_t i;
    uint32_t kept = xen.free_count - count;

    for (i = kept; i < xen.free_count; i++) {
        if (xen.free[i] % nth == 0) {
            xen.references[xen.free[i]].used = true;
            xen.references[xen.free[i]].other = true;
        } else {
            xen.free[kept++] = xen.free[i];
        }
    }
    xen.free_count = kept;
}

static void *opened(uint32_t node)
{
    if (xen.opened[node]) {
        errno = xen.opened[node];
        return NULL;
    }
    return &xen;
}

void fake_open_error(const char *node, int error)
{
    uint32_t i;

    for (i = 0; i < NODES; i++) {
        if (strcmp(nodes[i], node) == 0) {
            xen.opened[i] = error;
            return;
        }
    }
    fail();
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return opened(0);
}

int xengntshr_close(xengntshr_handle *handle)
{
    (void)handle;
    return 0;
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count, uint32_t *refs,
                            int writable)
{
    static const uint8_t zero[FAKE_PAGE];
    void *page = NULL;

    (void)handle;
    assert_int_equal(domid, 0);
    assert_int_equal(count, 1);
    assert_true(writable);
    pthread_mutex_lock(&xen.lock);
    references_sweep();
    if (xen.shared == xen.limit || xen.free_count == 0) {
        errno = ENOSPC;
    } else {
        uint32_t reference = xen.free[--xen.free_count];

        assert_int_equal(pwrite(xen.pages, zero, FAKE_PAGE, (off_t)reference * FAKE_PAGE),
                         FAKE_PAGE);
        page = mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen.pages,
                    (off_t)reference * FAKE_PAGE);
        assert_true(page != MAP_FAILED);
        xen.references[reference].used = true;
        xen.references[reference].placed = true;
        xen.shared++;
        *refs = reference;
    }
    pthread_mutex_unlock(&xen.lock);
    return page;
}

void *xengntshr_share_page_notify(xengntshr_handle *handle, uint32_t domid, uint32_t *ref,
                                  int writable, uint32_t notify_offset, evtchn_port_t notify_port)
{
    assert_int_equal(notify_port, (evtchn_port_t)-1);
    assert_true(notify_offset < FAKE_PAGE);
    return xengntshr_share_pages(handle, domid, 1, ref, writable);
}

int xengntshr_unshare(xengntshr_handle *handle, void *address, uint32_t count)
{
    (void)handle;
    return munmap(address, (size_t)count * FAKE_PAGE);
}

static struct reference *granted(uint32_t reference)
{
    fake_tick();
    assert_true(reference < FAKE_REFERENCES);
    assert_true(xen.references[reference].used && !xen.references[reference].other);
    return &xen.references[reference];
}

void fake_peer_map(uint32_t reference)
{
    granted(reference)->peer = true;
}

void fake_peer_unmap(uint32_t reference)
{
    granted(reference)->peer = false;
}

void fake_peer_read(uint32_t reference, void *target, uint32_t size)
{
    (void)granted(reference);
    assert_int_equal(pread(xen.pages, target, size, (off_t)reference * FAKE_PAGE), size);
}

void fake_peer_write(uint32_t reference, const void *source, uint32_t size)
{
    (void)granted(reference);
    assert_int_equal(pwrite(xen.pages, source, size, (off_t)reference * FAKE_PAGE), size);
}

/* ---- gntdev ---- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return opened(1);
}

int xengnttab_close(xengnttab_handle *handle)
{
    (void)handle;
    return 0;
}

int xengnttab_fd(xengnttab_handle *handle)
{
    (void)handle;
    return xen.peer_pages;
}

void fake_peer_grant(uint32_t reference, const char *text)
{
    assert_true(reference < PEER_GRANTS);
    xen.peer_granted[reference] = true;
    assert_true(pwrite(xen.peer_pages, text, strlen(text) + 1, (off_t)reference * FAKE_PAGE) > 0);
}

void fake_peer_page(uint32_t reference, char *target, uint32_t size)
{
    assert_int_equal(pread(xen.peer_pages, target, size, (off_t)reference * FAKE_PAGE), size);
}

uint32_t fake_mapped(void)
{
    uint32_t count = 0;
    uint32_t i;

    for (i = 0; i < PEER_GRANTS; i++) {
        count += xen.peer_mapped[i];
    }
    return count;
}

/* As the kernel: what was at the address is gone also when the map fails. */
int blanket_linux_gntdev_map(int fd, uint32_t domid, uint32_t reference, int protection,
                             void *address, uint64_t *offset)
{
    assert_int_equal(domid, 0);
    if (reference >= PEER_GRANTS || !xen.peer_granted[reference]) {
        munmap(address, FAKE_PAGE);
        errno = EINVAL;
        return -1;
    }
    *offset = (uint64_t)reference * FAKE_PAGE;
    xen.peer_mapped[reference] = true;
    return mmap(address, FAKE_PAGE, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)*offset) ==
                   MAP_FAILED
               ? -1
               : 0;
}

int blanket_linux_gntdev_notify(int fd, uint64_t offset, uint32_t byte)
{
    (void)fd, (void)offset;
    assert_true(byte < FAKE_PAGE);
    return 0;
}

int blanket_linux_gntdev_forget(int fd, uint64_t offset)
{
    (void)fd;
    xen.peer_mapped[offset / FAKE_PAGE] = false;
    return 0;
}

int xengnttab_grant_copy(xengnttab_handle *handle, uint32_t count,
                         xengnttab_grant_copy_segment_t *segments)
{
    (void)handle;
    assert_int_equal(count, 1);
    if (segments->flags == GNTCOPY_source_gref) {
        uint32_t reference = segments->source.foreign.ref;

        if (reference >= PEER_GRANTS || !xen.peer_granted[reference]) {
            segments->status = GNTST_bad_gntref;
            return 0;
        }
        assert_int_equal(pread(xen.peer_pages, segments->dest.virt, segments->len,
                               (off_t)reference * FAKE_PAGE + segments->source.foreign.offset),
                         segments->len);
    } else {
        uint32_t reference = segments->dest.foreign.ref;

        assert_int_equal(segments->flags, GNTCOPY_dest_gref);
        assert_true(reference < PEER_GRANTS && xen.peer_granted[reference]);
        assert_int_equal(pwrite(xen.peer_pages, segments->source.virt, segments->len,
                                (off_t)reference * FAKE_PAGE + segments->dest.foreign.offset),
                         segments->len);
    }
    segments->status = GNTST_okay;
    return 0;
}

/* ---- evtchn ---- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    assert_int_equal(flags, 0); /* closed on exec */
    return opened(2);
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    (void)handle;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    (void)handle;
    return xen.event;
}

/* Readable while there is something to take. The lock is held. */
static void event_level(void)
{
    uint64_t count = 0;
    uint64_t drained;
    uint32_t i;

    for (i = 0; i < PORTS; i++) {
        count += xen.ports[i].used && xen.ports[i].pending && !xen.ports[i].masked;
    }
    (void)!eventfd_write(xen.event, 1); /* so that the read doesn't block */
    (void)!read(xen.event, &drained, sizeof(drained));
    if (count) {
        (void)!eventfd_write(xen.event, count);
    }
}

static int port_new(bool is_bound)
{
    uint32_t i;

    pthread_mutex_lock(&xen.lock);
    for (i = 20; i < PORTS && xen.ports[i].used; i++) {
    }
    if (i < PORTS) {
        memset(&xen.ports[i], 0, sizeof(xen.ports[i]));
        xen.ports[i].used = true;
        xen.ports[i].bound = is_bound;
    }
    pthread_mutex_unlock(&xen.lock);
    errno = ENOSPC;
    return i < PORTS ? (int)i : -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle, uint32_t domid)
{
    (void)handle;
    assert_int_equal(domid, 0);
    return port_new(false);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)handle;
    assert_int_equal(domid, 0);
    if (remote != 7) {
        errno = EINVAL;
        return -1;
    }
    return port_new(true);
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    pthread_mutex_lock(&xen.lock);
    assert_true(port < PORTS && xen.ports[port].used);
    xen.ports[port].used = false;
    event_level();
    pthread_mutex_unlock(&xen.lock);
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    assert_true(port < PORTS && xen.ports[port].used);
    xen.ports[port].notified += xen.ports[port].bound;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    int found = -1;
    uint32_t i;

    (void)handle;
    pthread_mutex_lock(&xen.lock);
    for (i = 0; i < PORTS && found < 0; i++) {
        if (xen.ports[i].used && xen.ports[i].pending && !xen.ports[i].masked) {
            xen.ports[i].pending = false;
            xen.ports[i].masked = true;
            found = (int)i;
        }
    }
    event_level();
    pthread_mutex_unlock(&xen.lock);
    errno = EAGAIN;
    return found;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    pthread_mutex_lock(&xen.lock);
    xen.ports[port].masked = false;
    event_level();
    pthread_mutex_unlock(&xen.lock);
    return 0;
}

void fake_peer_bind(uint32_t port)
{
    assert_true(port < PORTS && xen.ports[port].used && !xen.ports[port].bound);
    xen.ports[port].bound = true;
}

uint32_t fake_peer_port(void)
{
    return 7;
}

void fake_peer_notify(uint32_t port)
{
    pthread_mutex_lock(&xen.lock);
    assert_true(port < PORTS && xen.ports[port].used && xen.ports[port].bound);
    xen.ports[port].pending = true;
    event_level();
    pthread_mutex_unlock(&xen.lock);
}

uint32_t fake_notified(uint32_t port)
{
    return xen.ports[port].notified;
}

uint32_t fake_ports(void)
{
    uint32_t count = 0;
    uint32_t i;

    for (i = 0; i < PORTS; i++) {
        count += xen.ports[i].used;
    }
    return count;
}

/* ---- privcmd ---- */

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return opened(3);
}

int xencall_close(xencall_handle *handle)
{
    (void)handle;
    return 0;
}

void *xencall_alloc_buffer(xencall_handle *handle, size_t size)
{
    (void)handle;
    return malloc(size);
}

void xencall_free_buffer(xencall_handle *handle, void *buffer)
{
    (void)handle;
    free(buffer);
}

int xencall2(xencall_handle *handle, unsigned int op, uint64_t first, uint64_t second)
{
    struct evtchn_status *status = (struct evtchn_status *)(uintptr_t)second;

    (void)handle;
    assert_int_equal(op, __HYPERVISOR_event_channel_op);
    assert_int_equal(first, EVTCHNOP_status);
    assert_int_equal(status->dom, DOMID_SELF);
    status->status = xen.ports[status->port].bound ? EVTCHNSTAT_interdomain : EVTCHNSTAT_unbound;
    return 0;
}

int xencall3(xencall_handle *handle, unsigned int op, uint64_t first, uint64_t second,
             uint64_t third)
{
    struct gnttab_query_size *size = (struct gnttab_query_size *)(uintptr_t)second;

    (void)handle;
    assert_int_equal(op, __HYPERVISOR_grant_table_op);
    assert_int_equal(first, GNTTABOP_query_size);
    assert_int_equal(third, 1);
    size->nr_frames = 4;
    size->max_nr_frames = 64;
    size->status = GNTST_okay;
    return 0;
}
