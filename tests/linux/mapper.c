/* SPDX-License-Identifier: MIT */
/*
 * Two ends of a device that this domain has with itself, or two domains have with each other, each in a
 * process over Xen's libraries: what one grants the other maps, copies and lets go of. Not run on this
 * machine: tests/xen runs it.
 *
 *     blanket-mapper front      grants four pages, publishes them and a port, waits to be signalled
 *     blanket-mapper back DOMID maps and copies what the frontend in that domain granted
 *
 * The device is blanket/1, whose directories are there. One line: "ok", or what was otherwise.
 */
#define _DEFAULT_SOURCE
#include <blanket/guest.h>
#include <blanket/port/linux.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES 16u
/* States of an end that the other may go on with. */
#define READY 4u
#define ENDED 5u
#define CLOSED 6u
#define SLOTS 8u
#define GRANTS 4u
#define NOTIFY 4095u     /* byte of a page that the kernel clears when its mapping ends */
#define WAIT_SECONDS 240 /* a guest that boots in an emulation takes its time */

static struct side {
    uint8_t *memory;
    uint32_t events;
    bool backend;
    struct blanket_linux *door;
    struct blanket_linux_end end;
    struct blanket_below below;
    struct blanket_guest guest;
    struct blanket_guest_device device;
    struct blanket_guest_store store;
    uint64_t slots[512];
} side;

static void check(bool good, const char *what)
{
    if (!good) {
        printf("%s; %s\n", what, side.door != NULL ? blanket_linux_fault(side.door) : "");
        exit(1);
    }
}

static void *page_at(void *host, uint64_t frame)
{
    (void)host;
    return frame < PAGES ? side.memory + frame * PAGE : NULL;
}

static char *text_at(uint32_t frame)
{
    return (char *)side.memory + (size_t)frame * PAGE;
}

static void event(void *context, uint32_t number)
{
    uint32_t port;

    (void)context;
    if (blanket_guest_port_find(&side.device, number, &port) == 0 &&
        port != blanket_guest_store_port(&side.store)) {
        side.events++;
    }
}

static int turn(void *context)
{
    struct pollfd wait = {.fd = blanket_linux_fd(side.door), .events = POLLIN};

    (void)context;
    (void)poll(&wait, 1, 100);
    (void)blanket_linux_process(side.door);
    return 0;
}

static bool until(bool (*done)(void))
{
    time_t end = time(NULL) + WAIT_SECONDS;
    bool is_done = done();

    while (!is_done && time(NULL) < end) {
        (void)turn(NULL);
        is_done = done();
    }
    return is_done;
}

static const struct blanket_linux_host_ops host_ops = {.page = page_at};

static void begin(bool backend, uint32_t frontend_domid)
{
    const struct blanket_linux_config config = {.devices = 1,
                                                .grants = SLOTS,
                                                .mappings = SLOTS,
                                                .ports = SLOTS,
                                                .connections = 1,
                                                .ops = &host_ops};
    const struct blanket_linux_device device = {.name = "blanket/1",
                                                .flags = backend ? BLANKET_LINUX_BACKEND : 0,
                                                .frontend_domid = frontend_domid,
                                                .grants = backend ? 0 : SLOTS,
                                                .mappings = backend ? SLOTS : 0,
                                                .ports = SLOTS,
                                                .connections = 1,
                                                .requests = 4,
                                                .watches = 4,
                                                .transactions = 1,
                                                .grant_notify = BLANKET_LINUX_NOTIFY_NONE,
                                                .map_notify = NOTIFY};
    const struct blanket_linux_sink sink = {.event = event};
    struct blanket_wire_endpoint info;
    char fault[BLANKET_LINUX_FAULT_SIZE] = "";

    side.backend = backend;
    side.memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(side.memory != MAP_FAILED, "no memory");
    if (blanket_linux_create(&config, &side.door, fault) != 0) {
        printf("no door: %s\n", fault);
        exit(1);
    }
    side.below = blanket_linux_below(side.door);
    check(blanket_linux_device_add(side.door, &device, &sink, 0, &side.end) == 0, "no device");
    memset(&info, 0, sizeof(info));
    info.endpoint = side.end.endpoint;
    info.grant_base = side.end.grant_base;
    info.grant_count = side.end.grants;
    info.mapping_count = side.end.mappings;
    info.port_count = side.end.ports;
    check(blanket_guest_init_direct(&side.guest, &side.below, 0) == 0 &&
              blanket_guest_device_size(&info) <= sizeof(side.slots) &&
              blanket_guest_device_init(&side.device, &side.guest, &info, side.slots, 0) == 0 &&
              blanket_guest_store_connect(&side.store, &side.device, turn, NULL) == 0,
          "no guest of the door");
}

