/* SPDX-License-Identifier: MIT */
/* An element's object: from the caller's name to the below's, charged, and let go exactly once. */
#include "core_fixture.h"

#include "object.h"
#include "verbs.h"

struct fixture {
    struct core core;
    uint32_t id;
    uint64_t device;
    struct blanket_request request;
};

static void init(struct fixture *f, uint16_t verb)
{
    core_init(&f->core);
    f->id = core_attach(&f->core, 0);
    f->device = core_mint(&f->core, f->id, 0, "vbd/1");
    memset(&f->request, 0, sizeof(f->request));
    f->request.level = f->core.level;
    f->request.guest = &f->core.level->guests[f->id];
    f->request.guest_id = f->id;
    f->request.context = &f->core.level->contexts[0];
    f->request.endpoint_index = (uint32_t)f->device;
    f->request.endpoint = core_endpoint(&f->core, f->id, f->device);
    f->request.verb = blanket_verb_find(verb);
    memset(f->request.context->elements, 0, sizeof(f->request.context->elements));
}

static void fini(struct fixture *f)
{
    core_fini(&f->core);
}

/* One element's calls, as a batch of one has them. */
static int find(struct fixture *f, enum blanket_table_kind kind, uint64_t item, uint32_t *place)
{
    const struct blanket_reach reach = blanket_object_reach(&f->request, kind);

    return blanket_object_find(&reach, item, place);
}

static int reserve(struct fixture *f, uint32_t element, enum blanket_table_kind kind, uint64_t item,
                   uint32_t *value)
{
    const struct blanket_reach reach = blanket_object_reach(&f->request, kind);
    int rc = blanket_object_reserve(&f->request, &reach, &f->request.context->elements[element],
                                    item);

    *value = blanket_object_refusal(&reach, item, rc);
    blanket_object_settle(&f->request, kind);
    return rc;
}

static int close_object(struct fixture *f, uint32_t element, enum blanket_table_kind kind,
                        uint64_t item)
{
    const struct blanket_reach reach = blanket_object_reach(&f->request, kind);
    int rc = blanket_object_close(&f->request, &reach, &f->request.context->elements[element],
                                  item);

    blanket_object_settle(&f->request, kind);
    return rc;
}

static enum blanket_slot_state commit(struct fixture *f, uint32_t element,
                                      enum blanket_table_kind kind, enum blanket_outcome outcome,
                                      int live)
{
    const struct blanket_reach reach = blanket_object_reach(&f->request, kind);
    enum blanket_slot_state state = blanket_object_commit(
        &f->request, &reach, &f->request.context->elements[element], outcome, live);

    blanket_object_settle(&f->request, kind);
    return state;
}

static uint32_t used(struct fixture *f)
{
    return f->request.endpoint->used[BLANKET_TABLE_GRANTS];
}

/* Element 0's page as the host would have pinned it. */
static void pin(struct fixture *f)
{
    struct blanket_element *element = &f->request.context->elements[0];

    element->use = BLANKET_USE_READ;
    assert_int_equal(
        f->core.ops.pin(&f->core, &f->core.guests[0], frame_item(7, RW), RW, &element->page), 0);
}

static void a_create_lives_and_is_released_once(void **state)
{
    struct fixture f;
    const uint64_t item = grant_item(2, 1);
    uint32_t value = 9, place = 0;
    struct blanket_reach reach;

    (void)state;
    init(&f, BLANKET_VERB_GRANT_ACCESS);
    assert_int_equal(find(&f, BLANKET_TABLE_GRANTS, item, &place), -BLANKET_ENOENT);
    assert_int_equal(reserve(&f, 0, BLANKET_TABLE_GRANTS, item, &value), 0);
    assert_int_equal(used(&f), 1);
    assert_int_equal(reserve(&f, 1, BLANKET_TABLE_GRANTS, item, &value), -BLANKET_EEXIST);
    assert_int_equal(value, 0);
    pin(&f);
    assert_int_equal(commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1), BLANKET_SLOT_LIVE);
    assert_int_equal(find(&f, BLANKET_TABLE_GRANTS, item, &place), 0);
    reach = blanket_object_reach(&f.request, BLANKET_TABLE_GRANTS);
    assert_true(blanket_object_below(&reach, item, place) == grant_item(2, 1));
    core_check(&f.core);
    assert_int_equal(close_object(&f, 0, BLANKET_TABLE_GRANTS, item), 1);
    assert_int_equal(f.request.endpoint->closing, 1);
    assert_int_equal(close_object(&f, 1, BLANKET_TABLE_GRANTS, item), 1);
    assert_int_equal(f.request.endpoint->closing, 1);
    assert_int_equal(commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_REFUSED, 1),
                     BLANKET_SLOT_CLOSING);
    assert_int_equal(commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1), BLANKET_SLOT_FREE);
    /* The other one that was destroying it comes late. */
    assert_int_equal(commit(&f, 1, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1), BLANKET_SLOT_FREE);
    assert_int_equal(f.core.unpins, 1);
    assert_int_equal(used(&f), 0);
    fini(&f);
}

