/* SPDX-License-Identifier: MIT */
/* Room 2: the choke point. The capability's right, then the hook; and what the trace is told. */
#ifndef BLANKET_ACL_CHECK_H
#define BLANKET_ACL_CHECK_H

#include "core.h"

static inline uint8_t blanket_verb_right(uint16_t verb)
{
    return (uint8_t)((verb >> 5) & 0x1fu);
}

/*
 * May this request be? Its endpoint is pinned. 0, or -BLANKET_EPERM with request->reason. `rebind`: it
 * is a port's remembered decision that is asked for again. No lock is held.
 */
int blanket_acl_check(struct blanket_request *request, int rebind);

/* Tell the trace of a refusal (of the call, or of one element): `status` is what the caller gets. */
void blanket_acl_trace(const struct blanket_request *request, int status, uint8_t reason,
                       uint32_t quota);

/* Tell the trace that `guest` was refused as the second owner of a scope; `endpoint` 0: a mint. */
void blanket_acl_trace_scope(struct blanket_level *level, const struct blanket_level_guest *guest,
                             uint64_t endpoint);

#endif
