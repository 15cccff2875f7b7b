/* SPDX-License-Identifier: MIT */
/*
 * One request, from bytes to its reply: the table of what xenstored can do, and who may.
 */
#include "store_private.h"

#include <stdio.h>

enum {
    REQUEST_OUTSIDE = 1,   /* ignores the transaction id */
    REQUEST_PRIVILEGED = 2 /* domain 0 only */
};

struct request_operation {
    enum store_error (*perform)(struct store_request *request);
    uint32_t flags;
};

/* The body as the one string that it must be; NULL if it isn't. */
const char *blanket_root_store_request_only(const struct store_request *request)
{
    if (request->size == 0 ||
        memchr(request->body, 0, request->size) != request->body + request->size - 1) {
        return NULL;
    }
    return request->body;
}

/* Finds the terminated strings in the body: up to `maximum` of them, but counts all. */
uint32_t blanket_root_store_request_strings(const struct store_request *request,
                                            const char *strings[], uint32_t maximum)
{
    uint32_t count = 0;
    uint32_t start = 0;

    for (uint32_t i = 0; i < request->size; i++) {
        if (request->body[i] == '\0') {
            if (count < maximum) {
                strings[count] = request->body + start;
            }
            count++;
            start = i + 1;
        }
    }
    return count;
}

/* Replies with a string and its NUL. */
enum store_error blanket_root_store_request_text(struct store_request *request, const char *text)
{
    uint32_t size = (uint32_t)strlen(text) + 1;
    uint8_t *payload = blanket_root_store_output_reserve(request, size);

    if (payload == NULL) {
        return STORE_ENOMEM;
    }
    memcpy(payload, text, size);
    return STORE_OK;
}

static enum store_error request_control(struct store_request *request)
{
    const char *command[1] = {NULL};

    if (blanket_root_store_request_strings(request, command, 1) == 0) {
        return STORE_EINVAL;
    }
    if (strcmp(command[0], "help") == 0) {
        return blanket_root_store_request_text(request, "check\nhelp\n");
    }
    if (strcmp(command[0], "check") == 0) {
        return blanket_root_store_request_text(
            request, blanket_root_store_check(request->store) ? "OK" : "inconsistent");
    }
    return STORE_EINVAL;
}

static enum store_error watch_arguments(struct store_request *request, struct store_path *path,
                                        const char **token)
{
    const char *strings[2] = {NULL, NULL};

    if (blanket_root_store_request_strings(request, strings, 2) != 2) {
        return STORE_EINVAL;
    }
    *token = strings[1];
    return blanket_root_store_path_parse(request, strings[0], true, path);
}

static enum store_error request_watch(struct store_request *request)
{
    struct store_path path;
    const char *token;
    enum store_error error = watch_arguments(request, &path, &token);

    return error != STORE_OK ? error : blanket_root_store_watch_add(request, &path, token);
}

static enum store_error request_unwatch(struct store_request *request)
{
    struct store_path path;
    const char *token;
    enum store_error error = watch_arguments(request, &path, &token);

    return error != STORE_OK ? error : blanket_root_store_watch_remove(request, &path, token);
}

static enum store_error request_reset_watches(struct store_request *request)
{
    blanket_root_store_watch_remove_all(request->connection);
    blanket_root_store_transaction_end_all(request->connection);
    request->transaction = NULL;
    return STORE_OK;
}

static enum store_error request_transaction_start(struct store_request *request)
{
    struct store_transaction *transaction;
    enum store_error error;
    char text[16];

    if (request->transaction != NULL) {
        return STORE_EBUSY;
    }
    error = blanket_root_store_transaction_start(request, &transaction);
    if (error != STORE_OK) {
        return error;
    }
    snprintf(text, sizeof(text), "%u", (unsigned int)transaction->id);
    return blanket_root_store_request_text(request, text);
}

static enum store_error request_transaction_end(struct store_request *request)
{
    struct store_transaction *transaction = request->transaction;
    const char *verdict = blanket_root_store_request_only(request);
    enum store_error error = STORE_OK;

    if (verdict == NULL || (strcmp(verdict, "T") != 0 && strcmp(verdict, "F") != 0)) {
        return STORE_EINVAL;
    }
    if (transaction == NULL) {
        return STORE_ENOENT;
    }
    request->transaction = NULL;
    if (verdict[0] == 'T') {
        error = blanket_root_store_transaction_commit(request, transaction);
    }
    blanket_root_store_transaction_end(transaction);
    return error;
}

