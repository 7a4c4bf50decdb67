/*
 * Options: what the table promises, how values are read, what errors say, how lists grow,
 * what is hidden. Where values come from is in test_options_sources.c.
 */
#include <stdlib.h>
#include <string.h>

#include <fanwire/error.h>

#include "options_rig.h"

START_TEST(every_option_is_described_and_starts_at_its_default)
{
    fw_options *o = fresh();
    const char *name;
    size_t n = 0;
    for (; (name = fw_options_name(n)) != NULL; n++) {
        static const char *const fields[] = {"type",  "default", "allowed",
                                             "since", "help",    "group"};
        for (size_t i = 0; i < FWI_ARRAY_LEN(fields); i++) {
            ck_assert_msg(fw_options_describe(name, fields[i]) != NULL, "%s %s", name,
                          fields[i]);
        }
        ck_assert_msg(fw_options_describe(name, "help")[0] != '\0', "%s", name);
        ck_assert_msg(fw_options_describe(name, "allowed")[0] != '\0', "%s", name);
        ck_assert_str_eq(fw_options_get(o, name), fw_options_describe(name, "default"));
        for (size_t j = 0; j < n; j++) {
            ck_assert_str_ne(name, fw_options_name(j));
        }
    }
    ck_assert_uint_eq(n, FWI_OPT_COUNT);
    fw_options_free(o);
}
END_TEST

START_TEST(unknown_names_and_fields_are_no_crash)
{
    fw_options *o = fresh();
    ck_assert_ptr_null(fw_options_get(o, "nothing"));
    ck_assert_ptr_null(fw_options_shown(o, "nothing"));
    ck_assert_ptr_null(fw_options_describe("nothing", "help"));
    ck_assert_ptr_null(fw_options_describe("listen", "nothing"));
    ck_assert_ptr_null(fw_options_describe(NULL, NULL));
    ck_assert_int_eq(fw_options_set(o, NULL, "x"), FW_ERR_INVALID);
    ck_assert_int_eq(fw_options_set(o, "listen", NULL), FW_ERR_INVALID);
    ck_assert_int_eq(fw_options_set(NULL, "listen", "x"), FW_ERR_INVALID);
    fw_options_free(o);
    fw_options_free(NULL);
}
END_TEST

static const struct {
    fwi_option which;
    const char *value;
    int64_t want;
} good_numbers[] = {
    {FWI_OPT_HEARTBEAT_INTERVAL, "500ms", 500},
    {FWI_OPT_HEARTBEAT_INTERVAL, "25s", 25000},
    {FWI_OPT_HEARTBEAT_INTERVAL, "5m", 300000},
    {FWI_OPT_HEARTBEAT_INTERVAL, "24h", 86400000},
    {FWI_OPT_HEARTBEAT_INTERVAL, "0s", 0},
    {FWI_OPT_WRITE_DELAY, "1000ms", 1000},
    {FWI_OPT_MESSAGE_MAX_BYTES, "1", 1},
    {FWI_OPT_MESSAGE_MAX_BYTES, "64KiB", 65536},
    {FWI_OPT_MESSAGE_MAX_BYTES, "1MiB", 1048576},
    {FWI_OPT_OUTBOX_MAX_BYTES, "2GiB", INT64_C(2147483648)},
    {FWI_OPT_OUTBOX_MAX_BYTES, "1024GiB", INT64_C(1099511627776)},
    {FWI_OPT_LISTEN_SHARED, "on", 1},
    {FWI_OPT_LISTEN_SHARED, "true", 1},
    {FWI_OPT_LISTEN_SHARED, "yes", 1},
    {FWI_OPT_RAW_ECHO_TO_SENDER, "off", 0},
    {FWI_OPT_RAW_ECHO_TO_SENDER, "false", 0},
    {FWI_OPT_RAW_ECHO_TO_SENDER, "no", 0},
    {FWI_OPT_THREADS, "auto", 0},
    {FWI_OPT_THREADS, "64", 64},
    {FWI_OPT_LIMIT_SESSIONS, "0", 0},
    {FWI_OPT_EVENTS, "queued", FWI_EVENTS_QUEUED},
    {FWI_OPT_OUTBOX_POLICY, "close", FWI_POLICY_CLOSE},
    {FWI_OPT_OUTBOX_POLICY, "drop_oldest", FWI_POLICY_DROP_OLDEST},
    {FWI_OPT_OUTBOX_POLICY, "drop_newest", FWI_POLICY_DROP_NEWEST},
    {FWI_OPT_OUTBOX_POLICY, "latest", FWI_POLICY_LATEST},
    {FWI_OPT_RAW_MODE, "rooms", FWI_RAW_ROOMS},
    {FWI_OPT_RAW_FORMAT, "json", FWI_FORMAT_JSON},
    {FWI_OPT_RAW_USER, "none", FWI_RAW_USER_NONE},
    {FWI_OPT_LOG_LEVEL, "error", 0},
    {FWI_OPT_LOG_LEVEL, "trace", 4},
    {FWI_OPT_LOG_FORMAT, "json", FWI_LOG_FORMAT_JSON},
};

