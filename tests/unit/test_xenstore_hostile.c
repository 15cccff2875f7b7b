/* SPDX-License-Identifier: MIT */
/*
 * Random callers over a random store below, honest but slow, or lying. After each step the engine's
 * books balance; when the store comes to its senses, each request has had exactly one answer, and
 * nothing is left of anybody.
 *
 * BLANKET_SEEDS="first count" runs others than the usual seeds, and says which.
 */
#include "test_xenstore.h"

#include "xenstore.h"

#define VIEWS 3
#define CALLERS 6
#define ASKED_MAX 64

struct hostile {
    struct fake fake;
    struct caller callers[CALLERS];
    uint32_t asked[CALLERS][ASKED_MAX]; /* request ids without an answer; 0: none */
    bool live[CALLERS];
    bool closing[CALLERS];
    uint64_t random;
    bool lying;
};

static uint32_t pick(struct hostile *hostile, uint32_t count)
{
    hostile->random ^= hostile->random << 13;
    hostile->random ^= hostile->random >> 7;
    hostile->random ^= hostile->random << 17;
    return (uint32_t)(hostile->random >> 33) % count;
}

static uint32_t list_size(const struct store_link *list)
{
    const struct store_link *at;
    uint32_t count = 0;

    for (at = list->next; at != list; at = at->next) {
        assert_ptr_equal(at->next->previous, at);
        assert_non_null(at->owner);
        count++;
    }
    return count;
}

static void check_connection(const struct blanket_store *store,
                             const struct store_connection *connection)
{
    uint32_t watches = list_size(&connection->watches);
    uint32_t transactions = list_size(&connection->transactions);
    uint32_t reserved = 0;
    uint32_t requests = 0;
    uint32_t i;

    for (i = 0; i < store->limits.requests; i++) {
        if (store->requests[i].purpose != STORE_PURPOSE_FREE &&
            store->requests[i].connection == connection) {
            requests++;
            reserved += store->requests[i].reserved;
        }
    }
    assert_int_equal(connection->busy, watches + transactions + requests);
    assert_int_equal(connection->reserved, reserved);
    assert_true(connection->queue.used + reserved <= connection->queue.size);
    assert_true(connection->waiting.used <= connection->waiting.size);
    assert_true(connection->state == STORE_CONNECTION_LIVE || connection->waiting_count == 0);
    assert_int_equal(connection->view->ports[connection->port].connection == connection, 1);
}

static void check_view(const struct blanket_store *store, const struct store_view *view)
{
    const struct store_link *at;
    uint32_t outstanding = 0;
    uint32_t requests = 0;
    uint32_t watches = 0;
    uint32_t transactions = 0;
    uint32_t open = 0;
    uint32_t live = 0;
    uint32_t i;

    for (i = 0; i < store->limits.requests; i++) {
        const struct store_request *request = &store->requests[i];

        if (request->purpose != STORE_PURPOSE_FREE && request->view == view) {
            outstanding++;
            requests += request->purpose == STORE_PURPOSE_CALLER;
        }
    }
    for (at = view->connections.next; at != &view->connections; at = at->next) {
        const struct store_connection *connection = at->owner;

        check_connection(store, connection);
        watches += list_size(&connection->watches);
        transactions += list_size(&connection->transactions);
        if (connection->state == STORE_CONNECTION_LIVE) {
            live++;
            requests += connection->waiting_count - connection->stepping;
        }
    }
    for (i = 0; i < store->transaction_slots; i++) {
        const struct store_transaction *transaction = &store->transactions[i];

        open += transaction->state != STORE_TRANSACTION_FREE && transaction->below &&
                transaction->connection->view == view;
    }
    assert_int_equal(view->outstanding, outstanding);
    assert_int_equal(view->request_count, requests);
    assert_int_equal(view->watch_count, watches);
    assert_int_equal(view->transaction_count, transactions);
    assert_int_equal(view->open_count, open);
    assert_int_equal(view->live_count, live);
    assert_true(watches <= view->watch_max && transactions <= view->transaction_max);
    assert_true(requests <= view->request_max);
}

