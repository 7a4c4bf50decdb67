/*
 * Presence on a Cluster that the test plays: the list of a node's channels is on one
 * server, an entry on the other one, and either may be away or refuse.
 */
#include "redis_presence_rig.h"

#include "redis_cluster_rig.h"

/* Answers what was written to one of them, and what that leads to. */
static void serve_at(const server *s)
{
    command = s->command;
    subscriber = s->subscriber;
    serve();
}

/* Until neither is asked any more. */
static void serve_both(void)
{
    do {
        serve_at(&a);
        serve_at(&b);
    } while (fake_stream_written(a.command)->len > 0);
}

static void up_at(server *s)
{
    connect_at(s);
    echo_probe(s);
    serve_at(s);
}

/* The lease and the entries of in_b are at b, the list is at a. */
static void begin_present(void)
{
    set_up();
    end();
    ck_assert_uint_lt(slot_of("n:0000000000000abc:1:c"), FWI_REDIS_SLOTS / 2);
    ck_assert_uint_ge(fwi_redis_slot("fanwire:nodes", 13), FWI_REDIS_SLOTS / 2);
    begin_asking_for(&present_sink);
    fake_stream_written(asked)->len = 0;
    tell_map(HALVES);
    up_at(&a);
    up_at(&b);
    ck_assert_uint_eq(ups, 1);
    ck_assert_ptr_nonnull(strstr(served, "BEAT:1:1:0 "));
    served[0] = '\0';
}

static void enter_in_b(void)
{
    fw_message *m = member(NODE, 1, "ann", "me");
    ck_assert(bp->ops->enter(bp, in_b, m, false));
    fw_message_unref(m);
    fake_loop_turn(loop);
}

START_TEST(an_entry_waits_until_its_channel_is_listed_at_the_other_server)
{
    begin_present();
    enter_in_b();
    serve_at(&b);
    expect_served("");
    serve_both();
    expect_served("SADD HSET:0 1 ");
}
END_TEST

START_TEST(while_the_server_of_the_list_is_away_entries_wait_in_peace)
{
    begin_present();
    fake_stream_fail(a.command, "gone");
    fake_loop_turn(loop);
    enter_in_b();
    ck_assert(!fake_loop_is_woken(loop));
    serve_at(&b);
    expect_served("");
    fake_loop_advance(loop, 1001);
    up_at(&a);
    fake_loop_advance(loop, 101);
    serve_both();
    ck_assert_ptr_nonnull(strstr(served, "SADD HSET:0 1 "));
}
END_TEST

/* And isn't written unlisted: nobody would find it when this node has died. */
START_TEST(what_the_list_refuses_waits_for_a_beat)
{
    begin_present();
    sadd_says = "-OOM command not allowed\r\n";
    enter_in_b();
    serve_both();
    expect_served("SADD ");
    sadd_says = ":1\r\n";
    for (int i = 0; i < 30; i++) {
        fake_loop_advance(loop, 100);
        serve_both();
    }
    expect_served("BEAT:1:2:0 SADD HSET:0 1 ");
}
END_TEST

START_TEST(who_leaves_before_the_list_has_answered_was_never_there)
{
    begin_present();
    enter_in_b();
    bp->ops->leave(bp, in_b, (fw_session_id){NODE, 1});
    serve_both();
    expect_served("SADD ");
    enter_in_b();
    serve_both();
    expect_served("SADD HSET:0 1 ");
}
END_TEST

/* With the map, if that is asked for. */
static void pass_a_moment(void)
{
    fake_loop_advance(loop, 100);
    if (strstr(written(asked), "CLUSTER") != NULL) {
        fake_stream_written(asked)->len = 0;
        tell_map(HALVES);
    }
}

static void pass_at_both(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 100) {
        pass_a_moment();
        serve_both();
    }
}

/* Its links are lost, and it is there again. */
static void b_is_lost_and_back(void)
{
    fake_stream_fail(b.command, "gone");
    fake_loop_turn(loop);
    for (int i = 0; i < 11; i++) {
        pass_a_moment();
        serve_at(&a);
    }
    up_at(&b);
    fake_loop_advance(loop, 101);
    serve_both();
}

/* A replica that takes over may have entries again that were removed before. */
START_TEST(a_removal_is_repeated_at_a_server_that_was_lost_up_to_a_minute_later)
{
    begin_present();
    enter_in_b();
    serve_both();
    bp->ops->leave(bp, in_b, (fw_session_id){NODE, 1});
    serve_both();
    expect_served("SADD HSET:0 1 HDEL ");
    pass_at_both(20000);
    ck_assert_ptr_null(strstr(served, "SREM"));
    served[0] = '\0';
    b_is_lost_and_back();
    ck_assert_ptr_nonnull(strstr(served, "HDEL "));
    served[0] = '\0';
    pass_at_both(70000);
    ck_assert_ptr_nonnull(strstr(served, "SREM "));
    served[0] = '\0';
    b_is_lost_and_back();
    ck_assert_ptr_null(strstr(served, "HDEL "));
}
END_TEST

START_TEST(what_lay_at_a_server_that_gave_up_its_slot_and_was_lost_is_written_again)
{
    begin_present();
    enter_in_b();
    serve_both();
    pass_at_both(7000); /* long safe */
    served[0] = '\0';
    publish(in_b, "hello");
    fake_loop_turn(loop);
    forget(&b);
    refuse(&b, in_b);
    b_is_lost_and_back();
    ck_assert_ptr_nonnull(strstr(served, "HSET:0 1 "));
}
END_TEST

/* It says nothing of the server that has the lease now. */
START_TEST(a_beat_that_the_former_server_answers_holds_no_lease_at_the_next_one)
{
    char map[500];
    unsigned slot = fwi_redis_slot("fanwire:nodes", 13);
    begin_present();
    fake_loop_advance(loop, 3000);
    ck_assert(wrote(&b, "ZADD"));
    snprintf(map, sizeof map,
             ID_A " a:1@1 master - 0 0 1 connected 0-8191 %u\n" ID_B
                  " b:2@1 master - 0 0 1 connected 8192-%u %u-16383\n",
             slot, slot - 1, slot + 1);
    do {
        fake_loop_advance(loop, 1);
    } while (strstr(written(asked), "CLUSTER") == NULL);
    tell_map(map);
    ck_assert(wrote(&a, "ZADD"));
    enter_in_b();
    serve_at(&b);
    ck_assert(!wrote(&a, "SADD"));
    serve_both();
    ck_assert_ptr_nonnull(strstr(served, "SADD HSET:0 1 "));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_cluster_presence");
    TCase *tc = tcase_create("presence");
    tcase_add_checked_fixture(tc, NULL, end_cluster);
    tcase_add_test(tc, an_entry_waits_until_its_channel_is_listed_at_the_other_server);
    tcase_add_test(tc, while_the_server_of_the_list_is_away_entries_wait_in_peace);
    tcase_add_test(tc, what_the_list_refuses_waits_for_a_beat);
    tcase_add_test(tc, who_leaves_before_the_list_has_answered_was_never_there);
    tcase_add_test(tc,
                   a_removal_is_repeated_at_a_server_that_was_lost_up_to_a_minute_later);
    tcase_add_test(
        tc, what_lay_at_a_server_that_gave_up_its_slot_and_was_lost_is_written_again);
    tcase_add_test(tc,
                   a_beat_that_the_former_server_answers_holds_no_lease_at_the_next_one);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
