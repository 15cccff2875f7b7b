/* SPDX-License-Identifier: MIT */
/*
 * What a toolstack does in the store: a home for each domain, and two directories for each device, with
 * the permissions that make the domains of both ends see what they must and no more.
 */
#include "root_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <xen/io/xs_wire.h>

#define MESSAGE_SIZE (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define VALUE_SIZE 128u

/* Requests as domain 0. After an error the others do nothing, so that it is looked at once. */
struct session {
    struct blanket_root *root;
    uint32_t transaction;
    int status;
    uint32_t reply_size;
    char reply[XENSTORE_PAYLOAD_MAX + 1]; /* with a NUL behind */
};

static int error_status(const char *name)
{
    static const struct {
        const char *name;
        int status;
    } known[] = {{"ENOENT", -BLANKET_ENOENT}, {"EEXIST", -BLANKET_EEXIST},
                 {"EINVAL", -BLANKET_EINVAL}, {"ENOSPC", -BLANKET_ENOSPC},
                 {"E2BIG", -BLANKET_ENOSPC},  {"ENOMEM", -BLANKET_ENOSPC},
                 {"EAGAIN", -BLANKET_EAGAIN}};
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].status;
        }
    }
    return -BLANKET_EIO;
}

static void reply_take(struct session *session, uint32_t type)
{
    const struct blanket_root *root = session->root;
    struct xsd_sockmsg header;
    size_t size = 0;
    const uint8_t *message = (const uint8_t *)blanket_root_store_peek(root->admin, &size);

    session->status = -BLANKET_EIO;
    if (!message || size < sizeof(header)) {
        return;
    }
    memcpy(&header, message, sizeof(header));
    session->reply_size = (uint32_t)(size - sizeof(header));
    memcpy(session->reply, message + sizeof(header), session->reply_size);
    session->reply[session->reply_size] = 0;
    blanket_root_store_consume(root->admin);
    if (header.type == XS_ERROR) {
        session->status = error_status(session->reply);
    } else if (header.type == type) {
        session->status = 0;
    }
}

/* One request; body is `first` NUL, then `second` without one (NULL: nothing). */
static void request(struct session *session, uint32_t type, const char *first, const char *second)
{
    uint8_t message[sizeof(struct xsd_sockmsg) + ROOT_PATH_SIZE + VALUE_SIZE + 64];
    struct xsd_sockmsg header = {.type = type, .tx_id = session->transaction};
    size_t first_size = strlen(first) + 1;
    size_t second_size = second ? strlen(second) : 0;

    if (session->status) {
        return;
    }
    if (sizeof(header) + first_size + second_size >= sizeof(message)) {
        session->status = -BLANKET_EINVAL;
        return;
    }
    header.len = (uint32_t)(first_size + second_size);
    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), first, first_size);
    if (second) {
        memcpy(message + sizeof(header) + first_size, second, second_size + 1); /* NUL isn't sent */
    }
    session->status = blanket_root_store_submit(session->root->admin, message,
                                                sizeof(header) + header.len);
    if (session->status == 0) {
        reply_take(session, type);
    }
}

/* "n1" NUL "r2" NUL: the owner, who has all rights, and one who may read. */
static void permit(struct session *session, const char *path, uint32_t owner, uint32_t reader)
{
    uint8_t message[sizeof(struct xsd_sockmsg) + ROOT_PATH_SIZE + 32];
    struct xsd_sockmsg header = {.type = XS_SET_PERMS, .tx_id = session->transaction};
    char *body = (char *)message + sizeof(header);
    size_t room = sizeof(message) - sizeof(header);
    size_t size = strlen(path) + 1;

    if (session->status) {
        return;
    }
    memcpy(body, path, size);
    size += (size_t)snprintf(body + size, room - size, "n%u", (unsigned)owner) + 1;
    size += (size_t)snprintf(body + size, room - size, "r%u", (unsigned)reader) + 1;
    header.len = (uint32_t)size;
    memcpy(message, &header, sizeof(header));
    session->status = blanket_root_store_submit(session->root->admin, message,
                                                sizeof(header) + size);
    if (session->status == 0) {
        reply_take(session, XS_SET_PERMS);
    }
}

static void write_key(struct session *session, const char *directory, const char *key,
                      const char *value)
{
    char path[ROOT_PATH_SIZE + 32];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, key);
    request(session, XS_WRITE, path, value);
}

static void write_number(struct session *session, const char *directory, const char *key,
                         uint32_t number)
{
    char value[16];

    (void)snprintf(value, sizeof(value), "%u", (unsigned)number);
    write_key(session, directory, key, value);
}

static void begin(struct session *session, struct blanket_root *root)
{
    session->root = root;
    session->transaction = 0;
    session->status = 0;
    request(session, XS_TRANSACTION_START, "", NULL);
    if (session->status == 0) {
        session->transaction = (uint32_t)strtoul(session->reply, NULL, 10);
    }
}

