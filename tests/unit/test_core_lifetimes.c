/*
 * What lives how long in the core, and what is bounded: handlers that change what they
 * are told about, verdicts and drains that overlap, loops that stand still, orders of
 * other nodes that nobody checked. On fake loops with a hand-wound clock.
 */
#include <check.h>
#include <string.h>

#include "core/attached.h"
#include "core/decision.h"
#include "support/core_rig.h"
#include "wire/ws_codec.h"
#include "support/test_message.h"

static core_rig rig;
static uint64_t tokens[4];
static unsigned n_tokens;
static int result;

static void note_token(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    tokens[n_tokens++ % FWI_ARRAY_LEN(tokens)] = fw_event_token(e);
}

static void note_result(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    result = fw_event_code(e);
}

static void set_up(void)
{
    n_tokens = 0;
    result = 1;
}

/* --- events --- */

static void rename_and_look(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    const char *before = fw_event_user(e);
    ck_assert_int_eq(fwi_hub_set_user(&rig.hub, fw_event_session(e), "bob"), FW_OK);
    ck_assert_str_eq(before, "ann");
    ck_assert_str_eq(fw_event_user(e), "ann");
    result = 0;
}

START_TEST(the_user_of_an_event_stays_when_its_handler_renames_the_session)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", NULL);
    core_rig_on(&rig, FW_EVENT_MESSAGE, rename_and_look, NULL);
    fwi_conn *c = core_connect(&rig, 0, "user=ann&room=a");
    core_rig_settle(&rig);
    fake_loop_turn(rig.loop[0]); /* this thread is the loop's, as for a real handler */
    core_conn_say(c, "hi");
    ck_assert_int_eq(result, 0);
    ck_assert_str_eq(c->s->user, "bob");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- verdicts --- */

START_TEST(who_is_accepted_while_the_hub_drains_is_turned_away)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, note_token, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    atomic_store(&rig.hub.draining, true);
    fwi_shard_drain(&rig.shard[0]);
    core_rig_advance(&rig, 100); /* nobody was open: the drain has nothing left to do */
    fwi_hub_decide(&rig.hub, tokens[0], true, 0, "");
    core_rig_advance(&rig, 1000);
    ck_assert_int_eq(c->refused, 503);
    ck_assert_int_eq(atomic_load(&rig.hub.sessions), 0);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_PENDING), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const fwi_protocol_id refused_in[] = {FWI_RAW, FWI_UNI_SSE};

/* The hub drains, and the loop hasn't heard of it yet. */
START_TEST(who_is_turned_away_with_a_name_isn_t_kept_among_its_user_s_sessions)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, note_token, NULL);
    fwi_conn *in = core_connect(&rig, 0, "");
    fwi_hub_decide(&rig.hub, tokens[0], true, 0, "ann");
    core_rig_settle(&rig);
    fwi_conn *late = core_connect_as(&rig, 0, "", refused_in[_i]);
    atomic_store(&rig.hub.draining, true);
    fwi_hub_decide(&rig.hub, tokens[1], true, 0, "ann");
    core_rig_settle(&rig);
    ck_assert_int_eq(late->refused, 503);
    ck_assert_uint_eq(fwi_room_find(&rig.shard[0], "u:ann")->n, 1);
    core_conn_free(in);
    ck_assert_ptr_null(fwi_room_find(&rig.shard[0], "u:ann"));
    core_conn_free(late);
    core_rig_fini(&rig);
}
END_TEST

/* Seen by the leak checker. Before (0) and after (1) the inbox has closed. */
START_TEST(a_verdict_that_the_loop_doesn_t_live_to_see_leaks_nothing)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, note_token, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    if (_i == 1) {
        fwi_inbox_close(&rig.shard[0].inbox);
    }
    int err = fwi_hub_decide(&rig.hub, tokens[0], true, 0, "");
    ck_assert_int_eq(err, _i == 1 ? FW_ERR_GONE : FW_OK);
    fwi_inbox_close(&rig.shard[0].inbox);
    fwi_item *never_run = fwi_inbox_take(&rig.shard[0].inbox);
    fwi_item_free(never_run);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* As above. */
START_TEST(an_attach_that_the_loop_doesn_t_live_to_see_leaks_nothing)
{
    const fwi_facts_source from = {
        .path = "/", .query = "", .address = "192.0.2.1", .peer = ""};
    fwi_facts *facts = fwi_facts_new(&from);
    ck_assert_ptr_nonnull(facts);
    core_rig_init(&rig, 1, "events", "queued", NULL);
    if (_i == 1) {
        fwi_inbox_close(&rig.shard[0].inbox);
    }
    int err = fwi_attach(&rig.hub, fwi_facts_ref(facts), "ann", 1);
    ck_assert_int_eq(err, _i == 1 ? FW_ERR_CLOSED : FW_OK);
    fwi_inbox_close(&rig.shard[0].inbox);
    core_rig_fini(&rig);
    ck_assert_uint_eq(atomic_load(&facts->refs), 1);
    fwi_facts_unref(facts);
}
END_TEST

