/* SPDX-License-Identifier: MIT */
/*
 * Brokers: each end's view of the store.
 *
 * An end has an engine of its own, on a raw connection of its own that speaks as its owner's domain.
 * So the view restricts the end, and the store's permissions and quotas restrict it once more; ends of
 * other domains share nothing with it, and those of the same domain have quotas that were carved for
 * them. Nodes and bytes are charged to the domain: its ends share these.
 *
 * The store answers at once, so an engine's message is answered from inside its send. Watch events come
 * to a connection at any time, while somebody else's request is performed: its broker is queued then,
 * and whoever entered the provider pumps before it leaves.
 */
#include "root_private.h"

#include <stdlib.h>

#define QUEUE_SIZE 8192u     /* two messages of the largest size for each connection */
#define WATCH_PATH_SIZE 512u /* a device's directory and what is below */

/* The alignment that an engine wants is what calloc gives. */
_Static_assert(_Alignof(max_align_t) >= 16, "an engine is aligned to 16");

/* From inside a call of the store: only remembers. */
static void raw_ready(void *context)
{
    struct root_broker *broker = (struct root_broker *)context;

    if (!broker->queued) {
        broker->queued = true;
        broker->next = broker->root->brokers;
        broker->root->brokers = broker;
    }
}

static void input_all(struct root_broker *broker)
{
    size_t size = 0;
    const void *message;

    if (broker->inputting) {
        return; /* the engine sends from inside its input: the loop below goes on with the answer */
    }
    broker->inputting = true;
    message = blanket_root_store_peek(broker->raw, &size);
    while (message && size != 0) {
        blanket_store_input(broker->engine, message, (uint32_t)size);
        blanket_root_store_consume(broker->raw);
        message = blanket_root_store_peek(broker->raw, &size);
    }
    broker->inputting = false;
}

static int engine_send(void *context, const void *message, uint32_t size)
{
    struct root_broker *broker = (struct root_broker *)context;
    int status = broker->lost ? -BLANKET_ENOTCONN
                              : blanket_root_store_submit(broker->raw, message, size);

    if (status == 0) {
        input_all(broker);
        return 0;
    }
    broker->blocked = true;
    broker->lost = broker->lost || status != -BLANKET_EAGAIN;
    raw_ready(broker);
    return -BLANKET_EAGAIN;
}

static void engine_event(void *context, uint64_t cookie, uint32_t index)
{
    struct root_broker *broker = (struct root_broker *)context;
    struct root_end *end = broker->end;

    (void)cookie;
    if (index < end->numbers.count) {
        blanket_root_notice_post(broker->root, &end->ports[index].notice);
    }
}

static const struct blanket_store_ops engine_ops = {
    .send = engine_send,
    .event = engine_event,
};

static int port_number(void *context, uint64_t cookie, uint32_t index, uint32_t *number)
{
    const struct root_broker *broker = (const struct root_broker *)context;

    (void)cookie;
    if (index >= broker->end->numbers.count) {
        return -BLANKET_ENOENT;
    }
    *number = broker->end->numbers.first + index;
    return 0;
}

/* A lost connection for which there was no room last time. */
static void retry(struct root_broker *broker)
{
    if (broker->lost) {
        raw_ready(broker);
    }
}

/* The domain was removed behind our back (XS_RELEASE by another toolstack) and is there again. */
static void reconnect(struct root_broker *broker)
{
    struct blanket_root_store_connection *raw = NULL;

    if (blanket_root_store_connect(broker->root->store, (uint16_t)broker->end->owner_domid,
                                   raw_ready, broker, &raw)) {
        return; /* no room in the store: at the next occasion */
    }
    blanket_root_store_disconnect(broker->raw);
    broker->raw = raw;
    broker->lost = false;
    blanket_store_lost(broker->engine);
}

/* Serve all whose connection has something to read, until none has. */
void blanket_root_broker_pump(struct blanket_root *root)
{
    while (root->brokers) {
        struct root_broker *broker = root->brokers;

        root->brokers = broker->next;
        broker->queued = false;
        if (broker->lost) {
            reconnect(broker);
        }
        if (!broker->lost) {
            input_all(broker);
            if (broker->blocked) {
                broker->blocked = false;
                blanket_store_ready(broker->engine);
            }
        }
    }
}

