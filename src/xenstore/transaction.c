/* SPDX-License-Identifier: MIT */
/*
 * Transactions. The store below allows few of them, so that views may have more than it does: a START
 * waits for a slot, and one that is taken away ends with EAGAIN, as any transaction may.
 */
#include "xenstore.h"

int blanket_xenstore_transaction_make(struct blanket_store *store,
                                      struct store_connection *connection, uint32_t id,
                                      struct store_transaction **transaction, uint32_t *quota)
{
    struct store_transaction *made = blanket_xenstore_list_first(&store->free_transactions);
    struct store_view *view = connection->view;

    if (blanket_xenstore_name_find(&store->transaction_names, connection, id) != NULL) {
        return -BLANKET_EEXIST;
    }
    if (view->transaction_count >= view->transaction_max || made == NULL) {
        *quota = BLANKET_QUOTA_STORE_TRANSACTIONS;
        return -BLANKET_ENOSPC;
    }
    blanket_xenstore_list_remove(&made->chore);
    blanket_xenstore_name_add(&store->transaction_names, &made->name, connection, id);
    blanket_xenstore_list_push(&connection->transactions, &made->of_connection, made);
    view->transaction_count++;
    connection->busy++;
    made->connection = connection;
    made->id = id;
    made->state = STORE_TRANSACTION_WAITING;
    made->below = 0;
    made->taken = 0;
    made->used = store->tick;
    *transaction = made;
    return 0;
}

void blanket_xenstore_transaction_free(struct blanket_store *store,
                                       struct store_transaction *transaction)
{
    blanket_xenstore_name_remove(&store->transaction_names, &transaction->name);
    blanket_xenstore_list_remove(&transaction->of_connection);
    blanket_xenstore_list_remove(&transaction->chore);
    transaction->connection->view->transaction_count--;
    transaction->connection->busy--;
    transaction->generation++;
    transaction->state = STORE_TRANSACTION_FREE;
    blanket_xenstore_list_push(&store->free_transactions, &transaction->chore, transaction);
}

static void abort_below(struct blanket_store *store, struct store_transaction *transaction)
{
    struct store_view *view = transaction->connection->view;

    blanket_xenstore_list_push(&view->transaction_chores, &transaction->chore, transaction);
    blanket_xenstore_view_wake(store, view);
}

void blanket_xenstore_transaction_end(struct blanket_store *store,
                                      struct store_transaction *transaction)
{
    blanket_xenstore_name_remove(&store->transaction_names, &transaction->name);
    switch (transaction->state) {
    case STORE_TRANSACTION_WAITING: /* its START, if still in the ring, finds another generation */
        blanket_xenstore_transaction_free(store, transaction);
        break;
    case STORE_TRANSACTION_STARTING:
        transaction->state = STORE_TRANSACTION_ENDING; /* START's answer says what to abort */
        break;
    case STORE_TRANSACTION_LIVE:
        transaction->state = STORE_TRANSACTION_ENDING;
        abort_below(store, transaction);
        break;
    case STORE_TRANSACTION_DOOMED:
        transaction->state = STORE_TRANSACTION_ENDING;
        if (!transaction->below) {
            blanket_xenstore_transaction_free(store, transaction);
        }
        break;
    default: /* ending already */
        break;
    }
}

void blanket_xenstore_transaction_end_all(struct blanket_store *store,
                                          struct store_connection *connection)
{
    struct store_link *link = connection->transactions.next;

    while (link != &connection->transactions) {
        struct store_transaction *transaction = link->owner;

        link = link->next;
        blanket_xenstore_transaction_end(store, transaction);
    }
}

void blanket_xenstore_transaction_take(struct blanket_store *store,
                                       struct store_transaction *transaction)
{
    transaction->state = STORE_TRANSACTION_STARTING;
    transaction->below = 1;
    transaction->used = store->tick;
    transaction->connection->view->open_count++;
    store->open_count++;
}

/* Its slot below is free for another. */
static void give_back(struct blanket_store *store, struct store_transaction *transaction)
{
    struct store_connection *next = blanket_xenstore_list_first(&store->starved);

    transaction->below = 0;
    transaction->connection->view->open_count--;
    store->open_count--;
    if (next != NULL) {
        blanket_xenstore_list_remove(&next->starved);
        blanket_xenstore_connection_wake(store, next);
    }
}

void blanket_xenstore_transaction_untake(struct blanket_store *store,
                                         struct store_transaction *transaction)
{
    give_back(store, transaction);
    transaction->state = STORE_TRANSACTION_WAITING;
}

void blanket_xenstore_transaction_started(struct blanket_store *store,
                                          struct store_transaction *transaction, uint32_t below_id)
{
    if (below_id == 0) {
        give_back(store, transaction);
        blanket_xenstore_transaction_free(store, transaction);
        return;
    }
    transaction->below_id = below_id;
    if (transaction->state == STORE_TRANSACTION_STARTING) {
        transaction->state = STORE_TRANSACTION_LIVE;
    } else {
        abort_below(store, transaction);
    }
}

void blanket_xenstore_transaction_closed(struct blanket_store *store,
                                         struct store_transaction *transaction)
{
    give_back(store, transaction);
    if (transaction->taken) {
        transaction->taken = 0;
        store->taken_count--;
    }
    if (transaction->state != STORE_TRANSACTION_DOOMED) {
        blanket_xenstore_transaction_free(store, transaction);
    }
}

/* Each view that has one, and the one that waits, may have this many. */
static uint32_t fair_share(const struct blanket_store *store)
{
    uint32_t holders = 1;
    uint32_t i;

    for (i = 0; i < store->limits.views; i++) {
        holders += store->views[i].open_count != 0 ? 1u : 0u;
    }
    return store->limits.transactions < holders ? 1 : store->limits.transactions / holders;
}

void blanket_xenstore_transaction_relieve(struct blanket_store *store)
{
    struct store_connection *waiting = blanket_xenstore_list_first(&store->starved);
    struct store_transaction *victim = NULL;
    uint32_t share;
    uint32_t i;

    if (waiting == NULL || store->taken_count != 0) {
        return;
    }
    if (store->open_count < store->limits.transactions) {
        /* The one that was told of it couldn't use it. */
        blanket_xenstore_list_remove(&waiting->starved);
        blanket_xenstore_connection_wake(store, waiting);
        return;
    }
    share = fair_share(store);
    for (i = 0; i < store->transaction_slots; i++) {
        struct store_transaction *at = &store->transactions[i];
        struct store_view *view;

        if (at->state != STORE_TRANSACTION_LIVE || at->name.id == 0) {
            continue; /* not one that could be taken; with its END on its way it's over soon */
        }
        view = at->connection->view;
        if (store->tick - at->used < STORE_IDLE_TICKS &&
            (view == waiting->view || view->open_count <= share)) {
            continue;
        }
        if (victim == NULL || store->tick - at->used > store->tick - victim->used) {
            victim = at;
        }
    }
    if (victim != NULL) {
        victim->state = STORE_TRANSACTION_DOOMED;
        victim->taken = 1;
        store->taken_count++;
        abort_below(store, victim);
    }
}
