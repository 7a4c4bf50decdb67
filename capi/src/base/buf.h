/*
 * Bytes that grow. Owned by one thread. `data` may be NULL while `cap` is 0.
 */
#ifndef FWI_BASE_BUF_H
#define FWI_BASE_BUF_H

#include <stdarg.h>

#include "base/base.h"

typedef struct fwi_buf {
    char *data;
    size_t len, cap;
} fwi_buf;

void fwi_buf_init(fwi_buf *b);
void fwi_buf_fini(fwi_buf *b);

/* Room for `more` bytes behind `len`; false: out of memory, nothing changed. */
bool fwi_buf_reserve(fwi_buf *b, size_t more);
bool fwi_buf_append(fwi_buf *b, const void *data, size_t len);
bool fwi_buf_puts(fwi_buf *b, const char *s);
bool fwi_buf_printf(fwi_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool fwi_buf_vprintf(fwi_buf *b, const char *fmt, va_list ap);

/* Microseconds as seconds: 1.000250. Of two integers, since printf puts the comma of the
 * application's locale into a fraction. */
bool fwi_buf_put_seconds(fwi_buf *b, uint64_t us);

/* Drops the first `n` bytes. */
void fwi_buf_consume(fwi_buf *b, size_t n);

/* Puts a NUL behind the last byte (not counted in len); NULL if out of memory. */
char *fwi_buf_text(fwi_buf *b);

#endif
