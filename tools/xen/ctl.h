/* SPDX-License-Identifier: MIT */
/* What the commands of blanketctl share. Exit status: 0, 1 refused or failed, 2 wrong usage. */
#ifndef BLANKET_TOOLS_XEN_CTL_H
#define BLANKET_TOOLS_XEN_CTL_H

#include "transport.h"

#include <blanket/port/xen.h>
#include <stdio.h>

struct ctl {
    struct xen_transport *transport;
    bool json;
    uint32_t records; /* printed in the list in hand... */
    uint32_t fields;  /* ...and of its last record */
};

/* Options of all commands: what wasn't given is as ctl.c sets it. */
struct ctl_options {
    const char *l0, *name, *frontend, *backend, *rights;
    uint32_t endpoints, grants, mappings, ports, connections, requests, watches, transactions;
    uint32_t peer;
    uint64_t since;
    bool raw, share;
};

#define CTL_UNSET UINT32_MAX

static inline uint32_t ctl_or_else(uint32_t value, uint32_t otherwise)
{
    return value == CTL_UNSET ? otherwise : value;
}

/* The arguments after the command's name. Each returns the program's exit status. */
typedef int ctl_command(struct ctl *ctl, char **arguments, const struct ctl_options *options);
ctl_command ctl_attach, ctl_detach, ctl_list, ctl_mint, ctl_derive, ctl_revoke, ctl_lost,
    ctl_rebind, ctl_limits, ctl_status, ctl_audit;

/* An ADMIN operation. */
int ctl_admin(struct ctl *ctl, uint32_t operation, void *structure, size_t size);
/* Says what an operation met; returns 1, the exit status. */
int ctl_fail(const char *what, int status);
int ctl_complain(const char *what, const char *why);
/* "self" or a number; false: complained. */
bool ctl_domain(const char *text, uint32_t *domain);
/* The endpoint `text` (its name, or slot.generation) of a domain; 0, or the exit status. */
int ctl_find(struct ctl *ctl, uint32_t domain, const char *text, struct blanket_xen_list *entry);
/* Names of rights, with commas; false: complained. */
bool ctl_rights(const char *text, uint32_t *rights);

/* ctl_print.c: a list of records, of a field each a call; JSON or lines for people. */
void ctl_begin(struct ctl *ctl);
void ctl_end(struct ctl *ctl);
void ctl_record(struct ctl *ctl);
void ctl_record_end(struct ctl *ctl);
void ctl_text(struct ctl *ctl, const char *key, const char *value);
void ctl_number(struct ctl *ctl, const char *key, uint64_t value);
void ctl_handle(struct ctl *ctl, const char *key, uint64_t handle);
void ctl_rights_print(struct ctl *ctl, const char *key, uint32_t rights);

/* ctl_store.c: a device that the toolstack of the hypervisor below gave to this Xen. */
struct ctl_device {
    uint32_t peer;
    char frontend[BLANKET_XEN_PATH_SIZE];
    char backend[BLANKET_XEN_PATH_SIZE];
};
/* `name` as "vbd/51712". 0, or the exit status. */
int ctl_device_read(struct ctl *ctl, const char *name, struct ctl_device *device);

#endif