/* The engine's books. */
static void check(const struct blanket_store *store)
{
    uint32_t free_count = 0;
    uint32_t open = 0;
    uint32_t taken = 0;
    uint32_t i;

    for (i = 0; i < store->limits.requests; i++) {
        free_count += store->requests[i].purpose == STORE_PURPOSE_FREE;
    }
    for (i = 0; i < store->limits.views; i++) {
        if (store->views[i].state != STORE_VIEW_FREE) {
            check_view(store, &store->views[i]);
            open += store->views[i].open_count;
        }
    }
    for (i = 0; i < store->transaction_slots; i++) {
        taken += store->transactions[i].taken;
    }
    assert_int_equal(store->free_count, free_count);
    assert_int_equal(store->open_count, open);
    assert_int_equal(store->taken_count, taken);
    assert_true(open <= store->limits.transactions);
    assert_int_equal(store->ready_count, list_size(&store->ready));
}

static void forget(struct hostile *hostile, uint32_t at)
{
    memset(hostile->asked[at], 0, sizeof(hostile->asked[at]));
}

static void remember(struct hostile *hostile, uint32_t at, uint32_t id)
{
    uint32_t i;

    for (i = 0; i < ASKED_MAX && hostile->asked[at][i] != 0; i++) {
    }
    assert_true(i < ASKED_MAX);
    hostile->asked[at][i] = id;
}

/* One answer to each request. */
static void answered(struct hostile *hostile, uint32_t at, uint32_t id)
{
    uint32_t i;

    for (i = 0; i < ASKED_MAX && hostile->asked[at][i] != id; i++) {
    }
    assert_true(i < ASKED_MAX);
    hostile->asked[at][i] = 0;
}

static void receive(struct hostile *hostile, uint32_t at)
{
    struct caller *caller = &hostile->callers[at];
    uint32_t offset = 0;
    int status = caller_receive(caller);

    assert_true(status == 0 || (!hostile->live[at] && status == -BLANKET_ENOENT));
    while (offset < caller->call.reply_size) {
        struct xsd_sockmsg header;

        memcpy(&header, caller->reply + offset, 16);
        offset += 16 + header.len;
        assert_true(header.len <= 4096);
        if (header.type == XS_WATCH_EVENT) {
            assert_in_range(header.req_id, 1, 4);
            assert_true(header.len >= 1 && caller->reply[offset - 1] == 0);
            assert_int_equal(header.tx_id, 0);
        } else {
            answered(hostile, at, header.req_id);
        }
    }
    assert_int_equal(offset, caller->call.reply_size);
}

static void asked(struct hostile *hostile, uint32_t at, int status)
{
    struct caller *caller = &hostile->callers[at];

    if (status != 0) {
        assert_in_range(-status, 1, 110);
        return;
    }
    remember(hostile, at, caller->req_id);
    if (blanket_result_value(caller->result) == 1) {
        answered(hostile, at, caller->header.req_id);
    } else {
        assert_int_equal(caller->call.reply_size, 0);
    }
}

static const char *const paths[] = {"",         "state", "a", "a/b",      "backend",
                                    "ring-ref", "b",     "c", "a/../../", "frontend-id"};

static void ask_node(struct hostile *hostile, uint32_t at)
{
    static const uint32_t reads[] = {XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_DIRECTORY_PART};
    static const uint32_t writes[] = {XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS};
    struct caller *caller = &hostile->callers[at];
    const char *path = paths[pick(hostile, 10)];
    uint32_t transaction = pick(hostile, 4) == 0 ? pick(hostile, 4) : 0;
    bool write = pick(hostile, 2) == 0;
    uint32_t type = write ? writes[pick(hostile, 4)] : reads[pick(hostile, 4)];
    char payload[4200] = "";
    size_t size = strlen(path) + 1;

    memcpy(payload, path, size);
    if (type == XS_SET_PERMS) {
        memcpy(payload + size, "n0\0r1", 6);
        size += 6;
    } else if (type == XS_DIRECTORY_PART) {
        size += (size_t)snprintf(payload + size, 16, "%u", pick(hostile, 40)) + 1;
    } else if (type == XS_WRITE) {
        size += pick(hostile, 8) == 0 ? pick(hostile, 4000) : 1;
    }
    asked(hostile, at,
          caller_ask(caller, write ? BLANKET_VERB_STORE_WRITE : BLANKET_VERB_STORE_READ, type,
                     pick(hostile, 5), transaction, payload, size));
}

