/* SPDX-License-Identifier: MIT */
/* blanket: the program. Its subcommands are one file each. */
#include "command.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"run", command_run, "copy a disk image through simulated levels, by PV block devices"},
    {"store", command_store, "serve a xenstore on a socket, through simulated levels"},
};

static void usage(FILE *stream)
{
    fputs("usage: blanket COMMAND [OPTION]...\n\n", stream);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n`blanket COMMAND --help` tells more. `blanket --version`: which one this is.\n",
          stream);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return COMMAND_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("blanket " BLANKET_VERSION);
        return COMMAND_DONE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    command_error("there is no command \"%s\" (blanket --help)", argv[1]);
    return COMMAND_USAGE;
}
