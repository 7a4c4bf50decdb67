/*
 * Presence as the core sees it, over the backplane of one process: who is in a room, what
 * members and handlers are told of coming and going, where a user is.
 */
#include <check.h>
#include <string.h>

#include "core/presence.h"
#include "support/core_rig.h"
#include "support/test_message.h"

static core_rig rig;

/* What the last PRESENCE said: "ann@node:info bob@node: " and so on. */
static char members[2048];
static uint64_t total, cursor, ref;
static unsigned answers;
static int code;

/* What handlers of ROOM_JOIN and ROOM_LEAVE saw: "+ann@node:a -ann@node:a ". */
static char news[1024];

static void on_presence(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    members[0] = '\0';
    for (size_t i = 0; i < fw_event_members(e); i++) {
        size_t n = strlen(members), len;
        const char *who = fw_event_member_user(e, i);
        const void *info = fw_event_member_info(e, i, &len);
        snprintf(members + n, sizeof members - n, "%s@%s:%.*s ", who ? who : "?",
                 fw_event_member_node(e, i), (int)len, (const char *)info);
    }
    total = fw_event_total(e);
    cursor = fw_event_cursor(e);
    ref = fw_event_token(e);
    code = fw_event_code(e);
    answers++;
}

static void on_news(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t n = strlen(news);
    snprintf(news + n, sizeof news - n, "%c%s@%s:%s ",
             fw_event_kind(e) == FW_EVENT_ROOM_JOIN ? '+' : '-',
             fw_event_user(e) ? fw_event_user(e) : "?", fw_event_node_name(e),
             fw_event_room(e));
    ck_assert_str_eq(fw_event_reason(e), "");
}

static void begin(unsigned loops, const char *option, const char *value)
{
    core_rig_init(&rig, loops, "raw.mode", "rooms", "raw.format", "json", option, value,
                  NULL);
    core_rig_on(&rig, FW_EVENT_PRESENCE, on_presence, NULL);
    members[0] = news[0] = '\0';
    total = cursor = ref = answers = 0;
}

