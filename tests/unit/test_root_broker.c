/* SPDX-License-Identifier: MIT */
/* The provider's store: what the toolstack's part writes, and what views of both ends can do. */
#include "root_store_fixture.h"

#define FRONTEND_DIR "/local/domain/1/device/vbd/51712"
#define BACKEND_DIR "/local/domain/2/backend/vbd/1/51712"
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)

/* A reply of this type (XS_ERROR: the error), or an event, with this body. Evaluates its argument once. */
#define assert_reply(expression, expected_type, expected_body)                                     \
    do {                                                                                           \
        const struct asked once = (expression);                                                    \
                                                                                                   \
        assert_int_equal(once.status, 0);                                                          \
        assert_int_equal(once.type, expected_type);                                                \
        assert_string_equal(once.body, expected_body);                                             \
    } while (0)

/* There is a message of this type with this body anywhere in what came back. */
static bool has_message(const struct asked *asked, uint32_t type, const char *body)
{
    uint32_t at = 0;

    while (at + sizeof(struct xsd_sockmsg) <= asked->total) {
        struct xsd_sockmsg header;

        memcpy(&header, asked->bytes + at, sizeof(header));
        at += sizeof(header);
        if (header.type == type && header.len == strlen(body) + 1 &&
            memcmp(asked->bytes + at, body, header.len) == 0) {
            return true;
        }
        at += header.len;
    }
    return false;
}

static struct blanket_root_client *zero;

static int setup(void **state)
{
    static struct fixture f;

    fixture_init(&f, &store_limits, BLANKET_ROOT_SCOPE_ENDPOINT);
    assert_int_equal(blanket_root_client_connect(f.root, 0, NULL, NULL, &zero), 0);
    *state = &f;
    return 0;
}

