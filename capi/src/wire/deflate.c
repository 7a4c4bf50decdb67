/*
 * Messages through zlib, each for itself. Called by the codec with what clients sent, and
 * by core with what goes to those who agreed on it; knows neither frames nor sessions.
 *
 * zlib never sees a message in parts: it is whole when it comes, and its end is then what
 * shows whether it is in order. @thread a loop's
 */
#include "wire/deflate.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

enum {
    /* The largest there is: clients may use it, and we aren't asked (RFC 7692 7.1.2.2).
     * Negative: neither header nor checksum. */
    WINDOW = -15,
    /* What an inflater keeps of its output's memory from one message to the next. */
    KEPT = 64 * 1024,
    /* For 16 KiB of JSON a quarter of the time of zlib's own 6, and a tenth more bytes:
     * docs/internals/compression.md has the figures. */
    LEVEL = 3,
    MEMORY = 8
};

static const uint8_t tail[FWI_DEFLATE_TAIL] = {0x00, 0x00, 0xff, 0xff};

/* zlib counts in unsigned int. */
static uInt at_most(size_t n)
{
    return n > UINT_MAX ? UINT_MAX : (uInt)n;
}

/* --- inflating --- */

struct fwi_inflater {
    z_stream z;
    bool ready; /* z is set up */
    uint8_t *out;
    size_t cap;
    fwi_inflate_counts counts;
};

fwi_inflater *fwi_inflater_new(void)
{
    return calloc(1, sizeof(fwi_inflater));
}

void fwi_inflater_free(fwi_inflater *i)
{
    if (i == NULL) {
        return;
    }
    if (i->ready) {
        inflateEnd(&i->z);
    }
    free(i->out);
    free(i);
}

fwi_inflate_counts fwi_inflater_take_counts(fwi_inflater *i)
{
    fwi_inflate_counts counts = i->counts;
    i->counts = (fwi_inflate_counts){0};
    return counts;
}

/* One call of fwi_inflate: what its steps share. */
typedef struct inflating {
    fwi_inflater *i;
    const uint8_t *at; /* what zlib gets after what it has */
    size_t left;
    bool at_tail;
    size_t len, most; /* of the output; one byte of most is too much */
} inflating;

static bool prepare(fwi_inflater *i)
{
    if (i->ready) {
        return inflateReset(&i->z) == Z_OK;
    }
    i->z = (z_stream){0};
    i->ready = inflateInit2(&i->z, WINDOW) == Z_OK;
    return i->ready;
}

/* Room for output: what there is, or twice as much. */
static bool make_room(inflating *g)
{
    fwi_inflater *i = g->i;
    if (g->len == i->cap) {
        size_t cap = FWI_MIN(i->cap > 0 ? i->cap * 2 : (size_t)KEPT, g->most);
        uint8_t *out = realloc(i->out, cap);
        if (out == NULL) {
            return false;
        }
        i->out = out;
        i->cap = cap;
    }
    i->z.next_out = i->out + g->len;
    i->z.avail_out = at_most(FWI_MIN(i->cap, g->most) - g->len);
    return true;
}

/* The message, and behind it the bytes that its sender left out (7.2.2). */
static bool next_input(inflating *g)
{
    z_stream *z = &g->i->z;
    if (z->avail_in > 0) {
        return true;
    }
    if (g->left == 0 && !g->at_tail) {
        g->at_tail = true;
        g->at = tail;
        g->left = sizeof tail;
    }
    uInt n = at_most(g->left);
    z->next_in = (Bytef *)(uintptr_t)g->at; /* it only reads it */
    z->avail_in = n;
    g->at += n;
    g->left -= n;
    return n > 0;
}

/* All input has been taken. In order is what ends between two blocks, at a whole byte:
 * so says zlib's manual of data_type. */
static bool ends_well(const z_stream *z)
{
    return (z->data_type & 128) != 0 && (z->data_type & 7) == 0;
}

