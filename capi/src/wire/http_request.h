/*
 * The head of an HTTP/1.1 request, parsed by http-parser, with what that lets pass and we
 * don't (RFC 9112): a NUL or bare CR, two Host, two Content-Length, Transfer-Encoding
 * with Content-Length, blanks before the colon, obsolete folding.
 *
 * Pure: no I/O. Lives only until the handshake or answer is done.
 */
#ifndef FWI_WIRE_HTTP_REQUEST_H
#define FWI_WIRE_HTTP_REQUEST_H

#include "base/buf.h"

enum {
    FWI_HTTP_HEAD_MAX = 16384, /* bytes: 431; cookies of a large site fit */
    FWI_HTTP_HEADERS_MAX = 100 /* fields: 431 */
};

typedef struct fwi_http_request fwi_http_request;

fwi_http_request *fwi_http_request_new(void); /* NULL: out of memory */
void fwi_http_request_free(fwi_http_request *r);

typedef enum {
    FWI_HTTP_MORE, /* the request isn't complete */
    FWI_HTTP_HEAD, /* the head is, and a body follows: see FWI_HTTP_ASK */
    FWI_HTTP_DONE, /* it is; *used bytes belonged to it */
    FWI_HTTP_BAD   /* refuse with fwi_http_request_status() and _why() */
} fwi_http_result;

/* As body_max: the head is to be seen before it is said how large a body may be. */
#define FWI_HTTP_ASK SIZE_MAX

/* Feeds bytes of the request. With body_max > 0 it may have a body, whose length is known
 * or which comes in chunks (DONE is then said when it is complete;
 * fwi_http_request_body); with 0 a body is 413, or 411. With FWI_HTTP_ASK a head with a
 * body is HEAD, and then fwi_http_request_allow_body says what body_max would have. *used
 * never counts bytes that follow the request. After DONE or BAD no more should be fed. */
fwi_http_result fwi_http_request_feed(fwi_http_request *r, const void *data, size_t len,
                                      size_t body_max, size_t *used);

/* After HEAD. false: it is known to be larger, which is BAD with 413. */
bool fwi_http_request_allow_body(fwi_http_request *r, size_t body_max);

/* Does who sent the head wait for a "100 Continue" before the body (RFC 9110 10.1.1)? */
bool fwi_http_request_waits_for_100(const fwi_http_request *r);

/* After BAD: 400; 405 (CONNECT); 411 (a body in chunks where none may come); 413; 431;
 * 500 (out of memory); 501 (another coding than chunks); 505 (neither HTTP/1.0 nor 1.1).
 * why is a sentence, valid for ever. */
int fwi_http_request_status(const fwi_http_request *r);
const char *fwi_http_request_why(const fwi_http_request *r);

/* After HEAD or DONE; path begins with "/" (or is "*" of OPTIONS); HTTP/1.1 has one Host.
 * Strings are valid as long as r, NUL-terminated, never containing NUL. */
const char *fwi_http_request_method(const fwi_http_request *r); /* "GET" */
const char *fwi_http_request_path(const fwi_http_request *r);   /* "/ws", not decoded */
const char *fwi_http_request_query(const fwi_http_request *r);  /* "" if none, no "?" */
bool fwi_http_request_is_1_1(const fwi_http_request *r);        /* HTTP/1.1, not 1.0 */
bool fwi_http_request_keeps_alive(const fwi_http_request *r);

/* The value of a header (name in lower case), several joined by ", "; NULL if absent. */
const char *fwi_http_request_header(const fwi_http_request *r, const char *name);
size_t fwi_http_request_header_lines(const fwi_http_request *r, const char *name);

/* Is this token in a comma-separated header? Compared without case. */
bool fwi_http_request_has_token(const fwi_http_request *r, const char *name,
                                const char *token);

/* All headers: name (lower case), value, name, value ...; n pairs (same names joined). */
const char *const *fwi_http_request_headers(const fwi_http_request *r, size_t *n);

const char *fwi_http_request_body(const fwi_http_request *r, size_t *len);

/* Appends a whole answer: status line, Content-Length, Connection, `extra` (whole header
 * lines with CRLF, or NULL), body. type may be NULL if there is no body; with 204 and 304
 * none is written. false: out of memory. */
bool fwi_http_answer(fwi_buf *out, int status, const char *type, const void *body,
                     size_t len, bool close, const char *extra);

/* "Bad Request" ...; "Error" for an unknown one. */
const char *fwi_http_reason(int status);

/* The value'th parameter of this name in a query, percent-decoded ("+" is a blank), put
 * into out (NUL-terminated). Returns its length; -1 if absent, -2 if it doesn't fit, is
 * broken, holds a NUL, or is not UTF-8. */
long fwi_http_query_get(const char *query, const char *name, size_t index, char *out,
                        size_t cap);

#endif
