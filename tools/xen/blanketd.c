/* SPDX-License-Identifier: MIT */
/*
 * blanketd: the domain that L1 Xen gives the hypervisor below's store to. Runs in the foreground, under
 * whatever supervises the domain's daemons; may be killed and started again at any time.
 */
#include "broker.h"
#include "channels.h"
#include "number.h"
#include "transport.h"

#include <blanket/port/xen.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* An event that was lost costs this much. What waits for the store below is looked after as often. */
#define TICK_MS 1000
#define BROKER_PORT 0u

static const char usage_text[] =
    "blanketd [OPTION]...   serve the store of the hypervisor below to the domains of this Xen\n"
    "\n"
    "  --views N          endpoints with a view at once (64)\n"
    "  --connections N    to the store, of all of them (128)\n"
    "  --requests N       that the store below lets us have open (20)\n"
    "  --transactions N   likewise (10)\n"
    "  --watches N        likewise (128)\n"
    "  --self N           our domain number there, where nothing else says it\n"
    "  --help, --version\n"
    "\n"
    "Needs a Xen with blanket, and the right to administer it. Logs to standard error; ends with\n"
    "SIGTERM or SIGINT. Only one domain can be the broker, and one process in it.\n";

struct daemon {
    struct xen_transport *transport;
    struct xen_channels *channels;
    struct broker *broker;
    int signals;
};

static int operation(void *context, uint32_t number, void *structure, size_t size)
{
    struct daemon *daemon = context;

    return xen_transport_operation(daemon->transport, BLANKET_FORM_BROKER, number, structure, size);
}

static void log_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "blanketd: %s\n", line);
}

static const struct broker_ops ops = {.operation = operation, .log = log_line};

/* The value of an option; ends the program if it's none. */
static uint32_t option_number(const char *name, uint32_t least, uint32_t most)
{
    uint64_t number;

    if (!number_parse(optarg, &number) || number < least || number > most) {
        fprintf(stderr, "blanketd: --%s takes a number from %u to %u, not \"%s\"\n", name,
                (unsigned)least, (unsigned)most, optarg);
        exit(2);
    }
    return (uint32_t)number;
}

/* True: go on. */
static bool options_take(int argc, char **argv, struct broker_limits *limits)
{
    static const struct option options[] = {{"views", required_argument, NULL, 'v'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"requests", required_argument, NULL, 'r'},
                                            {"transactions", required_argument, NULL, 't'},
                                            {"watches", required_argument, NULL, 'w'},
                                            {"self", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
        const char *name = options[index].name;

        switch (option) {
        case 'v':
            limits->views = option_number(name, 1, 4096);
            break;
        case 'c':
            limits->connections = option_number(name, 1, 65535);
            break;
        case 'r':
            limits->requests = option_number(name, 1, 4096);
            break;
        case 't':
            limits->transactions = option_number(name, 0, 65536);
            break;
        case 'w':
            limits->watches = option_number(name, 0, 65536);
            break;
        case 's':
            limits->self = option_number(name, 0, 0x7fef);
            break;
        case 'h':
            fputs(usage_text, stdout);
            return false;
        case 'V':
            puts("blanketd " BLANKET_VERSION);
            return false;
        default:
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "blanketd: takes no argument: \"%s\" (--help)\n", argv[optind]);
        exit(2);
    }
    return true;
}

/* Signals as a descriptor, so that none ends us between two halves of anything. */
static int signals_open(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static const char *start_explain(int status)
{
    switch (status) {
    case -BLANKET_EBUSY:
        return "another domain is the broker";
    case -BLANKET_EPERM:
        return "this domain may not be the broker (XSM)";
    case -BLANKET_ENOSYS:
        return "this Xen has no store below it, or another version of blanket than this program";
    default:
        return "Xen doesn't answer as it should";
    }
}

/* NULL, or what is missing. */
static const char *daemon_open(struct daemon *daemon, const struct broker_limits *limits)
{
    uint32_t channel = 0;
    int status = xen_transport_open(&daemon->transport);

    if (status != 0) {
        return xen_transport_explain(status);
    }
    if (xen_channels_open(&daemon->channels) != 0) {
        return "/dev/xen/evtchn can't be opened (is the module xen-evtchn loaded?)";
    }
    if (broker_create(limits, &ops, daemon, &daemon->broker) != 0) {
        return "there is no memory";
    }
    daemon->signals = signals_open();
    if (daemon->signals < 0) {
        return "signals can't be waited for";
    }
    status = broker_start(daemon->broker, &channel);
    if (status != 0) {
        return start_explain(status);
    }
    if (xen_channels_bind_number(daemon->channels, channel, BROKER_PORT) != 0) {
        return "Xen's event channel can't be bound: does another blanketd run in this domain?";
    }
    return NULL;
}

static void daemon_close(struct daemon *daemon)
{
    broker_destroy(daemon->broker);
    xen_channels_close(daemon->channels);
    xen_transport_close(daemon->transport);
    if (daemon->signals >= 0) {
        close(daemon->signals);
    }
}

/* Until a signal: 0, or an error. */
static int daemon_run(struct daemon *daemon)
{
    struct pollfd ready[] = {{.fd = xen_channels_fd(daemon->channels), .events = POLLIN},
                             {.fd = daemon->signals, .events = POLLIN}};
    uint32_t port;

    for (;;) {
        int status = broker_process(daemon->broker);

        if (status < 0) {
            return status;
        }
        if (poll(ready, 2, status > 0 ? 0 : TICK_MS) < 0 && errno != EINTR) {
            return -BLANKET_EIO;
        }
        if ((ready[1].revents & POLLIN) != 0) {
            return 0;
        }
        while (xen_channels_take(daemon->channels, &port) > 0) {
            continue; /* there is one channel, and each round does all there is */
        }
    }
}

int main(int argc, char **argv)
{
    struct broker_limits limits = {.views = 64,
                                   .connections = 128,
                                   .requests = 20,
                                   .transactions = 10,
                                   .watches = 128,
                                   .self = BROKER_SELF_ASK};
    struct daemon daemon = {.signals = -1};
    const char *missing;
    int status;

    if (!options_take(argc, argv, &limits)) {
        return 0;
    }
    /* The disks of this domain may hang on us: to be paged in from one of them would be a deadlock. */
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        log_line(NULL, "memory can't be locked: don't run this on a swap device that hangs on it");
    }
    missing = daemon_open(&daemon, &limits);
    if (missing != NULL) {
        fprintf(stderr, "blanketd: %s\n", missing);
        daemon_close(&daemon);
        return 1;
    }
    status = daemon_run(&daemon);
    daemon_close(&daemon);
    return status == 0 ? 0 : 1;
}
