/*
 * The Redis backplane while its links stand, with a Redis that the test plays by hand:
 * subscriptions, echoes, refusals, and whatever else a server may say.
 */
#include "redis_backplane_rig.h"

/* --- up --- */

START_TEST(up_comes_when_all_subscriptions_are_confirmed)
{
    bp->ops->subscribe(bp, "r:a");
    connect_links();
    ck_assert_ptr_nonnull(strstr(written(subscriber), "$9\r\nSUBSCRIBE\r\n"));
    confirm("subscribe", PROBE_CHANNEL);
    ck_assert_uint_eq(ups, 0);
    confirm("subscribe", "fanwire:r:a");
    ck_assert_uint_eq(ups, 1);
    expect_heard("+r:a !r:a ");
    ck_assert_uint_eq(figures().channels, 1);
}
END_TEST

START_TEST(a_subscription_is_reported_when_redis_confirms_it)
{
    come_up();
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    expect_heard("");
    confirm("subscribe", "fanwire:r:a");
    expect_heard("+r:a ");
}
END_TEST

START_TEST(an_echo_delivers_the_very_object_that_was_published)
{
    up_in_room();
    fw_message *m = text_message("hello");
    bp->ops->publish(bp, "r:a", m, NULL);
    fake_loop_turn(loop);
    expect_heard("");
    message_from(NODE, 1, "fanwire:r:a", "decoding this would be seen");
    expect_heard("r:a=hello ");
    ck_assert_uint_gt(figures().queue_bytes, 0);
    fake_stream_feed_text(command, ":1\r\n");
    ck_assert_uint_eq(figures().queue_bytes, 0);
    message_from(NODE, 1, "fanwire:r:a", "again");
    expect_heard("");
    ck_assert_uint_eq(figures().duplicates, 1);
    fw_message_unref(m);
}
END_TEST

START_TEST(publishes_of_a_turn_go_out_in_one_write)
{
    up_in_room();
    unsigned before = fake_stream_writes(command);
    for (int i = 0; i < 50; i++) {
        publish("r:elsewhere", "x");
    }
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 50);
    ck_assert_uint_eq(fake_stream_writes(command), before + 1);
}
END_TEST

START_TEST(ten_thousand_rooms_of_a_turn_go_out_in_one_write)
{
    enum { ROOMS = 10000 };
    come_up();
    answer_health();
    fwi_backplane_figures then = figures();
    unsigned before = fake_stream_writes(subscriber);
    for (int i = 0; i < ROOMS; i++) {
        char channel[32];
        snprintf(channel, sizeof channel, "r:%d", i);
        ck_assert(bp->ops->subscribe(bp, channel));
    }
    fake_loop_turn(loop);
    ck_assert_uint_eq(fake_stream_writes(subscriber), before + 1);
    ck_assert_uint_eq(figures().writes, then.writes + 1);
    ck_assert_uint_eq(figures().subscribes, then.subscribes + (ROOMS + 511) / 512);
}
END_TEST

START_TEST(a_publish_before_the_confirmation_waits_and_later_ones_behind_it)
{
    up_in_room();
    bp->ops->subscribe(bp, "r:b");
    publish("r:b", "1");
    publish("r:a", "2");
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 0);
    confirm("subscribe", "fanwire:r:b");
    ck_assert_uint_eq(publishes(), 2);
    message_from(NODE, 1, "fanwire:r:b", "1");
    message_from(NODE, 2, "fanwire:r:a", "2");
    expect_heard("+r:b r:b=1 r:a=2 ");
}
END_TEST

