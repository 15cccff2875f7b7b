/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE ((uint32_t)sizeof(struct xsd_sockmsg))
#define READ_TRIES 4u /* for the rest of a message */
/* The largest event: a path, a token. */
#define EVENT_MAX (HEADER_SIZE + XENSTORE_ABS_PATH_MAX + WATCH_TOKEN_MAX + 2u)

static int tables_make(struct client *client)
{
    client->watches.watches = (struct watch **)calloc(client->limits.watches, sizeof(void *));
    client->watches.max = client->limits.watches;
    client->transactions = (uint16_t *)calloc(client->limits.transactions,
                                              sizeof(*client->transactions));
    return client->watches.watches != NULL && client->transactions != NULL ? 0 : -BLANKET_ENOMEM;
}

static void tables_free(struct client *client)
{
    if (client->watches.watches != NULL) {
        watch_clear(&client->watches);
    }
    free((void *)client->watches.watches);
    free(client->transactions);
    client->watches.watches = NULL;
    client->transactions = NULL;
}

int client_open(struct client *client, int fd)
{
    int status = tables_make(client);

    if (status == 0) {
        client->generation++;
        status = tower_connect(client->tower, tower_port(client->index, client->generation));
    }
    if (status != 0) {
        tables_free(client);
        return status;
    }
    client->state = CLIENT_LIVE;
    client->fd = fd;
    client->interest = 0;
    client->eof = false;
    client->last = false;
    client->told = false;
    client->waiting = false;
    client->transaction_count = 0;
    client->next_transaction = 0;
    client->requests = 0;
    memset(client->refused, 0, sizeof(client->refused));
    client->in_start = client->in_end = 0;
    client->out_start = client->out_end = 0;
    client->inbox_start = client->inbox_end = 0;
    return 0;
}

int client_close(struct client *client)
{
    int status;

    if (client->state == CLIENT_LIVE) {
        client->state = CLIENT_LEAVING;
        (void)close(client->fd);
        client->fd = -1;
        tables_free(client);
    }
    status = tower_disconnect(client->tower, tower_port(client->index, client->generation));
    if (status == 0) {
        client->state = CLIENT_FREE;
        tower_event_take(client->tower, client->index);
    }
    return status;
}

bool client_room(struct client *client, uint32_t size)
{
    uint32_t used = client->out_end - client->out_start;

    if (CLIENT_OUT_SIZE - used < size) {
        return false;
    }
    if (CLIENT_OUT_SIZE - client->out_end < size) {
        memmove(client->out, client->out + client->out_start, used);
        client->out_start = 0;
        client->out_end = used;
    }
    return true;
}

/* One whole message out of `in`. False: there is none, or it can't be performed now. */
static bool step(struct client *client)
{
    uint32_t used = client->in_end - client->in_start;
    struct xsd_sockmsg header;

    if (client->waiting || client->last || used < HEADER_SIZE ||
        !client_room(client, TOWER_MESSAGE_MAX)) {
        return false;
    }
    memcpy(&header, client->in + client->in_start, HEADER_SIZE);
    if (header.len > XENSTORE_PAYLOAD_MAX) {
        /* Where the next message begins can't be believed: the reply is the last one. */
        client_error(client, &header, "E2BIG");
        client->last = true;
        return true;
    }
    if (used < HEADER_SIZE + header.len) {
        return false;
    }
    client->requests++;
    client_message(client, &header, client->in + client->in_start + HEADER_SIZE);
    client->in_start += HEADER_SIZE + header.len;
    if (client->in_start == client->in_end) {
        client->in_start = client->in_end = 0;
    }
    return true;
}

/* The path of an event becomes path and token. */
static void event_put(struct client *client, const struct xsd_sockmsg *from, const uint8_t *path)
{
    const struct watch *watch = watch_get(&client->watches, from->req_id);
    struct xsd_sockmsg header = {.type = XS_WATCH_EVENT};
    uint8_t *out = client->out + client->out_end;

    if (watch == NULL) {
        return; /* unwatched meanwhile */
    }
    header.len = from->len + watch->token_size + 1;
    memcpy(out, &header, HEADER_SIZE);
    memcpy(out + HEADER_SIZE, path, from->len);
    memcpy(out + HEADER_SIZE + from->len, watch->text + watch->path_size + 1,
           watch->token_size + 1);
    client->out_end += HEADER_SIZE + header.len;
}

