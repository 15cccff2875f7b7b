/* SPDX-License-Identifier: MIT */
/*
 * In L1's dom0: a process with pages that a domain of L0 has mapped, to be killed, and what is left of it.
 *
 *   mint              an endpoint in slot 1, 512 grants, L0's dom0 as its peer
 *   hold N [silent]   N pages at it, MAPPED of them for the peer (data/hold in L0's store says where);
 *                     says "mapped" when the peer has these, and stays. silent: without telling Xen by
 *                     gntalloc of the process's end
 *   info              what the endpoint holds
 *   wait SECONDS      until it holds no grant
 *   tell KEY VALUE    data/KEY in L0's store
 *   lost, rebind      the peer is gone, or back
 */
#include "l1.h"

#include <poll.h>
#include <time.h>
#include <xen/io/xs_wire.h>

#define PAGES_MAX 512u
#define MAPPED 8u
#define SECONDS 120

/* As the broker: one request to the store below, and its answer. */
static void tell(struct l1 *l1, const char *key, const char *value)
{
    static struct blanket_xen_message message;
    struct blanket_xen_become become = { 0 };
    struct xsd_sockmsg header = { .type = XS_WRITE, .req_id = 7 };
    struct timespec pause = { .tv_nsec = 20000000 };
    int rc, tries = 0;

    expect(l1_operate(l1, BLANKET_FORM_BROKER, BLANKET_XEN_BECOME, &become, sizeof(become)), 0,
           "becoming the broker");
    rc = snprintf((char *)message.message + sizeof(header), 256, "data/%s%c%s", key, 0, value);
    header.len = (uint32_t)rc;
    memcpy(message.message, &header, sizeof(header));
    message.size = (uint32_t)sizeof(header) + header.len;
    expect(l1_operate(l1, BLANKET_FORM_BROKER, BLANKET_XEN_STORE_SEND, &message, sizeof(message)),
           0, "sending to the store below");
    do {
        (void)nanosleep(&pause, NULL);
        rc = l1_operate(l1, BLANKET_FORM_BROKER, BLANKET_XEN_STORE_RECEIVE, &message,
                        sizeof(message));
    } while (rc != 0 && ++tries < SECONDS * 50);
    expect(rc, 0, "waiting for the store below");
    memcpy(&header, message.message, sizeof(header));
    expect((int)header.type, XS_WRITE, "the answer's type");
}

static uint32_t newest(struct l1 *l1, uint32_t index, uint32_t reference)
{
    uint32_t value = 0;
    int rc = l1_one(l1, BLANKET_VERB_GRANT_ACCESS, blanket_item_slot(BLANKET_ITEM_GRANT, index, 1),
                    blanket_item(BLANKET_ITEM_OWN_GRANT, RW, reference), &value);

    if (rc == 0) {
        return 1;
    }
    expect(rc, -BLANKET_ESTALE, "access");
    rc = l1_one(l1, BLANKET_VERB_GRANT_ACCESS,
                blanket_item_slot(BLANKET_ITEM_GRANT, index, value + 1),
                blanket_item(BLANKET_ITEM_OWN_GRANT, RW, reference), NULL);
    expect(rc, 0, "access again");
    return value + 1;
}

/* The peer has mapped the first ones. */
static void wait_mapped(struct l1 *l1, const uint32_t *generations)
{
    struct timespec pause = { .tv_nsec = 50000000 };

    for (uint32_t i = 0; i < MAPPED; i++) {
        uint32_t state = 0;

        for (int tries = 0; state == 0 && tries < SECONDS * 20; tries++) {
            (void)nanosleep(&pause, NULL);
            expect(l1_one(l1, BLANKET_VERB_GRANT_QUERY,
                          blanket_item_slot(BLANKET_ITEM_GRANT, i, generations[i]), 0, &state),
                   0, "query");
        }
        expect(state, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING, "a page's state");
    }
}

static void hold(struct l1 *l1, uint16_t count, int silent)
{
    static uint32_t references[PAGES_MAX], generations[PAGES_MAX];
    struct blanket_xen_list list;
    uint64_t index;
    char where[16];
    int fd, local;
    char *pages = l1_pages(&fd, references, count, &index);

    expect(l1_info(l1, &list), 0, "info");
    local = l1_bind(l1, list.info.port_base);
    for (uint32_t i = 0; i < count; i++) {
        struct ioctl_gntalloc_unmap_notify notify = {
            .index = index + (uint64_t)i * PAGE,
            .action = UNMAP_NOTIFY_SEND_EVENT,
            .event_channel_port = (uint32_t)local,
        };

        memset(pages + (size_t)i * PAGE, (int)(i + 1), PAGE);
        if (!silent) {
            expect(ioctl(fd, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &notify), 0, "the notification");
        }
        generations[i] = newest(l1, i, references[i]);
    }
    if (!silent) {
        snprintf(where, sizeof(where), "%u", list.grant_base);
        tell(l1, "hold", where);
        wait_mapped(l1, generations);
    }
    puts("mapped");
    fflush(stdout);
    for (;;) {
        (void)pause();
    }
}

static void wait_drained(struct l1 *l1, int seconds)
{
    struct timespec pause = { .tv_nsec = 20000000 };
    struct blanket_xen_list list;
    int tries = 0;

    do {
        expect(l1_info(l1, &list), 0, "info");
        if (list.info.grant_used == 0) {
            printf("drained after %d ms\n", tries * 20);
            return;
        }
        (void)nanosleep(&pause, NULL);
    } while (++tries < seconds * 50);
    printf("%u grants after %d s\n", list.info.grant_used, seconds);
    exit(1);
}

static void info(struct l1 *l1)
{
    struct blanket_xen_list list;

    expect(l1_info(l1, &list), 0, "info");
    printf("state %u, grants %u, closing %u, query %d\n", list.info.state, list.info.grant_used,
           list.info.closing,
           l1_one(l1, BLANKET_VERB_GRANT_QUERY, blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1), 0,
                  NULL));
}

static void peer(struct l1 *l1, unsigned operation)
{
    struct blanket_xen_list list;
    int rc;

    expect(l1_info(l1, &list), 0, "info");
    list.domain = BLANKET_XEN_DOMAIN_SELF;
    rc = l1_operate(l1, BLANKET_FORM_ADMIN, operation, &list, sizeof(list));
    printf("%d, ", rc);
    info(l1);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    struct l1 l1 = { .endpoint = blanket_handle(1, 1) };

    l1_open(&l1);
    if (strcmp(command, "mint") == 0) {
        l1_mint(&l1, 1, "hold/0", PAGES_MAX);
        info(&l1);
    } else if (strcmp(command, "hold") == 0 && argc > 2) {
        hold(&l1, (uint16_t)atoi(argv[2]), argc > 3);
    } else if (strcmp(command, "wait") == 0 && argc > 2) {
        wait_drained(&l1, atoi(argv[2]));
    } else if (strcmp(command, "tell") == 0 && argc > 3) {
        tell(&l1, argv[2], argv[3]);
    } else if (strcmp(command, "lost") == 0) {
        peer(&l1, BLANKET_XEN_LOST);
    } else if (strcmp(command, "rebind") == 0) {
        peer(&l1, BLANKET_XEN_REBIND);
    } else {
        info(&l1);
    }
    return 0;
}