static int setup_domid(void **state)
{
    static struct fixture f;

    fixture_init(&f, &store_limits, BLANKET_ROOT_SCOPE_DOMID);
    assert_int_equal(blanket_root_client_connect(f.root, 0, NULL, NULL, &zero), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    blanket_root_client_disconnect(zero);
    fixture_fini((struct fixture *)*state);
    return 0;
}

static void test_directories(void **state)
{
    struct asked asked;

    (void)state;
    assert_node(zero, FRONTEND_DIR "/backend", BACKEND_DIR);
    assert_node(zero, FRONTEND_DIR "/backend-id", "2");
    assert_node(zero, FRONTEND_DIR "/handle", "51712");
    assert_node(zero, FRONTEND_DIR "/virtual-device", "51712");
    assert_node(zero, FRONTEND_DIR "/state", "1");
    assert_node(zero, BACKEND_DIR "/frontend", FRONTEND_DIR);
    assert_node(zero, BACKEND_DIR "/frontend-id", "1");
    assert_node(zero, BACKEND_DIR "/online", "1");
    assert_node(zero, BACKEND_DIR "/state", "1");
    assert_node(zero, "/local/domain/1/domid", "1");
    asked = raw_text(zero, XS_GET_PERMS, FRONTEND_DIR "/state");
    assert_int_equal(asked.size, 6);
    assert_memory_equal(asked.body, "n1\0r2", 6);
    asked = raw_text(zero, XS_GET_PERMS, BACKEND_DIR);
    assert_int_equal(asked.size, 6);
    assert_memory_equal(asked.body, "n2\0r1", 6);
    asked = raw_text(zero, XS_GET_PERMS, "/local/domain/1");
    assert_int_equal(asked.size, 6);
    assert_memory_equal(asked.body, "n0\0r1", 6);
    asked = raw_text(zero, XS_IS_DOMAIN_INTRODUCED, "2");
    assert_string_equal(asked.body, "T");
}

/* What the domains themselves may do, without a view: the permissions, as a guest's own xenbus. */
static void test_raw_clients(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_client *one;
    struct blanket_root_client *three;
    struct asked asked;

    assert_int_equal(blanket_root_client_connect(f->root, 1, NULL, NULL, &one), 0);
    assert_int_equal(blanket_root_client_connect(f->root, 3, NULL, NULL, &three), 0);
    assert_node(one, "domid", "1");
    asked = raw_text(one, XS_DIRECTORY, "device");
    assert_string_equal(asked.body, "vbd");
    assert_node(one, BACKEND_DIR "/state", "1");
    assert_string_equal(raw_write(one, BACKEND_DIR "/state", "4").body, "EACCES");
    assert_string_equal(raw_write(one, "device/vbd/51712/state", "3").body, "OK");
    assert_node(three, FRONTEND_DIR "/state", "EACCES");
    assert_node(three, BACKEND_DIR "/state", "EACCES");
    blanket_root_client_disconnect(one);
    blanket_root_client_disconnect(three);
    assert_int_equal(blanket_root_client_connect(f->root, 0x7ff0, NULL, NULL, &one),
                     -BLANKET_EINVAL);
    blanket_root_client_disconnect(NULL);
}

static void test_views(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint64_t port = port_item(6, 1);

    assert_int_equal(store_connect(f, front, port), 0);
    assert_int_equal(store_connect(f, back, port), 0);
    assert_reply(store_read(f, front, port, XS_READ, BLANKET_ROOT_FRONTEND, "state"), XS_READ, "1");
    assert_reply(store_read(f, front, port, XS_READ, BLANKET_ROOT_BACKEND, "online"), XS_READ, "1");
    assert_reply(store_read(f, back, port, XS_READ, BLANKET_ROOT_FRONTEND, "state"), XS_READ, "1");
    /* Who is where isn't shown. */
    assert_reply(store_read(f, front, port, XS_READ, BLANKET_ROOT_FRONTEND, "backend-id"), XS_ERROR,
                 "ENOENT");
    assert_reply(store_read(f, back, port, XS_READ, BLANKET_ROOT_BACKEND, "frontend"), XS_ERROR,
                 "ENOENT");
    /* Each writes its own directory only. */
    assert_reply(store_write(f, front, port, BLANKET_ROOT_FRONTEND, "feature", "1"), XS_WRITE,
                 "OK");
    assert_reply(store_write(f, back, port, BLANKET_ROOT_BACKEND, "sectors", "8"), XS_WRITE, "OK");
    assert_int_equal(store_write(f, front, port, BLANKET_ROOT_BACKEND, "x", "1").status,
                     -BLANKET_EPERM);
    assert_int_equal(store_write(f, back, port, BLANKET_ROOT_FRONTEND, "x", "1").status,
                     -BLANKET_EPERM);
    assert_int_equal(store_read(f, front, port, XS_READ, BLANKET_ROOT_ALL, "x").status,
                     -BLANKET_EPERM);
    assert_node(zero, FRONTEND_DIR "/feature", "1");
    assert_node(zero, BACKEND_DIR "/sectors", "8");
    /* What an end made is its domain's, and its peer may read it. */
    assert_memory_equal(raw_text(zero, XS_GET_PERMS, FRONTEND_DIR "/feature").body, "n1\0r2", 6);
    assert_memory_equal(raw_text(zero, XS_GET_PERMS, BACKEND_DIR "/sectors").body, "n2\0r1", 6);
    assert_reply(store_read(f, back, port, XS_READ, BLANKET_ROOT_FRONTEND, "feature"), XS_READ,
                 "1");
}

/* A sibling's directory isn't in the view, however it is asked for. */
static void test_siblings(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const char *paths[] = {"../51728/state", "/local/domain/1/device/vbd/51728/state", "./state",
                           "a//b", ".."};
    uint64_t front = f->front[0].endpoint;
    uint64_t port = port_item(0, 1);
    size_t i;

    assert_int_equal(store_connect(f, front, port), 0);
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct asked asked = store_read(f, front, port, XS_READ, BLANKET_ROOT_FRONTEND, paths[i]);

        assert_true(asked.status == -BLANKET_EINVAL ||
                    (asked.status == 0 && strcmp(asked.body, "ENOENT") == 0));
        asked = store_write(f, front, port, BLANKET_ROOT_FRONTEND, paths[i], "5");
        assert_true(asked.status == -BLANKET_EINVAL || strcmp(paths[i], "./state") == 0);
    }
    assert_node(zero, "/local/domain/1/device/vbd/51728/state", "1");
}

