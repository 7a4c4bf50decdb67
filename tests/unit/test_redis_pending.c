/*
 * Own publishes that wait for answer and echo, and the queue of what was asked.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/redis_pending.h"
#include "support/test_message.h"

static fwi_redis_pending pending;
static fw_message *m;

static void begin(void)
{
    fwi_redis_pending_init(&pending);
    m = test_message(FWI_MSG_DATA, "x", 1, FW_TEXT);
}

static void end(void)
{
    fwi_redis_pending_fini(&pending);
    fw_message_unref(m);
}

static fwi_redis_publish *add(uint64_t subscription)
{
    fwi_redis_publish *e =
        fwi_redis_pending_add(&pending, "r:a", m, subscription, 5, NULL);
    ck_assert_ptr_nonnull(e);
    return e;
}

START_TEST(serials_rise_from_one)
{
    for (uint64_t want = 1; want <= 3; want++) {
        ck_assert_uint_eq(add(1)->serial, want);
        ck_assert_ptr_nonnull(fwi_redis_pending_find(&pending, want));
    }
}
END_TEST

START_TEST(an_entry_stays_until_it_is_answered_and_delivered)
{
    static const struct {
        uint64_t subscription;
        bool answered, delivered, gone;
    } cases[] = {
        {1, false, false, false}, {1, true, false, false},  {1, false, true, false},
        {1, true, true, true},    {0, false, false, false}, {0, true, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fwi_redis_publish *e = add(cases[i].subscription);
        uint64_t serial = e->serial;
        e->answered = cases[i].answered;
        if (cases[i].delivered) {
            fwi_redis_publish_set_delivered(e);
        }
        fwi_redis_pending_release(&pending, e);
        ck_assert_msg((fwi_redis_pending_find(&pending, serial) == NULL) == cases[i].gone,
                      "case %zu", i);
    }
}
END_TEST

START_TEST(bytes_are_those_of_what_is_there)
{
    fwi_redis_publish *e = add(0);
    add(0);
    ck_assert_uint_eq(pending.bytes, 2 * fwi_message_cost(m));
    e->answered = true;
    fwi_redis_pending_release(&pending, e);
    ck_assert_uint_eq(pending.bytes, fwi_message_cost(m));
}
END_TEST

START_TEST(a_lost_link_puts_the_unanswered_back_in_order)
{
    for (int i = 0; i < 5; i++) {
        fwi_redis_publish *e = add(1);
        if (i < 4) {
            fwi_redis_publish_set_sent(e);
        }
        e->answered = i == 1;
    }
    ck_assert_uint_eq(fwi_redis_pending_next_unsent(&pending)->serial, 5);
    fwi_redis_pending_link_down(&pending);
    static const uint64_t want[] = {1, 3, 4, 5};
    for (size_t i = 0; i < 4; i++) {
        fwi_redis_publish *e = fwi_redis_pending_next_unsent(&pending);
        ck_assert_uint_eq(e->serial, want[i]);
        fwi_redis_publish_set_sent(e);
    }
    ck_assert_ptr_null(fwi_redis_pending_next_unsent(&pending));
    ck_assert_uint_eq(fwi_redis_pending_next_local(&pending)->serial, 1);
}
END_TEST

static const fwi_terms kept = {10, 60000, 0};

static fwi_redis_publish *send_kept(const char *room)
{
    fwi_redis_publish *e = fwi_redis_pending_add(&pending, room, m, 0, 5, &kept);
    ck_assert_ptr_nonnull(e);
    fwi_redis_publish_set_sent(e);
    return e;
}

static uint64_t follow(fwi_redis_publish *e)
{
    uint64_t before;
    ck_assert(fwi_redis_pending_follow(&pending, e, &before));
    return before;
}

static void answered(fwi_redis_publish *e)
{
    e->answered = true;
    fwi_redis_pending_release(&pending, e);
}

START_TEST(each_kept_one_follows_the_one_before_it_in_its_room_until_that_is_answered)
{
    fwi_redis_publish *a1 = send_kept("r:a"), *b1 = send_kept("r:b");
    ck_assert_uint_eq(follow(a1), 0);
    ck_assert_uint_eq(follow(b1), 0);
    fwi_redis_publish *a2 = send_kept("r:a");
    ck_assert_uint_eq(follow(a2), a1->serial);
    answered(a1);
    answered(a2);
    ck_assert_uint_eq(follow(send_kept("r:a")), 0);
    fwi_redis_pending_link_down(&pending);
    ck_assert_uint_eq(follow(send_kept("r:b")), 0);
}
END_TEST

START_TEST(what_is_put_aside_comes_back_when_nothing_of_its_room_is_on_its_way)
{
    fwi_redis_publish *a1 = send_kept("r:a"), *a2 = send_kept("r:a");
    fwi_redis_publish *b1 = send_kept("r:b");
    follow(a1);
    follow(a2);
    follow(b1);
    fwi_redis_publish *plain = add(0);
    fwi_redis_pending_put_aside(&pending, a1);
    fwi_redis_pending_put_aside(&pending, b1);
    ck_assert(!fwi_redis_pending_is_behind(&pending, a2));
    ck_assert(fwi_redis_pending_is_behind(&pending, b1));
    fwi_redis_pending_resume(&pending, false);
    ck_assert_ptr_eq(fwi_redis_pending_next_unsent(&pending), b1);
    fwi_redis_publish_set_sent(b1);
    ck_assert_ptr_eq(fwi_redis_pending_next_unsent(&pending), plain);
    fwi_redis_pending_put_aside(&pending, a2);
    fwi_redis_pending_resume(&pending, false);
    ck_assert_ptr_eq(fwi_redis_pending_next_unsent(&pending), a1);
    fwi_redis_publish_set_sent(a1);
    ck_assert_ptr_eq(fwi_redis_pending_next_unsent(&pending), a2);
}
END_TEST

START_TEST(one_of_those_put_aside_is_tried_and_comes_back_to_its_place)
{
    fwi_redis_publish *a1 = send_kept("r:a"), *a2 = send_kept("r:a");
    fwi_redis_publish *b1 = send_kept("r:b");
    follow(a1);
    follow(a2);
    follow(b1);
    fwi_redis_pending_put_aside(&pending, a1);
    fwi_redis_pending_put_aside(&pending, a2);
    fwi_redis_pending_put_aside(&pending, b1);
    for (int i = 0; i < 2; i++) {
        fwi_redis_pending_resume(&pending, true);
        ck_assert_ptr_eq(fwi_redis_pending_next_unsent(&pending), a1);
        ck_assert(!fwi_redis_pending_is_behind(&pending, a1));
        ck_assert_uint_eq(follow(a1), 0);
        fwi_redis_publish_set_sent(a1);
        ck_assert_ptr_null(fwi_redis_pending_next_unsent(&pending));
        ck_assert(fwi_redis_pending_is_behind(&pending, a2));
        fwi_redis_pending_put_aside(&pending, a1);
    }
    fwi_redis_pending_resume(&pending, false);
    const fwi_redis_publish *const want[] = {a1, a2, b1};
    const uint64_t behind[] = {0, a1->serial, 0};
    for (size_t i = 0; i < 3; i++) {
        fwi_redis_publish *e = fwi_redis_pending_next_unsent(&pending);
        ck_assert_ptr_eq(e, want[i]);
        ck_assert(!fwi_redis_pending_is_behind(&pending, e));
        ck_assert_uint_eq(follow(e), behind[i]);
        fwi_redis_publish_set_sent(e);
    }
}
END_TEST

START_TEST(what_moves_to_another_server_is_new_there_or_takes_its_place)
{
    fwi_redis_pending other;
    fwi_redis_pending_init(&other);
    other.serials = pending.serials;
    fwi_redis_publish *first = add(0), *second = add(0), *third = add(0);
    ck_assert(fwi_redis_pending_move(&pending, &other, first, false));
    ck_assert(fwi_redis_pending_move(&pending, &other, third, false));
    ck_assert(fwi_redis_pending_move(&pending, &other, second, false));
    ck_assert_uint_eq(pending.bytes, 0);
    ck_assert_ptr_null(fwi_redis_pending_find(&pending, 1));
    ck_assert_ptr_eq(fwi_redis_pending_oldest(&other), first);
    ck_assert_ptr_eq(fwi_redis_pending_find(&other, 2), second);
    ck_assert_ptr_eq(fwi_list_entry(second->unsent.next, fwi_redis_publish, unsent),
                     third);
    ck_assert(fwi_redis_pending_move(&other, &pending, second, true));
    ck_assert_uint_eq(second->serial, 4);
    ck_assert_ptr_eq(fwi_redis_pending_find(&pending, 4), second);
    fwi_redis_pending_fini(&other);
}
END_TEST

START_TEST(what_had_no_answer_when_its_link_was_lost_is_doubtful)
{
    fwi_redis_publish *sent = add(0), *unsent = add(0);
    fwi_redis_publish_set_sent(sent);
    fwi_redis_pending_link_down(&pending);
    ck_assert(sent->doubtful && !unsent->doubtful);
    fwi_redis_pending_link_down(&pending);
    ck_assert(sent->doubtful && !unsent->doubtful);
}
END_TEST

static void finish(uint64_t serial)
{
    fwi_redis_publish *e = fwi_redis_pending_find(&pending, serial);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->serial, serial);
    e->answered = true;
    fwi_redis_pending_release(&pending, e);
    ck_assert_ptr_null(fwi_redis_pending_find(&pending, serial));
}

START_TEST(each_is_found_by_its_serial_however_many_there_are)
{
    enum { MANY = 5000 };
    for (int i = 0; i < MANY; i++) {
        add(0);
    }
    ck_assert_ptr_null(fwi_redis_pending_find(&pending, 0));
    ck_assert_ptr_null(fwi_redis_pending_find(&pending, MANY + 1));
    /* The even ones first: those that stay are found all the same. */
    for (uint64_t serial = 2; serial <= MANY; serial += 2) {
        finish(serial);
    }
    for (uint64_t serial = 1; serial <= MANY; serial += 2) {
        finish(serial);
    }
    ck_assert_ptr_null(fwi_redis_pending_oldest(&pending));
}
END_TEST

