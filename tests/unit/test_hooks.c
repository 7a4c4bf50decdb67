/*
 * The parts of fanwired's hooks that need neither clock nor network: whose turn it is,
 * and when a hook isn't asked.
 */
#include <check.h>

#include "hook_breaker.h"
#include "hook_queue.h"

static fwd_queue queue;

static fwd_request request(fwd_hook_kind kind, uint64_t session)
{
    return (fwd_request){
        .kind = kind, .session = {1, session}, .wait_until_ms = (int64_t)session};
}

/* Popped and ended. */
static void through(fwd_request *r)
{
    ck_assert_ptr_eq(fwd_queue_pop(&queue), r);
    fwd_queue_ended(&queue, r);
}

static void is_empty(void)
{
    ck_assert_uint_eq(queue.n, 0);
    ck_assert_ptr_null(fwd_queue_pop(&queue));
    for (size_t i = 0; i < FWD_LANE_BUCKETS; i++) {
        ck_assert_ptr_null(queue.lanes[i]);
    }
}

START_TEST(who_comes_first_is_first_and_the_bound_holds)
{
    fwd_request a = request(FWD_HOOK_RPC, 1), b = request(FWD_HOOK_CONNECT, 2),
                c = request(FWD_HOOK_RPC, 3);
    fwd_queue_init(&queue, 2, 9);
    ck_assert(fwd_queue_push(&queue, &a));
    ck_assert(fwd_queue_push(&queue, &b));
    ck_assert(!fwd_queue_push(&queue, &c));
    through(&a);
    ck_assert(fwd_queue_push(&queue, &c));
    through(&b);
    through(&c);
    is_empty();
}
END_TEST

START_TEST(one_at_a_time_keeps_a_session_s_order_and_others_pass)
{
    fwd_request a1 = request(FWD_HOOK_PUBLISH, 1), a2 = request(FWD_HOOK_PUBLISH, 1),
                a3 = request(FWD_HOOK_PUBLISH, 1),
                b = request(FWD_HOOK_PUBLISH, 1ull << 32); /* of the same bucket */
    fwd_request *all[] = {&a1, &a2, &a3, &b};
    fwd_queue_init(&queue, 4, 1);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(fwd_queue_push(&queue, all[i]));
    }
    ck_assert_uint_eq(queue.n, 4);
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &a1);
    through(&b);
    ck_assert_ptr_null(fwd_queue_pop(&queue));
    ck_assert_uint_eq(queue.n, 2);
    fwd_queue_ended(&queue, &a1);
    ck_assert(fwd_queue_push(&queue, &b));
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &a2);
    through(&b);
    ck_assert(fwd_queue_push(&queue, &a1));
    fwd_queue_ended(&queue, &a2);
    through(&a3);
    through(&a1);
    is_empty();
}
END_TEST

START_TEST(a_session_takes_no_more_turns_than_it_may)
{
    fwd_request a[4], b = request(FWD_HOOK_RPC, 2);
    fwd_queue_init(&queue, 9, 2);
    for (size_t i = 0; i < 4; i++) {
        a[i] = request(FWD_HOOK_RPC, 1);
        ck_assert(fwd_queue_push(&queue, &a[i]));
    }
    ck_assert(fwd_queue_push(&queue, &b));
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &a[0]);
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &a[1]);
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &b);
    ck_assert_ptr_null(fwd_queue_pop(&queue));
    fwd_queue_ended(&queue, &a[1]);
    ck_assert_ptr_eq(fwd_queue_pop(&queue), &a[2]);
    fwd_queue_ended(&queue, &a[0]);
    fwd_queue_ended(&queue, &a[2]);
    through(&a[3]);
    fwd_queue_ended(&queue, &b);
    is_empty();
}
END_TEST

START_TEST(who_says_a_lot_takes_neither_turns_nor_places_from_others)
{
    fwd_request greedy[9], b = request(FWD_HOOK_RPC, 2), c = request(FWD_HOOK_RPC, 3),
                           d = request(FWD_HOOK_RPC, 4);
    fwd_queue_init(&queue, 3, 1);
    for (size_t i = 0; i < 9; i++) {
        greedy[i] = request(FWD_HOOK_RPC, 1);
        ck_assert(fwd_queue_push(&queue, &greedy[i]));
    }
    ck_assert(fwd_queue_push(&queue, &b));
    ck_assert(fwd_queue_push(&queue, &c));
    ck_assert(!fwd_queue_push(&queue, &d)); /* these three are the line */
    through(&greedy[0]);
    through(&b); /* since before the greedy one's next moved up */
    through(&c);
    for (size_t i = 1; i < 9; i++) {
        through(&greedy[i]);
    }
    is_empty();
}
END_TEST

