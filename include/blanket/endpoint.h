/* SPDX-License-Identifier: MIT */
/*
 * Endpoints as administration sees them: mint, revoke, rebind, look up. A guest derives and revokes
 * by verbs (docs/abi.md). None of these may run in interrupt context; each takes the locks it needs.
 */
#ifndef BLANKET_ENDPOINT_H
#define BLANKET_ENDPOINT_H

#include <blanket/level.h>

/* More than one guest may own endpoints of this scope (DESIGN law 0): the peer can mix them up. */
#define BLANKET_MINT_SHARE_SCOPE 1u

/* Part of a table: `count` slots here, which are `below_first`.. at the below's endpoint. */
struct blanket_mint_window {
    uint32_t count;
    uint32_t below_first;
};

/* One device for one guest, on one endpoint of what the level stands on. */
struct blanket_mint {
    uint32_t guest;            /* id of the owner */
    uint32_t slot;             /* of the owner's table; 0: the first free */
    uint32_t rights;           /* bits of enum blanket_right */
    uint32_t flags;            /* BLANKET_MINT_* */
    uint64_t label;            /* for the hook */
    uint64_t scope;            /* from the below: who shares the peer's number space */
    const char *name;          /* class and handle ("vbd/51712"), shorter than BLANKET_NAME_SIZE */
    struct blanket_below below;  /* serves grants and event channels */
    struct blanket_below store;  /* serves xenstore; ops NULL: `below` does */
    uint64_t below_endpoint;
    uint64_t store_endpoint;   /* ignored when `below` serves xenstore */
    struct blanket_mint_window grants, mappings, ports;
    uint32_t event_base;       /* number of the below's event for ITS port index 0 */
    uint32_t grant_base;       /* reference that the peer sees for the below's grant index 0 */
};

BLANKET_EXTERN_C_BEGIN

/*
 * Mint. The windows are carved from the guest's quotas. *handle is set on success only.
 * -BLANKET_ENOSPC (and *quota, if not NULL, says which) when the guest's quota or contiguous room is
 * used up, -BLANKET_EEXIST slot or name taken, -BLANKET_EPERM a second owner in the scope,
 * -BLANKET_EBUSY the slot isn't drained yet, -BLANKET_ESTALE its generations have run out,
 * -BLANKET_EINVAL (`below` needs call and send), -BLANKET_ENOENT no such guest. Nothing is changed
 * then.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_endpoint_mint(struct blanket_level *level,
                                                         const struct blanket_mint *mint,
                                                         uint64_t *handle, uint32_t *quota);

/*
 * Revoke an endpoint and all that derives from it: dead when this returns, drained later by
 * blanket_work (`info` tells). Can't fail on a live one; -BLANKET_ENOENT: there is none.
 */
BLANKET_API int blanket_endpoint_revoke(struct blanket_level *level, uint32_t guest,
                                        uint64_t handle);

/* What it is and holds now. -BLANKET_ENOENT. */
BLANKET_API int blanket_endpoint_info(struct blanket_level *level, uint32_t guest, uint64_t handle,
                                      struct blanket_wire_endpoint *info);

/*
 * The below lost an endpoint (its peer or itself restarted): all of ours on it are broken: calls get
 * -BLANKET_ENOTCONN, their slots are swept as lost, their holders get PEER_GONE.
 */
BLANKET_API void blanket_endpoint_lost(struct blanket_level *level, const struct blanket_below *below,
                                       uint64_t below_endpoint);

/*
 * Bind a broken endpoint to a new one below of the same name. The guest's handle stays.
 * What derives from it comes along. -BLANKET_EBUSY while slots of the old one are left; -BLANKET_EINVAL
 * if it isn't broken, or is derived; -BLANKET_EPERM a second owner in the new scope.
 */
BLANKET_API int blanket_endpoint_rebind(struct blanket_level *level, uint32_t guest, uint64_t handle,
                                        uint64_t below_endpoint, uint64_t scope,
                                        uint32_t event_base, uint32_t grant_base);

/*
 * Ask a below that has blanket for one of this level's own endpoints there, by name; `info` is what a
 * mint on it needs. A call of the level itself: `vcpu` must be free. -BLANKET_ENOENT.
 */
BLANKET_API int blanket_below_lookup(const struct blanket_below *below, uint32_t vcpu,
                                     const char *name, struct blanket_wire_endpoint *info);

BLANKET_EXTERN_C_END

#endif
