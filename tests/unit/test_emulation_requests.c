/*
 * The requests by which clients without WebSocket speak: which status each gets.
 */
#include "unit/emulation_rig.h"

#include "http/emulate.h"

static int status;

static void on_answer(fwi_http_call *call, const fwi_http_reply *reply)
{
    (void)call;
    ck_assert_int_eq(status, 0);
    ck_assert(reply->status == 204 || reply->len > 0);
    status = reply->status;
}

/* What the transport does with such a request; the status of its answer. */
static int ask(const char *body)
{
    char head[200];
    size_t used = 0;
    fwi_http_request *r = fwi_http_request_new();
    fwi_http_call call = {.request = r, .answer = on_answer, .address = "192.0.2.1"};
    fake_loop_turn(rig.loop[0]); /* this is its thread now */
    snprintf(head, sizeof head,
             "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    status = 0;
    if (fwi_http_request_feed(r, head, strlen(head), FWI_HTTP_ASK, &used) ==
        FWI_HTTP_HEAD) {
        size_t max = fwi_emulate_service.on_head(&rig.hub, &call);
        if (status == 0 && !fwi_http_request_allow_body(r, max)) {
            fwi_emulate_service.on_limit(&rig.hub, FWI_HTTP_TOO_LARGE);
            status = fwi_http_request_status(r);
        } else if (status == 0) {
            ck_assert_int_eq(fwi_http_request_feed(r, body, strlen(body), 0, &used),
                             FWI_HTTP_DONE);
        }
    }
    if (status == 0) {
        fwi_emulate_service.on_request(&rig.hub, &call);
    }
    fwi_http_request_free(r);
    core_rig_settle(&rig);
    return status;
}

/* S stands for the session, N for its node. */
static const struct {
    const char *name, *body;
    int status;
} requests[] = {
    {"empty", "", 400},
    {"no JSON", "x", 400},
    {"no object", "[]", 400},
    {"nothing in it", "{}", 400},
    {"a number", "{'session':1,'node':'N','data':''}", 400},
    {"no data", "{'session':'S','node':'N'}", 400},
    {"data that is no text", "{'session':'S','node':'N','data':{}}", 400},
    {"two objects", "{'session':'S','node':'N','data':'{}'}{}", 400},
    {"a short session", "{'session':'a','node':'N','data':'{}'}", 400},
    {"a NUL behind the session", "{'session':'S\\u0000','node':'N','data':'{}'}", 400},
    {"no node", "{'session':'S','node':'','data':'{}'}", 400},
    {"node 0", "{'session':'S','node':'0000000000000000','data':'{}'}", 400},
    {"another node", "{'session':'S','node':'0000000000000008','data':'{}'}", 404},
    {"all there is", "{'data':'{}','more':1,'node':'N','session':'S'}", 204},
};

/* With quotes, session and node put in. */
static void fill_in(const char *form, char out[HEARD_MAX])
{
    size_t n = 0;
    for (; *form != '\0'; form++) {
        char one[2] = {*form == '\'' ? '"' : *form, '\0'};
        n += (size_t)snprintf(out + n, HEARD_MAX - n, "%s",
                              *form == 'S'   ? session
                              : *form == 'N' ? node
                                             : one);
    }
    out[n] = '\0';
}

START_TEST(a_request_has_this_status)
{
    char body[HEARD_MAX];
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[1], 0);
    fill_in(requests[_i].body, body);
    int got = ask(body);
    ck_assert_msg(got == requests[_i].status, "%s: %d", requests[_i].name, got);
    bool taken = got == 204;
    ck_assert_uint_eq(fwi_stat_get(&rig.hub.outside, FWI_STAT_EMULATED), taken);
    ck_assert_uint_eq(fwi_stat_get(&rig.hub.outside, FWI_STAT_EMULATION_REFUSED), !taken);
    is_told_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_request_may_say_as_much_as_a_message_may)
{
    char data[2100], body[HEARD_MAX], form[HEARD_MAX];
    core_rig_init(&rig, 1, "client.insecure", "on", "message.max_bytes", "1KiB", NULL);
    fwi_conn *c = come(kinds[1], 0);
    for (int over = 0; over < 2; over++) {
        /* A ping, and blanks; and quotes, which are two bytes each. */
        snprintf(data, sizeof data, "{\\\"id\\\":2,\\\"ping\\\":{}}%*s", 1024 - 18 + over,
                 "");
        snprintf(form, sizeof form, "{'session':'S','node':'N','data':'");
        fill_in(form, body);
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s\"}", data);
        ck_assert_int_eq(ask(body), over ? 413 : 204);
    }
    is_told(c, "{\"id\":2,\"ping\":{}}");
    memset(body, 'x', 4000);
    body[4000] = '\0';
    ck_assert_int_eq(ask(body), 413);
    ck_assert_uint_eq(fwi_stat_get(&rig.hub.outside, FWI_STAT_LIMIT_MESSAGE), 2);
    is_told_nothing(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_address_may_ask_so_often_and_no_more)
{
    char body[HEARD_MAX];
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.emulation_rate_per_address",
                  "2", NULL);
    fwi_conn *c = come(kinds[1], 0);
    fill_in("{'session':'S','node':'N','data':'{}'}", body);
    ck_assert_int_eq(ask(body), 204);
    ck_assert_int_eq(ask("x"), 400);
    ck_assert_int_eq(ask(body), 429);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_EMULATION), 1);
    core_rig_advance(&rig, 600);
    ck_assert_int_eq(ask(body), 204);
    ck_assert_int_eq(ask(body), 429);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("requests of clients without WebSocket");
    TCase *tc = tcase_create("status");
    tcase_add_loop_test(tc, a_request_has_this_status, 0, FWI_ARRAY_LEN(requests));
    tcase_add_test(tc, a_request_may_say_as_much_as_a_message_may);
    tcase_add_test(tc, an_address_may_ask_so_often_and_no_more);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
