/* SPDX-License-Identifier: MIT */
/*
 * Paths: what is a path, its canonical form, and the hash of each of its ancestors in one pass.
 */
#include "store_private.h"

#include <stdio.h>

static uint64_t mix(uint64_t value)
{
    value *= 0x9fb21c651e98df25u;
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    return value ^ (value >> 29);
}

/* The hash of a path from its parent's and its own name: eight bytes a step. */
uint64_t blanket_root_store_path_hash(uint64_t parent, const char *name, size_t size)
{
    uint64_t hash = parent + size;
    uint64_t word;

    while (size > sizeof(word)) {
        memcpy(&word, name, sizeof(word));
        hash = mix(hash ^ word);
        name += sizeof(word);
        size -= sizeof(word);
    }
    word = 0;
    memcpy(&word, name, size);
    return mix(hash ^ word);
}

uint32_t blanket_root_store_path_bucket(const struct blanket_root_store *store, uint64_t hash)
{
    return (uint32_t)(hash >> (64u - store->bucket_bits));
}

static bool character_valid(unsigned char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '_' ||
           character == '@' || character == '/';
}

/* A component: not empty, no slash. */
bool blanket_root_store_path_name_valid(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '/' || !character_valid((unsigned char)name[i])) {
            return false;
        }
    }
    return size != 0;
}

/* Fills the store's levels for a canonical path that fits. */
void blanket_root_store_path_load(struct blanket_root_store *store, const char *text, uint32_t size,
                                  struct store_path *path)
{
    uint32_t start = 1;
    uint32_t depth = 0;

    path->text = text;
    path->size = size;
    path->prefix_size = 0;
    store->levels[0].hash = store->limits.hash_seed;
    store->levels[0].end = 1;
    if (text[0] == '@') {
        store->levels[1].hash = blanket_root_store_path_hash(~store->limits.hash_seed, text, size);
        store->levels[1].end = size;
        path->depth = 1;
        return;
    }
    for (uint32_t i = 1; i <= size && size > 1; i++) {
        if (i == size || text[i] == '/') {
            uint64_t hash = blanket_root_store_path_hash(store->levels[depth].hash, text + start,
                                                         i - start);

            depth++;
            store->levels[depth].hash = hash;
            store->levels[depth].end = i;
            start = i + 1;
        }
    }
    path->depth = depth;
}

/* The bytes in front of what counts against the limit of a domain's own part of the tree. */
static uint32_t local_prefix_size(const char *text, uint32_t size)
{
    static const char local[] = "/local/domain/";
    uint32_t at = sizeof(local) - 1;
    uint32_t digits = 0;

    if (size < at || memcmp(text, local, at) != 0) {
        return 0;
    }
    while (at < size && digits < 5 && text[at] >= '0' && text[at] <= '9') {
        at++;
        digits++;
    }
    return digits > 0 && at < size && text[at] == '/' ? at + 1 : 0;
}

static bool shape_valid(const char *text, uint32_t size)
{
    if (size > 1 && text[size - 1] == '/') {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (!character_valid((unsigned char)text[i])) {
            return false;
        }
        if (i > 0 && text[i] == '/' && text[i - 1] == '/') {
            return false;
        }
    }
    return size != 0;
}

/* text is NUL-terminated. special: whether a path that starts with @ may be named here. */
enum store_error blanket_root_store_path_parse(struct store_request *request, const char *text,
                                               bool special, struct store_path *path)
{
    struct blanket_root_store *store = request->store;
    const struct store_domain *domain = request->connection->domain;
    size_t given = strlen(text);
    bool relative = text[0] != '/' && text[0] != '@';
    uint32_t prefix = 0;
    uint32_t size;
    uint32_t local;

    if (given == 0 || given > store->limits.path_absolute_size || (text[0] == '@' && !special)) {
        return STORE_EINVAL;
    }
    if (relative) {
        if (given > store->limits.path_relative_size) {
            return STORE_EINVAL;
        }
        prefix = (uint32_t)snprintf(store->path, sizeof(store->path), "/local/domain/%u/",
                                    (unsigned int)domain->domid);
    }
    /* After the prefix is there, so that what is checked is what will be used (XSA-323). */
    size = prefix + (uint32_t)given;
    if (size > store->limits.path_absolute_size) {
        return STORE_EINVAL;
    }
    memcpy(store->path + prefix, text, given + 1);
    if (!shape_valid(store->path, size)) {
        return STORE_EINVAL;
    }
    local = local_prefix_size(store->path, size);
    if (!blanket_root_store_domain_privileged(domain) &&
        size - local > store->limits.path_relative_size) {
        return STORE_EINVAL;
    }
    blanket_root_store_path_load(store, store->path, size, path);
    path->prefix_size = prefix;
    return STORE_OK;
}

/* The text of one of a path's levels. */
const char *blanket_root_store_path_level(const struct blanket_root_store *store,
                                          const struct store_path *path, uint32_t level,
                                          uint32_t *size)
{
    *size = store->levels[level].end;
    return level == 0 ? "/" : path->text;
}
