/*
 * See http_chunks.h. One state a byte, but for what is inside a chunk, which is taken in
 * one piece.
 */
#include "wire/http_chunks.h"

#include "base/hex.h"

enum {
    SIZE,      /* digits */
    EXTENSION, /* behind them, up to the end of the line */
    SIZE_LF,
    DATA,
    DATA_CR, /* what ends a chunk */
    DATA_LF,
    LINE, /* the first byte of a trailer, or of the end */
    TRAILER,
    TRAILER_LF,
    END_LF
};

enum {
    DIGITS_MAX = 15,      /* fits 64 bits, and no chunk is as large */
    EXTENSION_MAX = 256,  /* bytes of a line; nobody is known to send any */
    TRAILERS_MAX = 16384, /* as a head */
};

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static fwi_chunks_result bad(const char **why, const char *text)
{
    *why = text;
    return FWI_CHUNKS_BAD;
}

static fwi_chunks_result on_size(fwi_http_chunks *c, char b, const char **why)
{
    int digit = fwi_hex_digit(b);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->digits <= DIGITS_MAX ? FWI_CHUNKS_MORE
                                         : bad(why, "the size of a chunk is too long");
    }
    if (c->digits == 0) {
        return bad(why, "a chunk without a size");
    }
    if (b != '\r' && b != ';' && b != ' ' && b != '\t') {
        return bad(why, "the size of a chunk is no hexadecimal number");
    }
    c->extra = 0;
    c->state = b == '\r' ? SIZE_LF : EXTENSION;
    return FWI_CHUNKS_MORE;
}

/* A byte of a line that is thrown away. */
static fwi_chunks_result on_extra(fwi_http_chunks *c, char b, unsigned max,
                                  unsigned at_end, const char **why)
{
    if (b == '\r') {
        c->state = at_end;
        return FWI_CHUNKS_MORE;
    }
    if (is_control(b)) {
        return bad(why, "a control character between chunks");
    }
    return ++c->extra <= max ? FWI_CHUNKS_MORE
                             : bad(why, "too much that isn't the body between chunks");
}

static fwi_chunks_result on_line_feed(fwi_http_chunks *c, char b, const char **why)
{
    if (b != '\n') {
        return bad(why, "a carriage return without a line feed");
    }
    switch (c->state) {
    case SIZE_LF:
        c->state = c->left > 0 ? DATA : LINE;
        c->extra = 0;
        return FWI_CHUNKS_MORE;
    case DATA_LF:
        c->state = SIZE;
        c->digits = 0;
        return FWI_CHUNKS_MORE;
    case TRAILER_LF:
        c->state = LINE;
        return FWI_CHUNKS_MORE;
    default:
        return FWI_CHUNKS_DONE;
    }
}

static fwi_chunks_result on_byte(fwi_http_chunks *c, char b, const char **why)
{
    switch (c->state) {
    case SIZE:
        return on_size(c, b, why);
    case EXTENSION:
        return on_extra(c, b, EXTENSION_MAX, SIZE_LF, why);
    case DATA_CR:
        c->state = DATA_LF;
        return b == '\r' ? FWI_CHUNKS_MORE : bad(why, "a chunk longer than its size");
    case LINE:
        if (b == '\r') {
            c->state = END_LF;
            return FWI_CHUNKS_MORE;
        }
        c->state = TRAILER;
        return on_extra(c, b, TRAILERS_MAX, TRAILER_LF, why);
    case TRAILER:
        return on_extra(c, b, TRAILERS_MAX, TRAILER_LF, why);
    default:
        return on_line_feed(c, b, why);
    }
}

static fwi_chunks_result take_data(fwi_http_chunks *c, const char *data, size_t len,
                                   fwi_buf *body, size_t *n)
{
    *n = (size_t)FWI_MIN(c->left, (uint64_t)len);
    if (!fwi_buf_append(body, data, *n)) {
        return FWI_CHUNKS_NO_MEMORY;
    }
    c->left -= *n;
    c->state = c->left > 0 ? DATA : DATA_CR;
    return FWI_CHUNKS_MORE;
}

fwi_chunks_result fwi_http_chunks_feed(fwi_http_chunks *c, const char *data, size_t len,
                                       size_t max, fwi_buf *body, size_t *used,
                                       const char **why)
{
    fwi_chunks_result result = FWI_CHUNKS_MORE;
    size_t at = 0;
    while (at < len && result == FWI_CHUNKS_MORE) {
        size_t n = 1;
        result = c->state == DATA ? take_data(c, data + at, len - at, body, &n)
                                  : on_byte(c, data[at], why);
        at += n;
        if (result == FWI_CHUNKS_MORE && c->state == DATA && c->left > max - body->len) {
            result = FWI_CHUNKS_TOO_BIG;
        }
    }
    *used = at;
    return result;
}
