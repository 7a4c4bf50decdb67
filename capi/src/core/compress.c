/*
 * The compressed sibling of a frame, which the frame owns and all loops share. Called
 * when a message is put into the outbox of a session with `deflates`; and it counts what
 * clients sent compressed. Knows no socket. @thread loop
 */
#include "core/compress.h"

#include <string.h>

#include "wire/ws_codec.h"
#include "wire/ws_extensions.h"

/* The frame in memory of its own. NULL: it is no smaller, or there is no memory: then the
 * plain frame is as good. */
static fwi_frame *deflated_of(fwi_deflater *deflater, const fwi_frame *plain)
{
    const uint8_t *data = plain->bytes + plain->header;
    size_t len = plain->len - plain->header;
    /* Its header is no longer than the plain one's. One byte less of payload is enough.
     */
    size_t cap = len - 1 + FWI_DEFLATE_TAIL;
    fwi_frame *f = malloc(sizeof *f + plain->header + cap + 1);
    if (f == NULL) {
        return NULL;
    }
    size_t n = fwi_deflate(deflater, data, len, f->bytes + plain->header, cap);
    if (n == 0) {
        free(f);
        return NULL;
    }
    uint8_t header[FWI_WS_HEADER_MAX];
    size_t n_header = fwi_ws_header(header, (plain->bytes[0] & 0x0f) | FWI_WS_RSV1, n);
    memmove(f->bytes + n_header, f->bytes + plain->header, n);
    memcpy(f->bytes, header, n_header);
    atomic_init(&f->refs, 1);
    atomic_init(&f->deflated, NULL);
    f->header = (uint32_t)n_header;
    f->len = n_header + n;
    f->bytes[f->len] = '\0';
    fwi_frame *fits = realloc(f, sizeof *f + f->len + 1);
    if (fits != NULL) {
        f = fits;
    }
    return f;
}

/* Makes it, and lets the others have it. */
static fwi_frame *deflate_once(fwi_shard *shard, fwi_frame *plain)
{
    if (shard->deflater == NULL) {
        shard->deflater = fwi_deflater_new();
        if (shard->deflater == NULL) {
            return plain;
        }
    }
    fwi_frame *made = deflated_of(shard->deflater, plain);
    fwi_stat_add(&shard->stats, made != NULL ? FWI_STAT_DEFLATED : FWI_STAT_NOT_DEFLATED,
                 1);
    if (made != NULL) {
        fwi_stat_add(&shard->stats, FWI_STAT_DEFLATED_BEFORE, plain->len - plain->header);
        fwi_stat_add(&shard->stats, FWI_STAT_DEFLATED_AFTER, made->len - made->header);
    } else {
        made = plain;
    }
    fwi_frame *theirs = NULL;
    if (atomic_compare_exchange_strong_explicit(&plain->deflated, &theirs, made,
                                                memory_order_acq_rel,
                                                memory_order_acquire)) {
        return made;
    }
    if (made != plain) {
        fwi_frame_unref(made);
    }
    return theirs;
}

fwi_frame *fwi_frame_for_deflate(fwi_shard *shard, fwi_frame *f, unsigned window_bits)
{
    size_t len = f->len - f->header;
    /* Nothing is taken over from message to message, so what is no longer than the peer's
     * window can't refer to anything outside of it, whatever ours was. */
    bool fits = window_bits >= FWI_WS_WINDOW_MAX || len <= (size_t)1 << window_bits;
    if (len < shard->hub->set.compression_min || !fits) {
        return f;
    }
    fwi_frame *deflated = atomic_load_explicit(&f->deflated, memory_order_acquire);
    return deflated != NULL ? deflated : deflate_once(shard, f);
}

void fwi_shard_count_inflated(fwi_shard *shard, fwi_inflater *inflater)
{
    if (inflater == NULL) {
        return;
    }
    fwi_inflate_counts n = fwi_inflater_take_counts(inflater);
    fwi_stat_add(&shard->stats, FWI_STAT_INFLATED, n.messages);
    fwi_stat_add(&shard->stats, FWI_STAT_INFLATED_BEFORE, n.bytes_before);
    fwi_stat_add(&shard->stats, FWI_STAT_INFLATED_AFTER, n.bytes_after);
    fwi_stat_add(&shard->stats, FWI_STAT_INFLATE_BROKEN, n.broken);
    fwi_stat_add(&shard->stats, FWI_STAT_INFLATE_TOO_BIG, n.too_big);
}
