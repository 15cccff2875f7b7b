/* SPDX-License-Identifier: MIT */
/*
 * The requests on nodes: what their bodies must be, which access they need, what they reply.
 */
#include "store_private.h"

#include <inttypes.h>
#include <stdio.h>

/* The children of a node as a request sees them, in order. */
struct listing {
    const struct store_request *request;
    const struct store_shadow *shadow; /* in a transaction; else NULL */
    const struct store_node *node;     /* the next from the tree */
    const struct store_shadow *added;  /* then these */
};

/* text NULL is a body that isn't one string. special: whether a path may start with @. */
static enum store_error node_open(struct store_request *request, const char *text, bool special,
                                  uint32_t access, struct store_path *path,
                                  struct store_found *found)
{
    enum store_error error;

    found->content = NULL;
    if (text == NULL) {
        return STORE_EINVAL;
    }
    error = blanket_root_store_path_parse(request, text, special, path);
    return error != STORE_OK ? error : blanket_root_store_view_open(request, path, access, found);
}

static void listing_start(const struct store_request *request, const struct store_found *found,
                          struct listing *listing)
{
    const struct store_node *node = found->node;
    const struct store_shadow *shadow = found->shadow;

    listing->request = request;
    listing->shadow = shadow;
    listing->added = NULL;
    if (shadow != NULL) {
        listing->added = shadow->added_first;
        node = shadow->base_generation != 0 && !shadow->detached
                   ? blanket_root_store_tree_find(request->store, shadow->hash, shadow->path,
                                                  shadow->path_size)
                   : NULL;
    }
    listing->node = node != NULL ? store_node_first(node) : NULL;
}

/* The next child's name; NULL at the end. */
static const char *listing_next(struct listing *listing, uint32_t *size)
{
    char text[XENSTORE_ABS_PATH_MAX + 1];
    const struct store_shadow *added = listing->added;

    while (listing->node != NULL) {
        const struct store_node *node = listing->node;

        listing->node = store_node_next(node);
        if (listing->shadow != NULL) {
            uint32_t path_size = blanket_root_store_shadow_join(listing->shadow, node, text);

            if (blanket_root_store_shadow_hides(listing->request->transaction, node->hash, text,
                                                path_size)) {
                continue;
            }
        }
        *size = node->name_size;
        return node->name;
    }
    if (added == NULL) {
        return NULL;
    }
    listing->added = added->added_next;
    *size = added->spare != NULL ? added->spare->name_size : 0;
    while (*size == 0 || added->path[added->path_size - *size - 1] != '/') {
        (*size)++;
    }
    return added->path + added->path_size - *size;
}

/* The names of a listing from where it is, one NUL after each, up to a size; how many bytes. */
static uint32_t listing_print(struct listing *listing, char *text, uint32_t maximum, bool *ended)
{
    uint32_t used = 0;
    uint32_t size;
    const char *name = listing_next(listing, &size);

    while (name != NULL && size + 1 <= maximum - used) {
        memcpy(text + used, name, size);
        text[used + size] = '\0';
        used += size + 1;
        name = listing_next(listing, &size);
    }
    *ended = name == NULL;
    return used;
}

enum store_error blanket_root_store_request_directory(struct store_request *request)
{
    char names[XENSTORE_PAYLOAD_MAX];
    struct store_path path;
    struct store_found found = {0};
    struct listing listing;
    uint8_t *payload;
    uint32_t size;
    bool ended;
    enum store_error error = node_open(request, blanket_root_store_request_only(request), false,
                                       STORE_ACCESS_READ, &path, &found);

    if (error != STORE_OK) {
        return error;
    }
    listing_start(request, &found, &listing);
    size = listing_print(&listing, names, sizeof(names), &ended);
    if (!ended) {
        return STORE_E2BIG;
    }
    payload = blanket_root_store_output_reserve(request, size);
    if (payload == NULL) {
        return STORE_ENOMEM;
    }
    memcpy(payload, names, size);
    return STORE_OK;
}

/*
 * Goes to an offset into the list of names: from where the connection's last partial listing ended
 * if it was this one, so that a long list isn't walked again for every part. skipped: the bytes of
 * the next name that are before the offset. False at or behind the end.
 */
