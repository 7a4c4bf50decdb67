/*
 * The keys that tokens are verified with, and what else a token must say: one set, put
 * together from what the options name, then shared and never changed. Whoever reloads
 * makes another set.
 *
 * A key fits the algorithms of its own kind and no others, so that nobody can have a
 * public key taken for a secret: secrets HS256, HS384 and HS512, RSA keys RS256, RS384
 * and RS512, keys on P-256 ES256, on P-384 ES384, on Ed25519 EdDSA. A key of a JWKS that
 * names its "alg" fits that one alone.
 *
 * Pure: files are read by the caller. Adding is for one thread, before the set is shared.
 */
#ifndef FWI_WIRE_TOKEN_KEYS_H
#define FWI_WIRE_TOKEN_KEYS_H

#include "base/base.h"

typedef struct fwi_keys fwi_keys;

enum {
    FWI_KEYS_MAX = 64,           /* in a set: a wrong signature may be tried with each */
    FWI_KEYS_SECRET_MIN = 32,    /* bytes: RFC 7518 3.2, no shorter than the hash */
    FWI_KEYS_TEXT_MAX = 1 << 20, /* bytes of a PEM text or JWKS */
    FWI_KEYS_PROBLEM_MAX = 200
};

/* issuer, audience: what "iss" must be and "aud" must be or contain; copied; NULL or "":
 * not looked at. One reference; NULL: out of memory. */
fwi_keys *fwi_keys_new(const char *issuer, const char *audience);
fwi_keys *fwi_keys_ref(fwi_keys *keys); /* @thread any */
void fwi_keys_unref(fwi_keys *keys);    /* NULL is allowed. @thread any */

/* Adds what is fit to be used. false: `problem` says what is wrong, without showing a
 * byte of a key; the set is then only good for unref. All are copied. */
bool fwi_keys_add_secret(fwi_keys *keys, const char *secret, size_t len,
                         char problem[FWI_KEYS_PROBLEM_MAX]);
/* One or more PUBLIC KEY blocks; what stands between them is skipped. */
bool fwi_keys_add_pem(fwi_keys *keys, const char *text, size_t len,
                      char problem[FWI_KEYS_PROBLEM_MAX]);
/* RFC 7517. Keys of unknown kinds, and those that are not for signatures, are skipped as
 * it asks; symmetric ones are refused: a secret isn't kept among public keys. */
bool fwi_keys_add_jwks(fwi_keys *keys, const char *text, size_t len,
                       char problem[FWI_KEYS_PROBLEM_MAX]);

/* How many there are. */
size_t fwi_keys_count(const fwi_keys *keys);

#endif
