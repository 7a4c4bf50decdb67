/*
 * Rooms mode: no code of the application, ?room=R joins, what is said goes to the rooms,
 * plain or wrapped in JSON.
 */
#include <stdio.h>
#include <string.h>

#include "support/hub_fixture.h"

#define TEXT(s) (s), strlen(s), FW_TEXT

static void as_rooms(test_hub *h)
{
    h->record = 1u << FW_EVENT_OPEN | 1u << FW_EVENT_CLOSE | 1u << FW_EVENT_BACKPLANE_UP;
    test_hub_set(h, "raw.mode", "rooms");
}

static test_hub *rooms_hub(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    as_rooms(h);
    return h;
}

static test_client enter(test_hub *h, const char *name, const char *query)
{
    return test_client_open_with(h, name, &(ws_client_options){.query = query});
}

START_TEST(what_a_member_says_reaches_the_members_byte_for_byte)
{
    static const uint8_t bytes[] = {0xff, 0, 1};
    test_hub *h = rooms_hub(_i);
    test_hub_start(h);
    test_client a = enter(h, "a", "room=r&user=ann");
    test_client b = enter(h, "b", "room=r&room=s&user=bob");
    test_client d = test_client_open(h, "d");
    test_hub_wait_stat_is(h, "fanwire_room_members", 3);
    ws_client_text(a.ws, "from a");
    ws_client_expect_text(a.ws, "from a");
    ws_client_expect_text(b.ws, "from a");
    ws_client_send(a.ws, WS_BINARY, bytes, 3);
    ws_client_expect(a.ws, WS_BINARY, bytes, 3);
    ws_client_expect(b.ws, WS_BINARY, bytes, 3);
    ws_client_text(b.ws, "from b"); /* to r and s: b is in both */
    ws_client_expect_text(a.ws, "from b");
    ws_client_expect_text(b.ws, "from b");
    ws_client_expect_text(b.ws, "from b");
    ck_assert_int_eq(fw_user_send(h->hub, "ann", TEXT("to ann")), FW_OK);
    ws_client_expect_text(a.ws, "to ann");
    ws_client_text(d.ws, "to nobody");
    test_hub_wait_stat_is(h, "fanwire_messages_unrouted_total", 1);
    test_client_expect_nothing(&a);
    test_client_expect_nothing(&b);
    test_client_expect_nothing(&d);
    test_client_close(&a);
    test_client_close(&b);
    test_client_close(&d);
    test_hub_close(h);
}
END_TEST

START_TEST(without_echo_the_sender_is_left_out)
{
    test_hub *h = rooms_hub(_i);
    test_hub_set(h, "raw.echo_to_sender", "off");
    test_hub_start(h);
    test_client a = enter(h, "a", "room=r");
    test_client b = enter(h, "b", "room=r");
    test_hub_wait_stat_is(h, "fanwire_room_members", 2);
    ws_client_text(a.ws, "from a");
    ws_client_expect_text(b.ws, "from a");
    test_client_expect_nothing(&a);
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h);
}
END_TEST

/* What {"room":"r", ...} says of a client's message; data is the last member. */
static void expect_wrapped(ws_client *c, const test_client *from, const char *user,
                           const char *data)
{
    char want[400], id[FW_SESSION_ID_TEXT];
    snprintf(want, sizeof want,
             "{\"room\":\"r\",%s\"session\":\"%s\",\"node\":\"%s\",%s}", user,
             fw_session_id_text(from->id, id), fw_hub_node_name(from->hub->hub), data);
    ws_client_expect_text(c, want);
}

