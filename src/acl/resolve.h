/* SPDX-License-Identifier: MIT */
/* Room 2: from a handle to a live endpoint, pinned for the time of a call. */
#ifndef BLANKET_ACL_RESOLVE_H
#define BLANKET_ACL_RESOLVE_H

#include "core.h"

#define BLANKET_PIN_GONE 1

/*
 * Find request->handle in the guest's table and pin it: its in-flight count goes up, THEN it and every
 * ancestor must be live (models/revoke.pml). 0: request->endpoint is pinned, blanket_endpoint_unpin
 * must follow. Else nothing is pinned and request->reason says why: -BLANKET_EPERM,
 * -BLANKET_ENOTCONN (broken), -BLANKET_EAGAIN (being reset).
 *
 * Destroying works on what is dead or broken too, or a level above could never learn that its objects
 * are gone. BLANKET_PIN_GONE: a destroy on an endpoint that is drained: there is nothing left of it.
 */
int blanket_endpoint_pin(struct blanket_request *request);

/* The last one out of an endpoint that is no longer live kicks the worker. */
void blanket_endpoint_unpin(struct blanket_level *level, struct blanket_level_guest *guest,
                            struct blanket_endpoint *endpoint);

/*
 * The worst state among an endpoint and its ancestors, enum blanket_endpoint_state: DEAD before BROKEN
 * before RESETTING before LIVE. At most BLANKET_DEPTH_MAX + 1 steps.
 */
uint32_t blanket_endpoint_effective(const struct blanket_level_guest *guest,
                                    const struct blanket_endpoint *endpoint);

/* There may be something to sweep at this guest: note it and kick the worker. */
void blanket_guest_kick(struct blanket_level *level, struct blanket_level_guest *guest, int soon);

/* The attached guest `id`, NULL. For its own calls: the host has none after detach. */
struct blanket_level_guest *blanket_guest_find(struct blanket_level *level, uint32_t id);

/* The same for everybody else: it stays until blanket_guest_release, detached or not. */
struct blanket_level_guest *blanket_guest_hold(struct blanket_level *level, uint32_t id);
void blanket_guest_release(struct blanket_level_guest *guest);

#endif
