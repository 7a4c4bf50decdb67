/*
 * Sessions that speak the Centrifuge protocol: coming in, and their end.
 */
#include "unit/centrifuge_rig.h"

#include "core/decision.h"
#include "support/fake_backplane.h"

/* --- coming in --- */

START_TEST(connect_is_answered_with_what_it_is_called)
{
    core_rig_init(&rig, 2, "client.anonymous", "on", NULL);
    for (unsigned i = 0; i < 2; i++) {
        fwi_conn *c = enter(i);
        char id[FW_SESSION_ID_TEXT];
        ck_assert(c->accepted);
        ck_assert_uint_eq(strlen(fw_session_id_text(c->id, id)), 32);
        core_conn_free(c);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_has_no_token_is_not_let_in_unless_that_is_allowed)
{
    core_rig_init(&rig, 1, NULL);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    is_closed(c, 3501);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_said_behind_connect_waits_for_the_verdict)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{\"data\":{\"a\":1}}}\n{\"id\":2,\"ping\":{}}\n"
           "{\"id\":3,\"ping\":{}}");
    ck_assert_str_eq(asked, "{\"a\":1}");
    ck_assert(c->paused);
    ck_assert_uint_eq(opened, 0);
    hears_nothing(c);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, "ann"), FW_OK);
    hears(c, CONNECTED(""));
    hears(c, "{\"id\":2,\"ping\":{}}");
    hears(c, "{\"id\":3,\"ping\":{}}");
    ck_assert(!c->paused);
    ck_assert_str_eq(c->s->user, "ann");
    ck_assert_uint_eq(opened, 1);
    core_conn_free(c);
    ck_assert_uint_eq(closed, 1);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_is_refused_gets_an_error_and_is_not_heard_any_more)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"ping\":{}}");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 403, "not you"), FW_OK);
    hears(c, "{\"id\":1,\"error\":{\"code\":403,\"message\":\"not you\"}}");
    say(c, "{\"id\":3,\"ping\":{}}");
    hears_nothing(c);
    core_rig_advance(&rig, 15000);
    is_closed(c, 3502);
    core_conn_free(c);
    ck_assert_uint_eq(opened + closed, 0);
    ck_assert_int_eq(atomic_load(&rig.hub.pending), 0);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(no_verdict_in_time_is_an_error_that_passes)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    core_rig_advance(&rig, 5000);
    hears(c, "{\"id\":1,\"error\":{\"code\":503,\"message\":\"no decision in time\","
             "\"temporary\":true}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_leaves_while_it_is_decided_was_never_there)
{
    decide_later();
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    core_conn_free(c);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, true, 0, ""), FW_ERR_GONE);
    ck_assert_uint_eq(opened + closed, 0);
    ck_assert_int_eq(atomic_load(&rig.hub.pending), 0);
    core_rig_fini(&rig);
}
END_TEST

static void give_one(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    give(e, "a");
}

/* Where the room stands is never told: Redis is away, say. */
START_TEST(who_waits_too_long_for_a_room_it_is_given_is_told_to_come_again)
{
    core_rig_backplane = fake_backplane_new;
    core_rig_init(&rig, 1, "client.anonymous", "on", "room.history.size", "10", NULL);
    core_rig_on(&rig, FW_EVENT_OPEN, give_one, NULL);
    fwi_conn *c = arrive(0);
    say(c, "{\"id\":1,\"connect\":{}}");
    hears_nothing(c);
    core_rig_advance(&rig, 4900);
    hears_nothing(c);
    core_rig_advance(&rig, 200);
    is_closed(c, 3004);
    core_conn_free(c);
    core_rig_fini(&rig);
    core_rig_backplane = fwi_backplane_memory_new;
}
END_TEST

/* Not sooner than that; and the end of the test. */
static void is_stale_in(fwi_conn *c, unsigned ms)
{
    core_rig_advance(&rig, ms - 1000);
    hears_nothing(c);
    core_rig_advance(&rig, 1100);
    is_closed(c, 3502);
    core_conn_free(c);
    core_rig_fini(&rig);
}

START_TEST(who_says_nothing_is_stale)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = arrive(0);
    is_stale_in(c, 15000);
}
END_TEST

START_TEST(who_says_nothing_is_stale_whatever_becomes_of_pings_meanwhile)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = arrive(0);
    core_rig_advance(&rig, 1000);
    fw_options_set(rig.options, "heartbeat.interval", "0s");
    ck_assert(fwi_hub_reload(&rig.hub, rig.options));
    fwi_shard_reload(&rig.shard[0]);
    is_stale_in(c, 14000);
}
END_TEST

/* It has said what it had to: what takes the time is the application. */
START_TEST(who_is_being_decided_on_is_not_stale)
{
    decide_later();
    rig.hub.set.decision_timeout_ms = 60000;
    fwi_conn *c = arrive(0);
    core_rig_advance(&rig, 10000);
    say(c, "{\"id\":1,\"connect\":{}}");
    core_rig_advance(&rig, 50000);
    hears_nothing(c);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, question, false, 403, "no"), FW_OK);
    hears(c, "{\"id\":1,\"error\":{\"code\":403,\"message\":\"no\"}}");
    is_stale_in(c, 15000);
}
END_TEST

