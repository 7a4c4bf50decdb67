/*
 * A frame: bytes as they go into a socket, immutable and counted, shared by all outboxes.
 * @thread any (the counter is atomic)
 */
#ifndef FWI_CORE_FRAME_H
#define FWI_CORE_FRAME_H

#include <stdatomic.h>

#include "base/base.h"

typedef struct fwi_frame {
    atomic_uint refs;
    uint32_t header; /* bytes in front of the payload */
    size_t len;      /* header and payload */
    /* The same message compressed (core/compress.h), owned; NULL as long as nobody has
     * wanted that; the frame itself if it doesn't get smaller. */
    struct fwi_frame *_Atomic deflated;
    uint8_t bytes[]; /* a NUL follows, for readers of text */
} fwi_frame;

/* A WebSocket frame around a copy of data (RFC 6455 5.2, fin, unmasked); opcode as in
 * wire/ws_codec.h. NULL: out of memory. */
fwi_frame *fwi_frame_new_ws(unsigned opcode, const void *data, size_t len);

/* A copy of data as it is, for sessions that aren't framed. NULL: out of memory. */
fwi_frame *fwi_frame_new_bare(const void *data, size_t len);

static inline fwi_frame *fwi_frame_ref(fwi_frame *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void fwi_frame_unref(fwi_frame *f);

#endif
