/* SPDX-License-Identifier: MIT */
/* The store's client over a scripted level: replies along or later, watches, lists in parts, lies. */
#include "guest_fake.h"

#include "guest_private.h"

#include <errno.h>
#include <stdio.h>
#include <xen/io/xs_wire.h>

_Static_assert((int)BLANKET_GUEST_XS_DIRECTORY == (int)XS_DIRECTORY, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_READ == (int)XS_READ, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_WATCH == (int)XS_WATCH, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_UNWATCH == (int)XS_UNWATCH, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_TRANSACTION_START == (int)XS_TRANSACTION_START, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_TRANSACTION_END == (int)XS_TRANSACTION_END, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_WRITE == (int)XS_WRITE, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_RM == (int)XS_RM, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_WATCH_EVENT == (int)XS_WATCH_EVENT, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_ERROR == (int)XS_ERROR, "xs_wire.h");
_Static_assert((int)BLANKET_GUEST_XS_DIRECTORY_PART == (int)XS_DIRECTORY_PART, "xs_wire.h");
_Static_assert(BLANKET_GUEST_STORE_BODY_MAX == XENSTORE_PAYLOAD_MAX, "xs_wire.h");

/* The level's side: answers are queued, or come along with the call that they belong to. */
struct script {
    uint8_t queue[4 * BLANKET_PAYLOAD_SIZE_MAX];
    uint32_t queued;
    uint32_t later;           /* 1: replies go to the queue */
    uint32_t waits;           /* calls of the wait function */
    uint32_t give_up;         /* the wait that fails; 0: none */
    struct xsd_sockmsg reply; /* the next reply's header; type XS_INVALID: as asked */
    const void *body;
    uint32_t receives, requests;
    uint32_t big;  /* 1: the result says "more" for ever */
    uint32_t busy; /* so many requests get -BLANKET_EAGAIN first */
    uint32_t last_id, last_type;
};

static struct fake_guest f;
static struct script script;
static struct blanket_guest_store store;

static void queue_message(uint32_t type, uint32_t id, uint32_t transaction, const void *body,
                          uint32_t size)
{
    struct xsd_sockmsg header = {type, id, transaction, size};

    memcpy(script.queue + script.queued, &header, sizeof(header));
    memcpy(script.queue + script.queued + sizeof(header), body, size);
    script.queued += (uint32_t)sizeof(header) + size;
}

static int serve_receive(struct blanket_wire_header *header, uint64_t *items, uint8_t *payload)
{
    uint32_t size = script.queued < header->reply_max ? script.queued : header->reply_max;

    script.receives++;
    memcpy(payload, script.queue, size);
    memmove(script.queue, script.queue + size, script.queued - size);
    script.queued -= size;
    header->reply_size = (uint16_t)size;
    header->done = 1;
    items[0] = blanket_result(0, script.queued != 0 || script.big);
    return 0;
}

static int serve_store(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                       uint8_t *payload)
{
    struct xsd_sockmsg reply = script.reply;
    uint64_t request = header->item_count > 1 ? blanket_item_value(items[1]) : 0;

    if (header->verb == BLANKET_VERB_STORE_RECEIVE) {
        return serve_receive(header, items, payload);
    }
    if (blanket_item_type(items[1]) != BLANKET_ITEM_REQUEST || header->item_count < 3) {
        return fake_elements(fake, header, items);
    }
    if (script.busy != 0) {
        script.busy--;
        return -BLANKET_EAGAIN;
    }
    script.requests++;
    script.last_id = (uint32_t)request;
    script.last_type = (uint32_t)(request >> 32);
    if (reply.type == XS_INVALID) {
        reply.type = script.last_type;
        reply.req_id = script.last_id;
        reply.tx_id = header->verb == BLANKET_VERB_STORE_WATCH
                          ? 0
                          : (uint32_t)blanket_item_value(
                                items[header->verb == BLANKET_VERB_STORE_TRANSACT ? 2 : 3]);
    } else if (reply.type == XS_ERROR) {
        reply.req_id = script.last_id;
    }
    header->done = 1;
    items[0] = blanket_result(0, !script.later);
    if (script.later) {
        queue_message(reply.type, reply.req_id, reply.tx_id, script.body, reply.len);
        return 0;
    }
    payload = (uint8_t *)(items + header->item_count);
    memcpy(payload, &reply, sizeof(reply));
    memcpy(payload + sizeof(reply), script.body, reply.len);
    header->reply_size = (uint16_t)(sizeof(reply) + reply.len);
    return 0;
}

