/* SPDX-License-Identifier: MIT */
#ifndef BLANKET_TOOLS_XEN_NUMBER_H
#define BLANKET_TOOLS_XEN_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* The whole text is a number, decimal or with 0x. False: it is none, and *number is untouched. */
bool number_parse(const char *text, uint64_t *number);

#endif
