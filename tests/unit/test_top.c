/*
 * `fanwired top` without a terminal and without nodes: rates from facts, the table, and
 * what strange nodes say of themselves.
 */
#include <check.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"
#include "top_table.h"

static fwd_nodes nodes;
static fwd_view view;
static char *shown;

static void begin(void)
{
    nodes = (fwd_nodes){0};
    fwd_view_init(&view);
    shown = NULL;
}

static void end(void)
{
    free(shown);
    fwd_nodes_fini(&nodes);
}

static void take_text(uint64_t number, const char *name, const char *facts, uint64_t ms)
{
    ck_assert(fwd_nodes_take(&nodes, number, name, facts, strlen(facts), ms));
}

/* A node's facts after so many seconds; of what it counts each is a multiple of `count`.
 */
static void take(uint64_t number, const char *name, double seconds, unsigned sessions,
                 unsigned count, uint64_t ms)
{
    char facts[1024];
    snprintf(facts, sizeof facts,
             "{\"version\":\"1.2.3\",\"sessions\":%u,\"rooms\":7,\"members\":8,"
             "\"uptime\":%.0f,\"metrics\":{\"interval\":%.6f,\"items\":{"
             "\"fanwire_messages_in_total\":%u,\"fanwire_deliveries_total\":%u,"
             "\"fanwire_outbox_dropped_total\":%u,\"fanwire_inbox_dropped_total\":%u,"
             "\"fanwire_outbox_bytes\":2048,\"fanwire_loop_lag_seconds\":0.012500,"
             "\"fanwire_loop_turn_seconds_sum\":%.6f}}}",
             sessions, seconds, seconds, count, 10 * count, count, 2 * count,
             count / 1000.0);
    take_text(number, name, facts, ms);
}

static void only(uint64_t number, double seconds, unsigned count, uint64_t ms)
{
    fwd_nodes_begin(&nodes);
    take(number, "berlin", seconds, 5, count, ms);
    fwd_nodes_end(&nodes);
}

static double of(fwd_figure which)
{
    return nodes.node[0].figure[which];
}

static const char *show(void (*as)(FILE *, fwd_nodes *, const fwd_view *))
{
    size_t len;
    free(shown);
    FILE *out = open_memstream(&shown, &len);
    as(out, &nodes, &view);
    fclose(out);
    return shown;
}

START_TEST(rates_are_what_happened_between_two_facts)
{
    begin();
    only(1, 10, 100, 1000);
    ck_assert_double_eq(of(FWD_SESSIONS), 5);
    ck_assert_double_eq(of(FWD_LAG), 0.0125);
    ck_assert(isnan(of(FWD_IN)) && !fwd_nodes_have_rates(&nodes));
    only(1, 12, 200, 3000);
    ck_assert_double_eq(of(FWD_IN), 50);
    ck_assert_double_eq(of(FWD_OUT), 500);
    ck_assert_double_eq(of(FWD_DROPPED), 150);
    ck_assert_double_eq_tol(of(FWD_BUSY), 0.05, 1e-9);
    ck_assert(fwd_nodes_have_rates(&nodes));
    end();
}
END_TEST

START_TEST(the_same_facts_once_more_change_nothing_until_they_are_late)
{
    begin();
    only(1, 10, 100, 1000);
    only(1, 12, 200, 3000);
    only(1, 12, 200, 4000);
    ck_assert_double_eq(of(FWD_IN), 50);
    ck_assert(!nodes.node[0].is_late);
    only(1, 12, 200, 3000 + FWD_LATE_MS);
    ck_assert(nodes.node[0].is_late);
    ck_assert_ptr_nonnull(strstr(show(fwd_table_write), " late"));
    only(1, 32, 200, 23000);
    ck_assert(!nodes.node[0].is_late);
    ck_assert_double_eq(of(FWD_IN), 0);
    end();
}
END_TEST

START_TEST(a_node_that_starts_anew_has_no_rates_at_first)
{
    begin();
    only(1, 10, 100, 1000);
    only(1, 12, 200, 3000);
    only(1, 1, 0, 6000);
    ck_assert(isnan(of(FWD_IN)));
    only(1, 2, 10, 7000);
    ck_assert_double_eq(of(FWD_IN), 10);
    end();
}
END_TEST

START_TEST(who_isnt_in_the_list_any_more_is_forgotten)
{
    begin();
    fwd_nodes_begin(&nodes);
    for (uint64_t i = 0; i < 20; i++) {
        take(i, "node", 1, 1, 1, 1000);
    }
    fwd_nodes_end(&nodes);
    ck_assert_uint_eq(nodes.n, 20);
    ck_assert_double_eq(fwd_nodes_sum(&nodes, FWD_SESSIONS), 20);
    only(3, 2, 2, 2000);
    ck_assert_uint_eq(nodes.n, 1);
    ck_assert_uint_eq(nodes.node[0].number, 3);
    ck_assert_double_eq(of(FWD_IN), 1);
    end();
}
END_TEST

START_TEST(a_node_of_an_older_version_tells_what_it_tells)
{
    begin();
    fwd_nodes_begin(&nodes);
    take_text(1, "old", "{\"version\":\"0.0.9\",\"sessions\":3,\"uptime\":90061}", 1000);
    fwd_nodes_end(&nodes);
    ck_assert(fwd_nodes_have_rates(&nodes)); /* it never will */
    const char *text = show(fwd_table_write);
    ck_assert_ptr_nonnull(strstr(text, "1d 01:01"));
    ck_assert_ptr_nonnull(strstr(text, "0.0.9"));
    ck_assert_ptr_nonnull(strstr(show(fwd_table_write_json), "\"in\":null,"));
    end();
}
END_TEST

