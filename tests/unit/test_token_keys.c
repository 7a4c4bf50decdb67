/*
 * What keys are taken, and what is said of those that aren't.
 */
#include "token_rig.h"

static const char private_text[] = "-----BEGIN PRIVATE KEY-----\nMC4C\n"
                                   "-----END PRIVATE KEY-----\n";

static const struct {
    add_fn how;
    const char *text;
    const char *says; /* NULL: taken */
} texts[] = {
    {fwi_keys_add_secret, secret, NULL},
    {fwi_keys_add_secret, "0123456789abcdef0123456789abcdef", NULL},
    {fwi_keys_add_secret, "0123456789abcdef0123456789abcde", "of 31 bytes: 32 or more"},
    {fwi_keys_add_secret, "", "of 0 bytes"},
    {fwi_keys_add_pem, p256_pem, NULL},
    {fwi_keys_add_pem, weak_pem, "an RSA key of 1024 bits"},
    {fwi_keys_add_pem, p521_pem, "RSA, P-256, P-384 or Ed25519"},
    {fwi_keys_add_pem, rsa_private_pem, "a private key"},
    {fwi_keys_add_pem, private_text, "a private key"},
    {fwi_keys_add_pem, "", "no PUBLIC KEY"},
    {fwi_keys_add_pem, "ssh-rsa AAAA", "no PUBLIC KEY"},
    {fwi_keys_add_pem, "-----BEGIN PUBLIC KEY-----\n", "no PEM"},
    {fwi_keys_add_pem, "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
     "no PEM"},
    {fwi_keys_add_pem, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
     "can't be read"},
    {fwi_keys_add_pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
     "CERTIFICATE where a PUBLIC KEY should be"},
    {fwi_keys_add_jwks, jwks, NULL},
    {fwi_keys_add_jwks, "", "not JSON, at byte 0"},
    {fwi_keys_add_jwks, "{\"keys\":[", "not JSON, at byte 9"},
    {fwi_keys_add_jwks, "[]", "no JWKS"},
    {fwi_keys_add_jwks, "{}", "no JWKS"},
    {fwi_keys_add_jwks, "{\"keys\":{}}", "no JWKS"},
    {fwi_keys_add_jwks, "{\"keys\":[]}", "none of its 0 keys"},
    {fwi_keys_add_jwks, "{\"keys\":[7]}", "key 1: not an object"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"new\"},{\"kty\":\"EC\",\"crv\":\"new\"}]}",
     "none of its 2 keys"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"new\"},{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
     "key 2: a secret among public keys"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"RSA\"}]}", "key 1: it can't be read"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
     "key 1: an RSA key of 17 bits"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAA\",\"e\":\"AQAB\"}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQ\"}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ=B\",\"e\":7}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks, /* not on the curve */
     "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\","
     "\"y\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
     "key 1: it can't be read"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\","
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "key 1: \"alg\" is for another kind of key"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":5,"
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "key 1: \"kid\" is no text"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\","
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "none of its 1 keys"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"sign\"],"
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "none of its 1 keys"},
    {fwi_keys_add_jwks,
     "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"new\","
     "\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
     "none of its 1 keys"},
};

START_TEST(a_key_that_can_t_be_used_is_refused_in_a_sentence)
{
    char problem[FWI_KEYS_PROBLEM_MAX] = "";
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    ck_assert_ptr_nonnull(keys);
    const char *text = texts[_i].text, *says = texts[_i].says;
    bool taken = texts[_i].how(keys, text, strlen(text), problem);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_msg(taken == (says == NULL), "%s: %s", text, problem);
    ck_assert_msg(taken || strstr(problem, says) != NULL, "%s: %s", text, problem);
    ck_assert(strlen(text) < 16 || strstr(problem, text) == NULL);
    fwi_keys_unref(keys);
}
END_TEST

START_TEST(a_pem_text_may_have_several_keys_and_words_between_them)
{
    char text[4096];
    snprintf(text, sizeof text, "of the login service\n%sthe one before:\n%s%s", rsa_pem,
             rsa_second_pem, ed25519_pem);
    fwi_keys *keys = keys_of(fwi_keys_add_pem, text);
    ck_assert_uint_eq(fwi_keys_count(keys), 3);
    ck_assert_int_eq(verify(keys, rs256), FWI_TOKEN_GOOD);
    ck_assert_int_eq(verify(keys, rs256_second), FWI_TOKEN_GOOD);
    ck_assert_int_eq(verify(keys, eddsa), FWI_TOKEN_GOOD);
    fwi_keys_unref(keys);

    snprintf(text, sizeof text, "%s-----BEGIN PUBLIC KEY-----\nMIIB", rsa_pem);
    char problem[FWI_KEYS_PROBLEM_MAX];
    keys = fwi_keys_new(NULL, NULL);
    ck_assert_ptr_nonnull(keys);
    ck_assert(!fwi_keys_add_pem(keys, text, strlen(text), problem));
    fwi_keys_unref(keys);
}
END_TEST

START_TEST(a_set_has_at_most_64_keys)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_keys *keys = fwi_keys_new(NULL, NULL);
    ck_assert_ptr_nonnull(keys);
    for (int i = 0; i < FWI_KEYS_MAX; i++) {
        add(keys, fwi_keys_add_secret, other_secret);
    }
    ck_assert(!fwi_keys_add_secret(keys, secret, strlen(secret), problem));
    ck_assert_str_eq(problem, "more than 64 keys in all");
    ck_assert(!fwi_keys_add_jwks(keys, jwks, strlen(jwks), problem));
    ck_assert(!fwi_keys_add_pem(keys, rsa_pem, strlen(rsa_pem), problem));
    ck_assert_int_eq(verify(keys, hs256), FWI_TOKEN_BAD);
    ck_assert_int_eq(verify(keys, hs256_other), FWI_TOKEN_GOOD);
    fwi_keys_unref(keys);
}
END_TEST

START_TEST(a_text_of_more_than_a_mebibyte_is_refused)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    char *text = calloc(1, FWI_KEYS_TEXT_MAX + 1);
    static const add_fn ways[] = {fwi_keys_add_secret, fwi_keys_add_pem,
                                  fwi_keys_add_jwks};
    for (size_t i = 0; i < FWI_ARRAY_LEN(ways); i++) {
        fwi_keys *keys = fwi_keys_new("", "");
        ck_assert(!ways[i](keys, text, FWI_KEYS_TEXT_MAX + 1, problem));
        fwi_keys_unref(keys);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_keys");
    TCase *tc = tcase_create("token_keys");
    tcase_add_loop_test(tc, a_key_that_can_t_be_used_is_refused_in_a_sentence, 0,
                        FWI_ARRAY_LEN(texts));
    tcase_add_test(tc, a_pem_text_may_have_several_keys_and_words_between_them);
    tcase_add_test(tc, a_set_has_at_most_64_keys);
    tcase_add_test(tc, a_text_of_more_than_a_mebibyte_is_refused);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
