/* SPDX-License-Identifier: MIT */
#include "transport.h"

#include <blanket/port/xen.h>
#include <errno.h>
#include <stdlib.h>
#include <xencall.h>

#define PAGE_SIZE 4096u
#define FRAME_PAGES (BLANKET_FRAME_SIZE_MAX / PAGE_SIZE)

struct xen_transport {
    xencall_handle *calls;
    void *frame;     /* of the guest library */
    void *structure; /* of ADMIN and BROKER: those may be asked between the guest's calls */
};

/*
 * Of errno after a hypercall: Xen's own number, which privcmd hands on as it is, and blanket's are Xen's.
 * What isn't one of ours was said by privcmd or by something that isn't blanket: nothing is known then.
 */
static int status_of(int result)
{
    if (result >= 0) {
        return result;
    }
    switch (errno) {
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
        return -errno;
    default:
        return -BLANKET_EIO;
    }
}

static int hypercall(struct xen_transport *transport, uint32_t form, uint64_t first,
                     uint64_t second)
{
    return status_of(
        xencall5(transport->calls, BLANKET_HYPERCALL_DEFAULT, form, first, second, 0, 0));
}

static int open_status(int error)
{
    return error == EACCES || error == EPERM ? -BLANKET_EPERM
           : error == ENOMEM                 ? -BLANKET_ENOMEM
                                             : -BLANKET_ENOENT;
}

int xen_transport_open(struct xen_transport **result)
{
    struct xen_transport *transport = calloc(1, sizeof(*transport));
    int status = -BLANKET_ENOMEM;

    if (transport == NULL) {
        return status;
    }
    errno = ENOENT;
    transport->calls = xencall_open(NULL, 0);
    if (transport->calls == NULL) {
        status = open_status(errno);
        goto fail;
    }
    if (hypercall(transport, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0) != BLANKET_SIGNATURE) {
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

    if (frame != transport->frame || size > BLANKET_FRAME_SIZE_MAX) {
        return -BLANKET_EFAULT; /* memory that may fault in the hypercall */
    }
    return hypercall(transport, BLANKET_FORM_CALL, (uint64_t)(uintptr_t)frame, 0);
}

static int guest_send(void *context, uint64_t endpoint, uint64_t port)
{
    struct xen_transport *transport = context;

    return status_of(xencall5(transport->calls, BLANKET_HYPERCALL_DEFAULT, BLANKET_FORM_SEND,
                              (uint32_t)endpoint, endpoint >> 32, blanket_item_index(port),
                              blanket_item_generation(port)));
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
    int status;

    if (size > BLANKET_FRAME_SIZE_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    memcpy(transport->structure, structure, size);
    status = hypercall(transport, form, operation, (uint64_t)(uintptr_t)transport->structure);
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
    int status = hypercall(transport, BLANKET_FORM_EVENT, port, 0);

    return status == 0 ? -BLANKET_EIO : status;
}
