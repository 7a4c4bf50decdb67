/*
 * See json_out.h.
 */
#include "json_out.h"

#include <stdint.h>

/* What is no control character stays as it is. */
void fwd_put_string(FILE *out, const char *text, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < ' ') {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

void fwd_put_field(FILE *out, bool first, const char *name, const char *text, size_t len)
{
    fprintf(out, "%s\"%s\":", first ? "{" : ",", name);
    fwd_put_string(out, text, len);
}

void fwd_put_base64(FILE *out, const void *bytes, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    fputc('"', out);
    for (size_t i = 0; i < len; i += 3) {
        unsigned v = (unsigned)in[i] << 16;
        v |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        fputc(digits[v >> 18], out);
        fputc(digits[v >> 12 & 63], out);
        fputc(i + 1 < len ? digits[v >> 6 & 63] : '=', out);
        fputc(i + 2 < len ? digits[v & 63] : '=', out);
    }
    fputc('"', out);
}
