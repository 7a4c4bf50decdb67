/*
 * One connection to Redis, with a peer that the test plays.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_link.h"
#include "support/fake_loop.h"

static fwi_loop *loop;
static fwi_redis_link *link_;
static fwi_redis_config config;
static const fwi_log silent;
static unsigned lives, downs, replies;
static char why[512];
static bool disconnect_on_reply;

static void on_live(void *user)
{
    (void)user;
    lives++;
}

static void on_reply(void *user, const fwi_redis_reply *reply)
{
    (void)user;
    (void)reply;
    replies++;
    if (disconnect_on_reply) {
        fwi_redis_link_disconnect(link_, "enough");
    }
}

static void on_down(void *user, const char *text)
{
    (void)user;
    downs++;
    snprintf(why, sizeof why, "%s", text);
}

static const fwi_redis_link_events events = {on_live, on_reply, on_down};

static void begin(void)
{
    lives = downs = replies = 0;
    why[0] = '\0';
    disconnect_on_reply = false;
    memset(&config, 0, sizeof config);
    config.log = &silent;
    config.node = 0xabc;
    ck_assert_ptr_null(fwi_redis_url_parse("redis://127.0.0.1", &config.url));
    loop = fake_loop_new(NULL, NULL);
    link_ = fwi_redis_link_new(loop, &config, "test", &events, NULL);
}

static void end(void)
{
    fwi_redis_link_free(link_);
    fake_loop_free(loop);
}

static fake_stream *connect_link(void)
{
    ck_assert(fwi_redis_link_open(link_));
    fake_stream *s = fake_loop_last_stream(loop);
    fake_stream_open(s);
    return s;
}

static fake_stream *live_link(void)
{
    fake_stream *s = connect_link();
    fake_stream_feed_text(s, "+OK\r\n+PONG\r\n");
    ck_assert_uint_eq(lives, 1);
    return s;
}

START_TEST(only_the_steps_in_the_table_are_allowed)
{
    static const struct {
        fwi_redis_link_state from, to;
    } rows[] = {
        {FWI_REDIS_LINK_IDLE, FWI_REDIS_LINK_CONNECTING},
        {FWI_REDIS_LINK_CONNECTING, FWI_REDIS_LINK_GREETING},
        {FWI_REDIS_LINK_CONNECTING, FWI_REDIS_LINK_CLOSED},
        {FWI_REDIS_LINK_GREETING, FWI_REDIS_LINK_LIVE},
        {FWI_REDIS_LINK_GREETING, FWI_REDIS_LINK_CLOSED},
        {FWI_REDIS_LINK_LIVE, FWI_REDIS_LINK_CLOSED},
        {FWI_REDIS_LINK_CLOSED, FWI_REDIS_LINK_CONNECTING},
    };
    for (int from = 0; from < FWI_REDIS_LINK_STATES; from++) {
        for (int to = 0; to < FWI_REDIS_LINK_STATES; to++) {
            bool want = false;
            for (size_t i = 0; i < FWI_ARRAY_LEN(rows); i++) {
                want = want || ((int)rows[i].from == from && (int)rows[i].to == to);
            }
            ck_assert_msg(fwi_redis_link_may((fwi_redis_link_state)from,
                                             (fwi_redis_link_state)to) == want,
                          "%d -> %d", from, to);
        }
    }
}
END_TEST

#define SETNAME                                                                          \
    "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$24\r\nfanwire-0000000000000abc\r\n"
#define PING "*1\r\n$4\r\nPING\r\n"

static const struct {
    const char *url, *want;
} greetings[] = {
    {"redis://h", SETNAME PING},
    {"redis://:pw@h", "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n" SETNAME PING},
    {"redis://me:pw@h/7", "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n*2\r\n$"
                          "6\r\nSELECT\r\n$1\r\n7\r\n" SETNAME PING},
};

START_TEST(the_greeting_goes_out_in_one_write)
{
    ck_assert_ptr_null(fwi_redis_url_parse(greetings[_i].url, &config.url));
    fake_stream *s = connect_link();
    ck_assert_str_eq(fwi_buf_text(fake_stream_written(s)), greetings[_i].want);
    ck_assert_uint_eq(fake_stream_writes(s), 1);
}
END_TEST

static const struct {
    const char *name, *answer, *why; /* why NULL: live */
} answers[] = {
    {"all well", "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n", NULL},
    {"the name is refused", "+OK\r\n+OK\r\n-NOPERM\r\n+PONG\r\n", NULL},
    {"password", "-WRONGPASS no\r\n-NOAUTH\r\n", "AUTH: WRONGPASS no"},
    {"database", "+OK\r\n-ERR DB index is out of range\r\n", "SELECT: ERR DB index"},
    {"loading", "+OK\r\n+OK\r\n+OK\r\n-LOADING soon\r\n", "PING: LOADING soon"},
    {"not redis at all", "HTTP/1.1 400 Bad Request\r\n", "not what Redis says"},
    {"control characters", "-ERR \x1b[31m\r\n", "AUTH: ERR \\x1b[31m"},
    {"an endless array", "*2147483647999\r\n", "not what Redis says"},
};

