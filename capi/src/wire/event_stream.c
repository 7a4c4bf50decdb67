/*
 * Events as text: see event_stream.h. Called by core's sessions that are streams of
 * events; knows none of them. @thread any
 */
#include "wire/event_stream.h"

#include <inttypes.h>
#include <string.h>

#include "base/hex.h"

/* FNV-1a with 32 bits: the same on all nodes and for ever, which no hash table's own
 * function promises. */
uint32_t fwi_es_room(const char *name)
{
    uint32_t n = 2166136261u;
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        n = (n ^ *p) * 16777619u;
    }
    return n;
}

bool fwi_es_begin_id(fwi_buf *out, size_t *from)
{
    bool ok = fwi_buf_puts(out, "id: ");
    *from = out->len;
    return ok;
}

bool fwi_es_put_position(fwi_buf *out, size_t from, const fwi_es_position *p)
{
    if (out->len - from > FWI_ES_ID_MAX - FWI_ES_POSITION_MAX) {
        return true;
    }
    return fwi_buf_printf(out, "%s%08" PRIx32 ":%016" PRIx64 "/%" PRIu64,
                          out->len > from ? "," : "", p->room, p->epoch, p->offset);
}

bool fwi_es_end_id(fwi_buf *out, size_t from)
{
    if (out->len == from) {
        out->len -= strlen("id: ");
        return true;
    }
    return fwi_buf_puts(out, "\n");
}

/* --- reading --- */

/* So many hexadecimal digits, exactly. */
static bool take_hex(const char **at, unsigned digits, uint64_t *n)
{
    *n = 0;
    for (; digits > 0; digits--, (*at)++) {
        int d = fwi_hex_digit(**at);
        if (d < 0) {
            return false;
        }
        *n = *n << 4 | (unsigned)d;
    }
    return true;
}

static bool take_decimal(const char **at, uint64_t *n)
{
    const char *first = *at;
    for (*n = 0; **at >= '0' && **at <= '9'; (*at)++) {
        unsigned d = (unsigned)(**at - '0');
        if (*n > (UINT64_MAX - d) / 10) {
            return false;
        }
        *n = *n * 10 + d;
    }
    return *at > first;
}

bool fwi_es_next(const char **text, fwi_es_position *p)
{
    const char *at = *text;
    uint64_t room;
    if (!take_hex(&at, 8, &room) || *at++ != ':' || !take_hex(&at, 16, &p->epoch) ||
        *at++ != '/' || !take_decimal(&at, &p->offset)) {
        return false;
    }
    if (*at == ',' && at[1] != '\0') {
        at++;
    } else if (*at != '\0') {
        return false;
    }
    p->room = (uint32_t)room;
    *text = at;
    return true;
}

/* --- what is said --- */

static size_t length_of_line(const char *at, size_t len)
{
    size_t n = 0;
    while (n < len && at[n] != '\n' && at[n] != '\r') {
        n++;
    }
    return n;
}

bool fwi_es_put_data(fwi_buf *out, const void *data, size_t len)
{
    const char *at = data, *end = at + len;
    bool ok = fwi_buf_reserve(out, len + sizeof "data: \n\n");
    for (bool more = true; ok && more;) {
        size_t n = length_of_line(at, (size_t)(end - at));
        ok = fwi_buf_puts(out, "data: ") && fwi_buf_append(out, at, n) &&
             fwi_buf_puts(out, "\n");
        at += n;
        more = at < end;
        if (more) {
            at += end - at > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 1;
        }
    }
    return ok && fwi_buf_puts(out, "\n");
}
