/* SPDX-License-Identifier: MIT */
/*
 * What the files of the store share. Everything lives in the arena; the store's caller locks.
 *
 * Ownership: a value and a permission list are immutable while shared and counted; a permission
 * holds a reference to the domain object itself, not to its number, so that a later domain of the
 * same number is somebody else (XSA-322, 417, 419).
 */
#ifndef BLANKET_ROOT_STORE_PRIVATE_H
#define BLANKET_ROOT_STORE_PRIVATE_H

#include "store.h"

#include <stddef.h>
#include <xen/io/xs_wire.h>

/* The protocol's errors: a space of its own, strings on the wire. */
enum store_error {
    STORE_OK,
    STORE_EINVAL,
    STORE_EACCES,
    STORE_EEXIST,
    STORE_ENOENT,
    STORE_ENOMEM,
    STORE_ENOSPC,
    STORE_ENOSYS,
    STORE_EBUSY,
    STORE_EAGAIN,
    STORE_E2BIG,
    STORE_EPERM
};

enum store_access {
    STORE_ACCESS_NONE = 0,
    STORE_ACCESS_READ = 1,
    STORE_ACCESS_WRITE = 2,
    STORE_ACCESS_OWNER = 4
};

enum {
    STORE_DOMID_LIMIT = 0x7ff0,                      /* first reserved domid, which is DOMID_SELF */
    STORE_LEVEL_MAX = XENSTORE_ABS_PATH_MAX / 2 + 1, /* components of the deepest path, and root */
    STORE_NODE_FIXED_SIZE = 16,   /* the header that xenstored counts in a node's size */
    STORE_PERMISSION_SIZE = 8,    /* likewise, a permission */
    STORE_REPLY_SMALL_SIZE = 112, /* payload that needs no memory beyond the connection's own */
    STORE_ARENA_ROWS = 28,
    STORE_ARENA_COLUMNS = 8,
    STORE_SPECIAL_COUNT = 2
};

/* In memory 4 past a multiple of 8, so that what follows the header is aligned to 8. */
struct store_block {
    uint32_t head;            /* units of 8 bytes, header included; the top bits are flags */
    struct store_block *next; /* these two only while free; a free block ends with its units, too */
    struct store_block *previous;
} __attribute__((packed, aligned(4)));

struct store_arena {
    size_t used; /* bytes in used blocks */
    size_t size; /* bytes in all blocks */
    uint32_t row_map;
    uint8_t column_map[STORE_ARENA_ROWS];
    struct store_block *free[STORE_ARENA_ROWS][STORE_ARENA_COLUMNS];
    struct store_block *first;
};

/* How many bytes a value has is what its block has room for, but for the slack. */
struct store_value {
    uint32_t references : 26; /* one a transaction at most, each of which is larger than 64 bytes */
    uint32_t slack : 6;
    uint8_t bytes[];
};

struct store_domain {
    struct store_domain *bucket_next;
    struct store_domain *target; /* whose rights it has too; counted */
    size_t memory_size;
    uint64_t references;    /* of permissions, connections, targets, and one while introduced */
    int64_t pending_nodes;  /* within a commit only */
    int64_t pending_memory; /* likewise */
    uint32_t node_count;
    uint32_t watch_count;
    uint32_t transaction_count;
    uint16_t domid;
    bool alive; /* found by its number; once false, for ever */
    bool introduced;
    bool shut_down;
};

struct store_permission {
    struct store_domain *domain;
    uint32_t access;
};

struct store_permissions {
    uint32_t references;
    uint32_t count; /* at least 1; the first names the owner and everyone's access */
    struct store_permission entries[];
};

struct store_content {
    struct store_value *value; /* NULL when empty */
    struct store_permissions *permissions;
    uint64_t generation;    /* unique to each change of anything here; never 0 */
    uint32_t children_size; /* bytes of their names, NULs included */
} __attribute__((packed, aligned(4)));

/*
 * To another node of the arena, from the node that it's in: units of 8 bytes; 0 for none. A store is made of
 * many small nodes, and half a pointer does.
 */
typedef int32_t store_link;

