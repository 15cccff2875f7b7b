/* SPDX-License-Identifier: MIT */
/* Room 4: the call below, whoever that is. */
#ifndef BLANKET_HYPERCALL_FORWARD_H
#define BLANKET_HYPERCALL_FORWARD_H

#include "core.h"

/* Room for a batch's items in the below's terms: where a frame to a nested below has them, so that
 * they aren't copied again. */
uint64_t *blanket_forward_items(struct blanket_request *request);

/*
 * Perform `count` elements, whose items are at blanket_forward_items: their results go to
 * context->results_below[0..call->done). What comes back is checked: 0, or a negative number that is
 * -BLANKET_EIO (lost) for everything that isn't an answer.
 */
int blanket_forward(struct blanket_request *request, struct blanket_call *call, uint32_t count);

#endif
