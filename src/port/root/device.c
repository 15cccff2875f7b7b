/* SPDX-License-Identifier: MIT */
/*
 * Devices: a frontend's and a backend's end, made and taken down together.
 */
#include "root_private.h"

#define TABLE_MAX (BLANKET_SLOT_INDEX_MAX + 1u)

/* Quotas of an end that sees the whole store: what xenstored gives a domain. */
#define STORE_END_REQUESTS 20u
#define STORE_END_WATCHES 128u
#define STORE_END_TRANSACTIONS 10u

/* One path component, in lower case as device classes are: it stands in names and in the store. */
static bool type_valid(const char *type)
{
    size_t i;

    /* "type/handle" with a handle of ten digits fits an endpoint's name. */
    for (i = 0; type[i]; i++) {
        char c = type[i];

        if (i >= BLANKET_NAME_SIZE - 12 ||
            !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return i > 0;
}

static bool device_valid(const struct blanket_root_device *device)
{
    return device->frontend_domid <= ROOT_DOMID_MAX && device->backend_domid <= ROOT_DOMID_MAX &&
           device->type && type_valid(device->type) && device->grants <= TABLE_MAX &&
           device->mappings <= TABLE_MAX && device->ports <= TABLE_MAX;
}

static bool device_exists(const struct blanket_root *root, const struct blanket_root_device *device)
{
    uint32_t i;

    for (i = 0; i < root->place_count; i++) {
        const struct root_end *end = root->places[i].end;

        if (end && end->peer && end == &end->device->ends[0] &&
            end->owner_domid == device->frontend_domid && end->device->handle == device->handle &&
            strcmp(end->device->type, device->type) == 0) {
            return true;
        }
    }
    return false;
}

static void device_free(struct blanket_root *root, struct root_device *device)
{
    uint32_t i;

    for (i = 0; i < device->end_count; i++) {
        if (device->ends[i].handle) {
            blanket_root_broker_close(root, &device->ends[i]);
            blanket_root_domain_leave(root, &device->ends[i]);
            blanket_root_end_fini(root, &device->ends[i]);
        }
    }
    root->device_count--;
    blanket_root_release(root, device, 1, sizeof(*device));
}

static int device_make(struct blanket_root *root, struct root_device **made)
{
    if (root->device_count >= root->limits.devices) {
        return -BLANKET_ENOSPC;
    }
    *made = (struct root_device *)blanket_root_allocate(root, 1, sizeof(**made));
    if (!*made) {
        return -BLANKET_ENOMEM;
    }
    root->device_count++;
    return 0;
}

/* The scope of an end: who shares its peer's numbers (DESIGN law 0). */
static uint64_t scope_of(const struct blanket_root *root, const struct root_end *end)
{
    if (root->scoping == BLANKET_ROOT_SCOPE_ENDPOINT) {
        return end->handle;
    }
    return 1ull << 63 | (uint64_t)end->owner_domid << 32 | end->peer_domid; /* never 0 */
}

static void end_describe(const struct blanket_root *root, const struct root_end *end,
                         struct blanket_root_end *out)
{
    if (out) {
        out->endpoint = end->handle;
        out->scope = scope_of(root, end);
        out->grant_base = end->references.first;
        out->grants = end->references.count;
        out->mappings = end->mapping_count;
        out->ports = end->numbers.count;
    }
}

static int end_make(struct blanket_root *root, struct root_end *end,
                    const struct blanket_root_device *quotas)
{
    int status;

    if (quotas->connections != 0) {
        end->store_share.watches = quotas->watches;
        end->store_share.transactions = quotas->transactions;
    }
    status = blanket_root_domain_enter(root, end);
    if (status) {
        return status;
    }
    status = blanket_root_end_init(root, end, quotas);
    if (status) {
        blanket_root_domain_leave(root, end);
    }
    return status;
}

/* An end sees its own directory with all rights, and its peer's to read and watch. */
static int end_view(struct blanket_root *root, struct root_end *end,
                    const struct blanket_root_device *quotas)
{
    const uint32_t look = 1u << BLANKET_RIGHT_STORE_READ | 1u << BLANKET_RIGHT_STORE_WATCH;
    const uint32_t all = look | 1u << BLANKET_RIGHT_STORE_WRITE;
    struct blanket_store_root_spec roots[BLANKET_ROOT_COUNT] = {{NULL, 0}};
    bool is_backend = end == &end->device->ends[1];
    char frontend[ROOT_PATH_SIZE];
    char backend[ROOT_PATH_SIZE];

    blanket_root_toolstack_device_path(end->device, false, frontend);
    blanket_root_toolstack_device_path(end->device, true, backend);
    roots[BLANKET_ROOT_FRONTEND].path = frontend;
    roots[BLANKET_ROOT_FRONTEND].rights = is_backend ? look : all;
    roots[BLANKET_ROOT_BACKEND].path = backend;
    roots[BLANKET_ROOT_BACKEND].rights = is_backend ? all : look;
    return blanket_root_broker_open(root, end, quotas, roots, 0);
}

static int device_build(struct blanket_root *root, struct root_device *made,
                        const struct blanket_root_device *device)
{
    struct root_end *frontend = &made->ends[0];
    struct root_end *backend = &made->ends[1];
    int status;

    made->end_count = 2;
    memcpy(made->type, device->type, strlen(device->type) + 1);
    made->handle = device->handle;
    frontend->device = made;
    frontend->peer = backend;
    frontend->owner_domid = device->frontend_domid;
    frontend->peer_domid = device->backend_domid;
    backend->device = made;
    backend->peer = frontend;
    backend->owner_domid = device->backend_domid;
    backend->peer_domid = device->frontend_domid;
    status = end_make(root, frontend, device);
    status = status ? status : end_make(root, backend, device);
    status = status ? status : end_view(root, frontend, device);
    status = status ? status : end_view(root, backend, device);
    return status;
}

int blanket_root_device_add(struct blanket_root *root, const struct blanket_root_device *device,
                            const struct blanket_root_sink *frontend_sink,
                            uint32_t frontend_event_base,
                            const struct blanket_root_sink *backend_sink,
                            uint32_t backend_event_base, struct blanket_root_end *frontend,
                            struct blanket_root_end *backend)
{
    struct root_device *made;
    int status;

    if (!device_valid(device)) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&root->lock);
    status = device_exists(root, device) ? -BLANKET_EEXIST : device_make(root, &made);
    if (status) {
        blanket_root_unlock(root);
        return status;
    }
    status = device_build(root, made, device);
    status = status ? status
                    : blanket_root_end_listen(&made->ends[0], frontend_sink, frontend_event_base);
    status = status ? status
                    : blanket_root_end_listen(&made->ends[1], backend_sink, backend_event_base);
    status = status ? status : blanket_root_toolstack_device_make(root, made);
    if (status) {
        device_free(root, made);
    } else {
        end_describe(root, &made->ends[0], frontend);
        end_describe(root, &made->ends[1], backend);
    }
    blanket_root_unlock(root);
    return status;
}

static void device_kill(struct blanket_root *root, struct root_device *device)
{
    uint32_t i;

    device->dead = true;
    for (i = 0; i < device->end_count; i++) {
        blanket_root_end_kill(root, &device->ends[i]);
    }
}

/* Out of the store, first the ends' views, which close the device; true: nothing of it is there. */
static bool device_withdraw(struct blanket_root *root, struct root_device *device)
{
    bool gone = true;
    uint32_t i;

    for (i = 0; i < device->end_count; i++) {
        if (blanket_root_broker_leave(root, &device->ends[i])) {
            blanket_root_connection_kill(root, &device->ends[i]);
        } else {
            gone = false;
        }
    }
    if (gone && device->end_count == 2 && !device->withdrawn) {
        device->withdrawn = true;
        blanket_root_toolstack_device_remove(root, device);
    }
    return gone;
}

static bool device_idle(struct blanket_root *root, struct root_device *device)
{
    uint32_t i;

    for (i = 0; i < device->end_count; i++) {
        if (!blanket_root_end_idle(root, &device->ends[i])) {
            return false;
        }
    }
    return true;
}

int blanket_root_device_remove(struct blanket_root *root, uint64_t handle)
{
    struct root_end *end;
    int status = -BLANKET_ENOENT;

    pthread_mutex_lock(&root->lock);
    end = blanket_root_end_find(root, handle);
    if (end) {
        struct root_device *device = end->device;
        bool gone;

        if (!device->dead) {
            device_kill(root, device);
        }
        gone = device_withdraw(root, device);
        status = gone && device_idle(root, device) ? 0 : -BLANKET_EBUSY;
        if (status == 0) {
            device_free(root, device);
        }
    }
    blanket_root_unlock(root);
    return status;
}

static int store_end_build(struct blanket_root *root, struct root_device *made, uint32_t domid,
                           const struct blanket_root_device *quotas)
{
    const uint32_t all = 1u << BLANKET_RIGHT_STORE_READ | 1u << BLANKET_RIGHT_STORE_WATCH |
                         1u << BLANKET_RIGHT_STORE_WRITE;
    struct blanket_store_root_spec roots[BLANKET_ROOT_COUNT] = {{NULL, 0}};
    struct root_end *end = &made->ends[0];
    int status;

    made->end_count = 1;
    end->device = made;
    end->owner_domid = domid;
    end->peer_domid = domid;
    roots[BLANKET_ROOT_ALL].path = "/";
    roots[BLANKET_ROOT_ALL].rights = all;
    status = end_make(root, end, quotas);
    return status ? status
                  : blanket_root_broker_open(root, end, quotas, roots, BLANKET_STORE_VIEW_RAW);
}

int blanket_root_store_end_sized(struct blanket_root *root, uint32_t domid,
                                 const struct blanket_root_store_quotas *sized,
                                 const struct blanket_root_sink *sink, uint32_t event_base,
                                 struct blanket_root_end *end)
{
    const struct blanket_root_device quotas = {.ports = sized->connections,
                                               .connections = sized->connections,
                                               .requests = sized->requests,
                                               .watches = sized->watches,
                                               .transactions = sized->transactions};
    struct root_device *made;
    int status;

    if (!root->store) {
        return -BLANKET_ENOSYS;
    }
    if (domid > ROOT_DOMID_MAX || sized->connections == 0 || sized->connections >= TABLE_MAX) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&root->lock);
    status = device_make(root, &made);
    if (status == 0) {
        status = store_end_build(root, made, domid, &quotas);
        status = status ? status : blanket_root_end_listen(&made->ends[0], sink, event_base);
        if (status) {
            device_free(root, made);
        } else {
            end_describe(root, &made->ends[0], end);
        }
    }
    blanket_root_unlock(root);
    return status;
}

