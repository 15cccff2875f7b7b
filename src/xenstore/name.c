/* SPDX-License-Identifier: MIT */
#include "xenstore.h"

/* Ids of one connection are mostly neighbours: the multiplier spreads connections, not ids. */
static struct store_name **bucket(const struct store_names *names,
                                  const struct store_connection *connection, uint32_t id)
{
    return &names->buckets[(connection->index * 2654435761u + id) & names->mask];
}

void *blanket_xenstore_name_find(const struct store_names *names,
                                 const struct store_connection *connection, uint32_t id)
{
    const struct store_name *name = *bucket(names, connection, id);

    while (name != NULL && (name->connection != connection || name->id != id)) {
        name = name->next;
    }
    return name == NULL ? NULL : name->owner;
}

void blanket_xenstore_name_add(struct store_names *names, struct store_name *name,
                               struct store_connection *connection, uint32_t id)
{
    struct store_name **head = bucket(names, connection, id);

    name->connection = connection;
    name->id = id;
    name->next = *head;
    *head = name;
}

void blanket_xenstore_name_remove(struct store_names *names, struct store_name *name)
{
    struct store_name **at;

    if (name->id == 0) {
        return;
    }
    at = bucket(names, name->connection, name->id);
    while (*at != name) {
        at = &(*at)->next;
    }
    *at = name->next;
    name->id = 0;
}
