/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore: four clients of three domains send whatever the bytes say. Each request that
 * is taken gets one answer, in order, of its own type or an error; every message that comes out is
 * whole; and the store, walked from end to end, holds together.
 *
 * Input, again and again: a byte (2 bits: client, 3 bits: what), then what that needs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xs_wire.h>

#include "store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 4u
#define ASKED_MAX 64u

struct asked {
    uint32_t id, type;
};

struct client {
    struct blanket_root_store_connection *connection;
    uint16_t domid;
    uint32_t next_id;
    uint32_t transaction; /* the last one that was begun */
    struct asked asked[ASKED_MAX];
    uint32_t asked_first, asked_count;
};

struct run {
    struct blanket_root_store *store;
    struct client clients[CLIENTS];
    const uint8_t *data;
    size_t size;
};

static void demand(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "store: %s\n", what);
        abort();
    }
}

static uint32_t take(struct run *run)
{
    if (run->size == 0) {
        return 0;
    }
    run->size--;
    return *run->data++;
}

/* The oldest message of the client, if there is one: is it what it has to be? */
static int receive(struct client *client)
{
    uint8_t buffer[16 + 4096];
    struct xsd_sockmsg header;
    size_t used = 0;

    demand(blanket_root_store_receive(client->connection, buffer, sizeof(buffer), &used) == 0,
           "a message doesn't fit its largest size");
    if (used == 0) {
        return 0;
    }
    demand(used >= sizeof(header), "a message without a header");
    memcpy(&header, buffer, sizeof(header));
    demand(header.len == used - sizeof(header), "a message whose length is another");
    if (header.type == XS_WATCH_EVENT) {
        demand(header.len >= 3 && buffer[used - 1] == 0, "a watch event that isn't two strings");
        return 1;
    }
    demand(client->asked_count > 0, "an answer that nobody asked for");
    demand(header.req_id == client->asked[client->asked_first].id, "answers out of order");
    demand(header.type == client->asked[client->asked_first].type || header.type == XS_ERROR,
           "an answer of another type");
    client->asked_first = (client->asked_first + 1) % ASKED_MAX;
    client->asked_count--;
    if (header.type == XS_TRANSACTION_START) {
        client->transaction = (uint32_t)strtoul((const char *)buffer + sizeof(header), NULL, 10);
    }
    return 1;
}

static void receive_all(struct client *client)
{
    while (receive(client)) {
    }
}

static void submit(struct client *client, const void *message, size_t size)
{
    struct xsd_sockmsg header;
    int status;

    if (client->asked_count == ASKED_MAX) {
        receive_all(client);
    }
    status = blanket_root_store_submit(client->connection, message, size);
    if (size < sizeof(header)) {
        demand(status != 0, "less than a header is taken");
        return;
    }
    demand(status == 0 || status == -BLANKET_EAGAIN || status == -BLANKET_ENOTCONN,
           "a submit gives something else");
    if (status == 0) {
        uint32_t last = (client->asked_first + client->asked_count++) % ASKED_MAX;

        memcpy(&header, message, sizeof(header));
        client->asked[last].id = header.req_id;
        client->asked[last].type = header.type;
    }
}

/* A request whose header fits its body. */
static void ask(struct run *run, struct client *client)
{
    uint8_t message[16 + 4096];
    struct xsd_sockmsg header;
    uint32_t type = take(run), size = take(run), i;

    memset(&header, 0, sizeof(header));
    header.type = type % 29;
    header.req_id = client->next_id++;
    header.tx_id = type & 0x80u ? client->transaction : 0;
    size = size == 255 ? 4096 : size;
    size = size > run->size ? (uint32_t)run->size : size;
    header.len = size;
    memcpy(message, &header, sizeof(header));
    for (i = 0; i < size; i++) {
        message[sizeof(header) + i] = (uint8_t)take(run);
    }
    submit(client, message, sizeof(header) + size);
}

/* Bytes as they come. */
static void ask_raw(struct run *run, struct client *client)
{
    uint8_t message[255];
    uint32_t size = take(run), i;

    size = size > run->size ? (uint32_t)run->size : size;
    for (i = 0; i < size; i++) {
        message[i] = (uint8_t)take(run);
    }
    submit(client, message, size);
}

static void connect_client(struct run *run, struct client *client)
{
    client->asked_count = client->asked_first = client->transaction = 0;
    demand(blanket_root_store_connect(run->store, client->domid, NULL, NULL, &client->connection) ==
               0,
           "there is no room for a client");
}

static void happen(struct run *run, struct client *client)
{
    switch (take(run) % 4) {
    case 0:
        (void)blanket_root_store_domain_remove(run->store, 1);
        break;
    case 1:
        (void)blanket_root_store_domain_shutdown(run->store, 2);
        break;
    case 2:
        demand(blanket_root_store_domain_add(run->store, 1) != -BLANKET_EINVAL,
               "domain 1 isn't one");
        break;
    default:
        blanket_root_store_disconnect(client->connection);
        connect_client(run, client);
        break;
    }
}

static void step(struct run *run)
{
    uint32_t op = take(run);
    struct client *client = &run->clients[op & 3u];

    switch ((op >> 2) & 7u) {
    case 5:
        ask_raw(run, client);
        break;
    case 6:
        receive_all(client);
        break;
    case 7:
        happen(run, client);
        break;
    default:
        ask(run, client);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t domids[CLIENTS] = {0, 1, 2, 1};
    struct blanket_root_store_limits limits;
    struct run run;
    uint32_t i, steps = 0;

    memset(&run, 0, sizeof(run));
    run.data = data;
    run.size = size;
    blanket_root_store_limits_default(&limits);
    limits.memory_size = 256 * 1024;
    limits.domain_memory_size = 64 * 1024;
    limits.node_count = 64;
    limits.watch_count = 8;
    limits.transaction_count = 3;
    demand(blanket_root_store_create(&limits, &run.store) == 0, "there is no store");
    for (i = 0; i < CLIENTS; i++) {
        run.clients[i].domid = domids[i];
        connect_client(&run, &run.clients[i]);
    }
    while (run.size) {
        step(&run);
        if (++steps % 16 == 0) {
            demand(blanket_root_store_check(run.store), "the store doesn't hold together");
        }
    }
    for (i = 0; i < CLIENTS; i++) {
        receive_all(&run.clients[i]);
        demand(run.clients[i].asked_count == 0, "a request without an answer");
    }
    demand(blanket_root_store_check(run.store), "the store doesn't hold together at the end");
    for (i = 0; i < CLIENTS; i++) {
        blanket_root_store_disconnect(run.clients[i].connection);
    }
    demand(blanket_root_store_check(run.store), "the store doesn't hold together without clients");
    blanket_root_store_destroy(run.store);
    return 0;
}