/* Only as large as its name needs: offsetof(name), not sizeof, is what a node without one takes. */
struct store_node {
    struct store_content content;
    store_link bucket_next;
    uint64_t hash;     /* of the whole path */
    store_link parent; /* none for a root and the special nodes */
    store_link next;
    store_link previous; /* of the first child: the last (0 is itself, then) */
    store_link first;
    uint16_t name_size;
    char name[];
};

#define STORE_NODE_SIZE offsetof(struct store_node, name)

static inline struct store_node *store_node_at(const struct store_node *from, store_link link)
{
    return link == 0 ? NULL
                     : (struct store_node *)((uintptr_t)from + (uintptr_t)(intptr_t)link * 8);
}

static inline store_link store_link_to(const struct store_node *from, const struct store_node *to)
{
    return to == NULL ? 0 : (store_link)(((intptr_t)to - (intptr_t)from) / 8);
}

static inline struct store_node *store_node_parent(const struct store_node *node)
{
    return store_node_at(node, node->parent);
}

static inline struct store_node *store_node_next(const struct store_node *node)
{
    return store_node_at(node, node->next);
}

static inline struct store_node *store_node_first(const struct store_node *node)
{
    return store_node_at(node, node->first);
}

/* The one before it, and of the first child the last. */
static inline struct store_node *store_node_before(const struct store_node *node)
{
    return (struct store_node *)((uintptr_t)node + (uintptr_t)(intptr_t)node->previous * 8);
}

/*
 * A parsed path. Its levels are in the store: level 0 is the root, level `depth` the path itself.
 */
struct store_path {
    const char *text;
    uint32_t size;
    uint32_t depth;
    uint32_t prefix_size; /* bytes of text that a relative path doesn't show */
};

struct store_level {
    uint64_t hash;
    uint32_t end; /* bytes of text up to here */
};

/* What a transaction knows of one node: what it saw first, and what it made of it. */
struct store_shadow {
    struct store_content content;
    uint64_t hash;
    uint64_t base_generation; /* 0: was absent */
    struct store_transaction *transaction;
    struct store_shadow *bucket_next;
    struct store_shadow *next;        /* in the order of first access */
    struct store_shadow *parent;      /* while added */
    struct store_shadow *added_first; /* children that this transaction created, in order */
    struct store_shadow *added_last;
    struct store_shadow *added_previous;
    struct store_shadow *added_next;
    struct store_shadow *work_next;
    struct store_shadow *work_previous;
    struct store_permissions *old_permissions; /* as first seen; NULL if absent */
    struct store_node *spare;                  /* becomes the node at commit */
    struct store_node *node;                   /* within a commit only */
    size_t charge;
    bool exists;
    bool modified;
    bool added;
    bool detached; /* the node that was there was removed; one of that name now is new */
    bool fire;
    bool fire_exact;
    uint32_t path_size;
    char path[];
};

struct store_transaction {
    struct blanket_root_store_connection *connection;
    struct store_transaction *next;
    struct store_shadow *first;
    struct store_shadow *last;
    uint64_t salt; /* mixed into hashes, so that all transactions share one table */
    uint32_t id;
    uint32_t node_count;
    int64_t owned; /* change of the nodes that the connection's own domain owns */
    size_t charge;
    bool failed; /* something in it ran out of room */
    bool stale;  /* the tree was replaced under it */
};

struct store_message {
    struct store_message *next;
    struct store_message *previous;
    struct store_watch *watch; /* of an event, NULL once the watch is gone */
    struct store_message *watch_next;
    struct store_message *watch_previous;
    struct store_message *bucket_next;
    uint64_t key;
    size_t charge;
    bool pooled; /* a reply in the connection's own room */
    bool event;
    bool own; /* the watch's own event, made with it */
    bool queued;
    bool pinned;               /* peeked: must not go away, and is as good as delivered */
    bool again;                /* the own one, while pinned: due once more */
    uint32_t capacity;         /* of the payload */
    uint32_t size;             /* header included */
    struct xsd_sockmsg header; /* followed by the payload */
    uint8_t payload[];
};

