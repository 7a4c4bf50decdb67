/*
 * What an application answers to a question, as JSON: one object with a "result", an
 * "error" or a "disconnect". It is what back ends say to the HTTP proxy of Centrifugo, so
 * that those which are written for that can be asked from here.
 *
 *   {"result":{"user":"ann","expire_at":1893456000,"channels":["news"],"data":{}}}
 *   {"error":{"code":1000,"message":"not today","temporary":true}}
 *   {"disconnect":{"code":4001,"reason":"banned"}}
 *
 * Of several the first of disconnect, error, result counts. What isn't known is passed
 * over. Pure. @thread any
 */
#ifndef FWI_WIRE_ANSWER_H
#define FWI_WIRE_ANSWER_H

#include "wire/token.h"

typedef enum {
    FWI_ANSWER_RESULT,
    FWI_ANSWER_ERROR,
    FWI_ANSWER_DISCONNECT
} fwi_answer_kind;

enum {
    FWI_ANSWER_REASON_MAX = 255,
    FWI_ANSWER_CLOSE_REASON_MAX = 123, /* RFC 6455 5.5: what a Close frame has room for */
    FWI_ANSWER_WHY = 160
};

typedef struct fwi_answer {
    fwi_answer_kind kind;
    unsigned code;      /* of an error, 100..1999; of a disconnect, 3000..4999 */
    bool temporary;     /* of an error: the client may try again */
    bool expired;       /* of a result */
    fwi_claims *claims; /* of a result: what it says; NULL of the others, or once taken */
    char reason[FWI_ANSWER_REASON_MAX + 1]; /* of an error or a disconnect, one line */
} fwi_answer;

/* GOOD: *answer is the caller's. Else it is untouched, and why is a sentence. */
fwi_token_result fwi_answer_read(const void *text, size_t len, fwi_answer **answer,
                                 char why[FWI_ANSWER_WHY]);

void fwi_answer_free(fwi_answer *answer); /* NULL is allowed */

#endif
