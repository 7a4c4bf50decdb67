/*
 * Rooms with history: positions, results, what is kept, and who comes back. Each test
 * runs over memory and Redis, with one loop and with two.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

static test_hub *history_hub(unsigned kind, const char *size)
{
    test_hub *h = test_hub_new(kind);
    h->record |= 1u << FW_EVENT_ROOM_RESET;
    test_hub_set(h, "room.history.size", size);
    return h;
}

/* raw.mode=rooms in JSON, where clients are told positions. */
static void as_json_rooms(test_hub *h)
{
    h->record = 1u << FW_EVENT_OPEN | 1u << FW_EVENT_CLOSE | 1u << FW_EVENT_RESULT |
                1u << FW_EVENT_BACKPLANE_UP;
    test_hub_set(h, "raw.mode", "rooms");
    test_hub_set(h, "raw.format", "json");
}

static uint64_t last_ref;

static fw_position publish(test_hub *h, const char *text, const char *key)
{
    fw_message *m = fw_message_new(text, strlen(text), FW_TEXT);
    ck_assert_int_eq(fw_message_set_key(m, key), FW_OK);
    ck_assert_int_eq(fw_room_publish_ref(h->hub, "r", m, ++last_ref), FW_OK);
    fw_message_unref(m);
    const test_event *e = test_hub_answer(h, last_ref);
    ck_assert_msg(e->code == FW_OK, "%s", e->reason);
    ck_assert_str_eq(e->room, "r");
    return e->at;
}

static const test_event *join(test_client *c, fw_position since)
{
    ck_assert_int_eq(fw_session_join_since(c->hub->hub, c->id, "r", since, ++last_ref),
                     FW_OK);
    const test_event *e = test_hub_answer(c->hub, last_ref);
    ck_assert_int_eq(e->code, FW_OK);
    return e;
}

