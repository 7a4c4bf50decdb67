/*
 * The pages of http.listen: status, head and body for each path and method. That other
 * paths are nobody's is test_site.c's.
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
    char method[16], path[64];
    fwi_buf out;
    fwi_page p;
    ck_assert_int_eq(sscanf(request_line, "%15s %63[^?]", method, path), 2);
    ck_assert(fwi_page_of_figures(f, method, path, &p));
    fwi_buf_init(&out);
    ck_assert(
        fwi_http_answer(&out, p.status, p.type, p.body.data, p.body.len, true, p.extra));
    fwi_buf_fini(&p.body);
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
    {"wrong method", "DELETE /health", "405", "GET and HEAD", .redis = false},
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