START_TEST(who_has_waited_too_long_is_taken_out)
{
    fwd_request a = request(FWD_HOOK_RPC, 10), b = request(FWD_HOOK_RPC, 20);
    fwd_queue_init(&queue, 5, 9);
    ck_assert(fwd_queue_next_late_ms(&queue) == INT64_MAX);
    ck_assert(fwd_queue_push(&queue, &a));
    ck_assert(fwd_queue_push(&queue, &b));
    ck_assert_ptr_null(fwd_queue_pop_late(&queue, 9));
    ck_assert_ptr_eq(fwd_queue_pop_late(&queue, 10), &a);
    ck_assert_ptr_null(fwd_queue_pop_late(&queue, 10));
    ck_assert_int_eq(fwd_queue_next_late_ms(&queue), 20);
    ck_assert_ptr_eq(fwd_queue_pop_late(&queue, 100), &b);
    fwd_queue_ended(&queue, &a);
    fwd_queue_ended(&queue, &b);
    is_empty();
}
END_TEST

START_TEST(a_breaker_opens_after_failures_in_a_row_and_one_request_tries)
{
    fwd_breaker b;
    fwd_breaker_init(&b, 3, 1000);
    ck_assert(!fwd_breaker_tell(&b, false, 0, 0));
    ck_assert(!fwd_breaker_tell(&b, false, 0, 0));
    ck_assert(!fwd_breaker_tell(&b, true, 0, 0));
    ck_assert(!fwd_breaker_tell(&b, false, 0, 0));
    ck_assert(!fwd_breaker_tell(&b, false, 0, 0));
    ck_assert(fwd_breaker_may_ask(&b, 0));
    ck_assert(fwd_breaker_tell(&b, false, 10, 10));
    ck_assert(!fwd_breaker_tell(&b, false, 5, 20)); /* it was under way */
    ck_assert(!fwd_breaker_may_ask(&b, 1009));
    ck_assert(fwd_breaker_may_ask(&b, 1010));
    ck_assert(!fwd_breaker_may_ask(&b, 1010));
    ck_assert(!fwd_breaker_tell(&b, false, 1500, 1500));
    ck_assert(!fwd_breaker_may_ask(&b, 2499));
    ck_assert(fwd_breaker_may_ask(&b, 2500));
    ck_assert(fwd_breaker_tell(&b, true, 2600, 2600));
    ck_assert(fwd_breaker_may_ask(&b, 2600));
    ck_assert(fwd_breaker_may_ask(&b, 2600));
}
END_TEST

START_TEST(the_one_that_tries_decides_and_none_that_was_made_before)
{
    fwd_breaker b;
    fwd_breaker_init(&b, 1, 100);
    ck_assert(fwd_breaker_tell(&b, false, 0, 10));
    ck_assert(fwd_breaker_may_ask(&b, 110));
    ck_assert(!fwd_breaker_tell(&b, false, 9, 120));
    ck_assert_int_eq(b.state, FWD_BREAKER_TRYING);
    ck_assert(!fwd_breaker_tell(&b, false, 110, 130));
    ck_assert_int_eq(b.state, FWD_BREAKER_OPEN);
    ck_assert(!fwd_breaker_may_ask(&b, 229));
    ck_assert(fwd_breaker_may_ask(&b, 230));
    ck_assert(fwd_breaker_tell(&b, true, 9, 240)); /* that it answers is true of all */
    ck_assert_int_eq(b.state, FWD_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_try_that_was_never_made_leaves_it_to_the_next)
{
    fwd_breaker b;
    fwd_breaker_init(&b, 1, 1000);
    ck_assert(fwd_breaker_tell(&b, false, 0, 0));
    ck_assert(fwd_breaker_may_ask(&b, 1000));
    fwd_breaker_unasked(&b, 1100);
    ck_assert(fwd_breaker_may_ask(&b, 1100));
    fwd_breaker_init(&b, 0, 1000);
    for (int i = 0; i < 100; i++) {
        ck_assert(!fwd_breaker_tell(&b, false, 0, 0));
        ck_assert(fwd_breaker_may_ask(&b, 0));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hooks");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, who_comes_first_is_first_and_the_bound_holds);
    tcase_add_test(tc, one_at_a_time_keeps_a_session_s_order_and_others_pass);
    tcase_add_test(tc, a_session_takes_no_more_turns_than_it_may);
    tcase_add_test(tc, who_says_a_lot_takes_neither_turns_nor_places_from_others);
    tcase_add_test(tc, who_has_waited_too_long_is_taken_out);
    tcase_add_test(tc, a_breaker_opens_after_failures_in_a_row_and_one_request_tries);
    tcase_add_test(tc, the_one_that_tries_decides_and_none_that_was_made_before);
    tcase_add_test(tc, a_try_that_was_never_made_leaves_it_to_the_next);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
