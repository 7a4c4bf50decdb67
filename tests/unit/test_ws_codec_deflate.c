/*
 * Compressed messages among frames: where RSV1 may stand, fragments, what is looked at
 * before inflating and what after, limits, and that nothing is kept.
 */
#include "ws_codec_rig.h"

#define HELLO     "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_LEN 7

enum { TEXT = 0xc1, BINARY = 0xc2, FIRST_TEXT = 0x41, PLAIN = 0x81, MORE = 0x00 };

static fwi_deflater *deflater;

static void set_up(void)
{
    inflater = fwi_inflater_new();
    deflater = fwi_deflater_new();
}

static void tear_down(void)
{
    fwi_inflater_free(inflater);
    fwi_deflater_free(deflater);
    inflater = NULL;
}

static void add_deflated(fwi_buf *b, unsigned first, const void *data, size_t len)
{
    uint8_t *out = malloc(fwi_deflated_max(len));
    size_t n = fwi_deflate(deflater, data, len, out, fwi_deflated_max(len));
    ck_assert_uint_gt(n, 0);
    add_frame(b, first, out, n);
    free(out);
}

START_TEST(a_compressed_message_is_given_out_inflated)
{
    fwi_buf b = raw("", 0);
    add_frame(&b, TEXT, HELLO, HELLO_LEN);
    add_frame(&b, BINARY, HELLO, HELLO_LEN);
    add_frame(&b, TEXT, "\0", 1);
    expect(&b, "text[5]Hello binary[5]Hello text[0] idle");
}
END_TEST

START_TEST(plain_messages_may_stand_between_compressed_ones)
{
    fwi_buf b = raw("", 0);
    add_text(&b, PLAIN, "one");
    add_frame(&b, TEXT, HELLO, HELLO_LEN);
    add_text(&b, 0x01, "t");
    add_text(&b, 0x80, "wo");
    add_frame(&b, TEXT, HELLO, HELLO_LEN);
    expect(&b, "text[3]one text[5]Hello text[3]two text[5]Hello idle");
}
END_TEST

START_TEST(fragments_are_put_together_before_they_are_inflated)
{
    for (size_t cut = 0; cut <= HELLO_LEN; cut++) {
        fwi_buf b = raw("", 0);
        add_frame(&b, FIRST_TEXT, HELLO, cut);
        add_text(&b, 0x89, "p");
        add_frame(&b, MORE, &HELLO[cut], 0);
        add_frame(&b, 0x80, &HELLO[cut], HELLO_LEN - cut);
        expect(&b, "ping[1]p text[5]Hello idle");
    }
}
END_TEST

START_TEST(each_byte_may_be_a_fragment)
{
    static const char text[] = "what is said, and said, and said again";
    uint8_t out[100];
    size_t n = fwi_deflate(deflater, text, strlen(text), out, sizeof out);
    fwi_buf b = raw("", 0);
    for (size_t i = 0; i < n; i++) {
        add_frame(&b, (i == 0 ? 0x42u : 0u) | (i + 1 == n ? 0x80u : 0u), out + i, 1);
    }
    expect(&b, "binary[38]what is said, and sa idle");
}
END_TEST

static const struct {
    const char *name;
    unsigned first[3];
} wrong_bits[] = {
    {"RSV1 on a ping", {0xc9}},
    {"RSV1 on a pong", {0xca}},
    {"RSV1 on a Close frame", {0xc8}},
    {"RSV1 on a continuation of a plain message", {0x01, 0xc0}},
    {"RSV1 on a continuation of a compressed message", {0x41, 0xc0}},
    {"RSV1 on a continuation of nothing", {0xc0}},
    {"RSV1 on a ping inside a compressed message", {0x41, 0xc9}},
    {"RSV2 with it", {0xe1}},
    {"RSV3 with it", {0xd1}},
    {"RSV2 alone", {0xa1}},
    {"all three", {0xf1}},
    {"an unknown opcode", {0xc3}},
    {"an unknown control opcode", {0xcb}},
    {"a new compressed message inside a plain one", {0x01, 0xc1}},
    {"a new compressed message inside another", {0x41, 0xc1}},
};

