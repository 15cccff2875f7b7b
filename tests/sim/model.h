/* SPDX-License-Identifier: MIT */
/*
 * Model-based: 3 levels x 4 guests do what a source of bytes says, and a model of what docs/abi.md
 * promises, which knows nothing of levels, does the same. Each answer, each page and each pending port
 * must be what the model says.
 *
 * Guests 0 and 1 are each other's peers; 2 and 3 have one beside the provider.
 */
#ifndef BLANKET_TEST_MODEL_H
#define BLANKET_TEST_MODEL_H

#include "bed.h"

/* Bytes to draw from; when they are used up, from `random` if that isn't 0, else there is an end. */
struct model_source {
    const uint8_t *data;
    size_t size;
    size_t at;
    uint64_t random;
};

#define MODEL_LEVELS 3u
#define MODEL_GUESTS 4u
#define MODEL_ENDS 6u   /* guests', and the local peers of guests 2 and 3 */
#define MODEL_SLOTS 16u /* of each table of an end */
#define MODEL_CHUNKS 2u
#define MODEL_PAGES 8u   /* of each guest */
#define MODEL_HANDLES 6u /* slots of a guest's table that are used; 0 is its own, 1 the device */
#define MODEL_KINDS 3u   /* grants, mappings, ports */
#define MODEL_NONE 0xffffu

enum model_state {
    MODEL_FREE = 0,
    MODEL_LIVE,
    MODEL_CLOSING
};

struct model_slot {
    enum model_state state;
    uint32_t generation;
    uint32_t page; /* grants, mappings: of the end's guest */
    uint32_t access;
    uint32_t
        peer; /* mappings: index of the peer's grant; ports: of the peer's port, or MODEL_NONE */
    uint8_t pending, masked;
    uint8_t connection; /* ports: to the store, which has no peer */
    uint8_t *address; /* mappings of local peers */
};

enum model_endpoint_state {
    MODEL_NOTHING = 0,
    MODEL_WORKS,
    MODEL_RESETS,
    MODEL_DEAD
};

struct model_endpoint {
    enum model_endpoint_state state;
    uint32_t generation;
    uint32_t parent;
    uint32_t rights;
    uint32_t base[MODEL_KINDS]; /* in slots of the end */
    uint32_t count[MODEL_KINDS];
};

struct model_page {
    uint64_t frame;   /* 0: there is none */
    uint8_t byte;     /* what it is filled with, when it isn't overlaid */
    uint8_t lost;     /* its content is undefined until it is written */
    uint32_t overlay; /* mapping slot that overlays it, or MODEL_NONE */
};

/* What one guest, or a local peer, has. Grants that the peer has mapped outlive the guest. */
struct model_end {
    struct model_slot slots[MODEL_KINDS][MODEL_SLOTS];
    uint32_t owner[MODEL_KINDS][MODEL_CHUNKS]; /* endpoint */
    struct model_endpoint endpoints[MODEL_HANDLES];
    struct model_page pages[MODEL_PAGES];
    uint32_t peer;
    uint32_t port_first;       /* number of port 0 as the peer sees it, 0: none was made yet */
    uint8_t told[MODEL_SLOTS]; /* ports: the guest was notified and hasn't looked */
    uint8_t local;
    uint8_t gone; /* restarted, and not minted for again */
};

/* What is in a guest's own directory of the store: "" if there is no such key. */
#define MODEL_KEYS 4u /* besides those two that hold a number */
struct model_store {
    char values[MODEL_KEYS + 2][16];
};

struct model {
    struct bed bed;
    struct model_source *source;
    struct model_end ends[MODEL_ENDS];
    struct model_store stores[MODEL_GUESTS];
    uint16_t denied_verb; /* by the policy of a level; 0: none */
    uint32_t denied_level;
    uint32_t steps;
    int crashed; /* a level has, and nothing was minted since */
    int wrong;
    char step[160]; /* what is being done */
};

/* Runs until the source ends, at most `steps`. How much disagreed; the first is printed. */
int model_run(struct model_source *source, uint32_t seed, uint32_t steps);

/* --- model.c, for model_ops.c --- */

uint32_t model_draw(struct model *model, uint32_t below);
void model_expect(struct model *model, const char *what, int64_t expected, int64_t got);
/* Everything that waits for nothing any more is gone. */
void model_sweep(struct model *model);
void model_fresh(struct model_end *end);
void model_minted(struct model_end *end, uint32_t generation);
void model_deny(struct model *model, uint32_t level, uint16_t verb);
void model_raise(struct model_end *end, uint32_t index);
void model_free_port(struct model *model, struct model_end *end, struct model_slot *port);
void model_free_mapping(struct model_end *end, struct model_slot *mapping);

/* Endpoints and slots as a call finds them. Of a call, 0: go on to its slots; 1: a destroy on what is
 * gone, which is done; else its status. */
int model_call_status(struct model *model, uint32_t guest, uint32_t endpoint, uint32_t generation,
                      uint16_t verb);
struct model_slot *model_slot(struct model_end *end, uint32_t endpoint, uint32_t kind,
                              uint32_t index, uint32_t *place);
int model_create_status(struct model_end *end, uint32_t endpoint, uint32_t kind, uint32_t index,
                        uint32_t generation, uint32_t *value);
/* Mappings of the grant that have one of the `access` bits. */
uint32_t model_readers(const struct model *model, uint32_t end, uint32_t grant, uint32_t access);
int model_is_pinned(const struct model_end *end, uint32_t page);

/* --- model_ops.c, for model_store.c --- */

/* One call as it was drawn. */
struct model_drawn {
    uint32_t guest;
    uint32_t endpoint, endpoint_generation;
    uint32_t index, generation; /* of the slot */
    uint32_t kind;
    uint16_t verb;
    struct model_end *end;
    struct model_slot *slot; /* that index names, NULL: none */
    uint32_t place;
    int status;     /* expected, so far */
    uint32_t value; /* expected with it */
};

/* Who calls, on which endpoint, about which slot: what there is mostly, and sometimes not. */
void model_draw_call(struct model *model, struct model_drawn *d, uint16_t verb, uint32_t kind);
uint64_t model_slot_item(const struct model_drawn *d);
int model_agree(struct model *model, const struct model_drawn *d, uint64_t result);
void model_expect_create(struct model_drawn *d);
void model_expect_denial(struct model *model, struct model_drawn *d);
void model_expect_destroy(struct model_drawn *d, int *there);
void model_expect_live(struct model_drawn *d);
int model_is_other(const struct model_drawn *d, int connection);

static inline int model_is_unbound(const struct model_slot *port)
{
    return port->state == MODEL_LIVE && !port->connection && port->peer == MODEL_NONE;
}

/* --- model_store.c: one verb of the store's --- */

void model_store(struct model *model);

/* --- model_ops.c and model_world.c: one step; what guests do, and what happens to them --- */

void model_step(struct model *model);
int model_world(struct model *model, uint32_t op);

#endif