START_TEST(every_message_has_a_position_and_a_key_only_one)
{
    test_hub *h = history_hub((unsigned)_i, "10");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    const test_event *in = join(&c, (fw_position){0, 0});
    fw_position a = publish(h, "one", "k"), b = publish(h, "two", NULL),
                again = publish(h, "one", "k");
    ck_assert_uint_ne(a.epoch, 0);
    ck_assert_uint_eq(a.epoch, in->at.epoch);
    ck_assert_uint_eq(in->at.offset, 0);
    ck_assert_uint_eq(a.offset, 1);
    ck_assert_uint_eq(b.offset, 2);
    ck_assert_uint_eq(again.offset, 1);
    ws_client_expect_text(c.ws, "one");
    ws_client_expect_text(c.ws, "two");
    test_client_expect_nothing(&c);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(who_comes_back_hears_what_it_missed_or_is_told)
{
    test_hub *h = history_hub((unsigned)_i, "3");
    test_hub_start(h);
    test_client c = test_client_open(h, "a"), d = test_client_open(h, "b"),
                e = test_client_open(h, "c");
    fw_position at[5];
    for (int i = 0; i < 5; i++) {
        at[i] = publish(h, (const char *[]){"0", "1", "2", "3", "4"}[i], NULL);
    }
    ck_assert(join(&c, at[1])->recovered);
    ws_client_expect_text(c.ws, "2");
    ws_client_expect_text(c.ws, "3");
    ws_client_expect_text(c.ws, "4");
    const test_event *lost = join(&d, at[0]);
    ck_assert(!lost->recovered);
    ck_assert_uint_eq(lost->at.offset, 5);
    test_client_expect_nothing(&d);
    ck_assert(join(&e, (fw_position){0, 1})->recovered);
    ws_client_expect_text(e.ws, "4");
    publish(h, "5", NULL);
    ws_client_expect_text(c.ws, "5");
    ws_client_expect_text(d.ws, "5");
    ws_client_expect_text(e.ws, "5");
    test_client_close(&c);
    test_client_close(&d);
    test_client_close(&e);
    test_hub_close(h);
}
END_TEST

/* What the next HISTORY event tells, "1 2 3", and gives it back. */
static fw_position read_page(test_hub *h, uint64_t ref, char *text)
{
    fw_event *e = test_hub_expect(h, FW_EVENT_HISTORY);
    ck_assert_uint_eq(fw_event_token(e), ref);
    ck_assert_int_eq(fw_event_code(e), FW_OK);
    ck_assert_str_eq(fw_event_room(e), "r");
    fw_position top = fw_event_position(e);
    text[0] = '\0';
    for (size_t i = 0; i < fw_event_message_count(e); i++) {
        size_t len;
        const fw_message *m = fw_event_message(e, i);
        const char *data = fw_message_data(m, &len);
        ck_assert_uint_eq(fw_message_position(m).epoch, top.epoch);
        sprintf(text + strlen(text), "%.*s@%d ", (int)len, data,
                (int)fw_message_position(m).offset);
    }
    ck_assert_ptr_null(fw_event_message(e, fw_event_message_count(e)));
    test_hub_done(h, e);
    return top;
}

START_TEST(a_history_is_read_both_ways_and_forgotten)
{
    char text[256];
    test_hub *h = history_hub((unsigned)_i, "4");
    h->record = 1u << FW_EVENT_RESULT | 1u << FW_EVENT_HISTORY;
    test_hub_set(h, "events", "queued");
    test_hub_start(h);
    fw_room_publish(h->hub, "r", "a", 1, FW_TEXT);
    fw_room_publish(h->hub, "r", "b", 1, FW_TEXT);
    fw_room_publish(h->hub, "r", "c", 1, FW_TEXT);
    fw_room_history(h->hub, "r", (fw_position){0, 0}, 10, 0, 1);
    fw_position top = read_page(h, 1, text);
    ck_assert_str_eq(text, "a@1 b@2 c@3 ");
    ck_assert_uint_eq(top.offset, 3);
    fw_room_history(h->hub, "r", (fw_position){top.epoch, 1}, 1, 0, 2);
    read_page(h, 2, text);
    ck_assert_str_eq(text, "b@2 ");
    fw_room_history(h->hub, "r", (fw_position){0, 0}, 2, FW_HISTORY_REVERSE, 3);
    read_page(h, 3, text);
    ck_assert_str_eq(text, "c@3 b@2 ");
    fw_room_history(h->hub, "r", (fw_position){0, 0}, 0, 0, 4);
    ck_assert_uint_eq(read_page(h, 4, text).offset, 3);
    ck_assert_int_eq(fw_room_forget(h->hub, "r", 5), FW_OK);
    fw_event *e = test_hub_expect(h, FW_EVENT_RESULT);
    ck_assert_int_eq(fw_event_code(e), FW_OK);
    ck_assert_uint_ne(fw_event_position(e).epoch, top.epoch);
    test_hub_done(h, e);
    fw_room_history(h->hub, "r", (fw_position){0, 0}, 10, 0, 6);
    ck_assert_uint_ne(read_page(h, 6, text).epoch, top.epoch);
    ck_assert_str_eq(text, "");
    test_hub_close(h);
}
END_TEST

START_TEST(members_of_a_forgotten_room_are_told)
{
    test_hub *h = history_hub((unsigned)_i, "10");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    join(&c, (fw_position){0, 0});
    fw_position before = publish(h, "one", NULL);
    ck_assert_int_eq(fw_room_forget(h->hub, "r", ++last_ref), FW_OK);
    ck_assert_int_eq(test_hub_result(h, last_ref), FW_OK);
    fw_position after = publish(h, "two", NULL);
    const test_event *e = test_hub_wait(h, FW_EVENT_ROOM_RESET, fw_session_none());
    ck_assert_str_eq(e->room, "r");
    ck_assert_uint_eq(e->at.epoch, after.epoch);
    ck_assert_uint_eq(e->at.offset, 0);
    ck_assert_uint_ne(after.epoch, before.epoch);
    ws_client_expect_text(c.ws, "one");
    ws_client_expect_text(c.ws, "two");
    test_client d = test_client_open(h, "b");
    ck_assert(!join(&d, before)->recovered);
    test_client_close(&d);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(what_isnt_allowed_is_said)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "namespace.kept.history.size", "5");
    test_hub_start(h);
    fw_position zero = {0, 0};
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    char long_key[66];
    memset(long_key, 'k', 65);
    long_key[65] = '\0';
    ck_assert_int_eq(fw_message_set_key(m, long_key), FW_ERR_INVALID);
    ck_assert_int_eq(fw_message_set_key(m, long_key + 1), FW_OK);
    ck_assert_int_eq(fw_message_set_key(m, ""), FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_publish_ref(h->hub, "plain", m, 0), FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_publish_ref(h->hub, "plain", m, 1), FW_OK);
    const test_event *e = test_hub_answer(h, 1);
    ck_assert_int_eq(e->code, FW_OK);
    ck_assert_uint_eq(e->at.epoch, 0);
    ck_assert_int_eq(fw_message_set_key(m, "late"), FW_ERR_STATE);
    fw_message_unref(m);
    ck_assert_int_eq(fw_room_history(h->hub, "plain", zero, 1, 0, 1), FW_ERR_STATE);
    ck_assert_int_eq(fw_room_forget(h->hub, "plain", 1), FW_ERR_STATE);
    ck_assert_int_eq(fw_room_history(h->hub, "kept:a", zero, 1, 2, 1), FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_history(h->hub, "kept:a", zero, 10001, 0, 1),
                     FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_history(h->hub, "kept:a", zero, 1, 0, 0), FW_ERR_INVALID);
    ck_assert_int_eq(fw_room_history(h->hub, "", zero, 1, 0, 1), FW_ERR_INVALID);
    test_hub_close(h);
    fw_position p;
    char text[FW_POSITION_TEXT];
    ck_assert_int_eq(fw_position_parse("0/5", &p), FW_OK);
    ck_assert_str_eq(fw_position_text(p, text), "0000000000000000/5");
    ck_assert_int_eq(fw_position_parse("fFffffffffffffff/18446744073709551615", &p),
                     FW_OK);
    ck_assert_str_eq(fw_position_text(p, text), "ffffffffffffffff/18446744073709551615");
    static const char *const bad[] = {"",
                                      "5",
                                      "/5",
                                      "5/",
                                      "5/a",
                                      "10000000000000000/1",
                                      "1/18446744073709551616",
                                      "-1/2",
                                      "1/2 ",
                                      "1//2",
                                      "x/2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(fw_position_parse(bad[i], &p) == FW_ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

/* --- many --- */

enum { SAID = 400 };

static void *say_numbers(void *user)
{
    test_hub *h = user;
    for (int i = 1; i <= SAID; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i);
        fw_room_publish(h->hub, "r", text, (size_t)n, FW_TEXT);
        double published; /* asks loop 0, so that it lasts as long as clients come */
        fw_stats_get(h->hub, "fanwire_published_total", &published);
    }
    return NULL;
}

/* A client's place in the room, and its connection. */
typedef struct reader {
    ws_client *ws;
    char epoch[17];
    long offset;
} reader;

static void come_back(const test_hub *h, reader *r)
{
    char query[80];
    snprintf(query, sizeof query, "room=r&since=%s/%ld", r->epoch, r->offset);
    r->ws = ws_client_open(test_hub_url(h), query);
}

/* Takes the next; true: it was a message. */
static bool hear(reader *r)
{
    ws_message m;
    ck_assert_int_eq(ws_client_receive(r->ws, &m, WS_DEADLINE_MS), WS_TEXT);
    const char *text = (const char *)m.data, *data = strstr(text, "\"data\":\"");
    const char *epoch = strstr(text, "\"epoch\":\""),
               *offset = strstr(text, "\"offset\":");
    ck_assert_msg(epoch != NULL && offset != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\"recovered\":false") == NULL || r->offset < 0, "%s",
                  text);
    snprintf(r->epoch, sizeof r->epoch, "%.16s", epoch + 9);
    long at = strtol(offset + 9, NULL, 10);
    if (data == NULL) {
        ck_assert_msg(r->offset < 0 || at == r->offset, "%s at %ld", text, r->offset);
        r->offset = at;
        return false;
    }
    ck_assert_msg(at == r->offset + 1 && strtol(data + 8, NULL, 10) == at, "%s at %ld",
                  text, r->offset);
    r->offset = at;
    return true;
}

