/* SPDX-License-Identifier: MIT */
/*
 * The provider's xenstore against a model that is slow and plain: the same requests from four domains, in
 * and outside transactions; every reply, event and list must be the same. What is asked for is drawn from
 * pick(): random numbers in tests/unit/test_root_store_model.c, a fuzzer's bytes in
 * tests/fuzz/store_model.c.
 *
 * The model keeps whole paths in one array and looks for everything from its start. What a
 * transaction has accessed is another such array, of copies.
 */
#ifndef BLANKET_TEST_ROOT_STORE_MODEL_H
#define BLANKET_TEST_ROOT_STORE_MODEL_H

#include "test_root_store_client.h"

#ifndef STORE_MODEL_NODES
#define STORE_MODEL_NODES 4096
#endif

enum {
    DOMAINS = 4,
    NODES = STORE_MODEL_NODES,
    PATH = 64,
    VALUE = 40,
    ENTRIES = 3,
    WATCHES = 64,
    EVENTS = 4096
};

struct entry {
    uint32_t domid;
    uint32_t life; /* which domain of that number */
    char access;
};

struct content {
    char value[VALUE];
    uint32_t count;
    struct entry entries[ENTRIES];
};

struct node {
    bool used;
    bool present;
    char path[PATH];
    struct content content;
    uint64_t version; /* of the last change to it or its list of children; 0: absent */
    uint64_t order;   /* among its siblings */
};

/* A transaction's copy of a node. */
struct copy {
    struct node node;
    struct content old;
    uint64_t base;
    bool changed;
    bool was_removed;
    bool created;
    int fire; /* 0 no, 1 exactly, 2 to all above */
};

struct watch {
    bool used;
    uint32_t domid;
    char path[PATH];
    char token[8];
};

struct model {
    struct node nodes[NODES];
    struct copy copies[DOMAINS][NODES]; /* of each domain's one transaction */
    uint32_t copy_count[DOMAINS];
    bool open[DOMAINS];
    uint32_t life[DOMAINS];
    struct watch watches[WATCHES];
    uint64_t counter;
    char events[EVENTS][PATH + 16]; /* "domid path token" */
    uint32_t event_count;
};

/* Below `count`, from whatever a run is drawn from: the includer has it. */
static uint32_t pick(uint32_t count);

static void parent_of(const char *path, char *parent)
{
    char *slash;

    memmove(parent, path, strlen(path) + 1);
    slash = strrchr(parent, '/');
    slash[slash == parent ? 1 : 0] = '\0';
}

static bool is_child(const char *path, const char *parent)
{
    char above[PATH];

    parent_of(path, above);
    return strcmp(path, "/") != 0 && strcmp(above, parent) == 0;
}

static bool is_below(const char *path, const char *top)
{
    size_t size = strlen(top);

    return strcmp(top, "/") == 0 ||
           (strncmp(path, top, size) == 0 && (path[size] == '\0' || path[size] == '/'));
}

static struct node *node_get(struct model *model, const char *path)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (model->nodes[i].used && strcmp(model->nodes[i].path, path) == 0) {
            return &model->nodes[i];
        }
    }
    return NULL;
}

static struct node *node_put(struct model *model, const char *path)
{
    struct node *node = node_get(model, path);

    for (uint32_t i = 0; node == NULL && i < NODES; i++) {
        if (!model->nodes[i].used) {
            node = &model->nodes[i];
            memset(node, 0, sizeof(*node));
            node->used = true;
            node->present = true;
            strcpy(node->path, path);
            node->order = ++model->counter;
        }
    }
    assert_non_null(node);
    return node;
}

static char access_of(const struct model *model, uint32_t domid, const struct content *content)
{
    if (domid == 0) {
        return 'o';
    }
    for (uint32_t i = 0; i < content->count; i++) {
        if (content->entries[i].domid == domid && content->entries[i].life == model->life[domid]) {
            return i == 0 ? 'o' : content->entries[i].access;
        }
    }
    return content->entries[0].access;
}

static bool may_read(const struct model *model, uint32_t domid, const struct content *content)
{
    return content != NULL && strchr("orb", access_of(model, domid, content)) != NULL;
}

static bool may_write(const struct model *model, uint32_t domid, const struct content *content)
{
    return strchr("owb", access_of(model, domid, content)) != NULL;
}

