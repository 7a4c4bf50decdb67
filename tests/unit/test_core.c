/*
 * The core as a whole, played on fake loops with a hand-wound clock: who hears what, who
 * is closed when, and what handlers are told.
 */
#include <check.h>
#include <string.h>

#include "core/decision.h"
#include "support/core_rig.h"
#include "wire/ws_codec.h"
#include "support/test_message.h"

static core_rig rig;

/* What handlers saw, "OPEN MESSAGE:hello CLOSE:1000". */
static char told[1024];
static uint64_t last_token;

static void tell(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *data = fw_event_data(e, &len);
    size_t n = strlen(told);
    last_token = fw_event_token(e);
    snprintf(told + n, sizeof told - n, "%s%s", n ? " " : "",
             fw_event_type_name(fw_event_kind(e)));
    n = strlen(told);
    if (data != NULL) {
        snprintf(told + n, sizeof told - n, ":%.*s", (int)len, data);
    } else if (fw_event_room(e) != NULL) {
        snprintf(told + n, sizeof told - n, ":%s:%d", fw_event_room(e), fw_event_code(e));
    } else if (fw_event_kind(e) == FW_EVENT_CLOSE) {
        snprintf(told + n, sizeof told - n, ":%d", fw_event_code(e));
    }
}

static void set_up(void)
{
    told[0] = '\0';
}

/* --- rooms --- */

