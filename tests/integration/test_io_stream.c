/*
 * Client streams of the real loop against real peers, without TLS: connecting, bytes both
 * ways, ends. Peers are blocking servers, each a thread (io_stream_rig.h).
 */
#include <sys/un.h>

#include "io_stream_rig.h"

/* --- peers --- */

static void say_goodbye(peer *p, int fd)
{
    (void)p;
    ck_assert_int_eq(write(fd, "bye", 3), 3);
}

static void reset_after_a_byte(peer *p, int fd)
{
    (void)p;
    char c;
    ck_assert_int_eq(read(fd, &c, 1), 1);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void open_port(int port)
{
    open_to((fwi_stream_target){
        .host = "127.0.0.1", .port = port, .connect_timeout_us = 10000000});
}

/* --- connecting --- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

START_TEST(a_refusal_says_where_and_why)
{
    int port = free_port();
    open_port(port);
    expect_end("connect 127.0.0.1:%d: connection refused", port);
    ck_assert_uint_eq(rs.opened, 0);
}
END_TEST

START_TEST(a_refusal_of_all_addresses_of_a_name)
{
    int port = free_port();
    open_to((fwi_stream_target){.host = "localhost", .port = port});
    expect_end("connect localhost:%d: connection refused", port);
}
END_TEST

START_TEST(a_missing_unix_socket)
{
    open_to((fwi_stream_target){.path = "/nonexistent/redis.sock"});
    expect_end("connect /nonexistent/redis.sock: no such file or directory", 0);
}
END_TEST

START_TEST(a_unix_path_too_long_is_not_cut_off)
{
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[199] = '\0';
    open_to((fwi_stream_target){.path = path});
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_ptr_nonnull(strstr(rs.why, "name too long"));
}
END_TEST

START_TEST(a_name_that_nobody_has)
{
    open_to((fwi_stream_target){.host = "no..name", .port = 1});
    expect_end("resolve no..name:1: unknown node or service", 0);
}
END_TEST

START_TEST(a_bad_port)
{
    open_to((fwi_stream_target){.host = "127.0.0.1", .port = 700000});
    ck_assert(rig_stream_wait_closed(&rs));
}
END_TEST

START_TEST(an_address_that_swallows_is_given_up)
{
    /* A full queue of newcomers, where the kernel drops the SYN. */
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    int full = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(full, (struct sockaddr *)&a, len), 0);
    ck_assert_int_eq(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&a, &len);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&a, len);
    }
    open_to((fwi_stream_target){
        .host = "127.0.0.1", .port = ntohs(a.sin_port), .connect_timeout_us = 200000});
    expect_end("connect 127.0.0.1:%d: connection timed out", ntohs(a.sin_port));
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    close(full);
}
END_TEST

START_TEST(a_name_leads_to_the_address_that_answers)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo); /* 127.0.0.1; ::1 comes first where it is known */
    open_to((fwi_stream_target){
        .host = "localhost", .port = p.port, .connect_timeout_us = 10000000});
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

START_TEST(giving_up_while_connecting_is_silent)
{
    for (int i = 0; i < 20; i++) {
        rig_stream one = {.s = NULL};
        const char *host = i % 2 ? "localhost" : "127.0.0.1";
        fwi_stream_target to = {.host = host, .port = 1, .connect_timeout_us = 1};
        rig_stream_open(&one, &r, &to);
        rig_stream_close(&one);
        ck_assert_uint_eq(one.opened + one.after_end, 0);
    }
}
END_TEST

/* --- bytes --- */

START_TEST(bytes_go_both_ways)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "PING", 4);
    ck_assert(rig_stream_wait_bytes(&rs, 4));
    ck_assert_mem_eq(rs.data.data, "PING", 4);
    ck_assert_uint_eq(rs.opened, 1);
    rig_stream_close(&rs);
    peer_end(&p);
    ck_assert_uint_eq(rs.closed, 0);
}
END_TEST

