/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#define ANY (BLANKET_ACCESS_READ | BLANKET_ACCESS_WRITE)
#define SOME (ANY | BLANKET_VERB_ACCESS_ONE)
#define BATCH BLANKET_VERB_BATCH
#define HERE BLANKET_VERB_HERE
#define STORE BLANKET_VERB_STORE
#define DATA BLANKET_VERB_PAYLOAD

#define FRAME(access) { BLANKET_ITEM_FRAME, (access) }
#define PEER_REF { BLANKET_ITEM_PEER_REF, SOME }
#define PLAIN(type) { BLANKET_ITEM_##type, 0 }

/* docs/abi.md in numbers: verb, flags, items of one element: how many, the page, the other slot, all. */
static const struct blanket_verb_info verbs[] = {
    { BLANKET_VERB_ENDPOINT_QUERY, HERE, 0, 0, 0, { { 0, 0 } } },
    { BLANKET_VERB_ENDPOINT_LOOKUP, HERE | DATA, 0, 0, 0, { { 0, 0 } } },
    { BLANKET_VERB_ENDPOINT_EVENTS, HERE, 0, 0, 0, { { 0, 0 } } },
    { BLANKET_VERB_ENDPOINT_DERIVE, HERE | DATA, 5, 0, 0,
      { PLAIN(ENDPOINT), PLAIN(COUNT), PLAIN(COUNT), PLAIN(COUNT), PLAIN(COUNT) } },
    { BLANKET_VERB_ENDPOINT_REVOKE, HERE, 1, 0, 0, { PLAIN(ENDPOINT) } },
    { BLANKET_VERB_ENDPOINT_RESET, HERE, 0, 0, 0, { { 0, 0 } } },

    { BLANKET_VERB_GRANT_ACCESS, BATCH, 2, 1, 0, { PLAIN(GRANT), FRAME(SOME) } },
    { BLANKET_VERB_GRANT_END_ACCESS, BATCH, 1, 0, 0, { PLAIN(GRANT) } },
    { BLANKET_VERB_GRANT_QUERY, BATCH, 1, 0, 0, { PLAIN(GRANT) } },
    { BLANKET_VERB_GRANT_MAP, BATCH | BLANKET_VERB_OVERLAY, 3, 2, 0,
      { PLAIN(MAPPING), PEER_REF, FRAME(0) } },
    { BLANKET_VERB_GRANT_UNMAP, BATCH, 1, 0, 0, { PLAIN(MAPPING) } },
    { BLANKET_VERB_GRANT_COPY, BATCH | BLANKET_VERB_SPENT, 4, 2, 0,
      { PLAIN(MAPPING), PEER_REF, FRAME(SOME), PLAIN(SPAN) } },

    { BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, BATCH, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, BATCH, 2, 0, 0, { PLAIN(PORT), PLAIN(PEER_PORT) } },
    { BLANKET_VERB_EVTCHN_CLOSE, BATCH, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_EVTCHN_BIND_VCPU, BATCH | HERE, 2, 0, 0, { PLAIN(PORT), PLAIN(COUNT) } },
    { BLANKET_VERB_EVTCHN_MASK, BATCH | HERE, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_EVTCHN_UNMASK, BATCH | HERE, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_EVTCHN_STATUS, BATCH, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_EVTCHN_SEND, BATCH, 1, 0, 0, { PLAIN(PORT) } },

    { BLANKET_VERB_STORE_CONNECT, STORE, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_STORE_DISCONNECT, STORE, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_STORE_RECEIVE, STORE, 1, 0, 0, { PLAIN(PORT) } },
    { BLANKET_VERB_STORE_READ, STORE | DATA, 4, 0, 0,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(ROOT), PLAIN(TRANSACTION) } },
    { BLANKET_VERB_STORE_WRITE, STORE | DATA, 4, 0, 0,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(ROOT), PLAIN(TRANSACTION) } },
    { BLANKET_VERB_STORE_WRITE_GRANT, STORE | DATA, 5, 0, 4,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(ROOT), PLAIN(TRANSACTION), PLAIN(GRANT) } },
    { BLANKET_VERB_STORE_WRITE_PORT, STORE | DATA, 5, 0, 4,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(ROOT), PLAIN(TRANSACTION), PLAIN(PORT) } },
    { BLANKET_VERB_STORE_WATCH, STORE | DATA, 4, 0, 0,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(ROOT), PLAIN(WATCH) } },
    { BLANKET_VERB_STORE_TRANSACT, STORE | DATA, 3, 0, 0,
      { PLAIN(PORT), PLAIN(REQUEST), PLAIN(TRANSACTION) } },
};

/* Where each room's rows begin; ids count from 1. */
static const uint8_t room_first[4] = { 0, 6, 12, 20 };
static const uint8_t room_count[4] = { 6, 6, 8, 9 };

const struct blanket_verb_info *blanket_verb_find(uint16_t verb)
{
    unsigned room = verb >> 12;
    unsigned id = verb & 0x1fu;
    const struct blanket_verb_info *info;

    if (room > BLANKET_ROOM_XENSTORE || id == 0 || id > room_count[room]) {
        return NULL;
    }
    info = &verbs[room_first[room] + id - 1u];
    return info->verb == verb ? info : NULL;
}
