/*
 * Presence over a real Redis, with several nodes: what the others see of one that is
 * killed, stopped or gone, and of a Redis that is stopped or has lost everything; and
 * what it costs. Nodes to be killed are processes of their own.
 *
 * That nothing comes is tested after as many beats of the lease as would have brought it.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backplane/redis_presence_scripts.h"
#include "backplane_rig.h"
#include "base/clock.h"

enum { LEASE_MS = 2000, SESSIONS = 1000 };

static node *node_for(uint64_t lease_ms)
{
    fwi_redis_config c = config_for(redis_server_url(server));
    c.lease_ms = lease_ms;
    node *n = node_new(&c);
    node_start(n);
    ck_assert(node_wait(n, node_is_up, NULL, 0));
    return n;
}

static node *quick_node(void)
{
    return node_for(LEASE_MS);
}

/* --- a node in a process --- */

typedef struct child {
    pid_t pid;
    int told;
} child;

/* Its sessions are in three rooms, more of them in one that tells nothing. */
static void live(int tell)
{
    node *n = quick_node();
    node_enter(n, "r:a", 0, SESSIONS / 2, true);
    node_enter(n, "r:b", SESSIONS / 2, SESSIONS / 2, true);
    node_enter(n, "r:silent", 0, 10, false);
    uint64_t all = 0;
    while (all < SESSIONS) {
        node_read(n, "r:a", 0, 0);
        all = n->total;
        node_read(n, "r:b", 0, 0);
        all += n->total;
    }
    if (write(tell, "!", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        pause();
    }
}

/* Before this process has threads of its own. Returns when its sessions are present. */
static child child_begin(void)
{
    int fd[2];
    ck_assert_int_eq(pipe(fd), 0);
    pid_t parent = getpid();
    child c = {.pid = fork(), .told = fd[0]};
    ck_assert_int_ge(c.pid, 0);
    if (c.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            live(fd[1]);
        }
        _exit(1);
    }
    close(fd[1]);
    char ready;
    ck_assert_int_eq(read(c.told, &ready, 1), 1);
    return c;
}

static void child_end(child *c)
{
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    close(c->told);
}

/* --- what the others see --- */

static size_t count_news(const node *n, char kind)
{
    size_t found = 0;
    for (size_t i = 0; i < n->count; i++) {
        found += n->messages[i].text[0] == kind;
    }
    return found;
}

static bool has_leaves(const node *n, const void *unused, size_t at_least)
{
    (void)unused;
    return count_news(n, '-') >= at_least;
}

static bool has_joins(const node *n, const void *unused, size_t at_least)
{
    (void)unused;
    return count_news(n, '+') >= at_least;
}

static size_t news(node *n, char kind)
{
    pthread_mutex_lock(&n->lock);
    size_t found = count_news(n, kind);
    pthread_mutex_unlock(&n->lock);
    return found;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const noted_message *)a)->text, ((const noted_message *)b)->text);
}

/* None of what came is there twice. */
static void expect_no_repetition(node *n)
{
    pthread_mutex_lock(&n->lock);
    qsort(n->messages, n->count, sizeof *n->messages, by_text);
    for (size_t i = 1; i < n->count; i++) {
        ck_assert_str_ne(n->messages[i].text, n->messages[i - 1].text);
    }
    pthread_mutex_unlock(&n->lock);
}

static bool total_is(node *n, const char *channel, uint64_t total)
{
    node_read(n, channel, 0, 0);
    return n->page_err == 0 && n->total == total;
}

static void expect_total(node *n, const char *channel, uint64_t total)
{
    ck_assert_msg(total_is(n, channel, total), "%s has %llu members and not %llu",
                  channel, (unsigned long long)n->total, (unsigned long long)total);
}

static void await_total(node *n, const char *channel, uint64_t total)
{
    uint64_t until_us = fwi_clock_us() + 60 * 1000000ull;
    while (!total_is(n, channel, total) && fwi_clock_us() < until_us) {
    }
    expect_total(n, channel, total);
}

