/*
 * What rooms say in a turn: who gets it, in which order, in how many writes. The last
 * test plays thousands of random turns beside a model that gives everything at once.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/fanout.h"
#include "support/core_rig.h"
#include "wire/ws_codec.h"
#include "support/test_message.h"

static core_rig rig;

static void start(const char *policy, const char *outbox)
{
    core_rig_init(&rig, 1, "raw.mode", "rooms", "heartbeat.interval", "0s",
                  "outbox.policy", policy, "outbox.max_bytes", outbox, NULL);
}

static void setup(void)
{
    start("close", "1MiB");
}

static void teardown(void)
{
    core_rig_fini(&rig);
}

static fwi_conn *enter(const char *query)
{
    fwi_conn *c = core_connect(&rig, 0, query);
    core_rig_settle(&rig);
    ck_assert_ptr_nonnull(c->s);
    return c;
}

/* A client of the Centrifuge protocol, in that room. */
static fwi_conn *arrive_by_centrifuge(const char *room)
{
    char text[200];
    fwi_conn *c = core_connect_as(&rig, 0, "", FWI_CENTRIFUGE);
    snprintf(text, sizeof text,
             "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}",
             room);
    core_conn_say(c, text);
    core_rig_settle(&rig);
    ck_assert_uint_eq(c->s->n_places, 1);
    return c;
}

/* As the hub does when the backplane brings it: nothing is written before the turn ends.
 */
static void say(const char *room, const char *text, const fwi_conn *except)
{
    char channel[64];
    snprintf(channel, sizeof channel, "r:%s", room);
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    if (except != NULL) {
        m->except = except->id;
    }
    fwi_room_deliver(&rig.shard[0], channel, m);
    fw_message_unref(m);
}

static void tell(fwi_conn *c, const char *text)
{
    fwi_frame *f = fwi_frame_new_ws(FWI_WS_TEXT, text, strlen(text));
    fwi_session_push(c->s, f, 0);
    fwi_frame_unref(f);
}

static void end_turn(void)
{
    fwi_shard_turn_end(&rig.shard[0]);
}

/* What it has got, as one text; Close is "#". */
static const char *heard(fwi_conn *c)
{
    static char all[4096];
    char text[512];
    size_t n = 0;
    all[0] = '\0';
    for (int op; (op = core_conn_next(c, text, sizeof text)) >= 0;) {
        n += (size_t)snprintf(all + n, sizeof all - n, "%s ",
                              op == FWI_WS_CLOSE ? "#" : text);
    }
    return all;
}

START_TEST(what_a_room_says_in_a_turn_is_one_write_a_member)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r");
    say("r", "1", NULL);
    say("r", "2", NULL);
    say("r", "3", NULL);
    ck_assert_uint_eq(a->writes, 0);
    end_turn();
    ck_assert_uint_eq(a->writes, 1);
    ck_assert_uint_eq(b->writes, 1);
    ck_assert_str_eq(heard(a), "1 2 3 ");
    ck_assert_str_eq(heard(b), "1 2 3 ");
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DELIVERIES), 6);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_WRITTEN), 6);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_WRITES), 2);
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

START_TEST(who_hears_several_rooms_gets_them_in_order_and_in_one_write)
{
    fwi_conn *a = enter("room=p&room=q&user=ann"), *b = enter("room=q");
    say("p", "1", NULL);
    say("q", "2", NULL);
    say("p", "3", NULL);
    say("q", "4", NULL);
    end_turn();
    ck_assert_uint_eq(a->writes, 1);
    ck_assert_str_eq(heard(a), "1 2 3 4 ");
    ck_assert_str_eq(heard(b), "2 4 ");
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

START_TEST(a_direct_message_keeps_its_place_between_those_of_rooms)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r");
    say("r", "1", NULL);
    tell(a, "2");
    say("r", "3", NULL);
    end_turn();
    ck_assert_uint_eq(a->writes, 1);
    ck_assert_str_eq(heard(a), "1 2 3 ");
    ck_assert_str_eq(heard(b), "1 3 ");
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

START_TEST(who_is_left_out_gets_all_but_that)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r"), *c = enter("room=other");
    say("r", "1", NULL);
    say("r", "2", a);
    say("r", "3", c); /* it isn't in the room */
    say("r", "4", a);
    say("r", "5", b);
    end_turn();
    ck_assert_str_eq(heard(a), "1 3 5 ");
    ck_assert_str_eq(heard(b), "1 2 3 4 ");
    ck_assert_str_eq(heard(c), "");
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(c);
}
END_TEST

