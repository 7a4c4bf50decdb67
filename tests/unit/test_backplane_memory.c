/*
 * The backplane of one process: same promises as Redis', no network.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/backplanes.h"
#include "core/error.h"
#include "support/fake_loop.h"
#include "support/test_message.h"

static fwi_loop *loop;
static fwi_backplane *bp;
static char heard[1024];
static unsigned messages, ups;
static unsigned replies_left; /* answers each message with another, so many times */
static const char *leave_on_report;
static const char *leave_on_message;

static void publish(const char *channel, const char *text)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    ck_assert(m != NULL && bp->ops->publish(bp, channel, m, NULL));
    fw_message_unref(m);
}

static void note(const char *a, const char *b, const char *c)
{
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "%s%s%s ", a, b, c);
}

static void on_subscribed(void *user, const char *channel)
{
    (void)user;
    note("+", channel, "");
    if (leave_on_report != NULL) {
        bp->ops->unsubscribe(bp, leave_on_report);
    }
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    (void)user;
    messages++;
    note(channel, "=", (const char *)fwi_message_bytes(m));
    if (replies_left > 0) {
        replies_left--;
        publish(channel, "r");
    }
    if (leave_on_message != NULL) {
        bp->ops->unsubscribe(bp, leave_on_message);
        note("left ", channel, "");
    }
}

static void on_state(void *user, bool up, const char *why)
{
    (void)user;
    (void)why;
    ups += up;
}

static void on_members(void *user, uint64_t ref, const fwi_member_page *page)
{
    (void)user;
    ck_assert_uint_eq(ref, 5);
    note("members", "=", fw_err_name(page->err));
}

static const fwi_backplane_sink sink = {.on_subscribed = on_subscribed,
                                        .on_message = on_message,
                                        .on_state = on_state,
                                        .on_members = on_members};

static void begin(void)
{
    heard[0] = '\0';
    messages = ups = replies_left = 0;
    leave_on_report = leave_on_message = NULL;
    loop = fake_loop_new(NULL, NULL);
    bp = fwi_backplane_memory_new(loop, &sink, NULL);
    ck_assert_ptr_nonnull(bp);
    ck_assert_int_eq(bp->ops->start(bp), 0);
}

static void end(void)
{
    bp->ops->stop(bp);
    bp->ops->free(bp);
    fake_loop_free(loop);
}

START_TEST(start_wakes_the_loop_and_flush_says_up_once)
{
    ck_assert(fake_loop_is_woken(loop));
    ck_assert_uint_eq(ups, 0);
    bp->ops->flush(bp);
    bp->ops->flush(bp);
    ck_assert_uint_eq(ups, 1);
}
END_TEST

START_TEST(nothing_is_told_before_flush_and_then_in_order)
{
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "1");
    publish("r:b", "nobody");
    publish("r:a", "2");
    ck_assert_str_eq(heard, "");
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "+r:a r:a=1 r:a=2 ");
}
END_TEST

START_TEST(what_a_handler_publishes_comes_in_the_same_flush)
{
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "1");
    replies_left = 2;
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "+r:a r:a=1 r:a=r r:a=r ");
}
END_TEST

START_TEST(an_endless_conversation_is_cut_and_the_loop_woken)
{
    bp->ops->subscribe(bp, "r:a");
    bp->ops->flush(bp);
    fake_loop_deliver_wake(loop);
    publish("r:a", "1");
    replies_left = 25000;
    bp->ops->flush(bp);
    ck_assert_uint_eq(messages, 10000);
    ck_assert(fake_loop_is_woken(loop));
    bp->ops->flush(bp);
    bp->ops->flush(bp);
    ck_assert_uint_eq(messages, 25001);
}
END_TEST

START_TEST(leaving_forgets_what_is_queued_even_when_entered_again)
{
    bp->ops->subscribe(bp, "r:a");
    bp->ops->flush(bp);
    heard[0] = '\0';
    publish("r:a", "old");
    bp->ops->unsubscribe(bp, "r:a");
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "new");
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "+r:a r:a=new ");
}
END_TEST

START_TEST(a_subscription_taken_back_before_flush_is_not_reported)
{
    bp->ops->subscribe(bp, "r:a");
    bp->ops->unsubscribe(bp, "r:a");
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "");
}
END_TEST

START_TEST(leaving_inside_the_report_is_safe)
{
    bp->ops->subscribe(bp, "r:a");
    leave_on_report = "r:a";
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "+r:a ");
    fwi_backplane_figures f;
    bp->ops->figures(bp, &f);
    ck_assert_uint_eq(f.channels, 0);
    ck_assert(f.up);
}
END_TEST

START_TEST(leaving_inside_a_message_forgets_the_rest)
{
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    ck_assert(bp->ops->subscribe(bp, "r:b"));
    bp->ops->flush(bp);
    heard[0] = '\0';
    for (int i = 0; i < 300; i++) {
        publish("r:a", "x");
    }
    publish("r:b", "y");
    leave_on_message = "r:a";
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "r:a=x left r:a r:b=y left r:b ");
    publish("r:b", "queued at the end");
}
END_TEST

START_TEST(nothing_comes_after_stop)
{
    bp->ops->subscribe(bp, "r:a");
    publish("r:a", "1");
    bp->ops->stop(bp);
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "");
}
END_TEST

START_TEST(who_asks_who_is_there_is_told_when_it_is_stopped)
{
    ck_assert(bp->ops->read_presence(bp, "r:a", 0, 10, 5));
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, "members=FW_OK ");
    ck_assert(bp->ops->read_nodes(bp, 5));
    bp->ops->stop(bp);
    ck_assert_str_eq(heard, "members=FW_OK members=FW_ERR_CLOSED ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backplane_memory");
    TCase *tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, start_wakes_the_loop_and_flush_says_up_once);
    tcase_add_test(tc, nothing_is_told_before_flush_and_then_in_order);
    tcase_add_test(tc, what_a_handler_publishes_comes_in_the_same_flush);
    tcase_add_test(tc, an_endless_conversation_is_cut_and_the_loop_woken);
    tcase_add_test(tc, leaving_forgets_what_is_queued_even_when_entered_again);
    tcase_add_test(tc, a_subscription_taken_back_before_flush_is_not_reported);
    tcase_add_test(tc, leaving_inside_the_report_is_safe);
    tcase_add_test(tc, leaving_inside_a_message_forgets_the_rest);
    tcase_add_test(tc, nothing_comes_after_stop);
    tcase_add_test(tc, who_asks_who_is_there_is_told_when_it_is_stopped);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
