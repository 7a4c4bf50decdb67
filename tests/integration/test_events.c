/*
 * Queued events: the descriptor, batches, order, one poller. test_events_credit.c has
 * what happens when more come than are done.
 */
#include <poll.h>
#include <pthread.h>

#include "events_rig.h"
#include "support/hub_fixture.h"

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

START_TEST(the_descriptor_is_readable_while_events_wait)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_start(h);
    int fd = fw_hub_event_fd(h->hub);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fw_hub_event_fd(h->hub), fd);
    ck_assert(!readable(fd, 0));
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    ck_assert(readable(fd, WS_DEADLINE_MS));
    fw_event *open = test_hub_expect(h, FW_EVENT_OPEN);
    ck_assert(!readable(fd, 0));
    send_numbers(c, 0, 2);
    ck_assert(readable(fd, WS_DEADLINE_MS));
    fw_event *first = test_hub_expect(h, FW_EVENT_MESSAGE);
    fw_event *second = test_hub_expect(h, FW_EVENT_MESSAGE);
    ck_assert(!readable(fd, 0));
    ck_assert_ptr_null(test_hub_next(h, 0));
    test_hub_done(h, open);
    test_hub_done(h, first);
    test_hub_done(h, second);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(events_of_a_session_come_in_order_in_batches)
{
    enum { MESSAGES = 2000 };
    test_hub *h = queued_hub(_i, 0);
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    send_numbers(c, 0, MESSAGES);
    ws_client_close(c, 4000, "enough");
    int seen = -1;
    bool closed = false;
    while (!closed) {
        fw_event *events[7];
        int n = fw_hub_poll(h->hub, events, 7, WS_DEADLINE_MS);
        ck_assert_int_ge(n, 1);
        ck_assert_int_le(n, 7);
        for (int i = 0; i < n; i++) {
            fw_event_type type = fw_event_kind(events[i]);
            if (seen == -1) {
                ck_assert_int_eq(type, FW_EVENT_OPEN);
            } else if (seen < MESSAGES) {
                ck_assert_int_eq(type, FW_EVENT_MESSAGE);
                expect_number(events[i], seen);
            } else {
                ck_assert_int_eq(type, FW_EVENT_CLOSE);
                ck_assert_int_eq(fw_event_code(events[i]), 4000);
                ck_assert_str_eq(fw_event_reason(events[i]), "enough");
                closed = true;
            }
            seen++;
        }
        fw_events_done(h->hub, events, n);
    }
    ck_assert_int_eq(seen, MESSAGES + 1);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(room_messages_over_the_limit_are_dropped_and_counted)
{
    enum { SENT = 100, SIZE = 4096 };
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_ROOM_MESSAGE | 1u << FW_EVENT_RESULT);
    test_hub_set(h, "events.max_bytes", "64KiB");
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    fw_session_id id = take_open(h);
    ck_assert_int_eq(fw_session_join(h->hub, id, "lobby", 1), FW_OK);
    test_hub_done(h, test_hub_expect(h, FW_EVENT_RESULT));
    char *body = calloc(1, SIZE);
    for (int i = 0; i < SENT; i++) {
        ck_assert_int_eq(fw_room_publish(h->hub, "lobby", body, SIZE, FW_BINARY), FW_OK);
    }
    /* The member hears all of them nevertheless. */
    for (int i = 0; i < SENT; i++) {
        ws_client_expect(c, WS_BINARY, body, SIZE);
    }
    int events = 0;
    fw_event *e;
    while ((e = test_hub_next(h, 200)) != NULL) {
        ck_assert_int_eq(fw_event_kind(e), FW_EVENT_ROOM_MESSAGE);
        ck_assert_str_eq(fw_event_room(e), "lobby");
        events++;
        test_hub_done(h, e);
    }
    ck_assert_int_ge(events, 1);
    test_hub_wait_stat_is(h, "fanwire_events_dropped_total", SENT - events);
    free(body);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

typedef struct other_poller {
    test_hub *hub;
    int result;
} other_poller;

static void *poll_until_an_event(void *user)
{
    other_poller *p = user;
    fw_event *e = NULL;
    do {
        p->result = fw_hub_poll(p->hub->hub, &e, 1, WS_DEADLINE_MS);
    } while (p->result == FW_ERR_BUSY);
    if (p->result == 1) {
        fw_events_done(p->hub->hub, &e, 1);
    }
    return NULL;
}

static bool poll_is_busy(void *user)
{
    test_hub *h = user;
    fw_event *e;
    return fw_hub_poll(h->hub, &e, 1, 0) == FW_ERR_BUSY;
}

START_TEST(a_second_poller_is_turned_away_and_the_first_wakes_up)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_start(h);
    other_poller p = {.hub = h};
    pthread_t thread;
    pthread_create(&thread, NULL, poll_until_an_event, &p);
    ck_assert(test_wait_until(poll_is_busy, h, WS_DEADLINE_MS));
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    pthread_join(thread, NULL);
    ck_assert_int_eq(p.result, 1);
    ck_assert_ptr_null(test_hub_next(h, 0));
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(connect_is_decided_from_the_queue)
{
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_CONNECT);
    test_hub_start(h);
    ws_client *c = ws_client_start(test_hub_url(h), &(ws_client_options){.query = "x=y"});
    fw_event *e = test_hub_expect(h, FW_EVENT_CONNECT);
    ck_assert_str_eq(fw_event_query(e, "x", 0), "y");
    ck_assert_str_eq(fw_event_fact(e, "path"), "/ws");
    ck_assert_int_eq(fw_accept(h->hub, fw_event_token(e), "ann"), FW_OK);
    test_hub_done(h, e);
    ck_assert_int_eq(ws_client_answer(c), 101);
    e = test_hub_expect(h, FW_EVENT_OPEN);
    ck_assert_str_eq(fw_event_user(e), "ann");
    ck_assert_str_eq(fw_event_query(e, "x", 0), "y");
    test_hub_done(h, e);
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

START_TEST(what_waits_can_be_polled_after_stop_and_kept_after_free)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_start(h);
    ws_client *c = ws_client_open(test_hub_url(h), NULL);
    send_numbers(c, 0, 3);
    fw_event *held[8], *kept;
    held[0] = test_hub_expect(h, FW_EVENT_OPEN);
    held[1] = test_hub_expect(h, FW_EVENT_MESSAGE);
    kept = fw_event_ref(held[1]);
    ck_assert_ptr_nonnull(kept);
    held[2] = test_hub_expect(h, FW_EVENT_MESSAGE);
    test_hub_wait_stat(h, "fanwire_messages_in_total", 3);
    ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
    held[3] = test_hub_expect(h, FW_EVENT_MESSAGE);
    expect_number(held[3], 2);
    held[4] = test_hub_expect(h, FW_EVENT_CLOSE);
    fw_event *none;
    ck_assert_int_eq(fw_hub_poll(h->hub, &none, 1, WS_DEADLINE_MS), FW_ERR_CLOSED);
    fw_hub_free(h->hub);
    expect_number(held[2], 1);
    fw_events_done(h->hub, held, 5);
    expect_number(kept, 0);
    fw_event_unref(kept);
    h->hub = NULL;
    ws_client_free(c);
    test_hub_close(h);
}
END_TEST

