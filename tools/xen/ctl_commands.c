/* SPDX-License-Identifier: MIT */
#include "ctl.h"
#include "number.h"

#include <blanket/acl.h>
#include <stdlib.h>

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {"free", "live", "broken", "dead", "resetting"};

    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* ---- domains ---- */

int ctl_attach(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_attach attach = {.endpoints = options->endpoints,
                                        .grants = options->grants,
                                        .mappings = options->mappings,
                                        .ports = options->ports};
    int status;

    attach.endpoints = attach.endpoints == CTL_UNSET ? 64 : attach.endpoints;
    attach.grants = attach.grants == CTL_UNSET ? 4096 : attach.grants;
    attach.mappings = attach.mappings == CTL_UNSET ? 256 : attach.mappings;
    attach.ports = attach.ports == CTL_UNSET ? 256 : attach.ports;
    if (!ctl_domain(arguments[0], &attach.domain)) {
        return 2;
    }
    status = ctl_admin(ctl, BLANKET_XEN_ATTACH, &attach, sizeof(attach));
    return status == -BLANKET_EEXIST
               ? ctl_complain(arguments[0], "is attached, or what it had before isn't drained yet")
           : status == -BLANKET_ENOENT ? ctl_complain(arguments[0], "is no domain that lives")
           : status != 0               ? ctl_fail("attach", status)
                                       : 0;
}

int ctl_detach(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_attach attach = {0};
    int status;

    (void)options;
    if (!ctl_domain(arguments[0], &attach.domain)) {
        return 2;
    }
    status = ctl_admin(ctl, BLANKET_XEN_DETACH, &attach, sizeof(attach));
    return status == -BLANKET_ENOENT ? ctl_complain(arguments[0], "isn't attached")
           : status != 0             ? ctl_fail("detach", status)
                                     : 0;
}

/* ---- endpoints ---- */

static void entry_print(struct ctl *ctl, const struct blanket_xen_list *entry, bool all)
{
    const struct blanket_wire_endpoint *info = &entry->info;
    char name[BLANKET_NAME_SIZE + 1] = "";

    memcpy(name, info->name, BLANKET_NAME_SIZE);
    ctl_record(ctl);
    ctl_number(ctl, "domain", entry->domain);
    ctl_handle(ctl, "endpoint", entry->endpoint);
    ctl_text(ctl, "name", name);
    ctl_text(ctl, "state", state_name(info->state));
    if (entry->peer != BLANKET_XEN_NO_PEER) {
        ctl_number(ctl, "peer", entry->peer);
    }
    ctl_number(ctl, "grants", info->grant_used);
    ctl_number(ctl, "grants_max", info->grant_count);
    ctl_number(ctl, "ports", info->port_used);
    ctl_number(ctl, "ports_max", info->port_count);
    ctl_number(ctl, "closing", info->closing);
    if (all) {
        ctl_rights_print(ctl, "rights", info->rights);
        ctl_number(ctl, "mappings", info->mapping_used);
        ctl_number(ctl, "mappings_max", info->mapping_count);
        ctl_number(ctl, "grant_base", entry->grant_base);
        ctl_number(ctl, "connections", entry->connections);
        ctl_number(ctl, "requests", entry->requests);
        ctl_number(ctl, "children", info->child_count);
    }
    ctl_record_end(ctl);
}

/* The next entry of LIST; 0, 1: no more, or an error. */
static int list_next(struct ctl *ctl, struct blanket_xen_list *entry)
{
    uint64_t before = entry->cursor;
    int status = ctl_admin(ctl, BLANKET_XEN_LIST, entry, sizeof(*entry));

    if (status == -BLANKET_ENOENT) {
        return 1;
    }
    return status == 0 && entry->cursor == before ? -BLANKET_EIO : status;
}

int ctl_list(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_list entry = {0};
    uint32_t domain = CTL_UNSET;
    int status;

    (void)options;
    if (arguments[0] != NULL && !ctl_domain(arguments[0], &domain)) {
        return 2;
    }
    if (domain == BLANKET_XEN_DOMAIN_SELF) {
        return ctl_complain(arguments[0], "entries have numbers: say which is this domain's") + 1;
    }
    ctl_begin(ctl);
    while ((status = list_next(ctl, &entry)) == 0) {
        if (domain == CTL_UNSET || entry.domain == domain) {
            entry_print(ctl, &entry, false);
        }
    }
    ctl_end(ctl);
    return status < 0 ? ctl_fail("list", status) : 0;
}