/* A beat is a third of a lease, and at idle it is all there is. */
static void let_beats_pass(node *n, unsigned beats)
{
    uint64_t before = node_figures(n).calls;
    uint64_t until_us = fwi_clock_us() + 60 * 1000000ull;
    const struct timespec moment = {.tv_nsec = 5000000};
    while (node_figures(n).calls < before + beats) {
        ck_assert(fwi_clock_us() < until_us);
        nanosleep(&moment, NULL);
    }
}

static node *observer_for(uint64_t lease_ms)
{
    node *n = node_for(lease_ms);
    enter(n, "r:a");
    enter(n, "r:b");
    enter(n, "r:silent");
    return n;
}

static node *observer(void)
{
    return observer_for(LEASE_MS);
}

START_TEST(a_killed_node_s_thousand_sessions_leave_once_within_its_lease)
{
    child c = child_begin();
    node *one = observer(), *two = observer();
    ck_assert(node_wait(one, node_knows_nodes, NULL, 2));
    node_enter(one, "r:a", 0, 5, true);
    await_total(one, "r:a", SESSIONS / 2 + 5);
    uint64_t killed_us = fwi_clock_us();
    child_end(&c);
    ck_assert(node_wait(one, has_leaves, NULL, SESSIONS));
    ck_assert(node_wait(two, has_leaves, NULL, SESSIONS));
    /* Within its lease, and then as long as a busy machine takes over a thousand. */
    ck_assert_uint_lt(fwi_clock_us() - killed_us, 10 * LEASE_MS * 1000ull);
    ck_assert(node_wait(one, node_misses_nodes, NULL, 1));
    ck_assert(node_wait(two, node_misses_nodes, NULL, 1));
    await_total(one, "r:silent", 0);
    expect_total(one, "r:b", 0);
    expect_total(one, "r:a", 5);
    let_beats_pass(one, 8);
    let_beats_pass(two, 8);
    ck_assert_uint_eq(news(one, '-'), SESSIONS);
    ck_assert_uint_eq(news(two, '-'), SESSIONS);
    ck_assert_uint_eq(news(one, '+'), 0);
    expect_no_repetition(one);
    expect_no_repetition(two);
    ck_assert_uint_eq(node_figures(one).swept + node_figures(two).swept, SESSIONS + 10);
    ck_assert_uint_eq(node_figures(one).sweeps + node_figures(two).sweeps, 1);
    node_free(one);
    node_free(two);
}
END_TEST

START_TEST(of_a_dead_node_nothing_stays_in_redis_for_longer_than_a_day)
{
    child c = child_begin();
    node *one = observer();
    child_end(&c);
    ck_assert(node_wait(one, has_leaves, NULL, SESSIONS));
    await_total(one, "r:silent", 0);
    let_beats_pass(one, 3);
    node_free(one);
    char keys[1024], ttl[32];
    ck_assert_int_eq(redis_server_cli(server, keys, sizeof keys, "KEYS", "*", NULL), 0);
    /* That its life is over, and whose end was told, should it come back. */
    ck_assert_ptr_nonnull(strstr(keys, "{fanwire:nodes}:over:"));
    for (char *rest, *key = strtok_r(keys, "\n", &rest); key != NULL;
         key = strtok_r(NULL, "\n", &rest)) {
        ck_assert_msg(strstr(key, "}:over:") || strstr(key, "}:gone:"), "%s", key);
        ck_assert_int_eq(redis_server_cli(server, ttl, sizeof ttl, "TTL", key, NULL), 0);
        ck_assert_int_gt(atoi(ttl), 0);
        ck_assert_int_le(atoi(ttl), 86400);
    }
}
END_TEST