static int wait_once(void *context)
{
    assert_ptr_equal(context, &script);
    script.waits++;
    return script.waits == script.give_up ? -BLANKET_EAGAIN : 0;
}

static void answer(uint32_t type, const void *body, uint32_t size)
{
    memset(&script.reply, 0, sizeof(script.reply));
    script.reply.type = type;
    script.reply.len = size;
    script.body = body;
}

static int setup(void **state)
{
    (void)state;
    fake_guest_init(&f, 8, 4, 4);
    memset(&script, 0, sizeof(script));
    answer(XS_INVALID, "", 0);
    f.fake.serve = serve_store;
    assert_int_equal(blanket_guest_store_connect(&store, &f.device, wait_once, &script), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_STORE_CONNECT);
    assert_int_equal(blanket_guest_store_port(&store), 0);
    return 0;
}

/* ---- read and write ---- */

static void test_read(void **state)
{
    char value[8] = "-------";
    uint32_t size = 99;

    (void)state;
    answer(XS_INVALID, "hello", 5);
    for (script.later = 0; script.later < 2; script.later++) {
        assert_int_equal(blanket_guest_store_read(&store, BLANKET_ROOT_BACKEND, 0, "a/b", value,
                                                  sizeof(value), &size),
                         0);
        assert_int_equal(size, 5);
        assert_string_equal(value, "hello");
    }
    assert_int_equal(script.requests, 2);
    assert_int_equal(script.last_type, XS_READ);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 5, &size),
                     -BLANKET_EOVERFLOW);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 4, &size),
                     -BLANKET_EOVERFLOW);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 0, &size),
                     -BLANKET_EOVERFLOW);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 6, &size), 0);
    answer(XS_INVALID, "", 0);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 1, &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(value[0], 0);
    assert_int_equal(blanket_guest_store_garbage(&store), 0);
}

static void test_read_frame(void **state)
{
    char value[8];
    uint32_t size;

    (void)state;
    assert_int_equal(
        blanket_guest_store_read(&store, BLANKET_ROOT_DATA, 77, "a/b", value, sizeof(value), &size),
        0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_STORE_READ);
    assert_int_equal(f.fake.header.reply_max, 4112);
    assert_int_equal(f.fake.header.item_count, 4);
    assert_int_equal(f.fake.items[0], blanket_item_slot(BLANKET_ITEM_PORT, 0, 1));
    assert_int_equal(f.fake.items[1],
                     blanket_item(BLANKET_ITEM_REQUEST, 0, (2ull << 32) | script.last_id));
    assert_int_equal(f.fake.items[2], blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_DATA));
    assert_int_equal(f.fake.items[3], blanket_item(BLANKET_ITEM_TRANSACTION, 0, 77));
    assert_memory_equal(f.fake.payload, "a/b", 4);
    assert_int_equal(f.fake.header.payload_size, 4);
}

