/* SPDX-License-Identifier: MIT */
/* The way back: what the backend is told, and when our pages are our own again. */
#include "frontend_private.h"

#define TELL_TRIES 4u /* of our last states together */

static void pages_unshare(struct blk_frontend *frontend)
{
    for (uint32_t i = 0; i < frontend->shared_count; i++) {
        blk_frontend_end_add(frontend, &frontend->shared[i].grant);
    }
    blk_frontend_end_flush(frontend);
}

/* Give back what nobody can touch any more. 1: that was all. */
static int pages_free(struct blk_frontend *frontend)
{
    for (uint32_t i = 0; i < frontend->shared_count; i++) {
        if (frontend->shared[i].grant != BLK_GRANT_NONE) {
            return 0;
        }
    }
    for (uint32_t i = 0; i < frontend->shared_count; i++) {
        frontend->config.page_free(frontend->config.context, &frontend->shared[i].page);
    }
    frontend->shared_count = 0;
    return 1;
}

int blk_frontend_teardown(struct blk_frontend *frontend)
{
    (void)blk_frontend_ends(frontend);
    pages_unshare(frontend);
    if (frontend->port_bound) {
        frontend->port_bound = blanket_guest_port_close(&frontend->device, frontend->port) != 0;
    }
    return frontend->ending == 0 && pages_free(frontend) && !frontend->port_bound;
}

/* Say at the end what our state is, Closing and then Closed; again if the store didn't take it, a few times.
 * False: it isn't said yet. */
static bool state_tell(struct blk_frontend *frontend, enum xenbus_state state)
{
    int rc;

    if (frontend->told < state && !frontend->store_lost) {
        rc = blk_frontend_state_write(frontend, state);
        if (rc != 0 && blk_frontend_store_lost(frontend, rc)) {
            frontend->store_event = true; /* connect anew at once */
        } else if (rc == 0 || ++frontend->tell_failures >= TELL_TRIES) {
            frontend->told = state;
        }
    }
    return frontend->told >= state;
}

/* The backend uses nothing of ours any more: it says so, or is gone, or is there anew. */
static bool has_let_go(const struct blk_frontend *frontend)
{
    return frontend->backend_state == XenbusStateClosed ||
           frontend->backend_state < XenbusStateInitialised;
}

int blk_frontend_closing_step(struct blk_frontend *frontend)
{
    if (frontend->queue != NULL && frontend->published) {
        return 0;
    }
    if (frontend->error == NULL && frontend->flying + frontend->ending != 0) {
        return 0;
    }
    if (!state_tell(frontend, XenbusStateClosing)) {
        return !frontend->store_lost;
    }
    /* A backend that never had our ring has nothing to let go of. */
    if (frontend->published && frontend->backend_state >= XenbusStateInitialised &&
        frontend->backend_state < XenbusStateClosing) {
        return 0;
    }
    if (!state_tell(frontend, XenbusStateClosed)) {
        return !frontend->store_lost;
    }
    /* Stock backends unmap when we say Closed, ours when we say Closing. A grant that is ended before that
     * fails, and a kernel that keeps it then (Linux) gives ten of them back a second. */
    if ((frontend->published && !has_let_go(frontend)) || !blk_frontend_teardown(frontend)) {
        return 0;
    }
    frontend->leaving = true;
    if (frontend->store_connected) {
        frontend->store_connected = blanket_guest_store_disconnect(&frontend->store) != 0;
    }
    if (!frontend->store_connected) {
        frontend->state = BLK_FRONTEND_CLOSED;
    }
    return !frontend->store_connected;
}
