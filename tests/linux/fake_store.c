/* SPDX-License-Identifier: MIT */
/* An xenstored: the provider's store on a socket, served by a thread. */
#define _GNU_SOURCE
#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#include "fake_private.h"

#define CLIENTS 8u
#define MESSAGE_MAX (16u + 4096u)

struct client {
    int fd;
    struct blanket_root_client *root;
    uint8_t in[MESSAGE_MAX];
    uint32_t size;
};

static struct {
    char path[FAKE_SOCKET_SIZE];
    struct blanket_root *root;
    struct blanket_root_client *toolstack;
    pthread_t thread;
    atomic_bool stop;
    int listener;
    struct client clients[CLIENTS];
} store;

static void client_close(struct client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        blanket_root_client_disconnect(client->root);
        client->fd = -1;
    }
}

static void client_accept(void)
{
    uint32_t i;

    for (i = 0; i < CLIENTS && store.clients[i].fd >= 0; i++) {
    }
    if (i == CLIENTS) {
        abort();
    }
    store.clients[i].fd = accept4(store.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    store.clients[i].size = 0;
    if (store.clients[i].fd >= 0 &&
        blanket_root_client_connect(store.root, FAKE_SELF, NULL, NULL, &store.clients[i].root)) {
        abort();
    }
}

/* What came in: a byte at a time would do. */
static void client_read(struct client *client)
{
    struct xsd_sockmsg header;
    ssize_t got = read(client->fd, client->in + client->size, sizeof(client->in) - client->size);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            client_close(client);
        }
        return;
    }
    client->size += (uint32_t)got;
    while (client->size >= sizeof(header)) {
        uint32_t size;

        memcpy(&header, client->in, sizeof(header));
        size = (uint32_t)sizeof(header) + header.len;
        if (client->size < size) {
            return;
        }
        (void)blanket_root_client_submit(client->root, client->in, size);
        memmove(client->in, client->in + size, client->size - size);
        client->size -= size;
    }
}

/* In two pieces, so that messages come partly. */
static void client_write(struct client *client)
{
    uint8_t message[MESSAGE_MAX];
    uint32_t size = 0;

    while (blanket_root_client_receive(client->root, message, sizeof(message), &size) == 0 &&
           size) {
        if (send(client->fd, message, 10, MSG_NOSIGNAL) != 10 ||
            send(client->fd, message + 10, size - 10, MSG_NOSIGNAL) != (ssize_t)size - 10) {
            client_close(client);
            return;
        }
    }
}

static void *serve(void *unused)
{
    (void)unused;
    while (!atomic_load(&store.stop)) {
        struct pollfd wait[CLIENTS + 1];
        uint32_t i;

        for (i = 0; i < CLIENTS; i++) {
            wait[i].fd = store.clients[i].fd;
            wait[i].events = POLLIN;
            wait[i].revents = 0;
        }
        wait[CLIENTS].fd = store.listener;
        wait[CLIENTS].events = POLLIN;
        (void)poll(wait, CLIENTS + 1, 2);
        if (wait[CLIENTS].revents) {
            client_accept();
        }
        for (i = 0; i < CLIENTS; i++) {
            if (wait[i].revents && store.clients[i].fd >= 0) {
                client_read(&store.clients[i]);
            }
            if (store.clients[i].fd >= 0) {
                client_write(&store.clients[i]);
            }
        }
    }
    return NULL;
}

const char *fake_socket(void)
{
    return store.path;
}

void fake_store_start(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    unlink(store.path);
    memcpy(address.sun_path, store.path, sizeof(store.path));
    store.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(store.listener >= 0);
    assert_int_equal(bind(store.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(store.listener, 8), 0);
    atomic_store(&store.stop, false);
    assert_int_equal(pthread_create(&store.thread, NULL, serve, NULL), 0);
}

void fake_store_crash(void)
{
    uint32_t i;

    atomic_store(&store.stop, true);
    pthread_join(store.thread, NULL);
    close(store.listener);
    for (i = 0; i < CLIENTS; i++) {
        client_close(&store.clients[i]);
    }
}

void fake_store_stop(void)
{
    fake_store_crash();
    unlink(store.path);
}

static void *no_page(void *host, uint64_t frame)
{
    (void)host, (void)frame;
    return NULL;
}

void fake_begin(void)
{
    static const struct blanket_root_host_ops ops = {.page = no_page};
    const struct blanket_root_limits limits = {.domains = 4, .devices = 8, .store_size = 1u << 20};
    uint32_t i;

    fake_xen_begin();
    memset(&store, 0, sizeof(store));
    for (i = 0; i < CLIENTS; i++) {
        store.clients[i].fd = -1;
    }
    (void)snprintf(store.path, sizeof(store.path), "%s/blanket-fake-%ld",
                   getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir, (long)getpid());
    unlink(store.path);
    assert_int_equal(
        blanket_root_create(&limits, BLANKET_ROOT_SCOPE_DOMID, &ops, NULL, &store.root), 0);
    assert_int_equal(blanket_root_domain_add(store.root, FAKE_SELF), 0);
    assert_int_equal(blanket_root_client_connect(store.root, 0, NULL, NULL, &store.toolstack), 0);
    fake_store_start();
}

void fake_end(void)
{
    fake_store_stop();
    blanket_root_client_disconnect(store.toolstack);
    blanket_root_destroy(store.root);
    fake_xen_end();
}

void fake_device(const char *type, uint32_t handle)
{
    const struct blanket_root_device device = {
        .frontend_domid = FAKE_SELF, .backend_domid = 0, .type = type, .handle = handle};

    assert_int_equal(blanket_root_device_add(store.root, &device, NULL, 0, NULL, 0, NULL, NULL), 0);
}

/* One request of the toolstack's; the body of its answer, "" for an error. */
static const char *ask(uint32_t type, const void *body, uint32_t size)
{
    static uint8_t message[MESSAGE_MAX + 1];
    struct xsd_sockmsg header = {.type = type, .len = size};
    uint32_t used = 0;

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    assert_int_equal(
        blanket_root_client_submit(store.toolstack, message, (uint32_t)sizeof(header) + size), 0);
    assert_int_equal(blanket_root_client_receive(store.toolstack, message, MESSAGE_MAX, &used), 0);
    assert_true(used >= sizeof(header));
    message[used] = 0;
    memcpy(&header, message, sizeof(header));
    return header.type == type ? (const char *)message + sizeof(header) : NULL;
}

void fake_write(const char *path, const char *value)
{
    char body[512];
    int size = snprintf(body, sizeof(body), "%s%c%s", path, 0, value);

    assert_non_null(ask(XS_WRITE, body, (uint32_t)size));
}

const char *fake_read(const char *path)
{
    return ask(XS_READ, path, (uint32_t)strlen(path) + 1);
}
