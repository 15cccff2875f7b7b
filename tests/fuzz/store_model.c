/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore, against the model of the unit tests: the bytes are what four domains ask for.
 * Every reply, event and list must be the same as the model's, and the store, walked from end to end, must
 * hold together. A difference ends the program, as a crash.
 */
#define STORE_MODEL_NODES                                                                          \
    128 /* there are no more paths: of 4 names, with 2, 3, 3 and 3 to choose from */
#include "root_store_model.h"

#define STEPS_MAX 600u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *bytes;
static size_t left;

/* 0 when they are used up. */
static uint32_t pick(uint32_t count)
{
    if (left == 0) {
        return 0;
    }
    left--;
    return *bytes++ % count;
}

static void run(void)
{
    struct pair *pair = pair_open();

    for (uint32_t steps = 1; left != 0 && steps <= STEPS_MAX; steps++) {
        step(pair);
        if (steps % 16 == 0) {
            assert_true(blanket_root_store_check(pair->store));
        }
    }
    pair_close(pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes = data;
    left = size;
    if (setjmp(tiny_end) != 0) {
        abort(); /* what differs has been said */
    }
    run();
    return 0;
}