static bool store_left(void)
{
    return blanket_guest_store_disconnect(&side.store) == 0;
}

static bool device_left(void)
{
    return blanket_linux_device_remove(side.door, side.end.endpoint) == 0;
}

static void end(void)
{
    struct blanket_linux_stats stats;

    check(until(store_left), "the store isn't left");
    blanket_linux_stats(side.door, &stats);
    check(stats.grants + stats.mappings + stats.ports + stats.closing == 0, "something is left");
    check(until(device_left), "the device is in use");
    blanket_linux_destroy(side.door);
    printf("ok\n");
}

static void say(uint64_t state)
{
    check(blanket_guest_store_write_number(
              &side.store, side.backend ? BLANKET_ROOT_BACKEND : BLANKET_ROOT_FRONTEND, 0, "state",
              state) == 0,
          "the state isn't written");
}

/* A number of the other side's; 0 if it isn't there. */
static uint64_t told(const char *key)
{
    uint32_t root = side.backend ? BLANKET_ROOT_FRONTEND : BLANKET_ROOT_BACKEND;
    uint64_t number;

    return blanket_guest_store_read_number(&side.store, root, 0, key, &number) == 0 ? number : 0;
}

static bool other_ready(void)
{
    return told("state") == READY;
}

static bool other_ended(void)
{
    return told("state") == ENDED;
}

static bool other_closed(void)
{
    return told("state") == CLOSED;
}

static bool signalled(void)
{
    return side.events != 0;
}

/* ---- the frontend ---- */

static void publish(const struct blanket_guest_access *access, uint32_t port)
{
    static const char *const keys[] = {"ring-ref0", "ring-ref1", "ring-ref2", "ring-ref3"};

    for (uint32_t i = 0; i < GRANTS; i++) {
        check(blanket_guest_store_write_grant(&side.store, BLANKET_ROOT_FRONTEND, 0, keys[i],
                                              access[i].grant) == 0,
              "a reference isn't published");
    }
    check(blanket_guest_store_write_port(&side.store, BLANKET_ROOT_FRONTEND, 0, "event-channel",
                                         port) == 0,
          "the port isn't published");
    say(READY);
}

static void front(void)
{
    struct blanket_guest_access access[GRANTS];
    struct blanket_guest_end ends[GRANTS];
    uint32_t port, number;

    begin(false, 0);
    strcpy(text_at(0), "granted to be mapped");
    side.memory[NOTIFY] = 1;
    strcpy(text_at(3), "granted, and ended while it's mapped");
    strcpy(text_at(1), "granted to be copied from");
    strcpy(text_at(2), "granted to be copied to");
    memset(access, 0, sizeof(access));
    for (uint32_t i = 0; i < GRANTS; i++) {
        access[i].page = blanket_item(BLANKET_ITEM_FRAME, 3, i);
    }
    check(blanket_guest_grant_access(&side.device, access, GRANTS) == 0,
          "the pages aren't granted");
    check(blanket_guest_port_alloc(&side.device, &port, &number) == 0, "no port");
    publish(access, port);
    check(until(signalled), "the backend doesn't signal");
    check(strcmp(text_at(0), "written through a mapping") == 0, "the mapping wasn't written");
    check(side.memory[NOTIFY] == 1, "the notification came while the page was mapped");
    check(strcmp(text_at(1), "granted to be copied from") == 0, "what was read was changed");
    check(strcmp(text_at(2), "copied to the peer") == 0, "the copy didn't come");
    ends[0].index = access[1].grant;
    ends[1].index = access[2].grant;
    check(blanket_guest_grant_end(&side.device, ends, 2) == 0, "pages that were copied are busy");
    /* A page that is mapped keeps its reference; the frame is ours again all the same. */
    ends[0].index = access[3].grant;
    check(blanket_guest_grant_end(&side.device, ends, 1) == -BLANKET_EBUSY,
          "the end of a mapped page isn't busy");
    strcpy(text_at(3), "ours");
    check(blanket_guest_port_send(&side.device, port) == 0, "the backend can't be signalled");
    say(ENDED);
    check(until(other_closed), "the backend doesn't close");
    check(side.memory[NOTIFY] == 0, "the end of the mapping wasn't told");
    check(strcmp(text_at(0), "written through a mapping") == 0, "more than a byte was told");
    check(strcmp(text_at(3), "ours") == 0, "who had the ended page wrote the frame");
    ends[0].index = access[0].grant;
    ends[1].index = access[3].grant;
    for (uint32_t i = 0; i < 300 && (i == 0 || ends[0].status == -BLANKET_EBUSY ||
                                     ends[1].status == -BLANKET_EBUSY);
         i++) {
        (void)turn(NULL);
        (void)blanket_guest_grant_end(&side.device, ends, 2);
    }
    check(ends[0].status != -BLANKET_EBUSY, "a page that was mapped doesn't come back");
    check(ends[1].status != -BLANKET_EBUSY, "a page that was ended while mapped doesn't come back");
    check(blanket_guest_grant_end(&side.device, ends, 1) == -BLANKET_EINVAL &&
              blanket_guest_grant_end(&side.device, ends + 1, 1) == -BLANKET_EINVAL,
          "an end fails, and not because a page is busy");
    check(blanket_guest_port_close(&side.device, port) == 0, "the port isn't closed");
    end();
}