static bool domid_parse(const char *text, uint16_t *domid)
{
    uint32_t number;

    if (text == NULL || !blanket_root_store_permission_number(text, 0xffff, &number)) {
        return false;
    }
    *domid = (uint16_t)number;
    return true;
}

/* An introduced domain by its number. */
static enum store_error domain_named(const struct store_request *request, const char *text,
                                     struct store_domain **domain)
{
    uint16_t domid;

    if (!domid_parse(text, &domid)) {
        return STORE_EINVAL;
    }
    *domain = blanket_root_store_domain_find(request->store, domid);
    return *domain != NULL && (*domain)->introduced ? STORE_OK : STORE_ENOENT;
}

/* The only argument, an introduced domain that isn't domain 0. */
static enum store_error domain_only(const struct store_request *request,
                                    struct store_domain **domain)
{
    enum store_error error = domain_named(request, blanket_root_store_request_only(request),
                                          domain);

    return error == STORE_OK && (*domain)->domid == 0 ? STORE_EINVAL : error;
}

/* The frame and port say where the domain's ring is: to a client of a socket they mean nothing. */
static enum store_error request_introduce(struct store_request *request)
{
    const char *strings[3] = {NULL, NULL, NULL};
    uint16_t domid;
    uint32_t port;

    if (blanket_root_store_request_strings(request, strings, 3) < 3 ||
        !domid_parse(strings[0], &domid) || domid == 0 || domid >= STORE_DOMID_LIMIT ||
        !blanket_root_store_permission_number(strings[2], 0x7ffffff, &port) || port == 0) {
        return STORE_EINVAL;
    }
    return blanket_root_store_domain_add(request->store, domid) == 0 ? STORE_OK : STORE_ENOMEM;
}

static enum store_error request_release(struct store_request *request)
{
    struct store_domain *domain;
    enum store_error error = domain_only(request, &domain);

    if (error != STORE_OK) {
        return error;
    }
    return blanket_root_store_domain_remove(request->store, domain->domid) == 0 ? STORE_OK
                                                                                : STORE_ENOENT;
}

static enum store_error request_resume(struct store_request *request)
{
    struct store_domain *domain;
    enum store_error error = domain_only(request, &domain);

    if (error == STORE_OK) {
        domain->shut_down = false;
    }
    return error;
}

static enum store_error request_set_target(struct store_request *request)
{
    const char *strings[2] = {NULL, NULL};
    struct store_domain *domain;
    struct store_domain *target;
    enum store_error error;

    if (blanket_root_store_request_strings(request, strings, 2) < 2) {
        return STORE_EINVAL;
    }
    error = domain_named(request, strings[0], &domain);
    if (error == STORE_OK) {
        error = domain_named(request, strings[1], &target);
    }
    if (error != STORE_OK) {
        return error;
    }
    target->references++;
    blanket_root_store_domain_release(request->store, domain->target);
    domain->target = target;
    return STORE_OK;
}

static enum store_error request_get_domain_path(struct store_request *request)
{
    uint16_t domid;
    char text[32];

    if (!domid_parse(blanket_root_store_request_only(request), &domid)) {
        return STORE_EINVAL;
    }
    snprintf(text, sizeof(text), "/local/domain/%u", (unsigned int)domid);
    return blanket_root_store_request_text(request, text);
}

static enum store_error request_is_introduced(struct store_request *request)
{
    const struct store_domain *domain;
    uint16_t domid;

    if (!domid_parse(blanket_root_store_request_only(request), &domid)) {
        return STORE_EINVAL;
    }
    domain = blanket_root_store_domain_find(request->store, domid);
    return blanket_root_store_request_text(
        request, domid == STORE_DOMID_LIMIT || (domain != NULL && domain->introduced) ? "T" : "F");
}

