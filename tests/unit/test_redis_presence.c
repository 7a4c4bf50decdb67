/*
 * When entries are written and written again, when a life is over, who may judge, and
 * answers that no Redis should give.
 */
#include "redis_presence_rig.h"

/* --- entries --- */

START_TEST(entries_wait_until_the_lease_is_held_and_go_ahead_of_what_is_said)
{
    enter_one(false);
    come_up();
    fake_loop_turn(loop);
    ck_assert_ptr_null(strstr(written(command), "HSET"));
    serve();
    expect_served("BEAT:1:1:0 SADD HSET:0 1 ");
    leave_one();
    enter_one(true);
    publish("r:a", "hello");
    serve();
    expect_served("HSET:1 1 PUBLISH ");
    leave_one();
    serve();
    expect_served("HDEL ");
    ck_assert_uint_eq(figures().present, 0);
}
END_TEST

START_TEST(who_comes_and_goes_before_anything_is_sent_costs_nothing)
{
    be_up();
    enter_one(true);
    leave_one();
    leave_one();
    serve();
    expect_served("");
}
END_TEST

START_TEST(after_a_break_what_isn_t_safe_is_written_again_and_nothing_else)
{
    be_up();
    enter_one(false);
    serve();
    expect_served("SADD HSET:0 1 ");
    go_and_return();
    expect_served("BEAT:1:2:0 SADD HSET:0 1 ");
    pass(3000); /* a beat behind it */
    expect_served("BEAT:1:3:0 ");
    go_and_return();
    expect_served("BEAT:1:4:0 ");
    leave_one();
    serve();
    go_and_return();
    expect_served("HDEL BEAT:1:5:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:6:0 SREM ");
    ck_assert_uint_eq(figures().lives, 0);
}
END_TEST

START_TEST(what_redis_refuses_is_written_when_it_takes_a_beat_again)
{
    be_up();
    hset_says = "-OOM command not allowed\r\n";
    enter_one(false);
    serve();
    expect_served("SADD HSET:0 1 ");
    hset_says = ":1\r\n";
    pass(3000);
    expect_served("BEAT:1:2:0 HSET:0 1 ");
    hdel_says = "-MISCONF can't persist\r\n";
    leave_one();
    serve();
    expect_served("HDEL ");
    hdel_says = ":1\r\n";
    pass(3000);
    expect_served("BEAT:1:3:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:4:1 SREM ");
}
END_TEST

/* Else they would pile up here for as long as it refuses. */
START_TEST(who_comes_and_goes_while_redis_takes_nothing_is_forgotten)
{
    be_up();
    hset_says = hdel_says = "-NOPERM not you\r\n";
    enter_one(false);
    serve();
    leave_one();
    serve();
    expect_served("SADD HSET:0 1 ");
    enter_one(false);
    fake_loop_turn(loop); /* on its way */
    leave_one();
    serve();
    expect_served("SADD HSET:0 1 HDEL ");
    pass(3000);
    expect_served("BEAT:1:2:0 ");
    enter_one(false);
    serve();
    pass(3000);
    expect_served("SADD HSET:0 1 BEAT:1:3:0 HSET:0 1 ");
}
END_TEST

START_TEST(who_stops_with_a_refused_removal_leaves_it_to_those_who_find_it_dead)
{
    be_up();
    enter_one(false);
    serve();
    hdel_says = "-MISCONF can't persist\r\n";
    leave_one();
    serve();
    forget_written();
    bp->ops->stop(bp);
    ck_assert_uint_eq(fake_stream_written(command)->len, 0);
}
END_TEST

/* What Redis still has of it is of sessions that have left, and nobody else looks. */
START_TEST(who_stops_before_its_former_life_is_swept_is_found_dead)
{
    be_up();
    pass(3000);
    beat_says = "0 1 1\n"; /* it has lost the second */
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 3\n";
    fake_loop_advance(loop, 1);
    serve_once();
    fake_loop_turn(loop);
    ck_assert_ptr_nonnull(strstr(written(command), "SRANDMEMBER"));
    forget_written();
    bp->ops->stop(bp);
    ck_assert_uint_eq(fake_stream_written(command)->len, 0);
}
END_TEST