START_TEST(numbers_durations_sizes_switches_and_choices_are_read)
{
    fw_options *o = fresh();
    const char *name = fw_options_name((size_t)good_numbers[_i].which);
    int err = fw_options_set(o, name, good_numbers[_i].value);
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
    ck_assert_int_eq(fwi_options_int(o, good_numbers[_i].which), good_numbers[_i].want);
    ck_assert_str_eq(fw_options_get(o, name), good_numbers[_i].value);
    fw_options_free(o);
}
END_TEST

/* The detail is "NAME: VALUE: " and a sentence that has `says` in it. */
static const struct {
    const char *name, *value, *says;
} bad_values[] = {
    {"heartbeat.interval", "25", "a duration needs its unit"},
    {"heartbeat.interval", "25", "from 0s to 24h"},
    {"heartbeat.interval", "0", "a duration needs its unit"},
    {"heartbeat.interval", "25 s", "ms, s, m or h"},
    {"heartbeat.interval", "s", "ms, s, m or h"},
    {"heartbeat.interval", "-1s", "ms, s, m or h"},
    {"heartbeat.interval", "+1s", "ms, s, m or h"},
    {"heartbeat.interval", "1.5s", "ms, s, m or h"},
    {"heartbeat.interval", "1d", "ms, s, m or h"},
    {"heartbeat.interval", "1S", "ms, s, m or h"},
    {"heartbeat.interval", "25h", "to 24h"},
    {"heartbeat.interval", "9223372036854775807h", "to 24h"},
    {"heartbeat.interval", "99999999999999999999s", "to 24h"},
    {"heartbeat.interval", "", "ms, s, m or h"},
    {"heartbeat.timeout", "0ms", "from 1ms to 1h"},
    {"message.max_bytes", "1MB", "KiB, MiB or GiB"},
    {"message.max_bytes", "1mib", "KiB, MiB or GiB"},
    {"message.max_bytes", "0", "from 1 to 1GiB"},
    {"message.max_bytes", "2GiB", "from 1 to 1GiB"},
    {"outbox.max_bytes", "1", "from 1KiB to 1024GiB"},
    {"outbox.max_bytes", "9223372036854775807GiB", "from 1KiB to 1024GiB"},
    {"hook.connect.url", "ftp://x/", "a URL, http://HOST"},
    {"hook.connect.url", "https:///x", "a URL, http://HOST"},
    {"hook.connect.url", "http://x/a b", "a URL, http://HOST"},
    {"hook.headers", "a b", "the name of a header"},
    {"hook.headers", "cookie,Host", "says something of the request itself"},
    {"threads", "0", "a whole number from 1 to 64, or auto"},
    {"threads", "65", "a whole number from 1 to 64, or auto"},
    {"threads", "two", "a whole number from 1 to 64, or auto"},
    {"threads", "1 ", "a whole number from 1 to 64, or auto"},
    {"threads", "0x2", "a whole number from 1 to 64, or auto"},
    {"limit.pending", "auto", "a whole number from 1 to 1000000"},
    {"listen.shared", "1", "on or off"},
    {"listen.shared", "ON", "on or off"},
    {"outbox.policy", "drop", "close, drop_oldest, drop_newest or latest"},
    {"outbox.policy", "close|latest", "close, drop_oldest, drop_newest or latest"},
    {"outbox.policy", "", "close, drop_oldest, drop_newest or latest"},
    {"raw.user", "tokens", "auto, query, token or none"},
    {"log.level", "warning", "error, warn, info, debug or trace"},
    {"redis.prefix", "", "1 to 64"},
    {"redis.prefix", "a b", "without blanks"},
    {"redis.prefix", "a{b}", "without blanks and"},
    {"node.name", "a\nb", "control"},
    {"tls.cert", "a\x7f", "control"},
    {"origins", "example.org", "https://example.org"},
    {"origins", "https://example.org/", "https://example.org"},
    {"origins", "*,x", "https://example.org"},
    {"proxy.trusted", "10.0.0.0/33", "10.0.0.0/8"},
    {"proxy.trusted", "somewhere", "10.0.0.0/8"},
    {"listen", "http://127.0.0.1:80/", "ws://"},
    {"listen", "ws://127.0.0.1:1/,", "ws://"},
    {"http.listen", "9190", "HOST:PORT"},
    {"redis.url", "http://127.0.0.1", "redis://"},
    {"redis.url", "redis+cluster://127.0.0.1/1", "one database"},
    {"redis.url", "redis+sentinel://127.0.0.1", "name of the master"},
};