START_TEST(json_tells_who_said_it_on_which_node)
{
    int nodes = hub_kinds[_i].redis ? 2 : 1;
    test_hub *h[2] = {rooms_hub(_i), NULL};
    if (nodes == 2) {
        h[1] = test_hub_peer(h[0]);
        as_rooms(h[1]);
    }
    for (int i = 0; i < nodes; i++) {
        test_hub_set(h[i], "raw.format", "json");
        test_hub_set(h[i], "node.name", i ? "second" : "first");
        test_hub_start(h[i]);
    }
    test_client a = enter(h[0], "a", "room=r&user=ann");
    ws_client_expect_text(a.ws, "{\"joined\":\"r\"}");
    test_client b = enter(h[nodes - 1], "b", "room=r");
    ws_client_expect_text(b.ws, "{\"joined\":\"r\"}");
    ws_client *both[] = {a.ws, b.ws};
    ws_client_text(a.ws, "say \"hi\"\n\xc3\xa4");
    ws_client_send(b.ws, WS_BINARY, "\xff\0x", 3);
    /* Each in its own order; which of the two comes first is Redis' decision. */
    for (int i = 0; i < 2; i++) {
        ws_message m;
        ck_assert_int_eq(ws_client_receive(both[i], &m, WS_DEADLINE_MS), WS_TEXT);
        bool of_a = strstr((const char *)m.data, "ann") != NULL;
        for (int k = 0; k < 2; k++) {
            const char *part =
                of_a ? "\"data\":\"say \\\"hi\\\"\\n\xc3\xa4\"}" : "\"data64\":\"/wB4\"}";
            ck_assert_msg(strstr((const char *)m.data, part) != NULL, "%s",
                          (const char *)m.data);
            if (k == 0) {
                ws_client_receive(both[i], &m, WS_DEADLINE_MS);
                of_a = !of_a;
            }
        }
    }
    ws_client_text(a.ws, "x");
    expect_wrapped(a.ws, &a, "\"user\":\"ann\",", "\"data\":\"x\"");
    expect_wrapped(b.ws, &a, "\"user\":\"ann\",", "\"data\":\"x\"");
    ws_client_text(b.ws, "y");
    expect_wrapped(a.ws, &b, "", "\"data\":\"y\"");
    expect_wrapped(b.ws, &b, "", "\"data\":\"y\"");
    fw_room_publish(h[0]->hub, "r", TEXT("of the application"));
    ws_client_expect_text(a.ws, "{\"room\":\"r\",\"data\":\"of the application\"}");
    ws_client_expect_text(b.ws, "{\"room\":\"r\",\"data\":\"of the application\"}");
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h[1]);
    test_hub_close(h[0]);
}
END_TEST

START_TEST(a_query_that_names_no_good_room_is_400)
{
    static const char *bad[] = {"room=", "room=a%0ab", "room=%ff", "room=r&user=%00",
                                "room=1&room=2&room=3&room=4"};
    test_hub *h = rooms_hub(_i);
    test_hub_set(h, "limit.rooms_per_session", "3");
    test_hub_start(h);
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        ws_client *c =
            ws_client_start(test_hub_url(h), &(ws_client_options){.query = bad[k]});
        int status = ws_client_answer(c);
        ck_assert_msg(status == 400, "%s: %d", bad[k], status);
        ws_client_free(c);
    }
    test_hub_wait_stat_is(h, "fanwire_limit_hits_total{limit=\"rooms_per_session\"}", 1);
    test_hub_close(h);
}
END_TEST

START_TEST(a_room_that_its_name_closes_is_403)
{
    static const struct {
        const char *query;
        int status;
    } cases[] = {{"room=%24a", 403},
                 {"room=b&room=a%23ann", 403},
                 {"room=a%23ann&user=bob", 403},
                 {"room=a%23ann,bob&user=bob", 101},
                 {"room=a%24", 101}};
    test_hub *h = rooms_hub(_i);
    test_hub_start(h);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ws_client *c = ws_client_start(test_hub_url(h),
                                       &(ws_client_options){.query = cases[k].query});
        int status = ws_client_answer(c);
        ck_assert_msg(status == cases[k].status, "%s: %d", cases[k].query, status);
        ws_client_free(c);
    }
    test_hub_close(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("raw rooms");
    test_add(s, what_a_member_says_reaches_the_members_byte_for_byte, 0, HUB_KINDS);
    test_add(s, without_echo_the_sender_is_left_out, 0, HUB_KINDS);
    test_add(s, json_tells_who_said_it_on_which_node, 0, HUB_KINDS);
    test_add(s, a_query_that_names_no_good_room_is_400, 0, 2);
    test_add(s, a_room_that_its_name_closes_is_403, 0, 1);
    return s;
}

int main(void)
{
    return test_main(suite(), true);
}
