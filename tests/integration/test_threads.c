/*
 * Calls from other threads and from handlers: in the order of the calls, "join, then
 * publish" hears itself, a full inbox says so, and a hub may be stopped under fire.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

/* 10,000 where it is hardest, fewer where it is easy. */
static int how_many(int kind)
{
    return kind == HUB_KINDS - 1 ? 10000 : 1000;
}

static test_hub *roomy_hub(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "limit.rooms_per_session", "65535");
    test_hub_set(h, "outbox.max_bytes", "64MiB");
    return h;
}

/* Marks the numbers 0..n-1 that come as text, each exactly once, in any order. */
static void expect_each_once(ws_client *c, int n)
{
    char *seen = calloc(1, (size_t)n);
    for (int i = 0; i < n; i++) {
        ws_message m;
        int got = ws_client_receive(c, &m, WS_DEADLINE_MS);
        ck_assert_msg(got == WS_TEXT, "after %d of %d: %d", i, n, got);
        int number = atoi((const char *)m.data);
        ck_assert(number >= 0 && number < n);
        ck_assert_msg(!seen[number], "%d twice", number);
        seen[number] = 1;
    }
    free(seen);
}

START_TEST(join_then_publish_from_outside_hears_itself)
{
    int n = how_many(_i);
    test_hub *h = roomy_hub(_i);
    test_hub_start(h);
    test_client c[2] = {test_client_open(h, "a"), test_client_open(h, "b")};
    for (int i = 0; i < n; i++) {
        char room[16], text[16];
        snprintf(room, sizeof room, "room-%d", i);
        snprintf(text, sizeof text, "%d", i / 2);
        ck_assert_int_eq(fw_session_join(h->hub, c[i % 2].id, room, 0), FW_OK);
        ck_assert_int_eq(fw_room_publish(h->hub, room, TEXT(text)), FW_OK);
    }
    expect_each_once(c[0].ws, n / 2);
    expect_each_once(c[1].ws, n / 2);
    test_client_expect_nothing(&c[0]);
    test_client_expect_nothing(&c[1]);
    test_client_close(&c[0]);
    test_client_close(&c[1]);
    test_hub_close(h);
}
END_TEST

/* The message is "ROOM NUMBER": joins the room and says the number in it. */
static void join_and_publish(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    char text[64], room[32] = "", number[16] = "";
    size_t len;
    const char *data = fw_event_data(e, &len);
    snprintf(text, sizeof text, "%.*s", (int)len, data);
    if (sscanf(text, "%31s %15s", room, number) == 2) {
        fw_session_join(hub, fw_event_session(e), room, 0);
        fw_room_publish(hub, room, TEXT(number));
    }
}

START_TEST(join_then_publish_from_handlers_hears_itself)
{
    enum { CLIENTS = 4 };
    int n = how_many(_i) / CLIENTS;
    test_hub *h = roomy_hub(_i);
    test_hub_on(h, FW_EVENT_MESSAGE, join_and_publish, NULL);
    test_hub_start(h);
    test_client c[CLIENTS];
    for (int k = 0; k < CLIENTS; k++) {
        c[k] = test_client_open(h, (char[]){(char)('a' + k), 0});
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < CLIENTS; k++) {
            char text[32];
            snprintf(text, sizeof text, "room-%d-%d %d", k, i, i);
            ck_assert(ws_client_text(c[k].ws, text));
        }
    }
    for (int k = 0; k < CLIENTS; k++) {
        expect_each_once(c[k].ws, n);
        test_client_expect_nothing(&c[k]);
    }
    for (int k = 0; k < CLIENTS; k++) {
        test_client_close(&c[k]);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(join_then_publish_hears_itself_in_a_room_that_was_left)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a"), other = test_client_open(h, "b");
    test_client_join(&other, "lobby");
    for (int i = 0; i < 500; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(fw_session_join(h->hub, c.id, "lobby", 0), FW_OK);
        ck_assert_int_eq(fw_room_publish(h->hub, "lobby", TEXT(text)), FW_OK);
        ws_client_expect_text(c.ws, text);
        ws_client_expect_text(other.ws, text);
        ck_assert_int_eq(fw_session_leave(h->hub, c.id, "lobby"), FW_OK);
        ck_assert_int_eq(fw_room_publish(h->hub, "lobby", TEXT("not for who left")),
                         FW_OK);
        ws_client_expect_text(other.ws, "not for who left");
    }
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_client_close(&other);
    test_hub_close(h);
}
END_TEST

