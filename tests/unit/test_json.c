/*
 * JSON by RFC 8259: what is well-formed is taken and nothing else; what is inside is
 * found where it lies; what is written can be read.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

static const char *const good[] = {
    "null",
    "true",
    " false ",
    "0",
    "-0",
    "-0.5e-7",
    "1E+3",
    "123456789012345678901234567890",
    "\"\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\"",
    "\"\\ud800\"", /* half a pair: RFC 8259 8.2 leaves it open; the bytes are ASCII */
    "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"",
    "[]",
    "[ ]",
    "{}",
    "\t{\r\n}\t",
    "[1,2 , [ 3 ],{\"a\":[]}]",
    "{\"a\":1,\"b\":{\"a\":null},\"\":\"\"}",
    "{\"a\" : 1 , \"a\" : 2}",
};

static const struct {
    const char *text;
    size_t bad;
} wrong[] = {
    {"", 0},
    {"  ", 2},
    {"nul", 3},
    {"nulL", 3},
    {"truefalse", 4},
    {"1 2", 2},
    {"01", 1},
    {"+1", 0},
    {"-", 1},
    {"-a", 1},
    {"1.", 2},
    {".5", 0},
    {"1.e3", 2},
    {"1e", 2},
    {"1e+", 3},
    {"0x10", 1},
    {"NaN", 0},
    {"Infinity", 0},
    {"'a'", 0},
    {"\"", 1},
    {"\"a", 2},
    {"\"\\", 2},
    {"\"\\\"", 3},
    {"\"\\x41\"", 2},
    {"\"\\u12g4\"", 5},
    {"\"\\u12", 5},
    {"\"\t\"", 1},
    {"\"\n\"", 1},
    {"\"\x80\"", 1},
    {"\"\xc0\xaf\"", 1},
    {"\"\xed\xa0\x80\"", 1},
    {"\"\xf4\x90\x80\x80\"", 1},
    {"[", 1},
    {"]", 0},
    {"[1", 2},
    {"[1,", 3},
    {"[1,]", 3},
    {"[,1]", 1},
    {"[1 2]", 3},
    {"[1}", 2},
    {"[1]]", 3},
    {"{", 1},
    {"{]", 1},
    {"{a:1}", 1},
    {"{1:1}", 1},
    {"{\"a\"}", 4},
    {"{\"a\":}", 5},
    {"{\"a\":1,}", 7},
    {"{\"a\":1 \"b\":2}", 7},
    {"{\"a\":1]", 6},
    {"{\"a\":1}}", 7},
    {"/**/1", 0},
    {"\xef\xbb\xbf{}", 0},
};

START_TEST(what_is_well_formed_is_taken)
{
    fwi_json v;
    size_t bad;
    ck_assert_msg(fwi_json_read(good[_i], strlen(good[_i]), &v, &bad), "%s", good[_i]);
    ck_assert_int_ne(v.kind, FWI_JSON_NONE);
}
END_TEST

START_TEST(what_is_not_is_told_by_its_first_bad_byte)
{
    fwi_json v;
    size_t bad = 999, len = strlen(wrong[_i].text);
    /* A copy of its own size, so that a sanitizer sees a look past the end. */
    char *text = malloc(len + (len == 0));
    memcpy(text, wrong[_i].text, len);
    ck_assert_msg(!fwi_json_read(text, len, &v, &bad), "%s", wrong[_i].text);
    ck_assert_msg(bad == wrong[_i].bad, "%s: %zu", wrong[_i].text, bad);
    ck_assert_int_eq(v.kind, FWI_JSON_NONE);
    free(text);
}
END_TEST

START_TEST(every_beginning_of_a_text_is_refused_at_its_end)
{
    static const char text[] =
        "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\n\"],\"b\":{\"c\":{}}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        fwi_json v;
        size_t bad = 999;
        char *part = malloc(n + 1);
        memcpy(part, text, n);
        ck_assert(!fwi_json_read(part, n, &v, &bad));
        ck_assert_uint_eq(bad, n);
        free(part);
    }
}
END_TEST

START_TEST(depth_has_a_limit)
{
    char text[2 * FWI_JSON_DEPTH + 2];
    fwi_json v;
    size_t bad;
    memset(text, '[', FWI_JSON_DEPTH);
    memset(text + FWI_JSON_DEPTH, ']', FWI_JSON_DEPTH);
    ck_assert(fwi_json_read(text, 2 * (size_t)FWI_JSON_DEPTH, &v, NULL));
    memset(text, '[', FWI_JSON_DEPTH + 1);
    memset(text + FWI_JSON_DEPTH + 1, ']', FWI_JSON_DEPTH + 1);
    ck_assert(!fwi_json_read(text, sizeof text, &v, &bad));
    ck_assert_uint_eq(bad, FWI_JSON_DEPTH);
}
END_TEST

