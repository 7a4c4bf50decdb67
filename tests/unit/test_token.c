/*
 * Which tokens are good: by keys and signatures of another implementation, and what
 * somebody without the key may try.
 */
#include "token_rig.h"

static const struct {
    const char *name, *token;
    add_fn how;
    const char *key;
} good[] = {
    {"HS256", hs256, fwi_keys_add_secret, secret},
    {"HS384", hs384, fwi_keys_add_secret, secret},
    {"HS512", hs512, fwi_keys_add_secret, secret},
    {"RS256", rs256, fwi_keys_add_pem, rsa_pem},
    {"RS384", rs384, fwi_keys_add_pem, rsa_pem},
    {"RS512", rs512, fwi_keys_add_pem, rsa_pem},
    {"ES256", es256, fwi_keys_add_pem, p256_pem},
    {"ES384", es384, fwi_keys_add_pem, p384_pem},
    {"EdDSA", eddsa, fwi_keys_add_pem, ed25519_pem},
    {"RS256 by JWKS", rs256, fwi_keys_add_jwks, jwks},
    {"RS256 by JWKS and kid", rs256_kid, fwi_keys_add_jwks, jwks},
    {"RS256 by the second key", rs256_second, fwi_keys_add_jwks, jwks},
    {"RS384 by JWKS", rs384, fwi_keys_add_jwks, jwks},
    {"ES256 by JWKS", es256, fwi_keys_add_jwks, jwks},
    {"ES384 by JWKS", es384, fwi_keys_add_jwks, jwks},
    {"EdDSA by JWKS", eddsa, fwi_keys_add_jwks, jwks},
    {"a kid that nobody has, and a key without name", rs256_unknown_kid, fwi_keys_add_pem,
     rsa_pem},
};

START_TEST(a_token_of_another_implementation_is_good)
{
    fwi_claims *claims;
    const char *why;
    fwi_keys *keys = keys_of(good[_i].how, good[_i].key);
    fwi_token_result result = verify_bytes(keys, FWI_TOKEN_CONNECT, good[_i].token,
                                           strlen(good[_i].token), &claims, &why);
    ck_assert_msg(result == FWI_TOKEN_GOOD, "%s: %s", good[_i].name, why);
    ck_assert_str_eq(claims->user, "ann");
    ck_assert_int_eq(claims->expires_s, 1700000600);
    ck_assert_uint_eq(claims->info.len, strlen("{\"name\":\"Ann\"}"));
    fwi_claims_free(claims);
    fwi_keys_unref(keys);
}
END_TEST

/* Base64url has one way to write it, so each character counts. */
START_TEST(whatever_is_changed_makes_it_bad)
{
    char token[1024];
    size_t len = strlen(good[_i].token);
    fwi_keys *keys = keys_of(good[_i].how, good[_i].key);
    memcpy(token, good[_i].token, len + 1);
    /* Few places of the slow ones; all kinds of places. */
    for (size_t i = 0; i < len; i += 1 + (size_t)_i % 7) {
        char before = token[i];
        token[i] = before == 'A' ? 'B' : 'A';
        ck_assert_msg(verify(keys, token) == FWI_TOKEN_BAD, "%s: %zu", good[_i].name, i);
        token[i] = before;
    }
    for (size_t n = 0; n < len; n += 1 + (size_t)_i % 7) {
        fwi_claims *claims;
        const char *why;
        ck_assert_msg(verify_bytes(keys, FWI_TOKEN_CONNECT, token, n, &claims, &why) ==
                          FWI_TOKEN_BAD,
                      "%s: %zu", good[_i].name, n);
    }
    ck_assert_int_eq(verify(keys, token), FWI_TOKEN_GOOD);
    fwi_keys_unref(keys);
}
END_TEST

static const struct {
    const char *name, *token;
    add_fn how;
    const char *key;
} bad[] = {
    {"another secret", hs256, fwi_keys_add_secret, other_secret},
    {"another RSA key", rs256, fwi_keys_add_pem, rsa_second_pem},
    {"a public key taken for a secret", hs256_by_public_key, fwi_keys_add_pem, rsa_pem},
    {"HS256 where there are public keys", hs256, fwi_keys_add_jwks, jwks},
    {"RS256 where there is a secret", rs256, fwi_keys_add_secret, secret},
    {"ES256 where there is P-384", es256, fwi_keys_add_pem, p384_pem},
    {"EdDSA where there is RSA", eddsa, fwi_keys_add_pem, rsa_pem},
    {"the kid of another key of the set", rs256_wrong_kid, fwi_keys_add_jwks, jwks},
    {"a kid that no key of the set has", rs256_unknown_kid, fwi_keys_add_jwks, jwks},
    {"RS512 by a key that is for RS256", rs512_second, fwi_keys_add_jwks, jwks},
};

START_TEST(a_key_fits_its_own_algorithms_and_tokens)
{
    fwi_keys *keys = keys_of(bad[_i].how, bad[_i].key);
    ck_assert_msg(verify(keys, bad[_i].token) == FWI_TOKEN_BAD, "%s", bad[_i].name);
    fwi_keys_unref(keys);
}
END_TEST

