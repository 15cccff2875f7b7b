/* SPDX-License-Identifier: MIT */
/* Request slots: what the store below hasn't answered; and the way of a job into one. */
#include "xenstore.h"

#define INDEX_MASK ((1u << STORE_REQUEST_BITS) - 1u)
#define GENERATION_MASK ((1u << (32u - STORE_REQUEST_BITS)) - 1u)

struct store_request *blanket_xenstore_request_make(struct blanket_store *store,
                                                    struct store_view *view,
                                                    struct store_connection *connection,
                                                    enum store_purpose purpose)
{
    struct store_request *request = store->free_request;

    store->free_request = request->next_free;
    store->free_count--;
    view->outstanding++;
    if (connection != NULL) {
        connection->busy++;
    }
    request->view = view;
    request->connection = connection;
    request->reserved = 0;
    request->purpose = (uint8_t)purpose;
    memset(&request->job, 0, sizeof(request->job));
    return request;
}

void blanket_xenstore_request_free(struct blanket_store *store, struct store_request *request)
{
    /* Another generation: an answer that comes again, or late, finds nothing. Never 0, so that no
     * request has the id 0, which watch events have. */
    request->generation = (request->generation + 1u) & GENERATION_MASK;
    if (request->generation == 0) {
        request->generation = 1;
    }
    request->purpose = STORE_PURPOSE_FREE;
    request->view->outstanding--;
    if (request->connection != NULL) {
        request->connection->busy--;
        request->connection->reserved -= request->reserved;
    }
    request->next_free = store->free_request;
    store->free_request = request;
    store->free_count++;
}

bool blanket_xenstore_request_allowed(const struct blanket_store *store,
                                      const struct store_view *view)
{
    return store->limits.views == 1 ? store->free_count != 0
                                    : view->outstanding < store->free_count;
}

struct store_request *blanket_xenstore_request_find(struct blanket_store *store, uint32_t id)
{
    uint32_t index = id & INDEX_MASK;
    struct store_request *request;

    if (index >= store->limits.requests) {
        return NULL;
    }
    request = &store->requests[index];
    if (request->purpose == STORE_PURPOSE_FREE || request->generation != id >> STORE_REQUEST_BITS) {
        return NULL;
    }
    return request;
}

bool blanket_xenstore_request_send(struct blanket_store *store, struct store_request *request,
                                   uint32_t tx_id, uint32_t size)
{
    uint32_t generation = request->generation;
    struct xsd_sockmsg header;
    int status;

    header.type = request->job.type;
    header.req_id = (generation << STORE_REQUEST_BITS) | request->index;
    header.tx_id = tx_id;
    header.len = size;
    memcpy(store->message, &header, sizeof(header));
    store->sending = 1;
    status = store->ops->send(store->context, store->message, STORE_HEADER_SIZE + size);
    store->sending = 0;
    if (status == 0 || request->generation != generation) {
        return true;
    }
    store->blocked = 1;
    return false;
}

static bool reads(uint32_t type)
{
    return type == XS_READ || type == XS_DIRECTORY || type == XS_DIRECTORY_PART ||
           type == XS_GET_PERMS || type == XS_GET_DOMAIN_PATH || type == XS_IS_DOMAIN_INTRODUCED;
}

/* The answer of a job whose transaction is gone; NULL: it can go below. */
static const char *transaction_answer(struct blanket_store *store, const struct store_job *job)
{
    struct store_transaction *transaction = job->transaction;

    if (transaction->generation != job->transaction_generation ||
        transaction->state >= STORE_TRANSACTION_ENDING) {
        return "ENOENT"; /* its START failed, or RESET_WATCHES came between */
    }
    if (transaction->state != STORE_TRANSACTION_DOOMED || reads(job->type)) {
        return NULL;
    }
    if (job->type != XS_TRANSACTION_END) {
        return "OK"; /* nobody will ever see what a transaction wrote that can't be committed */
    }
    blanket_xenstore_transaction_end(store, transaction);
    return store->message[STORE_HEADER_SIZE] == 'T' ? "EAGAIN" : "OK";
}

/* The same of a watch. */
static const char *watch_answer(const struct store_job *job)
{
    const struct store_watch *watch = job->watch;

    if (watch->generation != job->watch_generation) {
        return "OK"; /* RESET_WATCHES came between: as if it had been set, or unset, before that */
    }
    /* Or it is being ended for that, without this. */
    return job->type == XS_UNWATCH && (watch->state >= STORE_WATCH_ENDING || watch->orphan) ? "OK"
                                                                                            : NULL;
}

static bool has_room(const struct store_connection *connection, uint32_t bound)
{
    return connection->queue.used + connection->reserved + bound <= connection->queue.size;
}

int blanket_xenstore_request_answer(struct blanket_store *store,
                                    struct store_connection *connection,
                                    const struct store_job *job, struct blanket_call *call,
                                    const char *text)
{
    if (call->reply_max >= STORE_SHORT_REPLY) {
        blanket_xenstore_reply_text(store, connection, call, job, text);
    } else if (has_room(connection, STORE_SHORT_REPLY)) {
        blanket_xenstore_reply_text(store, connection, NULL, job, text);
    } else {
        return -BLANKET_EAGAIN;
    }
    return 0;
}

/* What a job needs of its own connection's past is there: its transaction or watch, a slot to start. */
static bool may_go(struct blanket_store *store, struct store_connection *connection,
                   const struct store_job *job)
{
    if (job->type == XS_TRANSACTION_START) {
        if (store->open_count < store->limits.transactions) {
            return true;
        }
        if (connection->starved.next == NULL) {
            blanket_xenstore_list_push(&store->starved, &connection->starved, connection);
        }
        return false;
    }
    if (job->type == XS_UNWATCH && job->watch->state == STORE_WATCH_SETTING) {
        return false;
    }
    return job->transaction == NULL || job->transaction->state == STORE_TRANSACTION_LIVE ||
           job->transaction->state == STORE_TRANSACTION_DOOMED;
}

