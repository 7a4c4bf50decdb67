/*
 * Port: requests that are no handshakes. The transport reads them off a connection, one
 * after another, and writes the answers; a service says what these are, at once or later.
 *
 * All on the thread of the connection's loop.
 */
#ifndef FWI_WIRE_HTTP_CALL_H
#define FWI_WIRE_HTTP_CALL_H

#include "wire/http_request.h"

typedef struct fwi_http_call fwi_http_call;

typedef struct fwi_http_reply {
    int status;
    const char *type; /* of the body; NULL: there is none */
    const void *body;
    size_t len;
    const char *extra; /* whole header lines with CRLF, or NULL */
} fwi_http_reply;

/* A request that waits for its answer. It belongs to the transport. */
struct fwi_http_call {
    const fwi_http_request *request; /* valid until the answer */
    void *state;                     /* the service's; NULL at first */
    /* Inside on_head, where sessions come in: the client's. Else NULL. */
    const char *address;
    /* Once, and then the call is no more. What reply points to is copied. */
    void (*answer)(fwi_http_call *call, const fwi_http_reply *reply);
};

/* What the transport has put an end to by itself. */
typedef enum {
    FWI_HTTP_TOO_MANY,  /* connections: 503 */
    FWI_HTTP_TOO_LARGE, /* a body: 413 */
    FWI_HTTP_TOO_SLOW   /* a request: 408 */
} fwi_http_limit;

typedef struct fwi_http_service {
    /* The head of a request whose body has not been read yet: how large may that be? 0:
     * there may be none. The call may also be answered here; then nothing more is read of
     * it, and the connection ends. */
    size_t (*on_head)(void *user, fwi_http_call *call);
    /* The request is complete. */
    void (*on_request)(void *user, fwi_http_call *call);
    /* The client has left before the answer: the call is no more. */
    void (*on_gone)(void *user, fwi_http_call *call);
    void (*on_limit)(void *user, fwi_http_limit which);
} fwi_http_service;

#endif
