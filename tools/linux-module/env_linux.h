/* SPDX-License-Identifier: MIT */
/* What blanket/env.h wants of a host, of Linux. A file of its own: gcc's macro `linux` is 1. */
#include <linux/string.h>
#include <linux/types.h>