START_TEST(the_greeting_ends_live_or_with_a_reason)
{
    ck_assert_ptr_null(fwi_redis_url_parse("redis://me:pw@h/7", &config.url));
    fake_stream *s = connect_link();
    fake_stream_feed_text(s, answers[_i].answer);
    if (answers[_i].why == NULL) {
        ck_assert_msg(lives == 1 && downs == 0, "%s: %s", answers[_i].name, why);
    } else {
        ck_assert_msg(lives == 0 && downs == 1 && strstr(why, answers[_i].why) != NULL,
                      "%s: %s", answers[_i].name, why);
        ck_assert(fake_stream_is_closed(s));
    }
}
END_TEST

START_TEST(a_silent_server_is_given_up)
{
    fake_stream *s = connect_link();
    fake_loop_advance(loop, 2999);
    ck_assert_uint_eq(downs, 0);
    fake_loop_advance(loop, 2);
    ck_assert_uint_eq(downs, 1);
    ck_assert(fake_stream_is_closed(s));
}
END_TEST

START_TEST(replies_come_whole_whatever_the_pieces)
{
    fake_stream *s = live_link();
    const char text[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n:5\r\n$-1\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        fake_stream_feed(s, text + i, 1);
    }
    ck_assert_uint_eq(replies, 3);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(commands_are_gathered_and_written_once)
{
    fake_stream *s = live_link();
    unsigned before = fake_stream_writes(s);
    const char *argv[] = {"PING"};
    const size_t len = 4;
    for (int i = 0; i < 100; i++) {
        ck_assert(fwi_redis_link_send(link_, 1, argv, &len));
    }
    ck_assert_uint_eq(fake_stream_writes(s), before);
    fwi_redis_link_flush(link_);
    fwi_redis_link_flush(link_);
    ck_assert_uint_eq(fake_stream_writes(s), before + 1);
}
END_TEST

START_TEST(disconnecting_inside_a_reply_ends_the_replies)
{
    fake_stream *s = live_link();
    disconnect_on_reply = true;
    fake_stream_feed_text(s, ":1\r\n:2\r\n:3\r\n");
    ck_assert_uint_eq(replies, 1);
    ck_assert_uint_eq(downs, 1);
    ck_assert_str_eq(why, "enough");
}
END_TEST

START_TEST(a_lost_link_tells_why_and_can_be_opened_again)
{
    fake_stream *s = live_link();
    fake_stream_fail(s, "connection reset");
    ck_assert_str_eq(why, "connection reset");
    ck_assert_int_eq(fwi_redis_link_get_state(link_), FWI_REDIS_LINK_CLOSED);
    lives = 0;
    live_link();
    ck_assert_int_eq(fwi_redis_link_get_state(link_), FWI_REDIS_LINK_LIVE);
}
END_TEST

START_TEST(closing_is_silent)
{
    live_link();
    fwi_redis_link_close(link_);
    fwi_redis_link_close(link_);
    fwi_redis_link_disconnect(link_, "nobody hears this");
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(no_memory_for_a_stream_leaves_it_closed)
{
    fake_loop_fail_opens(loop, 1);
    ck_assert(!fwi_redis_link_open(link_));
    live_link();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_link");
    TCase *tc = tcase_create("link");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, only_the_steps_in_the_table_are_allowed);
    tcase_add_loop_test(tc, the_greeting_goes_out_in_one_write, 0,
                        (int)FWI_ARRAY_LEN(greetings));
    tcase_add_loop_test(tc, the_greeting_ends_live_or_with_a_reason, 0,
                        (int)FWI_ARRAY_LEN(answers));
    tcase_add_test(tc, a_silent_server_is_given_up);
    tcase_add_test(tc, replies_come_whole_whatever_the_pieces);
    tcase_add_test(tc, commands_are_gathered_and_written_once);
    tcase_add_test(tc, disconnecting_inside_a_reply_ends_the_replies);
    tcase_add_test(tc, a_lost_link_tells_why_and_can_be_opened_again);
    tcase_add_test(tc, closing_is_silent);
    tcase_add_test(tc, no_memory_for_a_stream_leaves_it_closed);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
