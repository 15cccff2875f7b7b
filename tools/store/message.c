/* SPDX-License-Identifier: MIT */
/* A message of the wire protocol as a call of the ABI, and its reply back. */
#include "client.h"

#include "say.h"

#include <stdio.h>
#include <string.h>

enum kind {
    KIND_UNKNOWN = 0, /* ENOSYS */
    KIND_DENIED,      /* about domains, which aren't the guest's on top: EACCES */
    KIND_NODE,
    KIND_WATCH,
    KIND_UNWATCH,
    KIND_RESET,
    KIND_START,
    KIND_END
};

struct message_type {
    uint8_t kind;
    uint16_t verb;
};

static const struct message_type types[] = {
    [XS_CONTROL] = {KIND_DENIED, 0},
    [XS_DIRECTORY] = {KIND_NODE, BLANKET_VERB_STORE_READ},
    [XS_READ] = {KIND_NODE, BLANKET_VERB_STORE_READ},
    [XS_GET_PERMS] = {KIND_NODE, BLANKET_VERB_STORE_READ},
    [XS_WATCH] = {KIND_WATCH, BLANKET_VERB_STORE_WATCH},
    [XS_UNWATCH] = {KIND_UNWATCH, BLANKET_VERB_STORE_WATCH},
    [XS_TRANSACTION_START] = {KIND_START, BLANKET_VERB_STORE_TRANSACT},
    [XS_TRANSACTION_END] = {KIND_END, BLANKET_VERB_STORE_TRANSACT},
    [XS_INTRODUCE] = {KIND_DENIED, 0},
    [XS_RELEASE] = {KIND_DENIED, 0},
    [XS_GET_DOMAIN_PATH] = {KIND_NODE, BLANKET_VERB_STORE_READ},
    [XS_WRITE] = {KIND_NODE, BLANKET_VERB_STORE_WRITE},
    [XS_MKDIR] = {KIND_NODE, BLANKET_VERB_STORE_WRITE},
    [XS_RM] = {KIND_NODE, BLANKET_VERB_STORE_WRITE},
    [XS_SET_PERMS] = {KIND_NODE, BLANKET_VERB_STORE_WRITE},
    [XS_IS_DOMAIN_INTRODUCED] = {KIND_NODE, BLANKET_VERB_STORE_READ},
    [XS_RESUME] = {KIND_DENIED, 0},
    [XS_SET_TARGET] = {KIND_DENIED, 0},
    [XS_RESET_WATCHES] = {KIND_RESET, BLANKET_VERB_STORE_WATCH},
    [XS_DIRECTORY_PART] = {KIND_NODE, BLANKET_VERB_STORE_READ},
};

static const struct message_type *type_find(uint32_t type)
{
    static const struct message_type unknown = {KIND_UNKNOWN, 0};

    return type < sizeof(types) / sizeof(types[0]) ? &types[type] : &unknown;
}

void client_error(struct client *client, const struct xsd_sockmsg *request, const char *text)
{
    struct xsd_sockmsg header = *request;
    uint32_t size = (uint32_t)strlen(text) + 1;
    uint8_t *out = client->out + client->out_end;

    header.type = XS_ERROR;
    header.len = size;
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), text, size);
    client->out_end += (uint32_t)sizeof(header) + size;
}

/* ---- refusals ---- */

static const char *quota_name(uint32_t quota)
{
    switch (quota) {
    case BLANKET_QUOTA_STORE_REQUESTS:
        return "requests of the endpoint";
    case BLANKET_QUOTA_STORE_TRANSACTIONS:
        return "transactions";
    case BLANKET_QUOTA_STORE_WATCHES:
        return "watches";
    default:
        return "resources";
    }
}

/* The first time for each client: what comes after that is counted, and said when it leaves. */
static void refuse_for(struct client *client, uint32_t quota, uint32_t limit)
{
    quota = quota < BLANKET_QUOTA_COUNT ? quota : BLANKET_QUOTA_NONE;
    if (client->refused[quota]++ == 0) {
        say("client %u is over its quota: %s (%u)", (unsigned)client->index, quota_name(quota),
            (unsigned)limit);
    }
}

