/* SPDX-License-Identifier: MIT */
/* The one table of verbs. */
#include "core_fixture.h"

#include <blanket/xenstore.h>

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

/* What serves the store checks a call once more, and from a table of its own: they say the same. */
static void the_store_knows_the_same_shapes(void **state)
{
    uint64_t items[BLANKET_VERB_ITEMS_MAX + 1], result;
    uint8_t data[8];

    (void)state;
    for (uint32_t verb = 0; verb <= UINT16_MAX; verb++) {
        const struct blanket_verb_info *info = blanket_verb_find((uint16_t)verb);
        struct blanket_call call = {.verb = (uint16_t)verb,
                                    .element_count = 1,
                                    .items = items,
                                    .results = &result,
                                    .payload = data,
                                    .reply = data};

        if (!info || !(info->flags & BLANKET_VERB_STORE)) {
            assert_int_equal(blanket_store_call_check(&call), -BLANKET_ENOSYS);
            continue;
        }
        assert_int_equal(info->flags & BLANKET_VERB_BATCH, 0);
        for (uint32_t at = 0; at < info->item_count; at++) {
            assert_int_equal(info->items[at].access, 0);
            items[at] = blanket_item(info->items[at].type, 0, 7);
        }
        call.element_items = info->item_count;
        assert_int_equal(blanket_store_call_check(&call), 0);
        for (uint32_t at = 0; at < info->item_count; at++) {
            for (uint64_t head = 0; head <= UINT16_MAX; head++) {
                items[at] = head << 48;
                assert_int_equal(blanket_store_call_check(&call),
                                 head == (uint64_t)info->items[at].type << 8 ? 0 : -BLANKET_EINVAL);
            }
            items[at] = blanket_item(info->items[at].type, 0, 7);
        }
        call.payload_size = sizeof(data);
        assert_int_equal(blanket_store_call_check(&call) == 0,
                         (info->flags & BLANKET_VERB_PAYLOAD) != 0);
        call.payload = NULL;
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
        call.payload_size = 0;
        assert_int_equal(blanket_store_call_check(&call), 0);
        call.reply_max = 1;
        assert_int_equal(blanket_store_call_check(&call), 0);
        call.reply = NULL;
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
        call.reply_max = 0;
        call.element_count = 2;
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
        call.element_count = 1;
        call.element_items++;
        items[info->item_count] = items[0];
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
        call.element_items = (uint16_t)(info->item_count - 1);
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
        call.element_items = info->item_count;
        call.results = NULL;
        assert_int_equal(blanket_store_call_check(&call), -BLANKET_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_tells_what_it_is),
        cmocka_unit_test(the_store_knows_the_same_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
