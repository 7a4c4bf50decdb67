/*
 * Counters and the text of /metrics: what Prometheus' format asks for holds for every
 * line, and each figure can be found by its name.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/pages.h"

static fwi_hub_figures node(void)
{
    fwi_hub_figures f = {.node_name = "a\"b\\c",
                         .version = "0.1.0",
                         .backplane = "redis",
                         .uptime_us = 61500000,
                         .loops = 2,
                         .loop_lag_s = {0.0015, 2.5}};
    for (uint64_t i = 0; i < FWI_STAT_COUNT; i++) {
        f.sums[i] = i + 100;
    }
    fwi_histogram_add(&f.turns, fwi_bounds_us, 100);
    fwi_histogram_add(&f.turns, fwi_bounds_us, 101);
    fwi_histogram_add(&f.turns, fwi_bounds_us, 2000000);
    fwi_histogram_add(&f.sizes, fwi_bounds_bytes, 0);
    f.bp.up = true;
    f.bp.probe_age_us = 1234567;
    f.bp.queue_dropped = 3;
    return f;
}

static char *metrics(const fwi_hub_figures *f)
{
    fwi_buf out;
    fwi_buf_init(&out);
    ck_assert(fwi_metrics_text(f, &out));
    ck_assert_ptr_nonnull(fwi_buf_text(&out));
    return out.data;
}

/* The longest name of a metric here is far shorter. */
enum { METRIC_MAX = 128, METRICS_MAX = 256 };

/* One pass over the text as a strict reader makes it. */
typedef struct reader {
    char seen[METRICS_MAX][METRIC_MAX];
    size_t n;
    char metric[METRIC_MAX], kind[16];
} reader;

static void read_type(reader *r, const char *line)
{
    ck_assert_int_eq(sscanf(line, "# TYPE %127s %15s", r->metric, r->kind), 2);
    ck_assert_msg(strcmp(r->kind, "gauge") == 0 || strcmp(r->kind, "counter") == 0 ||
                      strcmp(r->kind, "histogram") == 0,
                  "%s", line);
    for (size_t i = 0; i < r->n; i++) {
        ck_assert_msg(strcmp(r->seen[i], r->metric) != 0, "twice: %s", line);
    }
    ck_assert_uint_lt(r->n, METRICS_MAX);
    strcpy(r->seen[r->n++], r->metric);
    size_t len = strlen(r->metric);
    bool total = len > 6 && strcmp(r->metric + len - 6, "_total") == 0;
    ck_assert_msg(total == (strcmp(r->kind, "counter") == 0), "%s", line);
    ck_assert_msg(strncmp(r->metric, "fanwire_", 8) == 0, "%s", line);
}

static void read_sample(const reader *r, const char *line)
{
    size_t len = strlen(r->metric);
    ck_assert_msg(strncmp(line, r->metric, len) == 0, "%s", line);
    if (strcmp(r->kind, "histogram") == 0) {
        static const char *const parts[] = {"_bucket", "_sum", "_count"};
        size_t before = len;
        for (size_t i = 0; i < FWI_ARRAY_LEN(parts) && len == before; i++) {
            len += strncmp(line + len, parts[i], strlen(parts[i])) == 0 ? strlen(parts[i])
                                                                        : 0;
        }
        ck_assert_msg(len > before, "%s", line);
    }
    ck_assert_msg(line[len] == ' ' || line[len] == '{', "%s", line);
    const char *value = strrchr(line, ' ');
    ck_assert_ptr_nonnull(value);
    ck_assert_msg(value[1] != '\0' &&
                      strspn(value + 1, "0123456789.") == strlen(value + 1),
                  "%s", line);
}

START_TEST(every_line_is_help_type_or_a_sample_of_the_metric_before)
{
    fwi_hub_figures f = node();
    char *text = metrics(&f);
    reader r = {.n = 0};
    size_t samples = 0;
    char *save = NULL;
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            const char *words = strchr(line + 7, ' ');
            ck_assert_msg(words != NULL && words[1] != '\0', "%s", line);
        } else if (line[0] == '#') {
            read_type(&r, line);
        } else {
            read_sample(&r, line);
            samples++;
        }
    }
    ck_assert_uint_gt(samples, FWI_STAT_COUNT + 10);
    free(text);
}
END_TEST

