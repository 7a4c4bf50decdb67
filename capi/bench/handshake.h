/*
 * The opening handshake of a client (RFC 6455 4.1): the request's text, and what the
 * answer says. Text in, text out.
 */
#ifndef BENCH_HANDSHAKE_H
#define BENCH_HANDSHAKE_H

#include <stdint.h>

#include "target.h"

enum { HANDSHAKE_SIZE = 4096 }; /* bytes of a request or an answer */

typedef struct handshake {
    const char *const *headers; /* "Name: value" each */
    unsigned n_headers;
    bool deflate; /* offer permessage-deflate */
} handshake;

/* The request's length; 0 if it needs more than `size`. */
size_t handshake_request(const handshake *h, const target *t, const target_names *names,
                         char *out, size_t size);

typedef struct handshake_result {
    bool deflate;        /* what comes may be compressed */
    const char *refusal; /* of an answer that is no good: its line, or why */
    int refusal_len;
} handshake_result;

/* The length of the answer's head; 0 if it isn't all there, SIZE_MAX if it is a refusal.
 */
size_t handshake_answer(const handshake *h, const uint8_t *p, size_t len,
                        handshake_result *result);

#endif
