/*
 * Base64 and its form for URLs: the examples of RFC 4648 10, and what is no base64.
 */
#include <check.h>
#include <string.h>

#include "wire/base64.h"

static const struct {
    const char *bytes, *text, *for_urls;
} pairs[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
};

START_TEST(both_forms_are_read_and_the_one_for_urls_is_written)
{
    char out[16];
    size_t n = 99;
    const char *bytes = pairs[_i].bytes;
    ck_assert(fwi_base64_read(pairs[_i].text, strlen(pairs[_i].text), out, &n));
    ck_assert_uint_eq(n, strlen(bytes));
    ck_assert(memcmp(out, bytes, n) == 0);
    ck_assert(
        fwi_base64url_read(pairs[_i].for_urls, strlen(pairs[_i].for_urls), out, &n));
    ck_assert_uint_eq(n, strlen(bytes));
    ck_assert(memcmp(out, bytes, n) == 0);
    ck_assert_uint_le(n, FWI_BASE64_ROOM(strlen(pairs[_i].for_urls)));
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert(fwi_base64url_put(&b, bytes, strlen(bytes)));
    ck_assert_str_eq(fwi_buf_text(&b), pairs[_i].for_urls);
    fwi_buf_fini(&b);
}
END_TEST

static const struct {
    const char *text;
    bool for_urls;
} bad[] = {
    {"Z", true},         {"Zm9vY", true}, {"Zh", true},      {"Zm9", true},
    {"Zg==", true},      {"Zg=", true},   {"Zm 9v", true},   {"Zm9v\n", true},
    {"+/+/", true},      {"Zm9.", true},  {"Zm9\xc3", true}, {"=", true},
    {"Zg", false},       {"Zg=", false},  {"Zg===", false},  {"Z===", false},
    {"====", false},     {"Zh==", false}, {"Zm9=", false},   {"-_-_", false},
    {"Zg==Zg==", false}, {"Z=g=", false}, {"Zm9v\n", false}, {" Zm9", false},
};

START_TEST(what_is_not_the_one_way_to_write_it_is_refused)
{
    char out[16];
    size_t n;
    size_t len = strlen(bad[_i].text);
    ck_assert_msg(!(bad[_i].for_urls ? fwi_base64url_read
                                     : fwi_base64_read)(bad[_i].text, len, out, &n),
                  "%s", bad[_i].text);
}
END_TEST

START_TEST(all_bytes_come_back)
{
    uint8_t in[256], out[258];
    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (uint8_t)(i * 7);
    }
    for (size_t len = 0; len <= sizeof in; len++) {
        size_t n;
        fwi_buf b;
        fwi_buf_init(&b);
        ck_assert(fwi_base64url_put(&b, in, len));
        ck_assert(fwi_base64url_read(b.data, b.len, out, &n));
        ck_assert_uint_eq(n, len);
        ck_assert(memcmp(in, out, n) == 0);
        fwi_buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base64");
    TCase *tc = tcase_create("base64");
    tcase_add_loop_test(tc, both_forms_are_read_and_the_one_for_urls_is_written, 0,
                        FWI_ARRAY_LEN(pairs));
    tcase_add_loop_test(tc, what_is_not_the_one_way_to_write_it_is_refused, 0,
                        FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, all_bytes_come_back);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