static fwi_json read_good(const char *text)
{
    fwi_json v;
    ck_assert(fwi_json_read(text, strlen(text), &v, NULL));
    return v;
}

static bool lies(const fwi_json *v, const char *text)
{
    return v->len == strlen(text) && memcmp(v->at, text, v->len) == 0;
}

START_TEST(members_are_found_with_the_bytes_they_were_written_with)
{
    fwi_json object =
        read_good(" {\"id\": 7 ,\"data\" :{\"a\" : [1, \"}\\\"\"]},\"n\":null,"
                  "\"e\\u006ed\":\"]\"} ");
    fwi_json v;
    ck_assert(fwi_json_get(&object, "id", &v) && lies(&v, "7"));
    ck_assert(fwi_json_get(&object, "data", &v) && lies(&v, "{\"a\" : [1, \"}\\\"\"]}"));
    ck_assert(fwi_json_get(&object, "end", &v) && lies(&v, "\"]\""));
    ck_assert(!fwi_json_get(&object, "n", &v) && v.kind == FWI_JSON_NONE);
    ck_assert(!fwi_json_get(&object, "a", &v) && v.kind == FWI_JSON_NONE);
    ck_assert(!fwi_json_get(&object, "i", &v));
    ck_assert(!fwi_json_get(&object, "id2", &v));
    fwi_json number = read_good("5");
    ck_assert(!fwi_json_get(&number, "id", &v));
}
END_TEST

START_TEST(arrays_and_objects_are_walked_to_their_end)
{
    fwi_json key, v, array = read_good("[ 1,[2,3] , \"a,]\" ,{}, true]");
    static const char *const want[] = {"1", "[2,3]", "\"a,]\"", "{}", "true"};
    fwi_json_walk w = fwi_json_inside(&array);
    for (int i = 0; i < 5; i++) {
        ck_assert(fwi_json_next(&w, NULL, &v));
        ck_assert(lies(&v, want[i]));
    }
    ck_assert(!fwi_json_next(&w, NULL, &v));
    fwi_json object = read_good("{ \"a\" :1 , \"b\": [ ] }");
    w = fwi_json_inside(&object);
    ck_assert(fwi_json_next(&w, &key, &v) && lies(&key, "\"a\"") && lies(&v, "1"));
    ck_assert(fwi_json_next(&w, &key, &v) && lies(&key, "\"b\"") && lies(&v, "[ ]"));
    ck_assert(!fwi_json_next(&w, &key, &v));
    static const char *const hollow[] = {"[ ]", "{ }", "7", "\"[1]\"", "null"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(hollow); i++) {
        fwi_json h = read_good(hollow[i]);
        w = fwi_json_inside(&h);
        ck_assert(!fwi_json_next(&w, &key, &v));
    }
}
END_TEST

START_TEST(values_in_a_row_come_one_by_one)
{
    const char *text = "{\"id\":1}\n{\"id\":2} []\n\n";
    static const char *const want[] = {"{\"id\":1}", "{\"id\":2}", "[]"};
    size_t at = 0, used, len = strlen(text);
    fwi_json v;
    for (int i = 0; i < 3; i++) {
        ck_assert(fwi_json_read_first(text + at, len - at, &v, &used, NULL));
        ck_assert(lies(&v, want[i]));
        at += used;
    }
    ck_assert_uint_eq(at, len);
    ck_assert(fwi_json_read_first(" \n", 2, &v, &used, NULL));
    ck_assert_int_eq(v.kind, FWI_JSON_NONE);
    ck_assert_uint_eq(used, 2);
    ck_assert(fwi_json_read_first(NULL, 0, &v, &used, NULL));
    ck_assert_int_eq(v.kind, FWI_JSON_NONE);
}
END_TEST

static const struct {
    const char *json, *text;
    size_t len;
} strings[] = {
    {"\"\"", "", 0},
    {"\"plain\"", "plain", 5},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"a\\u0041\\u00e9\\u20ac.\"", "aA\xc3\xa9\xe2\x82\xac.", 8},
    {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4},
    {"\"\\ud83d\"", "\xef\xbf\xbd", 3},
    {"\"\\ude00x\"", "\xef\xbf\xbdx", 4},
    {"\"\\ud83d\\u0041\"",
     "\xef\xbf\xbd"
     "A",
     4},
    {"\"\\ud83d\\\\u\"", "\xef\xbf\xbd\\u", 5},
    {"\"a\\u0000b\"", "a\0b", 3},
};

