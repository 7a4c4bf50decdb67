/*
 * The credit of queued events, which comes back when an event is done: a session over its
 * share isn't read, and loses nothing.
 */
#include "events_rig.h"
#include "support/hub_fixture.h"

/* Takes events of one session until none comes for a while. */
static int take_messages(test_hub *h, fw_session_id of, fw_event **held, int max)
{
    int n = 0;
    fw_event *e;
    while (n < max && (e = test_hub_next(h, 200)) != NULL) {
        ck_assert_int_eq(fw_event_kind(e), FW_EVENT_MESSAGE);
        ck_assert(fw_session_id_equal(fw_event_session(e), of));
        held[n++] = e;
    }
    return n;
}

/* Gives back the events held, whose numbers begin with 0, and takes more until all have
 * come: in order, without loss, never more at a time than the limit. */
static void go_on_until(test_hub *h, fw_event **held, int n, int limit, int all)
{
    int next = 0;
    for (;;) {
        for (int i = 0; i < n; i++) {
            expect_number(held[i], next++);
        }
        fw_events_done(h->hub, held, n);
        if (next == all) {
            break;
        }
        n = 1;
        held[0] = test_hub_expect(h, FW_EVENT_MESSAGE);
        while (n < limit && (held[n] = test_hub_next(h, 20)) != NULL) {
            n++;
        }
        ck_assert(n < limit || next + n == all || test_hub_next(h, 20) == NULL);
    }
}

START_TEST(a_session_over_its_limit_is_not_read_until_events_are_done)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_set(h, "events.per_session", "4");
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    fw_session_id id = take_open(h);
    send_numbers(c, 0, 40);
    fw_event *held[40];
    int n = take_messages(h, id, held, 40);
    ck_assert_int_eq(n, 4);
    test_hub_wait_stat(h, "fanwire_limit_hits_total{limit=\"events_per_session\"}", 1);
    /* Others go on. */
    ws_client *other = ws_client_open(test_hub_url(h), NULL);
    fw_session_id other_id = take_open(h);
    ws_client_text(other, "0");
    fw_event *e = test_hub_expect(h, FW_EVENT_MESSAGE);
    ck_assert(fw_session_id_equal(fw_event_session(e), other_id));
    test_hub_done(h, e);
    /* It still can be sent to. */
    fw_session_send(h->hub, id, TEXT("still here"));
    ws_client_expect_text(c, "still here");
    go_on_until(h, held, n, 4, 40);
    ck_assert_ptr_null(test_hub_next(h, 0));
    ws_client_free(c);
    ws_client_free(other);
    test_hub_close(h);
}
END_TEST

START_TEST(a_close_arrives_though_the_session_is_over_its_limit)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_set(h, "events.per_session", "2");
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    fw_session_id id = take_open(h);
    send_numbers(c, 0, 50);
    fw_event *held[50];
    ck_assert_int_eq(take_messages(h, id, held, 50), 2);
    ck_assert_int_eq(fw_session_close(h->hub, id, 4000, "bye"), FW_OK);
    ws_client_expect_close(c, 4000, "bye");
    fw_event *e = test_hub_expect(h, FW_EVENT_CLOSE);
    ck_assert(fw_session_id_equal(fw_event_session(e), id));
    test_hub_done(h, e);
    fw_events_done(h->hub, held, 2);
    ck_assert_ptr_null(test_hub_next(h, 50));
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_close_arrives_for_each_of_many_that_reset_over_their_limit)
{
    enum { N = 30 };
    test_hub *h = queued_hub(_i, 0);
    test_hub_set(h, "events.per_session", "1");
    test_hub_start(h);
    for (int i = 0; i < N; i++) {
        ws_client *c = ws_client_open(test_hub_url(h), NULL);
        send_numbers(c, 0, 10);
        ws_client_reset(c);
    }
    int opened = 0, closed = 0;
    while (opened < N || closed < N) {
        fw_event *e = test_hub_next(h, WS_DEADLINE_MS);
        ck_assert_msg(e != NULL, "%d opened, %d closed of %d", opened, closed, N);
        opened += fw_event_kind(e) == FW_EVENT_OPEN;
        closed += fw_event_kind(e) == FW_EVENT_CLOSE;
        test_hub_done(h, e);
    }
    ck_assert_int_eq(opened, N);
    ck_assert_int_eq(closed, N);
    test_hub_close(h);
}
END_TEST

START_TEST(a_session_that_is_not_read_is_not_closed_for_missing_pongs)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_set(h, "events.per_session", "2");
    test_hub_set(h, "heartbeat.interval", "100ms");
    test_hub_set(h, "heartbeat.timeout", "1s");
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    fw_session_id id = take_open(h);
    send_numbers(c, 0, 10);
    fw_event *held[10];
    int n = take_messages(h, id, held, 10);
    ck_assert_int_eq(n, 2);
    ws_client_expect_silence(c, 1500); /* answers pings meanwhile */
    go_on_until(h, held, n, 2, 10);
    ws_client_expect_silence(c, 1200);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_heartbeat_timeouts_total"), 0);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