START_TEST(what_is_written_early_goes_first)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.early = "HELLO ";
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "world", 5);
    ck_assert(rig_stream_wait_bytes(&rs, 11));
    ck_assert_mem_eq(rs.data.data, "HELLO world", 11);
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

typedef struct unix_peer {
    peer p;
    char dir[32], path[64];
} unix_peer;

static void peer_unix(unix_peer *u, void (*serve)(peer *p, int fd))
{
    strcpy(u->dir, "/tmp/fw-io-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(u->dir));
    snprintf(u->path, sizeof u->path, "%s/s.sock", u->dir);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, u->path);
    peer_start(&u->p, (struct sockaddr *)&a, sizeof a, serve);
    open_to((fwi_stream_target){.path = u->path, .connect_timeout_us = 10000000});
    ck_assert(rig_stream_wait_open(&rs));
}

static void peer_unix_remove(unix_peer *u)
{
    unlink(u->path);
    rmdir(u->dir);
}

START_TEST(a_unix_socket_carries_bytes)
{
    unix_peer u = {.path = ""};
    peer_unix(&u, echo);
    rig_stream_write(&rs, "PING", 4);
    ck_assert(rig_stream_wait_bytes(&rs, 4));
    rig_stream_close(&rs);
    peer_end(&u.p);
    peer_unix_remove(&u);
}
END_TEST

START_TEST(what_the_kernel_does_not_take_waits_in_order)
{
    peer p = {.gated = true};
    sem_init(&p.gate, 0, 0);
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    write_large_and_compare(&p);
    sem_destroy(&p.gate);
    rig_stream_close(&rs);
    peer_end(&p);
}
END_TEST

/* Answers, after the other side has closed, before it reads what that had said. */
static void answer_late(peer *p, int fd)
{
    char said[8];
    wait_at_gate(p);
    for (int i = 0; i < 2; i++) { /* the first would bring a reset */
        p->answered += send(fd, "+OK\r\n", 5, MSG_NOSIGNAL) == 5;
    }
    p->heard = recv(fd, said, sizeof said, MSG_WAITALL);
}

START_TEST(a_peer_that_answers_late_still_reads_the_last_words)
{
    peer p = {.gated = true};
    peer_tcp(&p, answer_late);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    sem_wait(&p.came); /* or it would find its end before it looked who is there */
    rig_stream_write(&rs, "QUIT", 4);
    rig_stream_close(&rs);
    sem_post(&p.gate);
    peer_end(&p);
    ck_assert_int_eq(p.answered, 2);
    ck_assert_int_eq((int)p.heard, 4);
}
END_TEST

START_TEST(a_peer_that_never_closes_holds_up_no_loop)
{
    peer p = {.gated = true};
    peer_tcp(&p, answer_late);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_close(&rs);
    teardown();
    setup();
    sem_post(&p.gate);
    peer_end(&p);
}
END_TEST

START_TEST(a_stream_closed_with_bytes_waiting_forgets_them)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    char *bytes = large_bytes();
    rig_stream_write(&rs, bytes, LARGE);
    rig_stream_close(&rs);
    free(bytes);
    peer_end(&p);
}
END_TEST

START_TEST(the_end_of_the_peer_comes_after_its_bytes)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, say_goodbye);
    open_port(p.port);
    expect_end("127.0.0.1:%d: closed by the server", p.port);
    ck_assert_uint_eq(rs.data.len, 3);
    peer_end(&p);
}
END_TEST

START_TEST(a_reset_is_named)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, reset_after_a_byte);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_stream_write(&rs, "x", 1);
    expect_end("read 127.0.0.1:%d: connection reset by peer", p.port);
    peer_end(&p);
}
END_TEST

/* The peer has gone and the loop hasn't looked yet: an error, never SIGPIPE. */
static void write_past_the_end(void *arg)
{
    peer *p = arg;
    ck_assert(r.loop->ops->stream_write(rs.s, "x", 1));
    pthread_join(p->thread, NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert(r.loop->ops->stream_write(rs.s, "x", 1));
    }
}

