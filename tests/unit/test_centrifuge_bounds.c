/*
 * What clients of the Centrifuge protocol may not reach, whatever a room's options allow,
 * and what their questions and commands may cost.
 */
#include "unit/centrifuge_rig.h"

#include "core/centrifuge.h"
#include "support/test_message.h"

/* What c is told of its command 5; what comes before that is let go. */
static const char *answer_to_5(fwi_conn *c)
{
    static char got[HEARD_MAX];
    core_rig_settle(&rig);
    while (core_conn_next(c, got, sizeof got) >= 0) {
        if (strncmp(got, "{\"id\":5,", 8) == 0) {
            return got;
        }
    }
    ck_abort_msg("no answer");
    return "";
}

/* --- rooms that aren't open to everybody --- */

static const char *const looks[] = {
    "\"publish\":{\"channel\":\"%s\",\"data\":1}",
    "\"history\":{\"channel\":\"%s\",\"limit\":-1}",
    "\"presence\":{\"channel\":\"%s\"}",
    "\"presence_stats\":{\"channel\":\"%s\"}",
};

static bool is_denied(fwi_conn *c, const char *look, const char *room)
{
    char command[200], text[220];
    const char *at = strstr(look, "%s");
    snprintf(command, sizeof command, "%.*s%s%s", (int)(at - look), look, room, at + 2);
    snprintf(text, sizeof text, "{\"id\":5,%s}", command);
    core_conn_say(c, text);
    const char *got = answer_to_5(c);
    bool denied = strcmp(got, "{\"id\":5,\"error\":{\"code\":103,\"message\":"
                              "\"permission denied\"}}") == 0;
    ck_assert_msg(denied || strstr(got, "error") == NULL, "%s: %s", text, got);
    return denied;
}

static fwi_conn *enter_as(const char *user)
{
    fwi_conn *c = enter(0);
    ck_assert_int_eq(fwi_hub_set_user(&rig.hub, c->id, user), FW_OK);
    core_rig_settle(&rig);
    return c;
}

START_TEST(what_a_room_allows_is_not_for_those_to_whom_it_isn_t_open)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", "room.allow.publish", "on",
                  "room.allow.history", "on", "room.allow.presence", "on",
                  "room.history.size", "5", "room.presence", "on", NULL);
    fwi_conn *nobody = enter(0), *ann = enter_as("ann"), *bob = enter_as("bob");
    ck_assert(!is_denied(nobody, looks[_i], "a"));
    ck_assert(is_denied(nobody, looks[_i], "a#ann"));
    ck_assert(is_denied(bob, looks[_i], "a#ann"));
    ck_assert(!is_denied(ann, looks[_i], "a#ann"));
    ck_assert(is_denied(bob, looks[_i], "$a"));
    fwi_hub_join(&rig.hub, bob->id, "$a", 0);
    core_rig_settle(&rig);
    ck_assert(!is_denied(bob, looks[_i], "$a"));
    ck_assert(is_denied(ann, looks[_i], "$a"));
    fwi_hub_leave(&rig.hub, bob->id, "$a");
    core_rig_settle(&rig);
    ck_assert(is_denied(bob, looks[_i], "$a"));
    core_conn_free(nobody);
    core_conn_free(ann);
    core_conn_free(bob);
    core_rig_fini(&rig);
}
END_TEST

/* --- what it costs --- */

START_TEST(several_questions_have_no_more_room_for_their_answers_than_one)
{
    enum { SAID = 600 }; /* of which a page has 512 */
    char got[HEARD_MAX];
    unsigned told = 0, refused = 0;
    core_rig_init(&rig, 1, "client.insecure", "on", "room.history.size", "1000", NULL);
    fwi_conn *c = enter(0);
    for (unsigned i = 0; i < SAID; i++) {
        publish("a", "1");
    }
    fw_message *one = test_message(FWI_MSG_DATA, "1", 1, FW_TEXT);
    rig.hub.set.outbox_max = 800 * fwi_message_cost(one);
    fw_message_unref(one);
    core_conn_say(c, "{\"id\":5,\"history\":{\"channel\":\"a\",\"limit\":-1}}\n"
                     "{\"id\":6,\"history\":{\"channel\":\"a\",\"limit\":-1}}");
    core_rig_settle(&rig);
    while (core_conn_next(c, got, sizeof got) >= 0) {
        told += strstr(got, "\"publications\":[{\"data\":1,\"offset\":1}") != NULL;
        refused += strstr(got, "\"error\":{\"code\":106,") != NULL;
    }
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(refused, 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_ANSWERS), 1);
    say(c, "{\"id\":5,\"history\":{\"channel\":\"a\",\"limit\":-1}}");
    ck_assert_ptr_nonnull(strstr(answer_to_5(c), "\"publications\":["));
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static unsigned calls;