START_TEST(who_joins_and_at_once_publishes_hears_itself)
{
    core_rig_init(&rig, (unsigned)_i, NULL);
    fwi_conn *c = core_connect(&rig, (unsigned)_i - 1, "");
    core_rig_settle(&rig);
    ck_assert_int_eq(fwi_hub_join(&rig.hub, c->id, "a", 0), FW_OK);
    ck_assert_int_eq(core_publish(&rig, "r:a", "hello"), FW_OK);
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "hello"), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_message_reaches_members_on_every_loop_but_the_one_left_out)
{
    core_rig_init(&rig, 3, "raw.mode", "rooms", NULL);
    fwi_conn *c[6];
    for (unsigned i = 0; i < 6; i++) {
        c[i] = core_connect(&rig, i % 3, i == 5 ? "room=b" : "room=a");
    }
    core_rig_settle(&rig);
    fw_message *m = test_message(FWI_MSG_DATA, "hi", 2, FW_TEXT);
    m->except = c[1]->id;
    fwi_hub_publish(&rig.hub, "r:a", m);
    fw_message_unref(m);
    core_rig_settle(&rig);
    const unsigned want[] = {1, 0, 1, 1, 1, 0};
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_eq(core_conn_count(c[i], "hi"), want[i]);
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_left_hears_no_more_and_the_channel_is_given_up_later)
{
    core_rig_init(&rig, 2, "raw.mode", "rooms", NULL);
    fwi_conn *c = core_connect(&rig, 1, "room=a");
    core_rig_settle(&rig);
    ck_assert_ptr_nonnull(fwi_route_find(&rig.hub.routes, "r:a"));
    fwi_hub_leave(&rig.hub, c->id, "a");
    core_rig_settle(&rig);
    core_publish(&rig, "r:a", "hi");
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "hi"), 0);
    ck_assert_ptr_nonnull(fwi_route_find(&rig.hub.routes, "r:a"));
    core_rig_advance(&rig, 5000);
    ck_assert_ptr_null(fwi_route_find(&rig.hub.routes, "r:a"));
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_ROOMS), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_user_is_reached_on_all_sessions_and_by_the_name_it_has_now)
{
    core_rig_init(&rig, 2, "raw.mode", "rooms", NULL);
    fwi_conn *a = core_connect(&rig, 0, "user=ann"),
             *b = core_connect(&rig, 1, "user=ann");
    core_rig_settle(&rig);
    core_publish(&rig, "u:ann", "one");
    core_rig_settle(&rig);
    fwi_hub_set_user(&rig.hub, b->id, "bob");
    core_publish(&rig, "u:ann", "two");
    core_publish(&rig, "u:bob", "three");
    core_rig_settle(&rig);
    char said[64];
    core_conn_next(a, said, sizeof said);
    ck_assert_str_eq(said, "one");
    core_conn_next(a, said, sizeof said);
    ck_assert_str_eq(said, "two");
    core_conn_next(b, said, sizeof said);
    ck_assert_str_eq(said, "one");
    core_conn_next(b, said, sizeof said);
    ck_assert_str_eq(said, "three");
    core_conn_free(a);
    core_conn_free(b);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_one_loop_turn_brings_is_one_write_a_session)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", NULL);
    fwi_conn *c = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    unsigned before = c->writes;
    for (int i = 0; i < 100; i++) {
        core_publish(&rig, "r:a", "x");
    }
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "x"), 100);
    ck_assert_uint_eq(c->writes - before, 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- events and decisions --- */

START_TEST(a_session_s_events_come_in_order_and_close_once)
{
    core_rig_init(&rig, 1, NULL);
    fw_event_type all[] = {FW_EVENT_OPEN, FW_EVENT_MESSAGE, FW_EVENT_CLOSE,
                           FW_EVENT_LEAVE};
    for (size_t i = 0; i < FWI_ARRAY_LEN(all); i++) {
        core_rig_on(&rig, all[i], tell, NULL);
    }
    fwi_conn *c = core_connect(&rig, 0, "");
    fwi_hub_join(&rig.hub, c->id, "a", 0);
    core_rig_settle(&rig);
    core_conn_say(c, "hello");
    fwi_session_on_close(c->s, 4001, "bye", 3);
    core_rig_settle(&rig);
    ck_assert_str_eq(told, "OPEN MESSAGE:hello LEAVE:a:1 CLOSE:4001");
    ck_assert(c->finished);
    ck_assert_int_eq(fwi_hub_close(&rig.hub, c->id, 1000, ""), FW_ERR_GONE);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_connect_waits_for_its_verdict_and_the_first_one_counts)
{
    core_rig_init(&rig, 2, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, tell, NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    core_rig_advance(&rig, 2000);
    ck_assert(!c->accepted);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, true, 0, "ann"), FW_OK);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, false, 403, ""), FW_ERR_GONE);
    core_rig_settle(&rig);
    ck_assert(c->accepted);
    ck_assert_str_eq(c->s->user, "ann");
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(without_a_verdict_a_connect_is_refused_with_503)
{
    core_rig_init(&rig, 1, "decision.timeout", "5s", NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, tell, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    core_rig_advance(&rig, 4999);
    ck_assert_int_eq(c->refused, 0);
    core_rig_advance(&rig, 2);
    ck_assert_int_eq(c->refused, 503);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, true, 0, ""), FW_ERR_GONE);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DECISION_TIMEOUTS), 1);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_PENDING), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_verdict_on_its_way_when_the_client_leaves_finds_nobody)
{
    core_rig_init(&rig, 2, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, tell, NULL);
    fwi_conn *c = core_connect(&rig, 1, "");
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, true, 0, ""), FW_OK);
    core_conn_lose(c); /* the inbox hasn't been served yet */
    core_rig_settle(&rig);
    ck_assert(!c->accepted);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, true, 0, ""), FW_ERR_GONE);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_refused_join_is_told_and_doesn_t_hear)
{
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_JOIN, tell, NULL);
    core_rig_on(&rig, FW_EVENT_RESULT, tell, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    fwi_hub_join(&rig.hub, c->id, "a", 42);
    core_rig_settle(&rig);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, last_token, false, 4003, "no"), FW_OK);
    core_publish(&rig, "r:a", "hi");
    core_rig_settle(&rig);
    ck_assert_str_eq(told, "JOIN:a:0 RESULT:a:-15");
    ck_assert_uint_eq(last_token, 42);
    ck_assert_uint_eq(core_conn_count(c, "hi"), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- time --- */

START_TEST(who_answers_no_ping_is_closed_and_who_does_is_not)
{
    core_rig_init(&rig, 1, "heartbeat.interval", "25s", "heartbeat.timeout", "10s", NULL);
    fwi_conn *deaf = core_connect(&rig, 0, ""), *good = core_connect(&rig, 0, "");
    char said[64];
    for (int i = 0; i < 60; i++) {
        core_rig_advance(&rig, 1000);
        if (good->s != NULL && core_conn_next(good, said, sizeof said) == FWI_WS_PING) {
            fwi_session_on_bytes(good->s);
        }
    }
    ck_assert_ptr_null(deaf->s);
    ck_assert_ptr_nonnull(good->s);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_HEARTBEAT_TIMEOUTS), 1);
    core_conn_free(deaf);
    core_conn_free(good);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(who_takes_what_was_written_is_alive_however_slow)
{
    core_rig_init(&rig, 1, "heartbeat.interval", "25s", "heartbeat.timeout", "10s", NULL);
    fwi_conn *slow = core_connect(&rig, 0, ""), *dead = core_connect(&rig, 0, "");
    slow->blocked = dead->blocked = true; /* so nothing that they say is read */
    for (int i = 0; i < 120; i++) {
        core_rig_advance(&rig, 1000);
        slow->taken += 1000;
    }
    ck_assert_ptr_nonnull(slow->s);
    ck_assert(dead->aborted);
    core_conn_unblock(slow);
    core_rig_advance(&rig, 60000); /* it is asked again, and is silent */
    ck_assert_ptr_null(slow->s);
    core_conn_free(slow);
    core_conn_free(dead);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *interval, *timeout;
    unsigned pings; /* in a minute, answered */
    unsigned alive; /* unanswered: seconds after which it is still there, and not later */
} hearts[] = {
    {"patience shorter than the interval", "25s", "10s", 2, 22},
    {"patience longer than the interval", "1s", "10s", 59, 10},
    {"both the same", "5s", "5s", 11, 7},
};