/* The late one finds the slot's next life, closing too: not its to release. */
static void a_late_destroy_leaves_the_next_life_alone(void **state)
{
    struct fixture f;
    uint32_t value;

    (void)state;
    init(&f, BLANKET_VERB_GRANT_ACCESS);
    assert_int_equal(reserve(&f, 0, BLANKET_TABLE_GRANTS, grant_item(2, 1), &value), 0);
    (void)commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1);
    assert_int_equal(close_object(&f, 0, BLANKET_TABLE_GRANTS, grant_item(2, 1)), 1);
    f.request.context->elements[1] = f.request.context->elements[0];
    (void)commit(&f, 1, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1);
    assert_int_equal(reserve(&f, 2, BLANKET_TABLE_GRANTS, grant_item(2, 2), &value), 0);
    assert_int_equal(commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1),
                     BLANKET_SLOT_RESERVED);
    assert_int_equal(commit(&f, 2, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_UNKNOWN, 1),
                     BLANKET_SLOT_CLOSING);
    assert_int_equal(commit(&f, 0, BLANKET_TABLE_GRANTS, BLANKET_OUTCOME_OK, 1),
                     BLANKET_SLOT_CLOSING);
    assert_int_equal(used(&f), 1);
    blanket_guest_kick(f.core.level, f.request.guest, 1);
    fini(&f);
}

static void what_is_refused_or_dead_or_spent(void **state)
{
    struct fixture f;
    const uint64_t item = mapping_item(0, 3);
    const uint32_t kind = BLANKET_TABLE_MAPPINGS;
    uint32_t value;

    (void)state;
    init(&f, BLANKET_VERB_GRANT_COPY);
    assert_int_equal(reserve(&f, 0, kind, item, &value), 0);
    pin(&f);
    assert_int_equal(commit(&f, 0, kind, BLANKET_OUTCOME_REFUSED, 1), BLANKET_SLOT_FREE);
    assert_int_equal(f.core.unpins, 1);
    core_check(&f.core);
    /* A copy is over when it is done, whatever became of the endpoint. */
    f.request.context->elements[0].use = 0;
    assert_int_equal(reserve(&f, 0, kind, item, &value), 0);
    pin(&f);
    assert_int_equal(commit(&f, 0, kind, BLANKET_OUTCOME_OK, 0), BLANKET_SLOT_FREE);
    assert_int_equal(f.core.unpins, 2);
    core_check(&f.core);
    assert_int_equal(reserve(&f, 0, kind, item, &value), -BLANKET_ESTALE);
    assert_int_equal(value, 3);
    /* A map whose endpoint died meanwhile. */
    f.request.verb = blanket_verb_find(BLANKET_VERB_GRANT_MAP);
    assert_int_equal(reserve(&f, 0, kind, mapping_item(0, 4), &value), 0);
    pin(&f);
    assert_int_equal(commit(&f, 0, kind, BLANKET_OUTCOME_OK, 0), BLANKET_SLOT_CLOSING);
    assert_int_equal(f.core.unpins, 2);
    core_check(&f.core);
    blanket_guest_kick(f.core.level, f.request.guest, 1);
    fini(&f);
}

static void what_isnt_there(void **state)
{
    static const uint8_t quotas[] = {BLANKET_QUOTA_GRANTS, BLANKET_QUOTA_MAPPINGS,
                                     BLANKET_QUOTA_PORTS};
    struct fixture f;
    uint32_t value, place;

    (void)state;
    init(&f, BLANKET_VERB_GRANT_ACCESS);
    for (uint32_t kind = 0; kind < BLANKET_TABLE_COUNT; kind++) {
        const uint64_t item = blanket_item_slot(BLANKET_ITEM_GRANT + kind, 16, 1);

        assert_int_equal(reserve(&f, 0, kind, item, &value), -BLANKET_ENOSPC);
        assert_int_equal(value, quotas[kind]);
        assert_int_equal(close_object(&f, 0, kind, item), -BLANKET_ENOENT);
        assert_int_equal(find(&f, kind, item, &place), -BLANKET_ENOENT);
    }
    assert_int_equal(close_object(&f, 0, BLANKET_TABLE_GRANTS, grant_item(0, 5)), 0);
    assert_int_equal(reserve(&f, 0, BLANKET_TABLE_GRANTS, grant_item(0, 5), &value),
                     -BLANKET_ESTALE);
    assert_int_equal(value, 5);
    fini(&f);
}

/* Its value is "what must be exceeded": nothing can. */
static void a_slot_that_ran_out_below_says_so(void **state)
{
    struct fixture f;
    uint32_t value = 0;

    (void)state;
    init(&f, BLANKET_VERB_GRANT_ACCESS);
    core_slot(&f.core, f.id, BLANKET_TABLE_GRANTS, f.device, 0)->below_generation = UINT32_MAX;
    assert_int_equal(reserve(&f, 0, BLANKET_TABLE_GRANTS, grant_item(0, 1), &value),
                     -BLANKET_ESTALE);
    assert_int_equal(value, UINT32_MAX);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_create_lives_and_is_released_once),
        cmocka_unit_test(a_late_destroy_leaves_the_next_life_alone),
        cmocka_unit_test(what_is_refused_or_dead_or_spent),
        cmocka_unit_test(what_isnt_there),
        cmocka_unit_test(a_slot_that_ran_out_below_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
