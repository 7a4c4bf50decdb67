/*
 * A session's own calls: close with code and reason both ways, what is queued goes first,
 * ids that are stale, and arguments that are refused before anything happens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

START_TEST(a_close_of_the_application_reaches_the_client_with_code_and_reason)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                     1010, 1011, 1012, 1013, 1014, 3000, 4999};
    test_hub *h = test_hub_open((unsigned)_i);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        test_client c = test_client_open(h, "a");
        ck_assert_int_eq(fw_session_close(h->hub, c.id, codes[i], i % 2 ? "why" : NULL),
                         FW_OK);
        ws_client_expect_closed(c.ws, codes[i], i % 2 ? "why" : "");
        const test_event *e = test_hub_wait(h, FW_EVENT_CLOSE, c.id);
        ck_assert_int_eq(e->code, (int)codes[i]);
        ck_assert_str_eq(e->reason, i % 2 ? "why" : "");
        ws_client_free(c.ws);
    }
    test_hub_wait_stat_is(h, "fanwire_closes_total{kind=\"by_us\"}",
                          sizeof codes / sizeof codes[0]);
    test_hub_close(h);
}
END_TEST

START_TEST(a_close_of_the_client_reaches_the_application_and_is_answered)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    ws_client_close(c.ws, 4321, "gr\xc3\xbc\xc3\x9f");
    ws_client_expect_close(c.ws, 4321, NULL);
    ws_client_expect_end(c.ws);
    const test_event *e = test_hub_wait(h, FW_EVENT_CLOSE, c.id);
    ck_assert_int_eq(e->code, 4321);
    ck_assert_str_eq(e->reason, "gr\xc3\xbc\xc3\x9f");
    ws_client_free(c.ws);
    c = test_client_open(h, "b");
    ws_client_send(c.ws, WS_CLOSE, "", 0);
    ws_client_expect_end(c.ws);
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, c.id)->code, 1005);
    ws_client_free(c.ws);
    test_hub_wait_stat_is(h, "fanwire_closes_total{kind=\"clean\"}", 2);
    test_hub_close(h);
}
END_TEST

START_TEST(a_client_that_vanishes_is_1006)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a"), d = test_client_open(h, "b");
    ws_client_free(c.ws);
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, c.id)->code, 1006);
    ws_client_reset(d.ws);
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, d.id)->code, 1006);
    test_hub_wait_stat_is(h, "fanwire_closes_total{kind=\"gone\"}", 2);
    test_hub_wait_stat_is(h, "fanwire_sessions", 0);
    test_hub_close(h);
}
END_TEST

START_TEST(what_is_queued_goes_before_the_close)
{
    enum { N = 1000 };
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    char text[16];
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(fw_session_send(h->hub, c.id, TEXT(text)), FW_OK);
    }
    ck_assert_int_eq(fw_session_close(h->hub, c.id, 1000, "done"), FW_OK);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "%d", i);
        ws_client_expect_text(c.ws, text);
    }
    ws_client_expect_closed(c.ws, 1000, "done");
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN), 1);
    test_hub_wait(h, FW_EVENT_CLOSE, c.id);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_CLOSE), 1);
    ws_client_free(c.ws);
    test_hub_close(h);
}
END_TEST

START_TEST(pings_are_answered_with_their_own_bytes)
{
    static const char body[] =
        "0123456789012345678901234567890123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789012345"
        "678901234";
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    ws_client_send(c.ws, WS_PING, "", 0);
    ws_client_expect(c.ws, WS_PONG, "", 0);
    ws_client_send(c.ws, WS_PING, body, 125);
    ws_client_expect(c.ws, WS_PONG, body, 125);
    ws_client_send(c.ws, WS_PONG, "unasked", 7);
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

static void expect_gone(fw_hub *hub, fw_session_id id)
{
    ck_assert_int_eq(fw_session_send(hub, id, TEXT("x")), FW_ERR_GONE);
    ck_assert_int_eq(fw_session_close(hub, id, 1000, ""), FW_ERR_GONE);
    ck_assert_int_eq(fw_session_join(hub, id, "lobby", 0), FW_ERR_GONE);
    ck_assert_int_eq(fw_session_leave(hub, id, "lobby"), FW_ERR_GONE);
    ck_assert_int_eq(fw_session_set_user(hub, id, "ann"), FW_ERR_GONE);
}

typedef struct gone_probe {
    test_hub *hub;
    fw_session_id id;
    int results[5];
} gone_probe;

static void probe_from_a_handler(fw_hub *hub, fw_event *e, void *user)
{
    gone_probe *p = user;
    p->results[0] = fw_session_send(hub, p->id, TEXT("x"));
    p->results[1] = fw_session_close(hub, p->id, 1000, "");
    p->results[2] = fw_session_join(hub, p->id, "lobby", 0);
    p->results[3] = fw_session_leave(hub, p->id, "lobby");
    p->results[4] = fw_session_set_user(hub, p->id, "ann");
    test_hub_record(hub, e, p->hub);
}

START_TEST(a_stale_id_is_gone_from_any_thread)
{
    test_hub *h = test_hub_new((unsigned)_i);
    gone_probe p = {.hub = h};
    test_hub_on(h, FW_EVENT_MESSAGE, probe_from_a_handler, &p);
    test_hub_start(h);
    test_client old = test_client_open(h, "old");
    p.id = old.id;
    test_client_close(&old);
    expect_gone(h->hub, old.id);
    /* Its place is taken by others now; the id still isn't theirs. */
    for (int i = 0; i < 4; i++) {
        test_client c = test_client_open(h, "new");
        ck_assert(!fw_session_id_equal(c.id, old.id));
        expect_gone(h->hub, old.id);
        ws_client_text(c.ws, "go");
        test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
        for (int k = 0; k < 5; k++) {
            ck_assert_msg(p.results[k] == FW_ERR_GONE, "call %d: %s", k,
                          fw_err_name(p.results[k]));
        }
        test_client_expect_nothing(&c);
        test_client_close(&c);
    }
    fw_session_id never = old.id;
    never.local ^= 0xffffffffu;
    expect_gone(h->hub, never);
    expect_gone(h->hub, (fw_session_id){old.id.node, 0});
    test_hub_close(h);
}
END_TEST

