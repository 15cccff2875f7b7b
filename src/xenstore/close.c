/* SPDX-License-Identifier: MIT */
/*
 * Closing a device towards its peer, when its owner left without a word: `state` becomes 5 (Closing),
 * then 6 (Closed), in the root where the owner wrote it. It is read first: a directory that the
 * toolstack has removed must not be made anew, and what is closed already stays as it is.
 */
#include "xenstore.h"

/* The next root that the owner touched; none: done. */
static void next_root(struct store_view *view)
{
    view->close_step = STORE_CLOSE_NONE;
    view->close_root = 0;
    while (view->close_root < BLANKET_ROOT_COUNT) {
        if ((view->touched & (1u << view->close_root)) != 0) {
            view->close_step = STORE_CLOSE_READ;
            return;
        }
        view->close_root++;
    }
}

bool blanket_xenstore_close_begin(struct blanket_store *store, struct store_view *view)
{
    next_root(view);
    if (view->close_step == STORE_CLOSE_NONE) {
        return false;
    }
    blanket_xenstore_view_wake(store, view);
    return true;
}

uint32_t blanket_xenstore_close_compose(struct blanket_store *store, struct store_view *view,
                                        uint32_t *type)
{
    const struct store_root *root = &view->roots[view->close_root];
    uint8_t *body = store->message + STORE_HEADER_SIZE;

    memcpy(body, root->path, root->size);
    memcpy(body + root->size, "/state", 7);
    if (view->close_step == STORE_CLOSE_READ) {
        *type = XS_READ;
        return root->size + 7;
    }
    *type = XS_WRITE;
    body[root->size + 7] = view->close_step == STORE_CLOSE_CLOSING ? '5' : '6';
    return root->size + 8;
}

static void finish(struct blanket_store *store, struct store_view *view)
{
    struct store_link *link = view->connections.next;

    while (link != &view->connections) {
        struct store_connection *connection = link->owner;

        link = link->next;
        blanket_xenstore_connection_settle(store, connection);
    }
}

void blanket_xenstore_close_answer(struct blanket_store *store, struct store_view *view,
                                   uint32_t type, const uint8_t *body, uint32_t size)
{
    bool done = true;

    view->close_busy = 0;
    if (view->close_step == STORE_CLOSE_READ) {
        uint8_t state = type == XS_READ && size >= 1 ? body[0] : (uint8_t)'0';

        if ((size == 1 || (size == 2 && body[1] == 0)) && state >= '2' && state <= '5') {
            view->close_step = state == '5' ? STORE_CLOSE_CLOSED : STORE_CLOSE_CLOSING;
            done = false;
        }
    } else if (view->close_step == STORE_CLOSE_CLOSING && type == XS_WRITE) {
        view->close_step = STORE_CLOSE_CLOSED;
        done = false;
    }
    if (done) {
        view->touched &= (uint8_t) ~(1u << view->close_root);
        next_root(view);
    }
    if (view->close_step == STORE_CLOSE_NONE) {
        finish(store, view);
    } else {
        blanket_xenstore_view_wake(store, view);
    }
}
