/* SPDX-License-Identifier: MIT */
/*
 * One frame of arbitrary bytes to a level, against a second opinion on what is well-formed that is
 * written from docs/abi.md and shares nothing with the decoder. A malformed frame must be refused as
 * such, leave everything as it was, and not get to the provider; a well-formed one must not be called
 * malformed, unless its verb has a reason of its own. Each byte is read once, and flipped after that.
 *
 * Input: a byte of flags (1: magic, version and zero fields are made right; 2: the endpoint is), then
 * the frame.
 */
#include "bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GOOD_HEADER 1u
#define GOOD_ENDPOINT 2u

/* --- the second opinion --- */

/* Items of one element: a letter for each type, small if it may have no access bits. */
struct shape {
    uint16_t verb;
    uint8_t many; /* a batch */
    uint8_t payload;
    const char *items;
};

static const struct shape shapes[] = {
    {BLANKET_VERB_ENDPOINT_QUERY, 0, 0, ""},
    {BLANKET_VERB_ENDPOINT_LOOKUP, 0, 1, ""},
    {BLANKET_VERB_ENDPOINT_EVENTS, 0, 0, ""},
    {BLANKET_VERB_ENDPOINT_DERIVE, 0, 1, "enccc"},
    {BLANKET_VERB_ENDPOINT_REVOKE, 0, 0, "e"},
    {BLANKET_VERB_ENDPOINT_RESET, 0, 0, ""},
    {BLANKET_VERB_GRANT_ACCESS, 1, 0, "gF"},
    {BLANKET_VERB_GRANT_END_ACCESS, 1, 0, "g"},
    {BLANKET_VERB_GRANT_QUERY, 1, 0, "g"},
    {BLANKET_VERB_GRANT_MAP, 1, 0, "mRf"},
    {BLANKET_VERB_GRANT_UNMAP, 1, 0, "m"},
    {BLANKET_VERB_GRANT_COPY, 1, 0, "mRFs"},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, 1, 0, "p"},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, 1, 0, "pb"},
    {BLANKET_VERB_EVTCHN_CLOSE, 1, 0, "p"},
    {BLANKET_VERB_EVTCHN_BIND_VCPU, 1, 0, "pc"},
    {BLANKET_VERB_EVTCHN_MASK, 1, 0, "p"},
    {BLANKET_VERB_EVTCHN_UNMASK, 1, 0, "p"},
    {BLANKET_VERB_EVTCHN_STATUS, 1, 0, "p"},
    {BLANKET_VERB_EVTCHN_SEND, 1, 0, "p"},
    {BLANKET_VERB_STORE_CONNECT, 0, 0, "p"},
    {BLANKET_VERB_STORE_DISCONNECT, 0, 0, "p"},
    {BLANKET_VERB_STORE_RECEIVE, 0, 0, "p"},
    {BLANKET_VERB_STORE_READ, 0, 1, "pqrt"},
    {BLANKET_VERB_STORE_WRITE, 0, 1, "pqrt"},
    {BLANKET_VERB_STORE_WRITE_GRANT, 0, 1, "pqrtg"},
    {BLANKET_VERB_STORE_WRITE_PORT, 0, 1, "pqrtp"},
    {BLANKET_VERB_STORE_WATCH, 0, 1, "pqrw"},
    {BLANKET_VERB_STORE_TRANSACT, 0, 1, "pqt"},
};

static uint64_t little(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;

    while (size-- > 0) {
        value = value * 256 + bytes[size];
    }
    return value;
}

/* The item's type, access and zero bits are what the letter stands for. */
static int item_is(const uint8_t *item, char letter)
{
    unsigned type = item[7], access = item[6] >> 6, zero = item[6] & 63u;

    if (zero) {
        return 0;
    }
    switch (letter) {
    case 'F':
        return (type == 1 || type == 2) && access != 0;
    case 'f':
        return type == 1 && access == 0;
    case 'R':
        return type == 3 && access != 0;
    default:
        break;
    }
    if (access) {
        return 0;
    }
    switch (letter) {
    case 'b':
        return type == 4;
    case 'g':
        return type == 5;
    case 'm':
        return type == 6;
    case 'p':
        return type == 7;
    case 'e':
        return type == 8;
    case 'r':
        return type == 9;
    case 't':
        return type == 10;
    case 'w':
        return type == 11;
    case 'q':
        return type == 12;
    case 's':
        return type == 14;
    default:
        return type == 13; /* 'c', 'n' */
    }
}

