/*
 * The backplane on a Cluster that the test plays, when its servers do what they
 * shouldn't: hang, refuse everything, tell an old map or none that can be. What matters
 * is that it ends, that it costs no more than it must, and that nothing is lost or
 * changes places.
 */
#include "redis_cluster_rig.h"

#include <limits.h>
#include <time.h>

/* --- memory that runs out: see CMakeLists.txt --- */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int spared, fails; /* behind the next ones that are spared so many fail */

void *__wrap_calloc(size_t n, size_t size)
{
    if (fails > 0 && spared-- <= 0) {
        fails--;
        return NULL;
    }
    return __real_calloc(n, size);
}

static const char all_of_b[] = LINE(ID_B, "b:2", "0-16383");

/* --- what servers say --- */

static bool is_map_asked_for(void)
{
    return strstr(written(asked), "CLUSTER") != NULL;
}

/* Whoever asks for the map meanwhile is told this one. */
static void pass_with(const char *map, unsigned ms)
{
    fake_stream_written(asked)->len = 0;
    for (unsigned i = 0; i < ms && !fake_stream_is_closed(asked); i++) {
        fake_loop_advance(loop, 1);
        if (is_map_asked_for()) {
            fake_stream_written(asked)->len = 0;
            tell_map(map);
        }
    }
}

/* How many ms it takes. */
static unsigned await_question(void)
{
    unsigned ms = 0;
    fake_stream_written(asked)->len = 0;
    for (; !is_map_asked_for(); ms++) {
        ck_assert_uint_lt(ms, 6000);
        fake_loop_advance(loop, 1);
    }
    fake_stream_written(asked)->len = 0;
    return ms;
}

