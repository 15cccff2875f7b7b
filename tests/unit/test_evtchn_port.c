/* SPDX-License-Identifier: MIT */
/* What is a port's own: roles, mask, vCPU, latching, status, and send by a remembered decision. */
#include "core_fixture.h"

#include "port.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device; /* below's endpoint 0: events 0..15, ports 48..63 */
};

static void init(struct fixture *f)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
}

static struct blanket_slot *slot(struct fixture *f, uint32_t index)
{
    return core_slot(&f->core, f->id, BLANKET_TABLE_PORTS, f->device, index);
}

static int port(struct fixture *f, uint16_t verb, uint32_t index, uint32_t generation)
{
    return core_port(&f->core, f->id, verb, f->device, index, generation);
}

static int send(struct fixture *f, uint32_t index, uint32_t generation)
{
    return blanket_send(f->core.level, f->id, 1, f->device, port_item(index, generation));
}

static int bind_vcpu(struct fixture *f, uint32_t index, uint64_t vcpu)
{
    const uint64_t items[2] = {port_item(index, 1), blanket_item(BLANKET_ITEM_COUNT, 0, vcpu)};

    return core_one(&f->core, f->id, BLANKET_VERB_EVTCHN_BIND_VCPU, f->device, items, 2);
}

static void roles_are_kept_apart(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_STORE_CONNECT, 1, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_STORE_RECEIVE, 0, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_STORE_DISCONNECT, 0, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_CLOSE, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_STATUS, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_SEND, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(send(&f, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_STORE_RECEIVE, 1, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_CLOSE, 16, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_CLOSE, 2, 7), 0); /* a tombstone */
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 2, 7), -BLANKET_ESTALE);
    assert_int_equal(core_value(&f.core, 0), 7);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 2), -BLANKET_EEXIST);
    assert_int_equal(port(&f, BLANKET_VERB_STORE_DISCONNECT, 1, 1), 0);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 1, 2), 0); /* and now a channel */
    core_fini(&f.core);
}

static void masked_events_wait(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_MASK, 0, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_UNMASK, 0, 1), 0);
    assert_int_equal(f.core.notified, 0); /* nothing is pending */
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_MASK, 0, 1), 0);
    blanket_event(f.core.level, 0);
    assert_int_equal(f.core.notified, 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_STATUS, 0, 1), 0);
    assert_int_equal(core_value(&f.core, 0),
                     BLANKET_PORT_STATE_PENDING | BLANKET_PORT_STATE_MASKED);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_UNMASK, 0, 1), 0);
    assert_int_equal(f.core.notified, 1);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_UNMASK, 0, 1), 0);
    assert_int_equal(f.core.notified, 1); /* it wasn't masked */
    f.core.below.value = 0xffffff00u | BLANKET_PORT_STATE_INTERDOMAIN;
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_STATUS, 0, 1), 0);
    assert_int_equal(core_value(&f.core, 0),
                     BLANKET_PORT_STATE_INTERDOMAIN | BLANKET_PORT_STATE_PENDING);
    f.core.below.value = 0;
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_MASK, 0, 2), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_UNMASK, 1, 1), -BLANKET_ENOENT);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_UNMASK, 16, 1), -BLANKET_ENOENT);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_OBJECT);
    assert_int_equal(f.core.below.last_verb, BLANKET_VERB_EVTCHN_STATUS); /* masks are here */
    core_fini(&f.core);
}

static void a_port_has_a_vcpu(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(bind_vcpu(&f, 0, 1), 0);
    blanket_event(f.core.level, 0);
    assert_int_equal(f.core.notified_vcpu, 1);
    assert_int_equal(bind_vcpu(&f, 0, 0), 0); /* pending stays so */
    assert_int_equal(blanket_event_take(f.core.level, f.id, 48), 1);
    blanket_event(f.core.level, 0);
    assert_int_equal(f.core.notified_vcpu, 0);
    assert_int_equal(bind_vcpu(&f, 0, 2), -BLANKET_EINVAL);
    assert_int_equal(bind_vcpu(&f, 0, BLANKET_ITEM_VALUE_MASK), -BLANKET_EINVAL);
    assert_int_equal(bind_vcpu(&f, 0, (uint64_t)1 << 32), -BLANKET_EINVAL);
    assert_int_equal(bind_vcpu(&f, 1, 0), -BLANKET_ENOENT);
    assert_int_equal(core_close(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 2), 0);
    blanket_event(f.core.level, 0);
    assert_int_equal(f.core.notified_vcpu, 0);
    core_fini(&f.core);
}

