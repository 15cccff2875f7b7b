/* SPDX-License-Identifier: MIT */
/*
 * The way down of a dom0's user space, with Xen's libraries faked at link time: what reaches the
 * hypercall, and what becomes of each answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <blanket/port/xen.h>
#include <cmocka.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include <channels.h>
#include <pages.h>
#include <transport.h>

/* ---- Xen's libraries ---- */

static struct {
    int open_error;
    bool absent; /* no blanket */
    bool evtchn_missing;
    long result; /* of the next hypercalls: errno negated, or a value */
    unsigned operation;
    uint64_t arguments[5];
    uint32_t calls, buffers;
    uint8_t *written; /* the call form's frame was answered here */
    int bind_error;
    uint32_t next_local, bound_remote, bound_number;
    int pipe[2];
    uint32_t unmasked;
    int share_error;
    uint32_t next_reference, shared, unshared, share_domid, share_port, share_offset;
    bool shares_open;
} fake;

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    errno = fake.open_error;
    return fake.open_error ? NULL : (xencall_handle *)(void *)&fake;
}

int xencall_close(xencall_handle *handle)
{
    (void)handle;
    return 0;
}

void *xencall_alloc_buffer_pages(xencall_handle *handle, size_t pages)
{
    (void)handle;
    fake.buffers++;
    return aligned_alloc(4096, pages * 4096);
}

void xencall_free_buffer_pages(xencall_handle *handle, void *buffer, size_t pages)
{
    (void)handle;
    (void)pages;
    fake.buffers--;
    free(buffer);
}

int xencall5(xencall_handle *handle, unsigned operation, uint64_t a, uint64_t b, uint64_t c,
             uint64_t d, uint64_t e)
{
    const uint64_t arguments[5] = {a, b, c, d, e};

    (void)handle;
    fake.calls++;
    fake.operation = operation;
    memcpy(fake.arguments, arguments, sizeof(arguments));
    if (a == BLANKET_FORM_QUERY) {
        errno = ENOSYS;
        return fake.absent ? -1 : BLANKET_SIGNATURE;
    }
    if (fake.result < 0) {
        errno = (int)-fake.result;
        return -1;
    }
    if (a == BLANKET_FORM_ADMIN) {
        ((struct blanket_xen_attach *)(uintptr_t)c)->ports = 99;
    }
    return (int)fake.result;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    errno = ENOENT;
    return fake.evtchn_missing ? NULL : (xenevtchn_handle *)(void *)&fake;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    (void)handle;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    (void)handle;
    return fake.pipe[0];
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)handle;
    fake.bound_remote = domid;
    fake.bound_number = remote;
    errno = fake.bind_error;
    return fake.bind_error ? -1 : (int)fake.next_local++;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    uint32_t local;

    (void)handle;
    /* It was made not to block. */
    return read(fake.pipe[0], &local, sizeof(local)) == sizeof(local) ? (int)local : -1;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    fake.unmasked = port;
    return 0;
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    errno = fake.open_error;
    fake.shares_open = fake.open_error == 0;
    return fake.open_error ? NULL : (xengntshr_handle *)(void *)&fake;
}

int xengntshr_close(xengntshr_handle *handle)
{
    (void)handle;
    fake.shares_open = false;
    return 0;
}

void *xengntshr_share_page_notify(xengntshr_handle *handle, uint32_t domid, uint32_t *reference,
                                  int writable, uint32_t offset, evtchn_port_t port)
{
    (void)handle;
    assert_int_equal(writable, 1);
    errno = fake.share_error;
    if (fake.share_error) {
        return NULL;
    }
    fake.share_domid = domid;
    fake.share_port = port;
    fake.share_offset = offset;
    fake.shared++;
    *reference = fake.next_reference++;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int xengntshr_unshare(xengntshr_handle *handle, void *address, uint32_t count)
{
    (void)handle;
    assert_int_equal(count, 1);
    fake.unshared++;
    return munmap(address, 4096);
}

/* ---- tests ---- */

static struct xen_transport *transport;

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.next_local = 40;
    fake.next_reference = 300;
    if (pipe(fake.pipe) != 0) {
        return -1;
    }
    return xen_transport_open(&transport);
}