/* The states that go with having sent it; `undo`: it wasn't taken. */
static void mark(struct blanket_store *store, const struct store_job *job)
{
    if (job->type == XS_WATCH) {
        job->watch->state = STORE_WATCH_SETTING;
    } else if (job->type == XS_UNWATCH) {
        job->watch->state = STORE_WATCH_LEAVING;
    } else if (job->type == XS_TRANSACTION_START) {
        blanket_xenstore_transaction_take(store, job->transaction);
    } else if (job->type == XS_TRANSACTION_END) {
        job->transaction->state = STORE_TRANSACTION_LEAVING;
    }
}

static void unmark(struct blanket_store *store, const struct store_job *job, uint8_t watch_state)
{
    if (job->watch != NULL) {
        job->watch->state = watch_state;
    } else if (job->type == XS_TRANSACTION_START) {
        blanket_xenstore_transaction_untake(store, job->transaction);
    } else if (job->type == XS_TRANSACTION_END) {
        job->transaction->state = STORE_TRANSACTION_LIVE;
    }
}

static enum store_verdict launch(struct blanket_store *store, struct store_connection *connection,
                                 struct store_job *job)
{
    uint8_t watch_state = job->watch == NULL ? (uint8_t)0 : job->watch->state;
    uint32_t size = job->size;
    uint32_t tx_id = 0;
    struct store_request *request;

    if (job->transaction != NULL && job->type != XS_TRANSACTION_START) {
        job->transaction->used = store->tick;
        if (job->transaction->state == STORE_TRANSACTION_LIVE) {
            tx_id = job->transaction->below_id;
        }
    }
    if (job->type == XS_DIRECTORY_PART && job->raw == 0) {
        uint8_t *end = store->message + STORE_HEADER_SIZE + size;

        connection->stepping = 1;
        size += blanket_xenstore_number_print(job->offset, end) + 1;
        store->message[STORE_HEADER_SIZE + size - 1] = 0;
    }
    request = blanket_xenstore_request_make(store, connection->view, connection,
                                            STORE_PURPOSE_CALLER);
    request->job = *job;
    request->reserved = blanket_xenstore_reply_bound(job->type);
    connection->reserved += request->reserved;
    store->current = request;
    mark(store, job);
    if (blanket_xenstore_request_send(store, request, tx_id, size)) {
        return STORE_VERDICT_SENT;
    }
    unmark(store, job, watch_state);
    connection->stepping = 0;
    blanket_xenstore_request_free(store, request);
    return STORE_VERDICT_BLOCKED;
}

enum store_verdict blanket_xenstore_request_try(struct blanket_store *store,
                                                struct store_connection *connection,
                                                struct store_job *job)
{
    bool into_call = store->call != NULL && store->call->reply_max >= STORE_SHORT_REPLY;
    const char *answer = NULL;

    if (!into_call && !has_room(connection, STORE_SHORT_REPLY)) {
        return STORE_VERDICT_PARK;
    }
    if (job->transaction != NULL) {
        answer = transaction_answer(store, job);
    } else if (job->watch != NULL) {
        answer = watch_answer(job);
    }
    if (answer != NULL) {
        blanket_xenstore_reply_text(store, connection, store->call, job, answer);
        connection->view->request_count--;
        return STORE_VERDICT_LOCAL;
    }
    if (!has_room(connection, blanket_xenstore_reply_bound(job->type)) ||
        !may_go(store, connection, job)) {
        return STORE_VERDICT_PARK;
    }
    return launch(store, connection, job);
}

/* Nobody waits, so that going at once takes nothing from anybody. */
static bool may_overtake(const struct blanket_store *store,
                         const struct store_connection *connection, const struct store_job *job)
{
    return connection->waiting_count == 0 && store->ready_count == 0 && !store->blocked &&
           blanket_xenstore_request_allowed(store, connection->view) &&
           (job->type != XS_DIRECTORY_PART || job->raw != 0);
}

int blanket_xenstore_request_submit(struct blanket_store *store,
                                    struct store_connection *connection,
                                    const struct store_job *job, struct blanket_call *call,
                                    uint32_t *value)
{
    struct store_view *view = connection->view;
    struct store_job copy = *job;
    enum store_verdict verdict = STORE_VERDICT_PARK;

    if (view->request_count >= view->request_max) {
        *value = BLANKET_QUOTA_STORE_REQUESTS;
        return -BLANKET_ENOSPC;
    }
    view->request_count++;
    if (may_overtake(store, connection, job)) {
        store->call = call;
        store->current = NULL;
        store->answered = 0;
        verdict = blanket_xenstore_request_try(store, connection, &copy);
        store->call = NULL;
        *value = store->answered;
        if (verdict <= STORE_VERDICT_LOCAL) {
            return 0;
        }
    }
    if (blanket_xenstore_ring_room(&connection->waiting) < sizeof(copy) + copy.size) {
        view->request_count--;
        return -BLANKET_EAGAIN;
    }
    blanket_xenstore_ring_put(&connection->waiting, &copy, sizeof(copy));
    blanket_xenstore_ring_put(&connection->waiting, store->message + STORE_HEADER_SIZE, copy.size);
    connection->waiting_count++;
    if (connection->waiting_count == 1) {
        blanket_xenstore_connection_wake(store, connection);
    }
    return 0;
}
