/*
 * Redis goes away and comes back while people talk: nobody is disconnected, the members
 * of one node hear each other all the time, and afterwards everybody everybody again,
 * each message at most once.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s)       (s), strlen(s), FW_TEXT
#define QUEUE_DROPPED "fanwire_redis_queue_dropped_total"

enum { ROOMS = 10, EACH = 10, CLIENTS = 2 * ROOMS * EACH, SERIALS = 4096 };

/* Two hubs; on each, EACH members of every room. A message is "HUB SERIAL", counted by
 * room and hub from 1 on. */
typedef struct crowd {
    test_hub *hub[2];
    test_client client[CLIENTS];
    int said[2][ROOMS];                      /* the last serial */
    uint8_t heard[CLIENTS][2][SERIALS];      /* by hub that said it */
    int last[CLIENTS][2], count[CLIENTS][2]; /* the last heard, and how many */
    uint64_t said_at[2][ROOMS][SERIALS];
    uint64_t crossed_after; /* messages said since then, in ms, ... */
    bool crossed[2];        /* ... have come to the other hub from hub 0, from hub 1 */
} crowd;

static int hub_of(int client)
{
    return client / (ROOMS * EACH);
}

static int room_of(int client)
{
    return client % ROOMS;
}

static void open_crowd(crowd *w, int kind)
{
    memset(w, 0, sizeof *w);
    w->crossed_after = UINT64_MAX;
    w->hub[0] = test_hub_new((unsigned)kind);
    w->hub[1] = test_hub_peer(w->hub[0]);
    test_hub_start(w->hub[0]);
    test_hub_start(w->hub[1]);
    for (int i = 0; i < CLIENTS; i++) {
        char name[16], room[16];
        snprintf(name, sizeof name, "c%d", i);
        snprintf(room, sizeof room, "room%d", room_of(i));
        w->client[i] = test_client_open(w->hub[hub_of(i)], name);
        test_client_join(&w->client[i], room);
    }
}

static void close_crowd(crowd *w)
{
    for (int i = 0; i < CLIENTS; i++) {
        ws_client_free(w->client[i].ws);
    }
    test_hub_close(w->hub[0]);
    test_hub_close(w->hub[1]);
}

static void say(crowd *w, int hub, int room)
{
    char name[16], text[32];
    int serial = ++w->said[hub][room];
    ck_assert_int_lt(serial, SERIALS);
    snprintf(name, sizeof name, "room%d", room);
    snprintf(text, sizeof text, "%d %d", hub, serial);
    w->said_at[hub][room][serial] = ws_now_ms();
    ck_assert_int_eq(fw_room_publish(w->hub[hub]->hub, name, TEXT(text)), FW_OK);
}

static void hear(crowd *w, int client, const char *text)
{
    int hub = -1, serial = -1;
    ck_assert_int_eq(sscanf(text, "%d %d", &hub, &serial), 2);
    ck_assert_msg(!w->heard[client][hub][serial], "client %d heard %s twice", client,
                  text);
    w->heard[client][hub][serial] = 1;
    w->count[client][hub]++;
    /* What one hub says stays in order; only another's may come late. */
    ck_assert_msg(serial > w->last[client][hub], "client %d of hub %d: \"%s\" after %d",
                  client, hub_of(client), text, w->last[client][hub]);
    w->last[client][hub] = serial;
    if (hub != hub_of(client) &&
        w->said_at[hub][room_of(client)][serial] >= w->crossed_after) {
        w->crossed[hub] = true;
    }
}

/* Hears what there is, waiting at most that long for the first. */
static void listen_for(crowd *w, int timeout_ms)
{
    static struct pollfd fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = (struct pollfd){.fd = ws_client_fd(w->client[i].ws), .events = POLLIN};
    }
    if (poll(fds, CLIENTS, timeout_ms) <= 0) {
        return;
    }
    for (int i = 0; i < CLIENTS; i++) {
        ws_message m;
        int got;
        while (fds[i].revents &&
               (got = ws_client_receive(w->client[i].ws, &m, 0)) != WS_NOTHING) {
            ck_assert_msg(got == WS_TEXT, "client %d: %d, code %u", i, got, m.code);
            hear(w, i, (const char *)m.data);
        }
    }
}

