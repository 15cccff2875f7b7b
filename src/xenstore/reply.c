/* SPDX-License-Identifier: MIT */
/*
 * Answers of the store below: checked as requests are, put into the caller's terms, handed over. An
 * answer that makes no sense for its request is told to the caller as the store's own error EIO.
 */
#include "xenstore.h"

#define PART_OFFSET_MAX                                                                            \
    (1u << 28) /* no directory is that long: a store that says so has gone mad */

/* A body, ours or theirs, on its way to the caller. */
struct answer {
    const uint8_t *body;
    uint32_t size;
    uint32_t type;
};

uint32_t blanket_xenstore_reply_bound(uint32_t type)
{
    switch (type) {
    case XS_READ:
    case XS_DIRECTORY:
    case XS_DIRECTORY_PART:
    case XS_GET_PERMS:
    case XS_GET_DOMAIN_PATH:
        return STORE_MESSAGE_MAX;
    default:
        return STORE_SHORT_REPLY;
    }
}

/* Into the call, if its caller waits for this and has room; else into the queue: room was reserved. */
static void give(struct blanket_store *store, struct store_connection *connection,
                 struct blanket_call *call, const struct store_job *job,
                 const struct answer *answer)
{
    struct xsd_sockmsg header;

    header.type = answer->type;
    header.req_id = job->req_id;
    header.tx_id = job->tx_id;
    header.len = answer->size;
    if (call != NULL && call->reply_max >= STORE_HEADER_SIZE + answer->size) {
        memcpy(call->reply, &header, sizeof(header));
        memcpy(call->reply + STORE_HEADER_SIZE, answer->body, answer->size);
        call->reply_size = (uint16_t)(STORE_HEADER_SIZE + answer->size);
        store->answered = 1;
        return;
    }
    blanket_xenstore_ring_put(&connection->queue, &header, sizeof(header));
    blanket_xenstore_ring_put(&connection->queue, answer->body, answer->size);
    blanket_xenstore_connection_signal(store, connection);
}

static void answer_text(struct answer *answer, uint32_t type, const char *text)
{
    answer->type = type;
    answer->body = (const uint8_t *)text;
    answer->size = blanket_xenstore_path_size((const uint8_t *)text, STORE_ERROR_MAX) + 1;
}

void blanket_xenstore_reply_text(struct blanket_store *store, struct store_connection *connection,
                                 struct blanket_call *call, const struct store_job *job,
                                 const char *text)
{
    struct answer answer;

    answer_text(&answer, text[0] == 'O' ? job->type : (uint32_t)XS_ERROR, text);
    give(store, connection, call, job, &answer);
}

static bool ends(const uint8_t *body, uint32_t size)
{
    return size != 0 && body[size - 1] == 0;
}

static bool is_ok(const uint8_t *body, uint32_t size)
{
    return size == 3 && memcmp(body, "OK", 3) == 0;
}

/* The name of an errno, as in xs_wire.h: not whatever else a store might want to tell. */
static bool is_error(const uint8_t *body, uint32_t size)
{
    uint32_t i;

    if (size < 2 || size > STORE_ERROR_MAX || body[size - 1] != 0) {
        return false;
    }
    for (i = 0; i < size - 1; i++) {
        if ((body[i] < 'A' || body[i] > 'Z') && (body[i] < '0' || body[i] > '9')) {
            return false;
        }
    }
    return true;
}

/*
 * Names of a directory without those that a view doesn't show, and without the first *skip bytes of
 * what is left (what couldn't be skipped remains in *skip). Every name ends with a NUL. False: one is
 * empty.
 */
static bool filter(const uint8_t *names, uint32_t size, uint32_t *skip, uint8_t *target,
                   uint32_t *target_size)
{
    uint32_t used = 0;
    uint32_t at = 0;

    while (at < size) {
        uint32_t length = blanket_xenstore_path_size(names + at, size - at) + 1;
        uint32_t omit = *skip < length ? *skip : length;

        if (length == 1) {
            return false;
        }
        if (!blanket_xenstore_path_name_hidden(names + at, length - 1)) {
            memcpy(target + used, names + at + omit, length - omit);
            used += length - omit;
            *skip -= omit;
        }
        at += length;
    }
    *target_size = used;
    return true;
}