static void test_watch(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint64_t port = port_item(3, 1);
    struct asked asked;

    assert_int_equal(store_connect(f, front, port), 0);
    assert_int_equal(store_connect(f, back, port), 0);
    assert_reply(store_watch(f, front, port, BLANKET_ROOT_BACKEND, 17, "state"), XS_WATCH, "OK");
    /* The initial event. */
    assert_int_equal(f->events[0].by_number[103], 1);
    asked = store_receive(f, front, port);
    assert_reply(asked, XS_WATCH_EVENT, "state");
    assert_int_equal(asked.req_id, 17);
    assert_int_equal(store_receive(f, front, port).total, 0);

    assert_reply(store_write(f, back, port, BLANKET_ROOT_BACKEND, "state", "2"), XS_WRITE, "OK");
    assert_int_equal(f->events[0].by_number[103], 2);
    assert_int_equal(f->events[1].count, 0);
    assert_reply(store_receive(f, front, port), XS_WATCH_EVENT, "state");
    /* A write by anybody, without the provider's verbs. */
    assert_string_equal(raw_write(zero, BACKEND_DIR "/state", "4").body, "OK");
    assert_int_equal(f->events[0].by_number[103], 3);
    assert_reply(store_receive(f, front, port), XS_WATCH_EVENT, "state");
    /* The sibling's backend isn't what was watched. */
    assert_string_equal(raw_write(zero, "/local/domain/2/backend/vbd/1/51728/state", "4").body,
                        "OK");
    assert_int_equal(f->events[0].by_number[103], 3);
}

static void test_publish(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint64_t port = port_item(0, 1);
    uint64_t grant = blanket_item_slot(BLANKET_ITEM_GRANT, 2, 4);
    uint32_t number;
    uint32_t reference;
    char text[16];
    void *address;

    assert_int_equal(store_connect(f, front, port), 0);
    assert_int_equal(fixture_grant(f, front, 2, 4, 5, RW, &reference), 0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_ITEM_PORT, 5, 9, &number),
        0);
    assert_reply(store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "ring-ref", grant), XS_WRITE,
                 "OK");
    assert_reply(
        store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "event-channel", port_item(5, 9)),
        XS_WRITE, "OK");
    /* The backend takes the numbers as they stand. */
    (void)snprintf(text, sizeof(text), "%u", reference);
    assert_node(zero, FRONTEND_DIR "/ring-ref", text);
    (void)snprintf(text, sizeof(text), "%u", number);
    assert_node(zero, FRONTEND_DIR "/event-channel", text);
    assert_int_equal(blanket_root_map(f->root, back, reference, RW, &address), 0);
    assert_int_equal(fixture_bind(f, back, 0, 1, number), 0);

    /* Only what is the end's own, live and of that kind. */
    assert_int_equal(
        store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "ring-ref", grant + 1).status,
        -BLANKET_ENOENT);
    assert_int_equal(store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "ring-ref",
                                   blanket_item_slot(BLANKET_ITEM_GRANT, 2, 5))
                         .status,
                     -BLANKET_ENOENT);
    assert_int_equal(
        store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "event-channel", port).status,
        -BLANKET_ENOENT);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_GRANT_END_ACCESS, BLANKET_ITEM_GRANT, 2, 4, NULL),
        -BLANKET_EBUSY);
    assert_int_equal(store_publish(f, front, port, BLANKET_ROOT_FRONTEND, "ring-ref", grant).status,
                     -BLANKET_ENOENT);
    assert_int_equal(store_write(f, front, port, BLANKET_ROOT_FRONTEND, "ring-ref", "8").status,
                     -BLANKET_EINVAL);
}

