/*
 * What http.listen serves: which path is whose.
 */
#include "api_rig.h"

static void take_figures(void *user, fwi_hub_figures *out)
{
    (void)user;
    *out = (fwi_hub_figures){.node_name = "n", .version = "1", .backplane = "memory"};
}

static const struct {
    const char *target, *body;
    int status;
} requests[] = {
    {"GET /health", NULL, 200},    {"GET /ready?x", NULL, 200},
    {"HEAD /metrics", NULL, 200},  {"DELETE /health", NULL, 405},
    {"GET /", NULL, 404},          {"GET /healthy", NULL, 404},
    {"GET /health/", NULL, 404},   {"POST /nothing", "x", 404},
    {"POST /api/info", "{}", 200}, {"POST /apix", "{}", 404},
};

START_TEST(each_path_has_its_page)
{
    api_begin(1, "api.timeout", "5s");
    site.take_figures = take_figures;
    api_send(&last, requests[_i].target, GOOD_KEY, requests[_i].body);
    core_rig_settle(&rig);
    ck_assert_msg(last.answers == 1 && last.status == requests[_i].status, "%s: %d",
                  requests[_i].target, last.status);
    api_end();
}
END_TEST

START_TEST(a_page_takes_no_body)
{
    static const char head[] =
        "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
    size_t used;
    api_begin(1, "api.timeout", "5s");
    fwi_http_call call = {.request = fwi_http_request_new()};
    fwi_http_request *r = (fwi_http_request *)(uintptr_t)call.request;
    ck_assert(fwi_http_request_feed(r, head, sizeof head - 1, FWI_HTTP_ASK, &used) ==
              FWI_HTTP_HEAD);
    ck_assert_uint_eq(fwi_site_service.on_head(&site, &call), 0);
    fwi_http_request_free(r);
    api_end();
}
END_TEST

START_TEST(a_body_of_the_api_is_as_large_as_its_option_says)
{
    static const char head[] =
        "POST /api/info HTTP/1.1\r\nHost: x\r\n" GOOD_KEY "Content-Length: 1\r\n\r\n";
    size_t used;
    api_begin(1, "api.max_bytes", "12345");
    fwi_http_request *r = fwi_http_request_new();
    fwi_http_call call = {.request = r};
    fwi_http_request_feed(r, head, sizeof head - 1, FWI_HTTP_ASK, &used);
    ck_assert_uint_eq(fwi_site_service.on_head(&site, &call), 12345);
    fwi_http_request_free(r);
    api_end();
}
END_TEST

START_TEST(each_limit_of_the_door_has_its_metric)
{
    static const fwi_stat stats[] = {[FWI_HTTP_TOO_MANY] =
                                         FWI_STAT_LIMIT_HTTP_CONNECTIONS,
                                     [FWI_HTTP_TOO_LARGE] = FWI_STAT_LIMIT_HTTP_BODY,
                                     [FWI_HTTP_TOO_SLOW] = FWI_STAT_LIMIT_HTTP_REQUEST};
    api_begin(1, "api.timeout", "5s");
    for (size_t i = 0; i < FWI_ARRAY_LEN(stats); i++) {
        fwi_site_service.on_limit(&site, (fwi_http_limit)i);
        ck_assert_uint_eq(core_rig_stat(&rig, stats[i]), 1);
    }
    api_end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("site");
    TCase *tc = tcase_create("site");
    suite_add_tcase(s, tc);
    tcase_add_loop_test(tc, each_path_has_its_page, 0, FWI_ARRAY_LEN(requests));
    tcase_add_test(tc, a_page_takes_no_body);
    tcase_add_test(tc, a_body_of_the_api_is_as_large_as_its_option_says);
    tcase_add_test(tc, each_limit_of_the_door_has_its_metric);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
