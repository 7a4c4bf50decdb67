/*
 * Raw clients that only listen and come back: wherever their stream broke off, they hear
 * the rest of all their rooms, or are told that they can't.
 */
#include "unit/sse_rig.h"

enum { ROOMS = 3, MESSAGES = 24, EVENTS = MESSAGES + ROOMS };

/* What a client has heard of each room: message k of a room says k. */
typedef struct notes {
    unsigned heard[ROOMS];
    char id[HEARD_MAX];
} notes;

static void note_event(notes *n, const char *event)
{
    const char *data = strstr(event, "data: ");
    char room;
    unsigned k;
    take_id(event, n->id);
    if (data != NULL && sscanf(data, "data: %c%u", &room, &k) == 2 && room >= 'a') {
        ck_assert_msg(n->heard[room - 'a'] + 1 == k, "%c: %u behind %u", room, k,
                      n->heard[room - 'a']);
        n->heard[room - 'a'] = k;
    }
}

static void say_next(unsigned said[ROOMS], unsigned room)
{
    char name[12], text[8];
    snprintf(name, sizeof name, "r:kept:%c", 'a' + (int)room);
    snprintf(text, sizeof text, "%c%u", 'a' + (int)room, ++said[room]);
    ck_assert_int_eq(core_publish(&rig, name, text), FW_OK);
}

/* Wherever a stream breaks off, who comes back with the id of the last whole event hears
 * the rest of every room, each message once. */
START_TEST(a_stream_that_breaks_off_anywhere_goes_on_exactly_there)
{
    static char events[EVENTS][512];
    static const char query[] = "room=kept:a&room=kept:b&room=kept:c";
    char got[HEARD_MAX];
    unsigned said[ROOMS] = {0}, n = 0;
    fwi_rand dice;
    fwi_rand_init(&dice, (uint64_t)_i + 1);
    open_rooms(2, NULL, NULL);
    fwi_conn *c = come_raw((unsigned)_i % 2, query);
    begins(c);
    for (unsigned i = 0; i < MESSAGES; i++) {
        say_next(said, (unsigned)fwi_rand_between(&dice, 0, ROOMS - 1));
        if (fwi_rand_between(&dice, 0, 2) == 0) {
            core_rig_settle(&rig);
        }
    }
    for (; next_event(c, got); n++) {
        ck_assert_uint_lt(n, EVENTS);
        snprintf(events[n], sizeof events[n], "%s", got);
    }
    ck_assert_uint_eq(n, EVENTS);
    core_conn_free(c);
    for (unsigned cut = ROOMS; cut <= n; cut++) {
        notes all = {.id = ""};
        for (unsigned i = 0; i < cut; i++) {
            note_event(&all, events[i]);
        }
        c = come_as(FWI_SSE, cut % 2, query, all.id);
        begins(c);
        while (next_event(c, got)) {
            note_event(&all, got);
            ck_assert_msg(strstr(got, "\"recovered\":false") == NULL, "%s", got);
        }
        ck_assert_int_eq(memcmp(all.heard, said, sizeof said), 0);
        core_conn_free(c);
    }
    core_rig_fini(&rig);
}
END_TEST

static uint64_t joins[ROOMS];
static unsigned n_joins;

static void on_join(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    ck_assert_uint_lt(n_joins, ROOMS);
    joins[n_joins++] = fw_event_token(e);
}

/* It was in two rooms, and comes back; it is let into one, hears something, and loses its
 * connection before it is in the other: its place there isn't forgotten. */
