/* SPDX-License-Identifier: MIT */
/* Views, as L1 Xen announces them. */
#include "broker_private.h"

#include <stdio.h>
#include <stdlib.h>

static struct broker_view **bucket_of(struct broker *broker, uint64_t name)
{
    return &broker->buckets[(name ^ name >> 32) % BROKER_BUCKETS];
}

struct broker_view *broker_view_find(const struct broker *broker, uint64_t name)
{
    struct broker_view *view = broker->buckets[(name ^ name >> 32) % BROKER_BUCKETS];

    while (view != NULL && view->name != name) {
        view = view->next;
    }
    return view;
}

/* The number of a port as the peer sees it: the frame in hand has it from L1 Xen. */
static int port_number(void *context, uint64_t cookie, uint32_t index, uint32_t *number)
{
    const struct broker *broker = context;

    (void)cookie;
    (void)index;
    *number = broker->number;
    return 0;
}

/* A path of the frame, whole; NULL: the view hasn't this one. False: it has no end. */
static bool path_of(const char *text, const char **path)
{
    *path = text[0] != 0 ? text : NULL;
    return memchr(text, 0, BLANKET_XEN_PATH_SIZE) != NULL;
}

static int spec_make(const struct broker *broker, const struct blanket_xen_view *from,
                     struct blanket_store_view_spec *spec)
{
    const uint32_t look = 1u << BLANKET_RIGHT_STORE_READ | 1u << BLANKET_RIGHT_STORE_WATCH;
    const uint32_t all = look | 1u << BLANKET_RIGHT_STORE_WRITE;

    memset(spec, 0, sizeof(*spec));
    if ((from->flags & ~(BLANKET_XEN_MINT_RAW | BLANKET_XEN_VIEW_USED)) != 0 ||
        !path_of(from->frontend, &spec->roots[BLANKET_ROOT_FRONTEND].path) ||
        !path_of(from->backend, &spec->roots[BLANKET_ROOT_BACKEND].path)) {
        return -BLANKET_EINVAL;
    }
    spec->roots[BLANKET_ROOT_FRONTEND].rights = all;
    spec->roots[BLANKET_ROOT_BACKEND].rights = look;
    if ((from->flags & BLANKET_XEN_MINT_RAW) != 0) {
        spec->flags = BLANKET_STORE_VIEW_RAW; /* of no device */
        spec->roots[BLANKET_ROOT_ALL].path = "/";
        spec->roots[BLANKET_ROOT_ALL].rights = all;
    }
    if (from->flags == BLANKET_XEN_VIEW_USED) {
        spec->flags = BLANKET_STORE_VIEW_USED;
    }
    spec->self_domid = broker->self;
    spec->peer_domid = from->peer;
    spec->grant_base = from->grant_base;
    spec->connections = from->connections;
    spec->requests = from->requests;
    spec->watches = from->watches;
    spec->transactions = from->transactions;
    spec->ports = from->ports;
    spec->port_number = port_number;
    return 0;
}

void broker_view_add(struct broker *broker)
{
    const struct blanket_xen_frame *frame = &broker->frame;
    struct blanket_store_view_spec spec;
    struct blanket_xen_view from;
    struct broker_view *view, **bucket;

    if (frame->payload_size != sizeof(from) || broker_view_find(broker, frame->view) != NULL ||
        broker->stats.views == broker->limits.views) {
        broker->stats.nonsense++;
        return;
    }
    memcpy(&from, frame->payload, sizeof(from));
    view = calloc(1, sizeof(*view));
    if (view == NULL) {
        broker_log(broker, "no memory for a view");
        return;
    }
    view->name = frame->view;
    view->port_count = from.ports <= BROKER_PORTS_MAX ? from.ports : 0;
    view->connections = calloc(view->port_count + 1, sizeof(struct broker_connection *));
    view->error = view->connections == NULL ? -BLANKET_ENOMEM : spec_make(broker, &from, &spec);
    if (view->error == 0) {
        spec.cookie = view->name;
        view->error = blanket_store_view_add(broker->engine, &spec, &view->engine);
    }
    if (view->error != 0) {
        char line[BLANKET_XEN_PATH_SIZE + 128];

        (void)snprintf(line, sizeof(line),
                       "the view of \"%.*s\" is refused: its quotas don't fit what the store "
                       "below gives, or its paths are none",
                       (int)strnlen(from.frontend, sizeof(from.frontend)), from.frontend);
        broker_log_error(broker, line, view->error);
    }
    bucket = bucket_of(broker, view->name);
    view->next = *bucket;
    *bucket = view;
    broker->stats.views++;
}

/* It is in no list any more. */
static void view_free(struct broker *broker, struct broker_view *view)
{
    for (uint32_t i = 0; view->connections != NULL && i < view->port_count; i++) {
        if (view->connections[i] != NULL) {
            broker_connection_free(broker, view->connections[i]);
        }
    }
    free(view->connections);
    free(view);
    broker->stats.views--;
}

static void view_unlink(struct broker *broker, const struct broker_view *view)
{
    struct broker_view **place = bucket_of(broker, view->name);

    while (*place != view) {
        place = &(*place)->next;
    }
    *place = view->next;
}

void broker_view_gone(struct broker *broker, struct broker_view *view)
{
    if (!view->gone) {
        view->gone = true;
        view->next_gone = broker->gone;
        broker->gone = view;
        broker->stats.closing++;
    }
}

void broker_view_sweep(struct broker *broker)
{
    struct broker_view **place = &broker->gone;

    while (*place != NULL) {
        struct broker_view *view = *place;

        if ((view->error == 0 && blanket_store_view_remove(broker->engine, view->engine) != 0) ||
            broker_closed(broker, view->name, 0) == -BLANKET_EAGAIN) {
            place = &view->next_gone;
            continue;
        }
        *place = view->next_gone;
        view_unlink(broker, view);
        view_free(broker, view);
        broker->stats.closing--;
    }
}

void broker_view_free_all(struct broker *broker)
{
    for (uint32_t i = 0; i < BROKER_BUCKETS; i++) {
        struct broker_view *view = broker->buckets[i];

        while (view != NULL) {
            struct broker_view *next = view->next;

            view_free(broker, view);
            view = next;
        }
    }
}