/* A client of a hub that asks who may come. */
static ws_client *open_asked(test_hub *h)
{
    ws_client *c = ws_client_start(test_hub_url(h), NULL);
    fw_event *e = test_hub_expect(h, FW_EVENT_CONNECT);
    ck_assert_int_eq(fw_accept(h->hub, fw_event_token(e), NULL), FW_OK);
    test_hub_done(h, e);
    ck_assert_int_eq(ws_client_answer(c), 101);
    take_open(h);
    return c;
}

START_TEST(over_the_limit_of_bytes_sessions_wait_and_newcomers_get_503)
{
    enum { SESSIONS = 24, EACH = 10, SIZE = 4096 };
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_CONNECT);
    test_hub_set(h, "events.max_bytes", "64KiB");
    test_hub_start(h);
    ws_client *c[SESSIONS];
    char *body = calloc(1, SIZE);
    for (int i = 0; i < SESSIONS; i++) {
        c[i] = open_asked(h);
    }
    for (int k = 0; k < EACH; k++) {
        for (int i = 0; i < SESSIONS; i++) {
            ck_assert(ws_client_send(c[i], WS_BINARY, body, SIZE));
        }
    }
    static fw_event *held[SESSIONS * EACH];
    int n = 0;
    fw_event *e;
    while ((e = test_hub_next(h, 200)) != NULL) {
        held[n++] = e;
    }
    /* One more a loop may be on its way when the limit is seen. */
    ck_assert_int_ge(n, 15);
    ck_assert_int_le(n, 65536 / SIZE + SESSIONS);
    test_hub_wait_stat(h, "fanwire_limit_hits_total{limit=\"events_max_bytes\"}", 1);
    ws_client *late = ws_client_start(test_hub_url(h), NULL);
    ck_assert_int_eq(ws_client_answer(late), 503);
    ws_client_free(late);
    int all = n;
    fw_events_done(h->hub, held, n);
    while (all < SESSIONS * EACH) {
        test_hub_done(h, test_hub_expect(h, FW_EVENT_MESSAGE));
        all++;
    }
    ck_assert_ptr_null(test_hub_next(h, 50));
    for (int i = 0; i < SESSIONS; i++) {
        ws_client_free(c[i]);
    }
    free(body);
    test_hub_close(h);
}
END_TEST

START_TEST(large_messages_of_one_session_fill_its_share_only)
{
    enum { SENT = 12, SIZE = 60 * 1024 };
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_CONNECT);
    test_hub_set(h, "events.max_bytes", "512KiB");
    test_hub_start(h);
    ws_client *large = open_asked(h);
    char *body = calloc(1, SIZE);
    for (int i = 0; i < SENT; i++) {
        ck_assert(ws_client_send(large, WS_BINARY, body, SIZE));
    }
    test_hub_wait_stat(h, "fanwire_limit_hits_total{limit=\"events_per_session\"}", 1);
    fw_event *held[SENT];
    int n = 0;
    while (n < SENT && (held[n] = test_hub_next(h, 200)) != NULL) {
        ck_assert_int_eq(fw_event_kind(held[n]), FW_EVENT_MESSAGE);
        n++;
    }
    ck_assert_int_lt(n, SENT / 2);
    /* A newcomer is let in, and heard. */
    ws_client *other = open_asked(h);
    ck_assert(ws_client_text(other, "0"));
    test_hub_done(h, test_hub_expect(h, FW_EVENT_MESSAGE));
    ck_assert_double_eq(
        test_hub_stat(h, "fanwire_limit_hits_total{limit=\"events_max_bytes\"}"), 0);
    /* And it loses nothing. */
    fw_events_done(h->hub, held, n);
    for (; n < SENT; n++) {
        fw_event *e = test_hub_expect(h, FW_EVENT_MESSAGE);
        size_t len;
        fw_event_data(e, &len);
        ck_assert_uint_eq(len, SIZE);
        test_hub_done(h, e);
    }
    ck_assert_ptr_null(test_hub_next(h, 50));
    free(body);
    ws_client_free(large);
    ws_client_free(other);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("events_credit");
    test_add(s, a_session_over_its_limit_is_not_read_until_events_are_done, 0, HUB_KINDS);
    test_add(s, a_close_arrives_though_the_session_is_over_its_limit, 0, HUB_KINDS);
    test_add(s, a_close_arrives_for_each_of_many_that_reset_over_their_limit, 0,
             HUB_KINDS);
    test_add(s, a_session_that_is_not_read_is_not_closed_for_missing_pongs, 0, HUB_KINDS);
    test_add(s, over_the_limit_of_bytes_sessions_wait_and_newcomers_get_503, 0,
             HUB_KINDS);
    test_add(s, large_messages_of_one_session_fill_its_share_only, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