static bool directory(struct blanket_store *store, struct answer *answer)
{
    uint32_t skip = 0;

    if (answer->size != 0 && !ends(answer->body, answer->size)) {
        return false;
    }
    if (!filter(answer->body, answer->size, &skip, store->body, &answer->size)) {
        return false;
    }
    answer->body = store->body;
    return true;
}

enum part {
    PART_DONE,
    PART_MORE,
    PART_BAD
};

/*
 * generation NUL names... and another NUL where the list ends. The caller's offset counts what it was
 * shown, the store's what there is; so each request walks from the start of the store's list, counting,
 * until it is where the caller is (job->skip left to go, from job->offset on). Nothing is remembered
 * between requests, and the generation tells the caller if the list has changed.
 */
static enum part part(struct blanket_store *store, struct store_job *job, struct answer *answer)
{
    uint32_t head = blanket_xenstore_path_size(answer->body, answer->size) + 1;
    const uint8_t *names = answer->body + head;
    uint32_t size = answer->size - head;
    uint32_t used = 0;
    uint32_t last;

    if (answer->size <= head || !ends(answer->body, answer->size)) {
        return PART_BAD;
    }
    last = size == 1 || names[size - 2] == 0 ? 1 : 0;
    size -= last;
    if (!filter(names, size, &job->skip, store->body + head, &used)) {
        return PART_BAD;
    }
    if (used == 0 && last == 0) {
        job->offset += size;
        return job->offset < PART_OFFSET_MAX ? PART_MORE : PART_BAD;
    }
    memcpy(store->body, answer->body, head);
    if (last != 0) {
        store->body[head + used] = 0;
    }
    answer->body = store->body;
    answer->size = head + used + last;
    return PART_DONE;
}

/* START's answer is the caller's own id: the store's stays here. */
static bool started(struct blanket_store *store, const struct store_job *job, struct answer *answer,
                    uint32_t *below_id)
{
    uint32_t length;

    if (!ends(answer->body, answer->size) ||
        !blanket_xenstore_number_parse(answer->body, answer->size - 1, below_id) ||
        *below_id == 0) {
        *below_id = 0;
        return false;
    }
    length = blanket_xenstore_number_print(job->tx_id, store->body);
    store->body[length] = 0;
    answer->body = store->body;
    answer->size = length + 1;
    return true;
}

static bool permissions(struct blanket_store *store, const struct store_view *view,
                        struct answer *answer)
{
    uint32_t size = 0;

    if (!blanket_xenstore_permission_above(view, answer->body, answer->size, store->body, &size)) {
        return false;
    }
    answer->body = store->body;
    answer->size = size;
    return true;
}

/* False: it isn't an answer to this request. DIRECTORY_PART of a view isn't asked here. */
static bool translate(struct blanket_store *store, const struct store_request *request,
                      struct answer *answer)
{
    const struct store_job *job = &request->job;

    switch (job->type) {
    case XS_READ:
        return true;
    case XS_DIRECTORY:
        if (job->raw == 0) {
            return directory(store, answer);
        }
        return answer->size == 0 || ends(answer->body, answer->size);
    case XS_GET_PERMS:
        if (job->raw == 0) {
            return permissions(store, request->view, answer);
        }
        return ends(answer->body, answer->size);
    case XS_DIRECTORY_PART:
    case XS_GET_DOMAIN_PATH:
        return ends(answer->body, answer->size);
    case XS_IS_DOMAIN_INTRODUCED:
        return ends(answer->body, answer->size) && answer->size <= STORE_ERROR_MAX;
    default:
        return is_ok(answer->body, answer->size);
    }
}

/* What an answer, good or bad, means for the watch or transaction that the job was about. */
static void conclude(struct blanket_store *store, const struct store_job *job, bool done,
                     bool refused, uint32_t below_id)
{
    if (job->watch != NULL && job->watch->generation == job->watch_generation) {
        if (job->type == XS_WATCH) {
            /* After nonsense the store may have it or not: to be sure it is ended there. */
            job->watch->orphan |= !done && !refused;
            blanket_xenstore_watch_set(store, job->watch, !refused);
        } else {
            blanket_xenstore_watch_free(store, job->watch);
        }
    } else if (job->type == XS_TRANSACTION_START) {
        blanket_xenstore_transaction_started(store, job->transaction, below_id);
    } else if (job->type == XS_TRANSACTION_END) {
        blanket_xenstore_transaction_closed(store, job->transaction);
    }
}

