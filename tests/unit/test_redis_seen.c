/*
 * What others publish twice is heard once.
 */
#include <check.h>
#include <stdlib.h>

#include "backplane/redis_seen.h"

static fwi_redis_seen seen;

static void begin(void)
{
    fwi_redis_seen_init(&seen, 30000);
}

static void end(void)
{
    fwi_redis_seen_fini(&seen);
}

START_TEST(rising_serials_are_new_and_all_others_are_not)
{
    static const struct {
        uint64_t serial;
        bool is_new;
    } steps[] = {{1, true}, {2, true},  {2, false}, {1, false},
                 {7, true}, {6, false}, {8, true}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ck_assert_msg(fwi_redis_seen_is_new(&seen, 42, steps[i].serial, 1000) ==
                          steps[i].is_new,
                      "step %zu", i);
    }
}
END_TEST

START_TEST(two_interleaved_sendings_of_a_node_are_heard_once_each)
{
    /* The old link's rest and the new link's repetition, as Redis may mix them. */
    static const uint64_t mixed[] = {5, 6, 5, 7, 8, 6, 7, 8, 9, 9, 10};
    unsigned heard = 0;
    for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++) {
        heard += fwi_redis_seen_is_new(&seen, 42, mixed[i], 1000);
    }
    ck_assert_uint_eq(heard, 6);
}
END_TEST

START_TEST(nodes_do_not_disturb_each_other)
{
    ck_assert(fwi_redis_seen_is_new(&seen, 1, 100, 0));
    ck_assert(fwi_redis_seen_is_new(&seen, 2, 1, 0));
    ck_assert(!fwi_redis_seen_is_new(&seen, 1, 100, 0));
}
END_TEST

START_TEST(a_silent_node_is_forgotten_and_an_active_one_is_not)
{
    const uint64_t minute = 60000;
    fwi_redis_seen_is_new(&seen, 1, 100, 0);
    fwi_redis_seen_is_new(&seen, 2, 100, 0);
    fwi_redis_seen_is_new(&seen, 2, 101, 9 * minute);
    fwi_redis_seen_is_new(&seen, 3, 1, 11 * minute);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert(!fwi_redis_seen_is_new(&seen, 2, 101, 11 * minute));
}
END_TEST

START_TEST(the_number_of_nodes_remembered_is_bounded)
{
    for (uint64_t node = 1; node <= FWI_REDIS_SEEN_MAX + 100; node++) {
        fwi_redis_seen_is_new(&seen, node, 1, 0);
    }
    ck_assert_uint_eq(seen.count, FWI_REDIS_SEEN_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_seen");
    TCase *tc = tcase_create("seen");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, rising_serials_are_new_and_all_others_are_not);
    tcase_add_test(tc, two_interleaved_sendings_of_a_node_are_heard_once_each);
    tcase_add_test(tc, nodes_do_not_disturb_each_other);
    tcase_add_test(tc, a_silent_node_is_forgotten_and_an_active_one_is_not);
    tcase_add_test(tc, the_number_of_nodes_remembered_is_bounded);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