START_TEST(several_keys_serve_at_a_time_so_that_they_can_be_exchanged)
{
    fwi_keys *keys = keys_of(fwi_keys_add_secret, other_secret);
    add(keys, fwi_keys_add_secret, secret);
    add(keys, fwi_keys_add_pem, rsa_pem);
    add(keys, fwi_keys_add_jwks, jwks);
    ck_assert_uint_eq(fwi_keys_count(keys), 8);
    const char *const all[] = {hs256, hs256_other, rs256, rs256_second, es256, eddsa};
    for (size_t i = 0; i < FWI_ARRAY_LEN(all); i++) {
        ck_assert_int_eq(verify(keys, all[i]), FWI_TOKEN_GOOD);
    }
    /* A kid that names no key can still be of one that has no name. */
    ck_assert_int_eq(verify(keys, rs256_unknown_kid), FWI_TOKEN_GOOD);
    ck_assert_int_eq(verify(keys, rs256_wrong_kid), FWI_TOKEN_BAD);
    fwi_keys_unref(keys);
}
END_TEST

/* Signed with the right secret, but for those that have no good signature. */
static const struct {
    const char *header;
    const char *says; /* NULL: good */
} headers[] = {
    {"{\"alg\":\"HS256\"}", NULL},
    {"{\"typ\":\"anything\",\"alg\":\"HS256\",\"more\":[1,{}]}", NULL},
    {" {\"alg\" : \"HS256\", \"kid\": null} ", NULL},
    {"{\"\\u0061lg\":\"\\u0048S256\"}", NULL},
    {"{\"alg\":\"HS256\",\"kid\":\"a name\"}", NULL},
    {"{\"alg\":\"none\"}", "algorithm"},
    {"{\"alg\":\"None\"}", "algorithm"},
    {"{\"alg\":\"hs256\"}", "algorithm"},
    {"{\"alg\":\"HS256 \"}", "algorithm"},
    {"{\"alg\":\"\"}", "algorithm"},
    {"{\"alg\":null}", "algorithm"},
    {"{\"alg\":256}", "algorithm"},
    {"{\"alg\":[\"HS256\"]}", "algorithm"},
    {"{\"typ\":\"JWT\"}", "algorithm"},
    {"{\"alg\":\"RS256\"}", "not known here"},
    {"{\"alg\":\"HS384\"}", "signature is wrong"},
    {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "twice"},
    {"{\"alg\":\"none\",\"alg\":\"HS256\"}", "twice"},
    {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "not known here"},
    {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "not known here"},
    {"{\"alg\":\"HS256\",\"kid\":7}", "kid"},
    {"{\"alg\":\"HS256\",\"kid\":\"a\\u0000b\"}", "kid"},
    {"[\"HS256\"]", "not a JSON object"},
    {"\"HS256\"", "not a JSON object"},
    {"{\"alg\":\"HS256\"", "not a JSON object"},
    {"{\"alg\":\"HS256\"}}", "not a JSON object"},
    {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", "not a JSON object"},
    {"x", "not a JSON object"},
};

START_TEST(a_header_says_once_and_clearly_how_it_was_signed)
{
    fwi_buf token;
    fwi_claims *claims;
    const char *why;
    fwi_keys *keys = keys_of(fwi_keys_add_secret, secret);
    sign_bytes(&token, headers[_i].header, "{}", 2);
    fwi_token_result result =
        verify_bytes(keys, FWI_TOKEN_CONNECT, token.data, token.len, &claims, &why);
    const char *says = headers[_i].says;
    if (says == NULL) {
        ck_assert_msg(result == FWI_TOKEN_GOOD, "%s: %s", headers[_i].header, why);
    } else {
        ck_assert_msg(result == FWI_TOKEN_BAD && strstr(why, says) != NULL, "%s: %s",
                      headers[_i].header, why != NULL ? why : "good");
    }
    fwi_claims_free(claims);
    fwi_buf_fini(&token);
    fwi_keys_unref(keys);
}
END_TEST

/* The parts of a good token, put together wrongly. */
static const char *const shapes[] = {
    "",       ".",        "..",       "...",      "H",        "H.P",     "H.P.",
    ".P.S",   "H..S",     "H.P.S.",   ".H.P.S",   "H.P.S.S",  "H.P.S.H", "P.H.S",
    "H.H.S",  "H.P.P",    " H.P.S",   "H.P.S ",   "H.P.S\n",  "H.P.S=",  "H=.P.S",
    "H.P=.S", "H. P.S",   "H.P\n.S",  "H.P.SA",   "H.PA.S",   "HA.P.S",  "H.P.SAAA",
    "H,P,S",  "\xff.P.S", "H.\xff.S", "H.P.\xff", "H.P.+/+/", "H.P.S+",
};

START_TEST(a_token_has_three_parts_and_nothing_around_them)
{
    char token[4096];
    size_t n = 0;
    fwi_keys *keys = keys_of(fwi_keys_add_secret, secret);
    const char *payload = strchr(hs256, '.') + 1, *signature = strrchr(hs256, '.') + 1;
    for (const char *p = shapes[_i]; *p != '\0'; p++) {
        const char *part = *p == 'H' ? hs256 : *p == 'P' ? payload : signature;
        bool named = *p == 'H' || *p == 'P' || *p == 'S';
        n += named ? (size_t)snprintf(token + n, sizeof token - n, "%.*s",
                                      (int)strcspn(part, "."), part)
                   : (size_t)snprintf(token + n, sizeof token - n, "%c", *p);
    }
    token[n] = '\0';
    ck_assert_msg(verify(keys, token) == FWI_TOKEN_BAD, "%s", shapes[_i]);
    fwi_keys_unref(keys);
}
END_TEST

/* A signature of a length that the algorithm doesn't have never gets to OpenSSL. */
START_TEST(a_signature_has_the_length_of_its_algorithm)
{
    static const size_t lengths[] = {0, 1, 63, 65, 64, 70, 96, 255, 256, 257, 2048, 2049};
    static const uint8_t zeros[2049];
    const char *const tokens[] = {es256, es384, eddsa, rs256};
    fwi_keys *keys = keys_of(fwi_keys_add_jwks, jwks);
    for (size_t t = 0; t < FWI_ARRAY_LEN(tokens); t++) {
        fwi_buf token;
        fwi_buf_init(&token);
        size_t signed_len = (size_t)(strrchr(tokens[t], '.') + 1 - tokens[t]);
        ck_assert(fwi_buf_append(&token, tokens[t], signed_len));
        ck_assert(fwi_base64url_put(&token, zeros, lengths[_i]));
        ck_assert_int_eq(verify(keys, fwi_buf_text(&token)), FWI_TOKEN_BAD);
        fwi_buf_fini(&token);
    }
    fwi_keys_unref(keys);
}
END_TEST

START_TEST(what_is_too_long_is_refused_before_it_is_read)
{
    fwi_keys *keys = keys_of(fwi_keys_add_secret, secret);
    fwi_claims *claims;
    const char *why;
    char *claims_text = malloc(FWI_TOKEN_MAX);
    size_t n =
        (size_t)sprintf(claims_text, "{\"x\":\"%*s\"}", FWI_TOKEN_MAX * 3 / 4 - 120, "");
    fwi_buf token;
    sign_bytes(&token, "{\"alg\":\"HS256\"}", claims_text, n);
    ck_assert_uint_lt(token.len, FWI_TOKEN_MAX);
    ck_assert_int_eq(verify(keys, token.data), FWI_TOKEN_GOOD);
    fwi_buf_fini(&token);

    n = (size_t)sprintf(claims_text, "{\"x\":\"%*s\"}", FWI_TOKEN_MAX * 3 / 4 - 50, "");
    sign_bytes(&token, "{\"alg\":\"HS256\"}", claims_text, n);
    ck_assert_uint_gt(token.len, FWI_TOKEN_MAX);
    ck_assert_int_eq(
        verify_bytes(keys, FWI_TOKEN_CONNECT, token.data, token.len, &claims, &why),
        FWI_TOKEN_BAD);
    ck_assert_str_eq(why, "the token is too long");
    fwi_buf_fini(&token);

    sprintf(claims_text, "{\"alg\":\"HS256\",\"x\":\"%*s\"}", FWI_TOKEN_HEADER_MAX, "");
    sign_bytes(&token, claims_text, "{}", 2);
    ck_assert_int_eq(
        verify_bytes(keys, FWI_TOKEN_CONNECT, token.data, token.len, &claims, &why),
        FWI_TOKEN_BAD);
    ck_assert_str_eq(why, "the token's header is too long");
    fwi_buf_fini(&token);
    free(claims_text);
    fwi_keys_unref(keys);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token");
    TCase *tc = tcase_create("token");
    tcase_add_loop_test(tc, a_token_of_another_implementation_is_good, 0,
                        FWI_ARRAY_LEN(good));
    tcase_add_loop_test(tc, whatever_is_changed_makes_it_bad, 0, FWI_ARRAY_LEN(good));
    tcase_add_loop_test(tc, a_key_fits_its_own_algorithms_and_tokens, 0,
                        FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, several_keys_serve_at_a_time_so_that_they_can_be_exchanged);
    tcase_add_loop_test(tc, a_header_says_once_and_clearly_how_it_was_signed, 0,
                        FWI_ARRAY_LEN(headers));
    tcase_add_loop_test(tc, a_token_has_three_parts_and_nothing_around_them, 0,
                        FWI_ARRAY_LEN(shapes));
    tcase_add_loop_test(tc, a_signature_has_the_length_of_its_algorithm, 0, 12);
    tcase_add_test(tc, what_is_too_long_is_refused_before_it_is_read);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