START_TEST(who_is_not_in_all_its_rooms_yet_loses_nothing_of_the_others)
{
    static const char query[] = "room=kept:a&room=kept:b";
    char got[HEARD_MAX];
    notes all = {.id = ""};
    unsigned said[ROOMS] = {0};
    open_rooms(1, NULL, NULL);
    fwi_conn *c = come_raw(0, query), *keeper = come_raw(0, query);
    begins(c);
    say_next(said, 0);
    say_next(said, 1);
    while (next_event(c, got)) {
        note_event(&all, got);
    }
    core_conn_free(c);
    say_next(said, 1);
    n_joins = 0;
    core_rig_on(&rig, FW_EVENT_JOIN, on_join, NULL);
    c = come_as(FWI_SSE, 0, query, all.id);
    begins(c);
    ck_assert_uint_eq(n_joins, 2);
    ck_assert_int_eq(fwi_hub_decide(&rig.hub, joins[0], true, 0, ""), FW_OK);
    core_rig_settle(&rig);
    say_next(said, 0);
    while (next_event(c, got)) {
        note_event(&all, got);
    }
    ck_assert_uint_eq(all.heard[0], 2);
    ck_assert_uint_eq(all.heard[1], 1);
    core_conn_free(c);
    rig.hub.events.on[FW_EVENT_JOIN].wanted = false;
    c = come_as(FWI_SSE, 0, query, all.id);
    begins(c);
    while (next_event(c, got)) {
        note_event(&all, got);
    }
    ck_assert_int_eq(memcmp(all.heard, said, sizeof said), 0);
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

static const struct {
    const char *name, *id; /* %s: the room's number */
    const char *recovered;
} returns[] = {
    {"another epoch", "%s:00000000000000aa/1", "false"},
    {"another room's", "00000001:00000000000000aa/1", "false"},
    {"not one of ours", "42", "false"},
    {"empty", "", "false"},
    {"only its beginning is one of ours", "00000001:00000000000000aa/1,x", "false"},
};

START_TEST(what_cannot_be_recovered_is_said)
{
    open_rooms(1, NULL, NULL);
    char id[100], want[HEARD_MAX];
    fwi_conn *keeper = come_raw(0, "room=kept:a");
    core_rig_settle(&rig);
    publish("kept:a", "1");
    snprintf(id, sizeof id, returns[_i].id, number_of("kept:a"));
    fwi_conn *c = come_as(FWI_SSE, 0, "room=kept:a", id);
    begins(c);
    /* The number that isn't its own room's stays in its ids: it may yet come there. */
    bool named = strncmp(id, "00000001", 8) == 0;
    snprintf(want, sizeof want, JOINED_KEPT("%s:<epoch>/1%s", "kept:a", "1", "%s"),
             number_of("kept:a"), named ? ",00000001:00000000000000aa/1" : "",
             returns[_i].recovered);
    hears_event(c, want);
    hears_no_event(c);
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(what_is_not_kept_any_more_is_said_to_be_lost)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "room.history.size", "2", NULL);
    char got[HEARD_MAX], id[HEARD_MAX];
    fwi_conn *keeper = come_raw(0, "room=a");
    begins(keeper);
    ck_assert(next_event(keeper, got) && take_id(got, id));
    for (int i = 0; i < 5; i++) {
        publish("a", "x");
    }
    fwi_conn *c = come_as(FWI_SSE, 0, "room=a", id);
    begins(c);
    ck_assert(next_event(c, got));
    ck_assert_msg(strstr(got, "\"offset\":5,\"recovered\":false") != NULL, "%s", got);
    hears_no_event(c);
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(the_last_event_goes_over_since_and_may_stand_in_the_query)
{
    open_rooms(1, NULL, NULL);
    char got[HEARD_MAX], id[HEARD_MAX], query[HEARD_MAX + 100];
    fwi_conn *keeper = come_raw(0, "room=kept:a");
    begins(keeper);
    publish("kept:a", "1");
    publish("kept:a", "2");
    ck_assert(next_event(keeper, got) && next_event(keeper, got) && take_id(got, id));
    const char *epoch = strchr(id, ':') + 1;
    snprintf(query, sizeof query, "room=kept:a&since=%.16s/0", epoch);
    fwi_conn *c = come_as(FWI_SSE, 0, query, NULL);
    begins(c);
    ck_assert(next_event(c, got) && strstr(got, "data: 1") != NULL);
    core_conn_free(c);
    c = come_as(FWI_SSE, 0, query, id);
    begins(c);
    ck_assert(next_event(c, got) && strstr(got, "data: 2") != NULL);
    core_conn_free(c);
    snprintf(query, sizeof query, "room=kept:a&last_event_id=%s", id);
    c = come_as(FWI_SSE, 0, query, NULL);
    begins(c);
    ck_assert(next_event(c, got) && strstr(got, "data: 2") != NULL);
    core_conn_free(c);
    core_conn_free(keeper);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_history_that_begins_anew_is_told_with_a_new_id)
{
    open_rooms(1, NULL, NULL);
    char want[HEARD_MAX], got[HEARD_MAX], a[16], b[16];
    snprintf(a, sizeof a, "%s", number_of("kept:a"));
    snprintf(b, sizeof b, "%s", number_of("kept:b"));
    fwi_conn *c = come_raw(0, "room=kept:a&room=kept:b"),
             *one = come_raw(0, "room=kept:a");
    begins(c);
    ck_assert(next_event(c, got) && next_event(c, got));
    begins(one);
    ck_assert(next_event(one, got));
    fwi_room_reset(&rig.shard[0], "r:kept:a", (fwi_position){0xaa, 7});
    snprintf(want, sizeof want,
             "id: %s:00000000000000aa/7\nevent: reset\ndata: {\"room\":\"kept:a\","
             "\"reset\":{\"epoch\":\"00000000000000aa\",\"offset\":7}}",
             a);
    hears_event(one, want);
    snprintf(want, sizeof want, "id: %s:00000000000000aa/7,%s:<epoch>/0", a, b);
    ck_assert(next_event(c, got));
    got[strcspn(got, "\n")] = '\0';
    ck_assert_msg(matches(got, want), "%s", got);
    publish("kept:b", "1");
    snprintf(want, sizeof want, "id: %s:00000000000000aa/7,%s:<epoch>/1\ndata: 1", a, b);
    hears_event(c, want);
    core_conn_free(c);
    core_conn_free(one);
    core_rig_fini(&rig);
}
END_TEST

START_TEST(a_slow_reader_is_ended_and_comes_back_to_where_it_was)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "room.history.size", "100",
                  "outbox.max_bytes", "1KiB", "outbox.policy", "drop_oldest", NULL);
    char got[HEARD_MAX];
    const char *rest;
    notes all = {.id = ""};
    fwi_conn *c = come_raw(0, "room=kept:a"), *other = come_raw(0, "room=kept:a");
    unsigned said[ROOMS] = {0};
    begins(c);
    begins(other);
    for (int i = 0; i < 3; i++) {
        say_next(said, 0);
    }
    while (next_event(c, got)) {
        note_event(&all, got);
    }
    c->blocked = true;
    for (int i = 0; i < 40; i++) {
        say_next(said, 0);
        core_rig_settle(&rig);
    }
    core_conn_unblock(c);
    ck_assert(next_event(c, got));
    retry_of(got, &rest);
    ck_assert_str_eq(rest, "event: close\ndata: {\"code\":1013,\"reason\":\"too slow\"}");
    core_conn_free(c);
    c = come_as(FWI_SSE, 0, "room=kept:a", all.id);
    begins(c);
    while (next_event(c, got)) {
        note_event(&all, got);
    }
    ck_assert_uint_eq(all.heard[0], said[0]);
    core_conn_free(c);
    core_conn_free(other);
    core_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sse_recovery");
    TCase *tc = tcase_create("coming back");
    tcase_add_loop_test(tc, a_stream_that_breaks_off_anywhere_goes_on_exactly_there, 0,
                        10);
    tcase_add_test(tc, who_is_not_in_all_its_rooms_yet_loses_nothing_of_the_others);
    tcase_add_loop_test(tc, what_cannot_be_recovered_is_said, 0, FWI_ARRAY_LEN(returns));
    tcase_add_test(tc, what_is_not_kept_any_more_is_said_to_be_lost);
    tcase_add_test(tc, the_last_event_goes_over_since_and_may_stand_in_the_query);
    tcase_add_test(tc, a_history_that_begins_anew_is_told_with_a_new_id);
    tcase_add_test(tc, a_slow_reader_is_ended_and_comes_back_to_where_it_was);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