/* What all clients may have together. */
static uint32_t quota_of_all(const struct client *client, uint32_t quota)
{
    const struct blanket_root_store_quotas *all = &client->tower->config.quotas;

    return quota == BLANKET_QUOTA_STORE_WATCHES        ? all->watches
           : quota == BLANKET_QUOTA_STORE_TRANSACTIONS ? all->transactions
                                                       : all->requests;
}

/* A call's error in the store's words. */
static const char *refusal(struct client *client, int status, const struct tower_call *call)
{
    switch (status) {
    case -BLANKET_EINVAL:
        return "EINVAL";
    case -BLANKET_ENOENT:
        return "ENOENT";
    case -BLANKET_EEXIST:
        return "EEXIST";
    case -BLANKET_EPERM:
        return "EACCES";
    case -BLANKET_EMSGSIZE:
        return "E2BIG";
    case -BLANKET_EAGAIN:
    case -BLANKET_EBUSY:
        return "EBUSY";
    case -BLANKET_ENOSPC:
        refuse_for(client, call->value, quota_of_all(client, call->value));
        return call->value == BLANKET_QUOTA_STORE_WATCHES ? "E2BIG" : "ENOSPC";
    default:
        return "EIO";
    }
}

/* ---- transactions ---- */

static uint32_t transaction_find(const struct client *client, uint32_t id)
{
    uint32_t i = 0;

    while (i < client->transaction_count && client->transactions[i] != id) {
        i++;
    }
    return i;
}

static void transaction_forget(struct client *client, uint32_t id)
{
    uint32_t i = transaction_find(client, id);

    if (i < client->transaction_count) {
        client->transactions[i] = client->transactions[--client->transaction_count];
    }
}

/* 0: it has as many as it may. */
static uint32_t transaction_make(struct client *client)
{
    if (client->transaction_count == client->limits.transactions) {
        return 0;
    }
    do {
        client->next_transaction++;
    } while (client->next_transaction == 0 ||
             transaction_find(client, client->next_transaction) != client->transaction_count);
    client->transactions[client->transaction_count++] = client->next_transaction;
    return client->next_transaction;
}

/* ---- requests ---- */

void client_reply(struct client *client, uint8_t *message)
{
    const struct client_request *request = &client->request;
    struct xsd_sockmsg header;

    memcpy(&header, message, sizeof(header));
    if (header.type == XS_ERROR && request->type == XS_WATCH) {
        watch_remove(&client->watches, request->id);
    } else if (header.type == XS_ERROR && request->type == XS_TRANSACTION_START) {
        transaction_forget(client, request->id);
    }
    header.tx_id = request->tx_id;
    memcpy(message, &header, sizeof(header));
}

/* Whether what came along is one whole message. */
static bool is_message(const uint8_t *message, uint32_t size)
{
    struct xsd_sockmsg header;

    if (size < sizeof(header)) {
        return false;
    }
    memcpy(&header, message, sizeof(header));
    return header.len == size - sizeof(header);
}

/* Issue the call. NULL: its reply came, or will; else the error. */
static const char *submit(struct client *client, struct tower_call *call)
{
    int status;

    call->reply = client->out + client->out_end;
    call->reply_max = TOWER_MESSAGE_MAX;
    status = tower_call(client->tower, call);
    if (status == 0 && call->value == 1 && is_message(call->reply, call->reply_size)) {
        client_reply(client, call->reply);
        client->out_end += call->reply_size;
        return NULL;
    }
    if (status == 0 && call->value == 0) {
        client->waiting = true;
        return NULL;
    }
    return status == 0 ? "EIO" : refusal(client, status, call);
}

static const char *node_request(struct client *client, const struct xsd_sockmsg *header,
                                struct tower_call *call)
{
    if (header->tx_id > UINT16_MAX) {
        return "ENOENT";
    }
    call->item_count = 4;
    call->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_ALL);
    call->items[3] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, header->tx_id);
    return submit(client, call);
}

static const char *watch_request(struct client *client, const struct xsd_sockmsg *header,
                                 struct tower_call *call)
{
    struct watch_body body;
    const char *error;
    uint32_t id;

