/* SPDX-License-Identifier: MIT */
/*
 * Inside of the store's broker. docs/xenstore.md has the picture: a call becomes a job, a job waits in
 * its connection's ring or goes straight into a request slot and below; the reply finds the slot by its
 * request id, an event its watch by its token.
 *
 * All functions: the engine is entered by one thread at a time; no memory is allocated; no recursion
 * (a reply that comes from inside ops->send only completes its request, the loop outside goes on).
 */
#ifndef BLANKET_XENSTORE_PRIVATE_H
#define BLANKET_XENSTORE_PRIVATE_H

#include <blanket/xenstore.h>

#include "wire.h"

#define STORE_ROOT_SIZE 256u   /* of a root's path, with its NUL */
#define STORE_SHORT_REPLY 48u  /* header and body of "OK", an error, a transaction's id */
#define STORE_ERROR_MAX 32u    /* body of an XS_ERROR, with its NUL */
#define STORE_TOKEN_SIZE 16u   /* of our watches below: generation and index, hexadecimal */
#define STORE_REQUEST_BITS 12u /* of a request id below: index; the others are the generation */
#define STORE_CALL_BUDGET 128u /* messages that one call may send: its own and others' */
#define STORE_IDLE_TICKS 256u  /* calls and messages after which a transaction may be taken away */

/* A place in a list, or (owner NULL) the list itself. Unlinked: next is NULL. */
struct store_link {
    struct store_link *next;
    struct store_link *previous;
    void *owner;
};

/* Bytes first in, first out. `total` counts all that was ever put: a position is total at that time. */
struct store_ring {
    uint8_t *bytes;
    uint32_t size;
    uint32_t head;
    uint32_t used;
    uint32_t total;
};

struct store_connection;

/* An id of the caller's choice within a connection: a place in a hash table. */
struct store_name {
    struct store_name *next;
    struct store_connection *connection;
    void *owner;
    uint32_t id; /* 0: not in the table */
};

struct store_names {
    struct store_name **buckets;
    uint32_t mask;
};

enum store_watch_state {
    STORE_WATCH_FREE = 0,
    STORE_WATCH_WAITING = 1, /* its WATCH isn't sent yet */
    STORE_WATCH_SETTING = 2, /* sent, not answered */
    STORE_WATCH_LIVE = 3,
    STORE_WATCH_RENEW = 4,  /* to be set again, after the store below was lost */
    STORE_WATCH_ENDING = 5, /* its owner is gone: an UNWATCH is to be sent */
    STORE_WATCH_LEAVING = 6 /* an UNWATCH is on its way */
};

struct store_watch {
    struct store_name name;
    struct store_link of_connection;
    struct store_link chore;   /* in view->watch_chores: RENEW and ENDING that aren't sent */
    struct store_link pending; /* in connection->pending: it has fired, and the queue had no room */
    struct store_connection *connection;
    uint8_t *path; /* as it is below; path_size bytes and a NUL */
    uint32_t path_size;
    uint32_t prefix; /* bytes of a path below that the caller doesn't see */
    uint32_t id;     /* the caller's */
    uint32_t index;
    uint32_t generation;
    uint32_t last;      /* position of its last event in the queue */
    uint32_t last_size; /* 0: none */
    uint8_t state;
    uint8_t early;   /* an event came before the WATCH was answered */
    uint8_t dropped; /* its owner doesn't want events any more */
    uint8_t orphan;  /* its owner is gone while the WATCH was on its way */
    uint8_t raw;     /* paths aren't looked into */
};

enum store_transaction_state {
    STORE_TRANSACTION_FREE = 0,
    STORE_TRANSACTION_WAITING = 1,  /* its START isn't sent yet */
    STORE_TRANSACTION_STARTING = 2, /* sent, not answered */
    STORE_TRANSACTION_LIVE = 3,
    STORE_TRANSACTION_DOOMED = 4, /* aborted below, or about to be; its END will be EAGAIN */
    STORE_TRANSACTION_ENDING = 5, /* its owner is gone: to be aborted */
    STORE_TRANSACTION_LEAVING = 6 /* its owner's END is on its way */
};

