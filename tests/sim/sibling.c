/* SPDX-License-Identifier: MIT */
/*
 * Two guests on the same levels, one of them hostile: attacks as scenarios. Where the provider scopes
 * numbers by endpoint nothing of the other is reached. Where it scopes them by domid, as a stock Xen
 * does, a second owner is refused when its endpoint is minted; with the policy's override the attack is
 * shown to succeed, because that is what the override means.
 */
#include "bed.h"

#define LEVELS 3u
#define VICTIM 0u
#define HOSTILE 1u

static void opened(struct bed *bed, enum blanket_root_scoping scoping, uint32_t flags)
{
    struct bed_config config = {.levels = LEVELS, .guests = 2, .seed = 77};

    config.scoping = scoping;
    config.mint_flags = flags;
    assert_int_equal(bed_open(bed, &config), 0);
}

static void closed(struct bed *bed)
{
    assert_int_equal(bed_close(bed), 0);
}

/* The hostile guest's backend finds the victim's reference in the hostile guest's ring, and maps it. */
static int map_what_the_ring_says(struct bed *bed, uint32_t reference, void **address)
{
    return blanket_root_map(bed->root, bed->devices[HOSTILE].peer.endpoint, reference, BED_RW,
                            address);
}

static void a_siblings_reference_in_my_ring(void **state)
{
    struct bed bed;
    uint64_t frame;
    uint32_t reference, other;
    void *address;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    frame = bed_page(&bed, VICTIM, 0x5e);
    reference = bed_granted(&bed, VICTIM, 3, 1, frame, BED_RW);
    assert_int_equal(map_what_the_ring_says(&bed, reference, &address), -BLANKET_ENOENT);
    for (other = 0; other < 4096; other++) {
        assert_int_not_equal(map_what_the_ring_says(&bed, other, &address), 0);
    }
    closed(&bed);
}

static void scoped_by_domid_a_second_owner_is_refused(void **state)
{
    struct bed bed;
    struct bed_config config = {.levels = LEVELS,
                                .guests = 2,
                                .seed = 78,
                                .unminted = 1,
                                .scoping = BLANKET_ROOT_SCOPE_DOMID};
    uint64_t hash;

    (void)state;
    assert_int_equal(bed_open(&bed, &config), 0);
    assert_int_equal(bed_mint(&bed, VICTIM, BLANKET_RIGHTS_ALL, NULL), 0);
    hash = blanket_level_hash(blanket_sim_level(bed.sim, LEVELS - 1));
    assert_int_equal(bed_mint(&bed, HOSTILE, BLANKET_RIGHTS_ALL, NULL), -BLANKET_EPERM);
    assert_true(blanket_level_hash(blanket_sim_level(bed.sim, LEVELS - 1)) == hash);
    assert_true(blanket_sim_reasons(bed.sim, LEVELS - 1, BLANKET_REASON_SCOPE) > 0);
    /* Only the override that there is overrides: not another bit. */
    bed.config.mint_flags = ~BLANKET_MINT_SHARE_SCOPE;
    assert_int_equal(bed_mint(&bed, HOSTILE, BLANKET_RIGHTS_ALL, NULL), -BLANKET_EINVAL);
    bed.config.mint_flags = 0;
    /* The first owner may have more of them. When it has gone, another may have one. */
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(blanket_sim_stop(bed.sim, bed_guest(&bed, VICTIM)), 0);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    assert_int_equal(bed_mint(&bed, HOSTILE, BLANKET_RIGHTS_ALL, NULL), 0);
    closed(&bed);
}

static void with_the_override_the_attack_succeeds(void **state)
{
    struct bed bed;
    uint32_t reference;
    uint8_t *address;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_DOMID, BLANKET_MINT_SHARE_SCOPE);
    reference = bed_granted(&bed, VICTIM, 3, 1, bed_page(&bed, VICTIM, 0x5e), BED_RW);
    assert_int_equal(map_what_the_ring_says(&bed, reference, (void **)&address), 0);
    assert_int_equal(*address, 0x5e);
    assert_int_equal(blanket_root_unmap(bed.root, bed.devices[HOSTILE].peer.endpoint, address), 0);
    closed(&bed);
}

