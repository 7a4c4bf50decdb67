/*
 * Chunked bodies (RFC 9112 7.1), strictly: sizes are hexadecimal digits, lines end with
 * CRLF. Extensions and trailers are allowed, bounded, and thrown away.
 *
 * Pure: bytes in, bytes of the body out. For wire/http_request. @thread any
 */
#ifndef FWI_WIRE_HTTP_CHUNKS_H
#define FWI_WIRE_HTTP_CHUNKS_H

#include "base/buf.h"

typedef struct fwi_http_chunks {
    unsigned state;  /* all zero: at the beginning */
    unsigned digits; /* of the size being read */
    unsigned extra;  /* bytes of this line's extension, or of all trailers */
    uint64_t left;   /* of the chunk */
} fwi_http_chunks;

typedef enum {
    FWI_CHUNKS_MORE,
    FWI_CHUNKS_DONE,    /* *used bytes belonged to it */
    FWI_CHUNKS_BAD,     /* why says so */
    FWI_CHUNKS_TOO_BIG, /* more than max bytes in body */
    FWI_CHUNKS_NO_MEMORY
} fwi_chunks_result;

/* Appends what is in the chunks to body. After anything but MORE no more should be fed.
 */
fwi_chunks_result fwi_http_chunks_feed(fwi_http_chunks *c, const char *data, size_t len,
                                       size_t max, fwi_buf *body, size_t *used,
                                       const char **why);

#endif
