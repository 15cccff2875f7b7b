/* SPDX-License-Identifier: MIT */
/* Xen's own xenstore messages, from where the host has Xen's public headers. */
#ifndef BLANKET_XENSTORE_WIRE_H
#define BLANKET_XENSTORE_WIRE_H

#include <blanket/env.h>

#ifdef BLANKET_ENV_HEADER
#include <public/io/xs_wire.h>
#else
#include <xen/io/xs_wire.h>
#endif

#define STORE_HEADER_SIZE 16u /* struct xsd_sockmsg */
#define STORE_BODY_MAX ((uint32_t)XENSTORE_PAYLOAD_MAX)
#define STORE_MESSAGE_MAX (STORE_HEADER_SIZE + STORE_BODY_MAX)
#define STORE_PATH_MAX ((uint32_t)XENSTORE_ABS_PATH_MAX)

#endif