/* The hostile guest binds to a port that the victim's backend made for the victim. */
static int bind_to_the_victims_port(struct bed *bed)
{
    uint64_t result = bed_peer_op(bed, VICTIM, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1,
                                  bed_port(4, 1));
    int status;

    assert_int_equal(bed_status(result), 0);
    status = bed_status(bed_op(bed, HOSTILE, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2,
                               bed_port(0, 1), bed_peer_port(blanket_result_value(result))));
    if (!status) {
        assert_int_equal(
            bed_status(bed_op(bed, HOSTILE, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(0, 1))), 0);
    }
    bed->devices[VICTIM].peer_ports[4] = 1;
    return status;
}

static void a_siblings_port(void **state)
{
    struct bed bed;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    assert_int_equal(bind_to_the_victims_port(&bed), -BLANKET_ENOENT);
    assert_int_equal(bed.devices[VICTIM].peer_events[4], 0);
    closed(&bed);
    opened(&bed, BLANKET_ROOT_SCOPE_DOMID, BLANKET_MINT_SHARE_SCOPE);
    assert_int_equal(bind_to_the_victims_port(&bed), 0);
    assert_true(bed.devices[VICTIM].peer_events[4] > 0);
    closed(&bed);
}

/* --- handles --- */

static uint64_t derive(struct bed *bed, uint32_t guest, uint32_t slot, uint32_t generation)
{
    uint64_t result = bed_op(bed, guest, BLANKET_VERB_ENDPOINT_DERIVE, 5,
                             blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, generation),
                             blanket_item(BLANKET_ITEM_COUNT, 0, BLANKET_RIGHTS_ALL),
                             blanket_item(BLANKET_ITEM_COUNT, 0, 0),
                             blanket_item(BLANKET_ITEM_COUNT, 0, 0),
                             blanket_item(BLANKET_ITEM_COUNT, 0, 0));

    assert_int_equal(bed_status(result), 0);
    return blanket_handle(slot, generation);
}

static int query_status(struct bed *bed, uint32_t guest, uint64_t handle)
{
    struct blanket_wire_endpoint info;
    struct bed_call call = {.endpoint = handle, .reply = &info, .reply_max = sizeof(info)};

    return bed_call(bed, guest, BLANKET_VERB_ENDPOINT_QUERY, &call);
}

/* Missing, foreign, stale and too weak get one answer; the trace has the reason. */
static void stale_and_foreign_endpoints(void **state)
{
    struct bed bed;
    uint64_t handle, slot, hash;
    uint32_t generation;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    handle = derive(&bed, VICTIM, 9, 3);
    hash = blanket_sim_hash(bed.sim);
    assert_int_equal(query_status(&bed, VICTIM, handle), 0);
    assert_int_equal(query_status(&bed, HOSTILE, handle), -BLANKET_EPERM);
    for (slot = 2; slot < 70; slot++) {
        for (generation = 0; generation < 5; generation++) {
            assert_int_equal(
                query_status(&bed, HOSTILE, blanket_handle((uint32_t)slot, generation)),
                -BLANKET_EPERM);
        }
    }
    assert_int_equal(query_status(&bed, HOSTILE, UINT64_MAX), -BLANKET_EPERM);
    assert_int_equal(query_status(&bed, HOSTILE, bed.handles[HOSTILE] + (1ull << 32)),
                     -BLANKET_EPERM);
    assert_int_equal(query_status(&bed, HOSTILE, bed.handles[HOSTILE] - (1ull << 32)),
                     -BLANKET_EPERM);
    /* It can't revoke what isn't its own, either. */
    assert_int_equal(bed_status(bed_op(&bed, HOSTILE, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                                       blanket_item_slot(BLANKET_ITEM_ENDPOINT, 1, 1))),
                     -BLANKET_EPERM);
    assert_true(blanket_sim_hash(bed.sim) == hash);
    /* A handle that was revoked stays dead when its slot is used again. */
    assert_int_equal(bed_status(bed_op(&bed, VICTIM, BLANKET_VERB_ENDPOINT_REVOKE, 1,
                                       blanket_item_slot(BLANKET_ITEM_ENDPOINT, 9, 3))),
                     0);
    assert_int_equal(query_status(&bed, VICTIM, handle), -BLANKET_EPERM);
    assert_int_equal(blanket_sim_settle(bed.sim), 0);
    (void)derive(&bed, VICTIM, 9, 4);
    assert_int_equal(query_status(&bed, VICTIM, handle), -BLANKET_EPERM);
    closed(&bed);
}

