/*
 * What tokens may claim, what becomes of it, and when they hold.
 */
#include <openssl/bio.h>

#include "token_rig.h"

static fwi_keys *keys;

static void setup(void)
{
    keys = keys_of(fwi_keys_add_secret, secret);
}

static void teardown(void)
{
    fwi_keys_unref(keys);
}

static fwi_token_result claim(fwi_token_use use, const char *text, fwi_claims **claims,
                              const char **why)
{
    fwi_buf token;
    sign(&token, text);
    fwi_token_result result = verify_bytes(keys, use, token.data, token.len, claims, why);
    fwi_buf_fini(&token);
    return result;
}

static fwi_claims *good(fwi_token_use use, const char *text)
{
    fwi_claims *claims;
    const char *why;
    ck_assert_msg(claim(use, text, &claims, &why) == FWI_TOKEN_GOOD, "%s: %s", text, why);
    return claims;
}

static void assert_json(const fwi_json *value, const char *want)
{
    if (want == NULL) {
        ck_assert_int_eq(value->kind, FWI_JSON_NONE);
        return;
    }
    ck_assert_uint_eq(value->len, strlen(want));
    ck_assert_mem_eq(value->at, want, value->len);
}

START_TEST(a_connection_is_a_user_s_until_a_time_with_info_and_meta)
{
    fwi_claims *c =
        good(FWI_TOKEN_CONNECT,
             "{\"sub\":\"\\u00e4nn \\\"1\\\"\",\"exp\":1700000001.9,"
             "\"info\": {\"a\" : [1]},\"meta\":7,\"iat\":\"odd\",\"jti\":[]}");
    ck_assert_str_eq(c->user, "\xc3\xa4nn \"1\"");
    ck_assert_int_eq(c->expires_s, 1700000001);
    assert_json(&c->info, "{\"a\" : [1]}");
    assert_json(&c->meta, "7");
    assert_json(&c->data, NULL);
    ck_assert_ptr_null(c->channel);
    ck_assert_ptr_null(c->client);
    ck_assert_uint_eq(c->n_subs, 0);
    fwi_claims_free(c);
}
END_TEST

START_TEST(what_is_absent_or_null_is_nobody_s_and_for_ever)
{
    static const char *const texts[] = {
        "{}", "{\"sub\":\"\"}",
        ("{\"sub\":null,\"exp\":null,\"info\":null,\"b64info\":null,\"meta\":null,"
         "\"channels\":null,\"subs\":null,\"channel\":null,\"expire_at\":null}"),
        "{\"sub\":\"\",\"channel\":\"\",\"b64info\":\"\",\"channels\":[],\"subs\":{}}"};
    fwi_claims *c = good(FWI_TOKEN_CONNECT, texts[_i]);
    ck_assert_str_eq(c->user, "");
    ck_assert_int_eq(c->expires_s, 0);
    assert_json(&c->info, NULL);
    assert_json(&c->meta, NULL);
    ck_assert_uint_eq(c->n_subs, 0);
    fwi_claims_free(c);
}
END_TEST

START_TEST(expire_at_says_when_a_connection_ends_and_exp_when_its_token_does)
{
    static const struct {
        const char *text;
        int64_t expires_s;
    } cases[] = {{"{\"exp\":1700000001,\"expire_at\":1800000000}", 1800000000},
                 {"{\"exp\":1700000001,\"expire_at\":0}", 0},
                 {"{\"expire_at\":1700000005}", 1700000005},
                 {"{\"exp\":1700000001}", 1700000001}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        fwi_claims *c = good(FWI_TOKEN_CONNECT, cases[i].text);
        ck_assert_int_eq(c->expires_s, cases[i].expires_s);
        fwi_claims_free(c);
    }
}
END_TEST

START_TEST(channels_and_subs_of_a_connection_are_one_list)
{
    fwi_claims *c =
        good(FWI_TOKEN_CONNECT,
             "{\"sub\":\"ann\",\"channels\":[\"a\",\"b\",\"a\"],\"subs\":{\"b\":{"
             "\"info\":{\"x\":1},"
             "\"b64data\":\"WzEsMl0=\",\"override\":{\"presence\":{\"value\":true},"
             "\"force_recovery\":{\"value\":false},\"other\":{\"value\":true},"
             "\"join_leave\":null}},\"c\":null}}");
    ck_assert_uint_eq(c->n_subs, 3);
    ck_assert_str_eq(c->subs[0].channel, "a");
    assert_json(&c->subs[0].info, NULL);
    ck_assert_uint_eq(c->subs[0].override.given, 0);
    ck_assert_str_eq(c->subs[1].channel, "b");
    assert_json(&c->subs[1].info, "{\"x\":1}");
    assert_json(&c->subs[1].data, "[1,2]");
    ck_assert_uint_eq(c->subs[1].override.given, FWI_TOKEN_PRESENCE | FWI_TOKEN_RECOVERY);
    ck_assert_uint_eq(c->subs[1].override.on, FWI_TOKEN_PRESENCE);
    ck_assert_str_eq(c->subs[2].channel, "c");
    fwi_claims_free(c);
}
END_TEST

