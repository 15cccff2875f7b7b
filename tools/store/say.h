/* SPDX-License-Identifier: MIT */
/* One line on standard error: "blanket: ...". */
#ifndef BLANKET_STORE_SAY_H
#define BLANKET_STORE_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A negative enum blanket_errno in words: its numbers are this system's. */
const char *say_status(int status);

#endif