static void test_errors_are_their_own_space(void **state)
{
    char value[8];
    uint32_t size;

    (void)state;
    for (uint32_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
        const char *name = xsd_errors[i].errstring;

        answer(XS_ERROR, name, (uint32_t)strlen(name) + 1);
        assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 8, &size), i + 1);
        assert_string_equal(blanket_guest_store_error_name((int)i + 1), name);
    }
    answer(XS_ERROR, "ENOENT", 6); /* without its NUL */
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 8, &size),
                     BLANKET_GUEST_STORE_ENOENT);
    answer(XS_ERROR, "ENOENTX", 8);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 8, &size),
                     BLANKET_GUEST_STORE_UNKNOWN);
    answer(XS_ERROR, "", 0);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 8, &size),
                     BLANKET_GUEST_STORE_UNKNOWN);
    assert_string_equal(blanket_guest_store_error_name(0), "?");
    assert_string_equal(blanket_guest_store_error_name(17), "?");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t number;
    } cases[] = {
        {"0", 0, 0},
        {"51712", 0, 51712},
        {"007", 0, 7},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", BLANKET_GUEST_STORE_EINVAL, 0},
        {"99999999999999999999", BLANKET_GUEST_STORE_EINVAL, 0},
        {"184467440737095516150", BLANKET_GUEST_STORE_EINVAL, 0},
        {"1844674407370955161500", BLANKET_GUEST_STORE_EINVAL, 0},
        {"", BLANKET_GUEST_STORE_EINVAL, 0},
        {"-1", BLANKET_GUEST_STORE_EINVAL, 0},
        {"+1", BLANKET_GUEST_STORE_EINVAL, 0},
        {" 1", BLANKET_GUEST_STORE_EINVAL, 0},
        {"1 ", BLANKET_GUEST_STORE_EINVAL, 0},
        {"0x1", BLANKET_GUEST_STORE_EINVAL, 0},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number = 0;

        answer(XS_INVALID, cases[i].text, (uint32_t)strlen(cases[i].text));
        assert_int_equal(blanket_guest_store_read_number(&store, 0, 0, "n", &number), cases[i].rc);
        assert_int_equal(number, cases[i].number);
    }
    answer(XS_INVALID, "", 0);
    for (uint64_t number = 1; number != 0; number = number > UINT64_MAX / 7 ? 0 : number * 7) {
        char text[32];
        int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

        assert_int_equal(blanket_guest_store_write_number(&store, 0, 0, "n", number), 0);
        assert_int_equal(f.fake.header.payload_size, 2 + length);
        assert_memory_equal(f.fake.payload + 2, text, (size_t)length);
    }
    assert_int_equal(blanket_guest_store_write_number(&store, 0, 0, "n", UINT64_MAX), 0);
    assert_memory_equal(f.fake.payload + 2, "18446744073709551615", 20);
    assert_int_equal(blanket_guest_store_write_number(&store, 0, 0, "n", 0), 0);
    assert_memory_equal(f.fake.payload + 2, "0", 1);
}

static void test_writes(void **state)
{
    static char big[4097];
    struct blanket_guest_access element = {blanket_item(BLANKET_ITEM_FRAME, 3, 1), 0, 0};

    (void)state;
    assert_int_equal(blanket_guest_store_write(&store, 0, 9, "state", "4", 1), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_STORE_WRITE);
    assert_memory_equal(f.fake.payload, "state\0004", 7);
    assert_int_equal(f.fake.header.payload_size, 7);
    assert_int_equal(blanket_guest_store_write(&store, 0, 0, "s", big, 4094), 0);
    assert_int_equal(blanket_guest_store_write(&store, 0, 0, "s", big, 4095), -BLANKET_EMSGSIZE);
    memset(big, 'x', 4096);
    assert_int_equal(blanket_guest_store_write(&store, 0, 0, big, "", 0), -BLANKET_EMSGSIZE);
    assert_int_equal(blanket_guest_store_remove(&store, 0, 0, "a"), 0);
    assert_int_equal(script.last_type, XS_RM);
    assert_int_equal(blanket_guest_store_write_grant(&store, 0, 0, "ring-ref", 0), -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_grant_access(&f.device, &element, 1), 0);
    assert_int_equal(blanket_guest_store_write_grant(&store, 0, 0, "ring-ref", 0), 0);
    assert_int_equal(f.fake.header.verb, BLANKET_VERB_STORE_WRITE_GRANT);
    assert_int_equal(f.fake.items[4], blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1));
    assert_memory_equal(f.fake.payload, "ring-ref", 9);
    assert_int_equal(blanket_guest_store_write_port(&store, 0, 0, "event-channel", 1),
                     -BLANKET_EINVAL);
    assert_int_equal(blanket_guest_store_write_port(&store, 0, 0, "event-channel", 0), 0);
    assert_int_equal(f.fake.items[4], blanket_item_slot(BLANKET_ITEM_PORT, 0, 1));
}

static void test_transactions(void **state)
{
    uint16_t first, second;

    (void)state;
    assert_int_equal(blanket_guest_store_begin(&store, &first), 0);
    assert_int_equal(f.fake.header.item_count, 3);
    assert_int_equal(f.fake.items[2], blanket_item(BLANKET_ITEM_TRANSACTION, 0, first));
    assert_int_equal(f.fake.header.payload_size, 0);
    assert_int_equal(blanket_guest_store_begin(&store, &second), 0);
    assert_true(first != 0 && second != 0 && first != second);
    assert_int_equal(blanket_guest_store_abort(&store, second), 0);
    assert_memory_equal(f.fake.payload, "F", 2);
    answer(XS_ERROR, "EAGAIN", 7);
    script.reply.tx_id = first;
    assert_int_equal(blanket_guest_store_commit(&store, first), BLANKET_GUEST_STORE_EAGAIN);
    assert_memory_equal(f.fake.payload, "T", 2);
    answer(XS_TRANSACTION_START, "", 0); /* wrong id and nothing along: lost */
    assert_int_equal(blanket_guest_store_begin(&store, &first), -BLANKET_EIO);
}