/* A guest names another one's frames: it has none of them, whatever number it tries. */
static void a_siblings_frames(void **state)
{
    struct bed bed;
    uint64_t frame, mine, hash;
    uint32_t i;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    frame = bed_page(&bed, VICTIM, 1);
    hash = blanket_sim_hash(bed.sim);
    for (i = 0; i < 4096; i++) {
        if (!blanket_sim_page(bed.sim, bed_guest(&bed, HOSTILE), frame + i)) {
            assert_int_equal(bed_status(bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2,
                                               bed_grant(0, 1), bed_frame(frame + i, BED_RW))),
                             -BLANKET_EPERM);
        }
    }
    assert_true(blanket_sim_hash(bed.sim) == hash);
    /* A page that it gave back is somebody else's. */
    mine = bed_page(&bed, HOSTILE, 2);
    assert_int_equal(blanket_sim_page_free(bed.sim, bed_guest(&bed, HOSTILE), mine), 0);
    assert_int_equal(bed_status(bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(0, 1),
                                       bed_frame(mine, BED_RW))),
                     -BLANKET_EPERM);
    closed(&bed);
}

/* --- revoke in flight --- */

struct in_flight {
    struct bed *bed;
    uint32_t node; /* whose endpoint for what stands on it is revoked */
    uint32_t guest;
    int done;
};

static void revoke_now(void *context)
{
    struct in_flight *f = context;
    uint32_t id;

    if (f->done) {
        return;
    }
    f->done = 1;
    (void)blanket_sim_guest_id(
        f->bed->sim, f->node == LEVELS - 1 ? bed_guest(f->bed, f->guest) : f->node + 1, &id);
    f->done += blanket_endpoint_revoke(blanket_sim_level(f->bed->sim, f->node), id,
                                       f->bed->given[f->guest][f->node]) == 0;
}

/* At each crossing, each level revokes: the guest is told, its page comes back, its sibling goes on. */
static void a_revoke_in_flight(void **state)
{
    uint32_t crossing, node, verb;

    (void)state;
    for (crossing = 0; crossing < LEVELS; crossing++) {
        for (node = 0; node < LEVELS; node++) {
            for (verb = 0; verb < 2; verb++) {
                struct bed bed;
                struct in_flight f = {&bed, node, HOSTILE, 0};
                uint64_t frame, other, result;
                void *address;

                opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
                frame = bed_page(&bed, HOSTILE, 0x61);
                other = bed_page(&bed, VICTIM, 0x62);
                (void)bed_granted(&bed, VICTIM, 0, 1, other, BED_RW);
                bed_connect(&bed, VICTIM, 0, 1);
                assert_int_equal(blanket_sim_between(bed.sim, crossing, revoke_now, &f), 0);
                result = verb == 0 ? bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2,
                                            bed_grant(0, 1), bed_frame(frame, BED_RW))
                                   : bed_op(&bed, HOSTILE, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1,
                                            bed_port(0, 1));
                assert_int_equal(f.done, 2);
                assert_int_equal(blanket_sim_between(bed.sim, crossing, NULL, NULL), 0);
                assert_int_not_equal(bed_status(result), 0);
                assert_int_equal(blanket_sim_settle(bed.sim), 0);
                assert_int_equal(blanket_sim_page_pins(bed.sim, bed_guest(&bed, HOSTILE), frame),
                                 0);
                assert_int_not_equal(blanket_root_map(bed.root, bed.devices[HOSTILE].peer.endpoint,
                                                      bed.devices[HOSTILE].end.grant_base, BED_RW,
                                                      &address),
                                     0);
                result = bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(1, 1),
                                bed_frame(frame, BED_RW));
                assert_int_not_equal(bed_status(result), 0);
                assert_int_equal(blanket_sim_send(bed.sim, bed_guest(&bed, VICTIM), 0,
                                                  bed.handles[VICTIM], bed_port(0, 1)),
                                 0);
                (void)bed_granted(&bed, VICTIM, 1, 1, other, BED_RW);
                closed(&bed);
            }
        }
    }
}