START_TEST(strings_are_taken_out_in_utf8)
{
    fwi_json v = read_good(strings[_i].json);
    fwi_buf out = {0};
    ck_assert(fwi_json_put_text_of(&out, &v));
    ck_assert_uint_eq(out.len, strings[_i].len);
    ck_assert(out.len == 0 || memcmp(out.data, strings[_i].text, out.len) == 0);
    bool whole = strlen(strings[_i].text) == strings[_i].len;
    ck_assert(fwi_json_is(&v, strings[_i].text) == whole);
    ck_assert(!fwi_json_is(&v, "something else"));
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(what_is_no_string_has_no_text)
{
    fwi_json v = read_good("17");
    fwi_buf out = {0};
    ck_assert(!fwi_json_put_text_of(&out, &v));
    ck_assert(!fwi_json_is(&v, "17"));
    fwi_buf_fini(&out);
}
END_TEST

START_TEST(whole_numbers_are_taken_if_they_fit)
{
    static const struct {
        const char *json;
        bool is_u, is_i;
        uint64_t u;
        int64_t i;
    } numbers[] = {
        {"0", true, true, 0, 0},
        {"-0", false, true, 0, 0},
        {"42", true, true, 42, 42},
        {"-42", false, true, 0, -42},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", true, false, (uint64_t)1 << 63, 0},
        {"-9223372036854775808", false, true, 0, INT64_MIN},
        {"-9223372036854775809", false, false, 0, 0},
        {"18446744073709551615", true, false, UINT64_MAX, 0},
        {"18446744073709551616", false, false, 0, 0},
        {"99999999999999999999999", false, false, 0, 0},
        {"1.0", false, false, 0, 0},
        {"1e3", false, false, 0, 0},
        {"\"1\"", false, false, 0, 0},
        {"true", false, false, 0, 0},
    };
    for (size_t n = 0; n < FWI_ARRAY_LEN(numbers); n++) {
        fwi_json v = read_good(numbers[n].json);
        uint64_t u = 0;
        int64_t i = 0;
        ck_assert_msg(fwi_json_to_u64(&v, &u) == numbers[n].is_u, "%s", numbers[n].json);
        ck_assert_msg(fwi_json_to_i64(&v, &i) == numbers[n].is_i, "%s", numbers[n].json);
        ck_assert_uint_eq(u, numbers[n].u);
        ck_assert_int_eq(i, numbers[n].i);
    }
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    char all[0x80];
    fwi_buf out = {0}, back = {0};
    fwi_json v;
    for (int c = 0; c < 0x80; c++) {
        all[c] = (char)c;
    }
    ck_assert(fwi_json_put_string(&out, all, sizeof all));
    ck_assert(memchr(out.data, '\n', out.len) == NULL);
    ck_assert(fwi_json_read(out.data, out.len, &v, NULL));
    ck_assert(fwi_json_put_text_of(&back, &v));
    ck_assert_uint_eq(back.len, sizeof all);
    ck_assert_mem_eq(back.data, all, sizeof all);
    fwi_buf_fini(&out);
    fwi_buf_fini(&back);
}
END_TEST

START_TEST(bytes_are_written_in_base64)
{
    static const char *const want[] = {"\"\"",        "\"Zg==\"",     "\"Zm8=\"",
                                       "\"Zm9v\"",    "\"Zm9vYg==\"", "\"Zm9vYmE=\"",
                                       "\"Zm9vYmFy\""};
    for (size_t n = 0; n <= 6; n++) {
        fwi_buf out = {0};
        ck_assert(fwi_json_put_base64(&out, "foobar", n));
        ck_assert_str_eq(fwi_buf_text(&out), want[n]);
        fwi_buf_fini(&out);
    }
}
END_TEST

START_TEST(a_value_passes_through_on_one_line)
{
    fwi_json v = read_good("{\n \"a\" : [1,\r\n2],\t\"b\":\"\\n\"}");
    fwi_buf out = {0};
    ck_assert(fwi_json_put_line(&out, &v));
    ck_assert_str_eq(fwi_buf_text(&out), "{ \"a\" : [1,2],\t\"b\":\"\\n\"}");
    fwi_buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_loop_test(tc, what_is_well_formed_is_taken, 0, FWI_ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_is_not_is_told_by_its_first_bad_byte, 0,
                        FWI_ARRAY_LEN(wrong));
    tcase_add_test(tc, every_beginning_of_a_text_is_refused_at_its_end);
    tcase_add_test(tc, depth_has_a_limit);
    tcase_add_test(tc, members_are_found_with_the_bytes_they_were_written_with);
    tcase_add_test(tc, arrays_and_objects_are_walked_to_their_end);
    tcase_add_test(tc, values_in_a_row_come_one_by_one);
    tcase_add_loop_test(tc, strings_are_taken_out_in_utf8, 0, FWI_ARRAY_LEN(strings));
    tcase_add_test(tc, what_is_no_string_has_no_text);
    tcase_add_test(tc, whole_numbers_are_taken_if_they_fit);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, bytes_are_written_in_base64);
    tcase_add_test(tc, a_value_passes_through_on_one_line);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