static void ask_noise(struct hostile *hostile, uint32_t at)
{
    struct caller *caller = &hostile->callers[at];
    uint8_t payload[64];
    uint32_t i;

    for (i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)pick(hostile, 256);
    }
    for (i = 0; i < 8; i++) {
        caller->items[i] = blanket_item(pick(hostile, 16), 0, pick(hostile, 70000));
    }
    caller->req_id++;
    if (pick(hostile, 2) == 0) {
        caller->items[0] = caller_port(caller);
        caller->items[1] = blanket_item(BLANKET_ITEM_REQUEST, 0,
                                        (uint64_t)pick(hostile, 24) << 32 | caller->req_id);
        caller->items[2] = blanket_item(BLANKET_ITEM_ROOT, 0, pick(hostile, 5));
        caller->items[3] = blanket_item(pick(hostile, 2) == 0 ? BLANKET_ITEM_WATCH
                                                              : BLANKET_ITEM_TRANSACTION,
                                        0, pick(hostile, 4));
    }
    i = BLANKET_VERB_STORE_READ;
    switch (pick(hostile, 5)) {
    case 0:
        i = BLANKET_VERB_STORE_WRITE;
        break;
    case 1:
        i = BLANKET_VERB_STORE_WATCH;
        break;
    case 2:
        i = BLANKET_VERB_STORE_WRITE_GRANT;
        break;
    case 3:
        i = BLANKET_VERB_STORE_TRANSACT;
        break;
    default:
        break;
    }
    asked(hostile, at,
          caller_call(caller, (uint16_t)i, (uint16_t)pick(hostile, 6), payload,
                      pick(hostile, sizeof(payload))));
}

static void ask_lasting(struct hostile *hostile, uint32_t at)
{
    struct caller *caller = &hostile->callers[at];
    uint32_t id = 1 + pick(hostile, 4);

    switch (pick(hostile, 10)) {
    case 0:
    case 1:
    case 2:
        asked(hostile, at,
              caller_watch(caller, XS_WATCH, pick(hostile, 2), id, paths[pick(hostile, 10)]));
        break;
    case 3:
    case 4:
        asked(hostile, at,
              caller_watch(caller, XS_UNWATCH, pick(hostile, 2), id, paths[pick(hostile, 10)]));
        break;
    case 5:
        asked(hostile, at, caller_watch(caller, XS_RESET_WATCHES, 0, 0, NULL));
        break;
    case 6:
    case 7:
        asked(hostile, at, caller_transact(caller, XS_TRANSACTION_START, id, NULL));
        break;
    default:
        asked(hostile, at,
              caller_transact(caller, XS_TRANSACTION_END, id, pick(hostile, 2) == 0 ? "T" : "F"));
        break;
    }
}

static void connect_or_not(struct hostile *hostile, uint32_t at)
{
    struct caller *caller = &hostile->callers[at];
    int status;

    if (hostile->live[at]) {
        status = caller_disconnect(caller);
        hostile->live[at] = false;
        forget(hostile, at);
        assert_true(status == 0 || status == -BLANKET_EBUSY);
        hostile->closing[at] = status != 0;
    } else if (hostile->closing[at]) {
        hostile->closing[at] = caller_disconnect(caller) != 0;
    } else {
        caller->generation++;
        status = caller_connect(caller);
        assert_true(status == 0 || status == -BLANKET_EBUSY || status == -BLANKET_ENOSPC);
        hostile->live[at] = status == 0;
    }
}

/* The store below: something that it might say if it were mad, or its memory full of others' words. */
static void lie(struct hostile *hostile)
{
    struct fake *fake = &hostile->fake;
    struct fake_message message;
    struct xsd_sockmsg header = {pick(hostile, 24), pick(hostile, 16) << 12 | pick(hostile, 9), 0,
                                 0};
    char body[64];
    uint32_t size = pick(hostile, sizeof(body));
    uint32_t i;

    for (i = 0; i < sizeof(body); i++) {
        body[i] = "OK\0E1/a\0"[pick(hostile, 8)];
    }
    if (fake->sent_count != 0 && pick(hostile, 2) == 0) {
        i = pick(hostile, fake->sent_count);
        memcpy(&header, fake->sent[i].bytes, 16);
        switch (pick(hostile, 4)) {
        case 0: /* twice */
            message = fake->sent[i];
            fake_serve(fake, &message);
            return;
        case 1: /* never */
            fake->sent[i] = fake->sent[--fake->sent_count];
            blanket_store_lost(fake->store);
            return;
        case 2: /* another's */
            header.type = pick(hostile, 24);
            break;
        default:
            break;
        }
    }
    if (pick(hostile, 3) == 0) {
        char token[32];

        snprintf(token, sizeof(token), "%08x%08x", pick(hostile, 20), pick(hostile, 13));
        fake_event(fake, pick(hostile, 2) == 0 ? FRONTEND "/a" : BACKEND "/state", token);
        return;
    }
    fake_input(fake, header.type, header.req_id, pick(hostile, 3), body, size);
}

