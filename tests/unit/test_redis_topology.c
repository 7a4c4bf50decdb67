/*
 * The backplane with Sentinels that the test plays: who is asked, in which order, what of
 * their answers is believed, and what follows when the master becomes another one.
 */
#include "redis_backplane_rig.h"

#include "backplane/redis_topology.h"

static fake_stream *sentinel;

static void begin_with(const char *url)
{
    end();
    ck_assert_ptr_null(fwi_redis_url_parse(url, &config.url));
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, &sink, NULL);
    ck_assert_int_eq(bp->ops->start(bp), 0);
    fake_loop_advance(loop, 1);
    sentinel = fake_loop_last_stream(loop);
}

static void begin_sentinel(void)
{
    begin();
    begin_with("redis+sentinel://s1:1,s2:2,s3:3/m");
}

static void expect_target(const fake_stream *s, const char *host, int port)
{
    ck_assert_str_eq(fake_stream_target(s)->host, host);
    ck_assert_int_eq(fake_stream_target(s)->port, port);
}

/* The Sentinel that is being asked: its greeting is done, the question is out. */
static void greet_sentinel(const char *host, int port)
{
    sentinel = fake_loop_last_stream(loop);
    expect_target(sentinel, host, port);
    fake_stream_open(sentinel);
    fake_stream_feed_text(sentinel, "-ERR unknown command\r\n+PONG\r\n");
    ck_assert_ptr_nonnull(strstr(written(sentinel), "get-master-addr-by-name"));
    fake_stream_written(sentinel)->len = 0;
}

static void answer(const char *host, int port)
{
    char text[100], number[16];
    snprintf(number, sizeof number, "%d", port);
    snprintf(text, sizeof text, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(host), host,
             strlen(number), number);
    fake_stream_feed_text(sentinel, text);
    fake_loop_turn(loop);
}

/* Both links were opened to that server; it says which role it has. */
static void greet_server(const char *host, int port, const char *role)
{
    char text[100], line[40];
    size_t n = fake_loop_stream_count(loop);
    command = fake_loop_stream(loop, n - 2);
    subscriber = fake_loop_stream(loop, n - 1);
    expect_target(command, host, port);
    expect_target(subscriber, host, port);
    snprintf(line, sizeof line, "# Replication\r\nrole:%s\r\n", role);
    snprintf(text, sizeof text, "+OK\r\n$%zu\r\n%s\r\n+PONG\r\n", strlen(line), line);
    fake_stream_open(command);
    fake_stream_open(subscriber);
    fake_stream_feed_text(command, text);
    if (!fake_stream_is_closed(subscriber)) {
        fake_stream_feed_text(subscriber, text);
    }
    fake_loop_turn(loop);
}

static void up_at(const char *host, int port)
{
    greet_server(host, port, "master");
    forget_written();
    confirm("subscribe", PROBE_CHANNEL);
    answer_health();
    message_probe();
}

START_TEST(the_master_is_asked_for_and_both_links_go_there)
{
    greet_sentinel("s1", 1);
    answer("10.0.0.5", 6380);
    up_at("10.0.0.5", 6380);
    ck_assert_uint_eq(ups, 1);
    ck_assert(fake_stream_is_open(sentinel));
}
END_TEST

static const struct {
    const char *name, *says, *why;
} useless[] = {
    {"nil", "*-1\r\n", "knows no master"},
    {"an error", "-IDONTKNOW no\r\n", "IDONTKNOW no"},
    {"a number", ":1\r\n", "kind of answer"},
    {"one part", "*1\r\n$1\r\na\r\n", "kind of answer"},
    {"no port", "*2\r\n$1\r\na\r\n$1\r\nx\r\n", "address"},
    {"port 0", "*2\r\n$1\r\na\r\n$1\r\n0\r\n", "address"},
    {"more than a port", "*2\r\n$1\r\na\r\n$2\r\n1x\r\n", "address"},
    {"too large a port", "*2\r\n$1\r\na\r\n$5\r\n65536\r\n", "address"},
    {"no host", "*2\r\n$0\r\n\r\n$1\r\n1\r\n", "address"},
    {"a blank", "*2\r\n$3\r\na b\r\n$1\r\n1\r\n", "address"},
    {"rubbish", "HTTP/1.1 400\r\n", "not what Redis says"},
};

START_TEST(a_useless_answer_leads_to_the_next_sentinel)
{
    greet_sentinel("s1", 1);
    fake_stream_feed_text(sentinel, useless[_i].says);
    greet_sentinel("s2", 2);
    fake_stream_feed_text(sentinel, useless[_i].says);
    greet_sentinel("s3", 3);
    fake_stream_feed_text(sentinel, useless[_i].says);
    ck_assert_uint_eq(downs, 1);
    ck_assert_msg(strstr(why, useless[_i].why) != NULL, "%s: %s", useless[_i].name, why);
    ck_assert_ptr_nonnull(strstr(why, "no Sentinel tells where m is"));
    fake_loop_advance(loop, 1001);
    greet_sentinel("s1", 1);
}
END_TEST

