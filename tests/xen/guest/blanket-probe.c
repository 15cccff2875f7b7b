/* SPDX-License-Identifier: MIT */
/*
 * In L1's dom0: everything that L1 Xen offers, in the plainest way, with a domain of L0 as the peer
 * (blanket-peer runs there). Attach, mint, a page of user space to the peer, a channel both ways, the
 * store below as its broker, revoke. Prints "ok", or the first thing that isn't as it must be.
 */
#include <blanket/errno.h>
#include <blanket/port/xen.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/io/xs_wire.h>
#include <xencall.h>

#define CALL BLANKET_HYPERCALL_DEFAULT
#define DOMID_OF_XEN 0x7ff2
#define RW (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)
#define SECONDS 20

struct probe {
    xencall_handle *hypercalls;
    void *buffer; /* two pages that stay */
    int channels; /* /dev/xen/evtchn */
    uint64_t endpoint;
};

static void expect(int is, int must, const char *what)
{
    if (is != must) {
        printf("%s: %d, expected %d\n", what, is, must);
        exit(1);
    }
}

/* Hypercalls give errors of ours as libxencall gives all: -1 and errno. */
static int call(struct probe *p, unsigned form, unsigned long first, const void *second)
{
    int rc = second ? xencall3(p->hypercalls, CALL, form, first, (unsigned long)second)
                    : xencall2(p->hypercalls, CALL, form, first);

    return rc;
}

static int operate(struct probe *p, unsigned form, unsigned operation, void *structure, size_t size)
{
    int rc;

    memcpy(p->buffer, structure, size);
    rc = call(p, form, operation, p->buffer);
    memcpy(structure, p->buffer, size);
    return rc;
}

/* One element. Returns the call's result, *status and *value the element's. */
static int frame(struct probe *p, uint16_t verb, uint64_t first, uint64_t second, int *status,
                 uint32_t *value)
{
    struct blanket_wire_header *header = p->buffer;
    uint64_t *items = (uint64_t *)(header + 1);
    int rc;

    memset(header, 0, sizeof(*header));
    header->magic = BLANKET_WIRE_MAGIC;
    header->version = BLANKET_WIRE_VERSION;
    header->verb = verb;
    header->endpoint = p->endpoint;
    header->item_count = second ? 2 : 1;
    items[0] = first;
    items[1] = second;
    rc = xencall2(p->hypercalls, CALL, BLANKET_FORM_CALL, (unsigned long)p->buffer);
    *status = blanket_result_status(items[0]);
    if (value) {
        *value = blanket_result_value(items[0]);
    }
    return rc;
}

static int result(struct probe *p, uint16_t verb, uint64_t first, uint64_t second, uint32_t *value)
{
    int status;

    expect(frame(p, verb, first, second, &status, value), 0, "a frame's call");
    return status;
}

static void wait_event(struct probe *p, const char *what)
{
    struct pollfd fd = { .fd = p->channels, .events = POLLIN };
    uint32_t port;

    expect(poll(&fd, 1, SECONDS * 1000), 1, what);
    if (read(p->channels, &port, sizeof(port)) != sizeof(port) ||
        write(p->channels, &port, sizeof(port)) != sizeof(port)) {
        expect(-1, 0, "reading /dev/xen/evtchn");
    }
}

static void bind_channel(struct probe *p, uint32_t channel)
{
    struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = 0, .remote_port = channel };

    expect(ioctl(p->channels, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind) >= 0, 1, "binding a channel");
}

static char *shared_page(uint32_t *reference)
{
    struct ioctl_gntalloc_alloc_gref alloc = {
        .domid = DOMID_OF_XEN, .flags = GNTALLOC_FLAG_WRITABLE, .count = 1,
    };
    int fd = open("/dev/xen/gntalloc", O_RDWR);
    char *page;

    expect(ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, &alloc), 0, "gntalloc");
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)alloc.index);
    expect(page != MAP_FAILED, 1, "mapping a page of gntalloc");
    *reference = alloc.gref_ids[0];
    return page;
}

/* As the broker: one request to the store below, and its answer. */
static void store_write(struct probe *p, const char *path, const char *value)
{
    static struct blanket_xen_message message;
    struct blanket_xen_become become;
    struct xsd_sockmsg header = { .type = XS_WRITE, .req_id = 7 };
    int rc;

    memset(&become, 0, sizeof(become));
    expect(operate(p, BLANKET_FORM_BROKER, BLANKET_XEN_BECOME, &become, sizeof(become)), 0,
           "becoming the broker");
    bind_channel(p, become.channel);
    header.len = (uint32_t)(strlen(path) + 1 + strlen(value));
    memcpy(message.message, &header, sizeof(header));
    sprintf((char *)message.message + sizeof(header), "%s%c%s", path, 0, value);
    message.size = (uint32_t)sizeof(header) + header.len;
    expect(operate(p, BLANKET_FORM_BROKER, BLANKET_XEN_STORE_SEND, &message, sizeof(message)), 0,
           "sending to the store below");
    do {
        wait_event(p, "waiting for the store below");
        rc = operate(p, BLANKET_FORM_BROKER, BLANKET_XEN_STORE_RECEIVE, &message, sizeof(message));
    } while (rc != 0);
    memcpy(&header, message.message, sizeof(header));
    expect((int)header.req_id, 7, "the answer's id");
    expect((int)header.type, XS_WRITE, "the answer's type");
}