START_TEST(a_subscription_is_for_one_channel_and_perhaps_one_client)
{
    fwi_claims *c = good(FWI_TOKEN_SUBSCRIBE,
                         "{\"sub\":\"ann\",\"channel\":\"$a:b\",\"client\":\"c-1\","
                         "\"exp\":1700000009,\"info\":1,\"b64info\":\"eyJhIjoxfQ==\","
                         "\"data\":\"d\",\"override\":{\"force_positioning\":"
                         "{\"value\":true},\"force_push_join_leave\":{\"value\":true}}}");
    ck_assert_str_eq(c->user, "ann");
    ck_assert_str_eq(c->channel, "$a:b");
    ck_assert_str_eq(c->client, "c-1");
    ck_assert_int_eq(c->expires_s, 1700000009);
    assert_json(&c->info, "{\"a\":1}");
    assert_json(&c->data, "\"d\"");
    ck_assert_uint_eq(c->override.given,
                      FWI_TOKEN_POSITIONING | FWI_TOKEN_PUSH_JOIN_LEAVE);
    ck_assert_uint_eq(c->override.on, c->override.given);
    fwi_claims_free(c);
    c = good(FWI_TOKEN_SUBSCRIBE, "{\"channel\":\"a\",\"client\":\"\"}");
    ck_assert_str_eq(c->user, "");
    ck_assert_ptr_null(c->client);
    fwi_claims_free(c);
}
END_TEST

#define C FWI_TOKEN_CONNECT
#define S FWI_TOKEN_SUBSCRIBE

static const struct {
    fwi_token_use use;
    const char *text, *says;
} bad[] = {
    {C, "", "three parts"},
    {C, "x", "not a JSON object"},
    {C, "[]", "not a JSON object"},
    {C, "null", "not a JSON object"},
    {C, "{\"sub\":\"ann\"", "not a JSON object"},
    {C, "{\"sub\":\"ann\"} x", "not a JSON object"},
    {C, "{\"sub\":\"\xff\"}", "not a JSON object"},
    {C, "{\"sub\":\"a\nb\"}", "not a JSON object"},
    {C, "{\"sub\":\"ann\",\"sub\":\"bob\"}", "twice"},
    {C, "{\"sub\":\"ann\",\"\\u0073ub\":null}", "twice"},
    {C, "{\"exp\":1800000000,\"exp\":1900000000}", "twice"},
    {C, "{\"subs\":{\"a\":{\"info\":1,\"info\":2}}}", "twice"},
    {C, "{\"sub\":42}", "not a string"},
    {C, "{\"sub\":[\"ann\"]}", "not a string"},
    {C, "{\"sub\":\"a\\u0000b\"}", "user's name"},
    {C, "{\"sub\":\"a\\nb\"}", "user's name"},
    {C, "{\"exp\":\"1800000000\"}", "exp is not a time"},
    {C, "{\"exp\":1e300}", "exp is not a time"},
    {C, "{\"exp\":99999999999999999999}", "exp is not a time"},
    {C, "{\"exp\":true}", "exp is not a time"},
    {C, "{\"nbf\":\"now\"}", "nbf is not a time"},
    {C, "{\"nbf\":1700000001}", "not valid yet"},
    {C, "{\"nbf\":1700000001,\"exp\":1600000000}", "not valid yet"},
    {C, "{\"expire_at\":-1}", "expire_at is not a time"},
    {C, "{\"expire_at\":\"x\"}", "expire_at is not a time"},
    {C, "{\"sub\":\"ann\",\"channel\":\"a\"}", "a subscription's token"},
    {C, "{\"sub\":\"ann\",\"channel\":7}", "a subscription's token"},
    {C, "{\"b64info\":\"e30\"}", "not JSON in base64"},
    {C, "{\"b64info\":\"eyI=\"}", "not JSON in base64"},
    {C, "{\"b64info\":\"e-0=\"}", "not JSON in base64"},
    {C, "{\"b64info\":1}", "not a string"},
    {C, "{\"channels\":\"a\"}", "not a list"},
    {C, "{\"channels\":{\"a\":{}}}", "not a list"},
    {C, "{\"channels\":[1]}", "can't be one"},
    {C, "{\"channels\":[\"\"]}", "can't be one"},
    {C, "{\"channels\":[\"a\\tb\"]}", "can't be one"},
    {C, "{\"subs\":[\"a\"]}", "not an object"},
    {C, "{\"subs\":{\"a\":1}}", "not all objects"},
    {C, "{\"subs\":{\"\":{}}}", "can't be one"},
    {C, "{\"subs\":{\"a\":{\"override\":[]}}}", "override"},
    {S, "{\"sub\":\"ann\"}", "names no channel"},
    {S, "{\"sub\":\"ann\",\"channel\":null}", "names no channel"},
    {S, "{\"sub\":\"ann\",\"channel\":\"\"}", "can't be one"},
    {S, "{\"sub\":\"ann\",\"channel\":[\"a\"]}", "can't be one"},
    {S, "{\"channel\":\"a\",\"channel\":\"b\"}", "twice"},
    {S, "{\"channel\":\"a\",\"client\":7}", "client"},
    {S, "{\"channel\":\"a\",\"client\":\"x\\u0000y\"}", "client"},
    {S, "{\"channel\":\"a\",\"override\":1}", "override"},
    {S, "{\"channel\":\"a\",\"b64data\":\"****\"}", "not JSON in base64"},
};