START_TEST(unreachable_and_silent_sentinels_are_passed_over)
{
    fake_stream_fail(sentinel, "connection refused");
    greet_sentinel("s2", 2);
    fake_loop_advance(loop, FWI_REDIS_TOPOLOGY_ANSWER_MS + 1);
    greet_sentinel("s3", 3);
    answer("10.0.0.5", 6380);
    up_at("10.0.0.5", 6380);
    lose();
    fake_loop_advance(loop, 1001);
    greet_sentinel("s3", 3); /* It answered last. */
}
END_TEST

START_TEST(a_replica_is_not_taken_for_the_master)
{
    greet_sentinel("s1", 1);
    answer("10.0.0.5", 6380);
    greet_server("10.0.0.5", 6380, "slave");
    ck_assert_uint_eq(ups, 0);
    ck_assert_ptr_nonnull(strstr(why, "10.0.0.5:6380: it is a replica"));
    fake_loop_advance(loop, 1001);
    greet_sentinel("s2", 2); /* The first one's word led nowhere. */
    answer("10.0.0.6", 6380);
    up_at("10.0.0.6", 6380);
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(another_master_is_noticed_though_the_old_one_answers)
{
    greet_sentinel("s1", 1);
    answer("10.0.0.5", 6380);
    up_at("10.0.0.5", 6380);
    fake_loop_advance(loop, FWI_REDIS_TOPOLOGY_EVERY_MS + 1);
    ck_assert_ptr_nonnull(strstr(written(sentinel), "get-master-addr-by-name"));
    answer("10.0.0.6", 6380);
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "m isn't 10.0.0.5:6380 any more but 10.0.0.6"));
    ck_assert(fake_stream_is_closed(command));
    fake_loop_advance(loop, 1001);
    greet_sentinel("s1", 1);
    answer("10.0.0.6", 6380);
    up_at("10.0.0.6", 6380);
    ck_assert_uint_eq(ups, 2);
}
END_TEST

START_TEST(while_up_lost_sentinels_do_not_matter)
{
    greet_sentinel("s1", 1);
    answer("10.0.0.5", 6380);
    up_at("10.0.0.5", 6380);
    fake_stream_fail(sentinel, "connection reset");
    fake_loop_advance(loop, 2900); /* The health's round ends at 3 s. */
    fake_loop_advance(loop, FWI_REDIS_TOPOLOGY_EVERY_MS - 2900 - 100);
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 90);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n);
    fake_loop_advance(loop, 11);
    fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    fake_loop_turn(loop);
    ck_assert_uint_eq(downs, 0);
    ck_assert(fake_stream_is_open(command));
}
END_TEST

START_TEST(each_is_told_its_own_password)
{
    begin_with("rediss+sentinel://me:pw@s1/m?db=2&sentinel_password=other");
    ck_assert(fake_stream_target(sentinel)->tls);
    fake_stream_open(sentinel);
    ck_assert_ptr_nonnull(strstr(written(sentinel), "AUTH\r\n$5\r\nother\r\n"));
    ck_assert_ptr_null(strstr(written(sentinel), "SELECT"));
    fake_stream_feed_text(sentinel, "+OK\r\n+OK\r\n+PONG\r\n");
    answer("10.0.0.5", 6380);
    fake_stream *s = fake_loop_last_stream(loop);
    fake_stream_open(s);
    ck_assert(fake_stream_target(s)->tls);
    ck_assert_ptr_nonnull(strstr(written(s), "AUTH\r\n$2\r\nme\r\n$2\r\npw\r\n"));
    ck_assert_ptr_nonnull(strstr(written(s), "SELECT\r\n$1\r\n2\r\n"));
}
END_TEST

START_TEST(stopping_while_a_sentinel_is_asked_is_the_end)
{
    greet_sentinel("s1", 1);
    bp->ops->stop(bp);
    ck_assert(fake_stream_is_closed(sentinel));
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 20000);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_topology");
    TCase *tc = tcase_create("sentinel");
    tcase_add_checked_fixture(tc, begin_sentinel, end);
    tcase_add_test(tc, the_master_is_asked_for_and_both_links_go_there);
    tcase_add_loop_test(tc, a_useless_answer_leads_to_the_next_sentinel, 0,
                        (int)FWI_ARRAY_LEN(useless));
    tcase_add_test(tc, unreachable_and_silent_sentinels_are_passed_over);
    tcase_add_test(tc, a_replica_is_not_taken_for_the_master);
    tcase_add_test(tc, another_master_is_noticed_though_the_old_one_answers);
    tcase_add_test(tc, while_up_lost_sentinels_do_not_matter);
    tcase_add_test(tc, each_is_told_its_own_password);
    tcase_add_test(tc, stopping_while_a_sentinel_is_asked_is_the_end);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
