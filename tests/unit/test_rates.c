/*
 * How fast clients may publish and enter rooms: by user, by address, by room. What a
 * client of each protocol is told, and that what is counted doesn't grow.
 */
#include "unit/centrifuge_rig.h"

static fwi_conn *user_on(unsigned loop, const char *name)
{
    fwi_conn *c = enter(loop);
    ck_assert_int_eq(fwi_hub_set_user(&rig.hub, c->id, name), FW_OK);
    core_rig_settle(&rig);
    return c;
}

static const struct {
    const char *option;
    bool join;
    bool others; /* does it hold for another user of the address, and in another room? */
    bool elsewhere;
} rates[] = {
    {"limit.publish_rate_per_user", false, false, true},
    {"limit.publish_rate_per_address", false, true, true},
    {"room.publish_rate", false, true, false},
    {"limit.join_rate_per_user", true, false, true},
    {"limit.join_rate_per_address", true, true, true},
    {"room.join_rate", true, true, false},
};

/* c does it once more in that room, and is told that it may or which limit it has
 * reached. */
static void does(fwi_conn *c, const char *room, size_t which, bool allowed)
{
    char want[HEARD_MAX], got[HEARD_MAX];
    const char *method = rates[which].join ? "subscribe" : "publish";
    say(c, "{\"id\":5,\"%s\":{\"channel\":\"%s\",\"data\":1}}", method, room);
    if (allowed) {
        snprintf(want, sizeof want, "{\"id\":5,\"%s\":{}}", method);
    } else {
        snprintf(want, sizeof want,
                 "{\"id\":5,\"error\":{\"code\":111,\"message\":\"over %s: try again "
                 "later\",\"temporary\":true}}",
                 rates[which].option);
    }
    ck_assert_int_eq(core_conn_next(c, got, sizeof got), FWI_WS_TEXT);
    ck_assert_msg(strcmp(got, want) == 0, "%s: heard %s", rates[which].option, got);
    if (rates[which].join && allowed) {
        say(c, "{\"id\":6,\"unsubscribe\":{\"channel\":\"%s\"}}", room);
        hears(c, "{\"id\":6,\"unsubscribe\":{}}");
    }
}

