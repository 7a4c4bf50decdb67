/*
 * Following a room: what nodes report of its messages, to whom, for how long and how
 * much, and that hostile requests and reports do nothing.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace.h"
#include "support/core_rig.h"
#include "support/fake_backplane.h"
#include "support/test_message.h"

static core_rig rig;
/* What TRACE events said, a line each: their sentences, and the last one's JSON. */
static char said[8192], json[512];
static unsigned reports;

static void on_trace(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t n = strlen(said), len;
    const char *data = fw_event_data(e, &len);
    ck_assert_uint_eq(fw_event_token(e), 7);
    snprintf(said + n, sizeof said - n, "%s\n", fw_event_reason(e));
    snprintf(json, sizeof json, "%.*s", (int)len, data);
    reports++;
}

static void begin(unsigned loops, const char *option, const char *value)
{
    core_rig_init(&rig, loops, "raw.mode", "rooms", option, value, NULL);
    core_rig_on(&rig, FW_EVENT_TRACE, on_trace, NULL);
    said[0] = json[0] = '\0';
    reports = 0;
}

static void follow(const char *channel, unsigned seconds)
{
    ck_assert_int_eq(fwi_hub_trace(&rig.hub, channel, seconds, 7), FW_OK);
    core_rig_settle(&rig);
}

static fwi_conn *enter(unsigned loop, const char *query)
{
    fwi_conn *c = core_connect(&rig, loop, query);
    core_rig_settle(&rig);
    return c;
}

static void publish(const char *channel, const char *text)
{
    ck_assert_int_eq(core_publish(&rig, channel, text), FW_OK);
    core_rig_settle(&rig);
}

/* What was said since the last time. */
static void expect_said(const char *want)
{
    ck_assert_str_eq(said, want);
    said[0] = '\0';
}

