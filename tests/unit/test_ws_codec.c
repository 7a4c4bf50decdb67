/*
 * RFC 6455 frames, section by section: right ones, limits and memory, random streams, and
 * what we write ourselves. Wrong frames are in test_ws_codec_errors.c.
 */
#include "ws_codec_rig.h"

/* --- right frames --- */

START_TEST(the_example_of_the_rfc_is_hello)
{
    fwi_buf b = raw("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    expect(&b, "text[5]Hello idle");
}
END_TEST

START_TEST(every_length_comes_through)
{
    static const size_t lens[] = {0,   1,   2,   3,   4,   7,     8,     9,    15,
                                  125, 126, 127, 128, 255, 65535, 65536, 65537};
    static uint8_t data[65537];
    fwi_rand rnd;
    fwi_rand_init(&rnd, 3);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)fwi_rand_next(&rnd);
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(lens); i++) {
        fwi_buf b = raw("", 0);
        add_frame(&b, 0x82, data, lens[i]);
        record l = {0};
        note(&l, "binary", data, lens[i]);
        fwi_buf_puts(&l.text, "idle");
        char *got = decode(&b, LIMIT);
        ck_assert_str_eq(got, fwi_buf_text(&l.text));
        free(got);
        fwi_buf_fini(&l.text);
        fwi_buf_fini(&b);
    }
}
END_TEST

START_TEST(fragments_are_put_together)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x01, "Hel");
    add_text(&b, 0x00, "");
    add_text(&b, 0x80, "lo");
    add_text(&b, 0x02, "");
    add_text(&b, 0x80, "");
    expect(&b, "text[5]Hello binary[0] idle");
}
END_TEST

START_TEST(control_frames_may_stand_inside_a_message)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x01, "one ");
    add_text(&b, 0x89, "p");
    add_text(&b, 0x00, "two ");
    add_text(&b, 0x8a, "\xff not text, and needs not be");
    add_text(&b, 0x89, "");
    add_text(&b, 0x80, "three");
    add_text(&b, 0x81, "next");
    expect(&b, "ping[1]p pong[28]\xff not text, and need ping[0] text[13]one two three "
               "text[4]next idle");
}
END_TEST

START_TEST(a_character_may_be_split_between_fragments)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x01, "\xe2");
    add_text(&b, 0x89, "\xe2\x82");
    add_text(&b, 0x00, "\x82");
    add_text(&b, 0x80, "\xac");
    expect(&b, "ping[2]\xe2\x82 text[3]\xe2\x82\xac idle");
}
END_TEST

START_TEST(binary_may_be_anything)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x82, "\xff\xfe\xc0");
    expect(&b, "binary[3]\xff\xfe\xc0 idle");
}
END_TEST

START_TEST(a_control_frame_may_have_125_bytes)
{
    char body[125];
    memset(body, 'x', sizeof body);
    fwi_buf b = raw("", 0);
    add_frame(&b, 0x89, body, sizeof body);
    add_frame(&b, 0x8a, body, sizeof body);
    expect(&b, "ping[125]xxxxxxxxxxxxxxxxxxxx pong[125]xxxxxxxxxxxxxxxxxxxx idle");
}
END_TEST

START_TEST(nothing_is_decoded_behind_a_close)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x01, "half");
    add_text(&b, 0x88,
             "\x03\xe8"
             "bye");
    add_text(&b, 0x80, "rest");
    add_text(&b, 0x83, "garbage");
    expect(&b, "close 1000 [3]bye idle");
}
END_TEST

/* --- limits and memory --- */

