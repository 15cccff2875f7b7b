/* SPDX-License-Identifier: MIT */
/* Room 3, event channels: what is a port's own beyond being a slot. */
#ifndef BLANKET_EVTCHN_PORT_H
#define BLANKET_EVTCHN_PORT_H

#include "object.h"

/* Reserve a port to create, with its role; what was pending on its last life is forgotten. As
 * blanket_object_reserve. */
int blanket_evtchn_reserve(struct blanket_request *request, const struct blanket_reach *reach,
                           struct blanket_element *state, uint64_t item,
                           enum blanket_slot_role role);

/* blanket_object_find and _close for a port of that role. */
int blanket_evtchn_find(const struct blanket_reach *reach, uint64_t item,
                        enum blanket_slot_role role, uint32_t *place);
int blanket_evtchn_close(struct blanket_request *request, const struct blanket_reach *reach,
                         struct blanket_element *state, uint64_t item, enum blanket_slot_role role);

/*
 * A port became LIVE (guest's lock held): events are let through from now on. Returns the word as it
 * was: an event that came first is latched there, and the caller notifies after unlocking.
 */
uint32_t blanket_evtchn_bound(struct blanket_request *request, uint32_t place);

/* Verbs EVTCHN_MASK, _UNMASK and _BIND_VCPU, for one element. 0, -BLANKET_ENOENT, -BLANKET_EINVAL. */
int blanket_evtchn_here(struct blanket_request *request, const uint64_t *items);

/* This level's bits of an EVTCHN_STATUS result. */
uint32_t blanket_evtchn_status(const struct blanket_reach *reach, uint64_t item,
                               uint32_t below_status);

/*
 * EVTCHN_SEND on one port, request->endpoint pinned. The decision that the port remembers holds while
 * the policy's epoch does; otherwise it is asked for again. 0 or an error with request->reason.
 */
int blanket_evtchn_send(struct blanket_request *request, uint64_t item);

#endif
