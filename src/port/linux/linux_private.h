/* SPDX-License-Identifier: MIT */
/*
 * The door's insides. Tables, pages, ports and the broker are protected by door->lock and are served with
 * it held. What is marked "owner's" belongs to the thread that owns the door: create, process, scan,
 * device_add, device_remove and destroy.
 */
#ifndef BLANKET_LINUX_PRIVATE_H
#define BLANKET_LINUX_PRIVATE_H

#include <blanket/below_slot.h>
#include <blanket/port/linux.h>

#include <pthread.h>
#include <sys/types.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define LINUX_PAGE_SIZE 4096u
#define LINUX_DOMID_MAX 0x7fefu
#define LINUX_PATH_SIZE 256u /* of a directory in the store, with its NUL */
#define LINUX_MESSAGE_MAX (16u + 4096u)
#define LINUX_UNKNOWN 0xffffffffu

/* Who has something to read (or room to write): bits, as the descriptor that all hang on says. */
enum linux_source {
    LINUX_WAKE = 1,
    LINUX_TIMER = 2,
    LINUX_STORE = 4,
    LINUX_ADMIN = 8,
    LINUX_CHANNELS = 16
};

/* In a table by its key. */
struct linux_node {
    uint64_t key;
    struct linux_node *next;
};

struct linux_table {
    struct linux_node **buckets;
    uint32_t bits;
};

struct linux_grant {
    struct linux_node node; /* by frame, while it is in the frame's place */
    struct blanket_below_slot slot;
    uint8_t *place; /* address of the frame, while LIVE */
    uint8_t *
        page; /* the window's page, while it isn't in a frame's place; NULL: its reference isn't ours now */
};

struct linux_mapping {
    struct linux_node node; /* by frame */
    struct blanket_below_slot slot;
    uint8_t *place;
    uint64_t offset; /* gntdev's name for it */
};

struct linux_port {
    struct linux_node node; /* by number, if it is a channel */
    struct blanket_below_slot slot;
    struct linux_port *next; /* in the list of those with an event of the store's */
    struct linux_end *end;
    uint8_t kind; /* BLANKET_PORT_STATE_* */
    bool queued;
};

struct linux_end {
    struct blanket_linux *door;
    struct blanket_linux_sink sink;
    char name[BLANKET_NAME_SIZE];
    uint64_t handle;
    uint64_t view; /* 0: it has none */
    uint32_t flags;
    uint32_t frontend_domid; /* of a backend's end */
    uint32_t peer_domid;
    uint32_t event_base;
    uint32_t grant_base;
    uint32_t grant_count, mapping_count, port_count;
    uint32_t grant_notify, map_notify;
    bool dead;
    struct linux_grant *grants;
    struct linux_mapping *mappings;
    struct linux_port *ports;
};

/* A place for an end; its generation outlives it. */
struct linux_place {
    struct linux_end *end;
    uint32_t generation;
};

/* xenstore's protocol on a descriptor that doesn't block. */
struct linux_wire {
    int fd; /* -1: not connected */
    bool socket;
    uint32_t out_size, out_done; /* of a message that isn't all written yet */
    uint32_t in_size; /* of a message that isn't all read yet, or (in_whole) is handed out */
    bool in_whole;
    uint8_t out[LINUX_MESSAGE_MAX];
    uint8_t in[LINUX_MESSAGE_MAX];
};

struct blanket_linux {
    pthread_mutex_t lock;
    struct blanket_linux_config config;
    char *store_path;
    pid_t process; /* that created it */
    char fault[BLANKET_LINUX_FAULT_SIZE];
    char fault_shown[BLANKET_LINUX_FAULT_SIZE]; /* owner's */

    xengntshr_handle *shares;   /* NULL: not wanted */
    xengnttab_handle *mapper;   /* likewise */
    xenevtchn_handle *channels; /* likewise */
    xencall_handle *calls;      /* NULL: the process may not */
    int epoll, wake, timer;
    uint32_t ready; /* owner's: enum linux_source, while it processes */
    uint32_t domid;
    char home[LINUX_PATH_SIZE];

    struct linux_place *places;
    struct linux_table frames;                    /* that show another page: grants and mappings */
    struct linux_table numbers;                   /* ports of /dev/xen/evtchn */
    uint32_t grant_room, mapping_room, port_room; /* not carved to ends yet */
    uint32_t renew_depth; /* of the last deep look for a reference that comes back */
    int64_t renew_next;   /* second of the next */
    uint8_t bounce[LINUX_PAGE_SIZE];

    struct linux_wire store; /* the engine's */
    struct blanket_store *engine;
    void *engine_memory;
    bool blocked;               /* the engine waits to be told that it may send */
    bool lost;                  /* no connection, or a broken one: a new one is due */
    struct linux_port *pending; /* with an event of the store's */

    struct linux_wire admin; /* owner's: the door's own requests */
    uint32_t admin_request;
    bool watching;
    bool changed;
    struct blanket_linux_stats stats;
};

/* fault.c: what went wrong, for people; and errno as ours. */
int blanket_linux_status(int error);
__attribute__((format(printf, 2, 3))) void blanket_linux_note(struct blanket_linux *door,
                                                              const char *format, ...);
/* `what` (a node, mostly) failed with `error` (errno): noted with what to do; the status. */
int blanket_linux_fail(struct blanket_linux *door, const char *what, int error);

