/* SPDX-License-Identifier: MIT */
/*
 * The guest library: what the author of a frontend or backend calls. It names the slots that it
 * creates, batches, talks to the store, and checks what comes back: the level below isn't trusted.
 *
 * Rules of use. Memory: all of it is the caller's, nothing is allocated, there are no globals.
 * Locking: none; what hangs on one struct blanket_guest is used by one thread at a time. Callbacks are
 * made from blanket_guest_store_poll only, and may call anything here but that. Freestanding: the four
 * memory functions of env.h.
 *
 * Errors. 0 or -BLANKET_E*; functions of the store may also return a positive enum
 * blanket_guest_store_error, which is the store's own answer and never a call error. -BLANKET_EIO is
 * "lost": nothing is known, and the object that the call was about has to be ended until that says 0.
 */
#ifndef BLANKET_GUEST_H
#define BLANKET_GUEST_H

#include <blanket/below.h>
#include <blanket/errno.h>
#include <blanket/wire.h>

/* ---- Transports: how a call gets to the level below ---- */

struct blanket_transport_ops {
    uint32_t size; /* sizeof(struct blanket_transport_ops), checked at init */

    /*
     * The call form: `frame` has `size` valid bytes and room for BLANKET_FRAME_SIZE_MAX; the level
     * writes its reply over it. Returns the status of the register, whatever it was. May block.
     */
    int (*call)(void *context, void *frame, uint32_t size);

    /* The send form. Returns the status of the register. Never blocks. */
    int (*send)(void *context, uint64_t endpoint, uint64_t port);
};

struct blanket_transport {
    const struct blanket_transport_ops *ops;
    void *context;
};

/* One caller: a vCPU, or a process with its own way down. Fields are private. */
struct blanket_guest {
    struct blanket_below below;
    struct blanket_transport transport;
    void *frame;
    uint64_t claim;
    uint32_t vcpu;
    uint32_t quota;
    uint64_t items[BLANKET_ITEM_COUNT_MAX];
    uint64_t results[BLANKET_ELEMENT_COUNT_MAX];
};

BLANKET_EXTERN_C_BEGIN

/*
 * Use `transport` with the buffer `frame`: BLANKET_FRAME_SIZE_MAX bytes, aligned to 8, in memory that
 * the transport can name to the level (where that takes addresses, contiguous ones). Both must outlive
 * the guest. -BLANKET_EINVAL: ops are missing or of another version's size.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_init(struct blanket_guest *guest,
                                                      const struct blanket_transport *transport,
                                                      void *frame);

/*
 * Use a below directly, without frames: for code beside the provider that has an end of root, or any
 * code in the process that serves it. `vcpu` is passed on and must be the caller's alone.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_init_direct(struct blanket_guest *guest,
                                                             const struct blanket_below *below,
                                                             uint32_t vcpu);

/* What the guest says of its own caller in each call from now on. Attribution, never authority. */
BLANKET_API void blanket_guest_claim(struct blanket_guest *guest, uint64_t claim);

/* enum blanket_quota that the last -BLANKET_ENOSPC of the level was about; 0: there was none. */
BLANKET_API uint32_t blanket_guest_quota(const struct blanket_guest *guest);

/*
 * Any verb, by hand. `call` as struct blanket_below_ops.call has it (vcpu and claim are filled
 * in), with what came back checked: on 0 every element has a result whose status is 0 or of enum
 * blanket_errno, and reply_size <= reply_max. Interrupted calls are continued. On an error after
 * `call->done` elements, those have their results and the rest wasn't performed; with -BLANKET_EIO
 * nothing is known of the rest.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_call(struct blanket_guest *guest,
                                                      struct blanket_call *call);

/* ---- Endpoints ---- */

/* The caller's own table: what LOOKUP, EVENTS and a reset of everything go to. */
#define BLANKET_GUEST_SELF blanket_handle(0, 1)

