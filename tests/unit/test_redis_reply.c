/*
 * Replies of Redis as flat values.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_reply.h"

static fwi_redis_reader *reader;

static void begin(void)
{
    reader = fwi_redis_reader_new();
    ck_assert_ptr_nonnull(reader);
    ck_assert(fwi_redis_reader_begin(reader));
}

static void end(void)
{
    fwi_redis_reader_free(reader);
}

static const fwi_redis_reply *next(void)
{
    const char *why;
    const fwi_redis_reply *reply = fwi_redis_reader_next(reader, &why);
    ck_assert_msg(why == NULL, "%s", why);
    return reply;
}

static const fwi_redis_reply *read_text(const char *text)
{
    ck_assert(fwi_redis_reader_feed(reader, text, strlen(text)));
    return next();
}

static const struct {
    const char *name, *text;
    fwi_redis_type type;
    const char *str;
    long long integer;
} plain[] = {
    {"status", "+PONG\r\n", FWI_REDIS_STATUS, "PONG", 0},
    {"error", "-ERR no\r\n", FWI_REDIS_ERROR, "ERR no", 0},
    {"integer", ":42\r\n", FWI_REDIS_INTEGER, "", 42},
    {"below zero", ":-1\r\n", FWI_REDIS_INTEGER, "", -1},
    {"string", "$2\r\nhi\r\n", FWI_REDIS_STRING, "hi", 0},
    {"empty string", "$0\r\n\r\n", FWI_REDIS_STRING, "", 0},
    {"nil", "$-1\r\n", FWI_REDIS_NIL, "", 0},
    {"nil array", "*-1\r\n", FWI_REDIS_NIL, "", 0},
    {"empty array", "*0\r\n", FWI_REDIS_ARRAY, "", 0},
};

START_TEST(a_plain_reply_has_its_type_and_value)
{
    const fwi_redis_reply *r = read_text(plain[_i].text);
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(r->whole.type == plain[_i].type, "%s", plain[_i].name);
    ck_assert_str_eq(r->whole.str, plain[_i].str);
    ck_assert_uint_eq(r->whole.len, strlen(plain[_i].str));
    ck_assert_int_eq(r->whole.integer, plain[_i].integer);
    ck_assert_uint_eq(r->parts, 0);
}
END_TEST

static void expect_message(const fwi_redis_reply *r)
{
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(r->whole.type, FWI_REDIS_ARRAY);
    ck_assert_uint_eq(r->parts, 3);
    ck_assert_str_eq(r->part[0].str, "message");
    ck_assert_str_eq(r->part[1].str, "c");
    ck_assert_uint_eq(r->part[2].len, 3);
    ck_assert_mem_eq(r->part[2].str, "h\0i", 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(r->part[i].type, FWI_REDIS_STRING);
    }
}

static const char message[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nh\0i\r\n";

START_TEST(a_message_is_whole_whatever_the_pieces)
{
    for (size_t cut = 1; cut < sizeof message - 1; cut++) {
        ck_assert(fwi_redis_reader_feed(reader, message, cut));
        ck_assert_ptr_null(next());
        ck_assert(fwi_redis_reader_feed(reader, message + cut, sizeof message - 1 - cut));
        expect_message(next());
        ck_assert_ptr_null(next());
    }
}
END_TEST

START_TEST(a_reply_shows_nothing_of_the_one_before)
{
    expect_message((fwi_redis_reader_feed(reader, message, sizeof message - 1), next()));
    const fwi_redis_reply *r = read_text(":7\r\n");
    ck_assert_uint_eq(r->parts, 0);
    ck_assert_str_eq(r->whole.str, "");
    r = read_text("*2\r\n$1\r\nx\r\n:5\r\n");
    ck_assert_uint_eq(r->parts, 2);
    ck_assert_int_eq(r->part[0].integer, 0);
    ck_assert_int_eq(r->part[1].integer, 5);
    ck_assert_str_eq(r->part[1].str, "");
}
END_TEST

START_TEST(a_part_may_be_as_large_as_redis_allows)
{
    enum { LARGE = 20 * 1024 * 1024 };
    char head[64];
    char *body = malloc(LARGE);
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', LARGE);
    for (int round = 0; round < 2; round++) {
        snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n", LARGE);
        ck_assert(fwi_redis_reader_feed(reader, head, strlen(head)));
        ck_assert_ptr_null(next());
        ck_assert(fwi_redis_reader_feed(reader, body, LARGE));
        ck_assert_ptr_null(next());
        const fwi_redis_reply *r = read_text("\r\n");
        ck_assert_ptr_nonnull(r);
        ck_assert_uint_eq(r->part[2].len, LARGE);
        ck_assert_int_eq(memcmp(r->part[2].str, body, LARGE), 0);
        ck_assert_str_eq(r->part[0].str, "message");
    }
    free(body);
}
END_TEST

START_TEST(of_an_array_in_an_array_only_that_is_kept)
{
    const fwi_redis_reply *r =
        read_text("*3\r\n$1\r\na\r\n*2\r\n$4\r\ndeep\r\n:9\r\n$1\r\nb\r\n");
    ck_assert_uint_eq(r->parts, 3);
    ck_assert_int_eq(r->part[1].type, FWI_REDIS_ARRAY);
    ck_assert_str_eq(r->part[0].str, "a");
    ck_assert_str_eq(r->part[2].str, "b");
}
END_TEST

static const struct {
    const char *name, *text, *why;
} wrong[] = {
    {"too many parts", "*5\r\n", "more parts"},
    {"a million parts", "*1000000\r\n", "more parts"},
    {"too many in a part", "*1\r\n*5\r\n", "more parts"},
    {"too deep", "*1\r\n*1\r\n*1\r\n", "too deep"},
    {"another protocol", "HTTP/1.1 400\r\n", "H"},
};

START_TEST(what_we_never_ask_for_is_an_error)
{
    const char *why;
    ck_assert(fwi_redis_reader_feed(reader, wrong[_i].text, strlen(wrong[_i].text)));
    const fwi_redis_reply *r = fwi_redis_reader_next(reader, &why);
    ck_assert_ptr_null(r);
    ck_assert_msg(why != NULL && strstr(why, wrong[_i].why) != NULL, "%s: %s",
                  wrong[_i].name, why);

    ck_assert(fwi_redis_reader_begin(reader));
    ck_assert_ptr_nonnull(read_text(":1\r\n"));
}
END_TEST

static const char *const later[] = {
    "_\r\n",
    ",1.5\r\n",
    "#t\r\n",
    "(12345\r\n",
    "=5\r\ntxt:x\r\n",
    "%1\r\n+a\r\n:1\r\n",
    ">2\r\n+a\r\n:1\r\n",
    "~1\r\n:1\r\n",
};

/* Which it is depends on the version of hiredis. */
START_TEST(what_a_later_protocol_says_is_an_error_or_nothing_we_use)
{
    const char *why;
    ck_assert(fwi_redis_reader_feed(reader, later[_i], strlen(later[_i])));
    const fwi_redis_reply *r = fwi_redis_reader_next(reader, &why);
    ck_assert((r == NULL) == (why != NULL));
    if (r != NULL) {
        ck_assert(r->whole.type == FWI_REDIS_OTHER || r->whole.type == FWI_REDIS_NIL);
        ck_assert_str_eq(r->whole.str, "");
    }
}
END_TEST

