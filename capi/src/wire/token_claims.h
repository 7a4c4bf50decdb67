/*
 * What a token says, once its signature is known to be good: JSON becomes fwi_claims. For
 * token.c. Pure.
 */
#ifndef FWI_WIRE_TOKEN_CLAIMS_H
#define FWI_WIRE_TOKEN_CLAIMS_H

#include "base/buf.h"
#include "wire/token.h"

/* What is claimed, and what it is made of. */
typedef struct fwi_claims_held {
    fwi_claims claims; /* the first member: they are the same to the caller */
    fwi_buf payload;   /* the token's second part, decoded */
    fwi_buf texts;     /* its strings, decoded, each with a NUL; it never moves */
    /* When and where it holds. */
    fwi_json iss, aud;
    int64_t exp_s, nbf_s;
} fwi_claims_held;

/* held->payload has been filled in, the rest is zero; now everything else is filled in.
 * GOOD, BAD or NO_MEMORY; in any case fwi_claims_free is due. */
fwi_token_result fwi_claims_read(fwi_claims_held *held, fwi_token_use use,
                                 const char **why);

/* The same for the result of an answer (wire/answer.h), which has the claims of a
 * connection and those of a subscription, its user by the name "user", and no time but
 * expire_at. Sentences speak of "the token" all the same. */
fwi_token_result fwi_claims_read_result(fwi_claims_held *held, const char **why);

/* Does it hold here and now? issuer, audience: NULL is not looked at. GOOD, BAD or
 * EXPIRED. */
fwi_token_result fwi_claims_check(const fwi_claims_held *held, const char *issuer,
                                  const char *audience, int64_t now_s, const char **why);

#endif
