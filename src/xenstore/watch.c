/* SPDX-License-Identifier: MIT */
/* Watches: each is one below, with a token of ours that finds it again. */
#include "xenstore.h"

int blanket_xenstore_watch_make(struct blanket_store *store, struct store_connection *connection,
                                uint32_t id, struct store_watch **watch, uint32_t *quota)
{
    struct store_watch *made = blanket_xenstore_list_first(&store->free_watches);

    if (blanket_xenstore_name_find(&store->watch_names, connection, id) != NULL) {
        return -BLANKET_EEXIST;
    }
    if (connection->view->watch_count >= connection->view->watch_max || made == NULL) {
        *quota = BLANKET_QUOTA_STORE_WATCHES;
        return -BLANKET_ENOSPC;
    }
    blanket_xenstore_list_remove(&made->chore);
    blanket_xenstore_name_add(&store->watch_names, &made->name, connection, id);
    blanket_xenstore_list_push(&connection->watches, &made->of_connection, made);
    connection->view->watch_count++;
    connection->busy++;
    made->connection = connection;
    made->last_size = 0;
    made->id = id;
    made->state = STORE_WATCH_WAITING;
    made->early = 0;
    made->dropped = 0;
    made->orphan = 0;
    *watch = made;
    return 0;
}

void blanket_xenstore_watch_free(struct blanket_store *store, struct store_watch *watch)
{
    blanket_xenstore_name_remove(&store->watch_names, &watch->name);
    blanket_xenstore_list_remove(&watch->of_connection);
    blanket_xenstore_list_remove(&watch->chore);
    blanket_xenstore_list_remove(&watch->pending);
    watch->connection->view->watch_count--;
    watch->connection->busy--;
    watch->generation++;
    watch->state = STORE_WATCH_FREE;
    blanket_xenstore_list_push(&store->free_watches, &watch->chore, watch);
}

void blanket_xenstore_watch_end(struct blanket_store *store, struct store_watch *watch)
{
    struct store_view *view = watch->connection->view;

    blanket_xenstore_name_remove(&store->watch_names, &watch->name);
    blanket_xenstore_list_remove(&watch->pending);
    watch->dropped = 1;
    switch (watch->state) {
    case STORE_WATCH_WAITING: /* its WATCH, if it's still in the ring, finds another generation */
    case STORE_WATCH_RENEW:
        blanket_xenstore_watch_free(store, watch);
        break;
    case STORE_WATCH_SETTING:
        watch->orphan = 1;
        break;
    case STORE_WATCH_LIVE:
        watch->state = STORE_WATCH_ENDING;
        blanket_xenstore_list_push(&view->watch_chores, &watch->chore, watch);
        blanket_xenstore_view_wake(store, view);
        break;
    default: /* ending already */
        break;
    }
}

void blanket_xenstore_watch_end_all(struct blanket_store *store,
                                    struct store_connection *connection)
{
    struct store_link *link = connection->watches.next;

    while (link != &connection->watches) {
        struct store_watch *watch = link->owner;

        link = link->next;
        blanket_xenstore_watch_end(store, watch);
    }
}

uint32_t blanket_xenstore_watch_compose(struct blanket_store *store,
                                        const struct store_watch *watch)
{
    uint8_t *body = store->message + STORE_HEADER_SIZE;

    memcpy(body, watch->path, watch->path_size);
    body[watch->path_size] = 0;
    body += watch->path_size + 1;
    blanket_xenstore_token_print(watch->generation, watch->index, body);
    body[STORE_TOKEN_SIZE] = 0;
    return watch->path_size + 1 + STORE_TOKEN_SIZE + 1;
}

uint32_t blanket_xenstore_watch_reference(const struct store_watch *watch)
{
    return (watch->generation << 16) | watch->index;
}

void blanket_xenstore_watch_fire(struct blanket_store *store, struct store_watch *watch)
{
    struct store_connection *connection = watch->connection;

    if (watch->pending.next == NULL && !watch->dropped) {
        blanket_xenstore_list_push(&connection->pending, &watch->pending, watch);
        blanket_xenstore_connection_signal(store, connection);
    }
}