static int engine_make(struct root_broker *broker, const struct blanket_root_device *quotas,
                       bool whole)
{
    struct blanket_store_limits limits = {.views = 1,
                                          .connections = quotas->connections,
                                          .watches = quotas->watches,
                                          .transactions = quotas->transactions,
                                          .requests = quotas->requests ? quotas->requests : 1,
                                          .queue_size = QUEUE_SIZE,
                                          .ports = quotas->ports,
                                          .watch_path = whole ? 0 : WATCH_PATH_SIZE};
    size_t size = blanket_store_size(&limits);

    if (size == 0) {
        return -BLANKET_EINVAL;
    }
    /* Zeroed by the system where that is large: room for the watches of many costs nothing until used. */
    broker->memory = calloc(1, size);
    if (!broker->memory) {
        return -BLANKET_ENOMEM;
    }
    broker->size = size;
    broker->root->bytes += size;
    return blanket_store_init(broker->memory, &limits, &engine_ops, broker, &broker->engine);
}

static int view_make(struct root_broker *broker, const struct blanket_root_device *quotas,
                     const struct blanket_store_root_spec *roots, uint32_t flags)
{
    struct blanket_store_view_spec spec = {.flags = flags,
                                           .self_domid = broker->end->owner_domid,
                                           .peer_domid = broker->end->peer_domid,
                                           .grant_base = broker->end->references.first,
                                           .connections = quotas->connections,
                                           .requests = quotas->requests,
                                           .watches = quotas->watches,
                                           .transactions = quotas->transactions,
                                           .ports = quotas->ports,
                                           .port_number = port_number};

    memcpy(spec.roots, roots, sizeof(spec.roots));
    return blanket_store_view_add(broker->engine, &spec, &broker->view);
}

/* Give an end its view. Without a store, or a quota of connections, there is none: 0 all the same. */
int blanket_root_broker_open(struct blanket_root *root, struct root_end *end,
                             const struct blanket_root_device *quotas,
                             const struct blanket_store_root_spec *roots, uint32_t flags)
{
    struct root_broker *broker;
    int status;

    if (!root->store || quotas->connections == 0) {
        return 0;
    }
    broker = (struct root_broker *)blanket_root_allocate(root, 1, sizeof(*broker));
    if (!broker) {
        return -BLANKET_ENOMEM;
    }
    end->broker = broker;
    broker->root = root;
    broker->end = end;
    status = blanket_root_store_connect(root->store, (uint16_t)end->owner_domid, raw_ready, broker,
                                        &broker->raw);
    status = status ? status : engine_make(broker, quotas, flags & BLANKET_STORE_VIEW_RAW);
    status = status ? status : view_make(broker, quotas, roots, flags);
    if (status) {
        blanket_root_broker_close(root, end);
    }
    return status;
}

/* Close the device towards its peer and end what it has in the store; true: it has nothing there. */
bool blanket_root_broker_leave(struct blanket_root *root, struct root_end *end)
{
    struct root_broker *broker = end->broker;
    bool gone = true;

    if (broker) {
        retry(broker);
        gone = blanket_store_view_remove(broker->engine, broker->view) == 0;
        blanket_root_broker_pump(root);
    }
    return gone;
}

static void unqueue(struct root_broker *broker)
{
    struct root_broker **link = &broker->root->brokers;

    while (*link && *link != broker) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = broker->next;
    }
}

void blanket_root_broker_close(struct blanket_root *root, struct root_end *end)
{
    struct root_broker *broker = end->broker;

    if (!broker) {
        return;
    }
    blanket_root_store_disconnect(broker->raw);
    unqueue(broker);
    root->bytes -= broker->size;
    free(broker->memory);
    blanket_root_release(root, broker, 1, sizeof(*broker));
    end->broker = NULL;
}

/* Hand a call to the engine, by the name that it knows the end by. */
int blanket_root_broker_call(struct root_broker *broker, struct blanket_call *call)
{
    struct blanket_call inner = *call;
    int status;

    retry(broker);
    inner.endpoint = broker->view;
    status = blanket_store_call(broker->engine, &inner);
    call->done = inner.done;
    call->detail = inner.detail;
    call->reply_size = inner.reply_size;
    blanket_root_broker_pump(broker->root);
    return status;
}