/* A block that says it is the last may be followed by others, which begin anew; a sender
 * that ends so has to put a 00 behind it (7.2.3.4). Some leave that out, and nothing else
 * can be meant. */
static bool is_all_taken(const inflating *g)
{
    return g->i->z.avail_in == 0 && g->left == 0 && !g->at_tail;
}

static fwi_inflate_result run(inflating *g)
{
    z_stream *z = &g->i->z;
    while (next_input(g)) {
        if (!make_room(g)) {
            return FWI_INFLATE_MEMORY;
        }
        uInt room = z->avail_out;
        int result = inflate(z, Z_SYNC_FLUSH);
        g->len += room - z->avail_out;
        if (g->len >= g->most) {
            return FWI_INFLATE_TOO_BIG;
        }
        if (result == Z_STREAM_END) {
            if (is_all_taken(g)) {
                return FWI_INFLATE_OK;
            }
            result = inflateReset(z);
        }
        if (result != Z_OK && result != Z_BUF_ERROR) {
            return result == Z_MEM_ERROR ? FWI_INFLATE_MEMORY : FWI_INFLATE_BROKEN;
        }
    }
    return ends_well(z) ? FWI_INFLATE_OK : FWI_INFLATE_BROKEN;
}

static void count(fwi_inflate_counts *counts, fwi_inflate_result result, size_t before,
                  size_t after)
{
    switch (result) {
    case FWI_INFLATE_OK:
        counts->messages++;
        counts->bytes_before += before;
        counts->bytes_after += after;
        break;
    case FWI_INFLATE_BROKEN:
        counts->broken++;
        break;
    case FWI_INFLATE_TOO_BIG:
        counts->too_big++;
        break;
    default:
        break;
    }
}

fwi_inflate_result fwi_inflate(fwi_inflater *i, const void *data, size_t len, size_t max,
                               const uint8_t **out, size_t *out_len)
{
    if (!prepare(i)) {
        return FWI_INFLATE_MEMORY;
    }
    if (i->cap > KEPT) { /* the last message was a large one */
        free(i->out);
        i->out = NULL;
        i->cap = 0;
    }
    i->z.avail_in = 0;
    inflating g = {.i = i, .at = data, .left = len, .most = max + 1};
    /* Of nothing comes nothing: 7.2.3.6 wants a 00 for it, but zlib writes none when it
     * is asked for a second flush. */
    fwi_inflate_result result = len > 0 ? run(&g) : FWI_INFLATE_OK;
    count(&i->counts, result, len, g.len);
    *out = i->out;
    *out_len = g.len;
    return result;
}

/* --- deflating --- */

struct fwi_deflater {
    z_stream z;
};

fwi_deflater *fwi_deflater_new(void)
{
    fwi_deflater *d = calloc(1, sizeof *d);
    if (d != NULL && deflateInit2(&d->z, LEVEL, Z_DEFLATED, WINDOW, MEMORY,
                                  Z_DEFAULT_STRATEGY) != Z_OK) {
        free(d);
        d = NULL;
    }
    return d;
}

void fwi_deflater_free(fwi_deflater *d)
{
    if (d != NULL) {
        deflateEnd(&d->z);
        free(d);
    }
}

size_t fwi_deflate(fwi_deflater *d, const void *data, size_t len, uint8_t *out,
                   size_t cap)
{
    z_stream *z = &d->z;
    if (len > UINT_MAX || cap > UINT_MAX || deflateReset(z) != Z_OK) {
        return 0; /* message.max_bytes is at most 1 GiB */
    }
    z->next_in = (Bytef *)(uintptr_t)data; /* it only reads it */
    z->avail_in = (uInt)len;
    z->next_out = out;
    z->avail_out = (uInt)cap;
    /* The flush is complete if it has left room: else its end may be missing. */
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in > 0 || z->avail_out == 0) {
        return 0;
    }
    return cap - z->avail_out - sizeof tail;
}
