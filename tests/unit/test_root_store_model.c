/* SPDX-License-Identifier: MIT */
/* The provider's xenstore and its model (root_store_model.h), with random requests from a seed. */
#include "root_store_model.h"

static uint64_t seed;

static uint32_t pick(uint32_t count)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % count;
}

static void model_run(uint64_t start, uint32_t steps, uint64_t totals[4])
{
    struct pair *pair;

    seed = start * 0x9e3779b97f4a7c15u + 1;
    pair = pair_open();
    for (uint32_t i = 0; i < steps; i++) {
        step(pair);
        if (i % 500 == 0) {
            assert_true(blanket_root_store_check(pair->store));
        }
    }
    totals[0] += pair->committed;
    totals[1] += pair->conflicted;
    totals[2] += pair->event_count;
    totals[3] += pair->denied;
    pair_close(pair);
}

/* BLANKET_TEST_SEED and BLANKET_TEST_STEPS replay a run or make longer ones. */
static void test_model(void **state)
{
    const char *from = getenv("BLANKET_TEST_SEED");
    const char *length = getenv("BLANKET_TEST_STEPS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 10) : 1;
    uint64_t last = from != NULL ? first : 12;
    uint32_t steps = length != NULL ? (uint32_t)strtoul(length, NULL, 10) : 2000;
    uint64_t totals[4] = {0};

    (void)state;
    for (uint64_t start = first; start <= last; start++) {
        print_message("seed %llu, %u steps\n", (unsigned long long)start, steps);
        model_run(start, steps, totals);
    }
    print_message("%llu commits, %llu conflicts, %llu events, %llu denials\n",
                  (unsigned long long)totals[0], (unsigned long long)totals[1],
                  (unsigned long long)totals[2], (unsigned long long)totals[3]);
    assert_true(totals[0] > 0);
    assert_true(totals[1] > 0);
    assert_true(totals[2] > 0);
    assert_true(totals[3] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
