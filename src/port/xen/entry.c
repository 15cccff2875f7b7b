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

static bool __read_mostly opt_blanket = true;
boolean_param("blanket", opt_blanket);

long do_nested_op(unsigned int form, unsigned long arg1, unsigned long arg2, unsigned long arg3,
                  unsigned long arg4)
{
    BUILD_BUG_ON(BLANKET_XSM_RIGHTS != BLANKET_RIGHT_COUNT);
    BUILD_BUG_ON(__HYPERVISOR_nested_op != BLANKET_HYPERCALL_DEFAULT);

    if (!opt_blanket) {
        return -ENOSYS;
    }
    /* A caller that knows of fewer arguments leaves something in the other registers. */
    if (form == BLANKET_FORM_QUERY && arg1 == BLANKET_QUERY_MAGIC) {
        return BLANKET_SIGNATURE;
    }
    return -ENOSYS;
}
