/* SPDX-License-Identifier: MIT */
/*
 * Devices: what the toolstack gave this domain, and the ends that are in use here. Who the peer is and
 * where its directory is are read in the store: nobody above says so.
 */
#include "linux_private.h"

#include <stdio.h>
#include <stdlib.h>

#define TABLE_MAX (BLANKET_SLOT_INDEX_MAX + 1u)
#define NAMES_SIZE 4097u /* of one directory */

struct linux_end *blanket_linux_end_find(const struct blanket_linux *door, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;

    if (slot >= door->config.devices || !door->places[slot].end ||
        door->places[slot].end->handle != handle) {
        return NULL;
    }
    return door->places[slot].end;
}

/* ---- what there is in the store ---- */

static bool is_digits(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= 10 && strspn(text, "0123456789") == size;
}

/* "class/handle". */
static bool name_valid(const char *name)
{
    const char *slash = strchr(name, '/');
    size_t size = slash ? (size_t)(slash - name) : 0;

    return size > 0 && strlen(name) < BLANKET_NAME_SIZE &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size && is_digits(slash + 1);
}

static int visit_class(struct blanket_linux *door, const char *class,
                       int (*visit)(void *context, const char *name), void *context)
{
    char path[LINUX_PATH_SIZE + 2 * BLANKET_NAME_SIZE];
    char names[NAMES_SIZE];
    uint32_t size = 0;
    const char *next;
    int status;

    (void)snprintf(path, sizeof(path), "%s/device/%.31s", door->home, class);
    status = blanket_linux_admin_list(door, path, names, sizeof(names), &size);
    if (status == -BLANKET_ENOENT || status == -BLANKET_EPERM) {
        return 0; /* gone since */
    }
    for (next = names; status == 0 && next < names + size; next += strlen(next) + 1) {
        char name[2 * BLANKET_NAME_SIZE];

        (void)snprintf(name, sizeof(name), "%.31s/%.12s", class, next);
        if (name_valid(name)) {
            status = visit(context, name);
        }
    }
    return status;
}

int blanket_linux_scan(struct blanket_linux *door, int (*visit)(void *context, const char *name),
                       void *context)
{
    char path[LINUX_PATH_SIZE + 2 * BLANKET_NAME_SIZE];
    char classes[NAMES_SIZE];
    uint32_t size = 0;
    const char *next;
    int status;

    (void)snprintf(path, sizeof(path), "%s/device", door->home);
    status = blanket_linux_admin_list(door, path, classes, sizeof(classes), &size);
    if (status == -BLANKET_ENOENT) {
        return 0;
    }
    for (next = classes; status == 0 && next < classes + size; next += strlen(next) + 1) {
        if (strlen(next) < BLANKET_NAME_SIZE) {
            status = visit_class(door, next, visit, context);
        }
    }
    return status;
}

/* Where the end's own directory is and its peer's, and who that is. */
struct whereabouts {
    char own[LINUX_PATH_SIZE];
    char other[LINUX_PATH_SIZE];
    uint32_t peer_domid;
};

static int key_read(struct blanket_linux *door, const char *directory, const char *key, char *value,
                    uint32_t size)
{
    char path[LINUX_PATH_SIZE + 2 * BLANKET_NAME_SIZE];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, key);
    return blanket_linux_admin_read(door, path, value, size);
}

static int nonsense(struct blanket_linux *door, const char *directory, const char *key)
{
    pthread_mutex_lock(&door->lock);
    blanket_linux_note(door, "%.150s: %s says nonsense", directory, key);
    pthread_mutex_unlock(&door->lock);
    return -BLANKET_EIO;
}

static int missing(struct blanket_linux *door, int status, const char *directory)
{
    if (status == -BLANKET_ENOENT) {
        pthread_mutex_lock(&door->lock);
        blanket_linux_note(door, "%.150s: the toolstack gave this domain no such device",
                           directory);
        pthread_mutex_unlock(&door->lock);
    }
    return status;
}

static int device_find(struct blanket_linux *door, const struct blanket_linux_device *device,
                       struct whereabouts *where)
{
    bool backend = device->flags & BLANKET_LINUX_BACKEND;
    const char *class_end = strchr(device->name, '/');
    const char *other_key = backend ? "frontend" : "backend";
    const char *domid_key = backend ? "frontend-id" : "backend-id";
    char text[16];
    int used;
    int status;

