/*
 * What the application decides of clients beside their coming in: what they say, in which
 * rooms they are and for how long they may stay; and what it may give them with its yes.
 */
#include "unit/centrifuge_rig.h"

/* --- the application --- */

static unsigned questions;
static char last[512];

/* Notes what it is asked: TYPE room data. */
static void on_question(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *data = fw_event_data(e, &len), *room = fw_event_room(e);
    question = fw_event_token(e);
    questions++;
    snprintf(last, sizeof last, "%s %s %.*s", fw_event_type_name(fw_event_kind(e)),
             room != NULL ? room : "-", (int)len, data != NULL ? data : "");
}

static int answer_to(uint64_t token, const char *text)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY];
    ck_assert_msg(fwi_answer_read(text, strlen(text), &a, why) == FWI_TOKEN_GOOD,
                  "%s: %s", text, why);
    return fwi_hub_answer(&rig.hub, token, a);
}

static void answer(const char *text)
{
    ck_assert_int_eq(answer_to(question, text), FW_OK);
    core_rig_settle(&rig);
}

static void is_asked(const char *what)
{
    core_rig_settle(&rig);
    ck_assert_str_eq(last, what);
}

#define OPEN_WITH(loops, ...)                                                            \
    do {                                                                                 \
        questions = 0;                                                                   \
        core_rig_init(&rig, loops, __VA_ARGS__, NULL);                                   \
    } while (0)

static void asks(fw_event_type type)
{
    core_rig_on(&rig, type, on_question, NULL);
}

static int64_t now_s(void)
{
    return (int64_t)(fwi_loop_wall_ms(rig.loop[0]) / 1000);
}

/* --- what clients say --- */

