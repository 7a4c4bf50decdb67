/*
 * What the memory backplane keeps of rooms with history, and in which order it tells what
 * became of it. What every backplane does is in test_backplane_contract.c; here the clock
 * is wound by hand.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <fanwire/error.h>

#include "backplane/backplanes.h"
#include "support/fake_loop.h"
#include "support/test_message.h"

enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };

static fwi_loop *loop;
static fwi_backplane *bp;
static char heard[2048];
static fwi_position last_at, top;

static void note(const char *format, ...)
{
    size_t n = strlen(heard);
    va_list ap;
    va_start(ap, format);
    vsnprintf(heard + n, sizeof heard - n, format, ap);
    va_end(ap);
}

static void on_subscribed(void *user, const char *channel)
{
    (void)user;
    note("+%s ", channel);
}

static void note_message(fw_message *m)
{
    note("%s@%" PRIu64 " ", (const char *)fwi_message_bytes(m), m->at.offset);
}

static void on_message(void *user, const char *channel, fw_message *m)
{
    (void)user;
    (void)channel;
    note_message(m);
}

static void on_state(void *user, bool up, const char *why)
{
    (void)user;
    (void)up;
    (void)why;
}

static void on_published(void *user, uint64_t ref, const fwi_published *what)
{
    (void)user;
    note("#%" PRIu64 "=%s ", ref, fw_err_name(what->err));
    last_at = what->at;
}

static void on_history(void *user, uint64_t ref, const fwi_history_page *page)
{
    (void)user;
    note("page%" PRIu64 "=%s[", ref, fw_err_name(page->err));
    for (size_t i = 0; i < page->n; i++) {
        note_message(page->messages[i]);
    }
    note("]%" PRIu64 " ", page->top.offset);
    top = page->top;
}

static const fwi_backplane_sink sink = {.on_subscribed = on_subscribed,
                                        .on_message = on_message,
                                        .on_state = on_state,
                                        .on_published = on_published,
                                        .on_history = on_history};

static void begin(void)
{
    heard[0] = '\0';
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

static void keep(const char *channel, const char *text, const char *key, uint64_t ref)
{
    const fwi_terms terms = {3, 60 * SECOND, ref};
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    m->key = key != NULL ? strdup(key) : NULL;
    ck_assert(bp->ops->publish(bp, channel, m, &terms));
    fw_message_unref(m);
}

static void ask(const fwi_history_query *q, uint64_t ref)
{
    ck_assert(bp->ops->read_history(bp, "r:a", q, ref));
}

static void expect(const char *want)
{
    bp->ops->flush(bp);
    ck_assert_str_eq(heard, want);
    heard[0] = '\0';
}

static const fwi_history_query all = {.limit = 100, .history_ttl_ms = 60 * SECOND};

START_TEST(messages_pages_and_results_come_in_the_order_of_the_calls)
{
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    keep("r:a", "one", NULL, 7);
    ask(&all, 1);
    keep("r:a", "two", NULL, 0);
    ask(&all, 2);
    expect("+r:a one@1 #7=FW_OK page1=FW_OK[one@1 ]1 two@2 page2=FW_OK[one@1 two@2 ]2 ");
    ck_assert_uint_ne(top.epoch, 0);
    ck_assert_uint_eq(last_at.epoch, top.epoch);
}
END_TEST

START_TEST(a_message_of_two_rooms_has_a_position_in_each)
{
    const fwi_terms terms = {3, 60 * SECOND, 0};
    fw_message *m = test_message(FWI_MSG_DATA, "both", 4, FW_TEXT);
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    ck_assert(bp->ops->subscribe(bp, "r:b"));
    keep("r:b", "first", NULL, 0);
    ck_assert(bp->ops->publish(bp, "r:a", m, &terms));
    ck_assert(bp->ops->publish(bp, "r:b", m, &terms));
    expect("+r:a +r:b first@1 both@1 both@2 ");
    ck_assert_uint_eq(m->at.epoch, 0);
    fw_message_unref(m);
}
END_TEST

START_TEST(messages_expire_and_their_offsets_go_on)
{
    keep("r:a", "one", NULL, 0);
    keep("r:a", "two", NULL, 0);
    bp->ops->flush(bp);
    fake_loop_advance(loop, 59 * SECOND);
    ask(&all, 1);
    expect("page1=FW_OK[one@1 two@2 ]2 ");
    uint64_t epoch = top.epoch;
    fake_loop_advance(loop, 2 * SECOND);
    ask(&all, 2);
    keep("r:a", "three", NULL, 0);
    ask(&all, 3);
    expect("page2=FW_OK[]2 page3=FW_OK[three@3 ]3 ");
    ck_assert_uint_eq(top.epoch, epoch);
}
END_TEST

START_TEST(a_room_silent_for_a_day_begins_anew)
{
    keep("r:a", "one", NULL, 9);
    bp->ops->flush(bp);
    heard[0] = '\0';
    fake_loop_advance(loop, DAY + SECOND);
    keep("r:a", "new", NULL, 0);
    ask(&all, 1);
    expect("page1=FW_OK[new@1 ]1 ");
    ck_assert_uint_ne(top.epoch, last_at.epoch);
}
END_TEST

START_TEST(a_key_is_known_for_five_minutes)
{
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    keep("r:a", "one", "k", 1);
    keep("r:a", "again", "k", 2);
    keep("r:b", "elsewhere", "k", 0);
    expect("+r:a one@1 #1=FW_OK #2=FW_OK ");
    ck_assert_uint_eq(last_at.offset, 1);
    fwi_backplane_figures f;
    bp->ops->figures(bp, &f);
    ck_assert_uint_eq(f.kept, 2);
    ck_assert_uint_eq(f.repeated, 1);
    fake_loop_advance(loop, 301 * SECOND);
    keep("r:a", "later", "k", 3);
    expect("later@2 #3=FW_OK ");
}
END_TEST

START_TEST(more_keys_than_are_remembered_push_out_the_oldest)
{
    char name[32];
    for (unsigned i = 0; i <= 65536; i++) {
        snprintf(name, sizeof name, "%u", i);
        keep("r:a", "x", name, 0);
    }
    for (int i = 0; i < 10; i++) {
        bp->ops->flush(bp);
    }
    keep("r:a", "x", "1", 1);
    keep("r:a", "x", "0", 2);
    bp->ops->flush(bp);
    ck_assert_uint_eq(last_at.offset, 65538);
}
END_TEST

START_TEST(what_waits_when_it_is_stopped_is_told)
{
    fw_message *m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
    ck_assert(bp->ops->publish(bp, "r:p", m, &(fwi_terms){.ref = 3}));
    fw_message_unref(m);
    keep("r:a", "one", NULL, 4);
    ask(&all, 5);
    ck_assert(bp->ops->forget_history(bp, "r:a", 6));
    bp->ops->stop(bp);
    expect("#3=FW_ERR_CLOSED #4=FW_ERR_CLOSED page5=FW_ERR_CLOSED[]0 #6=FW_ERR_CLOSED ");
}
END_TEST

START_TEST(who_subscribes_before_a_kept_message_has_its_position_hears_it)
{
    keep("r:a", "one", NULL, 0);
    ck_assert(bp->ops->subscribe(bp, "r:a"));
    expect("+r:a one@1 ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory_history");
    TCase *tc = tcase_create("history");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, messages_pages_and_results_come_in_the_order_of_the_calls);
    tcase_add_test(tc, a_message_of_two_rooms_has_a_position_in_each);
    tcase_add_test(tc, messages_expire_and_their_offsets_go_on);
    tcase_add_test(tc, a_room_silent_for_a_day_begins_anew);
    tcase_add_test(tc, a_key_is_known_for_five_minutes);
    tcase_add_test(tc, more_keys_than_are_remembered_push_out_the_oldest);
    tcase_add_test(tc, what_waits_when_it_is_stopped_is_told);
    tcase_add_test(tc, who_subscribes_before_a_kept_message_has_its_position_hears_it);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