static void store_step(struct hostile *hostile)
{
    struct fake *fake = &hostile->fake;

    switch (pick(hostile, 24)) {
    case 0:
        fake->refuse = true;
        break;
    case 1:
    case 2:
        fake->refuse = false;
        blanket_store_ready(fake->store);
        break;
    case 3:
        fake_fire(fake, pick(hostile, 2) == 0 ? FRONTEND "/a" : BACKEND "/state");
        break;
    case 4:
        if (pick(hostile, 20) == 0) {
            uint32_t i;

            fake->sent_count = 0;
            memset(fake->transaction_ids, 0, sizeof(fake->transaction_ids));
            fake->open_transactions = 0;
            for (i = 0; i < FAKE_WATCHES; i++) {
                free(fake->watches[i]);
                fake->watches[i] = NULL;
            }
            blanket_store_lost(fake->store);
        }
        break;
    case 5:
        fake->asynchronous = fake->sent_count != 0 || pick(hostile, 2) == 0;
        break;
    case 6:
    case 7:
        if (hostile->lying) {
            lie(hostile);
        }
        break;
    default:
        if (fake->sent_count != 0) {
            fake_answer(fake, hostile->lying ? pick(hostile, fake->sent_count) : 0);
        }
        break;
    }
}

static void step(struct hostile *hostile)
{
    uint32_t at = pick(hostile, CALLERS);
    struct caller *caller = &hostile->callers[at];

    caller->reply_max = pick(hostile, 8) == 0 ? 0 : 4112;
    switch (pick(hostile, 16)) {
    case 0:
        if (pick(hostile, 8) == 0) {
            connect_or_not(hostile, at);
        }
        break;
    case 1:
    case 2:
    case 3:
        ask_lasting(hostile, at);
        break;
    case 4:
        caller->reply_max = 4112;
        receive(hostile, at);
        break;
    case 5:
        ask_noise(hostile, at);
        break;
    case 6:
    case 7:
    case 8:
        ask_node(hostile, at);
        break;
    default:
        store_step(hostile);
        break;
    }
}

static void begin(struct hostile *hostile, uint64_t seed, bool lying)
{
    struct blanket_store_limits limits = fake_limits;
    uint64_t views[VIEWS];
    uint32_t i;

    memset(hostile, 0, sizeof(*hostile));
    hostile->random = seed * 0x9e3779b97f4a7c15ull + 1;
    hostile->lying = lying;
    limits.requests = 1 + pick(hostile, 8);
    limits.transactions = 1 + pick(hostile, 4);
    limits.queue_size = pick(hostile, 3) == 0 ? 4128 : 4128 + pick(hostile, 9000);
    limits.watches = 12;
    fake_begin(&hostile->fake, &limits);
    hostile->fake.part_size = 20 + pick(hostile, 100);
    for (i = 0; i < VIEWS; i++) {
        struct blanket_store_view_spec spec = fake_spec(i);

        spec.watches = 4;
        spec.transactions = 1;
        spec.roots[BLANKET_ROOT_BACKEND].rights = FAKE_RIGHTS_ALL;
        views[i] = fake_view(&hostile->fake, &spec);
    }
    for (i = 0; i < CALLERS; i++) {
        caller_begin(&hostile->callers[i], &hostile->fake, views[i % VIEWS], i);
        hostile->callers[i].generation = 0;
        hostile->callers[i].req_id = 1000000 * i;
        connect_or_not(hostile, i);
    }
}