void blanket_xenstore_watch_set(struct blanket_store *store, struct store_watch *watch, bool done)
{
    if (!done) {
        blanket_xenstore_watch_free(store, watch);
        return;
    }
    watch->state = STORE_WATCH_LIVE;
    if (watch->orphan) {
        blanket_xenstore_watch_end(store, watch);
    } else if (watch->early) {
        watch->early = 0;
        blanket_xenstore_watch_fire(store, watch);
    }
}

/* What is still in the queue is the same event: whoever takes it sees this change too. */
static bool repeated(const struct store_watch *watch, const uint8_t *path, uint32_t size)
{
    const struct store_ring *queue = &watch->connection->queue;
    uint32_t age = queue->total - watch->last; /* bytes from its start to the end of the queue */

    return watch->last_size == size && age <= queue->used && age >= STORE_HEADER_SIZE + size &&
           blanket_xenstore_ring_equal(queue, queue->used - age + STORE_HEADER_SIZE, path, size);
}

/* Events leave room for a whole reply: a caller that doesn't receive can still ask. */
static bool event_room(const struct store_connection *connection, uint32_t size)
{
    uint32_t kept = connection->reserved;

    if (kept < STORE_MESSAGE_MAX) {
        kept = STORE_MESSAGE_MAX;
    }
    return connection->queue.used + kept + STORE_HEADER_SIZE + size <= connection->queue.size;
}

/* `path` with its NUL, in the caller's terms. */
static void give(struct blanket_store *store, struct store_watch *watch, const uint8_t *path,
                 uint32_t size)
{
    struct store_connection *connection = watch->connection;
    struct xsd_sockmsg header;

    if (watch->pending.next != NULL || repeated(watch, path, size)) {
        return;
    }
    if (!event_room(connection, size)) {
        blanket_xenstore_watch_fire(store, watch);
        return;
    }
    header.type = XS_WATCH_EVENT;
    header.req_id = watch->id;
    header.tx_id = blanket_xenstore_watch_reference(watch); /* zero when it's received */
    header.len = size;
    watch->last = connection->queue.total;
    watch->last_size = size;
    blanket_xenstore_ring_put(&connection->queue, &header, sizeof(header));
    blanket_xenstore_ring_put(&connection->queue, path, size);
    blanket_xenstore_connection_signal(store, connection);
}

/* The path is the watch's own or below it. */
static bool covers(const struct store_watch *watch, const uint8_t *path, uint32_t size)
{
    uint32_t own = watch->path_size;

    if (size < own || memcmp(path, watch->path, own) != 0) {
        return false;
    }
    return size == own || path[own] == '/' || (own == 1 && path[0] == '/');
}

/* The watch that a token names, if it's one that takes events. */
static struct store_watch *find(struct blanket_store *store, const uint8_t *token, uint32_t size)
{
    uint32_t generation = 0;
    uint32_t index = 0;
    struct store_watch *watch;

    if (!blanket_xenstore_token_parse(token, size, &generation, &index) ||
        index >= store->limits.watches) {
        return NULL;
    }
    watch = &store->watches[index];
    if (watch->generation != generation || watch->dropped || watch->state < STORE_WATCH_SETTING ||
        watch->state > STORE_WATCH_RENEW) {
        return NULL;
    }
    return watch;
}

void blanket_xenstore_watch_input(struct blanket_store *store, const uint8_t *body, uint32_t size)
{
    uint32_t path_size = blanket_xenstore_path_size(body, size);
    uint32_t token_size;
    struct store_watch *watch;
    uint32_t skip;

    if (path_size + 1 >= size || body[size - 1] != 0) {
        return;
    }
    token_size = size - path_size - 2;
    watch = find(store, body + path_size + 1, token_size);
    if (watch == NULL || !covers(watch, body, path_size)) {
        return;
    }
    skip = watch->prefix < path_size ? watch->prefix : path_size;
    if (!watch->raw && (!blanket_xenstore_path_legal(body + skip, path_size - skip) ||
                        blanket_xenstore_path_hidden(body + skip, path_size - skip))) {
        return;
    }
    if (watch->state == STORE_WATCH_SETTING) {
        watch->early = 1; /* the answer to WATCH first: then it fires */
        return;
    }
    give(store, watch, body + skip, path_size - skip + 1);
}
