/*
 * Where options come from: files, the environment, flags, and which of them wins. Files
 * are written to a directory of the test's own.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fanwire/error.h>

#include "options_rig.h"

static char directory[] = "/tmp/fanwire-options-XXXXXX";
static char file_path[128];

static void write_bytes(const void *data, size_t len)
{
    FILE *f = fopen(file_path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_file(const char *text)
{
    write_bytes(text, strlen(text));
}

START_TEST(a_file_has_dotted_keys_sections_comments_and_repeated_lists)
{
    fw_options *o = fresh();
    write_file("# a comment\r\n"
               "; another\n"
               "threads = 2 ; two are enough\r\n"
               "\n"
               "listen = ws://127.0.0.1:0/a\n"
               "listen = unix:/tmp/x.sock:/b, ws://[::1]:0/c\n"
               "redis.prefix: other\n"
               "[heartbeat]\n"
               "interval = 5s\n"
               "    timeout = 2s\n"
               "[redis]\n"
               "queue.deadline = 10s\n");
    ck_assert_msg(fw_options_load(o, file_path) == FW_OK, "%s", fw_error_detail());
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_THREADS), 2);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_LISTEN), 3);
    ck_assert_str_eq(fwi_options_item(o, FWI_OPT_LISTEN, 2), "ws://[::1]:0/c");
    ck_assert_str_eq(fw_options_get(o, "redis.prefix"), "other");
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_HEARTBEAT_INTERVAL), 5000);
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_HEARTBEAT_TIMEOUT), 2000);
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_REDIS_QUEUE_DEADLINE), 10000);
    fw_options_free(o);
}
END_TEST

static const struct {
    const char *name, *text, *says; /* behind "FILE:" */
} bad_files[] = {
    {"unknown name", "threads = 2\nthread = 3\n",
     "2: thread: no such option: did you mean "
     "threads?"},
    {"unknown in section", "[redis]\nulr = x\n",
     "2: redis.ulr: no such option: did you mean "
     "redis.url?"},
    {"unknown in a namespace", "[namespace.news]\nhistroy.size = 1\n",
     "2: namespace.news.histroy.size: no such option: did you mean "
     "namespace.news.history.size?"},
    {"wrong type", "\n\nthreads = two\n", "3: threads: two: a whole number"},
    {"duration without unit", "drain.timeout = 30\n",
     "1: drain.timeout: 30: a duration needs its unit"},
    {"no equals sign", "threads = 1\nthreads 2\n",
     "2: neither NAME = VALUE nor [SECTION]"},
    {"section not closed", "[redis\nurl = x\n", "1: neither NAME = VALUE nor [SECTION]"},
    {"the first error is told", "nonsense\nthreads = x\n",
     "1: neither NAME = VALUE nor [SECTION]"},
    {"the first error is told, the other way", "threads = x\nnonsense\n",
     "1: threads: x: "},
    {"a colon of a value is no separator", "listen ws://127.0.0.1:0/\n",
     "1: listen ws: no such option"},
    {"a line isn't continued", "redis.prefix = a\n  b\n",
     "2: neither NAME = VALUE nor [SECTION]"},
};

START_TEST(a_wrong_line_is_told_by_file_and_number)
{
    fw_options *o = fresh();
    char want[256];
    write_file(bad_files[_i].text);
    ck_assert_msg(fw_options_load(o, file_path) == FW_ERR_OPTION, "%s",
                  bad_files[_i].name);
    snprintf(want, sizeof want, "%s:%s", file_path, bad_files[_i].says);
    ck_assert_msg(strncmp(fw_error_detail(), want, strlen(want)) == 0, "%s: %s",
                  bad_files[_i].name, fw_error_detail());
    ck_assert_msg(fwi_options_int(o, FWI_OPT_THREADS) == 1, "%s", bad_files[_i].name);
    fw_options_free(o);
}
END_TEST

