/* SPDX-License-Identifier: MIT */
/*
 * In L1's dom0: what a hypercall of L1's own takes, and one that goes on to L0 through blanket. Prints the
 * microseconds of each, best of ROUNDS rounds of CALLS calls.
 */
#include "l1.h"

#include <time.h>
#include <xen/version.h>

#define ROUNDS 20
#define CALLS 100

static struct l1 l1;
static uint64_t port, grant;

static int own_version(void)
{
    return xencall2(l1.hypercalls, __HYPERVISOR_xen_version, XENVER_version, 0) > 0 ? 0 : -1;
}

static int query_form(void)
{
    return xencall2(l1.hypercalls, CALL, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC) ==
                   (int)BLANKET_SIGNATURE
               ? 0
               : -1;
}

static int query_grant(void)
{
    return l1_one(&l1, BLANKET_VERB_GRANT_QUERY, grant, 0, NULL);
}

static int status_port(void)
{
    return l1_one(&l1, BLANKET_VERB_EVTCHN_STATUS, port, 0, NULL);
}

static int send_port(void)
{
    return xencall5(l1.hypercalls, CALL, BLANKET_FORM_SEND, (uint32_t)l1.endpoint,
                    l1.endpoint >> 32, blanket_item_index(port), blanket_item_generation(port));
}

static int status_ports(void)
{
    uint64_t items[BLANKET_ELEMENT_COUNT_MAX];
    int rc;

    for (uint32_t i = 0; i < BLANKET_ELEMENT_COUNT_MAX; i++) {
        items[i] = port;
    }
    rc = l1_frame(&l1, BLANKET_VERB_EVTCHN_STATUS, items, BLANKET_ELEMENT_COUNT_MAX);
    return rc != 0 ? rc : blanket_result_status(items[BLANKET_ELEMENT_COUNT_MAX - 1]);
}

static double microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void measure(const char *what, int (*call)(void), int calls, int elements)
{
    double best = 1e12;

    for (int round = 0; round < ROUNDS; round++) {
        double start = microseconds();

        for (int i = 0; i < calls; i++) {
            expect(call(), 0, what);
        }
        start = microseconds() - start;
        best = start < best ? start : best;
    }
    printf("%s %.2f us, ", what, best / calls / elements);
}

int main(void)
{
    uint32_t reference;
    uint64_t index;
    int fd;

    l1_open(&l1);
    l1_mint(&l1, 2, "time/0", 8);
    port = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    grant = blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1);
    (void)l1_pages(&fd, &reference, 1, &index);
    expect(l1_one(&l1, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port, 0, NULL), 0, "alloc unbound");
    expect(l1_one(&l1, BLANKET_VERB_GRANT_ACCESS, grant,
                  blanket_item(BLANKET_ITEM_OWN_GRANT, RW, reference), NULL),
           0, "access");
    measure("xen-version", own_version, CALLS, 1);
    measure("discovery", query_form, CALLS, 1);
    measure("grant-query", query_grant, CALLS, 1);
    measure("evtchn-status", status_port, CALLS, 1);
    measure("evtchn-send", send_port, CALLS, 1);
    measure("evtchn-status-in-64", status_ports, CALLS / 10, BLANKET_ELEMENT_COUNT_MAX);
    expect(l1_one(&l1, BLANKET_VERB_GRANT_END_ACCESS, grant, 0, NULL), 0, "end access");
    puts("ok");
    return 0;
}