int blanket_root_store_end(struct blanket_root *root, uint32_t domid, uint32_t connections,
                           const struct blanket_root_sink *sink, uint32_t event_base,
                           struct blanket_root_end *end)
{
    const struct blanket_root_store_quotas quotas = {.connections = connections,
                                                     .requests = STORE_END_REQUESTS,
                                                     .watches = STORE_END_WATCHES,
                                                     .transactions = STORE_END_TRANSACTIONS};

    return blanket_root_store_end_sized(root, domid, &quotas, sink, event_base, end);
}

static void mappings_undo(struct blanket_root *root, struct root_end *end)
{
    uint32_t i;

    for (i = 0; i < end->mapping_count; i++) {
        if (end->mappings[i].slot.state != BLANKET_BELOW_FREE) {
            blanket_root_mapping_undo(root, end, &end->mappings[i]);
        }
    }
}

/* The root goes: mappings first, since they point to grants of other devices too. */
void blanket_root_device_destroy_all(struct blanket_root *root)
{
    uint32_t i;

    for (i = 0; i < root->place_count; i++) {
        if (root->places[i].end) {
            mappings_undo(root, root->places[i].end);
        }
    }
    for (i = 0; i < root->place_count; i++) {
        if (root->places[i].end) {
            device_kill(root, root->places[i].end->device);
        }
    }
    for (i = 0; i < root->place_count; i++) {
        if (root->places[i].end) {
            device_free(root, root->places[i].end->device);
        }
    }
}
