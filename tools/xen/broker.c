/* SPDX-License-Identifier: MIT */
#include "broker_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xen/io/xs_wire.h>

#define QUEUE_SIZE (8u * (BLANKET_PAYLOAD_SIZE_MAX + 16u)) /* replies of a connection in flight */
#define ENGINE_ALIGNMENT 16u
#define MESSAGES_AT_ONCE 256u
#define FRAMES_AT_ONCE 64u
#define SELF_UNKNOWN 0x7ff4u /* DOMID_INVALID */
#define SELF_MAX 0x7ff0u     /* DOMID_FIRST_RESERVED */

void broker_log(struct broker *broker, const char *line)
{
    broker->ops->log(broker->context, line);
}

void broker_log_error(struct broker *broker, const char *what, int status)
{
    char line[512];

    (void)snprintf(line, sizeof(line), "%s (error %d)", what, -status);
    broker_log(broker, line);
}

static int operation(struct broker *broker, uint32_t number, void *structure, size_t size)
{
    return broker->ops->operation(broker->context, number, structure, size);
}

/* ---- the store below ---- */

static int message_send(struct broker *broker, const void *message, uint32_t size)
{
    int status;

    broker->message.size = size;
    broker->message.zero = 0;
    memcpy(broker->message.message, message, size);
    status = operation(broker, BLANKET_XEN_STORE_SEND, &broker->message, sizeof(broker->message));
    broker->stats.messages_below += status == 0;
    return status;
}

static int engine_send(void *context, const void *message, uint32_t size)
{
    struct broker *broker = context;

    if (broker->phase != BROKER_SERVING || message_send(broker, message, size) != 0) {
        broker->blocked = true;
        return -BLANKET_EAGAIN;
    }
    return 0;
}

static void engine_event(void *context, uint64_t cookie, uint32_t index)
{
    struct broker *broker = context;
    const struct broker_view *view = broker_view_find(broker, cookie);

    if (view != NULL && index < view->port_count && view->connections[index] != NULL) {
        broker_connection_queue(broker, view->connections[index]);
    }
}

static const struct blanket_store_ops engine_ops = {.send = engine_send, .event = engine_event};

/* ---- who we are, and nobody's remains ---- */

/* Our own question of this phase, once; -BLANKET_EAGAIN: not yet. */
static void sync_ask(struct broker *broker)
{
    static const char domid[] = "domid"; /* relative: the store's own directory of ours */
    uint8_t message[sizeof(struct xsd_sockmsg) + sizeof(domid)];
    struct xsd_sockmsg header = {.type = XS_RESET_WATCHES, .req_id = broker->sync_id, .len = 1};

    if (broker->sync_sent) {
        return;
    }
    memset(message, 0, sizeof(message));
    if (broker->phase == BROKER_ASKING) {
        header.type = XS_READ;
        header.len = sizeof(domid);
        memcpy(message + sizeof(header), domid, sizeof(domid));
    }
    memcpy(message, &header, sizeof(header));
    broker->sync_sent = message_send(broker, message, (uint32_t)sizeof(header) + header.len) == 0;
}

static void serve_from_now(struct broker *broker)
{
    char line[80];

    broker->phase = BROKER_SERVING;
    (void)snprintf(line, sizeof(line), "serving, as domain %u of the hypervisor below",
                   (unsigned)broker->self);
    broker_log(broker, line);
}

/* A decimal domain number, and nothing else. */
static bool domid_parse(const uint8_t *text, uint32_t size, uint32_t *domid)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || number > SELF_MAX) {
            return false;
        }
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    *domid = number;
    return size != 0 && number < SELF_MAX;
}

/* What comes before the answer to our own question was asked by an earlier broker. */
static int sync_answer(struct broker *broker, const struct xsd_sockmsg *header, const uint8_t *body)
{
    if (header->type == XS_WATCH_EVENT || header->req_id != broker->sync_id) {
        return 0;
    }
    broker->sync_id++;
    broker->sync_sent = false;
    if (broker->phase == BROKER_RESETTING) {
        if (header->type != XS_RESET_WATCHES) {
            broker_log(broker, "the store below knows no RESET_WATCHES: what an earlier broker "
                               "watched stays, and counts");
        }
        if (broker->self != SELF_UNKNOWN) {
            serve_from_now(broker);
        } else {
            broker->phase = BROKER_ASKING;
        }
        return 0;
    }
    if (header->type != XS_READ || !domid_parse(body, header->len, &broker->self)) {
        broker_log(broker, "neither L1 Xen nor the store below says which domain we are: "
                           "say it by --self");
        return -BLANKET_ENOENT;
    }
    serve_from_now(broker);
    return 0;
}

static int message_take(struct broker *broker, const uint8_t *message, uint32_t size)
{
    struct xsd_sockmsg header;

    if (broker->phase == BROKER_SERVING) {
        blanket_store_input(broker->engine, message, size);
        return 0;
    }
    if (size < sizeof(header)) {
        return 0;
    }
    memcpy(&header, message, sizeof(header));
    return header.len == size - sizeof(header)
               ? sync_answer(broker, &header, message + sizeof(header))
               : 0;
}

