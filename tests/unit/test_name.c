/*
 * Which names are allowed, and their way to Redis and back.
 */
#include <check.h>
#include <string.h>

#include "base/rand.h"
#include "wire/name.h"

#define B(s) s, sizeof(s) - 1

static const struct {
    const char *name;
    size_t len;
    bool ok;
} names[] = {
    {B("lobby"), true},
    {B("a b/c:d{e}%"), true},
    {B("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80"), true},
    {B("\xc2\xa0"), true}, /* the first behind the control characters */
    {B(""), false},
    {B("a\nb"), false},
    {B("a\tb"), false},
    {B("a\0b"), false},
    {B("a\x1f"), false},
    {B("a\x7f"), false},
    {B("\xc2\x80"), false},
    {B("a\xc2\x9f"), false},
    {B("\xff"), false},
    {B("\xc3"), false},
    {B("\xed\xa0\x80"), false},
};

START_TEST(names_are_text_without_control_characters)
{
    const char *problem = fwi_name_problem(names[_i].name, names[_i].len);
    ck_assert_msg((problem == NULL) == names[_i].ok, "%s", names[_i].name);
}
END_TEST

START_TEST(a_name_has_at_most_255_bytes)
{
    char name[256];
    memset(name, 'n', sizeof name);
    ck_assert_ptr_null(fwi_name_problem(name, 255));
    ck_assert_ptr_nonnull(fwi_name_problem(name, 256));
}
END_TEST

static const struct {
    const char *room, *user;
    bool is_for;
} guests[] = {
    {"a", "", true},
    {"a", "ann", true},
    {"a#ann", "ann", true},
    {"a#ann", "bob", false},
    {"a#ann", "", false},
    {"a#ann,bob", "bob", true},
    {"a#ann,bob", "an", false},
    {"a#ann,bob", "bo", false},
    {"a#ann,bob", "ann,bob", false},
    {"a#", "ann", false},
    {"a#", "", false},
    {"a#,", "", false},
    {"a#,ann", "ann", true},
    {"a#b#ann", "ann", true},
    {"a#ann#b", "ann", false},
    {"$a", "ann", false},
    {"$a#ann", "ann", false},
    {"a$", "", true},
};

START_TEST(a_rooms_name_may_say_whom_it_is_for)
{
    ck_assert_msg(fwi_name_is_for(guests[_i].room, guests[_i].user) == guests[_i].is_for,
                  "%s, %s", guests[_i].room, guests[_i].user);
}
END_TEST

START_TEST(braces_and_percent_are_escaped)
{
    fwi_buf b = {0};
    ck_assert(fwi_name_to_redis(&b, "fanwire", "r:a{b}c%d"));
    ck_assert_str_eq(fwi_buf_text(&b), "fanwire:r:a%7Bb%7Dc%25d");
    b.len = 0;
    ck_assert(fwi_name_to_redis(&b, "p", "all"));
    ck_assert_str_eq(fwi_buf_text(&b), "p:all");
    fwi_buf_fini(&b);
}
END_TEST

static const struct {
    const char *data;
    size_t len;
    const char *want; /* NULL: refused */
} channels[] = {
    {B("fanwire:r:lobby"), "r:lobby"},
    {B("fanwire:all"), "all"},
    {B("fanwire:r:a%7Bb%7Dc%25d"), "r:a{b}c%d"},
    {B("fanwire:r:%7b%7d"), "r:{}"},
    {B("fanwire:r:100%"), "r:100%"},
    {B("fanwire:r:1%2"), "r:1%2"},
    {B("fanwire:r:%41%zz"), "r:%41%zz"},
    {B("fanwire:r:%257B"), "r:%7B"},
    {B("fanwire:"), NULL},
    {B("fanwire"), NULL},
    {B("fanwirex:r:a"), NULL},
    {B("other:r:a"), NULL},
    {B(""), NULL},
    {B("fanwire:r:a\0b"), NULL},
    {B("fanwire:r:1234567890"), NULL}, /* does not fit */
    {B("fanwire:r:123456789"), "r:123456789"},
};

START_TEST(channels_are_read_back)
{
    char out[12];
    long n = fwi_name_from_redis("fanwire", channels[_i].data, channels[_i].len, out,
                                 sizeof out);
    if (channels[_i].want == NULL) {
        ck_assert_msg(n == -1, "%s", channels[_i].data);
    } else {
        ck_assert_int_eq(n, (long)strlen(channels[_i].want));
        ck_assert_str_eq(out, channels[_i].want);
    }
}
END_TEST

START_TEST(any_channel_comes_back_as_it_was)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 5);
    for (int i = 0; i < 2000; i++) {
        static const char chars[] = "{}%257BDbdr:x\xc3\xa9";
        char channel[41] = "r:";
        size_t len = (size_t)fwi_rand_between(&rnd, 3, 40);
        for (size_t k = 2; k < len; k++) {
            channel[k] = chars[fwi_rand_between(&rnd, 0, sizeof chars - 2)];
        }
        fwi_buf b = {0};
        char out[64];
        ck_assert(fwi_name_to_redis(&b, "p", channel));
        ck_assert_int_eq(fwi_name_from_redis("p", b.data, b.len, out, sizeof out),
                         (long)len);
        ck_assert_str_eq(out, channel);
        ck_assert(memchr(b.data, '{', b.len) == NULL);
        fwi_buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("name");
    TCase *tc = tcase_create("name");
    tcase_add_loop_test(tc, a_rooms_name_may_say_whom_it_is_for, 0,
                        FWI_ARRAY_LEN(guests));
    tcase_add_loop_test(tc, names_are_text_without_control_characters, 0,
                        FWI_ARRAY_LEN(names));
    tcase_add_test(tc, a_name_has_at_most_255_bytes);
    tcase_add_test(tc, braces_and_percent_are_escaped);
    tcase_add_loop_test(tc, channels_are_read_back, 0, FWI_ARRAY_LEN(channels));
    tcase_add_test(tc, any_channel_comes_back_as_it_was);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