static void talk_for(crowd *w, uint64_t ms)
{
    uint64_t until = ws_now_ms() + ms;
    for (int i = 0; ws_now_ms() < until; i++) {
        say(w, 0, i % ROOMS);
        say(w, 1, (i + 3) % ROOMS);
        listen_for(w, 4);
    }
}

/* Has everybody heard what was said on the own hub, and, if asked, on the other since? */
static bool all_heard(const crowd *w, const int (*since)[ROOMS])
{
    for (int i = 0; i < CLIENTS; i++) {
        int own = hub_of(i), room = room_of(i);
        if (w->count[i][own] < w->said[own][room]) {
            return false;
        }
        for (int n = since ? since[!own][room] + 1 : SERIALS; n <= w->said[!own][room];
             n++) {
            if (!w->heard[i][!own][n]) {
                return false;
            }
        }
    }
    return true;
}

static void listen_until_all_heard(crowd *w, const int (*since)[ROOMS])
{
    uint64_t until = ws_now_ms() + WS_DEADLINE_MS;
    while (!all_heard(w, since)) {
        listen_for(w, 20);
        ck_assert_msg(ws_now_ms() < until, "not everybody has heard everything");
    }
}

/* Talks on; how long it takes until what is said now is heard on the other hub, in both
 * directions. */
static uint64_t talk_until_crossed(crowd *w)
{
    uint64_t begin = ws_now_ms();
    w->crossed_after = begin;
    w->crossed[0] = w->crossed[1] = false;
    while (!w->crossed[0] || !w->crossed[1]) {
        talk_for(w, 10);
        ck_assert_uint_lt(ws_now_ms() - begin, WS_DEADLINE_MS);
    }
    return ws_now_ms() - begin;
}

/* How long messages take to the other hub with nothing in their way: on a busy machine
 * that is long, too. */
static uint64_t crossing_ms(crowd *w)
{
    uint64_t slowest_ms = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t took_ms = talk_until_crossed(w);
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
    }
    return slowest_ms;
}

/* The quickest of several returns. */
static void expect_soon(uint64_t quickest_ms, uint64_t calm_ms)
{
    ck_assert_msg(quickest_ms <= 2000 + 20 * calm_ms,
                  "%llu ms until messages crossed again, and %llu without an outage",
                  (unsigned long long)quickest_ms, (unsigned long long)calm_ms);
}

static void nobody_was_closed(crowd *w)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(test_hub_count(w->hub[i], FW_EVENT_CLOSE), 0);
        ck_assert_double_eq(test_hub_stat(w->hub[i], "fanwire_sessions"), ROOMS * EACH);
    }
}

static void talk_and_hear_all(crowd *w)
{
    int since[2][ROOMS];
    memcpy(since, w->said, sizeof since);
    talk_for(w, 300);
    listen_until_all_heard(w, (const int(*)[ROOMS])since);
}

START_TEST(redis_killed_and_restarted_closes_nobody_and_repeats_nothing)
{
    static crowd w;
    open_crowd(&w, _i);
    talk_and_hear_all(&w);
    uint64_t calm_ms = crossing_ms(&w), quickest_ms = UINT64_MAX;
    for (int round = 0; round < 2; round++) {
        test_redis_kill();
        for (int i = 0; i < 2; i++) {
            test_hub_wait(w.hub[i], FW_EVENT_BACKPLANE_DOWN, fw_session_none());
            ck_assert_double_eq(test_hub_stat(w.hub[i], "fanwire_redis_up"), 0);
        }
        talk_for(&w, 1000);
        listen_until_all_heard(&w, NULL);
        test_redis_restart();
        uint64_t took_ms = talk_until_crossed(&w);
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
        for (int i = 0; i < 2; i++) {
            test_hub_wait(w.hub[i], FW_EVENT_BACKPLANE_UP, fw_session_none());
        }
        test_hub_wait_stat_is(w.hub[0], "fanwire_redis_up", 1);
        talk_and_hear_all(&w);
    }
    expect_soon(quickest_ms, calm_ms);
    nobody_was_closed(&w);
    close_crowd(&w);
}
END_TEST

