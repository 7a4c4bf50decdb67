/*
 * Every limit at its border: what is refused, with which status or close code, that it is
 * counted, and that nobody else is harmed. Time limits too: heartbeat and handshake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s)     (s), strlen(s), FW_TEXT
#define HITS(limit) "fanwire_limit_hits_total{limit=\"" limit "\"}"

static int status_of(test_hub *h, const char *headers)
{
    ws_client *c =
        ws_client_start(test_hub_url(h), &(ws_client_options){.headers = headers});
    int status = ws_client_answer(c);
    ws_client_free(c);
    return status;
}

START_TEST(a_session_over_its_rooms_is_told_by_the_result)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "limit.rooms_per_session", "3");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, "1");
    test_client_join(&c, "2");
    test_client_join(&c, "3");
    ck_assert_int_eq(fw_session_join(h->hub, c.id, "4", 77), FW_OK);
    ck_assert_int_eq(test_hub_result(h, 77), FW_ERR_LIMIT);
    test_hub_wait_stat_is(h, HITS("rooms_per_session"), 1);
    test_client_join(&c, "3"); /* it is there already */
    fw_room_publish(h->hub, "4", TEXT("x"));
    test_client_expect_nothing(&c);
    ck_assert_int_eq(fw_session_leave(h->hub, c.id, "1"), FW_OK);
    test_client_join(&c, "4");
    fw_room_publish(h->hub, "4", TEXT("now"));
    ws_client_expect_text(c.ws, "now");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

typedef struct joiner {
    test_hub *hub;
    int results[3];
} joiner;

static void join_three(fw_hub *hub, fw_event *e, void *user)
{
    joiner *j = user;
    for (int i = 0; i < 3; i++) {
        char room[] = {(char)('a' + i), 0};
        j->results[i] = fw_session_join(hub, fw_event_session(e), room, 0);
    }
    test_hub_record(hub, e, j->hub);
}

START_TEST(a_handler_over_the_rooms_is_told_at_once)
{
    test_hub *h = test_hub_new((unsigned)_i);
    joiner j = {.hub = h};
    test_hub_set(h, "limit.rooms_per_session", "2");
    test_hub_on(h, FW_EVENT_MESSAGE, join_three, &j);
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_text(c.ws, "join");
    test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_int_eq(j.results[0], FW_OK);
    ck_assert_int_eq(j.results[1], FW_OK);
    ck_assert_int_eq(j.results[2], FW_ERR_LIMIT);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(sessions_over_the_limit_get_503_until_one_leaves)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "limit.sessions", "3");
    test_hub_start(h);
    test_client c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = test_client_open(h, (const char *[]){"a", "b", "c"}[i]);
    }
    ck_assert_int_eq(status_of(h, NULL), 503);
    ck_assert_int_eq(status_of(h, NULL), 503);
    test_hub_wait_stat_is(h, HITS("sessions"), 2);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_sessions"), 3);
    test_client_close(&c[1]);
    test_hub_wait_stat_is(h, "fanwire_sessions", 2);
    test_client d = test_client_open(h, "d");
    for (int i = 0; i < 3; i += 2) {
        test_client_expect_nothing(&c[i]);
        test_client_close(&c[i]);
    }
    test_client_close(&d);
    test_hub_wait_stat_is(h, "fanwire_sessions", 0);
    test_hub_close(h);
}
END_TEST

