/*
 * Signing tokens, the other way round than token.h: for who has a secret or private key,
 * a back end or `fanwired token`. No hub does this. Pure. @thread any
 */
#ifndef FWI_WIRE_TOKEN_SIGN_H
#define FWI_WIRE_TOKEN_SIGN_H

#include "wire/token.h"

/* Puts a token behind out that says what claims (JSON, len bytes) does, and which
 * fwi_token_verify would take: claims with a channel are a subscription's. key: a secret,
 * signed with by HS256, or the PEM text of a private key, by RS256, ES256, ES384 or EdDSA
 * as it fits. kid: the key's name, NULL: none. GOOD, NO_MEMORY, or BAD with a problem. */
fwi_token_result fwi_token_sign(fwi_buf *out, const char *claims, size_t len,
                                const char *key, const char *kid,
                                char problem[FWI_KEYS_PROBLEM_MAX]);

#endif