/* ---- directory ---- */

static void test_directory(void **state)
{
    char names[16];
    uint32_t size = 99;

    (void)state;
    answer(XS_INVALID, "a\0bc\0def", 9);
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "", names, 16, &size), 0);
    assert_int_equal(size, 9);
    assert_memory_equal(names, "a\0bc\0def", 9);
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "", names, 8, &size),
                     -BLANKET_EOVERFLOW);
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "", names, 0, &size),
                     -BLANKET_EOVERFLOW);
    answer(XS_INVALID, "a\0b", 3);
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "", names, 16, &size),
                     -BLANKET_EIO);
    answer(XS_INVALID, "", 0);
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "", names, 16, &size), 0);
    assert_int_equal(size, 0);
}

/* A list that is served in parts; its generation changes once on the way. */
struct parts_script {
    const char *first, *second, *again;
    uint32_t sizes[3];
    uint32_t asked;
    uint32_t offsets[8];
};

static int serve_parts(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                       uint8_t *payload)
{
    struct parts_script *parts = fake->more;
    uint32_t type = (uint32_t)(blanket_item_value(items[1]) >> 32);

    if (type == XS_DIRECTORY) {
        answer(XS_ERROR, "E2BIG", 6);
    } else {
        const char *bodies[3] = {parts->first, parts->second, parts->again};
        uint32_t which = parts->asked < 3 ? parts->asked : 2;

        parts->offsets[parts->asked++ & 7] = (uint32_t)(fake->payload[2] - '0');
        answer(XS_INVALID, bodies[which], parts->sizes[which]);
    }
    return serve_store(fake, header, items, payload);
}

static void test_directory_in_parts(void **state)
{
    struct parts_script parts = {"5\0a\0b\0c", "5\0d\0", "", {8, 5, 0}, 0, {0}};
    char names[16];
    uint32_t size = 0;

    (void)state;
    f.fake.serve = serve_parts;
    f.fake.more = &parts;
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "p", names, 16, &size), 0);
    assert_int_equal(size, 8);
    assert_memory_equal(names, "a\0b\0c\0d", 8);
    assert_int_equal(parts.offsets[0], 0);
    assert_int_equal(parts.offsets[1], 6);
    parts.asked = 0;
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "p", names, 7, &size),
                     -BLANKET_EOVERFLOW);
}

static void test_directory_changes_meanwhile(void **state)
{
    struct parts_script parts = {"5\0a\0b\0c", "6\0d\0", "6\0x\0y\0", {8, 5, 7}, 0, {0}};
    char names[16];
    uint32_t size = 0;

    (void)state;
    f.fake.serve = serve_parts;
    f.fake.more = &parts;
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "p", names, 16, &size), 0);
    assert_int_equal(parts.asked, 3);
    assert_int_equal(parts.offsets[2], 0);
    assert_int_equal(size, 4);
    assert_memory_equal(names, "x\0y", 4);
}

static void test_directory_parts_that_lie(void **state)
{
    static const struct {
        const char *body;
        uint32_t size;
    } bad[] = {{"", 0},        {"5", 1},     {"5\0", 2},
               {"\0a\0\0", 4}, {"5\0ab", 4}, {"123456789012345678901\0a\0\0", 25}};
    char names[64];
    uint32_t size = 0;

    (void)state;
    f.fake.serve = serve_parts;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct parts_script parts = {bad[i].body, "", "", {bad[i].size, 0, 0}, 0, {0}};

        f.fake.more = &parts;
        assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "p", names, 64, &size),
                         -BLANKET_EIO);
    }
}

static int serve_changing(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                          uint8_t *payload)
{
    struct parts_script *parts = fake->more;

    parts->first = parts->second = parts->again = parts->asked & 1 ? "1\0a\0" : "2\0b\0";
    parts->sizes[0] = parts->sizes[1] = parts->sizes[2] = 4;
    return serve_parts(fake, header, items, payload);
}

