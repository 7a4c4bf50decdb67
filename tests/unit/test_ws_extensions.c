/*
 * What is agreed on of permessage-deflate: offers in order, those that are declined, and
 * headers that can't be read.
 */
#include <check.h>
#include <string.h>

#include "wire/ws_extensions.h"

#define PMD         "permessage-deflate"
#define NO_TAKEOVER "; server_no_context_takeover; client_no_context_takeover"
#define AGREED      PMD NO_TAKEOVER
#define NOTHING     ""
#define UNREADABLE  "400"

static const struct {
    const char *offer, *want;
} offers[] = {
    /* in order */
    {PMD, AGREED},
    {PMD "; client_max_window_bits", AGREED}, /* Chromium and Firefox */
    {PMD ";client_max_window_bits", AGREED},
    {" \t" PMD " \t;\t client_max_window_bits \t", AGREED},
    {PMD "; client_max_window_bits=15", AGREED},
    {PMD "; client_max_window_bits=8", AGREED},
    {PMD "; client_max_window_bits = 10", AGREED},
    {PMD "; server_no_context_takeover", AGREED},
    {PMD "; client_no_context_takeover", AGREED},
    {PMD NO_TAKEOVER, AGREED},
    {PMD "; server_max_window_bits=15", AGREED "; server_max_window_bits=15"},
    {PMD "; server_max_window_bits=12", AGREED "; server_max_window_bits=12"},
    {PMD "; server_max_window_bits=10", AGREED "; server_max_window_bits=10"},
    {PMD "; server_max_window_bits=9", AGREED "; server_max_window_bits=9"},
    {PMD "; server_max_window_bits=8", AGREED "; server_max_window_bits=8"},
    {PMD "; server_max_window_bits=\"11\"", AGREED "; server_max_window_bits=11"},
    {PMD "; server_max_window_bits=\"1\\1\"", AGREED "; server_max_window_bits=11"},
    {PMD "; client_max_window_bits=\"9\"; server_max_window_bits=14" NO_TAKEOVER,
     AGREED "; server_max_window_bits=14"},
    {"," PMD ",", AGREED},
    {" , ,\t" PMD " , ", AGREED},
    /* declined: the parameter is unknown, wrong or said twice */
    {PMD "; unknown", NOTHING},
    {PMD "; unknown=1", NOTHING},
    {PMD "; Server_No_Context_Takeover", NOTHING},
    {PMD "; server_no_context_takeover=1", NOTHING},
    {PMD "; client_no_context_takeover=\"true\"", NOTHING},
    {PMD "; server_no_context_takeover; server_no_context_takeover", NOTHING},
    {PMD "; client_no_context_takeover; client_no_context_takeover", NOTHING},
    {PMD "; client_max_window_bits; client_max_window_bits", NOTHING},
    {PMD "; client_max_window_bits=10; client_max_window_bits", NOTHING},
    {PMD "; server_max_window_bits=10; server_max_window_bits=10", NOTHING},
    {PMD "; server_max_window_bits", NOTHING},
    {PMD "; server_max_window_bits=7", NOTHING},
    {PMD "; server_max_window_bits=16", NOTHING},
    {PMD "; server_max_window_bits=0", NOTHING},
    {PMD "; server_max_window_bits=08", NOTHING},
    {PMD "; server_max_window_bits=015", NOTHING},
    {PMD "; server_max_window_bits=150", NOTHING},
    {PMD "; server_max_window_bits=1x", NOTHING},
    {PMD "; server_max_window_bits=+9", NOTHING},
    {PMD "; server_max_window_bits=-9", NOTHING},
    {PMD "; server_max_window_bits=100000000000000000000000010", NOTHING},
    {PMD "; client_max_window_bits=7", NOTHING},
    {PMD "; client_max_window_bits=16", NOTHING},
    {PMD "; client_max_window_bits=x", NOTHING},
    /* another extension */
    {"", NOTHING},
    {" ", NOTHING},
    {",", NOTHING},
    {"x-webkit-deflate-frame", NOTHING},
    {"PerMessage-Deflate", NOTHING},
    {"permessage-deflate2", NOTHING},
    {"permessage-deflat", NOTHING},
    {"x; a=1; b=\"c\\d\"; c", NOTHING},
    {"permessage-bzip2, x-webkit-deflate-frame; no_context_takeover", NOTHING},
    /* several: the first in order */
    {"x-unknown; a=\"b\", " PMD, AGREED},
    {PMD ", x-unknown", AGREED},
    {PMD "; server_max_window_bits=10, " PMD, AGREED "; server_max_window_bits=10"},
    {PMD "; server_max_window_bits=7, " PMD "; server_max_window_bits=9, " PMD,
     AGREED "; server_max_window_bits=9"},
    {PMD "; unknown, " PMD "; client_max_window_bits", AGREED},
    {PMD "; unknown, " PMD "; unknown", NOTHING},
    /* not written as such a header must be */
    {";", UNREADABLE},
    {PMD ";", UNREADABLE},
    {PMD "; ;client_max_window_bits", UNREADABLE},
    {PMD "; =15", UNREADABLE},
    {PMD "; server_max_window_bits=", UNREADABLE},
    {PMD "; server_max_window_bits==9", UNREADABLE},
    {PMD "; server_max_window_bits=\"15 \"", UNREADABLE},
    {PMD "; server_max_window_bits=\"", UNREADABLE},
    {PMD "; server_max_window_bits=\"\"", UNREADABLE},
    {PMD "; server_max_window_bits=\"9", UNREADABLE},
    {PMD "; server_max_window_bits=\"9\\", UNREADABLE},
    {PMD "; server_max_window_bits=\"9\"9", UNREADABLE},
    {PMD " client_max_window_bits", UNREADABLE},
    {PMD "=1", UNREADABLE},
    {PMD ", \"x\"", UNREADABLE},
    {PMD ", (x)", UNREADABLE},
    {PMD "; a=b c", UNREADABLE},
    {PMD "\x01", UNREADABLE},
    {"\xc3\xa4", UNREADABLE},
};

