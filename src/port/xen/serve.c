/* SPDX-License-Identifier: MIT */
/* The BROKER form: include/blanket/port/xen.h. The broker asks one thing at a time. */
#include <asm/guest.h>
#include <asm/guest/xen-hcall.h>
#include <xen/blanket.h>
#include <xen/event.h>
#include <xen/sched.h>
#include <xsm/xsm.h>

#include "host.h"

void blanket_xen_broker_wake(struct blanket_xen *x)
{
    unsigned long flags;

    /* Its domain can't go while the lock is held: it leaves first. */
    spin_lock_irqsave(&x->broker.lock, flags);
    if (x->broker.domain) {
        notify_via_xen_event_channel(x->broker.domain, x->broker.channel);
    }
    spin_unlock_irqrestore(&x->broker.lock, flags);
}

void blanket_xen_broker_leave(struct blanket_xen *x, const struct domain *domain)
{
    struct domain *was;
    unsigned long flags;

    spin_lock_irqsave(&x->broker.lock, flags);
    was = x->broker.domain == domain ? x->broker.domain : NULL;
    if (was) {
        x->broker.domain = NULL;
    }
    spin_unlock_irqrestore(&x->broker.lock, flags);
    if (was) {
        blanket_xen_service_broker(&x->service, 0);
        put_domain(was);
    }
}

static void cf_check broker_sent(struct vcpu *v, unsigned int port)
{
    /* The broker has nothing to tell by it. */
}

static int become(struct blanket_xen *x, struct blanket_xen_become *become)
{
    struct domain *d = current->domain;
    unsigned long flags;
    int channel;

    if (!x->bus_port) {
        return -BLANKET_ENOSYS;
    }
    if (x->broker.domain && x->broker.domain != d) {
        return -BLANKET_EBUSY;
    }
    if (!x->broker.domain) {
        channel = alloc_unbound_xen_event_channel(d, 0, d->domain_id, broker_sent);
        if (channel < 0 || !get_domain(d)) {
            return -BLANKET_ENOSPC;
        }
        spin_lock_irqsave(&x->broker.lock, flags);
        x->broker.channel = channel;
        x->broker.domain = d;
        spin_unlock_irqrestore(&x->broker.lock, flags);
    }
    blanket_xen_service_broker(&x->service, 1);
    become->channel = x->broker.channel;
    become->self = x->self;
    return 0;
}

/* Move what can be moved, and tell the other side of the ring. */
static void move(struct blanket_xen *x)
{
    if (blanket_xen_bus_move(&x->bus)) {
        (void)xen_hypercall_evtchn_send(x->bus_port);
    }
}

static int store_send(struct blanket_xen *x, const struct blanket_xen_message *message)
{
    int rc;

    move(x);
    rc = blanket_xen_bus_send(&x->bus, message->message, message->size);
    move(x);
    return rc;
}

static int store_receive(struct blanket_xen *x, struct blanket_xen_message *message)
{
    int rc;

    move(x);
    message->zero = 0;
    rc = blanket_xen_bus_receive(&x->bus, message->message, &message->size);
    move(x);
    return rc;
}

/* Head first, then just what it announces: each byte is read once. */
static int fetch(void *target, unsigned long address, size_t head, const uint32_t *size)
{
    int rc = blanket_xen_copy_from(target, address, head);

    if (rc == 0 && *size > BLANKET_PAYLOAD_SIZE_MAX) {
        return -BLANKET_EINVAL;
    }
    return rc != 0 ? rc : blanket_xen_copy_from((uint8_t *)target + head, address + head, *size);
}

static int serve_reply(struct blanket_xen *x, unsigned int operation, unsigned long address)
{
    struct blanket_xen_reply *reply = &x->broker.scratch.reply;
    int rc = fetch(reply, address, offsetof(struct blanket_xen_reply, message), &reply->size);

    if (rc != 0) {
        return rc;
    }
    return operation == BLANKET_XEN_REPLY
               ? blanket_xen_service_reply(&x->service, reply)
               : blanket_xen_service_closed(&x->service, reply->view, reply->port);
}

static int serve_frame(struct blanket_xen *x, unsigned long address)
{
    struct blanket_xen_frame *frame = &x->broker.scratch.frame;
    int rc = blanket_xen_service_next(&x->service, frame);

    return rc != 0 ? rc
                   : blanket_xen_copy_to(address, frame, offsetof(struct blanket_xen_frame, payload) +
                                                             frame->payload_size);
}

static int serve(struct blanket_xen *x, unsigned int operation, unsigned long address)
{
    const size_t head = offsetof(struct blanket_xen_message, message);
    struct blanket_xen_message *message = &x->broker.scratch.message;
    int rc;

    switch (operation) {
    case BLANKET_XEN_BECOME:
        rc = become(x, &x->broker.scratch.become);
        return rc != 0 ? rc : blanket_xen_copy_to(address, &x->broker.scratch.become,
                                                  sizeof(x->broker.scratch.become));
    case BLANKET_XEN_NEXT:
        return serve_frame(x, address);
    case BLANKET_XEN_REPLY:
    case BLANKET_XEN_CLOSED:
        return serve_reply(x, operation, address);
    case BLANKET_XEN_STORE_SEND:
        rc = fetch(message, address, head, &message->size);
        return rc != 0 ? rc : store_send(x, message);
    case BLANKET_XEN_STORE_RECEIVE:
        rc = store_receive(x, message);
        return rc != 0 ? rc : blanket_xen_copy_to(address, message, head + message->size);
    default:
        return -BLANKET_ENOSYS;
    }
}

long blanket_xen_serve_broker(unsigned int operation, unsigned long address)
{
    struct blanket_xen *x;
    int rc;

    if (xsm_blanket_op(XSM_OTHER, current->domain, 0, true)) {
        return -BLANKET_EPERM;
    }
    x = blanket_xen_start(&rc);
    if (!x) {
        return rc;
    }
    if (operation != BLANKET_XEN_BECOME && x->broker.domain != current->domain) {
        return -BLANKET_EPERM;
    }
    if (xchg(&x->broker.busy, 1) != 0) {
        return -BLANKET_EAGAIN;
    }
    rc = serve(x, operation, address);
    smp_mb();
    ACCESS_ONCE(x->broker.busy) = 0;
    return rc;
}