START_TEST(who_leaves_gets_what_was_said_before_and_who_comes_what_is_said_after)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r"), *c = enter("");
    say("r", "1", NULL);
    fwi_session_leave(a->s, "r");
    fwi_session_join(c->s, "r", &(fwi_join){0});
    say("r", "2", NULL);
    end_turn();
    ck_assert_str_eq(heard(a), "1 ");
    ck_assert_str_eq(heard(b), "1 2 ");
    ck_assert_str_eq(heard(c), "2 ");
    say("r", "3", NULL);
    end_turn();
    ck_assert_str_eq(heard(c), "3 ");
    core_conn_free(a);
    core_conn_free(b);
    core_conn_free(c);
}
END_TEST

START_TEST(the_last_member_may_leave_a_room_that_has_something_to_say)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=q");
    say("r", "1", NULL);
    fwi_session_leave(a->s, "r");
    say("q", "lost with its socket", NULL);
    core_conn_lose(b);
    end_turn();
    ck_assert_str_eq(heard(a), "1 ");
    ck_assert(fwi_fanout_is_quiet(&rig.shard[0].fanout));
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

START_TEST(what_was_said_before_a_close_goes_before_the_close_frame)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r");
    say("r", "1", NULL);
    fwi_session_close(a->s, 1000, "");
    say("r", "2", NULL);
    fwi_session_on_close(b->s, 1000, "", 0);
    end_turn();
    ck_assert_str_eq(heard(a), "1 # ");
    ck_assert_str_eq(heard(b), "1 2 # ");
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

START_TEST(a_full_socket_delays_nobody_else_and_loses_nothing)
{
    fwi_conn *slow = enter("room=r"), *fast = enter("room=r");
    slow->blocked = true;
    say("r", "1", NULL);
    end_turn();
    say("r", "2", NULL);
    end_turn();
    ck_assert_str_eq(heard(fast), "1 2 ");
    ck_assert_str_eq(heard(slow), "");
    core_conn_unblock(slow);
    say("r", "3", NULL);
    end_turn();
    ck_assert_str_eq(heard(slow), "1 2 3 ");
    core_conn_free(slow);
    core_conn_free(fast);
}
END_TEST

START_TEST(more_than_a_write_may_hold_goes_in_several_and_in_order)
{
    fwi_conn *a = enter("room=r"), *b = enter("room=r&room=q");
    size_t len = 50000;
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    for (char c = 'a'; c < 'i'; c++) {
        text[0] = c;
        say("r", text, NULL);
    }
    end_turn();
    ck_assert_uint_eq(a->writes, 4); /* two fit into 128 KiB */
    char got[8];
    for (char c = 'a'; c < 'i'; c++) {
        ck_assert_int_eq(core_conn_next(a, got, 2), FWI_WS_TEXT);
        ck_assert_int_eq(got[0], c);
        ck_assert_int_eq(core_conn_next(b, got, 2), FWI_WS_TEXT);
        ck_assert_int_eq(got[0], c);
    }
    free(text);
    core_conn_free(a);
    core_conn_free(b);
}
END_TEST

/* Somebody has come into the room; raw clients that are told plain texts hear nothing of
 * it. */
static void tell_of_a_coming(const char *channel)
{
    fw_message *m = test_message(FWI_MSG_ENTERED, NULL, 0, FW_BINARY);
    m->origin = fwi_origin_new((fw_session_id){1, 2}, "ann", "n");
    fwi_room_deliver(&rig.shard[0], channel, m);
    fw_message_unref(m);
}

/* JSON that is all line breaks is short in the words of some, and larger than the buffer
 * for all protocols in those of others. */
START_TEST(a_message_larger_than_a_write_goes_alone_in_whatever_words)
{
    teardown();
    core_rig_init(&rig, 1, "raw.mode", "rooms", "heartbeat.interval", "0s",
                  "client.insecure", "on", "room.join_leave", "on", NULL);
    fwi_conn *raw = enter("room=r"), *short_of_words = arrive_by_centrifuge("r");
    size_t len = 2 << 20;
    char *text = malloc(len + 1), got[8];
    memset(text, '\n', len);
    text[0] = '[';
    text[len - 1] = ']';
    text[len] = '\0';
    unsigned before = raw->writes;
    say("r", text, NULL);
    ck_assert_uint_eq(raw->writes, before);
    tell_of_a_coming("r:r");
    ck_assert_uint_eq(raw->writes, before + 1);
    end_turn();
    ck_assert_uint_eq(raw->writes, before + 1);
    ck_assert_int_eq(core_conn_next(raw, got, 2), FWI_WS_TEXT);
    ck_assert_int_eq(got[0], '[');
    ck_assert_int_lt(core_conn_next(raw, got, 2), 0);
    ck_assert_ptr_nonnull(strstr(heard(short_of_words), "\"data\":[]"));
    free(text);
    core_conn_free(raw);
    core_conn_free(short_of_words);
}
END_TEST

