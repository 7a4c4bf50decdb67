/*
 * The admin page: who is let in and for how long, and that other sites can't use it.
 */
#include "api_rig.h"
#include "wire/seal.h"

#define JSON     "Content-Type: application/json\r\n"
#define PASSWORD "{\"password\":\"open sesame\"}"

static char cookie[256]; /* as a header, after a login */

static void begin(void)
{
    api_begin(1, "admin.password", "open sesame");
    cookie[0] = '\0';
}

static int post(const char *target, const char *lines, const char *body)
{
    char line[80];
    api_call_fini(&last);
    snprintf(line, sizeof line, "POST %s", target);
    api_send(&last, line, lines, body);
    core_rig_settle(&rig);
    ck_assert_uint_eq(last.answers, 1);
    return last.status;
}

static void log_in(void)
{
    ck_assert_int_eq(post("/admin/login", JSON, PASSWORD), 200);
    const char *value = strstr(last.extra, "Set-Cookie: ");
    ck_assert_ptr_nonnull(value);
    snprintf(cookie, sizeof cookie, JSON "Cookie: x=y; %.*s; z\r\n",
             (int)strcspn(value + 12, ";"), value + 12);
}

START_TEST(without_a_password_of_its_own_there_is_no_page)
{
    api_begin(1, "api.timeout", "5s");
    ck_assert_int_eq(post("/admin/login", JSON, "{\"password\":\"\"}"), 404);
    api_end();
}
END_TEST

START_TEST(the_page_and_its_parts_are_shown_to_everybody)
{
    static const struct {
        const char *target, *type, *holds;
        int status;
    } files[] = {
        {"GET /admin", "text/html; charset=utf-8", "<script src=\"/admin/admin.js\"",
         200},
        {"GET /admin/", "text/html; charset=utf-8", "<!doctype html>", 200},
        {"GET /admin/admin.js", "text/javascript; charset=utf-8", "/admin/api/", 200},
        {"GET /admin/charts.js", "text/javascript; charset=utf-8", "showCharts", 200},
        {"GET /admin/admin.css", "text/css; charset=utf-8", "body {", 200},
        {"GET /admin/embed.cmake", "application/json", "no such page", 404},
        {"GET /admin/../metrics", "application/json", "no such page", 404},
        {"GET /admin/api", "application/json", "no such page", 404},
    };
    begin();
    for (size_t i = 0; i < FWI_ARRAY_LEN(files); i++) {
        api_call_fini(&last);
        api_send(&last, files[i].target, "", NULL);
        ck_assert_msg(last.status == files[i].status, "%s", files[i].target);
        ck_assert_str_eq(last.type, files[i].type);
        ck_assert_ptr_nonnull(strstr(last.body, files[i].holds));
        ck_assert(last.status != 200 ||
                  strstr(last.extra, "default-src 'none'; script-src 'self'") != NULL);
    }
    api_end();
}
END_TEST

START_TEST(a_login_gives_a_cookie_by_which_methods_are_called)
{
    begin();
    ck_assert_int_eq(post("/admin/api/info", JSON, "{}"), 401);
    log_in();
    ck_assert_ptr_nonnull(strstr(last.extra, "; Path=/admin; Max-Age=43200; HttpOnly; "
                                             "SameSite=Strict\r\n"));
    ck_assert_int_eq(post("/admin/api/info", cookie, "{}"), 200);
    ck_assert_ptr_nonnull(strstr(last.body, "{\"result\":{\"nodes\":["));
    ck_assert_int_eq(post("/admin/api/nothing", cookie, "{}"), 404);
    ck_assert_int_eq(post("/admin/api/publish", cookie, "{"), 400);
    ck_assert_int_eq(post("/api/info", cookie, "{}"), 401); /* that has other keys */
    ck_assert_int_eq(post("/admin/logout", cookie, NULL), 200);
    ck_assert_ptr_nonnull(strstr(last.extra, "fanwire_admin=; Path=/admin; Max-Age=0;"));
    api_end();
}
END_TEST

START_TEST(a_login_ends_after_twelve_hours)
{
    begin();
    log_in();
    core_rig_advance(&rig, 12 * 3600 * 1000 - 1000);
    ck_assert_int_eq(post("/admin/api/info", cookie, "{}"), 200);
    core_rig_advance(&rig, 2000);
    ck_assert_int_eq(post("/admin/api/info", cookie, "{}"), 401);
    api_end();
}
END_TEST

