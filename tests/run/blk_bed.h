/* SPDX-License-Identifier: MIT */
/* A block frontend and backend at the two ends of one device of the provider, without a level. */
#ifndef BLK_BED_H
#define BLK_BED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <blanket/guest.h>
#include <blanket/port/root.h>

#include "backend_private.h"
#include "frontend_private.h"

#define BED_PAGES 2048u
#define BED_SECTORS 8192u /* of 512 bytes: 4 MiB */

struct bed {
    uint8_t *memory;            /* the machine's pages */
    uint16_t frames[BED_PAGES]; /* the driver's number -> the page: no identity map */
    uint8_t taken[BED_PAGES];
    uint32_t pages_out; /* allocated by the frontend now */
    struct blanket_root *root;
    struct blanket_root_end front_end, back_end;
    struct blanket_wire_endpoint front_info, back_info;
    struct blanket_guest front_guest, back_guest;
    struct blk_frontend *frontend;
    struct blk_backend *backend;
    uint8_t *disk;
    uint64_t disk_size;
    uint32_t flushes;
    bool deaf;          /* the frontend isn't told of its events */
    int disk_error;     /* what each transfer returns, if not 0 */
    uint32_t map_fails; /* the n-th map from now on fails; 0: none does */
    struct blk_frontend_config front;
    struct blk_backend_config back;
    struct blanket_root_client *toolstack;
    uint32_t next_id;
};

/* Provider and device, and the configs with what is usual; nobody is connected. */
void bed_init(struct bed *bed, uint32_t grants);
void bed_backend(struct bed *bed);
void bed_frontend(struct bed *bed);
/* Poll both until neither does anything. */
void bed_run(struct bed *bed);
/* Close both and check that nothing is left anywhere. */
void bed_fini(struct bed *bed);
/* Both, connected. */
void bed_connect(struct bed *bed);
/* Close the frontend and free it. */
void bed_frontend_close(struct bed *bed);

int bed_page_alloc(void *context, struct blk_page *page);
void bed_page_free(void *context, const struct blk_page *page);

/* Transfer whole sectors through the frontend with as many requests as it takes; 0 or the first error. */
int bed_transfer(struct bed *bed, enum blk_operation operation, uint64_t sector, void *data,
                 uint32_t sectors);
int bed_flush(struct bed *bed);

/* The store, as the toolstack sees it. side: 0 the frontend's directory, 1 the backend's. */
void bed_write(struct bed *bed, int side, const char *key, const char *value);
/* It needn't be there. */
void bed_remove(struct bed *bed, int side, const char *key);
/* "" if there is none. */
const char *bed_read(struct bed *bed, int side, const char *key);

#endif