START_TEST(one_that_stays_long_is_found_behind_all_that_came_and_went)
{
    uint64_t first = add(0)->serial;
    for (int i = 0; i < 5000; i++) {
        finish(add(0)->serial);
        ck_assert_uint_eq(fwi_redis_pending_find(&pending, first)->serial, first);
    }
    finish(first);
}
END_TEST

START_TEST(an_entry_used_again_shows_nothing_of_the_one_before)
{
    char name[300];
    static const size_t lengths[] = {3, 63, 64, 257, 3};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(name, 'a' + (int)i, lengths[i]);
        name[lengths[i]] = '\0';
        fwi_redis_publish *e = fwi_redis_pending_add(&pending, name, m, i, 7 + i, NULL);
        ck_assert_ptr_nonnull(e);
        ck_assert_str_eq(e->channel, name);
        ck_assert_uint_eq(e->subscription, i);
        ck_assert_uint_eq(e->deadline_ms, 7 + i);
        ck_assert(!e->answered && !e->refused && fwi_redis_publish_is_unsent(e));
        ck_assert_int_eq(fwi_redis_publish_is_delivered(e), i == 0);
        ck_assert_ptr_null(e->hint.at);
        fwi_redis_publish_set_refused(e);
        fwi_redis_publish_set_delivered(e);
        e->hint.at = (fwi_redis_channel *)(void *)name;
        fwi_redis_pending_release(&pending, e);
    }
    ck_assert_uint_eq(pending.bytes, 0);
}
END_TEST

