/* SPDX-License-Identifier: MIT */
/* What is live now and was at most. */
#include "core_fixture.h"

static void the_peak_stays(void **state)
{
    struct core core;
    struct blanket_level_stats stats;

    (void)state;
    core_init(&core);
    blanket_count_used(core.level, BLANKET_TABLE_MAPPINGS, 1);
    blanket_count_used(core.level, BLANKET_TABLE_MAPPINGS, 1);
    blanket_count_used(core.level, BLANKET_TABLE_MAPPINGS, -1);
    blanket_count_used(core.level, BLANKET_TABLE_MAPPINGS, 1); /* as high as before: no new peak */
    blanket_count_endpoints(core.level, 1);
    blanket_count_endpoints(core.level, -1);
    blanket_level_stats(core.level, &stats);
    assert_int_equal(stats.mappings, 2);
    assert_int_equal(stats.mappings_peak, 2);
    assert_int_equal(stats.grants_peak + stats.ports_peak, 0);
    assert_int_equal(stats.endpoints, 0);
    assert_int_equal(stats.endpoints_peak, 1);
    blanket_count_used(core.level, BLANKET_TABLE_MAPPINGS, -2);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peak_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
