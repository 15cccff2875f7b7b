/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

bool watch_body_parse(const char *body, uint32_t size, struct watch_body *parsed)
{
    const char *end = size != 0 ? (const char *)memchr(body, 0, size) : NULL;

    if (end == NULL || end == body) {
        return false;
    }
    parsed->path = body;
    parsed->path_size = (uint32_t)(end - body);
    parsed->token = end + 1;
    size -= parsed->path_size + 1;
    end = size != 0 ? (const char *)memchr(parsed->token, 0, size) : NULL;
    if (end == NULL) {
        return false;
    }
    parsed->token_size = (uint32_t)(end - parsed->token);
    return parsed->token_size + 1 == size;
}

static uint32_t hash_add(uint32_t hash, const char *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        hash = (hash ^ (uint8_t)bytes[i]) * 0x01000193u;
    }
    return hash;
}

/* What comes before a path that doesn't begin at the root. */
static const char *prefix_of(const char *path, const char *home)
{
    return path[0] == '/' || path[0] == '@' ? "" : home;
}

static uint32_t hash_of(const struct watch_body *body, const char *home)
{
    const char *prefix = prefix_of(body->path, home);
    uint32_t hash = hash_add(0x811c9dc5u, prefix, (uint32_t)strlen(prefix));

    hash = hash_add(hash, body->path, body->path_size + 1);
    return hash_add(hash, body->token, body->token_size);
}

static bool path_equal(const struct watch *watch, const struct watch_body *body, const char *home)
{
    const char *own = watch->text;
    const char *other = body->path;
    size_t home_size = strlen(home);

    if ((prefix_of(own, home)[0] == 0) == (prefix_of(other, home)[0] == 0)) {
        return strcmp(own, other) == 0;
    }
    if (prefix_of(own, home)[0] != 0) {
        return strncmp(other, home, home_size) == 0 && strcmp(other + home_size, own) == 0;
    }
    return strncmp(own, home, home_size) == 0 && strcmp(own + home_size, other) == 0;
}

uint32_t watch_find(const struct watch_table *table, const struct watch_body *body,
                    const char *home)
{
    uint32_t hash = hash_of(body, home);

    for (uint32_t i = 0; i < table->top; i++) {
        const struct watch *watch = table->watches[i];

        if (watch != NULL && watch->hash == hash && watch->token_size == body->token_size &&
            memcmp(watch->text + watch->path_size + 1, body->token, body->token_size) == 0 &&
            path_equal(watch, body, home)) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t watch_add(struct watch_table *table, const struct watch_body *body, const char *home)
{
    struct watch *watch;
    uint32_t i = table->free;

    if (table->count == table->max) {
        return 0;
    }
    while (i < table->top && table->watches[i] != NULL) {
        i++;
    }
    watch = (struct watch *)malloc(sizeof(*watch) + body->path_size + body->token_size + 2);
    if (watch == NULL) {
        return 0;
    }
    watch->path_size = body->path_size;
    watch->token_size = body->token_size;
    watch->hash = hash_of(body, home);
    memcpy(watch->text, body->path, body->path_size + 1);
    memcpy(watch->text + body->path_size + 1, body->token, body->token_size + 1);
    table->watches[i] = watch;
    table->free = i + 1;
    table->top = i == table->top ? i + 1 : table->top;
    table->count++;
    return i + 1;
}

const struct watch *watch_get(const struct watch_table *table, uint32_t id)
{
    return id != 0 && id <= table->top ? table->watches[id - 1] : NULL;
}

void watch_remove(struct watch_table *table, uint32_t id)
{
    free(table->watches[id - 1]);
    table->watches[id - 1] = NULL;
    table->count--;
    table->free = id - 1 < table->free ? id - 1 : table->free;
}

void watch_clear(struct watch_table *table)
{
    for (uint32_t id = 1; id <= table->top; id++) {
        if (table->watches[id - 1] != NULL) {
            watch_remove(table, id);
        }
    }
    table->top = 0;
    table->free = 0;
}
