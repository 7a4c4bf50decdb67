/*
 * What the tests of tokens share: sets of keys, verifying, and tokens whose header and
 * claims the test writes itself, signed with the secret.
 */
#ifndef TESTS_UNIT_TOKEN_RIG_H
#define TESTS_UNIT_TOKEN_RIG_H

#include <check.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <string.h>

#include "token_vectors.h"
#include "wire/base64.h"
#include "wire/token.h"

enum { NOW_S = 1700000000 };

typedef bool (*add_fn)(fwi_keys *keys, const char *text, size_t len,
                       char problem[FWI_KEYS_PROBLEM_MAX]);

static inline void add(fwi_keys *keys, add_fn how, const char *text)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    ck_assert_msg(how(keys, text, strlen(text), problem), "%s", problem);
}

static inline fwi_keys *keys_of(add_fn how, const char *text)
{
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    ck_assert_ptr_nonnull(keys);
    add(keys, how, text);
    return keys;
}

/* And OpenSSL's queue of errors is left empty. */
static inline fwi_token_result verify_bytes(const fwi_keys *keys, fwi_token_use use,
                                            const char *token, size_t len,
                                            fwi_claims **claims, const char **why)
{
    *claims = NULL;
    fwi_token_result result = fwi_token_verify(keys, use, token, len, NOW_S, claims, why);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert((*claims != NULL) == (result == FWI_TOKEN_GOOD));
    ck_assert((*why == NULL) == (result == FWI_TOKEN_GOOD));
    return result;
}

static inline fwi_token_result verify(const fwi_keys *keys, const char *token)
{
    fwi_claims *claims;
    const char *why;
    fwi_token_result result =
        verify_bytes(keys, FWI_TOKEN_CONNECT, token, strlen(token), &claims, &why);
    fwi_claims_free(claims);
    return result;
}

/* header "." claims "." signature into out. */
static inline void sign_bytes(fwi_buf *out, const char *header, const void *claims,
                              size_t len)
{
    uint8_t mac[32];
    unsigned n;
    fwi_buf_init(out);
    ck_assert(fwi_base64url_put(out, header, strlen(header)));
    ck_assert(fwi_buf_puts(out, "."));
    ck_assert(fwi_base64url_put(out, claims, len));
    HMAC(EVP_sha256(), secret, sizeof secret - 1, (const uint8_t *)out->data, out->len,
         mac, &n);
    ck_assert(fwi_buf_puts(out, "."));
    ck_assert(fwi_base64url_put(out, mac, n));
    ck_assert_ptr_nonnull(fwi_buf_text(out));
}

static inline void sign(fwi_buf *out, const char *claims)
{
    sign_bytes(out, "{\"alg\":\"HS256\"}", claims, strlen(claims));
}

#endif