/* The peer is faster than our own commit. */
static void event_inside(struct core_below *below, struct blanket_call *call)
{
    (void)call;
    blanket_event(below->core->level, 5);
    assert_int_equal(below->core->notified, 0);
}

static void an_event_before_the_commit_is_latched(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    blanket_event(f.core.level, 5); /* of its last life: forgotten */
    f.core.below.inside = event_inside;
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 5, 1), 0);
    f.core.below.inside = NULL;
    assert_int_equal(f.core.notified, 1);
    assert_int_equal(f.core.notified_port, 53);
    assert_int_equal(blanket_event_take(f.core.level, f.id, 53), 1);
    blanket_event(f.core.level, 4);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 4, 1), 0);
    assert_int_equal(f.core.notified, 1);
    core_fini(&f.core);
}

static void a_closing_port_is_silent(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(send(&f, 0, 1), 0);
    f.core.below.busy = 1;
    assert_int_equal(core_close(&f.core, f.id, f.device, 0, 1), -BLANKET_EBUSY);
    f.core.below.busy = 0;
    f.core.below.sends = 0;
    blanket_event(f.core.level, 0);
    assert_int_equal(f.core.notified, 0);
    assert_int_equal(send(&f, 0, 1), -BLANKET_ENOENT);
    assert_int_equal(f.core.below.sends, 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_MASK, 0, 1), -BLANKET_ENOENT);
    assert_int_equal(core_work(&f.core, 10), 0);
    core_fini(&f.core);
}

/* --- send --- */

static void the_decision_is_remembered_with_its_epoch(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    f.core.hooks = 0;
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(f.core.hooks, 1);
    assert_int_equal(f.core.query.verb, BLANKET_VERB_EVTCHN_SEND);
    assert_int_equal(f.core.query.rebind, 0); /* nothing was remembered yet */
    assert_true(f.core.query_items[0] == port_item(0, 1));
    assert_true(f.core.below.last_sent == port_item(0, 1));
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(f.core.hooks, 1);
    blanket_policy_changed(f.core.level);
    f.core.hook_status = -BLANKET_EPERM;
    assert_int_equal(send(&f, 0, 1), -BLANKET_EPERM);
    assert_int_equal(f.core.query.rebind, 1);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_HOOK);
    assert_int_equal(send(&f, 0, 1), -BLANKET_EPERM);
    assert_int_equal(f.core.below.sends, 2);
    f.core.hook_status = 0;
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(f.core.hooks, 4);
    /* Another life of the slot is another port. */
    assert_int_equal(core_close(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 2), 0);
    assert_int_equal(send(&f, 0, 1), -BLANKET_ENOENT);
    f.core.hooks = 0;
    assert_int_equal(send(&f, 0, 2), 0);
    assert_int_equal(f.core.hooks, 1);
    assert_int_equal(f.core.query.rebind, 0);
    assert_true(f.core.below.last_sent == port_item(0, 2));
    core_fini(&f.core);
}

/* The policy changes while it is asked: what it said holds for this one only. */
static void change_policy(struct core *core)
{
    core->hooked = NULL;
    blanket_policy_changed(core->level);
}

static void a_change_during_the_hook_asks_again(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    f.core.hooked = change_policy;
    f.core.hooks = 0;
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(f.core.hooks, 2);
    assert_int_equal(send(&f, 0, 1), 0);
    assert_int_equal(f.core.hooks, 2);
    core_fini(&f.core);
}

/* The port goes while the policy is asked. */
static void close_it(struct core *core)
{
    struct blanket_request request;

    core->hooked = NULL;
    memset(&request, 0, sizeof(request));
    request.level = core->level;
    request.endpoint = core_endpoint(core, 0, 1);
    blanket_object_abandon(&request, core_slot(core, 0, BLANKET_TABLE_PORTS, 1, 0));
    blanket_object_settle(&request, BLANKET_TABLE_PORTS);
    blanket_guest_kick(core->level, &core->level->guests[0], 1);
}