static void begin(struct probe *p)
{
    struct blanket_xen_attach attach = {
        .domain = BLANKET_XEN_DOMAIN_SELF, .endpoints = 8, .grants = 64, .ports = 64,
    };
    struct blanket_xen_mint mint = {
        .domain = BLANKET_XEN_DOMAIN_SELF, .rights = BLANKET_RIGHTS_ALL, .peer = 0, .grants = 8,
        .ports = 8, .name = "probe/0",
    };

    p->hypercalls = xencall_open(NULL, 0);
    p->buffer = xencall_alloc_buffer_pages(p->hypercalls, 2);
    p->channels = open("/dev/xen/evtchn", O_RDWR);
    expect(p->buffer && p->channels >= 0, 1, "the devices");
    expect(operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_ATTACH, &attach, sizeof(attach)), 0, "attach");
    expect(operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_MINT, &mint, sizeof(mint)), 0, "mint");
    p->endpoint = mint.endpoint;
}

static void refusals(struct probe *p)
{
    const uint64_t slot = blanket_item_slot(BLANKET_ITEM_GRANT, 7, 1);

    expect(result(p, BLANKET_VERB_GRANT_ACCESS, slot, blanket_item(BLANKET_ITEM_FRAME, RW, 0),
                  NULL), -BLANKET_EPERM, "a frame that is nobody's");
    expect(result(p, BLANKET_VERB_GRANT_ACCESS, slot,
                  blanket_item(BLANKET_ITEM_FRAME, RW, 0xfffffffffful), NULL),
           -BLANKET_EPERM, "a frame that isn't there");
    expect(result(p, BLANKET_VERB_GRANT_ACCESS, slot, blanket_item(BLANKET_ITEM_OWN_GRANT, RW, 1),
                  NULL), -BLANKET_EPERM, "a grant that isn't for Xen");
    p->endpoint++;
    expect(frame(p, BLANKET_VERB_GRANT_QUERY, slot, 0, &(int){ 0 }, NULL), -1,
           "an endpoint that isn't the caller's");
    p->endpoint--;
}

/* The peer has the page mapped: it can't be taken back until it lets go. */
static void take_back(struct probe *p, uint64_t grant, uint64_t port)
{
    uint32_t state = 0;
    int tries = 0, rc;

    expect(result(p, BLANKET_VERB_GRANT_QUERY, grant, 0, &state), 0, "query");
    expect((int)state, BLANKET_GRANT_STATE_READING | BLANKET_GRANT_STATE_WRITING, "its state");
    expect(result(p, BLANKET_VERB_GRANT_END_ACCESS, grant, 0, NULL), -BLANKET_EBUSY,
           "taking a page back that is mapped");
    expect(result(p, BLANKET_VERB_EVTCHN_SEND, port, 0, NULL), 0, "send");
    do {
        usleep(20000);
        rc = result(p, BLANKET_VERB_GRANT_END_ACCESS, grant, 0, NULL);
    } while (rc == -BLANKET_EBUSY && ++tries < SECONDS * 50);
    expect(rc, 0, "taking a page back that isn't mapped");
}

static void end(struct probe *p)
{
    struct blanket_xen_list list = { .domain = BLANKET_XEN_DOMAIN_SELF, .endpoint = p->endpoint };
    struct blanket_xen_attach attach = { .domain = BLANKET_XEN_DOMAIN_SELF };
    int tries = 0, rc;

    expect(operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_INFO, &list, sizeof(list)), 0, "info");
    expect((int)list.info.port_used, 1, "ports in use");
    expect(operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_REVOKE, &list, sizeof(list)), 0, "revoke");
    while (operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_INFO, &list, sizeof(list)) == 0 &&
           ++tries < SECONDS * 50) {
        usleep(20000);
    }
    expect(tries < SECONDS * 50, 1, "being drained");

    /* Whoever comes next finds the domain as we did. */
    while ((rc = operate(p, BLANKET_FORM_ADMIN, BLANKET_XEN_DETACH, &attach, sizeof(attach))) == 0 &&
           ++tries < SECONDS * 50) {
        usleep(20000);
    }
    expect(rc == -1 ? errno : 0, BLANKET_ENOENT, "detaching");
}

int main(void)
{
    const uint64_t grant = blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1);
    const uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, 0, 1);
    struct blanket_wire_endpoint *info;
    struct blanket_xen_list list = { .domain = BLANKET_XEN_DOMAIN_SELF };
    struct probe p = { 0 };
    uint32_t own = 0, below_port = 0;
    char where[64];
    char *page;
    int channel;

    begin(&p);
    refusals(&p);
    page = shared_page(&own);
    strcpy(page, "from L1");
    expect(result(&p, BLANKET_VERB_GRANT_ACCESS, grant, blanket_item(BLANKET_ITEM_OWN_GRANT, RW, own),
                  NULL), 0, "access");
    expect(result(&p, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, port, 0, &below_port), 0, "alloc unbound");
    list.endpoint = p.endpoint;
    expect(operate(&p, BLANKET_FORM_ADMIN, BLANKET_XEN_INFO, &list, sizeof(list)), 0, "info");
    info = &list.info;
    channel = call(&p, BLANKET_FORM_EVENT, info->port_base, NULL);
    expect(channel > 0, 1, "a channel for the port");
    expect(call(&p, BLANKET_FORM_EVENT, info->port_base, NULL), channel, "the same channel");
    bind_channel(&p, (uint32_t)channel);
    snprintf(where, sizeof(where), "%u %u", list.grant_base, below_port);
    store_write(&p, "data/blanket", where);
    while (strcmp(page, "from L0") != 0) {
        wait_event(&p, "waiting for the peer");
    }
    take_back(&p, grant, port);
    end(&p);
    puts("ok");
    return 0;
}
