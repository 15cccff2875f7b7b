/* SPDX-License-Identifier: MIT */
/* Room 4: the end of a guest. */
#ifndef BLANKET_HYPERCALL_GUEST_H
#define BLANKET_HYPERCALL_GUEST_H

#include "core.h"

/* Its own endpoint is drained: free its tables and tell the host. -BLANKET_EBUSY: an event or an
 * administrator is still at them; again later. Only the worker calls this. */
int blanket_guest_end(struct blanket_level *level, uint32_t id);

#endif
