/*
 * The Redis backplane when links are lost and come back, with a Redis that the test plays
 * by hand: what real ones do only when they are killed at the worst moment.
 */
#include "redis_backplane_rig.h"

/* --- away and back --- */

START_TEST(losing_one_link_drops_both_and_delivers_what_had_no_echo)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    publish("r:elsewhere", "3");
    fake_loop_turn(loop);
    message_from(NODE, 1, "fanwire:r:a", "1");
    expect_heard("r:a=1 ");
    lose();
    ck_assert(fake_stream_is_closed(command));
    expect_heard("r:a=2 ");
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "connection reset"));
}
END_TEST

START_TEST(the_unanswered_is_sent_again_before_the_new_and_its_echo_is_dropped)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":1\r\n"); /* 1 was taken, its echo is lost */
    lose();
    expect_heard("r:a=1 r:a=2 ");
    publish("r:a", "3");
    fake_loop_turn(loop);
    expect_heard("r:a=3 ");

    return_to_room();
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(publishes(), 3); /* the probe, 2, 3 */
    answer_health();
    message_from(NODE, 2, "fanwire:r:a", "2");
    message_from(NODE, 3, "fanwire:r:a", "3");
    fake_stream_feed_text(command, ":1\r\n:1\r\n");
    expect_heard("!r:a ");
    ck_assert_uint_eq(figures().duplicates, 2);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(while_away_subscribing_is_reported_and_members_hear_each_other)
{
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "hello");
    expect_heard("");
    fake_loop_turn(loop);
    expect_heard("+r:a r:a=hello ");
    return_to_room();
    expect_heard("!r:a ");
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(a_subscription_in_flight_when_the_link_is_lost_is_reported)
{
    up_in_room();
    bp->ops->subscribe(bp, "r:b");
    publish("r:b", "hello");
    fake_loop_turn(loop);
    expect_heard("");
    lose();
    expect_heard("+r:b r:b=hello ");
}
END_TEST

START_TEST(handlers_that_publish_while_away_are_heard_in_order)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    answers_back = true;
    lose();
    expect_heard("r:a=1 r:a=2 r:a=answer ");
}
END_TEST

START_TEST(joins_while_resubscribing_do_not_put_off_the_return)
{
    up_in_room();
    lose();
    connect_links();
    bp->ops->subscribe(bp, "r:late");
    fake_loop_turn(loop);
    confirm("subscribe", PROBE_CHANNEL);
    confirm("subscribe", "fanwire:r:a");
    ck_assert_uint_eq(ups, 2);
    expect_heard("+r:late !r:a ");
    forget_written();
    publish("r:late", "hello"); /* reported already, but not confirmed: it waits */
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 0);
    confirm("subscribe", "fanwire:r:late");
    ck_assert_uint_eq(publishes(), 1);
    expect_heard("!r:late "); /* until now others were not heard */
    message_from(NODE, 1, "fanwire:r:late", "hello");
    expect_heard("r:late=hello ");
}
END_TEST

START_TEST(a_server_that_confirms_nothing_is_given_up)
{
    connect_links();
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 10000);
    ck_assert_ptr_nonnull(strstr(why, "SUBSCRIBE"));
    ck_assert_uint_ge(fake_loop_stream_count(loop), n + 2);
    come_up();
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(a_server_that_confirms_slowly_is_waited_for)
{
    static const char *const channels[] = {"fanwire:r:0", "fanwire:r:1", "fanwire:r:2"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(channels); i++) {
        ck_assert(bp->ops->subscribe(bp, channels[i] + strlen("fanwire:")));
    }
    connect_links();
    size_t n = fake_loop_stream_count(loop);
    for (size_t i = 0; i < FWI_ARRAY_LEN(channels); i++) {
        fake_loop_advance(loop, 2500);
        confirm("subscribe", channels[i]);
    }
    fake_loop_advance(loop, 2500);
    confirm("subscribe", PROBE_CHANNEL);
    ck_assert_uint_eq(ups, 1);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n);
}
END_TEST

static void begin_again_with_queue(size_t max_bytes)
{
    end();
    config.queue_max_bytes = max_bytes;
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, &sink, NULL);
    ck_assert_int_eq(bp->ops->start(bp), 0);
}