/* --- a level that lies --- */

struct tree {
    struct blanket_root *root;
    struct blanket_sim *sim;
    struct blanket_root_end ends[2], peers[2];
    uint64_t handles[2], given[2][5];
};

#define TREE_HONEST 1u /* levels on level 0 */
#define TREE_LIAR 2u
#define TREE_GUEST 3u /* on the honest one; 4: on the liar */

static void tree_open(struct tree *tree)
{
    static const struct blanket_guest_limits limits = {8, 16, 16, 24, 1};
    const struct blanket_sim_spec nodes[5] = {
        {.parent = BLANKET_SIM_MACHINE, .kind = BLANKET_SIM_LEVEL},
        {.parent = 0, .kind = BLANKET_SIM_LEVEL, .label = 0x21},
        {.parent = 0, .kind = BLANKET_SIM_LEVEL, .label = 0x22},
        {.parent = 1,
         .kind = BLANKET_SIM_GUEST,
         .label = 0x31,
         .vcpus = 1,
         .pages = 16,
         .limits = limits},
        {.parent = 2,
         .kind = BLANKET_SIM_GUEST,
         .label = 0x32,
         .vcpus = 1,
         .pages = 16,
         .limits = limits},
    };
    const struct blanket_sim_config config = {.seed = 5, .node_count = 5, .nodes = nodes};
    const struct blanket_root_limits root = {.domains = 4,
                                             .devices = 4,
                                             .grants = 64,
                                             .mappings = 64,
                                             .ports = 64,
                                             .store_size = 1 << 20};
    uint32_t i;

    assert_int_equal(blanket_sim_create(&config, &tree->sim), 0);
    assert_int_equal(blanket_root_create(&root, BLANKET_ROOT_SCOPE_ENDPOINT, blanket_sim_host_ops(),
                                         tree->sim, &tree->root),
                     0);
    blanket_sim_provider(tree->sim, blanket_root_below(tree->root));
    for (i = 0; i < 2; i++) {
        struct blanket_root_device spec = {.frontend_domid = BED_DOMID,
                                           .type = "vbd",
                                           .handle = i,
                                           .grants = 16,
                                           .mappings = 16,
                                           .ports = 16};
        struct blanket_sim_device device = {.name = i ? "vbd/1" : "vbd/0",
                                            .rights = BLANKET_RIGHTS_ALL};
        struct blanket_root_sink sink;

        assert_int_equal(
            blanket_sim_events(tree->sim, TREE_GUEST + i, 16, &sink, &device.event_base), 0);
        assert_int_equal(blanket_root_device_add(tree->root, &spec, &sink, device.event_base, NULL,
                                                 0, &tree->ends[i], &tree->peers[i]),
                         0);
        device.end = tree->ends[i];
        assert_int_equal(blanket_sim_device(tree->sim, TREE_GUEST + i, &device, &tree->handles[i],
                                            tree->given[i]),
                         0);
    }
}

static int tree_close(struct tree *tree)
{
    int bad;

    blanket_sim_finish(tree->sim);
    blanket_root_destroy(tree->root);
    bad = blanket_sim_destroy(tree->sim);
    return bad;
}

static int saw_guest(void *context, const struct blanket_query *query)
{
    uint64_t *seen = context;

    seen[0] = query->guest_label;
    seen[1] = query->claim;
    return 0;
}

/* A raw call by a level itself to the one below: whatever it likes to say. */
static int lie(struct tree *tree, uint16_t verb, uint64_t endpoint, uint64_t claim, uint64_t *items,
               uint32_t count, uint64_t *result)
{
    struct blanket_below below;
    struct blanket_call call;
    int status;

    assert_int_equal(blanket_sim_below(tree->sim, TREE_LIAR, &below), 0);
    memset(&call, 0, sizeof(call));
    call.verb = verb;
    call.element_count = 1;
    call.element_items = (uint16_t)count;
    call.endpoint = endpoint;
    call.claim = claim;
    call.items = items;
    call.results = result;
    status = below.ops->call(below.context, &call);
    return status ? status : bed_status(*result);
}

