/* SPDX-License-Identifier: MIT */
/*
 * A client's watches: it names them by path and token, the ABI by an id (1..) of the caller's choice.
 */
#ifndef BLANKET_STORE_WATCH_H
#define BLANKET_STORE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* The token is repeated in each event, whose path may have 3072 bytes: more doesn't fit a message. */
#define WATCH_TOKEN_MAX 1022u

struct watch {
    uint32_t path_size; /* without their NULs */
    uint32_t token_size;
    uint32_t hash;
    char text[]; /* the path as the client gave it, NUL, token, NUL */
};

struct watch_table {
    struct watch **watches; /* by id - 1; NULL: free */
    uint32_t max;
    uint32_t count;
    uint32_t top;  /* ids above this were never used */
    uint32_t free; /* no id below this is free */
};

/* The body of WATCH and UNWATCH, taken apart. */
struct watch_body {
    const char *path;
    const char *token;
    uint32_t path_size;
    uint32_t token_size;
};

/* Two strings, each with its NUL, and nothing else; the path isn't empty. */
bool watch_body_parse(const char *body, uint32_t size, struct watch_body *parsed);

/* Its id; 0: there is none. A relative path and the absolute one it stands for are the same. */
uint32_t watch_find(const struct watch_table *table, const struct watch_body *body,
                    const char *home);
/* The id of a new one; 0: there is no room (table->count == table->max), or no memory. */
uint32_t watch_add(struct watch_table *table, const struct watch_body *body, const char *home);
/* NULL: there is none. */
const struct watch *watch_get(const struct watch_table *table, uint32_t id);
void watch_remove(struct watch_table *table, uint32_t id);
void watch_clear(struct watch_table *table);

#endif
