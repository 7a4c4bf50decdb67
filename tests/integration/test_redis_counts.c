/*
 * What rooms cost Redis, in its own count: commands depend on rooms and messages, never
 * on how many are in the rooms. Ten thousand sessions fit into a test because their
 * connections are somebody else's (fw_session_attach).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/hub_fixture.h"

enum { SESSIONS = 10000, AT_ONCE = 500 };

static const char head[] = "GET /ws HTTP/1.1\r\nHost: example.org\r\n\r\n";

static fw_session_id members[SESSIONS];

/* How often Redis has executed a command, whoever asked. */
static unsigned long executed(const char *command)
{
    static char text[65536];
    char key[64];
    ck_assert_int_eq(
        redis_server_cli(test_redis, text, sizeof text, "INFO", "commandstats", NULL), 0);
    snprintf(key, sizeof key, "cmdstat_%s:calls=", command);
    const char *at = strstr(text, key);
    return at != NULL ? strtoul(at + strlen(key), NULL, 10) : 0;
}

/* Waits for so many events of a type; what else comes is given back. */
static void take(test_hub *h, fw_event_type type, unsigned n, fw_session_id *from)
{
    while (n > 0) {
        fw_event *e = test_hub_next(h, WS_DEADLINE_MS);
        ck_assert_msg(e != NULL, "%u events of type %d are missing", n, (int)type);
        if (fw_event_kind(e) == type) {
            ck_assert_int_eq(fw_event_code(e), 0);
            n--;
            if (from != NULL) {
                *from++ = fw_event_session(e);
            }
        }
        test_hub_done(h, e);
    }
}

static test_hub *crowded_hub(int kind)
{
    test_hub *h = test_hub_new((unsigned)kind);
    test_hub_set(h, "events", "queued");
    test_hub_set(h, "limit.sessions_per_address", "0");
    h->record = 1u << FW_EVENT_RESULT | 1u << FW_EVENT_DELIVER;
    test_hub_start(h);
    for (int i = 0; i < SESSIONS; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            ck_assert_int_eq(
                fw_session_attach(h->hub, NULL, head, strlen(head), "192.0.2.1", 1),
                FW_OK);
        }
        take(h, FW_EVENT_RESULT, AT_ONCE, members + i);
    }
    return h;
}

static void all_join(test_hub *h, const char *format)
{
    for (int i = 0; i < SESSIONS; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            char room[32];
            snprintf(room, sizeof room, format, i + k);
            ck_assert_int_eq(fw_session_join(h->hub, members[i + k], room, 1), FW_OK);
        }
        take(h, FW_EVENT_RESULT, AT_ONCE, NULL);
    }
}

START_TEST(ten_thousand_joins_of_a_room_are_one_subscribe)
{
    test_hub *h = crowded_hub(_i);
    unsigned long before = executed("subscribe");
    all_join(h, "lobby");
    ck_assert_uint_eq(executed("subscribe"), before + 1);
    test_hub_close(h);
}
END_TEST

START_TEST(a_message_is_one_publish_whatever_the_members)
{
    enum { MESSAGES = 20 };
    test_hub *h = crowded_hub(_i);
    all_join(h, "lobby");
    uint64_t began_ms = ws_now_ms();
    unsigned long before = executed("publish");
    for (int i = 0; i < MESSAGES; i++) {
        ck_assert_int_eq(fw_room_publish(h->hub, "lobby", "hello", 5, FW_TEXT), FW_OK);
        take(h, FW_EVENT_DELIVER, SESSIONS, NULL);
    }
    unsigned long sent = executed("publish") - before;
    /* The node's own probe is published every five seconds. */
    uint64_t probes = (ws_now_ms() - began_ms) / 5000 + 1;
    ck_assert_uint_ge(sent, MESSAGES);
    ck_assert_uint_le(sent, MESSAGES + probes);
    test_hub_close(h);
}
END_TEST

START_TEST(what_was_sent_to_redis_is_counted)
{
    test_hub *h = test_hub_open((unsigned)_i);
    test_client c = test_client_open(h, "a");
    double subscribes =
        test_hub_stat(h, "fanwire_redis_commands_total{command=\"subscribe\"}");
    double publishes =
        test_hub_stat(h, "fanwire_redis_commands_total{command=\"publish\"}");
    double writes = test_hub_stat(h, "fanwire_redis_writes_total");
    test_client_join(&c, "lobby");
    ck_assert_int_eq(fw_room_publish(h->hub, "lobby", "hello", 5, FW_TEXT), FW_OK);
    ws_client_expect_text(c.ws, "hello");
    test_hub_wait_stat(h, "fanwire_redis_commands_total{command=\"subscribe\"}",
                       subscribes + 1);
    test_hub_wait_stat(h, "fanwire_redis_commands_total{command=\"publish\"}",
                       publishes + 1);
    test_hub_wait_stat(h, "fanwire_redis_writes_total", writes + 2);
    test_client_close(&c);
    /* The room is given up a while after its last member has gone. */
    test_hub_wait_stat(h, "fanwire_redis_commands_total{command=\"unsubscribe\"}", 1);
    test_hub_close(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_counts");
    test_add(s, ten_thousand_joins_of_a_room_are_one_subscribe, HUB_KIND_REDIS,
             HUB_KINDS);
    test_add(s, a_message_is_one_publish_whatever_the_members, HUB_KIND_REDIS, HUB_KINDS);
    test_add(s, what_was_sent_to_redis_is_counted, HUB_KIND_REDIS, HUB_KINDS);
    return test_main(s, true);
}