START_TEST(what_can_t_be_claimed_is_said_in_a_sentence)
{
    fwi_claims *claims;
    const char *why;
    fwi_token_result result = claim(bad[_i].use, bad[_i].text, &claims, &why);
    fwi_claims_free(claims);
    ck_assert_msg(result == FWI_TOKEN_BAD, "%s", bad[_i].text);
    ck_assert_msg(strstr(why, bad[_i].says) != NULL, "%s: %s", bad[_i].text, why);
}
END_TEST

START_TEST(a_token_holds_up_to_the_second_before_it_expires)
{
    static const struct {
        const char *text;
        fwi_token_result want;
    } cases[] = {{"{\"exp\":1700000001}", FWI_TOKEN_GOOD},
                 {"{\"exp\":1700000000}", FWI_TOKEN_EXPIRED},
                 {"{\"exp\":1700000000.9}", FWI_TOKEN_EXPIRED},
                 {"{\"exp\":0}", FWI_TOKEN_EXPIRED},
                 {"{\"exp\":-5}", FWI_TOKEN_EXPIRED},
                 {"{\"exp\":1600000000,\"expire_at\":1800000000}", FWI_TOKEN_EXPIRED},
                 {"{\"nbf\":1700000000}", FWI_TOKEN_GOOD},
                 /* What else is wrong won't be right in another token. */
                 {"{\"exp\":1600000000,\"sub\":7}", FWI_TOKEN_BAD}};
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        fwi_claims *claims;
        const char *why;
        fwi_token_result result = claim(C, cases[i].text, &claims, &why);
        fwi_claims_free(claims);
        ck_assert_msg(result == cases[i].want, "%s", cases[i].text);
    }
}
END_TEST

START_TEST(issuer_and_audience_are_exact_where_they_are_asked_for)
{
    static const struct {
        const char *text;
        fwi_token_result want;
    } cases[] = {
        {"{\"iss\":\"https://i\",\"aud\":\"chat\"}", FWI_TOKEN_GOOD},
        {"{\"iss\":\"https://i\",\"aud\":[\"shop\",\"chat\"]}", FWI_TOKEN_GOOD},
        {"{\"iss\":\"https:\\/\\/i\",\"aud\":\"ch\\u0061t\"}", FWI_TOKEN_GOOD},
        {"{\"iss\":\"https://i\",\"aud\":\"chat\",\"exp\":5}", FWI_TOKEN_EXPIRED},
        {"{\"iss\":\"https://i\"}", FWI_TOKEN_BAD},
        {"{\"aud\":\"chat\"}", FWI_TOKEN_BAD},
        {"{\"iss\":\"https://i/\",\"aud\":\"chat\"}", FWI_TOKEN_BAD},
        {"{\"iss\":[\"https://i\"],\"aud\":\"chat\"}", FWI_TOKEN_BAD},
        {"{\"iss\":\"https://i\",\"aud\":[]}", FWI_TOKEN_BAD},
        {"{\"iss\":\"https://i\",\"aud\":{\"a\":\"chat\"}}", FWI_TOKEN_BAD},
        {"{\"iss\":\"https://i\",\"aud\":\"Chat\"}", FWI_TOKEN_BAD},
        {"{\"iss\":\"https://j\",\"aud\":\"chat\",\"exp\":5}", FWI_TOKEN_BAD},
    };
    fwi_keys_unref(keys);
    keys = fwi_keys_new("https://i", "chat");
    add(keys, fwi_keys_add_secret, secret);
    for (size_t i = 0; i < FWI_ARRAY_LEN(cases); i++) {
        fwi_claims *claims;
        const char *why;
        fwi_token_result result = claim(C, cases[i].text, &claims, &why);
        fwi_claims_free(claims);
        ck_assert_msg(result == cases[i].want, "%s", cases[i].text);
    }
}
END_TEST