/* A connection and a channel share the table of ports, and nothing takes one for the other. */
static void test_kinds_of_ports(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t store = port_item(0, 3);
    uint64_t channel = port_item(1, 3);
    uint32_t value;

    assert_int_equal(store_connect(f, front, store), 0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_ITEM_PORT, 1, 3, NULL),
        0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_STATUS, BLANKET_ITEM_PORT, 0, 3, &value), 0);
    assert_int_equal(value, BLANKET_PORT_STATE_STORE);
    assert_int_equal(fixture_send(f, front, 0, 3), -BLANKET_EINVAL);
    assert_int_equal(fixture_call(f, front, BLANKET_VERB_EVTCHN_CLOSE, &store, 1, NULL),
                     -BLANKET_EINVAL);
    assert_int_equal(store_disconnect(f, front, channel), -BLANKET_EINVAL);
    assert_int_equal(store_receive(f, front, channel).status, -BLANKET_ENOENT);
    assert_int_equal(store_connect(f, front, port_item(0, 4)), -BLANKET_EEXIST);
    assert_int_equal(store_connect(f, front, store), -BLANKET_EEXIST);
    assert_int_equal(store_connect(f, front, port_item(1, 4)), -BLANKET_EEXIST);
    assert_int_equal(store_disconnect(f, front, port_item(0, 2)), 0);
    assert_int_equal(store_receive(f, front, store).status, 0);
    assert_int_equal(store_disconnect(f, front, store), 0);
    assert_int_equal(store_disconnect(f, front, store), 0);
    /* One sequence of generations for both kinds. */
    assert_int_equal(fixture_call(f, front, BLANKET_VERB_STORE_CONNECT, &store, 1, &value),
                     -BLANKET_ESTALE);
    assert_int_equal(value, 3);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BLANKET_ITEM_PORT, 0, 4, NULL),
        0);
    assert_int_equal(
        fixture_slot(f, front, BLANKET_VERB_EVTCHN_CLOSE, BLANKET_ITEM_PORT, 0, 4, NULL), 0);
    assert_int_equal(store_disconnect(f, front, port_item(0, 8)), 0);
    assert_int_equal(store_connect(f, front, port_item(0, 8)), -BLANKET_ESTALE);
    assert_int_equal(store_connect(f, front, port_item(0, 9)), 0);
    assert_int_equal(store_disconnect(f, front, port_item(8, 1)), -BLANKET_ENOENT);
    assert_int_equal(fixture_call(f, front, BLANKET_VERB_STORE_CONNECT,
                                  (const uint64_t[]){port_item(8, 1)}, 1, &value),
                     -BLANKET_ENOSPC);
    assert_int_equal(value, BLANKET_QUOTA_PORTS);
}

static void test_quotas_of_a_view(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t port = port_item(0, 1);
    uint32_t id;

    assert_int_equal(store_connect(f, front, port), 0);
    assert_int_equal(store_connect(f, front, port_item(1, 1)), 0);
    assert_int_equal(store_connect(f, front, port_item(2, 1)), -BLANKET_ENOSPC);
    assert_int_equal(store_connect(f, f->front[1].endpoint, port), 0);
    for (id = 1; id <= 8; id++) {
        assert_reply(store_watch(f, front, port, BLANKET_ROOT_BACKEND, id, "state"), XS_WATCH,
                     "OK");
    }
    assert_int_equal(store_watch(f, front, port, BLANKET_ROOT_BACKEND, 9, "state").status,
                     -BLANKET_ENOSPC);
    /* It's this view's quota. */
    assert_reply(store_watch(f, f->front[1].endpoint, port, BLANKET_ROOT_BACKEND, 9, "state"),
                 XS_WATCH, "OK");
}

/* An end goes without a word: its peer is told by states 5 and 6. */
static void test_disconnect_closes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t port = port_item(0, 1);

    assert_int_equal(store_connect(f, front, port), 0);
    assert_reply(store_write(f, front, port, BLANKET_ROOT_FRONTEND, "state", "4"), XS_WRITE, "OK");
    assert_int_equal(store_disconnect(f, front, port), 0);
    assert_node(zero, FRONTEND_DIR "/state", "6");
}

static void test_remove(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t back = f->back[0].endpoint;
    uint64_t port = port_item(0, 1);
    struct blanket_root_stats stats;
    uint32_t reference;
    void *address;

    assert_int_equal(store_connect(f, front, port), 0);
    assert_int_equal(store_connect(f, back, port), 0);
    assert_reply(store_watch(f, back, port, BLANKET_ROOT_FRONTEND, 1, "state"), XS_WATCH, "OK");
    assert_int_equal(fixture_grant(f, front, 0, 1, 5, RW, &reference), 0);
    assert_int_equal(blanket_root_map(f->root, back, reference, RW, &address), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), -BLANKET_EBUSY);
    /* Out of the store at once; the type's directory stays for the sibling. */
    assert_node(zero, FRONTEND_DIR "/state", "ENOENT");
    assert_node(zero, BACKEND_DIR "/state", "ENOENT");
    assert_node(zero, "/local/domain/1/device/vbd/51728/state", "1");
    assert_int_equal(store_read(f, front, port, XS_READ, BLANKET_ROOT_FRONTEND, "state").status,
                     -BLANKET_ENOTCONN);
    assert_int_equal(store_connect(f, front, port_item(1, 1)), -BLANKET_ENOTCONN);
    assert_int_equal(store_disconnect(f, front, port), 0);
    blanket_root_stats(f->root, &stats);
    assert_int_equal(stats.ports, 0);
    assert_int_equal(stats.watches, 0);
    assert_int_equal(blanket_root_unmap(f->root, back, address), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), 0);
    assert_int_equal(store_disconnect(f, front, port), -BLANKET_EPERM);
    /* The last of its kind takes the empty directories with it, but not the domains' homes. */
    assert_int_equal(blanket_root_device_remove(f->root, f->back[1].endpoint), 0);
    assert_string_equal(raw_text(zero, XS_DIRECTORY, "/local/domain/1/device").body, "");
    assert_string_equal(raw_text(zero, XS_DIRECTORY, "/local/domain/2/backend").body, "");
    assert_node(zero, "/local/domain/1/domid", "1");
    assert_int_equal(blanket_root_domain_remove(f->root, 1), 0);
    assert_node(zero, "/local/domain/1/domid", "ENOENT");
    assert_string_equal(raw_text(zero, XS_IS_DOMAIN_INTRODUCED, "1").body, "F");
}