START_TEST(a_leave_takes_back_every_join_that_waits_for_a_verdict)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, note_token, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    fwi_hub_join(&rig.hub, c->id, "a", 0);
    fwi_hub_join(&rig.hub, c->id, "a", 0);
    fwi_hub_leave(&rig.hub, c->id, "a");
    core_rig_settle(&rig);
    ck_assert_uint_eq(n_tokens, 2);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, tokens[0], true, 0, ""), FW_ERR_GONE);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, tokens[1], true, 0, ""), FW_ERR_GONE);
    core_rig_settle(&rig);
    ck_assert_uint_eq(c->s->n_places, 0);
    ck_assert_uint_eq(c->s->n_asking, 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static void join_again(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    if (result++ < 10) {
        fwi_hub_join(&rig.hub, fw_event_session(e), fw_event_room(e), 1);
    }
}

START_TEST(a_leave_spares_the_join_that_its_own_result_brings)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, note_token, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, join_again, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    fwi_hub_join(&rig.hub, c->id, "a", 1);
    fwi_hub_leave(&rig.hub, c->id, "a");
    core_rig_settle(&rig);
    ck_assert_int_eq(result, 2);
    ck_assert_uint_eq(c->s->n_asking, 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- rooms and users --- */

START_TEST(as_many_rooms_as_the_option_allows_can_be_joined)
{
    enum { ROOMS = 40000 };
    core_rig_init(&rig, 2, "limit.rooms_per_session", "65535", NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    for (int i = 0; i < ROOMS; i++) {
        char room[16];
        snprintf(room, sizeof room, "%d", i);
        ck_assert_int_eq(fwi_session_join(c->s, room, &(fwi_join){0}), FW_OK);
    }
    ck_assert_uint_eq(c->s->n_places, ROOMS);
    core_conn_lose(c);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_ROOMS), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(naming_a_user_as_it_is_named_already_loses_no_message)
{
    core_rig_init(&rig, 2, NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    fwi_hub_set_user(&rig.hub, c->id, "ann");
    core_rig_settle(&rig);
    core_publish(&rig, "u:ann", "hi");
    fake_loop_turn(rig.loop[0]); /* on its way to loop 1 */
    ck_assert_int_eq(fwi_session_set_user(c->s, "ann", 0), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "hi"), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static bool subscribe_fails(fwi_backplane *bp, const char *channel)
{
    (void)bp;
    (void)channel;
    return false;
}

START_TEST(a_join_whose_channel_can_t_be_had_fails_and_may_be_tried_again)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, note_result, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    const fwi_backplane_ops *good = rig.hub.bp->ops;
    fwi_backplane_ops bad = *good;
    bad.subscribe = subscribe_fails;
    rig.hub.bp->ops = &bad;
    fwi_hub_join(&rig.hub, c->id, "a", 7);
    core_rig_settle(&rig);
    ck_assert_int_eq(result, FW_ERR_MEMORY);
    ck_assert_uint_eq(c->s->n_places, 0);
    rig.hub.bp->ops = good;
    fwi_hub_join(&rig.hub, c->id, "a", 7);
    core_rig_settle(&rig);
    ck_assert_int_eq(result, FW_OK);
    core_publish(&rig, "r:a", "hi");
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "hi"), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- loops --- */

START_TEST(what_is_sent_to_a_loop_that_stands_still_is_bounded)
{
    core_rig_init(&rig, 2, "inbox.max_bytes", "64KiB", NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    fw_message *m = test_message(FWI_MSG_DATA, "0123456789", 10, FW_TEXT);
    for (int i = 0; i < 2000; i++) {
        fwi_shard_leave_thread();
        ck_assert_int_eq(fwi_hub_send(&rig.hub, c->id, m), FW_OK);
        fake_loop_turn(rig.loop[0]);
    }
    fw_message_unref(m);
    ck_assert_uint_le(fwi_inbox_bytes(&rig.shard[1].inbox), 64 * 1024);
    uint64_t dropped = core_rig_stat(&rig, FWI_STAT_INBOX_DROPPED);
    ck_assert_uint_gt(dropped, 0);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "0123456789"), 2000 - dropped);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

enum { CHAIN = 20 };
static fwi_conn *chain[CHAIN];
static unsigned fallen;

/* More than an outbox takes. */
static void push_two(fw_session_id id)
{
    static char big[2000];
    memset(big, 'x', sizeof big);
    fw_message *m = test_message(FWI_MSG_DATA, big, sizeof big, FW_TEXT);
    fwi_hub_send(&rig.hub, id, m);
    fwi_hub_send(&rig.hub, id, m);
    fw_message_unref(m);
}

/* Each that is closed for being slow brings down the next. */
static void push_the_next(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
    if (++fallen < CHAIN) {
        push_two(chain[fallen]->id);
    }
}

START_TEST(a_turn_that_ends_with_work_left_is_followed_by_another)
{
    core_rig_init(&rig, 1, "outbox.max_bytes", "1KiB", NULL);
    core_rig_on(&rig, FW_EVENT_CLOSE, push_the_next, NULL);
    fallen = 0;
    for (int i = 0; i < CHAIN; i++) {
        chain[i] = core_connect(&rig, 0, "");
        chain[i]->blocked = true;
    }
    core_rig_settle(&rig);
    push_two(chain[0]->id);
    /* As a real loop does it: who isn't woken sleeps. */
    while (fake_loop_is_woken(rig.loop[0])) {
        fake_loop_turn(rig.loop[0]);
    }
    fwi_shard_leave_thread();
    ck_assert_uint_eq(fallen, CHAIN);
    for (int i = 0; i < CHAIN; i++) {
        core_conn_free(chain[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

/* --- orders of other nodes --- */

static char reason[512];

static void note_reason(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    snprintf(reason, sizeof reason, "%s", fw_event_reason(e));
    result = 0;
}

static const struct {
    const char *name, *reason;
    unsigned flags;
    bool closes;
} orders[] = {
    {"good", "bye", FW_TEXT, true},
    {"123 bytes", NULL, FW_TEXT, true},
    {"not text", "\xff\xfe", FW_BINARY, false},
    {"124 bytes", NULL, FW_TEXT, false},
};

START_TEST(a_close_of_another_node_has_a_reason_that_a_close_frame_can_carry)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", NULL);
    core_rig_on(&rig, FW_EVENT_CLOSE, note_reason, NULL);
    fwi_conn *c = core_connect(&rig, 0, "user=ann&room=a");
    core_rig_settle(&rig);
    char text[125];
    memset(text, 'x', sizeof text);
    const char *why = orders[_i / 2].reason;
    if (why == NULL) {
        text[orders[_i / 2].closes ? 123 : 124] = '\0';
        why = text;
    }
    fw_message *m = test_message(FWI_MSG_CLOSE, why, strlen(why), orders[_i / 2].flags);
    m->code = 4001;
    m->target = c->id;
    fwi_hub_sink.on_message(&rig.hub, _i % 2 ? "u:ann" : rig.hub.channel, m);
    fw_message_unref(m);
    core_rig_settle(&rig);
    ck_assert_msg((result == 0) == orders[_i / 2].closes, "%s", orders[_i / 2].name);
    if (orders[_i / 2].closes) {
        ck_assert_str_eq(reason, why);
    }
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_lifetimes");
    TCase *tc = tcase_create("core_lifetimes");
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, the_user_of_an_event_stays_when_its_handler_renames_the_session);
    tcase_add_test(tc, who_is_accepted_while_the_hub_drains_is_turned_away);
    tcase_add_loop_test(
        tc, who_is_turned_away_with_a_name_isn_t_kept_among_its_user_s_sessions, 0,
        FWI_ARRAY_LEN(refused_in));
    tcase_add_loop_test(tc, a_verdict_that_the_loop_doesn_t_live_to_see_leaks_nothing, 0,
                        2);
    tcase_add_loop_test(tc, an_attach_that_the_loop_doesn_t_live_to_see_leaks_nothing, 0,
                        2);
    tcase_add_test(tc, a_leave_takes_back_every_join_that_waits_for_a_verdict);
    tcase_add_test(tc, a_leave_spares_the_join_that_its_own_result_brings);
    tcase_add_test(tc, as_many_rooms_as_the_option_allows_can_be_joined);
    tcase_add_test(tc, naming_a_user_as_it_is_named_already_loses_no_message);
    tcase_add_test(tc, a_join_whose_channel_can_t_be_had_fails_and_may_be_tried_again);
    tcase_add_test(tc, what_is_sent_to_a_loop_that_stands_still_is_bounded);
    tcase_add_test(tc, a_turn_that_ends_with_work_left_is_followed_by_another);
    tcase_add_loop_test(tc,
                        a_close_of_another_node_has_a_reason_that_a_close_frame_can_carry,
                        0, 2 * FWI_ARRAY_LEN(orders));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
