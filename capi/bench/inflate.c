/*
 * zlib with a memory of what it has just inflated; see inflate.h.
 */
#include "inflate.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include "frame.h"

enum {
    KNOWN = 256,        /* messages that are known again: more than are on their way */
    KNOWN_BYTES = 16384 /* compressed; longer ones are inflated each time */
};

typedef struct known {
    size_t len, inflated;
    uint8_t start[FORM_MARK_END], bytes[KNOWN_BYTES];
} known;

struct inflater {
    z_stream z;
    size_t most;
    uint8_t *out;
    known known[KNOWN];
};

inflater *inflater_new(size_t most)
{
    inflater *i = calloc(1, sizeof *i);
    if (!i) {
        return NULL;
    }
    i->most = most + FORM_MARK_END;
    i->out = malloc(i->most);
    if (!i->out || inflateInit2(&i->z, -15) != Z_OK) {
        free(i->out);
        free(i);
        return NULL;
    }
    return i;
}

void inflater_free(inflater *i)
{
    if (i) {
        inflateEnd(&i->z);
        free(i->out);
        free(i);
    }
}

static bool put_in(inflater *i, const uint8_t *data, size_t len)
{
    i->z.next_in = data;
    i->z.avail_in = (uInt)len;
    int result = inflate(&i->z, Z_SYNC_FLUSH);
    return (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) &&
           i->z.avail_in == 0;
}

static size_t inflate_all(inflater *i, const uint8_t *data, size_t len)
{
    static const uint8_t tail[] = {0, 0, 0xff, 0xff}; /* RFC 7692 7.2.2 */
    inflateReset(&i->z);
    i->z.next_out = i->out;
    i->z.avail_out = (uInt)i->most;
    if (!put_in(i, data, len) || !put_in(i, tail, sizeof tail)) {
        return SIZE_MAX;
    }
    return i->most - i->z.avail_out;
}

static known *place_of(inflater *i, const uint8_t *data, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t at = 0; at < len && at < 96; at++) { /* the mark is in these */
        hash = (hash ^ data[at]) * 16777619u;
    }
    return &i->known[(hash ^ hash >> 16) % KNOWN];
}

size_t inflater_take(inflater *i, const uint8_t *data, size_t len, const uint8_t **start)
{
    *start = i->out;
    if (len == 0 || len > KNOWN_BYTES) {
        return inflate_all(i, data, len);
    }
    known *k = place_of(i, data, len);
    if (k->len != len || memcmp(k->bytes, data, len) != 0) {
        size_t inflated = inflate_all(i, data, len);
        if (inflated == SIZE_MAX) {
            return SIZE_MAX;
        }
        k->len = len;
        k->inflated = inflated;
        memcpy(k->bytes, data, len);
        memcpy(k->start, i->out, sizeof k->start);
    }
    *start = k->start;
    return k->inflated;
}
