/*
 * The backplane on a Cluster of two masters that the test plays: which server hears what,
 * what follows when slots move or a server is lost, and in which order.
 */
#include "redis_cluster_rig.h"

/* --- where things go --- */

START_TEST(each_channel_goes_to_the_server_of_its_slot)
{
    begin_up();
    enter_at(&a, in_a);
    enter_at(&b, in_b);
    publish(in_a, "one");
    publish(in_b, "two");
    fake_loop_turn(loop);
    ck_assert(wrote(&a, "$8\r\nSPUBLISH\r\n") && wrote(&a, "one") && !wrote(&a, "two"));
    ck_assert(wrote(&b, "two") && !wrote(&b, "one"));
    keep(in_a, "kept");
    fake_loop_turn(loop);
    ck_assert(wrote(&a, "EVALSHA") && wrote(&a, "$8\r\nSPUBLISH\r\n*") == false);
    ck_assert_uint_eq(figures().channels, 2);
    ck_assert_uint_eq(figures().published, 3);
}
END_TEST

START_TEST(before_there_is_a_map_members_of_this_node_hear_each_other)
{
    begin_asking();
    ck_assert(bp->ops->subscribe(bp, in_a));
    publish(in_a, "early");
    fake_loop_turn(loop);
    char want[64];
    snprintf(want, sizeof want, "+%s %s=early ", in_a, in_a);
    expect_heard(want);
    tell_map(HALVES);
    come_up_at(&a);
    ck_assert_uint_eq(figures().channels, 1);
}
END_TEST