static const struct request_operation operations[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {request_control, REQUEST_PRIVILEGED},
    [XS_DIRECTORY] = {blanket_root_store_request_directory, 0},
    [XS_READ] = {blanket_root_store_request_read, 0},
    [XS_GET_PERMS] = {blanket_root_store_request_get_permissions, 0},
    [XS_WATCH] = {request_watch, REQUEST_OUTSIDE},
    [XS_UNWATCH] = {request_unwatch, REQUEST_OUTSIDE},
    [XS_TRANSACTION_START] = {request_transaction_start, 0},
    [XS_TRANSACTION_END] = {request_transaction_end, 0},
    [XS_INTRODUCE] = {request_introduce, REQUEST_PRIVILEGED},
    [XS_RELEASE] = {request_release, REQUEST_PRIVILEGED},
    [XS_GET_DOMAIN_PATH] = {request_get_domain_path, 0},
    [XS_WRITE] = {blanket_root_store_request_write, 0},
    [XS_MKDIR] = {blanket_root_store_request_mkdir, 0},
    [XS_RM] = {blanket_root_store_request_rm, 0},
    [XS_SET_PERMS] = {blanket_root_store_request_set_permissions, 0},
    [XS_IS_DOMAIN_INTRODUCED] = {request_is_introduced, REQUEST_PRIVILEGED},
    [XS_RESUME] = {request_resume, REQUEST_PRIVILEGED},
    [XS_SET_TARGET] = {request_set_target, REQUEST_PRIVILEGED},
    [XS_RESET_WATCHES] = {request_reset_watches, 0},
    [XS_DIRECTORY_PART] = {blanket_root_store_request_directory_part, 0},
};

static const char *error_text(enum store_error error)
{
    static const char *const texts[] = {
        [STORE_OK] = "OK",         [STORE_EINVAL] = "EINVAL", [STORE_EACCES] = "EACCES",
        [STORE_EEXIST] = "EEXIST", [STORE_ENOENT] = "ENOENT", [STORE_ENOMEM] = "ENOMEM",
        [STORE_ENOSPC] = "ENOSPC", [STORE_ENOSYS] = "ENOSYS", [STORE_EBUSY] = "EBUSY",
        [STORE_EAGAIN] = "EAGAIN", [STORE_E2BIG] = "E2BIG",   [STORE_EPERM] = "EPERM",
    };

    return texts[error];
}

/* Checks the header, then performs. */
static enum store_error perform(struct store_request *request, const struct xsd_sockmsg *header,
                                size_t size)
{
    const struct request_operation *operation;
    enum store_error error;

    if (header->len > XENSTORE_PAYLOAD_MAX) {
        return STORE_E2BIG;
    }
    if (header->len != size - sizeof(*header)) {
        return STORE_EINVAL;
    }
    request->size = header->len;
    if (header->type >= XS_TYPE_COUNT || operations[header->type].perform == NULL) {
        return STORE_ENOSYS;
    }
    operation = &operations[header->type];
    if ((operation->flags & REQUEST_PRIVILEGED) != 0 &&
        !blanket_root_store_domain_privileged(request->connection->domain)) {
        return STORE_EACCES;
    }
    if ((operation->flags & REQUEST_OUTSIDE) == 0 && header->tx_id != 0) {
        request->transaction = blanket_root_store_transaction_find(request->connection,
                                                                   header->tx_id);
        if (request->transaction == NULL) {
            return STORE_ENOENT;
        }
    }
    error = operation->perform(request);
    /* A client may not have noticed that a change has no room: don't let it commit the others. */
    if (request->transaction != NULL && (error == STORE_ENOMEM || error == STORE_ENOSPC)) {
        request->transaction->failed = true;
    }
    return error;
}

int blanket_root_store_submit(struct blanket_root_store_connection *connection, const void *message,
                              size_t size)
{
    struct store_request request = {0};
    struct xsd_sockmsg header;
    enum store_error error;

    if (!connection->domain->alive) {
        return -BLANKET_ENOTCONN;
    }
    if (size < sizeof(header)) {
        return -BLANKET_EINVAL;
    }
    if (connection->reply_count >= connection->store->limits.outstanding_count) {
        return -BLANKET_EAGAIN;
    }
    memcpy(&header, message, sizeof(header));
    request.store = connection->store;
    request.connection = connection;
    request.body = (const char *)message + sizeof(header);
    request.reply = connection->pool;
    connection->pool = request.reply->next;
    request.reply->size = sizeof("OK");
    memcpy(request.reply->payload, "OK", sizeof("OK"));
    error = perform(&request, &header, size);
    if (error != STORE_OK) {
        request.reply->size = (uint32_t)strlen(error_text(error)) + 1;
        memcpy(request.reply->payload, error_text(error), request.reply->size);
    }
    blanket_root_store_output_reply(&request, error != STORE_OK ? XS_ERROR : header.type, &header);
    if (request.new_watch != NULL) {
        blanket_root_store_watch_fire_own(request.new_watch);
    }
    return 0;
}
