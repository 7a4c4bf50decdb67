/*
 * What a hub may rely on, asked of every backplane: the same list of behaviours over
 * memory and over a real Redis. What only Redis can do is in test_backplane_redis.c.
 *
 * A behaviour that says "nothing comes" is tested by a later message on another channel:
 * one link keeps order, so when that has come the other would have.
 */
#include "backplane_rig.h"

START_TEST(a_subscription_is_reported_once_and_not_inside_subscribe)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    enter(n, "r:{b}%");
    ck_assert(node_ask(n, node_has_reports, "r:a", 1));
    ck_assert_uint_eq(node_figures(n).channels, 2);
    node_free(n);
}
END_TEST

START_TEST(what_is_published_comes_back_by_its_name)
{
    node *n = node_up(_i);
    enter(n, "r:{b}% \xc3\xa4");
    node_publish(n, "r:{b}% \xc3\xa4", "hello");
    ck_assert(node_wait(n, node_has_messages, "r:{b}% \xc3\xa4", 1));
    ck_assert_uint_eq(node_count(n, NULL, "hello"), 1);
    node_free(n);
}
END_TEST

START_TEST(publishing_right_after_subscribing_hears_itself)
{
    node *n = node_up(_i);
    node_subscribe(n, "r:a");
    node_publish(n, "r:a", "hello");
    ck_assert(node_wait(n, node_has_messages, "r:a", 1));
    ck_assert(node_ask(n, node_has_reports, "r:a", 1));
    node_free(n);
}
END_TEST

START_TEST(channels_not_subscribed_to_are_not_heard)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    node_publish(n, "r:b", "not for us");
    node_publish(n, "r:a", "for us");
    ck_assert(node_wait(n, node_has_messages, "r:a", 1));
    ck_assert_uint_eq(node_count(n, NULL, NULL), 1);
    node_free(n);
}
END_TEST

START_TEST(nothing_is_heard_after_unsubscribing)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    enter(n, "r:b");
    node_unsubscribe(n, "r:a");
    node_publish(n, "r:a", "too late");
    node_publish(n, "r:b", "marker");
    ck_assert(node_wait(n, node_has_text, "marker", 1));
    ck_assert_uint_eq(node_count(n, "r:a", NULL), 0);
    ck_assert_uint_eq(node_figures(n).channels, 1);
    node_free(n);
}
END_TEST

START_TEST(leaving_and_entering_again_is_reported_again_and_heard_again)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    node_unsubscribe(n, "r:a");
    node_subscribe(n, "r:a");
    ck_assert(node_wait(n, node_has_reports, "r:a", 2));
    node_publish(n, "r:a", "one");
    ck_assert(node_wait(n, node_has_text, "one", 1));
    node_resubscribe(n, "r:a");
    ck_assert(node_wait(n, node_has_reports, "r:a", 3));
    node_publish(n, "r:a", "two");
    ck_assert(node_wait(n, node_has_text, "two", 1));
    node_free(n);
}
END_TEST

START_TEST(what_was_published_before_entering_again_is_not_heard)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    node_unsubscribe(n, "r:a");
    node_publish(n, "r:a", "old");
    node_subscribe(n, "r:a");
    ck_assert(node_wait(n, node_has_reports, "r:a", 2));
    node_publish(n, "r:a", "new");
    ck_assert(node_wait(n, node_has_text, "new", 1));
    ck_assert_uint_eq(node_count(n, NULL, "old"), 0);
    node_free(n);
}
END_TEST

START_TEST(ten_thousand_messages_come_once_and_in_order)
{
    node *n = node_up(_i);
    enter(n, "r:a");
    enter(n, "r:b");
    for (unsigned k = 0; k < 10; k++) {
        node_publish_many(n, k % 2 ? "r:a" : "r:b", "m", k * 1000, 1000);
    }
    ck_assert(node_wait(n, node_has_messages, NULL, 10000));
    size_t a, b;
    ck_assert(node_is_in_order(n, "r:a", "m", &a));
    ck_assert(node_is_in_order(n, "r:b", "m", &b));
    ck_assert_uint_eq(a, 5000);
    ck_assert_uint_eq(b, 5000);
    node_free(n);
}
END_TEST

START_TEST(more_channels_than_one_command_takes_are_all_confirmed)
{
    node *n = node_up(_i);
    node_subscribe_many(n, "r:", 1500);
    ck_assert(node_wait(n, node_has_reports, NULL, 1500));
    ck_assert(node_ask(n, node_has_reports, "r:1499", 1));
    ck_assert_uint_eq(node_figures(n).channels, 1500);
    node_publish(n, "r:700", "hello");
    ck_assert(node_wait(n, node_has_messages, "r:700", 1));
    node_free(n);
}
END_TEST

/* --- presence --- */

static void expect_member(node *n, unsigned k, const char *info)
{
    char want[160], session[FW_SESSION_ID_TEXT];
    snprintf(want, sizeof want, "%s u%u %s %s",
             fw_session_id_text((fw_session_id){n->number, k}, session), k, n->name,
             info);
    ck_assert_msg(node_shows(n, want), "nobody like %s", want);
}