/* What an endpoint is and holds. A reply that contradicts itself is -BLANKET_EIO. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_query(struct blanket_guest *guest,
                                                       uint64_t endpoint,
                                                       struct blanket_wire_endpoint *info);

/* An endpoint of the caller's by its name ("vbd/51712"). -BLANKET_ENOENT. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_lookup(struct blanket_guest *guest,
                                                        const char *name,
                                                        struct blanket_wire_endpoint *info);

/* After an event on BLANKET_PORT_CONTROL: the next endpoint with events. -BLANKET_ENOENT: no more. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_events(struct blanket_guest *guest,
                                                        struct blanket_wire_endpoint *info);

/* What to derive: part of `parent`, for a subdriver of the caller or to hand on. */
struct blanket_guest_derive {
    uint32_t slot;                    /* of the caller's table: a free one, not 0, at most 65535 */
    uint32_t generation;              /* newer than the last one used there; 1 at first */
    uint32_t rights;                  /* at most; ANDed with the parent's */
    uint32_t grants, mappings, ports; /* slots, carved from the parent's */
    const char *name;                 /* NULL or shorter than BLANKET_NAME_SIZE */
};

/* *endpoint on 0. -BLANKET_ENOSPC, -BLANKET_EEXIST, -BLANKET_ESTALE; -BLANKET_EIO: revoke it. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_derive(struct blanket_guest *guest,
                                                        uint64_t parent,
                                                        const struct blanket_guest_derive *derive,
                                                        uint64_t *endpoint);

/* Revoke a descendant of `parent`: dead on 0; drained is an event. -BLANKET_EPERM: it is none. */
BLANKET_API int blanket_guest_revoke(struct blanket_guest *guest, uint64_t parent,
                                     uint64_t endpoint);

/* Drop all that hangs on an endpoint (BLANKET_GUEST_SELF: on all). What a restarted caller does first. */
BLANKET_API int blanket_guest_reset(struct blanket_guest *guest, uint64_t endpoint);

/* ---- A device: an endpoint with its slots ---- */

enum blanket_guest_slot_state {
    BLANKET_GUEST_SLOT_FREE = 0,
    BLANKET_GUEST_SLOT_LIVE = 1,
    BLANKET_GUEST_SLOT_CLOSING = 2,  /* ended or lost, and not yet known to be gone */
    BLANKET_GUEST_SLOT_LOST_COPY = 3 /* as CLOSING, ended by the library when it needs the slot */
};

/* Private. A table of slots, oldest free one first, so that generations last. */
struct blanket_guest_slot {
    uint32_t generation;
    uint16_t next;
    uint16_t state;
};
struct blanket_guest_table {
    struct blanket_guest_slot *slots;
    uint32_t count;
    uint32_t free_count;
    uint16_t first, last;
};

/* One endpoint as its driver uses it. Fields may be read. */
struct blanket_guest_device {
    struct blanket_guest *guest;
    uint64_t endpoint;
    uint32_t grant_base; /* reference that the peer sees for grant 0 */
    uint32_t port_base;  /* number that an upcall names port 0 by */
    struct blanket_guest_table grants, mappings, ports;
};

/* Bytes of memory for the slots of an endpoint with these counts (`info` from lookup or query). */
BLANKET_API size_t blanket_guest_device_size(const struct blanket_wire_endpoint *info);

/*
 * Use an endpoint, from `info` (endpoint, grant_base, port_base and the three counts, of which a
 * caller may lower the latter). `memory`: of that size, aligned to 8, the caller's until the end.
 * `generation` is what the slots were last used with: 0 when nobody used them; else a number that is
 * certain to be newer (a driver that restarts keeps one, or resets the endpoint and adds 1 << 24).
 * -BLANKET_EINVAL: a count is over 65536.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_device_init(
    struct blanket_guest_device *device, struct blanket_guest *guest,
    const struct blanket_wire_endpoint *info, void *memory, uint32_t generation);

/*
 * The endpoint is drained, or was reset and nothing of it is closing any more: all slots are free
 * again, whatever they were.
 */
BLANKET_API void blanket_guest_device_drained(struct blanket_guest_device *device);

/* ---- Grants ----
 *
 * Each takes any number of elements and returns 0 when all have status 0, else the first status that
 * isn't; each element has its own. A grant, mapping or port is named by its index.
 */

struct blanket_guest_access {
    uint64_t page;  /* in: item of type FRAME or OWN_GRANT, with what the peer may do with it */
    uint32_t grant; /* out, with status 0 and -BLANKET_EIO */
    int32_t status; /* out. -BLANKET_EIO: end it until that is 0, and don't use the page before */
};
/* Let the peer have pages. -BLANKET_ENOSPC when no slot is left, in the caller's table or the level's. */
BLANKET_API int blanket_guest_grant_access(struct blanket_guest_device *device,
                                           struct blanket_guest_access *elements, uint32_t count);

/* The reference that the peer sees. */
BLANKET_API uint32_t blanket_guest_grant_reference(const struct blanket_guest_device *device,
                                                   uint32_t grant);

