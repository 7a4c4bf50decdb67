/*
 * Listening sockets that go from one hub to another: whoever takes them serves, whoever
 * has let go serves those whom it has, and nobody is turned away meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

static const char head[] =
    "GET /ws?name=late HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* A hub of this kind that is to take all sockets of another. */
static test_hub *successor_of(test_hub *a, unsigned kind)
{
    test_hub *b = test_hub_new(kind);
    test_hub_make(b);
    int fd;
    for (size_t i = 0; (fd = fw_hub_listener_fd(a->hub, i)) >= 0; i++) {
        ck_assert_int_eq(fw_hub_listener_take(b->hub, fd), FW_OK);
    }
    ck_assert_int_eq(fd, FW_ERR_INVALID);
    return b;
}

START_TEST(the_successor_has_the_port_and_the_other_its_sessions)
{
    test_hub *a = test_hub_open((unsigned)_i);
    test_client old = test_client_open(a, "old");
    test_hub *b = successor_of(a, (unsigned)_i);
    test_hub_start(b);
    ck_assert_str_eq(test_hub_url(b), test_hub_url(a));
    ck_assert_int_eq(fw_hub_listener_release(a->hub), FW_OK);
    ck_assert_int_eq(fw_hub_listener_own(b->hub), FW_OK);
    ck_assert_int_eq(fw_hub_listener_fd(a->hub, 0), FW_ERR_CLOSED);
    for (int i = 0; i < 20; i++) {
        test_client c = test_client_open(b, "new");
        test_client_close(&c);
    }
    fw_session_send(a->hub, old.id, TEXT("still here"));
    ws_client_expect_text(old.ws, "still here");
    ck_assert_int_eq(fw_hub_drain(a->hub, -1), FW_OK);
    ws_client_expect_closed(old.ws, 1001, NULL);
    ws_client_free(old.ws);
    test_hub_close(a);
    test_client c = test_client_open(b, "new");
    test_client_close(&c);
    test_hub_close(b);
}
END_TEST

static void *drain(void *user)
{
    test_hub *h = user;
    return (void *)(intptr_t)fw_hub_drain(h->hub, -1);
}

START_TEST(who_is_shaking_hands_is_let_in_before_the_drain)
{
    test_hub *a = test_hub_open((unsigned)_i);
    ws_client *c = ws_client_connect(test_hub_url(a), NULL);
    test_hub_wait_stat_is(a, "fanwire_pending_connections", 1);
    ck_assert_int_eq(fw_hub_listener_release(a->hub), FW_OK);
    pthread_t thread;
    pthread_create(&thread, NULL, drain, a);
    ck_assert(ws_client_raw(c, head, sizeof head - 1));
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_expect_closed(c, 1001, NULL);
    ws_client_free(c);
    void *result;
    pthread_join(thread, &result);
    ck_assert_int_eq((int)(intptr_t)result, FW_OK);
    test_hub_close(a);
}
END_TEST

START_TEST(who_stays_silent_does_not_use_up_the_time_of_the_drain)
{
    test_hub *a = test_hub_new((unsigned)_i);
    test_hub_set(a, "handshake.timeout", "60s");
    test_hub_start(a);
    test_client old = test_client_open(a, "old");
    ws_client *silent = ws_client_connect(test_hub_url(a), NULL);
    test_hub_wait_stat_is(a, "fanwire_pending_connections", 1);
    ck_assert_int_eq(fw_hub_listener_release(a->hub), FW_OK);
    ck_assert_int_eq(fw_hub_drain(a->hub, 10000), FW_OK);
    ws_client_expect_closed(old.ws, 1001, NULL);
    ws_client_free(old.ws);
    ws_client_free(silent);
    test_hub_close(a);
}
END_TEST

START_TEST(a_successor_that_cannot_start_disturbs_nobody)
{
    test_hub *a = test_hub_open((unsigned)_i);
    test_hub *b = test_hub_new(0);
    test_hub_set(b, "redis.url", "redis+unix:///nonexistent/redis.sock");
    test_hub_set(b, "redis.required", "on");
    test_hub_make(b);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, fw_hub_listener_fd(a->hub, 0)), FW_OK);
    ws_client *waiting[10];
    for (int i = 0; i < 10; i++) {
        waiting[i] = ws_client_start(test_hub_url(a), NULL);
    }
    ck_assert_int_eq(fw_hub_start(b->hub), FW_ERR_BACKPLANE);
    test_hub_close(b);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(ws_client_answer(waiting[i]), 101);
        ws_client_free(waiting[i]);
    }
    test_client c = test_client_open(a, "after");
    test_client_close(&c);
    test_hub_close(a);
}
END_TEST