static void a_port_that_goes_during_the_hook(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    f.core.hooked = close_it;
    assert_int_equal(send(&f, 0, 1), -BLANKET_ENOENT);
    assert_true(slot(&f, 0)->u.send == 0);
    assert_int_equal(f.core.below.sends, 0);
    assert_int_equal(f.core.trace.reason, BLANKET_REASON_OBJECT);
    core_fini(&f.core);
}

static void what_a_below_answers_to_a_send(void **state)
{
    static const struct {
        int said, told;
        uint8_t reason;
    } cases[] = {
        {-BLANKET_ENOTCONN, -BLANKET_ENOTCONN, BLANKET_REASON_BELOW},
        {-BLANKET_EIO, -BLANKET_EIO, BLANKET_REASON_LOST},
        {7, -BLANKET_EIO, BLANKET_REASON_LOST},
        {-9999, -BLANKET_EIO, BLANKET_REASON_LOST},
    };
    struct fixture f;
    struct blanket_level_stats stats;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f.core.below.send_status = cases[i].said;
        assert_int_equal(send(&f, 0, 1), cases[i].told);
        assert_int_equal(f.core.trace.reason, cases[i].reason);
        assert_int_equal(f.core.trace.status, cases[i].told);
    }
    blanket_level_stats(f.core.level, &stats);
    assert_int_equal(stats.lost, 3);
    f.core.below.send_status = 0;
    core_fini(&f.core);
}

static void what_cant_be_sent_on(void **state)
{
    struct fixture f;
    const uint64_t wrong[] = {grant_item(0, 1), port_item(0, 1) | (uint64_t)1 << 48,
                              blanket_item(BLANKET_ITEM_PORT, RW, 1 << 16)};

    (void)state;
    init(&f);
    assert_int_equal(send(&f, 16, 1), -BLANKET_ENOENT);
    assert_int_equal(send(&f, 0, 0), -BLANKET_ENOENT);
    assert_int_equal(send(&f, 0, 1), -BLANKET_ENOENT);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(blanket_send(f.core.level, f.id, 0, f.device, wrong[i]), -BLANKET_EINVAL);
        assert_int_equal(f.core.trace.reason, BLANKET_REASON_MALFORMED);
    }
    assert_int_equal(blanket_send(f.core.level, f.id, 0, blanket_handle(9, 1), port_item(0, 1)),
                     -BLANKET_EPERM);
    assert_int_equal(blanket_send(f.core.level, f.id, 2, f.device, port_item(0, 1)),
                     -BLANKET_EPERM);
    assert_int_equal(blanket_send(f.core.level, 2, 0, f.device, port_item(0, 1)), -BLANKET_EPERM);
    assert_int_equal(f.core.below.sends, 0);
    core_fini(&f.core);
}

static void the_call_form_sends_too(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_int_equal(core_alloc(&f.core, f.id, f.device, 0, 1), 0);
    assert_int_equal(port(&f, BLANKET_VERB_EVTCHN_SEND, 0, 1), 0);
    assert_int_equal(f.core.below.last_verb, BLANKET_VERB_EVTCHN_SEND);
    core_fini(&f.core);
}

static void status_of_what_went(void **state)
{
    struct fixture f;
    struct blanket_request request;
    struct blanket_reach reach;

    (void)state;
    init(&f);
    memset(&request, 0, sizeof(request));
    request.level = f.core.level;
    request.guest = &f.core.level->guests[f.id];
    request.endpoint = core_endpoint(&f.core, f.id, f.device);
    request.endpoint_index = (uint32_t)f.device;
    /* Closed while the below was asked: what it said, cut to its own bits. */
    reach = blanket_object_reach(&request, BLANKET_TABLE_PORTS);
    assert_int_equal(blanket_evtchn_status(&reach, port_item(0, 1), 0x12345602), 2);
    core_fini(&f.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_kept_apart),
        cmocka_unit_test(masked_events_wait),
        cmocka_unit_test(a_port_has_a_vcpu),
        cmocka_unit_test(an_event_before_the_commit_is_latched),
        cmocka_unit_test(a_closing_port_is_silent),
        cmocka_unit_test(the_decision_is_remembered_with_its_epoch),
        cmocka_unit_test(a_change_during_the_hook_asks_again),
        cmocka_unit_test(a_port_that_goes_during_the_hook),
        cmocka_unit_test(what_a_below_answers_to_a_send),
        cmocka_unit_test(what_cant_be_sent_on),
        cmocka_unit_test(the_call_form_sends_too),
        cmocka_unit_test(status_of_what_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
