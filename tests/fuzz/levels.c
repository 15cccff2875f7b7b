/* SPDX-License-Identifier: MIT */
/*
 * Stateful: the bytes are what 4 guests on 3 levels, their peers and policies do, step by step, against
 * the model of tests/sim.
 */
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_source source = {.data = data, .size = size};

    if (size > 4096) {
        return 0;
    }
    if (model_run(&source, 1, 1000)) {
        abort();
    }
    return 0;
}