START_TEST(questions_come_back_first_in_first_out_across_growth)
{
    fwi_redis_asked asked = {0};
    uint64_t what, next_in = 1, next_out = 1;
    ck_assert(!fwi_redis_asked_pop(&asked, &what));
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 7; i++) {
            ck_assert(fwi_redis_asked_push(&asked, next_in++));
        }
        for (int i = 0; i < 5; i++) {
            ck_assert(fwi_redis_asked_pop(&asked, &what));
            ck_assert_uint_eq(what, next_out++);
        }
    }
    ck_assert_uint_eq(asked.count, 400);
    fwi_redis_asked_clear(&asked);
    ck_assert(!fwi_redis_asked_pop(&asked, &what));
    fwi_redis_asked_fini(&asked);
}
END_TEST

/* One waits while Redis is away, and the queue is full: all others are but heard here. */
START_TEST(one_that_waits_makes_nothing_grow_by_those_that_come_and_go)
{
    enum { PASSING = 100000 };
    fwi_redis_publish *waits = fwi_redis_pending_add(&pending, "r:a", m, 0, 5, NULL);
    for (uint64_t i = 0; i < PASSING; i++) {
        fwi_redis_publish *e = fwi_redis_pending_add(&pending, "r:a", m, 1, 5, NULL);
        ck_assert_ptr_eq(fwi_redis_pending_find(&pending, e->serial), e);
        fwi_redis_publish_set_refused(e);
        fwi_redis_publish_set_delivered(e);
        fwi_redis_pending_release(&pending, e);
    }
    ck_assert_uint_le(pending.slot_count, 256);
    ck_assert_ptr_eq(fwi_redis_pending_find(&pending, waits->serial), waits);
    ck_assert_ptr_null(fwi_redis_pending_find(&pending, waits->serial + 256));
}
END_TEST

