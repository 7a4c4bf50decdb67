/*
 * CONNECT and JOIN are decided by a token: at once in the handler or later from another
 * thread, once; never is an answer too, by the clock.
 */
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

/* Does at once what the query (CONNECT) or the room's name (JOIN) says; "later" leaves it
 * to the test, which finds the event recorded. */
static void decide(fw_hub *hub, fw_event *e, void *user)
{
    bool join = fw_event_kind(e) == FW_EVENT_JOIN;
    const char *what = join ? fw_event_room(e) : fw_event_query(e, "do", 0);
    uint64_t token = fw_event_token(e);
    if (what && strncmp(what, "later", 5) == 0) {
        /* The test decides. */
    } else if (what && strncmp(what, "refuse", 6) == 0) {
        fw_reject(hub, token, join ? 4711 : atoi(what + 6), "not today");
    } else {
        fw_accept(hub, token, join ? NULL : fw_event_query(e, "user", 0));
    }
    test_hub_record(hub, e, user);
}

static test_hub *deciding_hub(int kind, const char *timeout)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_on(h, FW_EVENT_CONNECT, decide, h);
    test_hub_on(h, FW_EVENT_JOIN, decide, h);
    test_hub_set(h, "decision.timeout", timeout);
    test_hub_start(h);
    return h;
}

static ws_client *start(test_hub *h, const char *query)
{
    return ws_client_start(test_hub_url(h), &(ws_client_options){.query = query});
}

static uint64_t connect_token(test_hub *h)
{
    return test_hub_wait(h, FW_EVENT_CONNECT, fw_session_none())->token;
}

START_TEST(without_a_handler_everybody_is_let_in)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_handler_refuses_with_status_and_reason)
{
    static const char *statuses[] = {"400", "401", "403", "404", "429", "500", "599"};
    test_hub *h = deciding_hub(_i, "5s");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        char query[32] = "do=refuse";
        strcat(query, statuses[i]);
        ws_client *c = start(h, query);
        ck_assert_int_eq(ws_client_answer(c), atoi(statuses[i]));
        ck_assert_ptr_nonnull(strstr(ws_client_answer_text(c), "not today"));
        ws_client_free(c);
    }
    test_hub_wait_stat_is(h, "fanwire_refused_total",
                          sizeof statuses / sizeof statuses[0]);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_sessions"), 0);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN), 0);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_CLOSE), 0);
    test_hub_close(h);
}
END_TEST

START_TEST(a_handler_says_whose_session_it_is)
{
    test_hub *h = deciding_hub(_i, "5s");
    test_client c =
        test_client_open_with(h, "a", &(ws_client_options){.query = "user=ann"});
    ws_client_text(c.ws, "hello");
    ck_assert_str_eq(test_hub_wait(h, FW_EVENT_MESSAGE, c.id)->user, "ann");
    test_client_join(&c, "to be sure that Redis knows the user too");
    fw_user_send(h->hub, "ann", TEXT("hello ann"));
    ws_client_expect_text(c.ws, "hello ann");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_verdict_may_come_later_from_another_thread)
{
    test_hub *h = deciding_hub(_i, "10s");
    ws_client *good = start(h, "do=later&name=good");
    uint64_t token = connect_token(h);
    /* What is said before the verdict is kept until there is one. */
    ws_client_text(good, "early");
    ck_assert_int_eq(ws_client_answer_within(good, 100), WS_NOTHING);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_MESSAGE), 0);
    ck_assert_int_eq(fw_accept(h->hub, token, "ann"), FW_OK);
    ck_assert_int_eq(ws_client_answer(good), 101);
    const test_event *open = test_hub_wait(h, FW_EVENT_OPEN, fw_session_none());
    ck_assert_str_eq(open->user, "ann");
    ck_assert_str_eq((char *)test_hub_wait(h, FW_EVENT_MESSAGE, open->session)->data,
                     "early");
    ws_client *bad = start(h, "do=later");
    token = connect_token(h);
    ck_assert_int_eq(fw_reject(h->hub, token, 451, "no"), FW_OK);
    ck_assert_int_eq(ws_client_answer(bad), 451);
    ws_client_free(good);
    ws_client_free(bad);
    test_hub_close(h);
}
END_TEST

