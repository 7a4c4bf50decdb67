/*
 * The answer to a request while it is put together: a status, a type, a body that grows.
 * Called by whoever answers. @thread loop
 */
#ifndef FWI_HTTP_PAGE_H
#define FWI_HTTP_PAGE_H

#include "base/buf.h"
#include "wire/http_call.h"

typedef struct fwi_page {
    int status;
    const char *type, *extra; /* borrowed; extra: whole header lines with CRLF, or NULL */
    fwi_buf body;
} fwi_page;

extern const char fwi_page_text[], fwi_page_json[];

/* Answers the call with it, and frees the body. ok: is the body what it should be? If it
 * isn't, for want of memory, the answer is 500. */
void fwi_page_send(fwi_page *p, fwi_http_call *call, bool ok);

#endif
