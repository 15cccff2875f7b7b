/* SPDX-License-Identifier: MIT */
/* Room 4: the first stages of a batch, up to what the below gets. */
#ifndef BLANKET_HYPERCALL_PREPARE_H
#define BLANKET_HYPERCALL_PREPARE_H

#include "core.h"

/*
 * Elements request->batch_first.. (batch_count of them): under the guest's lock, names to slots, which are
 * RESERVED or CLOSING then; without it, pages are pinned. What is left for the below is in its terms at
 * `below`, in one piece. Returns how many elements that is; the others have their results.
 */
uint32_t blanket_batch_prepare(struct blanket_request *request, uint64_t *below);

#endif
