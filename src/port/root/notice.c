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

/* Take the first of the queue; true if there is somebody to tell. */
static bool take(struct blanket_root *root, struct delivery *delivery)
{
    struct root_port *port = (struct root_port *)root->notice_first;

    root->notice_first = port->notice.next;
    if (!root->notice_first) {
        root->notice_last = NULL;
    }
    root->notice_count--;
    port->notice.queued = 0;
    if (port->slot.state == ROOT_FREE || port->end->dead || !port->end->sink.event) {
        return false;
    }
    delivery->sink = port->end->sink;
    delivery->number = port->end->event_base + (uint32_t)(port - port->end->ports);
    delivery->in_flight = &port->end->in_flight;
    atomic_fetch_add(delivery->in_flight, 1);
    return true;
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
            deliveries[i].sink.event(deliveries[i].sink.context, deliveries[i].number);
            atomic_fetch_sub(deliveries[i].in_flight, 1);
        }
        if (budget == 0) {
            return;
        }
        pthread_mutex_lock(&root->lock);
    }
    pthread_mutex_unlock(&root->lock);
}
