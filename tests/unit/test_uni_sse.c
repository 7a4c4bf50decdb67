/*
 * Clients of the Centrifuge protocol that only listen: who is let in, what they are told,
 * and where they go on when they come back.
 */
#include "unit/sse_rig.h"

#include "unit/token_rig.h"

enum { ROOMS = 2, MESSAGES = 16 };

static fwi_conn *come(unsigned loop, const char *query, const char *last_event_id)
{
    return come_as(FWI_UNI_SSE, loop, query, last_event_id);
}

#define CONNECT(more)                                                                    \
    "data: {\"connect\":{\"client\":\"<client>\",\"version\":"                           \
    "\"fanwire " FW_VERSION_STRING "\"" more ",\"ping\":25}}"

/* Behind what it is told first. */
static void hears_retry(fwi_conn *c)
{
    char got[HEARD_MAX];
    const char *rest;
    ck_assert(next_event(c, got));
    retry_of(got, &rest);
    ck_assert_str_eq(rest, "");
}

/* --- coming in --- */

START_TEST(who_is_let_in_is_told_who_it_is)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", NULL);
    fwi_conn *c = come(0, "", NULL);
    ck_assert(c->accepted);
    hears_event(c, CONNECT(""));
    hears_retry(c);
    hears_no_event(c);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS_UNI_SSE), 1);
    core_conn_free(c);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS_UNI_SSE), 0);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *query;
    int status;
} refused[] = {
    {"no token", "", 401},
    {"no token in an empty request", "cf_connect={}", 401},
    {"a token that no key is for", "cf_connect={%22token%22:%22a.b.c%22}", 401},
    {"no JSON", "cf_connect=x", 400},
    {"no object", "cf_connect=[]", 400},
    {"two objects", "cf_connect={}{}", 400},
    {"a command behind it", "cf_connect={},%22rpc%22:{}", 400},
    {"what can't be decoded", "cf_connect=%zz", 400},
    {"a field of the wrong kind", "cf_connect={%22token%22:1}", 400},
    {"subs of the wrong kind", "cf_connect={%22subs%22:{%22a%22:1}}", 400},
    {"a bad id", "cf_connect={}&last_event_id=x", 400},
};

START_TEST(who_is_not_let_in_gets_a_status_and_no_stream)
{
    core_rig_init(&rig, 1, NULL);
    fwi_conn *c = come(0, refused[_i].query, NULL);
    ck_assert_msg(c->refused == refused[_i].status, "%s: %d", refused[_i].name,
                  c->refused);
    ck_assert(!c->accepted);
    ck_assert_uint_eq(c->out.len, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    int code, status;
} verdicts[] = {{403, 403}, {404, 404}, {503, 503}, {4000, 403}};

START_TEST(the_application_sees_the_request_and_decides)
{
    decide_later();
    fwi_conn *c = come(0, "cf_connect={%22data%22:{%22k%22:1}}", NULL);
    ck_assert_str_eq(asked, "{\"k\":1}");
    ck_assert(!c->accepted);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, verdicts[_i].code, "no"),
                     FW_OK);
    core_rig_settle(&rig);
    ck_assert_int_eq(c->refused, verdicts[_i].status);
    core_conn_free(c);
    c = come(0, "", NULL);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, "ann"), FW_OK);
    hears_event(c, CONNECT(""));
    ck_assert_str_eq(c->s->user, "ann");
    ck_assert_uint_eq(opened, 1);
    core_conn_free(c);
    ck_assert_uint_eq(closed, 1);
    core_rig_fini(&rig);
}
END_TEST

static void answer(const char *text)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY];
    ck_assert_msg(fwi_answer_read(text, strlen(text), &a, why) == FWI_TOKEN_GOOD,
                  "%s: %s", text, why);
    ck_assert_int_eq(fwi_hub_answer(&rig.hub, question, a), FW_OK);
    core_rig_settle(&rig);
}