/* Else nobody would find the entries when this node has died. */
START_TEST(a_channel_that_could_not_be_listed_is_listed_later)
{
    be_up();
    sadd_says = "-OOM command not allowed\r\n";
    enter_one(false);
    enter_another();
    serve();
    expect_served("SADD HSET:0 1 HSET:0 1 ");
    leave_one();
    serve();
    expect_served("SADD HDEL ");
    sadd_says = ":1\r\n";
    pass(3000);
    expect_served("BEAT:1:2:0 SADD HSET:0 1 "); /* by one who is still there */
}
END_TEST

START_TEST(what_the_lost_link_had_not_answered_is_written_again)
{
    be_up();
    enter_one(false);
    fake_loop_turn(loop); /* sent */
    forget_written();
    leave_one();
    go_and_return();
    expect_served("BEAT:1:2:0 HDEL ");
}
END_TEST

/* Redis may carry out what it had taken from it after what the new link says. */
START_TEST(what_a_lost_link_may_still_bring_about_is_set_right_behind_a_beat)
{
    be_up();
    enter_one(false);
    fake_loop_turn(loop); /* sent */
    forget_written();
    go_and_return();
    expect_served("BEAT:1:2:0 SADD HSET:0 1 ");
    pass(3000);
    expect_served("BEAT:1:3:0 SADD HSET:0 1 ");
    pass(3000);
    expect_served("BEAT:1:4:0 ");
    enter_one(false); /* it has news of itself */
    fake_loop_turn(loop);
    forget_written();
    leave_one();
    go_and_return();
    expect_served("BEAT:1:5:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:6:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:7:0 SREM ");
}
END_TEST

/* Its entry was to be set right, and might come back after it was removed. */
START_TEST(who_leaves_ahead_of_that_beat_is_removed_again_behind_it)
{
    be_up();
    enter_one(false);
    fake_loop_turn(loop); /* sent */
    forget_written();
    go_and_return();
    expect_served("BEAT:1:2:0 SADD HSET:0 1 ");
    leave_one();
    serve();
    expect_served("HDEL ");
    pass(3000);
    expect_served("BEAT:1:3:0 HDEL ");
    pass(3000);
    expect_served("BEAT:1:4:0 SREM ");
    ck_assert_uint_eq(figures().present, 0);
}
END_TEST

/* It may leave the list after somebody who came since was put into it. */
START_TEST(a_channel_whose_unlisting_had_no_answer_is_listed_again_behind_a_beat)
{
    be_up();
    enter_one(false);
    serve();
    leave_one();
    serve();
    expect_served("SADD HSET:0 1 HDEL ");
    fake_loop_advance(loop, 3000);
    serve_once();
    fake_loop_turn(loop);
    ck_assert_ptr_nonnull(strstr(written(command), "SREM"));
    forget_written();
    enter_another();
    go_and_return();
    expect_served("BEAT:1:2:0 BEAT:1:3:0 SADD HSET:0 1 HDEL ");
    pass(3000);
    expect_served("BEAT:1:4:0 SADD HDEL ");
    pass(3000);
    expect_served("BEAT:1:5:0 ");
    ck_assert_uint_eq(figures().present, 1);
}
END_TEST

/* --- lives --- */

static void be_swept(const char *expected)
{
    beat_says = "1 0 0\n"; /* life 1 is over */
    fake_loop_advance(loop, 3000);
    serve_once();
    expect_served("BEAT:1:2:0 ");
    fake_loop_advance(loop, 1);
    serve();
    expect_served(expected);
    ck_assert_uint_eq(figures().lives, 1);
}