static void a_level_that_lies_about_its_callers(void **state)
{
    struct tree tree;
    uint64_t frame, machine, seen[2] = {0, 0}, result = 0, items[2], i;
    struct blanket_below below;
    struct blanket_wire_endpoint info;
    void *address;

    (void)state;
    tree_open(&tree);
    assert_int_equal(blanket_sim_page_alloc(tree.sim, TREE_GUEST, 1, &frame), 0);
    assert_int_equal(blanket_sim_page_machine(tree.sim, TREE_GUEST, frame, &machine), 0);
    assert_int_equal(blanket_sim_hook(tree.sim, 0, saw_guest, seen), 0);
    /* The honest level's device isn't in the liar's table, by name or by handle. */
    assert_int_equal(blanket_sim_below(tree.sim, TREE_LIAR, &below), 0);
    assert_int_equal(blanket_below_lookup(&below, 0, "vbd/0", &info), -BLANKET_ENOENT);
    assert_int_equal(blanket_below_lookup(&below, 0, "vbd/1", &info), 0);
    for (i = 2; i < 16; i++) {
        items[0] = bed_port(0, 1);
        assert_int_equal(lie(&tree, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND,
                             blanket_handle((uint32_t)i, 1), 0x31, items, 1, &result),
                         -BLANKET_EPERM);
    }
    /* It says that the honest level's guest asks. The level below knows who really does. */
    items[0] = bed_port(15, 1);
    assert_int_equal(
        lie(&tree, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, info.endpoint, 0x31, items, 1, &result), 0);
    assert_int_equal(seen[0], 0x22);
    assert_int_equal(seen[1], 0x31);
    assert_int_equal(lie(&tree, BLANKET_VERB_EVTCHN_CLOSE, info.endpoint, 0x31, items, 1, &result),
                     0);
    /* It names frames of the honest level: all numbers that these can have, and the machine's own. */
    items[0] = bed_grant(15, 1);
    for (i = 0; i < 65536; i++) {
        uint64_t number = machine - 32768 + i;

        items[1] = bed_frame(number, BED_RW);
        result = 0;
        if (lie(&tree, BLANKET_VERB_GRANT_ACCESS, info.endpoint, 0x31, items, 2, &result) == 0) {
            /* One of its own: that isn't the victim's page. */
            assert_int_equal(blanket_root_map(tree.root, tree.peers[1].endpoint,
                                              blanket_result_value(result), BED_RW, &address),
                             0);
            assert_true(address != blanket_sim_page(tree.sim, TREE_GUEST, frame));
            assert_int_equal(blanket_root_unmap(tree.root, tree.peers[1].endpoint, address), 0);
            assert_int_equal(
                lie(&tree, BLANKET_VERB_GRANT_END_ACCESS, info.endpoint, 0x31, items, 1, &result),
                0);
            items[0] = bed_grant(15, blanket_item_generation(items[0]) + 1);
        }
    }
    assert_int_equal(tree_close(&tree), 0);
}

/* What is claimed may restrict: a level can be told to refuse what a guest above its caller asks. */
static int deny_claim(void *context, const struct blanket_query *query)
{
    return query->claim == *(uint64_t *)context ? -BLANKET_EPERM : 0;
}

static void a_claim_can_restrict_only(void **state)
{
    struct bed bed;
    uint64_t claim = 0xa0; /* the victim's label, as its own level passes it on */

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    assert_int_equal(blanket_sim_hook(bed.sim, LEVELS - 2, deny_claim, &claim), 0);
    assert_int_equal(
        bed_status(bed_op(&bed, VICTIM, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(0, 1))),
        -BLANKET_EPERM);
    assert_int_equal(
        bed_status(bed_op(&bed, HOSTILE, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(0, 1))), 0);
    closed(&bed);
}

/* --- late, restarted, flooding --- */