START_TEST(sessions_of_one_address_over_the_limit_get_429)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "limit.sessions_per_address", "2");
    test_hub_start(h);
    ws_client_options behind = {.headers = "X-Forwarded-For: 203.0.113.1\r\n"};
    test_client a = test_client_open_with(h, "a", &behind);
    test_client b = test_client_open_with(h, "b", &behind);
    ck_assert_int_eq(status_of(h, behind.headers), 429);
    test_hub_wait_stat_is(h, HITS("sessions_per_address"), 1);
    ck_assert_int_eq(status_of(h, "X-Forwarded-For: 203.0.113.2\r\n"), 101);
    test_client_close(&a);
    test_client c = test_client_open_with(h, "c", &behind);
    ck_assert_int_eq(status_of(h, behind.headers), 429);
    test_client_close(&b);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(connections_without_a_verdict_are_limited)
{
    test_hub *h = test_hub_new((unsigned)_i);
    h->record |= 1u << FW_EVENT_CONNECT; /* recorded and not decided */
    test_hub_set(h, "limit.pending", "2");
    test_hub_start(h);
    ws_client *asked = ws_client_start(test_hub_url(h), NULL);
    uint64_t token = test_hub_wait(h, FW_EVENT_CONNECT, fw_session_none())->token;
    ws_client *half = ws_client_connect(test_hub_url(h), NULL);
    ws_client_raw(half, "GET /ws HT", 10);
    test_hub_wait_stat_is(h, "fanwire_pending_connections", 2);
    ck_assert_int_eq(status_of(h, NULL), 503);
    test_hub_wait_stat_is(h, HITS("pending"), 1);
    ck_assert_int_eq(fw_accept(h->hub, token, NULL), FW_OK);
    ck_assert_int_eq(ws_client_answer(asked), 101);
    ws_client_reset(half);
    test_hub_wait_stat_is(h, "fanwire_pending_connections", 0);
    ws_client_free(asked);
    test_hub_close(h);
}
END_TEST

START_TEST(who_talks_faster_than_the_rate_is_closed_with_1008)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "limit.message_rate", "20");
    test_hub_start(h);
    test_client fast = test_client_open(h, "fast"), slow = test_client_open(h, "slow");
    for (int i = 0; i < 200; i++) {
        ws_client_text(fast.ws, "x");
    }
    for (int i = 0; i < 10; i++) {
        ws_client_text(slow.ws, "x");
    }
    ws_client_expect_close(fast.ws, 1008, NULL);
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, fast.id)->code, 1008);
    test_hub_wait_stat_is(h, HITS("message_rate"), 1);
    for (int i = 0; i < 10; i++) {
        test_hub_wait(h, FW_EVENT_MESSAGE, slow.id);
    }
    test_client_close(&slow);
    ws_client_free(fast.ws);
    test_hub_close(h);
}
END_TEST

static void fragment(ws_client *c, int opcode, bool last, size_t len)
{
    uint8_t frame[8 + 2000] = {(uint8_t)((last ? 0x80 : 0) | opcode), 0x80 | 126,
                               (uint8_t)(len >> 8), (uint8_t)len};
    ws_client_raw(c, frame, 8 + len);
}

/* The header of a frame whose payload never comes. */
static void announce(ws_client *c, uint64_t len)
{
    uint8_t head[14] = {0x82, 0x80 | 127};
    size_t n = 2;
    unsigned bytes = 8;
    if (len < 65536) {
        head[1] = 0x80 | 126;
        bytes = 2;
    }
    for (unsigned i = 0; i < bytes; i++) {
        head[n++] = (uint8_t)(len >> (8 * (bytes - 1 - i)));
    }
    ws_client_raw(c, head, n + 4);
}