static void test_domains(void **state)
{
    struct fixture *f = (struct fixture *)*state;

    assert_int_equal(blanket_root_domain_add(f->root, 1), -BLANKET_EEXIST);
    assert_int_equal(blanket_root_domain_add(f->root, 0x7ff0), -BLANKET_EINVAL);
    assert_int_equal(blanket_root_domain_remove(f->root, 1), -BLANKET_EBUSY);
    assert_int_equal(blanket_root_domain_remove(f->root, 7), -BLANKET_ENOENT);
    assert_int_equal(blanket_root_domain_add(f->root, 7), 0);
    assert_node(zero, "/local/domain/7/domid", "7");
    assert_int_equal(blanket_root_domain_add(f->root, 0), 0);
    assert_node(zero, "/local/domain/0/domid", "0");
    assert_int_equal(blanket_root_domain_add(f->root, 8), -BLANKET_ENOSPC);
    assert_node(zero, "/local/domain/8/domid", "ENOENT");
    assert_int_equal(blanket_root_domain_remove(f->root, 7), 0);
    assert_int_equal(blanket_root_domain_remove(f->root, 7), -BLANKET_ENOENT);
    assert_int_equal(blanket_root_domain_add(f->root, 8), 0);
}

/* Another toolstack releases a domain and introduces it again: its views go on. */
static void test_domain_released_elsewhere(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    uint64_t front = f->front[0].endpoint;
    uint64_t port = port_item(0, 1);
    struct asked asked;

    assert_int_equal(store_connect(f, front, port), 0);
    assert_reply(store_watch(f, front, port, BLANKET_ROOT_BACKEND, 3, "state"), XS_WATCH, "OK");
    assert_reply(store_receive(f, front, port), XS_WATCH_EVENT, "state");
    assert_string_equal(raw_text(zero, XS_RELEASE, "1").body, "OK");
    /* Its nodes and rights went with it; the request that finds out is answered all the same, and
     * the watch was set again, which fires. */
    asked = store_read(f, front, port, XS_READ, BLANKET_ROOT_FRONTEND, "state");
    assert_int_equal(asked.status, 0);
    if (asked.value == 0) {
        asked = store_receive(f, front, port);
        assert_int_equal(asked.status, 0);
    }
    assert_true(has_message(&asked, XS_ERROR, "EACCES"));
    assert_true(has_message(&asked, XS_WATCH_EVENT, "state"));
    assert_int_equal(store_disconnect(f, front, port), 0);
    assert_int_equal(blanket_root_device_remove(f->root, front), 0);
}

