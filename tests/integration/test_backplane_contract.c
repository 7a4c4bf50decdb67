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

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