/* Asks until there are so many. */
static void await_total(node *n, const char *channel, uint64_t total)
{
    for (int i = 0; i < 1000; i++) {
        node_read(n, channel, 0, 100);
        ck_assert_int_eq(n->page_err, 0);
        if (n->total == total) {
            return;
        }
    }
    ck_abort_msg("%s has %llu members", channel, (unsigned long long)n->total);
}

START_TEST(who_has_come_is_present_until_he_goes)
{
    node *n = node_up(_i);
    node_enter(n, "r:{b}% \xc3\xa4", 1, 3, false);
    await_total(n, "r:{b}% \xc3\xa4", 3);
    for (unsigned k = 1; k <= 3; k++) {
        expect_member(n, k, "info");
    }
    ck_assert_uint_eq(node_figures(n).present, 3);
    node_leave(n, "r:{b}% \xc3\xa4", 2, 1);
    await_total(n, "r:{b}% \xc3\xa4", 2);
    expect_member(n, 1, "info");
    expect_member(n, 3, "info");
    node_read(n, "r:elsewhere", 0, 10);
    ck_assert_uint_eq(n->total, 0);
    ck_assert_uint_eq(node_figures(n).present, 2);
    node_free(n);
}
END_TEST

START_TEST(who_comes_and_goes_in_one_turn_was_never_there)
{
    node *n = node_up(_i);
    node_enter(n, "r:a", 1, 2, false);
    await_total(n, "r:a", 2);
    node_leave(n, "r:a", 1, 1);
    node_enter(n, "r:a", 1, 1, false);
    node_leave(n, "r:a", 1, 1);
    node_leave(n, "r:a", 1, 1);
    await_total(n, "r:a", 1);
    expect_member(n, 2, "info");
    node_enter(n, "r:a", 1, 1, false);
    await_total(n, "r:a", 2);
    expect_member(n, 1, "info");
    node_free(n);
}
END_TEST

START_TEST(a_thousand_members_are_read_in_pages)
{
    enum { N = 1000 };
    node *n = node_up(_i);
    bool seen[N] = {false};
    unsigned pages = 0;
    node_enter(n, "r:a", 0, N, false);
    await_total(n, "r:a", N);
    uint64_t cursor = 0;
    do {
        node_read(n, "r:a", cursor, 100);
        for (size_t i = 0; i < n->member_count; i++) {
            unsigned k = N;
            ck_assert_int_eq(sscanf(n->members[i] + 33, "u%u", &k), 1);
            ck_assert_uint_lt(k, N);
            seen[k] = true;
        }
        cursor = n->next;
        pages++;
    } while (cursor != 0);
    ck_assert_uint_ge(pages, 8);
    for (int k = 0; k < N; k++) {
        ck_assert_msg(seen[k], "u%d is in no page", k);
    }
    node_read(n, "r:a", 0, 0);
    ck_assert_uint_eq(n->total, N);
    ck_assert_uint_eq(n->member_count, 0);
    node_free(n);
}
END_TEST

START_TEST(a_node_is_among_the_nodes)
{
    node *n = node_up(_i);
    await_total(n, NULL, 1);
    char want[160], session[FW_SESSION_ID_TEXT];
    snprintf(want, sizeof want, "%s  %s {}",
             fw_session_id_text((fw_session_id){n->number, 0}, session), n->name);
    ck_assert(node_shows(n, want));
    ck_assert_uint_eq(n->node_ups, 0);
    node_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backplane_contract");
    TCase *tc = case_of(s, "every backplane");
    tcase_add_loop_test(tc, a_subscription_is_reported_once_and_not_inside_subscribe, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, what_is_published_comes_back_by_its_name, 0, BACKPLANES);
    tcase_add_loop_test(tc, publishing_right_after_subscribing_hears_itself, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, channels_not_subscribed_to_are_not_heard, 0, BACKPLANES);
    tcase_add_loop_test(tc, nothing_is_heard_after_unsubscribing, 0, BACKPLANES);
    tcase_add_loop_test(tc, leaving_and_entering_again_is_reported_again_and_heard_again,
                        0, BACKPLANES);
    tcase_add_loop_test(tc, what_was_published_before_entering_again_is_not_heard, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, ten_thousand_messages_come_once_and_in_order, 0, BACKPLANES);
    tcase_add_loop_test(tc, more_channels_than_one_command_takes_are_all_confirmed, 0,
                        BACKPLANES);

    tcase_add_loop_test(tc, who_has_come_is_present_until_he_goes, 0, BACKPLANES);
    tcase_add_loop_test(tc, who_comes_and_goes_in_one_turn_was_never_there, 0,
                        BACKPLANES);
    tcase_add_loop_test(tc, a_thousand_members_are_read_in_pages, 0, BACKPLANES);
    tcase_add_loop_test(tc, a_node_is_among_the_nodes, 0, BACKPLANES);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
