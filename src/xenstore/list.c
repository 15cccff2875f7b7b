/* SPDX-License-Identifier: MIT */
#include "xenstore.h"

void blanket_xenstore_list_init(struct store_link *list)
{
    list->next = list;
    list->previous = list;
    list->owner = NULL;
}

bool blanket_xenstore_list_empty(const struct store_link *list)
{
    return list->next == list;
}

void blanket_xenstore_list_push(struct store_link *list, struct store_link *link, void *owner)
{
    link->owner = owner;
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

void blanket_xenstore_list_remove(struct store_link *link)
{
    if (link->next == NULL) {
        return;
    }
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link->next = NULL;
    link->previous = NULL;
}

void *blanket_xenstore_list_first(const struct store_link *list)
{
    return list->next->owner;
}