START_TEST(over_a_rate_a_client_is_told_which_and_may_try_again)
{
    size_t i = (size_t)_i;
    core_rig_init(&rig, 2, "client.insecure", "on", rates[i].option, "2", NULL);
    fwi_conn *ann = user_on(0, "ann"), *too = user_on(1, "ann"), *bob = user_on(1, "bob");
    does(ann, "a", i, true);
    does(too, "a", i, true);
    does(ann, "a", i, false);
    does(ann, "b", i, !rates[i].elsewhere);
    does(too, "a", i, false);
    does(bob, "a", i, !rates[i].others);
    core_rig_advance(&rig, 1000);
    does(ann, "a", i, true);
    char metric[100];
    snprintf(metric, sizeof metric, "fanwire_limit_hits_total{limit=\"%s\"}",
             strchr(rates[i].option, '.') + 1);
    int stat = fwi_stats_find(metric);
    ck_assert_msg(stat >= 0, "%s", metric);
    ck_assert_uint_ge(core_rig_stat(&rig, (fwi_stat)stat), 2);
    core_conn_free(ann);
    core_conn_free(too);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_is_refused_by_one_limit_uses_up_none)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.publish_rate_per_user", "3",
                  "room.publish_rate", "1", NULL);
    fwi_conn *c = user_on(0, "ann");
    does(c, "a", 2, true);
    for (int i = 0; i < 10; i++) {
        does(c, "a", 2, false);
    }
    does(c, "b", 0, true);
    does(c, "c", 0, true);
    does(c, "d", 0, false);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_may_not_come_in_uses_up_nothing_of_the_room_s_rate)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", "room.allow.subscribe", "on",
                  "room.join_rate", "1", NULL);
    fwi_conn *stranger = enter(0), *ann = user_on(0, "ann");
    for (int i = 0; i < 3; i++) {
        say(stranger, "{\"id\":2,\"subscribe\":{\"channel\":\"a#ann\"}}");
        hears(stranger,
              "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    }
    subscribe(ann, "a#ann");
    core_conn_free(stranger);
    core_conn_free(ann);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(nobody_is_limited_by_a_user_whom_they_do_not_have)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.publish_rate_per_user", "1",
                  NULL);
    fwi_conn *c = enter(0);
    for (int i = 0; i < 5; i++) {
        does(c, "a", 0, true);
    }
    ck_assert_uint_eq(rig.hub.rates.n, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- raw connections --- */

static unsigned close_code(fwi_conn *c, char reason[128])
{
    char got[HEARD_MAX];
    int opcode;
    core_rig_settle(&rig);
    while ((opcode = core_conn_next(c, got, sizeof got)) > 0 && opcode != FWI_WS_CLOSE) {
    }
    snprintf(reason, 128, "%s", opcode == FWI_WS_CLOSE ? got + 2 : "");
    return opcode == FWI_WS_CLOSE
               ? (unsigned)(uint8_t)got[0] << 8 | (unsigned)(uint8_t)got[1]
               : 0;
}

START_TEST(a_raw_session_over_its_own_rate_is_closed_with_the_reason)
{
    char reason[128];
    core_rig_init(&rig, 1, "raw.mode", "rooms", "limit.publish_rate_per_user", "2", NULL);
    fwi_conn *ann = core_connect(&rig, 0, "room=a&user=ann");
    fwi_conn *bob = core_connect(&rig, 0, "room=a&user=bob");
    for (int i = 0; i < 3; i++) {
        core_conn_say(ann, "x");
    }
    core_conn_say(bob, "y");
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(bob, "x"), 2);
    ck_assert_uint_eq(close_code(ann, reason), 1008);
    ck_assert_str_eq(reason, "over limit.publish_rate_per_user: try again later");
    ck_assert_int_eq(bob->s->state, FWI_SESSION_OPEN);
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(over_a_rooms_rate_a_raw_message_is_not_heard_and_nobody_is_closed)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "namespace.slow.publish_rate", "2", NULL);
    fwi_conn *c = core_connect(&rig, 0, "room=slow:a&room=b");
    fwi_conn *slow = core_connect(&rig, 0, "room=slow:a");
    fwi_conn *other = core_connect(&rig, 0, "room=b");
    for (int i = 0; i < 5; i++) {
        core_conn_say(c, "x");
    }
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(slow, "x"), 2);
    ck_assert_uint_eq(core_conn_count(other, "x"), 5);
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_PUBLISH_ROOM), 3);
    core_conn_free(c);
    core_conn_free(slow);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_raw_session_that_enters_over_a_rate_is_told_to_come_later)
{
    char reason[128];
    core_rig_init(&rig, 1, "raw.mode", "rooms", "room.join_rate", "1", NULL);
    fwi_conn *c = core_connect(&rig, 0, "room=a");
    fwi_conn *late = core_connect(&rig, 0, "room=b&room=a&room=c");
    ck_assert_uint_eq(close_code(late, reason), 1013);
    ck_assert_str_eq(reason, "over room.join_rate: try again later");
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    core_rig_advance(&rig, 1000);
    fwi_conn *again = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(again->s->n_places, 1);
    core_conn_free(c);
    core_conn_free(late);
    core_conn_free(again);
    core_rig_fini(&rig);
}
END_TEST

/* --- sessions of a user --- */

static fwi_conn *ann_by_connect(void)
{
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, "ann"), FW_OK);
    core_rig_settle(&rig);
    return c;
}

