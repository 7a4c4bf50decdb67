/*
 * Tokens that are signed here are good here, and what no hub would take isn't signed.
 * That others take them is a test of fanwired's (tests/server/test_token.py).
 */
#include "token_rig.h"
#include "wire/token_sign.h"

static const struct {
    const char *name, *key;
    add_fn how;
    const char *public_key;
} kinds[] = {
    {"HS256", secret, fwi_keys_add_secret, secret},
    {"RS256", rsa_private_pem, fwi_keys_add_pem, rsa_pem},
    {"ES256", p256_private_pem, fwi_keys_add_pem, p256_pem},
    {"ES384", p384_private_pem, fwi_keys_add_pem, p384_pem},
    {"EdDSA", ed25519_private_pem, fwi_keys_add_pem, ed25519_pem},
};

START_TEST(what_is_signed_here_is_good_here)
{
    char problem[FWI_KEYS_PROBLEM_MAX], header[256];
    size_t n;
    fwi_keys *keys = keys_of(kinds[_i].how, kinds[_i].public_key);
    fwi_buf token;
    fwi_buf_init(&token);
    static const char claims_text[] = "{\"sub\":\"ann\",\"exp\":1700000600}";
    /* Often: signatures of ECDSA begin with a zero now and then. */
    for (int i = 0; i < (strcmp(kinds[_i].name, "ES256") == 0 ? 300 : 5); i++) {
        token.len = 0;
        ck_assert(fwi_buf_puts(&token, "before ")); /* it is put behind */
        ck_assert_msg(fwi_token_sign(&token, claims_text, strlen(claims_text),
                                     kinds[_i].key, i % 2 ? "my \"key\"" : NULL,
                                     problem) == FWI_TOKEN_GOOD,
                      "%s: %s", kinds[_i].name, problem);
        ck_assert_int_eq(strncmp(fwi_buf_text(&token), "before ", 7), 0);
        ck_assert_int_eq(verify(keys, token.data + 7), FWI_TOKEN_GOOD);
    }
    ck_assert(
        fwi_base64url_read(token.data + 7, strcspn(token.data + 7, "."), header, &n));
    header[n] = '\0';
    ck_assert(strstr(header, kinds[_i].name) != NULL);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    fwi_buf_fini(&token);
    fwi_keys_unref(keys);
}
END_TEST

static const struct {
    const char *claims, *key, *says;
} bad[] = {
    {"{\"sub\":7}", secret, "not a string"},
    {"{\"sub\":\"ann\"", secret, "not a JSON object"},
    {"{\"sub\":\"ann\",\"sub\":\"bob\"}", secret, "twice"},
    {"{\"channel\":\"\",\"client\":7}", secret, "can't be one"},
    {"{\"channel\":\"a\",\"channels\":7}", "short", "32 bytes or more"},
    {"{}", "short", "32 bytes or more"},
    {"{}", rsa_pem, "the private key can't be read"},
    {"{}", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
     "the private key can't be read"},
};

START_TEST(what_no_hub_would_take_is_not_signed)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_buf token;
    fwi_buf_init(&token);
    ck_assert(fwi_buf_puts(&token, "before"));
    ck_assert_msg(fwi_token_sign(&token, bad[_i].claims, strlen(bad[_i].claims),
                                 bad[_i].key, NULL, problem) == FWI_TOKEN_BAD,
                  "%s", bad[_i].claims);
    ck_assert_msg(strstr(problem, bad[_i].says) != NULL, "%s", problem);
    ck_assert_str_eq(fwi_buf_text(&token), "before");
    ck_assert_uint_eq(ERR_peek_error(), 0);
    fwi_buf_fini(&token);
}
END_TEST

/* It has ended already: its reader will say so. */
START_TEST(times_are_left_to_who_reads_them)
{
    static const char text[] = "{\"exp\":5,\"nbf\":1900000000}";
    char problem[FWI_KEYS_PROBLEM_MAX];
    fwi_buf token;
    fwi_buf_init(&token);
    ck_assert_int_eq(fwi_token_sign(&token, text, strlen(text), secret, NULL, problem),
                     FWI_TOKEN_GOOD);
    fwi_buf_fini(&token);
}
END_TEST

START_TEST(a_token_that_nobody_would_read_to_its_end_is_not_signed)
{
    char problem[FWI_KEYS_PROBLEM_MAX];
    char *text = malloc(FWI_TOKEN_MAX + 64);
    size_t n = (size_t)sprintf(text, "{\"x\":\"%*s\"}", FWI_TOKEN_MAX, "");
    fwi_buf token;
    fwi_buf_init(&token);
    ck_assert_int_eq(fwi_token_sign(&token, text, n, secret, NULL, problem),
                     FWI_TOKEN_BAD);
    ck_assert_str_eq(problem, "the token would be too long");
    ck_assert_uint_eq(token.len, 0);
    fwi_buf_fini(&token);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_sign");
    TCase *tc = tcase_create("token_sign");
    tcase_add_loop_test(tc, what_is_signed_here_is_good_here, 0, FWI_ARRAY_LEN(kinds));
    tcase_add_loop_test(tc, what_no_hub_would_take_is_not_signed, 0, FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, times_are_left_to_who_reads_them);
    tcase_add_test(tc, a_token_that_nobody_would_read_to_its_end_is_not_signed);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
