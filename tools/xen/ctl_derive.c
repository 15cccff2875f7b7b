/* SPDX-License-Identifier: MIT */
/* What a holder does with its own endpoints. */
#include "ctl.h"

#include <stdlib.h>

#define SLOTS_TRIED 1024u

/* Into the first free slot of our table. 0, -BLANKET_E*. */
static int derive_somewhere(struct blanket_guest *guest, uint64_t parent, uint64_t *items,
                            const char *name, uint64_t *derived)
{
    uint32_t slot = 1, generation = 1;
    int status = -BLANKET_ENOSPC;

    while (slot < SLOTS_TRIED) {
        uint64_t result = 0;
        struct blanket_call call = {.verb = BLANKET_VERB_ENDPOINT_DERIVE,
                                    .element_count = 1,
                                    .element_items = 5,
                                    .endpoint = parent,
                                    .items = items,
                                    .results = &result,
                                    .payload = (const uint8_t *)name,
                                    .payload_size = (uint16_t)strlen(name)};

        items[0] = blanket_item_slot(BLANKET_ITEM_ENDPOINT, slot, generation);
        status = blanket_guest_call(guest, &call);
        status = status == 0 ? blanket_result_status(result) : status;
        if (status == -BLANKET_EEXIST || status == -BLANKET_EBUSY) {
            slot++;
            generation = 1;
        } else if (status == -BLANKET_ESTALE) {
            uint32_t least = call.detail > blanket_result_value(result)
                                 ? call.detail
                                 : blanket_result_value(result);

            if (least < generation) {
                return status;
            }
            generation = least + 1;
        } else {
            break;
        }
    }
    *derived = blanket_handle(slot, generation);
    return status;
}

int ctl_derive(struct ctl *ctl, char **arguments, const struct ctl_options *options)
{
    const struct blanket_transport down = xen_transport_guest(ctl->transport);
    uint32_t rights = BLANKET_RIGHTS_ALL;
    struct blanket_wire_endpoint parent;
    struct blanket_guest *guest = calloc(1, sizeof(*guest));
    uint64_t items[5], derived = 0;
    int status = -BLANKET_ENOMEM;

    if (options->name == NULL || strlen(options->name) >= BLANKET_NAME_SIZE ||
        (options->rights != NULL && !ctl_rights(options->rights, &rights))) {
        free(guest);
        return options->name == NULL ? ctl_complain("derive", "the new endpoint has a --name") + 1
                                     : 2;
    }
    if (guest != NULL) {
        status = blanket_guest_init(guest, &down, xen_transport_frame(ctl->transport));
    }
    if (status == 0) {
        status = blanket_guest_lookup(guest, arguments[0], &parent);
    }
    if (status == 0) {
        items[1] = blanket_item(BLANKET_ITEM_COUNT, 0, rights);
        items[2] = blanket_item(BLANKET_ITEM_COUNT, 0, ctl_or_else(options->grants, 0));
        items[3] = blanket_item(BLANKET_ITEM_COUNT, 0, ctl_or_else(options->mappings, 0));
        items[4] = blanket_item(BLANKET_ITEM_COUNT, 0, ctl_or_else(options->ports, 0));
        status = derive_somewhere(guest, parent.endpoint, items, options->name, &derived);
    }
    free(guest);
    if (status != 0) {
        return status == -BLANKET_ENOENT ? ctl_complain(arguments[0], "this domain has no such "
                                                                      "endpoint")
                                         : ctl_fail("derive", status);
    }
    ctl_begin(ctl);
    ctl_record(ctl);
    ctl_handle(ctl, "endpoint", derived);
    ctl_text(ctl, "name", options->name);
    ctl_record_end(ctl);
    ctl_end(ctl);
    return 0;
}
