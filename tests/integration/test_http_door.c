/*
 * Requests on a door for HTTP alone: kept connections, requests behind each other,
 * answers that come later, bodies, and who is too slow or one too many.
 */
#include "transport_rig.h"

/* --- a service that says what was asked, at once or when it is told to --- */

typedef struct service {
    bool later; /* answers wait for answer_all */
    fwi_http_call *waiting[16];
    unsigned n;
    atomic_int heads, requests, gone, answered;
    atomic_int limits[3];
    size_t body_max;
} service;

static service S;

/* "METHOD PATH:BODY" */
static void say(fwi_http_call *call)
{
    size_t len = 0;
    const char *body = fwi_http_request_body(call->request, &len);
    fwi_buf text;
    fwi_buf_init(&text);
    fwi_buf_printf(&text, "%s %s:", fwi_http_request_method(call->request),
                   fwi_http_request_path(call->request));
    fwi_buf_append(&text, body, len);
    call->answer(call, &(fwi_http_reply){.status = 200,
                                         .type = "text/plain",
                                         .body = text.data,
                                         .len = text.len});
    fwi_buf_fini(&text);
    atomic_fetch_add(&S.answered, 1);
}

static size_t on_head(void *user, fwi_http_call *call)
{
    (void)user;
    atomic_fetch_add(&S.heads, 1);
    if (strcmp(fwi_http_request_path(call->request), "/no") == 0) {
        call->answer(call, &(fwi_http_reply){.status = 401});
        return 0;
    }
    return S.body_max;
}

static void on_request(void *user, fwi_http_call *call)
{
    (void)user;
    atomic_fetch_add(&S.requests, 1);
    if (S.later) {
        call->state = &S;
        S.waiting[S.n++] = call;
    } else {
        say(call);
    }
}

static void on_gone(void *user, fwi_http_call *call)
{
    (void)user;
    for (unsigned i = 0; i < S.n; i++) {
        if (S.waiting[i] == call) {
            S.waiting[i] = S.waiting[--S.n];
        }
    }
    atomic_fetch_add(&S.gone, 1);
}

static void on_limit(void *user, fwi_http_limit which)
{
    (void)user;
    atomic_fetch_add(&S.limits[which], 1);
}

static const fwi_http_service ops = {on_head, on_request, on_gone, on_limit};

static void answer_one(rig *r)
{
    (void)r;
    FWI_ASSERT(S.n > 0);
    fwi_http_call *call = S.waiting[0];
    S.waiting[0] = S.waiting[--S.n];
    say(call);
}

static void begin(void)
{
    memset(&S, 0, sizeof S);
    S.body_max = 1 << 20;
    rig_prepare();
    R.door.path = NULL;
    R.door.service = &ops;
}

/* Reads one answer: its status; the body, as long as the head says, into out. */
static int next_answer(client *c, char *out, size_t cap)
{
    char head[1024];
    int status = 0;
    client_recv_head(c, head, sizeof head);
    ck_assert_int_eq(sscanf(head, "HTTP/1.1 %d ", &status), 1);
    const char *length = strstr(head, "Content-Length: ");
    size_t n = length != NULL ? (size_t)atoi(length + 16) : 0;
    ck_assert_uint_lt(n, cap);
    client_recv_all(c, out, n);
    out[n] = '\0';
    return status;
}

static void expect(client *c, const char *body)
{
    char text[4096];
    ck_assert_int_eq(next_answer(c, text, sizeof text), 200);
    ck_assert_str_eq(text, body);
}

static void expect_end(client *c)
{
    char byte;
    ck_assert_int_eq(client_recv(c, &byte, 1), 0);
}

