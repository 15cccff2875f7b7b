/* SPDX-License-Identifier: MIT */
/*
 * What stands around the broker in its tests: an L1 Xen made of lists, and below it the provider's own
 * xenstore, asked as a hypervisor's domain asks it.
 */
#ifndef BLANKET_TESTS_USER_BROKER_BED_H
#define BLANKET_TESTS_USER_BROKER_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <blanket/port/root.h>
#include <blanket/port/xen.h>
#include <cmocka.h>
#include <xen/io/xs_wire.h>

#include <broker.h>

#define SELF 5u /* our domain below */
#define PEER 0u
#define FRONTEND "/local/domain/5/device/vbd/51712"
#define BACKEND "/local/domain/0/backend/vbd/5/51712"
#define VIEW 0x100000001u
#define PORT blanket_item_slot(BLANKET_ITEM_PORT, 1, 1)

#define FRAMES_MAX 256u
#define REPLIES_MAX 512u

struct reply {
    uint64_t view, port;
    struct xsd_sockmsg header;
    char body[4097];
};

struct bed {
    struct blanket_root *root;
    struct blanket_root_client *below, *toolstack;
    struct broker *broker;
    uint32_t channel;
    uint32_t self; /* that BECOME tells */
    uint32_t become_count;
    int become_status;
    struct blanket_xen_frame frames[FRAMES_MAX]; /* a ring, for NEXT */
    uint32_t frame_first, frame_count;
    struct reply replies[REPLIES_MAX];
    uint32_t reply_count;
    uint32_t reply_refused; /* so many REPLYs get -BLANKET_EAGAIN */
    uint64_t closed_view[64], closed_port[64];
    uint32_t closed_count;
    bool store_holds; /* answers of the store below aren't handed over */
    uint32_t store_sent, store_got;
    uint32_t sends_refused; /* so many STORE_SENDs get -BLANKET_EAGAIN */
    int receive_status;     /* if not 0: what STORE_RECEIVE answers */
    uint64_t random;        /* not 0: STORE_RECEIVE answers rubbish now and then */
    char log[4096];
};

void bed_init(struct bed *bed, uint32_t self);
void bed_fini(struct bed *bed);
/* Create the broker and have it serve; as often as one likes. */
void bed_start(struct bed *bed);
void bed_stop(struct bed *bed);
/* Process until there is nothing more. */
int bed_run(struct bed *bed);
uint32_t bed_random(struct bed *bed);

struct blanket_xen_frame *bed_frame(struct bed *bed, unsigned kind, uint64_t view);
void bed_view(struct bed *bed, uint64_t view, uint32_t requests, uint32_t watches);
void bed_connect(struct bed *bed, uint64_t view, uint64_t port);
/* A request; root is of the item. */
void bed_call(struct bed *bed, uint64_t port, uint16_t verb, uint32_t type, uint32_t id,
              uint64_t third, uint64_t fourth, const void *payload, uint32_t size);
void bed_read(struct bed *bed, uint32_t id, unsigned root, const char *path);
void bed_write(struct bed *bed, uint32_t id, unsigned root, const char *path, const char *value);
/* The reply with this id; NULL: it didn't come. */
const struct reply *bed_reply(const struct bed *bed, uint32_t id);
/* The answer of the toolstack's own request, as text ("" for an error). */
const char *bed_store(struct bed *bed, const char *path);
void bed_store_write(struct bed *bed, const char *path, const char *value);

#endif
