/* SPDX-License-Identifier: MIT */
/*
 * Raw clients of the store: a toolstack's tools, a domain's own xenbus, a socket.
 */
#include "root_private.h"

/* From inside a call of the store: tells the client when the lock is released. */
static void client_ready(void *context)
{
    struct blanket_root_client *client = (struct blanket_root_client *)context;

    blanket_root_notice_post(client->root, &client->notice);
}

static void client_free(struct blanket_root_client *client)
{
    blanket_root_notice_cancel(client->root, &client->notice);
    blanket_root_store_disconnect(client->raw);
    blanket_root_release(client->root, client, 1, sizeof(*client));
}

static int client_make(struct blanket_root *root, uint32_t domid, struct blanket_root_client **made)
{
    struct blanket_root_client *client = (struct blanket_root_client *)blanket_root_allocate(
        root, 1, sizeof(*client));
    int status;

    if (!client) {
        return -BLANKET_ENOMEM;
    }
    client->notice.client = 1;
    client->root = root;
    atomic_init(&client->in_flight, 0);
    status = blanket_root_store_connect(root->store, (uint16_t)domid, client_ready, client,
                                        &client->raw);
    if (status) {
        blanket_root_release(root, client, 1, sizeof(*client));
        return status;
    }
    client->next = root->clients;
    root->clients = client;
    *made = client;
    return 0;
}

int blanket_root_client_connect(struct blanket_root *root, uint32_t domid,
                                void (*ready)(void *context), void *context,
                                struct blanket_root_client **client)
{
    int status;

    if (!root->store) {
        return -BLANKET_ENOSYS;
    }
    if (domid > ROOT_DOMID_MAX) {
        return -BLANKET_EINVAL;
    }
    pthread_mutex_lock(&root->lock);
    status = client_make(root, domid, client);
    if (status == 0) {
        (*client)->ready = ready;
        (*client)->context = context;
    }
    blanket_root_unlock(root);
    return status;
}

void blanket_root_client_disconnect(struct blanket_root_client *client)
{
    struct blanket_root *root;
    struct blanket_root_client **link;

    if (!client) {
        return;
    }
    root = client->root;
    pthread_mutex_lock(&root->lock);
    client->ready = NULL; /* no further call of it begins */
    atomic_fetch_add(&root->waiters, 1);
    while (atomic_load(&client->in_flight) != 0) {
        pthread_cond_wait(&root->idle, &root->lock);
    }
    atomic_fetch_sub(&root->waiters, 1);
    link = &root->clients;
    while (*link != client) {
        link = &(*link)->next;
    }
    *link = client->next;
    client_free(client);
    blanket_root_broker_pump(
        root); /* its transactions ended, and whoever waited for that goes on */
    blanket_root_unlock(root);
}

int blanket_root_client_submit(struct blanket_root_client *client, const void *message,
                               uint32_t size)
{
    struct blanket_root *root = client->root;
    int status;

    pthread_mutex_lock(&root->lock);
    status = blanket_root_store_submit(client->raw, message, size);
    blanket_root_broker_pump(root);
    blanket_root_unlock(root);
    return status;
}

int blanket_root_client_receive(struct blanket_root_client *client, void *buffer, uint32_t size,
                                uint32_t *used)
{
    struct blanket_root *root = client->root;
    size_t taken = 0;
    int status;

    pthread_mutex_lock(&root->lock);
    status = blanket_root_store_receive(client->raw, buffer, size, &taken);
    blanket_root_unlock(root);
    if (status == 0) {
        *used = (uint32_t)taken;
    }
    return status;
}

/* The root goes. */
void blanket_root_client_end_all(struct blanket_root *root)
{
    while (root->clients) {
        struct blanket_root_client *client = root->clients;

        root->clients = client->next;
        client_free(client);
    }
}
