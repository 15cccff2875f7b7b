/* SPDX-License-Identifier: MIT */
/* blanketctl: who may use what of the hypervisor below. */
#include "ctl.h"

#include "number.h"

#include <blanket/acl.h>
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>

#define BUSY_TRIES 50u
#define BUSY_MS 20

static const char usage_text[] =
    "blanketctl [--json] COMMAND ...   administer blanket in this Xen\n"
    "\n"
    "  attach DOMAIN                   a domain may have endpoints from now on\n"
    "      --endpoints N --grants N --mappings N --ports N   and holds at most so many\n"
    "  detach DOMAIN                   all that it has is dead at once\n"
    "  mint DOMAIN --l0 CLASS/HANDLE   give it a device that the hypervisor below gave to this "
    "Xen\n"
    "                                  (vbd/51712); blanketd has to run\n"
    "  mint DOMAIN --name NAME         give it something else:\n"
    "      --peer N                    a domain below, to grant to and have channels with\n"
    "      --frontend PATH --backend PATH   directories of the store below\n"
    "      --raw                       the whole store below, as this Xen sees it\n"
    "    of both: --grants N --ports N --connections N --requests N --watches N --transactions N\n"
    "      --rights A,B,...            (all)\n"
    "      --share                     though another domain has endpoints to the same peer\n"
    "  derive NAME --name NEW          part of an endpoint of this domain's own\n"
    "      --rights A,B,... --grants N --mappings N --ports N\n"
    "  revoke DOMAIN ENDPOINT          by name or SLOT.GENERATION: dead at once, drained later\n"
    "  lost DOMAIN ENDPOINT            its peer below is gone: broken at once, drained later\n"
    "  rebind DOMAIN ENDPOINT          its peer is back: a broken one that is drained is live "
    "again\n"
    "      --peer N                    as another domain below; not if it has directories of the "
    "store\n"
    "  list [DOMAIN]                   endpoints; dead ones until they are drained\n"
    "  status DOMAIN ENDPOINT          all of one\n"
    "  limits                          what there is in all, and is used\n"
    "  audit [--since N]               who was refused what, and why\n"
    "\n"
    "DOMAIN is a number of this Xen's, or \"self\". Exit status: 1 if it was refused, 2 for wrong "
    "use.\n";

struct entry {
    const char *name;
    ctl_command *run;
    int least, most; /* arguments */
};

static const struct entry commands[] = {
    {"attach", ctl_attach, 1, 1}, {"detach", ctl_detach, 1, 1}, {"mint", ctl_mint, 1, 1},
    {"derive", ctl_derive, 1, 1}, {"revoke", ctl_revoke, 2, 2}, {"lost", ctl_lost, 2, 2},
    {"rebind", ctl_rebind, 2, 2}, {"list", ctl_list, 0, 1},     {"status", ctl_status, 2, 2},
    {"limits", ctl_limits, 0, 0}, {"audit", ctl_audit, 0, 0},
};

int ctl_complain(const char *what, const char *why)
{
    fprintf(stderr, "blanketctl: %s: %s\n", what, why);
    return 1;
}

int ctl_fail(const char *what, int status)
{
    switch (status) {
    case -BLANKET_EPERM:
        return ctl_complain(what, "this domain may not (XSM), or the endpoint is dead or too weak");
    case -BLANKET_ENOSYS:
        return ctl_complain(what, "this Xen has another version of blanket than this program");
    case -BLANKET_ENOENT:
        return ctl_complain(what, "there is no such thing");
    case -BLANKET_ENOSPC:
        return ctl_complain(what, "a limit is reached (blanketctl limits)");
    case -BLANKET_EINVAL:
        return ctl_complain(what, "a value is out of range");
    case -BLANKET_ENOMEM:
        return ctl_complain(what, "there is no memory");
    case -BLANKET_EAGAIN:
    case -BLANKET_EBUSY:
        return ctl_complain(what, "not now: try again");
    default:
        fprintf(stderr, "blanketctl: %s: error %d\n", what, -status);
        return 1;
    }
}

int ctl_admin(struct ctl *ctl, uint32_t operation, void *structure, size_t size)
{
    const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
    int status = -BLANKET_EAGAIN;

    /* One operation at a time in all of this Xen: somebody else's is soon over. */
    for (uint32_t i = 0; i < BUSY_TRIES && status == -BLANKET_EAGAIN; i++) {
        if (i != 0) {
            (void)nanosleep(&pause, NULL);
        }
        status = xen_transport_operation(ctl->transport, BLANKET_FORM_ADMIN, operation, structure,
                                         size);
    }
    return status;
}

bool ctl_domain(const char *text, uint32_t *domain)
{
    uint64_t number;

    if (strcmp(text, "self") == 0) {
        *domain = BLANKET_XEN_DOMAIN_SELF;
        return true;
    }
    if (!number_parse(text, &number) || number >= BLANKET_XEN_DOMAIN_SELF) {
        (void)ctl_complain(text, "is no domain: a number, or \"self\"");
        return false;
    }
    *domain = (uint32_t)number;
    return true;
}

/* As they are written in the headers will do, too: GRANT_ACCESS for grant-access. */
static bool same_name(const char *text, size_t size, const char *name)
{
    if (strlen(name) != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((text[i] == '_' ? '-' : tolower((unsigned char)text[i])) != name[i]) {
            return false;
        }
    }
    return true;
}

