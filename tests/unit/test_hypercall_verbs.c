/* SPDX-License-Identifier: MIT */
/* The one table of verbs. */
#include "core_fixture.h"

#include "check.h"
#include "verbs.h"

/* Which of the items from `at` on is the one of such a type; 0: none. There is never a second. */
static uint32_t find(const struct blanket_verb_info *info, uint32_t at, unsigned first,
                     unsigned last)
{
    uint32_t found = 0;

    for (; at < info->item_count; at++) {
        if (info->items[at].type >= first && info->items[at].type <= last) {
            assert_int_equal(found, 0);
            found = at;
        }
    }
    return found;
}

static void the_number_tells_what_it_is(void **state)
{
    uint32_t known = 0;

    (void)state;
    for (uint32_t verb = 0; verb <= UINT16_MAX; verb++) {
        const struct blanket_verb_info *info = blanket_verb_find((uint16_t)verb);
        unsigned effect = blanket_verb_effect((uint16_t)verb);

        if (!info) {
            continue;
        }
        known++;
        assert_int_equal(info->verb, verb);
        assert_true(info->item_count <= BLANKET_VERB_ITEMS_MAX);
        assert_true(blanket_verb_right((uint16_t)verb) < BLANKET_RIGHT_COUNT);
        assert_int_equal((info->flags & BLANKET_VERB_STORE) != 0,
                         verb >> 12 == BLANKET_ROOM_XENSTORE);
        /* What is created or destroyed is the first item, and a slot. */
        if (effect == BLANKET_EFFECT_CREATE || effect == BLANKET_EFFECT_DESTROY) {
            assert_true(info->items[0].type >= BLANKET_ITEM_GRANT &&
                        info->items[0].type <= BLANKET_ITEM_ENDPOINT);
        }
        assert_int_equal(info->page, find(info, 1, BLANKET_ITEM_FRAME, BLANKET_ITEM_FRAME));
        assert_int_equal(info->other, find(info, 1, BLANKET_ITEM_GRANT, BLANKET_ITEM_PORT));
        for (uint32_t at = 0; at < BLANKET_VERB_ITEMS_MAX; at++) {
            assert_int_equal(info->items[at].type != 0, at < info->item_count);
        }
    }
    assert_int_equal(known, 29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_tells_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