START_TEST(pings_come_at_the_interval_and_patience_is_the_timeout)
{
    core_rig_init(&rig, 1, "heartbeat.interval", hearts[_i].interval, "heartbeat.timeout",
                  hearts[_i].timeout, NULL);
    fwi_conn *deaf = core_connect(&rig, 0, ""), *good = core_connect(&rig, 0, "");
    char said[64];
    unsigned pings = 0, alive = 0;
    for (unsigned second = 1; second <= 60; second++) {
        core_rig_advance(&rig, 1000);
        while (core_conn_next(good, said, sizeof said) == FWI_WS_PING) {
            pings++;
            fwi_session_on_bytes(good->s);
        }
        if (deaf->s != NULL) {
            alive = second;
        }
    }
    ck_assert_msg(pings >= hearts[_i].pings && pings <= hearts[_i].pings + 2,
                  "%s: %u pings", hearts[_i].name, pings);
    ck_assert_msg(alive >= hearts[_i].alive && alive <= hearts[_i].alive + 13, "%s: %u s",
                  hearts[_i].name, alive);
    core_conn_free(deaf);
    core_conn_free(good);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(pings_of_many_sessions_share_turns)
{
    enum { SESSIONS = 2000, INTERVAL_MS = 25000 };
    core_rig_init(&rig, 1, "heartbeat.interval", "25s", "heartbeat.timeout", "60s", NULL);
    fwi_conn *c[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        c[i] = core_connect(&rig, 0, "");
        core_rig_advance(&rig, i % 3 == 0);
    }
    unsigned turns = 0;
    uint64_t before = core_rig_stat(&rig, FWI_STAT_WRITES);
    for (uint64_t seen = before, ms = 0; ms < INTERVAL_MS; ms++) {
        core_rig_advance(&rig, 1);
        uint64_t now = core_rig_stat(&rig, FWI_STAT_WRITES);
        turns += now > seen;
        seen = now;
    }
    ck_assert_uint_ge(core_rig_stat(&rig, FWI_STAT_WRITES) - before, SESSIONS);
    ck_assert_uint_le(turns, INTERVAL_MS / 50 + 1);
    for (int i = 0; i < SESSIONS; i++) {
        core_conn_free(c[i]);
    }
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_close_frame_that_can_t_be_written_ends_in_a_reset)
{
    core_rig_init(&rig, 1, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    c->blocked = true;
    fwi_hub_close(&rig.hub, c->id, 1000, "");
    core_rig_settle(&rig);
    ck_assert(!c->aborted && !c->finished);
    core_rig_advance(&rig, 6000);
    ck_assert(c->aborted);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_drain_closes_at_its_rate_and_lets_nobody_in)
{
    core_rig_init(&rig, 1, "drain.rate", "100", NULL);
    fwi_conn *c[100];
    for (int i = 0; i < 100; i++) {
        c[i] = core_connect(&rig, 0, "");
    }
    atomic_store(&rig.hub.draining, true);
    fwi_shard_drain(&rig.shard[0]);
    core_rig_advance(&rig, 500);
    uint64_t left = core_rig_stat(&rig, FWI_STAT_SESSIONS);
    ck_assert_uint_ge(left, 45);
    ck_assert_uint_le(left, 55);
    fwi_conn *late = core_connect(&rig, 0, "");
    ck_assert_int_eq(late->refused, 503);
    core_rig_advance(&rig, 600);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_SESSIONS), 0);
    for (int i = 0; i < 100; i++) {
        char said[64];
        ck_assert_int_eq(core_conn_next(c[i], said, sizeof said), FWI_WS_CLOSE);
        ck_assert_mem_eq(said, "\x03\xe9", 2);
        core_conn_free(c[i]);
    }
    core_conn_free(late);
    core_rig_fini(&rig);
}
END_TEST