bool ctl_rights(const char *text, uint32_t *rights)
{
    const char *at = text;

    *rights = strcmp(text, "all") == 0 ? BLANKET_RIGHTS_ALL : 0;
    while (*rights != BLANKET_RIGHTS_ALL) {
        size_t size = strcspn(at, ",");
        unsigned right = 0;

        while (right < BLANKET_RIGHT_COUNT && !same_name(at, size, blanket_right_name(right))) {
            right++;
        }
        if (right == BLANKET_RIGHT_COUNT) {
            fprintf(stderr, "blanketctl: there is no right \"%.*s\"; there are", (int)size, at);
            for (right = 0; right < BLANKET_RIGHT_COUNT; right++) {
                fprintf(stderr, " %s", blanket_right_name(right));
            }
            fputc('\n', stderr);
            return false;
        }
        *rights |= 1u << right;
        if (at[size] == 0) {
            break;
        }
        at += size + 1;
    }
    return true;
}

static bool option_number(const char *name, uint32_t *to)
{
    uint64_t number;

    if (!number_parse(optarg, &number) || number >= CTL_UNSET) {
        fprintf(stderr, "blanketctl: --%s takes a number, not \"%s\"\n", name, optarg);
        return false;
    }
    *to = (uint32_t)number;
    return true;
}

enum option_key {
    OPTION_JSON = 'j',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_RAW = 'R',
    OPTION_SHARE = 'S',
    OPTION_SINCE = 's',
    OPTION_TEXT = 256, /* .. and which one */
    OPTION_NUMBER = 512
};

#define TEXTS 5
#define NUMBERS 9

static bool option_take(int key, const char *name, struct ctl *ctl, struct ctl_options *options)
{
    const char **texts[TEXTS] = {&options->l0, &options->name, &options->frontend,
                                 &options->backend, &options->rights};
    uint32_t *numbers[NUMBERS] = {&options->endpoints, &options->grants,  &options->mappings,
                                  &options->ports,     &options->peer,    &options->connections,
                                  &options->requests,  &options->watches, &options->transactions};

    if (key >= OPTION_NUMBER) {
        return option_number(name, numbers[key - OPTION_NUMBER]);
    }
    if (key >= OPTION_TEXT) {
        *texts[key - OPTION_TEXT] = optarg;
        return true;
    }
    ctl->json = ctl->json || key == OPTION_JSON;
    options->raw = options->raw || key == OPTION_RAW;
    options->share = options->share || key == OPTION_SHARE;
    if (key == OPTION_SINCE && !number_parse(optarg, &options->since)) {
        (void)ctl_complain(optarg, "is no number");
        return false;
    }
    return key != '?';
}

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"raw", no_argument, NULL, OPTION_RAW},
    {"share", no_argument, NULL, OPTION_SHARE},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"l0", required_argument, NULL, OPTION_TEXT},
    {"name", required_argument, NULL, OPTION_TEXT + 1},
    {"frontend", required_argument, NULL, OPTION_TEXT + 2},
    {"backend", required_argument, NULL, OPTION_TEXT + 3},
    {"rights", required_argument, NULL, OPTION_TEXT + 4},
    {"endpoints", required_argument, NULL, OPTION_NUMBER},
    {"grants", required_argument, NULL, OPTION_NUMBER + 1},
    {"mappings", required_argument, NULL, OPTION_NUMBER + 2},
    {"ports", required_argument, NULL, OPTION_NUMBER + 3},
    {"peer", required_argument, NULL, OPTION_NUMBER + 4},
    {"connections", required_argument, NULL, OPTION_NUMBER + 5},
    {"requests", required_argument, NULL, OPTION_NUMBER + 6},
    {"watches", required_argument, NULL, OPTION_NUMBER + 7},
    {"transactions", required_argument, NULL, OPTION_NUMBER + 8},
    {NULL, 0, NULL, 0}};

static const struct entry *command_find(const char *name, int count)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            if (count >= commands[i].least && count <= commands[i].most) {
                return &commands[i];
            }
            (void)ctl_complain(name, "too few or too many arguments (--help)");
            return NULL;
        }
    }
    (void)ctl_complain(name, "there is no such command (--help)");
    return NULL;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    struct ctl_options options = {.endpoints = CTL_UNSET,
                                  .grants = CTL_UNSET,
                                  .mappings = CTL_UNSET,
                                  .ports = CTL_UNSET,
                                  .connections = CTL_UNSET,
                                  .requests = CTL_UNSET,
                                  .watches = CTL_UNSET,
                                  .transactions = CTL_UNSET,
                                  .peer = CTL_UNSET};
    const struct entry *command;
    int key, index = 0, status;

    while ((key = getopt_long(argc, argv, "h", long_options, &index)) != -1) {
        if (key == OPTION_HELP || key == OPTION_VERSION) {
            puts(key == OPTION_HELP ? usage_text : "blanketctl " BLANKET_VERSION);
            return 0;
        }
        if (!option_take(key, long_options[index].name, &ctl, &options)) {
            return 2;
        }
    }
    if (optind == argc) {
        fputs(usage_text, stderr);
        return 2;
    }
    command = command_find(argv[optind], argc - optind - 1);
    if (command == NULL) {
        return 2;
    }
    status = xen_transport_open(&ctl.transport);
    if (status != 0) {
        return ctl_complain(command->name, xen_transport_explain(status));
    }
    status = command->run(&ctl, argv + optind + 1, &options);
    xen_transport_close(ctl.transport);
    return status;
}