struct store_watch {
    struct blanket_root_store_connection *connection;
    struct store_watch *bucket_next;
    struct store_watch *next;
    struct store_watch *previous;
    struct store_message *own;
    struct store_message *first; /* queued events but the own one */
    uint64_t hash;
    size_t charge;
    uint32_t prefix_size; /* of the path, not shown to who asked by a relative one */
    uint32_t path_size;
    uint32_t token_size;
    bool collapsed; /* the own event stands for all, until read */
    char text[];    /* path, token; no NULs */
};

struct blanket_root_store_connection {
    struct blanket_root_store *store;
    struct blanket_root_store_connection *next;
    struct blanket_root_store_connection *previous;
    struct store_domain *domain;
    blanket_root_store_ready_fn ready;
    void *context;
    struct store_message *first;
    struct store_message *last;
    struct store_message *pool;
    struct store_watch *watches;
    struct store_watch *watches_last;
    struct store_transaction *transactions;
    uint32_t reply_count;
    uint32_t event_count;
    uint32_t next_transaction_id;
    uint64_t cursor_generation; /* where the last partial listing ended */
    uint32_t cursor_offset;
    const struct store_node *cursor_node;  /* only compared: it may be gone */
    const struct store_node *cursor_child; /* valid while the node has that generation */
};

struct blanket_root_store {
    struct blanket_root_store_limits limits;
    struct store_arena arena;
    struct store_node *root;
    struct store_node *special[STORE_SPECIAL_COUNT];
    struct store_domain *domain_zero;
    struct blanket_root_store_connection *connections;
    struct store_node **node_buckets;
    struct store_shadow **shadow_buckets;
    struct store_watch **watch_buckets;
    struct store_message **event_buckets;
    struct store_domain **domain_buckets;
    uint32_t bucket_bits;
    uint64_t generation;
    uint64_t node_count;
    uint64_t watch_count;
    struct store_level levels[STORE_LEVEL_MAX + 1];
    char path[XENSTORE_ABS_PATH_MAX + 1];
};

/* One request on its way through. */
struct store_request {
    struct blanket_root_store *store;
    struct blanket_root_store_connection *connection;
    struct store_transaction *transaction; /* NULL: the tree itself */
    struct store_message *reply;
    struct store_watch *new_watch; /* fires once its reply is queued */
    const char *body;
    uint32_t size;
};

/* A node as a request sees it. */
struct store_found {
    struct store_node *node;             /* in the tree; unused within a transaction */
    struct store_shadow *shadow;         /* within a transaction */
    const struct store_content *content; /* NULL: absent */
};

/* An event to be: where, and who may know. */
struct store_change {
    struct store_path path;
    const struct store_permissions *old_permissions; /* NULL: wasn't there */
    const struct store_permissions *new_permissions; /* NULL: isn't there */
    const struct store_permissions *parent_permissions;
    bool exact; /* only watches on this very path */
};

/* arena: NULL when there's no room; free accepts NULL. */
void blanket_root_store_arena_init(struct store_arena *arena, void *memory, size_t size);
void blanket_root_store_arena_fini(struct store_arena *arena, const void *end);
size_t blanket_root_store_arena_room(const struct store_arena *arena);
void *blanket_root_store_arena_allocate(struct store_arena *arena, size_t size);
void blanket_root_store_arena_free(struct store_arena *arena, void *memory);
/* Bytes of what was allocated, with what it has beyond what was asked for. */
size_t blanket_root_store_arena_size(const void *memory);
bool blanket_root_store_arena_check(const struct store_arena *arena);

/* path */
uint64_t blanket_root_store_path_hash(uint64_t parent, const char *name, size_t size);
uint32_t blanket_root_store_path_bucket(const struct blanket_root_store *store, uint64_t hash);
bool blanket_root_store_path_name_valid(const char *name, size_t size);
enum store_error blanket_root_store_path_parse(struct store_request *request, const char *text,
                                               bool special, struct store_path *path);
void blanket_root_store_path_load(struct blanket_root_store *store, const char *text, uint32_t size,
                                  struct store_path *path);
const char *blanket_root_store_path_level(const struct blanket_root_store *store,
                                          const struct store_path *path, uint32_t level,
                                          uint32_t *size);

/* domain */
struct store_domain *blanket_root_store_domain_find(const struct blanket_root_store *store,
                                                    uint16_t domid);
struct store_domain *blanket_root_store_domain_take(struct blanket_root_store *store,
                                                    uint16_t domid, bool make);