static void publish_numbers(int count)
{
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        publish("r:a", text);
    }
}

static void expect_numbers(int count)
{
    char want[2048] = "";
    for (int i = 0; i < count; i++) {
        size_t n = strlen(want);
        snprintf(want + n, sizeof want - n, "r:a=%d ", i);
    }
    expect_heard(want);
}

START_TEST(a_full_queue_is_counted_and_still_delivered_here_in_order)
{
    begin_again_with_queue(500);
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    heard[0] = '\0';
    publish_numbers(6);
    fake_loop_turn(loop);
    expect_numbers(6);
    ck_assert_uint_eq(figures().queue_dropped, 3);
    ck_assert_uint_le(figures().queue_bytes, 500);
}
END_TEST

START_TEST(while_up_four_times_as_much_may_be_on_its_way)
{
    begin_again_with_queue(500);
    up_in_room();
    publish_numbers(17);
    fake_loop_turn(loop);
    ck_assert_uint_eq(figures().queue_dropped, 2);
    ck_assert_uint_eq(publishes(), 15);
    expect_heard("");
    char text[16];
    for (unsigned i = 0; i < 15; i++) {
        snprintf(text, sizeof text, "%u", i);
        message_from(NODE, i + 1, "fanwire:r:a", text);
    }
    fake_loop_turn(loop);
    expect_numbers(17);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(far_too_much_gives_the_links_up_and_is_delivered_here_in_order)
{
    begin_again_with_queue(500);
    up_in_room();
    publish_numbers(30);
    fake_loop_turn(loop);
    expect_numbers(30);
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "more is published than it takes"));
    ck_assert_uint_le(figures().queue_bytes, 2000);
    return_to_room();
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(publishes(), 16); /* the probe, and what fitted */
}
END_TEST

START_TEST(a_repetition_is_known_as_long_as_a_queue_may_hold_it)
{
    const uint64_t minute_ms = 60000;
    config.queue_deadline_ms = 30 * minute_ms;
    begin_again_with_queue(config.queue_max_bytes);
    up_in_room();
    message_from(7, 1, "fanwire:r:a", "once");
    lose();
    fake_loop_advance(loop, 20 * minute_ms);
    return_to_room();
    message_from(8, 1, "fanwire:r:a", "other"); /* when silent nodes are forgotten */
    message_from(7, 1, "fanwire:r:a", "once");
    message_from(7, 2, "fanwire:r:a", "new");
    expect_heard("r:a=once !r:a r:a=other r:a=new ");
}
END_TEST

