/* SPDX-License-Identifier: MIT */
/*
 * The compiler and the four functions that the core needs: the only header that differs by host.
 *
 * A freestanding host that has no <stdint.h> (Xen) defines BLANKET_ENV_HEADER to a header of its own
 * that gives the fixed-width types, bool, size_t, NULL, memcpy, memmove, memset and memcmp.
 */
#ifndef BLANKET_ENV_H
#define BLANKET_ENV_H

#ifdef BLANKET_ENV_HEADER
#include BLANKET_ENV_HEADER
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *target, const void *source, size_t size);
void *memmove(void *target, const void *source, size_t size);
void *memset(void *target, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);
#endif
#endif

/* A function whose address is taken; Xen needs cf_check there (indirect branch tracking). */
#ifndef BLANKET_CALLBACK
#define BLANKET_CALLBACK
#endif

/* Part of the library's interface: visible in the shared object. */
#ifndef BLANKET_API
#define BLANKET_API __attribute__((visibility("default")))
#endif

#define BLANKET_MUST_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
#define BLANKET_EXTERN_C_BEGIN extern "C" {
#define BLANKET_EXTERN_C_END }
#else
#define BLANKET_EXTERN_C_BEGIN
#define BLANKET_EXTERN_C_END
#endif

#endif
