/*
 * The growing buffer: what goes in comes out, whatever the sizes.
 */
#include <check.h>
#include <string.h>

#include "base/buf.h"
#include "base/rand.h"

START_TEST(appended_bytes_come_out_in_order)
{
    static char want[200000];
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_rand rnd;
    fwi_rand_init(&rnd, 42);
    size_t len = 0;
    while (len < sizeof want - 2000) {
        size_t n = (size_t)fwi_rand_between(&rnd, 0, 1999);
        for (size_t i = 0; i < n; i++) {
            want[len + i] = (char)fwi_rand_next(&rnd);
        }
        ck_assert(fwi_buf_append(&b, want + len, n));
        len += n;
    }
    ck_assert_uint_eq(b.len, len);
    ck_assert(b.cap >= b.len);
    ck_assert(memcmp(b.data, want, len) == 0);
    fwi_buf_fini(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len + b.cap, 0);
}
END_TEST

START_TEST(nothing_may_be_appended_to_nothing)
{
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert(fwi_buf_append(&b, NULL, 0));
    ck_assert(fwi_buf_reserve(&b, 0));
    fwi_buf_consume(&b, 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_str_eq(fwi_buf_text(&b), "");
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(consuming_drops_the_first_bytes)
{
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_buf_puts(&b, "hello world");
    fwi_buf_consume(&b, 6);
    ck_assert_str_eq(fwi_buf_text(&b), "world");
    fwi_buf_consume(&b, 5);
    ck_assert_uint_eq(b.len, 0);
    fwi_buf_puts(&b, "again");
    ck_assert_str_eq(fwi_buf_text(&b), "again");
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(reserved_room_is_not_moved_again)
{
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert(fwi_buf_reserve(&b, 1000));
    const char *data = b.data;
    for (int i = 0; i < 1000; i++) {
        ck_assert(fwi_buf_append(&b, "x", 1));
    }
    ck_assert_ptr_eq(b.data, data);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(an_impossible_size_is_refused_and_changes_nothing)
{
    fwi_buf b;
    fwi_buf_init(&b);
    fwi_buf_puts(&b, "abc");
    ck_assert(!fwi_buf_reserve(&b, SIZE_MAX));
    ck_assert(!fwi_buf_reserve(&b, SIZE_MAX - 2));
    ck_assert(!fwi_buf_reserve(&b, SIZE_MAX / 2));
    ck_assert_str_eq(fwi_buf_text(&b), "abc");
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(printf_appends_text_of_any_length)
{
    char big[5000];
    memset(big, 'y', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert(fwi_buf_printf(&b, "%s=%d;", "a", 7));
    ck_assert(fwi_buf_printf(&b, "%s", big));
    ck_assert(fwi_buf_printf(&b, "%s", ""));
    ck_assert_uint_eq(b.len, 4 + sizeof big - 1);
    ck_assert(memcmp(b.data, "a=7;yyy", 7) == 0);
    ck_assert_uint_eq(strlen(fwi_buf_text(&b)), b.len);
    fwi_buf_fini(&b);
}
END_TEST

static const struct {
    uint64_t us;
    const char *text;
} seconds[] = {
    {0, "0.000000"},
    {999999, "0.999999"},
    {1000250, "1.000250"},
    {UINT64_MAX, "18446744073709.551615"},
};

START_TEST(seconds_have_six_digits_behind_the_point)
{
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert(fwi_buf_puts(&b, "x="));
    ck_assert(fwi_buf_put_seconds(&b, seconds[_i].us));
    ck_assert_str_eq(fwi_buf_text(&b) + 2, seconds[_i].text);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(the_nul_of_text_is_not_counted)
{
    fwi_buf b;
    fwi_buf_init(&b);
    for (size_t i = 0; i < 130; i++) { /* across the sizes at which it grows */
        ck_assert_uint_eq(strlen(fwi_buf_text(&b)), i);
        fwi_buf_puts(&b, "z");
        ck_assert_uint_eq(b.len, i + 1);
    }
    fwi_buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");
    tcase_add_test(tc, appended_bytes_come_out_in_order);
    tcase_add_test(tc, nothing_may_be_appended_to_nothing);
    tcase_add_test(tc, consuming_drops_the_first_bytes);
    tcase_add_test(tc, reserved_room_is_not_moved_again);
    tcase_add_test(tc, an_impossible_size_is_refused_and_changes_nothing);
    tcase_add_test(tc, printf_appends_text_of_any_length);
    tcase_add_loop_test(tc, seconds_have_six_digits_behind_the_point, 0,
                        (int)(sizeof seconds / sizeof seconds[0]));
    tcase_add_test(tc, the_nul_of_text_is_not_counted);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