static void test_carved_from_the_domain(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_limits limits = store_limits;
    struct blanket_root_device device = fixture_device;
    struct blanket_root *root;
    struct blanket_root_end front;

    limits.store_watches = 20;
    limits.store_transactions = 4;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &fixture_ops, f, &root), 0);
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, &front, NULL), 0);
    device.handle++;
    device.transactions = 3;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL),
                     -BLANKET_ENOSPC);
    device.transactions = 2;
    device.watches = 13;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL),
                     -BLANKET_ENOSPC);
    /* Domain 0 isn't counted, the other end is. */
    device.backend_domid = 0;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL),
                     -BLANKET_ENOSPC);
    device.frontend_domid = 0;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL), 0);
    assert_int_equal(blanket_root_device_remove(root, front.endpoint), 0);
    device.handle++;
    device.frontend_domid = 1;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL), 0);
    /* Quotas that no engine can have. */
    device.handle++;
    device.requests = 5000;
    device.watches = 0;
    device.transactions = 0;
    assert_int_equal(blanket_root_device_add(root, &device, NULL, 0, NULL, 0, NULL, NULL),
                     -BLANKET_EINVAL);
    blanket_root_destroy(root);
}

static void test_store_end(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_end end;
    uint64_t port = port_item(1, 1);
    struct asked asked;

    assert_int_equal(blanket_root_store_end(f->root, 0x7ff0, 2, NULL, 0, &end), -BLANKET_EINVAL);
    assert_int_equal(blanket_root_store_end(f->root, 0, 0, NULL, 0, &end), -BLANKET_EINVAL);
    assert_int_equal(blanket_root_store_end(f->root, 0, 2, &f->sinks[3], 1000, &end), 0);
    assert_int_equal(end.grants + end.mappings, 0);
    assert_int_equal(end.ports, 2);
    assert_int_equal(store_connect(f, end.endpoint, port), 0);
    asked = store_read(f, end.endpoint, port, XS_DIRECTORY, BLANKET_ROOT_ALL, "/local/domain");
    assert_int_equal(asked.status, 0);
    assert_int_equal(asked.size, 4 + (asked.size > 4 ? 2 : 0));
    assert_reply(
        store_read(f, end.endpoint, port, XS_READ, BLANKET_ROOT_ALL, FRONTEND_DIR "/backend-id"),
        XS_READ, "2");
    assert_reply(store_write(f, end.endpoint, port, BLANKET_ROOT_ALL, "/tool/x", "y"), XS_WRITE,
                 "OK");
    assert_node(zero, "/tool/x", "y");
    assert_reply(store_watch(f, end.endpoint, port, BLANKET_ROOT_ALL, 1, "@introduceDomain"),
                 XS_WATCH, "OK");
    assert_reply(store_receive(f, end.endpoint, port), XS_WATCH_EVENT, "@introduceDomain");
    assert_int_equal(blanket_root_domain_add(f->root, 9), 0);
    assert_int_equal(f->events[3].by_number[1001], 2);
    assert_reply(store_receive(f, end.endpoint, port), XS_WATCH_EVENT, "@introduceDomain");
    /* No channels, no grants: it has no peer. */
    assert_int_equal(fixture_slot(f, end.endpoint, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
                                  BLANKET_ITEM_PORT, 0, 1, NULL),
                     -BLANKET_EOPNOTSUPP);
    assert_int_equal(fixture_bind(f, end.endpoint, 0, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(fixture_grant(f, end.endpoint, 0, 1, 1, RW, NULL), -BLANKET_ENOSPC);
    assert_int_equal(blanket_root_device_remove(f->root, end.endpoint), 0);
    assert_int_equal(store_receive(f, end.endpoint, port).status, -BLANKET_EPERM);
}

/* As a domain that isn't privileged, the whole store is what that domain may see of it. */
static void test_store_end_of_a_domain(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_end end;
    uint64_t port = port_item(0, 1);

    assert_int_equal(blanket_root_store_end(f->root, 3, 1, NULL, 0, &end), 0);
    assert_int_equal(store_connect(f, end.endpoint, port), 0);
    assert_reply(
        store_read(f, end.endpoint, port, XS_READ, BLANKET_ROOT_ALL, FRONTEND_DIR "/state"),
        XS_ERROR, "EACCES");
    assert_reply(
        store_read(f, end.endpoint, port, XS_READ, BLANKET_ROOT_ALL, "/local/domain/3/domid"),
        XS_READ, "3");
}

static void test_bad_shapes(void **state)
{
    static const struct {
        uint16_t verb;
        uint16_t items;
    } verbs[] = {
        {BLANKET_VERB_STORE_CONNECT, 1},    {BLANKET_VERB_STORE_DISCONNECT, 1},
        {BLANKET_VERB_STORE_RECEIVE, 1},    {BLANKET_VERB_STORE_READ, 4},
        {BLANKET_VERB_STORE_WRITE, 4},      {BLANKET_VERB_STORE_WRITE_GRANT, 5},
        {BLANKET_VERB_STORE_WRITE_PORT, 5}, {BLANKET_VERB_STORE_WATCH, 4},
        {BLANKET_VERB_STORE_TRANSACT, 3},
    };
    struct fixture *f = (struct fixture *)*state;
    uint64_t items[6] = {0};
    uint64_t port = port_item(0, 1);
    uint8_t payload[8] = "state";
    uint64_t result;
    size_t i;

    assert_int_equal(store_connect(f, f->front[0].endpoint, port), 0);
    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct blanket_call good = {.verb = verbs[i].verb,
                                          .element_count = 1,
                                          .element_items = verbs[i].items,
                                          .endpoint = f->front[0].endpoint,
                                          .items = items,
                                          .results = &result,
                                          .payload = i < 3 ? NULL : payload,
                                          .payload_size = i < 3 ? 0 : 6};
        struct blanket_call call = good;

        /* Items of no type: refused as a whole. */
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        assert_int_equal(call.done, 0);
        call = good;
        call.element_items++;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        call = good;
        call.element_count = 2;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        call = good;
        call.reply_max = 4;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        call = good;
        call.payload = NULL;
        call.payload_size = 6;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        call = good;
        call.payload = payload;
        call.payload_size = i < 3 ? 6 : BLANKET_PAYLOAD_SIZE_MAX + 1;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        call = good;
        call.endpoint = 12345;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EPERM);
        call = good;
        call.items = NULL;
        assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        /* A live connection, and then items of the wrong type. */
        items[0] = port;
        items[1] = i < 3 ? 0 : blanket_item(BLANKET_ITEM_COUNT, 0, 1);
        call = good;
        if (i >= 3) {
            assert_int_equal(f->below.ops->call(f->below.context, &call), -BLANKET_EINVAL);
        }
        items[0] = 0;
    }
}