struct store_transaction {
    struct store_name name;
    struct store_link of_connection;
    struct store_link chore; /* in view->transaction_chores: to be aborted below */
    struct store_connection *connection;
    uint32_t generation;
    uint32_t id; /* the caller's */
    uint32_t below_id;
    uint32_t used; /* tick of its last use */
    uint8_t state;
    uint8_t below; /* 1: it has, or will have when START is answered, a slot below */
    uint8_t taken; /* 1: counted in store->taken_count */
};

/* A request without its body: what has to be known to send it and to understand the answer. */
struct store_job {
    struct store_watch *watch;             /* WATCH, UNWATCH */
    struct store_transaction *transaction; /* that it's in, starts or ends; NULL: none */
    uint32_t watch_generation;
    uint32_t transaction_generation;
    uint32_t type;
    uint32_t req_id; /* the caller's */
    uint32_t tx_id;  /* the caller's */
    uint32_t size;   /* of the body */
    uint32_t skip;   /* DIRECTORY_PART: bytes that the caller has already */
    uint32_t offset; /* DIRECTORY_PART: where to go on below */
    uint32_t raw;    /* 1: the reply is for the caller as it is */
};

enum store_purpose {
    STORE_PURPOSE_FREE = 0,
    STORE_PURPOSE_CALLER = 1,
    STORE_PURPOSE_UNWATCH = 2,
    STORE_PURPOSE_RENEW = 3,
    STORE_PURPOSE_ABORT = 4,
    STORE_PURPOSE_CLOSE = 5
};

/* One message that the store below hasn't answered. */
struct store_request {
    struct store_request *next_free;
    struct store_view *view;
    struct store_connection *connection; /* NULL: PURPOSE_CLOSE */
    struct store_job job;
    uint32_t index;
    uint32_t generation;
    uint32_t reserved; /* bytes of the connection's queue kept for the reply */
    uint8_t purpose;
};

enum store_connection_state {
    STORE_CONNECTION_FREE = 0,
    STORE_CONNECTION_LIVE = 1,
    STORE_CONNECTION_CLOSING = 2
};

struct store_connection {
    struct store_connection *next_free;
    struct store_view *view;
    struct store_link of_view;
    struct store_link run;     /* in view->run: has a job that may go */
    struct store_link starved; /* in store->starved: its next job waits for a transaction slot */
    struct store_link watches;
    struct store_link transactions;
    struct store_link pending;
    struct store_ring queue;   /* replies and events for the caller */
    struct store_ring waiting; /* jobs that aren't sent, each with its body */
    uint32_t reserved;         /* of the queue, for replies that are to come */
    uint32_t waiting_count;
    uint32_t busy; /* outstanding requests, and watches and transactions not FREE */
    uint32_t index;
    uint32_t port;
    uint8_t state;
    uint8_t signalled; /* an event was raised since the last RECEIVE */
    uint8_t stepping;  /* the first job is being answered in steps (DIRECTORY_PART) */
};

/* A port index of a view: keeps its generation when free (a tombstone). */
struct store_port {
    struct store_connection *connection;
    uint32_t generation;
};

struct store_root {
    uint32_t rights;
    uint32_t size; /* of the path; the root of the store has 0 */
    uint8_t present;
    uint8_t raw; /* paths are the store's own: not checked, not translated */
    char path[STORE_ROOT_SIZE];
};

enum store_close_step {
    STORE_CLOSE_NONE = 0,
    STORE_CLOSE_READ = 1,
    STORE_CLOSE_CLOSING = 2,
    STORE_CLOSE_CLOSED = 3
};

enum store_view_state {
    STORE_VIEW_FREE = 0,
    STORE_VIEW_LIVE = 1,
    STORE_VIEW_CLOSING = 2
};

