/*
 * What numbers are called: errors, by the one list of them, and events.
 */
#include <check.h>
#include <limits.h>
#include <string.h>

#include <fanwire/fanwire.h>

#include "base/base.h"

static const struct {
    const char *name, *text;
    int number, retriable;
} errors[] = {
#define ERROR_CASE(name, number, retriable, text)                                        \
    {"FW_ERR_" #name, text, number, retriable},
    FW_ERROR_MAP(ERROR_CASE)};

START_TEST(an_error_has_a_name_a_sentence_and_may_be_worth_another_try)
{
    int number = errors[_i].number;
    ck_assert_int_lt(number, 0);
    ck_assert_str_eq(fw_err_name(number), errors[_i].name);
    ck_assert_str_eq(fw_strerror(number), errors[_i].text);
    ck_assert_int_eq(fw_err_is_retriable(number), errors[_i].retriable);
}
END_TEST

START_TEST(what_is_no_error_is_called_so)
{
    static const int unknown[] = {1, -9999, INT_MAX, INT_MIN};
    ck_assert_str_eq(fw_err_name(FW_OK), "FW_OK");
    ck_assert_str_eq(fw_strerror(FW_OK), "ok");
    ck_assert_int_eq(fw_err_is_retriable(FW_OK), 0);
    for (size_t i = 0; i < FWI_ARRAY_LEN(unknown); i++) {
        ck_assert_str_eq(fw_err_name(unknown[i]), "FW_ERR_?");
        ck_assert_str_eq(fw_strerror(unknown[i]), "unknown error");
        ck_assert_int_eq(fw_err_is_retriable(unknown[i]), 0);
    }
}
END_TEST

START_TEST(each_event_has_a_name_of_its_own)
{
    const char *names[FW_EVENT_TRACE + 1] = {NULL};
    for (int type = FW_EVENT_CONNECT; type <= FW_EVENT_TRACE; type++) {
        names[type] = fw_event_type_name((fw_event_type)type);
        ck_assert_msg(strcmp(names[type], "?") != 0, "%d", type);
        for (int other = FW_EVENT_CONNECT; other < type; other++) {
            ck_assert_str_ne(names[type], names[other]);
        }
    }
    ck_assert_str_eq(fw_event_type_name(FW_EVENT_NODE_DOWN), "NODE_DOWN");
    ck_assert_str_eq(fw_event_type_name((fw_event_type)0), "?");
    ck_assert_str_eq(fw_event_type_name((fw_event_type)(FW_EVENT_TRACE + 1)), "?");
}
END_TEST

START_TEST(the_library_says_which_version_it_is)
{
    ck_assert_uint_eq(fw_version(), FW_VERSION);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error");
    TCase *tc = tcase_create("error");
    tcase_add_loop_test(tc, an_error_has_a_name_a_sentence_and_may_be_worth_another_try,
                        0, FWI_ARRAY_LEN(errors));
    tcase_add_test(tc, what_is_no_error_is_called_so);
    tcase_add_test(tc, each_event_has_a_name_of_its_own);
    tcase_add_test(tc, the_library_says_which_version_it_is);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
