/*
 * Raw clients that only listen: what they are told, where ids say that they are, and how
 * they end. What they get when they come back is in test_sse_recovery.c.
 */
#include "unit/sse_rig.h"
#include "support/test_message.h"

/* --- what is told --- */

START_TEST(a_stream_begins_with_its_rooms_and_goes_on_with_their_messages)
{
    open_rooms((unsigned)_i, NULL, NULL);
    fwi_conn *c = come_raw((unsigned)_i - 1, "room=a&room=b&user=ann");
    begins(c);
    hears_event(c, JOINED("a"));
    hears_event(c, JOINED("b"));
    publish("a", "one\ntwo");
    publish("b", "{\"x\":1}");
    publish("elsewhere", "no");
    hears_event(c, "data: one\ndata: two");
    hears_event(c, "data: {\"x\":1}");
    hears_no_event(c);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(bytes_are_an_event_of_their_own_in_base64)
{
    open_rooms(1, NULL, NULL);
    fwi_conn *c = come_raw(0, "room=a");
    begins(c);
    hears_event(c, JOINED("a"));
    fw_message *m = test_message(FWI_MSG_DATA, "\x00\xff\n", 3, FW_BINARY);
    ck_assert_int_eq(fwi_hub_publish(&rig.hub, "r:a", m), FW_OK);
    fw_message_unref(m);
    hears_event(c, "event: binary\ndata: AP8K");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(in_json_who_speaks_comes_and_goes_is_told)
{
    open_rooms(1, "raw.format", "json");
    fwi_conn *c = come_raw(0, "room=a");
    begins(c);
    hears_event(c, JOINED("a"));
    fwi_conn *ann = core_connect(&rig, 0, "room=a&user=ann");
    core_rig_settle(&rig);
    core_conn_say(ann, "hi");
    hears_event(c, "data: {\"room\":\"a\",\"user\":\"ann\",\"session\":\"<client>\","
                   "\"node\":\"node\",\"data\":\"hi\"}");
    core_conn_free(ann);
    core_conn_free(c);
    core_rig_fini(&rig);
    core_rig_init(&rig, 1, "raw.mode", "rooms", "raw.format", "json", "room.join_leave",
                  "on", NULL);
    c = come_raw(0, "room=a");
    begins(c);
    hears_event(c, JOINED("a"));
    ann = core_connect(&rig, 0, "room=a&user=ann");
    hears_event(c, "event: join\ndata: {\"room\":\"a\",\"join\":{\"user\":\"ann\","
                   "\"session\":\"<client>\",\"node\":\"node\"}}");
    core_conn_free(ann);
    hears_event(c, "event: leave\ndata: {\"room\":\"a\",\"leave\":{\"user\":\"ann\","
                   "\"session\":\"<client>\",\"node\":\"node\"}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_for_it_alone_has_no_id)
{
    open_rooms(1, NULL, NULL);
    fwi_conn *c = come_raw(0, "room=kept:a&user=ann");
    char got[HEARD_MAX];
    begins(c);
    ck_assert(next_event(c, got));
    ck_assert_int_eq(core_publish(&rig, "u:ann", "for ann"), FW_OK);
    hears_event(c, "data: for ann");
    fw_message *m = test_message(FWI_MSG_DATA, "you", 3, FW_TEXT);
    fwi_session_send(c->s, m);
    fw_message_unref(m);
    hears_event(c, "data: you");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *query;
    int status;
} refused[] = {
    {"a room's name", "room=a%0ab", 400},
    {"a user's name", "user=a%0ab", 400},
    {"since", "room=a&since=x", 400},
    {"an id in the query", "room=a&last_event_id=x", 400},
    {"an id that can't be decoded", "room=a&last_event_id=%zz", 400},
};

START_TEST(who_asks_wrongly_is_refused)
{
    open_rooms(1, NULL, NULL);
    fwi_conn *c = come_raw(0, refused[_i].query);
    ck_assert_msg(c->refused == refused[_i].status, "%s: %d", refused[_i].name,
                  c->refused);
    ck_assert(!c->accepted);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(the_application_decides_before_there_is_a_stream)
{
    decide_later();
    fwi_conn *in = come_raw(0, "x=1"), *out = come_raw(0, "x=2");
    core_rig_settle(&rig);
    ck_assert(!in->accepted && !out->accepted);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 403, "no"), FW_OK);
    core_rig_settle(&rig);
    ck_assert_int_eq(out->refused, 403);
    core_conn_free(out);
    out = come_raw(0, "x=3");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, "ann"), FW_OK);
    core_rig_settle(&rig);
    begins(out);
    ck_assert_str_eq(out->s->user, "ann");
    ck_assert_uint_eq(opened, 1);
    core_rig_advance(&rig, 5100);
    ck_assert_int_eq(in->refused, 503);
    core_conn_free(in);
    core_conn_free(out);
    core_rig_fini(&rig);
}
END_TEST

/* --- ids --- */

START_TEST(events_of_rooms_with_history_say_where_the_client_is)
{
    open_rooms((unsigned)_i, NULL, NULL);
    char want[HEARD_MAX], a[16], b[16];
    snprintf(a, sizeof a, "%s", number_of("kept:a"));
    snprintf(b, sizeof b, "%s", number_of("kept:b"));
    fwi_conn *c = come_raw((unsigned)_i - 1, "room=kept:a&room=plain");
    begins(c);
    hears_event(c, JOINED("plain")); /* where the other stands is looked up first */
    snprintf(want, sizeof want, JOINED_KEPT("%s:<epoch>/0", "kept:a", "0", "false"), a);
    hears_event(c, want);
    publish("kept:a", "1");
    publish("plain", "x");
    publish("kept:a", "2");
    snprintf(want, sizeof want, "id: %s:<epoch>/1\ndata: 1", a);
    hears_event(c, want);
    hears_event(c, "data: x");
    snprintf(want, sizeof want, "id: %s:<epoch>/2\ndata: 2", a);
    hears_event(c, want);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "kept:b", 1), FW_OK);
    snprintf(want, sizeof want,
             JOINED_KEPT("%s:<epoch>/2,%s:<epoch>/0", "kept:b", "0", "false"), a, b);
    hears_event(c, want);
    publish("kept:b", "3");
    publish("kept:a", "4");
    snprintf(want, sizeof want, "id: %s:<epoch>/2,%s:<epoch>/1\ndata: 3", a, b);
    hears_event(c, want);
    snprintf(want, sizeof want, "id: %s:<epoch>/3,%s:<epoch>/1\ndata: 4", a, b);
    hears_event(c, want);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(two_rooms_that_speak_in_one_turn_are_named_as_they_were_heard)
{
    open_rooms(1, NULL, NULL);
    fwi_conn *c = come_raw(0, "room=kept:a&room=kept:b"),
             *one = come_raw(0, "room=kept:b");
    char got[HEARD_MAX], id[HEARD_MAX] = "";
    begins(c);
    ck_assert(next_event(c, got) && next_event(c, got));
    begins(one);
    ck_assert(next_event(one, got));
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(core_publish(&rig, i % 3 ? "r:kept:a" : "r:kept:b", "x"), FW_OK);
    }
    unsigned a = 0, b = 0;
    while (next_event(c, got)) {
        char want[HEARD_MAX], number[16];
        unsigned is_a = strstr(got, "data: x") != NULL && (a + b) % 3 != 0;
        a += is_a;
        b += !is_a;
        ck_assert(take_id(got, id));
        snprintf(number, sizeof number, "%s", number_of("kept:a"));
        snprintf(want, sizeof want, "%s:<epoch>/%u,%s:<epoch>/%u", number, a,
                 number_of("kept:b"), b);
        ck_assert_msg(matches(id, want), "%s instead of %s", id, want);
    }
    ck_assert_uint_eq(a + b, 6);
    while (next_event(one, got)) {
        ck_assert(take_id(got, id) && strchr(id, ',') == NULL);
    }
    core_conn_free(c);
    core_conn_free(one);
    core_rig_fini(&rig);
}
END_TEST

