/* SPDX-License-Identifier: MIT */
/*
 * blanket-attack: what a hostile holder of one endpoint tries, in a domain of a real L1 Xen. For tests/xen.
 *
 *   blanket-attack NAME all             everything once; a line each, REACHED or refused
 *   blanket-attack NAME flood SECONDS   sends and store requests, as many as go
 *   blanket-attack NAME view            all that the endpoint's view of the store shows
 */
#include <frontend_private.h>
#include <host.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STORE_MS 5000
#define CONNECT_MS 120000

struct attack {
    const struct disk_host *host;
    struct blanket_guest *guest;
    struct blanket_wire_endpoint info;
    struct blanket_guest_device device;
    struct blanket_guest_store store;
    struct blk_frontend *frontend;
    unsigned refused, reached;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* `context` is the attack, for the store and for the frontend alike. */
static int wait_event(void *context)
{
    const struct attack *attack = context;
    struct pollfd ready = {.fd = attack->host->fd(attack->host->context), .events = POLLIN};
    uint32_t port;

    (void)poll(&ready, 1, 200);
    while (attack->host->take(attack->host->context, &port) > 0) {
        continue;
    }
    if (attack->frontend != NULL) {
        blk_frontend_look(attack->frontend);
    }
    return 0;
}

static int page_alloc(void *context, struct blk_page *page)
{
    const struct attack *attack = context;

    return attack->host->page_alloc(attack->host->context, page);
}

static void page_free(void *context, const struct blk_page *page)
{
    const struct attack *attack = context;

    attack->host->page_free(attack->host->context, page);
}

/* A summary of `count` tries of one kind, `reached` of which got through. */
static void tell(struct attack *attack, const char *what, unsigned count, unsigned reached)
{
    printf("%s: %u tries, %s\n", what, count, reached != 0 ? "REACHED" : "refused");
    attack->refused += count - reached;
    attack->reached += reached;
}

/* One element; its status. */
static int try_verb(struct attack *attack, uint64_t endpoint, uint16_t verb, uint64_t first,
                    uint64_t second)
{
    uint64_t items[2] = {first, second}, result = 0;
    struct blanket_call call = {.verb = verb,
                                .element_count = 1,
                                .element_items = second != 0 ? 2 : 1,
                                .endpoint = endpoint,
                                .items = items,
                                .results = &result};
    int status = blanket_guest_call(attack->guest, &call);

    return status != 0 ? status : blanket_result_status(result);
}

static void try_endpoints(struct attack *attack)
{
    struct blanket_wire_endpoint other;
    unsigned count = 0, reached = 0;

    for (uint32_t slot = 0; slot < 24; slot++) {
        for (uint32_t generation = 0; generation < 4; generation++) {
            uint64_t handle = blanket_handle(slot, generation);

            if (handle != attack->info.endpoint && handle != BLANKET_GUEST_SELF) {
                reached += blanket_guest_query(attack->guest, handle, &other) == 0;
                reached += try_verb(attack, handle, BLANKET_VERB_GRANT_QUERY,
                                    blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1), 0) == 0;
                count += 2;
            }
        }
    }
    tell(attack, "endpoints that aren't ours", count, reached);
}

/* Frames of Xen's, of nobody's, beyond memory; grants that aren't for Xen. */
static void try_pages(struct attack *attack)
{
    static const uint64_t frames[] = {
        0,       1,       0x9f,     0x100,   0x201,   0x280, 0x300,          0x400,          0x500,
        0xfee00, 0xfffff, 0x100000, 1 << 24, 1 << 28, ~0u,   0xfffffffffull, 0xffffffffffull};
    uint64_t slot = blanket_item_slot(BLANKET_ITEM_GRANT, 0, 1);
    unsigned count = sizeof(frames) / sizeof(frames[0]), reached = 0;

    for (unsigned i = 0; i < count; i++) {
        reached += try_verb(attack, attack->info.endpoint, BLANKET_VERB_GRANT_ACCESS, slot,
                            blanket_item(BLANKET_ITEM_FRAME, 3, frames[i])) == 0;
    }
    tell(attack, "frames that aren't ours", count, reached);
    reached = 0;
    for (uint32_t reference = 0; reference < 128; reference++) {
        reached += try_verb(attack, attack->info.endpoint, BLANKET_VERB_GRANT_ACCESS, slot,
                            blanket_item(BLANKET_ITEM_OWN_GRANT, 3, reference)) == 0;
    }
    tell(attack, "grants of ours to other domains than Xen", 128, reached);
}

static void try_ports(struct attack *attack)
{
    unsigned count = 0, reached = 0;

    for (uint32_t index = 0; index < 16; index++) {
        for (uint32_t generation = 1; generation < 4; generation++) {
            uint64_t port = blanket_item_slot(BLANKET_ITEM_PORT, index, generation);

            reached += try_verb(attack, attack->info.endpoint, BLANKET_VERB_EVTCHN_STATUS, port,
                                0) == 0;
            reached += try_verb(attack, attack->info.endpoint, BLANKET_VERB_EVTCHN_SEND, port, 0) ==
                       0;
            count += 2;
        }
    }
    tell(attack, "ports that nobody gave us", count, reached);
}