/* table.c */
int blanket_linux_table_init(struct linux_table *table, uint32_t count);
void blanket_linux_table_fini(struct linux_table *table);
void blanket_linux_table_add(struct linux_table *table, struct linux_node *node, uint64_t key);
void blanket_linux_table_remove(struct linux_table *table, struct linux_node *node);
struct linux_node *blanket_linux_table_find(const struct linux_table *table, uint64_t key);

/* window.c: pages of gntalloc whose references follow each other. */
int blanket_linux_window_make(struct blanket_linux *door, struct linux_end *end);
void blanket_linux_window_drop(struct blanket_linux *door, struct linux_end *end);
/* The page of a closing slot's reference, again; 0, or -BLANKET_EBUSY: it isn't free. */
int blanket_linux_window_renew(struct blanket_linux *door, struct linux_end *end, uint32_t index);

/* place.c: what a frame's address shows. */
uint8_t *blanket_linux_place_find(struct blanket_linux *door, uint64_t frame);
int blanket_linux_place_restore(struct blanket_linux *door, uint64_t frame, uint8_t *place,
                                const uint8_t *content);

/* gntdev.c: the one thing that libxengnttab can't: map at a given address. errno on -1. */
int blanket_linux_gntdev_map(int fd, uint32_t domid, uint32_t reference, int protection,
                             void *address, uint64_t *offset);
int blanket_linux_gntdev_notify(int fd, uint64_t offset, uint32_t byte);
int blanket_linux_gntdev_forget(int fd, uint64_t offset);

/* grant.c, mapping.c, evtchn.c: serve one element and return its result. */
uint64_t blanket_linux_grant_access(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_grant_end(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_grant_query(struct linux_end *end, const uint64_t *items);
void blanket_linux_grant_kill(struct linux_end *end, struct linux_grant *grant);
uint64_t blanket_linux_mapping_map(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_mapping_unmap(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_mapping_copy(struct linux_end *end, const uint64_t *items);
void blanket_linux_mapping_undo(struct linux_end *end, struct linux_mapping *mapping);
uint64_t blanket_linux_port_alloc(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_port_bind(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_port_close(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_port_status(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_port_send(struct linux_end *end, const uint64_t *items);
uint64_t blanket_linux_port_slot(struct linux_end *end, uint64_t item, struct linux_port **port);
void blanket_linux_port_fill(struct linux_port *port, uint64_t item, unsigned kind);
void blanket_linux_port_free(struct linux_port *port);
/* The next event of /dev/xen/evtchn: 1 and its port, or (of nobody's port) NULL; 0: there is none. */
int blanket_linux_port_take(struct blanket_linux *door, struct linux_port **port);

/* wire.c: 0, or a status; -BLANKET_ENOTCONN: the connection is broken. */
int blanket_linux_wire_open(struct linux_wire *wire, const char *path);
void blanket_linux_wire_close(struct linux_wire *wire);
int blanket_linux_wire_send(struct linux_wire *wire, const void *message, uint32_t size);
int blanket_linux_wire_flush(struct linux_wire *wire);
/* 1: a whole message, valid until the next call; 0: not yet. */
int blanket_linux_wire_receive(struct linux_wire *wire, const uint8_t **message, uint32_t *size);
const char *blanket_linux_wire_path(const char *wanted);

/* broker.c: the engine on its wire. */
int blanket_linux_broker_init(struct blanket_linux *door);
void blanket_linux_broker_fini(struct blanket_linux *door);
int blanket_linux_broker_view(struct linux_end *end, const struct blanket_linux_device *device,
                              const char *own, const char *other);
int blanket_linux_broker_call(struct linux_end *end, struct blanket_call *call);
/* What came from the store, and a new connection if one is due. */
int blanket_linux_broker_process(struct blanket_linux *door);

/* connection.c: STORE verbs. */
int blanket_linux_connection_call(struct linux_end *end, struct blanket_call *call);

/* admin.c: the door's own requests; owner's. They block, ten seconds at most for each answer. */
int blanket_linux_admin_open(struct blanket_linux *door);
void blanket_linux_admin_close(struct blanket_linux *door);
/* A value, or (directory) names each with its NUL; with a NUL more. */
int blanket_linux_admin_read(struct blanket_linux *door, const char *path, char *value,
                             uint32_t size_max);
int blanket_linux_admin_list(struct blanket_linux *door, const char *path, char *names,
                             uint32_t size_max, uint32_t *size);
int blanket_linux_admin_write(struct blanket_linux *door, const char *path, const char *value);
int blanket_linux_admin_remove(struct blanket_linux *door, const char *path);
void blanket_linux_admin_process(struct blanket_linux *door);

/* takeover.c; owner's: what a frontend that died has left in the store. Blocks. */
int blanket_linux_takeover(struct blanket_linux *door, const char *own, const char *other);

/* device.c */
struct linux_end *blanket_linux_end_find(const struct blanket_linux *door, uint64_t handle);
void blanket_linux_end_kill(struct linux_end *end);
void blanket_linux_end_free(struct linux_end *end);

/* door.c: the descriptor that all others hang on. */
int blanket_linux_listen(struct blanket_linux *door, int fd, enum linux_source source);
/* Also (or no more) for room to write to the store. */
void blanket_linux_listen_writable(struct blanket_linux *door, bool writable);

#endif
