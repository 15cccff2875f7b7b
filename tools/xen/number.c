/* SPDX-License-Identifier: MIT */
#include "number.h"

#include <errno.h>
#include <stdlib.h>

bool number_parse(const char *text, uint64_t *number)
{
    bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    unsigned long long value;
    char *end;

    /* strtoull takes spaces and signs, which a number on a command line has none of. */
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    value = strtoull(text, &end, hexadecimal ? 16 : 10);
    if (errno != 0 || *end != 0) {
        return false;
    }
    *number = value;
    return true;
}
