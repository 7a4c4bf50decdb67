/*
 * The hand-wound loop that other unit tests stand on: what it promises them.
 */
#include <check.h>
#include <string.h>

#include "support/fake_loop.h"

static struct {
    unsigned wakes, turns, opened, closed;
    char data[64], why[64];
    fwi_loop *loop;
    uint64_t fired_ms[4];
    unsigned fired;
} seen;

static void on_wake(void *user)
{
    (void)user;
    seen.wakes++;
}

static void on_turn_end(void *user)
{
    (void)user;
    seen.turns++;
}

static void on_open(void *user)
{
    (void)user;
    seen.opened++;
}

static void on_data(void *user, const void *data, size_t len)
{
    (void)user;
    ck_assert_uint_lt(len, sizeof seen.data);
    memcpy(seen.data, data, len);
    seen.data[len] = '\0';
}

static void on_close(void *user, const char *why)
{
    (void)user;
    seen.closed++;
    snprintf(seen.why, sizeof seen.why, "%s", why);
}

static const fwi_loop_events loop_events = {on_wake, on_turn_end};
static const fwi_stream_events stream_events = {on_open, on_data, on_close};

static void setup(void)
{
    memset(&seen, 0, sizeof seen);
    seen.loop = fake_loop_new(&loop_events, NULL);
}

static void teardown(void)
{
    fake_loop_free(seen.loop);
}

static void on_timer(fwi_timer *t)
{
    (void)t;
    seen.fired_ms[seen.fired++] = fwi_loop_now_ms(seen.loop);
}

static fwi_stream *open_one(void)
{
    char host[] = "redis.example";
    fwi_stream_target target = {.host = host, .port = 6379};
    fwi_stream *s = seen.loop->ops->stream_open(seen.loop, &target, &stream_events, NULL);
    memset(host, 'x', sizeof host - 1); /* borrowed for the call only */
    return s;
}

START_TEST(each_timer_fires_at_its_own_time)
{
    uint64_t start = fwi_loop_now_ms(seen.loop);
    fwi_timer a, b;
    fwi_timer_init(&a, on_timer);
    fwi_timer_init(&b, on_timer);
    fwi_loop_timer_set(seen.loop, &a, 25000);
    fwi_loop_timer_set(seen.loop, &b, 7);
    fake_loop_advance(seen.loop, 24999);
    ck_assert_uint_eq(seen.fired, 1);
    fake_loop_advance(seen.loop, 1);
    ck_assert_uint_eq(seen.fired, 2);
    ck_assert_uint_eq(seen.fired_ms[0], start + 7);
    ck_assert_uint_eq(seen.fired_ms[1], start + 25000);
    ck_assert_uint_eq(fwi_loop_now_ms(seen.loop), start + 25000);
}
END_TEST

START_TEST(several_wakes_come_as_one_and_the_turn_ends)
{
    seen.loop->ops->wake(seen.loop);
    seen.loop->ops->wake(seen.loop);
    ck_assert(fake_loop_is_woken(seen.loop));
    ck_assert_uint_eq(seen.wakes, 0);
    fake_loop_turn(seen.loop);
    ck_assert_uint_eq(seen.wakes, 1);
    ck_assert_uint_eq(seen.turns, 1);
    ck_assert(!fake_loop_is_woken(seen.loop));
}
END_TEST

START_TEST(a_stream_is_played_by_the_test)
{
    fwi_stream *s = open_one();
    fake_stream *peer = fake_loop_last_stream(seen.loop);
    ck_assert_str_eq(fake_stream_target(peer)->host, "redis.example");
    ck_assert_uint_eq(seen.opened, 0);
    fake_stream_open(peer);
    ck_assert_uint_eq(seen.opened, 1);
    ck_assert(seen.loop->ops->stream_write(s, "PING", 4));
    ck_assert_str_eq(fwi_buf_text(fake_stream_written(peer)), "PING");
    fake_stream_feed_text(peer, "PONG");
    ck_assert_str_eq(seen.data, "PONG");
    fake_stream_fail(peer, "reset");
    ck_assert_str_eq(seen.why, "reset");
    ck_assert(fake_stream_is_closed(peer));
}
END_TEST

START_TEST(a_blocked_stream_keeps_what_is_written)
{
    fwi_stream *s = open_one();
    fake_stream *peer = fake_loop_stream(seen.loop, 0);
    fake_stream_open(peer);
    fake_stream_block(peer, true);
    seen.loop->ops->stream_write(s, "abc", 3);
    ck_assert_uint_eq(seen.loop->ops->stream_pending(s), 3);
    ck_assert_uint_eq(fake_stream_written(peer)->len, 0);
    fake_stream_block(peer, false);
    ck_assert_uint_eq(seen.loop->ops->stream_pending(s), 0);
    ck_assert_uint_eq(fake_stream_written(peer)->len, 3);
}
END_TEST

START_TEST(what_runs_out_of_memory_says_so_later)
{
    fake_loop_fail_opens(seen.loop, 1);
    ck_assert_ptr_null(open_one());
    fwi_stream *s = open_one();
    fake_stream *peer = fake_loop_last_stream(seen.loop);
    fake_stream_open(peer);
    fake_stream_fail_writes(peer);
    ck_assert(!seen.loop->ops->stream_write(s, "x", 1));
    ck_assert_uint_eq(seen.closed, 0);
    fake_loop_advance(seen.loop, 1);
    ck_assert_uint_eq(seen.closed, 1);
}
END_TEST

START_TEST(a_closed_stream_says_nothing_and_can_be_looked_at)
{
    fwi_stream *s = open_one();
    seen.loop->ops->stream_close(s);
    fake_loop_advance(seen.loop, 100);
    ck_assert_uint_eq(seen.closed, 0);
    ck_assert_uint_eq(fake_loop_stream_count(seen.loop), 1);
    ck_assert(fake_stream_is_closed(fake_loop_stream(seen.loop, 0)));
    ck_assert_ptr_null(fake_loop_stream(seen.loop, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop_fake");
    TCase *tc = tcase_create("loop_fake");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_timer_fires_at_its_own_time);
    tcase_add_test(tc, several_wakes_come_as_one_and_the_turn_ends);
    tcase_add_test(tc, a_stream_is_played_by_the_test);
    tcase_add_test(tc, a_blocked_stream_keeps_what_is_written);
    tcase_add_test(tc, what_runs_out_of_memory_says_so_later);
    tcase_add_test(tc, a_closed_stream_says_nothing_and_can_be_looked_at);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
