/* SPDX-License-Identifier: MIT */
/*
 * A window: pages of gntalloc whose references follow each other, since the peer's name of a grant is the
 * window's base plus an index that the caller chose.
 *
 * The kernel gives references from a list of free ones: in order as long as nobody gave some back, and
 * what was given back last comes first. So a window is found by taking pages until enough of them follow
 * each other; and a reference that was let go comes back to the next who asks, unless the peer still maps
 * the page: then the kernel keeps it until it doesn't. That is how we know.
 */
#define _DEFAULT_SOURCE
#include "linux_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define STEP_PAGES 32u   /* to take more at a time, while looking */
#define SLACK_PAGES 512u /* to take at most beyond twice what is wanted */
#define RENEW_TRIES 8u
#define RENEW_DEEP_MAX 1024u /* tries of the one look a second that goes deeper */

struct share {
    uint8_t *page;
    uint32_t reference;
};

static int share_take(struct blanket_linux *door, const struct linux_end *end, struct share *share)
{
    const uint32_t no_event = LINUX_UNKNOWN;
    void *page;

    if (end->grant_notify == BLANKET_LINUX_NOTIFY_NONE) {
        page = xengntshr_share_pages(door->shares, end->peer_domid, 1, &share->reference, 1);
    } else {
        page = xengntshr_share_page_notify(door->shares, end->peer_domid, &share->reference, 1,
                                           end->grant_notify, no_event);
    }
    if (!page) {
        return -1;
    }
    share->page = (uint8_t *)page;
    door->stats.shares++;
    /* A child would hold the page, and the peer's view of it, beyond our end. */
    (void)madvise(page, LINUX_PAGE_SIZE, MADV_DONTFORK);
    return 0;
}

static void share_drop(struct blanket_linux *door, const struct share *share)
{
    (void)xengntshr_unshare(door->shares, share->page, 1);
}

static int by_reference(const void *left, const void *right)
{
    uint32_t a = ((const struct share *)left)->reference;
    uint32_t b = ((const struct share *)right)->reference;

    return a < b ? -1 : a > b ? 1 : 0;
}

/* The first of `count` that follow each other; `taken` if there are none. Sorts them. */
static uint32_t run_find(struct share *shares, uint32_t taken, uint32_t count)
{
    uint32_t first = 0;
    uint32_t i;

    qsort(shares, taken, sizeof(*shares), by_reference);
    for (i = 0; i < taken; i++) {
        if (i > first && shares[i].reference != shares[i - 1].reference + 1) {
            first = i;
        }
        if (i - first + 1 == count) {
            return first;
        }
    }
    return taken;
}

/* Take pages until `count` follow each other, from `first` of `taken` on. */
static int run_take(struct blanket_linux *door, struct linux_end *end, struct share *shares,
                    uint32_t room, uint32_t *taken)
{
    uint32_t target = end->grant_count;

    for (;;) {
        while (*taken < target) {
            if (share_take(door, end, &shares[*taken])) {
                int error = errno;
                int status = blanket_linux_fail(door, "/dev/xen/gntalloc", error);

                if (error == ENOSPC) {
                    blanket_linux_note(door,
                                       "/dev/xen/gntalloc: no page after %u: its limit "
                                       "(/sys/module/xen_gntalloc/parameters/limit), or the "
                                       "domain's grant table, is full",
                                       *taken);
                }
                return status;
            }
            ++*taken;
        }
        if (run_find(shares, *taken, end->grant_count) < *taken) {
            return 0;
        }
        if (target == room) {
            blanket_linux_note(door,
                               "/dev/xen/gntalloc: among %u references no %u follow each other",
                               *taken, end->grant_count);
            return -BLANKET_ENOSPC;
        }
        target = room - target < STEP_PAGES ? room : target + STEP_PAGES;
    }
}

int blanket_linux_window_make(struct blanket_linux *door, struct linux_end *end)
{
    uint32_t room = 2 * end->grant_count + SLACK_PAGES;
    struct share *shares;
    uint32_t taken = 0;
    uint32_t first = 0;
    uint32_t i;
    int status;

    if (end->grant_count == 0) {
        return 0;
    }
    shares = (struct share *)calloc(room, sizeof(*shares));
    if (!shares) {
        return -BLANKET_ENOMEM;
    }
    status = run_take(door, end, shares, room, &taken);
    if (status == 0) {
        first = run_find(shares, taken, end->grant_count);
        end->grant_base = shares[first].reference;
    }
    for (i = 0; i < taken; i++) {
        if (status == 0 && i >= first && i - first < end->grant_count) {
            end->grants[i - first].page = shares[i].page;
        } else {
            share_drop(door, &shares[i]);
        }
    }
    free(shares);
    return status;
}

void blanket_linux_window_drop(struct blanket_linux *door, struct linux_end *end)
{
    uint32_t i;

    for (i = 0; i < end->grant_count; i++) {
        struct share share = {.page = end->grants[i].page, .reference = end->grant_base + i};

        if (share.page) {
            share_drop(door, &share);
            end->grants[i].page = NULL;
        }
    }
}

/* A page whose reference belongs to a slot that waits for it: that has it then. */
static bool adopt(struct linux_end *end, const struct share *share)
{
    uint32_t index = share->reference - end->grant_base;

    if (share->reference < end->grant_base || index >= end->grant_count ||
        end->grants[index].page || end->grants[index].slot.state != BLANKET_BELOW_CLOSING) {
        return false;
    }
    end->grants[index].page = share->page;
    return true;
}

/*
 * How many pages to take. What comes back while we have some lies below them when we give them back: now and
 * then it's looked for deeper than the last time, twice as deep each time that it isn't found.
 */
static uint32_t renew_tries(struct blanket_linux *door)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec < door->renew_next) {
        return RENEW_TRIES;
    }
    door->renew_next = now.tv_sec + 1;
    door->renew_depth = door->renew_depth < RENEW_TRIES ? RENEW_TRIES : door->renew_depth;
    door->renew_depth *= door->renew_depth < RENEW_DEEP_MAX ? 2 : 1;
    return door->renew_depth;
}

int blanket_linux_window_renew(struct blanket_linux *door, struct linux_end *end, uint32_t index)
{
    uint32_t tries = renew_tries(door);
    struct share *shares = (struct share *)calloc(tries, sizeof(*shares));
    uint32_t taken = 0;

    /* Others' may be before ours in the kernel's list: of slots that were ended too, or of strangers. */
    while (shares && !end->grants[index].page && taken < tries &&
           share_take(door, end, &shares[taken]) == 0) {
        taken += adopt(end, &shares[taken]) ? 0 : 1;
    }
    while (taken-- > 0) {
        share_drop(door, &shares[taken]);
    }
    free(shares);
    if (!end->grants[index].page) {
        return -BLANKET_EBUSY;
    }
    door->renew_depth = 0;
    return 0;
}
