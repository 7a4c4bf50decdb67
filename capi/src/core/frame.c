/*
 * Frames: the bytes of a message as they go into sockets, made once. Called by message,
 * session, raw_rooms and compress; knows none of them.
 * @thread any
 */
#include "core/frame.h"

#include <string.h>

#include "wire/ws_codec.h"

static fwi_frame *frame_new(const uint8_t *header, size_t n, const void *data, size_t len)
{
    fwi_frame *f = malloc(sizeof *f + n + len + 1);
    if (f == NULL) {
        return NULL;
    }
    atomic_init(&f->refs, 1);
    atomic_init(&f->deflated, NULL);
    f->header = (uint32_t)n;
    f->len = n + len;
    if (n > 0) {
        memcpy(f->bytes, header, n);
    }
    if (len > 0) {
        memcpy(f->bytes + n, data, len);
    }
    f->bytes[n + len] = '\0';
    return f;
}

fwi_frame *fwi_frame_new_ws(unsigned opcode, const void *data, size_t len)
{
    uint8_t header[FWI_WS_HEADER_MAX];
    return frame_new(header, fwi_ws_header(header, opcode, len), data, len);
}

fwi_frame *fwi_frame_new_bare(const void *data, size_t len)
{
    return frame_new(NULL, 0, data, len);
}

void fwi_frame_unref(fwi_frame *f)
{
    if (f != NULL && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        fwi_frame *deflated = atomic_load_explicit(&f->deflated, memory_order_relaxed);
        if (deflated != f) {
            fwi_frame_unref(deflated);
        }
        free(f);
    }
}