START_TEST(a_message_over_the_limit_is_1009)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "message.max_bytes", "2000");
    test_hub_start(h);
    static const char body[2001];
    test_client c = test_client_open(h, "ok");
    ws_client_send(c.ws, WS_BINARY, body, 2000);
    ck_assert_uint_eq(test_hub_wait(h, FW_EVENT_MESSAGE, c.id)->len, 2000);
    fragment(c.ws, WS_BINARY, false, 1000);
    fragment(c.ws, 0, true, 1000);
    ck_assert_uint_eq(test_hub_wait(h, FW_EVENT_MESSAGE, c.id)->len, 2000);
    for (int how = 0; how < 4; how++) {
        test_client bad = test_client_open(h, "bad");
        if (how == 0) {
            ws_client_send(bad.ws, WS_BINARY, body, 2001);
        } else if (how == 1) {
            fragment(bad.ws, WS_BINARY, false, 1500);
            fragment(bad.ws, 0, true, 501);
        } else {
            announce(bad.ws, how == 2 ? 2001 : INT64_MAX);
        }
        ws_client_expect_closed(bad.ws, 1009, NULL);
        ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, bad.id)->code, 1009);
        ws_client_free(bad.ws);
    }
    test_hub_wait_stat_is(h, HITS("message_max_bytes"), 4);
    ck_assert_int_eq(fw_room_publish(h->hub, "r", body, 2000, FW_BINARY), FW_OK);
    ck_assert_int_eq(fw_room_publish(h->hub, "r", body, 2001, FW_BINARY), FW_ERR_TOO_BIG);
    ck_assert_int_eq(fw_session_send(h->hub, c.id, body, 2001, FW_BINARY),
                     FW_ERR_TOO_BIG);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(an_open_session_is_pinged_and_stays_while_it_answers)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "heartbeat.interval", "200ms");
    test_hub_set(h, "heartbeat.timeout", "1500ms");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_show_pings(c.ws, true);
    for (int i = 0; i < 10; i++) { /* for longer than the time-out */
        ws_message m;
        ck_assert_int_eq(ws_client_receive(c.ws, &m, WS_DEADLINE_MS), WS_PING);
        ws_client_send(c.ws, WS_PONG, m.data, m.len);
    }
    ws_client_show_pings(c.ws, false);
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(who_answers_no_ping_is_closed)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "heartbeat.interval", "100ms");
    test_hub_set(h, "heartbeat.timeout", "200ms");
    test_hub_start(h);
    test_client mute = test_client_open(h, "mute");
    ws_client_show_pings(mute.ws, true);
    uint64_t begin = ws_now_ms();
    ws_client_expect_end(mute.ws);
    ck_assert_uint_ge(ws_now_ms() - begin, 150);
    test_hub_wait(h, FW_EVENT_CLOSE, mute.id);
    test_hub_wait_stat_is(h, "fanwire_heartbeat_timeouts_total", 1);
    ws_client_free(mute.ws);
    test_hub_close(h);
}
END_TEST

START_TEST(a_heartbeat_of_zero_is_off)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "heartbeat.interval", "0s");
    test_hub_set(h, "heartbeat.timeout", "100ms");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_show_pings(c.ws, true);
    ws_client_expect_silence(c.ws, 500);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(half_a_handshake_is_ended_in_time)
{
    static const char *halves[] = {"", "GET /ws HTTP/1.1\r\nHost: x\r\n"};
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "handshake.timeout", "200ms");
    test_hub_start(h);
    for (int i = 0; i < 2; i++) {
        ws_client *c = ws_client_connect(test_hub_url(h), NULL);
        ws_client_raw(c, halves[i], strlen(halves[i]));
        uint64_t begin = ws_now_ms();
        int status = ws_client_answer(c);
        ck_assert_msg(status == 408 || status == WS_EOF || status == WS_RESET, "%d",
                      status);
        ck_assert_uint_ge(ws_now_ms() - begin, 150);
        ws_client_free(c);
    }
    test_hub_wait_stat_is(h, "fanwire_pending_connections", 0);
    test_hub_wait_stat_is(h, "fanwire_http_errors_total", 2);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("limits");
    test_add(s, a_session_over_its_rooms_is_told_by_the_result, 0, HUB_KINDS);
    test_add(s, a_handler_over_the_rooms_is_told_at_once, 0, HUB_KINDS);
    test_add(s, sessions_over_the_limit_get_503_until_one_leaves, 0, HUB_KINDS);
    test_add(s, sessions_of_one_address_over_the_limit_get_429, 0, HUB_KINDS);
    test_add(s, connections_without_a_verdict_are_limited, 0, HUB_KINDS);
    test_add(s, who_talks_faster_than_the_rate_is_closed_with_1008, 0, HUB_KINDS);
    test_add(s, a_message_over_the_limit_is_1009, 0, HUB_KINDS);
    test_add(s, an_open_session_is_pinged_and_stays_while_it_answers, 0, HUB_KINDS);
    test_add(s, who_answers_no_ping_is_closed, 0, HUB_KINDS);
    test_add(s, a_heartbeat_of_zero_is_off, 0, HUB_KINDS);
    test_add(s, half_a_handshake_is_ended_in_time, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
