/*
 * What a call is refused for: the error, the sentence, and that nothing else came of it.
 * Errors of a state are in test_lifecycle.c and test_events.c, too; those of want of
 * memory and descriptors are those of tests/inject.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/hub_fixture.h"

enum { MESSAGE_MAX = 1000, INFO_MAX = 1024, REF = 7 };
static const uint64_t own_ref = UINT64_C(1) << 63;
static const uint64_t of_rpc = UINT64_C(2) << 54; /* a token that is nobody's now */
static const fw_position beginning = {0, 0};

static void refused(int err, int want, const char *says)
{
    ck_assert_msg(err == want && strstr(fw_error_detail(), says) != NULL, "%s: %s, %s",
                  says, fw_err_name(err), fw_error_detail());
}

#define INVALID(call, says) refused((call), FW_ERR_INVALID, says)
#define TOO_BIG(call, says) refused((call), FW_ERR_TOO_BIG, says)
#define STATE(call, says)   refused((call), FW_ERR_STATE, says)

static test_hub *hub_with(const char *option, const char *value)
{
    test_hub *h = test_hub_new(0);
    test_hub_set(h, "message.max_bytes", "1000");
    test_hub_set(h, option, value);
    return h;
}

START_TEST(a_payload_is_refused_wherever_it_is_sent_to)
{
    static const char big[MESSAGE_MAX + 1];
    test_hub *h = hub_with("room.history.size", "10");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, "r");

    INVALID(fw_room_publish(h->hub, "r", "x", 1, 8), "unknown flags 0x8");
    INVALID(fw_room_send_here(h->hub, "r", NULL, 1, FW_BINARY), "data is NULL");
    INVALID(fw_user_send(h->hub, "u", "\xff", 1, FW_TEXT), "binary needs FW_BINARY");
    INVALID(fw_session_send(h->hub, c.id, "\xff", 1, FW_TEXT), "not UTF-8");
    INVALID(fw_node_send(h->hub, fw_hub_node(h->hub), "\xff", 1, FW_TEXT), "not UTF-8");
    ck_assert_ptr_null(fw_message_new("\xff", 1, FW_TEXT));
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), "not UTF-8"));
    INVALID(fw_answer(h->hub, 0, NULL, 1), "data is NULL");
    TOO_BIG(fw_room_send_here(h->hub, "r", big, sizeof big, FW_BINARY), "1001 bytes");
    TOO_BIG(fw_user_send(h->hub, "u", big, sizeof big, FW_BINARY), "1001 bytes");
    TOO_BIG(fw_node_send(h->hub, 1, big, sizeof big, FW_BINARY), "1001 bytes");
    TOO_BIG(fw_reply(h->hub, of_rpc, big, sizeof big), "1001 bytes");
    TOO_BIG(fw_hub_send_all(h->hub, big, sizeof big, FW_BINARY),
            "1001 bytes are more than message.max_bytes, 1000");

    fw_message *m = fw_message_new(big, sizeof big, FW_BINARY);
    TOO_BIG(fw_room_publish_message(h->hub, "r", m), "message.max_bytes");
    TOO_BIG(fw_room_send_here_message(h->hub, "r", m), "message.max_bytes");
    TOO_BIG(fw_user_send_message(h->hub, "u", m), "message.max_bytes");
    TOO_BIG(fw_session_send_message(h->hub, c.id, m), "message.max_bytes");
    TOO_BIG(fw_hub_send_all_message(h->hub, m), "message.max_bytes");
    TOO_BIG(fw_room_publish_ref(h->hub, "r", m, REF), "message.max_bytes");
    fw_message_unref(m);
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_message_that_has_been_sent_stays_as_it_is)
{
    test_hub *h = test_hub_open(0);
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    INVALID(fw_message_set_key(m, "a\nb"), "the key ");
    INVALID(fw_message_set_key(m, "a234567890a234567890a234567890a234567890a234567890"
                                  "a2345678901234x"),
            "is longer than 64 bytes");
    ck_assert_int_eq(fw_message_set_key(m, "k"), FW_OK);
    ck_assert_int_eq(fw_message_set_key(m, NULL), FW_OK);
    ck_assert_int_eq(fw_room_publish_message(h->hub, "r", m), FW_OK);
    STATE(fw_message_set_key(m, "k"), "the message has been sent");
    STATE(fw_message_set_except(m, fw_session_none()), "the message has been sent");
    fw_message_unref(m);
    test_hub_close(h);
}
END_TEST