struct store_domain *blanket_root_store_domain_take_dead(struct blanket_root_store *store,
                                                         uint16_t domid);
void blanket_root_store_domain_release(struct blanket_root_store *store,
                                       struct store_domain *domain);
bool blanket_root_store_domain_privileged(const struct store_domain *domain);
bool blanket_root_store_domain_affords(const struct store_request *request,
                                       const struct store_domain *domain, size_t size);

/* permission */
struct store_permissions *blanket_root_store_permission_make(struct blanket_root_store *store,
                                                             uint32_t count);
struct store_permissions *blanket_root_store_permission_share(struct store_permissions *list);
void blanket_root_store_permission_drop(struct blanket_root_store *store,
                                        struct store_permissions *list);
struct store_permissions *blanket_root_store_permission_inherit(struct store_request *request,
                                                                struct store_permissions *parent);
uint32_t blanket_root_store_permission_access(
    const struct blanket_root_store_connection *connection, const struct store_permissions *list);
enum store_error blanket_root_store_permission_parse(struct store_request *request,
                                                     const char *text, uint32_t size,
                                                     struct store_permissions **list);
uint32_t blanket_root_store_permission_print(const struct store_permissions *list, char *text);
bool blanket_root_store_permission_number(const char *text, uint32_t maximum, uint32_t *number);

/* tree */
struct store_value *blanket_root_store_value_room(struct blanket_root_store *store, uint32_t size);
struct store_value *blanket_root_store_value_make(struct blanket_root_store *store,
                                                  const void *bytes, uint32_t size);
struct store_value *blanket_root_store_value_share(struct store_value *value);
void blanket_root_store_value_drop(struct blanket_root_store *store, struct store_value *value);
uint32_t blanket_root_store_value_size(const struct store_value *value);
uint32_t blanket_root_store_content_size(const struct store_content *content);
size_t blanket_root_store_content_charge(const struct store_content *content, size_t name_size);
struct store_node *blanket_root_store_tree_find(const struct blanket_root_store *store,
                                                uint64_t hash, const char *text, uint32_t size);
struct store_node *blanket_root_store_tree_child(const struct blanket_root_store *store,
                                                 const struct store_node *parent, const char *name,
                                                 uint16_t size);
struct store_node *blanket_root_store_tree_make(struct blanket_root_store *store, const char *name,
                                                uint32_t size);
void blanket_root_store_tree_discard(struct blanket_root_store *store, struct store_node *node);
void blanket_root_store_tree_link(struct blanket_root_store *store, struct store_node *parent,
                                  struct store_node *node);
void blanket_root_store_tree_append(struct store_node *parent, struct store_node *node);
void blanket_root_store_tree_detach(struct store_node *node);
void blanket_root_store_tree_unlink(struct blanket_root_store *store, struct store_node *node);
void blanket_root_store_tree_account(struct blanket_root_store *store,
                                     const struct store_node *node, bool add);
void blanket_root_store_tree_touch(struct blanket_root_store *store, struct store_node *node);
void blanket_root_store_tree_remove(struct blanket_root_store *store, struct store_node *node);
void blanket_root_store_tree_drop(struct blanket_root_store *store, struct store_node *root);
struct store_node *blanket_root_store_tree_next(const struct store_node *top,
                                                const struct store_node *node);
struct store_node *blanket_root_store_tree_after(const struct store_node *top,
                                                 const struct store_node *node);
const struct store_permissions *blanket_root_store_tree_parent_permissions(
    const struct blanket_root_store *store, const struct store_node *node);

/* view: the tree, or a transaction's idea of it */
enum store_error blanket_root_store_view_find(struct store_request *request,
                                              const struct store_path *path, uint32_t level,
                                              struct store_found *found);
enum store_error blanket_root_store_view_open(struct store_request *request,
                                              const struct store_path *path, uint32_t access,
                                              struct store_found *found);
enum store_error blanket_root_store_view_write(struct store_request *request,
                                               const struct store_path *path,
                                               const struct store_found *found, const void *bytes,
                                               uint32_t size);
enum store_error blanket_root_store_view_create(struct store_request *request,
                                                const struct store_path *path, const void *bytes,
                                                uint32_t size);
