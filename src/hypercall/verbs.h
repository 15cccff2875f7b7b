/* SPDX-License-Identifier: MIT */
/* Room 4: the one table of verbs. */
#ifndef BLANKET_HYPERCALL_VERBS_H
#define BLANKET_HYPERCALL_VERBS_H

#include "core.h"

/* The verb of that number, NULL. Static. */
const struct blanket_verb_info *blanket_verb_find(uint16_t verb);

static inline unsigned blanket_verb_effect(uint16_t verb)
{
    return (verb >> 10) & 3u;
}

/* The table of what a verb acts on, if it acts on slots: its first item. */
static inline enum blanket_table_kind blanket_verb_kind(const struct blanket_verb_info *verb)
{
    return (enum blanket_table_kind)(verb->items[0].type - BLANKET_ITEM_GRANT);
}

#endif
