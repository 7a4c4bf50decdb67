/*
 * Sessions whose connection is somebody else's: they are members like any other, hear by
 * DELIVER events with credit, and end with a last one that says how.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

static const char head[] = "GET /ws?room=a%20b HTTP/1.1\r\nHost: example.org\r\n"
                           "Origin: http://example.org\r\nX-One: 1\r\n\r\n";

static test_hub *attaching_hub(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "events", "queued");
    h->record = 1u << FW_EVENT_OPEN | 1u << FW_EVENT_MESSAGE | 1u << FW_EVENT_CLOSE |
                1u << FW_EVENT_RESULT | 1u << FW_EVENT_DELIVER;
    return h;
}

static void expect_result(test_hub *h, uint64_t ref, int code)
{
    fw_event *e = test_hub_expect(h, FW_EVENT_RESULT);
    ck_assert_uint_eq(fw_event_token(e), ref);
    ck_assert_int_eq(fw_event_code(e), code);
    test_hub_done(h, e);
}

static void expect_deliver(test_hub *h, fw_session_id id, const char *text)
{
    size_t len;
    fw_event *e = test_hub_expect(h, FW_EVENT_DELIVER);
    ck_assert(fw_session_id_equal(fw_event_session(e), id));
    const char *data = fw_event_data(e, &len);
    ck_assert_msg(len == strlen(text) && memcmp(data, text, len) == 0, "\"%.*s\"",
                  (int)len, data);
    ck_assert_uint_eq(fw_event_flags(e), FW_TEXT);
    ck_assert_int_eq(fw_event_code(e), 0);
    test_hub_done(h, e);
}

static void expect_end(test_hub *h, fw_event_type type, fw_session_id id, int code)
{
    fw_event *e = test_hub_expect(h, type);
    ck_assert(fw_session_id_equal(fw_event_session(e), id));
    ck_assert_int_eq(fw_event_code(e), code);
    test_hub_done(h, e);
}

static fw_session_id attach(test_hub *h, const char *user)
{
    ck_assert_int_eq(fw_session_attach(h->hub, user, head, strlen(head), "192.0.2.1", 7),
                     FW_OK);
    fw_event *e = test_hub_expect(h, FW_EVENT_RESULT);
    fw_session_id id = fw_event_session(e);
    ck_assert_int_eq(fw_event_code(e), FW_OK);
    test_hub_done(h, e);
    e = test_hub_expect(h, FW_EVENT_OPEN);
    ck_assert(fw_session_id_equal(fw_event_session(e), id));
    test_hub_done(h, e);
    return id;
}

static void join(test_hub *h, fw_session_id id, const char *room)
{
    ck_assert_int_eq(fw_session_join(h->hub, id, room, 9), FW_OK);
    expect_result(h, 9, FW_OK);
}

START_TEST(an_attached_session_has_the_facts_of_its_head)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    ck_assert_int_eq(fw_session_attach(h->hub, "ann", head, strlen(head), "192.0.2.1", 1),
                     FW_OK);
    expect_result(h, 1, FW_OK);
    fw_event *e = test_hub_expect(h, FW_EVENT_OPEN);
    ck_assert_str_eq(fw_event_user(e), "ann");
    ck_assert_str_eq(fw_event_query(e, "room", 0), "a b");
    ck_assert_str_eq(fw_event_fact(e, "path"), "/ws");
    ck_assert_str_eq(fw_event_fact(e, "host"), "example.org");
    ck_assert_str_eq(fw_event_fact(e, "address"), "192.0.2.1");
    ck_assert_str_eq(fw_event_header(e, "x-one"), "1");
    test_hub_done(h, e);
    ck_assert(test_hub_stat(h, "fanwire_sessions") == 1);
    test_hub_close(h);
}
END_TEST

START_TEST(rooms_users_and_everyone_reach_it_by_deliver)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, "ann");
    join(h, id, "lobby");
    ck_assert_int_eq(fw_room_publish(h->hub, "lobby", TEXT("room")), FW_OK);
    expect_deliver(h, id, "room");
    ck_assert_int_eq(fw_user_send(h->hub, "ann", TEXT("user")), FW_OK);
    expect_deliver(h, id, "user");
    ck_assert_int_eq(fw_hub_send_all(h->hub, TEXT("all")), FW_OK);
    expect_deliver(h, id, "all");
    ck_assert_int_eq(fw_session_send(h->hub, id, TEXT("session")), FW_OK);
    expect_deliver(h, id, "session");
    test_hub_close(h);
}
END_TEST

START_TEST(large_and_binary_messages_come_whole)
{
    static const size_t sizes[] = {0, 125, 126, 65535, 65536, 300000};
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    char *body = malloc(300000);
    memset(body, 0xfe, 300000);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len;
        ck_assert_int_eq(fw_session_send(h->hub, id, body, sizes[i], FW_BINARY), FW_OK);
        fw_event *e = test_hub_expect(h, FW_EVENT_DELIVER);
        const void *data = fw_event_data(e, &len);
        ck_assert_uint_eq(fw_event_flags(e), FW_BINARY);
        ck_assert_uint_eq(len, sizes[i]);
        ck_assert(len == 0 || memcmp(data, body, len) == 0);
        test_hub_done(h, e);
    }
    free(body);
    test_hub_close(h);
}
END_TEST

START_TEST(what_is_fed_is_a_message_of_the_session)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, "ann");
    ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("hello")), FW_OK);
    size_t len;
    fw_event *e = test_hub_expect(h, FW_EVENT_MESSAGE);
    ck_assert_int_eq(memcmp(fw_event_data(e, &len), "hello", 5), 0);
    ck_assert_uint_eq(len, 5);
    ck_assert_str_eq(fw_event_user(e), "ann");
    test_hub_done(h, e);
    test_hub_close(h);
}
END_TEST

START_TEST(the_last_deliver_says_how_it_ended_behind_what_was_sent)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    ck_assert_int_eq(fw_session_send(h->hub, id, TEXT("one")), FW_OK);
    ck_assert_int_eq(fw_session_close(h->hub, id, 4001, "enough"), FW_OK);
    /* Which of the two comes first isn't said; each comes once, and nothing else. */
    bool closed = false, ended = false, heard = false;
    while (!closed || !ended) {
        fw_event *e = NULL;
        ck_assert_int_eq(fw_hub_poll(h->hub, &e, 1, WS_DEADLINE_MS), 1);
        if (fw_event_kind(e) == FW_EVENT_CLOSE) {
            ck_assert(!closed);
            closed = true;
        } else if (fw_event_code(e) == 0) {
            ck_assert(!ended && !heard);
            heard = true;
        } else {
            ck_assert(heard && !ended);
            ck_assert_str_eq(fw_event_reason(e), "enough");
            ended = true;
        }
        ck_assert(heard || fw_event_code(e) == 4001);
        test_hub_done(h, e);
    }
    ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("x")), FW_ERR_GONE);
    test_hub_wait_stat_is(h, "fanwire_sessions", 0);
    test_hub_close(h);
}
END_TEST

