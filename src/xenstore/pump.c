/* SPDX-License-Identifier: MIT */
/*
 * Who is next: the views that have something to send take turns, one message each; within a view its
 * own duties (ending watches and transactions, closing the device), then its connections in turn.
 *
 * A view may have at most as many messages outstanding as there are slots left free: alone it takes
 * half of them, and whoever comes later always finds some (a dynamic threshold).
 */
#include "xenstore.h"

static enum store_verdict watch_chore(struct blanket_store *store, struct store_view *view,
                                      struct store_watch *watch)
{
    bool renew = watch->state == STORE_WATCH_RENEW;
    struct store_request *request;
    uint32_t size;

    request = blanket_xenstore_request_make(store, view, watch->connection,
                                            renew ? STORE_PURPOSE_RENEW : STORE_PURPOSE_UNWATCH);
    request->job.type = renew ? XS_WATCH : XS_UNWATCH;
    request->job.watch = watch;
    size = blanket_xenstore_watch_compose(store, watch);
    blanket_xenstore_list_remove(&watch->chore);
    watch->state = renew ? STORE_WATCH_SETTING : STORE_WATCH_LEAVING;
    if (blanket_xenstore_request_send(store, request, 0, size)) {
        return STORE_VERDICT_SENT;
    }
    watch->state = renew ? STORE_WATCH_RENEW : STORE_WATCH_ENDING;
    blanket_xenstore_list_push(&view->watch_chores, &watch->chore, watch);
    blanket_xenstore_request_free(store, request);
    return STORE_VERDICT_BLOCKED;
}

static enum store_verdict transaction_chore(struct blanket_store *store, struct store_view *view,
                                            struct store_transaction *transaction)
{
    struct store_request *request = blanket_xenstore_request_make(
        store, view, transaction->connection, STORE_PURPOSE_ABORT);

    request->job.type = XS_TRANSACTION_END;
    request->job.transaction = transaction;
    memcpy(store->message + STORE_HEADER_SIZE, "F", 2);
    blanket_xenstore_list_remove(&transaction->chore);
    if (blanket_xenstore_request_send(store, request, transaction->below_id, 2)) {
        return STORE_VERDICT_SENT;
    }
    blanket_xenstore_list_push(&view->transaction_chores, &transaction->chore, transaction);
    blanket_xenstore_request_free(store, request);
    return STORE_VERDICT_BLOCKED;
}

static enum store_verdict close_chore(struct blanket_store *store, struct store_view *view)
{
    struct store_request *request = blanket_xenstore_request_make(store, view, NULL,
                                                                  STORE_PURPOSE_CLOSE);
    uint32_t size = blanket_xenstore_close_compose(store, view, &request->job.type);

    view->close_busy = 1;
    if (blanket_xenstore_request_send(store, request, 0, size)) {
        return STORE_VERDICT_SENT;
    }
    view->close_busy = 0;
    blanket_xenstore_request_free(store, request);
    return STORE_VERDICT_BLOCKED;
}

/* The first job of a connection. */
static enum store_verdict connection_step(struct blanket_store *store,
                                          struct store_connection *connection)
{
    enum store_verdict verdict;
    struct store_job job;
    bool steps;

    if (connection->waiting_count == 0 || connection->stepping) {
        return STORE_VERDICT_PARK;
    }
    blanket_xenstore_ring_peek(&connection->waiting, 0, &job, sizeof(job));
    blanket_xenstore_ring_peek(&connection->waiting, sizeof(job),
                               store->message + STORE_HEADER_SIZE, job.size);
    steps = job.type == XS_DIRECTORY_PART && job.raw == 0;
    verdict = blanket_xenstore_request_try(store, connection, &job);
    if (verdict == STORE_VERDICT_LOCAL || (verdict == STORE_VERDICT_SENT && !steps)) {
        blanket_xenstore_ring_drop(&connection->waiting, (uint32_t)sizeof(job) + job.size);
        connection->waiting_count--;
    }
    return verdict;
}

static enum store_verdict view_step(struct blanket_store *store, struct store_view *view)
{
    struct store_watch *watch = blanket_xenstore_list_first(&view->watch_chores);
    struct store_transaction *transaction = blanket_xenstore_list_first(&view->transaction_chores);
    struct store_connection *connection;

    if (transaction != NULL) {
        return transaction_chore(store, view, transaction);
    }
    if (watch != NULL) {
        return watch_chore(store, view, watch);
    }
    if (view->close_step != STORE_CLOSE_NONE && !view->close_busy) {
        return close_chore(store, view);
    }
    for (connection = blanket_xenstore_list_first(&view->run); connection != NULL;
         connection = blanket_xenstore_list_first(&view->run)) {
        enum store_verdict verdict = connection_step(store, connection);

        blanket_xenstore_list_remove(&connection->run);
        if (verdict != STORE_VERDICT_PARK) {
            blanket_xenstore_list_push(&view->run, &connection->run, connection);
            return verdict;
        }
    }
    return STORE_VERDICT_PARK;
}

void blanket_xenstore_pump(struct blanket_store *store, uint32_t budget)
{
    uint32_t idle = 0; /* views that were asked in vain since the last message */

    if (store->sending) {
        return; /* a reply from inside ops->send: the loop outside goes on */
    }
    if (!blanket_xenstore_list_empty(&store->starved)) {
        blanket_xenstore_transaction_relieve(store);
    }
    while (budget > 0 && idle < store->ready_count && store->free_count > 0 && !store->blocked) {
        struct store_view *view = blanket_xenstore_list_first(&store->ready);
        enum store_verdict verdict;

        blanket_xenstore_list_remove(&view->ready);
        blanket_xenstore_list_push(&store->ready, &view->ready, view);
        if (!blanket_xenstore_request_allowed(store, view)) {
            idle++;
            continue;
        }
        verdict = view_step(store, view);
        if (verdict == STORE_VERDICT_PARK) {
            blanket_xenstore_view_rest(store, view);
        } else if (verdict != STORE_VERDICT_BLOCKED) {
            budget--;
            idle = 0;
        }
    }
}
