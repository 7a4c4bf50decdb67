/*
 * Two hubs of one process that know each other only through Redis: rooms, users, nodes,
 * sessions of the other node, the emitter, and plain publishes of others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

typedef struct pair {
    test_hub *hub[2];
    test_client c[2]; /* one on each */
} pair;

static void open_pair(pair *p, int kind)
{
    p->hub[0] = test_hub_new((unsigned)kind);
    p->hub[1] = test_hub_peer(p->hub[0]);
    for (int i = 0; i < 2; i++) {
        test_hub_start(p->hub[i]);
        p->c[i] = test_client_open(p->hub[i], i ? "b" : "a");
    }
    ck_assert_uint_ne(fw_hub_node(p->hub[0]->hub), fw_hub_node(p->hub[1]->hub));
}

static void close_pair(pair *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->c[i].ws) {
            test_client_close(&p->c[i]);
        }
        test_hub_close(p->hub[i]);
    }
}

static void both_expect(pair *p, const char *text)
{
    ws_client_expect_text(p->c[0].ws, text);
    ws_client_expect_text(p->c[1].ws, text);
}

static void neither_has_more(pair *p)
{
    test_client_expect_nothing(&p->c[0]);
    test_client_expect_nothing(&p->c[1]);
}

START_TEST(a_room_is_one_on_both_nodes)
{
    pair p;
    open_pair(&p, _i);
    test_client out = test_client_open(p.hub[1], "out");
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fw_room_publish(p.hub[i]->hub, "lobby", TEXT("hello")), FW_OK);
        both_expect(&p, "hello");
        ck_assert_int_eq(fw_room_publish(p.hub[i]->hub, "lobby", "\xff\0", 2, FW_BINARY),
                         FW_OK);
        ws_client_expect(p.c[0].ws, WS_BINARY, "\xff\0", 2);
        ws_client_expect(p.c[1].ws, WS_BINARY, "\xff\0", 2);
    }
    neither_has_more(&p);
    test_client_expect_nothing(&out);
    test_client_close(&out);
    close_pair(&p);
}
END_TEST

START_TEST(members_on_both_nodes_see_the_same_order)
{
    enum { N = 3000 };
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    for (int n = 0; n < N; n++) {
        for (int i = 0; i < 2; i++) {
            char text[16];
            snprintf(text, sizeof text, "%d %d", i, n);
            ck_assert_int_eq(fw_room_publish(p.hub[i]->hub, "lobby", TEXT(text)), FW_OK);
        }
    }
    int next[2] = {0, 0};
    for (int n = 0; n < 2 * N; n++) {
        ws_message m;
        ck_assert_int_eq(ws_client_receive(p.c[0].ws, &m, WS_DEADLINE_MS), WS_TEXT);
        ws_client_expect(p.c[1].ws, WS_TEXT, m.data, m.len);
        int from = -1, number = -1;
        ck_assert_int_eq(sscanf((const char *)m.data, "%d %d", &from, &number), 2);
        ck_assert_int_eq(number, next[from]);
        next[from]++;
    }
    neither_has_more(&p);
    close_pair(&p);
}
END_TEST

START_TEST(one_session_is_left_out_on_the_other_node_too)
{
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    fw_message *m = fw_message_new("not for b", 9, FW_TEXT);
    fw_message_set_except(m, p.c[1].id);
    ck_assert_int_eq(fw_room_publish_message(p.hub[0]->hub, "lobby", m), FW_OK);
    ws_client_expect_text(p.c[0].ws, "not for b");
    ck_assert_int_eq(fw_hub_send_all_message(p.hub[0]->hub, m), FW_OK);
    ws_client_expect_text(p.c[0].ws, "not for b");
    fw_message_unref(m);
    fw_room_publish(p.hub[0]->hub, "lobby", TEXT("for all"));
    both_expect(&p, "for all");
    close_pair(&p);
}
END_TEST

