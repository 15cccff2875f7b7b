/* SPDX-License-Identifier: MIT */
/* Events come up: from a number of the below's to a port of a guest's. */
#include "port.h"

#include "resolve.h"

void blanket_event(struct blanket_level *level, uint32_t number)
{
    struct blanket_level_guest *guest;
    uint64_t route;

    blanket_count(&level->counters.events);
    if (number >= level->limits.events) {
        return;
    }
    number = level->ops->index_nospec(number, level->limits.events);
    route = __atomic_load_n(&level->routes[number], __ATOMIC_SEQ_CST);
    if (route == 0) {
        return; /* nobody's: events may be spurious */
    }
    guest = blanket_guest_hold(level, (uint32_t)((route - 1) >> 32));
    if (!guest) {
        return;
    }
    /* Held, and still routed there: its tables stay. */
    if (__atomic_load_n(&level->routes[number], __ATOMIC_SEQ_CST) == route) {
        blanket_port_raise(level, guest, (uint32_t)(route - 1));
    }
    blanket_guest_release(guest);
}

int blanket_event_take(struct blanket_level *level, uint32_t id, uint32_t port)
{
    struct blanket_level_guest *guest = blanket_guest_hold(level, id);
    uint32_t old = 0;

    if (!guest) {
        return 0;
    }
    if (port < guest->tables[BLANKET_TABLE_PORTS].count) {
        old = __atomic_fetch_and(&guest->tables[BLANKET_TABLE_PORTS].slots[port].word,
                                 ~BLANKET_WORD_PENDING, __ATOMIC_SEQ_CST);
    }
    blanket_guest_release(guest);
    return old & BLANKET_WORD_PENDING ? 1 : 0;
}
