/*
 * Answers, and the parameters of a query. The door and the pages call it; pure.
 * @thread any
 */
#include "wire/http_request.h"

#include <http_parser.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

const char *fwi_http_reason(int status)
{
    switch (status) {
#define REASON(number, name, text)                                                       \
    case number:                                                                         \
        return #text;
        HTTP_STATUS_MAP(REASON)
#undef REASON
    default:
        return "Error";
    }
}

bool fwi_http_answer(fwi_buf *out, int status, const char *type, const void *body,
                     size_t len, bool close, const char *extra)
{
    size_t before = out->len;
    bool bodiless = status == 204 || status == 304 || status < 200; /* RFC 9110 6.4.1 */
    bool ok = fwi_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, fwi_http_reason(status));
    if (type && !bodiless) {
        ok = ok && fwi_buf_printf(out, "Content-Type: %s\r\n", type);
    }
    if (!bodiless) {
        ok = ok && fwi_buf_printf(out, "Content-Length: %zu\r\n", len);
    }
    ok = ok && fwi_buf_printf(out, "Connection: %s\r\n%s\r\n",
                              close ? "close" : "keep-alive", extra ? extra : "");
    if (!bodiless) {
        ok = ok && fwi_buf_append(out, body, len);
    }
    if (!ok) {
        out->len = before;
    }
    return ok;
}

/* The next character of a percent-encoded text; -1 if it is broken. */
static int next_char(const char **p, const char *end)
{
    char c = *(*p)++;
    if (c == '+') {
        return ' ';
    }
    if (c != '%') {
        return (unsigned char)c;
    }
    int high = end - *p >= 2 ? fwi_hex_digit((*p)[0]) : -1;
    int low = high >= 0 ? fwi_hex_digit((*p)[1]) : -1;
    *p += 2;
    return low >= 0 ? high << 4 | low : -1;
}

static bool name_is(const char *p, const char *end, const char *name)
{
    while (p < end) {
        if (next_char(&p, end) != (unsigned char)*name || *name++ == '\0') {
            return false;
        }
    }
    return *name == '\0';
}

static long decode_value(const char *p, const char *end, char *out, size_t cap)
{
    size_t n = 0;
    while (p < end) {
        int c = next_char(&p, end);
        if (c <= 0 || n + 1 >= cap) {
            return -2;
        }
        out[n++] = (char)c;
    }
    if (cap == 0 || !fwi_utf8_is_valid(out, n)) {
        return -2;
    }
    out[n] = '\0';
    return (long)n;
}

long fwi_http_query_get(const char *query, const char *name, size_t index, char *out,
                        size_t cap)
{
    for (const char *p = query; *p;) {
        const char *end = p + strcspn(p, "&");
        const char *equals = memchr(p, '=', (size_t)(end - p));
        if (name_is(p, equals ? equals : end, name) && index-- == 0) {
            return decode_value(equals ? equals + 1 : end, end, out, cap);
        }
        p = *end ? end + 1 : end;
    }
    return -1;
}
