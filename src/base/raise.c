/* SPDX-License-Identifier: MIT */
#include "core.h"

/* No lock: events come in interrupt context. Everything is in the slot's one word. */
void blanket_port_raise(struct blanket_level *level, struct blanket_level_guest *guest,
                        uint32_t place)
{
    uint32_t *word = &guest->tables[BLANKET_TABLE_PORTS].slots[place].word;
    uint32_t old = __atomic_fetch_or(word, BLANKET_WORD_PENDING, __ATOMIC_SEQ_CST);

    if (old & BLANKET_WORD_PENDING) {
        blanket_count(&level->counters.events_coalesced);
        return;
    }
    blanket_port_notify(level, guest, place, old);
}

void blanket_port_notify(struct blanket_level *level, struct blanket_level_guest *guest,
                         uint32_t place, uint32_t word)
{
    if (!(word & BLANKET_WORD_BOUND) || (word & BLANKET_WORD_MASKED)) {
        return; /* latched: binding or unmasking looks again */
    }
    blanket_count(&level->counters.notifications);
    level->ops->notify_above(level->host, guest->host, word >> BLANKET_WORD_VCPU_SHIFT, place);
}
