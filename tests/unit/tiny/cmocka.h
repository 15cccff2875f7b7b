/* SPDX-License-Identifier: MIT */
/*
 * The part of cmocka's interface that blanket's tests use, where there is no cmocka: in 32-bit builds,
 * where the distribution's is 64-bit. No mocks. Written for this; it shares no code with cmocka.
 */
#ifndef BLANKET_TINY_CMOCKA_H
#define BLANKET_TINY_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

/* One test program is one file: its own copy of these is what it needs. */
static jmp_buf tiny_end;
static const int tiny_failed = 1;
static const int tiny_skipped = 2;

__attribute__((noreturn, format(printf, 3, 4))) static inline void tiny_fail(const char *file,
                                                                             int line,
                                                                             const char *format,
                                                                             ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: error: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    longjmp(tiny_end, tiny_failed);
}

static inline void tiny_check(int holds, const char *what, const char *file, int line)
{
    if (!holds) {
        tiny_fail(file, line, "%s", what);
    }
}

static inline void tiny_int(uintmax_t a, uintmax_t b, int equal, const char *file, int line)
{
    if ((a == b) != equal) {
        tiny_fail(file, line, "%#jx %s %#jx", a, equal ? "!=" : "==", b);
    }
}

static inline void tiny_string(const char *a, const char *b, int equal, const char *file, int line)
{
    if ((strcmp(a, b) == 0) != equal) {
        tiny_fail(file, line, "\"%s\" %s \"%s\"", a, equal ? "!=" : "==", b);
    }
}

static inline void tiny_memory(const void *a, const void *b, size_t size, int equal,
                               const char *file, int line)
{
    const unsigned char *left = (const unsigned char *)a;
    const unsigned char *right = (const unsigned char *)b;
    size_t i = 0;

    while (i < size && left[i] == right[i]) {
        i++;
    }
    if ((i == size) != equal) {
        tiny_fail(file, line, "memory of %zu bytes: %s", size, equal ? "different" : "the same");
    }
    (void)left;
    (void)right;
}

#define tiny_word(value) ((uintmax_t)(value))
#define assert_true(c) tiny_check(!!(c), #c, __FILE__, __LINE__)
#define assert_false(c) tiny_check(!(c), "not: " #c, __FILE__, __LINE__)
#define assert_non_null(c) tiny_check((c) != NULL, #c " is NULL", __FILE__, __LINE__)
#define assert_null(c) tiny_check((c) == NULL, #c " isn't NULL", __FILE__, __LINE__)
#define assert_ptr_equal(a, b)                                                                     \
    tiny_check((const void *)(a) == (const void *)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b)                                                                 \
    tiny_check((const void *)(a) != (const void *)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_equal(a, b) tiny_int(tiny_word(a), tiny_word(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) tiny_int(tiny_word(a), tiny_word(b), 0, __FILE__, __LINE__)
#define assert_string_equal(a, b) tiny_string((a), (b), 1, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) tiny_string((a), (b), 0, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) tiny_memory((a), (b), (size), 1, __FILE__, __LINE__)
#define assert_memory_not_equal(a, b, size) tiny_memory((a), (b), (size), 0, __FILE__, __LINE__)
#define assert_in_range(v, low, high)                                                              \
    tiny_check(tiny_word(v) >= tiny_word(low) && tiny_word(v) <= tiny_word(high),                  \
               #v " isn't within " #low " to " #high, __FILE__, __LINE__)
#define assert_not_in_range(v, low, high)                                                          \
    tiny_check(tiny_word(v) < tiny_word(low) || tiny_word(v) > tiny_word(high),                    \
               #v " is within " #low " to " #high, __FILE__, __LINE__)
#define assert_return_code(v, error) tiny_check((v) >= 0, #v " failed", __FILE__, __LINE__)
#define fail() tiny_fail(__FILE__, __LINE__, "fail()")
#define fail_msg(...) tiny_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip() longjmp(tiny_end, tiny_skipped)
#define print_message(...) fprintf(stdout, __VA_ARGS__)
#define print_error(...) fprintf(stderr, __VA_ARGS__)

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f, NULL, NULL, NULL                                                                    \
    }
#define cmocka_unit_test_setup(f, setup)                                                           \
    {                                                                                              \
#f, f, setup, NULL, NULL                                                                   \
    }
#define cmocka_unit_test_teardown(f, teardown)                                                     \
    {                                                                                              \
#f, f, NULL, teardown, NULL                                                                \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                        \
    {                                                                                              \
#f, f, setup, teardown, NULL                                                               \
    }
#define cmocka_unit_test_prestate(f, state)                                                        \
    {                                                                                              \
#f, f, NULL, NULL, state                                                                   \
    }
#define cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, state)                        \
    {                                                                                              \
#f, f, setup, teardown, state                                                              \
    }

/* 0 if it passed, or one of the two constants above. */
static inline int tiny_run_one(const struct CMUnitTest *test, void *group_state)
{
    void *state = test->initial_state ? test->initial_state : group_state;
    int result = setjmp(tiny_end);

    if (result == 0) {
        if (test->setup_func && test->setup_func(&state)) {
            tiny_fail(test->name, 0, "the setup failed");
        }
        test->test_func(&state);
        if (test->teardown_func && test->teardown_func(&state)) {
            tiny_fail(test->name, 0, "the teardown failed");
        }
    }
    return result;
}

static inline int tiny_run_group(const struct CMUnitTest *tests, size_t count,
                                 CMFixtureFunction setup, CMFixtureFunction teardown)
{
    static const char *const words[] = {"ok", "FAILED", "skipped"};
    void *state = NULL;
    int counts[3] = {0, 0, 0};
    size_t i;

    if (setup && setup(&state)) {
        fprintf(stderr, "the group's setup failed\n");
        return 1;
    }
    for (i = 0; i < count; i++) {
        int result = tiny_run_one(&tests[i], state);

        counts[result]++;
        printf("%s: %s\n", tests[i].name, words[result]);
        fflush(stdout);
    }
    if (teardown && teardown(&state)) {
        fprintf(stderr, "the group's teardown failed\n");
        counts[1]++;
    }
    printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
    return counts[1];
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    tiny_run_group(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    cmocka_run_group_tests(tests, setup, teardown)

#endif
