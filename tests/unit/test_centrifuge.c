/*
 * Sessions that speak the Centrifuge protocol, in rooms: what is said there, who may do
 * what, and rooms that they are given. Their beginning and end are in
 * test_centrifuge_life.c, what they ask of a room's past in test_centrifuge_history.c.
 */
#include "unit/centrifuge_rig.h"

#include "core/decision.h"
#include "support/test_message.h"

/* --- rooms --- */

START_TEST(what_a_client_publishes_reaches_all_members_in_their_own_words)
{
    core_rig_init(&rig, 2, "client.insecure", "on", "raw.mode", "rooms", NULL);
    fwi_conn *ann = enter(0), *bob = enter(1);
    fwi_conn *raw = core_connect(&rig, 1, "room=a");
    subscribe(ann, "a");
    subscribe(bob, "a");
    say(ann, "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":{\"t\": \"hi\"}}}");
    hears(bob, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{\"t\": \"hi\"},\"info\":{"
               "\"user\":\"\",\"client\":\"<client>\"}}}}");
    ck_assert_uint_eq(core_conn_count(raw, "{\"t\": \"hi\"}"), 1);
    /* The order of these two is nobody's promise. */
    char got[2][HEARD_MAX];
    ck_assert_int_eq(core_conn_next(ann, got[0], HEARD_MAX), FWI_WS_TEXT);
    ck_assert_int_eq(core_conn_next(ann, got[1], HEARD_MAX), FWI_WS_TEXT);
    int reply = strcmp(got[0], "{\"id\":3,\"publish\":{}}") == 0 ? 0 : 1;
    ck_assert_str_eq(got[reply], "{\"id\":3,\"publish\":{}}");
    ck_assert_ptr_nonnull(strstr(got[!reply], "\"pub\""));
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(raw);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_no_json_is_shown_as_a_string)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "raw.mode", "rooms", NULL);
    fwi_conn *c = enter(0), *raw = core_connect(&rig, 0, "room=a");
    subscribe(c, "a");
    core_conn_say(raw, "hello");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"hello\"}}}");
    fwi_session_on_message(raw->s, false, "\x01\x02", 2);
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"AQI=\"}}}");
    core_conn_say(raw, "[1,\n2]");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":[1,2]}}}");
    core_conn_free(c);
    core_conn_free(raw);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_message_to_a_session_a_user_and_everybody_is_a_message)
{
    decide_later();
    fwi_conn *c = arrive(0), *raw = core_connect(&rig, 0, "");
    fwi_hub_decide(&rig.hub, question, true, 0, "");
    say(c, "{\"id\":1,\"connect\":{}}");
    fwi_hub_decide(&rig.hub, question, true, 0, "ann");
    hears(c, CONNECTED(""));
    fw_message *m = test_message(FWI_MSG_DATA, "1", 1, FW_TEXT);
    static const char push[] = "{\"push\":{\"message\":{\"data\":1}}}";
    ck_assert_int_eq(fwi_hub_send(&rig.hub, c->id, m), FW_OK);
    hears(c, push);
    ck_assert_int_eq(fwi_hub_publish(&rig.hub, "u:ann", m), FW_OK);
    hears(c, push);
    ck_assert_int_eq(fwi_hub_publish(&rig.hub, "all", m), FW_OK);
    hears(c, push);
    ck_assert_uint_eq(core_conn_count(raw, "1"), 1);
    fw_message_unref(m);
    core_conn_free(c);
    core_conn_free(raw);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(nobody_is_sent_to_before_its_connect_is_answered)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    fw_message *m = test_message(FWI_MSG_DATA, "1", 1, FW_TEXT);
    ck_assert_int_eq(fwi_hub_publish(&rig.hub, "all", m), FW_OK);
    ck_assert_int_eq(fwi_hub_send(&rig.hub, c->id, m), FW_OK);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 0), FW_OK);
    hears_nothing(c);
    ck_assert_uint_eq(c->s->n_places, 0);
    fw_message_unref(m);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *option, *command, *want;
} answers[] = {
    {"unknown method", "client.insecure", "\"dance\":{}",
     "{\"id\":9,\"error\":{\"code\":104,\"message\":\"method not found\"}}"},
    {"subscribed already", "client.insecure", "\"subscribe\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}"},
    {"a filter", "client.insecure", "\"subscribe\":{\"channel\":\"b\",\"tf\":{}}",
     "{\"id\":9,\"error\":{\"code\":107,\"message\":\"bad request\"}}"},
    {"a map", "client.insecure", "\"subscribe\":{\"channel\":\"b\",\"type\":1}",
     "{\"id\":9,\"error\":{\"code\":108,\"message\":\"not available\"}}"},
    {"a control character", "client.insecure", "\"subscribe\":{\"channel\":\"a\\n\"}",
     "{\"id\":9,\"error\":{\"code\":107,\"message\":\"the channel's name is not "
     "allowed\"}}"},
    {"fossil isn't granted", "client.insecure",
     "\"subscribe\":{\"channel\":\"b\",\"delta\":\"fossil\"}",
     "{\"id\":9,\"subscribe\":{}}"},
    {"a private room when insecure", "client.insecure",
     "\"subscribe\":{\"channel\":\"$b\"}", "{\"id\":9,\"subscribe\":{}}"},
    {"a place in a room without history", "client.insecure",
     "\"subscribe\":{\"channel\":\"b\",\"recover\":true,\"recoverable\":true,"
     "\"positioned\":true,\"join_leave\":true,\"flag\":1}",
     "{\"id\":9,\"subscribe\":{\"was_recovering\":true}}"},
    {"the same, or an error", "client.insecure",
     "\"subscribe\":{\"channel\":\"b\",\"recover\":true,\"flag\":3}",
     "{\"id\":9,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}"},
    {"leaving where it isn't", "client.insecure", "\"unsubscribe\":{\"channel\":\"z\"}",
     "{\"id\":9,\"unsubscribe\":{}}"},
    {"publishing nothing", "client.insecure", "\"publish\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":107,\"message\":\"there is no data\"}}"},
    {"publishing null", "client.insecure",
     "\"publish\":{\"channel\":\"z\",\"data\":null}",
     "{\"id\":9,\"error\":{\"code\":107,\"message\":\"there is no data\"}}"},
    {"a call that nobody answers", "client.insecure", "\"rpc\":{\"method\":\"m\"}",
     "{\"id\":9,\"error\":{\"code\":108,\"message\":\"not available\"}}"},
    {"history of a room without", "client.insecure", "\"history\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":108,\"message\":\"not available\"}}"},
    {"presence of a room without", "client.insecure", "\"presence\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":108,\"message\":\"not available\"}}"},
    {"subscribing without leave", "client.anonymous",
     "\"subscribe\":{\"channel\":\"x:b\"}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"a private room without a token", "client.anonymous",
     "\"subscribe\":{\"channel\":\"$b\"}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"a room of others", "client.anonymous", "\"subscribe\":{\"channel\":\"b#ann,bob\"}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"publishing without leave", "client.anonymous",
     "\"publish\":{\"channel\":\"a\",\"data\":1}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"history without leave", "client.anonymous", "\"history\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {"presence without leave", "client.anonymous", "\"presence\":{\"channel\":\"a\"}",
     "{\"id\":9,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
};

START_TEST(a_command_has_this_answer)
{
    core_rig_init(&rig, 1, answers[_i].option, "on", "room.allow.subscribe", "on",
                  "namespace.x.history.size", "0", NULL);
    fwi_conn *c = enter(0);
    subscribe(c, "a");
    say(c, "{\"id\":9,%s}", answers[_i].command);
    char got[HEARD_MAX] = "nothing";
    core_conn_next(c, got, sizeof got);
    ck_assert_msg(strcmp(got, answers[_i].want) == 0, "%s: %s", answers[_i].name, got);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_room_of_some_users_lets_them_in)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    fwi_hub_decide(&rig.hub, question, true, 0, "42");
    hears(c, CONNECTED(""));
    core_conn_free(c);
    core_rig_fini(&rig);
    core_rig_init(&rig, 1, "room.allow.subscribe", "on", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    static const struct {
        const char *room;
        bool in;
    } rooms[] = {{"dialog#42", true},     {"dialog#41,42", true}, {"dialog#42,43", true},
                 {"dialog#4", false},     {"dialog#421", false},  {"dialog#", false},
                 {"dialog#41,43", false}, {"a#42#43", false}};
    c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    fwi_hub_decide(&rig.hub, question, true, 0, "42");
    hears(c, CONNECTED(""));
    for (size_t i = 0; i < FWI_ARRAY_LEN(rooms); i++) {
        say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", rooms[i].room);
        hears(c, rooms[i].in
                     ? "{\"id\":2,\"subscribe\":{}}"
                     : "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission "
                       "denied\"}}");
    }
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(over_the_limit_of_rooms_is_106)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.rooms_per_session", "2", NULL);
    fwi_conn *c = enter(0);
    subscribe(c, "a");
    subscribe(c, "b");
    say(c, "{\"id\":3,\"subscribe\":{\"channel\":\"c\"}}");
    hears(c, "{\"id\":3,\"error\":{\"code\":106,\"message\":\"limit exceeded\"}}");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_ROOMS), 1);
    say(c, "{\"id\":4,\"unsubscribe\":{\"channel\":\"a\"}}");
    hears(c, "{\"id\":4,\"unsubscribe\":{}}");
    subscribe(c, "c");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_has_unsubscribed_hears_nothing_any_more)
{
    core_rig_init(&rig, 2, "client.insecure", "on", NULL);
    fwi_conn *c = enter(1);
    subscribe(c, "a");
    publish("a", "1");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1}}}");
    say(c, "{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    hears(c, "{\"id\":3,\"unsubscribe\":{}}");
    publish("a", "2");
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- the application decides over rooms --- */

static void on_join(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    question = fw_event_token(e);
}

START_TEST(the_handler_of_join_says_who_may_subscribe)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, on_join, NULL);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    hears_nothing(c);
    fwi_hub_decide(&rig.hub, question, true, 0, "");
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    say(c, "{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}");
    fwi_hub_decide(&rig.hub, question, false, 1, "members only");
    hears(c, "{\"id\":3,\"error\":{\"code\":103,\"message\":\"members only\"}}");
    say(c, "{\"id\":4,\"subscribe\":{\"channel\":\"b\"}}");
    fwi_hub_decide(&rig.hub, question, true, 0, "");
    hears(c, "{\"id\":4,\"subscribe\":{}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_unsubscribe_waits_for_its_own_subscribe_and_undoes_it)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, on_join, NULL);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n"
           "{\"id\":3,\"subscribe\":{\"channel\":\"a\"}}\n"
           "{\"id\":4,\"unsubscribe\":{\"channel\":\"a\"}}\n{\"id\":5,\"ping\":{}}");
    hears(c, "{\"id\":3,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}");
    hears_nothing(c);
    ck_assert(c->paused);
    fwi_hub_decide(&rig.hub, question, true, 0, "");
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    hears(c, "{\"id\":4,\"unsubscribe\":{}}");
    hears(c, "{\"id\":5,\"ping\":{}}");
    ck_assert(!c->paused);
    publish("a", "1");
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- what is for the application alone --- */

