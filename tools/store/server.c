/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "say.h"
#include "state.h"

#define EVENTS_MAX 64
#define BUDGET 64u /* requests of one client before the others' */
#define ROUNDS 4u  /* of work before the sockets are looked at again */

/* What epoll gives back for what isn't a client. */
#define TAG_LISTENER UINT32_MAX
#define TAG_SIGNALS (UINT32_MAX - 1u)

/* ---- making it ---- */

static bool watch_fd(const struct server *server, int fd, uint32_t tag)
{
    struct epoll_event event;

    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;
    event.data.u32 = tag;
    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* A socket that nobody listens on any more is in the way. */
static bool socket_is_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat status;
    bool stale;

    if (fd < 0) {
        return false;
    }
    stale = stat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
            connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
            errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

static bool socket_bind(struct server *server)
{
    const char *path = server->config.socket;
    struct sockaddr_un address;
    mode_t mask;
    int error;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address.sun_path)) {
        say("the socket's path is longer than %u bytes", (unsigned)sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0) {
        say("no socket: %s", strerror(errno));
        return false;
    }
    if (socket_is_stale(&address)) {
        (void)unlink(path);
    }
    mask = umask(0177);
    error = bind(server->listener, (const struct sockaddr *)&address, sizeof(address)) ? errno : 0;
    (void)umask(mask);
    server->bound = error == 0;
    if (error == 0 && listen(server->listener, SOMAXCONN) != 0) {
        error = errno;
    }
    if (error != 0) {
        say("can't serve %s: %s", path, strerror(error));
    }
    return error == 0;
}

static bool signals_open(struct server *server)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    server->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return server->signals >= 0;
}

/* A connection has something to receive: from inside some client's call. */
static void note_event(void *context, uint32_t connection)
{
    struct server *server = (struct server *)context;
    struct client *client = server->clients[connection];

    if (client == NULL || client->state != CLIENT_LIVE) {
        return;
    }
    client->told = true;
    if (!client->queued) {
        client->queued = true;
        server->work[server->work_count++] = connection;
    }
}

static bool tower_open(struct server *server)
{
    struct tower_config *config = &server->config.tower;
    uint32_t clients = server->config.clients;
    int status;

    config->quotas.connections = clients;
    config->quotas.requests = clients;
    config->quotas.watches = clients * server->config.limits.watches;
    config->quotas.transactions = clients * server->config.limits.transactions;
    config->event = note_event;
    config->context = server;
    (void)snprintf(server->home, sizeof(server->home), "/local/domain/%u/",
                   (unsigned)config->domid);
    status = tower_create(config, &server->tower);
    if (status == 0 && server->config.state != NULL &&
        !state_restore(server->tower.root, server->config.state)) {
        return false;
    }
    if (status == 0) {
        status = tower_raise(&server->tower);
    }
    if (status != 0) {
        say("the store and %u levels can't be made: %s", (unsigned)config->levels,
            say_status(status));
    }
    return status == 0;
}

bool server_open(const struct server_config *config, struct server *server)
{
    memset(server, 0, sizeof(*server));
    server->config = *config;
    server->listener = -1;
    server->signals = -1;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->clients = (struct client **)calloc(config->clients, sizeof(void *));
    /* Each is in the list at most once in this round, and once in the next. */
    server->work = (uint32_t *)calloc(2 * (size_t)config->clients, sizeof(*server->work));
    if (server->epoll < 0 || server->clients == NULL || server->work == NULL) {
        say("no memory, or no epoll");
        return false;
    }
    if (!tower_open(server) || !socket_bind(server)) {
        return false;
    }
    server->accepting = true;
    if (!signals_open(server) || !watch_fd(server, server->signals, TAG_SIGNALS) ||
        !watch_fd(server, server->listener, TAG_LISTENER)) {
        say("no signals, or no epoll: %s", strerror(errno));
        return false;
    }
    return true;
}

/* ---- clients ---- */

static void listen_set(struct server *server, bool accepting)
{
    struct epoll_event event;

    if (server->accepting == accepting) {
        return;
    }
    memset(&event, 0, sizeof(event));
    event.events = accepting ? EPOLLIN : 0;
    event.data.u32 = TAG_LISTENER;
    if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event) == 0) {
        server->accepting = accepting;
    }
}

static void client_drop(struct server *server, struct client *client)
{
    uint64_t refused = 0;

    for (uint32_t i = 0; i < BLANKET_QUOTA_COUNT; i++) {
        refused += client->refused[i];
    }
    if (server->config.verbose || refused > 1) {
        say("client %u left after %llu requests, %llu over a quota", (unsigned)client->index,
            (unsigned long long)client->requests, (unsigned long long)refused);
    }
    (void)client_close(client);
    server->live_count--;
    listen_set(server, !server->stopping);
}

/* A place for another; NULL: all are taken. */
static struct client *client_place(struct server *server)
{
    struct client *client;
    uint32_t i;

