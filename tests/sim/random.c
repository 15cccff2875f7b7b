/* SPDX-License-Identifier: MIT */
/*
 * Seeded random simulation against the model. BLANKET_SEED runs one seed, BLANKET_RUNS that many; what
 * fails says which.
 */
#include "model.h"

#define RUNS 60u
#define STEPS 400u

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void levels_do_what_the_model_says(void **state)
{
    uint64_t runs = number_of("BLANKET_RUNS", RUNS), seed = number_of("BLANKET_SEED", 0), i;

    (void)state;
    if (seed) {
        runs = seed;
    }
    for (i = seed ? seed : 1; i <= runs; i++) {
        struct model_source source = {.random = i * 0x9e3779b97f4a7c15ull};

        if (model_run(&source, (uint32_t)i, STEPS)) {
            fail_msg("BLANKET_SEED=%llu", (unsigned long long)i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_do_what_the_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
