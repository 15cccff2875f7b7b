/* SPDX-License-Identifier: MIT */
/* Room 3, grants: the pages that a call names. */
#ifndef BLANKET_GRANT_PAGE_H
#define BLANKET_GRANT_PAGE_H

#include "core.h"

/*
 * Is the element consistent beyond its items' own types: a copy's two directions and its span, within
 * a page at both ends. 0, -BLANKET_EINVAL. Pure.
 */
int blanket_grant_check(const struct blanket_verb_info *verb, const uint64_t *items);

/*
 * Pin the page that `item` (FRAME or OWN_GRANT) names, for what `verb` makes of it; its number at this
 * level goes to *below as a FRAME item. The element holds the pin until it is committed. No lock is
 * held: the element's slot is RESERVED and so nobody else's. Errors of the platform's pin;
 * -BLANKET_EINVAL if it gave a number that doesn't fit an item.
 */
int blanket_grant_pin(struct blanket_request *request, uint32_t element, uint64_t item,
                      uint64_t *below);

/* What a GRANT_QUERY of a slot that is being taken down says without asking below: 1 if it is. */
int blanket_grant_is_closing(const struct blanket_request *request, uint64_t item);

#endif