/* The store is well again, and everybody takes what is theirs. */
static void heal(struct hostile *hostile)
{
    struct fake *fake = &hostile->fake;
    uint32_t rounds;
    uint32_t i;

    fake->refuse = false;
    blanket_store_ready(fake->store);
    for (rounds = 0; rounds < 200; rounds++) {
        fake_answer_all(fake);
        for (i = 0; i < CALLERS; i++) {
            hostile->callers[i].reply_max = 4112;
            receive(hostile, i);
        }
        /* Nobody else gives up a transaction: after some calls an idle one is taken. */
    }
    for (rounds = 0; rounds < STORE_IDLE_TICKS * 16; rounds++) {
        receive(hostile, rounds % CALLERS);
        fake_answer_all(fake);
    }
    for (i = 0; i < CALLERS; i++) {
        uint32_t k;

        receive(hostile, i);
        for (k = 0; k < ASKED_MAX; k++) {
            assert_int_equal(hostile->asked[i][k], 0);
        }
    }
    check(fake->store);
}

static void end(struct hostile *hostile)
{
    struct fake *fake = &hostile->fake;
    uint32_t i;

    for (i = 0; i < CALLERS; i++) {
        if (hostile->live[i] || hostile->closing[i]) {
            caller_disconnect(&hostile->callers[i]);
            fake_answer_all(fake);
            assert_int_equal(caller_disconnect(&hostile->callers[i]), 0);
        }
    }
    for (i = 0; i < VIEWS; i++) {
        assert_int_equal(blanket_store_view_remove(fake->store, hostile->callers[i].view), 0);
    }
    check(fake->store);
    assert_int_equal(fake->store->free_count, fake->store->limits.requests);
    assert_int_equal(list_size(&fake->store->free_watches), fake->store->limits.watches);
    assert_int_equal(list_size(&fake->store->free_transactions), fake->store->transaction_slots);
    assert_int_equal(fake->store->open_count, 0);
    if (!hostile->lying) {
        assert_int_equal(fake_watch_count(fake), 0);
        assert_int_equal(fake->open_transactions, 0);
    }
    fake_end(fake);
}

static void run(bool lying)
{
    static struct hostile hostile;
    const char *given = getenv("BLANKET_SEEDS");
    unsigned first = 1;
    unsigned count = 60;
    unsigned seed;
    uint32_t i;

    if (given != NULL) {
        assert_int_equal(sscanf(given, "%u %u", &first, &count), 2);
    }
    for (seed = first; seed < first + count; seed++) {
        if (given != NULL) {
            fprintf(stderr, "seed %u\n", seed);
        }
        begin(&hostile, seed, lying);
        for (i = 0; i < 1500; i++) {
            step(&hostile);
            check(hostile.fake.store);
        }
        heal(&hostile);
        end(&hostile);
    }
}

/* A ring against a plain array. */
static void test_ring(void **state)
{
    static struct hostile hostile;
    struct store_ring ring;
    uint8_t memory[37];
    uint8_t model[37];
    uint32_t used = 0;
    uint32_t total = 0;
    uint32_t i;

    (void)state;
    hostile.random = 77;
    blanket_xenstore_ring_init(&ring, memory, sizeof(memory));
    for (i = 0; i < 20000; i++) {
        uint8_t bytes[37];
        uint32_t size = pick(&hostile, sizeof(memory) - used + 1);
        uint32_t at = pick(&hostile, used + 1);
        uint32_t k;

        for (k = 0; k < size; k++) {
            bytes[k] = (uint8_t)pick(&hostile, 256);
        }
        blanket_xenstore_ring_put(&ring, bytes, size);
        memcpy(model + used, bytes, size);
        used += size;
        total += size;
        assert_int_equal(ring.used, used);
        assert_int_equal(ring.total, total);
        assert_int_equal(blanket_xenstore_ring_room(&ring), sizeof(memory) - used);
        blanket_xenstore_ring_peek(&ring, at, bytes, used - at);
        assert_memory_equal(bytes, model + at, used - at);
        assert_true(blanket_xenstore_ring_equal(&ring, at, bytes, used - at));
        if (used != at) {
            bytes[pick(&hostile, used - at)] ^= 1;
            assert_false(blanket_xenstore_ring_equal(&ring, at, bytes, used - at));
            blanket_xenstore_ring_poke(&ring, at, bytes, used - at);
            memcpy(model + at, bytes, used - at);
        }
        at = pick(&hostile, used + 1);
        blanket_xenstore_ring_drop(&ring, at);
        used -= at;
        memmove(model, model + at, used);
    }
}

static void test_honest(void **state)
{
    (void)state;
    run(false);
}

static void test_lying(void **state)
{
    (void)state;
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_lying),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