START_TEST(a_user_may_have_so_many_sessions_on_a_node)
{
    core_rig_init(&rig, 1, "limit.sessions_per_user", "2", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    fwi_conn *one = ann_by_connect(), *two = ann_by_connect();
    hears(one, CONNECTED(""));
    hears(two, CONNECTED(""));
    fwi_conn *three = ann_by_connect();
    is_closed(three, 3504);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_USER), 1);
    core_conn_free(one);
    /* There is room again; and for another name that hers was changed to. */
    fwi_conn *four = ann_by_connect();
    hears(four, CONNECTED(""));
    ck_assert_int_eq(fwi_hub_set_user(&rig.hub, four->id, "bob"), FW_OK);
    core_rig_settle(&rig);
    fwi_conn *five = ann_by_connect();
    hears(five, CONNECTED(""));
    core_conn_free(two);
    core_conn_free(three);
    core_conn_free(four);
    core_conn_free(five);
    ck_assert_ptr_null(rig.hub.limits.counts);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(one_more_raw_session_of_a_user_is_429)
{
    core_rig_init(&rig, 2, "raw.mode", "rooms", "limit.sessions_per_user", "1", NULL);
    fwi_conn *ann = core_connect(&rig, 0, "user=ann"),
             *bob = core_connect(&rig, 1, "user=bob");
    fwi_conn *more = core_connect(&rig, 1, "user=ann");
    core_rig_settle(&rig);
    ck_assert_int_eq(more->refused, 429);
    ck_assert(ann->accepted && bob->accepted && !more->accepted);
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(more);
    core_rig_fini(&rig);
}
END_TEST

/* --- what is kept --- */

START_TEST(what_is_idle_is_forgotten_and_what_is_kept_is_bounded)
{
    char room[32];
    core_rig_init(&rig, 1, "client.insecure", "on", "room.publish_rate", "1", NULL);
    fwi_conn *c = enter(0);
    for (unsigned i = 0; i < FWI_RATES_MAX + 1000u; i++) {
        snprintf(room, sizeof room, "room%u", i);
        ck_assert_ptr_null(fwi_rates_take(c->s, FWI_RATE_PUBLISH, room));
    }
    ck_assert_uint_le(rig.hub.rates.n, FWI_RATES_MAX);
    ck_assert_uint_ge(core_rig_stat(&rig, FWI_STAT_LIMIT_RATES), 1000);
    ck_assert_ptr_nonnull(fwi_rates_take(c->s, FWI_RATE_PUBLISH, room));
    core_rig_advance(&rig, 1000);
    for (unsigned i = 0; i < FWI_RATES_MAX / 2; i++) {
        fwi_rates_take(c->s, FWI_RATE_PUBLISH, room);
    }
    ck_assert_uint_eq(rig.hub.rates.n, 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_limit_may_change_while_it_holds)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.publish_rate_per_address", "1",
                  NULL);
    fwi_conn *c = enter(0);
    does(c, "a", 1, true);
    does(c, "a", 1, false);
    fw_options_set(rig.options, "limit.publish_rate_per_address", "0");
    fwi_hub_reload(&rig.hub, rig.options);
    does(c, "a", 1, true);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rates");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, over_a_rate_a_client_is_told_which_and_may_try_again, 0,
                        FWI_ARRAY_LEN(rates));
    tcase_add_test(tc, who_is_refused_by_one_limit_uses_up_none);
    tcase_add_test(tc, who_may_not_come_in_uses_up_nothing_of_the_room_s_rate);
    tcase_add_test(tc, nobody_is_limited_by_a_user_whom_they_do_not_have);
    tcase_add_test(tc, a_raw_session_over_its_own_rate_is_closed_with_the_reason);
    tcase_add_test(tc, over_a_rooms_rate_a_raw_message_is_not_heard_and_nobody_is_closed);
    tcase_add_test(tc, a_raw_session_that_enters_over_a_rate_is_told_to_come_later);
    tcase_add_test(tc, a_user_may_have_so_many_sessions_on_a_node);
    tcase_add_test(tc, one_more_raw_session_of_a_user_is_429);
    tcase_add_test(tc, what_is_idle_is_forgotten_and_what_is_kept_is_bounded);
    tcase_add_test(tc, a_limit_may_change_while_it_holds);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
