/* SPDX-License-Identifier: MIT */
/*
 * Included at the end of grant_table.c, whose functions these two need: a page that a domain names by a
 * grant of its own to Xen (DOMID_XEN: no domain can map it), whole and not transitive.
 */
int blanket_grant_acquire(struct domain *d, uint32_t ref, bool readonly, struct page_info **page)
{
    uint16_t offset, length;
    mfn_t mfn;
    int rc = acquire_grant_for_copy(d, ref, DOMID_XEN, readonly, &mfn, page, &offset, &length,
                                    false);

    if (rc == GNTST_okay && (offset != 0 || length != PAGE_SIZE || page_get_owner(*page) != d)) {
        release_grant_for_copy(d, ref, readonly);
        put_page(*page);
        rc = GNTST_bad_gntref;
    }
    return rc;
}

void blanket_grant_release(struct domain *d, uint32_t ref, bool readonly)
{
    release_grant_for_copy(d, ref, readonly);
}
