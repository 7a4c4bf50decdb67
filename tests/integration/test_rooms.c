/*
 * Who hears what on one node: rooms, users, sessions, the node, everyone, all but one.
 * Each test runs over memory and Redis, with one loop and with two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

START_TEST(what_is_published_reaches_every_member_and_nobody_else)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client in[4], out = test_client_open(h, "out");
    for (int i = 0; i < 4; i++) {
        in[i] = test_client_open(h, (const char *[]){"a", "b", "c", "d"}[i]);
        test_client_join(&in[i], "lobby");
    }
    test_client_join(&out, "elsewhere");
    ck_assert_int_eq(fw_room_publish(h->hub, "lobby", TEXT("hello")), FW_OK);
    ck_assert_int_eq(fw_room_publish(h->hub, "lobby", TEXT("again")), FW_OK);
    for (int i = 0; i < 4; i++) {
        ws_client_expect_text(in[i].ws, "hello");
        ws_client_expect_text(in[i].ws, "again");
    }
    test_client_expect_nothing(&out);
    for (int i = 0; i < 4; i++) {
        test_client_close(&in[i]);
    }
    test_client_close(&out);
    test_hub_close(h);
}
END_TEST

START_TEST(binary_comes_out_as_binary_and_empty_messages_arrive)
{
    static const char bytes[] = {0, 1, (char)0xff, (char)0xfe, 0, 'x'};
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, "lobby");
    fw_room_publish(h->hub, "lobby", bytes, sizeof bytes, FW_BINARY);
    fw_room_publish(h->hub, "lobby", NULL, 0, FW_BINARY);
    fw_room_publish(h->hub, "lobby", NULL, 0, FW_TEXT);
    fw_room_publish(h->hub, "lobby", TEXT("gr\xc3\xbc\xc3\x9f"));
    ws_client_expect(c.ws, WS_BINARY, bytes, sizeof bytes);
    ws_client_expect(c.ws, WS_BINARY, "", 0);
    ws_client_expect(c.ws, WS_TEXT, "", 0);
    ws_client_expect_text(c.ws, "gr\xc3\xbc\xc3\x9f");
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(sizes_at_the_borders_of_frames_arrive_whole)
{
    static const size_t sizes[] = {1, 125, 126, 127, 65535, 65536, 65537, 1048576};
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, "lobby");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = malloc(sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            data[k] = (uint8_t)(k * 31 + i);
        }
        ck_assert_int_eq(fw_room_publish(h->hub, "lobby", data, sizes[i], FW_BINARY),
                         FW_OK);
        ws_client_expect(c.ws, WS_BINARY, data, sizes[i]);
        ck_assert(ws_client_send(c.ws, WS_BINARY, data, sizes[i]));
        const test_event *e = test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
        ck_assert_uint_eq(e->flags, FW_BINARY);
        ck_assert_uint_eq(e->len, sizes[i]);
        ck_assert_mem_eq(e->data, data, sizes[i]);
        free(data);
    }
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(all_but_one_session_hear_a_message_that_leaves_it_out)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a"), b = test_client_open(h, "b");
    test_client_join(&a, "lobby");
    test_client_join(&b, "lobby");
    fw_message *m = fw_message_new("not for a", 9, FW_TEXT);
    ck_assert_int_eq(fw_message_set_except(m, a.id), FW_OK);
    ck_assert_int_eq(fw_room_publish_message(h->hub, "lobby", m), FW_OK);
    ck_assert_int_eq(fw_message_set_except(m, b.id), FW_ERR_STATE);
    ck_assert_int_eq(fw_hub_send_all_message(h->hub, m), FW_OK);
    fw_message_unref(m);
    ws_client_expect_text(b.ws, "not for a");
    ws_client_expect_text(b.ws, "not for a");
    test_client_expect_nothing(&a);
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h);
}
END_TEST

START_TEST(a_message_built_once_goes_to_many_places)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    test_client_join(&c, "one");
    test_client_join(&c, "two");
    ck_assert_int_eq(fw_session_set_user(h->hub, c.id, "ann"), FW_OK);
    fw_message *m = fw_message_new("x", 1, FW_BINARY);
    size_t len = 0;
    ck_assert_mem_eq(fw_message_data(m, &len), "x", 1);
    ck_assert_uint_eq(len, 1);
    ck_assert_uint_eq(fw_message_flags(m), FW_BINARY);
    ck_assert_int_eq(fw_room_publish_message(h->hub, "one", m), FW_OK);
    ck_assert_int_eq(fw_room_publish_message(h->hub, "two", m), FW_OK);
    ck_assert_int_eq(fw_session_send_message(h->hub, c.id, m), FW_OK);
    ck_assert_int_eq(fw_hub_send_all_message(h->hub, m), FW_OK);
    fw_message_unref(m);
    for (int i = 0; i < 4; i++) {
        ws_client_expect(c.ws, WS_BINARY, "x", 1);
    }
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(a_session_the_node_and_everyone_can_be_sent_to)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a"), b = test_client_open(h, "b");
    ck_assert_int_eq(fw_session_send(h->hub, a.id, TEXT("a alone")), FW_OK);
    ws_client_expect_text(a.ws, "a alone");
    ck_assert_int_eq(fw_hub_send_all(h->hub, TEXT("everyone")), FW_OK);
    ws_client_expect_text(a.ws, "everyone");
    ws_client_expect_text(b.ws, "everyone");
    ck_assert_uint_eq(a.id.node, fw_hub_node(h->hub));
    ck_assert_int_eq(fw_node_send(h->hub, fw_hub_node(h->hub), TEXT("this node")), FW_OK);
    ws_client_expect_text(a.ws, "this node");
    ws_client_expect_text(b.ws, "this node");
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h);
}
END_TEST

/* Sends to the user until the session hears it: when a name is given anew, Redis has to
 * confirm the user's channel first. */