START_TEST(what_was_published_before_there_is_a_map_goes_to_the_others_later)
{
    begin_asking();
    publish(in_a, "early");
    fake_loop_turn(loop);
    tell_map(HALVES);
    find_links(&a);
    fake_stream_open(a.command);
    fake_stream_open(a.subscriber);
    fake_stream_feed_text(a.command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(a.subscriber, "+OK\r\n+PONG\r\n");
    fake_loop_turn(loop);
    confirm_all(&a);
    ck_assert(wrote(&a, "early"));
}
END_TEST

static const struct {
    const char *name, *says, *why;
} strange_maps[] = {
    {"no Cluster", "-ERR This instance has cluster support disabled\r\n", "disabled"},
    {"no text", ":1\r\n", "not the kind"},
    {"damaged", "$3\r\nabc\r\n", "too short"},
};

START_TEST(what_is_no_map_is_a_reason_to_be_away)
{
    begin_asking();
    fake_stream_feed_text(asked, strange_maps[_i].says);
    fake_loop_turn(loop);
    ck_assert_uint_eq(downs, 1);
    ck_assert_msg(strstr(why, strange_maps[_i].why) != NULL, "%s: %s",
                  strange_maps[_i].name, why);
    fake_loop_advance(loop, 1001);
    ck_assert_ptr_ne(fake_loop_last_stream(loop), asked); /* and is asked again */
}
END_TEST

START_TEST(a_redis_without_sharded_channels_is_told_apart)
{
    begin_asking();
    tell_map(HALVES);
    find_links(&a);
    fake_stream_open(a.command);
    fake_stream_open(a.subscriber);
    fake_stream_feed_text(a.command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(a.subscriber, "+OK\r\n+PONG\r\n");
    fake_loop_turn(loop);
    fake_stream_feed_text(a.subscriber, "-ERR unknown command 'SSUBSCRIBE'\r\n");
    fake_loop_turn(loop);
    ck_assert_msg(strstr(why, "Redis 7.0") != NULL, "%s", why);
}
END_TEST

/* --- servers that are lost --- */

START_TEST(a_lost_server_is_away_alone_and_its_rooms_alone_have_missed_something)
{
    begin_up();
    enter_at(&a, in_a);
    enter_at(&b, in_b);
    fake_stream_fail(a.command, "connection reset");
    fake_loop_turn(loop);
    ck_assert_uint_eq(downs, 1);
    ck_assert_ptr_nonnull(strstr(why, "a:1"));
    publish(in_b, "goes on");
    fake_loop_turn(loop);
    ck_assert(wrote(&b, "goes on"));
    expect_heard("");
    fake_loop_advance(loop, 60);
    come_up_at(&a);
    char want[16];
    snprintf(want, sizeof want, "!%s ", in_a);
    expect_heard(want);
    ck_assert_uint_eq(ups, 2);
}
END_TEST

START_TEST(a_replica_that_takes_over_is_the_same_shard)
{
    begin_up();
    enter_at(&a, in_a);
    publish(in_a, "doubtful");
    fake_loop_turn(loop);
    fake_stream_fail(a.command, "connection reset");
    fake_loop_turn(loop);
    heard[0] = '\0'; /* it was delivered here */
    tell_map_soon(LINE(ID_C, "c:3", "0-8191") LINE(ID_B, "b:2", "8192-16383"));
    find_links(&c);
    fake_stream_open(c.command);
    fake_stream_open(c.subscriber);
    fake_stream_feed_text(c.command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(c.subscriber, "+OK\r\n+PONG\r\n");
    fake_loop_turn(loop);
    ck_assert_uint_eq(confirm_all(&c), 2); /* the room and the probe */
    ck_assert(wrote(&c, "doubtful"));
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(figures().queue_dropped, 0);
}
END_TEST

/* --- slots that move --- */

START_TEST(what_a_server_refuses_goes_ahead_of_what_was_published_later)
{
    begin_up();
    enter_at(&a, in_a);
    keep(in_a, "first");
    keep(in_a, "second");
    fake_loop_turn(loop);
    refuse(&a, in_a);
    keep(in_a, "third"); /* while the second one has no answer yet */
    fake_loop_turn(loop);
    tell_map_soon(map_without(in_a));
    ck_assert(!wrote(&b, "first") && !wrote(&b, "third"));
    refuse(&a, in_a);
    fake_loop_advance(loop, 20);
    const fwi_buf *out = fake_stream_written(b.command);
    const char *one = memmem(out->data, out->len, "first", 5);
    const char *two = memmem(out->data, out->len, "second", 6);
    const char *three = memmem(out->data, out->len, "third", 5);
    ck_assert(one != NULL && one < two && two < three);
    answer_kept(&b);
    answer_kept(&b);
    answer_kept(&b);
    expect_heard("#7=FW_OK #7=FW_OK #7=FW_OK ");
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(figures().queue_bytes, 0);
}
END_TEST

START_TEST(a_server_that_ends_a_subscription_has_lost_the_slot)
{
    begin_up();
    enter_at(&a, in_a);
    enter_at(&a, also_in_a);
    char text[100], want[64];
    snprintf(text, sizeof text,
             "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\nfanwire:%s\r\n:1\r\n",
             strlen("fanwire:") + strlen(in_a), in_a);
    fake_stream_feed_text(a.subscriber, text);
    fake_loop_turn(loop);
    publish(in_a, "meanwhile"); /* delivered here, and waits for the others */
    publish(also_in_a, "as ever");
    fake_loop_turn(loop);
    snprintf(want, sizeof want, "%s=meanwhile ", in_a);
    expect_heard(want);
    ck_assert(wrote(&a, "as ever") && !wrote(&a, "meanwhile"));
    tell_map_soon(map_without(in_a));
    ck_assert_uint_eq(confirm_all(&b), 1);
    snprintf(want, sizeof want, "!%s ", in_a); /* and no second report */
    expect_heard(want);
    ck_assert(wrote(&b, "meanwhile"));
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(figures().channels, 2);
}
END_TEST

START_TEST(a_map_alone_moves_a_slot_too)
{
    begin_up();
    enter_at(&a, in_a);
    fake_loop_advance(loop, 5000);
    ck_assert_ptr_nonnull(strstr(written(asked), "CLUSTER"));
    tell_map(map_without(in_a));
    ck_assert_ptr_nonnull(strstr(written(a.subscriber), "SUNSUBSCRIBE"));
    ck_assert_uint_eq(confirm_all(&b), 1);
}
END_TEST

START_TEST(of_a_lost_server_whose_slot_has_moved_plain_is_given_up_and_kept_is_known)
{
    begin_up();
    enter_at(&a, in_a);
    publish(in_a, "plain");
    keep(in_a, "kept");
    fake_loop_turn(loop);
    heard[0] = '\0';
    fake_stream_fail(a.command, "connection reset");
    fake_loop_turn(loop);
    tell_map_soon(map_without(in_a));
    ck_assert(!wrote(&b, "plain"));
    /* Under the serial it had, by which Redis knows whether it was carried out. */
    ck_assert(wrote(&b, "$8\r\nSPUBLISH\r\n") && wrote(&b, "$1\r\n2\r\n"));
    ck_assert_uint_eq(figures().queue_dropped, 1);
}
END_TEST

START_TEST(not_now_holds_up_the_room_alone_and_is_tried_again)
{
    static const char *const answers[] = {"-ASK 7 b:2\r\n", "-TRYAGAIN half\r\n",
                                          "-CLUSTERDOWN The cluster is down\r\n"};
    begin_up();
    keep(in_a, "first");
    fake_loop_turn(loop);
    forget(&a);
    say(&a, answers[_i]);
    keep(in_a, "second");
    keep(also_in_a, "other");
    fake_loop_turn(loop);
    ck_assert(!wrote(&a, "first") && !wrote(&a, "second") && wrote(&a, "other"));
    answer_kept(&a);
    expect_heard("#7=FW_OK ");
    fake_loop_advance(loop, 101);
    ck_assert(wrote(&a, "first") && wrote(&a, "second"));
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_page_that_is_elsewhere_is_an_error_and_disturbs_nobody)
{
    const fwi_history_query q = {.limit = 10, .history_ttl_ms = 60000};
    begin_up();
    ck_assert(bp->ops->read_history(bp, in_a, &q, 5));
    fake_loop_turn(loop);
    refuse(&a, in_a);
    fake_loop_turn(loop);
    expect_heard("page5=FW_ERR_BACKPLANE ");
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_subscription_that_is_refused_is_made_where_the_map_says)
{
    begin_up();
    ck_assert(bp->ops->subscribe(bp, in_a));
    ck_assert(bp->ops->subscribe(bp, also_in_a));
    fake_loop_turn(loop);
    char text[200];
    snprintf(text, sizeof text,
             "-MOVED %u b:2\r\n*3\r\n$10\r\nssubscribe\r\n$%zu\r\nfanwire:%s\r\n:1\r\n",
             slot_of(in_a), strlen("fanwire:") + strlen(also_in_a), also_in_a);
    fake_stream_feed_text(a.subscriber, text);
    fake_loop_turn(loop);
    ck_assert_ptr_nonnull(strstr(heard, also_in_a));
    tell_map_soon(map_without(in_a));
    ck_assert_uint_eq(confirm_all(&b), 1);
    ck_assert_ptr_nonnull(strstr(heard, in_a));
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_server_without_slots_is_left_and_a_new_one_is_taken_in)
{
    begin_up();
    enter_at(&a, in_a);
    fake_loop_advance(loop, 5000);
    tell_map(LINE(ID_C, "c:3", "8192-16383") LINE(ID_B, "b:2", "0-8191"));
    ck_assert_uint_eq(confirm_all(&b) > 0, 1);
    come_up_at(&c);
    ck_assert(fake_stream_is_closed(a.command));
    publish(in_a, "to b");
    publish(in_b, "to c");
    fake_loop_turn(loop);
    ck_assert(wrote(&b, "to b") && wrote(&c, "to c"));
}
END_TEST

START_TEST(slots_that_nobody_serves_are_said)
{
    begin_up();
    fake_loop_advance(loop, 5000);
    tell_map(LINE(ID_A, "a:1", "0-8191"));
    ck_assert_uint_eq(downs, 1);
    ck_assert_msg(strstr(why, "8192 slots") != NULL, "%s", why);
    ck_assert(bp->ops->subscribe(bp, in_b));
    publish(in_b, "here");
    fake_loop_turn(loop);
    char want[32];
    snprintf(want, sizeof want, "+%s %s=here ", in_b, in_b);
    expect_heard(want);
}
END_TEST

START_TEST(whoever_waits_is_told_when_it_is_stopped)
{
    begin_up();
    keep(in_a, "sent");
    fake_loop_turn(loop);
    refuse(&a, in_a); /* nobody's now */
    keep(in_b, "sent");
    fake_loop_turn(loop);
    bp->ops->stop(bp);
    expect_heard("#7=FW_ERR_CLOSED #7=FW_ERR_CLOSED ");
}
END_TEST

static void add_tests(Suite *s)
{
    TCase *tc = tcase_create("where things go");
    tcase_add_checked_fixture(tc, NULL, end_cluster);
    tcase_add_test(tc, each_channel_goes_to_the_server_of_its_slot);
    tcase_add_test(tc, before_there_is_a_map_members_of_this_node_hear_each_other);
    tcase_add_test(tc, what_was_published_before_there_is_a_map_goes_to_the_others_later);
    tcase_add_loop_test(tc, what_is_no_map_is_a_reason_to_be_away, 0,
                        (int)FWI_ARRAY_LEN(strange_maps));
    tcase_add_test(tc, a_redis_without_sharded_channels_is_told_apart);
    suite_add_tcase(s, tc);
    tc = tcase_create("servers and slots");
    tcase_add_checked_fixture(tc, NULL, end_cluster);
    tcase_add_test(tc,
                   a_lost_server_is_away_alone_and_its_rooms_alone_have_missed_something);
    tcase_add_test(tc, a_replica_that_takes_over_is_the_same_shard);
    tcase_add_test(tc, what_a_server_refuses_goes_ahead_of_what_was_published_later);
    tcase_add_test(tc, a_server_that_ends_a_subscription_has_lost_the_slot);
    tcase_add_test(tc, a_map_alone_moves_a_slot_too);
    tcase_add_test(
        tc, of_a_lost_server_whose_slot_has_moved_plain_is_given_up_and_kept_is_known);
    tcase_add_loop_test(tc, not_now_holds_up_the_room_alone_and_is_tried_again, 0, 3);
    tcase_add_test(tc, a_page_that_is_elsewhere_is_an_error_and_disturbs_nobody);
    tcase_add_test(tc, a_subscription_that_is_refused_is_made_where_the_map_says);
    tcase_add_test(tc, a_server_without_slots_is_left_and_a_new_one_is_taken_in);
    tcase_add_test(tc, slots_that_nobody_serves_are_said);
    tcase_add_test(tc, whoever_waits_is_told_when_it_is_stopped);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("redis_cluster");
    add_tests(s);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