START_TEST(a_slow_member_is_closed_at_its_limit_and_the_others_hear_on)
{
    teardown();
    start("close", "64KiB");
    fwi_conn *slow = enter("room=r"), *fast = enter("room=r");
    char text[1025];
    memset(text, 'x', 1024);
    text[1024] = '\0';
    slow->blocked = true;
    for (int i = 0; i < 100; i++) {
        say("r", text, NULL);
        end_turn();
    }
    ck_assert_ptr_nonnull(fast->s);
    ck_assert_uint_eq(core_conn_count(fast, text), 0); /* longer than what it compares */
    ck_assert_uint_eq(fast->writes, 100);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_OVERFLOW_CLOSE), 1);
    ck_assert_int_eq(slow->s == NULL || slow->s->state == FWI_SESSION_CLOSING, 1);
    core_conn_free(slow);
    core_conn_free(fast);
}
END_TEST

START_TEST(who_agreed_on_compression_gets_the_same_in_one_write_too)
{
    teardown();
    core_rig_init(&rig, 1, "raw.mode", "rooms", "heartbeat.interval", "0s", "compression",
                  "on", NULL);
    fwi_conn *plain = enter("room=r"), *small = enter("room=r");
    fwi_conn *deflating[] = {enter("room=r"), enter("room=r&room=q")};
    fwi_session_set_deflates(small->s, 8);
    fwi_session_set_deflates(deflating[0]->s, 15);
    fwi_session_set_deflates(deflating[1]->s, 15);
    char text[301];
    memset(text, 'x', 300);
    text[300] = '\0';
    for (int i = 0; i < 3; i++) {
        say("r", text, NULL);
    }
    end_turn();
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(deflating[i]->writes, 1);
        for (int k = 0; k < 3; k++) {
            char got[512];
            ck_assert_uint_eq((uint8_t)deflating[i]->out.data[0], 0xc1);
            ck_assert_int_eq(core_conn_next(deflating[i], got, sizeof got), FWI_WS_TEXT);
            ck_assert_uint_lt(strlen(got), 20);
        }
        ck_assert_uint_eq(deflating[i]->out.len, 0);
    }
    ck_assert_uint_eq(plain->writes, 1);
    ck_assert_uint_eq(small->writes, 1);
    /* 300 bytes don't fit into a window of 256. */
    ck_assert_uint_eq(small->out.len, plain->out.len);
    ck_assert_int_eq(memcmp(small->out.data, plain->out.data, plain->out.len), 0);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_DEFLATED), 3);
    core_conn_free(plain);
    core_conn_free(small);
    core_conn_free(deflating[0]);
    core_conn_free(deflating[1]);
}
END_TEST

START_TEST(a_batch_holds_no_more_than_may_wait_for_a_slow_reader)
{
    teardown();
    start("close", "4KiB");
    fwi_conn *a = enter("room=r");
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 8; i++) {
        say("r", text, NULL);
    }
    end_turn();
    ck_assert_ptr_nonnull(a->s);
    ck_assert_uint_eq(a->writes, 2);
    ck_assert_uint_eq(core_rig_stat(&rig, FWI_STAT_WRITTEN), 8);
    core_conn_free(a);
}
END_TEST

START_TEST(rounds_that_begin_anew_leave_nobody_out)
{
    fwi_conn *a = enter("room=r");
    a->blocked = true;
    say("r", "1", NULL);
    end_turn();
    core_conn_unblock(a);
    ck_assert_uint_eq(a->s->heard_round, 1);
    rig.shard[0].fanout.round = UINT32_MAX;
    say("r", "2", NULL);
    end_turn();
    ck_assert_uint_eq(rig.shard[0].fanout.round, 1);
    ck_assert_str_eq(heard(a), "1 2 ");
    core_conn_free(a);
}
END_TEST

START_TEST(hundreds_of_rooms_are_heard_in_the_order_of_the_hub)
{
    teardown();
    core_rig_init(&rig, 1, "raw.mode", "rooms", "limit.rooms_per_session", "300", NULL);
    fwi_conn *a = enter("user=ann");
    char name[16], number[16], got[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(fwi_session_join(a->s, name, &(fwi_join){0}), FW_OK);
    }
    core_rig_settle(&rig);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%d", i * 7919 % 300);
        snprintf(number, sizeof number, "%d", i);
        say(name, number, NULL);
    }
    end_turn();
    ck_assert_uint_eq(a->writes, 1);
    for (int i = 0; i < 2000; i++) {
        snprintf(number, sizeof number, "%d", i);
        ck_assert_int_eq(core_conn_next(a, got, sizeof got), FWI_WS_TEXT);
        ck_assert_str_eq(got, number);
    }
    core_conn_free(a);
}
END_TEST

