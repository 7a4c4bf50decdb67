/*
 * Where a room with history stands: holes, repetitions, short pages, epochs that end; and
 * what becomes of what is published.
 */
#include "history_rig.h"
#include "support/test_message.h"

/* --- where it stands --- */

START_TEST(a_join_is_complete_when_the_position_is_known)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1);
    join(c, 0, 0);
    ck_assert_uint_eq(results, 0);
    ck_assert_uint_eq(fake_asked()->query.limit, 0);
    say(7, 6, 6); /* it may come before the answer */
    answer(7, 5, 1, 0);
    ck_assert_uint_eq(results, 1);
    ck_assert_int_eq(last.code, FW_OK);
    ck_assert_uint_eq(last.at.epoch, 7);
    ck_assert_uint_eq(last.at.offset, 5);
    ck_assert(!last.recovered);
    say(7, 7, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_READS), 1);
    close_rig(c);
}
END_TEST

START_TEST(a_hole_is_read_once_and_said_in_order)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 6, 6);
    say(7, 9, 11);
    ck_assert_str_eq(heard(c), "7:6");
    ck_assert_uint_eq(fake_waiting(), 1);
    ck_assert_uint_eq(fake_asked()->query.since.offset, 6);
    answer(7, 10, 7, 10);
    ck_assert_str_eq(heard(c), "7:7 7:8 7:9 7:10 7:11");
    ck_assert_uint_eq(fake_waiting(), 0);
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_GAPS), 1);
    close_rig(c);
}
END_TEST

START_TEST(what_has_come_before_is_dropped)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 4, 7);
    say(7, 5, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    ck_assert_uint_eq(fake_waiting(), 0);
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_REPEATED), 5);
    close_rig(c);
}
END_TEST

/* Redis has confirmed the subscription when the first page had been read already. */
START_TEST(what_was_said_before_the_room_was_really_heard_is_read)
{
    open_rig((unsigned)_i, NULL, NULL);
    const fwi_backplane *bp = &fake_backplane_last->base;
    fwi_conn *c = member((unsigned)_i);
    bp->sink->on_missed(bp->sink_user, "r:a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 1);
    bp->sink->on_missed(bp->sink_user, "r:a"); /* the read may be too old again */
    answer(7, 6, 6, 6);
    answer(7, 7, 7, 7);
    ck_assert_str_eq(heard(c), "7:6 7:7");
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

START_TEST(a_short_page_is_followed_by_the_next)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 12, 12);
    answer(7, 12, 6, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    ck_assert_uint_eq(fake_asked()->query.since.offset, 8);
    answer(7, 13, 9, 13); /* more than has come yet */
    say(7, 13, 14);
    ck_assert_str_eq(heard(c), "7:9 7:10 7:11 7:12 7:13 7:14");
    close_rig(c);
}
END_TEST

START_TEST(a_message_without_a_position_is_a_plain_one)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    fake_say("r:a", 0, 0);
    say(7, 6, 6);
    ck_assert_str_eq(heard(c), "plain 7:6");
    close_rig(c);
}
END_TEST

START_TEST(what_cant_be_had_any_more_is_told)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 12, 12);
    answer(7, 12, 9, 12); /* 6..8 have been trimmed */
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(last.at.offset, 8);
    ck_assert_str_eq(heard(c), "7:9 7:10 7:11 7:12");
    say(7, 20, 20);
    answer(7, 20, 1, 0); /* all has expired */
    ck_assert_uint_eq(resets, 2);
    ck_assert_uint_eq(last.at.offset, 20);
    say(7, 21, 21);
    ck_assert_str_eq(heard(c), "7:21");
    close_rig(c);
}
END_TEST

START_TEST(another_epoch_is_told_once_and_heard_from_its_beginning)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(8, 3, 3);
    answer(8, 3, 1, 0); /* since 7:5 there is nothing */
    ck_assert_uint_eq(resets, 0);
    answer(8, 3, 1, 3);
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(last.at.epoch, 8);
    ck_assert_uint_eq(last.at.offset, 0);
    say(7, 6, 6); /* a straggler */
    answer(8, 3, 1, 0);
    say(8, 4, 4);
    ck_assert_str_eq(heard(c), "8:1 8:2 8:3 8:4");
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