START_TEST(a_bad_value_names_option_value_and_what_is_allowed)
{
    fw_options *o = fresh();
    const char *name = bad_values[_i].name, *value = bad_values[_i].value;
    char before[256];
    snprintf(before, sizeof before, "%s", fw_options_get(o, name));
    ck_assert_msg(fw_options_set(o, name, value) == FW_ERR_OPTION, "%s %s", name, value);
    const char *detail = fw_error_detail();
    size_t len = strlen(name);
    ck_assert_msg(strncmp(detail, name, len) == 0 && strncmp(detail + len, ": ", 2) == 0,
                  "%s", detail);
    const char *shown = strcmp(name, "hook.secret") == 0 ? "***" : value;
    if (strpbrk(value, "\n\x7f") == NULL) {
        ck_assert_msg(strncmp(detail + len + 2, shown, strlen(shown)) == 0, "%s", detail);
    }
    ck_assert_msg(strstr(detail + len + 2 + strlen(shown), bad_values[_i].says) != NULL,
                  "%s", detail);
    ck_assert_msg(strpbrk(detail, "\n\r") == NULL, "%s", detail);
    /* A call that fails has no effect. */
    ck_assert_str_eq(fw_options_get(o, name), before);
    fw_options_free(o);
}
END_TEST

static const struct {
    const char *name, *says;
} unknown_names[] = {
    {"redis.ulr", "did you mean redis.url?"},
    {"redis_url", "did you mean redis.url?"},
    {"Listen", "did you mean listen?"},
    {"heartbeat-interval", "did you mean heartbeat.interval?"},
    {"message.maxbytes", "did you mean message.max_bytes?"},
    {"listen ", "no such option"},
    {"", "no such option"},
    {"zzzzzzzz", "no such option"},
};

START_TEST(an_unknown_name_is_told_with_what_was_meant)
{
    fw_options *o = fresh();
    ck_assert_int_eq(fw_options_set(o, unknown_names[_i].name, "hunter2"), FW_ERR_OPTION);
    const char *detail = fw_error_detail();
    ck_assert_msg(strstr(detail, unknown_names[_i].says) != NULL, "%s", detail);
    ck_assert_msg(
        strncmp(detail, unknown_names[_i].name, strlen(unknown_names[_i].name)) == 0,
        "%s", detail);
    ck_assert_msg(strstr(detail, "hunter2") == NULL, "%s", detail);
    fw_options_free(o);
}
END_TEST