START_TEST(a_connection_has_at_most_1024_channels)
{
    fwi_claims *claims;
    const char *why;
    fwi_buf text;
    fwi_buf_init(&text);
    for (int more = 0; more < 2; more++) {
        text.len = 0;
        fwi_buf_puts(&text, "{\"subs\":{\"s\":{}},\"channels\":[\"0\"");
        for (int i = 1; i < FWI_TOKEN_SUBS_MAX - 1 + more; i++) {
            fwi_buf_printf(&text, ",\"%d\"", i);
        }
        fwi_buf_puts(&text, "]}");
        fwi_token_result result = claim(C, fwi_buf_text(&text), &claims, &why);
        ck_assert_int_eq(result, more ? FWI_TOKEN_BAD : FWI_TOKEN_GOOD);
        ck_assert(more || claims->n_subs == FWI_TOKEN_SUBS_MAX);
        fwi_claims_free(claims);
    }
    fwi_buf_fini(&text);
}
END_TEST

/* The most that decoding can put beside the token. */
START_TEST(much_that_is_decoded_stays_where_it_is)
{
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_buf_puts(&text, "{\"sub\":\"a\",\"b64info\":\"e30=\",\"subs\":{");
    for (int i = 0; i < 900; i++) {
        fwi_buf_printf(&text, "%s\"%d\":{\"b64info\":\"MQ==\",\"b64data\":\"WzEyM10=\"}",
                       i > 0 ? "," : "", i);
    }
    fwi_buf_puts(&text, "}}");
    fwi_claims *c = good(C, fwi_buf_text(&text));
    ck_assert_str_eq(c->user, "a");
    assert_json(&c->info, "{}");
    ck_assert_uint_eq(c->n_subs, 900);
    for (size_t i = 0; i < c->n_subs; i++) {
        char name[8];
        snprintf(name, sizeof name, "%zu", i);
        ck_assert_str_eq(c->subs[i].channel, name);
        assert_json(&c->subs[i].info, "1");
        assert_json(&c->subs[i].data, "[123]");
    }
    fwi_claims_free(c);
    fwi_buf_fini(&text);
}
END_TEST

START_TEST(one_large_value_in_base64_has_room_twice)
{
    static char quoted[24001], text[40000];
    memset(quoted, 'x', 24000);
    quoted[0] = quoted[23999] = '"';
    BIO *to = BIO_push(BIO_new(BIO_f_base64()), BIO_new(BIO_s_mem()));
    char *encoded;
    BIO_set_flags(to, BIO_FLAGS_BASE64_NO_NL);
    ck_assert_int_eq(BIO_write(to, quoted, 24000), 24000);
    ck_assert_int_eq(BIO_flush(to), 1);
    long n = BIO_get_mem_data(BIO_next(to), &encoded);
    snprintf(text, sizeof text, "{\"b64info\":\"%.*s\",\"sub\":\"ann\"}", (int)n,
             encoded);
    BIO_free_all(to);
    fwi_claims *c = good(C, text);
    ck_assert_str_eq(c->user, "ann");
    assert_json(&c->info, quoted);
    fwi_claims_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_claims");
    TCase *tc = tcase_create("token_claims");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_connection_is_a_user_s_until_a_time_with_info_and_meta);
    tcase_add_loop_test(tc, what_is_absent_or_null_is_nobody_s_and_for_ever, 0, 4);
    tcase_add_test(tc, expire_at_says_when_a_connection_ends_and_exp_when_its_token_does);
    tcase_add_test(tc, channels_and_subs_of_a_connection_are_one_list);
    tcase_add_test(tc, a_subscription_is_for_one_channel_and_perhaps_one_client);
    tcase_add_loop_test(tc, what_can_t_be_claimed_is_said_in_a_sentence, 0,
                        FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, a_token_holds_up_to_the_second_before_it_expires);
    tcase_add_test(tc, issuer_and_audience_are_exact_where_they_are_asked_for);
    tcase_add_test(tc, a_connection_has_at_most_1024_channels);
    tcase_add_test(tc, much_that_is_decoded_stays_where_it_is);
    tcase_add_test(tc, one_large_value_in_base64_has_room_twice);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
