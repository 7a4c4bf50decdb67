/*
 * The real loop: time, wake-up, turns, lives that leave nothing behind, forks. Its
 * listeners are in test_io_listener.c, its client streams in test_io_stream.c.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <uv.h>

#include "io_rig.h"

enum { WAKERS = 4, WAKES = 5000 };

static atomic_uint posted;
static unsigned taken, turn_saw;
static fwi_loop *woken;

static void count_wake(void *user)
{
    (void)user;
    taken = atomic_load(&posted);
}

static void stop_when_all_taken(void *user)
{
    (void)user;
    turn_saw = taken;
    if (taken == WAKERS * WAKES) {
        fwi_loop_uv_stop(woken);
    }
}

static void *waker(void *arg)
{
    fwi_loop *loop = arg;
    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add(&posted, 1);
        loop->ops->wake(loop);
    }
    return NULL;
}

START_TEST(wakes_of_many_threads_are_never_lost)
{
    static const fwi_loop_events events = {count_wake, stop_when_all_taken};
    atomic_store(&posted, 0);
    taken = 0;
    woken = fwi_loop_uv_new(&events, NULL);
    ck_assert_int_eq(fwi_loop_uv_start(woken, 1), FW_OK);
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++) {
        pthread_create(&threads[i], NULL, waker, woken);
    }
    for (int i = 0; i < WAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    fwi_loop_uv_join(woken); /* ends only when the last one was seen, by turn end too */
    ck_assert_uint_eq(turn_saw, WAKERS * WAKES);
    fwi_loop_uv_free(woken);
}
END_TEST

typedef struct timed {
    fwi_timer t;
    uint64_t set_us, fired_us;
} timed;

static void on_timed(fwi_timer *t)
{
    rig_note_begin(&r);
    fwi_container_of(t, timed, t)->fired_us = fwi_clock_us();
    rig_note_end(&r);
}

static void set_timed(void *arg)
{
    timed *m = arg;
    m->set_us = fwi_clock_us();
    fwi_loop_timer_set(r.loop, &m->t, 150);
}

static bool has_fired(void *arg)
{
    const timed *m = arg;
    return m->fired_us != 0;
}

START_TEST(a_timer_wakes_a_waiting_loop_in_time)
{
    timed m = {.fired_us = 0};
    fwi_timer_init(&m.t, on_timed);
    rig_run(&r);
    rig_do(&r, set_timed, &m);
    ck_assert(rig_wait(&r, has_fired, &m));
    uint64_t took_us = m.fired_us - m.set_us;
    ck_assert_uint_ge(took_us, 149000);   /* now_us counts from the begin of the turn */
    ck_assert_uint_le(took_us, 10000000); /* a machine may be busy */
    rig_halt(&r);
}
END_TEST

START_TEST(a_timer_set_before_the_start_fires)
{
    timed m = {.fired_us = 0};
    fwi_timer_init(&m.t, on_timed);
    set_timed(&m);
    rig_run(&r);
    ck_assert(rig_wait(&r, has_fired, &m));
    rig_halt(&r);
}
END_TEST

/* The loop has nothing to do meanwhile: that is the case under test, not a way to wait.
 */