START_TEST(a_name_is_refused_wherever_it_is_named)
{
    test_hub *h = hub_with("user.presence", "on");
    test_hub_start(h);
    fw_session_id none = fw_session_none();
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    INVALID(fw_room_publish(h->hub, NULL, "x", 1, FW_TEXT), "room name: is NULL");
    INVALID(fw_room_publish_message(h->hub, "", m), "room name: ");
    INVALID(fw_room_send_here_message(h->hub, "a\nb", m), "room name: ");
    INVALID(fw_user_send_message(h->hub, "\xff", m), "user name: ");
    fw_message_unref(m);
    INVALID(fw_user_disconnect(h->hub, "", 1000, NULL), "user name: ");
    INVALID(fw_user_join(h->hub, "", "r"), "user name: ");
    INVALID(fw_user_join(h->hub, "u", ""), "room name: ");
    INVALID(fw_user_leave(h->hub, "u", NULL), "room name: is NULL");
    INVALID(fw_session_join(h->hub, none, "", REF), "room name: ");
    INVALID(fw_session_join_since(h->hub, none, "", beginning, REF), "room name: ");
    INVALID(fw_session_leave(h->hub, none, ""), "room name: ");
    INVALID(fw_session_set_user(h->hub, none, ""), "user name: ");
    INVALID(fw_room_presence(h->hub, "", 0, 10, REF), "room name: ");
    INVALID(fw_room_trace(h->hub, "", 1, REF), "room name: ");
    INVALID(fw_room_history(h->hub, "", beginning, 1, 0, REF), "room name: ");
    INVALID(fw_user_sessions(h->hub, "", 0, 10, REF), "user name: ");
    INVALID(fw_name_check(NULL), "name: is NULL");
    ck_assert_int_eq(fw_name_check("a"), FW_OK);
    test_hub_close(h);
}
END_TEST

START_TEST(a_question_needs_a_number_and_bounds)
{
    test_hub *h = hub_with("room.history.size", "10");
    test_hub_start(h);
    INVALID(fw_room_presence(h->hub, "r", 0, 10, 0), "ref: 0 would be nobody's question");
    INVALID(fw_room_presence(h->hub, "r", 0, 10, own_ref), "2^63 and up are the library");
    INVALID(fw_room_presence(h->hub, "r", 0, 10001, REF), "limit 10001: at most 10000");
    INVALID(fw_room_history(h->hub, "r", beginning, 10001, 0, REF),
            "limit 10001: at most 10000");
    INVALID(fw_room_history(h->hub, "r", beginning, 1, 8, REF), "unknown order 0x8");
    INVALID(fw_room_history(h->hub, "r", beginning, 1, 0, 0), "ref: 0");
    INVALID(fw_room_forget(h->hub, "r", own_ref), "2^63");
    INVALID(fw_room_trace(h->hub, "r", 1, 0), "ref: 0");
    INVALID(fw_room_trace(h->hub, "r", 1000000, REF), "seconds 1000000: at most ");
    INVALID(fw_hub_nodes(h->hub, 0), "ref: 0");
    INVALID(fw_room_publish_ref(h->hub, "r", NULL, 0), "ref: 0");
    STATE(fw_user_sessions(h->hub, "u", 0, 10, REF), "user.presence is off");
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_RESULT), 0);
    test_hub_close(h);

    h = hub_with("room.history.size", "0");
    test_hub_start(h);
    STATE(fw_room_history(h->hub, "r", beginning, 1, 0, REF), "has no history");
    STATE(fw_room_forget(h->hub, "r", REF), "has no history");
    test_hub_close(h);
}
END_TEST