START_TEST(a_stopped_node_that_goes_on_is_present_again)
{
    child c = child_begin();
    node *one = observer();
    kill(c.pid, SIGSTOP);
    ck_assert(node_wait(one, has_leaves, NULL, SESSIONS));
    await_total(one, "r:a", 0);
    ck_assert(node_wait(one, node_misses_nodes, NULL, 1));
    kill(c.pid, SIGCONT);
    ck_assert(node_wait(one, has_joins, NULL, SESSIONS));
    await_total(one, "r:a", SESSIONS / 2);
    await_total(one, "r:b", SESSIONS / 2);
    await_total(one, "r:silent", 10);
    ck_assert(node_wait(one, node_knows_nodes, NULL, 2));
    let_beats_pass(one, 8);
    ck_assert_uint_eq(news(one, '-'), SESSIONS);
    ck_assert_uint_eq(news(one, '+'), SESSIONS);
    expect_no_repetition(one);
    /* And what ends in its new life ends as ever. */
    child_end(&c);
    ck_assert(node_wait(one, has_leaves, NULL, 2 * SESSIONS));
    await_total(one, "r:silent", 0);
    node_free(one);
}
END_TEST

START_TEST(a_redis_that_comes_back_empty_is_told_everything_and_nobody_has_left)
{
    node *one = observer(), *two = observer();
    node_enter(one, "r:a", 0, 300, true);
    node_enter(two, "r:a", 300, 200, true);
    await_total(one, "r:a", 500);
    let_beats_pass(one, 2);
    redis_server_kill(server);
    ck_assert(node_wait(one, node_is_away, "", 0));
    node_read(one, "r:a", 0, 10);
    ck_assert_int_eq(one->page_err, FW_ERR_BACKPLANE);
    redis_server_restart(server);
    ck_assert(node_wait(one, node_is_up, NULL, 0));
    ck_assert(node_wait(two, node_is_up, NULL, 0));
    await_total(one, "r:a", 500);
    let_beats_pass(one, 8);
    ck_assert(total_is(two, "r:a", 500));
    ck_assert_uint_eq(news(one, '-') + news(two, '-'), 0);
    ck_assert_uint_eq(news(one, '+') + news(two, '+'), 0);
    ck_assert_uint_eq(node_figures(one).lives, 1);
    node_free(one);
    node_free(two);
}
END_TEST

START_TEST(entries_that_are_lost_under_a_living_link_come_back_with_the_next_beat)
{
    char out[64];
    node *one = observer(), *two = observer();
    node_enter(one, "r:a", 0, 50, true);
    await_total(one, "r:a", 50);
    let_beats_pass(one, 2);
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "FLUSHALL", NULL), 0);
    await_total(two, "r:a", 50);
    ck_assert_uint_eq(news(two, '-') + news(two, '+'), 0);
    node_free(one);
    node_free(two);
}
END_TEST

/* Its answer may be lost: then the next one must find the same. */
START_TEST(a_beat_to_a_redis_that_has_forgotten_the_node_writes_nothing)
{
    char out[256];
#define BEAT(life, beat, least)                                                          \
    redis_server_cli(server, out, sizeof out, "EVAL", fwi_redis_script_beat, "4",        \
                     "{x}:leases", "{x}:facts",                                          \
                     "{x}:over:", "{x}:claim:", "00000000000000aa", "10000", life, beat, \
                     "me", "0", least, NULL)
    BEAT("1", "1", "0");
    ck_assert_str_eq(out, "0 0 0");
    BEAT("1", "2", "1");
    ck_assert_str_eq(out, "0 1 1");
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "FLUSHALL", NULL), 0);
    BEAT("1", "3", "2");
    ck_assert_str_eq(out, "0 0 0");
    BEAT("1", "4", "2");
    ck_assert_str_eq(out, "0 0 0");
    BEAT("2", "5", "0");
    ck_assert_str_eq(out, "0 0 0");
    BEAT("2", "6", "5");
    ck_assert_str_eq(out, "0 1 5");
    BEAT("1", "4", "2"); /* of a link that was lost long ago */
    BEAT("2", "7", "6");
    ck_assert_str_eq(out, "0 1 6");
