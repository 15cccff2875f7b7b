/* SPDX-License-Identifier: MIT */
/* Read before every file of blanket that is compiled into Xen: see include/blanket/env.h. */
#ifndef BLANKET_PORT_XEN_PRELUDE_H
#define BLANKET_PORT_XEN_PRELUDE_H

#include <xen/stdbool.h>
#include <xen/string.h>
#include <xen/types.h>

#define BLANKET_ENV_HEADER <xen/types.h>

/* A function whose address is taken gets an endbr64, and only such a one does. */
#define BLANKET_CALLBACK cf_check

/* Xen links one image with hidden symbols: nothing of the library is exported from it. */
#define BLANKET_API

#endif