START_TEST(a_failed_write_is_told_later_and_kills_nobody)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, reset_after_a_byte);
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    rig_do(&r, write_past_the_end, &p);
    expect_end("write 127.0.0.1:%d: connection reset by peer", p.port);
    close(p.fd);
}
END_TEST

START_TEST(a_broken_pipe_is_told_later_and_kills_nobody)
{
    unix_peer u = {.path = ""};
    peer_unix(&u, reset_after_a_byte);
    rig_do(&r, write_past_the_end, &u.p);
    ck_assert(rig_stream_wait_closed(&rs));
    ck_assert_ptr_nonnull(strstr(rs.why, "broken pipe"));
    close(u.p.fd);
    peer_unix_remove(&u);
}
END_TEST

START_TEST(a_stream_may_be_closed_in_on_open)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.close_in_open = true;
    rs.early = "x";
    open_port(p.port);
    ck_assert(rig_stream_wait_open(&rs));
    peer_end(&p); /* sees the end */
}
END_TEST

START_TEST(a_stream_may_be_closed_in_on_data)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, echo);
    rs.close_in_data = true;
    rs.early = "x";
    open_port(p.port);
    ck_assert(rig_stream_wait_bytes(&rs, 1));
    peer_end(&p);
}
END_TEST

START_TEST(a_loop_may_be_freed_with_streams_in_every_state)
{
    peer p = {.ctx = NULL};
    peer_tcp(&p, say_nothing);
    rig x;
    rig_new(&x);
    rig_run(&x);
    rig_stream many[6];
    memset(many, 0, sizeof many);
    fwi_stream_target to[6] = {
        {.host = "127.0.0.1", .port = p.port},
        {.host = "127.0.0.1", .port = p.port, .tls = true},
        {.host = "127.0.0.1", .port = 1},
        {.host = "localhost", .port = 1},
        {.path = "/nonexistent"},
        {.host = "127.0.0.1", .port = 1, .tls = true, .tls_ca = "/nonexistent"},
    };
    for (int i = 0; i < 6; i++) {
        rig_stream_open(&many[i], &x, &to[i]);
    }
    rig_halt(&x);
    rig_free(&x);
    peer_end(&p);
}
END_TEST

int main(void)
{
    signal(SIGPIPE, SIG_DFL); /* the peers block it; the library must be careful */
    Suite *suite = suite_create("io_stream");
    TCase *tc = tcase_create("stream");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_refusal_says_where_and_why);
    tcase_add_test(tc, a_refusal_of_all_addresses_of_a_name);
    tcase_add_test(tc, a_missing_unix_socket);
    tcase_add_test(tc, a_unix_path_too_long_is_not_cut_off);
    tcase_add_test(tc, a_name_that_nobody_has);
    tcase_add_test(tc, a_bad_port);
    tcase_add_test(tc, an_address_that_swallows_is_given_up);
    tcase_add_test(tc, a_name_leads_to_the_address_that_answers);
    tcase_add_test(tc, giving_up_while_connecting_is_silent);
    tcase_add_test(tc, bytes_go_both_ways);
    tcase_add_test(tc, what_is_written_early_goes_first);
    tcase_add_test(tc, a_unix_socket_carries_bytes);
    tcase_add_test(tc, what_the_kernel_does_not_take_waits_in_order);
    tcase_add_test(tc, a_peer_that_answers_late_still_reads_the_last_words);
    tcase_add_test(tc, a_peer_that_never_closes_holds_up_no_loop);
    tcase_add_test(tc, a_stream_closed_with_bytes_waiting_forgets_them);
    tcase_add_test(tc, the_end_of_the_peer_comes_after_its_bytes);
    tcase_add_test(tc, a_reset_is_named);
    tcase_add_test(tc, a_failed_write_is_told_later_and_kills_nobody);
    tcase_add_test(tc, a_broken_pipe_is_told_later_and_kills_nobody);
    tcase_add_test(tc, a_stream_may_be_closed_in_on_open);
    tcase_add_test(tc, a_stream_may_be_closed_in_on_data);
    tcase_add_test(tc, a_loop_may_be_freed_with_streams_in_every_state);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