/* CLOSE and the last DELIVER, in either order. */
static void expect_both_ends(test_hub *h, fw_session_id id, int code, const char *reason,
                             int delivered)
{
    for (int i = 0; i < 2; i++) {
        fw_event *e = NULL;
        ck_assert_int_eq(fw_hub_poll(h->hub, &e, 1, WS_DEADLINE_MS), 1);
        ck_assert(fw_session_id_equal(fw_event_session(e), id));
        if (fw_event_kind(e) == FW_EVENT_CLOSE) {
            ck_assert_int_eq(fw_event_code(e), code);
            ck_assert_str_eq(fw_event_reason(e), reason);
        } else {
            ck_assert_int_eq(fw_event_kind(e), FW_EVENT_DELIVER);
            ck_assert_int_eq(fw_event_code(e), delivered);
        }
        test_hub_done(h, e);
    }
}

START_TEST(a_client_that_closes_or_vanishes_ends_it_behind_what_it_said)
{
    static const struct {
        unsigned fed;
        const char *reason, *told;
    } ends[] = {{4002, "bye", "bye"}, {1005, "none", ""}, {1006, NULL, ""}};
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        fw_session_id id = attach(h, NULL);
        ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("last words")), FW_OK);
        ck_assert_int_eq(fw_session_feed_close(h->hub, id, ends[i].fed, ends[i].reason),
                         FW_OK);
        fw_event *e = test_hub_expect(h, FW_EVENT_MESSAGE);
        test_hub_done(h, e);
        expect_both_ends(h, id, (int)ends[i].fed, ends[i].told, (int)ends[i].fed);
        ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("x")), FW_ERR_GONE);
        test_hub_wait_stat_is(h, "fanwire_sessions", 0);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(a_client_that_vanishes_while_delivers_are_held_ends_once)
{
    test_hub *h = attaching_hub(_i);
    test_hub_set(h, "events.per_session", "1");
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    ck_assert_int_eq(fw_session_send(h->hub, id, TEXT("one")), FW_OK);
    fw_event *held = test_hub_expect(h, FW_EVENT_DELIVER);
    ck_assert_int_eq(fw_session_send(h->hub, id, TEXT("two")), FW_OK);
    ck_assert_int_eq(fw_session_feed_close(h->hub, id, 1006, NULL), FW_OK);
    /* Its loop may have seen to the first already. */
    int again = fw_session_feed_close(h->hub, id, 1006, NULL);
    ck_assert(again == FW_OK || again == FW_ERR_GONE);
    expect_both_ends(h, id, 1006, "", 1006);
    test_hub_done(h, held);
    ck_assert_ptr_null(test_hub_next(h, 50));
    test_hub_close(h);
}
END_TEST