/* --- limits --- */

START_TEST(a_slow_member_is_closed_with_1013_and_the_others_hear_everything)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "outbox.max_bytes", "1KiB", NULL);
    fwi_conn *slow = core_connect(&rig, 0, "room=a"),
             *fast = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    slow->blocked = true;
    for (int i = 0; i < 1000; i++) {
        core_publish(&rig, "r:a", "0123456789");
        core_rig_settle(&rig);
    }
    ck_assert_uint_eq(core_conn_count(fast, "0123456789"), 1000);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_OVERFLOW_CLOSE), 1);
    core_conn_unblock(slow);
    char said[64];
    ck_assert_int_eq(core_conn_next(slow, said, sizeof said), FWI_WS_CLOSE);
    ck_assert_mem_eq(said, "\x03\xf5", 2);
    ck_assert(slow->finished);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_WRITTEN) +
                          core_rig_stat(&rig, FWI_STAT_OUTBOX_DROPPED),
                      core_rig_stat(&rig, FWI_STAT_DELIVERIES));
    core_conn_free(slow);
    core_conn_free(fast);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_burst_within_a_turn_is_no_slow_reader_s_fault)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "outbox.max_bytes", "1KiB", NULL);
    fwi_conn *c = core_connect(&rig, 0, "room=a");
    core_rig_settle(&rig);
    for (int i = 0; i < 1000; i++) {
        core_publish(&rig, "r:a", "0123456789");
    }
    core_rig_settle(&rig);
    ck_assert_uint_eq(core_conn_count(c, "0123456789"), 1000);
    ck_assert_ptr_nonnull(c->s);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(more_messages_a_second_than_allowed_close_with_1008)
{
    core_rig_init(&rig, 1, "limit.message_rate", "10", NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    for (int i = 0; i < 10; i++) {
        core_conn_say(c, "x");
    }
    ck_assert_int_eq(c->s->state, FWI_SESSION_OPEN);
    core_conn_say(c, "x");
    core_rig_settle(&rig);
    char said[64];
    ck_assert_int_eq(core_conn_next(c, said, sizeof said), FWI_WS_CLOSE);
    ck_assert_mem_eq(said, "\x03\xf0", 2);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_LIMIT_RATE), 1);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *option, *value;
    int status;
    fwi_stat stat;
} doors[] = {
    {"limit.sessions", "2", 503, FWI_STAT_LIMIT_SESSIONS},
    {"limit.sessions_per_address", "2", 429, FWI_STAT_LIMIT_ADDRESS},
};

START_TEST(a_limit_at_the_door_refuses_and_lets_in_again)
{
    core_rig_init(&rig, 1, doors[_i].option, doors[_i].value, NULL);
    fwi_conn *a = core_connect(&rig, 0, ""), *b = core_connect(&rig, 0, "");
    fwi_conn *third = core_connect(&rig, 0, "");
    ck_assert(a->accepted && b->accepted);
    ck_assert_int_eq(third->refused, doors[_i].status);
    ck_assert_uint_eq(core_rig_stat(&rig, doors[_i].stat), 1);
    core_conn_lose(a);
    core_rig_settle(&rig);
    fwi_conn *fourth = core_connect(&rig, 0, "");
    ck_assert(fourth->accepted);
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(third);
    core_conn_free(fourth);
    core_rig_fini(&rig);
}
END_TEST

/* --- queued events --- */

