/* SPDX-License-Identifier: MIT */
/* Room 4: the frame: fetched once, checked, and replied to. */
#ifndef BLANKET_HYPERCALL_FRAME_H
#define BLANKET_HYPERCALL_FRAME_H

#include "core.h"

/*
 * Copy the caller's frame into context->in, header first, then just what it announces; check it and
 * fill in the request from it. Each byte is read once. 0, -BLANKET_EFAULT, -BLANKET_EINVAL,
 * -BLANKET_EMSGSIZE, -BLANKET_ENOSYS with request->reason.
 */
int blanket_frame_fetch(struct blanket_request *request, uint64_t address);

/* Does the header agree with itself and the limits? Pure. */
int blanket_frame_check(const struct blanket_wire_header *header);

/* Do the items, from element `first` on, and the payload agree with the verb? Pure. */
int blanket_frame_check_verb(const struct blanket_verb_info *verb, const uint64_t *items,
                             uint32_t item_count, uint32_t first, uint32_t payload_size);

/* Write status, results and reply payload back. 0 or -BLANKET_EFAULT. */
int blanket_frame_reply(struct blanket_request *request, uint64_t address, int status);

#endif
