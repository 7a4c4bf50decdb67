/*
 * Commands, formatted where they will be written from. See the header, and decision 0027.
 */
#include "backplane/redis_command.h"

#include <string.h>

enum { COUNT_MAX = 1 + 20 + 2 }; /* kind, digits of 64 bits, CR LF */

static char *put_count(char *p, char kind, size_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    *p++ = kind;
    while (i < sizeof digits) {
        *p++ = digits[i++];
    }
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

bool fwi_redis_command(fwi_buf *out, int argc, const char *const *argv,
                       const size_t *lens)
{
    size_t most = COUNT_MAX;
    for (int i = 0; i < argc; i++) {
        most += COUNT_MAX + lens[i] + 2;
    }
    if (!fwi_buf_reserve(out, most)) {
        return false;
    }
    char *p = put_count(out->data + out->len, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        p = put_count(p, '$', lens[i]);
        memcpy(p, argv[i], lens[i]);
        p += lens[i];
        *p++ = '\r';
        *p++ = '\n';
    }
    out->len = (size_t)(p - out->data);
    return true;
}