struct blanket_guest_end {
    uint32_t index; /* in: a grant, or a mapping */
    int32_t status; /* out. Anything but 0: not gone; the page isn't the caller's; end it again */
};
/* Take pages back. -BLANKET_EBUSY: the peer still maps it. -BLANKET_EINVAL: the slot is free. */
BLANKET_API int blanket_guest_grant_end(struct blanket_guest_device *device,
                                        struct blanket_guest_end *elements, uint32_t count);

/* *state: BLANKET_GRANT_STATE_* of one grant. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_grant_query(struct blanket_guest_device *device,
                                                             uint32_t grant, uint32_t *state);

struct blanket_guest_map {
    uint64_t frame;     /* in: the caller's frame number that shows the peer's page while mapped */
    uint32_t reference; /* in: as the peer published it */
    uint32_t access;    /* in: BLANKET_ACCESS_* */
    uint32_t mapping;   /* out, with status 0 and -BLANKET_EIO */
    int32_t status;     /* out. -BLANKET_EIO: unmap it until that is 0 */
};
/* Map the peer's pages over frames of the caller's, whose content is lost. */
BLANKET_API int blanket_guest_grant_map(struct blanket_guest_device *device,
                                        struct blanket_guest_map *elements, uint32_t count);

/* End mappings. -BLANKET_EINVAL: the slot is free. */
BLANKET_API int blanket_guest_grant_unmap(struct blanket_guest_device *device,
                                          struct blanket_guest_end *elements, uint32_t count);

struct blanket_guest_copy {
    uint64_t page; /* in: item of type FRAME or OWN_GRANT of the caller's page; access is set */
    uint32_t reference;   /* in: the peer's page */
    uint16_t peer_offset; /* in: bytes, within the page as offset and length */
    uint16_t offset;
    uint16_t length;  /* in: 1..4096 */
    uint16_t to_peer; /* in: 0 copies from the peer, 1 to it */
    int32_t status;   /* out. -BLANKET_EIO: it may or may not have happened */
    uint32_t mapping; /* private: the slot that it takes while it runs */
};
/* Copy between pages of the peer and the caller's. Needs one free mapping slot an element in flight. */
BLANKET_API int blanket_guest_grant_copy(struct blanket_guest_device *device,
                                         struct blanket_guest_copy *elements, uint32_t count);

/* ---- Event channels ---- */

/* A port that the peer can bind to. *number is how the peer names it. -BLANKET_EIO: close *port. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_port_alloc(struct blanket_guest_device *device,
                                                            uint32_t *port, uint32_t *number);

/* A port bound to the peer's, as the peer published that. -BLANKET_ENOENT; -BLANKET_EIO: close it. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_port_bind(struct blanket_guest_device *device,
                                                           uint32_t peer_port, uint32_t *port);

/* Anything but 0: not gone, close it again. -BLANKET_EINVAL: the slot is free. */
BLANKET_API int blanket_guest_port_close(struct blanket_guest_device *device, uint32_t port);

/* Signal the peer, by the send form. -BLANKET_ENOTCONN: nobody is bound. */
BLANKET_API int blanket_guest_port_send(struct blanket_guest_device *device, uint32_t port);

BLANKET_API int blanket_guest_port_mask(struct blanket_guest_device *device, uint32_t port);
/* Notifies again if one is pending. */
BLANKET_API int blanket_guest_port_unmask(struct blanket_guest_device *device, uint32_t port);
BLANKET_API int blanket_guest_port_vcpu(struct blanket_guest_device *device, uint32_t port,
                                        uint32_t vcpu);
/* *state: BLANKET_PORT_STATE_*. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_port_status(struct blanket_guest_device *device,
                                                             uint32_t port, uint32_t *state);

/* The number that upcalls name a port by, and back. -BLANKET_ENOENT: not of this device. */
BLANKET_API uint32_t blanket_guest_port_number(const struct blanket_guest_device *device,
                                               uint32_t port);
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_port_find(
    const struct blanket_guest_device *device, uint32_t number, uint32_t *port);

/* ---- The store ---- */

/* Bytes of a request's or reply's body at most (XENSTORE_PAYLOAD_MAX). */
#define BLANKET_GUEST_STORE_BODY_MAX 4096u

