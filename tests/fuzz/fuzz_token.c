/*
 * Tokens as clients show them, to a set that has a key of each kind. Nobody can make one
 * here but who has the corpus, so this is about everything that stands before the
 * signature; what a good one says is fuzz_claims.c's.
 */
#include <openssl/err.h>

#include "fuzz.h"
#include "unit/token_vectors.h"
#include "wire/token.h"

enum { NOW_S = 1700000000 };

static fwi_keys *all_keys(void)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    MUST(keys != NULL);
    MUST(fwi_keys_add_secret(keys, secret, strlen(secret), problem));
    MUST(fwi_keys_add_jwks(keys, jwks, strlen(jwks), problem));
    MUST(fwi_keys_add_pem(keys, rsa_second_pem, strlen(rsa_second_pem), problem));
    MUST(fwi_keys_add_pem(keys, p384_pem, strlen(p384_pem), problem));
    return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fwi_keys *keys;
    if (keys == NULL) {
        keys = all_keys();
    }
    char *token = (char *)fuzz_bytes(data, size);
    for (int use = FWI_TOKEN_CONNECT; use <= FWI_TOKEN_SUBSCRIBE; use++) {
        fwi_claims *claims = NULL;
        const char *why = NULL;
        fwi_token_result result =
            fwi_token_verify(keys, (fwi_token_use)use, token, size, NOW_S, &claims, &why);
        MUST((claims != NULL) == (result == FWI_TOKEN_GOOD));
        MUST((why == NULL) == (result == FWI_TOKEN_GOOD));
        MUST(ERR_peek_error() == 0); /* TLS on the same thread looks at it */
        fwi_claims_free(claims);
    }
    free(token);
    return 0;
}