static void test_no_store(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root *root = f->root;
    struct blanket_root_limits limits = store_limits;
    struct blanket_root_device device = fixture_device;
    struct blanket_root_client *client;
    struct blanket_root_end end;

    limits.store_size = 1000;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &fixture_ops, f, &f->root),
        -BLANKET_EINVAL);
    limits.store_size = 0;
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_ENDPOINT, &fixture_ops, f, &f->root), 0);
    f->below = blanket_root_below(f->root);
    assert_int_equal(blanket_root_client_connect(f->root, 0, NULL, NULL, &client), -BLANKET_ENOSYS);
    assert_int_equal(blanket_root_store_end(f->root, 0, 1, NULL, 0, &end), -BLANKET_ENOSYS);
    assert_int_equal(blanket_root_device_add(f->root, &device, NULL, 0, NULL, 0, &end, NULL), 0);
    assert_int_equal(store_connect(f, end.endpoint, port_item(0, 1)), -BLANKET_ENOSYS);
    assert_int_equal(blanket_root_device_remove(f->root, end.endpoint), 0);
    assert_int_equal(blanket_root_domain_remove(f->root, 1), 0);
    blanket_root_destroy(f->root);
    /* With a store, but an end that has no quota of connections. */
    f->root = root;
    f->below = blanket_root_below(root);
    device.handle = 1;
    device.connections = 0;
    assert_int_equal(blanket_root_device_add(f->root, &device, NULL, 0, NULL, 0, &end, NULL), 0);
    assert_int_equal(store_connect(f, end.endpoint, port_item(0, 1)), -BLANKET_ENOSYS);
    assert_node(zero, "/local/domain/1/device/vbd/1/state", "1");
}

