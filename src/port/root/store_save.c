/* SPDX-License-Identifier: MIT */
/*
 * Saving and restoring the nodes.
 *
 * The stream, little-endian, version 1:
 *   "BKTSTORE", u32 version, u32 0, u64 generation of the store
 *   a record a node: the special ones, then the tree, parents first:
 *     u32 depth (0: special; 1: the root; a child's is its parent's + 1)
 *     u16 name size, u16 permission count, u32 value size, u64 generation
 *     name; permissions (u16 domid, u8 access, u8 1 if the domain is gone); value
 *   u32 0xffffffff, u64 checksum of all before it
 *
 * Restoring builds a second tree in the same memory and puts it in the place of the first when
 * everything has been checked.
 */
#include "store_private.h"

enum {
    VERSION = 1,
    RECORD_SIZE = 20,
    HEAD_SIZE = 24
};

static const uint32_t end_mark = 0xffffffffu;
static const char magic[8] = {'B', 'K', 'T', 'S', 'T', 'O', 'R', 'E'};

/* A stream being written or read; the first error ends it. */
struct stream {
    blanket_root_store_write_fn write;
    blanket_root_store_read_fn read;
    void *context;
    uint64_t checksum;
    int error;
};

static void stream_sum(struct stream *stream, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++) {
        stream->checksum = (stream->checksum ^ byte[i]) * 0x100000001b3u;
    }
}

static void stream_put(struct stream *stream, const void *bytes, size_t size)
{
    if (stream->error == 0 && size != 0) {
        stream_sum(stream, bytes, size);
        stream->error = stream->write(stream->context, bytes, size);
    }
}

static bool stream_get(struct stream *stream, void *bytes, size_t size)
{
    if (stream->error == 0 && size != 0) {
        stream->error = stream->read(stream->context, bytes, size);
        if (stream->error == 0) {
            stream_sum(stream, bytes, size);
        }
    }
    return stream->error == 0;
}