static void try_store(struct attack *attack)
{
    static const char *const paths[] = {
        "/local/domain/0/name", "../../0/name", "..",  "backend", "backend-id",    "frontend",
        "frontend-id",          "a//b",         "a b", "/",       "state/../state"};
    static const char *const typed[] = {"ring-ref", "ring-ref0", "event-channel", "page-ref"};
    unsigned count = 0, reached = 0;
    char value[256];
    uint32_t size;

    for (uint32_t root = 0; root < BLANKET_ROOT_COUNT; root++) {
        for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
            reached += blanket_guest_store_read(&attack->store, root, 0, paths[i], value,
                                                sizeof(value), &size) == 0;
            count++;
        }
        for (unsigned i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
            reached += blanket_guest_store_write(&attack->store, root, 0, typed[i], "8", 1) == 0;
            count++;
        }
    }
    reached += blanket_guest_store_write(&attack->store, BLANKET_ROOT_BACKEND, 0, "state", "4",
                                         1) == 0;
    tell(attack, "the store outside the view, and what isn't ours to write", count + 1, reached);
}

static int frontend_connect(struct attack *attack)
{
    const struct blk_frontend_config config = {.guest = attack->guest,
                                               .endpoint = &attack->info,
                                               .page_alloc = page_alloc,
                                               .page_free = page_free,
                                               .wait = wait_event,
                                               .context = attack,
                                               .segments = 1,
                                               .depth = 8,
                                               .persistent = true,
                                               .own_grants = attack->host->own_grants};
    int64_t deadline = now_ms() + CONNECT_MS;

    if (blk_frontend_create(&config, &attack->frontend) != 0) {
        return -1;
    }
    while (blk_frontend_state(attack->frontend) == BLK_FRONTEND_STARTING && now_ms() < deadline) {
        if (blk_frontend_poll(attack->frontend) == 0) {
            (void)wait_event(attack);
        }
    }
    return blk_frontend_state(attack->frontend) == BLK_FRONTEND_CONNECTED ? 0 : -1;
}

static void frontend_close(struct attack *attack)
{
    int64_t deadline = now_ms() + CONNECT_MS;

    blk_frontend_close(attack->frontend);
    while (blk_frontend_state(attack->frontend) != BLK_FRONTEND_CLOSED && now_ms() < deadline) {
        if (blk_frontend_poll(attack->frontend) == 0) {
            (void)wait_event(attack);
        }
    }
    blk_frontend_destroy(attack->frontend);
    attack->frontend = NULL;
}

/* A read of sector 0 into whatever the reference names; the backend's status, 1: no answer. */
static int exchange(struct attack *attack, uint32_t reference)
{
    struct blk_ring *ring = &attack->frontend->ring;
    struct blkif_request request;
    struct blkif_response response;
    int notify;

    memset(&request, 0, sizeof(request));
    request.operation = BLKIF_OP_READ;
    request.id = reference;
    request.nr_segments = 1;
    request.seg[0].gref = reference;
    request.seg[0].last_sect = 7;
    blk_ring_request_write(ring, ring->front.req_prod_pvt++, &request);
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring->front, notify);
    (void)notify;
    (void)blanket_guest_port_send(&attack->frontend->device, attack->frontend->port);
    for (int tries = 0; tries < 50; tries++) {
        if (ring->front.sring->rsp_prod != ring->front.rsp_cons) {
            blk_ring_response_read(ring, ring->front.rsp_cons++, &response);
            return response.status;
        }
        (void)wait_event(attack);
    }
    return 1;
}

/* The other owners' references in our ring: what a stock backend maps of them. */
static void try_ring(struct attack *attack)
{
    uint32_t own = attack->info.grant_base, after = own + attack->info.grant_count;
    unsigned count = 0, reached = 0, silent = 0;
    int good;

    if (frontend_connect(attack) != 0) {
        printf("the ring: not tried: %s\n", blk_frontend_error(attack->frontend));
        attack->reached++;
        return;
    }
    good = exchange(attack, own + attack->frontend->shared[attack->frontend->pool_first].grant);
    if (good != BLKIF_RSP_OKAY) {
        printf("the ring: our own reference: %d\n", good);
        attack->reached++;
    }
    for (uint32_t i = 0; i < 24; i++) {
        uint32_t reference = i < 12 ? 8 + i : after + i - 12;
        int status = reference >= own && reference < after ? BLKIF_RSP_ERROR
                                                           : exchange(attack, reference);

        reached += status == BLKIF_RSP_OKAY;
        silent += status == 1;
        count++;
    }
    tell(attack, "another's references in our ring", count, reached);
    if (silent != 0) {
        printf("the ring: %u without an answer\n", silent);
        attack->reached++;
    }
    frontend_close(attack);
}

