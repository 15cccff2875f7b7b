/* SPDX-License-Identifier: MIT */
/* What the files of the broker share. */
#ifndef BLANKET_TOOLS_XEN_BROKER_PRIVATE_H
#define BLANKET_TOOLS_XEN_BROKER_PRIVATE_H

#include "broker.h"

#include <blanket/port/xen.h>

#define BROKER_BUCKETS 256u
#define BROKER_PORTS_MAX 65536u /* of a view: as many as an item can name */
#define BROKER_REFUSALS_MAX 64u /* what L1 Xen lets a view have open */

/* A request that was refused here: answered as the store answers. */
struct broker_refusal {
    uint32_t req_id, tx_id;
    const char *text;
};

struct broker_connection {
    struct broker_view *view;
    uint64_t port;                                       /* its item */
    uint64_t after;                                      /* the one to open in its place; 0: none */
    struct broker_connection *next;                      /* in broker->work */
    bool queued;                                         /* there */
    bool closing;                                        /* the engine is taking it down */
    bool tell;                                           /* ...and L1 Xen waits for CLOSED */
    struct broker_refusal refusals[BROKER_REFUSALS_MAX]; /* a ring */
    uint32_t refusal_first, refusal_count;
    uint32_t held_at, held_size;
    uint8_t held[BLANKET_PAYLOAD_SIZE_MAX]; /* whole messages, from held_at on not yet delivered */
};

struct broker_view {
    struct broker_view *next; /* of its bucket */
    struct broker_view *next_gone;
    uint64_t name;   /* as L1 Xen calls it */
    uint64_t engine; /* as the engine does */
    int error;       /* the engine didn't take it: all is refused with this */
    bool gone;
    uint32_t port_count;
    struct broker_connection **connections; /* by the port's index */
};

enum broker_phase {
    BROKER_IDLE = 0,
    BROKER_RESETTING = 1, /* an earlier broker's remains, at the store below */
    BROKER_ASKING = 2,    /* who we are */
    BROKER_SERVING = 3
};

struct broker {
    struct broker_limits limits;
    const struct broker_ops *ops;
    void *context;
    void *memory;
    struct blanket_store *engine;
    struct broker_view *buckets[BROKER_BUCKETS];
    struct broker_view *gone;
    struct broker_connection *work;
    struct broker_stats stats;
    enum broker_phase phase;
    uint32_t self;
    uint32_t sync_id; /* req_id of our own question */
    uint32_t number;  /* the peer's name of the port that the frame in hand is about */
    bool sync_sent;
    bool blocked; /* the store below took no more */
    struct blanket_xen_frame frame;
    struct blanket_xen_reply reply;
    struct blanket_xen_message message;
};

void broker_log(struct broker *broker, const char *line);
void broker_log_error(struct broker *broker, const char *what, int status);

/* broker_view.c */
struct broker_view *broker_view_find(const struct broker *broker, uint64_t name);
/* FRAME_VIEW: broker->frame is one. */
void broker_view_add(struct broker *broker);
void broker_view_gone(struct broker *broker, struct broker_view *view);
/* Try on with those that go. */
void broker_view_sweep(struct broker *broker);
void broker_view_free_all(struct broker *broker);

/* broker_connection.c */
/* NULL: there is none of exactly this item. */
struct broker_connection *broker_connection_find(const struct broker_view *view, uint64_t port);
void broker_connection_open(struct broker *broker, struct broker_view *view, uint64_t port);
void broker_connection_close(struct broker *broker, struct broker_view *view, uint64_t port);
/* There is something to do for it. */
void broker_connection_queue(struct broker *broker, struct broker_connection *connection);
/* Deliver and close what can be. */
void broker_connection_work(struct broker *broker);
/* Without a word to anybody. */
void broker_connection_free(struct broker *broker, struct broker_connection *connection);
void broker_connection_refuse(struct broker *broker, struct broker_connection *connection,
                              const struct broker_refusal *refusal);

/* As L1 Xen answers it: -BLANKET_EAGAIN, -BLANKET_ENOENT. */
int broker_refusal_send(struct broker *broker, uint64_t view, uint64_t port,
                        const struct broker_refusal *refusal);

/* broker_frame.c */
void broker_frame_serve(struct broker *broker);
int broker_closed(struct broker *broker, uint64_t view, uint64_t port);

#endif
