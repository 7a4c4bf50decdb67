/*
 * Answers of an application as JSON: what is one, and what is said of what isn't.
 */
#include <check.h>
#include <string.h>

#include "wire/answer.h"

static fwi_answer *good(const char *text)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY] = "";
    ck_assert_msg(fwi_answer_read(text, strlen(text), &a, why) == FWI_TOKEN_GOOD,
                  "%s: %s", text, why);
    return a;
}

START_TEST(a_result_says_who_it_is_and_what_it_gets)
{
    fwi_answer *a =
        good(" {\"result\": {\"user\":\"ann\",\"expire_at\":7,\"info\":{\"n\":1},"
             "\"data\":[1],\"channels\":[\"a\"],\"subs\":{\"b\":{\"data\":2}},"
             "\"meta\":{},\"caps\":[]}} ");
    const fwi_claims *c = a->claims;
    ck_assert_int_eq(a->kind, FWI_ANSWER_RESULT);
    ck_assert_str_eq(c->user, "ann");
    ck_assert_int_eq(c->expires_s, 7);
    ck_assert_mem_eq(c->info.at, "{\"n\":1}", c->info.len);
    ck_assert_mem_eq(c->data.at, "[1]", c->data.len);
    ck_assert_uint_eq(c->n_subs, 2);
    ck_assert_str_eq(c->subs[0].channel, "a");
    ck_assert_str_eq(c->subs[1].channel, "b");
    ck_assert_mem_eq(c->subs[1].data.at, "2", 1);
    fwi_answer_free(a);
}
END_TEST

START_TEST(an_empty_result_and_one_in_base64_are_results)
{
    fwi_answer *a = good("{\"result\":{}}");
    ck_assert_str_eq(a->claims->user, "");
    ck_assert(!a->expired);
    fwi_answer_free(a);
    a = good("{\"result\":{\"expired\":true,\"b64data\":\"eyJhIjoxfQ==\",\"data\":3,"
             "\"user\":null}}");
    ck_assert(a->expired);
    ck_assert_mem_eq(a->claims->data.at, "{\"a\":1}", a->claims->data.len);
    fwi_answer_free(a);
}
END_TEST

START_TEST(disconnect_comes_before_error_and_that_before_result)
{
    fwi_answer *a = good("{\"result\":{},\"error\":{\"code\":1000,\"message\":\"no\","
                         "\"temporary\":true}}");
    ck_assert_int_eq(a->kind, FWI_ANSWER_ERROR);
    ck_assert_uint_eq(a->code, 1000);
    ck_assert(a->temporary);
    ck_assert_str_eq(a->reason, "no");
    fwi_answer_free(a);
    a = good("{\"error\":{\"code\":1},\"disconnect\":{\"code\":4500,\"reason\":"
             "\"b\\u00e4h\",\"reconnect\":false},\"result\":5}");
    ck_assert_int_eq(a->kind, FWI_ANSWER_DISCONNECT);
    ck_assert_uint_eq(a->code, 4500);
    ck_assert_str_eq(a->reason, "b\xc3\xa4h");
    fwi_answer_free(a);
}
END_TEST

static const struct {
    const char *text, *why;
} bad[] = {
    {"", "it is no JSON from byte 0 on"},
    {"<html>", "it is no JSON from byte 0 on"},
    {"{\"result\":{}", "it is no JSON from byte 12 on"},
    {"[]", "it is no JSON object"},
    {"{}", "it has no result, no error and no disconnect"},
    {"{\"result\":null}", "it has no result, no error and no disconnect"},
    {"{\"result\":[]}", "the result is not an object"},
    {"{\"result\":{\"user\":5}}", "the result's user is not a string"},
    {"{\"result\":{\"user\":\"a\\nb\"}}", "the result's user can't be a user's name"},
    {"{\"result\":{\"user\":\"a\",\"user\":\"b\"}}", "the result has a claim twice"},
    {"{\"result\":{\"expire_at\":\"soon\"}}", "the result's expire_at is not a time"},
    {"{\"result\":{\"expire_at\":-1}}", "the result's expire_at is not a time"},
    {"{\"result\":{\"expired\":1}}", "the result's expired is not true or false"},
    {"{\"result\":{\"channels\":\"a\"}}",
     "the result's channels are not a list, or its subs not an object"},
    {"{\"result\":{\"channels\":[\"\"]}}",
     "the result names a channel that can't be one"},
    {"{\"result\":{\"b64data\":\"?\"}}",
     "the result's b64info or b64data is not JSON in base64"},
    {"{\"error\":1}", "the error is not an object"},
    {"{\"error\":{}}", "the code is not a whole number from 100 to 1999"},
    {"{\"error\":{\"code\":99}}", "the code is not a whole number from 100 to 1999"},
    {"{\"error\":{\"code\":2000}}", "the code is not a whole number from 100 to 1999"},
    {"{\"error\":{\"code\":\"100\"}}", "the code is not a whole number from 100 to 1999"},
    {"{\"error\":{\"code\":100,\"temporary\":0}}",
     "the error's temporary is not true or false"},
    {"{\"error\":{\"code\":100,\"message\":{}}}", "the message is not a string"},
    {"{\"error\":{\"code\":100,\"message\":\"a\\u0000b\"}}",
     "the message is no line of at most 255 bytes"},
    {"{\"disconnect\":{\"code\":1000}}",
     "the code is not a whole number from 3000 to 4999"},
    {"{\"disconnect\":{\"code\":4000,\"reason\":\"a\\r\\nb\"}}",
     "the reason is no line of at most 123 bytes"},
    {"{\"disconnect\":true}", "the disconnect is not an object"},
};

START_TEST(anything_else_is_none_and_a_sentence_says_why)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY] = "";
    ck_assert_msg(fwi_answer_read(bad[_i].text, strlen(bad[_i].text), &a, why) ==
                      FWI_TOKEN_BAD,
                  "%s", bad[_i].text);
    ck_assert_ptr_null(a);
    ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(a_reason_may_fill_its_room_and_no_more)
{
    char text[400], line[FWI_ANSWER_CLOSE_REASON_MAX + 2];
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY];
    memset(line, 'x', sizeof line);
    line[FWI_ANSWER_CLOSE_REASON_MAX] = '\0';
    snprintf(text, sizeof text, "{\"disconnect\":{\"code\":4000,\"reason\":\"%s\"}}",
             line);
    a = good(text);
    ck_assert_uint_eq(strlen(a->reason), FWI_ANSWER_CLOSE_REASON_MAX);
    fwi_answer_free(a);
    snprintf(text, sizeof text, "{\"disconnect\":{\"code\":4000,\"reason\":\"%sx\"}}",
             line);
    ck_assert_int_eq(fwi_answer_read(text, strlen(text), &a, why), FWI_TOKEN_BAD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, a_result_says_who_it_is_and_what_it_gets);
    tcase_add_test(tc, an_empty_result_and_one_in_base64_are_results);
    tcase_add_test(tc, disconnect_comes_before_error_and_that_before_result);
    tcase_add_loop_test(tc, anything_else_is_none_and_a_sentence_says_why, 0,
                        FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, a_reason_may_fill_its_room_and_no_more);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