START_TEST(a_name_like_no_other_gets_no_suggestion)
{
    fw_options *o = fresh();
    fw_options_set(o, "zzzzzzzz", "x");
    ck_assert_ptr_null(strstr(fw_error_detail(), "did you mean"));
    fw_options_free(o);
}
END_TEST

START_TEST(a_list_replaces_its_default_and_then_grows)
{
    fw_options *o = fresh();
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_PROXY_TRUSTED), 2);
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_PROXY_TRUSTED, 1), "::1");
    ck_assert_int_eq(fw_options_set(o, "origins", "https://a.example"), FW_OK);
    ck_assert_int_eq(
        fw_options_set(o, "origins", " https://b.example , https://c.example"), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_ORIGINS), 3);
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_ORIGINS, 0), "https://a.example");
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_ORIGINS, 1), "https://b.example");
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_ORIGINS, 2), "https://c.example");
    ck_assert_int_eq(fw_options_set(o, "listen", "unix:/tmp/a.sock:/ws"), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_LISTEN), 1);
    ck_assert_int_eq(fw_options_set(o, "proxy.trusted", "unix"), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_PROXY_TRUSTED), 1);
    fw_options_free(o);
}
END_TEST

START_TEST(a_list_can_be_emptied)
{
    fw_options *o = fresh();
    ck_assert_int_eq(fw_options_set(o, "proxy.trusted", ""), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_PROXY_TRUSTED), 0);
    ck_assert_str_eq(fw_options_get(o, "proxy.trusted"), "");
    ck_assert_int_eq(fw_options_set(o, "listen", "off"), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_LISTEN), 0);
    ck_assert_int_eq(fw_options_set(o, "listen", "ws://127.0.0.1:0/ws"), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_LISTEN), 1);
    fw_options_free(o);
}
END_TEST

START_TEST(a_failing_entry_leaves_the_list_as_it_was)
{
    fw_options *o = fresh();
    ck_assert_int_eq(fw_options_set(o, "origins", "https://a.example"), FW_OK);
    ck_assert_int_eq(fw_options_set(o, "origins", "https://b.example,b"), FW_ERR_OPTION);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_ORIGINS), 1);
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_ORIGINS, 0), "https://a.example");
    fw_options_free(o);
}
END_TEST

START_TEST(http_listen_off_is_empty)
{
    fw_options *o = fresh();
    ck_assert_int_eq(fw_options_set(o, "http.listen", "127.0.0.1:9190"), FW_OK);
    ck_assert_str_eq(fwi_options_text(o, FWI_OPT_HTTP_LISTEN), "127.0.0.1:9190");
    ck_assert_int_eq(fw_options_set(o, "http.listen", "off"), FW_OK);
    ck_assert_str_eq(fwi_options_text(o, FWI_OPT_HTTP_LISTEN), "");
    fw_options_free(o);
}
END_TEST

START_TEST(a_copy_is_equal_and_independent)
{
    fw_options *o = fresh();
    fw_options_set(o, "redis.url", "redis://:s3cret@127.0.0.1:6379/2");
    fw_options_set(o, "origins", "https://a.example,https://b.example");
    fw_options_set(o, "threads", "3");
    fw_options *copy = fwi_options_copy(o);
    ck_assert_ptr_nonnull(copy);
    fw_options_set(o, "threads", "4");
    fw_options_free(o);
    ck_assert_int_eq(fwi_options_int(copy, FWI_OPT_THREADS), 3);
    ck_assert_str_eq(fwi_options_item(copy, FWI_OPT_ORIGINS, 1), "https://b.example");
    ck_assert_str_eq(fw_options_get(copy, "redis.url"),
                     "redis://:s3cret@127.0.0.1:6379/2");
    ck_assert_str_eq(fw_options_shown(copy, "redis.url"),
                     "redis://:***@127.0.0.1:6379/2");
    fw_options_free(copy);
}
END_TEST

