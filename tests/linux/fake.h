/* SPDX-License-Identifier: MIT */
/*
 * A Xen below without Xen: the functions of libxengnttab, libxenevtchn and libxencall that the port calls,
 * as the kernel's drivers behave, and an xenstored on a socket. Linked instead of the libraries. One at a
 * time in a process, since those functions have nothing else to go by.
 *
 * Simulated: what the drivers do is written down here from their source's behaviour, not taken from them.
 */
#ifndef BLANKET_TEST_LINUX_FAKE_H
#define BLANKET_TEST_LINUX_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <blanket/port/root.h>

#define FAKE_SELF 1u /* our domain; the peer is 0 */
#define FAKE_REFERENCES 4096u
#define FAKE_PAGE 4096u
#define FAKE_SOCKET_SIZE 64u

void fake_begin(void);
void fake_end(void);

/* ---- the drivers ---- */

/* errno of the next open of "gntalloc", "gntdev", "evtchn", "privcmd"; 0: it works. */
void fake_open_error(const char *node, int error);
/* gntalloc's limit; and references that others take: every n-th of the first `count` free ones. */
void fake_limit(uint32_t pages);
void fake_fragment(uint32_t count, uint32_t nth);
/* Somebody else in the domain takes the next free reference. */
uint32_t fake_other_takes(void);
/* Pages that gntalloc has given and that aren't free again. */
uint32_t fake_shared(void);
/* How many were ended, ever, while the peer had them mapped. Linux gives ten of these back a second. */
uint32_t fake_deferred(void);
/* A reference that came back just now lies so deep in the kernel's list: others came back after it. */
void fake_bury(uint32_t reference, uint32_t depth);
/* The kernel looks whether the peer has let go of what was ended. */
void fake_tick(void);

/* The peer's side of our grants. The reference must be granted to it. */
void fake_peer_map(uint32_t reference);
void fake_peer_unmap(uint32_t reference);
void fake_peer_read(uint32_t reference, void *target, uint32_t size);
void fake_peer_write(uint32_t reference, const void *source, uint32_t size);

/* Grants of the peer's, for gntdev: page of `reference`, 0..15, with this text. */
void fake_peer_grant(uint32_t reference, const char *text);
void fake_peer_page(uint32_t reference, char *target, uint32_t size);
/* Of these, how many are mapped (gntdev's table). */
uint32_t fake_mapped(void);

/* Ports: the peer binds to ours, or makes one for us; and events both ways. */
void fake_peer_bind(uint32_t port);
uint32_t fake_peer_port(void);
void fake_peer_notify(uint32_t port);
uint32_t fake_notified(uint32_t port);
uint32_t fake_ports(void);

/* ---- the store ---- */

const char *fake_socket(void);
void fake_store_stop(void);  /* its connections break, its socket is gone; its nodes stay */
void fake_store_crash(void); /* the same, but its socket is left behind */
void fake_store_start(void);
/* A device of the toolstack: "vbd", 51712, for us from domain 0. */
void fake_device(const char *type, uint32_t handle);
/* As domain 0. An absolute path; the value, or NULL: there is none. Static. */
void fake_write(const char *path, const char *value);
const char *fake_read(const char *path);

#endif