typedef struct user_probe {
    test_client *client;
    const char *user;
} user_probe;

static bool user_hears(void *p)
{
    user_probe *probe = p;
    ws_message m;
    fw_user_send(probe->client->hub->hub, probe->user, TEXT("probe"));
    return ws_client_receive(probe->client->ws, &m, 50) == WS_TEXT;
}

/* Reads away what probes are still on their way. */
static void end_probing(test_client *c)
{
    ws_message m;
    fw_user_send(c->hub->hub, "ann", TEXT("end"));
    do {
        ck_assert_int_eq(ws_client_receive(c->ws, &m, WS_DEADLINE_MS), WS_TEXT);
    } while (strcmp((const char *)m.data, "end") != 0);
}

START_TEST(what_is_sent_here_is_heard_on_this_node_only)
{
    test_hub *h = test_hub_open((unsigned)_i), *other = test_hub_peer(h);
    test_hub_start(other);
    test_client a = test_client_open(h, "a"), b = test_client_open(other, "b");
    test_client_join(&a, "lobby");
    test_client_join(&b, "lobby");
    ck_assert_int_eq(fw_room_send_here(h->hub, "lobby", TEXT("here")), FW_OK);
    ws_client_expect_text(a.ws, "here");
    test_client_expect_nothing(&b);
    ck_assert_int_eq(fw_room_send_here(h->hub, "nobody's", TEXT("here")), FW_OK);
    test_client_expect_nothing(&a);
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(other);
    test_hub_close(h);
}
END_TEST

START_TEST(a_user_is_all_sessions_of_that_name)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client one = test_client_open(h, "1"), two = test_client_open(h, "2");
    test_client other = test_client_open(h, "3");
    ck_assert_int_eq(fw_session_set_user(h->hub, one.id, "ann"), FW_OK);
    ck_assert(test_wait_until(user_hears, &(user_probe){&one, "ann"}, WS_DEADLINE_MS));
    end_probing(&one);
    ck_assert_int_eq(fw_session_set_user(h->hub, two.id, "ann"), FW_OK);
    ck_assert_int_eq(fw_session_set_user(h->hub, other.id, "bob"), FW_OK);
    test_client_expect_nothing(&two);
    test_client_expect_nothing(&other);
    ck_assert_int_eq(fw_user_send(h->hub, "ann", TEXT("hello ann")), FW_OK);
    ws_client_expect_text(one.ws, "hello ann");
    ws_client_expect_text(two.ws, "hello ann");
    ck_assert_int_eq(fw_user_send(h->hub, "nobody", TEXT("x")), FW_OK);
    ck_assert_int_eq(fw_session_set_user(h->hub, two.id, NULL), FW_OK);
    test_client_expect_nothing(&two);
    ck_assert_int_eq(fw_user_send(h->hub, "ann", TEXT("one is left")), FW_OK);
    ws_client_expect_text(one.ws, "one is left");
    test_client_expect_nothing(&two);
    test_client_expect_nothing(&other);
    test_client_close(&one);
    test_client_close(&two);
    test_client_close(&other);
    test_hub_close(h);
}
END_TEST

START_TEST(disconnecting_a_user_closes_all_its_sessions_with_code_and_reason)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client one = test_client_open(h, "1"), two = test_client_open(h, "2");
    test_client other = test_client_open(h, "3");
    ck_assert_int_eq(fw_session_set_user(h->hub, one.id, "ann"), FW_OK);
    ck_assert(test_wait_until(user_hears, &(user_probe){&one, "ann"}, WS_DEADLINE_MS));
    end_probing(&one);
    ck_assert_int_eq(fw_session_set_user(h->hub, two.id, "ann"), FW_OK);
    test_client_expect_nothing(&two);
    ck_assert_int_eq(fw_user_disconnect(h->hub, "ann", 4001, "logged out"), FW_OK);
    ws_client_expect_closed(one.ws, 4001, "logged out");
    ws_client_expect_closed(two.ws, 4001, "logged out");
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, one.id)->code, 4001);
    ck_assert_int_eq(test_hub_wait(h, FW_EVENT_CLOSE, two.id)->code, 4001);
    test_client_expect_nothing(&other);
    ws_client_free(one.ws);
    ws_client_free(two.ws);
    test_client_close(&other);
    test_hub_close(h);
}
END_TEST