/* Commit, or abort after an error, and tell the watchers. The lock keeps others out: no conflicts. */
static int finish(struct session *session)
{
    int status = session->status;

    if (session->transaction != 0) {
        session->status = 0;
        request(session, XS_TRANSACTION_END, status ? "F" : "T", NULL);
        status = status ? status : session->status;
    }
    blanket_root_broker_pump(session->root);
    return status;
}

int blanket_root_toolstack_home_make(struct blanket_root *root, uint32_t domid)
{
    struct session session;
    char path[ROOT_PATH_SIZE];
    int status = 0;

    if (!root->store) {
        return 0;
    }
    if (domid != 0) {
        status = blanket_root_store_domain_add(root->store, (uint16_t)domid);
    }
    if (status) {
        return status;
    }
    (void)snprintf(path, sizeof(path), "/local/domain/%u", (unsigned)domid);
    begin(&session, root);
    request(&session, XS_MKDIR, path, NULL);
    permit(&session, path, 0, domid);
    write_number(&session, path, "domid", domid);
    status = finish(&session);
    if (status && domid != 0) {
        (void)blanket_root_store_domain_remove(root->store, (uint16_t)domid);
    }
    return status;
}

void blanket_root_toolstack_home_remove(struct blanket_root *root, uint32_t domid)
{
    struct session session;
    char path[ROOT_PATH_SIZE];

    if (!root->store) {
        return;
    }
    (void)snprintf(path, sizeof(path), "/local/domain/%u", (unsigned)domid);
    begin(&session, root);
    request(&session, XS_RM, path, NULL);
    (void)finish(&session);
    if (domid != 0) {
        (void)blanket_root_store_domain_remove(root->store, (uint16_t)domid);
    }
    blanket_root_broker_pump(root);
}

void blanket_root_toolstack_device_path(const struct root_device *device, bool backend,
                                        char path[ROOT_PATH_SIZE])
{
    unsigned frontend_domid = (unsigned)device->ends[0].owner_domid;

    if (backend) {
        (void)snprintf(path, ROOT_PATH_SIZE, "/local/domain/%u/backend/%s/%u/%u",
                       (unsigned)device->ends[1].owner_domid, device->type, frontend_domid,
                       (unsigned)device->handle);
    } else {
        (void)snprintf(path, ROOT_PATH_SIZE, "/local/domain/%u/device/%s/%u", frontend_domid,
                       device->type, (unsigned)device->handle);
    }
}

int blanket_root_toolstack_device_make(struct blanket_root *root, const struct root_device *device)
{
    uint32_t frontend_domid = device->ends[0].owner_domid;
    uint32_t backend_domid = device->ends[1].owner_domid;
    char frontend[ROOT_PATH_SIZE];
    char backend[ROOT_PATH_SIZE];
    struct session session;

    if (!root->store) {
        return 0;
    }
    blanket_root_toolstack_device_path(device, false, frontend);
    blanket_root_toolstack_device_path(device, true, backend);
    begin(&session, root);
    request(&session, XS_MKDIR, frontend, NULL);
    permit(&session, frontend, frontend_domid, backend_domid);
    write_key(&session, frontend, "backend", backend);
    write_number(&session, frontend, "backend-id", backend_domid);
    write_number(&session, frontend, "handle", device->handle);
    write_number(&session, frontend, "virtual-device", device->handle);
    write_number(&session, frontend, "state", 1);
    request(&session, XS_MKDIR, backend, NULL);
    permit(&session, backend, backend_domid, frontend_domid);
    write_key(&session, backend, "frontend", frontend);
    write_number(&session, backend, "frontend-id", frontend_domid);
    write_number(&session, backend, "handle", device->handle);
    write_number(&session, backend, "online", 1);
    write_number(&session, backend, "state", 1);
    return finish(&session);
}

/* Remove a directory and those above it that it leaves empty, up to one that isn't of a device. */
static void prune(struct session *session, char *path, uint32_t levels)
{
    request(session, XS_RM, path, NULL);
    while (session->status == 0 && levels > 0) {
        *strrchr(path, '/') = 0;
        levels--;
        request(session, XS_DIRECTORY, path, NULL);
        if (session->status || session->reply_size != 0) {
            return;
        }
        request(session, XS_RM, path, NULL);
    }
}

void blanket_root_toolstack_device_remove(struct blanket_root *root,
                                          const struct root_device *device)
{
    char path[ROOT_PATH_SIZE];
    struct session session;
    unsigned backend;

    if (!root->store) {
        return;
    }
    for (backend = 0; backend < 2; backend++) {
        blanket_root_toolstack_device_path(device, backend == 1, path);
        begin(&session, root);
        prune(&session, path, backend == 1 ? 2 : 1); /* type, and in the backend's the domain */
        session.status = 0;                          /* what is gone already is gone */
        (void)finish(&session);
    }
}
