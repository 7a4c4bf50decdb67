/*
 * Who comes back to a room with history: what it is given, by whom, and what it is told.
 */
#include "history_rig.h"

START_TEST(who_comes_back_gets_what_it_missed_and_then_what_comes)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1);
    join(c, 7, 3);
    ck_assert_uint_eq(fake_waiting(), 1);
    say(7, 7, 7);
    answer(7, 6, 1, 6);
    ck_assert_uint_eq(results, 1);
    ck_assert(last.recovered);
    say(7, 8, 8);
    ck_assert_str_eq(heard(c), "7:4 7:5 7:6 7:7 7:8");
    /* And who comes next is served by what this node knows. */
    fwi_conn *d = come(0);
    join(d, 7, 5);
    ck_assert(last.recovered);
    ck_assert_uint_eq(last.at.offset, 8);
    ck_assert_str_eq(heard(d), "7:6 7:7 7:8");
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_READS), 1);
    core_conn_free(d);
    close_rig(c);
}
END_TEST

/* What a past that is over has kept, nothing, isn't what this epoch has. */
START_TEST(who_asks_for_an_epoch_that_is_over_spoils_nothing_for_others)
{
    open_rig(1, NULL, NULL);
    fwi_conn *c = come(0), *d = come(0);
    join(c, 6, 3);
    answer(7, 11, 1, 0);
    while (fake_waiting() > 0) {
        answer(7, 11, 1, 0);
    }
    ck_assert_uint_eq(results, 1);
    ck_assert(!last.recovered);
    join(d, 7, 8);
    ck_assert_uint_eq(fake_waiting(), 1);
    answer(7, 11, 1, 11);
    ck_assert_uint_eq(results, 2);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(d), "7:9 7:10 7:11");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

START_TEST(who_comes_while_a_reset_is_due_waits_for_it)
{
    open_rig(1, NULL, NULL);
    fwi_conn *c = member(1), *d = come(0);
    fake_state(false);
    fake_state(true);
    core_rig_settle(&rig);
    answer(9, 3, 1, 0);
    join(d, 0, 0);
    ck_assert_uint_eq(results, 1);
    answer(9, 3, 1, 3);
    ck_assert_uint_eq(resets, 1);
    ck_assert_uint_eq(results, 2);
    ck_assert_uint_eq(last.at.offset, 3);
    ck_assert_str_eq(heard(c), "9:1 9:2 9:3");
    ck_assert_str_eq(heard(d), "");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

START_TEST(a_thousand_come_back_at_once_with_one_read)
{
    enum { N = 1000 };
    static fwi_conn *c[N];
    open_rig((unsigned)_i, NULL, NULL);
    for (unsigned i = 0; i < N; i++) {
        c[i] = core_connect(&rig, i % (unsigned)_i, "");
    }
    core_rig_settle(&rig);
    for (unsigned i = 0; i < N; i++) {
        fwi_position since = {7, 300 - i % 100};
        fwi_hub_join_since(&rig.hub, c[i]->id, "a", since, 1);
        if (i == N / 2) {
            core_rig_settle(&rig);
        }
    }
    core_rig_settle(&rig);
    fake_answer_honestly(7, 1, 310, 512);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_waiting(), 0);
    ck_assert_uint_eq(results, N);
    ck_assert_uint_eq(stat(FWI_STAT_RECOVERED), N);
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_READS), 1);
    for (unsigned i = 0; i < N; i++) {
        char want[16], said[64];
        for (unsigned o = 300 - i % 100 + 1; o <= 310; o++) {
            snprintf(want, sizeof want, "7:%u", o);
            ck_assert_int_eq(core_conn_next(c[i], said, sizeof said), FWI_WS_TEXT);
            ck_assert_str_eq(said, want);
        }
        ck_assert_int_eq(core_conn_next(c[i], said, sizeof said), -1);
        if (i > 0) {
            core_conn_free(c[i]);
        }
    }
    close_rig(c[0]);
}
END_TEST

START_TEST(the_past_is_read_over_several_pages_while_the_room_goes_on)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 6, 8);
    fwi_conn *d = come(0);
    join(d, 7, 1);
    answer(7, 8, 1, 2);
    say(7, 9, 9);
    answer(7, 9, 3, 4);
    ck_assert_uint_eq(results, 1);
    answer(7, 9, 5, 5);
    ck_assert_uint_eq(results, 2);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(d), "7:2 7:3 7:4 7:5 7:6 7:7 7:8 7:9");
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8 7:9");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