struct store_view {
    struct store_link ready; /* in store->ready: has something to send */
    struct store_link run;
    struct store_link connections;
    struct store_link watch_chores;
    struct store_link transaction_chores;
    struct store_root roots[BLANKET_ROOT_COUNT];
    int (*port_number)(void *context, uint64_t cookie, uint32_t index, uint32_t *number);
    uint64_t cookie;
    struct store_port *ports;
    uint32_t port_first, port_count;
    uint32_t index;
    uint32_t generation;
    uint32_t flags;
    uint32_t self_domid, peer_domid;
    uint32_t grant_base;
    uint32_t connection_max, request_max, watch_max, transaction_max;
    uint32_t connection_count, request_count, watch_count, transaction_count;
    uint32_t live_count;  /* connections that aren't CLOSING */
    uint32_t open_count;  /* transactions that have a slot below */
    uint32_t outstanding; /* request slots in use */
    uint8_t state;
    uint8_t touched; /* bit per root: the owner wrote its `state` */
    uint8_t close_root;
    uint8_t close_step; /* enum store_close_step: what is next, or on its way */
    uint8_t close_busy; /* on its way */
};

struct blanket_store {
    struct blanket_store_limits limits;
    const struct blanket_store_ops *ops;
    void *context;
    struct store_view *views;
    struct store_connection *connections;
    struct store_connection *free_connection;
    struct store_port *ports;
    struct store_watch *watches;
    struct store_link free_watches; /* by their `chore` */
    struct store_transaction *transactions;
    struct store_link free_transactions; /* by their `chore` */
    struct store_request *requests;
    struct store_request *free_request;
    struct store_names watch_names;
    struct store_names transaction_names;
    struct store_link ready;
    struct store_link starved;
    struct blanket_call *call;     /* whose reply may come from inside ops->send... */
    struct store_request *current; /* ...to this */
    uint32_t transaction_slots;    /* records: see blanket_store_view_add */
    uint32_t open_count;           /* transactions that have a slot below */
    uint32_t taken_count;          /* of them: about to be aborted for another's sake */
    uint32_t free_count;           /* request slots */
    uint32_t ready_count;          /* views in `ready` */
    uint32_t tick;
    uint8_t blocked;                    /* the store below takes nothing until it's ready */
    uint8_t sending;                    /* inside ops->send */
    uint8_t answered;                   /* store->call has its reply */
    uint8_t message[STORE_MESSAGE_MAX]; /* what is sent */
    uint8_t body[STORE_BODY_MAX];       /* a reply's body in the caller's terms */
};

/* list.c */
void blanket_xenstore_list_init(struct store_link *list);
bool blanket_xenstore_list_empty(const struct store_link *list);
void blanket_xenstore_list_push(struct store_link *list, struct store_link *link, void *owner);
/* Idempotent. */
void blanket_xenstore_list_remove(struct store_link *link);
/* Owner of the first link; NULL: empty. */
void *blanket_xenstore_list_first(const struct store_link *list);

/* ring.c: put and get need room, or bytes, that the caller has checked */
void blanket_xenstore_ring_init(struct store_ring *ring, uint8_t *bytes, uint32_t size);
uint32_t blanket_xenstore_ring_room(const struct store_ring *ring);
void blanket_xenstore_ring_put(struct store_ring *ring, const void *source, uint32_t size);
void blanket_xenstore_ring_peek(const struct store_ring *ring, uint32_t offset, void *target,
                                uint32_t size);
void blanket_xenstore_ring_poke(struct store_ring *ring, uint32_t offset, const void *source,
                                uint32_t size);
bool blanket_xenstore_ring_equal(const struct store_ring *ring, uint32_t offset, const void *bytes,
                                 uint32_t size);
void blanket_xenstore_ring_drop(struct store_ring *ring, uint32_t size);

/* name.c */
void *blanket_xenstore_name_find(const struct store_names *names,
                                 const struct store_connection *connection, uint32_t id);
void blanket_xenstore_name_add(struct store_names *names, struct store_name *name,
                               struct store_connection *connection, uint32_t id);
/* Idempotent. */
void blanket_xenstore_name_remove(struct store_names *names, struct store_name *name);