static void test_directory_that_never_rests(void **state)
{
    struct parts_script parts = {0};
    char names[64];
    uint32_t size;

    (void)state;
    f.fake.serve = serve_changing;
    f.fake.more = &parts;
    assert_int_equal(blanket_guest_store_directory(&store, 0, 0, "p", names, 64, &size),
                     -BLANKET_EAGAIN);
    assert_true(parts.asked <= 40);
}

/* ---- watches ---- */

struct seen {
    uint32_t count;
    char last[64];
    struct blanket_guest_request *submit;
};

static void note_change(struct blanket_guest_watch *watch, const char *path)
{
    struct seen *seen = watch->context;

    seen->count++;
    snprintf(seen->last, sizeof(seen->last), "%s", path);
    if (seen->submit != NULL) {
        char value[4];
        uint32_t size;

        assert_int_equal(blanket_guest_store_submit(&store, seen->submit), 0);
        assert_string_equal(path, seen->last); /* it wasn't overwritten */
        assert_int_equal(blanket_guest_store_read(&store, 0, 0, "a", value, 4, &size),
                         -BLANKET_EBUSY);
        assert_int_equal(blanket_guest_store_poll(&store), 0);
        seen->submit = NULL;
    }
}

static void note_done(struct blanket_guest_request *request)
{
    ++*(uint32_t *)request->context;
}

static void test_watch(void **state)
{
    struct seen seen = {0};
    struct blanket_guest_watch watch = {note_change, &seen, 0, 0, NULL};

    (void)state;
    assert_int_equal(blanket_guest_store_watch(&store, &watch, BLANKET_ROOT_BACKEND, "state"), 0);
    assert_int_equal(f.fake.items[3], blanket_item(BLANKET_ITEM_WATCH, 0, watch.id));
    queue_message(XS_WATCH_EVENT, watch.id, 0, "state", 6);
    queue_message(XS_WATCH_EVENT, watch.id, 0, "state/x", 8);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.last, "state/x");
    queue_message(XS_WATCH_EVENT, watch.id, 0, "state", 5); /* no NUL */
    queue_message(XS_WATCH_EVENT, watch.id, 0, "", 0);
    queue_message(XS_WATCH_EVENT, watch.id + 1, 0, "state", 6);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(blanket_guest_store_garbage(&store), 3);
    assert_int_equal(blanket_guest_store_unwatch(&store, &watch, "state"), 0);
    assert_int_equal(script.last_type, XS_UNWATCH);
    queue_message(XS_WATCH_EVENT, watch.id, 0, "state", 6);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(seen.count, 2);
    answer(XS_ERROR, "ENOSPC", 7);
    assert_int_equal(blanket_guest_store_watch(&store, &watch, 0, "x"), BLANKET_GUEST_STORE_ENOSPC);
    assert_null(store.watches);
}

static void test_submit_from_a_callback(void **state)
{
    uint32_t calls = 0;
    char reply[8] = "";
    struct blanket_guest_request request = {.verb = BLANKET_VERB_STORE_READ,
                                            .type = XS_READ,
                                            .payload = "x",
                                            .payload_size = 2,
                                            .reply = reply,
                                            .reply_max = sizeof(reply),
                                            .done = note_done,
                                            .context = &calls};
    struct seen seen = {0, "", &request};
    struct blanket_guest_watch watch = {note_change, &seen, 0, 0, NULL};

    (void)state;
    assert_int_equal(blanket_guest_store_watch(&store, &watch, 0, "state"), 0);
    answer(XS_INVALID, "value", 5);
    queue_message(XS_WATCH_EVENT, watch.id, 0, "state", 6);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(calls, 1);
    assert_true(blanket_guest_request_done(&request));
    assert_memory_equal(reply, "value", 5);
}

/* ---- asynchronous, and what lies ---- */