/* The node as a domain sees it: in its transaction if it's in one, which remembers the look. */
static struct node *look(struct model *model, uint32_t domid, bool inside, const char *path,
                         struct copy **copy)
{
    struct node *node = node_get(model, path);
    struct copy *found;

    if (!inside) {
        return node;
    }
    for (uint32_t i = 0; i < model->copy_count[domid]; i++) {
        found = &model->copies[domid][i];
        if (strcmp(found->node.path, path) == 0) {
            *copy = found;
            return found->node.present ? &found->node : NULL;
        }
    }
    found = &model->copies[domid][model->copy_count[domid]++];
    assert_true(model->copy_count[domid] < NODES);
    memset(found, 0, sizeof(*found));
    if (node != NULL) {
        found->node = *node;
        found->base = node->version;
        found->old = node->content;
    }
    strcpy(found->node.path, path);
    *copy = found;
    return found->node.present ? &found->node : NULL;
}

static const struct copy *peek(const struct model *model, uint32_t domid, const char *path)
{
    for (uint32_t i = 0; i < model->copy_count[domid]; i++) {
        if (strcmp(model->copies[domid][i].node.path, path) == 0) {
            return &model->copies[domid][i];
        }
    }
    return NULL;
}

/* The paths of the children in order; how many. */
static uint32_t list(struct model *model, uint32_t domid, bool inside, const char *path,
                     char paths[][PATH])
{
    uint32_t count = 0;
    uint64_t last = 0;
    const struct copy *parent = inside ? peek(model, domid, path) : NULL;
    bool base = parent == NULL || (parent->base != 0 && !parent->was_removed);

    for (;;) {
        const struct node *next = NULL;

        for (uint32_t i = 0; base && i < NODES; i++) {
            const struct node *node = &model->nodes[i];

            if (node->used && is_child(node->path, path) && node->order > last &&
                (next == NULL || node->order < next->order)) {
                next = node;
            }
        }
        if (next == NULL) {
            break;
        }
        last = next->order;
        if (inside && peek(model, domid, next->path) != NULL) {
            const struct copy *copy = peek(model, domid, next->path);

            if (!copy->node.present || copy->was_removed || copy->created) {
                continue;
            }
        }
        strcpy(paths[count++], next->path);
    }
    for (last = 0; inside;) {
        const struct copy *next = NULL;

        for (uint32_t i = 0; i < model->copy_count[domid]; i++) {
            const struct copy *copy = &model->copies[domid][i];

            if (copy->created && copy->node.present && is_child(copy->node.path, path) &&
                copy->node.order > last && (next == NULL || copy->node.order < next->node.order)) {
                next = copy;
            }
        }
        if (next == NULL) {
            break;
        }
        last = next->node.order;
        strcpy(paths[count++], next->node.path);
    }
    return count;
}

static void fire(struct model *model, const char *path, bool exact, const struct content *old,
                 const struct content *new, const struct content *parent)
{
    for (uint32_t i = 0; i < WATCHES; i++) {
        const struct watch *watch = &model->watches[i];

        if (watch->used && (exact ? strcmp(path, watch->path) == 0 : is_below(path, watch->path)) &&
            (may_read(model, watch->domid, old) || may_read(model, watch->domid, new) ||
             may_read(model, watch->domid, parent))) {
            assert_true(model->event_count < EVENTS);
            snprintf(model->events[model->event_count++], PATH + 16, "%u %s %s", watch->domid, path,
                     watch->token);
        }
    }
}

static const struct content *content_of(struct model *model, const char *path)
{
    const struct node *node = node_get(model, path);

    return node != NULL ? &node->content : NULL;
}

static const struct content *parent_content(struct model *model, const char *path)
{
    char parent[PATH];

    parent_of(path, parent);
    return content_of(model, parent);
}

/* Finds the node; "OK", or the error for who wants to `write` it or read it. */
static const char *open_node(struct model *model, uint32_t domid, bool inside, const char *path,
                             bool write, struct node **node, struct copy **copy)
{
    char above[PATH];
    struct node *ancestor;
    struct copy *unused;

    *node = look(model, domid, inside, path, copy);
    if (*node != NULL) {
        return (write ? may_write(model, domid, &(*node)->content)
                      : may_read(model, domid, &(*node)->content))
                   ? "OK"
                   : "EACCES";
    }
    strcpy(above, path);
    do {
        parent_of(above, above);
        ancestor = look(model, domid, inside, above, &unused);
    } while (ancestor == NULL && strcmp(above, "/") != 0);
    if (ancestor == NULL) {
        return "EINVAL";
    }
    return (write ? may_write(model, domid, &ancestor->content)
                  : may_read(model, domid, &ancestor->content))
               ? "ENOENT"
               : "EACCES";
}