START_TEST(a_room_that_went_back_is_told)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 6, 9);
    fake_state(false);
    say(7, 12, 12); /* of the lost master */
    fake_state(true);
    core_rig_settle(&rig);
    while (fake_waiting() > 0) {
        answer(7, 7, 1, 0);
    }
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(last.at.offset, 7);
    say(7, 8, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8 7:9 7:8");
    close_rig(c);
}
END_TEST

/* A failover that lost writes, and others have been written since. */
START_TEST(a_room_that_went_back_and_has_grown_again_is_told)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    fake_writer = 1;
    say(7, 6, 9);
    fake_state(false);
    fake_state(true);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_asked()->query.since.offset, 8);
    fake_answer_error();
    core_rig_advance(&rig, 1100);
    ck_assert_uint_eq(fake_asked()->query.since.offset, 8);
    fake_writer = 2;
    answer(7, 11, 9, 11);
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(last.at.offset, 8);
    say(7, 12, 12);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8 7:9 7:9 7:10 7:11 7:12");
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

START_TEST(what_the_lost_server_said_last_does_not_follow_what_the_new_one_says)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 8, 8); /* a hole, and the link goes */
    fake_state(false);
    fake_answer_error();
    fake_state(true);
    core_rig_settle(&rig);
    answer(7, 7, 6, 7);
    ck_assert_str_eq(heard(c), "7:6 7:7");
    say(7, 8, 8);
    ck_assert_str_eq(heard(c), "7:8");
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

START_TEST(a_room_that_has_only_grown_is_heard_on)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    fake_writer = 1;
    say(7, 6, 9);
    fake_state(false);
    fake_state(true);
    core_rig_settle(&rig);
    answer(7, 12, 9, 10); /* a short page */
    ck_assert_uint_eq(fake_asked()->query.since.offset, 10);
    answer(7, 12, 11, 12);
    ck_assert_uint_eq(resets, 0);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8 7:9 7:10 7:11 7:12");
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

START_TEST(after_the_return_every_room_is_read_since_its_position)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    fwi_hub_join(&rig.hub, c->id, "b", 2);
    core_rig_settle(&rig);
    answer(9, 2, 1, 0);
    fake_state(false);
    fake_state(true);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 2);
    bool first = strcmp(fake_asked()->channel, "r:a") == 0;
    for (int i = 0; i < 2; i++, first = !first) {
        ck_assert_str_eq(fake_asked()->channel, first ? "r:a" : "r:b");
        ck_assert_uint_eq(fake_asked()->query.since.offset, first ? 5 : 2);
        answer(first ? 7 : 9, first ? 6 : 3, first ? 6 : 3, first ? 6 : 3);
    }
    const char *said = heard(c);
    ck_assert(strstr(said, "7:6") && strstr(said, "9:3") && strlen(said) == 7);
    close_rig(c);
}
END_TEST

START_TEST(a_room_that_cannot_be_read_keeps_no_other_waiting)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "bad", 1), FW_OK);
    core_rig_settle(&rig);
    fake_answer_error();
    core_rig_settle(&rig);
    join(c, 0, 0);
    ck_assert_uint_eq(fake_waiting(), 1);
    ck_assert_str_eq(fake_asked()->channel, "r:a");
    answer(7, 5, 1, 0);
    ck_assert_uint_eq(results, 1);
    core_rig_advance(&rig, 1100);
    ck_assert_str_eq(fake_asked()->channel, "r:bad");
    fake_state(false);
    fake_answer_error();
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "elsewhere", 1), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 1); /* its server may be there */
    ck_assert_str_eq(fake_asked()->channel, "r:elsewhere");
    fake_state(true);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 3);
    close_rig(c);
}
END_TEST