START_TEST(a_session_is_closed_as_the_protocol_allows)
{
    static const unsigned codes[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000};
    char reason[125];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    test_hub *h = test_hub_open(0);
    test_client c = test_client_open(h, "a");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char says[32];
        snprintf(says, sizeof says, "close code %u: ", codes[i]);
        INVALID(fw_session_close(h->hub, c.id, codes[i], NULL), says);
        INVALID(fw_user_disconnect(h->hub, "u", codes[i], NULL), says);
    }
    INVALID(fw_session_close(h->hub, c.id, 1000, reason), "at most 123 bytes");
    INVALID(fw_user_disconnect(h->hub, "u", 1000, "\xff"), "not UTF-8");
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(what_a_session_shows_of_itself_has_a_limit)
{
    static const char info[INFO_MAX + 1];
    test_hub *h = test_hub_open(0);
    test_client c = test_client_open(h, "a");
    INVALID(fw_session_set_info(h->hub, c.id, NULL, 1), "data is NULL");
    TOO_BIG(fw_session_set_info(h->hub, c.id, info, sizeof info), "bytes of info");
    ck_assert_int_eq(fw_session_set_info(h->hub, c.id, info, INFO_MAX), FW_OK);
    test_client_close(&c);
    fw_session_id id = {1, 2};
    INVALID(fw_session_id_parse(NULL, &id), "32 hexadecimal digits");
    INVALID(fw_session_id_parse("0123456789abcdef0123456789abcdeg", &id), "32 hex");
    ck_assert(id.node == 1 && id.local == 2);
    test_hub_close(h);
}
END_TEST

START_TEST(no_token_is_no_question)
{
    test_hub *h = test_hub_open(0);
    refused(fw_accept(h->hub, 0, NULL), FW_ERR_GONE, "decided before, too late");
    INVALID(fw_accept(h->hub, 0, ""), "user name: ");
    refused(fw_reject(h->hub, UINT64_MAX, 403, NULL), FW_ERR_GONE, "no such token");
    refused(fw_answer(h->hub, UINT64_MAX, "{}", 2), FW_ERR_GONE, "no such token");
    INVALID(fw_reject(h->hub, 0, 200, NULL), "code 200: an HTTP status of 400-599");
    INVALID(fw_reject(h->hub, 0, 403, "a\nb"), "more than one line");
    INVALID(fw_answer(h->hub, 0, "{", 1), "no answer: ");
    INVALID(fw_reply(h->hub, 0, "x", 1), "the token is of no RPC");
    test_hub_close(h);
}
END_TEST

START_TEST(a_number_that_is_no_token_answers_nothing)
{
    test_hub *h = test_hub_open(0);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t kind = 0; kind < 16; kind++) {
            uint64_t token = kind << bit;
            int err[] = {fw_accept(h->hub, token, "u"), fw_reject(h->hub, token, 404, ""),
                         fw_reply(h->hub, token, "x", 1),
                         fw_answer(h->hub, token, "{\"result\":{}}", 13)};
            for (size_t i = 0; i < sizeof err / sizeof err[0]; i++) {
                ck_assert_msg(err[i] == FW_ERR_GONE || err[i] == FW_ERR_INVALID,
                              "%" PRIx64 ", call %zu: %s", token, i, fw_err_name(err[i]));
            }
        }
    }
    test_hub_close(h);
}
END_TEST

START_TEST(an_answer_has_a_limit_like_a_message)
{
    char answer[MESSAGE_MAX + 100];
    test_hub *h = hub_with("message.max_bytes", "1000");
    test_hub_start(h);
    int len = snprintf(answer, sizeof answer,
                       "{\"result\":{\"user\":\"u\",\"data\":\"%0*d\"}}", MESSAGE_MAX, 0);
    TOO_BIG(fw_answer(h->hub, 0, answer, (size_t)len),
            "the result's data is over message.max_bytes");
    test_hub_close(h);
}
END_TEST

static const struct {
    const char *name, *option[2], *says;
} paths[] = {
    {"that of WebSocket", {"sse.path", NULL}, "sse.path: /ws: listen has that path, too"},
    {"that of another protocol",
     {"centrifuge.path", "sse.path"},
     "sse.path: /same: centrifuge.path has that path, too"},
};

