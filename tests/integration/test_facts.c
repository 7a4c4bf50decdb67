/*
 * What a handler learns of a session's handshake: path, query, headers, addresses behind
 * trusted and other proxies, scheme; the same facts with every event of the session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

/* What is asked for of an event; "header:x" and "query:x" are such, others facts. */
typedef struct question {
    const char *what, *want; /* want NULL: absent */
} question;

typedef struct asker {
    test_hub *hub;
    fw_event_type when;
    const question *questions;
    size_t n;
    char wrong[1024]; /* the first answer that wasn't as wanted */
    unsigned asked;
} asker;

static const char *answer_of(const fw_event *e, const char *what)
{
    if (strncmp(what, "header:", 7) == 0) {
        return fw_event_header(e, what + 7);
    }
    if (strncmp(what, "query:", 6) == 0) {
        const char *second = strchr(what, '#');
        if (second) {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)(second - what - 6), what + 6);
            return fw_event_query(e, name, (size_t)atoi(second + 1));
        }
        return fw_event_query(e, what + 6, 0);
    }
    return fw_event_fact(e, what);
}

static void ask(fw_hub *hub, fw_event *e, void *user)
{
    asker *a = user;
    for (size_t i = 0; i < a->n && a->wrong[0] == 0; i++) {
        const question *q = &a->questions[i];
        const char *got = answer_of(e, q->what);
        bool same = got && q->want ? strcmp(got, q->want) == 0 : got == q->want;
        if (!same) {
            snprintf(a->wrong, sizeof a->wrong, "%s: %s is \"%s\", not \"%s\"",
                     fw_event_type_name(fw_event_kind(e)), q->what, got ? got : "NULL",
                     q->want ? q->want : "NULL");
        }
    }
    a->asked++;
    if (fw_event_kind(e) == FW_EVENT_CONNECT) {
        fw_accept(hub, fw_event_token(e), NULL);
    }
    test_hub_record(hub, e, a->hub);
}

/* Opens a client so and asks at CONNECT, OPEN, MESSAGE and CLOSE. */
static void check_facts(test_hub *h, const ws_client_options *o,
                        const question *questions, size_t n)
{
    static const fw_event_type types[] = {FW_EVENT_CONNECT, FW_EVENT_OPEN,
                                          FW_EVENT_MESSAGE, FW_EVENT_CLOSE};
    asker askers[4];
    for (int i = 0; i < 4; i++) {
        askers[i] = (asker){.hub = h, .when = types[i], .questions = questions, .n = n};
        test_hub_on(h, types[i], ask, &askers[i]);
    }
    test_hub_start(h);
    ws_client *c = ws_client_open_with(test_hub_url(h), o);
    ws_client_text(c, "hello");
    test_hub_wait(h, FW_EVENT_MESSAGE, fw_session_none());
    ws_client_close(c, 1000, "");
    test_hub_wait(h, FW_EVENT_CLOSE, fw_session_none());
    ws_client_free(c);
    test_hub_close(h);
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(askers[i].wrong[0] == 0, "%s", askers[i].wrong);
        ck_assert_uint_eq(askers[i].asked, 1);
    }
}

#define CHECK_FACTS(h, o, q) check_facts(h, o, q, sizeof(q) / sizeof(q)[0])

START_TEST(path_query_headers_and_addresses_come_with_every_event)
{
    static const question questions[] = {
        {"path", "/ws"},
        {"query", "room=a%20b&room=c+d&bad=%ff&empty=&x=%zz"},
        {"query:room", "a b"},
        {"query:room#1", "c d"},
        {"query:room#2", NULL},
        {"query:empty", ""},
        {"query:bad", NULL},
        {"query:absent", NULL},
        {"header:user-agent", "test/1"},
        {"header:User-Agent", "test/1"},
        {"header:x-twice", "one, two"},
        {"header:absent", NULL},
        {"address", "127.0.0.1"},
        {"scheme", "ws"},
        {"origin", NULL},
        {"protocol", NULL},
        {"no such fact", NULL},
    };
    CHECK_FACTS(test_hub_new((unsigned)_i),
                (&(ws_client_options){
                    .query = "room=a%20b&room=c+d&bad=%ff&empty=&x=%zz",
                    .headers = "User-Agent: test/1\r\nX-Twice: one\r\nx-twice: two\r\n"}),
                questions);
}
END_TEST

START_TEST(without_a_query_the_query_is_empty)
{
    static const question questions[] = {
        {"path", "/ws"}, {"query:room", NULL}, {"host", "example.org:81"}};
    CHECK_FACTS(test_hub_new((unsigned)_i),
                (&(ws_client_options){.host = "example.org:81"}), questions);
}
END_TEST