/* Each: what is wished for, what the room keeps, is it all there? */
static const struct {
    const char *name;
    uint64_t epoch, offset, from, top;
    const char *heard;
    bool recovered;
} wishes[] = {
    {"nothing was missed", 7, 8, 1, 8, "", true},
    {"all that is kept", 7, 4, 5, 8, "7:5 7:6 7:7 7:8", true},
    {"it was trimmed", 7, 3, 5, 8, "", false},
    {"from the beginning", 7, 0, 1, 3, "7:1 7:2 7:3", true},
    {"another epoch", 6, 7, 1, 8, "", false},
    {"the room has lost it", 7, 9, 1, 8, "", false},
    {"all has expired", 7, 4, 9, 8, "", false},
    {"the newest two", 0, 2, 1, 8, "7:7 7:8", true},
    {"the newest of fewer", 0, 10, 1, 3, "7:1 7:2 7:3", true},
    {"the newest of what is left", 0, 5, 7, 8, "7:7 7:8", true},
    {"the newest of nothing", 0, 5, 1, 0, "", true},
};

START_TEST(recovered_says_whether_all_is_there)
{
    open_rig(2, NULL, NULL);
    fwi_conn *c = come(1);
    join(c, wishes[_i].epoch, wishes[_i].offset);
    for (unsigned i = 0; fake_waiting() > 0; i++) {
        ck_assert_uint_lt(i, 4);
        fake_answer_honestly(7, wishes[_i].from, wishes[_i].top, 512);
        core_rig_settle(&rig);
    }
    ck_assert_uint_eq(results, 1);
    ck_assert_str_eq(heard(c), wishes[_i].heard);
    ck_assert_msg(last.recovered == wishes[_i].recovered, "%s", wishes[_i].name);
    ck_assert_uint_eq(last.at.offset, wishes[_i].top);
    close_rig(c);
}
END_TEST

START_TEST(more_than_an_outbox_holds_is_not_recovered)
{
    open_rig((unsigned)_i, "outbox.max_bytes", "1024");
    fwi_conn *c = come((unsigned)_i - 1);
    join(c, 7, 0);
    answer(7, 400, 1, 400);
    ck_assert(!last.recovered);
    ck_assert_str_eq(heard(c), "");
    fwi_conn *d = come(0);
    join(d, 7, 398);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(d), "7:399 7:400");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

START_TEST(a_client_that_knows_more_than_the_node_waits_for_a_look)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    fwi_conn *d = come(0);
    join(d, 7, 7);
    ck_assert_uint_eq(results, 1);
    answer(7, 8, 6, 8);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(d), "7:8");
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

START_TEST(who_comes_with_an_old_epoch_is_not_looked_for_again)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i), *d[3];
    for (unsigned i = 0; i < 3; i++) {
        d[i] = come(0);
        join(d[i], 6, 4);
        if (fake_waiting() > 0) {
            answer(7, 5, 1, 0);
        }
        ck_assert_uint_eq(results, 2 + i);
        ck_assert(!last.recovered);
    }
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_READS), 2);
    for (unsigned i = 0; i < 3; i++) {
        core_conn_free(d[i]);
    }
    close_rig(c);
}
END_TEST

START_TEST(however_many_wrong_epochs_are_asked_for_at_once_two_reads_refute_them)
{
    enum { N = 100 };
    static fwi_conn *d[N];
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    for (unsigned i = 0; i < N; i++) {
        d[i] = come(0);
        join(d[i], 100 + i, 4);
    }
    while (fake_waiting() > 0) {
        answer(7, 5, 1, 0);
    }
    ck_assert_uint_eq(results, 1 + N);
    ck_assert_uint_eq(stat(FWI_STAT_UNRECOVERABLE), N);
    ck_assert_uint_eq(stat(FWI_STAT_HISTORY_READS), 3); /* the first was the member's */
    for (unsigned i = 0; i < N; i++) {
        core_conn_free(d[i]);
    }
    close_rig(c);
}
END_TEST

START_TEST(while_redis_is_away_the_log_serves_what_it_has)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = member((unsigned)_i);
    say(7, 6, 9);
    fake_state(false);
    fwi_conn *d = come(0), *e = come(0);
    join(d, 7, 7);
    ck_assert_uint_eq(results, 2);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(d), "7:8 7:9");
    join(e, 7, 2);
    if (fake_waiting() > 0) {
        fake_answer_error();
    }
    core_rig_advance(&rig, 2000);
    ck_assert_uint_eq(results, 2);
    fake_state(true);
    core_rig_settle(&rig);
    while (fake_waiting() > 0) {
        fake_answer_honestly(7, 1, 10, 512);
        core_rig_settle(&rig);
    }
    ck_assert_uint_eq(results, 3);
    ck_assert(last.recovered);
    ck_assert_str_eq(heard(e), "7:3 7:4 7:5 7:6 7:7 7:8 7:9 7:10");
    core_conn_free(d);
    core_conn_free(e);
    close_rig(c);
}
END_TEST

