/* SPDX-License-Identifier: MIT */
/* What the files of the guest library share. */
#ifndef BLANKET_GUEST_PRIVATE_H
#define BLANKET_GUEST_PRIVATE_H

#include <blanket/guest.h>

/* frame.c: the below that encodes frames for the guest's transport. */
struct blanket_below blanket_guest_frame_below(struct blanket_guest *guest);

/* guest.c: what a level may answer. Anything else counts as lost. */
int blanket_guest_status_check(int64_t status);

/*
 * guest.c: run `count` elements that stand in guest->items. Every element then has a checked result in
 * guest->results: those that the call didn't get to have the call's status.
 */
void blanket_guest_run(struct blanket_guest *guest, uint64_t endpoint, uint16_t verb,
                       uint32_t element_items, uint32_t count);

/* table.c: slots. take: -BLANKET_ENOSPC, or the slot is LIVE with a new generation. */
void blanket_guest_table_init(struct blanket_guest_table *table, struct blanket_guest_slot *slots,
                              uint32_t count, uint32_t generation);
int blanket_guest_table_take(struct blanket_guest_table *table, uint32_t *index);
void blanket_guest_table_release(struct blanket_guest_table *table, uint32_t index);
/* The slot exists and isn't free: it may be ended. */
int blanket_guest_table_used(const struct blanket_guest_table *table, uint32_t index);
/* The item that names it now. */
uint64_t blanket_guest_table_item(const struct blanket_guest_table *table, unsigned type,
                                  uint32_t index);

/*
 * table.c: what the result of a create means for its slot: LIVE, free again, or CLOSING when lost. 1
 * (only if `again` isn't 0): the level told a newer generation than ours; the slot has one that is
 * newer still, and the create is worth another try with it.
 */
int blanket_guest_table_created(struct blanket_guest_table *table, uint32_t index, uint64_t result,
                                int again);
/* The same for a destroy: free with status 0, else CLOSING. */
void blanket_guest_table_destroyed(struct blanket_guest_table *table, uint32_t index,
                                   uint64_t result);

/* port.c: create and destroy a port by one of the verbs that do; used for channels and the store. */
int blanket_guest_port_create(struct blanket_guest_device *device, uint16_t verb, uint64_t item,
                              uint32_t *port, uint32_t *value);
int blanket_guest_port_destroy(struct blanket_guest_device *device, uint16_t verb, uint32_t port);

/* store.c: submit, and wait until it is done. 0, a call error, or a positive store error. */
int blanket_guest_store_run(struct blanket_guest_store *store,
                            struct blanket_guest_request *request);

/* store_call.c: what an error's string says; `body` needn't end with a NUL. */
int32_t blanket_guest_store_error_parse(const uint8_t *body, uint32_t size);

/* store.c: message types of xen/io/xs_wire.h, which a freestanding host need not have. */
enum blanket_guest_message_type {
    BLANKET_GUEST_XS_DIRECTORY = 1,
    BLANKET_GUEST_XS_READ = 2,
    BLANKET_GUEST_XS_WATCH = 4,
    BLANKET_GUEST_XS_UNWATCH = 5,
    BLANKET_GUEST_XS_TRANSACTION_START = 6,
    BLANKET_GUEST_XS_TRANSACTION_END = 7,
    BLANKET_GUEST_XS_WRITE = 11,
    BLANKET_GUEST_XS_RM = 13,
    BLANKET_GUEST_XS_WATCH_EVENT = 15,
    BLANKET_GUEST_XS_ERROR = 16,
    BLANKET_GUEST_XS_DIRECTORY_PART = 22
};

#endif
