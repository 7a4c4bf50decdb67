/*
 * The real loop and its listeners: time, wake-up, turns, accepting, starvation, ends.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/error.h"
#include "io/loop_uv.h"
#include "support/loop_rig.h"

static rig r;
static char folder[64], file[128];

static struct {
    unsigned accepted, starved, in_turn, most_in_turn, turn;
    uint64_t stale_us; /* how old the loop's time was in on_accept */
    char peer[64];
} seen;

static void on_accept(void *user, int fd, const char *peer)
{
    uint64_t now_us = fwi_clock_us();
    rig_note_begin(&r);
    seen.in_turn = seen.turn == r.turns ? seen.in_turn + 1 : 1;
    seen.turn = r.turns;
    seen.most_in_turn = FWI_MAX(seen.most_in_turn, seen.in_turn);
    seen.accepted++;
    seen.stale_us = now_us - r.loop->now_us;
    snprintf(seen.peer, sizeof seen.peer, "%s", peer);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    (void)user;
    close(fd);
    rig_note_end(&r);
}

static void on_starved(void *user)
{
    (void)user;
    rig_note_begin(&r);
    seen.starved++;
    rig_note_end(&r);
}

static const fwi_listener_events listener_events = {on_accept, on_starved};

static void setup(void)
{
    memset(&seen, 0, sizeof seen);
    seen.turn = UINT32_MAX;
    snprintf(folder, sizeof folder, "/tmp/fw-io-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/s.sock", folder);
    rig_new(&r);
}

static void teardown(void)
{
    rig_free(&r);
    unlink(file);
    rmdir(folder);
}

static fwi_listener *listen_at(const fwi_listen_at *at)
{
    fwi_listener *l = NULL;
    int err = fwi_listener_open(&l, r.loop, at, &listener_events, NULL);
    ck_assert_msg(err == FW_OK, "%s", fw_error_detail());
    return l;
}

static fwi_listener *listen_loopback(void)
{
    return listen_at(&(fwi_listen_at){.host = "127.0.0.1"});
}

