/*
 * What clients of the Centrifuge protocol are told when it can't be done now: nobody
 * decided in time, too much waits already, the backplane has no answer.
 */
#include "unit/centrifuge_rig.h"

#include "core/decision.h"
#include "support/fake_backplane.h"
#include "wire/name.h"

#define INTERNAL                                                                         \
    "{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\","           \
    "\"temporary\":true}}"
#define TOO_MANY                                                                         \
    "{\"id\":2,\"error\":{\"code\":111,\"message\":\"too many requests\","               \
    "\"temporary\":true}}"
#define PUBLISH "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}"

static unsigned questions;

static void on_question(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    question = fw_event_token(e);
    questions++;
}

/* --- the application --- */

static const char *const undecided[] = {
    "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
    "{\"id\":2,\"rpc\":{\"method\":\"m\"}}",
};

START_TEST(what_nobody_decides_in_time_fails_for_now_and_a_later_word_is_too_late)
{
    questions = 0;
    core_rig_init(&rig, 1, "client.anonymous", "on", "decision.timeout", "2s", NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, on_question, NULL);
    core_rig_on(&rig, FW_EVENT_RPC, on_question, NULL);
    fwi_conn *c = enter(0);
    say(c, "%s", undecided[_i]);
    ck_assert_uint_eq(questions, 1);
    core_rig_advance(&rig, 1900);
    hears_nothing(c);
    core_rig_advance(&rig, 200);
    hears(c, INTERNAL);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DECISION_TIMEOUTS), 1);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, ""), FW_ERR_GONE);
    hears_nothing(c);
    say(c, "%s", undecided[_i]);
    ck_assert_uint_eq(questions, 2); /* it may ask again */
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_call_whose_name_is_not_allowed_reaches_nobody)
{
    char name[FWI_NAME_MAX + 2];
    memset(name, 'm', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    questions = 0;
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    core_rig_on(&rig, FW_EVENT_RPC, on_question, NULL);
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"rpc\":{\"method\":\"%s\"}}", name);
    hears(c, "{\"id\":2,\"error\":{\"code\":107,\"message\":\"the method's name is not "
             "allowed\"}}");
    ck_assert_uint_eq(questions, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- the way to loop 0 --- */

START_TEST(a_publish_that_finds_no_room_on_its_way_is_to_come_again)
{
    core_rig_init(&rig, 2, "client.insecure", "on", "inbox.max_bytes", "64KiB", NULL);
    fwi_conn *c = enter(1);
    while (core_publish(&rig, "r:a", "1") == FW_OK) {
    }
    core_conn_say(c, PUBLISH);
    ck_assert_uint_eq(fwi_stat_get(&rig.hub.outside, FWI_STAT_LIMIT_INBOX), 2);
    hears(c, TOO_MANY);
    say(c, PUBLISH);
    hears(c, "{\"id\":2,\"publish\":{}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- the backplane --- */

static void open_with_fake(void)
{
    core_rig_backplane = fake_backplane_new;
    core_rig_init(&rig, 1, "client.insecure", "on", "room.history.size", "10", NULL);
}

static void close_fake(void)
{
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}

static const struct {
    int err;
    const char *answer;
} unpublished[] = {
    {FW_ERR_BUSY, TOO_MANY},
    {FW_ERR_TIMEOUT, INTERNAL},
    {FW_ERR_BACKPLANE, INTERNAL},
    {FW_OK, "{\"id\":2,\"publish\":{}}"},
};

START_TEST(a_publish_is_answered_with_what_has_become_of_it)
{
    open_with_fake();
    fwi_conn *c = enter(0);
    say(c, PUBLISH);
    hears_nothing(c);
    const fake_backplane *fb = fake_backplane_last;
    const fake_publish *p = &fb->publish[fb->n_publishes - 1];
    ck_assert_str_eq(p->channel, "r:a");
    fake_published(p->terms.ref, unpublished[_i].err, 1, 1);
    hears(c, unpublished[_i].answer);
    say(c, "{\"id\":3,\"ping\":{}}");
    hears(c, "{\"id\":3,\"ping\":{}}");
    core_conn_free(c);
    close_fake();
}
END_TEST

START_TEST(a_history_that_can_t_be_read_is_an_error_that_passes)
{
    open_with_fake();
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":1}}");
    hears_nothing(c);
    ck_assert_uint_eq(fake_waiting(), 1);
    fake_answer_error();
    hears(c, INTERNAL);
    core_conn_free(c);
    close_fake();
}
END_TEST

START_TEST(who_leaves_with_a_question_open_is_answered_no_more)
{
    open_with_fake();
    fwi_conn *c = enter(0);
    say(c, "{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":1}}");
    ck_assert_uint_eq(fake_waiting(), 1);
    core_conn_free(c);
    fake_answer(1, 1, 1, 1);
    core_rig_settle(&rig);
    close_fake();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_failures");
    TCase *tc = tcase_create("all");
    tcase_add_loop_test(
        tc, what_nobody_decides_in_time_fails_for_now_and_a_later_word_is_too_late, 0,
        FWI_ARRAY_LEN(undecided));
    tcase_add_test(tc, a_call_whose_name_is_not_allowed_reaches_nobody);
    tcase_add_test(tc, a_publish_that_finds_no_room_on_its_way_is_to_come_again);
    tcase_add_loop_test(tc, a_publish_is_answered_with_what_has_become_of_it, 0,
                        FWI_ARRAY_LEN(unpublished));
    tcase_add_test(tc, a_history_that_can_t_be_read_is_an_error_that_passes);
    tcase_add_test(tc, who_leaves_with_a_question_open_is_answered_no_more);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
