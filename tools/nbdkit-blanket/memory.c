/* SPDX-License-Identifier: MIT */
/* nbdkit has 192 MiB of zeros that it hardly ever touches: mlockall() alone would make pages of them. */
#define _GNU_SOURCE /* dl_iterate_phdr, MCL_ONFAULT */
#include "memory.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a program or library has in its file: a fault there could need the disk that we are. */
static int object_lock(struct dl_phdr_info *object, size_t size, void *page_size)
{
    uintptr_t mask = ~(*(const uintptr_t *)page_size - 1);

    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        uintptr_t end = start + object->dlpi_phdr[i].p_filesz;

        if (object->dlpi_phdr[i].p_type == PT_LOAD && end > start &&
            mlock((void *)(start & mask), end - (start & mask)) != 0) {
            return errno;
        }
    }
    return 0;
}

int memory_lock(void)
{
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0 || mlockall(MCL_FUTURE) != 0) {
        return errno;
    }
    return dl_iterate_phdr(object_lock, &page_size);
}