START_TEST(a_line_is_never_cut_in_silence)
{
    char line[400];
    for (size_t len = 150; len < 300; len++) {
        fw_options *o = fresh();
        size_t n = (size_t)snprintf(line, sizeof line, "threads=2\ntls.cert=");
        size_t first = n;
        memset(line + n, 'x', len);
        line[n + len] = '\0';
        write_file(line);
        int err = fw_options_load(o, file_path);
        if (err == FW_OK) {
            ck_assert_str_eq(fw_options_get(o, "tls.cert"), line + first);
            ck_assert_uint_le(len, 197 - strlen("tls.cert="));
        } else {
            ck_assert_uint_gt(len, 197 - strlen("tls.cert="));
            ck_assert_ptr_nonnull(strstr(fw_error_detail(), ":2: longer than 197 bytes"));
        }
        fw_options_free(o);
    }
}
END_TEST

START_TEST(a_long_comment_is_fine)
{
    char text[600] = "#";
    memset(text + 1, 'x', 500);
    strcat(text, "\nthreads = 7\n");
    fw_options *o = fresh();
    write_file(text);
    ck_assert_msg(fw_options_load(o, file_path) == FW_OK, "%s", fw_error_detail());
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_THREADS), 7);
    fw_options_free(o);
}
END_TEST

START_TEST(a_nul_in_a_file_is_an_error)
{
    static const char text[] = "threads = 2\nlog.file = a\0b\n";
    fw_options *o = fresh();
    write_bytes(text, sizeof text - 1);
    ck_assert_int_eq(fw_options_load(o, file_path), FW_ERR_OPTION);
    ck_assert_ptr_nonnull(strstr(fw_error_detail(), ":2: a NUL byte"));
    fw_options_free(o);
}
END_TEST

START_TEST(a_file_that_can_t_be_read_is_a_system_error)
{
    fw_options *o = fresh();
    ck_assert_int_eq(fw_options_load(o, "/nonexistent/fanwire.ini"), FW_ERR_SYSTEM);
    ck_assert_str_eq(fw_error_detail(),
                     "/nonexistent/fanwire.ini: No such file or directory");
    ck_assert_int_eq(fw_options_load(o, "/tmp"), FW_ERR_SYSTEM);
    ck_assert_int_eq(fw_options_load(o, NULL), FW_ERR_INVALID);
    fw_options_free(o);
}
END_TEST

#define LONG_NAME "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz_0123456789"

START_TEST(a_file_has_a_section_for_a_namespace)
{
    fw_options *o = fresh();
    write_file("namespace.chat.presence = on\n"
               "[namespace.news]\n"
               "history.size = 100\n"
               "history.ttl = 1h\n"
               "[namespace." LONG_NAME "]\n"
               "join_leave = on\n"
               "[namespace]\n"
               "other.presence = on\n");
    ck_assert_msg(fw_options_load(o, file_path) == FW_OK, "%s", fw_error_detail());
    ck_assert_str_eq(fw_options_get(o, "namespace.chat.presence"), "on");
    ck_assert_str_eq(fw_options_get(o, "namespace.news.history.size"), "100");
    ck_assert_str_eq(fw_options_get(o, "namespace.news.history.ttl"), "1h");
    ck_assert_str_eq(fw_options_get(o, "namespace." LONG_NAME ".join_leave"), "on");
    ck_assert_str_eq(fw_options_get(o, "namespace.other.presence"), "on");
    fw_options_free(o);
}
END_TEST

/* Loads one variable into o. */
static int load_variable(fw_options *o, const char *name, const char *value)
{
    setenv(name, value, 1);
    int err = fw_options_load_env(o);
    unsetenv(name);
    return err;
}

static const struct {
    const char *variable, *value, *option;
} variables[] = {
    {"FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE", "100", "namespace.news.history.size"},
    {"FANWIRE_NAMESPACE_MY_NEWS_JOIN_LEAVE", "on", "namespace.my_news.join_leave"},
    {"FANWIRE_NAMESPACE_HISTORY_SIZE_PRESENCE", "on", "namespace.history_size.presence"},
    {"FANWIRE_NAMESPACE_A-1_HISTORY_TTL", "5s", "namespace.a-1.history.ttl"},
};