/* The store's own errors, in the order of xen/io/xs_wire.h; UNKNOWN is a string that isn't there. */
enum blanket_guest_store_error {
    BLANKET_GUEST_STORE_OK = 0,
    BLANKET_GUEST_STORE_EINVAL = 1,
    BLANKET_GUEST_STORE_EACCES = 2,
    BLANKET_GUEST_STORE_EEXIST = 3,
    BLANKET_GUEST_STORE_EISDIR = 4,
    BLANKET_GUEST_STORE_ENOENT = 5,
    BLANKET_GUEST_STORE_ENOMEM = 6,
    BLANKET_GUEST_STORE_ENOSPC = 7,
    BLANKET_GUEST_STORE_EIO = 8,
    BLANKET_GUEST_STORE_ENOTEMPTY = 9,
    BLANKET_GUEST_STORE_ENOSYS = 10,
    BLANKET_GUEST_STORE_EROFS = 11,
    BLANKET_GUEST_STORE_EBUSY = 12,
    BLANKET_GUEST_STORE_EAGAIN =
        13, /* at a transaction's end: somebody else was there, do it again */
    BLANKET_GUEST_STORE_EISCONN = 14,
    BLANKET_GUEST_STORE_E2BIG = 15,
    BLANKET_GUEST_STORE_EPERM = 16,
    BLANKET_GUEST_STORE_UNKNOWN = 17
};

/* "ENOENT"; "?" for what isn't in the enum. Static. */
BLANKET_API const char *blanket_guest_store_error_name(int error);

struct blanket_guest_store;

/*
 * One request to the store and its reply: the caller's, untouched from submit until it is done. The
 * first part is set by the caller, the second when done; the third is private.
 */
struct blanket_guest_request {
    uint16_t verb;        /* BLANKET_VERB_STORE_READ and so on */
    uint16_t transaction; /* of blanket_guest_store_begin, or 0 */
    uint16_t root;        /* enum blanket_store_root */
    uint16_t watch;       /* STORE_WATCH: its id */
    uint32_t type;        /* XS_* of xen/io/xs_wire.h; the verb has to allow it */
    uint32_t index;       /* STORE_WRITE_GRANT: the grant; STORE_WRITE_PORT: the port */
    const void *payload;  /* request body; copied by submit */
    uint32_t payload_size;
    uint32_t reply_max; /* room for the reply's body; 0: don't want it */
    void *reply;
    void (*done)(struct blanket_guest_request *request); /* or NULL; called by poll */
    void *context;                                       /* the caller's own */

    int32_t status;      /* 0, or a call error; -BLANKET_EOVERFLOW: reply_max was too small */
    int32_t error;       /* with status 0: enum blanket_guest_store_error */
    uint32_t reply_size; /* bytes of the reply's body */

    uint32_t id;
    uint32_t state;
    struct blanket_guest_request *next;
};

/* Whether it is done: its fields may be read, and once poll has made the call, reused. */
BLANKET_API int blanket_guest_request_done(const struct blanket_guest_request *request);

/* A watch: the caller's until unwatched. `changed` gets a path relative to the watch's root. */
struct blanket_guest_watch {
    void (*changed)(struct blanket_guest_watch *watch, const char *path);
    void *context;
    uint32_t root; /* private from here on */
    uint32_t id;
    struct blanket_guest_watch *next;
};

/* A connection to the store. Fields are private. */
struct blanket_guest_store {
    struct blanket_guest_device *device;
    int (*wait)(void *context);
    void *wait_context;
    struct blanket_guest_request *pending, *finished, **finished_end;
    struct blanket_guest_watch *watches;
    uint32_t port;
    uint32_t old_port, old; /* old: 1: old_port is being left, see reconnect */
    uint32_t next_request;
    uint32_t next_watch;
    uint32_t next_transaction;
    uint32_t garbage;
    uint32_t polling;
    uint8_t message[BLANKET_PAYLOAD_SIZE_MAX];
    uint8_t scratch[BLANKET_PAYLOAD_SIZE_MAX];
};

/*
 * Connect to the store over a port of the device. `wait`, for the blocking functions, returns 0 when an
 * event may have come and negative to give up; NULL: these try once and return -BLANKET_EAGAIN.
 * -BLANKET_EIO: disconnect until that is 0.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_connect(struct blanket_guest_store *store,
                                                               struct blanket_guest_device *device,
                                                               int (*wait)(void *context),
                                                               void *wait_context);

/* Ends it: what is pending is done with -BLANKET_ENOTCONN (callbacks now). Not 0: do it again. */
BLANKET_API int blanket_guest_store_disconnect(struct blanket_guest_store *store);