START_TEST(what_a_client_says_is_asked_about_and_said_when_it_may_be)
{
    OPEN_WITH(2, "client.insecure", "on");
    asks(FW_EVENT_PUBLISH);
    fwi_conn *c = enter(1), *other = enter(0);
    subscribe(other, "a");
    say(c, "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":{\"x\": 1}}}");
    is_asked("PUBLISH a {\"x\": 1}");
    hears_nothing(other);
    hears_nothing(c);
    answer("{\"result\":{}}");
    hears(other, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{\"x\": 1},\"info\":"
                 "{\"user\":\"\",\"client\":\"<client>\"}}}}");
    hears(c, "{\"id\":2,\"publish\":{}}");
    say(c, "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":\"bad word\"}}");
    answer("{\"result\":{\"data\":\"***\"}}");
    hears(other, "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"***\",\"info\":"
                 "{\"user\":\"\",\"client\":\"<client>\"}}}}");
    hears(c, "{\"id\":3,\"publish\":{}}");
    say(c, "{\"id\":4,\"publish\":{\"channel\":\"a\",\"data\":1}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, ""), FW_OK);
    hears(c, "{\"id\":4,\"publish\":{}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, ""), FW_ERR_GONE);
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *answer, *want; /* NULL: none in time; want NULL: closed with 4001 */
} refusals[] = {
    {"{\"error\":{\"code\":1000,\"message\":\"not here\"}}",
     "{\"id\":2,\"error\":{\"code\":1000,\"message\":\"not here\"}}"},
    {"{\"error\":{\"code\":1000,\"message\":\"not now\",\"temporary\":true}}",
     "{\"id\":2,\"error\":{\"code\":1000,\"message\":\"not now\",\"temporary\":true}}"},
    {"{\"error\":{\"code\":103}}",
     "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"},
    {NULL, "{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\","
           "\"temporary\":true}}"},
    {"{\"disconnect\":{\"code\":4001,\"reason\":\"out\"}}", NULL},
};

START_TEST(what_it_may_not_say_is_an_error_or_its_end_and_heard_by_nobody)
{
    OPEN_WITH(1, "client.insecure", "on");
    asks(FW_EVENT_PUBLISH);
    fwi_conn *c = enter(0), *other = enter(0);
    subscribe(other, "a");
    say(c, "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}");
    if (refusals[_i].answer != NULL) {
        answer(refusals[_i].answer);
    } else {
        core_rig_advance(&rig, 5100);
    }
    if (refusals[_i].want != NULL) {
        hears(c, refusals[_i].want);
        ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_PUBLISH_REFUSED), 1);
    } else {
        is_closed(c, 4001);
    }
    hears_nothing(other);
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(rooms_that_aren_t_asked_about_are_by_the_options)
{
    OPEN_WITH(1, "client.anonymous", "on", "namespace.x.ask.publish", "off",
              "namespace.x.ask.subscribe", "off", "namespace.x.allow.subscribe", "on");
    asks(FW_EVENT_PUBLISH);
    asks(FW_EVENT_JOIN);
    fwi_conn *c = enter(0);
    subscribe(c, "x:a");
    say(c, "{\"id\":2,\"publish\":{\"channel\":\"x:a\",\"data\":1}}");
    hears(c, "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    ck_assert_uint_eq(questions, 0);
    say(c, "{\"id\":3,\"publish\":{\"channel\":\"y:a\",\"data\":1}}");
    is_asked("PUBLISH y:a 1");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_leaves_before_it_is_decided_has_said_nothing)
{
    OPEN_WITH(2, "client.insecure", "on");
    asks(FW_EVENT_PUBLISH);
    fwi_conn *c = enter(1), *other = enter(0);
    subscribe(other, "a");
    say(c, "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}");
    ck_assert_int_eq(answer_to(question, "{\"result\":{\"data\":2}}"), FW_OK);
    core_conn_lose(c); /* the answer is on its way */
    hears_nothing(other);
    ck_assert_int_eq(answer_to(question, "{\"result\":{}}"), FW_ERR_GONE);
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(raw_clients_are_asked_about_for_each_of_their_rooms)
{
    OPEN_WITH(1, "raw.mode", "rooms", "namespace.free.ask.publish", "off");
    asks(FW_EVENT_PUBLISH);
    fwi_conn *c = core_connect(&rig, 0, "room=a&room=b&room=free:c");
    fwi_conn *a = core_connect(&rig, 0, "room=a"), *b = core_connect(&rig, 0, "room=b");
    fwi_conn *open = core_connect(&rig, 0, "room=free:c");
    core_rig_settle(&rig);
    core_conn_say(c, "hello");
    core_rig_settle(&rig);
    ck_assert_uint_eq(questions, 2);
    ck_assert_uint_eq(core_conn_count(open, "hello"), 1);
    is_asked("PUBLISH b hello");
    answer("{\"result\":{\"data\":\"hi\"}}");
    ck_assert_uint_eq(core_conn_count(b, "\"hi\""), 1);
    ck_assert_uint_eq(core_conn_count(a, "hello"), 0);
    core_conn_say(c, "again");
    core_rig_settle(&rig);
    answer("{\"error\":{\"code\":1000}}");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_PUBLISH_REFUSED), 1);
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    fwi_conn *all[] = {c, a, b, open};
    for (size_t i = 0; i < FWI_ARRAY_LEN(all); i++) {
        core_conn_free(all[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_raw_client_isn_t_read_while_much_of_what_it_says_is_undecided)
{
    OPEN_WITH(1, "raw.mode", "rooms");
    asks(FW_EVENT_PUBLISH);
    fwi_conn *c = core_connect(&rig, 0, "room=a"), *a = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    for (unsigned i = 0; i < FWI_UNDER_WAY_MAX; i++) {
        ck_assert(!c->paused);
        core_conn_say(c, "hello");
    }
    ck_assert(c->paused);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_COMMANDS), 1);
    answer("{\"result\":{}}");
    ck_assert(!c->paused);
    core_conn_say(c, "hello");
    ck_assert(c->paused);
    answer("{\"error\":{\"code\":1000}}");
    ck_assert(!c->paused);
    core_conn_say(c, "hello");
    ck_assert(c->paused);
    core_rig_advance(&rig, 6000); /* decision.timeout, of all of them */
    ck_assert(!c->paused);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_COMMANDS), 3);
    ck_assert_uint_eq(core_conn_count(a, "hello"), 1);
    core_conn_free(c);
    core_conn_free(a);
    core_rig_fini(&rig);
}
END_TEST

/* --- coming in --- */

START_TEST(a_client_comes_in_with_all_that_the_answer_gives_it)
{
    OPEN_WITH(2, "namespace.x.history.size", "5");
    asks(FW_EVENT_CONNECT);
    fwi_conn *c = arrive(1);
    say(c, "{\"id\":1,\"connect\":{\"data\":{\"k\":1}}}");
    is_asked("CONNECT - {\"k\":1}");
    answer("{\"result\":{\"user\":\"ann\",\"info\":{\"n\":1},\"data\":{\"hi\":\n1},"
           "\"channels\":[\"a\"],\"subs\":{\"$b\":{\"data\":[1]}}}}");
    hears(c, CONNECTED(",\"data\":{\"hi\":1},\"subs\":{\"a\":{},\"$b\":{\"data\":[1]}}"));
    ck_assert_str_eq(c->s->user, "ann");
    fwi_origin *o = c->s->member->origin;
    ck_assert_mem_eq(o->info, "{\"n\":1}", o->info_len);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *answer, *want;
    int raw;
} doors[] = {
    {"{\"error\":{\"code\":1000,\"message\":\"full\",\"temporary\":true}}",
     "{\"id\":1,\"error\":{\"code\":1000,\"message\":\"full\",\"temporary\":true}}", 503},
    {"{\"error\":{\"code\":1000,\"message\":\"no\"}}",
     "{\"id\":1,\"error\":{\"code\":1000,\"message\":\"no\"}}", 403},
    {"{\"error\":{\"code\":451,\"message\":\"no\"}}",
     "{\"id\":1,\"error\":{\"code\":451,\"message\":\"no\"}}", 451},
    {"{\"disconnect\":{\"code\":4501,\"reason\":\"banned\"}}", NULL, 403},
};

START_TEST(who_isn_t_let_in_is_told_in_its_own_protocol)
{
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_CONNECT);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    answer(doors[_i].answer);
    if (doors[_i].want != NULL) {
        hears(c, doors[_i].want);
    } else {
        is_closed(c, 4501);
    }
    fwi_conn *raw = core_connect(&rig, 0, "");
    core_rig_settle(&rig);
    answer(doors[_i].answer);
    ck_assert_int_eq(raw->refused, doors[_i].raw);
    core_conn_free(c);
    core_conn_free(raw);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_raw_client_is_put_into_rooms_without_more_questions)
{
    OPEN_WITH(1, "raw.mode", "rooms", "limit.rooms_per_session", "2");
    asks(FW_EVENT_CONNECT);
    asks(FW_EVENT_JOIN);
    fwi_conn *c = core_connect(&rig, 0, "");
    core_rig_settle(&rig);
    answer("{\"result\":{\"user\":\"ann\",\"channels\":[\"a\",\"b\",\"c\"]}}");
    ck_assert_uint_eq(questions, 1);
    ck_assert_str_eq(c->s->user, "ann");
    ck_assert_uint_eq(c->s->n_places, 2);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_ROOMS), 1);
    ck_assert_int_eq(core_publish(&rig, "r:a", "x"), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "x"), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- rooms --- */