START_TEST(redis_paused_closes_nobody_and_repeats_nothing)
{
    static crowd w;
    open_crowd(&w, _i);
    talk_and_hear_all(&w);
    test_redis_pause();
    talk_for(&w, 500);
    /* It is found out by silence, which takes a while. */
    listen_until_all_heard(&w, NULL);
    test_redis_resume();
    talk_until_crossed(&w);
    talk_for(&w, 500);
    talk_and_hear_all(&w);
    nobody_was_closed(&w);
    close_crowd(&w);
}
END_TEST

START_TEST(links_that_redis_drops_come_back)
{
    static crowd w;
    open_crowd(&w, _i);
    talk_and_hear_all(&w);
    static const char *kinds[] = {"normal", "pubsub"};
    uint64_t calm_ms = crossing_ms(&w), quickest_ms = UINT64_MAX;
    for (int k = 0; k < 4; k++) {
        char out[64];
        ck_assert_int_eq(redis_server_cli(test_redis, out, sizeof out, "CLIENT", "KILL",
                                          "TYPE", kinds[k % 2], "SKIPME", "yes", NULL),
                         0);
        talk_for(&w, 300);
        listen_until_all_heard(&w, NULL);
        uint64_t took_ms = talk_until_crossed(&w);
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
        talk_and_hear_all(&w);
    }
    expect_soon(quickest_ms, calm_ms);
    nobody_was_closed(&w);
    close_crowd(&w);
}
END_TEST

typedef struct two {
    test_hub *hub[2];
    test_client c[2];
} two;

static void open_two(two *t, int kind, const char *option, const char *value)
{
    t->hub[0] = test_hub_new((unsigned)kind);
    t->hub[1] = test_hub_peer(t->hub[0]);
    for (int i = 0; i < 2; i++) {
        test_hub_set(t->hub[i], "redis.required", "off");
        if (option) {
            test_hub_set(t->hub[i], option, value);
        }
    }
}

static void start_two(two *t)
{
    for (int i = 0; i < 2; i++) {
        test_hub_start(t->hub[i]);
        t->c[i] = test_client_open(t->hub[i], i ? "b" : "a");
        test_client_join(&t->c[i], "lobby");
    }
}

static void close_two(two *t)
{
    for (int i = 0; i < 2; i++) {
        test_client_close(&t->c[i]);
        test_hub_close(t->hub[i]);
    }
}

/* Hub 0 alone is locked out of Redis, by a Redis user of its own, so that hub 1 surely is
 * there when hub 0 comes back. */
static void open_with_own_user(two *t, int kind, const char *option, const char *value)
{
    char url[200], out[64];
    ck_assert_int_eq(redis_server_cli(test_redis, out, sizeof out, "ACL", "SETUSER",
                                      "one", "on", ">secret", "allchannels", "allkeys",
                                      "allcommands", NULL),
                     0);
    open_two(t, kind, option, value);
    snprintf(url, sizeof url, "redis+unix://one:secret@%s",
             redis_server_socket(test_redis));
    test_hub_set(t->hub[0], "redis.url", url);
    start_two(t);
}

static void lock_out(two *t)
{
    char out[64];
    ck_assert_int_eq(redis_server_cli(test_redis, out, sizeof out, "ACL", "SETUSER",
                                      "one", "off", NULL),
                     0);
    ck_assert_int_eq(redis_server_cli(test_redis, out, sizeof out, "CLIENT", "KILL",
                                      "USER", "one", NULL),
                     0);
    test_hub_wait(t->hub[0], FW_EVENT_BACKPLANE_DOWN, fw_session_none());
}

static void let_in_again(two *t)
{
    char out[64];
    ck_assert_int_eq(redis_server_cli(test_redis, out, sizeof out, "ACL", "SETUSER",
                                      "one", "on", NULL),
                     0);
    test_hub_wait(t->hub[0], FW_EVENT_BACKPLANE_UP, fw_session_none());
}

