/*
 * Listeners of the real loop: what can be listened on and what is said when it can't,
 * accepting, starvation, ends, Unix sockets left behind.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "io_rig.h"

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
    Suite *suite = suite_create("io_listener");
    TCase *tc = tcase_create("listener");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_taken_port_is_refused_at_open);
    tcase_add_test(tc, a_shared_port_can_be_taken_twice);
    tcase_add_loop_test(tc, what_cannot_be_listened_on_says_why, 0,
                        (int)FWI_ARRAY_LEN(bad));
    tcase_add_test(tc, a_newcomer_is_handed_over_with_its_address);
    tcase_add_test(tc, everybodys_address_takes_ipv4_too_and_names_it_so);
    tcase_add_test(tc, a_turn_takes_at_most_32);
    tcase_add_test(tc, who_waits_in_the_queue_sees_a_clean_end);
    tcase_add_test(tc, a_closed_port_can_be_taken_at_once);
    tcase_add_test(tc, a_unix_socket_is_served_and_removed);
    tcase_add_test(tc, a_live_unix_socket_is_not_taken_away);
    tcase_add_test(tc, a_stale_unix_socket_is_replaced);
    tcase_add_test(tc, a_successors_unix_socket_is_left_alone);
    tcase_add_test(tc, a_listener_may_be_closed_by_its_own_callback);
    suite_add_tcase(suite, tc);
    /* Not for valgrind, which takes the connection from the kernel before it says that
     * there are no descriptors, and closes it: nobody is left to be accepted later. */
    TCase *starved = tcase_create("descriptors");
    tcase_set_tags(starved, "descriptors");
    tcase_add_checked_fixture(starved, setup, teardown);
    tcase_set_timeout(starved, 60);
    tcase_add_test(starved, out_of_descriptors_it_pauses_and_goes_on);
    suite_add_tcase(suite, starved);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
