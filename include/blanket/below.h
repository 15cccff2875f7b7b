/* SPDX-License-Identifier: MIT */
/*
 * What a level stands on: the seam between the core and whatever serves it. A level below that has
 * blanket too (blanket_level_nested), the provider (port/root.h), native Xen hypercalls, libxen*, or
 * a service are each one `struct blanket_below`.
 *
 * A below serves calls whose endpoint, slots, frames and ports are already in ITS terms: the level
 * above it has translated them. It never sees the caller's memory.
 */
#ifndef BLANKET_BELOW_H
#define BLANKET_BELOW_H

#include <blanket/errno.h>
#include <blanket/wire.h>

/*
 * One authorised, translated call. `items` has element_count * element_items entries. The below sets
 * results[0..done) (blanket_result), reply_size and, with -BLANKET_ENOSPC, detail.
 */
struct blanket_call {
    uint16_t verb;
    uint16_t element_count;  /* 1..BLANKET_ELEMENT_COUNT_MAX */
    uint16_t element_items;  /* items of one element, at least 1 unless the verb has none */
    uint16_t done;           /* out: elements whose result is valid; the others were not begun */
    uint32_t vcpu;           /* of the level that calls: selects per-vCPU buffers */
    uint32_t detail;         /* out */
    uint64_t endpoint;       /* the below's own handle, from minting */
    uint64_t claim;          /* label of the guest above, attribution only */
    const uint64_t *items;
    uint64_t *results;       /* out: room for element_count */
    const uint8_t *payload;
    uint8_t *reply;          /* out: room for reply_max bytes; may not overlap payload */
    uint16_t payload_size;
    uint16_t reply_max;
    uint16_t reply_size;     /* out */
};

struct blanket_below_ops {
    /*
     * 0: results[0..done) are valid and done is at least 1 (when the verb has elements); elements
     * from done on were not begun. -BLANKET_EIO: lost, nothing is known of any element. Any other
     * negative value of enum blanket_errno: refused, nothing was performed. Everything else, and an
     * element status that isn't of that enum, counts as lost. An item that isn't the verb's is
     * -BLANKET_EINVAL: of the call for STORE verbs (blanket_store_call_check), else of its element.
     *
     * For create verbs: refuse a generation that isn't newer than the slot's (-BLANKET_ESTALE) or a
     * slot that is in use (-BLANKET_EEXIST, -BLANKET_EBUSY). For destroy verbs: a slot that isn't
     * there, or that has a newer generation, is success; a free slot takes the generation (a
     * tombstone); a peer that still uses the object is -BLANKET_EBUSY.
     *
     * Called without locks; may block as the host's calls to its hypervisor block.
     */
    int (*call)(void *context, struct blanket_call *call);

    /* One event on a port (an item of type PORT). Same results as an element's. Never blocks. */
    int (*send)(void *context, uint32_t vcpu, uint64_t endpoint, uint64_t port);
};

/* The result of a call that has one element; -BLANKET_ENOSPC names its quota in the call, too. */
static inline void blanket_call_answer(struct blanket_call *call, uint64_t result)
{
    call->results[0] = result;
    call->done = 1;
    if (blanket_result_status(result) == -BLANKET_ENOSPC) {
        call->detail = blanket_result_value(result);
    }
}

/* By value: an endpoint holds what serves it. */
struct blanket_below {
    const struct blanket_below_ops *ops;
    void *context;
};

#endif