static void changed(struct model *model, struct node *node, struct copy *copy, int how)
{
    node->version = ++model->counter;
    if (copy != NULL) {
        copy->changed = true;
        if (how > copy->fire) {
            copy->fire = how;
        }
    }
}

/* Creates a path and what it lacks above. */
static void create(struct model *model, uint32_t domid, bool inside, const char *path,
                   const char *value)
{
    char missing[PATH];
    char above[PATH];
    struct node *parent;
    struct node *node = NULL;
    struct copy *copy = NULL;
    struct copy *parent_copy = NULL;

    do {
        strcpy(missing, path);
        parent_of(missing, above);
        while (look(model, domid, inside, above, &parent_copy) == NULL) {
            strcpy(missing, above);
            parent_of(missing, above);
        }
        parent = look(model, domid, inside, above, &parent_copy);
        if (inside) {
            look(model, domid, inside, missing, &copy);
            node = &copy->node;
            node->present = true;
            node->order = ++model->counter;
            copy->created = true;
        } else {
            node = node_put(model, missing);
        }
        node->content = parent->content;
        if (domid != 0) {
            node->content.entries[0].domid = domid;
            node->content.entries[0].life = model->life[domid];
        }
        strcpy(node->content.value, "");
        changed(model, parent, parent_copy, 0);
        changed(model, node, copy, 0);
    } while (strcmp(missing, path) != 0);
    strcpy(node->content.value, value);
    changed(model, node, copy, 2);
    if (!inside) {
        fire(model, path, false, NULL, &node->content, parent_content(model, path));
    }
}

static const char *model_write(struct model *model, uint32_t domid, bool inside, const char *path,
                               const char *value, bool mkdir)
{
    struct copy *copy = NULL;
    struct node *node;
    const char *error = open_node(model, domid, inside, path, true, &node, &copy);

    if (strcmp(error, "ENOENT") == 0) {
        create(model, domid, inside, path, value);
        return "OK";
    }
    if (strcmp(error, "OK") == 0 && !mkdir) {
        strcpy(node->content.value, value);
        changed(model, node, copy, 2);
        if (!inside) {
            fire(model, path, false, NULL, &node->content, parent_content(model, path));
        }
    }
    return error;
}

/* Removes a subtree of the nodes themselves, deepest first. */
static void remove_tree(struct model *model, const char *top)
{
    char parent[PATH];
    char path[PATH];
    struct node *above;

    for (size_t size = PATH; size >= strlen(top); size--) {
        for (uint32_t i = 0; i < NODES; i++) {
            struct node *node = &model->nodes[i];

            if (node->used && strlen(node->path) == size && is_below(node->path, top)) {
                strcpy(path, node->path);
                fire(model, path, strcmp(path, top) != 0, &node->content, NULL,
                     parent_content(model, path));
                node->used = false;
            }
        }
    }
    parent_of(top, parent);
    above = node_get(model, parent);
    assert_non_null(above);
    above->version = ++model->counter;
}