/* ---- the backend ---- */

static int copy(uint32_t reference, uint32_t frame, bool to_peer)
{
    struct blanket_guest_copy element = {
        .page = blanket_item(BLANKET_ITEM_FRAME,
                             to_peer ? BLANKET_ACCESS_READ : BLANKET_ACCESS_WRITE, frame),
        .reference = reference,
        .length = 64,
        .to_peer = to_peer};

    return blanket_guest_grant_copy(&side.device, &element, 1);
}

static int map(uint32_t reference, uint32_t frame, uint32_t *mapping)
{
    struct blanket_guest_map element = {.frame = frame,
                                        .reference = reference,
                                        .access = BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE};
    int rc = blanket_guest_grant_map(&side.device, &element, 1);

    *mapping = element.mapping;
    return rc;
}

/* What nobody granted is refused, and the caller's page is what it was. */
static void refusals(void)
{
    uint32_t mapping;

    strcpy(text_at(3), "own");
    check(map(30000, 3, &mapping) == -BLANKET_ENOENT, "a reference that isn't is mapped");
    check(strcmp(text_at(3), "own") == 0, "a refused map took the page");
    check(copy(30000, 3, false) != 0, "a reference that isn't is copied");
    check(strcmp(text_at(3), "own") == 0, "a refused copy wrote the page");
}

static void back(uint32_t domid)
{
    struct blanket_guest_end ends[2];
    uint32_t port;

    begin(true, domid);
    check(until(other_ready), "the frontend isn't ready");
    refusals();
    strcpy(text_at(0), "own");
    check(map((uint32_t)told("ring-ref0"), 0, &ends[0].index) == 0 &&
              map((uint32_t)told("ring-ref3"), 4, &ends[1].index) == 0,
          "the pages aren't mapped");
    check(strcmp(text_at(0), "granted to be mapped") == 0, "the mapping shows something else");
    strcpy(text_at(0), "written through a mapping");
    check(copy((uint32_t)told("ring-ref1"), 1, false) == 0, "the page isn't copied");
    check(strcmp(text_at(1), "granted to be copied from") == 0, "the copy is something else");
    strcpy(text_at(2), "copied to the peer");
    check(copy((uint32_t)told("ring-ref2"), 2, true) == 0, "the page isn't copied to the peer");
    check(blanket_guest_port_bind(&side.device, (uint32_t)told("event-channel"), &port) == 0,
          "the port isn't bound");
    /* Xen signals a port that is bound, in case that its peer did before. */
    for (uint32_t i = 0; i < 3; i++) {
        (void)turn(NULL);
    }
    side.events = 0;
    check(blanket_guest_port_send(&side.device, port) == 0, "the frontend can't be signalled");
    check(until(signalled), "the frontend doesn't signal");
    check(until(other_ended), "the frontend doesn't end its grants");
    /* It has ended its grant by now, and we still have the page. */
    check(strcmp(text_at(4), "granted, and ended while it's mapped") == 0, "the mapping is gone");
    strcpy(text_at(4), "nobody's");
    check(side.memory[NOTIFY] == 1, "the notification came while the page was mapped");
    check(blanket_guest_grant_unmap(&side.device, ends, 2) == 0, "the pages aren't unmapped");
    check(text_at(0)[0] == 0 && text_at(0)[NOTIFY] == 0, "the frame isn't the caller's own again");
    check(blanket_guest_port_close(&side.device, port) == 0, "the port isn't closed");
    say(CLOSED);
    end();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "front") == 0) {
        front();
    } else if (argc == 3 && strcmp(argv[1], "back") == 0) {
        back((uint32_t)strtoul(argv[2], NULL, 10));
    } else {
        fputs("usage: blanket-mapper front | back DOMID\n", stderr);
        return 2;
    }
    return 0;
}