/* Taken off the count of the wrong one they would make it look full for ever. */
START_TEST(events_given_back_to_another_hub_go_to_their_own)
{
    test_hub *a = queued_hub(_i, 0), *b = queued_hub(_i, 0);
    test_hub_set(a, "events.per_session", "2");
    test_hub_start(a);
    test_hub_start(b);
    ws_client *c = ws_client_open(test_hub_url(a), NULL);
    ws_client *d = ws_client_open(test_hub_url(b), NULL);
    take_open(b);
    test_hub_done(b, test_hub_expect(a, FW_EVENT_OPEN));
    for (int i = 0; i < 4; i++) { /* a reads on only if its events have come back */
        send_numbers(c, 2 * i, 2 * i + 2);
        test_hub_done(b, test_hub_expect(a, FW_EVENT_MESSAGE));
        test_hub_done(b, test_hub_expect(a, FW_EVENT_MESSAGE));
    }
    ck_assert(test_hub_stat(a, "fanwire_events_bytes") == 0);
    ck_assert(test_hub_stat(b, "fanwire_events_bytes") == 0);
    send_numbers(d, 0, 1);
    test_hub_done(b, test_hub_expect(b, FW_EVENT_MESSAGE));
    ws_client_free(c);
    ws_client_free(d);
    test_hub_close(a);
    test_hub_close(b);
}
END_TEST

START_TEST(a_handler_and_a_queue_exclude_each_other)
{
    test_hub *h = queued_hub(_i, 0);
    test_hub_make(h);
    ck_assert_int_eq(fw_hub_on(h->hub, FW_EVENT_MESSAGE, test_hub_record, h),
                     FW_ERR_INVALID);
    ck_assert_int_eq(fw_hub_on(h->hub, (fw_event_type)99, NULL, NULL), FW_ERR_INVALID);
    test_hub_close(h);
    h = test_hub_open((unsigned)_i);
    fw_event *e;
    ck_assert_int_eq(fw_hub_on(h->hub, FW_EVENT_LOG, NULL, NULL), FW_ERR_INVALID);
    ck_assert_int_eq(fw_hub_event_fd(h->hub), FW_ERR_STATE);
    ck_assert_int_eq(fw_hub_poll(h->hub, &e, 1, 0), FW_ERR_STATE);
    test_hub_close(h);
}
END_TEST

