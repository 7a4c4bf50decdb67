/*
 * JSON, written: strings, bytes, and values that pass through. What has fields is put
 * together by whoever knows them.
 */
#include "wire/json.h"

#include "wire/base64.h"

bool fwi_json_put_string(fwi_buf *out, const void *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *in = len > 0 ? text : (const uint8_t *)""; /* NULL may be none */
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
            escape[1] = (char)(c == '\n' ? 'n' : c);
            n = 2;
        }
        ok = fwi_buf_append(out, in + from, i - from) && fwi_buf_append(out, escape, n);
        from = i + 1;
    }
    return ok && fwi_buf_append(out, in + from, len - from) &&
           fwi_buf_append(out, "\"", 1);
}

bool fwi_json_put_base64(fwi_buf *out, const void *bytes, size_t len)
{
    return fwi_buf_append(out, "\"", 1) && fwi_base64_put(out, bytes, len) &&
           fwi_buf_append(out, "\"", 1);
}

bool fwi_json_put_line(fwi_buf *out, const fwi_json *value)
{
    if (value->len == 0) {
        return true;
    }
    const char *from = value->at, *end = from + value->len;
    for (const char *p = from; p < end; p++) {
        if (*p == '\n' || *p == '\r') {
            if (!fwi_buf_append(out, from, (size_t)(p - from))) {
                return false;
            }
            from = p + 1;
        }
    }
    return fwi_buf_append(out, from, (size_t)(end - from));
}