START_TEST(wrong_arguments_are_refused_and_do_nothing)
{
    char longest[257];
    memset(longest, 'x', sizeof longest);
    longest[255] = 0;
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, longest);
    ck_assert_int_eq(fw_room_publish(h->hub, longest, TEXT("long name")), FW_OK);
    ws_client_expect_text(c.ws, "long name");
    longest[255] = 'x';
    longest[256] = 0;
    const char *bad[] = {"", "a\nb", "\x01", "\x7f", "\xff", "\xc3", longest};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(fw_name_check(bad[i]), FW_ERR_INVALID);
        ck_assert_int_eq(fw_room_publish(h->hub, bad[i], TEXT("x")), FW_ERR_INVALID);
        ck_assert_int_eq(fw_user_send(h->hub, bad[i], TEXT("x")), FW_ERR_INVALID);
        ck_assert_int_eq(fw_session_join(h->hub, c.id, bad[i], 1), FW_ERR_INVALID);
        ck_assert_int_eq(fw_session_leave(h->hub, c.id, bad[i]), FW_ERR_INVALID);
        ck_assert_int_eq(fw_session_set_user(h->hub, c.id, bad[i]), FW_ERR_INVALID);
        ck_assert_str_ne(fw_error_detail(), "");
    }
    ck_assert_int_eq(fw_room_publish(h->hub, "r", "\xff", 1, FW_TEXT), FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_publish(h->hub, "r", "x", 1, 0x40), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_send(h->hub, c.id, "\xff", 1, FW_TEXT), FW_ERR_INVALID);
    ck_assert_int_eq(fw_hub_send_all(h->hub, "\xff", 1, FW_TEXT), FW_ERR_INVALID);
    ck_assert_ptr_null(fw_message_new("\xff", 1, FW_TEXT));
    ck_assert_ptr_null(fw_message_new("x", 1, 0x40));
    static const unsigned codes[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70000};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        ck_assert_int_eq(fw_session_close(h->hub, c.id, codes[i], ""), FW_ERR_INVALID);
        ck_assert_int_eq(fw_user_disconnect(h->hub, "ann", codes[i], ""), FW_ERR_INVALID);
    }
    longest[124] = 0;
    ck_assert_int_eq(fw_session_close(h->hub, c.id, 1000, longest), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_close(h->hub, c.id, 1000, "\xff"), FW_ERR_INVALID);
    test_client_expect_nothing(&c);
    longest[123] = 0;
    ck_assert_int_eq(fw_session_close(h->hub, c.id, 1000, longest), FW_OK);
    ws_client_expect_close(c.ws, 1000, longest);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_RESULT), 1);
    ws_client_free(c.ws);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sessions");
    test_add(s, a_close_of_the_application_reaches_the_client_with_code_and_reason, 0,
             HUB_KINDS);
    test_add(s, a_close_of_the_client_reaches_the_application_and_is_answered, 0,
             HUB_KINDS);
    test_add(s, a_client_that_vanishes_is_1006, 0, HUB_KINDS);
    test_add(s, what_is_queued_goes_before_the_close, 0, HUB_KINDS);
    test_add(s, pings_are_answered_with_their_own_bytes, 0, HUB_KINDS);
    test_add(s, a_stale_id_is_gone_from_any_thread, 0, HUB_KINDS);
    test_add(s, wrong_arguments_are_refused_and_do_nothing, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
