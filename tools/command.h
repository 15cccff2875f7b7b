/* SPDX-License-Identifier: MIT */
/* What the subcommands of `blanket` share: how they end, and how they say what is wrong. */
#ifndef BLANKET_COMMAND_H
#define BLANKET_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1, /* the job didn't succeed */
    COMMAND_USAGE = 2   /* it didn't begin: options or files are wrong */
};

/* One file a subcommand; main.c has the table. argv[0] is its name. Returns enum command_exit. */
int command_run(int argc, char **argv);
int command_store(int argc, char **argv);

/* One line on standard error, "blanket run: ...". */
void command_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole decimal number from min to max; false if it isn't one. */
bool command_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* ENOENT and so on, for a negative enum blanket_errno. Static. */
const char *command_errno_name(int status);

/*
 * Set by SIGINT, SIGTERM and SIGHUP once command_signals was called: a job ends itself, and cleans up.
 * From then on output that nobody reads is an error of the write, not the program's end.
 */
void command_signals(void);
bool command_interrupted(void);

#endif