static void send_text(client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define CHUNKED(path)                                                                    \
    "POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* --- one connection, many requests --- */

START_TEST(a_connection_serves_one_request_after_another)
{
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1"));
    expect(&c, "GET /1:");
    send_text(&c, "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    expect(&c, "POST /2:hello");
    send_text(&c, CHUNKED("/3") "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    expect(&c, "POST /3:hello");
    send_text(&c, "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(&c, "GET /4:");
    expect_end(&c);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(requests_sent_ahead_are_answered_in_their_order)
{
    enum { MANY = 300 };
    char want[32];
    begin();
    S.later = _i == 1;
    rig_start();
    client c = client_open(0);
    fwi_buf all;
    fwi_buf_init(&all);
    for (int i = 0; i < MANY; i++) {
        fwi_buf_printf(&all,
                       "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d", i,
                       i % 10);
    }
    client_send(&c, all.data, all.len);
    fwi_buf_fini(&all);
    for (int i = 0; i < MANY; i++) {
        if (S.later) {
            wait_for(&S.requests, i + 1, "requests");
            rig_do(answer_one);
        }
        snprintf(want, sizeof want, "POST /%d:%d", i, i % 10);
        expect(&c, want);
    }
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(the_next_request_waits_for_the_answer_to_the_one_before)
{
    begin();
    S.later = true;
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1") GET("/2"));
    wait_for(&S.requests, 1, "requests");
    send_text(&c, GET("/3"));
    rig_do(answer_one);
    expect(&c, "GET /1:");
    wait_for(&S.requests, 2, "requests");
    ck_assert_int_eq(atomic_load(&S.answered), 1);
    rig_do(answer_one);
    expect(&c, "GET /2:");
    wait_for(&S.requests, 3, "requests");
    rig_do(answer_one);
    expect(&c, "GET /3:");
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(http_1_0_ends_unless_it_asks_to_be_kept)
{
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(&c, "GET /1:");
    send_text(&c, "GET /2 HTTP/1.0\r\n\r\n");
    expect(&c, "GET /2:");
    expect_end(&c);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(head_has_the_length_of_get_and_no_body)
{
    char head[1024];
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" GET("/y"));
    client_recv_head(&c, head, sizeof head);
    ck_assert_ptr_nonnull(strstr(head, "Content-Length: 8\r\n"));
    expect(&c, "GET /y:");
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(who_waits_for_a_100_gets_it)
{
    char head[1024];
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    client_recv_head(&c, head, sizeof head);
    ck_assert_str_eq(head, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(&c, "ok");
    expect(&c, "POST /1:ok");
    client_close(&c);
    rig_stop();
}
END_TEST

/* --- refusals --- */

START_TEST(who_is_refused_by_the_head_isn_t_read_any_further)
{
    char text[1024];
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxyz");
    ck_assert_int_eq(next_answer(&c, text, sizeof text), 401);
    expect_end(&c);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&S.requests), 0);
    rig_stop();
}
END_TEST

START_TEST(a_body_over_its_limit_is_413_and_the_end)
{
    static const char *const requests[] = {
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
        CHUNKED("/1") "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
        CHUNKED("/1") "b\r\n",
    };
    char text[1024];
    begin();
    S.body_max = 10;
    rig_start();
    client c = client_open(0);
    send_text(&c, requests[_i]);
    ck_assert_int_eq(next_answer(&c, text, sizeof text), 413);
    expect_end(&c);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&S.limits[FWI_HTTP_TOO_LARGE]), 1);
    ck_assert_int_eq(atomic_load(&S.requests), 0);
    rig_stop();
}
END_TEST

START_TEST(a_bad_request_behind_a_good_one_is_refused_and_ends)
{
    char text[1024];
    begin();
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1") "NONSENSE\r\n\r\n" GET("/2"));
    expect(&c, "GET /1:");
    ck_assert_int_eq(next_answer(&c, text, sizeof text), 400);
    expect_end(&c);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&S.requests), 1);
    rig_stop();
}
END_TEST

START_TEST(who_leaves_before_the_answer_is_gone_for_the_service)
{
    begin();
    S.later = true;
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1"));
    wait_for(&S.requests, 1, "requests");
    client_reset(&c);
    wait_for(&S.gone, 1, "gone");
    rig_stop();
    ck_assert_int_eq(atomic_load(&S.gone), 1);
}
END_TEST

START_TEST(an_end_while_somebody_waits_tells_the_service)
{
    begin();
    S.later = true;
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1"));
    wait_for(&S.requests, 1, "requests");
    rig_stop();
    ck_assert_int_eq(atomic_load(&S.gone), 1);
    client_close(&c);
}
END_TEST

/* --- too slow, too many --- */

START_TEST(a_request_that_takes_too_long_is_408)
{
    static const char *const halves[] = {
        "GET /1 HT", "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
        CHUNKED("/1") "5\r\nhel"};
    char text[1024];
    begin();
    R.config.request_timeout_ms = 500;
    rig_start();
    client c = client_open(0);
    if (_i >= 3) { /* not the connection's first */
        send_text(&c, GET("/0"));
        expect(&c, "GET /0:");
    }
    send_text(&c, halves[_i % 3]);
    ck_assert_int_eq(next_answer(&c, text, sizeof text), 408);
    expect_end(&c);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&S.limits[FWI_HTTP_TOO_SLOW]), 1);
    rig_stop();
}
END_TEST

START_TEST(an_idle_connection_is_closed_without_a_word)
{
    begin();
    R.config.idle_timeout_ms = 100;
    rig_start();
    client c = client_open(0);
    send_text(&c, GET("/1"));
    expect(&c, "GET /1:");
    expect_end(&c);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&R.shard.http_errors), 0);
    rig_stop();
}
END_TEST