START_TEST(a_path_has_one_meaning)
{
    fw_hub *hub = NULL;
    fw_options *o = fw_options_new();
    const char *path = paths[_i].option[1] != NULL ? "/same" : "/ws";
    ck_assert_int_eq(fw_options_set(o, "listen", "ws://127.0.0.1:0/ws"), FW_OK);
    for (size_t i = 0; i < 2 && paths[_i].option[i] != NULL; i++) {
        ck_assert_int_eq(fw_options_set(o, paths[_i].option[i], path), FW_OK);
    }
    refused(fw_hub_new(&hub, o), FW_ERR_OPTION, paths[_i].says);
    ck_assert_ptr_null(hub);
    fw_options_free(o);
}
END_TEST

static void on_nothing(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
}

static void on_line(void *user, fw_log_level level, const char *component,
                    const char *message)
{
    (void)user;
    (void)level;
    (void)component;
    (void)message;
}

START_TEST(events_are_inline_or_queued_and_not_both)
{
    fw_event *e;
    test_hub *h = test_hub_new(0);
    test_hub_make(h);
    INVALID(fw_hub_on(h->hub, (fw_event_type)99, on_nothing, NULL), "event type: 99");
    INVALID(fw_hub_on(h->hub, (fw_event_type)0, on_nothing, NULL), "event type: 0");
    INVALID(fw_hub_on(h->hub, FW_EVENT_LOG, on_nothing, NULL), "fw_hub_on_log");
    STATE(fw_hub_event_fd(h->hub), "inline");
    STATE(fw_hub_poll(h->hub, &e, 1, 0), "inline");
    test_hub_start(h);
    STATE(fw_hub_on(h->hub, FW_EVENT_OPEN, on_nothing, NULL), "has been started");
    STATE(fw_hub_on_log(h->hub, on_line, NULL), "has been started");
    STATE(fw_hub_on_metrics(h->hub, NULL, NULL), "has been started");
    STATE(fw_session_attach(h->hub, NULL, NULL, 0, NULL, REF), "events=queued");
    test_hub_close(h);

    h = test_hub_new(0);
    test_hub_set(h, "events", "queued");
    test_hub_make(h);
    INVALID(fw_hub_on(h->hub, FW_EVENT_OPEN, on_nothing, NULL), "must be NULL");
    ck_assert_int_eq(fw_hub_on(h->hub, FW_EVENT_DELIVER, NULL, NULL), FW_OK);
    test_hub_start(h);
    INVALID(fw_hub_poll(h->hub, NULL, 1, 0), "no room for events");
    INVALID(fw_hub_poll(h->hub, &e, 0, 0), "no room for events");
    INVALID(fw_session_attach(h->hub, NULL, NULL, 0, NULL, 0), "ref: 0");
    INVALID(fw_session_attach(h->hub, NULL, NULL, 0, NULL, own_ref), "2^63");
    INVALID(fw_session_attach(h->hub, "", NULL, 0, NULL, REF), "user name: ");
    INVALID(fw_session_attach(h->hub, NULL, "GET / HTTP/1.1\r\n", 16, NULL, REF),
            "head: it doesn't end");
    INVALID(fw_session_attach(h->hub, NULL, "\r\n\x16", 3, NULL, REF), "head: ");
    INVALID(fw_session_feed(h->hub, fw_session_none(), "\xff", 1, FW_TEXT), "UTF-8");
    INVALID(fw_session_feed_close(h->hub, fw_session_none(), 1004, NULL), "1004");
    test_hub_close(h);
}
END_TEST

