/* SPDX-License-Identifier: MIT */
/*
 * What `blanket run --below libxen` stands on: a device that the toolstack of a stock Xen gave this domain,
 * through blanket's door to Xen's libraries. The backend is that Xen's.
 */
#ifndef BLANKET_BELOW_LIBXEN_H
#define BLANKET_BELOW_LIBXEN_H

#include <blanket/port/sim.h>

#include <stdbool.h>

struct below_libxen;

struct below_libxen_device {
    const char *name; /* "vbd/51712" */
    uint32_t grants, ports;
};

/*
 * Opens Xen's device nodes and the store; the sim's machine is the memory. 0, or -BLANKET_E*: then *made is
 * NULL, or has a fault to tell and is to be closed.
 */
int below_libxen_open(struct below_libxen **made, struct blanket_sim *sim,
                      const struct below_libxen_device *device);

/* The device, with its events for `guest` of the sim; what a mint on it needs. */
int below_libxen_attach(struct below_libxen *below, uint32_t guest, struct blanket_root_end *end,
                        uint32_t *event_base);

/* What was wrong, for people; "": nothing more to say. */
const char *below_libxen_fault(struct below_libxen *below);

/* Take what has come; wait for it so long at most. true: something came. */
bool below_libxen_turn(struct below_libxen *below, int milliseconds);

/* After the sim is finished; takes NULL. How many grants and ports were left. */
uint32_t below_libxen_close(struct below_libxen *below);

#endif
