/*
 * Clients of the Centrifuge protocol in rooms that keep something: what they ask of the
 * past and of who is there, coming back to where they were, and calls to the application.
 */
#include "unit/centrifuge_rig.h"

#include "core/presence.h"
#include "support/test_message.h"

static void open_kept(unsigned loops)
{
    core_rig_init(&rig, loops, "client.insecure", "on", "room.history.size", "10",
                  "room.presence", "on", "room.join_leave", "on", NULL);
}

#define POSITIONED(top)                                                                  \
    "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"    \
    "epoch>"                                                                             \
    "\",\"offset\":" top "}}"

/* --- the past --- */

START_TEST(a_subscriber_is_told_where_the_room_stands_if_it_asks)
{
    open_kept((unsigned)_i);
    fwi_conn *c = enter((unsigned)_i - 1), *other = enter(0);
    publish("a", "1");
    publish("a", "2");
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true}}");
    hears(c, POSITIONED("2"));
    say(other, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    hears(other, "{\"id\":2,\"subscribe\":{}}");
    publish("a", "3");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":3,\"offset\":3}}}");
    hears(other, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":3,\"offset\":3}}}");
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *epoch; /* NULL: the room's */
    unsigned offset, flag;
    const char *want;
} returns[] = {
    {"behind the second", NULL, 2, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":2,\"publications\":[{\"data\":3,\"offset\":3},{\"data\":4,"
     "\"offset\":4}],\"recovered\":true,\"was_recovering\":true}}"},
    {"where it stands", NULL, 4, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":4,\"recovered\":true,\"was_recovering\":true}}"},
    {"of any epoch", "", 3, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":3,\"publications\":[{\"data\":4,\"offset\":4}],\"recovered\":true,"
     "\"was_recovering\":true}}"},
    {"from the first on", "", 0, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":0,\"publications\":[{\"data\":1,\"offset\":1},{\"data\":2,\"offset\":"
     "2},"
     "{\"data\":3,\"offset\":3},{\"data\":4,\"offset\":4}],\"recovered\":true,"
     "\"was_recovering\":true}}"},
    {"beyond the end", NULL, 5, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":4,\"was_recovering\":true}}"},
    {"of another server", "Qx3d", 2, 1,
     "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"<"
     "epoch>"
     "\",\"offset\":4,\"was_recovering\":true}}"},
    {"or an error", "Qx3d", 2, 3,
     "{\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}"},
};

START_TEST(who_comes_back_gets_what_it_has_missed_or_is_told_that_it_cannot)
{
    open_kept(2);
    char epoch[17];
    fwi_conn *c = enter(1), *first = enter(0);
    subscribe_kept(first, "", epoch);
    for (unsigned i = 1; i <= 4; i++) {
        char text[2] = {(char)('0' + i), '\0'};
        publish("a", text);
    }
    say(c,
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true,\"recover\":"
        "true,"
        "\"epoch\":\"%s\",\"offset\":%u,\"flag\":%u}}",
        returns[_i].epoch ? returns[_i].epoch : epoch, returns[_i].offset,
        returns[_i].flag);
    char got[HEARD_MAX];
    core_conn_next(c, got, sizeof got);
    ck_assert_msg(matches(got, returns[_i].want), "%s: %s", returns[_i].name, got);
    publish("a", "5");
    if (returns[_i].flag == 1) {
        hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":5,\"offset\":5}}}");
    } else {
        hears_nothing(c);
    }
    core_conn_free(c);
    core_conn_free(first);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_not_kept_any_more_is_not_recovered)
{
    open_kept(1);
    char epoch[17];
    fwi_conn *c = enter(0), *first = enter(0);
    subscribe_kept(first, "", epoch);
    for (unsigned i = 0; i < 15; i++) {
        publish("a", "1");
    }
    say(c,
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true,\"recover\":"
        "true,"
        "\"epoch\":\"%s\",\"offset\":2}}",
        epoch);
    hears(c,
          "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":"
          "\"<epoch>\",\"offset\":15,\"was_recovering\":true}}");
    core_conn_free(c);
    core_conn_free(first);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_history_that_begins_anew_makes_its_subscribers_come_again)
{
    open_kept(1);
    char epoch[17];
    fwi_conn *c = enter(0), *careless = enter(0), *given = enter(0);
    subscribe_kept(c, "", epoch);
    say(careless, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    hears(careless, "{\"id\":2,\"subscribe\":{}}");
    fwi_hub_join(&rig.hub, given->id, "a", 0);
    hears(given, "{\"push\":{\"channel\":\"a\",\"subscribe\":{\"recoverable\":true,"
                 "\"positioned\":true,\"epoch\":\"<epoch>\",\"offset\":0}}}");
    char got[HEARD_MAX];
    core_conn_next(given, got, sizeof got); /* its own coming */
    ck_assert_int_eq(fwi_hub_forget_history(&rig.hub, "r:a", 1), FW_OK);
    hears(c, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2500,\"reason\":"
             "\"insufficient state\"}}}");
    is_closed(given, 3010);
    publish("a", "1");
    hears_nothing(c);
    hears(careless, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1,\"offset\":1}}}");
    subscribe_kept(c, "", epoch);
    publish("a", "2");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":2,\"offset\":2}}}");
    core_conn_free(c);
    core_conn_free(careless);
    core_conn_free(given);
    core_rig_fini(&rig);
}
END_TEST