START_TEST(those_of_one_slot_are_all_found)
{
    enum { ALL = 1000, APART = 4096 };
    static fwi_redis_publish *e[ALL];
    uint64_t serials = 0;
    pending.serials = &serials; /* as in a Cluster, where others take some */
    for (size_t i = 0; i < ALL; i++, serials += APART - 1) {
        e[i] = fwi_redis_pending_add(&pending, "r:a", m, 0, 5, NULL);
    }
    for (size_t i = 0; i < ALL; i += 2) {
        answered(e[i]);
    }
    for (size_t i = 0; i < ALL; i++) {
        const fwi_redis_publish *found =
            fwi_redis_pending_find(&pending, 1 + i * (uint64_t)APART);
        ck_assert_ptr_eq(found, i % 2 == 0 ? NULL : e[i]);
    }
    for (size_t i = 1; i < ALL; i += 2) {
        answered(e[i]);
    }
    pending.serials = &pending.own_serials;
    ck_assert_uint_eq(pending.count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_pending");
    TCase *tc = tcase_create("pending");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, serials_rise_from_one);
    tcase_add_test(tc, an_entry_stays_until_it_is_answered_and_delivered);
    tcase_add_test(tc, bytes_are_those_of_what_is_there);
    tcase_add_test(tc, a_lost_link_puts_the_unanswered_back_in_order);
    tcase_add_test(
        tc, each_kept_one_follows_the_one_before_it_in_its_room_until_that_is_answered);
    tcase_add_test(tc,
                   what_is_put_aside_comes_back_when_nothing_of_its_room_is_on_its_way);
    tcase_add_test(tc, one_of_those_put_aside_is_tried_and_comes_back_to_its_place);
    tcase_add_test(tc, what_moves_to_another_server_is_new_there_or_takes_its_place);
    tcase_add_test(tc, what_had_no_answer_when_its_link_was_lost_is_doubtful);
    tcase_add_test(tc, each_is_found_by_its_serial_however_many_there_are);
    tcase_add_test(tc, one_that_stays_long_is_found_behind_all_that_came_and_went);
    tcase_add_test(tc, an_entry_used_again_shows_nothing_of_the_one_before);
    tcase_add_test(tc, questions_come_back_first_in_first_out_across_growth);
    tcase_add_test(tc, one_that_waits_makes_nothing_grow_by_those_that_come_and_go);
    tcase_add_test(tc, those_of_one_slot_are_all_found);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