START_TEST(unfinished_delivers_hold_the_rest_back_and_nothing_is_lost)
{
    enum { LIMIT = 4, SENT = 50 };
    test_hub *h = attaching_hub(_i);
    test_hub_set(h, "events.per_session", "4");
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    fw_event *held[SENT];
    int n = 0;
    char text[16];
    /* Each in a turn of its own: what one turn brings may pass the limit. */
    for (int i = 0; i < SENT; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(fw_session_send(h->hub, id, text, strlen(text), FW_TEXT), FW_OK);
        test_hub_wait_stat(h, "fanwire_deliveries_total", i + 1);
    }
    while (fw_hub_poll(h->hub, &held[n], 1, 0) == 1) {
        n++;
    }
    ck_assert_int_ge(n, 1);
    ck_assert_int_lt(n, SENT);
    int next = 0;
    while (next < SENT) {
        if (next == n) {
            held[n++] = test_hub_expect(h, FW_EVENT_DELIVER);
        }
        size_t len;
        const char *data = fw_event_data(held[next], &len);
        snprintf(text, sizeof text, "%d", next);
        ck_assert(len == strlen(text) && memcmp(data, text, len) == 0);
        test_hub_done(h, held[next++]);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(one_that_takes_nothing_is_closed_by_the_outbox_policy)
{
    enum { SIZE = 16384 };
    test_hub *h = attaching_hub(_i);
    test_hub_set(h, "events.per_session", "1");
    test_hub_set(h, "outbox.max_bytes", "64KiB");
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    char *body = calloc(1, SIZE);
    double over = 0;
    for (int i = 0; i < 1000 && over < 1; i++) {
        int err = fw_session_send(h->hub, id, body, SIZE, FW_BINARY);
        ck_assert(err == FW_OK || err == FW_ERR_GONE);
        over = test_hub_stat(h, "fanwire_outbox_overflows_total{policy=\"close\"}");
    }
    ck_assert(over >= 1);
    int code = 0;
    while (code == 0) {
        fw_event *e = NULL;
        ck_assert_int_eq(fw_hub_poll(h->hub, &e, 1, WS_DEADLINE_MS), 1);
        if (fw_event_kind(e) == FW_EVENT_DELIVER) {
            code = fw_event_code(e);
        }
        test_hub_done(h, e);
    }
    /* 1006 if the second in which it could have been taken was over. */
    ck_assert(code == 1013 || code == 1006);
    free(body);
    test_hub_close(h);
}
END_TEST

START_TEST(draining_ends_it_with_1001_and_takes_no_more)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    ck_assert_int_eq(fw_hub_drain(h->hub, WS_DEADLINE_MS), FW_OK);
    expect_end(h, FW_EVENT_CLOSE, id, 1001);
    expect_end(h, FW_EVENT_DELIVER, id, 1001);
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, NULL, 0, NULL, 3), FW_OK);
    expect_result(h, 3, FW_ERR_CLOSED);
    test_hub_close(h);
}
END_TEST

START_TEST(limits_count_it)
{
    test_hub *h = attaching_hub(_i);
    test_hub_set(h, "limit.sessions", "1");
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, NULL, 0, NULL, 3), FW_OK);
    expect_result(h, 3, FW_ERR_LIMIT);
    ck_assert_int_eq(fw_session_close(h->hub, id, 1000, NULL), FW_OK);
    test_hub_wait_stat_is(h, "fanwire_sessions", 0);
    ck_assert(test_hub_stat(h, "fanwire_pending_connections") == 0);
    test_hub_close(h);
}
END_TEST

