/* SPDX-License-Identifier: MIT */
/* What counts as an answer from a host or a below. */
#include "core_fixture.h"

#include <limits.h>

static int is_named(int status)
{
    static const int named[] = {
        BLANKET_EPERM,    BLANKET_ENOENT,     BLANKET_E2BIG,    BLANKET_EAGAIN,
        BLANKET_ENOMEM,   BLANKET_EFAULT,     BLANKET_EBUSY,    BLANKET_EEXIST,
        BLANKET_EINVAL,   BLANKET_ENOSPC,     BLANKET_ENOSYS,   BLANKET_EOVERFLOW,
        BLANKET_EMSGSIZE, BLANKET_EOPNOTSUPP, BLANKET_ENOTCONN, BLANKET_ESTALE,
    };

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (status == -named[i]) {
            return 1;
        }
    }
    return status == 0;
}

static void every_number_is_judged(void **state)
{
    (void)state;
    for (int status = -10000; status <= 10000; status++) {
        assert_int_equal(blanket_errno_is_answer(status), is_named(status));
    }
}

/* Negating the smallest int is undefined: a below could stop a 32-bit level with it. */
static void the_ends_of_int_are_no_answers(void **state)
{
    (void)state;
    assert_int_equal(blanket_errno_is_answer(INT_MIN), 0);
    assert_int_equal(blanket_errno_is_answer(INT_MIN + 1), 0);
    assert_int_equal(blanket_errno_is_answer(INT_MAX), 0);
    assert_int_equal(blanket_errno_is_answer(-BLANKET_EIO), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_judged),
        cmocka_unit_test(the_ends_of_int_are_no_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
