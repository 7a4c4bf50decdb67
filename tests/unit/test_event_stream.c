/*
 * The text of events: lines of data, and ids as they are written and read.
 */
#include "wire/event_stream.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *name, *in, *want;
} texts[] = {
    {"one line", "hello", "data: hello\n\n"},
    {"nothing", "", "data: \n\n"},
    {"a blank in front", " x", "data:  x\n\n"},
    {"two lines", "a\nb", "data: a\ndata: b\n\n"},
    {"a line end behind", "a\n", "data: a\ndata: \n\n"},
    {"empty lines", "\n\n", "data: \ndata: \ndata: \n\n"},
    {"CRLF is one", "a\r\nb", "data: a\ndata: b\n\n"},
    {"CR alone", "a\rb\r", "data: a\ndata: b\ndata: \n\n"},
    {"LFCR are two", "a\n\rb", "data: a\ndata: \ndata: b\n\n"},
    {"what looks like a field", "id: 1\nevent: x", "data: id: 1\ndata: event: x\n\n"},
};

START_TEST(each_line_of_a_text_is_a_line_of_data)
{
    fwi_buf out;
    fwi_buf_init(&out);
    ck_assert(fwi_es_put_data(&out, texts[_i].in, strlen(texts[_i].in)));
    ck_assert_msg(strcmp(fwi_buf_text(&out), texts[_i].want) == 0, "%s: %s",
                  texts[_i].name, out.data);
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(an_id_is_read_as_it_was_written)
{
    const fwi_es_position all[] = {{fwi_es_room("news"), 0xc0ffee, 17},
                                   {fwi_es_room("chat"), UINT64_MAX, UINT64_MAX},
                                   {0, 1, 0}};
    fwi_buf out;
    size_t from;
    fwi_buf_init(&out);
    ck_assert(fwi_es_begin_id(&out, &from));
    for (size_t i = 0; i < FWI_ARRAY_LEN(all); i++) {
        ck_assert(fwi_es_put_position(&out, from, &all[i]));
    }
    ck_assert(fwi_es_end_id(&out, from));
    ck_assert_int_eq(out.data[out.len - 1], '\n');
    out.data[out.len - 1] = '\0';
    const char *at = out.data + from;
    for (size_t i = 0; i < FWI_ARRAY_LEN(all); i++) {
        fwi_es_position p;
        ck_assert(fwi_es_next(&at, &p));
        ck_assert_uint_eq(p.room, all[i].room);
        ck_assert_uint_eq(p.epoch, all[i].epoch);
        ck_assert_uint_eq(p.offset, all[i].offset);
    }
    ck_assert_str_eq(at, "");
    fwi_buf_fini(&out);
}
END_TEST

/* Other nodes read it, of this version and of later ones. */
START_TEST(the_number_of_a_room_never_changes)
{
    ck_assert_uint_eq(fwi_es_room(""), 0x811c9dc5);
    ck_assert_uint_eq(fwi_es_room("a"), 0xe40c292c);
    ck_assert_uint_eq(fwi_es_room("foobar"), 0xbf9cf968);
}
END_TEST

START_TEST(an_id_without_a_position_is_no_line_at_all)
{
    fwi_buf out;
    size_t from;
    fwi_buf_init(&out);
    ck_assert(fwi_buf_puts(&out, "x") && fwi_es_begin_id(&out, &from) &&
              fwi_es_end_id(&out, from));
    ck_assert_str_eq(fwi_buf_text(&out), "x");
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(an_id_fits_into_a_line_of_a_head_whatever_the_number_of_rooms)
{
    const fwi_es_position p = {UINT32_MAX, UINT64_MAX, UINT64_MAX};
    fwi_buf out;
    size_t from, n = 0;
    fwi_buf_init(&out);
    ck_assert(fwi_es_begin_id(&out, &from));
    for (int i = 0; i < 1000; i++) {
        ck_assert(fwi_es_put_position(&out, from, &p));
    }
    ck_assert_uint_le(out.len - from, FWI_ES_ID_MAX);
    const char *at = fwi_buf_text(&out) + from;
    for (fwi_es_position q; fwi_es_next(&at, &q); n++) {
    }
    ck_assert_str_eq(at, "");
    ck_assert_uint_ge(n, 128); /* limit.rooms_per_session, as it is at first */
    fwi_buf_fini(&out);
}
END_TEST

static const char *const bad[] = {
    "",
    "42",
    "e40c292c",
    "e40c292c:",
    "e40c292c:00c0ffee00c0ffee",
    "e40c292c:00c0ffee00c0ffee/",
    "e40c292c:00c0ffee00c0ffee/x",
    "e40c292c:00c0ffee00c0ffee/1x",
    "e40c292c:00c0ffee00c0ffee/1,",
    "e40c292c:00c0ffee00c0ffee/-1",
    "e40c292c:00c0ffee00c0ffee/18446744073709551616",
    "e40c292c:00c0ffee00c0ffe/1",
    "e40c292c:00c0ffee00c0ffee0/1",
    "e40c292:00c0ffee00c0ffee/1",
    "e40c292g:00c0ffee00c0ffee/1",
    "e40c292c/00c0ffee00c0ffee/1",
    " e40c292c:00c0ffee00c0ffee/1",
};

START_TEST(what_is_no_id_of_ours_is_not_read)
{
    const char *at = bad[_i];
    fwi_es_position p;
    ck_assert_msg(!fwi_es_next(&at, &p), "%s", bad[_i]);
    ck_assert_ptr_eq(at, bad[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_stream");
    TCase *tc = tcase_create("events");
    tcase_add_loop_test(tc, each_line_of_a_text_is_a_line_of_data, 0,
                        FWI_ARRAY_LEN(texts));
    suite_add_tcase(suite, tc);
    tc = tcase_create("ids");
    tcase_add_test(tc, an_id_is_read_as_it_was_written);
    tcase_add_test(tc, the_number_of_a_room_never_changes);
    tcase_add_test(tc, an_id_without_a_position_is_no_line_at_all);
    tcase_add_test(tc, an_id_fits_into_a_line_of_a_head_whatever_the_number_of_rooms);
    tcase_add_loop_test(tc, what_is_no_id_of_ours_is_not_read, 0, FWI_ARRAY_LEN(bad));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
