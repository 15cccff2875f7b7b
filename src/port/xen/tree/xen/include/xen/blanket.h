/* SPDX-License-Identifier: MIT */
/*
 * blanket: what the rest of Xen calls. Each is called from one line in one of Xen's own files.
 */
#ifndef __XEN_BLANKET_H__
#define __XEN_BLANKET_H__

#include <xen/types.h>

struct domain;
struct page_info;

/* How many rights FLASK's class has before its permission "admin" (enum blanket_right). */
#define BLANKET_XSM_RIGHTS 14

#ifdef CONFIG_BLANKET

/*
 * An event channel of ours at the hypervisor below has fired. In interrupt context; takes only
 * interrupt-safe locks. Ports that aren't blanket's are ignored.
 */
void blanket_event_from_below(unsigned int port);

/* The domain begins to die: no call of it goes through from now on. Can't fail, doesn't block. */
void blanket_domain_kill(struct domain *d);

/*
 * Take down what the domain holds, in bounded steps. Returns 0, or -ERESTART to be called again. What
 * a peer below still maps stays pinned, and the domain stays a zombie until the peer lets go.
 */
int blanket_domain_teardown(struct domain *d);

/* The domain starts over with new contents: as if it had gone, and a new one had come. */
void blanket_domain_soft_reset(struct domain *d);

/* The last reference to the domain is gone: free what's left. Also for one that was never alive. */
void blanket_domain_destroy(struct domain *d);

/*
 * The page behind a grant that the domain made to Xen itself: in grant_table.c. Takes a reference to the
 * page and holds the grant; returns a GNTST_* status. Release the grant before the page.
 */
int blanket_grant_acquire(struct domain *d, uint32_t ref, bool readonly, struct page_info **page);
void blanket_grant_release(struct domain *d, uint32_t ref, bool readonly);

#else /* CONFIG_BLANKET */

static inline void blanket_event_from_below(unsigned int port)
{
}

static inline void blanket_domain_kill(struct domain *d)
{
}

static inline int blanket_domain_teardown(struct domain *d)
{
    return 0;
}

static inline void blanket_domain_soft_reset(struct domain *d)
{
}

static inline void blanket_domain_destroy(struct domain *d)
{
}

#endif /* CONFIG_BLANKET */

#endif /* __XEN_BLANKET_H__ */
