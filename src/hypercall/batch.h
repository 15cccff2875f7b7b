/* SPDX-License-Identifier: MIT */
/* Room 4: one batch of elements: prepare, perform below, commit. */
#ifndef BLANKET_HYPERCALL_BATCH_H
#define BLANKET_HYPERCALL_BATCH_H

#include "core.h"

/*
 * Elements request->batch_first.. (batch_count of them) of an authorised request, their results in
 * context->results. Returns how many are done; the others were not begun. No lock is held.
 */
uint32_t blanket_batch(struct blanket_request *request);

/* The reply could not be given to the caller: what elements [first, end) of a verb that creates slots
 * have created is taken down. */
void blanket_batch_undo(struct blanket_request *request, uint32_t first, uint32_t end);

#endif