#undef BEAT
}
END_TEST

START_TEST(a_redis_that_stands_still_for_two_leases_makes_nobody_leave)
{
    node *one = observer(), *two = observer();
    node_enter(one, "r:a", 0, 100, true);
    node_enter(two, "r:a", 100, 100, true);
    await_total(one, "r:a", 200);
    ck_assert(node_wait(one, node_knows_nodes, NULL, 1));
    let_beats_pass(one, 4);
    uint64_t stopped_us = fwi_clock_us();
    redis_server_pause(server);
    ck_assert(node_wait(one, node_is_away, "", 0));
    ck_assert(node_wait(two, node_is_away, "", 0));
    const struct timespec moment = {.tv_nsec = 5000000};
    while (fwi_clock_us() - stopped_us < 2 * LEASE_MS * 1000ull) {
        nanosleep(&moment, NULL);
    }
    node_leave(one, "r:a", 0, 1); /* while it is away */
    redis_server_resume(server);
    ck_assert(node_wait(one, node_is_up, NULL, 0));
    ck_assert(node_wait(two, node_is_up, NULL, 0));
    await_total(one, "r:a", 199);
    let_beats_pass(one, 8);
    let_beats_pass(two, 8);
    ck_assert(total_is(two, "r:a", 199));
    ck_assert_uint_eq(news(one, '-') + news(two, '-'), 0);
    ck_assert_uint_eq(one->node_downs + two->node_downs, 0);
    node_free(one);
    node_free(two);
}
END_TEST

/* Whoever asks finds every lease ended, his own too. */
START_TEST(a_clock_of_redis_that_is_put_forward_makes_nobody_leave)
{
    static const char all_end[] =
        "for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do\n"
        "  redis.call('ZADD', KEYS[1], 1, node)\n"
        "end\n";
    char out[64];
    node *one = observer(), *two = observer();
    node_enter(one, "r:a", 0, 10, true);
    node_enter(two, "r:a", 10, 10, true);
    await_total(one, "r:a", 20);
    ck_assert(node_wait(one, node_knows_nodes, NULL, 1));
    ck_assert(node_wait(two, node_knows_nodes, NULL, 1));
    let_beats_pass(one, 4); /* they may judge */
    ck_assert_int_eq(redis_server_cli(server, out, sizeof out, "EVAL", all_end, "1",
                                      "{fanwire:nodes}:leases", NULL),
                     0);
    let_beats_pass(one, 3);
    let_beats_pass(two, 3);
    ck_assert(total_is(one, "r:a", 20));
    ck_assert_uint_eq(news(one, '-') + news(two, '-'), 0);
    ck_assert_uint_eq(one->node_downs + two->node_downs, 0);
    node_free(one);
    node_free(two);
}
END_TEST

START_TEST(a_node_that_stops_is_gone_at_once_and_leaves_nothing)
{
    enum { LONG_LEASE_MS = 6000 };
    node *one = observer_for(LONG_LEASE_MS), *two = observer_for(LONG_LEASE_MS);
    ck_assert(node_wait(one, node_knows_nodes, NULL, 1));
    ck_assert_str_eq(one->last_node, two->name);
    node_enter(two, "r:a", 0, 10, true);
    await_total(one, "r:a", 10);
    node_leave(two, "r:a", 0, 10);
    node_free(two);
    /* A lease ends two thirds of it behind the last beat, or later. */
    ck_assert(node_wait_ms(one, node_misses_nodes, NULL, 1, LONG_LEASE_MS * 2 / 3));
    await_total(one, "r:a", 0);
    node_read(one, NULL, 0, 0);
    ck_assert_uint_eq(one->total, 1);
    node_free(one);
    char keys[1024];
    ck_assert_int_eq(redis_server_cli(server, keys, sizeof keys, "KEYS", "*", NULL), 0);
    ck_assert_str_eq(keys, "");
}
END_TEST