START_TEST(who_was_taken_for_dead_begins_another_life_and_says_that_he_is_back)
{
    be_up();
    enter_one(true);
    serve();
    served[0] = '\0';
    return_says = "1"; /* with that life his end was told */
    be_swept("BEAT:2:3:0 SADD RETURN:1 2 PUBLISH ");
}
END_TEST

/* Redis had forgotten him, say, before his node was swept. */
START_TEST(whose_end_nobody_was_told_is_not_told_to_be_back)
{
    be_up();
    enter_one(true);
    serve();
    served[0] = '\0';
    be_swept("BEAT:2:3:0 SADD RETURN:1 2 ");
}
END_TEST

START_TEST(a_life_that_no_script_can_tell_of_is_not_begun)
{
    be_up();
    enter_one(true);
    serve();
    beat_says = "18446744073709551615 1 0\n";
    pass(6100);
    ck_assert_uint_eq(figures().lives, 0);
}
END_TEST

START_TEST(a_second_life_s_end_is_not_that_of_the_first)
{
    be_up();
    enter_one(true);
    serve();
    served[0] = '\0';
    return_says = "1";
    be_swept("BEAT:2:3:0 SADD RETURN:1 2 PUBLISH ");
    beat_says = "2 0 0\n";
    fake_loop_advance(loop, 3000);
    serve_once();
    fake_loop_advance(loop, 1);
    serve();
    expect_served("BEAT:2:4:0 BEAT:3:5:0 SADD RETURN:1 3 ");
}
END_TEST

START_TEST(who_has_left_and_come_back_is_told_once)
{
    be_up();
    enter_one(true);
    serve();
    served[0] = '\0';
    return_says = "1";
    beat_says = "1 0 0\n";
    fake_loop_advance(loop, 3000);
    serve_once();
    expect_served("BEAT:1:2:0 ");
    leave_one();
    enter_one(true);
    fake_loop_advance(loop, 1);
    serve();
    expect_served("BEAT:2:3:0 SADD HSET:1 2 ");
}
END_TEST

START_TEST(a_redis_that_has_lost_writes_is_told_all_and_nobody_else_is)
{
    static const char *const answers[] = {"0 0 0\n", "0 1 1\n"}; /* empty; gone back */
    be_up();
    pass(3000);
    enter_one(true);
    serve();
    expect_served("BEAT:1:2:0 SADD HSET:1 1 ");
    beat_says = answers[_i];
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 3\n";
    fake_loop_advance(loop, 1);
    serve();
    /* What it still has of the former life is removed. */
    ck_assert_ptr_nonnull(strstr(served, "CHANNELS:fanwire:n:0000000000000abc:1:c "));
    ck_assert_ptr_nonnull(strstr(served, "BEAT:2:4:0 "));
    ck_assert_ptr_nonnull(strstr(served, "SADD HSET:1 2 "));
    ck_assert_ptr_null(strstr(served, "PUBLISH"));
    ck_assert_uint_eq(figures().lives, 1);
    ck_assert_uint_eq(figures().sweeps, 0);
}
END_TEST

/* --- the others --- */

START_TEST(a_beat_asks_for_the_last_one_that_was_answered_to_be_known)
{
    be_up();
    ck_assert_str_eq(least, "0");
    pass(3000);
    ck_assert_str_eq(least, "1");
    fake_loop_advance(loop, 3000); /* the third is sent, and its answer lost */
    forget_written();
    go_and_return();
    expect_served("BEAT:1:2:0 BEAT:1:4:0 ");
    ck_assert_str_eq(least, "2");
    beat_says = "0 0 0\n"; /* all is forgotten: another life, of which nothing is known */
    pass(3100);
    ck_assert_str_eq(least, "0");
    ck_assert_uint_eq(figures().lives, 1);
}
END_TEST