START_TEST(a_verdict_after_two_seconds_is_in_time_by_default)
{
    test_hub *h = deciding_hub(_i, "5s");
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(ws_client_answer_within(c, 2000), WS_NOTHING);
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_OK);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(no_verdict_in_time_is_503)
{
    test_hub *h = deciding_hub(_i, "200ms");
    uint64_t begin = ws_now_ms();
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(ws_client_answer(c), 503);
    ck_assert_uint_ge(ws_now_ms() - begin, 190);
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_ERR_GONE);
    ck_assert_int_eq(fw_reject(h->hub, token, 403, ""), FW_ERR_GONE);
    test_hub_wait_stat_is(h, "fanwire_decision_timeouts_total", 1);
    test_hub_wait_stat_is(h, "fanwire_pending_connections", 0);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN), 0);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_second_verdict_is_gone)
{
    test_hub *h = deciding_hub(_i, "5s");
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(fw_accept(h->hub, token, "ann"), FW_OK);
    ck_assert_int_eq(fw_accept(h->hub, token, "bob"), FW_ERR_GONE);
    ck_assert_int_eq(fw_reject(h->hub, token, 403, ""), FW_ERR_GONE);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ck_assert_str_eq(test_hub_wait(h, FW_EVENT_OPEN, fw_session_none())->user, "ann");
    ck_assert_int_eq(fw_accept(h->hub, token, "bob"), FW_ERR_GONE);
    ck_assert_int_eq(fw_accept(h->hub, 12345678, NULL), FW_ERR_GONE);
    ck_assert_int_eq(fw_accept(h->hub, 0, NULL), FW_ERR_GONE);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_wrong_verdict_decides_nothing)
{
    test_hub *h = deciding_hub(_i, "5s");
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(fw_accept(h->hub, token, ""), FW_ERR_INVALID);
    ck_assert_int_eq(fw_accept(h->hub, token, "a\nb"), FW_ERR_INVALID);
    ck_assert_int_eq(fw_accept(h->hub, token, "\xff"), FW_ERR_INVALID);
    ck_assert_int_eq(fw_reject(h->hub, token, 200, ""), FW_ERR_INVALID);
    ck_assert_int_eq(fw_reject(h->hub, token, 600, ""), FW_ERR_INVALID);
    ck_assert_int_eq(fw_reject(h->hub, token, 403, "two\r\nlines"), FW_ERR_INVALID);
    ck_assert_int_eq(fw_reject(h->hub, token, 403, "caf\xe9"), FW_ERR_INVALID);
    ck_assert_int_eq(ws_client_answer_within(c, 50), WS_NOTHING);
    ck_assert_int_eq(fw_accept(h->hub, token, "ann"), FW_OK);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

static int answer(test_hub *h, uint64_t token, const char *text)
{
    return fw_answer(h->hub, token, text, strlen(text));
}

START_TEST(an_answer_by_json_says_more_and_nonsense_decides_nothing)
{
    char large[2048] = "{\"result\":{\"info\":\"";
    test_hub *h = deciding_hub(_i, "5s");
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(answer(h, token, "<html>"), FW_ERR_INVALID);
    ck_assert_str_eq(fw_error_detail(), "no answer: it is no JSON from byte 0 on");
    ck_assert_int_eq(answer(h, token, "{\"result\":{\"user\":1}}"), FW_ERR_INVALID);
    ck_assert_int_eq(answer(h, 15ull << 54, "{\"result\":{}}"), FW_ERR_GONE);
    size_t n = strlen(large);
    memset(large + n, 'x', 1100);
    strcpy(large + n + 1100, "\"}}");
    ck_assert_int_eq(answer(h, token, large), FW_ERR_TOO_BIG);
    strcpy(large, "{\"result\":{\"subs\":{\"a\":{\"info\":\"");
    n = strlen(large);
    memset(large + n, 'x', 1100);
    strcpy(large + n + 1100, "\"}}}}");
    ck_assert_int_eq(answer(h, token, large), FW_ERR_TOO_BIG);
    ck_assert_str_eq(fw_error_detail(),
                     "the result's subs: a room's info has more than 1024 bytes");
    ck_assert_int_eq(ws_client_answer_within(c, 50), WS_NOTHING);
    ck_assert_int_eq(
        answer(h, token, "{\"result\":{\"user\":\"ann\",\"channels\":[\"a\"]}}"), FW_OK);
    ck_assert_int_eq(answer(h, token, "{\"result\":{}}"), FW_ERR_GONE);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ck_assert_str_eq(test_hub_wait(h, FW_EVENT_OPEN, fw_session_none())->user, "ann");
    test_hub_wait_stat_is(h, "fanwire_room_members", 1);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_client_that_left_while_asked_about_is_never_half_open)
{
    for (int reset = 0; reset < 2; reset++) {
        test_hub *h = deciding_hub(_i, "60s");
        ws_client *c = start(h, "do=later");
        uint64_t token = connect_token(h), begin = ws_now_ms();
        if (reset) {
            ws_client_reset(c);
        } else {
            ws_client_free(c);
        }
        int err = fw_accept(h->hub, token, NULL);
        ck_assert_msg(err == FW_OK || err == FW_ERR_GONE, "%s", fw_err_name(err));
        test_hub_wait_stat_is(h, "fanwire_pending_connections", 0);
        test_hub_wait_stat_is(h, "fanwire_sessions", 0);
        /* Either it never was open, or it was and has ended. */
        if (test_hub_peek(h, FW_EVENT_OPEN, fw_session_none(), 0)) {
            test_hub_wait(h, FW_EVENT_CLOSE, fw_session_none());
        }
        ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN),
                          test_hub_count(h, FW_EVENT_CLOSE));
        ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_ERR_GONE);
        ck_assert_uint_lt(ws_now_ms() - begin, 50000);
        test_hub_close(h);
    }
}
END_TEST

