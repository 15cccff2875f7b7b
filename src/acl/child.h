/* SPDX-License-Identifier: MIT */
/* Room 2: what minting and deriving share. */
#ifndef BLANKET_ACL_CHILD_H
#define BLANKET_ACL_CHILD_H

#include "core.h"

struct blanket_child {
    uint32_t parent; /* index in the guest's table */
    uint32_t slot;
    uint32_t generation; /* newer than the slot's last */
    uint32_t rights;     /* ANDed with the parent's, unless `minted` */
    uint32_t counts[BLANKET_TABLE_COUNT];
    uint32_t minted; /* 1: `below_first` counts, and what serves it is filled in by the caller */
    uint32_t below_first[BLANKET_TABLE_COUNT];
    const char *name; /* name_size bytes, no NUL among them */
    uint32_t name_size;
};

/*
 * Make an endpoint in the guest's table, all but LIVE: the caller fills in the rest and then stores
 * the state. Guest's lock held. -BLANKET_ENOSPC with *quota, -BLANKET_EEXIST (slot or name taken),
 * -BLANKET_EBUSY (not drained yet), -BLANKET_ESTALE, -BLANKET_EINVAL (name); nothing is changed then.
 */
int blanket_child_make(struct blanket_level *level, struct blanket_level_guest *guest,
                       const struct blanket_child *child, uint32_t *quota);

/* DEAD and empty -> FREE: its chunks go back to its parent. -BLANKET_EBUSY: a call is in flight on it
 * after all, it is still DEAD. Guest's lock held. */
int blanket_child_unmake(struct blanket_level *level, struct blanket_level_guest *guest,
                         uint32_t index);

/* The endpoint of that name, BLANKET_OWNER_NONE. Guest's lock held. */
uint32_t blanket_child_find(const struct blanket_level_guest *guest, const char *name,
                            uint32_t size);

#endif