static void let_it_sleep(uint64_t ms)
{
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

START_TEST(time_is_fresh_in_the_first_callback_after_a_sleep)
{
    fwi_listener *l = listen_loopback();
    rig_run(&r);
    let_it_sleep(600);
    int fd = connect_port(fwi_listener_port(l));
    ck_assert(wait_accepted(1));
    ck_assert_uint_lt(seen.stale_us, 500000);
    close(fd);
    rig_halt(&r);
}
END_TEST

static uint64_t wake_stale_us;

static void note_time(void *arg)
{
    (void)arg;
    wake_stale_us = fwi_clock_us() - fwi_loop_now_us(r.loop);
}

START_TEST(time_is_fresh_for_who_wakes_the_loop_up)
{
    rig_run(&r);
    let_it_sleep(600);
    rig_do(&r, note_time, NULL);
    ck_assert_uint_lt(wake_stale_us, 500000);
    rig_halt(&r);
}
END_TEST

static struct {
    fwi_timer t;
    int port, fd;
    unsigned accepted; /* when it fired */
    bool fired;
} late;

static void on_late(fwi_timer *t)
{
    (void)t;
    rig_note_begin(&r);
    late.accepted = seen.accepted;
    late.fired = true;
    rig_note_end(&r);
}

/* Somebody comes while the loop is busy, and then a timer falls due. */
static void be_late(void *arg)
{
    (void)arg;
    late.fd = connect_port(late.port);
    fwi_loop_timer_set(r.loop, &late.t, 5);
    while (fwi_clock_us() < fwi_loop_now_us(r.loop) + 20000) {
        /* what is under test is a loop that has no time */
    }
}

static bool late_has_fired(void *arg)
{
    (void)arg;
    return late.fired;
}

START_TEST(what_came_before_a_timer_was_due_is_served_before_it)
{
    fwi_listener *l = listen_loopback();
    late.port = fwi_listener_port(l);
    late.fired = false;
    fwi_timer_init(&late.t, on_late);
    rig_run(&r);
    rig_do(&r, be_late, NULL);
    ck_assert(rig_wait(&r, late_has_fired, NULL));
    ck_assert_uint_eq(late.accepted, 1);
    close(late.fd);
    rig_halt(&r);
}
END_TEST

START_TEST(an_idle_loop_does_not_turn)
{
    timed m = {.fired_us = 0};
    fwi_timer_init(&m.t, on_timed);
    rig_run(&r);
    rig_do(&r, set_timed, &m);
    rig_note_begin(&r);
    unsigned before = r.turns;
    rig_note_end(&r);
    ck_assert(rig_wait(&r, has_fired, &m));
    rig_note_begin(&r);
    unsigned turns = r.turns - before;
    rig_note_end(&r);
    ck_assert_uint_le(turns, 4); /* the call's own, and the timer's */
    rig_halt(&r);
}
END_TEST

static void one_life(bool with_thread)
{
    rig x;
    rig_new(&x);
    fwi_listener *l = NULL;
    fwi_listen_at at = {.host = "127.0.0.1"};
    ck_assert_int_eq(fwi_listener_open(&l, x.loop, &at, &listener_events, NULL), FW_OK);
    if (with_thread) {
        rig_run(&x);
        rig_halt(&x);
    }
    rig_free(&x);
}

START_TEST(a_thousand_lives_leave_nothing_behind)
{
    for (int i = 0; i < 50; i++) {
        one_life(true);
    }
    unsigned fds = rig_count_fds();
    size_t bytes = mallinfo2().uordblks; /* 0 under a sanitizer, which counts itself */
    for (int i = 0; i < 1000; i++) {
        one_life(i % 4 != 0);
    }
    ck_assert_uint_eq(rig_count_fds(), fds);
    ck_assert_uint_le(mallinfo2().uordblks, bytes + 4096);
}
END_TEST

static unsigned count_links_to(const char *what)
{
    unsigned n = 0;
    for (int fd = 3; fd < 256; fd++) {
        char path[32], to[128];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, to, sizeof to - 1);
        if (len > 0) {
            to[len] = '\0';
            n += strstr(to, what) != NULL;
        }
    }
    return n;
}

START_TEST(a_forked_child_can_let_go_of_the_loop)
{
    unsigned polls = count_links_to("eventpoll") - 1, sockets = count_links_to("socket:");
    fwi_listener *l = listen_loopback();
    rig_run(&r);
    rig_stream rs = {.s = NULL};
    fwi_stream_target to = {.host = "127.0.0.1", .port = fwi_listener_port(l)};
    rig_stream_open(&rs, &r, &to); /* accepted, and closed by us */
    ck_assert(rig_stream_wait_closed(&rs));
    pid_t child = fork();
    if (child == 0) {
        fwi_loop_uv_abandon(r.loop);
        _exit(count_links_to("eventpoll") == polls &&
                      count_links_to("socket:") == sockets &&
                      count_links_to("eventfd") == 0
                  ? 0
                  : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    /* The parent's loop doesn't notice. */
    int fd = connect_port(fwi_listener_port(l));
    ck_assert(wait_accepted(2));
    close(fd);
    rig_stream_fini(&rs);
    rig_halt(&r);
}
END_TEST

START_TEST(what_others_leave_on_a_loop_is_closed_with_it)
{
    static const fwi_loop_events events = {count_wake, stop_when_all_taken};
    static uv_idle_t idle;
    static uv_timer_t timer;
    fwi_loop *loop = fwi_loop_uv_new(&events, NULL);
    ck_assert(fwi_loop_uv_vacate(loop));
    uv_timer_init(loop->ops->native(loop), &timer);
    uv_close((uv_handle_t *)&timer, NULL);
    ck_assert(fwi_loop_uv_vacate(loop)); /* closed in time */
    uv_timer_init(loop->ops->native(loop), &timer);
    uv_idle_init(loop->ops->native(loop), &idle);
    ck_assert(!fwi_loop_uv_vacate(loop));
    uv_close((uv_handle_t *)&timer, NULL);
    fwi_loop_uv_free(loop); /* ends the process if something is left */
    ck_assert(uv_is_closing((uv_handle_t *)&idle));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("io");
    TCase *tc = tcase_create("loop");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, wakes_of_many_threads_are_never_lost);
    tcase_add_test(tc, a_timer_wakes_a_waiting_loop_in_time);
    tcase_add_test(tc, a_timer_set_before_the_start_fires);
    tcase_add_test(tc, time_is_fresh_in_the_first_callback_after_a_sleep);
    tcase_add_test(tc, time_is_fresh_for_who_wakes_the_loop_up);
    tcase_add_test(tc, what_came_before_a_timer_was_due_is_served_before_it);
    tcase_add_test(tc, an_idle_loop_does_not_turn);
    tcase_add_test(tc, a_thousand_lives_leave_nothing_behind);
    tcase_add_test(tc, a_forked_child_can_let_go_of_the_loop);
    tcase_add_test(tc, what_others_leave_on_a_loop_is_closed_with_it);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