START_TEST(a_client_s_leaving_is_noticed_before_the_verdict)
{
    for (int reset = 0; reset < 2; reset++) {
        test_hub *h = deciding_hub(_i, "60s");
        ws_client *c = start(h, "do=later");
        uint64_t token = connect_token(h);
        if (reset) {
            ws_client_reset(c);
        } else {
            ws_client_free(c);
        }
        test_hub_wait_stat_is(h, "fanwire_pending_connections", 0);
        ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_ERR_GONE);
        ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN), 0);
        test_hub_close(h);
    }
}
END_TEST

START_TEST(a_hub_stops_while_verdicts_are_open)
{
    test_hub *h = deciding_hub(_i, "10s");
    ws_client *c = start(h, "do=later");
    uint64_t token = connect_token(h);
    ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
    int err = fw_accept(h->hub, token, NULL);
    ck_assert_msg(err == FW_ERR_GONE || err == FW_ERR_CLOSED, "%s", fw_err_name(err));
    int status = ws_client_answer(c);
    ck_assert_msg(status == 503 || status == WS_EOF || status == WS_RESET, "%d", status);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

static int join_at(test_client *c, const char *room, uint64_t ref)
{
    ck_assert_int_eq(fw_session_join(c->hub->hub, c->id, room, ref), FW_OK);
    return test_hub_result(c->hub, ref);
}

START_TEST(a_join_is_asked_about_with_session_user_and_room)
{
    test_hub *h = deciding_hub(_i, "5s");
    test_client c =
        test_client_open_with(h, "a", &(ws_client_options){.query = "user=ann"});
    ck_assert_int_eq(join_at(&c, "lobby", 1), FW_OK);
    const test_event *e = test_hub_wait(h, FW_EVENT_JOIN, c.id);
    ck_assert_str_eq(e->room, "lobby");
    ck_assert_str_eq(e->user, "ann");
    fw_room_publish(h->hub, "lobby", TEXT("inside"));
    ws_client_expect_text(c.ws, "inside");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_refused_join_leaves_the_session_outside)
{
    test_hub *h = deciding_hub(_i, "5s");
    test_client c = test_client_open(h, "a");
    ck_assert_int_eq(join_at(&c, "refuse", 7), FW_ERR_REFUSED);
    fw_room_publish(h->hub, "refuse", TEXT("inside"));
    test_client_expect_nothing(&c);
    test_client_close(&c);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_LEAVE), 0);
    test_hub_close(h);
}
END_TEST