static int teardown(void **state)
{
    (void)state;
    xen_transport_close(transport);
    close(fake.pipe[0]);
    close(fake.pipe[1]);
    return fake.buffers != 0;
}

static void open_asks_for_blanket(void **state)
{
    struct xen_transport *other = NULL;

    (void)state;
    assert_int_equal(fake.operation, BLANKET_HYPERCALL_DEFAULT);
    assert_int_equal(fake.arguments[0], BLANKET_FORM_QUERY);
    assert_int_equal(fake.arguments[1], BLANKET_QUERY_MAGIC);
    fake.absent = true;
    assert_int_equal(xen_transport_open(&other), -BLANKET_ENOSYS);
    fake.open_error = ENOENT;
    assert_int_equal(xen_transport_open(&other), -BLANKET_ENOENT);
    fake.open_error = EACCES;
    assert_int_equal(xen_transport_open(&other), -BLANKET_EPERM);
    assert_null(other);
}

static void forms_as_the_abi_has_them(void **state)
{
    struct blanket_transport down = xen_transport_guest(transport);
    void *frame = xen_transport_frame(transport);
    const uint64_t send[5] = {BLANKET_FORM_SEND, 7, 9, 3, 0xfffffffe};
    uint32_t other[16];

    (void)state;
    assert_int_equal(down.ops->call(down.context, frame, 64), 0);
    assert_int_equal(fake.arguments[0], BLANKET_FORM_CALL);
    assert_int_equal(fake.arguments[1], (uintptr_t)frame);
    fake.calls = 0;
    assert_int_equal(down.ops->call(down.context, other, 64), -BLANKET_EFAULT);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(down.ops->send(down.context, blanket_handle(7, 9),
                                    blanket_item_slot(BLANKET_ITEM_PORT, 3, 0xfffffffe)),
                     0);
    assert_memory_equal(fake.arguments, send, sizeof(send));
}

/* Every number: blanket's own come through, all else is "lost". */
static void errors_are_of_our_enum(void **state)
{
    struct blanket_transport down = xen_transport_guest(transport);
    static const int ours[] = {1, 2, 5, 7, 11, 12, 14, 16, 17, 22, 28, 38, 75, 90, 95, 107, 110};
    uint32_t known = 0;

    (void)state;
    for (int number = 1; number < 4096; number++) {
        bool mine = false;

        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            mine = mine || ours[i] == number;
        }
        known += mine;
        fake.result = -number;
        assert_int_equal(down.ops->call(down.context, xen_transport_frame(transport), 64),
                         mine ? -number : -BLANKET_EIO);
    }
    assert_int_equal(known, 17);
}

static void operations_write_on_success_only(void **state)
{
    struct blanket_xen_attach attach = {.domain = 3, .ports = 5};
    uint8_t large[BLANKET_FRAME_SIZE_MAX + 1] = {0};

    (void)state;
    fake.result = -BLANKET_EEXIST;
    assert_int_equal(xen_transport_operation(transport, BLANKET_FORM_ADMIN, BLANKET_XEN_ATTACH,
                                             &attach, sizeof(attach)),
                     -BLANKET_EEXIST);
    assert_int_equal(attach.ports, 5);
    fake.result = 0;
    assert_int_equal(xen_transport_operation(transport, BLANKET_FORM_ADMIN, BLANKET_XEN_ATTACH,
                                             &attach, sizeof(attach)),
                     0);
    assert_int_equal(fake.arguments[1], BLANKET_XEN_ATTACH);
    assert_int_equal(attach.ports, 99);
    fake.result = 4; /* no answer of blanket's */
    assert_int_equal(xen_transport_operation(transport, BLANKET_FORM_BROKER, BLANKET_XEN_CLOSED,
                                             &attach, sizeof(attach)),
                     -BLANKET_EIO);
    assert_int_equal(xen_transport_operation(transport, BLANKET_FORM_ADMIN, BLANKET_XEN_ATTACH,
                                             large, sizeof(large)),
                     -BLANKET_EMSGSIZE);
}