START_TEST(wrong_arguments_are_refused_with_a_sentence)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    fw_session_id id = attach(h, NULL);
    ck_assert_int_eq(fw_session_attach(h->hub, "\n", NULL, 0, NULL, 1), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, NULL, 0, NULL, 0), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, head, 20, NULL, 1), FW_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "head: "));
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, "\1\2 \r\n\r\n", 7, NULL, 1),
                     FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_feed(h->hub, id, "\xff", 1, FW_TEXT), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_feed(h->hub, fw_session_none(), TEXT("x")), FW_ERR_GONE);
    char *large = calloc(1, 2 << 20);
    ck_assert_int_eq(fw_session_feed(h->hub, id, large, 2 << 20, FW_BINARY),
                     FW_ERR_TOO_BIG);
    free(large);
    test_hub_close(h);
    h = test_hub_open((unsigned)_i); /* inline */
    ck_assert_int_eq(fw_session_attach(h->hub, NULL, NULL, 0, NULL, 1), FW_ERR_STATE);
    test_hub_close(h);
}
END_TEST

START_TEST(who_feeds_faster_than_events_are_done_is_told_to_wait)
{
    enum { LIMIT = 4 };
    test_hub *h = attaching_hub(_i);
    test_hub_set(h, "events.per_session", "4");
    test_hub_start(h);
    fw_session_id id = attach(h, NULL), other = attach(h, NULL);
    fw_event *held[LIMIT];
    for (int i = 0; i < LIMIT; i++) {
        ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("x")), FW_OK);
        held[i] = test_hub_expect(h, FW_EVENT_MESSAGE);
    }
    ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("x")), FW_ERR_BUSY);
    ck_assert_str_eq(fw_error_detail(), "what the session has said before isn't done");
    /* That is no matter of others. */
    ck_assert_int_eq(fw_session_feed(h->hub, other, TEXT("y")), FW_OK);
    test_hub_done(h, test_hub_expect(h, FW_EVENT_MESSAGE));
    fw_events_done(h->hub, held, LIMIT);
    int err;
    uint64_t end = ws_now_ms() + WS_DEADLINE_MS;
    while ((err = fw_session_feed(h->hub, id, TEXT("z"))) == FW_ERR_BUSY) {
        ck_assert_uint_lt(ws_now_ms(), end);
    }
    ck_assert_int_eq(err, FW_OK);
    fw_event *e = test_hub_expect(h, FW_EVENT_MESSAGE);
    ck_assert_int_eq(memcmp(fw_event_data(e, NULL), "z", 1), 0);
    test_hub_done(h, e);
    test_hub_close(h);
}
END_TEST

START_TEST(feeding_a_session_with_a_socket_has_no_effect)
{
    test_hub *h = attaching_hub(_i);
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    fw_event *e = test_hub_expect(h, FW_EVENT_OPEN);
    fw_session_id id = fw_event_session(e);
    test_hub_done(h, e);
    ck_assert_int_eq(fw_session_feed(h->hub, id, TEXT("never said")), FW_OK);
    ck_assert_int_eq(fw_session_feed_close(h->hub, id, 1006, NULL), FW_OK);
    ws_client_text(c, "said");
    e = test_hub_expect(h, FW_EVENT_MESSAGE);
    ck_assert_int_eq(memcmp(fw_event_data(e, NULL), "said", 4), 0);
    test_hub_done(h, e);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("attached");
    test_add(s, an_attached_session_has_the_facts_of_its_head, 0, HUB_KINDS);
    test_add(s, rooms_users_and_everyone_reach_it_by_deliver, 0, HUB_KINDS);
    test_add(s, large_and_binary_messages_come_whole, 0, HUB_KINDS);
    test_add(s, what_is_fed_is_a_message_of_the_session, 0, HUB_KINDS);
    test_add(s, the_last_deliver_says_how_it_ended_behind_what_was_sent, 0, HUB_KINDS);
    test_add(s, a_client_that_closes_or_vanishes_ends_it_behind_what_it_said, 0,
             HUB_KINDS);
    test_add(s, a_client_that_vanishes_while_delivers_are_held_ends_once, 0, HUB_KINDS);
    test_add(s, unfinished_delivers_hold_the_rest_back_and_nothing_is_lost, 0, HUB_KINDS);
    test_add(s, one_that_takes_nothing_is_closed_by_the_outbox_policy, 0, HUB_KINDS);
    test_add(s, draining_ends_it_with_1001_and_takes_no_more, 0, HUB_KINDS);
    test_add(s, limits_count_it, 0, HUB_KINDS);
    test_add(s, wrong_arguments_are_refused_with_a_sentence, 0, HUB_KINDS);
    test_add(s, who_feeds_faster_than_events_are_done_is_told_to_wait, 0, HUB_KINDS);
    test_add(s, feeding_a_session_with_a_socket_has_no_effect, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
