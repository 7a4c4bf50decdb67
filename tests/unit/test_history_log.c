/*
 * What a node remembers of its rooms: a run without a hole, bounded a room and in all.
 */
#include <check.h>
#include <stdio.h>

#include "core/history_log.h"
#include "support/test_message.h"

enum { EPOCH = 7 };

static fwi_history_cache cache;
static fwi_history_log log_a, log_b;

static fw_message *message(uint64_t offset)
{
    char text[100];
    int n = snprintf(text, sizeof text, "%099d", (int)offset);
    fw_message *m = test_message(FWI_MSG_DATA, text, (size_t)n, FW_TEXT);
    m->at = (fwi_position){EPOCH, offset};
    return m;
}

static void set_up(size_t max_bytes, uint32_t max)
{
    fwi_history_cache_init(&cache, max_bytes);
    fwi_history_log_init(&log_a, &cache, max);
    fwi_history_log_init(&log_b, &cache, max);
    fwi_history_log_start(&log_a, (fwi_position){EPOCH, 100});
    fwi_history_log_start(&log_b, (fwi_position){EPOCH, 100});
}

static void tear_down(void)
{
    fwi_history_log_fini(&log_a);
    fwi_history_log_fini(&log_b);
    ck_assert_uint_eq(cache.bytes, 0);
    ck_assert(fwi_list_is_empty(&cache.used));
}

static void say(fwi_history_log *log, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        fw_message *m = message(i);
        fwi_history_log_append(log, m);
        fw_message_unref(m);
        fwi_history_cache_trim(&cache);
    }
}

/* It has these and no others, whichever way it is asked. */
static void holds(const fwi_history_log *log, uint64_t first, uint64_t last)
{
    ck_assert_uint_eq(log->base.offset, first - 1);
    ck_assert_uint_eq(fwi_history_log_top(log).offset, last);
    ck_assert(!fwi_history_log_covers(log, first - 2));
    ck_assert(!fwi_history_log_covers(log, last + 1));
    for (uint64_t from = first - 1; from <= last; from++) {
        ck_assert(fwi_history_log_covers(log, from));
        fwi_history_slice *s = fwi_history_log_slice(log, from);
        ck_assert_uint_eq(s->n, last - from);
        ck_assert(fwi_history_log_fits(log, from, s->bytes));
        ck_assert(s->bytes == 0 || !fwi_history_log_fits(log, from, s->bytes - 1));
        for (size_t i = 0; i < s->n; i++) {
            ck_assert_uint_eq(s->m[i]->at.offset, from + 1 + i);
        }
        fwi_history_slice_free(s);
    }
}

START_TEST(what_a_client_says_of_itself_costs_as_well)
{
    static const char info[1000];
    const fwi_origin like = {.user = "ann",
                             .node_name = "me",
                             .info = info,
                             .info_len = sizeof info,
                             .room_info = info,
                             .room_info_len = sizeof info};
    fw_message *m = message(1);
    size_t bare = fwi_message_cost(m);
    m->origin = fwi_origin_copy(&like);
    ck_assert_ptr_nonnull(m->origin);
    ck_assert_uint_ge(fwi_message_cost(m), bare + 2 * sizeof info);
    fw_message_unref(m);
}
END_TEST

START_TEST(a_log_holds_the_newest_of_a_room)
{
    set_up(1 << 20, 20);
    holds(&log_a, 101, 100);
    say(&log_a, 101, 110);
    holds(&log_a, 101, 110);
    say(&log_a, 111, 150);
    holds(&log_a, 131, 150);
    tear_down();
}
END_TEST

START_TEST(what_was_before_is_put_in_front)
{
    set_up(1 << 20, 40);
    say(&log_a, 101, 110);
    fw_message *past[50];
    for (uint64_t i = 0; i < 50; i++) {
        past[i] = message(51 + i);
    }
    fwi_history_log_prepend(&log_a, past, 50);
    holds(&log_a, 71, 110);
    say(&log_a, 111, 115);
    holds(&log_a, 76, 115);
    tear_down();
}
END_TEST

START_TEST(what_was_said_longest_ago_goes_first)
{
    fw_message *m = message(1);
    size_t one = fwi_message_cost(m);
    fw_message_unref(m);
    set_up(20 * one, 100);
    say(&log_a, 101, 115);
    say(&log_b, 101, 110);
    holds(&log_a, 106, 115);
    holds(&log_b, 101, 110);
    say(&log_b, 111, 125);
    holds(&log_a, 116, 115); /* nothing of it, and it goes on from there */
    holds(&log_b, 106, 125);
    say(&log_a, 116, 117);
    holds(&log_a, 116, 117);
    holds(&log_b, 108, 125);
    ck_assert_uint_eq(cache.bytes, 20 * one);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history_log");
    TCase *tc = tcase_create("history_log");
    tcase_add_test(tc, what_a_client_says_of_itself_costs_as_well);
    tcase_add_test(tc, a_log_holds_the_newest_of_a_room);
    tcase_add_test(tc, what_was_before_is_put_in_front);
    tcase_add_test(tc, what_was_said_longest_ago_goes_first);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