START_TEST(a_read_that_fails_is_made_again)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 8, 8);
    fake_answer_error(); /* the backplane is there: after a while */
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 0);
    core_rig_advance(&rig, 1100);
    answer(7, 8, 6, 7); /* a page, and then it is away in the middle */
    fake_state(false);
    for (int i = 0; i < 3; i++) {
        fake_answer_error();
        core_rig_settle(&rig);
        ck_assert_uint_eq(fake_waiting(), 0);
        core_rig_advance(&rig, 1100);
        ck_assert_uint_eq(fake_waiting(), 1);
    }
    fake_answer_error();
    fake_state(true);
    core_rig_settle(&rig);
    answer(7, 9, 8, 9);
    say(7, 9, 10);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8 7:9 7:10");
    ck_assert_uint_eq(resets, 0);
    close_rig(c);
}
END_TEST

START_TEST(too_much_behind_a_hole_is_read_and_not_kept)
{
    open_rig((unsigned)_i, "redis.queue.max_bytes", "1024");
    fwi_conn *c = member((unsigned)_i);
    say(7, 7, 60);
    for (unsigned i = 0; fake_waiting() > 0; i++) {
        ck_assert_uint_lt(i, 10);
        fake_answer_honestly(7, 1, 60, 1000);
        core_rig_settle(&rig);
    }
    say(7, 61, 61);
    const char *said = heard(c);
    for (unsigned i = 6; i <= 61; i++) {
        char want[16];
        snprintf(want, sizeof want, "7:%u", i);
        ck_assert_msg(strncmp(said, want, strlen(want)) == 0, "%s, not %s", said, want);
        said += strlen(want) + (i < 61);
    }
    close_rig(c);
}
END_TEST

/* Where they stand is asked at once, ahead of what is said to them next; the rest isn't.
 */
START_TEST(reads_are_few_at_a_time)
{
    enum { N = 300 };
    open_rig(1, "limit.rooms_per_session", "1000");
    fwi_conn *c = come(0);
    char room[16];
    for (int i = 0; i < N; i++) {
        snprintf(room, sizeof room, "%d", i);
        fwi_hub_join(&rig.hub, c->id, room, 0);
        core_rig_settle(&rig);
    }
    ck_assert_uint_eq(fake_waiting(), N);
    for (int i = 0; i < N; i++) {
        answer(7, 1, 1, 0);
    }
    ck_assert_uint_eq(fake_waiting(), 0);
    for (int i = 0; i < N; i++) {
        snprintf(room, sizeof room, "r:%d", i);
        fake_say(room, 7, 3);
    }
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 256);
    for (int i = 0; i < N; i++) {
        answer(7, 3, 2, 3);
    }
    ck_assert_uint_eq(fake_waiting(), 0);
    close_rig(c);
}
END_TEST

/* Somebody waits to be let in, and speaks meanwhile: that is behind where it comes in. */
START_TEST(a_position_that_could_not_be_had_is_asked_ahead_of_what_was_said_meanwhile)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1);
    join(c, 0, 0);
    ck_assert(!fake_asked()->query.ahead);
    fake_answer_error();
    fake_state(true);
    core_rig_settle(&rig);
    ck_assert(fake_asked()->query.ahead);
    answer(7, 5, 1, 0);
    ck_assert_uint_eq(results, 1);
    say(7, 8, 8);
    ck_assert(!fake_asked()->query.ahead);
    answer(7, 8, 6, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    close_rig(c);
}
END_TEST

/* --- raw connections --- */

START_TEST(a_reset_is_json_or_closes_the_plain_with_1012)
{
    open_rig((unsigned)_i, "raw.mode", "rooms");
    fwi_conn *c = core_connect(&rig, (unsigned)_i - 1, "room=a");
    core_rig_settle(&rig);
    answer(7, 5, 1, 0);
    say(8, 1, 1);
    answer(8, 1, 1, 0);
    answer(8, 1, 1, 1);
    const uint8_t *frame = (const uint8_t *)c->out.data;
    ck_assert_uint_gt(c->out.len, 4);
    ck_assert_uint_eq(frame[0] & 15u, FWI_WS_CLOSE);
    ck_assert_uint_eq((unsigned)frame[2] << 8 | frame[3], 1012);
    close_rig(c);
}
END_TEST