/* The hostile guest's create is late; the page becomes the victim's meanwhile. */
static void a_late_create_over_a_siblings_page(void **state)
{
    uint32_t node;

    (void)state;
    for (node = 0; node < LEVELS; node++) {
        struct bed bed;
        uint64_t frame, machine, got, now = 0;
        uint32_t i;
        void *address;

        opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
        frame = bed_page(&bed, HOSTILE, 0x71);
        assert_int_equal(
            blanket_sim_page_machine(bed.sim, bed_guest(&bed, HOSTILE), frame, &machine), 0);
        assert_int_equal(blanket_sim_fault(bed.sim, node, BLANKET_SIM_FAULT_LATE, 0, 1), 0);
        assert_int_equal(bed_status(bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2,
                                           bed_grant(0, 1), bed_frame(frame, BED_RW))),
                         -BLANKET_EIO);
        assert_int_equal(blanket_sim_settle(bed.sim), 0);
        assert_int_equal(blanket_sim_page_free(bed.sim, bed_guest(&bed, HOSTILE), frame), 0);
        for (i = 0; i < 64 && now != machine; i++) {
            got = bed_page(&bed, VICTIM, 0x72);
            assert_int_equal(blanket_sim_page_machine(bed.sim, bed_guest(&bed, VICTIM), got, &now),
                             0);
        }
        assert_int_equal(blanket_sim_late(bed.sim), 1);
        assert_int_not_equal(blanket_root_map(bed.root, bed.devices[HOSTILE].peer.endpoint,
                                              bed.devices[HOSTILE].end.grant_base, BED_RW,
                                              &address),
                             0);
        closed(&bed);
    }
}

static void a_restart_with_everything_open(void **state)
{
    struct bed bed;
    uint64_t frame, old[4];
    uint32_t i, round;
    uint8_t *address[4];

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    bed_connect(&bed, VICTIM, 0, 1);
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 4; i++) {
            frame = bed_page(&bed, HOSTILE, (int)(0x80 + i));
            assert_int_equal(
                blanket_root_map(bed.root, bed.devices[HOSTILE].peer.endpoint,
                                 bed_granted(&bed, HOSTILE, i, round + 1, frame, BED_RW), BED_RW,
                                 (void **)&address[i]),
                0);
            old[i] = frame;
        }
        assert_int_equal(blanket_sim_stop(bed.sim, bed_guest(&bed, HOSTILE)), 0);
        assert_int_equal(blanket_sim_start(bed.sim, bed_guest(&bed, HOSTILE)), 0);
        /* The new life has nothing of the old one, and takes none of its pages. */
        assert_int_equal(query_status(&bed, HOSTILE, bed.handles[HOSTILE]), -BLANKET_EPERM);
        for (i = 0; i < 32; i++) {
            (void)bed_page(&bed, HOSTILE, 0xee);
        }
        for (i = 0; i < 4; i++) {
            assert_int_equal(address[i][0], 0x80 + i);
            assert_int_equal(address[i][4095], 0x80 + i);
            assert_int_equal(
                blanket_root_unmap(bed.root, bed.devices[HOSTILE].peer.endpoint, address[i]), 0);
        }
        (void)old;
        assert_int_equal(blanket_sim_settle(bed.sim), 0);
        assert_int_equal(bed_mint(&bed, HOSTILE, BLANKET_RIGHTS_ALL, NULL), 0);
        assert_int_equal(blanket_sim_send(bed.sim, bed_guest(&bed, VICTIM), 0, bed.handles[VICTIM],
                                          bed_port(0, 1)),
                         0);
        assert_int_equal(blanket_sim_stop(bed.sim, bed_guest(&bed, HOSTILE)), 0);
        assert_int_equal(blanket_sim_settle(bed.sim), 0);
        assert_int_equal(blanket_sim_start(bed.sim, bed_guest(&bed, HOSTILE)), 0);
        assert_int_equal(bed_mint(&bed, HOSTILE, BLANKET_RIGHTS_ALL, NULL), 0);
    }
    closed(&bed);
}

static void count_event(void *context, uint32_t vcpu, uint32_t port)
{
    (void)vcpu;
    (void)port;
    ++*(uint32_t *)context;
}