START_TEST(everyone_and_a_node_can_be_sent_to_from_either)
{
    pair p;
    open_pair(&p, _i);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fw_hub_send_all(p.hub[i]->hub, TEXT("all")), FW_OK);
        both_expect(&p, "all");
        uint64_t other = fw_hub_node(p.hub[!i]->hub);
        ck_assert_int_eq(fw_node_send(p.hub[i]->hub, other, TEXT("node")), FW_OK);
        ws_client_expect_text(p.c[!i].ws, "node");
    }
    neither_has_more(&p);
    close_pair(&p);
}
END_TEST

typedef struct until_heard {
    fw_hub *from;
    const char *user, *room;
    ws_client *by;
} until_heard;

static bool is_heard(void *user)
{
    until_heard *u = user;
    ws_message m;
    if (u->user) {
        fw_user_send(u->from, u->user, TEXT("probe"));
    } else {
        fw_room_publish(u->from, u->room, TEXT("probe"));
    }
    return ws_client_receive(u->by, &m, 50) == WS_TEXT;
}

/* Reads probes away until the text, which must come. */
static void skip_to(ws_client *c, const char *text)
{
    ws_message m;
    do {
        ck_assert_int_eq(ws_client_receive(c, &m, WS_DEADLINE_MS), WS_TEXT);
    } while (strcmp((const char *)m.data, text) != 0);
}

START_TEST(a_user_is_found_on_both_nodes)
{
    pair p;
    open_pair(&p, _i);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fw_session_set_user(p.hub[i]->hub, p.c[i].id, "ann"), FW_OK);
        until_heard u = {.from = p.hub[!i]->hub, .user = "ann", .by = p.c[i].ws};
        ck_assert(test_wait_until(is_heard, &u, WS_DEADLINE_MS));
    }
    fw_user_send(p.hub[0]->hub, "ann", TEXT("hello ann"));
    skip_to(p.c[0].ws, "hello ann");
    skip_to(p.c[1].ws, "hello ann");
    neither_has_more(&p);
    ck_assert_int_eq(fw_user_disconnect(p.hub[0]->hub, "ann", 4005, "out"), FW_OK);
    for (int i = 0; i < 2; i++) {
        ws_client_expect_closed(p.c[i].ws, 4005, "out");
        ck_assert_int_eq(test_hub_wait(p.hub[i], FW_EVENT_CLOSE, p.c[i].id)->code, 4005);
        ws_client_free(p.c[i].ws);
        p.c[i].ws = NULL;
    }
    close_pair(&p);
}
END_TEST