static void on_rpc(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    question = fw_event_token(e);
    calls++;
}

/* Else a message of thousands of commands would be copied thousands of times. */
START_TEST(what_waits_of_a_message_stays_where_it_lies)
{
    enum { MORE = 3 };
    fwi_buf text;
    calls = 0;
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    core_rig_on(&rig, FW_EVENT_RPC, on_rpc, NULL);
    fwi_conn *c = enter(0);
    fwi_buf_init(&text);
    for (unsigned i = 0; i < FWI_UNDER_WAY_MAX + MORE; i++) {
        ck_assert(fwi_buf_printf(&text, "{\"id\":%u,\"rpc\":{}}\n", i + 2));
    }
    ck_assert_ptr_nonnull(fwi_buf_text(&text));
    core_conn_say(c, text.data);
    fwi_buf_fini(&text);
    const fwi_buf *waiting = &c->s->centrifuge->waiting;
    const char *there = waiting->data;
    ck_assert_ptr_nonnull(there);
    for (unsigned i = 0; i < MORE; i++) {
        ck_assert_uint_eq(calls, FWI_UNDER_WAY_MAX + i);
        ck_assert(c->paused);
        ck_assert_ptr_eq(waiting->data, there);
        ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 0, ""), FW_OK);
        core_rig_settle(&rig);
    }
    ck_assert_uint_eq(calls, FWI_UNDER_WAY_MAX + MORE);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 0, ""), FW_OK);
    core_rig_settle(&rig);
    ck_assert(!c->paused);
    ck_assert_ptr_null(waiting->data);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* Each command of a batch is a message; one that had to wait is none again. */
START_TEST(commands_are_counted_once_each_however_they_come)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", "limit.message_rate", "4", NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, on_connect, NULL);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n"
           "{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}\n{\"id\":4,\"ping\":{}}");
    ck_assert(c->paused);
    fwi_hub_decide(&rig.hub, question, true, 0, "");
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    hears(c, "{\"id\":3,\"unsubscribe\":{}}");
    hears(c, "{\"id\":4,\"ping\":{}}");
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    core_rig_advance(&rig, 1000);
    say(c, "{\"id\":5,\"ping\":{}}\n{\"id\":6,\"ping\":{}}\n{\"id\":7,\"ping\":{}}\n"
           "{\"id\":8,\"ping\":{}}\n{\"id\":9,\"ping\":{}}\n{\"id\":10,\"ping\":{}}");
    for (unsigned id = 5; id < 9; id++) {
        char pong[32];
        snprintf(pong, sizeof pong, "{\"id\":%u,\"ping\":{}}", id);
        hears(c, pong);
    }
    is_closed(c, 3013);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_RATE), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_was_refused_and_goes_on_speaking_is_closed_at_the_rate)
{
    core_rig_init(&rig, 1, "limit.message_rate", "4", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 403, "no"), FW_OK);
    core_rig_settle(&rig);
    for (unsigned i = 0; i < 3; i++) {
        say(c, "{\"id\":2,\"ping\":{}}");
    }
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    say(c, "{\"id\":2,\"ping\":{}}");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_RATE), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_comes_while_the_application_is_behind_is_told_once)
{
    core_rig_init(&rig, 1, "events", "queued", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, NULL, NULL);
    atomic_store(&rig.hub.events.bytes, rig.hub.events.max_bytes);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    hears(c, "{\"id\":1,\"error\":{\"code\":111,\"message\":\"the application is "
             "behind\",\"temporary\":true}}");
    core_rig_advance(&rig, 10000); /* longer than decision.timeout */
    hears_nothing(c);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_REFUSED), 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DECISION_TIMEOUTS), 0);
    atomic_store(&rig.hub.events.bytes, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_bounds");
    TCase *tc = tcase_create("all");
    tcase_add_loop_test(tc, what_a_room_allows_is_not_for_those_to_whom_it_isn_t_open, 0,
                        FWI_ARRAY_LEN(looks));
    tcase_add_test(tc, several_questions_have_no_more_room_for_their_answers_than_one);
    tcase_add_test(tc, what_waits_of_a_message_stays_where_it_lies);
    tcase_add_test(tc, commands_are_counted_once_each_however_they_come);
    tcase_add_test(tc, who_was_refused_and_goes_on_speaking_is_closed_at_the_rate);
    tcase_add_test(tc, who_comes_while_the_application_is_behind_is_told_once);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
