/* SPDX-License-Identifier: MIT */
/*
 * A disk host without Xen: the provider in this process, and our own block backend on a file in a thread
 * of its own. What the disk and the plugin are tested with.
 */
#ifndef BLANKET_TESTS_USER_ROOT_HOST_H
#define BLANKET_TESTS_USER_ROOT_HOST_H

#include <blanket/port/root.h>
#include <backend.h>
#include <disk.h>
#include <pthread.h>
#include <stdatomic.h>

#define ROOT_HOST_PAGES 2048u

struct root_host {
    struct disk_host host;
    /* Before start. */
    uint32_t ring_order, indirect, persistent; /* that the backend offers */
    bool read_only;
    uint32_t grants;
    /* Any time. */
    atomic_int disk_error; /* not 0: every request of the backend's to its disk gets this */
    atomic_uint flushes, opened;
    atomic_bool renew; /* the backend is to end and come again */
    atomic_bool away;  /* and not to come yet */
    atomic_bool deaf;  /* no event wakes the frontend */
    /* Its own. */
    int file;
    uint64_t size;
    struct blanket_root *root;
    struct blanket_root_end front_end, back_end;
    struct blanket_guest front_guest, back_guest;
    struct blanket_wire_endpoint back_info;
    uint8_t *memory;
    uint8_t taken[ROOT_HOST_PAGES];
    uint32_t pages_out;
    atomic_uint front_events, back_events; /* bit per port */
    int front_fd, back_fd;
    atomic_bool lose; /* the store's connection, with the next RECEIVE */
    uint64_t lost;    /* its port */
    uint64_t leaving_port; /* the frontend has asked to leave the store by it... */
    uint32_t leaving;      /* ...so often, in vain */
    atomic_bool stop;
    pthread_t thread;
    struct blk_backend *backend;
};

/* The caller has set what is set before, in zeroed memory. 0, or -1. */
int root_host_start(struct root_host *host, const char *path);
void root_host_stop(struct root_host *host);
/* The broker of the store dies, and another is there: the connection is lost. */
void root_host_lose_store(struct root_host *host);

#endif