    if (backend) {
        used = snprintf(where->own, sizeof(where->own), "%s/backend/%.*s/%u%s", door->home,
                        (int)(class_end - device->name), device->name, device->frontend_domid,
                        class_end);
    } else {
        used = snprintf(where->own, sizeof(where->own), "%s/device/%s", door->home, device->name);
    }
    if (used < 0 || (size_t)used >= sizeof(where->own)) {
        return -BLANKET_EINVAL;
    }
    status = key_read(door, where->own, other_key, where->other, sizeof(where->other));
    status = status ? status : key_read(door, where->own, domid_key, text, sizeof(text));
    if (status) {
        return missing(door, status, where->own);
    }
    where->peer_domid = is_digits(text) ? (uint32_t)strtoul(text, NULL, 10) : LINUX_UNKNOWN;
    if (where->peer_domid > LINUX_DOMID_MAX ||
        (backend && where->peer_domid != device->frontend_domid)) {
        return nonsense(door, where->own, domid_key);
    }
    used = snprintf(text, sizeof(text), "%u/", where->peer_domid);
    if (strncmp(where->other, "/local/domain/", 14) != 0 ||
        strncmp(where->other + 14, text, (size_t)used) != 0) {
        return nonsense(door, where->own, other_key);
    }
    return 0;
}

/* ---- ends ---- */

void blanket_linux_end_free(struct linux_end *end)
{
    struct blanket_linux *door = end->door;

    door->grant_room += end->grant_count;
    door->mapping_room += end->mapping_count;
    door->port_room += end->port_count;
    if (end->handle) {
        door->places[(uint32_t)end->handle].end = NULL;
    }
    free(end->grants);
    free(end->mappings);
    free(end->ports);
    free(end);
}

static int tables_make(struct linux_end *end)
{
    uint32_t i;

    end->grants = (struct linux_grant *)calloc(end->grant_count + 1, sizeof(*end->grants));
    end->mappings = (struct linux_mapping *)calloc(end->mapping_count + 1, sizeof(*end->mappings));
    end->ports = (struct linux_port *)calloc(end->port_count + 1, sizeof(*end->ports));
    if (!end->grants || !end->mappings || !end->ports) {
        return -BLANKET_ENOMEM;
    }
    for (i = 0; i < end->port_count; i++) {
        end->ports[i].end = end;
    }
    return 0;
}

/* The owner's thread alone changes which ends there are, so it looks without the lock. */
static bool is_used(const struct blanket_linux *door, const struct blanket_linux_device *device)
{
    uint32_t i;

    for (i = 0; i < door->config.devices; i++) {
        const struct linux_end *end = door->places[i].end;

        if (end && !((end->flags ^ device->flags) & BLANKET_LINUX_BACKEND) &&
            (!(device->flags & BLANKET_LINUX_BACKEND) ||
             end->frontend_domid == device->frontend_domid) &&
            strcmp(end->name, device->name) == 0) {
            return true;
        }
    }
    return false;
}

static int place_take(struct blanket_linux *door, struct linux_end *end)
{
    uint32_t i;

    for (i = 0; i < door->config.devices; i++) {
        struct linux_place *place = &door->places[i];

        if (!place->end && place->generation < UINT32_MAX) {
            place->end = end;
            place->generation++;
            end->handle = blanket_handle(i, place->generation);
            return 0;
        }
    }
    blanket_linux_note(door, "%s: more devices than the limit", end->name);
    return -BLANKET_ENOSPC;
}

static struct linux_end *end_new(struct blanket_linux *door,
                                 const struct blanket_linux_device *device, uint32_t peer_domid)
{
    struct linux_end *end;

    if (device->grants > door->grant_room || device->mappings > door->mapping_room ||
        device->ports > door->port_room) {
        blanket_linux_note(door, "%s: its slots are more than what is left of the limits",
                           device->name);
        return NULL;
    }
    end = (struct linux_end *)calloc(1, sizeof(*end));
    if (!end) {
        return NULL;
    }
    end->door = door;
    end->flags = device->flags;
    end->frontend_domid = device->flags & BLANKET_LINUX_BACKEND ? device->frontend_domid : 0;
    end->peer_domid = peer_domid;
    end->grant_count = device->grants;
    end->mapping_count = device->mappings;
    end->port_count = device->ports;
    end->grant_notify = device->grant_notify;
    end->map_notify = device->map_notify;
    memcpy(end->name, device->name, strlen(device->name) + 1);
    door->grant_room -= device->grants;
    door->mapping_room -= device->mappings;
    door->port_room -= device->ports;
    return end;
}

static void end_describe(const struct linux_end *end, struct blanket_linux_end *out)
{
    if (out) {
        out->endpoint = end->handle;
        out->scope = 1ull << 63 | (uint64_t)end->door->domid << 32 | end->peer_domid;
        out->grant_base = end->grant_base;
        out->grants = end->grant_count;
        out->mappings = end->mapping_count;
        out->ports = end->port_count;
        out->peer_domid = end->peer_domid;
    }
}