static void event_send(uint32_t local)
{
    assert_int_equal(write(fake.pipe[1], &local, sizeof(local)), sizeof(local));
}

static void events_have_the_guests_numbers(void **state)
{
    struct xen_channels *channels;
    uint32_t port = 0, local = 0;

    (void)state;
    assert_int_equal(xen_channels_open(&channels), 0);
    fake.result = 17; /* the channel that Xen names */
    assert_int_equal(xen_channels_bind(channels, transport, 1005), 0);
    assert_int_equal(fake.arguments[0], BLANKET_FORM_EVENT);
    assert_int_equal(fake.arguments[1], 1005);
    assert_int_equal(fake.bound_number, 17);
    assert_int_equal(fake.bound_remote, DOMID_SELF);
    fake.calls = 0;
    assert_int_equal(xen_channels_bind(channels, transport, 1005), 0);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(xen_channels_local(channels, 1005, &local), 0);
    assert_int_equal(local, 40);
    assert_int_equal(xen_channels_local(channels, 1006, &local), -BLANKET_ENOENT);
    assert_int_equal(xen_channels_take(channels, &port), 0);
    event_send(33); /* of nobody */
    event_send(40);
    assert_int_equal(xen_channels_take(channels, &port), 1);
    assert_int_equal(port, 1005);
    assert_int_equal(fake.unmasked, 40);
    assert_int_equal(xen_channels_take(channels, &port), 0);
    fake.bind_error = EINVAL;
    assert_int_equal(xen_channels_bind(channels, transport, 1006), -BLANKET_EBUSY);
    fake.result = -BLANKET_ENOENT;
    assert_int_equal(xen_channels_bind(channels, transport, 1007), -BLANKET_ENOENT);
    fake.result = 0; /* no channel has this number */
    assert_int_equal(xen_channels_bind(channels, transport, 1007), -BLANKET_EIO);
    xen_channels_close(channels);
    fake.evtchn_missing = true;
    assert_int_equal(xen_channels_open(&channels), -BLANKET_ENOENT);
}

static void pages_are_granted_to_xen(void **state)
{
    struct xen_pages *pages;
    void *first = NULL, *second = NULL;
    uint32_t reference = 0, other = 0;

    (void)state;
    assert_int_equal(xen_pages_open(40, &pages), 0);
    assert_int_equal(xen_pages_take(pages, &first, &reference), 0);
    assert_int_equal(reference, 300);
    assert_int_equal(fake.share_domid, 0x7ff2);
    assert_int_equal(fake.share_port, 40);
    assert_true(fake.share_offset >= 4096); /* no byte of the data is cleared */
    assert_int_equal(xen_pages_take(pages, &second, &other), 0);
    memset(first, 0xa5, 4096);
    xen_pages_give(pages, first, reference);
    assert_int_equal(fake.unshared, 0);
    assert_int_equal(xen_pages_take(pages, &first, &other), 0);
    assert_int_equal(other, 300);
    assert_int_equal(fake.shared, 2);
    for (uint32_t i = 0; i < 4096; i++) {
        assert_int_equal(((uint8_t *)first)[i], 0);
    }
    fake.share_error = ENOSPC;
    assert_int_equal(xen_pages_take(pages, &first, &other), -BLANKET_ENOSPC);
    xen_pages_give(pages, first, 300);
    xen_pages_give(pages, second, 301);
    xen_pages_close(pages);
    assert_int_equal(fake.unshared, 2);
    assert_false(fake.shares_open);
    fake.open_error = ENOENT;
    assert_int_equal(xen_pages_open(40, &pages), -BLANKET_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_asks_for_blanket, setup, teardown),
        cmocka_unit_test_setup_teardown(forms_as_the_abi_has_them, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_of_our_enum, setup, teardown),
        cmocka_unit_test_setup_teardown(operations_write_on_success_only, setup, teardown),
        cmocka_unit_test_setup_teardown(events_have_the_guests_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_are_granted_to_xen, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
