/*
 * What tokens say: header and claims are the input's, parted by a byte FF, and signed
 * here as by a back end that makes mistakes, or one that is somebody else's. The first
 * byte says what the token is for.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "claims.h"
#include "unit/token_vectors.h"
#include "wire/base64.h"

enum { NOW_S = 1700000000 };

static void sign(fwi_buf *out, const fuzz_piece *header, const fuzz_piece *claims)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n;
    fwi_buf_init(out);
    MUST(fwi_base64url_put(out, header->data, header->len) && fwi_buf_puts(out, ".") &&
         fwi_base64url_put(out, claims->data, claims->len));
    HMAC(EVP_sha256(), secret, sizeof secret - 1, (const uint8_t *)out->data, out->len,
         mac, &n);
    MUST(fwi_buf_puts(out, ".") && fwi_base64url_put(out, mac, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fwi_keys *keys;
    char problem[FWI_KEYS_PROBLEM_MAX];
    if (keys == NULL) {
        keys = fwi_keys_new("https://example.org", "fanwire");
        MUST(keys != NULL && fwi_keys_add_secret(keys, secret, strlen(secret), problem));
    }
    fuzz_input in = {data, size};
    fwi_token_use use = fuzz_u8(&in) % 2 ? FWI_TOKEN_SUBSCRIBE : FWI_TOKEN_CONNECT;
    fuzz_piece header = fuzz_until(&in, 0xff), claims = fuzz_rest(&in);
    fwi_buf token;
    fwi_claims *held = NULL;
    const char *why = NULL;
    sign(&token, &header, &claims);
    fwi_token_result result =
        fwi_token_verify(keys, use, token.data, token.len, NOW_S, &held, &why);
    MUST((result == FWI_TOKEN_GOOD) == (held != NULL) && (why == NULL) == (held != NULL));
    if (held != NULL) {
        MUST((held->channel != NULL) == (use == FWI_TOKEN_SUBSCRIBE));
        fuzz_check_claims(held);
    }
    fwi_claims_free(held);
    fwi_buf_fini(&token);
    free(header.data);
    free(claims.data);
    return 0;
}