/* How often a command was executed. */
static unsigned long calls_of(const char *command)
{
    static char stats[16384];
    char name[64];
    redis_server_cli(server, stats, sizeof stats, "INFO", "commandstats", NULL);
    snprintf(name, sizeof name, "cmdstat_%s:calls=", command);
    const char *at = strstr(stats, name);
    return at != NULL ? strtoul(at + strlen(name), NULL, 10) : 0;
}

START_TEST(at_idle_presence_costs_beats_and_nothing_a_session)
{
    static const unsigned sessions[] = {100, 10000};
    for (size_t i = 0; i < FWI_ARRAY_LEN(sessions); i++) {
        node *one = quick_node(), *two = quick_node();
        node_enter(one, "r:a", 0, sessions[i], true);
        await_total(one, "r:a", sessions[i]);
        let_beats_pass(one, 2);
        /* Beats go on while we look: what must be more is counted outside. */
        uint64_t begun_us = fwi_clock_us();
        unsigned long eval = calls_of("eval");
        unsigned long hset = calls_of("hset");
        unsigned long hdel = calls_of("hdel");
        let_beats_pass(one, 6);
        let_beats_pass(two, 1);
        /* A node that the machine kept too long is swept: its name, and nobody else. */
        ck_assert_uint_le(calls_of("hdel") - hdel, 10);
        /* A beat is one EVAL, whose own HSET counts as one. */
        unsigned long hsets = calls_of("hset") - hset;
        unsigned long evals = calls_of("eval") - eval;
        double beats =
            (double)(fwi_clock_us() - begun_us) / ((double)LEASE_MS * 1000 / 3);
        ck_assert_uint_ge(evals, 6);
        ck_assert_uint_le(evals, (unsigned long)(2 * beats) + 6);
        ck_assert_uint_le(hsets, evals);
        node_leave(one, "r:a", 0, sessions[i]);
        await_total(one, "r:a", 0);
        node_free(one);
        node_free(two);
    }
}
END_TEST

START_TEST(ten_thousand_members_of_a_turn_go_out_in_a_few_writes)
{
    enum { N = 10000 };
    node *n = quick_node();
    node_enter(n, "r:a", N, 1, false);
    await_total(n, "r:a", 1);
    fwi_backplane_figures before = node_figures(n);
    node_enter(n, "r:a", 0, N, false);
    await_total(n, "r:a", N + 1);
    fwi_backplane_figures after = node_figures(n);
    ck_assert_uint_ge(after.calls - before.calls, N);
    /* 2 MB in pieces of one, beside what the questions took. */
    ck_assert_uint_le(after.writes - before.writes, after.calls - before.calls - N + 10);
    node_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("presence_redis");
    TCase *tc = case_of(s, "several nodes");
    tcase_add_test(tc, a_killed_node_s_thousand_sessions_leave_once_within_its_lease);
    tcase_add_test(tc, of_a_dead_node_nothing_stays_in_redis_for_longer_than_a_day);
    tcase_add_test(tc, a_stopped_node_that_goes_on_is_present_again);
    tcase_add_test(tc,
                   a_redis_that_comes_back_empty_is_told_everything_and_nobody_has_left);
    tcase_add_test(
        tc, entries_that_are_lost_under_a_living_link_come_back_with_the_next_beat);
    tcase_add_test(tc, a_beat_to_a_redis_that_has_forgotten_the_node_writes_nothing);
    tcase_add_test(tc, a_redis_that_stands_still_for_two_leases_makes_nobody_leave);
    tcase_add_test(tc, a_clock_of_redis_that_is_put_forward_makes_nobody_leave);
    tcase_add_test(tc, a_node_that_stops_is_gone_at_once_and_leaves_nothing);
    tcase_add_test(tc, at_idle_presence_costs_beats_and_nothing_a_session);
    tcase_add_test(tc, ten_thousand_members_of_a_turn_go_out_in_a_few_writes);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
