/*
 * Tokens: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, as back ends give
 * them to their users. Verified with a set of keys at a time that the caller says; what
 * they claim becomes a struct.
 *
 * A connection's token says who a client is, a subscription's which channel it may
 * subscribe to. One is never taken for the other.
 *
 * Pure. @thread any
 */
#ifndef FWI_WIRE_TOKEN_H
#define FWI_WIRE_TOKEN_H

#include "wire/json.h"
#include "wire/token_keys.h"

enum {
    FWI_TOKEN_MAX = 65536,       /* bytes of a token */
    FWI_TOKEN_HEADER_MAX = 2048, /* of its first part: read before anything is known */
    FWI_TOKEN_SUBS_MAX = 1024    /* channels of a connection's token */
};

/* For what a token is shown. */
typedef enum { FWI_TOKEN_CONNECT, FWI_TOKEN_SUBSCRIBE } fwi_token_use;

typedef enum {
    FWI_TOKEN_GOOD,
    FWI_TOKEN_EXPIRED, /* good but for its "exp": the client should get another */
    FWI_TOKEN_BAD,
    FWI_TOKEN_NO_MEMORY
} fwi_token_result;

/* Options of a room that a token sets for its holder: bits of fwi_token_override. */
enum {
    FWI_TOKEN_PRESENCE = 1,
    FWI_TOKEN_JOIN_LEAVE = 2,
    FWI_TOKEN_RECOVERY = 4,    /* "force_recovery" */
    FWI_TOKEN_POSITIONING = 8, /* "force_positioning" */
    FWI_TOKEN_PUSH_JOIN_LEAVE = 16
};

typedef struct fwi_token_override {
    unsigned given; /* which of them are said */
    unsigned on;    /* of those given: which are on */
} fwi_token_override;

/* A channel that a connection's token subscribes its holder to. */
typedef struct fwi_token_sub {
    const char *channel; /* a good name */
    fwi_json info, data;
    fwi_token_override override;
} fwi_token_sub;

/* What a token doesn't say is a JSON value of no kind, FWI_JSON_NONE. "b64info" and
 * "b64data" have become info and data: what is in them is JSON, too. */
typedef struct fwi_claims {
    const char *user;    /* "sub": a good name; "": nobody's */
    const char *channel; /* a subscription's, a good name; else NULL */
    const char *client;  /* a subscription's: the only client it is for; NULL: any */
    int64_t expires_s; /* the connection or subscription itself: "expire_at", or "exp" if
                        * that isn't there. Seconds since 1970; 0: never */
    fwi_json info;
    fwi_json meta;               /* a connection's */
    fwi_json data;               /* a subscription's */
    fwi_token_override override; /* a subscription's */
    fwi_token_sub *subs; /* a connection's "channels" and "subs", each channel once */
    size_t n_subs;
} fwi_claims;

/* now_s: seconds since 1970. GOOD: *claims is the caller's, all in it is valid until
 * fwi_claims_free. Else it is untouched, and *why is a sentence, valid for ever, without
 * any of the token's words. */
fwi_token_result fwi_token_verify(const fwi_keys *keys, fwi_token_use use,
                                  const char *token, size_t len, int64_t now_s,
                                  fwi_claims **claims, const char **why);

void fwi_claims_free(fwi_claims *claims); /* NULL is allowed */

#endif