enum store_error blanket_root_store_view_remove(struct store_request *request,
                                                const struct store_path *path,
                                                const struct store_found *found);
enum store_error blanket_root_store_view_permit(struct store_request *request,
                                                const struct store_path *path,
                                                const struct store_found *found,
                                                struct store_permissions *list);

/* transaction */
enum store_error blanket_root_store_transaction_start(struct store_request *request,
                                                      struct store_transaction **transaction);
struct store_transaction *blanket_root_store_transaction_find(
    const struct blanket_root_store_connection *connection, uint32_t id);
void blanket_root_store_transaction_end(struct store_transaction *transaction);
void blanket_root_store_transaction_end_all(struct blanket_root_store_connection *connection);
enum store_error blanket_root_store_transaction_commit(struct store_request *request,
                                                       struct store_transaction *transaction);
struct store_shadow *blanket_root_store_shadow_find(const struct store_transaction *transaction,
                                                    uint64_t hash, const char *text, uint32_t size);
enum store_error blanket_root_store_shadow_open(struct store_request *request, uint64_t hash,
                                                const char *text, uint32_t size,
                                                struct store_shadow **shadow);
enum store_error blanket_root_store_shadow_remove(struct store_request *request,
                                                  struct store_shadow *top,
                                                  struct store_shadow *parent);
void blanket_root_store_shadow_create(struct store_request *request, struct store_shadow *parent,
                                      struct store_permissions *permissions,
                                      struct store_shadow *shadow);
void blanket_root_store_shadow_recharge(struct store_shadow *shadow);
bool blanket_root_store_shadow_hides(const struct store_transaction *transaction, uint64_t hash,
                                     const char *text, uint32_t size);
uint32_t blanket_root_store_shadow_join(const struct store_shadow *shadow,
                                        const struct store_node *child, char *text);

/* watch */
enum store_error blanket_root_store_watch_add(struct store_request *request,
                                              const struct store_path *path, const char *token);
enum store_error blanket_root_store_watch_remove(struct store_request *request,
                                                 const struct store_path *path, const char *token);
void blanket_root_store_watch_remove_all(struct blanket_root_store_connection *connection);
void blanket_root_store_watch_fire(struct blanket_root_store *store,
                                   const struct store_change *change);
void blanket_root_store_watch_fire_own(struct store_watch *watch);
void blanket_root_store_watch_fire_removed(struct blanket_root_store *store,
                                           const struct store_node *node);
void blanket_root_store_watch_fire_special(struct blanket_root_store *store, uint32_t index);

/* output */
bool blanket_root_store_output_init(struct blanket_root_store_connection *connection);
void blanket_root_store_output_fini(struct blanket_root_store_connection *connection);
uint8_t *blanket_root_store_output_reserve(struct store_request *request, uint32_t size);
void blanket_root_store_output_reply(struct store_request *request, uint32_t type,
                                     const struct xsd_sockmsg *header);
void blanket_root_store_output_push(struct blanket_root_store_connection *connection,
                                    struct store_message *message);
void blanket_root_store_output_drop(struct blanket_root_store_connection *connection,
                                    struct store_message *message);
void blanket_root_store_output_event(struct store_watch *watch, const char *path, uint32_t size);
bool blanket_root_store_output_own(struct store_watch *watch);
void blanket_root_store_output_forget(struct store_watch *watch);

/* request */
enum store_error blanket_root_store_request_directory(struct store_request *request);
enum store_error blanket_root_store_request_directory_part(struct store_request *request);
enum store_error blanket_root_store_request_read(struct store_request *request);
enum store_error blanket_root_store_request_write(struct store_request *request);
enum store_error blanket_root_store_request_mkdir(struct store_request *request);
enum store_error blanket_root_store_request_rm(struct store_request *request);
enum store_error blanket_root_store_request_get_permissions(struct store_request *request);
enum store_error blanket_root_store_request_set_permissions(struct store_request *request);
const char *blanket_root_store_request_only(const struct store_request *request);
uint32_t blanket_root_store_request_strings(const struct store_request *request,
                                            const char *strings[], uint32_t maximum);
enum store_error blanket_root_store_request_text(struct store_request *request, const char *text);

#endif
