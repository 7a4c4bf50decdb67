/*
 * Bytes that grow by doubling: see buf.h. Knows nothing of what is in them.
 *
 * @thread one at a time for one buffer
 */
#include "base/buf.h"

#include <inttypes.h>
#include <string.h>

void fwi_buf_init(fwi_buf *b)
{
    b->data = NULL;
    b->len = b->cap = 0;
}

void fwi_buf_fini(fwi_buf *b)
{
    free(b->data);
    fwi_buf_init(b);
}

bool fwi_buf_reserve(fwi_buf *b, size_t more)
{
    if (more <= b->cap - b->len) {
        return true;
    }
    if (more > SIZE_MAX / 2 - b->len) {
        return false;
    }
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->len + more) {
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool fwi_buf_append(fwi_buf *b, const void *data, size_t len)
{
    if (!fwi_buf_reserve(b, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
    return true;
}

bool fwi_buf_puts(fwi_buf *b, const char *s)
{
    return fwi_buf_append(b, s, strlen(s));
}

bool fwi_buf_vprintf(fwi_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0 || !fwi_buf_reserve(b, (size_t)n + 1)) {
        return false;
    }
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    b->len += (size_t)n;
    return true;
}

bool fwi_buf_printf(fwi_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool ok = fwi_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return ok;
}

bool fwi_buf_put_seconds(fwi_buf *b, uint64_t us)
{
    return fwi_buf_printf(b, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

void fwi_buf_consume(fwi_buf *b, size_t n)
{
    FWI_ASSERT(n <= b->len);
    b->len -= n;
    if (b->len > 0) {
        memmove(b->data, b->data + n, b->len);
    }
}

char *fwi_buf_text(fwi_buf *b)
{
    if (!fwi_buf_reserve(b, 1)) {
        return NULL;
    }
    b->data[b->len] = '\0';
    return b->data;
}