START_TEST(a_variable_names_a_namespace_in_lower_case)
{
    fw_options *o = fresh();
    ck_assert_msg(load_variable(o, variables[_i].variable, variables[_i].value) == FW_OK,
                  "%s", fw_error_detail());
    ck_assert_str_eq(fw_options_get(o, variables[_i].option), variables[_i].value);
    ck_assert_uint_eq(fwi_options_namespaces(o), 1);
    fw_options_free(o);
}
END_TEST

static const struct {
    const char *variable, *value, *says;
} bad_variables[] = {
    {"FANWIRE_NAMESPACE_NEWS_HISTROY_SIZE", "1",
     "FANWIRE_NAMESPACE_NEWS_HISTROY_SIZE: no such option: did you mean "
     "FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE?"},
    {"FANWIRE_NAMESPACE_News_HISTORY_SIZE", "1",
     "did you mean FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE?"},
    {"FANWIRE_NAMESPACE_NEWS_ZZZZ", "1", "FANWIRE_NAMESPACE_NEWS_ZZZZ: no such option"},
    {"FANWIRE_NAMESPACE_", "1", "FANWIRE_NAMESPACE_: no such option"},
    {"FANWIRE_NAMESPACE__PRESENCE", "on", "FANWIRE_NAMESPACE__PRESENCE: no such option"},
    {"FANWIRE_", "1", "FANWIRE_: no such option"},
    {"FANWIRE_NAMESPACE_A.B_PRESENCE", "on", "the name of a namespace is 1 to 64"},
    {"FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE", "x",
     "namespace.news.history.size: x: a whole number from 0 to 1000000 (from "
     "FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE)"},
};

START_TEST(a_wrong_variable_of_a_namespace_is_told)
{
    fw_options *o = fresh();
    ck_assert_int_eq(
        load_variable(o, bad_variables[_i].variable, bad_variables[_i].value),
        FW_ERR_OPTION);
    ck_assert_msg(strstr(fw_error_detail(), bad_variables[_i].says) != NULL, "%s",
                  fw_error_detail());
    ck_assert_uint_eq(fwi_options_namespaces(o), 0);
    fw_options_free(o);
}
END_TEST

START_TEST(namespaces_of_several_sources_come_together)
{
    fw_options *o = fresh();
    write_file("[namespace.news]\nhistory.size = 1\nhistory.ttl = 1s\npresence = on\n");
    ck_assert_int_eq(fw_options_load(o, file_path), FW_OK);
    ck_assert_int_eq(load_variable(o, "FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE", "2"), FW_OK);
    fw_options_set(o, "namespace.news.history.ttl", "3s");
    ck_assert_str_eq(fw_options_get(o, "namespace.news.history.size"), "2");
    ck_assert_str_eq(fw_options_get(o, "namespace.news.history.ttl"), "3s");
    ck_assert_str_eq(fw_options_get(o, "namespace.news.presence"), "on");
    ck_assert_uint_eq(fwi_options_namespaces(o), 1);
    fw_options_free(o);
}
END_TEST

START_TEST(the_environment_sets_options_by_name)
{
    fw_options *o = fresh();
    setenv("FANWIRE_EVENTS_PER_SESSION", "5", 1);
    setenv("FANWIRE_ORIGINS", "https://a.example,https://b.example", 1);
    setenv("FANWIRE_CONFIG", "/somewhere", 1);
    setenv("FANWIRED", "no option", 1);
    int err = fw_options_load_env(o);
    unsetenv("FANWIRE_EVENTS_PER_SESSION");
    unsetenv("FANWIRE_ORIGINS");
    unsetenv("FANWIRE_CONFIG");
    unsetenv("FANWIRED");
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_EVENTS_PER_SESSION), 5);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_ORIGINS), 2);
    fw_options_free(o);
}
END_TEST

START_TEST(an_unknown_variable_is_an_error)
{
    fw_options *o = fresh();
    setenv("FANWIRE_REDIS_ULR", "redis://127.0.0.1", 1);
    ck_assert_int_eq(fw_options_load_env(o), FW_ERR_OPTION);
    unsetenv("FANWIRE_REDIS_ULR");
    ck_assert_str_eq(
        fw_error_detail(),
        "FANWIRE_REDIS_ULR: no such option: did you mean FANWIRE_REDIS_URL?");
    fw_options_free(o);
}
END_TEST

