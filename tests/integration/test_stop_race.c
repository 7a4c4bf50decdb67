/*
 * Calls that are under way on other threads while the hub stops: each does its work or
 * says FW_ERR_CLOSED, whatever it is; a poller that only when nothing more comes. The
 * thread sanitizer watches.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

enum { CALLERS = 4, ROUNDS = 20 };

typedef struct caller {
    pthread_t thread;
    fw_hub *hub;
    fw_session_id id;
    unsigned kind;
    atomic_int calls;
    int last;
} caller;

static int call(caller *c)
{
    double value;
    char *text = NULL;
    int err;
    switch (c->kind) {
    case 0:
        return fw_room_publish(c->hub, "lobby", "x", 1, FW_TEXT);
    case 1:
        err = fw_session_send(c->hub, c->id, "x", 1, FW_TEXT);
        return err == FW_ERR_GONE ? FW_OK : err;
    case 2:
        err = fw_stats_get(c->hub, "fanwire_sessions", &value);
        if (err == FW_OK) {
            err = fw_stats_text(c->hub, &text);
            fw_stats_text_free(text);
        }
        return err;
    default:
        err = fw_accept(c->hub, (uint64_t)atomic_load(&c->calls), NULL);
        return err == FW_ERR_GONE ? FW_OK : err;
    }
}

static void *call_until_it_is_closed(void *user)
{
    caller *c = user;
    do {
        c->last = call(c);
        atomic_fetch_add(&c->calls, 1);
    } while (c->last == FW_OK || c->last == FW_ERR_BUSY);
    return NULL;
}

static bool all_have_called(void *user)
{
    caller *c = user;
    for (int i = 0; i < CALLERS; i++) {
        if (atomic_load(&c[i].calls) == 0) {
            return false;
        }
    }
    return true;
}

START_TEST(every_call_survives_a_stop_that_comes_meanwhile)
{
    for (int round = 0; round < ROUNDS; round++) {
        test_hub *h = test_hub_open((unsigned)_i);
        test_client client = test_client_open(h, "a");
        caller c[CALLERS];
        memset(c, 0, sizeof c);
        for (unsigned i = 0; i < CALLERS; i++) {
            c[i].hub = h->hub;
            c[i].id = client.id;
            c[i].kind = i;
            ck_assert_int_eq(
                pthread_create(&c[i].thread, NULL, call_until_it_is_closed, &c[i]), 0);
        }
        ck_assert(test_wait_until(all_have_called, c, WS_DEADLINE_MS));
        ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
        for (unsigned i = 0; i < CALLERS; i++) {
            pthread_join(c[i].thread, NULL);
            ck_assert_int_eq(c[i].last, FW_ERR_CLOSED);
        }
        ws_client_free(client.ws);
        test_hub_close(h);
    }
}
END_TEST

/* --- a start that is under way --- */

static void *start(void *hub)
{
    return (void *)(intptr_t)fw_hub_start(hub);
}

START_TEST(a_stop_waits_for_the_start)
{
    fw_options *o = fw_options_new();
    fw_options_set(o, "listen", "ws://127.0.0.1:0/ws");
    fw_options_set(o, "threads", "2");
    for (int round = 0; round < ROUNDS; round++) {
        fw_hub *hub;
        pthread_t starter;
        void *started;
        int stopped;
        ck_assert_int_eq(fw_hub_new(&hub, o), FW_OK);
        ck_assert_int_eq(pthread_create(&starter, NULL, start, hub), 0);
        do {
            stopped = fw_hub_stop(hub); /* FW_ERR_STATE until the start has begun */
        } while (stopped == FW_ERR_STATE);
        ck_assert_int_eq(stopped, FW_OK);
        pthread_join(starter, &started);
        ck_assert_int_eq((int)(intptr_t)started, FW_OK);
        ck_assert_int_eq(fw_hub_send_all(hub, "x", 1, FW_TEXT), FW_ERR_CLOSED);
        fw_hub_free(hub);
    }
    fw_options_free(o);
}
END_TEST

/* --- events that are finished meanwhile --- */

typedef struct finisher {
    pthread_t thread;
    fw_hub *hub;
    fw_event *events[64];
    int n;
    atomic_bool began;
} finisher;