START_TEST(who_has_left_hears_nothing_more)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a"), b = test_client_open(h, "b");
    test_client_join(&a, "lobby");
    test_client_join(&b, "lobby");
    ck_assert_int_eq(fw_session_leave(h->hub, a.id, "lobby"), FW_OK);
    const test_event *e = test_hub_wait(h, FW_EVENT_LEAVE, a.id);
    ck_assert_str_eq(e->room, "lobby");
    ck_assert_int_eq(e->code, 0);
    fw_room_publish(h->hub, "lobby", TEXT("a has gone"));
    ws_client_expect_text(b.ws, "a has gone");
    test_client_expect_nothing(&a);
    ck_assert_int_eq(fw_session_leave(h->hub, a.id, "lobby"), FW_OK);
    ck_assert_int_eq(fw_session_leave(h->hub, a.id, "never been there"), FW_OK);
    test_client_close(&b);
    e = test_hub_wait(h, FW_EVENT_LEAVE, b.id);
    ck_assert_str_eq(e->room, "lobby");
    ck_assert_int_eq(e->code, 1);
    test_client_close(&a);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_LEAVE), 2);
    test_hub_wait_stat_is(h, "fanwire_rooms", 0);
    test_hub_wait_stat_is(h, "fanwire_room_members", 0);
    test_hub_close(h);
}
END_TEST

START_TEST(joining_twice_is_no_error_and_gives_one_copy)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a");
    test_client_join(&a, "lobby");
    test_client_join(&a, "lobby");
    fw_room_publish(h->hub, "lobby", TEXT("once"));
    ws_client_expect_text(a.ws, "once");
    test_client_expect_nothing(&a);
    test_client_close(&a);
    ck_assert_uint_eq(test_hub_count(h, FW_EVENT_LEAVE), 1);
    test_hub_close(h);
}
END_TEST

START_TEST(a_late_joiner_gets_no_old_message)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a"), b = test_client_open(h, "b");
    test_client_join(&a, "lobby");
    fw_room_publish(h->hub, "lobby", TEXT("early"));
    ws_client_expect_text(a.ws, "early");
    test_client_join(&b, "lobby");
    fw_room_publish(h->hub, "lobby", TEXT("late"));
    ws_client_expect_text(b.ws, "late");
    ws_client_expect_text(a.ws, "late");
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h);
}
END_TEST

START_TEST(a_room_empties_and_fills_again)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client a = test_client_open(h, "a");
    for (int i = 0; i < 50; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        test_client_join(&a, "lobby");
        fw_room_publish(h->hub, "lobby", TEXT(text));
        ws_client_expect_text(a.ws, text);
        ck_assert_int_eq(fw_session_leave(h->hub, a.id, "lobby"), FW_OK);
    }
    test_client_close(&a);
    test_hub_close(h);
}
END_TEST

START_TEST(room_names_are_told_apart_whatever_is_in_them)
{
    static const char *names[] = {"a", "a b", "{a}", "%7Ba%7D", "a%",      "r:a",
                                  "A", "a:",  "*",   "[a]",     "\xc3\xa4"};
    enum { N = sizeof names / sizeof names[0] };
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c[N];
    for (int i = 0; i < N; i++) {
        c[i] = test_client_open(h, (char[]){(char)('a' + i), 0});
        test_client_join(&c[i], names[i]);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(fw_room_publish(h->hub, names[i], TEXT(names[i])), FW_OK);
    }
    for (int i = 0; i < N; i++) {
        ws_client_expect_text(c[i].ws, names[i]);
    }
    for (int i = 0; i < N; i++) {
        test_client_expect_nothing(&c[i]);
        test_client_close(&c[i]);
    }
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rooms");
    test_add(s, what_is_published_reaches_every_member_and_nobody_else, 0, HUB_KINDS);
    test_add(s, binary_comes_out_as_binary_and_empty_messages_arrive, 0, HUB_KINDS);
    test_add(s, sizes_at_the_borders_of_frames_arrive_whole, 0, HUB_KINDS);
    test_add(s, all_but_one_session_hear_a_message_that_leaves_it_out, 0, HUB_KINDS);
    test_add(s, a_message_built_once_goes_to_many_places, 0, HUB_KINDS);
    test_add(s, a_session_the_node_and_everyone_can_be_sent_to, 0, HUB_KINDS);
    test_add(s, what_is_sent_here_is_heard_on_this_node_only, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, a_user_is_all_sessions_of_that_name, 0, HUB_KINDS);
    test_add(s, disconnecting_a_user_closes_all_its_sessions_with_code_and_reason, 0,
             HUB_KINDS);
    test_add(s, who_has_left_hears_nothing_more, 0, HUB_KINDS);
    test_add(s, joining_twice_is_no_error_and_gives_one_copy, 0, HUB_KINDS);
    test_add(s, a_late_joiner_gets_no_old_message, 0, HUB_KINDS);
    test_add(s, a_room_empties_and_fills_again, 0, HUB_KINDS);
    test_add(s, room_names_are_told_apart_whatever_is_in_them, 0, HUB_KINDS);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