static int end_make(struct blanket_linux *door, const struct blanket_linux_device *device,
                    const struct whereabouts *where, struct linux_end **made)
{
    struct linux_end *end = end_new(door, device, where->peer_domid);
    int status;

    if (!end) {
        return -BLANKET_ENOSPC;
    }
    status = tables_make(end);
    status = status ? status : place_take(door, end);
    status = status ? status : blanket_linux_window_make(door, end);
    if (status == 0 && device->connections != 0) {
        status = blanket_linux_broker_view(end, device, where->own, where->other);
    }
    if (status) {
        if (end->grants) {
            blanket_linux_window_drop(door, end);
        }
        blanket_linux_end_free(end);
        return status;
    }
    *made = end;
    return 0;
}

static bool device_valid(const struct blanket_linux_device *device, uint32_t event_base)
{
    return device->name && name_valid(device->name) &&
           !(device->flags & ~(BLANKET_LINUX_GRANT_WIDER | BLANKET_LINUX_BACKEND)) &&
           device->grants <= TABLE_MAX && device->mappings <= TABLE_MAX &&
           device->ports <= TABLE_MAX && device->ports <= UINT32_MAX - event_base &&
           (device->grant_notify < LINUX_PAGE_SIZE ||
            device->grant_notify == BLANKET_LINUX_NOTIFY_NONE) &&
           (device->map_notify < LINUX_PAGE_SIZE ||
            device->map_notify == BLANKET_LINUX_NOTIFY_NONE);
}

int blanket_linux_device_add(struct blanket_linux *door, const struct blanket_linux_device *device,
                             const struct blanket_linux_sink *sink, uint32_t event_base,
                             struct blanket_linux_end *out)
{
    struct whereabouts where;
    struct linux_end *end;
    int status;

    if (!device_valid(device, event_base)) {
        return -BLANKET_EINVAL;
    }
    if (is_used(door, device)) {
        return -BLANKET_EEXIST;
    }
    status = device_find(door, device, &where);
    if (status) {
        return status;
    }
    if (!(device->flags & BLANKET_LINUX_BACKEND)) {
        status = blanket_linux_takeover(door, where.own, where.other);
        if (status) {
            return status;
        }
    }
    pthread_mutex_lock(&door->lock);
    status = end_make(door, device, &where, &end);
    if (status == 0) {
        if (sink) {
            end->sink = *sink;
        }
        end->event_base = event_base;
        end_describe(end, out);
    }
    pthread_mutex_unlock(&door->lock);
    return status;
}

/* No new objects, no events; pages are the host's again. What the peer still maps is the kernel's. */
void blanket_linux_end_kill(struct linux_end *end)
{
    uint32_t i;

    end->dead = true;
    for (i = 0; i < end->port_count; i++) {
        if (end->ports[i].slot.state != BLANKET_BELOW_FREE &&
            end->ports[i].kind != BLANKET_PORT_STATE_STORE) {
            blanket_linux_port_free(&end->ports[i]);
        }
    }
    for (i = 0; i < end->mapping_count; i++) {
        blanket_linux_mapping_undo(end, &end->mappings[i]);
    }
    for (i = 0; i < end->grant_count; i++) {
        blanket_linux_grant_kill(end, &end->grants[i]);
    }
    blanket_linux_window_drop(end->door, end);
}

static bool end_idle(const struct linux_end *end)
{
    uint32_t i;

    for (i = 0; i < end->grant_count; i++) {
        if (end->grants[i].slot.state != BLANKET_BELOW_FREE) {
            return false;
        }
    }
    for (i = 0; i < end->mapping_count; i++) {
        if (end->mappings[i].slot.state != BLANKET_BELOW_FREE) {
            return false;
        }
    }
    return true;
}

/* Its ports leave the list of those with an event; its connections are gone. */
static void ports_forget(struct linux_end *end)
{
    struct linux_port **link = &end->door->pending;
    uint32_t i;

    while (*link) {
        if ((*link)->end == end) {
            (*link)->queued = false;
            *link = (*link)->next;
        } else {
            link = &(*link)->next;
        }
    }
    for (i = 0; i < end->port_count; i++) {
        if (end->ports[i].slot.state != BLANKET_BELOW_FREE) {
            blanket_linux_port_free(&end->ports[i]);
        }
    }
}

int blanket_linux_device_remove(struct blanket_linux *door, uint64_t endpoint)
{
    struct linux_end *end;
    int status = -BLANKET_ENOENT;

    pthread_mutex_lock(&door->lock);
    end = blanket_linux_end_find(door, endpoint);
    if (end) {
        /* Again, if a page couldn't be put back last time. */
        blanket_linux_end_kill(end);
        status = end->view ? blanket_store_view_remove(door->engine, end->view) : 0;
        if (status == 0) {
            end->view = 0;
            status = end_idle(end) ? 0 : -BLANKET_EBUSY;
        }
        if (status == 0) {
            ports_forget(end);
            blanket_linux_end_free(end);
        }
    }
    pthread_mutex_unlock(&door->lock);
    return status;
}
