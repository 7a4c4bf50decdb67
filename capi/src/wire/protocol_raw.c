/*
 * JSON of raw.format=json: written by hand, since it is a few fields around bytes that
 * must be escaped in one pass. Read by nobody here: what clients send is plain.
 * @thread any
 */
#include "wire/protocol_raw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool put_string(fwi_buf *out, const void *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *in = text;
    bool ok = fwi_buf_reserve(out, len + 2) && fwi_buf_append(out, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; ok && i < len; i++) {
        uint8_t c = in[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        size_t n = 6;
        if (c == '"' || c == '\\' || c == '\n') {
            escape[1] = c == '\n' ? 'n' : (char)c;
            n = 2;
        }
        ok = fwi_buf_append(out, in + from, i - from) && fwi_buf_append(out, escape, n);
        from = i + 1;
    }
    return ok && fwi_buf_append(out, in + from, len - from) &&
           fwi_buf_append(out, "\"", 1);
}

static bool put_base64(fwi_buf *out, const uint8_t *in, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!fwi_buf_reserve(out, len / 3 * 4 + 6)) {
        return false;
    }
    out->data[out->len++] = '"';
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        v |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        out->data[out->len++] = digits[v >> 18];
        out->data[out->len++] = digits[v >> 12 & 63];
        out->data[out->len++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
        out->data[out->len++] = i + 2 < len ? digits[v & 63] : '=';
    }
    out->data[out->len++] = '"';
    return true;
}

static bool put_field(fwi_buf *out, const char *name, const char *value)
{
    if (value[0] == '\0') {
        return true;
    }
    return fwi_buf_puts(out, out->data[out->len - 1] == '{' ? "\"" : ",\"") &&
           fwi_buf_puts(out, name) && fwi_buf_puts(out, "\":") &&
           put_string(out, value, strlen(value));
}

/* "epoch":E,"offset":O */
static bool put_position(fwi_buf *out, uint64_t epoch, uint64_t offset)
{
    char text[80];
    snprintf(text, sizeof text, "\"epoch\":\"%016" PRIx64 "\",\"offset\":%" PRIu64, epoch,
             offset);
    return fwi_buf_puts(out, text);
}

bool fwi_raw_encode_message(const fwi_raw_said *m, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", m->room) &&
           put_field(out, "user", m->user) && put_field(out, "session", m->session) &&
           put_field(out, "node", m->node) &&
           fwi_buf_puts(out, out->data[out->len - 1] == '{' ? "" : ",") &&
           (m->epoch == 0 ||
            (put_position(out, m->epoch, m->offset) && fwi_buf_puts(out, ","))) &&
           fwi_buf_puts(out, m->text ? "\"data\":" : "\"data64\":") &&
           (m->text ? put_string(out, m->data, m->len)
                    : put_base64(out, m->data, m->len)) &&
           fwi_buf_puts(out, "}");
}

bool fwi_raw_encode_news(const fwi_raw_who *who, bool join, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", who->room) &&
           fwi_buf_puts(out, join ? ",\"join\":{" : ",\"leave\":{") &&
           put_field(out, "user", who->user) && put_field(out, "session", who->session) &&
           put_field(out, "node", who->node) && fwi_buf_puts(out, "}}");
}

bool fwi_raw_encode_joined(const fwi_raw_entry *e, fwi_buf *out)
{
    return fwi_buf_puts(out, "{\"joined\":") &&
           put_string(out, e->room, strlen(e->room)) &&
           (e->epoch == 0 ||
            (fwi_buf_puts(out, ",") && put_position(out, e->epoch, e->offset) &&
             fwi_buf_puts(out, e->recovered ? ",\"recovered\":true"
                                            : ",\"recovered\":false"))) &&
           fwi_buf_puts(out, "}");
}

bool fwi_raw_encode_reset(const char *room, uint64_t epoch, uint64_t offset, fwi_buf *out)
{
    return fwi_buf_puts(out, "{") && put_field(out, "room", room) &&
           fwi_buf_puts(out, ",\"reset\":{") && put_position(out, epoch, offset) &&
           fwi_buf_puts(out, "}}");
}
