/* SPDX-License-Identifier: MIT */
#include "broker_bed.h"

#define CHANNEL 77u

uint32_t bed_random(struct bed *bed)
{
    bed->random = bed->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(bed->random >> 33);
}

static int store_receive(struct bed *bed, struct blanket_xen_message *message)
{
    uint32_t used = 0;

    if (bed->receive_status != 0) {
        return bed->receive_status;
    }
    if (bed->random != 0 && bed_random(bed) % 4 == 0) {
        message->size = bed_random(bed) % 200;
        for (uint32_t i = 0; i < message->size; i++) {
            message->message[i] = (uint8_t)bed_random(bed);
        }
        message->message[0] &= 31; /* a type, mostly */
        memset(message->message + 1, 0, 3);
        if (message->size >= 16) {
            const uint32_t length = message->size - 16;

            memcpy(message->message + 12, &length, 4);
        }
        return 0;
    }
    if (bed->store_holds) {
        return -BLANKET_ENOENT;
    }
    assert_int_equal(
        blanket_root_client_receive(bed->below, message->message, sizeof(message->message), &used),
        0);
    message->size = used;
    bed->store_got += used != 0;
    return used == 0 ? -BLANKET_ENOENT : 0;
}

static int store_send(struct bed *bed, const struct blanket_xen_message *message)
{
    if (bed->sends_refused != 0) {
        bed->sends_refused--;
        return -BLANKET_EAGAIN;
    }
    assert_true(message->size >= 16 && message->size <= 4112);
    assert_int_equal(blanket_root_client_submit(bed->below, message->message, message->size), 0);
    bed->store_sent++;
    return 0;
}

static int take_reply(struct bed *bed, const struct blanket_xen_reply *reply)
{
    struct reply *kept = &bed->replies[bed->reply_count % REPLIES_MAX];

    if (bed->reply_refused != 0) {
        bed->reply_refused--;
        return -BLANKET_EAGAIN;
    }
    assert_true(reply->size >= 16 && reply->size <= 4112);
    memset(kept, 0, sizeof(*kept));
    kept->view = reply->view;
    kept->port = reply->port;
    memcpy(&kept->header, reply->message, 16);
    assert_int_equal(kept->header.len, reply->size - 16);
    memcpy(kept->body, reply->message + 16, kept->header.len);
    bed->reply_count++;
    return 0;
}

static int operation(void *context, uint32_t number, void *structure, size_t size)
{
    struct bed *bed = context;

    switch (number) {
    case BLANKET_XEN_BECOME: {
        struct blanket_xen_become *become = structure;

        assert_int_equal(size, sizeof(*become));
        bed->become_count++;
        become->channel = CHANNEL;
        become->self = bed->self;
        return bed->become_status;
    }
    case BLANKET_XEN_NEXT:
        assert_int_equal(size, sizeof(struct blanket_xen_frame));
        if (bed->frame_count == 0) {
            return -BLANKET_ENOENT;
        }
        memcpy(structure, &bed->frames[bed->frame_first], size);
        bed->frame_first = (bed->frame_first + 1) % FRAMES_MAX;
        bed->frame_count--;
        return 0;
    case BLANKET_XEN_REPLY:
        return take_reply(bed, structure);
    case BLANKET_XEN_CLOSED: {
        const struct blanket_xen_reply *closed = structure;

        bed->closed_view[bed->closed_count % 64] = closed->view;
        bed->closed_port[bed->closed_count++ % 64] = closed->port;
        return 0;
    }
    case BLANKET_XEN_STORE_SEND:
        return store_send(bed, structure);
    case BLANKET_XEN_STORE_RECEIVE:
        return store_receive(bed, structure);
    default:
        return -BLANKET_ENOSYS;
    }
}

static void log_line(void *context, const char *line)
{
    struct bed *bed = context;
    size_t used = strlen(bed->log);

    if (used + strlen(line) + 2 < sizeof(bed->log)) {
        snprintf(bed->log + used, sizeof(bed->log) - used, "%s\n", line);
    }
}

/* Nobody grants anything here. */
static void *no_page(void *host, uint64_t frame)
{
    (void)host;
    (void)frame;
    return NULL;
}

void bed_init(struct bed *bed, uint32_t self)
{
    static const struct blanket_root_host_ops host_ops = {.page = no_page};
    const struct blanket_root_limits limits = {.domains = 8,
                                               .devices = 4,
                                               .grants = 64,
                                               .mappings = 64,
                                               .ports = 16,
                                               .store_size = 1 << 20};
    const struct blanket_root_device device = {.frontend_domid = SELF,
                                               .backend_domid = PEER,
                                               .type = "vbd",
                                               .handle = 51712,
                                               .grants = 16,
                                               .ports = 2,
                                               .connections = 1};

    memset(bed, 0, sizeof(*bed));
    bed->self = self;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &host_ops, bed, &bed->root), 0);
    assert_int_equal(blanket_root_device_add(bed->root, &device, NULL, 0, NULL, 0, NULL, NULL), 0);
    assert_int_equal(blanket_root_client_connect(bed->root, SELF, NULL, NULL, &bed->below), 0);
    assert_int_equal(blanket_root_client_connect(bed->root, 0, NULL, NULL, &bed->toolstack), 0);
}

void bed_fini(struct bed *bed)
{
    bed_stop(bed);
    blanket_root_client_disconnect(bed->below);
    blanket_root_client_disconnect(bed->toolstack);
    blanket_root_destroy(bed->root);
}

