/* SPDX-License-Identifier: MIT */
/*
 * A client on the socket: what has come in, what is to go out, and the one request of it that is being
 * performed. All of it bounded: a client that doesn't read isn't read from, and the store keeps one event
 * for each of its watches, no more.
 */
#ifndef BLANKET_STORE_CLIENT_H
#define BLANKET_STORE_CLIENT_H

#include "tower.h"
#include "watch.h"

#include <xen/io/xs_wire.h>

#define CLIENT_IN_SIZE 16384u
#define CLIENT_OUT_SIZE 65536u

enum client_state {
    CLIENT_FREE = 0,
    CLIENT_LIVE = 1,
    CLIENT_LEAVING = 2 /* its socket is closed, its connection isn't ended yet */
};

/* The request that was handed on, as far as its reply needs it. */
struct client_request {
    uint32_t type;
    uint32_t tx_id; /* as the client has it */
    uint32_t id;    /* WATCH: the watch's; TRANSACTION_START: the transaction's */
};

struct client_limits {
    uint32_t watches; /* of one client */
    uint32_t transactions;
};

struct client {
    struct tower *tower;
    const char *home; /* where relative paths begin: "/local/domain/0/" */
    struct client_limits limits;
    enum client_state state;
    int fd;
    uint32_t index; /* of its connection */
    uint32_t generation;
    uint32_t interest; /* what epoll tells of it */
    bool queued;       /* in the server's list of work */
    bool eof;          /* nothing more will come */
    bool last;         /* its last message was answered: close when all is sent */
    bool told;         /* there is something to receive */
    bool waiting;      /* a request's reply is still to come */
    struct client_request request;
    struct watch_table watches;
    uint16_t *transactions; /* ids that are open */
    uint32_t transaction_count;
    uint16_t next_transaction;
    uint64_t requests;
    uint64_t refused[BLANKET_QUOTA_COUNT]; /* for want of which quota */
    uint32_t in_start, in_end;
    uint32_t out_start, out_end;
    uint32_t inbox_start, inbox_end; /* received, and not in `out` yet */
    uint8_t in[CLIENT_IN_SIZE];
    uint8_t out[CLIENT_OUT_SIZE];
    uint8_t inbox[TOWER_MESSAGE_MAX];
};

/* A FREE client becomes LIVE. 0 or -BLANKET_E*; the file descriptor stays the caller's then. */
int client_open(struct client *client, int fd);
/* Its socket is closed. 0: it is FREE; -BLANKET_EBUSY: LEAVING, call again later. */
int client_close(struct client *client);

/*
 * Perform what has come in whole, at most `budget` requests, and take in events. True: there is more that
 * can be done now.
 */
bool client_run(struct client *client, uint32_t budget);

/* Bytes from and to the socket. False: the client is gone. */
bool client_read(struct client *client);
bool client_flush(struct client *client);

/* It could use more bytes; it has some that the socket doesn't take. */
bool client_wants_input(const struct client *client);
bool client_wants_output(const struct client *client);
/* When client_run has no more to do: nothing will come or go any more. */
bool client_is_done(const struct client *client);

/* Contiguous room in `out`; false: there isn't so much. */
bool client_room(struct client *client, uint32_t size);

/* message.c: one whole request, for which there is room in `out`. */
void client_message(struct client *client, const struct xsd_sockmsg *header, const uint8_t *body);
/* Its reply, in place; what it means for watches and transactions. */
void client_reply(struct client *client, uint8_t *message);
void client_error(struct client *client, const struct xsd_sockmsg *header, const char *text);

#endif
