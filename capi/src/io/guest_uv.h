/*
 * libwebsockets as a guest on a loop: what it leaves is gone before its memory is, and
 * what it closes twice is closed once.
 *
 * Twice it closes the descriptor of its event pipe: at once when its context is
 * destroyed, and again when the loop has closed the handle on it (4.1 to 4.5 do that). In
 * a process with other threads the number may be somebody else's by then, who would lose
 * a socket or a file for no reason to be seen. So between the two the number is held by a
 * descriptor that may be closed. If another thread was faster, the handle is closed
 * without libwebsockets hearing of it.
 */
#ifndef FWI_IO_GUEST_UV_H
#define FWI_IO_GUEST_UV_H

#include "core/loop.h"

/* For loops made by fwi_loop_uv_new. @thread any, as the loop has none */
extern const fwi_guest_ops fwi_guest_uv;

#endif
