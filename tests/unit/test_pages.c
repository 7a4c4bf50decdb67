/*
 * The pages of http.listen: status, head and body for each path and method.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/pages.h"

static fwi_hub_figures memory_node(void)
{
    fwi_hub_figures f = {.node_name = "web-1",
                         .version = "0.1.0",
                         .backplane = "memory",
                         .node = 0xabc,
                         .uptime_us = 61500000,
                         .loops = 2,
                         .loop_lag_s = {0.0015, 2.5}};
    f.sums[FWI_STAT_SESSIONS] = 7;
    f.bp.up = true;
    return f;
}

static fwi_hub_figures redis_node(bool up)
{
    fwi_hub_figures f = memory_node();
    f.backplane = "redis";
    f.bp.up = up;
    f.bp.probe_age_us = 1234567;
    f.bp.queue_dropped = 3;
    return f;
}

/* The whole answer, to be freed. */
static char *answer(const fwi_hub_figures *f, const char *request_line)
{
    char head[256];
    size_t used;
    fwi_buf out;
    fwi_http_request *r = fwi_http_request_new();
    int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: x\r\n\r\n", request_line);
    ck_assert_int_eq(fwi_http_request_feed(r, head, (size_t)n, 0, &used), FWI_HTTP_DONE);
    fwi_buf_init(&out);
    fwi_pages_answer(f, r, &out);
    fwi_http_request_free(r);
    ck_assert_ptr_nonnull(fwi_buf_text(&out));
    return out.data;
}

static const char *body_of(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    return end + 4;
}

static const struct {
    const char *name, *request, *status, *says;
    bool redis, up, draining;
} answers[] = {
    {"health of a memory node", "GET /health", "200", "\"status\":\"ok\"",
     .redis = false},
    {"health while Redis is away", "GET /health", "200", "\"status\":\"degraded\"",
     .redis = true},
    {"health while draining", "GET /health", "200", "\"status\":\"draining\"",
     .draining = true},
    {"ready", "GET /ready", "200", "ready", .redis = true, .up = true},
    {"ready in memory", "GET /ready", "200", "ready", .redis = false},
    {"not ready while draining", "GET /ready", "503", "draining", .draining = true},
    {"not ready while Redis is away", "GET /ready", "503", "redis is away",
     .redis = true},
    {"metrics", "GET /metrics", "200", "fanwire_sessions 7\n", .redis = false},
    {"a query is ignored", "GET /metrics?x=y", "200", "fanwire_sessions 7\n",
     .redis = false},
    {"unknown path", "GET /", "404", "/health, /ready and /metrics", .redis = false},
    {"no prefix of a path", "GET /healthy", "404", "not found", .redis = false},
    {"wrong method", "DELETE /health", "405", "GET and HEAD", .redis = false},
    {"wrong method on unknown path", "DELETE /", "404", "not found", .redis = false},
};

START_TEST(each_request_has_its_answer)
{
    fwi_hub_figures f = answers[_i].redis ? redis_node(answers[_i].up) : memory_node();
    f.draining = answers[_i].draining;
    char *text = answer(&f, answers[_i].request);
    ck_assert_msg(strncmp(text, "HTTP/1.1 ", 9) == 0, "%s", answers[_i].name);
    ck_assert_msg(strncmp(text + 9, answers[_i].status, 3) == 0, "%s: %s",
                  answers[_i].name, text);
    ck_assert_msg(strstr(body_of(text), answers[_i].says) != NULL, "%s: %s",
                  answers[_i].name, text);
    free(text);
}
END_TEST

START_TEST(health_is_json_with_node_backplane_and_probe_age)
{
    fwi_hub_figures f = redis_node(true);
    f.node_name = "a\"b\\c";
    char *text = answer(&f, "GET /health");
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: application/json"));
    ck_assert_str_eq(
        body_of(text),
        "{\"status\":\"ok\",\"node\":\"0000000000000abc\",\"name\":\"a\\\"b\\\\c\","
        "\"version\":\"0.1.0\",\"backplane\":\"redis\",\"redis_up\":true,"
        "\"probe_age_seconds\":1.234,\"sessions\":7,\"uptime_seconds\":61}\n");
    free(text);
}
END_TEST

START_TEST(health_says_that_redis_is_away)
{
    fwi_hub_figures f = redis_node(false);
    char *text = answer(&f, "GET /health");
    ck_assert_ptr_nonnull(strstr(text, "\"redis_up\":false,"));
    free(text);
}
END_TEST

START_TEST(without_redis_its_figures_are_null_or_absent)
{
    fwi_hub_figures f = memory_node();
    char *text = answer(&f, "GET /health");
    ck_assert_ptr_nonnull(strstr(text, "\"redis_up\":null,\"probe_age_seconds\":null"));
    free(text);
    text = answer(&f, "GET /metrics");
    ck_assert_ptr_null(strstr(text, "fanwire_redis"));
    free(text);
}
END_TEST

START_TEST(an_answer_says_that_the_connection_ends_with_it)
{
    fwi_hub_figures f = memory_node();
    char *text = answer(&f, "GET /ready");
    ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
    ck_assert_ptr_null(strstr(text, "keep-alive"));
    free(text);
}
END_TEST

START_TEST(head_has_the_length_and_no_body)
{
    fwi_hub_figures f = memory_node();
    char *get = answer(&f, "GET /ready");
    char *head = answer(&f, "HEAD /ready");
    ck_assert_str_eq(body_of(head), "");
    ck_assert_uint_eq(strlen(head), (size_t)(body_of(get) - get));
    ck_assert_int_eq(strncmp(get, head, strlen(head)), 0);
    ck_assert_ptr_nonnull(strstr(head, "Content-Length: 6\r\n"));
    free(get);
    free(head);
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones)
{
    fwi_hub_figures f = memory_node();
    char *text = answer(&f, "POST /metrics");
    ck_assert_ptr_nonnull(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
    free(text);
}
END_TEST

START_TEST(metrics_have_the_type_that_prometheus_asks_for)
{
    fwi_hub_figures f = memory_node();
    char *text = answer(&f, "GET /metrics");
    ck_assert_ptr_nonnull(
        strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    free(text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pages");
    TCase *tc = tcase_create("pages");
    tcase_add_loop_test(tc, each_request_has_its_answer, 0, FWI_ARRAY_LEN(answers));
    tcase_add_test(tc, health_is_json_with_node_backplane_and_probe_age);
    tcase_add_test(tc, health_says_that_redis_is_away);
    tcase_add_test(tc, without_redis_its_figures_are_null_or_absent);
    tcase_add_test(tc, an_answer_says_that_the_connection_ends_with_it);
    tcase_add_test(tc, head_has_the_length_and_no_body);
    tcase_add_test(tc, a_wrong_method_is_told_the_right_ones);
    tcase_add_test(tc, metrics_have_the_type_that_prometheus_asks_for);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
