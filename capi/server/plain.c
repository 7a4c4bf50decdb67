/*
 * See plain.h. Whatever is in a text, a line stays a line.
 */
#include "plain.h"

#include <string.h>

size_t fwd_plain_order(const char *text, size_t len)
{
    unsigned char c = (unsigned char)text[0];
    if (c < ' ' || c == 0x7f) {
        return 1;
    }
    /* U+0080-9F are C2 80 to C2 9F, and have a terminal's orders, too. */
    return c == 0xc2 && len > 1 && (unsigned char)text[1] < 0xa0 ? 2 : 0;
}

/* Of a character in UTF-8, or of what is left of one. */
static size_t character(const char *text, size_t len)
{
    size_t n = 1;
    while (n < len && ((unsigned char)text[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

void fwd_plain_copy(char *to, size_t cap, const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t order = fwd_plain_order(text + i, len - i);
        size_t take = order > 0 ? order : character(text + i, len - i);
        size_t put = order > 0 ? 1 : take;
        if (n + put >= cap) {
            break;
        }
        memcpy(to + n, order > 0 ? "?" : text + i, put);
        n += put;
        i += take;
    }
    to[n] = '\0';
}