START_TEST(clients_that_come_and_go_while_it_is_published_hear_all_once)
{
    enum { READERS = 8 };
    test_hub *h = history_hub((unsigned)_i, "1000");
    as_json_rooms(h);
    test_hub_start(h);
    test_hub *other = NULL;
    if (h->kind->redis) {
        other = test_hub_peer(h);
        test_hub_set(other, "room.history.size", "1000");
        as_json_rooms(other);
        test_hub_start(other);
    }
    reader r[READERS];
    for (int i = 0; i < READERS; i++) {
        r[i] = (reader){.epoch = "0", .offset = -1};
        r[i].ws = ws_client_open(test_hub_url(h), "room=r");
        hear(&r[i]);
    }
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, say_numbers, h), 0);
    bool more = true;
    for (unsigned turn = 0; more; turn++) {
        more = false;
        for (int i = 0; i < READERS; i++) {
            for (int k = 0; k < 10 + 3 * i && r[i].offset < SAID; k++) {
                hear(&r[i]);
            }
            if (r[i].offset < SAID) {
                more = true;
                ws_client_free(r[i].ws);
                come_back(other != NULL && turn % 2 ? other : h, &r[i]);
            }
        }
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(r[i].offset, SAID);
        ws_client_free(r[i].ws);
    }
    test_hub_close(other);
    test_hub_close(h);
}
END_TEST