void bed_start(struct bed *bed)
{
    static const struct broker_ops ops = {.operation = operation, .log = log_line};
    const struct broker_limits limits = {.views = 8,
                                         .connections = 16,
                                         .requests = 20,
                                         .transactions = 10,
                                         .watches = 128,
                                         .self = BROKER_SELF_ASK};

    bed_stop(bed);
    assert_int_equal(broker_create(&limits, &ops, bed, &bed->broker), 0);
    assert_int_equal(broker_start(bed->broker, &bed->channel), 0);
    assert_int_equal(bed->channel, CHANNEL);
}

void bed_stop(struct bed *bed)
{
    broker_destroy(bed->broker);
    bed->broker = NULL;
}

int bed_run(struct bed *bed)
{
    int status = 1;

    /* One more than it asks for: what it sent has been answered meanwhile. */
    for (uint32_t i = 0; i < 200 && status >= 0; i++) {
        status = broker_process(bed->broker);
    }
    return status;
}

struct blanket_xen_frame *bed_frame(struct bed *bed, unsigned kind, uint64_t view)
{
    struct blanket_xen_frame *frame =
        &bed->frames[(bed->frame_first + bed->frame_count) % FRAMES_MAX];

    assert_true(bed->frame_count < FRAMES_MAX);
    bed->frame_count++;
    memset(frame, 0, sizeof(*frame));
    frame->kind = (uint16_t)kind;
    frame->view = view;
    return frame;
}

void bed_view(struct bed *bed, uint64_t view, uint32_t requests, uint32_t watches)
{
    struct blanket_xen_frame *frame = bed_frame(bed, BLANKET_XEN_FRAME_VIEW, view);
    struct blanket_xen_view payload = {.peer = PEER,
                                       .grant_base = 1000,
                                       .ports = 4,
                                       .connections = 2,
                                       .requests = requests,
                                       .watches = watches,
                                       .transactions = 2,
                                       .frontend = FRONTEND,
                                       .backend = BACKEND};

    frame->payload_size = sizeof(payload);
    memcpy(frame->payload, &payload, sizeof(payload));
}

void bed_connect(struct bed *bed, uint64_t view, uint64_t port)
{
    struct blanket_xen_frame *frame = bed_frame(bed, BLANKET_XEN_FRAME_CONNECT, view);

    frame->item_count = 1;
    frame->items[0] = port;
}

void bed_call(struct bed *bed, uint64_t port, uint16_t verb, uint32_t type, uint32_t id,
              uint64_t third, uint64_t fourth, const void *payload, uint32_t size)
{
    struct blanket_xen_frame *frame = bed_frame(bed, BLANKET_XEN_FRAME_CALL, VIEW);

    frame->verb = verb;
    frame->items[0] = port;
    frame->items[1] = blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)type << 32 | id);
    frame->items[2] = third;
    frame->items[3] = fourth;
    frame->item_count = fourth != 0 ? 4 : 3;
    frame->payload_size = (uint16_t)size;
    memcpy(frame->payload, payload, size);
}

void bed_read(struct bed *bed, uint32_t id, unsigned root, const char *path)
{
    bed_call(bed, PORT, BLANKET_VERB_STORE_READ, XS_READ, id,
             blanket_item(BLANKET_ITEM_ROOT, 0, root), blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
             path, (uint32_t)strlen(path) + 1);
}

void bed_write(struct bed *bed, uint32_t id, unsigned root, const char *path, const char *value)
{
    char payload[512];
    int size = snprintf(payload, sizeof(payload), "%s%c%s", path, 0, value);

    bed_call(bed, PORT, BLANKET_VERB_STORE_WRITE, XS_WRITE, id,
             blanket_item(BLANKET_ITEM_ROOT, 0, root), blanket_item(BLANKET_ITEM_TRANSACTION, 0, 0),
             payload, (uint32_t)size);
}

const struct reply *bed_reply(const struct bed *bed, uint32_t id)
{
    for (uint32_t i = bed->reply_count; i > 0 && bed->reply_count - i < REPLIES_MAX; i--) {
        const struct reply *reply = &bed->replies[(i - 1) % REPLIES_MAX];

        if (reply->header.req_id == id && reply->header.type != XS_WATCH_EVENT) {
            return reply;
        }
    }
    return NULL;
}

static const char *store_ask(struct bed *bed, uint32_t type, const char *body, uint32_t size)
{
    static char answer[4113];
    uint8_t message[16 + 512];
    const struct xsd_sockmsg header = {type, 1, 0, size};
    struct xsd_sockmsg reply;
    uint32_t used = 0;

    memcpy(message, &header, 16);
    memcpy(message + 16, body, size);
    assert_int_equal(blanket_root_client_submit(bed->toolstack, message, 16 + size), 0);
    assert_int_equal(blanket_root_client_receive(bed->toolstack, answer, 4112, &used), 0);
    assert_true(used >= 16);
    memcpy(&reply, answer, 16);
    memmove(answer, answer + 16, reply.len);
    answer[reply.len] = 0;
    return reply.type == XS_ERROR ? "" : answer;
}

const char *bed_store(struct bed *bed, const char *path)
{
    return store_ask(bed, XS_READ, path, (uint32_t)strlen(path) + 1);
}

void bed_store_write(struct bed *bed, const char *path, const char *value)
{
    char body[512];
    int size = snprintf(body, sizeof(body), "%s%c%s", path, 0, value);

    assert_string_equal(store_ask(bed, XS_WRITE, body, (uint32_t)size), "OK");
}
