/* SPDX-License-Identifier: MIT */
#include "transport.h"

#include <blanket/port/xen-linux.h>
#include <blanket/port/xen.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xencall.h>

#define PAGE_SIZE 4096u
#define FRAME_PAGES (BLANKET_FRAME_SIZE_MAX / PAGE_SIZE)

struct xen_transport {
    xencall_handle *calls;
    int device;      /* our own driver, for the forms of a guest; -1: privcmd takes them, too */
    void *frame;     /* of the guest library */
    void *structure; /* of ADMIN and BROKER: those may be asked between the guest's calls */
};

/*
 * Of a hypercall's error: Xen's own number, which privcmd hands on as it is, and blanket's are Xen's. What
 * isn't one of ours was said by a driver or by something that isn't blanket: nothing is known then.
 */
static int status_of_error(int error)
{
    switch (error) {
    case BLANKET_EPERM:
    case BLANKET_ENOENT:
    case BLANKET_E2BIG:
    case BLANKET_EAGAIN:
    case BLANKET_ENOMEM:
    case BLANKET_EFAULT:
    case BLANKET_EBUSY:
    case BLANKET_EEXIST:
    case BLANKET_EINVAL:
    case BLANKET_ENOSPC:
    case BLANKET_ENOSYS:
    case BLANKET_EOVERFLOW:
    case BLANKET_EMSGSIZE:
    case BLANKET_EOPNOTSUPP:
    case BLANKET_ENOTCONN:
    case BLANKET_ESTALE:
        return -error;
    default:
        return -BLANKET_EIO;
    }
}

/* By our own driver. */
static int device_call(int device, uint32_t form, const uint64_t arguments[4])
{
    struct blanket_linux_hypercall call = {.form = form};

    memcpy(call.arguments, arguments, sizeof(call.arguments));
    if (ioctl(device, BLANKET_LINUX_HYPERCALL, &call) != 0) {
        return errno == EINTR ? -BLANKET_EAGAIN : -BLANKET_EIO; /* interrupted, nothing was done */
    }
    return call.result >= 0 && call.result <= INT32_MAX ? (int)call.result
                                                        : status_of_error((int)-call.result);
}

static int hypercall(struct xen_transport *transport, uint32_t form, const uint64_t arguments[4])
{
    int result;

    if (transport->device >= 0 && form != BLANKET_FORM_ADMIN && form != BLANKET_FORM_BROKER) {
        return device_call(transport->device, form, arguments);
    }
    if (transport->calls == NULL) {
        return -BLANKET_EPERM;
    }
    result = xencall5(transport->calls, BLANKET_HYPERCALL_DEFAULT, form, arguments[0], arguments[1],
                      arguments[2], arguments[3]);
    return result >= 0 ? result : status_of_error(errno);
}

static int open_status(int error)
{
    return error == EACCES || error == EPERM ? -BLANKET_EPERM
           : error == ENOMEM                 ? -BLANKET_ENOMEM
                                             : -BLANKET_ENOENT;
}

int xen_transport_open(struct xen_transport **result)
{
    const uint64_t query[4] = {BLANKET_QUERY_MAGIC};
    struct xen_transport *transport = calloc(1, sizeof(*transport));
    int status = -BLANKET_ENOMEM;

    if (transport == NULL) {
        return status;
    }
    transport->device = open(BLANKET_LINUX_DEVICE, O_RDWR | O_CLOEXEC);
    errno = ENOENT;
    transport->calls = xencall_open(NULL, 0);
    if (transport->calls == NULL) {
        status = open_status(errno);
        goto fail;
    }
    if (hypercall(transport, BLANKET_FORM_QUERY, query) != BLANKET_SIGNATURE) {
        status = -BLANKET_ENOSYS;
        goto fail;
    }
    transport->frame = xencall_alloc_buffer_pages(transport->calls, FRAME_PAGES);
    transport->structure = xencall_alloc_buffer_pages(transport->calls, FRAME_PAGES);
    if (transport->frame == NULL || transport->structure == NULL) {
        goto fail;
    }
    *result = transport;
    return 0;

fail:
    xen_transport_close(transport);
    return status;
}

void xen_transport_close(struct xen_transport *transport)
{
    if (transport == NULL) {
        return;
    }
    if (transport->frame != NULL) {
        xencall_free_buffer_pages(transport->calls, transport->frame, FRAME_PAGES);
    }
    if (transport->structure != NULL) {
        xencall_free_buffer_pages(transport->calls, transport->structure, FRAME_PAGES);
    }
    if (transport->calls != NULL) {
        (void)xencall_close(transport->calls);
    }
    if (transport->device >= 0) {
        close(transport->device);
    }
    free(transport);
}

const char *xen_transport_explain(int status)
{
    switch (status) {
    case -BLANKET_ENOENT:
        return "there is no Xen here (/dev/xen/privcmd: is the module xen-privcmd loaded?)";
    case -BLANKET_EPERM:
        return "/dev/xen/privcmd may not be opened (are you root?)";
    case -BLANKET_ENOSYS:
        return "this Xen has no blanket (CONFIG_BLANKET), or it is off (boot parameter blanket=0)";
    case -BLANKET_ENOMEM:
        return "there is no memory for hypercalls";
    default:
        return "Xen doesn't answer as it should";
    }
}

static int guest_call(void *context, void *frame, uint32_t size)
{
    struct xen_transport *transport = context;
    const uint64_t arguments[4] = {(uint64_t)(uintptr_t)frame};

    if (frame != transport->frame || size > BLANKET_FRAME_SIZE_MAX) {
        return -BLANKET_EFAULT; /* memory that may fault in the hypercall */
    }
    return hypercall(transport, BLANKET_FORM_CALL, arguments);
}

static int guest_send(void *context, uint64_t endpoint, uint64_t port)
{
    struct xen_transport *transport = context;
    const uint64_t arguments[4] = {(uint32_t)endpoint, endpoint >> 32, blanket_item_index(port),
                                   blanket_item_generation(port)};

    return hypercall(transport, BLANKET_FORM_SEND, arguments);
}

static const struct blanket_transport_ops guest_ops = {
    .size = sizeof(guest_ops),
    .call = guest_call,
    .send = guest_send,
};

struct blanket_transport xen_transport_guest(struct xen_transport *transport)
{
    return (struct blanket_transport){&guest_ops, transport};
}

void *xen_transport_frame(struct xen_transport *transport)
{
    return transport->frame;
}

int xen_transport_operation(struct xen_transport *transport, uint32_t form, uint32_t operation,
                            void *structure, size_t size)
{
    const uint64_t arguments[4] = {operation, (uint64_t)(uintptr_t)transport->structure};
    int status;

    if (size > BLANKET_FRAME_SIZE_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    memcpy(transport->structure, structure, size);
    status = hypercall(transport, form, arguments);
    if (status > 0) {
        return -BLANKET_EIO;
    }
    if (status == 0) {
        memcpy(structure, transport->structure, size);
    }
    return status;
}

int xen_transport_event(struct xen_transport *transport, uint32_t port)
{
    const uint64_t arguments[4] = {port};
    int status = hypercall(transport, BLANKET_FORM_EVENT, arguments);

    return status == 0 ? -BLANKET_EIO : status;
}