/* "slot.generation" */
static bool handle_parse(const char *text, uint64_t *handle)
{
    char slot[16];
    const char *dot = strchr(text, '.');
    uint64_t index, generation;

    if (dot == NULL || (size_t)(dot - text) >= sizeof(slot)) {
        return false;
    }
    memcpy(slot, text, (size_t)(dot - text));
    slot[dot - text] = 0;
    if (!number_parse(slot, &index) || !number_parse(dot + 1, &generation) || index > UINT32_MAX ||
        generation > UINT32_MAX) {
        return false;
    }
    *handle = blanket_handle((uint32_t)index, (uint32_t)generation);
    return true;
}

/* The handle of one of our own domain's; 0: there is none of this name. */
static uint64_t own_find(struct ctl *ctl, const char *name)
{
    const struct blanket_transport down = xen_transport_guest(ctl->transport);
    struct blanket_guest *guest = calloc(1, sizeof(*guest));
    struct blanket_wire_endpoint info = {0};
    int status = guest == NULL || strlen(name) >= BLANKET_NAME_SIZE ? -BLANKET_ENOENT : 0;

    if (status == 0) {
        status = blanket_guest_init(guest, &down, xen_transport_frame(ctl->transport));
    }
    if (status == 0) {
        status = blanket_guest_lookup(guest, name, &info);
    }
    free(guest);
    return status == 0 ? info.endpoint : 0;
}

int ctl_find(struct ctl *ctl, uint32_t domain, const char *text, struct blanket_xen_list *entry)
{
    uint64_t handle;
    int status;

    memset(entry, 0, sizeof(*entry));
    /* What we are called by others isn't known to us: by its name in our own table, then. */
    if (handle_parse(text, &handle) ||
        (domain == BLANKET_XEN_DOMAIN_SELF && (handle = own_find(ctl, text)) != 0)) {
        entry->domain = domain;
        entry->endpoint = handle;
        status = ctl_admin(ctl, BLANKET_XEN_INFO, entry, sizeof(*entry));
        return status == 0                 ? 0
               : status == -BLANKET_ENOENT ? ctl_complain(text, "there is no such endpoint")
                                           : ctl_fail("info", status);
    }
    while ((status = list_next(ctl, entry)) == 0) {
        if (entry->domain == domain && strncmp(entry->info.name, text, BLANKET_NAME_SIZE) == 0 &&
            entry->info.state != BLANKET_ENDPOINT_DEAD) {
            return 0;
        }
    }
    return status < 0 ? ctl_fail("list", status)
                      : ctl_complain(text, "there is no such endpoint (blanketctl list)");
}

static int mint_explain(int status, const struct blanket_xen_mint *mint)
{
    switch (status) {
    case -BLANKET_EEXIST:
        return ctl_complain(mint->name, "the domain has an endpoint of this name or slot");
    case -BLANKET_ENOSPC:
        return ctl_complain(mint->name, "the domain's limits, or the grant table below, have no "
                                        "room for it (blanketctl limits)");
    case -BLANKET_EPERM:
        return ctl_complain(mint->name,
                            "another domain has endpoints to this peer: it could use their "
                            "references in its rings. --share says that they trust each other");
    case -BLANKET_ENOENT:
        return ctl_complain(mint->name, "the domain isn't attached (blanketctl attach)");
    default:
        return ctl_fail("mint", status);
    }
}

static bool text_put(char *to, size_t size, const char *from)
{
    if (from == NULL || strlen(from) >= size) {
        return from == NULL;
    }
    memcpy(to, from, strlen(from) + 1);
    return true;
}

/* Peer, paths and name of what is to be minted. 0, or the exit status. */
static int mint_what(struct ctl *ctl, const struct ctl_options *options,
                     struct blanket_xen_mint *mint)
{
    const char *name = options->name != NULL ? options->name : options->l0;

