/* SPDX-License-Identifier: MIT */
/* Built without Xen's libraries. */
#include "below_libxen.h"

int below_libxen_open(struct below_libxen **made, struct blanket_sim *sim,
                      const struct below_libxen_device *device)
{
    (void)sim;
    (void)device;
    *made = NULL;
    return -BLANKET_ENOSYS;
}

int below_libxen_attach(struct below_libxen *below, uint32_t guest, struct blanket_root_end *end,
                        uint32_t *event_base)
{
    (void)below;
    (void)guest;
    (void)end;
    (void)event_base;
    return -BLANKET_ENOSYS;
}

const char *below_libxen_fault(struct below_libxen *below)
{
    (void)below;
    return "built without Xen's libraries (libxen-dev)";
}

bool below_libxen_turn(struct below_libxen *below, int milliseconds)
{
    (void)below;
    (void)milliseconds;
    return false;
}

uint32_t below_libxen_close(struct below_libxen *below)
{
    (void)below;
    return 0;
}