static const struct {
    const char *name, *in;
    unsigned code;
} offences[] = {
    {"another command first", "{\"id\":1,\"subscribe\":{\"channel\":\"a\"}}", 3501},
    {"a second connect", "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"connect\":{}}", 3501},
    {"no JSON", "hello", 3501},
    {"nothing", "", 3501},
    {"line ends", "\n\n", 3501},
    {"no id", "{\"connect\":{}}", 3501},
    {"subs of the wrong kind", "{\"id\":1,\"connect\":{\"subs\":{\"a\":1}}}", 3501},
    {"an empty channel", "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{}}", 3501},
    {"an unknown delta",
     "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"delta\":"
     "\"x\"}}",
     3501},
    {"send that nobody hears", "{\"id\":1,\"connect\":{}}\n{\"send\":{\"data\":1}}",
     3508},
};

START_TEST(who_breaks_the_protocol_is_closed_with_its_code)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = arrive(0), *other = enter(0);
    say(c, "%s", offences[_i].in);
    char got[HEARD_MAX];
    int opcode;
    while ((opcode = core_conn_next(c, got, sizeof got)) == FWI_WS_TEXT) {
    }
    ck_assert_int_eq(opcode, FWI_WS_CLOSE);
    unsigned code = (unsigned)(uint8_t)got[0] << 8 | (uint8_t)got[1];
    ck_assert_msg(code == offences[_i].code, "%s: %u", offences[_i].name, code);
    say(other, "{\"id\":2,\"ping\":{}}");
    hears(other, "{\"id\":2,\"ping\":{}}");
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

/* --- the end --- */

START_TEST(pings_are_empty_objects_and_silence_is_3012)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = enter(0);
    for (int ping = 0; ping < 3; ping++) {
        unsigned waited_ms = 0;
        for (; c->out.len == 0; waited_ms += 100) {
            core_rig_advance(&rig, 100);
        }
        hears(c, "{}");
        ck_assert_uint_ge(waited_ms, ping == 0 ? 12400 : 24900);
        ck_assert_uint_le(waited_ms, 25100);
        if (ping < 2) {
            fwi_session_on_bytes(c->s);
            say(c, "{}");
        }
    }
    core_rig_advance(&rig, 9800);
    hears_nothing(c);
    core_rig_advance(&rig, 300);
    is_closed(c, 3012);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_asks_for_frames_is_pinged_by_frames)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = core_connect_as(&rig, 0, "cf_ws_frame_ping_pong=true", FWI_CENTRIFUGE);
    say(c, "{\"id\":1,\"connect\":{}}");
    hears(c, "{\"id\":1,\"connect\":{\"client\":\"<client>\",\"version\":"
             "\"fanwire " FW_VERSION_STRING "\"}}");
    core_rig_advance(&rig, 25000);
    char got[HEARD_MAX];
    ck_assert_int_eq(core_conn_next(c, got, sizeof got), FWI_WS_PING);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_drain_is_3001)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = enter(0), *early = arrive(0);
    atomic_store(&rig.hub.draining, true);
    fwi_shard_drain(&rig.shard[0]);
    core_rig_advance(&rig, 100);
    is_closed(c, 3001);
    is_closed(early, 3001);
    core_conn_free(c);
    core_conn_free(early);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_slow_reader_is_3008)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "outbox.max_bytes", "1KiB", NULL);
    fwi_conn *c = enter(0);
    subscribe(c, "a");
    c->blocked = true;
    char text[500];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        publish("a", text);
    }
    core_conn_unblock(c);
    is_closed(c, 3008);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(too_many_messages_are_3013)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "limit.message_rate", "2", NULL);
    fwi_conn *c = arrive(0);
    for (int i = 0; i < 20 && c->s->state == FWI_SESSION_OPEN; i++) {
        core_conn_say(c, i == 0 ? "{\"id\":1,\"connect\":{}}" : "{}");
    }
    hears(c, CONNECTED(""));
    is_closed(c, 3013);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("centrifuge_life");
    TCase *tc = tcase_create("coming in");
    tcase_add_test(tc, connect_is_answered_with_what_it_is_called);
    tcase_add_test(tc, who_has_no_token_is_not_let_in_unless_that_is_allowed);
    tcase_add_test(tc, what_is_said_behind_connect_waits_for_the_verdict);
    tcase_add_test(tc, who_is_refused_gets_an_error_and_is_not_heard_any_more);
    tcase_add_test(tc, no_verdict_in_time_is_an_error_that_passes);
    tcase_add_test(tc, who_leaves_while_it_is_decided_was_never_there);
    tcase_add_test(tc, who_waits_too_long_for_a_room_it_is_given_is_told_to_come_again);
    tcase_add_test(tc, who_says_nothing_is_stale);
    tcase_add_test(tc, who_is_being_decided_on_is_not_stale);
    tcase_add_test(tc, who_says_nothing_is_stale_whatever_becomes_of_pings_meanwhile);
    tcase_add_loop_test(tc, who_breaks_the_protocol_is_closed_with_its_code, 0,
                        FWI_ARRAY_LEN(offences));
    suite_add_tcase(suite, tc);
    tc = tcase_create("the end");
    tcase_add_test(tc, pings_are_empty_objects_and_silence_is_3012);
    tcase_add_test(tc, who_asks_for_frames_is_pinged_by_frames);
    tcase_add_test(tc, a_drain_is_3001);
    tcase_add_test(tc, a_slow_reader_is_3008);
    tcase_add_test(tc, too_many_messages_are_3013);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