/* Both links are live, and what was asked for has no answer. */
static void greet_at(server *s)
{
    find_links(s);
    fake_stream_open(s->command);
    fake_stream_open(s->subscriber);
    fake_stream_feed_text(s->command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(s->subscriber, "+OK\r\n+PONG\r\n");
    forget(s);
    fake_loop_turn(loop);
}

static void end_subscription(const server *s, const char *channel)
{
    char text[100];
    snprintf(text, sizeof text,
             "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\nfanwire:%s\r\n:0\r\n",
             strlen("fanwire:") + strlen(channel), channel);
    fake_stream_feed_text(s->subscriber, text);
}

static void say_from(const server *s, uint64_t node, uint64_t serial, const char *channel)
{
    fwi_buf envelope = {0}, out = {0};
    fw_message *m = text_message("hello");
    ck_assert(fwi_message_encode(m, node, serial, &envelope));
    fwi_buf_printf(&out, "*3\r\n$8\r\nsmessage\r\n$%zu\r\nfanwire:%s\r\n$%zu\r\n",
                   strlen("fanwire:") + strlen(channel), channel, envelope.len);
    fwi_buf_append(&out, envelope.data, envelope.len);
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(s->subscriber, out.data, out.len);
    fake_loop_turn(loop);
    fw_message_unref(m);
    fwi_buf_fini(&envelope);
    fwi_buf_fini(&out);
}

/* A map in which one room's slot is all that the first of them serves. */
static const char *map_of_one_slot(const char *room, const char *first)
{
    static char text[600];
    unsigned slot = slot_of(room);
    snprintf(text, sizeof text,
             "%s@1 master - 0 0 1 connected %u\n" ID_B
             " b:2@1 master - 0 0 1 connected 0-%u %u-16383\n",
             first, slot, slot - 1, slot + 1);
    return text;
}

/* The channel of the probe that was asked for there. */
static void find_probe(const server *s, char out[40])
{
    const char *at = strstr(written(s->subscriber), "fanwire:probe:");
    ck_assert_ptr_nonnull(at);
    snprintf(out, 40, "%.*s", (int)strcspn(at, "\r"), at + strlen("fanwire:"));
    out[strcspn(out, "\r")] = '\0';
}

/* Where it stands among what was written there; NULL: it doesn't. */
static const char *place_of(const server *s, const char *text)
{
    const fwi_buf *out = fake_stream_written(s->command);
    return out->len > 0 ? memmem(out->data, out->len, text, strlen(text)) : NULL;
}

/* --- servers that hang or refuse --- */

START_TEST(a_server_that_hangs_before_it_is_up_is_given_up_though_maps_come)
{
    begin_asking();
    tell_map(HALVES);
    greet_at(&a);
    come_up_at(&b);
    pass_with(HALVES, 5100);
    ck_assert(fake_stream_is_closed(a.command));
    ck_assert_msg(strstr(why, "no answer to SUBSCRIBE") != NULL, "%s", why);
}
END_TEST

START_TEST(a_cluster_that_is_down_is_away_and_not_asked_in_a_storm)
{
    begin_up();
    enter_at(&a, in_a);
    ck_assert(bp->ops->subscribe(bp, also_in_a));
    fake_loop_turn(loop);
    fake_stream_feed_text(a.subscriber, "-CLUSTERDOWN The cluster is down\r\n");
    fake_loop_turn(loop);
    ck_assert(fake_stream_is_closed(a.subscriber));
    ck_assert_msg(strstr(why, "CLUSTERDOWN") != NULL, "%s", why);
}
END_TEST

START_TEST(a_slot_that_is_not_served_is_looked_for_and_nobody_is_away)
{
    begin_up();
    enter_at(&a, in_a);
    ck_assert(bp->ops->subscribe(bp, also_in_a));
    publish(in_a, "hello");
    fake_loop_turn(loop);
    forget(&a);
    fake_stream_feed_text(a.subscriber, "-CLUSTERDOWN Hash slot not served\r\n");
    say(&a, "-CLUSTERDOWN Hash slot not served\r\n");
    ck_assert_uint_lt(await_question(), 101);
    tell_map(HALVES);
    ck_assert_uint_eq(confirm_all(&a), 2);
    ck_assert(wrote(&a, "hello"));
    ck_assert_uint_eq(downs, 0);
}
END_TEST

/* What it is told doesn't fit what it has asked; one: of another room's slot. */
static const char *const strange_moves[] = {"99999 b:2", "-1 b:2", "x", "", NULL};

static void refuse_strangely(const char *what)
{
    char text[64], slot[16];
    snprintf(slot, sizeof slot, "%u b:2", slot_of(also_in_a));
    snprintf(text, sizeof text, "-MOVED %s\r\n", what != NULL ? what : slot);
    say(&a, text);
}

START_TEST(a_refusal_that_names_another_slot_is_no_reason_to_repeat_at_once)
{
    begin_up();
    publish(in_a, "plain");
    keep(in_a, "kept");
    fake_loop_turn(loop);
    forget(&a);
    refuse_strangely(strange_moves[_i]);
    refuse_strangely(strange_moves[_i]);
    ck_assert(!wrote(&a, "plain") && !wrote(&a, "kept"));
    ck_assert_uint_lt(await_question(), 101);
    tell_map(HALVES);
    ck_assert(wrote(&a, "plain") && wrote(&a, "kept"));
    ck_assert_uint_eq(downs, 0);
}
END_TEST

/* --- probes --- */

START_TEST(a_server_is_up_when_its_newest_probe_is_heard)
{
    char probe[40];
    begin_asking();
    tell_map(HALVES);
    come_up_at(&b);
    greet_at(&a);
    find_probe(&a, probe);
    await_question();
    tell_map(map_without(probe));
    ck_assert_uint_eq(ups, 0);
    ck_assert(!wrote(&a, "SPUBLISH"));
}
END_TEST

START_TEST(a_server_that_has_given_up_all_its_slots_is_asked_for_no_probe)
{
    char probe[40];
    begin_asking();
    tell_map(map_of_one_slot(in_a, ID_A " a:1"));
    greet_at(&a);
    find_probe(&a, probe);
    ck_assert_uint_eq(confirm_all(&a), 1);
    forget(&a);
    end_subscription(&a, probe);
    fake_loop_turn(loop);
    ck_assert_ptr_null(strstr(written(a.subscriber), "SSUBSCRIBE"));
    ck_assert_uint_lt(await_question(), 101);
    tell_map(map_of_one_slot(in_a, ID_A " a:1"));
    ck_assert_uint_eq(confirm_all(&a), 1);
}
END_TEST

START_TEST(a_probe_that_has_moved_meanwhile_makes_nobody_deaf)
{
    char probe[40];
    begin_asking();
    tell_map(HALVES);
    come_up_at(&b);
    greet_at(&a);
    find_probe(&a, probe);
    ck_assert_uint_eq(confirm_all(&a), 1);
    ck_assert(wrote(&a, "SPUBLISH"));
    say(&a, ":1\r\n+PONG\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n");
    fake_stream_feed_text(a.subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    end_subscription(&a, in_a);
    fake_loop_turn(loop);
    await_question();
    tell_map(map_without(probe));
    fake_loop_advance(loop, 3100);
    ck_assert(fake_stream_is_open(a.command));
}
END_TEST

/* It has no slot yet in which its probe could lie: there is none to be looked for. */
START_TEST(a_new_server_whose_slots_are_still_fenced_takes_no_time)
{
    char map[700];
    begin_up();
    keep(in_a, "on its way");
    fake_loop_turn(loop);
    await_question();
    snprintf(map, sizeof map,
             ID_A " a:1@1 master - 0 0 1 connected 0-%u %u-8191\n" ID_C
                  " c:3@1 master - 0 0 1 connected %u\n%s",
             slot_of(in_a) - 1, slot_of(in_a) + 1, slot_of(in_a),
             LINE(ID_B, "b:2", "8192-16383"));
    tell_map(map);
    clock_t began = clock();
    for (int i = 0; i < 50; i++) {
        fake_loop_advance(loop, 10);
    }
    ck_assert_int_lt((clock() - began) / CLOCKS_PER_SEC, 3);
    answer_kept(&a);
    fake_loop_advance(loop, 20);
    come_up_at(&c);
}
END_TEST

/* --- order --- */

START_TEST(what_was_refused_stays_ahead_of_what_was_lost_behind_it)
{
    begin_up();
    keep(in_a, "first");
    keep(in_a, "second");
    fake_loop_turn(loop);
    refuse(&a, in_a);
    fake_stream_fail(a.command, "connection reset");
    fake_loop_turn(loop);
    tell_map_soon(map_without(in_a));
    const char *one = place_of(&b, "first"), *two = place_of(&b, "second");
    ck_assert(one != NULL && two != NULL && one < two);
}
END_TEST

START_TEST(what_the_hub_answers_while_a_slot_opens_comes_behind_the_question)
{
    begin_up();
    enter_at(&a, in_a);
    end_subscription(&a, in_a);
    fake_loop_turn(loop);
    await_question();
    publish(in_a, "question");
    answers_back = true;
    tell_map(map_without(in_a));
    confirm_all(&b);
    const char *question = place_of(&b, "question"), *answer = place_of(&b, "answer");
    ck_assert(question != NULL && answer != NULL && question < answer);
}
END_TEST

/* --- shards that come and go --- */

START_TEST(who_takes_over_slots_that_were_all_given_up_is_the_same_shard)
{
    begin_asking();
    tell_map(map_of_one_slot(in_a, ID_A " a:1"));
    come_up_at(&a);
    come_up_at(&b);
    enter_at(&a, in_a);
    say_from(&a, 5, 10, in_a);
    ck_assert_ptr_nonnull(strstr(heard, "hello"));
    end_subscription(&a, in_a);
    fake_loop_turn(loop);
    tell_map_soon(map_of_one_slot(in_a, ID_C " c:3"));
    come_up_at(&c);
    ck_assert(fake_stream_is_closed(a.command));
    heard[0] = '\0';
    say_from(&c, 5, 10, in_a); /* again, after a return of its own */
    expect_heard("");
    ck_assert_uint_eq(figures().duplicates, 1);
}
END_TEST

START_TEST(what_a_server_without_slots_was_asked_before_is_answered_by_it)
{
    begin_up();
    ck_assert(bp->ops->forget_history(bp, in_a, 9));
    fake_loop_turn(loop);
    await_question();
    tell_map(all_of_b);
    fake_loop_advance(loop, 100);
    expect_heard("");
    say(&a, "$16\r\n" EPOCH EPOCH "\r\n");
    expect_heard("#9=FW_OK ");
    fake_loop_advance(loop, 20);
    ck_assert(fake_stream_is_closed(a.command));
}
END_TEST

/* Whichever is the first allocation to fail while the last of its slots leaves a server.
 */
START_TEST(a_subscription_outlives_a_lack_of_memory_at_its_slots_move)
{
    begin_up();
    enter_at(&a, in_a);
    await_question();
    spared = _i;
    fails = INT_MAX;
    fwi_buf map = {0};
    fwi_buf_printf(&map, "$%zu\r\n%s\r\n", strlen(all_of_b), all_of_b);
    fake_stream_feed(asked, map.data, map.len);
    bp->ops->flush(bp);
    fails = 0;
    fwi_buf_fini(&map);
    fake_loop_advance(loop, 100);
    ck_assert_uint_eq(figures().channels, 1);
    ck_assert(memmem(written(b.subscriber), fake_stream_written(b.subscriber)->len, in_a,
                     strlen(in_a)) != NULL);
}
END_TEST

START_TEST(a_map_for_which_there_is_no_memory_changes_nothing)
{
    begin_up();
    await_question();
    spared = 0;
    fails = 1;
    tell_map(LINE(ID_A, "elsewhere:1", "0-8191") LINE(ID_B, "b:2", "8192-12000")
                 LINE(ID_C, "c:3", "12001-16383"));
    ck_assert_int_eq(fails, 0);
    end_subscription(&a, in_a); /* the masters are looked through */
    fake_loop_turn(loop);
    ck_assert(fake_stream_is_open(a.command) && fake_stream_is_open(b.command));
}
END_TEST

/* --- who is asked for the map, and how often --- */

/* ms until the map is asked for, when so many slots leave at once. */
static unsigned asked_after(unsigned slots)
{
    char channel[16];
    begin_up();
    for (unsigned i = 0; i < slots; i++) {
        snprintf(channel, sizeof channel, "r:%u", i);
        end_subscription(&a, channel);
    }
    fake_loop_turn(loop);
    return await_question();
}

START_TEST(when_many_slots_leave_nodes_ask_no_more_at_the_same_moment)
{
    unsigned one = asked_after(2); /* one of the two is the first server's */
    end_cluster();
    ck_assert_uint_eq(asked_after(500), one);
}
END_TEST

START_TEST(whose_maps_do_not_help_is_not_asked_for_ever)
{
    begin_up();
    fake_stream_fail(a.command, "connection reset"); /* and it doesn't return */
    fake_loop_turn(loop);
    pass_with(HALVES, 4500);
    ck_assert(!fake_stream_is_closed(asked));
    pass_with(HALVES, 1500);
    ck_assert(fake_stream_is_closed(asked));
}
END_TEST

START_TEST(who_is_lost_is_followed_by_the_next_one)
{
    begin_up();
    fake_stream_fail(asked, "connection reset");
    fake_loop_advance(loop, 5000);
    ck_assert_str_eq(fake_stream_target(fake_loop_last_stream(loop))->host, "a");
}
END_TEST

static void add_servers(Suite *s)
{
    TCase *tc = tcase_create("servers");
    tcase_add_checked_fixture(tc, NULL, end_cluster);
    tcase_add_test(tc, a_server_that_hangs_before_it_is_up_is_given_up_though_maps_come);
    tcase_add_test(tc, a_cluster_that_is_down_is_away_and_not_asked_in_a_storm);
    tcase_add_test(tc, a_slot_that_is_not_served_is_looked_for_and_nobody_is_away);
    tcase_add_loop_test(tc,
                        a_refusal_that_names_another_slot_is_no_reason_to_repeat_at_once,
                        0, (int)FWI_ARRAY_LEN(strange_moves));
    tcase_add_test(tc, a_server_is_up_when_its_newest_probe_is_heard);
    tcase_add_test(tc, a_server_that_has_given_up_all_its_slots_is_asked_for_no_probe);
    tcase_add_test(tc, a_probe_that_has_moved_meanwhile_makes_nobody_deaf);
    tcase_add_test(tc, a_new_server_whose_slots_are_still_fenced_takes_no_time);
    suite_add_tcase(s, tc);
}

static void add_slots(Suite *s)
{
    TCase *tc = tcase_create("slots");
    tcase_add_checked_fixture(tc, NULL, end_cluster);
    tcase_add_test(tc, what_was_refused_stays_ahead_of_what_was_lost_behind_it);
    tcase_add_test(tc, what_the_hub_answers_while_a_slot_opens_comes_behind_the_question);
    tcase_add_test(tc, who_takes_over_slots_that_were_all_given_up_is_the_same_shard);
    tcase_add_test(tc, what_a_server_without_slots_was_asked_before_is_answered_by_it);
    tcase_add_loop_test(tc, a_subscription_outlives_a_lack_of_memory_at_its_slots_move, 0,
                        8);
    tcase_add_test(tc, a_map_for_which_there_is_no_memory_changes_nothing);
    tcase_add_test(tc, when_many_slots_leave_nodes_ask_no_more_at_the_same_moment);
    tcase_add_test(tc, whose_maps_do_not_help_is_not_asked_for_ever);
    tcase_add_test(tc, who_is_lost_is_followed_by_the_next_one);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("redis_cluster_trouble");
    add_servers(s);
    add_slots(s);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
