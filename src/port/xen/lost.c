/* SPDX-License-Identifier: MIT */
/* The peer of an endpoint is gone, or back. One operation at a time: admin.c. */
#include <xen/sched.h>

#include "host.h"

/* What was minted for the domain under this handle. Returns its place, BLANKET_XEN_ENDPOINTS if there is
 * none. */
static unsigned int find_minted(struct blanket_xen *x, const struct domain *d, uint64_t endpoint,
                                struct blanket_xen_minted *found)
{
    unsigned int at;

    spin_lock(&x->lock);
    for (at = 0; at < BLANKET_XEN_ENDPOINTS; at++) {
        if (x->minted[at].owner && x->minted[at].owner->domain == d &&
            x->minted[at].endpoint == endpoint) {
            *found = x->minted[at];
            break;
        }
    }
    spin_unlock(&x->lock);
    return at;
}

int blanket_xen_lost(struct blanket_xen *x, const struct domain *d, uint64_t endpoint)
{
    const struct blanket_below below = blanket_xen_native_below(&x->native);
    struct blanket_xen_minted minted;

    if (find_minted(x, d, endpoint, &minted) == BLANKET_XEN_ENDPOINTS) {
        return -BLANKET_ENOENT;
    }
    blanket_endpoint_lost(x->level, &below, minted.native);
    return 0;
}

static int bind_to(struct blanket_xen *x, const struct blanket_xen_minted *minted, uint64_t native,
                   uint32_t peer)
{
    const struct blanket_xen_native_endpoint *found = blanket_xen_native_find(&x->native, native);

    return found ? blanket_endpoint_rebind(x->level, minted->owner->id, minted->endpoint, native,
                                           blanket_xen_scope(peer, native), found->port_first,
                                           found->grant_first)
                 : -BLANKET_ENOENT;
}

/* Is it still there, then it is on `native` from now on. 1, or 0: drained meanwhile. */
static int move_minted(struct blanket_xen *x, unsigned int at,
                       const struct blanket_xen_minted *minted, uint64_t native, uint32_t peer)
{
    struct blanket_xen_minted *place = &x->minted[at];
    int moved;

    spin_lock(&x->lock);
    moved = place->owner == minted->owner && place->endpoint == minted->endpoint;
    if (moved) {
        place->native = native;
        place->peer = peer;
    }
    spin_unlock(&x->lock);
    return moved;
}

int blanket_xen_rebind(struct blanket_xen *x, const struct domain *d, uint64_t endpoint,
                       uint32_t peer)
{
    const struct blanket_xen_native_endpoint *old;
    struct blanket_xen_minted minted;
    unsigned int at = find_minted(x, d, endpoint, &minted);
    uint32_t quota;
    uint64_t native;
    int rc;

    old = at < BLANKET_XEN_ENDPOINTS ? blanket_xen_native_find(&x->native, minted.native) : NULL;
    if (!old) {
        return -BLANKET_ENOENT;
    }
    if (peer == minted.peer) {
        return bind_to(x, &minted, minted.native, peer);
    }
    if (peer > BLANKET_XEN_NO_PEER || minted.view != 0) {
        return minted.view != 0 ? -BLANKET_EOPNOTSUPP : -BLANKET_EINVAL;
    }
    rc = blanket_xen_native_add(&x->native, peer, old->grant_count, old->port_count, &native,
                                &quota);
    if (rc != 0) {
        return rc;
    }
    rc = bind_to(x, &minted, native, peer);
    if (rc == 0 && !move_minted(x, at, &minted, native, peer)) {
        rc = -BLANKET_ENOENT;
    }
    blanket_xen_native_remove(&x->native, rc == 0 ? minted.native : native);
    return rc;
}