/* --- life and end --- */

START_TEST(who_takes_its_pings_lives_and_who_does_not_is_ended)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "heartbeat.interval", "25s",
                  "heartbeat.timeout", "10s", NULL);
    fwi_conn *alive = come_raw(0, "room=a"), *dead = come_raw(0, "room=a");
    const char *rest;
    char got[HEARD_MAX];
    begins(alive);
    hears_event(alive, JOINED("a"));
    begins(dead);
    hears_event(dead, JOINED("a"));
    dead->behind = true;
    core_rig_advance(&rig, 25100);
    hears_event(alive, ":");
    hears_event(dead, ":");
    core_rig_advance(&rig, 10100);
    core_rig_advance(&rig, 10100); /* the first time-out may have seen it take bytes */
    ck_assert(next_event(dead, got));
    if (strcmp(got, ":") == 0) {
        ck_assert(next_event(dead, got));
    }
    retry_of(got, &rest);
    ck_assert_str_eq(rest, "event: close\ndata: {\"code\":1001,\"reason\":\"no answer to "
                           "ping\"}");
    ck_assert(dead->finished || dead->aborted);
    for (int i = 0; i < 5; i++) {
        core_rig_advance(&rig, 25000);
    }
    ck_assert_ptr_nonnull(alive->s);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_HEARTBEAT_TIMEOUTS), 1);
    core_conn_free(alive);
    core_conn_free(dead);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_drain_tells_each_to_come_again_at_another_time)
{
    enum { N = 20 };
    open_rooms(1, "sse.retry", "10s");
    fwi_conn *c[N];
    unsigned low = UINT32_MAX, high = 0;
    char got[HEARD_MAX];
    const char *rest;
    for (int i = 0; i < N; i++) {
        c[i] = come_raw(0, "");
        ck_assert(next_event(c[i], got));
    }
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS_SSE), N);
    atomic_store(&rig.hub.draining, true);
    fwi_shard_drain(&rig.shard[0]);
    core_rig_advance(&rig, 1000);
    for (int i = 0; i < N; i++) {
        ck_assert(next_event(c[i], got));
        unsigned ms = retry_of(got, &rest);
        low = FWI_MIN(low, ms);
        high = FWI_MAX(high, ms);
        ck_assert_str_eq(rest, "event: close\ndata: {\"code\":1001,\"reason\":\"going "
                               "away\"}");
        ck_assert(c[i]->finished);
        core_conn_free(c[i]);
    }
    ck_assert_uint_ge(low, 5000);
    ck_assert_uint_le(high, 15000);
    ck_assert_uint_gt(high - low, 3000);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS_SSE), 0);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_slow_reader_of_plain_rooms_loses_by_the_policy)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "outbox.max_bytes", "1KiB",
                  "outbox.policy", "latest", NULL);
    fwi_conn *c = come_raw(0, "room=a");
    begins(c);
    hears_event(c, JOINED("a"));
    c->blocked = true;
    for (int i = 0; i < 200; i++) {
        publish("a", i < 199 ? "an old one" : "the newest");
    }
    core_conn_unblock(c);
    char got[HEARD_MAX];
    unsigned n = 0;
    for (; next_event(c, got); n++) {
    }
    ck_assert_str_eq(got, "data: the newest");
    ck_assert_uint_lt(n, 100);
    ck_assert_ptr_nonnull(c->s);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sse");
    TCase *tc = tcase_create("what is told");
    tcase_add_loop_test(
        tc, a_stream_begins_with_its_rooms_and_goes_on_with_their_messages, 1, 3);
    tcase_add_test(tc, bytes_are_an_event_of_their_own_in_base64);
    tcase_add_test(tc, in_json_who_speaks_comes_and_goes_is_told);
    tcase_add_test(tc, what_is_for_it_alone_has_no_id);
    tcase_add_loop_test(tc, who_asks_wrongly_is_refused, 0, FWI_ARRAY_LEN(refused));
    tcase_add_test(tc, the_application_decides_before_there_is_a_stream);
    suite_add_tcase(suite, tc);
    tc = tcase_create("ids");
    tcase_add_loop_test(tc, events_of_rooms_with_history_say_where_the_client_is, 1, 3);
    tcase_add_test(tc, two_rooms_that_speak_in_one_turn_are_named_as_they_were_heard);
    suite_add_tcase(suite, tc);
    tc = tcase_create("life and end");
    tcase_add_test(tc, who_takes_its_pings_lives_and_who_does_not_is_ended);
    tcase_add_test(tc, a_drain_tells_each_to_come_again_at_another_time);
    tcase_add_test(tc, a_slow_reader_of_plain_rooms_loses_by_the_policy);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