static bool listing_seek(struct listing *listing, const struct store_found *found, uint32_t offset,
                         uint32_t *skipped)
{
    const struct blanket_root_store_connection *connection = listing->request->connection;
    struct listing before = *listing;
    uint32_t at = 0;
    uint32_t size;

    if (found->node != NULL && connection->cursor_node == found->node &&
        connection->cursor_generation == found->content->generation &&
        connection->cursor_offset <= offset) {
        before.node = connection->cursor_child;
        at = connection->cursor_offset;
    }
    *listing = before;
    while (listing_next(listing, &size) != NULL) {
        if (offset - at < size + 1) {
            *listing = before;
            *skipped = offset - at;
            return true;
        }
        at += size + 1;
        before = *listing;
    }
    return false;
}

/* Names from an offset in the middle of one, as many as fit. */
static uint32_t listing_part(struct listing *listing, uint32_t skipped, char *text,
                             uint32_t maximum, bool *ended)
{
    struct listing before = *listing;
    uint32_t used = 0;
    uint32_t size;
    const char *name = listing_next(listing, &size);

    while (name != NULL && size - skipped + 1 <= maximum - used) {
        memcpy(text + used, name + skipped, size - skipped);
        used += size - skipped;
        text[used++] = '\0';
        skipped = 0;
        before = *listing;
        name = listing_next(listing, &size);
    }
    *ended = name == NULL;
    *listing = before;
    return used;
}

/* Replies with the generation, names from the offset, and one more NUL if they are the last. */
static enum store_error part_reply(struct store_request *request, const struct store_found *found,
                                   uint32_t offset)
{
    struct blanket_root_store_connection *connection = request->connection;
    char text[XENSTORE_PAYLOAD_MAX];
    uint64_t generation = found->content->generation;
    uint32_t size = (uint32_t)snprintf(text, sizeof(text), "%" PRIu64, generation) + 1;
    uint32_t skipped = 0;
    uint32_t used = 0;
    bool ended = true;
    struct listing listing;
    uint8_t *payload;

    listing_start(request, found, &listing);
    if (listing_seek(&listing, found, offset, &skipped)) {
        /* One byte is kept for the NUL that says it's the end. */
        used = listing_part(&listing, skipped, text + size, (uint32_t)sizeof(text) - size - 1,
                            &ended);
    }
    if (ended) {
        text[size + used] = '\0';
    }
    payload = blanket_root_store_output_reserve(request, size + used + ended);
    if (payload == NULL) {
        return STORE_ENOMEM;
    }
    memcpy(payload, text, size + used + ended);
    if (found->node != NULL && !ended) {
        connection->cursor_node = found->node;
        connection->cursor_generation = generation;
        connection->cursor_offset = offset + used;
        connection->cursor_child = listing.node;
    }
    return STORE_OK;
}

enum store_error blanket_root_store_request_directory_part(struct store_request *request)
{
    const char *strings[2] = {NULL, NULL};
    struct store_path path;
    struct store_found found = {0};
    uint32_t offset;
    enum store_error error;

    if (blanket_root_store_request_strings(request, strings, 2) != 2) {
        return STORE_EINVAL;
    }
    error = node_open(request, strings[0], false, STORE_ACCESS_READ, &path, &found);
    if (error != STORE_OK) {
        return error;
    }
    if (!blanket_root_store_permission_number(strings[1], 0x7ffffff, &offset)) {
        return STORE_EINVAL;
    }
    return part_reply(request, &found, offset);
}

enum store_error blanket_root_store_request_read(struct store_request *request)
{
    struct store_path path;
    struct store_found found = {0};
    uint8_t *payload;
    uint32_t size;
    enum store_error error = node_open(request, blanket_root_store_request_only(request), false,
                                       STORE_ACCESS_READ, &path, &found);

    if (error != STORE_OK) {
        return error;
    }
    size = blanket_root_store_value_size(found.content->value);
    payload = blanket_root_store_output_reserve(request, size);
    if (payload == NULL) {
        return STORE_ENOMEM;
    }
    if (size != 0) {
        memcpy(payload, found.content->value->bytes, size);
    }
    return STORE_OK;
}

