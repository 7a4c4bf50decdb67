/*
 * Raw clients with tokens, over sockets: in the query or the header, in rooms mode and
 * for the application's handlers.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/hub_fixture.h"

static const char secret[] = "a secret that the hub and the back end share";

static void make_token(const char *claims, char out[1024])
{
    ck_assert_msg(fw_token_sign(claims, secret, NULL, out, 1024) == FW_OK, "%s",
                  fw_error_detail());
}

static test_hub *hub_with_key(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "token.hmac_secret", secret);
    return h;
}

static ws_client *start_with(test_hub *h, const char *query, const char *headers)
{
    const ws_client_options options = {.query = query, .headers = headers};
    return ws_client_start(test_hub_url(h), &options);
}

static void expect_refused(ws_client *c, const char *says)
{
    ck_assert_int_eq(ws_client_answer(c), 401);
    const char *text = ws_client_answer_text(c);
    ck_assert_msg(strstr(text, says) != NULL, "%s", text);
    ck_assert_msg(strstr(text, "WWW-Authenticate: Bearer\r\n") != NULL, "%s", text);
    ws_client_free(c);
}

START_TEST(a_token_in_the_query_or_the_header_says_whose_session_it_is)
{
    char token[1024], query[1200], headers[1200];
    test_hub *h = hub_with_key(_i);
    test_hub_set(h, "raw.mode", "rooms");
    test_hub_start(h);
    make_token("{\"sub\":\"ann\"}", token);
    snprintf(query, sizeof query, "room=r&user=bob&token=%s", token);
    ws_client *a = start_with(h, query, NULL);
    ck_assert_int_eq(ws_client_answer(a), 101);
    ck_assert_str_eq(test_hub_wait(h, FW_EVENT_OPEN, fw_session_none())->user, "ann");
    snprintf(headers, sizeof headers, "Authorization: beaRer  %s\r\n", token);
    ws_client *b = start_with(h, "room=r", headers);
    ck_assert_int_eq(ws_client_answer(b), 101);
    ck_assert_str_eq(test_hub_wait(h, FW_EVENT_OPEN, fw_session_none())->user, "ann");
    test_hub_wait_stat_is(h, "fanwire_room_members", 2);
    ck_assert_int_eq(fw_user_send(h->hub, "ann", "to ann", 6, FW_TEXT), FW_OK);
    ws_client_expect_text(a, "to ann");
    ws_client_expect_text(b, "to ann");
    ws_client_free(a);
    ws_client_free(b);
    test_hub_close(h);
}
END_TEST

START_TEST(who_has_no_good_token_gets_401_and_a_sentence)
{
    char token[1024], query[1200], claims[128];
    test_hub *h = hub_with_key(_i);
    test_hub_set(h, "raw.mode", "rooms");
    test_hub_start(h);
    expect_refused(start_with(h, "room=r&user=ann", NULL), "a token is needed");
    expect_refused(start_with(h, "room=r", "Authorization: Basic YTpi\r\n"),
                   "a token is needed");
    expect_refused(start_with(h, "room=r", "Authorization: Bearer \r\n"),
                   "a token is needed");
    expect_refused(start_with(h, "room=r&token=x", NULL), "three parts");
    expect_refused(start_with(h, "room=r", "Authorization: Bearer x y\r\n"),
                   "three parts");
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":%lld}",
             (long long)time(NULL) - 1);
    make_token(claims, token);
    snprintf(query, sizeof query, "room=r&token=%s", token);
    expect_refused(start_with(h, query, NULL), "the token has expired");
    ck_assert_double_eq(
        test_hub_stat(h, "fanwire_tokens_refused_total{reason=\"missing\"}"), 3);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_tokens_refused_total{reason=\"bad\"}"),
                        2);
    ck_assert_double_eq(
        test_hub_stat(h, "fanwire_tokens_refused_total{reason=\"expired\"}"), 1);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_refused_total"), 6);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_OPEN), 0);
    test_hub_close(h);
}
END_TEST

/* Does what the query says: takes the client for somebody else, or for whom it is. */
static void decide(fw_hub *hub, fw_event *e, void *user)
{
    fw_accept(hub, fw_event_token(e), fw_event_query(e, "as", 0));
    test_hub_record(hub, e, user);
}

START_TEST(a_handler_sees_the_token_s_user_and_may_say_another)
{
    static const struct {
        const char *more, *is;
    } cases[] = {{"", "ann"}, {"&as=bob", "bob"}};
    char token[1024], query[1200];
    test_hub *h = hub_with_key(_i);
    test_hub_on(h, FW_EVENT_CONNECT, decide, h);
    test_hub_start(h);
    make_token("{\"sub\":\"ann\"}", token);
    for (size_t i = 0; i < 2; i++) {
        snprintf(query, sizeof query, "token=%s%s", token, cases[i].more);
        ws_client *c = start_with(h, query, NULL);
        ck_assert_int_eq(ws_client_answer(c), 101);
        ck_assert_str_eq(test_hub_wait(h, FW_EVENT_CONNECT, fw_session_none())->user,
                         "ann");
        ck_assert_str_eq(test_hub_wait(h, FW_EVENT_OPEN, fw_session_none())->user,
                         cases[i].is);
        ws_client_free(c);
    }
    /* Who has none isn't asked about. */
    expect_refused(start_with(h, "as=bob", NULL), "a token is needed");
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_CONNECT), 2);
    test_hub_close(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokens");
    test_add(s, a_token_in_the_query_or_the_header_says_whose_session_it_is, 0,
             HUB_KINDS);
    test_add(s, who_has_no_good_token_gets_401_and_a_sentence, 0, 2);
    test_add(s, a_handler_sees_the_token_s_user_and_may_say_another, 0, 2);
    return test_main(s, true);
}