START_TEST(what_is_too_late_is_counted_and_gone)
{
    publish("r:a", "late");
    fake_loop_turn(loop);
    fake_loop_advance(loop, 29000);
    ck_assert_uint_eq(figures().queue_dropped, 0);
    fake_loop_advance(loop, 2000);
    ck_assert_uint_eq(figures().queue_dropped, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(attempts_back_off_to_a_second_and_go_on)
{
    fake_loop_advance(loop, 1);
    uint64_t last_ms = fwi_loop_now_ms(loop), longest = 0;
    for (int i = 0; i < 20; i++) {
        size_t n = fake_loop_stream_count(loop);
        fake_stream_fail(fake_loop_stream(loop, n - 1), "connection refused");
        while (fake_loop_stream_count(loop) == n) {
            fake_loop_advance(loop, 1);
        }
        uint64_t now_ms = fwi_loop_now_ms(loop);
        longest = FWI_MAX(longest, now_ms - last_ms);
        ck_assert_uint_ge(now_ms - last_ms, 25);
        last_ms = now_ms;
    }
    ck_assert_uint_le(longest, 1002);
    ck_assert_uint_ge(longest, 500);
    ck_assert_uint_eq(downs, 1); /* one reason, told once */
}
END_TEST

START_TEST(a_good_connection_makes_the_next_attempt_quick_again)
{
    for (int i = 0; i < 10; i++) {
        fake_loop_advance(loop, 1001);
        fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    }
    come_up();
    message_probe();
    lose();
    size_t n = fake_loop_stream_count(loop);
    fake_loop_advance(loop, 51);
    ck_assert_uint_eq(fake_loop_stream_count(loop), n + 2);
}
END_TEST

START_TEST(a_new_reason_is_told)
{
    fake_loop_advance(loop, 1);
    fake_stream_fail(fake_loop_last_stream(loop), "connection refused");
    ck_assert_str_eq(why, "redis://127.0.0.1:6379/0: connection refused");
    fake_loop_advance(loop, 100);
    fake_stream_fail(fake_loop_last_stream(loop), "no route");
    ck_assert_uint_eq(downs, 2);
}
END_TEST

/* --- the probe --- */

START_TEST(no_pong_in_time_ends_the_links)
{
    come_up();
    fake_loop_advance(loop, 2990);
    ck_assert(figures().up);
    fake_loop_advance(loop, 20);
    ck_assert(!figures().up);
    ck_assert_ptr_nonnull(strstr(why, "no answer to PING"));
}
END_TEST

START_TEST(a_deaf_link_is_found_though_it_answers)
{
    come_up();
    answer_health();
    fake_loop_advance(loop, 3010);
    ck_assert(!figures().up);
    ck_assert_ptr_nonnull(strstr(why, "deaf"));
}
END_TEST

START_TEST(an_echo_keeps_it_up_and_the_next_round_comes_after_five_seconds)
{
    up_in_room();
    publish("r:a", "1");
    fake_loop_turn(loop);
    message_from(NODE, 1, "fanwire:r:a", "1");
    fake_stream_feed_text(command, ":1\r\n");
    forget_written();
    fake_loop_advance(loop, 4900);
    ck_assert(figures().up);
    ck_assert_uint_eq(publishes(), 0);
    fake_loop_advance(loop, 200);
    ck_assert_uint_eq(publishes(), 1);
    ck_assert_ptr_nonnull(strstr(written(subscriber), "PING"));
    ck_assert_uint_ge(figures().probe_age_us, 5000000);
}
END_TEST

START_TEST(stopping_inside_a_handler_is_safe)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    stops = true;
    message_from(NODE, 1, "fanwire:r:a", "1");
    expect_heard("r:a=1 ");
    fake_loop_advance(loop, 10000);
    expect_heard("");
}
END_TEST

START_TEST(stopping_while_links_are_lost_is_safe)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    stops = true;
    lose();
    fake_loop_advance(loop, 10000);
    expect_heard("r:a=1 ");
}
END_TEST

static void add_away(Suite *s)
{
    TCase *tc = tcase_create("away");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, losing_one_link_drops_both_and_delivers_what_had_no_echo);
    tcase_add_test(tc,
                   the_unanswered_is_sent_again_before_the_new_and_its_echo_is_dropped);
    tcase_add_test(tc, while_away_subscribing_is_reported_and_members_hear_each_other);
    tcase_add_test(tc, a_subscription_in_flight_when_the_link_is_lost_is_reported);
    tcase_add_test(tc, handlers_that_publish_while_away_are_heard_in_order);
    tcase_add_test(tc, joins_while_resubscribing_do_not_put_off_the_return);
    tcase_add_test(tc, a_server_that_confirms_nothing_is_given_up);
    tcase_add_test(tc, a_server_that_confirms_slowly_is_waited_for);
    tcase_add_test(tc, a_full_queue_is_counted_and_still_delivered_here_in_order);
    tcase_add_test(tc, while_up_four_times_as_much_may_be_on_its_way);
    tcase_add_test(tc, far_too_much_gives_the_links_up_and_is_delivered_here_in_order);
    tcase_add_test(tc, a_repetition_is_known_as_long_as_a_queue_may_hold_it);
    tcase_add_test(tc, what_is_too_late_is_counted_and_gone);
    tcase_add_test(tc, attempts_back_off_to_a_second_and_go_on);
    tcase_add_test(tc, a_good_connection_makes_the_next_attempt_quick_again);
    tcase_add_test(tc, a_new_reason_is_told);
    tcase_add_test(tc, no_pong_in_time_ends_the_links);
    tcase_add_test(tc, a_deaf_link_is_found_though_it_answers);
    tcase_add_test(tc, an_echo_keeps_it_up_and_the_next_round_comes_after_five_seconds);
    tcase_add_test(tc, stopping_inside_a_handler_is_safe);
    tcase_add_test(tc, stopping_while_links_are_lost_is_safe);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("redis_backplane_away");
    add_away(s);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