/* The hostile guest takes all that it can get, and sends for ever: its sibling has what it had. */
static void a_flood(void **state)
{
    struct bed bed;
    uint64_t frame, result;
    uint32_t i, events = 0, port;

    (void)state;
    opened(&bed, BLANKET_ROOT_SCOPE_ENDPOINT, 0);
    bed_connect(&bed, VICTIM, 15, 1);
    port = bed_query(&bed, VICTIM, bed.handles[VICTIM]).port_base + 15;
    (void)blanket_sim_event_take(bed.sim, bed_guest(&bed, VICTIM), port);
    assert_int_equal(
        blanket_sim_event_handler(bed.sim, bed_guest(&bed, VICTIM), count_event, &events), 0);
    frame = bed_page(&bed, HOSTILE, 0x91);
    for (i = 0; i < 40; i++) {
        result = bed_op(&bed, HOSTILE, BLANKET_VERB_GRANT_ACCESS, 2, bed_grant(i, 1),
                        bed_frame(frame, BED_RW));
        assert_int_equal(bed_status(result), i < 16 ? 0 : -BLANKET_ENOSPC);
        assert_true(i < 16 || blanket_result_value(result) == BLANKET_QUOTA_GRANTS);
        result = bed_op(&bed, HOSTILE, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(i, 1));
        assert_int_equal(bed_status(result), i < 16 ? 0 : -BLANKET_ENOSPC);
        assert_true(i < 16 || blanket_result_value(result) == BLANKET_QUOTA_PORTS);
        result = bed_op(
            &bed, HOSTILE, BLANKET_VERB_ENDPOINT_DERIVE, 5,
            blanket_item_slot(BLANKET_ITEM_ENDPOINT, 2 + i, 1),
            blanket_item(BLANKET_ITEM_COUNT, 0, 1), blanket_item(BLANKET_ITEM_COUNT, 0, 0),
            blanket_item(BLANKET_ITEM_COUNT, 0, 0), blanket_item(BLANKET_ITEM_COUNT, 0, 0));
        assert_int_equal(bed_status(result), i < 22 ? 0 : -BLANKET_ENOSPC);
        assert_true(i < 22 || blanket_result_value(result) == BLANKET_QUOTA_ENDPOINTS);
    }
    (void)bed_peer_op(&bed, HOSTILE, BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 2, bed_port(0, 1),
                      bed_peer_port(1));
    for (i = 0; i < 20000; i++) {
        (void)blanket_sim_send(bed.sim, bed_guest(&bed, HOSTILE), 0, bed.handles[HOSTILE],
                               bed_port(i % 16, 1));
    }
    assert_int_equal(events, 0);
    /* The victim's own backend turns on it: one notification until it has looked. */
    for (i = 0; i < 20000; i++) {
        assert_int_equal(
            bed_status(bed_peer_op(&bed, VICTIM, BLANKET_VERB_EVTCHN_SEND, 1, bed_port(15, 1))), 0);
    }
    assert_int_equal(events, 1);
    frame = bed_page(&bed, VICTIM, 0x92);
    for (i = 0; i < 16; i++) {
        (void)bed_granted(&bed, VICTIM, i, 1, frame, BED_RW);
        assert_int_equal(
            bed_status(bed_op(&bed, VICTIM, BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, bed_port(i, 2))),
            i < 15 ? 0 : -BLANKET_EEXIST);
    }
    bed.devices[HOSTILE].peer_ports[0] = 1;
    closed(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_siblings_reference_in_my_ring),
        cmocka_unit_test(scoped_by_domid_a_second_owner_is_refused),
        cmocka_unit_test(with_the_override_the_attack_succeeds),
        cmocka_unit_test(a_siblings_port),
        cmocka_unit_test(stale_and_foreign_endpoints),
        cmocka_unit_test(a_siblings_frames),
        cmocka_unit_test(a_revoke_in_flight),
        cmocka_unit_test(a_level_that_lies_about_its_callers),
        cmocka_unit_test(a_claim_can_restrict_only),
        cmocka_unit_test(a_late_create_over_a_siblings_page),
        cmocka_unit_test(a_restart_with_everything_open),
        cmocka_unit_test(a_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