START_TEST(json_tells_positions_joins_and_resets)
{
    core_rig_backplane = fake_backplane_new;
    core_rig_init(&rig, 2, "room.history.size", "10", "raw.mode", "rooms", "raw.format",
                  "json", NULL);
    fwi_conn *c = core_connect(&rig, 1, "room=a&since=&room=b&since=7/3");
    core_rig_settle(&rig);
    while (fake_waiting() > 0) {
        fake_answer_honestly(7, 1, 4, 100);
        core_rig_settle(&rig);
    }
    fake_say("r:b", 8, 1);
    answer(8, 1, 1, 0);
    answer(8, 1, 1, 1);
    const char *said = heard(c);
    static const char *const want[] = {
        "{\"joined\":\"a\",\"epoch\":\"0000000000000007\",\"offset\":4,\"recovered\":"
        "false}",
        "{\"room\":\"b\",\"epoch\":\"0000000000000007\",\"offset\":4,\"data\":\"7:4\"} "
        "{\"joined\":\"b\",\"epoch\":\"0000000000000007\",\"offset\":4,\"recovered\":"
        "true}",
        "{\"room\":\"b\",\"reset\":{\"epoch\":\"0000000000000008\",\"offset\":0}} "
        "{\"room\":\"b\",\"epoch\":\"0000000000000008\",\"offset\":1,\"data\":\"8:1\"}"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(want); i++) {
        ck_assert_msg(strstr(said, want[i]) != NULL, "%s\nnot in %s", want[i], said);
    }
    core_conn_free(c);
    c = core_connect(&rig, 0, "room=a&since=x");
    ck_assert_int_eq(c->refused, 400);
    close_rig(c);
}
END_TEST

/* --- what is published --- */

START_TEST(who_joins_and_publishes_hears_itself)
{
    open_rig(2, NULL, NULL);
    for (unsigned i = 0; i < 4; i++) { /* a new room, and one that stands */
        fwi_conn *c = come(i % 2);
        const char *room = i < 2 ? "a" : "b", *channel = i < 2 ? "r:a" : "r:b";
        fwi_hub_join(&rig.hub, c->id, room, 1);
        core_publish(&rig, channel, "x");
        for (unsigned turn = 0; turn < 3; turn++) { /* loop 0 runs ahead */
            fake_loop_turn(rig.loop[0]);
            fwi_shard_leave_thread();
            if (fake_waiting() > 0) {
                fake_answer(7, 5, 1, 0);
            }
            if (turn == 1) {
                fake_say(channel, 7, 6 + i % 2);
            }
        }
        core_rig_settle(&rig);
        char want[8];
        snprintf(want, sizeof want, "7:%u", 6 + i % 2);
        const char *said = heard(c);
        ck_assert_msg(strstr(said, want) != NULL, "%u: %s", i, said);
        core_conn_free(c);
    }
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}
END_TEST

static int publish(const char *channel, uint64_t ref)
{
    fw_message *m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
    int err = fwi_hub_publish_ref(&rig.hub, channel, m, ref);
    fw_message_unref(m);
    core_rig_settle(&rig);
    return err;
}

START_TEST(every_publish_with_a_ref_has_one_result)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    ck_assert_int_eq(publish("r:a", 42), FW_OK);
    ck_assert_int_eq(publish("r:a", 42), FW_OK); /* refs are the application's */
    ck_assert_int_eq(publish("r:a", 0), FW_OK);
    const fake_publish *p = fake_backplane_last->publish;
    ck_assert_uint_eq(p[0].terms.history_size, 1000);
    ck_assert_uint_eq(p[0].terms.history_ttl_ms, 300000);
    ck_assert_uint_ne(p[0].terms.ref, p[1].terms.ref);
    ck_assert_uint_eq(p[2].terms.ref, 0);
    fake_published(p[1].terms.ref, FW_OK, 7, 6);
    ck_assert_uint_eq(results, 2);
    ck_assert_uint_eq(last.token, 42);
    ck_assert_int_eq(last.code, FW_OK);
    ck_assert_uint_eq(last.at.offset, 6);
    fake_published(p[0].terms.ref, FW_ERR_TIMEOUT, 0, 0);
    ck_assert_uint_eq(results, 3);
    ck_assert_int_eq(last.code, FW_ERR_TIMEOUT);
    fake_published(p[0].terms.ref, FW_OK, 7, 7); /* that was all */
    ck_assert_uint_eq(results, 3);
    close_rig(c);
}
END_TEST