START_TEST(a_session_of_the_other_node_obeys)
{
    pair p;
    open_pair(&p, _i);
    fw_hub *here = p.hub[0]->hub;
    fw_session_id there = p.c[1].id;
    ck_assert_int_eq(fw_session_send(here, there, TEXT("from afar")), FW_OK);
    ws_client_expect_text(p.c[1].ws, "from afar");
    ck_assert_int_eq(fw_session_send(here, there, "\xff", 1, FW_BINARY), FW_OK);
    ws_client_expect(p.c[1].ws, WS_BINARY, "\xff", 1);
    ck_assert_int_eq(fw_session_join(here, there, "lobby", 0), FW_OK);
    until_heard in_room = {.from = here, .room = "lobby", .by = p.c[1].ws};
    ck_assert(test_wait_until(is_heard, &in_room, WS_DEADLINE_MS));
    fw_room_publish(here, "lobby", TEXT("last"));
    skip_to(p.c[1].ws, "last");
    ck_assert_int_eq(fw_session_leave(here, there, "lobby"), FW_OK);
    ck_assert_str_eq(test_hub_wait(p.hub[1], FW_EVENT_LEAVE, there)->room, "lobby");
    fw_room_publish(here, "lobby", TEXT("not heard"));
    ck_assert_int_eq(fw_session_set_user(here, there, "bob"), FW_OK);
    until_heard as_user = {.from = here, .user = "bob", .by = p.c[1].ws};
    ck_assert(test_wait_until(is_heard, &as_user, WS_DEADLINE_MS));
    ck_assert_int_eq(fw_session_send(here, there, TEXT("end")), FW_OK);
    skip_to(p.c[1].ws, "end");
    ck_assert_int_eq(fw_session_close(here, there, 4002, "from afar"), FW_OK);
    ws_message m;
    while (ws_client_receive(p.c[1].ws, &m, WS_DEADLINE_MS) == WS_TEXT) {
        ck_assert_str_eq((const char *)m.data, "probe");
    }
    ck_assert_int_eq(m.opcode, WS_CLOSE);
    ck_assert_uint_eq(m.code, 4002);
    ck_assert_str_eq((const char *)m.data, "from afar");
    test_hub_wait(p.hub[1], FW_EVENT_CLOSE, there);
    ck_assert_uint_eq(test_hub_count(p.hub[1], FW_EVENT_LEAVE), 1);
    ws_client_free(p.c[1].ws);
    p.c[1].ws = NULL;
    /* Gone there is not known here: it is sent off and comes to nothing. */
    ck_assert_int_eq(fw_session_send(here, there, TEXT("x")), FW_OK);
    ck_assert_int_eq(fw_session_send(p.hub[1]->hub, there, TEXT("x")), FW_ERR_GONE);
    test_client_expect_nothing(&p.c[0]);
    close_pair(&p);
}
END_TEST

static void redis_publish(const test_hub *h, const char *channel, const char *text)
{
    char full[200], out[64];
    snprintf(full, sizeof full, "%s:%s", h->prefix, channel);
    ck_assert_int_eq(
        redis_server_cli(test_redis, out, sizeof out, "PUBLISH", full, text, NULL), 0);
}

START_TEST(plain_bytes_of_any_redis_client_reach_every_member)
{
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    redis_publish(p.hub[0], "r:lobby", "hello from a script");
    both_expect(&p, "hello from a script");
    redis_publish(p.hub[0], "r:lobby", "");
    both_expect(&p, "");
    redis_publish(p.hub[0], "r:lobby", "\xfe\xff");
    ws_client_expect(p.c[0].ws, WS_BINARY, "\xfe\xff", 2);
    ws_client_expect(p.c[1].ws, WS_BINARY, "\xfe\xff", 2);
    test_client_join(&p.c[0], "{a}%");
    redis_publish(p.hub[0], "r:%7Ba%7D%25", "escaped");
    ws_client_expect_text(p.c[0].ws, "escaped");
    redis_publish(p.hub[0], "all", "everyone");
    both_expect(&p, "everyone");
    neither_has_more(&p);
    close_pair(&p);
}
END_TEST

START_TEST(what_looks_like_an_envelope_and_is_none_is_dropped)
{
    static const char *damaged[] = {
        "\xff"
        "FW",
        "\xff"
        "FW\x01",
        "\xff"
        "FW\x7f and so on, and so on, and so on, and so on, and so on",
        "\xff"
        "FW\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
    };
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        redis_publish(p.hub[0], "r:lobby", damaged[i]);
    }
    redis_publish(p.hub[0], "r:lobby", "after");
    both_expect(&p, "after");
    close_pair(&p);
}
END_TEST

START_TEST(a_node_that_goes_leaves_the_other_in_peace)
{
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    test_hub_close(p.hub[1]);
    ws_client_expect_closed(p.c[1].ws, 1001, NULL);
    ws_client_free(p.c[1].ws);
    ck_assert_int_eq(fw_session_send(p.hub[0]->hub, p.c[1].id, TEXT("x")), FW_OK);
    fw_room_publish(p.hub[0]->hub, "lobby", TEXT("alone"));
    ws_client_expect_text(p.c[0].ws, "alone");
    p.hub[1] = test_hub_peer(p.hub[0]);
    test_hub_start(p.hub[1]);
    p.c[1] = test_client_open(p.hub[1], "b");
    test_client_join(&p.c[1], "lobby");
    fw_room_publish(p.hub[1]->hub, "lobby", TEXT("back"));
    both_expect(&p, "back");
    neither_has_more(&p);
    close_pair(&p);
}
END_TEST