START_TEST(rsv1_anywhere_else_is_1002)
{
    fwi_buf b = raw("", 0);
    for (int i = 0; i < 3 && wrong_bits[_i].first[i] != 0; i++) {
        add_text(&b, wrong_bits[_i].first[i], "x");
    }
    char *got = decode(&b, LIMIT);
    ck_assert_msg(strcmp(got, "FAIL 1002") == 0, "%s: %s", wrong_bits[_i].name, got);
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(rsv1_without_an_agreement_is_1002)
{
    fwi_inflater_free(inflater);
    inflater = NULL;
    fwi_buf b = raw("", 0);
    add_text(&b, PLAIN, "x");
    add_frame(&b, TEXT, HELLO, HELLO_LEN);
    expect(&b, "text[1]x FAIL 1002");
}
END_TEST

START_TEST(text_is_looked_at_after_it_was_inflated)
{
    static const char umlaut[] = "gr\xc3\xbc\xc3\x9f", cut[] = "gr\xc3",
                      wrong[] = "gr\xff\xc3";
    fwi_buf b = raw("", 0);
    add_deflated(&b, TEXT, umlaut, 6);
    add_deflated(&b, BINARY, wrong, 4);
    add_deflated(&b, TEXT, cut, 3);
    expect(&b, "text[6]gr\xc3\xbc\xc3\x9f binary[4]gr\xff\xc3 FAIL 1007");
    b = raw("", 0);
    add_deflated(&b, TEXT, wrong, 4);
    expect(&b, "FAIL 1007");
}
END_TEST

/* The text before was plain, and ended well: nothing of it is left for this one. */
START_TEST(a_plain_text_after_a_compressed_one_is_looked_at)
{
    fwi_buf b = raw("", 0);
    add_frame(&b, TEXT, HELLO, HELLO_LEN);
    add_text(&b, 0x01, "\xc3");
    add_text(&b, 0x80, "");
    expect(&b, "text[5]Hello FAIL 1007");
}
END_TEST

START_TEST(a_broken_message_is_1007)
{
    fwi_buf b = raw("", 0);
    add_text(&b, BINARY, "never compressed");
    add_text(&b, PLAIN, "not looked at");
    expect(&b, "FAIL 1007");
}
END_TEST

START_TEST(what_inflates_to_too_much_is_1009)
{
    char data[3001] = "";
    fwi_buf b = raw("", 0);
    add_deflated(&b, BINARY, data, 3000);
    char *got = decode(&b, 3000);
    ck_assert_ptr_nonnull(strstr(got, "binary[3000]"));
    ck_assert_ptr_nonnull(strstr(got, "idle"));
    free(got);
    got = decode(&b, 2999);
    ck_assert_str_eq(got, "FAIL 1009");
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

/* Random bytes get larger by being compressed: a message that is allowed stays allowed.
 */
START_TEST(frames_of_a_compressed_message_may_be_a_little_larger_than_the_limit)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 4);
    uint8_t data[3000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)fwi_rand_next(&rnd);
    }
    fwi_buf b = raw("", 0);
    add_deflated(&b, BINARY, data, sizeof data);
    ck_assert_uint_gt(b.len, 3008);
    char *got = decode(&b, 3000);
    ck_assert_ptr_nonnull(strstr(got, "binary[3000]"));
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(announced_lengths_over_that_are_1009_at_once)
{
    const size_t most = fwi_deflated_max(3000);
    fwi_buf b = raw("", 0);
    add_header(&b, BINARY, most + 1, M);
    char *got = decode(&b, 3000);
    ck_assert_str_eq(got, "FAIL 1009");
    free(got);
    b.len = 0;
    add_header(&b, FIRST_TEXT, 3000, M);
    fwi_buf_append(&b, (uint8_t[3000]){0}, 3000);
    add_header(&b, 0x80, most - 2999, M);
    got = decode(&b, 3000);
    ck_assert_str_eq(got, "FAIL 1009");
    free(got);
    b.len = 0; /* and a plain one may be no larger than before */
    add_header(&b, 0x82, 3001, M);
    got = decode(&b, 3000);
    ck_assert_str_eq(got, "FAIL 1009");
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

static bool count_message(void *user, bool text, const uint8_t *data, size_t len)
{
    (void)text, (void)data, (void)len;
    ++*(unsigned *)user;
    return true;
}

START_TEST(decoding_stops_where_enough_was_inflated)
{
    static const fwi_ws_sink counts = {count_message, NULL, NULL, NULL};
    enum { SIZE = 300000, MESSAGES = 10 };
    char *data = calloc(1, SIZE);
    fwi_buf b = raw("", 0);
    for (int i = 0; i < MESSAGES; i++) {
        add_deflated(&b, BINARY, data, SIZE);
    }
    free(data);
    ck_assert_uint_lt(b.len, 65536); /* what is read in one turn */
    const fwi_ws_rules rules = {LIMIT, inflater};
    fwi_ws_decoder d = {0};
    size_t at = 0;
    for (unsigned want = 4; want < MESSAGES + 4; want += 4) {
        unsigned got = 0;
        size_t used;
        const char *why;
        ck_assert_uint_eq(fwi_ws_decode(&d, (uint8_t *)b.data + at, b.len - at, &rules,
                                        &counts, &got, &used, &why),
                          0);
        ck_assert_uint_eq(got, want <= MESSAGES ? 4 : MESSAGES % 4);
        at += used;
    }
    ck_assert_uint_eq(at, b.len);
    fwi_buf_fini(&b);
}
END_TEST

static bool free_and_stop(void *user, bool text, const uint8_t *data, size_t len)
{
    (void)text;
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(memcmp(data, "Hello", 5), 0);
    fwi_ws_decoder_fini(user);
    memset(user, 0xee, sizeof(fwi_ws_decoder));
    return false;
}

START_TEST(the_sink_may_end_the_decoder)
{
    static const fwi_ws_sink ends = {free_and_stop, NULL, NULL, NULL};
    for (int fragments = 0; fragments < 2; fragments++) {
        fwi_buf b = raw("", 0);
        if (fragments) {
            add_frame(&b, 0x42, HELLO, 3);
            add_frame(&b, 0x80, &HELLO[3], HELLO_LEN - 3);
        } else {
            add_frame(&b, BINARY, HELLO, HELLO_LEN);
        }
        fwi_ws_decoder d = {0};
        const fwi_ws_rules rules = {LIMIT, inflater};
        size_t used;
        const char *why;
        ck_assert_uint_eq(
            fwi_ws_decode(&d, (uint8_t *)b.data, b.len, &rules, &ends, &d, &used, &why),
            0);
        fwi_buf_fini(&b);
    }
}
END_TEST

/* Frames of all kinds with bits changed: the outcome is the same however the bytes come,
 * and nothing is read or written where it mustn't be. */
START_TEST(whatever_comes_does_no_harm)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 60 + (uint64_t)_i);
    for (int round = 0; round < 150; round++) {
        fwi_buf b = raw("", 0);
        for (uint64_t frames = fwi_rand_between(&rnd, 1, 5); frames > 0; frames--) {
            char data[400];
            size_t len = (size_t)fwi_rand_between(&rnd, 1, sizeof data);
            for (size_t i = 0; i < len; i++) {
                data[i] = (char)fwi_rand_between(&rnd, 'a', 'f');
            }
            if (fwi_rand_between(&rnd, 0, 2) == 0) {
                add_frame(&b, PLAIN, data, len);
            } else {
                add_deflated(&b, fwi_rand_between(&rnd, 0, 1) ? TEXT : BINARY, data, len);
            }
        }
        for (uint64_t changes = fwi_rand_between(&rnd, 0, 3); changes > 0; changes--) {
            b.data[fwi_rand_between(&rnd, 0, b.len - 1)] ^=
                (char)(1u << fwi_rand_between(&rnd, 0, 7));
        }
        free(decode(&b, 300));
        fwi_buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_codec_deflate");
    TCase *tc = tcase_create("ws_codec_deflate");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_compressed_message_is_given_out_inflated);
    tcase_add_test(tc, plain_messages_may_stand_between_compressed_ones);
    tcase_add_test(tc, fragments_are_put_together_before_they_are_inflated);
    tcase_add_test(tc, each_byte_may_be_a_fragment);
    tcase_add_loop_test(tc, rsv1_anywhere_else_is_1002, 0, FWI_ARRAY_LEN(wrong_bits));
    tcase_add_test(tc, rsv1_without_an_agreement_is_1002);
    tcase_add_test(tc, text_is_looked_at_after_it_was_inflated);
    tcase_add_test(tc, a_plain_text_after_a_compressed_one_is_looked_at);
    tcase_add_test(tc, a_broken_message_is_1007);
    tcase_add_test(tc, what_inflates_to_too_much_is_1009);
    tcase_add_test(tc,
                   frames_of_a_compressed_message_may_be_a_little_larger_than_the_limit);
    tcase_add_test(tc, announced_lengths_over_that_are_1009_at_once);
    tcase_add_test(tc, decoding_stops_where_enough_was_inflated);
    tcase_add_test(tc, the_sink_may_end_the_decoder);
    tcase_add_loop_test(tc, whatever_comes_does_no_harm, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