/* path.c, number.c: pure */
/* Bytes before the first NUL; size if there is none. */
uint32_t blanket_xenstore_path_size(const uint8_t *text, uint32_t size);
/* A legal path relative to a root; empty is the root itself. */
bool blanket_xenstore_path_legal(const uint8_t *path, uint32_t size);
bool blanket_xenstore_path_absolute(const char *path, uint32_t size);
/* Some component names a domain or a path elsewhere. */
bool blanket_xenstore_path_hidden(const uint8_t *path, uint32_t size);
bool blanket_xenstore_path_name_hidden(const uint8_t *name, uint32_t size);
/* The last component takes a reference or a port, by a verb that has it as an item. */
bool blanket_xenstore_path_typed(const uint8_t *path, uint32_t size);
/* Decimal digits of `number`, without NUL; returns how many (at most 10). */
uint32_t blanket_xenstore_number_print(uint32_t number, uint8_t *text);
/* The whole text is a decimal number below 2^32, without leading zeros. */
bool blanket_xenstore_number_parse(const uint8_t *text, uint32_t size, uint32_t *number);
void blanket_xenstore_token_print(uint32_t generation, uint32_t index, uint8_t *text);
bool blanket_xenstore_token_parse(const uint8_t *text, uint32_t size, uint32_t *generation,
                                  uint32_t *index);

/* permission.c: lists of "n0" NUL "r1" NUL..., to and from the store's domids; false: not one */
bool blanket_xenstore_permission_below(const struct store_view *view, const uint8_t *list,
                                       uint32_t size, uint8_t *target, uint32_t *target_size);
bool blanket_xenstore_permission_above(const struct store_view *view, const uint8_t *list,
                                       uint32_t size, uint8_t *target, uint32_t *target_size);

/* store.c: port indexes of views that don't say how many they need */
uint32_t blanket_xenstore_ports_default(uint32_t views, uint32_t connections);

/* call.c is the public blanket_store_call. view.c */
struct store_view *blanket_xenstore_view_find(struct blanket_store *store, uint64_t handle);
/* There is something to send for it. */
void blanket_xenstore_view_wake(struct blanket_store *store, struct store_view *view);
void blanket_xenstore_view_rest(struct blanket_store *store, struct store_view *view);
/* close.c: the device of a view that has no connection left */
/* Begin, if the owner wrote a `state`; false: there is nothing to close. */
bool blanket_xenstore_close_begin(struct blanket_store *store, struct store_view *view);
uint32_t blanket_xenstore_close_compose(struct blanket_store *store, struct store_view *view,
                                        uint32_t *type);
void blanket_xenstore_close_answer(struct blanket_store *store, struct store_view *view,
                                   uint32_t type, const uint8_t *body, uint32_t size);

/* connection.c */
int blanket_xenstore_connection_open(struct blanket_store *store, struct store_view *view,
                                     uint64_t port, uint32_t *value);
int blanket_xenstore_connection_close(struct blanket_store *store, struct store_view *view,
                                      uint64_t port);
int blanket_xenstore_connection_find(struct store_view *view, uint64_t port,
                                     struct store_connection **connection);
int blanket_xenstore_connection_receive(struct blanket_store *store,
                                        struct store_connection *connection,
                                        struct blanket_call *call, uint32_t *value);
/* Its caller is gone: what it has ends. */
void blanket_xenstore_connection_end(struct blanket_store *store,
                                     struct store_connection *connection);
/* If it's CLOSING and nothing of it is left: free. */
void blanket_xenstore_connection_settle(struct blanket_store *store,
                                        struct store_connection *connection);
void blanket_xenstore_connection_wake(struct blanket_store *store,
                                      struct store_connection *connection);
/* Raise its event, once until the next RECEIVE. */
void blanket_xenstore_connection_signal(struct blanket_store *store,
                                        struct store_connection *connection);

/* watch.c */
int blanket_xenstore_watch_make(struct blanket_store *store, struct store_connection *connection,
                                uint32_t id, struct store_watch **watch, uint32_t *quota);
void blanket_xenstore_watch_free(struct blanket_store *store, struct store_watch *watch);
/* The caller's side ends; below follows. */
void blanket_xenstore_watch_end(struct blanket_store *store, struct store_watch *watch);
void blanket_xenstore_watch_end_all(struct blanket_store *store,
                                    struct store_connection *connection);
uint32_t blanket_xenstore_watch_compose(struct blanket_store *store,
                                        const struct store_watch *watch);