    if (options->l0 != NULL) {
        struct ctl_device device;
        int status = ctl_device_read(ctl, options->l0, &device);

        if (status != 0) {
            return status;
        }
        mint->peer = device.peer;
        mint->flags |= BLANKET_XEN_MINT_STORE;
        memcpy(mint->frontend, device.frontend, sizeof(mint->frontend));
        memcpy(mint->backend, device.backend, sizeof(mint->backend));
    }
    if (options->frontend != NULL || options->backend != NULL) {
        mint->flags |= BLANKET_XEN_MINT_STORE;
    }
    if (options->raw) {
        mint->flags |= BLANKET_XEN_MINT_STORE | BLANKET_XEN_MINT_RAW;
    }
    if (options->peer != CTL_UNSET) {
        mint->peer = options->peer;
    }
    if (name == NULL) {
        return ctl_complain("mint", "an endpoint has a --name") + 1;
    }
    if (!text_put(mint->name, sizeof(mint->name), name) ||
        !text_put(mint->frontend, sizeof(mint->frontend), options->frontend) ||
        !text_put(mint->backend, sizeof(mint->backend), options->backend)) {
        return ctl_complain("mint", "a name has 31 bytes, a path 255, at most") + 1;
    }
    return 0;
}

int ctl_mint(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_mint mint = {.rights = BLANKET_RIGHTS_ALL, .peer = BLANKET_XEN_NO_PEER};
    bool peer;
    int status;

    if (!ctl_domain(arguments[0], &mint.domain) ||
        (options->rights != NULL && !ctl_rights(options->rights, &mint.rights))) {
        return 2;
    }
    status = mint_what(ctl, options, &mint);
    if (status != 0) {
        return status;
    }
    peer = mint.peer != BLANKET_XEN_NO_PEER;
    mint.grants = ctl_or_else(options->grants, peer ? 512 : 0);
    mint.ports = ctl_or_else(options->ports, 4);
    if ((mint.flags & BLANKET_XEN_MINT_STORE) != 0) {
        mint.connections = ctl_or_else(options->connections, 2);
        mint.requests = ctl_or_else(options->requests, 8);
        mint.watches = ctl_or_else(options->watches, 8);
        mint.transactions = ctl_or_else(options->transactions, 2);
    }
    mint.flags |= options->share ? BLANKET_XEN_MINT_SHARE : 0;
    status = ctl_admin(ctl, BLANKET_XEN_MINT, &mint, sizeof(mint));
    if (status != 0) {
        return mint_explain(status, &mint);
    }
    ctl_begin(ctl);
    ctl_record(ctl);
    ctl_handle(ctl, "endpoint", mint.endpoint);
    ctl_text(ctl, "name", mint.name);
    ctl_record_end(ctl);
    ctl_end(ctl);
    return 0;
}

/* Find the endpoint that `arguments` name; 0, or the exit status. */
static int named_find(struct ctl *ctl, char **arguments, struct blanket_xen_list *entry)
{
    uint32_t domain;

    return ctl_domain(arguments[0], &domain) ? ctl_find(ctl, domain, arguments[1], entry) : 2;
}

int ctl_revoke(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_list entry;
    int status = named_find(ctl, arguments, &entry);

    (void)options;
    if (status == 0) {
        status = ctl_admin(ctl, BLANKET_XEN_REVOKE, &entry, sizeof(entry));
        status = status == 0 ? 0 : ctl_fail("revoke", status);
    }
    return status;
}

int ctl_lost(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_list entry;
    int status = named_find(ctl, arguments, &entry);

    (void)options;
    if (status == 0) {
        status = ctl_admin(ctl, BLANKET_XEN_LOST, &entry, sizeof(entry));
        status = status == 0 ? 0 : ctl_fail("lost", status);
    }
    return status;
}