START_TEST(a_cookie_that_is_not_ours_is_worth_nothing)
{
    begin();
    log_in();
    char *value = strstr(cookie, "fanwire_admin=") + 14;
    for (size_t i = 0; i < FWI_SEAL_TEXT - 1; i++) {
        char was = value[i];
        value[i] = was == '1' ? '2' : '1';
        ck_assert_msg(post("/admin/api/info", cookie, "{}") == 401, "character %zu", i);
        value[i] = was;
    }
    value[FWI_SEAL_TEXT - 2] = ' ';
    ck_assert_int_eq(post("/admin/api/info", cookie, "{}"), 401);
    ck_assert_int_eq(post("/admin/api/info", JSON "Cookie: fanwire_admin=\r\n", "{}"),
                     401);
    /* Another process has another key. */
    log_in();
    api_end();
    begin();
    char before[sizeof cookie];
    log_in();
    snprintf(before, sizeof before, "%s", cookie);
    api_end();
    begin();
    ck_assert_int_eq(post("/admin/api/info", before, "{}"), 401);
    api_end();
}
END_TEST

START_TEST(what_a_page_of_another_site_could_send_is_refused)
{
    static const char *const lines[] = {
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        JSON "Origin: https://elsewhere.example\r\n",
        JSON "Origin: null\r\n",
    };
    char all[600];
    begin();
    log_in();
    for (size_t i = 0; i < FWI_ARRAY_LEN(lines); i++) {
        snprintf(all, sizeof all, "%s%s", strstr(cookie, "Cookie: "), lines[i]);
        ck_assert_msg(post("/admin/api/info", all, "{}") == 403, "%s", lines[i]);
        ck_assert_int_eq(post("/admin/login", lines[i], PASSWORD), 403);
        ck_assert_int_eq(post("/admin/logout", lines[i], "{}"), 403);
    }
    ck_assert_int_eq(post("/admin/login", JSON "Origin: http://x\r\n", PASSWORD), 200);
    api_end();
}
END_TEST

START_TEST(wrong_passwords_are_counted_and_then_nobody_may_try_for_a_minute)
{
    static const char *const wrong[] = {"{\"password\":\"\"}",
                                        "{\"password\":\"open sesam\"}",
                                        "{\"password\":\"open sesame \"}",
                                        "{\"password\":\"open sesame\\u0000\"}",
                                        "{\"password\":5}",
                                        "{}",
                                        "[]",
                                        "\"open sesame\"",
                                        "x",
                                        "{\"Password\":\"open sesame\"}"};
    begin();
    log_in();
    for (size_t i = 0; i < FWI_ARRAY_LEN(wrong); i++) {
        ck_assert_msg(post("/admin/login", JSON, wrong[i]) == 401, "%s", wrong[i]);
    }
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_ADMIN_REFUSED), 10);
    ck_assert_int_eq(post("/admin/login", JSON, PASSWORD), 429);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_ADMIN_LOGINS), 1);
    /* Who is in stays in. */
    ck_assert_int_eq(post("/admin/api/info", cookie, "{}"), 200);
    core_rig_advance(&rig, 60000);
    ck_assert_int_eq(post("/admin/login", JSON, PASSWORD), 200);
    api_end();
}
END_TEST

START_TEST(a_sealed_number_is_read_with_its_key_only)
{
    uint8_t key[FWI_SEAL_KEY] = {1}, other[FWI_SEAL_KEY] = {2};
    char text[FWI_SEAL_TEXT];
    uint64_t number = 0;
    ck_assert(fwi_seal_make(key, 0xfedcba9876543210u, text));
    ck_assert_int_eq(strncmp(text, "fedcba9876543210.", 17), 0);
    ck_assert(fwi_seal_read(key, text, &number) && number == 0xfedcba9876543210u);
    ck_assert(!fwi_seal_read(other, text, &number));
    ck_assert(!fwi_seal_read(key, "", &number));
    text[0] = 'F'; /* the same number, in other letters */
    ck_assert(!fwi_seal_read(key, text, &number));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin");
    TCase *tc = tcase_create("admin");
    suite_add_tcase(s, tc);
    tcase_add_test(tc, without_a_password_of_its_own_there_is_no_page);
    tcase_add_test(tc, the_page_and_its_parts_are_shown_to_everybody);
    tcase_add_test(tc, a_login_gives_a_cookie_by_which_methods_are_called);
    tcase_add_test(tc, a_login_ends_after_twelve_hours);
    tcase_add_test(tc, a_cookie_that_is_not_ours_is_worth_nothing);
    tcase_add_test(tc, what_a_page_of_another_site_could_send_is_refused);
    tcase_add_test(tc, wrong_passwords_are_counted_and_then_nobody_may_try_for_a_minute);
    tcase_add_test(tc, a_sealed_number_is_read_with_its_key_only);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
