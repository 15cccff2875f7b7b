/* SPDX-License-Identifier: MIT */
/*
 * In L0's dom0: maps pages that a guest granted, and keeps them: blanket-mapper DOMID REF COUNT FILE.
 * Prints their checksum, waits until FILE is there, prints it again and unmaps them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/gntdev.h>

#define PAGE 4096u
#define COUNT_MAX 64u

static unsigned sum(const volatile unsigned char *bytes, size_t size)
{
    unsigned hash = 2166136261u;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

int main(int argc, char **argv)
{
    struct ioctl_gntdev_map_grant_ref *map;
    uint32_t count = argc == 5 ? (uint32_t)atoi(argv[3]) : 0;
    int grants = open("/dev/xen/gntdev", O_RDWR);
    unsigned char *pages;

    if (count == 0 || count > COUNT_MAX) {
        return 2;
    }
    map = calloc(1, sizeof(*map) + count * sizeof(map->refs[0]));
    map->count = count;
    for (uint32_t i = 0; i < count; i++) {
        map->refs[i].domid = (uint32_t)atoi(argv[1]);
        map->refs[i].ref = (uint32_t)atoi(argv[2]) + i;
    }
    if (ioctl(grants, IOCTL_GNTDEV_MAP_GRANT_REF, map) != 0) {
        perror("map");
        return 1;
    }
    pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, grants, (off_t)map->index);
    if (pages == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    printf("%08x %u..%u, ", sum(pages, count * PAGE), pages[0], pages[count * PAGE - 1]);
    fflush(stdout);
    while (access(argv[4], F_OK) != 0) {
        usleep(100000);
    }
    printf("%08x %u..%u\n", sum(pages, count * PAGE), pages[0], pages[count * PAGE - 1]);
    return munmap(pages, count * PAGE) != 0;
}
