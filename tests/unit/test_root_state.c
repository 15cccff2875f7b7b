/* SPDX-License-Identifier: MIT */
/* The store's state out of one provider into another, and ends with quotas of their own. */
#include "root_fixture.h"

#include <stdlib.h>
#include <xen/io/xs_wire.h>

#define STATE_MAX 65536u

struct stream {
    uint8_t bytes[STATE_MAX];
    size_t size; /* written, or that may be read */
    size_t at;
    size_t room; /* writes beyond this fail */
};

static int stream_write(void *context, const void *bytes, size_t size)
{
    struct stream *stream = (struct stream *)context;

    if (size > stream->room - stream->size) {
        return -BLANKET_ENOSPC;
    }
    memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
    return 0;
}

static int stream_read(void *context, void *bytes, size_t size)
{
    struct stream *stream = (struct stream *)context;

    if (size > stream->size - stream->at) {
        return -BLANKET_EINVAL;
    }
    memcpy(bytes, stream->bytes + stream->at, size);
    stream->at += size;
    return 0;
}

static struct blanket_root *root_make(uint64_t store_size)
{
    const struct blanket_root_limits limits = {
        .domains = 4, .devices = 2, .ports = 16, .store_size = store_size};
    struct blanket_root *root = NULL;

    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &fixture_ops, NULL, &root), 0);
    return root;
}

/* One request of a client; the reply's body, with a NUL behind, in `reply`. Returns its type. */
static uint32_t ask(struct blanket_root_client *client, uint32_t type, const char *body,
                    uint32_t size, char reply[4097])
{
    uint8_t message[4112];
    struct xsd_sockmsg header = {.type = type, .len = size};
    uint32_t used = 0;

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    assert_int_equal(blanket_root_client_submit(client, message, (uint32_t)sizeof(header) + size),
                     0);
    assert_int_equal(blanket_root_client_receive(client, message, sizeof(message), &used), 0);
    memcpy(&header, message, sizeof(header));
    memcpy(reply, message + sizeof(header), header.len);
    reply[header.len] = 0;
    return header.type;
}

#define ASK(client, type, body, reply) ask(client, type, body, sizeof(body) - 1, reply)

static void nodes_write(struct blanket_root *root)
{
    struct blanket_root_client *client = NULL;
    char reply[4097];

    assert_int_equal(blanket_root_client_connect(root, 0, NULL, NULL, &client), 0);
    assert_int_equal(ASK(client, XS_WRITE, "/a/b\0value", reply), XS_WRITE);
    assert_int_equal(ASK(client, XS_SET_PERMS, "/a/b\0n3\0r2\0", reply), XS_SET_PERMS);
    assert_int_equal(ASK(client, XS_WRITE, "/a/binary\0\001\0\377", reply), XS_WRITE);
    blanket_root_client_disconnect(client);
}

static void nodes_check(struct blanket_root *root)
{
    struct blanket_root_client *client = NULL;
    char reply[4097];

    assert_int_equal(blanket_root_client_connect(root, 0, NULL, NULL, &client), 0);
    assert_int_equal(ASK(client, XS_READ, "/a/b\0", reply), XS_READ);
    assert_string_equal(reply, "value");
    assert_int_equal(ASK(client, XS_GET_PERMS, "/a/b\0", reply), XS_GET_PERMS);
    assert_memory_equal(reply, "n3\0r2", 6);
    assert_int_equal(ASK(client, XS_READ, "/a/binary\0", reply), XS_READ);
    assert_memory_equal(reply, "\001\0\377", 4);
    blanket_root_client_disconnect(client);
}

static void test_state_goes_over(void **state)
{
    struct stream *stream = (struct stream *)calloc(1, sizeof(*stream));
    struct blanket_root *first = root_make(1 << 20), *second = root_make(1 << 20);

    (void)state;
    stream->room = STATE_MAX;
    nodes_write(first);
    assert_int_equal(blanket_root_store_state_save(first, stream_write, stream), 0);
    assert_int_equal(blanket_root_store_state_restore(second, stream_read, stream), 0);
    assert_int_equal(stream->at, stream->size);
    nodes_check(first);
    nodes_check(second);
    blanket_root_destroy(first);
    blanket_root_destroy(second);
    free(stream);
}