static void *finish(void *user)
{
    finisher *f = user;
    for (int i = 0; i < f->n; i++) {
        atomic_store(&f->began, true);
        fw_events_done(f->hub, &f->events[i], 1);
    }
    return NULL;
}

/* _i 0: while the hub stops; 1: while it is freed, too. */
START_TEST(events_may_be_finished_while_the_hub_stops_or_is_freed)
{
    enum { EVENTS = 64 };
    for (int round = 0; round < ROUNDS; round++) {
        fw_options *o = fw_options_new();
        fw_options_set(o, "listen", "ws://127.0.0.1:0/ws");
        fw_options_set(o, "events", "queued");
        fw_options_set(o, "events.per_session", "64");
        fw_hub *hub;
        ck_assert_int_eq(fw_hub_new(&hub, o), FW_OK);
        fw_options_free(o);
        ck_assert_int_eq(fw_hub_on(hub, FW_EVENT_MESSAGE, NULL, NULL), FW_OK);
        ck_assert_int_eq(fw_hub_start(hub), FW_OK);
        ws_client *ws = ws_client_open(fw_hub_listen_url(hub, 0), "");
        ck_assert_ptr_nonnull(ws);
        for (int i = 0; i < EVENTS; i++) {
            ck_assert(ws_client_text(ws, "x"));
        }
        finisher f = {.hub = hub};
        while (f.n < EVENTS) {
            int n = fw_hub_poll(hub, f.events + f.n, EVENTS - f.n, WS_DEADLINE_MS);
            ck_assert_int_gt(n, 0);
            f.n += n;
        }
        ck_assert_int_eq(pthread_create(&f.thread, NULL, finish, &f), 0);
        if (_i == 1) {
            fw_hub_free(hub);
        } else {
            ck_assert_int_eq(fw_hub_stop(hub), FW_OK);
        }
        pthread_join(f.thread, NULL);
        if (_i == 0) {
            fw_hub_free(hub);
        }
        ws_client_free(ws);
    }
}
END_TEST

/* --- events that come while the hub stops --- */

enum { SESSIONS = 2000 };

/* Polls without a pause until there is no more; how many sessions have ended. A thread
 * that isn't the test's may not assert: it returns a number that there can't be. */
static void *count_ends(void *hub)
{
    fw_event *events[64];
    uintptr_t ends = 0;
    for (int n; (n = fw_hub_poll(hub, events, 64, 0)) != FW_ERR_CLOSED;) {
        if (n < 0) {
            return (void *)UINTPTR_MAX;
        }
        for (int i = 0; i < n; i++) {
            ends += fw_event_kind(events[i]) == FW_EVENT_CLOSE;
        }
        fw_events_done(hub, events, n);
    }
    return (void *)ends;
}

START_TEST(a_poller_hears_of_every_session_s_end_before_closed)
{
    test_hub *h = test_hub_new((unsigned)_i);
    pthread_t poller;
    void *ends;
    test_hub_set(h, "events", "queued");
    h->record = 1u << FW_EVENT_CLOSE | 1u << FW_EVENT_DELIVER | 1u << FW_EVENT_RESULT;
    test_hub_start(h);
    ck_assert_int_eq(pthread_create(&poller, NULL, count_ends, h->hub), 0);
    for (uint64_t i = 1; i <= SESSIONS; i++) {
        ck_assert_int_eq(fw_session_attach(h->hub, NULL, NULL, 0, NULL, i), FW_OK);
    }
    test_hub_wait_stat_is(h, "fanwire_sessions", SESSIONS);
    ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
    pthread_join(poller, &ends);
    ck_assert_uint_eq((uintptr_t)ends, SESSIONS);
    test_hub_close(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stop_race");
    test_add(s, every_call_survives_a_stop_that_comes_meanwhile, 0, HUB_KIND_REDIS);
    test_add(s, a_stop_waits_for_the_start, 0, 1);
    test_add(s, events_may_be_finished_while_the_hub_stops_or_is_freed, 0, 2);
    test_add(s, a_poller_hears_of_every_session_s_end_before_closed, 0, HUB_KIND_REDIS);
    return test_main(s, false);
}
