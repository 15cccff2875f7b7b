/* SPDX-License-Identifier: MIT */
/* blanket store: the provider's xenstore, through levels, for any client of the wire protocol. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "store/server.h"

#define MEMORY_DEFAULT 128u /* MiB */
#define CLIENTS_DEFAULT 128u
#define WATCHES_DEFAULT 128u
#define TRANSACTIONS_DEFAULT 16u

static void usage(FILE *stream)
{
    fprintf(
        stream,
        "usage: blanket store --socket PATH [OPTION]...\n"
        "\n"
        "Serves a xenstore at the unix socket PATH until SIGTERM or SIGINT, for any client of\n"
        "libxenstore: XENSTORED_PATH=PATH xenstore-ls. The clients are those of a guest on top of\n"
        "simulated levels; the store is the provider's, at the bottom.\n"
        "\n"
        "  --socket PATH       where; mode 0600, removed at the end\n"
        "  --levels N          levels between, 0 to 16 (1)\n"
        "  --state FILE        read at the start if it's there; written at the end, and at "
        "SIGHUP:\n"
        "                      nodes, values, permissions; no watches, no transactions\n"
        "  --domain N          the store takes all clients for domain N (0, which may do all)\n"
        "  --memory MIB        of the store, 1 to 65536 (%u)\n"
        "  --clients N         at the same time, 1 to 1000 (%u); more have to wait\n"
        "  --watches N         of each client, 1 to 1024 (%u)\n"
        "  --transactions N    open at once, of each client, 1 to 64 (%u)\n"
        "  --check             the simulation checks the levels; slower; 1 if one broke a rule\n"
        "  --verbose           says who comes and goes\n"
        "  --help              this\n",
        MEMORY_DEFAULT, CLIENTS_DEFAULT, WATCHES_DEFAULT, TRANSACTIONS_DEFAULT);
}

enum option_id {
    OPTION_SOCKET = 256,
    OPTION_LEVELS,
    OPTION_STATE,
    OPTION_DOMAIN,
    OPTION_MEMORY,
    OPTION_CLIENTS,
    OPTION_WATCHES,
    OPTION_TRANSACTIONS,
    OPTION_CHECK,
    OPTION_VERBOSE,
    OPTION_HELP
};

static const struct option options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"levels", required_argument, NULL, OPTION_LEVELS},
    {"state", required_argument, NULL, OPTION_STATE},
    {"domain", required_argument, NULL, OPTION_DOMAIN},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"watches", required_argument, NULL, OPTION_WATCHES},
    {"transactions", required_argument, NULL, OPTION_TRANSACTIONS},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* An option's number into `target`; false: said on standard error. */
static bool take_number(const char *name, uint64_t min, uint64_t max, uint32_t *target)
{
    uint64_t number = 0;

    if (!command_number(optarg, min, max, &number)) {
        command_error("--%s takes a number from %llu to %llu, not \"%s\"", name,
                      (unsigned long long)min, (unsigned long long)max, optarg);
        return false;
    }
    *target = (uint32_t)number;
    return true;
}

static bool take_option(int id, struct server_config *config, uint32_t *memory)
{
    switch (id) {
    case OPTION_SOCKET:
        config->socket = optarg;
        return true;
    case OPTION_LEVELS:
        return take_number("levels", 0, BLANKET_LEVEL_MAX, &config->tower.levels);
    case OPTION_STATE:
        config->state = optarg;
        return true;
    case OPTION_DOMAIN:
        return take_number("domain", 0, 0x7fef, &config->tower.domid);
    case OPTION_MEMORY:
        return take_number("memory", 1, 65536, memory);
    case OPTION_CLIENTS:
        return take_number("clients", 1, 1000, &config->clients);
    case OPTION_WATCHES:
        return take_number("watches", 1, 1024, &config->limits.watches);
    case OPTION_TRANSACTIONS:
        return take_number("transactions", 1, 64, &config->limits.transactions);
    case OPTION_CHECK:
        config->tower.checked = true;
        return true;
    case OPTION_VERBOSE:
        config->verbose = true;
        return true;
    default: /* getopt has said what is wrong */
        fputs("`blanket store --help` tells what there is.\n", stderr);
        return false;
    }
}

/* 0: go on. */
static int take_options(int argc, char **argv, struct server_config *config)
{
    uint32_t memory = MEMORY_DEFAULT;
    int id = getopt_long(argc, argv, "", options, NULL);

    for (; id != -1; id = getopt_long(argc, argv, "", options, NULL)) {
        if (id == OPTION_HELP) {
            usage(stdout);
            return -1;
        }
        if (!take_option(id, config, &memory)) {
            return COMMAND_USAGE;
        }
    }
    if (optind < argc) {
        command_error("\"%s\" isn't an option (blanket store --help)", argv[optind]);
        return COMMAND_USAGE;
    }
    if (config->socket == NULL) {
        command_error("--socket PATH is needed (blanket store --help)");
        return COMMAND_USAGE;
    }
    if (config->clients * config->limits.watches > 0x10000u) {
        command_error("%u clients with %u watches each are more than 65536 watches",
                      (unsigned)config->clients, (unsigned)config->limits.watches);
        return COMMAND_USAGE;
    }
    config->tower.memory = (uint64_t)memory << 20;
    return 0;
}

int command_store(int argc, char **argv)
{
    struct server_config config;
    struct server server;
    int status = COMMAND_FAILED;

    memset(&config, 0, sizeof(config));
    config.tower.levels = 1;
    config.clients = CLIENTS_DEFAULT;
    config.limits.watches = WATCHES_DEFAULT;
    config.limits.transactions = TRANSACTIONS_DEFAULT;
    status = take_options(argc, argv, &config);
    if (status != 0) {
        return status < 0 ? COMMAND_DONE : status;
    }
    status = COMMAND_FAILED;
    if (server_open(&config, &server)) {
        printf("blanket store: %u levels at %s\n", (unsigned)config.tower.levels, config.socket);
        (void)fflush(stdout);
        status = server_run(&server) ? COMMAND_DONE : COMMAND_FAILED;
    }
    if (!server_close(&server)) {
        status = COMMAND_FAILED;
    }
    return status;
}
