/*
 * What is done about a node that is dead: its entries are removed, life by life and
 * channel by channel, on a Redis that the test plays.
 */
#include "redis_presence_rig.h"

START_TEST(a_claimed_life_is_swept_channel_by_channel_and_forgotten)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 2\n";
    channels_say = "r:{a}\nr:b";
    sweep_says = "0 3";
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    expect_served("BEAT:1:2:0 CHANNELS:fanwire:n:000000000000dead:2:c NAMES "
                  "SWEEP:fanwire:r:%7Ba%7D SWEEP:fanwire:r:b SREM SREM "
                  "CHANNELS:fanwire:n:000000000000dead:2:c "
                  "CHANNELS:fanwire:n:000000000000dead:1:c FORGET ");
    ck_assert_uint_eq(figures().sweeps, 1);
    ck_assert_uint_eq(figures().swept, 6);
}
END_TEST

START_TEST(lives_that_followed_each_other_are_all_looked_through)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 3\n";
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    expect_served("BEAT:1:2:0 CHANNELS:fanwire:n:000000000000dead:3:c NAMES "
                  "CHANNELS:fanwire:n:000000000000dead:2:c "
                  "CHANNELS:fanwire:n:000000000000dead:1:c FORGET ");
    served[0] = '\0';
    beat_says = "0 1 9999\n000000000000dead -5 9000000000\n"; /* nobody's */
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    ck_assert_ptr_nonnull(strstr(served, "dead:8999999985:c FORGET "));
}
END_TEST

START_TEST(a_sweep_that_gets_nowhere_ends_and_does_not_go_round)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 1\n";
    channels_say = "r:a";
    sweep_says = "0 0";
    srem_says = "-MISCONF can't persist\r\n";
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    expect_served("BEAT:1:2:0 CHANNELS:fanwire:n:000000000000dead:1:c NAMES "
                  "SWEEP:fanwire:r:a SREM ");
    ck_assert_uint_eq(downs, 0);
}
END_TEST

/* Claims end with the lease, and who goes on sweeping gets them again. */
START_TEST(a_life_that_is_being_swept_is_not_swept_again_for_another_claim)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 1\n";
    channels_say = "r:a";
    sweep_says = "0 3";
    fake_loop_advance(loop, 3000);
    serve_once();
    fake_loop_advance(loop, 3000); /* a second beat, behind the question for channels */
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    expect_served("BEAT:1:2:0 CHANNELS:fanwire:n:000000000000dead:1:c NAMES BEAT:1:3:0 "
                  "SWEEP:fanwire:r:a NAMES SREM "
                  "CHANNELS:fanwire:n:000000000000dead:1:c FORGET ");
    ck_assert_uint_eq(figures().sweeps, 1);
}
END_TEST

/* Whichever of its answers doesn't come any more: of the list, of two channels' entries,
 * of their leaving the list, of the list again. */
static void sweep_until(int answers)
{
    be_up();
    beat_says = "0 1 9999\n000000000000dead -5 1\n";
    channels_say = "r:a\nr:b";
    sweep_says = "0 3";
    fake_loop_advance(loop, 3000);
    serve_once();
    fake_loop_turn(loop);
    beat_says = "0 1 9999\n";
    for (int i = 0; i < answers; i++) {
        serve_once();
        fake_loop_turn(loop);
    }
    ck_assert_uint_gt(fake_stream_written(command)->len, 0);
    forget_written();
}

START_TEST(a_sweep_whose_link_is_lost_is_begun_anew_by_another_claim)
{
    sweep_until(_i);
    go_and_return();
    served[0] = '\0';
    pass(3000);
    expect_served("BEAT:1:4:0 ");
    ck_assert_uint_eq(figures().sweeps, 0);
    beat_says = "0 1 9999\n000000000000dead -5 1\n";
    channels_say = "r:a";
    fake_loop_advance(loop, 3000);
    serve_once();
    beat_says = "0 1 9999\n";
    serve();
    ck_assert_ptr_nonnull(strstr(served, "SWEEP:fanwire:r:a SREM CHANNELS:"));
    ck_assert_ptr_nonnull(strstr(served, "FORGET "));
    ck_assert_uint_eq(figures().sweeps, 1);
}
END_TEST

START_TEST(a_backplane_may_stop_in_the_middle_of_a_sweep)
{
    sweep_until(_i);
    bp->ops->stop(bp);
    ck_assert_uint_eq(figures().sweeps, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_sweep");
    TCase *tc = tcase_create("sweep");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_claimed_life_is_swept_channel_by_channel_and_forgotten);
    tcase_add_test(tc, lives_that_followed_each_other_are_all_looked_through);
    tcase_add_test(tc, a_sweep_that_gets_nowhere_ends_and_does_not_go_round);
    tcase_add_test(tc, a_life_that_is_being_swept_is_not_swept_again_for_another_claim);
    tcase_add_loop_test(tc, a_sweep_whose_link_is_lost_is_begun_anew_by_another_claim, 0,
                        4);
    tcase_add_loop_test(tc, a_backplane_may_stop_in_the_middle_of_a_sweep, 0, 4);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