START_TEST(an_emitter_reaches_rooms_users_and_everyone)
{
    pair p;
    open_pair(&p, _i);
    test_client_join(&p.c[0], "lobby");
    test_client_join(&p.c[1], "lobby");
    ck_assert_int_eq(fw_session_set_user(p.hub[0]->hub, p.c[0].id, "ann"), FW_OK);
    until_heard u = {.from = p.hub[1]->hub, .user = "ann", .by = p.c[0].ws};
    ck_assert(test_wait_until(is_heard, &u, WS_DEADLINE_MS));
    fw_emitter *e = NULL;
    ck_assert_int_eq(fw_emitter_new(&e, p.hub[0]->options), FW_OK);
    fw_message *m = fw_message_new("emitted", 7, FW_TEXT);
    ck_assert_int_eq(fw_emitter_publish(e, "lobby", m, 0), 2);
    skip_to(p.c[0].ws, "emitted");
    ws_client_expect_text(p.c[1].ws, "emitted");
    ck_assert_int_eq(fw_emitter_send_user(e, "ann", m, 0), 1);
    ws_client_expect_text(p.c[0].ws, "emitted");
    ck_assert_int_eq(fw_emitter_send_all(e, m, 0), 2);
    both_expect(&p, "emitted");
    ck_assert_int_eq(fw_emitter_publish(e, "empty room", m, 0), 0);
    ck_assert_int_eq(fw_emitter_publish(e, "bad\nroom", m, 0), FW_ERR_INVALID);
    fw_message_unref(m);
    m = fw_message_new("\xff\0", 2, FW_BINARY);
    ck_assert_int_eq(fw_message_set_except(m, p.c[0].id), FW_OK);
    ck_assert_int_eq(fw_emitter_publish(e, "lobby", m, 0), 2);
    ws_client_expect(p.c[1].ws, WS_BINARY, "\xff\0", 2);
    neither_has_more(&p);
    fw_message_unref(m);
    fw_emitter_free(e);
    fw_emitter_free(NULL);
    close_pair(&p);
}
END_TEST

START_TEST(an_emitter_without_redis_says_so)
{
    fw_options *o = fw_options_new();
    fw_emitter *e = NULL;
    ck_assert_int_eq(fw_emitter_new(&e, o), FW_ERR_OPTION);
    ck_assert_int_eq(fw_options_set(o, "redis.url", "redis+unix:///nowhere/redis.sock"),
                     FW_OK);
    ck_assert_int_eq(fw_emitter_new(&e, o), FW_OK);
    fw_message *m = fw_message_new("x", 1, FW_TEXT);
    ck_assert_int_eq(fw_emitter_publish(e, "lobby", m, 1000), FW_ERR_BACKPLANE);
    fw_message_unref(m);
    fw_emitter_free(e);
    fw_options_free(o);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cluster");
    test_add(s, a_room_is_one_on_both_nodes, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, members_on_both_nodes_see_the_same_order, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, one_session_is_left_out_on_the_other_node_too, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, everyone_and_a_node_can_be_sent_to_from_either, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, a_user_is_found_on_both_nodes, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, a_session_of_the_other_node_obeys, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, plain_bytes_of_any_redis_client_reach_every_member, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, what_looks_like_an_envelope_and_is_none_is_dropped, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, a_node_that_goes_leaves_the_other_in_peace, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, an_emitter_reaches_rooms_users_and_everyone, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, an_emitter_without_redis_says_so, 0, 1);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
