/* SPDX-License-Identifier: MIT */
#include <blanket/acl.h>

struct name {
    unsigned value;
    const char *text;
};

static const struct name verbs[] = {
    {BLANKET_VERB_ENDPOINT_QUERY, "ENDPOINT_QUERY"},
    {BLANKET_VERB_ENDPOINT_LOOKUP, "ENDPOINT_LOOKUP"},
    {BLANKET_VERB_ENDPOINT_EVENTS, "ENDPOINT_EVENTS"},
    {BLANKET_VERB_ENDPOINT_DERIVE, "ENDPOINT_DERIVE"},
    {BLANKET_VERB_ENDPOINT_REVOKE, "ENDPOINT_REVOKE"},
    {BLANKET_VERB_ENDPOINT_RESET, "ENDPOINT_RESET"},
    {BLANKET_VERB_GRANT_ACCESS, "GRANT_ACCESS"},
    {BLANKET_VERB_GRANT_END_ACCESS, "GRANT_END_ACCESS"},
    {BLANKET_VERB_GRANT_QUERY, "GRANT_QUERY"},
    {BLANKET_VERB_GRANT_MAP, "GRANT_MAP"},
    {BLANKET_VERB_GRANT_UNMAP, "GRANT_UNMAP"},
    {BLANKET_VERB_GRANT_COPY, "GRANT_COPY"},
    {BLANKET_VERB_EVTCHN_ALLOC_UNBOUND, "EVTCHN_ALLOC_UNBOUND"},
    {BLANKET_VERB_EVTCHN_BIND_INTERDOMAIN, "EVTCHN_BIND_INTERDOMAIN"},
    {BLANKET_VERB_EVTCHN_CLOSE, "EVTCHN_CLOSE"},
    {BLANKET_VERB_EVTCHN_BIND_VCPU, "EVTCHN_BIND_VCPU"},
    {BLANKET_VERB_EVTCHN_MASK, "EVTCHN_MASK"},
    {BLANKET_VERB_EVTCHN_UNMASK, "EVTCHN_UNMASK"},
    {BLANKET_VERB_EVTCHN_STATUS, "EVTCHN_STATUS"},
    {BLANKET_VERB_EVTCHN_SEND, "EVTCHN_SEND"},
    {BLANKET_VERB_STORE_CONNECT, "STORE_CONNECT"},
    {BLANKET_VERB_STORE_DISCONNECT, "STORE_DISCONNECT"},
    {BLANKET_VERB_STORE_RECEIVE, "STORE_RECEIVE"},
    {BLANKET_VERB_STORE_READ, "STORE_READ"},
    {BLANKET_VERB_STORE_WRITE, "STORE_WRITE"},
    {BLANKET_VERB_STORE_WRITE_GRANT, "STORE_WRITE_GRANT"},
    {BLANKET_VERB_STORE_WRITE_PORT, "STORE_WRITE_PORT"},
    {BLANKET_VERB_STORE_WATCH, "STORE_WATCH"},
    {BLANKET_VERB_STORE_TRANSACT, "STORE_TRANSACT"},
};

static const struct name rights[] = {
    {BLANKET_RIGHT_QUERY, "query"},
    {BLANKET_RIGHT_DERIVE, "derive"},
    {BLANKET_RIGHT_REVOKE, "revoke"},
    {BLANKET_RIGHT_RESET, "reset"},
    {BLANKET_RIGHT_GRANT_ACCESS, "grant-access"},
    {BLANKET_RIGHT_GRANT_MAP, "grant-map"},
    {BLANKET_RIGHT_GRANT_COPY, "grant-copy"},
    {BLANKET_RIGHT_EVTCHN_BIND, "evtchn-bind"},
    {BLANKET_RIGHT_EVTCHN_SEND, "evtchn-send"},
    {BLANKET_RIGHT_STORE_CONNECT, "store-connect"},
    {BLANKET_RIGHT_STORE_READ, "store-read"},
    {BLANKET_RIGHT_STORE_WRITE, "store-write"},
    {BLANKET_RIGHT_STORE_WATCH, "store-watch"},
    {BLANKET_RIGHT_STORE_TRANSACT, "store-transact"},
};

static const struct name quotas[] = {
    {BLANKET_QUOTA_NONE, "none"},
    {BLANKET_QUOTA_ENDPOINTS, "endpoints"},
    {BLANKET_QUOTA_DEPTH, "derivation depth"},
    {BLANKET_QUOTA_GRANTS, "grants"},
    {BLANKET_QUOTA_MAPPINGS, "mappings"},
    {BLANKET_QUOTA_PORTS, "ports"},
    {BLANKET_QUOTA_STORE_REQUESTS, "store requests"},
    {BLANKET_QUOTA_STORE_TRANSACTIONS, "store transactions"},
    {BLANKET_QUOTA_STORE_WATCHES, "store watches"},
};

static const struct name reasons[] = {
    {BLANKET_REASON_ALLOWED, "allowed"},
    {BLANKET_REASON_MALFORMED, "malformed frame"},
    {BLANKET_REASON_VERB, "unknown verb"},
    {BLANKET_REASON_SLOT, "no such endpoint"},
    {BLANKET_REASON_STALE, "stale endpoint"},
    {BLANKET_REASON_DEAD, "revoked"},
    {BLANKET_REASON_BROKEN, "broken or being reset"},
    {BLANKET_REASON_RIGHT, "right is missing"},
    {BLANKET_REASON_HOOK, "policy"},
    {BLANKET_REASON_QUOTA, "quota"},
    {BLANKET_REASON_SCOPE, "second owner in a trust group"},
    {BLANKET_REASON_OBJECT, "no such object"},
    {BLANKET_REASON_PAGE, "page"},
    {BLANKET_REASON_BELOW, "refused below"},
    {BLANKET_REASON_LOST, "lost below"},
};

static const char *name_of(const struct name *names, size_t count, unsigned value)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].value == value) {
            return names[i].text;
        }
    }
    return "?";
}

const char *blanket_verb_name(uint16_t verb)
{
    return name_of(verbs, sizeof(verbs) / sizeof(verbs[0]), verb);
}

const char *blanket_right_name(unsigned right)
{
    return name_of(rights, sizeof(rights) / sizeof(rights[0]), right);
}

const char *blanket_quota_name(unsigned quota)
{
    return name_of(quotas, sizeof(quotas) / sizeof(quotas[0]), quota);
}

const char *blanket_reason_name(unsigned reason)
{
    return name_of(reasons, sizeof(reasons) / sizeof(reasons[0]), reason);
}