/* Cut anywhere, or with any byte changed, it's refused, and the store is as it was. */
static void test_broken_state(void **state)
{
    struct stream *stream = (struct stream *)calloc(1, sizeof(*stream));
    struct blanket_root *first = root_make(1 << 20), *second = root_make(1 << 20);
    size_t whole;

    (void)state;
    stream->room = STATE_MAX;
    assert_int_equal(blanket_root_store_state_save(first, stream_write, stream), 0);
    nodes_write(second);
    whole = stream->size;
    for (size_t i = 0; i < whole; i++) {
        stream->size = i;
        stream->at = 0;
        assert_int_equal(blanket_root_store_state_restore(second, stream_read, stream),
                         -BLANKET_EINVAL);
    }
    stream->size = whole;
    for (size_t i = 0; i < whole; i++) {
        stream->bytes[i] ^= 0x40;
        stream->at = 0;
        assert_true(blanket_root_store_state_restore(second, stream_read, stream) < 0);
        stream->bytes[i] ^= 0x40;
    }
    nodes_check(second);
    blanket_root_destroy(first);
    blanket_root_destroy(second);
    free(stream);
}

static void test_errors_of_the_stream(void **state)
{
    struct stream *stream = (struct stream *)calloc(1, sizeof(*stream));
    struct blanket_root *root = root_make(1 << 20), *storeless = root_make(0);

    (void)state;
    assert_int_equal(blanket_root_store_state_save(root, stream_write, stream), -BLANKET_ENOSPC);
    assert_int_equal(blanket_root_store_state_save(storeless, stream_write, stream),
                     -BLANKET_ENOSYS);
    assert_int_equal(blanket_root_store_state_restore(storeless, stream_read, stream),
                     -BLANKET_ENOSYS);
    assert_int_equal(stream->size, 0);
    blanket_root_destroy(root);
    blanket_root_destroy(storeless);
    free(stream);
}

/* Set a watch on "/" by the end's broker: the result. */
static uint64_t watch_set(struct blanket_below *below, uint64_t endpoint, uint32_t id)
{
    uint64_t items[4] = {blanket_item_slot(BLANKET_ITEM_PORT, 0, 1),
                         blanket_item(BLANKET_ITEM_REQUEST, 0, (uint64_t)XS_WATCH << 32 | id),
                         blanket_item(BLANKET_ITEM_ROOT, 0, BLANKET_ROOT_ALL),
                         blanket_item(BLANKET_ITEM_WATCH, 0, id)};
    uint8_t reply[4112];
    uint64_t result = 0;
    struct blanket_call call = {.verb = BLANKET_VERB_STORE_WATCH,
                                .element_count = 1,
                                .element_items = 4,
                                .endpoint = endpoint,
                                .items = items,
                                .results = &result,
                                .payload = (const uint8_t *)"/",
                                .payload_size = 2,
                                .reply = reply,
                                .reply_max = sizeof(reply)};

    assert_int_equal(below->ops->call(below->context, &call), 0);
    return result;
}

static void test_end_of_another_size(void **state)
{
    const struct blanket_root_store_quotas none = {.watches = 1};
    const struct blanket_root_store_quotas three = {
        .connections = 2, .requests = 2, .watches = 3, .transactions = 1};
    const struct blanket_root_store_quotas many = {
        .connections = 2, .requests = 2, .watches = 300, .transactions = 1};
    struct blanket_root *root = root_make(1 << 20);
    struct blanket_below below = blanket_root_below(root);
    struct blanket_root_end end;
    uint64_t item = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1), result = 0;
    struct blanket_call connect = {.verb = BLANKET_VERB_STORE_CONNECT,
                                   .element_count = 1,
                                   .element_items = 1,
                                   .items = &item,
                                   .results = &result};

    (void)state;
    assert_int_equal(blanket_root_store_end_sized(root, 0, &none, NULL, 0, &end), -BLANKET_EINVAL);
    /* 256 watches are what this root gives a domain that isn't 0. */
    assert_int_equal(blanket_root_store_end_sized(root, 3, &many, NULL, 0, &end), -BLANKET_ENOSPC);
    assert_int_equal(blanket_root_store_end_sized(root, 0, &many, NULL, 0, &end), 0);
    assert_int_equal(blanket_root_device_remove(root, end.endpoint), 0);
    assert_int_equal(blanket_root_store_end_sized(root, 0, &three, NULL, 0, &end), 0);
    assert_int_equal(end.ports, 2);
    connect.endpoint = end.endpoint;
    assert_int_equal(below.ops->call(below.context, &connect), 0);
    assert_int_equal(blanket_result_status(result), 0);
    for (uint32_t id = 1; id <= 3; id++) {
        assert_int_equal(blanket_result_status(watch_set(&below, end.endpoint, id)), 0);
    }
    result = watch_set(&below, end.endpoint, 4);
    assert_int_equal(blanket_result_status(result), -BLANKET_ENOSPC);
    assert_int_equal(blanket_result_value(result), BLANKET_QUOTA_STORE_WATCHES);
    blanket_root_destroy(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_goes_over),
        cmocka_unit_test(test_broken_state),
        cmocka_unit_test(test_errors_of_the_stream),
        cmocka_unit_test(test_end_of_another_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