START_TEST(the_limit_itself_is_allowed)
{
    fwi_buf b = raw("", 0);
    add_text(&b, 0x82, "0123456789");
    add_text(&b, 0x02, "01234");
    add_text(&b, 0x89, "a ping longer than the limit");
    add_text(&b, 0x80, "56789");
    char *got = decode(&b, 10);
    ck_assert_ptr_nonnull(strstr(got, "idle"));
    free(got);
    add_text(&b, 0x02, "012345");
    add_text(&b, 0x80, "56789");
    got = decode(&b, 10);
    ck_assert_ptr_nonnull(strstr(got, "FAIL 1009"));
    free(got);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(whole_messages_are_delivered_where_they_lie)
{
    fwi_buf b = raw("", 0);
    for (int i = 0; i < 50; i++) {
        add_text(&b, i % 2 ? 0x81 : 0x82, "some bytes that nobody copies");
        add_text(&b, 0x89, "x");
    }
    fwi_ws_decoder d = {0};
    record l = {.in = (uint8_t *)b.data, .in_end = (uint8_t *)b.data + b.len};
    size_t used;
    const char *why;
    ck_assert_uint_eq(
        fwi_ws_decode(&d, (uint8_t *)b.data, b.len, &limit, &sink, &l, &used, &why), 0);
    ck_assert_uint_eq(l.in_place, 100);
    ck_assert_uint_eq(d.buf.cap, 0);
    fwi_buf_fini(&l.text);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(memory_grows_with_what_came_not_with_what_was_announced)
{
    fwi_buf b = raw("", 0);
    add_header(&b, 0x82, LIMIT, M);
    fwi_buf_append(&b, "a few bytes", 11);
    fwi_ws_decoder d = {0};
    record l = {0};
    size_t used;
    const char *why;
    ck_assert_uint_eq(
        fwi_ws_decode(&d, (uint8_t *)b.data, b.len, &limit, &sink, &l, &used, &why), 0);
    ck_assert_uint_le(d.buf.cap, 64);
    fwi_ws_decoder_fini(&d);
    fwi_buf_fini(&b);
}
END_TEST

/* Ends the decoder from inside, as a session does that closes itself. */
static bool end_decoder(void *user, bool text, const uint8_t *data, size_t len)
{
    (void)text;
    ck_assert(len == 5 && memcmp(data, "Hello", 5) == 0);
    fwi_ws_decoder_fini(user);
    memset(user, 0xee, sizeof(fwi_ws_decoder));
    return false;
}

START_TEST(the_sink_may_end_the_decoder)
{
    const fwi_ws_sink ends = {end_decoder, on_ping, on_pong, on_close};
    for (int whole = 0; whole < 2; whole++) {
        fwi_buf b = raw("", 0);
        if (whole) {
            add_text(&b, 0x81, "Hello");
        } else {
            add_text(&b, 0x01, "Hel");
            add_text(&b, 0x80, "lo");
        }
        size_t message = b.len;
        add_text(&b, 0x81, "more");
        fwi_ws_decoder d = {0};
        size_t used;
        const char *why;
        ck_assert_uint_eq(
            fwi_ws_decode(&d, (uint8_t *)b.data, b.len, &limit, &ends, &d, &used, &why),
            0);
        ck_assert_uint_eq(used, message);
        fwi_buf_fini(&b);
    }
}
END_TEST

START_TEST(random_streams_come_through_any_split)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, (uint64_t)_i + 1);
    fwi_buf b = raw("", 0);
    bool open = false;
    for (int i = 0; i < 30; i++) {
        char data[700];
        size_t len = (size_t)fwi_rand_between(&rnd, 0, i % 3 ? 20 : sizeof data);
        for (size_t k = 0; k < len; k++) {
            data[k] = (char)fwi_rand_between(&rnd, 1, 127);
        }
        if (fwi_rand_between(&rnd, 0, 3) == 0) {
            add_frame(&b, 0x89 + (unsigned)fwi_rand_between(&rnd, 0, 1), data,
                      FWI_MIN(len, 125u));
            continue;
        }
        unsigned opcode = open ? 0 : (unsigned)fwi_rand_between(&rnd, 1, 2);
        open = fwi_rand_between(&rnd, 0, 1);
        add_frame(&b, (open ? 0u : 0x80u) | opcode, data, len);
    }
    free(decode(&b, LIMIT));
    /* And with some bytes broken: any end will do, if it is always the same. */
    for (int k = 0; k < 6; k++) {
        b.data[fwi_rand_between(&rnd, 0, b.len - 1)] ^=
            (char)fwi_rand_between(&rnd, 1, 255);
        free(decode(&b, LIMIT));
    }
    fwi_buf_fini(&b);
}
END_TEST

/* --- writing --- */

START_TEST(headers_take_the_shortest_length)
{
    uint8_t h[FWI_WS_HEADER_MAX];
    ck_assert_uint_eq(fwi_ws_header(h, FWI_WS_TEXT, 125), 2);
    ck_assert(memcmp(h, "\x81\x7d", 2) == 0);
    ck_assert_uint_eq(fwi_ws_header(h, FWI_WS_BINARY, 126), 4);
    ck_assert(memcmp(h, "\x82\x7e\0\x7e", 4) == 0);
    ck_assert_uint_eq(fwi_ws_header(h, FWI_WS_TEXT, 65535), 4);
    ck_assert_uint_eq(fwi_ws_header(h, FWI_WS_TEXT, 65536), 10);
    ck_assert(memcmp(h, "\x81\x7f\0\0\0\0\0\x01\0\0", 10) == 0);
    ck_assert_uint_eq(fwi_ws_header(h, FWI_WS_CLOSE, 0), 2);
    ck_assert(memcmp(h, "\x88\0", 2) == 0);
}
END_TEST

START_TEST(a_close_reason_is_cut_at_the_end_of_a_character)
{
    uint8_t out[FWI_WS_CONTROL_MAX];
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1000, "bye"), 5);
    ck_assert(memcmp(out,
                     "\x03\xe8"
                     "bye",
                     5) == 0);
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1005, "bye"), 0);
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1001, NULL), 2);
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1001, "\xff"), 2);
    char reason[201];
    memset(reason, 'a', 200);
    reason[200] = '\0';
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1001, reason), 125);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* ends at 124: one too many */
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1001, reason), 2 + 121);
    memcpy(reason + 120,
           "\xe2\x82\xac"
           "aaa",
           6); /* ends at 123: fits */
    ck_assert_uint_eq(fwi_ws_close_payload(out, 1001, reason), 125);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ws_codec");
    TCase *tc = tcase_create("ws_codec");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_example_of_the_rfc_is_hello);
    tcase_add_test(tc, every_length_comes_through);
    tcase_add_test(tc, fragments_are_put_together);
    tcase_add_test(tc, control_frames_may_stand_inside_a_message);
    tcase_add_test(tc, a_character_may_be_split_between_fragments);
    tcase_add_test(tc, binary_may_be_anything);
    tcase_add_test(tc, a_control_frame_may_have_125_bytes);
    tcase_add_test(tc, nothing_is_decoded_behind_a_close);
    tcase_add_test(tc, the_limit_itself_is_allowed);
    tcase_add_test(tc, whole_messages_are_delivered_where_they_lie);
    tcase_add_test(tc, memory_grows_with_what_came_not_with_what_was_announced);
    tcase_add_test(tc, the_sink_may_end_the_decoder);
    tcase_add_loop_test(tc, random_streams_come_through_any_split, 0, 10);
    tcase_add_test(tc, headers_take_the_shortest_length);
    tcase_add_test(tc, a_close_reason_is_cut_at_the_end_of_a_character);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
