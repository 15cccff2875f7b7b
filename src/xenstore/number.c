/* SPDX-License-Identifier: MIT */
#include "xenstore.h"

uint32_t blanket_xenstore_number_print(uint32_t number, uint8_t *text)
{
    uint8_t backwards[10];
    uint32_t count = 0;
    uint32_t i;

    do {
        backwards[count++] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (i = 0; i < count; i++) {
        text[i] = backwards[count - 1 - i];
    }
    return count;
}

bool blanket_xenstore_number_parse(const uint8_t *text, uint32_t size, uint32_t *number)
{
    uint64_t value = 0;
    uint32_t i;

    if (size == 0 || size > 10 || (size > 1 && text[0] == '0')) {
        return false;
    }
    for (i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > 0xffffffffu) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static void hexadecimal_print(uint32_t number, uint8_t *text)
{
    uint32_t i;

    for (i = 0; i < 8; i++) {
        text[i] = (uint8_t) "0123456789abcdef"[(number >> (28 - 4 * i)) & 15u];
    }
}

static bool hexadecimal_parse(const uint8_t *text, uint32_t *number)
{
    uint32_t value = 0;
    uint32_t i;

    for (i = 0; i < 8; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            value = value * 16 + (uint32_t)(text[i] - '0');
        } else if (text[i] >= 'a' && text[i] <= 'f') {
            value = value * 16 + (uint32_t)(text[i] - 'a') + 10;
        } else {
            return false;
        }
    }
    *number = value;
    return true;
}

void blanket_xenstore_token_print(uint32_t generation, uint32_t index, uint8_t *text)
{
    hexadecimal_print(generation, text);
    hexadecimal_print(index, text + 8);
}

bool blanket_xenstore_token_parse(const uint8_t *text, uint32_t size, uint32_t *generation,
                                  uint32_t *index)
{
    return size == STORE_TOKEN_SIZE && hexadecimal_parse(text, generation) &&
           hexadecimal_parse(text + 8, index);
}
