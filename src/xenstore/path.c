/* SPDX-License-Identifier: MIT */
#include "xenstore.h"

uint32_t blanket_xenstore_path_size(const uint8_t *text, uint32_t size)
{
    uint32_t i = 0;

    while (i < size && text[i] != 0) {
        i++;
    }
    return i;
}

/* What xenstored takes in a path (docs/misc/xenstore.txt), but for the slash. No dot, so no "..". */
static bool legal_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '@';
}

/* Components of legal bytes, one slash between two of them. */
static bool legal_components(const uint8_t *path, uint32_t size)
{
    uint32_t i;
    bool slash = true;

    for (i = 0; i < size; i++) {
        if (path[i] == '/') {
            if (slash) {
                return false;
            }
            slash = true;
        } else if (legal_byte(path[i])) {
            slash = false;
        } else {
            return false;
        }
    }
    return !slash;
}

bool blanket_xenstore_path_legal(const uint8_t *path, uint32_t size)
{
    return size == 0 || legal_components(path, size);
}

bool blanket_xenstore_path_absolute(const char *path, uint32_t size)
{
    if (size == 0 || path[0] != '/') {
        return false;
    }
    return size == 1 || legal_components((const uint8_t *)path + 1, size - 1);
}

static bool same(const uint8_t *name, uint32_t size, const char *text, uint32_t text_size)
{
    return size == text_size && memcmp(name, text, text_size) == 0;
}

bool blanket_xenstore_path_name_hidden(const uint8_t *name, uint32_t size)
{
    return same(name, size, "backend", 7) || same(name, size, "backend-id", 10) ||
           same(name, size, "frontend", 8) || same(name, size, "frontend-id", 11);
}

bool blanket_xenstore_path_hidden(const uint8_t *path, uint32_t size)
{
    uint32_t start = 0;
    uint32_t i;

    for (i = 0; i <= size; i++) {
        if (i == size || path[i] == '/') {
            if (blanket_xenstore_path_name_hidden(path + start, i - start)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

static bool digits(const uint8_t *text, uint32_t size)
{
    uint32_t i;

    for (i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return true;
}

bool blanket_xenstore_path_typed(const uint8_t *path, uint32_t size)
{
    const uint8_t *name = path;
    uint32_t i;

    for (i = 0; i < size; i++) {
        if (path[i] == '/') {
            name = path + i + 1;
        }
    }
    size -= (uint32_t)(name - path);
    if (size >= 8 && memcmp(name, "ring-ref", 8) == 0) {
        return digits(name + 8, size - 8);
    }
    if (size >= 13 && memcmp(name, "event-channel", 13) == 0) {
        return size == 13 || name[13] == '-';
    }
    return same(name, size, "tx-ring-ref", 11) || same(name, size, "rx-ring-ref", 11) ||
           same(name, size, "page-ref", 8) || same(name, size, "port", 4);
}