static void ask(const char *channel, uint64_t from, uint32_t limit)
{
    unsigned before = answers;
    ck_assert_int_eq(fwi_hub_read_presence(&rig.hub, channel, from, limit, 77), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(answers, before + 1);
    ck_assert_uint_eq(ref, 77);
    ck_assert_int_eq(code, FW_OK);
}

static fwi_conn *enter(unsigned loop, const char *query)
{
    fwi_conn *c = core_connect(&rig, loop, query);
    core_rig_settle(&rig);
    return c;
}

/* The next that c got; "" if nothing. */
static const char *next(fwi_conn *c)
{
    static char text[512];
    core_rig_settle(&rig);
    if (core_conn_next(c, text, sizeof text) == -1) {
        text[0] = '\0';
    }
    return text;
}

static void expect_news(fwi_conn *c, const char *what, const char *user, fw_session_id id)
{
    char want[300], session[FW_SESSION_ID_TEXT];
    snprintf(want, sizeof want,
             "{\"room\":\"a\",\"%s\":{\"user\":\"%s\",\"session\":\"%s\",\"node\":"
             "\"node\"}}",
             what, user, fw_session_id_text(id, session));
    ck_assert_str_eq(next(c), want);
}

START_TEST(who_is_in_a_room_is_known_with_user_node_and_info)
{
    begin((unsigned)_i, "room.presence", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    fwi_conn *bob = enter((unsigned)_i - 1, "room=a&room=b&user=bob");
    fwi_conn *nobody = enter(0, "room=b");
    ck_assert_int_eq(fwi_hub_set_info(&rig.hub, bob->id, "blue", 4), FW_OK);
    core_rig_settle(&rig);
    ask("r:a", 0, 10);
    ck_assert_str_eq(members, "ann@node: bob@node:blue ");
    ck_assert_uint_eq(total, 2);
    ck_assert_uint_eq(cursor, 0);
    ask("r:b", 0, 10);
    ck_assert_str_eq(members, "bob@node:blue ?@node: ");
    ask("r:c", 0, 10);
    ck_assert_str_eq(members, "");
    ck_assert_uint_eq(total, 0);
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(nobody);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_has_left_or_is_closed_is_not_present_any_more)
{
    begin(2, "room.presence", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    fwi_conn *bob = enter(1, "room=a&user=bob");
    fwi_conn *cid = enter(1, "room=a&user=cid");
    fwi_hub_leave(&rig.hub, ann->id, "a");
    core_conn_lose(bob);
    core_rig_settle(&rig);
    ask("r:a", 0, 10);
    ck_assert_str_eq(members, "cid@node: ");
    fwi_hub_join(&rig.hub, ann->id, "a", 0);
    core_rig_settle(&rig);
    ask("r:a", 0, 10);
    ck_assert_str_eq(members, "cid@node: ann@node: ");
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(cid);
    core_rig_settle(&rig);
    ask("r:a", 0, 10);
    ck_assert_uint_eq(total, 0);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(pages_show_each_member_once)
{
    enum { N = 25 };
    begin(1, "room.presence", "on");
    fwi_conn *c[N];
    for (int i = 0; i < N; i++) {
        char query[64];
        snprintf(query, sizeof query, "room=a&user=u%d", i);
        c[i] = enter(0, query);
    }
    char all[4096] = "";
    unsigned pages = 0;
    do {
        ask("r:a", cursor, 10);
        ck_assert_uint_eq(total, N);
        strcat(all, members);
        pages++;
    } while (cursor != 0);
    ck_assert_uint_eq(pages, 3);
    for (int i = 0; i < N; i++) {
        char who[64];
        snprintf(who, sizeof who, "u%d@node: ", i);
        char *at = strstr(all, who);
        ck_assert_ptr_nonnull(at);
        ck_assert_ptr_null(strstr(at + 1, who));
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_limit_of_0_asks_how_many_there_are)
{
    begin(1, "room.presence", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    ask("r:a", 0, 0);
    ck_assert_str_eq(members, "");
    ck_assert_uint_eq(total, 1);
    ck_assert_uint_eq(cursor, 0);
    core_conn_free(ann);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_room_without_the_option_keeps_nothing_and_tells_nothing)
{
    begin(1, "room.presence", "off");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    ck_assert_str_eq(next(ann), "{\"joined\":\"a\"}");
    fwi_conn *bob = enter(0, "room=a&user=bob");
    ck_assert_str_eq(next(ann), "");
    ask("r:a", 0, 10);
    ck_assert_uint_eq(total, 0);
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(members_are_told_who_comes_and_goes_but_not_of_themselves)
{
    begin((unsigned)_i, "room.join_leave", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    ck_assert_str_eq(next(ann), "{\"joined\":\"a\"}");
    fwi_conn *bob = enter((unsigned)_i - 1, "room=a&user=bob");
    expect_news(ann, "join", "bob", bob->id);
    ck_assert_str_eq(next(bob), "{\"joined\":\"a\"}");
    ck_assert_str_eq(next(bob), "");
    fwi_hub_leave(&rig.hub, bob->id, "a");
    expect_news(ann, "leave", "bob", bob->id);
    fwi_hub_join(&rig.hub, bob->id, "a", 0);
    expect_news(ann, "join", "bob", bob->id);
    fw_session_id gone = bob->id;
    core_conn_lose(bob);
    expect_news(ann, "leave", "bob", gone);
    ck_assert_str_eq(next(ann), "");
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_join_is_told_before_what_its_session_says)
{
    begin(2, "room.join_leave", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    next(ann);
    fwi_conn *bob = core_connect(&rig, 1, "room=a&user=bob");
    core_conn_say(bob, "hi");
    expect_news(ann, "join", "bob", bob->id);
    ck_assert_ptr_nonnull(strstr(next(ann), "\"data\":\"hi\""));
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(plain_members_hear_nothing_of_it)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "room.join_leave", "on", NULL);
    fwi_conn *ann = enter(0, "room=a&user=ann");
    fwi_conn *bob = enter(0, "room=a&user=bob");
    core_conn_lose(bob);
    ck_assert_str_eq(next(ann), "");
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(handlers_are_told_where_there_are_members)
{
    begin(2, "room.join_leave", "on");
    core_rig_on(&rig, FW_EVENT_ROOM_JOIN, on_news, NULL);
    core_rig_on(&rig, FW_EVENT_ROOM_LEAVE, on_news, NULL);
    fwi_conn *ann = enter(1, "room=a&user=ann");
    fwi_conn *bob = enter(0, "room=a");
    core_conn_lose(bob);
    core_rig_settle(&rig);
    ck_assert_str_eq(news, "+?@node:a -?@node:a ");
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_gets_another_user_is_present_as_that_one_and_nothing_is_told)
{
    begin(2, "room.join_leave", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    fwi_conn *bob = enter(1, "room=a&user=bob");
    fwi_hub_set_info(&rig.hub, bob->id, "blue", 4);
    next(ann);
    next(ann);
    fwi_hub_set_user(&rig.hub, bob->id, "rob");
    ck_assert_str_eq(next(ann), "");
    ask("r:a", 0, 10);
    ck_assert_str_eq(members, "ann@node: rob@node:blue ");
    core_conn_lose(bob);
    core_conn_free(bob);
    core_conn_free(ann);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_user_s_sessions_are_known_by_the_name_it_has_now)
{
    begin(2, "user.presence", "on");
    fwi_conn *one = enter(0, "user=ann"), *two = enter(1, "user=ann");
    ask("u:ann", 0, 10);
    ck_assert_str_eq(members, "ann@node: ann@node: ");
    fwi_hub_set_user(&rig.hub, two->id, "bob");
    core_rig_settle(&rig);
    ask("u:ann", 0, 10);
    ck_assert_str_eq(members, "ann@node: ");
    ask("u:bob", 0, 10);
    ck_assert_str_eq(members, "bob@node: ");
    core_conn_lose(one);
    ask("u:ann", 0, 10);
    ck_assert_uint_eq(total, 0);
    core_conn_free(one);
    core_conn_free(two);
    core_rig_fini(&rig);
}
END_TEST

static void on_room_message(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
    ck_abort_msg("nothing was published");
}

START_TEST(what_is_sent_to_a_room_here_reaches_its_members_past_the_backplane)
{
    begin((unsigned)_i, "raw.format", "plain");
    core_rig_on(&rig, FW_EVENT_ROOM_MESSAGE, on_room_message, NULL);
    fwi_conn *ann = enter(0, "room=a");
    fwi_conn *bob = enter((unsigned)_i - 1, "room=a");
    fwi_conn *cid = enter(0, "room=b");
    fwi_conn *left_out = enter(0, "room=a");
    fw_message *m = test_message(FWI_MSG_DATA, "news", 4, FW_TEXT);
    m->except = left_out->id;
    ck_assert_int_eq(fwi_hub_send_here(&rig.hub, "r:a", m), FW_OK);
    ck_assert_int_eq(fwi_hub_send_here(&rig.hub, "r:nobody", m), FW_OK);
    fw_message_unref(m);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(ann, "news"), 1);
    ck_assert_uint_eq(core_conn_count(bob, "news"), 1);
    ck_assert_uint_eq(core_conn_count(cid, "news"), 0);
    ck_assert_uint_eq(core_conn_count(left_out, "news"), 0);
    core_conn_free(left_out);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_PUBLISHED), 0);
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(cid);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_user_leaves_a_room_with_all_sessions)
{
    begin(2, "room.presence", "on");
    fwi_conn *one = enter(0, "room=a&room=b&user=ann");
    fwi_conn *two = enter(1, "room=a&user=ann");
    fwi_conn *bob = enter(1, "room=a&user=bob");
    ck_assert_int_eq(fwi_hub_user_leave(&rig.hub, "ann", "a"), FW_OK);
    core_rig_settle(&rig);
    ask("r:a", 0, 10);
    ck_assert_str_eq(members, "bob@node: ");
    ask("r:b", 0, 10);
    ck_assert_str_eq(members, "ann@node: ");
    core_conn_free(one);
    core_conn_free(two);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(the_only_node_there_is_has_its_facts)
{
    begin(1, "room.presence", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    core_rig_advance(&rig, 5000);
    ck_assert_int_eq(fwi_hub_read_nodes(&rig.hub, 5), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(ref, 5);
    ck_assert_str_eq(members, "?@node:{\"version\":\"0.1.0\",\"sessions\":1,\"rooms\":1,"
                              "\"members\":1,\"uptime\":5,\"metrics\":{\"interval\":"
                              "5.000000,\"items\":{\"fanwire_messages_in_total\":0,"
                              "\"fanwire_deliveries_total\":1,"
                              "\"fanwire_outbox_dropped_total\":0,"
                              "\"fanwire_inbox_dropped_total\":0,"
                              "\"fanwire_events_dropped_total\":0,"
                              "\"fanwire_outbox_bytes\":0,"
                              "\"fanwire_loop_lag_seconds\":0.000000,"
                              "\"fanwire_loop_turn_seconds_sum\":0.000000}}} ");
    core_conn_free(ann);
    core_rig_fini(&rig);
}
END_TEST

static char logged[512];

static void on_log(void *user, int level, const char *component, const char *message)
{
    (void)user;
    (void)level;
    snprintf(logged, sizeof logged, "%s: %s", component, message);
}

/* Its name came by Redis, where anybody may have written it. */
START_TEST(a_node_s_name_is_quoted_where_it_is_logged)
{
    begin(1, "room.presence", "on");
    rig.hub.log.fn = on_log;
    rig.hub.log.level = FWI_LOG_INFO;
    fwi_presence_on_node(&rig.hub, 7, "n\nhub: \x1b[2Jall is well", true);
    ck_assert_str_eq(logged, "hub: node up: 0000000000000007 "
                             "name=n\\x0ahub: \\x1b[2Jall is well");
    rig.hub.log.fn = NULL;
    core_rig_settle(&rig);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_kind_of_message_from_the_future_is_counted_and_shown_to_nobody)
{
    static const char *const channels[] = {"r:a", "u:ann", "all", "n:0000000000000007"};
    begin(1, "room.join_leave", "on");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    next(ann);
    for (size_t i = 0; i < FWI_ARRAY_LEN(channels); i++) {
        fw_message *m = test_message((fwi_msg_kind)200, "new", 3, FW_TEXT);
        m->target = ann->id;
        fwi_hub_publish(&rig.hub, channels[i], m);
        fw_message_unref(m);
    }
    /* One that we know, from whom nobody is named: not ours either. */
    fw_message *m = test_message(FWI_MSG_LEFT, "", 0, FW_TEXT);
    fwi_hub_publish(&rig.hub, "r:a", m);
    fw_message_unref(m);
    ck_assert_str_eq(next(ann), "");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_UNKNOWN), 4);
    core_conn_free(ann);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("presence");
    TCase *tc = tcase_create("presence");
    suite_add_tcase(s, tc);
    tcase_add_loop_test(tc, who_is_in_a_room_is_known_with_user_node_and_info, 1, 3);
    tcase_add_test(tc, who_has_left_or_is_closed_is_not_present_any_more);
    tcase_add_test(tc, pages_show_each_member_once);
    tcase_add_test(tc, a_limit_of_0_asks_how_many_there_are);
    tcase_add_test(tc, a_room_without_the_option_keeps_nothing_and_tells_nothing);
    tcase_add_loop_test(tc, members_are_told_who_comes_and_goes_but_not_of_themselves, 1,
                        3);
    tcase_add_test(tc, a_join_is_told_before_what_its_session_says);
    tcase_add_test(tc, plain_members_hear_nothing_of_it);
    tcase_add_test(tc, handlers_are_told_where_there_are_members);
    tcase_add_test(tc, who_gets_another_user_is_present_as_that_one_and_nothing_is_told);
    tcase_add_test(tc, a_user_s_sessions_are_known_by_the_name_it_has_now);
    tcase_add_loop_test(
        tc, what_is_sent_to_a_room_here_reaches_its_members_past_the_backplane, 1, 3);
    tcase_add_test(tc, a_user_leaves_a_room_with_all_sessions);
    tcase_add_test(tc, the_only_node_there_is_has_its_facts);
    tcase_add_test(tc, a_node_s_name_is_quoted_where_it_is_logged);
    tcase_add_test(tc, a_kind_of_message_from_the_future_is_counted_and_shown_to_nobody);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
