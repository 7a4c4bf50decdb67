/*
 * RFC 6455 frames that are wrong, each with the close code that it must fail with, and
 * what is delivered of what came before it.
 */
#include "ws_codec_rig.h"

typedef struct wrong {
    const char *name, *bytes;
    size_t len;
    const char *want;
} wrong;

#define B(s) s, sizeof(s) - 1

static const wrong wrongs[] = {
    {"RSV1", B("\xc1\x80" M), "FAIL 1002"},
    {"RSV2", B("\xa1\x80" M), "FAIL 1002"},
    {"RSV3", B("\x91\x80" M), "FAIL 1002"},
    {"RSV1 on a ping", B("\xc9\x80" M), "FAIL 1002"},
    {"RSV1 on a continuation", B("\x01\x81" M "a\xc0\x81" M "b"), "FAIL 1002"},
    {"unmasked text", B("\x81\x05hello"), "FAIL 1002"},
    {"unmasked ping", B("\x89\x00"), "FAIL 1002"},
    {"unmasked close", B("\x88\x02\x03\xe8"), "FAIL 1002"},
    {"opcode 3", B("\x83\x80" M), "FAIL 1002"},
    {"opcode 7", B("\x87\x80" M), "FAIL 1002"},
    {"opcode 11", B("\x8b\x80" M), "FAIL 1002"},
    {"opcode 15", B("\x8f\x80" M), "FAIL 1002"},
    {"fragmented ping", B("\x09\x80" M), "FAIL 1002"},
    {"fragmented close", B("\x08\x80" M), "FAIL 1002"},
    {"ping of 126", B("\x89\xfe\0\x7e"), "FAIL 1002"},
    {"close with a 64-bit length", B("\x88\xff"), "FAIL 1002"},
    {"continuation first", B("\x80\x80" M), "FAIL 1002"},
    {"continuation after a whole message", B("\x81\x81" M "a\x80\x80" M),
     "text[1]a FAIL 1002"},
    {"text inside a message", B("\x01\x81" M "a\x81\x81" M "b"), "FAIL 1002"},
    {"binary inside an empty message", B("\x01\x80" M "\x82\x81" M "b"), "FAIL 1002"},
    {"125 in 16 bits", B("\x82\xfe\0\x7d"), "FAIL 1002"},
    {"0 in 64 bits", B("\x82\xff\0\0\0\0\0\0\0\0"), "FAIL 1002"},
    {"65535 in 64 bits", B("\x82\xff\0\0\0\0\0\0\xff\xff"), "FAIL 1002"},
    {"length 2^63", B("\x82\xff\x80\0\0\0\0\0\0\0"), "FAIL 1002"},
    {"length 2^64-1", B("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "FAIL 1002"},
    {"length 2^63-1", B("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "FAIL 1009"},
    {"limit and one", B("\x82\xff\0\0\0\0\0\x10\0\x01"), "FAIL 1009"},
    {"a sum over the limit", B("\x02\x81" M "a\x80\xff\0\0\0\0\0\x10\0\0"), "FAIL 1009"},
    {"the right message before is delivered", B("\x81\x81" M "a\xff"),
     "text[1]a "}, /* one byte shows nothing yet that may be relied on */
    {"close without a code is 1005", B("\x88\x80" M), "close 1005 [0] "},
    {"close with one byte", B("\x88\x81" M "\x03"), "FAIL 1002"},
    {"close with a bad reason", B("\x88\x84" M "\x03\xe8\xff\xff"), "FAIL 1007"},
    {"close with a reason cut", B("\x88\x84" M "\x03\xe8\xe2\x82"), "FAIL 1007"},
    {"close with a surrogate", B("\x88\x85" M "\x03\xe8\xed\xa0\x80"), "FAIL 1007"},
    {"text not UTF-8", B("\x81\x82" M "\xc0\x80"), "FAIL 1007"},
    {"text cut in a character", B("\x81\x82" M "\xe2\x82"), "FAIL 1007"},
    {"fragment not UTF-8", B("\x01\x81" M "\xff"), "FAIL 1007"},
    {"cut by an empty last fragment", B("\x01\x81" M "\xe2\x80\x80" M), "FAIL 1007"},
    {"cut by a last fragment that begins anew", B("\x01\x81" M "\xe2\x80\x81" M "a"),
     "FAIL 1007"},
    {"bad bytes in a frame that isn't complete", B("\x81\xfe\x10\0" M "ab\xff"),
     "FAIL 1007"},
    {"a surrogate seen at its second byte", B("\x81\x85" M "a\xed\xa0"), "FAIL 1007"},
    {"beyond U+10FFFF seen at its second byte", B("\x01\x82" M "\xf4\x90"), "FAIL 1007"},
};

START_TEST(wrong_frames_fail_with_their_code)
{
    const wrong *w = &wrongs[_i];
    fwi_buf b = raw(w->bytes, w->len);
    char *got = decode(&b, LIMIT);
    char plain[256];
    size_t n = 0;
    for (const char *c = got; *c; c++) {
        if (*c == '#') {
            c += 8;
        } else {
            plain[n++] = *c;
        }
    }
    plain[n] = '\0';
    size_t want = strlen(w->want);
    ck_assert_msg(strncmp(plain, w->want, want) == 0 &&
                      (plain[want] == '\0' || strcmp(plain + want, "idle") == 0),
                  "%s: %s", w->name, plain);
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(each_close_code_is_taken_or_refused)
{
    for (unsigned code = 0; code <= 65535; code++) {
        bool ok = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                  (code >= 3000 && code <= 4999);
        CHECK(fwi_ws_close_code_is_valid(code) == ok);
        uint8_t in[8] = {0x88, 0x82, 0, 0, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};
        fwi_ws_decoder d = {0};
        record l = {0};
        size_t used;
        const char *why;
        unsigned got = fwi_ws_decode(&d, in, 8, &limit, &sink, &l, &used, &why);
        CHECK(got == (ok ? 0u : 1002u));
        CHECK((l.text.len > 0) == ok);
        fwi_buf_fini(&l.text);
        fwi_ws_decoder_fini(&d);
    }
}
END_TEST

START_TEST(what_follows_a_failure_is_thrown_away)
{
    uint8_t bad[] = "\x83\x80" M;
    uint8_t good[] = "\x81\x81" M "a";
    fwi_ws_decoder d = {0};
    record l = {0};
    size_t used;
    const char *why;
    ck_assert_uint_eq(fwi_ws_decode(&d, bad, 6, &limit, &sink, &l, &used, &why), 1002);
    ck_assert_uint_eq(fwi_ws_decode(&d, good, 7, &limit, &sink, &l, &used, &why), 0);
    ck_assert_uint_eq(used, 7);
    ck_assert_uint_eq(l.text.len, 0);
    fwi_ws_decoder_fini(&d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ws_codec_errors");
    TCase *tc = tcase_create("ws_codec_errors");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, wrong_frames_fail_with_their_code, 0, FWI_ARRAY_LEN(wrongs));
    tcase_add_test(tc, each_close_code_is_taken_or_refused);
    tcase_add_test(tc, what_follows_a_failure_is_thrown_away);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