START_TEST(one_connection_too_many_is_503)
{
    char text[1024];
    begin();
    R.config.http_max = 2;
    rig_start();
    client a = client_open(0), b = client_open(0);
    send_text(&a, GET("/1"));
    expect(&a, "GET /1:");
    send_text(&b, GET("/1"));
    expect(&b, "GET /1:");
    client c = client_open(0);
    ck_assert_int_eq(next_answer(&c, text, sizeof text), 503);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&S.limits[FWI_HTTP_TOO_MANY]), 1);
    client_close(&b);
    do { /* until it is noticed over there */
        c = client_open(0);
        send_text(&c, GET("/2"));
        _i = next_answer(&c, text, sizeof text);
        client_close(&c);
    } while (_i == 503);
    ck_assert_str_eq(text, "GET /2:");
    client_close(&a);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http door");
    TCase *tc = tcase_create("http door");
    suite_add_tcase(s, tc);
    tcase_add_test(tc, a_connection_serves_one_request_after_another);
    tcase_add_loop_test(tc, requests_sent_ahead_are_answered_in_their_order, 0, 2);
    tcase_add_test(tc, the_next_request_waits_for_the_answer_to_the_one_before);
    tcase_add_test(tc, http_1_0_ends_unless_it_asks_to_be_kept);
    tcase_add_test(tc, head_has_the_length_of_get_and_no_body);
    tcase_add_test(tc, who_waits_for_a_100_gets_it);
    tcase_add_test(tc, who_is_refused_by_the_head_isn_t_read_any_further);
    tcase_add_loop_test(tc, a_body_over_its_limit_is_413_and_the_end, 0, 3);
    tcase_add_test(tc, a_bad_request_behind_a_good_one_is_refused_and_ends);
    tcase_add_test(tc, who_leaves_before_the_answer_is_gone_for_the_service);
    tcase_add_test(tc, an_end_while_somebody_waits_tells_the_service);
    tcase_add_loop_test(tc, a_request_that_takes_too_long_is_408, 0, 6);
    tcase_add_test(tc, an_idle_connection_is_closed_without_a_word);
    tcase_add_test(tc, one_connection_too_many_is_503);
    return rig_main(s);
}
