/* SPDX-License-Identifier: MIT */
#include "cases.h"

#define COUNT(value) blanket_item(BLANKET_ITEM_COUNT, 0, (value))

static uint64_t call_reply(struct cases *cases, uint64_t endpoint, uint16_t verb,
                           const char *payload)
{
    struct blanket_wire_endpoint info;
    struct bed_call call;
    int status;

    memset(&call, 0, sizeof(call));
    call.endpoint = endpoint;
    call.payload = payload;
    call.payload_size = payload ? (uint32_t)strlen(payload) : 0;
    call.reply = &info;
    call.reply_max = sizeof(info);
    status = bed_call(&cases->bed, 0, verb, &call);
    return blanket_result(status ? status : call.reply_size == sizeof(info) ? 0 : -9999, 0);
}

static uint64_t query(struct cases *c)
{
    return call_reply(c, c->bed.handles[0], BLANKET_VERB_ENDPOINT_QUERY, NULL);
}

static uint64_t lookup(struct cases *c)
{
    return call_reply(c, blanket_handle(0, 1), BLANKET_VERB_ENDPOINT_LOOKUP,
                      c->bed.devices[0].name);
}

static uint64_t events(struct cases *c)
{
    return call_reply(c, blanket_handle(0, 1), BLANKET_VERB_ENDPOINT_EVENTS, NULL);
}

static uint64_t derive_slot(struct cases *c, uint32_t slot)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_DERIVE, 5,
                  blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, 1), COUNT(BLANKET_RIGHTS_ALL),
                  COUNT(8), COUNT(0), COUNT(0));
}

static uint64_t derive(struct cases *c)
{
    return derive_slot(c, 7);
}

static uint64_t revoke(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                  blanket_item_slot(BLANKET_ITEM_ENDPOINT, 5, 1));
}

static uint64_t reset(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_RESET, 0);
}

static uint64_t grant_access(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(2, 1),
                  bed_frame(c->pages[0][2], BED_RW));
}

static uint64_t grant_end(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_GRANT_END_ACCESS, 1, bed_grant(1, 1));
}

static uint64_t grant_query(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_GRANT_QUERY, 1, bed_grant(0, 1));
}

static uint64_t map(struct cases *c)
{
    return bed_op(&c->bed, 1, BLANKET_VERB_GRANT_MAP, 3, bed_mapping(1, 1),
                  bed_peer_ref(c->references[1], BLANKET_ACCESS_READ),
                  bed_frame(c->pages[1][1], 0));
}

static uint64_t unmap(struct cases *c)
{
    return bed_op(&c->bed, 1, BLANKET_VERB_GRANT_UNMAP, 1, bed_mapping(0, 1));
}

static uint64_t copy(struct cases *c)
{
    return bed_op(&c->bed, 1, BLANKET_VERB_GRANT_COPY, 4, bed_mapping(1, 1),
                  bed_peer_ref(c->references[1], BLANKET_ACCESS_READ),
                  bed_frame(c->pages[1][1], BLANKET_ACCESS_WRITE),
                  blanket_item(BLANKET_ITEM_SPAN, 0, 4096ull << 24));
}

static uint64_t alloc_unbound(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(2, 1));
}

static uint64_t bind_interdomain(struct cases *c)
{
    return bed_op(&c->bed, 1, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, bed_port(1, 1),
                  bed_peer_port(c->numbers[1]));
}

static uint64_t close_port(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_CLOSE, 1, bed_port(0, 1));
}

static uint64_t bind_vcpu(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_BIND_VCPU, 2, bed_port(0, 1), COUNT(1));
}

static uint64_t mask(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_MASK, 1, bed_port(0, 1));
}

static uint64_t unmask(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_UNMASK, 1, bed_port(1, 1));
}

static uint64_t port_status(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_STATUS, 1, bed_port(0, 1));
}

static uint64_t send(struct cases *c)
{
    return bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1));
}

static uint64_t send_form(struct cases *c)
{
    return blanket_result(
        blanket_sim_send(c->bed.sim, bed_guest(&c->bed, 0), 0, c->bed.handles[0], bed_port(0, 1)),
        0);
}

const struct verb_case verb_cases[] = {
    {BLANKET_VERB_ENDPOINT_QUERY, 0, 0, query},
    {BLANKET_VERB_ENDPOINT_LOOKUP, 0, 0, lookup},
    {BLANKET_VERB_ENDPOINT_EVENTS, 0, 0, events},
    {BLANKET_VERB_ENDPOINT_DERIVE, 0, 0, derive},
    {BLANKET_VERB_ENDPOINT_REVOKE, 0, 0, revoke},
    {BLANKET_VERB_ENDPOINT_RESET, 0, 0, reset},
    {BLANKET_VERB_GRANT_ACCESS, 0, 1, grant_access},
    {BLANKET_VERB_GRANT_END_ACCESS, 0, 1, grant_end},
    {BLANKET_VERB_GRANT_QUERY, 0, 1, grant_query},
    {BLANKET_VERB_GRANT_MAP, 1, 1, map},
    {BLANKET_VERB_GRANT_UNMAP, 1, 1, unmap},
    {BLANKET_VERB_GRANT_COPY, 1, 1, copy},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 0, 1, alloc_unbound},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 1, 1, bind_interdomain},
    {BLANKET_VERB_EVTCHN_CLOSE, 0, 1, close_port},
    {BLANKET_VERB_EVTCHN_BIND_VCPU, 0, 0, bind_vcpu},
    {BLANKET_VERB_EVTCHN_MASK, 0, 0, mask},
    {BLANKET_VERB_EVTCHN_UNMASK, 0, 0, unmask},
    {BLANKET_VERB_EVTCHN_STATUS, 0, 1, port_status},
    {BLANKET_VERB_EVTCHN_SEND, 0, 1, send},
    {BLANKET_VERB_EVTCHN_SEND, 0, 1, send_form},
};
const uint32_t verb_case_count = sizeof(verb_cases) / sizeof(verb_cases[0]);