START_TEST(what_strange_nodes_say_stays_in_its_line)
{
    static const char *const facts[] = {
        "",
        "{}",
        "{\"sessions\":",
        "{\"sessions\":\"many\"}",
        "{\"version\":\"",
        "{\"version\":\"\x1b[2J\x9b\"}",
        "{\"version\":\"x\\\",\\\"sessions\\\":5\"}",
        "{\"sessions\":99999999999999999999999999999999999999999}",
        "{\"metrics\":{\"interval\":.5,\"items\":[]}}",
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        begin();
        fwd_nodes_begin(&nodes);
        take_text(1,
                  "a\x1b]0;b\nc\xc2\x9b"
                  "d",
                  facts[i], 1000);
        fwd_nodes_end(&nodes);
        const char *text = show(fwd_table_write);
        ck_assert_msg(strstr(text, "\na?]0;b?c?d ") != NULL, "%s", facts[i]);
        ck_assert_ptr_null(strchr(text, '\x1b'));
        ck_assert_ptr_null(strstr(show(fwd_table_write_json), "\"sessions\":5"));
        end();
    }
}
END_TEST

static const char *first_of(char key)
{
    ck_assert(fwd_view_key(&view, key));
    show(fwd_table_write);
    return nodes.node[0].name;
}

START_TEST(keys_sort_and_a_second_time_the_other_way)
{
    begin();
    fwd_nodes_begin(&nodes);
    take(1, "berlin", 10, 5, 100, 1000);
    take(2, "paris", 10, 9, 100, 1000);
    take(3, "quebec", 10, 1, 100, 1000);
    take(1, "berlin", 11, 5, 101, 2000);
    take(3, "quebec", 11, 1, 103, 2000);
    fwd_nodes_end(&nodes);
    show(fwd_table_write);
    ck_assert_str_eq(nodes.node[0].name, "paris"); /* by sessions */
    ck_assert_str_eq(first_of('s'), "quebec");
    ck_assert_str_eq(first_of('s'), "paris");
    ck_assert_str_eq(first_of('i'), "quebec");
    ck_assert_str_eq(nodes.node[2].name, "paris"); /* of which it isn't known */
    ck_assert_str_eq(first_of('i'), "berlin");
    ck_assert_str_eq(nodes.node[2].name, "paris");
    ck_assert_str_eq(first_of('n'), "berlin");
    ck_assert_str_eq(first_of('n'), "quebec");
    ck_assert(!fwd_view_key(&view, 'x') && !fwd_view_key(&view, 0));
    end();
}
END_TEST

/* How many lines there are, and that none is wider than the view. */
static int lines_of(const char *text)
{
    int lines = 1, at = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\x1b') {
            p += strcspn(p, "mKHJ");
        } else if (*p == '\n') {
            lines++;
            at = 0;
        } else {
            at += ((unsigned char)*p & 0xc0) != 0x80;
            ck_assert_int_le(at, view.columns);
        }
    }
    return lines;
}

START_TEST(a_screen_has_what_fits)
{
    begin();
    fwd_nodes_begin(&nodes);
    for (uint64_t i = 0; i < 30; i++) {
        take(i, "a node with a name that is longer than any c\xc3\xb6lumn", 10, 5, 1,
             1000);
    }
    fwd_nodes_end(&nodes);
    view.is_screen = true;
    view.trouble = "redis.url: refused";
    for (view.columns = 1; view.columns < 200; view.columns += 7) {
        for (view.rows = 7; view.rows < 50; view.rows += 6) {
            ck_assert_int_le(lines_of(show(fwd_table_write)), view.rows);
        }
    }
    view.columns = 200;
    view.rows = 20;
    ck_assert_int_eq(lines_of(show(fwd_table_write)), 20);
    ck_assert_ptr_nonnull(strstr(shown, "15 more nodes"));
    ck_assert_ptr_nonnull(strstr(shown, "nodes 30   sessions 150   in 0/s"));
    ck_assert_ptr_nonnull(strstr(shown, "redis.url: refused"));
    end();
}
END_TEST

START_TEST(plain_text_is_cut_between_characters)
{
    static const struct {
        const char *name, *in, *want;
        size_t cap;
    } cases[] = {
        {"it fits", "abc", "abc", 4},
        {"it is cut", "abcd", "abc", 4},
        {"no half of a character", "ab\xc3\xb6", "ab", 4},
        {"an order of two bytes is one mark", "a\xc2\x80z", "a?z", 4},
        {"delete", "\x7f", "?", 4},
        {"what is no character", "\xff\x80", "\xff\x80", 4},
        {"nothing", "", "", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[8];
        fwd_plain_copy(out, cases[i].cap, cases[i].in, strlen(cases[i].in));
        ck_assert_msg(strcmp(out, cases[i].want) == 0, "%s: %s", cases[i].name, out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, rates_are_what_happened_between_two_facts);
    tcase_add_test(tc, the_same_facts_once_more_change_nothing_until_they_are_late);
    tcase_add_test(tc, a_node_that_starts_anew_has_no_rates_at_first);
    tcase_add_test(tc, who_isnt_in_the_list_any_more_is_forgotten);
    tcase_add_test(tc, a_node_of_an_older_version_tells_what_it_tells);
    tcase_add_test(tc, what_strange_nodes_say_stays_in_its_line);
    tcase_add_test(tc, keys_sort_and_a_second_time_the_other_way);
    tcase_add_test(tc, a_screen_has_what_fits);
    tcase_add_test(tc, plain_text_is_cut_between_characters);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