/* The step of a DIRECTORY_PART, whose job is still the first in its connection's ring. */
static bool step(struct blanket_store *store, struct store_connection *connection,
                 struct store_job *job, struct answer *answer)
{
    enum part result = PART_BAD;

    if (answer->type == XS_DIRECTORY_PART) {
        result = part(store, job, answer);
    }
    if (result == PART_BAD && answer->type != XS_ERROR) {
        answer_text(answer, XS_ERROR, "EIO");
    }
    if (connection->state != STORE_CONNECTION_LIVE) {
        return false;
    }
    connection->stepping = 0;
    if (result == PART_MORE) {
        blanket_xenstore_ring_poke(&connection->waiting, 0, job, sizeof(*job));
        blanket_xenstore_connection_wake(store, connection);
        return true;
    }
    blanket_xenstore_ring_drop(&connection->waiting, (uint32_t)sizeof(*job) + job->size);
    connection->waiting_count--;
    return false;
}

static void caller_input(struct blanket_store *store, struct store_request *request,
                         struct answer *answer)
{
    struct store_connection *connection = request->connection;
    struct blanket_call *call = request == store->current ? store->call : NULL;
    struct store_job job = request->job;
    uint32_t below_id = 0;
    bool done = answer->type == job.type;
    bool refused = answer->type == XS_ERROR;
    bool more = false;

    if (job.type == XS_DIRECTORY_PART && job.raw == 0) {
        more = step(store, connection, &job, answer);
    } else if (!refused) {
        done = done && (job.type == XS_TRANSACTION_START ? started(store, &job, answer, &below_id)
                                                         : translate(store, request, answer));
        if (!done) {
            answer_text(answer, XS_ERROR, "EIO");
        }
    }
    blanket_xenstore_request_free(store,
                                  request); /* the room that it reserved is for what follows */
    if (more) {
        return;
    }
    connection->view->request_count--;
    if (connection->state == STORE_CONNECTION_LIVE) {
        give(store, connection, call, &job, answer);
    }
    conclude(store, &job, done, refused, below_id);
    blanket_xenstore_connection_wake(store, connection);
}

/* Of the engine's own accord: nobody is told. */
static void own_input(struct blanket_store *store, struct store_request *request,
                      const struct answer *answer)
{
    struct store_view *view = request->view;
    struct store_watch *watch = request->job.watch;
    struct store_transaction *transaction = request->job.transaction;
    uint8_t purpose = request->purpose;

    blanket_xenstore_request_free(store, request);
    if (purpose == STORE_PURPOSE_UNWATCH) {
        blanket_xenstore_watch_free(store, watch);
    } else if (purpose == STORE_PURPOSE_RENEW) {
        bool absent = answer->type != XS_WATCH && !watch->orphan;

        /* A watch that can't be set again fires, so that its owner looks and sees. */
        blanket_xenstore_watch_set(store, watch, true);
        if (absent) {
            blanket_xenstore_watch_fire(store, watch);
        }
        blanket_xenstore_connection_wake(store, watch->connection); /* an UNWATCH may wait for it */
    } else if (purpose == STORE_PURPOSE_ABORT) {
        blanket_xenstore_transaction_closed(store, transaction);
    } else {
        blanket_xenstore_close_answer(store, view, answer->type, answer->body, answer->size);
    }
}

void blanket_xenstore_reply_input(struct blanket_store *store, struct store_request *request,
                                  uint32_t type, const uint8_t *body, uint32_t size)
{
    struct store_connection *connection = request->connection;
    struct answer answer;

    answer.type = type;
    answer.body = body;
    answer.size = size;
    if (type == XS_ERROR && !is_error(body, size)) {
        answer_text(&answer, XS_ERROR, "EIO");
    }
    if (request->purpose == STORE_PURPOSE_CALLER) {
        caller_input(store, request, &answer);
    } else {
        own_input(store, request, &answer);
    }
    if (connection != NULL) {
        blanket_xenstore_connection_settle(store, connection);
    }
}