START_TEST(a_join_may_be_decided_later_once)
{
    test_hub *h = deciding_hub(_i, "5s");
    test_client c = test_client_open(h, "a");
    ck_assert_int_eq(fw_session_join(h->hub, c.id, "later good", 1), FW_OK);
    uint64_t token = test_hub_wait(h, FW_EVENT_JOIN, c.id)->token;
    fw_room_publish(h->hub, "later good", TEXT("too early"));
    test_client_expect_nothing(&c);
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_OK);
    ck_assert_int_eq(fw_reject(h->hub, token, 1, ""), FW_ERR_GONE);
    ck_assert_int_eq(test_hub_result(h, 1), FW_OK);
    fw_room_publish(h->hub, "later good", TEXT("in time"));
    ws_client_expect_text(c.ws, "in time");
    ck_assert_int_eq(fw_session_join(h->hub, c.id, "later bad", 2), FW_OK);
    token = test_hub_wait(h, FW_EVENT_JOIN, c.id)->token;
    ck_assert_int_eq(fw_reject(h->hub, token, 17, "full"), FW_OK);
    ck_assert_int_eq(test_hub_result(h, 2), FW_ERR_REFUSED);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_join_that_nobody_decides_fails_in_time)
{
    test_hub *h = deciding_hub(_i, "200ms");
    test_client c = test_client_open(h, "a");
    ck_assert_int_eq(join_at(&c, "later", 9), FW_ERR_TIMEOUT);
    uint64_t token = test_hub_wait(h, FW_EVENT_JOIN, c.id)->token;
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_ERR_GONE);
    test_hub_wait_stat_is(h, "fanwire_decision_timeouts_total", 1);
    fw_room_publish(h->hub, "later", TEXT("x"));
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_join_of_a_session_that_has_closed_is_gone)
{
    test_hub *h = deciding_hub(_i, "10s");
    test_client c = test_client_open(h, "a");
    ck_assert_int_eq(fw_session_join(h->hub, c.id, "later", 5), FW_OK);
    uint64_t token = test_hub_wait(h, FW_EVENT_JOIN, c.id)->token;
    test_client_close(&c);
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_ERR_GONE);
    ck_assert_int_eq(test_hub_result(h, 5), FW_ERR_GONE);
    test_hub_wait_stat_is(h, "fanwire_room_members", 0);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("decisions");
    test_add(s, without_a_handler_everybody_is_let_in, 0, HUB_KINDS);
    test_add(s, a_handler_refuses_with_status_and_reason, 0, HUB_KINDS);
    test_add(s, a_handler_says_whose_session_it_is, 0, HUB_KINDS);
    test_add(s, a_verdict_may_come_later_from_another_thread, 0, HUB_KINDS);
    test_add(s, a_verdict_after_two_seconds_is_in_time_by_default, 0, 2);
    test_add(s, no_verdict_in_time_is_503, 0, HUB_KINDS);
    test_add(s, a_second_verdict_is_gone, 0, HUB_KINDS);
    test_add(s, a_wrong_verdict_decides_nothing, 0, HUB_KINDS);
    test_add(s, an_answer_by_json_says_more_and_nonsense_decides_nothing, 0, HUB_KINDS);
    test_add(s, a_client_that_left_while_asked_about_is_never_half_open, 0, HUB_KINDS);
    test_add(s, a_client_s_leaving_is_noticed_before_the_verdict, 0, HUB_KINDS);
    test_add(s, a_hub_stops_while_verdicts_are_open, 0, HUB_KINDS);
    test_add(s, a_join_is_asked_about_with_session_user_and_room, 0, HUB_KINDS);
    test_add(s, a_refused_join_leaves_the_session_outside, 0, HUB_KINDS);
    test_add(s, a_join_may_be_decided_later_once, 0, HUB_KINDS);
    test_add(s, a_join_that_nobody_decides_fails_in_time, 0, HUB_KINDS);
    test_add(s, a_join_of_a_session_that_has_closed_is_gone, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