#define COME_AGAIN                                                                       \
    "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2500,\"reason\":"            \
    "\"insufficient state\"}}}"

START_TEST(many_are_told_to_come_again_one_after_the_other)
{
    char epoch[17];
    fwi_conn *c[6];
    core_rig_init(&rig, 1, "client.insecure", "on", "room.history.size", "10",
                  "limit.resubscribe_rate", "2", NULL);
    for (size_t i = 0; i < FWI_ARRAY_LEN(c); i++) {
        c[i] = enter(0);
        subscribe_kept(c[i], "", epoch);
    }
    ck_assert_int_eq(fwi_hub_forget_history(&rig.hub, "r:a", 1), FW_OK);
    core_rig_settle(&rig);
    publish("a", "1"); /* of the new epoch: not for them */
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_RESUBSCRIBE), 4);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_MEMBERS), 0);
    hears(c[5], COME_AGAIN);
    hears(c[4], COME_AGAIN);
    /* These don't wait for it. */
    say(c[3], "{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    hears(c[3], "{\"id\":3,\"unsubscribe\":{}}");
    subscribe_kept(c[2], "", epoch);
    hears_nothing(c[1]);
    core_rig_advance(&rig, 600);
    hears(c[1], COME_AGAIN);
    hears_nothing(c[0]);
    core_conn_free(c[0]);
    core_rig_advance(&rig, 2000);
    hears_nothing(c[3]);
    publish("a", "2");
    hears(c[2], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":2,\"offset\":2}}}");
    hears_nothing(c[1]);
    for (size_t i = 1; i < FWI_ARRAY_LEN(c); i++) {
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

static void give_a(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    give(e, "a");
}

START_TEST(a_room_that_was_given_goes_on_where_the_last_connection_ended)
{
    core_rig_init(&rig, (unsigned)_i, "client.insecure", "on", "room.history.size", "10",
                  NULL);
    char epoch[17];
    fwi_conn *first = enter(0);
    subscribe_kept(first, "", epoch);
    for (unsigned i = 1; i <= 3; i++) {
        publish("a", "7");
    }
    core_rig_on(&rig, FW_EVENT_OPEN, give_a, NULL);
    fwi_conn *c = arrive((unsigned)_i - 1);
    say(c,
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":{\"recover\":true,\"epoch\":\"%s\","
        "\"offset\":2},\"gone\":{\"recover\":true,\"epoch\":\"x\",\"offset\":9}}}}",
        epoch);
    hears(c, CONNECTED(",\"subs\":{\"a\":{\"recoverable\":true,\"positioned\":true,"
                       "\"epoch\":\"<epoch>\",\"offset\":2,\"publications\":[{\"data\":7,"
                       "\"offset\":3}],\"recovered\":true,\"was_recovering\":true}}"));
    core_conn_free(first);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(and_so_does_one_that_is_given_later)
{
    core_rig_init(&rig, 2, "client.insecure", "on", "room.history.size", "10", NULL);
    char epoch[17];
    fwi_conn *first = enter(0);
    subscribe_kept(first, "", epoch);
    publish("a", "7");
    publish("a", "8");
    fwi_conn *c = arrive(1);
    say(c,
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":{\"recover\":true,\"epoch\":\"%s\","
        "\"offset\":1}}}}",
        epoch);
    hears(c, CONNECTED(""));
    fwi_hub_join(&rig.hub, c->id, "a", 0);
    hears(c, "{\"push\":{\"channel\":\"a\",\"subscribe\":{\"recoverable\":true,"
             "\"positioned\":true,\"epoch\":\"<epoch>\",\"offset\":1,\"recovered\":true,"
             "\"was_recovering\":true}}}");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":8,\"offset\":2}}}");
    core_conn_free(first);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *in, *want;
} reads[] = {
    {"only where it stands", "", "\"epoch\":\"<epoch>\",\"offset\":4"},
    {"two", ",\"limit\":2",
     "\"publications\":[{\"data\":1,\"offset\":1},{\"data\":2,\"offset\":2}],\"epoch\":"
     "\"<epoch>\",\"offset\":4"},
    {"all", ",\"limit\":-1",
     "\"publications\":[{\"data\":1,\"offset\":1},{\"data\":2,\"offset\":2},{\"data\":3,"
     "\"offset\":3},{\"data\":4,\"offset\":4}],\"epoch\":\"<epoch>\",\"offset\":4"},
    {"the newest", ",\"limit\":1,\"reverse\":true",
     "\"publications\":[{\"data\":4,\"offset\":4}],\"epoch\":\"<epoch>\",\"offset\":4"},
    {"since", ",\"limit\":1,\"since\":{\"offset\":2,\"epoch\":\"EPOCH\"}",
     "\"publications\":[{\"data\":3,\"offset\":3}],\"epoch\":\"<epoch>\",\"offset\":4"},
    {"since, of any epoch", ",\"limit\":9,\"since\":{\"offset\":3}",
     "\"publications\":[{\"data\":4,\"offset\":4}],\"epoch\":\"<epoch>\",\"offset\":4"},
    {"before",
     ",\"limit\":9,\"reverse\":true,\"since\":{\"offset\":3,\"epoch\":\"EPOCH\"}",
     "\"publications\":[{\"data\":2,\"offset\":2},{\"data\":1,\"offset\":1}],\"epoch\":"
     "\"<epoch>\",\"offset\":4"},
    {"since the end", ",\"limit\":9,\"since\":{\"offset\":4,\"epoch\":\"EPOCH\"}",
     "\"epoch\":\"<epoch>\",\"offset\":4"},
    {"of another epoch", ",\"limit\":9,\"since\":{\"offset\":2,\"epoch\":\"x\"}",
     "!112,\"message\":\"unrecoverable position\""},
    {"before the first", ",\"limit\":9,\"reverse\":true,\"since\":{\"epoch\":\"EPOCH\"}",
     "!107,\"message\":\"bad request\""},
    {"less than none", ",\"limit\":-2", "!107,\"message\":\"bad request\""},
    {"since text", ",\"since\":{\"offset\":\"1\"}", "!107,\"message\":\"bad request\""},
};

START_TEST(history_is_read_by_limit_and_position)
{
    open_kept(2);
    char epoch[17], command[400], want[600];
    fwi_conn *c = enter(1), *first = enter(0);
    subscribe_kept(first, "", epoch);
    for (unsigned i = 1; i <= 4; i++) {
        char text[2] = {(char)('0' + i), '\0'};
        publish("a", text);
    }
    snprintf(command, sizeof command, "%s", reads[_i].in);
    char *at = strstr(command, "EPOCH");
    if (at != NULL) {
        snprintf(at, sizeof command - (size_t)(at - command), "%s%s", epoch,
                 strstr(reads[_i].in, "EPOCH") + 5);
    }
    say(c, "{\"id\":5,\"history\":{\"channel\":\"a\"%s}}", command);
    bool error = reads[_i].want[0] == '!';
    snprintf(want, sizeof want,
             error ? "{\"id\":5,\"error\":{\"code\":%s}}" : "{\"id\":5,\"history\":{%s}}",
             reads[_i].want + error);
    char got[HEARD_MAX];
    core_conn_next(c, got, sizeof got);
    ck_assert_msg(matches(got, want), "%s: %s", reads[_i].name, got);
    core_conn_free(c);
    core_conn_free(first);
    core_rig_fini(&rig);
}
END_TEST

/* --- who is there --- */

START_TEST(presence_tells_sessions_and_counts_users)
{
    open_kept(2);
    fwi_conn *c[3];
    char id[FW_SESSION_ID_TEXT], got[HEARD_MAX];
    for (unsigned i = 0; i < 3; i++) {
        c[i] = enter(i % 2);
        ck_assert_int_eq(fwi_hub_set_user(&rig.hub, c[i]->id, i == 2 ? "bob" : "ann"),
                         FW_OK);
        ck_assert_int_eq(fwi_hub_set_info(&rig.hub, c[i]->id, "{\"n\":1}", 7), FW_OK);
        say(c[i], "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
        core_conn_next(c[i], got, sizeof got);
    }
    say(c[0], "{\"id\":3,\"presence_stats\":{\"channel\":\"a\"}}");
    hears(c[0], "{\"id\":3,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}");
    say(c[1], "{\"id\":4,\"presence\":{\"channel\":\"a\"}}");
    ck_assert_int_eq(core_conn_next(c[1], got, sizeof got), FWI_WS_TEXT);
    for (unsigned i = 0; i < 3; i++) {
        char want[200];
        fw_session_id_text(c[i]->id, id);
        snprintf(want, sizeof want,
                 "\"%s\":{\"user\":\"%s\",\"client\":\"%s\",\"conn_info\":{\"n\":1}}", id,
                 i == 2 ? "bob" : "ann", id);
        ck_assert_msg(strstr(got, want) != NULL, "%s is not in %s", want, got);
    }
    say(c[1], "{\"id\":5,\"presence_stats\":{\"channel\":\"empty\"}}");
    hears(c[1], "{\"id\":5,\"presence_stats\":{\"num_clients\":0,\"num_users\":0}}");
    say(c[1], "{\"id\":6,\"presence\":{\"channel\":\"empty\"}}");
    hears(c[1], "{\"id\":6,\"presence\":{\"presence\":{}}}");
    for (unsigned i = 0; i < 3; i++) {
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_wishes_is_told_who_comes_and_goes)
{
    open_kept(1);
    fwi_conn *keen = enter(0), *other = enter(0);
    say(keen, "{\"id\":2,\"subscribe\":{\"channel\":\"b\",\"join_leave\":true}}");
    hears(keen, "{\"id\":2,\"subscribe\":{}}");
    hears(keen,
          "{\"push\":{\"channel\":\"b\",\"join\":{\"info\":{\"user\":\"\",\"client\":"
          "\"<client>\"}}}}");
    subscribe(other, "b");
    hears(keen,
          "{\"push\":{\"channel\":\"b\",\"join\":{\"info\":{\"user\":\"\",\"client\":"
          "\"<client>\"}}}}");
    hears_nothing(other);
    say(other, "{\"id\":3,\"unsubscribe\":{\"channel\":\"b\"}}");
    hears(other, "{\"id\":3,\"unsubscribe\":{}}");
    hears(keen, "{\"push\":{\"channel\":\"b\",\"leave\":{\"info\":{\"user\":\"\","
                "\"client\":\"<client>\"}}}}");
    say(keen, "{\"id\":3,\"unsubscribe\":{\"channel\":\"b\"}}");
    hears(keen, "{\"id\":3,\"unsubscribe\":{}}");
    hears_nothing(keen);
    core_conn_free(keen);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_publishes_is_shown_with_its_info_in_the_past_too)
{
    open_kept(1);
    fwi_conn *c = enter(0);
    fwi_hub_set_user(&rig.hub, c->id, "ann");
    fwi_hub_set_info(&rig.hub, c->id, "plain", 5);
    core_rig_settle(&rig);
    say(c, "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":1}}");
    hears(c, "{\"id\":3,\"publish\":{}}");
    say(c, "{\"id\":4,\"history\":{\"channel\":\"a\",\"limit\":1}}");
    hears(c, "{\"id\":4,\"history\":{\"publications\":[{\"data\":1,\"info\":{\"user\":"
             "\"ann\",\"client\":\"<client>\",\"conn_info\":\"plain\"},\"offset\":1}],"
             "\"epoch\":\"<epoch>\",\"offset\":1}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- calls --- */

static uint64_t tokens[300];
static unsigned calls;
static char called[64];

static void on_rpc(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *data = fw_event_data(e, &len);
    tokens[calls++] = fw_event_token(e);
    snprintf(called, sizeof called, "%s %.*s", fw_event_method(e), (int)len, data);
}

static void answer(uint64_t token, const char *text)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    ck_assert_int_eq(fwi_hub_reply(&rig.hub, token, m), FW_OK);
    ck_assert_int_eq(fwi_hub_reply(&rig.hub, token, m), FW_ERR_GONE);
    fw_message_unref(m);
}

static void open_for_calls(unsigned loops)
{
    calls = 0;
    core_rig_init(&rig, loops, "client.insecure", "on", NULL);
    core_rig_on(&rig, FW_EVENT_RPC, on_rpc, NULL);
}

START_TEST(calls_are_answered_in_the_order_of_their_answers)
{
    open_for_calls(2);
    fwi_conn *c = enter(1);
    say(c,
        "{\"id\":2,\"rpc\":{\"method\":\"sum\",\"data\":[1,2]}}\n{\"id\":3,\"rpc\":{}}\n"
        "{\"id\":4,\"rpc\":{\"method\":\"x\"}}");
    ck_assert_uint_eq(calls, 3);
    answer(tokens[1], "{\"b\":1}");
    hears(c, "{\"id\":3,\"rpc\":{\"data\":{\"b\":1}}}");
    answer(tokens[0], "no json");
    hears(c, "{\"id\":2,\"rpc\":{\"data\":\"no json\"}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, tokens[2], false, 404, "no x"), FW_OK);
    hears(c, "{\"id\":4,\"error\":{\"code\":404,\"message\":\"no x\"}}");
    say(c, "{\"id\":5,\"rpc\":{\"method\":\"sum\",\"data\":[1,2]}}");
    ck_assert_str_eq(called, "sum [1,2]");
    core_rig_advance(&rig, 5100);
    hears(c, "{\"id\":5,\"error\":{\"code\":100,\"message\":\"internal server error\","
             "\"temporary\":true}}");
    say(c, "{\"id\":6,\"rpc\":{}}");
    core_conn_free(c);
    fw_message *m = test_message(FWI_MSG_DATA, "1", 1, FW_TEXT);
    ck_assert_int_eq(fwi_hub_reply(&rig.hub, tokens[4], m), FW_ERR_GONE);
    fw_message_unref(m);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_calls_too_much_is_not_read_until_some_are_answered)
{
    open_for_calls(1);
    fwi_conn *c = enter(0);
    char text[HEARD_MAX] = "";
    for (unsigned i = 0; i < 200; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "{\"id\":%u,\"rpc\":{}}\n", i + 2);
    }
    say(c, "%s", text);
    ck_assert_uint_eq(calls, 128);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_COMMANDS), 1);
    ck_assert(c->paused);
    for (unsigned i = 0; i < 200; i++) {
        char want[64];
        ck_assert_uint_ge(calls, i + 1);
        answer(tokens[i], "1");
        snprintf(want, sizeof want, "{\"id\":%u,\"rpc\":{\"data\":1}}", i + 2);
        hears(c, want);
    }
    ck_assert_uint_eq(calls, 200);
    ck_assert(!c->paused);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_history");
    TCase *tc = tcase_create("the past");
    tcase_add_loop_test(tc, a_subscriber_is_told_where_the_room_stands_if_it_asks, 1, 3);
    tcase_add_loop_test(tc,
                        who_comes_back_gets_what_it_has_missed_or_is_told_that_it_cannot,
                        0, FWI_ARRAY_LEN(returns));
    tcase_add_test(tc, what_is_not_kept_any_more_is_not_recovered);
    tcase_add_test(tc, a_history_that_begins_anew_makes_its_subscribers_come_again);
    tcase_add_test(tc, many_are_told_to_come_again_one_after_the_other);
    tcase_add_loop_test(tc, a_room_that_was_given_goes_on_where_the_last_connection_ended,
                        1, 3);
    tcase_add_test(tc, and_so_does_one_that_is_given_later);
    tcase_add_loop_test(tc, history_is_read_by_limit_and_position, 0,
                        FWI_ARRAY_LEN(reads));
    suite_add_tcase(suite, tc);
    tc = tcase_create("who is there");
    tcase_add_test(tc, presence_tells_sessions_and_counts_users);
    tcase_add_test(tc, who_wishes_is_told_who_comes_and_goes);
    tcase_add_test(tc, who_publishes_is_shown_with_its_info_in_the_past_too);
    suite_add_tcase(suite, tc);
    tc = tcase_create("calls");
    tcase_add_test(tc, calls_are_answered_in_the_order_of_their_answers);
    tcase_add_test(tc, who_calls_too_much_is_not_read_until_some_are_answered);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