/* --- what happens to Redis --- */

static void kill_subscribers(void)
{
    char out[64];
    redis_server_cli(test_redis, out, sizeof out, "CLIENT", "KILL", "TYPE", "pubsub",
                     NULL);
}

static void stand_still(void)
{
    test_redis_pause();
    test_redis_resume();
}

START_TEST(members_miss_nothing_while_links_to_redis_break)
{
    enum { MEMBERS = 5 };
    test_hub *h = history_hub((unsigned)_i, "1000"), *other = test_hub_peer(h);
    test_hub_set(other, "room.history.size", "1000");
    as_json_rooms(h);
    as_json_rooms(other);
    test_hub_start(h);
    test_hub_start(other);
    reader r[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        r[i] = (reader){.epoch = "0", .offset = -1};
        r[i].ws = ws_client_open(test_hub_url(i % 2 ? h : other), "room=r");
        hear(&r[i]);
    }
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, say_numbers, h), 0);
    for (int turn = 0; turn < 10; turn++) {
        (turn % 3 == 2 ? stand_still : kill_subscribers)();
        for (int i = 0; i < MEMBERS; i++) {
            while (r[i].offset < (turn + 1) * SAID / 10) {
                hear(&r[i]);
            }
        }
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < MEMBERS; i++) {
        ck_assert_int_eq(r[i].offset, SAID);
        ws_client_free(r[i].ws);
    }
    test_hub_close(other);
    test_hub_close(h);
}
END_TEST

