/* SPDX-License-Identifier: MIT */
/*
 * The door of an L1 Xen: hypercall nested_op, and the boot parameter that turns blanket off.
 */
#include <blanket/wire.h>
#include <xen/blanket.h>
#include <xen/errno.h>
#include <xen/hypercall.h>
#include <xen/lib.h>
#include <xen/param.h>
#include <xen/sched.h>

#include "host.h"

static bool __read_mostly opt_blanket = true;
boolean_param("blanket", opt_blanket);

/* Calls of a domain that may have endpoints. The call's own memory is this CPU's: a hypercall doesn't
 * leave it before it's done. */
static long call(unsigned int form, const uint64_t arguments[BLANKET_ARGUMENT_COUNT])
{
    struct blanket_xen *x = blanket_xen_get();
    const struct blanket_domain *b = current->domain->blanket;
    long rc = form == BLANKET_FORM_CALL || form == BLANKET_FORM_SEND ? -BLANKET_EPERM
                                                                     : -BLANKET_ENOSYS;

    if (!x || !b) {
        return rc;
    }
    if (blanket_xen_enter(x, b)) {
        rc = blanket_hypercall(x->level, b->id, smp_processor_id(), form, arguments);
    }
    blanket_xen_leave(x);
    return rc;
}

long do_nested_op(unsigned int form, unsigned long arg1, unsigned long arg2, unsigned long arg3,
                  unsigned long arg4)
{
    const uint64_t arguments[] = { arg1, arg2, arg3, arg4 };

    BUILD_BUG_ON(ARRAY_SIZE(arguments) != BLANKET_ARGUMENT_COUNT);
    BUILD_BUG_ON(BLANKET_XSM_RIGHTS != BLANKET_RIGHT_COUNT);
    BUILD_BUG_ON(__HYPERVISOR_nested_op != BLANKET_HYPERCALL_DEFAULT);

    if (!opt_blanket) {
        return -ENOSYS;
    }
    switch (form) {
    case BLANKET_FORM_QUERY:
        /* A caller that knows of fewer arguments leaves something in the other registers. */
        return arg1 == BLANKET_QUERY_MAGIC ? BLANKET_SIGNATURE : -ENOSYS;
    case BLANKET_FORM_ADMIN:
        return blanket_xen_admin(arg1, arg2);
    case BLANKET_FORM_BROKER:
        return blanket_xen_serve_broker(arg1, arg2);
    case BLANKET_FORM_EVENT:
        return blanket_xen_event(arg1);
    default:
        return call(form, arguments);
    }
}