typedef struct publisher {
    test_hub *hub;
    int number, n, result;
} publisher;

static void *publish_numbers(void *user)
{
    publisher *p = user;
    for (int i = 0; i < p->n && p->result == FW_OK; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d %d", p->number, i);
        p->result = fw_room_publish(p->hub->hub, "lobby", TEXT(text));
    }
    return NULL;
}

START_TEST(what_one_thread_publishes_arrives_in_that_order_everywhere)
{
    enum { THREADS = 4, MEMBERS = 4, N = 2000 };
    test_hub *h = roomy_hub(_i);
    test_hub_start(h);
    test_client c[MEMBERS];
    for (int k = 0; k < MEMBERS; k++) {
        c[k] = test_client_open(h, (char[]){(char)('a' + k), 0});
        test_client_join(&c[k], "lobby");
    }
    pthread_t threads[THREADS];
    publisher p[THREADS];
    for (int t = 0; t < THREADS; t++) {
        p[t] = (publisher){h, t, N, FW_OK};
        pthread_create(&threads[t], NULL, publish_numbers, &p[t]);
    }
    static int order[MEMBERS][THREADS * N];
    for (int k = 0; k < MEMBERS; k++) {
        int next[THREADS] = {0};
        for (int i = 0; i < THREADS * N; i++) {
            ws_message m;
            int t = -1, number = -1;
            ck_assert_int_eq(ws_client_receive(c[k].ws, &m, WS_DEADLINE_MS), WS_TEXT);
            ck_assert_int_eq(sscanf((const char *)m.data, "%d %d", &t, &number), 2);
            ck_assert_msg(number == next[t], "thread %d: %d, not %d", t, number, next[t]);
            next[t]++;
            order[k][i] = t;
        }
        /* All members see the threads interleaved in the same way. */
        ck_assert_mem_eq(order[k], order[0], sizeof order[0]);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        ck_assert_int_eq(p[t].result, FW_OK);
    }
    for (int k = 0; k < MEMBERS; k++) {
        test_client_close(&c[k]);
    }
    test_hub_close(h);
}
END_TEST

static void say_in_lobby(fw_hub *hub, fw_event *e, void *user)
{
    (void)user;
    size_t len;
    const void *data = fw_event_data(e, &len);
    fw_room_publish(hub, "lobby", data, len, fw_event_flags(e));
}

START_TEST(what_a_client_says_arrives_in_that_order_everywhere)
{
    enum { MEMBERS = 4, N = 2000 };
    test_hub *h = roomy_hub(_i);
    test_hub_on(h, FW_EVENT_MESSAGE, say_in_lobby, NULL);
    test_hub_start(h);
    test_client c[MEMBERS];
    for (int k = 0; k < MEMBERS; k++) {
        c[k] = test_client_open(h, (char[]){(char)('a' + k), 0});
        test_client_join(&c[k], "lobby");
    }
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < MEMBERS; k++) {
            char text[32];
            snprintf(text, sizeof text, "%d %d", k, i);
            ck_assert(ws_client_text(c[k].ws, text));
        }
    }
    for (int k = 0; k < MEMBERS; k++) {
        int next[MEMBERS] = {0};
        for (int i = 0; i < MEMBERS * N; i++) {
            ws_message m;
            int who = -1, number = -1;
            ck_assert_int_eq(ws_client_receive(c[k].ws, &m, WS_DEADLINE_MS), WS_TEXT);
            ck_assert_int_eq(sscanf((const char *)m.data, "%d %d", &who, &number), 2);
            ck_assert_int_eq(number, next[who]);
            next[who]++;
        }
    }
    for (int k = 0; k < MEMBERS; k++) {
        test_client_close(&c[k]);
    }
    test_hub_close(h);
}
END_TEST