/*
 * After -BLANKET_ENOTCONN: whoever served the store is gone, or is another by now. A new connection, without
 * the watches and transactions of the old one; what was pending is done with -BLANKET_ENOTCONN (callbacks
 * now). The old one is left, by poll, once the new one is there: a device that its last connection leaves is
 * closed. So this needs a second port, and a quota of two connections. -BLANKET_ENOTCONN: nobody serves the
 * store yet, or the endpoint is broken; -BLANKET_EBUSY: the one before isn't left yet. All stays as it is
 * then: try again later. Not from callbacks.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_reconnect(
    struct blanket_guest_store *store);

/* The port whose event says: poll. */
BLANKET_API uint32_t blanket_guest_store_port(const struct blanket_guest_store *store);

/* Messages that fitted nothing: a level below that makes things up, or late replies. */
BLANKET_API uint32_t blanket_guest_store_garbage(const struct blanket_guest_store *store);

/*
 * Send a request. Not 0: it wasn't sent and won't be done; -BLANKET_EAGAIN or -BLANKET_ENOSPC: later.
 * 0: it is done now or later; `done` is called by poll either way.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_submit(
    struct blanket_guest_store *store, struct blanket_guest_request *request);

/*
 * Take what has come, and make the callbacks: after each event of the store's port, and after a submit.
 * 1: there is more, call again. From inside a callback it does nothing.
 */
BLANKET_API int blanket_guest_store_poll(struct blanket_guest_store *store);

/*
 * The blocking functions: submit, then wait and poll until it is done. Given up, the request is
 * forgotten: it may still happen. Paths are relative to `root` (enum blanket_store_root), "" is the
 * root itself. `transaction` is 0 or an open one. They may not be called from callbacks.
 */

/* The value, with a NUL after it that *size doesn't count; `size_max` includes the NUL. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_read(struct blanket_guest_store *store,
                                                            uint32_t root, uint16_t transaction,
                                                            const char *path, char *value,
                                                            uint32_t size_max, uint32_t *size);

/* A decimal number, whole and within 64 bits; the store's EINVAL if it isn't one. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_read_number(
    struct blanket_guest_store *store, uint32_t root, uint16_t transaction, const char *path,
    uint64_t *number);

/*
 * Names of the children, each with its NUL, in `names`; *size bytes in all. Any number of them, as
 * long as it fits size_max (else -BLANKET_EOVERFLOW); read in parts if need be.
 */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_directory(struct blanket_guest_store *store,
                                                                 uint32_t root,
                                                                 uint16_t transaction,
                                                                 const char *path, char *names,
                                                                 uint32_t size_max, uint32_t *size);

BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_write(struct blanket_guest_store *store,
                                                             uint32_t root, uint16_t transaction,
                                                             const char *path, const void *value,
                                                             uint32_t size);
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_write_number(
    struct blanket_guest_store *store, uint32_t root, uint16_t transaction, const char *path,
    uint64_t number);

/* Publish a grant's reference or a port's number, as the peer sees it: each level translates it. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_write_grant(
    struct blanket_guest_store *store, uint32_t root, uint16_t transaction, const char *path,
    uint32_t grant);
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_write_port(struct blanket_guest_store *store,
                                                                  uint32_t root,
                                                                  uint16_t transaction,
                                                                  const char *path, uint32_t port);

/* Remove a node with all below it. It must exist. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_remove(struct blanket_guest_store *store,
                                                              uint32_t root, uint16_t transaction,
                                                              const char *path);

/* Open a transaction; commit it (EAGAIN of the store: begin again), or abandon it. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_begin(struct blanket_guest_store *store,
                                                             uint16_t *transaction);
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_commit(struct blanket_guest_store *store,
                                                              uint16_t transaction);
BLANKET_API int blanket_guest_store_abort(struct blanket_guest_store *store, uint16_t transaction);

/* Watch a path: it fires once at first, and from then on; set `changed` and `context` before. */
BLANKET_API BLANKET_MUST_CHECK int blanket_guest_store_watch(struct blanket_guest_store *store,
                                                             struct blanket_guest_watch *watch,
                                                             uint32_t root, const char *path);
/* `path` as given to watch. After 0 no call of `changed` will follow; after an error neither. */
BLANKET_API int blanket_guest_store_unwatch(struct blanket_guest_store *store,
                                            struct blanket_guest_watch *watch, const char *path);

BLANKET_EXTERN_C_END

#endif