START_TEST(a_bad_variable_is_told_with_its_name_and_changes_nothing)
{
    fw_options *o = fresh();
    setenv("FANWIRE_LIMIT_PENDING", "7", 1);
    setenv("FANWIRE_THREADS", "two", 1);
    int err = fw_options_load_env(o);
    unsetenv("FANWIRE_LIMIT_PENDING");
    unsetenv("FANWIRE_THREADS");
    ck_assert_int_eq(err, FW_ERR_OPTION);
    ck_assert_str_eq(fw_error_detail(),
                     "threads: two: a whole number from 1 to 64, or auto "
                     "(from FANWIRE_THREADS)");
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_LIMIT_PENDING), 10000);
    fw_options_free(o);
}
END_TEST

START_TEST(flags_win_over_environment_over_file_over_default)
{
    fw_options *o = fresh();
    write_file("threads = 2\nlimit.pending = 2\nlimit.sessions = 2\n"
               "origins = https://file.example\norigins = https://file2.example\n"
               "proxy.trusted = 10.0.0.0/8\n");
    ck_assert_int_eq(fw_options_load(o, file_path), FW_OK);
    ck_assert_uint_eq(fwi_options_count(o, FWI_OPT_ORIGINS), 2);
    setenv("FANWIRE_THREADS", "3", 1);
    setenv("FANWIRE_LIMIT_PENDING", "3", 1);
    setenv("FANWIRE_ORIGINS", "https://env.example", 1);
    int err = fw_options_load_env(o);
    unsetenv("FANWIRE_THREADS");
    unsetenv("FANWIRE_LIMIT_PENDING");
    unsetenv("FANWIRE_ORIGINS");
    ck_assert_int_eq(err, FW_OK);
    ck_assert_str_eq(fw_options_get(o, "origins"), "https://env.example");
    fw_options_set(o, "threads", "4");
    fw_options_set(o, "origins", "https://flag.example");
    fw_options_set(o, "origins", "https://flag2.example");
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_THREADS), 4);
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_LIMIT_PENDING), 3);
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_LIMIT_SESSIONS), 2);
    ck_assert_int_eq(fwi_options_int(o, FWI_OPT_DRAIN_RATE), 1000);
    ck_assert_str_eq(fw_options_get(o, "origins"),
                     "https://flag.example,https://flag2.example");
    ck_assert_str_eq(fw_options_get(o, "proxy.trusted"), "10.0.0.0/8");
    fw_options_free(o);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("options_sources");
    TCase *tc = tcase_create("options_sources");
    tcase_add_test(tc, a_file_has_dotted_keys_sections_comments_and_repeated_lists);
    tcase_add_loop_test(tc, a_wrong_line_is_told_by_file_and_number, 0,
                        FWI_ARRAY_LEN(bad_files));
    tcase_add_test(tc, a_line_is_never_cut_in_silence);
    tcase_add_test(tc, a_long_comment_is_fine);
    tcase_add_test(tc, a_nul_in_a_file_is_an_error);
    tcase_add_test(tc, a_file_that_can_t_be_read_is_a_system_error);
    tcase_add_test(tc, a_file_has_a_section_for_a_namespace);
    tcase_add_loop_test(tc, a_variable_names_a_namespace_in_lower_case, 0,
                        FWI_ARRAY_LEN(variables));
    tcase_add_loop_test(tc, a_wrong_variable_of_a_namespace_is_told, 0,
                        FWI_ARRAY_LEN(bad_variables));
    tcase_add_test(tc, namespaces_of_several_sources_come_together);
    tcase_add_test(tc, the_environment_sets_options_by_name);
    tcase_add_test(tc, an_unknown_variable_is_an_error);
    tcase_add_test(tc, a_bad_variable_is_told_with_its_name_and_changes_nothing);
    tcase_add_test(tc, flags_win_over_environment_over_file_over_default);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    if (mkdtemp(directory) == NULL) {
        return EXIT_FAILURE;
    }
    snprintf(file_path, sizeof file_path, "%s/fanwire.ini", directory);
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(file_path);
    rmdir(directory);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
