/* SPDX-License-Identifier: MIT */
/*
 * Permissions as a view shows them: 0 is the endpoint's owner, 1 its peer. Whoever else the store
 * names is 2 to the caller, who can't give anything to 2.
 */
#include "xenstore.h"

#define PERMISSION_SELF 0u
#define PERMISSION_PEER 1u
#define PERMISSION_OTHER 2u

/* One entry of the list: its letter and number, and the bytes it takes with its NUL; 0: nonsense. */
static uint32_t entry(const uint8_t *list, uint32_t size, uint32_t *number)
{
    uint32_t length = blanket_xenstore_path_size(list, size);

    if (length == size || length < 2 ||
        (list[0] != 'n' && list[0] != 'r' && list[0] != 'w' && list[0] != 'b') ||
        !blanket_xenstore_number_parse(list + 1, length - 1, number)) {
        return 0;
    }
    return length + 1;
}

static uint32_t put(uint8_t *target, uint8_t letter, uint32_t number)
{
    uint32_t length;

    target[0] = letter;
    length = 1 + blanket_xenstore_number_print(number, target + 1);
    target[length] = 0;
    return length + 1;
}

bool blanket_xenstore_permission_below(const struct store_view *view, const uint8_t *list,
                                       uint32_t size, uint8_t *target, uint32_t *target_size)
{
    uint32_t room = *target_size;
    uint32_t used = 0;
    uint32_t at = 0;
    uint32_t number = 0;

    if (size == 0) {
        return false;
    }
    while (at < size) {
        uint32_t step = entry(list + at, size - at, &number);

        /* The first is the node's owner: an endpoint can't give its nodes away. */
        if (step == 0 || number > PERMISSION_PEER || (at == 0 && number != PERMISSION_SELF) ||
            room - used < 12) {
            return false;
        }
        used += put(target + used, list[at],
                    number == PERMISSION_SELF ? view->self_domid : view->peer_domid);
        at += step;
    }
    *target_size = used;
    return true;
}

static uint32_t shown(const struct store_view *view, uint32_t domid)
{
    if (domid == view->self_domid) {
        return PERMISSION_SELF;
    }
    return domid == view->peer_domid ? PERMISSION_PEER : PERMISSION_OTHER;
}

bool blanket_xenstore_permission_above(const struct store_view *view, const uint8_t *list,
                                       uint32_t size, uint8_t *target, uint32_t *target_size)
{
    uint32_t used = 0;
    uint32_t at = 0;
    uint32_t number = 0;

    while (at < size) {
        uint32_t step = entry(list + at, size - at, &number);

        if (step == 0) {
            return false;
        }
        used += put(target + used, list[at], shown(view, number)); /* never longer than it was */
        at += step;
    }
    *target_size = used;
    return true;
}
