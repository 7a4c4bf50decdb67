/*
 * One key, and the algorithms that signatures of tokens are made by (RFC 7518, RFC 8037).
 * For token_keys.c and token_jwks.c, which make sets of them.
 *
 * Pure; OpenSSL does the arithmetic, and its queue of errors is left as it was: TLS on
 * the same thread looks at it.
 */
#ifndef FWI_WIRE_TOKEN_KEY_H
#define FWI_WIRE_TOKEN_KEY_H

#include <openssl/evp.h>

#include "wire/token_keys.h"

typedef enum {
    FWI_KEY_SECRET,
    FWI_KEY_RSA,
    FWI_KEY_P256,
    FWI_KEY_P384,
    FWI_KEY_ED25519
} fwi_key_kind;

typedef enum {
    FWI_ALG_UNKNOWN, /* "none" is one of these */
    FWI_ALG_HS256,
    FWI_ALG_HS384,
    FWI_ALG_HS512,
    FWI_ALG_RS256,
    FWI_ALG_RS384,
    FWI_ALG_RS512,
    FWI_ALG_ES256,
    FWI_ALG_ES384,
    FWI_ALG_EDDSA,
    FWI_ALG_COUNT
} fwi_token_alg;

typedef struct fwi_key {
    fwi_key_kind kind;
    fwi_token_alg alg; /* the only one it is for; UNKNOWN: all of its kind */
    char *kid;         /* its name; NULL: it has none */
    EVP_PKEY *pkey;    /* NULL of a secret */
    uint8_t *secret;
    size_t secret_len;
} fwi_key;

/* What was signed, and its signature. */
typedef struct fwi_token_signed {
    fwi_token_alg alg;
    const char *kid; /* NULL: it names no key */
    const char *text;
    size_t len;
    const uint8_t *signature;
    size_t signature_len;
} fwi_token_signed;

/* The name as it stands in a header, "RS256" for FWI_ALG_RS256. */
const char *fwi_token_alg_name(fwi_token_alg alg);

/* A public key of one of the kinds, and strong enough? pkey is taken. false: problem. */
bool fwi_key_of_pkey(fwi_key *key, EVP_PKEY *pkey, char problem[FWI_KEYS_PROBLEM_MAX]);
void fwi_key_fini(fwi_key *key);

bool fwi_key_fits(const fwi_key *key, fwi_token_alg alg);

/* Was it signed with this key, which fits its algorithm? */
bool fwi_key_has_signed(const fwi_key *key, const fwi_token_signed *s);

/* Puts the key into the set; key is taken. false: problem. */
bool fwi_keys_add(fwi_keys *keys, fwi_key *key, char problem[FWI_KEYS_PROBLEM_MAX]);

/* Has one of the set's keys signed it? NULL, or why not: a sentence, valid for ever. */
const char *fwi_keys_check(const fwi_keys *keys, const fwi_token_signed *s);

/* What the set was made with; NULL: not to be looked at. */
const char *fwi_keys_issuer(const fwi_keys *keys);
const char *fwi_keys_audience(const fwi_keys *keys);

#endif