typedef struct keeper {
    test_hub *hub;
    fw_event *kept;
} keeper;

static void keep(fw_hub *hub, fw_event *e, void *user)
{
    keeper *k = user;
    k->kept = fw_event_ref(e);
    test_hub_record(hub, e, k->hub);
}

START_TEST(an_inline_event_can_be_kept)
{
    test_hub *h = test_hub_new((unsigned)_i);
    keeper k = {.hub = h};
    test_hub_on(h, FW_EVENT_MESSAGE, keep, &k);
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_text(c.ws, "42");
    test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    test_client_close(&c);
    test_hub_close(h);
    ck_assert_ptr_nonnull(k.kept);
    expect_number(k.kept, 42);
    ck_assert_str_eq(fw_event_query(k.kept, "name", 0), "a");
    ck_assert_str_eq(fw_event_header(k.kept, "upgrade"), "websocket");
    fw_event_unref(k.kept);
}
END_TEST

/* Whether a line of `who` that says `what` is among those that wait. */
static bool take_log(test_hub *h, const char *who, const char *what)
{
    fw_event *e;
    bool found = false;
    while (!found && fw_hub_poll(h->hub, &e, 1, 0) == 1) {
        const char *line = fw_event_data(e, NULL);
        found = fw_event_kind(e) == FW_EVENT_LOG && fw_event_code(e) == FW_LOG_INFO &&
                strcmp(fw_event_reason(e), who) == 0 && strstr(line, what) != NULL;
        test_hub_done(h, e);
    }
    return found;
}

START_TEST(log_lines_come_by_the_queue)
{
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_LOG);
    test_hub_start(h);
    ck_assert(take_log(h, "listen", "listening on ws://"));
    ck_assert(take_log(h, "hub", "started"));
    ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
    ck_assert(take_log(h, "hub", "stopping"));
    test_hub_close(h);
}
END_TEST

START_TEST(log_lines_of_a_start_that_failed_can_be_polled)
{
    test_hub *first = queued_hub(_i, 0), *h = queued_hub(_i, 1u << FW_EVENT_LOG);
    test_hub_start(first);
    test_hub_set(h, "listen", "ws://127.0.0.1:0/ws");
    test_hub_set(h, "listen", test_hub_url(first));
    test_hub_make(h);
    ck_assert_int_eq(fw_hub_start(h->hub), FW_ERR_LISTEN);
    ck_assert(take_log(h, "listen", "listening on ws://"));
    test_hub_close(h);
    test_hub_close(first);
}
END_TEST

START_TEST(log_lines_that_find_the_queue_full_are_dropped_and_counted)
{
    test_hub *h = queued_hub(_i, 1u << FW_EVENT_LOG);
    test_hub_set(h, "events.max_bytes", "64KiB");
    test_hub_set(h, "log.level", "trace");
    test_hub_start(h);
    /* Nobody polls; connecting and leaving has a line or two each. */
    double dropped = 0;
    for (int i = 0; i < 2000 && dropped < 1; i++) {
        ws_client_free(ws_client_connect(test_hub_url(h), NULL));
        ck_assert_int_eq(fw_stats_get(h->hub, "fanwire_events_dropped_total", &dropped),
                         FW_OK);
    }
    ck_assert(dropped >= 1);
    ck_assert_int_ge(
        (int)test_hub_stat(h, "fanwire_limit_hits_total{limit=\"events_max_bytes\"}"), 1);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("events");
    test_add(s, the_descriptor_is_readable_while_events_wait, 0, HUB_KINDS);
    test_add(s, events_of_a_session_come_in_order_in_batches, 0, HUB_KINDS);
    test_add(s, room_messages_over_the_limit_are_dropped_and_counted, 0, HUB_KINDS);
    test_add(s, a_second_poller_is_turned_away_and_the_first_wakes_up, 0, HUB_KINDS);
    test_add(s, connect_is_decided_from_the_queue, 0, HUB_KINDS);
    test_add(s, what_waits_can_be_polled_after_stop_and_kept_after_free, 0, HUB_KINDS);
    test_add(s, events_given_back_to_another_hub_go_to_their_own, 0, 1);
    test_add(s, a_handler_and_a_queue_exclude_each_other, 0, HUB_KINDS);
    test_add(s, an_inline_event_can_be_kept, 0, HUB_KINDS);
    test_add(s, log_lines_come_by_the_queue, 0, HUB_KINDS);
    test_add(s, log_lines_of_a_start_that_failed_can_be_polled, 0, HUB_KINDS);
    test_add(s, log_lines_that_find_the_queue_full_are_dropped_and_counted, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