static void test_submit_and_poll(void **state)
{
    uint32_t calls = 0;
    char reply[3];
    struct blanket_guest_request request = {.verb = BLANKET_VERB_STORE_READ,
                                            .type = XS_READ,
                                            .payload = "x",
                                            .payload_size = 2,
                                            .reply = reply,
                                            .reply_max = sizeof(reply),
                                            .done = note_done,
                                            .context = &calls};

    (void)state;
    script.later = 1;
    answer(XS_INVALID, "abc", 3);
    assert_int_equal(blanket_guest_store_submit(&store, &request), 0);
    assert_false(blanket_guest_request_done(&request));
    assert_int_equal(calls, 0);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(request.status, 0);
    assert_int_equal(request.reply_size, 3);
    answer(XS_INVALID, "abcd", 4);
    assert_int_equal(blanket_guest_store_submit(&store, &request), 0);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(request.status, -BLANKET_EOVERFLOW);
    assert_int_equal(request.reply_size, 4);
    assert_memory_equal(reply, "abc", 3);
    request.payload_size = 4097;
    assert_int_equal(blanket_guest_store_submit(&store, &request), -BLANKET_EMSGSIZE);
    request.payload_size = 2;
    request.verb = BLANKET_VERB_GRANT_MAP;
    assert_int_equal(blanket_guest_store_submit(&store, &request), -BLANKET_EINVAL);
    assert_int_equal(calls, 2);
}

static void test_replies_that_fit_nothing(void **state)
{
    uint32_t calls = 0;
    char reply[8];
    struct blanket_guest_request request = {.verb = BLANKET_VERB_STORE_READ,
                                            .type = XS_READ,
                                            .payload = "x",
                                            .payload_size = 2,
                                            .reply = reply,
                                            .reply_max = sizeof(reply),
                                            .done = note_done,
                                            .context = &calls};
    struct xsd_sockmsg huge = {XS_READ, 0, 0, UINT32_MAX - 8};

    (void)state;
    script.later = 1;
    assert_int_equal(blanket_guest_store_submit(&store, &request), 0);
    script.queued = 0; /* the true reply is kept back */
    queue_message(XS_READ, request.id + 1, 0, "a", 1);
    queue_message(XS_WRITE, request.id, 0, "a", 1);
    queue_message(XS_READ, request.id, 7, "a", 1);
    huge.req_id = request.id;
    memcpy(script.queue + script.queued, &huge, sizeof(huge));
    script.queued += sizeof(huge);
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(blanket_guest_store_garbage(&store), 4);
    memset(script.queue, 0xff, 15); /* less than a header */
    script.queued = 15;
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(blanket_guest_store_garbage(&store), 5);
    assert_int_equal(calls, 0);
    queue_message(XS_READ, request.id, 0, "a", 1);
    queue_message(XS_READ, request.id, 0, "b", 1); /* twice: the second fits nothing */
    assert_int_equal(blanket_guest_store_poll(&store), 0);
    assert_int_equal(calls, 1);
    assert_memory_equal(reply, "a", 1);
    assert_int_equal(blanket_guest_store_garbage(&store), 6);
}

static int spoil_along(struct fake *fake, void *frame, int status)
{
    struct blanket_wire_header *header = frame;
    uint8_t *reply = (uint8_t *)frame + 64 + header->item_count * 8;
    struct xsd_sockmsg message;

    memcpy(&message, reply, sizeof(message));
    switch (fake->value) {
    case 0:
        header->reply_size = 15;
        break;
    case 1:
        message.len++;
        break;
    case 2:
        message.len--;
        break;
    case 3:
        message.req_id++;
        break;
    case 4:
        message.type = XS_WATCH_EVENT; /* would call back from inside of submit */
        message.req_id = 1;
        break;
    default:
        message.tx_id = 1;
        break;
    }
    memcpy(reply, &message, sizeof(message));
    return status;
}

static void test_replies_along_that_lie(void **state)
{
    struct seen seen = {0};
    struct blanket_guest_watch watch = {note_change, &seen, 0, 0, NULL};
    char value[8];
    uint32_t size;

    (void)state;
    assert_int_equal(blanket_guest_store_watch(&store, &watch, 0, "x"), 0);
    assert_int_equal(watch.id, 1);
    answer(XS_INVALID, "ab", 3);
    for (f.fake.value = 0; f.fake.value < 6; f.fake.value++) {
        f.fake.spoil = spoil_along;
        assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size),
                         -BLANKET_EIO);
        assert_null(store.pending);
    }
    assert_int_equal(seen.count, 0);
    f.fake.spoil = NULL;
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size), 0);
}

static void test_more_for_ever_is_bounded(void **state)
{
    (void)state;
    script.big = 1;
    assert_int_equal(blanket_guest_store_poll(&store), 1);
    assert_int_equal(script.receives, 64);
}

