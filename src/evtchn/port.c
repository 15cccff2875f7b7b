/* SPDX-License-Identifier: MIT */
#include "port.h"

#include "check.h"

static struct blanket_slot *slot_at(const struct blanket_request *request, uint32_t place)
{
    return &request->guest->tables[BLANKET_TABLE_PORTS].slots[place];
}

int blanket_evtchn_reserve(struct blanket_request *request, const struct blanket_reach *reach,
                           struct blanket_element *state, uint64_t item,
                           enum blanket_slot_role role)
{
    int rc = blanket_object_reserve(request, reach, state, item);

    if (rc == 0) {
        struct blanket_slot *slot = &reach->table.slots[state->place];

        slot->role = (uint8_t)role;
        __atomic_store_n(&slot->word, 0, __ATOMIC_SEQ_CST);
    }
    return rc;
}

int blanket_evtchn_find(const struct blanket_reach *reach, uint64_t item,
                        enum blanket_slot_role role, uint32_t *place)
{
    int rc = blanket_object_find(reach, item, place);

    return rc == 0 && reach->table.slots[*place].role != role ? -BLANKET_ENOENT : rc;
}

int blanket_evtchn_close(struct blanket_request *request, const struct blanket_reach *reach,
                         struct blanket_element *state, uint64_t item, enum blanket_slot_role role)
{
    const struct blanket_slot *slot;
    uint32_t place;

    slot = blanket_object_slot(reach, item, &place);
    if (slot && slot->role != BLANKET_ROLE_NONE && slot->role != role) {
        return -BLANKET_ENOENT;
    }
    return blanket_object_close(request, reach, state, item);
}

uint32_t blanket_evtchn_bound(struct blanket_request *request, uint32_t place)
{
    struct blanket_slot *slot = slot_at(request, place);

    return __atomic_fetch_or(&slot->word, BLANKET_WORD_BOUND, __ATOMIC_SEQ_CST);
}

static int bind_vcpu(struct blanket_request *request, uint32_t *word, uint64_t item)
{
    uint64_t vcpu = blanket_item_value(item);
    uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    const uint32_t flags = (1u << BLANKET_WORD_VCPU_SHIFT) - 1u;

    if (vcpu >= request->guest->vcpu_count) {
        return -BLANKET_EINVAL;
    }
    /* Only events change the word beside us, and only by setting PENDING: a second try is enough but
     * for a storm, and then the caller may ask again. */
    for (int try = 0; try < 8; try++) {
        uint32_t new = (old & flags) | ((uint32_t)vcpu << BLANKET_WORD_VCPU_SHIFT);

        if (__atomic_compare_exchange_n(word, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return 0;
        }
    }
    return -BLANKET_EAGAIN;
}

int blanket_evtchn_here(struct blanket_request *request, const uint64_t *items)
{
    struct blanket_level *level = request->level;
    const struct blanket_reach reach = blanket_object_reach(request, BLANKET_TABLE_PORTS);
    uint32_t place = 0, notify = 0;
    uint32_t *word;
    int rc;

    level->ops->lock(level->host, request->guest_id);
    rc = blanket_object_find(&reach, items[0], &place);
    word = &slot_at(request, place)->word;
    if (rc != 0) {
        /* nothing */
    } else if (request->verb->verb == BLANKET_VERB_EVTCHN_BIND_VCPU) {
        rc = bind_vcpu(request, word, items[1]);
    } else if (request->verb->verb == BLANKET_VERB_EVTCHN_MASK) {
        __atomic_fetch_or(word, BLANKET_WORD_MASKED, __ATOMIC_SEQ_CST);
    } else {
        notify = __atomic_fetch_and(word, ~BLANKET_WORD_MASKED, __ATOMIC_SEQ_CST);
    }
    level->ops->unlock(level->host, request->guest_id);
    /* An event that came while masked was only latched. */
    if ((notify & BLANKET_WORD_MASKED) && (notify & BLANKET_WORD_PENDING)) {
        blanket_port_notify(level, request->guest, place, notify & ~BLANKET_WORD_MASKED);
    }
    return rc;
}

uint32_t blanket_evtchn_status(const struct blanket_reach *reach, uint64_t item,
                               uint32_t below_status)
{
    uint32_t status = below_status & BLANKET_PORT_STATE_MASK;
    uint32_t place, word;

    if (blanket_object_find(reach, item, &place) != 0) {
        return status;
    }
    word = __atomic_load_n(&reach->table.slots[place].word, __ATOMIC_SEQ_CST);
    status |= word & BLANKET_WORD_PENDING ? BLANKET_PORT_STATE_PENDING : 0;
    status |= word & BLANKET_WORD_MASKED ? BLANKET_PORT_STATE_MASKED : 0;
    return status;
}

/* Ask, as for a call, and remember. `rebind`: this port's decision was of an older epoch. */
static int authorise_send(struct blanket_request *request, uint64_t item, uint32_t epoch,
                          int rebind)
{
    struct blanket_level *level = request->level;
    const struct blanket_reach reach = blanket_object_reach(request, BLANKET_TABLE_PORTS);
    uint32_t place;
    int rc;

    rc = blanket_acl_check(request, rebind);
    if (rc != 0) {
        return rc;
    }
    level->ops->lock(level->host, request->guest_id);
    rc = blanket_evtchn_find(&reach, item, BLANKET_ROLE_CHANNEL, &place);
    if (rc == 0) {
        uint64_t allowed = ((uint64_t)blanket_item_generation(item) << 32) | epoch;

        __atomic_store_n(&slot_at(request, place)->u.send, allowed, __ATOMIC_RELEASE);
    } else {
        request->reason = BLANKET_REASON_OBJECT;
    }
    level->ops->unlock(level->host, request->guest_id);
    return rc;
}

int blanket_evtchn_send(struct blanket_request *request, uint64_t item)
{
    struct blanket_level *level = request->level;
    struct blanket_endpoint *endpoint = request->endpoint;
    uint32_t epoch = __atomic_load_n(&level->epoch, __ATOMIC_ACQUIRE);
    uint64_t allowed = ((uint64_t)blanket_item_generation(item) << 32) | epoch;
    const struct blanket_reach reach = blanket_object_reach(request, BLANKET_TABLE_PORTS);
    const struct blanket_slot *slot;
    uint64_t known;
    uint32_t place;
    int rc;

    slot = blanket_object_slot(&reach, item, &place);
    if (!slot) {
        request->reason = BLANKET_REASON_OBJECT;
        return -BLANKET_ENOENT;
    }
    known = __atomic_load_n(&slot->u.send, __ATOMIC_ACQUIRE);
    if (known != allowed) {
        rc = authorise_send(request, item, epoch, known >> 32 == allowed >> 32);
        if (rc != 0) {
            return rc;
        }
    }
    blanket_count(&level->counters.calls_below);
    rc = endpoint->below.ops->send(endpoint->below.context, request->vcpu, endpoint->below_endpoint,
                                   blanket_object_below(&reach, item, place));
    if (!blanket_errno_is_answer(rc)) {
        blanket_count(&level->counters.lost);
        request->reason = BLANKET_REASON_LOST;
        return -BLANKET_EIO;
    }
    request->reason = rc != 0 ? BLANKET_REASON_BELOW : BLANKET_REASON_ALLOWED;
    return rc;
}
