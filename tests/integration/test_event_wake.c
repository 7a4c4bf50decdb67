/*
 * A socket of the application that is written to when events begin to wait
 * (fw_hub_event_wake): for event loops that can't wait for the descriptor of the queue.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/hub_fixture.h"

typedef struct wake_pair {
    int ours, theirs;
} wake_pair;

static wake_pair pair_new(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return (wake_pair){ends[0], ends[1]};
}

/* Gives one end to the hub; the hub has its own of it. */
static int wake_by_new_pair(test_hub *h)
{
    wake_pair pair = pair_new();
    ck_assert_int_eq(fw_hub_event_wake(h->hub, pair.theirs), FW_OK);
    close(pair.theirs);
    return pair.ours;
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

/* Waits until it can be read. 0: the other end is closed. */
static int bytes_in(int fd)
{
    char bytes[64];
    ck_assert(readable(fd, WS_DEADLINE_MS));
    return (int)recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
}

static void take(test_hub *h, fw_event_type type)
{
    fw_event *e = test_hub_expect(h, type);
    test_hub_done(h, e);
}

static test_hub *started(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "events", "queued");
    h->record = 1u << FW_EVENT_OPEN | 1u << FW_EVENT_MESSAGE;
    test_hub_start(h);
    return h;
}

START_TEST(a_byte_comes_when_the_queue_turns_from_empty_to_not_empty)
{
    test_hub *h = started(_i);
    int fd = wake_by_new_pair(h);
    ck_assert(!readable(fd, 0));
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    ck_assert_int_eq(bytes_in(fd), 1);
    take(h, FW_EVENT_OPEN);
    for (int i = 0; i < 3; i++) {
        ck_assert(!readable(fd, 0));
        ck_assert(ws_client_text(c, "one"));
        ck_assert_int_eq(bytes_in(fd), 1);
        take(h, FW_EVENT_MESSAGE);
    }
    ws_client_free(c);
    test_hub_close(h);
    close(fd);
}
END_TEST

START_TEST(a_socket_that_comes_when_events_wait_is_woken_at_once)
{
    test_hub *h = started(_i);
    int first = wake_by_new_pair(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    ck_assert_int_eq(bytes_in(first), 1);
    int second = wake_by_new_pair(h);
    ck_assert_int_eq(bytes_in(second), 1);
    ck_assert_int_eq(bytes_in(first), 0); /* nobody has its other end any more */
    take(h, FW_EVENT_OPEN);
    ck_assert_int_eq(fw_hub_event_wake(h->hub, -1), FW_OK);
    ck_assert_int_eq(bytes_in(second), 0);
    ck_assert(ws_client_text(c, "nobody is woken"));
    take(h, FW_EVENT_MESSAGE);
    ws_client_free(c);
    test_hub_close(h);
    close(first);
    close(second);
}
END_TEST

START_TEST(a_socket_that_is_full_or_deserted_delays_nothing)
{
    test_hub *h = started(_i);
    wake_pair pair = pair_new();
    const char junk[4096] = "";
    ck_assert_int_eq(fw_hub_event_wake(h->hub, pair.theirs), FW_OK);
    while (send(pair.theirs, junk, sizeof junk, MSG_DONTWAIT) > 0) {
    }
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    take(h, FW_EVENT_OPEN);
    close(pair.ours);
    ck_assert(ws_client_text(c, "still there"));
    take(h, FW_EVENT_MESSAGE);
    close(pair.theirs);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(only_a_stream_socket_can_be_woken)
{
    test_hub *h = started(_i);
    int ends[2], datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(pipe(ends), 0);
    const int wrong[] = {ends[1], datagram, 987654};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(fw_hub_event_wake(h->hub, wrong[i]), FW_ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(fw_error_detail(), "is not a stream socket"));
    }
    close(ends[0]);
    close(ends[1]);
    close(datagram);
    test_hub_close(h);
}
END_TEST

START_TEST(a_hub_with_inline_events_wakes_nobody)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_start(h);
    ck_assert_int_eq(fw_hub_event_wake(h->hub, -1), FW_ERR_STATE);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("event_wake");
    test_add(s, a_byte_comes_when_the_queue_turns_from_empty_to_not_empty, 0, HUB_KINDS);
    test_add(s, a_socket_that_comes_when_events_wait_is_woken_at_once, 0, HUB_KINDS);
    test_add(s, a_socket_that_is_full_or_deserted_delays_nothing, 0, HUB_KINDS);
    test_add(s, only_a_stream_socket_can_be_woken, 0, HUB_KINDS);
    test_add(s, a_hub_with_inline_events_wakes_nobody, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
