/*
 * The bookkeeping of subscriptions, above all: "confirmed" means that the last SUBSCRIBE
 * was answered, however quickly the hub changed its mind.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_channels.h"

/* Plays a script on one channel "r:a":
 *   + want  - unwant  ! commands go out  s SUBSCRIBE answered  u UNSUBSCRIBE answered
 *   D link lost  U link there
 * and says whether it is confirmed at the end, and how often it was reported. */
static const struct {
    const char *name, *script;
    bool confirmed;
    unsigned reports;
} cases[] = {
    {"not asked yet", "+", false, 0},
    {"asked", "+!", false, 0},
    {"answered", "+!s", true, 1},
    {"left before it was asked for", "+-!", false, 0},
    {"left and entered before anything was sent", "+-+!s", true, 1},
    {"left while the answer is outstanding", "+!-!s", false, 0},
    {"all of it settled", "+!-!su", false, 0},
    {"entered again: the first answer isn't the one", "+!-!+!s", false, 0},
    {"entered again: nor is the second", "+!-!+!su", false, 0},
    {"entered again: the third is", "+!-!+!sus", true, 1},
    {"left and entered in one turn while asked", "+!-+!s", true, 1},
    {"left and entered in one turn when confirmed", "+!s-+!", true, 2},
    {"left and entered in two turns when confirmed", "+!s-!+!u", false, 1},
    {"and answered", "+!s-!+!us", true, 2},
    {"the link is lost", "+!sD", false, 1},
    {"the link is back", "+!sDU!", false, 1},
    {"and confirmed: no second report", "+!sDU!s", true, 1},
    {"lost before the answer", "+!DU!s", true, 1},
    {"left while away", "+!sD-U!", false, 1},
    {"answers nobody asked for", "+!ssu", true, 1},
};

static void play(fwi_redis_channels *cs, char step)
{
    fwi_redis_channel *batch[4];
    bool subscribe;
    switch (step) {
    case '+':
        ck_assert_ptr_nonnull(fwi_redis_channels_want(cs, "r:a"));
        break;
    case '-':
        fwi_redis_channels_unwant(cs, "r:a");
        break;
    case '!':
        while (fwi_redis_channels_batch(cs, &subscribe, batch, 4) > 0) {
        }
        break;
    case 's':
    case 'u':
        fwi_redis_channels_acked(cs, "r:a", step == 's');
        break;
    case 'D':
        fwi_redis_channels_link_down(cs);
        break;
    default:
        fwi_redis_channels_link_up(cs);
        break;
    }
}

START_TEST(confirmed_is_when_the_last_subscribe_was_answered)
{
    fwi_redis_channels cs;
    unsigned reports = 0;
    fwi_redis_channels_init(&cs);
    for (const char *p = cases[_i].script; *p != '\0'; p++) {
        play(&cs, *p);
        while (fwi_redis_channels_next_report(&cs) != NULL) {
            reports++;
        }
    }
    const fwi_redis_channel *c = fwi_redis_channels_find(&cs, "r:a");
    bool confirmed = c != NULL && c->confirmed;
    ck_assert_msg(confirmed == cases[_i].confirmed, "%s: confirmed %d", cases[_i].name,
                  confirmed);
    ck_assert_msg(reports == cases[_i].reports, "%s: %u reports", cases[_i].name,
                  reports);
    ck_assert_uint_eq(cs.wanted, c != NULL);
    fwi_redis_channels_fini(&cs);
}
END_TEST

START_TEST(a_channel_left_and_settled_is_forgotten)
{
    fwi_redis_channels cs;
    fwi_redis_channels_init(&cs);
    for (const char *p = "+!-!su"; *p != '\0'; p++) {
        play(&cs, *p);
    }
    ck_assert_uint_eq(HASH_COUNT(cs.table), 0);
    ck_assert(!fwi_redis_channels_acked(&cs, "r:a", true));
    fwi_redis_channels_fini(&cs);
}
END_TEST

