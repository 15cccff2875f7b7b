/* SPDX-License-Identifier: MIT */
/* Room 2: endpoints come to be (mint, derive), die (revoke) and drain. */
#ifndef BLANKET_ACL_DERIVE_H
#define BLANKET_ACL_DERIVE_H

#include <blanket/endpoint.h>

#include "core.h"

/* The guest's own endpoint in a table that was just made: all chunks but the control port's. */
void blanket_endpoint_self(struct blanket_level_guest *guest);

/* Verbs ENDPOINT_DERIVE, _REVOKE, _RESET: 0 or an error with request->reason and ->detail. */
int blanket_endpoint_derive(struct blanket_request *request);
int blanket_endpoint_revoke_child(struct blanket_request *request);
int blanket_endpoint_reset(struct blanket_request *request);

/* Is `ancestor` above endpoint `index`? Guest's lock held. */
int blanket_endpoint_descends(const struct blanket_level_guest *guest, uint32_t index,
                              uint32_t ancestor);

/*
 * Dead at once: one store. 1: its holder's control port must be raised, the worker kicked afterwards:
 * blanket_endpoint_announce; 0: it was dead. Guest's lock held.
 */
int blanket_endpoint_kill(struct blanket_endpoint *endpoint);

/* Nothing is left of a dead endpoint: its chunks go back to its parent, its slot is free, its
 * generation stays. -BLANKET_EBUSY: a call is in flight on it after all. Guest's lock held. */
int blanket_endpoint_drain(struct blanket_level *level, struct blanket_level_guest *guest,
                           uint32_t index);

/* Tell the holder (control port) and the host what is in `events` now. No lock held. */
void blanket_endpoint_announce(struct blanket_level *level, struct blanket_level_guest *guest,
                               uint64_t handle, uint32_t events);

/* May these event numbers be an endpoint's? 0, -BLANKET_EINVAL (beyond limits.events),
 * -BLANKET_EEXIST (another's). Administration's lock held. */
int blanket_endpoint_route_check(const struct blanket_level *level, uint64_t first, uint32_t count);

/* Event numbers of a minted endpoint's ports: on (1), when they were checked, or off (0).
 * Administration's lock held. */
void blanket_endpoint_route(struct blanket_level *level, uint32_t guest_id,
                            const struct blanket_endpoint *endpoint, int on);

/* What it is and holds. Guest's lock held. */
void blanket_endpoint_describe(const struct blanket_level_guest *guest, uint32_t index,
                               struct blanket_wire_endpoint *info);

#endif
