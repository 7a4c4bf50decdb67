/*
 * permessage-deflate (RFC 7692), a message at a time: nothing is carried over from one to
 * the next, so that one inflater and one deflater serve all connections of a loop. Pure:
 * bytes in, bytes out; what was agreed with whom is wire/ws_extensions.
 *
 * @thread the caller's; each belongs to one loop
 */
#ifndef FWI_WIRE_DEFLATE_H
#define FWI_WIRE_DEFLATE_H

#include "base/base.h"

/* --- what clients send --- */

typedef struct fwi_inflater fwi_inflater;

/* NULL: out of memory. zlib's 40 KB are taken with the first message. */
fwi_inflater *fwi_inflater_new(void);
void fwi_inflater_free(fwi_inflater *i);

typedef enum {
    FWI_INFLATE_OK,
    FWI_INFLATE_BROKEN, /* no DEFLATE, or it ends too early */
    FWI_INFLATE_TOO_BIG,
    FWI_INFLATE_MEMORY
} fwi_inflate_result;

/* A message as it stood in its frames, all of it, without the 00 00 FF FF that the sender
 * left out. Of one that inflates to more than max bytes at most a byte more is inflated.
 * *out is valid until the next call. */
fwi_inflate_result fwi_inflate(fwi_inflater *i, const void *data, size_t len, size_t max,
                               const uint8_t **out, size_t *out_len);

/* What has been inflated since the last time this was asked. */
typedef struct fwi_inflate_counts {
    uint64_t messages, bytes_before, bytes_after; /* that were in order */
    uint64_t broken, too_big;
} fwi_inflate_counts;
fwi_inflate_counts fwi_inflater_take_counts(fwi_inflater *i);

/* As many bytes as this a message may have that inflates to max: what doesn't get smaller
 * by it gets a little larger. */
static inline size_t fwi_deflated_max(size_t max)
{
    return max + max / 64 + 64;
}

/* --- what we send --- */

typedef struct fwi_deflater fwi_deflater;

/* NULL: out of memory. Takes about 270 KB. */
fwi_deflater *fwi_deflater_new(void);
void fwi_deflater_free(fwi_deflater *d);

enum { FWI_DEFLATE_TAIL = 4 }; /* 00 00 FF FF */

/* A message as it is to stand in a frame. Returns its length; 0 if it wouldn't fit into
 * cap - FWI_DEFLATE_TAIL bytes. It refers back at most len bytes, so it can be inflated
 * with any window in which len bytes have room. */
size_t fwi_deflate(fwi_deflater *d, const void *data, size_t len, uint8_t *out,
                   size_t cap);

#endif