START_TEST(only_who_has_watched_for_a_lease_judges)
{
    beat_says = "0 1 9999\n000000000000dead -1 0\n";
    be_up();
    pass(8900);
    ck_assert_ptr_null(strstr(served, ":1 "));
    pass(400); /* it looks as soon as it may */
    ck_assert_ptr_nonnull(strstr(served, ":1 "));
    go_and_return();
    served[0] = '\0';
    pass(8500);
    ck_assert_ptr_null(strstr(served, ":1 "));
}
END_TEST

/* He beats in time: it is Redis' clock that was put forward. */
START_TEST(who_finds_his_own_lease_ended_watches_for_a_lease_again)
{
    be_up();
    pass(9400);
    ck_assert_ptr_nonnull(strstr(served, ":1 "));
    beat_says = "0 2 9999\n000000000000dead -1 0\n";
    pass(3000);
    beat_says = "0 1 9999\n000000000000dead -1 0\n";
    served[0] = '\0';
    pass(8500);
    ck_assert_ptr_null(strstr(served, ":1 "));
    pass(700);
    ck_assert_ptr_nonnull(strstr(served, ":1 "));
    ck_assert_uint_eq(figures().lives, 0);
}
END_TEST

START_TEST(nodes_are_told_by_name_once)
{
    char envelope[256] = "1 1 ";
    fwi_buf text;
    fwi_buf_init(&text);
    fw_message *m = member(0xdead, 0, "", "other");
    fwi_buf value;
    fwi_buf_init(&value);
    fwi_buf_puts(&value, envelope);
    ck_assert(fwi_message_encode(m, 0, 0, &value));
    fw_message_unref(m);
    be_up();
    beat_says = "0 1 9999\n000000000000dead 5000 0\n";
    pass(3000);
    ck_assert_ptr_nonnull(strstr(served, "NAMES "));
    ck_assert_str_eq(nodes, ""); /* nobody has said its name */
    /* The answer has NULs: it is fed by hand. */
    fwi_buf_printf(&text, "1 0\n%zu\n", value.len);
    fwi_buf_append(&text, value.data, value.len);
    fwi_buf answer;
    fwi_buf_init(&answer);
    fwi_buf_printf(&answer, "$%zu\r\n", text.len);
    fwi_buf_append(&answer, text.data, text.len);
    fwi_buf_puts(&answer, "\r\n");
    ck_assert(bp->ops->read_nodes(bp, 5));
    fake_loop_turn(loop);
    forget_written();
    fake_stream_feed(command, answer.data, answer.len);
    ck_assert_str_eq(page, "1 0  ");
    fwi_buf_fini(&answer);
    fwi_buf_fini(&text);
    fwi_buf_fini(&value);
}
END_TEST

START_TEST(what_is_no_node_hides_no_others)
{
    be_up();
    beat_says = "0 1 9999\nmine 5000 0\n\n000000000000dead 5000 0\n";
    pass(3000);
    ck_assert_ptr_nonnull(strstr(served, "NAMES ")); /* one has come, and has no name */
}
END_TEST

/* --- questions --- */

START_TEST(a_question_while_away_is_answered_at_once_and_is_an_error)
{
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    ck_assert_uint_eq(pages, 0);
    fake_loop_turn(loop);
    ck_assert_str_eq(page, "FW_ERR_BACKPLANE ");
    be_up();
    members_say = "0 0\n";
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    serve();
    ck_assert_str_eq(page, "0 0 ");
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    fake_loop_turn(loop);
    lose();
    fake_loop_turn(loop);
    ck_assert_str_eq(page, "FW_ERR_BACKPLANE ");
    ck_assert_uint_eq(pages, 3);
}
END_TEST

START_TEST(whoever_asks_is_told_when_it_is_stopped)
{
    be_up();
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    fake_loop_turn(loop);
    ck_assert(bp->ops->read_nodes(bp, 5)); /* it isn't even sent */
    ck_assert_uint_eq(pages, 0);
    bp->ops->stop(bp);
    ck_assert_str_eq(page, "FW_ERR_CLOSED ");
    ck_assert_uint_eq(pages, 2);
}
END_TEST

