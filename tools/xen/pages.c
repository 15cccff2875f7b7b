/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>

#define NO_BYTE UINT32_MAX /* no byte of the page is changed when it's unmapped */
#define DOMAIN_XEN 0x7ff2u /* DOMID_XEN of xen/xen.h */

struct page {
    struct page *next;
    void *address;
    uint32_t reference;
};

struct xen_pages {
    xengntshr_handle *handle;
    uint32_t channel;
    struct page *free, *taken; /* taken: records without a page */
};

uint32_t xen_pages_limit(void)
{
    FILE *file = fopen("/sys/module/xen_gntalloc/parameters/limit", "re");
    unsigned limit;
    bool known;

    if (file == NULL) {
        return UINT32_MAX;
    }
    known = fscanf(file, "%u", &limit) == 1;
    fclose(file);
    return known ? limit : UINT32_MAX;
}

int xen_pages_open(uint32_t channel, struct xen_pages **result)
{
    struct xen_pages *pages = calloc(1, sizeof(*pages));

    if (pages == NULL) {
        return -BLANKET_ENOMEM;
    }
    errno = ENOENT;
    pages->handle = xengntshr_open(NULL, 0);
    if (pages->handle == NULL) {
        int status = errno == EACCES || errno == EPERM ? -BLANKET_EPERM : -BLANKET_ENOENT;

        free(pages);
        return status;
    }
    pages->channel = channel;
    *result = pages;
    return 0;
}

static void list_free(struct page *page)
{
    while (page != NULL) {
        struct page *next = page->next;

        free(page);
        page = next;
    }
}

/* The kernel keeps a page of gntalloc until the descriptor is closed, whatever is unmapped: so pages are
 * kept here for reuse, and all go together. */
void xen_pages_close(struct xen_pages *pages)
{
    if (pages == NULL) {
        return;
    }
    for (struct page *page = pages->free; page != NULL; page = page->next) {
        (void)xengntshr_unshare(pages->handle, page->address, 1);
    }
    (void)xengntshr_close(pages->handle);
    list_free(pages->free);
    list_free(pages->taken);
    free(pages);
}

static int page_make(struct xen_pages *pages, struct page *page)
{
    page->address = xengntshr_share_page_notify(pages->handle, DOMAIN_XEN, &page->reference, 1,
                                                NO_BYTE, pages->channel);
    if (page->address == NULL) {
        return errno == ENOSPC ? -BLANKET_ENOSPC : -BLANKET_ENOMEM;
    }
    /* A child would hold it beyond our end. */
    (void)madvise(page->address, XEN_PAGE_SIZE, MADV_DONTFORK);
    return 0;
}

int xen_pages_take(struct xen_pages *pages, void **address, uint32_t *reference)
{
    struct page *page = pages->free;
    int status = 0;

    if (page != NULL) {
        pages->free = page->next;
        memset(page->address, 0, XEN_PAGE_SIZE);
    } else {
        page = calloc(1, sizeof(*page));
        status = page == NULL ? -BLANKET_ENOMEM : page_make(pages, page);
    }
    if (status != 0) {
        free(page);
        return status;
    }
    *address = page->address;
    *reference = page->reference;
    page->next = pages->taken;
    pages->taken = page;
    return 0;
}

void xen_pages_give(struct xen_pages *pages, void *address, uint32_t reference)
{
    struct page *page = pages->taken; /* any record will do: there is one for each page taken */

    pages->taken = page->next;
    page->address = address;
    page->reference = reference;
    page->next = pages->free;
    pages->free = page;
}