typedef struct barrier {
    test_hub *hub;
    sem_t go;
    atomic_int waiting;
} barrier;

static void wait_for_go(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    barrier *b = user;
    atomic_fetch_add(&b->waiting, 1);
    sem_wait(&b->go);
}

static bool all_wait(void *user)
{
    barrier *b = user;
    return atomic_load(&b->waiting) == atoi(b->hub->kind->threads);
}

START_TEST(a_full_inbox_is_busy_and_loses_nothing_that_was_taken)
{
    static char body[1024];
    memset(body, 'x', sizeof body);
    test_hub *h = test_hub_new((unsigned)_i);
    barrier b = {.hub = h};
    sem_init(&b.go, 0, 0);
    test_hub_set(h, "inbox.max_bytes", "64KiB");
    test_hub_on(h, FW_EVENT_MESSAGE, wait_for_go, &b);
    test_hub_start(h);
    int loops = atoi(h->kind->threads);
    test_client c[2];
    for (int i = 0; i < loops; i++) {
        c[i] = test_client_open(h, (char[]){(char)('a' + i), 0});
        test_client_join(&c[i], "lobby");
    }
    for (int i = 0; i < loops; i++) {
        ws_client_text(c[i].ws, "stand still");
    }
    ck_assert(test_wait_until(all_wait, &b, WS_DEADLINE_MS));
    int taken = 0, err;
    while ((err = fw_room_publish(h->hub, "lobby", body, sizeof body, FW_TEXT)) ==
           FW_OK) {
        taken++;
        ck_assert_int_le(taken, 200);
    }
    ck_assert_int_eq(err, FW_ERR_BUSY);
    ck_assert(fw_err_is_retriable(err));
    ck_assert_int_ge(taken, 10);
    ck_assert_int_eq(fw_session_send(h->hub, c[0].id, body, sizeof body, FW_TEXT),
                     FW_ERR_BUSY);
    test_hub_wait_stat(h, "fanwire_limit_hits_total{limit=\"inbox_max_bytes\"}", 1);
    for (int i = 0; i < loops; i++) {
        sem_post(&b.go);
    }
    for (int i = 0; i < loops; i++) {
        for (int k = 0; k < taken; k++) {
            ws_client_expect(c[i].ws, WS_TEXT, body, sizeof body);
        }
        test_client_expect_nothing(&c[i]);
    }
    ck_assert_double_eq(test_hub_stat(h, "fanwire_inbox_dropped_total"), 0);
    for (int i = 0; i < loops; i++) {
        test_client_close(&c[i]);
    }
    test_hub_close(h);
    sem_destroy(&b.go);
}
END_TEST

typedef struct blocker {
    test_hub *hub;
    int drain, stop;
} blocker;

static void try_to_block(fw_hub *hub, fw_event *e, void *user)
{
    blocker *b = user;
    b->drain = fw_hub_drain(hub, 1000);
    b->stop = fw_hub_stop(hub);
    test_hub_record(hub, e, b->hub);
}

