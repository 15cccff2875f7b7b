/* SPDX-License-Identifier: MIT */
#ifndef NBDKIT_BLANKET_MEMORY_H
#define NBDKIT_BLANKET_MEMORY_H

/*
 * Lock the memory of this process: what it has of programs and libraries at once, zeros and heap of now as they are
 * touched, and all that comes later, with the stacks of threads, at once. 0 or an errno: something isn't locked then.
 */
int memory_lock(void);

#endif