/* --- the bed on which each of them succeeds --- */

static int pages_make(struct cases *c)
{
    uint32_t guest, i;

    for (guest = 0; guest < 2; guest++) {
        for (i = 0; i < 8; i++) {
            if (blanket_sim_page_alloc(c->bed.sim, bed_guest(&c->bed, guest), 1,
                                       &c->pages[guest][i])) {
                return -BLANKET_ENOMEM;
            }
            memset(blanket_sim_page(c->bed.sim, bed_guest(&c->bed, guest), c->pages[guest][i]),
                   (int)(0x10 * (guest + 1) + i), BLANKET_SIM_PAGE_SIZE);
        }
    }
    return 0;
}

static int prepare(struct cases *c)
{
    uint64_t results[9];
    uint32_t i;

    for (i = 0; i < 2; i++) {
        results[i] = bed_op(&c->bed, 0, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(i, 1),
                            bed_frame(c->pages[0][i], BED_RW));
        c->references[i] = blanket_result_value(results[i]);
        results[2 + i] = bed_op(&c->bed, 0, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(i, 1));
        c->numbers[i] = blanket_result_value(results[2 + i]);
    }
    results[4] = bed_op(&c->bed, 1, BLANKET_VERB_GRANT_MAP, 3, bed_mapping(0, 1),
                        bed_peer_ref(c->references[0], BED_RW), bed_frame(c->pages[1][0], 0));
    results[5] = bed_op(&c->bed, 1, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, bed_port(0, 1),
                        bed_peer_port(c->numbers[0]));
    results[6] = bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_DERIVE, 5,
                        blanket_item_slot(BLANKET_ITEM_ENDPOINT, 6, 1), COUNT(1), COUNT(0),
                        COUNT(0), COUNT(0));
    results[7] = bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                        blanket_item_slot(BLANKET_ITEM_ENDPOINT, 6, 1));
    results[8] = bed_op(&c->bed, 0, BLANKET_VERB_ENDPOINT_DERIVE, 5,
                        blanket_item_slot(BLANKET_ITEM_ENDPOINT, 5, 1), COUNT(BLANKET_RIGHTS_ALL),
                        COUNT(0), COUNT(0), COUNT(0));
    c->child = blanket_handle(5, 1);
    for (i = 0; i < 9; i++) {
        if (bed_status(results[i])) {
            fprintf(stderr, "cases: preparation %u gives %d\n", i, bed_status(results[i]));
            return bed_status(results[i]);
        }
    }
    return blanket_sim_settle(c->bed.sim);
}

int cases_open_bare(struct cases *cases, uint32_t levels, uint32_t seed,
                    const uint32_t *rights_of_node)
{
    struct bed_config config;
    uint32_t guest;
    int error;

    memset(cases, 0, sizeof(*cases));
    memset(&config, 0, sizeof(config));
    config.levels = levels;
    config.guests = 2;
    config.pairs = 1;
    config.seed = seed;
    config.unminted = 1;
    error = bed_open(&cases->bed, &config);
    if (error) {
        return error;
    }
    error = pages_make(cases);
    for (guest = 0; !error && guest < 2; guest++) {
        error = bed_mint(&cases->bed, guest, BLANKET_RIGHTS_ALL, rights_of_node);
    }
    if (error) {
        (void)bed_close(&cases->bed);
    }
    return error;
}

int cases_open(struct cases *cases, uint32_t levels, uint32_t seed)
{
    int error = cases_open_bare(cases, levels, seed, NULL);

    if (error) {
        return error;
    }
    error = prepare(cases);
    if (error) {
        (void)bed_close(&cases->bed);
    }
    return error;
}

int cases_close(struct cases *cases)
{
    return bed_close(&cases->bed);
}

void cases_snapshot(struct cases *cases, struct cases_snapshot *snapshot)
{
    struct blanket_sim_stats stats;

    memset(snapshot, 0, sizeof(*snapshot));
    blanket_sim_stats(cases->bed.sim, &stats);
    snapshot->hash = blanket_sim_hash(cases->bed.sim);
    snapshot->pinned = stats.pinned;
    snapshot->overlaid = stats.overlaid;
    blanket_root_stats(cases->bed.root, &snapshot->root);
    snapshot->content = *(const uint64_t *)blanket_sim_page(
        cases->bed.sim, bed_guest(&cases->bed, 1), cases->pages[1][0]);
}

int cases_equal(const struct cases_snapshot *a, const struct cases_snapshot *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}