START_TEST(a_redis_that_has_lost_its_memory_is_told)
{
    test_hub *h = history_hub((unsigned)_i, "10");
    test_hub_start(h);
    test_client c = test_client_open(h, "a");
    join(&c, (fw_position){0, 0});
    fw_position before = publish(h, "one", NULL);
    ws_client_expect_text(c.ws, "one");
    test_redis_kill();
    test_hub_wait(h, FW_EVENT_BACKPLANE_DOWN, fw_session_none());
    fw_room_publish(h->hub, "r", "while it is away", 16, FW_TEXT);
    test_client d = test_client_open(h, "b");
    ck_assert(join(&d, before)->recovered); /* by what this node remembers */
    test_redis_restart();
    const test_event *e = test_hub_wait(h, FW_EVENT_ROOM_RESET, fw_session_none());
    ck_assert_uint_ne(e->at.epoch, before.epoch);
    ck_assert_uint_eq(e->at.offset, 0);
    ws_client_expect_text(c.ws, "while it is away");
    ws_client_expect_text(d.ws, "while it is away");
    test_client f = test_client_open(h, "c");
    ck_assert(!join(&f, before)->recovered);
    test_client_close(&f);
    test_client_close(&d);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_thousand_come_back_at_once_to_a_node_that_reads_once)
{
    enum { N = 1000 };
    static reader r[N];
    test_hub *h = history_hub((unsigned)_i, "1000");
    as_json_rooms(h);
    test_hub_start(h);
    test_hub *node = h;
    if (h->kind->redis) { /* one that has never heard of the room */
        node = test_hub_peer(h);
        test_hub_set(node, "room.history.size", "1000");
        as_json_rooms(node);
        test_hub_start(node);
    }
    fw_position at = {0, 0};
    for (int i = 1; i <= 120; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        at = publish(h, text, NULL);
    }
    for (int i = 0; i < N; i++) {
        r[i] = (reader){.offset = 20 + i % 100};
        snprintf(r[i].epoch, sizeof r[i].epoch, "%016llx", (unsigned long long)at.epoch);
        char query[80];
        snprintf(query, sizeof query, "room=r&since=%s/%ld", r[i].epoch, r[i].offset);
        r[i].ws =
            ws_client_start(test_hub_url(node), &(ws_client_options){.query = query});
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(ws_client_answer(r[i].ws), 101);
        while (r[i].offset < 120) {
            hear(&r[i]);
        }
    }
    ck_assert(test_hub_stat(node, "fanwire_room_history_reads_total") <= 1);
    test_hub_wait_stat_is(node, "fanwire_recoveries_total{result=\"recovered\"}", N);
    for (int i = 0; i < N; i++) {
        ws_client_free(r[i].ws);
    }
    if (node != h) {
        test_hub_close(node);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(a_session_of_another_node_is_given_what_it_missed)
{
    test_hub *h = history_hub((unsigned)_i, "10");
    test_hub_start(h);
    test_hub *other = test_hub_peer(h);
    test_hub_set(other, "room.history.size", "10");
    test_hub_start(other);
    test_client c = test_client_open(other, "a");
    fw_position at = publish(h, "one", NULL);
    publish(h, "two", NULL);
    ck_assert_int_eq(fw_session_join_since(h->hub, c.id, "r", at, 0), FW_OK);
    ws_client_expect_text(c.ws, "two");
    test_client_close(&c);
    test_hub_close(other);
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("history");
    test_add(s, every_message_has_a_position_and_a_key_only_one, 0, HUB_KINDS);
    test_add(s, who_comes_back_hears_what_it_missed_or_is_told, 0, HUB_KINDS);
    test_add(s, a_history_is_read_both_ways_and_forgotten, 0, HUB_KINDS);
    test_add(s, members_of_a_forgotten_room_are_told, 0, HUB_KINDS);
    test_add(s, what_isnt_allowed_is_said, 0, HUB_KINDS);
    test_add(s, clients_that_come_and_go_while_it_is_published_hear_all_once, 0,
             HUB_KINDS);
    test_add(s, a_thousand_come_back_at_once_to_a_node_that_reads_once, 0, HUB_KINDS);
    test_add(s, members_miss_nothing_while_links_to_redis_break, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, a_redis_that_has_lost_its_memory_is_told, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, a_session_of_another_node_is_given_what_it_missed, HUB_KIND_REDIS,
             HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