/* Removes a subtree from a transaction's view: all that is in it, then each. */
static void remove_view(struct model *model, uint32_t domid, const char *top)
{
    static char work[NODES][PATH];
    static char children[NODES][PATH];
    uint32_t count = 1;
    struct copy *copy = NULL;

    strcpy(work[0], top);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t found;

        look(model, domid, true, work[i], &copy);
        found = list(model, domid, true, work[i], children);
        for (uint32_t j = 0; j < found; j++) {
            if (look(model, domid, true, children[j], &copy) != NULL) {
                strcpy(work[count++], children[j]);
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        look(model, domid, true, work[i], &copy);
        copy->node.present = false;
        copy->was_removed = copy->base != 0;
        copy->created = false;
        changed(model, &copy->node, copy, i == 0 ? 2 : 1);
    }
}

static const char *model_rm(struct model *model, uint32_t domid, bool inside, const char *path)
{
    struct copy *copy = NULL;
    struct node *node;
    struct node *parent;
    char above[PATH];
    const char *error = open_node(model, domid, inside, path, true, &node, &copy);

    parent_of(path, above);
    if (strcmp(error, "ENOENT") == 0) {
        return look(model, domid, inside, above, &copy) != NULL ? "OK" : "ENOENT";
    }
    if (strcmp(error, "OK") != 0) {
        return error;
    }
    if (strcmp(path, "/") == 0) {
        return "EINVAL";
    }
    if (!inside) {
        remove_tree(model, path);
        return "OK";
    }
    parent = look(model, domid, true, above, &copy);
    if (parent == NULL) {
        return "EINVAL";
    }
    remove_view(model, domid, path);
    look(model, domid, true, above, &copy);
    changed(model, &copy->node, copy, 0);
    return "OK";
}

static const char *model_permit(struct model *model, uint32_t domid, bool inside, const char *path,
                                const struct content *wanted)
{
    struct copy *copy = NULL;
    struct node *node;
    const char *error = open_node(model, domid, inside, path, true, &node, &copy);
    struct content old;

    if (strcmp(error, "OK") != 0) {
        return error;
    }
    if (access_of(model, domid, &node->content) != 'o') {
        return "EACCES";
    }
    if (domid != 0 && wanted->entries[0].domid != node->content.entries[0].domid) {
        return "EPERM";
    }
    old = node->content;
    node->content.count = wanted->count;
    memcpy(node->content.entries, wanted->entries, sizeof(wanted->entries));
    changed(model, node, copy, 2);
    if (!inside) {
        fire(model, path, false, &old, &node->content, parent_content(model, path));
    }
    return "OK";
}

static const char *model_commit(struct model *model, uint32_t domid)
{
    uint32_t count = model->copy_count[domid];

    model->copy_count[domid] = 0;
    model->open[domid] = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct copy *copy = &model->copies[domid][i];
        const struct node *node = node_get(model, copy->node.path);

        if ((node != NULL ? node->version : 0) != copy->base) {
            return "EAGAIN";
        }
        if (copy->node.present && copy->node.content.entries[0].life !=
                                      model->life[copy->node.content.entries[0].domid]) {
            return "EAGAIN"; /* its owner is gone */
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct copy *copy = &model->copies[domid][i];
        struct node *node = node_get(model, copy->node.path);

        if (copy->changed && !copy->node.present && node != NULL) {
            node->used = false;
        } else if (copy->changed && copy->node.present) {
            node = node_put(model, copy->node.path);
            *node = copy->node;
            node->used = true;
            node->version = ++model->counter;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct copy *copy = &model->copies[domid][i];
        const struct node *node = node_get(model, copy->node.path);

        if (copy->fire != 0 && (node != NULL || copy->base != 0)) {
            fire(model, copy->node.path, copy->fire == 1, copy->base != 0 ? &copy->old : NULL,
                 node != NULL ? &node->content : NULL, parent_content(model, copy->node.path));
        }
    }
    return "OK";
}

static void model_end(struct model *model, uint32_t domid)
{
    model->copy_count[domid] = 0;
    model->open[domid] = false;
    for (uint32_t i = 0; i < WATCHES; i++) {
        if (model->watches[i].domid == domid) {
            model->watches[i].used = false;
        }
    }
}

/* Removes the subtrees of a domain, those first in the order of a walk first. */
static void model_remove_domain(struct model *model, uint32_t domid)
{
    bool found = true;

    model_end(model, domid);
    model->life[domid]++;
    while (found) {
        found = false;
        for (uint32_t i = 0; i < NODES && !found; i++) {
            struct node *node = &model->nodes[i];
            const struct entry *owner = &node->content.entries[0];
            char path[PATH];
            char above[PATH];
            bool inner = false;

            if (!node->used || owner->domid != domid || owner->life == model->life[domid]) {
                continue;
            }
            if (strcmp(node->path, "/") == 0) {
                node->content.entries[0].domid = 0;
                node->content.entries[0].life = 0;
                node->version = ++model->counter;
                continue;
            }
            for (strcpy(above, node->path); strcmp(above, "/") != 0;) {
                const struct content *content;

                parent_of(above, above);
                content = content_of(model, above);
                inner = inner || (strcmp(above, "/") != 0 && content->entries[0].domid == domid &&
                                  content->entries[0].life != model->life[domid]);
            }
            if (!inner) {
                strcpy(path, node->path);
                remove_tree(model, path);
                found = true;
            }
        }
    }
}

/* ---- both side by side ---- */

struct pair {
    struct model model;
    struct blanket_root_store *store;
    struct client clients[DOMAINS];
    uint64_t committed;
    uint64_t conflicted;
    uint64_t event_count;
    uint64_t denied;
};

static int text_compare(const void *one, const void *other)
{
    return strcmp(one, other);
}

/* All events of one request, on both sides, in any order. */
static void events_compare(struct pair *pair)
{
    static char seen[EVENTS][PATH + 16];
    uint32_t count = 0;

    for (uint32_t i = 0; i < DOMAINS; i++) {
        struct client *client = &pair->clients[i];
        uint32_t at = 0;

        client_drain(client);
        while (at < client->events_size) {
            const char *path = client->events + at;
            const char *token = path + strlen(path) + 1;

            snprintf(seen[count++], PATH + 16, "%u %s %s", i, path, token);
            at += (uint32_t)(strlen(path) + strlen(token) + 2);
        }
        client->events_size = 0;
        client->event_count = 0;
    }
    qsort(seen, count, sizeof(seen[0]), text_compare);
    qsort(pair->model.events, pair->model.event_count, sizeof(seen[0]), text_compare);
    assert_int_equal(count, pair->model.event_count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(seen[i], pair->model.events[i]);
    }
    pair->event_count += count;
    pair->model.event_count = 0;
}

static void random_path(char *path)
{
    uint32_t depth = pick(5);
    size_t at = 0;

    if (depth == 0) {
        strcpy(path, "/");
        return;
    }
    for (uint32_t i = 0; i < depth; i++) {
        path[at++] = '/';
        path[at++] = (char)('a' + pick(i == 0 ? 2 : 3));
    }
    path[at] = '\0';
}

static void random_permissions(const struct model *model, struct content *content, char *text)
{
    size_t at = 0;

    memset(content, 0, sizeof(*content));
    content->count = 1 + pick(ENTRIES);
    for (uint32_t i = 0; i < content->count; i++) {
        struct entry *entry = &content->entries[i];

        entry->domid = pick(DOMAINS);
        entry->life = model->life[entry->domid];
        entry->access = "nrwbb"[pick(5)];
        at += (size_t)snprintf(text + at, 8, "%s%c%u", i == 0 ? "" : ",", entry->access,
                               entry->domid);
    }
}

static void directory_compare(struct pair *pair, uint32_t domid, bool inside, const char *path)
{
    static char children[NODES][PATH];
    char names[4096] = "";
    struct copy *copy = NULL;
    struct node *node;
    const char *error = open_node(&pair->model, domid, inside, path, false, &node, &copy);
    uint32_t count;

    if (strcmp(error, "OK") != 0) {
        assert_string_equal(xs_directory(&pair->clients[domid], path), error);
        return;
    }
    count = list(&pair->model, domid, inside, path, children);
    for (uint32_t i = 0; i < count; i++) {
        strcat(names, strrchr(children[i], '/') + 1);
        strcat(names, " ");
    }
    assert_string_equal(xs_directory(&pair->clients[domid], path), names);
}

static void read_compare(struct pair *pair, uint32_t domid, bool inside, const char *path)
{
    struct copy *copy = NULL;
    struct node *node;
    const char *error = open_node(&pair->model, domid, inside, path, false, &node, &copy);

    pair->denied += strcmp(error, "EACCES") == 0;
    assert_string_equal(xs_read(&pair->clients[domid], path),
                        strcmp(error, "OK") == 0 ? node->content.value : error);
}

static void watch_step(struct pair *pair, uint32_t domid, const char *path)
{
    struct model *model = &pair->model;
    struct client *client = &pair->clients[domid];
    struct watch *place = NULL;
    char token[8];
    bool exists = false;

    snprintf(token, sizeof(token), "t%u", pick(2));
    for (uint32_t i = 0; i < WATCHES; i++) {
        struct watch *watch = &model->watches[i];

        if (watch->used && watch->domid == domid && strcmp(watch->path, path) == 0 &&
            strcmp(watch->token, token) == 0) {
            exists = true;
            place = watch;
        } else if (!watch->used && !exists) {
            place = watch;
        }
    }
    if (place == NULL || (exists && pick(2) == 0)) {
        return;
    }
    if (exists) {
        assert_string_equal(xs_watch(client, path, token), "EEXIST");
        assert_string_equal(xs_unwatch(client, path, token), "OK");
        place->used = false;
        return;
    }
    assert_string_equal(xs_watch(client, path, token), "OK");
    place->used = true;
    place->domid = domid;
    strcpy(place->path, path);
    strcpy(place->token, token);
    snprintf(model->events[model->event_count++], PATH + 16, "%u %s %s", domid, path, token);
}

static void transaction_step(struct pair *pair, uint32_t domid)
{
    struct client *client = &pair->clients[domid];

    if (!pair->model.open[domid]) {
        xs_begin(client);
        assert_int_equal(client->type, XS_TRANSACTION_START);
        pair->model.open[domid] = true;
    } else if (pick(6) == 0) {
        assert_string_equal(xs_end(client, "F"), "OK");
        pair->model.copy_count[domid] = 0;
        pair->model.open[domid] = false;
    } else {
        const char *verdict = model_commit(&pair->model, domid);

        assert_string_equal(xs_end(client, "T"), verdict);
        pair->committed += strcmp(verdict, "OK") == 0;
        pair->conflicted += strcmp(verdict, "OK") != 0;
    }
}

static void domain_step(struct pair *pair)
{
    uint32_t domid = 1 + pick(DOMAINS - 1);

    model_remove_domain(&pair->model, domid);
    assert_int_equal(blanket_root_store_domain_remove(pair->store, (uint16_t)domid), 0);
    events_compare(pair);
    blanket_root_store_disconnect(pair->clients[domid].connection);
    client_open(&pair->clients[domid], pair->store, (uint16_t)domid);
}

/* One random request of one domain. */
static void step(struct pair *pair)
{
    struct model *model = &pair->model;
    uint32_t domid = pick(DOMAINS);
    struct client *client = &pair->clients[domid];
    uint32_t tx = client->tx;
    bool inside = model->open[domid] && pick(8) != 0;
    char path[PATH];
    char text[64];
    struct content wanted;
    uint32_t what = pick(100);

    random_path(path);
    client->tx = inside ? tx : 0;
    snprintf(text, sizeof(text), "%.*s", (int)pick(30), "value-of-some-length-or-another");
    if (what < 22) {
        assert_string_equal(model_write(model, domid, inside, path, text, false),
                            xs_write(client, path, text));
    } else if (what < 30) {
        assert_string_equal(model_write(model, domid, inside, path, "", true),
                            xs_mkdir(client, path));
    } else if (what < 42) {
        assert_string_equal(model_rm(model, domid, inside, path), xs_rm(client, path));
    } else if (what < 57) {
        read_compare(pair, domid, inside, path);
    } else if (what < 70) {
        directory_compare(pair, domid, inside, path);
    } else if (what < 80) {
        random_permissions(model, &wanted, text);
        assert_string_equal(model_permit(model, domid, inside, path, &wanted),
                            xs_set_permissions(client, path, text));
    } else if (what < 86) {
        watch_step(pair, domid, path);
    } else if (what < 99) {
        client->tx = tx;
        transaction_step(pair, domid);
        tx = client->tx;
    } else if (pick(4) == 0) {
        client->tx = tx;
        domain_step(pair);
        tx = client->tx;
    }
    client->tx = tx;
    events_compare(pair);
}

/* An empty store, "/" everybody's, and a model of it. */
static struct pair *pair_open(void)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct node *root;

    assert_non_null(pair);
    pair->store = store_open();
    for (uint32_t i = 0; i < DOMAINS; i++) {
        client_open(&pair->clients[i], pair->store, (uint16_t)i);
    }
    assert_string_equal(xs_rm(&pair->clients[0], "/tool"), "OK");
    assert_string_equal(xs_set_permissions(&pair->clients[0], "/", "b0"), "OK");
    root = node_put(&pair->model, "/");
    root->content.count = 1;
    root->content.entries[0].access = 'b';
    root->version = ++pair->model.counter;
    return pair;
}

static void pair_close(struct pair *pair)
{
    for (uint32_t i = 0; i < DOMAINS; i++) {
        blanket_root_store_disconnect(pair->clients[i].connection);
    }
    assert_true(blanket_root_store_check(pair->store));
    blanket_root_store_destroy(pair->store);
    free(pair);
}

#endif