START_TEST(a_subscription_is_asked_about_with_its_data_and_gets_some)
{
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_JOIN);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"data\":{\"pw\":1}}}");
    is_asked("JOIN a {\"pw\":1}");
    answer("{\"result\":{\"data\":{\"topic\":\"x\"}}}");
    hears(c, "{\"id\":2,\"subscribe\":{\"data\":{\"topic\":\"x\"}}}");
    say(c, "{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}");
    is_asked("JOIN b ");
    answer("{\"error\":{\"code\":1404,\"message\":\"no b\",\"temporary\":true}}");
    hears(c, "{\"id\":3,\"error\":{\"code\":1404,\"message\":\"no b\",\"temporary\":"
             "true}}");
    say(c, "{\"id\":4,\"subscribe\":{\"channel\":\"c\"}}");
    answer("{\"disconnect\":{\"code\":4001}}");
    is_closed(c, 4001);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static int result_code;

static void on_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    result_code = fw_event_code(e);
}

START_TEST(a_join_of_the_application_s_own_is_refused_as_ever)
{
    OPEN_WITH(1, "raw.mode", "app");
    asks(FW_EVENT_JOIN);
    core_rig_on(&rig, FW_EVENT_RESULT, on_result, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    fwi_hub_join(&rig.hub, c->id, "a", 5);
    core_rig_settle(&rig);
    answer("{\"error\":{\"code\":1404,\"message\":\"no\"}}");
    ck_assert_int_eq(result_code, FW_ERR_REFUSED);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- calls --- */

START_TEST(a_call_is_answered_by_data_an_error_or_the_end)
{
    OPEN_WITH(1, "client.insecure", "on");
    asks(FW_EVENT_RPC);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"rpc\":{\"method\":\"m\"}}");
    answer("{\"result\":{\"data\":{\"a\":1}}}");
    hears(c, "{\"id\":2,\"rpc\":{\"data\":{\"a\":1}}}");
    say(c, "{\"id\":3,\"rpc\":{\"method\":\"m\"}}");
    answer("{\"result\":{}}");
    hears(c, "{\"id\":3,\"rpc\":{\"data\":null}}");
    say(c, "{\"id\":4,\"rpc\":{\"method\":\"m\"}}");
    answer("{\"error\":{\"code\":1001,\"message\":\"x\",\"temporary\":true}}");
    hears(c, "{\"id\":4,\"error\":{\"code\":1001,\"message\":\"x\",\"temporary\":true}}");
    say(c, "{\"id\":5,\"rpc\":{\"method\":\"m\"}}");
    answer("{\"disconnect\":{\"code\":4001}}");
    is_closed(c, 4001);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- staying --- */

/* Time passes, and c stays alive. false: something was heard that is no ping. */
static bool passes(fwi_conn *c, int seconds, char *got, size_t cap)
{
    for (int i = 0; i < seconds; i++) {
        core_rig_advance(&rig, 1000);
        if (c->s != NULL) {
            fwi_session_on_bytes(c->s);
        }
        while (core_conn_next(c, got, cap) >= 0) {
            if (strcmp(got, "{}") != 0) {
                return false;
            }
        }
    }
    return true;
}

static void answer_until(const char *format, int64_t seconds)
{
    char text[200];
    snprintf(text, sizeof text, format, (long long)(now_s() + seconds));
    answer(text);
}

START_TEST(a_connection_stays_for_as_long_as_the_application_says)
{
    char got[HEARD_MAX];
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_CONNECT);
    asks(FW_EVENT_REFRESH);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    answer_until("{\"result\":{\"user\":\"ann\",\"expire_at\":%lld}}", 10);
    hears(c, CONNECTED("")); /* it needn't do anything about it */
    ck_assert(passes(c, 9, got, sizeof got));
    ck_assert_uint_eq(questions, 1);
    ck_assert(passes(c, 2, got, sizeof got));
    is_asked("REFRESH - ");
    answer_until("{\"result\":{\"expire_at\":%lld,\"info\":{\"n\":2}}}", 20);
    ck_assert_mem_eq(c->s->member->origin->info, "{\"n\":2}", 7);
    ck_assert(passes(c, 19, got, sizeof got));
    ck_assert_uint_eq(questions, 2);
    ck_assert(passes(c, 2, got, sizeof got));
    ck_assert_uint_eq(questions, 3);
    answer("{\"result\":{\"expired\":true}}");
    is_closed(c, 3005);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const char *const ends[] = {
    "{\"result\":{}}",
    "{\"result\":{\"expire_at\":1}}",
    "{\"result\":{\"expire_at\":99999999999,\"expired\":true}}",
};

START_TEST(an_answer_without_a_time_to_come_is_the_end)
{
    char got[HEARD_MAX];
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_CONNECT);
    asks(FW_EVENT_REFRESH);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    answer_until("{\"result\":{\"expire_at\":%lld}}", 1);
    hears(c, CONNECTED(""));
    ck_assert(passes(c, 2, got, sizeof got));
    answer(ends[_i]);
    is_closed(c, 3005);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_application_that_can_t_say_is_asked_again_in_a_minute)
{
    char got[HEARD_MAX];
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_CONNECT);
    asks(FW_EVENT_REFRESH);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    answer_until("{\"result\":{\"expire_at\":%lld}}", 1);
    hears(c, CONNECTED(""));
    ck_assert(passes(c, 2, got, sizeof got));
    ck_assert_uint_eq(questions, 2);
    answer("{\"error\":{\"code\":100,\"temporary\":true}}");
    ck_assert(passes(c, 58, got, sizeof got));
    ck_assert_uint_eq(questions, 2);
    ck_assert(passes(c, 4, got, sizeof got));
    ck_assert_uint_eq(questions, 3);
    ck_assert(passes(c, 58, got, sizeof got)); /* no answer in 5 s, then a minute */
    ck_assert_uint_eq(questions, 3);
    for (int i = 0; i < 10 && questions == 3; i++) {
        ck_assert(passes(c, 1, got, sizeof got));
    }
    ck_assert_uint_eq(questions, 4);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 0, ""), FW_OK);
    is_closed(c, 3005);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_subscription_stays_likewise_and_ends_alone)
{
    char got[HEARD_MAX];
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_JOIN);
    asks(FW_EVENT_SUB_REFRESH);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    answer_until("{\"result\":{\"expire_at\":%lld}}", 5);
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    ck_assert(passes(c, 6, got, sizeof got));
    is_asked("SUB_REFRESH a ");
    answer_until("{\"result\":{\"expire_at\":%lld,\"info\":{\"n\":2}}}", 5);
    ck_assert_str_eq(fwi_session_protocol(c->s)->room_info(c->s, "a"), "{\"n\":2}");
    ck_assert(passes(c, 6, got, sizeof got));
    ck_assert_uint_eq(questions, 3);
    answer("{\"result\":{\"expired\":true}}");
    hears(c, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2501,\"reason\":"
             "\"subscription expired\"}}}");
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_answer_for_a_subscription_that_was_left_changes_no_other)
{
    char got[HEARD_MAX];
    OPEN_WITH(1, "client.anonymous", "on");
    asks(FW_EVENT_JOIN);
    asks(FW_EVENT_SUB_REFRESH);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    answer_until("{\"result\":{\"expire_at\":%lld}}", 1);
    hears(c, "{\"id\":2,\"subscribe\":{}}");
    ck_assert(passes(c, 2, got, sizeof got));
    uint64_t former = question;
    say(c, "{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}");
    hears(c, "{\"id\":3,\"unsubscribe\":{}}");
    say(c, "{\"id\":4,\"subscribe\":{\"channel\":\"a\"}}");
    answer("{\"result\":{}}");
    hears(c, "{\"id\":4,\"subscribe\":{}}");
    ck_assert_int_eq(answer_to(former, "{\"result\":{\"expired\":true}}"), FW_OK);
    hears_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("questions");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, what_a_client_says_is_asked_about_and_said_when_it_may_be);
    tcase_add_loop_test(tc,
                        what_it_may_not_say_is_an_error_or_its_end_and_heard_by_nobody, 0,
                        FWI_ARRAY_LEN(refusals));
    tcase_add_test(tc, rooms_that_aren_t_asked_about_are_by_the_options);
    tcase_add_test(tc, who_leaves_before_it_is_decided_has_said_nothing);
    tcase_add_test(tc, raw_clients_are_asked_about_for_each_of_their_rooms);
    tcase_add_test(tc, a_raw_client_isn_t_read_while_much_of_what_it_says_is_undecided);
    tcase_add_test(tc, a_client_comes_in_with_all_that_the_answer_gives_it);
    tcase_add_loop_test(tc, who_isn_t_let_in_is_told_in_its_own_protocol, 0,
                        FWI_ARRAY_LEN(doors));
    tcase_add_test(tc, a_raw_client_is_put_into_rooms_without_more_questions);
    tcase_add_test(tc, a_subscription_is_asked_about_with_its_data_and_gets_some);
    tcase_add_test(tc, a_join_of_the_application_s_own_is_refused_as_ever);
    tcase_add_test(tc, a_call_is_answered_by_data_an_error_or_the_end);
    tcase_add_test(tc, a_connection_stays_for_as_long_as_the_application_says);
    tcase_add_loop_test(tc, an_answer_without_a_time_to_come_is_the_end, 0,
                        FWI_ARRAY_LEN(ends));
    tcase_add_test(tc, an_application_that_can_t_say_is_asked_again_in_a_minute);
    tcase_add_test(tc, a_subscription_stays_likewise_and_ends_alone);
    tcase_add_test(tc, an_answer_for_a_subscription_that_was_left_changes_no_other);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