    for (i = 0; i < server->config.clients; i++) {
        client = server->clients[i];
        if (client == NULL || client->state == CLIENT_FREE ||
            (client->state == CLIENT_LEAVING && client_close(client) == 0)) {
            break;
        }
    }
    if (i == server->config.clients) {
        return NULL;
    }
    client = server->clients[i];
    if (client == NULL) {
        client = (struct client *)calloc(1, sizeof(*client));
        if (client == NULL) {
            return NULL;
        }
        client->tower = &server->tower;
        client->home = server->home;
        client->limits = server->config.limits;
        client->index = i;
        client->fd = -1;
        server->clients[i] = client;
    }
    return client;
}

/* False: not now. */
static bool client_take(struct server *server)
{
    struct client *client = client_place(server);
    int fd;

    if (client == NULL) {
        say("all %u clients are there: more have to wait", (unsigned)server->config.clients);
        listen_set(server, false); /* until one leaves */
        return false;
    }
    fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            say("no more clients for now: %s", strerror(errno));
            listen_set(server, server->live_count == 0);
        }
        return false;
    }
    if (client_open(client, fd) != 0 || !watch_fd(server, fd, client->index)) {
        say("no room for another client");
        if (client->state == CLIENT_LIVE) {
            (void)client_close(client);
        } else {
            (void)close(fd);
        }
        return true;
    }
    client->interest = EPOLLIN;
    server->live_count++;
    if (server->config.verbose) {
        say("client %u is there", (unsigned)client->index);
    }
    return true;
}

static void client_interest(const struct server *server, struct client *client)
{
    uint32_t wanted = (client_wants_input(client) ? (uint32_t)EPOLLIN : 0u) |
                      (client_wants_output(client) ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event event;

    if (wanted != client->interest) {
        memset(&event, 0, sizeof(event));
        event.events = wanted;
        event.data.u32 = client->index;
        if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, client->fd, &event) == 0) {
            client->interest = wanted;
        }
    }
}

static void queue(struct server *server, struct client *client)
{
    if (!client->queued) {
        client->queued = true;
        server->work[server->work_count++] = client->index;
    }
}

static void client_serve(struct server *server, struct client *client)
{
    bool more = client_run(client, BUDGET);
    bool there = client_flush(client);

    if (there && !client_wants_output(client) &&
        (client->told || client->inbox_end != client->inbox_start)) {
        more = true; /* events that found no room have some now */
    }
    if (!there || (!more && client_is_done(client))) {
        client_drop(server, client);
        return;
    }
    client_interest(server, client);
    if (more && !client_wants_output(client)) {
        queue(server, client);
    }
}

/* Everybody who is in the list now, once. Whoever comes to it meanwhile is next. */
static void work_round(struct server *server)
{
    uint32_t count = server->work_count;

    for (uint32_t i = 0; i < count; i++) {
        struct client *client = server->clients[server->work[i]];

        client->queued = false;
        if (client->state == CLIENT_LIVE) {
            client_serve(server, client);
        }
    }
    server->work_count -= count;
    memmove(server->work, server->work + count, server->work_count * sizeof(*server->work));
}

/* ---- the loop ---- */

static void signals_take(struct server *server)
{
    struct signalfd_siginfo info;

    while (read(server->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP) {
            server->stopping = true;
        } else if (server->config.state != NULL) {
            (void)state_save(server->tower.root, server->config.state);
        }
    }
}

static void take(struct server *server, const struct epoll_event *event)
{
    struct client *client;

    if (event->data.u32 == TAG_SIGNALS) {
        signals_take(server);
        return;
    }
    if (event->data.u32 == TAG_LISTENER) {
        while (client_take(server)) {
        }
        return;
    }
    client = server->clients[event->data.u32];
    if (client->state != CLIENT_LIVE) {
        return;
    }
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client_read(client)) {
        client_drop(server, client);
        return;
    }
    if ((event->events & EPOLLHUP) != 0 && !client_wants_input(client)) {
        client_drop(server, client); /* it has gone with replies unread */
        return;
    }
    queue(server, client);
}

bool server_run(struct server *server)
{
    struct epoll_event events[EVENTS_MAX];

    while (!server->stopping) {
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, server->work_count != 0 ? 0 : -1);

        if (count < 0 && errno != EINTR) {
            say("epoll: %s", strerror(errno));
            return false;
        }
        for (int i = 0; i < count; i++) {
            take(server, &events[i]);
        }
        for (uint32_t i = 0; i < ROUNDS && server->work_count != 0; i++) {
            work_round(server);
        }
    }
    return server->config.state == NULL || state_save(server->tower.root, server->config.state);
}

bool server_close(struct server *server)
{
    int violations;

    server->stopping = true;
    for (uint32_t i = 0; server->clients != NULL && i < server->config.clients; i++) {
        struct client *client = server->clients[i];

        if (client != NULL && client->state == CLIENT_LIVE) {
            client_drop(server, client);
        }
    }
    violations = tower_destroy(&server->tower);
    for (uint32_t i = 0; server->clients != NULL && i < server->config.clients; i++) {
        free(server->clients[i]);
    }
    free((void *)server->clients);
    free(server->work);
    if (server->bound) {
        (void)unlink(server->config.socket);
    }
    if (server->listener >= 0) {
        (void)close(server->listener);
    }
    if (server->signals >= 0) {
        (void)close(server->signals);
    }
    if (server->epoll >= 0) {
        (void)close(server->epoll);
    }
    if (violations != 0) {
        say("%d rules were broken in the simulation", violations);
    }
    return violations == 0;
}