START_TEST(what_the_queue_cannot_hold_is_dropped_and_counted)
{
    enum { N = 1000, SIZE = 1000 };
    two t;
    open_with_own_user(&t, _i, "redis.queue.max_bytes", "100000");
    lock_out(&t);
    for (int n = 0; n < N; n++) {
        char text[SIZE + 1];
        snprintf(text, sizeof text, "%-*d", SIZE, n);
        ck_assert_int_eq(fw_room_publish(t.hub[0]->hub, "lobby", TEXT(text)), FW_OK);
        /* Whom it can reach, it reaches, in order. */
        ws_client_expect_text(t.c[0].ws, text);
    }
    double dropped = test_hub_stat(t.hub[0], QUEUE_DROPPED);
    ck_assert_msg(dropped > (double)N / 2 && dropped < (double)N, "%g", dropped);
    let_in_again(&t);
    /* What it held arrives late, in order and once. */
    int last = -1;
    for (int received = 0; received < N - (int)dropped; received++) {
        ws_message m;
        int got = ws_client_receive(t.c[1].ws, &m, WS_DEADLINE_MS);
        ck_assert_msg(got == WS_TEXT, "%d after %d of %d", got, received,
                      N - (int)dropped);
        int n = atoi((const char *)m.data);
        ck_assert_int_gt(n, last);
        last = n;
    }
    test_client_expect_nothing(&t.c[0]);
    test_client_expect_nothing(&t.c[1]);
    ck_assert_double_eq(test_hub_stat(t.hub[0], QUEUE_DROPPED), dropped);
    close_two(&t);
}
END_TEST

START_TEST(what_waits_longer_than_the_deadline_is_dropped_and_counted)
{
    two t;
    open_with_own_user(&t, _i, "redis.queue.deadline", "300ms");
    lock_out(&t);
    for (int n = 0; n < 10; n++) {
        ck_assert_int_eq(fw_room_publish(t.hub[0]->hub, "lobby", TEXT("too late")),
                         FW_OK);
        ws_client_expect_text(t.c[0].ws, "too late");
    }
    test_hub_wait_stat_is(t.hub[0], QUEUE_DROPPED, 10);
    let_in_again(&t);
    fw_room_publish(t.hub[0]->hub, "lobby", TEXT("in time"));
    ws_client_expect_text(t.c[0].ws, "in time");
    ws_client_expect_text(t.c[1].ws, "in time");
    test_client_expect_nothing(&t.c[0]);
    test_client_expect_nothing(&t.c[1]);
    close_two(&t);
}
END_TEST

START_TEST(a_hub_starts_without_redis_and_finds_it_later)
{
    two t;
    test_redis_kill();
    open_two(&t, _i, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        t.hub[i]->record &= ~(1u << FW_EVENT_BACKPLANE_UP); /* don't wait for it */
    }
    start_two(&t);
    for (int i = 0; i < 2; i++) {
        test_hub_wait(t.hub[i], FW_EVENT_BACKPLANE_DOWN, fw_session_none());
        fw_room_publish(t.hub[i]->hub, "lobby", TEXT("alone"));
        ws_client_expect_text(t.c[i].ws, "alone");
    }
    test_redis_restart();
    test_hub_wait_stat_is(t.hub[0], "fanwire_redis_up", 1);
    test_hub_wait_stat_is(t.hub[1], "fanwire_redis_up", 1);
    /* Each hears the other's "alone" late or never, then what is said now. */
    fw_room_publish(t.hub[0]->hub, "lobby", TEXT("together"));
    for (int i = 0; i < 2; i++) {
        ws_message m;
        do {
            ck_assert_int_eq(ws_client_receive(t.c[i].ws, &m, WS_DEADLINE_MS), WS_TEXT);
        } while (strcmp((const char *)m.data, "alone") == 0);
        ck_assert_str_eq((const char *)m.data, "together");
    }
    close_two(&t);
}
END_TEST

START_TEST(with_redis_required_a_hub_does_not_start_without_it)
{
    test_redis_kill();
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_make(h);
    ck_assert_int_eq(fw_hub_start(h->hub), FW_ERR_BACKPLANE);
    ck_assert_str_ne(fw_error_detail(), "");
    test_redis_restart();
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("redis outage");
    test_add(s, redis_killed_and_restarted_closes_nobody_and_repeats_nothing,
             HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, redis_paused_closes_nobody_and_repeats_nothing, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, links_that_redis_drops_come_back, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, what_the_queue_cannot_hold_is_dropped_and_counted, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, what_waits_longer_than_the_deadline_is_dropped_and_counted,
             HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, a_hub_starts_without_redis_and_finds_it_later, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, with_redis_required_a_hub_does_not_start_without_it, HUB_KIND_REDIS,
             HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
