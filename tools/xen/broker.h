/* SPDX-License-Identifier: MIT */
/*
 * The store's broker in a domain of an L1 Xen: src/xenstore's engine between what L1 Xen hands over
 * (blanket/port/xen.h: frames that it has authorised, whole messages of the store below) and back.
 *
 * What L1 Xen says is checked like anybody's; nothing that it or the store says ends the program but a
 * store that can't be understood any more. Rules of use: one thread; memory at create and when a view or a
 * connection comes, all within the limits. Errors: 0 or -BLANKET_E*.
 */
#ifndef BLANKET_TOOLS_XEN_BROKER_H
#define BLANKET_TOOLS_XEN_BROKER_H

#include <blanket/xenstore.h>

struct broker;

struct broker_ops {
    /* An operation of form BROKER, as xen_transport_operation does it. */
    int (*operation)(void *context, uint32_t operation, void *structure, size_t size);
    /* For people: a line without its end. */
    void (*log)(void *context, const char *line);
};

struct broker_limits {
    uint32_t views;       /* 1..4096 */
    uint32_t connections; /* of all views */
    /* What the store below lets its client (all of this L1) have: C xenstored gives 20, 10, 128. */
    uint32_t requests, transactions, watches;
    uint32_t self; /* our domain below; BROKER_SELF_ASK: L1 Xen says, or the store */
};
#define BROKER_SELF_ASK UINT32_MAX

struct broker_stats {
    uint64_t frames, refused, messages_below, messages_above;
    uint64_t nonsense; /* frames of L1 Xen that made none */
    uint32_t views, connections, closing;
};

/* -BLANKET_EINVAL: a limit is out of range; -BLANKET_ENOMEM. */
int broker_create(const struct broker_limits *limits, const struct broker_ops *ops, void *context,
                  struct broker **broker);
void broker_destroy(struct broker *broker);

/*
 * Become the broker. *channel says when to call broker_process. What an earlier broker left in the store
 * below ends: its watches, its transactions, the answers on their way to it. -BLANKET_EBUSY: another
 * domain is it; -BLANKET_EPERM; -BLANKET_ENOSYS: there is no store below.
 */
int broker_start(struct broker *broker, uint32_t *channel);

/*
 * Take and do what there is. 0: until the next event; 1: there is more, call again. An error: the store
 * below can't be used any more.
 */
int broker_process(struct broker *broker);

void broker_stats(const struct broker *broker, struct broker_stats *stats);

#endif
