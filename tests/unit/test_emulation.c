/*
 * Clients of the Centrifuge protocol that have no WebSocket: what they hear by their
 * streams, and what becomes of what they say elsewhere.
 */
#include "unit/emulation_rig.h"

#include <fanwire/error.h>

#include "core/centrifuge.h"
#include "core/gift.h"
#include "support/test_message.h"

static int emulate(const char *commands)
{
    int err = fwi_hub_emulate(&rig.hub, node, session, commands, strlen(commands));
    core_rig_settle(&rig);
    return err;
}

/* --- what they hear --- */

START_TEST(who_has_no_websocket_is_told_what_to_name)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = core_connect_as(&rig, 0, "", kinds[_i]);
    core_conn_say(c, "{\"id\":1,\"connect\":{}}");
    char got[HEARD_MAX], want[HEARD_MAX];
    ck_assert(next_told(c, got));
    take(got, "session", session, sizeof session);
    snprintf(want, sizeof want,
             "{\"id\":1,\"connect\":{\"client\":\"<client>\",\"version\":"
             "\"fanwire " FW_VERSION_STRING "\",\"ping\":25,\"pong\":true,"
             "\"session\":\"%s\",\"node\":\"0000000000000007\"}}",
             session);
    ck_assert_msg(matches(got, want), "%s", got);
    fwi_stat of[] = {FWI_STAT_SESSIONS_CENTRIFUGE_SSE, FWI_STAT_SESSIONS_HTTP_STREAM};
    ck_assert_uint_eq(core_rig_stat(&rig, of[_i]), 1);
    core_conn_free(c);
    ck_assert_uint_eq(core_rig_stat(&rig, of[_i]), 0);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_message_is_told_to_each_in_its_own_form)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c[] = {enter(0), come(kinds[0], 0), come(kinds[1], 0)};
    subscribe(c[0], "a");
    for (size_t i = 1; i < FWI_ARRAY_LEN(c); i++) {
        core_conn_say(c[i], "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
        is_told(c[i], "{\"id\":2,\"subscribe\":{}}");
    }
    publish("a", "{\"n\":\n1}");
    publish("a", "two\nlines");
    hears(c[0], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{\"n\":1}}}}");
    hears(c[0], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"two\\nlines\"}}}");
    for (size_t i = 1; i < FWI_ARRAY_LEN(c); i++) {
        is_told(c[i], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{\"n\":1}}}}");
        is_told(c[i],
                "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"two\\nlines\"}}}");
        is_told_nothing(c[i]);
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(c); i++) {
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_room_that_begins_anew_is_told_on_a_stream)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "room.history.size", "10", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    core_conn_say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true}}");
    is_told(c, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,"
               "\"epoch\":\"<epoch>\",\"offset\":0}}");
    ck_assert_int_eq(fwi_hub_forget_history(&rig.hub, "r:a", 1), FW_OK);
    is_told(c, "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2500,\"reason\":"
               "\"insufficient state\"}}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_given_with_a_room_is_told_on_a_stream)
{
    static const char gift[] = "{\"channel\":\"a\",\"data\":[1]}";
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    fw_message *m = fwi_gift_message(gift, sizeof gift - 1, (fwi_position){0});
    ck_assert_int_eq(fwi_hub_give(&rig.hub, c->id, "a", m), FW_OK);
    fw_message_unref(m);
    is_told(c, "{\"push\":{\"channel\":\"a\",\"subscribe\":{\"data\":[1]}}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- how they end --- */

START_TEST(the_end_is_a_push_and_then_the_stream_ends)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    ck_assert_int_eq(emulate("{\"id\":2,\"connect\":{}}"), FW_OK);
    is_ended(c, 3501, "connected already");
    core_conn_free(c);
    c = come(kinds[_i], 0);
    ck_assert_int_eq(fwi_hub_close(&rig.hub, c->id, 4000, "a \"word\""), FW_OK);
    is_ended(c, 4000, "a \\\"word\\\"");
    core_conn_free(c);
    c = come(kinds[_i], 0);
    fwi_shard_close_all(&rig.shard[0]);
    is_ended(c, 3001, "shutdown");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_does_not_begin_with_connect_is_told_so)
{
    core_rig_init(&rig, 1, NULL);
    static const char *const first[] = {"x", "{\"id\":1,\"ping\":{}}", "[]", " \n"};
    for (size_t i = 0; i < FWI_ARRAY_LEN(first); i++) {
        fwi_conn *c = core_connect_as(&rig, 0, "", kinds[_i]);
        char got[HEARD_MAX];
        core_conn_say(c, first[i]);
        ck_assert(next_told(c, got));
        ck_assert_msg(strstr(got, "\"code\":3501") != NULL, "%s: %s", first[i], got);
        ck_assert(c->finished);
        core_conn_free(c);
    }
    fwi_conn *c = core_connect_as(&rig, 0, "", kinds[_i]);
    core_rig_advance(&rig, 15100);
    is_ended(c, 3502, "stale");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_stream_that_nobody_reads_is_ended)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "outbox.max_bytes", "1KiB", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    core_conn_say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    is_told(c, "{\"id\":2,\"subscribe\":{}}");
    c->blocked = true;
    char text[500];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        publish("a", text);
    }
    core_conn_unblock(c);
    is_ended(c, 3008, "slow");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- what they say elsewhere --- */

START_TEST(what_is_said_elsewhere_reaches_the_session_on_any_loop)
{
    core_rig_init(&rig, 2, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[_i % 2], (unsigned)_i / 2);
    ck_assert_int_eq(emulate("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n"
                             "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":1}}"),
                     FW_OK);
    is_told(c, "{\"id\":2,\"subscribe\":{}}");
    char got[HEARD_MAX];
    ck_assert(next_told(c, got) && next_told(c, got)); /* the reply and the message */
    is_told_nothing(c);
    core_conn_free(c);
    ck_assert_int_eq(emulate("{}"), FW_ERR_GONE);
    core_rig_fini(&rig);
}
END_TEST

/* Up to its next ping. */
static void is_pinged(fwi_conn *c)
{
    for (int i = 0; c->out.len == 0 && i < 300; i++) {
        core_rig_advance(&rig, 100);
    }
    is_told(c, "{}");
}

START_TEST(a_pong_that_comes_elsewhere_keeps_it_alive)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    for (int ping = 0; ping < 3; ping++) {
        is_pinged(c);
        ck_assert_int_eq(emulate("{}"), FW_OK);
    }
    core_rig_advance(&rig, 11000);
    is_told_nothing(c);
    is_pinged(c);
    core_rig_advance(&rig, 11000);
    is_ended(c, 3012, "no pong");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(only_who_has_the_sealed_name_speaks_for_a_session)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[0], 0), *plain = enter(0);
    static const char hello[] = "{\"id\":2,\"ping\":{}}";
    char good[FWI_SEAL_TEXT];
    snprintf(good, sizeof good, "%s", session);
    session[FWI_SEAL_TEXT - 2] ^= 1;
    ck_assert_int_eq(emulate(hello), FW_ERR_GONE);
    snprintf(session, sizeof session, "%.16s", good);
    ck_assert_int_eq(emulate(hello), FW_ERR_INVALID);
    snprintf(session, sizeof session, "%s", good);
    node[3] = 'x';
    ck_assert_int_eq(emulate(hello), FW_ERR_INVALID);
    is_told_nothing(c);
    /* A session of a WebSocket isn't spoken for, even if its node seals its name. */
    ck_assert(fwi_emulation_names(plain->s, session, node));
    ck_assert_int_eq(emulate(hello), FW_OK);
    hears_nothing(plain);
    core_conn_free(plain);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_says_more_than_may_wait_is_ended)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "message.max_bytes", "1KiB", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    c->s->centrifuge->blocked = true; /* as behind a subscribe that isn't done */
    char text[601];
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "{\"id\":2,\"ping\":{}}", 18);
    text[600] = '\0';
    ck_assert_int_eq(emulate(text), FW_OK);
    is_told_nothing(c);
    ck_assert_int_eq(emulate(text), FW_OK);
    is_ended(c, 3013, "too many requests");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_MESSAGE), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(commands_wait_while_the_application_is_behind)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[_i], 0);
    c->s->credit = fwi_credit_new(c->id);
    ck_assert_ptr_nonnull(c->s->credit);
    fwi_session_pause(c->s);
    ck_assert_int_eq(emulate("{\"id\":2,\"ping\":{}}"), FW_OK);
    ck_assert_int_eq(emulate("{\"id\":3,\"ping\":{}}"), FW_OK);
    is_told_nothing(c);
    fwi_session_check_credit(c->s);
    is_told(c, "{\"id\":2,\"ping\":{}}");
    is_told(c, "{\"id\":3,\"ping\":{}}");
    ck_assert_int_eq(emulate("{\"id\":4,\"ping\":{}}"), FW_OK);
    is_told(c, "{\"id\":4,\"ping\":{}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- other nodes --- */

static fwi_backplane_ops many_ops;
static char passed_channel[64];
static fw_message *passed;

static bool pass(fwi_backplane *bp, const char *channel, fw_message *m,
                 const fwi_terms *terms)
{
    (void)bp;
    (void)terms;
    fw_message_unref(passed);
    passed = fw_message_ref(m);
    snprintf(passed_channel, sizeof passed_channel, "%s", channel);
    return true;
}

/* There are others, whom the test plays. */
static void be_one_of_many(void)
{
    many_ops = *rig.hub.bp->ops;
    many_ops.alone = false;
    many_ops.publish = pass;
    rig.hub.bp->ops = &many_ops;
    passed = NULL;
}

static void bring(const char *text, size_t len)
{
    fw_message *m = test_message(FWI_MSG_EMULATED, text, len, FW_TEXT);
    m->target = (fw_session_id){rig.hub.node, 0};
    fwi_hub_sink.on_message(&rig.hub, rig.hub.channel, m);
    fw_message_unref(m);
    core_rig_settle(&rig);
}

START_TEST(what_is_of_another_node_is_passed_on_and_arrives_there)
{
    static const char hello[] = "{\"id\":2,\"ping\":{}}";
    core_rig_init(&rig, 2, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[0], (unsigned)_i);
    be_one_of_many();
    snprintf(node, sizeof node, "%016x", 99);
    ck_assert_int_eq(emulate(hello), FW_OK);
    ck_assert_str_eq(passed_channel, "n:0000000000000063");
    ck_assert_uint_eq(passed->target.node, 99);
    is_told_nothing(c);
    bring((const char *)fwi_message_bytes(passed), fwi_message_len(passed));
    is_told(c, hello);
    fw_message_unref(passed);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_comes_damaged_from_another_node_is_nobodys)
{
    core_rig_init(&rig, 1, "client.insecure", "on", "message.max_bytes", "1KiB", NULL);
    fwi_conn *c = come(kinds[0], 0);
    char text[HEARD_MAX];
    size_t n = (size_t)snprintf(text, sizeof text, "%s\n{\"id\":2,\"ping\":{}}", session);
    for (size_t cut = 0; cut < FWI_SEAL_TEXT; cut++) {
        bring(text, cut);
    }
    for (size_t i = 0; i < FWI_SEAL_TEXT; i++) {
        text[i] ^= 1;
        bring(text, n);
        text[i] ^= 1;
    }
    text[5] = '\0';
    bring(text, n);
    text[5] = session[5];
    memset(text + n, ' ', 1024);
    bring(text, n + 1024);
    is_told_nothing(c);
    bring(text, n);
    is_told(c, "{\"id\":2,\"ping\":{}}");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_node_that_is_gone_is_not_asked_until_it_is_back)
{
    core_rig_init(&rig, 1, "client.insecure", "on", NULL);
    fwi_conn *c = come(kinds[0], 0);
    snprintf(node, sizeof node, "%016x", 99);
    ck_assert_int_eq(emulate("{}"), FW_ERR_GONE); /* there are no others at all */
    be_one_of_many();
    ck_assert_int_eq(emulate("{}"), FW_OK);
    for (uint64_t other = 100; other < 100 + FWI_GONE_MAX - 1; other++) {
        fwi_hub_sink.on_node(&rig.hub, other, "other", false);
    }
    fwi_hub_sink.on_node(&rig.hub, 99, "ninety-nine", false);
    ck_assert_int_eq(emulate("{}"), FW_ERR_GONE);
    fwi_hub_sink.on_node(&rig.hub, 99, "ninety-nine", true);
    ck_assert_int_eq(emulate("{}"), FW_OK);
    fw_message_unref(passed);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    const int both = FWI_ARRAY_LEN(kinds);
    Suite *suite = suite_create("emulation");
    TCase *tc = tcase_create("what is heard");
    tcase_add_loop_test(tc, who_has_no_websocket_is_told_what_to_name, 0, both);
    tcase_add_test(tc, a_message_is_told_to_each_in_its_own_form);
    tcase_add_loop_test(tc, a_room_that_begins_anew_is_told_on_a_stream, 0, both);
    tcase_add_loop_test(tc, what_is_given_with_a_room_is_told_on_a_stream, 0, both);
    suite_add_tcase(suite, tc);
    tc = tcase_create("ends");
    tcase_add_loop_test(tc, the_end_is_a_push_and_then_the_stream_ends, 0, both);
    tcase_add_loop_test(tc, who_does_not_begin_with_connect_is_told_so, 0, both);
    tcase_add_loop_test(tc, a_stream_that_nobody_reads_is_ended, 0, both);
    suite_add_tcase(suite, tc);
    tc = tcase_create("what is said elsewhere");
    tcase_add_loop_test(tc, what_is_said_elsewhere_reaches_the_session_on_any_loop, 0, 4);
    tcase_add_loop_test(tc, a_pong_that_comes_elsewhere_keeps_it_alive, 0, both);
    tcase_add_test(tc, only_who_has_the_sealed_name_speaks_for_a_session);
    tcase_add_loop_test(tc, who_says_more_than_may_wait_is_ended, 0, both);
    tcase_add_loop_test(tc, commands_wait_while_the_application_is_behind, 0, both);
    suite_add_tcase(suite, tc);
    tc = tcase_create("other nodes");
    tcase_add_loop_test(tc, what_is_of_another_node_is_passed_on_and_arrives_there, 0, 2);
    tcase_add_test(tc, what_comes_damaged_from_another_node_is_nobodys);
    tcase_add_test(tc, a_node_that_is_gone_is_not_asked_until_it_is_back);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
