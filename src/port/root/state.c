/* SPDX-License-Identifier: MIT */
/*
 * The store's state, out of the process and back into another.
 */
#include "root_private.h"

int blanket_root_store_state_save(struct blanket_root *root,
                                  int (*write)(void *context, const void *bytes, size_t size),
                                  void *context)
{
    int status;

    if (!root->store) {
        return -BLANKET_ENOSYS;
    }
    pthread_mutex_lock(&root->lock);
    status = blanket_root_store_save(root->store, write, context);
    blanket_root_unlock(root);
    return status;
}

int blanket_root_store_state_restore(struct blanket_root *root,
                                     int (*read)(void *context, void *bytes, size_t size),
                                     void *context)
{
    int status;

    if (!root->store) {
        return -BLANKET_ENOSYS;
    }
    pthread_mutex_lock(&root->lock);
    status = blanket_root_store_restore(root->store, read, context);
    blanket_root_broker_pump(root); /* watches fire */
    blanket_root_unlock(root);
    return status;
}
