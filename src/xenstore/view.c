/* SPDX-License-Identifier: MIT */
/* Views: what an endpoint sees of the store, and what it may take of it. */
#include "xenstore.h"

struct store_view *blanket_xenstore_view_find(struct blanket_store *store, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    struct store_view *view;

    if (index >= store->limits.views) {
        return NULL;
    }
    view = &store->views[index];
    if (view->state == STORE_VIEW_FREE || view->generation != (uint32_t)(handle >> 32)) {
        return NULL;
    }
    return view;
}

void blanket_xenstore_view_wake(struct blanket_store *store, struct store_view *view)
{
    if (view->ready.next == NULL) {
        blanket_xenstore_list_push(&store->ready, &view->ready, view);
        store->ready_count++;
    }
}

void blanket_xenstore_view_rest(struct blanket_store *store, struct store_view *view)
{
    if (view->ready.next != NULL) {
        blanket_xenstore_list_remove(&view->ready);
        store->ready_count--;
    }
}

/* Bytes of the text, at most `limit`. */
static uint32_t text_size(const char *text, uint32_t limit)
{
    uint32_t i = 0;

    while (i < limit && text[i] != 0) {
        i++;
    }
    return i;
}

static int root_init(struct store_root *root, const struct blanket_store_root_spec *spec, bool raw)
{
    const uint32_t known = (1u << BLANKET_RIGHT_STORE_READ) | (1u << BLANKET_RIGHT_STORE_WRITE) |
                           (1u << BLANKET_RIGHT_STORE_WATCH);
    uint32_t size;

    root->present = 0;
    if (spec->path == NULL) {
        return 0;
    }
    size = text_size(spec->path, STORE_ROOT_SIZE);
    if (size == STORE_ROOT_SIZE || !blanket_xenstore_path_absolute(spec->path, size) ||
        (spec->rights & ~known) != 0 || (raw && size != 1)) {
        return -BLANKET_EINVAL;
    }
    root->present = 1;
    root->raw = raw;
    root->rights = spec->rights;
    root->size = size == 1 ? 0 : size;
    memcpy(root->path, spec->path, root->size);
    return 0;
}

/* What the quotas of all views may sum up to. */
static bool quotas_fit(const struct blanket_store *store,
                       const struct blanket_store_view_spec *spec)
{
    uint64_t connections = spec->connections;
    uint64_t watches = spec->watches;
    uint64_t transactions = spec->transactions;
    uint32_t i;

    for (i = 0; i < store->limits.views; i++) {
        const struct store_view *view = &store->views[i];

        if (view->state != STORE_VIEW_FREE) {
            connections += view->connection_max;
            watches += view->watch_max;
            transactions += view->transaction_max;
        }
    }
    return connections <= store->limits.connections && watches <= store->limits.watches &&
           transactions <= store->transaction_slots;
}

/* The view whose window overlaps the `count` ports from `first` on. */
static const struct store_view *window_owner(const struct blanket_store *store, uint32_t first,
                                             uint32_t count)
{
    uint32_t i;

    for (i = 0; i < store->limits.views; i++) {
        const struct store_view *view = &store->views[i];

        if (view->state != STORE_VIEW_FREE && first < view->port_first + view->port_count &&
            view->port_first < first + count) {
            return view;
        }
    }
    return NULL;
}

/* A free window of the table of ports, the first one. */
static bool window_find(const struct blanket_store *store, uint32_t count, uint32_t *first)
{
    uint32_t at = 0;

    while (count <= store->limits.ports && at <= store->limits.ports - count) {
        const struct store_view *owner = window_owner(store, at, count);

        if (owner == NULL) {
            *first = at;
            return true;
        }
        at = owner->port_first + owner->port_count;
    }
    return false;
}

static struct store_view *view_free_one(struct blanket_store *store)
{
    uint32_t i;

    for (i = 0; i < store->limits.views; i++) {
        if (store->views[i].state == STORE_VIEW_FREE && store->views[i].generation != 0xffffffffu) {
            return &store->views[i];
        }
    }
    return NULL;
}

static void view_begin(struct store_view *view, const struct blanket_store_view_spec *spec)
{
    view->generation++;
    view->state = STORE_VIEW_LIVE;
    view->cookie = spec->cookie;
    view->flags = spec->flags;
    view->port_number = spec->port_number;
    view->self_domid = spec->self_domid;
    view->peer_domid = spec->peer_domid;
    view->grant_base = spec->grant_base;
    view->connection_max = spec->connections;
    view->request_max = spec->requests;
    view->watch_max = spec->watches;
    view->transaction_max = spec->transactions;
    view->touched = 0;
    for (unsigned i = 0; (spec->flags & BLANKET_STORE_VIEW_USED) != 0 && i < BLANKET_ROOT_COUNT;
         i++) {
        if (spec->roots[i].path != NULL &&
            (spec->roots[i].rights & 1u << BLANKET_RIGHT_STORE_WRITE) != 0) {
            view->touched |= (uint8_t)(1u << i);
        }
    }
    view->close_step = STORE_CLOSE_NONE;
    view->close_busy = 0;
    memset(view->ports, 0, view->port_count * sizeof(*view->ports));
}

int blanket_store_view_add(struct blanket_store *store, const struct blanket_store_view_spec *spec,
                           uint64_t *handle)
{
    struct store_view *view = view_free_one(store);
    uint32_t ports = spec->ports;
    uint32_t first = 0;
    unsigned i;

    if ((spec->flags & ~(BLANKET_STORE_VIEW_RAW | BLANKET_STORE_VIEW_USED)) != 0 || spec->connections > 0xffffu ||
        ports > BLANKET_SLOT_INDEX_MAX + 1) {
        return -BLANKET_EINVAL;
    }
    if (ports == 0) {
        ports = blanket_xenstore_ports_default(1, spec->connections);
    }
    if (view == NULL || !quotas_fit(store, spec) || !window_find(store, ports, &first)) {
        return -BLANKET_ENOSPC;
    }
    for (i = 0; i < BLANKET_ROOT_COUNT; i++) {
        bool raw = i == BLANKET_ROOT_ALL && (spec->flags & BLANKET_STORE_VIEW_RAW) != 0;
        int status = root_init(&view->roots[i], &spec->roots[i], raw);

        if (status != 0) {
            return status;
        }
    }
    view->port_first = first;
    view->port_count = ports;
    view->ports = store->ports + first;
    view_begin(view, spec);
    *handle = blanket_handle(view->index, view->generation);
    return 0;
}

int blanket_store_view_remove(struct blanket_store *store, uint64_t handle)
{
    struct store_view *view = blanket_xenstore_view_find(store, handle);
    struct store_link *link;

    if (view == NULL) {
        return 0;
    }
    view->state = STORE_VIEW_CLOSING;
    link = view->connections.next;
    while (link != &view->connections) {
        struct store_connection *connection = link->owner;

        link = link->next;
        blanket_xenstore_connection_end(store, connection);
        blanket_xenstore_connection_settle(store, connection);
    }
    blanket_xenstore_pump(store, STORE_CALL_BUDGET);
    if (view->connection_count != 0 || view->close_step != STORE_CLOSE_NONE) {
        return -BLANKET_EBUSY;
    }
    blanket_xenstore_view_rest(store, view);
    view->state = STORE_VIEW_FREE;
    return 0;
}
