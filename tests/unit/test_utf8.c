/*
 * UTF-8 by RFC 3629: every character and every pair of bytes, whole, in pieces and at
 * every offset of the eight-byte path.
 */
#include <check.h>
#include <string.h>

#include "base/utf8.h"

/* ck_assert notes each passing in a file, which is too slow for inner loops. */
#define CHECK(x)                                                                         \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            ck_abort_msg("%s", #x);                                                      \
        }                                                                                \
    } while (0)

/* A plain encoder to test against. */
static size_t encode(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

START_TEST(every_character_is_valid_and_nothing_else)
{
    for (uint32_t c = 0; c < 0x200000; c++) {
        uint8_t bytes[4];
        size_t n = encode(bytes, c);
        bool want = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        CHECK(fwi_utf8_is_valid(bytes, n) == want);
        CHECK(n == 1 || !fwi_utf8_is_valid(bytes, n - 1));
    }
}
END_TEST

static const struct {
    const char *name, *bytes;
    size_t fails_at; /* the byte which shows it; SIZE_MAX: only the end does */
} bad[] = {
    {"a continuation alone", "\x80", 0},
    {"a continuation after ASCII", "abc\xbf", 3},
    {"FE", "\xfe", 0},
    {"FF", "\xff", 0},
    {"C0 begins overlong forms", "\xc0\x80", 0},
    {"C1 begins overlong forms", "\xc1\xbf", 0},
    {"overlong in three bytes", "\xe0\x9f\xbf", 1},
    {"overlong in four bytes", "\xf0\x8f\xbf\xbf", 1},
    {"first surrogate", "\xed\xa0\x80", 1},
    {"last surrogate", "\xed\xbf\xbf", 1},
    {"above U+10FFFF", "\xf4\x90\x80\x80", 1},
    {"F5", "\xf5\x80\x80\x80", 0},
    {"five bytes", "\xf8\x88\x80\x80\x80", 0},
    {"two bytes, then ASCII", "\xc3(", 1},
    {"three bytes, third is ASCII", "\xe2\x82(", 2},
    {"four bytes, fourth is a lead", "\xf0\x9f\x98\xf0", 3},
    {"behind a long ASCII text", "0123456789abcdef0123456789\xed\xa0", 27},
    {"two bytes cut", "\xc3", SIZE_MAX},
    {"three bytes cut", "ab\xe2\x82", SIZE_MAX},
    {"four bytes cut", "\xf0\x9f\x98", SIZE_MAX},
};

START_TEST(bad_text_fails_at_the_byte_that_shows_it)
{
    size_t len = strlen(bad[_i].bytes);
    ck_assert_msg(!fwi_utf8_is_valid(bad[_i].bytes, len), "%s", bad[_i].name);
    uint32_t state = 0;
    for (size_t i = 0; i < len; i++) {
        bool ok = fwi_utf8_feed(&state, bad[_i].bytes + i, 1);
        ck_assert_msg(ok == (i != bad[_i].fails_at), "%s, byte %zu", bad[_i].name, i);
        if (!ok) {
            return;
        }
    }
    ck_assert_msg(state != 0, "%s", bad[_i].name);
}
END_TEST

static const char good[] =
    "plain text of some length, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
    " and \xe6\x97\xa5\xe6\x9c\xac then ASCII again \xf4\x8f\xbf\xbf";

START_TEST(any_split_gives_the_same)
{
    size_t len = sizeof good - 1;
    ck_assert(fwi_utf8_is_valid(good, len));
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            uint32_t state = 0;
            CHECK(fwi_utf8_feed(&state, good, a));
            CHECK(fwi_utf8_feed(&state, good + a, b - a));
            CHECK(fwi_utf8_feed(&state, good + b, len - b));
            ck_assert_uint_eq(state, 0);
        }
    }
}
END_TEST

START_TEST(a_bad_byte_is_found_at_every_offset)
{
    for (size_t start = 0; start < 8; start++) {
        for (size_t at = 0; at < 40; at++) {
            char text[64];
            memset(text, 'a', sizeof text);
            text[start + at] = (char)0xff;
            ck_assert(!fwi_utf8_is_valid(text + start, 48));
            ck_assert(fwi_utf8_is_valid(text + start, at));
        }
    }
}
END_TEST

START_TEST(empty_text_is_valid)
{
    ck_assert(fwi_utf8_is_valid(NULL, 0));
    ck_assert(fwi_utf8_is_valid("", 1)); /* NUL is a character */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("utf8");
    TCase *tc = tcase_create("utf8");
    tcase_add_test(tc, every_character_is_valid_and_nothing_else);
    tcase_add_loop_test(tc, bad_text_fails_at_the_byte_that_shows_it, 0,
                        FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, any_split_gives_the_same);
    tcase_add_test(tc, a_bad_byte_is_found_at_every_offset);
    tcase_add_test(tc, empty_text_is_valid);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
