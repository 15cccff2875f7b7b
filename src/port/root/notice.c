/* SPDX-License-Identifier: MIT */
/*
 * Who is to be told something: collected while the lock is held, told when it isn't.
 *
 * The queue runs through the ports themselves, so that it can't run out of room; a port that is in it
 * already isn't queued twice. Whoever posts releases the lock with blanket_root_unlock, which tells as
 * many as were in the queue then: what it posted is among these, or somebody else has taken it.
 */
#include "root_private.h"

#define DELIVERY_COUNT 16u

struct delivery {
    struct blanket_root_sink sink;
    uint32_t number;
    void (*ready)(void *context); /* not NULL: a client is told instead */
    void *context;
    atomic_uint *in_flight;
};

void blanket_root_notice_post(struct blanket_root *root, struct root_notice *notice)
{
    if (notice->queued) {
        return;
    }
    notice->queued = 1;
    notice->next = NULL;
    if (root->notice_last) {
        root->notice_last->next = notice;
    } else {
        root->notice_first = notice;
    }
    root->notice_last = notice;
    root->notice_count++;
}

/* Before the memory of a notice goes away. */
void blanket_root_notice_cancel(struct blanket_root *root, struct root_notice *notice)
{
    struct root_notice *previous = NULL;
    struct root_notice *next;

    if (!notice->queued) {
        return;
    }
    for (next = root->notice_first; next != notice; next = next->next) {
        previous = next;
    }
    if (previous) {
        previous->next = notice->next;
    } else {
        root->notice_first = notice->next;
    }
    if (root->notice_last == notice) {
        root->notice_last = previous;
    }
    notice->queued = 0;
    root->notice_count--;
}

static bool port_prepare(struct root_port *port, struct delivery *delivery)
{
    struct root_end *end = port->end;

    if (port->slot.state == BLANKET_BELOW_FREE || end->dead || !end->sink.event) {
        return false;
    }
    delivery->sink = end->sink;
    delivery->number = end->event_base + (uint32_t)(port - end->ports);
    delivery->ready = NULL;
    delivery->in_flight = &end->in_flight;
    return true;
}

static bool client_prepare(struct blanket_root_client *client, struct delivery *delivery)
{
    if (!client->ready) {
        return false;
    }
    delivery->ready = client->ready;
    delivery->context = client->context;
    delivery->in_flight = &client->in_flight;
    return true;
}

/* Take the first of the queue; true if there is somebody to tell. */
static bool take(struct blanket_root *root, struct delivery *delivery)
{
    struct root_notice *notice = root->notice_first;
    bool wanted;

    root->notice_first = notice->next;
    if (!root->notice_first) {
        root->notice_last = NULL;
    }
    root->notice_count--;
    notice->queued = 0;
    if (notice->client) {
        wanted = client_prepare((struct blanket_root_client *)notice, delivery);
    } else {
        wanted = port_prepare((struct root_port *)notice, delivery);
    }
    if (wanted) {
        atomic_fetch_add(delivery->in_flight, 1);
    }
    return wanted;
}

/* Whoever waits for a listener to be idle raised `waiters` before it looked at in_flight. */
static void deliver(struct blanket_root *root, const struct delivery *delivery)
{
    if (delivery->ready) {
        delivery->ready(delivery->context);
    } else {
        delivery->sink.event(delivery->sink.context, delivery->number);
    }
    if (atomic_fetch_sub(delivery->in_flight, 1) == 1 && atomic_load(&root->waiters) != 0) {
        pthread_mutex_lock(&root->lock);
        pthread_cond_broadcast(&root->idle);
        pthread_mutex_unlock(&root->lock);
    }
}

void blanket_root_unlock(struct blanket_root *root)
{
    struct delivery deliveries[DELIVERY_COUNT];
    uint32_t budget = root->notice_count;

    while (budget > 0 && root->notice_first) {
        uint32_t count = 0;
        uint32_t i;

        while (count < DELIVERY_COUNT && budget > 0 && root->notice_first) {
            count += take(root, &deliveries[count]) ? 1 : 0;
            budget--;
        }
        pthread_mutex_unlock(&root->lock);
        for (i = 0; i < count; i++) {
            deliver(root, &deliveries[i]);
        }
        if (budget == 0) {
            return;
        }
        pthread_mutex_lock(&root->lock);
    }
    pthread_mutex_unlock(&root->lock);
}