static void flood(struct attack *attack, int seconds)
{
    struct blanket_guest_request requests[16];
    char replies[16][64];
    uint64_t sends = 0, asked = 0, refused = 0;
    int64_t until = now_ms() + seconds * 1000;

    memset(requests, 0, sizeof(requests));
    if (frontend_connect(attack) != 0) {
        printf("no flood: %s\n", blk_frontend_error(attack->frontend));
        return;
    }
    puts("flooding");
    fflush(stdout);
    while (now_ms() < until) {
        for (uint32_t i = 0; i < 16; i++) {
            struct blanket_guest_request *request = &requests[i];

            sends += blanket_guest_port_send(&attack->frontend->device, attack->frontend->port) ==
                     0;
            if (request->state != 0 && !blanket_guest_request_done(request)) {
                continue;
            }
            *request = (struct blanket_guest_request){.verb = BLANKET_VERB_STORE_READ,
                                                      .type = 2, /* XS_READ */
                                                      .root = BLANKET_ROOT_BACKEND,
                                                      .payload = "state",
                                                      .payload_size = 6,
                                                      .reply = replies[i],
                                                      .reply_max = sizeof(replies[i])};
            if (blanket_guest_store_submit(&attack->frontend->store, request) == 0) {
                asked++;
            } else {
                refused++;
            }
        }
        (void)blanket_guest_store_poll(&attack->frontend->store);
    }
    for (uint32_t i = 0; i < 16; i++) {
        for (int tries = 0;
             requests[i].state != 0 && !blanket_guest_request_done(&requests[i]) && tries < 50;
             tries++) {
            (void)blanket_guest_store_poll(&attack->frontend->store);
            (void)wait_event(attack);
        }
    }
    printf("%llu sends, %llu requests, %llu refused\n", (unsigned long long)sends,
           (unsigned long long)asked, (unsigned long long)refused);
    frontend_close(attack);
}

static void view(struct attack *attack)
{
    static char names[4096], value[512];
    static const struct {
        uint32_t root;
        const char *name;
    } roots[] = {{BLANKET_ROOT_FRONTEND, "frontend"}, {BLANKET_ROOT_BACKEND, "backend"}};

    for (unsigned r = 0; r < 2; r++) {
        uint32_t size = 0;

        if (blanket_guest_store_directory(&attack->store, roots[r].root, 0, "", names,
                                          sizeof(names), &size) != 0) {
            printf("view %s: no list\n", roots[r].name);
        }
        for (const char *name = names; name < names + size; name += strlen(name) + 1) {
            uint32_t length = 0;
            int status = blanket_guest_store_read(&attack->store, roots[r].root, 0, name, value,
                                                  sizeof(value), &length);

            printf("view %s %s=%s\n", roots[r].name, name, status == 0 ? value : "?");
        }
    }
}

static int attack_open(struct attack *attack, const char *name, void **memory)
{
    const char *fault = "there is no memory";
    int status;

    attack->host = plugin_host_make(name, &fault);
    if (attack->host == NULL) {
        printf("not tried: %s\n", fault);
        return -1;
    }
    status = attack->host->open(attack->host->context, &attack->guest, &attack->info);
    if (status == 0) {
        *memory = calloc(1, blanket_guest_device_size(&attack->info) + 1);
        status = *memory == NULL ? -BLANKET_ENOMEM
                                 : blanket_guest_device_init(&attack->device, attack->guest,
                                                             &attack->info, *memory, 0);
    }
    if (status != 0) {
        printf("not tried: %s\n", attack->host->explain(status));
    }
    return status;
}

static int store_open(struct attack *attack)
{
    int status = blanket_guest_store_connect(&attack->store, &attack->device, wait_event, attack);

    if (status != 0) {
        printf("not tried: the store: %d\n", status);
    }
    return status;
}

static void store_close(struct attack *attack)
{
    for (int tries = 0; tries < 100 && blanket_guest_store_disconnect(&attack->store) != 0;
         tries++) {
        (void)wait_event(attack);
    }
}

int main(int argc, char **argv)
{
    static struct attack attack;
    void *memory = NULL;

    if (argc < 3) {
        fprintf(stderr, "blanket-attack NAME all|view|flood [SECONDS]\n");
        return 2;
    }
    if (attack_open(&attack, argv[1], &memory) != 0) {
        return 1;
    }
    if (strcmp(argv[2], "flood") == 0) {
        flood(&attack, argc > 3 ? atoi(argv[3]) : 5);
    } else if (store_open(&attack) == 0) {
        if (strcmp(argv[2], "view") == 0) {
            view(&attack);
        } else {
            try_ports(&attack);
            try_endpoints(&attack);
            try_pages(&attack);
            try_store(&attack);
        }
        store_close(&attack);
        if (strcmp(argv[2], "all") == 0) {
            try_ring(&attack);
            printf("%u refused, %u reached\n", attack.refused, attack.reached);
        }
    }
    attack.host->close(attack.host->context);
    free(memory);
    plugin_host_free(attack.host);
    return attack.reached != 0;
}