static int connect_port(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static int connect_file(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static bool has_accepted(void *arg)
{
    return seen.accepted >= *(unsigned *)arg;
}

static bool wait_accepted(unsigned n)
{
    return rig_wait(&r, has_accepted, &n);
}

/* --- the loop --- */

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
    ck_assert_uint_ge(took_us, 149000); /* now_us counts from the begin of the turn */
    ck_assert_uint_le(took_us, 1500000);
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
    ck_assert_uint_lt(seen.stale_us, 300000);
    close(fd);
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
    ck_assert_uint_le(turns, 12);
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

/* --- listening --- */

START_TEST(a_taken_port_is_refused_at_open)
{
    fwi_listener *l = listen_loopback(), *second = NULL;
    fwi_listen_at at = {.host = "127.0.0.1", .port = fwi_listener_port(l)};
    ck_assert_int_eq(fwi_listener_open(&second, r.loop, &at, &listener_events, NULL),
                     FW_ERR_LISTEN);
    ck_assert_str_eq(fw_error_detail(), "address already in use");
    at.host = "localhost"; /* its other address would be a surprise */
    ck_assert_int_eq(fwi_listener_open(&second, r.loop, &at, &listener_events, NULL),
                     FW_ERR_LISTEN);
    ck_assert_ptr_null(second);
}
END_TEST

START_TEST(a_shared_port_can_be_taken_twice)
{
    fwi_listener *l = listen_at(&(fwi_listen_at){.host = "127.0.0.1", .shared = true});
    int port = fwi_listener_port(l);
    listen_at(&(fwi_listen_at){.host = "127.0.0.1", .port = port, .shared = true});
}
END_TEST

static const struct {
    const char *name, *host, *file, *detail;
} bad[] = {
    {"not a name", "no..name", NULL, "Name or service not known"},
    {"not ours", "192.0.2.1", NULL, "address not available"},
    {"no such folder", NULL, "/nonexistent/s.sock", "no such file or directory"},
    {"no socket", NULL, "/etc/passwd", "a file that is no socket is there already"},
    {"long path", NULL,
     "/tmp/0123456789012345678901234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890123456789",
     "the path is longer than 107 bytes"},
};

START_TEST(what_cannot_be_listened_on_says_why)
{
    fwi_listener *l = NULL;
    fwi_listen_at at = {.host = bad[_i].host, .file = bad[_i].file};
    int err = fwi_listener_open(&l, r.loop, &at, &listener_events, NULL);
    ck_assert_msg(err == FW_ERR_LISTEN, "%s", bad[_i].name);
    ck_assert_str_eq(fw_error_detail(), bad[_i].detail);
}
END_TEST

START_TEST(a_newcomer_is_handed_over_with_its_address)
{
    fwi_listener *l = listen_loopback();
    rig_run(&r);
    int fd = connect_port(fwi_listener_port(l));
    ck_assert(wait_accepted(1));
    ck_assert_str_eq(seen.peer, "127.0.0.1");
    close(fd);
    rig_halt(&r);
}
END_TEST

START_TEST(everybodys_address_takes_ipv4_too_and_names_it_so)
{
    fwi_listener *l = NULL;
    fwi_listen_at at = {.host = "::"};
    if (fwi_listener_open(&l, r.loop, &at, &listener_events, NULL) != FW_OK) {
        return; /* a machine without IPv6 */
    }
    rig_run(&r);
    int fd = connect_port(fwi_listener_port(l));
    ck_assert(wait_accepted(1));
    ck_assert_str_eq(seen.peer, "127.0.0.1");
    close(fd);
    rig_halt(&r);
}
END_TEST

START_TEST(a_turn_takes_at_most_32)
{
    enum { MANY = 150 };
    fwi_listener *l = listen_loopback();
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_port(fwi_listener_port(l));
    }
    rig_run(&r);
    ck_assert(wait_accepted(MANY));
    ck_assert_uint_eq(seen.most_in_turn, 32);
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
    }
    rig_halt(&r);
}
END_TEST

static bool has_starved(void *arg)
{
    (void)arg;
    return seen.starved > 0;
}

START_TEST(out_of_descriptors_it_pauses_and_goes_on)
{
    fwi_listener *l = listen_loopback();
    int fd = connect_port(fwi_listener_port(l));
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    rig_run(&r);
    bool starved = rig_wait(&r, has_starved, NULL);
    rig_note_begin(&r);
    unsigned accepted = seen.accepted;
    rig_note_end(&r);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert(starved);
    ck_assert_uint_eq(accepted, 0);
    ck_assert(wait_accepted(1));
    close(fd);
    rig_halt(&r);
}
END_TEST

START_TEST(who_waits_in_the_queue_sees_a_clean_end)
{
    fwi_listener *l = listen_loopback();
    int fds[10];
    for (int i = 0; i < 10; i++) {
        fds[i] = connect_port(fwi_listener_port(l));
    }
    fwi_listener_close(l); /* the loop never ran */
    for (int i = 0; i < 10; i++) {
        char c;
        ck_assert_int_eq(read(fds[i], &c, 1), 0);
        close(fds[i]);
    }
}
END_TEST

START_TEST(a_closed_port_can_be_taken_at_once)
{
    fwi_listener *l = listen_loopback();
    fwi_listen_at at = {.host = "127.0.0.1", .port = fwi_listener_port(l)};
    int fd = connect_port(at.port);
    fwi_listener_close(l);
    fwi_listener_close(listen_at(&at)); /* though a connection is still there */
    close(fd);
}
END_TEST