enum store_error blanket_root_store_request_write(struct store_request *request)
{
    const char *name[1] = {NULL};
    struct store_path path;
    struct store_found found = {0};
    uint32_t offset;
    enum store_error error;

    if (blanket_root_store_request_strings(request, name, 1) < 1) {
        return STORE_EINVAL;
    }
    offset = (uint32_t)strlen(name[0]) + 1;
    error = node_open(request, name[0], false, STORE_ACCESS_WRITE, &path, &found);
    if (error == STORE_OK) {
        return blanket_root_store_view_write(request, &path, &found, request->body + offset,
                                             request->size - offset);
    }
    if (error != STORE_ENOENT) {
        return error;
    }
    return blanket_root_store_view_create(request, &path, request->body + offset,
                                          request->size - offset);
}

enum store_error blanket_root_store_request_mkdir(struct store_request *request)
{
    struct store_path path;
    struct store_found found = {0};
    enum store_error error = node_open(request, blanket_root_store_request_only(request), false,
                                       STORE_ACCESS_WRITE, &path, &found);

    return error != STORE_ENOENT ? error : blanket_root_store_view_create(request, &path, NULL, 0);
}

enum store_error blanket_root_store_request_rm(struct store_request *request)
{
    struct store_path path;
    struct store_found found = {0};
    enum store_error error = node_open(request, blanket_root_store_request_only(request), false,
                                       STORE_ACCESS_WRITE, &path, &found);

    if (error == STORE_OK) {
        return path.depth == 0 ? STORE_EINVAL
                               : blanket_root_store_view_remove(request, &path, &found);
    }
    if (error == STORE_ENOENT) {
        /* Not there is as good as removed, if its parent is (and may be read). */
        error = blanket_root_store_view_find(request, &path, path.depth - 1, &found);
        if (error == STORE_OK && found.content == NULL) {
            error = STORE_ENOENT;
        }
    }
    return error;
}

enum store_error blanket_root_store_request_get_permissions(struct store_request *request)
{
    struct store_path path;
    struct store_found found = {0};
    uint8_t *payload;
    uint32_t size;
    enum store_error error = node_open(request, blanket_root_store_request_only(request), true,
                                       STORE_ACCESS_READ, &path, &found);

    if (error != STORE_OK) {
        return error;
    }
    size = blanket_root_store_permission_print(found.content->permissions, NULL);
    if (size > XENSTORE_PAYLOAD_MAX) {
        return STORE_E2BIG;
    }
    payload = blanket_root_store_output_reserve(request, size);
    if (payload == NULL) {
        return STORE_ENOMEM;
    }
    blanket_root_store_permission_print(found.content->permissions, (char *)payload);
    return STORE_OK;
}

enum store_error blanket_root_store_request_set_permissions(struct store_request *request)
{
    const struct store_domain *domain = request->connection->domain;
    const char *name[1] = {NULL};
    struct store_permissions *list;
    struct store_path path;
    struct store_found found = {0};
    uint32_t offset;
    enum store_error error;

    if (blanket_root_store_request_strings(request, name, 1) < 2) {
        return STORE_EINVAL;
    }
    offset = (uint32_t)strlen(name[0]) + 1;
    error = blanket_root_store_permission_parse(request, request->body + offset,
                                                request->size - offset, &list);
    if (error != STORE_OK) {
        return error;
    }
    error = node_open(request, name[0], true, STORE_ACCESS_WRITE | STORE_ACCESS_OWNER, &path,
                      &found);
    /* Giving a node away would be spending another's quota (XSA-352). */
    if (error == STORE_OK && !blanket_root_store_domain_privileged(domain) &&
        list->entries[0].domain != found.content->permissions->entries[0].domain) {
        error = STORE_EPERM;
    }
    if (error == STORE_OK) {
        error = blanket_root_store_view_permit(request, &path, &found, list);
    }
    if (error != STORE_OK) {
        blanket_root_store_permission_drop(request->store, list);
    }
    return error;
}
