/*
 * Memory that is gone at a certain moment, and what is said then. That nothing ends by it
 * whatever the moment, tests/inject looks at; here it is what must be heard of it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/core_rig.h"
#include "support/test_message.h"

/* --- memory that runs out: see CMakeLists.txt --- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int fails; /* so many of the next allocations */

void *__wrap_malloc(size_t size)
{
    return fails > 0 && fails-- > 0 ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails > 0 && fails-- > 0 ? NULL : __real_calloc(n, size);
}

static core_rig rig;
static unsigned results;
static int code;

static void on_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    ck_assert_uint_eq(fw_event_token(e), 5);
    results++;
    code = fw_event_code(e);
}

/* The join of somebody on the second loop gets as far as the first. */
static void join(fwi_conn *c)
{
    ck_assert_ptr_nonnull(c->s);
    fake_loop_turn(rig.loop[1]); /* this thread is that loop's */
    ck_assert_int_eq(fwi_session_join(c->s, "a", &(fwi_join){.ref = 5}), FW_OK);
    fwi_shard_leave_thread();
}

static fwi_conn *ask_to_join(void)
{
    results = 0;
    core_rig_init(&rig, 2, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, on_result, NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    core_rig_settle(&rig);
    join(c);
    return c;
}

START_TEST(a_join_from_another_loop_is_answered_if_the_first_has_no_memory)
{
    fwi_conn *c = ask_to_join();
    fails = 1;
    fake_loop_turn(rig.loop[0]);
    ck_assert_int_eq(fails, 0);
    core_rig_settle(&rig);
    ck_assert_uint_eq(results, 1);
    ck_assert_int_eq(code, FW_ERR_MEMORY);
    ck_assert_uint_eq(c->s->n_places, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_was_turned_away_may_ask_again)
{
    fwi_conn *c = ask_to_join();
    fails = 1;
    core_rig_settle(&rig);
    join(c);
    core_rig_settle(&rig);
    ck_assert_uint_eq(results, 2);
    ck_assert_int_eq(code, FW_OK);
    ck_assert_int_eq(core_publish(&rig, "r:a", "hello"), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "hello"), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_join_to_a_room_with_history_is_answered_as_well)
{
    results = 0;
    core_rig_init(&rig, 2, "room.history.size", "5", NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, on_result, NULL);
    fwi_conn *there = core_connect(&rig, 1, ""), *c = core_connect(&rig, 1, "");
    core_rig_settle(&rig);
    join(there);
    core_rig_settle(&rig);
    ck_assert_int_eq(code, FW_OK);
    join(c);
    fails = 1;
    fake_loop_turn(rig.loop[0]);
    ck_assert_int_eq(fails, 0);
    core_rig_settle(&rig);
    ck_assert_uint_eq(results, 2);
    ck_assert_int_eq(code, FW_ERR_MEMORY);
    ck_assert_uint_eq(c->s->n_places, 0);
    ck_assert_uint_eq(there->s->n_places, 1);
    core_conn_free(there);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_publish_with_a_ref_is_answered_if_there_is_no_memory_to_ask)
{
    results = 0;
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, on_result, NULL);
    fw_message *m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
    ck_assert_int_eq(fwi_hub_publish_ref(&rig.hub, "r:a", m, 5), FW_OK);
    fails = 1; /* this thread isn't the loop's, so it happens in a turn */
    core_rig_settle(&rig);
    ck_assert_int_eq(fails, 0);
    ck_assert_uint_eq(results, 1);
    ck_assert_int_eq(code, FW_ERR_MEMORY);
    ck_assert_int_eq(fwi_hub_publish_ref(&rig.hub, "r:a", m, 5), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(results, 2);
    ck_assert_int_eq(code, FW_OK);
    fw_message_unref(m);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory_gone");
    TCase *tc = tcase_create("memory_gone");
    tcase_add_test(tc, a_join_from_another_loop_is_answered_if_the_first_has_no_memory);
    tcase_add_test(tc, a_publish_with_a_ref_is_answered_if_there_is_no_memory_to_ask);
    tcase_add_test(tc, who_was_turned_away_may_ask_again);
    tcase_add_test(tc, a_join_to_a_room_with_history_is_answered_as_well);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