START_TEST(a_refused_publish_is_delivered_here_in_its_turn_and_counted)
{
    up_in_room();
    publish("r:a", "1");
    publish("r:a", "2");
    publish("r:a", "3");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":1\r\n-NOPERM not there\r\n:1\r\n");
    expect_heard("");
    message_from(NODE, 1, "fanwire:r:a", "1");
    message_from(NODE, 3, "fanwire:r:a", "3");
    expect_heard("r:a=1 r:a=2 r:a=3 ");
    ck_assert_uint_eq(figures().queue_dropped, 1);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(an_echo_from_before_leaving_is_not_heard_after_entering_again)
{
    up_in_room();
    publish("r:a", "old");
    fake_loop_turn(loop);
    bp->ops->unsubscribe(bp, "r:a");
    bp->ops->subscribe(bp, "r:a");
    fake_loop_turn(loop);
    expect_heard("+r:a ");
    message_from(NODE, 1, "fanwire:r:a", "old");
    fake_stream_feed_text(command, ":1\r\n");
    expect_heard("");
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(a_slow_server_gets_a_megabyte_at_a_time)
{
    up_in_room();
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    fake_stream_block(command, true);
    for (int i = 0; i < 20; i++) {
        publish("r:elsewhere", text);
    }
    fake_loop_turn(loop);
    fake_stream_block(command, false);
    ck_assert_uint_eq(publishes(), 11);
    fake_loop_turn(loop);
    ck_assert_uint_eq(publishes(), 20);
}
END_TEST

START_TEST(an_answer_after_leaving_the_room_needs_no_echo)
{
    up_in_room();
    publish("r:a", "1");
    fake_loop_turn(loop);
    bp->ops->unsubscribe(bp, "r:a");
    fake_loop_turn(loop);
    fake_stream_feed_text(command, ":0\r\n");
    ck_assert_uint_eq(figures().queue_bytes, 0);
    expect_heard("");
}
END_TEST

/* --- from others --- */

START_TEST(what_another_node_publishes_twice_is_heard_once)
{
    up_in_room();
    message_from(7, 1, "fanwire:r:a", "one");
    message_from(7, 2, "fanwire:r:a", "two");
    message_from(7, 1, "fanwire:r:a", "one");
    message_from(7, 2, "fanwire:r:a", "two");
    message_from(7, 3, "fanwire:r:a", "three");
    message_from(8, 1, "fanwire:r:a", "other");
    expect_heard("r:a=one r:a=two r:a=three r:a=other ");
    ck_assert_uint_eq(figures().duplicates, 2);
}
END_TEST

static const struct {
    const char *name, *reply;
    const char *heard;
    unsigned malformed;
    bool up;
} strange[] = {
    {"plain bytes", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$2\r\nhi\r\n",
     "r:a=hi ", 0, true},
    {"empty", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$0\r\n\r\n", "r:a= ", 0,
     true},
    {"unknown version",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$4\r\n\xff"
     "FW\x09\r\n",
     "", 1, true},
    {"damaged",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$6\r\n\xff"
     "FW\x01zz\r\n",
     "", 1, true},
    {"a channel we have left",
     "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:z\r\n$2\r\nhi\r\n", "", 0, true},
    {"a channel not ours", "*3\r\n$7\r\nmessage\r\n$3\r\nabc\r\n$2\r\nhi\r\n", "", 1,
     true},
    {"pmessage", "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n", "", 1,
     true},
    {"a number", ":5\r\n", "", 1, true},
    {"nothing", "$-1\r\n", "", 1, true},
    {"an empty array", "*0\r\n", "", 1, true},
    {"arrays in arrays", "*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n", "", 1, true},
    {"a message without bytes", "*3\r\n$7\r\nmessage\r\n$11\r\nfanwire:r:a\r\n$-1\r\n",
     "", 1, true},
    {"a confirmation nobody asked for",
     "*3\r\n$9\r\nsubscribe\r\n$11\r\nfanwire:r:q\r\n:1\r\n", "", 1, true},
    {"unsubscribed from all of nothing", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", "",
     1, true},
    {"an error", "-NOPERM this channel\r\n", "", 0, false},
    {"rubbish", "hello\r\n", "", 0, false},
};

START_TEST(strange_replies_are_counted_and_never_fatal)
{
    up_in_room();
    fake_stream_feed_text(subscriber, strange[_i].reply);
    ck_assert_msg(strcmp(heard, strange[_i].heard) == 0, "%s: %s", strange[_i].name,
                  heard);
    ck_assert_msg(figures().malformed == strange[_i].malformed, "%s", strange[_i].name);
    ck_assert_msg(figures().up == strange[_i].up, "%s: %s", strange[_i].name, why);
}
END_TEST

START_TEST(an_answer_nobody_asked_for_ends_the_links)
{
    up_in_room();
    fake_stream_feed_text(command, ":1\r\n");
    ck_assert(!figures().up);
    ck_assert(fake_stream_is_closed(subscriber));
}
END_TEST

static void add_up(Suite *s)
{
    TCase *tc = tcase_create("up");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, up_comes_when_all_subscriptions_are_confirmed);
    tcase_add_test(tc, a_subscription_is_reported_when_redis_confirms_it);
    tcase_add_test(tc, an_echo_delivers_the_very_object_that_was_published);
    tcase_add_test(tc, publishes_of_a_turn_go_out_in_one_write);
    tcase_add_test(tc, ten_thousand_rooms_of_a_turn_go_out_in_one_write);
    tcase_add_test(tc, a_publish_before_the_confirmation_waits_and_later_ones_behind_it);
    tcase_add_test(tc, a_refused_publish_is_delivered_here_in_its_turn_and_counted);
    tcase_add_test(tc, an_echo_from_before_leaving_is_not_heard_after_entering_again);
    tcase_add_test(tc, a_slow_server_gets_a_megabyte_at_a_time);
    tcase_add_test(tc, an_answer_after_leaving_the_room_needs_no_echo);
    tcase_add_test(tc, what_another_node_publishes_twice_is_heard_once);
    tcase_add_loop_test(tc, strange_replies_are_counted_and_never_fatal, 0,
                        (int)FWI_ARRAY_LEN(strange));
    tcase_add_test(tc, an_answer_nobody_asked_for_ends_the_links);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("redis_backplane");
    add_up(s);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