START_TEST(a_trusted_proxy_names_the_client)
{
    static const struct {
        const char *name, *headers, *trusted, *want;
    } cases[] = {
        {"X-Forwarded-For", "X-Forwarded-For: 203.0.113.9\r\n", "127.0.0.0/8",
         "203.0.113.9"},
        {"X-Real-IP", "X-Real-IP: 203.0.113.8\r\n", "127.0.0.0/8", "203.0.113.8"},
        {"the last that no proxy of ours wrote",
         "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 127.0.0.7\r\n", "127.0.0.0/8",
         "203.0.113.9"},
        {"IPv6", "X-Forwarded-For: 2001:db8::5\r\n", "127.0.0.0/8", "2001:db8::5"},
        {"nonsense", "X-Forwarded-For: me\r\n", "127.0.0.0/8", "127.0.0.1"},
        {"not trusted", "X-Forwarded-For: 203.0.113.9\r\n", "10.0.0.0/8", "127.0.0.1"},
        {"not trusted either", "X-Real-IP: 203.0.113.9\r\n", "10.0.0.0/8", "127.0.0.1"},
        {"nothing said", "", "127.0.0.0/8", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_hub *h = test_hub_new((unsigned)_i);
        test_hub_set(h, "proxy.trusted", cases[i].trusted);
        question questions[] = {{"address", cases[i].want}};
        CHECK_FACTS(h, (&(ws_client_options){.headers = cases[i].headers}), questions);
    }
}
END_TEST

START_TEST(a_session_id_is_text_and_back)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    char text[FW_SESSION_ID_TEXT];
    fw_session_id back;
    ck_assert_uint_eq(strlen(fw_session_id_text(c.id, text)), 32);
    ck_assert_int_eq(fw_session_id_parse(text, &back), FW_OK);
    ck_assert(fw_session_id_equal(back, c.id));
    ck_assert(!fw_session_id_equal(back, fw_session_none()));
    text[3] = 'x';
    ck_assert_int_eq(fw_session_id_parse(text, &back), FW_ERR_INVALID);
    ck_assert_int_eq(fw_session_id_parse("", &back), FW_ERR_INVALID);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(the_node_has_the_name_it_was_given)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "node.name", "berlin-1");
    test_hub_start(h);
    ck_assert_str_eq(fw_hub_node_name(h->hub), "berlin-1");
    ck_assert_uint_ne(fw_hub_node(h->hub), 0);
    test_hub_close(h);
}
END_TEST

static const struct {
    const char *name, *origin, *host, *forwarded, *allowed;
    int want;
} origin_cases[] = {
    {"no Origin header", NULL, "localhost:8080", NULL, "", 101},
    {"same host and port", "http://localhost:8080", "localhost:8080", NULL, "", 101},
    {"same host, the proxy drops the port", "http://localhost:8080", "localhost", NULL,
     "", 101},
    {"same host by X-Forwarded-Host", "http://chat.example", "127.0.0.1", "chat.example",
     "", 101},
    {"another port", "http://localhost:81", "localhost:8080", NULL, "", 403},
    {"another host", "http://evil.example", "localhost:8080", NULL, "", 403},
    {"a host that begins alike", "http://localhost.evil.example", "localhost", NULL, "",
     403},
    {"null", "null", "localhost", NULL, "", 403},
    {"listed", "https://good.example", "localhost", NULL, "https://good.example", 101},
    {"not the one listed", "https://bad.example", "localhost", NULL,
     "https://good.example", 403},
    {"all", "https://whoever.example", "localhost", NULL, "*", 101},
};

START_TEST(a_foreign_origin_is_refused_with_403)
{
    for (size_t i = 0; i < sizeof origin_cases / sizeof origin_cases[0]; i++) {
        test_hub *h = test_hub_new((unsigned)_i);
        if (origin_cases[i].allowed[0]) {
            test_hub_set(h, "origins", origin_cases[i].allowed);
        }
        test_hub_start(h);
        char headers[300] = "";
        int n = 0;
        if (origin_cases[i].origin) {
            n = snprintf(headers, sizeof headers, "Origin: %s\r\n",
                         origin_cases[i].origin);
        }
        if (origin_cases[i].forwarded) {
            snprintf(headers + n, sizeof headers - (size_t)n, "X-Forwarded-Host: %s\r\n",
                     origin_cases[i].forwarded);
        }
        ws_client *c = ws_client_start(
            test_hub_url(h),
            &(ws_client_options){.headers = headers, .host = origin_cases[i].host});
        int status = ws_client_answer(c);
        ck_assert_msg(status == origin_cases[i].want, "%s: %d, not %d",
                      origin_cases[i].name, status, origin_cases[i].want);
        ws_client_free(c);
        test_hub_close(h);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("facts");
    test_add(s, path_query_headers_and_addresses_come_with_every_event, 0, HUB_KINDS);
    test_add(s, without_a_query_the_query_is_empty, 0, HUB_KINDS);
    test_add(s, a_trusted_proxy_names_the_client, 0, 2);
    test_add(s, a_session_id_is_text_and_back, 0, HUB_KINDS);
    test_add(s, the_node_has_the_name_it_was_given, 0, HUB_KINDS);
    test_add(s, a_foreign_origin_is_refused_with_403, 0, 1);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