/* The store runs full at any point of adding a device: nothing of it is left. */
static void test_store_full(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    char value[2048];
    char path[32];
    struct blanket_root_stats before;
    struct blanket_root_stats after;
    struct blanket_root_device device = fixture_device;
    uint32_t refused = 0;
    uint32_t added = 0;
    uint32_t i;

    device.type = "vif";
    memset(value, 'x', sizeof(value));
    value[300] = 0;
    for (i = 0; i < 10000; i++) {
        struct blanket_root_end end;
        int status;

        (void)snprintf(path, sizeof(path), "/fill/%u", i);
        if (strcmp(raw_write(zero, path, value).body, "OK") != 0) {
            break;
        }
        blanket_root_stats(f->root, &before);
        status = blanket_root_device_add(f->root, &device, NULL, 0, NULL, 0, &end, NULL);
        if (status == 0) {
            added++;
            assert_int_equal(blanket_root_device_remove(f->root, end.endpoint), 0);
        } else {
            refused++;
            assert_true(status == -BLANKET_ENOSPC || status == -BLANKET_ENOMEM);
        }
        blanket_root_stats(f->root, &after);
        assert_int_equal(after.nodes, before.nodes);
        assert_int_equal(after.bytes, before.bytes);
    }
    assert_true(added > 100 && refused > 3);
    assert_string_equal(raw_text(zero, XS_RM, "/fill").body, "OK");
    assert_int_equal(blanket_root_device_add(f->root, &device, NULL, 0, NULL, 0, NULL, NULL), 0);
}

static void count_ready(void *context)
{
    (*(uint32_t *)context)++;
}

static void test_client_ready(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_client *one;
    uint32_t count = 0;
    uint32_t used = 0;
    uint8_t message[REPLY_SIZE];

    assert_int_equal(blanket_root_client_connect(f->root, 1, count_ready, &count, &one), 0);
    assert_string_equal(raw(one, XS_WATCH, BACKEND_DIR "/state\0t", sizeof(BACKEND_DIR) + 8).body,
                        "OK");
    assert_true(count >= 1);
    while (blanket_root_client_receive(one, message, sizeof(message), &used) == 0 && used != 0) {
    }
    count = 0;
    assert_string_equal(raw_write(zero, BACKEND_DIR "/state", "2").body, "OK");
    assert_int_equal(count, 1);
    assert_string_equal(raw_write(zero, BACKEND_DIR "/online", "0").body, "OK");
    assert_int_equal(count, 1);
    assert_int_equal(blanket_root_client_receive(one, message, 4, &used), -BLANKET_EOVERFLOW);
    assert_int_equal(blanket_root_client_receive(one, message, sizeof(message), &used), 0);
    assert_true(used > sizeof(struct xsd_sockmsg));
    assert_int_equal(blanket_root_client_submit(one, message, 3), -BLANKET_EINVAL);
    /* One that nobody disconnected goes with the root; ASan looks for the rest. */
    assert_int_equal(blanket_root_client_connect(f->root, 2, count_ready, &count, &one), 0);
}

static void test_stats(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct blanket_root_stats before;
    struct blanket_root_stats after;
    uint64_t port = port_item(0, 1);
    const uint64_t items[3] = {port, request_item(XS_TRANSACTION_START, 1),
                               blanket_item(BLANKET_ITEM_TRANSACTION, 0, 4)};

    blanket_root_stats(f->root, &before);
    assert_true(before.nodes >= 2 * 11);
    assert_int_equal(store_connect(f, f->front[0].endpoint, port), 0);
    assert_reply(store_watch(f, f->front[0].endpoint, port, BLANKET_ROOT_BACKEND, 1, "state"),
                 XS_WATCH, "OK");
    assert_int_equal(
        ask(f, f->front[0].endpoint, BLANKET_VERB_STORE_TRANSACT, items, 3, "", 0).status, 0);
    assert_reply(store_write(f, f->front[0].endpoint, port, BLANKET_ROOT_FRONTEND, "x", "1"),
                 XS_WRITE, "OK");
    blanket_root_stats(f->root, &after);
    assert_int_equal(after.watches, before.watches + 1);
    assert_int_equal(after.transactions, before.transactions + 1);
    assert_int_equal(after.nodes, before.nodes + 1);
    assert_int_equal(after.ports, before.ports + 1);
    assert_int_equal(after.bytes, before.bytes);
}

#define both(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
        cmocka_unit_test_setup_teardown(test, setup_domid, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        both(test_directories),
        both(test_raw_clients),
        both(test_views),
        both(test_siblings),
        both(test_watch),
        both(test_publish),
        both(test_kinds_of_ports),
        both(test_quotas_of_a_view),
        both(test_disconnect_closes),
        both(test_remove),
        both(test_domains),
        both(test_domain_released_elsewhere),
        both(test_carved_from_the_domain),
        both(test_store_end),
        both(test_store_end_of_a_domain),
        both(test_bad_shapes),
        both(test_no_store),
        both(test_store_full),
        both(test_client_ready),
        both(test_stats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