static const struct {
    const char *answer;
    int status;
} answers[] = {
    {"{\"error\":{\"code\":1000,\"message\":\"no\"}}", 403},
    {"{\"error\":{\"code\":1000,\"message\":\"full\",\"temporary\":true}}", 503},
    {"{\"error\":{\"code\":451,\"message\":\"no\",\"temporary\":true}}", 451},
    {"{\"disconnect\":{\"code\":4501,\"reason\":\"banned\"}}", 403},
};

START_TEST(who_may_try_again_is_told_so_by_its_status)
{
    decide_later();
    fwi_conn *c = come(0, "", NULL);
    answer(answers[_i].answer);
    ck_assert_int_eq(c->refused, answers[_i].status);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_the_application_says_of_it_is_what_presence_tells)
{
    decide_later();
    fwi_conn *c = come(0, "", NULL);
    answer("{\"result\":{\"user\":\"ann\",\"info\":{\"n\":1}}}");
    ck_assert_ptr_nonnull(c->s->member);
    const fwi_origin *o = c->s->member->origin;
    ck_assert_str_eq(o->user, "ann");
    ck_assert_uint_eq(o->info_len, strlen("{\"n\":1}"));
    ck_assert_mem_eq(o->info, "{\"n\":1}", o->info_len);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(more_streams_than_a_user_may_have_are_429)
{
    core_rig_init(&rig, 1, "limit.sessions_per_user", "1", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    fwi_conn *c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = come(0, "", NULL);
        ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, "ann"), FW_OK);
        core_rig_settle(&rig);
    }
    ck_assert(c[0]->accepted);
    ck_assert_int_eq(c[1]->refused, 429);
    core_conn_free(c[0]);
    core_conn_free(c[1]);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_comes_while_the_application_is_behind_is_503)
{
    core_rig_init(&rig, 1, "events", "queued", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, NULL, NULL);
    atomic_store(&rig.hub.events.bytes, rig.hub.events.max_bytes);
    fwi_conn *c = come(0, "", NULL);
    ck_assert_int_eq(c->refused, 503);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_REFUSED), 1);
    atomic_store(&rig.hub.events.bytes, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_token_that_is_over_is_401)
{
    char claims[100], query[HEARD_MAX];
    fwi_buf token;
    core_rig_init(&rig, 1, "client.anonymous", "on", NULL);
    fwi_tokens_exchange(&rig.hub.tokens, keys_of(fwi_keys_add_secret, secret));
    int64_t now_s = (int64_t)(fwi_loop_wall_ms(rig.loop[0]) / 1000);
    for (int left_s = -1; left_s <= 60; left_s += 61) {
        snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
                 (long long)now_s + left_s);
        sign(&token, claims);
        snprintf(query, sizeof query, "cf_connect={%%22token%%22:%%22%s%%22}",
                 token.data);
        fwi_buf_fini(&token);
        fwi_conn *c = come(0, query, NULL);
        ck_assert_int_eq(c->refused, left_s < 0 ? 401 : 0);
        ck_assert(c->accepted == (left_s > 0));
        core_conn_free(c);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_leaves_or_waits_too_long_for_a_verdict_was_never_there)
{
    decide_later();
    fwi_conn *c = come(0, "", NULL), *late = come(0, "", NULL);
    core_conn_lose(c);
    core_rig_advance(&rig, 5100);
    ck_assert_int_eq(late->refused, 503);
    ck_assert_uint_eq(opened + closed, 0);
    core_conn_free(c);
    core_conn_free(late);
    core_rig_fini(&rig);
}
END_TEST

/* --- rooms that it is given --- */

static void on_open_give(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    give(e, "kept:a");
    give(e, "kept:b");
}

static void open_giving(unsigned loops)
{
    core_rig_init(&rig, loops, "client.anonymous", "on", "namespace.kept.history.size",
                  "50", NULL);
    core_rig_on(&rig, FW_EVENT_OPEN, on_open_give, NULL);
}