START_TEST(an_offer_is_agreed_on_declined_or_unreadable)
{
    fwi_ws_deflate agreed;
    fwi_buf out;
    fwi_buf_init(&out);
    if (!fwi_ws_extensions_choose(offers[_i].offer, &agreed)) {
        fwi_buf_puts(&out, UNREADABLE);
    } else if (agreed.window_bits > 0) {
        ck_assert(fwi_ws_extensions_answer(&agreed, &out));
    } else {
        fwi_buf_puts(&out, NOTHING);
    }
    ck_assert_msg(strcmp(fwi_buf_text(&out), offers[_i].want) == 0, "%s: %s",
                  offers[_i].offer, out.data);
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(without_the_header_nothing_is_agreed_on)
{
    fwi_ws_deflate agreed = {15, true};
    ck_assert(fwi_ws_extensions_choose(NULL, &agreed));
    ck_assert_uint_eq(agreed.window_bits, 0);
}
END_TEST

START_TEST(the_window_is_15_unless_a_smaller_one_is_asked_for)
{
    fwi_ws_deflate agreed;
    ck_assert(fwi_ws_extensions_choose(PMD "; client_max_window_bits=9", &agreed));
    ck_assert_uint_eq(agreed.window_bits, 15);
    ck_assert(fwi_ws_extensions_choose(PMD "; server_max_window_bits=9", &agreed));
    ck_assert_uint_eq(agreed.window_bits, 9);
}
END_TEST

/* Nothing is read behind its end; a sanitizer watches. */
START_TEST(a_header_may_end_anywhere)
{
    static const char whole[] = PMD "; server_max_window_bits=\"1\\0\" ; "
                                    "client_max_window_bits , x; y=z";
    for (size_t n = 0; n < sizeof whole; n++) {
        char *cut = strndup(whole, n);
        fwi_ws_deflate agreed;
        fwi_ws_extensions_choose(cut, &agreed);
        free(cut);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_extensions");
    TCase *tc = tcase_create("ws_extensions");
    tcase_add_loop_test(tc, an_offer_is_agreed_on_declined_or_unreadable, 0,
                        FWI_ARRAY_LEN(offers));
    tcase_add_test(tc, without_the_header_nothing_is_agreed_on);
    tcase_add_test(tc, the_window_is_15_unless_a_smaller_one_is_asked_for);
    tcase_add_test(tc, a_header_may_end_anywhere);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