static void put_number(uint8_t *bytes, uint64_t number, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t get_number(const uint8_t *bytes, uint32_t size)
{
    uint64_t number = 0;

    for (uint32_t i = 0; i < size; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

static void node_save(struct stream *stream, const struct store_node *node, uint32_t depth)
{
    const struct store_permissions *list = node->content.permissions;
    uint8_t record[RECORD_SIZE];

    put_number(record, depth, 4);
    put_number(record + 4, node->name_size, 2);
    put_number(record + 6, list->count, 2);
    put_number(record + 8, blanket_root_store_value_size(node->content.value), 4);
    put_number(record + 12, node->content.generation, 8);
    stream_put(stream, record, sizeof(record));
    stream_put(stream, node->name, node->name_size);
    for (uint32_t i = 0; i < list->count; i++) {
        put_number(record, list->entries[i].domain->domid, 2);
        record[2] = (uint8_t)list->entries[i].access;
        record[3] = !list->entries[i].domain->alive;
        stream_put(stream, record, 4);
    }
    if (node->content.value != NULL) {
        stream_put(stream, node->content.value->bytes,
                   blanket_root_store_value_size(node->content.value));
    }
}

int blanket_root_store_save(const struct blanket_root_store *store,
                            blanket_root_store_write_fn write, void *context)
{
    struct stream stream = {.write = write, .context = context};
    const struct store_node *node = store->root;
    uint32_t depth = 1;
    uint8_t bytes[HEAD_SIZE];

    memcpy(bytes, magic, sizeof(magic));
    put_number(bytes + 8, VERSION, 4);
    put_number(bytes + 12, 0, 4);
    put_number(bytes + 16, store->generation, 8);
    stream_put(&stream, bytes, HEAD_SIZE);
    for (uint32_t i = 0; i < STORE_SPECIAL_COUNT; i++) {
        node_save(&stream, store->special[i], 0);
    }
    while (node != NULL && stream.error == 0) {
        node_save(&stream, node, depth);
        if (node->first != 0) {
            node = store_node_first(node);
            depth++;
            continue;
        }
        while (node != NULL && node->next == 0) {
            node = store_node_parent(node);
            depth--;
        }
        node = node != NULL ? store_node_next(node) : NULL;
    }
    put_number(bytes, end_mark, 4);
    stream_put(&stream, bytes, 4);
    put_number(bytes, stream.checksum, 8);
    stream_put(&stream, bytes, 8);
    return stream.error;
}

/* A tree being built beside the store's own. */
struct restoring {
    struct blanket_root_store *store;
    struct stream stream;
    struct store_node *special[STORE_SPECIAL_COUNT];
    struct store_node *root;
    struct store_node *last;
    uint32_t last_depth;
    uint32_t path_size; /* of last */
    uint64_t generation;
};

/* A permission's domain: the one of that number, made if need be, or one that is gone. */
static bool permission_restore(struct restoring *restoring, struct store_permission *entry,
                               bool owner)
{
    uint8_t bytes[4];
    uint16_t domid;

    if (!stream_get(&restoring->stream, bytes, sizeof(bytes))) {
        return false;
    }
    domid = (uint16_t)get_number(bytes, 2);
    if (bytes[2] > (STORE_ACCESS_READ | STORE_ACCESS_WRITE) || bytes[3] > 1 ||
        (bytes[3] == 0 && domid >= STORE_DOMID_LIMIT) || (bytes[3] == 1 && owner)) {
        restoring->stream.error = -BLANKET_EINVAL;
        return false;
    }
    entry->access = bytes[2];
    entry->domain = bytes[3] == 1 ? blanket_root_store_domain_take_dead(restoring->store, domid)
                                  : blanket_root_store_domain_take(restoring->store, domid, true);
    if (entry->domain == NULL) {
        restoring->stream.error = -BLANKET_ENOMEM;
    }
    return entry->domain != NULL;
}

/* Fills a node's content, after its name, from the stream. The caller discards it on failure. */
static bool content_restore(struct restoring *restoring, struct store_node *node,
                            const uint8_t *record)
{
    struct blanket_root_store *store = restoring->store;
    uint32_t count = (uint32_t)get_number(record + 6, 2);
    uint32_t size = (uint32_t)get_number(record + 8, 4);
    struct store_permissions *list = blanket_root_store_permission_make(store, count);

    node->content.generation = get_number(record + 12, 8);
    node->content.permissions = list;
    if (list == NULL) {
        restoring->stream.error = -BLANKET_ENOMEM;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!permission_restore(restoring, &list->entries[i], i == 0)) {
            return false;
        }
    }
    if (size == 0) {
        return true;
    }
    node->content.value = blanket_root_store_value_room(store, size);
    if (node->content.value == NULL) {
        restoring->stream.error = -BLANKET_ENOMEM;
        return false;
    }
    return stream_get(&restoring->stream, node->content.value->bytes, size);
}

/* Where a node goes, by its depth and name; false if it can't be there. */
static bool node_place(struct restoring *restoring, struct store_node *node, uint32_t depth)
{
    struct blanket_root_store *store = restoring->store;
    struct store_node *parent = restoring->last;

    if (depth <= 1) {
        blanket_root_store_tree_account(store, node, true);
        node->hash = store->limits.hash_seed;
        if (depth == 1) {
            restoring->root = node;
            restoring->path_size = 0;
            return true;
        }
        restoring->special[restoring->special[0] != NULL] = node;
        return true;
    }
    for (; restoring->last_depth >= depth; restoring->last_depth--) {
        restoring->path_size -= parent->name_size + 1u;
        parent = store_node_parent(parent);
    }
    restoring->last = parent;
    restoring->path_size += node->name_size + 1u;
    if (restoring->path_size > store->limits.path_absolute_size ||
        blanket_root_store_tree_child(store, parent, node->name, node->name_size) != NULL) {
        restoring->path_size -= node->name_size + 1u;
        return false;
    }
    node->hash = blanket_root_store_path_hash(parent->hash, node->name, node->name_size);
    blanket_root_store_tree_link(store, parent, node);
    return true;
}

static bool name_restorable(const struct restoring *restoring, const char *name, uint32_t size,
                            uint32_t depth)
{
    const struct store_node *special;

    if (depth == 1) {
        return size == 0;
    }
    if (depth > 1) {
        return blanket_root_store_path_name_valid(name, size);
    }
    special = restoring->store->special[restoring->special[0] != NULL];
    return size == special->name_size && memcmp(name, special->name, size) == 0;
}

/* Whether a record's numbers can be, before anything is allocated by them. */
static bool record_valid(const struct restoring *restoring, const uint8_t *record)
{
    uint32_t depth = (uint32_t)get_number(record, 4);
    uint64_t generation = get_number(record + 12, 8);
    bool place = depth == 0   ? restoring->special[1] == NULL
                 : depth == 1 ? restoring->special[1] != NULL && restoring->root == NULL
                              : restoring->root != NULL && depth <= restoring->last_depth + 1;

    return place && get_number(record + 4, 2) <= XENSTORE_ABS_PATH_MAX &&
           get_number(record + 6, 2) > 0 && get_number(record + 8, 4) <= XENSTORE_PAYLOAD_MAX &&
           generation != 0 && generation <= restoring->generation;
}

static bool node_restore(struct restoring *restoring, const uint8_t *record)
{
    struct blanket_root_store *store = restoring->store;
    uint32_t depth = (uint32_t)get_number(record, 4);
    uint32_t size = (uint32_t)get_number(record + 4, 2);
    char name[XENSTORE_ABS_PATH_MAX];
    struct store_node *node;

    if (!record_valid(restoring, record)) {
        restoring->stream.error = -BLANKET_EINVAL;
        return false;
    }
    if (!stream_get(&restoring->stream, name, size)) {
        return false;
    }
    if (!name_restorable(restoring, name, size, depth)) {
        restoring->stream.error = -BLANKET_EINVAL;
        return false;
    }
    node = blanket_root_store_tree_make(store, name, size);
    if (node == NULL) {
        restoring->stream.error = -BLANKET_ENOMEM;
        return false;
    }
    if (!content_restore(restoring, node, record)) {
        /* A list cut short has entries without domains: dropping those does nothing. */
        blanket_root_store_tree_discard(store, node);
        return false;
    }
    if (!node_place(restoring, node, depth)) {
        blanket_root_store_tree_discard(store, node);
        restoring->stream.error = -BLANKET_EINVAL;
        return false;
    }
    if (depth > 0) {
        restoring->last = node;
        restoring->last_depth = depth;
    }
    return true;
}

/* Reads the whole stream into a tree of its own; false leaves what there is of it to drop. */
static bool tree_restore(struct restoring *restoring)
{
    struct stream *stream = &restoring->stream;
    uint8_t bytes[HEAD_SIZE];
    uint64_t checksum;

    if (!stream_get(stream, bytes, HEAD_SIZE)) {
        return false;
    }
    restoring->generation = get_number(bytes + 16, 8);
    if (memcmp(bytes, magic, sizeof(magic)) != 0 || get_number(bytes + 8, 4) != VERSION ||
        get_number(bytes + 12, 4) != 0 || restoring->generation > UINT64_MAX / 2) {
        stream->error = -BLANKET_EINVAL;
        return false;
    }
    while (stream_get(stream, bytes, 4) && get_number(bytes, 4) != end_mark) {
        if (!stream_get(stream, bytes + 4, RECORD_SIZE - 4) || !node_restore(restoring, bytes)) {
            return false;
        }
    }
    checksum = stream->checksum;
    if (stream_get(stream, bytes, 8) &&
        (get_number(bytes, 8) != checksum || restoring->root == NULL)) {
        stream->error = -BLANKET_EINVAL;
    }
    return stream->error == 0;
}

static void special_drop(struct blanket_root_store *store, struct store_node *node)
{
    if (node != NULL) {
        blanket_root_store_tree_account(store, node, false);
        blanket_root_store_tree_discard(store, node);
    }
}

/* What connections had open is about nodes that are gone. */
static void connections_refresh(struct blanket_root_store *store)
{
    struct blanket_root_store_connection *connection = store->connections;

    for (; connection != NULL; connection = connection->next) {
        struct store_transaction *transaction = connection->transactions;
        struct store_watch *watch = connection->watches;

        connection->cursor_node = NULL;
        for (; transaction != NULL; transaction = transaction->next) {
            transaction->stale = true;
        }
        for (; watch != NULL; watch = watch->next) {
            blanket_root_store_watch_fire_own(watch);
        }
    }
}

int blanket_root_store_restore(struct blanket_root_store *store, blanket_root_store_read_fn read,
                               void *context)
{
    struct restoring restoring = {.store = store, .stream = {.read = read, .context = context}};
    bool good = tree_restore(&restoring);

    for (uint32_t i = 0; i < STORE_SPECIAL_COUNT; i++) {
        special_drop(store, good ? store->special[i] : restoring.special[i]);
        store->special[i] = good ? restoring.special[i] : store->special[i];
    }
    if (good) {
        blanket_root_store_tree_drop(store, store->root);
        store->root = restoring.root;
        store->generation = restoring.generation;
        connections_refresh(store);
    } else if (restoring.root != NULL) {
        blanket_root_store_tree_drop(store, restoring.root);
    }
    return restoring.stream.error;
}
