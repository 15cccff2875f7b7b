/* SPDX-License-Identifier: MIT */
/* Room 2: what a guest asks about its own table. */
#ifndef BLANKET_ACL_QUERY_H
#define BLANKET_ACL_QUERY_H

#include "core.h"

/*
 * Verbs ENDPOINT_QUERY, _LOOKUP, _EVENTS: a struct blanket_wire_endpoint in context->reply, and
 * reply_size. -BLANKET_ENOENT, -BLANKET_EOVERFLOW (reply_max is too small; no event is taken then).
 */
int blanket_endpoint_query(struct blanket_request *request);
int blanket_endpoint_lookup(struct blanket_request *request);
int blanket_endpoint_events(struct blanket_request *request);

/* The reply of EVENTS could not be given to the caller: what it took is there again. */
void blanket_endpoint_events_undo(struct blanket_request *request);

#endif