START_TEST(answers_that_no_redis_gives_harm_nobody)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "0 0",
                                      "7 7\n",
                                      "1 0\n5\n1 1",
                                      "1 0\n99999999999\nx",
                                      "1 0\n3\nabc",
                                      "1 0\n4\n1 1 "};
    be_up();
    for (size_t i = 0; i < FWI_ARRAY_LEN(bad); i++) {
        members_say = bad[i];
        ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
        serve();
        ck_assert_uint_eq(pages, i + 1);
        beat_says = bad[i];
        fake_loop_advance(loop, 3000);
        serve();
        beat_says = "0 1 9999\n";
        pass(3000);
    }
    beat_says = "0 1 9999\nzz zz zz\n";
    pass(3000);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_refusal_of_presence_leaves_the_links_alone)
{
    be_up();
    hset_says = "-NOPERM not you\r\n";
    enter_one(false);
    serve();
    expect_served("SADD HSET:0 1 ");
    ck_assert_uint_eq(downs, 0);
    hset_says = "-LOADING wait\r\n";
    enter_one(false);
    serve();
    ck_assert_uint_eq(downs, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_presence");
    TCase *tc = tcase_create("redis_presence");
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, entries_wait_until_the_lease_is_held_and_go_ahead_of_what_is_said);
    tcase_add_test(tc, who_comes_and_goes_before_anything_is_sent_costs_nothing);
    tcase_add_test(tc, after_a_break_what_isn_t_safe_is_written_again_and_nothing_else);
    tcase_add_test(tc, what_redis_refuses_is_written_when_it_takes_a_beat_again);
    tcase_add_test(tc, who_comes_and_goes_while_redis_takes_nothing_is_forgotten);
    tcase_add_test(tc,
                   who_stops_with_a_refused_removal_leaves_it_to_those_who_find_it_dead);
    tcase_add_test(tc, who_stops_before_its_former_life_is_swept_is_found_dead);
    tcase_add_test(tc, a_channel_that_could_not_be_listed_is_listed_later);
    tcase_add_test(tc, what_the_lost_link_had_not_answered_is_written_again);
    tcase_add_test(tc, what_a_lost_link_may_still_bring_about_is_set_right_behind_a_beat);
    tcase_add_test(tc, who_leaves_ahead_of_that_beat_is_removed_again_behind_it);
    tcase_add_test(tc,
                   a_channel_whose_unlisting_had_no_answer_is_listed_again_behind_a_beat);
    tcase_add_test(tc,
                   who_was_taken_for_dead_begins_another_life_and_says_that_he_is_back);
    tcase_add_test(tc, whose_end_nobody_was_told_is_not_told_to_be_back);
    tcase_add_test(tc, a_life_that_no_script_can_tell_of_is_not_begun);
    tcase_add_test(tc, a_second_life_s_end_is_not_that_of_the_first);
    tcase_add_test(tc, who_has_left_and_come_back_is_told_once);
    tcase_add_loop_test(tc, a_redis_that_has_lost_writes_is_told_all_and_nobody_else_is,
                        0, 2);
    tcase_add_test(tc, a_beat_asks_for_the_last_one_that_was_answered_to_be_known);
    tcase_add_test(tc, only_who_has_watched_for_a_lease_judges);
    tcase_add_test(tc, who_finds_his_own_lease_ended_watches_for_a_lease_again);
    tcase_add_test(tc, nodes_are_told_by_name_once);
    tcase_add_test(tc, what_is_no_node_hides_no_others);
    tcase_add_test(tc, a_question_while_away_is_answered_at_once_and_is_an_error);
    tcase_add_test(tc, whoever_asks_is_told_when_it_is_stopped);
    tcase_add_test(tc, answers_that_no_redis_gives_harm_nobody);
    tcase_add_test(tc, a_refusal_of_presence_leaves_the_links_alone);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
