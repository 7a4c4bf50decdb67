/*
 * The timing wheel against a plain table of due times: whatever is set, moved and
 * cleared, and however time jumps, each timer fires once, in its millisecond.
 */
#include <check.h>

#include "base/rand.h"
#include "base/wheel.h"

/* ck_assert notes each passing in a file, which is too slow for inner loops. */
#define CHECK(x)                                                                         \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            ck_abort_msg("%s", #x);                                                      \
        }                                                                                \
    } while (0)

enum { TIMERS = 40 };

typedef struct probe {
    fwi_timer timer;
    uint64_t fired_at; /* 0: not yet */
    unsigned fired;
    uint64_t again_ms; /* set again from inside, so much later */
    struct probe *clears;
} probe;

static fwi_wheel wheel;

static void on_timer(fwi_timer *t)
{
    probe *p = fwi_container_of(t, probe, timer);
    p->fired++;
    p->fired_at = wheel.now_ms;
    if (p->again_ms) {
        fwi_wheel_set(&wheel, t, wheel.now_ms + p->again_ms);
    }
    if (p->clears) {
        fwi_wheel_clear(&wheel, &p->clears->timer);
    }
}

static void probe_init(probe *p)
{
    *p = (probe){0};
    fwi_timer_init(&p->timer, on_timer);
}

START_TEST(each_delay_fires_in_its_millisecond)
{
    static const uint64_t starts[] = {0, 1, 63, 64, 4095, 1000000007};
    for (size_t s = 0; s < FWI_ARRAY_LEN(starts); s++) {
        for (uint64_t delay = 1; delay < 20000; delay += delay < 5000 ? 1 : 61) {
            probe p;
            probe_init(&p);
            fwi_wheel_init(&wheel, starts[s]);
            fwi_wheel_set(&wheel, &p.timer, starts[s] + delay);
            fwi_wheel_advance(&wheel, starts[s] + delay - 1);
            CHECK(!p.fired);
            fwi_wheel_advance(&wheel, starts[s] + delay);
            CHECK(p.fired == 1);
            CHECK(!fwi_timer_is_set(&p.timer));
        }
    }
}
END_TEST

static const uint64_t far[] = {1u << 18, (1u << 18) + 63, (1u << 24) - 1, 1u << 24,
                               (1u << 30) + 12345};

START_TEST(a_far_timer_fires_in_its_millisecond)
{
    probe p;
    probe_init(&p);
    fwi_wheel_init(&wheel, 777);
    fwi_wheel_set(&wheel, &p.timer, 777 + far[_i]);
    fwi_wheel_advance(&wheel, 777 + far[_i] - 1);
    ck_assert_uint_eq(p.fired, 0);
    fwi_wheel_advance(&wheel, 777 + far[_i]);
    ck_assert_uint_eq(p.fired, 1);
}
END_TEST

START_TEST(random_timers_fire_once_and_in_time)
{
    probe p[TIMERS];
    uint64_t due[TIMERS] = {0}; /* 0: not set */
    fwi_rand rnd;
    fwi_rand_init(&rnd, (uint64_t)_i + 1);
    uint64_t now = fwi_rand_between(&rnd, 0, 1u << 31);
    fwi_wheel_init(&wheel, now);
    for (int i = 0; i < TIMERS; i++) {
        probe_init(&p[i]);
    }
    for (int step = 0; step < 3000; step++) {
        uint64_t i = fwi_rand_between(&rnd, 0, TIMERS - 1);
        uint64_t range = 1ull << fwi_rand_between(&rnd, 0, 22);
        if (fwi_rand_between(&rnd, 0, 3) == 0) {
            fwi_wheel_clear(&wheel, &p[i].timer);
            due[i] = 0;
        } else {
            uint64_t want = now + fwi_rand_between(&rnd, 0, range);
            fwi_wheel_set(&wheel, &p[i].timer, want);
            due[i] = FWI_MAX(want, now + 1);
        }
        uint64_t earliest = UINT64_MAX;
        size_t set = 0;
        for (int k = 0; k < TIMERS; k++) {
            earliest = due[k] ? FWI_MIN(earliest, due[k]) : earliest;
            set += due[k] != 0;
        }
        CHECK(wheel.count == set);
        CHECK(fwi_wheel_next_ms(&wheel) <= earliest);
        CHECK(fwi_wheel_next_ms(&wheel) > now);

        range = 1ull << fwi_rand_between(&rnd, 0, 16);
        now += fwi_rand_between(&rnd, 0, range);
        fwi_wheel_advance(&wheel, now);
        for (int k = 0; k < TIMERS; k++) {
            bool should = due[k] && due[k] <= now;
            CHECK(p[k].fired == should);
            CHECK(!should || p[k].fired_at == due[k]);
            due[k] = should ? 0 : due[k];
            p[k].fired = 0;
        }
    }
}
END_TEST

START_TEST(following_next_ms_stops_only_where_something_is_due)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, (uint64_t)_i + 77);
    fwi_wheel_init(&wheel, 5);
    probe p[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        probe_init(&p[i]);
        uint64_t range = 1ull << fwi_rand_between(&rnd, 0, 29); /* six days */
        fwi_wheel_set(&wheel, &p[i].timer, 6 + fwi_rand_between(&rnd, 0, range));
    }
    while (wheel.count > 0) {
        size_t before = wheel.count;
        uint64_t next = fwi_wheel_next_ms(&wheel);
        ck_assert(next > wheel.now_ms);
        fwi_wheel_advance(&wheel, next - 1);
        ck_assert_uint_eq(wheel.count, before);
        fwi_wheel_advance(&wheel, next);
        ck_assert_uint_lt(wheel.count, before);
    }
    ck_assert(fwi_wheel_next_ms(&wheel) == UINT64_MAX);
}
END_TEST