/* 0: none is left; 1: there may be; or the store is of no use. */
static int messages_receive(struct broker *broker)
{
    uint8_t message[BLANKET_PAYLOAD_SIZE_MAX];

    for (uint32_t i = 0; i < MESSAGES_AT_ONCE; i++) {
        int status = operation(broker, BLANKET_XEN_STORE_RECEIVE, &broker->message,
                               sizeof(broker->message));
        uint32_t size = broker->message.size;

        if (status == -BLANKET_ENOENT || status == -BLANKET_EAGAIN) {
            return 0;
        }
        if (status != 0 || size > sizeof(message)) {
            broker_log_error(broker, "the connection to the store below is broken", status);
            return -BLANKET_EIO;
        }
        /* The engine may send from inside, by the same structure. */
        memcpy(message, broker->message.message, size);
        status = message_take(broker, message, size);
        if (status != 0) {
            return status;
        }
    }
    return 1;
}

/* ---- what L1 Xen hands over ---- */

static int frames_take(struct broker *broker)
{
    for (uint32_t i = 0; i < FRAMES_AT_ONCE; i++) {
        int status;

        memset(&broker->frame, 0, offsetof(struct blanket_xen_frame, payload));
        status = operation(broker, BLANKET_XEN_NEXT, &broker->frame, sizeof(broker->frame));
        if (status == -BLANKET_ENOENT || status == -BLANKET_EAGAIN) {
            return 0;
        }
        if (status != 0) {
            broker_log_error(broker, "L1 Xen doesn't take us for the broker any more", status);
            return status < 0 ? status : -BLANKET_EIO;
        }
        broker->stats.frames++;
        broker_frame_serve(broker);
    }
    return 1;
}

int broker_process(struct broker *broker)
{
    int status = messages_receive(broker);
    int more = status;

    if (status < 0) {
        return status;
    }
    if (broker->phase != BROKER_SERVING) {
        sync_ask(broker);
        return more;
    }
    if (broker->blocked) {
        broker->blocked = false;
        blanket_store_ready(broker->engine);
    }
    status = frames_take(broker);
    if (status < 0) {
        return status;
    }
    broker_connection_work(broker);
    broker_view_sweep(broker);
    return more | status;
}

int broker_start(struct broker *broker, uint32_t *channel)
{
    struct blanket_xen_become become;
    int status;

    memset(&become, 0, sizeof(become));
    status = operation(broker, BLANKET_XEN_BECOME, &become, sizeof(become));
    if (status != 0) {
        return status < 0 ? status : -BLANKET_EIO;
    }
    broker->self = broker->limits.self != BROKER_SELF_ASK ? broker->limits.self
                   : become.self < SELF_MAX               ? become.self
                                                          : SELF_UNKNOWN;
    /* An answer to an earlier broker's own question must not be taken for ours. */
    if (getrandom(&broker->sync_id, sizeof(broker->sync_id), 0) != sizeof(broker->sync_id)) {
        return -BLANKET_EIO;
    }
    broker->phase = BROKER_RESETTING;
    *channel = become.channel;
    return 0;
}

int broker_create(const struct broker_limits *limits, const struct broker_ops *ops, void *context,
                  struct broker **result)
{
    const struct blanket_store_limits engine_limits = {.views = limits->views,
                                                       .connections = limits->connections,
                                                       .watches = limits->watches,
                                                       .transactions = limits->transactions,
                                                       .requests = limits->requests,
                                                       .queue_size = QUEUE_SIZE};
    size_t size = blanket_store_size(&engine_limits);
    struct broker *broker = calloc(1, sizeof(*broker));
    int status = size == 0 ? -BLANKET_EINVAL : -BLANKET_ENOMEM;

    if (size == 0 || broker == NULL) {
        goto fail;
    }
    size = (size + ENGINE_ALIGNMENT - 1) & ~(size_t)(ENGINE_ALIGNMENT - 1);
    broker->memory = aligned_alloc(ENGINE_ALIGNMENT, size);
    if (broker->memory == NULL) {
        goto fail;
    }
    memset(broker->memory, 0, size);
    broker->limits = *limits;
    broker->ops = ops;
    broker->context = context;
    status = blanket_store_init(broker->memory, &engine_limits, &engine_ops, broker,
                                &broker->engine);
    if (status != 0) {
        goto fail;
    }
    *result = broker;
    return 0;

fail:
    if (broker != NULL) {
        free(broker->memory);
        free(broker);
    }
    return status;
}

void broker_destroy(struct broker *broker)
{
    if (broker != NULL) {
        broker_view_free_all(broker);
        free(broker->memory);
        free(broker);
    }
}

void broker_stats(const struct broker *broker, struct broker_stats *stats)
{
    *stats = broker->stats;
}