static void test_waiting(void **state)
{
    char value[8];
    uint32_t size;

    (void)state;
    script.busy = 2;
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size), 0);
    assert_int_equal(script.waits, 2);
    script.busy = 2;
    script.give_up = 3;
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size), -BLANKET_EAGAIN);
    assert_int_equal(script.requests, 1);
    script.busy = 0;
    script.give_up = 0;
    store.wait = NULL;
    script.busy = 1;
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size), -BLANKET_EAGAIN);
    assert_null(store.pending);
}

/* The reply comes after the caller gave up: it fits nothing, and the next request gets its own. */
static int wait_and_lose(void *context)
{
    struct script *s = context;

    s->waits++;
    return -BLANKET_ENOTCONN;
}

static int serve_late(struct fake *fake, struct blanket_wire_header *header, uint64_t *items,
                      uint8_t *payload)
{
    int rc = serve_store(fake, header, items, payload);

    if (header->verb == BLANKET_VERB_STORE_RECEIVE) {
        header->reply_size = 0;
    }
    return rc;
}

static void test_giving_up(void **state)
{
    char value[8] = "old";
    uint32_t size;

    (void)state;
    script.later = 1;
    answer(XS_INVALID, "late", 4);
    f.fake.serve = serve_late;
    store.wait = wait_and_lose;
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size),
                     -BLANKET_ENOTCONN);
    assert_null(store.pending);
    f.fake.serve = serve_store;
    store.wait = wait_once;
    queue_message(XS_READ, script.last_id, 0, "late", 4);
    answer(XS_INVALID, "new", 3);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 8, &size), 0);
    assert_string_equal(value, "new");
    assert_int_equal(blanket_guest_store_garbage(&store), 1);
}

static void test_disconnect(void **state)
{
    uint32_t calls = 0;
    struct blanket_guest_request requests[2];
    char value[4];
    uint32_t size;

    (void)state;
    memset(requests, 0, sizeof(requests));
    script.later = 1;
    for (uint32_t i = 0; i < 2; i++) {
        requests[i].verb = BLANKET_VERB_STORE_READ;
        requests[i].type = XS_READ;
        requests[i].payload = "x";
        requests[i].payload_size = 2;
        requests[i].done = note_done;
        requests[i].context = &calls;
        assert_int_equal(blanket_guest_store_submit(&store, &requests[i]), 0);
    }
    f.fake.status = -BLANKET_EBUSY;
    assert_int_equal(blanket_guest_store_disconnect(&store), -BLANKET_EBUSY);
    assert_int_equal(calls, 2);
    assert_int_equal(requests[0].status, -BLANKET_ENOTCONN);
    f.fake.status = 0;
    assert_int_equal(blanket_guest_store_disconnect(&store), 0);
    assert_int_equal(f.device.ports.free_count, 4);
    assert_int_equal(blanket_guest_store_read(&store, 0, 0, "x", value, 4, &size),
                     -BLANKET_ENOTCONN);
    assert_int_equal(blanket_guest_store_poll(&store), -BLANKET_ENOTCONN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_read, setup),
        cmocka_unit_test_setup(test_read_frame, setup),
        cmocka_unit_test_setup(test_errors_are_their_own_space, setup),
        cmocka_unit_test_setup(test_numbers, setup),
        cmocka_unit_test_setup(test_writes, setup),
        cmocka_unit_test_setup(test_transactions, setup),
        cmocka_unit_test_setup(test_directory, setup),
        cmocka_unit_test_setup(test_directory_in_parts, setup),
        cmocka_unit_test_setup(test_directory_changes_meanwhile, setup),
        cmocka_unit_test_setup(test_directory_parts_that_lie, setup),
        cmocka_unit_test_setup(test_directory_that_never_rests, setup),
        cmocka_unit_test_setup(test_watch, setup),
        cmocka_unit_test_setup(test_submit_from_a_callback, setup),
        cmocka_unit_test_setup(test_submit_and_poll, setup),
        cmocka_unit_test_setup(test_replies_that_fit_nothing, setup),
        cmocka_unit_test_setup(test_replies_along_that_lie, setup),
        cmocka_unit_test_setup(test_more_for_ever_is_bounded, setup),
        cmocka_unit_test_setup(test_waiting, setup),
        cmocka_unit_test_setup(test_giving_up, setup),
        cmocka_unit_test_setup(test_disconnect, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