/* What was received goes out, as far as there is room. False: there is none. */
static bool inbox_take(struct client *client)
{
    while (client->inbox_end - client->inbox_start >= HEADER_SIZE) {
        uint8_t *message = client->inbox + client->inbox_start;
        struct xsd_sockmsg header;

        memcpy(&header, message, HEADER_SIZE);
        if (header.len > client->inbox_end - client->inbox_start - HEADER_SIZE) {
            break; /* a level that makes things up */
        }
        if (!client_room(client, EVENT_MAX)) {
            return false;
        }
        if (header.type == XS_WATCH_EVENT) {
            event_put(client, &header, message + HEADER_SIZE);
        } else if (client->waiting) {
            client->waiting = false;
            client_reply(client, message);
            memcpy(client->out + client->out_end, message, HEADER_SIZE + header.len);
            client->out_end += HEADER_SIZE + header.len;
        }
        client->inbox_start += HEADER_SIZE + header.len;
    }
    client->inbox_start = client->inbox_end = 0;
    return true;
}

/* Take in what the store has for this client. */
static void receive(struct client *client)
{
    struct tower_call call;

    while (inbox_take(client) && client->told) {
        memset(&call, 0, sizeof(call));
        call.verb = BLANKET_VERB_STORE_RECEIVE;
        call.item_count = 1;
        call.items[0] = tower_port(client->index, client->generation);
        call.reply = client->inbox;
        call.reply_max = sizeof(client->inbox);
        tower_event_take(client->tower, client->index);
        client->told = false;
        if (tower_call(client->tower, &call) != 0) {
            client->last = true; /* the endpoint is gone */
            return;
        }
        client->inbox_end = call.reply_size;
        client->told = client->told || call.value == 1;
    }
}

bool client_run(struct client *client, uint32_t budget)
{
    bool more = true;

    while (more && budget > 0) {
        more = step(client);
        budget--;
    }
    receive(client);
    return more;
}

/* What has come ends within a message. */
static bool is_partial(const struct client *client)
{
    uint32_t used = client->in_end - client->in_start;
    struct xsd_sockmsg header;

    if (used < HEADER_SIZE) {
        return used != 0;
    }
    memcpy(&header, client->in + client->in_start, HEADER_SIZE);
    return header.len <= XENSTORE_PAYLOAD_MAX && used < HEADER_SIZE + header.len;
}

/* As many bytes as there are now. False: the client is gone. */
static bool read_once(struct client *client)
{
    ssize_t size = recv(client->fd, client->in + client->in_end, CLIENT_IN_SIZE - client->in_end,
                        0);

    if (size > 0) {
        client->in_end += (uint32_t)size;
    } else if (size == 0) {
        client->eof = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        return false;
    }
    return true;
}

bool client_read(struct client *client)
{
    uint32_t used = client->in_end - client->in_start;
    bool there;

    if (client->in_start != 0) {
        memmove(client->in, client->in + client->in_start, used);
        client->in_start = 0;
        client->in_end = used;
    }
    if (client->eof || used == CLIENT_IN_SIZE) {
        return true;
    }
    there = read_once(client);
    /* libxenstore writes header, path and value apart: the rest is a moment away, and going to sleep
     * for it costs more than looking again. A client that leaves it at that gets no more than this. */
    for (uint32_t i = 0; i < READ_TRIES && there && !client->eof && is_partial(client); i++) {
        (void)sched_yield(); /* on this processor, maybe */
        there = read_once(client);
    }
    return there;
}

bool client_flush(struct client *client)
{
    while (client->out_start != client->out_end) {
        ssize_t size = send(client->fd, client->out + client->out_start,
                            client->out_end - client->out_start, MSG_NOSIGNAL);

        if (size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        client->out_start += (uint32_t)size;
    }
    client->out_start = client->out_end = 0;
    return true;
}

bool client_is_done(const struct client *client)
{
    return client->out_start == client->out_end &&
           (client->last || (client->eof && !client->waiting));
}

bool client_wants_input(const struct client *client)
{
    /* With a large request's worth of replies unread, and with a request half performed, it waits. */
    return !client->eof && !client->last && !client->waiting &&
           client->out_end - client->out_start <= CLIENT_OUT_SIZE - TOWER_MESSAGE_MAX &&
           client->in_end - client->in_start < CLIENT_IN_SIZE;
}

bool client_wants_output(const struct client *client)
{
    return client->out_start != client->out_end;
}