    if (!watch_body_parse((const char *)call->payload, call->payload_size, &body)) {
        return "EINVAL";
    }
    if (body.token_size > WATCH_TOKEN_MAX) {
        return "E2BIG";
    }
    id = watch_find(&client->watches, &body, client->home);
    if (id == 0 && header->type == XS_UNWATCH) {
        return "ENOENT";
    }
    if (id != 0 && header->type == XS_WATCH) {
        return "EEXIST";
    }
    if (header->type == XS_WATCH) {
        id = watch_add(&client->watches, &body, client->home);
    } else {
        body.path = watch_get(&client->watches, id)->text; /* as it was when the watch was set */
        body.path_size = watch_get(&client->watches, id)->path_size;
    }
    if (id == 0) {
        if (client->watches.count < client->watches.max) {
            return "ENOMEM";
        }
        refuse_for(client, BLANKET_QUOTA_STORE_WATCHES, client->watches.max);
        return "E2BIG";
    }
    client->request.id = id;
    call->item_count = 4;
    call->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_ALL);
    call->items[3] = blanket_item(BLANKET_ITEM_WATCH, 0, id);
    call->payload = (const uint8_t *)body.path;
    call->payload_size = body.path_size + 1;
    error = submit(client, call);
    if ((error != NULL) == (header->type == XS_WATCH)) {
        watch_remove(&client->watches, id);
    }
    return error;
}

static const char *reset_request(struct client *client, struct tower_call *call)
{
    const char *error;

    call->item_count = 4;
    call->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_ALL);
    call->items[3] = blanket_item(BLANKET_ITEM_WATCH, 0, 0);
    call->payload_size = 0;
    error = submit(client, call);
    if (error == NULL) {
        watch_clear(&client->watches);
        client->transaction_count = 0;
    }
    return error;
}

static const char *start_request(struct client *client, const struct xsd_sockmsg *header,
                                 struct tower_call *call)
{
    const char *error;
    uint32_t id;

    if (header->tx_id != 0) {
        return transaction_find(client, header->tx_id) < client->transaction_count ? "EBUSY"
                                                                                   : "ENOENT";
    }
    id = transaction_make(client);
    if (id == 0) {
        refuse_for(client, BLANKET_QUOTA_STORE_TRANSACTIONS, client->limits.transactions);
        return "ENOSPC";
    }
    client->request.id = id;
    call->item_count = 3;
    call->items[2] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, id);
    call->payload_size = 0;
    error = submit(client, call);
    if (error != NULL) {
        transaction_forget(client, id);
    }
    return error;
}

static const char *end_request(struct client *client, const struct xsd_sockmsg *header,
                               struct tower_call *call)
{
    const char *error;

    if (transaction_find(client, header->tx_id) == client->transaction_count) {
        return "ENOENT";
    }
    call->item_count = 3;
    call->items[2] = blanket_item(BLANKET_ITEM_TRANSACTION, 0, header->tx_id);
    error = submit(client, call);
    if (error == NULL) {
        transaction_forget(client, header->tx_id);
    }
    return error;
}

static const char *perform(struct client *client, const struct xsd_sockmsg *header,
                           struct tower_call *call, enum kind kind)
{
    switch (kind) {
    case KIND_NODE:
        return node_request(client, header, call);
    case KIND_WATCH:
    case KIND_UNWATCH:
        return watch_request(client, header, call);
    case KIND_RESET:
        return reset_request(client, call);
    case KIND_START:
        return start_request(client, header, call);
    case KIND_END:
        return end_request(client, header, call);
    case KIND_DENIED:
        return "EACCES";
    default:
        return "ENOSYS";
    }
}

void client_message(struct client *client, const struct xsd_sockmsg *header, const uint8_t *body)
{
    const struct message_type *type = type_find(header->type);
    struct tower_call call;
    const char *error;

    memset(&call, 0, sizeof(call));
    call.verb = type->verb;
    call.payload = body;
    call.payload_size = header->len;
    call.items[0] = tower_port(client->index, client->generation);
    call.items[1] = blanket_item(BLANKET_ITEM_REQUEST, 0,
                                 ((uint64_t)(header->type & UINT16_MAX) << 32) | header->req_id);
    client->request.type = header->type;
    client->request.tx_id = header->tx_id;
    error = perform(client, header, &call, (enum kind)type->kind);
    if (error != NULL) {
        client_error(client, header, error);
    }
}