START_TEST(each_loop_says_to_how_many_it_gave_it)
{
    begin((unsigned)_i, "raw.echo_to_sender", "off");
    fwi_conn *ann = enter(0, "room=a&user=ann");
    fwi_conn *bob = enter(0, "room=a&user=bob");
    fwi_conn *eve = enter((unsigned)_i - 1, "room=a&user=eve");
    publish("r:a", "before");
    follow("r:a", 10);
    expect_said("node reports from now on\n");
    publish("r:a", "hello");
    publish("r:b", "of another room");
    expect_said(_i == 1 ? "node published it\nnode gave it to 3 of 3 members\n"
                        : "node published it\nnode gave it to 2 of 2 members\n"
                          "node gave it to 1 of 1 members\n");
    core_conn_say(ann, "from ann");
    core_rig_settle(&rig);
    expect_said(_i == 1 ? "node published it\n"
                          "node gave it to 2 of 3 members, not to its sender\n"
                        : "node published it\n"
                          "node gave it to 1 of 2 members, not to its sender\n"
                          "node gave it to 1 of 1 members\n");
    ck_assert_uint_eq(core_conn_count(ann, "from ann"), 0);
    ck_assert_uint_eq(core_conn_count(bob, "from ann"), 1);
    core_conn_free(ann);
    core_conn_free(bob);
    core_conn_free(eve);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_slow_reader_s_loss_is_told)
{
    char big[900];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    begin(1, "outbox.max_bytes", "1024");
    fwi_conn *slow = enter(0, "room=a"), *quick = enter(0, "room=a");
    follow("r:a", 10);
    said[0] = '\0';
    slow->blocked = true;
    publish("r:a", big);
    expect_said("node published it\nnode gave it to 2 of 2 members\n");
    publish("r:a", big);
    ck_assert_ptr_nonnull(strstr(said, "outboxes dropped "));
    ck_assert_ptr_nonnull(strstr(said, "1 are closed: too slow\n"));
    ck_assert_ptr_nonnull(strstr(json, "\"closed\":1"));
    core_conn_free(slow);
    core_conn_free(quick);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(json_has_what_the_sentence_has)
{
    begin(1, "room.history.size", "10");
    fwi_conn *c = enter(0, "room=a");
    follow("r:a", 10);
    ck_assert_str_eq(json, "{\"what\":\"begun\",\"node\":\"node\"}");
    publish("r:a", "hello");
    char *position = strstr(json, ",\"position\":\"");
    ck_assert_ptr_nonnull(position);
    memmove(position, position + strlen(",\"position\":\"0123456789abcdef/1\""),
            strlen(position + strlen(",\"position\":\"0123456789abcdef/1\"")) + 1);
    ck_assert_str_eq(json,
                     "{\"what\":\"delivered\",\"node\":\"node\",\"bytes\":5,\"loop\":0,"
                     "\"members\":1,\"given\":1,\"excepted\":0,\"waiting\":0,"
                     "\"dropped\":0,\"closed\":0}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(it_ends_by_itself_and_when_it_is_told_to)
{
    begin(1, "threads", "1");
    fwi_conn *c = enter(0, "room=a");
    follow("r:a", 10);
    core_rig_advance(&rig, 9000);
    follow("r:a", 10); /* renewed without a word */
    expect_said("node reports from now on\n");
    core_rig_advance(&rig, 9000);
    publish("r:a", "1");
    ck_assert_uint_eq(reports, 3);
    core_rig_advance(&rig, 1001);
    publish("r:a", "2");
    ck_assert_uint_eq(reports, 3);
    ck_assert_uint_eq(rig.hub.traces.n, 0);
    follow("r:a", 10);
    follow("r:a", 0);
    ck_assert_uint_eq(rig.hub.traces.n, 0);
    publish("r:a", "3");
    ck_assert_uint_eq(reports, 4);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_waits_behind_a_gap_and_what_repeats_is_told)
{
    core_rig_backplane = fake_backplane_new;
    begin(1, "room.history.size", "100");
    fwi_conn *c = enter(0, "room=a");
    fake_answer_honestly(5, 1, 3, 100); /* the room stands at 3 */
    core_rig_settle(&rig);
    fw_message *request = test_message(FWI_MSG_TRACE, "a", 1, FW_TEXT);
    request->target = (fw_session_id){rig.hub.node, 7};
    request->code = 10;
    fwi_hub_sink.on_message(&rig.hub, "all", request);
    fw_message_unref(request);
    ck_assert_uint_eq(rig.hub.traces.n, 1);
    unsigned before = fake_backplane_last->n_publishes;
    fake_say("r:a", 5, 4);
    fake_say("r:a", 5, 4);
    fake_say("r:a", 5, 6);
    core_rig_settle(&rig);
    ck_assert_uint_eq(fake_backplane_last->n_publishes, before + 3);
    static const uint8_t what[] = {FWI_TRACE_DELIVERED, FWI_TRACE_REPEATED,
                                   FWI_TRACE_HELD};
    for (unsigned i = 0; i < FWI_ARRAY_LEN(what); i++) {
        const fake_publish *p = &fake_backplane_last->publish[before + i];
        ck_assert_int_eq(strncmp(p->channel, "n:", 2), 0);
        ck_assert_uint_eq((uint8_t)p->text[0], what[i]);
    }
    core_conn_free(c);
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}
END_TEST

static void bring(uint8_t kind, const void *data, size_t len, unsigned flags,
                  unsigned seconds, fw_session_id target, const char *channel)
{
    fw_message *m = test_message((fwi_msg_kind)kind, data, len, flags);
    m->target = target;
    m->code = (uint16_t)seconds;
    fwi_hub_sink.on_message(&rig.hub, channel, m);
    fw_message_unref(m);
}

START_TEST(a_node_follows_16_rooms_for_others)
{
    begin(1, "threads", "1");
    for (unsigned i = 0; i < 40; i++) {
        char room[8];
        snprintf(room, sizeof room, "r%u", i);
        bring(FWI_MSG_TRACE, room, strlen(room), FW_TEXT, 60, (fw_session_id){9, i},
              "all");
    }
    ck_assert_uint_eq(rig.hub.traces.n, FWI_TRACES_MAX);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_TRACES), 24);
    core_rig_advance(&rig, 61000);
    follow("r:a", 1);
    ck_assert_uint_eq(rig.hub.traces.n, 1);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(reports_are_bounded_and_what_is_left_out_is_told)
{
    begin(1, "threads", "1");
    fwi_conn *c = enter(0, "room=a");
    follow("r:a", 60);
    for (unsigned i = 0; i < 700; i++) {
        publish("r:a", "x"); /* two reports each, at one moment of the fake clock */
    }
    ck_assert_uint_eq(reports, FWI_TRACE_REPORTS_MAX + 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_TRACE_REPORTS), 400);
    core_rig_advance(&rig, 1000);
    said[0] = '\0';
    publish("r:a", "x");
    expect_said("node left out 400 reports\nnode published it\n"
                "node gave it to 1 of 1 members\n");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(hostile_requests_and_reports_do_nothing)
{
    begin(1, "threads", "1");
    const fw_session_id us = {rig.hub.node, 7}, them = {rig.hub.node + 1, 7};
    uint8_t record[200];
    memset(record, 0xff, sizeof record);
    bring(FWI_MSG_TRACE, "", 0, FW_TEXT, 10, us, "all");
    bring(FWI_MSG_TRACE, "a\0b", 3, FW_TEXT, 10, us, "all");
    bring(FWI_MSG_TRACE, record, sizeof record, FW_BINARY, 10, us, "all");
    bring(FWI_MSG_TRACE, "a", 1, FW_TEXT, 10, fw_session_none(), "all");
    bring(FWI_MSG_TRACE, "a", 1, FW_TEXT, 10, us, "r:a");
    ck_assert_uint_eq(rig.hub.traces.n, 0);
    bring(FWI_MSG_TRACE, "a", 1, FW_TEXT, 65535, them, "all");
    ck_assert_uint_eq(rig.hub.traces.n, 1);
    ck_assert_uint_le(rig.hub.traces.list[0].until_ms,
                      fwi_loop_now_ms(rig.loop[0]) + 60000);
    for (size_t len = 0; len <= sizeof record; len++) {
        bring(FWI_MSG_TRACED, record, len, FW_BINARY, 0, us, rig.hub.channel);
    }
    record[0] = FWI_TRACE_DELIVERED;
    bring(FWI_MSG_TRACED, record, sizeof record, FW_BINARY, 0, us, rig.hub.channel);
    ck_assert_uint_eq(reports, 0); /* no origin: nobody's report */
    core_rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("trace");
    TCase *tc = tcase_create("trace");
    tcase_add_loop_test(tc, each_loop_says_to_how_many_it_gave_it, 1, 3);
    tcase_add_test(tc, a_slow_reader_s_loss_is_told);
    tcase_add_test(tc, json_has_what_the_sentence_has);
    tcase_add_test(tc, it_ends_by_itself_and_when_it_is_told_to);
    tcase_add_test(tc, what_waits_behind_a_gap_and_what_repeats_is_told);
    tcase_add_test(tc, a_node_follows_16_rooms_for_others);
    tcase_add_test(tc, reports_are_bounded_and_what_is_left_out_is_told);
    tcase_add_test(tc, hostile_requests_and_reports_do_nothing);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
