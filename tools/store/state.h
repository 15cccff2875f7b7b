/* SPDX-License-Identifier: MIT */
/* The store's nodes in a file, over a restart. */
#ifndef BLANKET_STORE_STATE_H
#define BLANKET_STORE_STATE_H

#include <blanket/port/root.h>

/* The file is whole, or as it was. False: it was said on standard error what is wrong. */
bool state_save(struct blanket_root *root, const char *path);
/* No file is a store that starts afresh: true. */
bool state_restore(struct blanket_root *root, const char *path);

#endif