void blanket_xenstore_watch_set(struct blanket_store *store, struct store_watch *watch, bool done);
/* An event from below: "path" NUL "token" NUL. */
void blanket_xenstore_watch_input(struct blanket_store *store, const uint8_t *body, uint32_t size);
/* Fire on the watch's own path. */
void blanket_xenstore_watch_fire(struct blanket_store *store, struct store_watch *watch);
/* What an event of this watch would carry in the queue, to tell it from one of an earlier watch. */
uint32_t blanket_xenstore_watch_reference(const struct store_watch *watch);

/* transaction.c */
int blanket_xenstore_transaction_make(struct blanket_store *store,
                                      struct store_connection *connection, uint32_t id,
                                      struct store_transaction **transaction, uint32_t *quota);
void blanket_xenstore_transaction_free(struct blanket_store *store,
                                       struct store_transaction *transaction);
void blanket_xenstore_transaction_end(struct blanket_store *store,
                                      struct store_transaction *transaction);
void blanket_xenstore_transaction_end_all(struct blanket_store *store,
                                          struct store_connection *connection);
/* START was answered: below_id 0 if it failed. */
void blanket_xenstore_transaction_started(struct blanket_store *store,
                                          struct store_transaction *transaction, uint32_t below_id);
/* It has no slot below any more. */
void blanket_xenstore_transaction_closed(struct blanket_store *store,
                                         struct store_transaction *transaction);
/* Take a slot below for its START; untake: START wasn't taken. */
void blanket_xenstore_transaction_take(struct blanket_store *store,
                                       struct store_transaction *transaction);
void blanket_xenstore_transaction_untake(struct blanket_store *store,
                                         struct store_transaction *transaction);
/* Take a slot from a view that has more than its share, or doesn't use it, for one that waits. */
void blanket_xenstore_transaction_relieve(struct blanket_store *store);

/* request.c */
/* Store's message[] has the body. *value: 1 if the reply came along. The caller keeps what job names. */
int blanket_xenstore_request_submit(struct blanket_store *store,
                                    struct store_connection *connection,
                                    const struct store_job *job, struct blanket_call *call,
                                    uint32_t *value);
/* The answer to a job is known here. The reply came along if call->reply_size isn't 0. -EAGAIN. */
int blanket_xenstore_request_answer(struct blanket_store *store,
                                    struct store_connection *connection,
                                    const struct store_job *job, struct blanket_call *call,
                                    const char *text);
enum store_verdict {
    STORE_VERDICT_SENT = 0,
    STORE_VERDICT_LOCAL = 1,  /* answered here */
    STORE_VERDICT_PARK = 2,   /* something of its own connection must happen first */
    STORE_VERDICT_BLOCKED = 3 /* the store below takes nothing now */
};
/* message[] has the body. */
enum store_verdict blanket_xenstore_request_try(struct blanket_store *store,
                                                struct store_connection *connection,
                                                struct store_job *job);
/* The view's share has room for one more. */
bool blanket_xenstore_request_allowed(const struct blanket_store *store,
                                      const struct store_view *view);
struct store_request *blanket_xenstore_request_find(struct blanket_store *store, uint32_t id);
void blanket_xenstore_request_free(struct blanket_store *store, struct store_request *request);
/* Send message[] with a body of that size; false: not now. */
bool blanket_xenstore_request_send(struct blanket_store *store, struct store_request *request,
                                   uint32_t tx_id, uint32_t size);
struct store_request *blanket_xenstore_request_make(struct blanket_store *store,
                                                    struct store_view *view,
                                                    struct store_connection *connection,
                                                    enum store_purpose purpose);
/* pump.c: send what waits, at most `budget` messages, in turns of the views */
void blanket_xenstore_pump(struct blanket_store *store, uint32_t budget);

/* reply.c */
/* An answer of our own, an error's name or "OK": into `call`, or the queue, where room was checked. */
void blanket_xenstore_reply_text(struct blanket_store *store, struct store_connection *connection,
                                 struct blanket_call *call, const struct store_job *job,
                                 const char *text);
/* An answer from below; size is that of the body. */
void blanket_xenstore_reply_input(struct blanket_store *store, struct store_request *request,
                                  uint32_t type, const uint8_t *body, uint32_t size);
/* Bytes of queue that a reply to this type may take. */
uint32_t blanket_xenstore_reply_bound(uint32_t type);

#endif