START_TEST(batches_hold_one_command_and_no_more_than_allowed)
{
    fwi_redis_channels cs;
    fwi_redis_channel *batch[512];
    bool subscribe = false;
    fwi_redis_channels_init(&cs);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "r:%d", i);
        fwi_redis_channels_want(&cs, name);
    }
    ck_assert_uint_eq(fwi_redis_channels_batch(&cs, &subscribe, batch, 512), 512);
    ck_assert(subscribe);
    ck_assert_str_eq(batch[0]->name, "r:0");
    ck_assert_str_eq(batch[511]->name, "r:511");
    fwi_redis_channels_unwant(&cs, "r:5");   /* asked for: must be taken back */
    fwi_redis_channels_unwant(&cs, "r:600"); /* never asked for: nothing to do */
    ck_assert_uint_eq(fwi_redis_channels_batch(&cs, &subscribe, batch, 512), 487);
    ck_assert(subscribe);
    ck_assert_uint_eq(fwi_redis_channels_batch(&cs, &subscribe, batch, 512), 1);
    ck_assert(!subscribe);
    ck_assert_str_eq(batch[0]->name, "r:5");
    ck_assert_uint_eq(fwi_redis_channels_batch(&cs, &subscribe, batch, 512), 0);
    fwi_redis_channels_fini(&cs);
}
END_TEST

START_TEST(a_return_awaits_what_was_wanted_then_and_not_what_comes_later)
{
    fwi_redis_channels cs;
    fwi_redis_channel *batch[8];
    bool subscribe;
    fwi_redis_channels_init(&cs);
    fwi_redis_channels_want(&cs, "r:a");
    fwi_redis_channels_want(&cs, "r:b");
    fwi_redis_channels_want(&cs, "r:c");
    fwi_redis_channels_link_up(&cs);
    fwi_redis_channels_want(&cs, "r:later");
    ck_assert_uint_eq(cs.awaited, 3);
    fwi_redis_channels_batch(&cs, &subscribe, batch, 8);
    fwi_redis_channels_unwant(&cs, "r:b");
    ck_assert_uint_eq(cs.awaited, 2);
    ck_assert(fwi_redis_channels_acked(&cs, "r:a", true));
    ck_assert(fwi_redis_channels_acked(&cs, "r:b", true));
    ck_assert(fwi_redis_channels_acked(&cs, "r:c", true));
    ck_assert_uint_eq(cs.awaited, 0);
    fwi_redis_channels_fini(&cs);
}
END_TEST

START_TEST(a_hint_is_worth_nothing_once_a_channel_was_dropped)
{
    fwi_redis_channels cs;
    fwi_redis_channels_init(&cs);
    fwi_redis_channel_hint hint = {0};
    ck_assert_ptr_null(fwi_redis_channels_find_again(&cs, "r:a", &hint));
    fwi_redis_channel *c = fwi_redis_channels_want(&cs, "r:a");
    ck_assert_ptr_eq(fwi_redis_channels_find_again(&cs, "r:a", &hint), c);
    ck_assert_ptr_eq(fwi_redis_channels_find_again(&cs, "r:a", &hint), c);

    fwi_redis_channels_unwant(&cs, "r:a"); /* never asked for: dropped at once */
    ck_assert_ptr_null(fwi_redis_channels_find_again(&cs, "r:a", &hint));
    c = fwi_redis_channels_want(&cs, "r:a");
    ck_assert_ptr_eq(fwi_redis_channels_find_again(&cs, "r:a", &hint), c);

    fwi_redis_channel *batch[4];
    bool subscribe;
    ck_assert_uint_eq(fwi_redis_channels_batch(&cs, &subscribe, batch, 4), 1);
    fwi_redis_channels_unwant(&cs, "r:a"); /* asked for: stays, and isn't subscribed */
    ck_assert_ptr_null(fwi_redis_channels_find_again(&cs, "r:a", &hint));
    fwi_redis_channels_fini(&cs);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_channels");
    TCase *tc = tcase_create("channels");
    tcase_add_loop_test(tc, confirmed_is_when_the_last_subscribe_was_answered, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, a_channel_left_and_settled_is_forgotten);
    tcase_add_test(tc, batches_hold_one_command_and_no_more_than_allowed);
    tcase_add_test(tc, a_return_awaits_what_was_wanted_then_and_not_what_comes_later);
    tcase_add_test(tc, a_hint_is_worth_nothing_once_a_channel_was_dropped);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