START_TEST(who_waits_goes_on_waiting_when_a_socket_is_lent)
{
    int pair[2];
    test_hub *a = test_hub_open((unsigned)_i);
    int kept = fw_hub_listener_fd(a->hub, 0);
    ck_assert_int_ge(kept, 0);
    ck_assert_int_eq(fw_hub_listener_release(a->hub), FW_OK);
    ws_client *c = ws_client_start(test_hub_url(a), NULL);
    test_hub_close(a);
    test_hub *b = test_hub_new((unsigned)_i);
    test_hub_make(b);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, kept), FW_OK);
    test_hub_start(b);
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_free(c);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, pair[0]), FW_ERR_INVALID);
    close(pair[0]);
    close(pair[1]);
    test_hub_close(b);
}
END_TEST

START_TEST(the_file_of_a_unix_socket_is_its_owners)
{
    char folder[] = "/tmp/fw-handover-XXXXXX", file[64], url[80];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/s", folder);
    snprintf(url, sizeof url, "unix:%s:/ws", file);
    test_hub *a = test_hub_new((unsigned)_i);
    test_hub_set(a, "listen", url);
    test_hub_start(a);
    test_hub *b = test_hub_new((unsigned)_i);
    test_hub_set(b, "listen", url);
    test_hub_make(b);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, fw_hub_listener_fd(a->hub, 0)), FW_OK);
    test_hub_start(b);
    ck_assert_int_eq(fw_hub_listener_release(a->hub), FW_OK);
    test_hub_close(a);
    ck_assert_int_eq(access(file, F_OK), 0);
    test_client c = test_client_open(b, "new");
    test_client_close(&c);
    ck_assert_int_eq(fw_hub_listener_own(b->hub), FW_OK);
    test_hub_close(b);
    ck_assert_int_ne(access(file, F_OK), 0);
    rmdir(folder);
}
END_TEST

/* It would be closed twice, and the second time be somebody else's. */
START_TEST(a_number_is_taken_once)
{
    test_hub *a = test_hub_open((unsigned)_i);
    test_hub *b = test_hub_new((unsigned)_i);
    test_hub_make(b);
    int fd = fw_hub_listener_fd(a->hub, 0), copy = fw_hub_listener_fd(a->hub, 0);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, fd), FW_OK);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, fd), FW_ERR_INVALID);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    ck_assert_int_eq(fw_hub_listener_take(b->hub, copy), FW_OK);
    test_hub_close(b);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    test_hub_close(a);
}
END_TEST

START_TEST(calls_at_the_wrong_time_say_so)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_make(h);
    ck_assert_int_eq(fw_hub_listener_fd(h->hub, 0), FW_ERR_CLOSED);
    ck_assert_int_eq(fw_hub_listener_release(h->hub), FW_ERR_STATE);
    ck_assert_int_eq(fw_hub_listener_own(h->hub), FW_ERR_STATE);
    ck_assert_int_eq(fw_hub_listener_take(h->hub, -1), FW_ERR_INVALID);
    test_hub_start(h);
    int fd = fw_hub_listener_fd(h->hub, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fw_hub_listener_take(h->hub, fd), FW_ERR_STATE);
    ck_assert_int_eq(fw_hub_listener_fd(h->hub, 1), FW_ERR_INVALID);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handover");
    test_add(s, the_successor_has_the_port_and_the_other_its_sessions, 0, HUB_KIND_REDIS);
    test_add(s, who_is_shaking_hands_is_let_in_before_the_drain, 0, HUB_KIND_REDIS);
    test_add(s, who_stays_silent_does_not_use_up_the_time_of_the_drain, 0, 1);
    test_add(s, a_successor_that_cannot_start_disturbs_nobody, 0, 1);
    test_add(s, who_waits_goes_on_waiting_when_a_socket_is_lent, 0, HUB_KIND_REDIS);
    test_add(s, the_file_of_a_unix_socket_is_its_owners, 0, HUB_KIND_REDIS);
    test_add(s, a_number_is_taken_once, 0, 1);
    test_add(s, calls_at_the_wrong_time_say_so, 0, HUB_KIND_REDIS);
    return s;
}

int main(void)
{
    return test_main(suite(), false);
}