/* 0 if it is well-formed, else the only error that is right. -1: any of the three that say malformed. */
static int judge(const uint8_t *frame)
{
    unsigned count = (unsigned)little(frame + 12, 2), payload = (unsigned)little(frame + 14, 2);
    unsigned done = (unsigned)little(frame + 32, 2);
    const struct shape *shape = NULL;
    size_t i, each;

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        shape = shapes[i].verb == little(frame + 6, 2) ? &shapes[i] : shape;
    }
    if (little(frame, 4) != 0x544b4c42u || little(frame + 4, 2) != 1 || little(frame + 8, 4) ||
        little(frame + 38, 2) || little(frame + 48, 8) || little(frame + 56, 8) || count > 256 ||
        payload > 4112 || little(frame + 34, 2) > 4112 || !shape) {
        return -1;
    }
    each = strlen(shape->items);
    if ((each == 0 && count != 0) ||
        (each && (count == 0 || count % each || (!shape->many && count != each))) ||
        (payload && !shape->payload) || (each ? done >= count / each : done)) {
        return -1;
    }
    /* Elements before `done` have their results where their items were. */
    for (i = done * each; i < count; i++) {
        if (!item_is(frame + 64 + 8 * i, shape->items[i % each])) {
            return -1;
        }
    }
    return 0;
}

/* A copy's directions must be each other's reverse, and its span within a page at both ends. */
static int copies_are_sound(const uint8_t *frame)
{
    unsigned count = (unsigned)little(frame + 12, 2), i;

    for (i = 0; little(frame + 6, 2) == BLANKET_VERB_GRANT_COPY && i < count; i += 4) {
        const uint8_t *items = frame + 64 + 8 * i;
        uint64_t span = little(items + 24, 6);
        unsigned length = (unsigned)(span >> 24);

        if ((items[14] >> 6) + (items[22] >> 6) != 3 || span >> 48 || length == 0 ||
            (span & 0xfff) + length > 4096 || ((span >> 12) & 0xfff) + length > 4096) {
            return 0;
        }
    }
    return 1;
}

/* --- the frame's way --- */

static int says_malformed(int status)
{
    return status == -BLANKET_EINVAL || status == -BLANKET_EMSGSIZE || status == -BLANKET_ENOSYS;
}

static void demand(int holds, const char *what, int status)
{
    if (!holds) {
        fprintf(stderr, "frame: %s (status %d)\n", what, status);
        abort();
    }
}

static void provider_was_called(struct bed *bed, struct blanket_call *call)
{
    (void)call;
    ++*(uint32_t *)bed->after_context;
}

static void try_frame(struct bed *bed, uint8_t *frame, uint32_t size)
{
    uint64_t hash = blanket_sim_hash(bed->sim);
    uint32_t calls = 0;
    int well = judge(frame) == 0, status;

    bed->after = provider_was_called;
    bed->after_context = &calls;
    blanket_sim_read_once(bed->sim, 1);
    status = blanket_sim_call(bed->sim, bed_guest(bed, 0), 0, frame, size);
    blanket_sim_read_once(bed->sim, 0);
    bed->after = NULL;
    bed->after_context = NULL;
    demand(status <= 0 && status > -200, "a status that isn't one", status);
    if (!well) {
        demand(says_malformed(status), "a malformed frame isn't refused as such", status);
        demand(calls == 0, "a malformed frame gets to the provider", status);
    } else if (copies_are_sound(frame) && little(frame + 6, 2) != BLANKET_VERB_ENDPOINT_DERIVE &&
               little(frame + 6, 2) != BLANKET_VERB_ENDPOINT_LOOKUP) {
        demand(!says_malformed(status), "a well-formed frame is called malformed", status);
    }
    if (status != 0 && status != -BLANKET_EIO) {
        demand(hash == blanket_sim_hash(bed->sim), "a refusal left something behind", status);
    }
    demand(blanket_sim_violations(bed->sim) == 0, "a violation", status);
    (void)blanket_sim_settle(bed->sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bed_config config = {.levels = 1, .guests = 1, .seed = 1, .slots = 8};
    uint8_t frame[BLANKET_FRAME_SIZE_MAX] = {0};
    struct blanket_wire_header header;
    struct bed bed;

    if (size < 1 || size > sizeof(frame)) {
        return 0;
    }
    if (bed_open(&bed, &config)) {
        abort();
    }
    memcpy(frame, data + 1, size - 1);
    memcpy(&header, frame, sizeof(header));
    if (data[0] & GOOD_HEADER) {
        header.magic = BLANKET_WIRE_MAGIC;
        header.version = BLANKET_WIRE_VERSION;
        header.flags = 0;
        header.zero0 = 0;
        header.zero1[0] = header.zero1[1] = 0;
    }
    if (data[0] & GOOD_ENDPOINT) {
        header.endpoint = bed.handles[0];
    }
    memcpy(frame, &header, sizeof(header));
    try_frame(&bed, frame, sizeof(frame));
    if (bed_close(&bed)) {
        abort();
    }
    return 0;
}