START_TEST(what_is_too_old_is_forgotten_here_too)
{
    open_rig(1, "room.history.ttl", "1s");
    fwi_conn *c = member(1), *d = come(0);
    say(7, 6, 9);
    core_rig_advance(&rig, 1500);
    join(d, 7, 7);
    ck_assert(!last.recovered);
    core_conn_free(d);
    close_rig(c);
}
END_TEST

START_TEST(who_leaves_before_it_is_in_is_not_let_in_by_a_late_answer)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1);
    join(c, 7, 1);
    fwi_hub_leave(&rig.hub, c->id, "a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(results, 1);
    ck_assert_int_eq(last.code, FW_ERR_GONE);
    join(c, 7, 3);
    answer(7, 4, 1, 4);
    say(7, 5, 5);
    ck_assert_uint_eq(results, 2);
    ck_assert_str_eq(heard(c), "7:4 7:5");
    join(c, 0, 0); /* it is in */
    ck_assert_uint_eq(results, 3);
    ck_assert_int_eq(last.code, FW_OK);
    close_rig(c);
}
END_TEST

START_TEST(who_waits_may_close_and_the_others_dont_mind)
{
    open_rig((unsigned)_i, NULL, NULL);
    fwi_conn *c = come((unsigned)_i - 1), *d = come(0);
    join(c, 7, 1);
    join(d, 7, 2);
    core_conn_lose(c);
    core_rig_settle(&rig);
    answer(7, 4, 1, 4);
    ck_assert_str_eq(heard(d), "7:3 7:4");
    core_conn_free(d);
    close_rig(c);
}
END_TEST

/* Somebody for whom a server refused at first to say where the room stands, 7:8, but not
 * what was published to it meanwhile. */
static fwi_conn *let_in_late(unsigned loop, uint64_t epoch, uint64_t first, uint64_t end)
{
    open_rig(loop, NULL, NULL);
    fwi_conn *c = come(loop - 1);
    join(c, 0, 0);
    fake_answer_error();
    say(epoch, first, end);
    fake_state(true);
    core_rig_settle(&rig);
    answer(7, 8, 1, 0);
    ck_assert_uint_eq(results, 1);
    return c;
}

START_TEST(who_waits_while_the_position_is_refused_hears_what_is_said_meanwhile)
{
    fwi_conn *c = let_in_late((unsigned)_i, 7, 6, 7);
    ck_assert_uint_eq(fake_asked()->query.since.offset, 5);
    answer(7, 8, 6, 8);
    ck_assert_str_eq(heard(c), "7:6 7:7 7:8");
    ck_assert_uint_eq(fake_waiting(), 0);
    say(7, 8, 9);
    ck_assert_str_eq(heard(c), "7:9");
    ck_assert_uint_eq(resets, 0);
    close_rig(c);
}
END_TEST

/* What came was of a past that Redis has lost meanwhile. */
START_TEST(what_came_before_another_epoch_is_not_waited_for)
{
    fwi_conn *c = let_in_late((unsigned)_i, 6, 2, 2);
    ck_assert_uint_eq(fake_waiting(), 0);
    say(7, 9, 9);
    ck_assert_str_eq(heard(c), "7:9");
    close_rig(c);
}
END_TEST

static void add_tests(TCase *tc)
{
    const TTest *const on_each_loop[] = {
        who_comes_back_gets_what_it_missed_and_then_what_comes,
        a_thousand_come_back_at_once_with_one_read,
        the_past_is_read_over_several_pages_while_the_room_goes_on,
        more_than_an_outbox_holds_is_not_recovered,
        a_client_that_knows_more_than_the_node_waits_for_a_look,
        who_comes_with_an_old_epoch_is_not_looked_for_again,
        however_many_wrong_epochs_are_asked_for_at_once_two_reads_refute_them,
        while_redis_is_away_the_log_serves_what_it_has,
        who_leaves_before_it_is_in_is_not_let_in_by_a_late_answer,
        who_waits_may_close_and_the_others_dont_mind,
        who_waits_while_the_position_is_refused_hears_what_is_said_meanwhile,
        what_came_before_another_epoch_is_not_waited_for,
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(on_each_loop); i++) {
        tcase_add_loop_test(tc, on_each_loop[i], 1, 3);
    }
    tcase_add_loop_test(tc, recovered_says_whether_all_is_there, 0,
                        (int)FWI_ARRAY_LEN(wishes));
    tcase_add_test(tc, what_is_too_old_is_forgotten_here_too);
    tcase_add_test(tc, who_asks_for_an_epoch_that_is_over_spoils_nothing_for_others);
    tcase_add_test(tc, who_comes_while_a_reset_is_due_waits_for_it);
}

int main(void)
{
    return history_main("history_join", add_tests);
}