START_TEST(a_session_with_too_many_unfinished_events_isn_t_read_until_half_are_done)
{
    core_rig_init(&rig, 1, "events", "queued", "events.per_session", "4", NULL);
    core_rig_on(&rig, FW_EVENT_MESSAGE, NULL, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    for (int i = 0; i < 4; i++) {
        core_conn_say(c, "x");
    }
    ck_assert(c->paused);
    core_rig_settle(&rig);
    fw_event *e[8];
    ck_assert_int_eq(fwi_events_take(&rig.hub.events, e, 8), 4);
    fwi_hub_events_done(e, 1);
    core_rig_settle(&rig);
    ck_assert(c->paused);
    fwi_hub_events_done(e + 1, 3);
    core_rig_settle(&rig);
    ck_assert(!c->paused);
    ck_assert_uint_eq(atomic_load(&rig.hub.events.bytes), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(an_event_that_is_kept_gives_its_credit_once)
{
    core_rig_init(&rig, 1, "events", "queued", "events.per_session", "4", NULL);
    core_rig_on(&rig, FW_EVENT_MESSAGE, NULL, NULL);
    fwi_conn *c = core_connect(&rig, 0, "");
    for (int i = 0; i < 4; i++) {
        core_conn_say(c, "x");
    }
    core_rig_settle(&rig);
    fw_event *e[4];
    ck_assert_int_eq(fwi_events_take(&rig.hub.events, e, 4), 4);
    size_t bytes = atomic_load(&rig.hub.events.bytes);
    fw_event *kept = fw_event_ref(e[0]);
    fwi_hub_events_done(e, 1);
    fwi_hub_events_done(&kept, 1);
    core_rig_settle(&rig);
    ck_assert(c->paused);
    ck_assert_uint_eq(atomic_load(&rig.hub.events.bytes), bytes / 4 * 3);
    fwi_hub_events_done(e + 1, 3);
    core_rig_settle(&rig);
    ck_assert(!c->paused);
    ck_assert_uint_eq(atomic_load(&rig.hub.events.bytes), 0);
    core_conn_free(c);
    core_rig_fini(&rig);
}
END_TEST

/* --- the state machine --- */

START_TEST(every_pair_of_session_states_is_allowed_or_not)
{
    const char *allowed[] = {"asking open", "asking closed", "open closing",
                             "open closed", "closing closed"};
    const char *names[] = {"asking", "open", "closing", "closed"};
    for (int from = 0; from < 4; from++) {
        for (int to = 0; to < 4; to++) {
            char pair[32];
            bool want = false;
            snprintf(pair, sizeof pair, "%s %s", names[from], names[to]);
            for (size_t i = 0; i < FWI_ARRAY_LEN(allowed); i++) {
                want |= strcmp(pair, allowed[i]) == 0;
            }
            ck_assert_msg(fwi_session_state_allows((fwi_session_state)from,
                                                   (fwi_session_state)to) == want,
                          "%s", pair);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *tc = tcase_create("core");
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_loop_test(tc, who_joins_and_at_once_publishes_hears_itself, 1, 4);
    tcase_add_test(tc, a_message_reaches_members_on_every_loop_but_the_one_left_out);
    tcase_add_test(tc, who_left_hears_no_more_and_the_channel_is_given_up_later);
    tcase_add_test(tc, a_user_is_reached_on_all_sessions_and_by_the_name_it_has_now);
    tcase_add_test(tc, what_one_loop_turn_brings_is_one_write_a_session);
    tcase_add_test(tc, a_session_s_events_come_in_order_and_close_once);
    tcase_add_test(tc, a_connect_waits_for_its_verdict_and_the_first_one_counts);
    tcase_add_test(tc, without_a_verdict_a_connect_is_refused_with_503);
    tcase_add_test(tc, a_verdict_on_its_way_when_the_client_leaves_finds_nobody);
    tcase_add_test(tc, a_refused_join_is_told_and_doesn_t_hear);
    tcase_add_test(tc, who_answers_no_ping_is_closed_and_who_does_is_not);
    tcase_add_test(tc, who_takes_what_was_written_is_alive_however_slow);
    tcase_add_loop_test(tc, pings_come_at_the_interval_and_patience_is_the_timeout, 0,
                        FWI_ARRAY_LEN(hearts));
    tcase_add_test(tc, pings_of_many_sessions_share_turns);
    tcase_add_test(tc, a_close_frame_that_can_t_be_written_ends_in_a_reset);
    tcase_add_test(tc, a_drain_closes_at_its_rate_and_lets_nobody_in);
    tcase_add_test(tc, a_slow_member_is_closed_with_1013_and_the_others_hear_everything);
    tcase_add_test(tc, a_burst_within_a_turn_is_no_slow_reader_s_fault);
    tcase_add_test(tc, more_messages_a_second_than_allowed_close_with_1008);
    tcase_add_loop_test(tc, a_limit_at_the_door_refuses_and_lets_in_again, 0,
                        FWI_ARRAY_LEN(doors));
    tcase_add_test(
        tc, a_session_with_too_many_unfinished_events_isn_t_read_until_half_are_done);
    tcase_add_test(tc, an_event_that_is_kept_gives_its_credit_once);
    tcase_add_test(tc, every_pair_of_session_states_is_allowed_or_not);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