START_TEST(what_cant_wait_for_its_room_is_told)
{
    open_rig(1, "redis.queue.max_bytes", "1024");
    fwi_conn *c = come(0);
    fwi_hub_join(&rig.hub, c->id, "a", 0);
    fw_message *m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
    for (uint64_t i = 1; i <= 20; i++) {
        fwi_hub_publish_ref(&rig.hub, "r:a", m, i);
    }
    fw_message_unref(m);
    core_rig_settle(&rig);
    unsigned sent = fake_backplane_last->n_publishes;
    ck_assert_uint_gt(sent, 0);
    ck_assert_uint_eq(results, 20 - sent);
    ck_assert_int_eq(last.code, FW_ERR_BUSY);
    ck_assert_uint_eq(fake_backplane_last->publish[sent - 1].terms.ref, sent);
    close_rig(c);
}
END_TEST

START_TEST(a_full_outbox_closes_whatever_the_policy_is)
{
    static const char *const policies[] = {"drop_oldest", "drop_newest", "latest"};
    core_rig_backplane = fake_backplane_new;
    core_rig_init(&rig, 1, "room.history.size", "1000", "outbox.max_bytes", "1024",
                  "outbox.policy", policies[_i], NULL);
    fwi_conn *c = come(0);
    join(c, 0, 0);
    answer(7, 5, 1, 0);
    c->blocked = true;
    say(7, 6, 300);
    ck_assert_uint_eq(stat(FWI_STAT_OVERFLOW_CLOSE), 1);
    ck_assert_int_eq(c->s->state, FWI_SESSION_CLOSING);
    close_rig(c);
}
END_TEST

static void add_tests(TCase *tc)
{
    const TTest *const on_each_loop[] = {
        a_join_is_complete_when_the_position_is_known,
        a_hole_is_read_once_and_said_in_order,
        what_has_come_before_is_dropped,
        what_was_said_before_the_room_was_really_heard_is_read,
        a_short_page_is_followed_by_the_next,
        a_message_without_a_position_is_a_plain_one,
        what_cant_be_had_any_more_is_told,
        another_epoch_is_told_once_and_heard_from_its_beginning,
        a_room_that_went_back_is_told,
        a_room_that_went_back_and_has_grown_again_is_told,
        a_room_that_has_only_grown_is_heard_on,
        what_the_lost_server_said_last_does_not_follow_what_the_new_one_says,
        after_the_return_every_room_is_read_since_its_position,
        a_room_that_cannot_be_read_keeps_no_other_waiting,
        a_read_that_fails_is_made_again,
        too_much_behind_a_hole_is_read_and_not_kept,
        a_reset_is_json_or_closes_the_plain_with_1012,
        every_publish_with_a_ref_has_one_result,
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(on_each_loop); i++) {
        tcase_add_loop_test(tc, on_each_loop[i], 1, 3);
    }
    tcase_add_test(tc, reads_are_few_at_a_time);
    tcase_add_loop_test(
        tc, a_position_that_could_not_be_had_is_asked_ahead_of_what_was_said_meanwhile, 1,
        3);
    tcase_add_test(tc, json_tells_positions_joins_and_resets);
    tcase_add_test(tc, who_joins_and_publishes_hears_itself);
    tcase_add_test(tc, what_cant_wait_for_its_room_is_told);
    tcase_add_loop_test(tc, a_full_outbox_closes_whatever_the_policy_is, 0, 3);
}

int main(void)
{
    return history_main("history", add_tests);
}
