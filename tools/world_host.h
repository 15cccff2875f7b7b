/* SPDX-License-Identifier: MIT */
/* What frontends and backends need of the world that they are in: pages, maps, the disk, waiting, events. */
#ifndef BLANKET_WORLD_HOST_H
#define BLANKET_WORLD_HOST_H

#include "world.h"

#define WORLD_IDLE_MAX 1000u /* turns in which nothing happens before something is wrong */
#define WORLD_LOOK 20u       /* such turns over libxen, after which an event may have been lost */

/* The context of all of these is a struct world_guest. */
extern const struct blk_disk_ops world_slice_ops; /* its slice of the image */
extern const struct blk_map_ops world_map_ops;
int world_page_alloc(void *context, struct blk_page *page);
void world_page_free(void *context, const struct blk_page *page);
int world_front_wait(void *context);
int world_back_wait(void *context);
void world_front_event(void *context, uint32_t vcpu, uint32_t port);
void world_back_event(void *context, uint32_t number);

#endif