/* --- beside a model --- */

enum { PEOPLE = 8, ROOMS = 4, STEPS = 400 };

typedef struct person {
    fwi_conn *c;
    bool in[ROOMS];
    unsigned n;
    unsigned expected[STEPS * 2];
} person;

static void expect(person *p, unsigned number)
{
    p->expected[p->n++] = number;
}

static void step(person *people, unsigned number)
{
    char text[16], room[2] = {(char)('a' + rand() % ROOMS), '\0'};
    snprintf(text, sizeof text, "%u", number);
    person *p = &people[rand() % PEOPLE];
    unsigned r = (unsigned)(room[0] - 'a');
    switch (rand() % 10) {
    case 0:
        tell(p->c, text);
        expect(p, number);
        break;
    case 1:
        fwi_session_join(p->c->s, room, &(fwi_join){0});
        p->in[r] = true;
        break;
    case 2:
        fwi_session_leave(p->c->s, room);
        p->in[r] = false;
        break;
    case 3:
        p->c->blocked = !p->c->blocked;
        if (!p->c->blocked) {
            core_conn_unblock(p->c);
        }
        break;
    case 4:
        end_turn();
        break;
    default: {
        const person *except = rand() % 3 == 0 ? p : NULL;
        say(room, text, except ? except->c : NULL);
        for (person *q = people; q < people + PEOPLE; q++) {
            if (q->in[r] && q != except) {
                expect(q, number);
            }
        }
    }
    }
}

START_TEST(random_turns_give_everybody_what_a_model_gives)
{
    srand((unsigned)_i);
    person *people = calloc(PEOPLE, sizeof *people);
    fwi_conn
        *keepers[ROOMS]; /* rooms are heard all the time: joins are complete at once */
    for (int i = 0; i < ROOMS; i++) {
        char query[] = "room=a";
        query[5] = (char)('a' + i);
        keepers[i] = enter(query);
    }
    for (int i = 0; i < PEOPLE; i++) {
        people[i].c = enter(i % 2 ? "" : "user=ann");
    }
    for (unsigned i = 0; i < STEPS; i++) {
        step(people, i);
    }
    for (person *p = people; p < people + PEOPLE; p++) {
        if (p->c->blocked) {
            core_conn_unblock(p->c);
        }
    }
    end_turn();
    for (person *p = people; p < people + PEOPLE; p++) {
        char text[32], wanted[32];
        for (unsigned i = 0; i < p->n; i++) {
            snprintf(wanted, sizeof wanted, "%u", p->expected[i]);
            ck_assert_int_eq(core_conn_next(p->c, text, sizeof text), FWI_WS_TEXT);
            ck_assert_str_eq(text, wanted);
        }
        ck_assert_int_eq(core_conn_next(p->c, text, sizeof text), -1);
        core_conn_free(p->c);
    }
    for (int i = 0; i < ROOMS; i++) {
        core_conn_free(keepers[i]);
    }
    free(people);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("fanout");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_a_room_says_in_a_turn_is_one_write_a_member);
    tcase_add_test(t, who_hears_several_rooms_gets_them_in_order_and_in_one_write);
    tcase_add_test(t, a_direct_message_keeps_its_place_between_those_of_rooms);
    tcase_add_test(t, who_is_left_out_gets_all_but_that);
    tcase_add_test(t,
                   who_leaves_gets_what_was_said_before_and_who_comes_what_is_said_after);
    tcase_add_test(t, the_last_member_may_leave_a_room_that_has_something_to_say);
    tcase_add_test(t, what_was_said_before_a_close_goes_before_the_close_frame);
    tcase_add_test(t, a_full_socket_delays_nobody_else_and_loses_nothing);
    tcase_add_test(t, more_than_a_write_may_hold_goes_in_several_and_in_order);
    tcase_add_test(t, a_message_larger_than_a_write_goes_alone_in_whatever_words);
    tcase_add_test(t, a_slow_member_is_closed_at_its_limit_and_the_others_hear_on);
    tcase_add_test(t, who_agreed_on_compression_gets_the_same_in_one_write_too);
    tcase_add_test(t, a_batch_holds_no_more_than_may_wait_for_a_slow_reader);
    tcase_add_test(t, rounds_that_begin_anew_leave_nobody_out);
    tcase_add_test(t, hundreds_of_rooms_are_heard_in_the_order_of_the_hub);
    tcase_add_loop_test(t, random_turns_give_everybody_what_a_model_gives, 0, 300);
    Suite *s = suite_create("fanout");
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