START_TEST(a_reply_outlives_the_connection_it_came_by)
{
    const fwi_redis_reply *r = read_text("-NOAUTH first\r\n");
    fwi_redis_reader_end(reader);
    ck_assert_str_eq(r->whole.str, "NOAUTH first");
    ck_assert(fwi_redis_reader_begin(reader));
    ck_assert_str_eq(r->whole.str, "NOAUTH first");
}
END_TEST

START_TEST(half_a_reply_is_forgotten_with_its_connection)
{
    ck_assert_ptr_null(read_text("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nh"));
    ck_assert(fwi_redis_reader_begin(reader));
    ck_assert_int_eq(read_text("+OK\r\n")->whole.type, FWI_REDIS_STATUS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_reply");
    TCase *tc = tcase_create("reply");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_loop_test(tc, a_plain_reply_has_its_type_and_value, 0,
                        (int)FWI_ARRAY_LEN(plain));
    tcase_add_test(tc, a_message_is_whole_whatever_the_pieces);
    tcase_add_test(tc, a_reply_shows_nothing_of_the_one_before);
    tcase_add_test(tc, a_part_may_be_as_large_as_redis_allows);
    tcase_add_test(tc, of_an_array_in_an_array_only_that_is_kept);
    tcase_add_loop_test(tc, what_we_never_ask_for_is_an_error, 0,
                        (int)FWI_ARRAY_LEN(wrong));
    tcase_add_loop_test(tc, what_a_later_protocol_says_is_an_error_or_nothing_we_use, 0,
                        (int)FWI_ARRAY_LEN(later));
    tcase_add_test(tc, a_reply_outlives_the_connection_it_came_by);
    tcase_add_test(tc, half_a_reply_is_forgotten_with_its_connection);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
