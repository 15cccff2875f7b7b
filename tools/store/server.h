/* SPDX-License-Identifier: MIT */
/* The socket and its clients: one thread, one epoll loop. */
#ifndef BLANKET_STORE_SERVER_H
#define BLANKET_STORE_SERVER_H

#include "client.h"

struct server_config {
    struct tower_config tower; /* quotas, event and context are filled in */
    const char *socket;
    const char *state; /* NULL: none is kept */
    uint32_t clients;  /* at the same time */
    struct client_limits limits;
    bool verbose;
};

struct server {
    struct server_config config;
    struct tower tower;
    char home[32];
    struct client **clients; /* by connection; NULL: never used */
    uint32_t *work;          /* clients that have something to do, in the order they came to it */
    uint32_t work_count;
    uint32_t live_count;
    int epoll;
    int signals;
    int listener;
    bool accepting;
    bool stopping;
    bool bound; /* the socket's file is ours */
};

/* What went wrong is on standard error when one of these is false. */
bool server_open(const struct server_config *config, struct server *server);
/* Until SIGTERM or SIGINT. SIGHUP saves the state. */
bool server_run(struct server *server);
/* False: levels were found to have broken a rule (--check). Takes what server_open left, too. */
bool server_close(struct server *server);

#endif