START_TEST(every_counter_is_found_by_its_name)
{
    static const char *const names[] = {
#define STAT_NAME(symbol, metric, labels, kind, help) metric "{" labels "}",
        FWI_STAT_MAP(STAT_NAME)
#undef STAT_NAME
    };
    fwi_hub_figures f = node();
    for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
        char name[METRIC_MAX];
        double value = -1;
        snprintf(name, sizeof name, "%s", names[i]);
        char *empty = strstr(name, "{}");
        if (empty != NULL) {
            *empty = '\0';
        }
        ck_assert_msg(fwi_metrics_find(&f, name, &value) == FWI_METRICS_FOUND, "%s",
                      name);
        ck_assert_double_eq_tol(value, (double)i + 100, 1e-9);
        ck_assert_msg(fwi_stats_find(name) == (int)i, "%s", name);
    }
}
END_TEST

static const struct {
    const char *name;
    double want;
} figures[] = {
    {"fanwire_redis_up", 1},
    {"fanwire_redis_probe_age_seconds", 1.234567},
    {"fanwire_redis_queue_dropped_total", 3},
    {"fanwire_loop_lag_seconds{loop=\"0\"}", 0.0015},
    {"fanwire_loop_lag_seconds{loop=\"1\"}", 2.5},
    {"fanwire_uptime_seconds", 61.5},
    {"fanwire_loop_turn_seconds_bucket{le=\"0.000100\"}", 1},
    {"fanwire_loop_turn_seconds_bucket{le=\"0.000500\"}", 2},
    {"fanwire_loop_turn_seconds_bucket{le=\"1.000000\"}", 2},
    {"fanwire_loop_turn_seconds_bucket{le=\"+Inf\"}", 3},
    {"fanwire_loop_turn_seconds_sum", 2.000201},
    {"fanwire_loop_turn_seconds_count", 3},
    {"fanwire_message_in_size_bytes_bucket{le=\"16\"}", 1},
    {"fanwire_message_in_size_bytes_sum", 0},
    {"fanwire_info{version=\"0.1.0\",node=\"a\\\"b\\\\c\",backplane=\"redis\"}", 1},
};

START_TEST(other_figures_are_found_by_name)
{
    fwi_hub_figures f = node();
    double value = -1;
    ck_assert_msg(fwi_metrics_find(&f, figures[_i].name, &value) == FWI_METRICS_FOUND,
                  "%s", figures[_i].name);
    ck_assert_double_eq_tol(value, figures[_i].want, 1e-9);
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
    static const char *const names[] = {"",
                                        "#",
                                        "fanwire",
                                        "fanwire_session",
                                        "fanwire_sessions ",
                                        "fanwire_loop_lag_seconds",
                                        "fanwire_loop_lag_seconds{loop=\"2\"}"};
    fwi_hub_figures f = node();
    double value = -1;
    for (size_t i = 0; i < FWI_ARRAY_LEN(names); i++) {
        ck_assert_msg(fwi_metrics_find(&f, names[i], &value) == FWI_METRICS_UNKNOWN, "%s",
                      names[i]);
    }
    ck_assert_double_eq_tol(value, -1, 1e-9);
    ck_assert_int_eq(fwi_stats_find("fanwire_nothing"), -1);
    ck_assert_int_eq(fwi_stats_find("fanwire_closes_total"), -1);
}
END_TEST

START_TEST(a_counter_goes_up_and_a_gauge_down_too)
{
    fwi_stats stats = {{0}};
    fwi_stat_add(&stats, FWI_STAT_SESSIONS, 5);
    fwi_stat_sub(&stats, FWI_STAT_SESSIONS, 2);
    fwi_stat_add(&stats, FWI_STAT_IN, 1);
    ck_assert_uint_eq(fwi_stat_get(&stats, FWI_STAT_SESSIONS), 3);
    ck_assert_uint_eq(fwi_stat_get(&stats, FWI_STAT_IN), 1);
    ck_assert_uint_eq(fwi_stat_get(&stats, FWI_STAT_ROOMS), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stats");
    TCase *tc = tcase_create("stats");
    tcase_add_test(tc, every_line_is_help_type_or_a_sample_of_the_metric_before);
    tcase_add_test(tc, every_counter_is_found_by_its_name);
    tcase_add_loop_test(tc, other_figures_are_found_by_name, 0, FWI_ARRAY_LEN(figures));
    tcase_add_test(tc, what_is_not_there_is_not_found);
    tcase_add_test(tc, a_counter_goes_up_and_a_gauge_down_too);
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