int ctl_rebind(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_list entry;
    int status = named_find(ctl, arguments, &entry);

    if (status != 0) {
        return status;
    }
    entry.peer = ctl_or_else(options->peer, entry.peer);
    status = ctl_admin(ctl, BLANKET_XEN_REBIND, &entry, sizeof(entry));
    switch (status) {
    case 0:
        return 0;
    case -BLANKET_EBUSY:
        return ctl_complain(arguments[1], "isn't drained yet: the old peer holds something");
    case -BLANKET_EINVAL:
        return ctl_complain(arguments[1], "isn't broken, or there can't be such a peer");
    case -BLANKET_EOPNOTSUPP:
        return ctl_complain(arguments[1], "its directories of the store are the old peer's: revoke "
                                          "it and mint it anew");
    case -BLANKET_EPERM:
        return ctl_complain(arguments[1], "another domain has endpoints to this peer");
    default:
        return ctl_fail("rebind", status);
    }
}

int ctl_status(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_list entry;
    int status = named_find(ctl, arguments, &entry);

    (void)options;
    if (status == 0) {
        ctl_begin(ctl);
        entry_print(ctl, &entry, true);
        ctl_end(ctl);
    }
    return status;
}

/* ---- the whole ---- */

int ctl_limits(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_stats stats = {0};
    int status = ctl_admin(ctl, BLANKET_XEN_STATS, &stats, sizeof(stats));

    (void)arguments;
    (void)options;
    if (status != 0) {
        return ctl_fail("limits", status);
    }
    ctl_begin(ctl);
    ctl_record(ctl);
    ctl_number(ctl, "grant_room", stats.grant_room);
    ctl_number(ctl, "grant_minted", stats.grant_minted);
    ctl_number(ctl, "grants", stats.grants);
    ctl_number(ctl, "ports", stats.ports);
    ctl_number(ctl, "endpoints", stats.endpoints);
    ctl_number(ctl, "closing", stats.closing);
    ctl_number(ctl, "domains", stats.domains);
    ctl_number(ctl, "zombies", stats.zombies);
    if (stats.broker != BLANKET_XEN_NO_PEER) {
        ctl_number(ctl, "broker", stats.broker);
    } else {
        ctl_text(ctl, "broker", "none");
    }
    ctl_number(ctl, "memory", stats.bytes);
    ctl_number(ctl, "calls", stats.calls);
    ctl_number(ctl, "calls_below", stats.calls_below);
    ctl_number(ctl, "refused", stats.refused);
    ctl_number(ctl, "lost", stats.lost);
    ctl_number(ctl, "events", stats.events);
    ctl_number(ctl, "notifications", stats.notifications);
    ctl_record_end(ctl);
    ctl_end(ctl);
    return 0;
}

static void record_print(struct ctl *ctl, const struct blanket_xen_record *record)
{
    ctl_record(ctl);
    ctl_number(ctl, "sequence", record->sequence);
    ctl_number(ctl, "ms", record->time / 1000000);
    ctl_number(ctl, "domain", record->domain);
    ctl_handle(ctl, "endpoint", record->endpoint);
    ctl_text(ctl, "verb", blanket_verb_name(record->verb));
    ctl_text(ctl, "reason", blanket_reason_name(record->reason));
    if (record->reason == BLANKET_REASON_RIGHT) {
        ctl_text(ctl, "right", blanket_right_name(record->right));
    }
    if (record->reason == BLANKET_REASON_QUOTA) {
        ctl_text(ctl, "quota", blanket_quota_name(record->quota));
    }
    ctl_number(ctl, "error",
               (uint64_t)(record->status < 0 ? -(int64_t)record->status : record->status));
    ctl_record_end(ctl);
}

int ctl_audit(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    struct blanket_xen_audit audit = {.next = options->since};
    uint64_t lost = 0;
    int status;

    (void)arguments;
    ctl_begin(ctl);
    do {
        status = ctl_admin(ctl, BLANKET_XEN_AUDIT, &audit, sizeof(audit));
        if (status == 0 && audit.count > BLANKET_XEN_AUDIT_COUNT) {
            status = -BLANKET_EIO;
        }
        for (uint32_t i = 0; status == 0 && i < audit.count; i++) {
            record_print(ctl, &audit.records[i]);
        }
        lost = audit.lost > lost ? audit.lost : lost;
    } while (status == 0 && audit.count != 0);
    ctl_end(ctl);
    if (lost != 0) {
        fprintf(stderr, "blanketctl: %llu older refusals were overwritten\n",
                (unsigned long long)lost);
    }
    return status == 0 || status == -BLANKET_ENOENT ? 0 : ctl_fail("audit", status);
}