static const struct {
    const char *url, *shown;
} passwords[] = {
    {"redis://:s3cret@127.0.0.1", "redis://:***@127.0.0.1"},
    {"redis://ann:s3cret@127.0.0.1:1/2", "redis://ann:***@127.0.0.1:1/2"},
    {"redis://ann@127.0.0.1", "redis://***@127.0.0.1"},
    {"redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"},
    {"redis+unix:///r.sock?db=5", "redis+unix:///r.sock?db=5"},
    {"redis+sentinel://a:1,b:2/m?sentinel_password=s3cret&db=2",
     "redis+sentinel://a:1,b:2/m?sentinel_password=***&db=2"},
    {"redis+sentinel://:s3cret@a:1,b:2/m?sentinel_user=x&sentinel_password=s3cret",
     "redis+sentinel://:***@a:1,b:2/m?sentinel_user=***&sentinel_password=***"},
    {"redis+sentinel://a:1,b:2/m?sentinel_password=s3c@s3cret", "redis+sentinel://***"},
};

START_TEST(a_password_is_not_shown)
{
    fw_options *o = fresh();
    ck_assert_msg(fw_options_set(o, "redis.url", passwords[_i].url) == FW_OK, "%s",
                  fw_error_detail());
    ck_assert_str_eq(fw_options_get(o, "redis.url"), passwords[_i].url);
    ck_assert_str_eq(fw_options_shown(o, "redis.url"), passwords[_i].shown);
    fw_options_free(o);
}
END_TEST

START_TEST(a_wrong_url_s_error_doesn_t_tell_the_password)
{
    static const char *const wrong[] = {"redis://:s3cret@127.0.0.1:99999",
                                        "redis://:s3cret@",
                                        "rdis://ann:s3cret@host",
                                        "ann:s3cret@host",
                                        "redis://ann:s3c@s3cret@host:x",
                                        "redis+cluster://:s3cret@host/1",
                                        "redis+sentinel://h/m?sentinel_pasword=s3cret",
                                        "redis+sentinel://h?sentinel_password=s3cret",
                                        "redis://:pass?s3cret@host"};
    fw_options *o = fresh();
    for (size_t i = 0; i < FWI_ARRAY_LEN(wrong); i++) {
        ck_assert_msg(fw_options_set(o, "redis.url", wrong[i]) == FW_ERR_OPTION, "%s",
                      wrong[i]);
        ck_assert_msg(strstr(fw_error_detail(), "s3c") == NULL, "%s", fw_error_detail());
    }
    fw_options_free(o);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, every_option_is_described_and_starts_at_its_default);
    tcase_add_test(tc, unknown_names_and_fields_are_no_crash);
    tcase_add_loop_test(tc, numbers_durations_sizes_switches_and_choices_are_read, 0,
                        FWI_ARRAY_LEN(good_numbers));
    tcase_add_loop_test(tc, a_bad_value_names_option_value_and_what_is_allowed, 0,
                        FWI_ARRAY_LEN(bad_values));
    tcase_add_loop_test(tc, an_unknown_name_is_told_with_what_was_meant, 0,
                        FWI_ARRAY_LEN(unknown_names));
    tcase_add_test(tc, a_name_like_no_other_gets_no_suggestion);
    tcase_add_test(tc, a_list_replaces_its_default_and_then_grows);
    tcase_add_test(tc, a_list_can_be_emptied);
    tcase_add_test(tc, a_failing_entry_leaves_the_list_as_it_was);
    tcase_add_test(tc, http_listen_off_is_empty);
    tcase_add_test(tc, a_copy_is_equal_and_independent);
    tcase_add_loop_test(tc, a_password_is_not_shown, 0, FWI_ARRAY_LEN(passwords));
    tcase_add_test(tc, a_wrong_url_s_error_doesn_t_tell_the_password);
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
