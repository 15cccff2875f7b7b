/* SPDX-License-Identifier: MIT */
/* A table of what its user owns, by a number: sized once, so that it never allocates later. */
#include "linux_private.h"

#include <stdlib.h>

int blanket_linux_table_init(struct linux_table *table, uint32_t count)
{
    table->bits = 1;
    while (table->bits < 20 && 1u << table->bits < count) {
        table->bits++;
    }
    table->buckets = (struct linux_node **)calloc((size_t)1 << table->bits, sizeof(void *));
    return table->buckets ? 0 : -BLANKET_ENOMEM;
}

void blanket_linux_table_fini(struct linux_table *table)
{
    free(table->buckets);
    table->buckets = NULL;
}

static struct linux_node **bucket_of(const struct linux_table *table, uint64_t key)
{
    return &table->buckets[(key * 0x9e3779b97f4a7c15u) >> (64 - table->bits)];
}

void blanket_linux_table_add(struct linux_table *table, struct linux_node *node, uint64_t key)
{
    struct linux_node **bucket = bucket_of(table, key);

    node->key = key;
    node->next = *bucket;
    *bucket = node;
}

/* It is in the table. */
void blanket_linux_table_remove(struct linux_table *table, struct linux_node *node)
{
    struct linux_node **link = bucket_of(table, node->key);

    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
}

struct linux_node *blanket_linux_table_find(const struct linux_table *table, uint64_t key)
{
    struct linux_node *node = *bucket_of(table, key);

    while (node && node->key != key) {
        node = node->next;
    }
    return node;
}