/* What lies further away than the wheel reaches is looked at when it comes round. */
START_TEST(following_next_ms_reaches_what_is_beyond_the_wheel)
{
    probe p;
    probe_init(&p);
    uint64_t due = 5 + (3ull << 30);
    fwi_wheel_init(&wheel, 5);
    fwi_wheel_set(&wheel, &p.timer, due);
    unsigned turns = 0;
    while (!p.fired) {
        uint64_t next = fwi_wheel_next_ms(&wheel);
        ck_assert(next > wheel.now_ms && next <= due);
        fwi_wheel_advance(&wheel, next);
        turns++;
    }
    ck_assert_uint_eq(p.fired_at, due);
    ck_assert_uint_le(turns, 8);
}
END_TEST

START_TEST(a_wheel_that_was_empty_for_long_is_exact_again)
{
    probe p, q;
    probe_init(&p);
    probe_init(&q);
    fwi_wheel_init(&wheel, 0);
    fwi_wheel_set(&wheel, &p.timer, 70000);
    fwi_wheel_clear(&wheel, &p.timer);
    fwi_wheel_advance(&wheel, 75000);
    fwi_wheel_set(&wheel, &q.timer, 75000 + 300000);
    ck_assert_uint_eq(fwi_wheel_next_ms(&wheel), 75000 + 300000);
}
END_TEST

START_TEST(next_ms_is_exact_for_what_is_near)
{
    for (uint64_t delay = 1; delay < FWI_WHEEL_SLOTS; delay++) {
        probe p;
        probe_init(&p);
        fwi_wheel_init(&wheel, 1000);
        fwi_wheel_set(&wheel, &p.timer, 1000 + delay);
        ck_assert_uint_eq(fwi_wheel_next_ms(&wheel), 1000 + delay);
    }
}
END_TEST

START_TEST(what_is_due_already_fires_in_the_next_millisecond)
{
    probe p;
    probe_init(&p);
    fwi_wheel_init(&wheel, 500);
    fwi_wheel_set(&wheel, &p.timer, 3);
    fwi_wheel_advance(&wheel, 500);
    ck_assert_uint_eq(p.fired, 0);
    fwi_wheel_advance(&wheel, 501);
    ck_assert_uint_eq(p.fired, 1);
}
END_TEST

START_TEST(a_timer_may_set_itself_again)
{
    probe p;
    probe_init(&p);
    p.again_ms = 7;
    fwi_wheel_init(&wheel, 0);
    fwi_wheel_set(&wheel, &p.timer, 7);
    fwi_wheel_advance(&wheel, 700);
    ck_assert_uint_eq(p.fired, 100);
}
END_TEST

START_TEST(a_timer_cleared_by_one_of_the_same_millisecond_does_not_fire)
{
    probe a, b;
    probe_init(&a);
    probe_init(&b);
    a.clears = &b;
    b.clears = &a;
    fwi_wheel_init(&wheel, 0);
    fwi_wheel_set(&wheel, &a.timer, 100);
    fwi_wheel_set(&wheel, &b.timer, 100);
    fwi_wheel_advance(&wheel, 200);
    ck_assert_uint_eq(a.fired + b.fired, 1);
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(clearing_twice_is_harmless)
{
    probe p;
    probe_init(&p);
    fwi_wheel_init(&wheel, 0);
    fwi_wheel_clear(&wheel, &p.timer);
    fwi_wheel_set(&wheel, &p.timer, 10);
    fwi_wheel_clear(&wheel, &p.timer);
    fwi_wheel_clear(&wheel, &p.timer);
    fwi_wheel_advance(&wheel, 100);
    ck_assert_uint_eq(p.fired, 0);
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(time_does_not_go_back)
{
    fwi_wheel_init(&wheel, 1000);
    fwi_wheel_advance(&wheel, 10);
    ck_assert_uint_eq(wheel.now_ms, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wheel");
    TCase *tc = tcase_create("wheel");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_delay_fires_in_its_millisecond);
    tcase_add_loop_test(tc, a_far_timer_fires_in_its_millisecond, 0, FWI_ARRAY_LEN(far));
    tcase_add_loop_test(tc, random_timers_fire_once_and_in_time, 0, 20);
    tcase_add_loop_test(tc, following_next_ms_stops_only_where_something_is_due, 0, 20);
    tcase_add_test(tc, following_next_ms_reaches_what_is_beyond_the_wheel);
    tcase_add_test(tc, a_wheel_that_was_empty_for_long_is_exact_again);
    tcase_add_test(tc, next_ms_is_exact_for_what_is_near);
    tcase_add_test(tc, what_is_due_already_fires_in_the_next_millisecond);
    tcase_add_test(tc, a_timer_may_set_itself_again);
    tcase_add_test(tc, a_timer_cleared_by_one_of_the_same_millisecond_does_not_fire);
    tcase_add_test(tc, clearing_twice_is_harmless);
    tcase_add_test(tc, time_does_not_go_back);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