START_TEST(a_unix_socket_is_served_and_removed)
{
    fwi_listener *l = listen_at(&(fwi_listen_at){.file = file});
    ck_assert_int_eq(fwi_listener_port(l), 0);
    rig_run(&r);
    int fd = connect_file(file);
    ck_assert(wait_accepted(1));
    ck_assert_str_eq(seen.peer, "");
    close(fd);
    rig_halt(&r);
    fwi_listener_close(l);
    ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

START_TEST(a_live_unix_socket_is_not_taken_away)
{
    fwi_listener *l = listen_at(&(fwi_listen_at){.file = file}), *second = NULL;
    fwi_listen_at at = {.file = file};
    ck_assert_int_eq(fwi_listener_open(&second, r.loop, &at, &listener_events, NULL),
                     FW_ERR_LISTEN);
    ck_assert_str_eq(fw_error_detail(), "address already in use");
    ck_assert_int_eq(access(file, F_OK), 0);
    fwi_listener_close(l);
}
END_TEST

START_TEST(a_stale_unix_socket_is_replaced)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, file);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    ck_assert_int_eq(connect_file(file), -ECONNREFUSED);
    listen_at(&(fwi_listen_at){.file = file});
    fd = connect_file(file);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
END_TEST

START_TEST(a_successors_unix_socket_is_left_alone)
{
    fwi_listener *l = listen_at(&(fwi_listen_at){.file = file});
    char aside[160];
    snprintf(aside, sizeof aside, "%s.old", file); /* keeps the inode from being reused */
    ck_assert_int_eq(rename(file, aside), 0);
    fwi_listener *next = listen_at(&(fwi_listen_at){.file = file});
    fwi_listener_close(l);
    ck_assert_int_eq(access(file, F_OK), 0);
    fwi_listener_close(next);
    ck_assert_int_ne(access(file, F_OK), 0);
    unlink(aside);
}
END_TEST

static fwi_listener *closes_itself;

static void close_on_accept(void *user, int fd, const char *peer)
{
    on_accept(user, fd, peer);
    fwi_listener_close(closes_itself);
}

START_TEST(a_listener_may_be_closed_by_its_own_callback)
{
    static const fwi_listener_events events = {close_on_accept, on_starved};
    fwi_listen_at at = {.host = "127.0.0.1"};
    ck_assert_int_eq(fwi_listener_open(&closes_itself, r.loop, &at, &events, NULL),
                     FW_OK);
    int one = connect_port(fwi_listener_port(closes_itself));
    int two = connect_port(fwi_listener_port(closes_itself));
    rig_run(&r);
    ck_assert(wait_accepted(1));
    char c;
    ck_assert_int_eq(read(two, &c, 1), 0);
    ck_assert_uint_eq(seen.accepted, 1);
    close(one);
    close(two);
    rig_halt(&r);
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
    tcase_add_test(tc, an_idle_loop_does_not_turn);
    tcase_add_test(tc, a_thousand_lives_leave_nothing_behind);
    tcase_add_test(tc, a_forked_child_can_let_go_of_the_loop);
    suite_add_tcase(suite, tc);
    tc = tcase_create("listener");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_taken_port_is_refused_at_open);
    tcase_add_test(tc, a_shared_port_can_be_taken_twice);
    tcase_add_loop_test(tc, what_cannot_be_listened_on_says_why, 0,
                        (int)FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, a_newcomer_is_handed_over_with_its_address);
    tcase_add_test(tc, everybodys_address_takes_ipv4_too_and_names_it_so);
    tcase_add_test(tc, a_turn_takes_at_most_32);
    tcase_add_test(tc, out_of_descriptors_it_pauses_and_goes_on);
    tcase_add_test(tc, who_waits_in_the_queue_sees_a_clean_end);
    tcase_add_test(tc, a_closed_port_can_be_taken_at_once);
    tcase_add_test(tc, a_unix_socket_is_served_and_removed);
    tcase_add_test(tc, a_live_unix_socket_is_not_taken_away);
    tcase_add_test(tc, a_stale_unix_socket_is_replaced);
    tcase_add_test(tc, a_successors_unix_socket_is_left_alone);
    tcase_add_test(tc, a_listener_may_be_closed_by_its_own_callback);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