static char sent[4][32];
static unsigned n_sent;

static void on_message(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *data = fw_event_data(e, &len);
    ck_assert_uint_lt(n_sent, FWI_ARRAY_LEN(sent));
    snprintf(sent[n_sent++], sizeof sent[0], "%.*s", (int)len, data);
    ck_assert_uint_eq(fw_event_flags(e), FW_TEXT);
}

START_TEST(what_a_client_sends_is_a_message_and_has_no_answer)
{
    n_sent = 0;
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    core_rig_on(&rig, FW_EVENT_MESSAGE, on_message, NULL);
    fwi_conn *c = enter(0);
    say(c, "{\"send\":{\"data\":{\"a\": [1, 2]}}}\n{\"send\":{}}\n"
           "{\"send\":{\"data\":\"hi\"}}");
    hears_nothing(c);
    ck_assert_uint_eq(n_sent, 3);
    ck_assert_str_eq(sent[0], "{\"a\": [1, 2]}");
    ck_assert_str_eq(sent[1], "null");
    ck_assert_str_eq(sent[2], "\"hi\"");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- rooms that it is given --- */

static void give_two(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    give(e, "a");
    give(e, "b");
}

START_TEST(rooms_given_at_open_are_in_the_reply_ahead_of_what_they_say)
{
    core_rig_init(&rig, (unsigned)_i, "client.anonymous", "on", NULL);
    core_rig_on(&rig, FW_EVENT_OPEN, give_two, NULL);
    fwi_conn *c = arrive((unsigned)_i - 1);
    core_conn_say(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"ping\":{}}");
    core_publish(&rig, "r:a", "1");
    hears(c, CONNECTED(",\"subs\":{\"a\":{},\"b\":{}}"));
    char got[2][HEARD_MAX];
    core_conn_next(c, got[0], HEARD_MAX);
    core_conn_next(c, got[1], HEARD_MAX);
    int push = strstr(got[0], "push") ? 0 : 1;
    ck_assert_str_eq(got[push], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1}}}");
    ck_assert_str_eq(got[!push], "{\"id\":2,\"ping\":{}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_room_given_later_and_taken_is_pushed)
{
    core_rig_init(&rig, 2, "client.insecure", "on", NULL);
    fwi_conn *c = enter(1);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 0), FW_OK);
    hears(c, "{\"push\":{\"channel\":\"a\",\"subscribe\":{}}}");
    publish("a", "1");
    hears(c, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1}}}");
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    hears(c, "{\"id\":2,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}");
    ck_assert_int_eq(fwi_hub_leave(&rig.hub, c->id, "a"), FW_OK);
    hears(c, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2000,\"reason\":"
             "\"server unsubscribe\"}}}");
    subscribe(c, "a");
    ck_assert_int_eq(fwi_hub_leave(&rig.hub, c->id, "a"), FW_OK);
    hears(c, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2000,\"reason\":"
             "\"server unsubscribe\"}}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge");
    TCase *tc = tcase_create("rooms");
    tcase_add_test(tc, what_a_client_publishes_reaches_all_members_in_their_own_words);
    tcase_add_test(tc, what_is_no_json_is_shown_as_a_string);
    tcase_add_test(tc, a_message_to_a_session_a_user_and_everybody_is_a_message);
    tcase_add_test(tc, nobody_is_sent_to_before_its_connect_is_answered);
    tcase_add_loop_test(tc, a_command_has_this_answer, 0, FWI_ARRAY_LEN(answers));
    tcase_add_test(tc, a_room_of_some_users_lets_them_in);
    tcase_add_test(tc, over_the_limit_of_rooms_is_106);
    tcase_add_test(tc, who_has_unsubscribed_hears_nothing_any_more);
    tcase_add_test(tc, the_handler_of_join_says_who_may_subscribe);
    tcase_add_test(tc, an_unsubscribe_waits_for_its_own_subscribe_and_undoes_it);
    tcase_add_test(tc, what_a_client_sends_is_a_message_and_has_no_answer);
    tcase_add_loop_test(tc, rooms_given_at_open_are_in_the_reply_ahead_of_what_they_say,
                        1, 3);
    tcase_add_test(tc, a_room_given_later_and_taken_is_pushed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