START_TEST(a_room_that_is_given_is_in_connect_and_its_messages_follow)
{
    open_giving((unsigned)_i);
    char got[HEARD_MAX], id[HEARD_MAX];
    fwi_conn *c = come((unsigned)_i - 1, "", NULL);
    ck_assert(next_event(c, got));
    ck_assert_msg(take_id(got, id), "%s", got);
    ck_assert_ptr_nonnull(strstr(got, "\"kept:a\":{\"recoverable\":true"));
    ck_assert_ptr_nonnull(strstr(got, "\"kept:b\":{\"recoverable\":true"));
    hears_retry(c);
    publish("kept:a", "{\"x\":1}");
    ck_assert(next_event(c, got));
    const char *data = strchr(got, '\n') + 1;
    ck_assert_str_eq(data, "data: {\"channel\":\"kept:a\",\"pub\":{\"data\":{\"x\":1},"
                           "\"offset\":1}}");
    publish("kept:b", "no JSON");
    ck_assert(next_event(c, got));
    data = strchr(got, '\n') + 1;
    ck_assert_str_eq(data, "data: {\"channel\":\"kept:b\",\"pub\":{\"data\":\"no "
                           "JSON\",\"offset\":1}}");
    ck_assert_int_eq(fwi_hub_leave(&rig.hub, c->id, "kept:a"), FW_OK);
    hears_event(c, "data: {\"channel\":\"kept:a\",\"unsubscribe\":{\"code\":2000,"
                   "\"reason\":\"server unsubscribe\"}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static void say_next(unsigned said[ROOMS], unsigned room)
{
    char name[12], text[8];
    snprintf(name, sizeof name, "r:kept:%c", 'a' + (int)room);
    snprintf(text, sizeof text, "%c%u", 'a' + (int)room, ++said[room]);
    ck_assert_int_eq(core_publish(&rig, name, text), FW_OK);
}

/* All messages in what one event tells, which are many in a connect: message k of a room
 * says k. */
static void note_event(unsigned heard[ROOMS], const char *event)
{
    static const char data[] = "\"data\":\"";
    for (const char *at = event; (at = strstr(at, data)) != NULL;) {
        at += sizeof data - 1;
        unsigned room = (unsigned)(at[0] - 'a'), k = (unsigned)atoi(at + 1);
        ck_assert_uint_lt(room, ROOMS);
        ck_assert_msg(heard[room] + 1 == k, "%c: %u behind %u", at[0], k, heard[room]);
        heard[room] = k;
    }
}

START_TEST(a_stream_that_breaks_off_anywhere_goes_on_exactly_there)
{
    static char events[MESSAGES + 2][1024];
    char got[HEARD_MAX];
    unsigned said[ROOMS] = {0}, n = 0;
    fwi_rand dice;
    fwi_rand_init(&dice, (uint64_t)_i + 1);
    open_giving(2);
    fwi_conn *c = come((unsigned)_i % 2, "", NULL);
    ck_assert(next_event(c, got));
    snprintf(events[n++], sizeof events[0], "%s", got);
    for (unsigned i = 0; i < MESSAGES; i++) {
        say_next(said, (unsigned)fwi_rand_between(&dice, 0, ROOMS - 1));
        if (fwi_rand_between(&dice, 0, 2) == 0) {
            core_rig_settle(&rig);
        }
    }
    for (; next_event(c, got); n++) {
        ck_assert_uint_lt(n, MESSAGES + 2);
        snprintf(events[n], sizeof events[n], "%s", got);
    }
    core_conn_free(c);
    for (unsigned cut = 1; cut <= n; cut++) {
        char id[HEARD_MAX] = "";
        unsigned heard[ROOMS] = {0};
        for (unsigned i = 0; i < cut; i++) {
            note_event(heard, events[i]);
            take_id(events[i], id);
        }
        c = come(cut % 2, "", id);
        ck_assert(next_event(c, got));
        ck_assert_msg(strstr(got, "\"was_recovering\":true") != NULL, "%s", got);
        note_event(heard, got);
        while (next_event(c, got)) {
            note_event(heard, got);
        }
        ck_assert_int_eq(memcmp(heard, said, sizeof said), 0);
        core_conn_free(c);
    }
    core_rig_fini(&rig);
}
END_TEST

static uint64_t joins[ROOMS];
static unsigned n_joins;

static void on_join(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    ck_assert_uint_lt(n_joins, ROOMS);
    joins[n_joins++] = fw_event_token(e);
}

/* What its rooms say while it waits to be let into the last one is behind what it is told
 * first; whose id must not be ahead of it. */
START_TEST(what_is_said_before_it_is_in_everywhere_is_behind_connect_and_its_id)
{
    char got[HEARD_MAX], id[HEARD_MAX];
    unsigned said[ROOMS] = {0}, heard[ROOMS] = {0};
    open_giving(1);
    fwi_conn *keeper = come(0, "", NULL);
    core_rig_settle(&rig);
    n_joins = 0;
    core_rig_on(&rig, FW_EVENT_JOIN, on_join, NULL);
    fwi_conn *c = come(0, "", NULL);
    core_rig_settle(&rig);
    ck_assert_uint_eq(n_joins, 2);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, joins[0], true, 0, ""), FW_OK);
    core_rig_settle(&rig);
    say_next(said, 0);
    say_next(said, 0);
    hears_no_event(c);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, joins[1], true, 0, ""), FW_OK);
    ck_assert(next_event(c, got) && take_id(got, id));
    ck_assert_ptr_nonnull(strstr(got, "\"connect\""));
    note_event(heard, got);
    core_conn_free(c);
    rig.hub.events.on[FW_EVENT_JOIN].wanted = false;
    c = come(0, "", id);
    while (next_event(c, got)) {
        note_event(heard, got);
    }
    ck_assert_int_eq(memcmp(heard, said, sizeof said), 0);
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_room_that_is_given_later_is_a_push_with_what_was_missed)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", "room.history.size", "50", NULL);
    char got[HEARD_MAX], id[HEARD_MAX] = "", want[HEARD_MAX + 100];
    fwi_conn *c = come(0, "", NULL), *keeper = core_connect(&rig, 0, "");
    hears_event(c, CONNECT(""));
    hears_retry(c);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, keeper->id, "a", 1), FW_OK);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 2), FW_OK);
    ck_assert(next_event(c, got) && take_id(got, id));
    ck_assert_ptr_nonnull(strstr(got, "{\"channel\":\"a\",\"subscribe\":{\"recoverable\""
                                      ":true,\"positioned\":true"));
    core_conn_free(c);
    publish("a", "1");
    publish("a", "2");
    c = come(0, "", id);
    snprintf(want, sizeof want, "id: %s\n" CONNECT(""), id);
    hears_event(c, want); /* it isn't there yet, and stays where it was */
    hears_retry(c);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 3), FW_OK);
    ck_assert(next_event(c, got));
    ck_assert_msg(strstr(got, "\"offset\":0,\"recovered\":true") != NULL, "%s", got);
    char again[HEARD_MAX];
    ck_assert(take_id(got, again));
    ck_assert_str_eq(again, id);
    for (int i = 1; i <= 2; i++) {
        snprintf(want, sizeof want,
                 "id: %.26s%d\ndata: {\"channel\":\"a\",\"pub\":{\"data\":%d,"
                 "\"offset\":%d}}",
                 id, i, i, i);
        hears_event(c, want);
    }
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(positions_of_the_first_request_count_until_an_id_says_more)
{
    open_giving(1);
    char got[HEARD_MAX], id[HEARD_MAX], query[HEARD_MAX + 200];
    unsigned said[ROOMS] = {0};
    fwi_conn *c = come(0, "", NULL), *keeper = come(0, "", NULL);
    for (int i = 0; i < 3; i++) {
        say_next(said, 0);
    }
    while (next_event(c, got)) {
        take_id(got, id);
    }
    core_conn_free(c);
    snprintf(query, sizeof query,
             "cf_connect={%%22subs%%22:{%%22kept:a%%22:{%%22recover%%22:true,"
             "%%22epoch%%22:%%22%.16s%%22,%%22offset%%22:1}}}",
             strstr(id, ":") + 1);
    unsigned heard[ROOMS] = {1};
    c = come(0, query, NULL);
    ck_assert(next_event(c, got));
    note_event(heard, got);
    ck_assert_uint_eq(heard[0], 3);
    core_conn_free(c);
    c = come(0, query, id);
    ck_assert(next_event(c, got));
    note_event(heard, got); /* nothing more */
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

/* --- life and end --- */

START_TEST(a_history_that_begins_anew_makes_it_come_again)
{
    open_giving(1);
    char got[HEARD_MAX];
    const char *rest;
    fwi_conn *c = come(0, "", NULL);
    ck_assert(next_event(c, got));
    hears_retry(c);
    fwi_room_reset(&rig.shard[0], "r:kept:a", (fwi_position){0xaa, 7});
    ck_assert(next_event(c, got));
    retry_of(got, &rest);
    ck_assert_str_eq(rest, "data: {\"disconnect\":{\"code\":3010,\"reason\":"
                           "\"insufficient state\"}}");
    ck_assert(c->finished);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(pings_are_empty_objects_and_a_drain_is_3001)
{
    core_rig_init(&rig, 1, "client.anonymous", "on", NULL);
    char got[HEARD_MAX];
    const char *rest;
    fwi_conn *c = come(0, "", NULL);
    hears_event(c, CONNECT(""));
    hears_retry(c);
    core_rig_advance(&rig, 25100);
    hears_event(c, "data: {}");
    core_rig_advance(&rig, 20000);
    ck_assert_ptr_nonnull(c->s);
    atomic_store(&rig.hub.draining, true);
    fwi_shard_drain(&rig.shard[0]);
    core_rig_advance(&rig, 100);
    do {
        ck_assert(next_event(c, got));
    } while (strcmp(got, "data: {}") == 0);
    retry_of(got, &rest);
    ck_assert_str_eq(rest,
                     "data: {\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uni_sse");
    TCase *tc = tcase_create("coming in");
    tcase_add_test(tc, who_is_let_in_is_told_who_it_is);
    tcase_add_loop_test(tc, who_is_not_let_in_gets_a_status_and_no_stream, 0,
                        FWI_ARRAY_LEN(refused));
    tcase_add_loop_test(tc, the_application_sees_the_request_and_decides, 0,
                        FWI_ARRAY_LEN(verdicts));
    tcase_add_loop_test(tc, who_may_try_again_is_told_so_by_its_status, 0,
                        FWI_ARRAY_LEN(answers));
    tcase_add_test(tc, what_the_application_says_of_it_is_what_presence_tells);
    tcase_add_test(tc, more_streams_than_a_user_may_have_are_429);
    tcase_add_test(tc, who_comes_while_the_application_is_behind_is_503);
    tcase_add_test(tc, a_token_that_is_over_is_401);
    tcase_add_test(tc, who_leaves_or_waits_too_long_for_a_verdict_was_never_there);
    suite_add_tcase(suite, tc);
    tc = tcase_create("rooms that it is given");
    tcase_add_loop_test(tc, a_room_that_is_given_is_in_connect_and_its_messages_follow, 1,
                        3);
    tcase_add_loop_test(tc, a_stream_that_breaks_off_anywhere_goes_on_exactly_there, 0,
                        10);
    tcase_add_test(tc,
                   what_is_said_before_it_is_in_everywhere_is_behind_connect_and_its_id);
    tcase_add_test(tc, a_room_that_is_given_later_is_a_push_with_what_was_missed);
    tcase_add_test(tc, positions_of_the_first_request_count_until_an_id_says_more);
    suite_add_tcase(suite, tc);
    tc = tcase_create("life and end");
    tcase_add_test(tc, a_history_that_begins_anew_makes_it_come_again);
    tcase_add_test(tc, pings_are_empty_objects_and_a_drain_is_3001);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
