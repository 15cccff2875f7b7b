/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <blanket/errno.h>

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void command_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, old;

    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    action.sa_flags = (int)SA_RESETHAND; /* the second one ends it at once */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        /* Who started us ignoring it (nohup) wants it ignored. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
            sigaction(numbers[i], &action, NULL);
        }
    }
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, NULL);
}

bool command_interrupted(void)
{
    return interrupted != 0;
}

void command_error(const char *format, ...)
{
    va_list arguments;

    /* On a terminal a progress line may be there: the message takes its place. */
    fputs(isatty(STDERR_FILENO) == 1 ? "\r\033[Kblanket: " : "blanket: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

bool command_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max) {
        return false;
    }
    *number = value;
    return true;
}

const char *command_errno_name(int status)
{
    switch (-status) {
    case BLANKET_EPERM:
        return "EPERM";
    case BLANKET_ENOENT:
        return "ENOENT";
    case BLANKET_EIO:
        return "EIO";
    case BLANKET_E2BIG:
        return "E2BIG";
    case BLANKET_EAGAIN:
        return "EAGAIN";
    case BLANKET_ENOMEM:
        return "ENOMEM";
    case BLANKET_EFAULT:
        return "EFAULT";
    case BLANKET_EBUSY:
        return "EBUSY";
    case BLANKET_EEXIST:
        return "EEXIST";
    case BLANKET_EINVAL:
        return "EINVAL";
    case BLANKET_ENOSPC:
        return "ENOSPC";
    case BLANKET_ENOSYS:
        return "ENOSYS";
    case BLANKET_EOVERFLOW:
        return "EOVERFLOW";
    case BLANKET_EMSGSIZE:
        return "EMSGSIZE";
    case BLANKET_EOPNOTSUPP:
        return "EOPNOTSUPP";
    case BLANKET_ENOTCONN:
        return "ENOTCONN";
    case BLANKET_ESTALE:
        return "ESTALE";
    default:
        return "?";
    }
}