START_TEST(a_handler_may_not_drain_or_stop)
{
    test_hub *h = test_hub_new((unsigned)_i);
    blocker b = {.hub = h};
    test_hub_on(h, FW_EVENT_MESSAGE, try_to_block, &b);
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    ws_client_text(c.ws, "try");
    test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_int_eq(b.drain, FW_ERR_STATE);
    ck_assert_int_eq(b.stop, FW_ERR_STATE);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

typedef struct gunner {
    test_hub *hub;
    const fw_session_id *ids;
    int n_ids;
    unsigned seed;
    atomic_bool *over;
    int wrong; /* a result that none of the calls may give */
} gunner;

/* What one of them may say while the hub is being stopped. */
static bool allowed(int err)
{
    return err == FW_OK || err == FW_ERR_GONE || err == FW_ERR_CLOSED ||
           err == FW_ERR_BUSY;
}

static void *fire(void *user)
{
    gunner *g = user;
    fw_hub *hub = g->hub->hub;
    while (!atomic_load(g->over) && g->wrong == 0) {
        g->seed = g->seed * 1664525u + 1013904223u;
        unsigned r = g->seed >> 8;
        fw_session_id id = g->ids[r % (unsigned)g->n_ids];
        char room[8];
        snprintf(room, sizeof room, "r%u", r / 64 % 8);
        int err = FW_OK;
        switch (r / 512 % 8) {
        case 0:
            err = fw_session_join(hub, id, room, r);
            break;
        case 1:
            err = fw_session_leave(hub, id, room);
            break;
        case 2:
            err = fw_session_send(hub, id, "hello", 5, FW_TEXT);
            break;
        case 3:
            err = fw_session_set_user(hub, id, room);
            break;
        case 4:
            err = fw_user_send(hub, room, "user", 4, FW_TEXT);
            break;
        case 5:
            err = r % 997 == 0 ? fw_session_close(hub, id, 1000, "") : FW_OK;
            break;
        case 6:
            err = fw_hub_send_all(hub, "all", 3, FW_BINARY);
            break;
        default:
            err = fw_room_publish(hub, room, "room", 4, FW_TEXT);
            break;
        }
        g->wrong = allowed(err) ? 0 : err;
    }
    return NULL;
}

START_TEST(a_hub_is_stopped_under_fire)
{
    enum { CLIENTS = 8, THREADS = 3 };
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "outbox.policy", "drop_oldest");
    test_hub_start(h);
    test_client c[CLIENTS];
    fw_session_id ids[CLIENTS];
    for (int k = 0; k < CLIENTS; k++) {
        c[k] = test_client_open(h, (char[]){(char)('a' + k), 0});
        ids[k] = c[k].id;
    }
    atomic_bool over = false;
    gunner g[THREADS];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        g[t] = (gunner){h, ids, CLIENTS, (unsigned)t + 1, &over, 0};
        pthread_create(&threads[t], NULL, fire, &g[t]);
    }
    uint64_t until = ws_now_ms() + 300;
    while (ws_now_ms() < until) {
        for (int k = 0; k < CLIENTS; k++) {
            ws_message m;
            ws_client_receive(c[k].ws, &m, 1);
        }
    }
    ck_assert_int_eq(fw_hub_stop(h->hub), FW_OK);
    ck_assert_int_eq(fw_room_publish(h->hub, "r1", "x", 1, FW_TEXT), FW_ERR_CLOSED);
    atomic_store(&over, true);
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        ck_assert_msg(g[t].wrong == 0, "%s", fw_err_name(g[t].wrong));
    }
    for (int k = 0; k < CLIENTS; k++) {
        ws_client_free(c[k].ws);
    }
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("threads");
    test_add(s, join_then_publish_from_outside_hears_itself, 0, HUB_KINDS);
    test_add(s, join_then_publish_from_handlers_hears_itself, 0, HUB_KINDS);
    test_add(s, join_then_publish_hears_itself_in_a_room_that_was_left, 0, HUB_KINDS);
    test_add(s, what_one_thread_publishes_arrives_in_that_order_everywhere, 0, HUB_KINDS);
    test_add(s, what_a_client_says_arrives_in_that_order_everywhere, 0, HUB_KINDS);
    test_add(s, a_full_inbox_is_busy_and_loses_nothing_that_was_taken, 0, HUB_KINDS);
    test_add(s, a_handler_may_not_drain_or_stop, 0, HUB_KINDS);
    test_add(s, a_hub_is_stopped_under_fire, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
