/* SPDX-License-Identifier: MIT */
/*
 * Access control: what a level asks its policy, and what it tells its trace.
 *
 * One choke point a level: the capability with all its ancestors is live and has the verb's mandatory
 * right, THEN the hook says yes. No hook, no level. A caller is told -BLANKET_EPERM and nothing more;
 * the trace has the reason.
 */
#ifndef BLANKET_ACL_H
#define BLANKET_ACL_H

#include <blanket/wire.h>

/* The decoded operation, as the hook sees it. Valid during the hook only. */
struct blanket_query {
    void *guest;             /* host's cookie of the direct caller: authenticated */
    uint64_t guest_label;    /* label given when that guest was attached */
    uint64_t endpoint_label; /* label given when the endpoint was minted */
    const char *endpoint_name;
    uint64_t endpoint;       /* handle in the caller's table */
    uint64_t claim;          /* what the caller says of its own caller: may restrict, never grant */
    const uint64_t *items;   /* caller's terms, all types and modes checked; private memory */
    uint32_t rights;         /* effective at this level: bits of enum blanket_right */
    uint16_t item_count;
    uint16_t verb;
    uint16_t payload_size;
    uint8_t right;           /* the verb's mandatory right, enum blanket_right */
    uint8_t rebind;          /* 1: a port's remembered decision is asked for again (policy epoch) */
};

enum blanket_reason {
    BLANKET_REASON_ALLOWED = 0,
    BLANKET_REASON_MALFORMED = 1, /* the frame disagrees with itself or with its verb */
    BLANKET_REASON_VERB = 2,      /* unknown verb */
    BLANKET_REASON_SLOT = 3,      /* no such endpoint in the caller's table */
    BLANKET_REASON_STALE = 4,     /* endpoint of an older generation */
    BLANKET_REASON_DEAD = 5,      /* it or an ancestor is revoked */
    BLANKET_REASON_BROKEN = 6,    /* the level below lost it */
    BLANKET_REASON_RIGHT = 7,     /* the mandatory right is missing */
    BLANKET_REASON_HOOK = 8,      /* the policy said no */
    BLANKET_REASON_QUOTA = 9,     /* a quota is used up */
    BLANKET_REASON_SCOPE = 10,    /* minting a second owner into one trust group (DESIGN law 0) */
    BLANKET_REASON_OBJECT = 11,   /* slot outside the endpoint's windows, not live, or not newer */
    BLANKET_REASON_PAGE = 12,     /* the host refused to pin the page */
    BLANKET_REASON_BELOW = 13,    /* refused by the level below */
    BLANKET_REASON_LOST = 14,     /* the level below gave no usable answer */
    BLANKET_REASON_COUNT = 15
};

/* One decision. `right` is meaningful with REASON_RIGHT, `quota` with REASON_QUOTA. */
struct blanket_trace {
    void *guest;
    uint64_t guest_label;
    uint64_t endpoint;
    uint64_t claim;
    int32_t status; /* what the caller is told */
    uint16_t verb;
    uint8_t reason; /* enum blanket_reason */
    uint8_t right;  /* enum blanket_right */
    uint8_t quota;  /* enum blanket_quota */
    uint8_t zero[7];
};

BLANKET_EXTERN_C_BEGIN

/* Hooks to start from (host is ignored): everything is denied, or allowed. 0 or -BLANKET_EPERM. */
BLANKET_API int blanket_acl_deny(void *host, const struct blanket_query *query);
BLANKET_API int blanket_acl_allow(void *host, const struct blanket_query *query);

/* Names for people: "GRANT_ACCESS", "hook", "grants". "?" for a value outside the enum. Static. */
BLANKET_API const char *blanket_verb_name(uint16_t verb);
BLANKET_API const char *blanket_right_name(unsigned right);
BLANKET_API const char *blanket_quota_name(unsigned quota);
BLANKET_API const char *blanket_reason_name(unsigned reason);

BLANKET_EXTERN_C_END

#endif
