/* SPDX-License-Identifier: MIT */
/*
 * Permissions: shared, counted lists; the one place that says what a connection may do with a node.
 */
#include "store_private.h"

#include <stdio.h>

/* Entries without domains yet: the caller fills all `count`, each with a counted reference. */
struct store_permissions *blanket_root_store_permission_make(struct blanket_root_store *store,
                                                             uint32_t count)
{
    struct store_permissions *list = blanket_root_store_arena_allocate(
        &store->arena, sizeof(*list) + count * sizeof(list->entries[0]));

    if (list != NULL) {
        list->references = 1;
        list->count = count;
        memset(list->entries, 0, count * sizeof(list->entries[0]));
    }
    return list;
}

struct store_permissions *blanket_root_store_permission_share(struct store_permissions *list)
{
    if (list != NULL) {
        list->references++;
    }
    return list;
}

void blanket_root_store_permission_drop(struct blanket_root_store *store,
                                        struct store_permissions *list)
{
    if (list == NULL) {
        return;
    }
    list->references--;
    if (list->references != 0) {
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        blanket_root_store_domain_release(store, list->entries[i].domain);
    }
    blanket_root_store_arena_free(&store->arena, list);
}

/* What a new node gets: the parent's list; an unprivileged creator owns what it makes. */
struct store_permissions *blanket_root_store_permission_inherit(struct store_request *request,
                                                                struct store_permissions *parent)
{
    struct store_domain *domain = request->connection->domain;
    struct store_permissions *list;

    if (blanket_root_store_domain_privileged(domain) || parent->entries[0].domain == domain) {
        return blanket_root_store_permission_share(parent);
    }
    list = blanket_root_store_permission_make(request->store, parent->count);
    if (list == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < parent->count; i++) {
        list->entries[i] = parent->entries[i];
        if (i == 0) {
            list->entries[i].domain = domain;
        }
        list->entries[i].domain->references++;
    }
    return list;
}

uint32_t blanket_root_store_permission_access(
    const struct blanket_root_store_connection *connection, const struct store_permissions *list)
{
    const struct store_domain *domain = connection->domain;
    const struct store_domain *target = domain->target;

    if (target != NULL && !target->alive) {
        target = NULL;
    }
    if (blanket_root_store_domain_privileged(domain) || list->entries[0].domain == domain ||
        (target != NULL && list->entries[0].domain == target)) {
        return STORE_ACCESS_READ | STORE_ACCESS_WRITE | STORE_ACCESS_OWNER;
    }
    for (uint32_t i = 1; i < list->count; i++) {
        if (list->entries[i].domain == domain ||
            (target != NULL && list->entries[i].domain == target)) {
            return list->entries[i].access;
        }
    }
    return list->entries[0].access;
}

/* A decimal number and nothing else, up to a maximum below 2^31. */
bool blanket_root_store_permission_number(const char *text, uint32_t maximum, uint32_t *number)
{
    uint32_t value = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > maximum) {
            return false;
        }
    }
    *number = value;
    return true;
}

static bool access_parse(char letter, uint32_t *access)
{
    switch (letter) {
    case 'n':
        *access = STORE_ACCESS_NONE;
        return true;
    case 'r':
        *access = STORE_ACCESS_READ;
        return true;
    case 'w':
        *access = STORE_ACCESS_WRITE;
        return true;
    case 'b':
        *access = STORE_ACCESS_READ | STORE_ACCESS_WRITE;
        return true;
    default:
        return false;
    }
}

/*
 * One entry. Only domain 0 can bring a domain into being by naming it: from anyone else, a domain
 * that doesn't exist is a dead one, so that a later domain of that number gets nothing from it.
 */
static enum store_error entry_parse(struct store_request *request, const char *text,
                                    struct store_permission *entry)
{
    bool make = blanket_root_store_domain_privileged(request->connection->domain);
    uint32_t domid;
    uint32_t access;

    if (!access_parse(text[0], &access) ||
        !blanket_root_store_permission_number(text + 1, 0xffff, &domid)) {
        return STORE_EINVAL;
    }
    entry->access = access;
    if (domid < STORE_DOMID_LIMIT) {
        entry->domain = blanket_root_store_domain_take(request->store, (uint16_t)domid, make);
    }
    if (entry->domain == NULL && (domid >= STORE_DOMID_LIMIT || !make)) {
        entry->domain = blanket_root_store_domain_take_dead(request->store, (uint16_t)domid);
    }
    return entry->domain != NULL ? STORE_OK : STORE_ENOMEM;
}

/* text: NUL-terminated entries; the caller owns the list that comes out. */
enum store_error blanket_root_store_permission_parse(struct store_request *request,
                                                     const char *text, uint32_t size,
                                                     struct store_permissions **list)
{
    struct blanket_root_store *store = request->store;
    struct store_permissions *made;
    enum store_error error = STORE_OK;
    uint32_t count = 0;

    for (uint32_t i = 0; i < size; i++) {
        count += text[i] == '\0';
    }
    if (count == 0) {
        return STORE_EINVAL;
    }
    if (!blanket_root_store_domain_privileged(request->connection->domain) &&
        count > store->limits.node_permission_count) {
        return STORE_ENOSPC;
    }
    made = blanket_root_store_permission_make(store, count);
    if (made == NULL) {
        return STORE_ENOMEM;
    }
    for (uint32_t i = 0; i < count && error == STORE_OK; i++) {
        error = entry_parse(request, text, &made->entries[i]);
        text += strlen(text) + 1;
    }
    if (error == STORE_OK && !made->entries[0].domain->alive) {
        error = STORE_ENOENT;
    }
    if (error != STORE_OK) {
        blanket_root_store_permission_drop(store, made);
        return error;
    }
    *list = made;
    return STORE_OK;
}

/* Writes the entries, each with its NUL, if text isn't NULL; returns their size. */
uint32_t blanket_root_store_permission_print(const struct store_permissions *list, char *text)
{
    static const char letters[] = {'n', 'r', 'w', 'b'};
    char entry[16];
    uint32_t size = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t used = 1 + (uint32_t)snprintf(entry, sizeof(entry), "%c%u",
                                               letters[list->entries[i].access & 3u],
                                               (unsigned int)list->entries[i].domain->domid);

        if (text != NULL) {
            memcpy(text + size, entry, used);
        }
        size += used;
    }
    return size;
}