START_TEST(what_is_not_running_says_so)
{
    double value;
    char *text;
    test_hub *h = test_hub_new(0);
    test_hub_make(h);
    refused(fw_stats_get(h->hub, "fanwire_sessions", &value), FW_ERR_CLOSED, "running");
    refused(fw_stats_text(h->hub, &text), FW_ERR_CLOSED, "running");
    refused(fw_hub_listener_fd(h->hub, 0), FW_ERR_CLOSED, "running");
    STATE(fw_hub_listener_release(h->hub), "running");
    STATE(fw_hub_reload(h->hub, h->options), "running");
    STATE(fw_hub_stop(h->hub), "never been started");
    INVALID(fw_hub_listener_take(h->hub, STDERR_FILENO), "no stream socket that listens");
    test_hub_start(h);
    STATE(fw_hub_start(h->hub), "started before");
    INVALID(fw_stats_get(h->hub, "fanwire_wishes", &value), "no such figure: fanwire_w");
    INVALID(fw_hub_listener_fd(h->hub, 9), "there are 1 listeners");
    INVALID(fw_hub_reload(h->hub, NULL), "there are no options");
    int fd = fw_hub_listener_fd(h->hub, 0);
    ck_assert_int_ge(fd, 0);
    STATE(fw_hub_listener_take(h->hub, fd),
          "has been started"); /* takes fd all the same */
    ck_assert_int_eq(fw_hub_listener_release(h->hub), FW_OK);
    refused(fw_hub_listener_fd(h->hub, 0), FW_ERR_CLOSED, "listens no more");
    test_hub_close(h);
}
END_TEST

START_TEST(an_emitter_and_a_token_need_what_they_are_made_of)
{
    char token[16];
    fw_emitter *e = NULL;
    fw_options *o = fw_options_new();
    refused(fw_emitter_new(&e, NULL), FW_ERR_OPTION, "redis.url: an emitter needs it");
    refused(fw_emitter_new(&e, o), FW_ERR_OPTION, "redis.url: an emitter needs it");
    ck_assert_int_eq(fw_options_set(o, "redis.url", "redis://127.0.0.1:1"), FW_OK);
    ck_assert_int_eq(fw_emitter_new(&e, o), FW_OK);
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    INVALID(fw_emitter_publish(e, "", m, 1), "room name: ");
    INVALID(fw_emitter_send_user(e, NULL, m, 1), "user name: is NULL");
    INVALID(fw_emitter_disconnect_user(e, "u", 1005, NULL, 1), "close code 1005");
    INVALID(fw_emitter_disconnect_user(e, "", 1000, NULL, 1), "user name: ");
    fw_message_unref(m);
    fw_emitter_free(e);
    fw_options_free(o);

    INVALID(fw_token_sign(NULL, "k", NULL, token, sizeof token), "must not be NULL");
    INVALID(fw_token_sign("{}", "k", "\xff", token, sizeof token), "kid: not UTF-8");
    INVALID(fw_token_sign("{}", "k", NULL, token, sizeof token), "32 bytes or more");
    INVALID(fw_options_load_env(NULL), "options must not be NULL");
    TOO_BIG(fw_token_sign("{\"sub\":\"a\"}", "a key of more than thirty-two bytes, long",
                          NULL, token, sizeof token),
            "and there is room for 16");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refusals");
    test_add(s, a_payload_is_refused_wherever_it_is_sent_to, 0, 1);
    test_add(s, a_message_that_has_been_sent_stays_as_it_is, 0, 1);
    test_add(s, a_name_is_refused_wherever_it_is_named, 0, 1);
    test_add(s, a_question_needs_a_number_and_bounds, 0, 1);
    test_add(s, a_session_is_closed_as_the_protocol_allows, 0, 1);
    test_add(s, what_a_session_shows_of_itself_has_a_limit, 0, 1);
    test_add(s, no_token_is_no_question, 0, 1);
    test_add(s, a_number_that_is_no_token_answers_nothing, 0, 1);
    test_add(s, an_answer_has_a_limit_like_a_message, 0, 1);
    test_add(s, a_path_has_one_meaning, 0, (int)(sizeof paths / sizeof paths[0]));
    test_add(s, events_are_inline_or_queued_and_not_both, 0, 1);
    test_add(s, what_is_not_running_says_so, 0, 1);
    test_add(s, an_emitter_and_a_token_need_what_they_are_made_of, 0, 1);
    return test_main(s, false);
}
