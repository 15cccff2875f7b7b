/* SPDX-License-Identifier: MIT */
/* Names for people. */
#include "core_fixture.h"

#include "verbs.h"

static void every_value_has_one(void **state)
{
    uint32_t named = 0;

    (void)state;
    for (uint32_t verb = 0; verb <= UINT16_MAX; verb++) {
        int known = blanket_verb_find((uint16_t)verb) != NULL;

        assert_int_equal(strcmp(blanket_verb_name((uint16_t)verb), "?") != 0, known);
        named += known;
    }
    assert_int_equal(named, 29);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(strcmp(blanket_right_name(i), "?") != 0, i < BLANKET_RIGHT_COUNT);
        assert_int_equal(strcmp(blanket_quota_name(i), "?") != 0, i < BLANKET_QUOTA_COUNT);
        assert_int_equal(strcmp(blanket_reason_name(i), "?") != 0, i < BLANKET_REASON_COUNT);
    }
    assert_string_equal(blanket_verb_name(BLANKET_VERB_GRANT_ACCESS), "GRANT_ACCESS");
    assert_string_equal(blanket_right_name(BLANKET_RIGHT_EVTCHN_SEND), "evtchn-send");
    assert_string_equal(blanket_quota_name(BLANKET_QUOTA_GRANTS), "grants");
    assert_string_equal(blanket_reason_name(BLANKET_REASON_HOOK), "policy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
